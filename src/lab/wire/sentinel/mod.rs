//! Microsoft Sentinel's incidents, through Azure Resource Manager.

use serde_json::{Value, json};

mod shapes;

use self::shapes::{alert_of, comment, entities, relation, shown, task};
use super::{Page, page, plain_error};
use crate::lab::filter::Filter;
use crate::lab::http::{Answer, Req};
use crate::lab::tenant::Target;
use crate::lab::tenant::effects::Outcome;
use crate::lab::tenant::incidents::{Comment, Incident, Task};
use crate::lab::tokens::{Audience, Caller, Refusal};
use crate::lab::world::World;
use crate::lab::{ids, limits};

/// Documented ceilings of an incident.
const COMMENTS: usize = 100;
const COMMENT_LENGTH: usize = 30_000;
const TASKS: usize = 40;
const DESCRIPTION: usize = 5_000;
/// What a PUT may change, apart from labels; the rest is kept whatever it says.
const WRITABLE: &[&str] = &[
    "title",
    "description",
    "severity",
    "status",
    "classification",
    "classificationComment",
    "classificationReason",
    "owner",
];

/// Answers a request under `/subscriptions/`.
pub(crate) fn answer(world: &mut World, req: &Req) -> Answer {
    let caller = match world.tokens.check(req.header("authorization"), Audience::Arm) {
        Ok(caller) => caller,
        Err(refusal) => return unauthorized(refusal),
    };
    let read = req.method == "GET"
        || (req.method == "POST" && (req.path.ends_with("/alerts") || req.path.ends_with("/entities")));
    let limit = if read { limits::ARM_READS } else { limits::ARM_WRITES };
    let standing = world.limits.count(limit, req.at);
    let header = if read {
        "x-ms-ratelimit-remaining-subscription-reads"
    } else {
        "x-ms-ratelimit-remaining-subscription-writes"
    };
    if !standing.allowed {
        let answer = plain_error(429, "TooManyRequests", "The request is being throttled.");
        return answer.retry_after(Some(standing.resets.since(req.at))).with(header, "0");
    }
    routed(world, req, &caller, read).with(header, standing.remaining.to_string())
}

fn routed(world: &mut World, req: &Req, caller: &Caller, read: bool) -> Answer {
    let (method, path) = req.route();
    let rest = match in_workspace(req, &path) {
        Ok(rest) => rest,
        Err(refused) => return refused,
    };
    let without = &world.tenant.app.without_azure_roles;
    if without.contains("Microsoft Sentinel Reader") || (!read && without.contains("Microsoft Sentinel Responder")) {
        let message = "The client does not have authorization to perform this action over this scope.";
        return plain_error(403, "AuthorizationFailed", message);
    }
    if method == "PUT" && !req.says_json() {
        let message = "The content media type is not supported. Only 'application/json' is supported.";
        return plain_error(415, "UnsupportedMediaType", message);
    }
    match (method, rest) {
        ("GET", ["incidents"]) => list(world, req),
        (_, ["incidents", id, rest @ ..]) => {
            let is = |i: &Incident| i.id.eq_ignore_ascii_case(id) && i.created <= req.at;
            match (world.tenant.incidents.iter().position(is), method, rest) {
                (Some(i), _, _) => one(world, req, caller, i, rest),
                (None, "PUT", []) => create(world, req, id),
                (None, _, _) => plain_error(404, "NotFound", "Incident was not found."),
            }
        }
        _ => plain_error(404, "NotFound", "There is no such resource."),
    }
}

/// What stands in a path after the workspace's Sentinel, or why the path leads nowhere.
fn in_workspace<'a, 'b>(req: &Req, path: &'a [&'b str]) -> Result<&'a [&'b str], Answer> {
    let [
        _,
        subscription,
        group,
        resource_group,
        "providers",
        provider,
        kind,
        workspace,
        "providers",
        insights,
        rest @ ..,
    ] = path
    else {
        return Err(plain_error(404, "InvalidResourceType", "The resource type could not be found."));
    };
    let is = |have: &str, want: &str| have.eq_ignore_ascii_case(want);
    if !(is(group, "resourceGroups")
        && is(provider, "Microsoft.OperationalInsights")
        && is(kind, "workspaces")
        && is(insights, "Microsoft.SecurityInsights"))
    {
        return Err(plain_error(404, "InvalidResourceNamespace", "The resource namespace is invalid."));
    }
    if req.param("api-version").is_none() {
        let message = "The api-version query parameter (?api-version=) is required for all requests.";
        return Err(plain_error(400, "MissingApiVersionParameter", message));
    }
    if !is(subscription, &ids::subscription()) {
        return Err(plain_error(404, "SubscriptionNotFound", "The subscription could not be found."));
    }
    if !is(resource_group, ids::RESOURCE_GROUP) || !is(workspace, ids::WORKSPACE_NAME) {
        return Err(plain_error(404, "ResourceNotFound", "The workspace was not found."));
    }
    Ok(rest)
}

fn one(world: &mut World, req: &Req, caller: &Caller, i: usize, rest: &[&str]) -> Answer {
    let now = req.at;
    match (req.method.as_str(), rest) {
        ("GET", []) => Answer::ok(shown(&world.tenant.incidents[i])),
        ("PUT", []) => put(world, req, i),
        ("POST", ["alerts"]) => {
            let ids = &world.tenant.incidents[i].alert_ids;
            let alerts = world.tenant.alerts.iter().filter(|a| a.at <= now && ids.contains(&a.system_id));
            Answer::ok(json!({"value": alerts.map(alert_of).collect::<Vec<_>>()}))
        }
        ("POST", ["entities"]) => entities(world, req, i),
        ("GET", ["relations"]) => {
            let value: Vec<Value> =
                world.tenant.incidents[i].alert_ids.iter().map(|a| relation(&world.tenant.incidents[i], a)).collect();
            Answer::ok(json!({"value": value}))
        }
        ("GET", ["relations", name]) => {
            let incident = &world.tenant.incidents[i];
            let found = incident.alert_ids.iter().find(|a| a == name).map(|a| relation(incident, a));
            found.map_or_else(|| plain_error(404, "NotFound", "Relation was not found."), Answer::ok)
        }
        ("GET", ["comments"]) => {
            let incident = &world.tenant.incidents[i];
            let all: Vec<Value> = incident.comments.iter().map(|c| comment(incident, c)).collect();
            collection(world, req, all)
        }
        ("GET", ["comments", id]) => {
            let incident = &world.tenant.incidents[i];
            let found = incident.comments.iter().find(|c| c.id == *id).map(|c| comment(incident, c));
            found.map_or_else(|| plain_error(404, "NotFound", "Comment was not found."), Answer::ok)
        }
        ("PUT", ["comments", id]) => put_comment(world, req, caller, i, id),
        ("DELETE", ["comments", id]) => {
            let had = world.tenant.incidents[i].comments.len();
            world.tenant.incidents[i].comments.retain(|c| c.id != *id);
            let gone = world.tenant.incidents[i].comments.len() < had;
            let outcome = if gone { Outcome::Applied } else { Outcome::Unchanged };
            world.tenant.note(now, "sentinel", "delete comment", Target::Thing(id), outcome);
            Answer::empty(if gone { 200 } else { 204 })
        }
        ("GET", ["tasks"]) => {
            let incident = &world.tenant.incidents[i];
            let all: Vec<Value> = incident.tasks.iter().map(|t| task(incident, t)).collect();
            collection(world, req, all)
        }
        ("GET", ["tasks", id]) => {
            let incident = &world.tenant.incidents[i];
            let found = incident.tasks.iter().find(|t| t.id == *id).map(|t| task(incident, t));
            found.map_or_else(|| plain_error(404, "NotFound", "Task was not found."), Answer::ok)
        }
        ("PUT", ["tasks", id]) => put_task(world, req, i, id),
        ("DELETE", ["tasks", id]) => {
            let had = world.tenant.incidents[i].tasks.len();
            world.tenant.incidents[i].tasks.retain(|t| t.id != *id);
            Answer::empty(if world.tenant.incidents[i].tasks.len() < had { 200 } else { 204 })
        }
        _ => plain_error(405, "MethodNotAllowed", "The method is not allowed on this resource."),
    }
}

fn list(world: &World, req: &Req) -> Answer {
    let mut all: Vec<&Incident> = world.tenant.incidents.iter().filter(|i| i.created <= req.at).collect();
    let order = req.param("orderby").unwrap_or("properties/createdTimeUtc desc");
    match order.split(' ').next() {
        Some("properties/lastModifiedTimeUtc") => all.sort_by_key(|i| i.modified),
        Some("properties/incidentNumber") => all.sort_by_key(|i| i.number),
        _ => all.sort_by_key(|i| i.created),
    }
    if order.ends_with(" desc") {
        all.reverse();
    }
    collection(world, req, all.into_iter().map(shown).collect())
}

fn collection(world: &World, req: &Req, mut all: Vec<Value>) -> Answer {
    if let Some(text) = req.param("filter") {
        let Some(filter) = Filter::parse(text) else {
            return plain_error(400, "BadRequest", "Invalid filter expression.");
        };
        all.retain(|item| filter.holds(item));
    }
    let Page { items, next } = page(req, &world.base_url, &all, "skipToken", "top", 100, 1_000);
    let mut body = json!({"value": items});
    if let Some(next) = next {
        body["nextLink"] = json!(next);
    }
    Answer::ok(body)
}

/// Makes an incident, as a person would by hand; Graph does not get to know it.
fn create(world: &mut World, req: &Req, id: &str) -> Answer {
    let number = 4_001 + world.tenant.incidents.len();
    world.tenant.incidents.push(Incident::by_hand(id, number, req.at));
    let i = world.tenant.incidents.len() - 1;
    let answer = put(world, req, i);
    if answer.status >= 300 {
        world.tenant.incidents.remove(i);
        return answer;
    }
    Answer { status: 201, ..answer }
}

fn put(world: &mut World, req: &Req, i: usize) -> Answer {
    let body = req.json().unwrap_or(Value::Null);
    let mut properties = match written(&body) {
        Ok(properties) => properties,
        Err(message) => return plain_error(400, "BadRequest", &message),
    };
    let incident = &mut world.tenant.incidents[i];
    let known = body.get("etag").and_then(Value::as_str).or_else(|| req.header("if-match").filter(|m| *m != "*"));
    if known.is_some_and(|known| known != incident.etag()) {
        return plain_error(409, "Conflict", "The incident was changed by somebody else. Fetch it again and retry.");
    }
    if properties["labels"].is_null() {
        properties["labels"] = json!([]);
    }
    let outcome = if incident.properties == properties { Outcome::Unchanged } else { Outcome::Applied };
    incident.properties = properties;
    incident.version += 1;
    incident.modified = req.at;
    incident.status_to_graph(req.at);
    let (answer, id) = (shown(incident), incident.id.clone());
    world.tenant.note(req.at, "sentinel", "update incident", Target::Thing(&id), outcome);
    world.tenant.incident_row(i, req.at);
    Answer::ok(answer)
}

/// The writable properties of an incident in a body, or what is wrong with them.
fn written(body: &Value) -> Result<Value, String> {
    let properties = body.get("properties").and_then(Value::as_object).ok_or("The properties are missing.")?;
    let text = |name: &str| properties.get(name).and_then(Value::as_str);
    for (name, allowed) in
        [("severity", &["High", "Medium", "Low", "Informational"][..]), ("status", &["New", "Active", "Closed"][..])]
    {
        if text(name).is_none_or(|v| !allowed.contains(&v)) {
            return Err(format!("Property '{name}' is required and must be one of {}.", allowed.join(", ")));
        }
    }
    if text("title").is_none_or(str::is_empty) {
        return Err("Property 'title' is required.".into());
    }
    if text("status") == Some("Closed") && text("classification").is_none() {
        return Err("Property 'classification' is required when closing an incident.".into());
    }
    if text("description").is_some_and(|d| d.chars().count() > DESCRIPTION) {
        return Err("Property 'description' is too long.".into());
    }
    let kept = WRITABLE.iter().filter_map(|name| Some(((*name).to_owned(), properties.get(*name)?.clone())));
    Ok(Value::Object(
        kept.chain([("labels".to_owned(), properties.get("labels").cloned().unwrap_or_default())]).collect(),
    ))
}

fn put_comment(world: &mut World, req: &Req, caller: &Caller, i: usize, id: &str) -> Answer {
    let body = req.json().unwrap_or(Value::Null);
    let Some(message) = body.pointer("/properties/message").and_then(Value::as_str).filter(|m| !m.is_empty()) else {
        return plain_error(400, "BadRequest", "The comment's message is missing.");
    };
    if message.chars().count() > COMMENT_LENGTH {
        return plain_error(400, "BadRequest", "The comment is longer than 30,000 characters.");
    }
    let now = req.at;
    let incident = &mut world.tenant.incidents[i];
    let known = incident.comments.iter().position(|c| c.id == id);
    let at = match known {
        Some(at) => {
            let old = &mut incident.comments[at];
            message.clone_into(&mut old.message);
            old.modified = now;
            old.version += 1;
            at
        }
        None if incident.comments.len() >= COMMENTS => {
            return plain_error(400, "BadRequest", "The incident already has the maximum of 100 comments.");
        }
        None => {
            let author =
                json!({"name": "riposte", "email": null, "objectId": caller.object_id, "userPrincipalName": null});
            let (id, message) = (id.to_owned(), message.to_owned());
            incident.comments.push(Comment { id, message, author, created: now, modified: now, version: 0 });
            incident.comments.len() - 1
        }
    };
    incident.version += 1;
    incident.modified = now;
    let answer = comment(incident, &incident.comments[at]);
    world.tenant.note(now, "sentinel", "comment", Target::Thing(id), Outcome::Applied);
    world.tenant.incident_row(i, now);
    Answer::json(if known.is_some() { 200 } else { 201 }, answer)
}

fn put_task(world: &mut World, req: &Req, i: usize, id: &str) -> Answer {
    let body = req.json().unwrap_or(Value::Null);
    let properties = body.get("properties").cloned().unwrap_or(Value::Null);
    let status = properties.get("status").and_then(Value::as_str);
    if properties.get("title").and_then(Value::as_str).is_none_or(str::is_empty)
        || !matches!(status, Some("New" | "Completed"))
    {
        return plain_error(400, "BadRequest", "A task needs a title, and status New or Completed.");
    }
    let now = req.at;
    let incident = &mut world.tenant.incidents[i];
    let known = incident.tasks.iter().position(|t| t.id == id);
    let at = match known {
        Some(at) => {
            let old = &mut incident.tasks[at];
            old.properties = properties;
            old.modified = now;
            old.version += 1;
            at
        }
        None if incident.tasks.len() >= TASKS => {
            return plain_error(400, "BadRequest", "The incident already has the maximum of 40 tasks.");
        }
        None => {
            incident.tasks.push(Task { id: id.to_owned(), properties, created: now, modified: now, version: 0 });
            incident.tasks.len() - 1
        }
    };
    let answer = task(incident, &incident.tasks[at]);
    world.tenant.note(now, "sentinel", "task", Target::Thing(id), Outcome::Applied);
    Answer::json(if known.is_some() { 200 } else { 201 }, answer)
}

fn unauthorized(refusal: Refusal) -> Answer {
    match refusal {
        Refusal::Missing => {
            plain_error(401, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
        }
        Refusal::Invalid => plain_error(401, "InvalidAuthenticationToken", "The access token is invalid."),
        Refusal::Expired => plain_error(401, "ExpiredAuthenticationToken", "The access token expiry is in the past."),
        Refusal::WrongAudience => plain_error(
            401,
            "InvalidAuthenticationTokenAudience",
            "The access token has been obtained for wrong audience or resource. It should exactly match with one of the allowed audiences 'https://management.core.windows.net/','https://management.azure.com/'.",
        ),
    }
}
