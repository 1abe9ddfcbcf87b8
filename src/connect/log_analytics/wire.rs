//! The query service's shapes.

use serde::Deserialize;
use serde_json::Value;

use crate::connect::kql_runner::Rows;

#[derive(Deserialize)]
pub(super) struct QueryAnswer {
    tables: Option<Vec<Table>>,
    /// `PartialError` and its causes; what stands in the tables beside it is good.
    error: Option<Value>,
}

#[derive(Deserialize)]
struct Table {
    #[serde(default)]
    name: String,
    columns: Vec<Column>,
    rows: Vec<Vec<Value>>,
}

#[derive(Deserialize)]
struct Column {
    name: String,
}

impl QueryAnswer {
    /// The rows of the main table; `None` when there is none.
    pub(super) fn into_rows(self) -> Option<Rows> {
        let partial = self.error.is_some_and(|error| !error.is_null());
        let mut tables = self.tables?;
        let place = tables.iter().position(|table| table.name == "PrimaryResult").unwrap_or(0);
        if tables.len() <= place {
            return partial.then(|| Rows { partial, ..Rows::default() });
        }
        let table = tables.swap_remove(place);
        Some(Rows { columns: table.columns.into_iter().map(|column| column.name).collect(), rows: table.rows, partial })
    }
}
