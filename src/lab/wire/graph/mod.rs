//! Microsoft Graph v1.0, as far as riposte and its rivals use it.

mod applications;
mod groups;
mod hunting;
mod identities;
mod risk;
mod roles;
mod security;
mod users;

use serde_json::{Value, json};

use super::{Page, graph_error, page};
use crate::lab::filter::Filter;
use crate::lab::http::{Answer, Req};
use crate::lab::ids;
use crate::lab::limits::{self, Limit};
use crate::lab::tokens::{Audience, Caller, Refusal};
use crate::lab::world::World;

/// Answers a request under `/v1.0/`.
pub(crate) fn answer(world: &mut World, req: &Req) -> Answer {
    let request = ids::guid("request", &format!("{}{}", req.path, req.at));
    let answer = routed(world, req).with("request-id", request);
    match req.header("client-request-id") {
        Some(client) => answer.with("client-request-id", client),
        None => answer,
    }
}

fn routed(world: &mut World, req: &Req) -> Answer {
    let caller = match world.tokens.check(req.header("authorization"), Audience::Graph) {
        Ok(caller) => caller,
        Err(refusal) => return unauthorized(req, refusal),
    };
    let (_, path) = req.route();
    // The long form of bound actions names their namespace.
    let path: Vec<&str> = path.iter().skip(1).map(|s| s.trim_start_matches("microsoft.graph.security.")).collect();
    if let Some(limited) = limited(world, req, &path) {
        return limited;
    }
    let writes = ["POST", "PATCH", "PUT"].contains(&req.method.as_str()) && !req.body.is_empty();
    if writes && !req.says_json() {
        return graph_error(
            req,
            415,
            "UnsupportedMediaType",
            "A Content-Type of application/json is required for this request.",
        );
    }
    if writes && req.json().is_none() {
        return graph_error(
            req,
            400,
            "BadRequest",
            "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.",
        );
    }
    let case = Case { req, caller: &caller, method: req.method.as_str(), path: &path };
    match path.first().copied() {
        Some("security") if path.get(1) == Some(&"identities") => identities::answer(world, &case),
        Some("security") => security::answer(world, &case),
        Some("users") => users::answer(world, &case),
        Some("groups") => groups::answer(world, &case),
        Some("directoryRoles" | "roleManagement") => roles::answer(world, &case),
        Some("applications" | "servicePrincipals") => applications::answer(world, &case),
        Some("identityProtection" | "auditLogs") => risk::answer(world, &case),
        _ => case.no_such_path(),
    }
}

/// A request with its caller and the path after `/v1.0/`.
struct Case<'a> {
    req: &'a Req,
    caller: &'a Caller,
    method: &'a str,
    path: &'a [&'a str],
}

impl Case<'_> {
    /// Refuses a caller who has none of these application permissions.
    fn needs(&self, any_of: &[&str]) -> Option<Answer> {
        (!self.caller.may(any_of)).then(|| self.denied())
    }

    fn denied(&self) -> Answer {
        graph_error(self.req, 403, "Authorization_RequestDenied", "Insufficient privileges to complete the operation.")
    }

    fn bad(&self, message: &str) -> Answer {
        graph_error(self.req, 400, "Request_BadRequest", message)
    }

    fn not_found(&self, what: &str) -> Answer {
        let message = format!(
            "Resource '{what}' does not exist or one of its queried reference-property objects are not present."
        );
        graph_error(self.req, 404, "Request_ResourceNotFound", &message)
    }

    fn no_such_path(&self) -> Answer {
        let message = format!("Resource not found for {} on this path.", self.method);
        graph_error(self.req, if self.method == "GET" { 404 } else { 405 }, "Request_BadRequest", &message)
    }

    fn body(&self) -> Value {
        self.req.json().unwrap_or(Value::Null)
    }

    /// The items that `$filter` lets through; only `fields` may be filtered on.
    fn filtered(&self, mut items: Vec<Value>, fields: &[&str]) -> Result<Vec<Value>, Answer> {
        if let Some(filter) = self.filter(fields)? {
            items.retain(|item| filter.holds(item));
        }
        Ok(items)
    }

    /// The filter that was asked for; only `fields` may be filtered on.
    fn filter(&self, fields: &[&str]) -> Result<Option<Filter>, Answer> {
        let Some(text) = self.req.param("filter") else { return Ok(None) };
        let Some(filter) = Filter::parse(text) else {
            return Err(graph_error(self.req, 400, "BadRequest", "Invalid filter clause."));
        };
        if let Some(field) =
            filter.fields().into_iter().find(|f| !fields.iter().any(|known| known.eq_ignore_ascii_case(f)))
        {
            let message = format!("Unsupported or invalid query filter clause specified for property '{field}'.");
            return Err(graph_error(self.req, 400, "Request_UnsupportedQuery", &message));
        }
        Ok(Some(filter))
    }

    /// A page of items as a collection.
    fn collection(&self, world: &World, context: &str, items: &[Value], usual: usize, most: usize) -> Answer {
        self.collection_of(world, context, items, Value::clone, usual, most)
    }

    /// A page of things as a collection; only those on the page are drawn.
    fn collection_of<T>(
        &self,
        world: &World,
        context: &str,
        items: &[T],
        draw: impl Fn(&T) -> Value,
        usual: usize,
        most: usize,
    ) -> Answer {
        let Page { items: shown, next } = page(self.req, &world.base_url, items, "skip", "top", usual, most);
        let mut body = json!({"@odata.context": format!("https://graph.microsoft.com/v1.0/$metadata#{context}")});
        if self.req.param("count") == Some("true") {
            body["@odata.count"] = json!(items.len());
        }
        if let Some(next) = next {
            body["@odata.nextLink"] = json!(next);
        }
        body["value"] = shown.iter().map(draw).collect();
        Answer::ok(body)
    }
}

fn unauthorized(req: &Req, refusal: Refusal) -> Answer {
    let message = match refusal {
        Refusal::Missing => "Access token is empty.",
        Refusal::Invalid => "Access token validation failure. Invalid token.",
        Refusal::Expired => "Lifetime validation failed, the token is expired.",
        Refusal::WrongAudience => "Access token validation failure. Invalid audience.",
    };
    graph_error(req, 401, "InvalidAuthenticationToken", message)
}

fn limited(world: &mut World, req: &Req, path: &[&str]) -> Option<Answer> {
    let limit: Limit = match path {
        ["security", "runHuntingQuery"] => limits::HUNTING,
        ["security", "alerts_v2" | "incidents", ..] => limits::SECURITY_ALERTS,
        ["identityProtection", ..] => limits::IDENTITY_PROTECTION,
        ["auditLogs", ..] => limits::REPORTS,
        _ => limits::DIRECTORY,
    };
    let standing = world.limits.count(limit, req.at);
    let wait = (limit.name != limits::IDENTITY_PROTECTION.name).then(|| standing.resets.since(req.at));
    (!standing.allowed).then(|| graph_error(req, 429, "TooManyRequests", "Too many requests.").retry_after(wait))
}
