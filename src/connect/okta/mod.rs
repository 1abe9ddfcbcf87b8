//! Okta: users, their groups and sessions, over any number of orgs.

mod actions;
mod people;
mod query;
mod sign_in;
mod wire;

use std::collections::BTreeMap;
use std::sync::Arc;

use serde::de::DeserializeOwned;
use url::Url;

pub use actions::OktaActions;
pub use people::OktaPeople;
pub use sign_in::{ServiceApp, SignIn};

use crate::connect::http::{Allowed, Answer, Api, ApiOptions, BadBase, Call, Client, Method, Pace};
use crate::connect::token::Authorize;
use crate::model::failure::{Failure, FailureKind, Provider, Sent};

const USER: &str = "api/v1/users/{id}";
const SUSPEND: &str = "api/v1/users/{id}/lifecycle/suspend";
const UNSUSPEND: &str = "api/v1/users/{id}/lifecycle/unsuspend";
const DEACTIVATE: &str = "api/v1/users/{id}/lifecycle/deactivate";
const SESSIONS: &str = "api/v1/users/{id}/sessions";
const GROUPS: &str = "api/v1/users/{id}/groups";
const ROLES: &str = "api/v1/users/{id}/roles";
const GROUP_MEMBER: &str = "api/v1/groups/{group}/users/{user}";
const LOGS: &str = "api/v1/logs";

/// Every call made to an org.
const ALLOWED: &[Allowed] = &[
    Allowed(Method::Get, USER),
    Allowed(Method::Post, SUSPEND),
    Allowed(Method::Post, UNSUSPEND),
    Allowed(Method::Post, DEACTIVATE),
    Allowed(Method::Delete, SESSIONS),
    Allowed(Method::Get, GROUPS),
    Allowed(Method::Get, ROLES),
    Allowed(Method::Put, GROUP_MEMBER),
    Allowed(Method::Delete, GROUP_MEMBER),
    Allowed(Method::Get, LOGS),
];

/// What the calls need of a service app: each is granted to it, and asked for with each token.
const SCOPES: &str = "okta.users.read okta.users.manage okta.groups.manage okta.roles.read okta.logs.read";

const READ_USERS: &str = "the service app needs the scope okta.users.read and a role that may see this user; of an API token, its \
     administrator needs the role";
const READ_ROLES: &str = "the service app needs the scope okta.roles.read and a role that may see administrators; of an API token, its \
     administrator needs the role";
const READ_LOGS: &str = "the service app needs the scope okta.logs.read and a role that may read the system log; of an API token, its \
     administrator needs the role";

/// More pages of groups or roles than this are not judged.
const MOST_PAGES: usize = 50;

/// An answer of Okta is at most this large: a page of log entries.
const MAX_BODY: usize = 16 * 1024 * 1024;

/// One org at its address, `https://contoso.okta.com`.
///
/// # Errors
/// When `url` cannot be the address of an API.
pub fn api(client: &Client, url: Url, auth: Arc<dyn Authorize>, pace: Pace) -> Result<Api, BadBase> {
    Api::new(
        client,
        ApiOptions {
            provider: Provider::Okta,
            base: url,
            auth: auth.into(),
            allowed: ALLOWED,
            pace,
            max_body: MAX_BODY,
        },
    )
}

/// The orgs by their names in the settings, each made by [`api`].
pub type Orgs = BTreeMap<String, Api>;

/// All items of a list, following `Link: ...; rel="next"`.
async fn all<T: DeserializeOwned>(api: &Api, call: &Call) -> Result<Vec<T>, Failure> {
    let mut answer = api.send(call).await?;
    let mut items: Vec<T> = Vec::new();
    for _ in 0..MOST_PAGES {
        items.append(&mut answer.json()?);
        match next(&answer) {
            None => return Ok(items),
            Some(link) => answer = api.follow(call, &link).await?,
        }
    }
    Err(answer.unreadable(&format!("there are more than {MOST_PAGES} pages; the rest was not read")))
}

/// The link to the next page, from one header with several links or from several headers (RFC 8288).
fn next(answer: &Answer) -> Option<String> {
    let headers = answer.headers.get_all("link").iter().filter_map(|header| header.to_str().ok());
    headers.flat_map(links).find_map(|(link, is_next)| is_next.then(|| link.to_owned()))
}

/// Each link of a header and whether it is to the next page. A comma may stand inside `<...>`.
fn links(header: &str) -> impl Iterator<Item = (&str, bool)> {
    header.split('<').skip(1).filter_map(|part| {
        let (link, parameters) = part.split_once('>')?;
        let is_next = parameters.split([';', ',']).any(|parameter| {
            let Some((name, value)) = parameter.split_once('=') else { return false };
            name.trim().eq_ignore_ascii_case("rel") && value.trim().trim_matches('"').eq_ignore_ascii_case("next")
        });
        Some((link, is_next))
    })
}

/// A call of ours that cannot be made.
fn refuse(why: &str) -> Failure {
    Failure {
        provider: Provider::Okta,
        operation: USER.to_owned(),
        kind: FailureKind::NotAttempted,
        sent: Sent::No,
        vendor: None,
        hint: why.to_owned(),
    }
}

#[cfg(test)]
mod tests;
