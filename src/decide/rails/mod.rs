//! Guardrails: what can withhold an action or turn it into a question. One file each.

pub mod administrators;
pub mod builtin;
pub mod privileged;
pub mod protected;

use std::time::Duration;

use uuid::Uuid;

use crate::model::account::{AccountRef, OktaId, Sid, Upn};
use crate::model::intent::GroupRef;
use crate::model::person::{Found, Membership, Memberships, Person};

/// The settings of the guardrails, as plain values.
#[derive(Debug, Clone)]
pub struct Rails {
    /// Never touched: people, and groups whose members are never touched.
    pub break_glass: Vec<Listed>,
    /// A person decides about these, beside the built-in privileged groups and roles.
    pub privileged: Vec<Listed>,
    /// Who approves; never touched.
    pub approvers: Vec<Listed>,
    /// riposte's own identities; never touched.
    pub ourselves: Vec<Uuid>,
    /// Act on alerts that Defender itself does not confirm.
    pub unwitnessed_allowed: bool,
    /// How long Defender's confirmation is waited for.
    pub witness_wait: Duration,
    /// How long missing entities are waited for.
    pub entities_wait: Duration,
    /// Older alerts are withheld.
    pub max_age: Duration,
    /// Alerts that name more accounts are withheld whole.
    pub max_accounts: usize,
    /// The same thing is not done to the same account again within this time.
    pub cooldown: Duration,
    /// How long a question stands.
    pub approval_ttl: Duration,
    /// Limits over all rules.
    pub limits: Limits,
    /// Works in the global cloud (some routes exist only there).
    pub global_cloud: bool,
    /// Changes nothing.
    pub dry_run: bool,
}

impl Rails {
    /// Somebody is on a list by an Okta id alone, so that without Okta nobody knows who that is.
    #[must_use]
    pub fn name_okta(&self) -> bool {
        let lists = [&self.break_glass, &self.privileged, &self.approvers];
        lists.into_iter().flatten().any(|listed| matches!(listed, Listed::Okta(_)))
    }
}

/// How much may be done.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// Actions in any hour.
    pub per_hour: u32,
    /// Actions in any day.
    pub per_day: u32,
    /// Of these, kept for alerts of High severity.
    pub high_reserve: u32,
    /// Accounts for one detector after which its rules ask instead of acting.
    pub burst: u32,
    /// Within this window.
    pub burst_window: Duration,
}

/// Somebody, or a group, on a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Listed {
    /// By user principal name or Okta login.
    Upn(Upn),
    /// By SID: an account or a group.
    Sid(Sid),
    /// By Entra object id: a user, a group, or a role's template.
    Entra(Uuid),
    /// By Okta id: a user or a group.
    Okta(OktaId),
}

impl Listed {
    /// The person has an account with this id.
    #[must_use]
    pub fn is_person(&self, person: &Person) -> bool {
        person.accounts.iter().any(|linked| self.is_account(&linked.found))
    }

    /// The person is in the group with this id.
    #[must_use]
    pub fn is_group_of(&self, person: &Person) -> bool {
        let Memberships::Read(groups) = &person.memberships else { return false };
        groups.iter().any(|group| match (self, group) {
            (Self::Sid(sid), Membership::AdGroup(other)) => sid == other,
            // `IdentityInfo` gives names only, and the built-in groups are synced nowhere.
            (Self::Sid(sid), Membership::AdGroupNamed(name)) => {
                privileged::well_known_name(sid).is_some_and(|known| name.eq_ignore_ascii_case(known))
            }
            (Self::Entra(id), Membership::EntraGroup(other) | Membership::EntraRole(other)) => id == other,
            (Self::Okta(id), Membership::OktaGroup(other)) => id.as_str() == other,
            (Self::Upn(_) | Self::Sid(_) | Self::Entra(_) | Self::Okta(_), _) => false,
        })
    }

    /// It is this group.
    #[must_use]
    pub fn is_group(&self, group: &GroupRef) -> bool {
        match (self, group) {
            (Self::Sid(sid), GroupRef::Ad(other)) => sid == other,
            (Self::Entra(id), GroupRef::Entra(other)) => id == other,
            (Self::Okta(id), GroupRef::Okta(other)) => id == other,
            (Self::Upn(_) | Self::Sid(_) | Self::Entra(_) | Self::Okta(_), _) => false,
        }
    }

    fn is_account(&self, found: &Found) -> bool {
        match (self, &found.account) {
            (Self::Upn(upn), _) => found.upn.as_ref() == Some(upn),
            (Self::Sid(sid), _) => found.sid.as_ref() == Some(sid) || found.account == AccountRef::Ad(sid.clone()),
            (Self::Entra(id), _) => found.entra_id == Some(*id) || found.account == AccountRef::Entra(*id),
            (Self::Okta(id), AccountRef::Okta { id: other, .. }) => id == other,
            (Self::Okta(_), AccountRef::Ad(_) | AccountRef::Entra(_)) => false,
        }
    }
}
