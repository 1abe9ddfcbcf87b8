//! The first `where` over a table in memory.
//!
//! Comparisons of a column with constants are made batch by batch, one comparison at a time: a loop that short lets the
//! processor fetch many rows at once, where most of the time goes. What they leave over meets the rest of the condition
//! row by row. A comparison of a stored cell cannot fail on its own, so no order of conjuncts is lost that matters.

use super::Rows;
use super::source::stored;
use crate::kql::error::KqlError;
use crate::kql::eval::{Env, holds, slot};
use crate::kql::functions::{Evaluate, Test};
use crate::kql::ir::{Call, Node, NodeKind};
use crate::kql::schema::Column;
use crate::kql::table::Table;
use crate::kql::value::{Type, Val, Value};

/// So few that the cells of one column stay in the processor's nearest cache.
const BATCH: usize = 256;

/// A column compared with constants.
struct Comparison<'q> {
    slot: usize,
    ty: Type,
    test: Test,
    constants: &'q [Node],
    /// Whether one of the constants is enough, as in `in`; null is then no match instead of unknown.
    any: bool,
    /// What the test must give: false under `not`.
    wanted: bool,
}

/// The rows of a table, whose columns are those of the query, for which a condition holds.
pub(super) fn filtered<'q>(
    condition: &'q Node,
    columns: &'q [Column],
    table: &'q Table,
    env: &'q Env<'q>,
) -> Result<Rows<'q>, KqlError> {
    env.budget.rows(table.rows.len())?;
    let (comparisons, others) = split(condition);
    let mut batches = table.rows.chunks(BATCH);
    let mut left = Vec::<&'q Vec<Value>>::new().into_iter();
    let mut next = move || {
        loop {
            for row in left.by_ref() {
                let row = stored(row, columns, env)?;
                let mut all = true;
                for node in &others {
                    all = all && holds(node, &row, env)?;
                }
                if all {
                    return Ok(Some(row));
                }
            }
            let Some(batch) = batches.next() else { return Ok(None) };
            left = passed(batch, &comparisons, env)?.into_iter();
        }
    };
    Ok(Box::new(std::iter::from_fn(move || next().transpose())))
}

/// The comparisons among the conjuncts of a condition, and the other conjuncts.
fn split(condition: &Node) -> (Vec<Comparison<'_>>, Vec<&Node>) {
    let conjuncts = match &condition.kind {
        NodeKind::And(nodes) => nodes.as_slice(),
        _ => std::slice::from_ref(condition),
    };
    let (mut comparisons, mut others) = (Vec::new(), Vec::new());
    for node in conjuncts {
        match comparison(node, true) {
            Some(comparison) => comparisons.push(comparison),
            None => others.push(node),
        }
    }
    (comparisons, others)
}

fn comparison(node: &Node, wanted: bool) -> Option<Comparison<'_>> {
    let NodeKind::Call(Call { function, args, .. }) = &node.kind else { return None };
    let (first, constants) = args.split_first()?;
    if function.name == "not" {
        return comparison(first, !wanted);
    }
    let (test, any) = match function.eval {
        Evaluate::Test(test) => (test, false),
        Evaluate::AnyOf(test) => (test, true),
        _ => return None,
    };
    let NodeKind::Slot(slot) = first.kind else { return None };
    let fits = |node: &Node| node.as_const().is_some() && node.ty != Type::Dynamic;
    (first.ty != Type::Dynamic && constants.iter().all(fits)).then_some(Comparison {
        slot,
        ty: first.ty,
        test,
        constants,
        any,
        wanted,
    })
}

/// The rows of a batch that pass all comparisons.
fn passed<'q>(
    batch: &'q [Vec<Value>],
    comparisons: &[Comparison<'_>],
    env: &Env<'_>,
) -> Result<Vec<&'q Vec<Value>>, KqlError> {
    let mut rows: Vec<&'q Vec<Value>> = batch.iter().collect();
    env.budget.steps(rows.len() as u64)?;
    for comparison in comparisons {
        env.budget.steps(rows.len() as u64)?;
        if comparison.all_plain(&rows) {
            rows.retain(|row| row.get(comparison.slot).is_some_and(|cell| comparison.holds(cell)));
            continue;
        }
        let mut kept = Vec::with_capacity(rows.len());
        for row in rows {
            if comparison.holds(&slot(row, comparison.slot, comparison.ty)?) {
                kept.push(row);
            }
        }
        rows = kept;
    }
    Ok(rows)
}

impl Comparison<'_> {
    /// Whether all cells can be compared as they are: of the type of the column, not null, no moment out of range. All are
    /// looked at, so that their fetches from memory overlap; the comparisons then find them near.
    fn all_plain(&self, rows: &[&Vec<Value>]) -> bool {
        let plain = |cell: &Value| match cell {
            Val::DateTime(ticks) => self.ty == Type::DateTime && !Val::datetime(*ticks).is_null(),
            cell => cell.type_of() == Some(self.ty),
        };
        rows.iter().filter(|row| row.get(self.slot).is_some_and(plain)).count() == rows.len()
    }

    fn holds(&self, value: &Val<'_>) -> bool {
        let mut constants = self.constants.iter().filter_map(Node::as_const);
        if self.any {
            constants.any(|constant| (self.test)(value, constant) == Some(true)) == self.wanted
        } else {
            constants.next().and_then(|constant| (self.test)(value, constant)) == Some(self.wanted)
        }
    }
}
