//! Privileged accounts: a person decides. A compromised domain administrator must be containable,
//! but not by a machine alone.

use uuid::{Uuid, uuid};

use crate::model::account::{AccountRef, Sid};
use crate::model::person::{Membership, Memberships, Person};

use super::Rails;
use super::administrators::role_name;

/// Protected groups by RID (Microsoft: "Appendix C: Protected accounts and groups in Active
/// Directory", well-known SIDs): Domain Admins, Schema Admins, Enterprise Admins, Group Policy
/// Creator Owners, Cert Publishers, Key Admins, Enterprise Key Admins.
const DOMAIN_GROUPS: [u32; 7] = [512, 518, 519, 520, 517, 526, 527];

/// The same among built-in groups `S-1-5-32-...`: Administrators, Account, Server, Print and Backup
/// Operators, Replicator, Hyper-V Administrators.
const BUILTIN_GROUPS: [u32; 7] = [544, 548, 549, 550, 551, 552, 578];

/// RID of the built-in Administrator.
const ADMINISTRATOR: u32 = 500;

/// Role templates that give no power (Entra built-in roles reference): Directory Readers, User,
/// Guest User, Restricted Guest User.
const HARMLESS_ROLES: [Uuid; 4] = [
    uuid!("88d8e3e3-8f55-4a1e-953a-9b9898b8876b"),
    uuid!("a0b1b346-4d3e-4e8b-98f8-753987be4970"),
    uuid!("10dae51f-b6af-4016-8d66-8c2a99b929b3"),
    uuid!("2af84b1e-32c8-42b7-82bc-daa82404023b"),
];

/// Names for groups of which a source gives no SID. English only: where names are localised, list
/// the groups by SID in the settings.
const GROUP_NAMES: [&str; 15] = [
    "Domain Admins",
    "Enterprise Admins",
    "Schema Admins",
    "Administrators",
    "Account Operators",
    "Server Operators",
    "Print Operators",
    "Backup Operators",
    "Replicator",
    "Group Policy Creator Owners",
    "Cert Publishers",
    "Key Admins",
    "Enterprise Key Admins",
    "DnsAdmins",
    "Hyper-V Administrators",
];

/// The names of groups that have the same RID everywhere (Microsoft: "Well-known SIDs").
const WELL_KNOWN: [(u32, &str); 16] = [
    (512, "Domain Admins"),
    (513, "Domain Users"),
    (517, "Cert Publishers"),
    (518, "Schema Admins"),
    (519, "Enterprise Admins"),
    (520, "Group Policy Creator Owners"),
    (525, "Protected Users"),
    (526, "Key Admins"),
    (527, "Enterprise Key Admins"),
    (544, "Administrators"),
    (548, "Account Operators"),
    (549, "Server Operators"),
    (550, "Print Operators"),
    (551, "Backup Operators"),
    (552, "Replicator"),
    (578, "Hyper-V Administrators"),
];

/// How a group is called in English whose SID says which one it is in every domain.
pub(super) fn well_known_name(sid: &Sid) -> Option<&'static str> {
    let rid = sid.rid()?;
    let is_known = sid.is_domain_account() == (rid < 544) && (rid < 544 || sid.as_str().starts_with("S-1-5-32-"));
    WELL_KNOWN.iter().find(|(known, _)| is_known && *known == rid).map(|(_, name)| *name)
}

/// Why the person is privileged, if so.
#[must_use]
pub fn privileged(person: &Person, rails: &Rails) -> Option<String> {
    if rails.privileged.iter().any(|entry| entry.is_person(person)) {
        return Some("on the list of privileged accounts".to_owned());
    }
    if rails.privileged.iter().any(|entry| entry.is_group_of(person)) {
        return Some("in a group on the list of privileged accounts".to_owned());
    }
    let administrator = person.accounts.iter().any(|linked| match &linked.found.account {
        AccountRef::Ad(sid) => is_administrator(sid),
        AccountRef::Entra(_) | AccountRef::Okta { .. } => linked.found.sid.as_ref().is_some_and(is_administrator),
    });
    if administrator {
        return Some("the built-in Administrator".to_owned());
    }
    let Memberships::Read(groups) = &person.memberships else { return None };
    groups.iter().find_map(by_group)
}

fn is_administrator(sid: &Sid) -> bool {
    sid.is_domain_account() && sid.rid() == Some(ADMINISTRATOR)
}

fn by_group(group: &Membership) -> Option<String> {
    match group {
        Membership::AdGroup(sid) => is_protected_group(sid).then(|| format!("protected group {sid}")),
        Membership::AdGroupsUnknown => Some(
            "or not: its groups in Active Directory cannot be read, and Entra does not show built-in ones".to_owned(),
        ),
        Membership::TaggedSensitive => Some("tagged as sensitive by Defender for Identity".to_owned()),
        Membership::AdGroupNamed(name) => GROUP_NAMES
            .iter()
            .find(|known| name.eq_ignore_ascii_case(known))
            .map(|known| format!("protected group {known}")),
        Membership::EntraRole(role) => {
            (!HARMLESS_ROLES.contains(role)).then(|| format!("Entra role {}", role_name(*role)))
        }
        Membership::EntraRoleNamed(role) => (!role.eq_ignore_ascii_case("Directory Readers"))
            .then(|| format!("Entra role {}", crate::model::text::clip(role, 60))),
        Membership::OktaRole(role) => Some(format!("Okta role {}", crate::model::text::clip(role, 60))),
        // Nobody is asked about the last administrator or riposte's owners: they are never touched.
        Membership::LastOfRole(_)
        | Membership::RunsRiposte
        | Membership::EntraGroup(_)
        | Membership::OktaUnknown
        | Membership::OktaGroup(_) => None,
    }
}

fn is_protected_group(sid: &Sid) -> bool {
    let Some(rid) = sid.rid() else { return false };
    if sid.is_domain_account() {
        DOMAIN_GROUPS.contains(&rid)
    } else {
        sid.domain() == "S-1-5-32" && BUILTIN_GROUPS.contains(&rid)
    }
}
