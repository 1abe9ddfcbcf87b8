//! How often and how many at once: each vendor's documented rate, taken before a call is sent. Calls
//! that have to wait go in the order of their urgency.

use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use governor::middleware::NoOpMiddleware;
use governor::nanos::Nanos;
use governor::state::{InMemoryState, NotKeyed};
use governor::{Quota, RateLimiter};
use tokio::time::{Instant, timeout_at};

use super::queue::{Queue, Step, Turn};
use crate::connect::urgency::Urgency;
use crate::model::replicas::Replicas;
use crate::model::time::Clock;

/// The pace of one outside API. Clones share it: calls with one credential draw from one pace.
#[derive(Clone)]
pub struct Pace {
    clock: Arc<dyn Clock>,
    queue: Queue,
    rate: Option<Arc<Mutex<Rate>>>,
    among: Replicas,
}

/// What is allowed in all, and what of it is left for this replica.
struct Rate {
    burst: NonZeroU32,
    every: Duration,
    among: NonZeroU32,
    part: Limiter,
}

type Limiter = RateLimiter<NotKeyed, InMemoryState, Beat, NoOpMiddleware<Nanos>>;

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
        let one = NonZeroU32::MIN;
        let rate =
            limiter(clock, burst, every).map(|part| Arc::new(Mutex::new(Rate { burst, every, among: one, part })));
        Self { clock: Arc::clone(clock), queue: Queue::new(at_once), rate, among: Replicas::alone() }
    }

    /// This pace, divided evenly among the replicas, of which only so much is there for a burst as has been saved up since
    /// somebody called.
    #[must_use]
    pub fn shared(mut self, among: &Replicas) -> Self {
        self.among = among.clone();
        if let (Some(rate), Some(rested)) = (&self.rate, among.rested()) {
            rate.lock().unwrap_or_else(PoisonError::into_inner).keep_saved_in(rested);
        }
        self
    }

    /// By what it counts.
    pub(super) const fn clock(&self) -> &Arc<dyn Clock> {
        &self.clock
    }

    /// Log Analytics: 200 queries per 30 s and 5 at once for one identity over all its workspaces.
    #[must_use]
    pub fn log_analytics(clock: &Arc<dyn Clock>) -> Self {
        Self::new(clock, 5, 15, Duration::from_millis(165))
    }

    /// Graph `/security`: 150 requests a minute for one application in one tenant. Forty at once and
    /// 109 more within the minute: an answer to an alert comes in bursts and should not wait. Documented
    /// for alerts; nothing is documented for identities, so they count as well.
    #[must_use]
    pub fn graph_security(clock: &Arc<dyn Clock>) -> Self {
        Self::new(clock, 8, 40, Duration::from_millis(550))
    }

    /// Advanced hunting: 45 calls a minute for the whole tenant, whoever makes them. Ten at once and 34
    /// more within the minute.
    #[must_use]
    pub fn graph_hunting(clock: &Arc<dyn Clock>) -> Self {
        Self::new(clock, 4, 10, Duration::from_millis(1_750))
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

    /// Reads of Azure Resource Manager: 12,000 an hour in the older limits.
    #[must_use]
    pub fn resource_manager_reads(clock: &Arc<dyn Clock>) -> Self {
        Self::new(clock, 6, 60, Duration::from_millis(350))
    }

    /// Writes to Azure Resource Manager: 1,200 an hour in the older limits. 240 at once and 960 more
    /// within the hour.
    #[must_use]
    pub fn resource_manager_writes(clock: &Arc<dyn Clock>) -> Self {
        Self::new(clock, 6, 240, Duration::from_millis(3_750))
    }

    /// Okta: the limits depend on the plan; its headers say when they are reached.
    #[must_use]
    pub fn okta(clock: &Arc<dyn Clock>) -> Self {
        Self::new(clock, 8, 20, Duration::from_millis(120))
    }

    /// No limit but calls in flight, for measuring.
    #[must_use]
    pub fn unlimited(clock: &Arc<dyn Clock>, at_once: usize) -> Self {
        Self::new(clock, at_once, 1, Duration::ZERO)
    }

    /// Waits for the turn of one call; `None` when it would come after `until`. The turn is held while
    /// the call is in flight.
    pub(super) async fn turn(&self, urgency: Urgency, until: Instant) -> Option<Turn> {
        let place = self.queue.line_up(urgency, self.clock.elapsed());
        while Instant::now() < until {
            match place.step(self.among.count(), || self.wait()) {
                Step::Go(turn) => return Some(turn),
                Step::Rest(wait) if Instant::now() + wait >= until => return None,
                Step::Rest(wait) => self.rest(wait).await,
                Step::Wait => timeout_at(until, place.called()).await.ok()?,
            }
        }
        None
    }

    /// Waits until the rate allows one more call of somebody who has his turn; `false` when that would be
    /// after `until`.
    pub(super) async fn beat(&self, until: Instant) -> bool {
        while let Some(wait) = self.wait() {
            if Instant::now() + wait >= until {
                return false;
            }
            self.rest(wait).await;
        }
        Instant::now() < until
    }

    /// Sleeps by the time by which the rate is counted.
    async fn rest(&self, wait: Duration) {
        self.clock.sleep_until(self.clock.now().plus(wait)).await;
    }

    /// Takes one call out of the rate, or says how long until there is one.
    fn wait(&self) -> Option<Duration> {
        let mut rate = self.rate.as_ref()?.lock().unwrap_or_else(PoisonError::into_inner);
        rate.divide(&self.clock, self.among.count());
        let not_until = rate.part.check().err()?;
        Some(not_until.wait_time_from(governor::clock::Clock::now(rate.part.clock())))
    }
}

impl Rate {
    /// Goes on with this replica's part among so many. What had been saved up for a burst is gone: another replica may
    /// have used it.
    fn divide(&mut self, clock: &Arc<dyn Clock>, among: NonZeroU32) {
        if among == self.among {
            return;
        }
        let burst = NonZeroU32::new(self.burst.get() / among).unwrap_or(NonZeroU32::MIN);
        if let Some(part) = limiter(clock, burst, self.every * among.get()) {
            while part.check().is_ok() {}
            (self.among, self.part) = (among, part);
        }
    }

    /// Of a full bucket that much stays as one that was empty saves up in that time.
    fn keep_saved_in(&mut self, rested: Duration) {
        let saved = rested.as_nanos() / self.every.as_nanos().max(1);
        let gone = self.burst.get().saturating_sub(u32::try_from(saved).unwrap_or(u32::MAX));
        for _ in 0..gone {
            if self.part.check().is_err() {
                return;
            }
        }
    }
}

/// A bucket of `burst` calls, full, that gets one more each `every`; none where that is nothing.
fn limiter(clock: &Arc<dyn Clock>, burst: NonZeroU32, every: Duration) -> Option<Limiter> {
    let quota = Quota::with_period(every)?.allow_burst(burst);
    Some(RateLimiter::direct_with_clock(quota, Beat(Arc::clone(clock))))
}

impl fmt::Debug for Pace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Pace({:?})", self.queue)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::loopback::{StillClock, clock};

    fn hourly() -> Pace {
        Pace::new(&clock(), 1, 1, Duration::from_secs(3_600))
    }

    fn soon() -> Instant {
        Instant::now() + Duration::from_secs(5)
    }

    #[tokio::test]
    async fn a_turn_that_would_come_too_late_is_not_waited_for() {
        let pace = hourly();
        drop(pace.turn(Urgency::Effect, soon()).await.unwrap());
        let before = Instant::now();
        assert!(pace.turn(Urgency::Effect, soon()).await.is_none());
        assert!(before.elapsed() < Duration::from_secs(2), "it gave up at once");
    }

    #[tokio::test]
    async fn calls_in_flight_are_limited_over_all_clones() {
        let pace = Pace::unlimited(&clock(), 1);
        let held = pace.turn(Urgency::Poll, soon()).await.unwrap();
        assert!(pace.clone().turn(Urgency::Poll, Instant::now() + Duration::from_millis(20)).await.is_none());
        drop(held);
        assert!(pace.turn(Urgency::Poll, soon()).await.is_some());
    }

    #[tokio::test]
    async fn whoever_gives_up_takes_nothing_out_of_the_rate() {
        let pace = hourly();
        let held = pace.turn(Urgency::Decide, soon()).await.unwrap();
        assert!(pace.turn(Urgency::Decide, Instant::now() + Duration::from_millis(20)).await.is_none());
        drop(held);
        assert!(pace.wait().is_some(), "the one call of the hour is gone, and no second one");
    }

    /// How many calls leave at one moment, and how long the next has to wait.
    fn at_a_moment(pace: &Pace) -> (u32, u64) {
        let mut left = 0;
        loop {
            match pace.wait() {
                None => left += 1,
                Some(wait) => return (left, wait.as_secs()),
            }
        }
    }

    #[test]
    fn replicas_share_a_rate_and_what_one_had_saved_up_is_gone_when_another_comes() {
        let clock: Arc<dyn Clock> = Arc::new(StillClock::default());
        let replicas = Replicas::alone();
        let pace = Pace::new(&clock, 8, 40, Duration::from_secs(10)).shared(&replicas);
        assert_eq!(at_a_moment(&pace), (40, 10), "alone it has everything");
        replicas.beside(3);
        assert_eq!(at_a_moment(&pace), (0, 40), "one of four has a quarter, and saved up nothing");
        let crowd = Pace::new(&clock, 8, 1, Duration::from_secs(1)).shared(&replicas);
        assert_eq!(at_a_moment(&crowd), (0, 4));
        replicas.beside(0);
        assert_eq!(at_a_moment(&pace), (0, 10));
    }

    #[test]
    fn a_restart_saves_nothing_up_that_was_not_saved_up_before() {
        let clock: Arc<dyn Clock> = Arc::new(StillClock::default());
        let after = |rested| {
            let among = Replicas::alone().after(rested);
            Pace::new(&clock, 8, 40, Duration::from_secs(10)).shared(&among)
        };
        assert_eq!(at_a_moment(&after(Some(Duration::ZERO))), (0, 10));
        assert_eq!(at_a_moment(&after(Some(Duration::from_secs(35)))), (3, 10));
        assert_eq!(at_a_moment(&after(Some(Duration::from_secs(4_000)))), (40, 10));
        assert_eq!(at_a_moment(&after(None)), (40, 10));
    }

    #[tokio::test]
    async fn replicas_share_the_calls_that_may_be_in_flight_and_each_has_one() {
        let replicas = Replicas::alone();
        let pace = Pace::unlimited(&clock(), 5).shared(&replicas);
        replicas.beside(1);
        let soon = || Instant::now() + Duration::from_millis(20);
        let held = [pace.turn(Urgency::Poll, soon()).await, pace.turn(Urgency::Poll, soon()).await];
        assert!(held.iter().all(Option::is_some) && pace.turn(Urgency::Poll, soon()).await.is_none());
        drop(held);
        replicas.beside(20);
        let held = pace.turn(Urgency::Poll, soon()).await;
        assert!(held.is_some() && pace.turn(Urgency::Poll, soon()).await.is_none());
    }
}
