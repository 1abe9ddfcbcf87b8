//! A table in the shape of a Log Analytics answer.

use serde_json::{Value as Json, json};

use crate::kql::table::Table;
use crate::kql::value::Val;

/// How `dynamic` cells are written; the service has been seen to do both.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum DynamicCells {
    /// As text that holds JSON.
    #[default]
    Text,
    /// As JSON.
    Nested,
}

/// `{"tables":[{"name":"PrimaryResult","columns":[{"name","type"}],"rows":[[...]]}]}`, without hidden columns.
#[must_use]
pub fn log_analytics_tables(table: &Table, dynamics: DynamicCells) -> Json {
    let shown: Vec<usize> =
        table.columns.iter().enumerate().filter(|(_, column)| !column.is_hidden()).map(|(at, _)| at).collect();
    let columns: Vec<Json> = shown
        .iter()
        .filter_map(|at| table.columns.get(*at))
        .map(|column| json!({"name": &*column.name, "type": column.ty.name()}))
        .collect();
    let rows: Vec<Json> = table
        .rows
        .iter()
        .map(|row| shown.iter().map(|at| row.get(*at).map_or(Json::Null, |cell| cell_json(cell, dynamics))).collect())
        .collect();
    json!({"tables": [{"name": "PrimaryResult", "columns": columns, "rows": rows}]})
}

fn cell_json(cell: &Val<'_>, dynamics: DynamicCells) -> Json {
    match (cell, dynamics) {
        (Val::Dyn(value), DynamicCells::Text) => Json::from(value.to_json().to_string()),
        (cell, _) => cell.to_json(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kql::{Column, INGESTION_TIME, Type};

    #[test]
    fn a_table_has_the_wire_shape_and_hides_its_hidden_columns() {
        let columns = vec![Column::new("A", Type::Long), Column::new(INGESTION_TIME, Type::DateTime)];
        let table = Table::new(columns, [vec![Val::Long(1), Val::DateTime(0)]]);
        assert_eq!(
            log_analytics_tables(&table, DynamicCells::Text),
            json!({"tables": [{"name": "PrimaryResult", "columns": [{"name": "A", "type": "long"}], "rows": [[1]]}]})
        );
    }
}
