//! Putting back what was done: an operator's undo, or the end of a lease. It is an action of its own.

use std::time::Duration;

use crate::model::action::{Action, ActionKey, Mode};
use crate::model::id::ActionId;
use crate::model::observation::Observation;
use crate::model::outcome::{Outcome, OutcomeKind};
use crate::model::reason::Reason;
use crate::record::action::{ActionEvent, ActionRecord, First};
use crate::record::event::StreamKey;
use crate::respond::StepError;
use crate::respond::listener::News;
use crate::respond::write::{self, Stored};

use super::{Beside, EffectChange, Lane, effect_key};

/// An undo that is not begun by then is given up.
const EXPIRES: Duration = Duration::from_secs(24 * 3600);

/// An operator wants an action undone.
pub(super) async fn undo(lane: &mut Lane<'_>, id: ActionId, by: &str, taken: Vec<String>) -> Result<(), StepError> {
    let Some(stream) = lane.context.journal.stream(&StreamKey::action(id)).await? else {
        return lane.take(taken, "there is no such action").await;
    };
    let original: Stored<ActionRecord> = write::read(&stream)?;
    if let Err(why) = undoable(&original.record) {
        return lane.take(taken, why).await;
    }
    let beside = Beside { taken, actor: Some(by.to_owned()), ..Beside::default() };
    plan(lane, original, Reason::Operator { by: by.to_owned() }, First::Run, beside).await
}

/// The time of a containment is over.
pub(super) async fn time_over(lane: &mut Lane<'_>, index: usize) -> Result<(), StepError> {
    let original = lane.actions[index].clone();
    if undoable(&original.record).is_err() {
        let outcome = Outcome { kind: OutcomeKind::Effective, proof: None, reason: Reason::CannotBeUndone };
        return lane.event(index, ActionEvent::Turned { outcome, follow: None }, Beside::default()).await;
    }
    plan(lane, original, Reason::TimeOver, First::Run, Beside::default()).await
}

/// Whether an action can be undone at all.
///
/// # Errors
/// Why not.
pub(crate) fn undoable(record: &ActionRecord) -> Result<(), &'static str> {
    if record.reverted_by.is_some() {
        return Err("it is being undone, or has been");
    }
    if record.action.key.intent.inverse().is_none() {
        return Err("nothing can undo it");
    }
    let held = record.outcome().is_some_and(|outcome| match outcome.kind {
        OutcomeKind::Effective | OutcomeKind::Unverified | OutcomeKind::Contradicted => true,
        OutcomeKind::AlreadyEffective => outcome.reason == Reason::HeldAlready,
        OutcomeKind::Simulated
        | OutcomeKind::Failed
        | OutcomeKind::Withheld
        | OutcomeKind::Denied
        | OutcomeKind::Expired
        | OutcomeKind::Reverted => false,
    });
    if held { Ok(()) } else { Err("it has no effect of ours to undo") }
}

async fn plan(
    lane: &mut Lane<'_>,
    original: Stored<ActionRecord>,
    why: Reason,
    first: First,
    mut beside: Beside,
) -> Result<(), StepError> {
    let now = lane.now();
    let done = &original.record.action;
    let Some(intent) = done.key.intent.inverse() else { return Ok(()) };
    let key = ActionKey { intent, reverts: Some(done.id), ..done.key.clone() };
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

/// The undo took effect: the original is reverted, and nobody holds it any more.
pub(super) async fn turned(
    lane: &mut Lane<'_>,
    original: ActionId,
    found: &Observation,
    beside: &mut Beside,
) -> Result<(), StepError> {
    let now = lane.now();
    let Some(stream) = lane.context.journal.stream(&StreamKey::action(original)).await? else { return Ok(()) };
    let stored: Stored<ActionRecord> = write::read(&stream)?;
    let key = effect_key(&stored.record.action);
    let outcome = Outcome { kind: OutcomeKind::Reverted, proof: Some(found.clone()), reason: Reason::Seen };
    let event = ActionEvent::Turned { outcome, follow: None };
    let step =
        stored.record.clone().apply(&event, now).map_err(|error| crate::respond::unreadable("an action", &error))?;
    if let crate::record::action::Step::To(record) = step {
        beside.writes.push(write::action(&record, stored.n, &[event], write::RIPOSTE, now)?);
        lane.context.listener.hear(&News::ActionStands { action: &record, event: "turned" });
        if let Some(known) = lane.actions.iter_mut().find(|known| known.record.action.id == original) {
            *known = Stored { record: *record, n: stored.n + 1 };
        }
    }
    beside.effects.push(EffectChange::Release { key, action: original });
    Ok(())
}
