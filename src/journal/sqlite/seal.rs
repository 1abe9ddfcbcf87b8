//! Seals in the tables.

use rusqlite::params;

use super::super::chain::Head;
use super::super::seal::{self, AT_ONCE, Seal, Sealed};
use super::super::sense;
use super::super::{Heads, Placed};
use super::commit::{append, still_ours, stored};
use super::fault::Stop;
use super::lanes::Held;
use super::read::View;
use super::rows::{self, Tx, signed};
use crate::record::event::StreamKind;

/// Seals what was written since the last seal. That there is nothing but the last seal itself is nothing.
pub(super) fn seal(tx: &Tx<'_>, held: &Held) -> Result<Sealed, Stop> {
    still_ours(tx, held)?;
    let (expected, last) = match stored(tx, &seal::stream())? {
        Some((n, state)) => (n, Some(sense::read_seal(state)?)),
        None => (0, None),
    };
    let before = last.clone().unwrap_or_default();
    let (next, count) = over(tx, &before, signed(u64::from(AT_ONCE)))?;
    // The last seal is an event too, and a seal over it alone would call for the next one for ever.
    if count <= u64::from(last.is_some()) {
        return Ok(Sealed { seal: last, new: false, more: false });
    }
    append(tx, sense::sealed(expected, &next, tx.now))?;
    Ok(Sealed { seal: Some(next), new: true, more: count == u64::from(AT_ONCE) })
}

fn over(tx: &Tx<'_>, before: &Seal, most: i64) -> Result<(Seal, u64), Stop> {
    let mut query = tx.db.prepare_cached(
        "select position, hash from event where tenant = ?1 and position > ?2 order by position limit ?3",
    )?;
    let mut rows = query.query(params![tx.t, signed(before.position), most])?;
    let (mut seal, mut count) = (before.clone(), 0);
    while let Some(row) = rows.next()? {
        seal = seal.over(rows::unsigned(row, 0)?, &row.get::<_, String>(1)?);
        count += 1;
    }
    Ok((seal, count))
}

/// Events in the order in which they were written.
pub(super) fn placed(view: &View<'_>, after: u64, limit: u32) -> rusqlite::Result<Vec<Placed>> {
    view.db
        .prepare_cached(
            "select n, at, name, version, actor, payload, payload_sha, prev, hash, position, kind, id from event
             where tenant = ?1 and position > ?2 order by position limit ?3",
        )?
        .query_map(params![view.t, signed(after), limit], |row| {
            Ok(Placed {
                position: rows::unsigned(row, 9)?,
                stream: rows::placed_in(row, 10, 11)?,
                link: rows::link(row)?,
            })
        })?
        .collect()
}

/// The ends of the streams of a kind, as their rows say.
pub(super) fn heads(view: &View<'_>, kind: StreamKind, after: &str, limit: u32) -> rusqlite::Result<Heads> {
    view.db
        .prepare_cached(
            "select id, n, head from stream where tenant = ?1 and kind = ?2 and id > ?3 order by id limit ?4",
        )?
        .query_map(params![view.t, kind.word(), after, limit], |row| {
            Ok((row.get(0)?, Head { n: rows::count(row, 1)?, hash: rows::words(row, 2)? }))
        })?
        .collect()
}
