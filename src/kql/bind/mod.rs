//! Names to slots, types on every node, and every mistake at once.

mod absent;
mod arguments;
mod call;
mod columns;
mod evaluate;
mod expand;
mod expr;
mod external;
mod join;
mod lambda;
mod lists;
mod names;
mod parse;
mod rows;
mod series;
mod source;
mod summarize;
mod tabular;

#[cfg(test)]
pub(super) use names::fits_around;

use std::borrow::Cow;
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use regex::Regex;

use self::source::Build;
use super::ast::{Expr, ExprKind, Lambda, LetValue, Name, Text};
use super::error::KqlError;
use super::eval::budget::{self, Budget};
use super::ir::{Node, NodeKind};
use super::limits::Limits;
use super::plan::{Fold, Plan, Prepared, Program, WindowCall};
use super::report::Report;
use super::schema::{Catalog, Lacking, Schema};
use super::table::Table;
use super::value::Type;
use crate::diagnostics::{Finding, Level, Span, quoted, suggest};

/// Nobody reads longer lists of columns.
const SHOWN_COLUMNS: usize = 8;
/// Deepest nesting of what is bound, and of what comes of it.
const DEPTH: usize = 160;
/// Most stages that hand rows to one another.
const STAGES: usize = 400;
/// Most nodes of one query, functions and tables of `let` written out.
const NODES: usize = 500_000;

/// Gives the rows of what is bound so far. Some operators have columns that only the data knows (`pivot`); a query that
/// uses one is bound again when it runs.
#[derive(Clone, Copy)]
pub(super) struct Oracle<'o> {
    pub(super) run: &'o dyn Fn(&Program) -> Result<Table, KqlError>,
    /// What the whole query may use: also what is made of those rows counts.
    pub(super) budget: &'o Budget,
}

/// A bound query.
pub(super) struct Bound {
    pub(super) program: Program,
    /// Whether some of its columns are only known when it runs.
    pub(super) late: bool,
    /// Whether its result may have columns beside those of the plan.
    pub(super) open: bool,
}

/// Binds a scalar expression that must have that type; without one, any will do. `None` when something was reported.
pub(super) fn expression(expr: &Expr, schema: &Schema, expect: Option<Type>, report: &mut Report) -> Option<Node> {
    let mut binder = Binder::new(report, None, None);
    match expect {
        Some(ty) => binder.expect(expr, schema, ty, "the expression"),
        None => binder.expr(expr, schema),
    }
}

/// Binds a query. `Ok(None)` when something was reported.
///
/// # Errors
/// What the oracle failed with.
pub(super) fn query(
    text: &Text,
    catalog: &dyn Catalog,
    oracle: Option<Oracle<'_>>,
    report: &mut Report,
) -> Result<Option<Bound>, KqlError> {
    let mut binder = Binder::new(report, Some(catalog), oracle);
    let plan = binder.text(text);
    if let Some(error) = binder.failed {
        return Err(error);
    }
    let (late, open) = (binder.late, binder.open);
    let program = plan.map(|plan| Program { prepared: binder.prepared, plan });
    Ok(program.map(|program| Bound { program, late, open }))
}

#[expect(clippy::struct_excessive_bools, reason = "each is about something of its own")]
struct Binder<'b, 'r> {
    report: &'r mut Report,
    catalog: Option<&'b dyn Catalog>,
    oracle: Option<Oracle<'b>>,
    /// Why the oracle had no answer.
    failed: Option<KqlError>,
    late: bool,
    open: bool,
    lets: Vec<(Cow<'b, str>, Meaning<'b>)>,
    prepared: Vec<Prepared>,
    /// The row that expressions read just now, as a number; parameters that read another cannot be used.
    scope: usize,
    scopes: usize,
    depth: usize,
    nodes: usize,
    /// The columns that were made so far, see [`Limits::ALL_COLUMNS`].
    columns: usize,
    /// The bytes of constant regular expressions so far.
    regexes: usize,
    /// That of the call which is bound.
    compiled: Option<Regex>,
    /// Constant lists so far.
    hashed: lists::Hashed,
    /// Where aggregates may stand: in `summarize`.
    folding: Option<Folding>,
    /// Where window functions may stand.
    windows: Option<Windows>,
    /// The rows around `mv-apply` and `partition`.
    input: Vec<(Schema, bool)>,
    /// The columns that were warned of.
    doubted: BTreeSet<String>,
    /// A limit was reached and told: nothing is bound after it.
    limited: bool,
    /// How often a value was used whose statement was wrong.
    broken: usize,
    /// What is bound stands where a text may: on the right side of a comparison.
    beside_text: bool,
}

/// What a `let` name stands for.
#[derive(Clone)]
enum Meaning<'b> {
    /// A value, and the scope whose row it reads (0 for none).
    Scalar(Node, usize),
    Rows(Arc<Build>),
    Function(&'b Lambda),
    /// Its statement was wrong and has been reported.
    Broken,
}

impl Meaning<'_> {
    /// Rows that are bound once: who names them shares their plan.
    fn rows(build: Build) -> Self {
        Self::Rows(Arc::new(source::nested(build)))
    }
}

/// The aggregates of a `summarize` so far.
struct Folding {
    input: Schema,
    folds: Vec<Fold>,
    /// The slot of the next value.
    width: usize,
}

/// The window functions of an operator so far.
struct Windows {
    calls: Vec<WindowCall>,
    width: usize,
    serialized: bool,
}

impl<'b, 'r> Binder<'b, 'r> {
    const fn new(report: &'r mut Report, catalog: Option<&'b dyn Catalog>, oracle: Option<Oracle<'b>>) -> Self {
        Self {
            report,
            catalog,
            oracle,
            failed: None,
            late: false,
            open: false,
            lets: Vec::new(),
            prepared: Vec::new(),
            scope: 1,
            scopes: 1,
            depth: 0,
            nodes: 0,
            columns: 0,
            regexes: 0,
            compiled: None,
            hashed: BTreeMap::new(),
            folding: None,
            windows: None,
            input: Vec::new(),
            doubted: BTreeSet::new(),
            limited: false,
            broken: 0,
            beside_text: false,
        }
    }

    fn text(&mut self, text: &'b Text) -> Option<Plan> {
        let result = text.result.as_ref();
        for statement in &text.lets {
            let value = self.meaning(&statement.value);
            self.lets.push((Cow::Borrowed(&statement.name.text), value));
        }
        match result? {
            LetValue::Tabular(pipeline) | LetValue::Alias(_, pipeline) => {
                let build = self.pipeline(pipeline)?;
                self.open = build.schema.is_open();
                Some(Self::finished(build))
            }
            LetValue::Scalar(expr) => {
                if !expr.is_error() {
                    let finding = Finding::error("kql/syntax", "a query gives rows, but this is a value");
                    self.wrong(expr.span, finding.help("begin with a table, or write print before the value"));
                }
                None
            }
            LetValue::Function(_) => None,
        }
    }

    /// What a `let` statement makes.
    fn meaning(&mut self, value: &'b LetValue) -> Meaning<'b> {
        match value {
            LetValue::Scalar(expr) => self.scalar_let(expr),
            LetValue::Tabular(pipeline) => self.rows_let(pipeline),
            LetValue::Alias(expr, pipeline) => {
                if self.names_rows(expr) || self.may_be_table(expr) {
                    self.rows_let(pipeline)
                } else {
                    self.scalar_let(expr)
                }
            }
            LetValue::Function(lambda) => Meaning::Function(lambda),
        }
    }

    fn rows_let(&mut self, pipeline: &super::ast::Pipeline) -> Meaning<'b> {
        self.pipeline(pipeline).map_or(Meaning::Broken, Meaning::rows)
    }

    /// A constant is used as it is; anything else is kept aside and evaluated once, unless it reads a row.
    fn scalar_let(&mut self, expr: &Expr) -> Meaning<'b> {
        let Some(node) = self.expr(expr, &Schema::default()) else { return Meaning::Broken };
        if node.as_const().is_some() {
            return Meaning::Scalar(node, 0);
        }
        if node.reads_row() {
            return Meaning::Scalar(node, self.scope);
        }
        Meaning::Scalar(self.prepare(node), 0)
    }

    /// Evaluates a node once per run.
    fn prepare(&mut self, node: Node) -> Node {
        if matches!(node.kind, NodeKind::Let(_) | NodeKind::Const(_)) {
            return node;
        }
        let ty = node.ty;
        self.prepared.push(Prepared::Scalar(node));
        Node::new(NodeKind::Let(self.prepared.len() - 1), ty)
    }

    fn wrong(&mut self, span: Span, finding: Finding) {
        self.report.add(span, finding);
    }

    /// How many mistakes there were so far, and uses of what is wrong.
    fn mistakes(&self) -> usize {
        self.report.errors() + self.broken
    }

    fn unsupported(&mut self, span: Span, what: &str, help: &str) {
        self.wrong(span, Finding::error("kql/unsupported", format!("{what} is not supported")).help(help));
    }

    fn let_named(&self, name: &str) -> Option<Meaning<'b>> {
        self.lets.iter().rev().find(|(known, _)| *known == name).map(|(_, meaning)| meaning.clone())
    }

    /// Whether a lone name or call gives rows rather than a value.
    fn names_rows(&self, expr: &Expr) -> bool {
        match &expr.kind {
            ExprKind::Name(name) => match self.let_named(name) {
                Some(meaning) => matches!(meaning, Meaning::Rows(_)),
                None => self.catalog.is_some_and(|catalog| catalog.knows(name)),
            },
            ExprKind::Call { name, operator: false, .. } => self.gives_rows(name),
            ExprKind::Rows(_) => true,
            ExprKind::Error
            | ExprKind::Literal(..)
            | ExprKind::Property(..)
            | ExprKind::Element(..)
            | ExprKind::Call { .. }
            | ExprKind::Star
            | ExprKind::Assign(..) => false,
        }
    }

    /// Whether a lone name is nothing but, perhaps, a table that is not known.
    fn may_be_table(&self, expr: &Expr) -> bool {
        let ExprKind::Name(name) = &expr.kind else { return false };
        self.let_named(name).is_none() && self.catalog.is_some_and(|catalog| catalog.schema(name).is_some())
    }

    /// Whether the function of that name gives rows.
    fn gives_rows(&self, name: &Name) -> bool {
        match self.let_named(&name.text) {
            Some(Meaning::Function(lambda)) => self.is_tabular(lambda, 0),
            Some(_) => false,
            None => source::FUNCTIONS.contains(&name.text.as_str()),
        }
    }

    fn is_tabular(&self, lambda: &Lambda, depth: usize) -> bool {
        let Some(mut value) = lambda.body.result.as_ref() else { return false };
        // Follows names through the statements of the body.
        for _ in 0..=lambda.body.lets.len() {
            let expr = match value {
                LetValue::Tabular(_) => return true,
                LetValue::Scalar(_) | LetValue::Function(_) => return false,
                LetValue::Alias(expr, _) => expr,
            };
            match &expr.kind {
                ExprKind::Name(name) => {
                    if let Some(inner) = lambda.body.lets.iter().rev().find(|it| it.name.text == *name) {
                        value = &inner.value;
                        continue;
                    }
                    if let Some(param) = lambda.params.iter().find(|param| param.name.text == *name) {
                        return matches!(param.kind, super::ast::ParamKind::Rows { .. });
                    }
                    return self.names_rows(expr);
                }
                ExprKind::Call { name, .. } => {
                    let local = lambda.body.lets.iter().rev().find(|it| it.name.text == name.text);
                    return match (local.map(|it| &it.value), self.let_named(&name.text)) {
                        (Some(LetValue::Function(inner)), _) if depth < 8 => self.is_tabular(inner, depth + 1),
                        (None, Some(Meaning::Function(inner))) if depth < 8 => self.is_tabular(inner, depth + 1),
                        (None, None) => source::FUNCTIONS.contains(&name.text.as_str()),
                        _ => false,
                    };
                }
                _ => return false,
            }
        }
        false
    }

    /// An expression of that type; a dynamic is converted and numbers are widened.
    fn expect(&mut self, expr: &Expr, schema: &Schema, ty: Type, what: &str) -> Option<Node> {
        let node = self.expr(expr, schema)?;
        let found = node.ty;
        let fitted = fit(node, ty, schema.is_guessed());
        if fitted.is_none() {
            let message = format!("{what} must be a {ty}, but this is a {found}");
            self.wrong(expr.span, Finding::error("kql/type", message).help(arguments::conversion_help(ty)));
        }
        fitted
    }

    /// A value that is known before any row is read.
    fn constant(&mut self, expr: &Expr, ty: Type, what: &str) -> Option<Node> {
        self.expect(expr, &Schema::default(), ty, what)
    }

    /// Runs `bind` one level deeper, unless that is too deep.
    fn deeper<T>(&mut self, span: Span, bind: impl FnOnce(&mut Self) -> Option<T>) -> Option<T> {
        if self.depth >= DEPTH {
            self.too_deep(span);
            return None;
        }
        self.more(1, span)?;
        self.depth += 1;
        let bound = bind(self);
        self.depth -= 1;
        bound
    }

    /// So many more nodes; none where they are too many.
    fn more(&mut self, nodes: usize, span: Span) -> Option<()> {
        self.nodes += nodes;
        if self.nodes > NODES {
            let message = format!("the query has more than {NODES} parts, with its functions and tables written out");
            self.stop(span, Finding::error("kql/limit-size", message));
            return None;
        }
        Some(())
    }

    /// So many more columns; none where they are too many.
    fn more_columns(&mut self, columns: usize, span: Span) -> Option<()> {
        self.columns = self.columns.saturating_add(columns);
        if self.columns > Limits::ALL_COLUMNS {
            let message = format!(
                "the query makes more than {} columns, those of each table, operator and part of a union counted",
                Limits::ALL_COLUMNS
            );
            self.stop(span, Finding::error("kql/limit-columns", message));
            return None;
        }
        Some(())
    }

    /// That rows may have these columns.
    fn fits(&mut self, schema: &Schema, span: Span) -> Option<()> {
        let columns = schema.columns().len();
        if columns > Limits::COLUMNS {
            let message = format!("these rows have more than {} columns", Limits::COLUMNS);
            self.stop(span, Finding::error("kql/limit-columns", message));
            return None;
        }
        self.more_columns(columns, span)
    }

    /// A constant regular expression.
    fn regex(&mut self, pattern: &str, span: Span) -> Option<Regex> {
        // To compile one takes long, and this query does not run any more.
        if self.limited {
            return None;
        }
        match budget::sized_regex(pattern, &Limits::default()) {
            Ok((regex, bytes)) => {
                self.regexes += bytes;
                if self.regexes <= Limits::ALL_REGEXES {
                    return Some(regex);
                }
                let message =
                    format!("the regular expressions of the query may take more than {} bytes", Limits::ALL_REGEXES);
                self.stop(span, Finding::error("kql/limit-size", message));
            }
            Err(error) => {
                let finding = Finding::error("kql/regex", error.to_string());
                let large = matches!(error, KqlError::Limit { .. });
                // That it is too large was found by making it.
                self.regexes += if large { Limits::COMPILED_REGEX } else { 0 };
                let help = "\\w, \\d and their like are any letter and digit there is, so many of them are large: write \
                    [A-Za-z0-9_], or fewer repetitions";
                self.wrong(span, if large { finding.help(help) } else { finding });
                self.limited |= self.regexes > Limits::ALL_REGEXES;
            }
        }
        None
    }

    fn too_deep(&mut self, span: Span) {
        let message = format!("the query is nested more than {DEPTH} levels deep, with its functions written out");
        self.stop(span, Finding::error("kql/limit-depth", message));
    }

    /// Tells of a limit, once.
    fn stop(&mut self, span: Span, finding: Finding) {
        if !std::mem::replace(&mut self.limited, true) {
            self.wrong(span, finding.help("split it"));
        }
    }

    /// Binds with other rows in view than those of the surroundings.
    fn apart<T>(&mut self, bind: impl FnOnce(&mut Self) -> T) -> T {
        self.scopes += 1;
        let scope = std::mem::replace(&mut self.scope, self.scopes);
        let folding = self.folding.take();
        let windows = self.windows.take();
        let bound = bind(self);
        self.scope = scope;
        self.folding = folding;
        self.windows = windows;
        bound
    }

    /// The type of a column that is accepted without being listed; one that may be a mistake is warned of once.
    fn unlisted(&mut self, name: &str, span: Span, schema: &Schema) -> Option<Type> {
        let ty = schema.unlisted(name)?;
        if schema.is_doubtful(name) && self.doubted.insert(name.to_owned()) {
            let message = format!("no column {} is known here; the table may have it", quoted(name));
            let near = if self.report.shows(Level::Warning) { nearest(name, schema) } else { None };
            let finding = Finding::warning("kql/unknown-column", message).help_nearest(near.as_deref());
            self.wrong(span, self.with_remedy(finding, Some(Lacking::Column(name))));
        }
        Some(ty)
    }

    fn unknown_column(&mut self, name: &str, span: Span, schema: &Schema) {
        let message = format!("there is no column {}", quoted(name));
        if !self.report.shows(Level::Error) {
            return self.wrong(span, Finding::error("kql/unknown-column", message));
        }
        let known: Vec<&str> = schema.columns().iter().filter(|c| !c.is_hidden()).map(|c| &*c.name).collect();
        let lets = self.lets.iter().map(|(name, _)| &**name);
        let near = other_time(name, &known)
            .or_else(|| suggest::nearest(name, known.iter().copied()))
            .or_else(|| suggest::nearest(name, lets))
            .map(ToOwned::to_owned);
        let mut finding = Finding::error("kql/unknown-column", message);
        if near.is_none() && self.beside_text {
            finding = finding.help(format!("if it is a text, write it in quotes: \"{name}\""));
        } else if near.is_none() && !known.is_empty() {
            finding = finding.help(format!("the columns are {}", some_of(&known)));
        }
        let finding = finding.help_nearest(near.as_deref());
        self.wrong(span, self.with_remedy(finding, schema.is_stored().then_some(Lacking::Column(name))));
    }

    /// The finding with how to make known what is lacking, behind any other help.
    fn with_remedy(&self, finding: Finding, lacking: Option<Lacking<'_>>) -> Finding {
        let remedy = lacking.and_then(|lacking| self.catalog?.remedy(lacking));
        match (remedy, finding.help_text().map(ToOwned::to_owned)) {
            (None, _) => finding,
            (Some(remedy), None) => finding.help(remedy),
            (Some(remedy), Some(help)) if help.ends_with('?') => finding.help(format!("{help} Or {remedy}")),
            (Some(remedy), Some(help)) => finding.help(format!("{help}; {remedy}")),
        }
    }
}

/// The column that says when a row happened, where that of the other product is asked for: `Timestamp` in hunting,
/// `TimeGenerated` in a workspace.
fn other_time<'k>(name: &str, known: &[&'k str]) -> Option<&'k str> {
    let other = match name.to_ascii_lowercase().as_str() {
        "timestamp" => "TimeGenerated",
        "timegenerated" => "Timestamp",
        _ => return None,
    };
    known.iter().find(|column| **column == other).copied()
}

/// The first of these names, and how many there are beside them.
fn some_of(names: &[&str]) -> String {
    let shown = names.get(..SHOWN_COLUMNS).unwrap_or(names);
    match names.len() - shown.len() {
        0 => shown.join(", "),
        more => format!("{} and {more} more", shown.join(", ")),
    }
}

fn nearest(name: &str, schema: &Schema) -> Option<String> {
    let shown = schema.columns().iter().filter(|column| !column.is_hidden());
    suggest::nearest(name, shown.map(|column| &*column.name)).map(ToOwned::to_owned)
}

/// The node as that type, where Kusto converts by itself. What has a guessed type may be anything.
fn fit(node: Node, ty: Type, guessed: bool) -> Option<Node> {
    let fits = match (node.ty, ty) {
        (from, to) if from == to => return Some(node),
        (Type::Dynamic, Type::String) | (Type::Int, Type::Long) => true,
        (Type::Dynamic, _) => guessed,
        (from, Type::Real) => from.is_number(),
        // Literals are longs; a small one is an int where an int is wanted.
        (Type::Long, Type::Int) => node.as_const().is_some(),
        _ => false,
    };
    fits.then(|| Node::new(NodeKind::Convert(Box::new(node)), ty))
}
