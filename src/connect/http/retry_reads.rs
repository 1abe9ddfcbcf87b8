//! Reads that failed for a passing reason are tried again, within their deadline. Whatever may change
//! something is never repeated here.

use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::time::Instant;

use crate::model::failure::{Failure, FailureKind, Sent};

const FIRST_DELAY: Duration = Duration::from_millis(250);
const MOST_REPEATS: usize = 3;

/// The tries that a read has left.
pub(super) struct Tries {
    delays: ExponentialBackoff,
    until: Instant,
}

impl Tries {
    /// For a read that must be done by `until`.
    pub(super) fn new(until: Instant) -> Self {
        let delays = ExponentialBuilder::default().with_min_delay(FIRST_DELAY).with_jitter();
        Self { delays: delays.with_max_times(MOST_REPEATS).build(), until }
    }

    /// Waits for the next try; `false` when there is none: the failure is for good, the tries are used
    /// up, or the next would come too late.
    pub(super) async fn another(&mut self, failure: &Failure) -> bool {
        let Some(delay) = self.delays.next().and_then(|delay| pause(failure, delay)) else { return false };
        if Instant::now() + delay >= self.until {
            return false;
        }
        tokio::time::sleep(delay).await;
        true
    }
}

/// How long to wait before another try: the vendor's wish and a little more, or our own delay.
fn pause(failure: &Failure, delay: Duration) -> Option<Duration> {
    match failure.kind {
        FailureKind::Throttled(Some(wish)) => Some(wish + delay / 4),
        // Our own pace had no room before the deadline: trying again cannot help.
        FailureKind::Throttled(None) if failure.sent == Sent::No => None,
        FailureKind::Throttled(None) => Some(delay * 4),
        FailureKind::Unavailable | FailureKind::NoAnswer | FailureKind::Unreachable => Some(delay),
        FailureKind::Conflict
        | FailureKind::Unauthorized
        | FailureKind::Forbidden
        | FailureKind::NotFound
        | FailureKind::Refused
        | FailureKind::Unreadable
        | FailureKind::NotAttempted => None,
    }
}
