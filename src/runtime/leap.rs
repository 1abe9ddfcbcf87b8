//! A clock that can be put forward, for the lab and for tests: eight hours pass at once.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::Instant;

use crate::model::time::{At, Clock, Pause};

/// A clock that shows where it began, plus the real time since, plus every leap. Clones show the same time. It follows
/// tokio's time, so that in a test with paused time it stands still until it is put forward.
#[derive(Debug, Clone)]
pub struct LeapClock {
    base: At,
    started: Instant,
    leapt: watch::Sender<Duration>,
}

impl LeapClock {
    /// A clock that shows `base` at this moment.
    #[must_use]
    pub fn starting_at(base: At) -> Self {
        Self { base, started: Instant::now(), leapt: watch::Sender::new(Duration::ZERO) }
    }

    /// Puts the clock forward; sleepers whose moment has come wake up.
    pub fn leap(&self, by: Duration) {
        self.leapt.send_modify(|leapt| *leapt = leapt.saturating_add(by));
    }

    /// Puts the clock forward to `at`; a moment that has passed changes nothing.
    pub fn advance_to(&self, at: At) {
        self.leapt.send_if_modified(|leapt| {
            let missing = at.since(self.shown(*leapt));
            *leapt = leapt.saturating_add(missing);
            !missing.is_zero()
        });
    }

    fn shown(&self, leapt: Duration) -> At {
        self.base.plus(self.started.elapsed().saturating_add(leapt))
    }
}

impl Clock for LeapClock {
    fn now(&self) -> At {
        let leapt = *self.leapt.borrow();
        self.shown(leapt)
    }

    fn sleep_until(&self, at: At) -> Pause {
        let clock = self.clone();
        Box::pin(async move {
            let mut leaps = clock.leapt.subscribe();
            loop {
                // Seen before the look at the clock, so that no leap falls between the two.
                leaps.mark_unchanged();
                let left = at.since(clock.now());
                if left.is_zero() {
                    return;
                }
                tokio::select! {
                    () = tokio::time::sleep(left) => {}
                    _ = leaps.changed() => {}
                }
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MORNING: At = At::from_unix_seconds(1_772_330_400);
    const HOUR: Duration = Duration::from_secs(3_600);

    #[tokio::test(start_paused = true)]
    async fn a_leap_wakes_whose_moment_has_come_and_nobody_else() {
        let clock = LeapClock::starting_at(MORNING);
        let soon = tokio::spawn(clock.sleep_until(MORNING.plus(HOUR)));
        let later = tokio::spawn(clock.sleep_until(MORNING.plus(9 * HOUR)));
        clock.advance_to(MORNING.plus(8 * HOUR));
        soon.await.unwrap();
        assert!(!later.is_finished());
        assert_eq!(clock.now(), MORNING.plus(8 * HOUR));
        clock.leap(HOUR);
        later.await.unwrap();
    }

    #[tokio::test]
    async fn a_sleeper_of_hours_wakes_at_the_leap_and_not_by_waiting() {
        let clock = LeapClock::starting_at(MORNING);
        let sleeper = tokio::spawn(clock.sleep_until(MORNING.plus(8 * HOUR)));
        tokio::task::yield_now().await;
        assert!(!sleeper.is_finished());
        clock.advance_to(MORNING.plus(8 * HOUR));
        tokio::time::timeout(Duration::from_secs(20), sleeper).await.unwrap().unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn real_time_passes_too() {
        let clock = LeapClock::starting_at(MORNING);
        tokio::time::advance(HOUR).await;
        assert_eq!(clock.now(), MORNING.plus(HOUR));
        clock.clone().sleep_until(MORNING.plus(2 * HOUR)).await;
        assert!(clock.now() >= MORNING.plus(2 * HOUR));
    }

    #[tokio::test(start_paused = true)]
    async fn the_clock_never_goes_back() {
        let clock = LeapClock::starting_at(MORNING);
        clock.advance_to(MORNING.minus(HOUR));
        assert_eq!(clock.now(), MORNING);
        clock.sleep_until(MORNING.minus(HOUR)).await;
    }
}
