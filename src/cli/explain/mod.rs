//! `riposte explain`: one alert through the rules, with every reason. Nothing is called.

mod doubts;
mod read;
pub(super) mod reasons;
mod text;

use std::sync::Arc;

use serde_json::json;

use super::actions::line::ActionLine;
use super::actions::listing::line_of;
use super::args::{ExplainArgs, Global};
use super::exit::{CliError, Exit};
use super::given;
use super::report::{Report, Terminal};
use super::setup::{self, Chosen};
use super::sources::shown_by;
use super::supposed::{as_seen, case, people};
use crate::app::rails;
use crate::diagnostics::suggest;
use crate::journal::Journal;
use crate::model::account::AccountHint;
use crate::model::alert::{PROVIDERS, Sighting, UnreadableItem};
use crate::model::person::Person;
use crate::model::reason::Reason;
use crate::model::text::clip;
use crate::model::time::At;
use crate::model::trigger::Trigger;
use crate::playbook::{Entry, RuleTable};
use crate::record::action::ActionRecord;
use crate::record::alert::{AlertPhase, AlertRecord};
use crate::record::event::StreamKey;
use crate::respond::alerts::{identify, known_as};
use crate::respond::people::questions;
use crate::respond::write;
use crate::settings::Settings;
use reasons::{Explanation, Known};

/// Explains one alert.
pub(super) async fn explain(
    args: &ExplainArgs,
    global: &Global,
    terminal: Terminal,
    now: At,
) -> Result<Report, CliError> {
    let now = args.at.unwrap_or(now);
    let Chosen { settings, note, .. } = setup::settings_or_defaults(global)?;
    let table = setup::table(&settings)?;
    let usual = || PROVIDERS.map(str::to_owned).to_vec();
    let providers = settings.sources.log_analytics.as_ref().map_or_else(usual, |table| table.providers.clone());
    let content = read::json(&args.file)?;
    let read = match &args.trigger {
        Some(name) => read::found(content, trigger(name, &table)?, now),
        None => read::alert(content, &providers, now),
    };
    let read = read.map_err(|why| CliError::Usage(format!("{}: {why}", given::shown(&args.file))))?;
    let people = args.people.as_deref().map(read::people).transpose()?.unwrap_or_default();
    let mut notes: Vec<String> = note.iter().map(|note| (*note).to_owned()).chain(read.notes).collect();
    let sighting = match read.item {
        Ok(sighting) => sighting,
        Err(item) => return Ok(unreadable(&item, notes)),
    };
    let known = if note.is_none() { known(&settings, &sighting, &mut notes).await } else { None };
    let alert = as_seen(settings.tenant.id, sighting, now);
    let entry = identify(&alert, &table);
    // What the daemon would not even ask about is not supposed either.
    let who = |hint: &AccountHint| {
        let forests = &settings.guardrails.forests;
        people::person(hint, &questions(hint, forests)?, &people, &args.given, forests)
    };
    let mut explanation = explained(&alert, entry, &who, &settings, &table, now);
    if let (Some(words), Some(seen)) = (&mut explanation.alert, alert.best()) {
        words.shown_by = shown_by(&settings, &seen.source);
    }
    let explanation = Explanation { journal: known, notes, ..explanation };
    Ok(Report::new(text::text(&explanation, terminal), json!(explanation)))
}

/// The trigger of that name.
fn trigger(name: &str, table: &RuleTable) -> Result<Arc<Trigger>, CliError> {
    let known = || table.triggers().iter().map(|written| &written.trigger);
    let id = if name.starts_with("kql/") { name.to_owned() } else { format!("kql/{name}") };
    known().find(|trigger| trigger.id() == id).cloned().ok_or_else(|| {
        let ids: Vec<String> = known().map(|trigger| trigger.id()).collect();
        let nearest = suggest::nearest(&id, &ids).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
        CliError::Usage(format!("no rule names a trigger {:?}{nearest}", clip(name, 80)))
    })
}

fn explained(
    alert: &AlertRecord,
    entry: Option<&Entry>,
    who: &dyn Fn(&AccountHint) -> Result<Person, Reason>,
    settings: &Settings,
    table: &RuleTable,
    now: At,
) -> Explanation {
    let Some(entry) = entry else {
        return Explanation::of_stranger(alert, &alert.accounts().ok().flatten().unwrap_or_default());
    };
    reasons::explain(&case(alert, entry, who, now), table, &rails(settings, false))
}

fn unreadable(item: &UnreadableItem, notes: Vec<String>) -> Report {
    let reason = Reason::Unreadable { why: item.why.clone() }.line();
    let text = format!("{reason}. It would be recorded and counted; nobody is acted on.");
    let json = json!({"unreadable": reason, "id": item.id, "notes": notes});
    Report { exit: Exit::No, notes, ..Report::sentence(text, json) }
}

/// What the journal knows of the alert, where there is a journal.
async fn known(settings: &Settings, sighting: &Sighting, notes: &mut Vec<String>) -> Option<Known> {
    let known = match setup::journal(settings) {
        Ok(journal) => look_up(journal.as_ref(), sighting).await,
        // No journal yet: a rule's author asks before the first run.
        Err(CliError::Usage(_)) => return None,
        Err(error) => Err(error),
    };
    known.unwrap_or_else(|error| {
        notes.push(format!("the journal was not asked: {error}"));
        None
    })
}

async fn look_up(journal: &dyn Journal, sighting: &Sighting) -> Result<Option<Known>, CliError> {
    let Some(id) = known_as(journal, sighting).await? else { return Ok(None) };
    let Some(stream) = journal.stream(&StreamKey::alert(id)).await? else { return Ok(None) };
    let alert = write::read::<AlertRecord>(&stream)?.record;
    let mut lines: Vec<ActionLine> =
        alert.decided.iter().map(|decided| ActionLine::of_decided(decided, &alert)).collect();
    for action in &alert.actions {
        if let Some(stream) = journal.stream(&StreamKey::action(*action)).await? {
            lines.push(line_of(journal, &write::read::<ActionRecord>(&stream)?.record).await?);
        }
    }
    let phase = match &alert.phase {
        AlertPhase::Seen => "seen, not decided on yet".to_owned(),
        AlertPhase::Waiting { reason, again, .. } => {
            format!("waits until {}: {}", again.to_the_second(), reason.waiting())
        }
        AlertPhase::Planned => "decided on".to_owned(),
        AlertPhase::Merged { into } => Reason::Merged { into: into.to_string() }.line(),
        AlertPhase::Unreadable { why } => Reason::Unreadable { why: why.clone() }.line(),
    };
    Ok(Some(Known { id, first_seen: alert.first_seen, witnessed: alert.is_witnessed(), phase, actions: lines }))
}

#[cfg(test)]
mod tests;
