//! Where calls go: the endpoints of the cloud or what is written in their place, the proxy, and trusted authorities.

use std::net::IpAddr;
use std::path::PathBuf;

use serde::Serialize;
use url::{Host, Url};

use super::cloud::{Api, Cloud};
use super::origin::{Reading, shown};
use super::print;
use super::read::{Item, Table};
use super::secret::SecretSource;
use crate::model::secret::Secret;

/// One API: where it is, and for what its tokens are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Endpoint {
    /// The address under which its paths hang; without query, fragment or credentials. https, except on loopback.
    #[serde(serialize_with = "print::text")]
    pub url: Url,
    /// The scope of its tokens, `https://HOST/.default`: the cloud's own, also when calls go through another host.
    pub scope: String,
}

/// `[endpoints]`: the APIs of the tenant's cloud.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Endpoints {
    /// The Entra authority.
    pub login: Endpoint,
    /// Microsoft Graph.
    pub graph: Endpoint,
    /// Log Analytics queries.
    pub log_analytics: Endpoint,
    /// Azure Resource Manager.
    pub arm: Endpoint,
}

/// `[proxy]`, or `HTTPS_PROXY` and `NO_PROXY` from the environment.
#[derive(Debug, Clone, Serialize)]
pub struct Proxy {
    /// The proxy, `http://proxy.contoso.com:8080`; without credentials.
    #[serde(serialize_with = "print::text")]
    pub url: Url,
    /// For a proxy that wants to know who asks.
    pub user: Option<String>,
    /// The password that belongs to it.
    pub password: Option<SecretSource>,
    /// Hosts, `.domains` and networks that are called directly; `*` for all.
    pub no_proxy: Vec<String>,
}

/// `[tls]`.
#[derive(Debug, Clone, Default, Serialize)]
pub struct Tls {
    /// A PEM file of authorities that are trusted besides the system's.
    pub ca_file: Option<PathBuf>,
}

impl Endpoints {
    /// The endpoints of a cloud as they are.
    pub(super) fn read(mut table: Table<'_>, cloud: Cloud) -> Option<Self> {
        let [login, graph, log_analytics, arm] =
            [("login", Api::Login), ("graph", Api::Graph), ("log_analytics", Api::LogAnalytics), ("arm", Api::Arm)]
                .map(|(key, api)| endpoint(&mut table, key, api, cloud));
        table.end();
        Some(Self { login: login?, graph: graph?, log_analytics: log_analytics?, arm: arm? })
    }
}

fn endpoint(table: &mut Table<'_>, key: &'static str, api: Api, cloud: Cloud) -> Option<Endpoint> {
    let url = match table.take(key) {
        None => Url::parse(&format!("https://{}", cloud.host(api))).ok(),
        Some(item) => item.parse(|text| service_url(text, api != Api::Login)),
    }?;
    // The older name of the same API, which has tokens of its own.
    let old_name = "api.loganalytics.io";
    let scope = match (api, url.host_str()) {
        (Api::LogAnalytics, Some(host)) if host == old_name => format!("https://{old_name}/.default"),
        _ => cloud.scope(api),
    };
    Some(Endpoint { url, scope })
}

/// An address to which riposte sends tokens. A bare host name means https. The complaint says all that it is not.
pub(super) fn service_url(text: &str, may_have_path: bool) -> Result<Url, String> {
    let full = if text.contains("://") { text.to_owned() } else { format!("https://{text}") };
    let url = Url::parse(&full).ok().filter(|url| full == text || !is_word(url));
    let url = url.ok_or("is not an address such as https://graph.microsoft.com")?;
    let version = version(&url);
    let complaints = [
        match url.scheme() {
            "https" => None,
            "http" if is_loopback(&url) => None,
            "http" => Some("must be https (plain http is for loopback only)".to_owned()),
            _ => Some("must be https".to_owned()),
        },
        (!url.username().is_empty() || url.password().is_some())
            .then(|| "must not carry a user name or password".to_owned()),
        (!may_have_path && url.path() != "/").then(|| "must not have a path".to_owned()),
        version.filter(|_| may_have_path).map(|version| {
            format!("must not end in the API's version, which riposte adds itself: leave /{version} out")
        }),
        (url.query().is_some() || url.fragment().is_some()).then(|| "must not have a query or fragment".to_owned()),
    ];
    let complaints: Vec<String> = complaints.into_iter().flatten().collect();
    if complaints.is_empty() { Ok(url) } else { Err(complaints.join(", ")) }
}

/// A name without a dot, which no API of a cloud has. With a scheme before it, it may be a gateway's.
fn is_word(url: &Url) -> bool {
    matches!(url.host(), Some(Host::Domain(name)) if !name.contains('.')) && !is_loopback(url)
}

/// The version of an API, where the path ends in one: `v1.0`, `v1`, `beta`.
fn version(url: &Url) -> Option<&str> {
    let last = url.path_segments()?.rfind(|part| !part.is_empty())?;
    let numbers = last.strip_prefix(['v', 'V']);
    let is_version = numbers.is_some_and(|rest| {
        rest.starts_with(|c: char| c.is_ascii_digit()) && rest.chars().all(|c| c.is_ascii_digit() || c == '.')
    });
    (is_version || last.eq_ignore_ascii_case("beta")).then_some(last)
}

fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => IpAddr::V4(address).is_loopback(),
        Some(Host::Ipv6(address)) => IpAddr::V6(address).is_loopback(),
        None => false,
    }
}

impl Proxy {
    /// From the settings, or else from the environment as other programs read it.
    pub(super) fn read(mut table: Table<'_>) -> Option<Self> {
        let reading = table.reading();
        let url = table.take("url").map(|item| item.parse(proxy_url));
        let user = table.take("user").and_then(Item::text);
        let password = table.take("password");
        let has_password = password.is_some();
        let password = password.and_then(SecretSource::of);
        let no_proxy = table.take("no_proxy").map(Item::items);
        let no_proxy = no_proxy.map(|items| items.into_iter().filter_map(Item::text).collect());
        let at = table.origin().clone();
        table.end();
        if password.is_some() && user.is_none() {
            let help = Some("add proxy.user, or take the password away");
            reading.error("settings/contradiction", &at, "proxy.password without proxy.user", help);
        }
        if user.is_some() && !has_password {
            let help = Some("add proxy.password, or take the user away; a proxy that asks for both answers 407");
            reading.warning("settings/contradiction", &at, "proxy.user without proxy.password", help);
        }
        let no_proxy = no_proxy.unwrap_or_else(|| no_proxy_of_environment(reading));
        match url {
            Some(url) => Some(Self { url: url?, user, password, no_proxy }),
            None => Self::of_environment(reading, no_proxy),
        }
    }

    fn of_environment(reading: &Reading, no_proxy: Vec<String>) -> Option<Self> {
        let (name, text) = either(reading, ["HTTPS_PROXY", "https_proxy"])?;
        let full = if text.contains("://") { text.to_owned() } else { format!("http://{text}") };
        let parsed = Url::parse(&full).ok().filter(is_proxy);
        let Some(mut url) = parsed else {
            let origin = super::origin::Origin::Variable(name.to_owned());
            let help = Some("a proxy is given as http://HOST:PORT");
            reading.error(
                "settings/wrong-value",
                &origin,
                format!("environment variable {name} is no proxy's address"),
                help,
            );
            return None;
        };
        let plain = |text: &str| percent_encoding::percent_decode_str(text).decode_utf8_lossy().into_owned();
        let user = Some(plain(url.username())).filter(|user| !user.is_empty());
        let password = url.password().map(|password| SecretSource::value(Secret::new(plain(password))));
        let _ = url.set_password(None);
        let _ = url.set_username("");
        Some(Self { url, user, password, no_proxy })
    }
}

fn no_proxy_of_environment(reading: &Reading) -> Vec<String> {
    let list = either(reading, ["NO_PROXY", "no_proxy"]).map_or("", |(_, list)| list);
    list.split(',').map(str::trim).filter(|host| !host.is_empty()).map(str::to_owned).collect()
}

fn either<'r>(reading: &'r Reading, names: [&'static str; 2]) -> Option<(&'static str, &'r str)> {
    names.into_iter().find_map(|name| Some((name, reading.variable(name)?)))
}

fn proxy_url(text: &str) -> Result<Url, &'static str> {
    let url = Url::parse(text).ok().filter(is_proxy).ok_or("is not a proxy's address such as http://proxy:8080")?;
    if url.username().is_empty() && url.password().is_none() {
        Ok(url)
    } else {
        Err("must not carry credentials: they go into proxy.user and proxy.password")
    }
}

fn is_proxy(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.host().is_some() && url.path() == "/" && url.query().is_none()
}

impl Tls {
    /// Makes sure that the file is there and looks like certificates.
    pub(super) fn read(mut table: Table<'_>) -> Self {
        let reading = table.reading();
        let ca_file = table.take("ca_file").and_then(|item| {
            let (origin, name) = (item.origin().clone(), item.name());
            let path = item.path()?;
            let path_shown = shown(&path.display().to_string());
            let complaint = match super::bounded_text(&path) {
                Ok(text) if text.contains("-----BEGIN CERTIFICATE-----") => return Some(path),
                Ok(_) => "holds no certificate in PEM form".to_owned(),
                Err(error) => format!("cannot be read: {error}"),
            };
            reading.error("settings/unreadable", &origin, format!("{name}: {path_shown} {complaint}"), None);
            None
        });
        table.end();
        Self { ca_file }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_is_for_loopback_only() {
        for text in ["http://127.0.0.1:8443", "http://[::1]:1", "http://localhost:1", "https://a.b", "a.b"] {
            assert!(service_url(text, false).is_ok(), "{text}");
        }
        for text in
            ["http://a.b", "http://127.0.0.1.nip.io", "http://localhost.evil.com", "ftp://127.0.0.1", "http://0.0.0.0"]
        {
            assert!(service_url(text, false).is_err(), "{text}");
        }
    }

    #[test]
    fn an_endpoint_carries_no_credentials_query_or_unwanted_path() {
        for text in ["https://u:p@a.b", "https://a.b/?x=1", "https://a.b/#x", "https://a.b/tenant"] {
            assert!(service_url(text, false).is_err(), "{text}");
        }
        for text in ["https://a.b/base", "https://a.b/lab/graph", "https://a.b/v1.0/graph", "https://a.b/vault"] {
            assert!(service_url(text, true).is_ok(), "{text}");
        }
    }

    #[test]
    fn a_path_that_ends_in_the_version_and_a_bare_word_are_no_addresses() {
        for text in ["https://graph.microsoft.com/v1.0/", "https://a.b/x/beta", "a.b/V1"] {
            assert!(service_url(text, true).unwrap_err().contains("leave /"), "{text}");
        }
        for text in ["notaurl", "notaurl:8443", "notaurl/x"] {
            assert!(service_url(text, true).is_err(), "{text}");
        }
        for text in ["localhost", "https://gateway", "127.0.0.1:8443", "[::1]:1"] {
            assert!(service_url(text, false).is_ok(), "{text}");
        }
    }

    #[test]
    fn everything_that_is_wrong_with_an_address_is_said_at_once() {
        let said = service_url("http://u:p@a.b/path?x=1", false).unwrap_err();
        let parts = ["must be https", "user name or password", "must not have a path", "query or fragment"];
        assert!(parts.iter().all(|part| said.contains(part)) && !said.contains("u:p"), "{said}");
    }
}
