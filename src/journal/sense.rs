//! What makes sense, whatever a journal stands on: the checks and numbers that every store shares.

use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::batch::{Batch, StreamWrite};
use super::lane::LaneKey;
use super::seal::{self, Seal};
use super::{CommitError, Fault, Pause, Quarantined};
use crate::decide::cleared::Cleared;
use crate::model::action::Mode;
use crate::model::scope::TenantKey;
use crate::model::text::clip;
use crate::model::time::At;
use crate::record::event::{Entry, StreamKey, StreamKind};

/// A lease must last this much longer, and a call leaves within it or not at all.
pub(super) const CALL_BUDGET: Duration = Duration::from_secs(20);

/// Nothing is sent in the last part of a lease.
pub(super) const MARGIN: Duration = Duration::from_secs(5);

/// A lane whose passes failed this often in a row waits for a person.
pub(super) const MAX_STRIKES: u32 = 5;

/// So does one that was held this often in a row when the process died. Higher, because then other
/// lanes were held too, and only one of them can be to blame.
pub(super) const MAX_CRASHES: u32 = 20;

/// A lane that was held this often in a row when the process died is held alone among its like, so that the next death
/// tells which of them is to blame, and the others go on.
pub(super) const SUSPECT: u32 = 5;

/// So long the others of its like wait meanwhile.
pub(super) const APART: Duration = Duration::from_secs(1);

/// JSON nested deeper than this is not stored: the reader of JSON stops at 128.
const DEPTH: usize = 100;

/// Who puts lanes into quarantine.
const RIPOSTE: &str = "riposte";

const NOT_SAID: &str = "the journal does not say";

/// Why a begin must not happen, and would not the next time either.
pub(super) fn may_begin(tenant: TenantKey, lane: &LaneKey, go: &Cleared, attempt: u32, batch: &Batch) -> Sense {
    let action = go.action();
    let nonsense = |why: String| Err(Nonsense(format!("action {} must not begin: {why}", action.id)));
    if action.mode == Mode::Simulate {
        return nonsense("its mode is simulate".to_owned());
    }
    if action.key.tenant != tenant {
        return nonsense(format!("it belongs to tenant {}", action.key.tenant));
    }
    if *lane != LaneKey::account(&action.key.account) {
        return nonsense("the lane is not its account's".to_owned());
    }
    if attempt == 0 {
        return nonsense("attempts are counted from 1".to_owned());
    }
    says_so(batch, &StreamKey::action(action.id))
}

/// Whether a program that reads schemas up to one may use a journal whose word on the least is this.
pub(super) fn may_read(least: &str, latest: u32) -> Result<(), String> {
    match least.parse::<u32>() {
        Ok(least) if least <= latest => Ok(()),
        Ok(least) => {
            Err(format!("a newer riposte wrote it (schema {least}, this one reads up to {latest}); use that version"))
        }
        Err(_) => {
            Err("its table meta does not say which riposte may read it, as every riposte writes there: somebody has \
             changed it; put a backup in its place"
                .to_owned())
        }
    }
}

/// What was asked for makes no sense: a fault of the caller, in words.
#[derive(Debug)]
pub(super) struct Nonsense(pub(super) String);

/// Whether something makes sense.
pub(super) type Sense = Result<(), Nonsense>;

/// What begins has an event that says so.
pub(super) fn says_so(batch: &Batch, stream: &StreamKey) -> Sense {
    if batch.writes.iter().any(|write| write.stream == *stream) {
        return Ok(());
    }
    Err(Nonsense(format!("{stream} is to begin without an event that says so")))
}

/// Of lanes that are due, with the number of crashes in which each was held, those that are not taken: all suspects but
/// one, the one with the fewest; and that too while another suspect is in hand.
pub(super) fn put_off<T: Clone>(due: &[(T, u32)], in_hand: bool) -> Vec<T> {
    let suspects = || due.iter().enumerate().filter(|(_, (_, crashes))| *crashes >= SUSPECT);
    let chosen = suspects().min_by_key(|(_, (_, crashes))| *crashes).map(|(place, _)| place).filter(|_| !in_hand);
    suspects().filter(|(place, _)| Some(*place) != chosen).map(|(_, (lane, _))| lane.clone()).collect()
}

/// JSON as text, if it can be read again.
pub(super) fn storable(value: &Value) -> Result<String, Nonsense> {
    readable(value)?;
    Ok(value.to_string())
}

/// Whether JSON that is written out can be read again.
pub(super) fn readable(value: &Value) -> Sense {
    let mut layer = vec![value];
    for _ in 0..DEPTH {
        layer = layer.into_iter().flat_map(children).collect();
        if layer.is_empty() {
            return Ok(());
        }
    }
    Err(Nonsense(format!("a value is nested deeper than {DEPTH} and could not be read again")))
}

fn children(value: &Value) -> Vec<&Value> {
    match value {
        Value::Array(items) => items.iter().collect(),
        Value::Object(fields) => fields.values().collect(),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => Vec::new(),
    }
}

/// The stream of the kill switch.
pub(super) fn kill_switch() -> StreamKey {
    StreamKey { kind: StreamKind::Control, id: "kill-switch".to_owned() }
}

/// The kill switch as its stream's state.
pub(super) fn read_pause(state: &Value) -> Result<Option<Pause>, Nonsense> {
    if state.is_null() {
        return Ok(None);
    }
    let word = |name: &str| state.get(name).and_then(Value::as_str);
    let read = || Some(Pause { by: word("by")?.into(), reason: word("reason")?.into(), at: word("at")?.parse().ok()? });
    match read() {
        Some(pause) => Ok(Some(pause)),
        None => Err(Nonsense("the kill switch cannot be read; `riposte resume` sets it anew".to_owned())),
    }
}

/// What pulls the kill switch or lets go of it, from what its stream holds. Letting go of one that nobody pulled is
/// no event.
pub(super) fn pause(stored: Option<(u64, Value)>, pause: Option<&Pause>, actor: &str, now: At) -> Option<StreamWrite> {
    let (expected, before) = stored.unwrap_or((0, Value::Null));
    if pause.is_none() && before.is_null() {
        return None;
    }
    let state = pause.map_or(Value::Null, |p| json!({"by": p.by, "reason": p.reason, "at": p.at}));
    let label = if pause.is_some() { "paused" } else { "resumed" };
    Some(control(kill_switch(), expected, label, actor, now, state, pause.is_some()))
}

/// The event that a seal is.
pub(super) fn sealed(expected: u64, seal: &Seal, now: At) -> StreamWrite {
    control(seal::stream(), expected, "sealed", RIPOSTE, now, json!(seal), false)
}

/// The last seal, from the state of its stream.
pub(super) fn read_seal(state: Value) -> Result<Seal, Nonsense> {
    serde_json::from_value(state).map_err(|error| Nonsense(format!("the last seal cannot be read: {error}")))
}

/// Why and since when a lane is in quarantine, as it is stored.
#[derive(Debug, Serialize, Deserialize)]
struct Entered {
    why: String,
    since: At,
}

/// Why a lane that failed too often stands still.
pub(super) fn struck_out(why: &str) -> String {
    format!("{MAX_STRIKES} passes failed in a row; the last: {}", clip(why, 600))
}

/// Why a lane that was in hand in too many crashes stands still.
pub(super) fn crashed_out() -> String {
    format!("it was being worked on in {MAX_CRASHES} crashes of riposte in a row")
}

/// A lane goes into quarantine: the event, and the state it leads to.
pub(super) fn quarantined(lane: &LaneKey, expected: u64, why: String, now: At) -> StreamWrite {
    let state = json!(Entered { why, since: now });
    control(quarantine_of(lane), expected, "quarantined", RIPOSTE, now, state, true)
}

/// A lane comes out of quarantine.
pub(super) fn released(lane: &LaneKey, expected: u64, actor: &str, now: At) -> StreamWrite {
    control(quarantine_of(lane), expected, "released", actor, now, Value::Null, false)
}

/// The stream of how a lane came into quarantine and out of it.
pub(super) fn quarantine_of(lane: &LaneKey) -> StreamKey {
    StreamKey { kind: StreamKind::Control, id: format!("lane/{lane}") }
}

/// A lane in quarantine, with what its stream's state says.
pub(super) fn in_quarantine(lane: LaneKey, state: Option<&Value>) -> Quarantined {
    let entered = state.and_then(|state| Entered::deserialize(state).ok());
    let Entered { why, since } = entered.unwrap_or_else(|| Entered { why: NOT_SAID.to_owned(), since: At::EPOCH });
    Quarantined { lane, why, since }
}

fn control(
    stream: StreamKey,
    expected: u64,
    label: &'static str,
    actor: &str,
    now: At,
    state: Value,
    open: bool,
) -> StreamWrite {
    let event = Entry { name: label.to_owned(), version: 1, actor: actor.to_owned(), at: now, payload: state.clone() };
    StreamWrite { stream, lane: LaneKey::chore("control"), expected, events: vec![event], state, label, open }
}

/// For operations that cannot be refused, only fail.
pub(super) fn only_fault(error: CommitError) -> Fault {
    match error {
        CommitError::Fault(fault) | CommitError::Nonsense(fault) => fault,
        other @ (CommitError::Fenced
        | CommitError::Moved(_)
        | CommitError::AliasTaken { .. }
        | CommitError::LimitReached { .. }
        | CommitError::Paused(_)
        | CommitError::Stale
        | CommitError::Unheard) => Fault { what: "an unexpected refusal".to_owned(), cause: other.to_string() },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_that_could_not_be_read_again_is_not_stored() {
        let nested = |depth| (0..depth).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
        assert!(serde_json::from_str::<Value>(&storable(&nested(99)).unwrap()).is_ok());
        assert!(storable(&nested(101)).is_err());
    }
}
