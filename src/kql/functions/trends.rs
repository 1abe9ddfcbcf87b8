//! What a series of numbers follows: statistics, lines, seasons, and what falls out of them. Most give several columns.
//!
//! Kusto's reference says what is computed, not how a season is found nor how a score is scaled. Here a season is the lag
//! with the highest autocorrelation, its shape the mean of each phase, and a score counts Tukey's ranges between the 10th
//! and the 90th percentile. Equal verdicts may be expected, equal scores not.

use super::args::{long_or, text};
use super::series::numbers;
use super::{Arg, Function, Gives};
use crate::kql::dynamic::Dynamic;
use crate::kql::error::KqlError;
use crate::kql::eval::Frame;
use crate::kql::time::as_real;
use crate::kql::value::{Type, Val};

const PARTS: Gives = Gives::Is(Type::Dynamic);
const ONE: &[Arg] = &[Arg::Is(Type::Dynamic)];
const TREND: Arg = Arg::Word(&["avg", "linefit", "none"]);
const METHOD: Arg = Arg::Word(&["ctukey", "tukey"]);
/// The lowest autocorrelation that makes a season, unless the query says otherwise.
const SEASONAL: f64 = 0.6;

pub(super) const FUNCTIONS: &[Function] = &[
    Function::plain("series_stats", ONE, PARTS, |args| {
        known(args).and_then(|all| Stats::of(&all)).map_or(Val::Null, |stats| parts(stats.parts()))
    })
    .optional(&[Arg::Is(Type::Bool)])
    .parts(&[
        ("min", Type::Real),
        ("min_idx", Type::Long),
        ("max", Type::Real),
        ("max_idx", Type::Long),
        ("avg", Type::Real),
        ("stdev", Type::Real),
        ("variance", Type::Real),
    ])
    .doc("Smallest, largest, their places, mean, deviation and variance.", &[("series_stats(dynamic([3, 1, 2]))", "1.0")]),
    Function::plain("series_fit_line", ONE, PARTS, |args| {
        known(args).and_then(|all| Line::through(&all, 0)).map_or(Val::Null, |line| {
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
        "Two lines, split where they fit best.",
        &[("series_fit_2lines(dynamic([0, 1, 2, 3, 10, 20, 30]))", "1.0")],
    ),
    Function::new("series_decompose", ONE, PARTS, |frame, args| {
        let split = Split { season: 1, trend: 2, test: long_or(args, 3, 0), threshold: 4, usual: "avg" };
        let made = split.of(frame, args)?;
        Ok(made.map_or(Val::Null, |made| {
            parts([made.baseline(), made.seasonal.clone(), made.trend.clone(), made.residual()].map(|all| reals(&all)))
        }))
    })
    .optional(&[Arg::Number, TREND, Arg::Is(Type::Long), Arg::Is(Type::Real)])
    .parts(&[
        ("baseline", Type::Dynamic),
        ("seasonal", Type::Dynamic),
        ("trend", Type::Dynamic),
        ("residual", Type::Dynamic),
    ])
    .doc(
        "A series as its trend, its season and the rest.",
        &[("tostring(series_decompose(dynamic([1, 3, 1, 3]), 2))", "'[1.0,3.0,1.0,3.0]'")],
    ),
    Function::new("series_decompose_anomalies", ONE, PARTS, anomalies)
        .optional(&[Arg::Is(Type::Real), Arg::Number, TREND, Arg::Is(Type::Long), METHOD, Arg::Is(Type::Real)])
        .parts(&[("ad_flag", Type::Dynamic), ("ad_score", Type::Dynamic), ("baseline", Type::Dynamic)])
        .doc(
            "1 for each element far above what trend and season lead one to expect, -1 far below, 0 as expected; its score; \
             what was expected.",
            &[("tostring(series_decompose_anomalies(dynamic([1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 1, 40])))", "'[0,0,0,0,0,0,0,0,0,0,0,1]'")],
        ),
    Function::new("series_decompose_forecast", &[Arg::Is(Type::Dynamic), Arg::Is(Type::Long)], PARTS, |frame, args| {
        let split = Split { season: 2, trend: 3, test: long_or(args, 1, 0), threshold: 4, usual: "linefit" };
        let made = split.of(frame, args)?;
        Ok(made.map_or(Val::Null, |made| {
            parts([made.baseline(), made.seasonal.clone(), made.trend.clone(), made.residual()].map(|all| reals(&all)))
        }))
    })
    .optional(&[Arg::Number, TREND, Arg::Is(Type::Real)])
    .parts(&[
        ("baseline", Type::Dynamic),
        ("seasonal", Type::Dynamic),
        ("trend", Type::Dynamic),
        ("residual", Type::Dynamic),
    ])
    .doc(
        "What trend and season lead one to expect, the last elements foretold from those before.",
        &[("tostring(series_decompose_forecast(dynamic([1, 2, 3, 0]), 1))", "'[1.0,2.0,3.0,4.0]'")],
    ),
    Function::plain("series_outliers", ONE, Gives::Is(Type::Dynamic), |args| {
        let tails = if text(args, 1) == "tukey" { (0.25, 0.75) } else { (0.1, 0.9) };
        known(args).map_or(Val::Null, |all| Val::dynamic(reals(&scores(&all, all.len(), tails))))
    })
    .optional(&[METHOD, Arg::Any, Arg::Is(Type::Real), Arg::Is(Type::Real)])
    .keeps_name()
    .doc(
        "How far each element lies outside of the usual range, in ranges; 0 inside.",
        &[("tostring(series_outliers(dynamic([1, 1, 2, 2, 1]), 'tukey'))", "'[0.0,0.0,0.0,0.0,0.0]'")],
    ),
];

/// The numbers of the first argument; what is missing counts as 0.
fn known(args: &[Val<'_>]) -> Option<Vec<f64>> {
    let all: Vec<f64> = numbers(args, 0)?.into_iter().map(|n| n.unwrap_or(0.0)).collect();
    (!all.is_empty()).then_some(all)
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
    fn of(all: &[f64]) -> Option<Self> {
        let first = (0, *all.first()?);
        let (mut least, mut most) = (first, first);
        for (at, value) in all.iter().copied().enumerate() {
            if value < least.1 {
                least = (at, value);
            }
            if value > most.1 {
                most = (at, value);
            }
        }
        Some(Self { least, most, mean: mean(all), variance: variance(all) })
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
    /// Its value at place 0.
    start: f64,
    variance: f64,
    /// The variance of what the line leaves.
    rest: f64,
    fit: Vec<f64>,
}

impl Line {
    /// Through values whose first stands at place `from`.
    fn through(all: &[f64], from: usize) -> Option<Self> {
        if all.is_empty() {
            return None;
        }
        let (mx, my) = (size(from) + size(all.len() - 1) / 2.0, mean(all));
        let (mut together, mut apart) = (0.0, 0.0);
        for (at, value) in all.iter().enumerate() {
            let dx = size(from + at) - mx;
            together += dx * (value - my);
            apart += dx * dx;
        }
        let slope = if apart > 0.0 { together / apart } else { 0.0 };
        let start = my - slope * mx;
        let fit: Vec<f64> = (0..all.len()).map(|at| start + slope * size(from + at)).collect();
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
    let sums = Sums::of(all);
    let left_over = |split: usize| sums.rest(0, split) + sums.rest(split, all.len());
    let split = (2..all.len().saturating_sub(1)).min_by(|a, b| left_over(*a).total_cmp(&left_over(*b)))?;
    let (left, right) = (Line::through(all.get(..split)?, 0)?, Line::through(all.get(split..)?, split)?);
    let fit: Vec<f64> = left.fit.iter().chain(&right.fit).copied().collect();
    let rest: Vec<f64> = all.iter().zip(&fit).map(|(value, fit)| value - fit).collect();
    let (whole, rest) = (variance(all), variance(&rest));
    let square = if whole > 0.0 { 1.0 - rest / whole } else { 1.0 };
    let mut made = vec![Dynamic::Real(square), place(split), Dynamic::Real(whole), Dynamic::Real(rest), reals(&fit)];
    made.extend(right.parts());
    made.extend(left.parts());
    Some(made)
}

/// Where the arguments of a decomposition are.
struct Split {
    season: usize,
    trend: usize,
    /// How many elements at the end are not learned from.
    test: i64,
    threshold: usize,
    /// The trend without an argument.
    usual: &'static str,
}

struct Parts {
    values: Vec<f64>,
    seasonal: Vec<f64>,
    trend: Vec<f64>,
    /// How many elements were learned from.
    learned: usize,
}

impl Parts {
    fn baseline(&self) -> Vec<f64> {
        self.seasonal.iter().zip(&self.trend).map(|(a, b)| a + b).collect()
    }

    fn residual(&self) -> Vec<f64> {
        self.values.iter().zip(self.baseline()).map(|(value, expected)| value - expected).collect()
    }
}

impl Split {
    fn of(&self, frame: &Frame<'_>, args: &[Val<'_>]) -> Result<Option<Parts>, KqlError> {
        let Some(values) = known(args) else { return Ok(None) };
        let learned = values.len().saturating_sub(usize::try_from(self.test).unwrap_or(0));
        let past = values.get(..learned).unwrap_or_default();
        let trend = match args.get(self.trend).and_then(Val::as_str).unwrap_or(self.usual) {
            "linefit" => {
                let (start, slope) = Line::through(past, 0).map_or((0.0, 0.0), |line| (line.start, line.slope));
                (0..values.len()).map(|at| start + slope * size(at)).collect()
            }
            "none" => vec![0.0; values.len()],
            _ => vec![mean(past); values.len()],
        };
        let flat: Vec<f64> = past.iter().zip(&trend).map(|(value, trend)| value - trend).collect();
        let asked = super::args::real(args, self.season).unwrap_or(-1.0).round();
        let threshold = super::args::real(args, self.threshold).unwrap_or(SEASONAL);
        let period = if asked < 0.0 {
            // Every lag looks at every element.
            let steps = (flat.len() as u64).saturating_mul(flat.len() as u64) / 4;
            frame.env.budget.steps(steps)?;
            season(&flat, threshold)
        } else {
            (1..=flat.len()).find(|period| size(*period).total_cmp(&asked).is_eq())
        };
        let seasonal = match period {
            Some(period) => {
                let phase = |at: usize| mean(&flat.iter().skip(at).step_by(period).copied().collect::<Vec<f64>>());
                let shape: Vec<f64> = (0..period).map(phase).collect();
                shape.iter().copied().cycle().take(values.len()).collect()
            }
            None => vec![0.0; values.len()],
        };
        Ok(Some(Parts { values, seasonal, trend, learned }))
    }
}

/// The lag at which a series is most like itself.
fn season(flat: &[f64], threshold: f64) -> Option<usize> {
    let whole: f64 = flat.iter().map(|n| n * n).sum();
    if whole <= 0.0 {
        return None;
    }
    let alike = |lag: usize| {
        let pairs = flat.iter().zip(flat.iter().skip(lag));
        let sum: f64 = pairs.map(|(a, b)| a * b).sum();
        sum / whole * size(flat.len()) / size(flat.len() - lag)
    };
    let all: Vec<(usize, f64)> = (2..=flat.len() / 2).map(|lag| (lag, alike(lag))).collect();
    // Of multiples that are as good, the first.
    let best = all.iter().map(|(_, alike)| *alike).fold(f64::MIN, f64::max);
    all.into_iter().find(|(_, alike)| *alike >= threshold && *alike >= best - 0.05).map(|(lag, _)| lag)
}

fn anomalies<'a>(frame: &Frame<'_>, args: &[Val<'a>]) -> Result<Val<'a>, KqlError> {
    let split = Split { season: 2, trend: 3, test: long_or(args, 4, 0), threshold: 6, usual: "avg" };
    let Some(made) = split.of(frame, args)? else { return Ok(Val::Null) };
    let threshold = super::args::real(args, 1).unwrap_or(1.5);
    let tails = if text(args, 5) == "tukey" { (0.25, 0.75) } else { (0.1, 0.9) };
    let scores = scores(&made.residual(), made.learned, tails);
    let flags = scores.iter().map(|score| {
        Dynamic::Long(if *score > threshold {
            1
        } else if *score < -threshold {
            -1
        } else {
            0
        })
    });
    Ok(parts([Dynamic::Array(flags.collect()), reals(&scores), reals(&made.baseline())]))
}

/// For each value how many ranges it lies above or below the range between two percentiles of the first `learned`.
fn scores(all: &[f64], learned: usize, (low, high): (f64, f64)) -> Vec<f64> {
    let mut sorted = all.get(..learned).unwrap_or(all).to_vec();
    sorted.sort_by(f64::total_cmp);
    let (low, high) = (percentile(&sorted, low), percentile(&sorted, high));
    // A flat series has no range: whatever differs is far away.
    let range = if high > low { high - low } else { high.abs().max(1.0) * 1e-9 };
    let score = |value: &f64| {
        if *value > high {
            (value - high) / range
        } else if *value < low {
            (value - low) / range
        } else {
            0.0
        }
    };
    all.iter().map(score).collect()
}

/// Between the two values around that share of the way.
fn percentile(sorted: &[f64], share: f64) -> f64 {
    let way = share * size(sorted.len().saturating_sub(1));
    let below = (0..sorted.len()).rev().find(|at| size(*at) <= way).unwrap_or(0);
    let at = |n: usize| sorted.get(n).or(sorted.last()).copied().unwrap_or(0.0);
    at(below) + (at(below + 1) - at(below)) * (way - size(below))
}
