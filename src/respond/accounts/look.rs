//! Looking: whether a call took effect, whether a lost one did anything, whether it lasts.

use std::time::Duration;

use crate::connect::port::Urgency;
use crate::journal::batch::Batch;
use crate::journal::lane::LaneKey;
use crate::journal::{Filter, Signal};
use crate::model::account::Directory;
use crate::model::action::Action;
use crate::model::intent::Verb;
use crate::model::observation::{Observation, Strength};
use crate::model::offer::{self, Route};
use crate::model::outcome::{Outcome, OutcomeKind};
use crate::model::reason::Reason;
use crate::model::time::At;
use crate::record::action::{ActionEvent, ActionRecord, ActionState, Follow};
use crate::record::event::StreamKind;
use crate::record::judge::{Seen, judge, judge_after, judge_lost};
use crate::record::next::Look;
use crate::record::retry::{MAX_ATTEMPTS, looks_later};
use crate::record::signal::Wish;
use crate::respond::StepError;
use crate::respond::crowd::Place;
use crate::respond::write::{self, Stored};

use super::{Beside, EffectChange, Lane, effect_key, holders};

/// A look that could not be made, or cannot tell, is made again after this.
const LOST_AGAIN: Duration = Duration::from_secs(60);
/// A look that did not see the effect is made again after this, until not seeing it proves something.
const UNSEEN_AGAIN: Duration = Duration::from_secs(10);
/// While a person is asked what became of a lost call, looks go on at this pace.
const WHILE_ASKING: Duration = Duration::from_secs(900);
/// A lost call that nobody could look for so long is a person's to look for.
const BLIND: Duration = Duration::from_secs(3600);
/// A look after directory sync that cannot be made is not tried more rarely than this.
const SELDOM: Duration = Duration::from_secs(3600);
/// Directory sync needs a while to run through after its time has come.
const SYNC_SLACK: Duration = Duration::from_secs(120);

/// Somebody began a call and never wrote down its answer.
pub(super) async fn take_for_lost(lane: &mut Lane<'_>, index: usize, route: Route) -> Result<(), StepError> {
    let now = lane.now();
    let record = &lane.actions[index].record;
    let conclusive = offer::conclusive_after(record.action.key.intent.verb, route);
    // From then on it was on its way no more, however long nobody has looked since.
    let ended = if let ActionState::Attempting { look_after, .. } = record.state { look_after.min(now) } else { now };
    let event = ActionEvent::AnswerLost { failure: None, look_at: now, conclusive_at: ended.plus(conclusive) };
    lane.event(index, event, Beside::default()).await
}

/// Looks whether a lost call did something. Not seeing it proves nothing before `conclusive`.
pub(super) async fn look_for_lost(lane: &mut Lane<'_>, index: usize, look: Look) -> Result<(), StepError> {
    let now = lane.now();
    let again = now.plus(UNSEEN_AGAIN);
    let record = lane.actions[index].record.clone();
    let asking = matches!(record.state, ActionState::NeedsOperator { .. });
    let while_asking = now.plus(WHILE_ASKING);
    let found = match see(lane, index, look.route, look.since).await {
        Ok(found) => found,
        Err(failure) => {
            let blind = look.conclusive && now.since(look.since) > BLIND;
            let event = if blind && !asking {
                ActionEvent::OperatorNeeded { reason: Reason::CannotTell, again: Some(while_asking) }
            } else {
                let again = if asking { while_asking } else { now.plus(LOST_AGAIN) };
                ActionEvent::LookFailed { failure, again }
            };
            return lane.event(index, event, Beside::default()).await;
        }
    };
    let event = match judge_lost(record.action.key.intent.verb, &found, &look.prior, look.since) {
        Seen::InPlace => return effective(lane, index, &record, found).await,
        Seen::NotInPlace if !look.conclusive => ActionEvent::Looked { found, again },
        Seen::NotInPlace if record.tries() < MAX_ATTEMPTS => ActionEvent::NothingHappened { found },
        Seen::CannotTell if !look.conclusive => ActionEvent::Looked { found, again: now.plus(LOST_AGAIN) },
        Seen::NotInPlace | Seen::CannotTell if asking => ActionEvent::Looked { found, again: while_asking },
        Seen::NotInPlace => {
            let reason = Reason::NothingHappened { attempts: record.tries() };
            ActionEvent::OperatorNeeded { reason, again: Some(while_asking) }
        }
        Seen::CannotTell => ActionEvent::OperatorNeeded { reason: Reason::CannotTell, again: Some(while_asking) },
        Seen::Gone => contradicted(found),
    };
    lane.event(index, event, Beside::default()).await
}

/// Looks for the effect of an accepted call.
pub(super) async fn verify(lane: &mut Lane<'_>, index: usize, look: Look) -> Result<(), StepError> {
    let next_look = next_look(&lane.context.timings.looks, look.looks, lane.now());
    let found = match see(lane, index, look.route, look.since).await {
        Ok(found) => found,
        Err(failure) => {
            let again = if looks_later(&failure, look.since, lane.now()) {
                Some(lane.now().plus(LOST_AGAIN))
            } else {
                next_look
            };
            let Some(again) = again else {
                let reason = Reason::GaveUp { attempts: look.looks + 1, last: Box::new(failure) };
                let outcome = Outcome { kind: OutcomeKind::Unverified, proof: None, reason };
                return unverified(lane, index, outcome).await;
            };
            let event = ActionEvent::LookFailed { failure, again };
            return lane.event(index, event, Beside::default()).await;
        }
    };
    let record = lane.actions[index].record.clone();
    let event = match (judge_after(record.action.key.intent.verb, &found, &look.prior, look.since), next_look) {
        (Seen::InPlace, _) => return effective(lane, index, &record, found).await,
        (Seen::NotInPlace | Seen::CannotTell, Some(again)) => ActionEvent::Looked { found, again },
        (Seen::NotInPlace, None) if found.by.strength() == Strength::Directory => contradicted(found),
        // A copy or a log that shows nothing proves nothing.
        (Seen::NotInPlace | Seen::CannotTell, None) => {
            let reason = Reason::NotSeen { looks: look.looks + 1 };
            let outcome = Outcome { kind: OutcomeKind::Unverified, proof: Some(found), reason };
            return unverified(lane, index, outcome).await;
        }
        (Seen::Gone, _) => contradicted(found),
    };
    lane.event(index, event, Beside::default()).await
}

/// Accepted and never seen: it may still be there, or come. It is held and has its end like one that was
/// seen; an undo looks first whether there is anything to undo.
async fn unverified(lane: &mut Lane<'_>, index: usize, outcome: Outcome) -> Result<(), StepError> {
    let action = lane.actions[index].record.action.clone();
    let follow = action.revert_after.map(|after| Follow::Revert { at: lane.now().plus(after) });
    let mut beside = Beside::default();
    if action.key.intent.verb.contains() {
        beside.effects.push(EffectChange::Hold { key: effect_key(&action), action: action.id });
    }
    lane.event(index, ActionEvent::Settled { outcome, follow }, beside).await
}

/// Looks again at what was effective: sync may have undone it.
pub(super) async fn look_again(
    lane: &mut Lane<'_>,
    index: usize,
    route: Route,
    revert_at: Option<At>,
) -> Result<(), StepError> {
    let record = lane.actions[index].record.clone();
    let since = record.begun_at.unwrap_or(record.planned_at);
    let found = match see(lane, index, route, since).await {
        Ok(found) => found,
        Err(failure) => {
            let now = lane.now();
            let tried = now.since(lane.actions[index].record.settled_at().unwrap_or(now));
            let again = now.plus((tried / 8).clamp(LOST_AGAIN, SELDOM));
            return lane.event(index, ActionEvent::LookFailed { failure, again }, Beside::default()).await;
        }
    };
    let follow = revert_at.map(|at| Follow::Revert { at });
    let key = effect_key(&record.action);
    // Whoever was contained again meanwhile is no longer a matter of this undo.
    let overtaken = record.action.key.reverts.is_some() && !holders::holders(lane, &key).await?.is_empty();
    let (outcome, follow, effects) = match judge(record.action.key.intent.verb, &found, Some(since)) {
        Seen::NotInPlace | Seen::Gone if overtaken => match record.outcome() {
            Some(outcome) => (outcome.clone(), follow, Vec::new()),
            None => return Ok(()),
        },
        Seen::InPlace | Seen::CannotTell => {
            let reason = record.outcome().map_or(Reason::Seen, |outcome| outcome.reason.clone());
            (Outcome { kind: OutcomeKind::Effective, proof: Some(found), reason }, follow, Vec::new())
        }
        Seen::NotInPlace | Seen::Gone => {
            let there = if record.action.key.reverts.is_some() { "enabled" } else { "disabled" };
            let whom = format!(
                "directory sync or a person: Active Directory is the authority, and what is not {there} there does not stay so here"
            );
            let reason = Reason::UndoneBy { whom };
            let release = EffectChange::Release { key, action: record.action.id };
            (Outcome { kind: OutcomeKind::Contradicted, proof: Some(found), reason }, None, vec![release])
        }
    };
    lane.event(index, ActionEvent::Turned { outcome, follow }, Beside { effects, ..Beside::default() }).await
}

async fn see(
    lane: &Lane<'_>,
    index: usize,
    route: Route,
    since: At,
) -> Result<Observation, crate::model::failure::Failure> {
    let action = &lane.actions[index].record.action;
    match lane.context.effectors.get(&route) {
        Some(effector) => {
            let observed = effector.observe(&action.subject, &action.key.intent, Some(since));
            let place = Place::Route(route, action.key.intent.verb);
            Urgency::Look.of(lane.context.crowds.during(place, &*lane.context.clock, observed)).await
        }
        None => Err(crate::model::failure::Failure {
            provider: route.provider(),
            operation: format!("looking over the route {route}"),
            kind: crate::model::failure::FailureKind::NotAttempted,
            sent: crate::model::failure::Sent::No,
            vendor: None,
            hint: "the route is no longer configured; add it back to the settings".to_owned(),
        }),
    }
}

/// The effect is there: our action holds it, and what it undoes is let go.
async fn effective(
    lane: &mut Lane<'_>,
    index: usize,
    record: &ActionRecord,
    found: Observation,
) -> Result<(), StepError> {
    let now = lane.now();
    let action = &record.action;
    if action.key.reverts.is_some() && action.key.account.directory() == Directory::ActiveDirectory {
        sync_will_follow(lane, action).await?;
    }
    let outcome = Outcome { kind: OutcomeKind::Effective, proof: Some(found.clone()), reason: Reason::Seen };
    let mut beside = Beside::default();
    if action.key.intent.verb.contains() {
        beside.effects.push(EffectChange::Hold { key: effect_key(action), action: action.id });
    }
    if let Some(original) = action.key.reverts {
        holders::ended(lane, original, action.why.clone(), &found, &mut beside).await?;
    }
    let revert_at = action.revert_after.map(|after| now.plus(after));
    let sync = after_next_sync(lane);
    let restores = action.key.reverts.is_some() && action.key.intent.verb == Verb::RestoreEntraUser;
    let overwritable = action.hybrid && (action.key.reverts.is_none() && action.key.intent.verb.contains() || restores);
    let follow = if overwritable && revert_at.is_none_or(|at| at > sync) {
        Some(Follow::LookAgain { at: sync, revert_at })
    } else {
        revert_at.map(|at| Follow::Revert { at })
    };
    lane.event(index, ActionEvent::Settled { outcome, follow }, beside).await
}

/// A block in Entra that directory sync may lift is looked at after that has run.
pub(super) async fn after_sync(lane: &mut Lane<'_>, taken: Vec<String>) -> Result<(), StepError> {
    let at = after_next_sync(lane);
    let filter = Filter { kind: Some(StreamKind::Action), lanes: vec![lane.claim.lane().clone()], ..Filter::default() };
    for stream in lane.context.journal.streams(&filter).await? {
        let Stored { record, .. }: Stored<ActionRecord> = write::read(&stream)?;
        let ActionState::Settled { outcome, route: Some(_), follow, .. } = &record.state else { continue };
        let revert_at = record.reverts_at();
        let sooner = matches!(follow, Some(Follow::LookAgain { at: known, .. }) if *known >= at);
        let ends_before = revert_at.is_some_and(|end| end <= at);
        let blocks = record.action.hybrid && record.action.key.intent.verb == Verb::SuspendEntraUser;
        if !blocks || outcome.kind != OutcomeKind::Effective || sooner || ends_before {
            continue;
        }
        if !holders::holders(lane, &effect_key(&record.action)).await?.contains(&record.action.id) {
            continue;
        }
        let event = ActionEvent::Turned { outcome: outcome.clone(), follow: Some(Follow::LookAgain { at, revert_at }) };
        if let Some(index) = lane.position(record.action.id).await? {
            lane.event(index, event, Beside::default()).await?;
        }
    }
    lane.context.journal.commit(lane.claim, Batch { taken, ..Batch::default() }).await?;
    Ok(())
}

/// An account was let go in Active Directory: directory sync may do the same to the person's other accounts.
async fn sync_will_follow(lane: &Lane<'_>, undo: &Action) -> Result<(), StepError> {
    for account in undo.subject.also.iter().filter(|account| account.directory() == Directory::Entra) {
        let source_key = format!("sync:{}:{account}", undo.id);
        let (lane_of, at) = (LaneKey::account(account), lane.now());
        let body = serde_json::json!(Wish::LookAgain);
        lane.context.journal.signal(Signal { source_key, lane: lane_of, body, at }).await?;
    }
    Ok(())
}

fn after_next_sync(lane: &Lane<'_>) -> At {
    lane.now().plus(lane.context.timings.sync_interval).plus(SYNC_SLACK)
}

fn contradicted(found: Observation) -> ActionEvent {
    let outcome = Outcome { kind: OutcomeKind::Contradicted, proof: Some(found), reason: Reason::SaysOtherwise };
    ActionEvent::Settled { outcome, follow: None }
}

/// When to look after `done` looks, or `None` after the last. Looks are planned from the answer on,
/// so the pause is the difference of two of them.
fn next_look(looks: &[Duration], done: u32, now: At) -> Option<At> {
    let done = usize::try_from(done).unwrap_or(usize::MAX);
    let (this, next) = (looks.get(done)?, looks.get(done.saturating_add(1))?);
    Some(now.plus(next.saturating_sub(*this)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn looks_are_spaced_as_planned_and_end() {
        let looks = [0, 5, 30].map(Duration::from_secs);
        let now = At::from_unix_seconds(0);
        assert_eq!(next_look(&looks, 0, now), Some(At::from_unix_seconds(5)));
        assert_eq!(next_look(&looks, 1, now), Some(At::from_unix_seconds(25)));
        assert_eq!(next_look(&looks, 2, now), None);
    }
}
