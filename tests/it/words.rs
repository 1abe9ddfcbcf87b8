//! What is said is heard, wherever the daemon dies: an alert, a person's yes or no, and a plan that takes a question back.

use std::fmt::Write as _;
use std::sync::Arc;

use riposte::model::intent::Verb;
use riposte::model::outcome::OutcomeKind;
use riposte::record::action::ActionRecord;

use super::fuse::Fuse;
use super::world::{Setup, World, dcsync};

/// The daemon dies at so many points, one after the other.
const DEATHS: u64 = 16;
/// Minutes between two deaths.
const APART: u64 = 2;
/// When the first is due.
const BEGIN: u64 = 5;

fn people() -> String {
    let mut text = String::from(
        "delays: {ingestion: 1s, sync: 30m, sensor: 2s, identity: 30s}\nguardrails: {break_glass: [glass]}\n\
         groups: [{group: domain-users, rid: 513}]\npeople:\n  - {person: glass, name: Break glass, ad: {rid: 1112}, entra: {}}\n",
    );
    for n in 0..DEATHS {
        let ad = format!("ad: {{rid: {}, groups: [domain-users]}}", 2_000 + n);
        let _ = writeln!(text, "  - {{person: p{n}, name: Person Number{n}, {ad}}}");
    }
    text
}

/// A tenant that asks before it does anything, with polls far apart.
fn setup(alerts: &str) -> Setup {
    let setup = Setup::new(alerts).people(&people()).mode("approve").unlimited();
    setup.set("sources.log_analytics", "false").set("sources.graph.every", &format!("{APART}m"))
}

fn first(n: u64) -> String {
    dcsync(&format!("a{n}"), "30s", &format!("{{person: p{n}}}"), "source: graph")
}

async fn asked(world: &World, n: u64) -> ActionRecord {
    world.action(&format!("p{n}"), Verb::DisableAdUser).await
}

/// Lets it live until then or until the fuse blows, and begin again.
async fn die(world: &mut World, fuse: &Fuse, until: u64) {
    world.run_until_or(world.minute(until), || fuse.blown().is_some()).await;
    world.crash();
    fuse.disarm();
    world.resume().await;
}

/// It is away until then, comes back, and dies a minute later at the latest.
async fn come_back_and_die(world: &mut World, fuse: &Fuse, back: u64, points: u64) {
    world.crash();
    world.clock.advance_to(world.minute(back));
    fuse.arm(points);
    world.resume().await;
    die(world, fuse, back + 1).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_answer_is_obeyed_wherever_the_daemon_dies_that_hears_it() {
    let fuse = Fuse::new();
    let alerts: String = (0..DEATHS).map(first).collect();
    let mut world = setup(&alerts).around(Arc::new(fuse.clone())).start().await;
    for n in 0..DEATHS {
        world.run_until(BEGIN + APART * n).await;
        let question = asked(&world, n).await;
        assert_eq!(question.status(), "waiting");
        fuse.arm(n / 2);
        world.leave_vote(&question, "eva@contoso.com", n % 2 == 0).await;
        die(&mut world, &fuse, BEGIN + APART * n + 1).await;
    }
    world.run_until(BEGIN + APART * DEATHS + 20).await;
    for n in 0..DEATHS {
        let action = asked(&world, n).await;
        let wanted = if n % 2 == 0 { (OutcomeKind::Effective, 1) } else { (OutcomeKind::Denied, 0) };
        let end = action.outcome().map(|outcome| outcome.kind);
        assert_eq!((end, world.taken(&format!("p{n}"), "disable")), (Some(wanted.0), wanted.1), "{n}: {action:#?}");
    }
    assert!(fuse.died_at().len() >= 6, "{:?}", fuse.died_at());
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_question_is_taken_back_wherever_the_daemon_dies_that_no_longer_wants_it() {
    let fuse = Fuse::new();
    let firsts: String = (0..DEATHS).map(first).collect();
    let mut probe = setup(&firsts).start().await;
    probe.run_until(2).await;
    let shown = probe.lab.state().alerts;
    let corrected: String = (0..DEATHS)
        .map(|n| {
            let id = &shown[&format!("a{n}")].graph_id;
            let more = format!("source: graph, fields: {{id: {id}, providerAlertId: {id}}}");
            let at = format!("{}s", 60 * (BEGIN + APART * n) + 30);
            dcsync(&format!("b{n}"), &at, &format!("{{person: p{n}, roles: [attacked]}}"), &more)
        })
        .collect();
    let mut world = setup(&(firsts + &corrected)).around(Arc::new(fuse.clone())).start().await;
    for n in 0..DEATHS {
        world.run_until(BEGIN + APART * n).await;
        assert_eq!(asked(&world, n).await.status(), "waiting");
        come_back_and_die(&mut world, &fuse, BEGIN + APART * n + 1, 6 + 2 * n).await;
    }
    world.run_until(BEGIN + APART * DEATHS + 10).await;
    for n in 0..DEATHS {
        let action = asked(&world, n).await;
        assert_eq!(action.outcome().map(|end| end.kind), Some(OutcomeKind::Withheld), "{n}: {action:#?}");
    }
    assert!(fuse.died_at().len() >= 6, "{:?}", fuse.died_at());
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_is_answered_wherever_the_daemon_dies_that_reads_it_after_a_long_absence() {
    // So long that the next poll leaps over more than is read again at each.
    const AWAY: u64 = 60;
    let fuse = Fuse::new();
    let alert = |n: u64| {
        let at = format!("{}m", AWAY * n + BEGIN);
        dcsync(&format!("a{n}"), &at, &format!("{{person: p{n}}}"), "source: graph")
    };
    let alerts: String = (0..DEATHS).map(alert).collect();
    let mut world = setup(&alerts).around(Arc::new(fuse.clone())).start().await;
    world.run_until(1).await;
    for n in 0..DEATHS {
        come_back_and_die(&mut world, &fuse, AWAY * (n + 1) - BEGIN, 2 * n).await;
        world.run_until(AWAY * (n + 1)).await;
    }
    for n in 0..DEATHS {
        asked(&world, n).await;
    }
    assert_eq!(world.alerts().await.len() as u64, DEATHS);
    assert!(fuse.died_at().len() >= 6, "{:?}", fuse.died_at());
    world.assert_whole().await;
}
