//! Reads that failed for a passing reason are tried again, within their deadline. Whatever may change
//! something is never repeated here.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use backon::{BackoffBuilder, ExponentialBackoff, ExponentialBuilder};
use tokio::time::Instant;

use crate::model::failure::{Failure, FailureKind, Sent};

const FIRST_DELAY: Duration = Duration::from_millis(250);
const MOST_REPEATS: usize = 3;

/// So many repeats are allowed at once; it takes ten answers to earn another.
const REPEATS: u32 = 20;
/// What an answer earns, and what a repeat costs.
const EARNS: u32 = 1;
const COSTS: u32 = 10;

/// How many reads of an API may be repeated: about one of ten. An API that fails often is not asked four times as often
/// for it. Clones share it.
#[derive(Debug, Clone)]
pub(super) struct RetryBudget(Arc<AtomicU32>);

impl Default for RetryBudget {
    fn default() -> Self {
        Self(Arc::new(AtomicU32::new(REPEATS * COSTS)))
    }
}

impl RetryBudget {
    /// A call was answered.
    pub(super) fn earn(&self) {
        let more = |has: u32| Some((has + EARNS).min(REPEATS * COSTS));
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, more).unwrap_or_default();
    }

    /// Pays for one repeat, if there is enough.
    fn spend(&self) -> bool {
        self.0.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |has| has.checked_sub(COSTS)).is_ok()
    }
}

/// The tries that a read has left.
pub(super) struct Tries {
    delays: ExponentialBackoff,
    until: Instant,
    budget: RetryBudget,
}

impl Tries {
    /// For a read that must be done by `until`.
    pub(super) fn new(until: Instant, budget: &RetryBudget) -> Self {
        let delays = ExponentialBuilder::default().with_min_delay(FIRST_DELAY).with_jitter();
        Self { delays: delays.with_max_times(MOST_REPEATS).build(), until, budget: budget.clone() }
    }

    /// Waits for the next try; `false` when there is none: the failure is for good, the tries or the API's budget are
    /// used up, or the next would come too late.
    pub(super) async fn another(&mut self, failure: &Failure) -> bool {
        let Some(delay) = self.delays.next().and_then(|delay| pause(failure, delay)) else { return false };
        if Instant::now() + delay >= self.until || !self.budget.spend() {
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_read_of_ten_is_repeated_and_twenty_at_once() {
        let budget = RetryBudget::default();
        let spent = |n: u32| (0..n).filter(|_| budget.spend()).count();
        assert_eq!(spent(100), 20);
        for _ in 0..39 {
            budget.earn();
        }
        assert_eq!(spent(100), 3);
        for _ in 0..10_000 {
            budget.earn();
        }
        assert_eq!(spent(100), 20, "nothing more is saved up");
    }
}
