//! For tests: a vendor on loopback that answers by a function and remembers what it was asked.

use std::borrow::Borrow;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use axum::Router;
use axum::body::{Body, to_bytes};
use axum::extract::Request;
use axum::http::Response;
use serde_json::Value;
use url::Url;

use crate::connect::graph::{Graph, Paces};
use crate::connect::http::{Allowed, Api, Pace};
use crate::connect::loopback;
use crate::connect::port::Answered;
use crate::connect::token::{Anonymous, Authorize};
use crate::journal::begun::Begun;
use crate::model::account::AccountRef;
use crate::model::action::{Action, ActionKey, Mode, Subject};
use crate::model::alert::Severity;
use crate::model::failure::{Failure, Provider};
use crate::model::id::AlertId;
use crate::model::intent::{Intent, Verb};
use crate::model::observation::{Fact, Observation, Witness};
use crate::model::offer::Route;
use crate::model::person::DefenderHandle;
use crate::model::scope::TenantKey;
use crate::model::time::{At, Clock, Pause};

/// One request as it arrived.
#[derive(Debug, Clone)]
pub(in crate::connect) struct Seen {
    pub(in crate::connect) method: String,
    pub(in crate::connect) path: String,
    pub(in crate::connect) query: BTreeMap<String, String>,
    pub(in crate::connect) headers: BTreeMap<String, String>,
    pub(in crate::connect) body: Value,
}

impl Seen {
    pub(in crate::connect) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }

    pub(in crate::connect) fn q(&self, name: &str) -> &str {
        self.query.get(name).map_or("", String::as_str)
    }

    /// Where it arrived, for links back to it.
    pub(in crate::connect) fn origin(&self) -> String {
        format!("http://{}", self.header("host"))
    }

    pub(in crate::connect) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// One answer.
#[derive(Debug, Clone)]
pub(in crate::connect) struct Reply {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: String,
}

impl Reply {
    pub(in crate::connect) fn json(body: impl Borrow<Value>) -> Self {
        Self::status(200, body.borrow())
    }

    pub(in crate::connect) fn list(items: Vec<Value>) -> Self {
        Self::json(Value::Object([("value".to_owned(), Value::Array(items))].into_iter().collect()))
    }

    pub(in crate::connect) fn status(status: u16, body: &Value) -> Self {
        Self { status, headers: Vec::new(), body: body.to_string() }
    }

    pub(in crate::connect) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: String::new() }
    }

    /// A refusal in Graph's shape.
    pub(in crate::connect) fn error(status: u16, code: &str) -> Self {
        Self::status(status, &serde_json::json!({"error": {"code": code, "message": "no"}}))
    }

    pub(in crate::connect) fn header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// The vendor.
pub(in crate::connect) struct Fake {
    url: Url,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Fake {
    pub(in crate::connect) async fn start(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Self {
        let seen = Arc::new(Mutex::new(Vec::new()));
        let (answer, memory) = (Arc::new(answer), Arc::clone(&seen));
        let handler = move |request: Request| {
            let (answer, memory) = (Arc::clone(&answer), Arc::clone(&memory));
            async move {
                let seen = read(request).await;
                memory.lock().unwrap().push(seen.clone());
                let reply = answer(&seen);
                let mut response = Response::builder().status(reply.status).header("content-type", "application/json");
                for (name, value) in reply.headers {
                    response = response.header(name, value);
                }
                response.body(Body::from(reply.body)).unwrap()
            }
        };
        let url = loopback::serve(Router::new().fallback(handler)).await;
        Self { url, seen }
    }

    /// Graph there.
    pub(in crate::connect) fn graph(&self) -> Graph {
        let auth: Arc<dyn Authorize> = Arc::new(Anonymous);
        let pace = || Pace::unlimited(&loopback::clock(), 8);
        let paces = Paces { security: pace(), hunting: pace(), identity_protection: pace(), directory: pace() };
        Graph::new(&loopback::transport(), &self.url.join("v1.0").unwrap(), &auth.into(), paces).unwrap()
    }

    /// An API at the root.
    pub(in crate::connect) fn root_api(&self, allowed: &'static [Allowed]) -> Api {
        loopback::api(self.url.clone(), allowed)
    }

    pub(in crate::connect) fn seen(&self) -> Vec<Seen> {
        self.seen.lock().unwrap().clone()
    }

    /// The only request there was.
    pub(in crate::connect) fn only(&self) -> Seen {
        let mut seen = self.seen();
        assert_eq!(seen.len(), 1, "{seen:?}");
        seen.remove(0)
    }
}

async fn read(request: Request) -> Seen {
    let (parts, body) = request.into_parts();
    let bytes = to_bytes(body, 1 << 20).await.unwrap();
    let query = parts.uri.query().unwrap_or_default().as_bytes();
    let headers = parts.headers.iter().map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned()));
    Seen {
        method: parts.method.to_string(),
        path: parts.uri.path().to_owned(),
        query: url::form_urlencoded::parse(query).into_owned().collect(),
        headers: headers.collect(),
        body: serde_json::from_slice(&bytes).unwrap_or_default(),
    }
}

/// A clock that stands still.
#[derive(Debug, Clone, Copy)]
pub(in crate::connect) struct Still(pub(in crate::connect) At);

impl Clock for Still {
    fn now(&self) -> At {
        self.0
    }

    fn sleep_until(&self, _at: At) -> Pause {
        Box::pin(async {})
    }
}

/// The moment at which [`still`] stands.
pub(in crate::connect) const NOW: At = At::from_unix_seconds(1_767_323_045);

pub(in crate::connect) fn still() -> Arc<dyn Clock> {
    Arc::new(Still(NOW))
}

pub(in crate::connect) fn subject(account: AccountRef) -> Subject {
    let handle = DefenderHandle { identity: "ident-1".to_owned(), account: "acc/1".to_owned() };
    Subject { account, upn: None, label: "adele".to_owned(), handle: Some(handle), also: Vec::new() }
}

/// An action as the journal lets it go.
pub(in crate::connect) fn begun(account: AccountRef, intent: Intent, hybrid: bool) -> Begun {
    let key = ActionKey {
        tenant: TenantKey(uuid::Uuid::nil()),
        alert: AlertId::derive(&["a"]),
        intent,
        account: account.clone(),
        round: 1,
        reverts: None,
    };
    let action = Action {
        id: key.id(),
        key,
        mode: Mode::Enforce,
        wanted_by: Vec::new(),
        why: None,
        routes: vec![Route::Entra],
        after: Vec::new(),
        limits: Vec::new(),
        subject: subject(account),
        severity: Severity::High,
        expires: NOW,
        revert_after: None,
        hybrid,
    };
    let prior = Observation { at: NOW, by: Witness::Entra, fact: Fact::Enabled(true) };
    Begun::for_test(action, Route::Entra, prior)
}

pub(in crate::connect) fn of(verb: Verb) -> Intent {
    Intent::of(verb)
}

pub(in crate::connect) fn failed(answered: Answered) -> Failure {
    match answered {
        Answered::Failed(failure) => failure,
        Answered::Accepted { .. } => panic!("it was accepted"),
    }
}

pub(in crate::connect) fn accepted(answered: Answered) -> Option<String> {
    match answered {
        Answered::Accepted { correlation } => correlation,
        Answered::Failed(failure) => panic!("{failure}"),
    }
}

/// A failure for readers that fail.
pub(in crate::connect) fn trouble() -> Failure {
    use crate::model::failure::{FailureKind, Sent};
    Failure {
        provider: Provider::Defender,
        operation: "POST x".to_owned(),
        kind: FailureKind::Unavailable,
        sent: Sent::Answered,
        vendor: None,
        hint: String::new(),
    }
}
