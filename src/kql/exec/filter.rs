//! The first `where` over a table in memory.
//!
//! Comparisons of a column with constants are made batch by batch, one comparison at a time: a loop that short lets the
//! processor fetch many cells of the column at once, where most of the time goes. What they leave over meets the rest of
//! the condition row by row.
//!
//! A cell that is not of the type of its column is an error for whoever looks at it. Whether somebody does hangs on the
//! order of the conjuncts, so a row with such a cell meets the whole condition by itself, when its turn comes.

use std::collections::BTreeSet;
use std::ops::Range;

use super::kernel::Comparison;
use super::{Row, Rows};
use crate::kql::error::KqlError;
use crate::kql::eval::{Env, holds};
use crate::kql::grid::Grid;
use crate::kql::ir::{Node, NodeKind};
use crate::kql::schema::Column;

/// So few that the cells of one column stay in the processor's nearest cache.
const BATCH: usize = 256;

/// The rows of a table, whose columns are those of the query, for which a condition holds.
pub(super) fn filtered<'q>(condition: &'q Node, columns: &'q [Column], table: &'q Grid, env: &'q Env<'q>) -> Rows<'q> {
    let Conjuncts { comparisons, others, overtaken } = Conjuncts::of(condition);
    let mut batches = (0..table.len()).step_by(BATCH);
    let mut left = Vec::new().into_iter();
    let mut next = move || {
        loop {
            for (at, sound) in left.by_ref() {
                let Some(row) = table.get(at).map(|row| Row::Stored(row, columns)) else { continue };
                let mut all = sound || holds(condition, row.cells(), env)?;
                for node in others.iter().filter(|_| sound) {
                    all = all && holds(node, row.cells(), env)?;
                }
                if all {
                    return Ok(Some(row));
                }
            }
            let Some(first) = batches.next() else { return Ok(None) };
            let batch = first..table.len().min(first + BATCH);
            let rotten = |at: &usize| overtaken.iter().any(|slot| is_rotten(*at, *slot, columns, table));
            left = passed(batch, table, &comparisons, rotten, env)?.into_iter();
        }
    };
    Box::new(std::iter::from_fn(move || next().transpose()))
}

/// The conjuncts of a condition.
#[derive(Default)]
struct Conjuncts<'q> {
    /// Those that are comparisons.
    comparisons: Vec<Comparison<'q>>,
    /// The others.
    others: Vec<&'q Node>,
    /// The columns of those that a comparison behind them overtakes.
    overtaken: BTreeSet<usize>,
}

impl<'q> Conjuncts<'q> {
    fn of(condition: &'q Node) -> Self {
        let nodes = match &condition.kind {
            NodeKind::And(nodes) => nodes.as_slice(),
            _ => std::slice::from_ref(condition),
        };
        let mut all = Self::default();
        let mut places = Vec::new();
        for (at, node) in nodes.iter().enumerate() {
            let Some(comparison) = Comparison::of(node, true) else {
                all.others.push(node);
                continue;
            };
            all.overtaken.extend(all.others.iter().flat_map(|node| slots(node)));
            let known = all.comparisons.iter_mut().position(|known| known.narrow(&comparison));
            if let Some(first) = known.and_then(|known| places.get(known).copied()) {
                all.overtaken.extend(nodes.get(first..at).unwrap_or_default().iter().flat_map(slots));
            } else {
                all.comparisons.push(comparison);
                places.push(at);
            }
        }
        all
    }
}

/// The columns that a node reads.
fn slots(node: &Node) -> Vec<usize> {
    let mut slots = Vec::new();
    node.walk(&mut |node| {
        if let NodeKind::Slot(at) = node.kind {
            slots.push(at);
        }
    });
    slots
}

/// Whether the cell of a row is not of the type of its column.
fn is_rotten(row: usize, slot: usize, columns: &[Column], table: &Grid) -> bool {
    let found = table.column(slot).and_then(|column| column.get(row)?.type_of());
    found.is_some() && found != columns.get(slot).map(|column| column.ty)
}

/// The rows of a batch that pass all comparisons, in their order, and whether what they are compared by is sound. Those that
/// are not have passed nothing.
fn passed(
    batch: Range<usize>,
    table: &Grid,
    comparisons: &[Comparison<'_>],
    is_rotten: impl Fn(&usize) -> bool,
    env: &Env<'_>,
) -> Result<Vec<(usize, bool)>, KqlError> {
    env.budget.steps(batch.len() as u64)?;
    let (mut rotten, mut rows): (Vec<usize>, Vec<usize>) = batch.partition(is_rotten);
    for comparison in comparisons {
        comparison.keep(table, &mut rows, &mut rotten, env)?;
    }
    let sound = rows.into_iter().map(|row| (row, true));
    let mut all: Vec<(usize, bool)> = sound.chain(rotten.into_iter().map(|row| (row, false))).collect();
    all.sort_unstable();
    Ok(all)
}
