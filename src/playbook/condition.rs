//! Conditions: KQL expressions inside rules and playbooks.

use super::catalogue::Catalogue;
use super::fields::Reader;
use super::yaml::Node;
use crate::diagnostics::{Finding, Place, Span, quoted, suggest};
use crate::kql::{
    Column, Compared, Cx, Expression, KqlError, Limits, Schema, Type, Value, compared_as_written, compile_expression,
};
use crate::model::alert::{PROVIDERS, Severity};
use crate::model::time::At;

/// What a condition may use for one row, far less than a query over tables: it is asked for every alert, for each of its
/// rows and by every rule, and an alert's lane waits for it. A million steps are about ten milliseconds. To read a text as JSON
/// counts for four times its bytes: a text of `SecurityAlert` holds 32 KiB at most (Azure Monitor limits, columns), and a
/// condition may read that five hundred times. A row of a trigger is a text of a hundred columns with two thousand characters
/// each at most, usually a few kilobytes; even if all of these are written in six bytes, it may be read ten times.
const LIMITS: Limits = Limits { rows: 10_000, steps: 1_000_000, bytes: 64 << 20, regex: 10_000 };

/// Most rows that are tried to see whether a condition can hold.
const MOST_ROWS: usize = 10_000;

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
        self.expression.is_true(row, &Cx { now: now.ticks(), limits: LIMITS })
    }

    /// The columns it reads.
    pub fn columns(&self) -> impl Iterator<Item = &str> {
        self.expression.columns()
    }

    /// Whether nothing can make it hold. Certain where all its columns have few values: then all of them are tried.
    fn never_holds(&self, schema: &Schema) -> bool {
        if self.expression.reads_the_clock() {
            return false;
        }
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

/// Where a text that a condition compares with stands; the whole condition where it is written in another way.
fn place_of(text: &str, condition: &Place) -> Place {
    let Place { source, span } = condition;
    let written = source.slice(*span);
    let found = ['"', '\''].iter().find_map(|quote| written.find(&format!("{quote}{text}{quote}")));
    let span = found.map_or(*span, |at| Span::new(span.start + at, span.start + at + text.len() + 2));
    Place { source: source.clone(), span }
}

/// Reads a condition. `None` when it does not compile; the findings say why.
pub(super) fn condition(node: &Node, what: &str, schema: &Schema, reader: &mut Reader<'_>) -> Option<Condition> {
    condition_on(node, what, schema, &[], reader)
}

/// Reads a condition on alerts, among them those of these triggers.
pub(super) fn condition_on(
    node: &Node,
    what: &str,
    schema: &Schema,
    triggers: &[&str],
    reader: &mut Reader<'_>,
) -> Option<Condition> {
    let text = reader.text(node, what)?;
    let place = reader.place(node.span);
    match compile_expression(&text, &place, schema, Type::Bool) {
        Ok(expression) => {
            let condition = Condition { text, place, expression };
            doubts(&condition, schema, triggers, reader);
            Some(condition)
        }
        Err(findings) => {
            reader.findings.extend(findings);
            // A word that is none is told beside what keeps the condition from compiling.
            compared_as_written(&text, &place, |compared| {
                if schema.columns().iter().any(|column| *column.name == *compared.column) {
                    doubt(&compared, &place, triggers, reader);
                }
            });
            None
        }
    }
}

/// What compiles, and still is not what its author can want.
fn doubts(condition: &Condition, schema: &Schema, triggers: &[&str], reader: &mut Reader<'_>) {
    let before = reader.findings.len();
    for compared in condition.expression.compared() {
        doubt(&compared, &condition.place, triggers, reader);
    }
    // A word that is none is most likely why.
    if reader.findings.len() == before && condition.never_holds(schema) {
        let help = "compare a column with what can stand in it, or leave the condition out";
        let message = "this condition never holds, so nothing ever comes of it";
        reader.error("rule/never-matches", message, condition.place.span, help);
    }
}

fn doubt(compared: &Compared<'_>, condition: &Place, triggers: &[&str], reader: &mut Reader<'_>) {
    if let Some(finding) = unknown(compared, triggers) {
        let Place { source, span } = place_of(compared.text, condition);
        reader.findings.add(finding.at(&source, span));
    }
}

/// A word that never stands in the column, or that no alert of Defender for Identity is known to have there.
fn unknown(compared: &Compared<'_>, triggers: &[&str]) -> Option<Finding> {
    let Compared { column, text, any_case } = *compared;
    let is = |word: &&str| if any_case { word.eq_ignore_ascii_case(text) } else { **word == *text };
    let closed = closed(column);
    let known = match &closed {
        Some(words) => words.clone(),
        None => open(column, triggers)?,
    };
    // Empty is how a column says nothing.
    if text.is_empty() || known.iter().any(is) {
        return None;
    }
    let finding = match &closed {
        Some(_) => Finding::error("rule/unknown-value", format!("{column} is never {}", quoted(text))),
        None => Finding::warning("rule/unknown-value", format!("{} is no {column} that is known", quoted(text))),
    };
    let nearest = suggest::nearest(text, known.iter().copied());
    Some(match nearest {
        Some(_) => finding.help_nearest(nearest),
        None if known.len() <= 8 => finding.help(format!("one of: {}", known.join(", "))),
        None => finding.help("write it as alerts show it, for others are compared in vain"),
    })
}

/// Every word of a column, where there are few.
///
/// Source: Azure Monitor tables reference, SecurityAlert.
fn closed(column: &str) -> Option<Vec<&'static str>> {
    match column {
        "AlertSeverity" => Some(Severity::ALL.map(Severity::word).to_vec()),
        "Status" => Some(vec!["New", "InProgress", "Resolved", "Dismissed", "Unknown"]),
        "Role" => Some(vec!["suspect", "target"]),
        _ => None,
    }
}

/// The words of a column that are known, where others are possible.
fn open<'t>(column: &str, triggers: &[&'t str]) -> Option<Vec<&'t str>> {
    match column {
        "AlertType" => {
            let known = Catalogue::get().entries().iter().filter_map(|entry| entry.detector.as_deref());
            Some(known.chain(triggers.iter().copied()).collect())
        }
        "ProviderName" | "ProductName" => Some(PROVIDERS.to_vec()),
        _ => None,
    }
}

/// Every value of a column, where there are few.
fn values_of(column: &Column) -> Option<Vec<Value>> {
    if column.ty == Type::Bool {
        return Some(vec![Value::Bool(true), Value::Bool(false), Value::Null]);
    }
    Some(closed(&column.name)?.into_iter().map(Value::from).collect())
}

fn with(row: &[Value], index: usize, value: &Value) -> Vec<Value> {
    let mut row = row.to_vec();
    if let Some(cell) = row.get_mut(index) {
        *cell = value.clone();
    }
    row
}
