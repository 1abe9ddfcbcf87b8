//! Text from outside is hostile: clipped, freed of control characters, escaped where it is shown.

/// At most `max` characters, with `…` where something was cut; control characters and the marks that
/// turn the direction of text become spaces.
#[must_use]
pub fn clip(text: &str, max: usize) -> String {
    let mut out: String = text.chars().take(max).map(|c| if is_unprintable(c) { ' ' } else { c }).collect();
    if text.chars().nth(max).is_some() {
        out.pop();
        out.push('…');
    }
    out
}

/// Text for an incident comment, which portals render as HTML or Markdown: every character with a
/// meaning in either is turned into one without.
#[must_use]
pub fn escape_comment(text: &str, max: usize) -> String {
    let mut out = String::new();
    for c in clip(text, max).chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '"' => out.push_str("&quot;"),
            '[' => out.push('('),
            ']' => out.push(')'),
            '`' | '*' | '_' | '~' | '#' | '|' | '!' => {
                out.push_str(&format!("&#{};", u32::from(c)));
            }
            _ => out.push(c),
        }
    }
    out
}

/// A stable stand-in for somebody's name in logs above DEBUG: eight hexadecimal digits. It tells two
/// people apart; it does not keep a determined reader with a name list from finding the name.
#[must_use]
pub fn pseudonym(name: &str) -> String {
    use sha2::{Digest, Sha256};
    let digest = Sha256::digest(name.to_lowercase().as_bytes());
    hex(digest.get(..4).unwrap_or_default())
}

/// In hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The first 32 of the hexadecimal digits of a text's SHA-256: a name for what has none of its own.
#[must_use]
pub fn digest(text: &str) -> String {
    use sha2::{Digest, Sha256};
    let mut digits = hex(&Sha256::digest(text.as_bytes()));
    digits.truncate(32);
    digits
}

fn is_unprintable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markup_from_an_alert_loses_its_meaning() {
        let text = escape_comment("<img src=x onerror=alert(1)> [click](http://evil) `x` **b**", 200);
        for mark in ['<', '>', '[', ']', '`', '*'] {
            assert!(!text.contains(mark), "{mark} survives in {text}");
        }
    }

    #[test]
    fn long_text_is_cut_with_a_mark_and_control_characters_are_gone() {
        assert_eq!(clip("abcdef", 4), "abc…");
        assert_eq!(clip("a\u{202e}b\n", 9), "a b ");
    }

    #[test]
    fn a_pseudonym_ignores_case_and_hides_the_name() {
        assert_eq!(pseudonym("Adele@contoso.com"), pseudonym("adele@CONTOSO.com"));
        assert!(!pseudonym("adele").contains("adele"));
    }
}
