//! Numbers.

use super::args::{as_f64, bool_value, long, long_or, long_value, real};
use super::{Arg, Function, Gives, common_type};
use crate::kql::eval::compare::sort_order;
use crate::kql::eval::convert::convert;
use crate::kql::time::{as_real, real_ticks};
use crate::kql::value::{Type, Val};

const REAL: Gives = Gives::Is(Type::Real);
const LONG: Gives = Gives::Is(Type::Long);
const BOOL: Gives = Gives::Is(Type::Bool);
const NUMBER: &[Arg] = &[Arg::Number];
const TWO: &[Arg] = &[Arg::Number, Arg::Number];
const BITS: &[Arg] = &[Arg::Is(Type::Long), Arg::Is(Type::Long)];

pub(super) const FUNCTIONS: &[Function] = &[
    Function::plain("abs", &[Arg::Any], Gives::By(abs_type), |args| match args.first() {
        Some(Val::Real(value)) => Val::Real(value.abs()),
        Some(Val::Timespan(value)) => value.checked_abs().map_or(Val::Null, Val::Timespan),
        Some(value) => long_value(value.as_long().and_then(i64::checked_abs)),
        None => Val::Null,
    })
    .keeps_name()
    .doc("Without its sign.", &[("abs(-5)", "5"), ("abs(-1.5)", "1.5"), ("abs(-1h)", "1h")]),
    Function::plain("round", NUMBER, Gives::By(same_number), round)
        .optional(&[Arg::Is(Type::Long)])
        .keeps_name()
        .constants(&[1])
        .doc(
            "Rounded to so many digits after the point.",
            &[
                ("round(2.98765, 3)", "2.988"),
                ("round(2.15)", "2.0"),
                ("round(-2.5)", "-3.0"),
                ("round(1234, -2)", "1200"),
            ],
        ),
    Function::plain("ceiling", NUMBER, Gives::By(same_number), |args| match args.first() {
        Some(Val::Real(value)) => Val::Real(value.ceil()),
        Some(value) => value.clone(),
        None => Val::Null,
    })
    .keeps_name()
    .doc("The next whole number upwards.", &[("ceiling(1.1)", "2.0"), ("ceiling(-1.1)", "-1.0"), ("ceiling(3)", "3")]),
    of_real("sqrt", |x| (x >= 0.0).then(|| x.sqrt()))
        .doc("The square root; null of a negative number.", &[("sqrt(9)", "3.0"), ("sqrt(-1)", "real(null)")]),
    of_real("exp", |x| Some(x.exp())).doc("e to that power.", &[("exp(0)", "1.0")]),
    of_real("exp2", |x| Some(x.exp2())).doc("2 to that power.", &[("exp2(3)", "8.0")]),
    of_real("exp10", |x| Some(10f64.powf(x))).doc("10 to that power.", &[("exp10(3)", "1000.0")]),
    of_real("log", |x| (x > 0.0).then(|| x.ln()))
        .doc("The natural logarithm.", &[("log(1)", "0.0"), ("log(-1)", "real(null)")]),
    of_real("log2", |x| (x > 0.0).then(|| x.log2())).doc("The logarithm to base 2.", &[("log2(8)", "3.0")]),
    of_real("log10", |x| (x > 0.0).then(|| x.log10())).doc("The logarithm to base 10.", &[("log10(1000)", "3.0")]),
    of_real("sin", |x| Some(x.sin())).doc("The sine.", &[("sin(0)", "0.0")]),
    of_real("cos", |x| Some(x.cos())).doc("The cosine.", &[("cos(0)", "1.0")]),
    of_real("tan", |x| Some(x.tan())).doc("The tangent.", &[("tan(0)", "0.0")]),
    of_real("asin", |x| (x.abs() <= 1.0).then(|| x.asin()))
        .doc("The angle whose sine it is.", &[("asin(0)", "0.0"), ("asin(2)", "real(null)")]),
    of_real("acos", |x| (x.abs() <= 1.0).then(|| x.acos())).doc("The angle whose cosine it is.", &[("acos(1)", "0.0")]),
    of_real("atan", |x| Some(x.atan())).doc("The angle whose tangent it is.", &[("atan(0)", "0.0")]),
    Function::plain("atan2", TWO, REAL, |args| match (real(args, 0), real(args, 1)) {
        (Some(y), Some(x)) => Val::Real(y.atan2(x)),
        _ => Val::Null,
    })
    .keeps_name()
    .doc("The angle of the point (y, x).", &[("atan2(0, 1)", "0.0")]),
    Function::plain("cot", NUMBER, REAL, |args| real(args, 0).map_or(Val::Null, |x| Val::Real(1.0 / x.tan())))
        .doc("The cotangent.", &[("round(cot(0.785398163397448), 6)", "1.0")]),
    Function::plain("degrees", NUMBER, REAL, |args| real(args, 0).map_or(Val::Null, |x| Val::Real(x.to_degrees())))
        .doc("Radians as degrees.", &[("degrees(pi() / 4)", "45.0")]),
    Function::plain("radians", NUMBER, REAL, |args| real(args, 0).map_or(Val::Null, |x| Val::Real(x.to_radians())))
        .doc("Degrees as radians.", &[("radians(180) == pi()", "true")]),
    Function::plain("pi", &[], REAL, |_| Val::Real(std::f64::consts::PI))
        .doc("The number pi.", &[("round(pi(), 2)", "3.14")]),
    Function::plain("pow", TWO, REAL, |args| match (real(args, 0), real(args, 1)) {
        (Some(base), Some(power)) => Val::Real(base.powf(power)),
        _ => Val::Null,
    })
    .keeps_name()
    .doc("The first to the power of the second.", &[("pow(2, 3)", "8.0")]),
    Function::plain("sign", NUMBER, REAL, |args| {
        real(args, 0).map_or(Val::Null, |x| {
            Val::Real(if x > 0.0 {
                1.0
            } else if x < 0.0 {
                -1.0
            } else {
                0.0
            })
        })
    })
    .doc("-1, 0 or 1.", &[("sign(-42)", "-1.0"), ("sign(0)", "0.0")]),
    Function::plain("isnan", &[Arg::Is(Type::Real)], BOOL, |args| bool_value(real(args, 0).map(f64::is_nan)))
        .doc("Whether it is no number.", &[("isnan(0.0 / 0.0)", "true")]),
    Function::plain("isinf", &[Arg::Is(Type::Real)], BOOL, |args| bool_value(real(args, 0).map(f64::is_infinite)))
        .doc("Whether it is infinite.", &[("isinf(1.0 / 0.0)", "true")]),
    Function::plain("isfinite", &[Arg::Is(Type::Real)], BOOL, |args| bool_value(real(args, 0).map(f64::is_finite)))
        .doc("Whether it is a finite number.", &[("isfinite(1.0)", "true"), ("isfinite(1.0 / 0.0)", "false")]),
    Function::plain("max_of", &[Arg::Any, Arg::Any], Gives::By(common), |args| best(args, true))
        .rest(&[Arg::Any])
        .sees_null()
        .doc(
            "The largest of its arguments; nulls are passed over.",
            &[("max_of(10, 1, -3, 17)", "17"), ("max_of(1, 2.5)", "2.5"), ("max_of(int(null), 3)", "3")],
        ),
    Function::plain("min_of", &[Arg::Any, Arg::Any], Gives::By(common), |args| best(args, false))
        .rest(&[Arg::Any])
        .sees_null()
        .doc("The smallest of its arguments; nulls are passed over.", &[("min_of(10, 1, -3, 17)", "-3")]),
    Function::plain("binary_and", BITS, LONG, |args| bits(args, |a, b| Some(a & b)))
        .keeps_name()
        .doc("Bits that both have.", &[("binary_and(6, 3)", "2")]),
    Function::plain("binary_or", BITS, LONG, |args| bits(args, |a, b| Some(a | b)))
        .keeps_name()
        .doc("Bits that one has.", &[("binary_or(6, 3)", "7")]),
    Function::plain("binary_xor", BITS, LONG, |args| bits(args, |a, b| Some(a ^ b)))
        .keeps_name()
        .doc("Bits that only one has.", &[("binary_xor(6, 3)", "5")]),
    Function::plain("binary_not", &[Arg::Is(Type::Long)], LONG, |args| long_value(long(args, 0).map(|a| !a)))
        .keeps_name()
        .doc("The other bits.", &[("binary_not(100)", "-101")]),
    Function::plain("binary_shift_left", BITS, LONG, |args| {
        bits(args, |a, b| a.checked_shl(u32::try_from(b.rem_euclid(64)).ok()?))
    })
    .keeps_name()
    .doc("Bits moved upwards.", &[("binary_shift_left(1, 4)", "16")]),
    Function::plain("binary_shift_right", BITS, LONG, |args| {
        bits(args, |a, b| a.checked_shr(u32::try_from(b.rem_euclid(64)).ok()?))
    })
    .keeps_name()
    .doc("Bits moved downwards.", &[("binary_shift_right(16, 4)", "1")]),
    Function::plain("bitset_count_ones", &[Arg::Is(Type::Long)], LONG, |args| {
        long_value(long(args, 0).map(|a| i64::from(a.count_ones())))
    })
    .keeps_name()
    .doc("How many bits are set.", &[("bitset_count_ones(42)", "3")]),
    Function::plain("tohex", &[Arg::Is(Type::Long)], Gives::Is(Type::String), |args| {
        let width = usize::try_from(long_or(args, 1, 0).clamp(0, 64)).unwrap_or(0);
        long(args, 0).map_or(Val::Null, |a| format!("{a:0width$x}").into())
    })
    .optional(&[Arg::Is(Type::Long)])
    .keeps_name()
    .doc(
        "In hexadecimal digits, at least so many.",
        &[("tohex(256)", "'100'"), ("tohex(-256)", "'ffffffffffffff00'"), ("tohex(256, 8)", "'00000100'")],
    ),
    Function::plain("bin_at", &[Arg::Any, Arg::Any, Arg::Any], Gives::By(bin_at_type), bin_at).keeps_name().doc(
        "Rounded down to a multiple, counted from a fixed point.",
        &[
            ("bin_at(6.5, 2.5, 7)", "4.5"),
            ("bin_at(1h, 1d, 12h)", "-12h"),
            (
                "bin_at(datetime(2017-05-15 10:20:00.0), 1d, datetime(1970-01-01 12:00:00.0))",
                "datetime(2017-05-14 12:00)",
            ),
        ],
    ),
];

/// A function of a real, null where there is none.
const fn of_real(name: &'static str, eval: fn(f64) -> Option<f64>) -> Function {
    Function::real(name, NUMBER, eval).keeps_name()
}

fn abs_type(types: &[Type]) -> Option<Type> {
    match types {
        [Type::Int | Type::Long] => Some(Type::Long),
        [ty @ (Type::Real | Type::Timespan)] => Some(*ty),
        _ => None,
    }
}

fn same_number(types: &[Type]) -> Option<Type> {
    types.first().copied().filter(|ty| ty.is_number())
}

fn common(types: &[Type]) -> Option<Type> {
    let (first, others) = types.split_first()?;
    let ty = others.iter().try_fold(*first, |so_far, ty| common_type(so_far, *ty))?;
    (ty != Type::Dynamic).then_some(ty)
}

fn round<'a>(args: &[Val<'a>]) -> Val<'a> {
    let digits = long_or(args, 1, 0);
    let Ok(digits) = i32::try_from(digits) else { return Val::Null };
    match args.first() {
        Some(Val::Real(value)) => {
            let scale = 10f64.powi(digits);
            let rounded = (value * scale).round() / scale;
            Val::Real(if rounded.is_finite() { rounded } else { *value })
        }
        Some(value) if digits >= 0 => value.clone(),
        Some(value) => {
            let scale = u32::try_from(-digits).ok().and_then(|digits| 10_i64.checked_pow(digits));
            let rounded = value
                .as_long()
                .zip(scale)
                .map(|(value, scale)| (as_real(value) / as_real(scale)).round() * as_real(scale));
            let whole = rounded.and_then(real_ticks).unwrap_or(0);
            convert(Val::Long(whole), value.type_of().unwrap_or(Type::Long))
        }
        None => Val::Null,
    }
}

fn best<'a>(args: &[Val<'a>], largest: bool) -> Val<'a> {
    let real = args.iter().any(|value| matches!(value, Val::Real(_)));
    let values = args.iter().filter(|value| !value.is_null());
    let found = if largest { values.max_by(|a, b| sort_order(a, b)) } else { values.min_by(|a, b| sort_order(a, b)) };
    match found {
        Some(value) if real => as_f64(value).map_or(Val::Null, Val::Real),
        Some(Val::Int(value)) if args.iter().any(|value| matches!(value, Val::Long(_))) => Val::Long(i64::from(*value)),
        Some(value) => value.clone(),
        None => Val::Null,
    }
}

fn bits<'a>(args: &[Val<'_>], fold: impl Fn(i64, i64) -> Option<i64>) -> Val<'a> {
    long_value(long(args, 0).zip(long(args, 1)).and_then(|(a, b)| fold(a, b)))
}

fn bin_at_type(types: &[Type]) -> Option<Type> {
    match types {
        [Type::DateTime, Type::Timespan, Type::DateTime] => Some(Type::DateTime),
        [Type::Timespan, Type::Timespan, Type::Timespan] => Some(Type::Timespan),
        [a, b, c] if a.is_number() && b.is_number() && c.is_number() => common(types),
        _ => None,
    }
}

fn bin_at<'a>(args: &[Val<'a>]) -> Val<'a> {
    let floor = |value: i64, step: i64, fixed: i64| -> Option<i64> {
        let whole = (step > 0).then(|| value.checked_sub(fixed)).flatten()?.div_euclid(step);
        whole.checked_mul(step)?.checked_add(fixed)
    };
    match args {
        [Val::DateTime(value), Val::Timespan(step), Val::DateTime(fixed)] => {
            floor(*value, *step, *fixed).map_or(Val::Null, Val::datetime)
        }
        [Val::Timespan(value), Val::Timespan(step), Val::Timespan(fixed)] => {
            floor(*value, *step, *fixed).map_or(Val::Null, Val::Timespan)
        }
        [a, b, c] => match (a.as_long(), b.as_long(), c.as_long()) {
            (Some(value), Some(step), Some(fixed)) => long_value(floor(value, step, fixed)),
            _ => match (as_f64(a), as_f64(b), as_f64(c)) {
                (Some(value), Some(step), Some(fixed)) if step > 0.0 => {
                    Val::Real(((value - fixed) / step).floor() * step + fixed)
                }
                _ => Val::Null,
            },
        },
        _ => Val::Null,
    }
}
