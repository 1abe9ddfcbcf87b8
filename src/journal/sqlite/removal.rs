//! Taking out of the tables what streams say.

use std::collections::BTreeSet;

use rusqlite::{OptionalExtension, params};

use super::super::CommitError;
use super::super::batch::NewAlias;
use super::super::lane::LaneKey;
use super::super::removal::{CHARGES_COUNT_FOR, REMOVED, Removal};
use super::commit::append;
use super::fault::Stop;
use super::rows::{self, Tx, signed};
use crate::record::event::StreamKey;

/// Removes what the streams say, and what else tells whom they were about.
pub(super) fn remove(tx: &Tx<'_>, removal: &Removal) -> Result<(), Stop> {
    // What this takes out is overwritten, not only given back to the file. Pieces of what was written over before may lie
    // in free pages: deploy/README.md says so.
    tx.db.pragma_update(None, "secure_delete", true)?;
    let done = all(tx, removal);
    tx.db.pragma_update(None, "secure_delete", false)?;
    done
}

fn all(tx: &Tx<'_>, removal: &Removal) -> Result<(), Stop> {
    let mut lanes = BTreeSet::new();
    for (stream, n) in &removal.streams {
        lanes.insert(lane_of_ended(tx, stream, *n)?);
        tx.run(
            "update event set payload = null where tenant = ?1 and kind = ?2 and id = ?3",
            params![tx.t, stream.kind.word(), stream.id],
        )?;
        append(tx, removal.write(stream, *n, tx.now))?;
        let (of, key) = ("chore", REMOVED);
        tx.run(
            "update stream set lane_kind = ?4, lane_key = ?5 where tenant = ?1 and kind = ?2 and id = ?3",
            params![tx.t, stream.kind.word(), stream.id, of, key],
        )?;
    }
    for name in &removal.names {
        let NewAlias { value, alert } = name;
        let values = params![tx.t, value, alert.to_string()];
        tx.run("delete from alias where tenant = ?1 and value = ?2 and alert = ?3", values)?;
    }
    for lane in &lanes {
        empty(tx, lane)?;
    }
    let counted = tx.now.minus(CHARGES_COUNT_FOR).ticks();
    tx.run("delete from charge where tenant = ?1 and at < ?2", params![tx.t, counted])?;
    Ok(())
}

/// The lane of a stream that has ended with so many events, and that holds no effect.
fn lane_of_ended(tx: &Tx<'_>, stream: &StreamKey, n: u64) -> Result<LaneKey, Stop> {
    let lane = tx
        .db
        .prepare_cached(
            "select lane_kind, lane_key from stream
             where tenant = ?1 and kind = ?2 and id = ?3 and n = ?4 and open = 0 and label <> ?5
                 and not exists (select 1 from hold where hold.tenant = ?1 and hold.action = ?3)",
        )?
        .query_row(params![tx.t, stream.kind.word(), stream.id, signed(n), REMOVED], |row| {
            Ok(LaneKey { kind: rows::lane_kind(row, 0)?, key: row.get(1)? })
        })
        .optional()?;
    lane.ok_or_else(|| CommitError::Moved(stream.clone()).into())
}

/// A lane in which nothing is left goes too, with what was said to it: its name may be that of an account.
fn empty(tx: &Tx<'_>, lane: &LaneKey) -> Result<(), Stop> {
    let values = params![tx.t, lane.kind.word(), lane.key];
    let gone = tx.run(
        "delete from lane where tenant = ?1 and kind = ?2 and key = ?3 and due is null and owner is null
             and quarantined = 0 and not exists (
                 select 1 from stream where stream.tenant = ?1 and lane_kind = ?2 and lane_key = ?3)
             and not exists (
                 select 1 from signal
                 where signal.tenant = ?1 and lane_kind = ?2 and lane_key = ?3 and taken_at is null)",
        values,
    )?;
    if gone == 1 {
        tx.run("delete from signal where tenant = ?1 and lane_kind = ?2 and lane_key = ?3", values)?;
    }
    Ok(())
}
