//! `parse`, `parse-where` and `parse-kv`.

use std::fmt::Write as _;

use super::Binder;
use super::source::Build;
use crate::diagnostics::Finding;
use crate::kql::ast::{Expr, Name, Part, Setting};
use crate::kql::plan::{Parse, ParseKv, Stage, column_group};
use crate::kql::value::{Type, Val};

impl Binder<'_, '_> {
    pub(super) fn parse(
        &mut self,
        only_matches: bool,
        options: &[Setting],
        value: &Expr,
        parts: &[Part],
        build: &mut Build,
    ) -> Option<()> {
        let kind = self.word_option(options, &["kind"], &["simple", "relaxed", "regex"])?;
        let flags = options.iter().find(|option| option.name.text == "flags");
        let node = self.expect(value, &build.schema, Type::String, "what is parsed")?;
        let mut columns = build.schema.list();
        let mut groups = Vec::new();
        for part in parts {
            if let Part::Column(name, ty) = part {
                groups.push((columns.place(&name.text, *ty), *ty));
            }
        }
        let pattern = match kind {
            "regex" => regex_pattern(parts, &flags.map(Setting::word).unwrap_or_default()),
            kind => simple_pattern(parts, kind == "relaxed"),
        };
        let pattern = self.regex(&pattern, value.span)?;
        build.schema = build.schema.reshaped(columns, true);
        let parse = Parse { value: node, pattern, columns: groups, only_matches, relaxed: kind == "relaxed" };
        build.stages.push(Stage::Parse(Box::new(parse)));
        Some(())
    }

    pub(super) fn parse_kv(
        &mut self,
        value: &Expr,
        typed: &[(Name, Type)],
        options: &[Setting],
        build: &mut Build,
    ) -> Option<()> {
        let node = self.expect(value, &build.schema, Type::String, "what is parsed")?;
        let mut columns = build.schema.list();
        let slots = typed.iter().map(|(name, ty)| (name.text.clone(), columns.place(&name.text, *ty), *ty)).collect();
        let mut kv = ParseKv {
            value: node,
            columns: slots,
            pair_delimiter: None,
            kv_delimiter: None,
            quotes: Vec::new(),
            escape: None,
            greedy: false,
        };
        for option in options {
            match &*option.name.text {
                "pair_delimiter" => kv.pair_delimiter = self.text_setting(&option.value),
                "kv_delimiter" => kv.kv_delimiter = self.text_setting(&option.value),
                "quote" => kv.quotes = quotes(&self.texts_setting(&option.value)?),
                "escape" => kv.escape = self.text_setting(&option.value)?.chars().next(),
                "greedy" => kv.greedy = option.word() == "true",
                "regex" => {
                    self.unsupported(option.name.span, "parse-kv by a regular expression", "use parse kind=regex");
                    return None;
                }
                _ => {
                    let message =
                        format!("{} is no property of parse-kv", crate::diagnostics::quoted(&option.name.text));
                    self.wrong(option.name.span, Finding::error("kql/syntax-option", message));
                    return None;
                }
            }
        }
        build.schema = build.schema.reshaped(columns, true);
        build.stages.push(Stage::ParseKv(Box::new(kv)));
        Some(())
    }

    fn text_setting(&mut self, value: &Expr) -> Option<String> {
        self.texts_setting(value).and_then(|texts| texts.into_iter().next())
    }

    /// A text, or a list of texts in parentheses or as a dynamic.
    fn texts_setting(&mut self, value: &Expr) -> Option<Vec<String>> {
        let node = self.constant(value, Type::String, "a property of parse-kv")?;
        let text = node.as_const().and_then(Val::as_str);
        if text.is_none() {
            self.wrong(value.span, Finding::error("kql/type", "a literal is wanted here"));
        }
        text.map(|text| vec![text.to_owned()])
    }
}

/// One character quotes on both sides; of two the first opens and the second closes.
fn quotes(texts: &[String]) -> Vec<(char, char)> {
    let pair = |text: &String| {
        let mut chars = text.chars();
        let open = chars.next()?;
        Some((open, chars.next().unwrap_or(open)))
    };
    texts.iter().filter_map(pair).collect()
}

/// Every part has its place from the beginning of the text to its end. A column takes as little as it can, one at the end
/// all that is left; where it is a number, only what a number is made of, unless other text must be null.
fn simple_pattern(parts: &[Part], relaxed: bool) -> String {
    let mut pattern = "(?s)^".to_owned();
    let mut columns = 0;
    for (at, part) in parts.iter().enumerate() {
        let last = at + 1 == parts.len();
        match part {
            Part::Skip => pattern.push_str(if last { ".*" } else { ".*?" }),
            Part::Text(text) => pattern.push_str(&regex::escape(text)),
            Part::Column(_, ty) => {
                let inside = match ty {
                    Type::Int | Type::Long if !relaxed => r"\s*[-+]?[0-9]+",
                    Type::Real if !relaxed => r"\s*[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?",
                    _ => ".*",
                };
                let lazy = if last || inside != ".*" { "" } else { "?" };
                let _ = write!(pattern, "(?P<{}>{inside}{lazy})", group(&mut columns));
            }
        }
    }
    pattern.push('$');
    pattern
}

/// The texts are regular expressions; between them, columns and stars take as little or as much as the flags say.
fn regex_pattern(parts: &[Part], flags: &str) -> String {
    let mut on = String::new();
    for flag in flags.chars().filter(|flag| "imsU".contains(*flag)) {
        on.push(flag);
    }
    let mut columns = 0;
    let mut pattern = if on.is_empty() { String::new() } else { format!("(?{on})") };
    for part in parts {
        match part {
            Part::Skip => pattern.push_str(".*?"),
            Part::Text(text) => {
                let _ = write!(pattern, "(?:{text})");
            }
            Part::Column(_, ty) => {
                let inside = match ty {
                    Type::Int | Type::Long => r"[-+]?[0-9]+",
                    Type::Real => r"[-+]?[0-9.]+(?:[eE][-+]?[0-9]+)?",
                    _ => ".*",
                };
                let _ = write!(pattern, "(?P<{}>{inside})", group(&mut columns));
            }
        }
    }
    pattern
}

/// The name of the group of the next column; the author's own groups have others.
fn group(columns: &mut usize) -> String {
    *columns += 1;
    column_group(*columns - 1)
}
