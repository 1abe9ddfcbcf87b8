//! The log of effects: every change that was asked for, and what became of it.

use serde::Serialize;

use crate::model::time::At;

/// One change that somebody asked for, or that the tenant made by itself.
#[derive(Debug, Clone, Serialize)]
pub struct Effect {
    /// Position in the log.
    pub n: usize,
    /// When, by the lab's clock.
    pub at: At,
    /// Who carried it out: `defender` (the call), `sensor` (its effect), `entra`, `okta`, `sentinel`, `graph`, `sync`.
    pub api: &'static str,
    /// The vendor's word for it, such as `disable` or `lifecycle/suspend`.
    pub operation: String,
    /// Short name of the person, when it is about one.
    pub person: Option<String>,
    /// Id of the account or thing in that directory.
    pub account: Option<String>,
    /// A group, a comment id, or why it was refused.
    pub detail: Option<String>,
    /// What became of it.
    pub outcome: Outcome,
    /// It was carried out, but its answer was lost on purpose.
    pub answer_lost: bool,
}

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Outcome {
    /// Something is different afterwards.
    Applied,
    /// Carried out, and nothing is different.
    Unchanged,
    /// Taken on; a sensor will do it later.
    Accepted,
    /// Answered with this HTTP status, and nothing is different.
    Refused(u16),
}
