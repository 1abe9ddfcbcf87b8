//! One finding, and a collection of them.

use serde::Serialize;
use serde::ser::SerializeStruct;

use super::escape::{MESSAGE_CHARS, clipped};
use super::source::{Place, Source, Span};

/// How bad a finding is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Level {
    /// The file cannot be used.
    Error,
    /// It can, but probably does not do what its author wants.
    Warning,
    /// Worth knowing.
    Note,
}

/// One thing found in a file. As JSON: `code, level, message, file, line, column, end_line, end_column, help`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    code: &'static str,
    level: Level,
    message: String,
    place: Option<Place>,
    help: Option<String>,
    labels: Vec<Label>,
}

/// Words beside a further place in the same file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Label {
    /// Where.
    pub span: Span,
    /// What is there.
    pub text: String,
}

/// Many findings, gathered before any is shown.
#[derive(Debug, Clone, Default)]
pub struct Findings(Vec<Finding>);

impl Level {
    /// `error`, `warning` or `note`.
    pub const fn word(self) -> &'static str {
        match self {
            Self::Error => "error",
            Self::Warning => "warning",
            Self::Note => "note",
        }
    }
}

impl Finding {
    /// A finding with a stable code such as `kql/unknown-column`. The message is escaped and clipped here, so it may
    /// quote hostile text.
    pub fn new(level: Level, code: &'static str, message: impl AsRef<str>) -> Self {
        let message = clipped(message.as_ref(), MESSAGE_CHARS);
        Self { code, level, message, place: None, help: None, labels: Vec::new() }
    }

    /// An error.
    pub fn error(code: &'static str, message: impl AsRef<str>) -> Self {
        Self::new(Level::Error, code, message)
    }

    /// A warning.
    pub fn warning(code: &'static str, message: impl AsRef<str>) -> Self {
        Self::new(Level::Warning, code, message)
    }

    /// A note.
    pub fn note(code: &'static str, message: impl AsRef<str>) -> Self {
        Self::new(Level::Note, code, message)
    }

    /// The same as a warning, for whoever can go on with it.
    #[must_use]
    pub fn as_warning(self) -> Self {
        Self { level: Level::Warning, ..self }
    }

    /// The same as an error, for whoever cannot go on with it.
    #[must_use]
    pub fn as_error(self) -> Self {
        Self { level: Level::Error, ..self }
    }

    /// Where it is.
    #[must_use]
    pub fn at(mut self, source: &Source, span: Span) -> Self {
        self.place = Some(Place { source: source.clone(), span: source.fit(span) });
        self
    }

    /// Where it is.
    #[must_use]
    pub fn at_place(self, place: &Place) -> Self {
        self.at(&place.source, place.span)
    }

    /// What to do about it.
    #[must_use]
    pub fn help(mut self, help: impl AsRef<str>) -> Self {
        self.help = Some(clipped(help.as_ref(), MESSAGE_CHARS));
        self
    }

    /// "did you mean" the word, if there is one; any help given before is kept.
    #[must_use]
    pub fn help_nearest(self, word: Option<&str>) -> Self {
        match word {
            Some(word) => self.help(format!("did you mean {word}?")),
            None => self,
        }
    }

    /// Words beside a further place of the same file.
    #[must_use]
    pub fn label(mut self, span: Span, text: impl AsRef<str>) -> Self {
        self.labels.push(Label { span, text: clipped(text.as_ref(), MESSAGE_CHARS) });
        self
    }

    /// The stable code.
    pub const fn code(&self) -> &'static str {
        self.code
    }

    /// How bad it is.
    pub const fn level(&self) -> Level {
        self.level
    }

    /// What is wrong, safe to print.
    pub fn message(&self) -> &str {
        &self.message
    }

    /// Where it is, when it has a place.
    pub const fn place(&self) -> Option<&Place> {
        self.place.as_ref()
    }

    /// What to do about it, safe to print.
    pub fn help_text(&self) -> Option<&str> {
        self.help.as_deref()
    }

    /// Further places.
    pub fn labels(&self) -> &[Label] {
        &self.labels
    }
}

impl Serialize for Finding {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let start = self.place.as_ref().map(|p| p.source.line_column(p.span.start));
        let end = self.place.as_ref().map(|p| p.source.line_column(p.span.end));
        let mut out = to.serialize_struct("Finding", 9)?;
        out.serialize_field("code", self.code)?;
        out.serialize_field("level", &self.level)?;
        out.serialize_field("message", &self.message)?;
        out.serialize_field("file", &self.place.as_ref().map(|p| p.source.name()))?;
        out.serialize_field("line", &start.map(|at| at.line))?;
        out.serialize_field("column", &start.map(|at| at.column))?;
        out.serialize_field("end_line", &end.map(|at| at.line))?;
        out.serialize_field("end_column", &end.map(|at| at.column))?;
        out.serialize_field("help", &self.help)?;
        out.end()
    }
}

impl Findings {
    /// Adds one.
    pub fn add(&mut self, finding: Finding) {
        self.0.push(finding);
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub const fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether one of them is an error.
    pub fn has_errors(&self) -> bool {
        self.0.iter().any(|finding| finding.level == Level::Error)
    }

    /// In the order they were added.
    pub fn iter(&self) -> std::slice::Iter<'_, Finding> {
        self.0.iter()
    }

    /// By file, place, level and code, without repeats. A finding without a place comes first.
    #[must_use]
    pub fn sorted(self) -> Vec<Finding> {
        let mut all = self.0;
        all.sort_by(|a, b| sort_key(a).cmp(&sort_key(b)));
        all.dedup();
        all
    }

    /// All of them as text, sorted, a blank line between two; `colour` adds terminal colours.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let parts: Vec<String> = self.clone().sorted().iter().map(|finding| finding.render(colour)).collect();
        parts.join("\n")
    }
}

type SortKey<'a> = (Option<(&'a str, Span)>, Level, &'static str, &'a str);

fn sort_key(finding: &Finding) -> SortKey<'_> {
    let place = finding.place.as_ref().map(|p| (p.source.name(), p.span));
    (place, finding.level, finding.code, &finding.message)
}

impl Extend<Finding> for Findings {
    fn extend<I: IntoIterator<Item = Finding>>(&mut self, more: I) {
        self.0.extend(more);
    }
}

impl FromIterator<Finding> for Findings {
    fn from_iter<I: IntoIterator<Item = Finding>>(all: I) -> Self {
        Self(all.into_iter().collect())
    }
}

impl IntoIterator for Findings {
    type Item = Finding;
    type IntoIter = std::vec::IntoIter<Finding>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

impl<'a> IntoIterator for &'a Findings {
    type Item = &'a Finding;
    type IntoIter = std::slice::Iter<'a, Finding>;

    fn into_iter(self) -> Self::IntoIter {
        self.iter()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn json_carries_both_ends_of_the_place() {
        let source = Source::new("a.yaml", "x\nyes\n");
        let finding = Finding::error("t/e", "bad\u{7}").at(&source, Span::new(2, 5)).help("say no");
        let json = serde_json::to_value(&finding).unwrap();
        assert_eq!(
            json,
            serde_json::json!({"code": "t/e", "level": "error", "message": "bad\\u{7}", "file": "a.yaml",
                "line": 2, "column": 1, "end_line": 2, "end_column": 4, "help": "say no"})
        );
    }

    #[test]
    fn findings_come_sorted_by_place_and_only_once() {
        let source = Source::new("a", "abcdef");
        let at = |n| Finding::error("t/e", "m").at(&source, Span::new(n, n + 1));
        let mut findings: Findings = [at(3), at(1), at(3)].into_iter().collect();
        findings.add(Finding::warning("t/w", "no place"));
        assert!(findings.has_errors());
        let spans: Vec<_> = findings.sorted().iter().map(|f| f.place().map(|p| p.span.start)).collect();
        assert_eq!(spans, [None, Some(1), Some(3)]);
    }
}
