//! The edge, in our words: what riposte wants of the outside, one small trait per use.

use async_trait::async_trait;
use uuid::Uuid;

use crate::journal::begun::{Begun, BegunNote};
use crate::model::account::AccountRef;
use crate::model::action::Subject;
use crate::model::alert::{Sighting, SourceKey, UnreadableItem};
use crate::model::failure::{Failure, Provider};
use crate::model::incident::{Incident, IncidentRef};
use crate::model::intent::Intent;
use crate::model::observation::Observation;
use crate::model::offer::Route;
use crate::model::person::{Found, LookupKey, Membership};
use crate::model::time::At;

pub use super::kql_runner::is_unknown_name;
pub use super::urgency::Urgency;

/// A slice of time to read, by the time at which the source could show an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Window {
    /// From this moment, inclusive.
    pub from: At,
    /// To this moment, exclusive.
    pub to: At,
    /// Within the window, only what comes after this (visible time, id): more rows of one instant
    /// than the cap still all arrive.
    pub after: Option<(At, String)>,
    /// At most this many.
    pub cap: u32,
}

/// What a source showed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SourcePage {
    /// Each row by itself: a rotten one does not spoil its neighbours.
    pub items: Vec<Result<Sighting, UnreadableItem>>,
    /// The last row's (visible time, id), rotten or not.
    pub last: Option<(At, String)>,
    /// The cap was reached: there may be more after `last`.
    pub full: bool,
    /// The source said that its answer is partial: what came is good, the cursor stays.
    pub partial: bool,
    /// Of a trigger: what a run gave and is not among the items.
    pub omitted: Omitted,
}

/// What is not among the items of a run, and counted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Omitted {
    /// Rows that cannot be read; one item stands for all of them.
    pub rows: usize,
    /// Alerts beyond those that count.
    pub alerts: usize,
    /// Rows of the alerts that count, beyond those that are kept of an alert.
    pub dropped: usize,
}

/// A source of alerts.
#[async_trait]
pub trait AlertSource: Send + Sync {
    /// Its key.
    fn key(&self) -> SourceKey;

    /// Reads one page, oldest first by (visible time, id).
    ///
    /// # Errors
    /// When nothing can be believed about the window; nothing was read then.
    async fn page(&self, window: &Window) -> Result<SourcePage, Failure>;
}

/// Somebody who knows accounts.
#[async_trait]
pub trait People: Send + Sync {
    /// Who answers.
    fn provider(&self) -> Provider;

    /// All accounts that fit the key exactly; an answer about another id than the one asked for is
    /// dropped by the connector. Empty when there is none, or when this directory cannot look up by
    /// such a key.
    async fn find(&self, key: &LookupKey) -> Result<Vec<Found>, Failure>;

    /// Groups and roles of an account, nested; `None` when this directory does not know them.
    async fn memberships(&self, account: &AccountRef) -> Result<Option<Vec<Membership>>, Failure>;

    /// The users who are in an Entra role for the whole tenant, by the template id of the role, also
    /// through groups and also those who may not sign in; `None` when this directory has no such roles.
    async fn members_of_role(&self, _role: Uuid) -> Result<Option<Vec<AccountRef>>, Failure> {
        Ok(None)
    }
}

/// How a call ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answered {
    /// Accepted; what became of it is seen by looking.
    Accepted {
        /// What the vendor calls it, for its support.
        correlation: Option<String>,
    },
    /// It did not do it, or nobody knows.
    Failed(Failure),
}

/// Somebody who can do things to accounts, by one route.
#[async_trait]
pub trait Effector: Send + Sync {
    /// The route.
    fn route(&self) -> Route;

    /// How the account stands in respect of an intent. `since` is the moment of our call, for
    /// evidence that comes as events; `None` before any call.
    async fn observe(&self, subject: &Subject, intent: &Intent, since: Option<At>) -> Result<Observation, Failure>;

    /// One record, one call: takes the slip by value, sends at most one request that changes
    /// something, and never after `stop_sending`.
    async fn apply(&self, go: Begun) -> Answered;
}

/// Where stories are told.
#[async_trait]
pub trait Incidents: Send + Sync {
    /// The incident of an alert, by any of the alert's ids; `None` while there is none.
    async fn locate(&self, alert_ids: &[String]) -> Result<Option<Incident>, Failure>;

    /// Reads one again.
    async fn read(&self, incident: &IncidentRef) -> Result<Option<Incident>, Failure>;

    /// Writes a comment under the note's own id: repeating is harmless.
    async fn post(&self, note: BegunNote) -> Answered;

    /// Adds a label, keeping everything else as it is.
    async fn label(&self, incident: &IncidentRef, label: &str) -> Answered;
}
