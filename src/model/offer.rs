//! Which intent can be done by which route: the one table behind planning, checking and looks.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::account::Directory;
use super::failure::Provider;
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

impl Route {
    /// Who says no when it cannot be taken. Both ways into Active Directory are Defender's, for failures have no name of
    /// their own for LDAP.
    #[must_use]
    pub const fn provider(self) -> Provider {
        match self {
            Self::Defender | Self::ActiveDirectory => Provider::Defender,
            Self::Entra => Provider::Entra,
            Self::Okta => Provider::Okta,
        }
    }
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

/// One intent by one route.
#[derive(Debug, Clone, Copy)]
pub struct Offer {
    /// The intent.
    pub verb: Verb,
    /// The route.
    pub route: Route,
    /// In which directory the account must live.
    pub directory: Directory,
    /// How long after a lost answer a look can prove that nothing happened.
    pub conclusive_after: Duration,
    /// Works in the global cloud only (contracts: v1.0 `invokeAction`).
    pub global_cloud_only: bool,
}

const DEFENDER: Offer = Offer {
    verb: Verb::DisableAdUser,
    route: Route::Defender,
    directory: Directory::ActiveDirectory,
    // The sensor on a domain controller does the write some time after the API has answered.
    conclusive_after: Duration::from_secs(600),
    global_cloud_only: true,
};
const ENTRA: Offer = Offer {
    verb: Verb::SuspendEntraUser,
    route: Route::Entra,
    directory: Directory::Entra,
    conclusive_after: Duration::from_secs(30),
    global_cloud_only: false,
};
const ENTRA_GROUP: Offer = Offer { verb: Verb::RemoveFromGroup, ..ENTRA };
const OKTA: Offer = Offer {
    verb: Verb::SuspendOktaUser,
    route: Route::Okta,
    directory: Directory::Okta,
    conclusive_after: Duration::from_secs(15),
    global_cloud_only: false,
};

/// All offers, per verb in order of preference.
pub const OFFERS: &[Offer] = &[
    DEFENDER,
    Offer { verb: Verb::EnableAdUser, ..DEFENDER },
    Offer { verb: Verb::RequirePasswordChange, ..DEFENDER },
    Offer { verb: Verb::RequirePasswordChange, ..ENTRA },
    Offer { verb: Verb::ScramblePassword, ..ENTRA },
    Offer { verb: Verb::MarkCompromised, conclusive_after: Duration::from_secs(300), ..ENTRA },
    Offer { verb: Verb::DismissRisk, conclusive_after: Duration::from_secs(300), ..ENTRA },
    ENTRA,
    Offer { verb: Verb::RestoreEntraUser, ..ENTRA },
    Offer { verb: Verb::RevokeSessions, conclusive_after: Duration::from_secs(120), ..ENTRA },
    Offer { verb: Verb::RevokeSessions, ..OKTA },
    OKTA,
    Offer { verb: Verb::UnsuspendOktaUser, ..OKTA },
    Offer { verb: Verb::DeactivateOktaUser, ..OKTA },
    ENTRA_GROUP,
    Offer { verb: Verb::AddToGroup, ..ENTRA_GROUP },
    Offer { verb: Verb::RemoveFromGroup, ..OKTA },
    Offer { verb: Verb::AddToGroup, ..OKTA },
];

/// The offers for a verb, best first.
pub fn offers(verb: Verb) -> impl Iterator<Item = &'static Offer> {
    OFFERS.iter().filter(move |offer| offer.verb == verb)
}

/// How long after a lost answer a look can prove that nothing happened; of what is no longer offered, a minute.
#[must_use]
pub fn conclusive_after(verb: Verb, route: Route) -> Duration {
    offer(verb, route).map_or(Duration::from_secs(60), |offer| offer.conclusive_after)
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
