//! The triggers of the folder `kql`, on the rows of `kql/tests`: which accounts each of them names.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::WrittenTrigger;
use crate::diagnostics::{Findings, Source};
use crate::kql::{
    Catalog, Cx, DynamicCells, RowFormat, Schema, Table, Tables, compile_query, known_tables, log_analytics_tables,
    parse_datetime, read_rows,
};

/// The tables of one test.
struct Given(BTreeMap<String, Table>);

impl Catalog for Given {
    fn schema(&self, table: &str) -> Option<Schema> {
        self.0.get(table).map(Table::schema)
    }

    fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
}

impl Tables for Given {
    fn table(&self, name: &str) -> Option<Cow<'_, Table>> {
        self.0.get(name).map(Cow::Borrowed)
    }
}

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("kql")
}

/// The shipped triggers: every query but the poll query.
fn triggers() -> Vec<WrittenTrigger> {
    let files = std::fs::read_dir(folder()).unwrap().map(|entry| entry.unwrap().path());
    let queries = files.filter(|file| file.extension().is_some_and(|end| end == "kql"));
    let mut read: Vec<WrittenTrigger> = queries
        .filter(|file| !file.ends_with("security-alerts.kql"))
        .map(|file| {
            let mut findings = Findings::default();
            let source = Source::new(file.display().to_string(), std::fs::read_to_string(&file).unwrap());
            let trigger = WrittenTrigger::read(&source, &mut findings);
            assert_eq!(findings.render(false), "", "{}", file.display());
            trigger.unwrap()
        })
        .collect();
    read.sort_by(|a, b| a.trigger.name.cmp(&b.trigger.name));
    read
}

/// The rows that a trigger gives for its test, and those that the test wants, cut to the columns it names.
fn given_and_wanted(written: &WrittenTrigger) -> (Vec<Json>, Vec<Json>) {
    let name = &written.trigger.name;
    let test = std::fs::read_to_string(folder().join("tests").join(format!("{name}.json"))).unwrap();
    let test: Json = serde_json::from_str(&test).unwrap();
    let read = |(table, rows): (&String, &Json)| {
        (table.clone(), read_rows(&rows.to_string(), RowFormat::Json, known_tables().get(table)).unwrap())
    };
    let given = Given(test["tables"].as_object().unwrap().iter().map(read).collect());
    let query = compile_query(&written.place.source, &given).unwrap_or_else(|findings| panic!("{name}: {findings:?}"));
    for (_, column) in written.trigger.accounts.iter().flat_map(|account| &account.identifiers) {
        assert!(query.columns().iter().any(|known| *known.name == **column), "{name} gives no column {column}");
    }
    let now = parse_datetime(test["now"].as_str().unwrap()).unwrap();
    let rows = query.run(&given, &Cx::at(now)).unwrap();
    let answer = log_analytics_tables(&rows, DynamicCells::Nested);
    let columns: Vec<&str> = answer["tables"][0]["columns"]
        .as_array()
        .unwrap()
        .iter()
        .map(|column| column["name"].as_str().unwrap())
        .collect();
    let wanted = test["alerts"].as_array().unwrap().clone();
    let cut = |row: &Json| {
        let cells = columns.iter().zip(row.as_array().unwrap());
        let named = cells.filter(|(column, _)| wanted.iter().any(|alert| alert.get(**column).is_some()));
        named.map(|(column, cell)| ((*column).to_owned(), cell.clone())).collect::<serde_json::Map<_, _>>()
    };
    let given: Vec<Json> = answer["tables"][0]["rows"].as_array().unwrap().iter().map(|row| cut(row).into()).collect();
    (given, wanted)
}

#[test]
fn every_shipped_trigger_names_the_accounts_of_its_test_and_nobody_else() {
    let triggers = triggers();
    assert!(triggers.len() >= 8, "{}", triggers.len());
    for written in triggers {
        let (mut given, mut wanted) = given_and_wanted(&written);
        given.sort_by_key(sorted_text);
        wanted.sort_by_key(sorted_text);
        assert_eq!(
            given.iter().map(sorted_text).collect::<Vec<_>>(),
            wanted.iter().map(sorted_text).collect::<Vec<_>>()
        );
        assert!(!wanted.is_empty(), "{} is never seen to find anybody", written.trigger.name);
    }
}

/// An object's text, whatever the order of its keys.
fn sorted_text(object: &Json) -> String {
    let cells: BTreeMap<&String, &Json> = object.as_object().unwrap().iter().collect();
    format!("{cells:?}")
}
