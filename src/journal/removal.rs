//! The end of what streams say: payloads and states go, the chains stay.
//!
//! The hashes of a chain are over the digests of payloads, so a chain holds without them, and so do the seals over it.
//! The last event of such a stream says who removed it and why. Nobody reads such a stream as an alert, an action or a
//! note any more; names of alerts stay, so that an alert which is shown again after years is still no new one.

use std::time::Duration;

use serde_json::{Value, json};

use super::batch::{NewAlias, StreamWrite};
use super::lane::LaneKey;
use super::{Fault, Journal};
use crate::model::time::At;
use crate::record::event::{Entry, StreamKey};

/// The label of a stream of which only the chain is left, and the name of the event that says so.
pub(super) const REMOVED: &str = "removed";

/// What is charged on limits counts for a day at most; this long afterwards nobody asks for it.
pub(super) const CHARGES_COUNT_FOR: Duration = Duration::from_secs(8 * 86_400);

/// What is to be removed, all of it or nothing.
#[derive(Debug, Clone, Default)]
pub struct Removal {
    /// The streams, with the number of events that each had when it was found to have ended.
    pub streams: Vec<(StreamKey, u64)>,
    /// Names of these alerts that say who was concerned.
    pub names: Vec<NewAlias>,
    /// Who wants it.
    pub actor: String,
    /// Why.
    pub why: String,
}

/// What the journal says of a stream of which only the chain is left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Removed {
    /// When it was removed.
    pub at: At,
    /// By whom.
    pub actor: String,
    /// Why.
    pub why: String,
}

impl Removed {
    /// When, by whom and why.
    #[must_use]
    pub fn line(&self) -> String {
        format!("its record was removed on {} by {}: {}", self.at.to_the_second(), self.actor, self.why)
    }
}

impl Removal {
    /// The last event of one of the streams.
    pub(super) fn write(&self, stream: &StreamKey, expected: u64, now: At) -> StreamWrite {
        let payload = json!({"why": self.why});
        let event = Entry { name: REMOVED.to_owned(), version: 1, actor: self.actor.clone(), at: now, payload };
        StreamWrite {
            stream: stream.clone(),
            lane: LaneKey::chore(REMOVED),
            expected,
            events: vec![event],
            state: Value::Null,
            label: REMOVED,
            open: false,
        }
    }
}

/// What is said of a stream whose content was removed; nothing of one that was not, or that never was.
///
/// # Errors
/// When the journal cannot be read.
pub async fn removed(journal: &dyn Journal, stream: &StreamKey) -> Result<Option<Removed>, Fault> {
    let last = journal.events(stream).await?.pop();
    Ok(last.map(|event| event.entry).filter(|entry| entry.name == REMOVED).map(|entry| {
        let why = entry.payload.get("why").and_then(Value::as_str).unwrap_or_default().to_owned();
        Removed { at: entry.at, actor: entry.actor, why }
    }))
}
