//! Taking out of the tables what streams say.

use std::collections::BTreeSet;

use super::super::CommitError;
use super::super::batch::NewAlias;
use super::super::lane::LaneKey;
use super::super::removal::{CHARGES_COUNT_FOR, REMOVED, Removal};
use super::commit::{append, turn};
use super::fault::Stop;
use super::rows::{lane_kind, name, signed, text};
use super::store::Tx;
use crate::record::event::StreamKey;

/// Removes what the streams say, and what else tells whom they were about.
pub(super) async fn remove(tx: &Tx<'_>, removal: &Removal) -> Result<(), Stop> {
    let mut lanes = BTreeSet::new();
    for (stream, n) in &removal.streams {
        lanes.insert(lane_of_ended(tx, stream, *n).await?);
    }
    // Lanes are locked in their order, before the turn.
    for lane in &lanes {
        let sql = "select 1 from lane where tenant = $1 and kind = $2 and key = $3 for update";
        tx.maybe(sql, &[&tx.t, &lane.kind.word(), &lane.key]).await?;
    }
    turn(tx).await?;
    for (stream, n) in &removal.streams {
        // Whoever worked in the lane meanwhile may have written on.
        lane_of_ended(tx, stream, *n).await?;
        let sql = "update event set payload = null where tenant = $1 and kind = $2 and id = $3";
        tx.run(sql, &[&tx.t, &stream.kind.word(), &stream.id]).await?;
        append(tx, &[removal.write(stream, *n, tx.now)]).await?;
        let sql = "update stream set lane_kind = 'chore', lane_key = $4 where tenant = $1 and kind = $2 and id = $3";
        tx.run(sql, &[&tx.t, &stream.kind.word(), &stream.id, &REMOVED]).await?;
    }
    for NewAlias { value, alert } in &removal.names {
        let sql = "delete from alias where tenant = $1 and value = $2 and alert = $3";
        tx.run(sql, &[&tx.t, &name(value), &alert.to_string()]).await?;
    }
    for lane in &lanes {
        empty(tx, lane).await?;
    }
    let counted = tx.now.minus(CHARGES_COUNT_FOR).ticks();
    tx.run("delete from charge where tenant = $1 and at < $2", &[&tx.t, &counted]).await?;
    Ok(())
}

/// The lane of a stream that has ended with so many events, and that holds no effect.
async fn lane_of_ended(tx: &Tx<'_>, stream: &StreamKey, n: u64) -> Result<LaneKey, Stop> {
    let sql = "select lane_kind, lane_key from stream
        where tenant = $1 and kind = $2 and id = $3 and n = $4 and not open and label <> $5
            and not exists (select 1 from hold where hold.tenant = $1 and hold.action = $3)";
    let row = tx.maybe(sql, &[&tx.t, &stream.kind.word(), &stream.id, &signed(n), &REMOVED]).await?;
    let row = row.ok_or_else(|| CommitError::Moved(stream.clone()))?;
    Ok(LaneKey { kind: lane_kind(&row, 0)?, key: text(&row, 1)? })
}

/// A lane in which nothing is left goes too, with what was said to it: its name may be that of an account.
async fn empty(tx: &Tx<'_>, lane: &LaneKey) -> Result<(), Stop> {
    let (kind, key) = (lane.kind.word(), &lane.key);
    let sql = "delete from lane where tenant = $1 and kind = $2 and key = $3 and due is null and owner is null
            and not quarantined and not exists (
                select 1 from stream where stream.tenant = $1 and lane_kind = $2 and lane_key = $3)
            and not exists (
                select 1 from signal
                where signal.tenant = $1 and lane_kind = $2 and lane_key = $3 and taken_at is null)";
    if tx.run(sql, &[&tx.t, &kind, &key]).await? == 1 {
        let sql = "delete from signal where tenant = $1 and lane_kind = $2 and lane_key = $3";
        tx.run(sql, &[&tx.t, &kind, &key]).await?;
    }
    Ok(())
}
