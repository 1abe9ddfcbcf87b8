//! `[[okta]]`: the Okta orgs in which people have accounts, and how riposte signs in to each.

use std::collections::HashSet;

use serde::Serialize;
use url::Url;

use super::endpoints::service_url;
use super::places::name;
use super::print;
use super::read::{Item, Table};
use super::secret::SecretSource;

/// An Okta org.
#[derive(Debug, Clone, Serialize)]
pub struct OktaOrg {
    /// What people call it; unique, part of the keys of its accounts.
    pub name: String,
    /// Its address, `https://contoso.okta.com`.
    #[serde(serialize_with = "print::text")]
    pub url: Url,
    /// With what it is called.
    #[serde(flatten)]
    pub sign_in: OktaSignIn,
}

/// With what an org is called.
#[derive(Debug, Clone, Serialize)]
#[serde(untagged)]
pub enum OktaSignIn {
    /// An API token (SSWS), with the rights of the administrator who made it.
    Token {
        /// The token.
        token: SecretSource,
    },
    /// A service app, which signs in with its private key.
    Key(OktaKey),
}

/// The private key of a service app (`API Services` in Okta's console).
#[derive(Debug, Clone, Serialize)]
pub struct OktaKey {
    /// The app's client id.
    pub client_id: String,
    /// Its RSA private key in PEM.
    pub private_key: SecretSource,
    /// What Okta calls the key (`kid`). Okta wants it where the app has several. It may stand in a file as the key does, so
    /// that both change together.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key_id: Option<SecretSource>,
}

pub(super) fn orgs(tables: Vec<Table<'_>>) -> Vec<OktaOrg> {
    let mut names = HashSet::new();
    let each = tables.into_iter().filter_map(|mut table| {
        let name = name(&mut table, &mut names);
        let url = table.need("url", "its address, https://contoso.okta.com");
        let url = url.and_then(|item| item.parse(|text| service_url(text, false)));
        let sign_in = OktaSignIn::read(&mut table);
        table.end();
        Some(OktaOrg { name: name?, url: url?, sign_in: sign_in? })
    });
    each.collect()
}

impl OktaSignIn {
    fn read(table: &mut Table<'_>) -> Option<Self> {
        let token = table.take("token");
        let parts = ["client_id", "private_key", "key_id"].map(|key| table.take(key));
        if let (Some(token), Some(other)) = (&token, parts.iter().flatten().next()) {
            let message = format!("{} stands beside {}: an org is signed in to in one way", other.name(), token.name());
            let help = "leave token for an API token; client_id, private_key and key_id for a service app";
            table.reading().error("settings/contradiction", other.origin(), message, Some(help));
        }
        let by_token = token.map(SecretSource::of);
        let is_named = parts.iter().any(Option::is_some);
        let by_key = is_named.then(|| OktaKey::read(table, parts, by_token.is_none()));
        match (by_token, by_key) {
            (None, None) => {
                table.missing("token", "an API token; or, of a service app, client_id and private_key");
                None
            }
            (Some(token), None) => Some(Self::Token { token: token? }),
            (None, Some(key)) => Some(Self::Key(key?)),
            // Whichever was meant, neither is used.
            (Some(_), Some(_)) => None,
        }
    }
}

impl OktaKey {
    /// `wanted`: what is missing is a mistake.
    fn read(table: &Table<'_>, parts: [Option<Item<'_>>; 3], wanted: bool) -> Option<Self> {
        let [client_id, private_key, key_id] = parts;
        let missing = |key: &str, what: &str| wanted.then(|| table.missing(key, what));
        if client_id.is_none() {
            missing("client_id", "the client id of the service app whose key it is");
        }
        if private_key.is_none() {
            missing("private_key", "the service app's RSA private key in PEM: { env = ... } or { file = ... }");
        }
        let client_id = client_id.map(|item| item.parse(client_id_of));
        let private_key = private_key.map(SecretSource::key_of);
        let key_id = key_id.map_or(Some(None), |item| SecretSource::of(item).map(Some));
        Some(Self { client_id: client_id??, private_key: private_key??, key_id: key_id? })
    }
}

/// Okta's own begin with `0oa`; an administrator may have chosen another.
fn client_id_of(text: &str) -> Result<String, &'static str> {
    let fits = text.len() <= 100 && text.bytes().all(|byte| byte.is_ascii_graphic());
    if fits { Ok(text.to_owned()) } else { Err("is not a client id such as 0oa1b2c3d4e5f6g7h8i9") }
}
