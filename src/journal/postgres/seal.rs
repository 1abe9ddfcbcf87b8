//! Seals in the tables.

use super::super::chain::Head;
use super::super::seal::{self, AT_ONCE, Seal, Sealed};
use super::super::sense;
use super::super::{Heads, Placed};
use super::commit::{append, stored, turn};
use super::fault::Stop;
use super::lanes::{self, Held};
use super::rows::{LINK, count, link, placed_in, signed, text};
use super::store::Tx;
use crate::record::event::StreamKind;

/// Seals what was written since the last seal. That there is nothing but the last seal itself is nothing.
pub(super) async fn seal(tx: &Tx<'_>, held: &Held) -> Result<Sealed, Stop> {
    lanes::hold(tx, held, &[]).await?;
    turn(tx).await?;
    let (expected, last) = match stored(tx, &seal::stream()).await? {
        Some((n, state)) => (n, Some(sense::read_seal(state)?)),
        None => (0, None),
    };
    let before = last.clone().unwrap_or_default();
    let (next, sealed) = over(tx, &before).await?;
    // The last seal is an event too, and a seal over it alone would call for the next one for ever.
    if sealed <= u64::from(last.is_some()) {
        return Ok(Sealed { seal: last, new: false, more: false });
    }
    append(tx, &[sense::sealed(expected, &next, tx.now)]).await?;
    Ok(Sealed { seal: Some(next), new: true, more: sealed == u64::from(AT_ONCE) })
}

async fn over(tx: &Tx<'_>, before: &Seal) -> Result<(Seal, u64), Stop> {
    let sql = "select position, hash from event where tenant = $1 and position > $2 order by position limit $3";
    let rows = tx.rows(sql, &[&tx.t, &signed(before.position), &i64::from(AT_ONCE)]).await?;
    let mut seal = before.clone();
    for row in &rows {
        seal = seal.over(count(row, 0)?, row.try_get(1)?);
    }
    Ok((seal, rows.len() as u64))
}

/// Events in the order in which they were written.
pub(super) async fn placed(tx: &Tx<'_>, after: u64, limit: u32) -> Result<Vec<Placed>, Stop> {
    let sql = format!(
        "select {LINK}, position, kind, id from event where tenant = $1 and position > $2 order by position limit $3"
    );
    let rows = tx.rows(&sql, &[&tx.t, &signed(after), &i64::from(limit)]).await?;
    let placed = |row| Ok(Placed { position: count(row, 9)?, stream: placed_in(row, 10, 11)?, link: link(row)? });
    rows.iter().map(placed).collect()
}

/// The ends of the streams of a kind, as their rows say.
pub(super) async fn heads(tx: &Tx<'_>, kind: StreamKind, after: &str, limit: u32) -> Result<Heads, Stop> {
    let sql = "select id, n, head from stream where tenant = $1 and kind = $2 and id > $3 order by id limit $4";
    let rows = tx.rows(sql, &[&tx.t, &kind.word(), &after, &i64::from(limit)]).await?;
    rows.iter().map(|row| Ok((text(row, 0)?, Head { n: count(row, 1)?, hash: text(row, 2)? }))).collect()
}
