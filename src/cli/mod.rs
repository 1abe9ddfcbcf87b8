//! (room)
#[cfg(feature = "lab")]
pub mod demo;
