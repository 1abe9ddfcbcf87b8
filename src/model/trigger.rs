//! Triggers: queries of our own whose rows become alerts.

use std::time::Duration;

use super::account::Role;
use super::alert::Severity;
use super::time::At;

/// Columns that say when a row happened, the most telling first.
///
/// Source: Azure Monitor tables reference (`TimeGenerated`) and the schema of advanced hunting (`Timestamp`).
pub const TIMES: [&str; 5] = ["TimeGenerated", "Timestamp", "EndTime", "StartTime", "FirstSeen"];

/// A query that is run on a schedule; each row it returns is an alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Trigger {
    /// Its name: small letters, digits and hyphens.
    pub name: String,
    /// What its alerts are called.
    pub title: String,
    /// The query as it is sent: the text as its author wrote it.
    pub query: String,
    /// Who runs it.
    pub engine: Engine,
    /// How often it runs.
    pub every: Duration,
    /// How far back each run looks; at least `every`.
    pub lookback: Duration,
    /// How far back it finds something, where the query itself looks less far; at most the lookback.
    pub sees: Duration,
    /// The severity of its alerts.
    pub severity: Severity,
    /// MITRE ATT&CK tactics, as `SecurityAlert.Tactics` spells them.
    pub tactics: Vec<String>,
    /// Which columns name an account.
    pub accounts: Vec<AccountMapping>,
    /// Which rows are one alert.
    pub same: Same,
    /// How many rows a run must have for any of them to count.
    pub threshold: Threshold,
    /// Its rows come from whoever runs it. One that reads rows of alerts says again what anybody can forge.
    pub witnessed: bool,
}

/// Who runs a query.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Engine {
    /// The Log Analytics query API of a workspace.
    LogAnalytics,
    /// Advanced hunting, through Graph's `runHuntingQuery`.
    Hunting,
}

/// The columns of a row that name one account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AccountMapping {
    /// What the account is to the alert.
    pub role: Role,
    /// What of the account, and the column that holds it.
    pub identifiers: Vec<(Identifier, String)>,
}

/// What a column can say of an account.
///
/// Source: Microsoft Sentinel entity types reference, "Account"; `Upn` and `OktaId` are ours.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identifier {
    /// objectSid.
    Sid,
    /// Entra object id.
    AadUserId,
    /// objectGUID.
    ObjectGuid,
    /// sAMAccountName, or the part of a UPN before `@`.
    Name,
    /// `DOMAIN\name` or a UPN.
    FullName,
    /// The part of a UPN behind `@`.
    UpnSuffix,
    /// NetBIOS domain.
    NtDomain,
    /// DNS domain.
    DnsDomain,
    /// What people call it; never used to find it.
    DisplayName,
    /// A whole UPN.
    Upn,
    /// Okta user id.
    OktaId,
}

/// Which rows of a trigger are one alert: those of one stretch of time that name the same accounts, or have the same
/// value in a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Same {
    /// Time is cut into stretches of this length.
    pub within: Duration,
    /// The column; `None` where the accounts say it.
    pub by: Option<String>,
}

/// How many rows a run must have for any of them to count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Threshold {
    /// How the number of rows is compared.
    pub than: Comparison,
    /// With what.
    pub rows: u64,
}

/// How two numbers are compared (Microsoft Sentinel, scheduled analytics rules, `triggerOperator`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Comparison {
    /// `gt`
    More,
    /// `lt`
    Fewer,
    /// `eq`
    Equal,
    /// `ne`
    NotEqual,
}

impl Trigger {
    /// How rules name it, and the detector of its alerts.
    #[must_use]
    pub fn id(&self) -> String {
        format!("kql/{}", self.name)
    }

    /// When it runs.
    #[must_use]
    pub fn schedule(&self) -> Schedule {
        // FNV-1a: the same on every machine and in every version.
        let hash = self
            .name
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        let seconds = hash % self.every.as_secs().max(1);
        Schedule { every: self.every, offset: Duration::from_secs(seconds), lookback: self.lookback, sees: self.sees }
    }
}

/// When a query is run: at fixed moments, so that a run that comes late moves none of those after it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Schedule {
    /// How often.
    pub every: Duration,
    /// How long after the full turn, so that not all queries of a tenant run in the same second.
    pub offset: Duration,
    /// How far back each run looks.
    pub lookback: Duration,
    /// How far back it finds something; at most the lookback.
    pub sees: Duration,
}

impl Schedule {
    /// The first moment after this one at which it is run. Moments that have passed are not made up for one by one.
    #[must_use]
    pub fn next(&self, after: At) -> At {
        let ticks = |time: Duration| i64::try_from(time.as_nanos() / 100).unwrap_or(i64::MAX);
        let (every, offset) = (ticks(self.every).max(1), ticks(self.offset));
        let turns = (after.ticks() - offset).div_euclid(every) + 1;
        At::from_ticks(turns.saturating_mul(every).saturating_add(offset))
    }
}

impl AccountMapping {
    /// Whether its identifiers can be enough to say who is meant.
    #[must_use]
    pub fn is_strong(&self) -> bool {
        use Identifier::{AadUserId, DnsDomain, FullName, Name, NtDomain, ObjectGuid, OktaId, Sid, Upn, UpnSuffix};
        let has = |wanted: &[Identifier]| self.identifiers.iter().any(|(identifier, _)| wanted.contains(identifier));
        has(&[Sid, AadUserId, ObjectGuid, Upn, OktaId, FullName])
            || has(&[Name]) && has(&[UpnSuffix, NtDomain, DnsDomain])
    }
}

impl Identifier {
    /// Every identifier.
    pub const ALL: [Self; 11] = [
        Self::Sid,
        Self::AadUserId,
        Self::ObjectGuid,
        Self::Name,
        Self::FullName,
        Self::UpnSuffix,
        Self::NtDomain,
        Self::DnsDomain,
        Self::DisplayName,
        Self::Upn,
        Self::OktaId,
    ];

    /// As Sentinel spells it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Sid => "Sid",
            Self::AadUserId => "AadUserId",
            Self::ObjectGuid => "ObjectGuid",
            Self::Name => "Name",
            Self::FullName => "FullName",
            Self::UpnSuffix => "UPNSuffix",
            Self::NtDomain => "NTDomain",
            Self::DnsDomain => "DnsDomain",
            Self::DisplayName => "DisplayName",
            Self::Upn => "Upn",
            Self::OktaId => "OktaId",
        }
    }

    /// The identifier of that name, in any case.
    #[must_use]
    pub fn read(word: &str) -> Option<Self> {
        if word.eq_ignore_ascii_case("UserPrincipalName") {
            return Some(Self::Upn);
        }
        Self::ALL.into_iter().find(|known| known.word().eq_ignore_ascii_case(word))
    }
}

impl Threshold {
    /// One row is enough.
    pub const ANY: Self = Self { than: Comparison::More, rows: 0 };

    /// Whether that many rows count. How many there are is not known of an answer that was cut off, only that there are
    /// at least as many as came.
    #[must_use]
    pub const fn is_met(self, rows: u64, partial: bool) -> bool {
        match self.than {
            Comparison::More => rows > self.rows,
            Comparison::Fewer => !partial && rows < self.rows,
            Comparison::Equal => !partial && rows == self.rows,
            Comparison::NotEqual => !partial && rows != self.rows,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_threshold_compares_as_sentinel_does() {
        let met = |than, rows, n| Threshold { than, rows }.is_met(n, false);
        assert!(Threshold::ANY.is_met(1, false) && !Threshold::ANY.is_met(0, false));
        assert!(met(Comparison::Fewer, 3, 2) && !met(Comparison::Fewer, 3, 3));
        assert!(met(Comparison::Equal, 3, 3) && !met(Comparison::Equal, 3, 2));
        assert!(met(Comparison::NotEqual, 3, 2) && !met(Comparison::NotEqual, 3, 3));
    }

    #[test]
    fn an_answer_that_was_cut_off_is_enough_only_where_more_rows_change_nothing() {
        let met = |than, rows, n| Threshold { than, rows }.is_met(n, true);
        assert!(met(Comparison::More, 3, 4) && !met(Comparison::More, 3, 3));
        let others = [(Comparison::Fewer, 2), (Comparison::Equal, 3), (Comparison::NotEqual, 4)];
        assert!(others.into_iter().all(|(than, came)| !met(than, 3, came)));
    }

    #[test]
    fn every_identifier_is_read_by_its_own_word_in_any_case() {
        for identifier in Identifier::ALL {
            assert_eq!(Identifier::read(&identifier.word().to_uppercase()), Some(identifier));
        }
        assert_eq!(Identifier::read("PUID"), None);
    }

    #[test]
    fn a_schedule_has_fixed_moments_whenever_it_is_asked() {
        let every = Duration::from_secs(300);
        let schedule = Schedule { every, offset: Duration::from_secs(40), lookback: every, sees: every };
        let next = |seconds| schedule.next(At::from_unix_seconds(seconds));
        assert_eq!(next(0), At::from_unix_seconds(40));
        assert_eq!(next(40), At::from_unix_seconds(340), "a moment is not its own next");
        assert_eq!(next(100_000), At::from_unix_seconds(100_240), "what was missed is one run");
    }

    #[test]
    fn a_name_alone_is_weak() {
        let mapping = |identifiers: &[Identifier]| AccountMapping {
            role: Role::Suspect,
            identifiers: identifiers.iter().map(|identifier| (*identifier, "C".to_owned())).collect(),
        };
        assert!(!mapping(&[Identifier::Name, Identifier::DisplayName]).is_strong());
        assert!(mapping(&[Identifier::Name, Identifier::NtDomain]).is_strong());
        assert!(mapping(&[Identifier::Sid]).is_strong());
    }
}
