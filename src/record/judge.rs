//! What an observation says about an intent: the only way from a look to an outcome.

use std::time::Duration;

use crate::model::intent::Verb;
use crate::model::observation::{Fact, Observation, Strength, Witness};
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

/// Copies of a directory may lag behind it this much; before that they prove what they show only if
/// they have been seen to change.
pub const MIRROR_LAG: Duration = Duration::from_secs(900);

/// Judges a look after our call. A copy that shows the effect may still be showing an older state, so
/// it counts only if that very copy showed something else right before the call, or long after.
#[must_use]
pub fn judge_after(verb: Verb, found: &Observation, prior: &Observation, since: At) -> Seen {
    let seen = judge(verb, found, Some(since));
    let has_moved = prior.by == found.by;
    let stale = found.by.strength() == Strength::Mirror && found.at.since(since) < MIRROR_LAG;
    if seen == Seen::InPlace && stale && !has_moved { Seen::CannotTell } else { seen }
}

/// Judges a look after a call of which nobody knows whether it did anything. A revocation leaves nothing but its time,
/// and vendors round that: the time that was there before the call is not the call's.
#[must_use]
pub fn judge_lost(verb: Verb, found: &Observation, prior: &Observation, since: At) -> Seen {
    let seen = judge_after(verb, found, prior, since);
    let unmoved = moment(&found.fact).is_some() && moment(&found.fact) == moment(&prior.fact);
    if seen == Seen::InPlace && unmoved { Seen::NotInPlace } else { seen }
}

/// When it happened, of what only happens.
const fn moment(fact: &Fact) -> Option<At> {
    match fact {
        Fact::SessionsValidFrom(at) | Fact::SessionsCleared(at) | Fact::Password { changed: at, .. } => *at,
        Fact::Absent | Fact::Enabled(_) | Fact::Risk { .. } | Fact::OktaStatus(_) | Fact::Member(_) => None,
    }
}

/// Judges an observation. `since` is when our call began; without it the question is whether the
/// effect was there before any call of ours, and things that only happen (a revocation, a forced
/// change) are then never in place.
#[must_use]
pub fn judge(verb: Verb, found: &Observation, since: Option<At>) -> Seen {
    let yes = |it: bool| if it { Seen::InPlace } else { Seen::NotInPlace };
    let happened = |at: Option<At>| match (at, since) {
        // Vendors write whole seconds, so an event of our own second counts.
        (Some(at), Some(since)) => yes(at.unix_seconds() >= since.unix_seconds()),
        (None, _) | (Some(_), None) => Seen::NotInPlace,
    };
    match (&found.fact, verb) {
        (Fact::Absent, _) => Seen::Gone,
        (Fact::Enabled(enabled), Verb::DisableAdUser | Verb::SuspendEntraUser) => yes(!enabled),
        (Fact::Enabled(enabled), Verb::EnableAdUser | Verb::RestoreEntraUser) => yes(*enabled),
        // Entra shows when a password was changed, never that a change is asked for at the next sign-in.
        (Fact::Password { changed: None, .. }, Verb::RequirePasswordChange)
            if since.is_some() && found.by == Witness::Entra =>
        {
            Seen::CannotTell
        }
        (Fact::Password { changed, .. }, Verb::RequirePasswordChange | Verb::ScramblePassword) => happened(*changed),
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
    fn the_time_of_what_was_done_right_before_a_lost_call_is_not_the_calls() {
        let moved = |at| saw(Fact::SessionsValidFrom(Some(at)));
        let since = at(50).plus(Duration::from_millis(600));
        let disabled = moved(at(50).plus(Duration::from_millis(500)));
        let lost = |found: &Observation| judge_lost(Verb::RevokeSessions, found, &disabled, since);
        assert_eq!(lost(&disabled), Seen::NotInPlace);
        assert_eq!(lost(&moved(at(50).plus(Duration::from_millis(700)))), Seen::InPlace);
        assert_eq!(lost(&moved(at(51))), Seen::InPlace);
        let accepted = judge_after(Verb::RevokeSessions, &disabled, &disabled, since);
        assert_eq!(accepted, Seen::InPlace, "whoever writes whole seconds writes the same one again");
    }

    #[test]
    fn a_password_that_nobody_has_changed_yet_does_not_say_that_entra_asks_for_no_change() {
        let found = |changed| saw(Fact::Password { never_expires: None, changed });
        let judge = |verb, changed, since| judge(verb, &found(changed), since);
        assert_eq!(judge(Verb::RequirePasswordChange, None, Some(at(40))), Seen::CannotTell);
        assert_eq!(judge(Verb::RequirePasswordChange, None, None), Seen::NotInPlace);
        assert_eq!(judge(Verb::RequirePasswordChange, Some(at(50)), Some(at(40))), Seen::InPlace);
        assert_eq!(judge(Verb::ScramblePassword, None, Some(at(40))), Seen::NotInPlace);
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
    fn a_copy_that_never_noticed_the_first_change_does_not_prove_that_it_was_undone() {
        let by = |by, seconds, fact| Observation { at: at(seconds), by, fact };
        let prior = by(Witness::DirectoryEvents, 100, Fact::Enabled(false));
        let copy = |seconds| by(Witness::Defender, seconds, Fact::Enabled(true));
        assert_eq!(judge_after(Verb::EnableAdUser, &copy(101), &prior, at(100)), Seen::CannotTell);
        assert_eq!(judge_after(Verb::EnableAdUser, &copy(100 + 900), &prior, at(100)), Seen::InPlace);
        let noticed = by(Witness::Defender, 100, Fact::Enabled(false));
        assert_eq!(judge_after(Verb::EnableAdUser, &copy(101), &noticed, at(100)), Seen::InPlace);
    }

    #[test]
    fn a_vanished_account_is_neither_in_place_nor_not() {
        for verb in Verb::ALL {
            assert_eq!(judge(verb, &saw(Fact::Absent), Some(at(1))), Seen::Gone, "{verb}");
        }
    }
}
