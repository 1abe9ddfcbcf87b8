//! Who accounts are, as a person tells it: from a file, or by facts to suppose.

use std::collections::{BTreeMap, BTreeSet};

use serde::Deserialize;
use uuid::Uuid;

use crate::cli::args::GivenFact;
use crate::model::account::{AccountHint, AccountRef, OktaId, Sid, Upn};
use crate::model::failure::Provider;
use crate::model::person::{Found, Linked, LookupKey, Membership, Memberships, Person};
use crate::model::reason::Reason;
use crate::playbook::GivenAccount;
use crate::respond::people::{Candidate, further, join};

/// The SID of a domain that does not exist, for supposed accounts.
const SUPPOSED_DOMAIN: &str = "S-1-5-21-1-1-1";
/// RID of Domain Admins.
const DOMAIN_ADMINS: u32 = 512;

/// A person as a file describes them.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::cli) struct Sketch {
    sid: Option<Sid>,
    entra_id: Option<Uuid>,
    okta_id: Option<OktaId>,
    upn: Option<Upn>,
    name: Option<String>,
    domain: Option<String>,
    display_name: Option<String>,
    department: Option<String>,
    enabled: Option<bool>,
    synced: Option<bool>,
    guest: bool,
    groups: Vec<String>,
    roles: Vec<String>,
}

/// Who an account is: somebody of the file, else somebody with the supposed facts, else nobody knows. `questions` are what
/// the daemon would ask the directories, strongest first; the file answers them, and the daemon's own rules join who is found.
///
/// # Errors
/// Nobody, several that fit, or identifiers that contradict each other.
pub(in crate::cli) fn person(
    hint: &AccountHint,
    questions: &[LookupKey],
    people: &[Sketch],
    given: &[GivenFact],
    forests: &BTreeMap<String, String>,
) -> Result<Person, Reason> {
    let named = |key| answers(people, key, "named by the alert");
    let Some(mut candidates) = questions.iter().map(named).find(|found| !found.is_empty()) else {
        let supposed = (!given.is_empty()).then(|| Sketch::supposed(hint, &facts(hint, given)).into_person());
        return supposed.ok_or(Reason::AccountUnknown);
    };
    let found: Vec<Found> = candidates.iter().map(|candidate| candidate.found.clone()).collect();
    for (key, evidence) in further(&found) {
        // A name joins Okta, which knows no SIDs; for the others it proves nothing.
        let joins =
            |found: &Found| !matches!(key, LookupKey::Upn(_)) || matches!(found.account, AccountRef::Okta { .. });
        candidates.extend(answers(people, &key, &evidence).into_iter().filter(|candidate| joins(&candidate.found)));
    }
    let mut person = join(hint, candidates, forests)?;
    let theirs = |sketch: &&Sketch| {
        let accounts: Vec<AccountRef> = sketch.founds().map(|found| found.account).collect();
        person.accounts.iter().any(|linked| accounts.contains(&linked.found.account))
    };
    let all = people.iter().filter(theirs).flat_map(|sketch| memberships(&sketch.groups, &sketch.roles)).collect();
    person.memberships = Memberships::Read(all);
    Ok(person)
}

/// The accounts of everybody in the file who has such an identifier.
fn answers(people: &[Sketch], key: &LookupKey, evidence: &str) -> Vec<Candidate> {
    let fits = people.iter().filter(|sketch| sketch.has(key));
    fits.flat_map(Sketch::founds).map(|found| Candidate { found, evidence: evidence.to_owned() }).collect()
}

/// Somebody of whom this is supposed; `None` where they are in no directory. Ids the alert does not give are made up.
pub(in crate::cli) fn supposed(hint: &AccountHint, given: &GivenAccount) -> Option<Person> {
    (given.active_directory || given.entra || given.okta).then(|| Sketch::supposed(hint, given).into_person())
}

fn facts(hint: &AccountHint, given: &[GivenFact]) -> GivenAccount {
    let has = |fact| given.contains(&fact);
    let hybrid = has(GivenFact::Hybrid);
    let nowhere = !(hybrid || has(GivenFact::Ad) || has(GivenFact::Entra) || has(GivenFact::Okta));
    // Facts about somebody without a place suppose the account the alert itself names.
    GivenAccount {
        active_directory: hybrid || has(GivenFact::Ad) || nowhere && (hint.sid.is_some() || hint.entra_id.is_none()),
        entra: hybrid || has(GivenFact::Entra) || nowhere && hint.entra_id.is_some(),
        okta: has(GivenFact::Okta),
        hybrid,
        privileged: has(GivenFact::Privileged),
        disabled: has(GivenFact::Disabled),
        guest: has(GivenFact::Guest),
        domain: hint.dns_domain.clone().or_else(|| hint.nt_domain.clone()),
        display_name: hint.display_name.clone(),
        ..GivenAccount::default()
    }
}

impl Sketch {
    fn has(&self, key: &LookupKey) -> bool {
        match key {
            LookupKey::Sid(sid) => self.sid.as_ref() == Some(sid),
            LookupKey::EntraId(id) => self.entra_id == Some(*id),
            LookupKey::OktaId(id) => self.okta_id.as_ref() == Some(id),
            LookupKey::Upn(upn) => self.upn.as_ref() == Some(upn),
            // A file does not say of a domain whether that is its name in DNS.
            LookupKey::NameInDomain { .. } => false,
        }
    }

    /// Somebody who has what is supposed; ids the alert does not give are made up.
    fn supposed(hint: &AccountHint, given: &GivenAccount) -> Self {
        let made_up = Uuid::new_v5(&Uuid::NAMESPACE_OID, hint.label().as_bytes());
        let rid = 100_000 + made_up.as_u128() % 100_000;
        let sid = || hint.sid.clone().or_else(|| format!("{SUPPOSED_DOMAIN}-{rid}").parse().ok());
        let okta = || hint.okta_id.clone().or_else(|| format!("00u{}", made_up.simple()).parse().ok());
        let admins = given.privileged.then(|| format!("{SUPPOSED_DOMAIN}-{DOMAIN_ADMINS}"));
        Self {
            sid: given.active_directory.then(sid).flatten(),
            entra_id: given.entra.then(|| hint.entra_id.unwrap_or(made_up)),
            okta_id: given.okta.then(okta).flatten(),
            upn: hint.upn.clone(),
            name: sam_account_name(hint, given),
            domain: given.domain.clone(),
            display_name: given.display_name.clone(),
            department: given.department.clone(),
            enabled: Some(!given.disabled),
            synced: given.entra.then_some(given.hybrid),
            guest: given.guest,
            groups: admins.into_iter().collect(),
            roles: Vec::new(),
        }
    }

    fn into_person(self) -> Person {
        let linked = |found| Linked { found, evidence: "supposed".to_owned() };
        let accounts = self.founds().map(linked).collect();
        Person { accounts, memberships: Memberships::Read(memberships(&self.groups, &self.roles)) }
    }

    /// Each of their accounts, as its directory would describe it.
    fn founds(&self) -> impl Iterator<Item = Found> + '_ {
        let refs = [
            self.sid.clone().map(|sid| (AccountRef::Ad(sid), Provider::Defender)),
            self.entra_id.map(|id| (AccountRef::Entra(id), Provider::Entra)),
            self.okta_id.clone().map(|id| (AccountRef::Okta { org: "okta".to_owned(), id }, Provider::Okta)),
        ];
        let found = move |(account, by): (AccountRef, Provider)| Found {
            upn: self.upn.clone(),
            name: self.name.clone(),
            domain: self.domain.clone(),
            display_name: self.display_name.clone(),
            sid: self.sid.clone(),
            entra_id: self.entra_id,
            enabled: self.enabled,
            synced: self.synced,
            department: self.department.clone(),
            guest: self.guest,
            ..Found::bare(account, by)
        };
        refs.into_iter().flatten().map(found)
    }
}

/// Directories tell computers and service accounts by their names alone.
fn sam_account_name(hint: &AccountHint, given: &GivenAccount) -> Option<String> {
    let name = hint.name.clone().or_else(|| hint.upn.as_ref().map(|upn| upn.name().to_owned()))?;
    Some(match (given.computer, given.service_account) {
        (true, _) => format!("{}$", name.trim_end_matches('$')),
        (false, true) => format!("svc-{name}"),
        (false, false) => name,
    })
}

fn memberships(groups: &[String], roles: &[String]) -> BTreeSet<Membership> {
    let group = |text: &String| match (text.parse::<Sid>(), Uuid::parse_str(text)) {
        (Ok(sid), _) => Membership::AdGroup(sid),
        (Err(_), Ok(id)) => Membership::EntraGroup(id),
        (Err(_), Err(_)) if text.starts_with("00g") => Membership::OktaGroup(text.clone()),
        (Err(_), Err(_)) => Membership::AdGroupNamed(text.clone()),
    };
    let role = |text: &String| {
        Uuid::parse_str(text).map_or_else(|_| Membership::EntraRoleNamed(text.clone()), Membership::EntraRole)
    };
    groups.iter().map(group).chain(roles.iter().map(role)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::decide::case::facts as facts_of;
    use crate::model::account::{Directory, Role};
    use crate::respond::people::questions;

    fn who(hint: &AccountHint, people: &[Sketch], given: &[GivenFact]) -> Result<Person, Reason> {
        let questions = questions(hint, &BTreeMap::new()).unwrap_or_default();
        person(hint, &questions, people, given, &BTreeMap::new())
    }

    fn hint() -> AccountHint {
        AccountHint { upn: "adele@contoso.com".parse().ok(), ..AccountHint::default() }
    }

    #[test]
    fn nobody_is_known_unless_somebody_says_so() {
        assert!(who(&hint(), &[], &[]).is_err());
        let hybrid = who(&hint(), &[], &[GivenFact::Hybrid]).unwrap();
        assert!(hybrid.is_hybrid() && hybrid.account_in(Directory::Okta).is_none());
        let okta = who(&hint(), &[], &[GivenFact::Okta]).unwrap();
        assert!(okta.account_in(Directory::Okta).is_some() && okta.account_in(Directory::Entra).is_none());
    }

    #[test]
    fn decisions_see_what_is_supposed() {
        let settings = crate::cli::setup::settings_or_defaults(&crate::cli::args::Global::default()).unwrap().settings;
        let rails = crate::app::rails(&settings, false);
        let seen = |given: &GivenAccount| facts_of(&supposed(&hint(), given).unwrap(), Role::Suspect, &rails);
        let plain = GivenAccount { active_directory: true, ..GivenAccount::default() };
        let text = Some("x".to_owned());
        let all = GivenAccount {
            entra: true,
            okta: true,
            hybrid: true,
            privileged: true,
            disabled: true,
            service_account: true,
            guest: true,
            department: text.clone(),
            domain: text.clone(),
            display_name: text.clone(),
            ..plain.clone()
        };
        let (none, every) = (seen(&plain), seen(&all));
        assert_eq!((none.enabled, every.enabled), (Some(true), Some(false)));
        assert_eq!((none.synced, every.synced), (None, Some(true)));
        assert_eq!([none.department, none.domain, none.display_name], [None, None, None]);
        assert_eq!([every.department, every.domain, every.display_name], [text.clone(), text.clone(), text]);
        for (fact, none, every) in [
            ("privileged", none.privileged, every.privileged),
            ("hybrid", none.hybrid, every.hybrid),
            ("entra", none.has_entra, every.has_entra),
            ("okta", none.has_okta == Some(true), every.has_okta == Some(true)),
            ("service account", none.is_service_account, every.is_service_account),
            ("guest", none.guest, every.guest),
        ] {
            assert_eq!((none, every), (false, true), "{fact}");
        }
        assert!(seen(&GivenAccount { computer: true, ..plain }).is_computer);
        assert_eq!(supposed(&hint(), &GivenAccount::default()), None);
    }

    #[test]
    fn a_file_goes_before_what_is_supposed_and_is_matched_by_identifier_only() {
        let people: Vec<Sketch> = serde_json::from_str(
            r#"[{"name": "adele"}, {"upn": "adele@contoso.com", "sid": "S-1-5-21-9-9-9-1", "roles": ["Global Reader"]}]"#,
        )
        .unwrap();
        let found = who(&hint(), &people, &[GivenFact::Okta]).unwrap();
        assert_eq!(found.accounts[0].found.account.to_string(), "ad:S-1-5-21-9-9-9-1");
        assert!(matches!(&found.memberships, Memberships::Read(all) if all.len() == 1));
        let nameless = AccountHint { name: Some("adele".into()), ..AccountHint::default() };
        assert!(who(&nameless, &people, &[]).is_err());
    }

    #[test]
    fn people_of_a_file_contradict_each_other_and_are_ambiguous_as_in_directories() {
        let people: Vec<Sketch> = serde_json::from_str(
            r#"[{"upn": "adele@contoso.com", "sid": "S-1-5-21-9-9-9-1", "entra_id": "00000000-0000-0000-0000-000000000001"},
                {"upn": "bo@contoso.com", "sid": "S-1-5-21-9-9-9-2", "entra_id": "00000000-0000-0000-0000-000000000002"},
                {"upn": "twin@contoso.com", "sid": "S-1-5-21-9-9-9-3"}, {"upn": "twin@contoso.com", "sid": "S-1-5-21-9-9-9-4"},
                {"upn": "joni@contoso.com", "sid": "S-1-5-21-9-9-9-5"}, {"upn": "joni@contoso.com", "okta_id": "00u5"}]"#,
        )
        .unwrap();
        let sid = |rid: u32| format!("S-1-5-21-9-9-9-{rid}").parse().ok();
        let upn = |name: &str| format!("{name}@contoso.com").parse().ok();
        let entra_id = Some(Uuid::from_u128(2));
        let code = |hint: AccountHint| who(&hint, &people, &[]).map_err(|reason| reason.code());
        let none = AccountHint::default;
        assert_eq!(code(AccountHint { sid: sid(1), entra_id, ..none() }).unwrap_err(), "identifiers-contradict");
        assert_eq!(code(AccountHint { sid: sid(1), upn: upn("bo"), ..none() }).unwrap_err(), "identifiers-contradict");
        assert_eq!(code(AccountHint { sid: sid(7), upn: upn("bo"), ..none() }).unwrap_err(), "identifiers-contradict");
        assert_eq!(code(AccountHint { upn: upn("twin"), ..none() }).unwrap_err(), "account-ambiguous");
        assert_eq!(code(AccountHint { upn: upn("nobody"), ..none() }).unwrap_err(), "account-unknown");
        let bo = code(AccountHint { sid: sid(2), entra_id, upn: upn("bo"), ..none() }).unwrap();
        assert_eq!(bo.accounts.len(), 2);
        let joni = code(AccountHint { sid: sid(5), ..none() }).unwrap();
        assert!(joni.account_in(Directory::Okta).is_some(), "a name joins Okta: {joni:?}");
    }

    #[test]
    fn an_unknown_word_in_a_file_is_refused() {
        assert!(serde_json::from_str::<Vec<Sketch>>(r#"[{"enabeld": true}]"#).is_err());
    }
}
