//! YAML with a place for every value. The one module that knows the YAML crate.
//!
//! A safe subset: one document, text keys, no aliases, no tags. A file that would grow when it is read cannot be written.

use std::collections::HashMap;

use serde_saphyr::granit_parser::{Event, Parser, ScalarStyle, Span as YamlSpan, StrInput};

use crate::diagnostics::{Finding, Findings, Source, Span, quoted};

/// Largest file that is read, in bytes.
pub(super) const MAX_BYTES: usize = 256 << 10;
const MAX_NODES: usize = 20_000;
const MAX_DEPTH: usize = 16;
/// More aliases than this are not told one by one.
const MOST_ALIASES: usize = 10;

/// A value and where it stands.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Node {
    pub(super) span: Span,
    pub(super) value: Value,
}

/// What a value is. Scalars stay text: what they mean depends on what is wanted.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value {
    /// A scalar; `plain` when it is written without quotes and not as a block.
    Scalar {
        text: String,
        plain: bool,
    },
    List(Vec<Node>),
    Map(Vec<(Key, Node)>),
}

/// A key of a mapping.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Key {
    pub(super) text: String,
    pub(super) span: Span,
}

impl Node {
    /// `~`, `null` or nothing at all.
    pub(super) fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, plain: true } if matches!(text.as_str(), "" | "~" | "null" | "Null" | "NULL"))
    }

    /// `[]`.
    pub(super) fn is_empty_list(&self) -> bool {
        matches!(&self.value, Value::List(items) if items.is_empty())
    }

    /// The text under a key, taken without judging it: for names that other places refer to.
    pub(super) fn word(&self, key: &str) -> Option<String> {
        let Value::Map(entries) = &self.value else { return None };
        let (_, node) = entries.iter().find(|(known, _)| known.text == key)?;
        let Value::Scalar { text, .. } = &node.value else { return None };
        Some(text.trim().to_owned())
    }
}

/// Reads a file. `None` when it has no content, or is not YAML and a finding says so.
pub(super) fn parse(source: &Source, findings: &mut Findings) -> Option<Node> {
    if source.text().len() > MAX_BYTES {
        let message = format!("the file is larger than {} KiB", MAX_BYTES >> 10);
        findings
            .add(Finding::error("yaml/too-large", message).at(source, Span::new(0, 0)).help("split it into several"));
        return None;
    }
    let parser = Parser::new_from_str(source.text());
    let mut tree = Tree { parser, source, findings, nodes: 0, aliases: 0 };
    let node = tree.document()?;
    let second = tree.document();
    if let Some(second) = second {
        tree.report("yaml/documents", "a second document in one file", second.span, "write it to a file of its own");
    }
    Some(node).filter(|node| !node.is_null())
}

struct Tree<'a> {
    parser: Parser<'a, StrInput<'a>>,
    source: &'a Source,
    findings: &'a mut Findings,
    nodes: usize,
    aliases: usize,
}

impl<'a> Tree<'a> {
    fn report(&mut self, code: &'static str, message: &str, span: Span, help: &str) {
        self.findings.add(Finding::error(code, message).at(self.source, span).help(help));
    }

    /// The next event. `None` at the end, and after a mistake of form, which is reported.
    fn next(&mut self) -> Option<(Event<'a>, Span)> {
        match self.parser.next_event()? {
            Ok((event, span)) => Some((event, self.span(span))),
            Err(error) => {
                let marker = error.marker();
                let at = marker.byte_offset().unwrap_or_else(|| self.source.offset(marker.line(), marker.col() + 1));
                let message = format!("not YAML: {}", error.info());
                self.report(
                    "yaml/syntax",
                    &message,
                    Span::new(at, at + 1),
                    "look at indentation, quotes and colons here",
                );
                None
            }
        }
    }

    fn span(&self, span: YamlSpan) -> Span {
        let range = span.byte_range();
        range.map_or_else(
            || {
                let start = self.source.offset(span.start.line(), span.start.col() + 1);
                Span::new(start, self.source.offset(span.end.line(), span.end.col() + 1))
            },
            Span::from,
        )
    }

    /// The content of the next document.
    fn document(&mut self) -> Option<Node> {
        loop {
            let (event, span) = self.next()?;
            if event.is_node() || event.is_alias() {
                return self.node(&event, span, 0);
            }
        }
    }

    /// The node that begins with an event. `None` when the rest of the file cannot be read.
    fn node(&mut self, event: &Event<'a>, span: Span, depth: usize) -> Option<Node> {
        self.nodes += 1;
        if depth > MAX_DEPTH || self.nodes > MAX_NODES {
            self.report(
                "yaml/too-deep",
                "nested too deep, or too many values",
                span,
                "rules and playbooks are short: cut it",
            );
            return None;
        }
        if event.tag().is_some() {
            self.report("yaml/tag", "a tag", span, "leave it out; what a value is follows from its key");
        }
        if let Event::SequenceStart(..) = event {
            return self.list(span, depth);
        }
        if let Event::MappingStart(..) = event {
            return self.map(span, depth);
        }
        if let Event::Scalar(text, style, ..) = event {
            let plain = *style == ScalarStyle::Plain;
            return Some(Node { span, value: Value::Scalar { text: text.to_string(), plain } });
        }
        // A file that is meant to grow has thousands.
        self.aliases += 1;
        if self.aliases <= MOST_ALIASES {
            let more = if self.aliases == MOST_ALIASES { "an alias, and others may follow" } else { "an alias" };
            self.report("yaml/alias", more, span, "write the value out; aliases are not read");
        }
        Some(Node { span, value: Value::Scalar { text: String::new(), plain: true } })
    }

    fn list(&mut self, start: Span, depth: usize) -> Option<Node> {
        let mut items: Vec<Node> = Vec::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::SequenceEnd) {
                let end = whole(start, span, items.first().map(|n| n.span), items.last().map(|n| n.span), self.source);
                return Some(Node { span: end, value: Value::List(items) });
            }
            if event.is_node() {
                items.push(self.node(&event, span, depth + 1)?);
            }
        }
    }

    fn map(&mut self, start: Span, depth: usize) -> Option<Node> {
        let mut entries: Vec<(Key, Node)> = Vec::new();
        let mut seen: HashMap<String, Span> = HashMap::new();
        loop {
            let (event, span) = self.next()?;
            if matches!(event, Event::MappingEnd) {
                let (first, last) =
                    (entries.first().map(|(key, _)| key.span), entries.last().map(|(_, node)| node.span));
                return Some(Node { span: whole(start, span, first, last, self.source), value: Value::Map(entries) });
            }
            if !event.is_node() {
                continue;
            }
            let key = self.node(&event, span, depth + 1)?;
            let value = self.value(depth)?;
            let Value::Scalar { text, .. } = key.value else {
                self.report("yaml/key", "a key that is no text", key.span, "write a plain word before the colon");
                continue;
            };
            if let Some(first) = seen.insert(text.clone(), key.span) {
                let finding = Finding::error("yaml/duplicate-key", format!("{} stands here twice", quoted(&text)));
                self.findings
                    .add(finding.at(self.source, key.span).label(first, "first here").help("keep one of them"));
                continue;
            }
            entries.push((Key { text, span: key.span }, value));
        }
    }

    fn value(&mut self, depth: usize) -> Option<Node> {
        loop {
            let (event, span) = self.next()?;
            if event.is_node() {
                return self.node(&event, span, depth + 1);
            }
        }
    }
}

/// The span of a collection: a flow one from bracket to bracket, a block one from its first part to its last.
fn whole(start: Span, end: Span, first: Option<Span>, last: Option<Span>, source: &Source) -> Span {
    let flow = source.slice(start).starts_with(['[', '{']);
    match (flow, first, last) {
        (false, Some(first), Some(last)) => first.to(last),
        (true | false, ..) => start.to(end),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> (Option<Node>, Vec<&'static str>) {
        let mut findings = Findings::default();
        let node = parse(&Source::new("t.yaml", text), &mut findings);
        (node, findings.iter().map(Finding::code).collect())
    }

    #[test]
    fn every_value_has_its_bytes() {
        let text = "a: 'x y'\nb:\n  - 1\n  - {c: d}\ne: |\n  one\n  two\n";
        let (Some(Node { value: Value::Map(entries), .. }), codes) = read(text) else { panic!("no map") };
        assert_eq!(codes, [""; 0]);
        let shown: Vec<&str> = entries.iter().map(|(_, node)| &text[node.span.start..node.span.end]).collect();
        assert_eq!(&shown[..2], ["'x y'", "1\n  - {c: d}"]);
        assert!(shown[2].contains("one\n  two"), "{shown:?}");
        assert_eq!(&text[entries[1].0.span.start..entries[1].0.span.end], "b");
    }

    #[test]
    fn all_duplicate_keys_are_told_at_once() {
        let (node, codes) = read("a: 1\na: 2\nb: {c: 1, c: 2}\n");
        assert!(node.is_some());
        assert_eq!(codes, ["yaml/duplicate-key", "yaml/duplicate-key"]);
    }

    #[test]
    fn aliases_are_refused_so_nothing_can_grow() {
        let (_, codes) = read("a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]\n");
        assert_eq!(codes, ["yaml/alias"; 4]);
        let many = format!("a: &a [x]\nb: [{}]\n", "*a, ".repeat(1000));
        assert_eq!(read(&many).1, ["yaml/alias"; 10]);
    }

    #[test]
    fn depth_count_and_size_are_bounded() {
        assert_eq!(read(&"- ".repeat(200)).1, ["yaml/too-deep"]);
        assert_eq!(read(&format!("{}x{}", "[".repeat(40), "]".repeat(40))).1, ["yaml/too-deep"]);
        assert_eq!(read(&"{a: ".repeat(100_000)).1.len(), 1);
        assert_eq!(read(&"- 1\n".repeat(30_000)).1, ["yaml/too-deep"]);
        assert_eq!(read(&"#".repeat(MAX_BYTES + 1)).1, ["yaml/too-large"]);
    }

    #[test]
    fn hostile_text_is_a_finding_and_never_a_panic() {
        for text in [
            "a: [",
            "a: \"\\q\"",
            "%YAML 9.9\n---\na",
            "? [a]\n: b",
            "a: *x",
            "!!python/object x",
            "\u{0}",
            "a: b: c",
            "{",
        ] {
            let (node, codes) = read(text);
            assert!(node.is_none() || !codes.is_empty() || text.starts_with('%'), "{text:?}");
        }
        assert_eq!(read("").1, [""; 0]);
        assert_eq!(read("# only a comment\n"), (None, vec![]));
        assert_eq!(read("a: 1\n---\nb: 2\n").1, ["yaml/documents"]);
    }
}
