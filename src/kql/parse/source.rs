//! What rows come from, and pipelines.

use super::Parser;
use crate::diagnostics::{Finding, quoted, suggest};
use crate::kql::ast::{Expr, ExprKind, From, Leg, Name, Pipeline, Search, Setting, Union};
use crate::kql::lex::Kind;

/// Functions that reach beyond the tables that are here.
pub(super) const ELSEWHERE: [&str; 6] = ["workspace", "app", "database", "cluster", "adx", "arg"];

impl Parser<'_, '_> {
    /// Rows and what is done with them.
    pub(super) fn pipeline(&mut self) -> Pipeline {
        let from = self.from();
        let steps = self.piped();
        Pipeline { from, steps }
    }

    /// `| step | step ...`
    pub(super) fn piped(&mut self) -> Vec<crate::kql::ast::Step> {
        let mut steps = Vec::new();
        while self.eat_sign("|") {
            steps.push(self.step());
            let lacks_end = self.in_let && self.begins_statement();
            if !lacks_end && !matches!(self.kind(), Kind::Sign("|" | ";" | ")" | "}" | ",") | Kind::End) {
                self.unexpected("\"|\", \";\" or the end of the query");
                self.skip_to(&[]);
            }
        }
        steps
    }

    fn from(&mut self) -> From {
        match (self.kind(), self.kind_at(1)) {
            (Kind::Name("print"), next) if !matches!(next, Kind::Sign("|" | ";" | ")") | Kind::End) => {
                self.next();
                return From::Print(self.named_list());
            }
            (Kind::Name("datatable"), Kind::Sign("(")) => return self.datatable(),
            (Kind::Name("externaldata"), Kind::Sign("(")) => return self.external(),
            (Kind::Name("range"), Kind::Name(_) | Kind::Sign("[")) => return self.range_source(),
            (Kind::Name("union"), next) if !matches!(next, Kind::Sign("|" | ";" | ")") | Kind::End) => {
                self.next();
                return From::Union(self.union());
            }
            (Kind::Name("search"), next) if !matches!(next, Kind::Sign("|" | ";" | ")") | Kind::End) => {
                self.next();
                return From::Search(self.search());
            }
            (Kind::Name("find"), next) if !matches!(next, Kind::Sign("|" | ";" | ")") | Kind::End) => {
                let finding = Finding::error("kql/unsupported-operator", "the operator \"find\" is not supported");
                self.wrong(self.span(), finding.help("use union withsource=Table ... | where ..."));
                self.skip_to(&[]);
                return From::Error;
            }
            _ => {}
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
        if self.at_sign("(") { self.called(name) } else { From::Table(name) }
    }

    fn called(&mut self, name: Name) -> From {
        let start = name.span;
        self.next();
        let args = self.list(")");
        let span = start.to(self.before());
        if ELSEWHERE.contains(&name.text.as_str()) {
            let message = format!("{}(...) reads from another place, which is not supported", name.text);
            let finding = Finding::error("kql/unsupported", message);
            self.wrong(span, finding.help("name a table of this workspace"));
            while self.eat_sign(".") {
                self.next();
                if self.eat_sign("(") {
                    self.list(")");
                }
            }
            return From::Error;
        }
        From::Call { name, args, span }
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
        let Some((columns, _)) = self.row_schema() else {
            self.skip_to(&[]);
            return From::Error;
        };
        if !self.expect_sign("[", "before the cells of the table") {
            return From::Error;
        }
        let cells = self.list("]");
        From::Datatable { columns, cells, span: start.to(self.before()) }
    }

    fn external(&mut self) -> From {
        let start = self.span();
        self.next();
        self.next();
        let Some((columns, _)) = self.row_schema() else {
            self.skip_to(&[]);
            return From::Error;
        };
        if !self.expect_sign("[", "before the address of the data") {
            return From::Error;
        }
        let from = self.list("]");
        let with = if self.eat_word("with") { self.parenthesised_settings() } else { Vec::new() };
        From::External { columns, from, with, span: start.to(self.before()) }
    }

    /// `(a=1, b='x')`
    pub(super) fn parenthesised_settings(&mut self) -> Vec<Setting> {
        let mut all = Vec::new();
        if !self.expect_sign("(", "after \"with\"") {
            return all;
        }
        while !self.eat_sign(")") {
            let Some(name) = self.expect_name("the name of a property") else {
                self.skip_to(&[]);
                self.eat_sign(")");
                return all;
            };
            self.expect_sign("=", "after the name of a property");
            let value = self.expr();
            all.push(Setting { name, value });
            if !self.eat_sign(",") && !self.at_sign(")") {
                self.unexpected("\",\" or \")\"");
                self.skip_to(&[]);
            }
        }
        all
    }

    /// `kind=inner hint.strategy=shuffle`; hints change nothing here. When `only` these may stand here, another name
    /// before `=` is a finding.
    pub(super) fn settings(&mut self, known: &[&str], only: bool) -> Vec<Setting> {
        let mut all = Vec::new();
        loop {
            let start = self.span();
            match (self.kind(), self.kind_at(1)) {
                (Kind::Name("hint"), Kind::Sign(".")) => {
                    self.at += 2;
                    if self.expect_name("the name of a hint").is_some() && self.eat_sign("=") {
                        self.setting_value();
                    }
                }
                (Kind::Name(word), Kind::Sign("=")) if only || known.contains(word) => {
                    let name = Name { text: (*word).to_owned(), span: start };
                    if !known.contains(word) {
                        let message = format!("{} is not known here", quoted(word));
                        let finding = Finding::error("kql/syntax-option", message);
                        let near = suggest::nearest(word, known.iter().copied());
                        let finding = if known.is_empty() {
                            finding
                        } else {
                            finding.help(format!("there is {}", known.join(", ")))
                        };
                        self.wrong(start, finding.help_nearest(near));
                    }
                    self.at += 2;
                    let value = self.setting_value();
                    all.push(Setting { name, value });
                }
                _ => return all,
            }
        }
    }

    /// One word or literal: what follows may begin something else.
    fn setting_value(&mut self) -> Expr {
        let start = self.span();
        if let Some(literal) = self.literal() {
            return literal;
        }
        match self.expect_name("a value") {
            Some(name) => Expr::new(ExprKind::Name(name.text), name.span),
            None => Expr::error(start),
        }
    }

    /// After `union`.
    pub(super) fn union(&mut self) -> Union {
        let start = self.before();
        let options = self.settings(&["kind", "withsource", "with_source", "isfuzzy"], true);
        let legs = self.legs();
        Union { options, legs, span: start.to(self.before()) }
    }

    /// Tables, patterns of names, or rows in parentheses.
    pub(super) fn legs(&mut self) -> Vec<Leg> {
        let mut legs = Vec::new();
        loop {
            match self.leg() {
                Some(leg) => legs.push(leg),
                None => return legs,
            }
            if !self.eat_sign(",") {
                return legs;
            }
        }
    }

    fn leg(&mut self) -> Option<Leg> {
        let wild = matches!(self.kind(), Kind::Sign("*"))
            || matches!((self.kind(), self.kind_at(1)), (Kind::Name(_), Kind::Sign("*")));
        if wild {
            return self.pattern().map(Leg::Wild);
        }
        if self.eat_sign("(") {
            let inner = self.deeper(Self::pipeline)?;
            self.expect_sign(")", "to close the parenthesis");
            return Some(Leg::One(Box::new(inner)));
        }
        let name = self.expect_name("a table")?;
        let from = if self.at_sign("(") { self.called(name) } else { From::Table(name) };
        Some(Leg::One(Box::new(Pipeline { from, steps: Vec::new() })))
    }

    /// After `search`.
    pub(super) fn search(&mut self) -> Search {
        let start = self.before();
        let case = self.settings(&["kind"], true).pop();
        let tables = if self.eat_word("in") && self.expect_sign("(", "before the tables") {
            let legs = self.legs();
            self.expect_sign(")", "after the tables");
            legs
        } else {
            Vec::new()
        };
        let what = self.expr();
        Search { tables, case, what, span: start.to(self.before()) }
    }
}
