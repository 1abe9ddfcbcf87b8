//! Text that is written in a form of its own: XML and command lines.

use std::collections::{HashMap, HashSet};
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
/// What XML takes for blank.
const BLANKS: [char; 4] = [' ', '\t', '\r', '\n'];

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
            ("tostring(parse_xml('<a><b/>x<b y=\"1\"/>z<b>2</b></a>'))", r##"'{"a":{"b":[null,{"@y":"1"},"2"],"#text":["x","z"]}}'"##),
            ("isnull(parse_xml('<a x=\"1\" x=\"2\"/>'))", "true"),
            ("isnull(parse_xml('<a x=\"1\"y=\"2\"/>'))", "true"),
            ("isnull(parse_xml('<a>&bogus;</a>'))", "true"),
            ("isnull(parse_xml('<a>&</a>'))", "true"),
            ("isnull(parse_xml('<a>&#0;</a>'))", "true"),
            ("isnull(parse_xml('<1/>'))", "true"),
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
    // Each begins an element or its end, an attribute, or a character by name.
    let parts = text.bytes().filter(|byte| matches!(byte, b'<' | b'=' | b'&')).count();
    frame.env.budget.steps(parts as u64)?;
    if !text.chars().all(is_character) {
        return Ok(Val::Null);
    }
    let mut reader = Reader { rest: text };
    Ok(reader.document().map_or(Val::Null, |(name, value)| Val::dynamic(bag([(name.into(), value)]))))
}

struct Reader<'t> {
    rest: &'t str,
}

/// What is in an element: names in the order they came in, each with all that has it.
#[derive(Default)]
struct Inside {
    places: HashMap<String, usize>,
    all: Vec<(Arc<str>, Vec<Dynamic>)>,
}

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
        self.rest = self.rest.trim_start_matches(BLANKS);
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
        name.starts_with(|c: char| c.is_alphabetic() || "_:".contains(c)).then_some(name)
    }

    fn element(&mut self, depth: usize) -> Option<(String, Dynamic)> {
        if depth > DEEPEST || !self.eat("<") {
            return None;
        }
        let name = self.name()?;
        let mut inside = Inside::default();
        if !self.attributes(&mut inside)? {
            return Some((name.to_owned(), inside.shaped()));
        }
        self.content(&mut inside, depth)?;
        let closed = self.name()?;
        self.space();
        (closed == name && self.eat(">")).then(|| (name.to_owned(), inside.shaped()))
    }

    /// The attributes, each name once; whether content follows them.
    fn attributes(&mut self, inside: &mut Inside) -> Option<bool> {
        let mut names = HashSet::new();
        loop {
            let apart = self.rest.starts_with(BLANKS);
            self.space();
            if self.eat("/>") {
                return Some(false);
            }
            if self.eat(">") {
                return Some(true);
            }
            let name = self.name().filter(|name| apart && names.insert(*name))?;
            self.space();
            let equals = self.eat("=");
            self.space();
            let quote = if self.eat("\"") { "\"" } else { "'" };
            if !equals || (quote == "'" && !self.eat("'")) {
                return None;
            }
            let value = self.until(quote).filter(|value| !value.contains('<'))?;
            inside.add(format!("@{name}"), Dynamic::Str(unescaped(value)?.into()));
        }
    }

    /// What is inside of an element, up to the name in its end.
    fn content(&mut self, inside: &mut Inside, depth: usize) -> Option<()> {
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
                inside.add(name, value);
            } else {
                let end = self.rest.find('<')?;
                let (before, rest) = self.rest.split_at_checked(end)?;
                let text = unescaped(before).filter(|_| !before.contains("]]>"))?;
                if !text.trim().is_empty() {
                    inside.add(TEXT.to_owned(), Dynamic::Str(text.trim().into()));
                }
                self.rest = rest;
            }
        }
    }
}

impl Inside {
    fn add(&mut self, name: String, value: Dynamic) {
        let at = self.places.get(&name).copied();
        if let Some((_, same)) = at.and_then(|at| self.all.get_mut(at)) {
            same.push(value);
        } else {
            self.all.push((Arc::from(name.as_str()), vec![value]));
            self.places.insert(name, self.all.len() - 1);
        }
    }

    /// Nothing but text is the text, text beside others is one of them; what has one name is an array.
    fn shaped(self) -> Dynamic {
        let one = |mut same: Vec<Dynamic>| match same.pop() {
            Some(value) if same.is_empty() => value,
            last => Dynamic::Array(same.into_iter().chain(last).collect()),
        };
        let mut all: Vec<(Arc<str>, Dynamic)> = self.all.into_iter().map(|(name, same)| (name, one(same))).collect();
        match all.pop() {
            None => Dynamic::Null,
            Some((name, text)) if all.is_empty() && &*name == TEXT => text,
            Some(last) => {
                all.push(last);
                bag(all)
            }
        }
    }
}

fn bag(pairs: impl IntoIterator<Item = (Arc<str>, Dynamic)>) -> Dynamic {
    Dynamic::Bag(Arc::new(Bag::new(pairs)))
}

/// With the five named characters and those by number; nothing when there is another name: none is declared.
fn unescaped(text: &str) -> Option<String> {
    let mut made = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('&') {
        let (name, behind) = after.split_once(';')?;
        made.push_str(before);
        made.push(character(name)?);
        rest = behind;
    }
    made.push_str(rest);
    Some(made)
}

/// Whether XML may hold that character.
fn is_character(c: char) -> bool {
    BLANKS.contains(&c) || (c >= ' ' && !matches!(c, '\u{FFFE}' | '\u{FFFF}'))
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
            let (digits, radix) = number.strip_prefix('x').map_or((number, 10), |hex| (hex, 16));
            // A sign is no digit, though it would be read.
            let code = u32::from_str_radix(digits, radix).ok().filter(|_| !digits.starts_with('+'))?;
            char::from_u32(code).filter(|c| is_character(*c))
        }
    }
}

/// As `CommandLineToArgvW` of Windows does it, which is what Kusto's reference says of it. The program's name comes first and
/// knows no backslashes. Then quotes keep blanks; a second one right behind the end of a quotation is meant, and ends it all
/// the same. Backslashes are themselves, but before a quote two are one, and an odd one makes the quote one that is meant.
fn command_line(text: &str) -> Vec<String> {
    if text.is_empty() {
        return Vec::new();
    }
    let (program, rest) = match text.strip_prefix('"') {
        Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
        None => text.split_at(text.find(|c: char| c <= ' ').unwrap_or(text.len())),
    };
    let mut all = vec![program.to_owned()];
    let mut current: Option<String> = None;
    // One within a quotation; the third in a row is meant.
    let mut quotes = 0;
    let mut chars = rest.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            ' ' | '\t' if quotes == 0 => all.extend(current.take()),
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
                let argument = current.get_or_insert_default();
                quotes += 1;
                while chars.next_if_eq(&'"').is_some() {
                    quotes = (quotes + 1) % 3;
                    if quotes == 0 {
                        argument.push('"');
                    }
                }
                quotes %= 2;
            }
            c => current.get_or_insert_default().push(c),
        }
    }
    all.extend(current);
    all
}

#[cfg(test)]
mod tests {
    use super::command_line;

    #[test]
    fn a_command_line_is_taken_apart_as_windows_does() {
        for (text, args) in [
            (r#"a "b ""c"" d" e"#, &["a", r#"b "c"#, "d e"] as &[&str]),
            (r#"a "" b"#, &["a", "", "b"]),
            (r#"a """b c""" d"#, &["a", r#""b"#, r#"c""#, "d"]),
            (r#"a "b\" c" d"#, &["a", r#"b" c"#, "d"]),
            (r#"x a\\b d"e f"g h"#, &["x", r"a\\b", "de fg", "h"]),
            (r#"x a\\\"b c d"#, &["x", r#"a\"b"#, "c", "d"]),
            (r#"x a\\\\"b c" d e"#, &["x", r"a\\b c", "d", "e"]),
            (r#""C:\dir x\" y"#, &[r"C:\dir x\", "y"]),
            (r#"C:\a"b c" d"#, &[r#"C:\a"b"#, "c d"]),
            ("  a\t b ", &["", "a", "b"]),
            ("", &[]),
        ] {
            assert_eq!(command_line(text), args, "{text}");
        }
    }
}
