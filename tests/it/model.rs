//! Random mornings: alerts, updates, faults, deaths, votes, undos, pauses and clocks that jump, in any order. After each
//! step what must always hold is held against the tenant, and in the end everything that must have come of it.
//!
//! A seed plays the same plan again: `RIPOSTE_MODEL_SEED=7 cargo test --test it model`; `RIPOSTE_MODEL_RUNS=50` plays so
//! many more.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::time::Duration;

use riposte::journal::verify::verify;
use riposte::lab::Outcome;
use riposte::model::action::Mode;
use riposte::model::incident::IncidentRef;
use riposte::record::action::ActionRecord;
use riposte::record::note::NoteState;

use super::crashes::Dice;
use super::world::{EVERYWHERE, Setup, World, dcsync, of_defender};

const PEOPLE: [&str; 6] = ["adele", "diego", "grady", "joni", "megan", "boss"];
const STEPS: usize = 24;

/// What a seed makes of a morning.
struct Plan {
    dice: Dice,
    text: String,
    faults: String,
    mode: &'static str,
}

impl Plan {
    fn new(seed: u64) -> Self {
        let mut dice = Dice(seed);
        let (mut text, mut faults) = (String::new(), "faults:\n".to_owned());
        for n in 0..5 + dice.below(5) {
            let accounts: Vec<String> = (0..=dice.below(2))
                .map(|_| format!("{{person: {}}}", PEOPLE[usize::try_from(dice.below(6)).unwrap()]))
                .collect();
            let more = ["", "ids: different", "repeats: [6m, 20m]", "entities_after: 3m", "source: graph", "age: 9m"];
            let more = more[usize::try_from(dice.below(6)).unwrap()];
            let accounts: BTreeSet<String> = accounts.into_iter().collect();
            let accounts = accounts.into_iter().collect::<Vec<_>>().join(", ");
            let alert = dcsync(&format!("a{n}"), &format!("{}s", 10 + dice.below(1_500)), &accounts, more);
            text.push_str(&if dice.below(3) == 0 { of_defender(&alert) } else { alert });
        }
        for _ in 0..2 + dice.below(5) {
            let (method, path) = [
                ("POST", "**/invokeAction"),
                ("PATCH", "/v1.0/users/*"),
                ("POST", "**/lifecycle/suspend"),
                ("PUT", "/subscriptions/**/comments/*"),
                ("POST", "/v1.0/security/incidents/*/comments"),
                ("GET", "/v1.0/users/*"),
                ("POST", "/v1/workspaces/*/query"),
                ("GET", "/v1.0/security/alerts_v2"),
            ][usize::try_from(dice.below(8)).unwrap()];
            let how = ["answer: lost", "status: 503", "status: 429", "status: 500", "answer: malformed"];
            let (how, skip) = (how[usize::try_from(dice.below(5)).unwrap()], dice.below(4));
            let _ = writeln!(faults, "  - {{method: {method}, path: \"{path}\", {how}, skip: {skip}, count: 2}}");
        }
        let mode = if dice.below(2) == 0 { "enforce" } else { "approve" };
        Self { dice, text, faults, mode }
    }
}

/// Plays it.
async fn play(seed: u64) {
    let Plan { mut dice, text, faults, mode } = Plan::new(seed);
    let mut world = Setup::new(text).unlimited().playbook(EVERYWHERE).with(&faults).mode(mode).start().await;
    let (mut minute, mut paused) = (0, false);
    for step in 0..STEPS {
        let before = calls(&world.actions().await);
        match dice.below(10) {
            0 => world.crash(),
            1 => world.stop().await,
            2 => world.stumble(usize::try_from(dice.below(10)).unwrap(), Duration::from_millis(dice.below(20))).await,
            3 => {
                paused = !paused;
                world.pause(paused).await;
            }
            4 | 5 => drop(answer(&mut world, &mut dice).await),
            6 => undo(&mut world, &mut dice).await,
            7 => {
                world.crash();
                minute += dice.below(40);
                world.clock.advance_to(world.minute(minute));
            }
            _ => {
                minute += 1 + dice.below(4);
                world.run_until(minute).await;
            }
        }
        if world.is_down() {
            world.resume().await;
        }
        let after = calls(&world.actions().await);
        assert!(after >= before, "seed {seed}, step {step}: a call was forgotten");
        always(&world, seed, step).await;
    }
    if paused {
        world.pause(false).await;
    }
    for _ in 0..6 {
        minute += 40;
        world.run_until(minute).await;
        while answer(&mut world, &mut dice).await {}
    }
    minute += 90;
    world.run_until(minute).await;
    in_the_end(&world, seed).await;
}

/// A person says yes or no to a question; whether there was one.
async fn answer(world: &mut World, dice: &mut Dice) -> bool {
    let waiting: Vec<ActionRecord> =
        world.actions().await.into_iter().filter(|record| record.status() == "waiting").collect();
    let Some(record) = picked(&waiting, dice) else { return false };
    world.vote(record, "eva@contoso.com", dice.below(3) > 0).await;
    true
}

async fn undo(world: &mut World, dice: &mut Dice) {
    let done = |record: &ActionRecord| record.status() == "effective" && record.action.key.reverts.is_none();
    let done: Vec<ActionRecord> = world.actions().await.into_iter().filter(done).collect();
    if let Some(record) = picked(&done, dice) {
        world.undo(record, "eva@contoso.com").await;
    }
}

fn picked<'r>(records: &'r [ActionRecord], dice: &mut Dice) -> Option<&'r ActionRecord> {
    let many = u64::try_from(records.len()).ok().filter(|many| *many > 0)?;
    records.get(usize::try_from(dice.below(many)).ok()?)
}

fn calls(records: &[ActionRecord]) -> u32 {
    records.iter().map(|record| record.attempts).sum()
}

/// What holds at any moment, whatever has happened.
async fn always(world: &World, seed: u64, step: usize) {
    let state = world.lab.state();
    // Who is disabled is enabled before he is disabled again: nothing is done twice.
    let mut last: BTreeMap<(String, &str), bool> = BTreeMap::new();
    for effect in &state.effects {
        let (Some(person), false) = (&effect.person, matches!(effect.outcome, Outcome::Refused(_))) else { continue };
        let does = match effect.operation.as_str() {
            "disable" | "Disable account" | "lifecycle/suspend" => true,
            "enable" | "Enable account" | "lifecycle/unsuspend" => false,
            _ => continue,
        };
        if ["defender", "entra", "okta"].contains(&effect.api) {
            let before = last.insert((person.clone(), effect.api), does).unwrap_or(false);
            assert_ne!(before, does, "seed {seed}, step {step}: {person} twice: {:#?}", state.effects);
        }
    }
    // Who administrates is asked about, and what nobody approved is not done.
    for record in world.actions().await.iter().filter(|record| record.attempts > 0) {
        let is_boss = record.action.subject.label.contains("boss") && record.action.key.reverts.is_none();
        let asked = record.action.mode == Mode::Approve || is_boss;
        assert!(!asked || record.approved_by.is_some(), "seed {seed}, step {step}: {record:#?}");
    }
    // No comment stands twice.
    let mut marks = BTreeSet::new();
    for comment in state.incidents.values().flat_map(|incident| &incident.comments) {
        let mark = comment.text.rsplit_once("[riposte ").map(|(_, mark)| mark.to_owned());
        let mark = comment.id.clone().or(mark).unwrap_or_else(|| comment.text.clone());
        assert!(marks.insert(mark), "seed {seed}, step {step}: {comment:?}");
    }
}

/// What must have come of it once nothing moves any more.
async fn in_the_end(world: &World, seed: u64) {
    let state = world.lab.state();
    for alert in world.alerts().await {
        assert!(!alert.is_open(), "seed {seed}: left undecided: {alert:#?}");
    }
    for record in world.actions().await {
        assert!(!record.is_open(), "seed {seed}: left open: {record:#?}");
    }
    let mut standing: Vec<_> = state.incidents.values().flat_map(|incident| &incident.comments).collect();
    for note in world.notes().await {
        let id = note.key.id().to_string();
        let posted = matches!(note.state, NoteState::Posted { .. });
        let before = standing.len();
        standing.retain(|comment| match note.incident {
            IncidentRef::Sentinel { .. } => comment.id.as_deref() != Some(&id),
            IncidentRef::Defender { .. } => comment.id.as_deref() != Some(&id) && !comment.text.contains(&id),
        });
        assert_eq!(before - standing.len(), usize::from(posted), "seed {seed}: {note:#?}");
    }
    assert!(standing.is_empty(), "seed {seed}: nobody knows of {standing:#?}");
    for person in PEOPLE {
        let Some(ad) = &state.people[person].ad else { continue };
        let held = world.journal().effects(&[format!("ad:{}", ad.sid)]).await.unwrap();
        assert_eq!(!ad.enabled, !held.is_empty(), "seed {seed}: {person}: {held:?}");
    }
    let tenant = world.alerts().await.first().map(|alert| alert.tenant);
    if let Some(tenant) = tenant {
        let found = verify(world.journal(), tenant, &[]).await.unwrap();
        assert!(found.holds(), "seed {seed}: {found:?}");
    }
    world.assert_audited().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whatever_a_morning_brings_what_must_hold_holds() {
    let number = |name: &str| std::env::var_os(name)?.into_string().ok()?.parse::<u64>().ok();
    let seeds = match (number("RIPOSTE_MODEL_SEED"), number("RIPOSTE_MODEL_RUNS")) {
        (Some(seed), _) => seed..=seed,
        (None, runs) => 1..=runs.unwrap_or(2),
    };
    for seed in seeds {
        play(seed).await;
    }
}
