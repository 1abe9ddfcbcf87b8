//! How fast queries run, beside plain loops that do the same.
//!
//! `cargo bench --bench kql` takes a million rows; numbers behind `--` change that (rows, then
//! rounds), and a word there chooses cases. Without `--bench`,
//! as `cargo test` calls it, a few rows go through once, so that every answer is compared and nothing is timed.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark tells what it found, and stops"
)]
#![allow(missing_docs, unreachable_pub, reason = "nobody else uses it")]

mod alerts;
mod cases;
mod cells;
mod clock;
mod world;

use std::borrow::Cow;
use std::hint::black_box;
use std::time::Duration;

use cases::{CASES, Case};
use clock::{number, used};
use riposte::diagnostics::Source;
use riposte::kql::{Catalog, Cells, Cx, Limits, Query, Schema, Table, Tables, compile_query};
use world::World;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.iter().any(|arg| arg == "--list") {
        return list(&args);
    }
    let timed = args.iter().any(|arg| arg == "--bench");
    let mut numbers = args.iter().filter_map(|arg| arg.parse().ok());
    let rows = numbers.next().unwrap_or(if timed { 1_000_000 } else { 500 });
    let rounds = if timed { numbers.next().unwrap_or(5) } else { 1 };
    let world = World::new(rows);
    let words: Vec<&String> = args.iter().filter(|arg| arg.starts_with(char::is_alphabetic)).collect();
    let named = |case: &&Case| !timed || words.is_empty() || words.iter().any(|word| case.name.contains(word.as_str()));
    for case in CASES.iter().filter(named) {
        let took = times(case, &world, rounds);
        if timed {
            print(case, rows, took);
        }
    }
}

/// The one test there is, as test runners ask for it.
fn list(args: &[String]) {
    if !args.iter().any(|arg| arg == "--ignored") {
        println!("every_query_gives_what_its_loop_gives: test");
    }
}

/// How long each took, round by round in turn.
#[derive(Default)]
struct Times {
    query: Vec<Duration>,
    by_hand: Vec<Duration>,
    over_cells: Vec<Duration>,
}

fn times(case: &Case, world: &World, rounds: usize) -> Times {
    let query = compiled(case.query, world);
    let cx = Cx { limits: Limits { rows: 10_000_000, steps: u64::MAX, bytes: u64::MAX, ..Limits::default() }, now: 0 };
    let mut times = Times::default();
    for round in 0..rounds {
        let start = used();
        let table = query.run(&Held(world), &cx).unwrap();
        times.query.push(used().saturating_sub(start));
        for (by_hand, times) in [(Some(case.by_hand), &mut times.by_hand), (case.over_cells, &mut times.over_cells)] {
            let Some(by_hand) = by_hand else { continue };
            let start = used();
            let answer = black_box(by_hand(black_box(world)));
            times.push(used().saturating_sub(start));
            if round == 0 {
                assert!(table.rows.iter().map(Cells::to_vec).eq(answer()), "{}: query and loop differ", case.name);
            }
        }
    }
    times
}

fn print(case: &Case, rows: usize, mut times: Times) {
    let per_second = |time: Duration| number(rows) / time.as_secs_f64() / 1e6;
    let figures = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        (times[0], times[times.len() / 2])
    };
    let (best, median) = figures(&mut times.query);
    let ratio = |a: Duration, b: Duration| a.as_secs_f64() / b.as_secs_f64();
    print!("{:<42} {:>7.2} M rows/s", case.name, per_second(median));
    for (of, times) in [("loop", &mut times.by_hand), ("over the cells", &mut times.over_cells)] {
        if !times.is_empty() {
            let (hand_best, hand) = figures(times);
            let (ratio, of_best) = (ratio(median, hand), ratio(best, hand_best));
            print!("  {of} {:>7.2}  ratio {ratio:>5.2} (of the best {of_best:>5.2})", per_second(hand));
        }
    }
    println!("  aim {}", case.aim);
}

fn compiled(text: &str, world: &World) -> Query {
    compile_query(&Source::new("query", text), &Held(world)).unwrap_or_else(|findings| panic!("{text}: {findings:?}"))
}

/// The tables of a world.
struct Held<'w>(&'w World);

impl Catalog for Held<'_> {
    fn schema(&self, table: &str) -> Option<Schema> {
        self.0.tables.get(table).map(Table::schema)
    }

    fn names(&self) -> Vec<String> {
        self.0.tables.keys().map(ToString::to_string).collect()
    }
}

impl Tables for Held<'_> {
    fn table(&self, name: &str) -> Option<Cow<'_, Table>> {
        self.0.tables.get(name).map(Cow::Borrowed)
    }
}
