//! Lanes in the table: `due` is the only thing a claim looks at.

use std::time::{Duration, Instant};

use rusqlite::params;

use super::super::Signal;
use super::super::lane::{Claim, LaneKey, LaneKind};
use super::fault::Stop;
use super::rows::{Tx, at, storable};
use crate::model::time::At;

/// A lane taken this often without success waits for a person.
const MAX_STRIKES: u32 = 5;

/// So does one that was held this often in a row when the process died. Higher, because then other
/// lanes were held too, and only one of them can be to blame.
const MAX_CRASHES: u32 = 20;

/// Nothing is sent in the last part of a lease.
const MARGIN: Duration = Duration::from_secs(5);

/// By how much a kind's lanes stand back behind an account's that became due at the same time.
/// Nobody starves: whoever has waited this much longer comes first.
const fn handicap(kind: LaneKind) -> Duration {
    Duration::from_secs(match kind {
        LaneKind::Account => 0,
        LaneKind::Incident => 15,
        LaneKind::Alert => 30,
        LaneKind::Source => 60,
        LaneKind::Chore => 120,
    })
}

/// What of a claim goes to the writer: which lease, and how long it may send.
pub(super) struct Held {
    pub(super) lane: LaneKey,
    pub(super) fence: i64,
    pub(super) stop_sending: Instant,
}

impl From<&Claim> for Held {
    fn from(claim: &Claim) -> Self {
        Self { lane: claim.lane.clone(), fence: claim.fence.cast_signed(), stop_sending: claim.stop_sending }
    }
}

struct Candidate {
    lane: LaneKey,
    due: At,
    exhausted: bool,
}

/// Takes lanes that are due. `asked` is when the claim was sent.
pub(super) fn claim(tx: &Tx<'_>, limit: u32, lease: Duration, asked: Instant) -> Result<Vec<Claim>, Stop> {
    let mut found = candidates(tx, limit)?;
    while found.iter().any(|candidate| candidate.exhausted) {
        for candidate in found.iter().filter(|candidate| candidate.exhausted) {
            quarantine(tx, &candidate.lane)?;
        }
        found = candidates(tx, limit)?;
    }
    let ends = tx.now.plus(lease);
    let stop_sending = asked + lease.saturating_sub(MARGIN);
    found.into_iter().map(|candidate| take(tx, candidate.lane, ends, stop_sending)).collect()
}

/// Lanes that are due, the most urgent first: of every kind the earliest, merged.
fn candidates(tx: &Tx<'_>, limit: u32) -> Result<Vec<Candidate>, Stop> {
    let mut found = Vec::new();
    let mut query = tx.db.prepare_cached(
        "select key, due, strikes >= ?4 or crashes >= ?5 from lane
         where tenant = ?1 and kind = ?2 and due <= ?3 order by due, key limit ?6",
    )?;
    for kind in LaneKind::ALL {
        let values = params![tx.t, kind.word(), tx.now.ticks(), MAX_STRIKES, MAX_CRASHES, limit];
        let rows = query.query_map(values, |row| {
            Ok(Candidate { lane: LaneKey { kind, key: row.get(0)? }, due: at(row, 1)?, exhausted: row.get(2)? })
        })?;
        for row in rows {
            found.push(row?);
        }
    }
    found.sort_by_key(|candidate| candidate.due.plus(handicap(candidate.lane.kind)));
    found.truncate(usize::try_from(limit).unwrap_or(usize::MAX));
    Ok(found)
}

fn take(tx: &Tx<'_>, lane: LaneKey, ends: At, stop_sending: Instant) -> Result<Claim, Stop> {
    let (fence, strikes): (i64, u32) = tx
        .db
        .prepare_cached(
            "update lane set due = ?4, owner = ?5, fence = fence + 1, strikes = strikes + 1
             where tenant = ?1 and kind = ?2 and key = ?3 returning fence, strikes",
        )?
        .query_row(params![tx.t, lane.kind.word(), lane.key, ends.ticks(), tx.me], |row| {
            Ok((row.get(0)?, row.get(1)?))
        })?;
    Ok(Claim { lane, fence: fence.cast_unsigned(), ends, stop_sending, strikes })
}

fn quarantine(tx: &Tx<'_>, lane: &LaneKey) -> Result<(), Stop> {
    tracing::error!(%lane, "lane quarantined: its steps failed again and again; a signal to it lets it go on");
    tx.run(
        "update lane set quarantined = 1, due = null, owner = null where tenant = ?1 and kind = ?2 and key = ?3",
        params![tx.t, lane.kind.word(), lane.key],
    )?;
    Ok(())
}

/// Makes a lane due if it does not exist.
pub(super) fn ensure(tx: &Tx<'_>, lane: &LaneKey, at: At) -> Result<(), Stop> {
    tx.run(
        "insert into lane (tenant, kind, key, due) values (?1, ?2, ?3, ?4) on conflict do nothing",
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
             when owner is not null and due > ?5 then due
             else min(ifnull(due, ?4), ?4) end",
        params![tx.t, lane.kind.word(), lane.key, at.ticks(), tx.now.ticks()],
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
    tx.run(
        "update lane set quarantined = 0, strikes = 0, crashes = 0
         where tenant = ?1 and kind = ?2 and key = ?3 and quarantined = 1",
        params![tx.t, lane.kind.word(), lane.key],
    )?;
    wake(tx, lane, tx.now)?;
    Ok(true)
}

/// The leases of a process that is gone are over at once. Only the one owner of the file may say so.
pub(super) fn void_leases(tx: &Tx<'_>) -> Result<usize, Stop> {
    let voided = tx.run(
        "update lane set owner = null, due = min(due, ?2), strikes = max(strikes - 1, 0), crashes = crashes + 1
         where tenant = ?1 and owner is not null",
        params![tx.t, tx.now.ticks()],
    )?;
    Ok(voided)
}
