//! The settings of the guardrails.

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use serde::Serialize;
use uuid::Uuid;

use super::print;
use super::read::{Item, Table};
use crate::model::account::{OktaId, Sid, Upn};
use crate::model::alert::MOST_ACCOUNTS;

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// `[guardrails]`.
#[derive(Debug, Clone, Serialize)]
pub struct Guardrails {
    /// Never touched: these accounts, all accounts of these people, and the members of these groups, nested ones too.
    pub break_glass: Vec<ProtectedEntry>,
    /// Asked about, besides the groups and roles that are privileged everywhere.
    pub privileged: Vec<ProtectedEntry>,
    /// The object ids of the group or people who may approve.
    pub approvers: Vec<Uuid>,
    /// What becomes of an alert that Graph does not know.
    pub unwitnessed: Unwitnessed,
    /// An alert older than this is not acted on.
    #[serde(serialize_with = "print::duration")]
    pub max_age: Duration,
    /// An alert that names more accounts is withheld whole.
    pub max_accounts_per_alert: u32,
    /// How long an account is left alone after one of our actions of the same intent.
    #[serde(serialize_with = "print::duration")]
    pub cooldown: Duration,
    /// How long a question for approval stands.
    #[serde(serialize_with = "print::duration")]
    pub approval_ttl: Duration,
    /// NetBIOS domain, upper case, to DNS domain, lower case: how `CONTOSO\adele` is found.
    pub forests: BTreeMap<String, String>,
    /// How much may be done.
    pub limits: Limits,
}

/// What rules are checked by of the guardrails; none of it where it could not be read.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RuleRails {
    /// Nobody is listed who is never touched.
    pub break_glass_empty: Option<bool>,
    /// Actions within any hour.
    pub per_hour: Option<u32>,
    /// Actions within any day.
    pub per_day: Option<u32>,
    /// What becomes of an alert that Graph does not know.
    pub unwitnessed: Option<Unwitnessed>,
}

/// Who stands on a list of protected accounts: an account, or a group by one of the strong ids.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize)]
#[serde(untagged)]
pub enum ProtectedEntry {
    /// A user principal name.
    Upn(Upn),
    /// An account or group of Active Directory.
    Sid(Sid),
    /// A user, group or role of Entra by its object id.
    Entra(Uuid),
    /// A user (`00u...`) or group (`00g...`) of Okta.
    Okta(OktaId),
}

/// What becomes of an alert from Log Analytics that Graph does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Unwitnessed {
    /// It is withheld: whoever can write a row could have forged it.
    Withhold,
    /// It is acted on, and each time that is journalled.
    Allow,
}

/// `[guardrails.limits]`: shared by everything; a rule's own limits may only be lower.
#[derive(Debug, Clone, Serialize)]
pub struct Limits {
    /// Actions within any hour.
    pub per_hour: u32,
    /// Actions within any day.
    pub per_day: u32,
    /// How many of them are kept for alerts of High severity.
    pub high_reserve: u32,
    /// From when a detector is taken to be wrong or abused.
    pub burst: Burst,
}

/// `burst = { accounts = 15, window = "10m" }`: more accounts than that for one detector make its rules ask; those of one person count once.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Burst {
    /// Accounts.
    pub accounts: u32,
    /// Within this time.
    #[serde(serialize_with = "print::duration")]
    pub window: Duration,
}

impl FromStr for ProtectedEntry {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = "is neither a UPN, a SID, an Entra object id nor an Okta id; a name could be anybody's";
        if text.contains('@') {
            return text.parse().map(Self::Upn).map_err(|_| "is not a user principal name such as adele@contoso.com");
        }
        if text.get(..2).is_some_and(|start| start.eq_ignore_ascii_case("s-")) {
            return text.parse().map(Self::Sid).map_err(|_| "is not a SID such as S-1-5-21-1-2-3-1104");
        }
        if let Ok(id) = Uuid::parse_str(text) {
            return Ok(Self::Entra(id));
        }
        if text.starts_with("00") && text.len() == 20 {
            return text.parse().map(Self::Okta).map_err(|_| wrong);
        }
        Err(wrong)
    }
}

impl fmt::Display for ProtectedEntry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Upn(upn) => upn.fmt(f),
            Self::Sid(sid) => sid.fmt(f),
            Self::Entra(id) => id.fmt(f),
            Self::Okta(id) => id.fmt(f),
        }
    }
}

impl Guardrails {
    /// What rules are checked by.
    pub(super) fn for_rules(&self) -> RuleRails {
        RuleRails {
            break_glass_empty: Some(self.break_glass.is_empty()),
            per_hour: Some(self.limits.per_hour),
            per_day: Some(self.limits.per_day),
            unwitnessed: Some(self.unwitnessed),
        }
    }

    /// The guardrails, and what can be trusted of them also where something else in the section is wrong.
    pub(super) fn read(mut table: Table<'_>) -> (Self, RuleRails) {
        let (reading, lost) = (table.reading(), table.is_lost());
        let protected = |item| each(item).into_iter().filter_map(|item| item.parse(str::parse)).collect();
        let (break_glass, listed) = reading.soundly(|| protected(table.take("break_glass")));
        let (unwitnessed, told) = reading.soundly(|| {
            let words = [("withhold", Unwitnessed::Withhold), ("allow", Unwitnessed::Allow)];
            table.word("unwitnessed", Unwitnessed::Withhold, &words)
        });
        let (limits, limited) = reading.soundly(|| Limits::read(table.section("limits")));
        let read = Self {
            break_glass,
            privileged: protected(table.take("privileged")),
            approvers: each(table.take("approvers")).into_iter().filter_map(Item::uuid).collect(),
            unwitnessed,
            max_age: table.duration("max_age", DAY, SECOND..=30 * DAY),
            max_accounts_per_alert: table.number("max_accounts_per_alert", 5, 1..=u32::from(MOST_ACCOUNTS)),
            cooldown: table.duration("cooldown", HOUR, Duration::ZERO..=30 * DAY),
            approval_ttl: table.duration("approval_ttl", 4 * HOUR, SECOND..=30 * DAY),
            forests: forests(table.section("forests")),
            limits,
        };
        table.end();
        let all = read.for_rules();
        let known = RuleRails {
            break_glass_empty: all.break_glass_empty.filter(|_| listed),
            per_hour: all.per_hour.filter(|_| limited),
            per_day: all.per_day.filter(|_| limited),
            unwitnessed: all.unwitnessed.filter(|_| told),
        };
        (read, if lost { RuleRails::default() } else { known })
    }
}

fn each(item: Option<Item<'_>>) -> Vec<Item<'_>> {
    item.map(Item::items).unwrap_or_default()
}

fn forests(mut table: Table<'_>) -> BTreeMap<String, String> {
    let each = table.entries().into_iter().filter_map(|(netbios, item)| {
        let (reading, origin, name) = (item.reading(), item.origin().at_key(), item.name());
        let domain = item.parse(dns_domain)?;
        let fits = netbios.chars().count() <= 15
            && netbios.chars().all(|c| c.is_alphanumeric() || "-_!@#$%^&()'{}~".contains(c));
        if !fits {
            let help = Some("such as CONTOSO = \"contoso.com\"");
            reading.error("settings/wrong-value", &origin, format!("{name}: the key is no NetBIOS domain name"), help);
        }
        fits.then(|| (netbios.to_uppercase(), domain))
    });
    each.collect()
}

fn dns_domain(text: &str) -> Result<String, &'static str> {
    let label = |label: &str| {
        !label.is_empty() && label.len() <= 63 && label.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '_')
    };
    let fits = text.len() <= 253 && text.contains('.') && text.split('.').all(label);
    if fits { Ok(text.to_lowercase()) } else { Err("is not a DNS domain such as contoso.com") }
}

impl Limits {
    fn read(mut table: Table<'_>) -> Self {
        let (reading, at) = (table.reading(), table.origin().clone());
        let per_hour = table.number("per_hour", 20, 1..=1_000_000);
        let per_day = table.number("per_day", 100.max(per_hour), 1..=1_000_000);
        let high_reserve = table.number("high_reserve", 5.min(per_hour - 1), 0..=1_000_000);
        let mut burst = table.section("burst");
        let read = Burst {
            accounts: burst.number("accounts", 15, 1..=1_000_000),
            window: burst.duration("window", Duration::from_secs(600), SECOND..=DAY),
        };
        burst.end();
        table.end();
        if per_day < per_hour {
            let message =
                format!("guardrails.limits.per_day ({per_day}) is less than guardrails.limits.per_hour ({per_hour})");
            reading.error("settings/contradiction", &at, message, Some("raise per_day or lower per_hour"));
        }
        if high_reserve >= per_hour {
            let message = format!(
                "guardrails.limits.high_reserve ({high_reserve}) leaves nothing of guardrails.limits.per_hour ({per_hour})"
            );
            let help = Some("the reserve is a part of per_hour that is kept for High severity: make it smaller");
            reading.error("settings/contradiction", &at, message, help);
        }
        Self { per_hour, per_day, high_reserve, burst: read }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn protected_entries_are_told_apart_by_their_shape() {
        let read = |text: &str| text.parse::<ProtectedEntry>();
        assert!(matches!(read("BG1@contoso.com"), Ok(ProtectedEntry::Upn(_))));
        assert!(matches!(read("s-1-5-21-1-2-3-512"), Ok(ProtectedEntry::Sid(_))));
        assert!(matches!(read("11111111-2222-3333-4444-555555555555"), Ok(ProtectedEntry::Entra(_))));
        assert!(matches!(read("00ub0oNGTSWTBKOLGLNR"), Ok(ProtectedEntry::Okta(_))));
        for text in ["Domain Admins", "administrator", "a@", "S-1-x", "00u"] {
            assert!(read(text).is_err(), "{text}");
        }
    }
}
