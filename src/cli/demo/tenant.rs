//! The files of the demo's tenant: the settings the lab wrote, and a rule table of its own.

use std::io::ErrorKind;
use std::path::Path;

use tempfile::TempDir;

use crate::app;
use crate::lab::{APP_PEM, Lab, OKTA_PEM};
use crate::playbook::RuleTable;
use crate::settings::{self, Settings};

use super::DemoError;

/// The rule table, as files of a tenant.
pub(crate) const FILES: [(&str, &str); 13] = [
    ("contain-account.yaml", include_str!("playbooks/contain-account.yaml")),
    ("force-password-change.yaml", include_str!("playbooks/force-password-change.yaml")),
    ("mark-compromised-and-revoke.yaml", include_str!("playbooks/mark-compromised-and-revoke.yaml")),
    ("take-back-membership.yaml", include_str!("playbooks/take-back-membership.yaml")),
    ("block-in-the-cloud.yaml", include_str!("playbooks/block-in-the-cloud.yaml")),
    ("modes.yaml", include_str!("playbooks/modes.yaml")),
    ("rules/contain-suspect.yaml", include_str!("playbooks/rules/contain-suspect.yaml")),
    ("rules/stolen-session.yaml", include_str!("playbooks/rules/stolen-session.yaml")),
    ("rules/strange-vpn.yaml", include_str!("playbooks/rules/strange-vpn.yaml")),
    ("rules/group-addition.yaml", include_str!("playbooks/rules/group-addition.yaml")),
    ("rules/cloud-sign-in.yaml", include_str!("playbooks/rules/cloud-sign-in.yaml")),
    ("rules/honeytoken.yaml", include_str!("playbooks/rules/honeytoken.yaml")),
    ("rules/spray.yaml", include_str!("playbooks/rules/spray.yaml")),
];

/// A morning with so many different alerts is no ordinary one.
const LIMITS: &str = "\n[guardrails.limits]\nper_hour = 60\nper_day = 200\n";

/// For measuring: neither riposte's own limits nor the vendors' stand in the way.
const NO_LIMITS: &str = "\n[guardrails.limits]\nper_hour = 1000000\nper_day = 1000000\n\
    burst = { accounts = 1000000, window = \"10m\" }\n\n[calls]\npace = \"none\"\n";

/// How settings begin that a lab wrote.
const MARK: &str = "# Written by `riposte lab`; its next start writes it anew.\n";

/// Whether nothing of anybody else's would be written over.
pub(crate) fn is_free(config: &Path) -> bool {
    match std::fs::read_to_string(config) {
        Ok(text) => text.starts_with(MARK),
        Err(error) => error.kind() == ErrorKind::NotFound && !config.with_file_name("playbooks").exists(),
    }
}

/// Writes a lab's settings, its authority and the rule table into a folder, for a daemon to be run
/// with.
///
/// # Errors
/// When a file cannot be written.
pub(crate) fn write(lab: &Lab, config: &Path, ca: &Path, unlimited: bool) -> std::io::Result<()> {
    let folder = config.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
    let access = lab.access(&std::path::absolute(ca)?.display().to_string());
    std::fs::create_dir_all(folder.join("playbooks/rules"))?;
    std::fs::write(ca, &access.ca_pem)?;
    let limits = if unlimited { NO_LIMITS } else { LIMITS };
    std::fs::write(config, format!("{MARK}{}{limits}", access.config_toml))?;
    for (name, pem) in [(APP_PEM, access.app_pem), (OKTA_PEM, access.okta_pem)] {
        if let Some(pem) = pem {
            std::fs::write(folder.join(name), pem)?;
        }
    }
    for (name, text) in FILES {
        std::fs::write(folder.join("playbooks").join(name), text)?;
    }
    Ok(())
}

pub(super) fn lay_out(lab: &Lab) -> std::io::Result<TempDir> {
    let folder = tempfile::tempdir()?;
    write(lab, &folder.path().join("riposte.toml"), &folder.path().join("lab-ca.pem"), false)?;
    Ok(folder)
}

pub(super) fn settings(folder: &Path) -> Result<Settings, DemoError> {
    let file = folder.join("riposte.toml");
    let loaded = settings::load(Some(&file), &mut std::iter::empty(), &[]);
    let (settings, _) = loaded.map_err(|findings| DemoError(format!("its own settings are wrong: {findings:?}")))?;
    Ok(settings)
}

pub(super) fn rules(settings: &Settings) -> Result<RuleTable, DemoError> {
    let loaded = app::rules(settings);
    loaded.table.ok_or_else(|| DemoError(format!("its own rules are wrong: {:?}", loaded.findings)))
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::cli::args::Global;
    use crate::cli::check::check;
    use crate::cli::exit::Exit;
    use crate::cli::report::Terminal;
    use crate::lab::{self, Scenario};
    use crate::model::time::SystemClock;

    #[test]
    fn a_lab_writes_over_nothing_but_its_own() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("riposte.toml");
        assert!(is_free(&config));
        std::fs::write(&config, MARK).unwrap();
        assert!(is_free(&config));
        std::fs::write(&config, "[tenant]\n").unwrap();
        assert!(!is_free(&config));
        std::fs::write(&config, b"\xff").unwrap();
        assert!(!is_free(&config), "whatever it is");
        std::fs::remove_file(&config).unwrap();
        std::fs::create_dir(folder.path().join("playbooks")).unwrap();
        assert!(!is_free(&config), "playbooks of somebody's");
    }

    #[tokio::test]
    async fn what_the_lab_writes_for_a_scenario_without_break_glass_accounts_passes_check() {
        let scenario = Scenario::parse("people: [{person: ann, ad: {}}]").unwrap();
        let options = lab::Options::default();
        let lab = lab::serve(Arc::new(SystemClock), scenario, options).await.unwrap();
        let folder = lay_out(&lab).unwrap();
        let global = Global { config: Some(folder.path().join("riposte.toml")), ..Global::default() };
        let report = check(&global, Terminal::paper(100));
        assert_eq!(report.exit, Exit::Done, "{}", report.text);
        lab.shutdown().await;
    }
}
