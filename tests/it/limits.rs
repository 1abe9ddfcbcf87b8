//! A backlog under the vendors' documented limits: no limit is crossed, and what is decided is done before
//! more is decided.

use std::fmt::Write as _;
use std::time::Duration;

use riposte::model::time::Clock as _;

use super::world::{Asked, Setup, dcsync};

/// Enough to use the limits up several times.
const ALERTS: usize = 60;

/// Alerts that are looked up while the first effects are checked, and a few more.
const AHEAD: usize = 24;

fn backlog() -> Setup {
    let mut people = String::from("delays: {ingestion: 0s, sensor: 0s, identity: 0s}\npeople:\n");
    let mut alerts = String::new();
    for n in 0..ALERTS {
        writeln!(people, "  - {{person: load{n}, name: Load {n}, ad: {{rid: {}}}, entra: {{}}}}", 2_000 + n).unwrap();
        alerts.push_str(&dcsync(&format!("load-{n}"), &format!("{n}s"), &format!("{{person: load{n}}}"), ""));
    }
    let limits = [("per_hour", "1000"), ("per_day", "1000"), ("burst.accounts", "1000")];
    let setup = Setup::new(alerts).people(&people).limits(1_000, 1_000);
    limits.into_iter().fold(setup, |setup, (key, value)| setup.set(&format!("guardrails.limits.{key}"), value))
}

/// How many accounts were asked for and not yet acted on, at the worst moment.
fn furthest_ahead(asked: &[Asked]) -> usize {
    let (mut ahead, mut worst) = (0_usize, 0);
    for request in asked {
        if request.path.ends_with("/users") {
            ahead += 1;
        } else if request.path.ends_with("/invokeAction") {
            ahead = ahead.saturating_sub(1);
        }
        worst = worst.max(ahead);
    }
    worst
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_backlog_crosses_no_limit_and_its_effects_go_before_new_decisions() {
    let mut world = backlog().start().await;
    // Past the last alert, so that all of them are there when the daemon looks.
    world.stop().await;
    world.clock.leap(Duration::from_secs(120));
    world.resume().await;
    // Time goes ten times as fast while calls wait for their turn.
    let clock = world.clock.clone();
    let lapse = tokio::spawn(async move {
        loop {
            tokio::time::sleep(Duration::from_millis(10)).await;
            clock.leap(Duration::from_millis(90));
        }
    });
    let end = world.clock.now().plus(Duration::from_secs(15 * 60));
    world.run_until_at(end).await;
    lapse.abort();

    let asked = world.requests().await;
    let refused: Vec<&Asked> = asked.iter().filter(|request| request.status == 429).collect();
    assert!(refused.is_empty(), "{refused:#?}");
    let contained = (0..ALERTS).filter(|n| !world.is_enabled(&format!("load{n}"))).count();
    assert_eq!(contained, ALERTS);
    let ahead = furthest_ahead(&asked);
    assert!(ahead <= AHEAD, "{ahead} people were looked up before anything was done about them");
    world.assert_whole().await;
}
