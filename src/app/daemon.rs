//! The daemon: everything wired, and the loop with its listeners.

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use tokio::sync::watch;

use crate::connect::dry_run::DryRun;
use crate::connect::port::{Effector, Incidents};
use crate::journal::{Journal, OpenError};
use crate::model::time::Clock;
use crate::playbook::RuleTable;
use crate::respond::asleep::Asleep;
use crate::respond::crowd::Crowds;
use crate::respond::driver::Driver;
use crate::respond::listener::Listener;
use crate::respond::recent::Recent;
use crate::respond::repeats::Repeats;
use crate::respond::runs::Turns;
use crate::respond::{Context, Rules, Timings};
use crate::settings::Settings;

use super::connectors::{Connectors, WiringError, connectors, transport};
use super::guard::rails;
use super::journal::{Opened, daemon_journal, dry_run_journal};
use super::listed::ListedPeople;
use super::triggers::trigger_places;

/// How a daemon is made.
pub struct Parts<'a> {
    /// Checked settings.
    pub settings: &'a Settings,
    /// Checked rules.
    pub rules: RuleTable,
    /// Domain time.
    pub clock: Arc<dyn Clock>,
    /// Who is told what happens.
    pub listener: Arc<dyn Listener>,
    /// Says when to begin nothing new.
    pub drain: watch::Receiver<bool>,
    /// Changes nothing outside.
    pub dry_run: bool,
    /// What is put around the journal, the effectors and the incidents.
    pub around: Option<Arc<dyn Around>>,
}

/// Something around what a daemon stands on: tests let it die there.
pub trait Around: Send + Sync {
    /// Around the journal.
    fn journal(&self, inner: Arc<dyn Journal>) -> Arc<dyn Journal>;

    /// Around somebody who does things.
    fn effector(&self, inner: Arc<dyn Effector>) -> Arc<dyn Effector>;

    /// Around those who tell.
    fn incidents(&self, inner: Arc<dyn Incidents>) -> Arc<dyn Incidents>;
}

/// Why there is no daemon.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Something cannot be wired together.
    #[error(transparent)]
    Wiring(#[from] WiringError),
    /// The journal cannot be used.
    #[error(transparent)]
    Journal(#[from] OpenError),
}

/// A daemon that is ready to run.
pub struct Daemon {
    /// Its journal.
    pub journal: Arc<dyn Journal>,
    /// The rules it answers by, to be replaced when people change them.
    pub rules: Rules,
    /// Its loop.
    pub driver: Driver,
    /// Who is on its lists.
    pub listed: ListedPeople,
}

/// Wires a daemon. Nothing outside is called yet.
///
/// # Errors
/// When a file, an address or the journal cannot be used.
pub fn daemon(parts: Parts<'_>) -> Result<Daemon, StartError> {
    let open = || {
        let clock = Arc::clone(&parts.clock);
        if parts.dry_run { dry_run_journal(parts.settings, clock) } else { daemon_journal(parts.settings, clock) }
    };
    // The system's certificates are many files, and take as long to read as the journal takes to open.
    let (opened, client) = std::thread::scope(|both| {
        let client = both.spawn(|| transport(parts.settings));
        (open(), client.join())
    });
    let Opened { mut journal, clock, replicas } = opened?;
    let client = client.unwrap_or_else(|panic| std::panic::resume_unwind(panic))?;
    // What they see is held against what the journal wrote down, so one clock stamps both.
    let Connectors { sources, people, mut effectors, mut incidents, recoveries } = {
        let triggers = trigger_places(parts.settings, &parts.rules);
        connectors(parts.settings, &triggers, (&clock, &replicas), client)?
    };
    // Reads go through, writes do not: in a dry-run the guardrails withhold, and this holds even if
    // they did not.
    if parts.dry_run {
        for port in effectors.values_mut() {
            *port = Arc::new(DryRun(Arc::clone(port)));
        }
        for port in incidents.values_mut() {
            *port = Arc::new(DryRun(Arc::clone(port)));
        }
    }
    if let Some(around) = &parts.around {
        journal = around.journal(journal);
        for port in effectors.values_mut() {
            *port = around.effector(Arc::clone(port));
        }
        for port in incidents.values_mut() {
            *port = around.incidents(Arc::clone(port));
        }
    }
    let rules = Rules::new(parts.rules);
    let guardrails = &parts.settings.guardrails;
    let listed = ListedPeople::new(&guardrails.break_glass, &guardrails.privileged, people.clone());
    let context = Context {
        journal: Arc::clone(&journal),
        clock,
        tenant: parts.settings.tenant.id,
        sources,
        people,
        effectors,
        incidents,
        rules: rules.clone(),
        rails: Arc::new(rails(parts.settings, parts.dry_run)),
        forests: parts.settings.guardrails.forests.clone(),
        timings: timings(parts.settings),
        turns: Turns::default(),
        listener: parts.listener,
        closing: AtomicBool::new(false),
        found: Recent::default(),
        groups: Recent::default(),
        roles: Recent::default(),
        repeats: Repeats::default(),
        crowds: Crowds::default(),
        asleep: Asleep::new(recoveries),
    };
    Ok(Daemon { journal, rules, driver: Driver::new(Arc::new(context), parts.drain), listed })
}

fn timings(settings: &Settings) -> Timings {
    Timings {
        looks: settings.verify.looks.clone(),
        sync_interval: settings.verify.sync_interval,
        keep: settings.journal.keep,
        ..Timings::default()
    }
}
