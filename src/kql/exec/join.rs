//! `join`: the right side is indexed by its keys, the left side streams past.

use std::collections::{HashMap, HashSet};

use super::{Row, Rows, flattened, gathered, key, rows, value};
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
    let mut key = Vec::new();
    for (at, row) in index.rows.iter().enumerate() {
        write_key(join.keys.iter().map(|(_, right)| right), row, &mut key, env)?;
        env.budget.bytes(key.len() + size_of::<usize>())?;
        index.places.entry(key.clone()).or_default().push(at);
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

fn write_key<'n>(
    nodes: impl Iterator<Item = &'n Node>,
    row: &Row<'_>,
    key: &mut Vec<u8>,
    env: &Env<'_>,
) -> Result<(), KqlError> {
    let values: Vec<Val<'_>> = nodes.map(|node| value(node, row, env)).collect::<Result<_, _>>()?;
    env.budget.step()?;
    key::write(&values, key);
    Ok(())
}

/// Kinds in which only left rows stay without a match.
fn left_kinds<'q>(join: &'q Join, left: Rows<'q>, index: Index<'q>, env: &'q Env<'q>) -> Rows<'q> {
    let mut seen: HashSet<Vec<u8>> = HashSet::new();
    let mut key = Vec::new();
    flattened(left, move |row| {
        write_key(join.keys.iter().map(|(left, _)| left), &row, &mut key, env)?;
        let places = index.places.get(&key).map(Vec::as_slice).unwrap_or_default();
        if join.kind == JoinKind::InnerUnique && !places.is_empty() {
            if seen.contains(&key) {
                return Ok(Vec::new());
            }
            env.budget.bytes(key.len() + 32)?;
            seen.insert(key.clone());
        }
        meetings(join, row, places, &index, env)
    })
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
        return Ok(vec![both(join, row, None, env)?]);
    }
    env.budget.rows(places.len())?;
    env.budget.new_rows(places.len(), row.cells().len() + join.shown.len())?;
    places.iter().map(|at| both(join, row.clone(), index.rows.get(*at), env)).collect()
}

/// A left row and a right one, or nothing in the place of the right one.
fn both<'q>(join: &Join, left: Row<'q>, right: Option<&Row<'q>>, env: &Env<'_>) -> Result<Row<'q>, KqlError> {
    let mut cells = left.into_cells(join.shown.len(), env)?;
    for at in &join.shown {
        let cell = match right {
            Some(row) => row.cell(*at)?,
            None => None,
        };
        let nothing = || join.right.columns.get(*at).map_or(Val::Null, |column| column.ty.nothing());
        cells.push(cell.unwrap_or_else(nothing));
    }
    Ok(cells.into())
}

/// Only the right side.
fn shown<'q>(join: &Join, row: &Row<'q>) -> Result<Row<'q>, KqlError> {
    let cells = join.shown.iter().map(|at| Ok(row.cell(*at)?.unwrap_or(Val::Null)));
    cells.collect::<Result<Vec<_>, _>>().map(Row::Made)
}

/// Kinds in which right rows stay, or only they do.
fn right_kinds<'q>(join: &'q Join, left: Rows<'q>, index: &Index<'q>, env: &'q Env<'q>) -> Result<Rows<'q>, KqlError> {
    let mut met = vec![false; index.rows.len()];
    let mut made = Vec::new();
    let mut key = Vec::new();
    for row in left {
        let row = row?;
        write_key(join.keys.iter().map(|(left, _)| left), &row, &mut key, env)?;
        let places = index.places.get(&key).map(Vec::as_slice).unwrap_or_default();
        for at in places {
            if let Some(met) = met.get_mut(*at) {
                *met = true;
            }
        }
        if matches!(join.kind, JoinKind::RightOuter | JoinKind::FullOuter) {
            let rows = meetings(join, row, places, index, env)?;
            env.budget.bytes(rows.iter().map(Row::size).sum())?;
            made.extend(rows);
            env.budget.rows(made.len())?;
        }
    }
    let wanted = matches!(join.kind, JoinKind::RightSemi);
    let nothing = Row::Made(join.left.iter().map(|ty| ty.nothing()).collect());
    for (row, met) in index.rows.iter().zip(met) {
        if met != wanted {
            continue;
        }
        made.push(match join.kind {
            JoinKind::RightOuter | JoinKind::FullOuter => both(join, nothing.clone(), Some(row), env)?,
            _ => shown(join, row)?,
        });
    }
    env.budget.rows(made.len())?;
    Ok(Box::new(made.into_iter().map(Ok)))
}
