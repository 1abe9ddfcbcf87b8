//! What a page says about alerts, joined with what is known of them.

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use serde_json::Value;

use crate::connect::port::SourcePage;
use crate::journal::StoredStream;
use crate::journal::batch::{Batch, NewAlias, Wake};
use crate::journal::lane::LaneKey;
use crate::journal::removal::removed;
use crate::model::alert::{ROW, Sighting, SourceKey, UnreadableItem};
use crate::model::id::{ActionId, AlertId};
use crate::model::text::clip;
use crate::model::time::At;
use crate::record::action::ActionRecord;
use crate::record::alert::{Absorbed, AlertEvent, AlertPhase, AlertRecord};
use crate::record::event::StreamKey;

use super::fair::Line;
use super::names::{self, fingerprints};
use super::repeats::Print;
use super::write::{self, Stored};
use super::{Context, StepError};

/// The alerts of one run are decided on so far apart, so that those that Defender shows meanwhile are not behind all
/// of them.
const APART: Duration = Duration::from_millis(250);

/// So many states are read from the journal at once.
const AT_ONCE: usize = 64;

/// A page on its way into the journal.
pub(super) struct Unified {
    /// What is written of it.
    pub(super) batch: Batch,
    /// The alerts that it tells of, by whom, and whether they are new.
    pub(super) news: Vec<(AlertRecord, SourceKey, bool)>,
    /// Names known in the journal or given earlier in this page.
    names: HashMap<String, AlertId>,
    /// Alerts of this page, as they will stand.
    alerts: BTreeMap<AlertId, Working>,
    /// Items of this page that cannot be read.
    pub(super) unreadable: usize,
    /// Rows that changed nothing.
    pub(super) idle: Vec<Print>,
    /// How often something changed so far.
    changes: u32,
}

struct Working {
    record: AlertRecord,
    /// Events before this page.
    n: u64,
    events: Vec<AlertEvent>,
}

impl Unified {
    /// Unifies the page with what is known.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub(super) async fn new(context: &Context, page: &SourcePage) -> Result<Self, StepError> {
        let now = context.clock.now();
        let mut wanted: Vec<String> = Vec::new();
        let mut ends: Vec<usize> = Vec::new();
        for item in &page.items {
            match item {
                Ok(sighting) => {
                    wanted.extend(names::lookups(sighting));
                    wanted.extend(sighting.aliases.first().map(|id| names::unreadable(id)));
                    wanted.extend(fingerprints(sighting).into_iter().flat_map(|print| print.near()));
                }
                Err(item) => wanted.push(names::unreadable(&item.id)),
            }
            ends.push(wanted.len());
        }
        let names: HashMap<String, AlertId> = context.journal.aliases(&wanted).await?.into_iter().collect();
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let own = starts.zip(&ends).map(|(start, end)| wanted.get(start..*end).unwrap_or_default());
        let mut rows = Vec::new();
        for (item, own) in page.items.iter().zip(own) {
            let print = item.as_ref().ok().and_then(|sighting| Print::of(sighting, own, &names));
            if !print.is_some_and(|print| context.repeats.has(&print)) {
                rows.push((item, own, print));
            }
        }
        let ids = rows.iter().flat_map(|(_, own, _)| *own).filter_map(|name| names.get(name).copied()).collect();
        let alerts = known_by(context, ids).await?;
        let mut unified = Self {
            batch: Batch::default(),
            news: Vec::new(),
            names,
            alerts,
            unreadable: 0,
            idle: Vec::new(),
            changes: 0,
        };
        for (item, _, print) in rows {
            let before = unified.changes;
            match item {
                Ok(sighting) => unified.add_if_readable(context, sighting, now).await?,
                Err(item) => unified.add_unreadable(context, item, now),
            }
            unified.idle.extend(print.filter(|_| unified.changes == before));
        }
        unified.finish(now)?;
        Ok(unified)
    }

    /// What belongs to an alert whose stored state cannot be read back spoils itself and not its page. Every alert
    /// that a sighting may belong to is loaded before anything changes.
    async fn add_if_readable(&mut self, context: &Context, sighting: &Sighting, now: At) -> Result<(), StepError> {
        match self.add(context, sighting, now).await {
            Err(StepError::Poisonous(fault)) => {
                tracing::error!(source = %sighting.source, %fault, "a row belongs to an alert that cannot be read back");
                self.add_unreadable(context, &unreadable_item(sighting, fault.to_string()), now);
                Ok(())
            }
            added => added,
        }
    }

    async fn add(&mut self, context: &Context, sighting: &Sighting, now: At) -> Result<(), StepError> {
        let Some(mut owners) = self.owners(context, sighting).await? else {
            let id = sighting.aliases.first().map(|id| clip(id, 80)).unwrap_or_default();
            tracing::info!(source = %sighting.source, id, "a row of an alert whose record was removed is left alone");
            return Ok(());
        };
        if let [one, other, ..] = owners.as_slice()
            && self.shown_apart(context, sighting).await?
        {
            let why = format!("it carries the ids of {one} and {other}, which Defender shows as two alerts");
            self.add_unreadable(context, &unreadable_item(sighting, why), now);
            return Ok(());
        }
        // Entities may come late, and only they show that two sources mean the same.
        if !self.by_others(context, &owners, sighting).await? {
            owners.extend(self.alike(context, sighting).await?.filter(|id| !owners.contains(id)));
        }
        let Some(mut id) = owners.first().copied() else {
            self.add_new(context, sighting, now);
            return Ok(());
        };
        // Names of several alerts: they were one all along.
        for other in owners.iter().skip(1).copied() {
            // Two alerts of which Defender has shown both are two, whatever a row says.
            if !self.are_distinct(context, id, other).await? {
                id = self.join(context, id, other).await?;
            }
        }
        self.claim_names(sighting, id);
        let working = self.working(context, id).await?;
        let known = working.record.by(&sighting.source);
        let shown = match (known, &sighting.source) {
            // A run shows some rows of it, and not how it stands.
            (Some(known), SourceKey::Trigger { .. }) => known.clone().united([sighting.clone()]).0,
            (Some(_) | None, _) => sighting.clone(),
        };
        if known.is_none_or(|known| is_news(known, &shown)) {
            working.push(AlertEvent::Seen { sighting: Box::new(shown) });
            let record = working.record.clone();
            self.changes += 1;
            self.news.push((record, sighting.source.clone(), false));
        }
        Ok(())
    }

    /// The alerts that own a name of the sighting, surest first; nothing where it belongs to one whose record was
    /// removed. Whoever can write a row can give an alert any id before Defender shows it, so Defender's word never joins
    /// an alert of which it has shown another, nor one that is gone and that it has not shown.
    async fn owners(&mut self, context: &Context, sighting: &Sighting) -> Result<Option<Vec<AlertId>>, StepError> {
        let mut owners: Vec<AlertId> = Vec::new();
        let own = names::first(sighting);
        for (name, id) in self.known(names::lookups(sighting)) {
            let Some(id) = self.resolve(context, id).await? else {
                if name == own || !sighting.genuine {
                    return Ok(None);
                }
                continue;
            };
            let own = self.working(context, id).await?.record.defenders_id().map(str::to_owned);
            let other = sighting.genuine && own.is_some() && own.as_ref() != sighting.aliases.first();
            if !other && !owners.contains(&id) {
                owners.push(id);
            }
        }
        Ok(Some(owners))
    }

    /// Those of the names that are known, with whose they are.
    fn known(&self, names: impl Iterator<Item = String>) -> Vec<(String, AlertId)> {
        names.filter_map(|name| self.names.get(&name).copied().map(|id| (name, id))).collect()
    }

    /// Whether Defender itself shows two of the sighting's ids as two alerts: no true row carries both.
    async fn shown_apart(&mut self, context: &Context, sighting: &Sighting) -> Result<bool, StepError> {
        let mut shown: BTreeSet<AlertId> = BTreeSet::new();
        for (_, id) in self.known(names::shown(sighting)) {
            shown.extend(self.resolve(context, id).await?);
        }
        Ok(shown.len() > 1)
    }

    /// Whether one of the alerts is known from another source than this sighting's.
    async fn by_others(&mut self, context: &Context, ids: &[AlertId], new: &Sighting) -> Result<bool, StepError> {
        for id in ids {
            let known = &self.working(context, *id).await?.record.sightings;
            if known.iter().any(|seen| seen.source != new.source) {
                return Ok(true);
            }
        }
        Ok(false)
    }

    async fn are_distinct(&mut self, context: &Context, one: AlertId, other: AlertId) -> Result<bool, StepError> {
        let one = self.working(context, one).await?.record.defenders_id().map(str::to_owned);
        let other = self.working(context, other).await?.record.defenders_id();
        Ok(one.is_some() && other.is_some() && one.as_deref() != other)
    }

    /// Two alerts become one: the one that was acted on, else the one seen first, stays. It learns what the
    /// other's sources have shown, and answers for what was done for the other.
    async fn join(&mut self, context: &Context, one: AlertId, other: AlertId) -> Result<AlertId, StepError> {
        let rank = |record: &AlertRecord| (record.actions.is_empty(), record.first_seen, record.id);
        let (a, b) =
            (rank(&self.working(context, one).await?.record), rank(&self.working(context, other).await?.record));
        let (stays, goes) = if a <= b { (one, other) } else { (other, one) };
        self.changes += 1;
        let gone = self.working(context, goes).await?;
        gone.push(AlertEvent::Merged { into: stays });
        let shown = gone.record.sightings.clone();
        let actions = binding(context, gone.record.all_actions()).await?;
        let kept = self.working(context, stays).await?;
        if !actions.is_empty() {
            kept.push(AlertEvent::Absorbed(Absorbed { alert: goes, actions }));
        }
        for sighting in shown {
            if kept.record.by(&sighting.source).is_none_or(|known| is_news(known, &sighting)) {
                kept.push(AlertEvent::Seen { sighting: Box::new(sighting) });
            }
        }
        Ok(stays)
    }

    fn add_new(&mut self, context: &Context, sighting: &Sighting, now: At) {
        let id = AlertId::derive(&[&context.tenant.to_string(), &names::first(sighting)]);
        let record = AlertRecord::seen(id, context.tenant, sighting.clone(), now);
        self.news.push((record.clone(), sighting.source.clone(), true));
        self.changes += 1;
        let events = vec![AlertEvent::Seen { sighting: Box::new(sighting.clone()) }];
        self.alerts.insert(id, Working { record, n: 0, events });
        self.claim_names(sighting, id);
    }

    fn add_unreadable(&mut self, context: &Context, item: &UnreadableItem, now: At) {
        self.unreadable += 1;
        self.changes += 1;
        let name = names::unreadable(&item.id);
        if self.names.contains_key(&name) {
            return;
        }
        let id = AlertId::derive(&[&context.tenant.to_string(), &name]);
        let record = AlertRecord::unreadable(id, context.tenant, item, now);
        self.news.push((record.clone(), item.source.clone(), true));
        self.alerts.insert(id, Working { record, n: 0, events: vec![AlertEvent::Unreadable { item: item.clone() }] });
        self.give(name, id);
    }

    /// An alert of another source that is about the same accounts, of the same kind, at the same
    /// time, and that this source has not shown yet. How the ids of the two sources relate is not
    /// documented, so this is what joins them when no id does.
    async fn alike(&mut self, context: &Context, sighting: &Sighting) -> Result<Option<AlertId>, StepError> {
        for print in fingerprints(sighting) {
            for name in print.near() {
                let Some(id) = self.names.get(&name).copied() else { continue };
                let Some(id) = self.resolve(context, id).await? else { continue };
                let record = &self.working(context, id).await?.record;
                let foreign = record.by(&sighting.source).is_none() && !record.sightings.is_empty();
                if foreign {
                    return Ok(Some(id));
                }
            }
        }
        Ok(None)
    }

    /// The alert as it will stand; of a merged one, the alert that it has become part of.
    async fn working(&mut self, context: &Context, id: AlertId) -> Result<&mut Working, StepError> {
        let found = self.resolve(context, id).await?;
        let working = found.and_then(|id| self.alerts.get_mut(&id));
        working.ok_or_else(|| super::broken(&StreamKey::alert(id), &"it was not loaded").into())
    }

    /// Which alert an id leads to, loaded; nothing where its record was removed. Whoever can write rows can make the chain as long as he has alerts, so
    /// its length is no sign of a mistake.
    async fn resolve(&mut self, context: &Context, id: AlertId) -> Result<Option<AlertId>, StepError> {
        let mut id = id;
        let mut met = BTreeSet::new();
        while met.insert(id) {
            if let Entry::Vacant(place) = self.alerts.entry(id) {
                let Some(stored) = load(context, id).await? else { return Ok(None) };
                place.insert(Working { record: stored.record, n: stored.n, events: Vec::new() });
            }
            match self.alerts.get(&id).map(|working| &working.record.phase) {
                Some(AlertPhase::Merged { into }) => id = *into,
                _ => return Ok(Some(id)),
            }
        }
        Err(super::broken(&StreamKey::alert(id), &"it is merged in a circle").into())
    }

    fn claim_names(&mut self, sighting: &Sighting, id: AlertId) {
        let prints = fingerprints(sighting).into_iter().map(|print| print.own());
        for name in names::claims(sighting).chain(prints) {
            if !self.names.contains_key(&name) {
                self.give(name, id);
            }
        }
    }

    fn give(&mut self, name: String, id: AlertId) {
        self.changes += 1;
        self.batch.aliases.push(NewAlias { value: name.clone(), alert: id });
        self.names.insert(name, id);
    }

    fn finish(&mut self, now: At) -> Result<(), StepError> {
        let (mut ours, mut line) = (0_u32, Line::default());
        for (id, working) in &self.alerts {
            if working.events.is_empty() {
                continue;
            }
            self.batch.writes.push(write::alert(&working.record, working.n, &working.events, now)?);
            if !working.record.is_open() {
                continue;
            }
            let at = if working.record.is_ours_alone() {
                ours += 1;
                now.plus(APART * (ours - 1))
            } else {
                line.place(&working.record, now)
            };
            self.batch.wakes.push(Wake { lane: LaneKey::alert(*id), at });
        }
        Ok(())
    }
}

impl Working {
    fn push(&mut self, event: AlertEvent) {
        self.record = self.record.clone().apply(&event);
        self.events.push(event);
    }
}

/// These alerts, read at once. One that is gone, or that
/// cannot be read back, is left to whoever needs it.
async fn known_by(context: &Context, ids: BTreeSet<AlertId>) -> Result<BTreeMap<AlertId, Working>, StepError> {
    let keys: Vec<StreamKey> = ids.into_iter().map(StreamKey::alert).collect();
    let readable = |stream: &StoredStream| {
        let Stored { record, n } = write::read(stream).ok()?;
        Some((stream.key.id.parse().ok()?, Working { record, n, events: Vec::new() }))
    };
    let mut known = BTreeMap::new();
    for some in keys.chunks(AT_ONCE) {
        known.extend(context.journal.together(some).await?.iter().filter_map(readable));
    }
    Ok(known)
}

/// Of an alert's actions, those that bind whoever answers for it: begun, asked about, decided by a person, or yet to
/// begin. One that only said why nothing was done binds nobody, and its alert plans no more once it is merged. So
/// alerts that were forged without end leave nothing behind in the one they are merged into.
async fn binding(context: &Context, actions: Vec<ActionId>) -> Result<Vec<ActionId>, StepError> {
    let mut binding = Vec::new();
    for id in actions {
        let Some(stream) = context.journal.stream(&StreamKey::action(id)).await? else { continue };
        // What cannot be read may bind.
        let said_no = write::read::<ActionRecord>(&stream).is_ok_and(|stored| stored.record.may_be_planned_again());
        if !said_no {
            binding.push(id);
        }
    }
    Ok(binding)
}

/// What could be read of a sighting that nothing can be done with.
fn unreadable_item(sighting: &Sighting, why: String) -> UnreadableItem {
    let id = sighting.aliases.first().cloned().unwrap_or_default();
    UnreadableItem { source: sighting.source.clone(), id, visible: sighting.visible, why }
}

/// An alert as it is known; nothing where its record was removed.
async fn load(context: &Context, id: AlertId) -> Result<Option<Stored<AlertRecord>>, StepError> {
    let key = StreamKey::alert(id);
    match context.journal.stream(&key).await? {
        Some(stream) => Ok(Some(write::read(&stream)?)),
        None if removed(context.journal.as_ref(), &key).await?.is_some() => Ok(None),
        None => Err(super::broken(&key, &"its name is known but its stream is not").into()),
    }
}

/// Whether a row says something that is not known yet. The overlap shows what an alert once looked
/// like again and again; that is no change of it.
fn is_news(known: &Sighting, new: &Sighting) -> bool {
    new.visible >= known.visible && !unchanged(known, new)
}

/// Whether a repeated row says nothing new. Stamps that move whenever the incident is touched say nothing. Of a trigger its
/// rows say everything: where they have no time, that of the alert is the moment of the run.
fn unchanged(known: &Sighting, new: &Sighting) -> bool {
    const STAMPS: &[&str] = &["TimeGenerated", "ProcessingEndTime", "IngestionTime"];
    const OF_TRIGGER: &[&str] = &["TimeGenerated", "StartTime", "EndTime", ROW];
    let stamps = if matches!(new.source, SourceKey::Trigger { .. }) { OF_TRIGGER } else { STAMPS };
    let says = |(name, _): &(&String, &Value)| !stamps.contains(&name.as_str());
    let rows = |sighting: &Sighting| sighting.texts().map(str::to_owned).collect::<BTreeSet<_>>();
    known.entities == new.entities
        && rows(known) == rows(new)
        && known.severity == new.severity
        && known.genuine == new.genuine
        && known.incident == new.incident
        && known.columns.iter().filter(says).eq(new.columns.iter().filter(says))
}
