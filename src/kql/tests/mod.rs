//! The room from its door: text in, values and findings out.

mod agreed;
mod columns;
mod conditions;
mod conformance;
mod features;
mod filter;
mod generate;
mod judge;
mod language;
mod limits;
mod lists;
mod mistakes;
mod moments;
mod nulls;
mod queries;
mod robust;
mod series;
mod texts;

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Value as Json, json};

use super::time::{DAY, HOUR};
use super::*;
use crate::diagnostics::{Finding, Source};

const NOW: i64 = 20_513 * DAY;

fn schema() -> Schema {
    Schema::new([
        ("Name", Type::String),
        ("Count", Type::Int),
        ("Score", Type::Real),
        ("At", Type::DateTime),
        ("Extra", Type::Dynamic),
        ("Flag", Type::Bool),
    ])
}

fn row() -> Vec<Value> {
    let cells = json!(["Suspected DCSync attack", 3, 1.5, print_datetime(NOW - HOUR), {"a": {"b": [10, "x"]}, "c d": true}, null]);
    let schema = schema();
    let columns = schema.columns().iter();
    cells
        .as_array()
        .unwrap()
        .iter()
        .zip(columns)
        .map(|(cell, column)| Value::from_json(cell, column.ty).unwrap())
        .collect()
}

fn compile(text: &str) -> Result<Expression, Vec<Finding>> {
    compile_expression(text, &Source::new("rule", text).whole(), &schema(), Type::Bool)
}

fn holds(text: &str) -> bool {
    let rule = compile(text).unwrap_or_else(|findings| panic!("{text}: {findings:?}"));
    rule.is_true(&row(), &Cx::at(NOW)).unwrap()
}

fn findings(text: &str) -> Vec<(&'static str, String)> {
    let found = compile(text).expect_err(text);
    found.iter().map(|f| (f.code(), f.place().map(|p| p.source.slice(p.span).to_owned()).unwrap_or_default())).collect()
}

/// Tables for queries: JSON rows by table.
#[derive(Default)]
struct World(BTreeMap<String, Table>);

impl World {
    fn with(mut self, name: &str, columns: &[(&str, Type)], rows: &Json) -> Self {
        let columns: Vec<Column> = columns.iter().map(|(name, ty)| Column::new(*name, *ty)).collect();
        let read = |row: &Json| {
            let cells = row.as_array().unwrap().iter().zip(&columns);
            cells.map(|(cell, column)| Value::from_json(cell, column.ty).unwrap()).collect()
        };
        let rows: Vec<Vec<Value>> = rows.as_array().unwrap().iter().map(read).collect();
        self.0.insert(name.to_owned(), Table::new(columns, rows));
        self
    }
}

impl Catalog for World {
    fn schema(&self, table: &str) -> Option<Schema> {
        if table == "Open" {
            return Some(Schema::default().open());
        }
        self.0.get(table).map(Table::schema)
    }

    fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
}

impl Tables for World {
    fn table(&self, name: &str) -> Option<Cow<'_, Table>> {
        self.0.get(name).map(Cow::Borrowed)
    }
}

fn alerts() -> World {
    World::default().with(
        "Alerts",
        &[("Id", Type::String), ("N", Type::Long), ("At", Type::DateTime), (INGESTION_TIME, Type::DateTime)],
        &json!([
            ["a", 1, "2026-03-01T00:00:00Z", "2026-03-01T00:05:00Z"],
            ["b", 5, "2026-03-02T00:00:00Z", "2026-03-02T00:05:00Z"],
            ["a", null, "2026-03-03T00:00:00Z", "2026-03-03T00:05:00Z"],
            ["c", 3, null, "2026-03-04T00:05:00Z"],
        ]),
    )
}

fn query(text: &str) -> Table {
    let world = alerts();
    let query = compile_query(&Source::new("q.kql", text), &world).unwrap_or_else(|found| panic!("{text}: {found:?}"));
    query.run(&world, &Cx::at(NOW)).unwrap()
}

fn names(table: &Table) -> Vec<&str> {
    table.columns.iter().map(|column| &*column.name).collect()
}

fn cells(text: &str) -> Json {
    query(text).rows.iter().map(|row| row.iter().map(Val::to_json).collect::<Vec<_>>()).collect::<Vec<_>>().into()
}

fn query_findings(text: &str) -> Vec<Finding> {
    compile_query(&Source::new("q.kql", text), &alerts()).expect_err(text)
}
