//! The report of the morning: alerts, accounts, actions, outcomes with their proof, and the comments.

use std::fmt::Write;

use comfy_table::{ContentArrangement, Table, presets};

use crate::journal::{Fault, Filter, Journal};
use crate::lab::Snapshot;
use crate::model::text::clip;
use crate::model::time::At;
use crate::record::action::ActionRecord;
use crate::record::alert::AlertRecord;
use crate::record::event::StreamKind;
use crate::record::note::NoteRecord;
use crate::respond::write;

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

pub(super) fn print(told: &Told, state: &Snapshot, began: At, disagreements: &[String]) -> String {
    let mut text = String::new();
    let _ = writeln!(text, "{}", table(told, began));
    let _ = writeln!(text, "\nComments as they stand on the incidents:");
    for (at, title, comment) in comments(state, began) {
        let _ = writeln!(text, "\n  {at}  {}", clip(title, 90));
        for line in comment.lines() {
            let _ = writeln!(text, "    | {line}");
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

fn table(told: &Told, began: At) -> Table {
    let mut table = Table::new();
    table.load_style(presets::UTF8_FULL_CONDENSED).set_content_arrangement(ContentArrangement::Dynamic).set_width(150);
    table.set_header(["at", "alert", "account", "action", "outcome", "seen, or why"]);
    for alert in &told.alerts {
        let at = clock(alert.first_seen, began);
        let title = clip(alert.best().map_or("", |seen| seen.title.as_str()), 60);
        for row in rows(alert, told) {
            let [account, action, outcome, why] = row;
            table.add_row([at.clone(), title.clone(), account, action, outcome, why]);
        }
    }
    table
}

fn rows(alert: &AlertRecord, told: &Told) -> Vec<[String; 4]> {
    let mut rows: Vec<[String; 4]> = Vec::new();
    for record in told.actions.iter().filter(|record| record.action.key.alert == alert.id) {
        let proof = record.outcome().and_then(|outcome| outcome.proof.as_ref()).map(ToString::to_string);
        let reason = record.reason();
        let why = match (proof, reason.code()) {
            (Some(proof), "seen") => proof,
            (Some(proof), "operator") => format!("{proof}; {reason}"),
            (Some(proof), _) => format!("{reason}; {proof}"),
            (None, _) => reason.to_string(),
        };
        rows.push([
            format!("{}\nin {}", clip(&record.action.subject.label, 40), record.action.key.account.directory()),
            record.action.key.intent.verb.to_string(),
            record.status().to_owned(),
            clip(&why, 200),
        ]);
    }
    for decided in &alert.decided {
        let account =
            decided.account.as_ref().map_or_else(|| "-".to_owned(), crate::model::account::AccountHint::label);
        let action = decided.intent.as_ref().map_or_else(|| "-".to_owned(), ToString::to_string);
        rows.push([clip(&account, 40), action, "withheld".to_owned(), clip(&decided.reason.to_string(), 200)]);
    }
    if rows.is_empty() {
        rows.push(["-".to_owned(), "-".to_owned(), "-".to_owned(), "nobody is acted on".to_owned()]);
    }
    rows
}
