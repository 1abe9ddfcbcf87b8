//! Columns in order, found by name without going through them: a query may have thousands, and name each.

use std::collections::HashMap;
use std::ops::Deref;
use std::sync::Arc;

use super::schema::Column;
use super::value::Type;

/// Columns in order. Of two with one name, which only a mistake makes, the first is found.
#[derive(Debug, Clone, Default)]
pub(super) struct ColumnList {
    all: Vec<Column>,
    places: HashMap<Arc<str>, usize>,
}

impl ColumnList {
    /// Where the column of that name is.
    pub(super) fn index(&self, name: &str) -> Option<usize> {
        self.places.get(name).copied()
    }

    /// Adds a column at the end.
    pub(super) fn push(&mut self, column: Column) {
        self.places.entry(Arc::clone(&column.name)).or_insert(self.all.len());
        self.all.push(column);
    }

    /// The place of the column of that name, which has that type from then on; a new one at the end when there is none.
    pub(super) fn place(&mut self, name: &str, ty: Type) -> usize {
        let at = self.index(name).unwrap_or(self.all.len());
        match self.all.get_mut(at) {
            Some(column) => column.ty = ty,
            None => self.push(Column::new(name, ty)),
        }
        at
    }

    /// Calls a column otherwise.
    pub(super) fn rename(&mut self, at: usize, name: &str) {
        let Some(column) = self.all.get_mut(at) else { return };
        let old = std::mem::replace(&mut column.name, Arc::from(name));
        let new = Arc::clone(&column.name);
        if self.places.get(&old) == Some(&at) {
            self.places.remove(&old);
        }
        self.places.entry(new).or_insert(at);
    }
}

impl Deref for ColumnList {
    type Target = [Column];

    fn deref(&self) -> &[Column] {
        &self.all
    }
}

impl PartialEq for ColumnList {
    fn eq(&self, other: &Self) -> bool {
        self.all == other.all
    }
}

impl Eq for ColumnList {}

impl From<Vec<Column>> for ColumnList {
    fn from(all: Vec<Column>) -> Self {
        let mut places = HashMap::with_capacity(all.len());
        for (at, column) in all.iter().enumerate() {
            places.entry(Arc::clone(&column.name)).or_insert(at);
        }
        Self { all, places }
    }
}
