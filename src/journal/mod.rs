//! What is known for certain: streams of events, lanes, and one write path.
//!
//! Every loop of the daemon is the same: claim lanes that are due, load, take a pure next step,
//! commit, release with the next due time. A lease is a due time in the future; a fence number makes
//! a late worker's write fail. Other lanes are influenced by signals and wakes only.
//!
//! The journal stores states and payloads as JSON that it does not understand; `record` does.

pub mod batch;
pub mod begun;
pub mod chain;
pub mod condition;
#[cfg(test)]
pub(crate) mod conformance;
pub mod copy;
pub mod lane;
mod nudge;
pub mod postgres;
pub mod removal;
pub mod seal;
mod sense;
pub mod sqlite;
#[cfg(test)]
pub(crate) mod testing;
pub mod verify;

use std::collections::BTreeMap;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::Value;

use crate::decide::cleared::Cleared;
use crate::model::id::{ActionId, AlertId, BootId, NoteId};
use crate::model::incident::IncidentRef;
use crate::model::time::At;
use crate::record::event::{Entry, StreamKey, StreamKind};
use batch::{Batch, EffectKey, Wake};
use begun::{Begun, BegunNote};
use chain::{Head, Link};
use lane::{Claim, Claimed, LaneKey, LaneKind};
use removal::Removal;
use seal::Sealed;

/// A fault of ours, or of what we stand on: acting stops.
#[derive(Debug, Clone, thiserror::Error)]
#[error("journal: {what}: {cause}")]
pub struct Fault {
    /// What could not be done.
    pub what: String,
    /// Why, and what to do about it.
    pub cause: String,
}

/// Why a journal could not be opened.
#[derive(Debug, Clone, thiserror::Error)]
pub enum OpenError {
    /// Its path, or what lies there, cannot be used: that is for whoever wrote the settings to change.
    #[error(transparent)]
    Unusable(Fault),
    /// The disk, the machine or its clock failed.
    #[error(transparent)]
    Failed(#[from] Fault),
}

/// Why a write did not happen.
#[derive(Debug, Clone, thiserror::Error)]
pub enum CommitError {
    /// The lease is over and somebody else may work here.
    #[error("the lane was taken over")]
    Fenced,
    /// The stream has other events than expected: decide again.
    #[error("{0} has moved on")]
    Moved(StreamKey),
    /// The name belongs to another alert: unify, then decide again.
    #[error("the name {value} belongs to alert {owner}")]
    AliasTaken {
        /// The name.
        value: String,
        /// Its alert.
        owner: AlertId,
    },
    /// The limit is used up.
    #[error("the limit {key} is used up until {frees}")]
    LimitReached {
        /// The limit's key.
        key: String,
        /// When there is room again at the earliest.
        frees: At,
    },
    /// The kill switch is on.
    #[error("paused: {0}")]
    Paused(String),
    /// The guardrails' slip is too old.
    #[error("the guardrails' facts are too old")]
    Stale,
    /// Somebody has said something about the lane meanwhile: hear it, then decide again.
    #[error("something was said about the lane that it has not heard")]
    Unheard,
    /// What was to be written makes no sense, and would not the next time: a mistake of ours about this one lane.
    /// Nothing of it was written.
    #[error(transparent)]
    Nonsense(Fault),
    /// The journal itself failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// A stream as it stands.
#[derive(Debug, Clone)]
pub struct StoredStream {
    /// Which.
    pub key: StreamKey,
    /// The lane that works on it.
    pub lane: LaneKey,
    /// How it stands, in one word; empty where it was written before there was one.
    pub label: String,
    /// How many events it has.
    pub n: u64,
    /// The fold.
    pub state: Value,
    /// Still has something to do.
    pub open: bool,
    /// When it began.
    pub opened_at: At,
    /// When it last changed.
    pub changed_at: At,
}

/// A stored event.
#[derive(Debug, Clone)]
pub struct StoredEvent {
    /// Its stream.
    pub stream: StreamKey,
    /// Its place in it, from 1.
    pub n: u64,
    /// The event.
    pub entry: Entry,
    /// The hash of the event before it in the stream, and its own.
    pub prev: String,
    /// Its own hash.
    pub hash: String,
}

/// An event with its place in the order in which all events were written, as it is stored.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Its place, from 1; there may be gaps.
    pub position: u64,
    /// Its stream.
    pub stream: StreamKey,
    /// The event.
    pub link: Link,
}

/// Where streams end, by their ids.
pub type Heads = Vec<(String, Head)>;

/// A message to a lane's owner: a vote, an undo. Unique by its source key, so that it counts once.
#[derive(Debug, Clone)]
pub struct Signal {
    /// Where it comes from, uniquely (`cli:<uuid>`, `withdraw:<action>:<revision>`).
    pub source_key: String,
    /// For whom.
    pub lane: LaneKey,
    /// What.
    pub body: Value,
    /// When it was sent.
    pub at: At,
}

/// What a claimed lane has to work on.
#[derive(Debug, Clone)]
pub struct Loaded {
    /// Its open streams.
    pub streams: Vec<StoredStream>,
    /// Signals nobody has dealt with, oldest first.
    pub signals: Vec<Signal>,
    /// How often it has been woken; `release` compares it.
    pub nudges: u64,
}

/// A lasting effect and its holders.
#[derive(Debug, Clone)]
pub struct Effect {
    /// Which.
    pub key: EffectKey,
    /// The actions that hold it, first holder first.
    pub holders: Vec<ActionId>,
}

/// That an action holds a lasting effect.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hold {
    /// Its place in the order in which they came; there may be gaps.
    pub number: i64,
    /// Which effect.
    pub key: EffectKey,
    /// Which action, as it is stored.
    pub action: String,
}

/// Which streams to read. Empty fields do not restrict.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// Of which kind.
    pub kind: Option<StreamKind>,
    /// Of which lanes.
    pub lanes: Vec<LaneKey>,
    /// Only open ones.
    pub open_only: bool,
    /// Changed at or after.
    pub changed_since: Option<At>,
    /// Changed before. Where streams are read in the order of ids it does not restrict.
    pub changed_before: Option<At>,
    /// At most this many, newest first.
    pub limit: Option<u32>,
    /// Only open ones that stand like this.
    pub label: Option<&'static str>,
    /// Of one kind, in the order of ids instead, only those behind this id: for reading all of them in parts.
    pub after_id: Option<String>,
    /// Of one kind, in the order of ids instead, only those whose id begins like this: found through an index.
    pub id_prefix: Option<String>,
    /// Where they are read in the order of ids: only those in whose state, as it is stored, these words stand. For what
    /// no index knows; every stream of the kind is looked at, and none is read but these.
    pub words: Option<String>,
}

impl Filter {
    /// Whether streams are read in the order of ids, of which kind then, and behind which of them.
    fn by_id(&self) -> Option<(StreamKind, &str)> {
        let wanted = self.after_id.is_some() || self.id_prefix.is_some();
        self.kind.filter(|_| wanted).map(|kind| (kind, self.after_id.as_deref().unwrap_or_default()))
    }

    /// The ids that fit: from a text up to before another, by their bytes.
    fn ids(&self) -> (&str, String) {
        let prefix = self.id_prefix.as_deref().unwrap_or_default();
        (prefix, format!("{prefix}{}", char::MAX))
    }
}

/// Of which streams it is counted how they stand.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Among {
    /// Those that still have something to do.
    Open,
    /// Those that changed at or after a moment.
    ChangedSince(At),
    /// Those to which an event of this name was added at or after a moment.
    With(&'static str, At),
}

/// How many lanes stand where.
#[derive(Debug, Clone, Default)]
pub struct LaneCounts {
    /// Lanes that could be worked on now, per kind.
    pub due: BTreeMap<LaneKind, u64>,
    /// Lanes with a due time in the future, per kind; claimed ones among them.
    pub waiting: BTreeMap<LaneKind, u64>,
    /// The earliest due time.
    pub next_due: Option<At>,
}

/// Streams that came to their end since a moment.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Ended {
    /// How many.
    pub count: u64,
    /// When the first stream of the kind moved since then, ended or not.
    pub first: Option<At>,
}

/// A lane that failed too often and waits for a person.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Quarantined {
    /// Which.
    pub lane: LaneKey,
    /// What its last pass failed with.
    pub why: String,
    /// Since when.
    pub since: At,
}

/// A pass over a lane that failed.
#[derive(Debug, Clone)]
pub struct FailedPass {
    /// With what, for people.
    pub why: String,
    /// When to try again, unless it has failed too often by now.
    pub again: At,
    /// Lanes to wake if it has failed too often: those that tell people.
    pub tell: Vec<Wake>,
}

/// The kill switch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pause {
    /// Who pulled it.
    pub by: String,
    /// Why.
    pub reason: String,
    /// When.
    pub at: At,
}

impl Pause {
    /// Who paused, and why.
    #[must_use]
    pub fn line(&self) -> String {
        format!("by {}: {}", self.by, self.reason)
    }
}

/// The durable record. Object-safe, without transactions or connections in its signatures, so that
/// SQLite and PostgreSQL can both stand behind it.
#[async_trait]
pub trait Journal: Send + Sync {
    /// This run's id.
    fn boot(&self) -> BootId;

    /// The clock by which leases and due times are judged.
    fn now(&self) -> At;

    /// Makes a lane due at `at` if it does not exist yet, or rests with nothing due, or is in quarantine; one
    /// that is due or worked on stays as it is.
    async fn ensure_lane(&self, lane: &LaneKey, at: At) -> Result<(), Fault>;

    /// Makes a lane due at `at` at the latest; one that is worked on looks again when it is given back.
    async fn wake(&self, lane: &LaneKey, at: At) -> Result<(), Fault>;

    /// Takes due lanes, of each kind up to so many as there is room for, earliest due first. A lane that this very
    /// process has in hand is not taken again, even when its lease is over: the process knows better than the clock
    /// that somebody works there.
    async fn claim(&self, room: &[(LaneKind, u32)], lease: Duration) -> Result<Claimed, Fault>;

    /// Lets the lease last for `lease` from now on, as long as nobody else has taken the lane.
    async fn extend(&self, claim: &Claim, lease: Duration) -> Result<(), CommitError>;

    /// What the lane has to work on.
    async fn load(&self, claim: &Claim) -> Result<Loaded, Fault>;

    /// Writes a step's results.
    async fn commit(&self, claim: &Claim, batch: Batch) -> Result<(), CommitError>;

    /// Writes the intention to act: kill switch, limits, fence and freshness are checked in the same
    /// transaction. `batch` holds the event that says so.
    async fn begin(&self, claim: &Claim, go: Cleared, attempt: u32, batch: Batch) -> Result<Begun, CommitError>;

    /// Writes the intention to comment. `batch` holds the event that says so.
    async fn begin_note(&self, claim: &Claim, note: NoteToWrite, batch: Batch) -> Result<BegunNote, CommitError>;

    /// Seals the events written since the last seal, some at a time; see [`seal`].
    async fn seal(&self, claim: &Claim) -> Result<Sealed, CommitError>;

    /// Gives the lane back: due at `due`, or now when it was woken since `load` (`nudges`), or never.
    async fn release(&self, claim: Claim, nudges: u64, due: Option<At>) -> Result<(), Fault>;

    /// Gives the lane back after a pass that failed: a strike. After five in a row the lane is put into quarantine,
    /// where nothing claims it; `true` when that happens now.
    async fn fail(&self, claim: Claim, failed: FailedPass) -> Result<bool, Fault>;

    /// The lanes in quarantine.
    async fn quarantined(&self) -> Result<Vec<Quarantined>, Fault>;

    /// Lets a lane out of quarantine, due at once; recorded with who did it. `false` when it is not there.
    async fn free(&self, lane: &LaneKey, actor: &str) -> Result<bool, Fault>;

    /// Leaves a message for a lane and wakes it, out of quarantine too. `false` when it was left before.
    async fn signal(&self, signal: Signal) -> Result<bool, Fault>;

    /// The messages to a lane that its owner has not dealt with, oldest first.
    async fn signals(&self, lane: &LaneKey) -> Result<Vec<Signal>, Fault>;

    /// Removes what streams say, all of them or none: see [`removal`]. One that has other events than expected, that is
    /// open or holds an effect makes it `Moved`.
    async fn remove(&self, removal: Removal) -> Result<(), CommitError>;

    /// One stream. Here and below, one whose content was removed is none, but for its events, its chain and its head.
    async fn stream(&self, key: &StreamKey) -> Result<Option<StoredStream>, Fault>;

    /// Some streams as they stand at one moment, in this order; those that do not exist are left out.
    async fn together(&self, keys: &[StreamKey]) -> Result<Vec<StoredStream>, Fault>;

    /// Streams, newest first.
    async fn streams(&self, filter: &Filter) -> Result<Vec<StoredStream>, Fault>;

    /// The events of one stream, in order.
    async fn events(&self, key: &StreamKey) -> Result<Vec<StoredEvent>, Fault>;

    /// Events in the order in which they were written, those behind a place in it.
    async fn placed(&self, after: u64, limit: u32) -> Result<Vec<Placed>, Fault>;

    /// The events of one stream as they are stored, with what its row says about their end; from one moment.
    async fn chain(&self, key: &StreamKey) -> Result<(Vec<Link>, Option<Head>), Fault>;

    /// Where the streams of a kind end by their own word, in the order of ids, those behind an id.
    async fn heads(&self, kind: StreamKind, after_id: &str, limit: u32) -> Result<Heads, Fault>;

    /// Which alerts have these names.
    async fn aliases(&self, values: &[String]) -> Result<Vec<(String, AlertId)>, Fault>;

    /// The lasting effects on these accounts.
    async fn effects(&self, accounts: &[String]) -> Result<Vec<Effect>, Fault>;

    /// Who holds which effect, in the order in which they came, those behind a number; before the first is `i64::MIN`.
    async fn holds(&self, after: i64, limit: u32) -> Result<Vec<Hold>, Fault>;

    /// Where a source stands.
    async fn cursor(&self, source: &str) -> Result<Option<Value>, Fault>;

    /// How many charges a limit has since a moment, but for what was charged for one action or account.
    async fn charged(&self, key: &str, since: At, but: &str) -> Result<u32, Fault>;

    /// When the next lane of one of these kinds is due. A lane that another process works on counts with
    /// the end of its lease, one that this process works on does not count.
    async fn next_due(&self, kinds: &[LaneKind]) -> Result<Option<At>, Fault>;

    /// When a lane is due, or its lease ends.
    async fn due(&self, lane: &LaneKey) -> Result<Option<At>, Fault>;

    /// How the lanes stand.
    async fn lanes(&self) -> Result<LaneCounts, Fault>;

    /// How many streams of a kind stand how, by their labels.
    async fn labels(&self, kind: StreamKind, among: Among) -> Result<BTreeMap<String, u64>, Fault>;

    /// How many streams of a kind have ended since a moment.
    async fn ended(&self, kind: StreamKind, since: At) -> Result<Ended, Fault>;

    /// The kill switch.
    async fn paused(&self) -> Result<Option<Pause>, Fault>;

    /// Pulls the kill switch, or lets go (`None`); recorded as an event of the control stream. When
    /// it is pulled and this returns, no new begin follows; letting go makes the lanes of parked actions due.
    async fn set_pause(&self, pause: Option<Pause>, actor: &str) -> Result<(), Fault>;

    /// Ends when something was written that can make a lane due, here or by another process. Register
    /// before looking.
    async fn nudged(&self);

    /// Why nothing can be read or written at this moment, in words that go on from "the journal"; nothing while it answers.
    /// Whoever calls meanwhile waits.
    fn away(&self) -> Option<String> {
        None
    }

    /// The process ends: from here on a journal that is away is not waited for, and one that has just failed to answer no
    /// longer than by a command.
    fn hurry(&self) {}
}

/// A note with its incident and text, fixed before posting.
#[derive(Debug, Clone)]
pub struct NoteToWrite {
    /// Derived.
    pub id: NoteId,
    /// Where it goes.
    pub incident: IncidentRef,
    /// What it says.
    pub text: String,
}
