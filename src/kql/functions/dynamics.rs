//! Arrays and property bags.

use std::sync::Arc;

use super::args::items;
use super::{Arg, Function, Gives};
use crate::kql::dynamic::Dynamic;
use crate::kql::eval::compare::equals;
use crate::kql::eval::convert::{scalar, text_of};
use crate::kql::value::{Type, Val};

const DYNAMIC: Arg = Arg::Is(Type::Dynamic);
const LONG: Arg = Arg::Is(Type::Long);

pub(super) const FUNCTIONS: &[Function] = &[
    Function::plain("array_length", &[DYNAMIC], Gives::Is(Type::Long), |args| {
        let length = items(args, 0).and_then(|items| i64::try_from(items.len()).ok());
        length.map_or(Val::Null, Val::Long)
    })
    .doc(
        "How many elements an array has; null for anything else.",
        &[("array_length(dynamic([1, 2, 3]))", "3"), ("array_length(dynamic({}))", "long(null)")],
    ),
    Function::plain("array_index_of", &[DYNAMIC, Arg::Any], Gives::Is(Type::Long), index_of)
        .optional(&[LONG, LONG, LONG])
        .doc(
            "Where an array holds a value first: array, value, start, length, occurrence; -1 when it does not.",
            &[
                ("array_index_of(dynamic(['a', 'b', 'a']), 'a')", "0"),
                ("array_index_of(dynamic(['a', 'b', 'a']), 'a', 1)", "2"),
                ("array_index_of(dynamic(['a', 'b']), 'x')", "-1"),
            ],
        ),
    Function::plain("set_has_element", &[DYNAMIC, Arg::Any], Gives::Is(Type::Bool), |args| {
        let found = items(args, 0).zip(args.get(1)).map(|(items, value)| items.iter().any(|item| is(item, value)));
        found.map_or(Val::Null, Val::Bool)
    })
    .doc("Whether an array holds a value.", &[("set_has_element(dynamic(['a', 'b']), 'b')", "true")]),
    Function::new("strcat_array", &[DYNAMIC, Arg::Text], Gives::Is(Type::String), |frame, args| {
        let (Some(items), Some(delimiter)) = (items(args, 0), args.get(1).and_then(Val::as_str)) else {
            return Ok(Val::Null);
        };
        let parts: Vec<String> = items.iter().map(|item| text_of(&scalar(item)).into_owned()).collect();
        let delimiters = delimiter.len().saturating_mul(parts.len());
        frame.env.budget.may_make(parts.iter().map(String::len).sum::<usize>().saturating_add(delimiters))?;
        Ok(parts.join(delimiter).into())
    })
    .doc("The elements as one text.", &[("strcat_array(dynamic([1, 2]), '->')", "'1->2'")]),
    Function::plain("bag_keys", &[DYNAMIC], Gives::Is(Type::Dynamic), |args| {
        match args.first().and_then(Val::as_dynamic) {
            Some(Dynamic::Bag(bag)) => {
                Val::dynamic(Dynamic::Array(bag.iter().map(|(name, _)| Dynamic::Str(Arc::from(name))).collect()))
            }
            _ => Val::Null,
        }
    })
    .doc("The names in a property bag.", &[("tostring(bag_keys(dynamic({'a': 1, 'b': 2})))", r#"'["a","b"]'"#)]),
];

fn is(item: &Dynamic, value: &Val<'_>) -> bool {
    equals(&scalar(item), value) == Some(true)
}

fn index_of<'a>(args: &[Val<'a>]) -> Val<'a> {
    let (Some(items), Some(value)) = (items(args, 0), args.get(1)) else { return Val::Null };
    let number = |at: usize, or: i64| args.get(at).and_then(Val::as_long).unwrap_or(or);
    let Some((start, end)) = window(items.len(), number(2, 0), number(3, -1)) else { return Val::Null };
    let Ok(occurrence) = usize::try_from(number(4, 1) - 1) else { return Val::Null };
    let places = items.iter().enumerate().take(end).skip(start).filter(|(_, item)| is(item, value));
    let at = places.map(|(at, _)| at).nth(occurrence).and_then(|at| i64::try_from(at).ok());
    Val::Long(at.unwrap_or(-1))
}

/// The part of `total` things that a start (from the end when negative) and a length (-1 is all) select. `None` for a
/// length that is otherwise negative.
pub(super) fn window(total: usize, start: i64, length: i64) -> Option<(usize, usize)> {
    if length < -1 {
        return None;
    }
    let whole = i64::try_from(total).ok()?;
    let start = if start < 0 { start.saturating_add(whole).max(0) } else { start.min(whole) };
    let end = if length == -1 { whole } else { start.saturating_add(length).min(whole) };
    Some((usize::try_from(start).ok()?, usize::try_from(end).ok()?))
}
