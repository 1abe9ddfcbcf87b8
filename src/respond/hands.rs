//! How many lanes of each kind are worked on at once. Each kind has hands of its own, so a crowd of new
//! alerts does not hold up the accounts that are being contained, and nothing holds up the polls.

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use crate::journal::lane::LaneKind;

/// Hands for a kind: enough to keep every API busy within its limits. What is begun has more of them
/// than what could be begun.
#[must_use]
pub const fn most(kind: LaneKind) -> usize {
    match kind {
        LaneKind::Account => 16,
        LaneKind::Alert | LaneKind::Incident => 8,
        // A trigger may take as long as its service lets it; the polls are never behind all of them.
        LaneKind::Source => 32,
        LaneKind::Chore => 1,
    }
}

/// So many alerts are decided on while every hand for accounts is busy: what is decided should be done before
/// more is decided, and still nobody waits for ever.
const MEANWHILE: usize = 2;

/// The hands of one driver.
pub(super) struct Hands(BTreeMap<LaneKind, Arc<Semaphore>>);

impl Hands {
    pub(super) fn new() -> Self {
        Self(LaneKind::ALL.into_iter().map(|kind| (kind, Arc::new(Semaphore::new(most(kind))))).collect())
    }

    /// The kinds that have free hands, with how many.
    pub(super) fn room(&self) -> Vec<(LaneKind, u32)> {
        let held_back = if self.free(LaneKind::Account) == 0 { most(LaneKind::Alert) - MEANWHILE } else { 0 };
        let room = |kind: &LaneKind| match kind {
            LaneKind::Alert => self.free(*kind).saturating_sub(held_back),
            LaneKind::Source | LaneKind::Account | LaneKind::Incident | LaneKind::Chore => self.free(*kind),
        };
        let kinds = self.0.keys().map(|kind| (*kind, u32::try_from(room(kind)).unwrap_or(u32::MAX)));
        kinds.filter(|(_, free)| *free > 0).collect()
    }

    fn free(&self, kind: LaneKind) -> usize {
        self.0.get(&kind).map_or(0, |hands| hands.available_permits())
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

    #[test]
    fn while_all_accounts_hands_are_busy_few_alerts_are_decided_on_but_never_none() {
        let hands = Hands::new();
        let accounts: Vec<_> = std::iter::from_fn(|| hands.take(LaneKind::Account)).collect();
        assert!(hands.room().contains(&(LaneKind::Alert, 2)));
        let alerts = [hands.take(LaneKind::Alert), hands.take(LaneKind::Alert)];
        assert!(!hands.room().iter().any(|(kind, _)| *kind == LaneKind::Alert));
        drop(alerts);
        drop(accounts);
        assert!(hands.room().contains(&(LaneKind::Alert, 8)));
    }
}
