//! One pass over one lane: its step, a lease that is renewed while the step works, and what becomes of a
//! lane whose step failed.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt as _;

use crate::journal::batch::Wake;
use crate::journal::lane::{Claim, LaneKey, LaneKind};
use crate::journal::{CommitError, FailedPass, Fault, Loaded};
use crate::model::id::AlertId;
use crate::model::time::At;
use crate::record::event::StreamKind;
use crate::record::retry::delay;

use super::intake::Pass;
use super::polls::Ended;
use super::{Context, StepError, accounts, alerts, chores, intake, notes};

/// Where something moved meanwhile the lane is looked at again after this: two sources that show the same alert at the same
/// moment are the usual cause.
const MOVED: Duration = Duration::from_millis(20);
/// Where what was true when the step began is not so any more.
const NOT_SO: Duration = Duration::from_secs(1);

/// One poll of a source.
pub(super) struct Polled {
    pub(super) source: String,
    pub(super) caught_up: bool,
    pub(super) ended: Ended,
}

/// How a step ended well.
struct Done {
    /// When to come back.
    due: Option<At>,
    /// Of a source: how the poll went.
    poll: Option<Pass>,
}

/// One pass over one lane; of a source, how the poll went.
///
/// # Errors
/// A fault; the lane comes back to the next process. A step that panics, or that cannot work on what the lane
/// holds, is no fault but a strike against the lane.
pub(super) async fn pass(context: Arc<Context>, claim: Claim) -> Result<Option<Polled>, Fault> {
    let context = context.as_ref();
    let loaded = context.journal.load(&claim).await?;
    let nudges = loaded.nudges;
    let work = renewed(context, &claim, Box::pin(step(context, &claim, &loaded)));
    let failed = match AssertUnwindSafe(work).catch_unwind().await {
        Ok(Ok(done)) => return finish(context, claim, nudges, done).await,
        Ok(Err(StepError::Fenced)) => {
            tracing::warn!(lane = %claim.lane().for_logs(), "a lane was taken over while we worked in it, or its lease was nearly over");
            // Changes nothing when somebody else has it.
            let now = context.clock.now();
            context.journal.release(claim, nudges, Some(now)).await?;
            return Ok(None);
        }
        Ok(Err(StepError::Again(error))) => {
            tracing::debug!(lane = %claim.lane().for_logs(), %error, "something moved meanwhile; looking again");
            let moved = matches!(error, CommitError::Moved(_) | CommitError::AliasTaken { .. })
                // A source is not asked again so soon.
                && claim.lane().kind != LaneKind::Source;
            let soon = context.clock.now().plus(if moved { MOVED } else { NOT_SO });
            context.journal.release(claim, nudges, Some(soon)).await?;
            return Ok(None);
        }
        Ok(Err(StepError::Fault(fault))) => {
            let now = context.clock.now();
            if let Err(error) = context.journal.release(claim, nudges, Some(now)).await {
                tracing::debug!(%error, "the lane comes back at the next start");
            }
            return Err(fault);
        }
        Ok(Err(StepError::Poisonous(fault))) => fault.to_string(),
        // What it said is in the log; it may hold anything, so it goes nowhere else.
        Err(_) => "a bug in riposte: its step panicked; the log says where".to_owned(),
    };
    strike(context, claim, &loaded, failed).await?;
    Ok(None)
}

async fn step(context: &Context, claim: &Claim, loaded: &Loaded) -> Result<Done, StepError> {
    let lane = claim.lane();
    let due = match lane.kind {
        LaneKind::Source => match context.sources.get(&lane.key) {
            Some(source) => {
                let poll = intake::step(context, claim, source).await?;
                return Ok(Done { due: Some(poll.again), poll: Some(poll) });
            }
            // A source that was taken out of the settings rests until it comes back.
            None => None,
        },
        LaneKind::Alert => alerts::step(context, claim, loaded).await?,
        LaneKind::Account => accounts::step(context, claim, loaded).await?,
        LaneKind::Incident => notes::step(context, claim).await?,
        LaneKind::Chore => chores::step(context, claim).await?,
    };
    Ok(Done { due, poll: None })
}

/// Works, and renews the lease at every third of it. When it cannot be renewed the work goes on all the same:
/// a lane that somebody else has taken refuses its next write, and nothing leaves after `stop_sending`.
async fn renewed<T>(context: &Context, claim: &Claim, work: impl Future<Output = T>) -> T {
    let lease = context.timings.lease;
    futures::pin_mut!(work);
    loop {
        let third = claim.ends().minus(lease.saturating_sub(lease / 3));
        tokio::select! {
            biased;
            done = &mut work => return done,
            () = context.clock.sleep_until(third) => {}
        }
        let extended = tokio::select! {
            biased;
            done = &mut work => return done,
            extended = context.journal.extend(claim, lease) => extended,
        };
        let lane = claim.lane().for_logs();
        match extended {
            Ok(()) => tracing::info!(lane, until = %claim.ends(), "a pass takes long; its lease is renewed"),
            Err(error) => {
                tracing::warn!(lane, %error, "the lease of a lane in hand cannot be renewed");
                return work.await;
            }
        }
    }
}

async fn finish(context: &Context, claim: Claim, nudges: u64, done: Done) -> Result<Option<Polled>, Fault> {
    let lane = claim.lane().clone();
    context.journal.release(claim, nudges, done.due).await?;
    // A source with more to read comes back at once; it has been read when it does not.
    let caught_up = done.due.is_none_or(|at| at > context.clock.now());
    Ok(done.poll.map(|poll| Polled { source: lane.key, caught_up, ended: poll.ended }))
}

/// Gives a lane back whose step failed; after too many it stands still, and whoever can is told.
async fn strike(context: &Context, claim: Claim, loaded: &Loaded, why: String) -> Result<(), Fault> {
    let lane = claim.lane().clone();
    let strikes = claim.strikes().saturating_add(1);
    let now = context.clock.now();
    let tell = tellers(&lane, loaded).map(|lane| Wake { lane, at: now }).collect();
    let failed = FailedPass { why: why.clone(), again: now.plus(delay(strikes)), tell };
    let name = lane.for_logs();
    if context.journal.fail(claim, failed).await? {
        tracing::error!(lane = name, why, "lane quarantined: nothing is done in it; see `riposte status`");
    } else {
        tracing::error!(lane = name, why, strikes, "a pass failed; it is tried again");
    }
    Ok(())
}

/// The notes lanes of the alerts whose actions stand still with an account. The state is looked into, not read:
/// it may be what cannot be read.
fn tellers(lane: &LaneKey, loaded: &Loaded) -> impl Iterator<Item = LaneKey> {
    let is_account = lane.kind == LaneKind::Account;
    let actions = loaded.streams.iter().filter(move |stream| is_account && stream.key.kind == StreamKind::Action);
    actions.filter_map(|stream| {
        let alert = stream.state.pointer("/action/key/alert")?.as_str()?.parse::<AlertId>().ok()?;
        Some(LaneKey::notes(alert))
    })
}
