//! The crash matrix: every intent over every route, the daemon stopped at calls that leave a trace, before them and after
//! them, and once more while it recovers. Each effect happens once, each comment stands once, nothing is left over.

use std::collections::BTreeSet;
use std::fmt::Write as _;
use std::sync::Arc;

use riposte::model::intent::Verb;
use riposte::model::outcome::OutcomeKind;

use super::fuse::{Fuse, Point};
use super::world::{Setup, World, dcsync, of_defender};

/// Minutes between two alerts, and between two looks at the sources: so that these are few of the points.
const APART: u64 = 4;

/// An account in Active Directory alone.
const AD: &str = "ad: {rid: RID, groups: [domain-users]}";

/// Set, every step dies at every point of a life, one after the other, which takes long.
pub(super) const WHOLE: &str = "RIPOSTE_CRASH_MATRIX";
/// More points than there are in the life of one alert with one action.
const LIFE: u64 = 90;

/// What is played.
struct Plan<'a> {
    /// The steps of the playbook.
    steps: &'a str,
    /// The accounts of everybody.
    accounts: &'a str,
    /// How the tenant calls what is done to each person, once.
    operations: &'a [&'a str],
    /// What a person undoes again: the deaths are those of the undo.
    undone: Option<Verb>,
}

/// A death, and one during the recovery from it.
#[derive(Clone, Copy)]
pub(super) enum Death {
    /// After so many points.
    After(u64),
    At(Point),
}

/// The points at which every intent is tried: what can leave an effect, a comment or a record half done.
const POINTS: [Point; 8] = [
    ("begin", "after"),
    ("apply", "before"),
    ("apply", "after"),
    ("commit", "before"),
    ("commit", "after"),
    ("begin_note", "after"),
    ("post", "after"),
    ("release", "before"),
];

fn people(plan: &Plan<'_>, deaths: usize) -> String {
    let mut text = String::from(
        "delays: {ingestion: 1s, sync: 30m, sensor: 2s, identity: 30s}\nguardrails: {break_glass: [glass]}\n\
         app: {directory_roles: [Privileged Authentication Administrator]}\n",
    );
    text.push_str("groups: [{group: domain-users, rid: 513}, {group: finance, entra: true, okta: true}]\npeople:\n");
    text.push_str("  - {person: glass, name: Break glass, ad: {rid: 1112}, entra: {}}\n");
    for n in 0..deaths {
        let accounts = plan.accounts.replace("RID", &(2_000 + n).to_string());
        let _ = writeln!(text, "  - {{person: p{n}, name: Person Number{n}, {accounts}}}");
    }
    text
}

/// Lets the daemon die once beside each alert, and again in the recovery; where it died.
async fn play(plan: &Plan<'_>, deaths: &[(Death, Death)]) -> BTreeSet<Point> {
    let minute = |n: usize| 2 + APART * n as u64;
    let alerts: String = (0..deaths.len())
        .map(|n| {
            let alert = dcsync(&format!("a{n}"), &format!("{}m", minute(n)), &format!("{{person: p{n}}}"), "");
            // Every second story is told through Graph.
            if n % 2 == 0 { alert } else { of_defender(&alert) }
        })
        .collect();
    let fuse = Fuse::new();
    let playbook = format!("playbook: contain\nwhy: One thing.\nsteps:\n{}", plan.steps);
    let every = format!("{APART}m");
    let mut world = Setup::new(alerts)
        .people(&people(plan, deaths.len()))
        .playbook(&playbook)
        .limits(1_000, 1_000)
        .set("guardrails.limits.per_hour", "1000")
        .set("guardrails.limits.per_day", "1000")
        .set("sources.log_analytics.every", &every)
        .set("sources.graph.every", &every)
        .unlimited()
        .around(Arc::new(fuse.clone()))
        .start()
        .await;
    let mut deaths_of = [0; 2];
    for (n, (first, second)) in deaths.iter().enumerate() {
        let (begins, ends) = (world.minute(minute(n)), world.minute(minute(n) + APART));
        world.run_until_at(begins).await;
        if let Some(verb) = plan.undone {
            world.run_until(minute(n) + APART - 1).await;
            let record = world.action(&format!("p{n}"), verb).await;
            world.undo(&record, "eva@contoso.com").await;
        }
        for (which, death) in [first, second].into_iter().enumerate() {
            match *death {
                Death::After(points) => fuse.arm(points),
                Death::At(point) => fuse.arm_at(point),
            }
            world.run_until_or(ends, || fuse.blown().is_some()).await;
            if fuse.blown().is_some() {
                deaths_of[which] += 1;
                world.crash();
                fuse.disarm();
                world.resume().await;
            }
            fuse.disarm();
        }
    }
    world.run_until(minute(deaths.len()) + 75).await;
    judge(&world, plan, deaths.len()).await;
    assert!(deaths_of.iter().all(|died| *died * 2 >= deaths.len()), "it died too seldom: {deaths_of:?}");
    fuse.died_at()
}

async fn judge(world: &World, plan: &Plan<'_>, deaths: usize) {
    assert_eq!(world.alerts().await.len(), deaths);
    let open: Vec<_> = world.actions().await.into_iter().filter(|action| action.outcome().is_none()).collect();
    assert!(open.is_empty(), "left over: {open:#?}");
    for action in world.actions().await {
        let kind = action.outcome().map(|outcome| outcome.kind);
        let was_undone = plan.undone.is_some() && action.action.key.reverts.is_none();
        let wanted = if was_undone { OutcomeKind::Reverted } else { OutcomeKind::Effective };
        assert_eq!(kind, Some(wanted), "{action:#?}");
    }
    for n in 0..deaths {
        for operation in plan.operations {
            assert_eq!(
                world.taken(&format!("p{n}"), operation),
                1,
                "{operation} of p{n}: {:#?}",
                world.lab.state().effects
            );
        }
        assert!(!world.comments(&format!("a{n}")).is_empty(), "a{n}");
    }
    world.assert_whole().await;
}

/// One step dies at each of [`POINTS`], and in the recovery soon afterwards.
async fn at_points(step: &str, accounts: &str, operations: &[&str]) {
    let mut deaths: Vec<_> =
        POINTS.iter().zip(0..).map(|(point, n)| (Death::At(*point), Death::After(n * 3))).collect();
    if std::env::var_os(WHOLE).is_some() {
        deaths.extend((0..LIFE).map(|n| (Death::After(n), Death::After(n % 11))));
    }
    let died_at =
        play(&Plan { steps: &format!("  - do: {step}\n"), accounts, operations, undone: None }, &deaths).await;
    let missed: Vec<_> = POINTS.iter().filter(|point| !died_at.contains(*point)).collect();
    assert!(missed.is_empty(), "it never died at {missed:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_containment_survives_deaths_all_along_its_life() {
    let plan = Plan { steps: "  - do: disable-ad-user\n", accounts: AD, operations: &["disable"], undone: None };
    let deaths: Vec<_> = (0..22).map(|n| (Death::After(4 * n + n % 4), Death::After(n % 11))).collect();
    let died_at = play(&plan, &deaths).await;
    assert!(died_at.len() >= 10, "{died_at:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_undo_survives_over_every_route() {
    for (verb, accounts, operations) in [
        (Verb::DisableAdUser, AD, ["disable", "enable"]),
        (Verb::SuspendEntraUser, "entra: {}", ["Disable account", "Enable account"]),
        (Verb::SuspendOktaUser, "entra: {}, okta: {}", ["lifecycle/suspend", "lifecycle/unsuspend"]),
    ] {
        let steps = format!("  - do: {verb}\n");
        let plan = Plan { steps: &steps, accounts, operations: &operations, undone: Some(verb) };
        let deaths: Vec<_> = (0..7).map(|n| (Death::After(3 * n), Death::After(n))).collect();
        let died_at = play(&plan, &deaths).await;
        assert!(died_at.len() >= 5, "{verb}: {died_at:?}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_defender_does_survives() {
    at_points("disable-ad-user", AD, &["disable"]).await;
    at_points("require-password-change", AD, &["forcePasswordReset"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_entra_does_survives() {
    let accounts = "entra: {groups: [finance]}";
    at_points("suspend-entra-user", accounts, &["Disable account"]).await;
    at_points("mark-compromised", accounts, &["confirmCompromised"]).await;
    at_points("scramble-password\n    irreversible: true", accounts, &["passwordProfile"]).await;
    at_points("remove-from-group\n    group: ENTRA-GROUP:finance", accounts, &["Remove member from group"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_okta_does_survives() {
    let accounts = "entra: {}, okta: {groups: [finance]}";
    at_points("suspend-okta-user", accounts, &["lifecycle/suspend"]).await;
    at_points("deactivate-okta-user\n    irreversible: true", accounts, &["lifecycle/deactivate"]).await;
    at_points("remove-from-group\n    group: OKTA-GROUP:finance", accounts, &["group remove"]).await;
    // One intent with an action in each directory.
    at_points("revoke-sessions", accounts, &["revokeSignInSessions", "sessions?oauthTokens=true"]).await;
}
