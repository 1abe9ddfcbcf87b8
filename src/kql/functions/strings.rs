//! Text. Positions and lengths count characters.

use std::sync::Arc;

use super::args::{count, long_or, text};
use super::dynamics::window;
use super::{Arg, Function, Gives};
use crate::kql::dynamic::Dynamic;
use crate::kql::error::KqlError;
use crate::kql::eval::Frame;
use crate::kql::eval::convert::text_of;
use crate::kql::value::{Type, Val};

const STRING: Gives = Gives::Is(Type::String);
const TEXT: Arg = Arg::Is(Type::String);
const LONG: Arg = Arg::Is(Type::Long);

pub(super) const FUNCTIONS: &[Function] = &[
    Function::plain("tolower", &[Arg::Text], STRING, |args| text(args, 0).to_lowercase().into())
        .doc("In lower case.", &[("tolower('ÄB')", "'äb'")]),
    Function::plain("toupper", &[Arg::Text], STRING, |args| text(args, 0).to_uppercase().into())
        .doc("In upper case.", &[("toupper('äb')", "'ÄB'")]),
    Function::plain("strlen", &[TEXT], Gives::Is(Type::Long), |args| count(text(args, 0).chars().count()))
        .named_with_first()
        .doc("How many characters.", &[("strlen('⒦⒰⒮⒯⒪')", "5")]),
    Function::plain("strcmp", &[Arg::Text, Arg::Text], Gives::Is(Type::Long), |args| {
        Val::Long(text(args, 0).cmp(text(args, 1)) as i64)
    })
    .doc(
        "-1, 0 or 1, as the first text sorts before, with or after the second.",
        &[("strcmp('abc', 'abd')", "-1"), ("strcmp('abc', 'abc')", "0"), ("strcmp('b', 'abc')", "1")],
    ),
    Function::new("strcat", &[Arg::Any], STRING, |frame, args| {
        let parts: Vec<_> = args.iter().map(text_of).collect();
        frame.env.budget.may_make(parts.iter().map(|part| part.len()).sum())?;
        Ok(parts.concat().into())
    })
    .rest(&[Arg::Any])
    .sees_null()
    .doc("All of them as one text.", &[("strcat('a', 1, int(null), true)", "'a1true'")]),
    Function::plain("substring", &[Arg::Any, LONG], STRING, |args| {
        let text = text_of(args.first().unwrap_or(&Val::Null)).into_owned();
        let length = args.get(2).map_or(-1, |length| length.as_long().unwrap_or(0).max(0));
        part(&text, long_or(args, 1, 0), length).unwrap_or_default().to_owned().into()
    })
    .optional(&[LONG])
    .doc(
        "From a position, counted from 0 or from the end when negative, so many characters.",
        &[
            ("substring('abcdef', 2)", "'cdef'"),
            ("substring('abcdef', 1, 2)", "'bc'"),
            ("substring('abcdef', -2)", "'ef'"),
            ("substring('abc', 9)", "''"),
        ],
    ),
    Function::new("indexof", &[Arg::Any, Arg::Any], Gives::Is(Type::Long), index_of).optional(&[LONG, LONG, LONG]).doc(
        "Where a text is found: source, text, start, length, occurrence; -1 when it is not.",
        &[
            ("indexof('abcdefg', 'cde')", "2"),
            ("indexof('abcdefg', 'cde', 1, 2)", "-1"),
            ("indexof('abcdefg', 'cde', -5)", "2"),
            ("indexof(1234567, 5, 1, 4)", "4"),
            ("indexof('abcdefgabcdefg', 'cde', 1, 10, 2)", "9"),
        ],
    ),
    Function::new("trim", &[Arg::Regex, TEXT], STRING, |frame, args| trim(frame, args, true, true))
        .constants(&[0])
        .doc("Without matches of a regular expression at both ends.", &[("trim('-', '--a-b--')", "'a-b'")]),
    Function::new("trim_start", &[Arg::Regex, TEXT], STRING, |frame, args| trim(frame, args, true, false))
        .constants(&[0])
        .doc("Without matches of a regular expression at the beginning.", &[("trim_start('-', '--a-')", "'a-'")]),
    Function::new("trim_end", &[Arg::Regex, TEXT], STRING, |frame, args| trim(frame, args, false, true))
        .constants(&[0])
        .doc("Without matches of a regular expression at the end.", &[("trim_end('-', '-a--')", "'-a'")]),
    Function::new("replace_string", &[TEXT, TEXT, TEXT], STRING, replace)
        .doc("Every occurrence of a text replaced by another.", &[("replace_string('a.b.c', '.', '-')", "'a-b-c'")]),
    Function::new("split", &[Arg::Text, TEXT], Gives::Is(Type::Dynamic), split).optional(&[LONG]).keeps_name().doc(
        "The parts between a delimiter, or an array of the one part asked for.",
        &[
            ("tostring(split('a_b', '_'))", r#"'["a","b"]'"#),
            ("tostring(split('a_b', '_', 1))", r#"'["b"]'"#),
            ("tostring(split('', '_'))", r#"'[""]'"#),
        ],
    ),
    Function::new("extract", &[Arg::Regex, LONG, TEXT], STRING, extract).constants(&[0]).doc(
        "A group (0 is all) of the first match of a regular expression; empty without a match.",
        &[
            ("extract('User: ([^,]+)', 1, 'User: James, x')", "'James'"),
            ("extract('[0-9]+', 0, 'a12')", "'12'"),
            ("extract('x', 0, 'a12')", "''"),
        ],
    ),
];

/// So many characters from a position; a length of -1 is all.
fn part(text: &str, start: i64, length: i64) -> Option<&str> {
    let (start, end) = window(text.chars().count(), start, length)?;
    let mut places = text.char_indices().map(|(at, _)| at).chain(std::iter::once(text.len()));
    let from = places.nth(start)?;
    let to = if end > start { places.nth(end - start - 1)? } else { from };
    text.get(from..to)
}

/// Each further occurrence is looked for one character after the last, over the same length.
fn index_of<'a>(frame: &Frame<'_>, args: &[Val<'a>]) -> Result<Val<'a>, KqlError> {
    let [source, wanted, ..] = args else { return Ok(Val::Null) };
    let (source, wanted) = (text_of(source), text_of(wanted));
    let (length, occurrence) = (long_or(args, 3, -1), long_or(args, 4, 1));
    let Some((mut start, _)) = window(source.chars().count(), long_or(args, 2, 0), length) else {
        return Ok(Val::Null);
    };
    if occurrence < 1 {
        return Ok(Val::Null);
    }
    for _ in 0..occurrence {
        let from = i64::try_from(start).unwrap_or(i64::MAX);
        let searched = part(&source, from, length).unwrap_or_default();
        frame.env.budget.steps(1 + source.len() as u64 / 16)?;
        let Some(passed) = searched.find(&*wanted).and_then(|at| searched.get(..at)) else {
            return Ok(Val::Long(-1));
        };
        start += passed.chars().count() + 1;
        if passed.len() == searched.len() && occurrence > 1 {
            return Ok(Val::Long(-1));
        }
    }
    Ok(count(start - 1))
}

fn trim<'a>(frame: &Frame<'_>, args: &[Val<'a>], start: bool, end: bool) -> Result<Val<'a>, KqlError> {
    let [pattern, source] = args else { return Ok(Val::Null) };
    let regex = frame.regex(pattern)?;
    let mut rest = source.as_str().unwrap_or_default();
    while let Some(found) = start.then(|| regex.find(rest)).flatten().filter(|m| m.start() == 0 && !m.is_empty()) {
        rest = rest.get(found.end()..).unwrap_or_default();
        frame.env.budget.step()?;
    }
    if end {
        let mut matches: Vec<_> = regex.find_iter(rest).filter(|found| !found.is_empty()).collect();
        while let Some(found) = matches.pop().filter(|found| found.end() == rest.len()) {
            rest = rest.get(..found.start()).unwrap_or_default();
        }
    }
    Ok(rest.to_owned().into())
}

fn replace<'a>(frame: &Frame<'_>, args: &[Val<'a>]) -> Result<Val<'a>, KqlError> {
    let (source, from, to) = (text(args, 0), text(args, 1), text(args, 2));
    if from.is_empty() {
        return Ok(source.to_owned().into());
    }
    let places = source.matches(from).count();
    frame.env.budget.may_make(source.len().saturating_add(places.saturating_mul(to.len())))?;
    Ok(source.replace(from, to).into())
}

fn split<'a>(frame: &Frame<'_>, args: &[Val<'a>]) -> Result<Val<'a>, KqlError> {
    let (source, delimiter) = (text(args, 0), text(args, 1));
    let whole = || Box::new(std::iter::once(source)) as Box<dyn Iterator<Item = &str>>;
    let parts = if delimiter.is_empty() { whole() } else { Box::new(source.split(delimiter)) };
    let mut items: Vec<Dynamic> = Vec::new();
    for part in parts {
        frame.env.budget.bytes(part.len() + size_of::<Dynamic>())?;
        items.push(Dynamic::Str(Arc::from(part)));
    }
    if let Some(at) = args.get(2).and_then(Val::as_long) {
        items = usize::try_from(at).ok().and_then(|at| items.get(at)).cloned().into_iter().collect();
    }
    Ok(Val::dynamic(Dynamic::Array(items.into())))
}

fn extract<'a>(frame: &Frame<'_>, args: &[Val<'a>]) -> Result<Val<'a>, KqlError> {
    let [pattern, group, source] = args else { return Ok(Val::Null) };
    let regex = frame.regex(pattern)?;
    let group = group.as_long().and_then(|group| usize::try_from(group).ok());
    let captures = regex.captures(source.as_str().unwrap_or_default());
    let found = captures.as_ref().zip(group).and_then(|(captures, group)| captures.get(group));
    Ok(found.map(|found| found.as_str()).unwrap_or_default().to_owned().into())
}
