//! Rows that are stored column by column.

use std::ops::{Index, Range};

use super::cells::Cells;
use super::value::{Val, Value};

/// Rows of one length. The cells of a column lie one behind the other, so that whoever looks at one column of many rows
/// fetches nothing else from memory.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Grid {
    rows: usize,
    /// Each has one cell for each row.
    columns: Vec<Vec<Value>>,
}

impl Grid {
    /// No rows yet, of so many cells each.
    pub fn new(width: usize) -> Self {
        Self { rows: 0, columns: vec![Vec::new(); width] }
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
        let cells = row.into_iter().chain(std::iter::repeat(Val::Null));
        self.columns.iter_mut().zip(cells).for_each(|(column, cell)| column.push(cell));
    }

    /// How many rows there are.
    pub const fn len(&self) -> usize {
        self.rows
    }

    /// Whether there is none.
    pub const fn is_empty(&self) -> bool {
        self.rows == 0
    }

    /// How many cells each row has.
    pub const fn width(&self) -> usize {
        self.columns.len()
    }

    /// A row.
    pub fn get(&self, at: usize) -> Option<Cells<'_, 'static>> {
        (at < self.rows).then_some(Cells::Apart(&self.columns, at))
    }

    /// The cells of a column, one for each row.
    pub fn column(&self, at: usize) -> Option<&[Value]> {
        self.columns.get(at).map(Vec::as_slice)
    }

    /// The rows in their order.
    pub const fn iter(&self) -> GridRows<'_> {
        GridRows { grid: self, left: 0..self.rows }
    }

    /// Leaves the first rows, so many of them.
    pub fn truncate(&mut self, rows: usize) {
        self.rows = self.rows.min(rows);
        self.columns.iter_mut().for_each(|column| column.truncate(rows));
    }

    /// The rows in their order, each by itself.
    pub fn into_rows(self) -> impl Iterator<Item = Vec<Value>> {
        let mut columns: Vec<_> = self.columns.into_iter().map(Vec::into_iter).collect();
        (0..self.rows).map(move |_| columns.iter_mut().filter_map(Iterator::next).collect())
    }
}

/// The rows of a [`Grid`] in their order.
#[derive(Debug, Clone)]
pub struct GridRows<'g> {
    grid: &'g Grid,
    left: Range<usize>,
}

impl<'g> Iterator for GridRows<'g> {
    type Item = Cells<'g, 'static>;

    #[inline]
    fn next(&mut self) -> Option<Cells<'g, 'static>> {
        self.grid.get(self.left.next()?)
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.left.size_hint()
    }
}

impl ExactSizeIterator for GridRows<'_> {}

impl<'g> IntoIterator for &'g Grid {
    type Item = Cells<'g, 'static>;
    type IntoIter = GridRows<'g>;

    fn into_iter(self) -> GridRows<'g> {
        self.iter()
    }
}

/// The cell of a row and a column.
impl Index<(usize, usize)> for Grid {
    type Output = Value;

    fn index(&self, (row, column): (usize, usize)) -> &Value {
        &self.columns[column][row]
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
        assert!(grid.iter().map(Cells::to_vec).eq(rows.clone()) && grid.clone().into_rows().eq(rows));
        assert_eq!((grid.len(), grid.width(), grid.get(3).is_none(), &grid[(2, 1)]), (3, 2, true, &Val::Long(5)));
        assert_eq!((grid.column(0), grid.column(2)), (Some(&*longs(&[1, 3, 4])), None));
    }

    #[test]
    fn rows_without_columns_are_counted() {
        let mut grid = Grid::of(0, [longs(&[]), longs(&[])]);
        assert_eq!((grid.len(), grid.iter().count(), grid.clone().into_rows().count()), (2, 2, 2));
        grid.truncate(1);
        assert_eq!((grid.len(), grid.get(0).map(Cells::len), grid.get(1).map(Cells::len)), (1, Some(0), None));
    }

    #[test]
    fn the_first_rows_are_left_of_every_column() {
        let mut grid = Grid::of(2, [longs(&[1, 2]), longs(&[3, 4])]);
        grid.truncate(7);
        assert_eq!(grid.len(), 2);
        grid.truncate(1);
        assert_eq!(grid, Grid::of(2, [longs(&[1, 2])]));
        grid.push(longs(&[5, 6]));
        assert!(grid.into_rows().eq([longs(&[1, 2]), longs(&[5, 6])]));
    }
}
