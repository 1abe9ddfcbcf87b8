//! `row_number`, `prev` and their kin: values that depend on other rows.

use super::{Row, Rows, values};
use crate::kql::error::KqlError;
use crate::kql::eval::Env;
use crate::kql::eval::compare::equals;
use crate::kql::eval::convert::convert;
use crate::kql::functions::windows::Kind;
use crate::kql::plan::WindowCall;
use crate::kql::value::{Type, Val};

/// The rows with the value of each call behind their columns.
pub(super) fn with_windows<'q>(
    calls: &'q [WindowCall],
    mut rows: Vec<Row<'q>>,
    env: &'q Env<'q>,
) -> Result<Rows<'q>, KqlError> {
    for call in calls {
        let values = computed(call, &rows, env)?;
        rows = with_values(rows, values, env)?;
    }
    Ok(Box::new(rows.into_iter().map(Ok)))
}

fn with_values<'q>(rows: Vec<Row<'q>>, values: Vec<Val<'q>>, env: &Env<'_>) -> Result<Vec<Row<'q>>, KqlError> {
    let added = rows.into_iter().zip(values).map(|(row, value)| {
        let mut cells = row.into_cells(1, env)?;
        cells.push(value);
        Ok(cells.into())
    });
    added.collect()
}

fn computed<'q>(call: &WindowCall, rows: &[Row<'q>], env: &Env<'_>) -> Result<Vec<Val<'q>>, KqlError> {
    let mut args = Vec::with_capacity(rows.len());
    for row in rows {
        args.push(values(&call.args, row, env)?);
    }
    env.budget.bytes(rows.len() * size_of::<Val<'_>>() * (call.args.len() + 1))?;
    let made: Vec<Val<'q>> = match call.window.kind {
        Kind::RowNumber => row_numbers(&args),
        Kind::Prev => neighbours(&args, call.ty, -1),
        Kind::Next => neighbours(&args, call.ty, 1),
        Kind::Sum => sums(&args, call.ty),
        Kind::RankDense => ranks(&args, true),
        Kind::RankMin => ranks(&args, false),
        Kind::Session => sessions(&args),
    };
    let filled = made.into_iter().map(|value| if value.is_null() { call.ty.nothing() } else { value });
    Ok(filled.collect())
}

fn flag(args: &[Val<'_>], at: usize) -> bool {
    args.get(at).and_then(Val::as_bool) == Some(true)
}

fn row_numbers<'q>(args: &[Vec<Val<'q>>]) -> Vec<Val<'q>> {
    let first = |args: &Vec<Val<'q>>| args.first().and_then(Val::as_long).unwrap_or(1);
    let mut next = None;
    args.iter()
        .map(|args| {
            let number = if flag(args, 1) { first(args) } else { next.unwrap_or_else(|| first(args)) };
            next = Some(number.saturating_add(1));
            Val::Long(number)
        })
        .collect()
}

fn neighbours<'q>(args: &[Vec<Val<'q>>], ty: Type, direction: i64) -> Vec<Val<'q>> {
    let of = |(at, own): (usize, &Vec<Val<'q>>)| {
        let offset = own.get(1).and_then(Val::as_long).unwrap_or(1).checked_mul(direction);
        let there = offset.and_then(|offset| i64::try_from(at).ok()?.checked_add(offset));
        let row = there.and_then(|at| args.get(usize::try_from(at).ok()?));
        match row {
            Some(row) => row.first().cloned().unwrap_or(Val::Null),
            None => convert(own.get(2).cloned().unwrap_or(Val::Null), ty),
        }
    };
    args.iter().enumerate().map(of).collect()
}

fn sums<'q>(args: &[Vec<Val<'q>>], ty: Type) -> Vec<Val<'q>> {
    let (mut whole, mut real) = (0_i64, 0.0_f64);
    args.iter()
        .map(|args| {
            if flag(args, 1) {
                (whole, real) = (0, 0.0);
            }
            match args.first() {
                Some(Val::Real(value)) => real += value,
                Some(Val::Timespan(value)) => whole = whole.saturating_add(*value),
                Some(value) => whole = whole.saturating_add(value.as_long().unwrap_or(0)),
                None => {}
            }
            match ty {
                Type::Real => Val::Real(real),
                Type::Timespan => Val::Timespan(whole),
                ty => convert(Val::Long(whole), ty),
            }
        })
        .collect()
}

fn ranks<'q>(args: &[Vec<Val<'q>>], dense: bool) -> Vec<Val<'q>> {
    let mut before: Option<&Val<'q>> = None;
    let (mut rank, mut rows) = (0_i64, 0_i64);
    args.iter()
        .map(|args| {
            let own = args.first().unwrap_or(&Val::Null);
            if flag(args, 1) || before.is_none() {
                (rank, rows) = (0, 0);
                before = None;
            }
            rows += 1;
            let same = before.is_some_and(|before| equals(before, own).unwrap_or(true));
            if !same {
                rank = if dense { rank + 1 } else { rows };
            }
            before = Some(own);
            Val::Long(rank)
        })
        .collect()
}

fn sessions<'q>(args: &[Vec<Val<'q>>]) -> Vec<Val<'q>> {
    // The first moment of the session, and the last one seen.
    let mut session: Option<(i64, i64)> = None;
    args.iter()
        .map(|args| {
            let [Val::DateTime(at), Val::Timespan(longest), Val::Timespan(gap), ..] = args.as_slice() else {
                return Val::Null;
            };
            let goes_on = session.filter(|(first, last)| {
                !flag(args, 3) && at.saturating_sub(*first) <= *longest && at.saturating_sub(*last) <= *gap
            });
            let first = goes_on.map_or(*at, |(first, _)| first);
            session = Some((first, *at));
            Val::DateTime(first)
        })
        .collect()
}
