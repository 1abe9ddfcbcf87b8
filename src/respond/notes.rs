//! Incident lanes: find the incident of an alert, write what happened, once.

use std::collections::BTreeSet;
use std::time::Duration;

use crate::connect::port::{Answered, Incidents, Urgency};
use crate::journal::batch::{Batch, Wake};
use crate::journal::lane::{Claim, LaneKey};
use crate::journal::{Filter, NoteToWrite, Quarantined};
use crate::model::failure::Failure;
use crate::model::id::{ActionId, AlertId};
use crate::model::incident::Incident;
use crate::model::outcome::OutcomeKind;
use crate::model::reason::Reason;
use crate::model::scope::WorkspaceKey;
use crate::model::text::clip;
use crate::model::time::At;
use crate::record::action::{ActionRecord, ActionState};
use crate::record::alert::{AlertEvent, AlertPhase, AlertRecord, Untold};
use crate::record::event::{StreamKey, StreamKind};
use crate::record::note::{NoteEvent, NoteKey, NotePhase, NoteRecord, NoteState, Story, Told, due, may_have_written};
use crate::record::retry::{RETRY_AFTER_CEILING, ask_again, costs_no_try, delay};

use super::compose;
use super::listener::News;
use super::write::{self, Stored};
use super::{Context, StepError};

/// An incident that is not there yet is looked for again at this pace; it lags its alert by minutes.
const LOCATE_AGAIN: Duration = Duration::from_secs(60);
/// Sentinel holds 100 comments an incident; so many are left to people.
const COMMENTS_OF_OURS: u32 = 80;
/// A note that could not be posted so often is given up.
const MAX_POSTS: u32 = 10;
/// Why nothing could be told.
const NO_INCIDENT: &str = "no incident of this alert was found in any workspace, so no comment was written";
/// What is held up for longer than this counts as resting: the note says that it waits.
pub(super) const LONG_HELD: Duration = Duration::from_secs(300);

/// An action that was planned no longer ago than this may still turn out to be a question.
const JUST_BEGUN: Duration = Duration::from_secs(5);
/// So long is waited for it at a time.
const GATHER: Duration = Duration::from_secs(1);

/// One pass over the notes of an alert. Returns when to come back, if not woken before.
pub(super) async fn step(context: &Context, claim: &Claim) -> Result<Option<At>, StepError> {
    if context.rails.dry_run {
        return Ok(None);
    }
    let now = context.clock.now();
    let Ok(alert) = claim.lane().key.parse::<AlertId>() else { return Ok(None) };
    let Some(stream) = context.journal.stream(&StreamKey::alert(alert)).await? else { return Ok(None) };
    let alert: Stored<AlertRecord> = write::read(&stream)?;
    let notes = notes(context, claim.lane()).await?;
    if let Some(open) = notes.iter().find(|note| note.record.is_open()) {
        return match open.record.state {
            NoteState::Waiting { at, .. } if at > now && !is_let_go(context, claim, &open.record) => Ok(Some(at)),
            NoteState::Waiting { .. } | NoteState::Begun => match open.record.in_doubt_until() {
                Some(until) if until > now => Ok(Some(until)),
                _ => {
                    context.asleep.sleeps_no_more(claim.lane());
                    post(context, claim, open).await
                }
            },
            NoteState::Posted { .. } | NoteState::GivenUp { .. } => Ok(None),
        };
    }
    match alert.record.phase {
        // What waits for a person is told also while a later look at the alert has to wait.
        AlertPhase::Planned => {}
        AlertPhase::Waiting { .. } if alert.record.revision > 0 || waits_long(&alert.record, now) => {}
        // Its actions are told by the alert that it turned out to be.
        AlertPhase::Merged { into } => {
            let wakes = vec![Wake { lane: LaneKey::notes(into), at: now }];
            context.journal.commit(claim, Batch { wakes, ..Batch::default() }).await?;
            return Ok(None);
        }
        AlertPhase::Seen | AlertPhase::Waiting { .. } | AlertPhase::Unreadable { .. } => return Ok(None),
    }
    let actions = actions(context, &alert.record).await?;
    let stuck = stuck(context, &actions).await?;
    let story = story(&alert.record, &actions, &stuck, now);
    let number = notes.len() + 1;
    let mut records: Vec<NoteRecord> = notes.into_iter().map(|note| note.record).collect();
    records.extend(asked_elsewhere(context, &alert.record).await?);
    let Some((phase, round)) = due(&story, &records) else { return Ok(None) };
    if phase == NotePhase::Asks && actions.iter().any(|record| has_just_begun(record, now)) {
        return Ok(Some(now.plus(GATHER)));
    }
    if alert.record.is_ours_alone() {
        context.listener.hear(&News::NoIncident { alert: &alert.record, asks: phase == NotePhase::Asks });
        return Ok(None);
    }
    context.asleep.sleeps_no_more(claim.lane());
    let (workspace, incident) = match Urgency::Tell.of(incident(context, claim, &alert, now)).await? {
        Found::There(workspace, incident) => (workspace, *incident),
        Found::Later(again, failure) => {
            untold(context, claim, &alert, failure.to_string(), now).await?;
            return Ok(Some(context.asleep.sleeps(claim.lane(), &failure, again, now)));
        }
        Found::Nowhere => {
            let again = locate_later(context, &alert.record, now);
            if again.is_none() || now.since(alert.record.first_seen) >= LONG_HELD {
                untold(context, claim, &alert, NO_INCIDENT.to_owned(), now).await?;
            }
            return Ok(again);
        }
    };
    let key = NoteKey { tenant: alert.record.tenant, alert: alert.record.id, phase, round };
    let told = match phase {
        NotePhase::Waits => story.waits,
        NotePhase::Asks => story.asks,
        NotePhase::Rests => story.rests,
    };
    let about = compose::About { alert: &alert.record, actions: &actions, stuck: &stuck, number };
    let text = compose::compose(&about, phase, round, incident.incident.room());
    let fresh = Fresh { key, incident, told, text };
    begin(context, claim, workspace, fresh, now).await
}

/// Whether somebody answers again to whom a note never left. One that may stand there waits until that is known.
fn is_let_go(context: &Context, claim: &Claim, note: &NoteRecord) -> bool {
    let is_awake = context.asleep.is_awake(claim.lane());
    context.asleep.is_up(claim.lane());
    let NoteState::Waiting { reason: Reason::Refused { failure }, .. } = &note.state else { return false };
    is_awake && failure.never_left()
}

/// Writes down, once, why an incident has no comment that is due: `status` tells it.
async fn untold(
    context: &Context,
    claim: &Claim,
    alert: &Stored<AlertRecord>,
    why: String,
    now: At,
) -> Result<(), StepError> {
    if alert.record.untold.is_some() {
        return Ok(());
    }
    let event = AlertEvent::Untold(Untold { since: now, why: clip(&why, 600) });
    let record = alert.record.clone().apply(&event);
    let writes = vec![write::alert(&record, alert.n, &[event], now)?];
    context.journal.commit(claim, Batch { writes, ..Batch::default() }).await?;
    Ok(())
}

/// Whether an action was planned a moment ago and has not been looked at yet: it may be a question as well, and two
/// questions of one alert are one comment.
fn has_just_begun(record: &ActionRecord, now: At) -> bool {
    let begins = matches!(record.state, ActionState::Ready { held: None, .. });
    begins && record.planned_at <= now && now.since(record.planned_at) < JUST_BEGUN
}

/// All notes of a lane, posted ones too.
async fn notes(context: &Context, lane: &LaneKey) -> Result<Vec<Stored<NoteRecord>>, StepError> {
    let filter = Filter { kind: Some(StreamKind::Note), lanes: vec![lane.clone()], ..Filter::default() };
    let streams = context.journal.streams(&filter).await?;
    Ok(streams.iter().map(write::read).collect::<Result<_, _>>()?)
}

/// Questions that an alert which turned out to be this one has asked in the same incident.
async fn asked_elsewhere(context: &Context, alert: &AlertRecord) -> Result<Vec<NoteRecord>, StepError> {
    let mut asked = Vec::new();
    let Some(here) = alert.incident.as_ref().map(|known| &known.incident) else { return Ok(asked) };
    for absorbed in &alert.absorbed {
        let notes = notes(context, &LaneKey::notes(absorbed.alert)).await?;
        let notes = notes.into_iter().map(|note| note.record);
        asked.extend(notes.filter(|note| note.key.phase == NotePhase::Asks && note.incident.is(here)));
    }
    Ok(asked)
}

/// The actions of the alert and of those that turned out to be it, and what puts them back, as they stand at one moment: what
/// puts back and what was put back change together.
async fn actions(context: &Context, alert: &AlertRecord) -> Result<Vec<ActionRecord>, StepError> {
    let mut wanted: Vec<ActionId> = alert.all_actions();
    loop {
        let keys: Vec<StreamKey> = wanted.iter().map(|id| StreamKey::action(*id)).collect();
        let mut records: Vec<ActionRecord> = Vec::new();
        for stream in context.journal.together(&keys).await? {
            let stored: Stored<ActionRecord> = write::read(&stream)?;
            records.push(stored.record);
        }
        let known = wanted.len();
        for by in records.iter().filter_map(|record| record.reverted_by) {
            if !wanted.contains(&by) {
                wanted.push(by);
            }
        }
        if wanted.len() == known {
            return Ok(records);
        }
    }
}

/// The lanes in quarantine in which some of these actions stand still, one that is to be put back too.
async fn stuck(context: &Context, actions: &[ActionRecord]) -> Result<Vec<Quarantined>, StepError> {
    let mut stuck = context.journal.quarantined().await?;
    stuck.retain(|quarantined| actions.iter().any(|record| stands_still(record, quarantined)));
    Ok(stuck)
}

fn stands_still(record: &ActionRecord, quarantined: &Quarantined) -> bool {
    record.is_open() && quarantined.lane == LaneKey::account(&record.action.key.account)
}

/// Whether nobody could be asked who its accounts are for so long that people must know.
fn waits_long(alert: &AlertRecord, now: At) -> bool {
    alert.unasked().is_some_and(|(since, _)| now.since(since) >= LONG_HELD)
}

fn story(alert: &AlertRecord, actions: &[ActionRecord], stuck: &[Quarantined], now: At) -> Story {
    let mut story = Story::default();
    if waits_long(alert, now) {
        // Once is enough, however often it is asked in vain.
        let action = ActionId::derive(&["waits", &alert.id.to_string()]);
        story.waits.push(Told { action, status: "waits".to_owned() });
    }
    let (mut behind, mut held_long) = (Vec::new(), false);
    for record in actions {
        if let Some(quarantined) = stuck.iter().find(|quarantined| stands_still(record, quarantined)) {
            // Each time it happens is a new thing to tell.
            let status = format!("quarantined: {}", quarantined.since);
            story.asks.push(Told { action: record.action.id, status });
            continue;
        }
        // A new question about the same action is a new thing to tell.
        let status = match record.status() {
            "waiting" => format!("waiting: {}", record.reason().code()),
            status => status.to_owned(),
        };
        let told = Told { action: record.action.id, status };
        match record.status() {
            "waiting" => story.asks.push(told),
            "parked" | "verifying" if record.is_held_longer(LONG_HELD, now) => {
                held_long = true;
                story.rests.push(told);
            }
            "parked" if record.waits_for_another() => behind.push(told),
            "parked" | "running" | "verifying" => story.moving += 1,
            _ => story.rests.push(told),
        }
    }
    // What waits for an action that is held up is held up as well.
    if held_long && story.moving == 0 {
        story.rests.extend(behind);
    } else {
        story.moving += behind.len();
    }
    let decided = alert.decided.iter().map(|decided| Told { action: decided.id, status: "withheld".to_owned() });
    story.rests.extend(decided);
    story
}

/// The alert's incident, from what is known or by asking; recorded when found.
async fn incident(context: &Context, claim: &Claim, alert: &Stored<AlertRecord>, now: At) -> Result<Found, StepError> {
    let names = alert.record.names();
    for (workspace, port) in &context.incidents {
        let located = match &alert.record.incident {
            Some(known) if known.incident.workspace() == *workspace => port.read(&known.incident).await,
            Some(_) => continue,
            None => port.locate(&names).await,
        };
        match located {
            Ok(Some(incident)) => {
                let known = alert.record.incident.as_ref().map(|known| &known.incident);
                if known != Some(&incident.incident) || alert.record.untold.is_some() {
                    let event = AlertEvent::Located { incident: Box::new(incident.clone()) };
                    let record = alert.record.clone().apply(&event);
                    let batch =
                        Batch { writes: vec![write::alert(&record, alert.n, &[event], now)?], ..Batch::default() };
                    context.journal.commit(claim, batch).await?;
                }
                return Ok(Found::There(*workspace, Box::new(incident)));
            }
            Ok(None) => {}
            Err(failure) => {
                context.listener.hear(&News::NoteFailed {
                    alert: alert.record.id,
                    why: failure.to_string(),
                    last: false,
                });
                let since = alert.record.untold.as_ref().map_or(now, |untold| untold.since);
                let again = ask_again(&failure, since, now).unwrap_or_else(|| now.plus(RETRY_AFTER_CEILING));
                return Ok(Found::Later(again, Box::new(failure)));
            }
        }
    }
    Ok(Found::Nowhere)
}

/// What is known of an alert's incident.
enum Found {
    /// Here it is.
    There(WorkspaceKey, Box<Incident>),
    /// Nobody could be asked; again at.
    Later(At, Box<Failure>),
    /// There is none, or none yet.
    Nowhere,
}

fn locate_later(context: &Context, alert: &AlertRecord, now: At) -> Option<At> {
    let waited = now.since(alert.first_seen);
    if waited > context.timings.incident_wait || context.incidents.is_empty() {
        let why = NO_INCIDENT.to_owned();
        context.listener.hear(&News::NoteFailed { alert: alert.id, why, last: true });
        return None;
    }
    Some(now.plus(LOCATE_AGAIN.max(waited / 10)))
}

/// A note that is due.
struct Fresh {
    key: NoteKey,
    incident: Incident,
    told: Vec<Told>,
    text: String,
}

async fn begin(
    context: &Context,
    claim: &Claim,
    workspace: WorkspaceKey,
    fresh: Fresh,
    now: At,
) -> Result<Option<At>, StepError> {
    let event = NoteEvent::Begun {
        key: fresh.key,
        incident: fresh.incident.incident.clone(),
        text: fresh.text,
        covers: fresh.told,
    };
    if fresh.incident.comments.is_some_and(|comments| comments >= COMMENTS_OF_OURS) {
        let Some(record) = NoteRecord::apply(None, &event, now) else { return Ok(None) };
        let reason =
            Reason::LimitReached { limit: format!("{COMMENTS_OF_OURS} comments an incident; the rest is people's") };
        context.listener.hear(&News::NoteFailed { alert: record.key.alert, why: reason.to_string(), last: true });
        let given_up = NoteEvent::GivenUp { reason };
        let Some(end) = NoteRecord::apply(Some(record), &given_up, now) else { return Ok(None) };
        let batch = Batch { writes: vec![write::note(&end, 0, &[event, given_up], now)?], ..Batch::default() };
        context.journal.commit(claim, batch).await?;
        return Ok(None);
    }
    send(context, claim, workspace, None, event).await
}

/// Posts a note again whose first posting nobody knows about: its comment has the note's own id, or is looked for by it.
async fn post(context: &Context, claim: &Claim, open: &Stored<NoteRecord>) -> Result<Option<At>, StepError> {
    let note = &open.record;
    let event = NoteEvent::Begun {
        key: note.key.clone(),
        incident: note.incident.clone(),
        text: note.text.clone(),
        covers: note.covers.clone(),
    };
    send(context, claim, note.incident.workspace(), Some(open), event).await
}

/// Writes the intention, posts, writes the answer.
async fn send(
    context: &Context,
    claim: &Claim,
    workspace: WorkspaceKey,
    before: Option<&Stored<NoteRecord>>,
    event: NoteEvent,
) -> Result<Option<At>, StepError> {
    // The doubt about a comment counts from here, not from when its incident was looked for.
    let now = context.clock.now();
    let n = before.map_or(0, |note| note.n);
    let before = before.map(|note| note.record.clone());
    let Some(record) = NoteRecord::apply(before, &event, now) else { return Ok(None) };
    let Some(port) = context.incidents.get(&workspace) else {
        tracing::warn!(%workspace, "a comment waits for a workspace that is not in the settings any more; put it back, or it is never written");
        return Ok(Some(now.plus(RETRY_AFTER_CEILING)));
    };
    let to_write = NoteToWrite { id: record.key.id(), incident: record.incident.clone(), text: record.text.clone() };
    let batch = Batch { writes: vec![write::note(&record, n, &[event], now)?], ..Batch::default() };
    let begun = context.journal.begin_note(claim, to_write, batch).await?;
    let answered = port.post(begun).await;
    // Behind the comment, for a slow label must not outlast the permission to post; before it is recorded, so that a
    // death in between repeats both.
    if matches!(record.key.phase, NotePhase::Rests) && matches!(answered, Answered::Accepted { .. }) {
        tag(context, port.as_ref(), &record).await?;
    }
    let now = context.clock.now();
    let (event, again) = match answered {
        Answered::Accepted { .. } => {
            context.listener.hear(&News::NotePosted { alert: record.key.alert, text: &record.text });
            // Look once more: something may have changed while the note was written.
            (NoteEvent::Posted, Some(now))
        }
        Answered::Failed(failure) => {
            let pause = failure.retry_after().unwrap_or_else(|| delay(record.attempts)).min(RETRY_AFTER_CEILING);
            // It may stand there, though it does not show yet.
            let doubt = record.incident.doubt().filter(|_| may_have_written(&failure)).unwrap_or_default();
            let pause = pause.max(doubt);
            // What provably wrote nothing passes, or is mended; what the note tells does not.
            let last = record.attempts >= MAX_POSTS && !costs_no_try(&failure);
            context.listener.hear(&News::NoteFailed { alert: record.key.alert, why: failure.to_string(), last });
            let mut at = now.plus(pause);
            if failure.never_left() {
                at = context.asleep.sleeps(claim.lane(), &failure, at, now);
            }
            let elsewhere = record.another_route(&failure);
            let reason = Reason::Refused { failure: Box::new(failure) };
            if let Some(incident) = elsewhere {
                (NoteEvent::Rerouted { incident, reason }, Some(now))
            } else if last {
                (NoteEvent::GivenUp { reason }, None)
            } else {
                (NoteEvent::Again { reason, at }, Some(at))
            }
        }
    };
    let Some(after) = NoteRecord::apply(Some(record), &event, now) else { return Ok(None) };
    let batch = Batch { writes: vec![write::note(&after, n + 1, &[event], now)?], ..Batch::default() };
    context.journal.commit(claim, batch).await?;
    Ok(again)
}

/// Labels the incident as the rules want it that answered the alert: those of which something is in place by now. A
/// label that stands already is left alone, so this may be repeated; one that cannot be written is said, and holds no
/// comment up.
async fn tag(context: &Context, port: &dyn Incidents, note: &NoteRecord) -> Result<(), StepError> {
    let Some(stream) = context.journal.stream(&StreamKey::alert(note.key.alert)).await? else { return Ok(()) };
    let alert: Stored<AlertRecord> = write::read(&stream)?;
    let mut answered: BTreeSet<String> = BTreeSet::new();
    for action in actions(context, &alert.record).await? {
        let in_place = action
            .outcome()
            .is_some_and(|outcome| matches!(outcome.kind, OutcomeKind::Effective | OutcomeKind::AlreadyEffective));
        if in_place && action.action.key.reverts.is_none() {
            answered.extend(action.action.wanted_by.into_iter().map(|by| by.rule));
        }
    }
    let table = context.rules.now();
    let rules = answered.iter().filter_map(|name| table.rule(name));
    let tags = rules.filter_map(|rule| rule.tag.as_ref());
    for tag in tags.collect::<BTreeSet<_>>() {
        if let Answered::Failed(failure) = port.label(&note.incident, tag).await {
            let why = format!("the incident was not labelled {tag}: {failure}");
            context.listener.hear(&News::LabelFailed { alert: note.key.alert, why });
        }
    }
    Ok(())
}
