//! Which database, and how it is reached.

use std::fmt;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;
use tokio_postgres::Config;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::limit::REACHING;
use crate::model::secret::Secret;

/// What every connection is told first. A replica that was frozen in the middle of a write must not hold the others
/// up, so the database ends such a transaction.
const OPTIONS: &str = "-c search_path=riposte -c statement_timeout=30s -c lock_timeout=10s \
                       -c idle_in_transaction_session_timeout=5s -c synchronous_commit=on";

/// A database, how it is reached, and how it is called in messages: by host and name, never with a password.
#[derive(Clone)]
pub struct Place {
    pub(super) config: Config,
    pub(super) tls: MakeRustlsConnect,
    name: String,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Place {
    /// From an address such as `postgres://riposte@db.example/riposte`, a password that does not stand in it, and
    /// authorities in PEM form that are trusted beside the system's. A host that is not this machine is talked to by
    /// TLS and has to prove its name, unless the address says `sslmode=disable`.
    ///
    /// # Errors
    /// What is wrong with the address or the authorities, in words that go on from the setting's name.
    pub fn new(address: &str, password: Option<&Secret>, extra_ca_pem: Option<&[u8]>) -> Result<Self, String> {
        // What the parser says could repeat the address, and somebody may have put a password there.
        let mut config: Config =
            address.parse().map_err(|_| "is no address such as postgres://USER@HOST/DATABASE".to_owned())?;
        if config.get_password().is_some() {
            return Err("holds a password; take it out, and give it as journal.password = { env = \"NAME\" } or \
                        { file = \"PATH\" }"
                .to_owned());
        }
        if !config.get_hostaddrs().is_empty() {
            return Err("must not hold hostaddr: the host is what is called and what proves its name".to_owned());
        }
        let [host] = config.get_hosts() else { return Err("must name one host".to_owned()) };
        let port = config.get_ports().first().copied().unwrap_or(5432);
        let (host, here) = match host {
            Host::Tcp(host) => (host.clone(), is_here(host)),
            #[cfg(unix)]
            Host::Unix(folder) => (folder.display().to_string(), true),
        };
        let Some(database) = config.get_dbname() else { return Err("must name a database".to_owned()) };
        if config.get_user().is_none() {
            return Err("must name a user".to_owned());
        }
        let name = format!("the database {database} at {host}:{port}");
        let mode = match (config.get_ssl_mode(), here) {
            (SslMode::Prefer, true) => SslMode::Disable,
            (SslMode::Prefer, false) => SslMode::Require,
            (said, _) => said,
        };
        config.ssl_mode(mode).options(OPTIONS).application_name("riposte");
        // What a standby says is behind, and what is decided by it may have been decided already.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        config.connect_timeout(REACHING).tcp_user_timeout(Duration::from_secs(10));
        config.keepalives_idle(Duration::from_secs(10)).keepalives_interval(Duration::from_secs(5));
        if let Some(password) = password {
            config.password(password.expose());
        }
        Ok(Self { config, tls: trusting(extra_ca_pem)?, name })
    }

    /// How it is called: its name and host.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

fn is_here(host: &str) -> bool {
    host.eq_ignore_ascii_case("localhost") || host.parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback())
}

/// The system's authorities and the extra ones; the extra ones alone where the system has none.
fn trusting(extra_ca_pem: Option<&[u8]>) -> Result<MakeRustlsConnect, String> {
    let extra: Vec<CertificateDer<'static>> = CertificateDer::pem_slice_iter(extra_ca_pem.unwrap_or_default())
        .collect::<Result<_, _>>()
        .map_err(|error| format!("cannot be reached by TLS: tls.ca_file holds no certificate in PEM form: {error}"))?;
    let fault = |error: rustls::Error| format!("cannot be reached by TLS: {error}");
    let provider = Arc::new(aws_lc_rs::default_provider());
    let builder = |provider: Arc<CryptoProvider>| {
        ClientConfig::builder_with_provider(provider).with_safe_default_protocol_versions().map_err(fault)
    };
    let config = if let Ok(verifier) = Verifier::new_with_extra_roots(extra.iter().cloned(), Arc::clone(&provider)) {
        builder(provider)?.dangerous().with_custom_certificate_verifier(Arc::new(verifier))
    } else {
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(extra);
        builder(provider)?.with_root_certificates(roots)
    };
    Ok(MakeRustlsConnect::new(config.with_no_client_auth()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_named_without_a_password_and_other_hosts_are_talked_to_by_tls() {
        let place = |address| Place::new(address, Some(&Secret::new("hunter2")), None);
        let far = place("postgres://riposte@db.example/r").unwrap();
        assert_eq!(far.name(), "the database r at db.example:5432");
        assert_eq!(format!("{far:?}"), far.name());
        assert_eq!(far.config.get_ssl_mode(), SslMode::Require);
        for (address, mode) in [
            ("postgres://r@127.0.0.1:5433/r", SslMode::Disable),
            ("postgres://r@localhost/r?sslmode=require", SslMode::Require),
            ("postgres://r@db.example/r?sslmode=disable", SslMode::Disable),
        ] {
            assert_eq!(place(address).unwrap().config.get_ssl_mode(), mode, "{address}");
        }
    }

    #[test]
    fn an_address_that_cannot_be_used_is_told_and_never_repeated() {
        for (address, word) in [
            ("postgres://r:hunter2@db.example/r", "holds a password"),
            ("hunter2", "is no address"),
            ("postgres://r@a,b/r", "one host"),
            ("postgres://r@db.example", "name a database"),
            ("postgres://db.example/r", "name a user"),
            ("postgres://r@localhost/r?hostaddr=10.0.0.5", "hostaddr"),
        ] {
            let said = Place::new(address, None, None).unwrap_err();
            assert!(said.contains(word) && !said.contains("hunter2"), "{address}: {said}");
        }
        let said = Place::new("postgres://r@db.example/r", None, Some(b"-----BEGIN CERTIFICATE-----\n!\n"));
        assert!(said.unwrap_err().contains("tls.ca_file"));
    }
}
