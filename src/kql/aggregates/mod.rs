//! What summarize can compute: one entry an aggregate.

mod basic;
mod sets;

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
    /// The result by the types of the arguments; `None` when they do not fit.
    pub(super) gives: fn(&[Type]) -> Option<Type>,
    pub(super) start: fn() -> Box<dyn Accumulator>,
    /// One sentence for the reference.
    pub(super) doc: &'static str,
}

/// The state of one aggregate over one group.
pub(super) trait Accumulator {
    /// Takes in the arguments for one row.
    fn add(&mut self, args: &[Val<'_>], budget: &Budget) -> Result<(), KqlError>;
    /// The result.
    fn finish(self: Box<Self>) -> Value;
}

/// Names that the binder handles itself.
pub(super) const BEST: [&str; 2] = ["arg_max", "arg_min"];

/// Whether that is the name of an aggregate.
pub(super) fn is_aggregate(name: &str) -> bool {
    aggregate(name).is_some() || BEST.contains(&name)
}

/// The aggregate of that name.
pub(super) fn aggregate(name: &str) -> Option<&'static Aggregate> {
    aggregates().find(|aggregate| aggregate.name == name)
}

/// All of them, but for `arg_max` and `arg_min`.
pub(super) fn aggregates() -> impl Iterator<Item = &'static Aggregate> {
    [basic::AGGREGATES, sets::AGGREGATES].into_iter().flatten()
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
