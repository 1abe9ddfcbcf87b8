//! The columns of `SecurityAlert`, filled from a Graph alert: one condition fits both sources.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use crate::connect::graph::json::{field, guid, list, odata_type, text, time};
use crate::model::account::{Sid, Upn};
use crate::model::alert::Severity;
use crate::model::text::clip;

/// How real rows of `SecurityAlert` name Defender for Identity, in `ProviderName` and `ProductName`.
const PRODUCT: &str = "Azure Advanced Threat Protection";

/// A longer text is cut, in characters.
const TEXT_LENGTH: usize = 32_768;

/// As the table spells it; a word that nobody knows stays as it is.
fn severity(alert: &Value) -> Value {
    let word = text(alert, "severity").unwrap_or_default();
    let known = Some(Severity::read(word)).filter(|severity| *severity != Severity::Unknown);
    Value::from(known.map_or_else(|| bounded(word.to_owned()), |severity| severity.word().to_owned()))
}

/// The columns. Text that the alert does not carry is empty, as in the table; times are text in
/// RFC 3339, or null.
pub(super) fn columns(alert: &Value, external_id: Option<&str>) -> BTreeMap<String, Value> {
    let given = |name| Value::from(bounded(text(alert, name).unwrap_or_default().to_owned()));
    let moment = |name| time(alert, name).map_or(Value::Null, |at| Value::from(at.to_string()));
    let (techniques, sub_techniques) = techniques(alert);
    let properties = external_id.map_or_else(|| json!({}), |id| json!({ "ExternalId": id }));
    let all = [
        ("AlertLink", given("alertWebUrl")),
        ("AlertName", given("title")),
        ("AlertSeverity", severity(alert)),
        ("AlertType", given("detectorId")),
        ("Description", given("description")),
        ("DisplayName", given("title")),
        ("EndTime", moment("lastActivityDateTime")),
        ("Entities", Value::from(bounded(entities(alert)))),
        ("ExtendedProperties", Value::from(properties.to_string())),
        ("IsIncident", Value::from(false)),
        ("ProcessingEndTime", moment("createdDateTime")),
        ("ProductName", Value::from(PRODUCT)),
        ("ProviderName", Value::from(PRODUCT)),
        ("RemediationSteps", given("recommendedActions")),
        ("SourceSystem", Value::from("Detection")),
        ("StartTime", moment("firstActivityDateTime")),
        ("Status", Value::from(status(text(alert, "status").unwrap_or_default()))),
        ("SubTechniques", sub_techniques),
        ("SystemAlertId", given("id")),
        ("Tactics", given("category")),
        ("Techniques", techniques),
        ("TimeGenerated", moment("createdDateTime")),
        ("Type", Value::from("SecurityAlert")),
        ("VendorName", Value::from("Microsoft")),
        ("VendorOriginalId", given("providerAlertId")),
    ];
    all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
}

/// As it is, unless it is too long.
fn bounded(text: String) -> String {
    if text.len() > TEXT_LENGTH { clip(&text, TEXT_LENGTH) } else { text }
}

/// Graph's words in the table's spelling; a word we do not know stays as it is.
fn status(word: &str) -> String {
    match word.to_ascii_lowercase().as_str() {
        "new" => "New".to_owned(),
        "inprogress" => "InProgress".to_owned(),
        "resolved" => "Resolved".to_owned(),
        "unknown" | "" => "Unknown".to_owned(),
        _ => clip(word, 60),
    }
}

/// `T1003.006` is technique `T1003` and sub-technique `T1003.006`; both columns are JSON lists as text.
fn techniques(alert: &Value) -> (Value, Value) {
    let ids: Vec<&str> = list(alert, "mitreTechniques").iter().filter_map(Value::as_str).take(200).collect();
    let mut whole: Vec<&str> = ids.iter().filter_map(|id| id.split('.').next()).collect();
    whole.dedup();
    let sub: Vec<&str> = ids.into_iter().filter(|id| id.contains('.')).collect();
    (listed(&whole), listed(&sub))
}

fn listed(ids: &[&str]) -> Value {
    if ids.is_empty() { Value::from("") } else { Value::from(json!(ids).to_string()) }
}

/// The evidence as the JSON text that Sentinel keeps in `Entities`.
fn entities(alert: &Value) -> String {
    let pieces = list(alert, "evidence").iter().filter_map(entity);
    let numbered = pieces.enumerate().map(|(n, (kind, fields))| {
        let mut entity = Map::from_iter([("$id".to_owned(), Value::from((n + 2).to_string()))]);
        entity.extend(fields.into_iter().filter_map(|(name, value)| Some((name.to_owned(), value?))));
        entity.insert("Type".to_owned(), Value::from(kind));
        Value::Object(entity)
    });
    Value::Array(numbered.collect()).to_string()
}

type Fields = Vec<(&'static str, Option<Value>)>;

fn entity(piece: &Value) -> Option<(&'static str, Fields)> {
    let given = |object, name| text(object, name).map(|value| Value::from(clip(value, 512)));
    match odata_type(piece)? {
        "userEvidence" => Some(("account", account(field(piece, "userAccount")?))),
        "deviceEvidence" => {
            let name = given(piece, "hostName")
                .or_else(|| text(piece, "deviceDnsName").and_then(|dns| dns.split('.').next()).map(Value::from));
            let fields = vec![
                ("HostName", name),
                ("DnsDomain", given(piece, "dnsDomain")),
                ("NTDomain", given(piece, "ntDomain")),
                ("OSFamily", given(piece, "osPlatform")),
            ];
            Some(("host", fields))
        }
        "ipEvidence" => Some(("ip", vec![("Address", given(piece, "ipAddress"))])),
        "securityGroupEvidence" => {
            let fields = vec![
                ("DisplayName", given(piece, "displayName")),
                ("ObjectGuid", given(piece, "activeDirectoryObjectGuid").or_else(|| given(piece, "securityGroupId"))),
                ("SID", given(piece, "sid")),
            ];
            Some(("security-group", fields))
        }
        _ => None,
    }
}

fn account(account: &Value) -> Fields {
    let given = |name| text(account, name).map(|value| Value::from(clip(value, 512)));
    let upn: Option<Upn> = text(account, "userPrincipalName").and_then(|upn| upn.parse().ok());
    let suffix = upn.as_ref().and_then(|upn| upn.as_str().split_once('@')).map(|(_, suffix)| Value::from(suffix));
    let domain = text(account, "domainName").map(|domain| clip(domain, 512));
    let is_dns = domain.as_ref().is_some_and(|domain| domain.contains('.'));
    let (dns, nt) = if is_dns { (domain, None) } else { (None, domain) };
    let sid: Option<Sid> = text(account, "userSid").and_then(|sid| sid.parse().ok());
    vec![
        // Sentinel's Name@UPNSuffix is the UPN, so the name has to be the UPN's where there is one.
        ("Name", upn.as_ref().map(|upn| Value::from(upn.name())).or_else(|| given("accountName"))),
        ("NTDomain", nt.map(Value::from)),
        ("DnsDomain", dns.map(Value::from)),
        ("UPNSuffix", suffix),
        ("Sid", sid.map(|sid| Value::from(sid.as_str()))),
        ("AadUserId", guid(account, "azureAdUserId").map(|id| Value::from(id.to_string()))),
        ("ObjectGuid", guid(account, "activeDirectoryObjectGuid").map(|id| Value::from(id.to_string()))),
        ("DisplayName", given("displayName")),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn alert() -> Value {
        json!({
            "id": "aa1", "providerAlertId": "p1", "title": "Suspected DCSync attack", "severity": "high", "status": "inProgress",
            "detectorId": "xdr_DcSyncAttack", "category": "CredentialAccess", "mitreTechniques": ["T1003.006", "T1003"],
            "createdDateTime": "2026-01-02T03:04:05Z", "firstActivityDateTime": "2026-01-02T03:00:00Z",
            "lastActivityDateTime": null, "alertWebUrl": "https://security.microsoft.com/alerts/aa1",
            "evidence": [
                {"@odata.type": "#microsoft.graph.security.userEvidence", "userAccount": {
                    "accountName": "adelev", "domainName": "CONTOSO", "userPrincipalName": "adele@contoso.com",
                    "userSid": "S-1-5-21-1-2-3-1104"}},
                {"@odata.type": "#microsoft.graph.security.ipEvidence", "ipAddress": "192.0.2.1"},
                {"@odata.type": "#microsoft.graph.security.newEvidence"},
            ],
        })
    }

    #[test]
    fn a_condition_written_for_the_table_reads_a_graph_alert() {
        let columns = columns(&alert(), Some("2006"));
        for (name, value) in [
            ("AlertName", "Suspected DCSync attack"),
            ("AlertSeverity", "High"),
            ("AlertType", "xdr_DcSyncAttack"),
            ("Status", "InProgress"),
            ("Tactics", "CredentialAccess"),
            ("Techniques", r#"["T1003"]"#),
            ("SubTechniques", r#"["T1003.006"]"#),
            ("SystemAlertId", "aa1"),
            ("VendorOriginalId", "p1"),
            ("StartTime", "2026-01-02T03:00:00Z"),
            ("ProductName", "Azure Advanced Threat Protection"),
            ("ExtendedProperties", r#"{"ExternalId":"2006"}"#),
        ] {
            assert_eq!(columns[name], value, "{name}");
        }
        assert_eq!(columns["EndTime"], Value::Null);
    }

    #[test]
    fn evidence_becomes_entities_in_the_shape_of_sentinel() {
        let text = columns(&alert(), None)["Entities"].as_str().unwrap().to_owned();
        let entities: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(
            entities,
            json!([
                {"$id": "2", "Name": "adele", "NTDomain": "CONTOSO", "UPNSuffix": "contoso.com", "Sid": "S-1-5-21-1-2-3-1104", "Type": "account"},
                {"$id": "3", "Address": "192.0.2.1", "Type": "ip"},
            ])
        );
    }

    fn columns_of_long_text() -> BTreeMap<String, Value> {
        columns(&json!({"description": "x".repeat(1 << 20)}), None)
    }

    #[test]
    fn an_alert_of_nonsense_gives_columns_all_the_same() {
        let columns =
            columns(&json!({"title": 3, "evidence": "x", "mitreTechniques": [1, null], "status": "paused"}), None);
        assert_eq!((&columns["AlertName"], &columns["Entities"]), (&json!(""), &json!("[]")));
        assert_eq!((&columns["Techniques"], &columns["Status"]), (&json!(""), &json!("paused")));
        let long = columns_of_long_text();
        assert_eq!(long["Description"].as_str().unwrap().chars().count(), TEXT_LENGTH);
    }
}
