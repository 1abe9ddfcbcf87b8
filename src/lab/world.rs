//! The lab as one thing behind a lock, and the way of a request through it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use super::apps::Certificate;
use super::faults::{Fault, Faults, Spoil};
use super::http::{Answer, Payload, Req};
use super::limits::Limits;
use super::okta_app::ServiceApp;
use super::scenario::Scenario;
use super::tenant::effects::Outcome;
use super::tenant::{Target, Tenant};
use super::tokens::Tokens;
use super::wire::{self, authority, control, graph, log_analytics, okta, sentinel};
use crate::model::time::At;

/// Everything that a request may read or change.
pub(crate) struct World {
    pub(crate) base_url: String,
    pub(crate) tenant: Tenant,
    pub(crate) tokens: Tokens,
    pub(crate) limits: Limits,
    pub(crate) faults: Faults,
    pub(crate) requests: Requests,
    /// What riposte's application signs in with.
    pub(crate) client_secret: String,
    /// Or its certificate; without one any statement is good that looks like one.
    pub(crate) certificate: Option<Certificate>,
    /// The service app in Okta, where riposte signs in to it with a key.
    pub(crate) okta_app: Option<ServiceApp>,
}

/// Requests counted by method and path template and by status, and the last of them.
#[derive(Default)]
pub(crate) struct Requests {
    pub(crate) counts: BTreeMap<String, u64>,
    pub(crate) statuses: BTreeMap<u16, u64>,
    pub(crate) last: std::collections::VecDeque<RequestSeen>,
}

/// One request as `/_lab/requests` lists it.
#[derive(Debug, Clone, Serialize)]
pub struct RequestSeen {
    /// When, by the lab's clock.
    pub at: At,
    /// HTTP method.
    pub method: String,
    /// Path as sent, without the query.
    pub path: String,
    /// Status that was answered; 0 when the answer was lost on purpose.
    pub status: u16,
}

/// Requests that are kept with their path.
const KEPT: usize = 2_000;

/// What to do with a connection after the work.
pub(crate) struct Verdict {
    pub(crate) answer: Answer,
    pub(crate) spoil: Option<Spoil>,
}

impl World {
    pub(crate) fn new(scenario: &Scenario, base_url: String, unlimited: bool, start: At) -> Self {
        let tenant = Tenant::new(scenario, start);
        let mut faults = Faults::default();
        for fault in &scenario.faults {
            let ids = fault.person.as_deref().map(|p| tenant.identifiers(p)).unwrap_or_default();
            faults.add(fault.clone(), ids);
        }
        let (tokens, limits, requests) = (Tokens::default(), Limits::new(unlimited), Requests::default());
        let client_secret = super::ids::CLIENT_SECRET.to_owned();
        Self { base_url, tenant, tokens, limits, faults, requests, client_secret, certificate: None, okta_app: None }
    }

    /// The fault that waits for this request, taken.
    pub(crate) fn fault(&mut self, req: &Req) -> Option<Fault> {
        if req.path.starts_with("/_lab/") {
            return None;
        }
        self.faults.take(req, self.tenant.start)
    }

    /// Does the work of a request.
    pub(crate) fn handle(&mut self, req: &Req, fault: Option<&Fault>) -> Verdict {
        self.tenant.settle(req.at);
        if let Some((fault, status)) = fault.and_then(|f| Some((f, f.status?))) {
            self.note_refusal(req, status, self.tenant.effects.len());
            return Verdict { answer: faulty(req, status, fault.retry_after), spoil: None };
        }
        let spoil = fault.and_then(|f| f.answer);
        let before = self.tenant.effects.len();
        let answer = self.dispatch(req, spoil == Some(Spoil::Partial));
        if matches!(spoil, Some(Spoil::Lost | Spoil::Malformed)) {
            for effect in &mut self.tenant.effects[before..] {
                effect.answer_lost = true;
            }
        }
        self.note_refusal(req, answer.status, before);
        Verdict { answer, spoil }
    }

    /// Counts a request that has been answered.
    pub(crate) fn seen(&mut self, req: &Req, status: u16) {
        *self.requests.counts.entry(template(req)).or_default() += 1;
        *self.requests.statuses.entry(status).or_default() += 1;
        if self.requests.last.len() == KEPT {
            self.requests.last.pop_front();
        }
        let (method, path) = (req.method.to_string(), req.path.clone());
        self.requests.last.push_back(RequestSeen { at: req.at, method, path, status });
    }

    /// Keeps a change that was asked for and refused, unless the API has noted it itself.
    fn note_refusal(&mut self, req: &Req, status: u16, before: usize) {
        if status < 400 || self.tenant.effects.len() > before {
            return;
        }
        let Some(api) = changes(req) else { return };
        let body = req.json().unwrap_or_default();
        let said = body.as_object().into_iter().flat_map(|o| o.values()).flat_map(|v| match v.as_array() {
            Some(items) => items.as_slice(),
            None => std::slice::from_ref(v),
        });
        let mut named = req.segments.iter().map(String::as_str).chain(said.filter_map(serde_json::Value::as_str));
        let person = named.find_map(|id| self.tenant.who(id));
        let target = person.map_or(Target::Thing(&req.path), Target::Person);
        let operation = template(req);
        self.tenant.note(req.at, api, &operation, target, Outcome::Refused(status));
    }

    fn dispatch(&mut self, req: &Req, partial: bool) -> Answer {
        let (_, path) = req.route();
        match path.as_slice() {
            ["_lab", ..] => control::answer(self, req),
            ["v1.0", ..] => graph::answer(self, req),
            ["v1", "workspaces", ..] => log_analytics::answer(self, req, partial),
            ["subscriptions", ..] => sentinel::answer(self, req),
            ["api", "v1", ..] | ["oauth2", "v1", "token"] => okta::answer(self, req),
            ["metadata", "identity", "oauth2", "token"] => authority::imds(self, req),
            ["msi", "token"] => authority::app_service(self, req),
            _ => authority::answer(self, req),
        }
    }
}

/// The API whose state a request is meant to change; `None` when it only reads.
fn changes(req: &Req) -> Option<&'static str> {
    let reads = ["/alerts", "/entities", "runHuntingQuery", "/query", "/token"];
    if req.method == "GET" || reads.iter().any(|end| req.path.ends_with(end)) {
        return None;
    }
    Some(match req.segments.first().map(String::as_str)? {
        "v1.0" if req.path.ends_with("invokeAction") => "defender",
        "v1.0" if req.path.contains("/security/") => "graph",
        "v1.0" => "entra",
        "subscriptions" => "sentinel",
        "api" => "okta",
        _ => return None,
    })
}

/// An answer made up by a fault, in the words of the API that was asked.
fn faulty(req: &Req, status: u16, retry_after: Option<Duration>) -> Answer {
    let text = match status {
        401 => "Access token validation failure.",
        403 => "Insufficient privileges to complete the operation.",
        429 => "Too many requests.",
        _ => "Something went wrong on the server.",
    };
    let answer = if req.path.starts_with("/api/v1") {
        return okta::fault(req, status, text, retry_after);
    } else if req.path.starts_with("/v1.0") {
        let code = match status {
            401 => "InvalidAuthenticationToken",
            403 => "Authorization_RequestDenied",
            429 => "TooManyRequests",
            503 => "serviceUnavailable",
            _ => "UnknownError",
        };
        wire::graph_error(req, status, code, text)
    } else if req.path.ends_with("/token") {
        Answer::json(
            status,
            serde_json::json!({"error": "temporarily_unavailable", "error_description": text, "error_codes": [90033]}),
        )
    } else {
        wire::plain_error(status, if status == 429 { "TooManyRequests" } else { "InternalServerError" }, text)
    };
    answer.retry_after(retry_after)
}

/// `METHOD /path` with ids replaced by `{id}`, for counting.
pub(crate) fn template(req: &Req) -> String {
    let is_id =
        |s: &str| s.len() > 8 && s.chars().any(|c| c.is_ascii_digit()) || s.contains('@') || s.parse::<u64>().is_ok();
    let parts = req.segments.iter().map(|s| if is_id(s) && !s.starts_with("v1") { "{id}" } else { s.as_str() });
    let path: String = parts.flat_map(|p| ["/", p]).collect();
    format!("{} {path}", req.method)
}

/// Spoils an answer whose work has been done. `None`: the connection ends.
pub(crate) fn spoiled(answer: Answer, spoil: Spoil) -> Option<Answer> {
    Some(match spoil {
        Spoil::Lost => return None,
        Spoil::Empty => Answer::empty(200),
        Spoil::NoContent => Answer::empty(204),
        Spoil::Partial => answer,
        Spoil::Malformed => {
            let text = match answer.body {
                Payload::Json(v) => v.to_string(),
                Payload::Text(_, text) => text,
                Payload::None | Payload::Later(_) => "{\"value\": [".to_owned(),
            };
            let half: String = text.chars().take(text.chars().count() / 2).collect();
            Answer {
                status: answer.status,
                headers: answer.headers,
                body: Payload::Text("application/json; charset=utf-8", half),
            }
        }
    })
}
