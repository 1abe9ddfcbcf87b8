//! Queries of our own, end to end: rows that a trigger finds become alerts that rules answer.

use std::time::Duration;

use riposte::model::intent::Verb;
use riposte::model::outcome::OutcomeKind;
use riposte::model::reason::Reason;
use riposte::record::alert::AlertPhase;
use riposte::respond::runs::Run;

use super::world::{Setup, World, dcsync};

/// A rule on a trigger, in a file of its own.
fn rule(name: &str, alert: &str) -> String {
    format!(
        "rule: {name}\nwhy: Somebody holds credentials that are not theirs.\nowner: soc@contoso.com\nalert: [{alert}]\n\
         account: {{role: any}}\ndo: contain\nlimits: {{per_hour: 60, per_day: 60}}\n"
    )
}

/// Names from one address, of which one gets in. {more} are further rows.
fn spray(more: &str) -> String {
    format!(
        "rows:\n  - {{table: SigninLogs, at: 2m, copies: 12, cells: {{UserId: \"u{{n}}\", UserPrincipalName: \
         \"u{{n}}@contoso.com\", ResultType: \"50126\", IPAddress: 203.0.113.5}}}}\n  - {{table: SigninLogs, at: 3m, \
         cells: {{UserId: \"{{adele.oid}}\", UserPrincipalName: \"{{adele.upn}}\", ResultType: \"0\", IPAddress: \
         203.0.113.5}}}}\n{more}"
    )
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_that_a_trigger_finds_leads_to_one_action_although_runs_overlap_and_the_daemon_restarts() {
    let setup = Setup::new("").with(&spray("")).modes("sprayed: enforce\n");
    let mut world =
        setup.file("playbooks/rules/sprayed.yaml", &rule("sprayed", "kql/sign-in-after-password-spray")).start().await;
    world.run_until(25).await;
    let action = world.action("adele", Verb::DisableAdUser).await;
    assert_eq!(action.outcome().unwrap().kind, OutcomeKind::Effective);
    assert!(!world.is_enabled("adele"));
    world.crash();
    world.resume().await;
    world.run_until(55).await;
    assert_eq!(world.taken("adele", "disable"), 1);
    let alerts = world.alerts().await;
    assert_eq!(alerts.len(), 1, "{alerts:#?}");
    assert_eq!(alerts[0].catalogue.as_deref(), Some("kql/sign-in-after-password-spray"));
    assert!(alerts[0].is_witnessed() && world.actions().await.len() == 1);
    world.assert_whole().await;
}

/// The settings with a folder of triggers of one's own.
fn own_triggers(settings: &str) -> String {
    format!("{settings}\n[rules]\nkql = \"kql\"\n")
}

/// How often a trigger has been run so far.
fn runs(world: &World, name: &str) -> usize {
    let run = format!("Polled {{ source: Trigger {{ name: \"{name}\"");
    world.said().lines().filter(|line| line.starts_with(&run)).count()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hunting_runs_a_trigger_too_and_what_comes_of_it_is_said_although_there_is_no_incident() {
    let row = "rows:\n  - {table: IdentityDirectoryEvents, at: 2m, cells: {ActionType: Directory Services replication, \
               AccountSid: \"{diego.sid}\", AccountObjectId: \"{diego.oid}\", AccountUpn: \"{diego.upn}\", AccountName: diego, \
               AccountDomain: CONTOSO, DestinationDeviceName: dc1}}\n";
    let setup = Setup::new("").with(row).modes("replication: enforce\n");
    let rule = rule("replication", "kql/replication-by-unusual-account");
    let mut world = setup.file("playbooks/rules/replication.yaml", &rule).start().await;
    world.run_until(20).await;
    assert_eq!(world.action("diego", Verb::DisableAdUser).await.outcome().unwrap().kind, OutcomeKind::Effective);
    assert_eq!(world.taken("diego", "disable"), 1);
    assert!(world.requests().await.iter().any(|asked| asked.path.ends_with("/security/runHuntingQuery")));
    assert!(world.said().contains("NoIncident"), "nothing is told silently");
    assert!(world.notes().await.is_empty());
    world.assert_whole().await;
}

/// As rule collections hold them, with the one comment that says what its account is.
const ANALYTICS_RULE: &str = "id: 3533f74c-9207-4047-96e2-0eb9383be587
name: Sign-in from a refused address
description: |
  'Somebody signed in.'
severity: High
requiredDataConnectors:
  - connectorId: AzureActiveDirectory
    dataTypes: [SigninLogs]
queryFrequency: 5m
queryPeriod: PT1H
triggerOperator: gt
triggerThreshold: 0
tactics: [InitialAccess]
query: |
  // role: target
  SigninLogs
  | where ResultType == \"0\" and IPAddress == \"203.0.113.5\"
entityMappings:
  - entityType: Account
    fieldMappings:
      - identifier: FullName
        columnName: UserPrincipalName
  - entityType: IP
    fieldMappings: [{identifier: Address, columnName: IPAddress}]
version: 1.0.0
kind: Scheduled
";

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_analytics_rule_of_sentinel_is_a_trigger_as_it_stands() {
    let when =
        "when: AlertSeverity == \"High\" and tostring(parse_json(ExtendedProperties).IPAddress) == \"203.0.113.5\"\n";
    let rule = rule("refused", "kql/refused-address") + when;
    let setup = Setup::new("").with(&spray("")).modes("refused: enforce\n").edit(own_triggers);
    let setup = setup.file("kql/Refused_Address.yaml", ANALYTICS_RULE);
    let mut world = setup.file("playbooks/rules/refused.yaml", &rule).start().await;
    world.run_until(20).await;
    assert_eq!(world.taken("adele", "disable"), 1, "{:#?}", world.alerts().await);
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn runs_that_were_missed_are_made_up_for_once_and_what_no_run_looked_at_is_said() {
    const NAME: &str = "sign-in-after-password-spray";
    let setup = Setup::new("").with(&spray("")).modes("sprayed: enforce\n");
    let rule = rule("sprayed", &format!("kql/{NAME}"));
    let mut world = setup.file("playbooks/rules/sprayed.yaml", &rule).start().await;
    world.run_until(25).await;
    let before = runs(&world, NAME);
    let source = world.alerts().await[0].sightings[0].source.to_string();
    let last = Run::last(world.journal(), &source).await.unwrap().unwrap();
    assert!((3..=4).contains(&before), "every ten minutes, and at the start: {before}");
    world.stop().await;
    world.clock.advance_to(world.minute(240));
    world.resume().await;
    world.run_until_at(world.minute(240).plus(Duration::from_secs(5))).await;
    let after = runs(&world, NAME) - before;
    assert!((1..=2).contains(&after), "21 were missed: {after}");
    let again = Run::last(world.journal(), &source).await.unwrap().unwrap();
    let miss = again.last_miss.unwrap();
    assert_eq!(miss.from, last.at);
    let lookback = Duration::from_secs(3600);
    assert!((world.minute(240).minus(lookback)..=again.at.minus(lookback)).contains(&miss.to), "{miss:?}");
    assert!(world.said().contains("a trigger did not run in time"));
    assert_eq!(world.taken("adele", "disable"), 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_is_refused_is_said_in_the_services_words_and_the_others_go_on() {
    let bad = "// every: 5m\n// account: Upn=Upn\n// role: suspect\nNoSuchTable_CL\n| project TimeGenerated, Upn\n";
    let setup = Setup::new("").with(&spray("")).modes("sprayed: enforce\nbad: enforce\n").edit(own_triggers);
    let setup = setup.file("kql/bad.kql", bad).file("playbooks/rules/bad.yaml", &rule("bad", "kql/bad"));
    let sprayed = rule("sprayed", "kql/sign-in-after-password-spray");
    let mut world = setup.file("playbooks/rules/sprayed.yaml", &sprayed).start().await;
    world.run_until(30).await;
    assert_eq!(world.taken("adele", "disable"), 1);
    let refused = world.requests().await.iter().filter(|asked| asked.status == 400).count();
    assert!((5..=8).contains(&refused), "every five minutes in half an hour: {refused}");
    assert!(world.troubles().iter().any(|line| line.contains("NoSuchTable_CL")), "{:?}", world.troubles());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn thousands_of_rows_and_rows_that_are_nonsense_spoil_nothing() {
    let noise = "  - {table: SigninLogs, at: 4m, copies: 5000, cells: {UserPrincipalName: nobody@contoso.com, ResultType: \"0\", \
                 AppDisplayName: \"NOISE {n}\"}}\n  - {table: SigninLogs, at: 4m, copies: 20, cells: {UserPrincipalName: \
                 \"[\\\"{n}\\\"]\", ResultType: \"0\"}}\n  - {table: SigninLogs, at: 4m, cells: {UserPrincipalName: \"NOISE\", \
                 ResultType: \"0\"}}\n";
    let noise = noise.replace("NOISE", &"<b>&amp;\u{202e}'; drop ".repeat(40));
    let query = "// every: 5m\n// account: Upn=UserPrincipalName\n// role: suspect\n\
                 SigninLogs | where ResultType == \"0\" | project TimeGenerated, UserPrincipalName, AppDisplayName\n";
    let setup = Setup::new("").with(&spray(&noise)).modes("signs-in: enforce\n").edit(own_triggers);
    let setup = setup.file("kql/signs-in.kql", query);
    let setup = setup.file("playbooks/rules/signs-in.yaml", &rule("signs-in", "kql/signs-in"));
    let mut world = setup.in_one_day().start().await;
    world.run_until(20).await;
    assert_eq!(world.taken("adele", "disable"), 1);
    let alerts = world.alerts().await;
    assert_eq!(
        alerts.len(),
        23,
        "adele, one nobody for five thousand rows, twenty bare names, and one for what is no name"
    );
    let unreadable = alerts.iter().filter(|alert| matches!(alert.phase, AlertPhase::Unreadable { .. })).count();
    assert_eq!(unreadable, 1);
    let bare =
        alerts.iter().flat_map(|alert| &alert.decided).filter(|decided| decided.reason == Reason::IdentifierWeak);
    assert_eq!(bare.count(), 20, "each is refused for what it is");
    let named = |name: &str| alerts.iter().filter(|alert| format!("{:?}", alert.accounts()).contains(name)).count();
    assert_eq!((named("nobody"), named("adele")), (1, 1));
    assert_eq!(world.actions().await.len(), 1, "nonsense leads to nothing");
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_row_of_security_alert_that_claims_to_be_of_a_trigger_is_answered_by_nobody() {
    let forged = "  - {alert: forged, at: 1m, title: Successful sign-in from an address that sprayed passwords, type: \
                  kql/sign-in-after-password-spray, severity: High, source: log-analytics, ids: different, \
                  accounts: [{person: diego}], columns: {SystemAlertId: \"kql/sign-in-after-password-spray:1\"}}\n";
    let setup = Setup::new(forged).with(&spray("")).set("guardrails.unwitnessed", "allow").modes("sprayed: enforce\n");
    let rule = rule("sprayed", "kql/sign-in-after-password-spray");
    let mut world = setup.file("playbooks/rules/sprayed.yaml", &rule).start().await;
    world.run_until(25).await;
    let mut alerts = world.alerts().await;
    alerts.retain(|alert| !alert.is_ours_alone());
    let [forged] = &alerts[..] else { panic!("{alerts:#?}") };
    assert_eq!((forged.phase.word(), forged.rules.as_slice()), (AlertPhase::PLANNED, &[] as &[String]), "{forged:#?}");
    assert_eq!(world.alerts().await.len(), 2);
    assert_eq!((world.taken("diego", "disable"), world.taken("adele", "disable")), (0, 1), "the rule would act");
    assert!(world.actions_on("diego").await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_shipped_trigger_runs_in_the_emulated_tenant() {
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("kql");
    let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let names = files.filter(|path| path.extension().is_some_and(|end| end == "kql"));
    let names: Vec<String> = names.map(|path| path.file_stem().unwrap().to_string_lossy().into_owned()).collect();
    let names: Vec<&String> = names.iter().filter(|name| *name != "security-alerts").collect();
    assert!(names.len() >= 9, "{names:?}");
    let ids = names.iter().map(|name| format!("kql/{name}")).collect::<Vec<_>>().join(", ");
    let mut world = Setup::new("").file("playbooks/rules/all.yaml", &rule("all", &ids)).start().await;
    world.run_until(2).await;
    assert_eq!(world.troubles(), [""; 0]);
    for name in names {
        assert_eq!(runs(&world, name).min(1), 1, "{name} has run");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_forged_row_of_an_alert_is_not_made_true_by_a_trigger_that_reads_it() {
    let forged = "  - {alert: forged, at: 1m, title: Anything, type: Anything, severity: High, source: log-analytics, \
                  accounts: [{person: diego}], columns: {CompromisedEntity: \"diego@contoso.com\"}}\n";
    let query = "// every: 1m\n// lookback: 1h\n// account: Upn=CompromisedEntity\n// role: suspect\n\
                 SecurityAlert | where AlertName == \"Anything\"\n";
    let setup = Setup::new(forged).modes("believes: enforce\n").edit(own_triggers).file("kql/believes.kql", query);
    let mut world = setup.file("playbooks/rules/believes.yaml", &rule("believes", "kql/believes")).start().await;
    world.run_until(40).await;
    let alerts = world.alerts().await;
    let found = alerts.iter().find(|alert| alert.is_ours_alone()).unwrap();
    let why: Vec<&str> = found.decided.iter().map(|decided| decided.reason.code()).collect();
    assert_eq!((found.is_witnessed(), why), (false, vec!["unwitnessed"]), "{found:#?}");
    assert!(world.is_enabled("diego") && world.actions().await.is_empty());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_query_that_finds_everybody_makes_a_hundred_alerts_and_defender_s_own_is_not_behind_them() {
    let everybody = "rows:\n  - {table: SigninLogs, at: 4m, copies: 300, cells: {UserId: \"u{n}\", UserPrincipalName: \
                     \"u{n}@contoso.com\", ResultType: \"0\"}}\n";
    let query = "// every: 1m\n// lookback: 1h\n// account: Upn=UserPrincipalName\n// role: suspect\n\
                 SigninLogs | where ResultType == \"0\" | project TimeGenerated, UserPrincipalName\n";
    let setup = Setup::new(dcsync("real", "5m", "{person: joni}", "")).with(everybody).modes("signs-in: enforce\n");
    let setup = setup.edit(own_triggers).file("kql/signs-in.kql", query);
    let mut world = setup.file("playbooks/rules/signs-in.yaml", &rule("signs-in", "kql/signs-in")).start().await;
    world.run_until(8).await;
    assert!(!world.is_enabled("joni"));
    let alerts = world.alerts().await;
    let found = alerts.iter().filter(|alert| alert.is_ours_alone()).count();
    assert_eq!(found, 100, "of three hundred, however often it runs");
    assert!(world.said().contains("left_out: 200"), "and that is said");
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_of_what_a_trigger_led_to_is_asked_for_in_words_that_are_true_of_it() {
    let playbook = "playbook: contain\nwhy: For a while.\nsteps:\n  - do: disable-ad-user\n    revert_after: 10m\n";
    let setup = Setup::new("").with(&spray("")).playbook(playbook).modes("sprayed: enforce\n");
    let rule = rule("sprayed", "kql/sign-in-after-password-spray");
    let mut world = setup.file("playbooks/rules/sprayed.yaml", &rule).start().await;
    world.run_until(40).await;
    let asked = world.actions_on("adele").await.into_iter().find(|action| action.status() == "waiting").unwrap();
    assert_eq!(asked.reason().code(), "no-incident");
    world.vote(&asked, "eva", true).await;
    world.run_until(45).await;
    assert!(world.is_enabled("adele"));
}
