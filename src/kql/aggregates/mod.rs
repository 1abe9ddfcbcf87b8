//! What summarize can compute: one entry an aggregate.

mod basic;
mod sets;
mod stats;

use super::error::KqlError;
use super::eval::budget::Budget;
use super::value::{Type, Val, Value};

/// One aggregate function. `arg_max` and `arg_min` are known to the binder, for they give several columns.
#[derive(Debug)]
pub(super) struct Aggregate {
    pub(super) name: &'static str,
    /// Fewest and most arguments.
    pub(super) args: (usize, usize),
    /// What a column without a name is called: this and the name of the argument.
    pub(super) prefix: &'static str,
    pub(super) columns: Columns,
    /// The result by the types of the arguments; `None` when they do not fit.
    pub(super) gives: fn(&[Type]) -> Option<Type>,
    /// A fresh state, for a result of that type.
    pub(super) start: fn(Option<Type>) -> Box<dyn Accumulator>,
    /// One sentence for the reference.
    pub(super) doc: &'static str,
}

/// How many columns an aggregate gives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Columns {
    One,
    /// One for each argument after the value (and its weight).
    Percentiles,
}

/// The state of one aggregate over one group.
pub(super) trait Accumulator {
    /// Takes in the arguments for one row.
    fn add(&mut self, args: &[Val<'_>], budget: &Budget) -> Result<(), KqlError>;
    /// The results, one for each column.
    fn finish(self: Box<Self>) -> Vec<Value>;
}

/// Names that the binder handles itself.
pub(super) const BEST: [&str; 2] = ["arg_max", "arg_min"];

/// Whether that is `arg_max` or `arg_min`, or an old name of theirs.
pub(super) fn is_best(name: &str) -> bool {
    BEST.contains(&name) || matches!(name, "argmax" | "argmin")
}

/// Whether that is the name of an aggregate.
pub(super) fn is_aggregate(name: &str) -> bool {
    aggregate(name).is_some() || is_best(name)
}

/// The aggregate of that name.
pub(super) fn aggregate(name: &str) -> Option<&'static Aggregate> {
    aggregates().find(|aggregate| aggregate.name == name)
}

/// All of them, but for `arg_max` and `arg_min`.
pub(super) fn aggregates() -> impl Iterator<Item = &'static Aggregate> {
    [basic::AGGREGATES, sets::AGGREGATES, stats::AGGREGATES].into_iter().flatten()
}

impl Aggregate {
    const fn new(
        name: &'static str,
        args: (usize, usize),
        prefix: &'static str,
        gives: fn(&[Type]) -> Option<Type>,
        start: fn(Option<Type>) -> Box<dyn Accumulator>,
        doc: &'static str,
    ) -> Self {
        Self { name, args, prefix, columns: Columns::One, gives, start, doc }
    }
}

/// An aggregate of the rows for which the second argument is true.
struct If<A>(A);

impl<A: Accumulator> Accumulator for If<A> {
    fn add(&mut self, args: &[Val<'_>], budget: &Budget) -> Result<(), KqlError> {
        match args {
            [value, Val::Bool(true)] => self.0.add(std::slice::from_ref(value), budget),
            [value, Val::Bool(true), rest @ ..] => {
                let mut all = vec![value.clone()];
                all.extend_from_slice(rest);
                self.0.add(&all, budget)
            }
            _ => Ok(()),
        }
    }

    fn finish(self: Box<Self>) -> Vec<Value> {
        Box::new(self.0).finish()
    }
}

/// The types without the condition of an `...if` aggregate, which must be a bool.
fn without_condition(types: &[Type]) -> Option<Vec<Type>> {
    match types {
        [value, Type::Bool, rest @ ..] => Some(std::iter::once(*value).chain(rest.iter().copied()).collect()),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_aggregate_is_described_and_named_once() {
        let mut names: Vec<_> = aggregates().map(|aggregate| aggregate.name).collect();
        assert!(aggregates().all(|aggregate| !aggregate.doc.is_empty()));
        let all = names.len();
        names.sort_unstable();
        names.dedup();
        assert_eq!(names.len(), all);
    }
}
