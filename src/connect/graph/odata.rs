//! OData query text, made of typed parts only: a value cannot leave its literal.

use std::fmt;

use crate::model::time::At;

/// A `$filter` expression. Field names are constants of ours; everything else goes through a
/// literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter(String);

impl Filter {
    /// `field eq 'text'`, with every `'` in the text doubled (OData ABNF, `SQUOTE-in-string`).
    pub(super) fn text_is(field: &'static str, text: &str) -> Self {
        Self(format!("{field} eq '{}'", text.replace('\'', "''")))
    }

    /// `field ge time`.
    pub(super) fn from(field: &'static str, at: At) -> Self {
        Self(format!("{field} ge {at}"))
    }

    /// `field lt time`.
    pub(super) fn before(field: &'static str, at: At) -> Self {
        Self(format!("{field} lt {at}"))
    }

    /// Both.
    pub(super) fn and(self, other: &Self) -> Self {
        Self(format!("{} and {}", self.0, other.0))
    }
}

impl fmt::Display for Filter {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// Reads the literal back as an OData parser does: up to the first `'` that is not doubled.
    fn literal_and_rest(text: &str) -> (String, String) {
        let mut value = String::new();
        let mut chars = text.chars().peekable();
        while let Some(c) = chars.next() {
            if c == '\'' {
                if chars.peek() != Some(&'\'') {
                    return (value, chars.collect());
                }
                chars.next();
            }
            value.push(c);
        }
        (value, "never closed".to_owned())
    }

    fn stays_inside(value: &str) {
        let filter = Filter::text_is("name", value).to_string();
        let (read, rest) = literal_and_rest(filter.strip_prefix("name eq '").unwrap());
        assert_eq!((read.as_str(), rest.as_str()), (value, ""));
    }

    #[test]
    fn hostile_names_stay_inside_their_literal() {
        for value in ["o'brien", "' or 1 eq 1 or name eq '", "''", "'", "*", "../..", "a)(objectClass=*", "\\'", "%27"]
        {
            stays_inside(value);
        }
    }

    #[test]
    fn parts_are_joined_with_times_as_the_vendor_writes_them() {
        let at = At::from_unix_seconds(0);
        let filter = Filter::text_is("a", "x").and(&Filter::from("t", at)).and(&Filter::before("t", at));
        assert_eq!(filter.to_string(), "a eq 'x' and t ge 1970-01-01T00:00:00Z and t lt 1970-01-01T00:00:00Z");
    }

    proptest! {
        #[test]
        fn no_text_leaves_its_literal(value in any::<String>()) {
            stays_inside(&value);
        }
    }
}
