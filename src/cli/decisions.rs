//! How many alerts were decided on, and how many nobody can answer.

use std::collections::BTreeMap;

use serde::Serialize;

use super::report::counted;
use crate::journal::{Among, Fault, Journal};
use crate::model::time::At;
use crate::record::alert::{AlertEvent, AlertPhase, AlertRecord};
use crate::record::event::StreamKind;

/// Alerts that were decided on within a time, or turned out to be unreadable. What else happened to an alert since, such
/// as a comment, does not count.
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
        let planned = journal.labels(StreamKind::Alert, Among::With(AlertEvent::PLANNED, since)).await?;
        let spoilt = journal.labels(StreamKind::Alert, Among::With(AlertEvent::UNREADABLE, since)).await?;
        let count = |of: &BTreeMap<String, u64>, label| of.get(label).copied().unwrap_or(0);
        let withheld = count(&planned, AlertRecord::WITHHELD);
        let decided = count(&planned, AlertPhase::PLANNED) + withheld;
        Ok(Self { decided, withheld, unreadable: count(&spoilt, AlertPhase::UNREADABLE) })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::{Story, bench, seconds};

    #[tokio::test]
    async fn what_happens_to_an_alert_after_it_was_decided_on_is_no_other_decision() {
        let bench = bench();
        let journal = bench.open();
        let story = Story::whole(&journal).await;
        story.spoil(&journal, "no severity").await;
        let before = Decisions::since(&journal, seconds(0)).await.unwrap();
        assert_eq!((before.decided, before.unreadable), (1, 1));
        bench.clock.pass(100);
        story.locate(&journal, 100).await;
        assert_eq!(Decisions::since(&journal, seconds(100)).await.unwrap(), Decisions::default());
        assert_eq!(Decisions::since(&journal, seconds(0)).await.unwrap(), before);
    }
}
