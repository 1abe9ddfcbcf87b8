//! Source lanes of triggers: run the query when its moment has come, and write down how that went.
//!
//! A run looks at one stretch of time, however long ago the run before it was: a detection that counts within an hour
//! must not count within a night. What nobody looked at is said instead.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::json;
use tokio::sync::{Semaphore, SemaphorePermit};

use crate::connect::port::{SourcePage, Urgency, Window, is_unknown_name};
use crate::journal::batch::{Batch, CursorWrite};
use crate::journal::lane::Claim;
use crate::journal::{Fault, Journal};
use crate::model::alert::SourceKey;
use crate::model::failure::{Failure, FailureKind};
use crate::model::time::At;
use crate::model::trigger::Schedule;

use super::intake::{Pass, record};
use super::listener::News;
use super::poll_failure::PollFailure;
use super::polls::Ended;
use super::{Context, Source, StepError};

/// Trouble that passes is tried again so soon.
const SOON: Duration = Duration::from_secs(120);
/// A vendor's wish to be left alone is heard so far.
const LATEST: Duration = Duration::from_secs(900);

/// A run begins so long after its moment where others were before it. What lies so long before that which it sees is no
/// stretch of time to tell of.
const SLACK: Duration = Duration::from_secs(15);
/// For so long a stretch of time that no run has looked at is told.
pub const TOLD_FOR: Duration = Duration::from_secs(7 * 86_400);

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
    /// Rows of its alerts beyond those that are kept of one. No rule looks at them.
    #[serde(default)]
    pub dropped: usize,
    /// Rows that cannot be read.
    pub unreadable: usize,
    /// Only part of the answer came: what is missing is looked at by no later run.
    pub partial: bool,
    /// What happened from here on, and before what this run sees, was looked at by no run.
    pub missed_from: Option<At>,
    /// The stretch of time that no run has looked at: the last one, or a longer one before it that is still told.
    #[serde(default)]
    pub last_miss: Option<Miss>,
}

/// A stretch of time that no run has looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Miss {
    /// From the run before it,
    pub from: At,
    /// to what the run after it sees.
    pub to: At,
}

impl Run {
    /// The last run of a source; none before the first.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub async fn last(journal: &dyn Journal, source: &str) -> Result<Option<Self>, Fault> {
        Ok(journal.cursor(source).await?.and_then(|stored| Self::deserialize(&stored).ok()))
    }

    /// Rows that cannot be read are recorded; what is cut off or left out is not.
    const fn ended(&self) -> Ended {
        if self.partial || self.left_out > 0 || self.dropped > 0 { Ended::InPart } else { Ended::Answered }
    }

    /// Everything that its query found has become an alert.
    #[must_use]
    pub const fn is_whole(&self) -> bool {
        !self.partial && self.left_out == 0 && self.dropped == 0 && self.unreadable == 0
    }
}

/// How a query of our own is run.
#[derive(Debug, Clone, Copy)]
pub struct Runs {
    /// When.
    pub schedule: Schedule,
    /// It came with the program and leads to nothing but simulation: where its table or permission is missing, nobody
    /// has to mend anything.
    pub optional: bool,
}

/// How many triggers run at once, by who runs them. The services answer few queries at once, and whether an action took
/// effect is asked by the same calls.
pub struct Turns {
    hunting: Semaphore,
    tables: Semaphore,
}

/// So many run at once: less than half of what each service takes.
const AT_ONCE: usize = 2;
/// Where all turns are taken, one is tried for again after this.
const IN_A_MOMENT: Duration = Duration::from_secs(2);

impl Default for Turns {
    fn default() -> Self {
        Self { hunting: Semaphore::new(AT_ONCE), tables: Semaphore::new(AT_ONCE) }
    }
}

impl Turns {
    fn take(&self, source: &SourceKey) -> Option<SemaphorePermit<'_>> {
        let turns = match source {
            SourceKey::Trigger { workspace: None, .. } => &self.hunting,
            SourceKey::Trigger { .. } | SourceKey::LogAnalytics(_) | SourceKey::Graph => &self.tables,
        };
        turns.try_acquire().ok()
    }
}

/// One run.
pub(super) async fn step(context: &Context, claim: &Claim, source: &Source, runs: &Runs) -> Result<Pass, StepError> {
    let now = context.clock.now();
    // Its lane does not wait for a turn, or the polls would be behind it.
    let Some(turn) = context.turns.take(&source.key) else {
        return Ok(Pass { again: now.plus(IN_A_MOMENT), ended: Ended::PutOff });
    };
    let name = source.key.to_string();
    let before = Run::last(context.journal.as_ref(), &name).await?;
    let window = Window { from: now.minus(runs.schedule.lookback), to: now, after: None, cap: u32::MAX };
    let page = Urgency::Poll.of(source.port.page(&window)).await;
    drop(turn);
    let page = match page {
        Ok(page) => page,
        Err(failure) => return failed(context, claim, source, runs, before.as_ref(), &failure).await,
    };
    let run = run(&page, &window, &runs.schedule, before.as_ref());
    let position = CursorWrite { source: name, position: json!(run) };
    record(context, claim, &page, &position).await?;
    let (rows, unreadable) = (run.alerts + run.left_out + run.unreadable, run.unreadable);
    context.listener.hear(&News::Polled { source: &source.key, rows, unreadable, behind: Duration::ZERO });
    if !run.is_whole() || run.missed_from.is_some() {
        context.listener.hear(&News::RunNotWhole { source: &source.key, run: &run });
    }
    // What a run that was cut off has not seen, the next one may.
    Ok(Pass { again: runs.schedule.next(context.clock.now()), ended: run.ended() })
}

/// How a trigger was tried the last time.
pub(super) struct Tried {
    /// Its next moment after that.
    pub(super) next: At,
    pub(super) ended: Ended,
}

/// The last try of a source; none where it never was tried.
pub(super) async fn last_try(context: &Context, source: &Source, runs: &Runs) -> Result<Option<Tried>, Fault> {
    let (journal, name) = (context.journal.as_ref(), source.key.to_string());
    let ran = Run::last(journal, &name).await?;
    let failed = PollFailure::last(journal, &name).await?;
    let since = ran.as_ref().map(|run| run.at);
    Ok(match failed.filter(|failure| since.is_none_or(|ran| ran < failure.at)) {
        Some(failure) => {
            let absent = failure.absent && runs.optional;
            let ended = if absent { Ended::Absent } else { Ended::Failed { wish: None, lasting: true } };
            Some(Tried { next: after(&runs.schedule, &failure), ended })
        }
        None => ran.map(|run| Tried { next: runs.schedule.next(run.at), ended: run.ended() }),
    })
}

/// The next moment after a failure, as far as what is written down of it tells.
fn after(schedule: &Schedule, failed: &PollFailure) -> At {
    let next = schedule.next(failed.at);
    failed.not_before.map_or(next, |wish| next.max(wish))
}

async fn failed(
    context: &Context,
    claim: &Claim,
    source: &Source,
    runs: &Runs,
    before: Option<&Run>,
    failure: &Failure,
) -> Result<Pass, StepError> {
    let now = context.clock.now();
    let name = source.key.to_string();
    let earlier = PollFailure::last(context.journal.as_ref(), &name).await?;
    let earlier = earlier.filter(|earlier| before.is_none_or(|run| run.at < earlier.at));
    let absent = runs.optional && is_absent(failure);
    // That it cannot run is said once, and stands in the status.
    if !(absent && earlier.as_ref().is_some_and(|earlier| earlier.absent)) {
        let (source, optional) = (&source.key, absent);
        context.listener.hear(&News::RunFailed { source, failure, optional });
    }
    let told = PollFailure::new(failure, absent, wish_of(failure, now), now).write(&name);
    context.journal.commit(claim, Batch { cursor: Some(told), ..Batch::default() }).await?;
    let lasting = !passes(failure);
    let ended = if absent { Ended::Absent } else { Ended::Failed { wish: failure.retry_after(), lasting } };
    Ok(Pass { again: again(&runs.schedule, failure, earlier.is_some(), now), ended })
}

/// When a query that failed is tried again: trouble that passes soon, but once; after that at the next moment of the
/// schedule. Never before the service wants to be asked.
fn again(schedule: &Schedule, failure: &Failure, repeated: bool, now: At) -> At {
    let next = schedule.next(now);
    let wish = wish_of(failure, now);
    if passes(failure) && !repeated {
        return wish.unwrap_or_else(|| next.min(now.plus(SOON)));
    }
    wish.map_or(next, |wish| next.max(wish))
}

/// Before when the service does not want to be asked.
fn wish_of(failure: &Failure, now: At) -> Option<At> {
    failure.retry_after().map(|wish| now.plus(wish.min(LATEST)))
}

/// Whether a query failed because its table or the permission to ask is not there.
fn is_absent(failure: &Failure) -> bool {
    failure.kind == FailureKind::Forbidden || is_unknown_name(failure)
}

fn run(page: &SourcePage, window: &Window, schedule: &Schedule, before: Option<&Run>) -> Run {
    let sees_from = window.to.minus(schedule.sees);
    let missed = before.map(|run| run.at).filter(|ran| ran.plus(SLACK) < sees_from);
    let miss = missed.map(|from| Miss { from, to: sees_from });
    let earlier = before.and_then(|run| run.last_miss);
    let longer = |earlier: &Miss| {
        let is_told = window.to.since(earlier.to) < TOLD_FOR;
        is_told && miss.is_some_and(|miss| earlier.to.since(earlier.from) > miss.to.since(miss.from))
    };
    Run {
        at: window.to,
        alerts: page.items.iter().filter(|item| item.is_ok()).count(),
        left_out: page.omitted.alerts,
        dropped: page.omitted.dropped,
        unreadable: page.omitted.rows,
        partial: page.partial,
        missed_from: miss.map(|miss| miss.from),
        last_miss: earlier.filter(longer).or(miss).or(earlier),
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::port::Omitted;
    use crate::model::failure::{Provider, Sent};

    fn failure(kind: FailureKind) -> Failure {
        let operation = "POST security/runHuntingQuery".into();
        Failure { provider: Provider::Defender, operation, kind, sent: Sent::Maybe, vendor: None, hint: String::new() }
    }

    fn schedule(every: u64, sees: u64) -> Schedule {
        let seconds = Duration::from_secs;
        Schedule { every: seconds(every), offset: Duration::ZERO, lookback: seconds(86_400), sees: seconds(sees) }
    }

    #[test]
    fn a_query_that_fails_is_tried_once_more_soon_and_then_as_its_schedule_says_and_never_before_it_may_be() {
        let now = At::from_unix_seconds(36_000);
        let after = |every: u64, kind, repeated| {
            again(&schedule(every, every), &failure(kind), repeated, now).since(now).as_secs()
        };
        let wait = |seconds: u64| FailureKind::Throttled(Some(Duration::from_secs(seconds)));
        assert_eq!(after(3600, FailureKind::NoAnswer, false), 120);
        assert_eq!(after(3600, FailureKind::NoAnswer, true), 3600);
        assert_eq!(after(60, FailureKind::NoAnswer, false), 60, "sooner by its schedule");
        assert_eq!(after(3600, FailureKind::Refused, false), 3600);
        for repeated in [false, true] {
            assert_eq!(after(60, wait(600), repeated), 600);
        }
        assert_eq!(after(3600, wait(30), false), 30);
        assert_eq!(after(60, wait(86_400), true), 900, "no service keeps us away for a day");
    }

    #[test]
    fn what_was_missed_is_what_lies_before_that_which_the_query_itself_looks_at() {
        let omitted = Omitted { rows: 2, alerts: 3, dropped: 4 };
        let page = SourcePage { items: Vec::new(), last: None, full: false, partial: false, omitted };
        let run_at = |at: i64, before: Option<&Run>| {
            let to = At::from_unix_seconds(at);
            let window = Window { from: to.minus(Duration::from_secs(86_400)), to, after: None, cap: 1 };
            run(&page, &window, &schedule(600, 3600), before)
        };
        let first = run_at(0, None);
        assert_eq!((first.left_out, first.dropped, first.unreadable, first.missed_from), (3, 4, 2, None));
        assert_eq!(run_at(3600, Some(&first)).missed_from, None);
        let jitter = run_at(3605, Some(&first));
        assert_eq!((jitter.missed_from, jitter.last_miss), (None, None), "its turn came a moment late");
        assert!(run_at(3620, Some(&first)).missed_from.is_some());
        let late = run_at(7200, Some(&first));
        let miss = Miss { from: first.at, to: At::from_unix_seconds(3600) };
        assert_eq!((late.missed_from, late.last_miss), (Some(first.at), Some(miss)));
        let shorter = run_at(7200 + 3700, Some(&late));
        assert_eq!(
            (shorter.missed_from, shorter.last_miss),
            (Some(late.at), Some(miss)),
            "the longer one is still told"
        );
        let week_later = run_at(7200 + 8 * 86_400, Some(&Run { at: At::from_unix_seconds(8 * 86_400), ..late }));
        assert_eq!(week_later.last_miss.map(|miss| miss.from), week_later.missed_from);
    }

    #[test]
    fn a_query_that_failed_is_not_asked_before_the_service_wants_to_be_asked_however_often_the_daemon_starts() {
        let at = At::from_unix_seconds(36_000);
        let failed = |wish| {
            let failure = failure(FailureKind::Throttled(wish));
            PollFailure::new(&failure, false, wish_of(&failure, at), at)
        };
        let next = |wish| after(&schedule(60, 60), &failed(wish)).since(at).as_secs();
        assert_eq!(next(Some(Duration::from_secs(600))), 600);
        assert_eq!(next(Some(Duration::from_secs(30))), 60, "by its schedule");
        assert_eq!(next(None), 60);
    }
}
