//! What conditions see: the columns of an alert, and the facts about a resolved account.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::Value as Json;

use crate::kql::{self, Schema, Type};
use crate::model::account::Role;

/// The columns of `SecurityAlert` that `when:` may name. An alert of Graph is given the same names.
///
/// Source: Azure Monitor tables reference, SecurityAlert.
const ALERT_COLUMNS: &[(&str, Type)] = &[
    ("TenantId", Type::String),
    ("TimeGenerated", Type::DateTime),
    ("DisplayName", Type::String),
    ("AlertName", Type::String),
    ("AlertSeverity", Type::String),
    ("Description", Type::String),
    ("ProviderName", Type::String),
    ("VendorName", Type::String),
    ("VendorOriginalId", Type::String),
    ("SystemAlertId", Type::String),
    ("ResourceId", Type::String),
    ("SourceComputerId", Type::String),
    ("AlertType", Type::String),
    ("ConfidenceLevel", Type::String),
    ("ConfidenceScore", Type::Real),
    ("IsIncident", Type::Bool),
    ("StartTime", Type::DateTime),
    ("EndTime", Type::DateTime),
    ("ProcessingEndTime", Type::DateTime),
    ("RemediationSteps", Type::String),
    ("ExtendedProperties", Type::String),
    ("Entities", Type::String),
    ("SourceSystem", Type::String),
    ("WorkspaceSubscriptionId", Type::String),
    ("WorkspaceResourceGroup", Type::String),
    ("ExtendedLinks", Type::String),
    ("ProductName", Type::String),
    ("ProductComponentName", Type::String),
    ("AlertLink", Type::String),
    ("Status", Type::String),
    ("CompromisedEntity", Type::String),
    ("Tactics", Type::String),
    ("Techniques", Type::String),
    ("SubTechniques", Type::String),
    ("Type", Type::String),
];

const ACCOUNT_COLUMNS: &[(&str, Type)] = &[
    ("Privileged", Type::Bool),
    ("Hybrid", Type::Bool),
    ("Enabled", Type::Bool),
    ("HasActiveDirectory", Type::Bool),
    ("HasEntra", Type::Bool),
    ("HasOkta", Type::Bool),
    ("IsComputer", Type::Bool),
    ("IsServiceAccount", Type::Bool),
    ("Guest", Type::Bool),
    ("Synced", Type::Bool),
    ("Department", Type::String),
    ("Domain", Type::String),
    ("Upn", Type::String),
    ("Role", Type::String),
    ("DisplayName", Type::String),
];

static ALERT: LazyLock<Schema> = LazyLock::new(|| Schema::new(ALERT_COLUMNS.iter().copied()));
static ACCOUNT: LazyLock<Schema> = LazyLock::new(|| Schema::new(ACCOUNT_COLUMNS.iter().copied()));

/// The schema of `when:`.
pub fn alert_schema() -> &'static Schema {
    &ALERT
}

/// The schema of `account.where:` and of a step's `if:`.
pub fn account_schema() -> &'static Schema {
    &ACCOUNT
}

/// What is known of an account after it was joined to its person. `None` is null in a condition, and null is never true.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a column of its own")]
pub struct AccountFacts {
    /// In a protected group, an admin role of Entra or Okta, or on the VIP list.
    pub privileged: bool,
    /// The person has an account in Active Directory and one in Entra that follows it.
    pub hybrid: bool,
    /// May sign in.
    pub enabled: Option<bool>,
    /// The person has an account in Active Directory.
    pub has_active_directory: bool,
    /// The person has an account in Entra.
    pub has_entra: bool,
    /// The person has an account in Okta; unknown while Okta does not answer.
    pub has_okta: Option<bool>,
    /// A computer account.
    pub is_computer: bool,
    /// A service account.
    pub is_service_account: bool,
    /// A guest of another tenant.
    pub guest: bool,
    /// Mastered in Active Directory.
    pub synced: Option<bool>,
    /// Department.
    pub department: Option<String>,
    /// Domain, as the directory spells it.
    pub domain: Option<String>,
    /// User principal name.
    pub upn: Option<String>,
    /// What the account is to the alert.
    pub role: Option<Role>,
    /// What people call it.
    pub display_name: Option<String>,
}

impl AccountFacts {
    /// The row of [`account_schema`].
    pub fn to_row(&self) -> Vec<kql::Value> {
        let flag = |value: Option<bool>| value.map_or(kql::Val::Null, kql::Val::Bool);
        let text = |value: &Option<String>| kql::Value::from(value.clone().unwrap_or_default());
        vec![
            flag(Some(self.privileged)),
            flag(Some(self.hybrid)),
            flag(self.enabled),
            flag(Some(self.has_active_directory)),
            flag(Some(self.has_entra)),
            flag(self.has_okta),
            flag(Some(self.is_computer)),
            flag(Some(self.is_service_account)),
            flag(Some(self.guest)),
            flag(self.synced),
            text(&self.department),
            text(&self.domain),
            text(&self.upn),
            text(&self.role.map(|role| role.to_string())),
            text(&self.display_name),
        ]
    }
}

/// The row of [`alert_schema`] from an alert's columns as JSON. A column that is missing or of another type is null, or
/// empty where it is text; JSON in a text column is printed.
pub fn alert_row(columns: &BTreeMap<String, Json>) -> Vec<kql::Value> {
    ALERT_COLUMNS.iter().map(|(name, ty)| cell(columns.get(*name).unwrap_or(&Json::Null), *ty)).collect()
}

/// A value of a column; null where it is of another type.
pub(super) fn cell(json: &Json, ty: Type) -> kql::Value {
    let value = match (ty, json) {
        (Type::String, Json::String(text)) => Some(kql::Value::from(text.clone())),
        (Type::String, Json::Array(_) | Json::Object(_)) => Some(kql::Value::from(json.to_string())),
        (Type::DateTime, Json::String(text)) => kql::parse_datetime(text).map(kql::Val::DateTime),
        (Type::Bool, Json::Bool(flag)) => Some(kql::Val::Bool(*flag)),
        (Type::Bool, Json::String(text)) => text.to_ascii_lowercase().parse().ok().map(kql::Val::Bool),
        (Type::Real, Json::Number(number)) => number.as_f64().map(kql::Val::Real),
        (_, _) => None,
    };
    value.unwrap_or_else(|| ty.nothing())
}

#[cfg(test)]
mod tests {
    use super::*;
    use kql::Val;

    #[test]
    fn a_row_of_facts_fits_its_schema_cell_by_cell() {
        let text = || Some("x".to_owned());
        let facts = AccountFacts {
            enabled: Some(true),
            synced: Some(true),
            department: text(),
            domain: text(),
            upn: text(),
            role: Some(Role::Suspect),
            display_name: text(),
            has_okta: Some(true),
            ..AccountFacts::default()
        };
        let row = facts.to_row();
        assert_eq!(row.len(), ACCOUNT_COLUMNS.len());
        for (value, (name, ty)) in row.iter().zip(ACCOUNT_COLUMNS) {
            assert_eq!(value.type_of(), Some(*ty), "{name}");
        }
        let at = |name| row[account_schema().index(name).unwrap()].clone();
        assert_eq!((at("HasOkta"), at("HasEntra"), at("Role")), (Val::Bool(true), Val::Bool(false), "suspect".into()));
    }

    #[test]
    fn what_is_not_known_is_null_and_so_never_true() {
        let row = AccountFacts::default().to_row();
        assert_eq!(row[account_schema().index("Enabled").unwrap()], Val::Null);
        assert_eq!(row[account_schema().index("Department").unwrap()], "".into());
    }

    #[test]
    fn columns_of_the_wrong_type_become_null_or_empty() {
        let json = serde_json::json!({"AlertName": 5, "StartTime": "2026-03-01T00:00:00Z", "EndTime": "soon",
            "ConfidenceScore": "high", "IsIncident": false, "Entities": [{"$id": "1"}], "Foreign": "x"});
        let columns: BTreeMap<String, Json> = serde_json::from_value(json).unwrap();
        let row = alert_row(&columns);
        let at = |name| row[alert_schema().index(name).unwrap()].clone();
        assert_eq!(row.len(), ALERT_COLUMNS.len());
        assert_eq!((at("AlertName"), at("EndTime"), at("ConfidenceScore")), ("".into(), Val::Null, Val::Null));
        assert_eq!(at("StartTime"), Val::DateTime(kql::parse_datetime("2026-03-01").unwrap()));
        assert_eq!((at("IsIncident"), at("Entities")), (Val::Bool(false), r#"[{"$id":"1"}]"#.into()));
    }
}
