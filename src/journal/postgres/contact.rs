//! Whether the database answers, and what people are told when it does not.
//!
//! A daemon whose database is away keeps nothing that it would need it for: nothing is begun without a commit, and every
//! transaction looks at fence, lease and facts anew, so whoever waits out an outage comes back knowing no more than one that
//! has just been started. So it waits, for longer than a database takes to restart or to be replaced by its standby.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use super::clock::DatabaseClock;
use super::fault::Stop;
use super::store::PATIENCE;
use crate::model::time::{At, Clock as _, print_duration};

/// How long a daemon waits for its database before it ends, to be started again: what waiting does not cure a new process may.
pub(super) const ENDURANCE: Duration = Duration::from_secs(600);

/// Without an answer for so long the database counts as away. A sign of life is due every two seconds.
const QUIET: Duration = Duration::from_secs(5);

/// How often that is looked at.
const LOOK: Duration = Duration::from_millis(250);

/// Who has not looked for so long did not run meanwhile, and is taken for dead by the others.
const STOPPED: Duration = Duration::from_secs(6);

/// What is known of the database from here.
pub(super) struct Contact {
    place: String,
    known: Arc<DatabaseClock>,
    endures: Duration,
    ends: AtomicBool,
    heard: Mutex<Heard>,
}

impl Contact {
    /// With the database that is called `place`. `endures` says whether its absence is waited out.
    pub(super) fn new(place: &str, known: Arc<DatabaseClock>, endures: bool) -> Self {
        let endures = if endures { ENDURANCE } else { PATIENCE };
        let heard = Mutex::new(Heard::new(Instant::now()));
        Self { place: place.to_owned(), known, endures, ends: AtomicBool::new(false), heard }
    }

    /// How long trouble of the moment is borne.
    pub(super) fn patience(&self) -> Duration {
        match (self.ends.load(Ordering::SeqCst), self.heard().away) {
            (false, _) => self.endures,
            (true, false) => PATIENCE,
            (true, true) => QUIET,
        }
    }

    /// The process ends: trouble of the moment is still borne, and a database that is away is not waited for.
    pub(super) fn hurry(&self) {
        self.ends.store(true, Ordering::SeqCst);
    }

    /// There was an answer.
    pub(super) fn answered(&self) {
        if let Some(quiet) = self.heard().answered(Instant::now()) {
            tracing::warn!(
                away = print_duration(whole(quiet)),
                "the journal answers again: riposte goes on, and takes up its work anew"
            );
        }
    }

    /// There was none that helps.
    pub(super) fn failed(&self, stop: Stop) {
        let why = stop.cause(&self.place);
        self.heard().why = Some(why);
    }

    /// Since when the journal has not answered, and why, as far as that is known; nothing while it answers.
    pub(super) fn away(&self) -> Option<String> {
        let heard = self.heard();
        let since = heard.away.then(|| self.moment(heard.last))?;
        Some(format!("does not answer since {}, so acting has stopped; {}", since.to_the_second(), self.why(&heard)))
    }

    /// Looks again and again, and tells.
    pub(super) async fn watch(&self) {
        loop {
            let found = self.heard().look(Instant::now());
            match found {
                None => {}
                Some(Found::Stopped(length)) => tracing::warn!(
                    stopped = print_duration(whole(length)),
                    "riposte did not run for so long (frozen, or its machine was): other replicas may have taken over its work; \
                     it goes on with what is its own"
                ),
                Some(Found::Away) => {
                    let heard = self.heard();
                    let (since, why) = (self.moment(heard.last).to_the_second(), self.why(&heard));
                    let ends = print_duration(ENDURANCE);
                    tracing::error!(
                        %since,
                        why,
                        "the journal does not answer: acting has stopped, and goes on by itself once it does; without it riposte ends after {ends}"
                    );
                }
            }
            tokio::time::sleep(LOOK).await;
        }
    }

    fn why(&self, heard: &Heard) -> String {
        heard.why.clone().unwrap_or_else(|| Stop::Silent.cause(&self.place))
    }

    /// When that was, by the database's clock as it is known here.
    fn moment(&self, then: Instant) -> At {
        self.known.now().minus(then.elapsed())
    }

    fn heard(&self) -> MutexGuard<'_, Heard> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn whole(length: Duration) -> Duration {
    Duration::from_secs(length.as_secs())
}

/// What a look found.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    /// There has been no answer for too long.
    Away,
    /// Nobody looked for so long: the process did not run.
    Stopped(Duration),
}

/// When there was what.
struct Heard {
    /// The last answer.
    last: Instant,
    looked: Instant,
    away: bool,
    /// Why there was no answer to what was asked last.
    why: Option<String>,
}

impl Heard {
    fn new(now: Instant) -> Self {
        Self { last: now, looked: now, away: false, why: None }
    }

    /// There is an answer; for how long there was none, if that was told.
    fn answered(&mut self, now: Instant) -> Option<Duration> {
        let quiet = now.saturating_duration_since(self.last);
        let was_away = std::mem::take(&mut self.away);
        (self.last, self.why) = (now, None);
        was_away.then_some(quiet)
    }

    /// What is new, and only once.
    fn look(&mut self, now: Instant) -> Option<Found> {
        let pause = now.saturating_duration_since(std::mem::replace(&mut self.looked, now));
        if pause >= STOPPED {
            // Who does not run hears nothing, and that says nothing about the database.
            if !self.away {
                self.last = now;
            }
            return Some(Found::Stopped(pause));
        }
        let quiet = now.saturating_duration_since(self.last);
        (quiet >= QUIET && !std::mem::replace(&mut self.away, quiet >= QUIET)).then_some(Found::Away)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_ends_bears_a_moment_of_trouble_and_does_not_wait_for_a_database_that_is_away() {
        let contact = Contact::new("the database", Arc::new(DatabaseClock::new()), true);
        assert_eq!((contact.patience(), contact.away()), (ENDURANCE, None));
        contact.hurry();
        assert_eq!(contact.patience(), PATIENCE);
        contact.heard().away = true;
        assert_eq!(contact.patience(), QUIET);
        let said = contact.away().unwrap();
        assert!(said.contains("the database does not answer; look whether it runs"), "{said}");
        contact.answered();
        assert_eq!((contact.patience(), contact.away()), (PATIENCE, None));
    }

    /// Looks at every quarter of a second up to `to`, with an answer at those that are given; what was found when.
    fn looks(heard: &mut Heard, start: Instant, (from, to): (u64, u64), answers: &[u64]) -> Vec<(u64, Found)> {
        let mut found = Vec::new();
        for quarter in from..to {
            let now = start + LOOK * u32::try_from(quarter).unwrap();
            if answers.contains(&quarter) {
                heard.answered(now);
            }
            found.extend(heard.look(now).map(|what| (quarter, what)));
        }
        found
    }

    #[test]
    fn a_database_is_away_after_five_seconds_without_an_answer_and_that_is_found_once() {
        let start = Instant::now();
        let mut heard = Heard::new(start);
        assert_eq!(looks(&mut heard, start, (0, 40), &[8, 16, 35]), []);
        assert_eq!(looks(&mut heard, start, (40, 400), &[]), [(55, Found::Away)]);
        let back = start + LOOK * 415;
        assert_eq!(heard.answered(back), Some(LOOK * 380));
        assert_eq!(heard.answered(back), None);
    }

    #[test]
    fn who_did_not_run_says_so_and_does_not_blame_the_database() {
        let start = Instant::now();
        let mut heard = Heard::new(start);
        assert_eq!(heard.look(start + LOOK), None);
        let woken = start + LOOK * 241;
        assert_eq!(heard.look(woken), Some(Found::Stopped(LOOK * 240)));
        assert_eq!(heard.look(woken + LOOK), None);
        assert_eq!(looks(&mut heard, woken, (2, 40), &[]), [(20, Found::Away)]);
    }
}
