//! From events to rows: the one place where states are stored and read back.

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::journal::StoredStream;
use crate::journal::batch::StreamWrite;
use crate::journal::lane::LaneKey;
use crate::model::id::ActionId;
use crate::model::time::At;
use crate::record::action::{ActionEvent, ActionRecord};
use crate::record::alert::{AlertEvent, AlertRecord};
use crate::record::event::{Entry, StreamKey};
use crate::record::note::{NoteEvent, NoteRecord};

use super::{Unreadable, unreadable};

/// The version of every payload's shape; raised with the first change that old readers cannot read.
const VERSION: u16 = 1;

/// Who causes what nobody asked for.
pub const RIPOSTE: &str = "riposte";

/// A stored thing with the number of its events.
#[derive(Debug, Clone)]
pub struct Stored<T> {
    /// The fold.
    pub record: T,
    /// How many events led to it.
    pub n: u64,
}

/// Reads a state back.
///
/// # Errors
/// When another version wrote it.
pub fn read<T: DeserializeOwned>(stream: &StoredStream) -> Result<Stored<T>, Unreadable> {
    let record = T::deserialize(&stream.state).map_err(|error| unreadable(&stream.key.to_string(), &error))?;
    Ok(Stored { record, n: stream.n })
}

/// Events of an action.
///
/// # Errors
/// Never in practice: the states are plain data.
pub fn action(
    record: &ActionRecord,
    expected: u64,
    events: &[ActionEvent],
    actor: &str,
    at: At,
) -> Result<StreamWrite, Unreadable> {
    let events = events.iter().map(|event| entry(event.name(), event, actor, at)).collect::<Result<_, _>>()?;
    Ok(StreamWrite {
        stream: StreamKey::action(record.action.id),
        lane: LaneKey::account(&record.action.key.account),
        expected,
        events,
        state: json(record)?,
        label: record.status(),
        open: record.is_open(),
    })
}

/// Events of an alert.
///
/// # Errors
/// Never in practice.
pub fn alert(record: &AlertRecord, expected: u64, events: &[AlertEvent], at: At) -> Result<StreamWrite, Unreadable> {
    let events = events.iter().map(|event| entry(event.name(), event, RIPOSTE, at)).collect::<Result<_, _>>()?;
    Ok(StreamWrite {
        stream: StreamKey::alert(record.id),
        lane: LaneKey::alert(record.id),
        expected,
        events,
        state: json(record)?,
        label: record.status(),
        open: record.is_open(),
    })
}

/// Events of a note.
///
/// # Errors
/// Never in practice.
pub fn note(record: &NoteRecord, expected: u64, events: &[NoteEvent], at: At) -> Result<StreamWrite, Unreadable> {
    let events = events.iter().map(|event| entry(event.name(), event, RIPOSTE, at)).collect::<Result<_, _>>()?;
    Ok(StreamWrite {
        stream: StreamKey::note(record.key.id()),
        lane: LaneKey::notes(record.key.alert),
        expected,
        events,
        state: json(record)?,
        label: record.state.word(),
        open: record.is_open(),
    })
}

/// The turn of an action that takes an administrator away.
///
/// # Errors
/// Never in practice.
pub fn turn(action: ActionId, expected: u64, at: At) -> Result<StreamWrite, Unreadable> {
    let last = serde_json::json!({ "last": action });
    Ok(StreamWrite {
        stream: StreamKey::administrators(),
        lane: LaneKey::chore("control"),
        expected,
        events: vec![entry("turn-taken", &last, RIPOSTE, at)?],
        state: last,
        label: "taken",
        open: false,
    })
}

fn entry(name: &str, event: &impl Serialize, actor: &str, at: At) -> Result<Entry, Unreadable> {
    Ok(Entry { name: name.to_owned(), version: VERSION, actor: actor.to_owned(), at, payload: json(event)? })
}

fn json(value: &impl Serialize) -> Result<Value, Unreadable> {
    serde_json::to_value(value).map_err(|error| unreadable("a state to be stored", &error))
}
