//! Distinct values and lists of values.

use std::collections::HashSet;
use std::sync::Arc;

use super::{Accumulator, Aggregate, If, without_condition};
use crate::kql::dynamic::{Bag, Dynamic};
use crate::kql::error::KqlError;
use crate::kql::eval::budget::Budget;
use crate::kql::eval::convert::scalar;
use crate::kql::exec::key;
use crate::kql::value::{Type, Val, Value};

/// How many elements a set or a list has at most, unless the query says fewer. From the reference of `make_set`.
const MOST: usize = 1_048_576;

pub(super) const AGGREGATES: &[Aggregate] = &[
    Aggregate::new(
        "dcount",
        (1, 2),
        "dcount_",
        distinct,
        |_| Box::<Distinct>::default(),
        "How many different values; counted exactly here.",
    ),
    Aggregate::new(
        "dcountif",
        (2, 3),
        "dcountif_",
        distinct_if,
        |_| Box::new(If(Distinct::default())),
        "How many different values in the rows for which the condition holds; counted exactly here.",
    ),
    Aggregate::new(
        "count_distinct",
        (1, 1),
        "count_distinct_",
        scalar_distinct,
        |_| Box::<Distinct>::default(),
        "How many different values.",
    ),
    Aggregate::new(
        "count_distinctif",
        (2, 2),
        "count_distinctif_",
        |types| scalar_distinct(&without_condition(types)?),
        |_| Box::new(If(Distinct::default())),
        "How many different values in the rows for which the condition holds.",
    ),
    Aggregate::new(
        "make_set",
        (1, 2),
        "set_",
        list_type,
        |_| Box::new(List::set()),
        "An array of the different values, without nulls; of arrays, their elements.",
    ),
    Aggregate::new("makeset", (1, 2), "set_", list_type, |_| Box::new(List::set()), "As make_set."),
    Aggregate::new(
        "make_set_if",
        (2, 3),
        "set_",
        list_if_type,
        |_| Box::new(If(List::set())),
        "As make_set, of the rows for which the condition holds.",
    ),
    Aggregate::new(
        "make_list",
        (1, 2),
        "list_",
        list_type,
        |_| Box::new(List::default()),
        "An array of all values, without nulls.",
    ),
    Aggregate::new("makelist", (1, 2), "list_", list_type, |_| Box::new(List::default()), "As make_list."),
    Aggregate::new(
        "make_list_if",
        (2, 3),
        "list_",
        list_if_type,
        |_| Box::new(If(List::default())),
        "An array of the values in the rows for which the condition holds.",
    ),
    Aggregate::new(
        "make_list_with_nulls",
        (1, 1),
        "list_",
        list_type,
        |_| Box::new(List { nulls: true, ..List::default() }),
        "An array of all values, nulls included.",
    ),
    Aggregate::new(
        "make_bag",
        (1, 2),
        "bag_",
        bag_type,
        |_| Box::new(Union::default()),
        "The properties of all bags in one.",
    ),
    Aggregate::new(
        "make_bag_if",
        (2, 3),
        "bag_",
        |types| bag_type(&without_condition(types)?),
        |_| Box::new(If(Union::default())),
        "The properties of the bags in the rows for which the condition holds.",
    ),
    Aggregate::new("make_dictionary", (1, 2), "dictionary_", bag_type, |_| Box::new(Union::default()), "As make_bag."),
];

fn distinct(types: &[Type]) -> Option<Type> {
    matches!(types, [_] | [_, Type::Int | Type::Long]).then_some(Type::Long)
}

fn distinct_if(types: &[Type]) -> Option<Type> {
    distinct(&without_condition(types)?)
}

fn scalar_distinct(types: &[Type]) -> Option<Type> {
    (types != [Type::Dynamic]).then_some(Type::Long)
}

fn list_type(types: &[Type]) -> Option<Type> {
    matches!(types, [_] | [_, Type::Int | Type::Long]).then_some(Type::Dynamic)
}

fn list_if_type(types: &[Type]) -> Option<Type> {
    list_type(&without_condition(types)?)
}

fn bag_type(types: &[Type]) -> Option<Type> {
    matches!(types, [Type::Dynamic] | [Type::Dynamic, Type::Int | Type::Long]).then_some(Type::Dynamic)
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

    fn finish(self: Box<Self>) -> Vec<Value> {
        vec![i64::try_from(self.0.len()).map_or(Val::Null, Val::Long)]
    }
}

#[derive(Default)]
struct List {
    /// Whether nulls are elements.
    nulls: bool,
    /// For a set: what is in it.
    seen: Option<HashSet<Vec<u8>>>,
    items: Vec<Dynamic>,
}

impl List {
    fn set() -> Self {
        Self { seen: Some(HashSet::new()), ..Self::default() }
    }
}

impl Accumulator for List {
    fn add(&mut self, args: &[Val<'_>], budget: &Budget) -> Result<(), KqlError> {
        let most = args.get(1).and_then(Val::as_long).and_then(|n| usize::try_from(n).ok()).unwrap_or(MOST);
        let Some(value) = args.first() else { return Ok(()) };
        match value.as_dynamic() {
            // A set of arrays is that of their elements, a list of arrays one of arrays: "Set from array column" of make_set.
            Some(Dynamic::Array(items)) if self.seen.is_some() => {
                budget.steps(items.len() as u64)?;
                items.iter().try_for_each(|item| self.take(&scalar(item), most, budget))
            }
            Some(single) if self.seen.is_some() => self.take(&scalar(single), most, budget),
            _ => self.take(value, most, budget),
        }
    }

    fn finish(self: Box<Self>) -> Vec<Value> {
        vec![Val::dynamic(Dynamic::Array(self.items.into()))]
    }
}

impl List {
    fn take(&mut self, value: &Val<'_>, most: usize, budget: &Budget) -> Result<(), KqlError> {
        if (value.is_null() && !self.nulls) || self.items.len() >= most.min(MOST) {
            return Ok(());
        }
        if let Some(seen) = &mut self.seen {
            let key = key::of(std::slice::from_ref(value));
            budget.bytes(key.len())?;
            if !seen.insert(key) {
                return Ok(());
            }
        }
        budget.bytes(size_of::<Dynamic>() + value.size())?;
        self.items.push(Dynamic::from_val(value));
        Ok(())
    }
}

/// Bags put together; the first value of a name stays.
#[derive(Default)]
struct Union {
    names: HashSet<Arc<str>>,
    pairs: Vec<(Arc<str>, Dynamic)>,
    /// Whether there was a bag at all.
    bags: bool,
}

impl Accumulator for Union {
    fn add(&mut self, args: &[Val<'_>], budget: &Budget) -> Result<(), KqlError> {
        let most = args.get(1).and_then(Val::as_long).and_then(|n| usize::try_from(n).ok()).unwrap_or(MOST);
        let Some(Dynamic::Bag(bag)) = args.first().and_then(Val::as_dynamic) else { return Ok(()) };
        self.bags = true;
        for (name, value) in bag.iter() {
            if self.pairs.len() >= most.min(MOST) || self.names.contains(name) {
                continue;
            }
            budget.bytes(name.len() * 2 + value.size())?;
            let name: Arc<str> = Arc::from(name);
            self.names.insert(Arc::clone(&name));
            self.pairs.push((name, value.clone()));
        }
        Ok(())
    }

    fn finish(self: Box<Self>) -> Vec<Value> {
        // Of no bags it is an empty array: "Default values of aggregations".
        let made = if self.bags { Dynamic::Bag(Arc::new(Bag::new(self.pairs))) } else { Dynamic::Array([].into()) };
        vec![Val::dynamic(made)]
    }
}
