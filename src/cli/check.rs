//! `riposte check`: everything that is wrong with what people wrote, at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::json;

use super::args::{Format, Global};
use super::exit::Exit;
use super::report::{Report, Terminal, counted, findings_text};
use super::setup::{self, Chosen};
use crate::app::{WiringError, connectors, rules, rules_of};
use crate::diagnostics::{Finding, Level};
use crate::model::action::Mode;
use crate::model::time::{Clock, SystemClock};
use crate::playbook::RuleTable;
use crate::settings::{Broken, Settings};

/// Checks settings, rules, modes and playbooks.
pub(in crate::cli) fn check(global: &Global, terminal: Terminal) -> Report {
    let (mut findings, loaded, note) = match setup::settings_or_defaults(global) {
        Ok(Chosen { settings, warnings, note }) => {
            let wiring = if note.is_none() { wiring(&settings) } else { None };
            (warnings.into_iter().chain(wiring).collect(), Some(rules(&settings)), note)
        }
        Err(Broken { findings, basis }) => (findings, basis.as_ref().map(rules_of), None),
    };
    let (more, table) = loaded.map_or((Vec::new(), None), |loaded| (loaded.findings, loaded.table));
    findings.extend(more);
    // What the settings say first is what everything else hangs on.
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
    let error = connectors(settings, &[], &clock).err()?;
    // That a secret cannot be had is among the settings' findings.
    if matches!(error, WiringError::Secret(_)) {
        return None;
    }
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

    #[tokio::test]
    async fn broken_settings_do_not_hide_what_is_wrong_with_rules() {
        let folder = tempfile::tempdir().unwrap();
        let rules = folder.path().join("own/rules");
        std::fs::create_dir_all(&rules).unwrap();
        std::fs::write(rules.join("a.yaml"), "rule: a\nwhy: w\nowner: o\nalert: [mdi/nothing]\ndo: contain\n").unwrap();
        let playbook = "playbook: contain\nwhy: w\nsteps:\n  - do: disable-ad-usr\n";
        std::fs::write(folder.path().join("own/contain.yaml"), playbook).unwrap();
        for settings in ["[tenant]\nid = 5\n[rules]\ndir = \"own\"\n", "[tenant\n[rules]\ndir = \"own\"\n"] {
            let file = folder.path().join("riposte.toml");
            std::fs::write(&file, settings).unwrap();
            let global = Global { config: Some(file), format: Format::Json, ..Global::default() };
            let report = check(&global, Terminal::paper(100));
            let codes: Vec<&str> =
                report.json.as_array().unwrap().iter().map(|finding| finding["code"].as_str().unwrap()).collect();
            assert!(codes[0].starts_with("settings/"), "{codes:?}");
            assert!(codes.contains(&"rule/unknown-alert") && codes.contains(&"rule/unknown-intent"), "{codes:?}");
            assert!(!codes.contains(&"rule/unknown-playbook"), "{codes:?}");
        }
    }

    #[tokio::test]
    async fn a_secret_that_is_not_here_is_a_warning_for_check() {
        let report =
            run("[tenant]\nid = \"11111111-1111-1111-1111-111111111111\"\n[identity]\nkind = \"managed-identity\"\n\
            [[okta]]\nname = \"main\"\nurl = \"https://contoso.okta.com\"\ntoken = { env = \"RIPOSTE_TEST_NOT_SET\" }\n\
            [proxy]\nurl = \"http://proxy:1\"\nuser = \"u\"\npassword = { file = \"nowhere\" }\n");
        let levels: Vec<&str> =
            report.json.as_array().unwrap().iter().map(|finding| finding["level"].as_str().unwrap()).collect();
        assert_eq!((report.exit, levels), (Exit::Done, vec!["warning", "warning"]), "{}", report.text);
    }
}
