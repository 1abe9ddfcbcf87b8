//! Entra users.

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

use super::Case;
use crate::lab::http::Answer;
use crate::lab::ids;
use crate::lab::tenant::Target;
use crate::lab::tenant::directory::{EntraUser, Group, Person, ROLES};
use crate::lab::tenant::effects::Outcome;
use crate::lab::wire::{graph_error, select};
use crate::lab::world::World;

/// What a user shows unless `$select` asks for more.
const USUAL: &str = "id,businessPhones,displayName,givenName,jobTitle,mail,mobilePhone,officeLocation,preferredLanguage,surname,userPrincipalName";
/// The vendor's refusal of writes to what Active Directory owns.
pub(super) const MASTERED_ON_PREMISES: &str = "Unable to update the specified properties for on-premises mastered Directory Sync objects or objects currently undergoing migration.";
const READ: &[&str] = &["User.Read.All", "Directory.Read.All"];

pub(super) fn answer(world: &mut World, case: &Case<'_>) -> Answer {
    match (case.method, case.path) {
        ("GET", ["users"]) => case.needs(READ).unwrap_or_else(|| list(world, case)),
        (_, ["users", id, rest @ ..]) => {
            let Some((i, k)) = world.tenant.entra(id) else {
                return case.needs(READ).unwrap_or_else(|| case.not_found(id));
            };
            match (case.method, rest) {
                ("GET", []) => case.needs(READ).unwrap_or_else(|| one(world, case, i, k)),
                ("PATCH", []) => patch(world, case, i, k),
                ("POST", ["revokeSignInSessions" | "microsoft.graph.revokeSignInSessions"]) => {
                    revoke(world, case, i, k)
                }
                ("GET", ["memberOf" | "transitiveMemberOf", ..]) => case
                    .needs(&["Directory.Read.All", "GroupMember.Read.All", "GroupMember.ReadWrite.All"])
                    .unwrap_or_else(|| member_of(world, case, i, k, rest)),
                // Documented for signed-in users only.
                ("POST", ["authentication", "methods", _, "resetPassword"]) => {
                    graph_error(case.req, 403, "accessDenied", "Request Authorization failed")
                }
                _ => case.no_such_path(),
            }
        }
        _ => case.no_such_path(),
    }
}

fn list(world: &World, case: &Case<'_>) -> Answer {
    let people = &world.tenant.people[world.tenant.candidates(case.req.param("filter"))];
    let all = people.iter().flat_map(|p| p.entra.iter().filter(|u| !u.deleted).map(move |u| user(p, u)));
    let fields = [
        "id",
        "userPrincipalName",
        "displayName",
        "mail",
        "accountEnabled",
        "userType",
        "onPremisesSecurityIdentifier",
        "onPremisesSamAccountName",
        "onPremisesSyncEnabled",
        "onPremisesImmutableId",
    ];
    let advanced = case.req.header("consistencylevel").is_some_and(|c| c.eq_ignore_ascii_case("eventual"))
        && case.req.param("count") == Some("true");
    if case.req.param("filter").is_some_and(|f| f.contains("onPremisesSamAccountName")) && !advanced {
        return graph_error(
            case.req,
            400,
            "Request_UnsupportedQuery",
            "Property 'onPremisesSamAccountName' does not exist as a declared property or extension property, or needs an advanced query.",
        );
    }
    match case.filtered(all.collect(), &fields) {
        Ok(items) => {
            let items: Vec<Value> = items.into_iter().map(|v| selected(case, v)).collect();
            case.collection(world, "users", &items, 100, 999)
        }
        Err(refused) => refused,
    }
}

fn one(world: &World, case: &Case<'_>, i: usize, k: usize) -> Answer {
    let person = &world.tenant.people[i];
    let mut out = selected(case, user(person, &person.entra[k]));
    out["@odata.context"] = json!("https://graph.microsoft.com/v1.0/$metadata#users/$entity");
    Answer::ok(out)
}

fn selected(case: &Case<'_>, user: Value) -> Value {
    if case.req.param("select").is_some() {
        return select(case.req, user);
    }
    let Value::Object(fields) = user else { return user };
    Value::Object(fields.into_iter().filter(|(k, _)| USUAL.split(',').any(|u| u == k)).collect())
}

fn user(person: &Person, user: &EntraUser) -> Value {
    let (first, last) = person.name.split_once(' ').unwrap_or((&person.name, ""));
    let ad = person.ad.as_ref().filter(|_| user.synced);
    json!({
        "id": user.id, "displayName": person.name, "givenName": first, "surname": last, "userPrincipalName": user.upn,
        "mail": user.upn, "businessPhones": [], "jobTitle": null, "mobilePhone": null, "officeLocation": null,
        "preferredLanguage": null, "accountEnabled": user.enabled, "department": person.department, "userType": "Member",
        "createdDateTime": "2024-01-01T00:00:00Z", "lastPasswordChangeDateTime": user.password_changed,
        "signInSessionsValidFromDateTime": user.sessions_from, "passwordPolicies": null,
        "passwordProfile": {"password": null, "forceChangePasswordNextSignIn": user.must_change,
            "forceChangePasswordNextSignInWithMfa": false},
        "onPremisesSyncEnabled": user.synced.then_some(true), "onPremisesLastSyncDateTime": user.last_sync,
        "onPremisesSecurityIdentifier": ad.map(|a| a.sid.clone()), "onPremisesSamAccountName": ad.map(|a| a.sam.clone()),
        "onPremisesDomainName": ad.map(|_| ids::DNS), "onPremisesImmutableId": ad.map(|a| a.guid.clone()),
        "onPremisesUserPrincipalName": ad.map(|_| user.upn.clone()), "onPremisesDistinguishedName":
            ad.map(|a| format!("CN={},OU=People,DC=contoso,DC=com", a.sam)),
        "isManagementRestricted": null, "identities": [],
    })
}

fn patch(world: &mut World, case: &Case<'_>, i: usize, k: usize) -> Answer {
    let body = case.body();
    let Some(fields) = body.as_object() else { return case.bad("A body is required.") };
    if let Some(refused) = patch_refused(world, case, fields, i, k) {
        return refused;
    }
    if let Some(enabled) = fields.get("accountEnabled").and_then(Value::as_bool) {
        set_enabled(world, case, i, k, enabled);
    }
    if let Some(profile) = fields.get("passwordProfile") {
        set_password(world, case, i, k, profile);
    }
    Answer::empty(204)
}

/// Why a change of these properties is refused, before any of them is made.
fn patch_refused(world: &World, case: &Case<'_>, fields: &Map<String, Value>, i: usize, k: usize) -> Option<Answer> {
    for (name, needs) in [
        ("accountEnabled", &["User.EnableDisableAccount.All", "User.ReadWrite.All"][..]),
        ("passwordProfile", &["User-PasswordProfile.ReadWrite.All", "User.ReadWrite.All"][..]),
    ] {
        if fields.contains_key(name) {
            if let Some(refused) = case.needs(needs) {
                return Some(refused);
            }
            if !may_act_on(world, i, k, name == "passwordProfile") {
                return Some(case.denied());
            }
        }
    }
    let synced = world.tenant.people[i].entra[k].synced;
    if let Some(other) = fields.keys().find(|f| !writable(f)) {
        let message = format!("Property '{other}' cannot be written here.");
        return Some(case.bad(if synced { MASTERED_ON_PREMISES } else { &message }));
    }
    if fields.get("accountEnabled").is_some_and(|v| !v.is_boolean()) {
        return Some(case.bad("accountEnabled must be true or false."));
    }
    let profile = fields.get("passwordProfile")?;
    if synced {
        return Some(case.bad(MASTERED_ON_PREMISES));
    }
    let weak = profile.get("password").is_some_and(|p| p.as_str().is_none_or(|p| p.len() < 8));
    weak.then(|| case.bad("The specified password does not comply with password complexity requirements. Please provide a different password."))
}

fn set_enabled(world: &mut World, case: &Case<'_>, i: usize, k: usize, enabled: bool) {
    let now = case.req.at;
    let user = &mut world.tenant.people[i].entra[k];
    let changed = user.enabled != enabled;
    user.enabled = enabled;
    if changed && !enabled {
        user.sessions_from = now;
    }
    let id = user.id.clone();
    let operation = if enabled { "Enable account" } else { "Disable account" };
    let outcome = if changed { Outcome::Applied } else { Outcome::Unchanged };
    world.tenant.note(now, "entra", operation, Target::Account(i, &id), outcome);
    world.tenant.audit(now, operation, i, k, &case.caller.app_id, None);
}

fn set_password(world: &mut World, case: &Case<'_>, i: usize, k: usize, profile: &Value) {
    let now = case.req.at;
    let user = &mut world.tenant.people[i].entra[k];
    if profile.get("password").is_some() {
        user.password_changed = now;
    }
    user.must_change = profile.get("forceChangePasswordNextSignIn").and_then(Value::as_bool).unwrap_or(true);
    let id = user.id.clone();
    world.tenant.note(now, "entra", "passwordProfile", Target::Account(i, &id), Outcome::Applied);
    world.tenant.audit(now, "Reset user password", i, k, &case.caller.app_id, None);
}

/// The properties that can be written here; annotations such as `@odata.type` are no properties.
fn writable(field: &str) -> bool {
    field.starts_with('@') || field == "accountEnabled" || field == "passwordProfile"
}

/// Whether the application's own directory role lets it disable this user: admins need one, and only
/// Privileged Authentication Administrator and Global Administrator reach all of them.
fn may_act_on(world: &World, i: usize, k: usize, password: bool) -> bool {
    let user = &world.tenant.people[i].entra[k];
    let assignable = world.tenant.groups.values().any(|g| g.role_assignable && g.entra_members.contains(&user.id));
    let has = |role: &str| world.tenant.app.directory_roles.contains(role);
    let all = has("Privileged Authentication Administrator") || has("Global Administrator");
    let some = has("User Administrator") || has("Authentication Administrator") || has("Helpdesk Administrator");
    let is_admin = !user.roles.is_empty() || assignable;
    all || (!is_admin && (!password || some))
}

fn revoke(world: &mut World, case: &Case<'_>, i: usize, k: usize) -> Answer {
    if let Some(refused) = case.needs(&["User.RevokeSessions.All", "Directory.ReadWrite.All", "User.ReadWrite.All"]) {
        return refused;
    }
    let now = case.req.at;
    let user = &mut world.tenant.people[i].entra[k];
    user.sessions_from = now;
    let id = user.id.clone();
    world.tenant.note(now, "entra", "revokeSignInSessions", Target::Account(i, &id), Outcome::Applied);
    world.tenant.audit(now, "Update StsRefreshTokenValidFrom Timestamp", i, k, &case.caller.app_id, None);
    Answer::ok(json!({"@odata.context": "https://graph.microsoft.com/v1.0/$metadata#Edm.Boolean", "value": true}))
}

fn member_of(world: &World, case: &Case<'_>, i: usize, k: usize, rest: &[&str]) -> Answer {
    let user = &world.tenant.people[i].entra[k];
    let synced = user.synced.then_some(i);
    let nested = rest[0] == "transitiveMemberOf";
    let groups = world.tenant.groups_of(synced.unwrap_or(usize::MAX), Some(&user.id), nested);
    let through_groups = groups.iter().filter(|_| nested).flat_map(|group| &group.roles);
    let roles: BTreeSet<&String> = user.roles.iter().chain(through_groups).collect();
    let mut items: Vec<Value> = groups.into_iter().filter_map(group).collect();
    items.extend(roles.into_iter().map(|role| {
        let template = ROLES.iter().find(|(name, _)| name == role).map(|(_, id)| *id);
        json!({"@odata.type": "#microsoft.graph.directoryRole", "id": ids::guid("role", role), "deletedDateTime": null,
            "displayName": role, "description": role, "roleTemplateId": template})
    }));
    let kind = rest.get(1).copied().unwrap_or_default();
    items.retain(|v| kind.is_empty() || v["@odata.type"].as_str() == Some(&format!("#{kind}")));
    let items: Vec<Value> = items.into_iter().map(|v| select(case.req, v)).collect();
    case.collection(world, "directoryObjects", &items, 100, 999)
}

/// A group as Graph shows it; `None` when Entra does not know it.
pub(super) fn group(group: &Group) -> Option<Value> {
    let id = group.entra.as_ref()?;
    Some(json!({
        "@odata.type": "#microsoft.graph.group", "id": id, "deletedDateTime": null, "displayName": group.key,
        "securityEnabled": true, "mailEnabled": false, "isAssignableToRole": group.role_assignable,
        "groupTypes": if group.dynamic { json!(["DynamicMembership"]) } else { json!([]) },
        "onPremisesSyncEnabled": group.sid.is_some().then_some(true), "onPremisesSecurityIdentifier": group.sid,
        "securityIdentifier": null,
    }))
}
