//! Decisions that must not go wrong: whom a forger can touch or hide, and what happens to an action whose
//! ground changes while it waits.

use std::collections::BTreeSet;
use std::time::Duration;

use riposte::lab::Directory;
use riposte::model::intent::Verb;
use riposte::model::outcome::OutcomeKind;
use riposte::model::time::Clock as _;
use riposte::record::action::ActionRecord;
use riposte::record::event::StreamKind;
use serde_json::json;

use super::world::{PEOPLE, Setup, World, dcsync};

const BY: &str = "eva@contoso.com";

fn alert(key: &str, at: &str, person: &str) -> String {
    dcsync(key, at, &format!("{{person: {person}}}"), "")
}

fn end(record: &ActionRecord) -> (Option<OutcomeKind>, &'static str) {
    (record.outcome().map(|outcome| outcome.kind), record.reason().code())
}

/// The ids under which Graph will show these alerts.
async fn graph_ids<const N: usize>(alerts: &str, keys: [&str; N]) -> [String; N] {
    let mut probe = Setup::new(alerts).start().await;
    probe.run_until(7).await;
    let state = probe.lab.state();
    keys.map(|key| state.alerts[key].graph_id.clone())
}

fn set_modes(world: &World, modes: &str) {
    std::fs::write(world.folder.path().join("playbooks/modes.yaml"), modes).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rows_forged_before_defender_speaks_add_nobody_and_stop_nothing() {
    // No true row comes after the forged one and takes its place.
    let genuine = dcsync("genuine", "4m", "{person: adele}", "source: graph");
    let [id] = graph_ids(&genuine, ["genuine"]).await;
    let crowd = ["diego", "grady", "joni", "megan", "boss", "glass"].map(|who| format!("{{person: {who}}}")).join(", ");
    for accounts in ["{person: diego}", &crowd] {
        let forged = dcsync(
            "forged",
            "1m",
            accounts,
            &format!("source: log-analytics, columns: {{VendorOriginalId: {id}, SystemAlertId: {id}}}"),
        );
        let mut world = Setup::new(forged + &genuine).start().await;
        world.run_until(30).await;
        assert_eq!(world.taken("adele", "disable"), 1, "{accounts}: {:#?}", world.alerts().await);
        assert!(world.actions_on("diego").await.is_empty(), "{accounts}");
        let alert = world.alert("genuine").await;
        assert!(alert.decided.is_empty(), "{:#?}", alert.decided);
        world.assert_whole().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_with_the_ids_of_two_alerts_neither_merges_nor_hides_them() {
    let genuine = dcsync("a", "4m", "{person: adele}", "") + &dcsync("b", "6m", "{person: diego}", "");
    let [a, b] = graph_ids(&genuine, ["a", "b"]).await;
    let forged = |key: &str, at: &str, ids: [&str; 2]| {
        let columns =
            format!("source: log-analytics, columns: {{SystemAlertId: {}, VendorOriginalId: {}}}", ids[0], ids[1]);
        // One with an incident of its own would be told there.
        dcsync(key, at, "{person: joni}", &columns).replace("incident: {after: 1m}, ", "")
    };
    for (at, ids) in [("1m", [&a, &b]), ("1m", [&b, &a]), ("9m", [&a, &b]), ("5m", [&b, &a])] {
        let mut world = Setup::new(forged("forged", at, ids.map(String::as_str)) + &genuine).start().await;
        world.run_until(30).await;
        let alerts = world.alerts().await;
        assert_eq!(alerts.iter().filter(|alert| alert.is_witnessed()).count(), 2, "{at}: {alerts:#?}");
        for (person, times) in [("adele", 1), ("diego", 1), ("joni", 0)] {
            assert_eq!(world.taken(person, "disable"), times, "{at}: {person}");
        }
        assert!(!world.is_enabled("adele") && !world.is_enabled("diego"));
        for key in ["a", "b"] {
            assert_eq!(world.comments(key).len(), 1, "{at}: {key}: {:#?}", world.comments(key));
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_account_that_turns_out_to_be_the_attacked_one_is_no_longer_asked_about() {
    let first = dcsync("first", "1m", "{person: adele}", "source: graph");
    let [id] = graph_ids(&first, ["first"]).await;
    let corrected = dcsync(
        "corrected",
        "6m",
        "{person: adele, roles: [attacked]}, {person: diego}",
        &format!("source: graph, fields: {{id: {id}, providerAlertId: {id}}}"),
    );
    let mut world = Setup::new(first + &corrected).mode("approve").start().await;
    world.run_until(4).await;
    let asked = world.action("adele", Verb::DisableAdUser).await;
    assert_eq!(asked.status(), "waiting");
    world.run_until(9).await;
    assert_eq!(
        end(&world.action("adele", Verb::DisableAdUser).await),
        (Some(OutcomeKind::Withheld), "no-longer-wanted")
    );
    assert_eq!(world.action("diego", Verb::DisableAdUser).await.status(), "waiting", "the new suspect is");
    world.vote(&asked, BY, true).await;
    world.run_until(12).await;
    assert_eq!(world.taken("adele", "disable"), 0, "a late yes changes nothing");
}

/// Adele's alert, and how Defender shows it again at these moments: as the suspect, or as who was attacked.
async fn changing_its_mind(again: &[(&str, bool)]) -> String {
    let first = dcsync("first", "1m", "{person: adele}", "source: graph");
    let [id] = graph_ids(&first, ["first"]).await;
    let more = format!("source: graph, fields: {{id: {id}, providerAlertId: {id}}}");
    let again = again.iter().map(|(at, is_suspect)| {
        let adele = if *is_suspect { "{person: adele}" } else { "{person: adele, roles: [attacked]}" };
        dcsync(&format!("at-{at}"), at, adele, &more)
    });
    first + &again.collect::<String>()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_that_is_asked_anew_is_taken_back_anew() {
    let alerts = changing_its_mind(&[("6m", false), ("11m", true), ("16m", false)]).await;
    let mut world = Setup::new(alerts).mode("approve").start().await;
    for (minute, status) in [(4, "waiting"), (9, "withheld"), (14, "waiting"), (19, "withheld")] {
        world.run_until(minute).await;
        let action = world.action("adele", Verb::DisableAdUser).await;
        assert_eq!(action.status(), status, "{minute}: {action:#?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_has_begun_is_looked_at_to_its_end_though_nobody_wants_it_any_more() {
    let alerts = changing_its_mind(&[("3m", false)]).await;
    let slow = PEOPLE.replace("sensor: 2s", "sensor: 4m");
    let mut world = Setup::new(alerts).people(&slow).start().await;
    world.run_until(2).await;
    assert_eq!(world.action("adele", Verb::DisableAdUser).await.status(), "verifying");
    world.run_until(20).await;
    let action = world.action("adele", Verb::DisableAdUser).await;
    assert_eq!(end(&action).0, Some(OutcomeKind::Effective), "{action:#?}");
    assert_eq!(world.taken("adele", "disable"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_that_was_demoted_lets_nothing_go_that_still_waits() {
    for (mode, approves) in [("approve", true), ("enforce", false)] {
        let mut world = Setup::new(alert("a", "1m", "adele")).mode(mode).start().await;
        world.pause(!approves).await;
        world.run_until(4).await;
        let waits = world.action("adele", Verb::DisableAdUser).await;
        assert_eq!(waits.status(), if approves { "waiting" } else { "parked" });
        world.stop().await;
        set_modes(&world, "dcsync: simulate\n");
        world.resume().await;
        world.pause(false).await;
        if approves {
            world.vote(&waits, BY, true).await;
        }
        world.run_until(10).await;
        let action = world.action("adele", Verb::DisableAdUser).await;
        assert_eq!(end(&action), (Some(OutcomeKind::Withheld), "no-longer-wanted"), "{mode}");
        assert_eq!(world.taken("adele", "disable"), 0);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_that_was_switched_off_and_on_again_is_read_again() {
    let shown = |key: &str, at: &str, person: &str| dcsync(key, at, &format!("{{person: {person}}}"), "source: graph");
    let alerts = shown("before", "1m", "adele") + &shown("off", "6m", "diego") + &shown("after", "14m", "joni");
    let mut world = Setup::new(alerts).start().await;
    world.run_until(4).await;
    for (off, until) in [(true, 10), (false, 20)] {
        world.stop().await;
        world.switch_graph(!off);
        world.resume().await;
        world.run_until(until).await;
        assert_eq!(world.taken("diego", "disable"), usize::from(!off));
    }
    for person in ["adele", "joni"] {
        assert_eq!(world.taken(person, "disable"), 1, "{person}");
    }
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_containment_after_one_that_an_administrator_ended_can_end_too() {
    let alerts = alert("a", "1m", "adele") + &alert("b", "20m", "adele");
    let mut world = Setup::new(alerts).set("guardrails.cooldown", "5m").start().await;
    world.run_until(6).await;
    assert!(!world.is_enabled("adele"));
    assert!(world.lab.set_enabled("adele", Directory::ActiveDirectory, true));
    world.run_until(26).await;
    assert!(!world.is_enabled("adele"), "{:#?}", world.actions_on("adele").await);
    let second = world.actions_on("adele").await.pop().unwrap();
    assert_eq!(end(&second), (Some(OutcomeKind::Effective), "seen"));
    world.undo(&second, BY).await;
    world.run_until(34).await;
    assert!(world.is_enabled("adele"), "the first holds nothing any more: {:#?}", world.actions_on("adele").await);
}

const SUSPEND: &str = "playbook: contain\nwhy: Stop it.\nsteps:\n  - do: suspend-entra-user\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_nobody_could_see_is_held_by_the_next_alert_and_can_be_undone() {
    // Every look at the user fails from the accepted call on, and then they are over.
    let faults = "faults:\n  - {method: GET, path: \"/v1.0/users/*\", person: megan, from: 1m, skip: 3, count: 1000, answer: malformed}\n";
    let alerts = alert("a", "1m", "megan") + &alert("b", "40m", "megan");
    let mut world = Setup::new(alerts).playbook(SUSPEND).with(faults).start().await;
    world.run_until(35).await;
    let first = world.action("megan", Verb::SuspendEntraUser).await;
    assert_eq!(end(&first).0, Some(OutcomeKind::Unverified), "{first:#?}");
    world.lab.clear_faults();
    world.run_until(50).await;
    let second = world.actions_on("megan").await.pop().unwrap();
    assert_eq!(end(&second), (Some(OutcomeKind::AlreadyEffective), "held-already"));
    for action in [&first, &second] {
        assert!(!world.lab.state().people["megan"].entra[0].enabled);
        world.undo(action, BY).await;
        world.run_until(if action.action.id == first.action.id { 56 } else { 65 }).await;
    }
    assert!(world.lab.state().people["megan"].entra[0].enabled, "{:#?}", world.actions_on("megan").await);
    assert_eq!(world.taken("megan", "Disable account"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_lets_nothing_go_hours_later() {
    for (hours, calls, kind) in [(3, 1, OutcomeKind::Effective), (5, 0, OutcomeKind::Expired)] {
        let slow = Setup::new(alert("a", "1m", "adele")).mode("approve");
        let slow = slow.set("sources.log_analytics.every", "5m").set("sources.graph.every", "5m");
        let mut world = slow.start().await;
        world.run_until(14).await;
        let asked = world.action("adele", Verb::DisableAdUser).await;
        world.pause(true).await;
        world.vote(&asked, BY, true).await;
        world.run_until(14 + 60 * hours).await;
        world.pause(false).await;
        world.run_until(25 + 60 * hours).await;
        let action = world.action("adele", Verb::DisableAdUser).await;
        assert_eq!((end(&action).0, world.taken("adele", "disable")), (Some(kind), calls), "{hours} h: {action:#?}");
        if calls == 0 {
            let why = action.reason().line();
            assert!(why.contains("too-late") && why.contains("paused"), "{why}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_no_that_comes_before_the_call_wins_over_an_earlier_yes() {
    let mut world = Setup::new(alert("a", "1m", "adele")).mode("approve").start().await;
    world.run_until(4).await;
    let asked = world.action("adele", Verb::DisableAdUser).await;
    world.pause(true).await;
    world.vote(&asked, BY, true).await;
    world.run_until(6).await;
    assert_eq!(world.action("adele", Verb::DisableAdUser).await.status(), "parked");
    world.vote(&asked, "joni@contoso.com", false).await;
    world.pause(false).await;
    world.run_until(12).await;
    assert_eq!(end(&world.action("adele", Verb::DisableAdUser).await), (Some(OutcomeKind::Denied), "denied"));
    assert_eq!(world.taken("adele", "disable"), 0);
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_dry_run_simulated_is_answered_for_real_afterwards() {
    let mut world = Setup::new(alert("a", "1m", "adele")).dry_run().start().await;
    world.run_until(4).await;
    assert_eq!(end(&world.action("adele", Verb::DisableAdUser).await), (Some(OutcomeKind::Simulated), "dry-run"));
    assert!(world.lab.state().effects.is_empty());
    world.stop().await;
    assert!(!world.folder.path().join("riposte.db").exists(), "the real journal was not touched");
    world.for_real();
    world.resume().await;
    world.run_until(9).await;
    assert_eq!(end(&world.action("adele", Verb::DisableAdUser).await), (Some(OutcomeKind::Effective), "seen"));
    assert_eq!(world.taken("adele", "disable"), 1);
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_synced_account_whose_groups_nobody_can_read_is_asked_about() {
    let faults = "faults:\n  - {path: \"/v1/workspaces/*/query\", body: IdentityInfo, count: 100000, status: 403}\n";
    let mut world = Setup::new(alert("a", "1m", "adele")).with(faults).start().await;
    world.run_until(6).await;
    let asked = world.action("adele", Verb::DisableAdUser).await;
    assert_eq!((asked.status(), asked.reason().code()), ("waiting", "privileged"));
    assert!(asked.reason().line().contains("cannot be read"), "{}", asked.reason());
    assert_eq!(world.taken("adele", "disable"), 0);
}

const FOR_TEN_MINUTES: &str =
    "playbook: contain\nwhy: For a while.\nsteps:\n  - do: disable-ad-user\n    revert_after: 10m\n";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_undo_answers_the_question_whether_a_containment_may_end() {
    let mut world = Setup::new(alert("a", "1m", "joni")).playbook(FOR_TEN_MINUTES).start().await;
    world.run_until(25).await;
    let actions = world.actions_on("joni").await;
    assert_eq!(actions[1].status(), "waiting");
    world.undo(&actions[0], BY).await;
    world.run_until(32).await;
    assert!(world.is_enabled("joni"), "{:#?}", world.actions_on("joni").await);
    let actions = world.actions_on("joni").await;
    assert_eq!((actions.len(), actions[1].approved_by.as_deref()), (2, Some(BY)));
    assert_eq!(world.taken("joni", "enable"), 1);
    world.assert_whole().await;
}

/// A world whose containment was to end ten minutes after the first minute, polled rarely.
async fn overdue(faults: &str) -> World {
    let setup = Setup::new(alert("a", "1m", "joni")).playbook(FOR_TEN_MINUTES).with(faults);
    let setup = setup.set("sources.log_analytics.every", "10m").set("sources.graph.every", "10m");
    let mut world = setup.start().await;
    world.run_until(20).await;
    assert!(!world.is_enabled("joni"));
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whether_a_containment_may_end_is_asked_each_day_until_its_incident_is_closed() {
    let mut world = overdue("").await;
    let day = 24 * 60;
    for days in 0..3 {
        world.run_until(40 + days * day).await;
        let actions = world.actions_on("joni").await;
        let waiting: Vec<_> = actions.iter().filter(|action| action.status() == "waiting").collect();
        assert_eq!(waiting.len(), 1, "day {days}: {actions:#?}");
        assert_eq!(waiting[0].reason().code(), "incident-active");
        let asks = world.comments("a");
        let asks =
            asks.iter().filter(|text| text.contains(&format!("riposte approve {}", waiting[0].action.id.short())));
        assert_eq!(asks.count(), 1, "day {days}");
        assert!(!world.is_enabled("joni"));
    }
    assert!(world.lab.close_incident("a"));
    world.run_until(40 + 3 * day).await;
    assert!(world.is_enabled("joni"));
    assert_eq!(world.taken("joni", "enable"), 1);
    assert_eq!(world.actions_on("joni").await[0].status(), "reverted");
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_containment_that_a_person_keeps_is_not_asked_about_again() {
    let mut world = overdue("").await;
    world.run_until(30).await;
    let asked = world.actions_on("joni").await.pop().unwrap();
    world.vote(&asked, BY, false).await;
    assert!(world.lab.close_incident("a"));
    world.run_until(3 * 24 * 60).await;
    assert!(!world.is_enabled("joni"));
    assert_eq!(world.actions_on("joni").await.len(), 2);
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_containment_that_failed_is_tried_again_the_next_day() {
    let faults = "faults:\n  - {path: \"**/invokeAction\", body: enable, from: 15m, count: 2, status: 403}\n";
    let mut world = overdue(faults).await;
    assert!(world.lab.close_incident("a"));
    world.run_until(25).await;
    let asked = world.actions_on("joni").await.pop().unwrap();
    world.vote(&asked, BY, true).await;
    world.run_until(60).await;
    let failed = world.actions_on("joni").await.pop().unwrap();
    assert_eq!(end(&failed).0, Some(OutcomeKind::Failed), "{failed:#?}");
    assert!(world.comments("a").last().unwrap().contains("failed; refused"), "{:?}", world.comments("a"));
    world.run_until(26 * 60).await;
    assert!(world.is_enabled("joni"), "{:#?}", world.actions_on("joni").await);
}

/// The clock is put forward while a directory takes its time, so that what was read before is too old.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn reads_that_take_too_long_before_a_call_park_it_with_the_reason() {
    let mut world = Setup::new(alert("a", "1m", "adele")).mode("approve").start().await;
    world.run_until(4).await;
    let asked = world.action("adele", Verb::DisableAdUser).await;
    world.fault(json!({"method": "GET", "person": "adele", "delay": "2s"}));
    world.vote(&asked, BY, true).await;
    world.until("somebody waits", |world| world.lab.state().faults_left == 0).await;
    world.clock.advance_to(world.clock.now().plus(Duration::from_secs(25)));
    world.run_until(5).await;
    let parked = world.count(StreamKind::Action, "parked").await;
    assert_eq!(parked, 1, "{:#?}", world.action("adele", Verb::DisableAdUser).await);
    assert!(world.said().contains("parked: parked the directories answered so slowly"), "{}", world.said());
    world.run_until(8).await;
    assert_eq!(end(&world.action("adele", Verb::DisableAdUser).await), (Some(OutcomeKind::Effective), "seen"));
    world.assert_whole().await;
}

/// Ten minutes pass until the sensor disables Adele; until then the second alert's action and the step behind it wait.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_action_that_waits_for_another_is_parked_and_says_for_which() {
    let steps = "playbook: contain\nwhy: x\nsteps:\n  - do: disable-ad-user\n  - do: revoke-sessions\n    after: [disable-ad-user]\n    needs: effective\n";
    let people = PEOPLE.replace("sensor: 2s", "sensor: 8m");
    let alerts = alert("a", "1m", "adele") + &alert("b", "3m", "adele");
    let mut world = Setup::new(alerts).people(&people).playbook(steps).start().await;
    world.run_until(7).await;
    let stands = async |world: &World| -> BTreeSet<(&'static str, &'static str)> {
        let all = world.actions_on("adele").await;
        all.iter().map(|record| (record.status(), record.reason().code())).collect()
    };
    let waits = [("verifying", "not-seen-yet"), ("parked", "under-way"), ("parked", "step-awaited")];
    assert_eq!(stands(&world).await, waits.into(), "{:#?}", world.actions_on("adele").await);
    let parked = world.count(StreamKind::Action, "parked").await;
    world.run_until(30).await;
    assert!(world.count(StreamKind::Action, "parked").await <= parked + 4, "a wait is recorded once");
    assert_eq!(stands(&world).await.iter().filter(|(status, _)| *status == "parked").count(), 0);
    world.assert_whole().await;
}
