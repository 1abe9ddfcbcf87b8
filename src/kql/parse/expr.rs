//! Scalar expressions: a Pratt parser over Kusto's precedences.

use super::Parser;
use crate::diagnostics::{self, Finding, Span, suggest};
use crate::kql::ast::{Expr, ExprKind, Name};
use crate::kql::lex::Kind;
use crate::kql::limits::Limits;

/// How tightly an operator binds; from the public Kusto grammar. Note that `has` and its kin bind tighter than `*`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    Or,
    And,
    Equality,
    Relation,
    Sum,
    Product,
    Text,
    Operand,
}

pub(super) const TEXT_OPERATORS: [&str; 30] = [
    "has",
    "!has",
    "has_cs",
    "!has_cs",
    "hasprefix",
    "!hasprefix",
    "hasprefix_cs",
    "!hasprefix_cs",
    "hassuffix",
    "!hassuffix",
    "hassuffix_cs",
    "!hassuffix_cs",
    "contains",
    "!contains",
    "contains_cs",
    "!contains_cs",
    "containscs",
    "notcontains",
    "notcontainscs",
    "startswith",
    "!startswith",
    "startswith_cs",
    "!startswith_cs",
    "endswith",
    "!endswith",
    "endswith_cs",
    "!endswith_cs",
    "=~",
    "!~",
    "matches",
];
pub(super) const LIST_OPERATORS: [&str; 6] = ["in", "!in", "in~", "!in~", "has_any", "has_all"];
/// Words that stand behind an expression without being part of it.
pub(super) const ENDS: [&str; 17] = [
    "asc",
    "desc",
    "ascending",
    "descending",
    "nulls",
    "by",
    "first",
    "last",
    "to",
    "step",
    "on",
    "with",
    "from",
    "limit",
    "of",
    "as",
    "default",
];
const OTHER_WORDS: [&str; 4] = ["and", "or", "between", "!between"];

impl Parser<'_, '_> {
    /// An expression; never fails, what is wrong becomes an error node.
    pub(super) fn expr(&mut self) -> Expr {
        self.above(Level::Or)
    }

    /// A list of values up to `close`, which is eaten. A value may be rows, or be named.
    pub(super) fn list(&mut self, close: &'static str) -> Vec<Expr> {
        let mut items = Vec::new();
        while !self.eat_sign(close) {
            items.push(self.argument());
            if self.eat_sign(",") {
                // Only the cells of a table may end so.
                if close == ")" && self.at_sign(close) {
                    let finding = Finding::error("kql/syntax", format!("a \",\" stands before \"{close}\""));
                    self.wrong(self.before(), finding.help("remove it"));
                }
                continue;
            }
            if !self.at_sign(close) {
                self.unexpected(&format!("\",\" or \"{close}\""));
                self.skip_to(&[",", close]);
                if !self.eat_sign(",") && !self.at_sign(close) {
                    break;
                }
            }
        }
        items
    }

    fn argument(&mut self) -> Expr {
        let start = self.span();
        if let (Kind::Name(name), Kind::Sign("=")) = (self.kind(), self.kind_at(1)) {
            let name = Name { text: (*name).to_owned(), span: start };
            self.at += 2;
            let value = self.expr();
            let span = start.to(value.span);
            return self.bounded(Expr::new(ExprKind::Assign(name, Box::new(value)), span));
        }
        self.rows_value().unwrap_or_else(|| self.expr())
    }

    /// Rows where a value may stand, when they begin here.
    fn rows_value(&mut self) -> Option<Expr> {
        let start = self.span();
        if !self.begins_rows() {
            return None;
        }
        let pipeline = self.deeper(Self::pipeline);
        let span = start.to(self.before());
        Some(pipeline.map_or(Expr::error(span), |pipeline| Expr::new(ExprKind::Rows(Box::new(pipeline)), span)))
    }

    pub(super) fn above(&mut self, level: Level) -> Expr {
        let here = self.span();
        self.deeper(|parser| parser.climb(level)).unwrap_or(Expr::error(here))
    }

    fn climb(&mut self, floor: Level) -> Expr {
        let mut left = self.operand();
        while let Some((operator, level)) = self.operator() {
            if level < floor {
                break;
            }
            left = match level {
                Level::Or | Level::And => self.chain(left, operator, level),
                Level::Equality | Level::Relation => self.comparison(left, operator, level),
                Level::Sum | Level::Product | Level::Text | Level::Operand => self.binary(left, operator, level),
            };
        }
        if std::mem::take(&mut self.spoiled) { Expr::error(left.span) } else { left }
    }

    /// The operator at this place, if one is here.
    fn operator(&mut self) -> Option<(Name, Level)> {
        let (text, level) = match self.kind() {
            Kind::Sign(sign) => match *sign {
                "==" | "!=" | "<>" => (*sign, Level::Equality),
                "<" | "<=" | ">" | ">=" => (*sign, Level::Relation),
                "+" | "-" => (*sign, Level::Sum),
                "*" | "/" | "%" => (*sign, Level::Product),
                "=~" | "!~" | ":" => (*sign, Level::Text),
                "=" => {
                    let finding =
                        Finding::error("kql/syntax", "\"=\" does not compare").help("write == (or =~ for any case)");
                    self.wrong(self.span(), finding);
                    ("==", Level::Equality)
                }
                _ => return None,
            },
            Kind::Name("not") => return self.negated_operator(),
            Kind::Name(word) => match *word {
                "or" => ("or", Level::Or),
                "and" => ("and", Level::And),
                "between" | "!between" => (*word, Level::Equality),
                word if LIST_OPERATORS.contains(&word) => (word, Level::Equality),
                word if TEXT_OPERATORS.contains(&word) => (word, Level::Text),
                word => return self.unknown_operator(word),
            },
            Kind::Text(_) | Kind::Long(_) | Kind::Real(_) | Kind::Timespan(_) | Kind::Typed(..) | Kind::End => {
                return None;
            }
        };
        let text = if text == "<>" { "!=" } else { text };
        Some((Name { text: text.to_owned(), span: self.span() }, level))
    }

    /// A word where an operator belongs. Words that end an expression are left alone.
    pub(super) fn unknown_operator(&mut self, word: &str) -> Option<(Name, Level)> {
        if ENDS.contains(&word) || (self.in_let && self.begins_statement()) {
            return None;
        }
        let known = TEXT_OPERATORS.into_iter().chain(LIST_OPERATORS).chain(OTHER_WORDS);
        let nearest = suggest::nearest(word, known.filter(|_| self.report.shows(diagnostics::Level::Error)));
        let finding = Finding::error("kql/syntax-operator", format!("\"{word}\" is no operator"));
        let finding = match word.to_ascii_lowercase().as_str() {
            "like" | "ilike" => finding.help("write has for a whole word, contains for a part, startswith or endswith"),
            "is" => finding.help("write == or isnull(...)"),
            _ => finding.help_nearest(nearest),
        };
        self.wrong(self.span(), finding);
        // What it most likely is, so that what stands around it is checked as well.
        if let Some(meant) = nearest.filter(|meant| TEXT_OPERATORS.contains(meant)) {
            return Some((Name { text: meant.to_owned(), span: self.span() }, Level::Text));
        }
        self.next();
        // What follows was meant as its right side.
        if !matches!(self.kind(), Kind::End | Kind::Sign(_)) {
            self.operand();
        }
        self.spoiled = true;
        self.reported = Some(self.at);
        self.operator()
    }

    /// `a and b and c` is one node: a long chain is no deep tree.
    fn chain(&mut self, first: Expr, operator: Name, level: Level) -> Expr {
        let mut args = vec![first];
        let tighter = if level == Level::Or { Level::And } else { Level::Equality };
        while self.eat_word(&operator.text) {
            args.push(self.above(tighter));
        }
        self.call(operator, args)
    }

    fn comparison(&mut self, left: Expr, operator: Name, level: Level) -> Expr {
        self.next();
        let tighter = if level == Level::Equality { Level::Relation } else { Level::Sum };
        let mut args = vec![left];
        if LIST_OPERATORS.contains(&&*operator.text) {
            if self.expect_sign("(", "and a list") {
                args.extend(self.list(")"));
            } else {
                // What stands there was meant as the list.
                args.push(self.above(tighter));
            }
        } else if matches!(&*operator.text, "between" | "!between") {
            args.extend(self.range());
        } else {
            args.push(self.above(tighter));
        }
        let call = self.call(operator, args);
        if let Some((next, same)) = self.operator().filter(|(_, next)| *next == level) {
            let message = format!("comparisons cannot be chained: \"{}\"", next.text);
            self.wrong(next.span, Finding::error("kql/syntax", message).help("join them with and"));
            return self.comparison_after(call, next, same);
        }
        call
    }

    /// Reads on after a chained comparison, which was reported.
    fn comparison_after(&mut self, left: Expr, operator: Name, level: Level) -> Expr {
        let here = left.span;
        self.deeper(|parser| parser.comparison(left, operator, level))
            .map_or(Expr::error(here), |e| Expr::error(e.span))
    }

    /// `(low .. high)`
    fn range(&mut self) -> Vec<Expr> {
        if !self.expect_sign("(", "and a range such as (1 .. 5)") {
            let low = self.above(Level::Sum);
            if self.eat_sign("..") {
                self.above(Level::Sum);
            }
            return vec![Expr::error(low.span), Expr::error(low.span)];
        }
        let low = self.above(Level::Sum);
        if self.at_word("and") {
            return self.range_in_words(&low);
        }
        if !self.expect_sign("..", "between the ends of the range") {
            self.skip_to(&[")"]);
            self.eat_sign(")");
            return vec![Expr::error(low.span), Expr::error(low.span)];
        }
        let high = self.above(Level::Sum);
        self.expect_sign(")", "at the end of the range");
        vec![low, high]
    }

    fn binary(&mut self, left: Expr, operator: Name, level: Level) -> Expr {
        self.next();
        let mut operator = operator;
        if operator.text == "matches" {
            if !self.eat_word("regex") {
                self.unexpected("\"regex\" after \"matches\"");
            }
            "matches regex".clone_into(&mut operator.text);
        }
        let tighter = match level {
            Level::Sum => Level::Product,
            Level::Product => Level::Text,
            Level::Or | Level::And | Level::Equality | Level::Relation | Level::Text | Level::Operand => Level::Operand,
        };
        let right = if tighter == Level::Operand { self.operand() } else { self.above(tighter) };
        self.call(operator, vec![left, right])
    }

    fn call(&mut self, name: Name, args: Vec<Expr>) -> Expr {
        let span = args.iter().fold(name.span, |span, arg| span.to(arg.span)).to(self.before());
        self.bounded(Expr::new(ExprKind::Call { name, operator: true, args }, span))
    }

    pub(super) fn bounded(&mut self, expr: Expr) -> Expr {
        if expr.height <= Limits::DEPTH {
            return expr;
        }
        self.too_deep(expr.span);
        Expr::error(expr.span)
    }

    /// A sign, something simple, and what follows it: `.name`, `[index]`.
    pub(super) fn operand(&mut self) -> Expr {
        let start = self.span();
        if let Some(negated) = self.negation().or_else(|| self.not_without_parentheses()) {
            return negated;
        }
        for sign in ["-", "+"] {
            if self.eat_sign(sign) {
                let inner = self.deeper(Self::operand).unwrap_or(Expr::error(start));
                if sign == "+" {
                    return inner;
                }
                let name = Name { text: "neg".to_owned(), span: start };
                return self.call(name, vec![inner]);
            }
        }
        let mut expr = self.primary();
        loop {
            let dot = self.eat_sign(".");
            if dot && !self.at_sign("[") {
                expr = self.property(expr);
            } else if self.eat_sign("[") {
                expr = self.element(expr);
            } else {
                if dot {
                    self.unexpected("a property name after \".\"");
                }
                return expr;
            }
        }
    }

    fn property(&mut self, base: Expr) -> Expr {
        let start = base.span;
        match self.expect_name("a property name after \".\"") {
            Some(name) => self.bounded(Expr::new(ExprKind::Property(Box::new(base), name.text), start.to(name.span))),
            None => Expr::error(start),
        }
    }

    fn element(&mut self, base: Expr) -> Expr {
        let start = base.span;
        let index = self.expr();
        if !self.expect_sign("]", "after the index") {
            self.skip_to(&["]", ")", ","]);
            self.eat_sign("]");
        }
        let span = start.to(self.before());
        let name = if let ExprKind::Literal(value, _) = &index.kind { value.as_str() } else { None };
        let kind = match name {
            Some(name) => ExprKind::Property(Box::new(base), name.to_owned()),
            None => ExprKind::Element(Box::new(base), Box::new(index)),
        };
        self.bounded(Expr::new(kind, span))
    }

    fn primary(&mut self) -> Expr {
        let start = self.span();
        let number = matches!(self.kind(), Kind::Long(_) | Kind::Real(_));
        if let Some(literal) = self.literal() {
            return if number { self.without_unit(literal) } else { literal };
        }
        if let Some(name) = self.bracketed_name() {
            return Expr::new(ExprKind::Name(name.text), name.span);
        }
        match self.kind() {
            Kind::Name(word) if may_name(word) => self.name_or_call(),
            Kind::Sign("*") => {
                self.next();
                Expr::new(ExprKind::Star, start)
            }
            Kind::Sign("(") => {
                self.next();
                // Of one that is not closed the pipes are those of the rows around it.
                let rows = if self.closes() { self.rows_value() } else { None };
                let mut inner = rows.unwrap_or_else(|| self.expr());
                if !self.expect_sign(")", "to close the parenthesis") {
                    self.skip_to(&[")"]);
                    self.eat_sign(")");
                }
                inner.span = start.to(self.before());
                inner
            }
            Kind::Name(_)
            | Kind::Sign(_)
            | Kind::Text(_)
            | Kind::Long(_)
            | Kind::Real(_)
            | Kind::Timespan(_)
            | Kind::Typed(..)
            | Kind::End => self.no_operand(start),
        }
    }

    /// Whether the bracket before here is closed before the statement ends.
    fn closes(&self) -> bool {
        let mut open = 0_usize;
        for token in self.tokens.get(self.at..).unwrap_or_default() {
            match token.kind {
                Kind::Sign("(" | "[" | "{") => open += 1,
                Kind::Sign(")" | "]" | "}") if open == 0 => return true,
                Kind::Sign(")" | "]" | "}") => open -= 1,
                Kind::Sign(";") if open == 0 => return false,
                _ => {}
            }
        }
        false
    }

    fn no_operand(&mut self, start: Span) -> Expr {
        self.unexpected("a value");
        // A closing sign or a comma belongs to the surroundings; anything else would be met again.
        let keep =
            matches!(self.kind(), Kind::Sign(")" | "]" | "}" | "," | "|" | ";") | Kind::Name("and" | "or" | "by"));
        if !keep {
            self.next();
            self.reported = Some(self.at);
        }
        Expr::error(start)
    }

    /// A name, or a call.
    pub(super) fn name_or_call(&mut self) -> Expr {
        let start = self.span();
        let Some(name) = self.expect_name("a name") else { return Expr::error(start) };
        if !self.eat_sign("(") {
            return self.without_parentheses(&name).unwrap_or(Expr::new(ExprKind::Name(name.text), name.span));
        }
        let args = self.list(")");
        let span = start.to(self.before());
        self.bounded(Expr::new(ExprKind::Call { name, operator: false, args }, span))
    }
}

/// Word operators are no names, unless they stand in brackets.
pub(super) fn may_name(word: &str) -> bool {
    let is_operator = TEXT_OPERATORS.contains(&word) || LIST_OPERATORS.contains(&word) || OTHER_WORDS.contains(&word);
    !is_operator && word != "by"
}
