//! Counts, sums and extremes. Nulls are passed over.

use std::cmp::Ordering;

use super::{Accumulator, Aggregate, If, without_condition};
use crate::kql::error::KqlError;
use crate::kql::eval::budget::Budget;
use crate::kql::eval::compare::sort_order;
use crate::kql::time::{as_real, real_ticks};
use crate::kql::value::{Type, Val, Value};

pub(super) const AGGREGATES: &[Aggregate] = &[
    Aggregate::new("count", (0, 0), "count_", |_| Some(Type::Long), |_| Box::new(Count(0)), "How many rows."),
    Aggregate::new(
        "countif",
        (1, 1),
        "countif_",
        counted,
        |_| Box::new(Count(0)),
        "How many rows for which the condition holds.",
    ),
    Aggregate::new("max", (1, 1), "max_", ordered, |_| Box::new(Extreme::LARGEST), "The largest value."),
    Aggregate::new(
        "maxif",
        (2, 2),
        "maxif_",
        ordered_if,
        |_| Box::new(If(Extreme::LARGEST)),
        "The largest value of the rows for which the condition holds.",
    ),
    Aggregate::new("min", (1, 1), "min_", ordered, |_| Box::new(Extreme::SMALLEST), "The smallest value."),
    Aggregate::new(
        "minif",
        (2, 2),
        "minif_",
        ordered_if,
        |_| Box::new(If(Extreme::SMALLEST)),
        "The smallest value of the rows for which the condition holds.",
    ),
    Aggregate::new("sum", (1, 1), "sum_", summed, |ty| Box::new(Sum::new(false, ty)), "The sum; zero of nothing."),
    Aggregate::new(
        "sumif",
        (2, 2),
        "sumif_",
        |types| summed(&without_condition(types)?),
        |ty| Box::new(If(Sum::new(false, ty))),
        "The sum over the rows for which the condition holds.",
    ),
    Aggregate::new("avg", (1, 1), "avg_", averaged, |ty| Box::new(Sum::new(true, ty)), "The mean."),
    Aggregate::new(
        "avgif",
        (2, 2),
        "avgif_",
        |types| averaged(&without_condition(types)?),
        |ty| Box::new(If(Sum::new(true, ty))),
        "The mean over the rows for which the condition holds.",
    ),
    Aggregate::new(
        "take_any",
        (1, usize::MAX),
        "",
        first,
        |_| Box::new(Any(Val::Null)),
        "The value of any row; of the first one that has one.",
    ),
    Aggregate::new("any", (1, usize::MAX), "any_", first, |_| Box::new(Any(Val::Null)), "As take_any."),
    Aggregate::new(
        "take_anyif",
        (2, 2),
        "",
        |types| first(&without_condition(types)?),
        |_| Box::new(If(Any(Val::Null))),
        "The value of any row for which the condition holds.",
    ),
    Aggregate::new(
        "anyif",
        (2, 2),
        "anyif_",
        |types| first(&without_condition(types)?),
        |_| Box::new(If(Any(Val::Null))),
        "As take_anyif.",
    ),
    Aggregate::new(
        "binary_all_and",
        (1, 1),
        "",
        whole,
        |_| Box::new(Bits { fold: |a, b| a & b, so_far: None, int: false }),
        "The binary and of all values.",
    ),
    Aggregate::new(
        "binary_all_or",
        (1, 1),
        "",
        whole,
        |_| Box::new(Bits { fold: |a, b| a | b, so_far: None, int: false }),
        "The binary or of all values.",
    ),
    Aggregate::new(
        "binary_all_xor",
        (1, 1),
        "",
        whole,
        |_| Box::new(Bits { fold: |a, b| a ^ b, so_far: None, int: false }),
        "The binary exclusive or of all values.",
    ),
];

fn counted(types: &[Type]) -> Option<Type> {
    (types == [Type::Bool]).then_some(Type::Long)
}

fn first(types: &[Type]) -> Option<Type> {
    types.first().copied()
}

fn whole(types: &[Type]) -> Option<Type> {
    first(types).filter(|ty| matches!(ty, Type::Int | Type::Long))
}

fn ordered_if(types: &[Type]) -> Option<Type> {
    ordered(&without_condition(types)?)
}

fn summed(types: &[Type]) -> Option<Type> {
    match types {
        [Type::Int | Type::Long] => Some(Type::Long),
        [ty @ (Type::Real | Type::Timespan)] => Some(*ty),
        _ => None,
    }
}

fn averaged(types: &[Type]) -> Option<Type> {
    match types {
        [Type::Int | Type::Long | Type::Real] => Some(Type::Real),
        [ty @ (Type::Timespan | Type::DateTime)] => Some(*ty),
        _ => None,
    }
}

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

    fn finish(self: Box<Self>) -> Vec<Value> {
        vec![Val::Long(self.0)]
    }
}

struct Extreme {
    wanted: Ordering,
    best: Value,
}

impl Extreme {
    const LARGEST: Self = Self { wanted: Ordering::Greater, best: Val::Null };
    const SMALLEST: Self = Self { wanted: Ordering::Less, best: Val::Null };
}

struct Bits {
    fold: fn(i64, i64) -> i64,
    so_far: Option<i64>,
    /// Whether the values are ints, as the result is then.
    int: bool,
}

impl Accumulator for Bits {
    fn add(&mut self, args: &[Val<'_>], _: &Budget) -> Result<(), KqlError> {
        self.int |= matches!(args, [Val::Int(_)]);
        if let Some(value) = args.first().and_then(Val::as_long) {
            self.so_far = Some(self.so_far.map_or(value, |so_far| (self.fold)(so_far, value)));
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Vec<Value> {
        // A fold of the bits of ints is an int.
        let int = |value| i32::try_from(value).map_or(Val::Null, Val::Int);
        vec![self.so_far.map_or(Val::Null, if self.int { int } else { Val::Long })]
    }
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

    fn finish(self: Box<Self>) -> Vec<Value> {
        vec![self.best]
    }
}

/// A sum in the type of what is summed.
#[derive(Clone, Copy)]
enum Total {
    Empty,
    Long(i64),
    Real(f64),
    Timespan(i64),
    /// Of datetimes, whose sum fits no datetime.
    Moments(i128),
    /// Beyond the range of the type.
    Over,
}

struct Sum {
    average: bool,
    ty: Option<Type>,
    rows: i64,
    total: Total,
}

impl Sum {
    const fn new(average: bool, ty: Option<Type>) -> Self {
        Self { average, ty, rows: 0, total: Total::Empty }
    }
}

impl Accumulator for Sum {
    fn add(&mut self, args: &[Val<'_>], _: &Budget) -> Result<(), KqlError> {
        let Some(value) = args.first().filter(|value| !value.is_null()) else { return Ok(()) };
        self.rows += 1;
        self.total = match (self.total, value) {
            (Total::Over, _) => Total::Over,
            (Total::Moments(total), Val::DateTime(value)) => Total::Moments(total + i128::from(*value)),
            (_, Val::DateTime(value)) => Total::Moments(i128::from(*value)),
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

    fn finish(self: Box<Self>) -> Vec<Value> {
        let rows = as_real(self.rows);
        vec![match (self.total, self.average) {
            (Total::Over, _) | (Total::Empty, true) => Val::Null,
            (Total::Empty, false) => match self.ty {
                Some(Type::Real) => Val::Real(0.0),
                Some(Type::Timespan) => Val::Timespan(0),
                _ => Val::Long(0),
            },
            (Total::Long(total), false) => Val::Long(total),
            (Total::Real(total), false) => Val::Real(total),
            (Total::Timespan(total), false) => Val::Timespan(total),
            (Total::Long(total), true) => Val::Real(as_real(total) / rows),
            (Total::Real(total), true) => Val::Real(total / rows),
            (Total::Timespan(total), true) => real_ticks(as_real(total) / rows).map_or(Val::Null, Val::Timespan),
            (Total::Moments(total), _) => {
                let mean = i64::try_from(total / i128::from(self.rows.max(1))).ok();
                mean.map_or(Val::Null, Val::datetime)
            }
        }]
    }
}

struct Any(Value);

impl Accumulator for Any {
    fn add(&mut self, args: &[Val<'_>], budget: &Budget) -> Result<(), KqlError> {
        if let (true, Some(value)) = (self.0.is_null(), args.first()) {
            budget.bytes(value.size())?;
            self.0 = value.clone().into_owned();
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Vec<Value> {
        vec![self.0]
    }
}
