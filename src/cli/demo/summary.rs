//! The report of the morning: alerts, accounts, actions, outcomes with their proof, and the comments.

use std::fmt::Write;

use comfy_table::{ColumnConstraint, Width};

use super::super::actions::whole;
use super::super::report::{Terminal, cell, outcome_cell, rendered, two_lines, wrapped};
use super::live::short;
use crate::journal::{Fault, Filter, Journal};
use crate::lab::Snapshot;
use crate::model::text::clip;
use crate::model::time::At;
use crate::record::action::ActionRecord;
use crate::record::alert::AlertRecord;
use crate::record::event::StreamKind;
use crate::record::note::NoteRecord;
use crate::respond::write;

/// How far the actions of an alert stand to the right of its title.
const INDENT: u16 = 7;

/// What the journal knows at the end.
pub(super) struct Told {
    pub(super) alerts: Vec<AlertRecord>,
    pub(super) actions: Vec<ActionRecord>,
    pub(super) notes: Vec<NoteRecord>,
}

pub(super) async fn gather(journal: &dyn Journal) -> Result<Told, Fault> {
    let mut told = Told { alerts: Vec::new(), actions: Vec::new(), notes: Vec::new() };
    for stream in journal.streams(&Filter { kind: Some(StreamKind::Alert), ..Filter::default() }).await? {
        told.alerts.push(write::read(&stream)?.record);
    }
    for stream in journal.streams(&Filter { kind: Some(StreamKind::Action), ..Filter::default() }).await? {
        told.actions.push(write::read(&stream)?.record);
    }
    for stream in journal.streams(&Filter { kind: Some(StreamKind::Note), ..Filter::default() }).await? {
        told.notes.push(write::read(&stream)?.record);
    }
    told.alerts.sort_by_key(|alert| alert.first_seen);
    told.actions.sort_by_key(|action| (action.planned_at, action.action.wanted_by.first().map(|by| by.step)));
    Ok(told)
}

pub(super) fn print(told: &Told, state: &Snapshot, began: At, disagreements: &[String], terminal: Terminal) -> String {
    let mut text = String::new();
    text.push_str(&alerts(told, began, terminal));
    let _ = writeln!(text, "\nComments as they stand on the incidents:");
    for (at, title, comment) in comments(state, began) {
        let _ = writeln!(text, "\n  {at}  {}", clip(title, 90));
        for line in comment.lines() {
            text.push_str(&wrapped(line, "    | ", terminal));
        }
    }
    let calls: u64 = state.requests.values().sum();
    let _ = writeln!(
        text,
        "\n{} alerts, {} actions, {} comments, {calls} requests over https.",
        told.alerts.len(),
        told.actions.len(),
        told.notes.len()
    );
    if disagreements.is_empty() {
        let _ = writeln!(text, "The lab's directory, its comments and the journal agree.");
    }
    for disagreement in disagreements {
        let _ = writeln!(text, "DISAGREE: {disagreement}");
    }
    text
}

/// When, on which incident, and what; in the order in which they were written.
fn comments(state: &Snapshot, began: At) -> Vec<(String, &str, &str)> {
    let of_all = state.incidents.values().flat_map(|incident| incident.comments.iter().map(move |one| (incident, one)));
    let mut all: Vec<_> = of_all.collect();
    all.sort_by_key(|(_, comment)| comment.at.parse::<At>().ok());
    let at = |written: &str| written.parse().map_or_else(|_| written.to_owned(), |at| clock(at, began));
    all.into_iter().map(|(incident, one)| (at(&one.at), incident.title.as_str(), one.text.as_str())).collect()
}

/// Minutes and seconds since the morning began.
fn clock(at: At, began: At) -> String {
    let seconds = at.since(began).as_secs();
    format!("{:02}:{:02}", seconds / 60, seconds % 60)
}

/// Each alert with what was done for its accounts, in lines no longer than the terminal's, down to 80 characters.
fn alerts(told: &Told, began: At, terminal: Terminal) -> String {
    let mut text = String::new();
    for (n, alert) in told.alerts.iter().enumerate() {
        let title = clip(alert.best().map_or("", |seen| seen.title.as_str()), 70);
        let _ = writeln!(text, "\n{}  {title}", clock(alert.first_seen, began));
        let mut table = terminal.table(if n == 0 { &["", "ACTION, ACCOUNT", "OUTCOME", "SEEN, OR WHY"] } else { &[] });
        for [account, action, outcome, why] in rows(alert, told) {
            table.add_row([cell(""), two_lines(&action, &account), outcome_cell(&outcome, ""), cell(&why)]);
        }
        // The same places under every alert.
        for (column, width) in table.column_iter_mut().zip([INDENT, 34, 15, u16::MAX]) {
            column.set_padding((0, 2));
            if width < u16::MAX {
                column.set_constraint(ColumnConstraint::Absolute(Width::Fixed(width)));
            }
        }
        text.push_str(&rendered(&table));
    }
    text
}

fn rows(alert: &AlertRecord, told: &Told) -> Vec<[String; 4]> {
    let mut rows: Vec<[String; 4]> = Vec::new();
    for record in told.actions.iter().filter(|record| record.action.key.alert == alert.id) {
        let proof = record.outcome().and_then(|outcome| outcome.proof.as_ref()).map(ToString::to_string);
        let reason = record.reason();
        let why = match (proof, reason.code()) {
            (Some(proof), "seen") => proof,
            (Some(proof), "operator") => format!("{proof}; {reason}"),
            (Some(proof), _) => format!("{reason}; seen {proof}"),
            (None, _) => reason.to_string(),
        };
        rows.push([
            format!("{} ({})", clip(&record.action.subject.label, 25), short(record.action.key.account.directory())),
            record.action.key.intent.verb.to_string(),
            record.status().to_owned(),
            clip(&why, 200),
        ]);
    }
    for decided in &alert.decided {
        let account = decided.account.as_ref().map_or_else(String::new, crate::model::account::AccountHint::label);
        let of_all = || whole(decided.account.is_some()).to_owned();
        let action = decided.intent.as_ref().map_or_else(of_all, ToString::to_string);
        rows.push([clip(&account, 40), action, "withheld".to_owned(), clip(&decided.reason.to_string(), 200)]);
    }
    if rows.is_empty() {
        rows.push([String::new(), "-".to_owned(), "-".to_owned(), "nobody is acted on".to_owned()]);
    }
    rows
}
