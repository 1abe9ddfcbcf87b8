//! A file and places inside it.

use std::fmt;
use std::ops::Range;
use std::sync::Arc;

/// A file's name and text. Cheap to clone.
#[derive(Clone, PartialEq, Eq)]
pub struct Source(Arc<Inner>);

#[derive(PartialEq, Eq)]
struct Inner {
    name: String,
    text: String,
    line_starts: Vec<usize>,
}

/// A range of bytes in a source, end excluded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Span {
    /// First byte.
    pub start: usize,
    /// One past the last byte.
    pub end: usize,
}

/// A line and a column as people count them: from 1, columns in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct LineColumn {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

/// A span in a source.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Place {
    /// The file.
    pub source: Source,
    /// Where in it.
    pub span: Span,
}

impl Source {
    /// A source of that name (usually the path as the person gave it) and text.
    pub fn new(name: impl Into<String>, text: impl Into<String>) -> Self {
        let text = text.into();
        let line_starts = std::iter::once(0).chain(text.match_indices('\n').map(|(at, _)| at + 1)).collect();
        Self(Arc::new(Inner { name: name.into(), text, line_starts }))
    }

    /// The name.
    pub fn name(&self) -> &str {
        &self.0.name
    }

    /// The text.
    pub fn text(&self) -> &str {
        &self.0.text
    }

    /// The text of a span; a span that does not fit is moved to the nearest character boundaries.
    pub fn slice(&self, span: Span) -> &str {
        let span = self.fit(span);
        self.text().get(span.start..span.end).unwrap_or_default()
    }

    /// Line and column of a byte offset; an offset past the end is the end.
    pub fn line_column(&self, offset: usize) -> LineColumn {
        let offset = self.floor(offset);
        let line = self.0.line_starts.partition_point(|start| *start <= offset).max(1);
        let start = self.line_start(line);
        let column = self.text().get(start..offset).map_or(0, |before| before.chars().count()) + 1;
        LineColumn { line, column }
    }

    /// The byte offset of a line and column (both from 1, columns in characters), for readers that know only those.
    pub fn offset(&self, line: usize, column: usize) -> usize {
        let start = self.line_start(line);
        let rest = self.text().get(start..).unwrap_or_default();
        let line = rest.split('\n').next().unwrap_or_default();
        start + line.char_indices().nth(column.saturating_sub(1)).map_or(line.len(), |(at, _)| at)
    }

    /// The whole text as a place.
    pub fn whole(&self) -> Place {
        Place { source: self.clone(), span: Span::new(0, self.text().len()) }
    }

    /// The span, moved inside the text and onto character boundaries.
    pub(super) fn fit(&self, span: Span) -> Span {
        let start = self.floor(span.start);
        let mut end = span.end.clamp(start, self.text().len());
        while !self.text().is_char_boundary(end) {
            end += 1;
        }
        Span { start, end }
    }

    /// The whole lines that hold the span, and the number of the first.
    pub(super) fn lines_around(&self, span: Span) -> (Span, usize) {
        let (first, last) = (self.line_column(span.start).line, self.line_column(span.end).line);
        let end = self.0.line_starts.get(last).map_or(self.text().len(), |next| next - 1);
        (Span::new(self.line_start(first), end), first)
    }

    fn line_start(&self, line: usize) -> usize {
        self.0.line_starts.get(line.saturating_sub(1)).copied().unwrap_or(self.text().len())
    }

    fn floor(&self, offset: usize) -> usize {
        let mut at = offset.min(self.text().len());
        while !self.text().is_char_boundary(at) {
            at -= 1;
        }
        at
    }
}

impl fmt::Debug for Source {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Source({:?}, {} bytes)", self.name(), self.text().len())
    }
}

impl Span {
    /// From `start` up to and without `end`.
    pub const fn new(start: usize, end: usize) -> Self {
        Self { start, end }
    }

    /// From the start of this to the end of `other`.
    #[must_use]
    pub fn to(self, other: Self) -> Self {
        Self { start: self.start.min(other.start), end: self.end.max(other.end) }
    }
}

impl From<Range<usize>> for Span {
    fn from(range: Range<usize>) -> Self {
        Self { start: range.start, end: range.end }
    }
}

impl Place {
    /// For each byte of `text`, and for its end, the byte of the file it came from.
    ///
    /// `text` is what a reader made of this place: the same bytes, or those bytes without their quotes or with
    /// their indentation and line ends changed, as YAML does. Where the two cannot be laid side by side (escapes),
    /// the answer is `None` and findings point at the whole place.
    pub fn align(&self, text: &str) -> Option<Vec<usize>> {
        let span = self.source.fit(self.span);
        let outer = self.source.slice(span);
        if let Some(at) = outer.find(text) {
            return Some((0..=text.len()).map(|n| span.start + at + n).collect());
        }
        let mut map = Vec::with_capacity(text.len() + 1);
        let mut rest = outer.char_indices().peekable();
        rest.next_if(|(_, c)| matches!(c, '"' | '\''));
        if rest.next_if(|(_, c)| matches!(c, '|' | '>')).is_some() {
            while rest.next_if(|(_, c)| *c != '\n').is_some() {}
        }
        let mut at = span.start;
        for c in text.chars() {
            if c.is_whitespace() {
                at = rest.peek().map_or(span.end, |(n, _)| span.start + n);
                rest.next_if(|(_, outer)| outer.is_whitespace());
            } else {
                while rest.next_if(|(_, outer)| outer.is_whitespace()).is_some() {}
                at = span.start + rest.next_if(|(_, outer)| *outer == c)?.0;
            }
            map.extend((0..c.len_utf8()).map(|n| at + n));
        }
        map.push(text.chars().next_back().map_or(at, |c| at + c.len_utf8()).min(span.end));
        Some(map)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn columns_count_characters_and_lines_count_from_one() {
        let source = Source::new("f", "äb\nc");
        assert_eq!(source.line_column(0), LineColumn { line: 1, column: 1 });
        assert_eq!(source.line_column(2), LineColumn { line: 1, column: 2 });
        assert_eq!(source.line_column(4), LineColumn { line: 2, column: 1 });
        assert_eq!(source.line_column(999), LineColumn { line: 2, column: 2 });
    }

    #[test]
    fn offset_is_the_way_back() {
        let source = Source::new("f", "äb\nc");
        for at in [0, 2, 4, 5] {
            let LineColumn { line, column } = source.line_column(at);
            assert_eq!(source.offset(line, column), at);
        }
        assert_eq!(source.offset(1, 99), 3, "a column past the end is the end of its line");
    }

    #[test]
    fn a_span_inside_a_character_widens_to_it() {
        let source = Source::new("f", "äb");
        assert_eq!(source.slice(Span::new(1, 1)), "ä");
        assert_eq!(source.slice(Span::new(7, 3)), "");
    }

    #[test]
    fn text_is_laid_beside_quoted_and_indented_yaml() {
        let yaml = "when: |\n    a == 1\n    and b\nif: 'x == 2'\n";
        let source = Source::new("f", yaml);
        let block = Place { source: source.clone(), span: Span::new(6, 29) };
        let map = block.align("a == 1\nand b\n").unwrap();
        assert_eq!(&yaml[map[0]..=map[5]], "a == 1");
        assert_eq!(&yaml[map[11]..], "b\nif: 'x == 2'\n");
        let quoted = Place { source, span: Span::new(33, 41) };
        let map = quoted.align("x == 2").unwrap();
        assert_eq!((map[0], map[6]), (34, 40));
    }

    #[test]
    fn text_that_came_from_escapes_has_no_exact_places() {
        let source = Source::new("f", r#""a\u0020== 1""#);
        assert_eq!(source.whole().align("a == 1"), None);
    }

    proptest::proptest! {
        #![proptest_config(proptest::prelude::ProptestConfig::with_cases(200))]
        #[test]
        fn whatever_is_laid_beside_stays_inside(outer in "(?s)[ab'|>\n é]{0,30}", text in "(?s)[ab'\n é]{0,10}", a in 0..40_usize, b in 0..40_usize) {
            let source = Source::new("f", outer.as_str());
            let place = Place { source, span: Span::new(a, b) };
            if let Some(map) = place.align(&text) {
                proptest::prop_assert_eq!(map.len(), text.len() + 1);
                proptest::prop_assert!(map.is_sorted() && map.iter().all(|at| *at <= outer.len()), "{:?}", map);
            }
        }
    }
}
