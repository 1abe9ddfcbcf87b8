//! `riposte test`: the tests that rules carry, and the rows that triggers are tried on.

mod run;
mod triggers;

use serde_json::{Value, json};

use super::args::{Global, TestArgs};
use super::exit::{CliError, Exit};
use super::report::{Report, counted};
use super::setup::{self, Chosen};
use crate::app::rails;
use crate::decide::rails::Rails;
use crate::diagnostics::{LineColumn, Place, suggest};
use crate::model::account::Role;
use crate::model::text::clip;
use crate::playbook::{Rule, RuleTable, RuleTest};
use crate::settings::Cloud;
use run::Came;
use triggers::Tried;

/// The longest line about one test.
const LONGEST_LINE: usize = 2_000;

/// Runs the tests of all rules, or of those that are named, and of the triggers that these answer.
pub(super) fn test(args: &TestArgs, global: &Global) -> Result<Report, CliError> {
    let Chosen { settings, note, .. } = setup::settings_or_defaults(global)?;
    let table = setup::table(&settings)?;
    let rails = rails(&settings, false);
    let rules = named(&args.rules, &table)?;
    let answered = |id: &str| rules.iter().flat_map(|rule| &rule.alerts).any(|alert| alert.value.id == id);
    let triggers = table.triggers().iter().filter(|written| answered(&written.entry.id));
    let triggers: Vec<Tried> = triggers.map(triggers::tried).collect();
    let tested = rules
        .into_iter()
        .map(|rule| Tested { rule, verdicts: rule.tests.iter().map(|test| Verdict::of(rule, test, &rails)).collect() });
    let mut report = report(&tested.collect::<Vec<_>>(), &triggers, settings.tenant.cloud);
    report.notes.extend(note.map(str::to_owned));
    Ok(report)
}

/// The rules of these names; all of them when none is given.
fn named<'a>(names: &[String], table: &'a RuleTable) -> Result<Vec<&'a Rule>, CliError> {
    if names.is_empty() {
        return Ok(table.rules().iter().collect());
    }
    let find = |name: &String| {
        table.rule(name).ok_or_else(|| {
            let nearest = suggest::nearest(name, table.rules().iter().map(|rule| rule.name.as_str()));
            let help = nearest.map_or_else(
                || "`riposte table` lists the rules".to_owned(),
                |nearest| format!("did you mean {nearest}?"),
            );
            CliError::Usage(format!("there is no rule {:?}; {help}", clip(name, 80)))
        })
    };
    names.iter().map(find).collect()
}

/// A rule with what came of its tests.
struct Tested<'a> {
    rule: &'a Rule,
    verdicts: Vec<Verdict<'a>>,
}

/// One test and what came of it.
struct Verdict<'a> {
    rule: &'a Rule,
    test: &'a RuleTest,
    came: Came,
    /// It would hold in the global cloud: here nothing can do what it expects.
    skipped: bool,
}

fn report(tested: &[Tested<'_>], triggers: &[Tried], cloud: Cloud) -> Report {
    let verdicts = || tested.iter().flat_map(|tested| &tested.verdicts);
    let (tried, bare): (Vec<&Tried>, Vec<&Tried>) = triggers.iter().partition(|tried| tried.file.is_some());
    let of_rows = tried.iter().filter(|tried| tried.came.is_err()).count();
    let failed = verdicts().filter(|verdict| verdict.fails()).count() + of_rows;
    let skipped = verdicts().filter(|verdict| verdict.skipped).count();
    let untested: Vec<&str> =
        tested.iter().filter(|one| one.verdicts.is_empty()).map(|one| one.rule.name.as_str()).collect();
    let mut text: String = tested.iter().map(Tested::lines).collect();
    text.extend(triggers.iter().map(Tried::line));
    let tests = verdicts().count() + tried.len();
    let outcome = match (tests, failed) {
        (0, _) => "nothing is shown".to_owned(),
        (tests, 0) if tests == skipped => "none can be run here".to_owned(),
        (_, 0) if skipped > 0 => "all others hold".to_owned(),
        (_, 0) => "all hold".to_owned(),
        (_, 1) => "1 does not hold".to_owned(),
        (_, failed) => format!("{failed} do not hold"),
    };
    let without = match untested.len() {
        0 => String::new(),
        count => format!("; {} without a test", counted(count, "rule")),
    };
    let without_rows = match bare.len() {
        0 => String::new(),
        count => format!("; {} without rows", counted(count, "trigger")),
    };
    let of_rules = counted(tested.len(), "rule");
    let of_triggers =
        if triggers.is_empty() { String::new() } else { format!(", {}", counted(triggers.len(), "trigger")) };
    let of_tests = counted(tests, "test");
    let skips = match skipped {
        0 => String::new(),
        count => format!("; {count} skipped, because no route in the cloud {cloud} can do what they expect"),
    };
    text.push_str(&format!("\n{of_rules}{of_triggers}, {of_tests}: {outcome}{skips}{without}{without_rows}\n"));
    let all: Vec<Value> = verdicts().map(Verdict::json).collect();
    let triggers: Vec<Value> = triggers.iter().map(Tried::json).collect();
    let json = json!({
        "rules": tested.len(), "failed": failed, "skipped": skipped, "untested": untested, "tests": all,
        "triggers": triggers,
    });
    let exit = if failed > 0 { Exit::No } else { Exit::Done };
    Report { exit, ..Report::new(text, json) }
}

impl Tested<'_> {
    /// A line a failing test; one line for a rule whose tests hold.
    fn lines(&self) -> String {
        let failed: Vec<String> = self.verdicts.iter().filter(|verdict| verdict.fails()).map(Verdict::line).collect();
        if !failed.is_empty() {
            return failed.concat();
        }
        let skipped = self.verdicts.iter().filter(|verdict| verdict.skipped).count();
        let mut held = match self.verdicts.len() - skipped {
            0 if skipped == 0 => "no test".to_owned(),
            1 => "1 test holds".to_owned(),
            count => format!("{count} tests hold"),
        };
        if skipped > 0 {
            held.push_str(&format!(", {skipped} skipped: no route in this cloud"));
        }
        let words = format!("{}: {}: {held}", at(&self.rule.place), self.rule.name);
        format!("{}\n", clip(&words, LONGEST_LINE))
    }
}

impl<'a> Verdict<'a> {
    fn of(rule: &'a Rule, test: &'a RuleTest, rails: &Rails) -> Self {
        let came_with = |rails: &Rails| Self { rule, test, came: run::run(rule, test, rails), skipped: false };
        let here = came_with(rails);
        let skipped = !here.holds() && !rails.global_cloud && {
            came_with(&Rails { global_cloud: true, ..rails.clone() }).holds()
        };
        Self { skipped, ..here }
    }

    fn holds(&self) -> bool {
        self.came.what == self.test.expect && self.came.beside.is_empty()
    }

    fn fails(&self) -> bool {
        !self.skipped && !self.holds()
    }

    fn line(&self) -> String {
        let given = &self.test.given;
        let role = given.role.map_or("account", role_key);
        let why: Vec<&str> = self.came.why.iter().map(String::as_str).collect();
        let others: Vec<String> = self.came.beside.iter().map(ToString::to_string).collect();
        let beside =
            if others.is_empty() { String::new() } else { format!(", and {} would be touched", others.join(", ")) };
        let words = format!(
            "{}: FAILED {}: {role} {} in {}: expected {}, came {}{beside}; {}",
            at(&self.test.place),
            self.rule.name,
            given.upn,
            given.alert.id,
            self.test.expect,
            self.came.what,
            why.join("; "),
        );
        format!("{}\n", clip(&words, LONGEST_LINE))
    }

    fn json(&self) -> Value {
        let LineColumn { line, column } = self.test.place.source.line_column(self.test.place.span.start);
        json!({
            "rule": self.rule.name,
            "file": self.test.place.source.name(),
            "line": line,
            "column": column,
            "alert": self.test.given.alert.id,
            "account": self.test.given.upn.to_string(),
            "role": self.test.given.role,
            "holds": self.holds(),
            "skipped": self.skipped,
            "expected": self.test.expect,
            "came": self.came.what,
            "touched_beside": self.came.beside,
            "why": self.came.why,
        })
    }
}

/// The key by which tests name an account of that role.
const fn role_key(role: Role) -> &'static str {
    match role {
        Role::Suspect => "suspect",
        Role::Target => "target",
        Role::Bait => "bait",
        Role::Unknown => "unknown",
    }
}

/// `file:line`.
fn at(place: &Place) -> String {
    format!("{}:{}", place.source.name(), place.source.line_column(place.span.start).line)
}

#[cfg(test)]
mod tests;
