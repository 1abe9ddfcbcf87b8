//! An explanation for people.

use std::fmt::Write as _;

use serde_json::Value;

use super::reasons::{Explanation, Known, PlannedWords, RuleWords};
use crate::cli::actions::{table, whole};
use crate::cli::report::{Terminal, cell, listed, rendered, wrapped};

/// The whole explanation.
pub(super) fn text(explanation: &Explanation, terminal: Terminal) -> String {
    let mut page = Page { text: String::new(), terminal };
    alert(explanation, &mut page);
    accounts(explanation, &mut page);
    page.section("Guardrails over the whole alert");
    if explanation.guardrails.is_empty() {
        page.line(1, "none stands against it");
    }
    for guardrail in &explanation.guardrails {
        page.line(1, guardrail);
    }
    page.section("Rules");
    if let Some(why) = &explanation.stranger {
        page.line(1, why);
    }
    for rule in &explanation.rules {
        rule_text(rule, &mut page);
    }
    plan(explanation, &mut page);
    unknown(explanation, &mut page);
    if let Some(known) = &explanation.journal {
        journal(known, &mut page);
    }
    if !explanation.notes.is_empty() {
        page.section("Notes");
    }
    for note in &explanation.notes {
        page.line(1, note);
    }
    page.text
}

/// The text while it is written.
struct Page {
    text: String,
    terminal: Terminal,
}

impl Page {
    fn section(&mut self, title: &str) {
        let _ = writeln!(self.text, "\n{title}");
    }

    fn line(&mut self, depth: usize, text: &str) {
        self.text.push_str(&wrapped(text, &"  ".repeat(depth), self.terminal));
    }
}

fn alert(explanation: &Explanation, page: &mut Page) {
    let Some(alert) = &explanation.alert else { return };
    page.line(0, &alert.title);
    page.line(
        1,
        &format!(
            "{}, last active {}, shown by {}",
            alert.severity.word(),
            alert.last_activity.to_the_second(),
            alert.shown_by
        ),
    );
    page.line(1, &format!("names: {}", alert.names.join(", ")));
    if let (Some(id), Some(name)) = (&alert.catalogue, &alert.name) {
        let role = alert.sole_role.map_or_else(|| "either side".to_owned(), |role| format!("the {role}"));
        page.line(1, &format!("catalogue: {id} {name}; an account alone in it is {role}"));
        if alert.attacker_chooses_name {
            page.line(1, "whoever attacks chooses the names in it, so they prove little");
        }
    }
}

fn accounts(explanation: &Explanation, page: &mut Page) {
    page.section("Accounts");
    if explanation.accounts.is_empty() {
        page.line(1, "none is named");
    }
    for account in &explanation.accounts {
        page.line(1, &format!("{}: {}", account.account.label, account.role));
        page.line(2, &format!("why: {}", account.why));
        page.line(2, &format!("named as: {}", account.account.words()));
        let who = match (&account.person, &account.refused) {
            (Some(accounts), _) => accounts.join(", "),
            (None, Some(refused)) => format!("nobody asks: {refused}"),
            (None, None) => "not told".to_owned(),
        };
        page.line(2, &format!("who: {who}"));
    }
}

fn rule_text(rule: &RuleWords, page: &mut Page) {
    let verdict = if rule.matches { "matches" } else { "does not match" };
    page.line(1, &format!("{} ({}) {verdict}: {}", rule.rule, rule.mode, rule.why));
    for account in &rule.accounts {
        let chosen = match account.chosen {
            Some(true) => "chosen",
            Some(false) => "not chosen",
            None => "perhaps",
        };
        page.line(2, &format!("{}: {chosen}, {}", account.account, account.why));
    }
    page.line(2, &format!("playbook {}:", rule.playbook));
    for (index, step) in rule.steps.iter().enumerate() {
        page.line(3, &format!("{}. {}", index + 1, step_text(step)));
    }
}

fn step_text(step: &Value) -> String {
    let word = |name: &str| step.get(name).and_then(Value::as_str);
    let mut text = word("intent").unwrap_or_default().to_owned();
    let mut add = |what: &str, value: Option<String>| {
        if let Some(value) = value {
            let _ = write!(text, "{what}{value}");
        }
    };
    add(" if ", word("if").map(str::to_owned));
    let after = step.get("after").and_then(Value::as_array).filter(|after| !after.is_empty());
    add(", after ", after.map(|after| steps(after)));
    add(", put back after ", word("revert_after").map(str::to_owned));
    if step.get("reversible") == Some(&Value::Bool(false)) {
        text.push_str("; cannot be undone");
    }
    text
}

/// `step 1`, `steps 1, 2 and 3`.
fn steps(numbers: &[Value]) -> String {
    let words: Vec<String> = numbers.iter().map(ToString::to_string).collect();
    format!("step{} {}", if words.len() == 1 { "" } else { "s" }, listed(&words))
}

fn plan(explanation: &Explanation, page: &mut Page) {
    let plan: &[PlannedWords] = &explanation.plan;
    if plan.is_empty() {
        return;
    }
    let waits = explanation.guardrails.iter().any(|line| line.starts_with("waits until "));
    page.section(if waits { "What would happen, once what it waits for has come" } else { "What would happen" });
    let mut table = page.terminal.table(&["INTENT", "ACCOUNT", "FIRST", "WHY", "BY"]);
    for entry in plan {
        table.add_row([
            cell(entry.intent.as_deref().unwrap_or(whole(!entry.account.is_empty()))),
            cell(&entry.account),
            cell(entry.first),
            cell(&entry.reason),
            cell(&entry.routes.join(", ")),
        ]);
    }
    page.text.push_str(&rendered(&table));
}

/// What the file alone cannot say, and how to say it.
fn unknown(explanation: &Explanation, page: &mut Page) {
    let untold = explanation.accounts.iter().any(|account| account.person.is_none() && account.refused.is_none());
    let stale = explanation.guardrails.iter().any(|guardrail| guardrail.contains("stale: "));
    if untold && !explanation.rules.is_empty() {
        page.section("Not known here");
        page.line(
            1,
            "who the accounts are, so conditions and guardrails about people (never-list, privileged accounts, \
             memberships) stay open: tell with --people FILE, or suppose with --given hybrid,privileged,okta",
        );
    }
    if stale {
        page.section("An old alert");
        page.line(1, "--at TIME judges it as if it were that moment");
    }
}

fn journal(known: &Known, page: &mut Page) {
    page.section("The journal knows it");
    let witnessed = if known.witnessed { "confirmed by Defender" } else { "not confirmed by Defender" };
    let what =
        format!("alert {}, first seen {}, {witnessed}; {}", known.id, known.first_seen.to_the_second(), known.phase);
    page.line(1, &what);
    if !known.actions.is_empty() {
        page.text.push_str(&table(&known.actions, page.terminal));
    }
}
