//! The database's clock, as it is known here between two looks at it.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use crate::model::time::{At, Clock, Pause, print_duration};

/// A database's clock that goes back by more than this stops the journal: leases and limits would mean nothing.
pub(super) const TOLERATED: Duration = Duration::from_secs(2);

/// Told at every transaction; in between, it goes on with the machine's monotonic clock. It never goes back.
pub(super) struct DatabaseClock(Mutex<Known>);

#[derive(Clone, Copy)]
struct Known {
    told: At,
    when: Instant,
}

impl DatabaseClock {
    /// Knows nothing yet: the epoch.
    pub(super) fn new() -> Self {
        Self(Mutex::new(Known { told: At::EPOCH, when: Instant::now() }))
    }

    /// The database has said what time it is; the time to work by, or why it must not be.
    pub(super) fn hear(&self, told: At) -> Result<At, String> {
        let mut known = self.locked();
        // A transaction may be answered after a later one, so only what was told counts, not the time since.
        let back = known.told.since(told);
        if back > TOLERATED {
            return Err(format!(
                "the clock of the database shows {told}, {} before what it has shown already ({}): it went back; set it \
                 right, then start riposte again",
                print_duration(back),
                known.told
            ));
        }
        if told > known.told {
            *known = Known { told, when: Instant::now() };
        }
        Ok(told.max(known.told))
    }

    fn locked(&self) -> MutexGuard<'_, Known> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Clock for DatabaseClock {
    fn now(&self) -> At {
        let Known { told, when } = *self.locked();
        told.plus(when.elapsed())
    }

    fn sleep_until(&self, at: At) -> Pause {
        Box::pin(tokio::time::sleep(at.since(self.now())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_small_step_back_stands_still_and_a_large_one_is_told() {
        let clock = DatabaseClock::new();
        let at = At::from_unix_seconds;
        assert_eq!(clock.hear(at(1_000)).unwrap(), at(1_000));
        assert!(clock.now() >= at(1_000));
        assert_eq!(clock.hear(at(999)).unwrap(), at(1_000));
        assert!(clock.hear(at(990)).unwrap_err().contains("10s before"));
        assert_eq!(clock.hear(at(1_001)).unwrap(), at(1_001));
    }
}
