//! More of text: replaced, counted, taken apart, put together.

use std::sync::Arc;

use super::args::{array, bool_value, count, items, long, long_or, text};
use super::{Arg, Function, Gives, Naming};
use crate::kql::dynamic::{Bag, Dynamic};
use crate::kql::error::KqlError;
use crate::kql::eval::Frame;
use crate::kql::eval::convert::{scalar, text_of};
use crate::kql::value::{Type, Val};

const STRING: Gives = Gives::Is(Type::String);
const LONG: Gives = Gives::Is(Type::Long);
const DYNAMIC: Gives = Gives::Is(Type::Dynamic);
const TEXT: Arg = Arg::Is(Type::String);
const ONE: &[Arg] = &[Arg::Text];

/// Code points, one or an array of them.
/// The text, or before it the groups to take.
const GROUPS: Arg = Arg::OneOf(&[Type::String, Type::Dynamic]);
const CODES: Arg = Arg::OneOf(&[Type::Int, Type::Long, Type::Dynamic]);

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("replace_regex", &[TEXT, Arg::Regex, TEXT], STRING, |frame, args| match args {
        [source, pattern, rewrite] => replace(frame, source, pattern, rewrite),
        _ => Ok(Val::Null),
    })
    .constants(&[1, 2]).doc(
        r"Every match of a regular expression rewritten; \1 is its first group.",
        &[(r"replace_regex('Number is 1', @'is (\d+)', @'was: \1')", "'Number was: 1'")],
    ),
    Function::new("replace", &[Arg::Regex, TEXT, TEXT], STRING, |frame, args| match args {
        [pattern, rewrite, source] => replace(frame, source, pattern, rewrite),
        _ => Ok(Val::Null),
    })
    .constants(&[0, 1])
    .doc("As replace_regex, with the text last.", &[(r"replace(@'is (\d+)', @'was: \1', 'Number is 1')", "'Number was: 1'")]),
    Function::new("replace_strings", &[TEXT, Arg::Is(Type::Dynamic), Arg::Is(Type::Dynamic)], STRING, replace_strings)
        .doc("Every occurrence of texts replaced, one after the other.", &[("replace_strings('a-b', dynamic(['a', 'b']), dynamic(['x', 'y']))", "'x-y'")]),
    Function::new("extract_all", &[Arg::Regex, GROUPS], DYNAMIC, extract_all).optional(&[TEXT]).constants(&[0]).doc(
        "All matches of a regular expression: of its groups, or of those that are listed.",
        &[
            (r"tostring(extract_all(@'(\d+)', 'a1b22'))", r#"'["1","22"]'"#),
            (r"tostring(extract_all(@'(\w)(\w+)', 'ab cde'))", r#"'[["a","b"],["c","de"]]'"#),
        ],
    ),
    Function::new("extractall", &[Arg::Regex, GROUPS], DYNAMIC, extract_all)
        .optional(&[TEXT])
        .constants(&[0]).doc("As extract_all.", &[(r"tostring(extractall(@'(\d)', 'a1b2'))", r#"'["1","2"]'"#)]),
    Function::plain("extractjson", &[TEXT, TEXT], STRING, |args| at_path(text(args, 1), text(args, 0)))
        .constants(&[0]).doc("The value at a path of a JSON text.", &[(r#"extractjson('$.a[1].b', '{"a": [1, {"b": "x"}]}')"#, "'x'")]),
    Function::plain("extract_json", &[TEXT, TEXT], STRING, |args| at_path(text(args, 1), text(args, 0)))
        .constants(&[0]).doc("As extractjson.", &[(r#"extract_json('$.a', '{"a": 3}')"#, "'3'")]),
    Function::new("countof", &[TEXT, TEXT], LONG, count_of).optional(&[Arg::Word(&["normal", "regex"])]).doc(
        "How often a text occurs, overlaps included; or a regular expression, without.",
        &[("countof('aaaa', 'aa')", "3"), (r"countof('abc-1-22', @'\d+', 'regex')", "2")],
    ),
    Function::plain("reverse", ONE, STRING, |args| text(args, 0).chars().rev().collect::<String>().into())
        .sees_null()
        .doc("From the last character to the first.", &[("reverse('abc')", "'cba'"), ("reverse(123)", "'321'")]),
    Function::new("strrep", &[Arg::Text, Arg::Is(Type::Long)], STRING, |frame, args| {
        let times = usize::try_from(long_or(args, 1, 0).clamp(0, 1_024)).unwrap_or(0);
        let (one, between) = (text(args, 0), text(args, 2));
        frame.env.budget.may_make((one.len() + between.len()).saturating_mul(times))?;
        Ok(vec![one; times].join(between).into())
    })
    .optional(&[Arg::Text])
    .doc("A text so many times, at most 1,024.", &[("strrep('ab', 2)", "'abab'"), ("strrep('ab', 2, '-')", "'ab-ab'")]),
    Function::new("strcat_delim", &[Arg::Text, Arg::Text, Arg::Text], STRING, |frame, args| {
        let parts: Vec<&str> = (1..args.len()).map(|at| text(args, at)).collect();
        let delimiter = text(args, 0);
        frame.env.budget.may_make(parts.iter().map(|part| part.len() + delimiter.len()).sum())?;
        Ok(parts.join(delimiter).into())
    })
    .rest(&[Arg::Text])
    .sees_null()
    .doc("All of them as one text, with a delimiter between them.", &[("strcat_delim('-', 1, 'a', true)", "'1-a-true'")]),
    Function::plain("string_size", &[TEXT], LONG, |args| count(text(args, 0).len()))
        .named_with_first()
        .doc("How many bytes in UTF-8.", &[("string_size('aä')", "3")]),
    Function::plain("translate", &[TEXT, TEXT, TEXT], STRING, |args| {
        let to: Vec<char> = text(args, 1).chars().collect();
        let from: Vec<char> = text(args, 0).chars().collect();
        let one = |c: char| match from.iter().position(|other| *other == c) {
            Some(at) => to.get(at.min(to.len().saturating_sub(1))).copied(),
            None => Some(c),
        };
        text(args, 2).chars().filter_map(one).collect::<String>().into()
    })
    .doc("Characters of the first replaced by those of the second, in the third.", &[("translate('krasp', 'otsku', 'spark')", "'kusto'"), ("translate('abc', '', 'ab')", "''"), ("translate('abc', 'x', 'abcd')", "'xxxd'")]),
    Function::plain("regex_quote", &[Arg::Text], STRING, |args| regex::escape(text(args, 0)).into())
        .doc("A text as a regular expression that matches just it.", &[("regex_quote('(a.b)')", r"@'\(a\.b\)'")]),
    Function::new("indexof_regex", &[TEXT, Arg::Any], LONG, |frame, args| {
        let pattern = args.get(1).cloned().unwrap_or(Val::Null);
        let regex = frame.regex(&pattern)?;
        let (source, start) = (text(args, 0), long_or(args, 2, 0));
        let from = usize::try_from(start.max(0)).ok().and_then(|n| source.char_indices().map(|(at, _)| at).chain([source.len()]).nth(n));
        let found = from.and_then(|from| regex.find_at(source, from));
        Ok(found.map_or(Val::Long(-1), |found| count(source.get(..found.start()).unwrap_or_default().chars().count())))
    })
    .optional(&[Arg::Is(Type::Long)])
    .constants(&[1]).doc("Where a regular expression is found; -1 when it is not.", &[("indexof_regex('abcabc', '[b-c]+')", "1")]),
    Function::plain("isascii", ONE, Gives::Is(Type::Bool), |args| bool_value(Some(text(args, 0).is_ascii())))
        .doc("Whether there are only ASCII characters.", &[("isascii('ab')", "true"), ("isascii('ä')", "false")]),
    Function::plain("has_any_index", &[TEXT, Arg::Is(Type::Dynamic)], LONG, |args| {
        let words: Vec<String> = items(args, 1).unwrap_or_default().iter().map(|item| text_of(&scalar(item)).to_ascii_lowercase()).collect();
        let lower = text(args, 0).to_ascii_lowercase();
        let found = words.iter().position(|word| whole_term(&lower, word));
        found.map_or(Val::Long(-1), count)
    })
    .doc("The place of the first word of a list that a text has; -1 when it has none.", &[("has_any_index('this is an example', dynamic(['x', 'example']))", "1")]),
    Function::plain("unicode_codepoints_from_string", ONE, DYNAMIC, |args| {
        array(text(args, 0).chars().map(|c| Dynamic::Long(i64::from(u32::from(c)))))
    })
    .doc("The code points of a text.", &[("tostring(unicode_codepoints_from_string('aé'))", "'[97,233]'")]),
    Function::plain("to_utf8", ONE, DYNAMIC, |args| {
        array(text(args, 0).chars().map(|c| Dynamic::Long(i64::from(u32::from(c)))))
    })
    .doc("As unicode_codepoints_from_string.", &[("tostring(to_utf8('a'))", "'[97]'")]),
    Function::plain("unicode_codepoints_to_string", &[CODES], STRING, from_codes)
        .rest(&[CODES])
        .doc("A text of code points, given one by one or in arrays.", &[("unicode_codepoints_to_string(75, 117, dynamic([115, 116, 111]))", "'Kusto'")]),
    Function::plain("make_string", &[CODES], STRING, from_codes)
        .rest(&[CODES])
        .doc("As unicode_codepoints_to_string.", &[("make_string(75)", "'K'")]),
    Function::plain("parse_csv", &[TEXT], DYNAMIC, |args| {
        array(csv_fields(text(args, 0)).into_iter().map(|field| Dynamic::Str(field.into())))
    })
    .keeps_name()
    .doc("The fields of one line of CSV.", &[("tostring(parse_csv('aa,\"b,b\",cc'))", r#"'["aa","b,b","cc"]'"#)]),
    Function::plain("parse_path", &[TEXT], DYNAMIC, |args| path_parts(text(args, 0))).doc(
        "The parts of a path: Scheme, RootPath, DirectoryPath, DirectoryName, Filename, Extension, AlternateDataStreamName.",
        &[(r"tostring(parse_path(@'C:\temp\file.txt').Filename)", "'file.txt'"), (r"tostring(parse_path(@'C:\temp\file.txt').DirectoryName)", "'temp'")],
    ),
    Function::plain("format_bytes", &[Arg::Number], STRING, format_bytes)
        .optional(&[Arg::Is(Type::Long), TEXT])
        .keeps_name()
        .constants(&[1]).doc("A number of bytes with its unit.", &[("format_bytes(564)", "'564 Bytes'"), ("format_bytes(10332)", "'10 KB'"), ("format_bytes(20010332, 2)", "'19.08 MB'")]),
    Function::plain("gettype", &[Arg::Any], STRING, |args| type_word(args.first()).into()).sees_null().named(Naming::WordAndFirst("type")).doc(
        "The type of a value as it is at run time.",
        &[("gettype('a')", "'string'"), ("gettype(1)", "'long'"), ("gettype(dynamic([1]))", "'array'"), ("gettype(dynamic({}))", "'dictionary'")],
    ),
    Function::plain("array_strcat", &[Arg::Is(Type::Dynamic), Arg::Text], STRING, |args| {
        let texts = items(args, 0).map(|items| items.iter().map(|item| text_of(&scalar(item)).into_owned()).collect::<Vec<_>>());
        texts.map_or(Val::Null, |texts| texts.join(text(args, 1)).into())
    })
    .doc("As strcat_array.", &[("array_strcat(dynamic([1, 2]), '-')", "'1-2'")]),
];

/// The rewriting of Kusto has `\1` where the regex crate has `${1}`, and `$` means nothing in it.
fn replace<'a>(frame: &Frame<'_>, source: &Val<'a>, pattern: &Val<'a>, rewrite: &Val<'a>) -> Result<Val<'a>, KqlError> {
    let regex = frame.regex(pattern)?;
    let (source, rewrite) = (text_of(source), text_of(rewrite));
    let parts = rewrite_parts(&rewrite);
    let mut out = String::new();
    let mut end = 0;
    for captures in regex.captures_iter(&source) {
        let Some(whole) = captures.get(0) else { continue };
        out.push_str(source.get(end..whole.start()).unwrap_or_default());
        for part in &parts {
            match part {
                Rewrite::Text(text) => out.push_str(text),
                Rewrite::Group(group) => {
                    out.push_str(captures.get(*group).map(|found| found.as_str()).unwrap_or_default());
                }
            }
        }
        end = whole.end();
        frame.env.budget.may_make(out.len())?;
    }
    out.push_str(source.get(end..).unwrap_or_default());
    Ok(out.into())
}

enum Rewrite {
    Text(String),
    Group(usize),
}

fn rewrite_parts(rewrite: &str) -> Vec<Rewrite> {
    let mut parts = Vec::new();
    let mut text = String::new();
    let mut chars = rewrite.chars().peekable();
    while let Some(c) = chars.next() {
        match (c, chars.peek().copied()) {
            ('\\', Some(digit @ '0'..='9')) => {
                chars.next();
                parts.push(Rewrite::Text(std::mem::take(&mut text)));
                parts.push(Rewrite::Group(usize::try_from(u32::from(digit) - u32::from('0')).unwrap_or(0)));
            }
            ('\\', Some('\\')) => {
                chars.next();
                text.push('\\');
            }
            _ => text.push(c),
        }
    }
    parts.push(Rewrite::Text(text));
    parts
}

/// Each text in its turn; what was put in is not looked at again.
fn replace_strings<'a>(frame: &Frame<'_>, args: &[Val<'a>]) -> Result<Val<'a>, KqlError> {
    let (Some(from), Some(to)) = (items(args, 1), items(args, 2)) else { return Ok(Val::Null) };
    // Pieces of the text, and whether they were put in.
    let mut pieces = vec![(text(args, 0).to_owned(), false)];
    for (at, from) in from.iter().enumerate() {
        let from = text_of(&scalar(from)).into_owned();
        let to = to.get(at).map(|to| text_of(&scalar(to)).into_owned()).unwrap_or_default();
        if from.is_empty() {
            continue;
        }
        let mut next = Vec::new();
        for (piece, put_in) in pieces {
            if put_in {
                next.push((piece, true));
                continue;
            }
            for (n, part) in piece.split(&from).enumerate() {
                if n > 0 {
                    frame.env.budget.bytes(to.len() + size_of::<(String, bool)>())?;
                    next.push((to.clone(), true));
                }
                next.push((part.to_owned(), false));
            }
        }
        pieces = next;
    }
    Ok(pieces.into_iter().map(|(piece, _)| piece).collect::<String>().into())
}

fn extract_all<'a>(frame: &Frame<'_>, args: &[Val<'a>]) -> Result<Val<'a>, KqlError> {
    let (pattern, groups, source) = match args {
        [pattern, source] => (pattern, None, source),
        [pattern, groups, source] => (pattern, groups.as_dynamic().and_then(Dynamic::items), source),
        _ => return Ok(Val::Null),
    };
    let regex = frame.regex(pattern)?;
    let source = text_of(source);
    let names: Vec<Option<&str>> = regex.capture_names().collect();
    let wanted: Vec<usize> = match groups {
        Some(groups) => groups
            .iter()
            .filter_map(|group| match group {
                Dynamic::Long(at) => usize::try_from(*at).ok(),
                Dynamic::Str(name) => names.iter().position(|known| *known == Some(&**name)),
                _ => None,
            })
            .collect(),
        None => (1..names.len().max(1)).collect(),
    };
    let mut found = Vec::new();
    for captures in regex.captures_iter(&source) {
        let texts =
            wanted.iter().map(|at| Dynamic::Str(captures.get(*at).map(|m| m.as_str()).unwrap_or_default().into()));
        let mut texts: Vec<Dynamic> = texts.collect();
        frame.env.budget.bytes((texts.len() + 1) * size_of::<Dynamic>())?;
        found.push(match texts.len() {
            0 => Dynamic::Str(captures.get(0).map(|m| m.as_str()).unwrap_or_default().into()),
            1 => texts.remove(0),
            _ => Dynamic::Array(texts.into()),
        });
    }
    if found.is_empty() { Ok(Val::Null) } else { Ok(array(found)) }
}

/// `$.a[0]['b c'].d`
fn at_path<'a>(json: &str, path: &str) -> Val<'a> {
    let Ok(value) = serde_json::from_str::<serde_json::Value>(json) else { return Val::Null };
    let mut at = &value;
    let mut rest = path.trim().strip_prefix('$').unwrap_or(path.trim());
    while !rest.is_empty() {
        let (step, after) = if let Some(inside) = rest.strip_prefix('[') {
            let Some((step, after)) = inside.split_once(']') else { return Val::Null };
            (step.trim_matches(['\'', '"']), after)
        } else {
            let name = rest.strip_prefix('.').unwrap_or(rest);
            name.split_at(name.find(['.', '[']).unwrap_or(name.len()))
        };
        let found = at.get(step).or_else(|| step.parse::<usize>().ok().and_then(|index| at.get(index)));
        let Some(found) = found else { return Val::Null };
        (at, rest) = (found, after);
    }
    match at {
        serde_json::Value::String(text) => text.clone().into(),
        serde_json::Value::Null => Val::Null,
        other => other.to_string().into(),
    }
}

fn count_of<'a>(frame: &Frame<'_>, args: &[Val<'a>]) -> Result<Val<'a>, KqlError> {
    let (source, wanted) = (text(args, 0), text(args, 1));
    if text(args, 2) == "regex" {
        let pattern = args.get(1).cloned().unwrap_or(Val::Null);
        return Ok(count(frame.regex(&pattern)?.find_iter(source).count()));
    }
    if wanted.is_empty() {
        return Ok(Val::Long(0));
    }
    let (mut found, mut from) = (0, 0);
    while let Some(at) = source.get(from..).and_then(|rest| rest.find(wanted)) {
        found += 1;
        from += at + wanted.chars().next().map_or(1, char::len_utf8);
        frame.env.budget.steps(1 + wanted.len() as u64 / 16)?;
    }
    Ok(count(found))
}

fn whole_term(text: &str, word: &str) -> bool {
    text.match_indices(word).any(|(at, found)| {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        let after = text.get(at + found.len()..).and_then(|text| text.chars().next());
        !before.is_some_and(char::is_alphanumeric) && !after.is_some_and(char::is_alphanumeric)
    })
}

fn from_codes<'a>(args: &[Val<'a>]) -> Val<'a> {
    let mut out = String::new();
    let mut push =
        |code: Option<i64>| out.extend(code.and_then(|code| u32::try_from(code).ok()).and_then(char::from_u32));
    for (at, arg) in args.iter().enumerate() {
        match items(args, at) {
            Some(items) => items.iter().for_each(|item| push(scalar(item).as_long())),
            None => push(arg.as_long().or_else(|| long(args, at))),
        }
    }
    out.into()
}

/// Fields of the first record: quotes may hold commas and doubled quotes.
fn csv_fields(line: &str) -> Vec<String> {
    let mut fields = vec![String::new()];
    let mut quoted = false;
    let mut chars = line.chars().peekable();
    while let Some(c) = chars.next() {
        let Some(field) = fields.last_mut() else { break };
        match c {
            '"' if quoted && chars.peek() == Some(&'"') => {
                chars.next();
                field.push('"');
            }
            '"' => quoted = !quoted,
            ',' if !quoted => fields.push(String::new()),
            '\r' | '\n' if !quoted => break,
            c => field.push(c),
        }
    }
    fields
}

fn path_parts<'a>(path: &str) -> Val<'a> {
    let (scheme, rest) = match path.split_once("://") {
        Some((scheme, rest)) => (scheme, rest),
        None => ("", path),
    };
    let root = match rest.as_bytes() {
        [letter, b':', ..] if letter.is_ascii_alphabetic() => rest.get(..2).unwrap_or_default(),
        [b'/', ..] => "/",
        [b'\\', b'\\', ..] => "\\\\",
        _ => "",
    };
    let cut = rest.rfind(['/', '\\']);
    let (directory, file) = match cut {
        Some(at) => (rest.get(..at).unwrap_or_default(), rest.get(at + 1..).unwrap_or_default()),
        None => ("", rest),
    };
    let (file, stream) = file.split_once(':').unwrap_or((file, ""));
    let name = directory.rsplit(['/', '\\']).next().unwrap_or_default();
    let extension = file.rsplit_once('.').map(|(_, extension)| extension).unwrap_or_default();
    let parts = [
        ("Scheme", scheme),
        ("RootPath", root),
        ("DirectoryPath", directory),
        ("DirectoryName", name),
        ("Filename", file),
        ("Extension", extension),
        ("AlternateDataStreamName", stream),
    ];
    let pairs = parts.map(|(name, value)| (Arc::from(name), Dynamic::Str(value.into())));
    Val::dynamic(Dynamic::Bag(Arc::new(Bag::new(pairs))))
}

fn format_bytes<'a>(args: &[Val<'a>]) -> Val<'a> {
    const UNITS: [&str; 7] = ["Bytes", "KB", "MB", "GB", "TB", "PB", "EB"];
    let Some(mut size) = super::args::real(args, 0) else { return Val::Null };
    let digits = usize::try_from(long_or(args, 1, 0).clamp(0, 15)).unwrap_or(0);
    let wanted = args.get(2).and_then(Val::as_str).filter(|unit| !unit.is_empty());
    let mut at = 0;
    while at + 1 < UNITS.len()
        && match wanted {
            Some(wanted) => UNITS.get(at) != Some(&wanted),
            None => size.abs() >= 1024.0,
        }
    {
        size /= 1024.0;
        at += 1;
    }
    let scale = 10f64.powi(i32::try_from(digits).unwrap_or(0));
    let rounded = (size * scale).round() / scale;
    format!("{rounded} {}", UNITS.get(at).copied().unwrap_or_default()).into()
}

fn type_word(value: Option<&Val<'_>>) -> &'static str {
    match value {
        None | Some(Val::Null) => "null",
        Some(Val::Dyn(inner)) => match &**inner {
            Dynamic::Array(_) => "array",
            Dynamic::Bag(_) => "dictionary",
            other => scalar(other).type_of().map_or("null", Type::name),
        },
        Some(other) => other.type_of().map_or("null", Type::name),
    }
}
