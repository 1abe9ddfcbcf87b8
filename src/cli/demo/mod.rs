//! `riposte demo`: the lab and the daemon in one process, a morning of alerts, a report.
//!
//! Daemon and lab talk over https and OAuth as they would with the vendors. Their clock leaps from one
//! thing that is due to the next, so that more than an hour passes in seconds; nothing else is different.

mod agreement;
mod live;
mod operator;
mod summary;
pub(super) mod tenant;

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;

use super::args::{DemoArgs, Global};
use super::exit::{CliError, Exit};
use super::report::{Report, Terminal};
use crate::app::{self, Parts};
use crate::journal::Journal;
use crate::lab::{self, Lab, Scenario};
use crate::model::time::{At, Clock, SystemClock};
use crate::respond::driver::{Driver, Rest, Until};
use crate::respond::listener::Listener;
use crate::runtime::leap::LeapClock;
use operator::Operator;

/// How long the morning lasts: the last alert comes after 24 minutes, and directory sync, half an hour
/// later, can undo what was done about it.
const MORNING: Duration = Duration::from_secs(70 * 60);

/// What the demo showed.
pub struct Shown {
    /// The report, as a person reads it.
    pub report: String,
    /// Every action, as `riposte actions list --format json` gives it.
    pub actions: serde_json::Value,
    /// What does not agree between the lab's directory, its comments and the journal; empty is good.
    pub disagreements: Vec<String>,
}

/// Why there was nothing to show.
#[derive(Debug, thiserror::Error)]
#[error("the demo could not run: {0}")]
pub struct DemoError(String);

/// Plays the morning and prints the report.
pub(super) async fn demo(_: &DemoArgs, global: &Global) -> Result<Exit, CliError> {
    let shown = play(true).await.map_err(|error| CliError::Fault(error.to_string()))?;
    let agrees = shown.disagreements.is_empty();
    let json = json!({ "agrees": agrees, "disagreements": shown.disagreements, "actions": shown.actions });
    let mut report = Report::new(shown.report, json);
    report.exit = if agrees { Exit::Done } else { Exit::No };
    report.print(global.format)
}

/// Plays the morning. `live` is told what happens while it happens.
///
/// # Errors
/// When lab or daemon cannot be started.
pub async fn play(live: bool) -> Result<Shown, DemoError> {
    play_on(lab::Options::default(), live).await
}

/// Plays the morning on a lab that is served in another way.
///
/// # Errors
/// When lab or daemon cannot be started.
pub async fn play_on(options: lab::Options, live: bool) -> Result<Shown, DemoError> {
    let failed = |error: &dyn std::fmt::Display| DemoError(error.to_string());
    let clock = LeapClock::starting_at(SystemClock.now());
    let shared: Arc<dyn Clock> = Arc::new(clock.clone());
    let began = clock.now();
    let scenario = Scenario::morning().map_err(|error| failed(&error))?;
    let lab = lab::serve(Arc::clone(&shared), scenario, options).await.map_err(|error| failed(&error))?;
    let folder = tenant::lay_out(&lab).map_err(|error| failed(&error))?;
    let settings = tenant::settings(folder.path())?;
    let rules = tenant::rules(&settings)?;
    let listener: Arc<dyn Listener> = Arc::new(live::Live::new(began, Arc::clone(&shared), live));
    let (stop, drain) = watch::channel(false);
    let parts = Parts { settings: &settings, rules, clock: shared, listener, drain, dry_run: false, around: None };
    let daemon = app::daemon(parts).map_err(|error| failed(&error))?;
    let journal = Arc::clone(&daemon.journal);
    conduct(daemon.driver, &clock, began, &journal, &lab, stop).await?;
    let told = summary::gather(journal.as_ref()).await.map_err(|error| failed(&error))?;
    let state = lab.state();
    let disagreements = agreement::check(&told, &state);
    let report = summary::print(&told, &state, began, &disagreements, Terminal::detect());
    let actions = super::actions::listing::list(journal.as_ref(), &super::actions::listing::Wanted::default()).await;
    let actions = actions.map_err(|error| failed(&error))?.lines;
    drop(journal);
    lab.shutdown().await;
    Ok(Shown { report, actions: json!(actions), disagreements })
}

/// Lets time leap whenever nothing is left to do, and plays the people of the morning.
async fn conduct(
    driver: Driver,
    clock: &LeapClock,
    began: At,
    journal: &Arc<dyn Journal>,
    lab: &Lab,
    stop: watch::Sender<bool>,
) -> Result<(), DemoError> {
    let mut rest = driver.rest();
    let running = tokio::spawn(driver.run(Until::Stopped));
    let mut operator = Operator::new(Arc::clone(journal), lab);
    let end = began.plus(MORNING);
    while !running.is_finished() {
        let now = clock.now();
        let due = match *rest.borrow_and_update() {
            Rest::Busy => None,
            Rest::Until(due) => Some(due.unwrap_or(end)),
        };
        if let Some(due) = due {
            if now >= end {
                break;
            }
            let acted = operator.act(now).await.map_err(|fault| DemoError(fault.to_string()))?;
            if !acted && due > now {
                clock.advance_to(due.min(end));
            }
        }
        // The driver says so when it rests again; a look now and then guards against a missed word.
        let _ = tokio::time::timeout(Duration::from_millis(20), rest.changed()).await;
    }
    stop.send_replace(true);
    let ended = running.await.map_err(|error| DemoError(error.to_string()))?;
    ended.map(drop).map_err(|fault| DemoError(fault.to_string()))
}
