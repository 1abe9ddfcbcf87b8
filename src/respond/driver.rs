//! The one loop: claim lanes that are due, let each make a pass, give it back with its next due time.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use futures::FutureExt;
use futures::future::try_join_all;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tokio::time::{Instant, sleep, timeout_at};

use crate::journal::Fault;
use crate::journal::lane::{Claim, Claimed, LaneKey, LaneKind};
use crate::model::time::At;

use super::crowd::LONG;
use super::hands::{Hand, Hands};
use super::pass::{Polled, pass};
use super::polls::{Polls, Unread};
use super::{Context, Reading, chores, retention, runs};

/// What is in hand may take so long to come to its end: the slowest question to a vendor (120 s), and writing
/// down its answer. Whoever wants it quicker sends a second signal.
const DRAIN: Duration = Duration::from_secs(150);

/// What was due and could not be taken is asked for again after this.
const BEAT: Duration = Duration::from_millis(10);

/// So many lanes are woken at once.
const AT_ONCE: usize = 256;

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

/// The passes in hand.
type Working = JoinSet<Result<Option<Polled>, Fault>>;

/// What a turn of the loop came to.
enum Turn {
    On,
    Settled,
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

    /// Runs until the end that is asked for. Gives the sources that were not read, or in part, with `Settled`.
    ///
    /// # Errors
    /// A fault: nothing new is begun, what is in hand is finished, then the process should end.
    pub async fn run(self, until: Until) -> Result<Unread, Fault> {
        let hurry = hurry(self.drain.clone(), Arc::clone(&self.context));
        tokio::select! {
            ended = self.drive(until) => ended,
            never = hurry => match never {},
        }
    }

    async fn drive(mut self, until: Until) -> Result<Unread, Fault> {
        let now = self.context.clock.now();
        for source in self.context.sources.values() {
            let lane = LaneKey::source(&source.key);
            self.context.journal.ensure_lane(&lane, now).await?;
            // The schedule may have become a quicker one since the lane was given back.
            if let Reading::Runs(runs) = &source.reading {
                let next = runs::last_try(&self.context, source, runs).await?.map_or(now, |tried| tried.next);
                self.context.journal.wake(&lane, next.max(now)).await?;
            }
        }
        for chore in [chores::seals(), retention::lane()] {
            self.context.journal.ensure_lane(&chore, now).await?;
        }
        // Of what was written before a death.
        self.context.journal.wake(&chores::seals(), now).await?;
        let mut working = Working::new();
        let mut polls = self.rested(until).await?;
        let ended = loop {
            if *self.drain.borrow() {
                break Ok(());
            }
            match self.turn(&mut working, &mut polls, until).await {
                Ok(Turn::On) => {}
                Ok(Turn::Settled) => break Ok(()),
                Err(fault) => break Err(fault),
            }
        };
        if let Err(fault) = &ended {
            tracing::error!(%fault, "nothing new is begun; what is in hand is finished, then riposte ends");
        }
        self.context.closing.store(true, Ordering::SeqCst);
        let finished = finish(working, &mut polls).await;
        ended.and(finished)?;
        // What is done is done all the same, and the next start seals.
        if let Err(fault) = self.seal_last().await {
            tracing::warn!(%fault, "what this run wrote is not sealed yet");
        }
        Ok(polls.unread())
    }

    /// Seals what the run has written; a replica that is just sealing does so as well.
    async fn seal_last(&self) -> Result<(), Fault> {
        let Context { journal, clock, timings, .. } = self.context.as_ref();
        journal.wake(&chores::seals(), clock.now()).await?;
        // It comes back at once as long as there is more.
        let mut again = true;
        while std::mem::take(&mut again) {
            for claim in journal.claim(&[(LaneKind::Chore, u32::MAX)], timings.lease).await?.claims {
                if *claim.lane() == chores::seals() {
                    pass(Arc::clone(&self.context), claim).await?;
                    again = true;
                } else {
                    journal.release(claim, 0, Some(clock.now())).await?;
                }
            }
        }
        Ok(())
    }

    /// Takes what is due, and waits for something to happen.
    async fn turn(&mut self, working: &mut Working, polls: &mut Polls, until: Until) -> Result<Turn, Fault> {
        let Claimed { claims, next_due } = self.claim().await?;
        let none = claims.is_empty();
        for claim in claims {
            self.rest.send_replace(Rest::Busy);
            let hand = self.hands.take(claim.lane().kind);
            working.spawn(work(Arc::clone(&self.context), claim, hand, self.hands.clone()));
        }
        if none && working.is_empty() {
            if self.is_settled(until, polls).await? {
                return Ok(Turn::Settled);
            }
            self.rest.send_replace(Rest::Until(self.next_due().await?));
        }
        self.wait(working, polls, (until, next_due)).await?;
        Ok(Turn::On)
    }

    async fn claim(&self) -> Result<Claimed, Fault> {
        let room = self.hands.room();
        if room.is_empty() {
            return Ok(Claimed::default());
        }
        self.context.journal.claim(&room, self.context.timings.lease).await
    }

    async fn next_due(&self) -> Result<Option<At>, Fault> {
        self.context.journal.next_due(&LaneKind::ALL).await
    }

    /// Waits for a worker, a nudge, the time when something is due that there is a hand for, or the order to stop.
    async fn wait(
        &mut self,
        working: &mut Working,
        polls: &mut Polls,
        (until, due): (Until, Option<At>),
    ) -> Result<(), Fault> {
        let timer = match due {
            // What is due and was not taken is just being written to by another replica.
            Some(at) if at <= self.context.clock.now() => sleep(BEAT).boxed(),
            Some(at) => self.context.clock.sleep_until(at).boxed(),
            None => std::future::pending().boxed(),
        };
        tokio::select! {
            Some(done) = working.join_next() => {
                if let Some((source, pause)) = polls.note(outcome(done)?).filter(|_| until != Until::Stopped) {
                    let lane = LaneKey { kind: LaneKind::Source, key: source };
                    self.context.journal.wake(&lane, self.context.clock.now().plus(pause)).await?;
                }
            }
            () = timer => {}
            () = self.context.journal.nudged() => {}
            () = self.hands.laid_down() => {}
            providers = self.context.asleep.recoveries().next() => {
                let lanes = self.context.asleep.wake(&providers, self.context.clock.now());
                // Together, so that they share the journal's flushes.
                for some in lanes.chunks(AT_ONCE) {
                    try_join_all(some.iter().map(|(lane, due)| self.context.journal.wake(lane, *due))).await?;
                }
            }
            _ = self.drain.changed() => {}
        }
        Ok(())
    }

    /// The triggers whose next moment lies beyond a run that ends: they were run a moment ago.
    async fn rested(&self, until: Until) -> Result<Polls, Fault> {
        let mut polls = Polls::default();
        let Until::Settled(within) = until else { return Ok(polls) };
        let end = self.context.clock.now().plus(within);
        for source in self.context.sources.values() {
            let Reading::Runs(runs) = &source.reading else { continue };
            let tried = runs::last_try(&self.context, source, runs).await?;
            if let Some(tried) = tried.filter(|tried| tried.next > end) {
                polls.rests(source.key.to_string(), tried.ended);
            }
        }
        Ok(polls)
    }

    /// Every source has been read to its end once, or given up, and nothing else is due soon.
    async fn is_settled(&self, until: Until, polls: &mut Polls) -> Result<bool, Fault> {
        let Until::Settled(within) = until else { return Ok(false) };
        for aside in self.context.journal.quarantined().await? {
            if aside.lane.kind == LaneKind::Source {
                polls.give_up(aside.lane.key);
            }
        }
        if !self.context.sources.values().all(|source| polls.is_over(&source.key.to_string())) {
            return Ok(false);
        }
        let now = self.context.clock.now();
        // What is held up by the kill switch comes back again and again, and waits for a person.
        let within = if self.context.journal.paused().await?.is_some() { Duration::ZERO } else { within };
        let due = self.context.journal.next_due(&[LaneKind::Alert, LaneKind::Account, LaneKind::Incident]).await?;
        // A chore comes back for ever: what is due of it is done, and the next time is not waited for.
        let chore = self.context.journal.next_due(&[LaneKind::Chore]).await?;
        Ok(due.is_none_or(|at| at > now.plus(within)) && chore.is_none_or(|at| at > now))
    }
}

/// Whoever is told to stop does not wait for a journal that does not answer.
async fn hurry(mut drain: watch::Receiver<bool>, context: Arc<Context>) -> Infallible {
    if drain.wait_for(|ordered| *ordered).await.is_ok() {
        context.journal.hurry();
    }
    std::future::pending().await
}

/// One pass, with a hand for as long as it does not wait for somebody outside for long; of an account, whoever waits for
/// the same may come then.
async fn work(
    context: Arc<Context>,
    claim: Claim,
    mut hand: Option<Hand>,
    hands: Hands,
) -> Result<Option<Polled>, Fault> {
    let kind = claim.lane().kind;
    let long = context.clock.sleep_until(context.clock.now().plus(LONG));
    let mut pass = Box::pin(pass(Arc::clone(&context), claim));
    let polled = tokio::select! {
        biased;
        polled = &mut pass => polled?,
        () = long => {
            hand = hand.map(|hand| hands.lay_down(hand));
            pass.await?
        }
    };
    if kind == LaneKind::Account {
        for (lane, due) in context.crowds.call(context.clock.now()) {
            context.journal.wake(&lane, due).await?;
        }
    }
    drop(hand);
    Ok(polled)
}

/// Lets every pass in hand come to its end. All of them are heard, and the first fault is given back.
async fn finish(mut working: Working, polls: &mut Polls) -> Result<(), Fault> {
    let until = Instant::now() + DRAIN;
    let mut finished = Ok(());
    while let Ok(Some(done)) = timeout_at(until, working.join_next()).await {
        match outcome(done) {
            Ok(polled) => drop(polls.note(polled)),
            Err(fault) => finished = finished.and(Err(fault)),
        }
    }
    if !working.is_empty() {
        tracing::warn!(
            passes = working.len(),
            "still not at their end: dropped; the next start looks what became of them"
        );
        working.shutdown().await;
    }
    finished
}

/// What became of a pass.
fn outcome(done: Result<Result<Option<Polled>, Fault>, JoinError>) -> Result<Option<Polled>, Fault> {
    done.unwrap_or_else(|error| {
        Err(Fault {
            what: "working on a lane".to_owned(),
            cause: format!("a bug in riposte: {error}; please report it"),
        })
    })
}
