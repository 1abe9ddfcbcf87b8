//! What an observation says about an intent: the only way from a look to an outcome.

use crate::model::intent::Verb;
use crate::model::observation::{Fact, Observation};
use crate::model::time::At;

/// What a look says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// The effect is there.
    InPlace,
    /// It is not.
    NotInPlace,
    /// This observation cannot say.
    CannotTell,
    /// The account is gone.
    Gone,
}

/// Judges an observation. `since` is when our call began; without it the question is whether the
/// effect was there before any call of ours, and things that only happen (a revocation, a forced
/// change) are then never in place.
#[must_use]
pub fn judge(verb: Verb, found: &Observation, since: Option<At>) -> Seen {
    let yes = |it: bool| if it { Seen::InPlace } else { Seen::NotInPlace };
    let happened = |at: Option<At>| match (at, since) {
        (_, None) => Seen::NotInPlace,
        // Vendors write whole seconds, so an event of our own second counts.
        (Some(at), Some(since)) => yes(at.unix_seconds() >= since.unix_seconds()),
        (None, Some(_)) => Seen::NotInPlace,
    };
    match (&found.fact, verb) {
        (Fact::Absent, _) => Seen::Gone,
        (Fact::Enabled(enabled), Verb::DisableAdUser | Verb::SuspendEntraUser) => yes(!enabled),
        (Fact::Enabled(enabled), Verb::EnableAdUser | Verb::RestoreEntraUser) => yes(*enabled),
        (Fact::Password { changed, .. }, Verb::RequirePasswordChange) => happened(*changed),
        (Fact::Risk { state, .. }, Verb::MarkCompromised) => yes(state.eq_ignore_ascii_case("confirmedCompromised")),
        (Fact::Risk { state, .. }, Verb::DismissRisk) => yes(["dismissed", "none", "remediated", "confirmedSafe"]
            .iter()
            .any(|word| state.eq_ignore_ascii_case(word))),
        (Fact::SessionsValidFrom(at) | Fact::SessionsCleared(at), Verb::RevokeSessions) => happened(*at),
        (Fact::OktaStatus(status), Verb::SuspendOktaUser) => yes(status.eq_ignore_ascii_case("SUSPENDED")),
        (Fact::OktaStatus(status), Verb::UnsuspendOktaUser) => yes(status.eq_ignore_ascii_case("ACTIVE")),
        (Fact::OktaStatus(status), Verb::DeactivateOktaUser) => yes(status.eq_ignore_ascii_case("DEPROVISIONED")),
        (Fact::Member(member), Verb::RemoveFromGroup) => yes(!member),
        (Fact::Member(member), Verb::AddToGroup) => yes(*member),
        (
            Fact::Enabled(_)
            | Fact::Password { .. }
            | Fact::Risk { .. }
            | Fact::SessionsValidFrom(_)
            | Fact::SessionsCleared(_)
            | Fact::OktaStatus(_)
            | Fact::Member(_),
            _,
        ) => Seen::CannotTell,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::observation::Witness;

    fn at(seconds: i64) -> At {
        At::from_unix_seconds(seconds)
    }

    fn saw(fact: Fact) -> Observation {
        Observation { at: at(100), by: Witness::Entra, fact }
    }

    #[test]
    fn a_revocation_is_never_in_place_before_our_call() {
        let found = saw(Fact::SessionsValidFrom(Some(at(50))));
        assert_eq!(judge(Verb::RevokeSessions, &found, None), Seen::NotInPlace);
        assert_eq!(judge(Verb::RevokeSessions, &found, Some(at(40))), Seen::InPlace);
        assert_eq!(judge(Verb::RevokeSessions, &found, Some(at(60))), Seen::NotInPlace);
    }

    #[test]
    fn only_suspended_counts_as_suspended_in_okta() {
        for (status, seen) in
            [("SUSPENDED", Seen::InPlace), ("ACTIVE", Seen::NotInPlace), ("DEPROVISIONED", Seen::NotInPlace)]
        {
            assert_eq!(judge(Verb::SuspendOktaUser, &saw(Fact::OktaStatus(status.into())), None), seen, "{status}");
        }
    }

    #[test]
    fn an_observation_about_something_else_cannot_tell() {
        assert_eq!(judge(Verb::MarkCompromised, &saw(Fact::Enabled(false)), None), Seen::CannotTell);
    }

    #[test]
    fn a_vanished_account_is_neither_in_place_nor_not() {
        for verb in Verb::ALL {
            assert_eq!(judge(verb, &saw(Fact::Absent), Some(at(1))), Seen::Gone, "{verb}");
        }
    }
}
