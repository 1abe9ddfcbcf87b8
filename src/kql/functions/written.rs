//! Text that is written in a form of its own: XML and command lines.

use std::sync::Arc;

use super::args::text;
use super::{Arg, Function, Gives};
use crate::kql::dynamic::{Bag, Dynamic};
use crate::kql::error::KqlError;
use crate::kql::eval::Frame;
use crate::kql::value::{Type, Val};

/// Elements nested more deeply than this are no XML here.
const DEEPEST: usize = 60;
/// Longer text is no XML for Kusto.
const LONGEST: usize = 1 << 20;
/// What text is called beside others.
const TEXT: &str = "#text";

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("parse_xml", &[Arg::Is(Type::String)], Gives::Is(Type::Dynamic), xml).keeps_name().doc(
        "XML as a bag: elements by name, attributes with @ before theirs, text beside others as #text, nothing else; null when it is none.",
        &[
            ("tostring(parse_xml('<a x=\"1\"><b>2</b><b>3</b></a>'))", r#"'{"a":{"@x":"1","b":["2","3"]}}'"#),
            ("tostring(parse_xml('<e n=\"v\">t</e>'))", r##"'{"e":{"@n":"v","#text":"t"}}'"##),
            ("tostring(parse_xml('<e> t <a>u</a><b/> </e>'))", r##"'{"e":{"#text":"t","a":"u","b":null}}'"##),
            ("tostring(parse_xml('<?xml version=\"1.0\"?><!-- x --><a>1 &lt; 2 &#x41;</a>'))", r#"'{"a":"1 < 2 A"}'"#),
            ("isnull(parse_xml('<a><b></a>'))", "true"),
            ("isnull(parse_xml('text'))", "true"),
            ("isnull(parse_xml('<a><![CDATA[x]]></a>').a)", "true"),
        ],
    ),
    Function::plain(
        "parse_command_line",
        &[Arg::Text, Arg::Word(&["windows"])],
        Gives::Is(Type::Dynamic),
        |args| Val::dynamic(Dynamic::Array(command_line(text(args, 0)).into_iter().map(|arg| Dynamic::Str(arg.into())).collect())),
    )
    .doc(
        "The arguments of a command line of Windows.",
        &[("tostring(parse_command_line('echo \"hello world!\" x', 'windows'))", r#"'["echo","hello world!","x"]'"#)],
    ),
];

fn xml<'a>(frame: &Frame<'_>, args: &[Val<'a>]) -> Result<Val<'a>, KqlError> {
    let text = text(args, 0);
    if text.len() > LONGEST {
        return Ok(Val::Null);
    }
    frame.env.budget.bytes(text.len().saturating_mul(4))?;
    let mut reader = Reader { rest: text };
    Ok(reader.document().map_or(Val::Null, |(name, value)| Val::dynamic(bag(vec![(name, value)]))))
}

struct Reader<'t> {
    rest: &'t str,
}

type Pairs = Vec<(String, Dynamic)>;

impl<'t> Reader<'t> {
    fn document(&mut self) -> Option<(String, Dynamic)> {
        self.between_elements();
        let root = self.element(0)?;
        self.between_elements();
        self.rest.is_empty().then_some(root)
    }

    fn eat(&mut self, start: &str) -> bool {
        let rest = self.rest.strip_prefix(start);
        self.rest = rest.unwrap_or(self.rest);
        rest.is_some()
    }

    fn until(&mut self, end: &str) -> Option<&'t str> {
        let (before, after) = self.rest.split_once(end)?;
        self.rest = after;
        Some(before)
    }

    fn space(&mut self) {
        self.rest = self.rest.trim_start();
    }

    /// Blanks, comments, instructions and the type of the document.
    fn between_elements(&mut self) {
        loop {
            self.space();
            let end = if self.rest.starts_with("<!--") {
                "-->"
            } else if self.rest.starts_with("<?") {
                "?>"
            } else if self.rest.starts_with("<!DOCTYPE") {
                ">"
            } else {
                return;
            };
            if self.until(end).is_none() {
                return;
            }
        }
    }

    fn name(&mut self) -> Option<&'t str> {
        let end = self.rest.find(|c: char| !(c.is_alphanumeric() || "_-.:".contains(c))).unwrap_or(self.rest.len());
        let (name, rest) = self.rest.split_at_checked(end)?;
        self.rest = rest;
        (!name.is_empty()).then_some(name)
    }

    fn element(&mut self, depth: usize) -> Option<(String, Dynamic)> {
        if depth > DEEPEST || !self.eat("<") {
            return None;
        }
        let name = self.name()?;
        let mut pairs = Pairs::new();
        loop {
            self.space();
            if self.eat("/>") {
                return Some((name.to_owned(), shaped(pairs)));
            }
            if self.eat(">") {
                break;
            }
            let attribute = self.name()?;
            self.space();
            let equals = self.eat("=");
            self.space();
            let quote = if self.eat("\"") { "\"" } else { "'" };
            if !equals || (quote == "'" && !self.eat("'")) {
                return None;
            }
            let value = self.until(quote)?;
            pairs.push((format!("@{attribute}"), Dynamic::Str(unescaped(value).into())));
        }
        self.content(&mut pairs, depth)?;
        let closed = self.name()?;
        self.space();
        (closed == name && self.eat(">")).then(|| (name.to_owned(), shaped(pairs)))
    }

    /// What is inside of an element, up to the name in its end.
    fn content(&mut self, pairs: &mut Pairs, depth: usize) -> Option<()> {
        loop {
            if self.eat("</") {
                return Some(());
            }
            if self.eat("<![CDATA[") {
                self.until("]]>")?;
            } else if self.eat("<!--") {
                self.until("-->")?;
            } else if self.eat("<?") {
                self.until("?>")?;
            } else if self.rest.starts_with('<') {
                let (name, value) = self.element(depth + 1)?;
                add(pairs, name, value);
            } else {
                let end = self.rest.find('<')?;
                let (before, rest) = self.rest.split_at_checked(end)?;
                let text = unescaped(before);
                if !text.trim().is_empty() {
                    add(pairs, TEXT.to_owned(), Dynamic::Str(text.trim().into()));
                }
                self.rest = rest;
            }
        }
    }
}

/// What has one name becomes an array.
fn add(pairs: &mut Pairs, name: String, value: Dynamic) {
    match pairs.iter_mut().find(|(known, _)| *known == name) {
        Some((_, Dynamic::Array(items))) => *items = items.iter().cloned().chain([value]).collect(),
        Some((_, known)) => *known = Dynamic::Array(Arc::from([known.clone(), value])),
        None => pairs.push((name, value)),
    }
}

/// Nothing but text is the text; text beside others is one of them.
fn shaped(mut pairs: Pairs) -> Dynamic {
    match pairs.pop() {
        None => Dynamic::Null,
        Some((name, text)) if pairs.is_empty() && name == TEXT => text,
        Some(last) => {
            pairs.push(last);
            bag(pairs)
        }
    }
}

fn bag(pairs: Pairs) -> Dynamic {
    Dynamic::Bag(Arc::new(Bag::new(pairs.into_iter().map(|(name, value)| (Arc::from(name), value)))))
}

/// The five named characters and those by number.
fn unescaped(text: &str) -> String {
    let mut made = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        made.push_str(before);
        let named = after.split_once(';').and_then(|(name, behind)| Some((character(name)?, behind)));
        let (found, behind) = named.unwrap_or(('&', after));
        made.push(found);
        rest = behind;
    }
    made.push_str(rest);
    made
}

fn character(name: &str) -> Option<char> {
    match name {
        "amp" => Some('&'),
        "lt" => Some('<'),
        "gt" => Some('>'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#')?;
            let code = match number.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16),
                None => number.parse(),
            };
            char::from_u32(code.ok()?)
        }
    }
}

/// As `CommandLineToArgvW`: quotes keep blanks, backslashes before a quote come in pairs.
fn command_line(text: &str) -> Vec<String> {
    let mut all = Vec::new();
    let mut current: Option<String> = None;
    let mut quoted = false;
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' if !quoted => all.extend(current.take()),
            '\\' => {
                let mut slashes = 1;
                while chars.next_if_eq(&'\\').is_some() {
                    slashes += 1;
                }
                let before_quote = chars.peek() == Some(&'"');
                let kept = if before_quote { slashes / 2 } else { slashes };
                let argument = current.get_or_insert_default();
                argument.extend(std::iter::repeat_n('\\', kept));
                if before_quote && slashes % 2 == 1 {
                    chars.next();
                    argument.push('"');
                }
            }
            '"' => {
                current.get_or_insert_default();
                quoted = !quoted;
            }
            c => current.get_or_insert_default().push(c),
        }
    }
    all.extend(current);
    all
}
