//! Alerts: as rows of `SecurityAlert`, and as Graph shows them.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::Tenant;
use super::incidents::Incident;
use crate::lab::ids;
use crate::lab::scenario::{Alert, Ids, Named, Scenario, Source};
use crate::model::time::At;

/// One alert.
pub(crate) struct AlertCard {
    pub(crate) key: String,
    pub(crate) at: At,
    pub(crate) system_id: String,
    pub(crate) graph_id: String,
    pub(crate) in_graph: bool,
    pub(crate) updated: At,
    pub(crate) status: String,
    pub(crate) assigned_to: Value,
    pub(crate) classification: Value,
    pub(crate) determination: Value,
    pub(crate) comments: Vec<Value>,
    pub(crate) graph_incident: Option<String>,
    from: Alert,
    /// Each with the time from which it is known.
    evidence: Vec<(At, Value)>,
    /// When it is written again: something is known that was not, or nothing is.
    updates: Vec<At>,
}

impl AlertCard {
    /// The fields that lists can be filtered on.
    pub(crate) fn filterable(&self, now: At) -> Value {
        json!({"assignedTo": self.assigned_to, "classification": self.classification, "determination": self.determination,
            "createdDateTime": self.at, "lastUpdateDateTime": self.changed(now), "severity": self.from.severity,
            "serviceSource": self.service(), "status": self.status})
    }

    fn changed(&self, now: At) -> At {
        self.updates.iter().copied().filter(|at| *at <= now).chain([self.updated]).max().unwrap_or(self.at)
    }

    fn service(&self) -> &'static str {
        if self.from.external_id.is_some() { "microsoftDefenderForIdentity" } else { "microsoft365Defender" }
    }

    /// As `microsoft.graph.security.alert`.
    pub(crate) fn graph(&self, now: At) -> Value {
        let evidence: Vec<&Value> = self.evidence.iter().filter(|(from, _)| *from <= now).map(|(_, v)| v).collect();
        let (updated, service) = (self.changed(now), self.service());
        let tenant = ids::tenant();
        let resolved = (self.status == "resolved").then_some(updated);
        let mut out = json!({
            "@odata.type": "#microsoft.graph.security.alert", "id": self.graph_id, "providerAlertId": self.graph_id,
            "incidentId": self.graph_incident, "status": self.status, "severity": self.from.severity.to_lowercase(),
            "classification": self.classification, "determination": self.determination, "serviceSource": service,
            "detectionSource": "microsoftDefenderForIdentity", "detectorId": self.from.kind,
            "productName": "Microsoft Defender for Identity", "tenantId": tenant, "title": self.from.title,
            "description": self.from.title, "recommendedActions": "", "category": self.from.tactic,
            "assignedTo": self.assigned_to,
            "alertWebUrl": format!("https://security.microsoft.com/alerts/{}?tid={tenant}", self.graph_id),
            "incidentWebUrl": self.graph_incident.as_ref().map(|i| format!("https://security.microsoft.com/incidents/{i}?tid={tenant}")),
            "actorDisplayName": null, "threatDisplayName": null, "threatFamilyName": null,
            "mitreTechniques": self.from.techniques, "createdDateTime": self.at, "lastUpdateDateTime": updated,
            "resolvedDateTime": resolved,
            "firstActivityDateTime": self.at.minus(self.from.age).minus(Duration::from_mins(2)),
            "lastActivityDateTime": self.at.minus(self.from.age).minus(Duration::from_mins(1)),
            "systemTags": [], "alertPolicyId": null, "additionalData": null, "comments": self.comments, "evidence": evidence,
        });
        for (field, value) in &self.from.fields {
            out[field] = value.clone();
        }
        out
    }

    /// As an entity of a Sentinel incident.
    pub(crate) fn arm(&self, base: &str) -> Value {
        let from = &self.from;
        json!({
            "id": format!("{base}/Entities/{}", self.system_id), "name": self.system_id,
            "type": "Microsoft.SecurityInsights/Entities", "kind": "SecurityAlert",
            "properties": {
                "systemAlertId": self.system_id, "alertDisplayName": from.title, "alertType": from.kind,
                "friendlyName": from.title, "confidenceLevel": "Unknown", "severity": from.severity, "status": "New",
                "productName": product(from), "vendorName": "Microsoft", "tactics": tactics(from),
                "startTimeUtc": self.at, "endTimeUtc": self.at, "processingEndTime": self.at, "timeGenerated": self.at,
                "providerAlertId": self.graph_id, "resourceIdentifiers": [], "additionalData": {},
            },
        })
    }

    /// The accounts it names by now, for a Sentinel incident's entities.
    pub(crate) fn accounts(&self, now: At) -> impl Iterator<Item = &Named> {
        let known = self.from.entities_after.unwrap_or_default();
        self.from.accounts.iter().filter(move |n| self.at.plus(n.after.max(known)) <= now)
    }
}

impl Tenant {
    /// Everything a scenario's alerts will show, each with its time.
    pub(super) fn plant_alerts(&mut self, scenario: &Scenario) {
        for (n, alert) in scenario.alerts.iter().enumerate() {
            self.plant_alert(n, alert);
        }
        for (from, to) in
            scenario.alerts.iter().filter_map(|a| Some((&a.key, a.incident.as_ref()?.redirected_to.as_ref()?)))
        {
            let target = self.incidents.iter().find(|i| i.alert == *to).map(|i| i.graph_id.clone());
            if let Some(incident) = self.incidents.iter_mut().find(|i| i.alert == *from) {
                incident.redirected_to = target;
            }
        }
    }

    fn plant_alert(&mut self, n: usize, alert: &Alert) {
        let at = self.start.plus(alert.at);
        let system_id = ids::guid("system-alert", &alert.key);
        let graph_id = format!("aa{}", ids::guid("defender-alert", &alert.key));
        let later = update_times(alert);
        if alert.source != Source::Graph {
            for since in [Duration::ZERO].iter().chain(&later) {
                self.alert_row(alert, at, *since, &system_id, &graph_id);
            }
        }
        let in_graph = alert.source != Source::LogAnalytics;
        let number = 4_001 + n;
        let graph_incident = (in_graph && alert.incident.is_some()).then(|| format!("{}", 97_000 + n));
        if let Some(incident) = &alert.incident {
            let graph_id = graph_incident.clone().unwrap_or_default();
            self.incidents.push(Incident::new(alert, incident, number, graph_id, &system_id, at));
        }
        let evidence = self.evidence(alert, at);
        self.alerts.push(AlertCard {
            key: alert.key.clone(),
            at,
            system_id,
            graph_id,
            in_graph,
            updated: at,
            status: "new".into(),
            assigned_to: Value::Null,
            classification: json!("unknown"),
            determination: json!("unknown"),
            comments: Vec::new(),
            graph_incident,
            from: alert.clone(),
            evidence,
            updates: later.into_iter().map(|since| at.plus(since)).collect(),
        });
        if alert.incident.is_some() {
            let last = self.incidents.len() - 1;
            let created = self.incidents[last].created;
            self.incident_row(last, created);
        }
    }

    fn alert_row(&mut self, alert: &Alert, at: At, since: Duration, system_id: &str, graph_id: &str) {
        let (written, entities) = (at.plus(since), self.entities(alert, since));
        let happened = at.minus(alert.age);
        let vendor_id = match alert.ids {
            Ids::Same => graph_id.to_owned(),
            Ids::Different => ids::guid("vendor-alert", &alert.key),
        };
        let compromised = alert
            .compromised
            .clone()
            .or_else(|| alert.accounts.first().and_then(|a| a.person.clone().or(a.name.clone())));
        let mut extended = serde_json::Map::new();
        if let Some(id) = alert.external_id {
            extended.insert("ExternalId".into(), json!(id.to_string()));
        }
        extended.insert("Category".into(), json!(alert.tactic));
        let mut row = json!({
            "TenantId": ids::workspace(), "TimeGenerated": written, "DisplayName": alert.title, "AlertName": alert.title,
            "AlertSeverity": alert.severity, "Description": alert.title, "ProviderName": product(alert),
            "VendorName": "Microsoft", "VendorOriginalId": vendor_id, "SystemAlertId": system_id, "ResourceId": "",
            "SourceComputerId": "", "AlertType": alert.kind, "ConfidenceLevel": "", "ConfidenceScore": null,
            "IsIncident": false, "StartTime": happened.minus(Duration::from_mins(2)),
            "EndTime": happened.minus(Duration::from_mins(1)), "ProcessingEndTime": written, "RemediationSteps": "[]",
            "ExtendedProperties": Value::Object(extended).to_string(), "Entities": Value::from(entities).to_string(),
            "SourceSystem": "Detection", "WorkspaceSubscriptionId": ids::subscription(),
            "WorkspaceResourceGroup": ids::RESOURCE_GROUP, "ExtendedLinks": "", "ProductName": product(alert),
            "ProductComponentName": "", "AlertLink": format!("https://security.microsoft.com/alerts/{vendor_id}"),
            "Status": "New", "CompromisedEntity": compromised, "Tactics": alert.tactic,
            "Techniques": json!(alert.techniques).to_string(), "SubTechniques": "", "Type": "SecurityAlert",
        });
        for (column, cell) in &alert.columns {
            row[column] = cell.clone();
        }
        self.logs.add("SecurityAlert", written.plus(self.delays.ingestion), &row);
    }
}

/// How long after the alert it is written again, soonest first.
fn update_times(alert: &Alert) -> Vec<Duration> {
    let known = alert.entities_after.unwrap_or_default();
    let times =
        alert.accounts.iter().map(|n| n.after.max(known)).chain([known]).chain(alert.repeats.iter().map(|r| r.0));
    let times: BTreeSet<Duration> = times.filter(|t| !t.is_zero()).collect();
    times.into_iter().collect()
}

/// Both spellings of `ProviderName` that rows carry: the old name for classic alerts, the new one for others.
fn product(alert: &Alert) -> &'static str {
    if alert.external_id.is_some() { "Azure Advanced Threat Protection" } else { "Microsoft Defender for Identity" }
}

fn tactics(alert: &Alert) -> Vec<&str> {
    Some(alert.tactic.as_str()).into_iter().filter(|t| !t.is_empty()).collect()
}
