//! Text to tokens. Never fails: what is no token is a finding and is left out.

use super::report::Report;
use super::time::unit_timespan;
use super::value::Type;
use crate::diagnostics::{Finding, Span, quoted};

/// A token and where it is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Token<'t> {
    pub(super) kind: Kind<'t>,
    pub(super) span: Span,
}

/// What a token is.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Kind<'t> {
    /// A name or a word operator, such as `Account`, `has_any`, `!in~`.
    Name(&'t str),
    /// A string literal, its escapes resolved.
    Text(String),
    /// A whole number.
    Long(i64),
    /// A number with a point or an exponent.
    Real(f64),
    /// A number with a unit, in ticks.
    Timespan(i64),
    /// A literal written as `type(...)`: the type and what stands between the parentheses.
    Typed(Type, &'t str),
    /// An operator or a bracket.
    Sign(&'static str),
    /// The end of the text.
    End,
}

/// Signs, longer ones first.
const SIGNS: [&str; 30] = [
    "==", "=~", "!=", "!~", "<=", ">=", "<>", "..", "=>", "=", "<", ">", "+", "-", "*", "/", "%", "(", ")", "[", "]",
    "{", "}", ",", ";", ".", "|", ":", "?", "&",
];

/// Longest inside of `type(...)`, in characters.
const MAX_TYPED: usize = 200;

/// All tokens of `text`; the last one is [`Kind::End`].
pub(super) fn tokens<'t>(text: &'t str, report: &mut Report) -> Vec<Token<'t>> {
    let mut lexer = Lexer { text, at: 0, report };
    let mut all = Vec::new();
    loop {
        lexer.skip_blank();
        let start = lexer.at;
        if start >= text.len() {
            // Where the text ends for whoever reads it: behind its last word.
            let end = all.last().map_or(start, |last: &Token<'_>| last.span.end);
            all.push(Token { kind: Kind::End, span: Span::new(end, end) });
            return all;
        }
        if let Some(kind) = lexer.token() {
            all.push(Token { kind, span: Span::new(start, lexer.at) });
        }
        // Whatever happens, the lexer moves on.
        if lexer.at == start {
            lexer.bump();
        }
    }
}

struct Lexer<'t, 'r> {
    text: &'t str,
    at: usize,
    report: &'r mut Report,
}

impl<'t> Lexer<'t, '_> {
    fn rest(&self) -> &'t str {
        self.text.get(self.at..).unwrap_or_default()
    }

    fn peek(&self) -> Option<char> {
        self.rest().chars().next()
    }

    fn bump(&mut self) -> Option<char> {
        let c = self.peek()?;
        self.at += c.len_utf8();
        Some(c)
    }

    fn take_while(&mut self, keep: impl Fn(char) -> bool) -> &'t str {
        let rest = self.rest();
        let taken = rest.find(|c| !keep(c)).and_then(|end| rest.get(..end)).unwrap_or(rest);
        self.at += taken.len();
        taken
    }

    fn wrong(&mut self, start: usize, code: &'static str, message: String, help: &str) {
        let finding = Finding::error(code, message).help(help);
        self.report.add(Span::new(start, self.at.max(start + 1)), finding);
    }

    /// Spaces and `//` comments.
    fn skip_blank(&mut self) {
        loop {
            self.take_while(|c| c.is_whitespace() || c == '\u{feff}');
            if !self.rest().starts_with("//") {
                return;
            }
            self.take_while(|c| c != '\n');
        }
    }

    fn token(&mut self) -> Option<Kind<'t>> {
        let start = self.at;
        let rest = self.rest();
        let first = rest.chars().next()?;
        if first.is_ascii_digit() {
            return self.number();
        }
        if let Some(string) = self.string() {
            return Some(string);
        }
        if let Some(meant) = self.of_other_languages() {
            return Some(meant);
        }
        if first.is_alphabetic() || first == '_' || first == '$' {
            return Some(self.name());
        }
        if first == '!' && rest.chars().nth(1).is_some_and(char::is_alphabetic) {
            self.bump();
            self.word();
            return Some(Kind::Name(self.text.get(start..self.at)?));
        }
        if first == '!' && !rest.starts_with("!=") && !rest.starts_with("!~") {
            self.bump();
            return Some(Kind::Name("!"));
        }
        if let Some(sign) = SIGNS.into_iter().find(|sign| rest.starts_with(sign)) {
            self.at += sign.len();
            return Some(Kind::Sign(sign));
        }
        self.bump();
        let message = format!("{} has no meaning here", quoted(first.encode_utf8(&mut [0; 4])));
        self.wrong(start, "kql/syntax-character", message, "remove it, or put it in quotes if it is part of a text");
        None
    }

    fn word(&mut self) -> &'t str {
        let start = self.at;
        let word = self.take_while(|c| c.is_alphanumeric() || c == '_' || c == '$');
        if word == "in" && self.rest().starts_with('~') {
            self.at += 1;
        }
        self.text.get(start..self.at).unwrap_or_default()
    }

    fn name(&mut self) -> Kind<'t> {
        let word = self.word();
        let Some(ty) = Type::from_name(word).filter(|ty| !matches!(ty, Type::String | Type::Dynamic)) else {
            return Kind::Name(word);
        };
        let Some(inside) = self.rest().trim_start().strip_prefix('(') else { return Kind::Name(word) };
        // The bound keeps a megabyte of `int(int(` from being searched to its end again and again.
        let close = inside.char_indices().take(MAX_TYPED).find(|(_, c)| *c == ')');
        let Some((inside, after)) = close.and_then(|(at, _)| inside.split_at_checked(at)) else {
            return Kind::Name(word);
        };
        self.at = self.text.len() - after.len() + 1;
        Kind::Typed(ty, inside.trim())
    }

    fn number(&mut self) -> Option<Kind<'t>> {
        let start = self.at;
        if let Some(hex) = self.rest().strip_prefix("0x").or_else(|| self.rest().strip_prefix("0X")) {
            let digits = hex.find(|c: char| !c.is_ascii_alphanumeric()).unwrap_or(hex.len());
            self.at += 2 + digits;
            return self.whole(start, hex.get(..digits).and_then(|hex| i64::from_str_radix(hex, 16).ok()));
        }
        self.take_while(|c| c.is_ascii_digit());
        let mut real = false;
        let mut after = self.rest().chars();
        if after.next() == Some('.') && after.next().is_some_and(|c| c.is_ascii_digit()) {
            real = true;
            self.at += 1;
            self.take_while(|c| c.is_ascii_digit());
        }
        let exponent = self.rest().strip_prefix(['e', 'E']).map(|rest| rest.strip_prefix(['+', '-']).unwrap_or(rest));
        if let Some(digits) = exponent.filter(|rest| rest.starts_with(|c: char| c.is_ascii_digit())) {
            real = true;
            self.at = self.text.len() - digits.len();
            self.take_while(|c| c.is_ascii_digit());
        }
        let number = self.text.get(start..self.at)?;
        if self.peek().is_some_and(|c| c.is_alphabetic() || c == '_') {
            return self.with_unit(start);
        }
        if real {
            return Some(Kind::Real(number.parse().ok()?));
        }
        self.whole(start, number.parse().ok())
    }

    fn whole(&mut self, start: usize, value: Option<i64>) -> Option<Kind<'t>> {
        if value.is_none() {
            let message = format!("{} is no number that fits a long", quoted(self.text.get(start..self.at)?));
            self.wrong(start, "kql/syntax-number", message, "a long is at most 9223372036854775807");
        }
        // A broken number is still a number, so that the parser does not complain a second time.
        Some(Kind::Long(value.unwrap_or(0)))
    }

    fn with_unit(&mut self, start: usize) -> Option<Kind<'t>> {
        self.word();
        let text = self.text.get(start..self.at)?;
        // The one word of the language that begins with a digit: a chart.
        if text == "3Dchart" {
            return Some(Kind::Name(text));
        }
        let ticks = unit_timespan(text);
        let unit = text.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.');
        if ticks.is_none() && unit_timespan(&format!("1{unit}")).is_some() {
            let message = format!("{} is too large for a timespan", quoted(text));
            self.wrong(start, "kql/syntax-number", message, "a timespan is less than 10675200 days");
        } else if ticks.is_none() {
            let message = format!("{} is neither a number nor a timespan", quoted(text));
            let help =
                "units are d, h, m, s, ms, microsecond and tick; a name that begins with a digit is written ['1x']";
            self.wrong(start, "kql/syntax-number", message, help);
        }
        Some(Kind::Timespan(ticks.unwrap_or(0)))
    }

    /// What other languages, and programs that typeset text, write where Kusto has a word or a quote of its own: told, and
    /// read as what it means.
    fn of_other_languages(&mut self) -> Option<Kind<'t>> {
        let start = self.at;
        let rest = self.rest();
        for (sign, word) in [("&&", "and"), ("||", "or")] {
            if rest.starts_with(sign) {
                self.at += sign.len();
                self.wrong(start, "kql/syntax", format!("\"{sign}\" is no operator"), &format!("write {word}"));
                return Some(Kind::Name(word));
            }
        }
        let inside = rest.strip_prefix(['\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}'])?;
        let close = inside.find(['\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}', '\n']).unwrap_or(inside.len());
        let (text, after) = inside.split_at_checked(close)?;
        let after = after.strip_prefix(['\u{201c}', '\u{201d}', '\u{2018}', '\u{2019}']).unwrap_or(after);
        self.at = self.text.len() - after.len();
        self.wrong(start, "kql/syntax-string", "curly quotes hold no text".to_owned(), "write \"...\"");
        Some(Kind::Text(text.to_owned()))
    }

    /// A string literal, or `None` when this is not the start of one. A broken one is empty, and reported.
    fn string(&mut self) -> Option<Kind<'t>> {
        let rest = self.rest();
        for fence in ["```", "~~~"] {
            if let Some(inside) = rest.strip_prefix(fence) {
                return Some(self.fenced(inside, fence));
            }
        }
        let mut body = rest.strip_prefix(['h', 'H']).filter(|rest| rest.starts_with(['"', '\'', '@'])).unwrap_or(rest);
        let verbatim = body.strip_prefix('@').filter(|rest| rest.starts_with(['"', '\'']));
        body = verbatim.unwrap_or(body);
        let quote = body.chars().next().filter(|c| matches!(c, '"' | '\''))?;
        let start = self.at;
        self.at = self.text.len() - body.len() + 1;
        let text = if verbatim.is_some() { self.verbatim(quote) } else { self.escaped(quote) };
        if text.is_none() {
            let message = "the string has no end".to_owned();
            self.wrong(start, "kql/syntax-string", message, "close it on the same line; ``` begins one of many lines");
        }
        Some(Kind::Text(text.unwrap_or_default()))
    }

    fn fenced(&mut self, inside: &'t str, fence: &str) -> Kind<'t> {
        let start = self.at;
        if let Some((text, after)) = inside.split_once(fence) {
            self.at = self.text.len() - after.len();
            let text = text.strip_prefix("\r\n").or_else(|| text.strip_prefix('\n')).unwrap_or(text);
            return Kind::Text(text.to_owned());
        }
        self.at = self.text.len();
        self.wrong(
            start,
            "kql/syntax-string",
            "the string has no end".to_owned(),
            "close it with the sign it began with",
        );
        Kind::Text(String::new())
    }

    fn verbatim(&mut self, quote: char) -> Option<String> {
        let mut text = String::new();
        loop {
            text.push_str(self.take_while(|c| c != quote && c != '\n'));
            if self.bump()? == '\n' {
                return None;
            }
            if self.peek() != Some(quote) {
                return Some(text);
            }
            self.bump();
            text.push(quote);
        }
    }

    fn escaped(&mut self, quote: char) -> Option<String> {
        let mut text = String::new();
        loop {
            text.push_str(self.take_while(|c| c != quote && c != '\\' && c != '\n'));
            match self.peek()? {
                '\n' => return None,
                '\\' => {
                    let start = self.at;
                    self.bump();
                    match self.escape() {
                        Some(c) => text.push(c),
                        None if self.peek().is_none() => return None,
                        None => self.bad_escape(start),
                    }
                }
                _ => {
                    self.bump();
                    return Some(text);
                }
            }
        }
    }

    fn bad_escape(&mut self, start: usize) {
        let shown = quoted(self.text.get(start..self.at).unwrap_or_default());
        let help = "write \\\\ for a backslash, or @\"...\" for a text without escapes";
        self.wrong(start, "kql/syntax-escape", format!("{shown} is no escape"), help);
    }

    /// The character an escape stands for, after its backslash.
    fn escape(&mut self) -> Option<char> {
        Some(match self.bump()? {
            c @ ('\\' | '"' | '\'') => c,
            'n' => '\n',
            'r' => '\r',
            't' => '\t',
            'a' => '\u{7}',
            'b' => '\u{8}',
            'f' => '\u{c}',
            'v' => '\u{b}',
            '0' => '\0',
            'x' => char::from_u32(self.hex(2)?)?,
            'u' => self.utf16()?,
            'U' => char::from_u32(self.hex(8)?)?,
            _ => return None,
        })
    }

    fn hex(&mut self, digits: usize) -> Option<u32> {
        let code = self.rest().get(..digits).filter(|text| text.bytes().all(|b| b.is_ascii_hexdigit()))?;
        self.at += digits;
        u32::from_str_radix(code, 16).ok()
    }

    /// One `\uXXXX`, or two that are a surrogate pair.
    fn utf16(&mut self) -> Option<char> {
        let first = u16::try_from(self.hex(4)?).ok()?;
        let mut units = vec![first];
        if (0xd800..0xdc00).contains(&first) && self.rest().starts_with("\\u") {
            self.at += 2;
            units.push(u16::try_from(self.hex(4)?).ok()?);
        }
        let mut chars = char::decode_utf16(units);
        let c = chars.next()?.ok()?;
        chars.next().is_none().then_some(c)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::Source;
    use crate::kql::time::{DAY, HOUR, MINUTE, SECOND};

    fn lexed(text: &str) -> (Vec<Kind<'_>>, Vec<Finding>) {
        let mut report = Report::new(text, &Source::new("q", text).whole());
        let kinds = tokens(text, &mut report).into_iter().map(|token| token.kind).collect();
        (kinds, report.into_findings())
    }

    fn one(text: &str) -> Kind<'_> {
        let (kinds, findings) = lexed(text);
        assert_eq!((kinds.len(), findings.len()), (2, 0), "{text}: {kinds:?} {findings:?}");
        kinds.into_iter().next().unwrap()
    }

    #[test]
    fn strings_of_every_form_are_read() {
        for (text, value) in [
            (r#""a\"b\\\n\t\u0041\U0001F600\x41""#, "a\"b\\\n\tA😀A"),
            (r"'it\'s'", "it's"),
            (r#"@"C:\x ""y""""#, "C:\\x \"y\""),
            (r"@'a''b\'", "a'b\\"),
            (r#"h"secret""#, "secret"),
            (r#"H@"se\cret""#, "se\\cret"),
            ("```\none\n\"two\" \\```", "one\n\"two\" \\"),
            (r#""\ud83d\ude00""#, "😀"),
        ] {
            assert_eq!(one(text), Kind::Text(value.to_owned()), "{text}");
        }
    }

    #[test]
    fn numbers_and_timespans_are_read() {
        assert_eq!(one("0x1F"), Kind::Long(31));
        assert_eq!(one("1.5e3"), Kind::Real(1_500.0));
        for (text, ticks) in
            [("1d", DAY), ("2h", 2 * HOUR), ("30m", 30 * MINUTE), ("1.5s", SECOND * 3 / 2), ("7tick", 7)]
        {
            assert_eq!(one(text), Kind::Timespan(ticks), "{text}");
        }
        let (kinds, _) = lexed("1..5");
        assert_eq!(kinds, [Kind::Long(1), Kind::Sign(".."), Kind::Long(5), Kind::End]);
    }

    #[test]
    fn typed_literals_keep_their_inside_and_functions_stay_names() {
        assert_eq!(one("datetime(2026-03-01 10:00)"), Kind::Typed(Type::DateTime, "2026-03-01 10:00"));
        assert_eq!(one("int( null )"), Kind::Typed(Type::Int, "null"));
        assert_eq!(lexed("toint(x)").0.first(), Some(&Kind::Name("toint")));
    }

    #[test]
    fn word_operators_carry_their_marks() {
        assert_eq!(one("!in~"), Kind::Name("!in~"));
        assert_eq!(one("in~"), Kind::Name("in~"));
        assert_eq!(one("!has_cs"), Kind::Name("!has_cs"));
    }

    #[test]
    fn comments_end_with_their_line() {
        assert_eq!(lexed("a // b | \"\n c").0, [Kind::Name("a"), Kind::Name("c"), Kind::End]);
    }

    #[test]
    fn broken_text_is_named_at_its_place() {
        for (text, code, at) in [
            ("a == \"x", "kql/syntax-string", 5),
            ("\"a\\qb\"", "kql/syntax-escape", 2),
            ("a ^ b", "kql/syntax-character", 2),
            ("12parsecs", "kql/syntax-number", 0),
            ("99999999999999999999", "kql/syntax-number", 0),
            ("\"\\ud83d\"", "kql/syntax-escape", 1),
        ] {
            let (_, findings) = lexed(text);
            assert_eq!(findings.len(), 1, "{text} {findings:?}");
            assert_eq!(findings[0].code(), code, "{text}");
            let start = findings[0].place().unwrap().span.start;
            assert!(start.abs_diff(at) <= 1, "{text} {start}");
        }
    }
}
