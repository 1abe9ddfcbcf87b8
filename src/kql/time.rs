//! Text of `datetime` and `timespan`, and the calendar. All in ticks of 100 ns, UTC, since 1970-01-01.

use std::fmt::Write as _;

/// Ticks in a second.
pub(super) const SECOND: i64 = 10_000_000;
/// Ticks in a minute.
pub(super) const MINUTE: i64 = 60 * SECOND;
/// Ticks in an hour.
pub(super) const HOUR: i64 = 60 * MINUTE;
/// Ticks in a day.
pub(super) const DAY: i64 = 24 * HOUR;
/// 0001-01-01, the first datetime of Kusto.
pub(super) const MIN_DATETIME: i64 = -719_162 * DAY;
/// The last tick of 9999-12-31.
pub(super) const MAX_DATETIME: i64 = 2_932_897 * DAY - 1;

/// A day of the proleptic Gregorian calendar.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Date {
    /// 1 to 9999.
    pub(super) year: i64,
    /// 1 to 12.
    pub(super) month: i64,
    /// 1 to 31.
    pub(super) day: i64,
}

impl Date {
    /// The day a moment falls on.
    pub(super) const fn of(ticks: i64) -> Self {
        // Years are counted from March, so that the leap day is the last of its year.
        let days = ticks.div_euclid(DAY) + 719_468;
        let era = days.div_euclid(146_097);
        let day_of_era = days.rem_euclid(146_097);
        let year_of_era = (day_of_era - day_of_era / 1_460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
        let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
        let from_march = (5 * day_of_year + 2) / 153;
        let day = day_of_year - (153 * from_march + 2) / 5 + 1;
        let month = if from_march < 10 { from_march + 3 } else { from_march - 9 };
        let year = year_of_era + era * 400 + if month <= 2 { 1 } else { 0 };
        Self { year, month, day }
    }

    /// Midnight of that day, or `None` when there is no such day.
    pub(super) fn ticks(self) -> Option<i64> {
        let Self { year, month, day } = self;
        if !(1..=9_999).contains(&year) || !(1..=12).contains(&month) || day < 1 {
            return None;
        }
        let shifted = if month <= 2 { year - 1 } else { year };
        let era = shifted.div_euclid(400);
        let year_of_era = shifted.rem_euclid(400);
        let from_march = (month + 9) % 12;
        let day_of_year = (153 * from_march + 2) / 5 + day - 1;
        let day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
        let ticks = (era * 146_097 + day_of_era - 719_468) * DAY;
        (Self::of(ticks) == self).then_some(ticks)
    }
}

/// `2026-03-01T02:03:04.1234567Z`, always with seven digits, as `tostring()` prints it.
#[must_use]
pub fn print_datetime(ticks: i64) -> String {
    let ticks = ticks.clamp(MIN_DATETIME, MAX_DATETIME);
    let Date { year, month, day } = Date::of(ticks);
    let rest = ticks.rem_euclid(DAY);
    let (hour, minute, second, part) = (rest / HOUR, rest / MINUTE % 60, rest / SECOND % 60, rest % SECOND);
    format!("{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{part:07}Z")
}

/// `[-][d.]hh:mm:ss[.fffffff]`, as `tostring()` prints it.
#[must_use]
pub fn print_timespan(ticks: i64) -> String {
    let mut out = String::new();
    if ticks < 0 {
        out.push('-');
    }
    let ticks = i128::from(ticks).abs();
    let of = |unit: i64| ticks / i128::from(unit);
    if of(DAY) > 0 {
        let _ = write!(out, "{}.", of(DAY));
    }
    let _ = write!(out, "{:02}:{:02}:{:02}", of(HOUR) % 24, of(MINUTE) % 60, of(SECOND) % 60);
    if ticks % i128::from(SECOND) != 0 {
        let _ = write!(out, ".{:07}", ticks % i128::from(SECOND));
    }
    out
}

/// A time as Kusto reads it: `2026-03-01`, `2026-03-01 02:03`, `2026-03-01T02:03:04.1234567Z`, with an offset such as
/// `+02:00`, a year alone, or as RFC 822 and RFC 850 write it: `Mon, 2 Mar 26 02:03 GMT`, `Monday, 02-Mar-26 02:03:04`. `None`
/// for anything else. Ticks of 100 ns since 1970-01-01 UTC.
#[must_use]
pub fn parse_datetime(text: &str) -> Option<i64> {
    let text = text.trim();
    if text.len() == 4 {
        let year = Scan(text).number(4, 4)?;
        return Date { year, month: 1, day: 1 }.ticks();
    }
    let mut scan = Scan(text);
    let date = if let Some(date) = scan.date() {
        date
    } else {
        scan = Scan(text);
        scan.rfc822_date()?
    };
    let mut ticks = date.ticks()?;
    if scan.eat('T') || scan.eat('t') || scan.spaces() {
        ticks += scan.time_of_day()?;
        scan.spaces();
        ticks -= scan.offset()?;
    } else {
        scan.offset()?;
    }
    (scan.0.is_empty() && (MIN_DATETIME..=MAX_DATETIME).contains(&ticks)).then_some(ticks)
}

/// A length of time: `1.02:03:04.5`, `02:03`, `-00:01:00`, `3` (days), or with a unit as in a literal (`1.5h`, `30m`).
#[must_use]
pub fn parse_timespan(text: &str) -> Option<i64> {
    let text = text.trim();
    let (negative, body) = match text.strip_prefix('-') {
        Some(body) => (true, body),
        None => (false, text),
    };
    let ticks = clock_timespan(body).or_else(|| unit_timespan(body))?;
    Some(if negative { -ticks } else { ticks })
}

/// The ticks of one unit of a timespan literal: `d`, `h`, `m`, `s`, `ms`, `microsecond`, `tick` and their longer names.
pub(super) fn unit_ticks(unit: &str) -> Option<i64> {
    Some(match unit {
        "d" | "day" | "days" => DAY,
        "h" | "hr" | "hrs" | "hour" | "hours" => HOUR,
        "m" | "min" | "minute" | "minutes" => MINUTE,
        "s" | "sec" | "second" | "seconds" => SECOND,
        "ms" | "milli" | "millis" | "millisec" | "millisecond" | "milliseconds" => SECOND / 1_000,
        "micro" | "micros" | "microsec" | "microsecond" | "microseconds" => SECOND / 1_000_000,
        "tick" | "ticks" => 1,
        _ => return None,
    })
}

/// A number and a unit: `1d`, `1.5h`.
pub(super) fn unit_timespan(text: &str) -> Option<i64> {
    let at = text.find(|c: char| !c.is_ascii_digit() && c != '.')?;
    let (number, unit) = text.split_at(at);
    let unit = unit_ticks(unit.trim())?;
    match number.parse::<i64>() {
        Ok(number) => number.checked_mul(unit),
        Err(_) => real_ticks(number.parse::<f64>().ok()? * as_real(unit)),
    }
}

/// A number of ticks as a whole number, or `None` when it is out of range.
#[expect(clippy::cast_possible_truncation, reason = "the range is checked first")]
pub(super) fn real_ticks(ticks: f64) -> Option<i64> {
    (ticks.abs() < 9.2e18).then(|| ticks.round() as i64)
}

/// A whole number as a real; Kusto rounds large ones the same way.
#[expect(clippy::cast_precision_loss, reason = "the conversion Kusto makes")]
pub(super) const fn as_real(whole: i64) -> f64 {
    whole as f64
}

fn clock_timespan(text: &str) -> Option<i64> {
    let mut scan = Scan(text);
    let first = scan.number(1, 8)?;
    if scan.0.is_empty() {
        return first.checked_mul(DAY);
    }
    let (days, hours) = if scan.eat('.') { (first, scan.number(1, 2)?) } else { (0, first) };
    if !scan.eat(':') {
        return None;
    }
    let minutes = scan.number(1, 2)?;
    let seconds = if scan.eat(':') { scan.seconds()? } else { 0 };
    let in_range = hours < 24 && minutes < 60 && scan.0.is_empty();
    in_range.then(|| days.checked_mul(DAY)?.checked_add(hours * HOUR + minutes * MINUTE + seconds)).flatten()
}

/// What is left to read.
struct Scan<'a>(&'a str);

impl Scan<'_> {
    fn eat(&mut self, c: char) -> bool {
        match self.0.strip_prefix(c) {
            Some(rest) => {
                self.0 = rest;
                true
            }
            None => false,
        }
    }

    fn spaces(&mut self) -> bool {
        let before = self.0.len();
        self.0 = self.0.trim_start_matches(' ');
        self.0.len() < before
    }

    fn number(&mut self, min: usize, max: usize) -> Option<i64> {
        let digits = self.0.bytes().take(max).take_while(u8::is_ascii_digit).count();
        let (number, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        (digits >= min).then(|| number.parse().ok()).flatten()
    }

    /// `yyyy-mm-dd`, or the American `mm/dd/yyyy`.
    fn date(&mut self) -> Option<Date> {
        let first = self.number(1, 4)?;
        if self.eat('/') {
            let day = self.number(1, 2)?;
            let year = self.eat('/').then(|| self.number(4, 4)).flatten()?;
            return Some(Date { year, month: first, day });
        }
        if self.0.starts_with(", ") {
            let mut part = || self.0.strip_prefix(", ").map(|rest| self.0 = rest).and_then(|()| self.number(1, 2));
            let (month, day) = (part()?, part()?);
            return Some(Date { year: first, month, day });
        }
        let month = self.eat('-').then(|| self.number(1, 2)).flatten()?;
        if !self.eat('-') {
            return Some(Date { year: first, month, day: 1 });
        }
        let last = self.number(1, 4)?;
        // A year at the end: `mm-dd-yyyy`.
        let american = last > 31 && first <= 12;
        Some(if american {
            Date { year: last, month: first, day: month }
        } else {
            Date { year: first, month, day: last }
        })
    }

    /// `[Mon, ]02 Mar 2026`, `[Monday, ]02-Mar-26`. A year of two digits is the one from 1950 to 2049 (RFC 2822, 4.3).
    fn rfc822_date(&mut self) -> Option<Date> {
        const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
        if let Some((day_name, rest)) = self.0.split_once(',') {
            self.0 = rest;
            (3..=9).contains(&day_name.len()).then_some(())?;
        }
        self.spaces();
        let day = self.number(1, 2)?;
        let between = |scan: &mut Self| scan.eat('-') || scan.spaces();
        between(self).then_some(())?;
        let (name, rest) = self.0.split_at_checked(3)?;
        let month = MONTHS.iter().position(|month| month.eq_ignore_ascii_case(name))?;
        self.0 = rest;
        between(self).then_some(())?;
        let digits = self.0.len();
        let year = match (self.number(2, 4)?, digits - self.0.len()) {
            (year, 4) => year,
            (year @ ..50, 2) => 2000 + year,
            (year, 2) => 1900 + year,
            _ => return None,
        };
        Some(Date { year, month: i64::try_from(month).ok()? + 1, day })
    }

    fn time_of_day(&mut self) -> Option<i64> {
        let hour = self.number(1, 2)?;
        let minute = self.eat(':').then(|| self.number(1, 2)).flatten()?;
        let seconds = if self.eat(':') { self.seconds()? } else { 0 };
        (hour < 24 && minute < 60).then_some(hour * HOUR + minute * MINUTE + seconds)
    }

    /// `ss[.f…]` in ticks; digits after the seventh are dropped.
    fn seconds(&mut self) -> Option<i64> {
        let seconds = self.number(1, 2).filter(|seconds| *seconds < 60)?;
        if !self.eat('.') {
            return Some(seconds * SECOND);
        }
        let digits = self.0.bytes().take_while(u8::is_ascii_digit).count();
        let (part, rest) = self.0.split_at_checked(digits)?;
        self.0 = rest;
        let padded: String = part.chars().chain(std::iter::repeat('0')).take(7).collect();
        Some(seconds * SECOND + padded.parse::<i64>().ok()?)
    }

    /// `Z`, `GMT`, `+hh:mm` or nothing.
    fn offset(&mut self) -> Option<i64> {
        for utc in ["Z", "z", "GMT", "UTC"] {
            if let Some(rest) = self.0.strip_prefix(utc) {
                self.0 = rest;
                return Some(0);
            }
        }
        let sign = if self.eat('+') {
            1
        } else if self.eat('-') {
            -1
        } else {
            return Some(0);
        };
        let hours = self.number(2, 2)?;
        self.eat(':');
        let minutes = if self.0.is_empty() { 0 } else { self.number(2, 2)? };
        (hours <= 14 && minutes < 60).then_some(sign * (hours * HOUR + minutes * MINUTE))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn known_days_have_known_ticks() {
        assert_eq!(Date { year: 1970, month: 1, day: 1 }.ticks(), Some(0));
        assert_eq!(Date { year: 1, month: 1, day: 1 }.ticks(), Some(MIN_DATETIME));
        assert_eq!(Date { year: 9999, month: 12, day: 31 }.ticks(), Some(MAX_DATETIME + 1 - DAY));
        assert_eq!(Date { year: 2026, month: 2, day: 29 }.ticks(), None);
        assert!(Date { year: 2024, month: 2, day: 29 }.ticks().is_some());
    }

    #[test]
    fn times_are_read_in_the_forms_people_write() {
        let noon = parse_datetime("2026-03-01T12:00:00.0000000Z").unwrap();
        for text in [
            "2026-03-01 12:00",
            "2026-03-01T12:00:00Z",
            "2026-03-01T14:00:00+02:00",
            "2026-3-1 12:00:00.000",
            "Sun, 01 Mar 2026 12:00:00 GMT",
            "Sun, 1 Mar 26 12:00:00",
            "Sun, 1 Mar 26 12:00 GMT",
            "1 Mar 26 12:00",
            "Sunday, 01-Mar-26 12:00:00 GMT",
            "01-Mar-26 12:00:00 GMT",
        ] {
            assert_eq!(parse_datetime(text), Some(noon), "{text}");
        }
        assert_eq!(parse_datetime("2026"), parse_datetime("2026-01-01"));
        assert_eq!(parse_datetime("1 Mar 50 12:00"), parse_datetime("1950-03-01 12:00"));
        for text in [
            "",
            "soon",
            "0000",
            "20260",
            "1 Mar 026 12:00",
            "1Mar 2026",
            "2026-13-01",
            "2026-03-01T25:00",
            "2026-03-01T12:00:00Zx",
            "10000-01-01",
        ] {
            assert_eq!(parse_datetime(text), None, "{text}");
        }
    }

    #[test]
    fn timespans_print_and_read() {
        for (ticks, text) in [
            (0, "00:00:00"),
            (DAY, "1.00:00:00"),
            (-HOUR - 1, "-01:00:00.0000001"),
            (DAY + 2 * HOUR + 3 * MINUTE + 4 * SECOND, "1.02:03:04"),
        ] {
            assert_eq!(print_timespan(ticks), text);
            assert_eq!(parse_timespan(text), Some(ticks));
        }
        assert_eq!(parse_timespan("1.5h"), Some(HOUR * 3 / 2));
        assert_eq!(parse_timespan("3"), Some(3 * DAY));
        assert_eq!(parse_timespan("24:00"), None);
    }

    proptest! {
        #[test]
        fn every_datetime_survives_its_text(ticks in MIN_DATETIME..=MAX_DATETIME) {
            prop_assert_eq!(parse_datetime(&print_datetime(ticks)), Some(ticks));
        }

        #[test]
        fn every_timespan_survives_its_text(ticks in (i64::MIN / 2)..(i64::MAX / 2)) {
            prop_assert_eq!(parse_timespan(&print_timespan(ticks)), Some(ticks));
        }

        #[test]
        fn any_text_is_read_or_refused(text in ".{0,40}") {
            let _ = (parse_datetime(&text), parse_timespan(&text));
        }
    }
}
