//! The rows of the file as they stand, for a copy elsewhere, and the mark that says that it was copied.

use rusqlite::types::ValueRef;
use rusqlite::{Connection, OptionalExtension as _};

use super::super::copy::{Cell, Mark, Table};
use super::fault::Stop;
use super::read::View;
use super::rows::Tx;

/// The key of the mark.
const MOVED: &str = "moved";

/// Some rows of a table, in its order.
pub(super) fn rows_of(view: &View<'_>, table: &Table, skip: u64, most: usize) -> rusqlite::Result<Vec<Vec<Cell>>> {
    let columns: Vec<&str> = table.columns.iter().map(|(name, _)| *name).collect();
    let sql = format!(
        "select {} from {} where tenant = ?1 order by {} limit ?2 offset ?3",
        columns.join(", "),
        table.name,
        table.order
    );
    let mut statement = view.db.prepare_cached(&sql)?;
    let limits = (view.t, i64::try_from(most).unwrap_or(i64::MAX), i64::try_from(skip).unwrap_or(i64::MAX));
    let rows = statement.query_map(limits, |row| (0..columns.len()).map(|at| cell(row.get_ref(at)?)).collect())?;
    rows.collect()
}

fn cell(value: ValueRef<'_>) -> rusqlite::Result<Cell> {
    Ok(match value {
        ValueRef::Null => Cell::Nothing,
        ValueRef::Integer(number) => Cell::Number(number),
        ValueRef::Text(_) => Cell::Text(value.as_str()?.to_owned()),
        // No column of ours holds these.
        ValueRef::Real(_) | ValueRef::Blob(_) => return Err(rusqlite::Error::InvalidQuery),
    })
}

/// What the file says of a copy of it.
pub(super) fn marked(db: &Connection) -> rusqlite::Result<Option<Mark>> {
    let sql = "select value from meta where key = ?1";
    let text: Option<String> = db.query_row(sql, [MOVED], |row| row.get(0)).optional()?;
    Ok(text.as_deref().map(Mark::read))
}

/// Lets the file say how far a copy of it has come, or nothing of one.
pub(super) fn mark(tx: &Tx<'_>, mark: Option<&Mark>) -> Result<(), Stop> {
    match mark {
        Some(mark) => {
            let sql = "insert into meta (key, value) values (?1, ?2) on conflict (key) do update set value = ?2";
            tx.db.execute(sql, [MOVED, &mark.text()])?;
        }
        None => {
            tx.db.execute("delete from meta where key = ?1", [MOVED])?;
        }
    }
    Ok(())
}
