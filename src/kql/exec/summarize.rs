//! `summarize`: rows to groups.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::{Row, Rows, key, value};
use crate::kql::aggregates::Accumulator;
use crate::kql::error::KqlError;
use crate::kql::eval::Env;
use crate::kql::eval::compare::sort_order;
use crate::kql::ir::Node;
use crate::kql::plan::Fold;
use crate::kql::value::{Type, Val};

/// One group, in the order of its first row.
struct Group<'q> {
    keys: Row<'q>,
    states: Vec<State<'q>>,
}

/// How far one fold of a group is.
pub(super) enum State<'q> {
    One(Box<dyn Accumulator>),
    /// The best key so far and the row's other values.
    Best(Option<(Val<'q>, Row<'q>)>),
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
    if by.is_empty() {
        places.insert(Vec::new(), 0);
        groups.push(Group { keys: Vec::new(), states: folds.iter().map(start).collect() });
    }
    for row in rows {
        let row = row?;
        let keys: Row<'q> = by.iter().map(|node| value(node, &row, env)).collect::<Result<_, _>>()?;
        let encoded = key::of(&keys);
        let at = if let Some(at) = places.get(&encoded) {
            *at
        } else {
            env.budget.bytes(encoded.len() * 2 + 64)?;
            env.budget.rows(groups.len() + 1)?;
            places.insert(encoded, groups.len());
            groups.push(Group { keys, states: folds.iter().map(start).collect() });
            groups.len() - 1
        };
        if let Some(group) = groups.get_mut(at) {
            for (state, fold) in group.states.iter_mut().zip(folds) {
                take_in(state, fold, &row, env)?;
            }
        }
    }
    Ok(Box::new(groups.into_iter().map(|group| Ok(finished(group, folds)))))
}

pub(super) fn start<'q>(fold: &Fold) -> State<'q> {
    match fold {
        Fold::One { aggregate, types, .. } => State::One((aggregate.start)(types.first().copied())),
        Fold::Best { .. } => State::Best(None),
    }
}

pub(super) fn take_in<'q>(state: &mut State<'q>, fold: &Fold, row: &Row<'q>, env: &Env<'_>) -> Result<(), KqlError> {
    match (state, fold) {
        (State::One(state), Fold::One { args, .. }) => {
            let args: Row<'q> = args.iter().map(|arg| value(arg, row, env)).collect::<Result<_, _>>()?;
            state.add(&args, env.budget)
        }
        (State::Best(best), Fold::Best { largest, key, values }) => {
            let candidate = value(key, row, env)?;
            let wanted = if *largest { Ordering::Greater } else { Ordering::Less };
            // A null key only wins against nothing.
            let better = best.as_ref().is_none_or(|(best, _)| {
                !candidate.is_null() && (best.is_null() || sort_order(&candidate, best) == wanted)
            });
            if better {
                *best = Some((candidate, values.iter().map(|node| value(node, row, env)).collect::<Result<_, _>>()?));
            }
            Ok(())
        }
        (State::One(_), Fold::Best { .. }) | (State::Best(_), Fold::One { .. }) => Ok(()),
    }
}

fn finished<'q>(group: Group<'q>, folds: &[Fold]) -> Row<'q> {
    let mut row = group.keys;
    for (state, fold) in group.states.into_iter().zip(folds) {
        row.extend(finish(state, fold));
    }
    row
}

/// The values of a fold: one for each of its columns.
pub(super) fn finish<'q>(state: State<'q>, fold: &Fold) -> Row<'q> {
    match (state, fold) {
        (State::One(state), Fold::One { types, .. }) => {
            let mut values = state.finish().into_iter();
            let filled = |ty: &Type| values.next().filter(|value| !value.is_null()).unwrap_or(ty.nothing());
            types.iter().map(filled).collect()
        }
        (State::Best(Some((key, values))), _) => std::iter::once(key).chain(values).collect(),
        (_, Fold::Best { key, values, .. }) => {
            std::iter::once(key.ty.nothing()).chain(values.iter().map(|node| node.ty.nothing())).collect()
        }
        (State::Best(None), Fold::One { types, .. }) => types.iter().map(|ty| ty.nothing()).collect(),
    }
}
