//! Lanes: the unit of mutual exclusion, lease, fence and schedule.

use std::fmt;
use std::time::Instant;

use crate::model::account::AccountRef;
use crate::model::alert::SourceKey;
use crate::model::id::AlertId;
use crate::model::incident::IncidentRef;
use crate::model::time::At;

/// What moves in a lane.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum LaneKind {
    /// A poller.
    Source,
    /// An alert on its way to a plan.
    Alert,
    /// Everything that happens to one account.
    Account,
    /// The notes of one alert, and the incident they go to.
    Incident,
    /// Housekeeping.
    Chore,
}

impl LaneKind {
    /// Every kind.
    pub const ALL: [Self; 5] = [Self::Source, Self::Alert, Self::Account, Self::Incident, Self::Chore];

    /// Room for so many of every kind.
    #[must_use]
    pub fn each(room: u32) -> [(Self, u32); 5] {
        Self::ALL.map(|kind| (kind, room))
    }

    /// The word in the journal.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Source => "source",
            Self::Alert => "alert",
            Self::Account => "account",
            Self::Incident => "incident",
            Self::Chore => "chore",
        }
    }
}

/// One lane.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct LaneKey {
    /// What moves in it.
    pub kind: LaneKind,
    /// Which one.
    pub key: String,
}

impl LaneKey {
    /// The lane of a source.
    #[must_use]
    pub fn source(source: SourceKey) -> Self {
        Self { kind: LaneKind::Source, key: source.to_string() }
    }

    /// The lane of an alert.
    #[must_use]
    pub fn alert(id: AlertId) -> Self {
        Self { kind: LaneKind::Alert, key: id.to_string() }
    }

    /// The lane of an account.
    #[must_use]
    pub fn account(account: &AccountRef) -> Self {
        Self { kind: LaneKind::Account, key: account.to_string() }
    }

    /// The lane of the notes of one alert.
    #[must_use]
    pub fn notes(alert: AlertId) -> Self {
        Self { kind: LaneKind::Incident, key: alert.to_string() }
    }

    /// The lane of an incident.
    #[must_use]
    pub fn incident(incident: &IncidentRef) -> Self {
        Self { kind: LaneKind::Incident, key: incident.to_string() }
    }

    /// The lane of a chore.
    #[must_use]
    pub fn chore(name: &str) -> Self {
        Self { kind: LaneKind::Chore, key: name.to_owned() }
    }
}

impl fmt::Display for LaneKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.word(), self.key)
    }
}

/// A lane that is ours until its lease ends. Not Clone: there is one holder.
#[derive(Debug)]
pub struct Claim {
    pub(in crate::journal) lane: LaneKey,
    pub(in crate::journal) fence: u64,
    pub(in crate::journal) ends: At,
    pub(in crate::journal) stop_sending: Instant,
    pub(in crate::journal) strikes: u32,
}

impl Claim {
    /// Which lane.
    #[must_use]
    pub const fn lane(&self) -> &LaneKey {
        &self.lane
    }

    /// When the lease ends, by the journal's clock.
    #[must_use]
    pub const fn ends(&self) -> At {
        self.ends
    }

    /// How often it was taken in a row without success, this time included.
    #[must_use]
    pub const fn strikes(&self) -> u32 {
        self.strikes
    }
}
