//! The `Entities` column: a JSON list of objects that refer to each other by `$id` and `$ref`.
//!
//! The list is hostile input. References may dangle or run in circles, lists may be long; whatever
//! cannot be read exactly makes the whole list unreadable, because an account that was dropped could
//! be the one that decides who is meant.

use std::collections::{HashMap, HashSet};
use std::str::FromStr;

use serde_json::{Map, Value};
use uuid::Uuid;

use crate::model::account::{AccountHint, Sid, Upn};
use crate::model::alert::{Entities, NamedAccount};
use crate::model::text::clip;

/// More objects than this, nested ones counted, are not read.
const MOST_ENTITIES: usize = 20_000;
/// Longer lists of text are not read.
const LONGEST_LIST: usize = 16 * 1024 * 1024;
/// References are followed this far.
const LONGEST_CHAIN: usize = 8;
/// Names longer than this are none (a UPN has at most 113 characters on the wire of Entra; Active
/// Directory allows 256 for its parts).
const LONGEST_NAME: usize = 256;

type Object = Map<String, Value>;

/// Reads the column, as text or as JSON. Every account object in it counts, wherever it stands, each
/// once; an account that is only referred to counts where it is defined.
#[must_use]
pub fn read(cell: Option<&Value>) -> Entities {
    let parsed;
    let list = match cell {
        None | Some(Value::Null) => return Entities::Missing,
        Some(Value::String(text)) if text.trim().is_empty() => return Entities::Missing,
        Some(Value::String(text)) if text.len() > LONGEST_LIST => {
            return Entities::Unreadable(format!("the entity list is longer than {LONGEST_LIST} bytes"));
        }
        Some(Value::String(text)) => match serde_json::from_str::<Value>(text) {
            Ok(value) => {
                parsed = value;
                &parsed
            }
            Err(error) => {
                return Entities::Unreadable(format!("the entity list is no JSON (column {})", error.column()));
            }
        },
        Some(value) => value,
    };
    let Value::Array(items) = list else {
        return Entities::Unreadable("the entity list is no list".to_owned());
    };
    if items.is_empty() {
        return Entities::Missing;
    }
    accounts(items).map_or_else(Entities::Unreadable, Entities::of)
}

fn accounts(items: &[Value]) -> Result<Vec<NamedAccount>, String> {
    let graph = Graph::of(items)?;
    if graph.objects.is_empty() || items.iter().all(|item| graph.resolve(item).is_none()) {
        return Err("the entity list holds nothing but references that lead nowhere".to_owned());
    }
    let mut seen = HashSet::new();
    let mut named = Vec::new();
    for object in &graph.objects {
        let is_account = text(object, "Type")?.is_some_and(|kind| kind.eq_ignore_ascii_case("account"));
        if !is_account {
            continue;
        }
        let hint = hint(object, &graph)
            .and_then(|hint| if names_nobody(&hint) { Err(nobody(object, &graph)) } else { Ok(hint) })
            .map_err(|why| format!("an account in the entity list {why}"))?;
        if seen.insert(hint.clone()) {
            named.push(NamedAccount { hint, role: None });
        }
    }
    Ok(named)
}

/// All objects of the list, and where references lead.
struct Graph<'a> {
    objects: Vec<&'a Object>,
    by_id: HashMap<String, &'a Object>,
}

impl<'a> Graph<'a> {
    fn of(items: &'a [Value]) -> Result<Self, String> {
        let mut graph = Self { objects: Vec::new(), by_id: HashMap::new() };
        let mut twice = Vec::new();
        let mut waiting: Vec<&Value> = items.iter().rev().collect();
        while let Some(value) = waiting.pop() {
            match value {
                Value::Array(items) => waiting.extend(items.iter().rev()),
                Value::Object(object) => {
                    if reference(object).is_none() {
                        if let Some(id) = object.get("$id").and_then(key)
                            && graph.by_id.insert(id.clone(), object).is_some()
                        {
                            twice.push(id);
                        }
                        graph.objects.push(object);
                    }
                    waiting.extend(object.values().rev().filter(|value| value.is_array() || value.is_object()));
                }
                Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
            }
            if graph.objects.len() + waiting.len() > MOST_ENTITIES {
                return Err(format!("the entity list holds more than {MOST_ENTITIES} objects"));
            }
        }
        // A name for two things names neither.
        for id in twice {
            graph.by_id.remove(&id);
        }
        Ok(graph)
    }

    /// The object that a value is or refers to; unknown references and circles lead nowhere.
    fn resolve(&self, value: &'a Value) -> Option<&'a Object> {
        let mut object = value.as_object()?;
        for _ in 0..LONGEST_CHAIN {
            match reference(object) {
                None => return Some(object),
                Some(id) => object = self.by_id.get(&id)?,
            }
        }
        None
    }
}

fn reference(object: &Object) -> Option<String> {
    object.get("$ref").and_then(key)
}

fn key(value: &Value) -> Option<String> {
    match value {
        Value::String(text) => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// An account's identifiers, each read by its type. The error says what is wrong with it.
fn hint(object: &Object, graph: &Graph<'_>) -> Result<AccountHint, String> {
    let mut hint = AccountHint {
        sid: typed::<Sid>(object, "Sid", "SID")?,
        entra_id: typed::<Uuid>(object, "AadUserId", "Entra object id")?.filter(|id| !id.is_nil()),
        object_guid: typed::<Uuid>(object, "ObjectGuid", "objectGUID")?.filter(|id| !id.is_nil()),
        nt_domain: name(object, "NTDomain")?,
        dns_domain: name(object, "DnsDomain")?,
        display_name: text(object, "DisplayName")?.map(|text| clip(text, LONGEST_NAME)),
        ..AccountHint::default()
    };
    let suffix = name(object, "UPNSuffix")?;
    match name(object, "Name")? {
        Some(full) if full.contains('@') => {
            let (bare, own) = full.split_once('@').unwrap_or((&full, ""));
            agree(suffix.as_deref(), own, "UPN suffix")?;
            hint.upn = full.parse().ok();
            if hint.upn.is_none() {
                hint.name = Some(bare.to_owned());
            }
        }
        Some(full) if full.contains('\\') => {
            let (domain, bare) = full.split_once('\\').unwrap_or(("", &full));
            let place = if domain.contains('.') { &mut hint.dns_domain } else { &mut hint.nt_domain };
            agree(place.as_deref(), domain, "domain")?;
            // What stands before a backslash and is stated nowhere else may be part of a name, and the rest somebody else.
            let is_domain = place.is_some() || domain.contains('.');
            *place = Some(domain.to_owned()).filter(|domain| !domain.is_empty());
            hint.upn = if is_domain { upn(bare, suffix.as_deref()) } else { None };
            hint.name = Some(bare.to_owned()).filter(|bare| !bare.is_empty());
        }
        Some(bare) => {
            hint.upn = upn(&bare, suffix.as_deref());
            hint.name = Some(bare);
        }
        None => {}
    }
    hint.local = is_local(object, &hint, graph)?;
    Ok(hint)
}

/// Carries nothing by which an account could be found.
const fn names_nobody(hint: &AccountHint) -> bool {
    hint.sid.is_none()
        && hint.entra_id.is_none()
        && hint.object_guid.is_none()
        && hint.upn.is_none()
        && hint.okta_id.is_none()
        && hint.name.is_none()
}

/// What stands where an identifier should.
fn nobody(object: &Object, graph: &Graph<'_>) -> String {
    let dangling = object.values().filter(|value| graph.resolve(value).is_none());
    match dangling.filter_map(Value::as_object).find_map(reference) {
        Some(id) => format!("refers to {:?}, which is nothing in the list, and carries no identifier", clip(&id, 40)),
        None => "carries no identifier".to_owned(),
    }
}

fn upn(name: &str, suffix: Option<&str>) -> Option<Upn> {
    format!("{name}@{}", suffix?).parse().ok()
}

fn agree(stated: Option<&str>, own: &str, what: &str) -> Result<(), String> {
    match stated {
        Some(stated) if !stated.eq_ignore_ascii_case(own) => Err(format!("contradicts itself in its {what}")),
        _ => Ok(()),
    }
}

/// Lives on one host only: it names a host, and its domain is that host, or it has no domain at all
/// (Sentinel entities reference: `Name + NTDomain + Host` is the strong id of local accounts).
fn is_local(object: &Object, hint: &AccountHint, graph: &Graph<'_>) -> Result<bool, String> {
    let Some(host) = object.get("Host").and_then(|host| graph.resolve(host)) else { return Ok(false) };
    let names = [text(host, "HostName")?, text(host, "NetBiosName")?];
    let on_host = |domain: &String| names.iter().flatten().any(|name| name.eq_ignore_ascii_case(domain));
    let joined = object.get("IsDomainJoined").and_then(Value::as_bool);
    let rootless = hint.nt_domain.is_none()
        && hint.dns_domain.is_none()
        && hint.upn.is_none()
        && hint.entra_id.is_none()
        && hint.object_guid.is_none()
        && hint.sid.is_none();
    Ok(hint.nt_domain.as_ref().is_some_and(on_host) || joined == Some(false) && hint.entra_id.is_none() || rootless)
}

/// An identifier of an exact type: absent, or right, or an error.
fn typed<T: FromStr>(object: &Object, field: &str, what: &str) -> Result<Option<T>, String> {
    let Some(text) = text(object, field)?.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    text.parse().map(Some).map_err(|_| format!("carries a {what} that is none: {:?}", clip(text, 60)))
}

/// A name: without control characters, and not too long to be one.
fn name(object: &Object, field: &str) -> Result<Option<String>, String> {
    let Some(text) = text(object, field)?.map(str::trim).filter(|text| !text.is_empty()) else { return Ok(None) };
    if text.chars().count() > LONGEST_NAME || text.chars().any(char::is_control) {
        return Err(format!("carries a {field} that is too long or holds control characters"));
    }
    Ok(Some(text.to_owned()))
}

fn text<'a>(object: &'a Object, field: &str) -> Result<Option<&'a str>, String> {
    match object.get(field) {
        None | Some(Value::Null) => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
            Err(format!("carries a {field} that is no text"))
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    const SID: &str = "S-1-5-21-1111111111-2222222222-3333333333-1105";

    fn hints(list: &Value) -> Vec<AccountHint> {
        let read = read(Some(&json!(list.to_string())));
        let Entities::Read(named) = read else { panic!("{read:?}") };
        named.into_iter().map(|account| account.hint).collect()
    }

    fn unreadable(list: &Value) -> String {
        let read = read(Some(list));
        let Entities::Unreadable(why) = read else { panic!("{read:?}") };
        why
    }

    #[test]
    fn an_account_that_is_a_reference_to_nothing_is_nobody_and_said_to_be_that() {
        let dangling = json!([{"$id": "1", "Type": "account", "Host": {"$ref": "9"}}]);
        let why = unreadable(&dangling);
        assert!(why.contains("refers to \"9\", which is nothing in the list"), "{why}");
        assert!(unreadable(&json!([{"$id": "1", "Type": "account", "DisplayName": "x"}])).contains("no identifier"));
    }

    #[test]
    fn every_strong_identifier_is_taken() {
        let all = hints(&json!([
            {"$id": "2", "Name": "jdoe", "NTDomain": "CORP", "DnsDomain": "corp.example", "UPNSuffix": "corp.example",
             "Sid": SID, "AadUserId": "11111111-2222-3333-4444-555555555555",
             "ObjectGuid": "66666666-7777-8888-9999-aaaaaaaaaaaa", "IsDomainJoined": true, "Type": "account"},
            {"$id": "3", "HostName": "client1", "NTDomain": "CORP", "Type": "host"},
            {"$id": "4", "Address": "192.0.2.10", "Type": "ip"},
            {"$id": "5", "Name": "svc-sql", "NTDomain": "CORP", "Host": {"$ref": "3"}, "Type": "Account"}
        ]));
        assert_eq!(all.len(), 2);
        assert_eq!(all[0].sid.as_ref().unwrap().as_str(), SID);
        assert_eq!(all[0].upn.as_ref().unwrap().as_str(), "jdoe@corp.example");
        assert!(all[0].entra_id.is_some() && all[0].object_guid.is_some() && all[0].is_strong());
        assert_eq!((all[1].name.as_deref(), all[1].nt_domain.as_deref()), (Some("svc-sql"), Some("CORP")));
        assert!(!all[1].local, "the host is in the domain, and so is the account");
    }

    #[test]
    fn a_name_may_be_a_upn_or_carry_its_domain() {
        let all = hints(&json!([
            {"Type": "account", "Name": "Adele@Contoso.com"},
            {"Type": "account", "Name": "CONTOSO\\bo"},
            {"Type": "account", "Name": "contoso.local\\cy", "UPNSuffix": "contoso.com"}
        ]));
        assert_eq!((all[0].upn.as_ref().unwrap().as_str(), &all[0].name), ("adele@contoso.com", &None));
        assert_eq!((all[1].nt_domain.as_deref(), all[1].name.as_deref()), (Some("CONTOSO"), Some("bo")));
        assert_eq!(all[2].dns_domain.as_deref(), Some("contoso.local"));
        assert_eq!(all[2].upn.as_ref().unwrap().as_str(), "cy@contoso.com");
    }

    #[test]
    fn an_account_of_one_host_is_local() {
        for account in [
            json!({"Type": "account", "Name": "admin", "NTDomain": "client1", "Host": {"$ref": "1"}}),
            json!({"Type": "account", "Name": "admin", "Host": {"$ref": "1"}}),
            json!({"Type": "account", "Name": "admin", "Sid": SID, "IsDomainJoined": false, "Host": {"$ref": "1"}}),
        ] {
            let all = hints(&json!([{"$id": "1", "Type": "host", "HostName": "CLIENT1"}, account]));
            assert!(all[0].local, "{all:?}");
        }
        let all = hints(&json!([{"Type": "account", "Name": "a", "NTDomain": "X", "Host": {"$ref": "none"}}]));
        assert!(!all[0].local);
    }

    #[test]
    fn references_are_followed_and_each_account_counts_once() {
        let all = hints(&json!([
            {"$id": "1", "Type": "process", "Account": {"$id": "2", "Type": "account", "Sid": SID}},
            {"$ref": "2"}, {"$ref": "2"}, {"$ref": "unknown"},
            {"$id": 7, "Type": "account", "Sid": SID}
        ]));
        assert_eq!(all.len(), 1);
    }

    #[test]
    fn circles_and_dangling_references_end() {
        let all = hints(&json!([
            {"$id": "1", "Type": "host", "HostName": "h", "Owner": {"$ref": "2"}},
            {"$id": "2", "Type": "account", "Name": "a", "NTDomain": "D", "Host": {"$ref": "3"}},
            {"$id": "3", "$ref": "3"}
        ]));
        assert_eq!(all.len(), 1);
        assert!(unreadable(&json!([{"$id": "1", "$ref": "2"}, {"$id": "2", "$ref": "1"}])).contains("nowhere"));
        assert!(unreadable(&json!([{"$ref": "9"}])).contains("nowhere"));
    }

    #[test]
    fn an_id_given_twice_refers_to_nothing() {
        for domain in ["D", "E"] {
            let all = hints(&json!([
                {"$id": "1", "Type": "host", "HostName": "D"},
                {"$id": "1", "Type": "host", "HostName": "E"},
                {"Type": "account", "Name": "a", "NTDomain": domain, "Host": {"$ref": "1"}}
            ]));
            assert!(!all[0].local, "{domain}");
        }
    }

    #[test]
    fn nothing_yet_is_missing_and_hosts_alone_are_no_accounts() {
        for cell in [json!(""), json!("[]"), json!(" "), json!([]), json!(null)] {
            assert_eq!(read(Some(&cell)), Entities::Missing, "{cell}");
        }
        assert_eq!(read(None), Entities::Missing);
        assert_eq!(read(Some(&json!([{"Type": "ip", "Address": "1.2.3.4"}]))), Entities::Read(vec![]));
    }

    #[test]
    fn an_identifier_that_is_none_makes_the_list_unreadable() {
        for bad in [
            json!({"Type": "account", "Sid": "S-1-5-21-1)(objectClass=*"}),
            json!({"Type": "account", "Sid": 5}),
            json!({"Type": "account", "AadUserId": "../users"}),
            json!({"Type": "account", "ObjectGuid": "x"}),
            json!({"Type": "account", "Name": ["a@b.c"]}),
            json!({"Type": "account", "Name": "a\u{0}b"}),
            json!({"Type": "account", "Name": "n".repeat(300)}),
            json!({"Type": "account", "Name": "a@b.c", "UPNSuffix": "evil.com"}),
            json!({"Type": "account", "Name": "X\\a", "NTDomain": "Y"}),
            json!({"Type": {"a": 1}, "Name": "a"}),
        ] {
            unreadable(&json!([{"Type": "account", "Sid": SID}, bad]));
        }
        for broken in ["[{", "5", "{}", "\"[]\"", "nonsense", "[1,2", "null"] {
            assert!(matches!(read(Some(&json!(broken))), Entities::Unreadable(_)), "{broken}");
        }
    }

    #[test]
    fn hostile_names_stay_names_and_never_become_upns() {
        for name in [")(objectClass=*", "*", "a' or 1 eq 1", "\"", "../..", "a b", "o'brien) eq 'x"] {
            let all = hints(&json!([{"Type": "account", "Name": name, "UPNSuffix": "contoso.com", "NTDomain": "C"}]));
            assert_eq!((all[0].name.as_deref(), &all[0].upn), (Some(name), &None), "{name}");
        }
    }

    #[test]
    fn five_thousand_accounts_are_counted_and_too_many_are_not_read() {
        let list = |n: usize| -> Value {
            (0..n).map(|n| json!({"$id": n, "Type": "account", "Name": format!("u{n}"), "NTDomain": "C"})).collect()
        };
        let read = read(Some(&list(5_000)));
        assert!(matches!(read, Entities::Crowd { found: 5_000, .. }), "{read:?}");
        assert!(unreadable(&list(20_001)).contains("20000"));
    }

    #[test]
    fn a_backslash_in_a_name_makes_nobody_else_of_it() {
        let upn = |account: Value| hints(&json!([account])).remove(0).upn.map(|upn| upn.to_string());
        let account = |name: &str| json!({"Type": "account", "Name": name, "UPNSuffix": "contoso.com"});
        assert_eq!(upn(account("back\\slash")), None);
        assert_eq!(upn(account("contoso.local\\cy")).as_deref(), Some("cy@contoso.com"));
        let mut stated = account("CONTOSO\\bo");
        stated["NTDomain"] = json!("CONTOSO");
        assert_eq!(upn(stated).as_deref(), Some("bo@contoso.com"));
    }

    #[test]
    fn depth_is_bounded() {
        let deep = format!("[{}{}]", "{\"a\":[".repeat(5_000), "]}".repeat(5_000));
        assert!(matches!(read(Some(&json!(deep))), Entities::Unreadable(_)));
    }

    proptest! {
        #[test]
        fn nothing_makes_it_panic(text in "\\PC{0,60}", field in "Name|Sid|NTDomain|UPNSuffix|Type|\\$ref|Host") {
            let _ = read(Some(&json!(text)));
            let object = json!({"Type": "account", "$id": "1", (field): text});
            let _ = read(Some(&json!([object, {"$ref": "1"}])));
        }
    }
}
