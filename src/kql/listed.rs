//! Tables as people list them: a line for each, its name, then `name:type` of each column, with tabs or spaces between.
//!
//! A `+` before the columns adds them to a table that is known already. A `*` at the end says that there are columns
//! beside those that are listed. Lines that begin with `#` and empty lines are passed over.

use std::collections::BTreeSet;

use super::schema::Column;
use super::value::Type;
use crate::diagnostics::{Finding, Source, Span, quoted, suggest};

const FORM: &str = "a line is TABLE name:type name:type ..., with + before the columns to add them to a known table";

/// One line.
#[derive(Debug)]
pub(super) struct Listed<'a> {
    pub(super) name: &'a str,
    /// Where its name stands.
    pub(super) span: Span,
    /// The columns are added to those of the table.
    pub(super) adds: bool,
    pub(super) columns: Vec<Column>,
    /// There are columns beside them.
    pub(super) more: bool,
}

/// All lines, and what is wrong with them.
pub(super) fn read(source: &Source) -> (Vec<Listed<'_>>, Vec<Finding>) {
    let (mut tables, mut findings) = (Vec::new(), Vec::new());
    let text = source.text().trim_start_matches('\u{feff}');
    let mut start = source.text().len() - text.len();
    for line in text.split_inclusive('\n') {
        if !line.starts_with('#') {
            tables.extend(table(line, start, source, &mut findings));
        }
        start += line.len();
    }
    (tables, findings)
}

fn table<'a>(line: &'a str, start: usize, source: &Source, findings: &mut Vec<Finding>) -> Option<Listed<'a>> {
    let mut words = words(line, start);
    let (name, span) = words.next()?;
    let mut wrong = |span: Span, code: &'static str, message: String, help: &str, nearest: Option<&str>| {
        findings.push(Finding::error(code, message).at(source, span).help(help).help_nearest(nearest));
    };
    if !is_name(name) {
        wrong(span, "tables/syntax", format!("{} is no name of a table", quoted(name)), FORM, None);
        return None;
    }
    let mut listed = Listed { name, span, adds: false, columns: Vec::new(), more: false };
    let (mut seen, mut sound, mut empty) = (BTreeSet::new(), true, true);
    for (at, (word, mut span)) in words.enumerate() {
        let mut word = word;
        if let Some(rest) = word.strip_prefix('+').filter(|_| at == 0) {
            listed.adds = true;
            (word, span.start) = (rest, span.start + 1);
        }
        empty &= word.is_empty();
        match word {
            "" => {}
            "*" => listed.more = true,
            word => match column(word) {
                Ok(column) if seen.insert(column.name.clone()) => listed.columns.push(column),
                Ok(column) => {
                    let message = format!("the column {} stands here twice", quoted(&column.name));
                    wrong(span, "tables/duplicate", message, "keep one of them", None);
                    sound = false;
                }
                Err((code, message, nearest)) => {
                    wrong(span, code, message, FORM, nearest);
                    sound = false;
                }
            },
        }
    }
    if empty {
        let message = format!("no column of {} is listed", quoted(name));
        wrong(span, "tables/syntax", message, "list them, or write * for a table whose columns are not checked", None);
        return None;
    }
    if !sound {
        // Whoever reads that table is not told of columns that were meant to be here.
        listed = Listed { adds: false, columns: Vec::new(), more: true, ..listed };
    }
    Some(listed)
}

type Mistake = (&'static str, String, Option<&'static str>);

fn column(word: &str) -> Result<Column, Mistake> {
    let parts = word.split_once(':').filter(|(name, _)| is_name(name));
    let Some((name, ty)) = parts else {
        return Err(("tables/syntax", format!("{} is no name:type", quoted(word)), None));
    };
    let unknown = || {
        let nearest = suggest::nearest(ty, Type::ALL.map(Type::name));
        ("tables/unknown-type", format!("there is no type {}", quoted(ty)), nearest)
    };
    Ok(Column::new(name, Type::from_name(ty).ok_or_else(unknown)?))
}

/// Letters, digits and underscores, as Log Analytics and advanced hunting have them.
fn is_name(word: &str) -> bool {
    let letters = word.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
    letters && word.bytes().next().is_some_and(|byte| !byte.is_ascii_digit())
}

/// The words of a line, each with its place.
fn words(line: &str, start: usize) -> impl Iterator<Item = (&str, Span)> {
    line.split_whitespace().map(move |word| {
        // Both are parts of one text.
        let at = start + (word.as_ptr().addr() - line.as_ptr().addr());
        (word, Span::new(at, at + word.len()))
    })
}
