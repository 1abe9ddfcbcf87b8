//! `riposte check`: everything that is wrong with what people wrote, at once.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::json;

use super::args::{Format, Global};
use super::exit::Exit;
use super::report::{Report, Terminal, counted, findings_text};
use super::setup::{self, Chosen};
use crate::app::{WiringError, connectors, journal_usable, poll_query, rules, rules_of, transport};
use crate::diagnostics::{Finding, Level};
use crate::journal::OpenError;
use crate::model::action::Mode;
use crate::model::replicas::Replicas;
use crate::model::scope::TenantKey;
use crate::model::time::{Clock, SystemClock};
use crate::playbook::RuleTable;
use crate::settings::{Broken, DEFAULT_FILE, JournalFile, Settings};

/// Checks settings, rules, modes and playbooks.
pub(in crate::cli) fn check(global: &Global, terminal: Terminal) -> Report {
    let (mut findings, loaded): (Vec<Finding>, _) = match setup::settings_or_defaults(global) {
        Ok(Chosen { settings, note: Some(_), .. }) => (vec![no_settings()], Some(rules(&settings))),
        Ok(Chosen { settings, warnings, note: None }) => {
            let tenant = Some(settings.tenant.id);
            let found = warnings.into_iter().chain(wiring(&settings)).chain(journal(&settings.journal, tenant));
            (found.collect(), Some(rules(&settings)))
        }
        Err(Broken { findings, basis, journal }) => {
            let query = basis
                .as_ref()
                .filter(|basis| basis.polls)
                .and_then(|basis| poll_query(&basis.rules).err())
                .map(|error| unwired(&error));
            let journal = journal.and_then(|place| self::journal(&place, None));
            (findings.into_iter().chain(query).chain(journal).collect(), basis.as_ref().map(rules_of))
        }
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
    if global.format == Format::Json {
        report.notes.push(summary);
    }
    report
}

/// Rules can be checked without settings; whoever wants to know whether `run` would start is told that it would not.
fn no_settings() -> Finding {
    let message = format!("no settings were checked: there is no {DEFAULT_FILE} here, and no --config FILE");
    let help = "riposte run needs at least [tenant] id and [identity] kind, in a file or as RIPOSTE__TENANT__ID and \
                RIPOSTE__IDENTITY__KIND";
    Finding::warning("settings/no-file", message).help(help)
}

/// The journal's place. It is not opened: a daemon may work on it. A database that cannot be reached from here may be
/// reached from where riposte runs.
fn journal(place: &JournalFile, tenant: Option<TenantKey>) -> Option<Finding> {
    let error = journal_usable(place, tenant).err()?;
    if place.postgres.is_some() {
        let help = "[journal] postgres in the settings names its database, and password how riposte signs in to it";
        let finding = match &error {
            OpenError::Unusable(_) => Finding::error("settings/journal", error.to_string()),
            OpenError::Failed(_) => Finding::warning("settings/journal", error.to_string()),
        };
        return Some(finding.help(help));
    }
    let help = "[journal] sqlite in the settings names its file; riposte.db beside them is the default";
    Some(Finding::error("settings/journal", error.to_string()).help(help))
}

/// Files and addresses that only wiring shows to be wrong. Nothing outside is called.
fn wiring(settings: &Settings) -> Option<Finding> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    let wired = |client| connectors(settings, &[], (&clock, &Replicas::alone()), client);
    let error = transport(settings).and_then(wired).err()?;
    // That a secret cannot be had is among the settings' findings.
    if matches!(error, WiringError::Secret(_)) {
        return None;
    }
    Some(unwired(&error))
}

fn unwired(error: &WiringError) -> Finding {
    Finding::error("settings/wiring", error.to_string()).help("correct the setting or the file it names")
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
    async fn a_journal_that_cannot_be_where_it_is_to_lie_is_a_mistake_of_the_settings() {
        let good = "[tenant]\nid = \"11111111-1111-1111-1111-111111111111\"\n[identity]\nkind = \"managed-identity\"\n";
        for (path, why) in [
            ("/nowhere/riposte.db", "the folder /nowhere cannot be used"),
            ("/proc/version/riposte.db", "the folder /proc/version"),
            ("riposte.toml", "the file is no journal"),
            (".", "it is a folder"),
        ] {
            let report = run(&format!("{good}[journal]\nsqlite = {path:?}\n"));
            let found = report.json.as_array().unwrap();
            assert_eq!((report.exit, found.len(), &found[0]["code"]), (Exit::No, 1, &json!("settings/journal")));
            assert!(found[0]["message"].as_str().unwrap().contains(why), "{}", report.text);
        }
        // It is looked at only, and not made.
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("riposte.toml");
        std::fs::write(&file, good).unwrap();
        let report = check(&Global { config: Some(file), ..Global::default() }, Terminal::paper(100));
        assert_eq!(
            (report.exit, std::fs::read_dir(folder.path()).unwrap().count()),
            (Exit::Done, 1),
            "{}",
            report.text
        );
    }

    #[tokio::test]
    async fn a_journal_that_a_daemon_works_on_is_none() {
        let bench = crate::cli::testing::bench();
        let _daemon = bench.open();
        let file = bench.folder.path().join("riposte.toml");
        let good = "[tenant]\nid = \"00000000-0000-0000-0000-000000000007\"\n[identity]\nkind = \"managed-identity\"\n";
        std::fs::write(&file, good).unwrap();
        let checked = |config| check(&Global { config: Some(config), ..Global::default() }, Terminal::paper(100));
        let report = checked(file.clone());
        assert_eq!(report.exit, Exit::Done, "{}", report.text);
        std::fs::write(&file, good.replace("0007", "0008")).unwrap();
        let other = checked(file);
        assert!(other.text.contains("belongs to tenant"), "{}", other.text);
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
    async fn broken_settings_do_not_hide_a_journal_or_a_poll_query_that_cannot_be_used() {
        let folder = tempfile::tempdir().unwrap();
        std::fs::create_dir(folder.path().join("kql")).unwrap();
        // In whatever capitals its name is written.
        std::fs::write(folder.path().join("kql/Security-Alerts.KQL"), "SecurityAlert | where x > {from}\n").unwrap();
        let file = folder.path().join("riposte.toml");
        std::fs::write(&file, "[tenant]\nid = 5\n[[workspaces]]\nname = \"soc\"\n[rules]\nkql = \"kql\"\n[journal]\nsqlite = \"riposte.toml\"\n")
            .unwrap();
        let report =
            check(&Global { config: Some(file), format: Format::Json, ..Global::default() }, Terminal::paper(100));
        let found = report.json.as_array().unwrap();
        let codes: BTreeSet<&str> = found.iter().map(|finding| finding["code"].as_str().unwrap()).collect();
        for code in ["settings/wrong-type", "settings/missing", "settings/wiring", "settings/journal"] {
            assert!(codes.contains(code), "{codes:?}");
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
