//! What a run that ends knows of its sources: which have been read, and which it gives up.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::pass::Polled;

/// A source that does not answer so often in a row is given up by a run that ends.
const MOST_FAILED_POLLS: u32 = 3;
/// After this a run that ends asks such a source again, the next time after twice as long: 2 s, then 4 s.
const ASK_AGAIN: Duration = Duration::from_secs(2);

/// What of the sources a run that ends has not read.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Unread {
    /// Those that could not be read.
    pub failed: Vec<String>,
    /// Queries of our own that were answered in part only, or found more than counts.
    pub in_part: Vec<String>,
    /// Shipped triggers that cannot run here.
    pub absent: Vec<String>,
}

/// How a poll ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Ended {
    /// It was answered.
    Answered,
    /// It was answered, and not all of it came or counts.
    InPart,
    /// Nothing was asked: it is tried again in a moment.
    PutOff,
    /// It cannot be answered here, and nobody depends on it.
    Absent,
    /// It was not answered.
    Failed {
        /// How long the source wants to be left alone.
        wish: Option<Duration>,
        /// It will not answer before somebody mends something.
        lasting: bool,
    },
}

/// How the sources have been read so far.
#[derive(Default)]
pub(super) struct Polls {
    read: BTreeSet<String>,
    in_part: BTreeSet<String>,
    absent: BTreeSet<String>,
    failed: BTreeMap<String, u32>,
}

impl Polls {
    /// Remembers a poll. Gives the source to be asked again although it did not answer, and after how long.
    pub(super) fn note(&mut self, polled: Option<Polled>) -> Option<(String, Duration)> {
        let Polled { source, caught_up, ended } = polled?;
        let Ended::Failed { wish, lasting } = ended else {
            self.answered(source, ended, caught_up);
            return None;
        };
        let failed = self.failed.entry(source.clone()).or_default();
        *failed += if lasting { MOST_FAILED_POLLS } else { 1 };
        let pause = ASK_AGAIN * 2_u32.saturating_pow(failed.saturating_sub(1));
        (*failed < MOST_FAILED_POLLS).then(|| (source, pause.max(wish.unwrap_or_default())))
    }

    /// A source that was polled a moment ago and is not polled again by this run.
    pub(super) fn rests(&mut self, source: String, ended: Ended) {
        if matches!(ended, Ended::Failed { .. }) {
            self.give_up(source);
        } else {
            self.answered(source, ended, true);
        }
    }

    /// A source that is not asked again in this run.
    pub(super) fn give_up(&mut self, source: String) {
        self.failed.insert(source, MOST_FAILED_POLLS);
    }

    fn answered(&mut self, source: String, ended: Ended, caught_up: bool) {
        if ended == Ended::PutOff {
            return;
        }
        self.failed.remove(&source);
        self.in_part.remove(&source);
        match ended {
            Ended::InPart => drop(self.in_part.insert(source.clone())),
            Ended::Absent => drop(self.absent.insert(source.clone())),
            Ended::Answered | Ended::PutOff | Ended::Failed { .. } => {}
        }
        self.read.extend(caught_up.then_some(source));
    }

    /// Whether a source has been read to its end, or is given up.
    pub(super) fn is_over(&self, source: &str) -> bool {
        self.read.contains(source) || self.failed.get(source).is_some_and(|times| *times >= MOST_FAILED_POLLS)
    }

    pub(super) fn unread(self) -> Unread {
        let Self { read, in_part, absent, failed } = self;
        Unread {
            failed: failed.into_keys().filter(|source| !read.contains(source)).collect(),
            in_part: in_part.into_iter().collect(),
            absent: absent.into_iter().collect(),
        }
    }
}
