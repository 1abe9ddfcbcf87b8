//! `/_lab/`: what the lab knows, for people and tests.

use serde_json::{Value, json};

use crate::lab::faults::Fault;
use crate::lab::http::{Answer, Req};
use crate::lab::people::{self, Directory};
use crate::lab::snapshot::snapshot;
use crate::lab::wire::plain_error;
use crate::lab::world::World;

/// Answers a request under `/_lab/`.
pub(crate) fn answer(world: &mut World, req: &Req) -> Answer {
    let (method, path) = req.route();
    match (method, &path[1..]) {
        ("GET", ["state"]) => Answer::ok(json!(snapshot(world, req.at))),
        ("GET", ["requests"]) => {
            let requests = &world.requests;
            Answer::ok(json!({"counts": requests.counts, "statuses": requests.statuses, "last": requests.last}))
        }
        ("GET", ["limits"]) => Answer::ok(json!(world.limits.uses())),
        ("GET" | "POST", ["clock"]) => Answer::ok(json!({"now": req.at, "start": world.tenant.start})),
        ("POST", ["fault"]) => match serde_json::from_slice::<Fault>(&req.body) {
            Ok(fault) => {
                let ids = fault.person.as_deref().map(|p| world.tenant.identifiers(p)).unwrap_or_default();
                world.faults.add(fault, ids);
                Answer::ok(json!({"waiting": world.faults.left()}))
            }
            Err(problem) => plain_error(400, "BadFault", &problem.to_string()),
        },
        ("GET", ["fault"]) => Answer::ok(json!({"waiting": world.faults.left()})),
        ("POST", ["comment"]) => comment(world, req),
        ("POST", ["account"]) => account(world, req),
        ("POST", ["permissions"]) => permissions(world, req),
        _ => plain_error(
            404,
            "NotFound",
            "The lab has GET state, requests, limits, clock, fault and POST clock, fault, comment, account, permissions.",
        ),
    }
}

/// `{"person": "soc-eva", "alert": "dcsync", "text": "..."}`: a person comments in Sentinel.
fn comment(world: &mut World, req: &Req) -> Answer {
    let body = req.json().unwrap_or(Value::Null);
    let field = |name: &str| body.get(name).and_then(Value::as_str).unwrap_or("");
    let done = people::comment(world, field("person"), field("alert"), field("text"), req.at);
    Answer::json(if done { 200 } else { 404 }, json!({"done": done}))
}

/// `{"person": "adele", "directory": "active-directory", "enabled": false}`: an operator changes an account.
fn account(world: &mut World, req: &Req) -> Answer {
    #[derive(serde::Deserialize)]
    struct Wish {
        person: String,
        directory: Directory,
        enabled: bool,
    }
    match serde_json::from_slice::<Wish>(&req.body) {
        Ok(wish) => {
            let changed = people::set_enabled(world, &wish.person, wish.directory, wish.enabled, req.at);
            Answer::ok(json!({"changed": changed}))
        }
        Err(problem) => plain_error(400, "BadRequest", &problem.to_string()),
    }
}

/// Takes application permissions away or gives them back; as in a real tenant, tokens already made keep theirs.
fn permissions(world: &mut World, req: &Req) -> Answer {
    let body = req.json().unwrap_or(Value::Null);
    let names = |key: &str| {
        body.get(key)
            .and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter_map(Value::as_str)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    for name in names("remove") {
        world.tenant.permissions.remove(&name);
    }
    world.tenant.permissions.extend(names("add"));
    Answer::ok(json!({"permissions": world.tenant.permissions}))
}
