//! Conditions: KQL expressions inside rules and playbooks.

use super::fields::Reader;
use super::yaml::Node;
use crate::diagnostics::Place;
use crate::kql::{Column, Cx, Expression, KqlError, Schema, Type, Value, compile_expression};
use crate::model::time::At;

/// Most rows that are tried to see whether a condition can hold.
const MOST_ROWS: usize = 10_000;

#[cfg(test)]
thread_local! {
    /// How many conditions this thread has evaluated.
    pub(super) static EVALUATED: std::cell::Cell<usize> = const { std::cell::Cell::new(0) };
}

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
        #[cfg(test)]
        EVALUATED.set(EVALUATED.get() + 1);
        self.expression.is_true(row, &Cx::at(now.ticks()))
    }

    /// The columns it reads.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.expression.columns()
    }

    /// Whether nothing can make it hold. Certain where all its columns have few values: then all of them are tried.
    pub(super) fn never_holds(&self, schema: &Schema) -> bool {
        let mut rows: Vec<Vec<Value>> = vec![schema.columns().iter().map(|column| column.ty.nothing()).collect()];
        for (index, column) in schema.columns().iter().enumerate() {
            if !self.columns().any(|read| *read == *column.name) {
                continue;
            }
            let Some(values) = values_of(column).filter(|values| values.len() * rows.len() <= MOST_ROWS) else {
                return false;
            };
            rows = rows.iter().flat_map(|row| values.iter().map(|value| with(row, index, value))).collect();
        }
        rows.iter().all(|row| !self.holds(row, At::EPOCH).unwrap_or(true))
    }
}

/// Every value of a column, where there are few.
///
/// Source of the words: Azure Monitor tables reference, SecurityAlert.
fn values_of(column: &Column) -> Option<Vec<Value>> {
    let words: &[&'static str] = match (&*column.name, column.ty) {
        (_, Type::Bool) => return Some(vec![Value::Bool(true), Value::Bool(false), Value::Null]),
        ("AlertSeverity", _) => &["Informational", "Low", "Medium", "High"],
        ("Status", _) => &["New", "InProgress", "Resolved", "Dismissed", "Unknown"],
        ("Role", _) => &["suspect", "target"],
        (_, _) => return None,
    };
    Some(words.iter().map(|word| Value::from(*word)).collect())
}

fn with(row: &[Value], index: usize, value: &Value) -> Vec<Value> {
    let mut row = row.to_vec();
    if let Some(cell) = row.get_mut(index) {
        *cell = value.clone();
    }
    row
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
