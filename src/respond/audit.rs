//! Whether what is kept beside the events of a journal is what they made of it: how things stand, that somebody comes back
//! to what is open, by which names alerts are found, and who holds which effect. A daemon goes by all of these.

use std::fmt::Debug;

use serde::de::DeserializeOwned;
use serde::{Deserialize as _, Serialize};
use serde_json::Value;

use crate::journal::batch::EffectKey;
use crate::journal::{Fault, Filter, Journal, StoredStream};
use crate::model::id::ActionId;
use crate::model::outcome::{Outcome, OutcomeKind};
use crate::model::reason::Reason;
use crate::model::scope::TenantKey;
use crate::model::text::clip;
use crate::model::time::At;
use crate::record::action::ActionRecord;
use crate::record::alert::AlertRecord;
use crate::record::event::{Entry, StreamKey, StreamKind};
use crate::record::fold::{self, Unfoldable};
use crate::record::next::{Next, next};
use crate::record::note::NoteRecord;

use super::accounts::effect_key;
use super::names;

/// So many streams are read at a time.
const PAGE: u32 = 500;
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

/// Holds everything there is against its events, also while a daemon works.
///
/// # Errors
/// When the journal cannot be read.
pub async fn audit(journal: &dyn Journal, tenant: TenantKey) -> Result<Vec<Difference>, Fault> {
    let mut found = Vec::new();
    for kind in StreamKind::ALL {
        let mut part =
            Filter { kind: Some(kind), after_id: Some(String::new()), limit: Some(PAGE), ..Filter::default() };
        loop {
            let page = journal.streams(&part).await?;
            let Some(last) = page.last() else { break };
            part.after_id = Some(last.key.id.clone());
            for stream in page {
                let key = stream.key.clone();
                let what = settled(journal, tenant, stream).await?;
                found.extend(what.map(|what| Difference { stream: key, what: clip(&what, 600) }));
            }
        }
    }
    Ok(found)
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
                Ok(record) => scheduled(journal, stream, record.is_open()).await,
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
    let lost = claims.iter().find(|claim| known.iter().all(|(name, _)| name != *claim));
    if let Some(lost) = lost {
        return Ok(Some(format!("it is not found any more by its name {lost}, so its next row would be a new alert")));
    }
    scheduled(journal, stream, record.is_open()).await
}

async fn of_action(
    journal: &dyn Journal,
    stream: &StoredStream,
    record: &ActionRecord,
) -> Result<Option<String>, Fault> {
    let waits_for_a_person = matches!(next(record, At::EPOCH), Next::Wait(None));
    if let Some(what) = scheduled(journal, stream, record.is_open() && !waits_for_a_person).await? {
        return Ok(Some(what));
    }
    let (id, key) = (record.action.id, effect_key(&record.action));
    let holders = holders(journal, &key).await?;
    if holders.contains(&id) && !may_hold(record) {
        return Ok(Some(format!("it is among those that hold {}, and it does not stand", name(&key))));
    }
    if !is_seen(record) || !holders.is_empty() {
        return Ok(None);
    }
    // A call that has begun lets those go that held before it.
    let filter = Filter { kind: Some(StreamKind::Action), lanes: vec![stream.lane.clone()], ..Filter::default() };
    let others = journal.streams(&filter).await?;
    let mut others = others.iter().filter_map(|other| ActionRecord::deserialize(&other.state).ok());
    let begun = others.any(|other| other.action.id != id && other.begun_at > record.begun_at);
    Ok((!begun).then(|| format!("it stands, and nobody holds {}: whoever undoes one alert would undo all", name(&key))))
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

/// Its effect is in place, or may be.
fn may_hold(record: &ActionRecord) -> bool {
    record.action.key.intent.verb.contains() && record.outcome().is_some_and(Outcome::may_stand)
}

/// That somebody comes back to it, if that is wanted.
async fn scheduled(journal: &dyn Journal, stream: &StoredStream, wanted: bool) -> Result<Option<String>, Fault> {
    if !wanted || journal.is_scheduled(&stream.lane).await? {
        return Ok(None);
    }
    Ok(Some(format!("it is not over, and nobody comes back to it: its lane {} has no time", stream.lane)))
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
