//! After a failed call: again, look first, ask, or give up. Pure.

use std::time::Duration;

use crate::model::failure::{Failure, FailureKind, Sent};
use crate::model::time::At;

/// At most this many calls of one action.
pub const MAX_ATTEMPTS: u32 = 6;

/// However long a vendor asks us to stay away, we look again after this.
pub const RETRY_AFTER_CEILING: Duration = Duration::from_secs(900);

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

/// Decides about a failed attempt. Delays are 5 s, 15 s, 45 s, 2 min 15 s, 6 min 45 s, unless the vendor names one.
#[must_use]
pub fn after_failure(failure: &Failure, attempt: u32, now: At) -> Move {
    let answered_no = matches!(
        failure.kind,
        FailureKind::Throttled(_) | FailureKind::Conflict | FailureKind::Unreachable | FailureKind::NotAttempted
    );
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
    if attempt >= MAX_ATTEMPTS || !(passing || answered_no && failure.sent == Sent::No) {
        return Move::GiveUp;
    }
    let wish = failure.retry_after().map(|after| after.min(RETRY_AFTER_CEILING));
    Move::Again(now.plus(wish.unwrap_or_else(|| delay(attempt))))
}

/// The pause after attempt `attempt`, from 1.
#[must_use]
pub fn delay(attempt: u32) -> Duration {
    Duration::from_secs(5 * 3_u64.pow(attempt.saturating_sub(1).min(4)))
}

const fn is_final(kind: FailureKind) -> bool {
    matches!(kind, FailureKind::Unauthorized | FailureKind::Forbidden | FailureKind::NotFound | FailureKind::Refused)
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
    fn an_answer_that_never_came_is_answered_by_looking() {
        for kind in [FailureKind::NoAnswer, FailureKind::Unavailable] {
            assert_eq!(after_failure(&failed(kind, Sent::Maybe), 1, NOW), Move::Look);
        }
        assert_eq!(after_failure(&failed(FailureKind::Unavailable, Sent::Answered), 1, NOW), Move::Look);
    }

    #[test]
    fn a_vendors_wish_is_honoured_up_to_the_ceiling() {
        let wish = |seconds| failed(FailureKind::Throttled(Some(Duration::from_secs(seconds))), Sent::Answered);
        assert_eq!(after_failure(&wish(30), 1, NOW), Move::Again(NOW.plus(Duration::from_secs(30))));
        assert_eq!(after_failure(&wish(86_400), 1, NOW), Move::Again(NOW.plus(RETRY_AFTER_CEILING)));
    }

    #[test]
    fn a_refusal_is_not_repeated() {
        for kind in [FailureKind::Forbidden, FailureKind::Refused, FailureKind::NotFound, FailureKind::Unauthorized] {
            assert_eq!(after_failure(&failed(kind, Sent::Answered), 1, NOW), Move::GiveUp, "{kind}");
        }
    }

    #[test]
    fn what_never_left_is_tried_again_until_the_last_attempt() {
        let failure = failed(FailureKind::Unreachable, Sent::No);
        assert_eq!(after_failure(&failure, 2, NOW), Move::Again(NOW.plus(Duration::from_secs(15))));
        assert_eq!(after_failure(&failure, MAX_ATTEMPTS, NOW), Move::GiveUp);
    }
}
