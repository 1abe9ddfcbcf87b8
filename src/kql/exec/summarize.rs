//! `summarize`: rows to groups.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::row::size_of_cells;
use super::{Row, Rows, key, value, values};
use crate::kql::aggregates::Accumulator;
use crate::kql::error::KqlError;
use crate::kql::eval::Env;
use crate::kql::eval::compare::sort_order;
use crate::kql::ir::Node;
use crate::kql::plan::Fold;
use crate::kql::value::{Type, Val};

/// One group, in the order of its first row.
struct Group<'q> {
    keys: Vec<Val<'q>>,
    states: Vec<State<'q>>,
}

/// How far one fold of a group is.
pub(super) enum State<'q> {
    One(Box<dyn Accumulator>),
    /// The best key so far and its row.
    Best(Option<(Val<'q>, Kept<'q>)>),
}

/// The row of a best key: where it is stored, or the values that are wanted of it.
pub(super) enum Kept<'q> {
    Stored(Row<'q>),
    Values(Vec<Val<'q>>),
}

/// The groups of the rows. Without keys there is one group, even of no rows.
pub(super) fn groups<'q>(
    by: &'q [Node],
    folds: &'q [Fold],
    rows: Rows<'q>,
    env: &'q Env<'q>,
) -> Result<Rows<'q>, KqlError> {
    let mut places: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut groups: Vec<Group<'q>> = Vec::new();
    let mut encoded = Vec::new();
    if by.is_empty() {
        places.insert(Vec::new(), 0);
        groups.push(Group { keys: Vec::new(), states: folds.iter().map(start).collect() });
    }
    for row in rows {
        let row = row?;
        let keys = values(by, &row, env)?;
        key::write(&keys, &mut encoded);
        let at = if let Some(at) = places.get(&encoded) {
            *at
        } else {
            env.budget.bytes(encoded.len() * 2 + 64)?;
            env.budget.rows(groups.len() + 1)?;
            places.insert(encoded.clone(), groups.len());
            groups.push(Group { keys, states: folds.iter().map(start).collect() });
            groups.len() - 1
        };
        if let Some(group) = groups.get_mut(at) {
            for (state, fold) in group.states.iter_mut().zip(folds) {
                take_in(state, fold, &row, env)?;
            }
        }
    }
    Ok(Box::new(groups.into_iter().map(|group| finished(group, folds, env))))
}

pub(super) fn start<'q>(fold: &Fold) -> State<'q> {
    match fold {
        Fold::One { aggregate, types, .. } => State::One((aggregate.start)(types.first().copied())),
        Fold::Best { .. } => State::Best(None),
    }
}

pub(super) fn take_in<'q>(state: &mut State<'q>, fold: &Fold, row: &Row<'q>, env: &Env<'_>) -> Result<(), KqlError> {
    match (state, fold) {
        (State::One(state), Fold::One { args, .. }) => match args.as_slice() {
            [] => state.add(&[], env.budget),
            [arg] => state.add(&[value(arg, row, env)?], env.budget),
            args => state.add(&values(args, row, env)?, env.budget),
        },
        (State::Best(best), Fold::Best { largest, key, values: wanted }) => {
            let candidate = value(key, row, env)?;
            let direction = if *largest { Ordering::Greater } else { Ordering::Less };
            // A null key only wins against nothing.
            let better = best.as_ref().is_none_or(|(best, _)| {
                !candidate.is_null() && (best.is_null() || sort_order(&candidate, best) == direction)
            });
            if better {
                let kept = match row {
                    Row::Stored(..) => Kept::Stored(row.clone()),
                    Row::Made(_) => {
                        let values = values(wanted, row, env)?;
                        // The values of a better row take the room of these.
                        env.budget.bytes(if best.is_none() { size_of_cells(&values) } else { 0 })?;
                        Kept::Values(values)
                    }
                };
                *best = Some((candidate, kept));
            }
            Ok(())
        }
        (State::One(_), Fold::Best { .. }) | (State::Best(_), Fold::One { .. }) => Ok(()),
    }
}

fn finished<'q>(group: Group<'q>, folds: &[Fold], env: &Env<'_>) -> Result<Row<'q>, KqlError> {
    let mut cells = group.keys;
    cells.reserve_exact(folds.iter().map(Fold::width).sum());
    for (state, fold) in group.states.into_iter().zip(folds) {
        finish(state, fold, &mut cells, env)?;
    }
    Ok(cells.into())
}

/// The value of a fold that has one column.
pub(super) fn finish_one<'q>(state: State<'q>, fold: &Fold, env: &Env<'_>) -> Result<Val<'q>, KqlError> {
    let mut cells = Vec::new();
    finish(state, fold, &mut cells, env)?;
    Ok(cells.into_iter().next().unwrap_or(Val::Null))
}

/// Adds the values of a fold to a row: one for each of its columns.
fn finish<'q>(state: State<'q>, fold: &Fold, cells: &mut Vec<Val<'q>>, env: &Env<'_>) -> Result<(), KqlError> {
    match (state, fold) {
        (State::One(state), Fold::One { types, .. }) => {
            let mut values = state.finish().into_iter();
            let filled = |ty: &Type| values.next().filter(|value| !value.is_null()).unwrap_or(ty.nothing());
            cells.extend(types.iter().map(filled));
        }
        (State::Best(Some((key, kept))), Fold::Best { values: wanted, .. }) => {
            cells.push(key);
            match kept {
                Kept::Stored(row) => {
                    for node in wanted {
                        cells.push(value(node, &row, env)?);
                    }
                }
                Kept::Values(values) => cells.extend(values),
            }
        }
        (_, Fold::Best { key, values, .. }) => {
            cells.push(key.ty.nothing());
            cells.extend(values.iter().map(|node| node.ty.nothing()));
        }
        (State::Best(_), Fold::One { types, .. }) => cells.extend(types.iter().map(|ty| ty.nothing())),
    }
    Ok(())
}
