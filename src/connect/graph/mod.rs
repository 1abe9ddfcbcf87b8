//! Microsoft Graph: Defender's alerts, identities and hunting, and Entra's users and groups.
//!
//! Cut by what is served, not by host. Graph counts `/security`, identity protection and the
//! directory apart, so each has its own [`Api`](crate::connect::http::Api) with its own pace and list
//! of allowed calls: [`SECURITY`], [`IDENTITY_PROTECTION`], [`DIRECTORY`].

pub mod alerts;
mod common;
pub mod entra;
#[cfg(test)]
pub(in crate::connect) mod fake;
pub mod hunting;
pub mod identities;
mod json;
mod odata;

use crate::connect::http::{Allowed, Method};

/// Calls under `/security`.
pub const SECURITY: &[Allowed] = &[
    Allowed(Method::Get, alerts::ALERTS),
    Allowed(Method::Get, identities::IDENTITIES),
    Allowed(Method::Post, identities::INVOKE_ACTION),
    Allowed(Method::Post, hunting::HUNT),
];

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
        let all = [SECURITY, IDENTITY_PROTECTION, DIRECTORY].concat();
        for Allowed(_, template) in all.iter().filter(|Allowed(method, _)| *method == Method::Delete) {
            assert!(template.ends_with("/members/{member}/$ref"), "{template}");
        }
    }
}
