//! Directed deaths of a real process: it ends by `abort()` at a chosen call, before it or after it, over HTTPS against the
//! tenant. This very program is that process: it is started again as [`a_daemon_in_a_process_of_its_own`] alone.

use std::fmt;
use std::os::unix::process::ExitStatusExt as _;
use std::path::Path;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use riposte::app::{self, Heard, Parts};
use riposte::model::time::{Clock, SystemClock};
use riposte::respond::driver::Until;
use riposte::settings;
use tokio::sync::watch;

use super::fuse::{Fuse, Point};
use super::kill9::{SETTINGS, check, crowd};
use super::matrix::{Death, WHOLE};

/// Where the process finds its settings, and where it dies.
const FOLDER: &str = "RIPOSTE_TEST_FOLDER";
const DEATH: &str = "RIPOSTE_TEST_DEATH";

/// The longest that a process lives on before it comes to its end.
const PATIENCE: Duration = Duration::from_secs(60);
const SIGABRT: i32 = 6;

/// Calls at whose sides something can be left half done.
const POINTS: [Point; 8] = [
    ("begin", "before"),
    ("begin", "after"),
    ("apply", "before"),
    ("apply", "after"),
    ("commit", "before"),
    ("commit", "after"),
    ("begin_note", "after"),
    ("post", "after"),
];

impl fmt::Display for Death {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::After(points) => write!(f, "{points}"),
            Self::At((call, side)) => write!(f, "{side} {call}"),
        }
    }
}

impl Death {
    fn parse(text: &str) -> Self {
        text.parse().map_or_else(
            |_| Self::At(*POINTS.iter().find(|point| Self::At(**point).to_string() == text).unwrap()),
            Self::After,
        )
    }
}

/// A process that does not outlive its test.
struct Process(Child);

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// How a process ended; nothing if it lives on.
async fn died(folder: &Path, death: Death) -> Option<ExitStatus> {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("log.txt")).unwrap();
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "aborts::a_daemon_in_a_process_of_its_own", "--ignored", "--nocapture"]);
    command.env(FOLDER, folder).env(DEATH, death.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log);
    let mut process = Process(command.spawn().unwrap());
    let deadline = Instant::now() + PATIENCE;
    while Instant::now() < deadline {
        if let Some(status) = process.0.try_wait().unwrap() {
            return Some(status);
        }
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    None
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_process_that_aborts_at_every_kind_of_call_loses_nothing_and_repeats_nothing() {
    let mornings = if std::env::var_os(WHOLE).is_some() { 4 } else { 1 };
    for morning in 0..mornings {
        deaths(morning).await;
    }
}

/// One morning with a death at each kind of call, and others later on that are elsewhere each morning.
async fn deaths(morning: u64) {
    let mut world = crowd().start().await;
    world.stop().await;
    let folder = world.folder.path().to_owned();
    let after = (0..14).map(|n| Death::After(7 * n + (n + morning) % 5));
    for death in POINTS.iter().map(|point| Death::At(*point)).chain(after) {
        let ended = died(&folder, death).await;
        let log = || std::fs::read_to_string(folder.join("log.txt")).unwrap();
        assert_eq!(ended.and_then(|status| status.signal()), Some(SIGABRT), "{death}: {ended:?} {}", log());
    }
    for source in ["sources.log_analytics.every", "sources.graph.every"] {
        world.change(source, "5m");
    }
    world.resume().await;
    world.run_until(60).await;
    check(&world, &format!("morning {morning}")).await;
}

#[ignore = "the other process of the test above"]
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
#[expect(clippy::disallowed_methods, reason = "how this process is told what it is for")]
async fn a_daemon_in_a_process_of_its_own() {
    let (Ok(folder), Ok(death)) = (std::env::var(FOLDER), std::env::var(DEATH)) else { return };
    let overrides: Vec<(String, String)> =
        SETTINGS.iter().filter_map(|set| set.split_once('=')).map(|(key, value)| (key.into(), value.into())).collect();
    let file = Path::new(&folder).join("riposte.toml");
    let (settings, _) = settings::load(Some(&file), &mut std::iter::empty(), &overrides).unwrap();
    let fuse = Fuse::aborting();
    match Death::parse(&death) {
        Death::After(points) => fuse.arm(points),
        Death::At(point) => fuse.arm_at(point),
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let (_stop, drain) = watch::channel(false);
    let parts = Parts {
        settings: &settings,
        rules: app::rules(&settings).table.unwrap(),
        clock: Arc::clone(&clock),
        listener: Arc::new(Heard { health: None, clock }),
        drain,
        dry_run: false,
        around: Some(Arc::new(fuse)),
    };
    app::daemon(parts).unwrap().driver.run(Until::Stopped).await.unwrap();
}
