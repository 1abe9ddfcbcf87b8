//! The lab over its real https, as any client sees it.

#![expect(clippy::disallowed_methods, reason = "a test is its own client")]

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use reqwest::{Method, Response};
use serde_json::{Value, json};

use super::*;
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

async fn bench_with(scenario: Scenario, unlimited: bool) -> Bench {
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
        request = match path.starts_with("/api/v1") {
            true => request.header("authorization", format!("SSWS {}", ids::OKTA_TOKEN)),
            false => request.bearer_auth(&self.token),
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

    async fn query(&self, query: &str) -> Value {
        let path = format!("/v1/workspaces/{}/query", ids::workspace());
        let answer = self.call(Method::POST, &path, Some(json!({"query": query}))).await;
        let (status, value) = (answer.status(), body(answer).await);
        assert_eq!(status, 200, "{query}: {value}");
        value
    }

    async fn rows(&self, query: &str) -> Vec<Value> {
        self.query(query).await["tables"][0]["rows"].as_array().unwrap().clone()
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

#[tokio::test]
async fn a_wrong_secret_tenant_or_resource_gets_no_token() {
    let b = morning().await;
    let refused = b.ask_token("https://graph.microsoft.com/.default", "wrong").await;
    assert_eq!(refused.status(), 401);
    assert_eq!(body(refused).await["error_codes"][0], 7_000_215);
    let vault = b.ask_token("https://vault.azure.net/.default", ids::CLIENT_SECRET).await;
    assert_eq!(vault.status(), 400);
    let nowhere = b.http.post(format!("{}/other/oauth2/v2.0/token", b.base)).form(&[("a", "b")]).send().await.unwrap();
    assert_eq!(nowhere.status(), 400);
}

#[tokio::test]
async fn a_token_for_one_api_is_refused_by_the_others_in_their_own_words() {
    let mut b = morning().await;
    b.token = b.token_for("https://management.azure.com/.default").await;
    b.wait(20);
    let graph = b.call(Method::GET, "/v1.0/users", None).await;
    assert_eq!(graph.status(), 401);
    assert_eq!(body(graph).await["error"]["code"], "InvalidAuthenticationToken");
    let path = format!("/v1/workspaces/{}/query", ids::workspace());
    let logs = b.call(Method::POST, &path, Some(json!({"query": "SecurityAlert"}))).await;
    assert_eq!(logs.status(), 403);
    assert_eq!(body(logs).await["error"]["code"], "InvalidAuthenticationTokenAudience");
    assert_eq!(b.get(&b.incident_path("dcsync", "")).await["properties"]["status"], "New");
}

#[tokio::test]
async fn a_disable_is_accepted_then_done_by_the_sensor_then_carried_to_the_cloud_by_sync() {
    let b = morning().await;
    let answer = b.invoke("adele", "disable").await;
    assert_eq!(answer.status(), 200);
    let answer = body(answer).await;
    assert!(answer["correlationId"].is_string() && answer["identityProvider"] == "activeDirectory", "{answer}");
    assert!(b.lab.state().people["adele"].ad.as_ref().unwrap().enabled, "not before the sensor");
    b.wait(1);
    let state = b.lab.state();
    assert!(!state.people["adele"].ad.as_ref().unwrap().enabled);
    assert!(state.people["adele"].entra[0].enabled, "not before synchronisation");
    b.wait(30);
    let state = b.lab.state();
    assert!(!state.people["adele"].entra[0].enabled);
    let done: Vec<(&str, Outcome)> = state.effects.iter().map(|e| (e.api, e.outcome)).collect();
    assert_eq!(done, [("defender", Outcome::Accepted), ("sensor", Outcome::Applied), ("sync", Outcome::Applied)]);
}

#[tokio::test]
async fn an_identitys_is_enabled_lags_and_is_found_by_sid() {
    let b = morning().await;
    b.invoke("adele", "disable").await;
    b.wait(1);
    let sid = b.lab.state().people["adele"].ad.as_ref().unwrap().sid.clone();
    let path = format!("/v1.0/security/identities/identityAccounts?$filter=onPremisesSecurityIdentifier eq '{sid}'");
    let found = b.get(&path).await;
    assert_eq!(found["value"].as_array().unwrap().len(), 1);
    assert_eq!(found["value"][0]["isEnabled"], true, "five minutes behind");
    b.wait(5);
    assert_eq!(b.get(&path).await["value"][0]["isEnabled"], false);
    let dora = b.lab.state().people["dora"].ad.as_ref().unwrap().sid.clone();
    let path =
        format!("/v1.0/users?$filter=onPremisesSecurityIdentifier eq '{dora}'&$select=id,onPremisesSecurityIdentifier");
    assert_eq!(b.get(&path).await["value"].as_array().unwrap().len(), 2, "ambiguous");
}

#[tokio::test]
async fn a_password_that_never_expires_is_not_forced_although_the_call_is_accepted() {
    let b = morning().await;
    assert_eq!(b.invoke("svc-report", "forcePasswordReset").await.status(), 200);
    assert_eq!(b.invoke("diego", "forcePasswordReset").await.status(), 200);
    b.wait(1);
    let state = b.lab.state();
    assert!(!state.people["svc-report"].ad.as_ref().unwrap().must_change_password);
    assert!(state.people["diego"].ad.as_ref().unwrap().must_change_password);
    let wrong = b.invoke("diego", "revokeAllSessions").await;
    assert_eq!(wrong.status(), 400, "not an action for this provider");
}

#[tokio::test]
async fn synchronisation_undoes_a_cloud_only_block_of_a_hybrid_account() {
    let b = morning().await;
    let path = b.user_path("joni");
    assert_eq!(b.call(Method::PATCH, &path, Some(json!({"accountEnabled": false}))).await.status(), 204);
    assert!(!b.lab.state().people["joni"].entra[0].enabled);
    b.wait(31);
    assert!(b.lab.state().people["joni"].entra[0].enabled);
    assert_eq!(b.get(&format!("{path}?$select=accountEnabled")).await["accountEnabled"], true);
}

#[tokio::test]
async fn comments_are_put_once_and_at_most_a_hundred() {
    let b = morning().await;
    b.wait(10);
    let put = async |id: String, text: &str| {
        let path = b.incident_path("dcsync", &format!("/comments/{id}"));
        let json = json!({"properties": {"message": text}});
        b.call(Method::PUT, &path, Some(json)).await.status().as_u16()
    };
    assert_eq!(put(ids::guid("note", "0"), "first").await, 201);
    assert_eq!(put(ids::guid("note", "0"), "again").await, 200);
    for n in 1..100 {
        assert_eq!(put(ids::guid("note", &n.to_string()), "more").await, 201);
    }
    assert_eq!(put(ids::guid("note", "100"), "one too many").await, 400);
    let comments = &b.lab.state().incidents["dcsync"].comments;
    assert_eq!((comments.len(), comments[0].text.as_str()), (100, "again"));
}

#[tokio::test]
async fn a_stale_etag_is_a_conflict() {
    let b = morning().await;
    b.wait(10);
    let path = b.incident_path("dcsync", "");
    let incident = b.get(&path).await;
    assert_eq!(b.call(Method::PUT, &path, Some(incident.clone())).await.status(), 200);
    assert_eq!(b.call(Method::PUT, &path, Some(incident)).await.status(), 409);
}
