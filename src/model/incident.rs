//! Incidents: where an alert's story is told to people.

use std::fmt;
use std::time::Duration;

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
    /// An incident of Defender, whose comments are written through Graph.
    Defender {
        /// The workspace in which Sentinel shows it.
        workspace: WorkspaceKey,
        /// Its GUID there.
        name: Uuid,
        /// Its id in Graph: decimal text.
        id: String,
    },
}

/// `providerName` of an incident that Defender made, in workspaces that are connected to the Defender portal.
const XDR: &str = "Microsoft XDR";

/// The longest comment that Graph is trusted to take, in characters: the limit is not documented.
pub const GRAPH_COMMENT: usize = 1_000;
/// What is kept free of it for the id by which a comment is found again.
const MARK: usize = 60;
/// So many characters a comment in Sentinel may have, which stays well below its 30,000.
const SENTINEL_ROOM: usize = 24_000;

/// How long a text is, in the units that vendors count: those of UTF-16.
#[must_use]
pub fn length(text: &str) -> usize {
    text.encode_utf16().count()
}

impl IncidentRef {
    /// The workspace it lives in.
    #[must_use]
    pub const fn workspace(&self) -> WorkspaceKey {
        match self {
            Self::Sentinel { workspace, .. } | Self::Defender { workspace, .. } => *workspace,
        }
    }

    /// Its GUID in Sentinel.
    #[must_use]
    pub const fn name(&self) -> Uuid {
        match self {
            Self::Sentinel { name, .. } | Self::Defender { name, .. } => *name,
        }
    }

    /// Whether both are one incident, by whatever route its comments are written.
    #[must_use]
    pub fn is(&self, other: &Self) -> bool {
        self.workspace() == other.workspace() && self.name() == other.name()
    }

    /// How many characters a comment may have.
    #[must_use]
    pub const fn room(&self) -> usize {
        match self {
            Self::Sentinel { .. } => SENTINEL_ROOM,
            Self::Defender { .. } => GRAPH_COMMENT - MARK,
        }
    }

    /// How long after a comment was sent nobody knows whether it will still show, where a second one would be one too many:
    /// a call that was lost may arrive late. In Sentinel a comment has an id, and the second takes the place of the first.
    #[must_use]
    pub const fn doubt(&self) -> Option<Duration> {
        match self {
            Self::Sentinel { .. } => None,
            Self::Defender { .. } => Some(Duration::from_secs(180)),
        }
    }
}

impl Incident {
    /// Its id in Graph, where Defender made it.
    #[must_use]
    pub fn defenders_id(&self) -> Option<&str> {
        let id = self.provider_incident.as_deref()?;
        let is_one = self.provider.eq_ignore_ascii_case(XDR) && id.bytes().all(|digit| digit.is_ascii_digit());
        (is_one && !id.is_empty()).then_some(id)
    }
}

impl fmt::Display for IncidentRef {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sentinel { workspace, name } => write!(f, "sentinel:{workspace}/{name}"),
            Self::Defender { id, .. } => write!(f, "defender:{id}"),
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
