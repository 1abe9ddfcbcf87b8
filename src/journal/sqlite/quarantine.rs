//! Quarantine: a lane whose passes fail again and again stands still until a person has looked, and its
//! neighbours go on. How it came and went is a stream of its own, kept like that of the kill switch.

use rusqlite::params;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::super::batch::StreamWrite;
use super::super::lane::LaneKey;
use super::super::{FailedPass, Quarantined};
use super::commit::{append, stored};
use super::fault::Stop;
use super::lanes::{Held, wake};
use super::read::View;
use super::rows::{self, Tx};
use crate::model::text::clip;
use crate::model::time::At;
use crate::record::event::{Entry, StreamKey, StreamKind};

/// A lane whose passes failed this often in a row waits for a person.
const MAX_STRIKES: u32 = 5;

/// So does one that was held this often in a row when the process died. Higher, because then other
/// lanes were held too, and only one of them can be to blame.
const MAX_CRASHES: u32 = 20;

/// Who puts lanes into quarantine.
const RIPOSTE: &str = "riposte";

/// Why and since when, as it is stored.
#[derive(Debug, Serialize, Deserialize)]
struct Entered {
    why: String,
    since: At,
}

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
    enter(tx, lane, format!("{MAX_STRIKES} passes failed in a row; the last: {}", clip(&failed.why, 600)))?;
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
        enter(tx, suspect, format!("it was being worked on in {MAX_CRASHES} crashes of riposte in a row"))?;
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
        record(tx, lane, "released", actor, Value::Null)?;
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
        let state = super::read::state(view, &stream(&lane))?;
        let entered = state.and_then(|state| Entered::deserialize(&state).ok());
        let Entered { why, since } = entered.unwrap_or_else(|| Entered { why: NOT_SAID.to_owned(), since: At::EPOCH });
        found.push(Quarantined { lane, why, since });
    }
    Ok(found)
}

const NOT_SAID: &str = "the journal does not say";

fn enter(tx: &Tx<'_>, lane: &LaneKey, why: String) -> Result<(), Stop> {
    tx.run(
        "update lane set quarantined = 1, due = null, owner = null where tenant = ?1 and kind = ?2 and key = ?3",
        params![tx.t, lane.kind.word(), lane.key],
    )?;
    record(tx, lane, "quarantined", RIPOSTE, json!(Entered { why, since: tx.now }))
}

/// The event, and the state it leads to: null when the lane is not in quarantine.
fn record(tx: &Tx<'_>, lane: &LaneKey, name: &'static str, actor: &str, state: Value) -> Result<(), Stop> {
    let stream = stream(lane);
    let expected = stored(tx, &stream)?.map_or(0, |(n, _)| n);
    let entry =
        Entry { name: name.to_owned(), version: 1, actor: actor.to_owned(), at: tx.now, payload: state.clone() };
    let open = !state.is_null();
    let (lane, events) = (LaneKey::chore("control"), vec![entry]);
    append(tx, StreamWrite { stream, lane, expected, events, state, label: name, open })
}

fn stream(lane: &LaneKey) -> StreamKey {
    StreamKey { kind: StreamKind::Control, id: format!("lane/{lane}") }
}

fn lane(row: &rusqlite::Row<'_>) -> rusqlite::Result<LaneKey> {
    Ok(LaneKey { kind: rows::lane_kind(row, 0)?, key: row.get(1)? })
}
