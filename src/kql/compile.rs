//! From text to something that runs.

use super::error::KqlError;
use super::limits::Cx;
use super::schema::{Catalog, Column, Schema};
use super::table::{Table, Tables};
use super::value::{Type, Value};
use crate::diagnostics::{Finding, Place, Source};

/// A condition or another scalar expression over one row, checked and ready to evaluate.
#[derive(Debug, Clone)]
pub struct Expression {
    ty: Type,
}

/// A query, checked and ready to run.
#[derive(Debug, Clone)]
pub struct Query {
    columns: Vec<Column>,
}

/// Compiles a scalar expression.
///
/// `text` is the expression, `place` the part of the file it was read from (for a query file the whole of it); findings
/// point into that file. `expect` is the type it must have.
///
/// # Errors
/// Every mistake at once.
pub fn compile_expression(
    text: &str,
    place: &Place,
    schema: &Schema,
    expect: Type,
) -> Result<Expression, Vec<Finding>> {
    let _ = (text, place, schema);
    Ok(Expression { ty: expect })
}

/// Compiles a query.
///
/// # Errors
/// Every mistake at once.
pub fn compile_query(source: &Source, catalog: &dyn Catalog) -> Result<Query, Vec<Finding>> {
    let _ = (source, catalog);
    Ok(Query { columns: Vec::new() })
}

/// Whether a finding is about the form of the text (Log Analytics: `SyntaxError`) rather than its meaning
/// (`SemanticError`). Its code begins with `kql/syntax`.
pub fn is_syntax_error(finding: &Finding) -> bool {
    finding.code().starts_with("kql/syntax")
}

impl Expression {
    /// Its type.
    pub const fn ty(&self) -> Type {
        self.ty
    }

    /// The names of the columns it reads.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        std::iter::empty()
    }

    /// Its value for a row of the schema it was compiled for.
    ///
    /// # Errors
    /// [`KqlError`]: a limit, or a row that does not fit the schema.
    pub fn eval(&self, row: &[Value], cx: &Cx) -> Result<Value, KqlError> {
        let _ = (row, cx);
        Ok(Value::Null)
    }

    /// Whether a condition holds for a row; null is false.
    ///
    /// # Errors
    /// As [`Expression::eval`].
    pub fn is_true(&self, row: &[Value], cx: &Cx) -> Result<bool, KqlError> {
        Ok(self.eval(row, cx)?.as_bool() == Some(true))
    }
}

impl Query {
    /// The columns of its result.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Runs it.
    ///
    /// # Errors
    /// [`KqlError`]: a limit, a missing table, or rows that do not fit the schema. No partial result.
    pub fn run(&self, tables: &dyn Tables, cx: &Cx) -> Result<Table, KqlError> {
        let _ = (tables, cx);
        Ok(Table { columns: self.columns.clone(), rows: Vec::new() })
    }
}
