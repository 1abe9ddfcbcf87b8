//! Who calls next: the one who has waited longest, after what his urgency makes him stand back. Fair and
//! bounded: somebody who comes later overtakes only within the difference of their patience.

use std::collections::BTreeMap;
use std::fmt;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::Notify;

use crate::connect::urgency::Urgency;

/// A queue before a number of seats. Clones are the same queue.
#[derive(Clone)]
pub(super) struct Queue(Arc<Mutex<Line>>);

struct Line {
    seats: usize,
    taken: usize,
    waiting: BTreeMap<Rank, Arc<Notify>>,
    came: u64,
}

/// Smaller goes first; the number keeps those of one moment in the order in which they came.
type Rank = (Duration, u64);

impl Queue {
    pub(super) fn new(seats: usize) -> Self {
        Self(Arc::new(Mutex::new(Line { seats, taken: 0, waiting: BTreeMap::new(), came: 0 })))
    }

    /// Joins the queue, at a moment on the clock by which rates are counted. Dropping the place leaves it.
    pub(super) fn line_up(&self, urgency: Urgency, now: Duration) -> Place {
        let called = Arc::new(Notify::new());
        let mut line = self.line();
        line.came += 1;
        let rank = (now + urgency.patience(), line.came);
        line.waiting.insert(rank, Arc::clone(&called));
        drop(line);
        Place { queue: self.clone(), rank, called }
    }

    fn line(&self) -> MutexGuard<'_, Line> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the first one that it may be his turn.
    fn call_next(&self) {
        let line = self.line();
        if let Some((_, next)) = line.waiting.first_key_value() {
            next.notify_one();
        }
    }
}

impl fmt::Debug for Queue {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let line = self.line();
        write!(f, "{} of {} taken, {} waiting", line.taken, line.seats, line.waiting.len())
    }
}

/// A place in the queue.
pub(super) struct Place {
    queue: Queue,
    rank: Rank,
    called: Arc<Notify>,
}

/// How somebody in the queue stands.
pub(super) enum Step {
    /// He has a seat.
    Go(Turn),
    /// He is the first, and may ask again after this. Somebody more urgent may step before him meanwhile.
    Rest(Duration),
    /// Others come first, or no seat is free: he is called.
    Wait,
}

impl Place {
    /// Takes a seat if it is his turn. The seats are shared with other replicas: of `among` each has its part, and one at
    /// least. `rate` takes one call out of the rate, or says how long until there is one.
    pub(super) fn step(&self, among: NonZeroU32, rate: impl FnOnce() -> Option<Duration>) -> Step {
        let mut line = self.queue.line();
        let is_first = line.waiting.first_key_value().is_some_and(|(first, _)| *first == self.rank);
        let ours = usize::try_from(among.get()).map_or(1, |among| line.seats / among).max(1);
        if line.taken >= ours || !is_first {
            return Step::Wait;
        }
        if let Some(wait) = rate() {
            return Step::Rest(wait);
        }
        line.taken += 1;
        line.waiting.remove(&self.rank);
        Step::Go(Turn(self.queue.clone()))
    }

    /// Ends when it may be his turn.
    pub(super) async fn called(&self) {
        self.called.notified().await;
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.queue.line().waiting.remove(&self.rank);
        self.queue.call_next();
    }
}

/// A seat. Dropping it frees it for the next.
pub(super) struct Turn(Queue);

impl Drop for Turn {
    fn drop(&mut self) {
        self.0.line().taken -= 1;
        self.0.call_next();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_000);
    const FREE: fn() -> Option<Duration> = || None;

    fn goes(place: &Place) -> Option<Turn> {
        if let Step::Go(turn) = place.step(NonZeroU32::MIN, FREE) { Some(turn) } else { None }
    }

    #[test]
    fn an_effect_steps_before_a_crowd_of_lookups() {
        let queue = Queue::new(1);
        let crowd: Vec<Place> = (0..50).map(|_| queue.line_up(Urgency::Decide, NOW)).collect();
        let effect = queue.line_up(Urgency::Effect, NOW);
        assert!(crowd.iter().all(|place| goes(place).is_none()));
        assert!(goes(&effect).is_some());
    }

    #[test]
    fn nobody_waits_for_ever_behind_more_urgent_ones() {
        let queue = Queue::new(1);
        let poll = queue.line_up(Urgency::Poll, NOW);
        let mut passed = 0;
        loop {
            let effect = queue.line_up(Urgency::Effect, NOW + Duration::from_secs(passed));
            let Some(turn) = goes(&effect) else { break };
            passed += 1;
            drop(turn);
        }
        assert_eq!(passed, 30, "one a second for as long as its patience lasts");
        assert!(goes(&poll).is_some());
    }

    #[test]
    fn those_of_one_urgency_go_in_the_order_in_which_they_came() {
        let queue = Queue::new(2);
        let [first, second, third] = [(); 3].map(|()| queue.line_up(Urgency::Look, NOW));
        assert!(goes(&second).is_none());
        let seats = (goes(&first), goes(&second));
        assert!(seats.0.is_some() && seats.1.is_some() && goes(&third).is_none());
        drop(seats);
        assert!(goes(&third).is_some());
    }

    #[tokio::test]
    async fn whoever_leaves_or_frees_a_seat_calls_the_next() {
        let queue = Queue::new(1);
        let (first, second) = (queue.line_up(Urgency::Look, NOW), queue.line_up(Urgency::Look, NOW));
        drop(first);
        second.called().await;
        let turn = goes(&second).unwrap();
        let third = queue.line_up(Urgency::Look, NOW);
        assert!(goes(&third).is_none());
        drop(turn);
        third.called().await;
        assert!(goes(&third).is_some());
    }

    #[test]
    fn the_head_rests_for_the_rate_and_is_overtaken_meanwhile() {
        let queue = Queue::new(1);
        let lookup = queue.line_up(Urgency::Decide, NOW);
        assert!(matches!(lookup.step(NonZeroU32::MIN, || Some(Duration::from_secs(1))), Step::Rest(_)));
        let effect = queue.line_up(Urgency::Effect, NOW);
        assert!(goes(&lookup).is_none(), "it is no longer the head");
        assert!(goes(&effect).is_some());
    }
}
