//! Whether what is kept beside the events of a journal is what they made of it: how things stand, that somebody comes back
//! to what is open, by which names alerts are found, and who holds which effect. A daemon goes by all of these.

use std::fmt::Debug;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize as _, Serialize};
use serde_json::Value;

use crate::journal::batch::EffectKey;
use crate::journal::lane::LaneKey;
use crate::journal::{Fault, Filter, Journal, StoredStream};
use crate::model::id::{ActionId, AlertId};
use crate::model::outcome::{Outcome, OutcomeKind};
use crate::model::reason::Reason;
use crate::model::scope::TenantKey;
use crate::model::text::clip;
use crate::model::time::At;
use crate::record::action::ActionRecord;
use crate::record::alert::{AlertEvent, AlertPhase, AlertRecord};
use crate::record::event::{Entry, StreamKey, StreamKind};
use crate::record::fold::{self, Unfoldable};
use crate::record::next::{Next, next};
use crate::record::note::{NoteRecord, NoteState};

use super::accounts::effect_key;
use super::names;

/// So many streams are read at a time.
const PAGE: u32 = 500;
/// Leases, queues and sleep of directories keep a lane for minutes.
const LATE: Duration = Duration::from_secs(24 * 3_600);
/// A daemon may write between two looks; so often a stream is looked at again.
const LOOKS: usize = 4;

/// Something that is not what the events made of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where.
    pub stream: StreamKey,
    /// What, for people.
    pub what: String,
}

/// Holds everything there is against its events, also while a daemon works. What cannot be read is a difference as well,
/// and hides nothing else but the rest of its kind.
pub async fn audit(journal: &dyn Journal, tenant: TenantKey) -> Vec<Difference> {
    let mut found = Vec::new();
    for kind in StreamKind::ALL {
        let mut after = String::new();
        loop {
            let part =
                Filter { kind: Some(kind), after_id: Some(after.clone()), limit: Some(PAGE), ..Filter::default() };
            let page = match journal.streams(&part).await {
                Ok(page) => page,
                Err(fault) => {
                    found.push(Difference::unreadable(StreamKey { kind, id: format!("after {after:?}") }, &fault));
                    break;
                }
            };
            let Some(last) = page.last() else { break };
            after.clone_from(&last.key.id);
            for stream in page {
                let key = stream.key.clone();
                match settled(journal, tenant, stream).await {
                    Ok(None) => {}
                    Ok(Some(what)) => found.push(Difference { stream: key, what: clip(&what, 600) }),
                    Err(fault) => found.push(Difference::unreadable(key, &fault)),
                }
            }
        }
    }
    let holds = of_holds(journal, &mut found).await;
    if let Err(fault) = holds {
        found.push(Difference::unreadable(
            StreamKey { kind: StreamKind::Action, id: "that hold effects".to_owned() },
            &fault,
        ));
    }
    found
}

impl Difference {
    fn unreadable(stream: StreamKey, fault: &Fault) -> Self {
        Self { stream, what: clip(&format!("it cannot be read: {fault}"), 600) }
    }
}

/// The first difference of a stream that is there at every look.
async fn settled(journal: &dyn Journal, tenant: TenantKey, stream: StoredStream) -> Result<Option<String>, Fault> {
    let mut stream = stream;
    let mut what = None;
    for _ in 0..LOOKS {
        what = difference(journal, tenant, &stream).await?;
        if what.is_none() {
            return Ok(None);
        }
        match journal.stream(&stream.key).await? {
            Some(again) if again.n != stream.n || again.changed_at != stream.changed_at => stream = again,
            // It was removed meanwhile.
            None => return Ok(None),
            Some(_) => break,
        }
    }
    Ok(what)
}

async fn difference(journal: &dyn Journal, tenant: TenantKey, stream: &StoredStream) -> Result<Option<String>, Fault> {
    let events: Vec<Entry> = journal.events(&stream.key).await?.into_iter().map(|event| event.entry).collect();
    // What is missing of them is a broken chain.
    if events.len() != usize::try_from(stream.n).unwrap_or(usize::MAX) {
        return Ok(None);
    }
    match stream.key.kind {
        StreamKind::Alert => {
            let folded = stream.key.id.parse().map(|id| fold::alert(id, tenant, &events));
            let Ok(folded) = folded else { return Ok(Some("its name is no alert's".to_owned())) };
            let stands = |record: &AlertRecord| (record.status(), record.is_open());
            match compared(stream, folded, stands) {
                Err(what) => Ok(Some(what)),
                Ok(record) => of_alert(journal, stream, &record).await,
            }
        }
        StreamKind::Action => {
            let stands = |record: &ActionRecord| (record.status(), record.is_open());
            match compared(stream, fold::action(&events), stands) {
                Err(what) => Ok(Some(what)),
                Ok(record) => of_action(journal, stream, &record).await,
            }
        }
        StreamKind::Note => {
            let stands = |record: &NoteRecord| (record.state.word(), record.is_open());
            match compared(stream, fold::note(&events), stands) {
                Err(what) => Ok(Some(what)),
                Ok(record) => {
                    if let Some(what) = elsewhere(stream, &LaneKey::notes(record.key.alert)) {
                        return Ok(Some(what));
                    }
                    if let Some(what) = without_its_alert(journal, record.key.alert).await? {
                        return Ok(Some(what));
                    }
                    let wanted = match record.state {
                        NoteState::Begun => Some(At::EPOCH),
                        NoteState::Waiting { at, .. } => Some(at),
                        NoteState::Posted { .. } | NoteState::GivenUp { .. } => None,
                    };
                    unscheduled(journal, stream, wanted).await
                }
            }
        }
        // The last event says how it stands.
        StreamKind::Control => Ok(events
            .last()
            .and_then(|last| first_difference(&stream.state, &last.payload, ""))
            .map(|difference| format!("{DIFFERS}: {difference}"))),
    }
}

const DIFFERS: &str = "how it stands is not what its events made of it";

/// The record that the events make, if it is the one that is stored, and stands as the stream's row says.
fn compared<T: DeserializeOwned + Serialize + PartialEq + Debug>(
    stream: &StoredStream,
    folded: Result<T, Unfoldable>,
    stands: impl Fn(&T) -> (&'static str, bool),
) -> Result<T, String> {
    let folded = folded.map_err(|error| format!("its events lead nowhere: {error}"))?;
    let stored = T::deserialize(&stream.state).map_err(|error| format!("how it stands cannot be read: {error}"))?;
    if stored != folded {
        let made = serde_json::to_value(&folded).unwrap_or_default();
        let stored = serde_json::to_value(&stored).unwrap_or_default();
        let difference = first_difference(&stored, &made, "").unwrap_or_default();
        return Err(format!("{DIFFERS}: {difference}"));
    }
    let (label, open) = stands(&folded);
    // What was written before there were labels has none until it moves.
    if stream.open != open || (stream.label != label && !stream.label.is_empty()) {
        let row = format!("{:?}, {}", stream.label, if stream.open { "open" } else { "over" });
        return Err(format!(
            "its row says {row}, and its events made {label:?}, {}",
            if open { "open" } else { "over" }
        ));
    }
    Ok(folded)
}

async fn of_alert(journal: &dyn Journal, stream: &StoredStream, record: &AlertRecord) -> Result<Option<String>, Fault> {
    let claims: Vec<String> = record.sightings.iter().flat_map(names::claims).collect();
    let known = journal.aliases(&claims).await?;
    for claim in &claims {
        let owner = known.iter().find(|(name, _)| name == claim).map(|(_, owner)| *owner);
        let is_its = match owner {
            Some(owner) if owner == record.id => true,
            // One row may have the names of two.
            Some(owner) => has_claimed(journal, owner, claim).await?,
            None => false,
        };
        if !is_its {
            return Ok(Some(format!("its name {claim} does not lead to it, so its next row would be another alert's")));
        }
    }
    if let Some(what) = elsewhere(stream, &LaneKey::alert(record.id)) {
        return Ok(Some(what));
    }
    for action in &record.actions {
        if is_missing(journal, &StreamKey::action(*action)).await? {
            return Ok(Some(format!("it has led to the action {action}, which is missing")));
        }
    }
    let wanted = match &record.phase {
        AlertPhase::Waiting { again, .. } => Some(*again),
        AlertPhase::Seen => Some(At::EPOCH),
        AlertPhase::Planned | AlertPhase::Merged { .. } | AlertPhase::Unreadable { .. } => None,
    };
    unscheduled(journal, stream, wanted).await
}

/// Whether an alert was ever shown by this name.
async fn has_claimed(journal: &dyn Journal, alert: AlertId, name: &String) -> Result<bool, Fault> {
    let events = journal.events(&StreamKey::alert(alert)).await?;
    Ok(events.iter().any(|event| {
        let event = AlertEvent::deserialize(&event.entry.payload);
        matches!(event, Ok(AlertEvent::Seen { sighting }) if names::claims(&sighting).any(|claim| claim == *name))
    }))
}

async fn of_action(
    journal: &dyn Journal,
    stream: &StoredStream,
    record: &ActionRecord,
) -> Result<Option<String>, Fault> {
    if let Some(what) = elsewhere(stream, &LaneKey::account(&record.action.key.account)) {
        return Ok(Some(what));
    }
    if let Some(what) = without_its_alert(journal, record.action.key.alert).await? {
        return Ok(Some(what));
    }
    // Before all time everything is still to be waited for.
    let wanted = match next(record, At::EPOCH) {
        Next::Wait(until) => until,
        Next::Attempt
        | Next::TooLate
        | Next::Expire
        | Next::TakeForLost { .. }
        | Next::LookForLost(_)
        | Next::Verify(_)
        | Next::LookAgain { .. }
        | Next::Revert => Some(At::EPOCH),
    };
    if let Some(what) = unscheduled(journal, stream, wanted).await? {
        return Ok(Some(what));
    }
    let key = effect_key(&record.action);
    if !is_seen(record) || holders(journal, &key).await?.contains(&record.action.id) {
        return Ok(None);
    }
    // A later call for the same lets those go that held it before.
    let since = record.begun_at.or(record.settled_at()).unwrap_or(record.planned_at);
    let filter = Filter { kind: Some(StreamKind::Action), lanes: vec![stream.lane.clone()], ..Filter::default() };
    let others = journal.streams(&filter).await?;
    let mut others = others.iter().filter_map(|other| ActionRecord::deserialize(&other.state).ok());
    let let_go = others.any(|other| {
        let contains = other.action.key.intent.verb.contains() && effect_key(&other.action) == key;
        other.action.id != record.action.id && contains && other.begun_at.is_some_and(|begun| begun > since)
    });
    Ok((!let_go).then(|| format!("it stands, and does not hold {}: an undo of another alert would end it", name(&key))))
}

fn name(key: &EffectKey) -> String {
    format!("{} on {}", key.verb, key.account)
}

async fn holders(journal: &dyn Journal, key: &EffectKey) -> Result<Vec<ActionId>, Fault> {
    let effects = journal.effects(std::slice::from_ref(&key.account)).await?;
    Ok(effects.into_iter().filter(|effect| effect.key == *key).flat_map(|effect| effect.holders).collect())
}

/// It has an effect that was seen, and nobody has let it go.
fn is_seen(record: &ActionRecord) -> bool {
    let key = &record.action.key;
    let is_ours = record.outcome().is_some_and(|outcome| match outcome.kind {
        OutcomeKind::Effective => true,
        OutcomeKind::AlreadyEffective => outcome.reason == Reason::HeldAlready,
        OutcomeKind::Simulated
        | OutcomeKind::Contradicted
        | OutcomeKind::Unverified
        | OutcomeKind::Failed
        | OutcomeKind::Withheld
        | OutcomeKind::Denied
        | OutcomeKind::Expired
        | OutcomeKind::Reverted => false,
    });
    is_ours && key.intent.verb.contains() && key.reverts.is_none() && record.reverted_by.is_none()
}

/// What is wrong with those that hold effects: each is an action whose effect that is, and may be in place.
async fn of_holds(journal: &dyn Journal, found: &mut Vec<Difference>) -> Result<(), Fault> {
    let mut after = i64::MIN;
    loop {
        let page = journal.holds(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(()) };
        after = last.number;
        for hold in page {
            let stream = StreamKey { kind: StreamKind::Action, id: hold.action.clone() };
            let stored = journal.stream(&stream).await?;
            let action = stored.and_then(|stored| ActionRecord::deserialize(&stored.state).ok());
            let holds = action.is_some_and(|record| {
                let may_stand = record.outcome().is_some_and(Outcome::may_stand);
                may_stand && record.action.key.intent.verb.contains() && effect_key(&record.action) == hold.key
            });
            if holds || !journal.holds(after_before(hold.number), 1).await?.contains(&hold) {
                continue;
            }
            let what = format!(
                "it is among those that hold {}, and has no such effect: no undo would end it",
                name(&hold.key)
            );
            found.push(Difference { stream, what: clip(&what, 600) });
        }
    }
}

/// Where to read on to see this one again.
const fn after_before(number: i64) -> i64 {
    number.saturating_sub(1)
}

/// That another lane works on it than the one that should.
fn elsewhere(stream: &StoredStream, wanted: &LaneKey) -> Option<String> {
    (stream.lane != *wanted).then(|| format!("it belongs into the lane {wanted}, and its row says {}", stream.lane))
}

async fn without_its_alert(journal: &dyn Journal, alert: AlertId) -> Result<Option<String>, Fault> {
    let is_missing = is_missing(journal, &StreamKey::alert(alert)).await?;
    Ok(is_missing.then(|| format!("it belongs to the alert {alert}, which is missing")))
}

/// Whether there never was such a stream, or nothing is left of it: of one that was removed its events are.
async fn is_missing(journal: &dyn Journal, stream: &StreamKey) -> Result<bool, Fault> {
    Ok(journal.stream(stream).await?.is_none() && journal.events(stream).await?.is_empty())
}

/// That nobody comes back to it in time, if that is `wanted`.
async fn unscheduled(
    journal: &dyn Journal,
    stream: &StoredStream,
    wanted: Option<At>,
) -> Result<Option<String>, Fault> {
    let Some(wanted) = wanted else { return Ok(None) };
    let lane = &stream.lane;
    match journal.due(lane).await? {
        Some(due) if due <= wanted.max(journal.now()).plus(LATE) => Ok(None),
        Some(due) => {
            let (due, wanted) = (due.to_the_second(), wanted.to_the_second());
            Ok(Some(format!("it goes on at {wanted}, and nobody comes back to it before {due} (lane {lane})")))
        }
        None => {
            // What is there without a word of why was not put there by riposte.
            let aside = journal.quarantined().await?;
            let is_aside = aside.iter().any(|aside| aside.lane == *lane && aside.since > At::EPOCH);
            Ok((!is_aside).then(|| format!("it is not over, and nobody comes back to it: its lane {lane} has no time")))
        }
    }
}

/// The first place, in the order of names, at which what is stored is not what was made.
fn first_difference(stored: &Value, made: &Value, place: &str) -> Option<String> {
    if stored == made {
        return None;
    }
    match (stored, made) {
        (Value::Object(stored), Value::Object(made)) => {
            let mut names: Vec<&String> = stored.keys().chain(made.keys()).collect();
            names.sort();
            names.into_iter().find_map(|name| {
                let of = |all: &serde_json::Map<String, Value>| all.get(name).cloned().unwrap_or_default();
                first_difference(&of(stored), &of(made), &format!("{place}/{name}"))
            })
        }
        (Value::Array(stored), Value::Array(made)) if stored.len() == made.len() => (0..)
            .zip(stored.iter().zip(made))
            .find_map(|(n, (stored, made))| first_difference(stored, made, &format!("{place}/{n}"))),
        _ => Some(format!(
            "{} is {}, and they made {}",
            if place.is_empty() { "it" } else { place },
            clip(&stored.to_string(), 120),
            clip(&made.to_string(), 120)
        )),
    }
}
