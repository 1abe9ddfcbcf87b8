//! What people other than riposte do in the tenant: comment on an incident, enable or disable an account.

use serde::Deserialize;
use serde_json::json;

use super::ids;
use super::tenant::Target;
use super::tenant::effects::Outcome;
use super::tenant::incidents::Comment;
use super::tenant::okta::Lifecycle;
use super::world::World;
use crate::model::time::At;

/// A directory of the tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Directory {
    /// Active Directory.
    ActiveDirectory,
    /// Entra.
    Entra,
    /// Okta: enabled is `ACTIVE`, disabled is `SUSPENDED`.
    Okta,
}

/// A person writes a comment on the Sentinel incident of an alert. Whether both are there.
pub(crate) fn comment(world: &mut World, person: &str, alert: &str, text: &str, at: At) -> bool {
    let Some(them) = world.tenant.people.iter().find(|p| p.key == person) else { return false };
    let user = them.entra.first();
    let author = json!({"name": them.name, "email": user.map(|u| u.upn.clone()), "objectId": user.map(|u| u.id.clone()),
        "userPrincipalName": user.map(|u| u.upn.clone())});
    let id = world.tenant.fresh_guid("human-comment");
    let Some(i) = world.tenant.incidents.iter().position(|i| i.alert == alert && i.created <= at) else { return false };
    let incident = &mut world.tenant.incidents[i];
    incident.comments.push(Comment { id, message: text.to_owned(), author, created: at, modified: at, version: 0 });
    incident.version += 1;
    incident.modified = at;
    world.tenant.incident_row(i, at);
    true
}

/// A person closes the Sentinel incident of an alert. Whether it is there.
pub(crate) fn close(world: &mut World, alert: &str, at: At) -> bool {
    let Some(i) = world.tenant.incidents.iter().position(|i| i.alert == alert && i.created <= at) else { return false };
    let incident = &mut world.tenant.incidents[i];
    incident.properties["status"] = json!("Closed");
    incident.status_to_graph(at);
    incident.version += 1;
    incident.modified = at;
    world.tenant.incident_row(i, at);
    true
}

/// An operator enables or disables a person's accounts in a directory. Whether anything changed.
pub(crate) fn set_enabled(world: &mut World, person: &str, directory: Directory, enabled: bool, at: At) -> bool {
    let Some(i) = world.tenant.people.iter().position(|p| p.key == person) else { return false };
    let them = &mut world.tenant.people[i];
    let changed = match directory {
        Directory::ActiveDirectory => them.ad.as_mut().is_some_and(|ad| ad.set_enabled(enabled, at)),
        Directory::Entra => {
            let users = them.entra.iter_mut();
            users.map(|u| std::mem::replace(&mut u.enabled, enabled) != enabled).fold(false, |a, b| a | b)
        }
        Directory::Okta => {
            let operation = if enabled { Lifecycle::Unsuspend } else { Lifecycle::Suspend };
            let next = them.okta.as_ref().and_then(|o| o.status.after(operation));
            if let (Some(okta), Some(status)) = (them.okta.as_mut(), next) {
                okta.status = status;
                okta.status_changed = at;
            }
            next.is_some()
        }
    };
    let outcome = if changed { Outcome::Applied } else { Outcome::Unchanged };
    world.tenant.note(at, "operator", if enabled { "enable" } else { "disable" }, Target::Person(i), outcome);
    if changed && directory == Directory::ActiveDirectory {
        let action = if enabled { super::tenant::SensorAction::Enable } else { super::tenant::SensorAction::Disable };
        world.tenant.directory_event(i, action, &ids::guid("operator", "admin"), at);
    }
    changed
}
