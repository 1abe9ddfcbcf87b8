//! An explanation for people.

use std::fmt::Write as _;

use serde_json::Value;

use super::reasons::{Explanation, Known, PlannedWords, RuleWords};
use crate::cli::actions::table;
use crate::cli::report::{Terminal, cell, rendered};
use crate::model::text::clip;

/// The whole explanation.
pub(super) fn text(explanation: &Explanation, terminal: Terminal) -> String {
    let mut out = String::new();
    alert(explanation, &mut out);
    accounts(explanation, terminal, &mut out);
    section("Guardrails over the whole alert", &mut out);
    if explanation.guardrails.is_empty() {
        line("none stands against it", &mut out);
    }
    explanation.guardrails.iter().for_each(|guardrail| line(guardrail, &mut out));
    section("Rules", &mut out);
    if let Some(why) = &explanation.stranger {
        line(why, &mut out);
    }
    explanation.rules.iter().for_each(|rule| rule_text(rule, &mut out));
    if !explanation.rules.is_empty() {
        plan(&explanation.plan, terminal, &mut out);
        unknown(explanation, &mut out);
    }
    if let Some(known) = &explanation.journal {
        journal(known, terminal, &mut out);
    }
    if !explanation.notes.is_empty() {
        section("Notes", &mut out);
        explanation.notes.iter().for_each(|note| line(note, &mut out));
    }
    out
}

fn section(title: &str, out: &mut String) {
    let _ = writeln!(out, "\n{title}");
}

fn line(text: &str, out: &mut String) {
    let _ = writeln!(out, "  {}", clip(text, 1_000));
}

fn alert(explanation: &Explanation, out: &mut String) {
    let Some(alert) = &explanation.alert else { return };
    let _ = writeln!(out, "{}", clip(&alert.title, 200));
    line(&format!("{:?}, last active {}, shown by {}", alert.severity, alert.last_activity, alert.source), out);
    line(&format!("names: {}", alert.names.join(", ")), out);
    if let (Some(id), Some(name)) = (&alert.catalogue, &alert.name) {
        let role = alert.sole_role.map_or_else(|| "either side".to_owned(), |role| role.to_string());
        line(&format!("catalogue: {id} {name}; an account alone is: {role}"), out);
        if alert.attacker_chooses_name {
            line("whoever attacks chooses the names in it, so they prove little", out);
        }
    }
}

fn accounts(explanation: &Explanation, terminal: Terminal, out: &mut String) {
    section("Accounts", out);
    if explanation.accounts.is_empty() {
        line("none is named", out);
        return;
    }
    let mut table = terminal.table(&["  ACCOUNT", "ROLE", "WHY", "WHO"]);
    for account in &explanation.accounts {
        let who = account.person.as_ref().map_or_else(|| "not told".to_owned(), |accounts| accounts.join(", "));
        table.add_row([
            cell(&format!("  {}", account.account.words())),
            cell(&account.role.to_string()),
            cell(&account.why),
            cell(&who),
        ]);
    }
    out.push_str(&rendered(&table));
}

fn rule_text(rule: &RuleWords, out: &mut String) {
    let verdict = if rule.matches { "matches" } else { "does not match" };
    line(&format!("{} ({}) {verdict}: {}", rule.rule, rule.mode, rule.why), out);
    for account in &rule.accounts {
        let chosen = match account.chosen {
            Some(true) => "chosen",
            Some(false) => "not chosen",
            None => "perhaps",
        };
        line(&format!("  {}: {chosen}, {}", account.account, account.why), out);
    }
    line(&format!("  playbook {}:", rule.playbook), out);
    for (index, step) in rule.steps.iter().enumerate() {
        line(&format!("    {}. {}", index + 1, step_text(step)), out);
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
    add(", after step ", after.map(|after| after.iter().map(ToString::to_string).collect::<Vec<_>>().join(" and ")));
    add(", put back after ", word("revert_after").map(str::to_owned));
    if step.get("reversible") == Some(&Value::Bool(false)) {
        text.push_str("; cannot be undone");
    }
    text
}

fn plan(plan: &[PlannedWords], terminal: Terminal, out: &mut String) {
    if plan.is_empty() {
        return;
    }
    section("What would happen", out);
    let mut table = terminal.table(&["  INTENT", "ACCOUNT", "", "WHY", "BY"]);
    for entry in plan {
        let would = entry.would.as_ref().map(|would| format!(" It would be held up: {would}")).unwrap_or_default();
        table.add_row([
            cell(&format!("  {}", entry.intent.as_deref().unwrap_or("anything"))),
            cell(&entry.account),
            cell(entry.first),
            cell(&format!("{}{would}", entry.reason)),
            cell(&entry.routes.join(", ")),
        ]);
    }
    out.push_str(&rendered(&table));
}

/// What the file alone cannot say.
fn unknown(explanation: &Explanation, out: &mut String) {
    let untold = explanation.accounts.iter().filter(|account| account.person.is_none()).count();
    if untold > 0 {
        section("Not known here", out);
        let what = "who the accounts are, so conditions and guardrails about people (never-list, privileged, \
                    memberships) stay open: tell with --people FILE or suppose with --given hybrid,privileged,okta";
        line(what, out);
    }
}

fn journal(known: &Known, terminal: Terminal, out: &mut String) {
    section("The journal knows it", out);
    let witnessed = if known.witnessed { "confirmed by Defender" } else { "not confirmed by Defender" };
    line(&format!("alert {}, first seen {}, {witnessed}; {}", known.id, known.first_seen, known.phase), out);
    if !known.actions.is_empty() {
        out.push_str(&table(&known.actions, terminal));
    }
}
