//! The features that public queries use most are here, and others beyond them, each with an answer.

use std::borrow::Cow;

use serde_json::{Value as Json, json};

use super::super::*;
use super::{NOW, World};
use crate::diagnostics::Source;

/// Whether it is here, its name, a query that has it and the rows of its answer.
const FEATURES: &str = include_str!("features.tsv");
/// How many of the list stand before the line "Beyond them".
const USED_MOST: usize = 135;

/// Tables, and a file for `externaldata`.
struct Local(World);

impl Catalog for Local {
    fn schema(&self, table: &str) -> Option<Schema> {
        self.0.schema(table)
    }

    fn names(&self) -> Vec<String> {
        self.0.names()
    }

    fn external(&self, _: &str) -> Result<String, String> {
        Ok("from outside".to_owned())
    }
}

impl Tables for Local {
    fn table(&self, name: &str) -> Option<Cow<'_, Table>> {
        self.0.table(name)
    }
}

fn tables() -> Local {
    let rows =
        json!([["a,b", 1, "2026-03-01T00:00:00Z", {"a": {"b": 1}}], ["c", 2, "2026-03-02T00:00:00Z", [1, 2, 3, 5]]]);
    let columns = [("s", Type::String), ("l", Type::Long), ("d", Type::DateTime), ("y", Type::Dynamic)];
    let world = World::default().with("T", &columns, &rows);
    Local(world.with("U", &[("s", Type::String), ("k", Type::Long)], &json!([["c", 7]])))
}

fn features() -> impl Iterator<Item = (bool, &'static str, &'static str, &'static str)> {
    FEATURES.lines().filter(|line| !line.starts_with('#')).map(|line| {
        let [here, name, query, rows] = line.split('\t').collect::<Vec<_>>()[..] else { panic!("four cells: {line}") };
        (here == "has", name, query, rows)
    })
}

#[test]
fn what_is_used_most_is_here_and_more_beyond_it_and_answers_as_kusto_does() {
    let world = tables();
    let (mut here, mut bad) = (0, Vec::new());
    for (has, name, text, expected) in features() {
        match compile_query(&Source::new("q", text), &world) {
            Ok(query) => {
                assert!(has, "{name} is here now");
                let table = query.run(&world, &Cx::at(NOW)).unwrap_or_else(|error| panic!("{name}: {error}"));
                let rows: Json = table.rows.iter().map(|row| row.iter().map(Val::to_json).collect::<Json>()).collect();
                if rows != serde_json::from_str::<Json>(expected).unwrap() {
                    bad.push(format!("{name}: {text}\n    gives {rows}\n    and not {expected}"));
                }
                here += 1;
            }
            Err(found) => {
                let function = name.strip_prefix("fn:").unwrap_or(name);
                let refused = |finding: &crate::diagnostics::Finding| {
                    finding.code() == "kql/unsupported" && finding.message().contains(function)
                };
                assert!(!has && found.iter().all(refused), "{name}: {found:?}");
            }
        }
    }
    assert!(bad.is_empty(), "{}", bad.join("\n"));
    let absent: Vec<&str> = features().filter(|(has, ..)| !has).map(|(_, name, ..)| name).collect();
    let expected = ["fn:series_decompose_anomalies", "fn:geo_info_from_ip_address", "fn:series_decompose_forecast"];
    assert_eq!(absent, expected);
    assert_eq!(
        FEATURES.split("# Beyond them.").next().unwrap().lines().filter(|line| !line.starts_with('#')).count(),
        USED_MOST
    );
    assert!(here >= 170, "{here} features");
}

#[test]
fn no_feature_is_counted_twice() {
    let mut names: Vec<&str> = features().map(|(_, name, ..)| name).collect();
    let all = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), all);
}
