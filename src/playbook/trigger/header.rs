//! The leading comments of a `.kql` file: `// every: 5m` and its like, before the first line of the query.

use std::collections::BTreeMap;
use std::time::Duration;

use super::{
    FARTHEST_BACK, MOST_OFTEN, WrittenTrigger, identifier, judged, schedule, sees, tactics, unplaced, usually_same,
};
use crate::diagnostics::{Finding, Findings, Place, Source, Span, quoted, suggest};
use crate::model::account::Role;
use crate::model::alert::Severity;
use crate::model::time::parse_duration;
use crate::model::trigger::{AccountMapping, Engine, Same, TIMES, Threshold, Trigger};
use crate::playbook::fields::Placed;

/// Rows with the same value in a column are one alert for so long, unless the author says otherwise: without an end
/// nobody would hear of it a second time.
const BY_COLUMN: Duration = Duration::from_secs(86_400);

/// What a header may say.
pub(super) const KEYS: &[&str] =
    &["title", "every", "lookback", "engine", "workspace", "account", "role", "severity", "tactics", "same"];

/// One line of the header.
struct Entry<'a> {
    key: &'a str,
    key_span: Span,
    value: &'a str,
    span: Span,
}

/// Reads a `.kql` file.
pub(super) fn read(name: String, source: &Source, findings: &mut Findings) -> Option<WrittenTrigger> {
    let mut header = Header { entries: entries(source), source, columns: BTreeMap::new(), findings };
    header.check_keys();
    let title = header.one("title").map_or_else(|| words(&name), |entry| entry.value.to_owned());
    let every = header.needed("every").and_then(|entry| header.duration(&entry));
    let lookback = match header.one("lookback") {
        Some(entry) => header.duration(&entry),
        // Three runs see the same row, unless its author says otherwise: rows arrive late.
        None => every.as_ref().map(|every| Placed {
            value: (every.value * 3).min(FARTHEST_BACK.max(every.value)),
            place: every.place.clone(),
        }),
    };
    let engines = [("log-analytics", Engine::LogAnalytics), ("hunting", Engine::Hunting)];
    let engine = header.word("engine", &engines, Engine::LogAnalytics);
    let severity = header.word(
        "severity",
        &[
            ("High", Severity::High),
            ("Medium", Severity::Medium),
            ("Low", Severity::Low),
            ("Informational", Severity::Informational),
        ],
        Severity::Medium,
    );
    let role = header.word("role", ROLES, Role::Unknown);
    let (accounts, mapped) = header.accounts(role.unwrap_or(Role::Unknown));
    let workspaces = header.list("workspace");
    let named = header.list("tactics");
    let tactics = tactics(named, header.findings);
    let place = source.whole();
    let schedule = schedule(every, lookback, header.findings);
    let same = header.same(schedule);
    if schedule.is_none() && accounts.is_empty() {
        return None;
    }
    // What is wrong with one line of it hides nothing else.
    let sound = [schedule.is_some(), mapped, role.is_some(), engine.is_some(), severity.is_some(), same.is_some()];
    let accounts =
        if mapped && role.is_some() { judged(accounts, &place, header.findings) } else { unplaced(accounts) };
    let (every, lookback) = schedule.unwrap_or((MOST_OFTEN, MOST_OFTEN));
    let columns = header.columns;
    let trigger = Trigger {
        name,
        title,
        query: source.text().to_owned(),
        engine: engine.unwrap_or(Engine::LogAnalytics),
        every,
        lookback,
        sees: sees(source.text(), every, lookback),
        severity: severity.unwrap_or(Severity::Medium),
        tactics,
        accounts,
        same: same.unwrap_or_else(|| usually_same(every, lookback)),
        threshold: Threshold::ANY,
        // Until its query is checked.
        witnessed: false,
    };
    Some(WrittenTrigger {
        named: columns,
        sound: sound.into_iter().all(std::convert::identity),
        ..WrittenTrigger::new(trigger, workspaces, place)
    })
}

/// Whether the leading comments of a query are a trigger's header rather than words for people.
pub(super) fn is_there(source: &Source) -> bool {
    let ours = |entry: &Entry<'_>| ["every", "account", "lookback"].contains(&entry.key) && !entry.value.contains(' ');
    entries(source).iter().any(ours)
}

/// The role that the leading comments of a query give its accounts, for queries that live in other files.
pub(super) fn role(query: &Source, findings: &mut Findings) -> Option<Role> {
    let mut header = Header { entries: entries(query), source: query, columns: BTreeMap::new(), findings };
    header.word("role", ROLES, Role::Unknown)
}

const ROLES: &[(&str, Role)] = &[("suspect", Role::Suspect), ("target", Role::Target)];

struct Header<'a> {
    entries: Vec<Entry<'a>>,
    source: &'a Source,
    /// Where each column is named.
    columns: BTreeMap<String, Place>,
    findings: &'a mut Findings,
}

impl<'a> Header<'a> {
    /// Comments are free text: only one of our words that says nothing, and what is nearly one, is a finding.
    fn check_keys(&mut self) {
        let (ours, others): (Vec<_>, Vec<_>) =
            self.entries.iter().map(Entry::copy).partition(|entry| KEYS.contains(&entry.key));
        for entry in ours.iter().filter(|entry| entry.value.is_empty()) {
            let (message, code) = (format!("{} says nothing", entry.key), "trigger/empty-key");
            // A heading of a comment may look like a key that nobody needs.
            let is_needed = entry.key == "every";
            let finding = if is_needed { Finding::error(code, message) } else { Finding::warning(code, message) };
            let finding = finding.at(self.source, entry.key_span);
            self.findings.add(finding.help("write its value behind the colon, or leave the line out"));
        }
        for entry in others.iter().filter(|entry| !entry.value.is_empty()) {
            if let Some(nearest) = suggest::nearest(entry.key, KEYS.iter().copied()) {
                let message = format!("{} is no key of a trigger's header", quoted(entry.key));
                let finding = Finding::warning("trigger/unknown-key", message).at(self.source, entry.key_span);
                self.findings.add(finding.help_nearest(Some(nearest)));
            }
        }
    }

    fn all(&self, key: &str) -> Vec<Entry<'a>> {
        self.entries.iter().filter(|entry| entry.key == key && !entry.value.is_empty()).map(Entry::copy).collect()
    }

    fn is_named(&self, key: &str) -> bool {
        self.entries.iter().any(|entry| entry.key == key)
    }

    /// The line of a key that may stand once.
    fn one(&mut self, key: &str) -> Option<Entry<'a>> {
        let mut all = self.all(key).into_iter();
        let first = all.next()?;
        for again in all {
            let finding = Finding::error("trigger/duplicate-key", format!("{key} stands here twice"));
            self.findings.add(finding.at(self.source, again.key_span).help("keep one of them"));
        }
        Some(first)
    }

    fn needed(&mut self, key: &str) -> Option<Entry<'a>> {
        let found = self.one(key);
        if !self.is_named(key) {
            let finding = Finding::error("trigger/missing-key", format!("the trigger does not say {key}"));
            let help = format!("add a line \"// {key}: 5m\" above the query");
            self.findings.add(finding.at(self.source, Span::new(0, 0)).help(help));
        }
        found
    }

    fn place(&self, span: Span) -> Place {
        Place { source: self.source.clone(), span }
    }

    fn error(&mut self, code: &'static str, message: impl AsRef<str>, span: Span, help: &str) {
        self.findings.add(Finding::error(code, message).at(self.source, span).help(help));
    }

    fn duration(&mut self, entry: &Entry<'_>) -> Option<Placed<Duration>> {
        match parse_duration(entry.value) {
            Ok(value) => Some(Placed { value, place: self.place(entry.span) }),
            Err(why) => {
                let message = format!("{}: {why}", entry.key);
                self.error("trigger/wrong-type", message, entry.span, "write for example 5m or 1h");
                None
            }
        }
    }

    /// One of some words, or what counts when nothing is said; `None` when it is none of them.
    fn word<T: Copy>(&mut self, key: &str, words: &[(&'static str, T)], unsaid: T) -> Option<T> {
        let Some(entry) = self.one(key) else { return Some(unsaid) };
        let found = words.iter().find(|(word, _)| word.eq_ignore_ascii_case(entry.value));
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            let message = format!("{} is no {key}", quoted(entry.value));
            let finding = Finding::error("trigger/unknown-word", message).at(self.source, entry.span);
            let nearest = suggest::nearest(entry.value, known.iter().copied());
            self.findings.add(finding.help(format!("one of: {}", known.join(", "))).help_nearest(nearest));
        }
        found.map(|(_, value)| *value)
    }

    fn list(&mut self, key: &str) -> Vec<Placed<String>> {
        let all = self.all(key);
        let parts = all.iter().flat_map(|entry| parts(entry.value, entry.span));
        parts.map(|(part, span)| Placed { value: part.to_owned(), place: self.place(span) }).collect()
    }

    /// Each `account` line is one account; a `role=...` in it goes before the role of the header.
    /// Whether all of them are right is told beside them.
    fn accounts(&mut self, role: Role) -> (Vec<Placed<AccountMapping>>, bool) {
        let all = self.all("account");
        let mut sound = true;
        let mut accounts = Vec::new();
        for entry in all {
            let mut mapping = AccountMapping { role, identifiers: Vec::new() };
            for (part, span) in parts(entry.value, entry.span) {
                let Some((word, column)) = part.split_once('=').map(|(a, b)| (a.trim(), b.trim())) else {
                    let help = "write \"// account: Sid=AccountSid, AadUserId=AccountObjectId\"";
                    self.error("trigger/account", format!("{} maps nothing", quoted(part)), span, help);
                    sound = false;
                    continue;
                };
                if column.is_empty() {
                    let help = "write the column of the result behind the =";
                    self.error("trigger/account", format!("{} names no column", quoted(part)), span, help);
                    sound = false;
                    continue;
                }
                if word.eq_ignore_ascii_case("role") {
                    if let Some((_, own)) = ROLES.iter().find(|(known, _)| known.eq_ignore_ascii_case(column)) {
                        mapping.role = *own;
                    } else {
                        let message = format!("{} is no role", quoted(column));
                        self.error("trigger/unknown-word", message, span, "write role=suspect or role=target");
                        sound = false;
                    }
                    continue;
                }
                let at = self.place(within(entry.value, column, entry.span.start));
                self.columns.entry(column.to_owned()).or_insert(at);
                match identifier(word, self.source, span, self.findings) {
                    Some(identifier) => mapping.identifiers.push((identifier, column.to_owned())),
                    None => sound = false,
                }
            }
            accounts.push(Placed { value: mapping, place: self.place(entry.span) });
        }
        (accounts, sound)
    }

    /// `// same: 1h`, `// same: by COLUMN`, or `// same: by COLUMN within 6h`.
    fn same(&mut self, schedule: Option<(Duration, Duration)>) -> Option<Same> {
        let Some(entry) = self.one("same") else {
            let (every, lookback) = schedule.unwrap_or_default();
            return Some(usually_same(every, lookback));
        };
        let Some(rest) = entry.value.strip_prefix("by ") else {
            return Some(Same { within: self.stretch(&entry)?, by: None });
        };
        let (column, within) = match rest.split_once(" within ") {
            None => (rest, BY_COLUMN),
            Some((column, time)) => {
                let value = time.trim();
                (column, self.stretch(&Entry { value, span: within(entry.value, value, entry.span.start), ..entry })?)
            }
        };
        let column = column.trim();
        let at = self::within(entry.value, column, entry.span.start);
        self.columns.entry(column.to_owned()).or_insert_with(|| Place { source: self.source.clone(), span: at });
        if TIMES.contains(&column) {
            let message =
                format!("rows of one alert have the same {column}, so nearly every row is an alert of its own");
            let finding = Finding::warning("trigger/same", message).at(self.source, at);
            self.findings
                .add(finding.help("name a column that says who or what it is about, or write a time alone: 6h"));
        }
        Some(Same { within, by: Some(column.to_owned()) })
    }

    /// A time that says which rows are one alert.
    fn stretch(&mut self, entry: &Entry<'_>) -> Option<Duration> {
        let within = self.duration(entry)?.value;
        if within < Duration::from_secs(60) {
            self.error("trigger/wrong-type", "same: less than a minute", entry.span, "write for example 1h");
            return None;
        }
        Some(within)
    }
}

impl Entry<'_> {
    const fn copy(&self) -> Self {
        Self { key: self.key, key_span: self.key_span, value: self.value, span: self.span }
    }
}

/// The lines `// key: value` before the first line that is neither a comment nor empty.
fn entries(source: &Source) -> Vec<Entry<'_>> {
    let mut entries = Vec::new();
    let mut start = 0;
    for line in source.text().split_inclusive('\n') {
        let from = start;
        start += line.len();
        let text = line.trim_start_matches('\u{feff}').trim();
        let Some(comment) = text.strip_prefix("//") else {
            if text.is_empty() {
                continue;
            }
            break;
        };
        let Some((key, value)) = comment.split_once(':') else { continue };
        let (key, value) = (key.trim(), value.trim());
        let is_word = !key.is_empty() && key.bytes().all(|b| b.is_ascii_alphabetic() || b == b'-' || b == b'_');
        if is_word {
            entries.push(Entry { key, key_span: within(line, key, from), value, span: within(line, value, from) });
        }
    }
    entries
}

/// The parts between commas, each with its place.
fn parts(value: &str, span: Span) -> impl Iterator<Item = (&str, Span)> {
    let parts = value.split(',').map(str::trim).filter(|part| !part.is_empty());
    parts.map(move |part| (part, within(value, part, span.start)))
}

/// Where a part of a text stands, when the text begins at `from`.
fn within(text: &str, part: &str, from: usize) -> Span {
    let at = from + (part.as_ptr() as usize).saturating_sub(text.as_ptr() as usize);
    Span::new(at, at + part.len())
}

/// A name as words: `new-service-on-dc` is "New service on dc".
fn words(name: &str) -> String {
    let mut words = name.replace('-', " ");
    if let Some(first) = words.get_mut(..1) {
        first.make_ascii_uppercase();
    }
    words
}
