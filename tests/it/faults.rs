//! What goes wrong between us and the vendors: nothing is lost by it, and nothing done twice.

use std::time::Duration;

use riposte::journal::lane::LaneKind;
use riposte::lab::{Fault, Outcome};
use riposte::model::account::Directory;
use riposte::model::intent::Verb;
use riposte::model::outcome::OutcomeKind;
use riposte::record::action::ActionRecord;
use serde_json::{Value, json};

use super::world::{EVERYWHERE, PEOPLE, Setup, World, dcsync};

fn end(record: &ActionRecord) -> (Option<OutcomeKind>, &'static str) {
    (record.outcome().map(|outcome| outcome.kind), record.reason().code())
}

/// An alert about Adele, to be answered everywhere, with these faults.
async fn answered(faults: &str, minutes: u64) -> World {
    let faults = format!("faults:\n{faults}");
    let setup = Setup::new(dcsync("a", "1m", "{person: adele}", "")).playbook(EVERYWHERE).with(&faults);
    let mut world = setup.start().await;
    world.run_until(minutes).await;
    world
}

/// Everything on Adele took effect, each at one call only.
async fn assert_contained(world: &World) {
    let state = world.lab.state();
    assert_eq!(state.faults_left, 0, "every fault has happened");
    let adele = &state.people["adele"];
    assert!(!adele.ad.as_ref().unwrap().enabled);
    assert!(!adele.entra[0].enabled);
    assert_eq!(adele.okta.as_ref().unwrap().status, "SUSPENDED");
    for action in world.actions_on("adele").await {
        assert_eq!(action.outcome().map(|outcome| outcome.kind), Some(OutcomeKind::Effective), "{action:#?}");
    }
    world.assert_whole().await;
}

/// The calls that change something over each of the three routes.
const CALLS: [(&str, &str); 3] =
    [("POST", "**/invokeAction"), ("PATCH", "/v1.0/users/*"), ("POST", "/api/v1/users/*/lifecycle/suspend")];

fn on_each_call(what: &str) -> String {
    CALLS.iter().map(|(method, path)| format!("  - {{method: {method}, path: \"{path}\", {what}}}\n")).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_throttled_effect_is_repeated_no_sooner_than_the_vendor_wants() {
    let world = answered(&on_each_call("status: 429, retry_after: 90s"), 15).await;
    assert_contained(&world).await;
    let effects = world.lab.state().effects;
    for api in ["defender", "entra", "okta"] {
        let ours: Vec<_> = effects.iter().filter(|effect| effect.api == api).collect();
        let refused = ours.iter().find(|effect| effect.outcome == Outcome::Refused(429)).unwrap();
        let next = ours.iter().find(|effect| effect.n > refused.n && !matches!(effect.outcome, Outcome::Refused(_)));
        let waited = next.unwrap().at.since(refused.at);
        assert!(waited >= Duration::from_secs(90) && waited < Duration::from_secs(200), "{api}: {waited:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_effect_throttled_without_a_word_how_long_is_repeated_later() {
    let world = answered(&on_each_call("status: 429, count: 2"), 12).await;
    assert_contained(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_error_before_the_effect_is_looked_at_and_then_repeated_once() {
    let world = answered(&on_each_call("status: 500"), 40).await;
    assert_contained(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_lost_after_the_effect_is_answered_by_looking() {
    let world = answered(&on_each_call("answer: lost"), 40).await;
    assert_contained(&world).await;
    let lost = world.lab.state().effects.iter().filter(|effect| effect.answer_lost).count();
    assert_eq!(lost, 3);
}

/// Everything that can be done with Adele beside disabling her.
const REST: &str = "playbook: contain
why: All the rest.
steps:
  - do: mark-compromised
  - do: require-password-change
  - do: remove-from-group
    group: GROUP
  - do: revoke-sessions
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_lost_of_any_other_call_is_answered_by_looking_too() {
    let people = PEOPLE
        .replace("groups: [{group", "groups: [{group: payroll, entra: true}, {group")
        .replace("entra: {}, okta: {}", "entra: {groups: [payroll]}, okta: {}");
    let probe = Setup::new("").people(&people).start().await;
    let group = probe.lab.state().groups["payroll"].entra_id.clone().unwrap();
    for spoil in ["lost", "malformed"] {
        let faults: String = [
            "POST **/invokeAction",
            "POST **/confirmCompromised",
            "POST **/revokeSignInSessions",
            "DELETE /v1.0/groups/**",
            "DELETE /api/v1/users/*/sessions",
        ]
        .iter()
        .filter_map(|call| call.split_once(' '))
        .map(|(method, path)| format!("  - {{method: {method}, path: \"{path}\", answer: {spoil}}}\n"))
        .collect();
        let setup = Setup::new(dcsync("a", "1m", "{person: adele}", "")).people(&people);
        let setup = setup.playbook(&REST.replace("GROUP", &group)).with(&format!("faults:\n{faults}"));
        let mut world = setup.start().await;
        world.run_until(45).await;
        let state = world.lab.state();
        assert_eq!(state.faults_left, 0, "every fault has happened: {:#?}", world.actions().await);
        assert!(state.groups["payroll"].entra.is_empty());
        assert_eq!(state.people["adele"].entra[0].risk_state, "confirmedCompromised");
        assert!(state.people["adele"].ad.as_ref().unwrap().must_change_password);
        for action in world.actions().await {
            assert_eq!(
                action.outcome().map(|outcome| outcome.kind),
                Some(OutcomeKind::Effective),
                "{spoil}: {action:#?}"
            );
        }
        world.assert_whole().await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_cut_in_the_middle_is_answered_by_looking() {
    let world = answered(&on_each_call("answer: malformed"), 40).await;
    assert_contained(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_poll_that_fails_in_any_way_loses_no_alert() {
    let query = "path: \"/v1/workspaces/*/query\"";
    let (body, graph) = ("body: SecurityAlert", "path: \"/v1.0/security/alerts_v2\"");
    let mut faults = String::new();
    for (i, what) in [
        "answer: partial",
        "answer: no-content",
        "answer: empty",
        "answer: malformed",
        "answer: lost",
        "status: 504",
        "status: 500",
        "status: 429, retry_after: 20s",
        "status: 401",
    ]
    .iter()
    .enumerate()
    {
        let from = 30 + 60 * i;
        faults += &format!("  - {{{query}, {body}, from: {from}s, {what}}}\n");
        if *what != "answer: partial" {
            faults += &format!("  - {{{graph}, from: {from}s, {what}}}\n");
        }
    }
    // One alert a minute, some shown by one source only.
    let people: String =
        (0..9).map(|i| format!("  - {{person: p{i}, ad: {{rid: {}}}, entra: {{}}}}\n", 2_000 + i)).collect();
    let alerts: String = (0..9)
        .map(|i| dcsync(&format!("a{i}"), &format!("{}s", 20 + 60 * i), &format!("{{person: p{i}}}"), ""))
        .collect();
    let setup = Setup::new(alerts).people(&(PEOPLE.to_owned() + &people)).with(&format!("faults:\n{faults}"));
    let mut world = setup.start().await;
    world.run_until(40).await;
    assert_eq!(world.lab.state().faults_left, 0, "every fault has happened");
    let alerts = world.alerts().await;
    assert_eq!(alerts.len(), 9);
    assert!(alerts.iter().all(|alert| alert.sightings.len() == 2), "both sources showed all");
    for i in 0..9 {
        assert_eq!(
            world.taken(&format!("p{i}"), "disable"),
            1,
            "p{i}: {:#?}",
            world.actions_on(&format!("p{i}")).await
        );
    }
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_refused_token_is_fetched_anew_once_and_the_call_goes_through() {
    let world = answered("  - {method: POST, path: \"**/invokeAction\", status: 401}\n", 15).await;
    assert_contained(&world).await;
    let state = world.lab.state();
    let tokens: u64 = state.requests.iter().filter(|(path, _)| path.contains("oauth2")).map(|(_, n)| n).sum();
    assert!((4..=10).contains(&tokens), "{tokens} tokens");
}

/// Runs for an hour with a tenant that refuses, and returns what was asked of it.
async fn refused_for_an_hour(more: &str, fault: &Value) -> World {
    let people = PEOPLE.replace("app: {", &format!("app: {{{more}"));
    let setup = Setup::new(dcsync("a", "1m", "{person: adele}", "")).people(&people).playbook(EVERYWHERE);
    let mut world = setup.start().await;
    if !fault.is_null() {
        world.fault(fault.clone());
    }
    world.run_until(60).await;
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_missing_permission_is_named_with_its_api() {
    let more = "without_permissions: [SecurityIdentitiesActions.ReadWrite.All, User.EnableDisableAccount.All], ";
    let world = refused_for_an_hour(more, &Value::Null).await;
    let said = |action: &riposte::record::action::ActionRecord| format!("{}", action.reason());
    let disable = world.action("adele", Verb::DisableAdUser).await;
    assert_eq!(disable.outcome().unwrap().kind, OutcomeKind::Failed, "{disable:#?}");
    assert!(said(&disable).contains("SecurityIdentitiesActions.ReadWrite.All"), "{}", said(&disable));
    let suspend = world.action("adele", Verb::SuspendEntraUser).await;
    assert_eq!(suspend.outcome().unwrap().kind, OutcomeKind::Failed, "{suspend:#?}");
    assert!(said(&suspend).contains("User.EnableDisableAccount.All"), "{}", said(&suspend));
    assert!(said(&suspend).contains("Graph"), "{}", said(&suspend));
    let comments = world.comments("a").join("\n");
    assert!(comments.contains("SecurityIdentitiesActions.ReadWrite.All"), "{comments}");
    let asked: u64 = world
        .lab
        .state()
        .requests
        .iter()
        .filter(|(path, _)| path.contains("invokeAction") || path.starts_with("PATCH"))
        .map(|(_, n)| n)
        .sum();
    assert!(asked <= 6, "{asked} calls without a permission");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_source_without_its_permission_says_so_and_is_asked_no_more_often_than_usual() {
    let more = "without_permissions: [SecurityAlert.Read.All, SecurityAlert.ReadWrite.All], without_azure_roles: [Log Analytics Reader], ";
    let world = refused_for_an_hour(more, &Value::Null).await;
    let troubles = world.troubles();
    assert!(troubles.iter().any(|line| line.contains("SecurityAlert.Read.All")), "{:?}", troubles.first());
    assert!(troubles.iter().any(|line| line.contains("Log Analytics Reader")), "{:?}", troubles.last());
    assert_no_busy_loop(&world);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_secret_that_is_no_longer_good_is_said_and_makes_no_busy_loop() {
    let fault = json!({"path": "/*/oauth2/v2.0/token", "status": 401, "count": 100_000});
    let world = refused_for_an_hour("", &fault).await;
    let troubles = world.troubles();
    assert!(!troubles.is_empty());
    assert!(troubles.iter().any(|line| line.contains("secret") || line.contains("sign")), "{:?}", troubles[0]);
    assert_no_busy_loop(&world);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_workspace_that_is_not_there_is_said_and_makes_no_busy_loop() {
    let fault = json!({"path": "/v1/workspaces/**", "status": 404, "count": 100_000});
    let world = refused_for_an_hour("", &fault).await;
    let troubles = world.troubles();
    assert!(troubles.iter().any(|line| line.contains("workspace")), "{:?}", troubles.first());
    assert_no_busy_loop(&world);
}

/// Two sources, each every half minute, with a retry or two, make no more than this in an hour.
fn assert_no_busy_loop(world: &World) {
    let requests = world.lab.state().requests;
    let all: u64 = requests.values().sum();
    assert!(all < 2_000, "{all} requests in an hour: {requests:#?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_comment_stands_once_whatever_became_of_its_answer() {
    let what = ["answer: lost", "status: 500", "status: 429, retry_after: 5s", "answer: malformed", "answer: empty"];
    let people = ["adele", "diego", "grady", "joni", "boss"];
    let faults: String = what
        .iter()
        .enumerate()
        .map(|(i, what)| {
            let from = 60 + 240 * i;
            format!("  - {{method: PUT, path: \"/subscriptions/**/comments/*\", from: {from}s, {what}}}\n")
        })
        .collect();
    let alerts: String = people
        .iter()
        .enumerate()
        .map(|(i, person)| dcsync(person, &format!("{}s", 60 + 240 * i), &format!("{{person: {person}}}"), ""))
        .collect();
    let mut world = Setup::new(alerts).with(&format!("faults:\n{faults}")).start().await;
    world.run_until(30).await;
    assert_eq!(world.lab.state().faults_left, 0);
    for person in people {
        assert_eq!(world.comments(person).len(), 1, "{:?}", world.comments(person));
    }
    world.assert_whole().await;
}

// The lab's faults are what this file is about: their type must stay within reach of tests.
const _: fn(&World, Fault) = |world, fault| world.lab.add_fault(fault);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_step_that_waits_for_one_that_rests_is_not_due_before_it() {
    let fault = "faults: [{method: POST, path: \"**/invokeAction\", status: 429, retry_after: 2h}]\n";
    let alert = dcsync("a", "1m", "{person: adele}", "");
    let mut world = Setup::new(alert).playbook(EVERYWHERE).with(fault).start().await;
    world.run_until(8).await;
    let waiting = world.actions_on("adele").await;
    let codes: Vec<_> = waiting.iter().filter(|action| action.is_open()).map(|action| action.reason().code()).collect();
    assert!(codes.contains(&"step-awaited"), "{codes:?}");
    let due = world.journal().next_due(&[LaneKind::Account]).await.unwrap().unwrap();
    assert!(due >= world.minute(10), "{due}: {waiting:#?}");
}

/// The answers of Okta about anybody.
const OKTA: &str = "/api/v1/users/**";

/// An Okta whose token is not good any more, from before the alert.
async fn without_okta(setup: Setup) -> World {
    let world = setup.start().await;
    world.fault(json!({"path": OKTA, "status": 401, "count": 10_000}));
    world
}

fn contains_everywhere() -> Setup {
    Setup::new(dcsync("a", "1m", "{person: adele}", "")).playbook(EVERYWHERE)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_okta_that_does_not_answer_leaves_the_other_directories_to_a_person() {
    let mut world = without_okta(contains_everywhere()).await;
    world.run_until(5).await;
    assert!(world.actions().await.is_empty(), "what passes is waited for");
    world.run_until(12).await;
    for verb in [Verb::DisableAdUser, Verb::SuspendEntraUser] {
        let asks = world.action("adele", verb).await;
        assert_eq!((asks.status(), asks.reason().code()), ("waiting", "okta-unknown"));
        world.vote(&asks, "eva", true).await;
    }
    assert!(world.comments("a").iter().any(|text| text.contains("Okta cannot be asked")), "{:?}", world.comments("a"));
    world.run_until(16).await;
    assert!(!world.is_enabled("adele"), "{:?}", world.troubles());
    assert_eq!(world.taken("adele", "suspend"), 0);
    assert_eq!(world.alert("a").await.phase.word(), "waiting");

    world.lab.clear_faults();
    world.run_until(40).await;
    assert_eq!(world.lab.state().people["adele"].okta.as_ref().unwrap().status, "SUSPENDED", "{:?}", world.troubles());
    assert_eq!(world.taken("adele", "disable"), 1);
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_okta_that_answers_again_takes_the_question_back() {
    let mut world = without_okta(contains_everywhere()).await;
    world.run_until(12).await;
    assert_eq!(world.action("adele", Verb::DisableAdUser).await.status(), "waiting");
    world.lab.clear_faults();
    world.run_until(40).await;
    assert_contained(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_for_want_of_okta_that_nobody_answers_loses_nothing() {
    let setup = contains_everywhere().set("guardrails.approval_ttl", "30m");
    let mut world = without_okta(setup).await;
    world.run_until(60).await;
    let asked = world.action("adele", Verb::DisableAdUser).await;
    assert_eq!(end(&asked), (Some(OutcomeKind::Withheld), "okta-unknown"));
    // What is no answer at all is not taken for one.
    world.lab.clear_faults();
    world.fault(json!({"path": OKTA, "status": 400, "count": 3}));
    world.run_until(120).await;
    assert_eq!(world.lab.state().faults_left, 0);
    assert_contained(&world).await;
}

/// How the actions stand, for whoever reads why a test failed.
async fn stand(world: &World) -> Vec<String> {
    world.actions().await.iter().map(|action| format!("{} {}", action.status(), action.why())).collect()
}

/// What was decided on while Okta answered, and begins when it does not any more.
async fn planned_before_okta_was_lost(fault: Value) -> World {
    let mut world = contains_everywhere().start().await;
    world.pause(true).await;
    world.run_until(6).await;
    assert_eq!(world.action("adele", Verb::DisableAdUser).await.reason().code(), "paused");
    world.fault(fault);
    world.pause(false).await;
    world.run_until(9).await;
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_okta_that_is_lost_after_the_decision_holds_the_other_directories_until_a_person_says_yes() {
    let mut world = planned_before_okta_was_lost(json!({"path": OKTA, "status": 502, "count": 100_000})).await;
    let waits = world.action("adele", Verb::DisableAdUser).await;
    assert_eq!((waits.status(), waits.reason().code()), ("parked", "refused"), "{}", waits.why());
    assert!(waits.is_held_by_okta() && waits.why().contains("approve lets it go without Okta"), "{}", waits.why());
    world.run_until(20).await;
    assert!(world.is_enabled("adele"), "nobody has said yes");
    let told = world.comments("a");
    assert!(told.iter().any(|text| text.contains("approve lets it go without Okta")), "{told:?}");
    for verb in [Verb::DisableAdUser, Verb::SuspendEntraUser] {
        let waits = world.action("adele", verb).await;
        world.vote(&waits, "eva", true).await;
    }
    world.run_until(22).await;
    assert!(!world.is_enabled("adele"), "{:?}", stand(&world).await);
    assert_eq!(world.taken("adele", "suspend"), 0);
    world.lab.clear_faults();
    world.run_until(60).await;
    assert_contained(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn without_a_yes_whoever_was_to_be_contained_is_as_soon_as_okta_answers_again() {
    let mut world = planned_before_okta_was_lost(json!({"path": OKTA, "status": 502, "count": 100_000})).await;
    world.run_until(60).await;
    assert!(world.is_enabled("adele"));
    world.lab.clear_faults();
    world.run_until(62).await;
    assert!(!world.is_enabled("adele"), "{:?}", stand(&world).await);
    world.run_until(100).await;
    assert_contained(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_yes_without_okta_goes_past_no_list_of_people_who_are_never_touched() {
    let mut world = contains_everywhere().start().await;
    world.pause(true).await;
    world.run_until(6).await;
    // Somebody puts her on the list meanwhile.
    world.stop().await;
    world.change("guardrails.break_glass", "adele@contoso.com");
    world.resume().await;
    world.fault(json!({"path": OKTA, "status": 502, "count": 100_000}));
    world.pause(false).await;
    world.run_until(9).await;
    for verb in [Verb::DisableAdUser, Verb::SuspendEntraUser] {
        let waits = world.action("adele", verb).await;
        assert!(waits.is_held_by_okta(), "{}", waits.why());
        world.vote(&waits, "eva", true).await;
    }
    world.run_until(12).await;
    assert!(world.is_enabled("adele"));
    for verb in [Verb::DisableAdUser, Verb::SuspendEntraUser] {
        assert_eq!(end(&world.action("adele", verb).await), (Some(OutcomeKind::Withheld), "protected"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn everybody_who_waited_for_a_directory_is_acted_on_soon_after_it_answers_again() {
    let people = ["adele", "diego", "grady"];
    let alert = |person: &&str| dcsync(person, "1m", &format!("{{person: {person}}}"), "");
    let mut world = Setup::new(people.iter().map(alert).collect::<String>()).start().await;
    world.fault(json!({"path": "/v1.0/users**", "status": 502, "count": 1_000_000}));
    world.run_until(120).await;
    assert!(people.iter().all(|person| world.is_enabled(person)));
    world.lab.clear_faults();
    world.run_until(122).await;
    for person in people {
        assert!(!world.is_enabled(person), "{person}: {:#?}", stand(&world).await);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_no_that_was_given_without_okta_stands() {
    let mut world = without_okta(contains_everywhere()).await;
    world.run_until(12).await;
    let asks = world.action("adele", Verb::DisableAdUser).await;
    world.vote(&asks, "eva", false).await;
    world.run_until(30).await;
    world.lab.clear_faults();
    world.run_until(60).await;
    assert_eq!(end(&world.action("adele", Verb::DisableAdUser).await).0, Some(OutcomeKind::Denied));
    assert_eq!(world.taken("adele", "disable"), 0);
    let entra = world.action("adele", Verb::SuspendEntraUser).await;
    assert_eq!(end(&entra).0, Some(OutcomeKind::Effective), "{:?} {:?}", entra.reason(), world.troubles());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_torn_answer_about_somebody_is_asked_for_again() {
    for path in ["/v1.0/users/**", OKTA, "**/identityAccounts**"] {
        let mut world = contains_everywhere().start().await;
        // So often that no later sighting of the alert asks the question that went wrong.
        world.fault(json!({"method": "GET", "path": path, "answer": "malformed", "count": 6}));
        world.run_until(40).await;
        assert_contained(&world).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_revocation_that_never_happened_is_not_proven_by_the_disabling_before_it() {
    let fault = "  - {method: POST, path: \"**/revokeSignInSessions\", status: 500, count: 100}\n";
    let world = answered(fault, 200).await;
    let revoked = world
        .lab
        .state()
        .effects
        .iter()
        .any(|effect| effect.operation == "revokeSignInSessions" && !matches!(effect.outcome, Outcome::Refused(_)));
    assert!(!revoked);
    for action in world.actions_on("adele").await {
        let in_entra = action.action.key.intent.verb == Verb::RevokeSessions
            && action.action.key.account.directory() == Directory::Entra;
        let end = (action.status(), action.reason().line());
        assert_eq!(in_entra, end.0 == "waiting", "a person is asked, who can look: {end:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_is_protected_by_an_okta_id_is_not_decided_on_without_okta() {
    let setup = contains_everywhere().set("guardrails.break_glass", "00u0000000000000none");
    let mut world = without_okta(setup).await;
    world.run_until(30).await;
    assert!(world.actions().await.is_empty());
    world.lab.clear_faults();
    world.run_until(60).await;
    assert_contained(&world).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_comment_that_cannot_be_written_is_known_with_its_reason_until_it_is() {
    let faults = "faults:\n  - {method: GET, path: \"**SecurityInsights/incidents**\", count: 100000, status: 403}\n";
    let mut world = Setup::new(dcsync("a", "1m", "{person: adele}", "")).with(faults).start().await;
    world.run_until(20).await;
    let alert = world.alert("a").await;
    assert!(
        alert.untold.as_ref().is_some_and(|untold| untold.why.contains("Microsoft Sentinel")),
        "{:?}",
        alert.untold
    );
    assert!(world.comments("a").is_empty());
    let asked =
        world.lab.state().requests.iter().filter(|(path, _)| path.contains("/incidents")).map(|(_, n)| n).sum::<u64>();
    assert!(asked <= 20, "the longer it lasts the more rarely: {asked} times in 20 minutes");
    world.lab.clear_faults();
    world.run_until(40).await;
    let told = world.alert("a").await;
    assert_eq!(told.untold, None);
    assert_eq!(world.comments("a").len(), 1);
    world.assert_whole().await;
}
