//! Alerts: what a source saw, before and after it is unified with what other sources saw.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use uuid::Uuid;

use super::account::{AccountHint, OktaId, Role, Sid, Upn};
use super::scope::WorkspaceKey;
use super::time::At;
use super::trigger::TIMES;

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
    /// None is given, or by a word that nobody here knows. Nothing is done for such an alert.
    Unknown,
    /// Also `unknown`, by which Graph says that Defender gives it none.
    Informational,
    /// Low.
    Low,
    /// Medium.
    Medium,
    /// High.
    High,
}

impl Severity {
    /// Those that are known.
    pub const ALL: [Self; 4] = [Self::Informational, Self::Low, Self::Medium, Self::High];

    /// Reads a vendor's word in any case.
    ///
    /// Source: Azure Monitor tables reference, SecurityAlert; Microsoft Graph, alertSeverity values (`unknownFutureValue`
    /// stands for a word that this version of the API does not say).
    #[must_use]
    pub fn read(word: &str) -> Self {
        match word.trim().to_ascii_lowercase().as_str() {
            "high" => Self::High,
            "medium" => Self::Medium,
            "low" => Self::Low,
            "informational" | "unknown" => Self::Informational,
            _ => Self::Unknown,
        }
    }

    /// As `SecurityAlert.AlertSeverity` spells it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Unknown => "Unknown",
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
    /// Read whole; it names more accounts than any settings act on, and only the first of them are kept.
    Crowd {
        /// How many it names.
        found: usize,
        /// By whom another source's sighting of the same alert is known.
        first: Vec<NamedAccount>,
    },
}

/// An account in an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NamedAccount {
    /// Its identifiers.
    pub hint: AccountHint,
    /// Its role, where the source itself states one (Graph evidence roles).
    pub role: Option<Role>,
}

/// No settings act on more accounts of one alert.
pub const MOST_ACCOUNTS: u16 = 1_000;
/// So many accounts of a crowd are kept.
const OF_CROWD: usize = 20;
/// So many rows of an alert of a trigger are kept, beside the one that speaks,
const MOST_ROWS: usize = 100;
/// and so many bytes of them.
const MOST_BYTES: usize = 32 * 1024;
/// The column that holds a row of a trigger.
pub const ROW: &str = "ExtendedProperties";

impl Sighting {
    /// One alert of what a trigger has shown of it, and how many of its different rows are not kept. The newest speaks; what
    /// the others showed stays: whoever was named is named, and a condition that a row met is met.
    #[must_use]
    pub fn united(self, others: impl IntoIterator<Item = Self>) -> (Self, usize) {
        let mut all = vec![self];
        all.extend(others);
        let start = all.iter().filter_map(|seen| seen.start).min();
        let end = all.iter().filter_map(|seen| seen.end).max();
        let entities = all.iter_mut().map(|seen| std::mem::replace(&mut seen.entities, Entities::Missing));
        let entities = entities.reduce(Entities::united).unwrap_or(Entities::Missing);
        // Of those at one time the text decides, or the same rows in another order would be news.
        let newest = (0..all.len()).max_by_key(|at| all.get(*at).map(|seen| (seen.visible, seen.row())));
        let newest = newest.unwrap_or_default();
        let speaks = all.get(newest).and_then(Self::row);
        let different: BTreeSet<&str> = all.iter().flat_map(Self::texts).filter(|row| Some(*row) != speaks).collect();
        let (rows, dropped) = kept(&different);
        let newest = all.swap_remove(newest);
        (Self { start, end, rows, entities, ..newest }, dropped)
    }

    /// Of a trigger: every row of it that is known, as a text.
    pub fn texts(&self) -> impl Iterator<Item = &str> {
        self.rows.iter().map(String::as_str).chain(self.row())
    }

    /// The row that speaks for it.
    pub fn row(&self) -> Option<&str> {
        self.columns.get(ROW).and_then(Value::as_str)
    }
}

impl Entities {
    /// What was read whole. An alert may name thousands, and there are several copies of each in memory.
    #[must_use]
    pub fn of(mut accounts: Vec<NamedAccount>) -> Self {
        let found = accounts.len();
        if found <= usize::from(MOST_ACCOUNTS) {
            return Self::Read(accounts);
        }
        accounts.truncate(OF_CROWD);
        accounts.shrink_to_fit();
        Self::Crowd { found, first: accounts }
    }

    /// The accounts that are kept, of a crowd the first.
    #[must_use]
    pub fn kept(&self) -> &[NamedAccount] {
        match self {
            Self::Missing | Self::Unreadable(_) => &[],
            Self::Read(accounts) | Self::Crowd { first: accounts, .. } => accounts,
        }
    }

    fn united(self, later: Self) -> Self {
        match (self, later) {
            (crowd @ Self::Crowd { .. }, _) | (_, crowd @ Self::Crowd { .. }) => crowd,
            (Self::Read(mut all), Self::Read(more)) => {
                for account in more {
                    if all.len() <= usize::from(MOST_ACCOUNTS) {
                        unite_rows(&mut all, account);
                    }
                }
                Self::of(all)
            }
            (_, read) => read,
        }
    }
}

/// As many of the rows as are good, the oldest first, and how many are not among them. Half of the room is for the newest;
/// what they leave is for the oldest. So it is the same rows however often the same ones are united.
fn kept(rows: &BTreeSet<&str>) -> (Vec<String>, usize) {
    let rows: BTreeSet<(Option<At>, &str)> = rows.iter().map(|row| (happened(row), *row)).collect();
    let mut kept = BTreeSet::new();
    let mut bytes = 0;
    let (newest, oldest) = (rows.iter().rev().map(|row| (2, row)), rows.iter().map(|row| (1, row)));
    for (share, row) in newest.chain(oldest) {
        let fits = kept.len() < MOST_ROWS / share && bytes + row.1.len() <= MOST_BYTES / share;
        if fits && kept.insert(*row) {
            bytes += row.1.len();
        }
    }
    let dropped = rows.len() - kept.len();
    (kept.into_iter().map(|(_, row)| row.to_owned()).collect(), dropped)
}

/// When a row says that it happened.
fn happened(row: &str) -> Option<At> {
    let row: Value = serde_json::from_str(row).ok()?;
    TIMES.iter().find_map(|column| row.get(column)?.as_str()?.parse().ok())
}

impl NamedAccount {
    /// The account by its strongest identifier with its role: who is named in other words, or in capitals, is the same.
    #[must_use]
    pub fn identity(&self) -> String {
        let own = Strongest::of(&self.hint).map(|own| own.to_string());
        format!("{}|{}", self.role.unwrap_or(Role::Unknown), own.unwrap_or_default())
    }
}

/// The identifier by which an account of a trigger is known.
#[derive(PartialEq)]
enum Strongest<'a> {
    Sid(&'a Sid),
    Entra(Uuid),
    ActiveDirectory(Uuid),
    Okta(&'a OktaId),
    Upn(&'a Upn),
    /// Domain and name, in small letters.
    Name(Option<String>, String),
}

impl<'a> Strongest<'a> {
    fn of(hint: &'a AccountHint) -> Option<Self> {
        let name = || {
            let domain = hint.nt_domain.as_ref().or(hint.dns_domain.as_ref());
            Some(Self::Name(domain.map(|domain| domain.to_lowercase()), hint.name.as_ref()?.to_lowercase()))
        };
        let own = hint.sid.as_ref().map(Self::Sid);
        let own = own.or_else(|| hint.entra_id.map(Self::Entra));
        let own = own.or_else(|| hint.object_guid.map(Self::ActiveDirectory));
        let own = own.or_else(|| hint.okta_id.as_ref().map(Self::Okta));
        own.or_else(|| hint.upn.as_ref().map(Self::Upn)).or_else(name)
    }
}

impl fmt::Display for Strongest<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Sid(sid) => write!(f, "sid:{sid}"),
            Self::Entra(id) => write!(f, "entra:{id}"),
            Self::ActiveDirectory(id) => write!(f, "ad:{id}"),
            Self::Okta(id) => write!(f, "okta:{id}"),
            Self::Upn(upn) => write!(f, "upn:{upn}"),
            Self::Name(domain, name) => write!(f, "{}", json!([domain, name])),
        }
    }
}

/// Adds an account that a row of a trigger names. It is known by its strongest identifier, whatever else rows say of it,
/// and in each role by itself, so no row takes back what another has stated.
pub fn unite_rows(all: &mut Vec<NamedAccount>, new: NamedAccount) {
    let strongest = Strongest::of(&new.hint);
    let is_same = |old: &&mut NamedAccount| {
        let known = || strongest.is_some() && Strongest::of(&old.hint) == strongest;
        old.role == new.role && (known() || old.hint.same_account(&new.hint))
    };
    match all.iter_mut().find(is_same) {
        Some(old) => enrich(&mut old.hint, &new.hint),
        None => all.push(new),
    }
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
    enrich(&mut old.hint, &new.hint);
}

/// Adds what only the other hint says.
fn enrich(mine: &mut AccountHint, other: &AccountHint) {
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

#[cfg(test)]
mod tests {
    use super::*;

    const SID: &str = "S-1-5-21-1111111111-2222222222-3333333333-1105";

    fn account(sid: &str, upn: &str, role: Role) -> NamedAccount {
        let hint = AccountHint { sid: sid.parse().ok(), upn: upn.parse().ok(), ..AccountHint::default() };
        NamedAccount { hint, role: Some(role) }
    }

    fn seen(second: i64, text: &str, accounts: Vec<NamedAccount>) -> Sighting {
        let at = At::from_unix_seconds(second);
        Sighting {
            source: SourceKey::Trigger { name: "t".into(), workspace: None },
            aliases: vec!["kql/t:1".into()],
            detector: "kql/t".into(),
            external_id: None,
            title: "t".into(),
            severity: Severity::High,
            start: Some(at),
            end: Some(at),
            visible: at,
            columns: BTreeMap::from([(ROW.to_owned(), json!({"TimeGenerated": at, "Text": text}).to_string().into())]),
            rows: Vec::new(),
            entities: Entities::Read(accounts),
            incident: None,
            genuine: true,
        }
    }

    fn united(all: &[Sighting]) -> (Sighting, usize) {
        all[0].clone().united(all[1..].to_vec())
    }

    fn accounts(seen: &Sighting) -> Vec<String> {
        let Entities::Read(accounts) = &seen.entities else { panic!("{seen:?}") };
        accounts.iter().map(|account| format!("{} {}", account.role.unwrap(), account.hint.label())).collect()
    }

    /// The seconds of its rows, the oldest first.
    fn seconds(seen: &Sighting) -> Vec<i64> {
        seen.rows.iter().map(|row| happened(row).unwrap().ticks() / 10_000_000).collect()
    }

    #[test]
    fn of_more_accounts_than_anybody_acts_on_the_first_and_their_number_are_kept() {
        let named = |n: usize| (0..n).map(|n| account("", &format!("u{n}@c.d"), Role::Suspect)).collect::<Vec<_>>();
        let most = usize::from(MOST_ACCOUNTS);
        assert_eq!(Entities::of(named(most)), Entities::Read(named(most)));
        assert_eq!(Entities::of(named(most + 1)), Entities::Crowd { found: most + 1, first: named(OF_CROWD) });
        let rows: Vec<Sighting> = named(most + 5).into_iter().map(|who| seen(1, "", vec![who])).collect();
        assert!(matches!(united(&rows).0.entities, Entities::Crowd { found, .. } if found == most + 1));
    }

    #[test]
    fn one_sid_with_several_upns_is_one_account() {
        let rows: Vec<Sighting> =
            (0..7).map(|n| seen(n, "", vec![account(SID, &format!("u{n}@c.d"), Role::Suspect)])).collect();
        assert_eq!(accounts(&united(&rows).0), ["suspect u0@c.d"]);
        let more = [
            seen(0, "", vec![account(SID, "u@c.d", Role::Target)]),
            seen(1, "", vec![account("", "u@c.d", Role::Target)]),
        ];
        assert_eq!(accounts(&united(&more).0), ["target u@c.d"], "what a row says less is no other account");
    }

    #[test]
    fn a_row_with_exchanged_roles_takes_no_role_back() {
        let row = |second, suspect, target| {
            seen(second, "", vec![account("", suspect, Role::Suspect), account("", target, Role::Target)])
        };
        let (both, _) = united(&[row(1, "a@c.d", "b@c.d"), row(2, "b@c.d", "a@c.d")]);
        assert_eq!(accounts(&both), ["suspect a@c.d", "target b@c.d", "suspect b@c.d", "target a@c.d"]);
    }

    #[test]
    fn of_too_many_rows_the_oldest_and_the_newest_are_kept_and_the_others_are_counted() {
        let rows: Vec<Sighting> = (0..131).map(|n| seen(n, "", Vec::new())).collect();
        let (all, dropped) = united(&rows);
        assert_eq!(seconds(&all), (0..50).chain(80..130).collect::<Vec<_>>());
        assert_eq!(dropped, 30);
        let (again, _) = all.clone().united(rows.into_iter().rev());
        assert_eq!(again, all, "the same rows again change nothing");
    }

    #[test]
    fn a_row_that_does_not_fit_leaves_its_neighbours_where_they_are() {
        let huge = "x".repeat(70_000);
        let rows =
            [seen(1, "", Vec::new()), seen(2, &huge, Vec::new()), seen(3, "", Vec::new()), seen(4, "", Vec::new())];
        let (all, dropped) = united(&rows);
        assert_eq!((seconds(&all), dropped), (vec![1, 3], 1));
    }

    #[test]
    fn of_rows_at_one_time_it_is_always_the_same_that_speaks() {
        let (one, other) = (seen(1, "a", Vec::new()), seen(1, "b", Vec::new()));
        assert_eq!(united(&[one.clone(), other.clone()]), united(&[other, one]));
    }
}
