//! What happened to an action, in words.

use serde::{Deserialize as _, Serialize};

use crate::cli::report::{Terminal, cell, rendered};
use crate::journal::{Fault, Journal};
use crate::model::failure::Failure;
use crate::model::id::ActionId;
use crate::model::text::clip;
use crate::model::time::At;
use crate::record::action::{ActionEvent, First, Follow};
use crate::record::event::StreamKey;

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
    let line = |event: crate::journal::StoredEvent| EventLine {
        at: event.entry.at,
        actor: clip(&event.entry.actor, 80),
        what: ActionEvent::deserialize(&event.entry.payload)
            .map_or_else(|_| "another version of riposte wrote this event".to_owned(), |event| words(&event)),
        event: event.entry.name,
    };
    Ok(events.into_iter().map(line).collect())
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
        ActionEvent::Voted(vote) => {
            format!("{} by {}", if vote.yes { "approved" } else { "denied" }, clip(&vote.by, 300))
        }
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
        ActionEvent::OperatorNeeded { reason, .. } => format!("a person must decide: {}", reason.line()),
        ActionEvent::Settled { outcome, follow } | ActionEvent::Turned { outcome, follow } => {
            let seen = outcome.proof.as_ref().map(|proof| format!(", seen: {proof}")).unwrap_or_default();
            format!("{}{seen}; {}{}", outcome.kind, outcome.reason.line(), follow.map(after).unwrap_or_default())
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
        First::Simulate { reason, would: None } => format!("simulated: {}", reason.line()),
        First::Simulate { reason, would: Some(would) } => {
            format!("simulated: {}; it would have been held up: {}", reason.line(), would.line())
        }
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
    use crate::cli::testing::{Story, bench};

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
        1970-01-12T13:46:44Z  riposte  effective, seen: disabled (by Defender for Identity, mirror); seen:
                                       seen in place after the call; put back at 1970-01-12T21:46:44Z
        "#);
    }
}
