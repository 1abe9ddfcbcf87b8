//! What need not be kept: alerts that came to their end, with all that was done and told about them.

use std::collections::BTreeSet;
use std::fmt;
use std::time::Duration;

use serde::Deserialize;

use crate::journal::batch::NewAlias;
use crate::journal::lane::LaneKey;
use crate::journal::removal::Removal;
use crate::journal::{CommitError, Fault, Filter, Journal, StoredStream};
use crate::model::id::{ActionId, AlertId};
use crate::model::time::{At, print_duration};
use crate::record::action::ActionRecord;
use crate::record::alert::{AlertEvent, AlertPhase, AlertRecord};
use crate::record::event::{StreamKey, StreamKind};

use super::accounts::undoable;
use super::listener::News;
use super::names::fingerprints;
use super::write::{self, RIPOSTE};
use super::{Context, StepError};

/// Decisions look back for 30 days at most (`guardrails.max_age`, `guardrails.cooldown`, the lookback of triggers): nothing
/// younger is removed.
pub const LEAST_KEPT: Duration = Duration::from_secs(31 * 86_400);

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
    names: Vec<NewAlias>,
}

/// Why an alert is kept whole.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kept {
    /// It, an action of it or a comment on it is not over.
    Open(StreamKey),
    /// What an action has done to an account stands or may stand, and only its record can put it back.
    Stands(ActionId),
    /// It is part of another alert.
    PartOf(AlertId),
    /// Something of it has changed so lately that decisions still look back at it, and rows of it may still come: until.
    Young(At),
    /// Nobody knows what belongs to it.
    Unreadable(String),
}

impl fmt::Display for Kept {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Open(stream) => write!(f, "{stream} is not over"),
            Self::Stands(action) => write!(
                f,
                "what action {action} did stands or may stand, and is put back with its record: `riposte undo {action}` \
                 first"
            ),
            Self::PartOf(alert) => write!(f, "it is part of alert {alert}, and goes after that"),
            Self::Young(until) => write!(
                f,
                "it changed less than {} ago, and decisions look back so far: try again after {}",
                print_duration(LEAST_KEPT),
                until.to_the_second()
            ),
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
pub async fn ended(journal: &dyn Journal, alert: &StoredStream, now: At) -> Result<Result<Ended, Kept>, Fault> {
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
    let names = match names(journal, &alert.key).await {
        Ok(names) => names,
        Err(unreadable) => return Ok(Err(Kept::Unreadable(unreadable.to_string()))),
    };
    let streams = || std::iter::once(alert).chain(own.iter().copied()).chain(&notes);
    let changed = streams().map(|stream| stream.changed_at).max().unwrap_or(alert.changed_at);
    let until = changed.plus(LEAST_KEPT);
    if until > now {
        return Ok(Err(Kept::Young(until)));
    }
    let names = names.into_iter().map(|value| NewAlias { value, alert: record.id }).collect();
    Ok(Ok(Ended {
        alert: record.id,
        actions: own.len(),
        changed,
        streams: streams().map(|stream| (stream.key.clone(), stream.n)).collect(),
        names,
    }))
}

/// One pass over what is older than it is to be kept. Returns when to come back.
pub(super) async fn step(context: &Context) -> Result<Option<At>, StepError> {
    let now = context.clock.now();
    // What limits have counted goes without anybody's asking.
    context.journal.remove(Removal::default()).await?;
    let Some(keep) = context.timings.keep else { return Ok(Some(now.plus(EVERY))) };
    let before = now.minus(keep);
    let why = format!("nothing of it has changed for {}", print_duration(keep));
    let kind = Some(StreamKind::Alert);
    let mut filter = Filter { kind, changed_before: Some(before), limit: Some(PAGE), ..Filter::default() };
    let (mut removed, mut unreadable) = (0, 0);
    loop {
        let page = context.journal.streams(&filter).await?;
        for stream in &page {
            let ended = match ended(context.journal.as_ref(), stream, now).await? {
                Ok(ended) if ended.changed < before => ended,
                Err(Kept::Unreadable(_)) => {
                    unreadable += 1;
                    continue;
                }
                Ok(_) | Err(_) => continue,
            };
            match context.journal.remove(ended.removal(RIPOSTE, &why)).await {
                Ok(()) => removed += 1,
                // Somebody has something to say about it after all.
                Err(CommitError::Moved(_)) => {}
                Err(error) => return Err(error.into()),
            }
        }
        let (Some(first), Some(last), false) = (page.first(), page.last(), context.is_closing()) else { break };
        // Of one moment there may be more than a page.
        let more = page.len() >= usize::try_from(PAGE).unwrap_or(usize::MAX) && first.changed_at == last.changed_at;
        if more && filter.limit.is_some_and(|limit| page.len() >= usize::try_from(limit).unwrap_or(usize::MAX)) {
            filter.limit = filter.limit.map(|limit| limit.saturating_mul(2));
        } else {
            filter.changed_before = Some(last.changed_at);
        }
    }
    if unreadable > 0 {
        tracing::warn!(unreadable, "alerts older than journal.keep cannot be read, so they are kept");
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
        let undo = match record.reverted_by {
            Some(by) => journal.stream(&StreamKey::action(by)).await?,
            None => None,
        };
        let undo = undo.as_ref().and_then(|stream| write::read::<ActionRecord>(stream).ok());
        let effects = journal.effects(&[record.action.key.account.to_string()]).await?;
        let held = effects.iter().any(|effect| effect.holders.contains(&id));
        // What puts something back is not put back itself.
        let may_stand =
            record.action.key.reverts.is_none() && undoable(&record, undo.as_ref().map(|undo| &undo.record)).is_ok();
        if held || may_stand {
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
