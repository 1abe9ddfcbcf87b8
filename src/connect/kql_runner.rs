//! Somebody who runs KQL far away and gives rows: Log Analytics, or Graph's hunting.

use std::fmt;

use async_trait::async_trait;
use serde_json::{Map, Value};

use crate::model::failure::{Failure, FailureKind};
use crate::model::time::At;

/// Runs queries.
#[async_trait]
pub trait KqlRunner: Send + Sync {
    /// Runs a query. Every value in it must have come through [`super::kql_text`].
    ///
    /// # Errors
    /// When there is no answer to believe in; a partial answer is an answer, marked as such.
    async fn run(&self, query: &str, timespan: Option<Timespan>) -> Result<Rows, Failure>;
}

/// The slice of time a query may look at, beside its own filters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Timespan {
    /// From this moment.
    pub from: At,
    /// To this moment.
    pub to: At,
}

impl fmt::Display for Timespan {
    /// An ISO 8601 interval, which both APIs take.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.from, self.to)
    }
}

/// What a query gave.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Rows {
    /// Column names, in the order of the cells.
    pub columns: Vec<String>,
    /// The rows; a short one lacks its last cells.
    pub rows: Vec<Vec<Value>>,
    /// More rows may exist than came.
    pub partial: bool,
}

impl Rows {
    /// From objects, as Graph's hunting gives them. Columns are named by whoever knows the schema.
    #[must_use]
    pub fn from_objects(columns: Vec<String>, objects: Vec<Map<String, Value>>) -> Self {
        let cells = |mut object: Map<String, Value>| {
            columns.iter().map(|name| object.shift_remove(name).unwrap_or_default()).collect()
        };
        let rows = objects.into_iter().map(cells).collect();
        Self { columns, rows, partial: false }
    }

    /// Whether the answer has such a column.
    #[must_use]
    pub fn has(&self, column: &str) -> bool {
        self.columns.iter().any(|name| name == column)
    }

    /// Of the rows that are wanted the newest by a column of times, alone; empty when there is none.
    #[must_use]
    pub fn newest(&self, time: &str, wanted: impl Fn(Row<'_>) -> bool) -> Self {
        let found = self.iter().filter(|row| wanted(*row)).max_by_key(|row| row.at(time));
        let rows = found.map(|row| row.cells.to_vec()).into_iter().collect();
        Self { columns: self.columns.clone(), rows, partial: self.partial }
    }

    /// The rows, readable by column name.
    pub fn iter(&self) -> impl DoubleEndedIterator<Item = Row<'_>> {
        self.rows.iter().map(|cells| Row { columns: &self.columns, cells })
    }
}

/// One row.
#[derive(Debug, Clone, Copy)]
pub struct Row<'a> {
    columns: &'a [String],
    cells: &'a [Value],
}

impl<'a> Row<'a> {
    /// Every column that has a cell, with it.
    pub fn cells(self) -> impl Iterator<Item = (&'a str, &'a Value)> {
        self.columns.iter().map(String::as_str).zip(self.cells)
    }

    /// The whole row as a JSON object.
    #[must_use]
    pub fn object(self) -> Value {
        Value::Object(self.cells().map(|(name, cell)| (name.to_owned(), cell.clone())).collect())
    }

    /// A cell; `None` when the column is missing or the cell is null.
    #[must_use]
    pub fn value(self, column: &str) -> Option<&'a Value> {
        let place = self.columns.iter().position(|name| name == column)?;
        self.cells.get(place).filter(|cell| !cell.is_null())
    }

    /// A text that is not empty.
    #[must_use]
    pub fn text(self, column: &str) -> Option<&'a str> {
        self.value(column)?.as_str().filter(|text| !text.is_empty())
    }

    /// A time.
    #[must_use]
    pub fn at(self, column: &str) -> Option<At> {
        self.text(column)?.parse().ok()
    }

    /// A `dynamic` cell, which arrives as JSON or as a text that holds JSON.
    #[must_use]
    pub fn dynamic(self, column: &str) -> Option<Value> {
        match self.value(column)? {
            Value::String(text) if text.trim().is_empty() => None,
            Value::String(text) => serde_json::from_str(text).ok().filter(|value: &Value| !value.is_null()),
            value @ (Value::Null | Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_)) => {
                Some(value.clone())
            }
        }
    }

    /// The texts of a `dynamic` array; `None` when it is none.
    #[must_use]
    pub fn texts(self, column: &str) -> Option<Vec<String>> {
        let Value::Array(items) = self.dynamic(column)? else { return None };
        Some(items.into_iter().filter_map(|item| item.as_str().map(str::to_owned)).collect())
    }
}

/// Whether a query failed because the table or a column of it does not exist in this workspace.
#[must_use]
pub fn is_unknown_name(failure: &Failure) -> bool {
    let words = failure.vendor.as_ref().map(|words| format!("{} {}", words.code, words.message).to_ascii_lowercase());
    failure.kind == FailureKind::Refused && words.is_some_and(|words| UNKNOWN.iter().any(|said| words.contains(said)))
}

/// How the two services say so: the code of Log Analytics, and the sentences of both.
const UNKNOWN: [&str; 3] = ["semanticerror", "failed to resolve", "fix semantic errors"];

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn cells_are_found_by_name_and_short_rows_are_tolerated() {
        let rows = Rows {
            columns: vec!["B".into(), "A".into(), "D".into()],
            rows: vec![vec![json!("b"), json!("2026-01-02T03:04:05Z")]],
            partial: false,
        };
        let row = rows.iter().next().unwrap();
        assert_eq!((row.text("B"), row.text("D"), row.text("X")), (Some("b"), None, None));
        assert_eq!(row.at("A"), "2026-01-02T03:04:05Z".parse().ok());
    }

    #[test]
    fn what_is_not_there_is_told_from_what_is_not_allowed_or_not_understood() {
        use crate::model::failure::{Provider, Sent, VendorWords};
        let is_unknown = |kind, code: &str, message: &str| {
            is_unknown_name(&Failure {
                provider: Provider::Defender,
                operation: String::new(),
                kind,
                sent: Sent::Answered,
                vendor: Some(VendorWords::new(400, code, message, None)),
                hint: String::new(),
            })
        };
        let refused = FailureKind::Refused;
        assert!(is_unknown(refused, "BadArgumentError/SemanticError", "SEM0100"));
        assert!(is_unknown(refused, "BadRequest", "'where' operator: Failed to resolve table 'T'"));
        assert!(is_unknown(refused, "BadRequest", "No such column. Fix semantic errors in your query."));
        assert!(!is_unknown(refused, "BadRequest", "Fix syntax errors in your query."));
        assert!(!is_unknown(FailureKind::Forbidden, "SemanticError", ""));
    }

    #[test]
    fn dynamic_cells_come_as_json_or_as_text() {
        let rows = Rows {
            columns: vec!["A".into(), "B".into(), "C".into()],
            rows: vec![vec![json!(["x"]), json!("[\"x\"]"), json!("not json")]],
            partial: false,
        };
        let row = rows.iter().next().unwrap();
        assert_eq!(row.texts("A"), Some(vec!["x".to_owned()]));
        assert_eq!(row.texts("B"), row.texts("A"));
        assert_eq!(row.texts("C"), None);
    }
}
