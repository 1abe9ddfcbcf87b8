//! `riposte journal`: the record as evidence.

mod copy;
mod export;
mod verify;

pub(super) use copy::copy;
pub(super) use export::export;
pub(super) use verify::verify;
