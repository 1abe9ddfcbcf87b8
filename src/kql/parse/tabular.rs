//! Statements and tabular operators.

use super::Parser;
use crate::diagnostics::{Finding, quoted, suggest};
use crate::kql::ast::{Expr, ExprKind, From, Let, LetValue, Name, Named, OrderBy, Pipeline, Step, StepKind, Text};
use crate::kql::lex::Kind;
use crate::kql::limits::Limits;
use crate::kql::value::Type;

/// The tabular operators that exist here.
const OPERATORS: [&str; 13] = [
    "where",
    "filter",
    "extend",
    "project",
    "project-away",
    "order",
    "sort",
    "take",
    "limit",
    "count",
    "distinct",
    "top",
    "summarize",
];

/// Statements and sources of the language that do not exist here.
const OTHER_SOURCES: [&str; 11] =
    ["materialize", "view", "table", "union", "find", "search", "evaluate", "externaldata", "declare", "set", "alias"];

impl Parser<'_, '_> {
    /// `let` statements and one query.
    pub(super) fn text(&mut self) -> Text {
        let mut lets = Vec::new();
        let mut pipeline = None;
        loop {
            if self.eat_sign(";") {
                continue;
            }
            if matches!(self.kind(), Kind::End) {
                break;
            }
            if pipeline.is_some() {
                self.unexpected("the end: a query has one result here");
                break;
            }
            if self.eat_word("let") {
                lets.extend(self.let_statement());
            } else {
                pipeline = Some(self.pipeline());
            }
            if !self.at_sign(";") && !matches!(self.kind(), Kind::End) {
                self.unexpected("\"|\", \";\" or the end of the query");
                self.skip_to(&[]);
            }
        }
        if lets.len() > Limits::DEPTH {
            let finding = Finding::error("kql/limit-depth", format!("more than {} let statements", Limits::DEPTH));
            self.wrong(self.span(), finding.help("split the query"));
            lets.clear();
        }
        if pipeline.is_none() && self.reported.is_none() {
            self.unexpected("a query");
        }
        Text { lets, pipeline }
    }

    fn let_statement(&mut self) -> Option<Let> {
        let name = self.expect_name("a name after \"let\"")?;
        self.expect_sign("=", "after the name");
        if self.starts_pipeline() {
            return Some(Let { name, value: LetValue::Tabular(Box::new(self.pipeline())) });
        }
        if self.at_sign("(") && self.is_function() {
            let finding =
                Finding::error("kql/unsupported", format!("{} is a function of the query's own", quoted(&name.text)));
            self.wrong(
                self.span(),
                finding.help("functions defined with let are not supported; write the expression where it is used"),
            );
            self.skip_to(&[]);
            return None;
        }
        let is_alone = matches!((self.kind(), self.kind_at(1)), (Kind::Name(_), Kind::Sign(";") | Kind::End));
        let start = self.span();
        let expr = self.expr();
        let alias = if let ExprKind::Name(text) = &expr.kind { is_alone.then(|| text.clone()) } else { None };
        let value = match alias {
            Some(text) => {
                let from = From::Table(Name { text, span: start });
                LetValue::Alias(expr, Box::new(Pipeline { from, steps: Vec::new() }))
            }
            None => LetValue::Scalar(expr),
        };
        Some(Let { name, value })
    }

    /// Whether what stands before the next semicolon is a table rather than a scalar.
    fn starts_pipeline(&self) -> bool {
        if matches!(
            (self.kind(), self.kind_at(1)),
            (Kind::Name("datatable"), Kind::Sign("(")) | (Kind::Name("print"), _)
        ) {
            return true;
        }
        if matches!((self.kind(), self.kind_at(1)), (Kind::Name(word), Kind::Name(_) | Kind::Sign("("))
            if OTHER_SOURCES.contains(word))
        {
            return true;
        }
        let rest = self.tokens.get(self.at..).unwrap_or_default();
        let statement = rest.iter().take_while(|token| !matches!(token.kind, Kind::Sign(";")));
        matches!(self.kind(), Kind::Name(_)) && statement.into_iter().any(|token| matches!(token.kind, Kind::Sign("|")))
    }

    /// `(...) {`
    fn is_function(&self) -> bool {
        let rest = self.tokens.get(self.at..).unwrap_or_default();
        let close = rest.iter().position(|token| matches!(token.kind, Kind::Sign(")" | ";")));
        close.is_some_and(|at| rest.get(at + 1).is_some_and(|token| matches!(token.kind, Kind::Sign("{"))))
    }

    fn pipeline(&mut self) -> Pipeline {
        let from = self.from();
        let mut steps = Vec::new();
        while self.eat_sign("|") {
            steps.push(self.step());
            if !matches!(self.kind(), Kind::Sign("|" | ";" | ")") | Kind::End) {
                self.unexpected("\"|\", \";\" or the end of the query");
                self.skip_to(&[]);
            }
        }
        Pipeline { from, steps }
    }

    fn from(&mut self) -> From {
        if self.eat_word("print") {
            return From::Print(self.named_list());
        }
        if self.at_word("datatable") && matches!(self.kind_at(1), Kind::Sign("(")) {
            return self.datatable();
        }
        if self.at_word("range") && matches!(self.kind_at(2), Kind::Name("from")) {
            return self.range_source();
        }
        if self.eat_sign("(") {
            let inner = self.deeper(Self::pipeline);
            self.expect_sign(")", "to close the parenthesis");
            return inner.map_or(From::Error, |inner| From::Nested(Box::new(inner)));
        }
        let Some(name) = self.expect_name("a table") else {
            self.skip_to(&[]);
            return From::Error;
        };
        let ends = matches!(self.kind(), Kind::Sign("|" | ";") | Kind::End);
        if OTHER_SOURCES.contains(&name.text.as_str()) && !ends {
            let finding = Finding::error("kql/unsupported", format!("{} is not supported", quoted(&name.text)));
            self.wrong(name.span, finding.help("begin the query with a table, print, range or datatable"));
            self.skip_to(&[]);
            return From::Error;
        }
        if self.at_sign("(") {
            let finding =
                Finding::error("kql/unsupported", format!("{}(...) as the source of rows is not supported", name.text));
            self.wrong(name.span, finding.help("begin the query with the name of a table"));
            self.skip_to(&[]);
            return From::Error;
        }
        From::Table(name)
    }

    fn range_source(&mut self) -> From {
        self.next();
        let Some(name) = self.expect_name("a column name") else { return From::Error };
        let ends = ["from", "to", "step"].map(|word| {
            if !self.eat_word(word) {
                self.unexpected(&quoted(word));
            }
            self.expr()
        });
        From::Range(name, Box::new(ends))
    }

    fn datatable(&mut self) -> From {
        let start = self.span();
        self.next();
        self.next();
        let mut columns = Vec::new();
        while !self.eat_sign(")") {
            let Some(column) = self.column() else {
                self.skip_to(&[]);
                return From::Error;
            };
            columns.push(column);
            if !self.eat_sign(",") && !self.at_sign(")") {
                self.unexpected("\",\" or \")\"");
                self.skip_to(&[]);
                return From::Error;
            }
        }
        if !self.expect_sign("[", "before the cells of the table") {
            return From::Error;
        }
        let cells = self.list("]");
        From::Datatable { columns, cells, span: start.to(self.before()) }
    }

    fn column(&mut self) -> Option<(Name, Type)> {
        let name = self.expect_name("a column name")?;
        self.expect_sign(":", "after the column name");
        let ty = self.expect_name("a type")?;
        let Some(known) = Type::from_name(&ty.text) else {
            let finding = Finding::error("kql/unknown-type", format!("there is no type {}", quoted(&ty.text)));
            let names = Type::ALL.map(Type::name);
            self.report.add(ty.span, finding.help_nearest(suggest::nearest(&ty.text, names)));
            return None;
        };
        Some((name, known))
    }

    fn step(&mut self) -> Step {
        let start = self.span();
        let Some(name) = self.step_name() else {
            self.skip_to(&[]);
            return Step { kind: StepKind::Error, span: start };
        };
        let kind = match &*name.text {
            "where" | "filter" => StepKind::Where(self.expr()),
            "extend" => StepKind::Extend(self.named_list()),
            "project" => StepKind::Project(self.named_list()),
            "project-away" => StepKind::ProjectAway(self.patterns()),
            "order" | "sort" => {
                self.by();
                StepKind::Order(self.order_list())
            }
            "take" | "limit" => StepKind::Take(self.expr()),
            "count" => StepKind::Count,
            "distinct" => StepKind::Distinct(self.distinct()),
            "top" => {
                let rows = self.expr();
                self.by();
                StepKind::Top(rows, self.order_by())
            }
            "summarize" => self.summarize(),
            other => {
                let finding = Finding::error(
                    "kql/unsupported-operator",
                    format!("the operator {} is not supported", quoted(other)),
                );
                self.wrong(name.span, finding.help_nearest(suggest::nearest(other, OPERATORS)));
                self.skip_to(&[]);
                StepKind::Error
            }
        };
        Step { kind, span: start.to(self.before()) }
    }

    /// A name that may have hyphens, such as `project-away`.
    fn step_name(&mut self) -> Option<Name> {
        let mut name = self.expect_name("an operator after \"|\"")?;
        while let (true, Kind::Name(next)) = (self.at_sign("-") && self.span().start == name.span.end, self.kind_at(1))
        {
            name.text = format!("{}-{next}", name.text);
            self.at += 2;
            name.span = name.span.to(self.before());
        }
        Some(name)
    }

    fn by(&mut self) {
        if !self.eat_word("by") {
            self.unexpected("\"by\"");
        }
    }

    /// `a = x, y, ...`
    fn named_list(&mut self) -> Vec<Named> {
        let mut all = vec![self.named()];
        while self.eat_sign(",") {
            all.push(self.named());
        }
        all
    }

    fn named(&mut self) -> Named {
        let is_named = match self.kind() {
            Kind::Name(_) => matches!(self.kind_at(1), Kind::Sign("=")),
            Kind::Sign("[") => matches!((self.kind_at(2), self.kind_at(3)), (Kind::Sign("]"), Kind::Sign("="))),
            Kind::Sign(_)
            | Kind::Text(_)
            | Kind::Long(_)
            | Kind::Real(_)
            | Kind::Timespan(_)
            | Kind::Typed(..)
            | Kind::End => false,
        };
        if !is_named {
            return Named { name: None, value: self.expr() };
        }
        let name = self.expect_name("a name");
        self.next();
        Named { name, value: self.expr() }
    }

    /// Column names that may hold `*`.
    fn patterns(&mut self) -> Vec<Name> {
        let mut all = Vec::new();
        loop {
            let start = self.span();
            let mut text = String::new();
            let mut end = start.start;
            while let Kind::Name(_) | Kind::Sign("*" | "[") = self.kind() {
                if !text.is_empty() && self.span().start != end {
                    break;
                }
                if self.eat_sign("*") {
                    text.push('*');
                } else if let Some(name) = self.expect_name("a column name") {
                    text.push_str(&name.text);
                } else {
                    break;
                }
                end = self.before().end;
            }
            if text.is_empty() {
                self.unexpected("a column name");
                return all;
            }
            all.push(Name { text, span: start.to(self.before()) });
            if !self.eat_sign(",") {
                return all;
            }
        }
    }

    fn order_list(&mut self) -> Vec<OrderBy> {
        let mut all = vec![self.order_by()];
        while self.eat_sign(",") {
            all.push(self.order_by());
        }
        all
    }

    /// Descending unless said otherwise; nulls come first when ascending, last when descending.
    fn order_by(&mut self) -> OrderBy {
        let key = self.expr();
        let ascending = self.eat_word("asc");
        if !ascending {
            self.eat_word("desc");
        }
        let mut nulls_first = ascending;
        if self.eat_word("nulls") {
            nulls_first = self.eat_word("first");
            if !nulls_first && !self.eat_word("last") {
                self.unexpected("\"first\" or \"last\"");
            }
        }
        OrderBy { key, ascending, nulls_first }
    }

    fn distinct(&mut self) -> Option<Vec<Named>> {
        let all = self.named_list();
        match all.as_slice() {
            [Named { name: None, value: Expr { kind: ExprKind::Star, .. } }] => None,
            _ => Some(all),
        }
    }

    fn summarize(&mut self) -> StepKind {
        let aggregates = if self.at_word("by") { Vec::new() } else { self.named_list() };
        let by = if self.eat_word("by") { self.named_list() } else { Vec::new() };
        StepKind::Summarize { aggregates, by }
    }
}
