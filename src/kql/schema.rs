//! Columns by name and type, and where a query finds those of a table.

use std::sync::Arc;

use super::table::Table;
use super::value::Type;

/// The hidden column that `ingestion_time()` reads. A column whose name starts with `$` is in no `*` and no result.
pub const INGESTION_TIME: &str = "$IngestionTime";

/// The column in which `search` says where a row is from.
pub(super) const TABLE_NAME: &str = "$table";

/// Columns that every table of Log Analytics has, listed or not. Source: standard columns in Azure Monitor logs.
const STANDARD: [(&str, Type); 9] = [
    ("TenantId", Type::String),
    ("SourceSystem", Type::String),
    ("Type", Type::String),
    ("_BilledSize", Type::Real),
    ("_IsBillable", Type::String),
    ("_ItemId", Type::String),
    ("_ResourceId", Type::String),
    ("_SubscriptionId", Type::String),
    ("_TimeReceived", Type::DateTime),
];

/// A column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Column {
    /// Its name; upper and lower case differ.
    pub name: Arc<str>,
    /// Its type.
    pub ty: Type,
}

/// The columns of a row, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Schema {
    columns: Vec<Column>,
    open: bool,
    /// Made from an open schema: a `dynamic` column may be of any type.
    guessed: bool,
    /// A table of Log Analytics, which has [`STANDARD`] columns that are not listed.
    standard: bool,
}

/// The tables a query may name, known when it is compiled.
pub trait Catalog {
    /// The columns of a table, or `None` when there is no such table. Names are case sensitive.
    fn schema(&self, table: &str) -> Option<Schema>;
    /// Whether that table and its columns are known; of one that is not, `schema` may still give a guess, and a query that
    /// reads it gets a warning.
    fn knows(&self, table: &str) -> bool {
        self.schema(table).is_some()
    }
    /// The names of all tables, for suggestions and for `union *`.
    fn names(&self) -> Vec<String>;
    /// The rows of `externaldata` at an address, or why there are none. Only what a person named may be answered: a query
    /// never reaches out by itself.
    ///
    /// # Errors
    /// A sentence that says what to do.
    fn external(&self, address: &str, columns: &Schema) -> Result<Table, String> {
        let _ = (address, columns);
        Err("data from outside cannot be read here".to_owned())
    }
    /// The rows of a watchlist, or why there are none.
    ///
    /// # Errors
    /// A sentence that says what to do.
    fn watchlist(&self, alias: &str) -> Result<Table, String> {
        let _ = alias;
        Err("watchlists cannot be read here".to_owned())
    }
}

impl Column {
    /// A column.
    pub fn new(name: impl Into<Arc<str>>, ty: Type) -> Self {
        Self { name: name.into(), ty }
    }

    /// Whether it is kept out of `*` and of results.
    pub fn is_hidden(&self) -> bool {
        self.name.starts_with('$') && &*self.name != TABLE_NAME
    }
}

impl Schema {
    /// From names and types.
    pub fn new<N: Into<Arc<str>>>(columns: impl IntoIterator<Item = (N, Type)>) -> Self {
        Self {
            columns: columns.into_iter().map(|(name, ty)| Column::new(name, ty)).collect(),
            open: false,
            guessed: false,
            standard: false,
        }
    }

    /// The same columns, and any further name is accepted as a column of unknown type. For tables whose columns are not
    /// known: a query on one can be checked for everything else, but not run.
    #[must_use]
    pub fn open(mut self) -> Self {
        self.open = true;
        self.guessed = true;
        self
    }

    /// The same columns of a table of Log Analytics: standard columns are accepted that are not listed.
    pub(super) const fn standard(mut self) -> Self {
        self.standard = true;
        self
    }

    /// The type of a column that is accepted without being listed.
    pub(super) fn unlisted(&self, name: &str) -> Option<Type> {
        let standard = STANDARD.iter().filter(|_| self.standard).find(|(known, _)| *known == name);
        standard.map(|(_, ty)| *ty).or_else(|| self.open.then_some(Type::Dynamic))
    }

    /// Whether names it does not list are accepted.
    pub const fn is_open(&self) -> bool {
        self.open
    }

    /// Whether the type of a `dynamic` column is only a guess.
    pub(super) const fn is_guessed(&self) -> bool {
        self.guessed
    }

    /// Other columns made from these; `open` when those that are not listed are still there.
    pub(super) fn reshaped(&self, columns: Vec<Column>, open: bool) -> Self {
        Self { columns, open: open && self.open, guessed: self.guessed, standard: open && self.standard }
    }

    /// Whether columns may be missing from it: after a mistake, or data that is only known at run time.
    pub(super) const fn guess(mut self) -> Self {
        self.open = true;
        self.guessed = true;
        self
    }

    /// The columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Where the column of that name is.
    pub fn index(&self, name: &str) -> Option<usize> {
        self.columns.iter().position(|column| &*column.name == name)
    }
}

impl From<Vec<Column>> for Schema {
    fn from(columns: Vec<Column>) -> Self {
        Self { columns, open: false, guessed: false, standard: false }
    }
}
