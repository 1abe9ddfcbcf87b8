//! Tabular operators.

use super::Parser;
use crate::diagnostics::{Finding, quoted, suggest};
use crate::kql::ast::{
    Expanded, Expr, ExprKind, From, MakeSeries, Name, Named, OrderBy, Part, Pipeline, Reorder, Setting, Step, StepKind,
    TopLevel,
};
use crate::kql::lex::Kind;
use crate::kql::value::Type;

/// The tabular operators that exist here.
const OPERATORS: [&str; 38] = [
    "where",
    "filter",
    "extend",
    "project",
    "project-away",
    "project-keep",
    "project-rename",
    "project-reorder",
    "order",
    "sort",
    "take",
    "limit",
    "sample",
    "sample-distinct",
    "count",
    "distinct",
    "top",
    "top-nested",
    "summarize",
    "join",
    "lookup",
    "union",
    "search",
    "mv-expand",
    "mvexpand",
    "mv-apply",
    "parse",
    "parse-where",
    "parse-kv",
    "evaluate",
    "make-series",
    "getschema",
    "as",
    "serialize",
    "invoke",
    "partition",
    "render",
    "consume",
];

impl Parser<'_, '_> {
    pub(super) fn step(&mut self) -> Step {
        let start = self.span();
        let Some(name) = self.step_name() else {
            self.skip_to(&[]);
            return Step { kind: StepKind::Error, span: start };
        };
        let kind = self.simple_step(&name).or_else(|| self.wide_step(&name)).unwrap_or_else(|| {
            let message = format!("the operator {} is not supported", quoted(&name.text));
            let finding = Finding::error("kql/unsupported-operator", message);
            self.wrong(name.span, finding.help_nearest(suggest::nearest(&name.text, OPERATORS)));
            self.skip_to(&[]);
            StepKind::Error
        });
        Step { kind, span: start.to(self.before()) }
    }

    /// Operators on rows as they come.
    fn simple_step(&mut self, name: &Name) -> Option<StepKind> {
        Some(match &*name.text {
            "where" | "filter" => StepKind::Where(self.expr()),
            "extend" => StepKind::Extend(self.named_list()),
            "project" => {
                let empty = matches!(self.kind(), Kind::Sign("|" | ";" | ")") | Kind::End);
                StepKind::Project(if empty { Vec::new() } else { self.named_list() })
            }
            "project-away" => StepKind::ProjectAway(self.patterns()),
            "project-keep" => StepKind::ProjectKeep(self.patterns()),
            "project-rename" => StepKind::ProjectRename(self.renames()),
            "project-reorder" => StepKind::ProjectReorder(self.reorders()),
            "order" | "sort" => {
                self.settings(&[], false);
                self.by();
                StepKind::Order(self.order_list())
            }
            "take" | "limit" | "sample" => StepKind::Take(self.expr()),
            "sample-distinct" => {
                let rows = self.expr();
                self.expect_word("of");
                StepKind::SampleDistinct(rows, self.named())
            }
            "count" => StepKind::Count,
            "distinct" => {
                self.settings(&[], false);
                StepKind::Distinct(self.distinct())
            }
            "top" => {
                let rows = self.expr();
                self.by();
                StepKind::Top(rows, self.order_by())
            }
            "getschema" => StepKind::GetSchema,
            "serialize" => {
                let bare = matches!(self.kind(), Kind::Sign("|" | ";" | ")") | Kind::End);
                StepKind::Serialize(if bare { Vec::new() } else { self.named_list() })
            }
            "parse" | "parse-where" => self.parse_step(name.text == "parse-where"),
            "parse-kv" => return self.parse_kv(),
            "as" => {
                self.settings(&[], false);
                StepKind::As(self.expect_name("a name")?)
            }
            "render" | "consume" => {
                self.skip_to(&[]);
                StepKind::Render
            }
            _ => return None,
        })
    }

    /// Operators that gather rows, or bring others.
    fn wide_step(&mut self, name: &Name) -> Option<StepKind> {
        Some(match &*name.text {
            "summarize" => self.summarize(),
            "top-nested" => StepKind::TopNested(self.top_nested()),
            "join" => self.join(false),
            "lookup" => self.join(true),
            "union" => StepKind::Union(self.union()),
            "search" => StepKind::Search(self.search()),
            "mv-expand" | "mvexpand" => {
                let options = self.settings(&["bagexpansion", "kind", "with_itemindex"], false);
                let columns = self.expanded();
                let limit = self.eat_word("limit").then(|| self.expr());
                StepKind::MvExpand { options, columns, limit }
            }
            "mv-apply" | "mvapply" => self.mv_apply(),
            "evaluate" => self.evaluate()?,
            "make-series" => StepKind::MakeSeries(Box::new(self.make_series())),
            "invoke" => {
                let name = self.expect_name("the name of a function")?;
                self.expect_sign("(", "after the name of the function");
                StepKind::Invoke(name, self.list(")"))
            }
            "partition" => self.partition(),
            _ => return None,
        })
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
        self.expect_word("by");
    }

    fn expect_word(&mut self, word: &str) -> bool {
        let found = self.eat_word(word);
        if !found {
            self.unexpected(&quoted(word));
        }
        found
    }

    /// `a = x, y, ...`
    pub(super) fn named_list(&mut self) -> Vec<Named> {
        let mut all = vec![self.named()];
        while self.eat_sign(",") {
            all.push(self.named());
        }
        all
    }

    fn named(&mut self) -> Named {
        if let Some(names) = self.several_names() {
            let mut names = names.into_iter();
            return Named { name: names.next(), more: names.collect(), value: self.expr() };
        }
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
            return Named { name: None, more: Vec::new(), value: self.expr() };
        }
        let name = self.expect_name("a name");
        self.next();
        Named { name, more: Vec::new(), value: self.expr() }
    }

    /// `(a, b) =`
    fn several_names(&mut self) -> Option<Vec<Name>> {
        if !self.at_sign("(") {
            return None;
        }
        let mut ahead = 1;
        while let (Kind::Name(_), Kind::Sign("," | ")")) = (self.kind_at(ahead), self.kind_at(ahead + 1)) {
            ahead += 2;
        }
        if ahead < 3 || !matches!((self.kind_at(ahead - 1), self.kind_at(ahead)), (Kind::Sign(")"), Kind::Sign("="))) {
            return None;
        }
        self.next();
        let mut names = Vec::new();
        while let Some(name) = self.expect_name("a name") {
            names.push(name);
            let more = self.eat_sign(",");
            if !more {
                break;
            }
        }
        self.at += 2;
        Some(names)
    }

    /// Column names that may hold `*`.
    fn patterns(&mut self) -> Vec<Name> {
        let mut all = Vec::new();
        while let Some(name) = self.pattern() {
            all.push(name);
            if !self.eat_sign(",") {
                break;
            }
        }
        all
    }

    /// A name that may hold `*`.
    pub(super) fn pattern(&mut self) -> Option<Name> {
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
            return None;
        }
        Some(Name { text, span: start.to(self.before()) })
    }

    fn renames(&mut self) -> Vec<(Name, Name)> {
        let mut all = Vec::new();
        loop {
            let Some(new) = self.expect_name("a new column name") else { return all };
            self.expect_sign("=", "after the new name");
            let Some(old) = self.expect_name("a column name") else { return all };
            all.push((new, old));
            if !self.eat_sign(",") {
                return all;
            }
        }
    }

    fn reorders(&mut self) -> Vec<(Name, Reorder)> {
        let mut all = Vec::new();
        while let Some(name) = self.pattern() {
            let order = match self.kind() {
                Kind::Name("asc" | "granny-asc") => Reorder::Ascending,
                Kind::Name("desc" | "granny-desc") => Reorder::Descending,
                _ => Reorder::AsIs,
            };
            if order != Reorder::AsIs {
                self.next();
            }
            all.push((name, order));
            if !self.eat_sign(",") {
                break;
            }
        }
        all
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
        let key = self.named().value;
        let ascending = self.ascending();
        let mut nulls_first = ascending;
        if self.eat_word("nulls") {
            nulls_first = self.eat_word("first");
            if !nulls_first && !self.eat_word("last") {
                self.unexpected("\"first\" or \"last\"");
            }
        }
        OrderBy { key, ascending, nulls_first }
    }

    fn ascending(&mut self) -> bool {
        let ascending = self.eat_word("asc");
        if !ascending {
            self.eat_word("desc");
        }
        ascending
    }

    fn distinct(&mut self) -> Option<Vec<Named>> {
        let all = self.named_list();
        match all.as_slice() {
            [Named { name: None, value: Expr { kind: ExprKind::Star, .. }, .. }] => None,
            _ => Some(all),
        }
    }

    fn summarize(&mut self) -> StepKind {
        self.settings(&[], false);
        let aggregates = if self.at_word("by") { Vec::new() } else { self.named_list() };
        let by = if self.eat_word("by") { self.named_list() } else { Vec::new() };
        StepKind::Summarize { aggregates, by }
    }

    fn top_nested(&mut self) -> Vec<TopLevel> {
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

    fn join(&mut self, lookup: bool) -> StepKind {
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
            while self.eat_sign(",") {
                on.push(self.expr());
            }
        }
        StepKind::Join { lookup, options, right: Box::new(right), on }
    }

    fn expanded(&mut self) -> Vec<Expanded> {
        let mut all = Vec::new();
        loop {
            let column = self.named();
            let to = if self.eat_word("to") { self.type_of() } else { None };
            all.push(Expanded { column, to });
            if !self.eat_sign(",") {
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

    fn mv_apply(&mut self) -> StepKind {
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

    fn partition(&mut self) -> StepKind {
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

    fn parse_step(&mut self, only_matches: bool) -> StepKind {
        let options = self.settings(&["kind", "flags"], true);
        let value = self.expr();
        self.expect_word("with");
        let mut parts = Vec::new();
        loop {
            match self.kind() {
                Kind::Sign("*") => {
                    self.next();
                    parts.push(Part::Skip);
                }
                Kind::Text(_) => {
                    let text = self.literal().and_then(|literal| literal.as_text().map(ToOwned::to_owned));
                    parts.push(Part::Text(text.unwrap_or_default()));
                }
                Kind::Name(_) | Kind::Sign("[") => {
                    let Some(name) = self.expect_name("a column name") else { break };
                    let ty = if self.eat_sign(":") { self.type_name() } else { Some(Type::String) };
                    parts.push(Part::Column(name, ty.unwrap_or(Type::String)));
                }
                _ => break,
            }
        }
        if parts.is_empty() {
            self.unexpected("a pattern of texts, columns and \"*\"");
        }
        StepKind::Parse { only_matches, options, value, parts }
    }

    fn parse_kv(&mut self) -> Option<StepKind> {
        let value = self.expr();
        self.expect_word("as");
        if !self.expect_sign("(", "before the columns") {
            return None;
        }
        let (columns, _) = self.row_schema()?;
        let options: Vec<Setting> = if self.eat_word("with") { self.parenthesised_settings() } else { Vec::new() };
        Some(StepKind::ParseKv { value, columns, options })
    }

    fn evaluate(&mut self) -> Option<StepKind> {
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

    fn make_series(&mut self) -> MakeSeries {
        let options = self.settings(&["kind"], false);
        let mut aggregates = Vec::new();
        loop {
            let named = self.named();
            let default = (self.eat_word("default") && self.expect_sign("=", "after \"default\"")).then(|| self.expr());
            aggregates.push((named, default));
            if !self.eat_sign(",") {
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
