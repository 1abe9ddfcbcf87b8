//! How often and how many at once: each vendor's documented rate, taken before a call is sent.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use crate::model::time::Clock;

/// The pace of one outside API. Clones share it: calls with one credential draw from one pace.
#[derive(Clone)]
pub struct Pace {
    at_once: Arc<Semaphore>,
    rate: Option<Arc<Rate>>,
}

type Rate = RateLimiter<NotKeyed, InMemoryState, Beat, NoOpMiddleware<Nanos>>;

/// The time by which rates are counted: the daemon's own, so that it leaps where that leaps.
#[derive(Clone)]
struct Beat(Arc<dyn Clock>);

impl governor::clock::Clock for Beat {
    type Instant = Nanos;

    fn now(&self) -> Nanos {
        self.0.elapsed().into()
    }
}

impl Pace {
    /// At most `at_once` calls in flight, and of those started at most `burst` together and one each
    /// `every` after that, by the time of `clock`.
    #[must_use]
    pub fn new(clock: &Arc<dyn Clock>, at_once: usize, burst: u32, every: Duration) -> Self {
        let burst = NonZeroU32::new(burst).unwrap_or(NonZeroU32::MIN);
        let limiter = |quota: Quota| RateLimiter::direct_with_clock(quota.allow_burst(burst), Beat(Arc::clone(clock)));
        let rate = Quota::with_period(every).map(|quota| Arc::new(limiter(quota)));
        Self { at_once: Arc::new(Semaphore::new(at_once.max(1))), rate }
    }

    /// Log Analytics: 200 queries per 30 s and 5 at once for one identity over all its workspaces.
    #[must_use]
    pub fn log_analytics(clock: &Arc<dyn Clock>) -> Self {
        Self::new(clock, 5, 15, Duration::from_millis(165))
    }

    /// Graph `/security`: 150 requests a minute for one application in one tenant. Forty at once and
    /// 109 more within the minute: an answer to an alert comes in bursts and should not wait.
    #[must_use]
    pub fn graph_security(clock: &Arc<dyn Clock>) -> Self {
        Self::new(clock, 8, 40, Duration::from_millis(550))
    }

    /// Graph identity protection: one request a second for the whole tenant, without `Retry-After`.
    #[must_use]
    pub fn identity_protection(clock: &Arc<dyn Clock>) -> Self {
        Self::new(clock, 1, 1, Duration::from_millis(1_050))
    }

    /// Graph users and groups: thousands of resource units per 10 s; we stay far below.
    #[must_use]
    pub fn graph_directory(clock: &Arc<dyn Clock>) -> Self {
        Self::new(clock, 16, 50, Duration::from_millis(20))
    }

    /// Azure Resource Manager: 1,200 writes and 12,000 reads an hour in the older limits.
    #[must_use]
    pub fn resource_manager(clock: &Arc<dyn Clock>) -> Self {
        Self::new(clock, 6, 60, Duration::from_millis(350))
    }

    /// Okta: the limits depend on the plan; its headers say when they are reached.
    #[must_use]
    pub fn okta(clock: &Arc<dyn Clock>) -> Self {
        Self::new(clock, 8, 20, Duration::from_millis(120))
    }

    /// No limit but calls in flight, for measuring.
    #[must_use]
    pub fn unlimited(at_once: usize) -> Self {
        Self { at_once: Arc::new(Semaphore::new(at_once.max(1))), rate: None }
    }

    /// Waits for the turn of one call; `None` when it would come after `until`. The permit is held
    /// while the call is in flight.
    pub(super) async fn turn(&self, until: Instant) -> Option<OwnedSemaphorePermit> {
        let permit = tokio::time::timeout_at(until, Arc::clone(&self.at_once).acquire_owned()).await.ok()?.ok()?;
        self.beat(until).await.then_some(permit)
    }

    /// Waits until the rate allows one more call; `false` when that would be after `until`.
    pub(super) async fn beat(&self, until: Instant) -> bool {
        let Some(rate) = &self.rate else { return Instant::now() < until };
        while let Err(not_until) = rate.check() {
            let due = Instant::now() + not_until.wait_time_from(governor::clock::Clock::now(rate.clock()));
            if due >= until {
                return false;
            }
            tokio::time::sleep_until(due).await;
        }
        Instant::now() < until
    }
}

impl fmt::Debug for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pace({} free)", self.at_once.available_permits())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::time::SystemClock;

    #[tokio::test]
    async fn a_turn_that_would_come_too_late_is_not_waited_for() {
        let pace = Pace::new(&(Arc::new(SystemClock) as Arc<dyn Clock>), 1, 1, Duration::from_secs(3_600));
        let soon = Instant::now() + Duration::from_secs(5);
        drop(pace.turn(soon).await.unwrap());
        let before = Instant::now();
        assert!(pace.turn(soon).await.is_none());
        assert!(before.elapsed() < Duration::from_secs(2), "it gave up at once");
    }

    #[tokio::test]
    async fn calls_in_flight_are_limited_over_all_clones() {
        let pace = Pace::unlimited(1);
        let held = pace.turn(Instant::now() + Duration::from_secs(5)).await.unwrap();
        assert!(pace.clone().turn(Instant::now() + Duration::from_millis(20)).await.is_none());
        drop(held);
        assert!(pace.turn(Instant::now() + Duration::from_secs(5)).await.is_some());
    }
}
