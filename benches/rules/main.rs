//! What rules cost on an alert: a condition by itself, and the rules of a large table that may answer it.
//!
//! `cargo bench --bench rules` writes a thousand rules, spread over all alerts that there are; a number behind `--` changes
//! how many. Without `--bench`, as `cargo test` calls it, a few are written, so that the answers are compared and nothing is
//! timed.

#![allow(
    clippy::print_stdout,
    clippy::unwrap_used,
    clippy::panic,
    reason = "a benchmark tells what it found, and stops"
)]
#![allow(missing_docs, unreachable_pub, reason = "nobody else uses it")]

#[path = "../kql/alerts.rs"]
mod alerts;
#[path = "../kql/clock.rs"]
mod clock;

use std::fmt::Write as _;
use std::hint::black_box;
use std::time::Duration;

use alerts::{Alert, Generator};
use clock::{number, used};
use riposte::diagnostics::Source;
use riposte::kql::{Cx, Type, Value, compile_expression};
use riposte::model::time::At;
use riposte::playbook::{Catalogue, Entry, Folders, LoadContext, Rule, RuleTable, alert_schema, load};

/// Conditions as rules have them.
const CONDITIONS: [&str; 4] = [
    "AlertSeverity in ('High', 'Medium') and ConfidenceScore > 0.5",
    "AlertName has 'reconnaissance' and CompromisedEntity !endswith '@example.org'",
    "Description matches regex @'(?i)\\bDC[0-4]\\b' and isnotempty(CompromisedEntity)",
    "tostring(parse_json(ExtendedProperties).Category) == 'BruteForce'",
];

/// As many alerts as are asked in turn, so that nothing is remembered from one to the next.
const ALERTS: usize = 50_000;
const ROUNDS: usize = 5;

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if args.iter().any(|arg| arg == "--list") {
        if !args.iter().any(|arg| arg == "--ignored") {
            println!("rules_found_by_alert_are_those_that_answer_it: test");
        }
        return;
    }
    assert_eq!(alert_schema().columns(), Alert::columns(), "alerts have the columns that conditions see");
    let timed = args.iter().any(|arg| arg == "--bench");
    let rules = args.iter().find_map(|arg| arg.parse().ok()).unwrap_or(if timed { 1_000 } else { 40 });
    let entries = Catalogue::get().entries().iter().cycle();
    let alerts = Generator::new(if timed { ALERTS } else { 50 }).zip(entries);
    let seen: Vec<Seen> = alerts.map(|(alert, entry)| Seen { row: alert.row(), entry }).collect();
    let each = conditions(&seen, timed);
    answering(&table(rules), &seen, each, timed);
}

/// An alert, and which kind of alert it is taken for; all kinds in turn.
struct Seen {
    row: Vec<Value>,
    entry: &'static Entry,
}

/// What a condition costs on one alert, on average.
fn conditions(seen: &[Seen], timed: bool) -> Duration {
    let mut all = Duration::ZERO;
    for text in CONDITIONS {
        let place = Source::new("condition", text);
        let condition = compile_expression(text, &place.whole(), alert_schema(), Type::Bool).unwrap();
        let holds = |seen: &&Seen| condition.is_true(&seen.row, &Cx::at(0)).unwrap();
        let (held, time) = best(|| seen.iter().filter(holds).count());
        assert!((1..seen.len()).contains(&held), "{text}: it must hold for some alerts");
        let each = time / count(seen.len());
        all += each;
        if timed {
            println!("{:>7.0} ns a condition: {text}", each.as_secs_f64() * 1e9);
        }
    }
    all / count(CONDITIONS.len())
}

/// What the rules cost that may answer an alert, beside as many conditions as there are rules.
fn answering(table: &RuleTable, seen: &[Seen], condition: Duration, timed: bool) {
    let answers = |rule: &&Rule, seen: &Seen| rule.applies(&seen.row, At::EPOCH).unwrap();
    let found = |seen: &Seen| table.matching(seen.entry).filter(|rule| answers(rule, seen)).count();
    let (total, time) = best(|| seen.iter().map(found).sum::<usize>());
    for seen in seen.iter().take(50) {
        let named = |rule: &&Rule| rule.alerts.iter().any(|alert| alert.value.id == seen.entry.id);
        let all = table.rules().iter().filter(named).filter(|rule| answers(rule, seen)).count();
        assert_eq!(found(seen), all, "{}", seen.entry.id);
    }
    assert!(total > 0, "some rules must answer");
    if timed {
        let rules = table.rules().len();
        let each = time.as_secs_f64() / number(seen.len());
        let asked = number(seen.iter().map(|seen| table.matching(seen.entry).count()).sum()) / number(seen.len());
        println!(
            "{:>7.2} us for {rules} rules on an alert, of which {asked:.1} name it; {rules} conditions would take {:.0} us, {:.0} times as long",
            each * 1e6,
            condition.as_secs_f64() * 1e6 * number(rules),
            condition.as_secs_f64() * number(rules) / each,
        );
    }
}

/// So many rules, each with a condition and one of the alerts that there are, in turn.
fn table(rules: usize) -> RuleTable {
    let folder = tempfile::tempdir().unwrap();
    let written = folder.path().join("rules");
    std::fs::create_dir(&written).unwrap();
    std::fs::write(folder.path().join("revoke-sessions.yaml"), include_str!("../../playbooks/revoke-sessions.yaml"))
        .unwrap();
    let entries = Catalogue::get().entries().iter().cycle();
    for (at, entry) in entries.take(rules).enumerate() {
        let mut text = format!("rule: rule-{at}\nwhy: To see what it costs.\nowner: soc@example.com\n");
        let condition = CONDITIONS[at % CONDITIONS.len()];
        writeln!(text, "alert: {}\nwhen: >-\n  {condition}\ndo: revoke-sessions", entry.id).unwrap();
        std::fs::write(written.join(format!("rule-{at}.yaml")), text).unwrap();
    }
    let context = LoadContext {
        global_cloud: true,
        break_glass_empty: false,
        per_hour: None,
        per_day: None,
        hunting: true,
        unwitnessed_allowed: false,
        workspaces: None,
    };
    let loaded = load(Folders { rules: Some(folder.path()), ..Folders::default() }, &context);
    loaded.table.unwrap_or_else(|| panic!("{:?}", loaded.findings))
}

/// What it gives, and the shortest time of some rounds.
fn best<T>(mut what: impl FnMut() -> T) -> (T, Duration) {
    let mut round = || {
        let start = used();
        let made = black_box(what());
        (made, used().saturating_sub(start))
    };
    let first = round();
    (1..ROUNDS).map(|_| round()).fold(first, |best, next| if next.1 < best.1 { next } else { best })
}

fn count(number: usize) -> u32 {
    u32::try_from(number).unwrap_or(u32::MAX)
}
