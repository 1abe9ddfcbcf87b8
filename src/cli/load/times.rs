//! Sums over times: shares of a distribution, overlapping spans, what lies between them. Pure.

use std::time::Duration;

use serde_json::{Value, json};

use crate::model::time::At;

/// From when to when.
pub(super) type Span = (At, At);

/// The middle, the slowest hundredth and the slowest of a distribution.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Spread {
    pub(super) p50: Duration,
    pub(super) p99: Duration,
    pub(super) max: Duration,
}

impl Spread {
    /// Of these; `None` where there are none.
    pub(super) fn of(mut all: Vec<Duration>) -> Option<Self> {
        all.sort_unstable();
        let max = *all.last()?;
        Some(Self { p50: percentile(&all, 50), p99: percentile(&all, 99), max })
    }

    /// In milliseconds.
    pub(super) fn json(self) -> Value {
        json!({"p50": millis(self.p50), "p99": millis(self.p99), "max": millis(self.max)})
    }
}

/// The smallest of the sorted values that is not exceeded by so many percent of them (nearest rank); zero where there are none.
fn percentile(sorted: &[Duration], percent: usize) -> Duration {
    let rank = (sorted.len() * percent).div_ceil(100).max(1);
    sorted.get(rank - 1).copied().unwrap_or_default()
}

/// In milliseconds, to a tenth.
pub(super) fn millis(time: Duration) -> f64 {
    (time.as_secs_f64() * 10_000.0).round() / 10.0
}

/// How much of the time from `span.0` to `span.1` none of the spans covers.
pub(super) fn uncovered(span: Span, covering: &[Span]) -> Duration {
    let mut sorted = covering.to_vec();
    sorted.sort_unstable();
    let (mut reached, mut free) = (span.0, Duration::ZERO);
    for (from, to) in sorted {
        if from > reached {
            free += from.min(span.1).since(reached);
        }
        reached = reached.max(to);
    }
    free + span.1.since(reached)
}

/// Puts what was under way at the same time together: a span that begins before one of its group has ended belongs to the
/// group. `all` is sorted by when they began.
pub(super) fn waves<T>(all: Vec<T>, span: impl Fn(&T) -> Span) -> Vec<Vec<T>> {
    let mut waves: Vec<Vec<T>> = Vec::new();
    let mut until = None;
    for one in all {
        let (from, to) = span(&one);
        match waves.last_mut() {
            Some(wave) if until.is_some_and(|until| from < until) => wave.push(one),
            _ => {
                waves.push(vec![one]);
                until = None;
            }
        }
        // All of a wave begin before the first of them has ended: what waited for an answer is a wave of its own.
        until = Some(until.map_or(to, |until: At| until.min(to)));
    }
    waves
}

/// How many spans were under way on average while any was.
pub(super) fn together(spans: &[Span]) -> f64 {
    let (Some(from), Some(to)) = (spans.iter().map(|span| span.0).min(), spans.iter().map(|span| span.1).max()) else {
        return 0.0;
    };
    let covered = to.since(from).saturating_sub(uncovered((from, to), spans));
    let all: Duration = spans.iter().map(|span| span.1.since(span.0)).sum();
    if covered.is_zero() { 0.0 } else { all.as_secs_f64() / covered.as_secs_f64() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(seconds: i64) -> At {
        At::from_unix_seconds(seconds)
    }

    fn span(from: i64, to: i64) -> Span {
        (at(from), at(to))
    }

    #[test]
    fn percentiles_are_values_that_were_measured() {
        let seconds = |all: &[u64]| all.iter().map(|n| Duration::from_secs(*n)).collect::<Vec<_>>();
        let all: Vec<u64> = (1..=200).rev().collect();
        let spread = Spread::of(seconds(&all)).unwrap();
        assert_eq!([spread.p50, spread.p99, spread.max].map(|time| time.as_secs()), [100, 198, 200]);
        let one = Spread::of(seconds(&[7])).unwrap();
        assert_eq!([one.p50, one.p99, one.max].map(|time| time.as_secs()), [7, 7, 7]);
        assert_eq!(Spread::of(Vec::new()), None);
    }

    #[test]
    fn own_time_is_what_no_call_covers() {
        let cases: [(&[Span], u64); 6] = [
            (&[], 10),
            (&[span(10, 20)], 0),
            (&[span(12, 14), span(13, 16)], 6),
            (&[span(16, 18), span(11, 12)], 7),
            (&[span(0, 11), span(19, 30)], 8),
            (&[span(0, 5), span(25, 30)], 10),
        ];
        for (covering, free) in cases {
            assert_eq!(uncovered(span(10, 20), covering).as_secs(), free, "{covering:?}");
        }
    }

    #[test]
    fn what_was_asked_before_an_answer_came_is_asked_together() {
        let all = vec![span(0, 3), span(1, 2), span(2, 5), span(4, 6), span(9, 10)];
        assert_eq!(
            waves(all, |span| *span),
            [vec![span(0, 3), span(1, 2)], vec![span(2, 5), span(4, 6)], vec![span(9, 10)]]
        );
        assert_eq!(waves(Vec::new(), |span: &Span| *span), Vec::<Vec<Span>>::new());
    }

    #[test]
    fn pauses_do_not_count_for_how_many_were_under_way() {
        assert!((together(&[span(0, 2), span(0, 2), span(8, 10)]) - 1.5).abs() < 1e-9);
        assert!(together(&[]).abs() < 1e-9);
    }
}
