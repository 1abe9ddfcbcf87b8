//! What happened to an action, in words.

use std::time::Duration;

use serde::{Deserialize as _, Serialize};

use crate::cli::report::{Terminal, cell, rendered};
use crate::journal::{Fault, Journal};
use crate::model::failure::Failure;
use crate::model::id::ActionId;
use crate::model::reason::Reason;
use crate::model::text::clip;
use crate::model::time::At;
use crate::record::action::{ActionEvent, ActionRecord, First, Follow, Step, UndoWanted, Vote};
use crate::record::event::{Entry, StreamKey};
use crate::record::fold;
use crate::respond::write;

/// Who waits longer than this for a daemon to hear what was said is told so.
const HEARD_LATE: Duration = Duration::from_secs(5);

/// One event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct EventLine {
    /// When.
    pub at: At,
    /// Who caused it: `riposte`, or a person.
    pub actor: String,
    /// Its name in the journal.
    pub event: String,
    /// What happened.
    pub what: String,
}

/// The events of an action, in order.
///
/// # Errors
/// When the journal cannot be read.
pub async fn history(journal: &dyn Journal, id: ActionId) -> Result<Vec<EventLine>, Fault> {
    let events = journal.events(&StreamKey::action(id)).await?;
    let mut lines = Vec::new();
    let mut told = None;
    for event in events {
        let moot = fold(&mut told, &event.entry);
        let mut line = line(event.entry);
        if let Some(moot) = moot {
            line.0.what.push_str(&format!("; it changed nothing: {moot}"));
        }
        // Who asked, and when, stands with the action that puts it back.
        if let Some(by) = line.1
            && let Some(undo) = journal.stream(&StreamKey::action(by)).await?
            && let Some(why) = write::read::<ActionRecord>(&undo)?.record.action.why
        {
            line.0.what.push_str(&format!("; {why}"));
        }
        lines.push(line.0);
    }
    Ok(lines)
}

/// Takes the action on to its next event; why that changed nothing, if so.
fn fold(told: &mut Option<ActionRecord>, entry: &Entry) -> Option<&'static str> {
    match fold::action_after(told.clone(), entry).ok()? {
        Step::To(record) => *told = Some(*record),
        Step::Moot(why) => return Some(why),
    }
    None
}

/// A line, and the action that puts back what this one did, where that is what it tells.
fn line(entry: Entry) -> (EventLine, Option<ActionId>) {
    let unknown = || "another version of riposte wrote this event".to_owned();
    let mut undo = None;
    let mut actor = entry.actor.as_str();
    let (at, what) = match ActionEvent::deserialize(&entry.payload) {
        // A person's word counts from when it was given, not from when a daemon heard it.
        Ok(ActionEvent::Voted(vote)) => {
            // The reason of a no follows the name, and belongs to what happened.
            actor = if vote.yes { actor } else { actor.split(" (").next().unwrap_or(actor) };
            (vote.at, voted(&vote, entry.at))
        }
        Ok(event) => {
            if let ActionEvent::RevertPlanned { by } = &event {
                undo = Some(*by);
            }
            (entry.at, words(&event))
        }
        Err(_) => (entry.at, unknown()),
    };
    (EventLine { at, actor: clip(actor, 80), event: entry.name, what }, undo)
}

fn voted(vote: &Vote, heard: At) -> String {
    let late = heard.since(vote.at) >= HEARD_LATE;
    let heard = if late { format!("; heard at {}", heard.to_the_second()) } else { String::new() };
    format!("{} by {}{heard}", if vote.yes { "approved" } else { "denied" }, clip(&vote.by, 300))
}

/// The events as a table.
#[must_use]
pub fn text(events: &[EventLine], terminal: Terminal) -> String {
    let mut table = terminal.table(&["WHEN", "WHO", "WHAT"]);
    for event in events {
        table.add_row([cell(&event.at.to_the_second().to_string()), cell(&event.actor), cell(&event.what)]);
    }
    rendered(&table)
}

/// An event as a sentence.
fn words(event: &ActionEvent) -> String {
    match event {
        ActionEvent::Planned { action, first } => {
            let why = action.why.as_ref().map(|why| format!("; {}", why.line())).unwrap_or_default();
            planned(first) + &why
        }
        ActionEvent::Parked { reason, until } => format!("parked until {}: {}", until.to_the_second(), reason.line()),
        ActionEvent::Asked { reason, until } => {
            format!("asks a person, until {}: {}", until.to_the_second(), reason.line())
        }
        ActionEvent::Voted(vote) => voted(vote, vote.at),
        ActionEvent::ApprovalExpired => "nobody answered in time".to_owned(),
        ActionEvent::Begun { attempt, route, prior, .. } => {
            format!("call {attempt} begins, by {route}; before it: {prior}")
        }
        ActionEvent::NotSent { failure, again } => {
            format!("the call never left, again at {}: {}", again.to_the_second(), why(failure))
        }
        ActionEvent::Answered { correlation, look_at } => {
            let name = correlation.as_deref().map(|id| format!(" as {}", clip(id, 80))).unwrap_or_default();
            format!("accepted{name}; the first look is at {}", look_at.to_the_second())
        }
        ActionEvent::Refused { failure, again } => {
            format!("not now, again at {}: {}", again.to_the_second(), why(failure))
        }
        ActionEvent::AnswerLost { failure, conclusive_at, .. } => {
            let seen = failure.as_ref().map(|failure| format!(": {}", why(failure))).unwrap_or_default();
            let from = conclusive_at.to_the_second();
            format!("the answer was lost{seen}; from {from} on a look can prove that nothing happened")
        }
        ActionEvent::Looked { found, again } => {
            format!("looked: {found}; the next look is at {}", again.to_the_second())
        }
        ActionEvent::LookFailed { failure, again } => {
            format!("could not look, again at {}: {}", again.to_the_second(), why(failure))
        }
        ActionEvent::NothingHappened { found } => format!("the lost call did nothing: {found}; it may be made again"),
        ActionEvent::UndoWanted(UndoWanted { by, .. }) => {
            format!("{} wants it undone as soon as its effect is known", clip(by, 300))
        }
        ActionEvent::OperatorNeeded { reason, .. } => format!("a person must decide: {}", reason.line()),
        ActionEvent::Settled { outcome, follow } | ActionEvent::Turned { outcome, follow } => {
            let seen = outcome.proof.as_ref().map(|proof| format!(", seen: {proof}")).unwrap_or_default();
            // That it was seen is what the proof has just said.
            let is_new = seen.is_empty() || outcome.reason != Reason::Seen;
            let why = if is_new { format!("; {}", outcome.reason.line()) } else { String::new() };
            format!("{}{seen}{why}{}", outcome.kind, follow.map(after).unwrap_or_default())
        }
        ActionEvent::RevertPlanned { by } => format!("action {by} puts it back"),
    }
}

fn planned(first: &First) -> String {
    match first {
        First::Run => "planned, to run".to_owned(),
        First::Ask { reason, until } => {
            format!("planned; asks a person, until {}: {}", until.to_the_second(), reason.line())
        }
        First::Withhold { reason } => format!("withheld: {}", reason.line()),
        First::Simulate { reason, would } => format!("simulated: {}", reason.simulated(would.as_ref())),
    }
}

fn after(follow: Follow) -> String {
    match follow {
        Follow::LookAgain { at, .. } => format!("; looked at again after directory sync, at {}", at.to_the_second()),
        Follow::Revert { at } => format!("; put back at {}", at.to_the_second()),
    }
}

fn why(failure: &Failure) -> String {
    clip(&failure.to_string(), 300)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::{Story, bench, seconds};

    #[test]
    fn a_persons_word_has_the_time_at_which_it_was_given() {
        let told = |heard| {
            let vote = Vote { by: "eva".into(), yes: false, at: seconds(10) };
            let payload = serde_json::to_value(ActionEvent::Voted(vote)).unwrap();
            let (line, _) =
                line(Entry { name: "voted".into(), version: 1, actor: "eva".into(), at: seconds(heard), payload });
            (line.at, line.what)
        };
        assert_eq!(told(12), (seconds(10), "denied by eva".to_owned()));
        assert_eq!(told(3_600), (seconds(10), format!("denied by eva; heard at {}", seconds(3_600))));
    }

    #[test]
    fn the_reason_of_a_no_stands_with_what_happened_and_not_with_who() {
        let vote = Vote { by: "eva (on leave, see ticket)".into(), yes: false, at: seconds(10) };
        let (actor, at) = (vote.by.clone(), seconds(10));
        let payload = serde_json::to_value(ActionEvent::Voted(vote)).unwrap();
        let (line, _) = line(Entry { name: "voted".into(), version: 1, actor, at, payload });
        assert_eq!((line.actor.as_str(), line.what.as_str()), ("eva", "denied by eva (on leave, see ticket)"));
    }

    #[tokio::test]
    async fn events_are_told_in_order_with_who_caused_them() {
        let bench = bench();
        let journal = bench.open();
        let story = Story::whole(&journal).await;
        let events = history(&journal, story.done).await.unwrap();
        let names: Vec<&str> = events.iter().map(|event| event.event.as_str()).collect();
        assert_eq!(names, ["planned", "begun", "answered", "settled"]);
        insta::assert_snapshot!(text(&events, Terminal::paper(100)), @r#"
        WHEN                  WHO      WHAT
        1970-01-12T13:46:42Z  riposte  planned, to run
        1970-01-12T13:46:43Z  riposte  call 1 begins, by defender; before it: enabled (by Defender for
                                       Identity, mirror)
        1970-01-12T13:46:43Z  riposte  accepted as c-1; the first look is at 1970-01-12T13:46:43Z
        1970-01-12T13:46:44Z  riposte  effective, seen: disabled (by Defender for Identity, mirror); put
                                       back at 1970-01-12T21:46:44Z
        "#);
    }
}
