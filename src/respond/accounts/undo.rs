//! Putting back what was done: an operator's undo, or the end of a lease. It is an action of its own.

use std::time::Duration;

use crate::journal::Filter;
use crate::model::action::{Action, ActionKey, Mode};
use crate::model::id::{ActionId, AlertId};
use crate::model::outcome::{Outcome, OutcomeKind};
use crate::model::reason::Reason;
use crate::model::time::At;
use crate::record::action::{ActionEvent, ActionRecord, ActionState, First, Follow, Step, UndoWanted, Vote};
use crate::record::event::{StreamKey, StreamKind};
use crate::respond::StepError;
use crate::respond::alerts;
use crate::respond::listener::News;
use crate::respond::write::{self, Stored};

use super::{Beside, Lane};

/// An undo that is not begun by then is given up.
const EXPIRES: Duration = Duration::from_secs(24 * 3600);
/// Whether a containment may end is asked for so long; then the incident is looked at, and it is asked anew.
const ASKS_FOR: Duration = Duration::from_secs(24 * 3600);
/// The end of a containment that could not be carried out is tried again after this.
const TRY_AGAIN: Duration = Duration::from_secs(24 * 3600);

/// An operator wants an action undone, and `said` so at that moment.
pub(super) async fn undo(
    lane: &mut Lane<'_>,
    id: ActionId,
    by: &str,
    said: At,
    taken: Vec<String>,
) -> Result<(), StepError> {
    let Some(stream) = lane.context.journal.stream(&StreamKey::action(id)).await? else {
        return lane.take(taken, "there is no such action").await;
    };
    let original: Stored<ActionRecord> = write::read(&stream)?;
    let earlier = earlier(lane, &original.record).await?;
    // The end of its time is waiting for exactly this decision.
    let asking = lane.actions.iter().position(|stored| {
        Some(stored.record.action.id) == original.record.reverted_by
            && matches!(stored.record.state, ActionState::AwaitingApproval { .. })
    });
    if let Some(index) = asking {
        let vote = Vote { by: by.to_owned(), yes: true, at: said };
        let beside = Beside { taken, actor: Some(by.to_owned()), ..Beside::default() };
        return lane.event(index, ActionEvent::Voted(vote), beside).await;
    }
    match undoable(&original.record, earlier.as_ref()) {
        Ok(Undo::Now) => {}
        Ok(Undo::Once) => return wanted(lane, id, UndoWanted { by: by.to_owned(), at: said }, taken).await,
        Err(why) => return lane.take(taken, why).await,
    }
    let why = Reason::Operator { by: by.to_owned(), at: Some(said) };
    let original = given_up(lane, original, &why, by).await?;
    let beside = Beside { taken, actor: Some(by.to_owned()), ..Beside::default() };
    plan(lane, original, why, First::Run, round_after(earlier.as_ref()), beside).await
}

/// Writes down that an action is to be put back once somebody knows what its call did.
async fn wanted(lane: &mut Lane<'_>, id: ActionId, by: UndoWanted, taken: Vec<String>) -> Result<(), StepError> {
    let Some(index) = lane.position(id).await? else { return lane.take(taken, "there is no such action").await };
    let beside = Beside { taken, actor: Some(by.by.clone()), ..Beside::default() };
    lane.event(index, ActionEvent::UndoWanted(by), beside).await
}

/// Nobody knows what a lost call did; whoever wants it undone does not wait to find out.
async fn given_up(
    lane: &mut Lane<'_>,
    original: Stored<ActionRecord>,
    why: &Reason,
    by: &str,
) -> Result<Stored<ActionRecord>, StepError> {
    let asking = lane.actions.iter().position(|stored| {
        stored.record.action.id == original.record.action.id
            && matches!(stored.record.state, ActionState::NeedsOperator { .. })
    });
    let Some(index) = asking else { return Ok(original) };
    let outcome = Outcome { kind: OutcomeKind::Unverified, proof: None, reason: why.clone() };
    let beside = Beside { actor: Some(by.to_owned()), ..Beside::default() };
    lane.event(index, ActionEvent::Settled { outcome, follow: None }, beside).await?;
    Ok(lane.actions[index].clone())
}

/// The round of an undo that comes after another.
fn round_after(earlier: Option<&ActionRecord>) -> u16 {
    earlier.map_or(1, |earlier| earlier.action.key.round.saturating_add(1))
}

/// The undo that was planned before, if one was.
async fn earlier(lane: &Lane<'_>, original: &ActionRecord) -> Result<Option<ActionRecord>, StepError> {
    let Some(by) = original.reverted_by else { return Ok(None) };
    let stream = lane.context.journal.stream(&StreamKey::action(by)).await?;
    let stored: Option<Stored<ActionRecord>> = stream.as_ref().map(write::read).transpose()?;
    Ok(stored.map(|stored| stored.record))
}

/// The time of a containment is over, or its effect is known and somebody waits for that to have it undone.
pub(super) async fn time_over(lane: &mut Lane<'_>, index: usize) -> Result<(), StepError> {
    let original = lane.actions[index].clone();
    if undoable(&original.record, None).is_err() {
        let outcome = Outcome { kind: OutcomeKind::Effective, proof: None, reason: Reason::CannotBeUndone };
        return lane.event(index, ActionEvent::Turned { outcome, follow: None }, Beside::default()).await;
    }
    let round = round_after(earlier(lane, &original.record).await?.as_ref());
    if let Some(UndoWanted { by, at }) = original.record.undo_wanted.clone() {
        let why = Reason::Operator { by: by.clone(), at: Some(at) };
        let beside = Beside { actor: Some(by), ..Beside::default() };
        return plan(lane, original, why, First::Run, round, beside).await;
    }
    let first = match holds_on(lane, &original.record).await? {
        Some(reason) => First::Ask { reason, until: lane.now().plus(ASKS_FOR) },
        None => First::Run,
    };
    plan(lane, original, Reason::TimeOver, first, round, Beside::default()).await
}

/// A containment with an end whose undo came to nothing gets its end back, or nobody would ask about it again.
/// Gives the original, whose event is added to what is written beside.
pub(super) async fn hold_on(
    lane: &Lane<'_>,
    index: usize,
    event: &ActionEvent,
    beside: &mut Beside,
) -> Result<Option<Stored<ActionRecord>>, StepError> {
    let now = lane.now();
    let undo = &lane.actions[index].record;
    let Some(original) = undo.action.key.reverts else { return Ok(None) };
    let after = match undo.clone().apply(event, now) {
        Ok(Step::To(after)) => after,
        Ok(Step::Moot(_)) | Err(_) => return Ok(None),
    };
    let Some(pause) = after.outcome().and_then(asked_again_after) else { return Ok(None) };
    let Some(stream) = lane.context.journal.stream(&StreamKey::action(original)).await? else { return Ok(None) };
    let original: Stored<ActionRecord> = write::read(&stream)?;
    let (ActionState::Settled { outcome, at: ended, .. }, Some(time)) =
        (&original.record.state, original.record.action.revert_after)
    else {
        return Ok(None);
    };
    if !outcome.may_stand() {
        return Ok(None);
    }
    let at = now.plus(pause).max(ended.plus(time));
    let event = ActionEvent::Turned { outcome: outcome.clone(), follow: Some(Follow::Revert { at }) };
    let step = original.record.clone().apply(&event, now);
    let Step::To(record) =
        step.map_err(|error| crate::respond::broken(&StreamKey::action(original.record.action.id), &error))?
    else {
        return Ok(None);
    };
    beside.writes.push(write::action(&record, original.n, &[event], write::RIPOSTE, now)?);
    Ok(Some(Stored { record: *record, n: original.n + 1 }))
}

/// How long after an undo that ended so its containment is looked at again; `None` where there is nothing
/// left to undo, or a person has decided that it stays.
fn asked_again_after(outcome: &Outcome) -> Option<Duration> {
    match outcome.kind {
        // Nobody answered: the question is asked anew.
        OutcomeKind::Expired => Some(Duration::ZERO),
        OutcomeKind::Failed | OutcomeKind::Unverified | OutcomeKind::Contradicted => Some(TRY_AGAIN),
        OutcomeKind::Withheld => {
            let over =
                matches!(outcome.reason, Reason::HeldByOthers { .. } | Reason::ChangedSince { .. } | Reason::DryRun);
            (!over).then_some(TRY_AGAIN)
        }
        OutcomeKind::Effective
        | OutcomeKind::AlreadyEffective
        | OutcomeKind::Denied
        | OutcomeKind::Reverted
        | OutcomeKind::Simulated => None,
    }
}

/// Why a containment whose time is over does not end by itself: the incident is not closed, there is none, or another
/// alert has named the account since. An incident that cannot be read counts as open.
async fn holds_on(lane: &Lane<'_>, original: &ActionRecord) -> Result<Option<Reason>, StepError> {
    let since = original.begun_at.unwrap_or(original.planned_at);
    let filter = Filter {
        kind: Some(StreamKind::Action),
        lanes: vec![lane.claim.lane().clone()],
        changed_since: Some(since),
        limit: Some(200),
        ..Filter::default()
    };
    let Some(alert) = alerts::standing(lane.context, original.action.key.alert).await? else {
        return Ok(Some(Reason::IncidentActive));
    };
    let is_same = |other: AlertId| other == alert.id || alert.absorbed.iter().any(|absorbed| absorbed.alert == other);
    for stream in lane.context.journal.streams(&filter).await? {
        let other: Stored<ActionRecord> = write::read(&stream)?;
        let serious = other.record.attempts > 0 || other.record.is_open();
        let newer = other.record.planned_at > since && serious;
        let undoes = other.record.action.key.reverts.is_some();
        if newer && !undoes && !is_same(other.record.action.key.alert) {
            return Ok(Some(Reason::NewerAlert));
        }
    }
    if alert.is_ours_alone() {
        return Ok(Some(Reason::NoIncident));
    }
    let Some(known) = alert.incident else { return Ok(Some(Reason::IncidentActive)) };
    let Some(port) = lane.context.incidents.get(&known.incident.workspace()) else {
        return Ok(Some(Reason::IncidentActive));
    };
    let closed = matches!(port.read(&known.incident).await, Ok(Some(incident)) if incident.closed);
    Ok((!closed).then_some(Reason::IncidentActive))
}

/// When an undo can be planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Undo {
    /// At once.
    Now,
    /// Once somebody knows what the call did: it is on its way.
    Once,
}

/// Whether an action can be undone. `earlier` is the undo that was planned before, if one was: one that
/// ended without effect does not stand in the way.
///
/// # Errors
/// Why not.
pub(crate) fn undoable(record: &ActionRecord, earlier: Option<&ActionRecord>) -> Result<Undo, &'static str> {
    let asks = |earlier: &&ActionRecord| matches!(earlier.state, ActionState::AwaitingApproval { .. });
    let ended = earlier.filter(|earlier| !asks(earlier)).map(|earlier| earlier.outcome().map(|outcome| outcome.kind));
    match ended {
        Some(None) => return Err("it is being undone"),
        Some(Some(OutcomeKind::Effective | OutcomeKind::AlreadyEffective)) => return Err("it has been undone"),
        Some(Some(_)) | None => {}
    }
    // A lost call may have done it; the undo looks first.
    let unknown = matches!(record.state, ActionState::NeedsOperator { .. });
    let stands = unknown || record.outcome().is_some_and(Outcome::may_stand);
    match (record.action.key.intent.inverse(), record.is_in_flight()) {
        (Some(_), true) if record.undo_wanted.is_some() => Err("it is to be undone as soon as its effect is known"),
        (Some(_), true) => Ok(Undo::Once),
        (_, false) if !stands => Err("it has no effect of ours to undo"),
        (None, _) => Err("nothing can undo it"),
        (Some(_), false) => Ok(Undo::Now),
    }
}

async fn plan(
    lane: &mut Lane<'_>,
    original: Stored<ActionRecord>,
    why: Reason,
    first: First,
    round: u16,
    mut beside: Beside,
) -> Result<(), StepError> {
    let now = lane.now();
    let done = &original.record.action;
    let Some(intent) = done.key.intent.inverse() else { return Ok(()) };
    let key = ActionKey { intent, round, reverts: Some(done.id), ..done.key.clone() };
    let action = Action {
        id: key.id(),
        key,
        mode: Mode::Enforce,
        why: Some(why),
        after: Vec::new(),
        limits: Vec::new(),
        expires: now.plus(EXPIRES),
        revert_after: None,
        ..done.clone()
    };
    let event = ActionEvent::Planned { action: Box::new(action.clone()), first: first.clone() };
    let record = ActionRecord::planned(action.clone(), first, now);
    let actor = beside.actor.clone().unwrap_or_else(|| write::RIPOSTE.to_owned());
    beside.writes.push(write::action(&record, 0, &[event], &actor, now)?);
    // The original may be closed and so not be among the lane's open actions.
    let index = lane.actions.iter().position(|stored| stored.record.action.id == original.record.action.id);
    let index = index.unwrap_or_else(|| {
        lane.actions.push(original);
        lane.actions.len() - 1
    });
    lane.event(index, ActionEvent::RevertPlanned { by: action.id }, beside).await?;
    lane.context.listener.hear(&News::ActionStands { action: &record, event: "planned" });
    lane.actions.push(Stored { record, n: 1 });
    Ok(())
}

/// Whether an undo that finds its work done owes that to somebody else: what it undoes was seen in place, and no call of
/// ours has tried to end it.
pub(super) async fn somebody_else_did(lane: &Lane<'_>, index: usize, original: ActionId) -> Result<bool, StepError> {
    let undo = &lane.actions[index].record;
    if undo.attempts > 0 || undo.action.key.round > 1 {
        return Ok(false);
    }
    let Some(stream) = lane.context.journal.stream(&StreamKey::action(original)).await? else { return Ok(false) };
    let original: Stored<ActionRecord> = write::read(&stream)?;
    Ok(original.record.outcome().is_some_and(|outcome| {
        let held = outcome.kind == OutcomeKind::AlreadyEffective && outcome.reason == Reason::HeldAlready;
        outcome.kind == OutcomeKind::Effective || held
    }))
}
