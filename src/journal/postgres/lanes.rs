//! Lanes in the table: `due` is the only thing a claim looks at.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use tokio_postgres::Row;

use super::super::batch::Wake;
use super::super::lane::{Claim, Claimed, LaneKey, LaneKind, Lease};
use super::super::sense::{self, APART, MARGIN, SUSPECT, storable};
use super::super::{CommitError, Signal};
use super::fault::Stop;
use super::quarantine;
use super::read;
use super::rows::{maybe_at, text};
use super::store::Tx;
use crate::model::time::At;

/// What of a claim goes into a transaction: which lease, and how long it may send.
pub(super) struct Held {
    pub(super) lane: LaneKey,
    fence: i64,
    pub(super) stop_sending: Instant,
}

impl From<&Claim> for Held {
    fn from(claim: &Claim) -> Self {
        let stop_sending = claim.lease().stop_sending;
        Self { lane: claim.lane.clone(), fence: claim.fence.cast_signed(), stop_sending }
    }
}

/// Takes lanes that are due and that nobody else is just taking. A lane whose
/// holder has let its lease run out was in hand when that process died or froze; too often, and it stands still.
pub(super) async fn claim(tx: &Tx<'_>, room: &[(LaneKind, u32)], lease: Duration) -> Result<Claimed, Stop> {
    let lease = leased(tx, lease);
    let mut all = Vec::new();
    for (kind, limit) in room.iter().copied() {
        // A lane of our own is in hand here, whatever its lease says.
        let taken = tx
            .rows(
                "with due as (
                     select key, due from lane
                     where tenant = $1 and kind = $2 and due <= $3 and owner is distinct from $4
                     order by due, key limit $5 for update skip locked)
                 update lane set due = $6, owner = $4, fence = fence + 1, crashes = crashes + (owner is not null)::int
                 from due where lane.tenant = $1 and lane.kind = $2 and lane.key = due.key
                 returning due.due, lane.key, lane.fence, lane.strikes, lane.crashes",
                &[&tx.t, &kind.word(), &tx.now.ticks(), &tx.me, &i64::from(limit), &lease.ends.ticks()],
            )
            .await?;
        let taken: Result<Vec<Taken>, Stop> = taken.iter().map(|row| Taken::read(kind, row)).collect();
        let mut taken = taken?;
        taken.sort_by(|a, b| (a.due, &a.lane).cmp(&(b.due, &b.lane)));
        for one in taken {
            if !quarantine::after_a_crash(tx, &one.lane, one.crashes).await? {
                all.push(one);
            }
        }
    }
    put_off(tx, &mut all).await?;
    let claim =
        |Taken { lane, fence, strikes, .. }| Claim::new(lane, fence.cast_unsigned(), strikes.unsigned_abs(), lease);
    let claims: Vec<Claim> = all.into_iter().map(claim).collect();
    let next_due = read::next_due(tx, &Claimed::not_full(&claims, room)).await?;
    Ok(Claimed { claims, next_due })
}

/// Gives back what is to be in hand alone, beside another of its like.
async fn put_off(tx: &Tx<'_>, taken: &mut Vec<Taken>) -> Result<(), Stop> {
    let crashes: Vec<_> = taken.iter().map(|it| (it.lane.clone(), it.crashes.unsigned_abs())).collect();
    let suspects = crashes.iter().filter(|(_, crashes)| *crashes >= SUSPECT).count();
    if suspects == 0 {
        return Ok(());
    }
    let in_hand = "select count(*) from lane where tenant = $1 and owner = $2 and crashes >= $3";
    let in_hand: i64 = tx.one(in_hand, &[&tx.t, &tx.me, &SUSPECT.cast_signed()]).await?.try_get(0)?;
    let later = sense::put_off(&crashes, usize::try_from(in_hand).is_ok_and(|in_hand| in_hand > suspects));
    let give_back = "update lane set owner = null, due = $4 where tenant = $1 and kind = $2 and key = $3";
    for lane in &later {
        tx.run(give_back, &[&tx.t, &lane.kind.word(), &lane.key, &tx.now.plus(APART).ticks()]).await?;
    }
    taken.retain(|it| !later.contains(&it.lane));
    Ok(())
}

/// A lane that was taken, and since when it was due.
struct Taken {
    due: i64,
    lane: LaneKey,
    fence: i64,
    strikes: i32,
    crashes: i32,
}

impl Taken {
    fn read(kind: LaneKind, row: &Row) -> Result<Self, Stop> {
        let lane = LaneKey { kind, key: text(row, 1)? };
        Ok(Self {
            due: row.try_get(0)?,
            lane,
            fence: row.try_get(2)?,
            strikes: row.try_get(3)?,
            crashes: row.try_get(4)?,
        })
    }
}

/// A lease from now on.
fn leased(tx: &Tx<'_>, lease: Duration) -> Lease {
    let stop_sending = tx.asked.checked_add(lease.saturating_sub(MARGIN)).unwrap_or(tx.asked);
    Lease { ends: tx.now.plus(lease), stop_sending }
}

/// Lets a lease that nobody has taken over last longer.
pub(super) async fn extend(tx: &Tx<'_>, held: &Held, lease: Duration) -> Result<Lease, Stop> {
    let lease = leased(tx, lease);
    let extended = tx
        .run(
            "update lane set due = $6 where tenant = $1 and kind = $2 and key = $3 and owner = $4 and fence = $5",
            &[&tx.t, &held.lane.kind.word(), &held.lane.key, &tx.me, &held.fence, &lease.ends.ticks()],
        )
        .await?;
    if extended == 0 { Err(CommitError::Fenced.into()) } else { Ok(lease) }
}

/// The first statement of every step's transaction: the lane is still ours; until when, by its lease. It and the
/// others that the step disturbs are locked in the order of their names, so that no two steps wait for each other. What
/// has got so far did not kill the process; whether the pass fails is seen at its end.
pub(super) async fn hold(tx: &Tx<'_>, held: &Held, others: &[&LaneKey]) -> Result<Option<At>, Stop> {
    let lanes = || std::iter::once(&held.lane).chain(others.iter().copied());
    let kinds: Vec<&str> = lanes().map(|lane| lane.kind.word()).collect();
    let keys: Vec<&str> = lanes().map(|lane| lane.key.as_str()).collect();
    let locked = tx
        .rows(
            "select kind, key, owner = $4 and fence = $5, due, crashes from lane
             where tenant = $1 and (kind, key) in (select * from unnest($2::text[], $3::text[]))
             order by kind, key for update",
            &[&tx.t, &kinds, &keys, &tx.me, &held.fence],
        )
        .await?;
    for row in &locked {
        let (kind, key): (&str, &str) = (row.try_get(0)?, row.try_get(1)?);
        if (kind, key) != (held.lane.kind.word(), held.lane.key.as_str()) {
            continue;
        }
        if row.try_get::<_, Option<bool>>(2)? != Some(true) {
            break;
        }
        if row.try_get::<_, i32>(4)? > 0 {
            let sql = "update lane set crashes = 0 where tenant = $1 and kind = $2 and key = $3";
            tx.run(sql, &[&tx.t, &kind, &key]).await?;
        }
        return maybe_at(row, 3);
    }
    Err(CommitError::Fenced.into())
}

/// Makes a lane due that does not exist, rests with nothing due, or is in quarantine.
pub(super) async fn ensure(tx: &Tx<'_>, lane: &LaneKey, at: At) -> Result<(), Stop> {
    quarantine::free(tx, lane, "riposte").await?;
    tx.run(
        "insert into lane (tenant, kind, key, due) values ($1, $2, $3, $4)
         on conflict (tenant, kind, key) do update set due = excluded.due where lane.due is null and lane.owner is null",
        &[&tx.t, &lane.kind.word(), &lane.key, &at.ticks()],
    )
    .await?;
    Ok(())
}

/// Makes lanes due at the latest when their wakes say. A held lane keeps its lease and sees the nudge when it is
/// released; a quarantined one stays where it is.
pub(super) async fn wake(tx: &Tx<'_>, wakes: &[Wake]) -> Result<(), Stop> {
    let mut earliest: BTreeMap<&LaneKey, At> = BTreeMap::new();
    for wake in wakes {
        let at = earliest.entry(&wake.lane).or_insert(wake.at);
        *at = wake.at.min(*at);
    }
    if earliest.is_empty() {
        return Ok(());
    }
    let kinds: Vec<&str> = earliest.keys().map(|lane| lane.kind.word()).collect();
    let keys: Vec<&str> = earliest.keys().map(|lane| lane.key.as_str()).collect();
    let due: Vec<i64> = earliest.values().map(|at| at.ticks()).collect();
    tx.run(
        "insert into lane (tenant, kind, key, due, nudges)
             select $1, kind, key, due, 1 from unnest($2::text[], $3::text[], $4::bigint[]) as new (kind, key, due)
             order by kind collate \"C\", key collate \"C\"
         on conflict (tenant, kind, key) do update set nudges = lane.nudges + 1, due = case
             when lane.quarantined then null
             when lane.owner is not null then lane.due
             else least(lane.due, excluded.due) end",
        &[&tx.t, &kinds, &keys, &due],
    )
    .await?;
    Ok(())
}

/// Gives a lane back. A lease that somebody else has taken over meanwhile is theirs: nothing happens.
pub(super) async fn release(tx: &Tx<'_>, held: &Held, nudges: u64, due: Option<At>) -> Result<(), Stop> {
    tx.run(
        "update lane set owner = null, strikes = 0, crashes = 0,
             due = case when nudges <> $6 then least($7::bigint, $8::bigint) else $8::bigint end
         where tenant = $1 and kind = $2 and key = $3 and owner = $4 and fence = $5",
        &[
            &tx.t,
            &held.lane.kind.word(),
            &held.lane.key,
            &tx.me,
            &held.fence,
            &nudges.cast_signed(),
            &tx.now.ticks(),
            &due.map(At::ticks),
        ],
    )
    .await?;
    Ok(())
}

/// One strike more for a lane that is given back; how many it has, unless somebody else has taken it over.
pub(super) async fn strike(tx: &Tx<'_>, held: &Held, again: At) -> Result<Option<u32>, Stop> {
    let row = tx
        .maybe(
            "update lane set owner = null, due = $6, strikes = strikes + 1
             where tenant = $1 and kind = $2 and key = $3 and owner = $4 and fence = $5 returning strikes",
            &[&tx.t, &held.lane.kind.word(), &held.lane.key, &tx.me, &held.fence, &again.ticks()],
        )
        .await?;
    Ok(row.map(|row| row.try_get::<_, i32>(0)).transpose()?.map(i32::unsigned_abs))
}

/// Leaves a message and wakes the lane, out of quarantine too: somebody looked at it. `false` when
/// the message was left before.
pub(super) async fn signal(tx: &Tx<'_>, signal: &Signal) -> Result<bool, Stop> {
    let lane = &signal.lane;
    let body = storable(&signal.body)?;
    let left = tx
        .run(
            "insert into signal (tenant, source_key, lane_kind, lane_key, body, at) values ($1, $2, $3, $4, $5, $6)
             on conflict (tenant, source_key) do nothing",
            &[&tx.t, &signal.source_key, &lane.kind.word(), &lane.key, &body, &signal.at.ticks()],
        )
        .await?;
    if left == 0 {
        return Ok(false);
    }
    quarantine::free(tx, lane, &signal.source_key).await?;
    wake(tx, &[Wake { lane: lane.clone(), at: tx.now }]).await?;
    Ok(true)
}
