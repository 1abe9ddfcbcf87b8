//! Real deaths: the program runs as a process of its own against the tenant and is killed without
//! warning, at random moments and in the worst ones: a call was carried out and its answer is on the way.
//!
//! Reading before acting hides a repeated disable, so the requests are counted that reached the tenant, and
//! among the steps are some that no look before the call holds back: sessions are ended, a password must be
//! changed.

use std::collections::{BTreeMap, BTreeSet};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use riposte::lab::{Effect, Outcome, Snapshot};
use riposte::model::account::AccountRef;
use riposte::model::intent::Verb;
use riposte::model::observation::Fact;
use riposte::model::outcome::OutcomeKind;
use riposte::record::action::ActionRecord;
use riposte::record::event::{StreamKey, StreamKind};

use super::crashes::Dice;
use super::world::{PEOPLE, Setup, World, dcsync};

const KILLS: u64 = 32;
const CASES: usize = 12;
/// Replays a run: the moments of the kills are drawn with this seed. How far the daemon has got by then is up
/// to the machine.
const SEED: &str = "RIPOSTE_TEST_SEED";
/// What makes the daemon quick, and lets it act on so many at once.
pub(super) const SETTINGS: [&str; 6] = [
    "calls.pace=none",
    "sources.log_analytics.every=1s",
    "sources.graph.every=1s",
    "guardrails.limits.per_hour=200",
    "guardrails.limits.per_day=200",
    "guardrails.limits.burst.accounts=100",
];

const STEPS: &str = "playbook: contain
why: Everything a repeat of which would be seen.
steps:
  - do: disable-ad-user
  - do: suspend-entra-user
  - do: suspend-okta-user
    if: HasOkta
  - do: require-password-change
  - do: revoke-sessions
    after: [disable-ad-user, suspend-entra-user, suspend-okta-user]
    needs: answered
";

/// A process that does not outlive its test.
struct Daemon(Child);

impl Drop for Daemon {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

impl Daemon {
    fn start(world: &World) -> Self {
        let folder = world.folder.path();
        let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("log.txt")).unwrap();
        let mut command = Command::new(env!("CARGO_BIN_EXE_riposte"));
        command.args(["run", "--config", "riposte.toml"]).args(SETTINGS.iter().flat_map(|set| ["--set", set]));
        command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
        Self(command.spawn().unwrap())
    }

    /// SIGKILL, which no process hears.
    fn kill(mut self, world: &World) {
        let log = || std::fs::read_to_string(world.folder.path().join("log.txt")).unwrap();
        assert!(self.0.try_wait().unwrap().is_none(), "it ended by itself: {}", log());
        self.0.kill().unwrap();
        self.0.wait().unwrap();
    }
}

fn people() -> String {
    let people: String = (0..CASES)
        .map(|i| {
            let okta = if i.is_multiple_of(2) { ", okta: {}" } else { "" };
            format!("  - {{person: p{i}, ad: {{rid: {}}}, entra: {{}}{okta}}}\n", 1_200 + i)
        })
        .collect();
    PEOPLE.replace("sensor: 2s, identity: 30s", "sensor: 1s, identity: 1s") + &people
}

fn alerts() -> String {
    let alert = |i: usize| {
        let ids = if i.is_multiple_of(3) { "ids: different" } else { "" };
        dcsync(&format!("a{i}"), &format!("{}s", 1 + i), &format!("{{person: p{i}}}"), ids)
            .replace("after: 1m", "after: 1s")
    };
    (0..CASES).map(alert).collect()
}

/// Who carries out what we ask for; beside them, a sensor and directory sync change things by themselves.
const OURS: [&str; 5] = ["defender", "entra", "okta", "sentinel", "graph"];

/// Changes that the tenant took from us, whatever came of them: carried out, taken on, or nothing to do.
fn taken(state: &Snapshot) -> impl Iterator<Item = &Effect> {
    let took = |effect: &&Effect| OURS.contains(&effect.api) && !matches!(effect.outcome, Outcome::Refused(_));
    state.effects.iter().filter(took)
}

/// Lets the daemon work until a moment at which to die: after a while, or as soon as the tenant has taken
/// something from it. `false` when nothing came.
async fn a_bad_moment(world: &World, dice: &mut Dice) -> bool {
    if dice.below(3) == 0 {
        tokio::time::sleep(Duration::from_millis(dice.below(1_000))).await;
        return true;
    }
    let before = taken(&world.lab.state()).count() + usize::try_from(dice.below(3)).unwrap();
    let deadline = Instant::now() + Duration::from_millis(1_500);
    while taken(&world.lab.state()).count() <= before {
        if Instant::now() > deadline {
            return false;
        }
        tokio::time::sleep(Duration::from_micros(500)).await;
    }
    true
}

/// How often the tenant took the same change of the same account, by what it is.
fn by_account_and_intent(state: &Snapshot) -> BTreeMap<(String, String), usize> {
    let mut times = BTreeMap::new();
    for effect in taken(state) {
        // A comment is repeated under its own id, which leaves one comment: that is counted by what stands.
        let Some(account) = effect.account.clone().filter(|_| effect.api != "sentinel") else { continue };
        *times.entry((account, effect.operation.clone())).or_default() += 1;
    }
    times
}

/// Requests that change something, by what the lab counted at its door. Nothing gets past the list of effects.
fn changing_requests(state: &Snapshot) -> u64 {
    let reads = ["/alerts", "/entities", "/runHuntingQuery", "/query", "/token"];
    let changes = |template: &str| !template.starts_with("GET") && !reads.iter().any(|end| template.ends_with(end));
    state.requests.iter().filter(|(template, _)| changes(template)).map(|(_, times)| times).sum()
}

/// A dozen alerts about people of whom everything is contained.
pub(super) fn crowd() -> Setup {
    let setup = Setup::new(alerts()).people(&people()).playbook(STEPS).limits(200, 200).unlimited();
    let settings = SETTINGS.iter().filter_map(|set| set.split_once('='));
    settings.fold(setup, |setup, (key, value)| setup.set(key, value))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_killed_dozens_of_times_in_the_worst_moments_loses_nothing_and_repeats_nothing() {
    let seed = seed();
    let mut dice = Dice(seed);
    let mut world = crowd().start().await;
    world.stop().await;
    let (mut kills, mut idle) = (0, 0);
    while kills < KILLS && idle < 3 {
        let daemon = Daemon::start(&world);
        // A few moments without any work: everything is done, or waits for later.
        idle = if a_bad_moment(&world, &mut dice).await { 0 } else { idle + 1 };
        daemon.kill(&world);
        kills += 1;
    }
    // The rest of it, minutes of looks and retries, is played by a daemon whose clock leaps.
    for source in ["sources.log_analytics.every", "sources.graph.every"] {
        world.change(source, "5m");
    }
    world.resume().await;
    world.run_until(60).await;
    check(&world, &format!("seed {seed}, which {SEED}={seed} draws again")).await;
}

/// Nothing is lost, nothing done twice, nothing left over.
pub(super) async fn check(world: &World, at: &str) {
    let state = world.lab.state();
    let changes = by_account_and_intent(&state);
    let twice: Vec<_> = changes.iter().filter(|(_, times)| **times > 1).collect();
    assert!(twice.is_empty(), "{at}: done more than once: {twice:#?}");
    let ours = state.effects.iter().filter(|effect| OURS.contains(&effect.api)).count();
    assert_eq!(changing_requests(&state), ours as u64, "{at}: {:#?}", state.requests);
    assert_eq!(world.alerts().await.len(), CASES, "{at}");
    let actions = world.actions().await;
    for action in &actions {
        let kind = action.outcome().map(|outcome| outcome.kind);
        assert_eq!(kind, Some(OutcomeKind::Effective), "{at}: {action:#?}");
    }
    let ended = ended_by_suspension(world, &state, &actions).await;
    assert_eq!(changes.len() + ended, actions.len(), "{at}: every action is one change: {changes:#?}");
    for i in 0..CASES {
        let comments = world.comments(&format!("a{i}"));
        assert_eq!(BTreeSet::from_iter(&comments).len(), comments.len().max(1), "{at}: {comments:#?}");
    }
    world.assert_whole().await;
    assert!(world.journal().quarantined().await.unwrap().is_empty(), "{at}");
    // Otherwise the test has not tried what it is about.
    let lost = world.count(StreamKind::Action, "answer-lost").await;
    assert!(lost > 2, "{at}: it died only {lost} times between a call and its answer");
}

/// Sessions of Entra that nobody asked to revoke although it is recorded as done. That is true in one case only: who
/// died between the intention and the call saw afterwards that the account was suspended in the very second of the
/// intention or later, which ends its sessions too, and had nothing left to call for.
async fn ended_by_suspension(world: &World, state: &Snapshot, actions: &[ActionRecord]) -> usize {
    let mut ended = 0;
    for action in actions.iter().filter(|action| action.action.key.intent.verb == Verb::RevokeSessions) {
        let AccountRef::Entra(id) = action.action.key.account else { continue };
        let of = |operation: &'static str| {
            let (id, is) = (id.to_string(), move |effect: &&Effect| effect.operation == operation);
            taken(state).filter(is).find(move |effect| effect.account.as_deref() == Some(&id))
        };
        if of("revokeSignInSessions").is_some() {
            continue;
        }
        let events = world.journal().events(&StreamKey::action(action.action.id)).await.unwrap();
        let names: Vec<&str> = events.iter().map(|event| event.entry.name.as_str()).collect();
        let last = names.iter().rposition(|name| *name == "begun").unwrap();
        assert!(names[last..].contains(&"answer-lost") && !names.contains(&"answered"), "{names:?}");
        let suspended = of("Disable account").map(|effect| effect.at.unix_seconds());
        assert!(suspended >= Some(events[last].entry.at.unix_seconds()), "a revocation was lost: {action:#?}");
        let seen = action.outcome().and_then(|outcome| outcome.proof.as_ref()).map(|proof| proof.fact.clone());
        let Some(Fact::SessionsValidFrom(Some(from))) = seen else { panic!("proved by something else: {action:#?}") };
        assert_eq!(suspended, Some(from.unix_seconds()), "{action:#?}");
        ended += 1;
    }
    ended
}

#[expect(clippy::disallowed_methods, reason = "how a person says which run to replay")]
fn seed() -> u64 {
    std::env::var(SEED).ok().and_then(|seed| seed.parse().ok()).unwrap_or_else(|| u64::from(std::process::id()))
}
