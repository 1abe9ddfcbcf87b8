//! `riposte status`: how everything stands.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize as _, Serialize};
use serde_json::{Value, json};

use super::actions::line::ActionLine;
use super::actions::listing::line_of;
use super::args::Global;
use super::exit::CliError;
use super::report::{Report, Terminal, cell, rendered};
use super::{quarantine, setup, switch};
use crate::journal::lane::LaneKind;
use crate::journal::{Fault, Filter, Journal, LaneCounts, Pause, Quarantined};
use crate::model::alert::SourceKey;
use crate::model::time::{At, print_duration};
use crate::record::action::ActionRecord;
use crate::record::event::StreamKind;
use crate::record::note::{NoteRecord, NoteState};
use crate::respond::intake::Cursor;
use crate::respond::write;
use crate::settings::Settings;

/// The pace of the work is taken from the last ten minutes.
const PACE_WINDOW: Duration = Duration::from_secs(600);
/// So many notes are shown.
const NOTES: u32 = 5;

/// Everything that is asked of the journal.
struct Standing {
    now: At,
    paused: Option<Pause>,
    sources: Vec<SourceLine>,
    lanes: LaneCounts,
    quarantined: Vec<Quarantined>,
    open: BTreeMap<&'static str, u64>,
    waiting: Vec<ActionLine>,
    notes: Vec<NoteLine>,
    backlog: Backlog,
}

#[derive(Debug, Serialize)]
struct SourceLine {
    source: String,
    /// Everything visible before this has been read; null before the first page.
    read_through: Option<At>,
    lag_seconds: Option<u64>,
    /// A window is being read page by page.
    in_the_middle: bool,
}

#[derive(Debug, Serialize)]
struct NoteLine {
    at: At,
    alert: String,
    incident: String,
    state: &'static str,
    why: Option<String>,
}

/// Work that is due, and when it will be done at the pace of the last minutes.
#[derive(Debug, Clone, Copy, Serialize)]
struct Backlog {
    due: u64,
    ended_in_10_minutes: u64,
    /// Null when nothing is due, or nothing ended from which a pace could be taken.
    done_in_seconds: Option<u64>,
}

/// `status`.
pub(super) async fn status(global: &Global, terminal: Terminal, now: At) -> Result<Report, CliError> {
    let settings = setup::settings(global)?;
    let journal = setup::journal(&settings)?;
    let standing = standing(journal.as_ref(), &source_keys(&settings), now).await?;
    Ok(Report::new(text(&standing, terminal), json(&standing)))
}

fn source_keys(settings: &Settings) -> Vec<SourceKey> {
    let workspaces = settings.workspaces.iter().map(|workspace| SourceKey::LogAnalytics(workspace.id));
    let tables = settings.sources.log_analytics.iter().flat_map(|_| workspaces.clone());
    tables.chain(settings.sources.graph.iter().map(|_| SourceKey::Graph)).collect()
}

async fn standing(journal: &dyn Journal, sources: &[SourceKey], now: At) -> Result<Standing, Fault> {
    let lanes = journal.lanes().await?;
    let mut open: BTreeMap<&'static str, u64> = BTreeMap::new();
    let mut waiting = Vec::new();
    let filter = Filter { kind: Some(StreamKind::Action), open_only: true, ..Filter::default() };
    for stream in journal.streams(&filter).await? {
        let record = write::read::<ActionRecord>(&stream)?.record;
        *open.entry(record.status()).or_default() += 1;
        if record.status() == "waiting" {
            waiting.push(line_of(journal, &record).await?);
        }
    }
    let mut read = Vec::new();
    for source in sources {
        read.push(source_line(journal, *source, now).await?);
    }
    let (paused, notes) = (journal.paused().await?, notes(journal).await?);
    let quarantined = journal.quarantined().await?;
    let backlog = backlog(journal, &lanes, now).await?;
    Ok(Standing { now, paused, sources: read, lanes, quarantined, open, waiting, notes, backlog })
}

async fn source_line(journal: &dyn Journal, source: SourceKey, now: At) -> Result<SourceLine, Fault> {
    let source = source.to_string();
    let cursor = journal.cursor(&source).await?.and_then(|position| Cursor::deserialize(&position).ok());
    Ok(SourceLine {
        read_through: cursor.as_ref().map(|cursor| cursor.through),
        lag_seconds: cursor.as_ref().map(|cursor| now.since(cursor.through).as_secs()),
        in_the_middle: cursor.is_some_and(|cursor| cursor.to.is_some()),
        source,
    })
}

async fn notes(journal: &dyn Journal) -> Result<Vec<NoteLine>, Fault> {
    let filter = Filter { kind: Some(StreamKind::Note), limit: Some(NOTES), ..Filter::default() };
    let streams = journal.streams(&filter).await?;
    let line = |stream: &crate::journal::StoredStream| {
        let note = write::read::<NoteRecord>(stream)?.record;
        let (state, why) = match &note.state {
            NoteState::Begun => ("begun", None),
            NoteState::Waiting { reason, .. } => ("waiting", Some(reason.line())),
            NoteState::Posted { .. } => ("posted", None),
            NoteState::GivenUp { reason } => ("given up", Some(reason.line())),
        };
        let (alert, incident) = (note.key.alert.to_string(), note.incident.to_string());
        Ok(NoteLine { at: stream.changed_at, alert, incident, state, why })
    };
    streams.iter().map(line).collect()
}

async fn backlog(journal: &dyn Journal, lanes: &LaneCounts, now: At) -> Result<Backlog, Fault> {
    let due = [LaneKind::Alert, LaneKind::Account, LaneKind::Incident];
    let due: u64 = due.iter().filter_map(|kind| lanes.due.get(kind)).sum();
    let mut ended = 0;
    // An alert that is planned, an action that has ended and a note that is posted are each the work
    // of one lane, roughly.
    for kind in [StreamKind::Alert, StreamKind::Action, StreamKind::Note] {
        if due == 0 {
            break;
        }
        let since = Some(now.minus(PACE_WINDOW));
        let changed = journal.streams(&Filter { kind: Some(kind), changed_since: since, ..Filter::default() }).await?;
        ended += changed.iter().filter(|stream| !stream.open).count() as u64;
    }
    Ok(Backlog { due, ended_in_10_minutes: ended, done_in_seconds: estimate(due, ended) })
}

/// Seconds for `due` pieces at `ended` pieces per window.
fn estimate(due: u64, ended: u64) -> Option<u64> {
    (due > 0 && ended > 0).then(|| due.saturating_mul(PACE_WINDOW.as_secs()).div_ceil(ended))
}

fn text(standing: &Standing, terminal: Terminal) -> String {
    let mut text = match &standing.paused {
        Some(pause) => format!("PAUSED {}; `riposte resume` lets go\n", switch::since(pause, standing.now)),
        None => "not paused\n".to_owned(),
    };
    text.push_str(&sources_text(&standing.sources, terminal));
    let open: Vec<String> = standing.open.iter().map(|(status, count)| format!("{count} {status}")).collect();
    let open = if open.is_empty() { "none".to_owned() } else { open.join(", ") };
    text.push_str(&format!("\nopen actions: {open}\n"));
    text.push_str(&lanes_text(standing));
    text.push_str(&quarantine::lines_text(&standing.quarantined, standing.now, terminal));
    if !standing.waiting.is_empty() {
        text.push_str("\nwaiting for a person (riposte approve ID, riposte deny ID):\n");
        text.push_str(&super::actions::table(&standing.waiting, terminal));
    }
    if !standing.notes.is_empty() {
        let mut table = terminal.table(&["LAST NOTES", "STATE", "INCIDENT"]);
        for note in &standing.notes {
            let state = note.why.as_ref().map_or_else(|| note.state.to_owned(), |why| format!("{}: {why}", note.state));
            table.add_row([cell(&note.at.to_string()), cell(&state), cell(&note.incident)]);
        }
        text.push('\n');
        text.push_str(&rendered(&table));
    }
    text
}

fn sources_text(sources: &[SourceLine], terminal: Terminal) -> String {
    let mut table = terminal.table(&["SOURCE", "READ THROUGH", "BEHIND"]);
    for source in sources {
        let through = source.read_through.map_or_else(|| "nothing yet".to_owned(), |at| at.to_string());
        let behind = source.lag_seconds.map(|lag| print_duration(Duration::from_secs(lag))).unwrap_or_default();
        let more = if source.in_the_middle { ", in the middle of a window" } else { "" };
        table.add_row([cell(&source.source), cell(&through), cell(&format!("{behind}{more}"))]);
    }
    format!("\n{}", rendered(&table))
}

fn lanes_text(standing: &Standing) -> String {
    let lanes = &standing.lanes;
    let sum = |counts: &BTreeMap<LaneKind, u64>| counts.values().sum::<u64>();
    let next = lanes.next_due.map(|at| format!(", the next at {at}")).unwrap_or_default();
    let mut text = format!("lanes: {} due, {} scheduled{next}\n", sum(&lanes.due), sum(&lanes.waiting));
    let Backlog { due, done_in_seconds, .. } = standing.backlog;
    if due > 0 {
        let when = done_in_seconds.map_or_else(
            || "nothing ended in the last 10 minutes: is a daemon running?".to_owned(),
            |seconds| {
                format!("about {} at the pace of the last 10 minutes", print_duration(Duration::from_secs(seconds)))
            },
        );
        text.push_str(&format!("backlog: {due} alerts, accounts and incidents are due; {when}\n"));
    }
    text
}

fn json(standing: &Standing) -> Value {
    let counts = |counts: &BTreeMap<LaneKind, u64>| -> BTreeMap<&str, u64> {
        counts.iter().map(|(kind, count)| (kind.word(), *count)).collect()
    };
    json!({
        "at": standing.now,
        "paused": standing.paused.as_ref().map(|p| json!({"by": p.by, "reason": p.reason, "since": p.at})),
        "sources": standing.sources,
        "lanes": {
            "due": counts(&standing.lanes.due),
            "waiting": counts(&standing.lanes.waiting),
            "next_due": standing.lanes.next_due,
        },
        "quarantined": quarantine::lines_json(&standing.quarantined),
        "backlog": standing.backlog,
        "open_actions": standing.open,
        "waiting": standing.waiting,
        "notes": standing.notes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::{Story, bench, seconds};

    #[tokio::test]
    async fn what_waits_for_a_person_and_how_far_sources_were_read_is_shown() {
        let bench = bench();
        let journal = bench.open();
        let story = Story::whole(&journal).await;
        let standing = standing(&journal, &[SourceKey::Graph], seconds(60)).await.unwrap();
        let json = json(&standing);
        assert_eq!(json["open_actions"], json!({"effective": 1, "waiting": 1}));
        assert_eq!(json["waiting"][0]["id"], json!(story.asking));
        assert_eq!(json["sources"][0]["read_through"], Value::Null);
        let text = text(&standing, Terminal::paper(80));
        assert!(text.starts_with("not paused\n") && text.contains("riposte approve ID"), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[test]
    fn a_backlog_is_estimated_only_from_a_pace() {
        assert_eq!(estimate(1_000, 100), Some(6_000));
        assert_eq!(estimate(1_000, 0), None);
        assert_eq!(estimate(0, 100), None);
    }
}
