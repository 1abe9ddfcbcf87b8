//! Alerts: as rows of `SecurityAlert`, and as Graph shows them.

use serde_json::{Value, json};

use super::Tenant;
use super::directory::Person;
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
    /// From when on its entities are known.
    pub(crate) entities_from: At,
    pub(crate) updated: At,
    pub(crate) status: String,
    pub(crate) assigned_to: Value,
    pub(crate) classification: Value,
    pub(crate) determination: Value,
    pub(crate) comments: Vec<Value>,
    pub(crate) graph_incident: Option<String>,
    from: Alert,
    evidence: Vec<Value>,
}

impl AlertCard {
    /// The fields that lists can be filtered on.
    pub(crate) fn filterable(&self, now: At) -> Value {
        json!({"assignedTo": self.assigned_to, "classification": self.classification, "determination": self.determination,
            "createdDateTime": self.at, "lastUpdateDateTime": self.changed(now), "severity": self.from.severity,
            "serviceSource": self.service(), "status": self.status})
    }

    fn changed(&self, now: At) -> At {
        if self.entities_from <= now { self.updated.max(self.entities_from) } else { self.updated }
    }

    fn service(&self) -> &'static str {
        if self.from.external_id.is_some() { "microsoftDefenderForIdentity" } else { "microsoft365Defender" }
    }

    /// As `microsoft.graph.security.alert`.
    pub(crate) fn graph(&self, now: At) -> Value {
        let evidence = if self.entities_from <= now { self.evidence.as_slice() } else { &[] };
        let (updated, service) = (self.changed(now), self.service());
        let tenant = ids::tenant();
        let resolved = (self.status == "resolved").then_some(updated);
        json!({
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
            "firstActivityDateTime": self.at.minus(std::time::Duration::from_mins(2)),
            "lastActivityDateTime": self.at.minus(std::time::Duration::from_mins(1)),
            "systemTags": [], "alertPolicyId": null, "additionalData": null, "comments": self.comments, "evidence": evidence,
        })
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

    /// The accounts it names, for a Sentinel incident's entities.
    pub(crate) fn accounts(&self) -> &[Named] {
        &self.from.accounts
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
        let entities_from = at.plus(alert.entities_after.unwrap_or_default());
        let system_id = ids::guid("system-alert", &alert.key);
        let graph_id = format!("aa{}", ids::guid("defender-alert", &alert.key));
        if alert.source != Source::Graph {
            let first = if entities_from > at { Vec::new() } else { self.entities(alert) };
            self.alert_row(alert, at, at, &system_id, &graph_id, &first);
            if entities_from > at {
                let complete = self.entities(alert);
                self.alert_row(alert, at, entities_from, &system_id, &graph_id, &complete);
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
            entities_from,
            updated: at,
            status: "new".into(),
            assigned_to: Value::Null,
            classification: json!("unknown"),
            determination: json!("unknown"),
            comments: Vec::new(),
            graph_incident,
            from: alert.clone(),
            evidence,
        });
        if alert.incident.is_some() {
            let last = self.incidents.len() - 1;
            let created = self.incidents[last].created;
            self.incident_row(last, created);
        }
    }

    fn alert_row(&mut self, alert: &Alert, at: At, written: At, system_id: &str, graph_id: &str, entities: &[Value]) {
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
        let row_json = json!({
            "TenantId": ids::workspace(), "TimeGenerated": written, "DisplayName": alert.title, "AlertName": alert.title,
            "AlertSeverity": alert.severity, "Description": alert.title, "ProviderName": product(alert),
            "VendorName": "Microsoft", "VendorOriginalId": vendor_id, "SystemAlertId": system_id, "ResourceId": "",
            "SourceComputerId": "", "AlertType": alert.kind, "ConfidenceLevel": "", "ConfidenceScore": null,
            "IsIncident": false, "StartTime": at.minus(std::time::Duration::from_mins(2)),
            "EndTime": at.minus(std::time::Duration::from_mins(1)), "ProcessingEndTime": written, "RemediationSteps": "[]",
            "ExtendedProperties": Value::Object(extended).to_string(), "Entities": Value::from(entities).to_string(),
            "SourceSystem": "Detection", "WorkspaceSubscriptionId": ids::subscription(),
            "WorkspaceResourceGroup": ids::RESOURCE_GROUP, "ExtendedLinks": "", "ProductName": product(alert),
            "ProductComponentName": "", "AlertLink": format!("https://security.microsoft.com/alerts/{vendor_id}"),
            "Status": "New", "CompromisedEntity": compromised, "Tactics": alert.tactic,
            "Techniques": json!(alert.techniques).to_string(), "SubTechniques": "", "Type": "SecurityAlert",
        });
        let visible = written.plus(self.delays.ingestion);
        self.logs.add("SecurityAlert", visible, &row_json);
    }

    /// Entities as Sentinel stores them: objects with `$id`, hosts referred to by `$ref`.
    fn entities(&self, alert: &Alert) -> Vec<Value> {
        let mut out = Vec::new();
        let id = |out: &Vec<Value>| (out.len() + 2).to_string();
        if let Some(host) = &alert.host {
            out.push(json!({"$id": id(&out), "HostName": host, "DnsDomain": ids::DNS, "NTDomain": ids::NETBIOS,
                "IsDomainJoined": true, "OSFamily": "Windows", "Type": "host"}));
        }
        if let Some(ip) = &alert.ip {
            out.push(json!({"$id": id(&out), "Address": ip, "Type": "ip"}));
        }
        if let Some(group) = alert.group.as_ref().and_then(|g| self.groups.get(g)) {
            out.push(
                json!({"$id": id(&out), "DistinguishedName": format!("CN={},OU=Groups,DC=contoso,DC=com", group.key),
                "SID": group.sid, "ObjectGuid": group.entra, "Type": "security-group"}),
            );
        }
        for named in &alert.accounts {
            let mut account = self.account_entity(named);
            account["$id"] = json!(id(&out));
            account["Type"] = json!("account");
            out.push(account);
        }
        for i in 0..alert.crowd {
            out.push(json!({"$id": id(&out), "Name": crowd_name(i), "NTDomain": ids::NETBIOS, "DnsDomain": ids::DNS,
                "Sid": ids::sid(crowd_rid(i)), "IsDomainJoined": true, "Type": "account"}));
        }
        out
    }

    fn account_entity(&self, named: &Named) -> Value {
        let Some(person) = self.named(named) else {
            return json!({"Name": named.name, "NTDomain": named.domain, "Sid": named.sid, "IsDomainJoined": true});
        };
        let shown = |what: &str| named.only.is_empty() || named.only.iter().any(|o| o == what);
        let mut account = json!({"Name": person.key});
        if let Some(ad) = person.ad.as_ref() {
            if shown("domain") {
                account["NTDomain"] = json!(ids::NETBIOS);
                account["DnsDomain"] = json!(ids::DNS);
            }
            if shown("sid") {
                account["Sid"] = json!(ad.sid);
                account["IsDomainJoined"] = json!(true);
            }
        }
        if let Some(user) = person.entra.first() {
            if shown("upn") {
                account["UPNSuffix"] = json!(ids::DNS);
            }
            if shown("oid") {
                account["AadUserId"] = json!(user.id);
                account["AadTenantId"] = json!(ids::tenant());
            }
        }
        account
    }

    fn evidence(&self, alert: &Alert, at: At) -> Vec<Value> {
        let common = |kind: &str, roles: &[&str], verdict: &str| {
            json!({"@odata.type": format!("#microsoft.graph.security.{kind}"), "createdDateTime": at, "verdict": verdict,
                "remediationStatus": "none", "remediationStatusDetails": null, "roles": roles, "detailedRoles": [], "tags": []})
        };
        let mut out = Vec::new();
        for named in &alert.accounts {
            let roles: Vec<&str> = named.roles.iter().map(String::as_str).collect();
            let roles = if roles.is_empty() { vec!["attacker"] } else { roles };
            let mut evidence = common("userEvidence", &roles, "suspicious");
            evidence["userAccount"] = self.user_account(named);
            out.push(evidence);
        }
        for i in 0..alert.crowd {
            let mut evidence = common("userEvidence", &["attacked"], "unknown");
            evidence["userAccount"] = json!({"accountName": crowd_name(i), "domainName": ids::NETBIOS,
                "userSid": ids::sid(crowd_rid(i)), "userPrincipalName": null, "azureAdUserId": null,
                "displayName": crowd_name(i), "resourceAccessEvents": []});
            out.push(evidence);
        }
        if let Some(group) = alert.group.as_ref().and_then(|g| self.groups.get(g)) {
            let mut evidence = common("securityGroupEvidence", &["edited"], "unknown");
            evidence["displayName"] = json!(group.key);
            evidence["securityGroupId"] = json!(group.entra);
            evidence["sid"] = json!(group.sid);
            out.push(evidence);
        }
        if let Some(host) = &alert.host {
            let mut evidence = common("deviceEvidence", &["source"], "unknown");
            evidence["hostName"] = json!(host);
            evidence["deviceDnsName"] = json!(format!("{}.{}", host.to_lowercase(), ids::DNS));
            evidence["ntDomain"] = json!(ids::NETBIOS);
            out.push(evidence);
        }
        if let Some(ip) = &alert.ip {
            let mut evidence = common("ipEvidence", &["source"], "unknown");
            evidence["ipAddress"] = json!(ip);
            evidence["countryLetterCode"] = Value::Null;
            out.push(evidence);
        }
        out
    }

    fn user_account(&self, named: &Named) -> Value {
        let Some(person) = self.named(named) else {
            return json!({"accountName": named.name, "domainName": named.domain, "userSid": named.sid,
                "userPrincipalName": null, "azureAdUserId": null, "displayName": named.name, "resourceAccessEvents": []});
        };
        let shown = |what: &str| named.only.is_empty() || named.only.iter().any(|o| o == what);
        let user = person.entra.first();
        json!({
            "accountName": person.key, "displayName": person.name, "resourceAccessEvents": [],
            "domainName": person.ad.as_ref().filter(|_| shown("domain")).map(|_| ids::NETBIOS),
            "userSid": person.sid().filter(|_| shown("sid")),
            "activeDirectoryObjectGuid": person.ad.as_ref().filter(|_| shown("sid")).map(|a| a.guid.clone()),
            "userPrincipalName": user.filter(|_| shown("upn")).map(|u| u.upn.clone()),
            "azureAdUserId": user.filter(|_| shown("oid")).map(|u| u.id.clone()),
            "tenantId": user.map(|_| ids::tenant()),
        })
    }

    pub(crate) fn named(&self, named: &Named) -> Option<&Person> {
        named.person.as_ref().and_then(|key| self.people.iter().find(|p| p.key == *key))
    }
}

/// Both spellings of `ProviderName` that rows carry: the old name for classic alerts, the new one for others.
fn product(alert: &Alert) -> &'static str {
    if alert.external_id.is_some() { "Azure Advanced Threat Protection" } else { "Microsoft Defender for Identity" }
}

fn tactics(alert: &Alert) -> Vec<&str> {
    Some(alert.tactic.as_str()).into_iter().filter(|t| !t.is_empty()).collect()
}

fn crowd_name(i: usize) -> String {
    format!("user{i:03}")
}

fn crowd_rid(i: usize) -> u32 {
    40_000 + u32::try_from(i).unwrap_or(0)
}
