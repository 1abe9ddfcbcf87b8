//! Directory roles and who has them.

use serde_json::{Value, json};

use super::Case;
use super::users::group as group_shown;
use crate::lab::http::Answer;
use crate::lab::ids;
use crate::lab::tenant::Target;
use crate::lab::tenant::directory::ROLES;
use crate::lab::tenant::effects::Outcome;
use crate::lab::world::World;

const READ: &[&str] = &["RoleManagement.Read.Directory", "RoleManagement.ReadWrite.Directory", "Directory.Read.All"];

pub(super) fn answer(world: &mut World, case: &Case<'_>) -> Answer {
    match (case.method, case.path) {
        ("GET", ["directoryRoles"]) => roles(world, case),
        ("GET", ["roleManagement", "directory", "roleAssignments"]) => {
            case.needs(READ).unwrap_or_else(|| list(world, case))
        }
        ("POST", ["roleManagement", "directory", "roleAssignments"]) => assign(world, case),
        ("GET", ["roleManagement", "directory", "roleAssignments", id]) => {
            let found = assignments(world, false).into_iter().find(|a| a["id"] == **id);
            found.map_or_else(|| case.not_found(id), Answer::ok)
        }
        ("DELETE", ["roleManagement", "directory", "roleAssignments", id]) => unassign(world, case, id),
        _ => case.no_such_path(),
    }
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

fn list(world: &World, case: &Case<'_>) -> Answer {
    let expand = case.req.param("expand") == Some("principal");
    match case.filtered(assignments(world, expand), &["principalId", "roleDefinitionId"]) {
        Ok(items) => case.collection(world, "roleManagement/directory/roleAssignments", &items, 100, 999),
        Err(refused) => refused,
    }
}

/// Every assignment, of users and of groups; with what has the role as a whole when that is asked for.
fn assignments(world: &World, expand: bool) -> Vec<Value> {
    let users = world.tenant.people.iter().flat_map(|p| p.entra.iter().map(move |u| (p, u)));
    let users = users.filter(|(_, u)| !u.deleted).flat_map(|(person, user)| {
        let shown = json!({"@odata.type": "#microsoft.graph.user", "id": user.id, "displayName": person.name,
            "userPrincipalName": user.upn});
        user.roles.iter().map(move |role| (role, user.id.as_str(), shown.clone()))
    });
    let groups = world.tenant.groups.values().flat_map(|group| {
        let shown = group_shown(group).unwrap_or(Value::Null);
        let id = group.entra.as_deref().unwrap_or_default();
        group.roles.iter().map(move |role| (role, id, shown.clone()))
    });
    users
        .chain(groups)
        .map(|(role, id, principal)| {
            let template = ROLES.iter().find(|(name, _)| name == role).map(|(_, id)| *id);
            let mut one = json!({"id": ids::guid("assignment", &format!("{id}{role}")), "principalId": id,
                "roleDefinitionId": template, "directoryScopeId": "/", "appScopeId": null, "condition": null});
            if expand {
                one["principal"] = principal;
            }
            one
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
    let made = assignments(world, false)
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
