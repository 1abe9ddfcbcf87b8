//! `order by`: stable, each key with its own direction and place for nulls.

use std::cmp::Ordering;

use super::{Row, Rows, value};
use crate::kql::error::KqlError;
use crate::kql::eval::Env;
use crate::kql::eval::compare::sort_order;
use crate::kql::plan::Key;
use crate::kql::value::Val;

pub(super) fn ordered<'q>(keys: &'q [Key], rows: Vec<Row<'q>>, env: &Env<'_>) -> Result<Rows<'q>, KqlError> {
    let mut keyed = Vec::with_capacity(rows.len());
    for row in rows {
        let values: Vec<Val<'q>> = keys.iter().map(|key| value(&key.node, &row, env)).collect::<Result<_, _>>()?;
        env.budget.bytes(values.iter().filter_map(Val::as_str).map(str::len).sum())?;
        keyed.push((values, row));
    }
    keyed.sort_by(|(a, _), (b, _)| {
        let orders = keys.iter().zip(a.iter().zip(b)).map(|(key, (a, b))| order_by(key, a, b));
        orders.into_iter().find(|order| *order != Ordering::Equal).unwrap_or(Ordering::Equal)
    });
    Ok(Box::new(keyed.into_iter().map(|(_, row)| Ok(row))))
}

fn order_by(key: &Key, a: &Val<'_>, b: &Val<'_>) -> Ordering {
    let nulls = if key.nulls_first { Ordering::Less } else { Ordering::Greater };
    match (a.is_null(), b.is_null()) {
        (true, true) => Ordering::Equal,
        (true, false) => nulls,
        (false, true) => nulls.reverse(),
        (false, false) if key.ascending => sort_order(a, b),
        (false, false) => sort_order(b, a),
    }
}
