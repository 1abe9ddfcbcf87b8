//! The journal's clock: it never goes back.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use super::super::Fault;
use crate::model::time::{At, Clock, print_duration};

/// A clock set back by more than this stops the journal: leases and limits would mean nothing.
const TOLERATED: Duration = Duration::from_secs(2);

/// A clock that stands still while the one below it is set back.
pub(super) struct SteadyClock {
    clock: Arc<dyn Clock>,
    latest: AtomicI64,
}

impl SteadyClock {
    pub(super) fn new(clock: Arc<dyn Clock>) -> Self {
        let latest = AtomicI64::new(clock.now().ticks());
        Self { clock, latest }
    }

    /// The present moment, never earlier than one that was given before.
    pub(super) fn now(&self) -> At {
        let now = self.clock.now();
        At::from_ticks(self.latest.fetch_max(now.ticks(), Ordering::SeqCst)).max(now)
    }

    /// The same, for writing by it.
    pub(super) fn checked(&self) -> Result<At, Fault> {
        self.reaches(At::from_ticks(self.latest.load(Ordering::SeqCst)))?;
        Ok(self.now())
    }

    /// A fault when the clock below shows a moment well before one that has been already.
    pub(super) fn reaches(&self, been: At) -> Result<(), Fault> {
        let told = self.clock.now();
        let back = been.since(told);
        if back <= TOLERATED {
            return Ok(());
        }
        Err(Fault {
            what: "reading the clock".to_owned(),
            cause: format!(
                "the machine's clock shows {told}, {} before what the journal has seen already ({been}): it went back; \
                 set it right, then start riposte again",
                print_duration(back)
            ),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::testing::ManualClock;
    use super::*;

    #[test]
    fn a_small_step_back_stands_still_and_a_large_one_is_a_fault() {
        let manual = ManualClock::at(1_000);
        let steady = SteadyClock::new(manual.clone());
        manual.set(999);
        assert_eq!(steady.checked().unwrap(), At::from_unix_seconds(1_000));
        manual.set(990);
        assert_eq!(steady.now(), At::from_unix_seconds(1_000));
        assert!(steady.checked().unwrap_err().cause.contains("10s before what the journal has seen"));
        manual.set(1_001);
        assert_eq!(steady.checked().unwrap(), At::from_unix_seconds(1_001));
    }
}
