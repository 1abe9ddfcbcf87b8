//! What an action needs next. Pure: workers only carry it out.

use crate::model::observation::Observation;
use crate::model::offer::Route;
use crate::model::time::At;

use super::action::{ActionRecord, ActionState, Follow};

/// The next move of one action.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// Nothing before this moment; `None`: not before somebody says something.
    Wait(Option<At>),
    /// Read, check the guardrails, begin, call.
    Attempt,
    /// It is too old to be begun.
    TooLate,
    /// Nobody answered the question in time.
    Expire,
    /// Begun by somebody who never wrote the answer down: take it for lost.
    TakeForLost {
        /// By which route.
        route: Route,
    },
    /// Look whether a lost call did something.
    LookForLost(Look),
    /// Look for the effect of an accepted call.
    Verify(Look),
    /// Look again at a settled action.
    LookAgain {
        /// By which route.
        route: Route,
        /// Then put it back at.
        revert_at: Option<At>,
    },
    /// The time of the containment is over.
    Revert,
}

/// What a look is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Look {
    /// By which route.
    pub route: Route,
    /// The state before the call.
    pub prior: Observation,
    /// When the call began.
    pub since: At,
    /// How many looks there were.
    pub looks: u32,
    /// Whether not seeing the effect proves that nothing happened.
    pub conclusive: bool,
}

impl Next {
    /// By which route it looks, if it is a look.
    #[must_use]
    pub const fn looks_by(&self) -> Option<Route> {
        match self {
            Self::LookForLost(look) | Self::Verify(look) => Some(look.route),
            Self::LookAgain { route, .. } => Some(*route),
            Self::Wait(_) | Self::Attempt | Self::TooLate | Self::Expire | Self::TakeForLost { .. } | Self::Revert => {
                None
            }
        }
    }
}

/// The next move of an action at a moment.
#[must_use]
pub fn next(record: &ActionRecord, now: At) -> Next {
    let wait_or = |due: At, next: Next| if due > now { Next::Wait(Some(due)) } else { next };
    match &record.state {
        ActionState::Ready { .. } if record.action.expires < now => Next::TooLate,
        ActionState::Ready { due, .. } if *due > now => Next::Wait(Some(*due)),
        ActionState::Ready { .. } => Next::Attempt,
        ActionState::AwaitingApproval { until, .. } => wait_or(*until, Next::Expire),
        ActionState::Attempting { route, look_after, .. } => wait_or(*look_after, Next::TakeForLost { route: *route }),
        ActionState::Unsure { route, prior, started, due, conclusive_at } => wait_or(
            *due,
            Next::LookForLost(Look {
                route: *route,
                prior: prior.clone(),
                since: *started,
                looks: 0,
                conclusive: now >= *conclusive_at,
            }),
        ),
        ActionState::Verifying { route, prior, started, looks, due, .. } => wait_or(
            *due,
            Next::Verify(Look {
                route: *route,
                prior: prior.clone(),
                since: *started,
                looks: *looks,
                conclusive: false,
            }),
        ),
        // A person is asked, and meanwhile a look may still show it.
        ActionState::NeedsOperator { call: Some(call), .. } => wait_or(
            call.due,
            Next::LookForLost(Look {
                route: call.route,
                prior: call.prior.clone(),
                since: call.started,
                looks: 0,
                conclusive: true,
            }),
        ),
        ActionState::NeedsOperator { call: None, .. } | ActionState::Settled { follow: None, .. } => Next::Wait(None),
        ActionState::Settled { route, follow: Some(follow), .. } => match (follow, route) {
            (Follow::LookAgain { at, revert_at }, Some(route)) => {
                wait_or(*at, Next::LookAgain { route: *route, revert_at: *revert_at })
            }
            (Follow::LookAgain { .. }, None) => Next::Wait(None),
            (Follow::Revert { at }, _) => wait_or(*at, Next::Revert),
        },
    }
}
