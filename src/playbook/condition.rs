//! Conditions: KQL expressions inside rules and playbooks.

use super::fields::Reader;
use super::yaml::Node;
use crate::diagnostics::Place;
use crate::kql::{Cx, Expression, KqlError, Schema, Type, Value, compile_expression};
use crate::model::time::At;

/// A checked condition.
#[derive(Debug, Clone)]
pub struct Condition {
    /// As it was written.
    pub text: String,
    /// Where.
    pub place: Place,
    expression: Expression,
}

impl Condition {
    /// Whether it holds for a row of its schema; null does not.
    ///
    /// # Errors
    /// A limit of the expression language, or a row of another schema.
    pub fn holds(&self, row: &[Value], now: At) -> Result<bool, KqlError> {
        self.expression.is_true(row, &Cx::at(now.ticks()))
    }

    /// The columns it reads.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.expression.columns()
    }

    /// Reads no column and is not true: it never holds, whatever comes.
    pub(super) fn never_holds(&self, schema: &Schema) -> bool {
        let nothing: Vec<Value> = schema.columns().iter().map(|column| column.ty.nothing()).collect();
        self.columns().next().is_none() && !self.holds(&nothing, At::EPOCH).unwrap_or(true)
    }
}

/// Reads a condition. `None` when it does not compile; the findings say why.
pub(super) fn condition(node: &Node, what: &str, schema: &Schema, reader: &mut Reader<'_>) -> Option<Condition> {
    let text = reader.text(node, what)?;
    let place = reader.place(node.span);
    match compile_expression(&text, &place, schema, Type::Bool) {
        Ok(expression) => Some(Condition { text, place, expression }),
        Err(findings) => {
            reader.findings.extend(findings);
            None
        }
    }
}
