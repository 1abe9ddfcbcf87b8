//! Incidents: where an alert's story is told to people.

use std::fmt;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

use super::scope::WorkspaceKey;

/// One incident by the route on which its comments are written.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum IncidentRef {
    /// A Sentinel incident by its resource name.
    Sentinel {
        /// The workspace it lives in.
        workspace: WorkspaceKey,
        /// The incident's GUID (`IncidentName`).
        name: Uuid,
    },
}

impl IncidentRef {
    /// The workspace it lives in.
    #[must_use]
    pub const fn workspace(&self) -> WorkspaceKey {
        match self {
            Self::Sentinel { workspace, .. } => *workspace,
        }
    }
}

impl fmt::Display for IncidentRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sentinel { workspace, name } => write!(f, "sentinel:{workspace}/{name}"),
        }
    }
}

/// An incident as it was read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Incident {
    /// Its key.
    pub incident: IncidentRef,
    /// The number people use.
    pub number: Option<u64>,
    /// Its title. Hostile text.
    pub title: String,
    /// Whether it is closed.
    pub closed: bool,
    /// `providerName`: `Azure Sentinel`, or `Microsoft XDR` in onboarded workspaces.
    pub provider: String,
    /// The Defender incident's id, in onboarded workspaces.
    pub provider_incident: Option<String>,
    /// Labels.
    pub labels: Vec<String>,
    /// How many comments it has, as far as the answer said.
    pub comments: Option<u32>,
}
