//! Incidents of Defender: told through Graph, once, wherever they are merged to; those of Sentinel stay where they are.

use std::time::Duration;

use riposte::model::incident::IncidentRef;
use riposte::record::note::NoteState;
use serde_json::json;

use super::world::{Setup, World, dcsync, of_defender};

const POST: &str = "/v1.0/security/incidents/*/comments";

fn routes(world: &World, alert: &str) -> Vec<&'static str> {
    world.lab.state().incidents[alert].comments.iter().map(|comment| comment.route).collect()
}

async fn told(setup: Setup, minutes: u64) -> World {
    let mut world = setup.start().await;
    world.run_until(minutes).await;
    world.assert_whole().await;
    world
}

fn one() -> String {
    of_defender(&dcsync("a", "1m", "{person: adele}", ""))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incident_is_told_where_it_comes_from_and_only_there() {
    let alerts = one() + &dcsync("b", "1m", "{person: joni}", "");
    let world = told(Setup::new(alerts).rule("tag: contained\n"), 8).await;
    assert_eq!((routes(&world, "a"), routes(&world, "b")), (vec!["graph"], vec!["sentinel"]));
    let text = world.comments("a").remove(0);
    assert!(text.starts_with("riposte has answered") && text.contains("seen") && text.len() <= 1_000, "{text}");
    assert_eq!(world.lab.state().incidents["a"].labels, ["contained"]);
    let told = world.notes().await.into_iter().filter(|note| matches!(note.incident, IncidentRef::Defender { .. }));
    assert_eq!(told.count(), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_the_permission_it_is_told_in_sentinel_and_somebody_learns_why() {
    let people =
        super::world::PEOPLE.replace("app: {", "app: {without_permissions: [SecurityIncident.ReadWrite.All], ");
    let world = told(Setup::new(one()).people(&people), 8).await;
    assert_eq!(routes(&world, "a"), ["sentinel"]);
    assert!(world.said().contains("SecurityIncident.ReadWrite.All"), "{}", world.said());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_incidents_may_be_read_and_not_written_to_it_is_told_in_sentinel() {
    let fault = "faults:\n  - {method: POST, path: \"/v1.0/security/incidents/*/comments\", status: 403, count: 9}\n";
    let world = told(Setup::new(one()).with(fault).rule("tag: contained\n"), 20).await;
    assert_eq!(routes(&world, "a"), ["sentinel"]);
    assert!(world.said().contains("SecurityIncident.ReadWrite.All"), "{}", world.said());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_title_that_grows_when_it_is_escaped_keeps_no_comment_away() {
    let alert = one().replace(
        "title: Suspected DCSync attack (replication of directory services)",
        &format!("title: '{}'", "\"".repeat(400)),
    );
    let world = told(Setup::new(alert), 20).await;
    assert_eq!(routes(&world, "a"), ["graph"], "{:?}", world.troubles());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_comment_whose_answer_was_lost_is_looked_for_before_it_is_written_again() {
    for answer in ["lost", "malformed"] {
        let fault = format!("faults:\n  - {{method: POST, path: \"{POST}\", answer: {answer}, count: 2}}\n");
        let world = told(Setup::new(one()).with(&fault), 30).await;
        assert_eq!(routes(&world, "a"), ["graph"], "{answer}");
        let posts = world.requests().await.into_iter().filter(|asked| {
            asked.method == "POST" && asked.path.contains("/incidents/") && asked.path.ends_with("/comments")
        });
        assert_eq!(posts.count(), 1, "{answer}: it was found, not written again");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_a_comment_that_may_still_be_on_its_way_nothing_is_written_for_three_minutes() {
    let mut world = Setup::new(one()).start().await;
    world.fault(json!({"method": "POST", "path": POST, "answer": "lost"}));
    let began = world.began;
    for seconds in (60..600).step_by(10) {
        world.run_until_at(began.plus(Duration::from_secs(seconds))).await;
        if world.troubles().iter().any(|trouble| trouble.contains("comments")) {
            break;
        }
    }
    let note = world.notes().await.remove(0);
    let NoteState::Waiting { at, .. } = note.state else { panic!("{note:#?}") };
    let doubt = at.since(note.begun_at.unwrap());
    assert!(doubt >= Duration::from_secs(180), "{doubt:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_stand_in_defender_never_goes_to_sentinel_when_the_permission_is_withdrawn() {
    let mut world = Setup::new(one()).start().await;
    world.fault(json!({"method": "POST", "path": POST, "answer": "lost"}));
    // By then nobody may look whether it stands there.
    world.fault(json!({"method": "GET", "path": "/v1.0/security/incidents/*", "status": 403, "skip": 2, "count": 3}));
    world.run_until(60).await;
    world.assert_whole().await;
    assert_eq!(routes(&world, "a"), ["graph"], "{:?}", world.troubles());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_comment_that_went_to_sentinel_stays_there_when_the_permission_is_given() {
    let mut world = Setup::new(one()).start().await;
    // Once for the token that is renewed.
    world.fault(json!({"method": "POST", "path": POST, "status": 403, "count": 2}));
    world.fault(json!({"method": "PUT", "path": "/subscriptions/**", "answer": "lost"}));
    world.run_until(60).await;
    world.assert_whole().await;
    assert_eq!(routes(&world, "a"), ["sentinel"], "{:?}", world.troubles());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_comment_that_was_refused_for_now_is_written_later() {
    for status in [429, 503] {
        let mut world = Setup::new(one()).start().await;
        world.fault(json!({"method": "POST", "path": POST, "status": status, "count": 2}));
        world.run_until(30).await;
        world.assert_whole().await;
        assert_eq!(routes(&world, "a"), ["graph"], "{status}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_dies_beside_a_comment_does_not_write_it_twice() {
    let mut world = Setup::new(one()).start().await;
    world.fault(json!({"method": "POST", "path": POST, "answer": "lost"}));
    let posted = |world: &World| routes(world, "a").len();
    for _ in 0..400 {
        if world.lab.state().incidents.contains_key("a") && posted(&world) > 0 {
            break;
        }
        world.stumble(1, Duration::from_millis(1)).await;
    }
    world.crash();
    assert_eq!(posted(&world), 1);
    world.resume().await;
    world.run_until(30).await;
    world.assert_whole().await;
    assert_eq!(routes(&world, "a"), ["graph"]);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incident_that_was_merged_is_told_where_it_went() {
    let merged = one().replace("provider: Microsoft XDR", "provider: Microsoft XDR, redirected_to: b");
    let into = of_defender(&dcsync("b", "1m", "{person: joni}", ""));
    let mut world = Setup::new(merged + &into).start().await;
    world.run_until(12).await;
    assert!(world.comments("a").is_empty(), "{:?}", world.comments("a"));
    assert_eq!(routes(&world, "b"), ["graph", "graph"]);
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_crowd_of_actions_fits_into_a_comment() {
    let people = super::world::PEOPLE;
    let crowd = "{person: adele}, {person: diego}, {person: grady}, {person: joni}, {person: megan}";
    let setup =
        Setup::new(of_defender(&dcsync("a", "1m", crowd, ""))).people(people).playbook(super::world::EVERYWHERE);
    let world = told(setup, 40).await;
    assert!(routes(&world, "a").iter().all(|route| *route == "graph"));
    for text in world.comments("a") {
        assert!(text.chars().count() <= 1_000, "{text}");
        assert!(text.contains("more: riposte actions list"), "{text}");
    }
}
