//! The transport: trust, proxies, time-outs.

use std::sync::Arc;
use std::time::Duration;

use url::{Host, Url};

use crate::model::recovery::Recoveries;
use crate::model::secret::Secret;

const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);
/// Longer than any call's own deadline: a query may keep silent for three minutes and then answer.
const READ_TIMEOUT: Duration = Duration::from_secs(240);

/// What the transport needs to know.
#[derive(Debug, Default)]
pub struct ClientOptions {
    /// Certificates in PEM form, trusted beside the platform's own.
    pub extra_ca_pem: Option<Vec<u8>>,
    /// A proxy from the settings; the system's is not used.
    pub proxy: Option<Proxy>,
}

/// An HTTP proxy.
#[derive(Debug, Clone)]
pub struct Proxy {
    /// Its address, `http://proxy.contoso.com:8080`.
    pub url: Url,
    /// User name for basic authentication.
    pub user: Option<String>,
    /// Password for basic authentication.
    pub password: Option<Secret>,
    /// Hosts reached without it, in the form of `NO_PROXY`: `.contoso.com,10.0.0.0/8`.
    pub no_proxy: Option<String>,
}

/// The transport could not be made.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The extra certificates are none.
    #[error("the extra CA file holds no certificate in PEM form: {0}; give it BEGIN CERTIFICATE blocks")]
    ExtraCa(String),
    /// The proxy's address is none.
    #[error("the proxy address is not usable: {0}; give it as http://host:port")]
    Proxy(String),
    /// No roots of trust, or another trouble of the TLS library.
    #[error(
        "the HTTP client cannot be made: {0}; when no CA certificates were found, install the system's CA bundle \
         (package ca-certificates) or set SSL_CERT_FILE"
    )]
    Build(String),
}

/// The transport: one pool that may use a proxy, one that never does.
#[derive(Debug, Clone)]
pub struct Client {
    outward: Pool,
    direct: Pool,
    recoveries: Recoveries,
}

/// Connections, and the `host:port` of the proxy that they may go through.
#[derive(Debug, Clone)]
pub struct Pool {
    connections: reqwest::Client,
    proxy: Option<Arc<str>>,
}

impl Client {
    /// The pool for a host: loopback is never reached through a proxy.
    #[must_use]
    pub fn for_url(&self, url: &Url) -> &Pool {
        if is_loopback(url) { &self.direct } else { &self.outward }
    }

    /// Where the APIs that are called over it say that they answer again.
    #[must_use]
    pub const fn recoveries(&self) -> &Recoveries {
        &self.recoveries
    }

    /// The pool that uses the proxy, when there is one.
    #[must_use]
    pub const fn outward(&self) -> &Pool {
        &self.outward
    }

    /// The pool without a proxy, for managed identity endpoints.
    #[must_use]
    pub const fn direct(&self) -> &Pool {
        &self.direct
    }
}

impl Pool {
    /// What makes requests and carries them.
    #[must_use]
    pub const fn connections(&self) -> &reqwest::Client {
        &self.connections
    }

    /// Why a host was not reached, with its name, which the transport's own words lack, and which setting to look at.
    pub(crate) fn unreached(&self, url: &Url, words: &str) -> String {
        unreached(url, self.proxy.as_deref(), words)
    }
}

/// Makes the transport: no redirects, no repeats, time-outs, gzip, HTTP/1.1 and 2.
///
/// # Errors
/// When certificates or the proxy's address cannot be used, or no root of trust is there.
pub fn client(options: &ClientOptions) -> Result<Client, ClientError> {
    let extra = match &options.extra_ca_pem {
        Some(pem) => certificates(pem)?,
        None => Vec::new(),
    };
    let direct = Pool { connections: build(reqwest::Client::builder().no_proxy(), &extra)?, proxy: None };
    let outward = match &options.proxy {
        Some(proxy) => {
            let connections = build(reqwest::Client::builder().no_proxy().proxy(through(proxy)?), &extra)?;
            Pool { connections, proxy: Some(place(&proxy.url, proxy.url.port_or_known_default()).into()) }
        }
        None => direct.clone(),
    };
    Ok(Client { outward, direct, recoveries: Recoveries::default() })
}

/// Gets the random numbers of TLS ready. The first ones take aws-lc some 15 ms, in which it measures how the processor's
/// clock jitters; whoever does this beside other work does not wait for them with the first call.
pub fn first_random_numbers() {
    let mut number = [0; 1];
    if rustls::crypto::aws_lc_rs::default_provider().secure_random.fill(&mut number).is_err() {
        tracing::debug!("no random numbers yet; the first call asks again");
    }
}

/// Whether the address is this machine's own.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name.eq_ignore_ascii_case("localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

fn certificates(pem: &[u8]) -> Result<Vec<reqwest::Certificate>, ClientError> {
    let found = reqwest::Certificate::from_pem_bundle(pem).map_err(|error| ClientError::ExtraCa(innermost(&error)))?;
    if found.is_empty() {
        return Err(ClientError::ExtraCa("no certificate in it".to_owned()));
    }
    Ok(found)
}

fn through(proxy: &Proxy) -> Result<reqwest::Proxy, ClientError> {
    let mut made =
        reqwest::Proxy::all(proxy.url.clone()).map_err(|error| ClientError::Proxy(innermost(&error.without_url())))?;
    if let Some(user) = &proxy.user {
        made = made.basic_auth(user, proxy.password.as_ref().map_or("", Secret::expose));
    }
    Ok(made.no_proxy(proxy.no_proxy.as_deref().and_then(reqwest::NoProxy::from_string)))
}

/// With an extra CA and no platform roots (a container from scratch) the extra CA alone is trusted.
fn build(builder: reqwest::ClientBuilder, extra: &[reqwest::Certificate]) -> Result<reqwest::Client, ClientError> {
    // A builder cannot be cloned, and a failed one is spent: the first try goes without proxies,
    // which have no say in trust.
    let platform_roots = hardened(reqwest::Client::builder().no_proxy()).build();
    let builder = hardened(builder);
    let builder = match (platform_roots, extra.is_empty()) {
        (Ok(_), true) => builder,
        (Ok(_), false) => builder.tls_certs_merge(extra.iter().cloned()),
        (Err(_), false) => builder.tls_certs_only(extra.iter().cloned()),
        (Err(error), true) => return Err(ClientError::Build(innermost(&error))),
    };
    builder.build().map_err(|error| ClientError::Build(innermost(&error.without_url())))
}

fn hardened(builder: reqwest::ClientBuilder) -> reqwest::ClientBuilder {
    builder
        .redirect(reqwest::redirect::Policy::none())
        .retry(reqwest::retry::never())
        .connect_timeout(CONNECT_TIMEOUT)
        .read_timeout(READ_TIMEOUT)
        .pool_idle_timeout(Duration::from_secs(60))
        .gzip(true)
        .user_agent(concat!("riposte/", env!("CARGO_PKG_VERSION")))
}

fn place(url: &Url, port: Option<u16>) -> String {
    let host = url.host_str().unwrap_or("the address in the settings");
    port.map_or_else(|| host.to_owned(), |port| format!("{host}:{port}"))
}

fn unreached(url: &Url, proxy: Option<&str>, words: &str) -> String {
    let host = place(url, url.port());
    if words.contains("certificate") {
        return format!(
            "{host} is not trusted: {words}; where a proxy opens TLS, or the authority is your own, name its \
             certificate in tls.ca_file"
        );
    }
    match proxy {
        Some(proxy) if words.contains("proxy auth") => {
            format!("{host} cannot be reached: the proxy {proxy} refuses us; check proxy.user and proxy.password")
        }
        Some(proxy) => {
            format!("{host} cannot be reached: {words}; calls go through the proxy {proxy} (proxy.url, proxy.no_proxy)")
        }
        None => format!("{host} cannot be reached: {words}"),
    }
}

/// The last error of a chain, which says what really went wrong.
pub(crate) fn innermost(error: &dyn std::error::Error) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    // A library may add the address of its own documentation.
    let words = last.to_string();
    let words = words.split("https://").next().unwrap_or_default().trim_end_matches([':', ' ', '(']);
    crate::model::text::clip(words, 160)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_without_certificates_is_refused_with_what_is_wanted() {
        let options = ClientOptions { extra_ca_pem: Some(b"not pem".to_vec()), ..ClientOptions::default() };
        let error = client(&options).unwrap_err().to_string();
        assert!(error.contains("PEM"), "{error}");
    }

    #[test]
    fn who_cannot_be_reached_is_named_and_distrust_names_the_setting() {
        let url = "https://graph.microsoft.com/v1.0/x?secret=1".parse().unwrap();
        let refused = unreached(&url, None, "Connection refused");
        assert_eq!(refused, "graph.microsoft.com cannot be reached: Connection refused");
        let distrust = unreached(&url, None, "invalid peer certificate: UnknownIssuer");
        assert!(distrust.starts_with("graph.microsoft.com is not trusted") && distrust.contains("tls.ca_file"));
    }

    #[test]
    fn the_proxy_on_the_way_is_named_with_the_settings_to_look_at() {
        let url = "https://graph.microsoft.com/v1.0/x".parse().unwrap();
        let down = unreached(&url, Some("proxy:3128"), "Connection refused");
        let expected = "graph.microsoft.com cannot be reached: Connection refused; calls go through the proxy proxy:3128 (proxy.url, proxy.no_proxy)";
        assert_eq!(down, expected);
        let refused = unreached(&url, Some("proxy:3128"), "proxy authorization required");
        assert!(refused.contains("proxy:3128 refuses us") && refused.contains("proxy.password"), "{refused}");
    }

    #[test]
    fn a_librarys_documentation_is_no_reason() {
        let words = "peer closed connection without sending TLS close_notify: https://docs.rs/rustls/latest/x";
        let error = std::io::Error::other(words);
        assert_eq!(innermost(&error), "peer closed connection without sending TLS close_notify");
    }

    #[test]
    fn loopback_never_goes_through_the_proxy() {
        for url in ["http://127.0.0.1:1/", "http://127.9.9.9/", "https://localhost:8443/", "http://[::1]/"] {
            assert!(is_loopback(&url.parse().unwrap()), "{url}");
        }
        for url in
            ["https://graph.microsoft.com/", "http://10.0.0.1/", "https://localhost.evil.com/", "http://128.0.0.1/"]
        {
            assert!(!is_loopback(&url.parse().unwrap()), "{url}");
        }
    }

    #[test]
    fn the_proxy_password_is_not_in_its_debug_text() {
        let proxy = Proxy {
            url: "http://proxy:8080".parse().unwrap(),
            user: Some("u".into()),
            password: Some(Secret::new("hunter2")),
            no_proxy: None,
        };
        assert!(!format!("{proxy:?}").contains("hunter2"));
        let options = ClientOptions { proxy: Some(proxy), ..ClientOptions::default() };
        assert!(!format!("{:?}", client(&options).unwrap()).contains("hunter2"));
    }
}
