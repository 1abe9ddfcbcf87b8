//! What people write who know other languages better, told by what Kusto wants and read as what it means, so that nothing
//! else is said of it.

use super::Parser;
use super::expr::{ENDS, LIST_OPERATORS, Level, TEXT_OPERATORS, may_name};
use super::tabular::OPERATORS;
use crate::diagnostics::{Finding, Span, quoted};
use crate::kql::ast::{Expr, ExprKind, Name};
use crate::kql::functions::function;
use crate::kql::lex::Kind;

/// Units of time as people write them, with those that a timespan has.
const UNITS: [(&str, &str); 8] = [
    ("day", "d"),
    ("hour", "h"),
    ("hr", "h"),
    ("minute", "m"),
    ("min", "m"),
    ("second", "s"),
    ("sec", "s"),
    ("millisecond", "ms"),
];

impl Parser<'_, '_> {
    /// `not in` for `!in`, told and read as such.
    pub(super) fn negated_operator(&mut self) -> Option<(Name, Level)> {
        let Kind::Name(word) = self.kind_at(1) else { return self.unknown_operator("not") };
        let negated = format!("!{word}");
        let level = if LIST_OPERATORS.contains(&negated.as_str()) || negated == "!between" {
            Level::Equality
        } else if TEXT_OPERATORS.contains(&negated.as_str()) {
            Level::Text
        } else {
            return self.unknown_operator("not");
        };
        let finding = Finding::error("kql/syntax-operator", "\"not\" stands before an operator");
        self.wrong(self.span(), finding.help(format!("write {negated}")));
        self.next();
        Some((Name { text: negated, span: self.span() }, level))
    }

    /// `!x` for `not(x)`, told and read as such.
    pub(super) fn negation(&mut self) -> Option<Expr> {
        let start = self.span();
        let Kind::Name(word) = self.kind() else { return None };
        let negates = *word == "!" || (word.starts_with('!') && may_name(word));
        if !negates {
            return None;
        }
        self.wrong(start, Finding::error("kql/syntax", "\"!\" negates no value").help("write not(...)"));
        self.next();
        let name = Name { text: word.trim_start_matches('!').to_owned(), span: start };
        let value = match &*name.text {
            "" => self.deeper(Self::operand).unwrap_or(Expr::error(start)),
            "true" | "false" => Expr::error(start),
            _ if self.eat_sign("(") => {
                let args = self.list(")");
                Expr::new(ExprKind::Call { name, operator: false, args }, start.to(self.before()))
            }
            _ => Expr::new(ExprKind::Name(name.text), start),
        };
        let span = start.to(self.before());
        let not = Name { text: "not".to_owned(), span: start };
        Some(self.bounded(Expr::new(ExprKind::Call { name: not, operator: false, args: vec![value] }, span)))
    }

    /// `not x == 1` for `not(x == 1)`, told and read as such.
    pub(super) fn not_without_parentheses(&mut self) -> Option<Expr> {
        let start = self.span();
        let negates = self.at_word("not")
            && match self.kind_at(1) {
                Kind::Name(word) => may_name(word) && !ENDS.contains(word),
                _ => false,
            };
        if !negates {
            return None;
        }
        let finding = Finding::error("kql/syntax", "\"not\" is a function: what it negates stands in parentheses");
        self.wrong(start, finding.help("write not(...)"));
        self.next();
        let value = self.above(Level::Equality);
        let span = start.to(self.before());
        let name = Name { text: "not".to_owned(), span: start };
        Some(self.bounded(Expr::new(ExprKind::Call { name, operator: false, args: vec![value] }, span)))
    }

    /// `isempty x` for `isempty(x)`, told and read as such.
    pub(super) fn without_parentheses(&mut self, name: &Name) -> Option<Expr> {
        let Kind::Name(word) = self.kind() else { return None };
        let argument =
            may_name(word) && !ENDS.contains(word) && !OPERATORS.contains(word) && !self.begins_line(self.at);
        if !argument || self.begins_statement() || function(&name.text).is_none_or(|function| function.args.is_empty())
        {
            return None;
        }
        let message = format!("{} is a function: its arguments stand in parentheses", quoted(&name.text));
        let finding = Finding::error("kql/syntax", message);
        self.wrong(name.span, finding.help(format!("write {}({word})", name.text)));
        self.reported = None;
        let value = self.deeper(Self::operand).unwrap_or(Expr::error(name.span));
        let span = name.span.to(self.before());
        Some(self.bounded(Expr::new(ExprKind::Call { name: name.clone(), operator: false, args: vec![value] }, span)))
    }

    /// The number of rows of `top`, behind which a column without its `by` is no operator.
    pub(super) fn rows_of_top(&mut self) -> Expr {
        let alone = matches!((self.kind(), self.kind_at(1)), (Kind::Long(_), Kind::Name(word)) if may_name(word));
        if alone { self.literal().unwrap_or(Expr::error(self.span())) } else { self.expr() }
    }

    /// `(low and high)`, as in other languages.
    pub(super) fn range_in_words(&mut self, low: &Expr) -> Vec<Expr> {
        let and = self.span();
        self.next();
        let high = self.above(Level::Sum);
        let whole = |expr: &Expr| match &expr.kind {
            ExprKind::Literal(value, _) => value.to_json().to_string(),
            _ => "...".to_owned(),
        };
        let help = format!("write ({} .. {})", whole(low), whole(&high));
        self.report.add(and, Finding::error("kql/syntax", "a range is written with \"..\"").help(help));
        self.skip_to(&[")"]);
        self.eat_sign(")");
        vec![Expr::error(low.span), high]
    }

    /// A number, unless a unit stands apart from it.
    pub(super) fn without_unit(&mut self, number: Expr) -> Expr {
        let Kind::Name(word) = self.kind() else { return number };
        let Some((_, unit)) = UNITS.iter().find(|(unit, _)| word.trim_end_matches('s') == unit.trim_end_matches('s'))
        else {
            return number;
        };
        let shown =
            if let ExprKind::Literal(value, _) = &number.kind { value.to_json().to_string() } else { String::new() };
        let finding = Finding::error("kql/syntax-number", "a number and its unit are one word");
        self.wrong(self.span(), finding.help(format!("write {shown}{unit}")));
        self.next();
        Expr::error(number.span.to(self.before()))
    }

    /// Whether the next statement begins though the one before has no end, which is told.
    pub(super) fn lacks_semicolon(&mut self) -> bool {
        let lacks = self.begins_statement();
        if lacks {
            let end = self.before().end;
            let finding = Finding::error("kql/syntax", "a \";\" is missing after the let statement");
            self.wrong(Span::new(end, end), finding.help("write ; at its end"));
            self.reported = None;
        }
        lacks
    }

    /// Whether what stands here is the beginning of a statement rather than an operator.
    pub(super) fn begins_statement(&self) -> bool {
        let Kind::Name(word) = self.kind() else { return false };
        if *word == "let" {
            return matches!(self.kind_at(1), Kind::Name(_));
        }
        // Behind a literal nothing but an operator can stand.
        let behind_literal = self.at.checked_sub(1).and_then(|at| self.tokens.get(at)).is_some_and(|token| {
            matches!(token.kind, Kind::Long(_) | Kind::Real(_) | Kind::Text(_) | Kind::Timespan(_) | Kind::Typed(..))
        });
        if behind_literal && matches!(self.kind_at(1), Kind::Sign("|")) {
            return may_name(word) && !ENDS.contains(word);
        }
        self.begins_line(self.at)
            && match self.kind_at(1) {
                Kind::Sign("|") => true,
                Kind::End | Kind::Sign(";") => !OPERATORS.contains(word),
                Kind::Name(_) => matches!(*word, "print" | "union" | "range" | "search" | "find"),
                Kind::Sign("(") => matches!(*word, "datatable" | "externaldata" | "union"),
                _ => false,
            }
    }
}
