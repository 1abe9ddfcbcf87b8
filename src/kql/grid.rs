//! Rows in one piece of memory.

use std::ops::Index;

use super::value::{Val, Value};

/// Rows of one length, one behind the other: whoever reads a column of many rows follows no pointer from row to row.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Grid {
    width: usize,
    rows: usize,
    cells: Vec<Value>,
}

impl Grid {
    /// No rows yet, of so many cells each.
    pub const fn new(width: usize) -> Self {
        Self { width, rows: 0, cells: Vec::new() }
    }

    /// Rows of so many cells each.
    pub fn of<R: IntoIterator<Item = Value>>(width: usize, rows: impl IntoIterator<Item = R>) -> Self {
        let mut grid = Self::new(width);
        rows.into_iter().for_each(|row| grid.push(row));
        grid
    }

    /// Adds a row. Cells that it lacks are null, and those it has too many are left out.
    pub fn push(&mut self, row: impl IntoIterator<Item = Value>) {
        self.rows += 1;
        self.cells.extend(row.into_iter().take(self.width));
        self.cells.resize(self.rows * self.width, Val::Null);
    }

    /// How many rows there are.
    pub const fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// A row.
    pub fn get(&self, at: usize) -> Option<&[Value]> {
        if at < self.rows { self.cells.get(at * self.width..(at + 1) * self.width) } else { None }
    }

    /// The rows in their order.
    pub fn iter(&self) -> GridRows<'_> {
        GridRows { width: self.width, rows: self.rows, cells: &self.cells }
    }

    /// Leaves the first rows, so many of them.
    pub fn truncate(&mut self, rows: usize) {
        self.rows = self.rows.min(rows);
        self.cells.truncate(self.rows * self.width);
    }

    /// The rows in their order, each by itself.
    pub fn into_rows(self) -> impl Iterator<Item = Vec<Value>> {
        let mut cells = self.cells.into_iter();
        (0..self.rows).map(move |_| cells.by_ref().take(self.width).collect())
    }
}

/// The rows of a [`Grid`] in their order.
#[derive(Debug, Clone)]
pub struct GridRows<'g> {
    width: usize,
    rows: usize,
    /// Those of the rows that are left: cut off row by row, which is quicker than to find each by its number.
    cells: &'g [Value],
}

impl<'g> Iterator for GridRows<'g> {
    type Item = &'g [Value];

    #[inline]
    fn next(&mut self) -> Option<&'g [Value]> {
        self.rows = self.rows.checked_sub(1)?;
        let (row, others) = self.cells.split_at_checked(self.width)?;
        self.cells = others;
        Some(row)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        (self.rows, Some(self.rows))
    }
}

impl ExactSizeIterator for GridRows<'_> {}

impl<'g> IntoIterator for &'g Grid {
    type Item = &'g [Value];
    type IntoIter = GridRows<'g>;

    fn into_iter(self) -> GridRows<'g> {
        self.iter()
    }
}

impl Index<usize> for Grid {
    type Output = [Value];

    fn index(&self, at: usize) -> &[Value] {
        &self.cells[at * self.width..(at + 1) * self.width]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn longs(numbers: &[i64]) -> Vec<Value> {
        numbers.iter().copied().map(Val::Long).collect()
    }

    #[test]
    fn rows_come_back_as_they_were_given_cut_and_filled_to_their_width() {
        let grid = Grid::of(2, [longs(&[1, 2]), longs(&[3]), longs(&[4, 5, 6])]);
        let rows = [vec![Val::Long(1), Val::Long(2)], vec![Val::Long(3), Val::Null], vec![Val::Long(4), Val::Long(5)]];
        assert!(grid.iter().eq(&rows) && grid.clone().into_rows().eq(rows));
        assert_eq!((grid.len(), grid.get(3), &grid[2][1]), (3, None, &Val::Long(5)));
    }

    #[test]
    fn rows_without_columns_are_counted() {
        let mut grid = Grid::of(0, [longs(&[]), longs(&[])]);
        assert_eq!((grid.len(), grid.iter().count(), grid.clone().into_rows().count()), (2, 2, 2));
        grid.truncate(1);
        assert_eq!((grid.len(), grid.get(0), grid.get(1)), (1, Some(&[][..]), None));
    }
}
