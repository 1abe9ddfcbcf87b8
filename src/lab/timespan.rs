//! The time range that may stand beside a query: an ISO 8601 duration, or an interval of two times, or of a
//! time and a duration.

use std::time::Duration;

use crate::model::time::At;

/// From when to when; both ends belong to it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Range {
    pub(crate) from: At,
    pub(crate) to: At,
}

impl Range {
    /// Reads `P1D`, `2026-01-01/P1D`, `P1D/2026-01-02T00:00:00Z`, `2026-01-01/2026-01-02`; a single time means
    /// from then until `now`.
    pub(crate) fn parse(text: &str, now: At) -> Option<Self> {
        match text.split_once('/') {
            None => match duration(text) {
                Some(length) => Some(Self { from: now.minus(length), to: now }),
                None => Some(Self { from: time(text)?, to: now }),
            },
            Some((a, b)) => match (duration(a), duration(b)) {
                (Some(length), None) => time(b).map(|to| Self { from: to.minus(length), to }),
                (None, Some(length)) => time(a).map(|from| Self { from, to: from.plus(length) }),
                (None, None) => Some(Self { from: time(a)?, to: time(b)? }),
                (Some(_), Some(_)) => None,
            },
        }
    }

    pub(crate) fn holds(self, at: At) -> bool {
        self.from <= at && at <= self.to
    }
}

fn duration(text: &str) -> Option<Duration> {
    let span: jiff::Span = text.parse().ok()?;
    let length = span.to_duration(jiff::SpanRelativeTo::days_are_24_hours()).ok()?;
    Duration::try_from(length).ok()
}

fn time(text: &str) -> Option<At> {
    text.parse().ok().or_else(|| format!("{text}T00:00:00Z").parse().ok()).or_else(|| format!("{text}Z").parse().ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_documented_form_is_read() {
        let at = |text: &str| text.parse::<At>().unwrap();
        let now = at("2026-03-02T12:00:00Z");
        for (text, from, to) in [
            ("PT1H", "2026-03-02T11:00:00Z", "2026-03-02T12:00:00Z"),
            ("P30D", "2026-01-31T12:00:00Z", "2026-03-02T12:00:00Z"),
            ("2026-03-01/2026-03-02", "2026-03-01T00:00:00Z", "2026-03-02T00:00:00Z"),
            ("2026-03-01T00:00:00Z/PT30M", "2026-03-01T00:00:00Z", "2026-03-01T00:30:00Z"),
            ("PT30M/2026-03-01T00:30:00Z", "2026-03-01T00:00:00Z", "2026-03-01T00:30:00Z"),
            ("2026-03-01", "2026-03-01T00:00:00Z", "2026-03-02T12:00:00Z"),
        ] {
            assert_eq!(Range::parse(text, now), Some(Range { from: at(from), to: at(to) }), "{text}");
        }
        assert!(Range::parse("PT315360000.0S", now).is_some(), "as one SDK writes ten years");
        for text in ["", "soon", "P1D/P1D", "/"] {
            assert_eq!(Range::parse(text, now), None, "{text}");
        }
    }
}
