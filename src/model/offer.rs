//! Which intent can be done by which route: the one table behind planner, recovery, doctor and
//! documentation.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::account::Directory;
use super::intent::Verb;

/// By which API an intent is done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Route {
    /// Defender for Identity's `invokeAction` over Graph.
    Defender,
    /// Entra over Graph.
    Entra,
    /// Okta's API.
    Okta,
    /// LDAP.
    ActiveDirectory,
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Defender => "defender",
            Self::Entra => "entra",
            Self::Okta => "okta",
            Self::ActiveDirectory => "active-directory",
        })
    }
}

/// What a second call of the same kind would do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Repeat {
    /// The same state again.
    Harmless,
    /// An error, or a second effect: look first.
    CheckFirst,
}

/// One intent by one route.
#[derive(Debug, Clone, Copy)]
pub struct Offer {
    /// The intent.
    pub verb: Verb,
    /// The route.
    pub route: Route,
    /// In which directory the account must live.
    pub directory: Directory,
    /// What a second call would do.
    pub repeat: Repeat,
    /// How long after a lost answer a look can prove that nothing happened.
    pub conclusive_after: Duration,
    /// The vendor's names of the permissions it needs.
    pub permissions: &'static [&'static str],
    /// Works in the global cloud only (contracts: v1.0 `invokeAction`).
    pub global_cloud_only: bool,
}

const DEFENDER: Offer = Offer {
    verb: Verb::DisableAdUser,
    route: Route::Defender,
    directory: Directory::ActiveDirectory,
    repeat: Repeat::Harmless,
    // The sensor on a domain controller does the write some time after the API has answered.
    conclusive_after: Duration::from_secs(600),
    permissions: &["SecurityIdentitiesActions.ReadWrite.All", "SecurityIdentitiesAccount.Read.All"],
    global_cloud_only: true,
};
const ENTRA: Offer = Offer {
    verb: Verb::SuspendEntraUser,
    route: Route::Entra,
    directory: Directory::Entra,
    repeat: Repeat::Harmless,
    conclusive_after: Duration::from_secs(30),
    permissions: &["User.EnableDisableAccount.All", "User.Read.All"],
    global_cloud_only: false,
};
const PASSWORD: &[&str] = &["User-PasswordProfile.ReadWrite.All", "User.Read.All"];
const RISK: &[&str] = &["IdentityRiskyUser.ReadWrite.All"];
const ENTRA_GROUP: Offer = Offer {
    verb: Verb::RemoveFromGroup,
    repeat: Repeat::CheckFirst,
    permissions: &["GroupMember.ReadWrite.All", "User.Read.All"],
    ..ENTRA
};
const OKTA: Offer = Offer {
    verb: Verb::SuspendOktaUser,
    route: Route::Okta,
    directory: Directory::Okta,
    repeat: Repeat::CheckFirst,
    conclusive_after: Duration::from_secs(15),
    permissions: &["okta.users.manage"],
    global_cloud_only: false,
};
const OKTA_GROUP: &[&str] = &["okta.groups.manage"];

/// All offers, per verb in order of preference (DESIGN section 6).
pub const OFFERS: &[Offer] = &[
    DEFENDER,
    Offer { verb: Verb::EnableAdUser, ..DEFENDER },
    Offer { verb: Verb::RequirePasswordChange, ..DEFENDER },
    Offer { verb: Verb::RequirePasswordChange, permissions: PASSWORD, ..ENTRA },
    // A second call sets another password: look first.
    Offer { verb: Verb::ScramblePassword, repeat: Repeat::CheckFirst, permissions: PASSWORD, ..ENTRA },
    // A new confirmation overwrites a decision made meanwhile by a person: look first.
    Offer {
        verb: Verb::MarkCompromised,
        repeat: Repeat::CheckFirst,
        conclusive_after: Duration::from_secs(300),
        permissions: RISK,
        ..ENTRA
    },
    Offer {
        verb: Verb::DismissRisk,
        repeat: Repeat::CheckFirst,
        conclusive_after: Duration::from_secs(300),
        permissions: RISK,
        ..ENTRA
    },
    ENTRA,
    Offer { verb: Verb::RestoreEntraUser, ..ENTRA },
    Offer {
        verb: Verb::RevokeSessions,
        conclusive_after: Duration::from_secs(120),
        permissions: &["User.RevokeSessions.All", "User.Read.All"],
        ..ENTRA
    },
    Offer {
        verb: Verb::RevokeSessions,
        repeat: Repeat::Harmless,
        permissions: &["okta.users.manage", "okta.logs.read"],
        ..OKTA
    },
    OKTA,
    Offer { verb: Verb::UnsuspendOktaUser, ..OKTA },
    Offer { verb: Verb::DeactivateOktaUser, ..OKTA },
    ENTRA_GROUP,
    Offer { verb: Verb::AddToGroup, ..ENTRA_GROUP },
    Offer { verb: Verb::RemoveFromGroup, permissions: OKTA_GROUP, ..OKTA },
    Offer { verb: Verb::AddToGroup, permissions: OKTA_GROUP, ..OKTA },
];

/// The offers for a verb, best first.
pub fn offers(verb: Verb) -> impl Iterator<Item = &'static Offer> {
    OFFERS.iter().filter(move |offer| offer.verb == verb)
}

/// The offer for a verb by a route.
#[must_use]
pub fn offer(verb: Verb, route: Route) -> Option<&'static Offer> {
    offers(verb).find(|offer| offer.route == route)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_verb_is_offered_by_some_route() {
        for verb in Verb::ALL {
            assert!(offers(verb).next().is_some(), "{verb}");
        }
    }

    #[test]
    fn what_is_reversible_can_be_reversed_by_the_same_route() {
        for made in OFFERS {
            if let Some(inverse) = made.verb.inverse() {
                assert!(offer(inverse, made.route).is_some(), "{} by {}", made.verb, made.route);
            }
        }
    }
}
