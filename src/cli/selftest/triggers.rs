//! Triggers on rows: which alerts the query gives for the tables of its test.

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde::Deserialize;
use serde_json::{Value, json};

use super::super::report::counted;
use crate::connect::kql_runner::Rows;
use crate::connect::trigger::TriggerRows;
use crate::diagnostics::{Source, quoted, suggest};
use crate::kql::{
    Catalog, Cx, DynamicCells, Known, RowFormat, Schema, Table, Tables, compile_query, log_analytics_tables, read_rows,
};
use crate::model::account::Role;
use crate::model::alert::{ROW, Sighting};
use crate::model::text::clip;
use crate::model::time::At;
use crate::playbook::WrittenTrigger;

/// What a test file says.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct RowTest {
    /// For people.
    #[serde(rename = "about")]
    _about: Option<String>,
    /// When the query runs.
    now: At,
    /// The rows of each table.
    tables: BTreeMap<String, Value>,
    /// The rows of each watchlist that it reads, by alias.
    #[serde(default)]
    watchlists: BTreeMap<String, Value>,
    /// The alerts that must come of them, in any order, each by whom it names and some of its columns.
    alerts: Vec<BTreeMap<String, Value>>,
}

/// A trigger with what came of its test.
pub(super) struct Tried {
    pub(super) id: String,
    /// The file of the test; none where there is none.
    pub(super) file: Option<String>,
    /// How many alerts came, or why that is wrong.
    pub(super) came: Result<usize, String>,
}

/// Tries a trigger on the rows of its test.
pub(super) fn tried(written: &WrittenTrigger) -> Tried {
    let id = written.trigger.id();
    let Some(test) = &written.test else { return Tried { id, file: None, came: Ok(0) } };
    Tried { id, file: Some(test.name().to_owned()), came: run(written, test) }
}

impl Tried {
    pub(super) fn line(&self) -> String {
        let Some(file) = &self.file else { return format!("{}: no rows to try it on\n", self.id) };
        match &self.came {
            Ok(alerts) => format!("{file}: {}: {}, as wanted\n", self.id, counted(*alerts, "alert")),
            Err(why) => format!("{file}: FAILED {}: {}\n", self.id, clip(why, super::LONGEST_LINE)),
        }
    }

    pub(super) fn json(&self) -> Value {
        json!({"trigger": self.id, "file": self.file, "holds": self.came.is_ok(),
            "alerts": self.came.as_ref().ok(), "why": self.came.as_ref().err()})
    }
}

/// The tables and watchlists of one test.
struct Given {
    tables: BTreeMap<String, Table>,
    watchlists: BTreeMap<String, Table>,
}

impl Catalog for Given {
    fn schema(&self, table: &str) -> Option<Schema> {
        self.tables.get(table).map(Table::schema)
    }

    fn names(&self) -> Vec<String> {
        self.tables.keys().cloned().collect()
    }

    fn watchlist(&self, alias: &str) -> Result<Option<Table>, String> {
        let table = self.watchlists.get(alias).cloned();
        table.map(Some).ok_or_else(|| "give its rows under \"watchlists\" of the test, by its alias".to_owned())
    }
}

impl Tables for Given {
    fn table(&self, name: &str) -> Option<Cow<'_, Table>> {
        self.tables.get(name).map(Cow::Borrowed)
    }
}

/// How many alerts came, where they are those that are wanted.
fn run(written: &WrittenTrigger, test: &Source) -> Result<usize, String> {
    let wanted: RowTest =
        serde_json::from_str(test.text()).map_err(|error| format!("the test cannot be read: {error}"))?;
    let rows = rows(written, &wanted)?;
    let read = TriggerRows { trigger: Arc::clone(&written.trigger), workspace: None };
    let found = read.alerts(&rows, wanted.now);
    if found.omitted.alerts > 0 {
        return Err(format!("{} lie beyond those that count in one run", counted(found.omitted.alerts, "alert")));
    }
    let mut seen = Vec::new();
    for alert in found.items {
        match alert {
            Ok(alert) if !alert.entities.kept().is_empty() => seen.push(alert),
            Ok(alert) => return Err(format!("a row names nobody: {}", alert.columns[ROW])),
            Err(item) => return Err(format!("a row cannot be read: {}", item.why)),
        }
    }
    let keys: BTreeSet<&String> = wanted.alerts.iter().flat_map(BTreeMap::keys).collect();
    let line =
        |says: &dyn Fn(&str) -> Value| -> String { keys.iter().map(|key| format!("{key}: {}, ", says(key))).collect() };
    let mut came: Vec<String> = seen.iter().map(|alert| line(&|key| shown(alert, key))).collect();
    let mut must: Vec<String> = wanted.alerts.iter().map(|alert| line(&|key| said(alert, key))).collect();
    came.sort();
    must.sort();
    if came == must { Ok(came.len()) } else { Err(format!("wanted [{}], came [{}]", must.join("; "), came.join("; "))) }
}

/// What a test may say of an alert beside the columns of its row.
const ROLES: [(&str, Role); 2] = [("suspect", Role::Suspect), ("target", Role::Target)];

/// What a test says of an alert: by a role whom it names, or a severity, or a column of its newest row.
fn said(wanted: &BTreeMap<String, Value>, key: &str) -> Value {
    let value = wanted.get(key).cloned();
    if ROLES.iter().all(|(role, _)| *role != key) {
        return value.unwrap_or_default();
    }
    match value {
        Some(Value::Array(mut all)) => {
            all.sort_by_key(Value::to_string);
            Value::Array(all)
        }
        Some(one) => json!([one]),
        None => json!([]),
    }
}

/// The same of an alert that came.
fn shown(alert: &Sighting, key: &str) -> Value {
    if let Some((_, role)) = ROLES.iter().find(|(role, _)| *role == key) {
        let with_role = alert.entities.kept().iter().filter(|account| account.role == Some(*role));
        let mut all: Vec<String> = with_role.map(|account| account.hint.label()).collect();
        all.sort();
        return json!(all);
    }
    if key == "severity" {
        return json!(alert.severity.word());
    }
    let row = alert.columns.get(ROW).and_then(Value::as_str).unwrap_or_default();
    serde_json::from_str::<Value>(row).ok().and_then(|row| row.get(key).cloned()).unwrap_or_default()
}

/// What is wrong with a column of the rows that a known table does not have: no query reads it there.
fn strange_column(table: &str, rows: &Value, schema: &Schema) -> Option<String> {
    let cells = rows.as_array()?.iter().filter_map(Value::as_object).flat_map(serde_json::Map::keys);
    // Of a table that nobody knows there are none.
    let known = !schema.columns().is_empty();
    let strange = cells.into_iter().find(|column| known && schema.lacks(column))?;
    let near = suggest::nearest(strange, schema.columns().iter().map(|column| &*column.name));
    let near = near.map(|near| format!("; did you mean {near}?")).unwrap_or_default();
    Some(format!("the rows of {table} have a column {}, which the table does not have{near}", quoted(strange)))
}

fn rows(written: &WrittenTrigger, test: &RowTest) -> Result<Rows, String> {
    let read = |name: &String, rows: &Value, known: Known<'_>| {
        let read = read_rows(&rows.to_string(), RowFormat::Json, known);
        read.map(|read| (name.clone(), read)).map_err(|error| format!("the rows of {name}: {error}"))
    };
    let strange = test.tables.iter().find_map(|(name, rows)| strange_column(name, rows, written.tables.get(name)?));
    if let Some(strange) = strange {
        return Err(strange);
    }
    let tables = test.tables.iter().map(|(name, rows)| read(name, rows, Known::of(written.tables.get(name))));
    let watchlists = test.watchlists.iter().map(|(alias, rows)| read(alias, rows, Known::Texts));
    let given = Given { tables: tables.collect::<Result<_, _>>()?, watchlists: watchlists.collect::<Result<_, _>>()? };
    let source = Source::new(written.place.source.name(), written.trigger.query.as_str());
    let query = compile_query(&source, &given)
        .map_err(|findings| findings.first().map_or_else(String::new, crate::diagnostics::Finding::one_line))?;
    let table = query.run(&given, &Cx::at(test.now.ticks())).map_err(|error| error.to_string())?;
    let answer = log_analytics_tables(&table, DynamicCells::Nested);
    let list = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let columns = list(&answer["tables"][0]["columns"]);
    let columns = columns.iter().filter_map(|column| column["name"].as_str().map(str::to_owned)).collect();
    let rows = list(&answer["tables"][0]["rows"]).iter().map(list).collect();
    Ok(Rows { columns, rows, partial: false })
}
