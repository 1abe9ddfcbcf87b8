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
}

impl Report {
    pub(super) fn new(text: &str, place: &Place) -> Self {
        Self {
            source: place.source.clone(),
            whole: place.span,
            map: place.align(text),
            all: Findings::default(),
            said: BTreeMap::new(),
        }
    }

    /// Adds a finding whose span counts from the start of the text.
    pub(super) fn add(&mut self, span: Span, finding: Finding) {
        // Warnings never crowd out an error: whether there is one decides what becomes of the query.
        let said = self.said.entry(finding.level() == Level::Error).or_insert(0);
        *said += 1;
        if *said <= MAX_FINDINGS {
            self.all.add(finding.at(&self.source, self.outer(span)));
        }
    }

    /// How many errors there were so far, also those that are not shown.
    pub(super) fn errors(&self) -> usize {
        self.said.get(&true).copied().unwrap_or_default()
    }

    pub(super) fn has_errors(&self) -> bool {
        self.all.has_errors()
    }

    pub(super) fn into_findings(self) -> Vec<Finding> {
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
