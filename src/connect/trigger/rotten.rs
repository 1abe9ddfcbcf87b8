//! Rows that cannot be read, told as one.

use crate::model::alert::{SourceKey, UnreadableItem};
use crate::model::time::{At, TICKS_PER_SECOND};

/// The rows of a run that cannot be read.
#[derive(Default)]
pub(super) struct Rotten {
    pub(super) rows: usize,
    /// What is wrong with the first.
    why: String,
}

impl Rotten {
    pub(super) fn add(&mut self, why: String) {
        if self.rows == 0 {
            self.why = why;
        }
        self.rows += 1;
    }

    /// One item for all of them. Whoever writes rows could make each differ from the last: a query that gives such
    /// rows is recorded once a day.
    pub(super) fn item(self, source: SourceKey, ran: At) -> Option<UnreadableItem> {
        let day = ran.ticks().div_euclid(86_400 * TICKS_PER_SECOND);
        let why = match self.rows {
            0 => return None,
            1 => self.why,
            rows => format!("{rows} rows of one run cannot be read; of the first, {}", self.why),
        };
        Some(UnreadableItem { id: format!("{source}:rows of day {day}"), source, visible: ran, why })
    }
}
