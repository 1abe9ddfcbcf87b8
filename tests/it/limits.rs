//! A backlog under the vendors' documented limits: no limit is crossed, and what is decided is done before
//! more is decided.

use std::fmt::Write as _;
use std::time::Duration;

use riposte::journal::Filter;
use riposte::model::time::{At, Clock as _};
use riposte::record::event::StreamKind;

use super::world::{Asked, Setup, World, dcsync};

/// Enough to use the limits up several times.
const ALERTS: usize = 40;

/// Alerts that are decided on while the first actions are checked, and a few more.
const AHEAD: i32 = 24;

fn backlog() -> Setup {
    let mut people = String::from("delays: {ingestion: 0s, sensor: 0s, identity: 0s}\n");
    people.push_str(
        "guardrails: {break_glass: [glass]}\npeople:\n  - {person: glass, name: Break glass, ad: {rid: 1112}}\n",
    );
    let mut alerts = String::new();
    for n in 0..ALERTS {
        writeln!(people, "  - {{person: load{n}, name: Load {n}, ad: {{rid: {}}}, entra: {{}}}}", 2_000 + n).unwrap();
        alerts.push_str(&dcsync(&format!("load-{n}"), &format!("{n}s"), &format!("{{person: load{n}}}"), ""));
    }
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

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_crosses_no_limit_and_its_effects_go_before_new_decisions() {
    let mut world = backlog().start().await;
    // Past the last alert, so that all of them are there when the daemon looks.
    world.stop().await;
    world.clock.leap(Duration::from_secs(120));
    world.resume().await;
    // Time goes twenty times as fast while calls wait for their turn.
    let clock = world.clock.clone();
    let lapse = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(10)).await;
            clock.leap(Duration::from_millis(190));
        }
    });
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
