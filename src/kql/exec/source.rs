//! Where rows come from.

use super::{Row, Rows};
use crate::kql::error::KqlError;
use crate::kql::eval::convert::convert;
use crate::kql::eval::{Env, Ready, eval};
use crate::kql::plan::From;
use crate::kql::schema::Column;
use crate::kql::table::Table;
use crate::kql::value::{Type, Val, Value};

pub(super) fn rows<'q>(from: &'q From, input: Option<Rows<'q>>, env: &'q Env<'q>) -> Result<Rows<'q>, KqlError> {
    Ok(match from {
        From::Table { name, columns, .. } => match env.tables.and_then(|tables| tables.get(name)) {
            Some(table) => scan(columns, table, env)?,
            None => return Err(KqlError::MissingTable(name.clone())),
        },
        From::Rows(rows) => borrowed(rows),
        From::Print(nodes) => {
            let row: Result<Row<'q>, KqlError> =
                nodes.iter().map(|node| Ok(eval(node, &[], env)?.into_owned())).collect();
            Box::new(std::iter::once(row))
        }
        From::Range(ends) => range(ends, env)?,
        From::Nested(plan) => super::rows(plan, None, env)?,
        From::Prepared(at) => match env.ready.get(*at) {
            Some(Ready::Rows(table)) => borrowed(&table.rows),
            Some(Ready::Value(_) | Ready::Set(_)) | None => Box::new(std::iter::empty()),
        },
        From::Union(legs) => {
            let mut all = Vec::new();
            for leg in legs {
                all.push(super::rows(leg, None, env)?);
            }
            Box::new(all.into_iter().flatten())
        }
        From::Input => input.unwrap_or_else(|| Box::new(std::iter::empty())),
    })
}

fn borrowed(rows: &[Vec<Value>]) -> Rows<'_> {
    Box::new(rows.iter().map(|row| Ok(row.iter().map(Val::borrowed).collect())))
}

/// The rows of a table, in the order of the columns the query was compiled for.
fn scan<'q>(columns: &'q [Column], table: &'q Table, env: &'q Env<'q>) -> Result<Rows<'q>, KqlError> {
    env.budget.rows(table.rows.len())?;
    let places: Vec<Option<usize>> =
        columns.iter().map(|column| table.columns.iter().position(|other| other.name == column.name)).collect();
    Ok(Box::new(table.rows.iter().map(move |row| {
        env.budget.steps(columns.len() as u64)?;
        let cells = places.iter().zip(columns).enumerate();
        cells.map(|(at, (place, column))| cell(at, column, place.and_then(|place| row.get(place)))).collect()
    })))
}

fn cell<'q>(at: usize, column: &Column, value: Option<&'q Value>) -> Result<Val<'q>, KqlError> {
    let Some(value) = value else { return Ok(column.ty.nothing()) };
    match value.type_of() {
        None => Ok(column.ty.nothing()),
        Some(found) if found == column.ty => Ok(value.borrowed()),
        Some(found) => Err(KqlError::RowShape { column: at, expected: column.ty, found: found.name() }),
    }
}

/// From low to high, both included, step by step.
fn range<'q>(ends: &'q [crate::kql::ir::Node; 3], env: &'q Env<'q>) -> Result<Rows<'q>, KqlError> {
    let values = ends.each_ref().map(|node| eval(node, &[], env));
    let [low, high, step] = values;
    let (low, high, step) = (low?, high?, step?);
    if [&low, &high, &step].iter().any(|value| matches!(value, Val::Real(_))) {
        return real_range(&low, &high, &step, env);
    }
    let ticks = |value: &Val<'_>| match value {
        Val::DateTime(v) | Val::Timespan(v) => Some(*v),
        other => other.as_long(),
    };
    let (Some(first), Some(last), Some(by)) = (ticks(&low), ticks(&high), ticks(&step)) else {
        return Ok(Box::new(std::iter::empty()));
    };
    let limit = env.cx.limits.rows;
    let steps = if by == 0 { i128::from(limit) } else { (i128::from(last) - i128::from(first)) / i128::from(by) };
    if steps >= i128::from(limit) {
        return Err(KqlError::Limit { what: "rows", limit });
    }
    let ints = [&low, &high, &step].iter().all(|value| matches!(value, Val::Int(_)));
    let made = low.into_owned();
    let values = std::iter::successors(Some(first), move |at| at.checked_add(by));
    Ok(Box::new(values.take_while(move |at| if by > 0 { *at <= last } else { *at >= last }).map(move |at| {
        env.budget.step()?;
        Ok(vec![match made {
            Val::DateTime(_) => Val::datetime(at),
            Val::Timespan(_) => Val::Timespan(at),
            _ if ints => convert(Val::Long(at), Type::Int),
            _ => Val::Long(at),
        }])
    })))
}

fn real_range<'q>(low: &Val<'_>, high: &Val<'_>, step: &Val<'_>, env: &'q Env<'q>) -> Result<Rows<'q>, KqlError> {
    let real = |value: &Val<'_>| convert(value.clone().into_owned(), Type::Real);
    let (Val::Real(first), Val::Real(last), Val::Real(by)) = (real(low), real(high), real(step)) else {
        return Ok(Box::new(std::iter::empty()));
    };
    let count = ((last - first) / by).floor();
    if !count.is_finite() || count < 0.0 {
        return Ok(Box::new(std::iter::empty()));
    }
    let limit = env.cx.limits.rows;
    let Some(count) = crate::kql::time::real_ticks(count).filter(|count| count.unsigned_abs() < limit) else {
        return Err(KqlError::Limit { what: "rows", limit });
    };
    Ok(Box::new((0..=count).map(move |at| {
        env.budget.step()?;
        Ok(vec![Val::Real(first + by * crate::kql::time::as_real(at))])
    })))
}
