//! Okta's management API.

use std::time::Duration;

use serde_json::{Value, json};

use crate::lab::filter::Filter;
use crate::lab::http::{Answer, Req};
use crate::lab::ids;
use crate::lab::limits::{self, Limit, Standing};
use crate::lab::okta_app::{Refusal, ServiceApp};
use crate::lab::tenant::Target;
use crate::lab::tenant::directory::{Group, Person};
use crate::lab::tenant::effects::Outcome;
use crate::lab::tenant::okta::{Lifecycle, OktaUser, Status};
use crate::lab::world::World;

/// Answers a request under `/api/v1/`, and `/oauth2/v1/token`.
pub(crate) fn answer(world: &mut World, req: &Req) -> Answer {
    let (method, path) = req.route();
    if path.first() == Some(&"oauth2") {
        return match &mut world.okta_app {
            _ if method != "POST" => error(405, "E0000022", "The endpoint does not support the provided HTTP method"),
            Some(app) => app.token(req),
            None => Answer::json(
                401,
                json!({"error": "invalid_client", "error_description": "No service app is registered in this org."}),
            ),
        };
    }
    let limit = if path.get(2) == Some(&"logs") { limits::OKTA_LOGS } else { limits::OKTA };
    let standing = world.limits.count(limit, req.at);
    if !standing.allowed {
        return counted(
            error(429, "E0000047", "API call exceeded rate limit due to too many requests."),
            limit,
            standing,
        )
        .with("date", http_date(req));
    }
    let answer = match stranger(world, req) {
        Some(refused) => refused,
        None => routed(world, req),
    };
    counted(answer, limit, standing)
}

/// An answer made up by a fault.
pub(crate) fn fault(req: &Req, status: u16, text: &str, retry_after: Option<Duration>) -> Answer {
    let code = match status {
        401 => "E0000011",
        403 => "E0000006",
        429 => "E0000047",
        _ => "E0000009",
    };
    let resets = req.at.plus(retry_after.unwrap_or_default());
    counted(error(status, code, text), limits::OKTA, Standing { allowed: false, remaining: 0, resets })
        .with("date", http_date(req))
}

fn counted(answer: Answer, limit: Limit, standing: Standing) -> Answer {
    answer
        .with("x-rate-limit-limit", limit.calls.to_string())
        .with("x-rate-limit-remaining", standing.remaining.to_string())
        .with("x-rate-limit-reset", (standing.resets.unix_seconds() + 1).to_string())
        .with("x-okta-request-id", "lab")
}

fn error(status: u16, code: &str, summary: &str) -> Answer {
    Answer::json(
        status,
        json!({"errorCode": code, "errorSummary": summary, "errorLink": code, "errorId": format!("oae{code}"), "errorCauses": []}),
    )
}

fn not_found(what: &str) -> Answer {
    error(404, "E0000007", &format!("Not found: Resource not found: {what}"))
}

/// Why the one who asks may not: an API token may everything, another token what its scopes say.
fn stranger(world: &World, req: &Req) -> Option<Answer> {
    let header = req.header("authorization").unwrap_or("");
    // One SDK leaves the space out.
    if header.strip_prefix("SSWS").is_some_and(|token| token.trim_start() == ids::OKTA_TOKEN) {
        return None;
    }
    let token = header.strip_prefix("Bearer ").unwrap_or("");
    let admits = |app: &ServiceApp| app.admits(token, scope(req));
    match world.okta_app.as_ref().map_or(Err(Refusal::Invalid), admits) {
        Ok(()) => None,
        Err(Refusal::Invalid) => Some(error(401, "E0000011", "Invalid token provided")),
        Err(Refusal::LacksScope) => {
            let why = "You do not have permission to perform the requested action";
            Some(error(403, "E0000006", why).with("www-authenticate", "Bearer error=\"insufficient_scope\""))
        }
    }
}

/// The scope that a call needs, as the API's document says.
fn scope(req: &Req) -> &'static str {
    let (method, path) = req.route();
    match (method, &path[2..]) {
        ("GET", ["users", _, "roles", ..]) => "okta.roles.read",
        ("GET", ["users", ..]) => "okta.users.read",
        (_, ["users", ..]) => "okta.users.manage",
        ("GET", ["groups", ..]) => "okta.groups.read",
        (_, ["groups", ..]) => "okta.groups.manage",
        (_, ["logs"]) => "okta.logs.read",
        _ => "",
    }
}

fn routed(world: &mut World, req: &Req) -> Answer {
    let (method, path) = req.route();
    match (method, &path[2..]) {
        ("GET", ["users"]) => users(world, req),
        ("GET", ["logs"]) => logs(world, req),
        ("GET", ["groups"]) => groups(world, req),
        (_, ["users", id, rest @ ..]) => match user(world, id) {
            Some(i) => one_user(world, req, i, rest),
            None => not_found(&format!("{id} (User)")),
        },
        (_, ["groups", id, rest @ ..]) => {
            let key = world.tenant.groups.values().find(|g| g.okta.as_deref() == Some(id)).map(|g| g.key.clone());
            match key {
                Some(key) => one_group(world, req, &key, rest),
                None => not_found(&format!("{id} (UserGroup)")),
            }
        }
        _ => error(405, "E0000022", "The endpoint does not support the provided HTTP method"),
    }
}

/// By id, by login, or by the part of a login before its `@`.
fn user(world: &World, id: &str) -> Option<usize> {
    let is = |o: &OktaUser| o.id == id || o.login.eq_ignore_ascii_case(id) || o.login.split('@').next() == Some(id);
    let i = world.tenant.who(id).or_else(|| world.tenant.who(&format!("{id}@{}", ids::DNS)))?;
    world.tenant.people[i].okta.as_ref().is_some_and(is).then_some(i)
}

fn users(world: &World, req: &Req) -> Answer {
    let asked = req.param("search").or_else(|| req.param("filter"));
    let people = &world.tenant.people[world.tenant.candidates(asked)];
    let mut all: Vec<Value> = people.iter().filter_map(shown).collect();
    if let Some(text) = asked {
        let Some(filter) = Filter::parse(text) else {
            return error(400, "E0000031", "Invalid search criteria.");
        };
        all.retain(|u| filter.holds(u));
    } else {
        // Without a filter, deprovisioned users are left out.
        all.retain(|u| u["status"] != Status::Deprovisioned.name());
    }
    listed(world, req, &all, 200)
}

/// A page of a list, with Okta's `Link` headers.
fn listed(world: &World, req: &Req, all: &[Value], usual: usize) -> Answer {
    let from = req.number("after").unwrap_or(0).min(all.len());
    let to = (from + req.number("limit").unwrap_or(usual).clamp(1, 1_000)).min(all.len());
    let link = |after: Option<usize>| {
        let kept = req.query.iter().filter(|(k, _)| k != "after").cloned();
        let query = url::form_urlencoded::Serializer::new(String::new())
            .extend_pairs(kept.chain(after.map(|n| ("after".to_owned(), n.to_string()))))
            .finish();
        format!("<{}{}{}{query}>", world.base_url, req.path, if query.is_empty() { "" } else { "?" })
    };
    let answer = Answer::ok(json!(all[from..to])).with("link", format!("{}; rel=\"self\"", link(None)));
    if to < all.len() { answer.with("link", format!("{}; rel=\"next\"", link(Some(to)))) } else { answer }
}

fn one_user(world: &mut World, req: &Req, i: usize, rest: &[&str]) -> Answer {
    let now = req.at;
    let id = world.tenant.people[i].okta.as_ref().map(|o| o.id.clone()).unwrap_or_default();
    match (req.method.as_str(), rest) {
        ("GET", []) => shown(&world.tenant.people[i]).map_or_else(|| not_found(&id), Answer::ok),
        ("GET", ["groups"]) => {
            let groups = world.tenant.groups.values().filter(|g| g.okta_members.contains(&i));
            Answer::ok(groups.filter_map(|g| group(world, g)).collect())
        }
        ("GET", ["roles"]) => {
            let roles = world.tenant.people[i].okta.iter().flat_map(|o| &o.roles);
            let roles = roles.map(|role| {
                json!({"id": ids::okta("ra1", "role", role), "label": role, "type": role,
                "status": "ACTIVE", "created": "2024-01-01T00:00:00.000Z", "lastUpdated": "2024-01-01T00:00:00.000Z",
                "assignmentType": "USER"})
            });
            Answer::ok(roles.collect())
        }
        ("DELETE", ["sessions"]) => {
            let tokens = req.param("oauthTokens") == Some("true");
            let Some(okta) = world.tenant.people[i].okta.as_mut() else { return not_found(&id) };
            let had = okta.sessions > 0 || (tokens && okta.tokens > 0);
            okta.sessions = 0;
            okta.tokens = if tokens { 0 } else { okta.tokens };
            let outcome = if had { Outcome::Applied } else { Outcome::Unchanged };
            world.tenant.note(
                now,
                "okta",
                if tokens { "sessions?oauthTokens=true" } else { "sessions" },
                Target::Account(i, &id),
                outcome,
            );
            event(world, req, i, "user.session.clear", None);
            Answer::empty(204)
        }
        ("DELETE", ["grants"]) => {
            world.tenant.note(now, "okta", "grants", Target::Account(i, &id), Outcome::Applied);
            Answer::empty(204)
        }
        ("POST", ["lifecycle", operation]) => match Lifecycle::parse(operation) {
            Some(lifecycle) => change(world, req, i, &id, operation, lifecycle),
            None => not_found(operation),
        },
        _ => error(405, "E0000022", "The endpoint does not support the provided HTTP method"),
    }
}

fn change(world: &mut World, req: &Req, i: usize, id: &str, operation: &str, lifecycle: Lifecycle) -> Answer {
    let now = req.at;
    let name = format!("lifecycle/{operation}");
    let Some(okta) = world.tenant.people[i].okta.as_mut() else { return not_found(id) };
    let Some(status) = okta.status.after(lifecycle) else {
        let causes =
            json!([{"errorSummary": format!("Cannot {operation} a user whose status is {}.", okta.status.name())}]);
        world.tenant.note(now, "okta", &name, Target::Account(i, id), Outcome::Refused(400));
        return Answer::json(
            400,
            json!({"errorCode": "E0000001", "errorSummary": format!("Api validation failed: {operation}"),
            "errorLink": "E0000001", "errorId": "oaeE0000001", "errorCauses": causes}),
        );
    };
    let outcome = if okta.status == status { Outcome::Unchanged } else { Outcome::Applied };
    okta.status = status;
    okta.status_changed = now;
    let revokes = req.param("revokeSessions") == Some("true") || lifecycle == Lifecycle::Deactivate;
    if revokes {
        okta.sessions = 0;
    }
    if lifecycle == Lifecycle::Deactivate {
        // Destructive: what the user was assigned to is gone.
        okta.tokens = 0;
        for group in world.tenant.groups.values_mut() {
            group.okta_members.remove(&i);
        }
    }
    world.tenant.note(now, "okta", &name, Target::Account(i, id), outcome);
    event(world, req, i, lifecycle.event(), None);
    match lifecycle {
        Lifecycle::ExpirePassword => shown(&world.tenant.people[i]).map_or_else(|| not_found(id), Answer::ok),
        Lifecycle::ExpirePasswordWithTemp => Answer::ok(json!({"tempPassword": ids::TEMP_PASSWORD})),
        Lifecycle::ResetPassword | Lifecycle::Activate | Lifecycle::Reactivate
            if req.param("sendEmail") == Some("false") =>
        {
            let link = format!("{}/signin/{}", world.base_url, ids::SECRET_LINK);
            let key = if lifecycle == Lifecycle::ResetPassword { "resetPasswordUrl" } else { "activationUrl" };
            Answer::ok(json!({key: link}))
        }
        Lifecycle::ResetPassword | Lifecycle::Activate | Lifecycle::Reactivate => Answer::ok(json!({})),
        Lifecycle::Suspend | Lifecycle::Unsuspend | Lifecycle::Deactivate | Lifecycle::Unlock => Answer::empty(200),
    }
}

fn groups(world: &World, req: &Req) -> Answer {
    let mut all: Vec<Value> = world.tenant.groups.values().filter_map(|g| group(world, g)).collect();
    if let Some(text) = req.param("search").or_else(|| req.param("filter")) {
        let Some(filter) = Filter::parse(text) else { return error(400, "E0000031", "Invalid search criteria.") };
        all.retain(|g| filter.holds(g));
    }
    if let Some(q) = req.param("q") {
        all.retain(|g| g["profile"]["name"].as_str().is_some_and(|n| n.starts_with(q)));
    }
    listed(world, req, &all, 10_000)
}

fn one_group(world: &mut World, req: &Req, key: &str, rest: &[&str]) -> Answer {
    match (req.method.as_str(), rest) {
        ("GET", []) => group(world, &world.tenant.groups[key]).map_or_else(|| not_found(key), Answer::ok),
        ("GET", ["users"]) => {
            let members = world.tenant.groups[key].okta_members.iter();
            let all: Vec<Value> = members.filter_map(|i| shown(&world.tenant.people[*i])).collect();
            listed(world, req, &all, 1_000)
        }
        (method @ ("PUT" | "DELETE"), ["users", id]) => {
            let Some(i) = user(world, id) else { return not_found(&format!("{id} (User)")) };
            let Some(group) = world.tenant.groups.get_mut(key) else { return not_found(key) };
            if group.okta_type != "OKTA_GROUP" {
                return error(
                    400,
                    "E0000001",
                    "Api validation failed: memberships of this group are managed elsewhere",
                );
            }
            let add = method == "PUT";
            let changed = if add { group.okta_members.insert(i) } else { group.okta_members.remove(&i) };
            let group = group.okta.clone();
            let (operation, kind) = if add {
                ("group add", "group.user_membership.add")
            } else {
                ("group remove", "group.user_membership.remove")
            };
            let account = world.tenant.people[i].okta.as_ref().map(|o| o.id.clone()).unwrap_or_default();
            let outcome = if changed { Outcome::Applied } else { Outcome::Unchanged };
            world.tenant.note(req.at, "okta", operation, Target::Account(i, &account), outcome);
            if let Some(effect) = world.tenant.effects.last_mut() {
                effect.detail = Some(key.to_owned());
            }
            if changed {
                event(world, req, i, kind, group.as_deref());
            }
            Answer::empty(204)
        }
        _ => error(405, "E0000022", "The endpoint does not support the provided HTTP method"),
    }
}

fn logs(world: &World, req: &Req) -> Answer {
    let mut all = world.tenant.okta_log.clone();
    for (name, op) in [("since", "ge"), ("until", "lt")] {
        if let Some(at) = req.param(name) {
            let Some(filter) = Filter::parse(&format!("published {op} \"{at}\"")) else { continue };
            all.retain(|e| filter.holds(e));
        }
    }
    if let Some(text) = req.param("filter") {
        let Some(filter) = Filter::parse(text) else { return error(400, "E0000031", "Invalid search criteria.") };
        // `target.id` means the id of any of the targets.
        all.retain(|e| {
            let targets = e["target"].as_array().into_iter().flatten();
            targets.chain([&Value::Null]).any(|t| {
                let mut one = e.clone();
                one["target"] = t.clone();
                filter.holds(&one)
            })
        });
    }
    if req.param("sortOrder") == Some("DESCENDING") {
        all.reverse();
    }
    listed(world, req, &all, 100)
}

fn event(world: &mut World, req: &Req, i: usize, kind: &str, group: Option<&str>) {
    let uuid = world.tenant.fresh_guid("okta-event");
    let Some(okta) = world.tenant.people[i].okta.as_ref() else { return };
    let mut targets = vec![
        json!({"id": okta.id, "type": "User", "alternateId": okta.login, "displayName": world.tenant.people[i].name}),
    ];
    targets.extend(group.map(|g| json!({"id": g, "type": "UserGroup", "alternateId": "unknown", "displayName": g})));
    world.tenant.okta_log.push(json!({
        "uuid": uuid, "published": req.at, "eventType": kind, "displayMessage": kind, "severity": "INFO", "version": "0",
        "actor": {"id": "00ulabtokenadmin00000", "type": "User", "alternateId": "riposte@contoso.com", "displayName": "riposte"},
        "outcome": {"result": "SUCCESS"}, "target": targets,
    }));
}

fn shown(person: &Person) -> Option<Value> {
    let okta = person.okta.as_ref()?;
    let (first, last) = person.name.split_once(' ').unwrap_or((&person.name, "-"));
    Some(json!({
        "id": okta.id, "status": okta.status.name(), "created": okta.created, "activated": okta.created,
        "statusChanged": okta.status_changed, "lastLogin": null, "lastUpdated": okta.status_changed,
        "passwordChanged": okta.password_changed, "type": {"id": "otylab000000000000001"},
        "profile": {"login": okta.login, "email": okta.login, "firstName": first, "lastName": last, "mobilePhone": null, "secondEmail": null},
        "credentials": {"provider": {"type": "OKTA", "name": "OKTA"}},
    }))
}

fn group(world: &World, group: &Group) -> Option<Value> {
    let id = group.okta.as_ref()?;
    let at = world.tenant.start;
    Some(
        json!({"id": id, "created": at, "lastUpdated": at, "lastMembershipUpdated": at, "objectClass": ["okta:user_group"],
        "type": group.okta_type, "profile": {"name": group.key, "description": group.key}}),
    )
}

/// The lab's time as an HTTP date.
fn http_date(req: &Req) -> String {
    jiff::Timestamp::from_second(req.at.unix_seconds())
        .map(|t| t.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string())
        .unwrap_or_default()
}
