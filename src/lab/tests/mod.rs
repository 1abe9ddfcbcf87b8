//! The lab over its real https, as any client sees it.

#![expect(clippy::disallowed_methods, reason = "a test is its own client")]

mod contracts;
mod queries;

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
    let block = json!({"@odata.type": "#microsoft.graph.user", "accountEnabled": false});
    assert_eq!(b.call(Method::PATCH, &path, Some(block)).await.status(), 204, "as one SDK writes it");
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
async fn an_answer_lost_on_purpose_has_had_its_effect_and_reaches_nobody() {
    let b = morning().await;
    let id = b.lab.state().people["nestor"].okta.as_ref().unwrap().id.clone();
    let lost = b.try_call(Method::POST, &format!("/api/v1/users/{id}/lifecycle/suspend"), None).await;
    assert!(lost.is_err(), "no answer at all");
    let state = b.lab.state();
    assert_eq!(state.people["nestor"].okta.as_ref().unwrap().status, "SUSPENDED");
    assert!(state.effects[0].answer_lost && state.effects[0].outcome == Outcome::Applied);
    assert_eq!(b.get(&format!("/api/v1/users/{id}")).await["status"], "SUSPENDED", "and the next call is answered");
}

#[tokio::test]
async fn a_fault_happens_as_often_as_it_says_and_only_to_its_person() {
    let b = morning().await;
    assert_eq!(b.invoke("adele", "disable").await.status(), 200);
    let refused = b.invoke("grady", "disable").await;
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (429, "5"));
    assert_eq!(b.invoke("grady", "disable").await.status(), 200);
    let effects = b.lab.state().effects;
    assert_eq!(effects[1].outcome, Outcome::Refused(429));
    assert_eq!(effects[1].person.as_deref(), Some("grady"));
}

#[tokio::test]
async fn answers_are_spoiled_as_asked() {
    let b = morning().await;
    for (answer, status) in [("empty", 200), ("no-content", 204), ("malformed", 200)] {
        let fault = json!({"method": "GET", "path": "/v1.0/users", "answer": answer});
        assert_eq!(b.call(Method::POST, "/_lab/fault", Some(fault)).await.status(), 200);
        let spoiled = b.call(Method::GET, "/v1.0/users", None).await;
        assert_eq!(spoiled.status(), status, "{answer}");
        assert_eq!(body(spoiled).await, Value::Null, "{answer}");
    }
    let broken = b.call(Method::POST, "/_lab/fault", Some(json!({"pth": "/"}))).await;
    assert_eq!(broken.status(), 400);
}

#[tokio::test]
async fn identity_protection_allows_one_request_a_second_without_retry_after() {
    let b = morning().await;
    let id = b.lab.state().people["megan"].entra[0].id.clone();
    let path = "/v1.0/identityProtection/riskyUsers/confirmCompromised";
    let body = json!({"userIds": [id]});
    assert_eq!(b.call(Method::POST, path, Some(body.clone())).await.status(), 204);
    let refused = b.call(Method::POST, path, Some(body)).await;
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().get("retry-after").is_none());
    b.clock.advance(Duration::from_secs(1));
    let risky = b.get(&format!("/v1.0/identityProtection/riskyUsers/{id}")).await;
    assert_eq!((&risky["riskState"], &risky["riskLevel"]), (&json!("confirmedCompromised"), &json!("high")));
}

#[tokio::test]
async fn documented_limits_hold_and_unlimited_lifts_them() {
    let over = async |b: &Bench| {
        let mut refused = 0;
        for _ in 0..151 {
            refused += usize::from(b.call(Method::GET, "/v1.0/security/alerts_v2?$top=1", None).await.status() == 429);
        }
        refused
    };
    assert_eq!(over(&morning().await).await, 1);
    assert_eq!(over(&bench_with(Scenario::morning().unwrap(), true).await).await, 0);
}

#[tokio::test]
async fn deleting_a_member_without_ref_deletes_the_user_and_with_it_the_membership() {
    let b = morning().await;
    let state = b.lab.state();
    let group = state.groups["payroll-admins"].entra_id.clone().unwrap();
    let user = state.people["lynne"].entra[0].id.clone();
    let path = format!("/v1.0/groups/{group}/members/{user}");
    assert_eq!(b.call(Method::DELETE, &format!("{path}/$ref"), None).await.status(), 204);
    assert_eq!(b.call(Method::DELETE, &format!("{path}/$ref"), None).await.status(), 404, "not a member any more");
    assert!(b.lab.state().groups["payroll-admins"].entra.is_empty());
    let back = json!({"@odata.id": format!("https://graph.microsoft.com/v1.0/directoryObjects/{user}")});
    let add = format!("/v1.0/groups/{group}/members/$ref");
    assert_eq!(b.call(Method::POST, &add, Some(back)).await.status(), 204);
    assert_eq!(b.lab.state().groups["payroll-admins"].entra, ["lynne"]);
    assert!(!b.lab.state().people["lynne"].entra[0].deleted);
    assert_eq!(b.call(Method::DELETE, &path, None).await.status(), 204);
    assert!(b.lab.state().people["lynne"].entra[0].deleted, "the client's mistake shows");
}

#[tokio::test]
async fn memberships_are_seen_nested_with_sids_and_roles() {
    let b = morning().await;
    let path = format!("{}/transitiveMemberOf", b.user_path("breakglass"));
    let found = b.get(&path).await;
    let items = found["value"].as_array().unwrap();
    let has = |field: &str, value: &str| items.iter().any(|i| i[field] == value);
    assert!(has("onPremisesSecurityIdentifier", &format!("{}-512", ids::DOMAIN_SID)));
    assert!(has("roleTemplateId", "62e90394-69f5-4237-9190-012177145e10"));
}

#[tokio::test]
async fn a_permission_taken_away_is_a_403_after_the_next_token_and_admins_need_a_role() {
    let mut b = morning().await;
    let remove = json!({"remove": ["User.EnableDisableAccount.All"]});
    b.call(Method::POST, "/_lab/permissions", Some(remove)).await;
    let patch = json!({"accountEnabled": false});
    let diego = b.user_path("diego");
    assert_eq!(b.call(Method::PATCH, &diego, Some(patch.clone())).await.status(), 204, "the old token still has it");
    b.token = b.token_for("https://graph.microsoft.com/.default").await;
    let refused = b.call(Method::PATCH, &diego, Some(patch.clone())).await;
    assert_eq!(refused.status(), 403);
    assert_eq!(body(refused).await["error"]["code"], "Authorization_RequestDenied");

    let weak = "people: [{person: boss, entra: {roles: [Global Administrator]}}, {person: bob, entra: {}}]";
    let b = bench(Scenario::parse(weak).unwrap()).await;
    assert_eq!(b.call(Method::PATCH, &b.user_path("boss"), Some(patch.clone())).await.status(), 403);
    assert_eq!(b.call(Method::PATCH, &b.user_path("bob"), Some(patch)).await.status(), 204);
}

#[tokio::test]
async fn okta_suspends_only_active_users_and_says_where_the_caller_stands() {
    let b = morning().await;
    let id = b.lab.state().people["adele"].okta.as_ref().unwrap().id.clone();
    let path = |op: &str| format!("/api/v1/users/{id}/lifecycle/{op}");
    let done = b.call(Method::POST, &path("suspend"), None).await;
    assert_eq!(done.status(), 200);
    assert!(done.headers().contains_key("x-rate-limit-remaining"));
    let again = b.call(Method::POST, &path("suspend"), None).await;
    assert_eq!(again.status(), 400);
    assert_eq!(body(again).await["errorCode"], "E0000001");
    assert_eq!(b.call(Method::POST, &path("unsuspend"), None).await.status(), 200);
    let clear = format!("/api/v1/users/{id}/sessions?oauthTokens=true");
    assert_eq!(b.call(Method::DELETE, &clear, None).await.status(), 204);
    let log = b.get("/api/v1/logs?filter=eventType eq \"user.lifecycle.suspend\"").await;
    assert_eq!(log[0]["target"][0]["id"], json!(id));
    let found = b.get("/api/v1/users?search=profile.login eq \"adele@contoso.com\"").await;
    assert_eq!(found.as_array().unwrap().len(), 1);
    assert_eq!(b.lab.state().people["adele"].okta.as_ref().unwrap().tokens, 0);
    let stranger = b.http.get(format!("{}/api/v1/users/{id}", b.base)).send().await.unwrap();
    assert_eq!(stranger.status(), 401);
}

#[tokio::test]
async fn alerts_come_newest_first_in_pages_with_entities_when_known_and_never_when_forged() {
    let b = morning().await;
    assert_eq!(b.get("/v1.0/security/alerts_v2").await["value"], json!([]));
    b.wait(40);
    let filter = "$filter=serviceSource eq 'microsoftDefenderForIdentity' and createdDateTime ge 2026-03-02T08:00:00Z";
    let mut seen: Vec<Value> = Vec::new();
    let mut next = format!("/v1.0/security/alerts_v2?{filter}&$top=5");
    loop {
        let page = b.get(&next).await;
        seen.extend(page["value"].as_array().unwrap().clone());
        match page["@odata.nextLink"].as_str() {
            Some(link) => next = link.strip_prefix(&b.base).unwrap().to_owned(),
            None => break,
        }
    }
    let times: Vec<&str> = seen.iter().map(|a| a["createdDateTime"].as_str().unwrap()).collect();
    assert!(times.is_sorted_by(|a, b| a >= b) && times.len() > 10, "{times:?}");
    let state = b.lab.state();
    let listed = |alert: &str| seen.iter().any(|a| a["id"] == *state.alerts[alert].graph_id);
    assert!(listed("dcsync") && !listed("forged"));
}

#[tokio::test]
async fn entities_that_come_late_are_an_update_of_the_alert() {
    let b = morning().await;
    b.wait(16);
    let path = format!("/v1.0/security/alerts_v2/{}", b.lab.state().alerts["late-entities"].graph_id);
    assert_eq!(b.get(&path).await["evidence"], json!([]));
    b.wait(6);
    let alert = b.get(&path).await;
    assert_eq!(alert["evidence"][0]["userAccount"]["accountName"], "henrietta");
    assert!(alert["lastUpdateDateTime"].as_str() > alert["createdDateTime"].as_str());
}

#[tokio::test]
async fn an_incident_comes_minutes_after_its_alert_and_tells_its_provider() {
    let b = morning().await;
    b.wait(2);
    assert_eq!(b.call(Method::GET, &b.incident_path("dcsync", ""), None).await.status(), 404);
    b.wait(6);
    assert_eq!(b.get(&b.incident_path("dcsync", "")).await["properties"]["providerName"], "Azure Sentinel");
    let merged = b.get(&b.incident_path("stolen-session", "")).await;
    assert_eq!(merged["properties"]["providerName"], "Microsoft XDR");
    let graph = merged["properties"]["providerIncidentId"].as_str().unwrap();
    let comments = format!("/v1.0/security/incidents/{graph}/comments");
    let comment = json!({"@odata.type": "microsoft.graph.security.alertComment", "comment": "hello"});
    let list = body(b.call(Method::POST, &comments, Some(comment)).await).await;
    assert_eq!(list["value"][0]["comment"], "hello");
    assert_eq!(b.lab.state().incidents["stolen-session"].comments[0].route, "graph");
    let alerts = body(b.call(Method::POST, &b.incident_path("dcsync", "/alerts"), None).await).await;
    assert_eq!(alerts["value"][0]["kind"], "SecurityAlert");
    assert_eq!(alerts["value"][0]["name"], json!(b.lab.state().alerts["dcsync"].system_id));
}

#[tokio::test]
async fn people_comment_and_operators_act_apart_from_riposte() {
    let b = morning().await;
    b.wait(10);
    assert!(b.lab.comment_as("soc-eva", "dcsync", "/riposte approve 1"));
    let comments = b.get(&b.incident_path("dcsync", "/comments")).await;
    let eva = b.lab.state().people["soc-eva"].entra[0].id.clone();
    assert_eq!(comments["value"][0]["properties"]["author"]["objectId"], json!(eva));
    assert!(b.lab.set_enabled("miriam", Directory::ActiveDirectory, false));
    assert!(!b.lab.set_enabled("miriam", Directory::ActiveDirectory, false));
    assert!(!b.lab.state().people["miriam"].ad.as_ref().unwrap().enabled);
}

#[tokio::test]
async fn managed_identity_endpoints_want_their_headers() {
    let b = morning().await;
    let imds = format!(
        "{}/metadata/identity/oauth2/token?api-version=2018-02-01&resource=https://graph.microsoft.com",
        b.base
    );
    assert_eq!(b.http.get(&imds).send().await.unwrap().status(), 400);
    let answer = b.http.get(&imds).header("metadata", "true").send().await.unwrap();
    assert!(body(answer).await["expires_on"].is_string());
    let msi = format!("{}/msi/token?api-version=2019-08-01&resource=https://management.azure.com", b.base);
    assert_eq!(b.http.get(&msi).send().await.unwrap().status(), 401);
    let answer = b.http.get(&msi).header("x-identity-header", ids::IDENTITY_HEADER).send().await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn a_client_that_never_finishes_its_handshake_holds_up_nobody() {
    let b = morning().await;
    let address = b.base.strip_prefix("https://").unwrap().to_owned();
    let _silent = tokio::net::TcpStream::connect(&address).await.unwrap();
    let quick = tokio::time::timeout(Duration::from_secs(5), b.get("/_lab/clock")).await;
    assert!(quick.is_ok());
}

#[tokio::test]
async fn the_settings_name_everything_and_the_address_is_freed_on_shutdown() {
    let b = morning().await;
    let access = b.lab.access("/tmp/ca.pem");
    let settings: toml::Table = access.config_toml.parse().unwrap();
    assert_eq!(settings["tls"]["ca_file"].as_str(), Some("/tmp/ca.pem"));
    assert_eq!(settings["guardrails"]["break_glass"].as_array().unwrap().len(), 2);
    assert_eq!(settings["endpoints"]["arm"].as_str(), Some(b.base.as_str()));
    let address = b.base.strip_prefix("https://").unwrap().to_owned();
    b.lab.shutdown().await;
    assert!(tokio::net::TcpListener::bind(&address).await.is_ok());
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
