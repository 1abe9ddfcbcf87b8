//! Planted secrets are looked for wherever somebody could read.

use riposte::lab::planted_secrets;
use serde_json::json;

use super::world::{Setup, dcsync};

/// How every access token of the lab begins.
const TOKEN: &str = "eyJ0eXAiOiJKV1Qi";

const EVERYTHING: &str = "playbook: contain
why: As much as there is.
steps:
  - do: disable-ad-user
  - do: suspend-entra-user
  - do: suspend-okta-user
  - do: mark-compromised
  - do: require-password-change
  - do: revoke-sessions
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn no_secret_is_readable_anywhere_whatever_went_right_or_wrong() {
    let alerts = dcsync("a", "1m", "{person: adele}", "") + &dcsync("b", "2m", "{person: diego}", "");
    let setup = Setup::new(alerts).playbook(EVERYTHING).set("log.level", "trace").trace();
    let mut world = setup.start().await;
    // Vendors repeat what they were sent when they refuse it.
    for status in [400, 401, 403, 429, 500] {
        for path in [
            "**/invokeAction",
            "/v1.0/users/*",
            "/v1.0/identityProtection/**",
            "/api/v1/users/**",
            "/v1/workspaces/*/query",
            "/subscriptions/**",
        ] {
            world.fault(json!({"path": path, "status": status, "skip": status % 7}));
        }
    }
    world.run_until(45).await;
    assert!(!world.actions().await.is_empty());
    assert!(!world.comments("a").is_empty());
    assert!(!world.troubles().is_empty());

    let mut places: Vec<(String, String)> = vec![("what was said and logged".to_owned(), world.said())];
    let records = json!([world.alerts().await, world.actions().await, world.notes().await]);
    places.push(("the records as JSON".to_owned(), records.to_string()));
    places.push(("the records for debugging".to_owned(), format!("{:?}", world.actions().await)));
    for alert in ["a", "b"] {
        places.push(("comments".to_owned(), world.comments(alert).join("\n")));
    }
    places.push(("the settings".to_owned(), world.settings_shown()));
    world.stop().await;
    for entry in std::fs::read_dir(world.folder.path()).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_file() && name != "riposte.toml" {
            places.push((name, String::from_utf8_lossy(&std::fs::read(&path).unwrap()).into_owned()));
        }
    }
    assert!(places.iter().any(|(name, _)| name.starts_with("riposte.db")), "the journal is among them");
    assert!(places[0].1.contains("\"level\":\"DEBUG\""), "the log has its finer lines");
    for (place, text) in &places {
        assert_bare(place, text);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_sign_in_tells_nothing_of_the_secret_it_was_tried_with() {
    for status in [400, 401] {
        let mut world = Setup::new(dcsync("a", "1m", "{person: adele}", "")).trace().start().await;
        world.fault(json!({"path": "/*/oauth2/v2.0/token", "status": status, "count": 1_000}));
        world.run_until(2).await;
        assert!(!world.troubles().is_empty());
        assert_bare("what was said and logged", &world.said());
    }
}

/// No secret stands in a text.
fn assert_bare(place: &str, text: &str) {
    for secret in planted_secrets().iter().copied().chain([TOKEN, "SSWS ", "Bearer eyJ"]) {
        let at = text.find(secret);
        let around =
            at.map(|at| String::from_utf8_lossy(&text.as_bytes()[at.saturating_sub(200)..at + 20]).into_owned());
        assert_eq!(around, None, "{secret} stands in {place}");
    }
}
