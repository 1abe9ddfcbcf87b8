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
    /// Of a trigger: the other rows that are this alert, each as `ExtendedProperties` shows it, the oldest first.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub rows: Vec<String>,
    /// Who it names.
    pub entities: Entities,
    /// The Defender incident it belongs to, when the source says so.
    pub incident: Option<String>,
    /// Confirmed as Defender for Identity's by Defender itself (`serviceSource`, `detectionSource`), or found by a query
    /// of our own.
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

/// So many accounts of an alert are kept: one more than any settings act on at once.
const MOST_ACCOUNTS: usize = 1_001;
/// So many rows of an alert of a trigger are kept, beside the newest,
const MOST_ROWS: usize = 20;
/// and so many bytes of them.
const MOST_BYTES: usize = 32 * 1024;
/// The column that holds a row of a trigger.
pub const ROW: &str = "ExtendedProperties";

impl Sighting {
    /// One alert of what a trigger has shown of it at two times. The later one speaks; what the earlier one showed
    /// stays: whoever was named is named, and a condition that a row met is met.
    #[must_use]
    pub fn united(self, other: Self) -> Self {
        let (earlier, mut later) = if other.visible >= self.visible { (self, other) } else { (other, self) };
        later.rows = rows(&earlier, &later);
        later.start = earlier.start.into_iter().chain(later.start).min();
        later.end = earlier.end.max(later.end);
        later.entities = match (earlier.entities, later.entities) {
            (Entities::Read(mut all), Entities::Read(more)) => {
                for account in more {
                    if all.len() < MOST_ACCOUNTS {
                        unite(&mut all, &account);
                    }
                }
                Entities::Read(all)
            }
            (_, read) => read,
        };
        later
    }

    /// The row that speaks for it.
    fn row(&self) -> Option<&str> {
        self.columns.get(ROW).and_then(Value::as_str)
    }
}

/// Every different row of both but the one that speaks, of too many the newest.
fn rows(earlier: &Sighting, later: &Sighting) -> Vec<String> {
    let mut rows: Vec<&str> = Vec::new();
    for row in [earlier, later].into_iter().flat_map(|seen| seen.rows.iter().map(String::as_str).chain(seen.row())) {
        if Some(row) != later.row() && !rows.contains(&row) {
            rows.push(row);
        }
    }
    let mut room = MOST_BYTES;
    let newest = rows.iter().rev().take(MOST_ROWS).take_while(|row| {
        room = room.saturating_sub(row.len());
        room > 0
    });
    let mut kept: Vec<String> = newest.map(|row| (*row).to_owned()).collect();
    kept.reverse();
    kept
}

/// Adds an account unless it is there already, in which case the richer hint and a stated role win;
/// two that state different roles leave it unknown.
pub fn unite(all: &mut Vec<NamedAccount>, new: &NamedAccount) {
    let Some(old) = all.iter_mut().find(|old| old.hint.same_account(&new.hint)) else {
        // What is exactly the same is there already, also without a strong identifier.
        if !all.contains(new) {
            all.push(new.clone());
        }
        return;
    };
    old.role = match (old.role, new.role) {
        (Some(a), Some(b)) if a != b => Some(Role::Unknown),
        (a, b) => a.or(b),
    };
    let (mine, other) = (&mut old.hint, &new.hint);
    mine.sid = mine.sid.take().or_else(|| other.sid.clone());
    mine.entra_id = mine.entra_id.or(other.entra_id);
    mine.object_guid = mine.object_guid.or(other.object_guid);
    mine.upn = mine.upn.take().or_else(|| other.upn.clone());
    mine.okta_id = mine.okta_id.take().or_else(|| other.okta_id.clone());
    mine.name = mine.name.take().or_else(|| other.name.clone());
    mine.nt_domain = mine.nt_domain.take().or_else(|| other.nt_domain.clone());
    mine.dns_domain = mine.dns_domain.take().or_else(|| other.dns_domain.clone());
    mine.display_name = mine.display_name.take().or_else(|| other.display_name.clone());
    mine.local |= other.local;
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
