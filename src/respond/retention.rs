//! What need not be kept: alerts that came to their end, with all that was done and told about them.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use crate::journal::lane::LaneKey;
use crate::journal::removal::Removal;
use crate::journal::{CommitError, Fault, Filter, Journal, StoredStream};
use crate::model::id::{ActionId, AlertId};
use crate::model::time::{At, print_duration};
use crate::record::action::ActionRecord;
use crate::record::alert::{AlertEvent, AlertPhase, AlertRecord};
use crate::record::event::{StreamKey, StreamKind};

use super::listener::News;
use super::names::fingerprints;
use super::write::{self, RIPOSTE};
use super::{Context, StepError};

/// How often what is too old is looked for.
const EVERY: Duration = Duration::from_secs(6 * 3600);

/// So many alerts are read at a time.
const PAGE: u32 = 200;

/// The lane in which it is looked for.
#[must_use]
pub fn lane() -> LaneKey {
    LaneKey::chore("retention")
}

/// An alert that came to its end, with everything that belongs to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ended {
    /// Which.
    pub alert: AlertId,
    /// How many actions it has led to, those that put something back among them.
    pub actions: usize,
    /// When anything of it changed last.
    pub changed: At,
    /// Its streams, with how many events each has.
    streams: Vec<(StreamKey, u64)>,
    /// Its names that say whom it was about.
    names: Vec<String>,
}

/// Why an alert is kept whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// It, an action of it or a comment on it is not over.
    Open(StreamKey),
    /// What an action has done to an account stands, and only its record can put it back.
    Stands(ActionId),
    /// It is part of another alert.
    PartOf(AlertId),
    /// Nobody knows what belongs to it.
    Unreadable(String),
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(stream) => write!(f, "{stream} is not over"),
            Self::Stands(action) => write!(
                f,
                "what action {action} did stands, and is put back with its record: `riposte undo {action}` first, or \
                 put it back by hand"
            ),
            Self::PartOf(alert) => write!(f, "it is part of alert {alert}, and goes after that"),
            Self::Unreadable(why) => write!(f, "its record cannot be read ({why})"),
        }
    }
}

impl Ended {
    /// Its removal.
    #[must_use]
    pub fn removal(self, actor: &str, why: &str) -> Removal {
        Removal { streams: self.streams, names: self.names, actor: actor.to_owned(), why: why.to_owned() }
    }
}

/// What belongs to an alert that has come to its end, or why it has not.
///
/// # Errors
/// When the journal cannot be read.
pub async fn ended(journal: &dyn Journal, alert: &StoredStream) -> Result<Result<Ended, Kept>, Fault> {
    if alert.open {
        return Ok(Err(Kept::Open(alert.key.clone())));
    }
    let record = match write::read::<AlertRecord>(alert) {
        Ok(stored) => stored.record,
        Err(unreadable) => return Ok(Err(Kept::Unreadable(Fault::from(unreadable).to_string()))),
    };
    if let AlertPhase::Merged { into } = record.phase
        && journal.stream(&StreamKey::alert(into)).await?.is_some()
    {
        return Ok(Err(Kept::PartOf(into)));
    }
    // What was done for alerts that are part of this one goes with them, and until it is over this one answers for it.
    let all = match actions(journal, record.all_actions()).await? {
        Ok(all) => all,
        Err(kept) => return Ok(Err(kept)),
    };
    let own: BTreeSet<ActionId> = record.actions.iter().copied().collect();
    let own: Vec<&StoredStream> = all.iter().filter(|(of, _)| own.contains(of)).map(|(_, stream)| stream).collect();
    let of_notes = Filter { kind: Some(StreamKind::Note), lanes: vec![LaneKey::notes(record.id)], ..Filter::default() };
    let notes = journal.streams(&of_notes).await?;
    if let Some(open) = notes.iter().find(|note| note.open) {
        return Ok(Err(Kept::Open(open.key.clone())));
    }
    let streams = || std::iter::once(alert).chain(own.iter().copied()).chain(&notes);
    Ok(Ok(Ended {
        alert: record.id,
        actions: own.len(),
        changed: streams().map(|stream| stream.changed_at).max().unwrap_or(alert.changed_at),
        streams: streams().map(|stream| (stream.key.clone(), stream.n)).collect(),
        names: names(journal, &alert.key).await?,
    }))
}

/// One pass over what is older than it is to be kept. Returns when to come back.
pub(super) async fn step(context: &Context) -> Result<Option<At>, StepError> {
    let Some(keep) = context.timings.keep else { return Ok(None) };
    let now = context.clock.now();
    let before = now.minus(keep);
    let why = format!("nothing of it has changed for {}", print_duration(keep));
    let kind = Some(StreamKind::Alert);
    let mut filter = Filter { kind, changed_before: Some(before), limit: Some(PAGE), ..Filter::default() };
    let mut removed = 0;
    loop {
        let page = context.journal.streams(&filter).await?;
        for stream in &page {
            let Ok(ended) = ended(context.journal.as_ref(), stream).await? else { continue };
            if ended.changed >= before {
                continue;
            }
            match context.journal.remove(ended.removal(RIPOSTE, &why)).await {
                Ok(()) => removed += 1,
                // Somebody has something to say about it after all.
                Err(CommitError::Moved(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let Some(last) = page.last().filter(|_| !context.is_closing()) else { break };
        filter.changed_before = Some(last.changed_at);
    }
    if removed > 0 {
        context.listener.hear(&News::Removed { alerts: removed, keep });
    }
    Ok(Some(now.plus(EVERY)))
}

/// These actions and those that put them back, each with the action of the list that it belongs to; or why one is kept.
async fn actions(
    journal: &dyn Journal,
    ids: Vec<ActionId>,
) -> Result<Result<Vec<(ActionId, StoredStream)>, Kept>, Fault> {
    let mut found = Vec::new();
    let mut wanted: Vec<(ActionId, ActionId)> = ids.into_iter().map(|id| (id, id)).collect();
    let mut met = BTreeSet::new();
    while let Some((of, id)) = wanted.pop() {
        if !met.insert(id) {
            continue;
        }
        let Some(stream) = journal.stream(&StreamKey::action(id)).await? else { continue };
        if stream.open {
            return Ok(Err(Kept::Open(stream.key)));
        }
        let record = match write::read::<ActionRecord>(&stream) {
            Ok(stored) => stored.record,
            Err(unreadable) => return Ok(Err(Kept::Unreadable(Fault::from(unreadable).to_string()))),
        };
        let effects = journal.effects(&[record.action.key.account.to_string()]).await?;
        if effects.iter().any(|effect| effect.holders.contains(&id)) {
            return Ok(Err(Kept::Stands(id)));
        }
        wanted.extend(record.reverted_by.map(|by| (of, by)));
        found.push((of, stream));
    }
    Ok(Ok(found))
}

/// The names of an alert that say whom it was about, of everything that was ever shown of it.
async fn names(journal: &dyn Journal, alert: &StreamKey) -> Result<Vec<String>, Fault> {
    let mut names = BTreeSet::new();
    for event in journal.events(alert).await? {
        // An event of another version has its names as well, but they cannot be known; they join nothing any more.
        if let Ok(AlertEvent::Seen { sighting }) = AlertEvent::deserialize(&event.entry.payload) {
            names.extend(fingerprints(&sighting).iter().map(super::names::Fingerprint::own));
        }
    }
    Ok(names.into_iter().collect())
}
