//! Reading values out of the merged tree: each reader says what it expects, and what it does not get is a finding.
//! A table knows the keys that were asked for, so that the others are unknown keys.

use std::fmt::Display;
use std::ops::RangeInclusive;
use std::path::PathBuf;
use std::time::Duration;

use config::{Map, Value, ValueKind};
use uuid::Uuid;

use super::origin::{Origin, Reading, shown};
use crate::diagnostics::suggest;
use crate::model::time::{parse_duration, print_duration};

/// A table of the settings, being read.
pub(super) struct Table<'r> {
    reading: &'r Reading,
    path: String,
    origin: Origin,
    entries: Map<String, Value>,
    known: Vec<&'static str>,
    /// Something else stands in its place, and a finding says so: what it lacks is no further mistake.
    lost: bool,
}

/// One value, being read.
pub(super) struct Item<'r> {
    reading: &'r Reading,
    path: String,
    origin: Origin,
    kind: ValueKind,
}

impl<'r> Table<'r> {
    /// The outermost table.
    pub(super) const fn root(reading: &'r Reading, entries: Map<String, Value>) -> Self {
        Self { reading, path: String::new(), origin: Origin::Start, entries, known: Vec::new(), lost: false }
    }

    /// What reads it.
    pub(super) const fn reading(&self) -> &'r Reading {
        self.reading
    }

    /// Where it stands.
    pub(super) const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// Whether something else stands in its place.
    pub(super) const fn is_lost(&self) -> bool {
        self.lost
    }

    /// What it lacks, it lacks because of what came from here, where that is no file.
    pub(super) fn blame(&mut self, origin: &Origin) {
        if matches!(origin, Origin::Variable(_) | Origin::Flag(_)) {
            self.origin = origin.clone();
        }
    }

    /// The value of a key, which from here on is a known one.
    pub(super) fn take(&mut self, key: &'static str) -> Option<Item<'r>> {
        self.known.push(key);
        let value = self.entries.remove(key)?;
        Some(Item {
            reading: self.reading,
            path: self.path_of(key),
            origin: self.reading.origin(value.origin()),
            kind: value.kind,
        })
    }

    /// The value of a key that must be there; `wanted` says what it should be.
    pub(super) fn need(&mut self, key: &'static str, wanted: &str) -> Option<Item<'r>> {
        let item = self.take(key);
        if item.is_none() {
            self.missing(key, wanted);
        }
        item
    }

    /// A table below this one; an empty one when it is not there.
    pub(super) fn section(&mut self, key: &'static str) -> Table<'r> {
        let (path, reading) = (self.path_of(key), self.reading);
        let (origin, item) = (reading.table_origin(&path), self.take(key));
        let lost = item.is_some();
        let empty = Table { origin, reading, path, entries: Map::new(), known: Vec::new(), lost };
        item.and_then(Item::table).unwrap_or(empty)
    }

    /// The tables of a list, `[[okta]]`.
    pub(super) fn list(&mut self, key: &'static str) -> Vec<Table<'r>> {
        let Some(item) = self.take(key) else { return Vec::new() };
        let ValueKind::Array(items) = &item.kind else {
            item.wrong_type(&format!("a list of tables, [[{key}]]"));
            return Vec::new();
        };
        let is_there = |value: &Value| !matches!(value.kind, ValueKind::Nil);
        if let Some(first) = items.iter().position(|value| !is_there(value)) {
            item.gap(first);
        }
        let items = items.clone().into_iter().enumerate().filter(|(_, value)| is_there(value));
        let each = items.filter_map(|(n, value)| {
            let path = format!("{}[{n}]", item.path);
            let origin = item.reading.origin(value.origin());
            Item { reading: item.reading, path, origin, kind: value.kind }.table()
        });
        each.collect()
    }

    /// A duration, or its default.
    pub(super) fn duration(
        &mut self,
        key: &'static str,
        default: Duration,
        fits: RangeInclusive<Duration>,
    ) -> Duration {
        self.take(key).and_then(|item| item.duration(&fits)).unwrap_or(default)
    }

    /// A whole number, or its default.
    pub(super) fn number(&mut self, key: &'static str, default: u32, fits: RangeInclusive<u32>) -> u32 {
        self.take(key).and_then(|item| item.number(&fits)).unwrap_or(default)
    }

    /// One of a few words, or the default.
    pub(super) fn word<T: Copy>(&mut self, key: &'static str, default: T, words: &[(&'static str, T)]) -> T {
        self.take(key).and_then(|item| item.word(words)).unwrap_or(default)
    }

    /// A GUID that must be there.
    pub(super) fn uuid(&mut self, key: &'static str, wanted: &str) -> Option<Uuid> {
        self.need(key, wanted)?.uuid()
    }

    /// Reports a key that must be there.
    pub(super) fn missing(&self, key: &str, wanted: &str) {
        if self.lost {
            return;
        }
        let message = format!("{} is missing; expected {wanted}", self.path_of(key));
        self.reading.error("settings/missing", &self.origin, message, None);
    }

    /// All entries, whatever their keys.
    pub(super) fn entries(&mut self) -> Vec<(String, Item<'r>)> {
        let entries = std::mem::take(&mut self.entries);
        let item = |(key, value): (String, Value)| {
            let path = self.path_of(&key);
            let origin = self.reading.origin(value.origin());
            (key, Item { reading: self.reading, path, origin, kind: value.kind })
        };
        let mut items: Vec<_> = entries.into_iter().map(item).collect();
        items.sort_by(|a, b| a.0.cmp(&b.0));
        items
    }

    /// Everything that was not asked for is unknown.
    pub(super) fn end(mut self) {
        for (key, item) in self.entries() {
            item.hide();
            let message = format!("{} is no setting", item.name());
            let nearest = suggest::nearest(&key, self.known.iter().copied());
            let help = match nearest {
                Some(word) => format!("did you mean {word}?"),
                None => format!("known here: {}", self.known.join(", ")),
            };
            self.reading.error("settings/unknown-key", &item.origin_in_key(), message, Some(&help));
        }
    }

    fn path_of(&self, key: &str) -> String {
        if self.path.is_empty() { key.to_owned() } else { format!("{}.{key}", self.path) }
    }
}

impl<'r> Item<'r> {
    /// What reads it.
    pub(super) const fn reading(&self) -> &'r Reading {
        self.reading
    }

    /// Where it came from.
    pub(super) const fn origin(&self) -> &Origin {
        &self.origin
    }

    /// What to call it.
    pub(super) fn name(&self) -> String {
        self.origin.name(&self.path)
    }

    /// Whether it is a table.
    pub(super) const fn is_table(&self) -> bool {
        matches!(self.kind, ValueKind::Table(_))
    }

    /// Nothing may show its value.
    pub(super) fn hide(&self) {
        if let Some(span) = self.origin.span() {
            self.reading.hide(span);
        }
        if let ValueKind::Table(table) = &self.kind {
            let spans = table.values().filter_map(|value| self.reading.origin(value.origin()).span());
            spans.for_each(|span| self.reading.hide(span));
        }
    }

    /// A table.
    pub(super) fn table(self) -> Option<Table<'r>> {
        let ValueKind::Table(entries) = self.kind else {
            self.wrong_type("a table");
            return None;
        };
        let merged = self.reading.table_origin(&self.path);
        let origin = if merged == Origin::Start { self.origin.at_key() } else { merged };
        Some(Table { reading: self.reading, path: self.path, origin, entries, known: Vec::new(), lost: false })
    }

    /// Text, not empty.
    pub(super) fn text(self) -> Option<String> {
        let ValueKind::String(text) = self.kind else {
            self.wrong_type("text in quotes");
            return None;
        };
        if text.trim().is_empty() {
            let message = format!("{} is empty", self.origin.name(&self.path));
            let help = Some("leave the line out, or give a value");
            self.reading.error("settings/wrong-value", &self.origin, message, help);
            return None;
        }
        Some(text)
    }

    /// Text that `parse` understands; its complaint follows the quoted text ("is not a GUID").
    pub(super) fn parse<T, E: Display>(self, parse: impl FnOnce(&str) -> Result<T, E>) -> Option<T> {
        let (reading, origin, name) = (self.reading, self.origin.clone(), self.name());
        let text = self.text()?;
        match parse(text.trim()) {
            Ok(value) => Some(value),
            Err(complaint) => {
                reading.error("settings/wrong-value", &origin, format!("{name}: {} {complaint}", shown(&text)), None);
                None
            }
        }
    }

    /// A GUID.
    pub(super) fn uuid(self) -> Option<Uuid> {
        self.parse(|text| {
            Uuid::parse_str(text).map_err(|_| "is not a GUID such as 11111111-2222-3333-4444-555555555555")
        })
    }

    /// A duration within limits.
    pub(super) fn duration(self, fits: &RangeInclusive<Duration>) -> Option<Duration> {
        self.parse(|text| {
            let given = parse_duration(text).map_err(|_| "is not a duration such as 30s, 15m, 8h or 2d".to_owned())?;
            if fits.contains(&given) {
                return Ok(given);
            }
            let (from, to) = (print_duration(*fits.start()), print_duration(*fits.end()));
            Err(format!("is outside of what makes sense here, {from} to {to}"))
        })
    }

    /// A whole number within limits; from the environment and flags it comes as text.
    pub(super) fn number(self, fits: &RangeInclusive<u32>) -> Option<u32> {
        let written = if let ValueKind::I64(number) = self.kind { Some(number) } else { None };
        let Some(given) = written.or_else(|| self.later_text()?.parse().ok()) else {
            self.wrong_type("a whole number");
            return None;
        };
        let number = u32::try_from(given).ok().filter(|number| fits.contains(number));
        if number.is_none() {
            let limits = format!("{given} is outside of what makes sense here, {} to {}", fits.start(), fits.end());
            let message = format!("{}: {limits}", self.name());
            self.reading.error("settings/wrong-value", &self.origin, message, None);
        }
        number
    }

    /// `true` or `false`, when it is one of them.
    pub(super) fn as_flag(&self) -> Option<bool> {
        if let ValueKind::Boolean(yes) = self.kind { Some(yes) } else { self.later_text()?.parse().ok() }
    }

    /// Which of a few words its text is meant to be, where it is none.
    pub(super) fn nearest<T: Copy>(&self, words: &[(&'static str, T)]) -> Option<T> {
        let ValueKind::String(text) = &self.kind else { return None };
        let nearest = suggest::nearest(text.trim(), words.iter().map(|(word, _)| *word))?;
        words.iter().find(|(word, _)| *word == nearest).map(|(_, meaning)| *meaning)
    }

    /// One of a few words.
    pub(super) fn word<T: Copy>(self, words: &[(&'static str, T)]) -> Option<T> {
        let (reading, origin, name) = (self.reading, self.origin.clone(), self.name());
        let text = self.text()?;
        let found = words.iter().find(|(word, _)| *word == text.trim()).map(|(_, meaning)| *meaning);
        if found.is_none() {
            let all: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let help = suggest::nearest(text.trim(), all.iter().copied()).map(|word| format!("did you mean {word}?"));
            let message = format!("{name}: {} is none of {}", shown(&text), all.join(", "));
            reading.error("settings/wrong-value", &origin, message, help.as_deref());
        }
        found
    }

    /// A path; inside the file it is meant from the file's folder. An address is none: it would pass for a
    /// strange path, and be told with its password wherever that path is.
    pub(super) fn path(self) -> Option<PathBuf> {
        let folder = match self.origin {
            Origin::File { .. } => self.reading.folder().to_owned(),
            Origin::Variable(_) | Origin::Flag(_) | Origin::Start => PathBuf::new(),
        };
        self.parse(|text| {
            if text.contains("://") {
                return Err("is an address; expected the path of a file or folder");
            }
            Ok(folder.join(text))
        })
    }

    /// The items of a list. One text stands for a list of one; from the environment and flags, commas divide.
    pub(super) fn items(self) -> Vec<Item<'r>> {
        let words = self.later_text().map(|text| text.split(',').map(str::trim).filter(|word| !word.is_empty()));
        if let Some(words) = words {
            return words.map(|word| self.part(self.origin.clone(), ValueKind::String(word.to_owned()))).collect();
        }
        if let ValueKind::Array(values) = &self.kind {
            let origin = |value: &Value| self.reading.origin(value.origin());
            return values.iter().map(|value| self.part(origin(value), value.kind.clone())).collect();
        }
        if matches!(self.kind, ValueKind::String(_)) {
            return vec![self];
        }
        self.wrong_type("a list");
        Vec::new()
    }

    fn part(&self, origin: Origin, kind: ValueKind) -> Self {
        Self { reading: self.reading, path: self.path.clone(), origin, kind }
    }

    /// Text from the environment or a flag: there everything comes as text.
    fn later_text(&self) -> Option<&str> {
        let ValueKind::String(text) = &self.kind else { return None };
        (self.origin.rank() > 1).then_some(text.trim())
    }

    /// An entry of a list is set by its number, and those before it are not.
    fn gap(&self, first: usize) {
        let next = format!("{}[{first}]", self.path);
        let message = format!("{} has entries with higher numbers, but no {next}", self.name());
        let at = self.reading.table_origin(&self.path);
        self.reading.error("settings/missing", &at, message, Some("number them from 0, after those of the file"));
    }

    /// Reports another type than the wanted one.
    pub(super) fn wrong_type(&self, wanted: &str) {
        let found = match &self.kind {
            ValueKind::Nil => "nothing",
            ValueKind::Boolean(_) => "true or false",
            ValueKind::I64(_) => "a number",
            ValueKind::I128(_) | ValueKind::U64(_) | ValueKind::U128(_) => "a number that is too large",
            ValueKind::Float(_) => "a number with a fraction or an exponent",
            ValueKind::String(_) => "text",
            ValueKind::Table(_) => "a table",
            ValueKind::Array(_) => "a list",
        };
        let message = format!("{}: expected {wanted}, found {found}", self.name());
        self.reading.error("settings/wrong-type", &self.origin, message, None);
    }

    fn origin_in_key(&self) -> Origin {
        match (&self.origin, self.reading.table_origin(&self.path)) {
            (Origin::Start, known) => known,
            (origin, _) => origin.at_key(),
        }
    }
}
