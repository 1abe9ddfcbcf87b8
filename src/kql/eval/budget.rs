//! What one run has used so far, and what it has parsed last.

use std::cell::{Cell, RefCell};
use std::collections::VecDeque;

use regex::{Regex, RegexBuilder};

use crate::diagnostics::quoted;
use crate::kql::dynamic::{DynCow, Dynamic};
use crate::kql::error::KqlError;
use crate::kql::eval::convert::parse_json;
use crate::kql::limits::Limits;
use crate::kql::value::Val;

/// Counts steps, rows and bytes against their limits.
pub(in crate::kql) struct Budget {
    limits: Limits,
    steps: Cell<u64>,
    bytes: Cell<u64>,
    pub(in crate::kql) parsed: Parsed,
}

/// The last texts that were read as JSON. A query that reads three properties of `parse_json(Entities)`, in one operator
/// or in several, parses it once a row.
#[derive(Default)]
pub(in crate::kql) struct Parsed(RefCell<VecDeque<(String, Val<'static>)>>);

impl Parsed {
    const KEPT: usize = 4;
    /// Longer texts are not kept: they would be held for the rest of the run.
    const LONGEST: usize = 1 << 16;

    /// As [`parse_json`].
    pub(in crate::kql) fn json(&self, text: &str) -> Val<'static> {
        let mut kept = self.0.borrow_mut();
        if let Some((_, value)) = kept.iter().find(|(known, _)| known == text) {
            return value.clone();
        }
        let value = parse_json(text);
        if text.len() <= Self::LONGEST {
            let mut room = if kept.len() < Self::KEPT {
                String::new()
            } else {
                kept.pop_back().map_or_else(String::new, |(text, _)| text)
            };
            room.clear();
            room.push_str(text);
            kept.push_front((room, value.clone()));
        }
        value
    }
}

impl Budget {
    pub(in crate::kql) fn new(limits: Limits) -> Self {
        Self { limits, steps: Cell::new(0), bytes: Cell::new(0), parsed: Parsed::default() }
    }

    /// One more node was evaluated.
    #[inline]
    pub(in crate::kql) fn step(&self) -> Result<(), KqlError> {
        self.steps(1)
    }

    /// So many more steps.
    pub(in crate::kql) fn steps(&self, more: u64) -> Result<(), KqlError> {
        Self::count(&self.steps, more, self.limits.steps, "steps")
    }

    /// So many rows of so many cells are made at once. Each costs an allocation, which takes as long as many nodes.
    pub(in crate::kql) fn new_rows(&self, rows: usize, cells: usize) -> Result<(), KqlError> {
        self.steps((rows as u64).saturating_mul(32 + cells as u64 / 4))?;
        self.may_make(rows.saturating_mul(cells).saturating_mul(size_of::<Val<'_>>()))
    }

    /// A value was made.
    pub(in crate::kql) fn made(&self, value: &Val<'_>) -> Result<(), KqlError> {
        match value {
            Val::Str(text) => self.bytes(text.own_size()),
            Val::Dyn(DynCow::Shared(value)) => self.bytes(shallow_size(value)),
            Val::Dyn(_)
            | Val::Null
            | Val::Bool(_)
            | Val::Int(_)
            | Val::Long(_)
            | Val::Real(_)
            | Val::DateTime(_)
            | Val::Timespan(_)
            | Val::Guid(_) => Ok(()),
        }
    }

    /// So many more bytes of values.
    pub(in crate::kql) fn bytes(&self, more: usize) -> Result<(), KqlError> {
        Self::count(&self.bytes, more as u64, self.limits.bytes, "bytes of values")
    }

    /// A result has so many rows.
    pub(in crate::kql) fn rows(&self, rows: usize) -> Result<(), KqlError> {
        let limit = self.limits.rows;
        if rows as u64 > limit { Err(KqlError::Limit { what: "rows", limit }) } else { Ok(()) }
    }

    /// Whether a text of that many bytes may be made, before it is made.
    pub(in crate::kql) fn may_make(&self, bytes: usize) -> Result<(), KqlError> {
        let limit = self.limits.bytes;
        let within = self.bytes.get().saturating_add(bytes as u64) <= limit;
        if within { Ok(()) } else { Err(KqlError::Limit { what: "bytes of values", limit }) }
    }

    fn count(cell: &Cell<u64>, more: u64, limit: u64, what: &'static str) -> Result<(), KqlError> {
        let used = cell.get().saturating_add(more);
        cell.set(used);
        if used > limit { Err(KqlError::Limit { what, limit }) } else { Ok(()) }
    }
}

/// Compiles a regular expression within its limits. The syntax of Kusto is that of the `regex` crate.
pub(in crate::kql) fn regex(pattern: &str, limits: &Limits) -> Result<Regex, KqlError> {
    sized_regex(pattern, limits).map(|(regex, _)| regex)
}

/// A regular expression, and the bytes that its compiled form takes at most. The crate does not say how many they are, only
/// whether they are too many, so larger and larger sizes are tried: most expressions fit the first.
pub(in crate::kql) fn sized_regex(pattern: &str, limits: &Limits) -> Result<(Regex, usize), KqlError> {
    if pattern.len() as u64 > limits.regex {
        return Err(KqlError::Limit { what: "bytes of regular expression", limit: limits.regex });
    }
    for size in [1 << 16, 1 << 20, 1 << 22, 1 << 24, Limits::COMPILED_REGEX] {
        let builder = &mut RegexBuilder::new(pattern);
        match builder.size_limit(size).dfa_size_limit(DFA).nest_limit(50).build() {
            Ok(regex) => return Ok((regex, size)),
            Err(regex::Error::CompiledTooBig(_)) => {}
            Err(other) => {
                let last = other.to_string().lines().last().unwrap_or_default().trim().to_owned();
                return Err(KqlError::Regex(format!("{} is no regular expression ({last})", quoted(pattern))));
            }
        }
    }
    Err(KqlError::Limit { what: "bytes of a compiled regular expression", limit: Limits::COMPILED_REGEX as u64 })
}

/// Bytes that matching with one regular expression may keep.
const DFA: usize = 10 << 20;

fn shallow_size(value: &Dynamic) -> usize {
    match value {
        Dynamic::Str(text) => text.len(),
        Dynamic::Array(items) => items.len() * size_of::<Dynamic>(),
        Dynamic::Bag(bag) => bag.len() * 2 * size_of::<Dynamic>(),
        Dynamic::Null
        | Dynamic::Bool(_)
        | Dynamic::Long(_)
        | Dynamic::Real(_)
        | Dynamic::DateTime(_)
        | Dynamic::Timespan(_)
        | Dynamic::Guid(_) => size_of::<Dynamic>(),
    }
}
