//! KQL literals: the only way in which a value from outside gets into a query.

use std::fmt::Write as _;

use crate::model::time::At;

/// A string literal in double quotes. Whatever the text holds, it stays inside them.
#[must_use]
pub fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            '\n' => out.push_str("\\n"),
            '\r' => out.push_str("\\r"),
            '\t' => out.push_str("\\t"),
            // Line separators could end a literal or a comment in some reader of the query.
            c if c.is_control() || matches!(c, '\u{2028}' | '\u{2029}') => {
                let _ = write!(out, "\\u{:04x}", u32::from(c));
            }
            c => out.push(c),
        }
    }
    out.push('"');
    out
}

/// String literals separated by commas, for `in (...)`; an empty list is one empty string, so that
/// the query stays a query.
#[must_use]
pub fn strings<T: AsRef<str>>(texts: impl IntoIterator<Item = T>) -> String {
    let all: Vec<String> = texts.into_iter().map(|text| string(text.as_ref())).collect();
    if all.is_empty() { string("") } else { all.join(", ") }
}

/// A `datetime` literal with the full resolution of 100 ns.
#[must_use]
pub fn datetime(at: At) -> String {
    format!("datetime({at})")
}

/// Fills a template's places, `{from}` and the like, in one pass: what a value holds is never looked
/// at again. Braces around anything else stay as they are.
#[must_use]
pub fn fill(template: &str, values: &[(&str, String)]) -> String {
    let mut out = String::with_capacity(template.len() + 256);
    let mut rest = template;
    while let Some(open) = rest.find('{') {
        out.push_str(&rest[..open]);
        rest = &rest[open..];
        let found = values.iter().find_map(|(name, value)| {
            let after = rest.strip_prefix('{')?.strip_prefix(name)?.strip_prefix('}')?;
            Some((after, value))
        });
        if let Some((after, value)) = found {
            out.push_str(value);
            rest = after;
        } else {
            out.push('{');
            rest = &rest[1..];
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads a literal as Kusto does: where it ends, and what it says.
    fn read(literal: &str) -> Option<(String, String)> {
        let mut chars = literal.strip_prefix('"')?.chars();
        let mut said = String::new();
        while let Some(c) = chars.next() {
            match c {
                '"' => return Some((said, chars.collect())),
                '\n' | '\r' => return None,
                '\\' => match chars.next()? {
                    'n' => said.push('\n'),
                    'r' => said.push('\r'),
                    't' => said.push('\t'),
                    'u' => {
                        let digits: String = chars.by_ref().take(4).collect();
                        said.push(char::from_u32(u32::from_str_radix(&digits, 16).ok()?)?);
                    }
                    c => said.push(c),
                },
                c => said.push(c),
            }
        }
        None
    }

    proptest! {
        #[test]
        fn nothing_leaves_the_quotes_and_nothing_is_lost(text in any::<String>()) {
            prop_assert_eq!(read(&string(&text)), Some((text, String::new())));
        }

        #[test]
        fn values_that_look_like_places_are_not_filled_again(text in "[{}a-z\"\\\\|]{0,20}") {
            let filled = fill("where A == {a} and B == {b}", &[("a", string(&text)), ("b", string("{a}"))]);
            prop_assert_eq!(filled, format!("where A == {} and B == \"{{a}}\"", string(&text)));
        }
    }

    #[test]
    fn injections_stay_text() {
        assert_eq!(string("\" | union SecurityEvent // "), r#""\" | union SecurityEvent // ""#);
        assert_eq!(string("a\\"), r#""a\\""#);
        assert_eq!(strings(["a", "b\""]), r#""a", "b\"""#);
        assert_eq!(strings(Vec::<String>::new()), "\"\"");
    }

    #[test]
    fn braces_that_are_no_places_stay() {
        assert_eq!(fill("dynamic({\"x\": 1}) {cap}", &[("cap", "5".into())]), "dynamic({\"x\": 1}) 5");
    }
}
