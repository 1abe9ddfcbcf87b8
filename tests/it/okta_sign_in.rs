//! How riposte signs in to Okta as a service app: with its key, with the next one, and what it says when it cannot.

use riposte::lab::{self, Scenario};
use riposte::model::time::SystemClock;
use serde_json::json;
use std::sync::Arc;

use super::world::{EVERYWHERE, PEOPLE, Setup, World, dcsync};

/// Two people with accounts in Okta, five minutes apart.
fn setup(app: &str) -> Setup {
    let people = PEOPLE.replace("app: {", &format!("app: {{{app}")).replace(
        "ad: {rid: 1106, groups: [domain-users]}, entra: {}",
        "ad: {rid: 1106, groups: [domain-users]}, entra: {}, okta: {}",
    );
    let alerts = dcsync("adele", "1m", "{person: adele}", "") + &dcsync("diego", "6m", "{person: diego}", "");
    Setup::new(alerts).people(&people).playbook(EVERYWHERE).okta_key()
}

fn is_suspended(world: &World, person: &str) -> bool {
    world.lab.state().people[person].okta.as_ref().unwrap().status == "SUSPENDED"
}

/// Statuses of the requests for tokens, oldest first.
async fn sign_ins(world: &World) -> Vec<u16> {
    let asked = world.requests().await;
    asked.iter().filter(|asked| asked.path == "/oauth2/v1/token").map(|asked| asked.status).collect()
}

/// How Okta's API itself answered with this status.
async fn answered(world: &World, status: u16) -> usize {
    world.requests().await.iter().filter(|asked| asked.path.starts_with("/api/v1/") && asked.status == status).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_service_app_contains_with_its_key_and_with_the_next_one_without_a_restart() {
    // So short a life that each call signs in.
    let mut world = setup("token_lifetime: 200s, ").trace().start().await;
    world.run_until(5).await;
    assert!(is_suspended(&world, "adele"), "{}", world.said());
    assert_eq!(world.lab.state().people["adele"].okta.as_ref().unwrap().sessions, 0);
    let before = sign_ins(&world).await.len();
    let pem = world.lab.renew_okta_key().unwrap().unwrap();
    std::fs::write(world.folder.path().join(lab::OKTA_PEM), pem).unwrap();
    world.run_until(12).await;
    assert!(is_suspended(&world, "diego"));
    let all = sign_ins(&world).await;
    assert!(before > 0 && all.len() > before && all.iter().all(|status| *status == 200), "{before}: {all:?}");
    assert_eq!((answered(&world, 401).await, answered(&world, 403).await), (0, 0), "it asks for every scope it needs");
    let said = world.said() + &world.settings_shown();
    for secret in ["PRIVATE KEY", "eyJ", "client_assertion="] {
        assert!(!said.contains(secret), "{secret}");
    }
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_token_that_ends_in_the_middle_costs_one_sign_in_and_nothing_is_done_twice() {
    let mut world = setup("").start().await;
    // Refused unread: the one call that changes the account is sent again with a fresh token.
    world.fault(json!({"path": "/api/v1/users/*/lifecycle/suspend", "status": 401}));
    world.run_until(5).await;
    assert!(is_suspended(&world, "adele"), "{}", world.said());
    assert_eq!(sign_ins(&world).await, [200, 200]);
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn tokens_that_okta_takes_back_are_replaced() {
    let mut world = setup("").start().await;
    world.run_until(5).await;
    assert_eq!(sign_ins(&world).await, [200], "one token serves all calls");
    world.lab.end_okta_tokens();
    world.run_until(12).await;
    assert!(is_suspended(&world, "diego"), "{}", world.said());
    assert_eq!(sign_ins(&world).await, [200, 200]);
    assert!(answered(&world, 401).await >= 1);
    world.assert_whole().await;
}

/// Nothing is done in Okta, and the incident says why.
async fn refused(setup: Setup, cure: &str) {
    let mut world = setup.start().await;
    world.run_until(9).await;
    assert!(!is_suspended(&world, "adele"));
    let told = world.comments("adele").join(" ").replace('\n', " ");
    assert!(told.contains("org main") && told.contains(cure), "{told}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_sign_in_that_okta_refuses_is_told_on_the_incident_with_what_to_do() {
    let options = lab::Options { okta_key: true, ..lab::Options::default() };
    let elsewhere = lab::serve(Arc::new(SystemClock), Scenario::morning().unwrap(), options).await.unwrap();
    let pem = elsewhere.access("").okta_pem.unwrap();
    refused(setup("").file(lab::OKTA_PEM, &pem), "public key").await;
    refused(setup("without_okta_scopes: [okta.logs.read], "), "grant the service app").await;
    refused(setup("okta_dpop: true, "), "DPoP").await;
}
