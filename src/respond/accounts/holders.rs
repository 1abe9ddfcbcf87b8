//! Who holds an effect, and what becomes of them when it has ended.

use crate::journal::Filter;
use crate::journal::batch::{Batch, EffectChange, EffectKey};
use crate::model::id::ActionId;
use crate::model::observation::{Observation, Strength};
use crate::model::outcome::{Outcome, OutcomeKind};
use crate::model::reason::Reason;
use crate::record::action::{ActionEvent, ActionRecord, Follow, Step};
use crate::record::event::{StreamKey, StreamKind};
use crate::record::judge::{MIRROR_LAG, Seen, judge};
use crate::respond::StepError;
use crate::respond::listener::News;
use crate::respond::write::{self, Stored};

use super::{Beside, Lane, effect_key};

/// An effect that an earlier action of ours holds, and that is still in place, gets one more holder.
pub(super) async fn holds_already(
    lane: &mut Lane<'_>,
    index: usize,
    record: &ActionRecord,
    prior: &Observation,
) -> Result<bool, StepError> {
    let verb = record.action.key.intent.verb;
    if !verb.contains() || judge(verb, prior, None) != Seen::InPlace {
        return Ok(false);
    }
    let key = effect_key(&record.action);
    if holders(lane, &key).await?.is_empty() {
        return Ok(false);
    }
    let follow = record.action.revert_after.map(|after| Follow::Revert { at: lane.now().plus(after) });
    let outcome =
        Outcome { kind: OutcomeKind::AlreadyEffective, proof: Some(prior.clone()), reason: Reason::HeldAlready };
    let effects = vec![EffectChange::Hold { key, action: record.action.id }];
    lane.event(index, ActionEvent::Settled { outcome, follow }, Beside { effects, ..Beside::default() }).await?;
    Ok(true)
}

/// Notices that an effect which earlier actions of ours hold is not in place: somebody has undone it. Those that were seen
/// are reverted and hold it no more. Gives what else is let go once a call has begun, or a containment made then would be
/// thought to have other holders, and to be one too many: an effect that nobody has seen yet may still come, and a copy
/// of a directory does not know of the last minutes.
pub(super) async fn undone(
    lane: &mut Lane<'_>,
    record: &ActionRecord,
    prior: &Observation,
) -> Result<Vec<EffectChange>, StepError> {
    let verb = record.action.key.intent.verb;
    if !verb.contains() || record.action.key.reverts.is_some() || judge(verb, prior, None) != Seen::NotInPlace {
        return Ok(Vec::new());
    }
    let key = effect_key(&record.action);
    let mut held = holders(lane, &key).await?;
    if held.is_empty() {
        return Ok(Vec::new());
    }
    let seen = standing(lane, &key).await?;
    let old =
        |stored: &Stored<ActionRecord>| stored.record.begun_at.is_none_or(|begun| prior.at.since(begun) >= MIRROR_LAG);
    if prior.by.strength() != Strength::Mirror || seen.iter().all(old) {
        let mut beside = Beside::default();
        let reason = Reason::UndoneBy { whom: "somebody else".to_owned() };
        let turned = end(lane, &key, seen, &reason, prior, &mut beside)?;
        held.retain(|id| turned.iter().all(|stored| stored.record.action.id != *id));
        let Beside { writes, effects, wakes, .. } = beside;
        if !writes.is_empty() {
            let batch = Batch { writes, wakes, effects, ..Batch::default() };
            lane.context.journal.commit(lane.claim, batch).await?;
        }
        tell(lane, turned);
    }
    Ok(held.into_iter().map(|action| EffectChange::Release { key: key.clone(), action }).collect())
}

/// An undo took effect: what it undoes is reverted, for the undo's reason, and so is every other action that has had the
/// same effect, for nobody holds it any more.
pub(super) async fn ended(
    lane: &mut Lane<'_>,
    original: ActionId,
    why: Option<Reason>,
    found: &Observation,
    beside: &mut Beside,
) -> Result<(), StepError> {
    let Some(stream) = lane.context.journal.stream(&StreamKey::action(original)).await? else { return Ok(()) };
    let stored: Stored<ActionRecord> = write::read(&stream)?;
    let key = effect_key(&stored.record.action);
    let reason = why.unwrap_or(Reason::Seen);
    let mut ending = standing(lane, &key).await?;
    if ending.iter().all(|other| other.record.action.id != original) {
        ending.push(stored);
    }
    let turned = end(lane, &key, ending, &reason, found, beside)?;
    tell(lane, turned);
    Ok(())
}

/// The actions that hold an effect.
pub(super) async fn holders(lane: &Lane<'_>, key: &EffectKey) -> Result<Vec<ActionId>, StepError> {
    let effects = lane.context.journal.effects(std::slice::from_ref(&key.account)).await?;
    Ok(effects.into_iter().filter(|effect| effect.key == *key).flat_map(|effect| effect.holders).collect())
}

/// The actions of the account that say that they have this effect, and that it was seen.
async fn standing(lane: &Lane<'_>, key: &EffectKey) -> Result<Vec<Stored<ActionRecord>>, StepError> {
    let filter = Filter { kind: Some(StreamKind::Action), lanes: vec![lane.claim.lane().clone()], ..Filter::default() };
    let mut standing = Vec::new();
    for stream in lane.context.journal.streams(&filter).await? {
        let stored: Stored<ActionRecord> = write::read(&stream)?;
        let is_seen = stored.record.outcome().is_some_and(|outcome| {
            let seen = matches!(outcome.kind, OutcomeKind::Effective | OutcomeKind::AlreadyEffective);
            seen && outcome.may_stand()
        });
        let action = &stored.record.action;
        if is_seen && action.key.intent.verb.contains() && effect_key(action) == *key {
            standing.push(stored);
        }
    }
    Ok(standing)
}

/// Adds to `beside` that the effect has ended for these actions.
fn end(
    lane: &Lane<'_>,
    key: &EffectKey,
    actions: Vec<Stored<ActionRecord>>,
    reason: &Reason,
    found: &Observation,
    beside: &mut Beside,
) -> Result<Vec<Stored<ActionRecord>>, StepError> {
    let now = lane.now();
    let mut turned = Vec::new();
    for Stored { record, n } in actions {
        let action = record.action.id;
        let outcome = Outcome { kind: OutcomeKind::Reverted, proof: Some(found.clone()), reason: reason.clone() };
        let event = ActionEvent::Turned { outcome, follow: None };
        let step =
            record.apply(&event, now).map_err(|error| crate::respond::broken(&StreamKey::action(action), &error))?;
        if let Step::To(record) = step {
            beside.writes.push(write::action(&record, n, &[event], write::RIPOSTE, now)?);
            beside.wakes.extend(lane.wakes(&record, now));
            turned.push(Stored { record: *record, n: n + 1 });
        }
        beside.effects.push(EffectChange::Release { key: key.clone(), action });
    }
    Ok(turned)
}

/// What was written is how the lane knows its actions, and is heard.
fn tell(lane: &mut Lane<'_>, turned: Vec<Stored<ActionRecord>>) {
    for stored in turned {
        lane.context.listener.hear(&News::ActionStands { action: &stored.record, event: ActionEvent::TURNED });
        let id = stored.record.action.id;
        if let Some(known) = lane.actions.iter_mut().find(|known| known.record.action.id == id) {
            *known = stored;
        }
    }
}
