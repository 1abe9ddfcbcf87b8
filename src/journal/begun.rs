//! One durable attempt: only the journal makes it, and the call consumes it.

use std::time::Instant;

use crate::model::action::Action;
use crate::model::id::NoteId;
use crate::model::incident::IncidentRef;
use crate::model::observation::Observation;
use crate::model::offer::Route;

/// The intention to act is on disk: one record, one call.
#[must_use]
#[derive(Debug)]
pub struct Begun {
    action: Action,
    route: Route,
    prior: Observation,
    attempt: u32,
    stop_sending: Instant,
}

impl Begun {
    pub(in crate::journal) fn new(
        action: Action,
        route: Route,
        prior: Observation,
        attempt: u32,
        stop_sending: Instant,
    ) -> Self {
        Self { action, route, prior, attempt, stop_sending }
    }

    /// For tests of connectors, which cannot ask a journal.
    #[cfg(test)]
    pub(crate) fn for_test(action: Action, route: Route, prior: Observation) -> Self {
        Self::new(action, route, prior, 1, Instant::now() + std::time::Duration::from_secs(30))
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

    /// The state before, as it was read just now.
    #[must_use]
    pub const fn prior(&self) -> &Observation {
        &self.prior
    }

    /// Which attempt, from 1.
    #[must_use]
    pub const fn attempt(&self) -> u32 {
        self.attempt
    }

    /// Nothing may leave after this: another process may take over.
    #[must_use]
    pub const fn stop_sending(&self) -> Instant {
        self.stop_sending
    }
}

/// The intention to write a note is on disk, with its incident and text fixed.
#[must_use]
#[derive(Debug)]
pub struct BegunNote {
    id: NoteId,
    incident: IncidentRef,
    text: String,
    stop_sending: Instant,
}

impl BegunNote {
    pub(in crate::journal) fn new(id: NoteId, incident: IncidentRef, text: String, stop_sending: Instant) -> Self {
        Self { id, incident, text, stop_sending }
    }

    /// For tests of connectors, which cannot ask a journal.
    #[cfg(test)]
    pub(crate) fn for_test(id: NoteId, incident: IncidentRef, text: &str) -> Self {
        Self::new(id, incident, text.to_owned(), Instant::now() + std::time::Duration::from_secs(30))
    }

    /// The note's id, which is the comment's name on Sentinel.
    #[must_use]
    pub const fn id(&self) -> NoteId {
        self.id
    }

    /// Where it goes.
    #[must_use]
    pub const fn incident(&self) -> &IncidentRef {
        &self.incident
    }

    /// What it says, escaped and within the route's limit.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Nothing may leave after this.
    #[must_use]
    pub const fn stop_sending(&self) -> Instant {
        self.stop_sending
    }
}
