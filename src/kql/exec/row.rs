//! A row on its way from operator to operator.

use crate::kql::cells::Cells;
use crate::kql::error::KqlError;
use crate::kql::eval::Env;
use crate::kql::schema::Column;
use crate::kql::value::Val;

/// A row of a table as it is stored, until an operator changes it. So a row that is only looked at costs no copy, and
/// texts borrow from the table where they can.
#[derive(Debug, Clone)]
pub(super) enum Row<'t> {
    /// Cells that nobody has looked at yet may be of another type than their column.
    Stored(Cells<'t, 't>, &'t [Column]),
    Made(Vec<Val<'t>>),
}

impl<'t> Row<'t> {
    /// The cells as they are.
    pub(super) fn cells(&self) -> Cells<'_, 't> {
        match self {
            Self::Stored(cells, _) => *cells,
            Self::Made(cells) => Cells::Together(cells),
        }
    }

    /// The cells, with room for so many more.
    pub(super) fn into_cells(self, more: usize, env: &Env<'_>) -> Result<Vec<Val<'t>>, KqlError> {
        match self {
            Self::Made(mut cells) => {
                cells.reserve(more);
                Ok(cells)
            }
            Self::Stored(cells, columns) => {
                env.budget.steps(cells.len() as u64 / 4)?;
                let mut made = Vec::with_capacity(cells.len() + more);
                for (at, column) in columns.iter().enumerate() {
                    made.push(checked(at, column, cells.get(at))?);
                }
                Ok(made)
            }
        }
    }

    /// A cell, without a copy of a text that is stored.
    pub(super) fn cell(&self, at: usize) -> Result<Option<Val<'t>>, KqlError> {
        match self {
            Self::Made(cells) => Ok(cells.get(at).cloned()),
            Self::Stored(cells, columns) => match columns.get(at) {
                Some(column) => checked(at, column, cells.get(at)).map(Some),
                None => Ok(None),
            },
        }
    }

    /// How much memory it takes beside what is stored anyway.
    pub(super) fn size(&self) -> usize {
        match self {
            Self::Stored(..) => size_of::<Self>(),
            Self::Made(cells) => size_of::<Self>() + size_of_cells(cells),
        }
    }
}

impl<'t> From<Vec<Val<'t>>> for Row<'t> {
    fn from(cells: Vec<Val<'t>>) -> Self {
        Self::Made(cells)
    }
}

/// How much memory cells take, with the texts and dynamic values that are their own.
pub(super) fn size_of_cells(cells: &[Val<'_>]) -> usize {
    let own = |cell: &Val<'_>| match cell {
        Val::Str(text) => text.own_size(),
        Val::Dyn(value) => value.size(),
        _ => 0,
    };
    size_of_val(cells) + cells.iter().map(own).sum::<usize>()
}

/// A stored cell as a value of its column; one that is not there is nothing.
pub(super) fn checked<'t>(at: usize, column: &Column, cell: Option<&'t Val<'t>>) -> Result<Val<'t>, KqlError> {
    owned(at, column, cell.map_or(Val::Null, Val::borrowed))
}

/// As [`checked`], of a cell that belongs to nobody else.
pub(super) fn owned<'t>(at: usize, column: &Column, cell: Val<'t>) -> Result<Val<'t>, KqlError> {
    match cell.type_of() {
        None => Ok(column.ty.nothing()),
        Some(found) if found == column.ty => Ok(cell),
        Some(found) => Err(KqlError::RowShape { column: at, expected: column.ty, found: found.name() }),
    }
}
