//! Runs a plan. Rows stream from operator to operator and borrow their text from the source table; `order`, `count`,
//! `distinct`, `summarize` and the like gather what they need.

mod expand;
mod join;
pub(super) mod key;
mod nested;
mod parse;
mod series;
mod sort;
mod source;
mod summarize;
mod windows;

use std::collections::HashSet;

use super::dynamic::Dynamic;
use super::error::KqlError;
use super::eval::budget::Budget;
use super::eval::{Env, Fetched, Ready, eval, holds, lookup_key};
use super::ir::{Node, NodeKind};
use super::limits::Cx;
use super::plan::{Plan, Prepared, Program, Stage};
use super::schema::Column;
use super::table::{Table, Tables};
use super::value::{Val, Value};

/// A row on its way; texts borrow from the source where they can.
type Row<'t> = Vec<Val<'t>>;
type Rows<'q> = Box<dyn Iterator<Item = Result<Row<'q>, KqlError>> + 'q>;

/// Runs the program over the tables.
pub(super) fn run(program: &Program, tables: &dyn Tables, cx: &Cx) -> Result<Table, KqlError> {
    let budget = Budget::new(cx.limits);
    let fetched = fetch(program, tables)?;
    let mut ready: Vec<Ready> = Vec::new();
    for prepared in &program.prepared {
        let made = prepare(prepared, &Env { cx, ready: &ready, tables: Some(&fetched), budget: &budget })?;
        ready.push(made);
    }
    let env = Env { cx, ready: &ready, tables: Some(&fetched), budget: &budget };
    collect(&program.plan.columns, rows(&program.plan, None, &env)?, &budget)
}

fn fetch<'t>(program: &Program, tables: &'t dyn Tables) -> Result<Fetched<'t>, KqlError> {
    let mut names = Vec::new();
    let mut open = false;
    program.tables(&mut |name, guessed| {
        names.push(name.to_owned());
        open |= guessed;
    });
    if open {
        return Err(KqlError::OpenSchema);
    }
    let mut fetched = Fetched::new();
    for name in names {
        let missing = || KqlError::MissingTable(crate::diagnostics::clipped(&name, 80));
        let table = tables.table(&name).ok_or_else(missing)?;
        fetched.insert(name, table);
    }
    Ok(fetched)
}

fn prepare(prepared: &Prepared, env: &Env<'_>) -> Result<Ready, KqlError> {
    Ok(match prepared {
        Prepared::Scalar(node) => Ready::Value(eval(node, &[], env)?.into_owned()),
        Prepared::First(plan, ty) => {
            let first = rows(plan, None, env)?.next().transpose()?;
            let value = first.and_then(|row| row.into_iter().next()).map_or(Val::Null, Val::into_owned);
            Ready::Value(if value.is_null() { ty.nothing() } else { value })
        }
        Prepared::List(plan) => {
            let mut items = Vec::new();
            for row in rows(plan, None, env)? {
                let value = row?.into_iter().next().unwrap_or(Val::Null);
                env.budget.bytes(size_of::<Dynamic>() + value.as_str().map_or(0, str::len))?;
                items.push(Dynamic::from_val(&value));
            }
            Ready::Value(Val::dynamic(Dynamic::Array(items.into())))
        }
        Prepared::Set { plan, any_case } => {
            let mut set = HashSet::new();
            for row in rows(plan, None, env)? {
                let value = row?.into_iter().next().unwrap_or(Val::Null);
                for value in listed(&value) {
                    let key = lookup_key(&value, *any_case);
                    env.budget.bytes(key.len() + 32)?;
                    set.insert(key);
                }
            }
            Ready::Set(set)
        }
        Prepared::Rows(plan) => Ready::Rows(collect(&plan.columns, rows(plan, None, env)?, env.budget)?),
    })
}

/// A value in a list: an array stands for its elements, null for nothing.
fn listed<'v>(value: &'v Val<'_>) -> Vec<Val<'v>> {
    match value.as_dynamic().and_then(Dynamic::items) {
        Some(items) => items.iter().map(super::eval::convert::scalar).filter(|value| !value.is_null()).collect(),
        None if value.is_null() => Vec::new(),
        None => vec![value.borrowed()],
    }
}

/// The rows of a plan; `input` is what the surrounding operator gives.
fn rows<'q>(plan: &'q Plan, input: Option<Rows<'q>>, env: &'q Env<'q>) -> Result<Rows<'q>, KqlError> {
    let mut rows = source::rows(&plan.from, input, env)?;
    for stage in &plan.stages {
        rows = apply(stage, rows, env)?;
    }
    Ok(rows)
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
        Stage::Join(join) => join::joined(join, rows, env)?,
        Stage::Expand(expand) => expand::expanded(expand, rows, env),
        Stage::Apply { expand, body } => expand::applied(expand, body, rows, env),
        Stage::Parse(parse) => {
            Box::new(rows.map(move |row| parse::parsed(parse, row?, env)).filter_map(Result::transpose))
        }
        Stage::ParseKv(parse) => Box::new(rows.map(move |row| parse::pairs(parse, row?, env))),
        Stage::Windows(calls) => windows::with_windows(calls, gathered(rows, env)?, env)?,
        Stage::MakeSeries(series) => series::made(series, rows, env)?,
        Stage::TopNested(levels) => nested::top_nested(levels, gathered(rows, env)?, env)?,
        Stage::Partition { by, body } => nested::partitioned(by, body, rows, env)?,
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
        put(&mut row, *at, value);
    }
    Ok(row)
}

/// Puts a value into its slot, or behind the last one.
fn put<'q>(row: &mut Row<'q>, at: usize, value: Val<'q>) {
    match row.get_mut(at) {
        Some(cell) => *cell = value,
        None => row.push(value),
    }
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
        let row = row?;
        env.budget.bytes(row.len() * size_of::<Value>())?;
        all.push(row);
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

fn collect(columns: &[Column], rows: Rows<'_>, budget: &Budget) -> Result<Table, KqlError> {
    let mut all: Vec<Vec<Value>> = Vec::new();
    for row in rows {
        let row = row?;
        let texts: usize = row.iter().filter_map(Val::as_str).map(str::len).sum();
        budget.bytes(texts + row.len() * size_of::<Value>())?;
        all.push(row.into_iter().map(Val::into_owned).collect());
        budget.rows(all.len())?;
    }
    Ok(Table { columns: columns.to_vec(), rows: all })
}
