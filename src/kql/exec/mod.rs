//! Runs a plan. Rows stream from operator to operator, as they are stored until one changes them; `order`, `distinct`,
//! `summarize` and the like gather what they need.

mod expand;
mod filter;
mod join;
mod kernel;
pub(super) mod key;
mod nested;
mod parse;
mod row;
mod series;
mod sort;
mod source;
mod summarize;
mod windows;

use std::collections::HashSet;

use self::row::Row;
use super::cells::Cells;
use super::dynamic::Dynamic;
use super::error::KqlError;
use super::eval::budget::Budget;
use super::eval::lookup::Held;
use super::eval::{Env, Fetched, Ready, Source, eval, holds, lookup_key};
use super::grid::Grid;
use super::ir::{Node, NodeKind};
use super::limits::Cx;
use super::plan::{Plan, Prepared, Program, Stage};
use super::schema::Column;
use super::table::{Table, Tables};
use super::value::{Val, Value};

type Rows<'q> = Box<dyn Iterator<Item = Result<Row<'q>, KqlError>> + 'q>;

/// Runs the program over the tables. All that is run for one query shares a budget.
pub(super) fn run(program: &Program, tables: &dyn Tables, cx: &Cx, budget: &Budget) -> Result<Table, KqlError> {
    let fetched = fetch(program, tables)?;
    let mut ready: Vec<Ready> = Vec::new();
    for prepared in &program.prepared {
        let made = prepare(prepared, &Env { cx, ready: &ready, tables: Some(&fetched), budget })?;
        ready.push(made);
    }
    let env = Env { cx, ready: &ready, tables: Some(&fetched), budget };
    collect(&program.plan.columns, rows(&program.plan, None, &env)?, &env)
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
        let source = match tables.stream(&name) {
            Some(stream) => Source::Streamed(stream),
            None => Source::Held(tables.table(&name).ok_or_else(missing)?),
        };
        fetched.insert(name, source);
    }
    Ok(fetched)
}

fn prepare(prepared: &Prepared, env: &Env<'_>) -> Result<Ready, KqlError> {
    Ok(match prepared {
        Prepared::Scalar(node) => Ready::Value(Held::new(eval(node, Cells::NONE, env)?.into_owned())),
        Prepared::First(plan, ty) => {
            let first = rows(plan, None, env)?.next().transpose()?;
            let value =
                first.as_ref().and_then(|row| row.cells().get(0)).map_or(Val::Null, |value| value.clone().into_owned());
            Ready::Value(Held::new(if value.is_null() { ty.nothing() } else { value }))
        }
        Prepared::List(plan) => {
            let mut items = Vec::new();
            for row in rows(plan, None, env)? {
                let row = row?;
                let value = row.cells().get(0).unwrap_or(&Val::Null);
                env.budget.bytes(size_of::<Dynamic>() + value.size())?;
                items.push(Dynamic::from_val(value));
            }
            Ready::Value(Held::new(Val::dynamic(Dynamic::Array(items.into()))))
        }
        Prepared::Set { plan, any_case } => {
            let mut set = HashSet::new();
            for row in rows(plan, None, env)? {
                let row = row?;
                for value in listed(row.cells().get(0).unwrap_or(&Val::Null)) {
                    let key = lookup_key(&value, *any_case);
                    env.budget.bytes(key.len() + 32)?;
                    set.insert(key);
                }
            }
            Ready::Set(set)
        }
        Prepared::Rows(plan) => Ready::Rows(collect(&plan.columns, rows(plan, None, env)?, env)?),
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
    let (mut rows, stages) = match plan.stages.split_first() {
        Some((Stage::Where(condition), stages)) => match source::as_stored(&plan.from, env) {
            Some((table, columns)) => (filter::filtered(condition, columns, table, env), stages),
            None => (source::rows(&plan.from, input, env)?, plan.stages.as_slice()),
        },
        _ => (source::rows(&plan.from, input, env)?, plan.stages.as_slice()),
    };
    let mut stages = stages.iter().peekable();
    while let Some(stage) = stages.next() {
        rows = match (stage, stages.peek()) {
            (Stage::Order(keys), Some(Stage::Take(node))) => {
                stages.next();
                sort::first(keys, wanted(node, env)?, rows, env)?
            }
            _ => apply(stage, rows, env)?,
        };
    }
    Ok(rows)
}

/// How many rows `take` takes.
fn wanted(node: &Node, env: &Env<'_>) -> Result<usize, KqlError> {
    Ok(usize::try_from(eval(node, Cells::NONE, env)?.as_long().unwrap_or(0)).unwrap_or(0))
}

fn apply<'q>(stage: &'q Stage, rows: Rows<'q>, env: &'q Env<'q>) -> Result<Rows<'q>, KqlError> {
    Ok(match stage {
        Stage::Where(condition) => Box::new(rows.filter_map(move |row| keep(condition, row, env).transpose())),
        Stage::Extend(slots) => Box::new(rows.map(move |row| extended(slots, row?, env))),
        Stage::Project(nodes) => Box::new(rows.map(move |row| {
            let row = row?;
            Ok(Row::Made(values(nodes, &row, env)?))
        })),
        Stage::Order(keys) => sort::ordered(keys, gathered(rows, env)?, env)?,
        Stage::Take(node) => Box::new(rows.take(wanted(node, env)?)),
        Stage::Count => {
            let mut count = 0_i64;
            for row in rows {
                row?;
                count += 1;
            }
            Box::new(std::iter::once(Ok(vec![Val::Long(count)].into())))
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
    Ok(holds(condition, row.cells(), env)?.then_some(row))
}

fn extended<'q>(slots: &[(usize, Node)], row: Row<'q>, env: &Env<'_>) -> Result<Row<'q>, KqlError> {
    let values: Vec<Val<'q>> = slots.iter().map(|(_, node)| value(node, &row, env)).collect::<Result<_, _>>()?;
    let mut cells = row.into_cells(slots.len(), env)?;
    for ((at, _), value) in slots.iter().zip(values) {
        put(&mut cells, *at, value);
    }
    Ok(cells.into())
}

/// Puts a value into its slot, or behind the last one.
fn put<'q>(row: &mut Vec<Val<'q>>, at: usize, value: Val<'q>) {
    match row.get_mut(at) {
        Some(cell) => *cell = value,
        None => row.push(value),
    }
}

/// The value of a node: a column as it is, without a copy of its text; anything else on its own feet.
fn value<'q>(node: &Node, row: &Row<'q>, env: &Env<'_>) -> Result<Val<'q>, KqlError> {
    if let NodeKind::Slot(at) = node.kind
        && let Some(cell) = row.cell(at)?
    {
        return Ok(cell);
    }
    Ok(eval(node, row.cells(), env)?.into_owned())
}

/// The values of some nodes.
fn values<'q>(nodes: &[Node], row: &Row<'q>, env: &Env<'_>) -> Result<Vec<Val<'q>>, KqlError> {
    let mut all = Vec::with_capacity(nodes.len());
    for node in nodes {
        all.push(value(node, row, env)?);
    }
    Ok(all)
}

/// The rows that `many` makes of each row, one after the other.
fn flattened<'q>(mut rows: Rows<'q>, mut many: impl FnMut(Row<'q>) -> Result<Vec<Row<'q>>, KqlError> + 'q) -> Rows<'q> {
    let mut made = Vec::new().into_iter();
    Box::new(std::iter::from_fn(move || {
        loop {
            if let Some(row) = made.next() {
                return Some(Ok(row));
            }
            match rows.next()?.and_then(&mut many) {
                Ok(rows) => made = rows.into_iter(),
                Err(error) => return Some(Err(error)),
            }
        }
    }))
}

fn gathered<'q>(rows: Rows<'q>, env: &Env<'_>) -> Result<Vec<Row<'q>>, KqlError> {
    let mut all = Vec::new();
    for row in rows {
        let row = row?;
        env.budget.bytes(row.size())?;
        all.push(row);
        env.budget.rows(all.len())?;
    }
    Ok(all)
}

fn distinct<'q>(rows: Rows<'q>, env: &'q Env<'q>) -> impl Iterator<Item = Result<Row<'q>, KqlError>> + 'q {
    let mut seen: HashSet<Vec<u8>> = HashSet::new();
    let mut key = Vec::new();
    let mut is_new = move |row: &Row<'q>| {
        key::write(row.cells(), &mut key);
        let new = !seen.contains(&key);
        if new {
            env.budget.bytes(key.len() + 32)?;
            seen.insert(key.clone());
        }
        Ok(new)
    };
    rows.filter_map(move |row| row.and_then(|row| Ok(is_new(&row)?.then_some(row))).transpose())
}

fn collect(columns: &[Column], rows: Rows<'_>, env: &Env<'_>) -> Result<Table, KqlError> {
    let mut all = Grid::new(columns.len());
    for row in rows {
        let row = row?;
        let cells = row.cells();
        env.budget.bytes(cells.iter().map(Val::size).sum::<usize>() + cells.len() * size_of::<Value>())?;
        all.push(row.into_cells(0, env)?.into_iter().map(Val::into_owned));
        env.budget.rows(all.len())?;
    }
    Ok(Table { columns: columns.to_vec(), rows: all })
}
