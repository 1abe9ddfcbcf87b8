//! The never-list: matched by person, after all of their accounts are known.

use crate::model::intent::Intent;
use crate::model::person::{Membership, Memberships, Person};
use crate::model::reason::{Protection, Reason};

use super::{Listed, Rails, administrators::last_of, builtin::builtin};

/// Why nobody touches this person, if so. Memberships that cannot be read withhold too: nobody knows
/// what they would say.
#[must_use]
pub fn protected(person: &Person, rails: &Rails) -> Option<Reason> {
    let listed = |list: &[Listed]| list.iter().any(|entry| entry.is_person(person));
    if let Some(why) = builtin(person) {
        return Some(Reason::Protected { why });
    }
    if listed(&rails.break_glass) {
        return Some(Reason::Protected { why: Protection::BreakGlass });
    }
    if rails.ourselves.iter().any(|id| Listed::Entra(*id).is_person(person)) {
        return Some(Reason::Protected { why: Protection::Ourselves });
    }
    let memberships = match &person.memberships {
        Memberships::Read(memberships) => memberships,
        Memberships::Unreadable(why) => return Some(Reason::MembershipUnreadable { why: why.clone() }),
    };
    if memberships.contains(&Membership::RunsRiposte) {
        return Some(Reason::Protected { why: Protection::Ourselves });
    }
    if let Some(role) = last_of(person) {
        return Some(Reason::Protected { why: Protection::LastAdministrator(role) });
    }
    if listed(&rails.approvers) || rails.approvers.iter().any(|entry| entry.is_group_of(person)) {
        return Some(Reason::Protected { why: Protection::Approver });
    }
    let group = rails.break_glass.iter().find(|entry| entry.is_group_of(person))?;
    Some(Reason::Protected { why: Protection::Group(print(group)) })
}

/// A group nobody is taken out of: one on the break-glass list, whose membership is protection itself, or of those who
/// may approve.
#[must_use]
pub fn protected_group(intent: &Intent, rails: &Rails) -> Option<Reason> {
    let group = intent.group.as_ref()?;
    let mut lists = rails.break_glass.iter().chain(&rails.approvers);
    let found = lists.any(|entry| entry.is_group(group));
    found.then(|| Reason::Protected { why: Protection::Group(group.to_string()) })
}

fn print(listed: &Listed) -> String {
    match listed {
        Listed::Upn(upn) => upn.to_string(),
        Listed::Sid(sid) => sid.to_string(),
        Listed::Entra(id) => id.to_string(),
        Listed::Okta(id) => id.to_string(),
    }
}
