//! Okta filter text, made of typed parts only: a value cannot leave its literal.

use std::fmt;

/// A filter expression. Attribute names are constants of ours; everything else goes through a literal.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Filter(String);

impl Filter {
    /// `attribute eq "text"`, escaped as a JSON string (RFC 7644 section 3.4.2.2).
    pub(super) fn is(attribute: &'static str, text: &str) -> Self {
        let mut literal = String::with_capacity(text.len() + 2);
        for c in text.chars() {
            match c {
                '"' | '\\' => literal.extend(['\\', c]),
                c if c.is_control() => literal.push_str(&format!("\\u{:04x}", u32::from(c))),
                c => literal.push(c),
            }
        }
        Self(format!("{attribute} eq \"{literal}\""))
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

    fn stays_inside(value: &str) {
        let filter = Filter::is("target.id", value).to_string();
        let literal = filter.strip_prefix("target.id eq ").unwrap();
        assert_eq!(serde_json::from_str::<String>(literal).unwrap(), value);
    }

    #[test]
    fn hostile_values_stay_inside_their_literal() {
        for value in ["\" or status eq \"ACTIVE", "\\", "\\\"", "*", "../..", "a)(objectClass=*", "o'brien", "\n\0"] {
            stays_inside(value);
        }
    }

    proptest! {
        #[test]
        fn no_text_leaves_its_literal(value in any::<String>()) {
            stays_inside(&value);
        }
    }
}
