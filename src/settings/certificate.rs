//! A certificate with its private key, in files that are read again for each sign-in.

use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::read::{Item, Table};
use super::secret::SECRET_MISSING;
use crate::diagnostics::clipped;
use crate::model::secret::Secret;
use crate::model::signing_key::SigningKey;

/// No certificate with its chain and key is longer.
const MAX_BYTES: u64 = 256 * 1024;

/// The PEM files of an application's certificate.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CertificateFiles {
    /// The certificate, with its private key where there is no file of its own for that.
    pub certificate: PathBuf,
    /// The private key.
    pub private_key: Option<PathBuf>,
}

/// What stands in PEM before a certificate.
const CERTIFICATE: &str = "-----BEGIN CERTIFICATE-----";

impl CertificateFiles {
    /// Certificate and private key, one behind the other, as they are at this moment.
    ///
    /// # Errors
    /// A sentence that names the file: it cannot be read, is longer than 256 KiB, or does not hold what it should.
    pub fn read(&self) -> Result<Secret, String> {
        let mut text = text_of(&self.certificate)?;
        if !text.contains(CERTIFICATE) {
            return Err(wrong(&self.certificate, "it holds no certificate in PEM (BEGIN CERTIFICATE)"));
        }
        if let Some(file) = &self.private_key {
            text.push('\n');
            text.push_str(&text_of(file)?);
        }
        let key_file = self.private_key.as_ref().unwrap_or(&self.certificate);
        let both = Secret::new(text);
        SigningKey::from_pem(&both).map_err(|why| wrong(key_file, why))?;
        Ok(both)
    }

    /// Reads `certificate` and `private_key`. Files that cannot be used are a warning: `check` runs where secrets are not.
    pub(super) fn of(table: &mut Table<'_>) -> Option<Self> {
        let certificate = table.need("certificate", "the PEM file of the application's certificate and private key");
        let private_key = table.take("private_key").map(Item::path);
        let at = certificate.as_ref().map(|item| (item.reading(), item.origin().clone(), item.name()));
        let certificate = certificate.and_then(Item::path);
        let private_key = private_key.map_or(Some(None), |path| path.map(Some))?;
        let files = Self { certificate: certificate?, private_key };
        if let (Some((reading, origin, name)), Err(why)) = (at, files.read()) {
            let help =
                "riposte's user must be able to read certificate and key; without them `riposte run` does not start";
            reading.warning(SECRET_MISSING, &origin, format!("{name}: {why}"), Some(help));
        }
        Some(files)
    }
}

impl fmt::Display for CertificateFiles {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.certificate.display())
    }
}

fn text_of(path: &Path) -> Result<String, String> {
    let io = |error: std::io::Error| wrong(path, &error.to_string());
    // What is no file, a fifo say, may never end.
    if !std::fs::metadata(path).map_err(io)?.is_file() {
        return Err(wrong(path, "it is not a file"));
    }
    let mut text = String::new();
    std::fs::File::open(path).map_err(io)?.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(io)?;
    if text.len() as u64 > MAX_BYTES { Err(wrong(path, "it is longer than 256 KiB")) } else { Ok(text) }
}

fn wrong(path: &Path, why: &str) -> String {
    format!("the certificate in the file {} cannot be used: {why}", clipped(&path.display().to_string(), 300))
}

#[cfg(test)]
mod tests {
    use rcgen::{KeyPair, PKCS_RSA_SHA256};

    use super::*;

    #[test]
    fn certificate_and_key_are_read_from_one_file_or_two_and_what_is_missing_is_said() {
        let folder = tempfile::tempdir().unwrap();
        let file = |name: &str, text: &str| {
            let path = folder.path().join(name);
            std::fs::write(&path, text).unwrap();
            path
        };
        let certificate = format!("{CERTIFICATE}\nAA==\n-----END CERTIFICATE-----\n");
        let key = KeyPair::generate_for(&PKCS_RSA_SHA256).unwrap().serialize_pem();
        let (public, private) = (file("tls.crt", &certificate), file("tls.key", &key));
        let hollow = file("hollow.key", "-----BEGIN PRIVATE KEY-----\nAA==\n-----END PRIVATE KEY-----\n");
        let both = file("both.pem", &format!("{certificate}{key}"));
        let locked = file("locked.key", "-----BEGIN ENCRYPTED PRIVATE KEY-----\n");
        let read = |certificate: &PathBuf, private_key: Option<&PathBuf>| {
            CertificateFiles { certificate: certificate.clone(), private_key: private_key.cloned() }.read()
        };
        assert!(read(&both, None).unwrap().expose().contains("BEGIN PRIVATE KEY"));
        assert!(read(&public, Some(&private)).unwrap().expose().starts_with(CERTIFICATE));
        for (certificate, key, why) in [
            (&public, None, "tls.crt cannot be used: it holds no private key"),
            (&private, None, "tls.key cannot be used: it holds no certificate"),
            (&public, Some(&locked), "locked.key cannot be used: its private key is protected by a password"),
            (&public, Some(&hollow), "hollow.key cannot be used: its private key does not sign: it must be an RSA key"),
            (&folder.path().to_owned(), None, "it is not a file"),
            (&folder.path().join("gone"), None, "No such file"),
        ] {
            let error = read(certificate, key).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }
}
