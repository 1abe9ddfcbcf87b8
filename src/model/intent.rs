//! The closed set of what a step can want, in the field's words.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::account::{Directory, NotAnIdentifier, OktaId, Sid};

/// What a step wants done to an account. Undoing has verbs of its own, so that an undo is an action
/// like any other: recorded, called, looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Verb {
    /// Disable the account in Active Directory.
    DisableAdUser,
    /// Enable it again.
    EnableAdUser,
    /// The password must be changed at the next logon.
    RequirePasswordChange,
    /// Set a password that nobody knows, and ask for another at the next sign-in.
    ScramblePassword,
    /// Tell Identity Protection that the user is compromised.
    MarkCompromised,
    /// Dismiss the user's risk.
    DismissRisk,
    /// Block sign-in in Entra.
    SuspendEntraUser,
    /// Allow sign-in again.
    RestoreEntraUser,
    /// Require sign-in again everywhere.
    RevokeSessions,
    /// Suspend in Okta.
    SuspendOktaUser,
    /// Unsuspend in Okta.
    UnsuspendOktaUser,
    /// Deactivate in Okta, which takes the user's apps and groups away for good.
    DeactivateOktaUser,
    /// Take a group membership away.
    RemoveFromGroup,
    /// Give it back.
    AddToGroup,
}

impl Verb {
    /// Every verb.
    pub const ALL: [Self; 14] = [
        Self::DisableAdUser,
        Self::EnableAdUser,
        Self::RequirePasswordChange,
        Self::ScramblePassword,
        Self::MarkCompromised,
        Self::DismissRisk,
        Self::SuspendEntraUser,
        Self::RestoreEntraUser,
        Self::RevokeSessions,
        Self::SuspendOktaUser,
        Self::UnsuspendOktaUser,
        Self::DeactivateOktaUser,
        Self::RemoveFromGroup,
        Self::AddToGroup,
    ];

    /// The word in rules, the journal and reports.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::DisableAdUser => "disable-ad-user",
            Self::EnableAdUser => "enable-ad-user",
            Self::RequirePasswordChange => "require-password-change",
            Self::ScramblePassword => "scramble-password",
            Self::MarkCompromised => "mark-compromised",
            Self::DismissRisk => "dismiss-risk",
            Self::SuspendEntraUser => "suspend-entra-user",
            Self::RestoreEntraUser => "restore-entra-user",
            Self::RevokeSessions => "revoke-sessions",
            Self::SuspendOktaUser => "suspend-okta-user",
            Self::UnsuspendOktaUser => "unsuspend-okta-user",
            Self::DeactivateOktaUser => "deactivate-okta-user",
            Self::RemoveFromGroup => "remove-from-group",
            Self::AddToGroup => "add-to-group",
        }
    }

    /// What puts things back as they were; `None` where nothing can.
    #[must_use]
    pub const fn inverse(self) -> Option<Self> {
        match self {
            Self::DisableAdUser => Some(Self::EnableAdUser),
            Self::EnableAdUser => Some(Self::DisableAdUser),
            Self::MarkCompromised => Some(Self::DismissRisk),
            Self::SuspendEntraUser => Some(Self::RestoreEntraUser),
            Self::RestoreEntraUser => Some(Self::SuspendEntraUser),
            Self::SuspendOktaUser => Some(Self::UnsuspendOktaUser),
            Self::UnsuspendOktaUser => Some(Self::SuspendOktaUser),
            Self::RemoveFromGroup => Some(Self::AddToGroup),
            Self::AddToGroup => Some(Self::RemoveFromGroup),
            Self::DismissRisk => Some(Self::MarkCompromised),
            Self::RequirePasswordChange | Self::ScramblePassword | Self::RevokeSessions | Self::DeactivateOktaUser => {
                None
            }
        }
    }

    /// Leaves a state that lasts and can be held by several alerts at once. Verbs that only make
    /// something happen (a revocation, a forced change) leave none.
    #[must_use]
    pub const fn contains(self) -> bool {
        match self {
            Self::DisableAdUser
            | Self::MarkCompromised
            | Self::SuspendEntraUser
            | Self::SuspendOktaUser
            | Self::DeactivateOktaUser
            | Self::RemoveFromGroup => true,
            Self::EnableAdUser
            | Self::RequirePasswordChange
            | Self::ScramblePassword
            | Self::DismissRisk
            | Self::RestoreEntraUser
            | Self::RevokeSessions
            | Self::UnsuspendOktaUser
            | Self::AddToGroup => false,
        }
    }

    /// Whether a playbook may name it. Verbs that only undo belong to `riposte undo` and reverts.
    #[must_use]
    pub const fn is_a_step(self) -> bool {
        match self {
            Self::DismissRisk | Self::RestoreEntraUser | Self::UnsuspendOktaUser | Self::AddToGroup => false,
            Self::DisableAdUser
            | Self::EnableAdUser
            | Self::RequirePasswordChange
            | Self::ScramblePassword
            | Self::MarkCompromised
            | Self::SuspendEntraUser
            | Self::RevokeSessions
            | Self::SuspendOktaUser
            | Self::DeactivateOktaUser
            | Self::RemoveFromGroup => true,
        }
    }
}

impl fmt::Display for Verb {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.word())
    }
}

/// The word is no intent.
#[derive(Debug, thiserror::Error)]
#[error("{0:?} is not an intent")]
pub struct NotAVerb(String);

impl FromStr for Verb {
    type Err = NotAVerb;
    fn from_str(word: &str) -> Result<Self, NotAVerb> {
        let found = Self::ALL.into_iter().find(|verb| verb.word() == word);
        found.ok_or_else(|| NotAVerb(super::text::clip(word, 60)))
    }
}

/// A group by its strong id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupRef {
    /// By objectSid.
    Ad(Sid),
    /// By Entra object id.
    Entra(Uuid),
    /// By Okta group id, `00g...`.
    Okta(OktaId),
}

impl GroupRef {
    /// The directory the group lives in.
    #[must_use]
    pub const fn directory(&self) -> Directory {
        match self {
            Self::Ad(_) => Directory::ActiveDirectory,
            Self::Entra(_) => Directory::Entra,
            Self::Okta(_) => Directory::Okta,
        }
    }
}

impl FromStr for GroupRef {
    type Err = NotAnIdentifier;
    /// A SID, a GUID (Entra) or an Okta group id; never a name.
    fn from_str(text: &str) -> Result<Self, NotAnIdentifier> {
        if let Ok(id) = Uuid::parse_str(text) {
            return Ok(Self::Entra(id));
        }
        if text.starts_with("00g") {
            return text.parse().map(Self::Okta);
        }
        text.parse().map(Self::Ad)
    }
}

impl fmt::Display for GroupRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ad(sid) => sid.fmt(f),
            Self::Entra(id) => id.fmt(f),
            Self::Okta(id) => id.fmt(f),
        }
    }
}

/// A verb with what it needs beside the account.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Intent {
    /// What.
    pub verb: Verb,
    /// The group, for the two group verbs.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub group: Option<GroupRef>,
}

impl Intent {
    /// A verb that needs nothing else.
    #[must_use]
    pub const fn of(verb: Verb) -> Self {
        Self { verb, group: None }
    }

    /// What puts it back.
    #[must_use]
    pub fn inverse(&self) -> Option<Self> {
        self.verb.inverse().map(|verb| Self { verb, group: self.group.clone() })
    }
}

impl fmt::Display for Intent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.group {
            Some(group) => write!(f, "{} {group}", self.verb),
            None => self.verb.fmt(f),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_word_reads_back_as_its_verb() {
        for verb in Verb::ALL {
            assert_eq!(verb.word().parse::<Verb>().unwrap(), verb);
        }
    }

    #[test]
    fn an_inverse_of_an_inverse_is_the_verb_where_both_exist() {
        for verb in Verb::ALL {
            if let Some(back) = verb.inverse().and_then(Verb::inverse) {
                assert_eq!(back, verb);
            }
        }
    }

    #[test]
    fn a_group_by_name_is_refused() {
        assert!("Domain Admins".parse::<GroupRef>().is_err());
        assert!("S-1-5-21-1-2-3-512".parse::<GroupRef>().is_ok());
    }
}
