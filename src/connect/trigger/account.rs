//! The account that a row names.

use serde_json::{Map, Value, json};

use super::super::kql_runner::Row;
use super::super::log_analytics::entities;
use crate::model::account::{AccountHint, OktaId, Role, Upn};
use crate::model::alert::{Entities, NamedAccount};
use crate::model::trigger::{AccountMapping, Identifier};

/// What a row says of one account.
#[derive(Default)]
struct Said<'a> {
    /// What is read as an account of an entity list is.
    object: Map<String, Value>,
    /// `DOMAIN\name`, a UPN or a bare name.
    full: Option<&'a str>,
    upn: Option<Upn>,
    okta: Option<OktaId>,
}

/// The account that a row names by one mapping; none when nothing in its columns could find anybody.
///
/// # Errors
/// What cannot be read, or contradicts itself.
pub(super) fn account(mapping: &AccountMapping, row: Row<'_>) -> Result<Option<NamedAccount>, String> {
    let said = said(mapping, row)?;
    let Some(hint) = hint(said)? else { return Ok(None) };
    let role = Some(mapping.role).filter(|role| *role != Role::Unknown);
    Ok(Some(NamedAccount { hint, role }))
}

fn said<'a>(mapping: &AccountMapping, row: Row<'a>) -> Result<Said<'a>, String> {
    let mut said = Said::default();
    for (identifier, column) in &mapping.identifiers {
        let text = match row.value(column) {
            None => continue,
            Some(Value::String(text)) if text.trim().is_empty() => continue,
            Some(Value::String(text)) => text.trim(),
            Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) | Value::Null) => {
                return Err(format!("its column {column}, which names an account, is no text"));
            }
        };
        match identifier {
            Identifier::OktaId => said.okta = Some(text.parse::<OktaId>().map_err(|error| error.to_string())?),
            Identifier::Upn | Identifier::FullName => match (text.parse::<Upn>(), &said.upn) {
                (Ok(upn), Some(known)) if upn != *known => return Err("an account of it has two UPNs".to_owned()),
                (Ok(upn), _) => said.upn = Some(upn),
                (Err(_), _) if said.full.is_some_and(|known| !known.eq_ignore_ascii_case(text)) => {
                    return Err("an account of it has two names".to_owned());
                }
                (Err(_), _) => said.full = Some(text),
            },
            Identifier::Sid
            | Identifier::AadUserId
            | Identifier::ObjectGuid
            | Identifier::Name
            | Identifier::UpnSuffix
            | Identifier::NtDomain
            | Identifier::DnsDomain
            | Identifier::DisplayName => {
                said.object.insert(identifier.word().to_owned(), json!(text));
            }
        }
    }
    Ok(said)
}

/// The identifiers together; none where there are none by which anybody could be found.
fn hint(said: Said<'_>) -> Result<Option<AccountHint>, String> {
    let Said { mut object, full, upn, okta } = said;
    // A full name that is no UPN may carry its domain, which is read from it.
    if let Some(full) = full {
        let bare = full.rsplit('\\').next().unwrap_or(full);
        match object.get("Name").and_then(Value::as_str) {
            Some(name) if !name.eq_ignore_ascii_case(bare) => {
                return Err("an account of it has two names".to_owned());
            }
            _ => object.insert("Name".to_owned(), json!(full)),
        };
    }
    if let (Some(upn), false) = (&upn, object.contains_key("Name")) {
        object.insert("Name".to_owned(), json!(upn.as_str()));
    }
    let finds = ["Sid", "AadUserId", "ObjectGuid", "Name"].iter().any(|field| object.contains_key(*field));
    let mut hint = if finds {
        object.insert("Type".to_owned(), json!("account"));
        match entities::read(Some(&json!([object]))) {
            Entities::Unreadable(why) => return Err(why),
            read @ (Entities::Missing | Entities::Read(_) | Entities::Crowd { .. }) => {
                read.kept().first().map(|named| named.hint.clone()).unwrap_or_default()
            }
        }
    } else if okta.is_some() {
        AccountHint::default()
    } else {
        return Ok(None);
    };
    match (&hint.upn, &upn) {
        (Some(made), Some(given)) if made != given => return Err("an account of it has two UPNs".to_owned()),
        _ => hint.upn = upn.or(hint.upn),
    }
    hint.okta_id = okta;
    Ok(Some(hint))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::kql_runner::Rows;

    fn named(cells: &[(Identifier, &str)]) -> Result<Option<AccountHint>, String> {
        let columns: Vec<String> = (0..cells.len()).map(|n| format!("Column{n}")).collect();
        let identifiers = cells.iter().map(|(identifier, _)| *identifier).zip(columns.clone()).collect();
        let rows = Rows { columns, rows: vec![cells.iter().map(|(_, cell)| json!(cell)).collect()], partial: false };
        let named = account(&AccountMapping { role: Role::Suspect, identifiers }, rows.iter().next().unwrap())?;
        Ok(named.map(|named| named.hint))
    }

    #[test]
    fn an_okta_id_alone_names_an_account() {
        for more in [&[][..], &[(Identifier::DisplayName, "Adele"), (Identifier::NtDomain, "CONTOSO")]] {
            let cells: Vec<_> = more.iter().copied().chain([(Identifier::OktaId, "00ub0oNGTSWTBKOLGLNR")]).collect();
            let hint = named(&cells).unwrap().unwrap();
            assert_eq!(hint.okta_id.unwrap().as_str(), "00ub0oNGTSWTBKOLGLNR");
        }
    }

    #[test]
    fn a_name_beside_a_upn_takes_nothing_from_it_in_whatever_order_they_stand() {
        use Identifier::{FullName, Name, NtDomain, Upn, UpnSuffix};
        let one = [(Upn, "Adele.Vance@contoso.com"), (Name, "adele"), (NtDomain, "CONTOSO")];
        let turned = [one[2], one[1], one[0]];
        for cells in [one, turned] {
            let hint = named(&cells).unwrap().unwrap();
            assert_eq!(hint.upn.unwrap().as_str(), "adele.vance@contoso.com");
            assert_eq!((hint.name.as_deref(), hint.nt_domain.as_deref()), (Some("adele"), Some("CONTOSO")));
        }
        let same = [(FullName, "adele@contoso.com"), (Name, "Adele"), (UpnSuffix, "contoso.com")];
        assert_eq!(named(&same).unwrap().unwrap().upn.unwrap().as_str(), "adele@contoso.com");
        let full = named(&[(FullName, "CONTOSO\\adele"), (Name, "adele")]).unwrap().unwrap();
        assert_eq!((full.name.as_deref(), full.nt_domain.as_deref()), (Some("adele"), Some("CONTOSO")));
    }

    #[test]
    fn identifiers_that_name_two_accounts_are_none() {
        use Identifier::{FullName, Name, Upn, UpnSuffix};
        for cells in [
            [(Upn, "a@c.d"), (FullName, "b@c.d"), (Name, "")],
            [(Upn, "a@c.d"), (Name, "b"), (UpnSuffix, "c.d")],
            [(FullName, "C\\a"), (Name, "b"), (UpnSuffix, "")],
            [(FullName, "C\\a"), (FullName, "C\\b"), (Name, "")],
        ] {
            assert!(named(&cells).is_err(), "{cells:?}");
        }
    }

    #[test]
    fn what_finds_nobody_names_nobody() {
        assert_eq!(named(&[(Identifier::DisplayName, "Adele"), (Identifier::NtDomain, "CONTOSO")]), Ok(None));
        assert_eq!(named(&[(Identifier::Upn, " ")]), Ok(None));
        assert!(!named(&[(Identifier::Upn, "adele")]).unwrap().unwrap().is_strong());
    }
}
