//! The cells of a row.

use std::ops::{Index, Range};

use super::value::Val;

/// The cells of one row, wherever they lie.
#[derive(Debug, Clone, Copy)]
pub enum Cells<'c, 'v> {
    /// Side by side.
    Together(&'c [Val<'v>]),
    /// Each in its column, all of them so far down.
    Apart(&'c [Vec<Val<'v>>], usize),
}

impl<'c, 'v> Cells<'c, 'v> {
    /// Of a row that has none.
    pub const NONE: Self = Self::Together(&[]);

    /// How many there are.
    pub const fn len(self) -> usize {
        match self {
            Self::Together(cells) => cells.len(),
            Self::Apart(columns, _) => columns.len(),
        }
    }

    /// Whether there is none.
    pub const fn is_empty(self) -> bool {
        self.len() == 0
    }

    /// A cell.
    #[inline]
    pub fn get(self, at: usize) -> Option<&'c Val<'v>> {
        match self {
            Self::Together(cells) => cells.get(at),
            Self::Apart(columns, row) => columns.get(at)?.get(row),
        }
    }

    /// The cells in their order.
    pub fn iter(self) -> CellsIter<'c, 'v> {
        CellsIter { cells: self, left: 0..self.len() }
    }

    /// The cells side by side, on their own.
    pub fn to_vec(self) -> Vec<Val<'v>> {
        self.iter().cloned().collect()
    }
}

impl<'v> Index<usize> for Cells<'_, 'v> {
    type Output = Val<'v>;

    fn index(&self, at: usize) -> &Val<'v> {
        match *self {
            Self::Together(cells) => &cells[at],
            Self::Apart(columns, row) => &columns[at][row],
        }
    }
}

impl<'c, 'v> IntoIterator for Cells<'c, 'v> {
    type Item = &'c Val<'v>;
    type IntoIter = CellsIter<'c, 'v>;

    fn into_iter(self) -> CellsIter<'c, 'v> {
        self.iter()
    }
}

/// The cells of a row in their order.
#[derive(Debug, Clone)]
pub struct CellsIter<'c, 'v> {
    cells: Cells<'c, 'v>,
    left: Range<usize>,
}

impl<'c, 'v> Iterator for CellsIter<'c, 'v> {
    type Item = &'c Val<'v>;

    #[inline]
    fn next(&mut self) -> Option<&'c Val<'v>> {
        self.cells.get(self.left.next()?)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.left.size_hint()
    }
}

impl ExactSizeIterator for CellsIter<'_, '_> {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_row_reads_the_same_wherever_its_cells_lie() {
        let columns = [vec![Val::Long(0), Val::Long(1)], vec![Val::from("x"), Val::from("y")]];
        let row = [Val::Long(1), Val::from("y")];
        for cells in [Cells::Together(&row), Cells::Apart(&columns, 1)] {
            assert!(cells.iter().eq(&row) && cells.to_vec() == row);
            assert_eq!((cells.len(), cells.get(1), &cells[0], cells.get(2)), (2, Some(&row[1]), &row[0], None));
        }
        assert!(Cells::NONE.is_empty() && Cells::NONE.get(0).is_none());
    }
}
