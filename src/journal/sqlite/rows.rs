//! Rows to values and back.

use rusqlite::types::{Type, ValueRef};
use rusqlite::{Connection, Error, Row};
use serde_json::Value;

use super::super::chain::Link;
use super::super::lane::{LaneKey, LaneKind};
use super::super::{Signal, StoredEvent, StoredStream};
use crate::model::scope::TenantKey;
use crate::model::time::At;
use crate::record::event::{Entry, StreamKey, StreamKind};

/// The columns of [`stream`].
pub(super) const STREAM: &str = "kind, id, lane_kind, lane_key, n, state, open, opened_at, changed_at, label";

/// What every piece of work in a transaction needs.
pub(super) struct Tx<'a> {
    pub(super) db: &'a Connection,
    pub(super) tenant: TenantKey,
    /// The tenant as text.
    pub(super) t: &'a str,
    /// The boot id as text.
    pub(super) me: &'a str,
    pub(super) now: At,
}

impl Tx<'_> {
    /// Runs one statement and says how many rows it changed.
    pub(super) fn run(&self, sql: &str, values: impl rusqlite::Params) -> rusqlite::Result<usize> {
        self.db.prepare_cached(sql)?.execute(values)
    }
}

/// SQLite counts with a sign.
pub(super) fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

pub(super) fn unsigned(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    let n: i64 = row.get(column)?;
    u64::try_from(n).map_err(|_| Error::IntegralValueOutOfRange(column, n))
}

pub(super) fn at(row: &Row<'_>, column: usize) -> rusqlite::Result<At> {
    row.get(column).map(At::from_ticks)
}

/// Something stored as text that reads itself.
pub(super) fn parsed<T: std::str::FromStr>(row: &Row<'_>, column: usize) -> rusqlite::Result<T>
where
    T::Err: std::error::Error + Send + Sync + 'static,
{
    text(row, column)?.parse().map_err(|e: T::Err| Error::FromSqlConversionFailure(column, Type::Text, Box::new(e)))
}

pub(super) fn json(row: &Row<'_>, column: usize) -> rusqlite::Result<Value> {
    serde_json::from_str(text(row, column)?)
        .map_err(|e| Error::FromSqlConversionFailure(column, Type::Text, Box::new(e)))
}

pub(super) fn stream(row: &Row<'_>) -> rusqlite::Result<StoredStream> {
    Ok(StoredStream {
        key: StreamKey { kind: stream_kind(row, 0)?, id: row.get(1)? },
        lane: LaneKey { kind: lane_kind(row, 2)?, key: row.get(3)? },
        n: unsigned(row, 4)?,
        state: state(row, 5)?,
        open: row.get(6)?,
        opened_at: at(row, 7)?,
        changed_at: at(row, 8)?,
        label: row.get(9)?,
    })
}

/// A stream's state; what is no JSON is text, which nothing reads as a state, so that it spoils its own stream only.
fn state(row: &Row<'_>, column: usize) -> rusqlite::Result<Value> {
    let text = words(row, column)?;
    Ok(serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// From `n, at, name, version, actor, payload, prev, hash`. A payload that was removed is null.
pub(super) fn event(key: &StreamKey, row: &Row<'_>) -> rusqlite::Result<StoredEvent> {
    let removed = matches!(row.get_ref(5)?, ValueRef::Null);
    Ok(StoredEvent {
        stream: key.clone(),
        n: unsigned(row, 0)?,
        entry: Entry {
            at: at(row, 1)?,
            name: row.get(2)?,
            version: row.get(3)?,
            actor: row.get(4)?,
            payload: if removed { Value::Null } else { json(row, 5)? },
        },
        prev: row.get(6)?,
        hash: row.get(7)?,
    })
}

/// From `n, at, name, version, actor, payload, payload_sha, prev, hash`. Whatever somebody has put in place of what
/// riposte wrote is read as something that cannot follow in any chain, so that the chain says where.
pub(super) fn link(row: &Row<'_>) -> rusqlite::Result<Link> {
    Ok(Link {
        n: count(row, 0)?,
        at: at(row, 1)?,
        name: words(row, 2)?,
        version: u16::try_from(row.get::<_, i64>(3)?).unwrap_or(u16::MAX),
        actor: words(row, 4)?,
        payload: if matches!(row.get_ref(5)?, ValueRef::Null) { None } else { Some(words(row, 5)?) },
        payload_sha: words(row, 6)?,
        prev: words(row, 7)?,
        hash: words(row, 8)?,
    })
}

/// The stream of an event, from `kind, id`; a kind that is none of ours is part of the id.
pub(super) fn placed_in(row: &Row<'_>, kind: usize, id: usize) -> rusqlite::Result<StreamKey> {
    let key = words(row, id)?;
    Ok(match stream_kind(row, kind) {
        Ok(kind) => StreamKey { kind, id: key },
        Err(_) => StreamKey { kind: StreamKind::Control, id: format!("{:?}/{key}", words(row, kind)?) },
    })
}

/// How many there are; 0, the number of no event, where it is no count.
pub(super) fn count(row: &Row<'_>, column: usize) -> rusqlite::Result<u64> {
    Ok(u64::try_from(row.get::<_, i64>(column)?).unwrap_or(0))
}

/// Text; nothing where it is none.
pub(super) fn words(row: &Row<'_>, column: usize) -> rusqlite::Result<String> {
    Ok(row.get_ref(column)?.as_str().unwrap_or_default().to_owned())
}

/// From `source_key, body, at`.
pub(super) fn signal(lane: &LaneKey, row: &Row<'_>) -> rusqlite::Result<Signal> {
    Ok(Signal { source_key: row.get(0)?, lane: lane.clone(), body: json(row, 1)?, at: at(row, 2)? })
}

pub(super) fn lane_kind(row: &Row<'_>, column: usize) -> rusqlite::Result<LaneKind> {
    let word = text(row, column)?;
    LaneKind::ALL.into_iter().find(|kind| kind.word() == word).ok_or_else(|| unknown(column, "lane", word))
}

pub(super) fn stream_kind(row: &Row<'_>, column: usize) -> rusqlite::Result<StreamKind> {
    let word = text(row, column)?;
    StreamKind::ALL.into_iter().find(|kind| kind.word() == word).ok_or_else(|| unknown(column, "stream", word))
}

fn unknown(column: usize, what: &str, word: &str) -> Error {
    let sentence = format!("unknown kind of {what}: {:?}", crate::model::text::clip(word, 40));
    Error::FromSqlConversionFailure(column, Type::Text, sentence.into())
}

fn text<'r>(row: &'r Row<'_>, column: usize) -> rusqlite::Result<&'r str> {
    row.get_ref(column)?.as_str().map_err(|e| Error::FromSqlConversionFailure(column, Type::Text, Box::new(e)))
}
