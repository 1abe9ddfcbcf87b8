//! Groups and their members.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::Case;
use super::users::{MASTERED_ON_PREMISES, group as shown};
use crate::lab::http::Answer;
use crate::lab::tenant::Target;
use crate::lab::tenant::directory::Group;
use crate::lab::tenant::effects::Outcome;
use crate::lab::wire::select;
use crate::lab::world::World;

pub(super) fn answer(world: &mut World, case: &Case<'_>) -> Answer {
    let write = ["GroupMember.ReadWrite.All", "Group.ReadWrite.All"];
    match (case.method, case.path) {
        ("GET", ["groups", id, ..]) => {
            let Some(key) = key(world, id) else { return case.not_found(id) };
            case.needs(&["Directory.Read.All", "GroupMember.Read.All", "GroupMember.ReadWrite.All"])
                .unwrap_or_else(|| read(world, case, &key))
        }
        ("POST", ["groups", id, "members", "$ref"]) => {
            let Some(key) = key(world, id) else { return case.not_found(id) };
            case.needs(&write).unwrap_or_else(|| add(world, case, &key))
        }
        ("DELETE", ["groups", id, "members", member, "$ref"]) => {
            let Some(key) = key(world, id) else { return case.not_found(id) };
            case.needs(&write).unwrap_or_else(|| remove(world, case, &key, member))
        }
        // Without `/$ref` this deletes the member itself, as the real service does.
        ("DELETE", ["groups", _, "members", member]) => delete_user(world, case, member),
        _ => case.no_such_path(),
    }
}

fn key(world: &World, id: &str) -> Option<String> {
    world.tenant.groups.values().find(|g| g.entra.as_deref() == Some(id)).map(|g| g.key.clone())
}

fn read(world: &World, case: &Case<'_>, key: &str) -> Answer {
    let group = &world.tenant.groups[key];
    match case.path.get(2) {
        None => Answer::ok(select(case.req, shown(group).unwrap_or(Value::Null))),
        Some(&("members" | "transitiveMembers")) => {
            let nested = case.path.get(2) == Some(&"transitiveMembers");
            let within = world.tenant.groups.values().filter(|g| g.key == key || (nested && is_within(world, g, key)));
            let mut ids: BTreeSet<&str> = BTreeSet::new();
            for group in within {
                let synced = group.ad_members.iter().filter_map(|i| world.tenant.people.get(*i)).flat_map(|p| &p.entra);
                ids.extend(synced.filter(|u| u.synced && !u.deleted).map(|u| u.id.as_str()));
                ids.extend(group.entra_members.iter().map(String::as_str));
            }
            let members = ids.into_iter().filter_map(|id| world.tenant.entra(id)).map(|(i, k)| {
                let person = &world.tenant.people[i];
                json!({"@odata.type": "#microsoft.graph.user", "id": person.entra[k].id, "displayName": person.name,
                    "userPrincipalName": person.entra[k].upn, "accountEnabled": person.entra[k].enabled})
            });
            let items: Vec<Value> = members.map(|v| select(case.req, v)).collect();
            case.collection(world, "directoryObjects", &items, 100, 999)
        }
        Some(_) => case.no_such_path(),
    }
}

/// Whether the group's members are members of another one through groups.
fn is_within(world: &World, group: &Group, key: &str) -> bool {
    let mut parents: Vec<&String> = group.member_of.iter().collect();
    let mut next = 0;
    while let Some(parent) = parents.get(next).copied() {
        if parent == key {
            return true;
        }
        let further = world.tenant.groups.get(parent).into_iter().flat_map(|g| &g.member_of);
        let new: Vec<&String> = further.filter(|further| !parents.contains(further)).collect();
        parents.extend(new);
        next += 1;
    }
    false
}

/// Whether memberships of the group may be edited in Entra by this caller.
fn editable(world: &World, case: &Case<'_>, key: &str) -> Result<(), Answer> {
    let group = &world.tenant.groups[key];
    if group.sid.is_some() {
        return Err(case.bad(MASTERED_ON_PREMISES));
    }
    if group.dynamic {
        return Err(case.bad("Members of a group with dynamic membership cannot be changed."));
    }
    if group.role_assignable && !case.caller.may(&["RoleManagement.ReadWrite.Directory"]) {
        return Err(case.denied());
    }
    Ok(())
}

fn add(world: &mut World, case: &Case<'_>, key: &str) -> Answer {
    let body = case.body();
    let link = body.get("@odata.id").and_then(Value::as_str).unwrap_or("");
    let id = link.rsplit('/').next().unwrap_or("").to_owned();
    let Some((i, k)) = world.tenant.entra(&id).filter(|_| link.contains("/v1.0/")) else {
        return case.bad("Invalid object identifier in '@odata.id'.");
    };
    if let Err(refused) = editable(world, case, key) {
        return refused;
    }
    let added = world.tenant.groups.get_mut(key).is_some_and(|g| g.entra_members.insert(id.clone()));
    if !added {
        return case.bad(
            "One or more added object references already exist for the following modified properties: 'members'.",
        );
    }
    membership(world, case, i, k, key, "Add member to group");
    Answer::empty(204)
}

fn remove(world: &mut World, case: &Case<'_>, key: &str, member: &str) -> Answer {
    let Some((i, k)) = world.tenant.entra(member) else { return case.not_found(member) };
    if let Err(refused) = editable(world, case, key) {
        return refused;
    }
    let removed = world.tenant.groups.get_mut(key).is_some_and(|g| g.entra_members.remove(member));
    if !removed {
        return case.not_found(member);
    }
    membership(world, case, i, k, key, "Remove member from group");
    Answer::empty(204)
}

fn membership(world: &mut World, case: &Case<'_>, i: usize, k: usize, key: &str, operation: &str) {
    let (user, group) = (world.tenant.people[i].entra[k].id.clone(), world.tenant.groups[key].entra.clone());
    world.tenant.note(case.req.at, "entra", operation, Target::Account(i, &user), Outcome::Applied);
    if let Some(effect) = world.tenant.effects.last_mut() {
        effect.detail = Some(key.to_owned());
    }
    world.tenant.audit(case.req.at, operation, i, k, &case.caller.app_id, group.as_deref());
}

fn delete_user(world: &mut World, case: &Case<'_>, id: &str) -> Answer {
    let Some((i, k)) = world.tenant.entra(id) else { return case.not_found(id) };
    world.tenant.people[i].entra[k].deleted = true;
    world.tenant.note(case.req.at, "entra", "Delete user", Target::Account(i, id), Outcome::Applied);
    world.tenant.audit(case.req.at, "Delete user", i, k, &case.caller.app_id, None);
    Answer::empty(204)
}
