//! What a run with `--once` has done and what it leaves, as its last word.

use std::collections::BTreeMap;

use serde::Serialize;
use serde_json::json;

use super::decisions::Decisions;
use super::exit::Exit;
use super::report::{Report, counted};
use crate::journal::lane::LaneKind;
use crate::journal::{Among, Fault, Journal};
use crate::model::outcome::OutcomeKind;
use crate::model::time::{At, print_duration};
use crate::record::action::ActionEvent;
use crate::record::event::StreamKind;
use crate::respond::polls::Unread;

/// The ends that nobody wants.
const BAD: [OutcomeKind; 3] = [OutcomeKind::Failed, OutcomeKind::Contradicted, OutcomeKind::Unverified];

/// One run.
#[derive(Debug, Default, Serialize)]
pub(super) struct Settled {
    /// Alerts that were decided on in this run, also where that meant doing nothing.
    handled: u64,
    /// Of these, those of which nobody was to be acted on, whoever it is.
    withheld: u64,
    /// Alerts of this run that cannot be read.
    unreadable: u64,
    /// Actions that moved in this run, by how they stand.
    actions: BTreeMap<String, u64>,
    /// Of these, those that failed, were contradicted by the account, or could not be verified.
    failed: u64,
    /// What still has something to do, now or later: alerts, accounts and incidents.
    open: u64,
    left: Left,
    /// When the next of these is due.
    next_due: Option<At>,
    /// Sources that could not be read, by the names of the settings: their alerts are unknown.
    unread: Vec<String>,
    /// Triggers that were answered in part, or found more than counts.
    in_part: Vec<String>,
    /// Shipped triggers that cannot run here, which is no failure.
    absent: Vec<String>,
    /// Who has paused riposte, and why.
    paused: Option<String>,
    /// What was done was counted.
    #[serde(skip)]
    counted: bool,
    /// It was a dry run, whose journal no other run goes on with.
    #[serde(skip)]
    pub(super) dry_run: bool,
}

#[derive(Debug, Default, Serialize)]
struct Left {
    /// To be decided on.
    alerts: u64,
    /// With actions that wait, are looked at again, or are put back later.
    accounts: u64,
    /// With comments to be written.
    incidents: u64,
    /// Put aside after repeated failures or crashes.
    quarantined: u64,
}

impl Settled {
    /// What has happened since the run began, and what is left.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub(super) async fn since(journal: &dyn Journal, began: At, unread: Unread) -> Result<Self, Fault> {
        let mut settled = Self { counted: true, ..Self::left(journal, unread).await? };
        let alerts = Decisions::since(journal, began).await?;
        (settled.handled, settled.withheld, settled.unreadable) = (alerts.decided, alerts.withheld, alerts.unreadable);
        settled.actions = journal.labels(StreamKind::Action, Among::ChangedSince(began)).await?;
        settled.failed = failed(journal, began).await?;
        Ok(settled)
    }

    /// What is left, without a look at what was done: a daemon may have done that for months.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub(super) async fn left(journal: &dyn Journal, unread: Unread) -> Result<Self, Fault> {
        let Unread { failed, in_part, absent } = unread;
        let mut settled = Self { unread: failed, in_part, absent, ..Self::default() };
        let lanes = journal.lanes().await?;
        let count = |kind| lanes.due.get(&kind).unwrap_or(&0) + lanes.waiting.get(&kind).unwrap_or(&0);
        settled.left = Left {
            alerts: count(LaneKind::Alert),
            accounts: count(LaneKind::Account),
            incidents: count(LaneKind::Incident),
            quarantined: u64::try_from(journal.quarantined().await?.len()).unwrap_or(u64::MAX),
        };
        settled.paused = journal.paused().await?.map(|pause| pause.line());
        settled.open = settled.left.alerts + settled.left.accounts + settled.left.incidents;
        settled.next_due = journal.next_due(&[LaneKind::Alert, LaneKind::Account, LaneKind::Incident]).await?;
        Ok(settled)
    }

    /// The run's last word. It is no where something is open, unread, read in part, put aside, or came to a bad end.
    pub(super) fn report(&self, now: At) -> Report {
        let done = self.open == 0 && self.left.quarantined == 0 && self.failed == 0 && self.is_all_read();
        let mut report = Report::new(self.text(now), json!(self));
        report.exit = if done { Exit::Done } else { Exit::No };
        report
    }

    const fn is_all_read(&self) -> bool {
        self.unread.is_empty() && self.in_part.is_empty()
    }

    fn text(&self, now: At) -> String {
        let mut text = if self.counted { self.done_text() } else { String::new() };
        if let Some(by) = &self.paused {
            text.push_str(&format!("paused {by}: what would change anything waits for `riposte resume`\n"));
        }
        // `status` reads the real journal.
        let why = if self.dry_run { "its line in the table says" } else { "`riposte status` says" };
        let alerts = format!("waiting for a directory, a name or a witness: {why} for what");
        let kinds = [
            (self.left.alerts, "alert", alerts.as_str()),
            (self.left.accounts, "account", "wait for a person, are looked at again or put back later"),
            (self.left.incidents, "incident", "get a comment later"),
            (self.left.quarantined, "lane", "in quarantine: `riposte status` says why, and how it goes on"),
        ];
        let open: Vec<String> = kinds
            .into_iter()
            .filter(|(count, ..)| *count > 0)
            .map(|(count, what, why)| {
                format!("  {} ({why})\n", counted(usize::try_from(count).unwrap_or(usize::MAX), what))
            })
            .collect();
        let why = if self.dry_run { "the log says why" } else { "`riposte status` says why" };
        for source in &self.unread {
            text.push_str(&format!("not read: {source}, so its alerts are unknown; {why}\n"));
        }
        for source in &self.in_part {
            let line = "not all of what it found has become an alert";
            text.push_str(&format!("read in part: {source}: {line}; {why}\n"));
        }
        if !self.absent.is_empty() {
            let all = self.absent.join(", ");
            text.push_str(&format!("cannot run here ({why}): {all}\n"));
        }
        if open.is_empty() {
            let what = if self.is_all_read() {
                "nothing is left to do"
            } else {
                "of what has been read so far, nothing is left"
            };
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
        let run = if self.dry_run {
            "another `riposte run --dry-run` begins anew"
        } else {
            "the next `riposte run` goes on with it"
        };
        text.push_str(&format!("still to do{}; {run}:\n", next.unwrap_or_default()));
        text.extend(open);
        text
    }

    fn done_text(&self) -> String {
        let actions: Vec<String> = self.actions.iter().map(|(status, count)| format!("{count} {status}")).collect();
        let actions = if actions.is_empty() { "none moved".to_owned() } else { actions.join(", ") };
        let alerts = Decisions { decided: self.handled, withheld: self.withheld, unreadable: self.unreadable };
        let bad = BAD.iter().filter_map(|kind| self.actions.get_key_value(kind.word()));
        let bad = bad.map(|(word, count)| {
            format!(
                "{count} {word}: `riposte actions list --outcome {word}` says which, `riposte actions show ID` why\n"
            )
        });
        format!("{}; actions: {actions}\n{}", alerts.words(), bad.collect::<String>())
    }
}

/// Actions that came to a bad end since then: at their end, or after it.
async fn failed(journal: &dyn Journal, since: At) -> Result<u64, Fault> {
    let ended = journal.labels(StreamKind::Action, Among::With(ActionEvent::SETTLED, since)).await?;
    let turned = journal.labels(StreamKind::Action, Among::With(ActionEvent::TURNED, since)).await?;
    let most = |kind: &OutcomeKind| [&ended, &turned].into_iter().filter_map(|counts| counts.get(kind.word())).max();
    Ok(BAD.iter().filter_map(most).sum())
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
        let unread = Unread { failed: vec!["Graph".into()], ..Unread::default() };
        let settled = Settled::since(&journal, At::EPOCH, unread).await.unwrap();
        let report = settled.report(seconds(10));
        assert_eq!(report.exit, Exit::No);
        assert_eq!((&report.json["handled"], &report.json["failed"]), (&json!(1), &json!(0)));
        assert_eq!(report.json["actions"], json!({"effective": 1, "simulated": 1, "waiting": 1}));
        assert_eq!(report.json["unread"], json!(["Graph"]));
        assert!(report.text.starts_with("1 alert decided on; actions: 1 effective, 1 simulated, 1 waiting\n"));
        assert!(report.text.contains("not read: Graph, so its alerts are unknown"), "{}", report.text);
    }

    #[test]
    fn a_run_in_which_an_action_came_to_a_bad_end_does_not_end_well_and_says_where_it_is_told() {
        for bad in ["failed", "contradicted", "unverified"] {
            let actions = BTreeMap::from([("effective".to_owned(), 2), (bad.to_owned(), 15)]);
            let report = Settled { counted: true, actions, failed: 15, ..Settled::default() }.report(At::EPOCH);
            assert_eq!(report.exit, Exit::No);
            let told = format!("15 {bad}: `riposte actions list --outcome {bad}` says which");
            assert!(report.text.contains(&told), "{}", report.text);
        }
        let actions = BTreeMap::from([("effective".to_owned(), 2)]);
        assert_eq!(Settled { counted: true, actions, ..Settled::default() }.report(At::EPOCH).exit, Exit::Done);
    }

    #[test]
    fn what_is_left_is_told_by_kind_with_when_the_next_is_due() {
        let left = Left { alerts: 1, accounts: 18, ..Left::default() };
        let settled =
            Settled { counted: true, left, open: 19, next_due: Some(At::from_unix_seconds(90)), ..Settled::default() };
        insta::assert_snapshot!(settled.text(At::EPOCH), @r"
        0 alerts decided on; actions: none moved
        still to do, the next in 1m30s; the next `riposte run` goes on with it:
          1 alert (waiting for a directory, a name or a witness: `riposte status` says for what)
          18 accounts (wait for a person, are looked at again or put back later)
        ");
    }

    #[test]
    fn what_was_withheld_whole_and_what_cannot_be_read_is_counted() {
        let settled = Settled { counted: true, handled: 3, withheld: 2, unreadable: 1, ..Settled::default() };
        insta::assert_snapshot!(settled.text(At::EPOCH), @r"
        3 alerts decided on, 2 of them withheld whole; 1 alert that cannot be read; actions: none moved
        nothing is left to do
        ");
    }

    #[test]
    fn a_run_that_leaves_nothing_ends_well_and_one_that_read_nothing_does_not() {
        let nothing = Settled::default().report(At::EPOCH);
        assert_eq!((nothing.exit, nothing.text.contains("nothing is left to do")), (Exit::Done, true));
        let unread = Settled { unread: vec!["workspace soc".into()], ..Settled::default() }.report(At::EPOCH);
        assert_eq!((unread.exit, unread.text.contains("nothing is left to do")), (Exit::No, false));
    }

    #[test]
    fn what_was_read_in_part_is_not_all_read_and_a_shipped_trigger_that_cannot_run_here_is_no_failure() {
        let part = Settled { in_part: vec!["kql/a in soc".into()], ..Settled::default() }.report(At::EPOCH);
        assert_eq!((part.exit, part.text.contains("nothing is left to do")), (Exit::No, false));
        assert!(part.text.contains("read in part: kql/a in soc: not all"), "{}", part.text);
        let absent = Settled { absent: vec!["kql/b in hunting".into()], ..Settled::default() }.report(At::EPOCH);
        assert_eq!((absent.exit, absent.text.contains("nothing is left to do")), (Exit::Done, true));
        assert!(absent.text.contains("cannot run here") && absent.text.contains("kql/b in hunting"), "{}", absent.text);
    }
}
