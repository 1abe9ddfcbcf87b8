//! A breaker before an API: after some calls in a row that brought no answer nobody calls it for a while, so that
//! whoever waits for it gives its place to others. Then one call tries, and the others follow if that is answered.
//!
//! What is refused, throttled or not found has been answered. So has a 500, or a 504 to a question, which is mostly about
//! one request: a question that an API cannot bear must not stop all others.

use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::model::failure::{Failure, FailureKind, Provider, Sent};
use crate::model::recovery::Recoveries;
use crate::model::time::{Clock, print_duration};

/// So many exchanges in a row without an answer that can be used open it.
const STRIKES: u32 = 5;
/// How long it stays open at first; each call that tries in vain doubles it.
const FIRST_REST: Duration = Duration::from_secs(5);
/// The longest that it stays open before another call tries.
const LONGEST_REST: Duration = Duration::from_secs(60);

/// A breaker. Clones are the same one.
#[derive(Clone)]
pub(super) struct Breaker {
    provider: Provider,
    clock: Arc<dyn Clock>,
    recoveries: Recoveries,
    state: Arc<Mutex<State>>,
}

/// How it stands. Moments are what the clock has counted.
#[derive(Debug, Default)]
struct State {
    /// Exchanges in a row that failed.
    strikes: u32,
    /// The rest that was taken last; none while calls pass.
    rest: Option<Rest>,
}

#[derive(Debug, Clone)]
struct Rest {
    length: Duration,
    ends: Duration,
    /// Somebody is trying whether it answers again.
    tried: bool,
    /// What came of the last call.
    kind: FailureKind,
}

/// Why a call does not leave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Shut {
    /// What came of the last call.
    pub(super) kind: FailureKind,
    /// How many failed in a row.
    strikes: u32,
    /// After which time one may try.
    wait: Duration,
}

impl Breaker {
    /// A closed one before an API of this provider, that counts by this clock, and says when calls are answered again.
    pub(super) fn new(provider: Provider, clock: &Arc<dyn Clock>, recoveries: &Recoveries) -> Self {
        Self { provider, clock: Arc::clone(clock), recoveries: recoveries.clone(), state: Arc::default() }
    }

    /// Lets a call pass, or says why it may not leave. While it is open, one call at a time passes after each rest.
    pub(super) fn enter(&self) -> Result<Pass<'_>, Shut> {
        let mut state = self.state();
        if let Some(shut) = state.shut(self.clock.elapsed()) {
            return Err(shut);
        }
        let tries = state.rest.as_mut().map(|rest| rest.tried = true).is_some();
        drop(state);
        Ok(Pass { breaker: self, tries, ended: false })
    }

    /// Why no call may leave at this moment, if none may.
    pub(super) fn shut(&self) -> Option<Shut> {
        self.state().shut(self.clock.elapsed())
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn answered(&self) {
        let mut state = self.state();
        if state.rest.take().is_some() {
            tracing::info!("{} answers again", self.provider);
            self.recoveries.answers_again(self.provider);
        }
        state.strikes = 0;
    }

    fn failed(&self, tried: bool, kind: FailureKind) {
        let now = self.clock.elapsed();
        let mut state = self.state();
        state.strikes = state.strikes.saturating_add(1);
        let length = match &state.rest {
            // Left before it opened: those who come back late say nothing new.
            Some(_) if !tried => return,
            Some(rest) => (rest.length * 2).min(LONGEST_REST),
            None if state.strikes < STRIKES => return,
            None => FIRST_REST,
        };
        state.rest = Some(Rest { length, ends: now + length, tried: false, kind });
        let rest = print_duration(length);
        tracing::warn!("the last {} calls to {} failed; none is made for {rest}", state.strikes, self.provider);
        metrics::counter!("riposte_http_breaks_total", "api" => self.provider.to_string()).increment(1);
    }
}

impl State {
    fn shut(&self, now: Duration) -> Option<Shut> {
        let rest = self.rest.as_ref()?;
        let wait = rest.ends.saturating_sub(now);
        let shut = Shut { kind: rest.kind, strikes: self.strikes, wait };
        (rest.tried || !wait.is_zero()).then_some(shut)
    }
}

impl fmt::Debug for Breaker {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Breaker({:?})", self.state())
    }
}

/// A call that may leave.
#[must_use]
pub(super) struct Pass<'a> {
    breaker: &'a Breaker,
    tries: bool,
    ended: bool,
}

impl Pass<'_> {
    /// Says what came of it. What an API refuses, it has answered.
    pub(super) fn ended<T>(mut self, outcome: &Result<T, Failure>) {
        self.ended = true;
        match outcome {
            Err(failure) if is_strike(failure) => self.breaker.failed(self.tries, failure.kind),
            Err(Failure { sent: Sent::No, .. }) => self.give_back(),
            Ok(_) | Err(_) => self.breaker.answered(),
        }
    }

    /// It did not leave, so it says nothing of the API.
    fn give_back(&self) {
        if self.tries
            && let Some(rest) = &mut self.breaker.state().rest
        {
            rest.tried = false;
        }
    }
}

impl Drop for Pass<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.give_back();
        }
    }
}

impl fmt::Display for Shut {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the last {} calls failed, so riposte does not call it ", self.strikes)?;
        if self.wait.is_zero() {
            f.write_str("until the one that tries is back")
        } else {
            write!(f, "for {}", print_duration(self.wait.max(Duration::from_secs(1))))
        }
    }
}

/// It brought no answer, or that of a gateway before an API that is not there.
fn is_strike(failure: &Failure) -> bool {
    let is_there = failure.kind == FailureKind::Unavailable
        && failure.vendor.as_ref().is_some_and(|words| [500, 504].contains(&words.status));
    failure.is_down() && !is_there
}

#[cfg(test)]
mod tests {
    use futures::FutureExt as _;

    use super::*;
    use crate::connect::loopback::StillClock;
    use crate::model::failure::VendorWords;

    fn failed(kind: FailureKind, sent: Sent) -> Result<(), Failure> {
        let (provider, operation, hint) = (Provider::Okta, "GET users".to_owned(), String::new());
        Err(Failure { provider, operation, kind, sent, vendor: None, hint })
    }

    fn lost() -> Result<(), Failure> {
        failed(FailureKind::NoAnswer, Sent::Maybe)
    }

    /// A breaker that has just opened.
    fn open(clock: &Arc<StillClock>) -> Breaker {
        let breaker = Breaker::new(Provider::Okta, &(Arc::clone(clock) as Arc<dyn Clock>), &Recoveries::default());
        for _ in 0..STRIKES {
            assert_eq!(breaker.shut(), None);
            breaker.enter().unwrap().ended(&lost());
        }
        breaker
    }

    fn wait(breaker: &Breaker) -> Option<u64> {
        breaker.shut().map(|shut| shut.wait.as_secs())
    }

    #[test]
    fn five_calls_in_a_row_without_an_answer_hold_all_back_and_rests_grow_up_to_a_minute() {
        let clock = Arc::new(StillClock::default());
        let breaker = open(&clock);
        let mut rests = Vec::new();
        for _ in 0..6 {
            let rest = wait(&breaker).unwrap();
            rests.push(rest);
            assert!(breaker.enter().is_err());
            clock.forward(rest);
            breaker.enter().unwrap().ended(&lost());
        }
        assert_eq!(rests, [5, 10, 20, 40, 60, 60]);
    }

    #[test]
    fn one_call_tries_and_its_answer_lets_all_pass() {
        let clock = Arc::new(StillClock::default());
        let breaker = open(&clock);
        clock.forward(5);
        let tries = breaker.enter().unwrap();
        assert!(breaker.enter().is_err(), "only one at a time");
        tries.ended(&failed(FailureKind::Forbidden, Sent::Answered));
        let crowd = (breaker.enter().is_ok(), breaker.enter().is_ok());
        assert_eq!(crowd, (true, true), "a refusal is an answer");
        breaker.enter().unwrap().ended(&lost());
        assert_eq!(breaker.shut(), None, "it counts from the beginning");
    }

    #[test]
    fn whoever_should_try_and_does_not_leaves_it_to_the_next() {
        let clock = Arc::new(StillClock::default());
        let breaker = open(&clock);
        clock.forward(5);
        drop(breaker.enter().unwrap());
        breaker.enter().unwrap().ended(&failed(FailureKind::NotAttempted, Sent::No));
        assert!(breaker.enter().is_ok());
    }

    #[test]
    fn calls_that_left_before_it_opened_neither_lengthen_nor_shorten_its_rest_but_for_an_answer() {
        let clock = Arc::new(StillClock::default());
        let breaker = Breaker::new(Provider::Okta, &(Arc::clone(&clock) as Arc<dyn Clock>), &Recoveries::default());
        let [late, later] = [(); 2].map(|()| breaker.enter().unwrap());
        for _ in 0..STRIKES {
            breaker.enter().unwrap().ended(&lost());
        }
        late.ended(&lost());
        assert_eq!(wait(&breaker), Some(5));
        later.ended(&Ok::<(), Failure>(()));
        assert_eq!(wait(&breaker), None);
    }

    #[test]
    fn a_question_that_an_api_cannot_bear_does_not_stop_the_others() {
        let clock: Arc<dyn Clock> = Arc::new(StillClock::default());
        let breaker = Breaker::new(Provider::Okta, &clock, &Recoveries::default());
        let answered = |status| {
            let mut failure = failed(FailureKind::Unavailable, Sent::Answered).unwrap_err();
            failure.vendor = Some(VendorWords::new(status, "error", "", None));
            Err::<(), Failure>(failure)
        };
        for _ in 0..20 {
            breaker.enter().unwrap().ended(&answered(500));
        }
        assert_eq!(breaker.shut(), None);
        for _ in 0..STRIKES {
            breaker.enter().unwrap().ended(&answered(503));
        }
        assert!(breaker.shut().is_some());
    }
    #[test]
    fn the_first_answer_after_a_rest_is_said_once_and_one_after_a_question_that_failed_is_not() {
        let clock = Arc::new(StillClock::default());
        let breaker = open(&clock);
        let said = || breaker.recoveries.next().now_or_never();
        assert_eq!(said(), None);
        clock.forward(5);
        breaker.enter().unwrap().ended(&failed(FailureKind::Forbidden, Sent::Answered));
        assert_eq!(said().map(Vec::from_iter), Some(vec![Provider::Okta]));
        breaker.enter().unwrap().ended(&lost());
        breaker.enter().unwrap().ended(&Ok::<(), Failure>(()));
        assert_eq!(said(), None);
    }
}
