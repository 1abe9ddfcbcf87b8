//! The one loop: claim lanes that are due, let each make a pass, give it back with its next due time.

use std::collections::{BTreeSet, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::journal::Fault;
use crate::journal::lane::{Claim, LaneKey, LaneKind};
use crate::model::time::At;

use super::{Context, StepError, accounts, alerts, intake, notes};

/// At most so many lanes at once: enough to keep every API busy within its limits.
const AT_ONCE: usize = 32;

/// How the loop stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rest {
    /// Something is being worked on, or could be.
    Busy,
    /// Nothing is due before this moment, and nothing is being worked on.
    Until(Option<At>),
}

/// What ends the loop.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Until {
    /// Only the signal to stop.
    Stopped,
    /// One pass over every source, then as soon as nothing but sources is due within this time.
    Settled(Duration),
}

/// Drives the lanes.
pub struct Driver {
    context: Arc<Context>,
    rest: watch::Sender<Rest>,
    drain: watch::Receiver<bool>,
}

impl Driver {
    /// A driver that begins nothing new once `drain` says so.
    #[must_use]
    pub fn new(context: Arc<Context>, drain: watch::Receiver<bool>) -> Self {
        Self { context, rest: watch::channel(Rest::Busy).0, drain }
    }

    /// How the loop stands, for whoever leaps or waits.
    #[must_use]
    pub fn rest(&self) -> watch::Receiver<Rest> {
        self.rest.subscribe()
    }

    /// Runs until the end that is asked for.
    ///
    /// # Errors
    /// A fault: what is in hand is finished, nothing new is begun, and the process should end.
    pub async fn run(mut self, until: Until) -> Result<(), Fault> {
        let now = self.context.clock.now();
        for source in self.context.sources.values() {
            self.context.journal.ensure_lane(&LaneKey::source(source.key), now).await?;
        }
        let mut working: JoinSet<Result<Option<LaneKey>, Fault>> = JoinSet::new();
        let mut read: BTreeSet<LaneKey> = BTreeSet::new();
        let mut fault = None;
        loop {
            let stopping = fault.is_some() || *self.drain.borrow();
            if !stopping {
                let free = AT_ONCE.saturating_sub(working.len());
                let claims = self.claim(free).await?;
                let none = claims.is_empty();
                for claim in claims {
                    self.rest.send_replace(Rest::Busy);
                    working.spawn(pass(Arc::clone(&self.context), claim));
                }
                if none && working.is_empty() {
                    if self.is_settled(until, &read).await? {
                        return Ok(());
                    }
                    self.rest.send_replace(Rest::Until(self.next_due().await?));
                }
            } else if working.is_empty() {
                return fault.map_or(Ok(()), Err);
            }
            match self.wait(&mut working, stopping).await? {
                Some(Ok(lane)) => read.extend(lane),
                Some(Err(broken)) => fault = Some(broken),
                None => {}
            }
        }
    }

    async fn claim(&self, free: usize) -> Result<VecDeque<Claim>, Fault> {
        if free == 0 {
            return Ok(VecDeque::new());
        }
        let limit = u32::try_from(free).unwrap_or(u32::MAX);
        Ok(self.context.journal.claim(limit, self.context.timings.lease).await?.into())
    }

    async fn next_due(&self) -> Result<Option<At>, Fault> {
        self.context.journal.next_due(&LaneKind::ALL).await
    }

    /// Waits for a worker, a nudge, the next due time, or the order to stop.
    async fn wait(
        &mut self,
        working: &mut JoinSet<Result<Option<LaneKey>, Fault>>,
        stopping: bool,
    ) -> Result<Option<Result<Option<LaneKey>, Fault>>, Fault> {
        let due = if stopping || working.len() >= AT_ONCE { None } else { self.next_due().await? };
        let now = self.context.clock.now();
        let timer = match due {
            Some(at) if at > now => self.context.clock.sleep_until(at).left_future(),
            Some(_) if working.is_empty() => return Ok(None),
            // Due, but claimed by somebody else, or about to be seen: look again shortly.
            Some(_) | None => std::future::pending().right_future(),
        };
        tokio::select! {
            Some(done) = working.join_next() => Ok(Some(match done {
                Ok(result) => result,
                // A step that panicked keeps its lease until it ends; five strikes quarantine the lane.
                Err(error) => {
                    tracing::error!(%error, "a step panicked; its lane is tried again when its lease ends");
                    Ok(None)
                }
            })),
            () = timer => Ok(None),
            () = self.context.journal.nudged(), if !stopping => Ok(None),
            _ = self.drain.changed(), if !stopping => Ok(None),
        }
    }

    /// Every source has been read to its end once, and nothing else is due soon.
    async fn is_settled(&self, until: Until, read: &BTreeSet<LaneKey>) -> Result<bool, Fault> {
        let Until::Settled(within) = until else { return Ok(false) };
        if !self.context.sources.values().all(|source| read.contains(&LaneKey::source(source.key))) {
            return Ok(false);
        }
        let moving = [LaneKind::Alert, LaneKind::Account, LaneKind::Incident, LaneKind::Chore];
        let due = self.context.journal.next_due(&moving).await?;
        Ok(due.is_none_or(|at| at > self.context.clock.now().plus(within)))
    }
}

/// One pass over one lane; its key, if it is a source that has been read to its end.
async fn pass(context: Arc<Context>, claim: Claim) -> Result<Option<LaneKey>, Fault> {
    let lane = claim.lane().clone();
    let loaded = context.journal.load(&claim).await?;
    let nudges = loaded.nudges;
    let result = match lane.kind {
        LaneKind::Source => match context.sources.get(&lane.key) {
            Some(source) => intake::step(&context, &claim, source).await.map(Some),
            // A source that was taken out of the settings rests until it comes back.
            None => Ok(None),
        },
        LaneKind::Alert => alerts::step(&context, &claim, &loaded).await,
        LaneKind::Account => accounts::step(&context, &claim, &loaded).await,
        LaneKind::Incident => notes::step(&context, &claim, &loaded).await,
        LaneKind::Chore => Ok(None),
    };
    match result {
        Ok(due) => {
            context.journal.release(claim, nudges, due).await?;
            // A source with more to read comes back at once; it has been read when it does not.
            let caught_up = lane.kind == LaneKind::Source && due.is_none_or(|at| at > context.clock.now());
            return Ok(caught_up.then_some(lane));
        }
        Err(StepError::Fenced) => {
            tracing::warn!(lane = %lane.kind.word(), "a lane was taken over while we worked in it");
        }
        Err(StepError::Again(error)) => {
            tracing::debug!(lane = %lane.kind.word(), %error, "something moved meanwhile; looking again");
            let soon = context.clock.now().plus(Duration::from_secs(1));
            context.journal.release(claim, nudges, Some(soon)).await?;
        }
        Err(StepError::Fault(fault)) => return Err(fault),
    }
    Ok(None)
}
