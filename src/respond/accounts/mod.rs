//! Account lanes: everything that happens to one account, one thing at a time.

mod attempt;
mod holders;
mod look;
mod undo;

pub(crate) use undo::undoable;

use std::time::Duration;

use crate::connect::port::Urgency;
use crate::journal::batch::{Batch, EffectChange, EffectKey, StreamWrite, Wake};
use crate::journal::lane::{Claim, LaneKey};
use crate::journal::{Loaded, Signal};
use crate::model::action::{Action, Needs};
use crate::model::id::ActionId;
use crate::model::outcome::{Outcome, OutcomeKind};
use crate::model::reason::Reason;
use crate::model::time::At;
use crate::record::action::{ActionEvent, ActionRecord, ActionState, Step};
use crate::record::event::{StreamKey, StreamKind};
use crate::record::next::{Next, next};
use crate::record::signal::Wish;
use serde::Deserialize;

use super::crowd::Place;
use super::fair;
use super::listener::News;
use super::notes::LONG_HELD;
use super::write::{self, RIPOSTE, Stored};
use super::{Context, StepError};

/// How often an action looks whether another that it waits for has moved.
const LOOK_ROUND: Duration = Duration::from_secs(5);
/// And how seldom, where that one waits itself: it wakes whoever waits for it.
const LONG_ROUND: Duration = Duration::from_secs(600);

/// One pass over an account: signals first, then each action as far as it gets now. Returns when to
/// come back, if not woken before.
pub(super) async fn step(context: &Context, claim: &Claim, loaded: &Loaded) -> Result<Option<At>, StepError> {
    let rank = context.crowds.arrives(claim.lane());
    let mut lane = Lane { context, claim, rank, actions: Vec::new(), awake: Vec::new() };
    for stream in loaded.streams.iter().filter(|stream| stream.key.kind == StreamKind::Action) {
        lane.actions.push(write::read(stream)?);
    }
    lane.actions
        .sort_by_key(|stored| (stored.record.planned_at, stored.record.action.wanted_by.first().map(|by| by.step)));
    for signal in &loaded.signals {
        lane.hear(signal).await?;
    }
    if context.asleep.is_awake(claim.lane()) {
        let held = lane.actions.iter().filter(|stored| stored.record.is_held_by_silence());
        lane.awake = held.map(|stored| stored.record.action.id).collect();
    }
    // Boxed: a pass over an account is by far the largest future.
    let due = Urgency::Check.of(Box::pin(lane.work())).await?;
    if lane.awake.is_empty() {
        context.asleep.is_up(claim.lane());
    }
    if !lane.actions.iter().any(|stored| stored.record.is_held_by_silence()) {
        context.asleep.sleeps_no_more(claim.lane());
    }
    Ok(due)
}

/// The account while its lane is ours.
struct Lane<'a> {
    context: &'a Context,
    claim: &'a Claim,
    /// Its rank among those who wait until a place is less crowded, if it has waited.
    rank: Option<At>,
    actions: Vec<Stored<ActionRecord>>,
    /// Those that were held up by somebody who answers again, and have not been attempted since.
    awake: Vec<ActionId>,
}

/// What changes together with an action's events.
#[derive(Default)]
struct Beside {
    effects: Vec<EffectChange>,
    taken: Vec<String>,
    uncharge: Vec<ActionId>,
    writes: Vec<StreamWrite>,
    wakes: Vec<Wake>,
    actor: Option<String>,
}

impl Lane<'_> {
    fn now(&self) -> At {
        self.context.clock.now()
    }

    /// Takes each action as far as it gets; an action that moves may move the next one.
    async fn work(&mut self) -> Result<Option<At>, StepError> {
        let mut due: Option<At> = None;
        let mut index = 0;
        while index < self.actions.len() {
            // Every move either ends in a wait or changes the state; the bound guards against a
            // mistake in that argument, not against a known case.
            let mut wait = None;
            for _ in 0..64 {
                wait = self.advance(index).await?;
                if wait.is_some() {
                    break;
                }
            }
            let wait = wait.unwrap_or_else(|| Some(self.now()));
            due = match (due, wait) {
                (Some(a), Some(b)) => Some(a.min(b)),
                (a, b) => a.or(b),
            };
            index += 1;
        }
        Ok(due)
    }

    /// One move of one action: `None` when it moved, `Some` when to come back.
    async fn advance(&mut self, index: usize) -> Result<Option<Option<At>>, StepError> {
        let now = self.now();
        let record = &self.actions[index].record;
        let next = next(record, now);
        let looks = next.looks_by().map(|route| Place::Route(route, record.action.key.intent.verb));
        if let Some(later) = self.turned_away(looks, now) {
            return Ok(Some(Some(later)));
        }
        match next {
            Next::Wait(until) if !self.is_let_go(index).await? => return Ok(Some(until)),
            Next::Wait(_) | Next::Attempt if self.context.is_closing() => return Ok(Some(Some(now))),
            Next::Wait(_) | Next::Attempt => {
                if let Some((reason, again)) = self.held_up(index).await? {
                    self.hold(index, reason).await?;
                    return Ok(Some(Some(again)));
                }
                if self.actions[index].record.outcome().is_none() {
                    let action = &self.actions[index].record.action;
                    let is_undo = action.key.reverts.is_some();
                    let rank = if is_undo { now } else { fair::ahead(action.severity, now) };
                    if let Some(later) = self.turned_away(attempt::places(self, index), rank) {
                        return Ok(Some(Some(later)));
                    }
                    let id = self.actions[index].record.action.id;
                    self.awake.retain(|awake| *awake != id);
                    // What comes of it stands behind those who have not been attempted.
                    self.rank = None;
                    attempt::attempt(self, index).await?;
                }
            }
            Next::TooLate => {
                let held = if let ActionState::Ready { held, .. } = &record.state {
                    held.as_ref().map(Reason::line)
                } else {
                    None
                };
                self.settle(index, OutcomeKind::Expired, Reason::TooLate { held }).await?;
            }
            Next::Expire => self.event(index, ActionEvent::ApprovalExpired, Beside::default()).await?,
            Next::TakeForLost { route } => look::take_for_lost(self, index, route).await?,
            Next::LookForLost(what) => look::look_for_lost(self, index, what).await?,
            Next::Verify(what) => look::verify(self, index, what).await?,
            Next::LookAgain { route, revert_at } => look::look_again(self, index, route, revert_at).await?,
            Next::Revert => undo::time_over(self, index).await?,
        }
        Ok(None)
    }

    /// Lets the lane wait where one of the places that an action needs is crowded: gives when to come back. Its rank is the
    /// one that it had before, if it stood in line already.
    fn turned_away(&self, places: impl IntoIterator<Item = Place>, rank: At) -> Option<At> {
        let place = self.context.crowds.crowded(places)?;
        let rank = self.rank.map_or(rank, |before| before.min(rank));
        Some(self.context.crowds.stand(self.claim.lane(), place, rank, self.now()))
    }

    /// Whether only the kill switch has held an action up, and holds it no more, or somebody who did not answer, and does.
    async fn is_let_go(&self, index: usize) -> Result<bool, StepError> {
        let record = &self.actions[index].record;
        if self.awake.contains(&record.action.id) && record.is_held_by_silence() {
            return Ok(true);
        }
        let state = &self.actions[index].record.state;
        let is_held = matches!(state, ActionState::Ready { held: Some(Reason::Paused { .. }), .. });
        Ok(is_held && self.context.journal.paused().await?.is_none())
    }

    /// The other action that one has to wait for, if so: a step that comes before it, or one on the same
    /// account whose call nobody has ruled on yet. With when to look again. A step before it that ended badly ends it too.
    async fn held_up(&mut self, index: usize) -> Result<Option<(Reason, At)>, StepError> {
        let now = self.now();
        let action = self.actions[index].record.action.clone();
        let same_effect = |other: &Action| effect_key(other) == effect_key(&action);
        let in_flight = |stored: &Stored<ActionRecord>| {
            stored.record.action.id != action.id && stored.record.is_in_flight() && same_effect(&stored.record.action)
        };
        if let Some(other) = self.actions.iter().find(|stored| in_flight(stored)) {
            return Ok(Some((Reason::UnderWay, moves(&other.record, now))));
        }
        for after in &action.after {
            let Some(stream) = self.context.journal.stream(&StreamKey::action(after.action)).await? else { continue };
            let before: Stored<ActionRecord> = write::read(&stream)?;
            let verb = before.record.action.key.intent.verb.to_string();
            match (readiness(&before.record.state), after.needs) {
                (Readiness::Moving, _) | (Readiness::Answered, Needs::Effective) => {
                    return Ok(Some((Reason::StepAwaited { verb }, moves(&before.record, now))));
                }
                (Readiness::Answered | Readiness::Well, _) | (Readiness::Badly, Needs::Answered) => {}
                (Readiness::Badly, Needs::Effective) => {
                    self.settle(index, OutcomeKind::Withheld, Reason::StepBefore { verb }).await?;
                    return Ok(None);
                }
            }
        }
        Ok(None)
    }

    /// Lets an action wait for another. What lasts is recorded with its reason; most waits are over before that.
    async fn hold(&mut self, index: usize, reason: Reason) -> Result<(), StepError> {
        let now = self.now();
        let state = &self.actions[index].record.state;
        let new = |due: At, held: Option<&Reason>| {
            let let_go = matches!(held, Some(Reason::Paused { .. }));
            held != Some(&reason) && (let_go || now.since(due) >= LOOK_ROUND)
        };
        if matches!(state, ActionState::Ready { due, held, .. } if new(*due, held.as_ref())) {
            self.event(index, ActionEvent::Parked { reason, until: now }, Beside::default()).await?;
        }
        Ok(())
    }

    async fn hear(&mut self, signal: &Signal) -> Result<(), StepError> {
        let taken = vec![signal.source_key.clone()];
        let Ok(wish) = Wish::deserialize(&signal.body) else {
            return self.take(taken, "it could not be read").await;
        };
        match wish {
            Wish::Vote { action, vote } => {
                let Some(index) = self.position(action).await? else {
                    return self.take(taken, "there is no such action").await;
                };
                let actor = Some(vote.by.clone());
                self.event(index, ActionEvent::Voted(vote), Beside { taken, actor, ..Beside::default() }).await
            }
            Wish::Withdraw { action } => self.withdraw(action, taken).await,
            Wish::LookAgain => look::after_sync(self, taken).await,
            Wish::Undo { action, by } => undo::undo(self, action, &by, signal.at, taken).await,
        }
    }

    /// Where an action of this account stands among the others. One that has ended is fetched: what is said of it is
    /// written down all the same.
    async fn position(&mut self, id: ActionId) -> Result<Option<usize>, StepError> {
        let known = self.actions.iter().position(|stored| stored.record.action.id == id);
        if known.is_some() {
            return Ok(known);
        }
        let stream = self.context.journal.stream(&StreamKey::action(id)).await?;
        let Some(stream) = stream.filter(|stream| stream.lane == *self.claim.lane()) else { return Ok(None) };
        self.actions.push(write::read(&stream)?);
        Ok(Some(self.actions.len() - 1))
    }

    /// Ends an action that has not begun; one that has is looked at to its end.
    async fn withdraw(&mut self, id: ActionId, taken: Vec<String>) -> Result<(), StepError> {
        let idle = |record: &ActionRecord| {
            !record.lost && matches!(record.state, ActionState::Ready { .. } | ActionState::AwaitingApproval { .. })
        };
        let found = self.actions.iter().position(|stored| stored.record.action.id == id && idle(&stored.record));
        let Some(index) = found else { return self.take(taken, "the action has begun or ended").await };
        let outcome = Outcome { kind: OutcomeKind::Withheld, proof: None, reason: Reason::NoLongerWanted };
        let event = ActionEvent::Settled { outcome, follow: None };
        self.event(index, event, Beside { taken, ..Beside::default() }).await
    }

    /// Takes a signal that changes nothing.
    async fn take(&self, taken: Vec<String>, why: &'static str) -> Result<(), StepError> {
        self.context.journal.commit(self.claim, Batch { taken, ..Batch::default() }).await?;
        self.context.listener.hear(&News::Moot { why });
        Ok(())
    }

    async fn settle(&mut self, index: usize, kind: OutcomeKind, reason: Reason) -> Result<(), StepError> {
        let outcome = Outcome { kind, proof: None, reason };
        self.event(index, ActionEvent::Settled { outcome, follow: None }, Beside::default()).await
    }

    /// Records an event of an action with what changes beside it.
    async fn event(&mut self, index: usize, event: ActionEvent, mut beside: Beside) -> Result<(), StepError> {
        let held_on = undo::hold_on(self, index, &event, &mut beside).await?;
        let (record, batch) = self.batch(index, &event, beside)?;
        self.context.journal.commit(self.claim, batch).await?;
        self.moved(index, record, event.name());
        if let Some(original) = held_on {
            self.actions.retain(|known| known.record.action.id != original.record.action.id);
            self.actions.push(original);
        }
        Ok(())
    }

    /// The batch of an event, and the record after it; one that came too late is written down and changes nothing.
    fn batch(&self, index: usize, event: &ActionEvent, beside: Beside) -> Result<(ActionRecord, Batch), StepError> {
        let now = self.now();
        let stored = &self.actions[index];
        let before = stored.record.clone();
        let step = before
            .apply(event, now)
            .map_err(|error| super::broken(&StreamKey::action(stored.record.action.id), &error))?;
        let record = match step {
            Step::To(record) => *record,
            Step::Moot(why) => {
                self.context.listener.hear(&News::Moot { why });
                stored.record.clone()
            }
        };
        let actor = beside.actor.as_deref().unwrap_or(RIPOSTE);
        let mut writes = beside.writes;
        writes.push(write::action(&record, stored.n, std::slice::from_ref(event), actor, now)?);
        let mut wakes = beside.wakes;
        wakes.extend(self.wakes(&record, now));
        let batch = Batch {
            writes,
            wakes,
            effects: beside.effects,
            taken: beside.taken,
            uncharge: beside.uncharge,
            ..Batch::default()
        };
        Ok((record, batch))
    }

    /// Whom a change concerns: the alert's notes, and the person's accounts, where a later step may wait for this one.
    fn wakes(&self, record: &ActionRecord, now: At) -> Vec<Wake> {
        let mut wakes = Vec::new();
        let asks = record.status() == "waiting";
        let held_long = record.is_held_longer(LONG_HELD, now) || record.waits_for_another();
        if record.outcome().is_some() || asks || held_long {
            let delay = if asks { Duration::ZERO } else { self.context.timings.note_delay };
            wakes.push(Wake { lane: LaneKey::notes(record.action.key.alert), at: now.plus(delay) });
        }
        let answered = matches!(record.state, ActionState::Verifying { .. } | ActionState::Unsure { .. });
        if record.outcome().is_some() || answered {
            let waits = |stored: &Stored<ActionRecord>| {
                let (other, state) = (&stored.record.action, &stored.record.state);
                let behind = other.after.iter().any(|after| after.action == record.action.id)
                    || effect_key(other) == effect_key(&record.action);
                other.id != record.action.id && behind && matches!(state, ActionState::Ready { .. })
            };
            let own = self.actions.iter().any(waits).then_some(&record.action.key.account);
            let accounts = record.action.subject.also.iter().chain(own);
            wakes.extend(accounts.map(|account| Wake { lane: LaneKey::account(account), at: now }));
        }
        wakes
    }

    fn moved(&mut self, index: usize, record: ActionRecord, event: &'static str) {
        self.context.listener.hear(&News::ActionStands { action: &record, event });
        let stored = &mut self.actions[index];
        stored.record = record;
        stored.n += 1;
    }
}

/// How an action that another waits for stands.
enum Readiness {
    Moving,
    Answered,
    Well,
    Badly,
}

fn readiness(state: &ActionState) -> Readiness {
    match state {
        ActionState::Ready { .. } | ActionState::AwaitingApproval { .. } | ActionState::Attempting { .. } => {
            Readiness::Moving
        }
        // Whether it happened is for looks to find out, and that may take long; what comes after it
        // (a revocation) does no harm if it did not.
        ActionState::Unsure { .. } | ActionState::Verifying { .. } => Readiness::Answered,
        ActionState::NeedsOperator { .. } => Readiness::Moving,
        ActionState::Settled { outcome, .. } => match outcome.kind {
            OutcomeKind::Effective | OutcomeKind::AlreadyEffective | OutcomeKind::Simulated => Readiness::Well,
            OutcomeKind::Contradicted
            | OutcomeKind::Unverified
            | OutcomeKind::Failed
            | OutcomeKind::Withheld
            | OutcomeKind::Denied
            | OutcomeKind::Expired
            | OutcomeKind::Reverted => Readiness::Badly,
        },
    }
}

/// When to look again for whoever waits for an action: soon, unless it rests itself.
fn moves(record: &ActionRecord, now: At) -> At {
    let rests = match &record.state {
        ActionState::Ready { due, .. } => *due,
        ActionState::AwaitingApproval { until, .. } => *until,
        ActionState::NeedsOperator { .. } => now.plus(LONG_ROUND),
        ActionState::Attempting { .. }
        | ActionState::Unsure { .. }
        | ActionState::Verifying { .. }
        | ActionState::Settled { .. } => now,
    };
    rests.clamp(now.plus(LOOK_ROUND), now.plus(LONG_ROUND))
}

/// The lasting effect an action is about: its own if it contains, that of what it undoes if it undoes.
pub(super) fn effect_key(action: &Action) -> EffectKey {
    let verb = action.key.intent.verb;
    let containing = if verb.contains() { verb } else { verb.inverse().filter(|back| back.contains()).unwrap_or(verb) };
    EffectKey {
        account: action.key.account.to_string(),
        verb: containing.word().to_owned(),
        target: action.key.intent.group.as_ref().map(ToString::to_string).unwrap_or_default(),
    }
}
