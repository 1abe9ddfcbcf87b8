//! Questions to the journal, each answered from one snapshot.

use std::collections::BTreeMap;

use rusqlite::{Connection, OptionalExtension, Row, params};
use serde_json::Value;

use super::super::batch::EffectKey;
use super::super::chain::{Head, Link};
use super::super::lane::{LaneKey, LaneKind};
use super::super::removal::REMOVED;
use super::super::{Among, Effect, Ended, Filter, Hold, LaneCounts, Loaded, Signal, StoredEvent, StoredStream};
use super::rows::{self, STREAM};
use crate::model::id::{ActionId, AlertId};
use crate::model::time::At;
use crate::record::event::{StreamKey, StreamKind};

/// A read transaction, and whose rows to look at.
pub(super) struct View<'a> {
    pub(super) db: &'a Connection,
    /// The tenant as text.
    pub(super) t: &'a str,
    /// The boot id as text.
    pub(super) me: &'a str,
    pub(super) now: At,
}

type Read<T> = rusqlite::Result<T>;

/// What a lane has to work on.
pub(super) fn load(view: &View<'_>, lane: &LaneKey) -> Read<Loaded> {
    let nudges: Option<i64> = view
        .db
        .prepare_cached("select nudges from lane where tenant = ?1 and kind = ?2 and key = ?3")?
        .query_row(params![view.t, lane.kind.word(), lane.key], |row| row.get(0))
        .optional()?;
    let streams = view
        .db
        .prepare_cached(&format!(
            "select {STREAM} from stream where tenant = ?1 and lane_kind = ?2 and lane_key = ?3 and open = 1
             order by opened_at, kind, id"
        ))?
        .query_map(params![view.t, lane.kind.word(), lane.key], rows::stream)?
        .collect::<Read<_>>()?;
    Ok(Loaded { streams, signals: signals(view, lane)?, nudges: nudges.unwrap_or(0).cast_unsigned() })
}

/// What nobody has dealt with, oldest first.
pub(super) fn signals(view: &View<'_>, lane: &LaneKey) -> Read<Vec<Signal>> {
    view.db
        .prepare_cached(
            "select source_key, body, at from signal
             where tenant = ?1 and lane_kind = ?2 and lane_key = ?3 and taken_at is null order by at, number",
        )?
        .query_map(params![view.t, lane.kind.word(), lane.key], |row| rows::signal(lane, row))?
        .collect()
}

pub(super) fn stream(view: &View<'_>, key: &StreamKey) -> Read<Option<StoredStream>> {
    view.db
        .prepare_cached(&format!(
            "select {STREAM} from stream where tenant = ?1 and kind = ?2 and id = ?3 and label <> ?4"
        ))?
        .query_row(params![view.t, key.kind.word(), key.id, REMOVED], rows::stream)
        .optional()
}

pub(super) fn together(view: &View<'_>, keys: &[StreamKey]) -> Read<Vec<StoredStream>> {
    keys.iter().filter_map(|key| stream(view, key).transpose()).collect()
}

/// Newest first; of those that changed in the same moment, the one that began last.
pub(super) fn streams(view: &View<'_>, filter: &Filter) -> Read<Vec<StoredStream>> {
    if let Some((kind, after)) = filter.by_id() {
        return by_id(view, filter, kind, after);
    }
    let mut found = if filter.lanes.is_empty() { by_change(view, filter)? } else { by_lane(view, filter)? };
    found.sort_by_key(|stream| std::cmp::Reverse(stream.changed_at));
    if let Some(limit) = filter.limit {
        found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    }
    Ok(found)
}

fn by_id(view: &View<'_>, filter: &Filter, kind: StreamKind, after: &str) -> Read<Vec<StoredStream>> {
    let how = if filter.label.is_some() { "open = 1 and label = ?7" } else { "?7 is null" };
    // Of two lower bounds the index is searched by the first: a prefix says more than where a page begins.
    let which = if filter.id_prefix.is_some() { "id >= ?8 and +id > ?3" } else { "id > ?3 and ?8 is not null" };
    let mut query = view.db.prepare_cached(&format!(
        "select {STREAM} from stream
         where tenant = ?1 and kind = ?2 and {how} and {which} and id < ?9 and open >= ?4 and changed_at >= ?5
             and (?10 is null or instr(state, ?10) > 0) and label <> ?11
         order by id limit ?6"
    ))?;
    let (from, to) = filter.ids();
    let since = filter.changed_since.map_or(i64::MIN, At::ticks);
    let limit = filter.limit.map_or(-1, i64::from);
    let label = filter.label;
    let values =
        params![view.t, kind.word(), after, filter.open_only, since, limit, label, from, to, filter.words, REMOVED];
    query.query_map(values, rows::stream)?.collect()
}

fn by_change(view: &View<'_>, filter: &Filter) -> Read<Vec<StoredStream>> {
    let open = match (filter.label, filter.open_only) {
        (Some(_), _) => "and open = 1 and label = ?5",
        (None, true) => "and open = 1 and ?5 is null",
        (None, false) => "and ?5 is null",
    };
    let mut query = view.db.prepare_cached(&format!(
        "select {STREAM} from stream where tenant = ?1 and kind = ?2 {open} and changed_at >= ?3 and changed_at < ?6
             and label <> ?7
         order by changed_at desc, rowid desc limit ?4"
    ))?;
    let since = filter.changed_since.map_or(i64::MIN, At::ticks);
    let before = filter.changed_before.map_or(i64::MAX, At::ticks);
    let limit = filter.limit.map_or(-1, i64::from);
    let mut found = Vec::new();
    for kind in StreamKind::ALL.into_iter().filter(|kind| filter.kind.is_none_or(|wanted| wanted == *kind)) {
        let values = params![view.t, kind.word(), since, limit, filter.label, before, REMOVED];
        for row in query.query_map(values, rows::stream)? {
            found.push(row?);
        }
    }
    Ok(found)
}

fn by_lane(view: &View<'_>, filter: &Filter) -> Read<Vec<StoredStream>> {
    let mut query = view.db.prepare_cached(&format!(
        "select {STREAM} from stream indexed by stream_by_lane
         where tenant = ?1 and lane_kind = ?2 and lane_key = ?3 and open >= ?4 and changed_at >= ?5
             and (?6 is null or kind = ?6) and (?7 is null or open = 1 and label = ?7)
         order by changed_at desc, rowid desc"
    ))?;
    let since = filter.changed_since.map_or(i64::MIN, At::ticks);
    let kind = filter.kind.map(StreamKind::word);
    let mut lanes: Vec<&LaneKey> = filter.lanes.iter().collect();
    lanes.sort();
    lanes.dedup();
    let mut found = Vec::new();
    for lane in lanes {
        let values = params![view.t, lane.kind.word(), lane.key, filter.open_only, since, kind, filter.label];
        for row in query.query_map(values, rows::stream)? {
            found.push(row?);
        }
    }
    Ok(found)
}

pub(super) fn events(view: &View<'_>, key: &StreamKey) -> Read<Vec<StoredEvent>> {
    view.db
        .prepare_cached(
            "select n, at, name, version, actor, payload, prev, hash from event
             where tenant = ?1 and kind = ?2 and id = ?3 order by n",
        )?
        .query_map(params![view.t, key.kind.word(), key.id], |row| rows::event(key, row))?
        .collect()
}

/// The events as stored, and what the stream's row says about their end.
pub(super) fn chain(view: &View<'_>, key: &StreamKey) -> Read<(Vec<Link>, Option<Head>)> {
    let head = view
        .db
        .prepare_cached("select n, head from stream where tenant = ?1 and kind = ?2 and id = ?3")?
        .query_row(params![view.t, key.kind.word(), key.id], |row| {
            Ok(Head { n: rows::count(row, 0)?, hash: rows::words(row, 1)? })
        })
        .optional()?;
    let links = view
        .db
        .prepare_cached(
            "select n, at, name, version, actor, payload, payload_sha, prev, hash from event
             where tenant = ?1 and kind = ?2 and id = ?3 order by n",
        )?
        .query_map(params![view.t, key.kind.word(), key.id], rows::link)?
        .collect::<Read<_>>()?;
    Ok((links, head))
}

pub(super) fn aliases(view: &View<'_>, values: &[String]) -> Read<Vec<(String, AlertId)>> {
    let mut query = view.db.prepare_cached("select alert from alias where tenant = ?1 and value = ?2")?;
    let mut found = Vec::new();
    for value in values {
        if let Some(alert) = query.query_row(params![view.t, value], |row| rows::parsed(row, 0)).optional()? {
            found.push((value.clone(), alert));
        }
    }
    Ok(found)
}

pub(super) fn effects(view: &View<'_>, accounts: &[String]) -> Read<Vec<Effect>> {
    let mut query = view.db.prepare_cached(
        "select verb, target, action from hold where tenant = ?1 and account = ?2 order by verb, target, number",
    )?;
    let mut found: Vec<Effect> = Vec::new();
    for account in accounts {
        let rows = query.query_map(params![view.t, account], |row| {
            let key = EffectKey { account: account.clone(), verb: row.get(0)?, target: row.get(1)? };
            Ok((key, rows::parsed::<ActionId>(row, 2)?))
        })?;
        for row in rows {
            let (key, action) = row?;
            match found.last_mut().filter(|effect| effect.key == key) {
                Some(effect) => effect.holders.push(action),
                None => found.push(Effect { key, holders: vec![action] }),
            }
        }
    }
    Ok(found)
}

pub(super) fn holds(view: &View<'_>, after: i64, limit: u32) -> Read<Vec<Hold>> {
    let sql = "select number, account, verb, target, action from hold where tenant = ?1 and number > ?2
         order by number limit ?3";
    let hold = |row: &Row<'_>| {
        let key = EffectKey { account: row.get(1)?, verb: row.get(2)?, target: row.get(3)? };
        Ok(Hold { number: row.get(0)?, key, action: row.get(4)? })
    };
    view.db.prepare_cached(sql)?.query_map(params![view.t, after, limit], hold)?.collect()
}

pub(super) fn cursor(view: &View<'_>, source: &str) -> Read<Option<Value>> {
    view.db
        .prepare_cached("select position from cursor where tenant = ?1 and source = ?2")?
        .query_row(params![view.t, source], |row| rows::json(row, 0))
        .optional()
}

/// Charges later than `since`, as a limit counts them.
pub(super) fn charged(view: &View<'_>, key: &str, since: At, but: &str) -> Read<u32> {
    view.db
        .prepare_cached("select count(*) from charge where tenant = ?1 and key = ?2 and at > ?3 and action <> ?4")?
        .query_row(params![view.t, key, since.ticks(), but], |row| row.get(0))
}

/// The earliest due time over some kinds, but for lanes in our own hands; the index answers for each.
pub(super) fn next_due(db: &Connection, (tenant, me): (&str, &str), kinds: &[LaneKind]) -> Read<Option<At>> {
    let mut earliest: Option<At> = None;
    let mut query = db.prepare_cached(
        "select due from lane where tenant = ?1 and kind = ?2 and due is not null and owner is not ?3
         order by due limit 1",
    )?;
    for kind in kinds {
        let next = query.query_row(params![tenant, kind.word(), me], |row| rows::at(row, 0)).optional()?;
        earliest = earliest.into_iter().chain(next).min();
    }
    Ok(earliest)
}

pub(super) fn due(view: &View<'_>, lane: &LaneKey) -> Read<Option<At>> {
    let sql = "select due from lane where tenant = ?1 and kind = ?2 and key = ?3";
    let due = view.db.prepare_cached(sql)?.query_row(params![view.t, lane.kind.word(), lane.key], |row| row.get(0));
    Ok(due.optional()?.flatten().map(At::from_ticks))
}

pub(super) fn lanes(view: &View<'_>) -> Read<LaneCounts> {
    let mut counts = LaneCounts::default();
    let mut by_kind = view.db.prepare_cached(
        "select count(*) filter (where due <= ?3), count(*) filter (where due > ?3), min(due)
         from lane where tenant = ?1 and kind = ?2 and due is not null",
    )?;
    for kind in LaneKind::ALL {
        let (due, waiting, next): (u64, u64, Option<At>) =
            by_kind.query_row(params![view.t, kind.word(), view.now.ticks()], |row| {
                let next: Option<i64> = row.get(2)?;
                Ok((rows::unsigned(row, 0)?, rows::unsigned(row, 1)?, next.map(At::from_ticks)))
            })?;
        counts.due.extend((due > 0).then_some((kind, due)));
        counts.waiting.extend((waiting > 0).then_some((kind, waiting)));
        counts.next_due = counts.next_due.into_iter().chain(next).min();
    }
    Ok(counts)
}

/// Counted in indexes alone, but for events: what has one since then has changed since then.
pub(super) fn labels(view: &View<'_>, kind: StreamKind, among: Among) -> Read<BTreeMap<String, u64>> {
    let (index, which, since, event) = match among {
        Among::Open => ("stream_by_label", "open = 1 and ?3 is not null and ?4 is not null", At::EPOCH, ""),
        Among::ChangedSince(at) => ("stream_by_change", "changed_at >= ?3 and ?4 is not null", at, ""),
        Among::With(event, at) => (
            "stream_by_change",
            "changed_at >= ?3 and exists (
                 select 1 from event where event.tenant = ?1 and event.kind = ?2 and event.id = stream.id
                     and event.at >= ?3 and event.name = ?4)",
            at,
            event,
        ),
    };
    view.db
        .prepare_cached(&format!(
            "select label, count(*) from stream indexed by {index} where tenant = ?1 and kind = ?2 and {which}
                 and label <> ?5 group by label"
        ))?
        .query_map(params![view.t, kind.word(), since.ticks(), event, REMOVED], |row| {
            Ok((row.get(0)?, rows::unsigned(row, 1)?))
        })?
        .collect()
}

/// What has ended is what has moved and is not open; both are counted in indexes alone.
pub(super) fn ended(view: &View<'_>, kind: StreamKind, since: At) -> Read<Ended> {
    let values = params![view.t, kind.word(), since.ticks(), REMOVED];
    let (moved, first): (u64, Option<i64>) = view
        .db
        .prepare_cached(
            "select count(*), min(changed_at) from stream indexed by stream_by_change
             where tenant = ?1 and kind = ?2 and changed_at >= ?3 and label <> ?4",
        )?
        .query_row(values, |row| Ok((rows::unsigned(row, 0)?, row.get(1)?)))?;
    let open: u64 = view
        .db
        .prepare_cached(
            "select count(*) from stream indexed by stream_open
             where tenant = ?1 and kind = ?2 and changed_at >= ?3 and open = 1",
        )?
        .query_row(params![view.t, kind.word(), since.ticks()], |row| rows::unsigned(row, 0))?;
    Ok(Ended { count: moved.saturating_sub(open), first: first.map(At::from_ticks) })
}

/// The state of a stream.
pub(super) fn state(view: &View<'_>, key: &StreamKey) -> Read<Option<Value>> {
    view.db
        .prepare_cached("select state from stream where tenant = ?1 and kind = ?2 and id = ?3")?
        .query_row(params![view.t, key.kind.word(), key.id], |row| rows::json(row, 0))
        .optional()
}
