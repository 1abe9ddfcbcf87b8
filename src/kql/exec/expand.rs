//! `mv-expand` and `mv-apply`.

use std::sync::Arc;

use super::{Row, Rows, flattened, put, rows};
use crate::kql::cells::Cells;
use crate::kql::dynamic::{Bag, Dynamic};
use crate::kql::error::KqlError;
use crate::kql::eval::convert::convert;
use crate::kql::eval::{Env, eval};
use crate::kql::plan::{Expand, Plan};
use crate::kql::value::{Type, Val};

pub(super) fn expanded<'q>(expand: &'q Expand, rows: Rows<'q>, env: &'q Env<'q>) -> Rows<'q> {
    flattened(rows, move |row| one(expand, &row, env))
}

/// The steps of `body` on the rows each row expands to; its results stand behind the columns of the row.
pub(super) fn applied<'q>(expand: &'q Expand, body: &'q Plan, outer: Rows<'q>, env: &'q Env<'q>) -> Rows<'q> {
    flattened(outer, move |row| {
        let inner = one(expand, &row, env)?;
        if inner.is_empty() {
            return Ok(Vec::new());
        }
        let input: Rows<'q> = Box::new(inner.into_iter().map(Ok));
        let mut made = Vec::new();
        for result in rows(body, Some(input), env)? {
            let result = result?;
            let mut whole = row.clone().into_cells(result.cells().len(), env)?;
            whole.extend(result.into_cells(0, env)?);
            env.budget.new_rows(1, whole.len())?;
            env.budget.bytes(whole.len() * size_of::<Val<'_>>())?;
            made.push(whole.into());
        }
        Ok(made)
    })
}

/// The rows that one row becomes. Arrays side by side are expanded together, the shorter ones filled with null.
fn one<'q>(expand: &Expand, row: &Row<'q>, env: &Env<'_>) -> Result<Vec<Row<'q>>, KqlError> {
    let mut lists = Vec::new();
    for (node, ..) in &expand.columns {
        lists.push(elements(&eval(node, row.cells(), env)?, expand.pairs));
    }
    let mut count = lists.iter().map(Vec::len).max().unwrap_or(0);
    if let Some(limit) = &expand.limit {
        let most = eval(limit, Cells::NONE, env)?.as_long().unwrap_or(i64::MAX);
        count = count.min(usize::try_from(most).unwrap_or(0));
    }
    env.budget.rows(count)?;
    env.budget.new_rows(count, row.cells().len() + expand.columns.len())?;
    let mut made = Vec::with_capacity(count);
    for at in 0..count {
        let mut new = row.clone().into_cells(expand.columns.len() + 1, env)?;
        for ((_, slot, ty), list) in expand.columns.iter().zip(&lists) {
            let element = list.get(at).cloned().unwrap_or(Dynamic::Null);
            put(&mut new, *slot, cast(element, *ty));
        }
        if let Some(slot) = expand.index {
            put(&mut new, slot, i64::try_from(at).map_or(Val::Null, Val::Long));
        }
        made.push(new.into());
    }
    Ok(made)
}

/// The elements of an array, the properties of a bag, or the value itself; null is one null.
fn elements(value: &Val<'_>, pairs: bool) -> Vec<Dynamic> {
    let Val::Dyn(value) = value else { return vec![Dynamic::Null] };
    match &**value {
        Dynamic::Array(items) => items.to_vec(),
        Dynamic::Bag(bag) if pairs => bag
            .iter()
            .map(|(name, value)| Dynamic::Array([Dynamic::Str(Arc::from(name)), value.clone()].into_iter().collect()))
            .collect(),
        Dynamic::Bag(bag) => {
            let single =
                |(name, value): (&str, &Dynamic)| Dynamic::Bag(Arc::new(Bag::new([(Arc::from(name), value.clone())])));
            bag.iter().map(single).collect()
        }
        other => vec![other.clone()],
    }
}

/// An element as the type that was asked for. Text is not read as a number: what is of another type is null.
fn cast<'q>(element: Dynamic, ty: Type) -> Val<'q> {
    let numeric = matches!(ty, Type::Bool | Type::Int | Type::Long | Type::Real);
    if numeric && matches!(element, Dynamic::Str(_)) {
        return Val::Null;
    }
    if ty == Type::Dynamic {
        return Val::dynamic(element);
    }
    let value = convert(Val::Dyn(element.into()), ty).into_owned();
    if value.is_null() { ty.nothing() } else { value }
}
