//! How much work is open: what metrics show between two looks at the journal.

use std::collections::BTreeMap;

use crate::journal::lane::LaneKind;
use crate::journal::{Fault, Filter, Journal};
use crate::record::action::ActionRecord;
use crate::record::event::StreamKind;
use crate::respond::write;
use crate::runtime::metrics;

/// How an action stands that this version cannot read.
pub(super) const UNREADABLE: &str = "unreadable";
/// How actions stand that have not ended.
const MOVING: [&str; 4] = ["waiting", "parked", "running", "verifying"];

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
        let mut actions: BTreeMap<&'static str, u64> = MOVING.map(|status| (status, 0)).into();
        let filter = Filter { kind: Some(StreamKind::Action), open_only: true, ..Filter::default() };
        for stream in journal.streams(&filter).await? {
            match write::read::<ActionRecord>(&stream) {
                Ok(stored) => drop(actions.entry(stored.record.status()).and_modify(|count| *count += 1)),
                Err(_) => *actions.entry(UNREADABLE).or_default() += 1,
            }
        }
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
    use crate::cli::testing::{Story, bench, commit};
    use crate::journal::batch::StreamWrite;
    use crate::journal::sqlite::testing::write as nonsense;
    use crate::record::event::StreamKey;

    #[tokio::test]
    async fn what_has_ended_is_no_open_work() {
        let bench = bench();
        let journal = bench.open();
        Story::whole(&journal).await;
        let counts = Counts::of(&journal).await.unwrap();
        assert_eq!(counts.actions, [("parked", 0), ("running", 0), ("verifying", 0), ("waiting", 1)].into());
    }

    #[tokio::test]
    async fn an_action_that_cannot_be_read_is_counted_as_such_and_hides_no_other() {
        let bench = bench();
        let journal = bench.open();
        let story = Story::whole(&journal).await;
        let known = journal.stream(&StreamKey::action(story.asking)).await.unwrap().unwrap();
        let stream = StreamKey { kind: StreamKind::Action, id: "rotten".into() };
        let rotten = StreamWrite { stream, lane: known.lane, ..nonsense("rotten", 0) };
        commit(&journal, rotten).await;
        let counts = Counts::of(&journal).await.unwrap();
        assert_eq!((counts.actions["waiting"], counts.actions["unreadable"]), (1, 1));
    }
}
