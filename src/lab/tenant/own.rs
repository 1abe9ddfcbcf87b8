//! Tables of the tenant's own: those whose names end in `_CL`, with the columns that the rows of a scenario give them.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::logs;
use crate::kql::{Column, INGESTION_TIME, Known, RowFormat, Schema, Type, read_rows};
use crate::lab::scenario::Row;

/// Whether a name is one for a table of the tenant's own.
pub(crate) fn may_be_own(table: &str) -> bool {
    let word = table.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
    word && table.len() > "_CL".len() && table.ends_with("_CL") && logs::columns_of(table).is_none()
}

/// The tables that are declared by rows: `TimeGenerated`, `Type`, and a column for each cell, of the type that the values
/// say. The hidden ingestion time is the last column of each.
pub(super) fn declared(rows: &[Row]) -> BTreeMap<String, Schema> {
    let mut cells: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for row in rows.iter().filter(|row| may_be_own(&row.table)) {
        let of_row: Map<String, Value> = row.cells.clone().into_iter().collect();
        cells.entry(&row.table).or_default().push(Value::Object(of_row));
    }
    cells.into_iter().map(|(table, rows)| (table.to_owned(), columns(&rows).into())).collect()
}

fn columns(rows: &[Value]) -> Vec<Column> {
    let every = Schema::new([("TimeGenerated", Type::DateTime), ("Type", Type::String)]);
    let text = json!(rows).to_string();
    let read = read_rows(&text, RowFormat::Json, Known::Columns(&every));
    let mut columns = read.map_or_else(|_| every.columns().to_vec(), |table| table.columns);
    columns.retain(|column| &*column.name != INGESTION_TIME);
    columns.push(Column::new(INGESTION_TIME, Type::DateTime));
    columns
}
