//! The one loop: claim lanes that are due, let each make a pass, give it back with its next due time.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::journal::Fault;
use crate::journal::lane::{Claim, LaneKey, LaneKind};
use crate::model::time::At;

use super::hands::Hands;
use super::{Context, StepError, accounts, alerts, intake, notes};

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
    hands: Hands,
    rest: watch::Sender<Rest>,
    drain: watch::Receiver<bool>,
}

impl Driver {
    /// A driver that begins nothing new once `drain` says so.
    #[must_use]
    pub fn new(context: Arc<Context>, drain: watch::Receiver<bool>) -> Self {
        Self { context, hands: Hands::new(), rest: watch::channel(Rest::Busy).0, drain }
    }

    /// How the loop stands, for whoever leaps or waits.
    #[must_use]
    pub fn rest(&self) -> watch::Receiver<Rest> {
        self.rest.subscribe()
    }

    /// Runs until the end that is asked for. Gives the sources that could not be read, with `Settled`.
    ///
    /// # Errors
    /// A fault: what is in hand is finished, nothing new is begun, and the process should end.
    pub async fn run(mut self, until: Until) -> Result<Vec<String>, Fault> {
        let now = self.context.clock.now();
        for source in self.context.sources.values() {
            self.context.journal.ensure_lane(&LaneKey::source(source.key), now).await?;
        }
        let mut working: JoinSet<Result<Option<Polled>, Fault>> = JoinSet::new();
        let mut polls = Polls::default();
        let mut fault = None;
        loop {
            let stopping = fault.is_some() || *self.drain.borrow();
            if !stopping {
                let claims = self.claim().await?;
                let none = claims.is_empty();
                for claim in claims {
                    self.rest.send_replace(Rest::Busy);
                    let hand = self.hands.take(claim.lane().kind);
                    let pass = pass(Arc::clone(&self.context), claim);
                    working.spawn(async move {
                        let _hand = hand;
                        pass.await
                    });
                }
                if none && working.is_empty() {
                    if self.is_settled(until, &polls).await? {
                        return Ok(polls.unread());
                    }
                    self.rest.send_replace(Rest::Until(self.next_due().await?));
                }
            } else if working.is_empty() {
                return fault.map_or(Ok(polls.unread()), Err);
            }
            match self.wait(&mut working, stopping).await? {
                Some(Ok(polled)) => polls.note(polled),
                Some(Err(broken)) => fault = Some(broken),
                None => {}
            }
        }
    }

    async fn claim(&self) -> Result<Vec<Claim>, Fault> {
        let room = self.hands.room();
        if room.is_empty() {
            return Ok(Vec::new());
        }
        self.context.journal.claim(&room, self.context.timings.lease).await
    }

    async fn next_due(&self) -> Result<Option<At>, Fault> {
        self.context.journal.next_due(&LaneKind::ALL).await
    }

    /// When something is due that there is a hand for.
    async fn next_in_hand(&self) -> Result<Option<At>, Fault> {
        let kinds: Vec<LaneKind> = self.hands.room().into_iter().map(|(kind, _)| kind).collect();
        self.context.journal.next_due(&kinds).await
    }

    /// Waits for a worker, a nudge, the next due time, or the order to stop.
    async fn wait(
        &mut self,
        working: &mut JoinSet<Result<Option<Polled>, Fault>>,
        stopping: bool,
    ) -> Result<Option<Result<Option<Polled>, Fault>>, Fault> {
        let due = if stopping { None } else { self.next_in_hand().await? };
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

    /// Every source has been read to its end once, or given up, and nothing else is due soon.
    async fn is_settled(&self, until: Until, polls: &Polls) -> Result<bool, Fault> {
        let Until::Settled(within) = until else { return Ok(false) };
        if !self.context.sources.values().all(|source| polls.is_over(&source.key.to_string())) {
            return Ok(false);
        }
        let moving = [LaneKind::Alert, LaneKind::Account, LaneKind::Incident, LaneKind::Chore];
        let due = self.context.journal.next_due(&moving).await?;
        Ok(due.is_none_or(|at| at > self.context.clock.now().plus(within)))
    }
}

/// A source that does not answer so often in a row is given up by a run that ends.
const MOST_FAILED_POLLS: u32 = 3;

/// One poll of a source.
struct Polled {
    source: String,
    answered: bool,
    caught_up: bool,
}

/// How the sources have been read so far.
#[derive(Default)]
struct Polls {
    read: BTreeSet<String>,
    failed: BTreeMap<String, u32>,
}

impl Polls {
    fn note(&mut self, polled: Option<Polled>) {
        let Some(Polled { source, answered, caught_up }) = polled else { return };
        if answered {
            self.failed.remove(&source);
            self.read.extend(caught_up.then_some(source));
        } else {
            *self.failed.entry(source).or_default() += 1;
        }
    }

    fn is_over(&self, source: &str) -> bool {
        self.read.contains(source) || self.failed.get(source).is_some_and(|times| *times >= MOST_FAILED_POLLS)
    }

    fn unread(&self) -> Vec<String> {
        self.failed.keys().filter(|source| !self.read.contains(*source)).cloned().collect()
    }
}

/// One pass over one lane; of a source, how the poll went.
async fn pass(context: Arc<Context>, claim: Claim) -> Result<Option<Polled>, Fault> {
    let lane = claim.lane().clone();
    let loaded = context.journal.load(&claim).await?;
    let nudges = loaded.nudges;
    let mut answered = None;
    let result = match lane.kind {
        LaneKind::Source => match context.sources.get(&lane.key) {
            Some(source) => match intake::step(&context, &claim, source).await {
                Ok(poll) => {
                    answered = Some(poll.answered);
                    Ok(Some(poll.again))
                }
                Err(error) => Err(error),
            },
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
            let caught_up = due.is_none_or(|at| at > context.clock.now());
            return Ok(answered.map(|answered| Polled { source: lane.key, answered, caught_up }));
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
