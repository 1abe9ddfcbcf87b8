//! What was seen when somebody looked at an account.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::time::At;

/// One look at one account: the prior state before a call, the proof after it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Observation {
    /// When the answer came.
    pub at: At,
    /// Who said it.
    pub by: Witness,
    /// What it said.
    pub fact: Fact,
}

/// Who can say how an account stands, and with what authority.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Witness {
    /// Graph `users/{id}`: the authority for Entra accounts.
    Entra,
    /// Graph `identityProtection/riskyUsers/{id}`: the authority for risk.
    IdentityProtection,
    /// Okta's API: the authority for Okta accounts.
    Okta,
    /// Okta's system log.
    OktaLog,
    /// A domain controller over LDAP.
    DomainController,
    /// Defender for Identity's `identityAccounts`: follows Active Directory.
    Defender,
    /// `IdentityDirectoryEvents`, or Windows events in `SecurityEvent`.
    DirectoryEvents,
    /// The `IdentityInfo` table: follows the directories.
    IdentityInfo,
}

/// How much an observation weighs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Strength {
    /// Another directory that follows the authority.
    Mirror,
    /// An audit record of this change.
    Event,
    /// The authority itself.
    Directory,
}

impl Witness {
    /// The authority it speaks with.
    #[must_use]
    pub const fn strength(self) -> Strength {
        match self {
            Self::Entra | Self::IdentityProtection | Self::Okta | Self::DomainController => Strength::Directory,
            Self::OktaLog | Self::DirectoryEvents => Strength::Event,
            Self::Defender | Self::IdentityInfo => Strength::Mirror,
        }
    }
}

/// What an account looked like.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Fact {
    /// May it sign in (AD enabled, Entra `accountEnabled`)?
    Enabled(bool),
    /// The password's state as far as it could be read.
    Password {
        /// It never expires, so asking for a change does nothing (0x10000 in userAccountControl).
        never_expires: Option<bool>,
        /// The latest audit record of a forced change or reset, if any was found.
        changed: Option<At>,
    },
    /// Identity Protection's view.
    Risk {
        /// `riskState`, as the vendor spells it.
        state: String,
        /// `riskLevel`, as the vendor spells it.
        level: String,
    },
    /// Sessions begun before this moment are worthless (`signInSessionsValidFromDateTime`).
    SessionsValidFrom(Option<At>),
    /// The latest `user.session.clear` in Okta's log, if any was found.
    SessionsCleared(Option<At>),
    /// Okta's user status, as the vendor spells it.
    OktaStatus(String),
    /// Is it a direct member of the group?
    Member(bool),
    /// The account is not there.
    Absent,
}

/// An observation in one line for comments and lists, without names.
impl fmt::Display for Observation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.fact {
            Fact::Enabled(true) => f.write_str("enabled")?,
            Fact::Enabled(false) => f.write_str("disabled")?,
            Fact::Password { changed: Some(at), .. } => {
                write!(f, "password change recorded at {}", at.to_the_second())?;
            }
            Fact::Password { never_expires: Some(true), .. } => f.write_str("password never expires")?,
            Fact::Password { .. } => f.write_str("no password change recorded")?,
            Fact::Risk { state, level } => write!(f, "risk {} ({})", clipped(state), clipped(level))?,
            Fact::SessionsValidFrom(Some(at)) => write!(f, "sessions valid from {}", at.to_the_second())?,
            Fact::SessionsValidFrom(None) => f.write_str("no sessions revoked")?,
            Fact::SessionsCleared(Some(at)) => write!(f, "sessions cleared at {}", at.to_the_second())?,
            Fact::SessionsCleared(None) => f.write_str("no cleared sessions recorded")?,
            Fact::OktaStatus(status) => write!(f, "status {}", clipped(status))?,
            Fact::Member(true) => f.write_str("member")?,
            Fact::Member(false) => f.write_str("not a member")?,
            Fact::Absent => f.write_str("not there")?,
        }
        write!(f, " (by {}, {})", self.by, self.by.strength())
    }
}

impl fmt::Display for Witness {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Entra => "Entra",
            Self::IdentityProtection => "Identity Protection",
            Self::Okta => "Okta",
            Self::OktaLog => "Okta's log",
            Self::DomainController => "domain controller",
            Self::Defender => "Defender for Identity",
            Self::DirectoryEvents => "directory events",
            Self::IdentityInfo => "IdentityInfo",
        })
    }
}

impl fmt::Display for Strength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mirror => "mirror",
            Self::Event => "event",
            Self::Directory => "directory",
        })
    }
}

fn clipped(word: &str) -> String {
    super::text::clip(word, 40)
}
