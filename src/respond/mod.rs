//! The shell: where journal, decisions and connectors meet.
//!
//! Work is done in lanes. Each kind of lane has a step that makes one pass: it loads what is stored,
//! asks pure code what comes next, does it, commits, and says when to come back. Whoever woke the
//! lane does not matter, so a restart, a missed nudge and a double nudge are all the same case.
//!
//! | lane | step |
//! | --- | --- |
//! | source | [`intake`]: read a page, unify it with what is known, record page and cursor together; [`runs`]: run a trigger |
//! | alert | [`alerts`]: wait for what is missing, gather the case, plan, record |
//! | account | [`accounts`]: read, check, begin, call, look; undo |
//! | incident | [`notes`]: find the incident, write what happened |
//! | chore | [`chores`]: seal the journal |

pub mod accounts;
mod administrators;
pub mod alerts;
pub mod asleep;
pub mod audit;
pub mod chores;
pub mod compose;
pub mod crowd;
pub mod driver;
#[cfg(test)]
mod driver_tests;
pub mod fair;
mod gather;
pub mod hands;
pub mod intake;
pub mod listener;
mod names;
pub mod notes;
mod pass;
pub mod people;
pub mod poll_failure;
pub mod polls;
pub mod recent;
pub mod repeats;
pub mod retention;
mod rules;
pub mod runs;
mod unify;
pub mod write;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use uuid::Uuid;

use crate::connect::port::{AlertSource, Effector, Incidents, People};
use crate::decide::rails::Rails;
use crate::journal::{CommitError, Fault, Journal};
use crate::model::account::AccountRef;
use crate::model::alert::SourceKey;
use crate::model::offer::Route;
use crate::model::person::{Found, LookupKey, Membership};
use crate::model::scope::{TenantKey, WorkspaceKey};
use crate::model::time::Clock;
use crate::record::event::StreamKey;
use asleep::Asleep;
use crowd::Crowds;
use listener::Listener;
use recent::Recent;
use repeats::Repeats;
pub use rules::Rules;
use runs::{Runs, Turns};

/// Everything the steps work with.
pub struct Context {
    /// The durable record.
    pub journal: Arc<dyn Journal>,
    /// Domain time.
    pub clock: Arc<dyn Clock>,
    /// The tenant this process serves.
    pub tenant: TenantKey,
    /// Where alerts come from.
    pub sources: BTreeMap<String, Source>,
    /// Who knows accounts.
    pub people: Vec<Arc<dyn People>>,
    /// Who can do things, by route.
    pub effectors: BTreeMap<Route, Arc<dyn Effector>>,
    /// Where stories are told, by workspace.
    pub incidents: BTreeMap<WorkspaceKey, Arc<dyn Incidents>>,
    /// The rules.
    pub rules: Rules,
    /// The guardrails.
    pub rails: Arc<Rails>,
    /// NetBIOS domains and their DNS names.
    pub forests: BTreeMap<String, String>,
    /// When things are looked at.
    pub timings: Timings,
    /// How many triggers run at once.
    pub turns: Turns,
    /// Who is told what happens.
    pub listener: Arc<dyn Listener>,
    /// No call begins any more; what has begun is finished.
    pub closing: AtomicBool,
    /// What directories said about accounts a moment ago.
    pub found: Recent<LookupKey, Vec<Found>>,
    /// What they said about groups and roles.
    pub groups: Recent<AccountRef, Option<BTreeSet<Membership>>>,
    /// Who they said is in a role of Entra, by its template id.
    pub roles: Recent<Uuid, Vec<AccountRef>>,
    /// Which rows changed nothing when they were last read.
    pub repeats: Repeats,
    /// Where accounts wait for somebody outside.
    pub crowds: Crowds,
    /// Who sleeps until somebody outside answers again.
    pub asleep: Asleep,
}

impl Context {
    /// Whether nothing new may begin.
    fn is_closing(&self) -> bool {
        self.closing.load(Ordering::SeqCst)
    }
}

/// A source with its pace.
pub struct Source {
    /// The connector.
    pub port: Arc<dyn AlertSource>,
    /// Its key.
    pub key: SourceKey,
    /// How it is read.
    pub reading: Reading,
}

/// How a source is read.
#[derive(Debug, Clone, Copy)]
pub enum Reading {
    /// A table or list, page by page from where it was left.
    Pages(Pages),
    /// A query of our own: each run looks anew at what has happened within its time.
    Runs(Runs),
}

/// How pages are asked for.
#[derive(Debug, Clone, Copy)]
pub struct Pages {
    /// How often it is asked.
    pub every: Duration,
    /// How far each question reaches back over what was read already: rows become visible out of order.
    pub overlap: Duration,
    /// How far the very first question reaches back.
    pub first_lookback: Duration,
    /// Rows a page.
    pub cap: u32,
}

/// When things are looked at.
#[derive(Debug, Clone)]
pub struct Timings {
    /// Looks for an effect, each so long after the call was answered.
    pub looks: Vec<Duration>,
    /// How often AD is synced to Entra; an Entra effect on a hybrid account is looked at again after it.
    pub sync_interval: Duration,
    /// How long a lane is leased.
    pub lease: Duration,
    /// Changes within this time are one note.
    pub note_delay: Duration,
    /// How long an incident is waited for.
    pub incident_wait: Duration,
    /// How long what came to its end is kept; without it nothing is ever removed.
    pub keep: Option<Duration>,
}

impl Default for Timings {
    fn default() -> Self {
        let seconds = Duration::from_secs;
        Self {
            looks: [0, 5, 30, 120, 600].map(seconds).to_vec(),
            sync_interval: seconds(30 * 60),
            // Renewed at every third of it while a step works. What is left then is longer than the slowest question
            // to a vendor (120 s), so that even a renewal that fails costs nobody the answer.
            lease: seconds(300),
            note_delay: seconds(20),
            incident_wait: seconds(24 * 3600),
            keep: None,
        }
    }
}

/// Why a step ended early.
#[derive(Debug, thiserror::Error)]
pub enum StepError {
    /// The lane is no longer ours; nothing was lost.
    #[error("the lane was taken over")]
    Fenced,
    /// Something moved meanwhile; the lane looks again at once.
    #[error("something moved meanwhile: {0}")]
    Again(CommitError),
    /// What the lane has to work on cannot be worked on: it is tried again, then put into quarantine, and its
    /// neighbours go on.
    #[error(transparent)]
    Poisonous(Fault),
    /// A fault: acting stops.
    #[error(transparent)]
    Fault(#[from] Fault),
}

impl From<CommitError> for StepError {
    fn from(error: CommitError) -> Self {
        match error {
            CommitError::Fenced => Self::Fenced,
            CommitError::Nonsense(fault) => Self::Poisonous(fault),
            CommitError::Fault(fault) => Self::Fault(fault),
            CommitError::Moved(_)
            | CommitError::AliasTaken { .. }
            | CommitError::LimitReached { .. }
            | CommitError::Paused(_)
            | CommitError::Stale
            | CommitError::Unheard => Self::Again(error),
        }
    }
}

/// Something stored that cannot be read back: another version wrote it, or it was changed.
#[derive(Debug, thiserror::Error)]
#[error(transparent)]
pub struct Unreadable(Fault);

/// What could not be read, and why.
fn unreadable(what: &str, error: &dyn std::fmt::Display) -> Unreadable {
    Unreadable(Fault {
        what: format!("reading {what}"),
        cause: format!(
            "its stored state does not fit this version ({error}): another version wrote it, or somebody changed it; \
             run the version that wrote it, or put a backup in its place"
        ),
    })
}

/// What does not fit together, though this version wrote it.
fn broken(stream: &StreamKey, why: &dyn std::fmt::Display) -> Unreadable {
    Unreadable(Fault {
        what: format!("working on {stream}"),
        cause: format!("{why}; a bug in riposte, or somebody changed the journal: please report it"),
    })
}

impl From<Unreadable> for Fault {
    fn from(unreadable: Unreadable) -> Self {
        unreadable.0
    }
}

impl From<Unreadable> for StepError {
    fn from(unreadable: Unreadable) -> Self {
        Self::Poisonous(unreadable.0)
    }
}
