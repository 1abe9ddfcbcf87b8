//! Who is told what happens: logs and metrics in the daemon, live lines in the demo.

use std::time::Duration;

use crate::journal::seal::Seal;
use crate::model::alert::SourceKey;
use crate::model::failure::Failure;
use crate::model::id::AlertId;
use crate::record::action::ActionRecord;
use crate::record::alert::AlertRecord;

use super::runs::Run;

/// Told as it happens; it cannot change anything.
pub trait Listener: Send + Sync {
    /// Something happened.
    fn hear(&self, news: &News<'_>);
}

/// What happened.
#[derive(Debug)]
pub enum News<'a> {
    /// A source was read.
    Polled {
        /// Which.
        source: &'a SourceKey,
        /// Rows read.
        rows: usize,
        /// Rows that could not be read.
        unreadable: usize,
        /// How far behind the present the source is read.
        behind: std::time::Duration,
    },
    /// A source could not be read.
    PollFailed {
        /// Which.
        source: &'a SourceKey,
        /// Why.
        failure: &'a Failure,
    },
    /// A trigger could not run.
    RunFailed {
        /// Which.
        source: &'a SourceKey,
        /// Why.
        failure: &'a Failure,
        /// Nobody depends on it, and what it needs is not here.
        optional: bool,
    },
    /// A trigger ran, and not all of what it is about was looked at.
    RunNotWhole {
        /// Which.
        source: &'a SourceKey,
        /// How.
        run: &'a Run,
    },
    /// An alert is new, or has changed.
    AlertSeen {
        /// Which.
        alert: &'a AlertRecord,
        /// By whom.
        source: &'a SourceKey,
        /// It was not known before.
        new: bool,
    },
    /// An alert waits for something, or was decided on.
    AlertStands {
        /// Which.
        alert: &'a AlertRecord,
    },
    /// An action has moved.
    ActionStands {
        /// Which.
        action: &'a ActionRecord,
        /// By which event.
        event: &'static str,
    },
    /// A note was posted.
    NotePosted {
        /// About which alert.
        alert: AlertId,
        /// Its text.
        text: &'a str,
    },
    /// A note could not be posted, or an incident not be found.
    NoteFailed {
        /// About which alert.
        alert: AlertId,
        /// Why.
        why: String,
        /// It is not tried again.
        last: bool,
    },
    /// An incident was not labelled; its comment stands.
    LabelFailed {
        /// About which alert.
        alert: AlertId,
        /// Why.
        why: String,
    },
    /// The journal was sealed.
    Sealed {
        /// Over which events.
        seal: &'a Seal,
    },
    /// Alerts were removed from the journal, with what was done for them.
    Removed {
        /// How many.
        alerts: usize,
        /// How long such are kept.
        keep: Duration,
    },
    /// Something is to be told about an alert that only a trigger shows: there is no incident to tell it in.
    NoIncident {
        /// Which.
        alert: &'a AlertRecord,
        /// A person is asked.
        asks: bool,
    },
    /// A signal came too late to matter.
    Moot {
        /// Why.
        why: &'static str,
    },
}

/// Tells nobody.
#[derive(Debug, Clone, Copy, Default)]
pub struct Silent;

impl Listener for Silent {
    fn hear(&self, _: &News<'_>) {}
}
