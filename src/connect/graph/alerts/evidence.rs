//! Evidence of a Graph alert: which accounts it names, and as what.

use std::collections::{HashMap, HashSet};
use std::str::FromStr;

use serde_json::Value;
use uuid::Uuid;

use crate::connect::graph::json::{field, is_word, list, odata_type, text};
use crate::model::account::{AccountHint, Role};
use crate::model::alert::{Entities, NamedAccount};
use crate::model::text::clip;

/// The longest name we take from evidence: sAMAccountName holds 256 characters at most.
const NAME_LENGTH: usize = 256;

/// `roles` members that say an account did it (`evidenceRole` in the v1.0 metadata).
const DID_IT: [&str; 5] = ["attacker", "source", "compromised", "suspicious", "policyViolator"];
/// `roles` members that say it was done to the account.
const HAD_IT_DONE: [&str; 5] = ["attacked", "destination", "edited", "added", "created"];
/// Roles that say neither; a piece of evidence may have any of them beside.
const NEUTRAL: [&str; 6] = ["unknown", "contextual", "scanned", "loaded", "commandAndControl", "unknownFutureValue"];

/// The accounts in an alert's evidence, each with the role that its own evidence states. One account
/// in several pieces of evidence that contradict each other has [`Role::Unknown`].
///
/// Types of evidence that nobody knew when this was written are passed over.
pub(super) fn entities(alert: &Value) -> Entities {
    let pieces = match field(alert, "evidence") {
        None => return Entities::Missing,
        Some(Value::Array(pieces)) if pieces.is_empty() => return Entities::Missing,
        Some(Value::Array(pieces)) => pieces,
        Some(_) => return Entities::Unreadable("evidence is not a list".to_owned()),
    };
    let hosts: HashSet<String> = pieces.iter().flat_map(host_names).collect();
    let mut accounts: Vec<NamedAccount> = Vec::new();
    let mut places: HashMap<AccountHint, usize> = HashMap::new();
    for piece in pieces.iter().filter(|piece| odata_type(piece) == Some("userEvidence")) {
        let hint = match hint(piece, &hosts) {
            Ok(hint) => hint,
            Err(why) => return Entities::Unreadable(why.to_owned()),
        };
        let named = NamedAccount { hint, role: role(piece) };
        if let Some(known) = places.get(&named.hint).and_then(|place| accounts.get_mut(*place)) {
            known.role = both(known.role, named.role);
        } else {
            places.insert(named.hint.clone(), accounts.len());
            accounts.push(named);
        }
    }
    Entities::of(accounts)
}

/// The role that one piece of evidence states: honeytoken tags first, then `roles` and
/// `detailedRoles`; `None` when they say nothing about it.
fn role(piece: &Value) -> Option<Role> {
    let words = |name| list(piece, name).iter().filter_map(Value::as_str);
    let is_honeytoken = |word: &str| {
        let letters: String = word.chars().filter(char::is_ascii_alphanumeric).collect();
        letters.to_ascii_lowercase().contains("honeytoken")
    };
    if words("tags").chain(words("detailedRoles")).any(is_honeytoken) {
        return Some(Role::Bait);
    }
    let stated = |known: &[&str]| {
        words("roles").chain(words("detailedRoles")).any(|word| known.iter().any(|k| is_word(Some(word.trim()), k)))
    };
    match (stated(&DID_IT), stated(&HAD_IT_DONE)) {
        (true, true) => Some(Role::Unknown),
        (true, false) => Some(Role::Suspect),
        (false, true) => Some(Role::Target),
        // A word nobody knows yet may say either; with it nothing is concluded from being alone.
        (false, false) => words("roles")
            .any(|word| !NEUTRAL.iter().any(|known| is_word(Some(word.trim()), known)))
            .then_some(Role::Unknown),
    }
}

fn both(one: Option<Role>, other: Option<Role>) -> Option<Role> {
    match (one, other) {
        (None, role) | (role, None) => role,
        (Some(Role::Bait), _) | (_, Some(Role::Bait)) => Some(Role::Bait),
        (Some(one), Some(other)) if one == other => Some(one),
        (Some(_), Some(_)) => Some(Role::Unknown),
    }
}

/// What a `userAccount` says. A UPN of another shape than one is left out, for accounts of other
/// directories carry such; any other identifier that is none makes the evidence unreadable, because
/// what remains could name somebody else.
fn hint(piece: &Value, hosts: &HashSet<String>) -> Result<AccountHint, &'static str> {
    let account = field(piece, "userAccount").filter(|account| account.is_object());
    let account = account.ok_or("user evidence holds no userAccount")?;
    let domain = name(account, "domainName")?;
    let is_dns = domain.as_ref().is_some_and(|domain| domain.contains('.'));
    let local = domain.as_ref().is_some_and(|domain| hosts.contains(&domain.to_ascii_lowercase()));
    let (dns_domain, nt_domain) = if is_dns { (domain, None) } else { (None, domain) };
    Ok(AccountHint {
        sid: typed(account, "userSid").map_err(|()| "user evidence carries a userSid that is none")?,
        entra_id: typed(account, "azureAdUserId")
            .map_err(|()| "user evidence carries an azureAdUserId that is none")?
            .filter(|id: &Uuid| !id.is_nil()),
        object_guid: typed(account, "activeDirectoryObjectGuid")
            .map_err(|()| "user evidence carries an activeDirectoryObjectGuid that is none")?
            .filter(|id: &Uuid| !id.is_nil()),
        upn: text(account, "userPrincipalName").and_then(|upn| upn.parse().ok()),
        okta_id: None,
        name: name(account, "accountName")?,
        nt_domain,
        dns_domain,
        display_name: text(account, "displayName").map(|name| clip(name, NAME_LENGTH)),
        local,
    })
}

/// An identifier of an exact type: absent, or right, or an error.
fn typed<T: FromStr>(account: &Value, name: &str) -> Result<Option<T>, ()> {
    match field(account, name) {
        None => Ok(None),
        Some(Value::String(text)) if text.trim().is_empty() => Ok(None),
        Some(Value::String(text)) => text.trim().parse().map(Some).map_err(|_| ()),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) | Value::Null) => Err(()),
    }
}

/// A name: without control characters, and not too long to be one.
fn name(account: &Value, field: &str) -> Result<Option<String>, &'static str> {
    let text: Option<String> = typed(account, field).map_err(|()| "user evidence carries a name that is no text")?;
    match text {
        Some(text) if text.chars().count() > NAME_LENGTH || text.chars().any(char::is_control) => {
            Err("user evidence carries a name that is too long or holds control characters")
        }
        other => Ok(other),
    }
}

/// The names of the alert's hosts: a "domain" of that name means a local account.
fn host_names(piece: &Value) -> Vec<String> {
    if odata_type(piece) != Some("deviceEvidence") {
        return Vec::new();
    }
    let names = ["hostName", "deviceDnsName"].into_iter().filter_map(|name| text(piece, name));
    names.filter_map(|name| name.split('.').next()).map(str::to_ascii_lowercase).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn user(account: &Value, roles: &[&str], tags: &[&str]) -> Value {
        json!({"@odata.type": "#microsoft.graph.security.userEvidence", "userAccount": account, "roles": roles, "tags": tags})
    }

    fn read(evidence: &Value) -> Vec<NamedAccount> {
        let read = entities(&json!({ "evidence": evidence }));
        let Entities::Read(accounts) = read else { panic!("{read:?}") };
        accounts
    }

    fn role_of(roles: &[&str], tags: &[&str]) -> Option<Role> {
        read(&json!([user(&json!({"accountName": "a"}), roles, tags)]))[0].role
    }

    #[test]
    fn roles_are_read_as_the_metadata_means_them() {
        for word in ["attacker", "Source", "COMPROMISED", "suspicious", "policyViolator"] {
            assert_eq!(role_of(&[word], &[]), Some(Role::Suspect), "{word}");
        }
        for word in ["attacked", "destination", "edited", "added", "created"] {
            assert_eq!(role_of(&[word], &[]), Some(Role::Target), "{word}");
        }
        for words in [&[][..], &["contextual"], &["scanned"], &["loaded"], &["unknown"]] {
            assert_eq!(role_of(words, &[]), None, "{words:?}");
        }
        assert_eq!(role_of(&["somethingNew"], &[]), Some(Role::Unknown));
    }

    #[test]
    fn contradicting_roles_are_unknown_and_a_honeytoken_is_bait_whatever_it_did() {
        assert_eq!(role_of(&["attacker", "attacked"], &[]), Some(Role::Unknown));
        for tag in ["Honeytoken", "MDI honey-token", "HONEY TOKEN"] {
            assert_eq!(role_of(&["compromised"], &[tag]), Some(Role::Bait), "{tag}");
        }
    }

    #[test]
    fn one_account_in_two_pieces_of_evidence_that_contradict_each_other_is_unknown() {
        let account = json!({"userSid": "S-1-5-21-1-2-3-1104"});
        let accounts = read(&json!([user(&account, &["attacker"], &[]), user(&account, &["attacked"], &[])]));
        assert_eq!((accounts.len(), accounts[0].role), (1, Some(Role::Unknown)));
    }

    #[test]
    fn every_strong_identifier_is_taken() {
        let account = json!({
            "accountName": "adele", "domainName": "corp.contoso.com", "userSid": "s-1-5-21-1-2-3-1104",
            "azureAdUserId": "11111111-2222-3333-4444-555555555555", "userPrincipalName": "Adele@contoso.com",
            "activeDirectoryObjectGuid": "66666666-7777-8888-9999-aaaaaaaaaaaa", "displayName": "Adele",
        });
        let hint = read(&json!([user(&account, &[], &[])])).remove(0).hint;
        assert_eq!(hint.sid.unwrap().as_str(), "S-1-5-21-1-2-3-1104");
        assert_eq!(hint.upn.unwrap().as_str(), "adele@contoso.com");
        assert!(hint.entra_id.is_some() && hint.object_guid.is_some() && !hint.local);
        assert_eq!((hint.dns_domain.as_deref(), hint.nt_domain), (Some("corp.contoso.com"), None));
    }

    #[test]
    fn identifiers_that_are_none_make_the_evidence_unreadable() {
        for account in [
            json!({"userSid": "S-1-5-21-1)(objectClass=*"}),
            json!({"azureAdUserId": "' or 1 eq 1"}),
            json!({"activeDirectoryObjectGuid": 7}),
            json!({"accountName": ["adele"]}),
            json!({"accountName": "x".repeat(9_999)}),
            json!({"domainName": "a\u{0}b"}),
            json!(null),
        ] {
            let read = entities(&json!({"evidence": [user(&account, &["attacker"], &[])]}));
            assert!(matches!(read, Entities::Unreadable(_)), "{account}");
        }
    }

    #[test]
    fn hostile_names_stay_names_and_nil_ids_are_none() {
        let account = json!({"accountName": "*)(objectClass=*", "userPrincipalName": "../a@b.c", "userSid": " ",
            "azureAdUserId": "00000000-0000-0000-0000-000000000000"});
        let hint = read(&json!([user(&account, &[], &[])])).remove(0).hint;
        assert_eq!(hint, AccountHint { name: Some("*)(objectClass=*".to_owned()), ..AccountHint::default() });
        assert!(!hint.is_strong());
    }

    #[test]
    fn an_account_of_a_host_is_local() {
        let device = json!({"@odata.type": "#microsoft.graph.security.deviceEvidence", "hostName": "CLIENT1"});
        let account = json!({"accountName": "admin", "domainName": "client1"});
        assert!(read(&json!([user(&account, &[], &[]), device]))[0].hint.local);
    }

    #[test]
    fn no_evidence_is_missing_other_evidence_is_read_and_nonsense_is_unreadable() {
        assert_eq!(entities(&json!({})), Entities::Missing);
        assert_eq!(entities(&json!({"evidence": []})), Entities::Missing);
        assert_eq!(read(&json!([{"@odata.type": "#microsoft.graph.security.teleportEvidence"}, 3, null])), vec![]);
        assert!(matches!(entities(&json!({"evidence": "x"})), Entities::Unreadable(_)));
    }
}
