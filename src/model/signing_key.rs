//! Private keys that an application signs in with.

use std::fmt;

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode};
use serde::Serialize;

use super::secret::Secret;

/// An RSA private key that has been seen to sign.
#[derive(Clone)]
pub struct SigningKey(EncodingKey);

impl SigningKey {
    /// The first private key in PEM (PKCS#8 or PKCS#1), whatever else stands beside it.
    ///
    /// # Errors
    /// Why it cannot be used, as a sentence that goes on from the name of its place and holds nothing of it.
    pub fn from_pem(pem: &Secret) -> Result<Self, &'static str> {
        let text = pem.expose();
        if text.contains("BEGIN ENCRYPTED PRIVATE KEY") || text.contains("Proc-Type: 4,ENCRYPTED") {
            return Err("its private key is protected by a password; riposte needs it without one");
        }
        let block = private_key(text).ok_or("it holds no private key in PEM (BEGIN PRIVATE KEY)")?;
        let key = EncodingKey::from_rsa_pem(block.expose().as_bytes()).map(Self);
        // Some mistakes show only when it signs.
        let key = key.and_then(|key| key.sign(&Header::new(Algorithm::RS256), &()).map(|_| key));
        key.map_err(|_| "its private key does not sign: it must be an RSA key of 2048 bits or more, in PEM, whole")
    }

    /// A JSON web token.
    ///
    /// # Errors
    /// When the header names an algorithm that is not RSA's.
    pub fn sign(&self, header: &Header, claims: &impl Serialize) -> Result<String, jsonwebtoken::errors::Error> {
        encode(header, claims, &self.0)
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SigningKey(***)")
    }
}

/// The first private key of several blocks of PEM.
fn private_key(pem: &str) -> Option<Secret> {
    pem.split("-----BEGIN ").skip(1).find_map(|block| {
        let label = block.split_once("-----")?.0;
        let end = format!("-----END {label}-----");
        let whole = block.find(&end).and_then(|at| block.get(..at + end.len()))?;
        label.ends_with("PRIVATE KEY").then(|| Secret::new(format!("-----BEGIN {whole}\n")))
    })
}

#[cfg(test)]
mod tests {
    use base64::Engine as _;
    use base64::engine::general_purpose::STANDARD;
    use rcgen::{KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_RSA_SHA256};

    use super::*;

    fn told(pem: &str) -> &'static str {
        SigningKey::from_pem(&Secret::new(pem)).unwrap_err()
    }

    #[test]
    fn what_cannot_sign_is_told_without_a_word_of_it() {
        let good = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap().serialize_pem();
        assert!(SigningKey::from_pem(&Secret::new(good.as_str())).is_ok());
        let half: String = good.chars().take(good.len() / 2).collect();
        let hollow = "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n";
        let elliptic = KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap().serialize_pem();
        for (pem, why) in [
            ("hunter2", "holds no private key"),
            (half.as_str(), "holds no private key"),
            (hollow, "must be an RSA key"),
            (elliptic.as_str(), "must be an RSA key"),
            ("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAA==\n", "protected by a password"),
            ("-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n", "protected by a password"),
        ] {
            assert!(told(pem).contains(why), "{pem}: {}", told(pem));
        }
    }

    #[test]
    fn both_forms_of_a_key_sign() {
        let pair = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap();
        // PKCS#8 puts 26 bytes before the key itself, which is PKCS#1 (RFC 5958, for 2048 bits).
        let inner = STANDARD.encode(&pair.serialize_der()[26..]);
        let lines: Vec<&str> = inner.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).unwrap()).collect();
        let inner = format!("-----BEGIN RSA PRIVATE KEY-----\n{}\n-----END RSA PRIVATE KEY-----\n", lines.join("\n"));
        let sign = |pem: String| {
            let key = SigningKey::from_pem(&Secret::new(pem)).unwrap();
            key.sign(&Header::new(Algorithm::RS256), &serde_json::json!({"a": 1})).unwrap()
        };
        assert_eq!(sign(inner), sign(pair.serialize_pem()));
    }
}
