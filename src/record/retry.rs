//! After a failed call: again, look first, or give up. Pure.

use std::time::Duration;

use crate::model::failure::{Failure, FailureKind, Sent};
use crate::model::time::At;

/// At most this many calls of one action.
pub const MAX_ATTEMPTS: u32 = 6;

/// However long a vendor asks us to stay away, we look again after this.
pub const RETRY_AFTER_CEILING: Duration = Duration::from_secs(900);

/// What cannot be read is read again after this.
const READ_AGAIN: Duration = Duration::from_secs(30);
/// A refused credential is tried again after this at first: a token is not renewed more often.
const MEND: Duration = Duration::from_secs(60);
/// What somebody has to mend, or what never leaves, is not tried more rarely than this.
const SLOWEST: Duration = Duration::from_secs(600);
/// For so long after a call looks that never left do not count.
const UNSEEN_WAIT: Duration = Duration::from_secs(3600);
/// An answer that cannot be read is asked for again for this long.
const UNREADABLE_WAIT: Duration = Duration::from_secs(15 * 60);
/// A missing permission of a read is waited for this long: somebody has to grant it, and a token without it
/// lives for up to an hour after that.
pub const GRANT_WAIT: Duration = Duration::from_secs(4 * 3600);

/// What to do about a call that failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Move {
    /// It provably did nothing: call again at.
    Again(At),
    /// Nobody knows whether it did something: look.
    Look,
    /// It will not get better.
    GiveUp,
}

/// Whether a call that failed provably did nothing, for a reason that passes or that somebody can mend. It is made again
/// for as long as the action itself may be begun.
#[must_use]
pub fn costs_no_try(failure: &Failure) -> bool {
    match failure.sent {
        Sent::Maybe => false,
        Sent::No => failure.never_left() || failure.kind == FailureKind::Unauthorized,
        Sent::Answered => matches!(failure.kind, FailureKind::Unauthorized | FailureKind::Throttled(_)),
    }
}

/// Whether a look at a call of `since` is put off without being counted: it never left, as long as that was not long ago.
#[must_use]
pub fn looks_later(failure: &Failure, since: At, now: At) -> bool {
    failure.never_left() && now.since(since) < UNSEEN_WAIT
}

/// Decides about a failed call: the `attempt`th that counts, after `idle` that cost no try. Delays are 5 s, 15 s, 45 s,
/// 2 min 15 s, and 6 min 45 s from then on, or what the vendor names; from the second on the longer of both.
#[must_use]
pub fn after_failure(failure: &Failure, attempt: u32, idle: u32, now: At) -> Move {
    if costs_no_try(failure) {
        if failure.kind == FailureKind::Unauthorized {
            return Move::Again(now.plus((MEND * 2_u32.pow(idle.min(8))).min(SLOWEST)));
        }
        return Move::Again(now.plus(pause(failure, idle + 1)));
    }
    match failure.sent {
        Sent::Maybe => return Move::Look,
        // A server error says nothing about what was done before the error.
        Sent::Answered
            if matches!(failure.kind, FailureKind::Unavailable | FailureKind::NoAnswer | FailureKind::Unreadable) =>
        {
            return Move::Look;
        }
        Sent::Answered | Sent::No => {}
    }
    let passing = failure.is_passing() || failure.sent == Sent::No && !is_final(failure.kind);
    if attempt >= MAX_ATTEMPTS || !passing {
        return Move::GiveUp;
    }
    Move::Again(now.plus(pause(failure, attempt)))
}

/// How long to wait after the `n`th failure, from 1.
fn pause(failure: &Failure, n: u32) -> Duration {
    let wish = failure.retry_after().map(|after| after.min(RETRY_AFTER_CEILING));
    match wish {
        Some(wish) if n <= 1 => wish,
        wish => wish.unwrap_or_default().max(delay(n)),
    }
}

/// When to ask again after a read that failed, or `None` when that is no use. `since` is when it failed first.
/// What passes, and a credential that is refused, are waited for; a missing permission for some hours only.
#[must_use]
pub fn ask_again(failure: &Failure, since: At, now: At) -> Option<At> {
    let waited = now.since(since);
    let slower = (waited / 2).clamp(READ_AGAIN, SLOWEST);
    let pause = match failure.kind {
        FailureKind::Throttled(_)
        | FailureKind::Unavailable
        | FailureKind::NoAnswer
        | FailureKind::Unreachable
        // Whoever wishes to be asked again soon, for a long time, is asked less and less.
        | FailureKind::Conflict => {
            failure.retry_after().unwrap_or(READ_AGAIN).max(waited / 8).min(RETRY_AFTER_CEILING)
        }
        FailureKind::Unauthorized => slower,
        // An answer that was torn on its way, mostly.
        FailureKind::Unreadable if waited < UNREADABLE_WAIT => slower,
        FailureKind::Forbidden if waited < GRANT_WAIT => slower,
        FailureKind::Forbidden
        | FailureKind::NotFound
        | FailureKind::Refused
        | FailureKind::Unreadable
        | FailureKind::NotAttempted => return None,
    };
    Some(now.plus(pause))
}

/// The pause after attempt `attempt`, from 1.
#[must_use]
pub fn delay(attempt: u32) -> Duration {
    Duration::from_secs(5 * 3_u64.pow(attempt.saturating_sub(1).min(4)))
}

const fn is_final(kind: FailureKind) -> bool {
    matches!(kind, FailureKind::Forbidden | FailureKind::NotFound | FailureKind::Refused)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::failure::Provider;

    fn failed(kind: FailureKind, sent: Sent) -> Failure {
        Failure {
            provider: Provider::Entra,
            operation: "PATCH users/{id}".into(),
            kind,
            sent,
            vendor: None,
            hint: String::new(),
        }
    }

    const NOW: At = At::from_unix_seconds(1_000);

    #[test]
    fn whoever_is_throttled_for_long_is_asked_less_and_less_whatever_the_vendor_wishes() {
        let since = At::from_unix_seconds(0);
        let after = |seconds: i64| {
            let failure = failed(FailureKind::Throttled(Some(Duration::from_secs(1))), Sent::Answered);
            let now = At::from_unix_seconds(seconds);
            ask_again(&failure, since, now).unwrap().since(now).as_secs()
        };
        assert_eq!([0, 8, 80, 4_000, 100_000].map(after), [1, 1, 10, 500, 900]);
    }

    #[test]
    fn an_answer_that_never_came_is_answered_by_looking() {
        for kind in [FailureKind::NoAnswer, FailureKind::Unavailable] {
            assert_eq!(after_failure(&failed(kind, Sent::Maybe), 1, 0, NOW), Move::Look);
        }
        assert_eq!(after_failure(&failed(FailureKind::Unavailable, Sent::Answered), 1, 0, NOW), Move::Look);
    }

    #[test]
    fn a_vendors_wish_is_honoured_up_to_the_ceiling() {
        let wish = |seconds| failed(FailureKind::Throttled(Some(Duration::from_secs(seconds))), Sent::Answered);
        assert_eq!(after_failure(&wish(30), 1, 0, NOW), Move::Again(NOW.plus(Duration::from_secs(30))));
        assert_eq!(after_failure(&wish(86_400), 1, 0, NOW), Move::Again(NOW.plus(RETRY_AFTER_CEILING)));
    }

    #[test]
    fn a_refusal_is_not_repeated() {
        for kind in [FailureKind::Forbidden, FailureKind::Refused, FailureKind::NotFound] {
            assert_eq!(after_failure(&failed(kind, Sent::Answered), 1, 0, NOW), Move::GiveUp, "{kind}");
        }
    }

    #[test]
    fn a_refused_credential_is_tried_ever_more_rarely() {
        for sent in [Sent::Answered, Sent::No] {
            let pause = |unauthorized| match after_failure(
                &failed(FailureKind::Unauthorized, sent),
                MAX_ATTEMPTS,
                unauthorized,
                NOW,
            ) {
                Move::Again(again) => again.since(NOW).as_secs(),
                other @ (Move::Look | Move::GiveUp) => panic!("{other:?}"),
            };
            assert_eq!([0, 1, 2, 3, 4, 1_000].map(pause), [60, 120, 240, 480, 600, 600]);
        }
    }

    #[test]
    fn a_read_waits_for_a_permission_only_so_long_and_for_a_credential_without_end() {
        let (missing, bad) =
            [FailureKind::Forbidden, FailureKind::Unauthorized].map(|kind| failed(kind, Sent::Answered)).into();
        let after = |failure, seconds| {
            let now = NOW.plus(Duration::from_secs(seconds));
            ask_again(failure, NOW, now).map(|again| again.since(now).as_secs())
        };
        for failure in [&missing, &bad] {
            assert_eq!([0, 100, 900, 7_200].map(|at| after(failure, at)), [30, 50, 450, 600].map(Some));
        }
        let over = GRANT_WAIT.as_secs();
        assert_eq!((after(&missing, over), after(&bad, over)), (None, Some(600)));
        let gone = failed(FailureKind::NotFound, Sent::Answered);
        assert_eq!(after(&gone, 0), None);
        let slow = failed(FailureKind::Throttled(Some(Duration::from_secs(86_400))), Sent::Answered);
        assert_eq!(after(&slow, 0), Some(900));
    }

    #[test]
    fn what_never_left_or_was_turned_away_unread_is_tried_for_as_long_as_it_may_begin() {
        let soon = FailureKind::Throttled(Some(Duration::from_secs(1)));
        for (kind, sent, pauses) in [
            (FailureKind::Unreachable, Sent::No, [5, 15, 45, 135, 405, 405]),
            (FailureKind::NoAnswer, Sent::No, [5, 15, 45, 135, 405, 405]),
            (soon, Sent::Answered, [1, 15, 45, 135, 405, 405]),
        ] {
            let pause = |idle| match after_failure(&failed(kind, sent), MAX_ATTEMPTS, idle, NOW) {
                Move::Again(again) => again.since(NOW).as_secs(),
                other @ (Move::Look | Move::GiveUp) => panic!("{other:?}"),
            };
            assert_eq!([0, 1, 2, 3, 4, 1_000].map(pause), pauses, "{kind}");
        }
    }

    #[test]
    fn what_was_read_and_turned_away_is_tried_again_for_ten_minutes() {
        let failure = failed(FailureKind::Conflict, Sent::Answered);
        let pause = |attempt| match after_failure(&failure, attempt, 0, NOW) {
            Move::Again(again) => again.since(NOW).as_secs(),
            other @ (Move::Look | Move::GiveUp) => panic!("{other:?}"),
        };
        assert_eq!([1, 2, 3, 4, 5].map(pause), [5, 15, 45, 135, 405]);
        assert_eq!(after_failure(&failure, MAX_ATTEMPTS, 0, NOW), Move::GiveUp);
    }
}
