//! Accounts a directory lives by: never touched, and no setting can change that.

use uuid::uuid;

use crate::model::account::{AccountRef, Sid};
use crate::model::person::{Found, Membership, Memberships, Person};
use crate::model::reason::Protection;

/// RID of krbtgt (MS-ADTS, well-known RIDs).
const KRBTGT: u32 = 502;

/// Template of the role "Directory Synchronization Accounts" (Entra built-in roles reference).
const DIRECTORY_SYNC_ROLE: uuid::Uuid = uuid!("d29b2b05-8046-44ba-8758-1e26182fcf32");

/// Groups by RID whose members are machines or the directory itself: Domain Controllers, Read-only
/// Domain Controllers, Enterprise Read-only Domain Controllers, Domain Computers.
const MACHINE_GROUPS: [u32; 4] = [516, 521, 498, 515];

/// Why the person is one of the directory's own, if so.
#[must_use]
pub fn builtin(person: &Person) -> Option<Protection> {
    person.accounts.iter().find_map(|linked| by_account(&linked.found)).or_else(|| by_membership(person))
}

fn by_account(found: &Found) -> Option<Protection> {
    let own_sid = match &found.account {
        AccountRef::Ad(sid) => Some(sid),
        AccountRef::Entra(_) | AccountRef::Okta { .. } => None,
    };
    let sid = own_sid.or(found.sid.as_ref());
    if sid.is_some_and(|sid| !sid.is_domain_account() || sid.rid() == Some(KRBTGT)) {
        return Some(Protection::BuiltIn);
    }
    let name = found.name.as_deref().unwrap_or_default();
    let login = found.upn.as_ref().map_or("", |upn| upn.name());
    // Machine accounts, trusts and managed service accounts all end in a dollar sign.
    if name.ends_with('$') || login.ends_with('$') {
        return Some(Protection::Computer);
    }
    // The names that Entra Connect gives its accounts (Entra Connect: accounts and permissions).
    let sync = |name: &str| {
        let lower = name.to_ascii_lowercase();
        ["sync_", "msol_", "aad_", "adtoaadsyncserviceaccount", "adsyncmsa", "azureadssoacc"]
            .iter()
            .any(|start| lower.starts_with(start))
    };
    if sync(name) || sync(login) {
        return Some(Protection::DirectorySync);
    }
    (name.eq_ignore_ascii_case("krbtgt") || login == "krbtgt").then_some(Protection::BuiltIn)
}

fn by_membership(person: &Person) -> Option<Protection> {
    let Memberships::Read(groups) = &person.memberships else { return None };
    groups.iter().find_map(|group| match group {
        Membership::EntraRole(role) if *role == DIRECTORY_SYNC_ROLE => Some(Protection::DirectorySync),
        Membership::EntraRoleNamed(role) if role.eq_ignore_ascii_case("Directory Synchronization Accounts") => {
            Some(Protection::DirectorySync)
        }
        Membership::AdGroup(sid) if sid.is_domain_account() && machine_group(sid) => Some(Protection::Computer),
        Membership::EntraRole(_)
        | Membership::EntraRoleNamed(_)
        | Membership::AdGroup(_)
        | Membership::AdGroupNamed(_)
        | Membership::AdGroupsUnknown
        | Membership::TaggedSensitive
        | Membership::EntraGroup(_)
        | Membership::LastOfRole(_)
        | Membership::RunsRiposte
        | Membership::OktaUnknown
        | Membership::OktaGroup(_)
        | Membership::OktaRole(_) => None,
    })
}

fn machine_group(sid: &Sid) -> bool {
    sid.rid().is_some_and(|rid| MACHINE_GROUPS.contains(&rid))
}
