//! Incidents: one for each alert that has one, seen by Sentinel and by Graph.

use serde_json::{Value, json};

use super::Tenant;
use crate::lab::{ids, scenario};
use crate::model::time::At;

/// The provider of incidents that Defender made.
pub(crate) const XDR: &str = "Microsoft XDR";

/// An incident.
pub(crate) struct Incident {
    /// Key of its alert in the scenario.
    pub(crate) alert: String,
    /// Sentinel's name of it, a GUID.
    pub(crate) id: String,
    pub(crate) number: usize,
    /// Graph's id, decimal text; empty when Graph does not know it.
    pub(crate) graph_id: String,
    pub(crate) provider: String,
    pub(crate) happened: At,
    pub(crate) created: At,
    pub(crate) modified: At,
    pub(crate) alert_ids: Vec<String>,
    /// Sentinel's writable properties.
    pub(crate) properties: Value,
    pub(crate) comments: Vec<Comment>,
    pub(crate) tasks: Vec<Task>,
    /// Counts writes; the etag is made of it.
    pub(crate) version: u64,
    pub(crate) graph: GraphSide,
    pub(crate) redirected_to: Option<String>,
}

/// What Graph keeps of an incident.
pub(crate) struct GraphSide {
    pub(crate) status: String,
    pub(crate) assigned_to: Value,
    pub(crate) classification: Value,
    pub(crate) determination: Value,
    pub(crate) tags: Vec<Value>,
    pub(crate) comments: Vec<Value>,
    pub(crate) updated: At,
}

/// A comment in Sentinel.
pub(crate) struct Comment {
    pub(crate) id: String,
    pub(crate) message: String,
    pub(crate) author: Value,
    pub(crate) created: At,
    pub(crate) modified: At,
    pub(crate) version: u64,
}

/// A task in Sentinel.
pub(crate) struct Task {
    pub(crate) id: String,
    pub(crate) properties: Value,
    pub(crate) created: At,
    pub(crate) modified: At,
    pub(crate) version: u64,
}

impl Incident {
    pub(crate) fn new(
        alert: &scenario::Alert,
        from: &scenario::Incident,
        number: usize,
        graph_id: String,
        system_id: &str,
        at: At,
    ) -> Self {
        let created = at.plus(from.after);
        let severity = if alert.severity.is_empty() { "Medium" } else { &alert.severity };
        Self {
            alert: alert.key.clone(),
            id: ids::guid("incident", &alert.key),
            number,
            graph_id,
            provider: from.provider.clone(),
            happened: at,
            created,
            modified: created,
            alert_ids: vec![system_id.to_owned()],
            properties: json!({"title": alert.title, "severity": severity, "status": "New", "labels": [],
                "owner": {"objectId": null, "email": null, "assignedTo": null, "userPrincipalName": null}}),
            comments: Vec::new(),
            tasks: Vec::new(),
            version: 0,
            graph: GraphSide {
                status: "active".into(),
                assigned_to: Value::Null,
                classification: json!("unknown"),
                determination: json!("unknown"),
                tags: Vec::new(),
                comments: Vec::new(),
                updated: at,
            },
            redirected_to: None,
        }
    }

    /// An incident that somebody made through the API, without alerts.
    pub(crate) fn by_hand(id: &str, number: usize, at: At) -> Self {
        let from = scenario::Incident { after: std::time::Duration::ZERO, ..scenario::Incident::default() };
        let mut made = Self::new(&scenario::Alert::default(), &from, number, String::new(), "", at);
        id.clone_into(&mut made.id);
        id.clone_into(&mut made.alert);
        made.alert_ids.clear();
        made
    }

    /// Carries Graph's status over to Sentinel, as the portals do both ways for incidents that came from there.
    pub(crate) fn status_to_sentinel(&mut self, at: At) {
        if self.provider == XDR {
            let status = match self.graph.status.as_str() {
                "resolved" => "Closed",
                "inProgress" => "Active",
                _ => "New",
            };
            self.properties["status"] = json!(status);
            self.version += 1;
            self.modified = at;
        }
    }

    /// Carries Sentinel's status over to Graph.
    pub(crate) fn status_to_graph(&mut self, at: At) {
        if self.provider == XDR {
            let status = match self.text("status") {
                "Closed" => "resolved",
                "Active" => "inProgress",
                _ => "active",
            };
            status.clone_into(&mut self.graph.status);
            self.graph.updated = at;
        }
    }

    /// The etag, with the quotes that are part of it.
    pub(crate) fn etag(&self) -> String {
        etag(&self.id, self.version)
    }

    pub(crate) fn text(&self, property: &str) -> &str {
        self.properties.get(property).and_then(Value::as_str).unwrap_or("")
    }
}

/// An etag made of a thing's id and how often it was written.
pub(crate) fn etag(id: &str, version: u64) -> String {
    format!("\"{}-{version:04x}\"", &id[..id.len().min(18)])
}

impl Tenant {
    /// Appends a row for an incident that was made or changed.
    pub(crate) fn incident_row(&mut self, i: usize, at: At) {
        let Some(incident) = self.incidents.get(i) else { return };
        let p = |name: &str| incident.properties.get(name).cloned().unwrap_or(Value::Null);
        let comments: Vec<Value> = incident
            .comments
            .iter()
            .map(|c| json!({"message": c.message, "author": c.author, "createdTimeUtc": c.created}))
            .collect();
        let is_xdr = incident.provider == XDR;
        let provider_id = if is_xdr { incident.graph_id.clone() } else { incident.number.to_string() };
        let closed = (incident.text("status") == "Closed").then_some(incident.modified);
        let cells = json!({
            "TenantId": ids::workspace(), "TimeGenerated": at, "IncidentName": incident.id, "Title": p("title"),
            "Description": p("description"), "Severity": p("severity"), "Status": p("status"),
            "Classification": p("classification"), "ClassificationComment": p("classificationComment"),
            "ClassificationReason": p("classificationReason"), "Owner": p("owner"), "ProviderName": incident.provider,
            "ProviderIncidentId": provider_id, "FirstActivityTime": incident.happened,
            "LastActivityTime": incident.happened, "FirstModifiedTime": incident.created,
            "LastModifiedTime": incident.modified, "CreatedTime": incident.created, "ClosedTime": closed,
            "IncidentNumber": incident.number, "RelatedAnalyticRuleIds": [], "AlertIds": incident.alert_ids,
            "BookmarkIds": [], "Comments": comments, "Labels": p("labels"),
            "IncidentUrl": format!("https://portal.azure.com/#asset/Microsoft_Azure_Security_Insights/Incident/{}", incident.id),
            "AdditionalData": {"alertsCount": incident.alert_ids.len(), "commentsCount": comments.len()},
            "ModifiedBy": "", "SourceSystem": "Azure", "Type": "SecurityIncident",
        });
        let visible = at.plus(self.delays.ingestion);
        self.logs.add("SecurityIncident", visible, &cells);
    }
}
