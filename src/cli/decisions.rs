//! How many alerts were decided on, and how many nobody can answer.

use serde::Serialize;

use super::report::counted;
use crate::journal::{Among, Fault, Journal};
use crate::model::time::At;
use crate::record::alert::{AlertPhase, AlertRecord};
use crate::record::event::StreamKind;

/// Alerts that moved within a time.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) struct Decisions {
    /// Decided on, also where that meant doing nothing.
    pub(super) decided: u64,
    /// Of these, those of which nobody was to be acted on, whoever it is.
    pub(super) withheld: u64,
    /// What cannot be read.
    pub(super) unreadable: u64,
}

impl Decisions {
    /// Counts them.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub(super) async fn since(journal: &dyn Journal, since: At) -> Result<Self, Fault> {
        let alerts = journal.labels(StreamKind::Alert, Among::ChangedSince(since)).await?;
        let count = |label| alerts.get(label).copied().unwrap_or(0);
        let withheld = count(AlertRecord::WITHHELD);
        let decided = count(AlertPhase::PLANNED) + withheld;
        Ok(Self { decided, withheld, unreadable: count(AlertPhase::UNREADABLE) })
    }

    /// For people.
    pub(super) fn words(self) -> String {
        let alerts = |count: u64| counted(usize::try_from(count).unwrap_or(usize::MAX), "alert");
        let mut words = format!("{} decided on", alerts(self.decided));
        if self.withheld > 0 {
            words.push_str(&format!(", {} of them withheld whole", self.withheld));
        }
        if self.unreadable > 0 {
            words.push_str(&format!("; {} that cannot be read", alerts(self.unreadable)));
        }
        words
    }
}
