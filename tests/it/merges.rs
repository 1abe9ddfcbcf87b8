//! Two alerts that were answered and turn out to be one: what was done for either was done for both.

use riposte::model::intent::Verb;
use riposte::model::outcome::OutcomeKind;

use super::world::{Setup, World, dcsync};

const BY: &str = "eva@contoso.com";

/// Defender shows an alert about Diego, who is joined by Adele after twelve minutes. A row about Adele, of an
/// activity too long before to look like the same, says after eight minutes that it is that alert.
async fn late_ids(mode: &'static str, accounts: &str) -> World {
    let shown = dcsync("shown", "1m", accounts, "source: graph");
    let mut probe = Setup::new(&shown).start().await;
    probe.run_until(2).await;
    let graph_id = probe.lab.state().alerts["shown"].graph_id.clone();
    let row = |key: &str, at: &str, age: &str, vendor: &str| {
        let id = "0b0b0b0b-1c1c-2d2d-3e3e-4f4f4f4f4f4f";
        let columns = format!("{{SystemAlertId: {id}, VendorOriginalId: {vendor}, AlertLink: null}}");
        dcsync(key, at, "{person: adele}", &format!("source: log-analytics, age: {age}, columns: {columns}"))
    };
    let alerts = shown + &row("row", "2m", "60m", "null") + &row("again", "8m", "66m", &graph_id);
    let mut world = Setup::new(alerts).mode(mode).set("guardrails.unwitnessed", "allow").start().await;
    world.run_until(6).await;
    assert_eq!(world.alerts().await.len(), 2);
    world
}

const DIEGO_THEN_ADELE: &str = "{person: diego}, {person: adele, after: 11m}";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_was_undone_for_one_is_not_done_again_for_the_other() {
    let mut world = late_ids("enforce", DIEGO_THEN_ADELE).await;
    let action = world.action("adele", Verb::DisableAdUser).await;
    assert_eq!(action.outcome().unwrap().kind, OutcomeKind::Effective);
    world.undo(&action, BY).await;
    world.run_until(11).await;
    assert!(world.is_enabled("adele"));
    let alerts = world.alerts().await;
    assert_eq!(alerts.len(), 1, "{alerts:#?}");
    world.run_until(30).await;
    assert!(world.is_enabled("adele"), "{:#?}", world.actions_on("adele").await);
    assert_eq!((world.taken("adele", "disable"), world.taken("diego", "disable")), (1, 1));
    let told = world.comments("shown").join("\n");
    assert!(told.contains(&action.action.id.short()), "{told}");
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_no_that_was_given_for_one_is_a_no_for_the_other() {
    let mut world = late_ids("approve", DIEGO_THEN_ADELE).await;
    let asked = world.action("adele", Verb::DisableAdUser).await;
    world.vote(&asked, BY, false).await;
    world.run_until(10).await;
    assert_eq!(world.alerts().await.len(), 1);
    let diego = world.action("diego", Verb::DisableAdUser).await;
    world.vote(&diego, BY, true).await;
    world.run_until(30).await;
    let action = world.action("adele", Verb::DisableAdUser).await;
    assert_eq!(action.outcome().map(|end| end.kind), Some(OutcomeKind::Denied), "nobody is asked again");
    assert_eq!((world.taken("adele", "disable"), world.taken("diego", "disable")), (0, 1));
    let told = world.comments("shown").pop().unwrap();
    assert!(told.contains(&asked.action.id.short()) && told.contains("denied"), "{told}");
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_two_questions_about_the_same_one_is_taken_back() {
    let mut world = late_ids("approve", "{person: adele}").await;
    let statuses = async |world: &World| -> Vec<&'static str> {
        world.actions_on("adele").await.iter().map(riposte::record::action::ActionRecord::status).collect()
    };
    assert_eq!(statuses(&world).await, ["waiting", "waiting"]);
    world.run_until(12).await;
    let mut after = statuses(&world).await;
    after.sort_unstable();
    assert_eq!(after, ["waiting", "withheld"], "{:#?}", world.actions_on("adele").await);
    let open = world.actions_on("adele").await.into_iter().find(|action| action.status() == "waiting").unwrap();
    world.vote(&open, BY, true).await;
    world.run_until(20).await;
    assert_eq!(world.taken("adele", "disable"), 1);
    world.assert_whole().await;
}
