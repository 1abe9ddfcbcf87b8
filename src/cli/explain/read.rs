//! The alert in a file, by the same mapping as the sources use.

use std::path::Path;
use std::sync::Arc;

use serde::Deserialize as _;
use serde_json::{Map, Value};

use super::doubts;
use crate::cli::exit::CliError;
use crate::cli::given;
use crate::cli::supposed::people::Sketch;
use crate::connect::graph::alerts::map as graph;
use crate::connect::kql_runner::Rows;
use crate::connect::log_analytics::map as table;
use crate::connect::trigger::TriggerRows;
use crate::model::alert::{Sighting, SourceKey, UnreadableItem};
use crate::model::scope::WorkspaceKey;
use crate::model::time::At;
use crate::model::trigger::Trigger;

/// Larger files are not read.
const LARGEST: u64 = 32 * 1024 * 1024;
const EMPTY: &str = "it holds no alert";
const SHAPES: &str = "it is neither a SecurityAlert row (a JSON object with SystemAlertId), nor an answer of Log \
                      Analytics (tables), nor an alert of Graph alerts_v2";

/// What a file holds.
#[derive(Debug)]
pub(super) struct Read {
    /// The alert as its source would show it.
    pub(super) item: Result<Sighting, UnreadableItem>,
    /// What was missing or left aside.
    pub(super) notes: Vec<String>,
}

/// A JSON file of bounded size; `-` is stdin.
///
/// # Errors
/// When it cannot be read or is no JSON.
pub(super) fn json(path: &Path) -> Result<Value, CliError> {
    let name = given::shown(path);
    serde_json::from_slice(&given::bytes(path, LARGEST)?).map_err(|error| {
        // The place stands in front, where editors find it.
        let (place, said) = (format!("{}:{}", error.line(), error.column().max(1)), error.to_string());
        let why = said.rsplit_once(" at line ").map_or(said.as_str(), |(why, _)| why);
        CliError::Usage(format!("{name}:{place}: this is no JSON: {why}"))
    })
}

/// The people of a file.
///
/// # Errors
/// When it is not a list of people.
pub(super) fn people(path: &Path) -> Result<Vec<Sketch>, CliError> {
    Vec::<Sketch>::deserialize(json(path)?)
        .map_err(|error| CliError::Usage(format!("{}: this is no list of people: {error}", given::shown(path))))
}

/// The alert in a file's content; the newest where it holds several versions. `providers` are the names under which rows
/// are read.
///
/// # Errors
/// When there is none.
pub(super) fn alert(content: Value, providers: &[String], now: At) -> Result<Read, &'static str> {
    let (mut candidates, kind) = candidates(content)?;
    let mut notes = Vec::new();
    let newest = (0..candidates.len()).max_by_key(|index| (stamp(&candidates[*index]), *index));
    let Some(chosen) = newest.map(|index| candidates.swap_remove(index)) else {
        return Err(EMPTY);
    };
    if !candidates.is_empty() {
        notes.push(format!("the file holds {} alerts; the newest is explained", candidates.len() + 1));
    }
    notes.extend(doubts::doubts(&chosen, kind, providers));
    let item = match kind {
        Kind::Row => row(chosen, now, &mut notes),
        Kind::Graph => graph::sighting(&Value::Object(chosen), now),
    };
    if let Ok(Sighting { source: SourceKey::Graph, genuine: false, .. }) = &item {
        notes.push("Graph does not name Defender for Identity as its source, so riposte would not take it".to_owned());
    }
    Ok(Read { item, notes })
}

/// The alert that a trigger makes of the rows in a file; the newest where they are several.
///
/// # Errors
/// When there is none.
pub(super) fn found(content: Value, trigger: Arc<Trigger>, now: At) -> Result<Read, &'static str> {
    let objects: Option<Vec<Object>> = match content {
        Value::Object(mut object) => match object.shift_remove("tables") {
            Some(Value::Array(tables)) => rows(&tables),
            _ => Some(vec![object]),
        },
        Value::Array(items) => items.into_iter().map(|item| item.as_object().cloned()).collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => None,
    };
    let objects =
        objects.ok_or("it is neither a row (a JSON object), nor a list of rows, nor an answer of Log Analytics")?;
    let mut columns: Vec<String> = Vec::new();
    for name in objects.iter().flat_map(Map::keys) {
        if !columns.contains(name) {
            columns.push(name.clone());
        }
    }
    let of = TriggerRows { trigger, workspace: None };
    let mut alerts = of.alerts(&Rows::from_objects(columns, objects), now).items;
    let item = alerts.pop().ok_or(EMPTY)?;
    let more =
        (!alerts.is_empty()).then(|| format!("the rows are {} alerts; the newest is explained", alerts.len() + 1));
    Ok(Read { item, notes: more.into_iter().collect() })
}

/// Which source's alert it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Row,
    Graph,
}

pub(super) type Object = Map<String, Value>;

/// The alerts of a file and which source's they are.
fn candidates(content: Value) -> Result<(Vec<Object>, Kind), &'static str> {
    let mut object = match content {
        Value::Object(object) => object,
        Value::Array(items) => return several(items),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => return Err(SHAPES),
    };
    if let Some(Value::Array(tables)) = object.shift_remove("tables") {
        return Ok((rows(&tables).ok_or(SHAPES)?, Kind::Row));
    }
    if let Some(Value::Array(items)) = object.shift_remove("value") {
        return several(items);
    }
    let kind = kind(&object).ok_or(SHAPES)?;
    Ok((vec![object], kind))
}

fn several(items: Vec<Value>) -> Result<(Vec<Object>, Kind), &'static str> {
    let objects: Vec<Object> = items
        .into_iter()
        .filter_map(|item| match item {
            Value::Object(object) => Some(object),
            Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Array(_) => None,
        })
        .collect();
    let first = objects.first().and_then(kind).ok_or(SHAPES)?;
    let of_kind = objects.into_iter().filter(|object| kind(object) == Some(first)).collect();
    Ok((of_kind, first))
}

fn kind(object: &Object) -> Option<Kind> {
    let has = |names: &[&str]| names.iter().any(|name| object.contains_key(*name));
    if has(&["SystemAlertId", "AlertType", "ProviderName", "AlertSeverity"]) {
        Some(Kind::Row)
    } else if has(&["detectorId", "serviceSource", "evidence", "providerAlertId"]) {
        Some(Kind::Graph)
    } else {
        None
    }
}

/// The rows of the main table as objects.
fn rows(tables: &[Value]) -> Option<Vec<Object>> {
    let is_main = |table: &&Value| table.get("name").and_then(Value::as_str) == Some("PrimaryResult");
    let table = tables.iter().find(is_main).or(tables.first())?;
    let name = |column: &Value| column.get("name").and_then(Value::as_str).map(str::to_owned);
    let columns: Vec<String> = table.get("columns")?.as_array()?.iter().filter_map(name).collect();
    let object = |row: &Value| Some(columns.iter().cloned().zip(row.as_array()?.iter().cloned()).collect::<Object>());
    table.get("rows")?.as_array()?.iter().map(object).collect()
}

/// Which version is newer.
fn stamp(object: &Object) -> Option<At> {
    let names = ["IngestionTime", "TimeGenerated", "lastUpdateDateTime", "createdDateTime"];
    names.iter().find_map(|name| object.get(*name)?.as_str()?.parse().ok())
}

fn row(mut object: Object, now: At, notes: &mut Vec<String>) -> Result<Sighting, UnreadableItem> {
    let is_time = |object: &Object, name: &str| {
        object.get(name).and_then(Value::as_str).is_some_and(|text| text.parse::<At>().is_ok())
    };
    // The poll query adds this column; a row copied from the portal has none.
    if !is_time(&object, "IngestionTime") {
        notes.push("the row has no IngestionTime: it is taken as ingested now".to_owned());
        object.insert("IngestionTime".to_owned(), Value::String(now.to_string()));
    }
    let workspace = object.get("TenantId").and_then(Value::as_str).and_then(|id| uuid::Uuid::parse_str(id).ok());
    let source = SourceKey::LogAnalytics(WorkspaceKey(workspace.unwrap_or_default()));
    let rows = Rows::from_objects(object.keys().cloned().collect(), vec![object]);
    let missing = || UnreadableItem {
        source: source.clone(),
        id: String::new(),
        visible: now,
        why: "the row is empty".to_owned(),
    };
    rows.iter().next().map_or_else(|| Err(missing()), |row| table::sighting(&source, row, now).0)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::model::alert::Entities;

    const NOW: At = At::from_unix_seconds(1_000_000);

    fn row_json(id: &str, generated: &str) -> Value {
        json!({"SystemAlertId": id, "TimeGenerated": generated, "AlertType": "X", "DisplayName": "t",
            "Entities": [{"$id": "1", "Type": "account", "Name": "adele", "UPNSuffix": "contoso.com"}]})
    }

    #[test]
    fn a_row_is_read_with_its_entities_as_text_or_as_json() {
        let mut as_text = row_json("a", "2026-01-01T00:00:00Z");
        as_text["Entities"] = Value::String(as_text["Entities"].to_string());
        for content in [row_json("a", "2026-01-01T00:00:00Z"), as_text] {
            let read = alert(content, &[], NOW).unwrap();
            let seen = read.item.unwrap();
            assert!(matches!(&seen.entities, Entities::Read(accounts) if accounts.len() == 1), "{:?}", seen.entities);
            assert!(read.notes.iter().any(|note| note.contains("IngestionTime")), "{:?}", read.notes);
        }
    }

    #[test]
    fn of_several_versions_the_newest_counts() {
        let columns = json!([{"name": "SystemAlertId"}, {"name": "TimeGenerated"}, {"name": "DisplayName"}]);
        let rows = json!([["a", "2026-01-02T00:00:00Z", "new"], ["a", "2026-01-01T00:00:00Z", "old"]]);
        let content = json!({"tables": [{"name": "PrimaryResult", "columns": columns, "rows": rows}]});
        let read = alert(content, &[], NOW).unwrap();
        assert_eq!(read.item.unwrap().title, "new");
        assert!(read.notes.iter().any(|note| note.contains("2 alerts")));
    }

    #[test]
    fn a_graph_alert_is_told_by_its_fields() {
        let item = json!({"id": "g1", "serviceSource": "microsoftDefenderForIdentity", "detectorId": "xdr_X",
            "title": "t", "severity": "high", "lastUpdateDateTime": "2026-01-02T03:04:05Z", "evidence": []});
        assert!(alert(item.clone(), &[], NOW).unwrap().item.unwrap().genuine);
        let mut foreign = json!({"value": [item]});
        foreign["value"][0]["serviceSource"] = json!("microsoftDefenderForEndpoint");
        assert!(alert(foreign, &[], NOW).unwrap().notes[0].contains("would not take it"));
    }

    #[test]
    fn what_is_no_alert_is_refused_and_what_cannot_be_read_is_told() {
        for content in [json!(5), json!([]), json!({}), json!({"tables": [{}]}), json!({"value": [1]})] {
            assert!(alert(content.clone(), &[], NOW).is_err(), "{content}");
        }
        let nameless = json!({"AlertType": "X"});
        assert!(alert(nameless, &[], NOW).unwrap().item.unwrap_err().why.contains("SystemAlertId"));
    }
}
