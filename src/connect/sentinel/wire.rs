//! ARM's shapes. Any field may be null.

use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::model::incident::{Incident, IncidentRef};
use crate::model::scope::WorkspaceKey;
use crate::model::text::clip;

#[derive(Deserialize)]
pub(super) struct List {
    pub(super) value: Vec<Item>,
}

#[derive(Deserialize)]
pub(super) struct Item {
    name: Option<String>,
    properties: Properties,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Properties {
    title: Option<String>,
    status: Option<String>,
    incident_number: Option<u64>,
    provider_name: Option<String>,
    provider_incident_id: Option<String>,
    labels: Option<Vec<Label>>,
    additional_data: Option<AdditionalData>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Label {
    label_name: Option<String>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct AdditionalData {
    alerts_count: Option<u64>,
    comments_count: Option<u32>,
}

#[derive(Deserialize)]
pub(super) struct Alerts {
    pub(super) value: Vec<Alert>,
}

#[derive(Deserialize)]
pub(super) struct Alert {
    name: Option<String>,
    properties: Option<AlertProperties>,
}

#[derive(Deserialize)]
struct AlertProperties {
    #[serde(rename = "systemAlertId")]
    system: Option<String>,
    #[serde(rename = "providerAlertId")]
    provider: Option<String>,
    #[serde(rename = "vendorOriginalId")]
    vendor: Option<String>,
}

impl Item {
    /// Its GUID; incidents named otherwise are not ours to touch.
    pub(super) fn name(&self) -> Option<Uuid> {
        self.name.as_deref()?.parse().ok()
    }

    /// Whether it says that it has no alerts.
    pub(super) fn is_empty(&self) -> bool {
        self.properties.additional_data.as_ref().and_then(|data| data.alerts_count) == Some(0)
    }

    pub(super) fn labels(&self) -> Vec<String> {
        let labels = self.properties.labels.iter().flatten();
        labels.filter_map(|label| label.label_name.as_deref()).map(|name| clip(name, 200)).collect()
    }

    pub(super) fn incident(&self, workspace: WorkspaceKey) -> Option<Incident> {
        let of = &self.properties;
        let text = |text: &Option<String>, max| text.as_deref().map(|text| clip(text, max));
        Some(Incident {
            incident: IncidentRef::Sentinel { workspace, name: self.name()? },
            number: of.incident_number,
            title: text(&of.title, 500).unwrap_or_default(),
            closed: of.status.as_deref().is_some_and(|status| status.eq_ignore_ascii_case("closed")),
            provider: text(&of.provider_name, 80).unwrap_or_default(),
            provider_incident: text(&of.provider_incident_id, 80).filter(|id| !id.is_empty()),
            labels: self.labels(),
            comments: of.additional_data.as_ref().and_then(|data| data.comments_count),
        })
    }
}

impl Alert {
    /// Every id by which it is known.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        let more = self.properties.iter().flat_map(|of| [&of.system, &of.provider, &of.vendor]);
        std::iter::once(&self.name).chain(more).filter_map(Option::as_deref)
    }
}

/// What ARM makes itself and ignores in a PUT (`readOnly` in its specification).
const READ_ONLY: [&str; 8] = [
    "lastModifiedTimeUtc",
    "createdTimeUtc",
    "incidentNumber",
    "additionalData",
    "relatedAnalyticRuleIds",
    "incidentUrl",
    "providerName",
    "providerIncidentId",
];

/// The body of a PUT that adds a label and keeps everything else, with the etag that was read.
pub(super) fn with_label(raw: &Value, label: &str) -> Value {
    let mut properties: Map<String, Value> = raw["properties"].as_object().cloned().unwrap_or_default();
    properties.retain(|name, value| !value.is_null() && !READ_ONLY.contains(&name.as_str()));
    let labels = properties.entry("labels").or_insert_with(|| json!([]));
    if let Some(labels) = labels.as_array_mut() {
        for known in labels.iter_mut().filter_map(Value::as_object_mut) {
            known.shift_remove("labelType");
        }
        labels.push(json!({ "labelName": label }));
    }
    let mut body = json!({ "properties": properties });
    if let Some(etag) = raw["etag"].as_str() {
        body["etag"] = json!(etag);
    }
    body
}
