//! Where an action can stand.

use serde::{Deserialize, Serialize};

use super::action_event::Follow;
use crate::model::observation::Observation;
use crate::model::offer::Route;
use crate::model::outcome::Outcome;
use crate::model::reason::Reason;
use crate::model::time::At;

/// Where an action stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum ActionState {
    /// Can be begun at `due`.
    Ready {
        /// When.
        due: At,
        /// Why not sooner, if it was held up.
        held: Option<Reason>,
        /// Since when it is held up for that.
        #[serde(default)]
        since: Option<At>,
    },
    /// A person is asked.
    AwaitingApproval {
        /// Why.
        reason: Reason,
        /// Until when.
        until: At,
    },
    /// Begun; its answer is not written down yet.
    Attempting {
        /// By which route.
        route: Route,
        /// The state before.
        prior: Observation,
        /// Begun at.
        started: At,
        /// When it must be taken for lost.
        look_after: At,
    },
    /// Its answer was lost.
    Unsure {
        /// By which route.
        route: Route,
        /// The state before.
        prior: Observation,
        /// Begun at.
        started: At,
        /// The next look.
        due: At,
        /// From then on a look proves that nothing happened.
        conclusive_at: At,
    },
    /// Accepted; looking for the effect.
    Verifying {
        /// By which route.
        route: Route,
        /// The state before.
        prior: Observation,
        /// Begun at.
        started: At,
        /// The vendor's name for the call.
        correlation: Option<String>,
        /// How often somebody looked.
        looks: u32,
        /// The next look.
        due: At,
    },
    /// A person must decide what nobody else can know.
    NeedsOperator {
        /// Why.
        reason: Reason,
        /// The lost call, if looking goes on.
        #[serde(default)]
        call: Option<LostCall>,
    },
    /// It ended.
    Settled {
        /// How.
        outcome: Outcome,
        /// When.
        at: At,
        /// By which route, if it was called.
        route: Option<Route>,
        /// What is still to be done.
        follow: Option<Follow>,
    },
}

/// A call whose answer was lost, and the next look for it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct LostCall {
    /// By which route.
    pub route: Route,
    /// The state before.
    pub prior: Observation,
    /// Begun at.
    pub started: At,
    /// The next look.
    pub due: At,
}

impl ActionState {
    /// The word for messages.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Ready { .. } => "ready",
            Self::AwaitingApproval { .. } => "awaiting approval",
            Self::Attempting { .. } => "attempting",
            Self::Unsure { .. } => "unsure",
            Self::Verifying { .. } => "verifying",
            Self::NeedsOperator { .. } => "waiting for an operator",
            Self::Settled { .. } => "settled",
        }
    }

    /// The route by which it was called, where it was.
    pub(super) const fn route(&self) -> Option<Route> {
        match self {
            Self::Attempting { route, .. }
            | Self::Unsure { route, .. }
            | Self::Verifying { route, .. }
            | Self::NeedsOperator { call: Some(LostCall { route, .. }), .. } => Some(*route),
            Self::Settled { route, .. } => *route,
            Self::Ready { .. } | Self::AwaitingApproval { .. } | Self::NeedsOperator { call: None, .. } => None,
        }
    }
}
