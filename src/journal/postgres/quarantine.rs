//! Quarantine: a lane whose passes fail again and again stands still until a person has looked, and its
//! neighbours go on. How it came and went is a stream of its own, kept like that of the kill switch.

use super::super::batch::Wake;
use super::super::lane::LaneKey;
use super::super::sense::{self, MAX_CRASHES, MAX_STRIKES};
use super::super::{CommitError, FailedPass, Quarantined};
use super::commit::{append, stored};
use super::fault::Stop;
use super::lanes::{self, Held, wake};
use super::rows::{lane_kind, text};
use super::store::Tx;

/// Gives a lane back after a failed pass; whether that puts it into quarantine. A lease that somebody
/// else has taken over meanwhile is theirs: nothing happens.
pub(super) async fn strike(tx: &Tx<'_>, held: &Held, failed: &FailedPass) -> Result<bool, Stop> {
    match lanes::hold(tx, held, &failed.tell.iter().map(|wake| &wake.lane).collect::<Vec<_>>()).await {
        Ok(_) => {}
        Err(Stop::Refused(CommitError::Fenced)) => return Ok(false),
        Err(stop) => return Err(stop),
    }
    let strikes = lanes::strike(tx, held, failed.again).await?;
    if strikes.is_none_or(|strikes| strikes < MAX_STRIKES) {
        return Ok(false);
    }
    enter(tx, &held.lane, sense::struck_out(&failed.why)).await?;
    let tell: Vec<Wake> = failed.tell.clone();
    wake(tx, &tell).await?;
    Ok(true)
}

/// Puts a lane into quarantine that was in hand in one crash after the other.
pub(super) async fn after_a_crash(tx: &Tx<'_>, lane: &LaneKey, crashes: i32) -> Result<bool, Stop> {
    if crashes.unsigned_abs() < MAX_CRASHES {
        return Ok(false);
    }
    enter(tx, lane, sense::crashed_out()).await?;
    let lane = lane.for_logs();
    tracing::error!(
        lane,
        "lane quarantined: riposte died again and again while it was worked on; see `riposte status`"
    );
    Ok(true)
}

/// Lets a lane out, due at once; `false` when it is not in quarantine.
pub(super) async fn free(tx: &Tx<'_>, lane: &LaneKey, actor: &str) -> Result<bool, Stop> {
    let freed = tx
        .run(
            "update lane set quarantined = false, strikes = 0, crashes = 0, due = $4, nudges = nudges + 1
             where tenant = $1 and kind = $2 and key = $3 and quarantined",
            &[&tx.t, &lane.kind.word(), &lane.key, &tx.now.ticks()],
        )
        .await?;
    if freed == 1 {
        let n = events(tx, lane).await?;
        append(tx, &[sense::released(lane, n, actor, tx.now)]).await?;
    }
    Ok(freed == 1)
}

/// All lanes in quarantine.
pub(super) async fn all(tx: &Tx<'_>) -> Result<Vec<Quarantined>, Stop> {
    let sql = "select kind, key from lane where tenant = $1 and quarantined order by kind, key";
    let mut found = Vec::new();
    for row in tx.rows(sql, &[&tx.t]).await? {
        let lane = LaneKey { kind: lane_kind(&row, 0)?, key: text(&row, 1)? };
        let state = stored(tx, &sense::quarantine_of(&lane)).await?.map(|(_, state)| state);
        found.push(sense::in_quarantine(lane, state.as_ref()));
    }
    Ok(found)
}

async fn enter(tx: &Tx<'_>, lane: &LaneKey, why: String) -> Result<(), Stop> {
    tx.run(
        "update lane set quarantined = true, due = null, owner = null where tenant = $1 and kind = $2 and key = $3",
        &[&tx.t, &lane.kind.word(), &lane.key],
    )
    .await?;
    let n = events(tx, lane).await?;
    append(tx, &[sense::quarantined(lane, n, why, tx.now)]).await
}

/// How many events there are of how a lane came and went. Its row is locked, so nobody else writes one.
async fn events(tx: &Tx<'_>, lane: &LaneKey) -> Result<u64, Stop> {
    Ok(stored(tx, &sense::quarantine_of(lane)).await?.map_or(0, |(n, _)| n))
}
