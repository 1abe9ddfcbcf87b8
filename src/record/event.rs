//! The envelope of every event, and the names of streams.

use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::id::{ActionId, AlertId, NoteId};
use crate::model::time::At;

/// What a stream is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StreamKind {
    /// One alert.
    Alert,
    /// One action.
    Action,
    /// One note.
    Note,
    /// The kill switch and other things that concern more than one lane.
    Control,
}

impl StreamKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Alert, Self::Action, Self::Note, Self::Control];

    /// The word in the journal.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Alert => "alert",
            Self::Action => "action",
            Self::Note => "note",
            Self::Control => "control",
        }
    }
}

/// One stream.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct StreamKey {
    /// What it is about.
    pub kind: StreamKind,
    /// Which one.
    pub id: String,
}

impl StreamKey {
    /// The stream of an alert.
    #[must_use]
    pub fn alert(id: AlertId) -> Self {
        Self { kind: StreamKind::Alert, id: id.to_string() }
    }

    /// The stream of an action.
    #[must_use]
    pub fn action(id: ActionId) -> Self {
        Self { kind: StreamKind::Action, id: id.to_string() }
    }

    /// The stream of a note.
    #[must_use]
    pub fn note(id: NoteId) -> Self {
        Self { kind: StreamKind::Note, id: id.to_string() }
    }

    /// The stream of turns to contain somebody who administrates.
    #[must_use]
    pub fn administrators() -> Self {
        Self { kind: StreamKind::Control, id: "administrators".to_owned() }
    }
}

impl fmt::Display for StreamKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.word(), self.id)
    }
}

/// One event as it is written down. The payload is hashed as the text that is stored.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Entry {
    /// The event's name.
    pub name: String,
    /// The version of its payload's shape.
    pub version: u16,
    /// Who caused it: `riposte`, or a person.
    pub actor: String,
    /// When.
    pub at: At,
    /// What.
    pub payload: Value,
}
