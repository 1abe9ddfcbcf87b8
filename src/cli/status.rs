//! `riposte status`: how everything stands.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;
use serde_json::{Value, json};

use super::actions::line::ActionLine;
use super::actions::listing::line_of;
use super::args::Global;
use super::backlog::{Backlog, backlog};
use super::condition::Obstacles;
use super::decisions::Decisions;
use super::exit::CliError;
use super::held::Held;
use super::report::{Report, Terminal, cell, rendered, say, wrapped};
use super::sources::{self, SourceLine, TriggerLine};
use super::{quarantine, setup, switch};
use crate::app::{put_back, rules, trigger_places};
use crate::journal::lane::LaneKind;
use crate::journal::{Among, Fault, Filter, Journal, LaneCounts, Pause, Quarantined};
use crate::model::action::Action;
use crate::model::id::AlertId;
use crate::model::time::At;
use crate::record::action::ActionRecord;
use crate::record::alert::AlertRecord;
use crate::record::event::{StreamKey, StreamKind};
use crate::record::note::{NoteRecord, NoteState};
use crate::respond::write::{self, Stored};
use crate::settings::Settings;

/// So many notes are shown.
const NOTES: u32 = 5;
/// Alerts are counted over so long.
const DAY: Duration = Duration::from_secs(24 * 3_600);

/// Everything that is asked of the journal.
struct Standing {
    now: At,
    paused: Option<Pause>,
    sources: Vec<SourceLine>,
    /// None where the rules have mistakes.
    triggers: Option<Vec<TriggerLine>>,
    alerts: Decisions,
    lanes: LaneCounts,
    quarantined: Vec<Quarantined>,
    open: BTreeMap<String, u64>,
    held: Held,
    waiting: Vec<ActionLine>,
    notes: Vec<NoteLine>,
    backlog: Backlog,
}

#[derive(Debug, Serialize)]
struct NoteLine {
    at: At,
    alert: String,
    incident: String,
    /// The incident's number and title, as people know it; the alert's title until it is found.
    about: String,
    state: &'static str,
    why: Option<String>,
}

impl NoteLine {
    fn unreadable(at: At, why: String) -> Self {
        let (alert, incident, about) = (String::new(), String::new(), String::new());
        Self { at, alert, incident, about, state: "unreadable", why: Some(why) }
    }
}

/// `status`.
pub(super) async fn status(global: &Global, terminal: Terminal, now: At) -> Result<Report, CliError> {
    let settings = setup::settings(global)?;
    // A file may be what cannot be opened; a database that does not answer is waited for once.
    let before = settings.journal.postgres.is_none().then(|| Obstacles::of(&settings));
    let read = async {
        let journal = setup::journal(&settings)?;
        Ok::<_, CliError>(standing(journal.as_ref(), &settings, now).await?)
    };
    // What cannot be read is told with what stands in the way of it.
    let standing = read.await.inspect_err(|_| {
        before.iter().flat_map(Obstacles::sentences).for_each(|sentence| say(sentence));
    })?;
    let obstacles = before.unwrap_or_else(|| Obstacles::of(&settings));
    let (mut text, mut json) = (obstacles.text(terminal) + &text(&standing, terminal), json(&standing));
    json["journal"] = obstacles.json();
    let put_back = put_back(&settings.journal)?;
    if let Some(why) = &put_back {
        let file = settings.journal.sqlite.display();
        text = wrapped(&format!("STOPPED: no riposte goes on from {file}: {why}"), "", terminal) + &text;
    }
    json["journal_put_back"] = json!(put_back);
    Ok(Report::new(text, json))
}

async fn standing(journal: &dyn Journal, settings: &Settings, now: At) -> Result<Standing, Fault> {
    let lanes = journal.lanes().await?;
    let open = journal.labels(StreamKind::Action, Among::Open).await?;
    let mut asked: Vec<ActionRecord> = Vec::new();
    let filter = Filter { kind: Some(StreamKind::Action), label: Some("waiting"), ..Filter::default() };
    for stream in journal.streams(&filter).await? {
        // What cannot be read has its lane in quarantine, and is told there.
        asked.extend(write::read::<ActionRecord>(&stream).ok().map(|stored| stored.record));
    }
    // The newest first; what was planned together, person by person and step by step.
    asked.sort_by_cached_key(|record| {
        let Action { key, subject, wanted_by, .. } = &record.action;
        let step = wanted_by.iter().map(|by| by.step).min();
        (Reverse(record.planned_at), key.alert, subject.label.clone(), step)
    });
    let mut waiting = Vec::new();
    for record in &asked {
        waiting.push(line_of(journal, record).await?);
    }
    let held = Held::of(journal, now).await?;
    let read = sources::lines(journal, settings, now).await?;
    // What is wrong with rules is the business of `check`; the rest stands all the same.
    let triggers = match rules(settings).table {
        Some(table) => Some(sources::trigger_lines(journal, &trigger_places(settings, &table), now).await?),
        None => None,
    };
    let (paused, notes) = (journal.paused().await?, notes(journal).await?);
    let quarantined = journal.quarantined().await?;
    let still_reading = read.iter().any(|source| source.in_the_middle);
    let backlog = backlog(journal, &lanes, still_reading, now).await?;
    let alerts = Decisions::since(journal, now.minus(DAY)).await?;
    Ok(Standing {
        now,
        paused,
        sources: read,
        triggers,
        alerts,
        lanes,
        quarantined,
        open,
        held,
        waiting,
        notes,
        backlog,
    })
}

async fn notes(journal: &dyn Journal) -> Result<Vec<NoteLine>, Fault> {
    let filter = Filter { kind: Some(StreamKind::Note), limit: Some(NOTES), ..Filter::default() };
    let mut lines = Vec::new();
    for stream in journal.streams(&filter).await? {
        let note = match write::read::<NoteRecord>(&stream) {
            Ok(stored) => stored.record,
            Err(error) => {
                lines.push(NoteLine::unreadable(stream.changed_at, error.to_string()));
                continue;
            }
        };
        let why = match &note.state {
            NoteState::Waiting { reason, .. } | NoteState::GivenUp { reason } => Some(reason.line()),
            NoteState::Begun | NoteState::Posted { .. } => None,
        };
        let about = about(journal, note.key.alert).await?;
        let (alert, incident) = (note.key.alert.to_string(), note.incident.to_string());
        lines.push(NoteLine { at: stream.changed_at, alert, incident, about, state: note.state.word(), why });
    }
    Ok(lines)
}

async fn about(journal: &dyn Journal, alert: AlertId) -> Result<String, Fault> {
    let Some(stream) = journal.stream(&StreamKey::alert(alert)).await? else { return Ok(String::new()) };
    let Ok(Stored { record: alert, .. }) = write::read::<AlertRecord>(&stream) else { return Ok(String::new()) };
    let title = || alert.best().map(|seen| seen.title.clone()).unwrap_or_default();
    Ok(alert.incident.as_ref().map_or_else(title, |incident| {
        let number = incident.number.map(|number| format!("#{number} ")).unwrap_or_default();
        format!("{number}{}", incident.title)
    }))
}

fn text(standing: &Standing, terminal: Terminal) -> String {
    let mut text = match &standing.paused {
        Some(pause) => format!("PAUSED {}; `riposte resume` lets go\n", switch::since(pause, standing.now)),
        None => "not paused\n".to_owned(),
    };
    text.push('\n');
    text.push_str(&sources::text(&standing.sources, terminal));
    if let Some(triggers) = &standing.triggers {
        text.push_str(&sources::triggers_text(triggers, terminal));
    } else {
        let what = "the rules have mistakes, see `riposte check`: a daemon that runs keeps the rules and modes it had \
                    before, and none starts with these; no triggers are shown";
        text.push('\n');
        text.push_str(&wrapped(what, "", terminal));
    }
    text.push_str(&format!("\nin the last 24 hours: {}\n", standing.alerts.words()));
    text.push_str(if standing.open.is_empty() { "\nno action is open\n" } else { "\nopen actions:\n" });
    text.extend(standing.open.iter().map(|(status, count)| format!("  {}\n", open_words(status, *count))));
    text.push_str(&standing.held.text(terminal));
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
            table.add_row([cell(&note.at.to_the_second().to_string()), cell(&state), cell(&note.about)]);
        }
        text.push('\n');
        text.push_str(&rendered(&table));
    }
    text
}

/// An action that has ended is open as long as it is looked at again or put back.
fn open_words(status: &str, count: u64) -> String {
    match status {
        "waiting" => format!("{count} waiting for a person"),
        "parked" => format!("{count} parked: not begun yet, or until a later try"),
        "running" | "verifying" => format!("{count} {status}"),
        ended => format!("{count} {ended}, to be looked at again or put back later"),
    }
}

fn lanes_text(standing: &Standing) -> String {
    let lanes = &standing.lanes;
    let sum = |counts: &BTreeMap<LaneKind, u64>| counts.values().sum::<u64>();
    let next = lanes.next_due.map(|at| format!(", the next at {}", at.to_the_second())).unwrap_or_default();
    let mut text = format!("lanes: {} due, {} scheduled{next}\n", sum(&lanes.due), sum(&lanes.waiting));
    text.push_str(&standing.backlog.text());
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
        "triggers": standing.triggers.as_deref().unwrap_or_default(),
        "rules_have_mistakes": standing.triggers.is_none(),
        "alerts_of_24h": standing.alerts,
        "lanes": {
            "due": counts(&standing.lanes.due),
            "waiting": counts(&standing.lanes.waiting),
            "next_due": standing.lanes.next_due,
        },
        "quarantined": quarantine::lines_json(&standing.quarantined),
        "backlog": standing.backlog,
        "open_actions": standing.open,
        "held": standing.held.json(),
        "waiting": standing.waiting,
        "notes": standing.notes,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::{Story, bench, seconds};
    use crate::model::failure::{Failure, FailureKind, Provider, Sent};
    use crate::model::reason::Reason;

    #[tokio::test]
    async fn what_waits_for_a_person_and_how_far_sources_were_read_is_shown() {
        let bench = bench();
        let journal = bench.open();
        let story = Story::whole(&journal).await;
        let settings = setup::settings_or_defaults(&Global::default()).unwrap().settings;
        let standing = standing(&journal, &settings, seconds(60)).await.unwrap();
        let json = json(&standing);
        assert_eq!(json["open_actions"], json!({"effective": 1, "waiting": 1}));
        assert_eq!(json["waiting"][0]["id"], json!(story.asking));
        assert_eq!(json["sources"][0]["read_through"], Value::Null);
        let text = text(&standing, Terminal::paper(80));
        assert!(text.starts_with("not paused\n") && text.contains("riposte approve ID"), "{text}");
        let open = "open actions:\n  1 effective, to be looked at again or put back later\n  1 waiting for a person\n";
        assert!(text.contains(open), "{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }

    #[tokio::test]
    async fn an_incident_without_the_comment_that_is_due_is_told_with_its_reason_until_it_has_one() {
        let bench = bench();
        let journal = bench.open();
        let story = Story::whole(&journal).await;
        let settings = setup::settings_or_defaults(&Global::default()).unwrap().settings;
        story.untell(&journal, "no permission").await;
        let untold = standing(&journal, &settings, seconds(60)).await.unwrap();
        assert_eq!(json(&untold)["held"]["untold"], json!([{"reason": "no permission", "count": 1}]));
        let text = text(&untold, Terminal::paper(80));
        assert!(text.contains("alerts whose incident has no comment that is due:\n  1 no permission\n"), "{text}");
        story.locate(&journal, 60).await;
        let told = standing(&journal, &settings, seconds(60)).await.unwrap();
        assert_eq!(json(&told)["held"]["untold"], json!([]));
    }

    #[tokio::test]
    async fn a_note_that_cannot_be_read_hides_nothing_else() {
        let bench = bench();
        let journal = bench.open();
        Story::whole(&journal).await;
        let rotten = "insert into stream (tenant, kind, id, lane_kind, lane_key, n, head, state, open, opened_at, changed_at)
            select tenant, 'note', id, lane_kind, lane_key, n, head, '{}', 0, opened_at, changed_at from stream limit 1";
        rusqlite::Connection::open(bench.path()).unwrap().execute(rotten, []).unwrap();
        let settings = setup::settings_or_defaults(&Global::default()).unwrap().settings;
        let standing = standing(&journal, &settings, seconds(60)).await.unwrap();
        let json = json(&standing);
        assert_eq!(json["notes"][0]["state"], "unreadable", "{json:#}");
        assert_eq!(json["open_actions"], json!({"effective": 1, "waiting": 1}));
    }

    #[tokio::test]
    async fn that_rules_with_mistakes_hide_the_triggers_is_said() {
        let bench = bench();
        let journal = bench.open();
        let folder = tempfile::tempdir().unwrap();
        let mut settings = setup::settings_or_defaults(&Global::default()).unwrap().settings;
        let shown = standing(&journal, &settings, seconds(60)).await.unwrap();
        assert!(shown.triggers.as_ref().is_some_and(|triggers| !triggers.is_empty()));
        assert_eq!(json(&shown)["rules_have_mistakes"], false);
        folder.path().clone_into(&mut settings.rules.dir);
        let hidden = standing(&journal, &settings, seconds(60)).await.unwrap();
        assert_eq!(json(&hidden)["rules_have_mistakes"], true);
        assert!(text(&hidden, Terminal::paper(80)).contains("a daemon that runs keeps the rules"));
    }

    #[tokio::test]
    async fn alerts_that_cannot_be_decided_on_yet_are_shown_with_what_they_wait_for() {
        let bench = bench();
        let journal = bench.open();
        let story = Story::whole(&journal).await;
        let failure = Failure {
            provider: Provider::Entra,
            operation: "GET users/{id}".into(),
            kind: FailureKind::Forbidden,
            sent: Sent::Answered,
            vendor: None,
            hint: "grant User.Read.All".into(),
        };
        story.wait(&journal, Reason::Refused { failure: Box::new(failure) }).await;
        let settings = setup::settings_or_defaults(&Global::default()).unwrap().settings;
        let standing = standing(&journal, &settings, seconds(60)).await.unwrap();
        let held = &json(&standing)["held"];
        assert_eq!(held["alerts"], json!([]), "it was decided on before");
        let held = &held["alerts_again"];
        assert_eq!(held[0]["count"], 1);
        assert!(held[0]["reason"].as_str().unwrap().contains("grant User.Read.All"), "{held}");
        let text = text(&standing, Terminal::paper(80));
        assert!(
            text.contains("and cannot be looked at again yet:\n  1 refused: who the alert's accounts are"),
            "{text}"
        );
        assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
    }
}
