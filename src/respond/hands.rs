//! How many lanes of each kind are worked on at once. Each kind has hands of its own, so a crowd of new
//! alerts does not hold up the accounts that are being contained, and nothing holds up the polls.
//!
//! Whoever works on an account and waits for somebody outside for long lays the hand down and goes on without: it is free
//! for an account that waits for somebody else. How many wait for the same is bounded by [`super::crowd`].

use std::collections::BTreeMap;
use std::sync::Arc;

use tokio::sync::{Notify, OwnedSemaphorePermit, Semaphore};

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

/// So many alerts are decided on while as many accounts are worked on as there are hands for them: what is decided should be done before
/// more is decided, and still nobody waits for ever.
const MEANWHILE: usize = 2;

/// So many accounts at most are worked on without a hand.
const LAID_DOWN: usize = 48;

/// The hands of one driver. Clones are the same ones.
#[derive(Clone)]
pub(super) struct Hands {
    of: Arc<BTreeMap<LaneKind, Arc<Semaphore>>>,
    /// Room for those who have laid theirs down.
    without: Arc<Semaphore>,
    laid_down: Arc<Notify>,
}

/// What is held while a lane is worked on: a hand, or leave to go on without one.
pub(super) struct Hand {
    kind: LaneKind,
    _permit: OwnedSemaphorePermit,
}

impl Hands {
    pub(super) fn new() -> Self {
        let of = LaneKind::ALL.into_iter().map(|kind| (kind, Arc::new(Semaphore::new(most(kind))))).collect();
        Self { of: Arc::new(of), without: Arc::new(Semaphore::new(LAID_DOWN)), laid_down: Arc::default() }
    }

    /// The kinds that have free hands, with how many.
    pub(super) fn room(&self) -> Vec<(LaneKind, u32)> {
        let without = LAID_DOWN - self.without.available_permits();
        let busy = without >= self.free(LaneKind::Account);
        let held_back = if busy { most(LaneKind::Alert) - MEANWHILE } else { 0 };
        let room = |kind: &LaneKind| match kind {
            LaneKind::Alert => self.free(*kind).saturating_sub(held_back),
            LaneKind::Source | LaneKind::Account | LaneKind::Incident | LaneKind::Chore => self.free(*kind),
        };
        let kinds = self.of.keys().map(|kind| (*kind, u32::try_from(room(kind)).unwrap_or(u32::MAX)));
        kinds.filter(|(_, free)| *free > 0).collect()
    }

    fn free(&self, kind: LaneKind) -> usize {
        self.of.get(&kind).map_or(0, |hands| hands.available_permits())
    }

    /// Takes a hand, to be held while the lane is worked on.
    pub(super) fn take(&self, kind: LaneKind) -> Option<Hand> {
        let permit = Arc::clone(self.of.get(&kind)?).try_acquire_owned().ok()?;
        Some(Hand { kind, _permit: permit })
    }

    /// Lays the hand of an account down, if not too many have done so; all others are kept.
    pub(super) fn lay_down(&self, hand: Hand) -> Hand {
        if hand.kind != LaneKind::Account {
            return hand;
        }
        match Arc::clone(&self.without).try_acquire_owned() {
            Ok(permit) => {
                drop(hand);
                self.laid_down.notify_one();
                Hand { kind: LaneKind::Account, _permit: permit }
            }
            Err(_) => hand,
        }
    }

    /// Ends when a hand has been laid down.
    pub(super) async fn laid_down(&self) {
        self.laid_down.notified().await;
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

    #[test]
    fn a_hand_that_was_laid_down_is_free_for_another_account_but_only_so_many_go_on_without() {
        let hands = Hands::new();
        let take = || hands.take(LaneKind::Account);
        let mut working = Vec::new();
        while let Some(hand) = take() {
            working.push(hands.lay_down(hand));
            assert!(working.len() <= 100);
        }
        assert_eq!(working.len(), LAID_DOWN + most(LaneKind::Account));
        drop(working);
        let waits: Vec<_> = (0..16).filter_map(|_| take()).map(|hand| hands.lay_down(hand)).collect();
        let room = hands.room();
        assert!(room.contains(&(LaneKind::Account, 16)) && room.contains(&(LaneKind::Alert, 2)), "{room:?}");
        drop(waits);
        let alert = hands.lay_down(hands.take(LaneKind::Alert).unwrap());
        assert!(hands.room().contains(&(LaneKind::Alert, 7)));
        drop(alert);
    }
}
