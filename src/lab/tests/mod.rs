//! The lab over its real https, as any client sees it.

#![expect(clippy::disallowed_methods, reason = "a test is its own client")]

mod contracts;
mod directory;
mod incidents;
mod okta_app;
mod openapi;
mod queries;
mod service;

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::*;
use crate::lab::tenant::{GRANTED, PERMISSIONS};

use crate::model::time::{At, Clock, Pause, SystemClock};

/// A clock that stands until it is moved.
struct Hand(AtomicI64);

impl Clock for Hand {
    fn now(&self) -> At {
        At::from_ticks(self.0.load(Ordering::SeqCst))
    }

    fn sleep_until(&self, at: At) -> Pause {
        SystemClock.sleep_until(at)
    }
}

impl Advance for Hand {
    fn advance(&self, by: Duration) {
        self.0.fetch_add(i64::try_from(by.as_nanos() / 100).unwrap(), Ordering::SeqCst);
    }
}

/// A lab, a client that trusts it, and a token that is good for all its APIs.
struct Bench {
    lab: Lab,
    clock: Arc<Hand>,
    http: reqwest::Client,
    base: String,
    token: String,
}

async fn bench(scenario: Scenario) -> Bench {
    bench_with(scenario, false).await
}

async fn bench_with(mut scenario: Scenario, unlimited: bool) -> Bench {
    // What riposte does not need, and the lab answers all the same.
    scenario.app.with_permissions.extend(PERMISSIONS.iter().map(|name| (*name).to_owned()));
    let start: At = "2026-03-02T08:00:00Z".parse().unwrap();
    let clock = Arc::new(Hand(AtomicI64::new(start.ticks())));
    let advance: Arc<dyn Advance> = clock.clone();
    let options = Options { unlimited, advance: Some(advance), ..Options::default() };
    let lab = serve(clock.clone(), scenario, options).await.unwrap();
    let access = lab.access("lab-ca.pem");
    let ca = reqwest::Certificate::from_pem(access.ca_pem.as_bytes()).unwrap();
    let http = reqwest::Client::builder().tls_certs_only([ca]).build().unwrap();
    let mut bench = Bench { lab, clock, http, base: access.base_url.clone(), token: String::new() };
    bench.token = bench.token_for(&format!("{}/.default", access.base_url)).await;
    bench
}

async fn morning() -> Bench {
    bench(Scenario::morning().unwrap()).await
}

impl Bench {
    async fn token_for(&self, scope: &str) -> String {
        let answer = self.ask_token(scope, ids::CLIENT_SECRET).await;
        assert_eq!(answer.status(), 200);
        body(answer).await["access_token"].as_str().unwrap().to_owned()
    }

    async fn ask_token(&self, scope: &str, secret: &str) -> Response {
        let client = ids::client();
        let form = [
            ("grant_type", "client_credentials"),
            ("client_id", client.as_str()),
            ("client_secret", secret),
            ("scope", scope),
        ];
        let url = format!("{}/{}/oauth2/v2.0/token", self.base, ids::tenant());
        self.http.post(url).form(&form).send().await.unwrap()
    }

    async fn call(&self, method: Method, path: &str, json: Option<Value>) -> Response {
        self.try_call(method, path, json).await.unwrap()
    }

    async fn try_call(&self, method: Method, path: &str, json: Option<Value>) -> reqwest::Result<Response> {
        let mut request = self.http.request(method, format!("{}{path}", self.base));
        request = if path.starts_with("/api/v1") {
            request.header("authorization", format!("SSWS {}", ids::OKTA_TOKEN))
        } else {
            request.bearer_auth(&self.token)
        };
        match json {
            Some(body) => request.json(&body).send().await,
            None => request.send().await,
        }
    }

    async fn get(&self, path: &str) -> Value {
        let answer = self.call(Method::GET, path, None).await;
        let status = answer.status();
        let value = body(answer).await;
        assert_eq!(status, 200, "GET {path}: {value}");
        value
    }

    fn wait(&self, minutes: u64) {
        self.clock.advance(Duration::from_secs(minutes * 60));
    }

    async fn invoke(&self, person: &str, action: &str) -> Response {
        let state = self.lab.state();
        let them = &state.people[person];
        let path = format!("/v1.0/security/identities/identityAccounts/{}/invokeAction", them.identities[0]);
        let guid = &them.ad.as_ref().unwrap().guid;
        let json = json!({"accountId": guid, "action": action, "identityProvider": "activeDirectory"});
        self.call(Method::POST, &path, Some(json)).await
    }

    fn user_path(&self, person: &str) -> String {
        format!("/v1.0/users/{}", self.lab.state().people[person].entra[0].id)
    }

    fn incident_path(&self, alert: &str, rest: &str) -> String {
        let id = self.lab.state().incidents[alert].id.clone();
        format!(
            "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.OperationalInsights/workspaces/{}/providers/Microsoft.SecurityInsights/incidents/{id}{rest}?api-version=2025-09-01",
            ids::subscription(),
            ids::RESOURCE_GROUP,
            ids::WORKSPACE_NAME
        )
    }
}

async fn body(answer: Response) -> Value {
    let bytes = answer.bytes().await.unwrap();
    serde_json::from_slice(&bytes).unwrap_or(Value::Null)
}
