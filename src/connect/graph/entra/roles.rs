//! Who is in a directory role, and who owns riposte's own application.

use std::collections::BTreeSet;

use serde_json::Value;
use uuid::Uuid;

use super::{
    APPLICATION_OWNERS, APPLICATIONS, MOST_PAGES, PAGE, PRINCIPAL_OWNERS, READ_MEMBERSHIPS, READ_OWNERS, READ_ROLES,
    ROLE_ASSIGNMENTS, TRANSITIVE_MEMBERS,
};
use crate::connect::graph::common::{all, unreadable};
use crate::connect::graph::json::{field, guid, odata_type, text};
use crate::connect::graph::odata::Filter;
use crate::connect::http::{Api, Call};
use crate::model::failure::{Failure, FailureKind};

/// The users who have a role in the whole tenant, nested groups included. A service principal is no
/// administrator who could sign in, and a role over a part of the directory replaces none over all of it.
///
/// # Errors
/// When assignments cannot be read, or one does not say who it is for: a list with a gap would be a lie.
pub(super) async fn members(api: &Api, role: Uuid) -> Result<Vec<Uuid>, Failure> {
    let filter = Filter::text_is("roleDefinitionId", &role.to_string());
    let call =
        Call::get(ROLE_ASSIGNMENTS).query("$filter", filter).query("$expand", "principal").permission(READ_ROLES);
    let mut users = BTreeSet::new();
    for assignment in all(api, &call, MOST_PAGES).await? {
        if text(&assignment, "directoryScopeId") != Some("/") {
            continue;
        }
        let wrong = || unreadable(api, &call, "a role assignment does not say whom it is for");
        let principal = field(&assignment, "principal").ok_or_else(wrong)?;
        let id = guid(principal, "id").ok_or_else(wrong)?;
        match odata_type(principal).ok_or_else(wrong)? {
            "user" => users.extend([id]),
            "group" => users.extend(users_of(api, group_members(id)).await?),
            _ => {}
        }
    }
    Ok(users.into_iter().collect())
}

/// The owners of riposte's service principal and of its application; a managed identity has no
/// application. Empty when riposte may not read them.
///
/// # Errors
/// When they could be read but were not.
pub(super) async fn owners(api: &Api, principal: Uuid, application: Option<Uuid>) -> Result<Vec<Uuid>, Failure> {
    match read_owners(api, principal, application).await {
        Err(failure) if failure.kind == FailureKind::Forbidden => {
            tracing::warn!(%failure, "the owners of riposte's application are unknown, so they are not on the never-list");
            Ok(Vec::new())
        }
        other => other,
    }
}

async fn read_owners(api: &Api, principal: Uuid, application: Option<Uuid>) -> Result<Vec<Uuid>, Failure> {
    let owners = |template, id: Uuid| Call::get(template).param(id).query("$top", PAGE).permission(READ_OWNERS);
    let mut found = match users_of(api, owners(PRINCIPAL_OWNERS, principal)).await {
        // Whoever signs in with the Azure CLI is a user, and nobody's property; its application may still be owned.
        Err(failure) if failure.kind == FailureKind::NotFound => Vec::new(),
        found => found?,
    };
    let Some(client_id) = application else { return Ok(found) };
    let filter = Filter::text_is("appId", &client_id.to_string());
    let call = Call::get(APPLICATIONS).query("$filter", filter).query("$select", "id").permission(READ_OWNERS);
    for item in all(api, &call, 1).await? {
        let id = guid(&item, "id").ok_or_else(|| unreadable(api, &call, "an application has no id"))?;
        found.extend(users_of(api, owners(APPLICATION_OWNERS, id)).await?);
    }
    Ok(found)
}

fn group_members(group: Uuid) -> Call {
    Call::get(TRANSITIVE_MEMBERS).param(group).query("$select", "id").query("$top", PAGE).permission(READ_MEMBERSHIPS)
}

/// The users among the objects that a call lists.
async fn users_of(api: &Api, call: Call) -> Result<Vec<Uuid>, Failure> {
    let objects: Vec<Value> = all(api, &call, MOST_PAGES).await?;
    let users = objects.iter().filter(|object| odata_type(object) == Some("user"));
    let ids: Option<Vec<Uuid>> = users.map(|user| guid(user, "id")).collect();
    ids.ok_or_else(|| unreadable(api, &call, "a user in the answer has no id"))
}
