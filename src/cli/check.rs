//! `riposte check`: everything that is wrong with what people wrote, at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::json;

use super::args::{Format, Global};
use super::exit::Exit;
use super::report::{Report, Terminal, counted, findings_text};
use super::setup::{self, Chosen};
use crate::app::{connectors, rules};
use crate::diagnostics::{Finding, Findings, Level};
use crate::model::action::Mode;
use crate::model::time::{Clock, SystemClock};
use crate::playbook::RuleTable;
use crate::settings::Settings;

/// Checks settings, rules, modes and playbooks.
pub(super) fn check(global: &Global, terminal: Terminal) -> Report {
    let (mut findings, table, note) = match setup::settings_or_defaults(global) {
        Ok(Chosen { settings, warnings, note }) => {
            let loaded = rules(&settings);
            let wiring = if note.is_none() { wiring(&settings) } else { None };
            let findings: Findings = warnings.into_iter().chain(loaded.findings).chain(wiring).collect();
            (findings.sorted(), loaded.table, note)
        }
        // Without settings nobody knows which rules are meant.
        Err(findings) => (findings, None, None),
    };
    findings.sort_by_key(Finding::level);
    let wrong = findings.iter().any(|finding| finding.level() == Level::Error);
    let summary = summary(&findings, table.as_ref());
    let text = format!("{}{summary}\n", findings_text(&findings, terminal));
    let mut report = Report::new(text, json!(findings));
    report.exit = if wrong { Exit::No } else { Exit::Done };
    report.notes.extend(note.map(str::to_owned));
    if global.format == Format::Json {
        report.notes.push(summary);
    }
    report
}

/// Files and addresses that only wiring shows to be wrong. Nothing outside is called.
fn wiring(settings: &Settings) -> Option<Finding> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let error = connectors(settings, &clock).err()?;
    Some(Finding::error("settings/wiring", error.to_string()).help("correct the setting or the file it names"))
}

fn summary(findings: &[Finding], table: Option<&RuleTable>) -> String {
    let count = |level| findings.iter().filter(|finding| finding.level() == level).count();
    let found = match (count(Level::Error), count(Level::Warning)) {
        (0, 0) => "nothing to complain about".to_owned(),
        (errors, warnings) => format!("{}, {}", counted(errors, "error"), counted(warnings, "warning")),
    };
    let Some(table) = table else { return found };
    let playbooks: BTreeSet<&str> = table.rules().iter().map(|rule| rule.playbook.name.as_str()).collect();
    let mut modes: BTreeMap<Mode, usize> = BTreeMap::new();
    for rule in table.rules() {
        *modes.entry(table.mode(rule)).or_default() += 1;
    }
    let modes: Vec<String> = modes.iter().map(|(mode, count)| format!("{count} in {mode}")).collect();
    let (rules, used) = (counted(table.rules().len(), "rule"), counted(playbooks.len(), "playbook"));
    format!("{rules} ({}) with {used}: {found}", modes.join(", "))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn run(text: &str) -> Report {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("riposte.toml");
        std::fs::write(&file, text).unwrap();
        let global = Global { config: Some(file), format: Format::Json, ..Global::default() };
        check(&global, Terminal::paper(100))
    }

    #[tokio::test]
    async fn good_settings_with_the_shipped_rules_pass() {
        let report =
            run("[tenant]\nid = \"11111111-1111-1111-1111-111111111111\"\n[identity]\nkind = \"managed-identity\"\n");
        assert_eq!(report.exit, Exit::Done, "{}", report.text);
        assert!(report.notes.iter().any(|note| note.contains("in simulate")), "{:?}", report.notes);
    }

    #[tokio::test]
    async fn every_mistake_is_told_at_once_with_its_place_and_ends_with_1() {
        let report = run("[tenant]\nid = \"x\"\ncolour = \"red\"\n[identity]\nkind = \"managed-identity\"\n");
        assert_eq!(report.exit, Exit::No);
        let errors = report.json.as_array().unwrap();
        assert!(errors.len() >= 2, "{}", report.text);
        assert!(report.text.contains("riposte.toml:2:"), "{}", report.text);
        assert!(report.text.contains("riposte.toml:3:"), "{}", report.text);
    }
}
