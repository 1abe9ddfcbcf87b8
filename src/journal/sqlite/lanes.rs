//! Lanes in the table: `due` is the only thing a claim looks at.

use std::time::{Duration, Instant};

use rusqlite::params;

use super::super::lane::{Claim, Claimed, LaneKey, LaneKind, Lease};
use super::super::sense::{self, APART, MARGIN, SUSPECT, storable};
use super::super::{CommitError, Signal};
use super::fault::Stop;
use super::quarantine;
use super::read;
use super::rows::Tx;
use crate::model::time::At;

/// What of a claim goes to the writer: which lease, and how long it may send.
pub(super) struct Held {
    pub(super) lane: LaneKey,
    pub(super) fence: i64,
    pub(super) stop_sending: Instant,
}

impl From<&Claim> for Held {
    fn from(claim: &Claim) -> Self {
        let stop_sending = claim.lease().stop_sending;
        Self { lane: claim.lane.clone(), fence: claim.fence.cast_signed(), stop_sending }
    }
}

/// A lane of our own is in hand here, whatever its lease says.
const DUE: &str = "select key, crashes from lane
    where tenant = ?1 and kind = ?2 and due <= ?3 and owner is not ?4 order by due, key limit ?5";

/// Takes lanes that are due. `asked` is when the claim was sent.
pub(super) fn claim(tx: &Tx<'_>, room: &[(LaneKind, u32)], lease: Duration, asked: Instant) -> Result<Claimed, Stop> {
    let lease = leased(tx, lease, asked);
    let claims = due(tx, room)?.into_iter().map(|lane| take(tx, lane, lease)).collect::<Result<Vec<_>, Stop>>()?;
    let next_due = read::next_due(tx.db, (tx.t, tx.me), &Claimed::not_full(&claims, room))?;
    Ok(Claimed { claims, next_due })
}

/// A lease from now on. `asked` is when it was asked for.
fn leased(tx: &Tx<'_>, lease: Duration, asked: Instant) -> Lease {
    let stop_sending = asked.checked_add(lease.saturating_sub(MARGIN)).unwrap_or(asked);
    Lease { ends: tx.now.plus(lease), stop_sending }
}

/// Lanes that are due, of every kind the earliest.
fn due(tx: &Tx<'_>, room: &[(LaneKind, u32)]) -> Result<Vec<LaneKey>, Stop> {
    let mut found: Vec<(LaneKey, u32)> = Vec::new();
    let mut query = tx.db.prepare_cached(DUE)?;
    for (kind, limit) in room.iter().copied() {
        let values = params![tx.t, kind.word(), tx.now.ticks(), tx.me, limit];
        for row in query.query_map(values, |row| Ok((LaneKey { kind, key: row.get(0)? }, row.get(1)?)))? {
            found.push(row?);
        }
    }
    if found.iter().any(|(_, crashes)| *crashes >= SUSPECT) {
        let later = sense::put_off(&found, has_a_suspect(tx)?);
        let put_off = "update lane set due = ?4 where tenant = ?1 and kind = ?2 and key = ?3";
        for lane in &later {
            tx.run(put_off, params![tx.t, lane.kind.word(), lane.key, tx.now.plus(APART).ticks()])?;
        }
        found.retain(|(lane, _)| !later.contains(lane));
    }
    Ok(found.into_iter().map(|(lane, _)| lane).collect())
}

fn has_a_suspect(tx: &Tx<'_>) -> Result<bool, Stop> {
    let sql = "select exists (select 1 from lane where tenant = ?1 and owner = ?2 and crashes >= ?3)";
    Ok(tx.db.prepare_cached(sql)?.query_row(params![tx.t, tx.me, SUSPECT], |row| row.get(0))?)
}

fn take(tx: &Tx<'_>, lane: LaneKey, lease: Lease) -> Result<Claim, Stop> {
    let (fence, strikes): (i64, u32) = tx
        .db
        .prepare_cached(
            "update lane set due = ?4, owner = ?5, fence = fence + 1
             where tenant = ?1 and kind = ?2 and key = ?3 returning fence, strikes",
        )?
        .query_row(params![tx.t, lane.kind.word(), lane.key, lease.ends.ticks(), tx.me], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    Ok(Claim::new(lane, fence.cast_unsigned(), strikes, lease))
}

/// Lets a lease that nobody has taken over last longer. `asked` is when that was asked for.
pub(super) fn extend(tx: &Tx<'_>, held: &Held, lease: Duration, asked: Instant) -> Result<Lease, Stop> {
    let lease = leased(tx, lease, asked);
    let extended = tx.run(
        "update lane set due = ?6 where tenant = ?1 and kind = ?2 and key = ?3 and owner = ?4 and fence = ?5",
        params![tx.t, held.lane.kind.word(), held.lane.key, tx.me, held.fence, lease.ends.ticks()],
    )?;
    if extended == 0 { Err(CommitError::Fenced.into()) } else { Ok(lease) }
}

/// Makes a lane due that does not exist, rests with nothing due, or is in quarantine.
pub(super) fn ensure(tx: &Tx<'_>, lane: &LaneKey, at: At) -> Result<(), Stop> {
    quarantine::free(tx, lane, "riposte")?;
    tx.run(
        "insert into lane (tenant, kind, key, due) values (?1, ?2, ?3, ?4)
         on conflict (tenant, kind, key) do update set due = ?4 where due is null and owner is null",
        params![tx.t, lane.kind.word(), lane.key, at.ticks()],
    )?;
    Ok(())
}

/// Makes a lane due at `at` at the latest. A held lane keeps its lease and sees the nudge when it is
/// released; a quarantined one stays where it is.
pub(super) fn wake(tx: &Tx<'_>, lane: &LaneKey, at: At) -> Result<(), Stop> {
    tx.run(
        "insert into lane (tenant, kind, key, due, nudges) values (?1, ?2, ?3, ?4, 1)
         on conflict (tenant, kind, key) do update set nudges = nudges + 1, due = case
             when quarantined = 1 then null
             when owner is not null then due
             else min(ifnull(due, ?4), ?4) end",
        params![tx.t, lane.kind.word(), lane.key, at.ticks()],
    )?;
    Ok(())
}

/// Gives a lane back. A lease that somebody else has taken over meanwhile is theirs: nothing happens.
pub(super) fn release(tx: &Tx<'_>, held: &Held, nudges: u64, due: Option<At>) -> Result<(), Stop> {
    tx.run(
        "update lane set owner = null, strikes = 0, crashes = 0,
             due = case when nudges <> ?6 then min(?7, ifnull(?8, ?7)) else ?8 end
         where tenant = ?1 and kind = ?2 and key = ?3 and owner = ?4 and fence = ?5",
        params![
            tx.t,
            held.lane.kind.word(),
            held.lane.key,
            tx.me,
            held.fence,
            nudges.cast_signed(),
            tx.now.ticks(),
            due.map(At::ticks)
        ],
    )?;
    Ok(())
}

/// Leaves a message and wakes the lane, out of quarantine too: somebody looked at it. `false` when
/// the message was left before.
pub(super) fn signal(tx: &Tx<'_>, signal: &Signal) -> Result<bool, Stop> {
    let lane = &signal.lane;
    let left = tx.run(
        "insert into signal (tenant, source_key, lane_kind, lane_key, body, at) values (?1, ?2, ?3, ?4, ?5, ?6)
         on conflict (tenant, source_key) do nothing",
        params![tx.t, signal.source_key, lane.kind.word(), lane.key, storable(&signal.body)?, signal.at.ticks()],
    )?;
    if left == 0 {
        return Ok(false);
    }
    quarantine::free(tx, lane, &signal.source_key)?;
    wake(tx, lane, tx.now)?;
    Ok(true)
}

/// The leases of a process that is gone are over at once. Only the one owner of the file may say so.
pub(super) fn void_leases(tx: &Tx<'_>) -> Result<usize, Stop> {
    let voided = tx.run(
        "update lane set owner = null, due = min(due, ?2), crashes = crashes + 1
         where tenant = ?1 and owner is not null",
        params![tx.t, tx.now.ticks()],
    )?;
    Ok(voided)
}

#[cfg(test)]
mod tests {
    use super::super::open::connect;
    use super::super::testing::Bench;
    use super::*;

    #[test]
    fn a_claim_reads_the_index_in_its_order() {
        let bench = Bench::new();
        drop(bench.open());
        let db = connect(&bench.path()).unwrap();
        let plan: Vec<String> = db
            .prepare(&format!("explain query plan {DUE}"))
            .unwrap()
            .query_map(params!["t", "alert", 1, "boot", 10], |row| row.get(3))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert!(plan[0].contains("lane_due (tenant=? AND kind=? AND due<?)"), "{plan:?}");
        assert_eq!(plan.len(), 1, "{plan:?}");
    }
}
