//! Questions to the journal, each answered from one snapshot.

use std::collections::BTreeMap;

use serde_json::Value;
use tokio_postgres::Row;

use super::super::batch::EffectKey;
use super::super::chain::{Head, Link};
use super::super::lane::{LaneKey, LaneKind};
use super::super::removal::REMOVED;
use super::super::{Among, Effect, Ended, Filter, Hold, LaneCounts, Loaded, Signal, StoredEvent, StoredStream};
use super::fault::Stop;
use super::rows::{self, LINK, STREAM, count, json, maybe_at, name, parsed, text};
use super::store::Tx;
use crate::model::id::AlertId;
use crate::model::time::At;
use crate::record::event::{StreamKey, StreamKind};

type Read<T> = Result<T, Stop>;

/// What a lane has to work on.
pub(super) async fn load(tx: &Tx<'_>, lane: &LaneKey) -> Read<Loaded> {
    let sql = "select nudges from lane where tenant = $1 and kind = $2 and key = $3";
    let nudges = tx.maybe(sql, &[&tx.t, &lane.kind.word(), &lane.key]).await?;
    let nudges = nudges.map(|row| row.try_get::<_, i64>(0)).transpose()?.unwrap_or(0).cast_unsigned();
    let sql = format!(
        "select {STREAM} from stream where tenant = $1 and lane_kind = $2 and lane_key = $3 and open
         order by opened_at, kind, id"
    );
    let streams = tx.rows(&sql, &[&tx.t, &lane.kind.word(), &lane.key]).await?;
    let streams = streams.iter().map(rows::stream).collect::<Read<_>>()?;
    Ok(Loaded { streams, signals: signals(tx, lane).await?, nudges })
}

/// What nobody has dealt with, oldest first.
pub(super) async fn signals(tx: &Tx<'_>, lane: &LaneKey) -> Read<Vec<Signal>> {
    let sql = "select source_key, body, at from signal
        where tenant = $1 and lane_kind = $2 and lane_key = $3 and taken_at is null order by at, number";
    let found = tx.rows(sql, &[&tx.t, &lane.kind.word(), &lane.key]).await?;
    found.iter().map(|row| rows::signal(lane, row)).collect()
}

pub(super) async fn stream(tx: &Tx<'_>, key: &StreamKey) -> Read<Option<StoredStream>> {
    let sql = format!("select {STREAM} from stream where tenant = $1 and kind = $2 and id = $3 and label <> $4");
    let row = tx.maybe(&sql, &[&tx.t, &key.kind.word(), &key.id, &REMOVED]).await?;
    row.as_ref().map(rows::stream).transpose()
}

/// One statement sees one moment.
pub(super) async fn together(tx: &Tx<'_>, keys: &[StreamKey]) -> Read<Vec<StoredStream>> {
    let kinds: Vec<&str> = keys.iter().map(|key| key.kind.word()).collect();
    let ids: Vec<&str> = keys.iter().map(|key| key.id.as_str()).collect();
    let sql = format!(
        "select {STREAM} from stream join unnest($2::text[], $3::text[]) with ordinality as wanted (of, named, place)
             on stream.kind = wanted.of and stream.id = wanted.named
         where tenant = $1 and label <> $4 order by wanted.place"
    );
    let rows = tx.rows(&sql, &[&tx.t, &kinds, &ids, &REMOVED]).await?;
    rows.iter().map(rows::stream).collect()
}

/// Newest first; of those that changed in the same moment, the one that began last.
pub(super) async fn streams(tx: &Tx<'_>, filter: &Filter) -> Read<Vec<StoredStream>> {
    let Filter { kind, lanes, open_only, changed_since, changed_before, limit, label, words, .. } = filter;
    let kind = kind.map(StreamKind::word);
    let lane_kinds: Vec<&str> = lanes.iter().map(|lane| lane.kind.word()).collect();
    let lane_keys: Vec<&str> = lanes.iter().map(|lane| lane.key.as_str()).collect();
    let since = changed_since.map(At::ticks);
    let before = changed_before.map(At::ticks);
    let limit = limit.map(i64::from);
    let open = *open_only || label.is_some();
    let after = filter.by_id().map(|(_, after)| after);
    let words = words.as_deref().filter(|_| after.is_some());
    let (from, to) = filter.ids();
    let order = if after.is_some() { "id" } else { "changed_at desc, number desc" };
    let of_lanes = if lanes.is_empty() {
        "cardinality($3::text[]) = cardinality($4::text[])"
    } else {
        "(lane_kind, lane_key) in (select * from unnest($3::text[], $4::text[]))"
    };
    // Only what is asked for stands in the statement, so that it can be planned.
    let mut asked = vec!["tenant = $1".to_owned(), of_lanes.to_owned()];
    asked.push(format!("{} is not distinct from $2::text", if kind.is_some() { "kind" } else { "null::text" }));
    asked.extend(open.then(|| "open".to_owned()));
    asked.push(if since.is_some() { "changed_at >= $5" } else { "$5::bigint is null" }.to_owned());
    asked.push(if before.is_some() { "changed_at < $12" } else { "$12::bigint is null" }.to_owned());
    asked.push("label <> $13".to_owned());
    asked.push(if label.is_some() { "label = $6" } else { "$6::text is null" }.to_owned());
    let of_ids = "id > $7 and id >= $9 and id < $10";
    asked.push(
        if after.is_some() { of_ids } else { "$7::text is null and $9::text is not null and $10::text is not null" }
            .to_owned(),
    );
    asked.push(if words.is_some() { "strpos(state, $11) > 0" } else { "$11::text is null" }.to_owned());
    let sql = format!("select {STREAM} from stream where {} order by {order} limit $8", asked.join(" and "));
    let sql = sql.replace("kind is not distinct from $2::text", "kind = $2");
    let found = tx
        .rows(
            &sql,
            &[
                &tx.t,
                &kind,
                &lane_kinds,
                &lane_keys,
                &since,
                label,
                &after,
                &limit,
                &from,
                &to,
                &words,
                &before,
                &REMOVED,
            ],
        )
        .await?;
    found.iter().map(rows::stream).collect()
}

pub(super) async fn events(tx: &Tx<'_>, key: &StreamKey) -> Read<Vec<StoredEvent>> {
    of_stream(tx, key).await?.iter().map(|row| rows::event(key, row)).collect()
}

/// The events as stored, and what the stream's row says about their end.
pub(super) async fn chain(tx: &Tx<'_>, key: &StreamKey) -> Read<(Vec<Link>, Option<Head>)> {
    let sql = "select n, head from stream where tenant = $1 and kind = $2 and id = $3";
    let head = tx.maybe(sql, &[&tx.t, &key.kind.word(), &key.id]).await?;
    let head = head.map(|row| Ok::<_, Stop>(Head { n: count(&row, 0)?, hash: text(&row, 1)? })).transpose()?;
    let links = of_stream(tx, key).await?.iter().map(rows::link).collect::<Read<_>>()?;
    Ok((links, head))
}

async fn of_stream(tx: &Tx<'_>, key: &StreamKey) -> Read<Vec<tokio_postgres::Row>> {
    let sql = format!("select {LINK} from event where tenant = $1 and kind = $2 and id = $3 order by n");
    tx.rows(&sql, &[&tx.t, &key.kind.word(), &key.id]).await
}

/// In the order in which they were asked for.
pub(super) async fn aliases(tx: &Tx<'_>, values: &[String]) -> Read<Vec<(String, AlertId)>> {
    let names: Vec<_> = values.iter().map(|value| name(value)).collect();
    let names: Vec<&str> = names.iter().map(AsRef::as_ref).collect();
    let sql = "select place, alert from unnest($2::text[]) with ordinality as wanted (value, place)
        join alias on alias.tenant = $1 and alias.value = wanted.value order by place";
    let mut found = Vec::new();
    for row in tx.rows(sql, &[&tx.t, &names]).await? {
        let place = usize::try_from(row.try_get::<_, i64>(0)?).unwrap_or(0);
        let value = values.get(place.wrapping_sub(1)).cloned().unwrap_or_default();
        found.push((value, parsed(&row, 1)?));
    }
    Ok(found)
}

pub(super) async fn effects(tx: &Tx<'_>, accounts: &[String]) -> Read<Vec<Effect>> {
    let sql = "select hold.account, verb, target, action
        from unnest($2::text[]) with ordinality as wanted (account, place)
        join hold on hold.tenant = $1 and hold.account = wanted.account order by place, verb, target, number";
    let mut found: Vec<Effect> = Vec::new();
    for row in tx.rows(sql, &[&tx.t, &accounts]).await? {
        let key = EffectKey { account: text(&row, 0)?, verb: text(&row, 1)?, target: text(&row, 2)? };
        let action = parsed(&row, 3)?;
        match found.last_mut().filter(|effect| effect.key == key) {
            Some(effect) => effect.holders.push(action),
            None => found.push(Effect { key, holders: vec![action] }),
        }
    }
    Ok(found)
}

pub(super) async fn holds(tx: &Tx<'_>, after: i64, limit: u32) -> Read<Vec<Hold>> {
    let sql = "select number, account, verb, target, action from hold where tenant = $1 and number > $2
        order by number limit $3";
    let rows = tx.rows(sql, &[&tx.t, &after, &i64::from(limit)]).await?;
    let hold = |row: &Row| -> Read<Hold> {
        let key = EffectKey { account: text(row, 1)?, verb: text(row, 2)?, target: text(row, 3)? };
        Ok(Hold { number: row.try_get(0)?, key, action: text(row, 4)? })
    };
    rows.iter().map(hold).collect()
}

pub(super) async fn cursor(tx: &Tx<'_>, source: &str) -> Read<Option<Value>> {
    let row = tx.maybe("select position from cursor where tenant = $1 and source = $2", &[&tx.t, &source]).await?;
    row.map(|row| json(&row, 0)).transpose()
}

/// Charges later than `since`, as a limit counts them.
pub(super) async fn charged(tx: &Tx<'_>, key: &str, since: At, but: &str) -> Read<u32> {
    let sql = "select count(*) from charge where tenant = $1 and key = $2 and at > $3 and action <> $4";
    let row = tx.one(sql, &[&tx.t, &key, &since.ticks(), &but]).await?;
    Ok(u32::try_from(count(&row, 0)?).unwrap_or(u32::MAX))
}

/// The earliest due time over some kinds, but for lanes in our own hands; the index answers for each.
pub(super) async fn next_due(tx: &Tx<'_>, kinds: &[LaneKind]) -> Read<Option<At>> {
    let kinds: Vec<&str> = kinds.iter().map(|kind| kind.word()).collect();
    let sql = "select min(next.due) from unnest($2::text[]) as wanted (kind), lateral (
            select due from lane where tenant = $1 and lane.kind = wanted.kind and due is not null
                and owner is distinct from $3 order by due limit 1) as next";
    maybe_at(&tx.one(sql, &[&tx.t, &kinds, &tx.me]).await?, 0)
}

pub(super) async fn due(tx: &Tx<'_>, lane: &LaneKey) -> Read<Option<At>> {
    let sql = "select due from lane where tenant = $1 and kind = $2 and key = $3";
    let row = tx.maybe(sql, &[&tx.t, &lane.kind.word(), &lane.key]).await?;
    row.map_or(Ok(None), |row| maybe_at(&row, 0))
}

pub(super) async fn lanes(tx: &Tx<'_>) -> Read<LaneCounts> {
    let mut counts = LaneCounts::default();
    let sql = "select kind, count(*) filter (where due <= $2), count(*) filter (where due > $2), min(due)
        from lane where tenant = $1 and due is not null group by kind";
    for row in tx.rows(sql, &[&tx.t, &tx.now.ticks()]).await? {
        let (kind, due, waiting) = (rows::lane_kind(&row, 0)?, count(&row, 1)?, count(&row, 2)?);
        counts.due.extend((due > 0).then_some((kind, due)));
        counts.waiting.extend((waiting > 0).then_some((kind, waiting)));
        counts.next_due = counts.next_due.into_iter().chain(maybe_at(&row, 3)?).min();
    }
    Ok(counts)
}

pub(super) async fn labels(tx: &Tx<'_>, kind: StreamKind, among: Among) -> Read<BTreeMap<String, u64>> {
    let (which, since, event) = match among {
        Among::Open => ("open and $3::bigint is not null and $4::text is not null", At::EPOCH, ""),
        Among::ChangedSince(at) => ("changed_at >= $3 and $4::text is not null", at, ""),
        Among::With(event, at) => (
            "changed_at >= $3 and exists (
                select 1 from event where event.tenant = $1 and event.kind = $2 and event.id = stream.id
                    and event.at >= $3 and event.name = $4)",
            at,
            event,
        ),
    };
    let sql = format!(
        "select label, count(*) from stream where tenant = $1 and kind = $2 and {which} and label <> $5 group by label"
    );
    let found = tx.rows(&sql, &[&tx.t, &kind.word(), &since.ticks(), &event, &REMOVED]).await?;
    found.iter().map(|row| Ok((text(row, 0)?, count(row, 1)?))).collect()
}

/// What has ended is what has moved and is not open.
pub(super) async fn ended(tx: &Tx<'_>, kind: StreamKind, since: At) -> Read<Ended> {
    let sql = "select count(*) filter (where not open), min(changed_at) from stream
        where tenant = $1 and kind = $2 and changed_at >= $3 and label <> $4";
    let row = tx.one(sql, &[&tx.t, &kind.word(), &since.ticks(), &REMOVED]).await?;
    Ok(Ended { count: count(&row, 0)?, first: maybe_at(&row, 1)? })
}
