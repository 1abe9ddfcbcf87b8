//! Quarantine: a lane whose passes fail again and again stands still until a person has looked, and its
//! neighbours go on. How it came and went is a stream of its own, kept like that of the kill switch.

use rusqlite::params;

use super::super::lane::LaneKey;
use super::super::sense::{self, MAX_CRASHES, MAX_STRIKES};
use super::super::{FailedPass, Quarantined};
use super::commit::{append, stored};
use super::fault::Stop;
use super::lanes::{Held, wake};
use super::read::View;
use super::rows::{self, Tx};

/// Gives a lane back after a failed pass; whether that puts it into quarantine. A lease that somebody
/// else has taken over meanwhile is theirs: nothing happens.
pub(super) fn strike(tx: &Tx<'_>, held: &Held, failed: &FailedPass) -> Result<bool, Stop> {
    let lane = &held.lane;
    let mut struck = tx.db.prepare_cached(
        "update lane set owner = null, due = ?6, strikes = strikes + 1
         where tenant = ?1 and kind = ?2 and key = ?3 and owner = ?4 and fence = ?5 returning strikes",
    )?;
    let values = params![tx.t, lane.kind.word(), lane.key, tx.me, held.fence, failed.again.ticks()];
    let strikes = struck.query_map(values, |row| row.get::<_, u32>(0))?.next().transpose()?;
    if strikes.is_none_or(|strikes| strikes < MAX_STRIKES) {
        return Ok(false);
    }
    enter(tx, lane, sense::struck_out(&failed.why))?;
    for one in &failed.tell {
        wake(tx, &one.lane, one.at)?;
    }
    Ok(true)
}

/// Puts lanes into quarantine that were in hand in one crash after the other.
pub(super) fn after_crashes(tx: &Tx<'_>) -> Result<Vec<LaneKey>, Stop> {
    let suspects: Vec<LaneKey> = tx
        .db
        .prepare_cached("select kind, key from lane where tenant = ?1 and crashes >= ?2 and quarantined = 0")?
        .query_map(params![tx.t, MAX_CRASHES], lane)?
        .collect::<rusqlite::Result<_>>()?;
    for suspect in &suspects {
        enter(tx, suspect, sense::crashed_out())?;
    }
    Ok(suspects)
}

/// Lets a lane out, due at once; `false` when it is not in quarantine.
pub(super) fn free(tx: &Tx<'_>, lane: &LaneKey, actor: &str) -> Result<bool, Stop> {
    let freed = tx.run(
        "update lane set quarantined = 0, strikes = 0, crashes = 0, due = ?4, nudges = nudges + 1
         where tenant = ?1 and kind = ?2 and key = ?3 and quarantined = 1",
        params![tx.t, lane.kind.word(), lane.key, tx.now.ticks()],
    )?;
    if freed == 1 {
        append(tx, sense::released(lane, events(tx, lane)?, actor, tx.now))?;
    }
    Ok(freed == 1)
}

/// All lanes in quarantine.
pub(super) fn all(view: &View<'_>) -> rusqlite::Result<Vec<Quarantined>> {
    let mut lanes = view
        .db
        .prepare_cached("select kind, key from lane where tenant = ?1 and quarantined = 1 order by kind, key")?;
    let mut found = Vec::new();
    for lane in lanes.query_map([view.t], lane)? {
        let lane = lane?;
        let state = super::read::state(view, &sense::quarantine_of(&lane))?;
        found.push(sense::in_quarantine(lane, state.as_ref()));
    }
    Ok(found)
}

fn enter(tx: &Tx<'_>, lane: &LaneKey, why: String) -> Result<(), Stop> {
    tx.run(
        "update lane set quarantined = 1, due = null, owner = null where tenant = ?1 and kind = ?2 and key = ?3",
        params![tx.t, lane.kind.word(), lane.key],
    )?;
    append(tx, sense::quarantined(lane, events(tx, lane)?, why, tx.now))
}

/// How many events there are of how a lane came and went.
fn events(tx: &Tx<'_>, lane: &LaneKey) -> Result<u64, Stop> {
    Ok(stored(tx, &sense::quarantine_of(lane))?.map_or(0, |(n, _)| n))
}

fn lane(row: &rusqlite::Row<'_>) -> rusqlite::Result<LaneKey> {
    Ok(LaneKey { kind: rows::lane_kind(row, 0)?, key: row.get(1)? })
}
