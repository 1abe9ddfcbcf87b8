//! `riposte journal`: the record as evidence.

mod export;
mod verify;

pub(super) use export::export;
pub(super) use verify::verify;
