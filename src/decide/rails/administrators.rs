//! The last administrators: whoever is the only enabled member of an Entra role is not contained, or
//! nobody would be left to undo it.

use uuid::{Uuid, uuid};

use crate::model::person::{Membership, Memberships, Person};

/// Roles that only look, or have no power at all (Entra built-in roles reference). Every other role
/// counts, also those that are newer than this list.
const ONLY_LOOK: [Uuid; 13] = [
    // Directory Readers, User, Guest User, Restricted Guest User.
    uuid!("88d8e3e3-8f55-4a1e-953a-9b9898b8876b"),
    uuid!("a0b1b346-4d3e-4e8b-98f8-753987be4970"),
    uuid!("10dae51f-b6af-4016-8d66-8c2a99b929b3"),
    uuid!("2af84b1e-32c8-42b7-82bc-daa82404023b"),
    // Global, Security, Reports, Usage Summary Reports, Message Center, Message Center Privacy Reader.
    uuid!("f2ef992c-3afb-46b9-b7cf-a126ee74c451"),
    uuid!("5d6b6bb7-de71-4623-b4af-96380a352509"),
    uuid!("4a5d8f65-41da-4de4-8968-e035b65339cf"),
    uuid!("75934031-6c7e-415a-99d7-48dbd49e875e"),
    uuid!("790c1fb9-7f7d-4f88-86a1-ef1f95c05c1b"),
    uuid!("ac16e43d-7b2d-40e0-ac05-243ff356ab5b"),
    // Attribute Assignment and Definition Reader, Insights Analyst.
    uuid!("ffd52fa5-98dc-465c-991d-fc073eb59f8f"),
    uuid!("1d336d2c-4ae8-42ef-9711-b3604ce3fc2c"),
    uuid!("25df335f-86eb-4119-b717-0ff02de207e9"),
];

/// Names of the roles that Microsoft labels as privileged, for people who read a reason (Entra built-in
/// roles reference).
const NAMES: [(&str, Uuid); 20] = [
    ("Global Administrator", uuid!("62e90394-69f5-4237-9190-012177145e10")),
    ("Privileged Role Administrator", uuid!("e8611ab8-c189-46e8-94e1-60213ab1f814")),
    ("Privileged Authentication Administrator", uuid!("7be44c8a-adaf-4e2a-84d6-ab2649e08a13")),
    ("Authentication Administrator", uuid!("c4e39bd9-1100-46d3-8c65-fb160da0071f")),
    ("Authentication Policy Administrator", uuid!("0526716b-113d-4c15-b2c8-68e3c22b9f80")),
    ("Security Administrator", uuid!("194ae4cb-b126-40b2-bd5b-6091b380977d")),
    ("Security Operator", uuid!("5f2222b1-57c3-48ba-8ad5-d4759f1fde6f")),
    ("Conditional Access Administrator", uuid!("b1be1c3e-b65d-4f19-8427-f6fa0d97feb9")),
    ("User Administrator", uuid!("fe930be7-5e62-47db-91af-98c3a49a38b1")),
    ("Helpdesk Administrator", uuid!("729827e3-9c14-49f7-bb1b-9608f156bbb8")),
    ("Password Administrator", uuid!("966707d0-3269-4727-9be2-8c3a10f19b9d")),
    ("Application Administrator", uuid!("9b895d92-2cd3-44c7-9d02-a6ac2d5ea5c3")),
    ("Cloud Application Administrator", uuid!("158c047a-c907-4556-b7ef-446551a6b5f7")),
    ("Hybrid Identity Administrator", uuid!("8ac3fc64-6eca-42ea-9e69-59f4c7b60eb2")),
    ("Domain Name Administrator", uuid!("8329153b-31d0-4727-b945-745eb3bc5f31")),
    ("Groups Administrator", uuid!("fdd7a751-b60b-444a-984c-02652fe8fa1c")),
    ("Exchange Administrator", uuid!("29232cdf-9323-42fd-ade2-1d097af3e4de")),
    ("SharePoint Administrator", uuid!("f28a1f50-f6e7-4571-818b-6a12f2af6b6c")),
    ("Intune Administrator", uuid!("3a2c62db-5318-420d-8d74-23affee5d9d5")),
    ("Billing Administrator", uuid!("b0f54661-2d74-4c50-afa3-1ec803f12efe")),
];

/// The role that must keep an enabled member, if the membership is in one: its template id.
#[must_use]
pub fn administers(membership: &Membership) -> Option<Uuid> {
    match membership {
        Membership::EntraRole(role) => (!ONLY_LOOK.contains(role)).then_some(*role),
        Membership::EntraRoleNamed(name) => {
            NAMES.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).map(|(_, role)| *role)
        }
        Membership::AdGroup(_)
        | Membership::AdGroupNamed(_)
        | Membership::AdGroupsUnknown
        | Membership::TaggedSensitive
        | Membership::EntraGroup(_)
        | Membership::LastOfRole(_)
        | Membership::RunsRiposte
        | Membership::OktaUnknown
        | Membership::OktaGroup(_)
        | Membership::OktaRole(_) => None,
    }
}

/// The role that would be left without anybody, if the person is its last enabled member.
#[must_use]
pub fn last_of(person: &Person) -> Option<String> {
    let Memberships::Read(memberships) = &person.memberships else { return None };
    memberships.iter().find_map(|membership| match membership {
        Membership::LastOfRole(role) => Some(role_name(*role)),
        Membership::AdGroup(_)
        | Membership::AdGroupNamed(_)
        | Membership::AdGroupsUnknown
        | Membership::TaggedSensitive
        | Membership::EntraGroup(_)
        | Membership::EntraRole(_)
        | Membership::EntraRoleNamed(_)
        | Membership::RunsRiposte
        | Membership::OktaUnknown
        | Membership::OktaGroup(_)
        | Membership::OktaRole(_) => None,
    })
}

/// What people call the role; its template id where it has no name here.
pub(super) fn role_name(role: Uuid) -> String {
    let known = NAMES.iter().find(|(_, template)| *template == role);
    known.map_or_else(|| role.to_string(), |(name, _)| (*name).to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roles_count_unless_they_are_known_to_look_only() {
        let global = uuid!("62e90394-69f5-4237-9190-012177145e10");
        assert_eq!(administers(&Membership::EntraRole(global)), Some(global));
        assert_eq!(administers(&Membership::EntraRoleNamed("global administrator".into())), Some(global));
        let newer = Uuid::from_u128(1);
        assert_eq!(administers(&Membership::EntraRole(newer)), Some(newer), "a role nobody has heard of counts");
        for role in ONLY_LOOK {
            assert_eq!(administers(&Membership::EntraRole(role)), None, "{role}");
        }
        assert_eq!(administers(&Membership::EntraGroup(global)), None);
    }

    #[test]
    fn no_role_stands_on_both_lists() {
        assert!(NAMES.iter().all(|(_, role)| !ONLY_LOOK.contains(role)));
    }
}
