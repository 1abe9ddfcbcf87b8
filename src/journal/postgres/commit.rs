//! The single write path: a batch, all or nothing, in a handful of statements however large it is.

use std::collections::HashMap;

use serde_json::Value;

use super::super::CommitError;
use super::super::batch::{Batch, CursorWrite, EffectChange, EffectKey, NewAlias, StreamWrite};
use super::super::chain::{Link, START};
use super::super::sense::{readable, storable};
use super::fault::Stop;
use super::lanes::{self, Held};
use super::rows::{count, json, name, parsed, plain, signed, text};
use super::store::Tx;
use crate::record::event::StreamKey;

/// Writes a step's results.
pub(super) async fn step(tx: &Tx<'_>, held: &Held, batch: &Batch) -> Result<(), Stop> {
    lanes::hold(tx, held, &batch.others().collect::<Vec<_>>()).await?;
    write(tx, held, batch).await
}

/// Writes what a step changes, once the fence has been checked.
pub(super) async fn write(tx: &Tx<'_>, held: &Held, batch: &Batch) -> Result<(), Stop> {
    if !batch.writes.is_empty() {
        append(tx, &batch.writes).await?;
    }
    if !batch.aliases.is_empty() {
        add_aliases(tx, &batch.aliases).await?;
    }
    if let Some(cursor) = &batch.cursor {
        move_cursor(tx, cursor).await?;
    }
    for source_key in &batch.taken {
        take_signal(tx, held, source_key).await?;
    }
    for change in &batch.effects {
        change_effect(tx, change).await?;
    }
    for action in &batch.uncharge {
        tx.run("delete from charge where tenant = $1 and action = $2", &[&tx.t, &action.to_string()]).await?;
    }
    for signal in &batch.signals {
        lanes::signal(tx, signal).await?;
    }
    lanes::wake(tx, &batch.wakes).await
}

/// The turn of this tenant, until the transaction ends. Whoever appends events or charges limits has it, so the order
/// of events is the order of commits, and whatever is counted under it is exact. Lanes are locked before it is taken,
/// never after, but for those that are new. Such locks are the database's own, which holds one journal of one tenant; should
/// another program there ever take this very one, it is waited for as for a writer.
pub(super) async fn turn(tx: &Tx<'_>) -> Result<(), Stop> {
    tx.run("select pg_advisory_xact_lock(hashtextextended($1, 0))", &[&tx.t]).await?;
    Ok(())
}

/// Appends events to streams that have exactly the expected number of them.
pub(super) async fn append(tx: &Tx<'_>, writes: &[StreamWrite]) -> Result<(), Stop> {
    turn(tx).await?;
    let mut ends = ends(tx, writes).await?;
    let mut links: Vec<(&StreamKey, Link)> = Vec::new();
    let mut last: HashMap<&StreamKey, &StreamWrite> = HashMap::new();
    for write in writes {
        if write.events.is_empty() {
            return Err(Stop::Nonsense(format!("{} is to be written without an event", write.stream)));
        }
        let (n, head) = ends.entry(write.stream.clone()).or_insert_with(|| (0, START.to_owned()));
        if *n != write.expected {
            return Err(CommitError::Moved(write.stream.clone()).into());
        }
        for entry in &write.events {
            readable(&entry.payload)?;
            let mut entry = entry.clone();
            (entry.name, entry.actor) = (plain(entry.name), plain(entry.actor));
            *n += 1;
            let link = Link::seal(tx.tenant, &write.stream, *n, entry, head);
            head.clone_from(&link.hash);
            links.push((&write.stream, link));
        }
        last.insert(&write.stream, write);
    }
    insert_events(tx, &links).await?;
    let streams = last.values().map(|write| (*write, &ends[&write.stream]));
    put_streams(tx, &streams.collect::<Vec<_>>()).await
}

/// Length and state of a stream.
pub(super) async fn stored(tx: &Tx<'_>, stream: &StreamKey) -> Result<Option<(u64, Value)>, Stop> {
    let sql = "select n, state from stream where tenant = $1 and kind = $2 and id = $3";
    let row = tx.maybe(sql, &[&tx.t, &stream.kind.word(), &stream.id]).await?;
    row.map(|row| Ok((count(&row, 0)?, json(&row, 1)?))).transpose()
}

/// Where those of the streams end that are there.
async fn ends(tx: &Tx<'_>, writes: &[StreamWrite]) -> Result<HashMap<StreamKey, (u64, String)>, Stop> {
    let kinds: Vec<&str> = writes.iter().map(|write| write.stream.kind.word()).collect();
    let ids: Vec<&str> = writes.iter().map(|write| write.stream.id.as_str()).collect();
    let rows = tx
        .rows(
            "select place, n, head from unnest($2::text[], $3::text[]) with ordinality as wanted (kind, id, place)
             join stream on stream.tenant = $1 and stream.kind = wanted.kind and stream.id = wanted.id",
            &[&tx.t, &kinds, &ids],
        )
        .await?;
    let mut ends = HashMap::new();
    for row in rows {
        let place = usize::try_from(row.try_get::<_, i64>(0)?).unwrap_or(0);
        if let Some(write) = writes.get(place.wrapping_sub(1)) {
            ends.insert(write.stream.clone(), (count(&row, 1)?, text(&row, 2)?));
        }
    }
    Ok(ends)
}

async fn insert_events(tx: &Tx<'_>, links: &[(&StreamKey, Link)]) -> Result<(), Stop> {
    fn each<'l, T>(links: &'l [(&StreamKey, Link)], of: impl Fn(&'l Link) -> T) -> Vec<T> {
        links.iter().map(|(_, link)| of(link)).collect()
    }
    let kinds: Vec<&str> = links.iter().map(|(stream, _)| stream.kind.word()).collect();
    let ids: Vec<&str> = links.iter().map(|(stream, _)| stream.id.as_str()).collect();
    tx.run(
        "insert into event (tenant, position, kind, id, n, at, name, version, actor, payload, payload_sha, prev, hash)
         select $1, (select coalesce(max(position), 0) from event where tenant = $1) + place,
             kind, id, n, at, name, version, actor, payload, payload_sha, prev, hash
         from unnest($2::text[], $3::text[], $4::bigint[], $5::bigint[], $6::text[], $7::int[], $8::text[], $9::text[],
             $10::text[], $11::text[], $12::text[]) with ordinality
             as new (kind, id, n, at, name, version, actor, payload, payload_sha, prev, hash, place)",
        &[
            &tx.t,
            &kinds,
            &ids,
            &each(links, |link| signed(link.n)),
            &each(links, |link| link.at.ticks()),
            &each(links, |link| link.name.as_str()),
            &each(links, |link| i32::from(link.version)),
            &each(links, |link| link.actor.as_str()),
            &each(links, |link| link.payload.as_deref()),
            &each(links, |link| link.payload_sha.as_str()),
            &each(links, |link| link.prev.as_str()),
            &each(links, |link| link.hash.as_str()),
        ],
    )
    .await?;
    Ok(())
}

/// Whether a stream is new was settled before, under the same turn.
async fn put_streams(tx: &Tx<'_>, streams: &[(&StreamWrite, &(u64, String))]) -> Result<(), Stop> {
    fn each<'s, T>(streams: &'s [(&'s StreamWrite, &'s (u64, String))], of: impl Fn(&'s StreamWrite) -> T) -> Vec<T> {
        streams.iter().map(|(write, _)| of(write)).collect()
    }
    let lengths: Vec<i64> = streams.iter().map(|(_, (n, _))| signed(*n)).collect();
    let heads: Vec<&str> = streams.iter().map(|(_, (_, head))| head.as_str()).collect();
    let states: Vec<String> = streams.iter().map(|(write, _)| storable(&write.state)).collect::<Result<_, _>>()?;
    tx.run(
        "insert into stream (tenant, kind, id, lane_kind, lane_key, n, head, state, label, open, opened_at, changed_at)
         select $1, kind, id, lane_kind, lane_key, n, head, state, label, open, $11, $11
         from unnest($2::text[], $3::text[], $4::text[], $5::text[], $6::bigint[], $7::text[], $8::text[], $9::text[],
             $10::boolean[]) as new (kind, id, lane_kind, lane_key, n, head, state, label, open)
         on conflict (tenant, kind, id) do update set n = excluded.n, head = excluded.head, state = excluded.state,
             label = excluded.label, open = excluded.open, changed_at = excluded.changed_at",
        &[
            &tx.t,
            &each(streams, |write| write.stream.kind.word()),
            &each(streams, |write| write.stream.id.as_str()),
            &each(streams, |write| write.lane.kind.word()),
            &each(streams, |write| write.lane.key.as_str()),
            &lengths,
            &heads,
            &states,
            &each(streams, |write| write.label),
            &each(streams, |write| write.open),
            &tx.now.ticks(),
        ],
    )
    .await?;
    Ok(())
}

async fn add_aliases(tx: &Tx<'_>, aliases: &[NewAlias]) -> Result<(), Stop> {
    let values: Vec<_> = aliases.iter().map(|alias| name(&alias.value)).collect();
    let values: Vec<&str> = values.iter().map(AsRef::as_ref).collect();
    let alerts: Vec<String> = aliases.iter().map(|alias| alias.alert.to_string()).collect();
    tx.run(
        "insert into alias (tenant, value, alert)
             select $1, value, alert from unnest($2::text[], $3::text[]) with ordinality as new (value, alert, place)
             order by value collate \"C\", place
         on conflict do nothing",
        &[&tx.t, &values, &alerts],
    )
    .await?;
    let other = tx
        .maybe(
            "select place, alias.alert
             from unnest($2::text[], $3::text[]) with ordinality as new (value, alert, place)
             join alias on alias.tenant = $1 and alias.value = new.value and alias.alert <> new.alert
             order by place limit 1",
            &[&tx.t, &values, &alerts],
        )
        .await?;
    let Some(other) = other else { return Ok(()) };
    let place = usize::try_from(other.try_get::<_, i64>(0)?).unwrap_or(0);
    let value = aliases.get(place.wrapping_sub(1)).map(|alias| alias.value.clone()).unwrap_or_default();
    Err(CommitError::AliasTaken { value, owner: parsed(&other, 1)? }.into())
}

async fn move_cursor(tx: &Tx<'_>, cursor: &CursorWrite) -> Result<(), Stop> {
    tx.run(
        "insert into cursor (tenant, source, position, at) values ($1, $2, $3, $4)
         on conflict (tenant, source) do update set position = excluded.position, at = excluded.at",
        &[&tx.t, &cursor.source, &storable(&cursor.position)?, &tx.now.ticks()],
    )
    .await?;
    Ok(())
}

/// A lane deals with its own signals only.
async fn take_signal(tx: &Tx<'_>, held: &Held, source_key: &str) -> Result<(), Stop> {
    let taken = tx
        .run(
            "update signal set taken_at = coalesce(taken_at, $5)
             where tenant = $1 and source_key = $2 and lane_kind = $3 and lane_key = $4",
            &[&tx.t, &source_key, &held.lane.kind.word(), &held.lane.key, &tx.now.ticks()],
        )
        .await?;
    if taken == 0 {
        return Err(Stop::Nonsense(format!("the signal {source_key} was not left for the lane that takes it")));
    }
    Ok(())
}

async fn change_effect(tx: &Tx<'_>, change: &EffectChange) -> Result<(), Stop> {
    let (EffectChange::Hold { key, action } | EffectChange::Release { key, action }) = change;
    let (EffectKey { account, verb, target }, action) = (key, action.to_string());
    match change {
        EffectChange::Hold { .. } => {
            tx.run(
                "insert into hold (tenant, account, verb, target, action, at) values ($1, $2, $3, $4, $5, $6)
                 on conflict (tenant, account, verb, target, action) do nothing",
                &[&tx.t, account, verb, target, &action, &tx.now.ticks()],
            )
            .await?
        }
        EffectChange::Release { .. } => {
            tx.run(
                "delete from hold where tenant = $1 and account = $2 and verb = $3 and target = $4 and action = $5",
                &[&tx.t, account, verb, target, &action],
            )
            .await?
        }
    };
    Ok(())
}
