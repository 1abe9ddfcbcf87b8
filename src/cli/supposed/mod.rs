//! Cases that no directory was asked about: an alert as it would first be seen, and people as somebody tells them.

pub(super) mod people;

use crate::decide::case::{Case, CaseAccount};
use crate::decide::roles::roles;
use crate::model::account::AccountHint;
use crate::model::alert::Sighting;
use crate::model::id::AlertId;
use crate::model::person::Person;
use crate::model::reason::Reason;
use crate::model::scope::TenantKey;
use crate::model::time::At;
use crate::playbook::Entry;
use crate::record::alert::AlertRecord;

/// The alert as it would stand right after its source showed it.
pub(super) fn as_seen(tenant: TenantKey, sighting: Sighting, now: At) -> AlertRecord {
    let name = sighting.aliases.first().cloned().unwrap_or_default();
    AlertRecord::seen(AlertId::derive(&[&tenant.to_string(), &name]), tenant, sighting, now)
}

/// The case that a decision gets; `who` says who an account is, or why nobody knows.
pub(super) fn case<'a>(
    alert: &'a AlertRecord,
    entry: &'a Entry,
    who: &dyn Fn(&AccountHint) -> Result<Person, Reason>,
    now: At,
) -> Case<'a> {
    // A list of accounts that cannot be read is withheld whole by the plan, which asks the alert again.
    let named = alert.accounts().ok().flatten().unwrap_or_default();
    let roles = roles(alert, entry, &named);
    let accounts = named.into_iter().zip(roles).map(|(named, role)| {
        let who = who(&named.hint);
        CaseAccount { named, role, who }
    });
    Case { alert, entry, accounts: accounts.collect(), now }
}
