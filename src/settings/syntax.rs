//! What to show of a file that is no TOML: its mistakes in writing first, and nothing that only follows from them.

use std::collections::BTreeSet;

use super::layer::SYNTAX;
use crate::diagnostics::Finding;

/// The findings without those that a mistake in writing has brought about: further ones on the same line, and settings
/// that seem to be missing because they could not be read. Unchanged where the file is TOML.
pub(super) fn foremost(findings: Vec<Finding>) -> Vec<Finding> {
    let (syntax, others): (Vec<_>, Vec<_>) = findings.into_iter().partition(|finding| finding.code() == SYNTAX);
    if syntax.is_empty() {
        return others;
    }
    let mut lines = BTreeSet::new();
    let mut shown = syntax;
    shown.retain(|finding| line(finding).is_none_or(|line| lines.insert(line)));
    let follows = |finding: &Finding| {
        finding.code() == "settings/missing" || line(finding).is_some_and(|line| lines.contains(&line))
    };
    shown.extend(others.into_iter().filter(|finding| !follows(finding)));
    shown
}

fn line(finding: &Finding) -> Option<usize> {
    finding.place().map(|place| place.source.line_column(place.span.start).line)
}
