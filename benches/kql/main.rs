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

use std::borrow::Cow;
use std::hint::black_box;
use std::sync::LazyLock;
use std::time::{Duration, Instant};

use alerts::World;
use cases::{CASES, Case};
use riposte::diagnostics::Source;
use riposte::kql::{Catalog, Cx, Limits, Query, Schema, Table, Tables, Type, compile_expression, compile_query};

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
        let (query, by_hand) = both(case, &world, rounds);
        if timed {
            print(case, rows, query, by_hand);
        }
    }
    conditions(&world, timed);
}

/// Conditions as rules have them.
const CONDITIONS: [&str; 3] = [
    "AlertSeverity in ('High', 'Medium') and ConfidenceScore > 0.5",
    "AlertName has 'reconnaissance' and CompromisedEntity !endswith '@example.org'",
    "tostring(parse_json(ExtendedProperties).Category) == 'BruteForce'",
];

/// What a condition costs on one alert. Each is asked of many alerts in turn, so that nothing is remembered.
fn conditions(world: &World, timed: bool) {
    let table = &world.tables["SecurityAlert"];
    for text in CONDITIONS {
        let place = Source::new("condition", text);
        let condition = compile_expression(text, &place.whole(), &table.schema(), Type::Bool).unwrap();
        let start = used();
        let held = table.rows.iter().filter(|row| condition.is_true(row, &Cx::at(0)).unwrap()).count();
        let each = used().saturating_sub(start).as_secs_f64() / number(table.rows.len());
        assert!((1..table.rows.len()).contains(&held), "{text}: it must hold for some alerts");
        if timed {
            println!("{:>7.0} ns a condition: {text}", each * 1e9);
        }
    }
}

/// The one test there is, as test runners ask for it.
fn list(args: &[String]) {
    if !args.iter().any(|arg| arg == "--ignored") {
        println!("every_query_gives_what_its_loop_gives: test");
    }
}

/// The times of the query and of the loop, round by round in turn.
fn both(case: &Case, world: &World, rounds: usize) -> (Vec<Duration>, Vec<Duration>) {
    let query = compiled(case.query, world);
    let cx = Cx { limits: Limits { rows: 10_000_000, steps: u64::MAX, bytes: u64::MAX, ..Limits::default() }, now: 0 };
    let (mut ours, mut theirs) = (Vec::new(), Vec::new());
    for round in 0..rounds {
        let start = used();
        let table = query.run(&Held(world), &cx).unwrap();
        ours.push(used().saturating_sub(start));
        let start = used();
        let answer = black_box((case.by_hand)(black_box(world)));
        theirs.push(used().saturating_sub(start));
        if round == 0 {
            assert!(table.rows == answer(), "{}: query and loop differ", case.name);
        }
    }
    (ours, theirs)
}

/// The time that this thread has had on a processor, where the system tells it, so that neighbours do not count; else
/// the time that has passed.
fn used() -> Duration {
    static START: LazyLock<Instant> = LazyLock::new(Instant::now);
    let told = std::fs::read_to_string("/proc/thread-self/schedstat").ok();
    let nanoseconds = told.and_then(|text| text.split_whitespace().next()?.parse().ok());
    nanoseconds.map_or_else(|| START.elapsed(), Duration::from_nanos)
}

fn print(case: &Case, rows: usize, mut query: Vec<Duration>, mut by_hand: Vec<Duration>) {
    let per_second = |time: Duration| number(rows) / time.as_secs_f64() / 1e6;
    let figures = |times: &mut Vec<Duration>| {
        times.sort_unstable();
        (times[0], times[times.len() / 2])
    };
    let (best, median) = figures(&mut query);
    let (hand_best, hand_median) = figures(&mut by_hand);
    let ratio = |a: Duration, b: Duration| a.as_secs_f64() / b.as_secs_f64();
    println!(
        "{:<42} {:>7.2} M rows/s  loop {:>7.2}  ratio {:>5.2} (of the best {:>5.2}; aim {})",
        case.name,
        per_second(median),
        per_second(hand_median),
        ratio(median, hand_median),
        ratio(best, hand_best),
        case.aim,
    );
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

fn number(count: usize) -> f64 {
    u32::try_from(count).map_or(f64::INFINITY, f64::from)
}
