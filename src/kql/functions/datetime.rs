//! Moments and lengths of time.

use super::{Arg, Function, Gives};
use crate::kql::functions::Lazy;
use crate::kql::time::{DAY, Date, HOUR, MAX_DATETIME, MIN_DATETIME, MINUTE, SECOND, as_real};
use crate::kql::value::{Type, Val};

const TIME: Gives = Gives::Is(Type::DateTime);
const ONE: &[Arg] = &[Arg::Is(Type::DateTime)];
/// The units of `datetime_add` and `datetime_diff`.
pub(super) const PERIODS: &[&str] = &[
    "year",
    "quarter",
    "month",
    "week",
    "day",
    "hour",
    "minute",
    "second",
    "millisecond",
    "microsecond",
    "nanosecond",
];

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("now", &[], TIME, |frame, args| Ok(later(frame.env.cx.now, span(args))))
        .optional(&[Arg::Is(Type::Timespan)])
        .moment()
        .doc("The moment of the run, or so much later.", &[("now() - now(-1h)", "1h")]),
    Function::new("ago", &[Arg::Is(Type::Timespan)], TIME, |frame, args| {
        Ok(later(frame.env.cx.now, span(args).saturating_neg()))
    })
    .moment()
    .doc("The moment so long before now.", &[("now() - ago(2h)", "2h")]),
    Function::lazy("ingestion_time", &[], TIME, Lazy::IngestionTime)
        .doc("When the row arrived; null when the table does not say.", &[("isnull(ingestion_time())", "true")]),
    Function::plain(
        "datetime_diff",
        &[Arg::Word(PERIODS), Arg::Is(Type::DateTime), Arg::Is(Type::DateTime)],
        Gives::Is(Type::Long),
        difference,
    )
    .doc(
        "How many borders of that calendar unit lie between the second moment and the first.",
        &[
            ("datetime_diff('year', datetime(2017-01-01), datetime(2000-12-31))", "17"),
            ("datetime_diff('week', datetime(2017-10-29 00:00), datetime(2017-09-30 23:59))", "5"),
            ("datetime_diff('hour', datetime(2017-10-31 01:00), datetime(2017-10-30 23:59))", "2"),
        ],
    ),
    Function::plain("bin", &[Arg::Any, Arg::Any], Gives::By(bin_type), bin).keeps_name().doc(
        "Rounded down to a multiple.",
        &[
            ("bin(datetime(2026-03-01 10:47), 1h)", "datetime(2026-03-01 10:00)"),
            ("bin(4.5, 1)", "4.0"),
            ("bin(-7, 5)", "-10"),
            ("bin(16d, 7d)", "14d"),
            ("bin(1, 0)", "long(null)"),
        ],
    ),
    Function::plain("floor", &[Arg::Any, Arg::Any], Gives::By(bin_type), bin)
        .keeps_name()
        .doc("As bin.", &[("floor(7, 5)", "5")]),
    Function::plain("startofday", ONE, TIME, |args| start_of_day(args, 0))
        .optional(&[Arg::Is(Type::Long)])
        .keeps_name()
        .doc(
            "Midnight of that day, or so many days later.",
            &[
                ("startofday(datetime(2026-03-01 10:47))", "datetime(2026-03-01)"),
                ("startofday(datetime(2026-03-01 10:47), -1)", "datetime(2026-02-28)"),
            ],
        ),
    Function::plain("endofday", ONE, TIME, |args| later_by(&start_of_day(args, 1), -1))
        .optional(&[Arg::Is(Type::Long)])
        .doc("The last tick of that day.", &[("endofday(datetime(2026-03-01)) + 1tick", "datetime(2026-03-02)")]),
    Function::plain("dayofweek", ONE, Gives::Is(Type::Timespan), |args| {
        time(args).map_or(Val::Null, |at| Val::Timespan((at.div_euclid(DAY) + 4).rem_euclid(7) * DAY))
    })
    .doc(
        "Days since Sunday, as a timespan.",
        &[("dayofweek(datetime(2026-03-01))", "0d"), ("dayofweek(datetime(2026-03-02 10:00))", "1d")],
    ),
    Function::plain("hourofday", ONE, Gives::Is(Type::Int), |args| {
        let hour = time(args).and_then(|at| i32::try_from(at.rem_euclid(DAY) / HOUR).ok());
        hour.map_or(Val::Null, Val::Int)
    })
    .doc("The hour, 0 to 23.", &[("hourofday(datetime(2026-03-01 10:47))", "int(10)")]),
];

fn time(args: &[Val<'_>]) -> Option<i64> {
    if let Some(Val::DateTime(at)) = args.first() { Some(*at) } else { None }
}

fn span(args: &[Val<'_>]) -> i64 {
    if let Some(Val::Timespan(span)) = args.first() { *span } else { 0 }
}

fn later<'a>(at: i64, by: i64) -> Val<'a> {
    let moment = at.checked_add(by).filter(|at| (MIN_DATETIME..=MAX_DATETIME).contains(at));
    moment.map_or(Val::Null, Val::DateTime)
}

fn later_by<'a>(at: &Val<'_>, by: i64) -> Val<'a> {
    if let Val::DateTime(at) = at { later(*at, by) } else { Val::Null }
}

fn start_of_day<'a>(args: &[Val<'_>], plus: i64) -> Val<'a> {
    let Some(at) = time(args) else { return Val::Null };
    let days = args.get(1).and_then(Val::as_long).unwrap_or(0).saturating_add(plus);
    days.checked_mul(DAY).map_or(Val::Null, |by| later(at.div_euclid(DAY) * DAY, by))
}

fn difference<'a>(args: &[Val<'a>]) -> Val<'a> {
    let [Val::Str(period), Val::DateTime(a), Val::DateTime(b)] = args else { return Val::Null };
    // The number of the unit a moment falls into, counted from anywhere.
    let number = |at: i64| {
        let date = Date::of(at);
        Some(match &**period {
            "year" => date.year,
            "quarter" => date.year * 4 + (date.month - 1) / 3,
            "month" => date.year * 12 + date.month,
            "week" => (at.div_euclid(DAY) + 4).div_euclid(7),
            "day" => at.div_euclid(DAY),
            "hour" => at.div_euclid(HOUR),
            "minute" => at.div_euclid(MINUTE),
            "second" => at.div_euclid(SECOND),
            "millisecond" => at.div_euclid(SECOND / 1_000),
            "microsecond" => at.div_euclid(10),
            "nanosecond" => at,
            _ => return None,
        })
    };
    let ticks = number(*a).zip(number(*b)).map(|(a, b)| a - b);
    let result = if &**period == "nanosecond" { ticks.and_then(|ticks| ticks.checked_mul(100)) } else { ticks };
    result.map_or(Val::Null, Val::Long)
}

fn bin_type(types: &[Type]) -> Option<Type> {
    match types {
        [Type::DateTime, Type::Timespan] => Some(Type::DateTime),
        [Type::Timespan, Type::Timespan] => Some(Type::Timespan),
        [Type::Int, Type::Int] => Some(Type::Long),
        [a, b] if a.is_number() && b.is_number() => super::common_type(*a, *b),
        _ => None,
    }
}

/// Datetimes are counted from the year 1, so that `bin(t, 7d)` begins on a Monday.
fn bin<'a>(args: &[Val<'a>]) -> Val<'a> {
    let whole = |value: i64, step: i64| (step > 0).then(|| value.div_euclid(step).checked_mul(step)).flatten();
    match args {
        [Val::DateTime(at), Val::Timespan(step)] => {
            whole(at - MIN_DATETIME, *step).map_or(Val::Null, |ticks| Val::DateTime(ticks + MIN_DATETIME))
        }
        [Val::Timespan(value), Val::Timespan(step)] => whole(*value, *step).map_or(Val::Null, Val::Timespan),
        [a, b] => match (a.as_long(), b.as_long()) {
            (Some(a), Some(b)) => whole(a, b).map_or(Val::Null, Val::Long),
            _ => match (real(a), real(b)) {
                (Some(a), Some(b)) if b > 0.0 => Val::Real((a / b).floor() * b),
                _ => Val::Null,
            },
        },
        _ => Val::Null,
    }
}

fn real(value: &Val<'_>) -> Option<f64> {
    if let Val::Real(value) = value { Some(*value) } else { value.as_long().map(as_real) }
}
