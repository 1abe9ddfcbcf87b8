//! An application's own statement, signed with the key of its certificate, in place of a secret (Microsoft identity
//! platform: "Application authentication certificate credentials").

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::error::{Error, ErrorKind};
use azure_core::http::ClientMethodOptions;
use azure_identity::ClientAssertion;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::model::secret::Secret;
use crate::model::time::{At, Clock, SystemClock};

/// How long a statement is good for.
const LIFE: Duration = Duration::from_mins(5);
/// The clock of the sign-in endpoint may be behind ours by this much.
const CLOCKS_DIFFER: Duration = Duration::from_mins(5);

/// Signs statements that an application is who it says.
pub(super) struct Statement {
    key: EncodingKey,
    thumbprint: String,
    client_id: String,
    audience: String,
}

/// What is stated.
#[derive(Debug, Serialize)]
struct Claims<'a> {
    aud: &'a str,
    iss: &'a str,
    sub: &'a str,
    jti: String,
    nbf: i64,
    iat: i64,
    exp: i64,
}

impl Statement {
    /// From PEM with a certificate, the application's own first, and its RSA key. `audience` is the token endpoint.
    ///
    /// # Errors
    /// Why the PEM cannot be used; the sentence holds nothing of it.
    pub(super) fn new(pem: &Secret, client_id: &str, audience: String) -> Result<Self, String> {
        let own = CertificateDer::pem_slice_iter(pem.expose().as_bytes()).next().and_then(Result::ok);
        let own = own.ok_or("the certificate is no PEM that can be read")?;
        let key = private_key(pem.expose()).ok_or("there is no private key in PEM beside the certificate")?;
        let key = EncodingKey::from_rsa_pem(key.as_bytes());
        let key =
            key.map_err(|_| "the private key cannot be used: it must be an RSA key in PEM, without a password")?;
        let thumbprint = URL_SAFE_NO_PAD.encode(Sha256::digest(&own));
        Ok(Self { key, thumbprint, client_id: client_id.to_owned(), audience })
    }

    fn sign(&self, now: At) -> Result<String, jsonwebtoken::errors::Error> {
        let claims = Claims {
            aud: &self.audience,
            iss: &self.client_id,
            sub: &self.client_id,
            jti: statement_id(),
            nbf: now.minus(CLOCKS_DIFFER).unix_seconds(),
            iat: now.unix_seconds(),
            exp: now.plus(LIFE).unix_seconds(),
        };
        let header = Header { x5t_s256: Some(self.thumbprint.clone()), ..Header::new(Algorithm::PS256) };
        jsonwebtoken::encode(&header, &claims, &self.key)
    }
}

#[async_trait]
impl ClientAssertion for Statement {
    async fn secret(&self, _: Option<ClientMethodOptions<'_>>) -> azure_core::Result<String> {
        let unsigned = |_| Error::with_message(ErrorKind::Credential, "the private key of the certificate cannot sign");
        self.sign(SystemClock.now()).map_err(unsigned)
    }
}

impl fmt::Debug for Statement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Statement({}, ***)", self.client_id)
    }
}

/// The first private key of several blocks of PEM.
fn private_key(pem: &str) -> Option<String> {
    pem.split("-----BEGIN ").skip(1).find_map(|block| {
        let label = block.split_once("-----")?.0;
        let end = format!("-----END {label}-----");
        let whole = block.find(&end).and_then(|at| block.get(..at + end.len()))?;
        label.ends_with("PRIVATE KEY").then(|| format!("-----BEGIN {whole}\n"))
    })
}

#[expect(clippy::disallowed_methods, reason = "no two statements have the same id")]
fn statement_id() -> String {
    Uuid::new_v4().to_string()
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Validation};
    use rcgen::{CertificateParams, KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};
    use serde_json::Value;

    use super::*;

    const AUDIENCE: &str = "https://login.test/tenant/oauth2/v2.0/token";

    fn certified(key: &KeyPair) -> String {
        CertificateParams::new(Vec::new()).unwrap().self_signed(key).unwrap().pem()
    }

    fn statement(pem: &str) -> Result<Statement, String> {
        Statement::new(&Secret::new(pem), "app", AUDIENCE.to_owned())
    }

    #[test]
    fn a_statement_is_signed_with_the_key_and_names_the_certificate_endpoint_and_application() {
        let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
        let certificate = certified(&key);
        let now = At::from_unix_seconds(4_000_000_000);
        for pem in [format!("{certificate}{}", key.serialize_pem()), format!("{}{certificate}", key.serialize_pem())] {
            let text = statement(&pem).unwrap().sign(now).unwrap();
            let mut validation = Validation::new(Algorithm::PS256);
            validation.set_audience(&[AUDIENCE]);
            let verified = DecodingKey::from_rsa_pem(key.public_key_pem().as_bytes()).unwrap();
            let read = jsonwebtoken::decode::<Value>(&text, &verified, &validation).unwrap();
            let der = CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap();
            assert_eq!(read.header.x5t_s256, Some(URL_SAFE_NO_PAD.encode(Sha256::digest(&der))));
            assert_eq!((&read.claims["iss"], &read.claims["sub"]), (&"app".into(), &"app".into()));
            assert_eq!(
                (&read.claims["nbf"], &read.claims["exp"]),
                (&3_999_999_700_i64.into(), &4_000_000_300_i64.into())
            );
        }
    }

    #[test]
    fn what_cannot_be_used_is_said_without_a_word_of_it() {
        let key = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap();
        let (certificate, private) = (certified(&key), key.serialize_pem());
        for (pem, why) in [
            (format!("{certificate}{private}"), "must be an RSA key"),
            (certificate.clone(), "no private key in PEM"),
            (private.clone(), "the certificate is no PEM"),
            (
                "-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----\n".to_owned(),
                "the certificate is no PEM",
            ),
        ] {
            let error = statement(&pem).unwrap_err();
            assert!(error.contains(why) && !error.contains("BEGIN"), "{error}");
        }
    }
}
