//! What commands stand on: settings, rules, the journal.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::args::Global;
use super::exit::CliError;
use super::report;
use crate::app::{journal_at, journal_usable, rules, rules_of, visitor_journal};
use crate::diagnostics::{Finding, Level};
use crate::journal::Journal;
use crate::model::text::clip;
use crate::model::time::SystemClock;
use crate::playbook::RuleTable;
use crate::respond::write::RIPOSTE;
use crate::settings::{self, Broken, DEFAULT_FILE, SECRET_MISSING, Settings};

/// Where settings come from that nobody wrote.
const NO_SETTINGS: &str = "no settings: there is no riposte.toml here and no --config; the defaults are used";
/// The least that settings must say, for commands that only look at rules.
const LEAST: [(&str, &str); 2] =
    [("tenant.id", "00000000-0000-0000-0000-000000000000"), ("identity.kind", "managed-identity")];

/// Settings, written or not.
#[derive(Debug)]
pub(super) struct Chosen {
    /// Checked.
    pub(super) settings: Settings,
    /// What is odd about them.
    pub(super) warnings: Vec<Finding>,
    /// Says that nobody wrote any.
    pub(super) note: Option<&'static str>,
}

/// Checked settings. Warnings are said on stderr, but for secrets that cannot be had: they are not needed here.
///
/// # Errors
/// All that is wrong with them.
pub(crate) fn settings(global: &Global) -> Result<Settings, CliError> {
    let (settings, mut warnings) = checked(global)?;
    warnings.retain(|finding| finding.code() != SECRET_MISSING);
    warn(&warnings);
    Ok(settings)
}

/// Checked settings for work that signs in: here a secret that cannot be had is an error. Warnings are said on stderr.
///
/// # Errors
/// All that is wrong with them.
pub(super) fn settings_with_secrets(global: &Global) -> Result<Settings, CliError> {
    let (settings, findings) = checked(global).map_err(with_rules)?;
    let (missing, warnings): (Vec<_>, Vec<_>) = findings.into_iter().partition(|one| one.code() == SECRET_MISSING);
    if !missing.is_empty() {
        return Err(CliError::Findings(missing.into_iter().map(Finding::as_error).chain(warnings).collect()));
    }
    warn(&warnings);
    Ok(settings)
}

/// What is wrong with the rules beside broken settings, as far as these say where the rules are: all at once.
fn with_rules(broken: Broken) -> CliError {
    let Broken { mut findings, basis, .. } = broken;
    let of_rules = basis.as_ref().map(rules_of).into_iter().flat_map(|loaded| loaded.findings);
    findings.extend(of_rules.filter(|finding| finding.level() == Level::Error));
    CliError::Findings(findings)
}

/// The file of tables that the settings name, for commands that need nothing else of them.
///
/// # Errors
/// All that is wrong with settings that were named, and do not even say that.
pub(super) fn tables(global: &Global) -> Result<Option<PathBuf>, CliError> {
    let broken = match settings_or_defaults(global) {
        Ok(chosen) => return Ok(chosen.settings.rules.tables),
        Err(broken) => broken,
    };
    match broken.basis {
        Some(basis) => {
            if basis.rules.tables.is_some() {
                report::say("the settings are broken (riposte check says how); their tables count all the same");
            }
            Ok(basis.rules.tables)
        }
        None if global.config.is_some() => Err(broken.into()),
        None => {
            report::say("the settings are broken (riposte check says how), so their tables are not known here");
            Ok(None)
        }
    }
}

fn checked(global: &Global) -> Result<(Settings, Vec<Finding>), Broken> {
    settings::inspect(global.config.as_deref(), &mut environment(), &global.overrides)
}

/// Settings for a command that needs none: the defaults where nobody wrote any.
///
/// # Errors
/// All that is wrong with those that were written.
pub(super) fn settings_or_defaults(global: &Global) -> Result<Chosen, Broken> {
    let nothing_written = global.config.is_none()
        && !Path::new(DEFAULT_FILE).exists()
        && !environment().any(|(name, _)| name.starts_with("RIPOSTE__"));
    if !nothing_written {
        return checked(global).map(|(settings, warnings)| Chosen { settings, warnings, note: None });
    }
    let least = LEAST.map(|(path, value)| (path.to_owned(), value.to_owned()));
    let overrides: Vec<_> = least.into_iter().chain(global.overrides.iter().cloned()).collect();
    let (settings, _) = settings::inspect(None, &mut std::iter::empty(), &overrides)?;
    Ok(Chosen { settings, warnings: Vec::new(), note: Some(NO_SETTINGS) })
}

/// The rule table in force. Warnings are the business of `check`.
///
/// # Errors
/// All that is wrong with the rules.
pub(crate) fn table(settings: &Settings) -> Result<RuleTable, CliError> {
    let loaded = rules(settings);
    loaded.table.ok_or(CliError::Findings(loaded.findings))
}

/// The journal, beside a daemon or alone.
///
/// # Errors
/// When there is none, or it cannot be used.
pub(super) fn journal(settings: &Settings) -> Result<Arc<dyn Journal>, CliError> {
    if settings.journal.postgres.is_none() {
        if !settings.journal.sqlite.exists() {
            journal_usable(&settings.journal, Some(settings.tenant.id))?;
        }
        there(&settings.journal.sqlite)?;
    }
    Ok(visitor_journal(settings, Arc::new(SystemClock))?)
}

/// The journal for the kill switch, which must work whatever else is wrong with the settings: only the journal's
/// place is asked of them, and whose it is stands in it.
///
/// # Errors
/// What is wrong, where the settings do not even say that; or when there is no journal, or it cannot be used.
pub(super) fn journal_whatever_else(global: &Global) -> Result<Arc<dyn Journal>, CliError> {
    let broken = match checked(global) {
        Ok((settings, _)) => return journal(&settings),
        Err(broken) => broken,
    };
    let Some(file) = &broken.journal else {
        report::say(
            "the settings do not say where the journal lies: name it with --set journal.sqlite=FILE, or journal.postgres=ADDRESS",
        );
        return Err(broken.into());
    };
    let name = if let Some(database) = &file.postgres {
        database.address.clone()
    } else {
        there(&file.sqlite)?;
        file.sqlite.display().to_string()
    };
    let name = clip(&name, 300);
    report::say(&format!(
        "the settings are broken (riposte check says how); the journal at {name} is used all the same"
    ));
    Ok(journal_at(file, Arc::new(SystemClock))?)
}

pub(super) fn there(path: &Path) -> Result<(), CliError> {
    if path.exists() {
        return Ok(());
    }
    Err(CliError::Usage(format!(
        "there is no journal at {} yet: `riposte run` makes it; [journal] sqlite in the settings names another",
        clip(&path.display().to_string(), 300)
    )))
}

/// Who sits at the keyboard, for the record.
///
/// # Errors
/// When the name given is none.
pub(super) fn operator(given: Option<&str>) -> Result<String, CliError> {
    // What riposte does by itself bears its name in the journal. A reason may follow a name between brackets.
    let is_ours = |name: &str| {
        let plain = name.split('(').next().unwrap_or(name).trim_matches(|c: char| !c.is_alphanumeric());
        plain.eq_ignore_ascii_case(RIPOSTE)
    };
    let variable = |name: &&str| std::env::var_os(name)?.into_string().ok();
    let known = || ["USER", "LOGNAME", "USERNAME"].iter().filter_map(variable).find(|name| !is_ours(name));
    let name = given.map(str::to_owned).or_else(known).unwrap_or_else(|| "operator".to_owned());
    let name = clip(name.trim(), 80).trim().to_owned();
    if name.is_empty() {
        return Err(CliError::Usage("--by needs a name".to_owned()));
    }
    if is_ours(&name) {
        let why =
            format!("{RIPOSTE} approves nothing itself, and nobody else goes by its name; --by NAME says who decides");
        return Err(CliError::Usage(why));
    }
    Ok(name)
}

fn environment() -> impl Iterator<Item = (String, String)> {
    std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
}

fn warn(findings: &[Finding]) {
    for finding in findings.iter().filter(|finding| finding.level() != Level::Note) {
        report::say(&finding.one_line());
    }
}

#[cfg(test)]
mod tests {
    use std::path::PathBuf;

    use super::*;

    #[test]
    fn the_least_settings_are_enough_for_commands_that_only_look_at_rules() {
        let least = LEAST.map(|(path, value)| (path.to_owned(), value.to_owned()));
        let loaded = settings::load(None, &mut std::iter::empty(), &least);
        assert!(loaded.is_ok(), "{loaded:?}");
    }

    #[test]
    fn whoever_signs_in_is_told_of_broken_settings_and_broken_rules_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let config = folder.path().join("riposte.toml");
        std::fs::write(&config, "[tenant]\nid = \"no\"\n\n[rules]\ndir = \"playbooks\"\n").unwrap();
        std::fs::create_dir_all(folder.path().join("playbooks/rules")).unwrap();
        std::fs::write(folder.path().join("playbooks/p.yaml"), "playbook: p\nnonsense: 1\n").unwrap();
        let global = Global { config: Some(config), ..Global::default() };
        let Err(CliError::Findings(found)) = settings_with_secrets(&global) else { panic!("they are broken") };
        for file in ["riposte.toml", "p.yaml"] {
            let named = found.iter().filter_map(Finding::place).any(|place| place.source.name().ends_with(file));
            assert!(named, "{file}: {found:?}");
        }
    }

    #[test]
    fn an_operator_has_a_name_without_control_characters() {
        assert_eq!(operator(Some(" bo\u{1b}[1m ")).unwrap(), "bo [1m");
        assert!(operator(Some("  ")).is_err());
        for name in ["riposte", " Riposte\u{200b}", "RIPOSTE (at night)"] {
            let refused = operator(Some(name)).unwrap_err();
            assert_eq!(refused.exit(), super::super::exit::Exit::Usage, "{name:?}: {refused}");
        }
        assert_eq!(operator(Some("riposte-duty")).unwrap(), "riposte-duty");
        assert!(!operator(None).unwrap().is_empty());
    }

    #[test]
    fn a_missing_journal_is_told_from_a_broken_one() {
        let least = LEAST.map(|(path, value)| (path.to_owned(), value.to_owned()));
        let (mut settings, _) = settings::load(None, &mut std::iter::empty(), &least).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let mut said = |path: PathBuf| {
            settings.journal.sqlite = path;
            let error = journal(&settings).err().unwrap();
            assert_eq!(error.exit(), super::super::exit::Exit::Usage, "{error}");
            error.to_string()
        };
        assert!(said(folder.path().join("riposte.db")).contains("riposte run"));
        assert!(said(folder.path().join("nowhere/riposte.db")).contains("nowhere cannot be used"));
        std::fs::write(folder.path().join("x"), "no journal, but some text that is long enough for a header").unwrap();
        assert!(said(folder.path().join("x")).contains("the file is no journal"));
        assert!(said(folder.path().to_owned()).contains("it is a folder"));
    }
}
