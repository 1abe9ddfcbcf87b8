//! What a playbook can do to accounts in the cloud, each from the alert to the effect, the comment and the undo.

use riposte::lab::Snapshot;
use riposte::model::intent::Verb;
use riposte::model::outcome::OutcomeKind;
use riposte::record::action::ActionRecord;

use super::world::{Setup, World, dcsync};

const PEOPLE: &str = r"
delays: {ingestion: 1s, sync: 30m, sensor: 2s, identity: 30s}
app: {directory_roles: [Privileged Authentication Administrator]}
guardrails: {break_glass: [glass]}
groups:
  - {group: domain-users, rid: 513}
  - {group: payroll, entra: true, okta: true}
people:
  - {person: glass, name: Break glass, entra: {}}
  - {person: cleo, name: Cleo Cloud, entra: {groups: [payroll]}, okta: {groups: [payroll]}}
  - {person: hugo, name: Hugo Hybrid, ad: {rid: 1301, groups: [domain-users]}, entra: {}}
";

/// An alert about somebody, answered by one step.
async fn answered(person: &str, step: &str) -> World {
    let playbook = format!("playbook: contain\nwhy: One step.\nsteps:\n  - do: {step}\n");
    let alert = dcsync("a", "1m", &format!("{{person: {person}}}"), "");
    let mut world = Setup::new(alert).people(PEOPLE).playbook(&playbook).start().await;
    world.run_until(8).await;
    world
}

/// The action has ended so, its proof and its end stand in the comment.
async fn assert_end(world: &World, person: &str, verb: Verb, kind: OutcomeKind) -> ActionRecord {
    let record = world.action(person, verb).await;
    assert_eq!(record.outcome().map(|end| end.kind), Some(kind), "{record:#?}");
    let comments = world.comments("a").join("\n");
    assert!(comments.contains(verb.word()) && comments.contains(kind.word()), "{comments}");
    world.assert_whole().await;
    record
}

/// What is done shows in the tenant, and after an undo what was before shows again.
async fn done_and_undone(step: &str, verb: Verb, is_done: fn(&Snapshot) -> bool) {
    let mut world = answered("cleo", step).await;
    assert!(is_done(&world.lab.state()), "{step}: {:#?}", world.lab.state().effects);
    let record = assert_end(&world, "cleo", verb, OutcomeKind::Effective).await;
    world.undo(&record, "eva@contoso.com").await;
    world.run_until(20).await;
    assert!(!is_done(&world.lab.state()), "{step}: {:#?}", world.lab.state().effects);
    let record = world.action("cleo", verb).await;
    assert_eq!(record.outcome().map(|end| end.kind), Some(OutcomeKind::Reverted), "{record:#?}");
    let back = world.action("cleo", verb.inverse().unwrap()).await;
    assert_eq!(back.outcome().map(|end| end.kind), Some(OutcomeKind::Effective), "{back:#?}");
    let comments = world.comments("a").join("\n");
    assert!(comments.contains(verb.inverse().unwrap().word()), "{comments}");
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_okta_user_is_unsuspended_by_undo() {
    let is_done = |state: &Snapshot| state.people["cleo"].okta.as_ref().unwrap().status == "SUSPENDED";
    done_and_undone("suspend-okta-user", Verb::SuspendOktaUser, is_done).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_taken_out_of_an_okta_group_is_put_back_by_undo() {
    let step = "remove-from-group\n    group: OKTA-GROUP:payroll";
    let is_done = |state: &Snapshot| !state.groups["payroll"].okta.contains(&"cleo".to_owned());
    done_and_undone(step, Verb::RemoveFromGroup, is_done).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_member_taken_out_of_an_entra_group_is_put_back_by_undo_and_never_deleted() {
    let step = "remove-from-group\n    group: ENTRA-GROUP:payroll";
    let is_done = |state: &Snapshot| {
        assert!(!state.people["cleo"].entra[0].deleted);
        !state.groups["payroll"].entra.contains(&"cleo".to_owned())
    };
    done_and_undone(step, Verb::RemoveFromGroup, is_done).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_user_marked_compromised_is_dismissed_by_undo() {
    let is_done = |state: &Snapshot| state.people["cleo"].entra[0].risk_state == "confirmedCompromised";
    done_and_undone("mark-compromised", Verb::MarkCompromised, is_done).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_suspended_cloud_user_is_restored_by_undo() {
    let is_done = |state: &Snapshot| !state.people["cleo"].entra[0].enabled;
    done_and_undone("suspend-entra-user", Verb::SuspendEntraUser, is_done).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deactivated_okta_user_stays_so_and_an_undo_says_that_nothing_can_bring_it_back() {
    let mut world = answered("cleo", "deactivate-okta-user\n    irreversible: true").await;
    let record = assert_end(&world, "cleo", Verb::DeactivateOktaUser, OutcomeKind::Effective).await;
    world.undo(&record, "eva@contoso.com").await;
    world.run_until(14).await;
    assert_eq!(world.lab.state().people["cleo"].okta.as_ref().unwrap().status, "DEPROVISIONED");
    assert!(world.said().contains("nothing can undo it"), "{}", world.said());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_cloud_password_is_replaced_once_by_one_that_nobody_sees() {
    let world = answered("cleo", "scramble-password\n    irreversible: true").await;
    assert_end(&world, "cleo", Verb::ScramblePassword, OutcomeKind::Effective).await;
    assert!(world.lab.state().people["cleo"].entra[0].must_change_password);
    assert_eq!(world.taken("cleo", "passwordProfile"), 1);
    assert!(!world.said().contains("Aa1!") && !world.comments("a").join("\n").contains("Aa1!"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_lost_answer_does_not_replace_a_cloud_password_twice() {
    let playbook = "playbook: contain\nwhy: x\nsteps:\n  - do: scramble-password\n    irreversible: true\n";
    let fault = "faults:\n  - {method: PATCH, path: \"/v1.0/users/*\", answer: lost}\n";
    let alert = dcsync("a", "1m", "{person: cleo}", "");
    let mut world = Setup::new(alert).people(PEOPLE).playbook(playbook).with(fault).start().await;
    world.run_until(15).await;
    assert_eq!(world.lab.state().faults_left, 0);
    assert_end(&world, "cleo", Verb::ScramblePassword, OutcomeKind::Effective).await;
    assert_eq!(world.taken("cleo", "passwordProfile"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_password_change_is_asked_of_a_cloud_account_in_entra() {
    let mut world = answered("cleo", "require-password-change").await;
    assert!(world.lab.state().people["cleo"].entra[0].must_change_password);
    // Whether it is asked for cannot be read; only that one was made.
    world.run_until(20).await;
    assert_end(&world, "cleo", Verb::RequirePasswordChange, OutcomeKind::Unverified).await;
    assert_eq!(world.taken("cleo", "passwordProfile"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_password_of_a_synced_account_is_not_replaced_in_the_cloud() {
    let world = answered("hugo", "scramble-password\n    irreversible: true").await;
    let record = world.action("hugo", Verb::ScramblePassword).await;
    assert_eq!(record.outcome().map(|end| end.kind), Some(OutcomeKind::Failed), "{record:#?}");
    assert!(record.reason().line().contains("Active Directory"), "{}", record.reason().line());
    assert_eq!(world.taken("hugo", "passwordProfile"), 0);
}

/// The labels on the incident of an alert that a rule with a tag has answered.
async fn labels(mode: &'static str, faults: &str) -> (World, Vec<String>) {
    let alert = dcsync("a", "1m", "{person: cleo}", "");
    let playbook = "playbook: contain\nwhy: x\nsteps:\n  - do: suspend-entra-user\n";
    let setup = Setup::new(alert).people(PEOPLE).playbook(playbook).rule("tag: contained\n").mode(mode).with(faults);
    let mut world = setup.start().await;
    world.run_until(10).await;
    let labels = world.lab.state().incidents["a"].labels.clone();
    (world, labels)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_incident_is_labelled_once_as_its_rule_says() {
    let (mut world, labels) = labels("enforce", "").await;
    assert_eq!(labels, ["contained"]);
    let record = world.action("cleo", Verb::SuspendEntraUser).await;
    world.undo(&record, "eva@contoso.com").await;
    world.run_until(16).await;
    assert_eq!(world.lab.state().incidents["a"].labels, ["contained"], "the next note finds it there");
    assert!(world.comments("a").len() > 1);
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_label_is_written_again_over_somebody_elses_change_and_never_in_simulation() {
    let conflict = "faults:\n  - {method: PUT, path: \"/subscriptions/**/incidents/*\", status: 409}\n";
    let (world, written) = labels("enforce", conflict).await;
    assert_eq!(world.lab.state().faults_left, 0);
    assert_eq!(written, ["contained"]);
    assert_eq!(labels("simulate", "").await.1, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_label_that_is_refused_holds_no_comment_up_and_is_said() {
    let refused = "faults:\n  - {method: PUT, path: \"/subscriptions/**/incidents/*\", status: 403, count: 100}\n";
    let (world, labels) = labels("enforce", refused).await;
    assert_eq!(labels, Vec::<String>::new());
    assert_eq!(world.comments("a").len(), 1);
    assert!(world.troubles().iter().any(|line| line.contains("not labelled contained")), "{:?}", world.troubles());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_rule_of_which_nothing_is_in_place_labels_no_incident() {
    let failing = "faults: [{method: PATCH, path: \"/v1.0/users/*\", status: 403, count: 100}]\n";
    let (world, written) = labels("enforce", failing).await;
    let record = world.action("cleo", Verb::SuspendEntraUser).await;
    assert_eq!(record.outcome().map(|end| end.kind), Some(OutcomeKind::Failed), "{:?}", record.reason());
    assert_eq!(written, Vec::<String>::new());
    assert!(world.comments("a")[0].contains("could not do what was wanted"), "{:?}", world.comments("a"));
    let chooses_nobody = "account:\n  where: Upn startswith \"nobody@\"\ntag: contained\n";
    let alert = dcsync("a", "1m", "{person: cleo}", "");
    let playbook = "playbook: contain\nwhy: x\nsteps:\n  - do: suspend-entra-user\n";
    let mut world = Setup::new(alert).people(PEOPLE).playbook(playbook).rule(chooses_nobody).start().await;
    world.run_until(10).await;
    assert_eq!(world.lab.state().incidents["a"].labels, Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_that_was_withheld_as_a_whole_labels_no_incident() {
    let forged = dcsync("a", "1m", "{person: cleo}", "source: log-analytics");
    let playbook = "playbook: contain\nwhy: x\nsteps:\n  - do: suspend-entra-user\n";
    let mut world = Setup::new(forged).people(PEOPLE).playbook(playbook).rule("tag: contained\n").start().await;
    world.run_until(60).await;
    assert!(world.comments("a").join("\n").contains("unwitnessed"), "{:?}", world.comments("a"));
    assert_eq!(world.lab.state().incidents["a"].labels, Vec::<String>::new());
}
