//! `join`: the right side is indexed by its keys, the left side streams past.

use std::collections::{HashMap, HashSet};

use super::{Row, Rows, gathered, key, rows, value};
use crate::kql::error::KqlError;
use crate::kql::eval::Env;
use crate::kql::ir::Node;
use crate::kql::plan::{Join, JoinKind};
use crate::kql::value::Val;

/// The right rows, and which of them have which key.
struct Index<'q> {
    rows: Vec<Row<'q>>,
    places: HashMap<Vec<u8>, Vec<usize>>,
}

pub(super) fn joined<'q>(join: &'q Join, left: Rows<'q>, env: &'q Env<'q>) -> Result<Rows<'q>, KqlError> {
    let right = gathered(rows(&join.right, None, env)?, env)?;
    let mut index = Index { rows: right, places: HashMap::new() };
    for (at, row) in index.rows.iter().enumerate() {
        let key = key_of(join.keys.iter().map(|(_, right)| right), row, env)?;
        env.budget.bytes(key.len() + size_of::<usize>())?;
        index.places.entry(key).or_default().push(at);
    }
    match join.kind {
        JoinKind::RightOuter | JoinKind::FullOuter | JoinKind::RightSemi | JoinKind::RightAnti => {
            right_kinds(join, left, &index, env)
        }
        JoinKind::Inner | JoinKind::InnerUnique | JoinKind::LeftOuter | JoinKind::LeftSemi | JoinKind::LeftAnti => {
            Ok(left_kinds(join, left, index, env))
        }
    }
}

fn key_of<'n>(nodes: impl Iterator<Item = &'n Node>, row: &Row<'_>, env: &Env<'_>) -> Result<Vec<u8>, KqlError> {
    let values: Vec<Val<'_>> = nodes.map(|node| value(node, row, env)).collect::<Result<_, _>>()?;
    env.budget.step()?;
    Ok(key::of(&values))
}

/// Kinds in which only left rows stay without a match.
fn left_kinds<'q>(join: &'q Join, left: Rows<'q>, index: Index<'q>, env: &'q Env<'q>) -> Rows<'q> {
    let mut seen = HashSet::new();
    Box::new(left.flat_map(move |row| {
        let found = row.and_then(|row| {
            let key = key_of(join.keys.iter().map(|(left, _)| left), &row, env)?;
            let places = index.places.get(&key).map(Vec::as_slice).unwrap_or_default();
            let passed_over = join.kind == JoinKind::InnerUnique && !seen.insert(key);
            if passed_over { Ok(Vec::new()) } else { meetings(join, row, places, &index, env) }
        });
        match found {
            Ok(rows) => rows.into_iter().map(Ok).collect::<Vec<_>>(),
            Err(error) => vec![Err(error)],
        }
    }))
}

fn meetings<'q>(
    join: &Join,
    row: Row<'q>,
    places: &[usize],
    index: &Index<'q>,
    env: &Env<'_>,
) -> Result<Vec<Row<'q>>, KqlError> {
    match join.kind {
        JoinKind::LeftSemi => return Ok(if places.is_empty() { Vec::new() } else { vec![row] }),
        JoinKind::LeftAnti => return Ok(if places.is_empty() { vec![row] } else { Vec::new() }),
        _ => {}
    }
    let keeps_left = matches!(join.kind, JoinKind::LeftOuter | JoinKind::FullOuter);
    if places.is_empty() && keeps_left {
        return Ok(vec![both(join, row, None)]);
    }
    env.budget.rows(places.len())?;
    env.budget.steps(places.len() as u64 * (1 + row.len() as u64 / 4))?;
    Ok(places.iter().map(|at| both(join, row.clone(), index.rows.get(*at))).collect())
}

/// A left row and a right one, or nothing in the place of the right one.
fn both<'q>(join: &Join, mut left: Row<'q>, right: Option<&Row<'q>>) -> Row<'q> {
    for at in &join.shown {
        let ty = join.right.columns.get(*at).map(|column| column.ty);
        let cell = right.and_then(|row| row.get(*at)).cloned();
        left.push(cell.or_else(|| ty.map(crate::kql::value::Type::nothing)).unwrap_or(Val::Null));
    }
    left
}

/// Kinds in which right rows stay, or only they do.
fn right_kinds<'q>(join: &'q Join, left: Rows<'q>, index: &Index<'q>, env: &'q Env<'q>) -> Result<Rows<'q>, KqlError> {
    let mut met = vec![false; index.rows.len()];
    let mut made = Vec::new();
    for row in left {
        let row = row?;
        let key = key_of(join.keys.iter().map(|(left, _)| left), &row, env)?;
        let places = index.places.get(&key).map(Vec::as_slice).unwrap_or_default();
        for at in places {
            if let Some(met) = met.get_mut(*at) {
                *met = true;
            }
        }
        if matches!(join.kind, JoinKind::RightOuter | JoinKind::FullOuter) {
            let rows = meetings(join, row, places, index, env)?;
            env.budget.bytes(rows.iter().map(|row| row.len() * size_of::<Val<'_>>()).sum())?;
            made.extend(rows);
            env.budget.rows(made.len())?;
        }
    }
    let wanted = matches!(join.kind, JoinKind::RightSemi);
    let nothing: Row<'q> = join.left.iter().map(|ty| ty.nothing()).collect();
    for (row, met) in index.rows.iter().zip(met) {
        if met != wanted {
            continue;
        }
        made.push(match join.kind {
            JoinKind::RightOuter | JoinKind::FullOuter => both(join, nothing.clone(), Some(row)),
            _ => join.shown.iter().map(|at| row.get(*at).cloned().unwrap_or(Val::Null)).collect(),
        });
    }
    env.budget.rows(made.len())?;
    Ok(Box::new(made.into_iter().map(Ok)))
}
