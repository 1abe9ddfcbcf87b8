//! What any daemon needs around its work: logs, metrics, health, a way to stop, and a clock that can leap in the lab.

pub mod health;
#[cfg(any(test, feature = "lab"))]
pub mod leap;
pub mod lifecycle;
pub mod metrics;
pub mod probe;
pub mod telemetry;
