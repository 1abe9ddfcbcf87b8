//! What one transaction of the journal writes: the single write path.

use serde_json::Value;

use super::Signal;
use super::lane::LaneKey;
use crate::model::action::LimitClaim;
use crate::model::id::{ActionId, AlertId};
use crate::model::time::At;
use crate::record::event::{Entry, StreamKey};

/// Everything a lane's step changes, all or nothing.
#[derive(Debug, Clone, Default)]
pub struct Batch {
    /// Events, with the state they lead to.
    pub writes: Vec<StreamWrite>,
    /// Names by which alerts will be found again.
    pub aliases: Vec<NewAlias>,
    /// Where a source stands.
    pub cursor: Option<CursorWrite>,
    /// Lanes that have something to do, and when.
    pub wakes: Vec<Wake>,
    /// Messages to the owners of other lanes, which wake them; one that was left before stays as it is.
    pub signals: Vec<Signal>,
    /// Signals that are dealt with.
    pub taken: Vec<String>,
    /// Who holds which effect.
    pub effects: Vec<EffectChange>,
    /// Actions whose charge on their limits is given back, because the call provably never left.
    pub uncharge: Vec<ActionId>,
}

impl Batch {
    /// The lanes that it disturbs beside its own.
    pub(in crate::journal) fn others(&self) -> impl Iterator<Item = &LaneKey> {
        self.wakes.iter().map(|wake| &wake.lane).chain(self.signals.iter().map(|signal| &signal.lane))
    }
}

/// Appends to one stream. `expected` is the number of events it must have; otherwise nothing of the
/// batch is written and the answer is `Moved`.
#[derive(Debug, Clone)]
pub struct StreamWrite {
    /// Which stream.
    pub stream: StreamKey,
    /// The lane that works on it; kept from the first write.
    pub lane: LaneKey,
    /// Compare-and-set: the number of events before this write, 0 for a new stream.
    pub expected: u64,
    /// What happened, never empty.
    pub events: Vec<Entry>,
    /// The fold after these events.
    pub state: Value,
    /// How it stands, in one word: what is counted without understanding the state.
    pub label: &'static str,
    /// Still has something to do.
    pub open: bool,
}

/// A name for an alert. A name that another alert has already makes the commit `AliasTaken`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NewAlias {
    /// The name, compared exactly.
    pub value: String,
    /// Whose.
    pub alert: AlertId,
}

/// A source's new position: JSON that `respond` understands.
#[derive(Debug, Clone)]
pub struct CursorWrite {
    /// The source's key.
    pub source: String,
    /// Its position.
    pub position: Value,
}

/// Something to do in a lane. A lane that is being worked on is not disturbed: it looks again before
/// it rests.
#[derive(Debug, Clone)]
pub struct Wake {
    /// Which lane.
    pub lane: LaneKey,
    /// When at the earliest.
    pub at: At,
}

/// The key of a lasting effect: one row per (account, verb, target), whatever the number of alerts.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct EffectKey {
    /// `AccountRef` as text.
    pub account: String,
    /// The containing verb's word.
    pub verb: String,
    /// The group, or empty.
    pub target: String,
}

/// A change of who holds an effect.
#[derive(Debug, Clone)]
pub enum EffectChange {
    /// The action holds the effect (first holder or one more).
    Hold {
        /// Which effect.
        key: EffectKey,
        /// Who.
        action: ActionId,
    },
    /// The action no longer holds it.
    Release {
        /// Which effect.
        key: EffectKey,
        /// Who.
        action: ActionId,
    },
}

/// What `begin` charges beside the batch.
#[derive(Debug, Clone)]
pub struct Charge {
    /// For which action: one charge however many attempts.
    pub action: ActionId,
    /// On which limits.
    pub limits: Vec<LimitClaim>,
}
