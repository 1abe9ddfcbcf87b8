//! How an action ended, and by what that was seen.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::observation::Observation;
use super::reason::Reason;

/// The end of an action. Only a look makes `effective`: an API that said 200 never does.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Which end.
    pub kind: OutcomeKind,
    /// What was seen, where something was looked at.
    pub proof: Option<Observation>,
    /// Why.
    pub reason: Reason,
}

/// The ends of an action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OutcomeKind {
    /// Would have run; its rule is in simulate, or this is a dry-run.
    Simulated,
    /// Seen in place after our call.
    Effective,
    /// Was in place before any call of this action.
    AlreadyEffective,
    /// Looked at, and the account says otherwise.
    Contradicted,
    /// Nobody could say.
    Unverified,
    /// The call was refused or could not be made.
    Failed,
    /// Not attempted.
    Withheld,
    /// A person said no.
    Denied,
    /// Nobody answered in time.
    Expired,
    /// Was effective, and has been put back.
    Reverted,
}

impl Outcome {
    /// Whether something of ours may be in place after it: what an undo is for.
    #[must_use]
    pub fn may_stand(&self) -> bool {
        match self.kind {
            OutcomeKind::Effective | OutcomeKind::Unverified | OutcomeKind::Contradicted => true,
            OutcomeKind::AlreadyEffective => self.reason == Reason::HeldAlready,
            OutcomeKind::Simulated
            | OutcomeKind::Failed
            | OutcomeKind::Withheld
            | OutcomeKind::Denied
            | OutcomeKind::Expired
            | OutcomeKind::Reverted => false,
        }
    }
}

impl OutcomeKind {
    /// All ends.
    pub const ALL: [Self; 10] = [
        Self::Simulated,
        Self::Effective,
        Self::AlreadyEffective,
        Self::Contradicted,
        Self::Unverified,
        Self::Failed,
        Self::Withheld,
        Self::Denied,
        Self::Expired,
        Self::Reverted,
    ];

    /// The word in lists and JSON.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Simulated => "simulated",
            Self::Effective => "effective",
            Self::AlreadyEffective => "already-effective",
            Self::Contradicted => "contradicted",
            Self::Unverified => "unverified",
            Self::Failed => "failed",
            Self::Withheld => "withheld",
            Self::Denied => "denied",
            Self::Expired => "expired",
            Self::Reverted => "reverted",
        }
    }
}

impl fmt::Display for OutcomeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}
