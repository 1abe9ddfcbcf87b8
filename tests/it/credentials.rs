//! Credentials and permissions that are missing for a while, and calls of which nobody knows what they did.

use riposte::model::intent::Verb;
use riposte::model::outcome::OutcomeKind;
use riposte::record::event::StreamKind;

use super::world::{Setup, World, dcsync};

/// How often a user is read to act on it.
const READS: usize = 3;
const BY: &str = "eva@contoso.com";
const SUSPEND: &str = "playbook: contain\nwhy: Stop it.\nsteps:\n  - do: suspend-entra-user\n";

/// An alert about Megan, who lives in Entra alone, with these faults.
async fn about_megan(faults: &str) -> World {
    let setup = Setup::new(dcsync("a", "1m", "{person: megan}", "")).playbook(SUSPEND).with(faults);
    setup.set("sources.log_analytics.every", "1m").set("sources.graph.every", "1m").start().await
}

fn is_enabled(world: &World) -> bool {
    world.lab.state().people["megan"].entra[0].enabled
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_credential_parks_an_effect_until_it_is_good_again() {
    let mut world =
        about_megan("faults:\n  - {method: PATCH, path: \"/v1.0/users/*\", count: 18, status: 401}\n").await;
    world.run_until(25).await;
    let parked = world.action("megan", Verb::SuspendEntraUser).await;
    assert_eq!((parked.status(), parked.reason().code()), ("parked", "refused"));
    assert!(parked.reason().line().contains("credential refused"), "{}", parked.reason());
    let told = world.comments("a").join("\n");
    assert!(told.contains("parked") && told.contains("credential refused"), "{told}");
    world.run_until(3 * 60).await;
    let action = world.action("megan", Verb::SuspendEntraUser).await;
    assert_eq!(action.outcome().map(|end| end.kind), Some(OutcomeKind::Effective), "{action:#?}");
    assert_eq!(world.lab.state().faults_left, 0);
    assert!(!is_enabled(&world));
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_credential_does_not_outlive_an_approval() {
    let setup = Setup::new(dcsync("a", "1m", "{person: megan}", "")).playbook(SUSPEND).mode("approve");
    let faults = "faults:\n  - {method: PATCH, path: \"/v1.0/users/*\", count: 100000, status: 401}\n";
    let mut world = setup.with(faults).set("sources.log_analytics.every", "5m").start().await;
    world.run_until(7).await;
    let asked = world.action("megan", Verb::SuspendEntraUser).await;
    world.vote(&asked, BY, true).await;
    world.run_until(5 * 60).await;
    let action = world.action("megan", Verb::SuspendEntraUser).await;
    assert_eq!(action.outcome().map(|end| end.kind), Some(OutcomeKind::Expired), "{action:#?}");
    let why = action.reason().line();
    assert!(why.starts_with("too-late") && why.contains("credential refused"), "{why}");
    assert!(is_enabled(&world));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_permission_to_read_is_waited_for_and_then_no_longer() {
    for (count, kind) in [(20, Some(OutcomeKind::Effective)), (100_000, None)] {
        let fault =
            format!("faults:\n  - {{method: GET, path: \"**/transitiveMemberOf**\", count: {count}, status: 403}}\n");
        let mut world = about_megan(&fault).await;
        world.run_until(8).await;
        assert!(world.actions().await.is_empty());
        let waiting = world.alert("a").await;
        assert!(format!("{:?}", waiting.phase).contains("Forbidden"), "{:?}", waiting.phase);
        world.run_until(30).await;
        if kind.is_none() {
            // It has lasted for so long that the incident says so, once.
            let told = world.comments("a");
            assert!(told.len() == 1 && told[0].contains("cannot decide yet"), "{told:#?}");
        }
        world.run_until(5 * 60).await;
        let actions = world.actions_on("megan").await;
        assert_eq!(actions.first().and_then(|action| action.outcome()).map(|end| end.kind), kind, "{actions:#?}");
        assert_eq!(is_enabled(&world), kind.is_none());
        if kind.is_none() {
            let alert = world.alert("a").await;
            assert_eq!(alert.decided.first().map(|decided| decided.reason.code()), Some("refused"), "{alert:#?}");
            let told = world.comments("a");
            assert!(told.len() == 2 && told[1].contains("not permitted"), "{told:#?}");
        }
        world.assert_whole().await;
    }
}

/// A suspension whose answer was lost, with nobody able to look for it, so many minutes later.
async fn lost_and_blind_for(minutes: u64) -> World {
    // Before the call the user is read READS times.
    let faults = format!(
        "faults:\n  - {{method: PATCH, path: \"/v1.0/users/*\", answer: lost}}\n  \
         - {{method: GET, path: \"/v1.0/users/*\", person: megan, skip: {READS}, count: 100000, status: 403}}\n"
    );
    let mut world = about_megan(&faults).await;
    world.run_until(minutes).await;
    world
}

/// The same after more than an hour: a person is asked.
async fn lost_and_blind() -> World {
    let world = lost_and_blind_for(75).await;
    let asked = world.action("megan", Verb::SuspendEntraUser).await;
    assert_eq!((asked.status(), asked.reason().code()), ("waiting", "cannot-tell"), "{asked:#?}");
    let told = world.comments("a").join("\n");
    assert!(told.contains(&format!("riposte approve {}", asked.action.id.short())), "{told}");
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_call_whose_effect_nobody_knows_is_told_after_minutes_and_undone_as_soon_as_it_is_seen() {
    let mut world = lost_and_blind_for(12).await;
    let unsure = world.action("megan", Verb::SuspendEntraUser).await;
    assert_eq!((unsure.status(), unsure.reason().code()), ("verifying", "answer-lost"), "{unsure:#?}");
    let told = world.comments("a");
    assert!(told[0].starts_with("riposte does not know yet what its call did"), "{told:#?}");
    world.undo(&unsure, BY).await;
    world.run_until(20).await;
    assert!(!is_enabled(&world), "nobody knows yet whether there is anything to undo");
    world.lab.clear_faults();
    world.run_until(40).await;
    let action = world.actions_on("megan").await.remove(0);
    assert_eq!(action.outcome().map(|end| end.kind), Some(OutcomeKind::Reverted), "{action:#?}");
    assert!(is_enabled(&world));
    assert_eq!(world.taken("megan", "Disable account"), 1);
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_call_that_a_person_is_asked_about_ends_when_a_look_shows_it() {
    let mut world = lost_and_blind().await;
    world.lab.clear_faults();
    world.run_until(100).await;
    let action = world.action("megan", Verb::SuspendEntraUser).await;
    assert_eq!(action.outcome().map(|end| end.kind), Some(OutcomeKind::Effective), "{action:#?}");
    assert_eq!(world.taken("megan", "Disable account"), 1);
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_call_that_a_person_is_asked_about_can_be_undone_or_closed() {
    for undoes in [true, false] {
        let mut world = lost_and_blind().await;
        let asked = world.action("megan", Verb::SuspendEntraUser).await;
        world.lab.clear_faults();
        if undoes {
            world.undo(&asked, BY).await;
        } else {
            world.vote(&asked, BY, false).await;
        }
        world.run_until(95).await;
        let action = world.actions_on("megan").await.remove(0);
        let kind = if undoes { OutcomeKind::Reverted } else { OutcomeKind::Unverified };
        assert_eq!(action.outcome().map(|end| end.kind), Some(kind), "{action:#?}");
        assert_eq!(is_enabled(&world), undoes);
        assert_eq!(world.taken("megan", "Disable account"), 1);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_decided_on_stands_in_all_words_while_a_change_of_its_alert_cannot_be_looked_at() {
    let accounts = "{person: megan}, {person: grady, after: 20m}";
    let setup = Setup::new(dcsync("a", "1m", accounts, "")).playbook(SUSPEND);
    let mut world = setup.set("sources.log_analytics.every", "1m").set("sources.graph.every", "1m").start().await;
    world.run_until(15).await;
    let first = world.comments("a");
    assert!(first.len() == 1 && first[0].ends_with(", note 1)"), "{first:#?}");
    world.fault(serde_json::json!({"path": "/v1.0/users**", "status": 503, "count": 100_000}));
    world.run_until(50).await;
    let alert = world.alert("a").await;
    let why = alert.waits_for().unwrap();
    assert!(why.starts_with("what was decided on stands, and it is to be looked at again; refused: "), "{why}");
    let told = world.comments("a");
    assert_eq!(told.len(), 2, "{told:#?}");
    assert!(told[1].starts_with("riposte cannot look at it again yet: "), "{told:#?}");
    assert!(told[1].contains("suspend-entra-user on megan") && told[1].contains("effective"), "{told:#?}");
    assert!(told[1].ends_with(", note 2)"), "{told:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_comes_meanwhile_does_not_put_off_when_an_incident_hears_of_a_directory_that_does_not_answer() {
    let accounts = "{person: megan}, {person: grady, after: 4m}";
    let faults = "faults:\n  - {path: \"/v1.0/users**\", until: 2h, status: 503}\n";
    let setup = Setup::new(dcsync("a", "1m", accounts, "")).playbook(SUSPEND).with(faults);
    let mut world = setup.set("sources.log_analytics.every", "1m").set("sources.graph.every", "1m").start().await;
    world.run_until(9).await;
    let seen = world.count(StreamKind::Alert, "seen").await;
    assert!(seen > 2, "two sources have shown it, and one of them a change: {seen}");
    let told = world.comments("a");
    assert!(told.len() == 1 && told[0].contains("cannot decide yet"), "{told:#?}");
}
