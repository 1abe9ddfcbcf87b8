//! How many daemons call the vendors at the same time, for one tenant.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

/// How many replicas work at this moment, this one with them. Clones show the same number.
///
/// The vendors count calls by application or tenant, so each replica keeps to its part of what they allow.
#[derive(Debug, Clone)]
pub struct Replicas(Arc<AtomicU32>);

impl Replicas {
    /// One that works alone.
    #[must_use]
    pub fn alone() -> Self {
        Self(Arc::new(AtomicU32::new(1)))
    }

    /// How many there are.
    #[must_use]
    pub fn count(&self) -> NonZeroU32 {
        NonZeroU32::new(self.0.load(Ordering::Relaxed)).unwrap_or(NonZeroU32::MIN)
    }

    /// Takes note of how many others there are.
    pub fn beside(&self, others: usize) {
        self.0.store(u32::try_from(others).unwrap_or(u32::MAX).saturating_add(1), Ordering::Relaxed);
    }
}
