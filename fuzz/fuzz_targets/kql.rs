//! Any bytes as a query over a table with a column of every type: findings, an error or rows, and never a panic.
#![no_main]

use std::borrow::Cow;

use libfuzzer_sys::fuzz_target;
use riposte::diagnostics::Source;
use riposte::kql::{Catalog, Column, Cx, Limits, Schema, Table, Tables, Type, Value, compile_query};

struct World(Table);

impl Catalog for World {
    fn schema(&self, table: &str) -> Option<Schema> {
        (table == "T").then(|| self.0.schema())
    }

    fn names(&self) -> Vec<String> {
        vec!["T".to_owned()]
    }
}

impl Tables for World {
    fn table(&self, name: &str) -> Option<Cow<'_, Table>> {
        (name == "T").then_some(Cow::Borrowed(&self.0))
    }
}

fuzz_target!(|bytes: &[u8]| {
    let text = String::from_utf8_lossy(bytes);
    let columns =
        [("s", Type::String), ("n", Type::Long), ("r", Type::Real), ("d", Type::DateTime), ("y", Type::Dynamic)];
    let columns = columns.map(|(name, ty)| Column::new(name, ty)).to_vec();
    let row = vec![Value::from("a,b"), Value::Long(i64::MIN), Value::Real(f64::MAX), Value::datetime(0), Value::Null];
    let world = World(Table::new(columns, [row]));
    if let Ok(query) = compile_query(&Source::new("fuzz", &*text), &world) {
        let limits = Limits { rows: 1_000, steps: 100_000, bytes: 1 << 20, regex: 1_000 };
        drop(query.run(&world, &Cx { now: 0, limits }));
    }
});
