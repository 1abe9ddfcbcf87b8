//! What a series of numbers follows: statistics and lines. They give several columns.
//!
//! Seasons and outliers are absent: Kusto's reference does not say how they are found, and another way would find others.

use super::series::numbers;
use super::{Arg, Function, Gives};
use crate::kql::dynamic::Dynamic;
use crate::kql::time::as_real;
use crate::kql::value::{Type, Val};

const PARTS: Gives = Gives::Is(Type::Dynamic);
const ONE: &[Arg] = &[Arg::Is(Type::Dynamic)];

pub(super) const FUNCTIONS: &[Function] = &[
    Function::plain("series_stats", ONE, PARTS, |args| {
        let all = numbers(args, 0).unwrap_or_default();
        let finite = |n: Option<f64>| n.filter(|n| n.is_finite());
        let ignores = args.get(1).and_then(Val::as_bool) == Some(true);
        if !ignores && all.iter().any(|n| finite(*n).is_none()) {
            return Val::Null;
        }
        let known: Vec<(usize, f64)> =
            all.into_iter().enumerate().filter_map(|(at, n)| Some((at, finite(n)?))).collect();
        Stats::of(&known).map_or(Val::Null, |stats| parts(stats.parts()))
    })
    .optional(&[Arg::Is(Type::Bool)])
    .constants(&[1])
    .parts(&[
        ("min", Type::Real),
        ("min_idx", Type::Long),
        ("max", Type::Real),
        ("max_idx", Type::Long),
        ("avg", Type::Real),
        ("stdev", Type::Real),
        ("variance", Type::Real),
    ])
    .doc(
        "Smallest, largest, their places, mean, deviation and variance.",
        &[("series_stats(dynamic([3, 1, 2]))", "1.0")],
    ),
    Function::plain("series_fit_line", ONE, PARTS, |args| {
        known(args).and_then(|all| Line::through(&all)).map_or(Val::Null, |line| {
            let fit = line.fit.iter().copied().map(Dynamic::Real).collect::<Vec<_>>();
            let all = [line.square(), line.slope, line.variance, line.rest, line.start];
            parts(all.into_iter().map(Dynamic::Real).chain([Dynamic::Array(fit.into())]))
        })
    })
    .parts(&[
        ("rsquare", Type::Real),
        ("slope", Type::Real),
        ("variance", Type::Real),
        ("rvariance", Type::Real),
        ("interception", Type::Real),
        ("line_fit", Type::Dynamic),
    ])
    .doc("The line with the least squares, and how well it fits.", &[("series_fit_line(dynamic([1, 2, 3]))", "1.0")]),
    Function::plain("series_fit_2lines", ONE, PARTS, |args| {
        known(args).and_then(|all| two_lines(&all)).map_or(Val::Null, parts)
    })
    .parts(&[
        ("rsquare", Type::Real),
        ("split_idx", Type::Long),
        ("variance", Type::Real),
        ("rvariance", Type::Real),
        ("line_fit", Type::Dynamic),
        ("right_rsquare", Type::Real),
        ("right_slope", Type::Real),
        ("right_interception", Type::Real),
        ("right_variance", Type::Real),
        ("right_rvariance", Type::Real),
        ("left_rsquare", Type::Real),
        ("left_slope", Type::Real),
        ("left_interception", Type::Real),
        ("left_variance", Type::Real),
        ("left_rvariance", Type::Real),
    ])
    .doc(
        "Two lines as of series_fit_line, the second from the place on where both fit best.",
        &[("series_fit_2lines(dynamic([0, 1, 2, 3, 10, 20, 30]))", "1.0")],
    ),
];

/// The first argument when it is an array of nothing but numbers.
fn known(args: &[Val<'_>]) -> Option<Vec<f64>> {
    numbers(args, 0)?.into_iter().collect::<Option<Vec<f64>>>().filter(|all| !all.is_empty())
}

fn parts<'a>(all: impl IntoIterator<Item = Dynamic>) -> Val<'a> {
    Val::dynamic(Dynamic::Array(all.into_iter().collect()))
}

fn reals(all: &[f64]) -> Dynamic {
    Dynamic::Array(all.iter().copied().map(Dynamic::Real).collect())
}

fn size(n: usize) -> f64 {
    as_real(i64::try_from(n).unwrap_or(i64::MAX))
}

fn place(n: usize) -> Dynamic {
    Dynamic::Long(i64::try_from(n).unwrap_or(i64::MAX))
}

fn mean(all: &[f64]) -> f64 {
    if all.is_empty() { 0.0 } else { all.iter().sum::<f64>() / size(all.len()) }
}

/// The variance of a sample; 0 for fewer than two.
fn variance(all: &[f64]) -> f64 {
    let mean = mean(all);
    let sum: f64 = all.iter().map(|n| (n - mean) * (n - mean)).sum();
    if all.len() < 2 { 0.0 } else { sum / size(all.len() - 1) }
}

struct Stats {
    least: (usize, f64),
    most: (usize, f64),
    mean: f64,
    variance: f64,
}

impl Stats {
    /// Of values with their places.
    fn of(all: &[(usize, f64)]) -> Option<Self> {
        let first = *all.first()?;
        let (mut least, mut most) = (first, first);
        for found in all.iter().copied() {
            if found.1 < least.1 {
                least = found;
            }
            if found.1 > most.1 {
                most = found;
            }
        }
        let values: Vec<f64> = all.iter().map(|(_, value)| *value).collect();
        Some(Self { least, most, mean: mean(&values), variance: variance(&values) })
    }

    fn parts(&self) -> [Dynamic; 7] {
        [
            Dynamic::Real(self.least.1),
            place(self.least.0),
            Dynamic::Real(self.most.1),
            place(self.most.0),
            Dynamic::Real(self.mean),
            Dynamic::Real(self.variance.sqrt()),
            Dynamic::Real(self.variance),
        ]
    }
}

/// The line of the least squares.
struct Line {
    slope: f64,
    /// Its value before the first place: Kusto counts the places of a line from 1.
    start: f64,
    variance: f64,
    /// The variance of what the line leaves.
    rest: f64,
    fit: Vec<f64>,
}

impl Line {
    /// Through values, the first of which stands at place 1.
    fn through(all: &[f64]) -> Option<Self> {
        if all.is_empty() {
            return None;
        }
        let (mx, my) = (size(all.len() + 1) / 2.0, mean(all));
        let (mut together, mut apart) = (0.0, 0.0);
        for (at, value) in all.iter().enumerate() {
            let dx = size(at + 1) - mx;
            together += dx * (value - my);
            apart += dx * dx;
        }
        let slope = if apart > 0.0 { together / apart } else { 0.0 };
        let start = my - slope * mx;
        let fit: Vec<f64> = (0..all.len()).map(|at| start + slope * size(at + 1)).collect();
        let rest: Vec<f64> = all.iter().zip(&fit).map(|(value, fit)| value - fit).collect();
        Some(Self { slope, start, variance: variance(all), rest: variance(&rest), fit })
    }

    fn square(&self) -> f64 {
        if self.variance > 0.0 { 1.0 - self.rest / self.variance } else { 1.0 }
    }

    fn parts(&self) -> [Dynamic; 5] {
        [self.square(), self.slope, self.start, self.variance, self.rest].map(Dynamic::Real)
    }
}

/// Sums from which the squares that a line leaves follow, for any stretch of the series.
struct Sums(Vec<[f64; 4]>);

impl Sums {
    fn of(all: &[f64]) -> Self {
        let mut sums = vec![[0.0; 4]];
        let mut last = [0.0; 4];
        for (at, value) in all.iter().enumerate() {
            let x = size(at);
            for (sum, more) in last.iter_mut().zip([*value, value * value, x * value, x * x]) {
                *sum += more;
            }
            sums.push(last);
        }
        Self(sums)
    }

    /// The squares that the best line through `from..to` leaves.
    fn rest(&self, from: usize, to: usize) -> f64 {
        let zero = [0.0; 4];
        let (low, high) = (self.0.get(from).unwrap_or(&zero), self.0.get(to).unwrap_or(&zero));
        let [y, yy, xy, xx] = std::array::from_fn(|at| high.get(at).unwrap_or(&0.0) - low.get(at).unwrap_or(&0.0));
        let n = size(to - from);
        let x = n * (size(from) + size(to - 1)) / 2.0;
        let (syy, sxy, sxx) = (yy - y * y / n, xy - x * y / n, xx - x * x / n);
        if sxx > 0.0 { syy - sxy * sxy / sxx } else { syy }
    }
}

fn two_lines(all: &[f64]) -> Option<Vec<Dynamic>> {
    // Squares of large values would swallow what differs between them.
    let middle = mean(all);
    let sums = Sums::of(&all.iter().map(|value| value - middle).collect::<Vec<_>>());
    let left_over = |split: usize| sums.rest(0, split) + sums.rest(split, all.len());
    let split = (2..all.len().saturating_sub(1)).min_by(|a, b| left_over(*a).total_cmp(&left_over(*b)))?;
    let (left, right) = (Line::through(all.get(..split)?)?, Line::through(all.get(split..)?)?);
    let fit: Vec<f64> = left.fit.iter().chain(&right.fit).copied().collect();
    let rest: Vec<f64> = all.iter().zip(&fit).map(|(value, fit)| value - fit).collect();
    let (whole, rest) = (variance(all), variance(&rest));
    let square = if whole > 0.0 { 1.0 - rest / whole } else { 1.0 };
    let mut made = vec![Dynamic::Real(square), place(split), Dynamic::Real(whole), Dynamic::Real(rest), reals(&fit)];
    made.extend(right.parts());
    made.extend(left.parts());
    Some(made)
}
