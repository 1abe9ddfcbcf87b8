//! `riposte run`: the daemon.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{oneshot, watch};

use super::actions::listing;
use super::args::{Format, Global, RunArgs};
use super::counts::Counts;
use super::exit::{CliError, Exit};
use super::settled::Settled;
use super::{report, setup, sources};
use crate::app::{self, Daemon, Heard, Parts};
use crate::connect::http;
use crate::journal::sqlite::PageCheck;
use crate::journal::{Fault, Journal};
use crate::model::alert::SourceKey;
use crate::model::time::{Clock, SystemClock};
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
/// How often it is asked whether the journal is away, which costs nothing.
const AWAY_EVERY: Duration = Duration::from_millis(250);
/// A journal that takes longer than this to answer is told as one that does not.
const ANSWERS_WITHIN: Duration = Duration::from_secs(20);
/// How often the files of rules are looked at; a change counts at the second look.
const RELOAD_EVERY: Duration = Duration::from_secs(5);
/// Every so many looks, what is open is counted.
const COUNT_EVERY: u64 = 6;
/// A source that was not read for so many of its turns is said to be stale.
const STALE_TURNS: u32 = 5;

/// Runs the daemon until it is told to stop, or with `--once` until nothing is due.
pub(super) async fn run(args: &RunArgs, global: &Global) -> Result<Exit, CliError> {
    if global.format == Format::Json && !args.once {
        let why = "--format json is how a run with --once ends; a daemon's log is JSON with --set log.format=json";
        return Err(CliError::Usage(why.to_owned()));
    }
    let settings = setup::settings_with_secrets(global)?;
    let rules = setup::table(&settings)?;
    telemetry::init(&settings.log.level, format(&settings)).map_err(|error| CliError::Usage(error.to_string()))?;
    if settings.guardrails.break_glass.is_empty() {
        tracing::warn!(
            "no break-glass account is listed under [guardrails] break_glass: nobody is kept from being locked out"
        );
    }
    // Both measure the processor's clock for some 15 ms, beside what follows.
    let metrics = tokio::task::spawn_blocking(Metrics::install);
    tokio::task::spawn_blocking(http::first_random_numbers);
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let shutdown = Shutdown::new();
    let health = Health::new(Arc::clone(&clock), shutdown.clone());
    let listener = Arc::new(Heard { health: Some(health.clone()), clock: Arc::clone(&clock) });
    let drain = draining(&shutdown);
    let triggers = app::trigger_places(&settings, &rules);
    let parts = Parts {
        settings: &settings,
        rules,
        clock: Arc::clone(&clock),
        listener,
        drain,
        dry_run: args.dry_run,
        around: None,
    };
    let Daemon { journal, driver, rules, listed } = app::daemon(parts)?;
    let metrics = metrics.await.map_err(|error| CliError::Fault(format!("nothing can be counted: {error}")))?;
    let metrics = metrics.map_err(|error| CliError::Fault(error.to_string()))?;
    tokio::spawn(async move { listed.strangers().await.iter().for_each(|stranger| tracing::warn!("{stranger}")) });
    reload(app::Reload::new(settings.rule_basis(), rules));
    expect(&settings, &health);
    serve(&settings, health.clone(), metrics).await?;
    watch(Arc::clone(&journal), health);
    let signals =
        shutdown.on_signals().map_err(|error| CliError::Fault(format!("signals cannot be heard: {error}")))?;
    let until = if args.once { Until::Settled(args.settle.unwrap_or(SETTLE)) } else { Until::Stopped };
    let began = clock.now();
    tracing::info!(once = args.once, dry_run = args.dry_run, boot = %journal.boot(), "riposte runs");
    let (_check, checked) = check_pages(args, &settings)?;
    let ended = tokio::select! {
        ended = driver.run(until) => ended,
        // What is written into a damaged file damages it more; what was in flight is looked at by whoever goes on.
        damage = damage(checked) => return Err(damage.into()),
        () = shutdown.stopping() => {
            report::say("stopped at once; what was in flight is looked at when riposte runs again");
            return Ok(Exit::No);
        }
    };
    signals.abort();
    let unread = sources::named_unread(&settings, &triggers, ended?);
    let settled = if args.once {
        Settled::since(journal.as_ref(), began, unread).await
    } else {
        Settled::left(journal.as_ref(), unread).await
    };
    let mut settled = settled.map_err(CliError::Journal)?;
    settled.dry_run = args.dry_run;
    let report = settled.report(clock.now());
    if args.dry_run {
        let listed = listing::list(journal.as_ref(), &listing::Wanted::default()).await?;
        let text = super::actions::table(&listed.lines, report::Terminal::detect());
        report::Report::new(text, serde_json::json!(listed.lines)).print(global.format)?;
    }
    if args.once && !args.dry_run {
        return report.print(global.format);
    }
    // Without --once, and beside the actions of a dry-run, it is no result.
    report::say(&report.text);
    // A daemon that was told to stop and did so has not failed, whatever it leaves to the next one.
    Ok(if args.once { report.exit } else { Exit::Done })
}

/// Looks at every page of the journal's file beside the first work, for nobody may have read a damaged one. A dry-run
/// begins with an empty file.
fn check_pages(args: &RunArgs, settings: &Settings) -> Result<(Option<PageCheck>, Checked), CliError> {
    let (found, told) = oneshot::channel();
    if args.dry_run {
        return Ok((None, told));
    }
    // Whoever ends meanwhile does not want to know.
    let check = app::check_pages(&settings.journal, move |it| drop(found.send(it)))?;
    Ok((check, told))
}

/// What a look at every page came to.
type Checked = oneshot::Receiver<Result<Option<Fault>, Fault>>;

/// Ends where a page is damaged.
async fn damage(checked: Checked) -> Fault {
    match checked.await {
        Ok(Ok(Some(damage))) => return damage,
        Ok(Err(fault)) => tracing::warn!(%fault, "whether every page of the journal is whole is not known"),
        Ok(Ok(None)) | Err(_) => {}
    }
    std::future::pending().await
}

/// Tells health and metrics how the journal, its work and the kill switch stand, as long as the process lives.
fn watch(journal: Arc<dyn Journal>, health: Health) {
    tokio::spawn(async move {
        for turn in 0_u64.. {
            let looking = async {
                look(journal.as_ref(), &health, turn).await;
                tokio::time::sleep(WATCH_EVERY).await;
            };
            // A question to a journal that is away waits for it.
            tokio::select! {
                () = looking => {}
                () = away(journal.as_ref()) => {
                    while let Some(why) = journal.away() {
                        health.journal(Err(why));
                        tell_lags(&health);
                        tokio::time::sleep(AWAY_EVERY).await;
                    }
                }
            }
        }
    });
}

/// One look at the journal.
async fn look(journal: &dyn Journal, health: &Health, turn: u64) {
    // A journal that cannot be read is told by the look at the kill switch.
    if turn.is_multiple_of(COUNT_EVERY)
        && let Ok(Ok(counts)) = tokio::time::timeout(ANSWERS_WITHIN, Counts::of(journal)).await
    {
        counts.tell();
    }
    tell_lags(health);
    match tokio::time::timeout(ANSWERS_WITHIN, journal.paused()).await {
        Ok(Ok(pause)) => {
            metrics::paused(pause.is_some());
            health.journal(Ok(()));
        }
        Ok(Err(fault)) => health.journal(Err(fault.to_string())),
        Err(_) => health.journal(Err("does not answer".to_owned())),
    }
}

fn tell_lags(health: &Health) {
    for (source, behind) in health.lags() {
        metrics::lag(&source, behind);
    }
}

/// Ends when the journal is away.
async fn away(journal: &dyn Journal) {
    while journal.away().is_none() {
        tokio::time::sleep(AWAY_EVERY).await;
    }
}

/// Puts rules in force that people change, as long as the process lives.
fn reload(mut reload: app::Reload) {
    tokio::spawn(async move {
        loop {
            tokio::time::sleep(RELOAD_EVERY).await;
            let look = tokio::task::spawn_blocking(move || (reload.look(), reload)).await;
            let Ok((looked, again)) = look else {
                tracing::error!("a bug in riposte: the files of rules are no longer followed; start riposte again");
                return;
            };
            reload = again;
            match looked {
                None => {}
                Some(app::Reloaded::Replaced { triggers: false }) => {
                    tracing::info!("the rules have changed, and are in force");
                }
                Some(app::Reloaded::Replaced { triggers: true }) => {
                    tracing::warn!(
                        "the rules have changed, and are in force; a trigger that is new or has changed runs so only after the next start"
                    );
                }
                Some(app::Reloaded::Mistaken(findings)) => {
                    let first = findings.first().map(|finding| finding.message().to_owned()).unwrap_or_default();
                    tracing::error!(
                        first,
                        "the rules have mistakes, so the earlier ones stay in force: `riposte check` shows all"
                    );
                }
            }
        }
    });
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
async fn serve(settings: &Settings, health: Health, metrics: Metrics) -> Result<(), CliError> {
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
