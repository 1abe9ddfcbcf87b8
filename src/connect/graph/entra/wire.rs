//! Graph users and what they are members of.

use serde::Deserialize;
use serde_json::Value;
use uuid::Uuid;

use crate::connect::graph::json::{guid, is_word, odata_type, text};
use crate::model::account::{AccountRef, Sid};
use crate::model::failure::Provider;
use crate::model::person::{Found, Membership};
use crate::model::text::clip;

/// The properties asked for; several come only on `$select`.
pub(super) const SELECT: &str = "id,userPrincipalName,accountEnabled,onPremisesSyncEnabled,onPremisesSecurityIdentifier,\
     onPremisesSamAccountName,onPremisesDomainName,displayName,department,userType";

/// A user.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
#[expect(clippy::struct_field_names, reason = "they are Graph's own names")]
pub(super) struct User {
    pub(super) id: Uuid,
    user_principal_name: Option<String>,
    account_enabled: Option<bool>,
    on_premises_sync_enabled: Option<bool>,
    on_premises_security_identifier: Option<String>,
    on_premises_sam_account_name: Option<String>,
    on_premises_domain_name: Option<String>,
    display_name: Option<String>,
    department: Option<String>,
    user_type: Option<String>,
}

impl User {
    /// The user in our words.
    pub(super) fn found(self) -> Found {
        let short = |text: Option<String>| text.filter(|t| !t.is_empty()).map(|text| clip(&text, 256));
        Found {
            upn: self.user_principal_name.and_then(|upn| upn.parse().ok()),
            name: short(self.on_premises_sam_account_name),
            domain: short(self.on_premises_domain_name),
            display_name: short(self.display_name),
            sid: self.on_premises_security_identifier.and_then(|sid| sid.parse::<Sid>().ok()),
            entra_id: Some(self.id),
            enabled: self.account_enabled,
            // Graph says null where a user was never synced.
            synced: Some(self.on_premises_sync_enabled.unwrap_or(false)),
            department: short(self.department),
            guest: is_word(self.user_type.as_deref(), "guest"),
            ..Found::bare(AccountRef::Entra(self.id), Provider::Entra)
        }
    }
}

/// What of a user is looked at after an action.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Standing {
    pub(super) id: Uuid,
    pub(super) account_enabled: Option<bool>,
    pub(super) sign_in_sessions_valid_from_date_time: Option<String>,
    pub(super) last_password_change_date_time: Option<String>,
}

/// A user's risk.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct RiskyUser {
    pub(super) id: Uuid,
    pub(super) risk_state: Option<String>,
    pub(super) risk_level: Option<String>,
}

/// What a `memberOf` item means for protection. A group that is synced counts by its SID and by its
/// object id, for either may stand on a list. Types that are neither group nor role give nothing.
///
/// # Errors
/// A sentence, when a group or role cannot be told.
pub(super) fn memberships(item: &Value) -> Result<Vec<Membership>, &'static str> {
    let role_template = guid(item, "roleTemplateId");
    match (odata_type(item), role_template) {
        (Some("directoryRole") | None, Some(template)) => Ok(vec![Membership::EntraRole(template)]),
        (Some("directoryRole"), None) => {
            let name = text(item, "displayName").ok_or("a directory role without template id and name")?;
            Ok(vec![Membership::EntraRoleNamed(clip(name, 256))])
        }
        (Some("group") | None, _) => {
            let id = guid(item, "id").ok_or("a group without an id")?;
            let sid = text(item, "onPremisesSecurityIdentifier").map(str::parse::<Sid>).transpose();
            let sid = sid.map_err(|_| "a group with an unreadable SID")?;
            Ok(sid.map(Membership::AdGroup).into_iter().chain([Membership::EntraGroup(id)]).collect())
        }
        (Some(_), _) => Ok(Vec::new()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ID: &str = "11111111-2222-3333-4444-555555555555";

    #[test]
    fn a_user_is_read_with_its_links() {
        let user: User = serde_json::from_value(json!({
            "id": ID, "userPrincipalName": "Adele@contoso.com", "accountEnabled": true, "onPremisesSyncEnabled": true,
            "onPremisesSecurityIdentifier": "S-1-5-21-1-2-3-1104", "onPremisesSamAccountName": "adele",
            "onPremisesDomainName": "contoso.local", "displayName": "Adele", "department": "", "userType": "Member", "extra": 1,
        }))
        .unwrap();
        let found = user.found();
        assert_eq!(found.account.to_string(), format!("entra:{ID}"));
        assert_eq!((found.synced, found.enabled, found.guest), (Some(true), Some(true), false));
        assert_eq!(found.sid.unwrap().rid(), Some(1104));
        assert_eq!((found.upn.unwrap().as_str(), found.department), ("adele@contoso.com", None));
    }

    #[test]
    fn guests_and_cloud_users_are_told_apart() {
        let user: User =
            serde_json::from_value(json!({"id": ID, "userType": "Guest", "onPremisesSyncEnabled": null})).unwrap();
        let found = user.found();
        assert_eq!((found.guest, found.synced, found.sid), (true, Some(false), None));
    }

    #[test]
    fn groups_count_by_both_their_ids_and_roles_by_their_template() {
        let group = json!({"@odata.type": "#microsoft.graph.group", "id": ID, "onPremisesSecurityIdentifier": "S-1-5-21-1-2-3-512"});
        assert_eq!(memberships(&group).unwrap().len(), 2);
        let role = json!({"@odata.type": "#microsoft.graph.directoryRole", "id": ID, "roleTemplateId": "62e90394-69f5-4237-9190-012177145e10"});
        assert_eq!(
            memberships(&role),
            Ok(vec![Membership::EntraRole("62e90394-69f5-4237-9190-012177145e10".parse().unwrap())])
        );
        let unit = json!({"@odata.type": "#microsoft.graph.administrativeUnit", "id": ID});
        assert_eq!(memberships(&unit), Ok(vec![]));
    }

    #[test]
    fn a_group_or_role_that_cannot_be_told_is_an_error_and_not_nothing() {
        for item in [
            json!({"@odata.type": "#microsoft.graph.directoryRole"}),
            json!({"@odata.type": "#microsoft.graph.group"}),
            json!({"@odata.type": "#microsoft.graph.group", "id": ID, "onPremisesSecurityIdentifier": "x"}),
            json!(null),
        ] {
            assert!(memberships(&item).is_err(), "{item}");
        }
    }
}
