//! The accounts of one human or service, joined over the directories.

use std::collections::BTreeSet;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::account::{AccountRef, Directory, Sid, Upn};

/// How Defender for Identity addresses an account in `invokeAction`. The two ids differ in every
/// documented sample; neither is derived from the other.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct DefenderHandle {
    /// The `identityAccounts` id, in the path.
    pub identity: String,
    /// `accounts[].identifier`, in the body.
    pub account: String,
}

/// One account as a directory described it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Found {
    /// Its canonical id.
    pub account: AccountRef,
    /// Which directory answer it came from, for the evidence of a link.
    pub said_by: super::failure::Provider,
    /// UPN, or the Okta login.
    pub upn: Option<Upn>,
    /// sAMAccountName.
    pub name: Option<String>,
    /// Domain, as the answer spells it.
    pub domain: Option<String>,
    /// What people call it. Hostile text.
    pub display_name: Option<String>,
    /// The on-premises SID this account says it is synced with (or its own).
    pub sid: Option<Sid>,
    /// The Entra object id it says it is joined with (or its own).
    pub entra_id: Option<Uuid>,
    /// Whether it may sign in.
    pub enabled: Option<bool>,
    /// Its attributes are mastered in Active Directory (`onPremisesSyncEnabled`).
    pub synced: Option<bool>,
    /// Department, for conditions.
    pub department: Option<String>,
    /// A guest of another tenant.
    pub guest: bool,
    /// Password is set not to expire, where an answer says so.
    pub password_never_expires: Option<bool>,
    /// How Defender for Identity addresses it.
    pub handle: Option<DefenderHandle>,
}

impl Found {
    /// An account of which nothing but its id is known.
    #[must_use]
    pub const fn bare(account: AccountRef, said_by: super::failure::Provider) -> Self {
        Self {
            account,
            said_by,
            upn: None,
            name: None,
            domain: None,
            display_name: None,
            sid: None,
            entra_id: None,
            enabled: None,
            synced: None,
            department: None,
            guest: false,
            password_never_expires: None,
            handle: None,
        }
    }

    /// The words a person would use for it.
    #[must_use]
    pub fn label(&self) -> String {
        let text = match (&self.upn, &self.domain, &self.name) {
            (Some(upn), ..) => upn.to_string(),
            (None, Some(domain), Some(name)) => format!("{domain}\\{name}"),
            (None, None, Some(name)) => name.clone(),
            (None, _, None) => self.account.to_string(),
        };
        super::text::clip(&text, 120)
    }
}

/// A question to a directory about one account.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum LookupKey {
    /// By objectSid.
    Sid(Sid),
    /// By Entra object id.
    EntraId(Uuid),
    /// By user principal name (Okta: login).
    Upn(Upn),
    /// By sAMAccountName within a DNS domain (from the configured forest map).
    NameInDomain {
        /// sAMAccountName.
        name: String,
        /// DNS domain.
        domain: String,
    },
    /// By Okta user id.
    OktaId(super::account::OktaId),
}

/// A group or role an account is in, directly or through others.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Membership {
    /// A group synced from Active Directory, by SID.
    AdGroup(Sid),
    /// A group of which only the name is known (the `IdentityInfo` table gives no more).
    AdGroupNamed(String),
    /// Nobody could say which groups of Active Directory the account is in. Entra shows synced groups only,
    /// and the built-in ones (Domain Admins ...) are never synced.
    AdGroupsUnknown,
    /// Defender for Identity has tagged the account as sensitive: by hand, or because it is in a sensitive group of Active
    /// Directory, also through other groups (Microsoft: "Defender for Identity entity tags", default sensitive entities).
    TaggedSensitive,
    /// An Entra group by object id.
    EntraGroup(Uuid),
    /// An Entra directory role by template id.
    EntraRole(Uuid),
    /// An Entra role of which only the name is known.
    EntraRoleNamed(String),
    /// An Entra directory role by template id, of which nobody else is left who may sign in.
    LastOfRole(Uuid),
    /// Those who run riposte: its own service principal, and the owners of its application.
    RunsRiposte,
    /// Okta could not be asked: nobody knows the account there, its groups and its roles.
    OktaUnknown,
    /// An Okta group by id.
    OktaGroup(String),
    /// An Okta administrator role by its type, `SUPER_ADMIN` ...
    OktaRole(String),
}

/// What could be read about memberships. Unreadable is not empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Memberships {
    /// All of them, as far as the directories say.
    Read(BTreeSet<Membership>),
    /// They could not be read; the sentence says why.
    Unreadable(String),
}

/// A person: accounts that strong identifiers join.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// The accounts, each directory's at most once.
    pub accounts: Vec<Linked>,
    /// Groups and roles over all accounts.
    pub memberships: Memberships,
}

/// One account of a person with the reason why it is theirs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Linked {
    /// The account.
    pub found: Found,
    /// Why it belongs to this person: `sid S-1-5-...`, `same UPN` ...
    pub evidence: String,
}

impl Person {
    /// The account in a directory.
    #[must_use]
    pub fn account_in(&self, directory: Directory) -> Option<&Found> {
        self.accounts.iter().map(|linked| &linked.found).find(|found| found.account.directory() == directory)
    }

    /// Lives in Active Directory and in Entra, with AD as the master; whether or not somebody shows the account in AD.
    #[must_use]
    pub fn is_hybrid(&self) -> bool {
        self.account_in(Directory::Entra).is_some_and(|entra| entra.synced == Some(true))
    }

    /// Lives in Active Directory, where nobody shows the account.
    #[must_use]
    pub fn is_hidden_in_ad(&self) -> bool {
        self.is_hybrid() && self.account_in(Directory::ActiveDirectory).is_none()
    }

    /// Okta could not be asked about them.
    #[must_use]
    pub fn is_unknown_in_okta(&self) -> bool {
        matches!(&self.memberships, Memberships::Read(all) if all.contains(&Membership::OktaUnknown))
    }

    /// The words a person would use for them.
    #[must_use]
    pub fn label(&self) -> String {
        let best = self.accounts.iter().find(|linked| linked.found.upn.is_some()).or(self.accounts.first());
        best.map_or_else(|| "nobody".to_owned(), |linked| linked.found.label())
    }
}
