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
use crate::kql::value::Val;

/// One group, in the order of its first row.
struct Group<'q> {
    keys: Row<'q>,
    states: Vec<State<'q>>,
}

enum State<'q> {
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
        groups.push(Group { keys: Vec::new(), states: start(folds) });
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
            groups.push(Group { keys, states: start(folds) });
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

fn start<'q>(folds: &[Fold]) -> Vec<State<'q>> {
    let state = |fold: &Fold| match fold {
        Fold::One { aggregate, .. } => State::One((aggregate.start)()),
        Fold::Best { .. } => State::Best(None),
    };
    folds.iter().map(state).collect()
}

fn take_in<'q>(state: &mut State<'q>, fold: &Fold, row: &Row<'q>, env: &Env<'_>) -> Result<(), KqlError> {
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
        match (state, fold) {
            (State::One(state), Fold::One { ty, .. }) => {
                let value = state.finish();
                row.push(if value.is_null() { ty.nothing() } else { value });
            }
            (State::Best(Some((key, values))), _) => {
                row.push(key);
                row.extend(values);
            }
            (_, Fold::Best { key, values, .. }) => {
                row.push(key.ty.nothing());
                row.extend(values.iter().map(|node| node.ty.nothing()));
            }
            (State::Best(None), Fold::One { .. }) => {}
        }
    }
    row
}
