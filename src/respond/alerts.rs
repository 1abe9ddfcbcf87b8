//! Alert lanes: wait for what is missing, gather the case, plan, record.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use futures::StreamExt;
use futures::stream;

use serde::Deserialize as _;

use crate::decide::case::{Case, CaseAccount};
use crate::decide::plan::{Plan, plan};
use crate::decide::ready::{Ready, ready, unwitnessed};
use crate::decide::roles::roles;
use crate::journal::batch::{Batch, StreamWrite, Wake};
use crate::journal::lane::{Claim, LaneKey};
use crate::journal::{Fault, Journal, Loaded, Signal, StoredStream};
use crate::model::account::Role;
use crate::model::action::{Action, Mode};
use crate::model::alert::{NamedAccount, Sighting};
use crate::model::failure::Failure;
use crate::model::id::{ActionId, AlertId};
use crate::model::reason::Reason;
use crate::model::time::At;
use crate::playbook::{Entry, RuleTable};
use crate::record::action::{ActionEvent, ActionRecord, First, Step};
use crate::record::alert::{AlertEvent, AlertPhase, AlertRecord};
use crate::record::event::{StreamKey, StreamKind};
use crate::record::retry::ask_again;
use crate::record::signal::Wish;

use super::fair;
use super::gather::{self, Reach, Unknown};
use super::listener::News;
use super::names;
use super::notes::LONG_HELD;
use super::write::{self, RIPOSTE, Stored};
use super::{Context, StepError};

/// An Okta whose answer is no answer is asked again after this.
const OKTA_AGAIN: Duration = Duration::from_secs(600);

/// One pass over an alert. Returns when to come back, if not woken before.
pub(super) async fn step(context: &Context, claim: &Claim, loaded: &Loaded) -> Result<Option<At>, StepError> {
    let Some(stream) = loaded.streams.iter().find(|stream| stream.key.kind == StreamKind::Alert) else {
        return Ok(None);
    };
    let stored: Stored<AlertRecord> = write::read(stream)?;
    let now = context.clock.now();
    match &stored.record.phase {
        AlertPhase::Waiting { again, .. } if *again > now && !is_let_go(context, claim, &stored.record) => {
            return Ok(Some(*again));
        }
        AlertPhase::Seen | AlertPhase::Waiting { .. } => {}
        AlertPhase::Planned | AlertPhase::Merged { .. } | AlertPhase::Unreadable { .. } => return Ok(None),
    }
    context.asleep.sleeps_no_more(claim.lane());
    let table = context.rules.now();
    let entry = identify(&stored.record, &table);
    let rules: Vec<_> = entry.map(|entry| table.matching(entry).collect()).unwrap_or_default();
    let Some(entry) = entry.filter(|_| !rules.is_empty()) else {
        return unanswered(context, claim, &stored, entry, now).await;
    };
    let boldest = rules.iter().map(|rule| table.mode(rule)).max().unwrap_or(Mode::Simulate);
    if let Ready::Wait { reason, again } = ready(&stored.record, boldest, &context.rails, now) {
        let event = AlertEvent::Waiting { reason, again, since: None };
        commit(context, claim, &stored, &[event], Batch::default(), now).await?;
        return Ok(Some(again));
    }
    let unread_since = unread_since(context, &stored, now).await?;
    let is_old = now.since(stored.record.last_activity()) > context.rails.max_age;
    // Without Okta the others go on, so however it fails it is asked again.
    let okta = |failure: &Failure| Reach::All.after(failure, context).map(|_| now.plus(OKTA_AGAIN));
    let later = |failure: &Failure| {
        let again = ask_again(failure, unread_since, now).or_else(|| okta(failure)).filter(|_| !is_old)?;
        Some(context.asleep.sleeps(claim.lane(), failure, again, now))
    };
    let mut answer = accounts(context, &stored.record, entry, Reach::All, &later).await;
    let mut unasked = None;
    if let Err((failure, again)) = &answer
        && now.since(unread_since) >= LONG_HELD
        && let Some(reach) = Reach::All.after(failure, context)
    {
        unasked = Some((failure.clone(), *again));
        answer = accounts(context, &stored.record, entry, reach, &later).await;
    }
    let accounts = match answer {
        Ok(accounts) => accounts,
        Err((failure, again)) => {
            let reason = Reason::Refused { failure: Box::new(failure) };
            let event = AlertEvent::Waiting { reason, again, since: Some(unread_since) };
            // What lasts is told.
            let tell = Wake { lane: LaneKey::notes(stored.record.id), at: unread_since.plus(LONG_HELD).max(now) };
            commit(context, claim, &stored, &[event], Batch { wakes: vec![tell], ..Batch::default() }, now).await?;
            return Ok(Some(again));
        }
    };
    // What Okta's answer will change is planned when it comes.
    let again = unasked.as_ref().map(|(_, again)| *again);
    let waits = unasked.map(|(failure, again)| AlertEvent::Waiting {
        reason: Reason::Refused { failure: Box::new(failure) },
        again,
        since: Some(unread_since),
    });
    let case = Case { alert: &stored.record, entry, accounts, now };
    let known = known_actions(context, &stored.record).await?;
    let plan = plan(&case, &table, &context.rails).adopt(&known);
    settle(context, claim, &stored, entry, plan, waits, now).await?;
    Ok(again)
}

/// Since when nobody could be asked who its accounts are. A row that came meanwhile changes nothing about that.
async fn unread_since(context: &Context, stored: &Stored<AlertRecord>, now: At) -> Result<At, StepError> {
    if let Some((since, _)) = stored.record.unasked() {
        return Ok(since);
    }
    if stored.n <= 1 || stored.record.phase != AlertPhase::Seen {
        return Ok(now);
    }
    let events = context.journal.events(&StreamKey::alert(stored.record.id)).await?;
    for event in events.iter().rev() {
        match AlertEvent::deserialize(&event.entry.payload) {
            Ok(AlertEvent::Waiting { reason: Reason::Refused { .. }, since: Some(since), .. }) => return Ok(since),
            Ok(AlertEvent::Seen { .. } | AlertEvent::Untold(_) | AlertEvent::Located { .. }) => {}
            Ok(
                AlertEvent::Waiting { .. }
                | AlertEvent::Planned { .. }
                | AlertEvent::Unreadable { .. }
                | AlertEvent::Merged { .. }
                | AlertEvent::Absorbed(_),
            )
            | Err(_) => break,
        }
    }
    Ok(now)
}

/// Whether somebody answers again who was asked in vain who its accounts are. Said once.
fn is_let_go(context: &Context, claim: &Claim, alert: &AlertRecord) -> bool {
    let is_awake = context.asleep.is_awake(claim.lane());
    context.asleep.is_up(claim.lane());
    is_awake && alert.unasked().is_some()
}

/// Which kind of alert it is, by whichever source names it best.
#[must_use]
pub fn identify<'a>(alert: &AlertRecord, rules: &'a RuleTable) -> Option<&'a Entry> {
    alert.believed().find_map(|seen| rules.entry_of(seen)).map(AsRef::as_ref)
}

/// The alert that a sighting belongs to, where the journal knows it; by the surest of its names.
///
/// # Errors
/// When the journal cannot be read.
pub async fn known_as(journal: &dyn Journal, sighting: &Sighting) -> Result<Option<AlertId>, Fault> {
    let lookups: Vec<String> = names::lookups(sighting).collect();
    Ok(journal.aliases(&lookups).await?.first().map(|(_, id)| *id))
}

/// No rule answers it: said once, and nothing is written to the incident.
async fn unanswered(
    context: &Context,
    claim: &Claim,
    stored: &Stored<AlertRecord>,
    entry: Option<&Entry>,
    now: At,
) -> Result<Option<At>, StepError> {
    let event = AlertEvent::Planned {
        catalogue: entry.map(|entry| entry.id.clone()),
        rules: Vec::new(),
        actions: Vec::new(),
        decided: Vec::new(),
        unwitnessed_allowed: false,
    };
    commit(context, claim, stored, &[event], Batch::default(), now).await?;
    Ok(None)
}

/// Who is in the alert, and as what. Bait and people nobody will act on are not looked up. `later` says when
/// to ask again after a failure, if it is worth that; the failure that is comes back with it.
async fn accounts(
    context: &Context,
    alert: &AlertRecord,
    entry: &Entry,
    reach: Reach,
    later: &(impl Fn(&Failure) -> Option<At> + Sync),
) -> Result<Vec<CaseAccount>, (Failure, At)> {
    let named: Vec<NamedAccount> = alert.accounts().ok().flatten().unwrap_or_default();
    let roles = roles(alert, entry, &named);
    let too_many = named.len() > context.rails.max_accounts;
    let cases = named.into_iter().zip(roles).map(|(named, role)| async move {
        let skip = too_many || matches!(role, Role::Bait | Role::Unknown);
        let who = if skip {
            Err(Reason::RoleUnknown)
        } else {
            known(gather::person(context, &named.hint, reach).await, later)?
        };
        Ok(CaseAccount { named, role, who })
    });
    stream::iter(cases).buffered(4).collect::<Vec<_>>().await.into_iter().collect()
}

fn known<T>(
    answer: Result<T, Unknown>,
    later: impl Fn(&Failure) -> Option<At>,
) -> Result<Result<T, Reason>, (Failure, At)> {
    match answer {
        Ok(person) => Ok(Ok(person)),
        Err(Unknown::Refused(reason)) => Ok(Err(reason)),
        // What is not waited for is an answer that people must see.
        Err(Unknown::Unasked(failure)) => match later(&failure) {
            Some(again) => Err((failure, again)),
            None => Ok(Err(Reason::Refused { failure: Box::new(failure) })),
        },
    }
}

/// Writes the plan: the alert's event, new actions, and the lanes that have something to do; and what it still waits for.
async fn settle(
    context: &Context,
    claim: &Claim,
    stored: &Stored<AlertRecord>,
    entry: &Entry,
    plan: Plan,
    waits: Option<AlertEvent>,
    now: At,
) -> Result<(), StepError> {
    // What Okta is not asked about may still be wanted. All of this counts together with the plan, or not at all.
    let signals = if waits.is_none() { withdrawals(context, stored, &plan, now).await? } else { Vec::new() };
    let mut batch = Batch { signals, ..Batch::default() };
    let mut news: Vec<(ActionRecord, &'static str)> = Vec::new();
    let actions: Vec<_> = plan.actions.iter().map(|(action, _)| action.id).collect();
    let lanes: BTreeMap<String, LaneKey> = plan
        .actions
        .iter()
        .map(|(action, _)| (action.key.account.to_string(), LaneKey::account(&action.key.account)))
        .collect();
    for (action, first) in plan.actions {
        if let Some((write, record)) = planned(context, action, first, now).await? {
            news.push((record, "planned"));
            batch.writes.push(write);
        }
    }
    let at = fair::decided(&stored.record, now);
    batch.wakes.extend(lanes.into_values().map(|lane| Wake { lane, at }));
    batch.wakes.push(Wake { lane: LaneKey::notes(stored.record.id), at: now });
    let bold = news.iter().any(|(record, _)| record.action.mode != Mode::Simulate);
    let unwitnessed_allowed =
        bold && !stored.record.is_witnessed() && unwitnessed(&stored.record, &context.rails).is_none();
    let event = AlertEvent::Planned {
        catalogue: Some(entry.id.clone()),
        rules: plan.rules,
        actions,
        decided: plan.decided,
        unwitnessed_allowed,
    };
    let events: Vec<AlertEvent> = std::iter::once(event).chain(waits).collect();
    commit(context, claim, stored, &events, batch, now).await?;
    for (action, event) in &news {
        context.listener.hear(&News::ActionStands { action, event });
    }
    Ok(())
}

/// What was done for the alert, where some of it was done for an alert that turned out to be the same.
async fn known_actions(context: &Context, alert: &AlertRecord) -> Result<Vec<ActionRecord>, StepError> {
    let mut known = Vec::new();
    if alert.absorbed.is_empty() {
        return Ok(known);
    }
    for action in alert.all_actions() {
        let Some(stream) = context.journal.stream(&StreamKey::action(action)).await? else { continue };
        known.push(write::read::<ActionRecord>(&stream)?.record);
    }
    Ok(known)
}

/// The alert, or the one that it turned out to be.
pub(super) async fn standing(context: &Context, id: AlertId) -> Result<Option<AlertRecord>, StepError> {
    let mut id = id;
    let mut met = BTreeSet::new();
    while met.insert(id) {
        let Some(stream) = context.journal.stream(&StreamKey::alert(id)).await? else { return Ok(None) };
        let alert: Stored<AlertRecord> = write::read(&stream)?;
        let AlertPhase::Merged { into } = alert.record.phase else { return Ok(Some(alert.record)) };
        id = into;
    }
    Err(super::broken(&StreamKey::alert(id), &"it is merged in a circle").into())
}

/// What the lanes of actions are told that an earlier plan wanted and this one does not.
async fn withdrawals(
    context: &Context,
    stored: &Stored<AlertRecord>,
    plan: &Plan,
    now: At,
) -> Result<Vec<Signal>, StepError> {
    let mut signals = Vec::new();
    let wanted = |id: &ActionId| plan.actions.iter().any(|(action, _)| action.id == *id);
    for action in stored.record.all_actions().into_iter().filter(|id| !wanted(id)) {
        let Some(stream) = context.journal.stream(&StreamKey::action(action)).await? else { continue };
        if !stream.open {
            continue;
        }
        signals.push(Signal {
            source_key: format!("withdraw:{action}:{}", stored.record.revision),
            lane: stream.lane,
            body: serde_json::json!(Wish::Withdraw { action }),
            at: now,
        });
    }
    Ok(signals)
}

/// A new action, or one that was withheld or simulated and is decided on anew; nothing where it
/// exists already, whatever its state.
async fn planned(
    context: &Context,
    action: Action,
    first: First,
    now: At,
) -> Result<Option<(StreamWrite, ActionRecord)>, StepError> {
    let known: Option<StoredStream> = context.journal.stream(&StreamKey::action(action.id)).await?;
    let event = ActionEvent::Planned { action: Box::new(action.clone()), first: first.clone() };
    let Some(stream) = known else {
        let record = ActionRecord::planned(action, first, now);
        return Ok(Some((write::action(&record, 0, &[event], RIPOSTE, now)?, record)));
    };
    let stored: Stored<ActionRecord> = write::read(&stream)?;
    let before = stored.record.clone();
    let step = stored
        .record
        .apply(&event, now)
        .map_err(|error| super::broken(&StreamKey::action(before.action.id), &error))?;
    match step {
        Step::To(record) if stands_otherwise(&record, &before) => {
            Ok(Some((write::action(&record, stored.n, &[event], RIPOSTE, now)?, *record)))
        }
        Step::To(_) | Step::Moot(_) => Ok(None),
    }
}

fn stands_otherwise(record: &ActionRecord, before: &ActionRecord) -> bool {
    let stands = |record: &ActionRecord| (record.state.name(), record.reason(), record.would.clone());
    stands(record) != stands(before)
}

async fn commit(
    context: &Context,
    claim: &Claim,
    stored: &Stored<AlertRecord>,
    events: &[AlertEvent],
    mut batch: Batch,
    now: At,
) -> Result<(), StepError> {
    let record = events.iter().fold(stored.record.clone(), AlertRecord::apply);
    batch.writes.push(write::alert(&record, stored.n, events, now)?);
    context.journal.commit(claim, batch).await?;
    context.listener.hear(&News::AlertStands { alert: &record });
    Ok(())
}
