//! Case, rules, guardrails and the present moment make a plan. Pure: nothing here waits, reads a
//! clock or draws randomness.
//!
//! Two doors: [`plan::plan`] when an alert is decided on, [`recheck`] right before a call.

pub mod case;
pub mod cleared;
pub mod plan;
pub mod rails;
pub mod ready;
pub mod recheck;
pub mod roles;
pub mod steps;

#[cfg(test)]
mod tests;
