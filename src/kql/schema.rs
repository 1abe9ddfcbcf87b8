//! Columns by name and type, and where a query finds those of a table.

use std::sync::Arc;

use super::column_list::ColumnList;
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
    columns: Arc<ColumnList>,
    others: Others,
    /// Made from an open schema: a `dynamic` column may be of any type.
    guessed: bool,
    /// A table of Log Analytics, which has [`STANDARD`] columns that are not listed.
    standard: bool,
}

/// Whether there are columns beside those that are listed. Of two, the greater holds for both together.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
enum Others {
    #[default]
    None,
    /// Most are listed, so another may be a mistake.
    Few,
    /// Any name is one.
    Any,
}

/// What a query names and nobody here knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Lacking<'a> {
    /// A table.
    Table,
    /// A column of a table as it is stored.
    Column(&'a str),
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
    /// How a person makes known what is lacking: a sentence for the help of a finding.
    fn remedy(&self, lacking: Lacking<'_>) -> Option<String> {
        let _ = lacking;
        None
    }
    /// The text of `externaldata` at an address, or why there is none. Only what a person named may be answered: a query
    /// never reaches out by itself.
    ///
    /// # Errors
    /// A sentence that says what to do.
    fn external(&self, address: &str) -> Result<String, String> {
        let _ = address;
        Err("data from outside cannot be read here".to_owned())
    }
    /// The rows of a watchlist, or why there are none. `None` for one of which nobody here knows more than that it may be
    /// there: a query on it can be checked, but not run.
    ///
    /// # Errors
    /// A sentence that says what to do.
    fn watchlist(&self, alias: &str) -> Result<Option<Table>, String> {
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
        Self::from(columns.into_iter().map(|(name, ty)| Column::new(name, ty)).collect::<Vec<_>>())
    }

    /// The same columns, and any further name is accepted as a column of unknown type. For tables whose columns are not
    /// known: a query on one can be checked for everything else, but not run.
    #[must_use]
    pub fn open(self) -> Self {
        self.guess()
    }

    /// These columns and those of a list, whose types count. With `more` there are others: any name is accepted, and warned
    /// of where some are listed.
    pub(super) fn listing(mut self, columns: Vec<Column>, more: bool) -> Self {
        let all = Arc::make_mut(&mut self.columns);
        for column in columns {
            all.place(&column.name, column.ty);
        }
        if more {
            self.others = if self.columns.is_empty() { Others::Any } else { Others::Few };
            self.guessed = true;
        }
        self
    }

    /// The same columns of a table of Log Analytics: standard columns are accepted that are not listed.
    pub(super) const fn standard(mut self) -> Self {
        self.standard = true;
        self
    }

    /// Whether these are still the columns of a stored table, with what was added to them.
    pub(super) const fn is_stored(&self) -> bool {
        self.standard
    }

    /// The type of a column that is accepted without being listed.
    pub(super) fn unlisted(&self, name: &str) -> Option<Type> {
        self.standard_type(name).or_else(|| (self.is_open() || self.may_be_added(name)).then_some(Type::Dynamic))
    }

    /// Tenants add columns of their own to stored tables, all of whose names end alike (Azure Monitor: "Add or delete tables
    /// and columns", custom columns).
    fn may_be_added(&self, name: &str) -> bool {
        self.standard && name.ends_with("_CF")
    }

    /// Whether a column that is accepted without being listed may be a mistake.
    pub(super) fn is_doubtful(&self, name: &str) -> bool {
        let is_known = self.index(name).is_some() || self.standard_type(name).is_some() || self.may_be_added(name);
        self.others == Others::Few && !is_known
    }

    fn standard_type(&self, name: &str) -> Option<Type> {
        STANDARD.iter().filter(|_| self.standard).find(|(known, _)| *known == name).map(|(_, ty)| *ty)
    }

    /// Whether names it does not list are accepted.
    pub fn is_open(&self) -> bool {
        self.others != Others::None
    }

    /// Whether the type of a `dynamic` column is only a guess.
    pub(super) const fn is_guessed(&self) -> bool {
        self.guessed
    }

    /// Other columns made from these; `open` when those that are not listed are still there.
    pub(super) fn reshaped(&self, columns: impl Into<ColumnList>, open: bool) -> Self {
        let others = if open { self.others } else { Others::None };
        Self { columns: Arc::new(columns.into()), others, guessed: self.guessed, standard: open && self.standard }
    }

    /// Columns made from those of both: what is not listed may be of either.
    pub(super) fn with(&self, other: &Self, columns: impl Into<ColumnList>) -> Self {
        Self {
            columns: Arc::new(columns.into()),
            others: self.others.max(other.others),
            guessed: self.guessed || other.guessed,
            standard: self.standard || other.standard,
        }
    }

    /// Whether columns may be missing from it: after a mistake, or data that is only known at run time.
    pub(super) const fn guess(mut self) -> Self {
        self.others = Others::Any;
        self.guessed = true;
        self
    }

    /// The same columns after a mistake: what is `dynamic` may be of another type.
    pub(super) const fn unsure(mut self) -> Self {
        self.guessed = true;
        self
    }

    /// The columns.
    pub fn columns(&self) -> &[Column] {
        &self.columns
    }

    /// Whether it has no column of that name, and none is accepted that it does not list.
    pub fn lacks(&self, name: &str) -> bool {
        self.index(name).is_none() && self.unlisted(name).is_none()
    }

    /// Where the column of that name is.
    pub fn index(&self, name: &str) -> Option<usize> {
        self.columns.index(name)
    }

    /// The columns, to make others of them.
    pub(super) fn list(&self) -> ColumnList {
        ColumnList::clone(&self.columns)
    }
}

impl From<Vec<Column>> for Schema {
    fn from(columns: Vec<Column>) -> Self {
        ColumnList::from(columns).into()
    }
}

impl From<ColumnList> for Schema {
    fn from(columns: ColumnList) -> Self {
        Self { columns: Arc::new(columns), others: Others::None, guessed: false, standard: false }
    }
}
