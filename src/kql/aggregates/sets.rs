//! Distinct values and lists of values.

use std::collections::HashSet;

use super::{Accumulator, Aggregate};
use crate::kql::dynamic::Dynamic;
use crate::kql::error::KqlError;
use crate::kql::eval::budget::Budget;
use crate::kql::exec::key;
use crate::kql::value::{Type, Val, Value};

/// How many elements a set or a list has at most, unless the query says fewer. From the reference of `make_set`.
const MOST: usize = 1_048_576;

pub(super) const AGGREGATES: &[Aggregate] = &[
    Aggregate {
        name: "dcount",
        args: (1, 2),
        prefix: "dcount_",
        gives: |_| Some(Type::Long),
        start: || Box::<Distinct>::default(),
        doc: "How many different values; counted exactly here.",
    },
    Aggregate {
        name: "make_set",
        args: (1, 2),
        prefix: "set_",
        gives: list_type,
        start: || Box::new(List { seen: Some(HashSet::new()), items: Vec::new() }),
        doc: "An array of the different values, without nulls.",
    },
    Aggregate {
        name: "make_list",
        args: (1, 2),
        prefix: "list_",
        gives: list_type,
        start: || Box::new(List { seen: None, items: Vec::new() }),
        doc: "An array of all values, without nulls.",
    },
];

fn list_type(types: &[Type]) -> Option<Type> {
    matches!(types, [_] | [_, Type::Int | Type::Long]).then_some(Type::Dynamic)
}

#[derive(Default)]
struct Distinct(HashSet<Vec<u8>>);

impl Accumulator for Distinct {
    fn add(&mut self, args: &[Val<'_>], budget: &Budget) -> Result<(), KqlError> {
        let Some(value) = args.first().filter(|value| !value.is_null()) else { return Ok(()) };
        let key = key::of(std::slice::from_ref(value));
        let bytes = key.len();
        if self.0.insert(key) { budget.bytes(bytes) } else { Ok(()) }
    }

    fn finish(self: Box<Self>) -> Value {
        i64::try_from(self.0.len()).map_or(Val::Null, Val::Long)
    }
}

struct List {
    /// For a set: what is in it.
    seen: Option<HashSet<Vec<u8>>>,
    items: Vec<Dynamic>,
}

impl Accumulator for List {
    fn add(&mut self, args: &[Val<'_>], budget: &Budget) -> Result<(), KqlError> {
        let most = args.get(1).and_then(Val::as_long).and_then(|n| usize::try_from(n).ok()).unwrap_or(MOST);
        let Some(value) = args.first().filter(|value| !value.is_null()) else { return Ok(()) };
        if self.items.len() >= most.min(MOST) {
            return Ok(());
        }
        if let Some(seen) = &mut self.seen {
            let key = key::of(std::slice::from_ref(value));
            budget.bytes(key.len())?;
            if !seen.insert(key) {
                return Ok(());
            }
        }
        budget.bytes(size_of::<Dynamic>() + value.as_str().map_or(0, str::len))?;
        self.items.push(Dynamic::from_val(value));
        Ok(())
    }

    fn finish(self: Box<Self>) -> Value {
        Val::dynamic(Dynamic::Array(self.items.into()))
    }
}
