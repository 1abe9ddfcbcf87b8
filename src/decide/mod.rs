//! Case, rules, guardrails and the present moment make a plan. Pure: nothing here waits, reads a
//! clock or draws randomness.

pub mod cleared;
pub mod rails;
pub mod recheck;
