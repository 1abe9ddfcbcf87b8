//! From YAML nodes to typed values, with a finding for everything that does not fit.

use std::time::Duration;

use super::yaml::{Key, Node, Value};
use crate::diagnostics::{Finding, Findings, Place, Source, Span, quoted, suggest};
use crate::model::time::parse_duration;

/// A value and where it was written.
#[derive(Debug, Clone)]
pub struct Placed<T> {
    /// The value.
    pub value: T,
    /// Where.
    pub place: Place,
}

/// Reads the values of one file and gathers what is wrong with them.
pub(super) struct Reader<'a> {
    pub(super) source: &'a Source,
    pub(super) findings: &'a mut Findings,
}

/// The entries of one mapping.
pub(super) struct Fields<'n> {
    what: &'static str,
    span: Span,
    entries: &'n [(Key, Node)],
}

/// Whether a text is a name: small letters, digits and hyphens, at most 64.
pub(super) fn is_name(text: &str) -> bool {
    text.len() <= 64
        && text.starts_with(|c: char| c.is_ascii_lowercase() || c.is_ascii_digit())
        && text.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
}

impl<'n> Fields<'n> {
    /// The value of a key; nothing when it is missing or null.
    pub(super) fn get(&self, key: &str) -> Option<&'n Node> {
        self.entries.iter().find(|(known, _)| known.text == key).map(|(_, node)| node).filter(|node| !node.is_null())
    }

    /// The value of a key that must be there.
    pub(super) fn need(&self, key: &str, reader: &mut Reader<'_>) -> Option<&'n Node> {
        let found = self.get(key);
        if found.is_none() {
            let first = self.entries.first().map_or(self.span, |(key, _)| key.span);
            let help = format!("add a line \"{key}: ...\"");
            reader.error("rule/missing-key", format!("{} has no {}", self.what, quoted(key)), first, help);
        }
        found
    }
}

impl Reader<'_> {
    pub(super) fn place(&self, span: Span) -> Place {
        Place { source: self.source.clone(), span }
    }

    pub(super) fn error(&mut self, code: &'static str, message: impl AsRef<str>, span: Span, help: impl AsRef<str>) {
        self.findings.add(Finding::error(code, message).at(self.source, span).help(help));
    }

    /// A word that is not known where only some are.
    pub(super) fn unknown(&mut self, code: &'static str, what: &str, word: &str, span: Span, known: &[&str]) {
        let finding = Finding::error(code, format!("{} is no {what}", quoted(word))).at(self.source, span);
        let nearest = suggest::nearest(word, known.iter().copied());
        let finding = match nearest {
            Some(_) => finding.help_nearest(nearest),
            None => finding.help(format!("one of: {}", known.join(", "))),
        };
        self.findings.add(finding);
    }

    /// The entries of a mapping; keys it does not know are findings.
    pub(super) fn fields<'n>(&mut self, node: &'n Node, what: &'static str, known: &[&str]) -> Option<Fields<'n>> {
        let entries = self.entries(node, what)?;
        for (key, _) in entries {
            if !known.contains(&key.text.as_str()) {
                self.unknown("rule/unknown-key", &format!("key of {what}"), &key.text, key.span, known);
            }
        }
        Some(Fields { what, span: node.span, entries })
    }

    /// The entries of a mapping that may have keys which are no business of ours.
    pub(super) fn open_fields<'n>(&mut self, node: &'n Node, what: &'static str) -> Option<Fields<'n>> {
        let entries = self.entries(node, what)?;
        Some(Fields { what, span: node.span, entries })
    }

    /// The entries of a mapping whose keys are free.
    pub(super) fn entries<'n>(&mut self, node: &'n Node, what: &str) -> Option<&'n [(Key, Node)]> {
        if let Value::Map(entries) = &node.value {
            return Some(entries);
        }
        self.error(
            "rule/wrong-type",
            format!("{what} must be a mapping"),
            node.span,
            "write keys and values: \"key: value\"",
        );
        None
    }

    /// A list; one value stands for a list of one.
    pub(super) fn list<'n>(&mut self, node: &'n Node, what: &str) -> &'n [Node] {
        match &node.value {
            Value::List(items) => items,
            Value::Scalar { .. } => std::slice::from_ref(node),
            Value::Map(_) => {
                self.error(
                    "rule/wrong-type",
                    format!("{what} must be a list"),
                    node.span,
                    "write \"[a, b]\" or one \"- a\" a line",
                );
                &[]
            }
        }
    }

    /// Text that is not empty.
    pub(super) fn text(&mut self, node: &Node, what: &str) -> Option<String> {
        match &node.value {
            Value::Scalar { text, .. } if !text.trim().is_empty() => Some(text.trim().to_owned()),
            Value::Scalar { .. } | Value::List(_) | Value::Map(_) => {
                self.error(
                    "rule/wrong-type",
                    format!("{what} must be text"),
                    node.span,
                    "write a text after the colon",
                );
                None
            }
        }
    }

    /// A name: small letters, digits and hyphens, at most 64.
    pub(super) fn name(&mut self, node: &Node, what: &str) -> Option<String> {
        let name = self.text(node, what)?;
        let fits = is_name(&name);
        if !fits {
            let help = "use small letters, digits and hyphens, at most 64: \"brute-force\"";
            self.error("rule/bad-name", format!("{} cannot be {what}", quoted(&name)), node.span, help);
        }
        fits.then_some(name)
    }

    /// `true` or `false`.
    pub(super) fn flag(&mut self, node: &Node, what: &str) -> Option<bool> {
        match &node.value {
            Value::Scalar { text, plain: true } if text == "true" => Some(true),
            Value::Scalar { text, plain: true } if text == "false" => Some(false),
            Value::Scalar { .. } | Value::List(_) | Value::Map(_) => {
                self.error(
                    "rule/wrong-type",
                    format!("{what} must be true or false"),
                    node.span,
                    "write true or false, without quotes",
                );
                None
            }
        }
    }

    /// A whole number from 1.
    pub(super) fn count(&mut self, node: &Node, what: &str) -> Option<u32> {
        let number = match &node.value {
            Value::Scalar { text, plain: true } => text.parse().ok().filter(|n| *n > 0),
            Value::Scalar { .. } | Value::List(_) | Value::Map(_) => None,
        };
        if number.is_none() {
            self.error(
                "rule/wrong-type",
                format!("{what} must be a whole number from 1"),
                node.span,
                "write for example 5",
            );
        }
        number
    }

    /// A length of time that is not nothing.
    pub(super) fn duration(&mut self, node: &Node, what: &str) -> Option<Duration> {
        let text = self.text(node, what)?;
        match parse_duration(&text) {
            Ok(duration) if !duration.is_zero() => Some(duration),
            Ok(_) => {
                self.error("rule/wrong-type", format!("{what} is nothing"), node.span, "write for example 8h");
                None
            }
            Err(why) => {
                self.error("rule/wrong-type", format!("{what}: {why}"), node.span, "write for example 30m, 8h or 2d");
                None
            }
        }
    }

    /// One of some words.
    pub(super) fn word<T: Copy>(&mut self, node: &Node, what: &str, words: &[(&str, T)]) -> Option<T> {
        let text = self.text(node, what)?;
        let found = words.iter().find(|(word, _)| *word == text).map(|(_, value)| *value);
        if found.is_none() {
            let known: Vec<&str> = words.iter().map(|(word, _)| *word).collect();
            self.unknown("rule/unknown-word", what, &text, node.span, &known);
        }
        found
    }
}
