//! What a query may use, and the moment at which it runs.

/// Bounds on compiling and running. Reaching one is an error that names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Rows that an operator or a result holds. Log Analytics allows 500,000 in a result. Rows that only pass, as from a table
    /// or a join to `count`, are bounded by `steps`.
    pub rows: u64,
    /// Nodes evaluated, and elements of the arrays that functions go through; a row that is made counts as 32 and more. A step
    /// takes about ten nanoseconds.
    pub steps: u64,
    /// Bytes of values made by one evaluation or held by one result.
    pub bytes: u64,
    /// Bytes of one regular expression, and the size of its compiled form in KiB.
    pub regex: u64,
}

/// The surroundings of an evaluation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cx {
    /// `now()`: ticks of 100 ns since 1970-01-01 UTC.
    pub now: i64,
    /// What it may use.
    pub limits: Limits,
}

impl Limits {
    /// Deepest nesting of a text that is accepted.
    pub(super) const DEPTH: usize = 128;
    /// Longest text that is accepted, in bytes.
    pub(super) const TEXT: usize = 1 << 20;
}

impl Default for Limits {
    fn default() -> Self {
        Self { rows: 1_000_000, steps: 500_000_000, bytes: 1 << 30, regex: 10_000 }
    }
}

impl Cx {
    /// At that moment (ticks of 100 ns since 1970-01-01 UTC), with the usual limits.
    pub fn at(now: i64) -> Self {
        Self { now, limits: Limits::default() }
    }
}
