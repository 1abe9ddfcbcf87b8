//! Everything a decision needs, gathered.

use crate::model::account::Role;
use crate::model::alert::NamedAccount;
use crate::model::person::{Memberships, Person};
use crate::model::reason::Reason;
use crate::model::time::At;
use crate::playbook::AccountFacts;
use crate::playbook::Entry;
use crate::record::alert::AlertRecord;

use super::plan::asks;
use super::rails::{Rails, builtin::builtin};
use crate::model::account::Directory;

/// One alert with who is in it.
#[derive(Debug, Clone)]
pub struct Case<'a> {
    /// The alert.
    pub alert: &'a AlertRecord,
    /// What the catalogue says of its kind.
    pub entry: &'a Entry,
    /// The accounts it names.
    pub accounts: Vec<CaseAccount>,
    /// The present moment.
    pub now: At,
}

/// An account of an alert, and who it is.
#[derive(Debug, Clone)]
pub struct CaseAccount {
    /// As the alert names it.
    pub named: NamedAccount,
    /// What it is to the alert.
    pub role: Role,
    /// The person, or why nobody knows.
    pub who: Result<Person, Reason>,
}

/// What conditions see of a person.
#[must_use]
pub fn facts(person: &Person, role: Role, rails: &Rails) -> AccountFacts {
    let has = |directory| person.account_in(directory).is_some();
    let founds = || person.accounts.iter().map(|linked| &linked.found);
    let service =
        founds().any(|found| found.name.as_deref().is_some_and(|name| name.to_ascii_lowercase().starts_with("svc")));
    AccountFacts {
        privileged: asks(person, rails).is_some() || matches!(person.memberships, Memberships::Unreadable(_)),
        hybrid: person.is_hybrid(),
        enabled: founds().find_map(|found| found.enabled),
        has_active_directory: has(Directory::ActiveDirectory) || person.is_hybrid(),
        has_entra: has(Directory::Entra),
        has_okta: (has(Directory::Okta) || !person.is_unknown_in_okta()).then_some(has(Directory::Okta)),
        is_computer: matches!(builtin(person), Some(crate::model::reason::Protection::Computer)),
        is_service_account: service,
        guest: founds().any(|found| found.guest),
        synced: person.account_in(Directory::Entra).and_then(|found| found.synced),
        department: founds().find_map(|found| found.department.clone()),
        domain: founds().find_map(|found| found.domain.clone()),
        upn: founds().find_map(|found| found.upn.as_ref().map(ToString::to_string)),
        role: Some(role),
        display_name: founds().find_map(|found| found.display_name.clone()),
    }
}
