//! Real processes: the daemon is killed without warning, again and again, while it works on a tenant
//! in another process.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use riposte::app;
use riposte::journal::Filter;
use riposte::model::time::SystemClock;
use riposte::record::action::ActionRecord;
use riposte::record::alert::AlertRecord;
use riposte::record::event::StreamKind;
use riposte::record::note::NoteRecord;
use riposte::respond::write;
use riposte::settings;
use serde::de::DeserializeOwned;
use serde_json::Value;

use super::crashes::Dice;
use super::world::dcsync;

const KILLS: usize = 24;
const PEOPLE: usize = 8;
/// What makes the tests' daemon quick, and lets it act on so many at once.
const SETTINGS: [&str; 5] = [
    "sources.log_analytics.every=1s",
    "sources.graph.every=1s",
    "guardrails.limits.per_hour=200",
    "guardrails.limits.per_day=200",
    "guardrails.limits.burst.accounts=100",
];

/// A process that does not outlive its test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn riposte(folder: &Path, arguments: &[&str]) -> Process {
    let mut command = Command::new(env!("CARGO_BIN_EXE_riposte"));
    let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("log.txt")).unwrap();
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    Process(command.spawn().unwrap())
}

/// Looks until it is there.
async fn wait_for<T>(what: &str, folder: &Path, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let deadline = Instant::now() + Duration::from_secs(150);
    loop {
        if let Some(found) = look().await {
            return found;
        }
        let log = || std::fs::read_to_string(folder.join("log.txt")).unwrap_or_default();
        assert!(Instant::now() < deadline, "{what}\n{}", log());
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}

fn scenario() -> String {
    let people: String = (0..PEOPLE)
        .map(|i| {
            let okta = if i % 2 == 0 { ", okta: {}" } else { "" };
            format!("  - {{person: p{i}, ad: {{rid: {}}}, entra: {{}}{okta}}}\n", 1_200 + i)
        })
        .collect();
    let alerts: String = (0..PEOPLE)
        .map(|i| {
            let ids = if i % 3 == 0 { "ids: different" } else { "" };
            dcsync(&format!("a{i}"), &format!("{}s", 1 + 2 * i), &format!("{{person: p{i}}}"), ids)
                .replace("after: 1m", "after: 1s")
        })
        .collect();
    format!(
        "delays: {{ingestion: 1s, sync: 30m, sensor: 1s, identity: 1s}}\nguardrails: {{break_glass: [glass]}}\n\
         people:\n  - {{person: glass, ad: {{rid: 1112}}, entra: {{}}}}\n{people}alerts:\n{alerts}"
    )
}

/// What a test knows of the journal beside a running daemon.
struct Journal {
    alerts: Vec<AlertRecord>,
    actions: Vec<ActionRecord>,
    notes: Vec<NoteRecord>,
}

async fn journal(config: &Path) -> Option<Journal> {
    let overrides: Vec<(String, String)> =
        SETTINGS.iter().filter_map(|set| set.split_once('=')).map(|(k, v)| (k.to_owned(), v.to_owned())).collect();
    let (settings, _) = settings::load(Some(config), &mut std::iter::empty(), &overrides).unwrap();
    let journal = app::visitor_journal(&settings, Arc::new(SystemClock)).ok()?;
    let journal = journal.as_ref();
    Some(Journal {
        alerts: all(journal, StreamKind::Alert).await,
        actions: all(journal, StreamKind::Action).await,
        notes: all(journal, StreamKind::Note).await,
    })
}

async fn all<T: DeserializeOwned>(journal: &dyn riposte::journal::Journal, kind: StreamKind) -> Vec<T> {
    let streams = journal.streams(&Filter { kind: Some(kind), ..Filter::default() }).await.unwrap();
    streams.iter().map(|stream| write::read(stream).unwrap().record).collect()
}

#[expect(clippy::disallowed_methods, reason = "a test is its own client")]
async fn lab_state(folder: &Path) -> Value {
    let config = std::fs::read_to_string(folder.join("riposte.toml")).unwrap();
    let base = config.split("login = \"").nth(1).and_then(|rest| rest.split('"').next()).unwrap().to_owned();
    let ca = reqwest::Certificate::from_pem(&std::fs::read(folder.join("lab-ca.pem")).unwrap()).unwrap();
    let client = reqwest::Client::builder().tls_certs_only([ca]).build().unwrap();
    let answer = client.get(format!("{base}/_lab/state")).send().await.unwrap();
    serde_json::from_slice(&answer.bytes().await.unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_killed_two_dozen_times_loses_nothing_and_does_nothing_twice() {
    let seed = u64::from(std::process::id());
    let mut dice = Dice(seed);
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    let config = folder.join("riposte.toml");
    std::fs::write(folder.join("scenario.yaml"), scenario()).unwrap();
    let _lab = riposte(folder, &["lab", "--scenario", "scenario.yaml", "--config-out", "riposte.toml"]);
    wait_for("the lab never came up", folder, async || {
        folder.join("playbooks/rules/spray.yaml").exists().then_some(())
    })
    .await;
    let mut run = vec!["run", "--config", "riposte.toml"];
    run.extend(SETTINGS.iter().flat_map(|set| ["--set", set]));
    for _ in 0..KILLS {
        let mut daemon = riposte(folder, &run);
        tokio::time::sleep(Duration::from_millis(100 + dice.below(1_100))).await;
        assert!(
            daemon.0.try_wait().unwrap().is_none(),
            "it ended by itself: {}",
            std::fs::read_to_string(folder.join("log.txt")).unwrap()
        );
        daemon.0.kill().unwrap();
        daemon.0.wait().unwrap();
    }
    let _daemon = riposte(folder, &run);
    // What was in flight at a kill is looked at until looking is conclusive, minutes later: that is not waited for.
    let known = wait_for("it never finished", folder, async || {
        let known = journal(&config).await?;
        let decided = known.alerts.iter().filter(|alert| !alert.actions.is_empty()).count() == PEOPLE;
        let rests = known
            .actions
            .iter()
            .all(|action| action.outcome().is_some() || action.is_in_flight() || action.status() == "parked");
        (decided && rests).then_some(known)
    })
    .await;
    assert!(known.alerts.iter().all(|alert| !alert.is_open()), "seed {seed}: {:#?}", known.alerts);
    let state = lab_state(folder).await;
    let mut taken: BTreeMap<(String, String, String), usize> = BTreeMap::new();
    for effect in state["effects"].as_array().unwrap() {
        let text = |name: &str| effect[name].as_str().unwrap_or_default().to_owned();
        let refused = effect["outcome"].get("refused").is_some();
        if ["defender", "entra", "okta"].contains(&text("api").as_str()) && !refused {
            *taken.entry((text("person"), text("api"), text("operation"))).or_default() += 1;
        }
    }
    assert!(taken.len() >= 2 * PEOPLE, "seed {seed}: hardly anything was done: {taken:#?}");
    assert!(taken.values().all(|times| *times == 1), "seed {seed}: {taken:#?}");
    let done = known.actions.iter().filter(|action| action.attempts > 0).count();
    assert!(taken.len() <= done, "seed {seed}: the tenant was changed by calls the journal does not know");
    let mut comments: BTreeMap<String, usize> = BTreeMap::new();
    for incident in state["incidents"].as_object().unwrap().values() {
        for comment in incident["comments"].as_array().unwrap() {
            *comments.entry(comment["id"].as_str().unwrap().to_owned()).or_default() += 1;
        }
    }
    let notes: Vec<String> =
        journal(&config).await.unwrap().notes.iter().map(|note| note.key.id().to_string()).collect();
    assert!(comments.iter().all(|(id, times)| *times == 1 && notes.contains(id)), "seed {seed}: {comments:#?}");
}
