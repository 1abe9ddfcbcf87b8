//! An `identityAccounts` item: page and metadata disagree on its spelling, so both are read.

use serde_json::Value;
use uuid::Uuid;

use crate::connect::graph::json::{field, flag, identifier, list, text};
use crate::model::account::{AccountRef, Directory, OktaId, Sid};
use crate::model::failure::Provider;
use crate::model::person::{DefenderHandle, Found};
use crate::model::text::clip;

/// A person or service as Defender for Identity knows it.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Identity {
    /// The id in the path of `invokeAction`.
    pub(super) id: String,
    /// objectSid in Active Directory.
    pub(super) sid: Sid,
    /// Whether it may sign in; which of its accounts that speaks of is not documented, and the item
    /// as a whole follows Active Directory.
    pub(super) enabled: Option<bool>,
    domain: Option<String>,
    display_name: Option<String>,
    upn: Option<String>,
    accounts: Vec<(Directory, String)>,
}

impl Identity {
    /// Reads an item; `None` when it lacks an id or a SID, by which alone we ask.
    pub(super) fn read(item: &Value) -> Option<Self> {
        Some(Self {
            id: identifier(item, "id")?.to_owned(),
            sid: text(item, "onPremisesSecurityIdentifier")?.parse().ok()?,
            enabled: flag(item, "isEnabled"),
            domain: text(item, "domain").map(|domain| clip(domain, 256)),
            display_name: text(item, "displayName").map(|name| clip(name, 256)),
            upn: text(item, "userPrincipalName").map(str::to_owned),
            accounts: list(item, "accounts").iter().filter_map(account).collect(),
        })
    }

    /// Its accounts. The identifier of the Entra account is taken for an object id and that of the
    /// Okta account for a user id, where they have that shape; neither is documented, so the
    /// directory itself has to confirm them before anything is done there. An Okta account can only be
    /// named when there is one org.
    pub(super) fn found(&self, okta_org: Option<&str>) -> Vec<Found> {
        self.accounts.iter().filter_map(|(directory, identifier)| self.one(*directory, identifier, okta_org)).collect()
    }

    fn one(&self, directory: Directory, identifier: &str, okta_org: Option<&str>) -> Option<Found> {
        let account = match directory {
            Directory::ActiveDirectory => AccountRef::Ad(self.sid.clone()),
            Directory::Entra => AccountRef::Entra(Uuid::parse_str(identifier).ok()?),
            Directory::Okta => {
                let id: OktaId = identifier.starts_with("00u").then(|| identifier.parse().ok())??;
                AccountRef::Okta { org: okta_org?.to_owned(), id }
            }
        };
        let is_ad = directory == Directory::ActiveDirectory;
        let entra_id = match &account {
            AccountRef::Entra(id) => Some(*id),
            AccountRef::Ad(_) | AccountRef::Okta { .. } => None,
        };
        Some(Found {
            upn: self.upn.as_ref().filter(|_| is_ad).and_then(|upn| upn.parse().ok()),
            domain: self.domain.clone().filter(|_| is_ad),
            display_name: self.display_name.clone(),
            sid: Some(self.sid.clone()),
            entra_id,
            enabled: self.enabled.filter(|_| is_ad),
            handle: Some(DefenderHandle { identity: self.id.clone(), account: identifier.to_owned() }),
            ..Found::bare(account, Provider::Defender)
        })
    }
}

/// The correlation id of an `invokeAction` answer, with or without its `value` wrapper.
pub(super) fn correlation(answer: &Value) -> Option<String> {
    let result = field(answer, "value").filter(|value| value.is_object()).unwrap_or(answer);
    identifier(result, "correlationId").map(|id| clip(id, 64))
}

fn account(item: &Value) -> Option<(Directory, String)> {
    let provider = text(item, "identityProvider").or_else(|| text(item, "provider"))?;
    let directory = match provider.to_ascii_lowercase().as_str() {
        "activedirectory" => Directory::ActiveDirectory,
        "entraid" => Directory::Entra,
        "okta" => Directory::Okta,
        _ => return None,
    };
    Some((directory, identifier(item, "identifier")?.to_owned()))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn item(provider_field: &str, providers: [&str; 3]) -> Value {
        let account = |provider: &str, id: &str| json!({provider_field: provider, "identifier": id, "actions": []});
        json!({
            "id": "ident-1", "displayName": "Adele", "domain": "contoso.local", "isEnabled": true,
            "onPremisesSecurityIdentifier": "S-1-5-21-1-2-3-1104",
            "accounts": [
                account(providers[0], "ad-account"),
                account(providers[1], "69dfa3ea-1295-4e2c-b469-59564581143d"),
                account(providers[2], "00uadele"),
            ],
        })
    }

    #[test]
    fn both_spellings_give_the_same_accounts() {
        let page = Identity::read(&item("provider", ["ActiveDirectory", "EntraID", "Okta"])).unwrap();
        let metadata = Identity::read(&item("identityProvider", ["activeDirectory", "entraID", "okta"])).unwrap();
        assert_eq!(page, metadata);
        let found = page.found(Some("main"));
        let names: Vec<String> = found.iter().map(|f| f.account.to_string()).collect();
        assert_eq!(
            names,
            ["ad:S-1-5-21-1-2-3-1104", "entra:69dfa3ea-1295-4e2c-b469-59564581143d", "okta:main/00uadele"]
        );
        assert_eq!(found[0].handle.as_ref().unwrap().account, "ad-account");
        assert!(found.iter().all(|f| f.handle.as_ref().unwrap().identity == "ident-1"));
        assert_eq!((found[0].enabled, found[1].enabled), (Some(true), None));
    }

    #[test]
    fn accounts_that_cannot_be_named_surely_are_left_out() {
        let identity = Identity::read(&item("provider", ["activeDirectory", "somethingNew", "okta"])).unwrap();
        assert_eq!(identity.found(None).len(), 1, "no provider we know, no single org");
        let mut guid = item("provider", ["activeDirectory", "entraID", "okta"]);
        guid["accounts"][2]["identifier"] = json!("878a6911-f3da-41eb-a895-1d46fa054d3e");
        guid["accounts"][1]["identifier"] = json!("../users");
        assert_eq!(Identity::read(&guid).unwrap().found(Some("main")).len(), 1, "no id of the shape of its directory");
    }

    #[test]
    fn an_item_without_id_or_sid_is_none() {
        assert!(Identity::read(&json!({"id": "x", "onPremisesSecurityIdentifier": "S-1-5-21-1)(x=*"})).is_none());
        assert!(Identity::read(&json!({"onPremisesSecurityIdentifier": "S-1-5-21-1-2-3-4"})).is_none());
        assert!(Identity::read(&json!(7)).is_none());
    }

    #[test]
    fn the_correlation_id_is_read_with_and_without_a_wrapper() {
        assert_eq!(correlation(&json!({"value": {"correlationId": "c1"}})).as_deref(), Some("c1"));
        assert_eq!(correlation(&json!({"correlationId": "c2"})).as_deref(), Some("c2"));
        assert_eq!(correlation(&json!({"value": {"correlationId": null}})), None);
    }
}
