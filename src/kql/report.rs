//! Gathers findings while a text is compiled, and moves their places into the file the text came from.

use std::collections::BTreeMap;

use super::value::Type;
use crate::diagnostics::{Finding, Findings, Level, Place, Source, Span, quoted, suggest};

/// More errors, or more warnings, than this help nobody.
const MAX_FINDINGS: usize = 50;

/// What is said of a type that is not here, and the type as which it is checked further: Kusto's `decimal` meets the types
/// that a `real` meets.
pub(super) fn unknown_type(name: &str) -> (Finding, Option<Type>) {
    if name == "decimal" {
        let finding = Finding::error("kql/unsupported", "the type \"decimal\" is not supported");
        return (finding.help("a real holds fifteen digits"), Some(Type::Real));
    }
    let finding = Finding::error("kql/unknown-type", format!("there is no type {} here", quoted(name)));
    (finding.help_nearest(suggest::nearest(name, Type::ALL.map(Type::name))), None)
}

pub(super) struct Report {
    source: Source,
    whole: Span,
    map: Option<Vec<usize>>,
    all: Findings,
    /// How many errors and warnings there are, by whether they are errors.
    said: BTreeMap<bool, usize>,
    /// Where the first of those is that are not shown, by whether they are errors.
    hidden: BTreeMap<bool, Span>,
}

impl Report {
    pub(super) fn new(text: &str, place: &Place) -> Self {
        Self {
            source: place.source.clone(),
            whole: place.span,
            map: place.align(text),
            all: Findings::default(),
            said: BTreeMap::new(),
            hidden: BTreeMap::new(),
        }
    }

    /// Adds a finding whose span counts from the start of the text.
    pub(super) fn add(&mut self, span: Span, finding: Finding) {
        // Warnings never crowd out an error: whether there is one decides what becomes of the query.
        let error = finding.level() == Level::Error;
        let said = self.said.entry(error).or_insert(0);
        *said += 1;
        if *said <= MAX_FINDINGS {
            self.all.add(finding.at(&self.source, self.outer(span)));
        } else {
            self.hidden.entry(error).or_insert(span);
        }
    }

    /// Whether one more finding of that level is shown. For one that is not, nothing need be looked up.
    pub(super) fn shows(&self, level: Level) -> bool {
        self.said.get(&(level == Level::Error)).is_none_or(|said| *said < MAX_FINDINGS)
    }

    /// How many errors there were so far, also those that are not shown.
    pub(super) fn errors(&self) -> usize {
        self.said.get(&true).copied().unwrap_or_default()
    }

    pub(super) fn has_errors(&self) -> bool {
        self.all.has_errors()
    }

    pub(super) fn into_findings(mut self) -> Vec<Finding> {
        for (error, span) in std::mem::take(&mut self.hidden) {
            let more = self.said.get(&error).map_or(0, |said| said.saturating_sub(MAX_FINDINGS));
            let what = if error { "errors" } else { "warnings" };
            let finding = Finding::new(Level::Note, "kql/more", format!("and {more} more {what} from here on"));
            self.all.add(finding.at(&self.source, self.outer(span)));
        }
        self.all.sorted()
    }

    fn outer(&self, span: Span) -> Span {
        let Some(map) = &self.map else { return self.whole };
        let at = |n: usize| map.get(n).or(map.last()).copied().unwrap_or(self.whole.start);
        // The end is one past the last byte that belongs to the span, wherever the next one is.
        let end = if span.end > span.start { at(span.end - 1) + 1 } else { at(span.start) };
        Span::new(at(span.start), end)
    }
}
