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
    /// Bytes of one regular expression.
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
    /// Most columns of one table or of one list in a text. A table of Log Analytics has 500; columns that are named by data
    /// (`pivot`) may be more, and nobody reads ten thousand.
    pub(super) const COLUMNS: usize = 10_000;
    /// Most columns that binding makes in all: those of each table and operator, and of a `union` as many in each of its
    /// parts. Each takes about a hundred bytes.
    pub(super) const ALL_COLUMNS: usize = 1_000_000;
    /// Largest compiled form of one regular expression, in bytes. `\w{1,1000}` takes 43 MB, for `\w` is any letter there is.
    pub(super) const COMPILED_REGEX: usize = 64 << 20;
    /// Largest compiled form of all constant regular expressions of a query, in bytes.
    pub(super) const ALL_REGEXES: usize = 256 << 20;
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
