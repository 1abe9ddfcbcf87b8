//! Alerts: what a source saw, before and after it is unified with what other sources saw.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::account::{AccountHint, Role};
use super::scope::WorkspaceKey;
use super::time::At;

/// Which source saw an alert.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum SourceKey {
    /// The `SecurityAlert` table of a workspace. Anyone who can write rows can forge them.
    LogAnalytics(WorkspaceKey),
    /// Graph `alerts_v2`: Defender's own word.
    Graph,
    /// A query of our own, by name.
    Trigger {
        /// The trigger's name.
        name: String,
        /// The workspace that runs it; `None` for Advanced hunting.
        workspace: Option<WorkspaceKey>,
    },
}

impl std::fmt::Display for SourceKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::LogAnalytics(workspace) => write!(f, "log-analytics:{workspace}"),
            Self::Graph => f.write_str("graph"),
            Self::Trigger { name, workspace: Some(workspace) } => write!(f, "kql/{name}:{workspace}"),
            Self::Trigger { name, workspace: None } => write!(f, "kql/{name}:hunting"),
        }
    }
}

/// The spellings under which Defender for Identity appears in `ProviderName` or `ProductName`: that of the official
/// client enumerations, those of guides and of older connectors.
pub const PROVIDERS: [&str; 5] = [
    "Azure Advanced Threat Protection",
    "Microsoft Defender for Identity",
    "Azure ATP",
    "AATP",
    "AzureAdvancedThreatProtection",
];

/// How bad the detector says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub enum Severity {
    /// Also every word we do not know.
    Informational,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
}

impl Severity {
    /// All of them.
    pub const ALL: [Self; 4] = [Self::Informational, Self::Low, Self::Medium, Self::High];

    /// Reads a vendor's word in any case; unknown words count as informational.
    #[must_use]
    pub fn read(word: &str) -> Self {
        match word.trim().to_ascii_lowercase().as_str() {
            "high" => Self::High,
            "medium" => Self::Medium,
            "low" => Self::Low,
            _ => Self::Informational,
        }
    }

    /// As `SecurityAlert.AlertSeverity` spells it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Informational => "Informational",
            Self::Low => "Low",
            Self::Medium => "Medium",
            Self::High => "High",
        }
    }
}

/// One alert as one source showed it at one time.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Sighting {
    /// Who saw it.
    pub source: SourceKey,
    /// Every id it came with, the source's own first. Two sightings that share one are one alert.
    pub aliases: Vec<String>,
    /// `AlertType` or `detectorId`, as given.
    pub detector: String,
    /// The stable external id of classic alerts (`2006`), when the source carries it.
    pub external_id: Option<String>,
    /// Title. Hostile text.
    pub title: String,
    /// Severity.
    pub severity: Severity,
    /// First activity.
    pub start: Option<At>,
    /// Last activity.
    pub end: Option<At>,
    /// When the source could first show it (ingestion, creation).
    pub visible: At,
    /// The columns of `SecurityAlert`, for conditions: the same names for both sources.
    pub columns: BTreeMap<String, Value>,
    /// Who it names.
    pub entities: Entities,
    /// The Defender incident it belongs to, when the source says so.
    pub incident: Option<String>,
    /// Confirmed as Defender for Identity's by Defender itself (`serviceSource`, `detectionSource`).
    pub genuine: bool,
}

/// The accounts an alert names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Entities {
    /// None yet: they can come minutes later.
    Missing,
    /// Something is there that could not be read; the sentence says what.
    Unreadable(String),
    /// Read whole; may hold hosts and addresses only, and then no accounts.
    Read(Vec<NamedAccount>),
}

/// An account in an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedAccount {
    /// Its identifiers.
    pub hint: AccountHint,
    /// Its role, where the source itself states one (Graph evidence roles).
    pub role: Option<Role>,
}

/// A row or item that could not be made into a sighting. It is recorded and counted; its page goes on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnreadableItem {
    /// Who sent it.
    pub source: SourceKey,
    /// The id it carries, or a digest of the row.
    pub id: String,
    /// When the source could show it.
    pub visible: At,
    /// What is wrong with it.
    pub why: String,
}
