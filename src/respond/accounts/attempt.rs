//! Read first, check the guardrails, write the intent, call, write the answer.

use std::time::Duration;

use crate::connect::port::{Answered, Effector};
use crate::decide::cleared::Cleared;
use crate::decide::recheck::{Block, Facts, paused_until, recheck, recheck_revert};
use crate::decide::steps::burst_key;
use crate::journal::batch::StreamWrite;
use crate::journal::{CommitError, Filter};
use crate::model::account::Directory;
use crate::model::action::{Action, Mode};
use crate::model::failure::{Failure, Provider, Sent};
use crate::model::intent::Verb;
use crate::model::observation::Observation;
use crate::model::offer::{self, Route};
use crate::model::outcome::{Outcome, OutcomeKind};
use crate::model::person::Person;
use crate::model::reason::Reason;
use crate::model::time::{At, print_duration};
use crate::record::action::{ActionEvent, ActionRecord};
use crate::record::event::{StreamKey, StreamKind};
use crate::record::judge::MIRROR_LAG;
use crate::record::retry::{Move, after_failure, ask_again};
use crate::respond::administrators::Turn;
use crate::respond::crowd::Place;
use crate::respond::gather::{self, Reach, Unknown};
use crate::respond::recent::FRESH;
use crate::respond::write::{self, Stored};
use crate::respond::{Context, StepError};

use super::{Beside, EffectChange, Lane, effect_key, holders, undo};

/// Where the reads before a call take longer than their facts count, they are made again after this.
const SLOW_READS_REST: Duration = Duration::from_secs(30);
/// Whoever was approved waits so long for Okta.
const OKTA_PATIENCE: Duration = Duration::from_secs(5);
/// Nothing is sent later than 20 s after an attempt has begun. Whoever holds the lane after this much
/// may look: no answer can be expected by somebody else, and looking does no harm.
const LOOK_AFTER: Duration = Duration::from_secs(30);

/// One attempt, as far as the guardrails let it go.
pub(super) async fn attempt(lane: &mut Lane<'_>, index: usize) -> Result<(), StepError> {
    let record = lane.actions[index].record.clone();
    // Many may be held: none of them asks anybody anything meanwhile.
    if let Some(pause) = lane.context.journal.paused().await? {
        return paused(lane, index, pause.line()).await;
    }
    let Some((route, effector)) = route(lane.context, &record.action) else {
        let why = "no connector of its routes is configured".to_owned();
        return lane.settle(index, OutcomeKind::Withheld, Reason::NoRoute { why }).await;
    };
    let since = evidence_since(lane, &record).await?;
    let read = lane.now().minus(FRESH);
    let observed = effector.observe(&record.action.subject, &record.action.key.intent, Some(since));
    let place = Place::Route(route, record.action.key.intent.verb);
    let prior = match lane.context.crowds.during(place, &*lane.context.clock, observed).await {
        Ok(prior) => prior,
        Err(failure) => {
            let reason = Reason::PriorUnknown { why: failure.to_string() };
            return unread(lane, index, &failure, reason).await;
        }
    };
    if holders::holds_already(lane, index, &record, &prior).await? {
        return Ok(());
    }
    let effects = holders::undone(lane, &record, &prior).await?;
    let (checked, turn) = match ends(&record.action) {
        // Who somebody is never stops the end of a containment, so nobody is asked.
        Some(ends) => {
            let facts = facts(lane, &record, prior.clone(), read).await?;
            (recheck_revert(&record.action, route, ends, facts, &lane.context.rails, lane.now()), None)
        }
        None => match check(lane, &record, route, prior.clone(), read).await? {
            Ok(checked) => checked,
            Err(failure) => {
                let reason = Reason::Refused { failure: Box::new(failure.clone()) };
                return unread(lane, index, &failure, reason).await;
            }
        },
    };
    match checked {
        Ok(cleared) => {
            let beside = Beside { effects, writes: turn.into_iter().collect(), ..Beside::default() };
            begin(lane, index, cleared, effector, beside).await
        }
        Err(block) => blocked(lane, index, block, prior).await,
    }
}

/// What an undo, or the end of a lease, takes back.
fn ends(action: &Action) -> Option<Verb> {
    action.key.reverts.and(action.key.intent.verb.inverse())
}

/// Where an attempt may have to wait.
pub(super) fn places(lane: &Lane<'_>, index: usize) -> Vec<Place> {
    let record = &lane.actions[index].record;
    let action = &record.action;
    let route = route(lane.context, action).map(|(route, _)| Place::Route(route, action.key.intent.verb));
    let mut places: Vec<Place> = route.into_iter().collect();
    if ends(action).is_none() {
        let providers = lane.context.people.iter().map(|people| people.provider());
        let waits = |provider: &Provider| *provider != Provider::Okta || !may_go_without_okta(lane.context, record);
        places.extend(providers.filter(waits).map(Place::Directory));
    }
    places
}

fn route(context: &Context, action: &Action) -> Option<(Route, std::sync::Arc<dyn Effector>)> {
    action.routes.iter().find_map(|route| context.effectors.get(route).map(|effector| (*route, effector.clone())))
}

/// From when audit records count as evidence of the state before. A copy of a directory lags behind
/// it by minutes, so what was recorded lately is believed first; for an undo, all that was recorded
/// since the call that it undoes.
async fn evidence_since(lane: &Lane<'_>, record: &ActionRecord) -> Result<At, StepError> {
    let lately = lane.now().minus(MIRROR_LAG);
    let Some(original) = record.action.key.reverts else { return Ok(lately) };
    let Some(stream) = lane.context.journal.stream(&StreamKey::action(original)).await? else { return Ok(lately) };
    let original: Stored<ActionRecord> = write::read(&stream)?;
    Ok(original.record.begun_at.map_or(lately, |begun| begun.min(lately)))
}

/// What an action stands on could not be read: later, or never. Nothing was called.
async fn unread(lane: &mut Lane<'_>, index: usize, failure: &Failure, reason: Reason) -> Result<(), StepError> {
    let now = lane.now();
    let since = lane.actions[index].record.held_since(&reason).unwrap_or(now);
    match ask_again(failure, since, now) {
        Some(until) => {
            let until = lane.context.asleep.sleeps(lane.claim.lane(), failure, until, now);
            lane.event(index, ActionEvent::Parked { reason, until }, Beside::default()).await
        }
        None => lane.settle(index, OutcomeKind::Withheld, reason).await,
    }
}

/// The check of a response, with the turn it takes if it takes an administrator away.
async fn check(
    lane: &Lane<'_>,
    record: &ActionRecord,
    route: Route,
    prior: Observation,
    read: At,
) -> Result<Result<(Result<Cleared, Block>, Option<StreamWrite>), Failure>, StepError> {
    let turn = Turn::next(lane.context).await?;
    let person = match owner(lane.context, record).await {
        Ok(person) => Ok(person),
        Err(Unknown::Refused(reason)) => Err(reason),
        Err(Unknown::Unasked(failure)) => return Ok(Err(failure)),
    };
    let facts = facts(lane, record, prior, read).await?;
    let turn = match &person {
        Ok(person) => turn.take(&record.action, person, lane.now())?,
        Err(_) => None,
    };
    let action = Action { mode: mode_by_now(lane.context, &record.action), ..record.action.clone() };
    let checked =
        recheck(&action, route, person.as_ref().map_err(Clone::clone), facts, &lane.context.rails, lane.now());
    Ok(Ok((checked, turn)))
}

/// What else the last check wants to know, read now.
async fn facts(lane: &Lane<'_>, record: &ActionRecord, prior: Observation, read: At) -> Result<Facts, StepError> {
    let context = lane.context;
    let action = &record.action;
    let paused = context.journal.paused().await?.map(|pause| pause.line());
    let burst = match action.limits.iter().find(|claim| claim.key.starts_with(&burst_key(""))) {
        Some(claim) => {
            let its_own = claim.once_for.as_deref().unwrap_or_default();
            context.journal.charged(&claim.key, lane.now().minus(claim.window), its_own).await?
        }
        None => 0,
    };
    let holders = holders::holders(lane, &effect_key(action)).await?;
    Ok(Facts {
        read,
        prior,
        approved_by: record.approved_by.clone(),
        paused,
        cooldown_until: cooldown(lane, action).await?,
        burst,
        other_holders: holders.into_iter().filter(|holder| Some(*holder) != action.key.reverts).collect(),
    })
}

/// Whether what a person has approved goes on without Okta.
fn may_go_without_okta(context: &Context, record: &ActionRecord) -> bool {
    let is_okta = record.action.key.account.directory() == Directory::Okta;
    let asks_okta = context.people.iter().any(|people| people.provider() == Provider::Okta);
    record.approved_by.is_some() && asks_okta && !is_okta && !context.rails.name_okta()
}

/// Who the account belongs to. What a person has approved goes on without Okta.
async fn owner(context: &Context, record: &ActionRecord) -> Result<Person, Unknown> {
    let (account, upn) = (&record.action.key.account, record.action.subject.upn.as_ref());
    let everybody = gather::owner(context, account, upn, Reach::All);
    if !may_go_without_okta(context, record) {
        return everybody.await;
    }
    // What is read before a call must not grow old while Okta is silent.
    let patience = context.clock.now().plus(OKTA_PATIENCE);
    // It ends here: whoever is asked once more must not wait for a turn that this holds and nobody drives on.
    tokio::select! {
        biased;
        answer = everybody => match answer {
            Err(Unknown::Unasked(failure)) if Reach::All.after(&failure, context).is_some() => {}
            answer => return answer,
        },
        () = context.clock.sleep_until(patience) => {}
    }
    gather::owner(context, account, upn, Reach::WithoutOkta).await
}

/// Until when the same intent on the same account rests: a while after it was last done, unless that
/// was undone meanwhile.
async fn cooldown(lane: &Lane<'_>, action: &Action) -> Result<Option<At>, StepError> {
    let rest = lane.context.rails.cooldown;
    let filter = Filter {
        kind: Some(StreamKind::Action),
        lanes: vec![lane.claim.lane().clone()],
        changed_since: Some(lane.now().minus(rest)),
        limit: Some(200),
        ..Filter::default()
    };
    let mut latest: Option<At> = None;
    for stream in lane.context.journal.streams(&filter).await? {
        let other: Stored<ActionRecord> = write::read(&stream)?;
        let other = other.record;
        let same =
            other.action.id != action.id && other.action.key.intent == action.key.intent && other.reverted_by.is_none();
        let done = other.outcome().is_some_and(|outcome| {
            matches!(outcome.kind, OutcomeKind::Effective | OutcomeKind::Unverified | OutcomeKind::Contradicted)
        });
        if same && done && other.attempts > 0 {
            latest = latest.max(other.begun_at);
        }
    }
    Ok(latest.map(|at| at.plus(rest)).filter(|until| *until > lane.now()))
}

/// How far the rules that want the action let it go by now: a rule that was demoted after the plan, or is
/// gone, lets nothing go any more.
fn mode_by_now(context: &Context, action: &Action) -> Mode {
    let table = context.rules.now();
    let modes = action.wanted_by.iter().filter_map(|by| table.rule(&by.rule)).map(|rule| table.mode(rule));
    let bold = modes.filter(|mode| *mode != Mode::Simulate).min();
    bold.map_or(Mode::Simulate, |mode| mode.min(action.mode))
}

/// The kill switch holds it.
async fn paused(lane: &mut Lane<'_>, index: usize, by: String) -> Result<(), StepError> {
    let until = paused_until(&lane.actions[index].record.action, lane.now());
    lane.event(index, ActionEvent::Parked { reason: Reason::Paused { by }, until }, Beside::default()).await
}

/// What a block means for the action.
async fn blocked(lane: &mut Lane<'_>, index: usize, block: Block, prior: Observation) -> Result<(), StepError> {
    let now = lane.now();
    let event = match block {
        Block::Withhold(Reason::DryRun) => {
            let outcome = Outcome { kind: OutcomeKind::Simulated, proof: Some(prior), reason: Reason::DryRun };
            ActionEvent::Settled { outcome, follow: None }
        }
        Block::Withhold(reason) => {
            // What was read before proves nothing about an account that nobody knows any more.
            let proof = Some(prior).filter(|_| reason != Reason::AccountUnknown);
            let outcome = Outcome { kind: OutcomeKind::Withheld, proof, reason };
            ActionEvent::Settled { outcome, follow: None }
        }
        Block::InPlace(reason) => {
            let outcome = Outcome { kind: OutcomeKind::AlreadyEffective, proof: Some(prior), reason };
            ActionEvent::Settled { outcome, follow: None }
        }
        Block::Park(reason, until) => ActionEvent::Parked { reason, until },
        Block::Ask(reason) => ActionEvent::Asked { reason, until: now.plus(lane.context.rails.approval_ttl) },
    };
    let lets_go = matches!(&event, ActionEvent::Settled { outcome, .. }
        if matches!(outcome.reason, Reason::HeldByOthers { .. } | Reason::InPlaceAlready | Reason::ChangedSince { .. }));
    let original = lane.actions[index].record.action.key.reverts.filter(|_| lets_go);
    let mut beside = Beside::default();
    let back = if let ActionEvent::Settled { outcome, .. } = &event
        && outcome.reason == Reason::InPlaceAlready
    {
        outcome.proof.clone()
    } else {
        None
    };
    match (original, back) {
        (Some(original), Some(found)) if undo::somebody_else_did(lane, index, original).await? => {
            let why = Reason::UndoneBy { whom: "somebody else".to_owned() };
            holders::ended(lane, original, Some(why), &found, &mut beside).await?;
        }
        // The alert that asked to let go no longer holds, whether others do, or somebody has undone it.
        (original, _) => {
            let key = effect_key(&lane.actions[index].record.action);
            beside.effects.extend(original.map(|action| EffectChange::Release { key, action }));
        }
    }
    lane.event(index, event, beside).await
}

/// Writes the intent, calls, writes the answer.
async fn begin(
    lane: &mut Lane<'_>,
    index: usize,
    cleared: Cleared,
    effector: std::sync::Arc<dyn Effector>,
    beside: Beside,
) -> Result<(), StepError> {
    if lane.context.is_closing() {
        return Ok(());
    }
    let now = lane.now();
    let attempt = lane.actions[index].record.attempts + 1;
    let route = cleared.route();
    let event = ActionEvent::Begun { attempt, route, prior: cleared.prior().clone(), look_after: now.plus(LOOK_AFTER) };
    let (record, batch) = lane.batch(index, &event, beside)?;
    let begun = match lane.context.journal.begin(lane.claim, cleared, attempt, batch).await {
        Ok(begun) => begun,
        Err(CommitError::LimitReached { key, .. }) if key.starts_with(&burst_key("")) => {
            let rails = &lane.context.rails;
            let window = print_duration(rails.limits.burst_window);
            let reason = Reason::Burst { accounts: rails.limits.burst as usize, window };
            let event = ActionEvent::Asked { reason, until: now.plus(rails.approval_ttl) };
            return lane.event(index, event, Beside::default()).await;
        }
        Err(CommitError::LimitReached { key, frees }) => {
            let reason = Reason::LimitReached { limit: key };
            return lane.event(index, ActionEvent::Parked { reason, until: frees }, Beside::default()).await;
        }
        Err(CommitError::Paused(by)) => return paused(lane, index, by).await,
        Err(CommitError::Stale) => {
            let event = ActionEvent::Parked { reason: Reason::FactsTooOld, until: now.plus(SLOW_READS_REST) };
            return lane.event(index, event, Beside::default()).await;
        }
        Err(error) => return Err(error.into()),
    };
    lane.moved(index, record, event.name());
    let place = Place::Route(route, lane.actions[index].record.action.key.intent.verb);
    let answered = lane.context.crowds.during(place, &*lane.context.clock, effector.apply(begun)).await;
    answer(lane, index, route, answered).await
}

/// Writes what became of a call.
async fn answer(lane: &mut Lane<'_>, index: usize, route: Route, answered: Answered) -> Result<(), StepError> {
    let now = lane.now();
    let first_look = lane.context.timings.looks.first().copied().unwrap_or_default();
    let failure = match answered {
        Answered::Accepted { correlation } => {
            let event = ActionEvent::Answered { correlation, look_at: now.plus(first_look) };
            return lane.event(index, event, Beside::default()).await;
        }
        Answered::Failed(failure) => failure,
    };
    let record = &lane.actions[index].record;
    let (action, attempt) = (record.action.clone(), record.tries());
    let uncharge = if failure.sent == Sent::No { vec![action.id] } else { Vec::new() };
    let event = match after_failure(&failure, attempt, record.idle, now) {
        Move::Again(again) if failure.sent == Sent::No => {
            let again = lane.context.asleep.sleeps(lane.claim.lane(), &failure, again, now);
            ActionEvent::NotSent { failure, again }
        }
        Move::Again(again) => ActionEvent::Refused { failure, again },
        Move::Look => {
            let conclusive = offer::conclusive_after(action.key.intent.verb, route);
            ActionEvent::AnswerLost {
                failure: Some(failure),
                look_at: now.plus(first_look),
                conclusive_at: now.plus(conclusive),
            }
        }
        Move::GiveUp => {
            let reason = if attempt > 1 {
                Reason::GaveUp { attempts: attempt, last: Box::new(failure) }
            } else {
                Reason::Refused { failure: Box::new(failure) }
            };
            ActionEvent::Settled { outcome: Outcome { kind: OutcomeKind::Failed, proof: None, reason }, follow: None }
        }
    };
    // A retry keeps its charge: it is the same action. Only an end without any call gives it back, but not to a burst:
    // the account was to be acted on all the same.
    let uncharge = if matches!(event, ActionEvent::Settled { .. }) { uncharge } else { Vec::new() };
    lane.event(index, event, Beside { uncharge, ..Beside::default() }).await
}
