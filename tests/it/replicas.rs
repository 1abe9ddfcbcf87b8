//! Several daemons on one PostgreSQL, as processes of their own: one is killed, one is frozen, the database is
//! restarted, and all the same every alert is answered, nothing is done twice, and the limit is exact.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use riposte::journal::Journal as _;
use riposte::journal::verify::verify;
use riposte::lab::Outcome;
use riposte::model::outcome::OutcomeKind;
use riposte::record::alert::AlertRecord;
use riposte::settings;

use super::postgres::Server;
use super::world::{PEOPLE, Setup, World, dcsync};

const CASES: usize = 14;
/// So many may be acted on.
pub(super) const LIMIT: u32 = 10;
/// Everything is done within this time, on a machine that is busy with other things.
pub(super) const PATIENCE: Duration = Duration::from_secs(240);

const SETTINGS: [&str; 9] = [
    "calls.pace=none",
    "sources.log_analytics.every=1s",
    "sources.graph.every=1s",
    "guardrails.limits.per_hour=200",
    "guardrails.limits.per_day=200",
    "guardrails.limits.burst.accounts=100",
    "verify.looks=0s,1s,3s",
    "http.listen=off",
    "log.level=riposte=info",
];

const SUSPEND: &str = "playbook: contain\nwhy: Stop it.\nsteps:\n  - do: suspend-entra-user\n";

/// A process that does not outlive its test.
pub(super) struct Replica {
    process: Child,
    log: PathBuf,
}

impl Drop for Replica {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

impl Replica {
    pub(super) fn start(world: &World, name: &str, journal: &str, more: &[&str]) -> Self {
        let folder = world.folder.path();
        let log = folder.join(format!("{name}.txt"));
        let file = std::fs::File::create(&log).unwrap();
        let journal = format!("journal.postgres={journal}");
        let mut command = Command::new(env!("CARGO_BIN_EXE_riposte"));
        command.args(["run", "--config", "riposte.toml", "--set", &journal]);
        command.args(SETTINGS.iter().chain(more).flat_map(|set| ["--set", set]));
        command.current_dir(folder).stdin(Stdio::null()).stdout(Stdio::null()).stderr(file);
        Self { process: command.spawn().unwrap(), log }
    }

    pub(super) fn signal(&self, name: &str) {
        let sent = Command::new("kill").args([name, &self.process.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    pub(super) fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap()
    }

    /// The code with which it ends.
    pub(super) async fn ends(&mut self, within: Duration) -> Option<i32> {
        let ended = async {
            loop {
                match self.process.try_wait().unwrap() {
                    Some(status) => return status.code(),
                    None => tokio::time::sleep(Duration::from_millis(20)).await,
                }
            }
        };
        tokio::time::timeout(within, ended).await.expect("it ends")
    }

    pub(super) fn lives(&mut self) {
        assert!(self.process.try_wait().unwrap().is_none(), "it ended by itself: {}", self.said());
    }
}

pub(super) async fn until(within: Duration, what: &str, so: impl Fn() -> bool, said: impl Fn() -> String) {
    let looking = async {
        while !so() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(within, looking).await.unwrap_or_else(|_| panic!("never: {what}: {}", said()));
}

/// How often the tenant took something from us, by account.
pub(super) fn taken(world: &World) -> BTreeMap<String, usize> {
    let mut times = BTreeMap::new();
    for effect in world.lab.state().effects {
        if effect.api == "entra" && !matches!(effect.outcome, Outcome::Refused(_)) {
            *times.entry(effect.account.unwrap_or_default()).or_default() += 1;
        }
    }
    times
}

pub(super) fn setup(journal: &str) -> Setup {
    let people: String = (0..CASES).map(|i| format!("  - {{person: p{i}, entra: {{}}}}\n")).collect();
    let alert = |i: usize| {
        let alert = dcsync(&format!("a{i}"), &format!("{}s", 1 + i), &format!("{{person: p{i}}}"), "");
        alert.replace("after: 1m", "after: 1s")
    };
    let alerts: String = (0..CASES).map(alert).collect();
    let people = PEOPLE.replace("sensor: 2s, identity: 30s", "sensor: 1s, identity: 1s") + &people;
    let mut setup = Setup::new(alerts).people(&people).playbook(SUSPEND).limits(LIMIT, LIMIT).unlimited();
    for (key, value) in SETTINGS.iter().filter_map(|set| set.split_once('=')) {
        setup = setup.set(key, value);
    }
    setup.set("journal.postgres", journal)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn replicas_that_die_freeze_and_lose_their_database_lose_nothing_and_repeat_nothing() {
    let Some(server) = Server::start() else { return };
    let journal = server.address("postgres");
    let mut world = setup(&journal).start().await;
    world.stop().await;
    let [mut dead, mut frozen, mut lives] = ["a", "b", "c"].map(|name| Replica::start(&world, name, &journal, &[]));
    until(PATIENCE, "somebody was suspended", || taken(&world).len() > 1, || lives.said()).await;
    dead.lives();
    frozen.lives();
    dead.signal("-KILL");
    frozen.signal("-STOP");
    let replaced = || lives.said().matches("a replica is silent").count() >= 2;
    until(PATIENCE, "both are replaced", replaced, || lives.said()).await;
    server.restart();
    let all = || taken(&world).len() == LIMIT as usize;
    until(PATIENCE, "as many are suspended as may be", all, || lives.said()).await;
    frozen.signal("-CONT");
    let woken = || frozen.said().contains("riposte did not run for so long");
    until(PATIENCE, "the frozen one says so", woken, || frozen.said()).await;
    world.resume().await;
    settled(&world).await;
    frozen.lives();
    lives.lives();
    let times = taken(&world);
    assert!(times.values().all(|times| *times == 1) && times.len() == LIMIT as usize, "{times:#?}");
    assert_eq!(world.alerts().await.len(), CASES);
    let tenant = tenant(&world);
    assert!(verify(world.journal(), tenant, &[]).await.unwrap().holds());
    world.assert_audited().await;
    assert!(world.journal().quarantined().await.unwrap().is_empty());
    // That the database was away for a moment is no fault.
    for replica in [&frozen, &lives] {
        assert!(!replica.said().contains("nothing new is begun"), "{}", replica.said());
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_password_of_the_database_changes_in_its_file_and_nobody_starts_again() {
    let Some(server) = Server::start() else { return };
    let address = server.address("postgres");
    let (client, connection) = tokio_postgres::connect(&address, tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    client.batch_execute("create role keyed login password 'first'").await.unwrap();
    client.batch_execute("grant create on database postgres to keyed").await.unwrap();
    let folder = tempfile::tempdir().unwrap();
    let (file, password) = (folder.path().join("riposte.toml"), folder.path().join("password"));
    let text = format!(
        "[tenant]\nid = \"11111111-1111-1111-1111-111111111111\"\n[identity]\nkind = \"managed-identity\"\n[journal]\n\
         postgres = \"{}\"\npassword = {{ file = \"password\" }}\n",
        address.replace("riposte@", "keyed@")
    );
    std::fs::write(&file, text).unwrap();
    std::fs::write(&password, "first\n").unwrap();
    let settings = settings::load(Some(&file), &mut std::iter::empty(), &[]).unwrap().0;
    let journal = riposte::app::database(&settings).unwrap().unwrap();
    journal.lanes().await.unwrap();
    client.batch_execute("alter role keyed password 'the second'").await.unwrap();
    std::fs::write(&password, "the second\n").unwrap();
    let cut = client.query("select pg_terminate_backend(pid) from pg_stat_activity where usename = 'keyed'", &[]);
    assert!(!cut.await.unwrap().is_empty());
    journal.lanes().await.unwrap();
}

/// Waits until everybody who may be suspended is, the others wait for the limit, and no alert waits: one whose row
/// comes a moment after its word from Graph is looked at again.
async fn settled(world: &World) {
    let looking = async {
        loop {
            let actions = world.actions().await;
            let ended: Vec<_> = actions.iter().filter_map(|action| action.outcome()).collect();
            let decided = !world.alerts().await.iter().any(AlertRecord::is_open);
            if decided && actions.len() == CASES && ended.len() == LIMIT as usize {
                let good = ended.iter().all(|outcome| outcome.kind == OutcomeKind::Effective);
                assert!(good, "{ended:#?}");
                return;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let settled = tokio::time::timeout(PATIENCE, looking).await.is_ok();
    assert!(settled, "never settled: {:#?} {:#?}", world.actions().await, world.alerts().await);
}

fn tenant(world: &World) -> riposte::model::scope::TenantKey {
    let file = world.folder.path().join("riposte.toml");
    settings::load(Some(&file), &mut std::iter::empty(), &[]).unwrap().0.tenant.id
}
