//! Findings as text: one line a program can read, then the place as rustc shows it.

use annotate_snippets::{AnnotationKind, Group, Level as Mark, Renderer, Snippet};

use super::escape::{clipped, is_deceptive};
use super::finding::{Finding, Level};
use super::source::{Place, Span};

/// Longer places are shown by their first lines only.
const MAX_BYTES_SHOWN: usize = 4_000;
const NAME_CHARS: usize = 300;

impl Finding {
    /// `file:line:column: error[code]: message`, without place `error[code]: message`. No line end.
    #[must_use]
    pub fn one_line(&self) -> String {
        let what = format!("{}[{}]: {}", self.level().word(), self.code(), self.message());
        match self.place() {
            None => what,
            Some(place) => {
                let at = place.source.line_column(place.span.start);
                format!("{}:{}:{}: {what}", clipped(place.source.name(), NAME_CHARS), at.line, at.column)
            }
        }
    }

    /// The one line, the lines of the file with the place underlined, and the help. Ends with a line end.
    #[must_use]
    pub fn render(&self, colour: bool) -> String {
        let mut text = if colour { paint(self.level(), &self.one_line()) } else { self.one_line() };
        text.push('\n');
        if let Some(place) = self.place() {
            text.push_str(&self.snippet(place, colour));
        }
        if let Some(help) = self.help_text() {
            text.push_str("  = help: ");
            text.push_str(help);
            text.push('\n');
        }
        text
    }

    fn snippet(&self, place: &Place, colour: bool) -> String {
        let (lines, first) = place.source.lines_around(place.span);
        let cut = Span::new(lines.start, lines.end.min(place.span.start.saturating_add(MAX_BYTES_SHOWN)));
        let shown = harmless(place.source.slice(cut));
        let within = |span: Span| {
            let span = place.source.fit(span);
            let start = span.start.saturating_sub(cut.start).min(shown.len());
            start..span.end.saturating_sub(cut.start).clamp(start, shown.len())
        };
        let mut snippet = Snippet::source(shown.as_str())
            .line_start(first)
            .annotation(AnnotationKind::Primary.span(within(place.span)).label(String::new()));
        for label in self.labels().iter().filter(|label| label.span.start >= cut.start && label.span.end <= cut.end) {
            let text = label.text.clone();
            snippet = snippet.annotation(AnnotationKind::Context.span(within(label.span)).label(text));
        }
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let mut text = renderer.render(&[Group::with_level(mark(self.level())).element(snippet)]);
        text.push('\n');
        text
    }
}

/// The text with deceptive characters replaced by ones of the same length, so that places stay right. Those of ASCII are
/// left to the renderer, which shows each by its symbol; but what Windows ends its lines with is no text.
fn harmless(text: &str) -> String {
    let text = text.replace("\r\n", " \n");
    let text = text.strip_suffix('\r').unwrap_or(&text);
    let replaced = |c: char| match c.len_utf8() {
        2 if is_deceptive(c) => '·',
        3 if is_deceptive(c) => char::REPLACEMENT_CHARACTER,
        _ => c,
    };
    text.chars().map(replaced).collect()
}

const fn mark(level: Level) -> Mark<'static> {
    match level {
        Level::Error => Mark::ERROR,
        Level::Warning => Mark::WARNING,
        Level::Note => Mark::NOTE,
    }
}

fn paint(level: Level, line: &str) -> String {
    let colour = match level {
        Level::Error => 31,
        Level::Warning => 33,
        Level::Note => 36,
    };
    format!("\u{1b}[1;{colour}m{line}\u{1b}[0m")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::Source;

    fn finding() -> Finding {
        let source = Source::new("rule.yaml", "a: 1\nwhen: Severty == 1\n");
        Finding::error("kql/unknown-column", "no column Severty").at(&source, Span::new(11, 18)).help("use Severity")
    }

    #[test]
    fn text_has_the_greppable_line_first_and_a_caret_under_the_place() {
        let text = finding().render(false);
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines[0], "rule.yaml:2:7: error[kql/unknown-column]: no column Severty");
        let at = lines.iter().position(|line| line.contains("when: Severty")).unwrap();
        let column = lines[at].find("Severty").unwrap();
        assert_eq!(lines[at + 1].find("^^^^^^^"), Some(column), "{text}");
        assert_eq!(lines.last(), Some(&"  = help: use Severity"));
    }

    #[test]
    fn colour_only_when_asked() {
        assert!(!finding().render(false).contains('\u{1b}'));
        assert!(finding().render(true).contains('\u{1b}'));
    }

    #[test]
    fn line_ends_of_windows_are_not_shown() {
        let source = Source::new("f", "a\r\nbc\r\nd\r\n");
        for span in [Span::new(3, 5), Span::new(0, 8)] {
            let text = Finding::error("t/e", "m").at(&source, span).render(false);
            assert!(text.contains("bc") && !text.contains(['\r', '␍']), "{text}");
        }
    }

    #[test]
    fn control_characters_of_the_file_do_not_reach_the_terminal() {
        let source = Source::new("f\u{1b}[2J", "x \u{1b}[2J y");
        let text = Finding::error("t/e", "m").at(&source, Span::new(0, 1)).render(false);
        assert!(!text.contains('\u{1b}'), "{text:?}");
    }

    #[test]
    fn any_span_renders() {
        let source = Source::new("f", "ä\r\nb\n\tc");
        for start in 0..12 {
            for end in 0..12 {
                let finding = Finding::warning("t/w", "m").at(&source, Span::new(start, end));
                assert!(finding.label(Span::new(end, start), "l").render(false).starts_with("f:"));
            }
        }
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]
        #[test]
        fn any_text_and_any_places_render(text in "(?s).{0,60}", a in 0..200_usize, b in 0..200_usize, c in 0..200_usize, colour: bool) {
            let finding = Finding::error("t/e", &text).at(&Source::new(text.as_str(), text.as_str()), Span::new(a, b));
            let shown = finding.label(Span::new(b, c), &text).help(&text).render(colour);
            proptest::prop_assert!(colour || !shown.contains(|c: char| c.is_control() && c != '\n'), "{shown:?}");
        }
    }
}
