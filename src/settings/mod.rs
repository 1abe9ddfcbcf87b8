//! The settings: `riposte.toml`, then environment variables `RIPOSTE__SECTION__KEY`, then flags, checked as a whole.
//!
//! What comes out of [`load`] can be trusted: every value has its type, every default is filled in. What is wrong comes out as findings, all at once, each with its place.
//!
//! Lists of tables are reached from the environment by number, `RIPOSTE__OKTA__0__TOKEN`; lists of words are divided by
//! commas. Paths in the file are meant from the file's folder, paths in variables and flags from the working directory.

mod certificate;
mod cloud;
mod endpoints;
mod guardrails;
mod identity;
mod layer;
mod local;
mod okta;
mod origin;
mod places;
mod print;
mod read;
mod secret;
mod sources;
mod syntax;

use std::collections::BTreeMap;
use std::io::Read;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use serde::Serialize;

pub use cloud::{Api, Cloud, Features};
pub use endpoints::{Endpoint, Endpoints, Proxy, Tls};
pub use guardrails::{Burst, Guardrails, Limits, ProtectedEntry, RuleRails, Unwitnessed};
pub use identity::{Identities, Identity, Tenant};
pub use local::{CallPace, Database, JournalFile, Log, LogFormat, Rules, Verify};
pub use okta::{OktaKey, OktaOrg, OktaSignIn};
pub use places::Workspace;
pub use secret::{SECRET_MISSING, SecretSource, SecretUnreadable};
pub use sources::{Graph, LogAnalytics, Sources};

use crate::diagnostics::{Finding, quoted};
use origin::{Origin, Reading};
use read::Table;

/// The file that is read when none is named.
pub const DEFAULT_FILE: &str = "riposte.toml";
/// No file of ours is larger.
const MAX_FILE_BYTES: u64 = 1024 * 1024;

/// Checked settings.
#[derive(Debug, Clone, Serialize)]
pub struct Settings {
    /// Whose alerts are answered.
    pub tenant: Tenant,
    /// How riposte signs in.
    pub identity: Identities,
    /// The workspaces that are watched.
    pub workspaces: Vec<Workspace>,
    /// The Okta orgs in which people have accounts.
    pub okta: Vec<OktaOrg>,
    /// From where alerts come.
    pub sources: Sources,
    /// Where calls go.
    pub endpoints: Endpoints,
    /// Through which proxy, if through one.
    pub proxy: Option<Proxy>,
    /// Whom calls trust.
    pub tls: Tls,
    /// Where the journal lies.
    pub journal: JournalFile,
    /// Where rules, modes, playbooks and triggers lie.
    pub rules: Rules,
    /// The guardrails.
    pub guardrails: Guardrails,
    /// When effects are looked at.
    pub verify: Verify,
    /// Where health and metrics are served; none for nowhere.
    pub listen: Option<SocketAddr>,
    /// At which pace the vendors' APIs are called.
    pub pace: CallPace,
    /// The log.
    pub log: Log,
}

/// Settings that cannot be used.
#[derive(Debug)]
pub struct Broken {
    /// Everything that is wrong, sorted by place; mistakes in writing TOML come first.
    pub findings: Vec<Finding>,
    /// What rules hang on, where that could be read.
    pub basis: Option<RuleBasis>,
    /// Where the journal lies, where that could be read: the kill switch needs no more.
    pub journal: Option<JournalFile>,
}

/// The settings that rules, modes and playbooks are read and checked by.
#[derive(Debug, Clone)]
pub struct RuleBasis {
    /// Where they lie.
    pub rules: Rules,
    /// In which cloud they work.
    pub cloud: Cloud,
    /// What is known of the guardrails.
    pub rails: RuleRails,
    /// Rows of `SecurityAlert` are read, so the poll query counts.
    pub polls: bool,
    /// The names of the workspaces; none where they could not all be read.
    pub workspaces: Option<Vec<String>>,
}

impl Settings {
    /// What rules are read and checked by.
    #[must_use]
    pub fn rule_basis(&self) -> RuleBasis {
        let (rules, rails) = (self.rules.clone(), self.guardrails.for_rules());
        let polls = self.sources.log_analytics.is_some() && !self.workspaces.is_empty();
        RuleBasis { rules, cloud: self.tenant.cloud, rails, polls, workspaces: Some(names(&self.workspaces)) }
    }

    /// All settings in force as JSON, secrets as stars: for diagnostics.
    #[must_use]
    pub fn print_redacted(&self) -> String {
        serde_json::to_string_pretty(self).unwrap_or_else(|error| format!("the settings cannot be printed: {error}"))
    }
}

/// Reads and checks the settings: the file (`riposte.toml` in the working directory when `path` is none; that one may
/// be missing), over it the `RIPOSTE__` variables of `environment`, over them `overrides`, pairs of a path such as
/// `sources.graph.every` and a value. Warnings come with the settings.
///
/// # Errors
/// Everything that is wrong, sorted by place; warnings are among it.
pub fn load(
    path: Option<&Path>,
    environment: &mut dyn Iterator<Item = (String, String)>,
    overrides: &[(String, String)],
) -> Result<(Settings, Vec<Finding>), Vec<Finding>> {
    inspect(path, environment, overrides).map_err(|broken| broken.findings)
}

/// As [`load`]; what can be told of broken settings is told beside their findings.
///
/// # Errors
/// Broken settings.
pub fn inspect(
    path: Option<&Path>,
    environment: &mut dyn Iterator<Item = (String, String)>,
    overrides: &[(String, String)],
) -> Result<(Settings, Vec<Finding>), Broken> {
    let named = path.unwrap_or(Path::new(DEFAULT_FILE));
    let folder = named.parent().unwrap_or(Path::new("")).to_owned();
    let variables: BTreeMap<String, String> = environment.collect();
    let (file, trouble) = match bounded_text(named) {
        Ok(text) => (Some((named.display().to_string(), text)), None),
        Err(why) => (None, (path.is_some() || named.exists()).then_some(why)),
    };
    let found_file = file.is_some();
    let reading = Reading::new(file, folder, variables);
    let Checked { settings, basis, journal } = check(&reading, overrides);
    if let Some(why) = trouble {
        let reading = Reading::new(None, PathBuf::new(), BTreeMap::new());
        let message = format!("{} cannot be read: {why}", quoted(&named.display().to_string()));
        let help = match path {
            Some(_) => "check the path after --config, who may read the file, and its encoding",
            None => "mend that file, or name another with --config FILE",
        };
        reading.error("settings/unreadable", &Origin::Start, message, Some(help));
        return Err(Broken { findings: reading.findings().sorted(), basis: None, journal });
    }
    let findings = reading.findings();
    match settings {
        Some(settings) if !findings.has_errors() => Ok((settings, findings.sorted())),
        _ => {
            let mut findings = syntax::foremost(findings.sorted());
            if !found_file {
                let message = format!("there is no {DEFAULT_FILE} in the working directory");
                findings.push(Finding::note("settings/no-file", message).help("name a file with --config FILE"));
            }
            Err(Broken { findings, basis, journal })
        }
    }
}

/// What could be made of the layers.
struct Checked {
    settings: Option<Settings>,
    basis: Option<RuleBasis>,
    journal: Option<JournalFile>,
}

/// The settings, and what can be told of them where they are broken.
fn check(reading: &Reading, overrides: &[(String, String)]) -> Checked {
    let mut root = Table::root(reading, layer::merge(reading, overrides));
    let (tenant, cloud) = Tenant::read(root.section("tenant"));
    let identity = Identities::read(root.section("identity"));
    let (tables, is_list) = reading.soundly(|| root.list("workspaces"));
    let watched = tables.len();
    let (workspaces, all_read) = reading.soundly(|| places::workspaces(tables));
    let okta = okta::orgs(root.list("okta"));
    let sources = Sources::read(&mut root, cloud, watched);
    let endpoints = Endpoints::read(root.section("endpoints"), cloud);
    let proxy = Proxy::read(root.section("proxy"));
    let tls = Tls::read(root.section("tls"));
    // Of a file that is no TOML nobody knows what it does not say.
    let whole = !reading.has(layer::SYNTAX);
    let ((journal, is_named), journal_sound) = reading.soundly(|| JournalFile::read(root.section("journal"), &tls));
    let journal_place = (journal_sound && (is_named || whole)).then(|| journal.clone());
    let (rules, rules_sound) = reading.soundly(|| Rules::read(root.section("rules")));
    let rails_at = reading.table_origin("guardrails");
    let (guardrails, rails) = Guardrails::read(root.section("guardrails"));
    let verify = Verify::read(root.section("verify"));
    let listen = local::listen(root.section("http"));
    let pace = local::pace(root.section("calls"));
    let log = Log::read(root.section("log"));
    root.end();
    warn_without_witness(reading, &rails_at, cloud, &guardrails);
    let rails = if whole { rails } else { RuleRails::default() };
    let spaces = (is_list && all_read && whole).then(|| names(&workspaces));
    let polls = sources.log_analytics.is_some() && watched > 0;
    let basis = RuleBasis { rules: rules.clone(), cloud, rails, polls, workspaces: spaces };
    let settings = || {
        Some(Settings {
            tenant: tenant?,
            identity: identity?,
            workspaces,
            okta,
            sources,
            endpoints: endpoints?,
            proxy,
            tls,
            journal,
            rules,
            guardrails,
            verify,
            listen,
            pace,
            log,
        })
    };
    Checked { settings: settings(), basis: rules_sound.then_some(basis), journal: journal_place }
}

fn names(workspaces: &[Workspace]) -> Vec<String> {
    workspaces.iter().map(|space| space.name.clone()).collect()
}

fn warn_without_witness(reading: &Reading, at: &Origin, cloud: Cloud, guardrails: &Guardrails) {
    if !cloud.features().alerts_v2 && guardrails.unwitnessed == Unwitnessed::Withhold {
        let message = format!("in the cloud {cloud} Graph knows no alerts, so every alert stays without a witness");
        let help = "nothing but simulation happens until guardrails.unwitnessed = \"allow\" accepts that risk";
        reading.warning("settings/no-witness", at, message, Some(help));
    }
}

/// The text of a regular file of sane size.
fn bounded_text(path: &Path) -> Result<String, String> {
    let found = std::fs::metadata(path).map_err(|error| error.to_string())?;
    if !found.is_file() {
        return Err("it is not a file".into());
    }
    let file = std::fs::File::open(path).map_err(|error| error.to_string())?;
    let mut bytes = Vec::new();
    file.take(MAX_FILE_BYTES + 1).read_to_end(&mut bytes).map_err(|error| error.to_string())?;
    if bytes.len() as u64 > MAX_FILE_BYTES {
        return Err("it is longer than 1 MiB".into());
    }
    String::from_utf8(bytes).map_err(|_| "it is not UTF-8 text".into())
}

#[cfg(test)]
mod tests;
