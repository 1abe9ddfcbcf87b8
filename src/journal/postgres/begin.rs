//! The intention to act: fence, lease, freshness, kill switch and limits, then the batch.

use std::time::Instant;

use super::super::batch::{Batch, StreamWrite, Wake};
use super::super::begun::BegunNote;
use super::super::lane::LaneKey;
use super::super::sense::{self, CALL_BUDGET, kill_switch, read_pause};
use super::super::{CommitError, NoteToWrite, Pause};
use super::commit::{append, stored, turn, write};
use super::fault::Stop;
use super::lanes::{self, Held};
use super::rows::{lane_kind, maybe_at, signed, text};
use super::store::Tx;
use crate::decide::cleared::Cleared;
use crate::model::action::{Action, LimitClaim};
use crate::model::time::At;
use crate::record::action::ActionRecord;
use crate::record::event::{StreamKey, StreamKind};

/// Writes the intention to act.
pub(super) async fn begin(tx: &Tx<'_>, held: &Held, go: &Cleared, attempt: u32, batch: &Batch) -> Result<(), Stop> {
    sense::may_begin(tx.tenant, &held.lane, go, attempt, batch)?;
    may_send(tx, held, batch).await?;
    // Who pulls the kill switch has the turn too: when that has returned, no begin follows.
    let asked = Instant::now();
    turn(tx).await?;
    // The turn may have been waited for, while the facts grew old.
    if go.valid_until() < tx.now.plus(asked.elapsed()) {
        return Err(CommitError::Stale.into());
    }
    if let Some((_, state)) = stored(tx, &kill_switch()).await?
        && let Some(pause) = read_pause(&state)?
    {
        return Err(CommitError::Paused(pause.line()).into());
    }
    if has_unheard(tx, held).await? {
        return Err(CommitError::Unheard.into());
    }
    // A limit stops containment; it must never keep somebody locked out.
    if go.action().key.reverts.is_none() {
        charge(tx, go.action()).await?;
    }
    write(tx, held, batch).await
}

/// Whether something was said about the lane that it has not taken: a no counts until the call begins. Whoever says
/// something waits for the lane, which is held here.
async fn has_unheard(tx: &Tx<'_>, held: &Held) -> Result<bool, Stop> {
    let unheard = "select exists (select 1 from signal
         where tenant = $1 and lane_kind = $2 and lane_key = $3 and taken_at is null)";
    let row = tx.one(unheard, &[&tx.t, &held.lane.kind.word(), &held.lane.key]).await?;
    Ok(row.try_get(0)?)
}

/// Writes the intention to comment.
pub(super) async fn begin_note(tx: &Tx<'_>, held: &Held, note: &NoteToWrite, batch: &Batch) -> Result<(), Stop> {
    sense::says_so(batch, &StreamKey::note(note.id))?;
    may_send(tx, held, batch).await?;
    write(tx, held, batch).await
}

/// The slip for one comment.
pub(super) fn begun_note(note: NoteToWrite, held: &Held, asked: Instant) -> BegunNote {
    BegunNote::new(note.id, note.incident, note.text, stop_sending(held, asked))
}

/// Nothing leaves after this. `asked` is when the begin was sent.
pub(super) fn stop_sending(held: &Held, asked: Instant) -> Instant {
    held.stop_sending.min(asked + CALL_BUDGET)
}

/// Pulls the kill switch or lets go of it.
pub(super) async fn set_pause(tx: &Tx<'_>, pause: Option<&Pause>, actor: &str) -> Result<(), Stop> {
    turn(tx).await?;
    let write: Option<StreamWrite> = sense::pause(stored(tx, &kill_switch()).await?, pause, actor, tx.now);
    match write {
        Some(write) => append(tx, &[write]).await,
        None => Ok(()),
    }
}

/// Makes the lanes due whose actions may have waited for the kill switch. Not in the transaction that lets go of it:
/// whoever begins holds a lane and waits for the turn.
pub(super) async fn wake_parked(tx: &Tx<'_>) -> Result<(), Stop> {
    let rows = tx
        .rows(
            "select distinct lane_kind, lane_key from stream where tenant = $1 and kind = $2 and open and label = $3",
            &[&tx.t, &StreamKind::Action.word(), &ActionRecord::PARKED],
        )
        .await?;
    let mut wakes = Vec::new();
    for row in rows {
        let lane = LaneKey { kind: lane_kind(&row, 0)?, key: text(&row, 1)? };
        wakes.push(Wake { lane, at: tx.now });
    }
    lanes::wake(tx, &wakes).await
}

/// A lease that is over, or nearly, must not begin anything even if nobody has taken it.
async fn may_send(tx: &Tx<'_>, held: &Held, batch: &Batch) -> Result<(), Stop> {
    let due = lanes::hold(tx, held, &batch.others().collect::<Vec<_>>()).await?;
    let lasts = due.is_some_and(|due| due > tx.now.plus(CALL_BUDGET));
    if lasts { Ok(()) } else { Err(CommitError::Fenced.into()) }
}

/// One charge per action, limit and window, however many attempts; one per account where accounts are counted. Whoever begins again
/// when his charge is over needs room again: what was held up for hours must not all leave at once.
async fn charge(tx: &Tx<'_>, action: &Action) -> Result<(), Stop> {
    let id = action.id.to_string();
    for limit in &action.limits {
        let counted = limit.once_for.as_ref().unwrap_or(&id);
        let since = tx.now.minus(limit.window).ticks();
        let row = tx
            .one(
                "select exists (select 1 from charge where tenant = $1 and key = $2 and action = $3 and at > $4)",
                &[&tx.t, &limit.key, counted, &since],
            )
            .await?;
        let charged: bool = row.try_get(0)?;
        if charged && limit.once_for.is_none() {
            continue;
        }
        // An account counts from when it was last acted on.
        if !charged && let Some(frees) = full_until(tx, limit).await? {
            return Err(CommitError::LimitReached { key: limit.key.clone(), frees }.into());
        }
        tx.run(
            "insert into charge (tenant, key, action, at) values ($1, $2, $3, $4)
             on conflict (tenant, key, action) do update set at = excluded.at",
            &[&tx.t, &limit.key, counted, &tx.now.ticks()],
        )
        .await?;
    }
    Ok(())
}

/// When the window has room again, if it has none. The window slides: with fixed hours, twice the
/// limit would fit around the turn of the hour.
async fn full_until(tx: &Tx<'_>, limit: &LimitClaim) -> Result<Option<At>, Stop> {
    if limit.limit == 0 {
        return Ok(Some(tx.now.plus(limit.window)));
    }
    // The charge whose end makes room is the one with `limit - 1` younger ones.
    let blocking = tx
        .maybe(
            "select at from charge where tenant = $1 and key = $2 and at > $3 order by at desc limit 1 offset $4",
            &[&tx.t, &limit.key, &tx.now.minus(limit.window).ticks(), &signed(u64::from(limit.limit) - 1)],
        )
        .await?;
    let at = blocking.map(|row| maybe_at(&row, 0)).transpose()?.flatten();
    Ok(at.map(|at| at.plus(limit.window)))
}
