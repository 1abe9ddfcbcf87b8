//! What can happen to an action.

use serde::{Deserialize, Serialize};

use crate::model::action::Action;
use crate::model::failure::Failure;
use crate::model::id::ActionId;
use crate::model::observation::Observation;
use crate::model::offer::Route;
use crate::model::outcome::Outcome;
use crate::model::reason::Reason;
use crate::model::time::At;

/// Something that happened to an action.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum ActionEvent {
    /// It was decided on. May come again for one that was withheld or only simulated, when the alert
    /// has changed.
    Planned {
        /// What.
        action: Box<Action>,
        /// How it begins.
        first: First,
    },
    /// It has to wait until a moment.
    Parked {
        /// Why.
        reason: Reason,
        /// Until when at the earliest.
        until: At,
    },
    /// A person is asked.
    Asked {
        /// Why.
        reason: Reason,
        /// Until when the question stands.
        until: At,
    },
    /// A person answered.
    Voted(Vote),
    /// Nobody answered.
    ApprovalExpired,
    /// The call is about to be made.
    Begun {
        /// Which attempt, from 1.
        attempt: u32,
        /// By which route.
        route: Route,
        /// The state before.
        prior: Observation,
        /// When another process may look, if no answer is ever written down.
        look_after: At,
    },
    /// The call provably never left.
    NotSent {
        /// Why.
        failure: Failure,
        /// Again at.
        again: At,
    },
    /// The vendor accepted the call.
    Answered {
        /// The vendor's name for it.
        correlation: Option<String>,
        /// The first look is due.
        look_at: At,
    },
    /// The vendor refused the call in a way that may pass.
    Refused {
        /// Why.
        failure: Failure,
        /// Again at.
        again: At,
    },
    /// No answer came; only looking can tell.
    AnswerLost {
        /// What was seen of it.
        failure: Option<Failure>,
        /// The first look is due.
        look_at: At,
        /// From then on a look proves that nothing happened.
        conclusive_at: At,
    },
    /// Somebody looked, and looks again.
    Looked {
        /// What was seen.
        found: Observation,
        /// The next look is due.
        again: At,
    },
    /// A look could not be made.
    LookFailed {
        /// Why.
        failure: Failure,
        /// The next try.
        again: At,
    },
    /// Looking proved that a lost call did nothing: it may be made again.
    NothingHappened {
        /// What was seen.
        found: Observation,
    },
    /// Nobody but a person can tell what to do.
    OperatorNeeded {
        /// Why.
        reason: Reason,
        /// The next look: it may still show what happened.
        #[serde(default)]
        again: Option<At>,
    },
    /// It ended.
    Settled {
        /// How.
        outcome: Outcome,
        /// What is still to be done about it.
        follow: Option<Follow>,
    },
    /// The end turned into another one.
    Turned {
        /// Which.
        outcome: Outcome,
        /// What is still to be done about it.
        follow: Option<Follow>,
    },
    /// A person wants it put back while nobody knows yet whether its call took effect.
    UndoWanted(UndoWanted),
    /// Putting it back was planned.
    RevertPlanned {
        /// The action that does it.
        by: ActionId,
    },
}

impl ActionEvent {
    /// The name of [`Self::Settled`].
    pub const SETTLED: &str = "settled";
    /// The name of [`Self::Turned`].
    pub const TURNED: &str = "turned";

    /// The event's name in the journal.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Planned { .. } => "planned",
            Self::Parked { .. } => "parked",
            Self::Asked { .. } => "asked",
            Self::Voted(_) => "voted",
            Self::ApprovalExpired => "approval-expired",
            Self::Begun { .. } => "begun",
            Self::NotSent { .. } => "not-sent",
            Self::Answered { .. } => "answered",
            Self::Refused { .. } => "refused",
            Self::AnswerLost { .. } => "answer-lost",
            Self::Looked { .. } => "looked",
            Self::LookFailed { .. } => "look-failed",
            Self::NothingHappened { .. } => "nothing-happened",
            Self::OperatorNeeded { .. } => "operator-needed",
            Self::Settled { .. } => Self::SETTLED,
            Self::Turned { .. } => Self::TURNED,
            Self::UndoWanted(_) => "undo-wanted",
            Self::RevertPlanned { .. } => "revert-planned",
        }
    }
}

/// How a planned action begins.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "first", rename_all = "kebab-case")]
pub enum First {
    /// It runs.
    Run,
    /// A person is asked first.
    Ask {
        /// Why.
        reason: Reason,
        /// Until when the question stands.
        until: At,
    },
    /// It is not attempted.
    Withhold {
        /// Why.
        reason: Reason,
    },
    /// It would have run.
    Simulate {
        /// Why only that.
        reason: Reason,
        /// What stood in its way, had it run.
        would: Option<Reason>,
    },
}

/// A person's wish that an action be put back.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UndoWanted {
    /// Whose.
    pub by: String,
    /// When it was said.
    pub at: At,
}

/// A person's answer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Vote {
    /// Who.
    pub by: String,
    /// Approved or denied.
    pub yes: bool,
    /// When it was given.
    pub at: At,
}

/// What is still to be done about a settled action.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "follow", rename_all = "kebab-case")]
pub enum Follow {
    /// Look again after directory sync, which can undo it.
    LookAgain {
        /// When.
        at: At,
        /// Then put it back at.
        revert_at: Option<At>,
    },
    /// Put it back.
    Revert {
        /// When.
        at: At,
    },
}

impl Follow {
    /// When.
    #[must_use]
    pub const fn at(self) -> At {
        match self {
            Self::LookAgain { at, .. } | Self::Revert { at } => at,
        }
    }
}
