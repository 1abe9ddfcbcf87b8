//! Lanes that sleep because somebody outside does not answer, so that they are woken when he does.
//!
//! Whoever fails for long tries ever more rarely. That spares who is down, and finds out late that he is not: so one lane a
//! minute tries all the same, and the first answer that anybody gets wakes the others (`connect::http::breaker` says so).
//! Nothing of this is recorded: after a restart lanes come when they meant to.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::journal::lane::LaneKey;
use crate::model::failure::{Failure, Provider};
use crate::model::recovery::Recoveries;
use crate::model::time::At;

/// So often one lane at least tries whether a provider answers again. Not sooner are all woken once more: it may answer
/// others and never them.
pub(super) const PROBE: Duration = Duration::from_secs(60);
/// Lanes are woken one after the other, so far apart,
const APART: Duration = Duration::from_millis(100);
/// but all of them within this. What they call has its own pace.
const WITHIN: Duration = Duration::from_secs(30);

/// Who sleeps, and because of whom. See the module.
#[derive(Debug, Default)]
pub struct Asleep {
    recoveries: Recoveries,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    lanes: BTreeMap<Provider, BTreeSet<LaneKey>>,
    /// Woken, and not worked on since.
    awake: BTreeSet<LaneKey>,
    /// Which lane tries next, and when.
    probes: BTreeMap<Provider, (LaneKey, At)>,
    /// When they were woken last.
    woken: BTreeMap<Provider, At>,
}

impl Asleep {
    /// Nobody sleeps yet; who answers again is said here.
    #[must_use]
    pub fn new(recoveries: Recoveries) -> Self {
        Self { recoveries, state: Mutex::default() }
    }

    /// Who answers again.
    pub(super) const fn recoveries(&self) -> &Recoveries {
        &self.recoveries
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A lane sleeps after a failure, until a moment at the latest. Gives until when it does: sooner where nobody else tries
    /// before that whether the provider answers again.
    pub(super) fn sleeps(&self, lane: &LaneKey, failure: &Failure, until: At, now: At) -> At {
        if !failure.is_down() {
            return until;
        }
        let mut state = self.state();
        state.awake.remove(lane);
        state.lanes.entry(failure.provider).or_default().insert(lane.clone());
        let next = until.min(now.plus(PROBE));
        match state.probes.get(&failure.provider) {
            Some((tries, at)) if *at > now && *at <= now.plus(PROBE) => {
                if tries == lane {
                    until.min(*at)
                } else {
                    until
                }
            }
            Some(_) | None => {
                state.probes.insert(failure.provider, (lane.clone(), next));
                next
            }
        }
    }

    /// Whether the lane was woken because somebody answers again. That stands until [`Self::is_up`].
    pub(super) fn is_awake(&self, lane: &LaneKey) -> bool {
        self.state().awake.contains(lane)
    }

    /// The lane has done what it was woken for.
    pub(super) fn is_up(&self, lane: &LaneKey) {
        self.state().awake.remove(lane);
    }

    /// Nothing of the lane waits for anybody who does not answer.
    pub(super) fn sleeps_no_more(&self, lane: &LaneKey) {
        self.state().lanes.retain(|_, lanes| {
            lanes.remove(lane);
            !lanes.is_empty()
        });
    }

    /// Wakes those who sleep because of these, with when.
    pub(super) fn wake(&self, providers: &BTreeSet<Provider>, now: At) -> Vec<(LaneKey, At)> {
        let mut state = self.state();
        let mut from = now;
        let mut lanes = BTreeSet::new();
        for provider in providers {
            state.probes.remove(provider);
            let Some(asleep) = state.lanes.remove(provider) else { continue };
            lanes.extend(asleep);
            let again = state.woken.get(provider).map(|woken| woken.plus(PROBE));
            from = from.max(again.unwrap_or(now).min(now.plus(PROBE)));
            state.woken.insert(*provider, from);
        }
        state.awake.extend(lanes.iter().cloned());
        let count = u32::try_from(lanes.len()).unwrap_or(u32::MAX).max(1);
        let apart = APART.min(WITHIN / count);
        (0..).zip(lanes).map(|(n, lane)| (lane, from.plus(apart * n))).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::journal::lane::LaneKind;
    use crate::model::failure::{FailureKind, Sent};

    fn lane(n: i64) -> LaneKey {
        LaneKey { kind: LaneKind::Account, key: n.to_string() }
    }

    fn at(second: i64) -> At {
        At::from_unix_seconds(second)
    }

    fn down(provider: Provider) -> Failure {
        let (operation, hint) = ("GET users".to_owned(), String::new());
        Failure { provider, operation, kind: FailureKind::Unreachable, sent: Sent::No, vendor: None, hint }
    }

    #[test]
    fn one_lane_a_minute_tries_and_all_others_sleep_as_long_as_they_meant_to() {
        let asleep = Asleep::default();
        let sleeps = |n, until, now| asleep.sleeps(&lane(n), &down(Provider::Okta), at(until), at(now));
        assert_eq!(sleeps(1, 400, 0), at(60));
        assert_eq!((sleeps(2, 400, 1), sleeps(3, 30, 2)), (at(400), at(30)));
        assert_eq!(asleep.sleeps(&lane(4), &down(Provider::Entra), at(400), at(3)), at(63));
        assert_eq!(sleeps(1, 500, 3), at(60), "it tries still");
        assert_eq!((sleeps(2, 800, 60), sleeps(1, 900, 61)), (at(120), at(900)));
        let refused = Failure { kind: FailureKind::Forbidden, ..down(Provider::Sentinel) };
        assert_eq!(asleep.sleeps(&lane(5), &refused, at(400), at(0)), at(400), "that is an answer");
    }

    #[test]
    fn who_answers_again_wakes_those_who_sleep_because_of_him_each_once_and_one_after_the_other() {
        let asleep = Asleep::default();
        for n in 0..3 {
            asleep.sleeps(&lane(n), &down(Provider::Okta), at(400), at(0));
        }
        asleep.sleeps(&lane(9), &down(Provider::Entra), at(400), at(0));
        let okta = BTreeSet::from([Provider::Okta]);
        let woken = asleep.wake(&okta, at(10));
        let tenth = |n: u64| at(10).plus(Duration::from_millis(100 * n));
        assert_eq!(woken, [(lane(0), tenth(0)), (lane(1), tenth(1)), (lane(2), tenth(2))]);
        assert_eq!([0, 1, 2, 9].map(|n| asleep.is_awake(&lane(n))), [true, true, true, false]);
        asleep.is_up(&lane(0));
        assert!(!asleep.is_awake(&lane(0)));
        assert!(asleep.wake(&okta, at(11)).is_empty());
        for n in 0..3_000 {
            asleep.sleeps(&lane(n), &down(Provider::Okta), at(400), at(0));
        }
        let all = asleep.wake(&okta, at(20));
        assert_eq!(all[0].1, at(70), "he may answer others and never them");
        let last = all[2_999].1;
        assert!(last > at(99) && last < at(100), "{last}");
    }
}
