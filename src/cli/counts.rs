//! How much work is open: what metrics show between two looks at the journal.

use std::collections::BTreeMap;

use crate::journal::lane::LaneKind;
use crate::journal::{Among, Fault, Journal};
use crate::record::action::ActionRecord;
use crate::record::event::StreamKind;
use crate::runtime::metrics;

/// What is open.
#[derive(Debug)]
pub(super) struct Counts {
    due: BTreeMap<LaneKind, u64>,
    actions: BTreeMap<&'static str, u64>,
}

impl Counts {
    /// Counts it.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub(super) async fn of(journal: &dyn Journal) -> Result<Self, Fault> {
        let due = journal.lanes().await?.due;
        let open = journal.labels(StreamKind::Action, Among::Open).await?;
        let actions = ActionRecord::MOVING.map(|status| (status, open.get(status).copied().unwrap_or(0))).into();
        Ok(Self { due, actions })
    }

    /// Tells the metrics.
    pub(super) fn tell(&self) {
        for kind in LaneKind::ALL {
            metrics::backlog(kind.word(), self.due.get(&kind).copied().unwrap_or(0));
        }
        for (status, count) in &self.actions {
            metrics::waiting(status, *count);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::{Story, bench};

    #[tokio::test]
    async fn what_has_ended_is_no_open_work() {
        let bench = bench();
        let journal = bench.open();
        Story::whole(&journal).await;
        let counts = Counts::of(&journal).await.unwrap();
        assert_eq!(counts.actions, [("parked", 0), ("running", 0), ("verifying", 0), ("waiting", 1)].into());
    }
}
