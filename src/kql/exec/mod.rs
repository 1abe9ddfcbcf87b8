//! Runs a plan. Rows stream from operator to operator and borrow their text from the source table; `order`, `count`,
//! `distinct` and `summarize` gather what they need.

pub(super) mod key;
mod sort;
mod source;
mod summarize;

use std::collections::HashSet;

use super::error::KqlError;
use super::eval::budget::Budget;
use super::eval::{Env, eval, holds};
use super::ir::{Node, NodeKind};
use super::limits::Cx;
use super::plan::{From, Plan, Stage};
use super::table::{Table, Tables};
use super::value::{Val, Value};

/// A row on its way; texts borrow from the source where they can.
type Row<'t> = Vec<Val<'t>>;
type Rows<'q> = Box<dyn Iterator<Item = Result<Row<'q>, KqlError>> + 'q>;

/// Runs the plan over the tables.
pub(super) fn run(plan: &Plan, tables: &dyn Tables, cx: &Cx) -> Result<Table, KqlError> {
    let budget = Budget::new(cx.limits);
    let lets = evaluate_lets(&plan.lets, cx, &budget)?;
    let env = Env { cx, lets: &lets, budget: &budget };
    let table = match &plan.from {
        From::Table { open: true, .. } => return Err(KqlError::OpenSchema),
        From::Table { name, .. } => {
            Some(tables.table(name).ok_or_else(|| KqlError::MissingTable(crate::diagnostics::clipped(name, 80)))?)
        }
        From::Rows(_) | From::Print(_) | From::Range(_) => None,
    };
    let mut rows = source::rows(&plan.from, table.as_deref(), &env)?;
    for stage in &plan.stages {
        rows = apply(stage, rows, &env)?;
    }
    collect(plan, rows, &budget)
}

/// Each sees those before it.
fn evaluate_lets(nodes: &[Node], cx: &Cx, budget: &Budget) -> Result<Vec<Value>, KqlError> {
    let mut lets: Vec<Value> = Vec::new();
    for node in nodes {
        let value = eval(node, &[], &Env { cx, lets: &lets, budget })?.into_owned();
        lets.push(value);
    }
    Ok(lets)
}

fn apply<'q>(stage: &'q Stage, rows: Rows<'q>, env: &'q Env<'q>) -> Result<Rows<'q>, KqlError> {
    Ok(match stage {
        Stage::Where(condition) => Box::new(rows.filter_map(move |row| keep(condition, row, env).transpose())),
        Stage::Extend(slots) => Box::new(rows.map(move |row| extended(slots, row?, env))),
        Stage::Project(nodes) => Box::new(rows.map(move |row| {
            let row = row?;
            nodes.iter().map(|node| value(node, &row, env)).collect()
        })),
        Stage::Order(keys) => sort::ordered(keys, gathered(rows, env)?, env)?,
        Stage::Take(node) => {
            let wanted = eval(node, &[], env)?.as_long().unwrap_or(0);
            Box::new(rows.take(usize::try_from(wanted).unwrap_or(0)))
        }
        Stage::Count => {
            let mut count = 0_i64;
            for row in rows {
                row?;
                count += 1;
            }
            Box::new(std::iter::once(Ok(vec![Val::Long(count)])))
        }
        Stage::Distinct => Box::new(distinct(rows, env)),
        Stage::Summarize { by, folds } => summarize::groups(by, folds, rows, env)?,
    })
}

fn keep<'q>(condition: &Node, row: Result<Row<'q>, KqlError>, env: &Env<'_>) -> Result<Option<Row<'q>>, KqlError> {
    let row = row?;
    Ok(holds(condition, &row, env)?.then_some(row))
}

fn extended<'q>(slots: &[(usize, Node)], row: Row<'q>, env: &Env<'_>) -> Result<Row<'q>, KqlError> {
    let values: Vec<Val<'q>> = slots.iter().map(|(_, node)| value(node, &row, env)).collect::<Result<_, _>>()?;
    let mut row = row;
    for ((at, _), value) in slots.iter().zip(values) {
        match row.get_mut(*at) {
            Some(cell) => *cell = value,
            None => row.push(value),
        }
    }
    Ok(row)
}

/// The value of a node: a column as it is, without a copy of its text; anything else on its own feet.
fn value<'q>(node: &Node, row: &Row<'q>, env: &Env<'_>) -> Result<Val<'q>, KqlError> {
    if let NodeKind::Slot(at) = node.kind
        && let Some(cell) = row.get(at)
    {
        return Ok(cell.clone());
    }
    Ok(eval(node, row, env)?.into_owned())
}

fn gathered<'q>(rows: Rows<'q>, env: &Env<'_>) -> Result<Vec<Row<'q>>, KqlError> {
    let mut all = Vec::new();
    for row in rows {
        all.push(row?);
        env.budget.rows(all.len())?;
    }
    Ok(all)
}

fn distinct<'q>(rows: Rows<'q>, env: &'q Env<'q>) -> impl Iterator<Item = Result<Row<'q>, KqlError>> + 'q {
    let mut seen = HashSet::new();
    rows.filter_map(move |row| {
        let row = match row {
            Ok(row) => row,
            Err(error) => return Some(Err(error)),
        };
        let key = key::of(&row);
        if let Err(error) = env.budget.bytes(key.len()) {
            return Some(Err(error));
        }
        seen.insert(key).then_some(Ok(row))
    })
}

fn collect(plan: &Plan, rows: Rows<'_>, budget: &Budget) -> Result<Table, KqlError> {
    let mut all: Vec<Vec<Value>> = Vec::new();
    for row in rows {
        let row = row?;
        let texts: usize = row.iter().filter_map(Val::as_str).map(str::len).sum();
        budget.bytes(texts + row.len() * size_of::<Value>())?;
        all.push(row.into_iter().map(Val::into_owned).collect());
        budget.rows(all.len())?;
    }
    Ok(Table { columns: plan.columns.clone(), rows: all })
}
