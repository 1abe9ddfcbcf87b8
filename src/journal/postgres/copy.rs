//! Taking in the rows of a journal in a file.

use std::sync::Arc;

use tokio_postgres::types::ToSql;

use super::super::copy::{Cell, PAGE, TABLES, Table, Type};
use super::super::sqlite::SqliteJournal;
use super::clock::TOLERATED;
use super::commit::turn;
use super::fault::Stop;
use super::rows::name;
use super::store::Tx;
use crate::model::time::print_duration;

async fn is_empty(tx: &Tx<'_>) -> Result<bool, Stop> {
    let any = TABLES.map(|table| format!("exists (select from {} where tenant = $1)", table.name)).join(" or ");
    Ok(!tx.one(&format!("select {any}"), &[&tx.t]).await?.try_get::<_, bool>(0)?)
}

/// Takes in every row, in one transaction; `None` where something is there already.
pub(super) async fn take_in(tx: &Tx<'_>, from: &Arc<SqliteJournal>) -> Result<Option<Vec<(&'static str, u64)>>, Stop> {
    // A journal that is at work is not held up for this.
    if !is_empty(tx).await? {
        return Ok(None);
    }
    // Reading the file may take its time, but who is frozen must not keep others waiting for ever.
    tx.batch("set local idle_in_transaction_session_timeout = '60s'; lock table lane in share row exclusive mode")
        .await?;
    not_later(tx, from).await?;
    // In the order in which whoever writes takes them: lanes, the turn, the rest. Whoever comes meanwhile waits, and finds
    // everything.
    turn(tx).await?;
    let rest: Vec<&str> = TABLES.iter().map(|table| table.name).filter(|name| *name != "lane").collect();
    tx.batch(&format!("lock table {} in share row exclusive mode", rest.join(", "))).await?;
    if !is_empty(tx).await? {
        return Ok(None);
    }
    let mut counts = Vec::new();
    for table in &TABLES {
        let (mut count, mut after) = (0, Some(Vec::new()));
        while let Some(key) = after {
            let page = from.rows_of(table, key, PAGE).await.map_err(|fault| Stop::Fault(fault.to_string()))?;
            put(tx, table, &page.rows).await?;
            count += page.rows.len() as u64;
            after = page.more;
        }
        counts.push((table.name, count));
    }
    Ok(Some(counts))
}

/// The database's clock goes on from that of the file: behind it, nothing would be due for as long.
async fn not_later(tx: &Tx<'_>, from: &SqliteJournal) -> Result<(), Stop> {
    let last = from.last_change().await.map_err(|fault| Stop::Fault(fault.to_string()))?;
    let ahead = last.since(tx.now);
    if ahead <= TOLERATED {
        return Ok(());
    }
    Err(Stop::Fault(format!(
        "the file was written at {last}, and the clock of the database shows {}, {} before; set the one that is wrong right, \
         then copy again",
        tx.now,
        print_duration(ahead)
    )))
}

async fn put(tx: &Tx<'_>, table: &Table, rows: &[Vec<Cell>]) -> Result<(), Stop> {
    let mut values: Vec<Box<dyn ToSql + Sync>> = Vec::new();
    let (mut names, mut given, mut shown) = (Vec::new(), Vec::new(), Vec::new());
    for (at, (column, ty)) in table.columns.iter().enumerate() {
        let cells = rows.iter().map(|row| row.get(at).unwrap_or(&Cell::Nothing));
        let array = if *ty == Type::Text { "text[]" } else { "bigint[]" };
        values.push(if *ty == Type::Text {
            Box::new(texts(cells, *column == "value"))
        } else {
            Box::new(numbers(cells))
        });
        given.push(format!("${}::{array}", at + 2));
        names.push(format!("c{at}"));
        shown.push(match ty {
            Type::Text | Type::Number => format!("c{at}"),
            Type::Small => format!("c{at}::integer"),
            Type::Flag => format!("c{at} <> 0"),
        });
    }
    let columns: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
    let sql = format!(
        "insert into {} (tenant, {}) select $1, {} from unnest({}) with ordinality as given ({}, place) order by place",
        table.name,
        columns.join(", "),
        shown.join(", "),
        given.join(", "),
        names.join(", "),
    );
    let mut all: Vec<&(dyn ToSql + Sync)> = vec![&tx.t];
    all.extend(values.iter().map(AsRef::as_ref));
    tx.run(&sql, &all).await?;
    Ok(())
}

/// Names from outside stand for themselves by what is looked for here.
fn texts<'c>(cells: impl Iterator<Item = &'c Cell>, are_names: bool) -> Vec<Option<String>> {
    let shown = |text: &str| if are_names { name(text).into_owned() } else { text.to_owned() };
    cells.map(|cell| if let Cell::Text(text) = cell { Some(shown(text)) } else { None }).collect()
}

fn numbers<'c>(cells: impl Iterator<Item = &'c Cell>) -> Vec<Option<i64>> {
    cells.map(|cell| if let Cell::Number(number) = cell { Some(*number) } else { None }).collect()
}
