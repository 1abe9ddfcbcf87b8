//! `riposte table`: which alert leads to what.

use serde_json::{Value, json};

use super::args::Global;
use super::exit::CliError;
use super::report::{Report, Terminal, wrapped};
use super::setup::{self, Chosen};
use crate::model::text::clip;
use crate::model::time::print_duration;
use crate::playbook::{RoleChoice, Rule, RuleTable, Step};

/// Shows the rule table, by rule; JSON has one object an alert of a rule.
pub(super) fn table(global: &Global, terminal: Terminal) -> Result<Report, CliError> {
    let Chosen { settings, note, .. } = setup::settings_or_defaults(global)?;
    let table = setup::table(&settings)?;
    let mut report = Report::new(text(&table, terminal), Value::Array(json_rows(&table)));
    report.notes.extend(note.map(str::to_owned));
    Ok(report)
}

/// A rule with what it does, and under it the alerts it answers.
fn text(table: &RuleTable, terminal: Terminal) -> String {
    let ids = || table.rules().iter().flat_map(|rule| &rule.alerts).map(|alert| alert.value.id.len());
    let widest = ids().max().unwrap_or(0).min(usize::from(terminal.width) / 2);
    let mut out = String::new();
    for rule in table.rules() {
        let steps: Vec<String> = rule.playbook.steps.iter().map(step_words).collect();
        let does = format!("{}, {}", who(rule), rule.playbook.name);
        let head = format!("{} [{}] {does}: {}", rule.name, table.mode(rule), steps.join(", "));
        out.push_str(&wrapped(&head, "", terminal));
        for alert in &rule.alerts {
            let line = format!("  {:<widest$}  {}", alert.value.id, alert.value.name);
            out.push_str(clip(&line, usize::from(terminal.width)).trim_end());
            out.push('\n');
        }
        out.push('\n');
    }
    out
}

fn json_rows(table: &RuleTable) -> Vec<Value> {
    let cells = |rule: &Rule, alert: &crate::playbook::Entry| {
        json!({
            "alert": alert.id,
            "name": alert.name,
            "rule": rule.name,
            "owner": rule.owner,
            "mode": table.mode(rule),
            "when": rule.when.as_ref().map(|when| &when.text),
            "role": role_word(rule.account.role),
            "where": rule.account.condition.as_ref().map(|condition| &condition.text),
            "playbook": rule.playbook.name,
            "steps": rule.playbook.steps.iter().map(step_json).collect::<Vec<_>>(),
        })
    };
    table.rules().iter().flat_map(|rule| rule.alerts.iter().map(move |alert| cells(rule, &alert.value))).collect()
}

/// The word rules use.
pub(super) const fn role_word(choice: RoleChoice) -> &'static str {
    match choice {
        RoleChoice::Suspect => "suspect",
        RoleChoice::Target => "target",
        RoleChoice::Any => "any",
    }
}

fn who(rule: &Rule) -> String {
    let word = role_word(rule.account.role);
    rule.account.condition.as_ref().map_or_else(|| word.to_owned(), |where_| format!("{word} where {}", where_.text))
}

fn step_words(step: &Step) -> String {
    step.revert_after
        .map_or_else(|| step.intent.to_string(), |after| format!("{} for {}", step.intent, print_duration(after)))
}

/// A step as programs read it.
pub(super) fn step_json(step: &Step) -> Value {
    json!({
        "intent": step.intent.to_string(),
        "if": step.condition.as_ref().map(|condition| &condition.text),
        "after": step.after.iter().map(|index| index + 1).collect::<Vec<_>>(),
        "revert_after": step.revert_after.map(print_duration),
        "reversible": step.intent.inverse().is_some(),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_shipped_table_has_a_row_an_alert_and_fits_the_paper() {
        let (_folder, global) = crate::cli::testing::shipped_rules();
        let report = table(&global, Terminal::paper(100)).unwrap();
        let rows = report.json.as_array().unwrap();
        let dcsync = rows.iter().find(|row| row["alert"] == "mdi/2006").unwrap();
        assert_eq!((&dcsync["rule"], &dcsync["mode"]), (&json!("dcsync"), &json!("simulate")));
        assert_eq!(dcsync["steps"][0]["intent"], "disable-ad-user");
        assert!(report.text.lines().all(|line| line.chars().count() <= 100), "{}", report.text);
    }
}
