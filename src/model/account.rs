//! Accounts: how an alert names one, and the strong ids by which we act on one.

use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};
use uuid::Uuid;

/// An account by its canonical strong id, one variant per directory. A SID carries the identity of
/// its domain, so no forest name stands beside it: a name learned late would change the id.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AccountRef {
    /// An Active Directory account by objectSid.
    Ad(Sid),
    /// An Entra user by object id.
    Entra(Uuid),
    /// An Okta user by org (the name from the settings) and user id.
    Okta {
        /// The org's name in the settings.
        org: String,
        /// The user's id, `00u...`.
        id: OktaId,
    },
}

/// The directories in which a person can have accounts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Directory {
    /// Active Directory.
    ActiveDirectory,
    /// Entra ID.
    Entra,
    /// Okta.
    Okta,
}

impl AccountRef {
    /// The directory that holds the account.
    #[must_use]
    pub const fn directory(&self) -> Directory {
        match self {
            Self::Ad(_) => Directory::ActiveDirectory,
            Self::Entra(_) => Directory::Entra,
            Self::Okta { .. } => Directory::Okta,
        }
    }
}

impl fmt::Display for AccountRef {
    /// `ad:S-1-5-21-...`, `entra:GUID`, `okta:ORG/ID`: the text used in keys.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ad(sid) => write!(f, "ad:{sid}"),
            Self::Entra(id) => write!(f, "entra:{id}"),
            Self::Okta { org, id } => write!(f, "okta:{org}/{id}"),
        }
    }
}

impl fmt::Display for Directory {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ActiveDirectory => "Active Directory",
            Self::Entra => "Entra",
            Self::Okta => "Okta",
        })
    }
}

/// The text has not the shape of the identifier it is meant to be.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{text:?} is not {wanted}")]
pub struct NotAnIdentifier {
    text: String,
    wanted: &'static str,
}

impl NotAnIdentifier {
    fn new(text: &str, wanted: &'static str) -> Self {
        Self { text: super::text::clip(text, 80), wanted }
    }
}

/// A security identifier in its string form, `S-1-5-21-...` (MS-DTYP 2.4.2.1), upper case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Sid(String);

impl Sid {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Belongs to a domain (`S-1-5-21-a-b-c-rid`); well-known and built-in SIDs do not.
    #[must_use]
    pub fn is_domain_account(&self) -> bool {
        self.0.starts_with("S-1-5-21-") && self.0.matches('-').count() == 7
    }

    /// Given by Windows itself, to nobody of a directory: SYSTEM, services, built-in groups, everyone (MS-DTYP 2.4.2.4).
    /// Those of Entra (`S-1-12-1-...`) are not.
    #[must_use]
    pub fn is_of_windows(&self) -> bool {
        let own = ["S-1-0-", "S-1-1-", "S-1-2-", "S-1-3-", "S-1-5-"].iter().any(|start| self.0.starts_with(start));
        own && !self.0.starts_with("S-1-5-21-")
    }

    /// The object id that a SID of Entra is made of, `S-1-12-1-a-b-c-d`: its parts are the sixteen bytes of the id, four by
    /// four, each with the lowest byte first (as `IdentityInfo` pairs `AccountCloudSID` and `AccountObjectId`).
    #[must_use]
    pub fn entra_object(&self) -> Option<Uuid> {
        let parts: Option<Vec<u32>> =
            self.0.strip_prefix("S-1-12-1-")?.split('-').map(|part| part.parse().ok()).collect();
        let parts = parts.filter(|parts| parts.len() == 4)?;
        let bytes: Vec<u8> = parts.into_iter().flat_map(u32::to_le_bytes).collect();
        Some(Uuid::from_bytes_le(bytes.try_into().ok()?))
    }

    /// The last part, which names the account inside its domain.
    #[must_use]
    pub fn rid(&self) -> Option<u32> {
        self.0.rsplit('-').next()?.parse().ok()
    }

    /// All but the last part: the identity of the domain.
    #[must_use]
    pub fn domain(&self) -> &str {
        self.0.rsplit_once('-').map_or("", |(domain, _)| domain)
    }
}

impl FromStr for Sid {
    type Err = NotAnIdentifier;
    fn from_str(text: &str) -> Result<Self, NotAnIdentifier> {
        let wrong = || NotAnIdentifier::new(text, "a SID such as S-1-5-21-1-2-3-1104");
        let upper = text.trim().to_ascii_uppercase();
        let rest = upper.strip_prefix("S-1-").ok_or_else(wrong)?;
        let parts: Vec<&str> = rest.split('-').collect();
        let numeric = |part: &&str| {
            !part.is_empty()
                && part.len() <= 15
                && part.bytes().all(|b| b.is_ascii_digit())
                && (*part == "0" || !part.starts_with('0'))
        };
        let small = |part: &&str| part.parse::<u32>().is_ok();
        if !(2..=16).contains(&parts.len()) || !parts.iter().all(numeric) || !parts[1..].iter().all(small) {
            return Err(wrong());
        }
        Ok(Self(upper))
    }
}

/// A user principal name. Compared without regard to case; kept lower-case.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Upn(String);

impl Upn {
    /// As text, lower-case.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The part before `@`.
    #[must_use]
    pub fn name(&self) -> &str {
        self.0.split_once('@').map_or("", |(name, _)| name)
    }
}

impl FromStr for Upn {
    type Err = NotAnIdentifier;
    fn from_str(text: &str) -> Result<Self, NotAnIdentifier> {
        let wrong = || NotAnIdentifier::new(text, "a user principal name such as adele@contoso.com");
        let (name, domain) = text.split_once('@').ok_or_else(wrong)?;
        let name_fits = !name.is_empty()
            && name.chars().all(|c| !c.is_control() && !c.is_whitespace() && !"\"/\\[]:;|=,+*?<>()".contains(c));
        let domain_fits = domain.contains('.') | !domain.is_empty()
            && domain.chars().all(|c| c.is_alphanumeric() || c == '.' || c == '-')
            && !domain.starts_with('.')
            && !domain.ends_with('.');
        if text.chars().count() > 256 || !name_fits || !domain_fits {
            return Err(wrong());
        }
        Ok(Self(text.to_lowercase()))
    }
}

/// An Okta object id: letters and digits, as Okta's API documents them (`00ub0oNGTSWTBKOLGLNR`).
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct OktaId(String);

impl OktaId {
    /// As text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for OktaId {
    type Err = NotAnIdentifier;
    fn from_str(text: &str) -> Result<Self, NotAnIdentifier> {
        if text.is_empty()
            || text.len() > 64
            || !text.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_' || b == b'-')
        {
            return Err(NotAnIdentifier::new(text, "an Okta id such as 00ub0oNGTSWTBKOLGLNR"));
        }
        Ok(Self(text.to_owned()))
    }
}

macro_rules! text_identifier {
    ($($kind:ident),*) => { $(
        impl fmt::Display for $kind {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&self.0)
            }
        }
        impl TryFrom<String> for $kind {
            type Error = NotAnIdentifier;
            fn try_from(text: String) -> Result<Self, NotAnIdentifier> {
                text.parse()
            }
        }
        impl From<$kind> for String {
            fn from(value: $kind) -> Self {
                value.0
            }
        }
    )* };
}
text_identifier!(Sid, Upn, OktaId);

/// What an account is to the alert that names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Role {
    /// It did what the alert is about.
    Suspect,
    /// It had it done to it.
    Target,
    /// A honeytoken: made to be touched.
    Bait,
    /// Nothing says; nobody is acted on.
    Unknown,
}

impl fmt::Display for Role {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Suspect => "suspect",
            Self::Target => "target",
            Self::Bait => "bait",
            Self::Unknown => "unknown",
        })
    }
}

/// An account as an alert names it: every identifier it came with, none of them believed yet.
#[derive(Debug, Clone, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub struct AccountHint {
    /// objectSid.
    pub sid: Option<Sid>,
    /// Entra object id (`AadUserId`).
    pub entra_id: Option<Uuid>,
    /// Active Directory objectGUID.
    pub object_guid: Option<Uuid>,
    /// UPN, given as one or made of `Name` and `UPNSuffix`.
    pub upn: Option<Upn>,
    /// Okta user id, from triggers and Okta detections.
    pub okta_id: Option<OktaId>,
    /// sAMAccountName, without a domain. Weak alone.
    pub name: Option<String>,
    /// NetBIOS domain.
    pub nt_domain: Option<String>,
    /// DNS domain.
    pub dns_domain: Option<String>,
    /// What people call it; never used to find it.
    pub display_name: Option<String>,
    /// It lives on one host only (a local account): never acted on in a directory.
    pub local: bool,
}

impl AccountHint {
    /// Whether one of the documented strong identifiers is there (Sentinel entities reference:
    /// SID not built-in, Entra id, objectGUID, UPN, name with domain).
    #[must_use]
    pub fn is_strong(&self) -> bool {
        self.sid.as_ref().is_some_and(Sid::is_domain_account)
            || self.entra_id.is_some()
            || self.object_guid.is_some()
            || self.okta_id.is_some()
            || self.upn.is_some()
            || (self.name.is_some() && (self.nt_domain.is_some() || self.dns_domain.is_some()))
    }

    /// The words a person would use for it.
    #[must_use]
    pub fn label(&self) -> String {
        let domain = self.nt_domain.as_deref().or(self.dns_domain.as_deref());
        let text = match (&self.upn, &self.name, domain, &self.sid, &self.entra_id) {
            (Some(upn), ..) => upn.to_string(),
            (None, Some(name), Some(domain), ..) => format!("{domain}\\{name}"),
            (None, Some(name), None, ..) => name.clone(),
            (None, None, _, Some(sid), _) => sid.to_string(),
            (None, None, _, None, Some(id)) => id.to_string(),
            (None, None, _, None, None) => "an account without identifiers".to_owned(),
        };
        super::text::clip(&text, 120)
    }

    /// Whether both name the same account by at least one strong identifier and contradict each
    /// other in none.
    #[must_use]
    pub fn same_account(&self, other: &Self) -> bool {
        fn agree<T: PartialEq>(a: Option<&T>, b: Option<&T>) -> Option<bool> {
            Some(a? == b?)
        }
        let by_name = || {
            let (name, other_name) = (self.name.as_ref()?, other.name.as_ref()?);
            let (domain, other_domain) = (self.nt_domain.as_ref()?, other.nt_domain.as_ref()?);
            Some(name.eq_ignore_ascii_case(other_name) && domain.eq_ignore_ascii_case(other_domain))
        };
        let answers = [
            agree(self.sid.as_ref(), other.sid.as_ref()),
            agree(self.entra_id.as_ref(), other.entra_id.as_ref()),
            agree(self.object_guid.as_ref(), other.object_guid.as_ref()),
            agree(self.okta_id.as_ref(), other.okta_id.as_ref()),
            agree(self.upn.as_ref(), other.upn.as_ref()),
            by_name(),
        ];
        answers.contains(&Some(true)) && !answers.contains(&Some(false))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sids_are_read_exactly() {
        let sid: Sid = "s-1-5-21-1-2-3-1104".parse().unwrap();
        assert_eq!((sid.as_str(), sid.rid(), sid.domain()), ("S-1-5-21-1-2-3-1104", Some(1104), "S-1-5-21-1-2-3"));
        assert!(sid.is_domain_account());
        assert!(!"S-1-5-18".parse::<Sid>().unwrap().is_domain_account());
        for text in ["", "S-1-5", "S-1-5-21-1-2-3-1104)(x=*", "S-1-5-21-1-2-3-99999999999", "S-1-5-21--3", "S-1-5-01"] {
            assert!(text.parse::<Sid>().is_err(), "{text}");
        }
    }

    #[test]
    fn upns_with_characters_that_could_leave_a_query_are_refused() {
        assert_eq!("Adele.O'Brien@Contoso.com".parse::<Upn>().unwrap().as_str(), "adele.o'brien@contoso.com");
        for text in
            ["adele", "a@b@c", "a b@c.d", "*@c.d", "a)(objectClass=*@c.d", "../a@c.d", "a@", "@c.d", "a@.d", "a\"@c.d"]
        {
            assert!(text.parse::<Upn>().is_err(), "{text}");
        }
    }

    #[test]
    fn a_bare_name_is_weak_and_a_name_with_its_domain_is_not() {
        let mut hint = AccountHint { name: Some("adele".into()), ..AccountHint::default() };
        assert!(!hint.is_strong());
        hint.nt_domain = Some("CONTOSO".into());
        assert!(hint.is_strong());
        let builtin = AccountHint { sid: Some("S-1-5-32-544".parse().unwrap()), ..AccountHint::default() };
        assert!(!builtin.is_strong());
    }

    #[test]
    fn hints_that_contradict_each_other_are_not_the_same_account() {
        let a =
            AccountHint { upn: "a@c.d".parse().ok(), sid: "S-1-5-21-1-2-3-5".parse().ok(), ..AccountHint::default() };
        let b =
            AccountHint { upn: "a@c.d".parse().ok(), sid: "S-1-5-21-1-2-3-6".parse().ok(), ..AccountHint::default() };
        assert!(a.same_account(&a.clone()));
        assert!(!a.same_account(&b));
        assert!(!a.same_account(&AccountHint::default()));
    }
}
