//! The arguments of a call, read as what they are.

use crate::kql::dynamic::{Bag, Dynamic};
use crate::kql::time::as_real;
use crate::kql::value::Val;

/// The text of a string argument.
pub(super) fn text<'v>(args: &'v [Val<'_>], at: usize) -> &'v str {
    args.get(at).and_then(Val::as_str).unwrap_or_default()
}

/// A whole number, or another one when it is not given.
pub(super) fn long_or(args: &[Val<'_>], at: usize, or: i64) -> i64 {
    args.get(at).and_then(Val::as_long).unwrap_or(or)
}

/// A whole number.
pub(super) fn long(args: &[Val<'_>], at: usize) -> Option<i64> {
    args.get(at).and_then(Val::as_long)
}

/// Any number as a real.
pub(super) fn real(args: &[Val<'_>], at: usize) -> Option<f64> {
    args.get(at).and_then(as_f64)
}

/// Any number as a real.
pub(super) fn as_f64(value: &Val<'_>) -> Option<f64> {
    if let Val::Real(value) = value { Some(*value) } else { value.as_long().map(as_real) }
}

/// The elements of an array.
pub(super) fn items<'v>(args: &'v [Val<'_>], at: usize) -> Option<&'v [Dynamic]> {
    args.get(at).and_then(Val::as_dynamic).and_then(Dynamic::items)
}

/// A property bag.
pub(super) fn bag<'v>(args: &'v [Val<'_>], at: usize) -> Option<&'v Bag> {
    match args.get(at).and_then(Val::as_dynamic) {
        Some(Dynamic::Bag(bag)) => Some(bag),
        _ => None,
    }
}

/// How many, as a value.
pub(super) fn count<'a>(n: usize) -> Val<'a> {
    i64::try_from(n).map_or(Val::Null, Val::Long)
}

/// An array as a value.
pub(super) fn array<'a>(items: impl IntoIterator<Item = Dynamic>) -> Val<'a> {
    Val::dynamic(Dynamic::Array(items.into_iter().collect()))
}

/// Null when there is nothing.
pub(super) fn long_value<'a>(value: Option<i64>) -> Val<'a> {
    value.map_or(Val::Null, Val::Long)
}

/// Null when there is nothing.
pub(super) fn bool_value<'a>(value: Option<bool>) -> Val<'a> {
    value.map_or(Val::Null, Val::Bool)
}
