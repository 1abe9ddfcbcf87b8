//! Source lanes of triggers: run the query when its moment has come, and write down how that went.
//!
//! A run looks at one stretch of time, however long ago the run before it was: a detection that counts within an hour
//! must not count within a night. What nobody looked at is said instead.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;

use crate::connect::port::{SourcePage, Urgency, Window};
use crate::journal::batch::{Batch, CursorWrite};
use crate::journal::lane::Claim;
use crate::journal::{Fault, Journal};
use crate::model::failure::{Failure, FailureKind};
use crate::model::time::At;
use crate::model::trigger::Schedule;

use super::intake::{Pass, record};
use super::listener::News;
use super::poll_failure::PollFailure;
use super::{Context, Source, StepError};

/// Trouble that passes is tried again so soon.
const SOON: Duration = Duration::from_secs(120);
/// A vendor's wish to be left alone is heard so far.
const LATEST: Duration = Duration::from_secs(900);

/// How a trigger ran the last time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Run {
    /// When.
    pub at: At,
    /// Alerts that its rows are.
    pub alerts: usize,
    /// Alerts beyond those that count in one run. Nothing comes of them.
    #[serde(default)]
    pub left_out: usize,
    /// Rows that cannot be read.
    pub unreadable: usize,
    /// Only part of the answer came: what is missing is looked at by no later run.
    pub partial: bool,
    /// What happened from here on, and before the window of this run, was looked at by no run.
    pub missed_from: Option<At>,
}

impl Run {
    /// The last run of a source; none before the first.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn last(journal: &dyn Journal, source: &str) -> Result<Option<Self>, Fault> {
        Ok(journal.cursor(source).await?.and_then(|stored| Self::deserialize(&stored).ok()))
    }

    /// Everything that its query found has become an alert.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        !self.partial && self.left_out == 0 && self.unreadable == 0
    }
}

/// One run.
pub(super) async fn step(
    context: &Context,
    claim: &Claim,
    source: &Source,
    schedule: &Schedule,
) -> Result<Pass, StepError> {
    let now = context.clock.now();
    let name = source.key.to_string();
    let before = Run::last(context.journal.as_ref(), &name).await?;
    let window = Window { from: now.minus(schedule.lookback), to: now, after: None, cap: u32::MAX };
    let page = match Urgency::Poll.of(source.port.page(&window)).await {
        Ok(page) => page,
        Err(failure) => return failed(context, claim, source, schedule, &failure).await,
    };
    let run = run(&page, &window, before.as_ref());
    let position = CursorWrite { source: name, position: json!(run) };
    record(context, claim, &page, &position).await?;
    let (rows, unreadable) = (run.alerts + run.left_out + run.unreadable, run.unreadable);
    context.listener.hear(&News::Polled { source: &source.key, rows, unreadable, behind: Duration::ZERO });
    if !run.is_whole() || run.missed_from.is_some() {
        context.listener.hear(&News::RunNotWhole { source: &source.key, run: &run });
    }
    // What a run that was cut off has not seen, the next one may.
    Ok(Pass { again: schedule.next(context.clock.now()), answered: true, wish: None, lasting: false })
}

/// How a trigger was tried the last time.
pub(super) struct Tried {
    /// Its next moment after that.
    pub(super) next: At,
    /// It did not answer.
    pub(super) failed: bool,
}

/// The last try of a source; none where it never was tried.
pub(super) async fn last_try(context: &Context, source: &Source, schedule: &Schedule) -> Result<Option<Tried>, Fault> {
    let (journal, name) = (context.journal.as_ref(), source.key.to_string());
    let ran = Run::last(journal, &name).await?.map(|run| run.at);
    let failed = PollFailure::last(journal, &name).await?.map(|failure| failure.at);
    Ok(ran.max(failed).map(|at| Tried { next: schedule.next(at), failed: failed > ran }))
}

async fn failed(
    context: &Context,
    claim: &Claim,
    source: &Source,
    schedule: &Schedule,
    failure: &Failure,
) -> Result<Pass, StepError> {
    let now = context.clock.now();
    context.listener.hear(&News::PollFailed { source: &source.key, failure });
    let told = PollFailure::write(&source.key.to_string(), failure, now);
    context.journal.commit(claim, Batch { cursor: Some(told), ..Batch::default() }).await?;
    let lasting = !passes(failure);
    let next = schedule.next(now);
    let soon = now.plus(failure.retry_after().unwrap_or(SOON).min(LATEST));
    Ok(Pass {
        again: if lasting { next } else { next.min(soon) },
        answered: false,
        wish: failure.retry_after(),
        lasting,
    })
}

fn run(page: &SourcePage, window: &Window, before: Option<&Run>) -> Run {
    Run {
        at: window.to,
        alerts: page.items.iter().filter(|item| item.is_ok()).count(),
        left_out: page.omitted.alerts,
        unreadable: page.omitted.rows,
        partial: page.partial,
        missed_from: before.map(|run| run.at).filter(|ran| *ran < window.from),
    }
}

/// Whether the same question may be answered without anybody mending anything.
const fn passes(failure: &Failure) -> bool {
    match failure.kind {
        FailureKind::Throttled(_) | FailureKind::Unavailable | FailureKind::NoAnswer | FailureKind::Unreachable => true,
        FailureKind::Unauthorized
        | FailureKind::Forbidden
        | FailureKind::NotFound
        | FailureKind::Conflict
        | FailureKind::Refused
        | FailureKind::Unreadable
        | FailureKind::NotAttempted => false,
    }
}
