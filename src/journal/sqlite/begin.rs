//! The intention to act: fence, lease, freshness, kill switch and limits, then the batch.

use std::time::Instant;

use rusqlite::{OptionalExtension, params};

use super::super::batch::{Batch, Charge};
use super::super::begun::{Begun, BegunNote};
use super::super::sense::{self, CALL_BUDGET, kill_switch, read_pause};
use super::super::{CommitError, NoteToWrite, Pause};
use super::commit::{append, still_ours, stored, write};
use super::fault::Stop;
use super::lanes::Held;
use super::rows::{Tx, at, signed};
use crate::decide::cleared::Cleared;
use crate::model::action::LimitClaim;
use crate::model::time::At;
use crate::record::action::ActionRecord;
use crate::record::event::{StreamKey, StreamKind};

/// Writes the intention to act and gives the slip for one call. `asked` is when it was sent.
pub(super) fn begin(
    tx: &Tx<'_>,
    held: &Held,
    go: Cleared,
    attempt: u32,
    batch: Batch,
    asked: Instant,
) -> Result<Begun, Stop> {
    let action = go.action();
    sense::may_begin(tx.tenant, &held.lane, &go, attempt, &batch)?;
    may_send(tx, held)?;
    if go.valid_until() < tx.now {
        return Err(CommitError::Stale.into());
    }
    if let Some(pause) = paused(tx)? {
        return Err(CommitError::Paused(pause.line()).into());
    }
    if has_unheard(tx, held)? {
        return Err(CommitError::Unheard.into());
    }
    // A limit stops containment; it must never keep somebody locked out.
    if action.key.reverts.is_none() {
        charge(tx, Charge { action: action.id, limits: action.limits.clone() })?;
    }
    write(tx, held, batch)?;
    let (action, route, prior) = go.into_parts();
    Ok(Begun::new(action, route, prior, attempt, stop_sending(held, asked)))
}

/// Writes the intention to comment.
pub(super) fn begin_note(
    tx: &Tx<'_>,
    held: &Held,
    note: NoteToWrite,
    batch: Batch,
    asked: Instant,
) -> Result<BegunNote, Stop> {
    sense::says_so(&batch, &StreamKey::note(note.id))?;
    may_send(tx, held)?;
    write(tx, held, batch)?;
    Ok(BegunNote::new(note.id, note.incident, note.text, stop_sending(held, asked)))
}

/// Whether something was said about the lane that it has not taken: a no counts until the call begins.
fn has_unheard(tx: &Tx<'_>, held: &Held) -> Result<bool, Stop> {
    let unheard = "select exists (select 1 from signal
         where tenant = ?1 and lane_kind = ?2 and lane_key = ?3 and taken_at is null)";
    let lane = params![tx.t, held.lane.kind.word(), held.lane.key];
    Ok(tx.db.prepare_cached(unheard)?.query_row(lane, |row| row.get(0))?)
}

/// The kill switch, from the state of its stream.
fn paused(tx: &Tx<'_>) -> Result<Option<Pause>, Stop> {
    stored(tx, &kill_switch())?.map_or(Ok(None), |(_, state)| Ok(read_pause(&state)?))
}

/// Pulls the kill switch or lets go of it. Letting go of one that nobody pulled is no event.
pub(super) fn set_pause(tx: &Tx<'_>, pause: Option<&Pause>, actor: &str) -> Result<(), Stop> {
    let write = sense::pause(stored(tx, &kill_switch())?, pause, actor, tx.now);
    write.map_or(Ok(()), |write| append(tx, write))?;
    if pause.is_none() { wake_parked(tx) } else { Ok(()) }
}

/// Makes the lanes due whose actions may have waited for the kill switch.
fn wake_parked(tx: &Tx<'_>) -> Result<(), Stop> {
    tx.run(
        "update lane set nudges = nudges + 1, due = case
             when quarantined = 1 then null
             when owner is not null then due
             else min(ifnull(due, ?2), ?2) end
         where tenant = ?1 and (kind, key) in (
             select lane_kind, lane_key from stream where tenant = ?1 and kind = ?3 and open = 1 and label = ?4)",
        params![tx.t, tx.now.ticks(), StreamKind::Action.word(), ActionRecord::PARKED],
    )?;
    Ok(())
}

/// A lease that is over, or nearly, must not begin anything even if nobody has taken it.
fn may_send(tx: &Tx<'_>, held: &Held) -> Result<(), Stop> {
    still_ours(tx, held)?;
    let due: Option<i64> = tx
        .db
        .prepare_cached("select due from lane where tenant = ?1 and kind = ?2 and key = ?3")?
        .query_row(params![tx.t, held.lane.kind.word(), held.lane.key], |row| row.get(0))?;
    let lasts = due.is_some_and(|due| At::from_ticks(due) > tx.now.plus(CALL_BUDGET));
    if lasts { Ok(()) } else { Err(CommitError::Fenced.into()) }
}

fn stop_sending(held: &Held, asked: Instant) -> Instant {
    held.stop_sending.min(asked + CALL_BUDGET)
}

/// One charge per action, limit and window, however many attempts; one per account where accounts are counted. Whoever begins again
/// when his charge is over needs room again: what was held up for hours must not all leave at once.
fn charge(tx: &Tx<'_>, charge: Charge) -> Result<(), Stop> {
    let action = charge.action.to_string();
    let mut limits = charge.limits;
    limits.sort_by(|a, b| a.key.cmp(&b.key));
    for limit in &limits {
        let counted = limit.once_for.as_ref().unwrap_or(&action);
        let since = tx.now.minus(limit.window).ticks();
        let charged: bool = tx
            .db
            .prepare_cached(
                "select exists (select 1 from charge where tenant = ?1 and key = ?2 and action = ?3 and at > ?4)",
            )?
            .query_row(params![tx.t, limit.key, counted, since], |row| row.get(0))?;
        if charged && limit.once_for.is_none() {
            continue;
        }
        // An account counts from when it was last acted on.
        if !charged && let Some(frees) = full_until(tx, limit)? {
            return Err(CommitError::LimitReached { key: limit.key.clone(), frees }.into());
        }
        tx.run(
            "insert into charge (tenant, key, action, at) values (?1, ?2, ?3, ?4)
             on conflict (tenant, key, action) do update set at = excluded.at",
            params![tx.t, limit.key, counted, tx.now.ticks()],
        )?;
    }
    Ok(())
}

/// When the window has room again, if it has none. The window slides: with fixed hours, twice the
/// limit would fit around the turn of the hour.
fn full_until(tx: &Tx<'_>, limit: &LimitClaim) -> Result<Option<At>, Stop> {
    if limit.limit == 0 {
        return Ok(Some(tx.now.plus(limit.window)));
    }
    // The charge whose end makes room is the one with `limit - 1` younger ones.
    let blocking = tx
        .db
        .prepare_cached(
            "select at from charge where tenant = ?1 and key = ?2 and at > ?3 order by at desc limit 1 offset ?4",
        )?
        .query_row(
            params![tx.t, limit.key, tx.now.minus(limit.window).ticks(), signed(u64::from(limit.limit) - 1)],
            |row| at(row, 0),
        )
        .optional()?;
    Ok(blocking.map(|at| at.plus(limit.window)))
}
