//! Rows as JSON objects, one by one: their columns are gathered in a first look at all of them, their values in a second.

use std::collections::HashMap;

use serde_json::{Map, Value as Json};

use super::rows::{Known, met, type_of, value};
use crate::kql::schema::Column;
use crate::kql::value::{Type, Value};

/// More columns than this are no table (Kusto allows as many).
pub(super) const MOST_COLUMNS: usize = 10_000;

/// The columns of the rows seen so far.
#[derive(Debug)]
pub struct LineColumns {
    columns: Vec<Column>,
    /// How many have a type that was given.
    listed: usize,
    /// Whether the others are text, whatever they hold.
    texts: bool,
    places: HashMap<String, usize>,
}

impl LineColumns {
    /// None seen yet.
    pub fn new(known: Known<'_>) -> Self {
        let columns = known.with(Vec::new());
        let places = columns.iter().enumerate().map(|(at, column)| (column.name.to_string(), at)).collect();
        Self { listed: columns.len(), texts: matches!(known, Known::Texts), columns, places }
    }

    /// Takes in the names and types of a line.
    ///
    /// # Errors
    /// A sentence that says what is wrong with it.
    pub fn see(&mut self, line: &str) -> Result<(), String> {
        self.see_object(&object(line)?)
    }

    /// All of them, those that were listed first.
    pub fn into_columns(self) -> Vec<Column> {
        self.columns
    }

    pub(super) fn see_object(&mut self, object: &Map<String, Json>) -> Result<(), String> {
        for (name, cell) in object {
            // A name whose values were all null so far has no column yet.
            let Some(ty) = type_of(cell) else { continue };
            let ty = if self.texts { Type::String } else { ty };
            match self.places.get(name).copied() {
                Some(at) if at < self.listed => {}
                Some(at) => {
                    if let Some(column) = self.columns.get_mut(at) {
                        column.ty = met(column.ty, ty);
                    }
                }
                None if self.columns.len() >= MOST_COLUMNS => return Err(too_many_columns()),
                None => {
                    self.places.insert(name.clone(), self.columns.len());
                    self.columns.push(Column::new(name.as_str(), ty));
                }
            }
        }
        Ok(())
    }
}

pub(super) fn too_many_columns() -> String {
    format!(
        "with it there are more than {MOST_COLUMNS} columns: each name becomes one; put names that differ from row to row into one dynamic column"
    )
}

/// The row of a line.
///
/// # Errors
/// A sentence that says what is wrong with it.
pub fn read_line(line: &str, columns: &[Column]) -> Result<Vec<Value>, String> {
    cells(&object(line)?, columns)
}

pub(super) fn cells(object: &Map<String, Json>, columns: &[Column]) -> Result<Vec<Value>, String> {
    columns.iter().map(|column| value(object.get(&*column.name).unwrap_or(&Json::Null), column)).collect()
}

/// Why a line is no JSON. It has one line, whose number the reader of the file knows.
pub(super) fn no_json(error: &serde_json::Error) -> String {
    let told = error.to_string();
    let what = told.rsplit_once(" at line ").map_or(&*told, |(what, _)| what);
    if error.is_eof() { format!("no JSON: {what}") } else { format!("no JSON: column {}: {what}", error.column()) }
}

fn object(line: &str) -> Result<Map<String, Json>, String> {
    match serde_json::from_str(line).map_err(|error| no_json(&error))? {
        Json::Object(object) => Ok(object),
        _ => Err("a row is an object".to_owned()),
    }
}
