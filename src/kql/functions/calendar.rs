//! The parts of datetimes, and datetimes from their parts.

use std::fmt::Write as _;

use super::args::{as_f64, long, long_or, text};
use super::datetime::PERIODS;
use super::{Arg, Function, Gives, Naming};
use crate::kql::time::{DAY, Date, HOUR, MINUTE, SECOND, real_ticks};
use crate::kql::value::{Type, Val};

const TIME: Gives = Gives::Is(Type::DateTime);
const INT: Gives = Gives::Is(Type::Int);
const STRING: Gives = Gives::Is(Type::String);
const MOMENT: &[Arg] = &[Arg::Is(Type::DateTime)];
const OFFSET: &[Arg] = &[Arg::Is(Type::Long)];
const LONG: Arg = Arg::Is(Type::Long);
const PARTS: &[&str] = &[
    "year",
    "quarter",
    "month",
    "week_of_year",
    "dayofyear",
    "day",
    "hour",
    "minute",
    "second",
    "millisecond",
    "microsecond",
    "nanosecond",
];

pub(super) const FUNCTIONS: &[Function] = &[
    Function::plain("startofweek", MOMENT, TIME, |args| start(args, week)).optional(OFFSET).doc(
        "Midnight of the Sunday before.",
        &[
            ("startofweek(datetime(2017-01-01 10:10:17))", "datetime(2017-01-01)"),
            ("startofweek(datetime(2017-01-04), -1)", "datetime(2016-12-25)"),
        ],
    ),
    Function::plain("startofmonth", MOMENT, TIME, |args| start(args, month)).optional(OFFSET).doc(
        "The beginning of the month, or of one so many months later.",
        &[
            ("startofmonth(datetime(2017-01-04 10:10:17))", "datetime(2017-01-01)"),
            ("startofmonth(datetime(2017-01-04), -1)", "datetime(2016-12-01)"),
        ],
    ),
    Function::plain("startofyear", MOMENT, TIME, |args| start(args, year)).optional(OFFSET).doc(
        "The beginning of the year, or of one so many years later.",
        &[("startofyear(datetime(2017-05-04), 1)", "datetime(2018-01-01)")],
    ),
    Function::plain("endofweek", MOMENT, TIME, |args| end(args, week)).optional(OFFSET).doc(
        "The last tick of the week, which ends on Saturday.",
        &[("endofweek(datetime(2017-01-04)) + 1tick", "datetime(2017-01-08)")],
    ),
    Function::plain("endofmonth", MOMENT, TIME, |args| end(args, month))
        .optional(OFFSET)
        .doc("The last tick of the month.", &[("endofmonth(datetime(2016-02-04)) + 1tick", "datetime(2016-03-01)")]),
    Function::plain("endofyear", MOMENT, TIME, |args| end(args, year))
        .optional(OFFSET)
        .doc("The last tick of the year.", &[("endofyear(datetime(2016-02-04)) + 1tick", "datetime(2017-01-01)")]),
    part("dayofmonth", "day").doc("The day of the month, 1 to 31.", &[("dayofmonth(datetime(2015-12-14))", "int(14)")]),
    part("dayofyear", "dayofyear")
        .doc("The day of the year, 1 to 366.", &[("dayofyear(datetime(2015-12-14))", "int(348)")]),
    part("monthofyear", "month").doc("The month, 1 to 12.", &[("monthofyear(datetime(2015-12-14))", "int(12)")]),
    part("getmonth", "month").doc("The month, 1 to 12.", &[("getmonth(datetime(2015-10-12))", "int(10)")]),
    part("getyear", "year").doc("The year.", &[("getyear(datetime(2015-10-12))", "int(2015)")]),
    part("week_of_year", "week_of_year").doc(
        "The week by ISO 8601: it begins on Monday, and the first has the first Thursday.",
        &[("week_of_year(datetime(2020-12-31))", "int(53)"), ("week_of_year(datetime(1970-01-01))", "int(1)")],
    ),
    part("weekofyear", "week_of_year").doc("As week_of_year.", &[("weekofyear(datetime(2020-06-15))", "int(25)")]),
    Function::plain("datetime_part", &[Arg::Word(PARTS), Arg::Is(Type::DateTime)], INT, |args| {
        moment(args, 1).map_or(Val::Null, |at| int(piece(text(args, 0), at)))
    })
    .doc(
        "A part of a moment.",
        &[
            ("datetime_part('hour', datetime(2017-10-30 01:02:03.7654321))", "int(1)"),
            ("datetime_part('quarter', datetime(2017-10-30))", "int(4)"),
            ("datetime_part('Year', datetime(2017-10-30))", "int(2017)"),
        ],
    ),
    Function::plain("datepart", &[Arg::Word(PARTS), Arg::Is(Type::DateTime)], INT, |args| {
        moment(args, 1).map_or(Val::Null, |at| int(piece(text(args, 0), at)))
    })
    .doc("As datetime_part.", &[("datepart('day', datetime(2017-10-30))", "int(30)")]),
    Function::plain("datetime_add", &[Arg::Word(PERIODS), LONG, Arg::Is(Type::DateTime)], TIME, add).doc(
        "A moment so many units later; a day that the month has not becomes its last.",
        &[
            ("datetime_add('month', 1, datetime(2017-01-31))", "datetime(2017-02-28)"),
            ("datetime_add('year', -5, datetime(2017-01-01))", "datetime(2012-01-01)"),
            ("datetime_add('week', 1, datetime(2017-01-01))", "datetime(2017-01-08)"),
        ],
    ),
    Function::plain("make_datetime", &[Arg::Any], Gives::By(datetime_type), make_datetime)
        .optional(&[Arg::Number, Arg::Number, Arg::Number, Arg::Number, Arg::Number])
        .named(Naming::Only)
        .doc(
            "Year, month, day, hour, minute, second; or a text. Null when there is no such moment.",
            &[
                ("make_datetime(2017, 10, 1, 12, 10, 5.5)", "datetime(2017-10-01 12:10:05.5)"),
                ("make_datetime(2017, 2, 30)", "datetime(null)"),
            ],
        ),
    Function::plain("make_timespan", &[Arg::Any], Gives::By(timespan_type), make_timespan)
        .optional(&[Arg::Number, Arg::Number, Arg::Number])
        .named(Naming::Only)
        .doc(
            "Days, hours, minutes, seconds; or without days; or without seconds.",
            &[
                ("make_timespan(1, 12, 30, 55)", "time(1.12:30:55)"),
                ("make_timespan(12, 30)", "time(12:30:00)"),
                ("make_timespan(12, 30, 55)", "time(12:30:55)"),
            ],
        ),
    unix("unixtime_seconds_todatetime", 1.0)
        .doc("Seconds since 1970.", &[("unixtime_seconds_todatetime(1546300800)", "datetime(2019-01-01)")]),
    unix("unixtime_milliseconds_todatetime", 1e3).doc(
        "Milliseconds since 1970.",
        &[("unixtime_milliseconds_todatetime(1546300800000)", "datetime(2019-01-01)")],
    ),
    unix("unixtime_microseconds_todatetime", 1e6).doc(
        "Microseconds since 1970.",
        &[("unixtime_microseconds_todatetime(1546300800000000)", "datetime(2019-01-01)")],
    ),
    unix("unixtime_nanoseconds_todatetime", 1e9).doc(
        "Nanoseconds since 1970.",
        &[("unixtime_nanoseconds_todatetime(1546300800000000000)", "datetime(2019-01-01)")],
    ),
    Function::plain("format_datetime", &[Arg::Is(Type::DateTime), Arg::Format { datetime: true }], STRING, |args| {
        moment(args, 0).map_or(Val::Null, |at| formatted(at, true, text(args, 1)).into())
    })
    .constants(&[1])
    .keeps_name()
    .doc(
        "A moment in a form of one's own.",
        &[
            ("format_datetime(datetime(2017-01-29 09:00:05), 'yy-MM-dd [HH:mm:ss]')", "'17-01-29 [09:00:05]'"),
            (
                "format_datetime(datetime(2017-01-29 09:00:05.1234567), 'yyyy-M-dd [H:mm:ss.fffffff]')",
                "'2017-1-29 [9:00:05.1234567]'",
            ),
            ("format_datetime(datetime(2017-01-29 21:00:05), 'yy-MM-dd [hh:mm:ss tt]')", "'17-01-29 [09:00:05 PM]'"),
        ],
    ),
    Function::plain("format_timespan", &[Arg::Is(Type::Timespan), Arg::Format { datetime: false }], STRING, |args| {
        match args.first() {
            Some(Val::Timespan(ticks)) => formatted(*ticks, false, text(args, 1)).into(),
            _ => Val::Null,
        }
    })
    .keeps_name()
    .constants(&[1])
    .doc(
        "A length of time in a form of one's own.",
        &[
            ("format_timespan(time(29.09:00:05.12345), 'dd.hh:mm:ss [FF]')", "'29.09:00:05 [12]'"),
            ("format_timespan(time(09:00:05), 'h:mm')", "'9:00'"),
        ],
    ),
];

const fn part(name: &'static str, part: &'static str) -> Function {
    Function::part(name, MOMENT, INT, part)
}

const fn unix(name: &'static str, per_second: f64) -> Function {
    Function::unix(name, &[Arg::Number], TIME, per_second)
}

/// The value of `part` functions.
pub(super) fn part_value<'a>(part: &str, args: &[Val<'_>]) -> Val<'a> {
    moment(args, 0).map_or(Val::Null, |at| int(piece(part, at)))
}

/// The value of `unixtime_..._todatetime`.
pub(super) fn unix_value<'a>(per_second: f64, args: &[Val<'_>]) -> Val<'a> {
    let per = real_ticks(per_second).unwrap_or(1);
    match args.first() {
        Some(Val::Real(value)) => real_ticks(value / per_second * 1e7).map_or(Val::Null, Val::datetime),
        Some(value) => {
            let ticks = value.as_long().map(|value| i128::from(value) * i128::from(SECOND) / i128::from(per));
            ticks.and_then(|ticks| i64::try_from(ticks).ok()).map_or(Val::Null, Val::datetime)
        }
        None => Val::Null,
    }
}

fn moment(args: &[Val<'_>], at: usize) -> Option<i64> {
    if let Some(Val::DateTime(ticks)) = args.get(at) { Some(*ticks) } else { None }
}

fn int<'a>(value: Option<i64>) -> Val<'a> {
    value.and_then(|value| i32::try_from(value).ok()).map_or(Val::Null, Val::Int)
}

/// The beginning of the period so many periods after the one of a moment.
type Period = fn(i64, i64) -> Option<i64>;

fn start<'a>(args: &[Val<'_>], period: Period) -> Val<'a> {
    moment(args, 0).and_then(|at| period(at, long_or(args, 1, 0))).map_or(Val::Null, Val::datetime)
}

fn end<'a>(args: &[Val<'_>], period: Period) -> Val<'a> {
    let next = moment(args, 0).and_then(|at| period(at, long_or(args, 1, 0).checked_add(1)?));
    next.and_then(|next| next.checked_sub(1)).map_or(Val::Null, Val::datetime)
}

fn week(at: i64, offset: i64) -> Option<i64> {
    let day = at.div_euclid(DAY);
    let sunday = day - (day + 4).rem_euclid(7);
    sunday.checked_add(offset.checked_mul(7)?)?.checked_mul(DAY)
}

fn month(at: i64, offset: i64) -> Option<i64> {
    let date = Date::of(at);
    let months = (date.year * 12 + date.month - 1).checked_add(offset)?;
    Date { year: months.div_euclid(12), month: months.rem_euclid(12) + 1, day: 1 }.ticks()
}

fn year(at: i64, offset: i64) -> Option<i64> {
    Date { year: Date::of(at).year.checked_add(offset)?, month: 1, day: 1 }.ticks()
}

fn piece(part: &str, at: i64) -> Option<i64> {
    let date = Date::of(at);
    let rest = at.rem_euclid(DAY);
    Some(match part {
        "year" => date.year,
        "quarter" => (date.month + 2) / 3,
        "month" => date.month,
        "week" | "week_of_year" => iso_week(at)?,
        "weekday" => (at.div_euclid(DAY) + 4).rem_euclid(7),
        "dayofyear" => (at - year(at, 0)?) / DAY + 1,
        "day" => date.day,
        "hour" => rest / HOUR,
        "minute" => rest / MINUTE % 60,
        "second" => rest / SECOND % 60,
        "millisecond" => rest % SECOND / 10_000,
        "microsecond" => rest % SECOND / 10,
        "nanosecond" => rest % SECOND * 100,
        _ => return None,
    })
}

/// The week that holds the same Thursday.
fn iso_week(at: i64) -> Option<i64> {
    let day = at.div_euclid(DAY);
    let thursday = day - (day + 3).rem_euclid(7) + 3;
    let first = year(thursday.checked_mul(DAY)?, 0)? / DAY;
    Some((thursday - first) / 7 + 1)
}

fn add<'a>(args: &[Val<'a>]) -> Val<'a> {
    let (Some(number), Some(at)) = (long(args, 1), moment(args, 2)) else { return Val::Null };
    let months = |per: i64| -> Option<i64> {
        let date = Date::of(at);
        let first = month(at, number.checked_mul(per)?)?;
        let target = Date::of(first);
        let last = (28..=31).rev().find_map(|day| Date { day: date.day.min(day), ..target }.ticks())?;
        last.checked_add(at.rem_euclid(DAY))
    };
    let ticks = |unit: i64| number.checked_mul(unit).and_then(|by| at.checked_add(by));
    let moved = match text(args, 0) {
        "year" => months(12),
        "quarter" => months(3),
        "month" => months(1),
        "week" => ticks(7 * DAY),
        "day" => ticks(DAY),
        "hour" => ticks(HOUR),
        "minute" => ticks(MINUTE),
        "second" => ticks(SECOND),
        "millisecond" => ticks(10_000),
        "microsecond" => ticks(10),
        "nanosecond" => at.checked_add(number / 100),
        _ => None,
    };
    moved.map_or(Val::Null, Val::datetime)
}

fn datetime_type(types: &[Type]) -> Option<Type> {
    let fits = match types {
        [Type::String | Type::DateTime | Type::Dynamic] => true,
        [_, _, ..] => types.len() >= 3 && types.iter().all(|ty| ty.is_number()),
        _ => false,
    };
    fits.then_some(Type::DateTime)
}

fn make_datetime<'a>(args: &[Val<'a>]) -> Val<'a> {
    let [year, month, day, ..] = args else {
        return args
            .first()
            .map_or(Val::Null, |value| crate::kql::eval::convert::convert(value.clone(), Type::DateTime));
    };
    let whole = |value: &Val<'_>| as_f64(value).and_then(|value| real_ticks(value.trunc()));
    let (Some(year), Some(month), Some(day)) = (whole(year), whole(month), whole(day)) else { return Val::Null };
    let (hour, minute) = (args.get(3).map_or(Some(0), whole), args.get(4).map_or(Some(0), whole));
    let seconds = args.get(5).map_or(Some(0.0), as_f64);
    let (Some(hour), Some(minute), Some(seconds)) = (hour, minute, seconds) else { return Val::Null };
    if !(0..24).contains(&hour) || !(0..60).contains(&minute) || !(0.0..60.0).contains(&seconds) {
        return Val::Null;
    }
    let part = real_ticks(seconds * 1e7).unwrap_or(0);
    let ticks = Date { year, month, day }.ticks().map(|date| date + hour * HOUR + minute * MINUTE + part);
    ticks.map_or(Val::Null, Val::datetime)
}

fn timespan_type(types: &[Type]) -> Option<Type> {
    let fits = match types {
        [Type::String | Type::Timespan | Type::Dynamic] => true,
        [_, _, ..] => types.iter().all(|ty| ty.is_number()),
        _ => false,
    };
    fits.then_some(Type::Timespan)
}

fn make_timespan<'a>(args: &[Val<'a>]) -> Val<'a> {
    let number = |at: usize| args.get(at).and_then(as_f64).unwrap_or(0.0);
    let (days, hours, minutes, seconds) = match args.len() {
        1 => {
            let value = args.first().cloned().unwrap_or(Val::Null);
            return crate::kql::eval::convert::convert(value, Type::Timespan);
        }
        2 => (0.0, number(0), number(1), 0.0),
        3 => (0.0, number(0), number(1), number(2)),
        _ => (number(0), number(1), number(2), number(3)),
    };
    let ticks = ((days * 24.0 + hours) * 3_600.0 + minutes * 60.0 + seconds) * 1e7;
    real_ticks(ticks).map_or(Val::Null, Val::Timespan)
}

/// The first letters of a format that are none of the documented specifiers, and whether such letters, in another number, are.
pub(in crate::kql) fn undocumented(format: &str, datetime: bool) -> Option<(String, bool)> {
    let mut rest = format;
    while let Some(c) = rest.chars().next() {
        let (run, behind) = rest.split_at(rest.find(|other| other != c).unwrap_or(rest.len()));
        let most = match c {
            'f' | 'F' => 7,
            'h' | 'H' | 'm' | 's' => 2,
            'd' | 'M' | 't' if datetime => 2,
            'y' if datetime => 4,
            'd' => 8,
            ' ' | '/' | '-' | ':' | ',' | '.' | '_' | '[' | ']' => usize::MAX,
            _ => 0,
        };
        if run.chars().count() > most || matches!(run, "yyy" | "t") {
            return Some((run.to_owned(), most > 0));
        }
        rest = behind;
    }
    None
}

/// Letters stand for parts, as many as digits are wanted; everything else stands for itself.
fn formatted(ticks: i64, date: bool, format: &str) -> String {
    let day = Date::of(ticks);
    let positive = if date { ticks.rem_euclid(DAY) } else { ticks.saturating_abs() };
    let mut out = String::new();
    let mut rest = format.chars().peekable();
    while let Some(c) = rest.next() {
        if !"yMdHhmsfFt".contains(c) {
            out.push(c);
            continue;
        }
        let mut width = 1;
        while rest.peek() == Some(&c) {
            rest.next();
            width += 1;
        }
        let hour = positive / HOUR % 24;
        let mut number = |value: i64| {
            let _ = write!(out, "{value:0width$}");
        };
        match c {
            'y' if date && width <= 2 => number(day.year % 100),
            'y' if date => number(day.year),
            'M' if date => number(day.month),
            'd' if date => number(day.day),
            'd' => number(positive / DAY),
            'h' if date => number(if hour % 12 == 0 { 12 } else { hour % 12 }),
            'H' | 'h' => number(hour),
            'm' => number(positive / MINUTE % 60),
            's' => number(positive / SECOND % 60),
            't' => out.push_str(if hour < 12 { "AM" } else { "PM" }),
            'f' | 'F' => {
                let digits = format!("{:07}", positive % SECOND);
                let shown = digits.get(..width.min(7)).unwrap_or_default();
                out.push_str(if c == 'F' { shown.trim_end_matches('0') } else { shown });
            }
            _ => {}
        }
    }
    out
}
