//! How many lanes of each kind are worked on at once. Each kind has hands of its own, so a crowd of new
//! alerts does not hold up the accounts that are being contained, and nothing holds up the polls.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::journal::lane::LaneKind;

/// Hands for a kind: enough to keep every API busy within its limits. What is begun has more of them
/// than what could be begun.
const fn most(kind: LaneKind) -> usize {
    match kind {
        LaneKind::Account => 16,
        LaneKind::Alert | LaneKind::Incident => 8,
        LaneKind::Source => 4,
        LaneKind::Chore => 1,
    }
}

/// The hands of one driver.
pub(super) struct Hands(BTreeMap<LaneKind, Arc<Semaphore>>);

impl Hands {
    pub(super) fn new() -> Self {
        Self(LaneKind::ALL.into_iter().map(|kind| (kind, Arc::new(Semaphore::new(most(kind))))).collect())
    }

    /// The kinds that have free hands, with how many.
    pub(super) fn room(&self) -> Vec<(LaneKind, u32)> {
        let free = |hands: &Semaphore| u32::try_from(hands.available_permits()).unwrap_or(u32::MAX);
        self.0.iter().map(|(kind, hands)| (*kind, free(hands))).filter(|(_, free)| *free > 0).collect()
    }

    /// Takes a hand, to be held while the lane is worked on.
    pub(super) fn take(&self, kind: LaneKind) -> Option<OwnedSemaphorePermit> {
        Arc::clone(self.0.get(&kind)?).try_acquire_owned().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_crowd_of_one_kind_leaves_the_hands_of_the_others_free() {
        let hands = Hands::new();
        let alerts: Vec<_> = std::iter::from_fn(|| hands.take(LaneKind::Alert)).collect();
        assert_eq!(alerts.len(), most(LaneKind::Alert));
        let room = hands.room();
        assert!(room.contains(&(LaneKind::Account, 16)) && !room.iter().any(|(kind, _)| *kind == LaneKind::Alert));
        drop(alerts);
        assert_eq!(hands.room().len(), LaneKind::ALL.len());
    }
}
