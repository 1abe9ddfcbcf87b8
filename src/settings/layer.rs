//! The layers: `riposte.toml`, then `RIPOSTE__SECTION__KEY`, then flags, put on top of each other by the `config`
//! crate. Every value keeps the number of its [`Origin`], so that a finding can say where it came from.

use config::{Config, Map, Source as Layer, Value, ValueKind};
use toml::de::{DeTable, DeValue};

use super::origin::{Origin, Reading};
use crate::diagnostics::{Span, quoted};

/// The finding for a file that is no TOML.
pub(super) const SYNTAX: &str = "settings/syntax";
/// How the variables that are settings begin.
pub(super) const PREFIX: &str = "RIPOSTE__";
/// More entries of one list than anybody has.
const MAX_INDEX: usize = 63;
/// A deeper key than any of ours; the reader of TOML descends as deep as keys are written.
const MAX_DEPTH: usize = 16;

/// All layers as one tree. What cannot be placed in it is a finding.
pub(super) fn merge(reading: &Reading, overrides: &[(String, String)]) -> Map<String, Value> {
    let file = Entries(file_entries(reading));
    let variables: Vec<(Origin, String, String)> = reading
        .variables()
        .filter_map(|(name, value)| Some((name, name.strip_prefix(PREFIX)?, value)))
        .map(|(name, key, value)| {
            (Origin::Variable(name.to_owned()), key.to_lowercase().replace("__", "."), value.to_owned())
        })
        .collect();
    let flags = overrides.iter().map(|(path, value)| (Origin::Flag(path.clone()), path.clone(), value.clone()));
    let mut builder = Config::builder().add_source(file);
    for (origin, key, value) in variables.into_iter().chain(flags) {
        let Some(path) = expression(&key) else {
            reading.error(
                "settings/unknown-key",
                &origin,
                format!("{} names no setting", origin.name(&key)),
                Some("a setting is named by section and key, such as RIPOSTE__TENANT__ID or RIPOSTE__OKTA__0__TOKEN"),
            );
            continue;
        };
        reading.keep_tables_above(&path, &origin);
        let value = Value::new(Some(&reading.keep(origin)), value);
        builder = builder.add_source(Entries(Map::from_iter([(path, value)])));
    }
    match builder.build().map(|built| built.cache.kind) {
        Ok(ValueKind::Table(table)) => table,
        Ok(_) => Map::new(),
        Err(error) => {
            reading.error(
                "settings/unreadable",
                &Origin::Start,
                format!("the settings cannot be merged: {error}"),
                None,
            );
            Map::new()
        }
    }
}

/// `okta.0.token` as the path `okta[0].token`, or none when it cannot name a setting.
fn expression(key: &str) -> Option<String> {
    let mut path = String::new();
    if key.split('.').nth(MAX_DEPTH).is_some() {
        return None;
    }
    for part in key.split('.') {
        if part.is_empty() || !part.chars().all(is_word_character) {
            return None;
        }
        match part.parse::<usize>() {
            Ok(index) if index <= MAX_INDEX && !path.is_empty() => path.push_str(&format!("[{index}]")),
            Ok(_) => return None,
            Err(_) if path.is_empty() => path.push_str(part),
            Err(_) => path.push_str(&format!(".{part}")),
        }
    }
    Some(path)
}

fn is_word_character(c: char) -> bool {
    c.is_ascii_alphanumeric() || c == '_' || c == '-'
}

/// One layer that is already read.
#[derive(Debug, Clone)]
struct Entries(Map<String, Value>);

impl Layer for Entries {
    fn clone_into_box(&self) -> Box<dyn Layer + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.0.clone())
    }
}

/// The file's tree; its syntax errors are findings.
fn file_entries(reading: &Reading) -> Map<String, Value> {
    let text = reading.file_text().to_owned();
    if let Some(at) = too_deep(&text) {
        let origin = Origin::File { key: at, value: at };
        let message = format!("deeper than {MAX_DEPTH} levels");
        reading.error(SYNTAX, &origin, message, Some("no setting is as deep as that"));
        return Map::new();
    }
    let (table, errors) = DeTable::parse_recoverable(&text);
    for error in &errors {
        let origin =
            error.span().map_or(Origin::Start, |span| Origin::File { key: span.clone().into(), value: span.into() });
        reading.error(SYNTAX, &origin, format!("not TOML: {}", error.message()), None);
    }
    let mut entries = Map::new();
    for (key, value) in table.get_ref() {
        let word = key.get_ref().as_ref();
        let value_span = value.span().into();
        let origin = Origin::File { key: key.span().into(), value: value_span };
        // The `config` crate would take such a key for a path.
        if !word.is_empty() && word.chars().all(is_word_character) {
            entries.insert(word.to_owned(), converted(reading, word, origin, value.get_ref(), false));
        } else {
            reading.hide(value_span);
            reading.error("settings/unknown-key", &origin, format!("{} is no setting", quoted(word)), None);
        }
    }
    entries
}

/// The first place where one key has more than [`MAX_DEPTH`] dots, or as many brackets are open: both together bound
/// how deep the reader descends.
fn too_deep(text: &str) -> Option<Span> {
    let (mut dots, mut open) = (0_usize, 0_usize);
    let (mut quote, mut escaped) = (None, false);
    for (at, c) in text.char_indices() {
        match (quote, c) {
            (_, '\n') => (dots, quote, escaped) = (0, None, false),
            (Some('"'), '\\') => escaped = !escaped,
            (Some(end), c) => {
                quote = quote.filter(|_| c != end || escaped);
                escaped = false;
            }
            // A comment is as good as a quotation that ends with its line.
            (None, '#') => quote = Some('\n'),
            (None, '"' | '\'') => quote = Some(c),
            (None, '[' | '{') => (dots, open) = (0, open + 1),
            (None, ']' | '}') => (dots, open) = (0, open.saturating_sub(1)),
            (None, '=' | ',') => dots = 0,
            (None, '.') => dots += 1,
            (None, _) => {}
        }
        if dots > MAX_DEPTH || open > MAX_DEPTH {
            return Some(Span::new(at, at + 1));
        }
    }
    None
}

fn converted(reading: &Reading, path: &str, origin: Origin, value: &DeValue<'_>, secret: bool) -> Value {
    let span = origin.span();
    let kind = match value {
        DeValue::Table(table) => {
            reading.keep_table(path, &origin);
            ValueKind::Table(
                table
                    .iter()
                    .map(|(key, value)| {
                        let word = key.get_ref().as_ref();
                        let origin = Origin::File { key: key.span().into(), value: value.span().into() };
                        let path = format!("{path}.{word}");
                        (word.to_owned(), converted(reading, &path, origin, value.get_ref(), sounds_secret(word)))
                    })
                    .collect(),
            )
        }
        DeValue::Array(items) => ValueKind::Array(
            items
                .iter()
                .enumerate()
                .map(|(n, item)| {
                    let span: Span = item.span().into();
                    let origin = Origin::File { key: span, value: span };
                    converted(reading, &format!("{path}[{n}]"), origin, item.get_ref(), secret)
                })
                .collect(),
        ),
        DeValue::String(text) => ValueKind::String(text.to_string()),
        DeValue::Boolean(yes) => ValueKind::Boolean(*yes),
        DeValue::Integer(number) => match i64::from_str_radix(number.as_str(), number.radix()) {
            Ok(number) => ValueKind::I64(number),
            Err(_) => ValueKind::Float(f64::MAX),
        },
        DeValue::Float(number) => ValueKind::Float(number.as_str().parse().unwrap_or(f64::MAX)),
        DeValue::Datetime(time) => ValueKind::String(time.to_string()),
    };
    if let (true, Some(span), false) = (secret, span, value.is_table()) {
        reading.hide(span);
    }
    Value::new(Some(&reading.keep(origin)), kind)
}

/// Whether a key by its name holds a secret: what stands there is never shown, whatever is wrong with it.
fn sounds_secret(key: &str) -> bool {
    let key = key.to_lowercase();
    ["secret", "token", "password", "passwd", "pwd", "apikey", "api_key"].iter().any(|word| key.ends_with(word))
}
