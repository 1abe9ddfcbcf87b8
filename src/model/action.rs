//! An action: one intent on one account for one alert. The unit that is recorded, run, looked at
//! and undone.

use std::fmt;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::account::{AccountRef, Upn};
use super::alert::Severity;
use super::id::{ActionId, AlertId};
use super::intent::Intent;
use super::offer::Route;
use super::person::DefenderHandle;
use super::reason::Reason;
use super::scope::TenantKey;
use super::time::At;

/// What is done to whom for which alert. Rule and step are reasons, not parts: renaming a rule never
/// acts again. The round goes up only after an undo, or when an operator asks.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct ActionKey {
    /// The tenant.
    pub tenant: TenantKey,
    /// For which alert.
    pub alert: AlertId,
    /// What.
    pub intent: Intent,
    /// To which account.
    pub account: AccountRef,
    /// Which time.
    pub round: u16,
    /// Puts back what this action did.
    pub reverts: Option<ActionId>,
}

impl ActionKey {
    /// The id that every replica derives from the key.
    #[must_use]
    pub fn id(&self) -> ActionId {
        let reverts = self.reverts.map(|id| id.to_string()).unwrap_or_default();
        ActionId::derive(&[
            &self.tenant.to_string(),
            &self.alert.to_string(),
            self.intent.verb.word(),
            &self.intent.group.as_ref().map(ToString::to_string).unwrap_or_default(),
            &self.account.to_string(),
            &self.round.to_string(),
            &reverts,
        ])
    }
}

/// An action as it was planned. It never changes after that; what happens to it are events.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Action {
    /// Derived from the key.
    pub id: ActionId,
    /// The key.
    pub key: ActionKey,
    /// How far it may go by itself.
    pub mode: Mode,
    /// Which rules want it, and by which step.
    pub wanted_by: Vec<WantedBy>,
    /// Why it exists beside the rules (an undo, the end of a lease).
    pub why: Option<Reason>,
    /// By which routes, best first; never empty.
    pub routes: Vec<Route>,
    /// What must have ended before it begins.
    pub after: Vec<After>,
    /// Which limits it is charged to.
    pub limits: Vec<LimitClaim>,
    /// How the routes address the account, and what people call it.
    pub subject: Subject,
    /// The alert's severity, for reserves.
    pub severity: Severity,
    /// Not begun after this.
    pub expires: At,
    /// Put back this long after it became effective.
    #[serde(default, with = "seconds")]
    pub revert_after: Option<Duration>,
    /// AD is the authority over this Entra account, so an effect there can be overwritten by sync.
    pub hybrid: bool,
}

/// How far a rule may go by itself. There is no default but simulate.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Mode {
    /// Says what it would do.
    Simulate,
    /// Asks a person first.
    Approve,
    /// Acts.
    Enforce,
}

impl fmt::Display for Mode {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Simulate => "simulate",
            Self::Approve => "approve",
            Self::Enforce => "enforce",
        })
    }
}

/// A rule's wish for an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct WantedBy {
    /// The rule.
    pub rule: String,
    /// Its playbook.
    pub playbook: String,
    /// The step's place in it, from 1.
    pub step: usize,
}

/// An action waits for another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct After {
    /// For which.
    pub action: ActionId,
    /// For what of it.
    pub needs: Needs,
}

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Needs {
    /// Its call was answered, or it ended, however.
    Answered,
    /// It ended well.
    Effective,
}

/// A claim on a limit, charged when the first attempt begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LimitClaim {
    /// The limit's key: `rule:dcsync/day`, `all/hour` ...
    pub key: String,
    /// At most this many within the window.
    pub limit: u32,
    /// The sliding window.
    #[serde(with = "whole_seconds")]
    pub window: Duration,
    /// What is counted once, however many actions there are on it: the account, where accounts are counted.
    /// Otherwise each action counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub once_for: Option<String>,
}

/// How an account is addressed on the wire and named to people.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The canonical id.
    pub account: AccountRef,
    /// UPN or login.
    pub upn: Option<Upn>,
    /// What people call it.
    pub label: String,
    /// For the Defender route.
    pub handle: Option<DefenderHandle>,
    /// Ids of the person's other accounts, for reading events that name them otherwise.
    pub also: Vec<AccountRef>,
}

mod seconds {
    use super::Duration;
    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[expect(clippy::ref_option, reason = "serde calls it so")]
    pub(super) fn serialize<S: Serializer>(value: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        value.map(|d| d.as_secs()).serialize(to)
    }
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        Ok(Option::<u64>::deserialize(from)?.map(Duration::from_secs))
    }
}

mod whole_seconds {
    use super::Duration;
    use serde::{Deserialize, Deserializer, Serializer};

    pub(super) fn serialize<S: Serializer>(value: &Duration, to: S) -> Result<S::Ok, S::Error> {
        to.serialize_u64(value.as_secs())
    }
    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Duration, D::Error> {
        u64::deserialize(from).map(Duration::from_secs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::intent::Verb;

    fn key() -> ActionKey {
        ActionKey {
            tenant: TenantKey(uuid::Uuid::nil()),
            alert: AlertId::derive(&["a"]),
            intent: Intent::of(Verb::DisableAdUser),
            account: AccountRef::Ad("S-1-5-21-1-2-3-4".parse().unwrap()),
            round: 1,
            reverts: None,
        }
    }

    #[test]
    fn every_part_of_the_key_makes_another_action() {
        let base = key();
        let others = [
            ActionKey { round: 2, ..key() },
            ActionKey { alert: AlertId::derive(&["b"]), ..key() },
            ActionKey { intent: Intent::of(Verb::EnableAdUser), ..key() },
            ActionKey { account: AccountRef::Ad("S-1-5-21-1-2-3-5".parse().unwrap()), ..key() },
            ActionKey { reverts: Some(base.id()), ..key() },
        ];
        for other in others {
            assert_ne!(other.id(), base.id());
        }
        assert_eq!(key().id(), base.id());
    }
}
