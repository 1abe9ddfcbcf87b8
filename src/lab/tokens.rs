//! Tokens: who got one, for which API, with which rights, until when.
//!
//! They look like JSON web tokens without a signature, so that a client can read audience and expiry,
//! but only those that were handed out here are good. Their hour is an hour of the machine's clock:
//! the clients' credential caches live by that one, whatever the lab's clock does.

use std::collections::{BTreeSet, HashMap};
use std::time::Duration;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::json;

use crate::model::time::{At, Clock as _, SystemClock};

/// The APIs that a token can be for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Audience {
    Graph,
    Arm,
    LogAnalytics,
    /// The lab's own address as scope: good for all three.
    All,
}

impl Audience {
    /// From a scope without `/.default`, or a managed identity's resource. Any address that is not a
    /// vendor's counts as the lab's own, because a recording proxy may stand in front of it.
    pub(crate) fn of(resource: &str) -> Option<Self> {
        let host = url::Url::parse(resource).ok()?.host_str()?.to_ascii_lowercase();
        let graph =
            ["graph.microsoft.com", "graph.microsoft.us", "dod-graph.microsoft.us", "microsoftgraph.chinacloudapi.cn"];
        let arm = [
            "management.azure.com",
            "management.core.windows.net",
            "management.usgovcloudapi.net",
            "management.chinacloudapi.cn",
        ];
        let logs = [
            "api.loganalytics.io",
            "api.loganalytics.azure.com",
            "api.loganalytics.us",
            "api.loganalytics.azure.cn",
            "westus2.api.loganalytics.io",
        ];
        let vendor = [".microsoft.com", ".azure.com", ".windows.net", ".loganalytics.io", ".azure.net"];
        match host.as_str() {
            h if graph.contains(&h) => Some(Self::Graph),
            h if arm.contains(&h) => Some(Self::Arm),
            h if logs.contains(&h) => Some(Self::LogAnalytics),
            h if vendor.iter().any(|v| h.ends_with(v)) => None,
            _ => Some(Self::All),
        }
    }

    pub(crate) fn serves(self, api: Self) -> bool {
        self == Self::All || self == api
    }
}

/// What a good token says about its holder.
#[derive(Debug, Clone)]
pub(crate) struct Caller {
    pub(crate) audience: Audience,
    pub(crate) app_id: String,
    pub(crate) object_id: String,
    /// Application permissions at the time the token was made, as in real tokens.
    pub(crate) roles: BTreeSet<String>,
    expires: At,
}

impl Caller {
    pub(crate) fn may(&self, any_of: &[&str]) -> bool {
        any_of.iter().any(|role| self.roles.contains(*role))
    }
}

/// Why a token is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Refusal {
    Missing,
    Invalid,
    Expired,
    WrongAudience,
}

/// All tokens that were handed out.
#[derive(Default)]
pub(crate) struct Tokens {
    good: HashMap<String, Caller>,
    made: u64,
}

/// Who a token is made for.
pub(crate) struct Holder<'a> {
    pub(crate) tenant: &'a str,
    pub(crate) app_id: &'a str,
    pub(crate) object_id: &'a str,
    pub(crate) roles: &'a BTreeSet<String>,
}

/// A fresh token and its life.
pub(crate) struct Minted {
    pub(crate) token: String,
    pub(crate) expires_in: u64,
    pub(crate) expires_on: i64,
}

impl Tokens {
    pub(crate) fn mint(&mut self, holder: &Holder<'_>, audience: Audience, resource: &str, life: Duration) -> Minted {
        self.made += 1;
        let now = SystemClock.now();
        let expires = now.plus(life);
        let claims = json!({
            "aud": resource, "iss": format!("https://sts.windows.net/{}/", holder.tenant), "tid": holder.tenant,
            "appid": holder.app_id, "oid": holder.object_id, "sub": holder.object_id, "idtyp": "app",
            "roles": holder.roles, "iat": now.unix_seconds(), "nbf": now.unix_seconds(),
            "exp": expires.unix_seconds(), "uti": format!("lab-{}", self.made), "ver": "1.0",
        });
        let part = |text: &str| URL_SAFE_NO_PAD.encode(text);
        let token = format!("{}.{}.{}", part(r#"{"typ":"JWT","alg":"none"}"#), part(&claims.to_string()), part("lab"));
        let caller = Caller {
            audience,
            app_id: holder.app_id.to_owned(),
            object_id: holder.object_id.to_owned(),
            roles: holder.roles.clone(),
            expires,
        };
        self.good.retain(|_, c| c.expires > now);
        self.good.insert(token.clone(), caller);
        Minted { token, expires_in: life.as_secs(), expires_on: expires.unix_seconds() }
    }

    /// Who sent this `Authorization` header, if the token is good for `api`.
    pub(crate) fn check(&self, header: Option<&str>, api: Audience) -> Result<Caller, Refusal> {
        let token = header.ok_or(Refusal::Missing)?.strip_prefix("Bearer ").ok_or(Refusal::Invalid)?;
        let caller = self.good.get(token.trim()).ok_or(Refusal::Invalid)?;
        if caller.expires <= SystemClock.now() {
            return Err(Refusal::Expired);
        }
        if !caller.audience.serves(api) {
            return Err(Refusal::WrongAudience);
        }
        Ok(caller.clone())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_vendor_host_means_its_api_and_any_other_host_means_all() {
        for (resource, audience) in [
            ("https://graph.microsoft.com", Some(Audience::Graph)),
            ("https://management.azure.com/", Some(Audience::Arm)),
            ("https://api.loganalytics.io", Some(Audience::LogAnalytics)),
            ("https://127.0.0.1:8443", Some(Audience::All)),
            ("https://vault.azure.net", None),
            ("not a url", None),
        ] {
            assert_eq!(Audience::of(resource), audience, "{resource}");
        }
    }

    #[test]
    fn a_token_is_good_only_for_its_api_and_only_if_it_was_made_here() {
        let mut tokens = Tokens::default();
        let roles = BTreeSet::new();
        let holder = Holder { tenant: "t", app_id: "a", object_id: "o", roles: &roles };
        let graph = tokens.mint(&holder, Audience::Graph, "https://graph.microsoft.com", Duration::from_mins(1));
        let header = format!("Bearer {}", graph.token);
        assert!(tokens.check(Some(&header), Audience::Graph).is_ok());
        assert_eq!(tokens.check(Some(&header), Audience::Arm).unwrap_err(), Refusal::WrongAudience);
        assert_eq!(tokens.check(Some(&format!("{header}x")), Audience::Graph).unwrap_err(), Refusal::Invalid);
        assert_eq!(tokens.check(None, Audience::Graph).unwrap_err(), Refusal::Missing);
        let stale = tokens.mint(&holder, Audience::Graph, "https://graph.microsoft.com", Duration::ZERO);
        assert_eq!(
            tokens.check(Some(&format!("Bearer {}", stale.token)), Audience::Graph).unwrap_err(),
            Refusal::Expired
        );
    }
}
