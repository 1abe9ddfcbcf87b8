//! The applications that may sign in: riposte's own, by secret or certificate, and a second one for whoever lets another
//! one act and comment.

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jsonwebtoken::{Algorithm, DecodingKey, Validation};
use rcgen::{CertificateParams, DnType, KeyPair, PKCS_RSA_SHA256};
use serde_json::Value;
use sha2::{Digest, Sha256};

use super::LabError;
use super::http::Req;
use super::ids;
use super::world::World;

/// A certificate of riposte's application, as it is registered.
pub(crate) struct Certificate {
    /// Certificate and private key, for whoever signs in.
    pub(crate) pem: String,
    thumbprint: String,
    public_key: DecodingKey,
}

impl Certificate {
    /// A fresh one.
    pub(crate) fn make() -> Result<Self, LabError> {
        let failed =
            |e: rcgen::Error| LabError::Tls { what: "make the application's certificate", cause: e.to_string() };
        let key = KeyPair::generate_for(&PKCS_RSA_SHA256).map_err(failed)?;
        let mut certificate = CertificateParams::new(Vec::default()).map_err(failed)?;
        certificate.distinguished_name.push(DnType::CommonName, "riposte lab application");
        let certificate = certificate.self_signed(&key).map_err(failed)?;
        let public_key = DecodingKey::from_rsa_pem(key.public_key_pem().as_bytes());
        let public_key =
            public_key.map_err(|e| LabError::Tls { what: "read its own public key", cause: e.to_string() })?;
        Ok(Self {
            pem: format!("{}{}", certificate.pem(), key.serialize_pem()),
            thumbprint: URL_SAFE_NO_PAD.encode(Sha256::digest(certificate.der())),
            public_key,
        })
    }

    /// Whether a statement is signed with its key, names it, the application and the token endpoint, and holds at this
    /// moment of the machine's clock (Microsoft: "Application authentication certificate credentials"). A recording proxy
    /// may stand in front, so the endpoint's host is not compared.
    fn signed(&self, statement: &str) -> bool {
        let mut rules = Validation::new(Algorithm::PS256);
        rules.algorithms = vec![Algorithm::PS256, Algorithm::RS256];
        rules.validate_aud = false;
        rules.set_issuer(&[ids::client()]);
        rules.sub = Some(ids::client());
        rules.set_required_spec_claims(&["exp", "iss", "sub", "aud"]);
        let Ok(read) = jsonwebtoken::decode::<Value>(statement, &self.public_key, &rules) else { return false };
        let endpoint = format!("/{}/oauth2/v2.0/token", ids::tenant());
        read.header.x5t_s256.as_ref() == Some(&self.thumbprint)
            && read.claims.get("aud").and_then(Value::as_str).is_some_and(|audience| audience.ends_with(&endpoint))
    }
}

/// Why the one who asks for a token is none of the applications: Entra's error, its number and its sentence.
pub(crate) fn stranger(world: &World, req: &Req) -> Option<(&'static str, u32, &'static str)> {
    let field = |name: &str| req.form(name).unwrap_or_default();
    let is_statement = field("client_assertion_type") == "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
        && field("client_assertion").split('.').count() == 3;
    let secret = field("client_secret");
    let wrong_secret = ("invalid_client", 7_000_215, "AADSTS7000215: Invalid client secret provided.");
    if field("client_id") == ids::actor() {
        return (secret != ids::ACTOR_SECRET).then_some(wrong_secret);
    }
    if field("client_id") != ids::client() {
        let why = "AADSTS700016: Application was not found in the directory.";
        return Some(("unauthorized_client", 700_016, why));
    }
    match &world.certificate {
        _ if !is_statement => (secret != world.client_secret).then_some(wrong_secret),
        Some(certificate) if !certificate.signed(&field("client_assertion")) => {
            let why = "AADSTS700027: The certificate with identifier used to sign the client assertion is not registered \
                       on application.";
            Some(("invalid_client", 700_027, why))
        }
        // A workload's token is somebody else's to judge.
        Some(_) | None => None,
    }
}
