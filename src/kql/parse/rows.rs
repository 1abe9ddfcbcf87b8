//! Operators that gather rows, take them apart, or bring others.

use super::Parser;
use crate::diagnostics::Finding;
use crate::kql::ast::{Expanded, Expr, ExprKind, From, MakeSeries, Named, Pipeline, StepKind, TopLevel};
use crate::kql::value::Type;

impl Parser<'_, '_> {
    pub(super) fn summarize(&mut self) -> StepKind {
        self.settings(&[], false);
        let aggregates = if self.at_word("by") { Vec::new() } else { self.named_list() };
        let by = if self.eat_word("by") { self.named_list() } else { Vec::new() };
        StepKind::Summarize { aggregates, by }
    }

    pub(super) fn top_nested(&mut self) -> Vec<TopLevel> {
        let mut levels = Vec::new();
        loop {
            let rows = (!self.at_word("of")).then(|| self.expr());
            self.expect_word("of");
            let of = self.named();
            let others = if self.eat_word("with") {
                self.expect_word("others");
                self.expect_sign("=", "after \"others\"");
                Some(self.expr())
            } else {
                None
            };
            self.by();
            let by = self.named();
            let ascending = self.ascending();
            levels.push(TopLevel { rows, of, others, by, ascending });
            if !self.eat_sign(",") {
                return levels;
            }
            if self.step_name().is_none_or(|name| name.text != "top-nested") {
                self.unexpected("\"top-nested\"");
                return levels;
            }
        }
    }

    pub(super) fn join(&mut self, lookup: bool) -> StepKind {
        let options = self.settings(&["kind"], true);
        let right = if self.eat_sign("(") {
            let inner = self.deeper(Self::pipeline);
            self.expect_sign(")", "to close the parenthesis");
            inner
        } else {
            self.expect_name("a table").map(|name| {
                let from = if self.eat_sign("(") {
                    let start = name.span;
                    let args = self.list(")");
                    From::Call { name, args, span: start.to(self.before()) }
                } else {
                    From::Table(name)
                };
                Pipeline { from, steps: Vec::new() }
            })
        };
        let Some(right) = right else {
            self.skip_to(&[]);
            return StepKind::Error;
        };
        let mut on = Vec::new();
        if self.expect_word("on") {
            on.push(self.expr());
            while self.goes_on(on.len()) {
                on.push(self.expr());
            }
        }
        StepKind::Join { lookup, options, right: Box::new(right), on }
    }

    pub(super) fn expanded(&mut self) -> Vec<Expanded> {
        let mut all = Vec::new();
        loop {
            let column = self.named();
            let to = if self.eat_word("to") { self.type_of() } else { None };
            all.push(Expanded { column, to });
            if !self.goes_on(all.len()) {
                return all;
            }
        }
    }

    /// `typeof(type)`
    fn type_of(&mut self) -> Option<Type> {
        self.expect_word("typeof");
        self.expect_sign("(", "after \"typeof\"");
        let ty = self.type_name();
        self.expect_sign(")", "after the type");
        ty
    }

    pub(super) fn mv_apply(&mut self) -> StepKind {
        let options = self.settings(&["with_itemindex"], false);
        let columns = self.expanded();
        let limit = self.eat_word("limit").then(|| self.expr());
        self.expect_word("on");
        if !self.expect_sign("(", "before the steps of \"mv-apply\"") {
            self.skip_to(&[]);
            return StepKind::Error;
        }
        let body = self.deeper(Self::body);
        self.expect_sign(")", "to close the parenthesis");
        body.map_or(StepKind::Error, |body| StepKind::MvApply { options, columns, limit, body: Box::new(body) })
    }

    /// Steps on the rows of the operator around them.
    fn body(&mut self) -> Pipeline {
        let mut steps = vec![self.step()];
        steps.extend(self.piped());
        Pipeline { from: From::Input, steps }
    }

    pub(super) fn partition(&mut self) -> StepKind {
        self.settings(&[], false);
        self.by();
        let here = self.span();
        let column = self.expect_name("a column");
        let by = column.map_or(Expr::error(here), |name| Expr::new(ExprKind::Name(name.text), name.span));
        let close = if self.eat_sign("(") { ")" } else { "}" };
        if close == "}" && !self.expect_sign("{", "before the steps of \"partition\"") {
            self.skip_to(&[]);
            return StepKind::Error;
        }
        if close == "}" {
            let finding = Finding::error("kql/unsupported", "\"partition\" with its own source is not supported");
            self.wrong(self.span(), finding.help("write the steps in parentheses: partition by x ( top 1 by y )"));
            self.skip_to(&["}"]);
            self.eat_sign("}");
            return StepKind::Error;
        }
        let body = self.deeper(Self::body);
        self.expect_sign(")", "to close the parenthesis");
        body.map_or(StepKind::Error, |body| StepKind::Partition { by, body: Box::new(body) })
    }

    pub(super) fn evaluate(&mut self) -> Option<StepKind> {
        self.settings(&[], false);
        let name = self.expect_name("the name of a plugin")?;
        self.expect_sign("(", "after the name of the plugin");
        let args = self.list(")");
        let mut columns = None;
        if self.eat_sign(":") {
            self.expect_sign("(", "before the columns of the result");
            columns = Some(self.row_schema()?);
        }
        Some(StepKind::Evaluate { name, args, columns })
    }

    pub(super) fn make_series(&mut self) -> MakeSeries {
        let options = self.settings(&["kind"], false);
        let mut aggregates = Vec::new();
        loop {
            let named = self.named();
            let default = (self.eat_word("default") && self.expect_sign("=", "after \"default\"")).then(|| self.expr());
            aggregates.push((named, default));
            if !self.goes_on(aggregates.len()) {
                break;
            }
        }
        self.expect_word("on");
        let axis = self.operand();
        let on = Named { name: None, more: Vec::new(), value: axis };
        let here = self.span();
        let mut series = MakeSeries {
            options,
            aggregates,
            on,
            from: None,
            to: None,
            step: Expr::error(here),
            by: Vec::new(),
            closed: false,
        };
        if self.eat_word("in") {
            self.expect_word("range");
            self.expect_sign("(", "after \"range\"");
            let mut ends = self.list(")").into_iter();
            series.closed = true;
            (series.from, series.to) = (ends.next(), ends.next());
            series.step = ends.next().unwrap_or_else(|| {
                self.unexpected("the start, the end and the step of the range");
                Expr::error(here)
            });
        } else {
            series.from = self.eat_word("from").then(|| self.expr());
            series.to = self.eat_word("to").then(|| self.expr());
            if self.expect_word("step") {
                series.step = self.expr();
            }
        }
        if self.eat_word("by") {
            series.by = self.named_list();
        }
        series
    }
}
