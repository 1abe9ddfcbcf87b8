//! The first `where` over a table in memory.
//!
//! Comparisons of a column with constants are made batch by batch, one comparison at a time: a loop that short lets the
//! processor fetch many cells of the column at once, where most of the time goes. What they leave over meets the rest of
//! the condition row by row. A comparison of a stored cell cannot fail on its own, so no order of conjuncts is lost that
//! matters.

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
    let (comparisons, others) = split(condition);
    let mut batches = (0..table.len()).step_by(BATCH);
    let mut left = Vec::new().into_iter();
    let mut next = move || {
        loop {
            for row in left.by_ref().filter_map(|at| table.get(at)) {
                let row = Row::Stored(row, columns);
                let mut all = true;
                for node in &others {
                    all = all && holds(node, row.cells(), env)?;
                }
                if all {
                    return Ok(Some(row));
                }
            }
            let Some(first) = batches.next() else { return Ok(None) };
            let batch = first..table.len().min(first + BATCH);
            left = passed(batch, table, &comparisons, env)?.into_iter();
        }
    };
    Box::new(std::iter::from_fn(move || next().transpose()))
}

/// The comparisons among the conjuncts of a condition, and the other conjuncts.
fn split(condition: &Node) -> (Vec<Comparison<'_>>, Vec<&Node>) {
    let conjuncts = match &condition.kind {
        NodeKind::And(nodes) => nodes.as_slice(),
        _ => std::slice::from_ref(condition),
    };
    let (mut comparisons, mut others) = (Vec::<Comparison<'_>>::new(), Vec::new());
    for node in conjuncts {
        match Comparison::of(node, true) {
            Some(comparison) if comparisons.iter_mut().any(|known| known.narrow(&comparison)) => {}
            Some(comparison) => comparisons.push(comparison),
            None => others.push(node),
        }
    }
    (comparisons, others)
}

/// The rows of a batch that pass all comparisons.
fn passed(
    batch: Range<usize>,
    table: &Grid,
    comparisons: &[Comparison<'_>],
    env: &Env<'_>,
) -> Result<Vec<usize>, KqlError> {
    let mut rows: Vec<usize> = batch.collect();
    env.budget.steps(rows.len() as u64)?;
    for comparison in comparisons {
        env.budget.steps(rows.len() as u64)?;
        comparison.keep(table, &mut rows)?;
    }
    Ok(rows)
}
