//! The daemon dies in the middle of anything, again and again: nothing is lost, and nothing done twice.

use std::sync::Arc;
use std::time::Duration;

use riposte::model::intent::Verb;
use riposte::model::outcome::OutcomeKind;
use riposte::model::time::Clock as _;
use riposte::record::event::StreamKind;

use super::fuse::Fuse;
use super::world::{EVERYWHERE, Setup, World, dcsync, of_defender};

/// Numbers that look random and are the same each time (splitmix64).
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, n: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (z ^ (z >> 31)) % n
    }
}

/// Plays a morning with deaths; how many calls died before their answer was written down.
async fn survive(seed: u64) -> usize {
    let faults = "faults:
  - {method: POST, path: \"**/invokeAction\", person: diego, answer: lost}
  - {method: PATCH, path: \"/v1.0/users/*\", person: grady, answer: lost}
  - {method: PUT, path: \"/subscriptions/**/comments/*\", answer: lost, count: 2}
  - {method: POST, path: \"/v1.0/security/incidents/*/comments\", answer: lost}
";
    let people = ["adele", "diego", "grady", "joni", "megan"];
    let alerts: String = people
        .iter()
        .enumerate()
        .map(|(i, person)| {
            let ids = if i % 2 == 0 { "ids: different" } else { "" };
            let alert = dcsync(&format!("a{i}"), &format!("{}s", 30 + 40 * i), &format!("{{person: {person}}}"), ids);
            if i < 2 { of_defender(&alert) } else { alert }
        })
        .collect();
    let mut world = Setup::new(alerts).playbook(EVERYWHERE).with(faults).start().await;
    let mut dice = Dice(seed);
    for _ in 0..12 {
        if dice.below(2) == 0 {
            world.stumble_into_an_effect().await;
        } else {
            let leaps = usize::try_from(dice.below(12)).unwrap();
            world.stumble(leaps, Duration::from_millis(dice.below(30))).await;
        }
        world.crash();
        world.resume().await;
    }
    world.run_until(75).await;
    assert_eq!(world.alerts().await.len(), people.len(), "seed {seed}");
    for action in world.actions().await {
        let kind = action.outcome().map(|outcome| outcome.kind);
        assert_eq!(kind, Some(OutcomeKind::Effective), "seed {seed}: {action:#?}");
    }
    let state = world.lab.state();
    for person in people {
        let them = &state.people[person];
        assert!(them.ad.as_ref().is_none_or(|ad| !ad.enabled), "seed {seed}: {person}");
        assert!(them.entra.iter().all(|user| !user.enabled), "seed {seed}: {person}");
    }
    world.assert_whole().await;
    // Two of them by the tenant's own doing.
    world.count(StreamKind::Action, "answer-lost").await.saturating_sub(2)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whenever_it_dies_each_effect_happens_once_and_each_comment_stands_once() {
    let mut lost = 0;
    for seed in [1, 2, 3] {
        lost += survive(seed).await;
    }
    assert!(lost > 0, "it never died between a call and its answer");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whenever_else_it_dies_the_same_holds() {
    for seed in [17, 23, 42] {
        survive(seed).await;
    }
}

/// A process that has died between the begin of a call and the call.
async fn dead_before_the_call() -> World {
    let fuse = Fuse::new();
    let alert = dcsync("a", "10s", "{person: joni}", "");
    let mut world = Setup::new(alert).around(Arc::new(fuse.clone())).start().await;
    fuse.arm_at(("apply", "before"));
    world.run_until_or(world.minute(5), || fuse.blown().is_some()).await;
    world.crash();
    fuse.disarm();
    world
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_not_seeing_an_effect_proves_is_counted_from_the_end_of_the_call_and_not_from_the_restart() {
    let mut world = dead_before_the_call().await;
    world.clock.advance_to(world.minute(30));
    world.resume().await;
    world.run_until(32).await;
    assert!(!world.is_enabled("joni"), "the first look proves it, half an hour after the call");
    assert_eq!(world.taken("joni", "disable"), 1);
    world.assert_whole().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_takes_over_a_call_that_may_still_be_sent_waits_before_looking() {
    let mut world = dead_before_the_call().await;
    let begun = world.clock.now();
    world.resume().await;
    // Nothing is sent later than 20 seconds after the begin.
    world.run_until_at(begun.plus(Duration::from_secs(20))).await;
    let action = world.action("joni", Verb::DisableAdUser).await;
    assert_eq!(action.status(), "running", "{action:#?}");
}
