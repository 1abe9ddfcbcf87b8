//! Tables of owned values.

use std::borrow::Cow;

use super::error::KqlError;
use super::grid::Grid;
use super::schema::{Column, Schema};
use super::value::Value;

/// Columns and rows. Each row has one value per column, of the column's type or null.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Table {
    /// The columns.
    pub columns: Vec<Column>,
    /// The rows.
    pub rows: Grid,
}

/// Where a query finds its rows when it runs.
pub trait Tables {
    /// The table of that name. Columns are matched by name with those the query was compiled against; one that is
    /// missing reads as null.
    fn table(&self, name: &str) -> Option<Cow<'_, Table>>;

    /// The table of that name, where its rows are read one by one instead of being held; it is asked for first.
    fn stream(&self, _name: &str) -> Option<&dyn RowStream> {
        None
    }
}

/// A table whose rows are read one by one: a query over it holds only what its operators must hold.
pub trait RowStream {
    /// The columns.
    fn columns(&self) -> &[Column];

    /// The rows, from the first one on, each time it is asked.
    fn rows(&self) -> StreamedRows<'_>;
}

/// Rows as they are read. Each has one value per column, of the column's type or null.
pub type StreamedRows<'t> = Box<dyn Iterator<Item = Result<Vec<Value>, KqlError>> + 't>;

impl Table {
    /// A table of rows, each with one cell for each column.
    pub fn new(columns: Vec<Column>, rows: impl IntoIterator<Item = Vec<Value>>) -> Self {
        Self { rows: Grid::of(columns.len(), rows), columns }
    }

    /// A table without rows.
    pub fn empty(schema: &Schema) -> Self {
        Self::new(schema.columns().to_vec(), [])
    }

    /// Its columns as a schema.
    pub fn schema(&self) -> Schema {
        self.columns.clone().into()
    }
}
