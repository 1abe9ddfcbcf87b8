//! The guardrails, from an alert to the tenant: what they stop is not called, and what they let go is.

use std::collections::BTreeSet;
use std::time::Duration;

use riposte::lab::Directory;
use riposte::model::intent::Verb;
use riposte::model::outcome::OutcomeKind;
use riposte::record::action::{ActionEvent, ActionRecord};
use riposte::record::event::{StreamKey, StreamKind};

use super::world::{EVERYWHERE, PEOPLE, Setup, World, dcsync};

fn alert(key: &str, at: &str, person: &str) -> String {
    dcsync(key, at, &format!("{{person: {person}}}"), "")
}

fn end(record: &ActionRecord) -> (Option<OutcomeKind>, &'static str) {
    (record.outcome().map(|outcome| outcome.kind), record.reason().code())
}

async fn ends(world: &World, person: &str) -> Vec<(Option<OutcomeKind>, &'static str)> {
    world.actions_on(person).await.iter().map(end).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_kill_switch_stops_the_next_call_and_letting_go_continues() {
    let mut world = Setup::new(alert("a", "1m", "adele") + &alert("b", "5m", "diego")).start().await;
    world.run_until(4).await;
    assert_eq!(world.taken("adele", "disable"), 1);
    world.pause(true).await;
    let comments = world.comments("b").len();
    world.run_until(12).await;
    assert_eq!(world.taken("diego", "disable"), 0);
    let parked = world.action("diego", Verb::DisableAdUser).await;
    assert_eq!((parked.status(), parked.reason().code()), ("parked", "paused"));
    assert_eq!(world.comments("b").len(), comments, "nothing is written either");
    world.pause(false).await;
    world.run_until(13).await;
    assert_eq!(world.taken("diego", "disable"), 1, "at once, and not when it would have looked again by itself");
    world.run_until(18).await;
    assert_eq!(end(&world.action("diego", Verb::DisableAdUser).await), (Some(OutcomeKind::Effective), "seen"));
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_used_up_limit_parks_and_goes_on_when_there_is_room() {
    let alerts = alert("a", "1m", "adele") + &alert("b", "2m", "diego") + &alert("c", "3m", "grady");
    let mut world = Setup::new(alerts).limits(2, 60).start().await;
    world.run_until(20).await;
    let parked = world.action("grady", Verb::DisableAdUser).await;
    assert_eq!((parked.status(), parked.reason().code()), ("parked", "limit-reached"));
    assert_eq!(world.taken("grady", "disable"), 0);
    let told = world.comments("c").join("\n");
    assert!(told.contains("limit-reached"), "it is said that it waits: {told}");
    world.run_until(70).await;
    assert_eq!(end(&world.action("grady", Verb::DisableAdUser).await), (Some(OutcomeKind::Effective), "seen"));
    assert_eq!(world.taken("grady", "disable"), 1);
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_used_up_limit_holds_up_is_told_with_the_steps_that_wait_for_it() {
    let steps = "playbook: contain\nwhy: Stop it.\nsteps:\n  - do: disable-ad-user\n  - do: revoke-sessions\n    after: [disable-ad-user]\n";
    let alerts = alert("a", "1m", "adele") + &alert("b", "2m", "diego");
    let mut world = Setup::new(alerts).playbook(steps).limits(1, 60).start().await;
    world.run_until(20).await;
    let told = world.comments("b").join("\n");
    for part in ["riposte has done nothing yet", "limit-reached", "step-awaited"] {
        assert!(told.contains(part), "{part}: {told}");
    }
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_somebody_took_back_is_done_again_for_another_alert_and_the_first_says_so() {
    let mut world = Setup::new(alert("a", "1m", "adele") + &alert("b", "9m", "adele")).start().await;
    world.run_until(7).await;
    assert!(!world.is_enabled("adele"));
    assert!(world.lab.set_enabled("adele", Directory::ActiveDirectory, true));
    world.run_until(16).await;
    let both = [(Some(OutcomeKind::Reverted), "undone-by"), (Some(OutcomeKind::Effective), "seen")];
    assert_eq!(ends(&world, "adele").await, both, "a cooldown ends when somebody undoes the effect");
    assert!(!world.is_enabled("adele"));
    let told = world.comments("a").join("\n");
    assert!(told.contains("reverted"), "{told}");
    assert_eq!(world.taken("adele", "disable"), 2);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_copy_of_the_directory_that_lags_behind_reverts_nothing() {
    // Whoever looks then sees only what Defender shows of the account, some minutes behind.
    let faults = "faults:\n  - {method: POST, path: \"/**\", body: IdentityDirectoryEvents, from: 4m, count: 100000, status: 403}\n";
    let alerts = alert("a", "1m", "adele") + &alert("b", "4m", "adele");
    let lagging = PEOPLE.replace("identity: 30s", "identity: 10m");
    let mut world = Setup::new(alerts).people(&lagging).with(faults).start().await;
    world.run_until(9).await;
    assert!(!world.is_enabled("adele"));
    let ends = ends(&world, "adele").await;
    assert_eq!(ends[0], (Some(OutcomeKind::Effective), "seen"), "{ends:?}");
    assert_eq!(world.taken("adele", "disable"), 1, "{ends:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_alerts_hold_one_effect_and_only_the_last_to_let_go_ends_it() {
    for first_out in [0, 1] {
        let mut world = Setup::new(alert("a", "1m", "adele") + &alert("b", "6m", "adele")).start().await;
        world.run_until(10).await;
        let held = [(Some(OutcomeKind::Effective), "seen"), (Some(OutcomeKind::AlreadyEffective), "held-already")];
        assert_eq!(ends(&world, "adele").await, held);
        assert_eq!(world.taken("adele", "disable"), 1);
        let actions = world.actions_on("adele").await;
        world.undo(&actions[first_out], "eva@contoso.com").await;
        world.run_until(14).await;
        assert!(!world.is_enabled("adele"), "the other alert still holds it");
        assert_eq!(world.taken("adele", "enable"), 0);
        world.undo(&actions[1 - first_out], "eva@contoso.com").await;
        world.run_until(22).await;
        assert!(world.is_enabled("adele"), "{first_out}: {:#?}", world.actions_on("adele").await);
        assert_eq!(world.taken("adele", "enable"), 1);
        let ends = ends(&world, "adele").await;
        let reverted = ends.iter().filter(|end| end.0 == Some(OutcomeKind::Reverted)).count();
        assert_eq!(reverted, 2, "nothing says any more that it is in place: {ends:?}");
        for key in ["a", "b"] {
            let told = world.comments(key).pop().unwrap();
            assert!(told.contains("disable-ad-user") && told.contains("reverted"), "{told}");
            assert!(!told.contains("still hold"), "{told}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_undo_restores_what_was_and_leaves_alone_what_somebody_changed_since() {
    let mut world = Setup::new(alert("a", "1m", "adele") + &alert("b", "1m", "diego")).start().await;
    world.run_until(6).await;
    let action = world.action("adele", Verb::DisableAdUser).await;
    world.undo(&action, "eva@contoso.com").await;
    world.undo(&action, "eva@contoso.com").await;
    world.lab.set_enabled("diego", Directory::ActiveDirectory, true);
    // What a person changed is visible only after a while.
    world.run_until(8).await;
    let action = world.action("diego", Verb::DisableAdUser).await;
    world.undo(&action, "eva@contoso.com").await;
    world.run_until(12).await;
    assert_eq!((world.taken("adele", "enable"), world.taken("diego", "enable")), (1, 0));
    assert_eq!(world.actions_on("adele").await.len(), 2, "who says it twice wants one undo");
    assert!(world.is_enabled("adele") && world.is_enabled("diego"));
    assert_eq!(end(&world.action("adele", Verb::DisableAdUser).await).0, Some(OutcomeKind::Reverted));
    let diegos = world.action("diego", Verb::DisableAdUser).await;
    assert_eq!(end(&diegos), (Some(OutcomeKind::Reverted), "undone-by"), "it is not in place any more");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_in_a_protected_group_through_another_is_asked_about() {
    let nested = PEOPLE
        .replace(
            "{group: domain-admins, rid: 512}",
            "{group: domain-admins, rid: 512}, {group: tier0, rid: 2301, member_of: [domain-admins]}",
        )
        .replace("ad: {rid: 1105, groups: [domain-users]}", "ad: {rid: 1105, groups: [domain-users, tier0]}");
    let mut world = Setup::new(alert("a", "1m", "adele") + &alert("b", "1m", "diego")).people(&nested).start().await;
    world.run_until(5).await;
    let asked = world.action("adele", Verb::DisableAdUser).await;
    assert_eq!((asked.status(), asked.reason().code()), ("waiting", "privileged"));
    assert_eq!((world.taken("adele", "disable"), world.taken("diego", "disable")), (0, 1));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_no_that_comes_too_late_is_written_down_and_changes_nothing() {
    let mut world = Setup::new(alert("a", "1m", "adele")).mode("approve").start().await;
    world.run_until(5).await;
    let asked = world.action("adele", Verb::DisableAdUser).await;
    world.vote(&asked, "eva@contoso.com", true).await;
    world.run_until(7).await;
    let done = world.action("adele", Verb::DisableAdUser).await;
    assert_eq!(end(&done).0, Some(OutcomeKind::Effective));
    world.vote(&asked, "mallory@contoso.com", false).await;
    world.run_until(8).await;
    let events = world.journal().events(&StreamKey::action(asked.action.id)).await.unwrap();
    assert!(events.iter().any(|event| event.entry.actor == "mallory@contoso.com"), "{events:#?}");
    assert_eq!(world.action("adele", Verb::DisableAdUser).await, done);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_undo_does_not_ask_whose_account_it_is() {
    let mut world = Setup::new(alert("a", "1m", "adele")).start().await;
    world.run_until(6).await;
    let action = world.action("adele", Verb::DisableAdUser).await;
    let questions = |world: &World| {
        let state = world.lab.state();
        let of_okta = state.requests.iter().filter(|(template, _)| template.contains("/api/v1/users"));
        of_okta.map(|(_, times)| times).sum::<u64>()
    };
    let before = questions(&world);
    assert!(before > 0);
    world.undo(&action, "eva@contoso.com").await;
    world.run_until(7).await;
    assert_eq!((world.taken("adele", "enable"), questions(&world)), (1, before));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_privileged_account_is_asked_about_and_each_answer_is_obeyed() {
    for (answer, calls, kind) in [
        (Some(true), 1, OutcomeKind::Effective),
        (Some(false), 0, OutcomeKind::Denied),
        (None, 0, OutcomeKind::Expired),
    ] {
        let setup = Setup::new(alert("a", "1m", "boss")).set("guardrails.approval_ttl", "10m");
        let mut world = setup.start().await;
        world.run_until(5).await;
        let asked = world.action("boss", Verb::DisableAdUser).await;
        assert_eq!((asked.status(), asked.reason().code()), ("waiting", "privileged"));
        assert_eq!(world.taken("boss", "disable"), 0);
        let asks = world.comments("a").join("\n");
        assert!(asks.contains(&format!("riposte approve {}", asked.action.id.short())), "{asks}");
        if let Some(yes) = answer {
            world.vote(&asked, "eva@contoso.com", yes).await;
        }
        world.run_until(14).await;
        let action = world.action("boss", Verb::DisableAdUser).await;
        assert_eq!((action.outcome().map(|end| end.kind), world.taken("boss", "disable")), (Some(kind), calls));
        world.vote(&asked, "mallory@contoso.com", true).await;
        world.run_until(16).await;
        assert_eq!(world.taken("boss", "disable"), calls, "an answer after the end changes nothing");
        world.assert_whole().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_in_approve_asks_for_everybody() {
    let mut world = Setup::new(alert("a", "1m", "adele")).mode("approve").start().await;
    world.run_until(5).await;
    let asked = world.action("adele", Verb::DisableAdUser).await;
    assert_eq!((asked.status(), asked.reason().code()), ("waiting", "approval-wanted"));
    world.vote(&asked, "eva@contoso.com", true).await;
    world.run_until(9).await;
    let action = world.action("adele", Verb::DisableAdUser).await;
    assert_eq!(action.approved_by.as_deref(), Some("eva@contoso.com"));
    assert_eq!(world.taken("adele", "disable"), 1);
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_approval_does_not_get_past_the_never_list() {
    // Put on the list while the question stands: the list is looked at last, right before the call.
    let mut world = Setup::new(alert("a", "1m", "adele")).mode("approve").start().await;
    world.run_until(5).await;
    let asked = world.action("adele", Verb::DisableAdUser).await;
    world.stop().await;
    let sid = world.lab.state().people["adele"].ad.as_ref().unwrap().sid.clone();
    world.change("guardrails.break_glass", &sid);
    world.resume().await;
    world.vote(&asked, "eva@contoso.com", true).await;
    world.run_until(10).await;
    assert_eq!(end(&world.action("adele", Verb::DisableAdUser).await), (Some(OutcomeKind::Withheld), "protected"));
    assert_eq!(world.taken("adele", "disable"), 0);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_break_glass_account_is_never_touched_by_whatever_id_it_is_named() {
    let ids = ["sid", "upn", "oid"];
    let alerts: String = ids
        .iter()
        .map(|id| dcsync(&format!("by-{id}"), "1m", &format!("{{person: glass, only: [{id}]}}"), ""))
        .collect();
    let mut world = Setup::new(alerts).playbook(EVERYWHERE).start().await;
    world.run_until(8).await;
    let state = world.lab.state();
    assert!(state.effects.iter().all(|effect| effect.api == "sentinel"), "{:#?}", state.effects);
    let ends = ends(&world, "glass").await;
    assert!(!ends.is_empty() && ends.iter().all(|end| *end == (Some(OutcomeKind::Withheld), "protected")), "{ends:?}");
    world.assert_whole().await;
}

/// Requests that change something in the tenant.
fn writes(world: &World) -> Vec<String> {
    let asks = ["/query", "/token", "runHuntingQuery", "/alerts", "/entities", "/_lab"];
    let requests = world.lab.state().requests;
    let changes =
        requests.into_keys().filter(|key| !key.starts_with("GET ") && !asks.iter().any(|ask| key.contains(ask)));
    changes.collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dry_run_leaves_the_tenant_untouched_and_says_what_it_would_have_done() {
    let alerts = alert("a", "1m", "adele") + &alert("b", "1m", "boss") + &alert("c", "2m", "glass");
    let mut world = Setup::new(alerts).playbook(EVERYWHERE).dry_run().start().await;
    world.run_until(15).await;
    assert_eq!(writes(&world), Vec::<String>::new());
    assert!(world.lab.state().effects.is_empty());
    let simulated = ends(&world, "adele").await;
    assert_eq!(simulated.len(), 5, "{simulated:?}");
    assert!(simulated.iter().all(|end| *end == (Some(OutcomeKind::Simulated), "dry-run")), "{simulated:?}");
    assert!(
        world
            .actions_on("boss")
            .await
            .iter()
            .all(|action| action.would.as_ref().is_some_and(|would| would.code() == "privileged"))
    );
    assert!(ends(&world, "glass").await.iter().all(|end| *end == (Some(OutcomeKind::Withheld), "protected")));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_in_simulate_changes_nobody_and_tells_the_incident_what_it_would_have_done() {
    let mut world = Setup::new(alert("a", "1m", "adele")).playbook(EVERYWHERE).mode("simulate").start().await;
    world.run_until(10).await;
    assert!(world.lab.state().effects.iter().all(|effect| effect.api == "sentinel"));
    assert!(writes(&world).iter().all(|write| write.contains("/comments/")), "{:?}", writes(&world));
    let simulated = ends(&world, "adele").await;
    assert!(
        !simulated.is_empty() && simulated.iter().all(|end| *end == (Some(OutcomeKind::Simulated), "simulate")),
        "{simulated:?}"
    );
    assert_eq!(world.comments("a").len(), 1);
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_containment_with_an_end_is_taken_back_when_its_time_is_over() {
    let playbook = "playbook: contain\nwhy: For a while.\nsteps:\n  - do: disable-ad-user\n    revert_after: 10m\n";
    let mut world = Setup::new(alert("a", "1m", "joni")).playbook(playbook).start().await;
    world.run_until(8).await;
    assert!(!world.is_enabled("joni"));
    assert!(world.lab.close_incident("a"));
    world.run_until(20).await;
    assert!(world.is_enabled("joni"), "{:#?}", world.actions_on("joni").await);
    assert_eq!(world.taken("joni", "enable"), 1);
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_containment_does_not_end_by_itself_while_its_incident_is_open() {
    let playbook = "playbook: contain\nwhy: For a while.\nsteps:\n  - do: disable-ad-user\n    revert_after: 10m\n";
    let mut world = Setup::new(alert("a", "1m", "joni")).playbook(playbook).start().await;
    world.run_until(30).await;
    assert!(!world.is_enabled("joni"));
    let asked = world.actions_on("joni").await.into_iter().find(|action| action.status() == "waiting").unwrap();
    assert_eq!(asked.reason().code(), "incident-active");
    world.vote(&asked, "eva", true).await;
    world.run_until(40).await;
    assert!(world.is_enabled("joni"));
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_a_containment_survives_a_restart_that_missed_it() {
    let playbook = "playbook: contain\nwhy: For a while.\nsteps:\n  - do: disable-ad-user\n    revert_after: 10m\n";
    let mut world = Setup::new(alert("a", "1m", "joni")).playbook(playbook).start().await;
    world.run_until(6).await;
    world.stop().await;
    assert!(world.lab.close_incident("a"));
    world.clock.leap(Duration::from_secs(3_600));
    world.resume().await;
    world.run_until(72).await;
    assert!(world.is_enabled("joni"));
    assert_eq!(world.taken("joni", "enable"), 1);
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_containment_that_was_looked_at_after_sync_ends_when_its_time_is_over_all_the_same() {
    let playbook = "playbook: contain\nwhy: For a while.\nsteps:\n  - do: disable-ad-user\n    revert_after: 45m\n  \
                    - do: suspend-entra-user\n    revert_after: 45m\n";
    let mut world = Setup::new(alert("a", "1m", "diego")).playbook(playbook).start().await;
    world.run_until(8).await;
    assert!(world.lab.close_incident("a"));
    world.run_until(60).await;
    assert!(world.count(StreamKind::Action, ActionEvent::TURNED).await >= 3, "one look, two ends");
    assert_eq!((world.taken("diego", "enable"), world.taken("diego", "Enable account")), (1, 1));
    for verb in [Verb::DisableAdUser, Verb::SuspendEntraUser] {
        let action = world.action("diego", verb).await;
        assert_eq!(end(&action).0, Some(OutcomeKind::Reverted), "{action:#?}");
    }
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_about_more_people_than_allowed_touches_none_of_them() {
    let all =
        ["adele", "diego", "grady", "joni", "megan", "boss"].map(|person| format!("{{person: {person}}}")).join(", ");
    let mut world = Setup::new(dcsync("many", "1m", &all, "")).start().await;
    world.run_until(6).await;
    assert!(world.actions().await.is_empty());
    assert!(world.comments("many")[0].contains("too-many-accounts"));
    assert!(world.lab.state().effects.iter().all(|effect| effect.api == "sentinel"));
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_last_comments_of_an_incident_are_left_to_people() {
    let mut world = Setup::new(alert("a", "1m", "adele")).start().await;
    world.pause(true).await;
    world.run_until(4).await;
    for i in 0..85 {
        assert!(world.lab.comment_as("megan", "a", &format!("note {i}")));
    }
    world.pause(false).await;
    world.run_until(12).await;
    assert_eq!(world.taken("adele", "disable"), 1);
    assert_eq!(world.comments("a").len(), 85, "none of ours");
    assert!(world.troubles().iter().any(|line| line.contains("comments an incident")), "{:?}", world.troubles());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_accounts_at_once_than_a_burst_ask_a_person() {
    let alerts = alert("a", "60s", "adele")
        + &alert("b", "60s", "diego")
        + &alert("c", "60s", "grady")
        + &alert("d", "60s", "joni");
    let steps =
        "playbook: contain\nwhy: x\nsteps:\n  - do: disable-ad-user\n  - do: suspend-entra-user\n    if: HasEntra\n";
    let setup = Setup::new(alerts).playbook(steps).set("guardrails.limits.burst.accounts", "2");
    let mut world = setup.start().await;
    world.run_until(8).await;
    let asked: Vec<_> = world.actions().await.into_iter().filter(|action| action.reason().code() == "burst").collect();
    let people: BTreeSet<_> = asked.iter().map(|action| &action.action.subject.label).collect();
    assert_eq!(people.len(), 2, "the accounts of one person count once: {:#?}", world.actions().await);
    let done = ["adele", "diego", "grady", "joni"].iter().filter(|person| world.taken(person, "disable") > 0).count();
    assert_eq!(done, 2);
}
