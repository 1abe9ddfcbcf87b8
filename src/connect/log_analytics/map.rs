//! A `SecurityAlert` row in our words. Missing and null columns are tolerated, sizes are bounded, and
//! unknown words are kept as they are.

use std::collections::BTreeMap;

use serde_json::Value;
use sha2::{Digest, Sha256};
use url::Url;

use super::entities;
use crate::connect::kql_runner::Row;
use crate::model::alert::{Severity, Sighting, SourceKey, UnreadableItem};
use crate::model::text::clip;
use crate::model::text::hex;
use crate::model::time::At;

/// A text longer than this is cut in the columns that conditions see, in characters.
const LONGEST_TEXT: usize = 32_768;
/// An id longer than this is none.
const LONGEST_ID: usize = 200;
const MOST_COLUMNS: usize = 200;

type Item = Result<Sighting, UnreadableItem>;

/// A row's sighting, and its place in the table; `before` is the time of its neighbour.
pub(crate) fn sighting(source: &SourceKey, row: Row<'_>, before: At) -> (Item, Option<(At, String)>) {
    let visible = row.at("IngestionTime");
    let id = row.text("SystemAlertId").unwrap_or_default();
    let place = visible.map(|at| (at, cursor_id(id)));
    let rotten = |why: &str| {
        let id = if is_id(id) { id.to_owned() } else { digest(row) };
        Err(UnreadableItem { source: source.clone(), id, visible: visible.unwrap_or(before), why: why.to_owned() })
    };
    let Some(visible) = visible else {
        return (rotten("its IngestionTime is missing or no time; the poll query must add it"), place);
    };
    if !is_id(id) {
        return (rotten("its SystemAlertId is missing, too long or holds control characters"), place);
    }
    let properties = row.dynamic("ExtendedProperties").unwrap_or_default();
    let sighting = Sighting {
        source: source.clone(),
        aliases: aliases(row, id),
        detector: short(row, "AlertType"),
        external_id: external_id(&properties),
        title: row
            .text("DisplayName")
            .or_else(|| row.text("AlertName"))
            .map(|text| clip(text, 500))
            .unwrap_or_default(),
        severity: Severity::read(row.text("AlertSeverity").unwrap_or_default()),
        start: row.at("StartTime"),
        end: row.at("EndTime"),
        visible,
        columns: columns(row),
        entities: entities::read(row.value("Entities")),
        incident: None,
        rows: Vec::new(),
        genuine: false,
    };
    (Ok(sighting), place)
}

/// The id as a place in the table. Of a monstrous one a beginning is kept that sorts behind it, so
/// that it is not read again and again.
fn cursor_id(id: &str) -> String {
    if id.len() <= LONGEST_ID {
        return id.to_owned();
    }
    id.chars().take(LONGEST_ID / 4).chain(std::iter::once('\u{ffff}')).collect()
}

fn short(row: Row<'_>, column: &str) -> String {
    clip(row.text(column).unwrap_or_default().trim(), 200)
}

fn is_id(text: &str) -> bool {
    !text.is_empty() && text.len() <= LONGEST_ID && !text.chars().any(char::is_control)
}

/// `SystemAlertId`, the product's own id, and the id at the end of the link to the portal.
fn aliases(row: Row<'_>, id: &str) -> Vec<String> {
    let mut all = vec![id.to_owned()];
    let link = row.text("AlertLink").and_then(id_in_link);
    for alias in row.text("VendorOriginalId").map(str::to_owned).into_iter().chain(link) {
        if is_id(&alias) && !all.iter().any(|known| known.eq_ignore_ascii_case(&alias)) {
            all.push(alias);
        }
    }
    all
}

/// The last part of the path, where it can only be an id: words such as `alerts` would make one alert
/// of many.
fn id_in_link(link: &str) -> Option<String> {
    let url = Url::parse(link).ok().filter(|_| link.len() <= 2048)?;
    let last = url.path_segments()?.rfind(|part| !part.is_empty())?.to_owned();
    let plain = last.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    let digits = last.bytes().filter(u8::is_ascii_digit).count();
    (plain && last.len() >= 12 && digits >= 4).then_some(last)
}

fn external_id(properties: &Value) -> Option<String> {
    match properties.get("ExternalId")? {
        Value::String(text) => Some(clip(text.trim(), 40)).filter(|text| !text.is_empty()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

fn columns(row: Row<'_>) -> BTreeMap<String, Value> {
    let named = row.cells().filter(|(name, _)| name.len() <= 128).take(MOST_COLUMNS);
    named.map(|(name, cell)| (name.to_owned(), bounded(cell))).collect()
}

fn bounded(cell: &Value) -> Value {
    match cell {
        Value::String(text) if text.len() > LONGEST_TEXT => Value::String(clip(text, LONGEST_TEXT)),
        Value::Array(_) | Value::Object(_) => {
            let text = cell.to_string();
            if text.len() > LONGEST_TEXT { Value::String(clip(&text, LONGEST_TEXT)) } else { cell.clone() }
        }
        Value::String(_) | Value::Null | Value::Bool(_) | Value::Number(_) => cell.clone(),
    }
}

/// A name for a row that has none of its own: equal rows get equal names.
fn digest(row: Row<'_>) -> String {
    let mut hash = Sha256::new();
    for (name, cell) in row.cells() {
        hash.update(name.as_bytes());
        hash.update([0]);
        hash.update(cell.to_string().as_bytes());
        hash.update([0]);
    }
    format!("row-{}", hex(hash.finalize().get(..16).unwrap_or_default()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::connect::kql_runner::Rows;
    use crate::model::alert::Entities;
    use crate::model::scope::WorkspaceKey;

    fn read(cells: &[(&str, Value)]) -> Item {
        let mut columns = vec!["IngestionTime".to_owned(), "SystemAlertId".to_owned()];
        let mut row = vec![json!("2026-01-02T03:04:05Z"), json!("0b0b0b0b-1c1c-2d2d-3e3e-4f4f4f4f4f4f")];
        for (name, cell) in cells {
            columns.push((*name).to_owned());
            row.push(cell.clone());
        }
        let rows = Rows { columns, rows: vec![row], partial: false };
        let source = SourceKey::LogAnalytics(WorkspaceKey(uuid::Uuid::nil()));
        sighting(&source, rows.iter().next().unwrap(), At::EPOCH).0
    }

    #[test]
    fn a_row_of_nothing_but_an_id_and_a_time_is_an_alert() {
        let sighting = read(&[]).unwrap();
        assert_eq!((sighting.severity, sighting.entities), (Severity::Unknown, Entities::Missing));
        assert_eq!(sighting.aliases.len(), 1);
        assert!(!sighting.genuine, "a row alone proves nothing");
    }

    #[test]
    fn every_id_becomes_an_alias_and_words_in_links_do_not() {
        let link = "https://security.microsoft.com/alerts/aa9249fe9a-c883-46dd-a4da-2a1fca5f211c?tid=1";
        let sighting =
            read(&[("VendorOriginalId", json!("AA9249fe9a-c883-46dd-a4da-2a1fca5f211c")), ("AlertLink", json!(link))]);
        assert_eq!(sighting.unwrap().aliases.len(), 2);
        for link in [
            "https://security.microsoft.com/alerts",
            "https://x/incidentqueue2",
            "nonsense",
            "https://x/a%20b1cdefghijkl",
        ] {
            assert_eq!(read(&[("AlertLink", json!(link))]).unwrap().aliases.len(), 1, "{link}");
        }
    }

    #[test]
    fn the_external_id_is_read_from_text_number_or_json() {
        for cell in [json!("{\"ExternalId\": \"2006\"}"), json!({"ExternalId": 2006}), json!("{\"ExternalId\": 2006}")]
        {
            assert_eq!(read(&[("ExtendedProperties", cell)]).unwrap().external_id.as_deref(), Some("2006"));
        }
        for cell in [json!("{broken"), json!(5), json!(null), json!({"ExternalId": {"a": 1}})] {
            assert_eq!(read(&[("ExtendedProperties", cell)]).unwrap().external_id, None);
        }
    }

    #[test]
    fn a_megabyte_of_text_is_cut_and_the_alert_goes_on() {
        let sighting = read(&[
            ("Description", json!("x".repeat(1 << 20))),
            ("Deep", json!(["y".repeat(1 << 20)])),
            ("DisplayName", json!("t".repeat(1 << 20))),
            ("AlertType", json!("d".repeat(1 << 20))),
            ("Status", json!("SomethingNew")),
            ("IsIncident", json!("not a bool")),
            ("StartTime", json!(12)),
        ])
        .unwrap();
        let length = |name: &str| sighting.columns[name].as_str().unwrap().chars().count();
        assert_eq!((length("Description"), length("Deep")), (LONGEST_TEXT, LONGEST_TEXT));
        assert!(sighting.title.chars().count() <= 500 && sighting.detector.chars().count() <= 200);
        assert_eq!(sighting.columns["Status"], "SomethingNew");
        assert_eq!(sighting.start, None);
    }

    #[test]
    fn broken_entities_make_the_entities_unreadable_and_not_the_alert() {
        let sighting = read(&[("Entities", json!("[{"))]).unwrap();
        assert!(matches!(sighting.entities, Entities::Unreadable(_)));
    }
}
