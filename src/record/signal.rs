//! Messages to the owner of a lane, as they are stored.

use serde::{Deserialize, Serialize};

use super::action::Vote;
use crate::model::id::ActionId;

/// What a person, or another lane, asks of a lane.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "signal", rename_all = "kebab-case")]
pub enum Wish {
    /// An answer to a question.
    Vote {
        /// About which action.
        action: ActionId,
        /// The answer.
        vote: Vote,
    },
    /// The alert no longer supports an action that has not begun.
    Withdraw {
        /// Which.
        action: ActionId,
    },
    /// Directory sync may change what was done to the account.
    LookAgain,
    /// Put an action back.
    Undo {
        /// Which.
        action: ActionId,
        /// Who asks.
        by: String,
    },
}
