//! Where rows come from.

use super::{Row, Rows};
use crate::kql::error::KqlError;
use crate::kql::eval::{Env, eval};
use crate::kql::plan::From;
use crate::kql::schema::Column;
use crate::kql::table::Table;
use crate::kql::value::{Val, Value};

pub(super) fn rows<'q>(from: &'q From, table: Option<&'q Table>, env: &'q Env<'q>) -> Result<Rows<'q>, KqlError> {
    Ok(match (from, table) {
        (From::Table { columns, .. }, Some(table)) => scan(columns, table, env)?,
        (From::Table { name, .. }, None) => return Err(KqlError::MissingTable(name.clone())),
        (From::Rows(rows), _) => Box::new(rows.iter().map(|row| Ok(row.iter().map(Val::borrowed).collect()))),
        (From::Print(nodes), _) => {
            let row: Result<Row<'q>, KqlError> =
                nodes.iter().map(|node| Ok(eval(node, &[], env)?.into_owned())).collect();
            Box::new(std::iter::once(row))
        }
        (From::Range(ends), _) => {
            let [low, high, step] = &**ends;
            let end = |node| Ok::<Value, KqlError>(eval(node, &[], env)?.into_owned());
            range(&end(low)?, &end(high)?, &end(step)?, env)?
        }
    })
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
fn range<'q>(low: &Value, high: &Value, step: &Value, env: &'q Env<'q>) -> Result<Rows<'q>, KqlError> {
    let ticks = |value: &Value| match value {
        Val::DateTime(v) | Val::Timespan(v) => Some(*v),
        other => other.as_long(),
    };
    let (Some(first), Some(last), Some(by)) = (ticks(low), ticks(high), ticks(step)) else {
        return Ok(Box::new(std::iter::empty()));
    };
    let limit = env.cx.limits.rows;
    let steps = if by == 0 { i128::from(limit) } else { (i128::from(last) - i128::from(first)) / i128::from(by) };
    if steps >= i128::from(limit) {
        return Err(KqlError::Limit { what: "rows", limit });
    }
    let made = low.clone();
    let values = std::iter::successors(Some(first), move |at| at.checked_add(by));
    Ok(Box::new(values.take_while(move |at| if by > 0 { *at <= last } else { *at >= last }).map(move |at| {
        env.budget.step()?;
        Ok(vec![match made {
            Val::DateTime(_) => Val::datetime(at),
            Val::Timespan(_) => Val::Timespan(at),
            _ => Val::Long(at),
        }])
    })))
}
