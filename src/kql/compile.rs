//! From text to something that runs.

use super::ast::Expr;
use super::error::KqlError;
use super::eval::budget::Budget;
use super::eval::{Env, eval};
use super::ir::{Node, NodeKind};
use super::limits::{Cx, Limits};
use super::plan::{From, Plan};
use super::report::Report;
use super::schema::{Catalog, Column, Schema};
use super::table::{Table, Tables};
use super::value::{Type, Val, Value};
use super::{bind, exec, parse};
use crate::diagnostics::{Finding, Place, Source, Span};

/// A condition or another scalar expression over one row, checked and ready to evaluate.
#[derive(Debug, Clone)]
pub struct Expression {
    node: Node,
    schema: Schema,
}

/// A query, checked and ready to run.
#[derive(Debug, Clone)]
pub struct Query {
    plan: Plan,
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
    let text = source.text();
    let mut report = Report::new(text, &source.whole());
    if !fits(text, &mut report) {
        return Err(report.into_findings());
    }
    let parsed = parse::query(text, &mut report);
    let plan = bind::query(&parsed, catalog, &mut report);
    finished(plan, report).map(|plan| Query { plan })
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
    let node = bind::expression(&parsed, schema, expect, &mut report);
    finished(node, report).map(|node| Expression { node, schema: schema.clone() })
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
        let env = Env { cx, lets: &[], budget: &budget };
        let value = eval(&self.node, row, &env)?;
        Ok(take(&value))
    }
}

impl Query {
    /// The columns of its result.
    pub fn columns(&self) -> &[Column] {
        &self.plan.columns
    }

    /// The table it reads; none for `print`, `range` and `datatable`.
    pub fn table(&self) -> Option<&str> {
        match &self.plan.from {
            From::Table { name, .. } => Some(name),
            From::Rows(_) | From::Print(_) | From::Range(_) => None,
        }
    }

    /// Runs it.
    ///
    /// # Errors
    /// [`KqlError`]: a limit, a missing table, or rows that do not fit the schema. No partial result.
    pub fn run(&self, tables: &dyn Tables, cx: &Cx) -> Result<Table, KqlError> {
        exec::run(&self.plan, tables, cx)
    }
}
