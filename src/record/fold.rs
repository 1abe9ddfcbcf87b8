//! What events make of a thing, from the first to the last. A state is stored beside them, so that nobody has to do this
//! to work; whoever doubts a state does.
//!
//! An event that was written once leads to the same state for ever: how a version of a payload is applied does not change.

use serde::Deserialize as _;

use super::action::{ActionEvent, ActionRecord, Step};
use super::alert::{AlertEvent, AlertRecord};
use super::event::Entry;
use super::note::{NoteEvent, NoteRecord};
use crate::model::id::AlertId;
use crate::model::scope::TenantKey;

/// Events that lead nowhere.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("event {n}: {why}")]
pub struct Unfoldable {
    /// Which of them, from 1.
    pub n: usize,
    /// Why.
    pub why: String,
}

/// An alert.
///
/// # Errors
/// When an event cannot be read, or cannot follow those before it.
pub fn alert(id: AlertId, tenant: TenantKey, events: &[Entry]) -> Result<AlertRecord, Unfoldable> {
    each(events, |before: Option<AlertRecord>, entry| {
        let event = AlertEvent::deserialize(&entry.payload).map_err(|error| error.to_string())?;
        match (before, &event) {
            (Some(record), _) => Ok(record.apply(&event)),
            (None, AlertEvent::Seen { sighting }) => Ok(AlertRecord::seen(id, tenant, (**sighting).clone(), entry.at)),
            (None, AlertEvent::Unreadable { item }) => Ok(AlertRecord::unreadable(id, tenant, item, entry.at)),
            (None, _) => Err(format!("an alert does not begin with {}", event.name())),
        }
    })
}

/// An action.
///
/// # Errors
/// When an event cannot be read, or cannot follow those before it.
pub fn action(events: &[Entry]) -> Result<ActionRecord, Unfoldable> {
    each(events, |before: Option<ActionRecord>, entry| match action_after(before.clone(), entry)? {
        Step::To(record) => Ok(*record),
        Step::Moot(why) => before.ok_or_else(|| why.to_owned()),
    })
}

/// What one event makes of an action, or of none.
///
/// # Errors
/// Why it cannot be read, or cannot follow those before it.
pub fn action_after(before: Option<ActionRecord>, entry: &Entry) -> Result<Step, String> {
    let event = ActionEvent::deserialize(&entry.payload).map_err(|error| error.to_string())?;
    match (before, event) {
        (Some(record), event) => record.apply(&event, entry.at).map_err(|illegal| illegal.to_string()),
        (None, ActionEvent::Planned { action, first }) => {
            Ok(Step::To(Box::new(ActionRecord::planned(*action, first, entry.at))))
        }
        (None, event) => Err(format!("an action does not begin with {}", event.name())),
    }
}

/// A note.
///
/// # Errors
/// When an event cannot be read, or cannot follow those before it.
pub fn note(events: &[Entry]) -> Result<NoteRecord, Unfoldable> {
    each(events, |before, entry| {
        let event = NoteEvent::deserialize(&entry.payload).map_err(|error| error.to_string())?;
        NoteRecord::apply(before, &event, entry.at)
            .ok_or_else(|| format!("a note does not begin with {}", event.name()))
    })
}

fn each<T>(events: &[Entry], step: impl Fn(Option<T>, &Entry) -> Result<T, String>) -> Result<T, Unfoldable> {
    let mut folded = None;
    for (n, entry) in (1..).zip(events) {
        folded = Some(step(folded, entry).map_err(|why| Unfoldable { n, why })?);
    }
    folded.ok_or_else(|| Unfoldable { n: 1, why: "there is none".to_owned() })
}
