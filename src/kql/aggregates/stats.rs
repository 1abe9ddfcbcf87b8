//! Spread and rank.

use super::{Accumulator, Aggregate, Columns, If, without_condition};
use crate::kql::dynamic::Dynamic;
use crate::kql::error::KqlError;
use crate::kql::eval::budget::Budget;
use crate::kql::eval::compare::sort_order;
use crate::kql::time::as_real;
use crate::kql::value::{Type, Val, Value};

pub(super) const AGGREGATES: &[Aggregate] = &[
    Aggregate::new(
        "stdev",
        (1, 1),
        "stdev_",
        spread,
        |_| Box::new(Spread::SAMPLE_ROOT),
        "The standard deviation of a sample.",
    ),
    Aggregate::new(
        "stdevif",
        (2, 2),
        "stdevif_",
        spread_if,
        |_| Box::new(If(Spread::SAMPLE_ROOT)),
        "The standard deviation over the rows for which the condition holds.",
    ),
    Aggregate::new(
        "stdevp",
        (1, 1),
        "stdevp_",
        spread,
        |_| Box::new(Spread::WHOLE_ROOT),
        "The standard deviation of a whole population.",
    ),
    Aggregate::new("variance", (1, 1), "variance_", spread, |_| Box::new(Spread::SAMPLE), "The variance of a sample."),
    Aggregate::new(
        "varianceif",
        (2, 2),
        "varianceif_",
        spread_if,
        |_| Box::new(If(Spread::SAMPLE)),
        "The variance over the rows for which the condition holds.",
    ),
    Aggregate::new(
        "variancep",
        (1, 1),
        "variancep_",
        spread,
        |_| Box::new(Spread::WHOLE),
        "The variance of a whole population.",
    ),
    Aggregate::new(
        "variancepif",
        (2, 2),
        "variancepif_",
        spread_if,
        |_| Box::new(If(Spread::WHOLE)),
        "The variance of a population, over the rows for which the condition holds.",
    ),
    Aggregate {
        columns: Columns::Percentiles,
        ..Aggregate::new(
            "percentile",
            (2, 2),
            "",
            ranked,
            |_| Box::new(Ranked::new(false, false)),
            "The value that so many percent of all do not exceed.",
        )
    },
    Aggregate {
        columns: Columns::Percentiles,
        ..Aggregate::new(
            "percentiles",
            (2, usize::MAX),
            "",
            ranked,
            |_| Box::new(Ranked::new(false, false)),
            "Several percentiles, a column for each.",
        )
    },
    Aggregate {
        columns: Columns::Percentiles,
        ..Aggregate::new(
            "percentilew",
            (3, 3),
            "",
            weighted,
            |_| Box::new(Ranked::new(true, false)),
            "A percentile of values that stand for so many each.",
        )
    },
    Aggregate {
        columns: Columns::Percentiles,
        ..Aggregate::new(
            "percentilesw",
            (3, usize::MAX),
            "",
            weighted,
            |_| Box::new(Ranked::new(true, false)),
            "Several percentiles of values that stand for so many each.",
        )
    },
    Aggregate::new(
        "percentiles_array",
        (2, usize::MAX),
        "percentiles_",
        ranked_array,
        |_| Box::new(Ranked::new(false, true)),
        "Several percentiles in an array.",
    ),
];

fn spread(types: &[Type]) -> Option<Type> {
    let fits = matches!(types, [Type::Int | Type::Long | Type::Real | Type::Timespan | Type::DateTime]);
    fits.then_some(Type::Real)
}

fn spread_if(types: &[Type]) -> Option<Type> {
    spread(&without_condition(types)?)
}

fn ranked(types: &[Type]) -> Option<Type> {
    let (value, percents) = types.split_first()?;
    let fits = percents.iter().all(|ty| ty.is_number());
    match value {
        Type::Int | Type::Long if fits => Some(Type::Long),
        Type::Real | Type::Timespan | Type::DateTime if fits => Some(*value),
        _ => None,
    }
}

fn weighted(types: &[Type]) -> Option<Type> {
    let [value, Type::Int | Type::Long, percents @ ..] = types else { return None };
    ranked(&std::iter::once(*value).chain(percents.iter().copied()).collect::<Vec<_>>())
}

fn ranked_array(types: &[Type]) -> Option<Type> {
    match types {
        [_, Type::Dynamic] => Some(Type::Dynamic),
        types => ranked(types).map(|_| Type::Dynamic),
    }
}

/// Mean and squared distance from it, kept as values come (Welford).
struct Spread {
    /// Whether a whole population is there, or a sample of it.
    whole: bool,
    root: bool,
    count: i64,
    mean: f64,
    squares: f64,
}

impl Spread {
    const SAMPLE: Self = Self { whole: false, root: false, count: 0, mean: 0.0, squares: 0.0 };
    const SAMPLE_ROOT: Self = Self { root: true, ..Self::SAMPLE };
    const WHOLE: Self = Self { whole: true, ..Self::SAMPLE };
    const WHOLE_ROOT: Self = Self { whole: true, root: true, ..Self::SAMPLE };
}

impl Accumulator for Spread {
    fn add(&mut self, args: &[Val<'_>], _: &Budget) -> Result<(), KqlError> {
        let value = match args.first() {
            Some(Val::Real(value)) => *value,
            Some(Val::Timespan(ticks) | Val::DateTime(ticks)) => as_real(*ticks),
            Some(other) => match other.as_long() {
                Some(value) => as_real(value),
                None => return Ok(()),
            },
            None => return Ok(()),
        };
        self.count += 1;
        let distance = value - self.mean;
        self.mean += distance / as_real(self.count);
        self.squares += distance * (value - self.mean);
        Ok(())
    }

    fn finish(self: Box<Self>) -> Vec<Value> {
        let divisor = if self.whole { self.count } else { self.count - 1 };
        // Of no values a sample has no spread, and a population an unknown one: "Default values of aggregations".
        vec![match (self.count, divisor) {
            (0, _) if self.whole => Val::Null,
            (_, 0 | -1) => Val::Real(0.0),
            (_, divisor) => {
                let variance = self.squares / as_real(divisor);
                Val::Real(if self.root { variance.sqrt() } else { variance })
            }
        }]
    }
}

/// All values with their weights; sorted at the end.
struct Ranked {
    weighted: bool,
    array: bool,
    values: Vec<(Value, i64)>,
    percents: Vec<f64>,
}

impl Ranked {
    const fn new(weighted: bool, array: bool) -> Self {
        Self { weighted, array, values: Vec::new(), percents: Vec::new() }
    }

    /// The first value at which at least that share of all is reached.
    fn at(&self, percent: f64, total: i64) -> Value {
        let wanted = percent / 100.0 * as_real(total);
        let mut so_far = 0_i64;
        for (value, weight) in &self.values {
            so_far = so_far.saturating_add(*weight);
            if as_real(so_far) >= wanted {
                return widened(value);
            }
        }
        self.values.last().map_or(Val::Null, |(value, _)| widened(value))
    }
}

/// Percentiles of an int are longs.
fn widened(value: &Value) -> Value {
    if let Val::Int(value) = value { Val::Long(i64::from(*value)) } else { value.clone() }
}

impl Accumulator for Ranked {
    fn add(&mut self, args: &[Val<'_>], budget: &Budget) -> Result<(), KqlError> {
        let skipped = 1 + usize::from(self.weighted);
        if self.percents.is_empty() {
            let number = |value: &Val<'_>| match value {
                Val::Real(value) => Some(*value),
                other => other.as_long().map(as_real),
            };
            let listed = args.get(skipped).and_then(Val::as_dynamic).and_then(Dynamic::items);
            self.percents = match listed {
                Some(items) => {
                    items.iter().filter_map(|item| number(&crate::kql::eval::convert::scalar(item))).collect()
                }
                None => args.iter().skip(skipped).filter_map(number).collect(),
            };
        }
        let weight = if self.weighted { args.get(1).and_then(Val::as_long).unwrap_or(0) } else { 1 };
        let Some(value) = args.first().filter(|value| !value.is_null() && weight > 0) else { return Ok(()) };
        budget.bytes(size_of::<(Value, i64)>())?;
        self.values.push((value.clone().into_owned(), weight));
        Ok(())
    }

    fn finish(mut self: Box<Self>) -> Vec<Value> {
        self.values.sort_by(|(a, _), (b, _)| sort_order(a, b));
        let total = self.values.iter().fold(0_i64, |total, (_, weight)| total.saturating_add(*weight));
        let found: Vec<Value> = self.percents.iter().map(|percent| self.at(*percent, total)).collect();
        if self.array {
            return vec![Val::dynamic(Dynamic::Array(found.iter().map(Dynamic::from_val).collect()))];
        }
        found
    }
}
