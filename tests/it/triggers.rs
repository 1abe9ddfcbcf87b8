//! Queries of our own, end to end: rows that a trigger finds become alerts that rules answer.

use riposte::model::intent::Verb;
use riposte::model::outcome::OutcomeKind;

use super::world::Setup;

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
