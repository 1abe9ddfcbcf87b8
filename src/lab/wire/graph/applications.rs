//! riposte's own application, and who owns it.

use serde_json::{Value, json};

use super::Case;
use crate::lab::http::Answer;
use crate::lab::ids;
use crate::lab::wire::select;
use crate::lab::world::World;

const READ: &[&str] = &["Application.Read.All", "Directory.Read.All"];

pub(super) fn answer(world: &World, case: &Case<'_>) -> Answer {
    if let Some(refused) = case.needs(READ) {
        return refused;
    }
    let (application, principal) = (ids::guid("application", "riposte"), ids::principal());
    let (actor, acting) = (ids::guid("application", "actor"), ids::actor_principal());
    match (case.method, case.path) {
        ("GET", ["applications"]) => {
            let one = json!({"id": application, "appId": ids::client(), "displayName": "riposte"});
            let other = json!({"id": actor, "appId": ids::actor(), "displayName": "riposte acts"});
            match case.filtered(vec![one, other], &["id", "appId"]) {
                Ok(items) => {
                    let items: Vec<Value> = items.into_iter().map(|item| select(case.req, item)).collect();
                    case.collection(world, "applications", &items, 100, 999)
                }
                Err(refused) => refused,
            }
        }
        ("GET", ["applications", id, "owners"]) if **id == application => {
            case.collection(world, "directoryObjects", &owners(world), 100, 999)
        }
        ("GET", ["servicePrincipals", id, "owners"]) if **id == principal || **id == acting => {
            case.collection(world, "directoryObjects", &[], 100, 999)
        }
        ("GET", ["applications", id, "owners"]) if **id == actor => {
            case.collection(world, "directoryObjects", &[], 100, 999)
        }
        (_, [_, id, "owners"]) => case.not_found(id),
        _ => case.no_such_path(),
    }
}

fn owners(world: &World) -> Vec<Value> {
    let people = world.tenant.people.iter().filter(|person| world.tenant.app.owners.contains(&person.key));
    let users = people.flat_map(|person| person.entra.iter().map(move |user| (person, user)));
    let shown = users.filter(|(_, user)| !user.deleted).map(|(person, user)| {
        json!({"@odata.type": "#microsoft.graph.user", "id": user.id, "displayName": person.name,
            "userPrincipalName": user.upn})
    });
    shown.collect()
}
