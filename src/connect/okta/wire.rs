//! Okta's shapes, as far as we read them (management API 5.1.0).

use serde::Deserialize;

use crate::model::account::{AccountRef, OktaId};
use crate::model::failure::Provider;
use crate::model::person::{Found, Membership};
use crate::model::text::clip;
use crate::model::time::At;

/// A user.
#[derive(Debug, Deserialize)]
pub(super) struct User {
    pub(super) id: OktaId,
    #[serde(default)]
    pub(super) status: String,
    #[serde(default)]
    profile: Profile,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Profile {
    login: Option<String>,
    display_name: Option<String>,
    first_name: Option<String>,
    last_name: Option<String>,
    department: Option<String>,
}

/// A group.
#[derive(Debug, Deserialize)]
pub(super) struct Group {
    pub(super) id: OktaId,
}

/// An administrator role of a user: a standard one by its type, `CUSTOM` with a label.
#[derive(Debug, Deserialize)]
pub(super) struct Role {
    #[serde(rename = "type")]
    kind: Option<String>,
    status: Option<String>,
}

/// An entry of the system log.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct LogEvent {
    event_type: Option<String>,
    published: Option<String>,
    outcome: Option<LogOutcome>,
    target: Option<Vec<LogTarget>>,
}

#[derive(Debug, Deserialize)]
struct LogOutcome {
    result: Option<String>,
}

#[derive(Debug, Deserialize)]
struct LogTarget {
    id: Option<String>,
}

impl User {
    /// Whether its login is the one asked for.
    pub(super) fn has_login(&self, login: &crate::model::account::Upn) -> bool {
        self.profile.login.as_deref().is_some_and(|own| own.to_lowercase() == login.as_str())
    }

    /// The user in our words.
    pub(super) fn found(self, org: &str) -> Found {
        let short = |text: Option<String>| text.filter(|t| !t.is_empty()).map(|text| clip(&text, 256));
        let profile = self.profile;
        let full_name = match (profile.first_name, profile.last_name) {
            (Some(first), Some(last)) => Some(format!("{first} {last}")),
            (first, last) => first.or(last),
        };
        Found {
            upn: profile.login.and_then(|login| login.parse().ok()),
            display_name: short(profile.display_name.or(full_name)),
            enabled: may_sign_in(&self.status),
            department: short(profile.department),
            ..Found::bare(AccountRef::Okta { org: org.to_owned(), id: self.id }, Provider::Okta)
        }
    }
}

impl Role {
    /// The membership it means; `None` for one that is not in force.
    pub(super) fn membership(self) -> Option<Membership> {
        let in_force = self.status.is_none_or(|status| !status.eq_ignore_ascii_case("INACTIVE"));
        in_force.then(|| Membership::OktaRole(clip(self.kind.as_deref().unwrap_or("UNKNOWN"), 80)))
    }
}

impl LogEvent {
    /// When it happened, if it is a success of this type about this very user.
    pub(super) fn moment_of(&self, event_type: &str, user: &OktaId) -> Option<At> {
        let succeeded = self.outcome.as_ref().and_then(|o| o.result.as_deref()) == Some("SUCCESS");
        let about = self.target.iter().flatten().any(|target| target.id.as_deref() == Some(user.as_str()));
        let fits = succeeded && about && self.event_type.as_deref() == Some(event_type);
        fits.then(|| self.published.as_deref()?.parse().ok()).flatten()
    }
}

/// Okta's statuses; an unknown one says nothing.
fn may_sign_in(status: &str) -> Option<bool> {
    match status.to_ascii_uppercase().as_str() {
        "ACTIVE" | "RECOVERY" | "PASSWORD_EXPIRED" | "PROVISIONED" => Some(true),
        "SUSPENDED" | "DEPROVISIONED" | "STAGED" | "LOCKED_OUT" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn user(status: &str) -> User {
        let profile =
            json!({"login": "Adele@Contoso.com", "firstName": "Adele", "lastName": "V", "department": "Sales"});
        serde_json::from_value(json!({"id": "00uadele", "status": status, "profile": profile})).unwrap()
    }

    #[test]
    fn a_user_is_read_and_its_login_compared_without_case() {
        assert!(user("ACTIVE").has_login(&"adele@contoso.com".parse().unwrap()));
        assert!(!user("ACTIVE").has_login(&"adele@contoso.co".parse().unwrap()));
        let found = user("ACTIVE").found("main");
        assert_eq!((found.account.to_string().as_str(), found.enabled), ("okta:main/00uadele", Some(true)));
        assert_eq!(found.display_name.as_deref(), Some("Adele V"));
    }

    #[test]
    fn statuses_say_who_may_sign_in_and_unknown_ones_nothing() {
        assert_eq!(user("SUSPENDED").found("m").enabled, Some(false));
        assert_eq!(user("SOMETHING_NEW").found("m").enabled, None);
    }

    #[test]
    fn an_id_that_is_no_id_is_not_read() {
        assert!(serde_json::from_value::<User>(json!({"id": "../groups", "status": "ACTIVE"})).is_err());
    }

    #[test]
    fn only_a_success_about_this_very_user_is_an_event_of_theirs() {
        let event = |kind: &str, target: &str, result: &str| -> LogEvent {
            serde_json::from_value(json!({"eventType": kind, "published": "2026-01-02T03:04:05.123Z",
                "outcome": {"result": result}, "target": [{"id": "x"}, {"id": target, "type": "User"}]}))
            .unwrap()
        };
        let id: OktaId = "00uadele".parse().unwrap();
        let clear = "user.session.clear";
        assert!(event(clear, "00uadele", "SUCCESS").moment_of(clear, &id).is_some());
        assert!(event(clear, "00uadele2", "SUCCESS").moment_of(clear, &id).is_none());
        assert!(event(clear, "00uadele", "FAILURE").moment_of(clear, &id).is_none());
        assert!(event("user.session.start", "00uadele", "SUCCESS").moment_of(clear, &id).is_none());
    }

    #[test]
    fn a_role_without_a_known_type_still_counts() {
        let role = |value| serde_json::from_value::<Role>(value).unwrap().membership();
        assert_eq!(
            role(json!({"type": "SUPER_ADMIN", "status": "ACTIVE"})),
            Some(Membership::OktaRole("SUPER_ADMIN".into()))
        );
        assert_eq!(role(json!({"id": "x"})), Some(Membership::OktaRole("UNKNOWN".into())));
        assert_eq!(role(json!({"type": "ORG_ADMIN", "status": "INACTIVE"})), None);
    }
}
