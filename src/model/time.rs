//! Points in time, and the one clock by which riposte lives.
//!
//! Everything a decision compares is an [`At`]; nobody below `app` reads a wall clock. Domain time
//! (polls, leases, looks, reverts) comes from a [`Clock`], so that a test or the demo can let eight
//! hours pass at once. Transport time-outs are tokio's and are never shifted.

use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::str::FromStr;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};

/// Ticks of 100 ns in one second, the resolution of Kusto's `datetime`.
pub const TICKS_PER_SECOND: i64 = 10_000_000;

/// A UTC point in time in ticks of 100 ns since 1970-01-01, the resolution in which the vendors
/// write their times. As text: RFC 3339 with `Z`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct At(i64);

impl At {
    /// The Unix epoch.
    pub const EPOCH: Self = Self(0);

    /// From ticks of 100 ns since 1970-01-01 UTC.
    #[must_use]
    pub const fn from_ticks(ticks: i64) -> Self {
        Self(ticks)
    }

    /// From seconds since 1970-01-01 UTC.
    #[must_use]
    pub const fn from_unix_seconds(seconds: i64) -> Self {
        Self(seconds.saturating_mul(TICKS_PER_SECOND))
    }

    /// Ticks of 100 ns since 1970-01-01 UTC.
    #[must_use]
    pub const fn ticks(self) -> i64 {
        self.0
    }

    /// Whole seconds since 1970-01-01 UTC, rounded down.
    #[must_use]
    pub const fn unix_seconds(self) -> i64 {
        self.0.div_euclid(TICKS_PER_SECOND)
    }

    /// The beginning of its second, for people.
    #[must_use]
    pub const fn to_the_second(self) -> Self {
        Self::from_unix_seconds(self.unix_seconds())
    }

    /// How long after `earlier` this is; zero when it is not after it.
    #[must_use]
    pub fn since(self, earlier: Self) -> Duration {
        let ticks = u64::try_from(self.0.saturating_sub(earlier.0)).unwrap_or(0);
        Duration::from_nanos(ticks.saturating_mul(100))
    }

    /// The point `by` later, held at the end of time.
    #[must_use]
    pub fn plus(self, by: Duration) -> Self {
        Self(self.0.saturating_add(ticks_of(by)))
    }

    /// The point `by` earlier, held at the beginning of time.
    #[must_use]
    pub fn minus(self, by: Duration) -> Self {
        Self(self.0.saturating_sub(ticks_of(by)))
    }
}

impl fmt::Display for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let nanos = i128::from(self.0) * 100;
        match jiff::Timestamp::from_nanosecond(nanos) {
            Ok(stamp) => write!(f, "{stamp}"),
            Err(_) => write!(f, "{} ticks", self.0),
        }
    }
}

impl fmt::Debug for At {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is no RFC 3339 time.
#[derive(Debug, thiserror::Error)]
#[error("{text:?} is not a time such as 2026-03-01T02:03:04Z")]
pub struct NotATime {
    text: String,
}

impl FromStr for At {
    type Err = NotATime;

    fn from_str(text: &str) -> Result<Self, NotATime> {
        let wrong = || NotATime { text: text.chars().take(60).collect() };
        let stamp: jiff::Timestamp = text.trim().parse().map_err(|_| wrong())?;
        i64::try_from(stamp.as_nanosecond().div_euclid(100)).map(Self).map_err(|_| wrong())
    }
}

impl Serialize for At {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for At {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        String::deserialize(from)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A wait that ends when its moment has come.
pub type Pause = Pin<Box<dyn Future<Output = ()> + Send>>;

/// Where domain time comes from.
pub trait Clock: Send + Sync + 'static {
    /// The present moment.
    fn now(&self) -> At;
    /// Ends when `now() >= at`.
    fn sleep_until(&self, at: At) -> Pause;
    /// The time since some beginning. It never goes back, whatever is done to the machine's clock,
    /// and leaps with the clock where that can leap. As given, it is for clocks nobody can set back.
    fn elapsed(&self) -> Duration {
        self.now().since(At::EPOCH)
    }
}

/// The machine's clock.
#[derive(Debug, Clone, Copy, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the wall clock")]
    fn now(&self) -> At {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        At::EPOCH.plus(since)
    }

    fn elapsed(&self) -> Duration {
        static BEGINNING: LazyLock<Instant> = LazyLock::new(Instant::now);
        BEGINNING.elapsed()
    }

    fn sleep_until(&self, at: At) -> Pause {
        let clock = *self;
        Box::pin(async move {
            // A wall clock may be set while we sleep: look again at least every minute.
            loop {
                let left = at.since(clock.now());
                if left.is_zero() {
                    return;
                }
                tokio::time::sleep(left.min(Duration::from_secs(60))).await;
            }
        })
    }
}

/// A duration in words people write, `90s`, `15m`, `8h`, `2d`, `1h30m`, or as ISO 8601, `PT5M`. A day has 24 hours.
///
/// # Errors
/// When the text is none, or negative.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let not_one = || format!("{text:?} is not a duration such as 30s, 15m, 8h or 2d");
    let span: jiff::Span = text.trim().parse().map_err(|_| not_one())?;
    let span = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).map_err(|_| not_one())?;
    Duration::try_from(span)
        .map_err(|_| format!("{text:?} is negative; a duration such as 30s, 15m, 8h or 2d is wanted"))
}

/// A duration as people write it: the two largest units that are not zero (`1h30m`, `45s`, `250ms`).
#[must_use]
pub fn print_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds == 0 {
        return format!("{}ms", duration.subsec_millis());
    }
    let units = [(seconds / 86_400, "d"), (seconds / 3_600 % 24, "h"), (seconds / 60 % 60, "m"), (seconds % 60, "s")];
    let first = units.iter().position(|(n, _)| *n > 0).unwrap_or(3);
    units[first..].iter().take(2).filter(|(n, _)| *n > 0).map(|(n, unit)| format!("{n}{unit}")).collect()
}

fn ticks_of(duration: Duration) -> i64 {
    i64::try_from(duration.as_nanos() / 100).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_and_ticks_agree_to_100_ns() {
        let at: At = "2026-03-01T02:03:04.1234567Z".parse().unwrap();
        assert_eq!(at.to_string(), "2026-03-01T02:03:04.1234567Z");
        assert_eq!(at.ticks() % TICKS_PER_SECOND, 1_234_567);
    }

    #[test]
    fn an_offset_is_converted_to_utc() {
        let at: At = "2026-03-01T02:00:00+02:00".parse().unwrap();
        assert_eq!(at.to_string(), "2026-03-01T00:00:00Z");
    }

    #[test]
    fn since_never_goes_negative_and_plus_never_wraps() {
        let early = At::from_unix_seconds(10);
        let late = At::from_unix_seconds(30);
        assert_eq!(late.since(early), Duration::from_secs(20));
        assert_eq!(early.since(late), Duration::ZERO);
        assert_eq!(At::from_ticks(i64::MAX).plus(Duration::from_secs(1)).ticks(), i64::MAX);
    }

    #[test]
    fn durations_are_read_as_people_write_them() {
        for (text, seconds) in [("30s", 30), ("15m", 900), ("8h", 28_800), ("2d", 172_800), ("1h30m", 5_400)] {
            assert_eq!(parse_duration(text).unwrap(), Duration::from_secs(seconds), "{text}");
        }
        for text in ["", "soon", "-5m", "5"] {
            assert!(parse_duration(text).is_err(), "{text}");
        }
    }

    #[test]
    fn durations_print_their_two_largest_units() {
        for (seconds, text) in [(45, "45s"), (90, "1m30s"), (5_400, "1h30m"), (90_061, "1d1h")] {
            assert_eq!(print_duration(Duration::from_secs(seconds)), text);
        }
    }
}
