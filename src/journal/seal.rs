//! Seals over all events of a journal.
//!
//! The chain of a stream cannot show that events are missing at its end, nor that a whole stream is. So all events,
//! in the order in which they were written, lead to one hash, the root. From time to time the root is recorded as
//! an event of its own and published as a log line. Whoever has kept a published root can be shown
//! that everything up to then is still there and unchanged.

use serde::{Deserialize, Serialize};

use super::chain::{ALGORITHM, START, digest};
use crate::record::event::{StreamKey, StreamKind};

/// The root of all events up to one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Seal {
    /// The last event it covers, by its place in the order in which events were written.
    pub position: u64,
    /// How many events it covers.
    pub events: u64,
    /// Their root, in hexadecimal digits.
    pub root: String,
}

/// How many events there may be at most under one step: a seal is part of a write, and must not hold the others up.
pub const AT_ONCE: u32 = 2_000;

/// What a try to seal came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sealed {
    /// The newest seal, if there is any.
    pub seal: Option<Seal>,
    /// It was made by this try.
    pub new: bool,
    /// There are more events than one step seals.
    pub more: bool,
}

impl Default for Seal {
    /// Over nothing.
    fn default() -> Self {
        Self { position: 0, events: 0, root: START.to_owned() }
    }
}

impl Seal {
    /// With one event more.
    #[must_use]
    pub fn over(&self, position: u64, event_hash: &str) -> Self {
        let root = digest(&[ALGORITHM, "root", &self.root, event_hash]);
        Self { position, events: self.events + 1, root }
    }
}

/// The stream of the seals; its state is the newest one.
#[must_use]
pub fn stream() -> StreamKey {
    StreamKey { kind: StreamKind::Control, id: "seal".to_owned() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn root(hashes: &[&str]) -> String {
        let all = (1..).zip(hashes);
        all.fold(Seal::default(), |seal, (position, hash)| seal.over(position, hash)).root
    }

    #[test]
    fn a_root_depends_on_every_event_and_on_their_order() {
        let whole = root(&["a", "b", "c"]);
        assert_eq!(whole, root(&["a", "b", "c"]));
        for other in [&["a", "b"][..], &["b", "a", "c"], &["a", "b", "d"], &["a", "bc"], &["a", "b", "c", ""]] {
            assert_ne!(whole, root(other));
        }
    }
}
