//! Lanes: the unit of mutual exclusion, lease, fence and schedule.

use std::fmt;
use std::str::FromStr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Instant;

use crate::model::account::AccountRef;
use crate::model::alert::SourceKey;
use crate::model::id::AlertId;
use crate::model::text::pseudonym;
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
    pub fn source(source: &SourceKey) -> Self {
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

    /// The lane of a chore.
    #[must_use]
    pub fn chore(name: &str) -> Self {
        Self { kind: LaneKind::Chore, key: name.to_owned() }
    }

    /// The lane as logs may name it: an account under a pseudonym.
    #[must_use]
    pub fn for_logs(&self) -> String {
        match self.kind {
            LaneKind::Account => format!("{}/{}", self.kind.word(), pseudonym(&self.key)),
            LaneKind::Source | LaneKind::Alert | LaneKind::Incident | LaneKind::Chore => self.to_string(),
        }
    }
}

impl fmt::Display for LaneKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.kind.word(), self.key)
    }
}

/// The text names no lane.
#[derive(Debug, thiserror::Error)]
#[error("a lane is written KIND/KEY, as `riposte status` shows it; KIND is source, alert, account, incident or chore")]
pub struct NotALane;

impl FromStr for LaneKey {
    type Err = NotALane;

    fn from_str(text: &str) -> Result<Self, NotALane> {
        let (word, key) = text.trim().split_once('/').filter(|(_, key)| !key.is_empty()).ok_or(NotALane)?;
        let kind = LaneKind::ALL.into_iter().find(|kind| kind.word() == word).ok_or(NotALane)?;
        Ok(Self { kind, key: key.to_owned() })
    }
}

/// A lane that is ours until its lease ends, or longer if it is extended. Not Clone: there is one holder.
#[derive(Debug)]
pub struct Claim {
    pub(in crate::journal) lane: LaneKey,
    pub(in crate::journal) fence: u64,
    pub(in crate::journal) strikes: u32,
    lease: Mutex<Lease>,
}

/// Lanes that were taken, and when to ask again.
#[derive(Debug, Default)]
pub struct Claimed {
    /// The lanes, of every kind the earliest due first.
    pub claims: Vec<Claim>,
    /// When the next lane is due that there was room for, if nothing is written meanwhile. Kinds whose room is used up
    /// are left out, as are lanes that this process has in hand.
    pub next_due: Option<At>,
}

impl Claimed {
    /// The kinds of which there was room for more than was taken.
    pub(in crate::journal) fn not_full(claims: &[Claim], room: &[(LaneKind, u32)]) -> Vec<LaneKind> {
        let taken = |kind| claims.iter().filter(|claim| claim.lane.kind == kind).count();
        let is_full = |(kind, most): &(LaneKind, u32)| usize::try_from(*most).is_ok_and(|most| taken(*kind) >= most);
        room.iter().filter(|wanted| !is_full(wanted)).map(|(kind, _)| *kind).collect()
    }
}

/// How long a claim holds.
#[derive(Debug, Clone, Copy)]
pub(in crate::journal) struct Lease {
    /// By the journal's clock.
    pub(in crate::journal) ends: At,
    /// By the machine's monotonic clock: nothing may leave after this.
    pub(in crate::journal) stop_sending: Instant,
}

impl Claim {
    pub(in crate::journal) const fn new(lane: LaneKey, fence: u64, strikes: u32, lease: Lease) -> Self {
        Self { lane, fence, strikes, lease: Mutex::new(lease) }
    }

    /// Which lane.
    #[must_use]
    pub const fn lane(&self) -> &LaneKey {
        &self.lane
    }

    /// When the lease ends, by the journal's clock.
    #[must_use]
    pub fn ends(&self) -> At {
        self.lease().ends
    }

    /// How many passes over it have failed in a row before this one.
    #[must_use]
    pub const fn strikes(&self) -> u32 {
        self.strikes
    }

    pub(in crate::journal) fn lease(&self) -> Lease {
        *self.locked()
    }

    pub(in crate::journal) fn renew(&self, lease: Lease) {
        *self.locked() = lease;
    }

    fn locked(&self) -> MutexGuard<'_, Lease> {
        self.lease.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lane_is_read_back_as_it_is_written() {
        let lane = LaneKey { kind: LaneKind::Source, key: "log-analytics/7".into() };
        assert_eq!(lane.to_string().parse::<LaneKey>().unwrap(), lane);
        for text in ["", "account", "account/", "/x", "Account/x", "walk/x"] {
            assert!(text.parse::<LaneKey>().is_err(), "{text}");
        }
    }
}
