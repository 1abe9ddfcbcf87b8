//! What becomes of alerts on their way in: two sources, updates, repeats, forgeries.

use riposte::model::intent::Verb;
use riposte::model::outcome::OutcomeKind;

use super::world::{PEOPLE, Setup, dcsync};

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_of_two_sources_is_one_alert_whether_or_not_their_ids_match() {
    let alerts =
        dcsync("same", "1m", "{person: adele}", "") + &dcsync("other", "2m", "{person: diego}", "ids: different");
    let mut world = Setup::new(alerts).start().await;
    world.run_until(12).await;
    let alerts = world.alerts().await;
    assert_eq!(alerts.len(), 2, "{alerts:#?}");
    assert!(alerts.iter().all(|alert| alert.sightings.len() == 2), "{alerts:#?}");
    for person in ["adele", "diego"] {
        let action = world.action(person, Verb::DisableAdUser).await;
        assert_eq!(action.outcome().unwrap().kind, OutcomeKind::Effective);
        assert_eq!(world.taken(person, "disable"), 1);
        assert!(!world.is_enabled(person));
    }
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_update_makes_actions_for_the_accounts_it_adds_and_a_repeat_for_none() {
    let alerts = dcsync("grows", "1m", "{person: adele}, {person: diego, after: 6m}", "repeats: [9m, 12m]");
    let mut world = Setup::new(alerts).start().await;
    world.run_until(5).await;
    assert_eq!(world.actions().await.len(), 1);
    let first = world.alert("grows").await;
    world.run_until(9).await;
    assert_eq!(world.actions().await.len(), 2);
    assert_eq!(world.taken("diego", "disable"), 1);
    let grown = world.alert("grows").await;
    assert_eq!(grown.id, first.id);
    let (comments, revision) = (world.comments("grows"), grown.revision);
    world.run_until(20).await;
    assert_eq!(world.alert("grows").await.revision, revision, "a repeat is nothing to plan for");
    assert_eq!(world.comments("grows"), comments);
    assert_eq!(world.taken("adele", "disable"), 1);
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entities_that_come_late_are_waited_for_and_acted_on() {
    let alerts = dcsync("late", "1m", "{person: joni}", "entities_after: 6m");
    let mut world = Setup::new(alerts).start().await;
    world.run_until(5).await;
    assert!(world.actions().await.is_empty());
    assert!(world.is_enabled("joni"));
    world.run_until(12).await;
    assert_eq!(world.action("joni", Verb::DisableAdUser).await.outcome().unwrap().kind, OutcomeKind::Effective);
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn entities_that_never_come_end_in_a_note_and_nothing_else() {
    let alerts = dcsync("empty", "1m", "", "");
    let mut world = Setup::new(alerts).start().await;
    world.run_until(25).await;
    let alert = world.alert("empty").await;
    assert!(world.actions().await.is_empty());
    let comments = world.comments("empty");
    assert_eq!(comments.len(), 1, "{alert:#?}");
    assert!(comments[0].contains("no-"), "{comments:?}");
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_row_is_never_acted_on() {
    let alerts = dcsync("forged", "1m", "{person: adele}", "source: log-analytics, ids: different");
    let mut world = Setup::new(alerts).start().await;
    world.run_until(25).await;
    let alert = world.alert("forged").await;
    assert_eq!(alert.decided.first().map(|decided| decided.reason.code()), Some("unwitnessed"), "{alert:#?}");
    assert!(world.actions().await.is_empty());
    assert_eq!(world.taken("adele", "disable"), 0);
    assert_eq!(world.comments("forged").len(), 1);
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_row_does_not_ride_on_an_older_genuine_alert() {
    // The forger copies the ids of an alert that Defender has shown, and names somebody else.
    let genuine = dcsync("genuine", "1m", "{person: adele}", "");
    let mut probe = Setup::new(&genuine).start().await;
    probe.run_until(2).await;
    let ids = probe.lab.state().alerts["genuine"].clone();
    let columns = format!(
        "source: log-analytics, columns: {{SystemAlertId: {}, VendorOriginalId: {}}}",
        ids.system_id, ids.graph_id
    );
    let mut world = Setup::new(genuine + &dcsync("forged", "4m", "{person: diego}", &columns)).start().await;
    world.run_until(30).await;
    assert_eq!(world.taken("diego", "disable"), 0, "{:#?}", world.actions_on("diego").await);
    assert!(world.is_enabled("diego"));
    let alert = world.alert("genuine").await;
    let named = alert.accounts().unwrap().unwrap_or_default();
    assert!(named.iter().all(|account| !account.hint.label().contains("diego")), "a row adds nobody: {named:#?}");
    assert!(alert.sightings.len() > 1, "the row was seen");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn where_unwitnessed_alerts_are_allowed_they_are_acted_on_and_the_journal_says_so() {
    let alerts = dcsync("row", "1m", "{person: adele}", "source: log-analytics, ids: different");
    let mut world = Setup::new(alerts).set("guardrails.unwitnessed", "allow").start().await;
    world.run_until(8).await;
    assert_eq!(world.taken("adele", "disable"), 1);
    let alert = world.alert("row").await;
    let key = riposte::record::event::StreamKey::alert(alert.id);
    let events = world.journal().events(&key).await.unwrap();
    let said = events.iter().any(|event| event.entry.payload["unwitnessed_allowed"] == true);
    assert!(said, "{events:#?}");
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_older_than_allowed_is_withheld_however_new_its_row_is() {
    let alerts = dcsync("old", "1m", "{person: adele}", "age: 30d");
    let mut world = Setup::new(alerts).start().await;
    world.run_until(8).await;
    let alert = world.alert("old").await;
    assert_eq!(alert.decided.first().map(|decided| decided.reason.code()), Some("stale"), "{alert:#?}");
    assert_eq!(world.taken("adele", "disable"), 0);
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sources_whose_ids_differ_and_whose_entities_are_late_still_show_one_alert() {
    let alerts = dcsync("late", "1m", "{person: adele}", "ids: different, entities_after: 4m");
    let mut world = Setup::new(alerts).start().await;
    world.run_until(30).await;
    assert_eq!(world.taken("adele", "disable"), 1);
    let alerts = world.alerts().await;
    assert_eq!(alerts.len(), 1, "{alerts:#?}");
    assert_eq!(world.comments("late").len(), 1, "{:#?}", world.comments("late"));
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_comes_long_after_its_witness_is_the_same_alert() {
    let people = PEOPLE.replace("ingestion: 1s", "ingestion: 40m");
    let alerts =
        dcsync("slow", "1m", "{person: joni}", "ids: different") + &dcsync("same", "1m", "{person: adele}", "");
    let mut world = Setup::new(alerts).people(&people).start().await;
    world.run_until(60).await;
    let alerts = world.alerts().await;
    assert_eq!(alerts.len(), 2, "{alerts:#?}");
    assert!(alerts.iter().all(|alert| alert.sightings.len() == 2), "{alerts:#?}");
    assert_eq!((world.taken("joni", "disable"), world.taken("adele", "disable")), (1, 1));
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alerts_of_hours_without_a_daemon_are_found_when_it_is_back() {
    let alerts = dcsync("before", "1m", "{person: adele}", "")
        + &dcsync("meanwhile", "60m", "{person: diego}", "")
        + &dcsync("other-ids", "120m", "{person: grady}", "ids: different");
    let mut world = Setup::new(alerts).start().await;
    world.run_until(5).await;
    world.stop().await;
    world.clock.advance_to(world.minute(240));
    world.resume().await;
    world.run_until(246).await;
    for person in ["adele", "diego", "grady"] {
        assert_eq!(world.taken(person, "disable"), 1, "{person}");
    }
    assert_eq!(world.alerts().await.len(), 3);
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_rows_of_one_instant_than_a_page_holds_all_arrive() {
    let alerts: String = (0..45).map(|i| dcsync(&format!("a{i}"), "1m", "", "")).collect();
    let faults = "faults:\n  - {path: \"/v1/workspaces/*/query\", body: SecurityAlert, from: 60s, skip: 1, count: 2, answer: partial}\n";
    let setup = Setup::new(alerts).with(faults).set("sources.log_analytics.page_rows", "7").mode("simulate");
    let mut world = setup.start().await;
    world.run_until(8).await;
    let alerts = world.alerts().await;
    assert_eq!(alerts.len(), 45);
    assert!(alerts.iter().all(|alert| alert.sightings.len() == 2), "both sources showed all");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn alerts_that_turn_out_to_be_one_are_joined_once_and_for_all() {
    let shown = dcsync("shown", "1m", "{person: adele}", "source: graph");
    let mut probe = Setup::new(&shown).start().await;
    probe.run_until(2).await;
    let graph_id = probe.lab.state().alerts["shown"].graph_id.clone();
    let row = |vendor: &str| {
        let id = "0b0b0b0b-1c1c-2d2d-3e3e-4f4f4f4f4f4f";
        format!(
            "source: log-analytics, columns: {{SystemAlertId: {id}, VendorOriginalId: {vendor}, AlertLink: null, Entities: \"\"}}"
        )
    };
    // The row says only later under which id Graph shows it.
    let alerts = shown + &dcsync("first", "1m", "", &row("null")) + &dcsync("again", "5m", "", &row(&graph_id));
    let mut world = Setup::new(alerts).start().await;
    world.run_until(4).await;
    assert_eq!(world.alerts().await.len(), 2);
    world.run_until(30).await;
    let alerts = world.alerts().await;
    assert_eq!(alerts.len(), 1, "{alerts:#?}");
    assert_eq!(alerts[0].sightings.len(), 2);
    assert_eq!(world.taken("adele", "disable"), 1);
}
