//! A backlog under the vendors' documented limits: no limit is crossed, and what is decided is done before
//! more is decided.

use std::fmt::Write as _;
use std::time::Duration;

use riposte::journal::Filter;
use riposte::model::time::{At, Clock as _};
use riposte::record::event::StreamKind;
use tokio::task::JoinHandle;

use super::world::{Asked, Setup, World, dcsync};

/// Enough to use the limits up several times.
const ALERTS: usize = 40;

/// Alerts that are decided on while the first actions are checked, and a few more.
const AHEAD: i32 = 24;

fn backlog() -> Setup {
    crowd(ALERTS, "High", "")
}

/// So many alerts of one kind, of that severity, and further ones.
fn crowd(count: usize, severity: &str, more: &str) -> Setup {
    let mut people = String::from("delays: {ingestion: 0s, sensor: 0s, identity: 0s}\n");
    people.push_str(
        "guardrails: {break_glass: [glass]}\npeople:\n  - {person: glass, name: Break glass, ad: {rid: 1112}}\n",
    );
    let mut alerts = String::new();
    people.push_str("  - {person: other, name: Other, ad: {rid: 1999}, entra: {}}\n");
    for n in 0..count {
        writeln!(people, "  - {{person: load{n}, name: Load {n}, ad: {{rid: {}}}, entra: {{}}}}", 2_000 + n).unwrap();
        let alert = dcsync(&format!("load-{n}"), &format!("{}s", n % 60), &format!("{{person: load{n}}}"), "");
        alerts.push_str(&alert.replace("severity: High", &format!("severity: {severity}")));
    }
    alerts.push_str(more);
    let limits = [("per_hour", "1000"), ("per_day", "1000"), ("burst.accounts", "1000")];
    let setup = Setup::new(alerts).people(&people).limits(1_000, 1_000);
    limits.into_iter().fold(setup, |setup, (key, value)| setup.set(&format!("guardrails.limits.{key}"), value))
}

/// How many actions were planned and not yet begun, at the worst moment.
async fn furthest_ahead(world: &World) -> i32 {
    let mut steps: Vec<(At, i32)> = Vec::new();
    for stream in
        world.journal().streams(&Filter { kind: Some(StreamKind::Action), ..Filter::default() }).await.unwrap()
    {
        let events = world.journal().events(&stream.key).await.unwrap();
        let when = |name: &str| events.iter().find(|event| event.entry.name == name).map(|event| event.entry.at);
        steps.extend(when("planned").map(|at| (at, 1)));
        steps.extend(when("begun").map(|at| (at, -1)));
    }
    steps.sort();
    let ahead = steps.iter().scan(0, |ahead, (_, step)| {
        *ahead += step;
        Some(*ahead)
    });
    ahead.max().unwrap_or_default()
}

/// Time goes twenty times as fast while calls wait for their turn.
fn lapse(world: &World) -> JoinHandle<()> {
    let clock = world.clock.clone();
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(10)).await;
            clock.leap(Duration::from_millis(190));
        }
    })
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_severe_alert_that_comes_after_a_crowd_does_not_wait_for_all_of_it() {
    const CROWD: usize = 80;
    let severe = dcsync("severe", "125s", "{person: other}", "");
    let mut world = crowd(CROWD, "Low", &severe).start().await;
    world.stop().await;
    world.clock.leap(Duration::from_secs(120));
    world.resume().await;
    let lapse = lapse(&world);
    let end = world.clock.now().plus(Duration::from_secs(15 * 60));
    world.run_until_at(end).await;
    lapse.abort();
    let effects = world.requests().await.into_iter().filter(|asked| asked.path.ends_with("/invokeAction"));
    assert_eq!(effects.count(), CROWD + 1);
    let before = begun_before_other(&world).await;
    // Those in hand by then, and what was done while it was not seen.
    assert!(before < CROWD * 3 / 4, "{before} of {CROWD} went before it");
}

/// How many actions were begun before that about the other person.
async fn begun_before_other(world: &World) -> usize {
    let filter = Filter { kind: Some(StreamKind::Action), ..Filter::default() };
    let mut begun: Vec<(At, bool)> = Vec::new();
    for stream in world.journal().streams(&filter).await.unwrap() {
        let events = world.journal().events(&stream.key).await.unwrap();
        let at = events.iter().find(|event| event.entry.name == "begun").map(|event| event.entry.at);
        begun.extend(at.map(|at| (at, stream.state.to_string().contains("-1999"))));
    }
    begun.sort();
    begun.iter().position(|(_, is_it)| *is_it).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_crosses_no_limit_and_its_effects_go_before_new_decisions() {
    let mut world = backlog().start().await;
    // Past the last alert, so that all of them are there when the daemon looks.
    world.stop().await;
    world.clock.leap(Duration::from_secs(120));
    world.resume().await;
    let lapse = lapse(&world);
    let end = world.clock.now().plus(Duration::from_secs(10 * 60));
    world.run_until_at(end).await;
    lapse.abort();

    let asked = world.requests().await;
    let refused: Vec<&Asked> = asked.iter().filter(|request| request.status == 429).collect();
    assert!(refused.is_empty(), "{refused:#?}");
    let contained = (0..ALERTS).filter(|n| !world.is_enabled(&format!("load{n}"))).count();
    assert_eq!(contained, ALERTS);
    let ahead = furthest_ahead(&world).await;
    assert!(ahead <= AHEAD, "{ahead} actions were planned before any of them was begun");
    world.assert_whole().await;
}
