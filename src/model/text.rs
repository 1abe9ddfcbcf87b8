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
/// meaning in either is turned into one without, and an address on the web is written as nobody's browser opens it
/// (`hxxps://`), for a portal may make a link of it.
#[must_use]
pub fn escape_comment(text: &str, max: usize) -> String {
    let mut out = String::new();
    for c in without_links(&clip(text, max)).chars() {
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

/// `http://` and `https://`, in any case, with `hxxp` instead.
fn without_links(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find("://") {
        let (before, after) = rest.split_at(at);
        let scheme = ["https", "http"].iter().map(|scheme| at.saturating_sub(scheme.len()));
        let scheme = scheme.filter_map(|from| before.split_at_checked(from));
        let known = |(_, word): &(&str, &str)| ["https", "http"].iter().any(|scheme| word.eq_ignore_ascii_case(scheme));
        match scheme.into_iter().find(known) {
            Some((before, word)) => {
                out.push_str(before);
                out.push_str("hxxp");
                out.push_str(word.get(4..).unwrap_or_default());
            }
            None => out.push_str(before),
        }
        let (colon, others) = after.split_at(3);
        out.push_str(colon);
        rest = others;
    }
    out.push_str(rest);
    out
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
    fn an_address_on_the_web_is_no_link_in_a_comment() {
        let text = escape_comment("see HTTPS://evil.example/a, http://evil and xhttp://x; ://, ä://b", 200);
        assert_eq!(text, "see hxxpS://evil.example/a, hxxp://evil and xhxxp://x; ://, ä://b");
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
