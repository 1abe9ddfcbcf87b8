//! What a run with `--once` has done and what it leaves, as its last word.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;

use super::exit::Exit;
use super::held::each;
use super::report::{Report, counted};
use crate::journal::lane::LaneKind;
use crate::journal::{Fault, Filter, Journal};
use crate::model::outcome::OutcomeKind;
use crate::model::time::{At, print_duration};
use crate::record::action::ActionRecord;
use crate::record::alert::{AlertPhase, AlertRecord};
use crate::record::event::StreamKind;
use crate::respond::write;

/// The ends that nobody wants.
const BAD: [OutcomeKind; 3] = [OutcomeKind::Failed, OutcomeKind::Contradicted, OutcomeKind::Unverified];

/// One run.
#[derive(Debug, Default, Serialize)]
pub(super) struct Settled {
    /// Alerts that were decided on in this run, also where that meant doing nothing.
    handled: usize,
    /// Actions that moved in this run, by how they stand.
    actions: BTreeMap<&'static str, usize>,
    /// Of these, those that failed, were contradicted by the account, or could not be verified.
    failed: usize,
    /// What still has something to do, now or later: alerts, accounts and incidents.
    open: u64,
    left: Left,
    /// When the next of these is due.
    next_due: Option<At>,
    /// Sources that could not be read, by the names of the settings: their alerts are unknown.
    unread: Vec<String>,
    /// What was done was counted.
    #[serde(skip)]
    counted: bool,
}

#[derive(Debug, Default, Serialize)]
struct Left {
    /// To be decided on.
    alerts: u64,
    /// With actions that wait, are looked at again, or are put back later.
    accounts: u64,
    /// With comments to be written.
    incidents: u64,
    /// Put aside after repeated failures.
    quarantined: u64,
}

impl Settled {
    /// What has happened since the run began, and what is left.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub(super) async fn since(journal: &dyn Journal, began: At, unread: Vec<String>) -> Result<Self, Fault> {
        let mut settled = Self { counted: true, ..Self::left(journal, unread).await? };
        let changed = |kind| Filter { kind: Some(kind), changed_since: Some(began), ..Filter::default() };
        // What cannot be read has its lane in quarantine, and is counted there.
        each(journal, changed(StreamKind::Alert), |stream| {
            let Ok(alert) = write::read::<AlertRecord>(stream) else { return };
            settled.handled += usize::from(matches!(alert.record.phase, AlertPhase::Planned));
        })
        .await?;
        each(journal, changed(StreamKind::Action), |stream| {
            let Ok(action) = write::read::<ActionRecord>(stream) else { return };
            *settled.actions.entry(action.record.status()).or_default() += 1;
            settled.failed += usize::from(action.record.outcome().is_some_and(|outcome| BAD.contains(&outcome.kind)));
        })
        .await?;
        Ok(settled)
    }

    /// What is left, without a look at what was done: a daemon may have done that for months.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub(super) async fn left(journal: &dyn Journal, unread: Vec<String>) -> Result<Self, Fault> {
        let mut settled = Self { unread, ..Self::default() };
        let lanes = journal.lanes().await?;
        let count = |kind| lanes.due.get(&kind).unwrap_or(&0) + lanes.waiting.get(&kind).unwrap_or(&0);
        settled.left = Left {
            alerts: count(LaneKind::Alert),
            accounts: count(LaneKind::Account),
            incidents: count(LaneKind::Incident),
            quarantined: u64::try_from(journal.quarantined().await?.len()).unwrap_or(u64::MAX),
        };
        settled.open = settled.left.alerts + settled.left.accounts + settled.left.incidents;
        settled.next_due = journal.next_due(&[LaneKind::Alert, LaneKind::Account, LaneKind::Incident]).await?;
        Ok(settled)
    }

    /// The run's last word. It is no where something is open, unread or put aside.
    pub(super) fn report(&self, now: At) -> Report {
        let done = self.open == 0 && self.left.quarantined == 0 && self.unread.is_empty();
        let mut report = Report::new(self.text(now), json!(self));
        report.exit = if done { Exit::Done } else { Exit::No };
        report
    }

    fn text(&self, now: At) -> String {
        let mut text = if self.counted { self.done_text() } else { String::new() };
        let kinds = [
            (self.left.alerts, "alert", "may still learn who is meant or be confirmed"),
            (self.left.accounts, "account", "wait for a person, are looked at again or put back later"),
            (self.left.incidents, "incident", "get a comment later"),
            (self.left.quarantined, "lane", "in quarantine after repeated failures"),
        ];
        let open: Vec<String> = kinds
            .into_iter()
            .filter(|(count, ..)| *count > 0)
            .map(|(count, what, why)| {
                format!("  {} ({why})\n", counted(usize::try_from(count).unwrap_or(usize::MAX), what))
            })
            .collect();
        for source in &self.unread {
            text.push_str(&format!("not read: {source}, so its alerts are unknown; `riposte status` says why\n"));
        }
        if open.is_empty() {
            let what =
                if self.unread.is_empty() { "nothing is left to do" } else { "of what was read, nothing is left" };
            text.push_str(&format!("{what}\n"));
            return text;
        }
        let next = self.next_due.map(|at| {
            if at <= now {
                ", the next at once".to_owned()
            } else {
                format!(", the next in {}", print_duration(at.since(now)))
            }
        });
        text.push_str(&format!("still to do{}; the next `riposte run` goes on with it:\n", next.unwrap_or_default()));
        text.extend(open);
        text
    }

    fn done_text(&self) -> String {
        let actions: Vec<String> = self.actions.iter().map(|(status, count)| format!("{count} {status}")).collect();
        let actions = if actions.is_empty() { "none moved".to_owned() } else { actions.join(", ") };
        format!("{} decided on; actions: {actions}\n", counted(self.handled, "alert"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::{Story, bench, seconds};

    #[tokio::test]
    async fn a_run_says_what_it_did_and_what_it_leaves() {
        let bench = bench();
        let journal = bench.open();
        Story::whole(&journal).await;
        let settled = Settled::since(&journal, At::EPOCH, vec!["Graph".into()]).await.unwrap();
        let report = settled.report(seconds(10));
        assert_eq!(report.exit, Exit::No);
        assert_eq!((&report.json["handled"], &report.json["failed"]), (&json!(1), &json!(0)));
        assert_eq!(report.json["actions"], json!({"effective": 1, "simulated": 1, "waiting": 1}));
        assert_eq!(report.json["unread"], json!(["Graph"]));
        assert!(report.text.starts_with("1 alert decided on; actions: 1 effective, 1 simulated, 1 waiting\n"));
        assert!(report.text.contains("not read: Graph, so its alerts are unknown"), "{}", report.text);
    }

    #[test]
    fn what_is_left_is_told_by_kind_with_when_the_next_is_due() {
        let left = Left { alerts: 1, accounts: 18, ..Left::default() };
        let settled =
            Settled { counted: true, left, open: 19, next_due: Some(At::from_unix_seconds(90)), ..Settled::default() };
        insta::assert_snapshot!(settled.text(At::EPOCH), @r"
        0 alerts decided on; actions: none moved
        still to do, the next in 1m30s; the next `riposte run` goes on with it:
          1 alert (may still learn who is meant or be confirmed)
          18 accounts (wait for a person, are looked at again or put back later)
        ");
    }

    #[test]
    fn a_run_that_leaves_nothing_ends_well_and_one_that_read_nothing_does_not() {
        let nothing = Settled::default().report(At::EPOCH);
        assert_eq!((nothing.exit, nothing.text.contains("nothing is left to do")), (Exit::Done, true));
        let unread = Settled { unread: vec!["workspace soc".into()], ..Settled::default() }.report(At::EPOCH);
        assert_eq!((unread.exit, unread.text.contains("nothing is left to do")), (Exit::No, false));
    }
}
