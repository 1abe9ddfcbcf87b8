//! `make-series`: for each group, an array with a value for each step of an axis.

use std::collections::HashMap;
use std::sync::Arc;

use super::summarize::{State, finish_one, start, take_in};
use super::{Rows, gathered, key, value, values};
use crate::kql::cells::Cells;
use crate::kql::dynamic::Dynamic;
use crate::kql::error::KqlError;
use crate::kql::eval::{Env, eval};
use crate::kql::plan::Series;
use crate::kql::time::{MIN_DATETIME, as_real, real_ticks};
use crate::kql::value::{Type, Val};

/// Where the axis begins, how far a step goes, and how many there are.
struct Axis {
    first: f64,
    /// The first place in ticks or whole numbers, when the axis has those.
    whole: Option<i64>,
    step: f64,
    whole_step: i64,
    count: usize,
    ty: Type,
}

/// The keys of one series, and the folds of its bins that have rows.
type Group<'q> = (Vec<Val<'q>>, HashMap<usize, Vec<State<'q>>>);

pub(super) fn made<'q>(series: &'q Series, rows: Rows<'q>, env: &'q Env<'q>) -> Result<Rows<'q>, KqlError> {
    let rows = gathered(rows, env)?;
    let mut places = Vec::with_capacity(rows.len());
    for row in &rows {
        places.push(value(&series.on, row, env)?);
    }
    let Some(axis) = axis(series, &places, env)? else { return Ok(Box::new(std::iter::empty())) };
    let mut groups: Vec<Group<'q>> = Vec::new();
    let mut known: HashMap<Vec<u8>, usize> = HashMap::new();
    if series.by.is_empty() && (series.nonempty || !rows.is_empty()) {
        known.insert(Vec::new(), 0);
        groups.push((Vec::new(), HashMap::new()));
    }
    for (row, place) in rows.iter().zip(&places) {
        let Some(at) = axis.bin(place) else { continue };
        let keys = values(&series.by, row, env)?;
        let encoded = key::of(&keys);
        env.budget.bytes(encoded.len() + 64)?;
        let group = *known.entry(encoded).or_insert(groups.len());
        if group == groups.len() {
            groups.push((keys, HashMap::new()));
        }
        let Some((_, bins)) = groups.get_mut(group) else { continue };
        let states = bins.entry(at).or_insert_with(|| series.folds.iter().map(|(fold, _)| start(fold)).collect());
        for (state, (fold, _)) in states.iter_mut().zip(&series.folds) {
            take_in(state, fold, row, env)?;
        }
    }
    env.budget.bytes(axis.count.saturating_mul(groups.len().max(1)).saturating_mul(size_of::<Dynamic>() * 2))?;
    let marks = Val::dynamic(Dynamic::Array((0..axis.count).map(|at| axis.mark(at)).collect()));
    let mut results = Vec::new();
    for (keys, mut bins) in groups {
        let mut row = keys;
        let mut columns: Vec<Vec<Dynamic>> = series.folds.iter().map(|_| Vec::with_capacity(axis.count)).collect();
        for at in 0..axis.count {
            let states = bins.remove(&at);
            let mut states = states.into_iter().flatten();
            for (column, (fold, default)) in columns.iter_mut().zip(&series.folds) {
                let value = match states.next() {
                    Some(state) => finish_one(state, fold, env)?,
                    None => eval(default, Cells::NONE, env)?.into_owned(),
                };
                column.push(Dynamic::from_val(&value));
            }
        }
        row.extend(columns.into_iter().map(|column| Val::dynamic(Dynamic::Array(Arc::from(column)))));
        row.push(marks.clone());
        results.push(Ok(row.into()));
    }
    Ok(Box::new(results.into_iter()))
}

fn axis(series: &Series, places: &[Val<'_>], env: &Env<'_>) -> Result<Option<Axis>, KqlError> {
    let end = |node: &Option<crate::kql::ir::Node>| match node {
        Some(node) => eval(node, Cells::NONE, env).map(|value| number(&value)),
        None => Ok(None),
    };
    let step_value = eval(&series.step, Cells::NONE, env)?.into_owned();
    let Some((step, whole_step)) = number(&step_value).filter(|(step, _)| *step > 0.0) else { return Ok(None) };
    let whole_step = whole_step.unwrap_or(0);
    let numbers = || places.iter().filter_map(number);
    let ty = if series.on.ty == Type::Dynamic { Type::DateTime } else { series.on.ty };
    let origin = if ty == Type::DateTime { MIN_DATETIME } else { 0 };
    let down = |(value, whole): (f64, Option<i64>)| match whole {
        Some(whole) if whole_step > 0 => {
            let at = (whole - origin).div_euclid(whole_step) * whole_step + origin;
            (as_real(at), Some(at))
        }
        _ => ((value / step).floor() * step, None),
    };
    let least = numbers().min_by(|a, b| a.0.total_cmp(&b.0));
    let most = numbers().max_by(|a, b| a.0.total_cmp(&b.0));
    let Some(first) = end(&series.from)?.or(least.map(down)) else { return Ok(None) };
    let given_end = end(&series.to)?;
    let closed = series.closed || given_end.is_none();
    let Some(until) = given_end.or(most) else { return Ok(None) };
    let length = match (first.1, until.1) {
        (Some(a), Some(b)) => as_real(b.saturating_sub(a)) / step,
        _ => (until.0 - first.0) / step,
    };
    let count = if closed { length.floor() + 1.0 } else { length.ceil() };
    let limit = env.cx.limits.rows;
    let count = real_ticks(count.max(0.0)).and_then(|count| usize::try_from(count).ok());
    let Some(count) = count.filter(|count| *count as u64 <= limit) else {
        return Err(KqlError::Limit { what: "rows", limit });
    };
    Ok(Some(Axis { first: first.0, whole: first.1, step, whole_step, count, ty }))
}

/// A place on the axis: as a real, and as ticks or a whole number.
fn number(value: &Val<'_>) -> Option<(f64, Option<i64>)> {
    match value {
        Val::DateTime(v) | Val::Timespan(v) => Some((as_real(*v), Some(*v))),
        Val::Real(v) => Some((*v, None)),
        other => other.as_long().map(|v| (as_real(v), Some(v))),
    }
}

impl Axis {
    /// Which step a place falls into.
    fn bin(&self, place: &Val<'_>) -> Option<usize> {
        let (value, whole) = number(place)?;
        let at = match (self.whole, whole) {
            (Some(first), Some(whole)) if self.whole_step > 0 => whole.checked_sub(first)?.div_euclid(self.whole_step),
            _ => real_ticks(((value - self.first) / self.step).floor())?,
        };
        usize::try_from(at).ok().filter(|at| *at < self.count)
    }

    /// The beginning of a step.
    fn mark(&self, at: usize) -> Dynamic {
        let steps = i64::try_from(at).unwrap_or(i64::MAX);
        let whole = self.whole.and_then(|first| first.checked_add(self.whole_step.checked_mul(steps)?));
        match (self.ty, whole) {
            (Type::DateTime, Some(ticks)) => Dynamic::DateTime(ticks),
            (Type::Timespan, Some(ticks)) => Dynamic::Timespan(ticks),
            (Type::Int | Type::Long, Some(value)) => Dynamic::Long(value),
            _ => Dynamic::Real(self.first + self.step * as_real(steps)),
        }
    }
}
