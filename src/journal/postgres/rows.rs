//! Rows to values and back.

use std::borrow::Cow;
use std::str::FromStr;

use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio_postgres::Row;

use super::super::chain::Link;
use super::super::lane::{LaneKey, LaneKind};
use super::super::{Signal, StoredEvent, StoredStream};
use super::fault::Stop;
use crate::model::text::{clip, hex};
use crate::model::time::At;
use crate::record::event::{Entry, StreamKey, StreamKind};

/// The columns of [`stream`].
pub(super) const STREAM: &str = "kind, id, lane_kind, lane_key, n, state, open, opened_at, changed_at, label";

/// The columns of [`link`].
pub(super) const LINK: &str = "n, at, name, version, actor, payload, payload_sha, prev, hash";

/// A longer name does not fit into an index.
const NAME: usize = 1_000;

type Read<T> = Result<T, Stop>;

/// A name from outside as a key. PostgreSQL stores no NUL and indexes no long text, so such a name stands for itself
/// by its digest.
pub(super) fn name(value: &str) -> Cow<'_, str> {
    if value.len() <= NAME && !value.contains('\0') {
        return Cow::Borrowed(value);
    }
    Cow::Owned(format!("sha256:{}", hex(&Sha256::digest(value.as_bytes()))))
}

/// Text as PostgreSQL can store it.
pub(super) fn plain(text: String) -> String {
    if text.contains('\0') { text.replace('\0', "\u{fffd}") } else { text }
}

/// PostgreSQL counts with a sign.
pub(super) fn signed(n: u64) -> i64 {
    i64::try_from(n).unwrap_or(i64::MAX)
}

/// How many there are; 0, the number of no event, where it is no count.
pub(super) fn count(row: &Row, column: usize) -> Read<u64> {
    Ok(u64::try_from(row.try_get::<_, i64>(column)?).unwrap_or(0))
}

pub(super) fn at(row: &Row, column: usize) -> Read<At> {
    Ok(At::from_ticks(row.try_get(column)?))
}

/// A moment that may be none.
pub(super) fn maybe_at(row: &Row, column: usize) -> Read<Option<At>> {
    Ok(row.try_get::<_, Option<i64>>(column)?.map(At::from_ticks))
}

pub(super) fn text(row: &Row, column: usize) -> Read<String> {
    Ok(row.try_get(column)?)
}

/// Something stored as text that reads itself.
pub(super) fn parsed<T: FromStr>(row: &Row, column: usize) -> Read<T>
where
    T::Err: std::fmt::Display,
{
    let text: &str = row.try_get(column)?;
    text.parse().map_err(|error| Stop::Fault(format!("what is stored cannot be read: {error}")))
}

pub(super) fn json(row: &Row, column: usize) -> Read<Value> {
    let text: &str = row.try_get(column)?;
    serde_json::from_str(text).map_err(|error| Stop::Fault(format!("what is stored cannot be read: {error}")))
}

pub(super) fn stream(row: &Row) -> Read<StoredStream> {
    Ok(StoredStream {
        key: StreamKey { kind: stream_kind(row, 0)?, id: text(row, 1)? },
        lane: LaneKey { kind: lane_kind(row, 2)?, key: text(row, 3)? },
        n: count(row, 4)?,
        state: state(row, 5)?,
        open: row.try_get(6)?,
        opened_at: at(row, 7)?,
        changed_at: at(row, 8)?,
        label: text(row, 9)?,
    })
}

/// A stream's state; what is no JSON is text, which nothing reads as a state, so that it spoils its own stream only.
fn state(row: &Row, column: usize) -> Read<Value> {
    let text = text(row, column)?;
    Ok(serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

/// From [`LINK`]. A payload that was removed is null.
pub(super) fn event(key: &StreamKey, row: &Row) -> Read<StoredEvent> {
    let Link { n, at, name, version, actor, payload, prev, hash, .. } = link(row)?;
    let payload = payload.map_or(Ok(Value::Null), |text| serde_json::from_str(&text));
    let payload = payload.map_err(|error| Stop::Fault(format!("event {n} of {key} cannot be read: {error}")))?;
    Ok(StoredEvent { stream: key.clone(), n, entry: Entry { name, version, actor, at, payload }, prev, hash })
}

/// From [`LINK`]. A number that riposte never writes is read as one that cannot follow in any chain.
pub(super) fn link(row: &Row) -> Read<Link> {
    Ok(Link {
        n: count(row, 0)?,
        at: at(row, 1)?,
        name: text(row, 2)?,
        version: u16::try_from(row.try_get::<_, i32>(3)?).unwrap_or(u16::MAX),
        actor: text(row, 4)?,
        payload: row.try_get(5)?,
        payload_sha: text(row, 6)?,
        prev: text(row, 7)?,
        hash: text(row, 8)?,
    })
}

/// The stream of an event, from `kind, id`; a kind that is none of ours is part of the id.
pub(super) fn placed_in(row: &Row, kind: usize, id: usize) -> Read<StreamKey> {
    let key = text(row, id)?;
    Ok(match stream_kind(row, kind) {
        Ok(kind) => StreamKey { kind, id: key },
        Err(_) => StreamKey { kind: StreamKind::Control, id: format!("{:?}/{key}", text(row, kind)?) },
    })
}

/// From `source_key, body, at`.
pub(super) fn signal(lane: &LaneKey, row: &Row) -> Read<Signal> {
    Ok(Signal { source_key: text(row, 0)?, lane: lane.clone(), body: json(row, 1)?, at: at(row, 2)? })
}

pub(super) fn lane_kind(row: &Row, column: usize) -> Read<LaneKind> {
    let word: &str = row.try_get(column)?;
    LaneKind::ALL.into_iter().find(|kind| kind.word() == word).ok_or_else(|| unknown("lane", word))
}

fn stream_kind(row: &Row, column: usize) -> Read<StreamKind> {
    let word: &str = row.try_get(column)?;
    StreamKind::ALL.into_iter().find(|kind| kind.word() == word).ok_or_else(|| unknown("stream", word))
}

fn unknown(what: &str, word: &str) -> Stop {
    Stop::Fault(format!("unknown kind of {what}: {:?}", clip(word, 40)))
}
