//! Which database, and how it is reached.

use std::fmt;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use deadpool_postgres::Connect;
use futures::future::BoxFuture;
use rustls::crypto::{CryptoProvider, aws_lc_rs};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use rustls::{ClientConfig, RootCertStore};
use rustls_platform_verifier::Verifier;
use tokio::task::JoinHandle;
use tokio_postgres::config::{Host, SslMode, TargetSessionAttrs};
use tokio_postgres::{Client, Config, Error};
use tokio_postgres_rustls::MakeRustlsConnect;

use super::limit::REACHING;
use crate::model::secret::Secret;

/// What every connection is told first. A replica that was frozen in the middle of a write must not hold the others
/// up, so the database ends such a transaction.
pub(super) const SESSION: &[(&str, &str)] = &[
    ("search_path", "riposte"),
    ("statement_timeout", "30s"),
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "5s"),
    ("synchronous_commit", "on"),
];

/// Where the password is to be had, as it is at that moment: it may change while riposte runs. `Err` says why there is none.
pub type Password = Arc<dyn Fn() -> Result<Secret, String> + Send + Sync>;

/// A database, how it is reached, and how it is called in messages: by host and name, never with a password.
#[derive(Clone)]
pub struct Place {
    config: Config,
    password: Option<Password>,
    /// The password as it was last.
    last: Arc<Mutex<Option<Secret>>>,
    pub(super) tls: MakeRustlsConnect,
    name: String,
}

impl fmt::Debug for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name)
    }
}

impl Place {
    /// From an address such as `postgres://riposte@db.example/riposte`, where to have a password, which does not stand
    /// in it, and authorities in PEM form that are trusted beside the system's. A host that is not this machine is talked to by
    /// TLS and has to prove its name, unless the address says `sslmode=disable`.
    ///
    /// # Errors
    /// What is wrong with the address or the authorities, in words that go on from the setting's name.
    pub fn new(address: &str, password: Option<Password>, extra_ca_pem: Option<&[u8]>) -> Result<Self, String> {
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
        let asked: Vec<String> = SESSION.iter().map(|(name, value)| format!("-c {name}={value}")).collect();
        config.ssl_mode(mode).options(asked.join(" ")).application_name("riposte");
        // What a standby says is behind, and what is decided by it may have been decided already.
        config.target_session_attrs(TargetSessionAttrs::ReadWrite);
        config.connect_timeout(REACHING).tcp_user_timeout(Duration::from_secs(10));
        config.keepalives_idle(Duration::from_secs(10)).keepalives_interval(Duration::from_secs(5));
        Ok(Self { config, password, last: Arc::default(), tls: trusting(extra_ca_pem)?, name })
    }

    /// How a connection is opened at this moment. A password that cannot be had just now, as while its file is written
    /// anew, is taken for the last one.
    pub(super) fn config(&self) -> Config {
        let mut config = self.config.clone();
        let mut last = self.last.lock().unwrap_or_else(PoisonError::into_inner);
        match self.password.as_ref().map(|password| password()) {
            Some(Ok(password)) => *last = Some(password),
            Some(Err(why)) => tracing::warn!(why, "journal.password cannot be had; the last one is tried"),
            None => {}
        }
        if let Some(password) = last.as_ref() {
            config.password(password.expose());
        }
        config
    }

    /// The same behind something that drops what is asked of a session.
    #[cfg(test)]
    pub(super) fn through_a_pooler(mut self) -> Self {
        self.config.options("");
        self
    }

    /// How it is called: its name and host.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }
}

impl Connect for Place {
    fn connect(&self, _: &Config) -> BoxFuture<'_, Result<(Client, JoinHandle<()>), Error>> {
        let opening = self.config();
        Box::pin(async move {
            let (client, connection) = opening.connect(self.tls.clone()).await?;
            let talking = tokio::spawn(async move {
                if let Err(error) = connection.await {
                    tracing::debug!(%error, "a connection to the database has ended");
                }
            });
            Ok((client, talking))
        })
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
        let password: Password = Arc::new(|| Ok(Secret::new("hunter2")));
        let place = |address| Place::new(address, Some(Arc::clone(&password)), None);
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
