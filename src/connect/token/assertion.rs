//! An application's own statement that it is who it says, signed with its private key, in place of a secret
//! (Microsoft identity platform: "Application authentication certificate credentials"; Okta: `private_key_jwt`).

use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use azure_core::error::{Error, ErrorKind};
use azure_core::http::ClientMethodOptions;
use azure_identity::ClientAssertion;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, Header};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::Serialize;
use sha2::{Digest, Sha256};
use uuid::Uuid;

use crate::model::secret::Secret;
use crate::model::signing_key::SigningKey;
use crate::model::time::{At, Clock, SystemClock};

/// How long a statement is good for.
const LIFE: Duration = Duration::from_mins(5);
/// The clock of the sign-in endpoint may be behind ours by this much.
const CLOCKS_DIFFER: Duration = Duration::from_mins(5);

/// Signs statements that an application is who it says.
pub(in crate::connect) struct Statement {
    key: SigningKey,
    header: Header,
    client_id: String,
    audience: String,
    /// It says from when on it is good.
    dated: bool,
}

/// What is stated.
#[derive(Debug, Serialize)]
struct Claims<'a> {
    aud: &'a str,
    iss: &'a str,
    sub: &'a str,
    jti: String,
    exp: i64,
    #[serde(flatten)]
    since: Option<Since>,
}

/// From when on.
#[derive(Debug, Serialize)]
struct Since {
    nbf: i64,
    iat: i64,
}

impl Statement {
    /// For Entra, from PEM with a certificate, the application's own first, and its RSA key. `audience` is the token
    /// endpoint.
    ///
    /// # Errors
    /// Why the PEM cannot be used; the sentence holds nothing of it.
    pub(super) fn certified(pem: &Secret, client_id: &str, audience: String) -> Result<Self, String> {
        let own = CertificateDer::pem_slice_iter(pem.expose().as_bytes()).next().and_then(Result::ok);
        let own = own.ok_or("the certificate cannot be used: it is no PEM that can be read")?;
        let key = SigningKey::from_pem(pem).map_err(|why| format!("the certificate cannot be used: {why}"))?;
        let thumbprint = URL_SAFE_NO_PAD.encode(Sha256::digest(&own));
        let header = Header { x5t_s256: Some(thumbprint), ..Header::new(Algorithm::PS256) };
        Ok(Self { key, header, client_id: client_id.to_owned(), audience, dated: true })
    }

    /// For Okta, which knows the public key, by `key_id` where there are several. Okta refuses what was issued a second
    /// in its future, and wants to know no more than the end.
    pub(in crate::connect) fn keyed(
        key: SigningKey,
        key_id: Option<String>,
        client_id: &str,
        audience: String,
    ) -> Self {
        let header = Header { kid: key_id, ..Header::new(Algorithm::RS256) };
        Self { key, header, client_id: client_id.to_owned(), audience, dated: false }
    }

    /// A statement of this moment; no two are the same.
    pub(in crate::connect) fn sign(&self, now: At) -> Result<String, jsonwebtoken::errors::Error> {
        let since = || Since { nbf: now.minus(CLOCKS_DIFFER).unix_seconds(), iat: now.unix_seconds() };
        let claims = Claims {
            aud: &self.audience,
            iss: &self.client_id,
            sub: &self.client_id,
            jti: statement_id(),
            exp: now.plus(LIFE).unix_seconds(),
            since: self.dated.then(since),
        };
        self.key.sign(&self.header, &claims)
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
        Statement::certified(&Secret::new(pem), "app", AUDIENCE.to_owned())
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
            (certificate.clone(), "holds no private key in PEM"),
            (private.clone(), "it is no PEM"),
            ("-----BEGIN CERTIFICATE-----\nnot base64!\n-----END CERTIFICATE-----\n".to_owned(), "it is no PEM"),
        ] {
            let error = statement(&pem).unwrap_err();
            assert!(error.contains(why) && !error.contains("-----"), "{error}");
        }
    }

    #[test]
    fn a_statement_for_okta_names_its_key_ends_soon_and_is_never_the_same() {
        let pair = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
        let key = SigningKey::from_pem(&Secret::new(pair.serialize_pem())).unwrap();
        let audience = "https://contoso.okta.test/oauth2/v1/token";
        let statement = Statement::keyed(key, Some("k1".into()), "0oa1", audience.into());
        let now = At::from_unix_seconds(4_000_000_000);
        let read = |text: &str| {
            let mut validation = Validation::new(Algorithm::RS256);
            validation.set_audience(&[audience]);
            let verified = DecodingKey::from_rsa_pem(pair.public_key_pem().as_bytes()).unwrap();
            jsonwebtoken::decode::<Value>(text, &verified, &validation).unwrap()
        };
        let (one, two) = (read(&statement.sign(now).unwrap()), read(&statement.sign(now).unwrap()));
        assert_eq!(one.header.kid.as_deref(), Some("k1"));
        assert_eq!((&one.claims["iss"], &one.claims["sub"]), (&"0oa1".into(), &"0oa1".into()));
        assert_eq!(one.claims["exp"], 4_000_000_300_i64);
        assert!(one.claims.get("iat").is_none(), "a clock a second ahead would be refused");
        assert_ne!(one.claims["jti"], two.claims["jti"]);
    }
}
