//! Microsoft Graph: Defender's alerts, identities and hunting, and Entra's users and groups.
//!
//! Cut by what is served, not by host. Graph counts `/security`, hunting, identity protection and the
//! directory apart, so each has its own API with its own pace and list of allowed calls: see [`Graph`].

pub mod alerts;
mod common;
pub mod entra;
#[cfg(test)]
pub(in crate::connect) mod fake;
pub mod hunting;
pub mod identities;
pub mod incidents;
mod json;
mod odata;

use std::sync::Arc;

use url::Url;

use crate::model::replicas::Replicas;
use crate::model::time::Clock;

use crate::connect::http::{Allowed, Api, ApiOptions, BadBase, Client, Method, Pace};
use crate::connect::token::Credentials;
use crate::model::failure::Provider;

/// An answer of Graph is at most this large: a page of alerts with thousands of accounts each, or the
/// rows of a hunting query.
const MAX_BODY: usize = 48 * 1024 * 1024;

/// How often Graph may be asked, for each part that it counts by itself.
#[derive(Debug, Clone)]
pub struct Paces {
    /// `/security` but hunting.
    pub security: Pace,
    /// Hunting: counted by itself, over all applications of the tenant.
    pub hunting: Pace,
    /// `/identityProtection`: counted over all applications of the tenant.
    pub identity_protection: Pace,
    /// Users and groups.
    pub directory: Pace,
}

impl Paces {
    /// What the vendor documents, by the time of `clock`, shared by these replicas.
    #[must_use]
    pub fn documented(clock: &Arc<dyn Clock>, among: &Replicas) -> Self {
        Self {
            security: Pace::graph_security(clock).shared(among),
            hunting: Pace::graph_hunting(clock).shared(among),
            identity_protection: Pace::identity_protection(clock).shared(among),
            directory: Pace::graph_directory(clock).shared(among),
        }
    }
}

/// Graph as riposte calls it. Clones share paces; two of them for one tenant would not.
#[derive(Debug, Clone)]
pub struct Graph {
    /// Alerts and identities: [`SECURITY`].
    pub security: Api,
    /// Hunting: [`HUNTING`].
    pub hunting: Api,
    /// Risk: [`IDENTITY_PROTECTION`].
    pub identity_protection: Api,
    /// Users and groups: [`DIRECTORY`].
    pub directory: Api,
    /// Its address with the version, by which it names its own objects.
    pub root: Url,
}

impl Graph {
    /// Joins Graph's address with its version (`https://graph.microsoft.com/v1.0`), credentials for
    /// its audience, and paces.
    ///
    /// # Errors
    /// When `root` cannot be the address of an API.
    pub fn new(client: &Client, root: &Url, auth: &Credentials, paces: Paces) -> Result<Self, BadBase> {
        let api = |provider, allowed, pace| {
            let (base, auth) = (root.clone(), auth.clone());
            Api::new(client, ApiOptions { provider, base, auth, allowed, pace, max_body: MAX_BODY })
        };
        Ok(Self {
            security: api(Provider::Defender, SECURITY, paces.security)?,
            hunting: api(Provider::Defender, HUNTING, paces.hunting)?,
            identity_protection: api(Provider::Entra, IDENTITY_PROTECTION, paces.identity_protection)?,
            directory: api(Provider::Entra, DIRECTORY, paces.directory)?,
            root: root.clone(),
        })
    }
}

/// Calls under `/security` but hunting.
pub const SECURITY: &[Allowed] = &[
    Allowed(Method::Get, alerts::ALERTS),
    Allowed(Method::Get, identities::IDENTITIES),
    Allowed(Method::Post, identities::INVOKE_ACTION),
];

/// Hunting, 45 calls a minute for the whole tenant.
pub const HUNTING: &[Allowed] = &[Allowed(Method::Post, hunting::HUNT)];

/// Calls under `/identityProtection`, one a second for the whole tenant.
pub const IDENTITY_PROTECTION: &[Allowed] = &[
    Allowed(Method::Get, entra::RISKY_USER),
    Allowed(Method::Post, entra::CONFIRM_COMPROMISED),
    Allowed(Method::Post, entra::DISMISS_RISK),
];

/// Calls on users and groups.
pub const DIRECTORY: &[Allowed] = &[
    Allowed(Method::Get, entra::USERS),
    Allowed(Method::Get, entra::USER),
    Allowed(Method::Get, entra::MEMBER_OF),
    Allowed(Method::Get, entra::TRANSITIVE_MEMBER_OF),
    Allowed(Method::Get, entra::TRANSITIVE_MEMBERS),
    Allowed(Method::Get, entra::ROLE_ASSIGNMENTS),
    Allowed(Method::Get, entra::PRINCIPAL_OWNERS),
    Allowed(Method::Get, entra::APPLICATIONS),
    Allowed(Method::Get, entra::APPLICATION_OWNERS),
    Allowed(Method::Patch, entra::USER),
    Allowed(Method::Post, entra::REVOKE_SESSIONS),
    Allowed(Method::Delete, entra::GROUP_MEMBER_REF),
    Allowed(Method::Post, entra::GROUP_MEMBERS_REF),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_can_be_deleted_but_a_reference_to_a_member() {
        let all = [SECURITY, HUNTING, IDENTITY_PROTECTION, DIRECTORY].concat();
        for Allowed(_, template) in all.iter().filter(|Allowed(method, _)| *method == Method::Delete) {
            assert!(template.ends_with("/members/{member}/$ref"), "{template}");
        }
    }
}
