//! Where secrets come from: a value, an environment variable, or a file that is read again when it changes.

use std::cmp::Ordering;
use std::fmt;
use std::io::Read;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::SystemTime;

use serde::Serialize;

use super::read::Item;
use crate::model::secret::Secret;

/// The finding for a secret that cannot be had: a warning, which whoever signs in takes for an error.
pub const SECRET_MISSING: &str = "settings/secret-missing";
/// No token or password is longer.
const MAX_BYTES: u64 = 64 * 1024;

/// A secret, or where it can be had. Printed as stars, also in dumps.
#[derive(Clone)]
pub struct SecretSource(Kind);

#[derive(Clone)]
enum Kind {
    Value(Secret),
    Variable { name: String, secret: Option<Secret> },
    File(SecretFile),
}

#[derive(Clone)]
struct SecretFile {
    path: PathBuf,
    seen: Arc<Mutex<Option<Seen>>>,
}

struct Seen {
    modified: SystemTime,
    length: u64,
    secret: Secret,
}

/// A secret cannot be had.
#[derive(Debug, Clone, thiserror::Error)]
#[error("the secret in {place} cannot be had: {why}")]
pub struct SecretUnreadable {
    place: String,
    why: String,
}

impl SecretSource {
    /// A secret given as it is.
    #[must_use]
    pub fn value(secret: Secret) -> Self {
        Self(Kind::Value(secret))
    }

    /// A secret in a file: its text without the line end.
    #[must_use]
    pub fn file(path: impl Into<PathBuf>) -> Self {
        Self(Kind::File(SecretFile { path: path.into(), seen: Arc::default() }))
    }

    /// The secret as it is at this moment. A file is read again when its time or length has changed.
    ///
    /// # Errors
    /// When the variable was not set, or the file is missing, unreadable, empty, longer than 64 KiB or not one line of
    /// text.
    pub fn read(&self) -> Result<Secret, SecretUnreadable> {
        match &self.0 {
            Kind::Value(secret) => Ok(secret.clone()),
            Kind::Variable { name, secret } => secret.clone().ok_or_else(|| SecretUnreadable {
                place: format!("the environment variable {}", crate::diagnostics::quoted(name)),
                why: "it was not set to one line of text when riposte began".to_owned(),
            }),
            Kind::File(file) => file.read(),
        }
    }

    /// Reads `"value"`, `{ env = "NAME" }` or `{ file = "PATH" }`. What is wrong is a finding. A place that has no secret
    /// is a warning: most commands never sign in, and `check` runs where secrets are not.
    pub(super) fn of(item: Item<'_>) -> Option<Self> {
        item.hide();
        if !item.is_table() {
            let (reading, origin, name) = (item.reading(), item.origin().clone(), item.name());
            let secret = item.text()?;
            if secret.chars().any(char::is_control) {
                let message = format!("{name} has a control character in it");
                reading.error("settings/wrong-value", &origin, message, Some("a secret is one line of text"));
                return None;
            }
            return Some(Self::value(Secret::new(secret)));
        }
        Self::of_table(item)
    }

    fn of_table(item: Item<'_>) -> Option<Self> {
        let name = item.name();
        let mut table = item.table()?;
        let (variable, file) = (table.take("env"), table.take("file"));
        let (reading, at) = (table.reading(), table.origin().clone());
        table.end();
        // Of two layers that each name a place, the later one is meant.
        let rank = |item: &Option<Item<'_>>| item.as_ref().map_or(0, |item| item.origin().rank());
        match (rank(&variable).cmp(&rank(&file)), variable, file) {
            (Ordering::Greater, Some(variable), _) => from_variable(variable),
            (Ordering::Less, _, Some(file)) => from_file(file),
            _ => {
                let help = "give { env = \"NAME\" } or { file = \"PATH\" }";
                reading.error("settings/wrong-value", &at, format!("{name} must name one place"), Some(help));
                None
            }
        }
    }
}

fn from_variable(item: Item<'_>) -> Option<SecretSource> {
    let (reading, origin, path) = (item.reading(), item.origin().clone(), item.name());
    let name = item.text()?;
    let value = reading.variable(&name);
    let line = value.map(|value| value.trim_end_matches(['\r', '\n']));
    let secret = line.filter(|line| !line.is_empty() && !line.chars().any(char::is_control)).map(Secret::new);
    if secret.is_none() {
        let variable = crate::diagnostics::quoted(&name);
        let wrong = if value.is_none() { "is not set" } else { "holds no secret, which is one line of text" };
        let message = format!("{path}: the environment variable {variable} {wrong}");
        let help = "set it to the secret, or use { file = ... }; without it `riposte run` does not start";
        reading.warning(SECRET_MISSING, &origin, message, Some(help));
    }
    Some(SecretSource(Kind::Variable { name, secret }))
}

fn from_file(item: Item<'_>) -> Option<SecretSource> {
    let (reading, origin, name) = (item.reading(), item.origin().clone(), item.name());
    let source = SecretSource::file(item.path()?);
    if let Err(error) = source.read() {
        let help = "the file holds nothing but the secret, and riposte's user must be able to read it; without it \
                    `riposte run` does not start";
        reading.warning(SECRET_MISSING, &origin, format!("{name}: {error}"), Some(help));
    }
    Some(source)
}

impl SecretFile {
    fn read(&self) -> Result<Secret, SecretUnreadable> {
        let wrong = |why: String| SecretUnreadable {
            place: format!("the file {}", crate::diagnostics::clipped(&self.path.display().to_string(), 300)),
            why,
        };
        let io = |error: std::io::Error| wrong(error.to_string());
        let found = std::fs::metadata(&self.path).map_err(io)?;
        if !found.is_file() {
            return Err(wrong("it is not a file".into()));
        }
        let (modified, length) = (found.modified().map_err(io)?, found.len());
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(seen) = seen.as_ref().filter(|seen| seen.modified == modified && seen.length == length) {
            return Ok(seen.secret.clone());
        }
        let secret = Secret::new(line_of(&self.path).map_err(wrong)?);
        *seen = Some(Seen { modified, length, secret: secret.clone() });
        Ok(secret)
    }
}

fn line_of(path: &Path) -> Result<String, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut text = String::new();
    file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    let line = text.trim_end_matches(['\r', '\n']);
    match line {
        "" => Err("it is empty".into()),
        _ if text.len() as u64 > MAX_BYTES => Err("it is longer than 64 KiB".into()),
        _ if line.chars().any(char::is_control) => Err("it is not one line of text".into()),
        _ => Ok(line.to_owned()),
    }
}

impl fmt::Display for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.0 {
            Kind::Value(_) => f.write_str("***"),
            Kind::Variable { name, .. } => write!(f, "*** (environment variable {name})"),
            Kind::File(file) => write!(f, "*** (file {})", file.path.display()),
        }
    }
}

impl fmt::Debug for SecretSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

impl Serialize for SecretSource {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_changed_file_gives_the_new_secret_without_its_line_end() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "first\r\n").unwrap();
        let source = SecretSource::file(&path);
        assert_eq!(source.read().unwrap().expose(), "first");
        std::fs::write(&path, "second!\n").unwrap();
        assert_eq!(source.clone().read().unwrap().expose(), "second!");
    }

    #[test]
    fn a_change_of_the_time_alone_is_a_change() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, "aaaa").unwrap();
        let source = SecretSource::file(&path);
        assert_eq!(source.read().unwrap().expose(), "aaaa");
        std::fs::write(&path, "bbbb").unwrap();
        let file = std::fs::File::options().write(true).open(&path).unwrap();
        file.set_modified(SystemTime::UNIX_EPOCH).unwrap();
        assert_eq!(source.read().unwrap().expose(), "bbbb");
    }

    #[test]
    fn a_file_that_holds_no_secret_is_an_error_that_names_it() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        for (content, why) in [("\n", "empty"), ("a\nb", "one line"), ("x".repeat(70_000).as_str(), "64 KiB")] {
            std::fs::write(&path, content).unwrap();
            let error = SecretSource::file(&path).read().unwrap_err().to_string();
            assert!(error.contains(why) && error.contains("secret"), "{error}");
        }
        assert!(SecretSource::file(folder.path()).read().unwrap_err().to_string().contains("not a file"));
    }

    #[test]
    fn a_secret_source_prints_stars_everywhere() {
        let source = SecretSource::value(Secret::new("hunter2"));
        assert_eq!((format!("{source:?}"), serde_json::to_string(&source).unwrap()), ("***".into(), "\"***\"".into()));
        assert_eq!(SecretSource::file("/run/x").to_string(), "*** (file /run/x)");
    }
}
