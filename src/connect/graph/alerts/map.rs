//! One Graph alert in our words.

use serde_json::Value;

use super::{columns, evidence};
use crate::connect::graph::json::{field, identifier, is_word, text, time};
use crate::model::alert::{Severity, Sighting, SourceKey, UnreadableItem};
use crate::model::text::clip;
use crate::model::text::digest;
use crate::model::time::At;

/// How Graph names Defender for Identity in `serviceSource` and `detectionSource`.
pub(super) const DEFENDER_FOR_IDENTITY: &str = "microsoftDefenderForIdentity";

/// Whether Defender says that the alert is Defender for Identity's. Alerts in the newer form can have
/// the suite as their service and name the product as their detection source only.
pub(super) fn is_ours(alert: &Value) -> bool {
    ["serviceSource", "detectionSource"].into_iter().any(|name| is_word(text(alert, name), DEFENDER_FOR_IDENTITY))
}

/// When this version of an alert could be seen: its last update, else its creation.
pub(super) fn visible(alert: &Value) -> Option<At> {
    time(alert, "lastUpdateDateTime").or_else(|| time(alert, "createdDateTime"))
}

/// The alert's id, or a digest of it where it carries none.
pub(super) fn id(alert: &Value) -> String {
    identifier(alert, "id").map_or_else(|| digest(&alert.to_string()), str::to_owned)
}

/// The alert as a sighting.
///
/// `otherwise` is the moment to give to an alert that carries no time at all.
///
/// # Errors
/// When it lacks an id or the time of its last update: then it cannot be told apart from others.
pub(crate) fn sighting(alert: &Value, otherwise: At) -> Result<Sighting, UnreadableItem> {
    let unreadable = |why: &str| UnreadableItem {
        source: SourceKey::Graph,
        id: id(alert),
        visible: visible(alert).unwrap_or(otherwise),
        why: why.to_owned(),
    };
    if !alert.is_object() {
        return Err(unreadable("the alert is not an object"));
    }
    let own = identifier(alert, "id").ok_or_else(|| unreadable("the alert has no usable id"))?;
    let visible = visible(alert).ok_or_else(|| unreadable("the alert has no usable lastUpdateDateTime"))?;
    let mut aliases = vec![own.to_owned()];
    aliases.extend(identifier(alert, "providerAlertId").filter(|other| *other != own).map(str::to_owned));
    let external_id = external_id(alert);
    Ok(Sighting {
        source: SourceKey::Graph,
        aliases,
        detector: identifier(alert, "detectorId").unwrap_or_default().to_owned(),
        title: clip(text(alert, "title").unwrap_or_default(), 500),
        severity: Severity::read(text(alert, "severity").unwrap_or_default()),
        start: time(alert, "firstActivityDateTime"),
        end: time(alert, "lastActivityDateTime"),
        visible,
        columns: columns::columns(alert, external_id.as_deref()),
        entities: evidence::entities(alert),
        incident: identifier(alert, "incidentId").map(str::to_owned),
        rows: Vec::new(),
        genuine: is_ours(alert),
        external_id,
    })
}

/// The number of a classic alert: the detector id itself, or `ExternalId` among the additional data.
fn external_id(alert: &Value) -> Option<String> {
    let is_number = |id: &str| (3..=6).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_digit());
    let added = field(alert, "additionalData").and_then(|data| field(data, "ExternalId"));
    let added = added.and_then(|id| id.as_str().map(str::to_owned).or_else(|| Some(id.as_u64()?.to_string())));
    identifier(alert, "detectorId").map(str::to_owned).into_iter().chain(added).find(|id| is_number(id))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn alert() -> Value {
        json!({"id": "aa1", "providerAlertId": "p1", "serviceSource": "microsoftDefenderForIdentity", "detectorId": "xdr_X",
            "title": "t", "severity": "High", "lastUpdateDateTime": "2026-01-02T03:04:05.5Z", "incidentId": "7"})
    }

    #[test]
    fn ids_times_and_provenance_are_taken_over() {
        let seen = sighting(&alert(), At::EPOCH).unwrap();
        assert_eq!(seen.aliases, ["aa1", "p1"]);
        assert_eq!((seen.detector.as_str(), seen.severity, seen.genuine), ("xdr_X", Severity::High, true));
        assert_eq!(seen.visible.to_string(), "2026-01-02T03:04:05.5Z");
        assert_eq!(seen.incident.as_deref(), Some("7"));
    }

    #[test]
    fn the_newer_form_is_known_by_its_detection_source() {
        let newer = json!({"serviceSource": "microsoft365Defender", "detectionSource": "MicrosoftDefenderForIdentity"});
        assert!(is_ours(&newer));
        assert!(!is_ours(&json!({"serviceSource": "microsoft365Defender", "detectionSource": "antivirus"})));
        assert!(!is_ours(&json!({"title": "microsoftDefenderForIdentity"})));
    }

    #[test]
    fn the_number_of_a_classic_alert_is_found_where_it_stands() {
        let with = |field: &str, value: Value| {
            let mut alert = alert();
            alert[field] = value;
            sighting(&alert, At::EPOCH).unwrap().external_id
        };
        assert_eq!(with("detectorId", json!("2006")).as_deref(), Some("2006"));
        assert_eq!(with("additionalData", json!({"ExternalId": "2014"})).as_deref(), Some("2014"));
        assert_eq!(with("additionalData", json!({"externalId": 2014})).as_deref(), Some("2014"));
        assert_eq!(with("detectorId", json!("' or 1 eq 1")), None);
    }

    #[test]
    fn an_alert_without_id_or_time_is_unreadable_under_a_stable_name() {
        let mut no_id = alert();
        no_id["id"] = json!(null);
        let item = sighting(&no_id, At::EPOCH).unwrap_err();
        assert_eq!(item.id, id(&no_id));
        assert!(item.why.contains("id"));
        let mut no_time = alert();
        no_time["lastUpdateDateTime"] = json!("yesterday");
        assert_eq!(sighting(&no_time, At::from_unix_seconds(9)).unwrap_err().visible, At::from_unix_seconds(9));
        assert!(sighting(&json!([1, 2]), At::EPOCH).is_err());
    }
}
