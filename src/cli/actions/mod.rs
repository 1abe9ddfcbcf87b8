//! `riposte actions list` and `riposte actions show`.

pub mod find;
pub mod history;
pub mod left;
pub mod line;
pub mod listing;

use serde_json::json;

use super::args::{Format, Global, ListArgs, ShowArgs};
use super::exit::{CliError, Exit};
use super::report::{self, Report, Terminal, outcome_cell, rendered, to_the_minute, two_lines};
use super::setup;
use crate::app::rules;
use crate::diagnostics::suggest;
use crate::model::outcome::OutcomeKind;
use crate::model::text::clip;
use crate::model::time::At;
use crate::settings::Settings;
use find::{Found, find};
use line::ActionLine;
use listing::{Listed, Wanted};

/// So many lines of the table are shown unasked.
const NEWEST: usize = 100;

/// `actions list`.
pub(super) async fn list(args: &ListArgs, global: &Global, terminal: Terminal, now: At) -> Result<Report, CliError> {
    let settings = setup::settings(global)?;
    let journal = setup::journal(&settings)?;
    let wanted = Wanted {
        since: args.since.map(|since| now.minus(since)),
        outcome: args.outcome.clone(),
        rule: args.rule.clone(),
        most: (global.format == Format::Text && !args.all).then_some(NEWEST),
    };
    let Listed { lines, older, unreadable } = listing::list(journal.as_ref(), &wanted).await?;
    for sentence in &unreadable {
        report::say(&format!("not listed: {sentence}"));
    }
    let mut text = if global.format == Format::Text { table(&lines, terminal) } else { String::new() };
    if lines.is_empty() {
        "nothing was decided that fits\n".clone_into(&mut text);
    } else if older {
        text.push_str("there may be older ones: --all shows them\n");
    }
    let mut report = Report::new(text, json!(lines));
    report.exit = if unreadable.is_empty() { Exit::Done } else { Exit::No };
    report.notes.extend(args.rule.as_deref().filter(|_| lines.is_empty()).and_then(|rule| no_rule(rule, &settings)));
    Ok(report)
}

/// That no rule has such a name, where the rules can be read.
fn no_rule(name: &str, settings: &Settings) -> Option<String> {
    let table = rules(settings).table?;
    let known = || table.rules().iter().map(|rule| rule.name.as_str());
    let nearest = suggest::nearest(name, known()).map(|near| format!("; did you mean {near}?")).unwrap_or_default();
    (!known().any(|rule| rule == name)).then(|| format!("no rule is named {:?}{nearest}", clip(name, 80)))
}

/// `actions show`.
pub(super) async fn show(args: &ShowArgs, global: &Global, terminal: Terminal) -> Result<Report, CliError> {
    let journal = setup::journal(&setup::settings(global)?)?;
    let found = find(journal.as_ref(), &args.id).await?;
    let (line, events) = match found {
        Found::Action(stored) => {
            let line = listing::line_of(journal.as_ref(), &stored.record).await?;
            let mut events = history::history(journal.as_ref(), stored.record.action.id).await?;
            events.extend(left::left(journal.as_ref(), &stored.record).await?.iter().map(left::Left::line));
            (line, events)
        }
        Found::Decided(line) => (*line, Vec::new()),
    };
    let mut text = details(&line);
    if !events.is_empty() {
        text.push('\n');
        text.push_str(&history::text(&events, terminal));
    }
    let mut json = json!(line);
    json["events"] = json!(events);
    Ok(Report::new(text, json))
}

/// The list as a table that fits the terminal's width; blocks of lines where that is less than 80 characters.
#[must_use]
pub fn table(lines: &[ActionLine], terminal: Terminal) -> String {
    let mut table = terminal.table(&["ID, SINCE (UTC)", "ACCOUNT", "INTENT, RULE", "OUTCOME"]);
    for line in lines {
        let id: String = line.id.simple().to_string().chars().take(8).collect();
        let account = line.account.as_ref().map_or(line.alert.title.as_str(), |account| account.label.as_str());
        let place = line.account.as_ref().and_then(|account| account.directory);
        let place = place.map(|directory| format!("in {directory}")).unwrap_or_default();
        // What is in place is proven; everything else is explained.
        let proven =
            line.outcome == OutcomeKind::Effective.word() || line.outcome == OutcomeKind::AlreadyEffective.word();
        let proof = line.proof.as_ref().filter(|_| proven);
        table.add_row([
            two_lines(&id, &line.started.map(to_the_minute).unwrap_or_default()),
            two_lines(account, &place),
            two_lines(
                line.intent.as_deref().unwrap_or(whole(line.account.is_some())),
                line.rule.as_deref().unwrap_or_default(),
            ),
            outcome_cell(line.outcome, proof.map_or(&line.reason, |proof| &proof.what)),
        ]);
    }
    rendered(&table)
}

/// What stands in place of an intent that was never chosen: the alert, or the account, as a whole is withheld or waits.
pub(in crate::cli) const fn whole(of_account: bool) -> &'static str {
    if of_account { "(whole account)" } else { "(whole alert)" }
}

/// One action, a line a fact.
fn details(line: &ActionLine) -> String {
    let mut text = String::new();
    let mut fact = |name: &str, value: Option<String>| {
        if let Some(value) = value.filter(|value| !value.is_empty()) {
            text.push_str(&format!("{name:<12}{}\n", clip(&value, 600)));
        }
    };
    let time = |at: Option<At>| at.map(|at| at.to_the_second().to_string());
    fact("id", Some(line.id.to_string()));
    fact("alert", Some(format!("{} ({})", line.alert.title, line.alert.id)));
    fact("alert ids", Some(line.alert.names.join(", ")));
    fact("rule", line.rule.as_ref().zip(line.mode).map(|(rule, mode)| format!("{rule} in {mode}")));
    fact("account", line.account.as_ref().map(line::AccountLine::words));
    fact("person", line.person.as_ref().map(line::PersonLine::words));
    fact("intent", line.intent.clone());
    fact("route", line.route.map(|route| route.to_string()));
    fact("outcome", Some(line.outcome.to_owned()));
    fact("proof", line.proof.as_ref().map(|proof| format!("{} at {}", proof.what, proof.at.to_the_second())));
    fact("reason", Some(line.reason.clone()));
    fact("incident", line.incident.as_ref().map(line::IncidentLine::words));
    fact("started", time(line.started));
    fact("ended", time(line.ended));
    let approved_at = line.approved_at.map(|at| format!(" at {}", at.to_the_second())).unwrap_or_default();
    fact("approved by", line.approved_by.as_ref().map(|by| format!("{by}{approved_at}")));
    fact("reverts at", time(line.reverts_at));
    text
}
