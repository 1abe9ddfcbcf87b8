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
use crate::model::signing_key::SigningKey;

/// The finding for a secret that cannot be had: a warning, which whoever signs in takes for an error.
pub const SECRET_MISSING: &str = "settings/secret-missing";
/// No token or password is longer.
const MAX_BYTES: u64 = 64 * 1024;

/// A secret, or where it can be had. Printed as stars, also in dumps.
#[derive(Clone)]
pub struct SecretSource(Kind);

/// What a secret has to be.
#[derive(Clone, Copy)]
enum Form {
    /// One line of text.
    Line,
    /// An RSA private key in PEM.
    Key,
}

#[derive(Clone)]
enum Kind {
    Value(Secret),
    Variable { name: String, secret: Result<Secret, &'static str> },
    File(SecretFile),
}

#[derive(Clone)]
struct SecretFile {
    path: PathBuf,
    form: Form,
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
        Self::in_file(path.into(), Form::Line)
    }

    fn in_file(path: PathBuf, form: Form) -> Self {
        Self(Kind::File(SecretFile { path, form, seen: Arc::default() }))
    }

    /// The secret as it is at this moment. A file is read again when its time or length has changed.
    ///
    /// # Errors
    /// When the variable was not set, or the file is missing, unreadable, empty, longer than 64 KiB or does not hold what
    /// it should: one line of text, or a key that signs.
    pub fn read(&self) -> Result<Secret, SecretUnreadable> {
        match &self.0 {
            Kind::Value(secret) => Ok(secret.clone()),
            Kind::Variable { name, secret } => secret.clone().map_err(|why| SecretUnreadable {
                place: format!("the environment variable {}", crate::diagnostics::quoted(name)),
                why: format!("{why}, as of riposte's start"),
            }),
            Kind::File(file) => file.read(),
        }
    }

    /// Reads `"value"`, `{ env = "NAME" }` or `{ file = "PATH" }`. What is wrong is a finding. A place that has no secret
    /// is a warning: most commands never sign in, and `check` runs where secrets are not.
    pub(super) fn of(item: Item<'_>) -> Option<Self> {
        Self::of_form(item, Form::Line)
    }

    /// The same for an RSA private key in PEM.
    pub(super) fn key_of(item: Item<'_>) -> Option<Self> {
        Self::of_form(item, Form::Key)
    }

    fn of_form(item: Item<'_>, form: Form) -> Option<Self> {
        item.hide();
        if item.is_table() {
            return Self::of_table(item, form);
        }
        let (reading, origin, name) = (item.reading(), item.origin().clone(), item.name());
        match form.taken_from(&item.text()?) {
            Ok(secret) => Some(Self::value(secret)),
            Err(why) => {
                let message = format!("{name} cannot be used: {why}");
                reading.error("settings/wrong-value", &origin, message, Some(form.help()));
                None
            }
        }
    }

    fn of_table(item: Item<'_>, form: Form) -> Option<Self> {
        let name = item.name();
        let mut table = item.table()?;
        let (variable, file) = (table.take("env"), table.take("file"));
        let (reading, at) = (table.reading(), table.origin().clone());
        table.end();
        // Of two layers that each name a place, the later one is meant.
        let rank = |item: &Option<Item<'_>>| item.as_ref().map_or(0, |item| item.origin().rank());
        match (rank(&variable).cmp(&rank(&file)), variable, file) {
            (Ordering::Greater, Some(variable), _) => from_variable(variable, form),
            (Ordering::Less, _, Some(file)) => from_file(file, form),
            _ => {
                let help = "give { env = \"NAME\" } or { file = \"PATH\" }";
                reading.error("settings/wrong-value", &at, format!("{name} must name one place"), Some(help));
                None
            }
        }
    }
}

impl Form {
    /// The secret in a text; what is wrong says nothing of it.
    fn taken_from(self, text: &str) -> Result<Secret, &'static str> {
        let secret = Secret::new(text);
        match self {
            _ if text.trim().is_empty() => Err("it is empty"),
            Self::Line if text.chars().any(char::is_control) => Err("it is not one line of text"),
            Self::Line => Ok(secret),
            Self::Key => SigningKey::from_pem(&secret).map(|_| secret),
        }
    }

    /// The same where the text may end in a line end.
    fn taken_from_lines(self, text: &str) -> Result<Secret, &'static str> {
        self.taken_from(text.trim_end_matches(['\r', '\n']))
    }

    const fn help(self) -> &'static str {
        match self {
            Self::Line => "a secret is one line of text",
            Self::Key => {
                "a key is PEM of several lines, from BEGIN PRIVATE KEY to END PRIVATE KEY, best in a file: { file = \"PATH\" }"
            }
        }
    }
}

fn from_variable(item: Item<'_>, form: Form) -> Option<SecretSource> {
    let (reading, origin, path) = (item.reading(), item.origin().clone(), item.name());
    let name = item.text()?;
    let secret = reading.variable(&name).ok_or("it is not set").and_then(|text| form.taken_from_lines(text));
    if let Err(why) = secret {
        let message =
            format!("{path}: the environment variable {} cannot be used: {why}", crate::diagnostics::quoted(&name));
        let help = "set it to the secret, or use { file = ... }; without it `riposte run` does not start";
        reading.warning(SECRET_MISSING, &origin, message, Some(help));
    }
    Some(SecretSource(Kind::Variable { name, secret }))
}

fn from_file(item: Item<'_>, form: Form) -> Option<SecretSource> {
    let (reading, origin, name) = (item.reading(), item.origin().clone(), item.name());
    let source = SecretSource::in_file(item.path()?, form);
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
        let text = text_of(&self.path).map_err(wrong)?;
        let secret = self.form.taken_from_lines(text.expose()).map_err(|why| wrong(why.to_owned()))?;
        *seen = Some(Seen { modified, length, secret: secret.clone() });
        Ok(secret)
    }
}

fn text_of(path: &Path) -> Result<Secret, String> {
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut text = String::new();
    file.take(MAX_BYTES + 1).read_to_string(&mut text).map_err(|error| error.to_string())?;
    if text.len() as u64 > MAX_BYTES { Err("it is longer than 64 KiB".into()) } else { Ok(Secret::new(text)) }
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
