//! `let` statements, functions, and what a text as a whole is.

use std::collections::BTreeSet;

use super::Parser;
use super::source::ELSEWHERE;
use crate::diagnostics::{Finding, quoted};
use crate::kql::ast::{ExprKind, From, Lambda, Let, LetValue, Name, Param, ParamKind, Pipeline, Text};
use crate::kql::lex::Kind;
use crate::kql::report::unknown_type;
use crate::kql::value::Type;

/// Most `let` statements of one text or function.
const LETS: usize = 256;

impl Parser<'_, '_> {
    /// `let` statements and one query.
    pub(super) fn text(&mut self) -> Text {
        let text = self.statements(BTreeSet::new());
        if text.result.is_none() && self.reported.is_none() {
            self.unexpected("a query");
        }
        text
    }

    /// Statements up to the end, or up to the brace that closes a function. Those names are taken.
    fn statements(&mut self, mut names: BTreeSet<String>) -> Text {
        let mut lets = Vec::new();
        let mut result = None;
        // Whether a statement stands before here, which a semicolon ends.
        let mut open = false;
        loop {
            if self.at_sign(";") {
                if !open {
                    self.unexpected("a statement");
                }
                open = false;
                self.next();
                continue;
            }
            if matches!(self.kind(), Kind::End | Kind::Sign("}")) {
                break;
            }
            if result.is_some() {
                self.unexpected("the end: a query has one result here");
                self.skip_to(&["}"]);
                break;
            }
            open = true;
            if self.eat_word("let") {
                let made = self.let_statement();
                if let Some(twice) = made.as_ref().filter(|made| names.contains(&made.name.text)) {
                    let message = format!("there is a {} already", quoted(&twice.name.text));
                    self.wrong(twice.name.span, Finding::error("kql/duplicate-let", message).help("name it otherwise"));
                }
                names.extend(made.as_ref().map(|made| made.name.text.clone()));
                lets.extend(made);
                if self.lacks_semicolon() {
                    continue;
                }
            } else if self.at_word("set") && matches!(self.kind_at(1), Kind::Name(_)) {
                self.set_statement();
            } else if self.at_word("declare") || self.at_word("alias") {
                self.unsupported_statement();
            } else {
                result = Some(self.let_value());
            }
            if !matches!(self.kind(), Kind::Sign(";" | "}") | Kind::End) {
                self.unexpected("\"|\", \";\" or the end of the query");
                self.skip_to(&["}"]);
            }
        }
        if lets.len() > LETS {
            let message = format!("more than {LETS} let statements");
            self.wrong(self.span(), Finding::error("kql/limit-depth", message).help("split the query"));
            lets.clear();
        }
        Text { lets, result }
    }

    /// Request properties change how the service works. None of them means anything here.
    fn set_statement(&mut self) {
        self.next();
        if let Kind::Name(name) = self.kind() {
            let message = format!("the option {} has no effect here", quoted(name));
            let finding = Finding::warning("kql/no-effect", message);
            self.report.add(self.span(), finding.help("only the service that runs the query may look at it"));
        }
        self.skip_to(&[]);
    }

    fn unsupported_statement(&mut self) {
        let word = if let Kind::Name(word) = self.kind() { *word } else { "" };
        let finding = Finding::error("kql/unsupported", format!("the statement {} is not supported", quoted(word)));
        self.wrong(self.span(), finding.help("a query is made of let statements and one result"));
        self.skip_to(&[]);
    }

    fn let_statement(&mut self) -> Option<Let> {
        let name = self.expect_name("a name after \"let\"")?;
        self.expect_sign("=", "after the name");
        let view = self.at_word("view") && matches!(self.kind_at(1), Kind::Sign("("));
        if view {
            self.next();
        }
        if self.at_sign("(") && self.is_function() {
            let lambda = Lambda { view, ..self.deeper(Self::lambda)?? };
            return Some(Let { name, value: LetValue::Function(Box::new(lambda)) });
        }
        let outer = std::mem::replace(&mut self.in_let, true);
        let value = self.let_value();
        self.in_let = outer;
        Some(Let { name, value })
    }

    /// What may be a table or a value.
    fn let_value(&mut self) -> LetValue {
        if self.begins_rows() {
            return LetValue::Tabular(Box::new(self.pipeline()));
        }
        let expr = self.expr();
        let from = match &expr.kind {
            ExprKind::Name(text) => From::Table(Name { text: text.clone(), span: expr.span }),
            ExprKind::Call { name, operator: false, args } => {
                From::Call { name: name.clone(), args: args.clone(), span: expr.span }
            }
            ExprKind::Rows(pipeline) => return LetValue::Tabular(pipeline.clone()),
            ExprKind::Error
            | ExprKind::Literal(..)
            | ExprKind::Property(..)
            | ExprKind::Element(..)
            | ExprKind::Call { .. }
            | ExprKind::Star
            | ExprKind::Assign(..) => return LetValue::Scalar(expr),
        };
        LetValue::Alias(expr, Box::new(Pipeline { from, steps: Vec::new() }))
    }

    /// `(...) {`
    fn is_function(&self) -> bool {
        let mut open = 0_usize;
        for (at, token) in self.tokens.iter().enumerate().skip(self.at) {
            match token.kind {
                Kind::Sign("(") => open += 1,
                Kind::Sign(")") => {
                    open = open.saturating_sub(1);
                    if open == 0 {
                        return self.tokens.get(at + 1).is_some_and(|next| matches!(next.kind, Kind::Sign("{")));
                    }
                }
                Kind::Sign(";") | Kind::End => return false,
                _ => {}
            }
        }
        false
    }

    fn lambda(&mut self) -> Option<Lambda> {
        self.next();
        let mut params = Vec::new();
        while !self.eat_sign(")") {
            params.push(self.param()?);
            if !self.eat_sign(",") && !self.at_sign(")") {
                self.unexpected("\",\" or \")\"");
                self.skip_to(&[")"]);
            }
            if matches!(self.kind(), Kind::End | Kind::Sign(";" | "|")) {
                return None;
            }
        }
        self.expect_sign("{", "before the body of the function");
        let names = params.iter().map(|param| param.name.text.clone()).collect();
        let body = self.statements(names);
        if body.result.is_none() {
            self.unexpected("the result of the function");
        }
        self.expect_sign("}", "after the body of the function");
        Some(Lambda { view: false, params, body })
    }

    fn param(&mut self) -> Option<Param> {
        let Some(name) = self.expect_name("the name of a parameter") else {
            self.skip_to(&[]);
            return None;
        };
        self.expect_sign(":", "after the name of a parameter");
        let kind = if self.eat_sign("(") {
            let (columns, open) = self.row_schema()?;
            ParamKind::Rows { columns, open }
        } else {
            ParamKind::Scalar(self.type_name()?)
        };
        let default = self.eat_sign("=").then(|| self.expr());
        Some(Param { name, kind, default })
    }

    /// `a: string, b: long, *)`, after its parenthesis.
    pub(super) fn row_schema(&mut self) -> Option<(Vec<(Name, Type)>, bool)> {
        let (mut columns, mut open) = (Vec::new(), false);
        let mut names = BTreeSet::new();
        while !self.eat_sign(")") {
            if self.eat_sign("*") {
                open = true;
            } else {
                let column = self.column()?;
                self.declared(&column.0, &mut names);
                columns.push(column);
            }
            if !self.goes_on(columns.len()) && !self.at_sign(")") {
                self.unexpected("\",\" or \")\"");
                self.skip_to(&[]);
                return None;
            }
        }
        Some((columns, open))
    }

    /// That no column is declared twice.
    pub(super) fn declared(&mut self, name: &Name, names: &mut BTreeSet<String>) {
        if !names.insert(name.text.clone()) {
            let message = format!("the column {} is declared twice", quoted(&name.text));
            self.report.add(name.span, Finding::error("kql/duplicate-column", message).help("name it otherwise"));
        }
    }

    /// `name: type`
    pub(super) fn column(&mut self) -> Option<(Name, Type)> {
        let name = self.expect_name("a column name")?;
        self.expect_sign(":", "after the column name");
        Some((name, self.type_name()?))
    }

    pub(super) fn type_name(&mut self) -> Option<Type> {
        let ty = self.expect_name("a type")?;
        Type::from_name(&ty.text).or_else(|| {
            let (finding, taken) = unknown_type(&ty.text);
            self.report.add(ty.span, finding);
            if taken.is_none() {
                self.reported = Some(self.at);
            }
            taken
        })
    }

    /// Whether what stands before the next comma, semicolon or closing bracket is rows rather than a value.
    pub(super) fn begins_rows(&self) -> bool {
        let next = self.kind_at(1);
        let keyword = match self.kind() {
            Kind::Name("datatable" | "externaldata" | "materialize") => matches!(next, Kind::Sign("(")),
            Kind::Name("print" | "union" | "search" | "find" | "evaluate") => {
                matches!(next, Kind::Name(_) | Kind::Text(_) | Kind::Long(_) | Kind::Real(_) | Kind::Typed(..))
                    || matches!((self.kind(), next), (Kind::Name("print" | "union"), Kind::Sign("(" | "[")))
                    || matches!((self.kind(), next), (Kind::Name("union"), Kind::Sign("*")))
                    || matches!((self.kind(), next), (Kind::Name("search"), Kind::Sign("*" | "(")))
                    || matches!((self.kind(), next), (Kind::Name("print"), Kind::Timespan(_) | Kind::Sign("-" | "*")))
            }
            Kind::Name("range") => matches!(self.kind_at(2), Kind::Name("from")),
            Kind::Name(place) if ELSEWHERE.contains(place) => {
                matches!(next, Kind::Sign("("))
                    && matches!((self.kind_at(2), self.kind_at(3)), (Kind::Text(_), Kind::Sign(")")))
                    && matches!(self.kind_at(4), Kind::Sign("."))
            }
            // Rows begin with a name or a bracket.
            Kind::Name(_) | Kind::Sign("(" | "[") => false,
            _ => return false,
        };
        keyword || self.has_pipe()
    }

    fn has_pipe(&self) -> bool {
        let mut open = 0_usize;
        for (ahead, token) in self.tokens.get(self.at..).unwrap_or_default().iter().enumerate() {
            match token.kind {
                // The next statement, where the end of this one is missing.
                Kind::Name(_) if self.in_let && open == 0 && ahead > 0 && self.begins_line(self.at + ahead) => {
                    return false;
                }
                Kind::Sign("(" | "[" | "{") => open += 1,
                Kind::Sign(")" | "]" | "}" | "," | ";") if open == 0 => return false,
                Kind::Sign(")" | "]" | "}") => open -= 1,
                Kind::Sign("|") if open == 0 => return true,
                _ => {}
            }
        }
        false
    }
}
