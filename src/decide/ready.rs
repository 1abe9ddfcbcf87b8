//! Whether an alert can be decided on, or something is missing that may still come.

use crate::model::action::Mode;
use crate::model::reason::Reason;
use crate::model::time::{At, print_duration};
use crate::record::alert::AlertRecord;

use super::rails::Rails;

/// Whether to decide.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ready {
    /// Everything is there, or nobody waits for it any longer.
    Yes,
    /// Not yet.
    Wait {
        /// What is missing.
        reason: Reason,
        /// The deadline.
        again: At,
    },
}

/// Decides whether to decide. `boldest` is the boldest mode among the rules that answer the alert:
/// in simulate nothing is waited for but entities.
#[must_use]
pub fn ready(alert: &AlertRecord, boldest: Mode, rails: &Rails, now: At) -> Ready {
    let entities_by = alert.first_seen.plus(rails.entities_wait);
    if matches!(alert.accounts(), Ok(None)) && now < entities_by {
        let waited = print_duration(rails.entities_wait);
        return Ready::Wait { reason: Reason::NoEntities { waited }, again: entities_by };
    }
    let witness_by = alert.first_seen.plus(rails.witness_wait);
    if boldest != Mode::Simulate && unwitnessed(alert, rails).is_some() && now < witness_by {
        let waited = print_duration(rails.witness_wait);
        return Ready::Wait { reason: Reason::Unwitnessed { waited }, again: witness_by };
    }
    Ready::Yes
}

/// Why nobody acts on an alert that Defender itself has not shown.
#[must_use]
pub fn unwitnessed(alert: &AlertRecord, rails: &Rails) -> Option<Reason> {
    let missing = !alert.is_witnessed() && !rails.unwitnessed_allowed;
    missing.then(|| Reason::Unwitnessed { waited: print_duration(rails.witness_wait) })
}
