//! Equality and order.

use std::cmp::Ordering;

use super::convert::{convert, scalar};
use crate::kql::time::as_real;
use crate::kql::value::Val;

/// `==`: null with null is null, null with anything else is false.
pub(in crate::kql) fn equals(a: &Val<'_>, b: &Val<'_>) -> Option<bool> {
    match (a.is_null(), b.is_null()) {
        (true, true) => None,
        (true, false) | (false, true) => Some(false),
        (false, false) => Some(same(a, b)),
    }
}

/// The order of two values of comparable types; `None` when one is null or they have no order (NaN, JSON structures).
pub(in crate::kql) fn order(a: &Val<'_>, b: &Val<'_>) -> Option<Ordering> {
    match (a, b) {
        (Val::Null, _) | (_, Val::Null) => None,
        (Val::Dyn(a), Val::Dyn(b)) => match (scalar(a), scalar(b)) {
            (Val::Dyn(_), _) | (_, Val::Dyn(_)) => None,
            (a, b) => order(&a, &b),
        },
        (Val::Dyn(_), b) => order(&convert(a.borrowed(), b.type_of()?), b),
        (a, Val::Dyn(_)) => order(a, &convert(b.borrowed(), a.type_of()?)),
        (Val::Str(a), Val::Str(b)) => Some((**a).cmp(&**b)),
        (Val::Bool(a), Val::Bool(b)) => Some(a.cmp(b)),
        (Val::DateTime(a), Val::DateTime(b)) | (Val::Timespan(a), Val::Timespan(b)) => Some(a.cmp(b)),
        (Val::Guid(a), Val::Guid(b)) => Some(a.cmp(b)),
        (a, b) => match (a.as_long(), b.as_long()) {
            (Some(a), Some(b)) => Some(a.cmp(&b)),
            _ => number(a)?.partial_cmp(&number(b)?),
        },
    }
}

/// The order in which `sort` and `min`/`max` see two values that are not null: as [`order`], what has none is equal.
pub(in crate::kql) fn sort_order(a: &Val<'_>, b: &Val<'_>) -> Ordering {
    order(a, b).unwrap_or_else(|| is_nan(b).cmp(&is_nan(a)))
}

fn is_nan(value: &Val<'_>) -> bool {
    matches!(value, Val::Real(v) if v.is_nan())
}

fn same(a: &Val<'_>, b: &Val<'_>) -> bool {
    match (a, b) {
        (Val::Dyn(a), Val::Dyn(b)) => a == b,
        (Val::Str(a), Val::Str(b)) => a == b,
        (a, b) => order(a, b) == Some(Ordering::Equal),
    }
}

fn number(value: &Val<'_>) -> Option<f64> {
    match value {
        Val::Real(v) => Some(*v),
        other => other.as_long().map(as_real),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kql::dynamic::Dynamic;

    #[test]
    fn null_equals_nothing_and_two_nulls_are_unknown() {
        assert_eq!(equals(&Val::Null, &Val::Long(1)), Some(false));
        assert_eq!(equals(&Val::Null, &Val::Null), None);
        assert_eq!(order(&Val::Null, &Val::Long(1)), None);
    }

    #[test]
    fn a_dynamic_is_compared_as_the_type_of_the_other_side() {
        let five = Val::dynamic(Dynamic::Long(5));
        assert_eq!(equals(&five, &Val::Int(5)), Some(true));
        assert_eq!(order(&five, &Val::Real(5.5)), Some(Ordering::Less));
        assert_eq!(equals(&Val::dynamic(Dynamic::Str("x".into())), &Val::from("x")), Some(true));
    }

    #[test]
    fn large_longs_are_not_compared_through_reals() {
        assert_eq!(order(&Val::Long(i64::MAX), &Val::Long(i64::MAX - 1)), Some(Ordering::Greater));
    }
}
