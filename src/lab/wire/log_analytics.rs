//! The Log Analytics query API.

use serde_json::{Value, json};

use super::plain_error;
use crate::diagnostics::Source;
use crate::kql::{Cx, DynamicCells, compile_query, is_syntax_error, log_analytics_tables};
use crate::lab::http::{Answer, Req};
use crate::lab::tenant::logs::Picture;
use crate::lab::timespan::Range;
use crate::lab::tokens::{Audience, Refusal};
use crate::lab::world::World;
use crate::lab::{ids, limits};
use crate::model::time::At;

/// Answers a request under `/v1/workspaces/`.
pub(crate) fn answer(world: &mut World, req: &Req, partial: bool) -> Answer {
    let (method, path) = req.route();
    let ["v1", "workspaces", workspace, "query"] = path.as_slice() else {
        return plain_error(404, "PathNotFoundError", "The requested path does not exist");
    };
    let get = method == "GET";
    if !get && method != "POST" {
        return plain_error(405, "MethodNotAllowedError", "The requested resource does not support this method");
    }
    if let Err(refusal) = world.tokens.check(req.header("authorization"), Audience::LogAnalytics) {
        return refused(refusal);
    }
    if !workspace.eq_ignore_ascii_case(&ids::workspace()) {
        return plain_error(404, "WorkspaceNotFoundError", "The workspace could not be found");
    }
    if world.tenant.app.without_azure_roles.contains("Log Analytics Reader") {
        return no_role();
    }
    let standing = world.limits.count(limits::LOG_ANALYTICS, req.at);
    if !standing.allowed {
        let answer = plain_error(429, "ThrottledError", "You have exceeded the number of queries that may be run");
        return answer.retry_after(Some(standing.resets.since(req.at)));
    }
    if !get && (!req.says_json() || req.body.is_empty()) {
        return Answer::empty(200);
    }
    let Some(query) = query_text(req, get) else {
        return plain_error(400, "BadArgumentError", "The request had some invalid properties");
    };
    let span = req.json().and_then(|b| b.get("timespan").and_then(Value::as_str).map(str::to_owned));
    let span = span.or_else(|| req.param("timespan").map(str::to_owned));
    let range = span.as_deref().map(|text| Range::parse(text, req.at));
    if range == Some(None) {
        return plain_error(400, "BadArgumentError", "The timespan is not valid");
    }
    let Some(picture) = world.tenant.logs.picture(&query, range.flatten(), req.at) else {
        return Answer::empty(204);
    };
    let now = req.at;
    Answer::later(move || run(&query, &picture, now, partial))
}

fn query_text(req: &Req, get: bool) -> Option<String> {
    if get {
        return req.param("query").map(str::to_owned);
    }
    req.json()?.get("query")?.as_str().map(str::to_owned)
}

fn run(query: &str, picture: &Picture, now: At, partial: bool) -> Answer {
    let source = Source::new("query", query);
    let compiled = match compile_query(&source, picture) {
        Ok(compiled) => compiled,
        Err(findings) => {
            let code = if findings.iter().any(is_syntax_error) { "SyntaxError" } else { "SemanticError" };
            let message = findings.first().map_or("Syntax Error", |f| f.message()).to_owned();
            return Answer::json(
                400,
                json!({"error": {"message": "The request had some invalid properties", "code": "BadArgumentError",
                    "innererror": {"code": code, "message": message}}}),
            );
        }
    };
    match compiled.run(picture, &Cx::at(now.ticks())) {
        Ok(mut table) => {
            if partial {
                table.rows.truncate(table.rows.len() / 2);
            }
            let mut body = log_analytics_tables(&table, DynamicCells::Text);
            if partial {
                body["error"] = json!({"code": "PartialError", "message": "There were some errors when processing your query.",
                    "details": [{"code": "EngineError", "message": "Something went wrong processing your query on the server."}]});
            }
            Answer::ok(body)
        }
        Err(problem) => Answer::json(
            400,
            json!({"error": {"message": "The request had some invalid properties", "code": "BadArgumentError",
                "innererror": {"code": "QueryExecutionError", "message": problem.to_string()}}}),
        ),
    }
}

fn refused(refusal: Refusal) -> Answer {
    match refusal {
        Refusal::Missing => {
            plain_error(401, "AuthenticationFailed", "Authentication failed. The 'Authorization' header is missing.")
        }
        Refusal::Invalid | Refusal::Expired => {
            plain_error(403, "InvalidAuthenticationToken", "The access token is invalid.")
        }
        Refusal::WrongAudience => plain_error(
            403,
            "InvalidAuthenticationTokenAudience",
            "The access token has been obtained from wrong audience or resource. It should exactly match (including forward slash) with one of the allowed audiences 'https://api.loganalytics.io'.",
        ),
    }
}

fn no_role() -> Answer {
    Answer::json(
        403,
        json!({"error": {"message": "The provided credentials have insufficient access to perform the requested operation",
            "code": "InsufficientAccessError", "innererror": {"code": "UnauthorizedClient",
            "message": format!("The service principal does not have sufficient permissions to access this resource: {}", ids::workspace())}}}),
    )
}
