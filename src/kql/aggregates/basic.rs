//! Counts, sums and extremes. Nulls are passed over.

use std::cmp::Ordering;

use super::{Accumulator, Aggregate};
use crate::kql::error::KqlError;
use crate::kql::eval::budget::Budget;
use crate::kql::eval::compare::sort_order;
use crate::kql::time::{as_real, real_ticks};
use crate::kql::value::{Type, Val, Value};

pub(super) const AGGREGATES: &[Aggregate] = &[
    Aggregate {
        name: "count",
        args: (0, 0),
        prefix: "count_",
        gives: |_| Some(Type::Long),
        start: || Box::new(Count(0)),
        doc: "How many rows.",
    },
    Aggregate {
        name: "countif",
        args: (1, 1),
        prefix: "countif_",
        gives: |types| (types == [Type::Bool]).then_some(Type::Long),
        start: || Box::new(Count(0)),
        doc: "How many rows for which the condition holds.",
    },
    Aggregate {
        name: "max",
        args: (1, 1),
        prefix: "max_",
        gives: ordered,
        start: || Box::new(Extreme { wanted: Ordering::Greater, best: Val::Null }),
        doc: "The largest value.",
    },
    Aggregate {
        name: "min",
        args: (1, 1),
        prefix: "min_",
        gives: ordered,
        start: || Box::new(Extreme { wanted: Ordering::Less, best: Val::Null }),
        doc: "The smallest value.",
    },
    Aggregate {
        name: "sum",
        args: (1, 1),
        prefix: "sum_",
        gives: |types| match types {
            [Type::Int | Type::Long] => Some(Type::Long),
            [ty @ (Type::Real | Type::Timespan)] => Some(*ty),
            _ => None,
        },
        start: || Box::new(Sum { average: false, rows: 0, total: Total::Empty }),
        doc: "The sum; zero of nothing.",
    },
    Aggregate {
        name: "avg",
        args: (1, 1),
        prefix: "avg_",
        gives: |types| match types {
            [Type::Int | Type::Long | Type::Real] => Some(Type::Real),
            [Type::Timespan] => Some(Type::Timespan),
            _ => None,
        },
        start: || Box::new(Sum { average: true, rows: 0, total: Total::Empty }),
        doc: "The mean.",
    },
    Aggregate {
        name: "take_any",
        args: (1, 1),
        prefix: "",
        gives: |types| types.first().copied(),
        start: || Box::new(Any(Val::Null)),
        doc: "The value of any row; of the first one that has one.",
    },
];

fn ordered(types: &[Type]) -> Option<Type> {
    types.first().copied().filter(|ty| !matches!(ty, Type::Dynamic | Type::Guid))
}

struct Count(i64);

impl Accumulator for Count {
    fn add(&mut self, args: &[Val<'_>], _: &Budget) -> Result<(), KqlError> {
        let counts = args.first().is_none_or(|condition| condition.as_bool() == Some(true));
        self.0 += i64::from(counts);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Value {
        Val::Long(self.0)
    }
}

struct Extreme {
    wanted: Ordering,
    best: Value,
}

impl Accumulator for Extreme {
    fn add(&mut self, args: &[Val<'_>], budget: &Budget) -> Result<(), KqlError> {
        let Some(value) = args.first().filter(|value| !value.is_null()) else { return Ok(()) };
        if self.best.is_null() || sort_order(value, &self.best) == self.wanted {
            self.best = value.clone().into_owned();
            budget.made(&self.best)?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Value {
        self.best
    }
}

/// A sum in the type of what is summed.
#[derive(Clone, Copy)]
enum Total {
    Empty,
    Long(i64),
    Real(f64),
    Timespan(i64),
    /// Beyond the range of the type.
    Over,
}

struct Sum {
    average: bool,
    rows: i64,
    total: Total,
}

impl Accumulator for Sum {
    fn add(&mut self, args: &[Val<'_>], _: &Budget) -> Result<(), KqlError> {
        let Some(value) = args.first().filter(|value| !value.is_null()) else { return Ok(()) };
        self.rows += 1;
        self.total = match (self.total, value) {
            (Total::Over, _) => Total::Over,
            (Total::Real(total), Val::Real(value)) => Total::Real(total + value),
            (_, Val::Real(value)) => Total::Real(*value),
            (Total::Timespan(total), Val::Timespan(value)) => {
                total.checked_add(*value).map_or(Total::Over, Total::Timespan)
            }
            (_, Val::Timespan(value)) => Total::Timespan(*value),
            (Total::Long(total), value) => {
                value.as_long().and_then(|value| total.checked_add(value)).map_or(Total::Over, Total::Long)
            }
            (_, value) => value.as_long().map_or(Total::Over, Total::Long),
        };
        Ok(())
    }

    fn finish(self: Box<Self>) -> Value {
        let rows = as_real(self.rows);
        match (self.total, self.average) {
            (Total::Over, _) | (Total::Empty, true) => Val::Null,
            (Total::Empty, false) => Val::Long(0),
            (Total::Long(total), false) => Val::Long(total),
            (Total::Real(total), false) => Val::Real(total),
            (Total::Timespan(total), false) => Val::Timespan(total),
            (Total::Long(total), true) => Val::Real(as_real(total) / rows),
            (Total::Real(total), true) => Val::Real(total / rows),
            (Total::Timespan(total), true) => real_ticks(as_real(total) / rows).map_or(Val::Null, Val::Timespan),
        }
    }
}

struct Any(Value);

impl Accumulator for Any {
    fn add(&mut self, args: &[Val<'_>], budget: &Budget) -> Result<(), KqlError> {
        if let (true, Some(value)) = (self.0.is_null(), args.first()) {
            self.0 = value.clone().into_owned();
            budget.made(&self.0)?;
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Value {
        self.0
    }
}
