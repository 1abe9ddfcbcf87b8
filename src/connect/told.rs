//! Where an incident's story is told: in Sentinel, or in the Defender portal that it came from.

use async_trait::async_trait;

use super::graph::incidents::DefenderIncidents;
use super::port::{Answered, Incidents};
use super::sentinel::Sentinel;
use crate::journal::begun::BegunNote;
use crate::model::failure::{Failure, FailureKind};
use crate::model::incident::{Incident, IncidentRef};

/// The incidents of a workspace, each with the route of its comments: Graph for those of Defender, where Graph shows them
/// to us, else Sentinel. Comments in both would show twice, as each is carried to the other.
pub struct Routed {
    sentinel: Sentinel,
    defender: Option<DefenderIncidents>,
}

impl Routed {
    /// Incidents of a workspace; without `defender` all comments go to Sentinel.
    #[must_use]
    pub const fn new(sentinel: Sentinel, defender: Option<DefenderIncidents>) -> Self {
        Self { sentinel, defender }
    }

    async fn routed(&self, found: Option<Incident>) -> Result<Option<Incident>, Failure> {
        let Some(mut incident) = found else { return Ok(None) };
        if let (Some(defender), Some(id)) = (&self.defender, incident.defenders_id())
            && defender.knows(id).await?
        {
            let (workspace, name) = (incident.incident.workspace(), incident.incident.name());
            incident.incident = IncidentRef::Defender { workspace, name, id: id.to_owned() };
        }
        Ok(Some(incident))
    }
}

#[async_trait]
impl Incidents for Routed {
    async fn locate(&self, alert_ids: &[String]) -> Result<Option<Incident>, Failure> {
        self.routed(self.sentinel.locate(alert_ids).await?).await
    }

    async fn read(&self, incident: &IncidentRef) -> Result<Option<Incident>, Failure> {
        self.routed(self.sentinel.read(incident).await?).await
    }

    async fn post(&self, note: BegunNote) -> Answered {
        match (note.incident(), &self.defender) {
            (IncidentRef::Defender { id, .. }, Some(defender)) => match defender.post(id, &note).await {
                // Whether it may go to Sentinel only who knows of the attempts before can say.
                Err(failure) if failure.kind == FailureKind::Forbidden => {
                    defender.forbid(&failure).await;
                    Answered::Failed(failure)
                }
                other => answered(other),
            },
            (IncidentRef::Defender { .. } | IncidentRef::Sentinel { .. }, _) => self.sentinel.post(note).await,
        }
    }

    async fn label(&self, incident: &IncidentRef, label: &str) -> Answered {
        match (incident, &self.defender) {
            (IncidentRef::Defender { id, .. }, Some(defender)) => match defender.tag(id, label).await {
                Err(failure) if failure.kind == FailureKind::Forbidden => self.sentinel.label(incident, label).await,
                other => answered(other),
            },
            (IncidentRef::Defender { .. } | IncidentRef::Sentinel { .. }, _) => {
                self.sentinel.label(incident, label).await
            }
        }
    }
}

fn answered(result: Result<Option<String>, Failure>) -> Answered {
    match result {
        Ok(correlation) => Answered::Accepted { correlation },
        Err(failure) => Answered::Failed(failure),
    }
}
