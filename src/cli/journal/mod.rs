//! `riposte journal`: the record as evidence.

mod backup;
mod copy;
mod export;
mod remove;
mod verify;

pub(super) use backup::backup;
pub(super) use copy::copy;
pub(super) use export::export;
pub(super) use remove::remove;
pub(super) use verify::verify;
