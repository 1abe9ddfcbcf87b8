//! How many daemons call the vendors at the same time, for one tenant.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

/// How many replicas work at this moment, this one with them. Clones show the same number.
///
/// The vendors count calls by application or tenant, so each replica keeps to its part of what they allow.
#[derive(Debug, Clone)]
pub struct Replicas {
    count: Arc<AtomicU32>,
    rested: Option<Duration>,
}

impl Replicas {
    /// One that works alone, and nobody did before.
    #[must_use]
    pub fn alone() -> Self {
        Self { count: Arc::new(AtomicU32::new(1)), rested: None }
    }

    /// The same, after nobody called anybody for so long; `None` when nobody ever did.
    #[must_use]
    pub fn after(self, rested: Option<Duration>) -> Self {
        Self { rested, ..self }
    }

    /// For how long nobody had called anybody when this one began. What the vendors count goes on over a restart.
    #[must_use]
    pub const fn rested(&self) -> Option<Duration> {
        self.rested
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> NonZeroU32 {
        NonZeroU32::new(self.count.load(Ordering::Relaxed)).unwrap_or(NonZeroU32::MIN)
    }

    /// Takes note of how many others there are.
    pub fn beside(&self, others: usize) {
        self.count.store(u32::try_from(others).unwrap_or(u32::MAX).saturating_add(1), Ordering::Relaxed);
    }
}
