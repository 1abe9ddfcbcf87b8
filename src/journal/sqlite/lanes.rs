//! Lanes in the table: `due` is the only thing a claim looks at.

use std::time::{Duration, Instant};

use rusqlite::params;

use super::super::Signal;
use super::super::lane::{Claim, LaneKey, LaneKind};
use super::fault::Stop;
use super::rows::{Tx, storable};
use crate::model::text::pseudonym;
use crate::model::time::At;

/// A lane taken this often without success waits for a person.
const MAX_STRIKES: u32 = 5;

/// So does one that was held this often in a row when the process died. Higher, because then other
/// lanes were held too, and only one of them can be to blame.
const MAX_CRASHES: u32 = 20;

/// Nothing is sent in the last part of a lease.
const MARGIN: Duration = Duration::from_secs(5);

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

const DUE: &str = "select key, strikes >= ?4 or crashes >= ?5 from lane
    where tenant = ?1 and kind = ?2 and due <= ?3 order by due, key limit ?6";

struct Candidate {
    lane: LaneKey,
    exhausted: bool,
}

/// Takes lanes that are due. `asked` is when the claim was sent.
pub(super) fn claim(
    tx: &Tx<'_>,
    room: &[(LaneKind, u32)],
    lease: Duration,
    asked: Instant,
) -> Result<Vec<Claim>, Stop> {
    let mut found = candidates(tx, room)?;
    while found.iter().any(|candidate| candidate.exhausted) {
        for candidate in found.iter().filter(|candidate| candidate.exhausted) {
            quarantine(tx, &candidate.lane)?;
        }
        found = candidates(tx, room)?;
    }
    let ends = tx.now.plus(lease);
    let stop_sending = asked.checked_add(lease.saturating_sub(MARGIN)).unwrap_or(asked);
    found.into_iter().map(|candidate| take(tx, candidate.lane, ends, stop_sending)).collect()
}

/// Lanes that are due, of every kind the earliest.
fn candidates(tx: &Tx<'_>, room: &[(LaneKind, u32)]) -> Result<Vec<Candidate>, Stop> {
    let mut found = Vec::new();
    let mut query = tx.db.prepare_cached(DUE)?;
    for (kind, limit) in room.iter().copied() {
        let values = params![tx.t, kind.word(), tx.now.ticks(), MAX_STRIKES, MAX_CRASHES, limit];
        let rows = query.query_map(values, |row| {
            Ok(Candidate { lane: LaneKey { kind, key: row.get(0)? }, exhausted: row.get(1)? })
        })?;
        for row in rows {
            found.push(row?);
        }
    }
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
    let key = if lane.kind == LaneKind::Account { pseudonym(&lane.key) } else { lane.key.clone() };
    let kind = lane.kind.word();
    tracing::error!(kind, key, "lane quarantined: its steps failed again and again; a signal to it lets it go on");
    tx.run(
        "update lane set quarantined = 1, due = null, owner = null where tenant = ?1 and kind = ?2 and key = ?3",
        params![tx.t, lane.kind.word(), lane.key],
    )?;
    Ok(())
}

/// Makes a lane due if it does not exist.
pub(super) fn ensure(tx: &Tx<'_>, lane: &LaneKey, at: At) -> Result<(), Stop> {
    tx.run(
        "insert into lane (tenant, kind, key, due) values (?1, ?2, ?3, ?4)
         on conflict (tenant, kind, key) do update set due = ?4, quarantined = 0, strikes = 0, crashes = 0
         where due is null and owner is null",
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

#[cfg(test)]
mod tests {
    use super::super::super::Journal as _;
    use super::super::testing::{Bench, LEASE, T0, lane, seconds, signal, take, waking};
    use super::*;

    async fn claimed(journal: &super::super::SqliteJournal, limit: u32) -> Vec<LaneKey> {
        journal.claim(&LaneKind::each(limit), LEASE).await.unwrap().iter().map(|claim| claim.lane().clone()).collect()
    }

    #[tokio::test]
    async fn of_every_kind_the_earliest_due_come_first_as_far_as_there_is_room() {
        let bench = Bench::new();
        let journal = bench.open();
        let of = |kind, key: &str| LaneKey { kind, key: key.into() };
        let (early, late) = (of(LaneKind::Alert, "early"), of(LaneKind::Alert, "late"));
        let (account, poll) = (of(LaneKind::Account, "a"), of(LaneKind::Source, "graph"));
        for (lane, at) in [(&late, -50), (&poll, 0), (&account, 0), (&early, -60)] {
            journal.ensure_lane(lane, seconds(T0 + at)).await.unwrap();
        }
        journal.ensure_lane(&of(LaneKind::Account, "not yet"), seconds(T0 + 1)).await.unwrap();
        let room = [(LaneKind::Account, 9), (LaneKind::Alert, 1), (LaneKind::Incident, 9)];
        let claims = journal.claim(&room, LEASE).await.unwrap();
        assert_eq!(claims.iter().map(Claim::lane).collect::<Vec<_>>(), [&account, &early]);
        assert_eq!(claimed(&journal, 9).await, [poll, late]);
        assert_eq!(claimed(&journal, 9).await, []);
    }

    #[tokio::test]
    async fn an_existing_lane_stays_as_it_is() {
        let bench = Bench::new();
        let journal = bench.open();
        journal.ensure_lane(&lane("a"), seconds(T0 + 50)).await.unwrap();
        journal.ensure_lane(&lane("a"), seconds(T0)).await.unwrap();
        assert_eq!(journal.lanes().await.unwrap().next_due, Some(seconds(T0 + 50)));
    }

    #[tokio::test]
    async fn a_nudge_during_work_keeps_the_lease_and_makes_the_lane_due_on_release() {
        let bench = Bench::new();
        let journal = bench.open();
        let claim = take(&journal, &lane("a")).await;
        let loaded = journal.load(&claim).await.unwrap();
        assert!(journal.signal(signal("cli:1", &lane("a"))).await.unwrap());
        assert_eq!(journal.lanes().await.unwrap().next_due, Some(claim.ends()));
        assert_eq!(claimed(&journal, 1).await, []);
        journal.release(claim, loaded.nudges, Some(seconds(T0 + 500))).await.unwrap();
        assert_eq!(journal.lanes().await.unwrap().next_due, Some(seconds(T0)));
        let claim = take(&journal, &lane("a")).await;
        let loaded = journal.load(&claim).await.unwrap();
        assert_eq!(loaded.signals.len(), 1);
        journal.release(claim, loaded.nudges, Some(seconds(T0 + 500))).await.unwrap();
        assert_eq!(journal.lanes().await.unwrap().next_due, Some(seconds(T0 + 500)));
    }

    #[tokio::test]
    async fn a_lane_released_for_good_is_never_due_until_it_is_woken() {
        let bench = Bench::new();
        let journal = bench.open();
        let claim = take(&journal, &lane("a")).await;
        journal.release(claim, 0, None).await.unwrap();
        bench.clock.pass(1_000_000_000);
        assert_eq!(claimed(&journal, 1).await, []);
        let other = take(&journal, &lane("b")).await;
        journal.commit(&other, waking(&[(&lane("a"), T0)])).await.unwrap();
        assert_eq!(claimed(&journal, 1).await, [lane("a")]);
    }

    #[tokio::test]
    async fn a_wake_makes_a_resting_lane_due_earlier_but_never_later() {
        let bench = Bench::new();
        let journal = bench.open();
        journal.ensure_lane(&lane("a"), seconds(T0 + 50)).await.unwrap();
        let claim = take(&journal, &lane("b")).await;
        journal.commit(&claim, waking(&[(&lane("a"), T0 + 90)])).await.unwrap();
        assert_eq!(journal.lanes().await.unwrap().next_due, Some(seconds(T0 + 50)));
        journal.commit(&claim, waking(&[(&lane("a"), T0 + 20)])).await.unwrap();
        assert_eq!(journal.lanes().await.unwrap().next_due, Some(seconds(T0 + 20)));
    }

    #[tokio::test]
    async fn five_failures_put_a_lane_into_quarantine_and_only_a_signal_gets_it_out() {
        let bench = Bench::new();
        let journal = bench.open();
        journal.ensure_lane(&lane("a"), seconds(T0)).await.unwrap();
        for strikes in 1..=5 {
            let claims = journal.claim(&LaneKind::each(1), LEASE).await.unwrap();
            assert_eq!(claims[0].strikes(), strikes);
            bench.clock.pass(61);
        }
        // An exhausted lane takes no place from one that can work.
        journal.ensure_lane(&lane("b"), journal.now()).await.unwrap();
        assert_eq!(claimed(&journal, 1).await, [lane("b")]);
        let other = take(&journal, &lane("c")).await;
        journal.commit(&other, waking(&[(&lane("a"), T0)])).await.unwrap();
        let counts = journal.lanes().await.unwrap();
        assert_eq!((counts.quarantined, counts.due.len()), (vec![lane("a")], 0));
        assert_eq!(claimed(&journal, 9).await, []);
        journal.signal(signal("cli:1", &lane("a"))).await.unwrap();
        assert_eq!(journal.claim(&LaneKind::each(1), LEASE).await.unwrap()[0].strikes(), 1);
        assert_eq!(journal.lanes().await.unwrap().quarantined, []);
    }

    #[tokio::test]
    async fn a_success_forgives_all_strikes() {
        let bench = Bench::new();
        let journal = bench.open();
        journal.ensure_lane(&lane("a"), seconds(T0)).await.unwrap();
        for _ in 0..12 {
            let claim = journal.claim(&LaneKind::each(1), LEASE).await.unwrap().remove(0);
            assert!(claim.strikes() <= 2);
            if claim.strikes() == 2 {
                journal.release(claim, 0, Some(journal.now())).await.unwrap();
            }
            bench.clock.pass(61);
        }
    }

    #[tokio::test]
    async fn a_signal_counts_once() {
        let bench = Bench::new();
        let journal = bench.open();
        assert!(journal.signal(signal("comment:1/2", &lane("a"))).await.unwrap());
        assert!(!journal.signal(signal("comment:1/2", &lane("a"))).await.unwrap());
        let claim = take(&journal, &lane("a")).await;
        assert_eq!(journal.load(&claim).await.unwrap().signals.len(), 1);
    }

    #[test]
    fn a_claim_reads_the_index_in_its_order() {
        let bench = Bench::new();
        drop(bench.open());
        let db = rusqlite::Connection::open(bench.path()).unwrap();
        let plan: Vec<String> = db
            .prepare(&format!("explain query plan {DUE}"))
            .unwrap()
            .query_map(params!["t", "alert", 1, 5, 20, 10], |row| row.get(3))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        assert!(plan[0].contains("lane_due (tenant=? AND kind=? AND due<?)"), "{plan:?}");
        assert_eq!(plan.len(), 1, "{plan:?}");
    }
}
