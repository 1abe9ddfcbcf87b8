//! Joins what directories said into one person, or says why not. Pure.

use std::collections::BTreeMap;

use uuid::Uuid;

use crate::model::account::{AccountHint, AccountRef, Directory, Sid};
use crate::model::person::{Found, Linked, LookupKey, Memberships, Person};
use crate::model::reason::{Protection, Reason};

/// The questions an alert's own identifiers allow, strongest first. `forests` maps NetBIOS to DNS
/// domains; without an entry a name in a NetBIOS domain cannot be asked for.
///
/// # Errors
/// When nothing strong is there, or the identifier is one that Windows gives to no person.
pub fn questions(hint: &AccountHint, forests: &BTreeMap<String, String>) -> Result<Vec<LookupKey>, Reason> {
    if hint.local {
        return Err(Reason::LocalAccount);
    }
    // These are the same in every domain, and in no directory.
    if hint.sid.as_ref().is_some_and(Sid::is_of_windows) {
        return Err(Reason::Protected { why: Protection::BuiltIn });
    }
    // What else there is beside such a SID may name somebody else.
    let names_somebody = |sid: &Sid| sid.is_domain_account() || sid.entra_object().is_some();
    if let Some(sid) = hint.sid.as_ref().filter(|sid| !names_somebody(sid)) {
        return Err(Reason::IdentifiersContradict { what: format!("{sid} is the SID of no account in a directory") });
    }
    let mut keys = Vec::new();
    keys.extend(hint.sid.clone().filter(Sid::is_domain_account).map(LookupKey::Sid));
    keys.extend(entra_id(hint).map(LookupKey::EntraId));
    keys.extend(hint.okta_id.clone().map(LookupKey::OktaId));
    keys.extend(hint.upn.clone().map(LookupKey::Upn));
    let domain = hint.dns_domain.clone().or_else(|| {
        let netbios = hint.nt_domain.as_ref()?;
        forests.iter().find(|(known, _)| known.eq_ignore_ascii_case(netbios)).map(|(_, dns)| dns.clone())
    });
    if let (Some(name), Some(domain)) = (&hint.name, domain) {
        keys.push(LookupKey::NameInDomain { name: name.clone(), domain });
    }
    if keys.is_empty() { Err(Reason::IdentifierWeak) } else { Ok(keys) }
}

/// The Entra account that an alert names, by its id or by a SID of Entra.
fn entra_id(hint: &AccountHint) -> Option<Uuid> {
    hint.entra_id.or_else(|| hint.sid.as_ref().and_then(Sid::entra_object))
}

/// The questions that what was found allows: its other directories.
#[must_use]
pub fn further(found: &[Found]) -> Vec<(LookupKey, String)> {
    let mut keys: Vec<(LookupKey, String)> = Vec::new();
    for account in found {
        keys.extend(account.sid.clone().map(|sid| (LookupKey::Sid(sid.clone()), format!("SID {sid}"))));
        keys.extend(account.entra_id.map(|id| (LookupKey::EntraId(id), format!("Entra id {id}"))));
    }
    // A UPN joins only what a strong identifier has found already.
    for account in found {
        keys.extend(account.upn.clone().map(|upn| (LookupKey::Upn(upn), "same user principal name".to_owned())));
    }
    keys.dedup();
    keys
}

/// One account with why it belongs to the person.
#[derive(Debug, Clone)]
pub struct Candidate {
    /// As a directory described it.
    pub found: Found,
    /// Why it is thought to belong here.
    pub evidence: String,
}

/// Joins the candidates into a person whose memberships are still unread. `forests` maps NetBIOS to DNS domains.
///
/// # Errors
/// Nobody, several that fit, or identifiers that contradict each other.
pub fn join(
    hint: &AccountHint,
    candidates: Vec<Candidate>,
    forests: &BTreeMap<String, String>,
) -> Result<Person, Reason> {
    let mut accounts: Vec<Linked> = Vec::new();
    for candidate in candidates {
        match accounts.iter_mut().find(|linked| linked.found.account == candidate.found.account) {
            Some(linked) => enrich(&mut linked.found, candidate.found),
            None => accounts.push(Linked { found: candidate.found, evidence: candidate.evidence }),
        }
    }
    if accounts.is_empty() {
        return Err(Reason::AccountUnknown);
    }
    for directory in [Directory::ActiveDirectory, Directory::Entra, Directory::Okta] {
        let fits = accounts.iter().filter(|linked| linked.found.account.directory() == directory).count();
        if fits > 1 {
            return Err(Reason::AccountAmbiguous { candidates: fits });
        }
    }
    accounts.sort_by_key(|linked| linked.found.account.directory());
    contradiction(hint, &accounts)
        .or_else(|| foreign(hint, &accounts, forests))
        .map_or(Ok(()), |what| Err(Reason::IdentifiersContradict { what }))?;
    Ok(Person { accounts, memberships: Memberships::Unreadable("not read yet".to_owned()) })
}

/// What does not fit together, if anything.
fn contradiction(hint: &AccountHint, accounts: &[Linked]) -> Option<String> {
    let sids = || accounts.iter().filter_map(|linked| linked.found.sid.as_ref());
    let entra_ids = || accounts.iter().filter_map(|linked| linked.found.entra_id);
    let first_sid = sids().next();
    if sids().any(|sid| Some(sid) != first_sid) {
        return Some("its accounts name different SIDs".to_owned());
    }
    let first_entra = entra_ids().next();
    if entra_ids().any(|id| Some(id) != first_entra) {
        return Some("its accounts name different Entra ids".to_owned());
    }
    // A strong identifier that nobody confirms counts as one that somebody denies: a weaker one may
    // have found somebody else.
    if let Some(said) = hint.sid.as_ref().filter(|sid| sid.is_domain_account())
        && Some(said) != first_sid
    {
        return Some("no account found carries the alert's SID".to_owned());
    }
    let by_sid = hint.sid.as_ref().and_then(Sid::entra_object);
    if let (Some(said), Some(other)) = (hint.entra_id, by_sid)
        && said != other
    {
        return Some("the alert's SID is that of another Entra account than its Entra id".to_owned());
    }
    if let Some(said) = entra_id(hint)
        && Some(said) != first_entra
    {
        return Some("no account found carries the alert's Entra id".to_owned());
    }
    let upns: Vec<_> = accounts.iter().filter_map(|linked| linked.found.upn.as_ref()).collect();
    if let Some(said) = &hint.upn
        && !upns.is_empty()
        && !upns.contains(&said)
    {
        return Some("the user principal name is another one".to_owned());
    }
    let names: Vec<_> = accounts
        .iter()
        .filter(|linked| matches!(linked.found.account, AccountRef::Ad(_)))
        .filter_map(|linked| linked.found.name.as_ref())
        .collect();
    if let (Some(said), true) = (&hint.name, hint.nt_domain.is_some())
        && !names.is_empty()
        && !names.iter().any(|name| name.eq_ignore_ascii_case(said))
    {
        return Some("the account name is another one".to_owned());
    }
    None
}

/// The domain in which the account found is not, though the alert says so. A SID names its domain itself.
fn foreign(hint: &AccountHint, accounts: &[Linked], forests: &BTreeMap<String, String>) -> Option<String> {
    if hint.sid.is_some() {
        return None;
    }
    let is = |one: &str, other: &str| one.trim_end_matches('.').eq_ignore_ascii_case(other.trim_end_matches('.'));
    let domains = || accounts.iter().filter_map(|linked| linked.found.domain.as_deref());
    let elsewhere = |said: &str| domains().next().is_some() && !domains().any(|domain| is(domain, said));
    if let Some(said) = hint.dns_domain.as_deref().filter(|said| elsewhere(said)) {
        return Some(format!("the account found is not in the domain {said}"));
    }
    // Where a host is joined to Entra, its accounts stand in a domain of that name.
    let said = hint.nt_domain.as_deref().filter(|said| !said.eq_ignore_ascii_case("AzureAD"))?;
    if said.contains('.') {
        return elsewhere(said).then(|| format!("the account found is not in the domain {said}"));
    }
    let is_named = |domain: &str| forests.values().any(|dns| is(dns, domain));
    let dns = forests.iter().find(|(netbios, _)| netbios.eq_ignore_ascii_case(said)).map(|(_, dns)| dns.as_str());
    let other = match dns {
        Some(dns) => elsewhere(dns),
        // A domain has one NetBIOS name: where that of the account's domain is known, this is another domain.
        None => domains().next().is_some() && domains().all(is_named),
    };
    other.then(|| format!("the account found is not in the domain {said}"))
}

/// Fills what one answer left out from another about the same account.
fn enrich(found: &mut Found, other: Found) {
    // The directory that owns the account knows best; Defender's copy follows it.
    let other_owns = other.said_by != crate::model::failure::Provider::Defender;
    found.enabled = if other_owns { other.enabled.or(found.enabled) } else { found.enabled.or(other.enabled) };
    found.upn = found.upn.take().or(other.upn);
    found.name = found.name.take().or(other.name);
    found.domain = found.domain.take().or(other.domain);
    found.display_name = found.display_name.take().or(other.display_name);
    found.sid = found.sid.take().or(other.sid);
    found.entra_id = found.entra_id.or(other.entra_id);
    found.synced = found.synced.or(other.synced);
    found.department = found.department.take().or(other.department);
    found.password_never_expires = found.password_never_expires.or(other.password_never_expires);
    found.handle = found.handle.take().or(other.handle);
    found.guest |= other.guest;
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::failure::Provider;

    const SID: &str = "S-1-5-21-1-2-3-1104";
    const NONE: BTreeMap<String, String> = BTreeMap::new();

    fn candidate(account: AccountRef, upn: &str, sid: Option<&str>) -> Candidate {
        let mut found = Found::bare(account, Provider::Entra);
        found.upn = upn.parse().ok();
        found.sid = sid.map(|sid| sid.parse().unwrap());
        Candidate { found, evidence: "test".into() }
    }

    fn entra(n: u128, upn: &str, sid: Option<&str>) -> Candidate {
        candidate(AccountRef::Entra(uuid::Uuid::from_u128(n)), upn, sid)
    }

    fn hint() -> AccountHint {
        AccountHint { sid: SID.parse().ok(), upn: "adele@contoso.com".parse().ok(), ..AccountHint::default() }
    }

    #[test]
    fn accounts_of_several_directories_become_one_person() {
        let ad = candidate(AccountRef::Ad(SID.parse().unwrap()), "adele@contoso.com", Some(SID));
        let person = join(&hint(), vec![entra(1, "adele@contoso.com", Some(SID)), ad], &NONE).unwrap();
        assert_eq!(person.accounts.len(), 2);
        assert_eq!(person.accounts[0].found.account.directory(), Directory::ActiveDirectory);
    }

    #[test]
    fn two_accounts_of_one_directory_are_a_refusal() {
        let both = vec![entra(1, "adele@contoso.com", Some(SID)), entra(2, "adele@contoso.com", Some(SID))];
        assert_eq!(join(&hint(), both, &NONE).unwrap_err().code(), "account-ambiguous");
    }

    #[test]
    fn a_weak_identifier_that_disagrees_with_a_strong_one_is_a_refusal() {
        let found = vec![entra(1, "somebody.else@contoso.com", Some(SID))];
        assert_eq!(join(&hint(), found, &NONE).unwrap_err().code(), "identifiers-contradict");
    }

    #[test]
    fn a_strong_identifier_that_nobody_confirms_is_a_refusal() {
        let found = vec![entra(1, "adele@contoso.com", None)];
        assert_eq!(join(&hint(), found, &NONE).unwrap_err().code(), "identifiers-contradict");
    }

    #[test]
    fn nobody_is_nobody() {
        assert_eq!(join(&hint(), Vec::new(), &NONE).unwrap_err(), Reason::AccountUnknown);
    }

    #[test]
    fn a_name_is_asked_for_only_within_a_known_domain() {
        let hint =
            AccountHint { name: Some("adele".into()), nt_domain: Some("contoso".into()), ..AccountHint::default() };
        assert_eq!(questions(&hint, &BTreeMap::new()).unwrap_err(), Reason::IdentifierWeak);
        let forests = BTreeMap::from([("CONTOSO".to_owned(), "contoso.com".to_owned())]);
        assert_eq!(questions(&hint, &forests).unwrap().len(), 1);
    }

    #[test]
    fn an_account_of_windows_itself_is_protected_whatever_else_is_said_of_it() {
        for sid in ["S-1-5-18", "S-1-5-32-544", "S-1-5-20"] {
            let hint = AccountHint { sid: Some(sid.parse().unwrap()), ..hint() };
            assert_eq!(questions(&hint, &BTreeMap::new()).unwrap_err(), Reason::Protected { why: Protection::BuiltIn });
        }
    }

    #[test]
    fn a_sid_of_entra_names_the_account_it_is_made_of_and_one_of_nobody_is_a_refusal() {
        let id = uuid::uuid!("73d664e4-0886-4a73-b745-c694da45ddb4");
        let sid = "S-1-12-1-1943430372-1249052806-2496021943-3034400218";
        let hint = |sid: &str| AccountHint {
            sid: sid.parse().ok(),
            upn: "bob@contoso.com".parse().ok(),
            ..AccountHint::default()
        };
        let asked = questions(&hint(sid), &BTreeMap::new()).unwrap();
        assert_eq!(asked.first(), Some(&LookupKey::EntraId(id)));
        let bob = vec![entra(1, "bob@contoso.com", None)];
        assert_eq!(
            join(&hint(sid), bob, &NONE).unwrap_err().code(),
            "identifiers-contradict",
            "the name is somebody else's by now"
        );
        let both = AccountHint { entra_id: Some(Uuid::from_u128(1)), ..hint(sid) };
        let first = vec![entra(1, "bob@contoso.com", None)];
        assert_eq!(join(&both, first, &NONE).unwrap_err().code(), "identifiers-contradict");
        for odd in ["S-1-5-21-1-2-3", "S-1-15-2-1", "S-1-12-1-1-2-3"] {
            let refused = questions(&hint(odd), &BTreeMap::new()).unwrap_err();
            assert_eq!(refused.code(), "identifiers-contradict", "{odd}");
        }
    }

    #[test]
    fn a_domain_in_which_the_account_found_is_not_is_a_refusal_where_no_sid_says_which() {
        let forests = BTreeMap::from(
            [("CONTOSO", "contoso.com"), ("FABRIKAM", "fabrikam.com")].map(|(a, b)| (a.into(), b.into())),
        );
        let code = |netbios: &str, dns: Option<&str>, sid: bool, forests| {
            let mut ad = candidate(AccountRef::Ad(SID.parse().unwrap()), "adele@contoso.com", Some(SID));
            ad.found.domain = Some("contoso.com".into());
            let hint = AccountHint {
                sid: hint().sid.filter(|_| sid),
                nt_domain: Some(netbios.into()),
                dns_domain: dns.map(Into::into),
                ..hint()
            };
            join(&hint, vec![ad], forests).map_or_else(|reason| reason.code(), |_| "found")
        };
        for (netbios, dns, sid, known, ends) in [
            ("contoso", None, false, &forests, "found"),
            ("FABRIKAM", None, false, &forests, "identifiers-contradict"),
            ("ELSEWHERE", None, false, &forests, "identifiers-contradict"),
            ("ELSEWHERE", None, false, &NONE, "found"),
            ("contoso.com", None, false, &forests, "found"),
            ("fabrikam.com", None, false, &forests, "identifiers-contradict"),
            ("AzureAD", None, false, &forests, "found"),
            ("CONTOSO", Some("Contoso.com."), false, &NONE, "found"),
            ("CONTOSO", Some("fabrikam.com"), false, &NONE, "identifiers-contradict"),
            ("FABRIKAM", Some("fabrikam.com"), true, &forests, "found"),
        ] {
            assert_eq!(code(netbios, dns, sid, known), ends, "{netbios} {dns:?} {sid}");
        }
    }

    #[test]
    fn a_local_account_is_not_looked_for() {
        let hint = AccountHint { local: true, ..hint() };
        assert_eq!(questions(&hint, &BTreeMap::new()).unwrap_err(), Reason::LocalAccount);
    }
}
