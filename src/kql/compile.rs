//! From text to something that runs.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::sync::Arc;

use super::ast::{Expr, Text};
use super::cells::Cells;
use super::error::KqlError;
use super::eval::budget::Budget;
use super::eval::{Env, eval};
use super::ir::{Node, NodeKind};
use super::limits::{Cx, Limits};
use super::plan::Program;
use super::report::Report;
use super::schema::{Catalog, Column, Lacking, Schema};
use super::table::{Table, Tables};
use super::value::{Type, Val, Value};
use super::{bind, exec, parse};
use crate::diagnostics::{Finding, Place, Source, Span, quoted};

/// A condition or another scalar expression over one row, checked and ready to evaluate.
#[derive(Debug, Clone)]
pub struct Expression {
    node: Node,
    schema: Schema,
}

/// The functions that read the clock.
const CLOCKS: [&str; 2] = ["now", "ago"];

/// A text that a column is compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compared<'e> {
    /// The column.
    pub column: &'e str,
    /// The text.
    pub text: &'e str,
    /// Upper and lower case are alike.
    pub any_case: bool,
}

/// A query, checked and ready to run.
#[derive(Debug, Clone)]
pub struct Query {
    program: Program,
    warnings: Vec<Finding>,
    open: bool,
    /// For a query whose columns only the data knows: what it takes to bind it again when it runs.
    late: Option<Arc<Late>>,
}

#[derive(Debug)]
struct Late {
    text: Text,
    source: Source,
    schemas: BTreeMap<String, Schema>,
}

/// Compiles a scalar expression.
///
/// `text` is the expression, `place` the part of the file it was read from (all of it for a file of its own); findings
/// point into that file, also when YAML quoted or indented the text. `expect` is the type it must have.
///
/// # Errors
/// Every mistake at once.
pub fn compile_expression(
    text: &str,
    place: &Place,
    schema: &Schema,
    expect: Type,
) -> Result<Expression, Vec<Finding>> {
    scalar(text, place, schema, Some(expect))
}

/// Compiles a query.
///
/// # Errors
/// Every mistake at once.
pub fn compile_query(source: &Source, catalog: &dyn Catalog) -> Result<Query, Vec<Finding>> {
    compile_query_at(source.text(), &source.whole(), catalog)
}

/// Compiles a query that is part of a file: findings point into that file, also when YAML indented the text.
///
/// # Errors
/// Every mistake at once.
pub fn compile_query_at(text: &str, place: &Place, catalog: &dyn Catalog) -> Result<Query, Vec<Finding>> {
    let mut report = Report::new(text, place);
    if !fits(text, &mut report) {
        return Err(report.into_findings());
    }
    let parsed = parse::query(text, &mut report);
    let seen = Seen { catalog, schemas: RefCell::default() };
    // Without an oracle nothing can fail.
    let bound = bind::query(&parsed, &seen, None, &mut report).unwrap_or(None);
    let schemas = seen.schemas.into_inner();
    let bound = match bound {
        Some(bound) if !report.has_errors() => bound,
        bound => return Err(finished(bound, report).err().unwrap_or_default()),
    };
    let source = || Source::new(place.source.name(), text);
    let late = bound.late.then(|| Arc::new(Late { text: parsed, source: source(), schemas }));
    let open = bound.open || bound.late;
    Ok(Query { program: bound.program, warnings: report.into_findings(), open, late })
}

/// A catalog that remembers what it was asked, so that the same can be bound again.
struct Seen<'c> {
    catalog: &'c dyn Catalog,
    schemas: RefCell<BTreeMap<String, Schema>>,
}

impl Catalog for Seen<'_> {
    fn schema(&self, table: &str) -> Option<Schema> {
        let schema = self.catalog.schema(table)?;
        self.schemas.borrow_mut().insert(table.to_owned(), schema.clone());
        Some(schema)
    }

    fn knows(&self, table: &str) -> bool {
        self.catalog.knows(table)
    }

    fn names(&self) -> Vec<String> {
        self.catalog.names()
    }

    fn remedy(&self, lacking: Lacking<'_>) -> Option<String> {
        self.catalog.remedy(lacking)
    }

    fn external(&self, address: &str) -> Result<String, String> {
        self.catalog.external(address)
    }

    fn watchlist(&self, alias: &str) -> Result<Option<Table>, String> {
        self.catalog.watchlist(alias)
    }
}

impl Catalog for Late {
    fn schema(&self, table: &str) -> Option<Schema> {
        self.schemas.get(table).cloned()
    }

    fn names(&self) -> Vec<String> {
        self.schemas.keys().cloned().collect()
    }
}

/// Compiles a scalar expression of the given type, or of any.
pub(super) fn scalar(
    text: &str,
    place: &Place,
    schema: &Schema,
    expect: Option<Type>,
) -> Result<Expression, Vec<Finding>> {
    let mut report = Report::new(text, place);
    if !fits(text, &mut report) {
        return Err(report.into_findings());
    }
    let parsed: Expr = parse::expression(text, &mut report);
    // There is nothing to run it on: what it gives would be null, without a word.
    if let Some((span, list)) = parsed.rows() {
        let message = match list {
            Some(list) => format!("{} reads a list, and an expression about one row reads none", quoted(list)),
            None => "an expression about one row runs no query".to_owned(),
        };
        report.add(span, Finding::error("kql/unsupported", message).help(parse::ONE_ROW));
        return Err(report.into_findings());
    }
    let node = bind::expression(&parsed, schema, expect, &mut report);
    finished(node.filter(|node| !node.runs_queries()), report).map(|node| Expression { node, schema: schema.clone() })
}

fn fits(text: &str, report: &mut Report) -> bool {
    let fits = text.len() <= Limits::TEXT;
    if !fits {
        let message = format!("the text is longer than {} bytes", Limits::TEXT);
        report.add(Span::new(0, 1), Finding::error("kql/limit-text", message).help("split it"));
    }
    fits
}

fn finished<T>(made: Option<T>, mut report: Report) -> Result<T, Vec<Finding>> {
    match made {
        Some(made) if !report.has_errors() => Ok(made),
        None if !report.has_errors() => {
            report.add(Span::new(0, 1), Finding::error("kql/unsupported", "this cannot be compiled here"));
            Err(report.into_findings())
        }
        _ => Err(report.into_findings()),
    }
}

/// Whether a finding is about the form of the text (Log Analytics: `SyntaxError`) rather than its meaning
/// (`SemanticError`). Its code begins with `kql/syntax`.
pub fn is_syntax_error(finding: &Finding) -> bool {
    finding.code().starts_with("kql/syntax")
}

impl Expression {
    /// Its type.
    pub const fn ty(&self) -> Type {
        self.node.ty
    }

    /// The names of the columns it reads, each once, in the order of the schema.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        let mut slots = std::collections::BTreeSet::new();
        self.node.walk(&mut |node| {
            if let NodeKind::Slot(at) = node.kind {
                slots.insert(at);
            }
        });
        slots.into_iter().filter_map(|at| self.schema.columns().get(at)).map(|column| &*column.name)
    }

    /// Whether its value depends on the moment at which it is evaluated.
    pub fn reads_the_clock(&self) -> bool {
        let mut reads = false;
        self.node.walk(&mut |node| {
            reads |= matches!(&node.kind, NodeKind::Call(call) if CLOCKS.contains(&call.function.name));
        });
        reads
    }

    /// The texts that its columns are compared with for equality (`==`, `in`, their opposites, their forms for any case).
    pub fn compared(&self) -> Vec<Compared<'_>> {
        let mut found = Vec::new();
        self.node.walk(&mut |node| {
            let NodeKind::Call(call) = &node.kind else { return };
            let any_case = match call.function.name {
                "==" | "in" => false,
                "=~" | "in~" => true,
                _ => return,
            };
            let slot = call.args.iter().find_map(|arg| if let NodeKind::Slot(at) = arg.kind { Some(at) } else { None });
            let Some(column) = slot.and_then(|at| self.schema.columns().get(at)) else { return };
            let texts = call.args.iter().filter_map(|arg| arg.as_const()?.as_str());
            found.extend(texts.map(|text| Compared { column: &column.name, text, any_case }));
        });
        found
    }

    /// Its value for a row of the schema it was compiled for: one value per column, in order.
    ///
    /// # Errors
    /// [`KqlError`]: a limit, or a row that does not fit the schema.
    pub fn eval(&self, row: &[Value], cx: &Cx) -> Result<Value, KqlError> {
        self.with(row, cx, |value| value.clone().into_owned())
    }

    /// Whether a condition holds for a row; null is false.
    ///
    /// # Errors
    /// As [`Expression::eval`].
    pub fn is_true(&self, row: &[Value], cx: &Cx) -> Result<bool, KqlError> {
        self.with(row, cx, |value| value.as_bool() == Some(true))
    }

    fn with<T>(&self, row: &[Value], cx: &Cx, take: impl FnOnce(&Val<'_>) -> T) -> Result<T, KqlError> {
        let budget = Budget::new(cx.limits);
        let env = Env::bare(cx, &budget);
        let value = eval(&self.node, Cells::Together(row), &env)?;
        Ok(take(&value))
    }
}

impl Query {
    /// The columns of its result, as far as they are known before it runs.
    pub fn columns(&self) -> &[Column] {
        &self.program.plan.columns
    }

    /// Whether it may have columns beside [`Query::columns`]: those of a table that is not known, or that only the data
    /// knows (`pivot`).
    pub const fn is_open(&self) -> bool {
        self.open
    }

    /// What is doubtful about it, though it can run.
    pub fn warnings(&self) -> &[Finding] {
        &self.warnings
    }

    /// The first table it reads; none for `print`, `range` and `datatable`.
    pub fn table(&self) -> Option<&str> {
        let mut first = None;
        self.program.tables(&mut |name, _| {
            first.get_or_insert(name);
        });
        first
    }

    /// The tables it reads, as often as they stand in it.
    pub fn tables(&self) -> Vec<&str> {
        let mut tables = Vec::new();
        self.program.tables(&mut |name, _| tables.push(name));
        tables
    }

    /// Runs it.
    ///
    /// # Errors
    /// [`KqlError`]: a limit, a missing table, or rows that do not fit the schema. No partial result.
    pub fn run(&self, tables: &dyn Tables, cx: &Cx) -> Result<Table, KqlError> {
        let budget = Budget::new(cx.limits);
        let Some(late) = &self.late else { return exec::run(&self.program, tables, cx, &budget) };
        let mut open = false;
        self.program.tables(&mut |_, guessed| open |= guessed);
        if open {
            return Err(KqlError::OpenSchema);
        }
        let mut report = Report::new(late.source.text(), &late.source.whole());
        let run = |program: &Program| exec::run(program, tables, cx, &budget);
        let oracle = bind::Oracle { run: &run, budget: &budget };
        match bind::query(&late.text, &**late, Some(oracle), &mut report)? {
            Some(bound) if !report.has_errors() => run(&bound.program),
            _ => {
                let first = report.into_findings().into_iter().next();
                Err(KqlError::Late(first.map_or_else(String::new, |finding| finding.one_line())))
            }
        }
    }
}
