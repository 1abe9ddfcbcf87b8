//! `order by`: stable, each key with its own direction and place for nulls.

use std::cmp::Ordering;
use std::collections::BinaryHeap;

use super::{Row, Rows, value};
use crate::kql::error::KqlError;
use crate::kql::eval::Env;
use crate::kql::eval::compare::sort_order;
use crate::kql::plan::Key;
use crate::kql::value::Val;

pub(super) fn ordered<'q>(keys: &'q [Key], rows: Vec<Row<'q>>, env: &Env<'_>) -> Result<Rows<'q>, KqlError> {
    let mut keyed = Vec::with_capacity(rows.len());
    for row in rows {
        let values: Vec<Val<'q>> = keys.iter().map(|key| value(&key.node, &row, env)).collect::<Result<_, _>>()?;
        env.budget.bytes(values.iter().filter_map(Val::as_str).map(str::len).sum())?;
        keyed.push((values, row));
    }
    keyed.sort_by(|(a, _), (b, _)| order_by_all(keys, a, b));
    Ok(Box::new(keyed.into_iter().map(|(_, row)| Ok(row))))
}

/// The first rows of an order, of which no more are held than are wanted.
pub(super) fn first<'q>(keys: &'q [Key], wanted: usize, rows: Rows<'q>, env: &Env<'_>) -> Result<Rows<'q>, KqlError> {
    let mut held: BinaryHeap<Ranked<'q>> = BinaryHeap::new();
    // How many bytes the rows take, and how many were asked for: a row may take the room of the one it displaces.
    let (mut size, mut room) = (0, 0);
    for (at, row) in rows.enumerate() {
        let row = row?;
        let values: Vec<Val<'q>> = keys.iter().map(|key| value(&key.node, &row, env)).collect::<Result<_, _>>()?;
        let ranked = Ranked { keys, values, at, row };
        if held.len() >= wanted && held.peek().is_none_or(|last| ranked > *last) {
            continue;
        }
        size += ranked.size();
        held.push(ranked);
        if held.len() > wanted {
            size -= held.pop().map_or(0, |last| last.size());
        }
        if size > room {
            env.budget.bytes(size - room)?;
            room = size;
        }
        env.budget.rows(held.len())?;
    }
    Ok(Box::new(held.into_sorted_vec().into_iter().map(|ranked| Ok(ranked.row))))
}

/// A row with its place: by its keys, and among equal ones as it came.
struct Ranked<'q> {
    keys: &'q [Key],
    values: Vec<Val<'q>>,
    at: usize,
    row: Row<'q>,
}

impl Ranked<'_> {
    fn size(&self) -> usize {
        self.row.size() + self.values.iter().filter_map(Val::as_str).map(str::len).sum::<usize>()
    }
}

impl Ord for Ranked<'_> {
    fn cmp(&self, other: &Self) -> Ordering {
        order_by_all(self.keys, &self.values, &other.values).then(self.at.cmp(&other.at))
    }
}

impl PartialOrd for Ranked<'_> {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl PartialEq for Ranked<'_> {
    fn eq(&self, other: &Self) -> bool {
        self.cmp(other) == Ordering::Equal
    }
}

impl Eq for Ranked<'_> {}

fn order_by_all(keys: &[Key], a: &[Val<'_>], b: &[Val<'_>]) -> Ordering {
    let mut orders = keys.iter().zip(a.iter().zip(b)).map(|(key, (a, b))| order_by(key, a, b));
    orders.find(|order| *order != Ordering::Equal).unwrap_or(Ordering::Equal)
}

fn order_by(key: &Key, a: &Val<'_>, b: &Val<'_>) -> Ordering {
    let nulls = if key.nulls_first { Ordering::Less } else { Ordering::Greater };
    match (a.is_null(), b.is_null()) {
        (true, true) => Ordering::Equal,
        (true, false) => nulls,
        (false, true) => nulls.reverse(),
        (false, false) if key.ascending => sort_order(a, b),
        (false, false) => sort_order(b, a),
    }
}
