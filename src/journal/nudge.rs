//! Tells the driver that something was written.

use std::sync::atomic::{AtomicU64, Ordering};

use tokio::sync::watch;

/// Counts writes that can make a lane due. A write that comes between two calls of [`Nudges::next`]
/// is not lost: the later call ends at once. So a caller may look at the lanes, find nothing, and
/// call `next` without registering first.
#[derive(Debug)]
pub(super) struct Nudges {
    count: watch::Sender<u64>,
    seen: AtomicU64,
}

impl Nudges {
    pub(super) fn new() -> Self {
        Self { count: watch::Sender::new(0), seen: AtomicU64::new(0) }
    }

    /// Something was written.
    pub(super) fn add(&self) {
        self.count.send_modify(|count| *count += 1);
    }

    /// Ends when something was written since the last call that ended. Dropping the future before
    /// that changes nothing.
    pub(super) async fn next(&self) {
        let seen = self.seen.load(Ordering::SeqCst);
        let mut count = self.count.subscribe();
        // The sender lives as long as `self`, so waiting cannot fail.
        if let Ok(now) = count.wait_for(|count| *count > seen).await {
            self.seen.fetch_max(*now, Ordering::SeqCst);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    async fn ends(nudges: &Nudges) -> bool {
        tokio::time::timeout(Duration::from_secs(1), nudges.next()).await.is_ok()
    }

    #[tokio::test(start_paused = true)]
    async fn a_nudge_between_two_waits_is_not_lost_and_counts_once() {
        let nudges = Nudges::new();
        assert!(!ends(&nudges).await);
        nudges.add();
        nudges.add();
        assert!(ends(&nudges).await);
        assert!(!ends(&nudges).await);
    }

    #[tokio::test(start_paused = true)]
    async fn a_dropped_wait_takes_no_nudge_with_it() {
        let nudges = Nudges::new();
        drop(nudges.next());
        nudges.add();
        drop(nudges.next());
        assert!(ends(&nudges).await);
    }
}
