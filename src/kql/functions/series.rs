//! Arrays of numbers as series: element by element, filled, and summed up.

use std::cmp::Ordering;

use super::args::{as_f64, items, real};
use super::{Arg, Function, Gives, Plain};
use crate::kql::dynamic::Dynamic;
use crate::kql::eval::convert::scalar;
use crate::kql::time::{as_real, real_ticks};
use crate::kql::value::{Type, Val};

const SERIES: Gives = Gives::Is(Type::Dynamic);
const REAL: Gives = Gives::Is(Type::Real);
const ONE: &[Arg] = &[Arg::Is(Type::Dynamic)];
const TWO: &[Arg] = &[Arg::Is(Type::Dynamic), Arg::Is(Type::Dynamic)];

pub(super) const FUNCTIONS: &[Function] = &[
    Function::plain("series_add", TWO, SERIES, |args| pairs(args, i64::checked_add, |a, b| a + b)).doc(
        "The sums, element by element.",
        &[("tostring(series_add(dynamic([1, 2]), dynamic([4, 0.5])))", "'[5,2.5]'")],
    ),
    Function::plain("series_subtract", TWO, SERIES, |args| pairs(args, i64::checked_sub, |a, b| a - b)).doc(
        "The differences, element by element.",
        &[("tostring(series_subtract(dynamic([1, 2]), dynamic([4, 2])))", "'[-3,0]'")],
    ),
    Function::plain("series_multiply", TWO, SERIES, |args| pairs(args, i64::checked_mul, |a, b| a * b)).doc(
        "The products, element by element; null where one is missing.",
        &[("tostring(series_multiply(dynamic([1, 2, 3]), dynamic([4, 2])))", "'[4,4,null]'")],
    ),
    Function::plain("series_divide", TWO, SERIES, |args| pairs(args, |_, _| None, |a, b| a / b)).doc(
        "The quotients, element by element, as reals.",
        &[("tostring(series_divide(dynamic([1, 2]), dynamic([4, 2])))", "'[0.25,1.0]'")],
    ),
    Function::plain("series_pow", TWO, SERIES, |args| pairs(args, |_, _| None, f64::powf)).doc(
        "Powers, element by element.",
        &[("tostring(series_pow(dynamic([2, 3]), dynamic([3, 2])))", "'[8.0,9.0]'")],
    ),
    Function::plain("series_greater", TWO, SERIES, |args| tests(args, |a, b| a > b)).doc(
        "Whether it is greater, element by element.",
        &[("tostring(series_greater(dynamic([1, 2]), dynamic([0, 2])))", "'[true,false]'")],
    ),
    Function::plain("series_greater_equals", TWO, SERIES, |args| tests(args, |a, b| a >= b)).doc(
        "Whether it is greater or equal, element by element.",
        &[("tostring(series_greater_equals(dynamic([1, 2]), dynamic([2, 2])))", "'[false,true]'")],
    ),
    Function::plain("series_less", TWO, SERIES, |args| tests(args, |a, b| a < b)).doc(
        "Whether it is less, element by element.",
        &[("tostring(series_less(dynamic([1, 2]), dynamic([2, 2])))", "'[true,false]'")],
    ),
    Function::plain("series_less_equals", TWO, SERIES, |args| tests(args, |a, b| a <= b)).doc(
        "Whether it is less or equal, element by element.",
        &[("tostring(series_less_equals(dynamic([3, 2]), dynamic([2, 2])))", "'[false,true]'")],
    ),
    Function::plain("series_equals", TWO, SERIES, |args| tests(args, |a, b| a.partial_cmp(&b) == Some(Ordering::Equal))).doc(
        "Whether it is equal, element by element.",
        &[
            ("tostring(series_equals(dynamic([3, 2]), dynamic([2, 2])))", "'[false,true]'"),
            ("tostring(series_equals(dynamic([0]), dynamic([-0.0])))", "'[true]'"),
        ],
    ),
    Function::plain("series_not_equals", TWO, SERIES, |args| tests(args, |a, b| a.partial_cmp(&b) != Some(Ordering::Equal))).doc(
        "Whether it differs, element by element.",
        &[("tostring(series_not_equals(dynamic([3, 2]), dynamic([2, 2])))", "'[true,false]'")],
    ),
    each("series_abs", |args| whole_or(args, i64::checked_abs, f64::abs))
        .doc("The sizes of the elements.", &[("tostring(series_abs(dynamic([-6.5, 2])))", "'[6.5,2]'")]),
    each("series_sign", |args| whole_or(args, |n| Some(n.signum()), |n| if n == 0.0 { 0.0 } else { n.signum() }))
        .doc("-1, 0 or 1 for each element.", &[("tostring(series_sign(dynamic([-6, 0, 8])))", "'[-1,0,1]'")]),
    each("series_floor", |args| reals(args, f64::floor))
        .doc("Rounded down.", &[("tostring(series_floor(dynamic([-1.5, 2.5])))", "'[-2.0,2.0]'")]),
    each("series_ceiling", |args| reals(args, f64::ceil))
        .doc("Rounded up.", &[("tostring(series_ceiling(dynamic([-1.5, 2.5])))", "'[-1.0,3.0]'")]),
    each("series_exp", |args| reals(args, f64::exp))
        .doc("The exponentials.", &[("tostring(series_exp(dynamic([0])))", "'[1.0]'")]),
    each("series_log", |args| reals(args, f64::ln))
        .doc("The natural logarithms.", &[("tostring(series_log(dynamic([1])))", "'[0.0]'")]),
    each("series_sin", |args| reals(args, f64::sin))
        .doc("The sines.", &[("tostring(series_sin(dynamic([0])))", "'[0.0]'")]),
    each("series_cos", |args| reals(args, f64::cos))
        .doc("The cosines.", &[("tostring(series_cos(dynamic([0])))", "'[1.0]'")]),
    each("series_tan", |args| reals(args, f64::tan))
        .doc("The tangents.", &[("tostring(series_tan(dynamic([0])))", "'[0.0]'")]),
    each("series_asin", |args| reals(args, f64::asin))
        .doc("The angles of those sines.", &[("tostring(series_asin(dynamic([0])))", "'[0.0]'")]),
    each("series_acos", |args| reals(args, f64::acos))
        .doc("The angles of those cosines.", &[("tostring(series_acos(dynamic([1])))", "'[0.0]'")]),
    each("series_atan", |args| reals(args, f64::atan))
        .doc("The angles of those tangents.", &[("tostring(series_atan(dynamic([0])))", "'[0.0]'")]),
    Function::plain("series_sum", ONE, REAL, |args| {
        real_value(numbers(args, 0).map(|all| sum(all.into_iter().flatten())))
    })
    .doc("The sum of the elements.", &[("series_sum(dynamic([1, 2, 3]))", "6.0"), ("tostring(series_sum(dynamic([])))", "'0.0'")]),
    Function::plain("series_product", ONE, REAL, |args| {
        real_value(numbers(args, 0).map(|all| all.into_iter().flatten().product()))
    })
    .doc("The product of the elements.", &[("series_product(dynamic([1, 2, 3]))", "6.0")]),
    Function::plain("series_magnitude", ONE, REAL, |args| {
        real_value(numbers(args, 0).map(|all| sum(all.into_iter().flatten().map(|n| n * n)).sqrt()))
    })
    .doc("The length as a vector.", &[("series_magnitude(dynamic([3, 4]))", "5.0")]),
    Function::plain("series_dot_product", TWO, REAL, |args| {
        real_value(both(args).map(|(a, b)| sum(a.iter().zip(&b).map(|(a, b)| a * b))))
    })
    .doc("The sum of the products.", &[("series_dot_product(dynamic([1, 2, 4]), dynamic([4, 2, 1]))", "12.0")]),
    Function::plain("series_cosine_similarity", TWO, REAL, |args| {
        real_value(both(args).map(|(a, b)| {
            let length = |all: &[f64]| all.iter().map(|n| n * n).sum::<f64>().sqrt();
            a.iter().zip(&b).map(|(a, b)| a * b).sum::<f64>() / (length(&a) * length(&b))
        }))
    })
    .optional(&[Arg::Is(Type::Real), Arg::Is(Type::Real)])
    .doc(
        "The cosine of the angle between two vectors.",
        &[("series_cosine_similarity(dynamic([1, 0]), dynamic([0, 1]))", "0.0")],
    ),
    Function::plain("series_pearson_correlation", TWO, REAL, |args| {
        real_value(both(args).map(|(a, b)| correlation(&a, &b)))
    })
    .doc(
        "How far two series go together: 1 as one, -1 against each other.",
        &[("series_pearson_correlation(dynamic([1, 2, 3]), dynamic([2, 4, 6]))", "1.0")],
    ),
    Function::plain("series_fill_const", &[Arg::Is(Type::Dynamic), Arg::Number], SERIES, |args| {
        let value = args.get(1).map_or(Dynamic::Null, Dynamic::from_val);
        filled(args, 2, |holes, _, _| holes.fill(value.clone()))
    })
    .optional(&[Arg::Number])
    .sees_null()
    .keeps_name()
    .doc(
        "Another value in the place of null, or of a third argument.",
        &[
            ("tostring(series_fill_const(dynamic([1, null]), 7))", "'[1,7]'"),
            ("tostring(series_fill_const(dynamic([1, null]), 7, long(null)))", "'[1,7]'"),
        ],
    ),
    Function::plain("series_fill_forward", ONE, SERIES, |args| {
        filled(args, 1, |holes, before, _| {
            if let Some(value) = before {
                holes.fill(value.clone());
            }
        })
    })
    .optional(&[Arg::Number])
    .sees_null()
    .keeps_name()
    .doc(
        "The last value before, in the place of null.",
        &[
            ("tostring(series_fill_forward(dynamic([null, 1, null])))", "'[null,1,1]'"),
            ("tostring(series_fill_forward(dynamic([1.5, 0.0, 3]), 0))", "'[1.5,1.5,3]'"),
            ("tostring(series_fill_forward(dynamic([1, null]), double(null)))", "'[1,1]'"),
        ],
    ),
    Function::plain("series_fill_backward", ONE, SERIES, |args| {
        filled(args, 1, |holes, _, after| {
            if let Some(value) = after {
                holes.fill(value.clone());
            }
        })
    })
    .optional(&[Arg::Number])
    .sees_null()
    .keeps_name()
    .doc(
        "The next value, in the place of null.",
        &[
            ("tostring(series_fill_backward(dynamic([null, 1, null])))", "'[1,1,null]'"),
            ("tostring(series_fill_backward(dynamic([-1, 1.0]), -1.0))", "'[1.0,1.0]'"),
        ],
    ),
    Function::plain("series_fill_linear", ONE, SERIES, linear)
        .optional(&[Arg::Number, Arg::Is(Type::Bool), Arg::Number])
        .sees_null()
        .keeps_name()
        .doc(
            "Values on the line between its neighbours, in the place of null; without fractions where all others are whole. The ends as their neighbour, unless a third argument is false; nothing but null becomes 0, or a fourth.",
            &[
                ("tostring(series_fill_linear(dynamic([1, null, 4.0])))", "'[1,2.5,4.0]'"),
                ("tostring(series_fill_linear(dynamic([null, 41, null, null, 16, null])))", "'[41,41,32,24,16,16]'"),
                ("tostring(series_fill_linear(dynamic([null, 1, null]), double(null), false))", "'[null,1,null]'"),
                ("tostring(series_fill_linear(dynamic([null, null])))", "'[0.0,0.0]'"),
                ("tostring(series_fill_linear(dynamic([null]), double(null), true, 7.5))", "'[7.5]'"),
                ("tostring(series_fill_linear(dynamic([null]), double(null), true, double(null)))", "'[null]'"),
            ],
        ),
];

/// Of nothing 0, where that of an iterator is -0.
fn sum(all: impl Iterator<Item = f64>) -> f64 {
    all.fold(0.0, |sum, n| sum + n)
}

const fn each(name: &'static str, eval: Plain) -> Function {
    Function::plain(name, ONE, SERIES, eval)
}

/// The numbers of an array; `None` in it for what is no number.
pub(super) fn numbers(args: &[Val<'_>], at: usize) -> Option<Vec<Option<f64>>> {
    Some(items(args, at)?.iter().map(|item| as_f64(&scalar(item))).collect())
}

/// Two arrays of one length that hold nothing but numbers.
fn both(args: &[Val<'_>]) -> Option<(Vec<f64>, Vec<f64>)> {
    let all = |at| numbers(args, at)?.into_iter().collect::<Option<Vec<f64>>>();
    all(0).zip(all(1)).filter(|(a, b)| a.len() == b.len())
}

fn real_value<'a>(value: Option<f64>) -> Val<'a> {
    value.map_or(Val::Null, Val::Real)
}

fn array<'a>(items: Vec<Dynamic>) -> Val<'a> {
    Val::dynamic(Dynamic::Array(items.into()))
}

/// Element by element, as long as the longer; null where there is no number.
fn zipped<'a>(args: &[Val<'_>], make: impl Fn(&Dynamic, &Dynamic) -> Option<Dynamic>) -> Val<'a> {
    let Some((a, b)) = items(args, 0).zip(items(args, 1)) else { return Val::Null };
    let at = |all: &[Dynamic], at: usize| all.get(at).cloned().unwrap_or(Dynamic::Null);
    let longest = a.len().max(b.len());
    array((0..longest).map(|n| make(&at(a, n), &at(b, n)).unwrap_or(Dynamic::Null)).collect())
}

fn pairs<'a>(args: &[Val<'_>], whole: fn(i64, i64) -> Option<i64>, real: fn(f64, f64) -> f64) -> Val<'a> {
    zipped(args, |a, b| {
        if let (Dynamic::Long(a), Dynamic::Long(b)) = (a, b)
            && let Some(value) = whole(*a, *b)
        {
            return Some(Dynamic::Long(value));
        }
        Some(Dynamic::Real(real(as_f64(&scalar(a))?, as_f64(&scalar(b))?)))
    })
}

fn tests<'a>(args: &[Val<'_>], test: fn(f64, f64) -> bool) -> Val<'a> {
    zipped(args, |a, b| Some(Dynamic::Bool(test(as_f64(&scalar(a))?, as_f64(&scalar(b))?))))
}

fn reals<'a>(args: &[Val<'_>], real: fn(f64) -> f64) -> Val<'a> {
    whole_or(args, |_| None, real)
}

fn whole_or<'a>(args: &[Val<'_>], whole: fn(i64) -> Option<i64>, real: fn(f64) -> f64) -> Val<'a> {
    let Some(all) = items(args, 0) else { return Val::Null };
    let one = |item: &Dynamic| {
        if let Dynamic::Long(n) = item
            && let Some(value) = whole(*n)
        {
            return Dynamic::Long(value);
        }
        as_f64(&scalar(item)).map_or(Dynamic::Null, |n| Dynamic::Real(real(n)))
    };
    array(all.iter().map(one).collect())
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let mean = |all: &[f64]| all.iter().sum::<f64>() / as_real(i64::try_from(all.len()).unwrap_or(i64::MAX));
    let (ma, mb) = (mean(a), mean(b));
    let together: f64 = a.iter().zip(b).map(|(a, b)| (a - ma) * (b - mb)).sum();
    let apart = |all: &[f64], mean: f64| all.iter().map(|n| (n - mean) * (n - mean)).sum::<f64>();
    together / (apart(a, ma) * apart(b, mb)).sqrt()
}

/// Gives `fill` each run of missing elements, with the elements before and behind it. An element is missing when it
/// is the number at `marker`, or is null without one.
fn filled<'a>(
    args: &[Val<'_>],
    marker: usize,
    fill: impl Fn(&mut [Dynamic], Option<&Dynamic>, Option<&Dynamic>),
) -> Val<'a> {
    let Some(all) = items(args, 0) else { return Val::Null };
    let marker = real(args, marker);
    let missing = |item: &Dynamic| match marker {
        Some(marker) => as_f64(&scalar(item)).is_some_and(|n| n.partial_cmp(&marker) == Some(Ordering::Equal)),
        None => *item == Dynamic::Null,
    };
    let mut made = all.to_vec();
    let mut at = 0;
    while at < all.len() {
        let length = all.iter().skip(at).take_while(|item| missing(item)).count();
        let before = at.checked_sub(1).and_then(|at| all.get(at));
        if let Some(holes) = made.get_mut(at..at + length) {
            fill(holes, before, all.get(at + length));
        }
        at += length.max(1);
    }
    array(made)
}

fn linear<'a>(args: &[Val<'a>]) -> Val<'a> {
    let edges = args.get(2).and_then(Val::as_bool) != Some(false);
    let constant = match args.get(3) {
        Some(given) => as_f64(given).map_or(Dynamic::Null, Dynamic::Real),
        None => Dynamic::Real(0.0),
    };
    let known = items(args, 0).unwrap_or_default();
    let whole = known.iter().all(|item| matches!(item, Dynamic::Long(_) | Dynamic::Null));
    filled(args, 1, |holes, before, after| match (before, after) {
        (Some(before), Some(after)) => between(holes, before, after, whole),
        (Some(one), None) | (None, Some(one)) if edges => holes.fill(one.clone()),
        (Some(_), None) | (None, Some(_)) => {}
        (None, None) => holes.fill(constant.clone()),
    })
}

/// Values on the line between two; `whole` without their fractions, as Kusto's reference shows them.
fn between(holes: &mut [Dynamic], before: &Dynamic, after: &Dynamic, whole: bool) {
    let number = |value: &Dynamic| as_f64(&scalar(value));
    let Some((from, to)) = number(before).zip(number(after)) else { return };
    let parts = as_real(i64::try_from(holes.len() + 1).unwrap_or(i64::MAX));
    let mut step = 0.0;
    for hole in holes {
        step += 1.0;
        let value = from + (to - from) * step / parts;
        *hole = real_ticks(value.trunc()).filter(|_| whole).map_or(Dynamic::Real(value), Dynamic::Long);
    }
}
