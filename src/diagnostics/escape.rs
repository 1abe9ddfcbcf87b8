//! Text from outside, made safe to show: no control characters, no direction tricks, no endless lines.

/// How much of a message is shown.
pub(super) const MESSAGE_CHARS: usize = 1_000;
/// How much of a quoted word is shown.
const WORD_CHARS: usize = 80;

/// `text` with control and direction-changing characters escaped, cut to `max` characters with an ellipsis.
#[must_use]
pub fn clipped(text: &str, max: usize) -> String {
    let mut shown = String::new();
    for (n, c) in text.chars().enumerate() {
        if n >= max {
            shown.push('…');
            break;
        }
        if is_deceptive(c) {
            shown.extend(c.escape_unicode());
        } else {
            shown.push(c);
        }
    }
    shown
}

/// A word of somebody else's in double quotes, escaped and clipped, for use inside a message.
#[must_use]
pub fn quoted(word: &str) -> String {
    format!("\"{}\"", clipped(word, WORD_CHARS))
}

/// Control characters, line separators, byte-order marks, zero-width and bidirectional characters.
pub(super) fn is_deceptive(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{e0000}'..='\u{e007f}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_and_direction_characters_are_escaped() {
        assert_eq!(quoted("a\u{1b}[31mb\n\u{202e}"), "\"a\\u{1b}[31mb\\u{a}\\u{202e}\"");
    }

    #[test]
    fn long_text_is_cut_by_characters() {
        assert_eq!(clipped("äöüäöü", 3), "äöü…");
        assert_eq!(clipped("äöü", 3), "äöü");
    }
}
