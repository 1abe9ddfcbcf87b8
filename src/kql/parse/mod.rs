//! Tokens to a syntax tree, with recovery: after a mistake the parser goes on at the next comma, bracket or pipe, so
//! that one run finds many.

mod columns;
mod expr;
mod literal;
mod rows;
mod slips;
mod source;
mod statement;
mod tabular;

use super::ast::{Expr, Name, Text};
use super::lex::{Kind, Token, tokens};
use super::limits::Limits;
use super::report::Report;
use crate::diagnostics::{Finding, Span, quoted};

/// Parses a text that is one scalar expression.
pub(super) fn expression(text: &str, report: &mut Report) -> Expr {
    let tokens = tokens(text, report);
    let mut parser = Parser::new(text, &tokens, report);
    if let Some((span, message)) = parser.more_than_a_row() {
        parser.wrong(span, Finding::error("kql/unsupported", message).help(ONE_ROW));
        return Expr::error(span);
    }
    let expr = parser.expr();
    parser.expect_end();
    expr
}

/// What to do where an expression about one row wants more than that row.
pub(super) const ONE_ROW: &str = "compare with what is written here, or make it a trigger: a query of its own";

/// Parses a text that is a query.
pub(super) fn query(text: &str, report: &mut Report) -> Text {
    let tokens = tokens(text, report);
    Parser::new(text, &tokens, report).text()
}

struct Parser<'t, 'r> {
    text: &'t str,
    tokens: &'r [Token<'t>],
    at: usize,
    depth: usize,
    /// The token of the last finding: one place is reported once.
    reported: Option<usize>,
    /// What stands before a word that is no operator means nothing with it.
    spoiled: bool,
    /// In a `let` statement, which may lack its end.
    in_let: bool,
    report: &'r mut Report,
}

impl<'t, 'r> Parser<'t, 'r> {
    const fn new(text: &'t str, tokens: &'r [Token<'t>], report: &'r mut Report) -> Self {
        Self { text, tokens, at: 0, depth: 0, reported: None, spoiled: false, in_let: false, report }
    }

    /// What in an expression needs a query around it, when nothing else can be said of it.
    fn more_than_a_row(&self) -> Option<(Span, &'static str)> {
        let is_let = matches!(
            (self.kind(), self.kind_at(1), self.kind_at(2)),
            (Kind::Name("let"), Kind::Name(_), Kind::Sign("="))
        );
        if is_let {
            return Some((self.span(), "an expression about one row has no \"let\""));
        }
        let external = self.tokens.windows(2).find(|pair| {
            matches!(pair, [a, b] if matches!((&a.kind, &b.kind), (Kind::Name("externaldata"), Kind::Sign("("))))
        })?;
        let message = "\"externaldata\" reads a list, and an expression about one row reads none";
        external.first().map(|token| (token.span, message))
    }

    fn kind(&self) -> &'r Kind<'t> {
        self.kind_at(0)
    }

    fn kind_at(&self, ahead: usize) -> &'r Kind<'t> {
        self.tokens.get(self.at + ahead).map_or(&Kind::End, |token| &token.kind)
    }

    fn span(&self) -> Span {
        self.tokens.get(self.at).or(self.tokens.last()).map_or_else(Span::default, |token| token.span)
    }

    /// The span of the token before this one.
    fn before(&self) -> Span {
        self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).map_or_else(Span::default, |token| token.span)
    }

    /// Whether a token is the first of its line.
    fn begins_line(&self, at: usize) -> bool {
        let end = |at: usize| self.tokens.get(at).map(|token| token.span.end);
        let (Some(from), Some(to)) = (at.checked_sub(1).and_then(end), self.tokens.get(at)) else { return true };
        self.text.get(from..to.span.start).is_some_and(|between| between.contains('\n'))
    }

    fn next(&mut self) {
        if !matches!(self.kind(), Kind::End) {
            self.at += 1;
        }
    }

    fn at_sign(&self, sign: &str) -> bool {
        matches!(self.kind(), Kind::Sign(s) if *s == sign)
    }

    fn at_word(&self, word: &str) -> bool {
        matches!(self.kind(), Kind::Name(name) if *name == word)
    }

    fn eat_sign(&mut self, sign: &str) -> bool {
        let found = self.at_sign(sign);
        if found {
            self.next();
        }
        found
    }

    fn eat_word(&mut self, word: &str) -> bool {
        let found = self.at_word(word);
        if found {
            self.next();
        }
        found
    }

    fn expect_sign(&mut self, sign: &str, after: &str) -> bool {
        let found = self.eat_sign(sign);
        if !found {
            self.unexpected(&format!("{} {after}", quoted(sign)));
        }
        found
    }

    /// Whether a list that has so many items goes on; at the limit the rest of the text is given up.
    fn goes_on(&mut self, items: usize) -> bool {
        if !self.eat_sign(",") {
            return false;
        }
        if items < Limits::COLUMNS {
            return true;
        }
        let message = format!("more than {} columns in one list", Limits::COLUMNS);
        self.wrong(self.span(), Finding::error("kql/limit-columns", message).help("split it"));
        self.give_up();
        false
    }

    /// Passes over the rest of the text.
    fn give_up(&mut self) {
        self.at = self.tokens.len().saturating_sub(1);
        self.reported = Some(self.at);
    }

    fn expect_end(&mut self) {
        if !matches!(self.kind(), Kind::End) {
            self.unexpected("an operator or the end of the expression");
        }
    }

    fn expect_name(&mut self, what: &str) -> Option<Name> {
        if let Kind::Name(text) = self.kind() {
            let name = Name { text: (*text).to_owned(), span: self.span() };
            self.next();
            return Some(name);
        }
        if let Some(name) = self.bracketed_name() {
            return Some(name);
        }
        self.unexpected(what);
        None
    }

    /// `['a name']`
    fn bracketed_name(&mut self) -> Option<Name> {
        if let (true, Kind::Text(text), Kind::Sign("]")) = (self.at_sign("["), self.kind_at(1), self.kind_at(2)) {
            let start = self.span();
            self.at += 3;
            return Some(Name { text: text.clone(), span: start.to(self.before()) });
        }
        None
    }

    /// Reports that something else was expected here.
    fn unexpected(&mut self, expected: &str) {
        let found = match self.kind() {
            Kind::End => "the text ends".to_owned(),
            Kind::Name(name) => format!("found {}", quoted(name)),
            Kind::Sign(sign) => format!("found {}", quoted(sign)),
            Kind::Text(_) => "found a string".to_owned(),
            Kind::Long(_) | Kind::Real(_) => "found a number".to_owned(),
            Kind::Timespan(_) => "found a timespan".to_owned(),
            Kind::Typed(ty, _) => format!("found a {ty} literal"),
        };
        let span = self.span();
        self.wrong(span, Finding::error("kql/syntax", format!("expected {expected}, but {found}")));
    }

    /// Adds a finding, unless this token has one already.
    fn wrong(&mut self, span: Span, finding: Finding) {
        if self.reported != Some(self.at) {
            self.report.add(span, finding);
        }
        self.reported = Some(self.at);
    }

    /// Skips to a token at which the surroundings can go on: one of these signs, a
    /// pipe, a semicolon, a closing bracket or the end; what stands in brackets is passed over whole.
    fn skip_to(&mut self, signs: &[&str]) {
        let mut open = 0_usize;
        loop {
            match self.kind() {
                Kind::End => return,
                Kind::Sign(sign) => match *sign {
                    "|" | ";" if open == 0 => return,
                    sign if open == 0 && signs.contains(&sign) => return,
                    "(" | "[" | "{" => open += 1,
                    ")" | "]" | "}" if open == 0 => return,
                    ")" | "]" | "}" => open -= 1,
                    _ => {}
                },
                Kind::Name(_) | Kind::Text(_) | Kind::Long(_) | Kind::Real(_) | Kind::Timespan(_) | Kind::Typed(..) => {
                }
            }
            self.next();
        }
    }

    /// Runs `parse` one level deeper; at the limit the rest of the text is given up.
    fn deeper<T>(&mut self, parse: impl FnOnce(&mut Self) -> T) -> Option<T> {
        if self.depth >= Limits::DEPTH {
            self.too_deep(self.span());
            return None;
        }
        self.depth += 1;
        let parsed = parse(self);
        self.depth -= 1;
        Some(parsed)
    }

    fn too_deep(&mut self, span: Span) {
        let message = format!("the expression is nested more than {} levels deep", Limits::DEPTH);
        self.wrong(span, Finding::error("kql/limit-depth", message).help("split it with let or extend"));
        self.give_up();
    }
}
