//! Operators that work on groups of rows: `partition` and `top-nested`.

use std::cmp::Ordering;
use std::collections::HashMap;

use super::summarize::{State, finish_one, start, take_in};
use super::{Row, Rows, gathered, key, rows, value};
use crate::kql::cells::Cells;
use crate::kql::error::KqlError;
use crate::kql::eval::compare::sort_order;
use crate::kql::eval::{Env, eval};
use crate::kql::ir::Node;
use crate::kql::plan::{Level, Plan};
use crate::kql::value::Val;

/// The steps of `body` on the rows of each group.
pub(super) fn partitioned<'q>(
    by: &'q Node,
    body: &'q Plan,
    input: Rows<'q>,
    env: &'q Env<'q>,
) -> Result<Rows<'q>, KqlError> {
    let mut made = Vec::new();
    for (_, group) in grouped(by, gathered(input, env)?, env)? {
        made.push(rows(body, Some(Box::new(group.into_iter().map(Ok))), env)?);
    }
    Ok(Box::new(made.into_iter().flatten()))
}

/// Groups of rows with one value, in the order of their first rows.
fn grouped<'q>(by: &Node, all: Vec<Row<'q>>, env: &Env<'_>) -> Result<Vec<(Val<'q>, Vec<Row<'q>>)>, KqlError> {
    let mut places: HashMap<Vec<u8>, usize> = HashMap::new();
    let mut groups: Vec<(Val<'q>, Vec<Row<'q>>)> = Vec::new();
    for row in all {
        let own = value(by, &row, env)?;
        let encoded = key::of(std::slice::from_ref(&own));
        env.budget.bytes(encoded.len())?;
        let at = *places.entry(encoded).or_insert(groups.len());
        match groups.get_mut(at) {
            Some((_, rows)) => rows.push(row),
            None => groups.push((own, vec![row])),
        }
    }
    Ok(groups)
}

pub(super) fn top_nested<'q>(levels: &'q [Level], all: Vec<Row<'q>>, env: &'q Env<'q>) -> Result<Rows<'q>, KqlError> {
    let mut made = Vec::new();
    descend(levels, all, &[], &mut made, env)?;
    Ok(Box::new(made.into_iter().map(Ok)))
}

/// The best groups of this level, each with the best groups below it.
fn descend<'q>(
    levels: &'q [Level],
    all: Vec<Row<'q>>,
    before: &[Val<'q>],
    made: &mut Vec<Row<'q>>,
    env: &'q Env<'q>,
) -> Result<(), KqlError> {
    let Some((level, below)) = levels.split_first() else {
        made.push(before.to_vec().into());
        return env.budget.rows(made.len());
    };
    let mut groups = Vec::new();
    for (name, rows) in grouped(&level.of, all, env)? {
        groups.push((name, folded(level, &rows, env)?, rows));
    }
    groups.sort_by(|(_, a, _), (_, b, _)| match (a.is_null(), b.is_null()) {
        (true, true) => Ordering::Equal,
        (true, false) => Ordering::Greater,
        (false, true) => Ordering::Less,
        (false, false) if level.ascending => sort_order(a, b),
        (false, false) => sort_order(b, a),
    });
    let wanted = match &level.rows {
        Some(rows) => usize::try_from(eval(rows, Cells::NONE, env)?.as_long().unwrap_or(0)).unwrap_or(0),
        None => groups.len(),
    };
    let rest = groups.split_off(wanted.min(groups.len()));
    for (name, best, rows) in groups {
        let mut row = before.to_vec();
        row.extend([name, best]);
        descend(below, rows, &row, made, env)?;
    }
    let rest: Vec<Row<'q>> = rest.into_iter().flat_map(|(_, _, rows)| rows).collect();
    if let Some(others) = level.others.as_ref().filter(|_| !rest.is_empty()) {
        let mut row = before.to_vec();
        row.extend([eval(others, Cells::NONE, env)?.into_owned(), folded(level, &rest, env)?]);
        // Below the others there are only others.
        for level in below {
            let name = match &level.others {
                Some(others) => eval(others, Cells::NONE, env)?.into_owned(),
                None => level.of.ty.nothing(),
            };
            row.extend([name, folded(level, &rest, env)?]);
        }
        made.push(row.into());
    }
    Ok(())
}

fn folded<'q>(level: &'q Level, rows: &[Row<'q>], env: &'q Env<'q>) -> Result<Val<'q>, KqlError> {
    let mut state: State<'q> = start(&level.by);
    for row in rows {
        take_in(&mut state, &level.by, row, env)?;
    }
    finish_one(state, &level.by, env)
}
