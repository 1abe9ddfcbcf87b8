//! `+ - * / %` and the sign, on numbers, times and lengths of time.

use super::{Arg, Function, Gives};
use crate::kql::eval::convert::scalar;
use crate::kql::time::{MAX_DATETIME, MIN_DATETIME, as_real, real_ticks};
use crate::kql::value::{Type, Val};

const TWO: &[Arg] = &[Arg::Any, Arg::Any];

pub(super) const OPERATORS: &[Function] = &[
    Function::plain("+", TWO, Gives::By(sum_type), add).doc(
        "Sum. Two integers give a long.",
        &[
            ("1 + 2", "3"),
            ("1 + 0.5", "1.5"),
            ("datetime(2026-03-01) + 1h", "datetime(2026-03-01 01:00)"),
            ("1h + 30m", "90m"),
            ("int(null) + 1", "long(null)"),
            ("9223372036854775807 + 1", "long(null)"),
        ],
    ),
    Function::plain("-", TWO, Gives::By(difference_type), subtract).doc(
        "Difference; of two datetimes a timespan.",
        &[
            ("3 - 5", "-2"),
            ("datetime(2026-03-02) - datetime(2026-03-01)", "1d"),
            ("datetime(2026-03-01) - 1d", "datetime(2026-02-28)"),
        ],
    ),
    Function::plain("*", TWO, Gives::By(product_type), multiply)
        .doc("Product.", &[("3 * 4", "12"), ("1h * 3", "3h"), ("2 * 0.5", "1.0")]),
    Function::plain("/", TWO, Gives::By(quotient_type), divide).doc(
        "Quotient; of two integers an integer, cut towards zero. Division of an integer by zero is null.",
        &[
            ("7 / 2", "3"),
            ("-7 / 2", "-3"),
            ("7 / 2.0", "3.5"),
            ("1 / 0", "long(null)"),
            ("10m / 4m", "2.5"),
            ("1h / 2", "30m"),
        ],
    ),
    Function::plain("%", TWO, Gives::By(modulo_type), modulo).doc(
        "Remainder; never negative.",
        &[("14 % 12", "2"), ("-14 % 12", "10"), ("14 % -12", "2"), ("-14 % -12", "10"), ("1 % 0", "long(null)")],
    ),
    Function::plain("neg", &[Arg::Any], Gives::By(sign_type), negate)
        .doc("The sign before a value.", &[("-(1 + 2)", "-3"), ("-1h", "0h - 1h")]),
];

/// A dynamic operand is taken as what the other is; an int beside it as a long.
fn beside_dynamic(a: Type, b: Type) -> Option<Type> {
    match (a, b) {
        (Type::Dynamic, Type::Dynamic) => Some(Type::Dynamic),
        (Type::Dynamic, Type::Int) | (Type::Int, Type::Dynamic) => Some(Type::Long),
        (Type::Dynamic, other) | (other, Type::Dynamic) => Some(other),
        _ => None,
    }
}

fn numbers(a: Type, b: Type) -> Option<Type> {
    if let Some(ty) = beside_dynamic(a, b).filter(|ty| ty.is_number() || *ty == Type::Dynamic) {
        return Some(ty);
    }
    if !a.is_number() || !b.is_number() {
        return None;
    }
    Some(if a == Type::Real || b == Type::Real { Type::Real } else { Type::Long })
}

fn sum_type(types: &[Type]) -> Option<Type> {
    match types {
        [Type::DateTime, Type::Timespan] | [Type::Timespan, Type::DateTime] => Some(Type::DateTime),
        [Type::Timespan, Type::Timespan] => Some(Type::Timespan),
        [Type::Dynamic, ty @ (Type::DateTime | Type::Timespan)]
        | [ty @ (Type::DateTime | Type::Timespan), Type::Dynamic] => Some(*ty),
        [a, b] => numbers(*a, *b),
        _ => None,
    }
}

fn difference_type(types: &[Type]) -> Option<Type> {
    match types {
        [Type::DateTime, Type::Timespan] => Some(Type::DateTime),
        [Type::DateTime, Type::DateTime | Type::Dynamic]
        | [Type::Timespan, Type::Timespan | Type::Dynamic]
        | [Type::Dynamic, Type::Timespan] => Some(Type::Timespan),
        [a, b] => numbers(*a, *b),
        _ => None,
    }
}

fn product_type(types: &[Type]) -> Option<Type> {
    match types {
        [Type::Timespan, n] | [n, Type::Timespan] if n.is_number() => Some(Type::Timespan),
        [a, b] => numbers(*a, *b),
        _ => None,
    }
}

fn quotient_type(types: &[Type]) -> Option<Type> {
    match types {
        [Type::Timespan, Type::Timespan] => Some(Type::Real),
        [Type::Timespan, n] if n.is_number() => Some(Type::Timespan),
        [a, b] => numbers(*a, *b),
        _ => None,
    }
}

fn modulo_type(types: &[Type]) -> Option<Type> {
    match types {
        [Type::Timespan, Type::Timespan] => Some(Type::Timespan),
        [a, b] => numbers(*a, *b),
        _ => None,
    }
}

fn sign_type(types: &[Type]) -> Option<Type> {
    match types {
        [Type::Int | Type::Long] => Some(Type::Long),
        [Type::Real] => Some(Type::Real),
        [ty @ (Type::Timespan | Type::Dynamic)] => Some(*ty),
        _ => None,
    }
}

/// A pair of operands in the common form the operator works on.
enum Pair {
    Longs(i64, i64),
    Reals(f64, f64),
    Timespans(i64, i64),
    /// A timespan and a factor.
    Scaled(i64, f64),
    /// A datetime and a timespan.
    Moved(i64, i64),
    Moments(i64, i64),
    Other,
}

fn pair(args: &[Val<'_>]) -> Pair {
    // A dynamic is the scalar it holds.
    if args.iter().any(|arg| matches!(arg, Val::Dyn(_))) {
        let plain: Vec<Val<'_>> = args.iter().map(plain).collect();
        return if plain.iter().any(|arg| matches!(arg, Val::Dyn(_))) { Pair::Other } else { pair(&plain) };
    }
    match args {
        [Val::Timespan(a), Val::Timespan(b)] => Pair::Timespans(*a, *b),
        [Val::DateTime(a), Val::Timespan(b)] | [Val::Timespan(b), Val::DateTime(a)] => Pair::Moved(*a, *b),
        [Val::DateTime(a), Val::DateTime(b)] => Pair::Moments(*a, *b),
        [Val::Timespan(a), b] | [b, Val::Timespan(a)] => real(b).map_or(Pair::Other, |b| Pair::Scaled(*a, b)),
        [a, b] => match (a.as_long(), b.as_long()) {
            (Some(a), Some(b)) => Pair::Longs(a, b),
            _ => real(a).zip(real(b)).map_or(Pair::Other, |(a, b)| Pair::Reals(a, b)),
        },
        _ => Pair::Other,
    }
}

fn plain<'v>(value: &'v Val<'_>) -> Val<'v> {
    if let Val::Dyn(inner) = value { scalar(inner) } else { value.borrowed() }
}

fn real(value: &Val<'_>) -> Option<f64> {
    if let Val::Real(value) = value { Some(*value) } else { value.as_long().map(as_real) }
}

fn long<'a>(value: Option<i64>) -> Val<'a> {
    value.map_or(Val::Null, Val::Long)
}

fn timespan<'a>(value: Option<i64>) -> Val<'a> {
    value.map_or(Val::Null, Val::Timespan)
}

/// A datetime, or null outside of the years 1 to 9999.
fn datetime<'a>(value: Option<i64>) -> Val<'a> {
    value.filter(|ticks| (MIN_DATETIME..=MAX_DATETIME).contains(ticks)).map_or(Val::Null, Val::DateTime)
}

fn add<'a>(args: &[Val<'a>]) -> Val<'a> {
    match pair(args) {
        Pair::Longs(a, b) => long(a.checked_add(b)),
        Pair::Reals(a, b) => Val::Real(a + b),
        Pair::Timespans(a, b) => timespan(a.checked_add(b)),
        Pair::Moved(a, b) => datetime(a.checked_add(b)),
        Pair::Scaled(..) | Pair::Moments(..) | Pair::Other => Val::Null,
    }
}

fn subtract<'a>(args: &[Val<'a>]) -> Val<'a> {
    match pair(args) {
        Pair::Longs(a, b) => long(a.checked_sub(b)),
        Pair::Reals(a, b) => Val::Real(a - b),
        Pair::Timespans(a, b) | Pair::Moments(a, b) => timespan(a.checked_sub(b)),
        Pair::Moved(a, b) => datetime(a.checked_sub(b)),
        Pair::Scaled(..) | Pair::Other => Val::Null,
    }
}

fn multiply<'a>(args: &[Val<'a>]) -> Val<'a> {
    match pair(args) {
        Pair::Longs(a, b) => long(a.checked_mul(b)),
        Pair::Reals(a, b) => Val::Real(a * b),
        Pair::Scaled(a, b) => timespan(real_ticks(as_real(a) * b)),
        Pair::Timespans(..) | Pair::Moved(..) | Pair::Moments(..) | Pair::Other => Val::Null,
    }
}

fn divide<'a>(args: &[Val<'a>]) -> Val<'a> {
    match pair(args) {
        Pair::Longs(a, b) => long(a.checked_div(b)),
        Pair::Reals(a, b) => Val::Real(a / b),
        Pair::Timespans(a, b) => Val::Real(as_real(a) / as_real(b)),
        Pair::Scaled(a, b) => timespan(real_ticks(as_real(a) / b)),
        Pair::Moved(..) | Pair::Moments(..) | Pair::Other => Val::Null,
    }
}

fn modulo<'a>(args: &[Val<'a>]) -> Val<'a> {
    match pair(args) {
        Pair::Longs(a, b) => long(a.checked_rem_euclid(b)),
        Pair::Reals(a, b) => Val::Real(a.rem_euclid(b)),
        Pair::Timespans(a, b) => timespan(a.checked_rem_euclid(b)),
        Pair::Scaled(..) | Pair::Moved(..) | Pair::Moments(..) | Pair::Other => Val::Null,
    }
}

fn negate<'a>(args: &[Val<'a>]) -> Val<'a> {
    match args {
        [Val::Real(value)] => Val::Real(-value),
        [Val::Timespan(value)] => timespan(value.checked_neg()),
        [value @ Val::Dyn(_)] => match plain(value) {
            Val::Dyn(_) => Val::Null,
            inner => negate(&[inner]).into_owned(),
        },
        [value] => long(value.as_long().and_then(i64::checked_neg)),
        _ => Val::Null,
    }
}
