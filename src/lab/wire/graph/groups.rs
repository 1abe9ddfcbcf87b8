//! Groups, their members, and directory roles.

use serde_json::{Value, json};

use super::Case;
use super::users::{MASTERED_ON_PREMISES, group as shown};
use crate::lab::http::Answer;
use crate::lab::ids;
use crate::lab::tenant::Target;
use crate::lab::tenant::directory::ROLES;
use crate::lab::tenant::effects::Outcome;
use crate::lab::wire::select;
use crate::lab::world::World;

pub(super) fn answer(world: &mut World, case: &Case<'_>) -> Answer {
    let write = ["GroupMember.ReadWrite.All", "Group.ReadWrite.All"];
    match (case.method, case.path) {
        ("GET", ["groups", id, ..]) => {
            let Some(key) = key(world, id) else { return case.not_found(id) };
            case.needs(&["Directory.Read.All", "GroupMember.ReadWrite.All"]).unwrap_or_else(|| read(world, case, &key))
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
        ("GET", ["directoryRoles"]) => roles(world, case),
        ("GET", ["roleManagement", "directory", "roleAssignments"]) => {
            match case.filtered(assignments(world), &["principalId", "roleDefinitionId"]) {
                Ok(items) => case.collection(world, "roleManagement/directory/roleAssignments", &items, 100, 999),
                Err(refused) => refused,
            }
        }
        ("POST", ["roleManagement", "directory", "roleAssignments"]) => assign(world, case),
        ("GET", ["roleManagement", "directory", "roleAssignments", id]) => {
            let found = assignments(world).into_iter().find(|a| a["id"] == **id);
            found.map_or_else(|| case.not_found(id), Answer::ok)
        }
        ("DELETE", ["roleManagement", "directory", "roleAssignments", id]) => unassign(world, case, id),
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
            let synced = group.ad_members.iter().filter_map(|i| world.tenant.people.get(*i)).flat_map(|p| &p.entra);
            let mut ids: Vec<&str> = synced.filter(|u| u.synced && !u.deleted).map(|u| u.id.as_str()).collect();
            ids.extend(group.entra_members.iter().map(String::as_str));
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

fn roles(world: &World, case: &Case<'_>) -> Answer {
    let items: Vec<Value> = ROLES
        .iter()
        .map(|(name, template)| {
            json!({"id": ids::guid("role", name), "displayName": name, "description": name,
            "roleTemplateId": template, "deletedDateTime": null})
        })
        .collect();
    case.needs(&["Directory.Read.All", "RoleManagement.Read.Directory"])
        .unwrap_or_else(|| case.collection(world, "directoryRoles", &items, 100, 999))
}

fn assignments(world: &World) -> Vec<Value> {
    let users = world.tenant.people.iter().flat_map(|p| &p.entra).filter(|u| !u.deleted);
    users
        .flat_map(|u| u.roles.iter().map(move |role| (u, role)))
        .map(|(user, role)| {
            let template = ROLES.iter().find(|(name, _)| name == role).map(|(_, id)| *id);
            json!({"id": ids::guid("assignment", &format!("{}{role}", user.id)), "principalId": user.id,
                "roleDefinitionId": template, "directoryScopeId": "/", "appScopeId": null, "condition": null})
        })
        .collect()
}

fn assign(world: &mut World, case: &Case<'_>) -> Answer {
    if let Some(refused) = case.needs(&["RoleManagement.ReadWrite.Directory"]) {
        return refused;
    }
    let body = case.body();
    let field = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or("").to_owned();
    let role = ROLES.iter().find(|(_, template)| *template == field("roleDefinitionId")).map(|(name, _)| *name);
    let (Some(role), Some((i, k))) = (role, world.tenant.entra(&field("principalId"))) else {
        return case.bad("principalId and roleDefinitionId must name a user and a role.");
    };
    let user = &mut world.tenant.people[i].entra[k];
    if user.roles.iter().any(|r| r == role) {
        return case.bad(
            "A conflicting object with one or more of the specified property values is present in the directory.",
        );
    }
    user.roles.push(role.to_owned());
    let id = user.id.clone();
    world.tenant.note(case.req.at, "entra", "Add member to role", Target::Account(i, &id), Outcome::Applied);
    world.tenant.audit(case.req.at, "Add member to role", i, k, &case.caller.app_id, None);
    let made = assignments(world)
        .into_iter()
        .find(|a| a["principalId"] == *id && a["roleDefinitionId"] == field("roleDefinitionId"));
    Answer::json(201, made.unwrap_or(Value::Null))
}

fn unassign(world: &mut World, case: &Case<'_>, id: &str) -> Answer {
    if let Some(refused) = case.needs(&["RoleManagement.ReadWrite.Directory"]) {
        return refused;
    }
    let people = &mut world.tenant.people;
    let hit = people.iter().enumerate().find_map(|(i, p)| {
        p.entra.iter().enumerate().find_map(|(k, u)| {
            let at = u.roles.iter().position(|r| ids::guid("assignment", &format!("{}{r}", u.id)) == id)?;
            Some((i, k, at))
        })
    });
    let Some((i, k, at)) = hit else { return case.not_found(id) };
    let role = people[i].entra[k].roles.remove(at);
    let user = people[i].entra[k].id.clone();
    world.tenant.note(case.req.at, "entra", "Remove member from role", Target::Account(i, &user), Outcome::Applied);
    if let Some(effect) = world.tenant.effects.last_mut() {
        effect.detail = Some(role);
    }
    world.tenant.audit(case.req.at, "Remove member from role", i, k, &case.caller.app_id, None);
    Answer::empty(204)
}
