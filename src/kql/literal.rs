//! KQL literals for query builders: whatever the text, it cannot leave its quotes.

use std::fmt::Write as _;

use super::time::print_datetime;

/// A string literal with quotes, everything but printable ASCII escaped.
#[must_use]
pub fn string(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 2);
    out.push('"');
    for c in text.chars() {
        match c {
            '"' => out.push_str("\\\""),
            '\\' => out.push_str("\\\\"),
            ' '..='~' => out.push(c),
            _ => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    let _ = write!(out, "\\u{unit:04x}");
                }
            }
        }
    }
    out.push('"');
    out
}

/// A `datetime` literal: ticks of 100 ns since 1970-01-01 UTC.
#[must_use]
pub fn datetime(ticks: i64) -> String {
    format!("datetime({})", print_datetime(ticks))
}

/// A list of string literals for `in`, `has_any` and the like: `("a", "b")`. Without words it is `("")`'s neighbour
/// `(dynamic([]))`, which matches nothing.
#[must_use]
pub fn string_list<S: AsRef<str>>(words: impl IntoIterator<Item = S>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| string(word.as_ref())).collect();
    if words.is_empty() { "(dynamic([]))".to_owned() } else { format!("({})", words.join(", ")) }
}
