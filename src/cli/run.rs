//! `riposte run`: the daemon.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::watch;

use super::actions::listing;
use super::args::{Global, RunArgs};
use super::exit::{CliError, Exit};
use super::{report, setup};
use crate::app::{self, Daemon, Heard, Parts};
use crate::journal::lane::LaneKind;
use crate::journal::{Fault, Journal};
use crate::model::alert::SourceKey;
use crate::model::time::{At, Clock, SystemClock, print_duration};
use crate::respond::driver::Until;
use crate::runtime::health::{self, Health};
use crate::runtime::lifecycle::Shutdown;
use crate::runtime::metrics::{self, Metrics};
use crate::runtime::telemetry;
use crate::settings::{LogFormat, Settings};

/// How far ahead due work is waited for with `--once`.
const SETTLE: Duration = Duration::from_secs(60);
/// How often health and metrics are told about the kill switch.
const WATCH_EVERY: Duration = Duration::from_secs(5);
/// A source that was not read for so many of its turns is said to be stale.
const STALE_TURNS: u32 = 10;

/// Runs the daemon until it is told to stop, or with `--once` until nothing is due.
pub(super) async fn run(args: &RunArgs, global: &Global) -> Result<Exit, CliError> {
    let settings = setup::settings(global)?;
    let rules = setup::table(&settings)?;
    telemetry::init(&settings.log.level, format(&settings)).map_err(|error| CliError::Usage(error.to_string()))?;
    if settings.guardrails.break_glass.is_empty() {
        tracing::warn!(
            "no break-glass account is listed under [guardrails] break_glass: nobody is kept from being locked out"
        );
    }
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let shutdown = Shutdown::new();
    let health = Health::new(Arc::clone(&clock), shutdown.clone());
    let listener = Arc::new(Heard { health: Some(health.clone()), clock: Arc::clone(&clock) });
    let drain = draining(&shutdown);
    let parts = Parts { settings: &settings, rules, clock: Arc::clone(&clock), listener, drain, dry_run: args.dry_run };
    let Daemon { journal, driver } = app::daemon(parts)?;
    expect(&settings, &health);
    serve(&settings, health.clone()).await?;
    watch(Arc::clone(&journal), health);
    let signals =
        shutdown.on_signals().map_err(|error| CliError::Fault(format!("signals cannot be heard: {error}")))?;
    let until = if args.once { Until::Settled(args.settle.unwrap_or(SETTLE)) } else { Until::Stopped };
    tracing::info!(once = args.once, dry_run = args.dry_run, boot = %journal.boot(), "riposte runs");
    let ended = tokio::select! {
        ended = driver.run(until) => ended,
        () = shutdown.stopping() => {
            report::say("stopped at once; what was in flight is looked at when riposte runs again");
            return Ok(Exit::No);
        }
    };
    signals.abort();
    let unread = ended?;
    if args.dry_run {
        let lines = listing::list(journal.as_ref(), &listing::Wanted::default()).await?;
        let text = super::actions::table(&lines, report::Terminal::detect());
        report::Report::new(text, serde_json::json!(lines)).print(global.format)?;
    }
    for source in &unread {
        report::say(&format!("not read: {source}, so its alerts are unknown; the log says why"));
    }
    let exit = left(journal.as_ref(), clock.now()).await.map_err(CliError::Journal)?;
    Ok(if unread.is_empty() { exit } else { Exit::No })
}

/// Tells health and metrics how the journal and the kill switch stand, as long as the process lives.
fn watch(journal: Arc<dyn Journal>, health: Health) {
    tokio::spawn(async move {
        loop {
            match journal.paused().await {
                Ok(pause) => {
                    metrics::paused(pause.is_some());
                    health.journal(Ok(()));
                }
                Err(fault) => health.journal(Err(fault.to_string())),
            }
            tokio::time::sleep(WATCH_EVERY).await;
        }
    });
}

/// What is left open, in words; with nothing moving all is done.
async fn left(journal: &dyn Journal, now: At) -> Result<Exit, Fault> {
    let counts = journal.lanes().await?;
    let mut open: Vec<String> = Vec::new();
    let moving = [
        (LaneKind::Alert, "alerts to decide on"),
        (LaneKind::Account, "accounts with something to do"),
        (LaneKind::Incident, "incidents to write to"),
    ];
    for (kind, what) in moving {
        let n = counts.due.get(&kind).unwrap_or(&0) + counts.waiting.get(&kind).unwrap_or(&0);
        if n > 0 {
            open.push(format!("{n} {what}"));
        }
    }
    let quarantined = journal.quarantined().await?.len();
    open.extend((quarantined > 0).then(|| format!("{quarantined} lanes in quarantine")));
    if open.is_empty() {
        report::say("of what was read, nothing is left to do");
        return Ok(Exit::Done);
    }
    let next = journal.next_due(&[LaneKind::Alert, LaneKind::Account, LaneKind::Incident]).await?;
    let when = next.map(|at| format!("; the next is due in {}", print_duration(at.since(now)))).unwrap_or_default();
    report::say(&format!("left open: {}{when}; `riposte status` and `riposte actions list` say more", open.join(", ")));
    Ok(Exit::No)
}

fn format(settings: &Settings) -> telemetry::Format {
    match settings.log.format {
        LogFormat::Auto => telemetry::Format::for_stderr(),
        LogFormat::Pretty => telemetry::Format::Pretty,
        LogFormat::Json => telemetry::Format::Json,
    }
}

/// The order to stop, as the driver hears it.
fn draining(shutdown: &Shutdown) -> watch::Receiver<bool> {
    let (order, drain) = watch::channel(false);
    let shutdown = shutdown.clone();
    tokio::spawn(async move {
        shutdown.draining().await;
        tracing::info!("told to stop: what is in hand is finished, nothing new is begun");
        order.send_replace(true);
        // Dropping the order would end the wait of a driver that is told it has changed.
        order.closed().await;
    });
    drain
}

/// Which sources must be read for the daemon to count as ready.
fn expect(settings: &Settings, health: &Health) {
    if let Some(logs) = &settings.sources.log_analytics {
        for workspace in &settings.workspaces {
            health.expect(&SourceKey::LogAnalytics(workspace.id).to_string(), logs.every * STALE_TURNS);
        }
    }
    if let Some(graph) = settings.sources.graph.as_ref().filter(|_| settings.tenant.cloud.features().alerts_v2) {
        health.expect(&SourceKey::Graph.to_string(), graph.every * STALE_TURNS);
    }
}

/// Health and metrics, where the settings want them.
async fn serve(settings: &Settings, health: Health) -> Result<(), CliError> {
    let metrics = Metrics::install().map_err(|error| CliError::Fault(error.to_string()))?;
    metrics::paused(false);
    let Some(address) = settings.listen else { return Ok(()) };
    let taken = |error| {
        CliError::Usage(format!("health and metrics cannot be served on {address}: {error}; change [http] listen"))
    };
    let listener = health::bind(address).await.map_err(taken)?;
    tokio::spawn(async move {
        if let Err(error) = health::serve(listener, health, metrics).await {
            tracing::error!(%error, "health and metrics are no longer served");
        }
    });
    Ok(())
}
