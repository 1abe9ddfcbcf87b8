//! Where accounts wait for somebody outside, so that one API that is slow or strictly paced does not keep all hands.
//!
//! A pass that waits for an API for long lays its hand down (see [`super::hands`]). Where so many wait like that for one
//! API, nobody else begins what needs it: what it would wait for there, it waits for in its lane, and is woken in its turn
//! when one of those comes back. Nothing of this is recorded: a lane that is never woken comes back by itself.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::connect::port::Urgency;
use crate::journal::lane::LaneKey;
use crate::model::failure::Provider;
use crate::model::intent::Verb;
use crate::model::offer::Route;
use crate::model::time::{At, Clock};

/// Whoever waits for an API for longer than this waits for long.
pub(super) const LONG: Duration = Duration::from_secs(3);
/// So many may wait for one for long. At one call a second, which is the strictest pace of all, a pass of two calls that
/// comes behind them is through before what it has read first is too old to act on.
pub(super) const MOST: usize = 8;
/// A lane that is never woken comes back after this, and one second more for each before it,
const BY_ITSELF: Duration = Duration::from_secs(30);
/// but after this at the latest.
const AT_THE_LATEST: Duration = Duration::from_secs(600);

/// What is waited for. A vendor's limits differ from one thing that it does to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Place {
    /// A thing done by a route, and the looks at it.
    Route(Route, Verb),
    /// What a directory knows of somebody.
    Directory(Provider),
}

/// Who waits where. See the module.
#[derive(Debug, Default)]
pub struct Crowds(Mutex<State>);

#[derive(Debug, Default)]
struct State {
    /// How many wait at a place for long.
    long: BTreeMap<Place, usize>,
    line: BTreeMap<LaneKey, Waiting>,
}

/// A lane that waits until a place is less crowded.
#[derive(Debug)]
struct Waiting {
    at: Place,
    /// When it counts as due: the earlier, the sooner it is called.
    rank: At,
    /// Since when it stands here.
    since: At,
    /// When it was called.
    called: Option<At>,
}

impl Crowds {
    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does what is done at a place. Only what is done in the lanes of accounts counts.
    pub(super) async fn during<T>(&self, place: Place, clock: &dyn Clock, work: impl Future<Output = T>) -> T {
        if Urgency::here() > Urgency::Look {
            return work.await;
        }
        futures::pin_mut!(work);
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = clock.sleep_until(clock.now().plus(LONG)) => {}
        }
        let _long = self.waits(place);
        work.await
    }

    fn waits(&self, place: Place) -> Long<'_> {
        *self.state().long.entry(place).or_default() += 1;
        Long { crowds: self, place }
    }

    /// The lane is worked on, so it stands in no line any more; its rank, where it did.
    pub(super) fn arrives(&self, lane: &LaneKey) -> Option<At> {
        self.state().line.remove(lane).map(|waiting| waiting.rank)
    }

    /// The first of these places that is crowded.
    pub(super) fn crowded(&self, places: impl IntoIterator<Item = Place>) -> Option<Place> {
        let state = self.state();
        places.into_iter().find(|place| state.room(*place) == 0)
    }

    /// Lets a lane wait until a place is less crowded. Gives when it comes back by itself, if it is not called before.
    pub(super) fn stand(&self, lane: &LaneKey, at: Place, rank: At, now: At) -> At {
        let mut state = self.state();
        // A lane with work at several places stands before the one that it was first turned away from.
        state.line.entry(lane.clone()).or_insert(Waiting { at, rank, since: now, called: None });
        let before = u32::try_from(state.line.len()).unwrap_or(u32::MAX);
        now.plus(BY_ITSELF.saturating_add(Duration::from_secs(before.into())).min(AT_THE_LATEST))
    }

    /// How many stand in line.
    #[cfg(test)]
    pub(super) fn standing(&self) -> usize {
        self.state().line.len()
    }

    /// The lanes that may come now, with when they count as due.
    pub(super) fn call(&self, now: At) -> Vec<(LaneKey, At)> {
        let mut state = self.state();
        // Another replica has worked on it since.
        state.line.retain(|_, waiting| now.since(waiting.since) <= AT_THE_LATEST * 2);
        let (called, mut waiting): (Vec<_>, Vec<_>) = state.line.iter().partition(|(_, one)| one.called.is_some());
        waiting.sort_by_key(|(_, waiting)| waiting.rank);
        // Who has been called takes up room before he comes, if he comes.
        let coming = |place: Place| {
            let here = called.iter().filter(|(_, one)| one.at == place);
            here.filter(|(_, one)| one.called.is_some_and(|at| now.since(at) < BY_ITSELF)).count()
        };
        let mut room: BTreeMap<Place, usize> = BTreeMap::new();
        let mut called = Vec::new();
        for (lane, waiting) in waiting {
            let room =
                room.entry(waiting.at).or_insert_with(|| state.room(waiting.at).saturating_sub(coming(waiting.at)));
            if *room > 0 {
                *room -= 1;
                called.push((lane.clone(), waiting.rank));
            }
        }
        for (lane, _) in &called {
            if let Some(waiting) = state.line.get_mut(lane) {
                waiting.called = Some(now);
            }
        }
        called
    }
}

impl State {
    fn room(&self, place: Place) -> usize {
        MOST.saturating_sub(self.long.get(&place).copied().unwrap_or_default())
    }
}

/// Somebody who waits for long.
struct Long<'a> {
    crowds: &'a Crowds,
    place: Place,
}

impl Drop for Long<'_> {
    fn drop(&mut self) {
        if let Some(long) = self.crowds.state().long.get_mut(&self.place) {
            *long -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::lane::LaneKind;

    const OKTA: Place = Place::Directory(Provider::Okta);
    const ENTRA: Place = Place::Directory(Provider::Entra);

    fn lane(name: &str) -> LaneKey {
        LaneKey { kind: LaneKind::Account, key: name.to_owned() }
    }

    fn at(second: i64) -> At {
        At::from_unix_seconds(second)
    }

    fn called(crowds: &Crowds) -> Vec<String> {
        crowds.call(at(20)).into_iter().map(|(lane, _)| lane.key).collect()
    }

    #[test]
    fn where_many_wait_nobody_else_begins_and_elsewhere_everybody_may() {
        let crowds = Crowds::default();
        let mut waits: Vec<_> = (1..MOST).map(|_| crowds.waits(OKTA)).collect();
        assert_eq!(crowds.crowded([ENTRA, OKTA]), None);
        waits.push(crowds.waits(OKTA));
        assert_eq!(crowds.crowded([ENTRA, OKTA]), Some(OKTA));
        assert_eq!(crowds.crowded([ENTRA]), None);
        waits.pop();
        assert_eq!(crowds.crowded([ENTRA, OKTA]), None);
    }

    #[test]
    fn as_many_are_called_as_there_is_room_for_each_once_in_the_order_of_their_rank() {
        let crowds = Crowds::default();
        let mut waits: Vec<_> = (0..MOST).map(|_| crowds.waits(OKTA)).collect();
        for (name, rank) in [("c", 3), ("a", 1), ("b", 2)] {
            crowds.stand(&lane(name), OKTA, at(rank), at(10));
        }
        crowds.stand(&lane("other"), ENTRA, at(9), at(10));
        assert_eq!(called(&crowds), ["other"]);
        waits.pop();
        assert_eq!(called(&crowds), ["a"]);
        assert_eq!(called(&crowds), Vec::<String>::new(), "he is coming");
        crowds.arrives(&lane("a"));
        waits.pop();
        assert_eq!(called(&crowds), ["b", "c"]);
        assert_eq!(called(&crowds), Vec::<String>::new());
    }

    #[test]
    fn whoever_is_turned_away_again_keeps_his_rank_and_whoever_got_in_has_none() {
        let crowds = Crowds::default();
        let _waits: Vec<_> = (0..MOST).map(|_| crowds.waits(OKTA)).collect();
        assert_eq!(crowds.stand(&lane("a"), OKTA, at(1), at(10)), at(10 + 31));
        assert_eq!(crowds.arrives(&lane("a")), Some(at(1)));
        assert_eq!(crowds.arrives(&lane("a")), None);
        for n in 0..1_000 {
            crowds.stand(&lane(&n.to_string()), OKTA, at(n), at(10));
        }
        assert_eq!(crowds.stand(&lane("last"), OKTA, at(9), at(10)), at(10 + 600));
    }
}
