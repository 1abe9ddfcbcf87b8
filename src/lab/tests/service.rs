//! Tokens, limits, faults, and the server itself.

use std::collections::BTreeSet;

use super::{
    Advance, Bench, Clock, Duration, GRANTED, Method, Outcome, PERMISSIONS, Scenario, ShiftedClock, Value, bench,
    bench_with, body, ids, json, morning,
};

#[test]
fn the_application_has_the_permissions_that_the_readme_asks_for_and_no_others() {
    let rows = include_str!("../../../README.md").lines().filter(|line| line.starts_with("| Graph |"));
    let named = |row: &str| {
        let cell = row.split('|').nth(2).unwrap_or_default().to_owned();
        cell.split('`').skip(1).step_by(2).map(str::to_owned).collect::<Vec<_>>()
    };
    let asked: BTreeSet<String> = rows.flat_map(named).collect();
    assert_eq!(asked, GRANTED.iter().map(|name| (*name).to_owned()).collect());
    assert!(asked.iter().all(|name| PERMISSIONS.contains(&name.as_str())));
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
async fn an_expired_token_is_a_401_in_graph() {
    let b = bench(Scenario::parse("app: {token_lifetime: 0s}").unwrap()).await;
    let refused = b.call(Method::GET, "/v1.0/users", None).await;
    assert_eq!(refused.status(), 401);
    assert_eq!(body(refused).await["error"]["message"], "Lifetime validation failed, the token is expired.");
}

#[tokio::test]
async fn a_shifted_clock_wakes_who_sleeps_on_it_when_it_is_moved() {
    let clock = ShiftedClock::default();
    let tomorrow = clock.now().plus(std::time::Duration::from_hours(24));
    let asleep = clock.sleep_until(tomorrow);
    clock.advance(std::time::Duration::from_hours(25));
    asleep.await;
}

#[tokio::test]
async fn a_delayed_answer_does_not_hold_up_others() {
    let b = morning().await;
    let fault = json!({"path": "/v1.0/users", "delay": "1h"});
    b.call(Method::POST, "/_lab/fault", Some(fault)).await;
    let slow = b.call(Method::GET, "/v1.0/users", None);
    let quick = async {
        while b.get("/_lab/fault").await["waiting"] != json!(2) {}
        b.get("/v1.0/users/adele@contoso.com").await
    };
    tokio::select! {
        _ = slow => panic!("the slow one comes after an hour"),
        user = quick => assert_eq!(user["displayName"], "Adele Vance"),
    }
}

#[tokio::test]
async fn paths_and_bodies_that_are_nonsense_are_refused_and_break_nothing() {
    let b = morning().await;
    for (method, path) in [
        (Method::GET, "/v1.0/nowhere"),
        (Method::GET, "/v1.0/users/..%2f..%2fadmin"),
        (Method::GET, "/v1.0/users/%FF%FE"),
        (Method::GET, "/v1.0/users?$filter=((((("),
        (Method::DELETE, "/v1.0/users"),
        (Method::GET, "/subscriptions/x"),
        (Method::GET, "/v1/workspaces/x"),
        (Method::GET, "/api/v1/users/%27%20or%201=1"),
        (Method::POST, "/_lab/nothing"),
        (Method::GET, "/"),
    ] {
        let status = b.call(method, path, None).await.status().as_u16();
        assert!((400..500).contains(&status), "{path}: {status}");
    }
    let url = format!("{}{}", b.base, b.user_path("adele"));
    let broken = b.http.patch(url).bearer_auth(&b.token).header("content-type", "application/json").body("{\"a").send();
    assert_eq!(broken.await.unwrap().status(), 400);
    let big = b.http.post(format!("{}/_lab/fault", b.base)).body(vec![b' '; 9 << 20]).send().await;
    assert!(big.is_err() || big.unwrap().status() == 413);
    assert_eq!(b.get("/_lab/clock").await["start"], "2026-03-02T08:00:00Z");
}
