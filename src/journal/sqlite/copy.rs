//! The rows of the file as they stand, for a copy elsewhere, and the mark that says that it was copied.

use rusqlite::types::{ToSqlOutput, ValueRef};
use rusqlite::{Connection, OptionalExtension as _, Row, ToSql};

use super::super::copy::{Cell, Mark, Page, Table};
use super::fault::Stop;
use super::read::View;
use super::rows::Tx;
use crate::model::time::At;

/// The key of the mark.
const MOVED: &str = "moved";

/// The rows of a table that follow `after`, at most so many.
pub(super) fn rows_of(view: &View<'_>, table: &Table, after: &[Cell], most: usize) -> rusqlite::Result<Page> {
    let mut statement = view.db.prepare_cached(&select(table, !after.is_empty()))?;
    let first = [Cell::Text(view.t.to_owned()), Cell::Number(i64::try_from(most).unwrap_or(i64::MAX))];
    let values = first.iter().chain(after);
    let width = table.columns.len();
    let read = |row: &Row<'_>| (0..width + table.key.len()).map(|at| cell(row.get_ref(at)?)).collect();
    let rows = statement.query_map(rusqlite::params_from_iter(values), read)?;
    let mut rows = rows.collect::<rusqlite::Result<Vec<Vec<Cell>>>>()?;
    let keys = rows.iter_mut().map(|row| row.split_off(width)).last();
    let more = keys.filter(|_| rows.len() == most);
    Ok(Page { rows, more })
}

/// The tenant is no way to find them: by its index they would be sorted for every page anew.
fn select(table: &Table, goes_on: bool) -> String {
    let columns = table.columns.iter().map(|(name, _)| name).chain(table.key).copied().collect::<Vec<_>>().join(", ");
    let key = table.key.join(", ");
    let asked = (0..table.key.len()).map(|at| format!("?{}", at + 3)).collect::<Vec<_>>().join(", ");
    let after = if goes_on { format!(" and ({key}) > ({asked})") } else { String::new() };
    let tenant = if matches!(table.key, ["rowid" | "position" | "number"]) { "+tenant" } else { "tenant" };
    format!("select {columns} from {} where {tenant} = ?1{after} order by {key} limit ?2", table.name)
}

impl ToSql for Cell {
    fn to_sql(&self) -> rusqlite::Result<ToSqlOutput<'_>> {
        Ok(match self {
            Self::Nothing => ToSqlOutput::Borrowed(ValueRef::Null),
            Self::Text(text) => ToSqlOutput::Borrowed(ValueRef::Text(text.as_bytes())),
            Self::Number(number) => ToSqlOutput::Borrowed(ValueRef::Integer(*number)),
        })
    }
}

/// When the last stream changed.
pub(super) fn last_change(view: &View<'_>) -> rusqlite::Result<At> {
    let sql = "select coalesce(max(changed_at), 0) from stream where tenant = ?1";
    view.db.query_row(sql, [view.t], |row| row.get(0)).map(At::from_ticks)
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

#[cfg(test)]
mod tests {
    use super::super::super::copy::TABLES;
    use super::super::testing::Bench;
    use super::*;

    #[test]
    fn a_page_is_found_where_the_last_one_ended_and_nothing_is_sorted_for_it() {
        let bench = Bench::new();
        drop(bench.open());
        let db = Connection::open(bench.path()).unwrap();
        for (table, goes_on) in TABLES.iter().flat_map(|table| [(table, false), (table, true)]) {
            let sql = format!("explain query plan {}", select(table, goes_on));
            let mut plan = db.prepare(&sql).unwrap();
            let values = vec![rusqlite::types::Value::Null; plan.parameter_count()];
            let steps = plan.query_map(rusqlite::params_from_iter(values), |row| row.get::<_, String>(3)).unwrap();
            let steps = steps.collect::<rusqlite::Result<Vec<_>>>().unwrap().join("; ");
            let found = !goes_on || (steps.contains("SEARCH") && steps.contains('>'));
            assert!(found && !steps.contains("TEMP B-TREE"), "{}: {steps}", table.name);
        }
    }
}
