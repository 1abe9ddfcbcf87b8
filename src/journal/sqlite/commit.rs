//! The single write path: a batch, all or nothing.

use rusqlite::{OptionalExtension, params};
use serde_json::Value;

use super::super::CommitError;
use super::super::batch::{Batch, CursorWrite, EffectChange, EffectKey, NewAlias, StreamWrite};
use super::super::chain::{Link, START};
use super::super::sense::{readable, storable};
use super::fault::Stop;
use super::lanes::{Held, signal, wake};
use super::rows::{Tx, json, parsed, signed, unsigned};
use crate::model::id::ActionId;
use crate::record::event::StreamKey;

/// The first statement of every step's transaction: the lane is still ours. What has got so far did not kill
/// the process; whether the pass fails is seen at its end.
pub(super) fn still_ours(tx: &Tx<'_>, held: &Held) -> Result<(), Stop> {
    let ours = tx.run(
        "update lane set crashes = 0
         where tenant = ?1 and kind = ?2 and key = ?3 and owner = ?4 and fence = ?5",
        params![tx.t, held.lane.kind.word(), held.lane.key, tx.me, held.fence],
    )?;
    if ours == 0 { Err(CommitError::Fenced.into()) } else { Ok(()) }
}

/// Writes what a step changes, once the fence has been checked.
pub(super) fn write(tx: &Tx<'_>, held: &Held, batch: Batch) -> Result<(), Stop> {
    for one in batch.writes {
        append(tx, one)?;
    }
    for alias in &batch.aliases {
        add_alias(tx, alias)?;
    }
    if let Some(cursor) = &batch.cursor {
        move_cursor(tx, cursor)?;
    }
    for source_key in &batch.taken {
        take_signal(tx, held, source_key)?;
    }
    for change in &batch.effects {
        change_effect(tx, change)?;
    }
    for action in &batch.uncharge {
        uncharge(tx, *action)?;
    }
    for one in &batch.signals {
        signal(tx, one)?;
    }
    let mut wakes = batch.wakes;
    wakes.sort_by(|a, b| a.lane.cmp(&b.lane));
    for one in &wakes {
        wake(tx, &one.lane, one.at)?;
    }
    Ok(())
}

/// Appends events to a stream that has exactly the expected number of them.
pub(super) fn append(tx: &Tx<'_>, write: StreamWrite) -> Result<(), Stop> {
    if write.events.is_empty() {
        return Err(Stop::Nonsense(format!("{} is to be written without an event", write.stream)));
    }
    let (mut n, mut head) = (write.expected, head(tx, &write.stream, write.expected)?);
    for entry in write.events {
        readable(&entry.payload)?;
        n += 1;
        let link = Link::seal(tx.tenant, &write.stream, n, entry, &head);
        insert_event(tx, &write.stream, &link)?;
        head = link.hash;
    }
    // Whether the stream is new was settled above, in this same transaction.
    tx.run(
        "insert into stream (tenant, kind, id, n, head, state, open, lane_kind, lane_key, opened_at, changed_at, label)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?10, ?11)
         on conflict (tenant, kind, id) do update set n = excluded.n, head = excluded.head, state = excluded.state,
             open = excluded.open, changed_at = excluded.changed_at, label = excluded.label",
        params![
            tx.t,
            write.stream.kind.word(),
            write.stream.id,
            signed(n),
            head,
            storable(&write.state)?,
            write.open,
            write.lane.kind.word(),
            write.lane.key,
            tx.now.ticks(),
            write.label
        ],
    )?;
    Ok(())
}

/// Length and state of a stream.
pub(super) fn stored(tx: &Tx<'_>, stream: &StreamKey) -> Result<Option<(u64, Value)>, Stop> {
    let found = tx
        .db
        .prepare_cached("select n, state from stream where tenant = ?1 and kind = ?2 and id = ?3")?
        .query_row(params![tx.t, stream.kind.word(), stream.id], |row| Ok((unsigned(row, 0)?, json(row, 1)?)))
        .optional()?;
    Ok(found)
}

/// The hash of the last event, if there are as many as expected.
fn head(tx: &Tx<'_>, stream: &StreamKey, expected: u64) -> Result<String, Stop> {
    let stored: Option<(i64, String)> = tx
        .db
        .prepare_cached("select n, head from stream where tenant = ?1 and kind = ?2 and id = ?3")?
        .query_row(params![tx.t, stream.kind.word(), stream.id], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    let (n, head) = stored.unwrap_or_else(|| (0, START.to_owned()));
    if n == signed(expected) { Ok(head) } else { Err(CommitError::Moved(stream.clone()).into()) }
}

fn insert_event(tx: &Tx<'_>, stream: &StreamKey, link: &Link) -> Result<(), Stop> {
    tx.run(
        "insert into event (tenant, kind, id, n, at, name, version, actor, payload, payload_sha, prev, hash)
         values (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12)",
        params![
            tx.t,
            stream.kind.word(),
            stream.id,
            signed(link.n),
            link.at.ticks(),
            link.name,
            link.version,
            link.actor,
            link.payload,
            link.payload_sha,
            link.prev,
            link.hash
        ],
    )?;
    Ok(())
}

fn add_alias(tx: &Tx<'_>, alias: &NewAlias) -> Result<(), Stop> {
    let added = tx.run(
        "insert into alias (tenant, value, alert) values (?1, ?2, ?3) on conflict do nothing",
        params![tx.t, alias.value, alias.alert.to_string()],
    )?;
    if added == 1 {
        return Ok(());
    }
    let owner = tx
        .db
        .prepare_cached("select alert from alias where tenant = ?1 and value = ?2")?
        .query_row(params![tx.t, alias.value], |row| parsed(row, 0))?;
    if owner == alias.alert {
        return Ok(());
    }
    Err(CommitError::AliasTaken { value: alias.value.clone(), owner }.into())
}

fn move_cursor(tx: &Tx<'_>, cursor: &CursorWrite) -> Result<(), Stop> {
    tx.run(
        "insert into cursor (tenant, source, position, at) values (?1, ?2, ?3, ?4)
         on conflict (tenant, source) do update set position = excluded.position, at = excluded.at",
        params![tx.t, cursor.source, storable(&cursor.position)?, tx.now.ticks()],
    )?;
    Ok(())
}

/// A lane deals with its own signals only.
fn take_signal(tx: &Tx<'_>, held: &Held, source_key: &str) -> Result<(), Stop> {
    let taken = tx.run(
        "update signal set taken_at = ifnull(taken_at, ?5)
         where tenant = ?1 and source_key = ?2 and lane_kind = ?3 and lane_key = ?4",
        params![tx.t, source_key, held.lane.kind.word(), held.lane.key, tx.now.ticks()],
    )?;
    if taken == 0 {
        return Err(Stop::Nonsense(format!("the signal {source_key} was not left for the lane that takes it")));
    }
    Ok(())
}

fn change_effect(tx: &Tx<'_>, change: &EffectChange) -> Result<(), Stop> {
    let (EffectChange::Hold { key, action } | EffectChange::Release { key, action }) = change;
    let EffectKey { account, verb, target } = key;
    match change {
        EffectChange::Hold { .. } => tx.run(
            "insert into hold (tenant, account, verb, target, action, at) values (?1, ?2, ?3, ?4, ?5, ?6)
             on conflict (tenant, account, verb, target, action) do nothing",
            params![tx.t, account, verb, target, action.to_string(), tx.now.ticks()],
        )?,
        EffectChange::Release { .. } => tx.run(
            "delete from hold where tenant = ?1 and account = ?2 and verb = ?3 and target = ?4 and action = ?5",
            params![tx.t, account, verb, target, action.to_string()],
        )?,
    };
    Ok(())
}

fn uncharge(tx: &Tx<'_>, action: ActionId) -> Result<(), Stop> {
    tx.run("delete from charge where tenant = ?1 and action = ?2", params![tx.t, action.to_string()])?;
    Ok(())
}
