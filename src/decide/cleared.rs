//! The slip that lets one action go: only the guardrails write it.

use std::time::Duration;

use crate::model::action::Action;
use crate::model::observation::Observation;
use crate::model::offer::Route;
use crate::model::time::At;

/// How long the facts behind a slip count as fresh.
pub const VALID_FOR: Duration = Duration::from_secs(30);

/// The guardrails have looked at this action with facts of this moment and let it go. It cannot be
/// copied or stored, so it cannot be used stale; without a prior observation there is none.
#[must_use]
#[derive(Debug)]
pub struct Cleared {
    action: Action,
    route: Route,
    prior: Observation,
    checked: At,
}

impl Cleared {
    pub(in crate::decide) const fn new(action: Action, route: Route, prior: Observation, checked: At) -> Self {
        Self { action, route, prior, checked }
    }

    /// For tests of the journal, which cannot ask the guardrails.
    #[cfg(test)]
    pub(crate) const fn for_test(action: Action, route: Route, prior: Observation, checked: At) -> Self {
        Self::new(action, route, prior, checked)
    }

    /// The action.
    #[must_use]
    pub const fn action(&self) -> &Action {
        &self.action
    }

    /// By which route.
    #[must_use]
    pub const fn route(&self) -> Route {
        self.route
    }

    /// The state before.
    #[must_use]
    pub const fn prior(&self) -> &Observation {
        &self.prior
    }

    /// Worthless after this.
    #[must_use]
    pub fn valid_until(&self) -> At {
        self.checked.plus(VALID_FOR)
    }

    /// Taken apart by the journal, once.
    #[must_use]
    pub fn into_parts(self) -> (Action, Route, Observation) {
        (self.action, self.route, self.prior)
    }
}
