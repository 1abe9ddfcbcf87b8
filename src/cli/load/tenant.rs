//! The emulated tenant as a process of its own, with settings and one rule for the daemon.

use std::path::{Path, PathBuf};
use std::time::Duration;

use reqwest::Method;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::process::{Process, this_program};
use crate::cli::exit::CliError;
use crate::connect::http::{ClientOptions, client};
use crate::lab::Heard;
use crate::model::time::print_duration;

/// What it may take to make a tenant with very many accounts.
const STARTS_WITHIN: Duration = Duration::from_secs(120);
const LOOK_EVERY: Duration = Duration::from_millis(10);

const PLAYBOOK: &str = "playbook: contain
why: One effect, which is looked at.
steps:
  - do: disable-ad-user
";
const RULE: &str = "rule: load
why: Every alert of the load is answered.
owner: soc@contoso.com
alert:
  - mdi/2006                              # Suspected DCSync attack
do: contain
";

/// How a tenant is to be.
#[derive(Debug, Clone)]
pub(super) struct Wanted {
    /// Its scenario, as `riposte lab --scenario` takes it.
    pub(super) scenario: String,
    /// How long each answer takes, besides its work.
    pub(super) latency: Duration,
    /// With the documented limits.
    pub(super) limited: bool,
}

/// An emulated tenant, and how to talk to it.
pub(super) struct Tenant {
    pub(super) process: Process,
    pub(super) folder: PathBuf,
    /// The daemon's settings.
    pub(super) config: PathBuf,
    /// What it was asked.
    pub(super) tape: PathBuf,
    base: String,
    http: reqwest::Client,
}

impl Tenant {
    /// Starts one in a new folder, and waits until it listens.
    pub(super) async fn start(folder: &Path, wanted: &Wanted) -> Result<Self, CliError> {
        std::fs::create_dir_all(folder).map_err(|error| cannot("make a folder", folder, &error))?;
        let (config, tape) = (folder.join("riposte.toml"), folder.join("tape.jsonl"));
        let mut words = ["lab", "--scenario", &wanted.scenario].map(str::to_owned).to_vec();
        for (word, path) in [("--config-out", &config), ("--tape", &tape)] {
            words.extend([word.to_owned(), path.display().to_string()]);
        }
        words.extend((!wanted.limited).then(|| "--unlimited".to_owned()));
        let mut process = Process::start(&this_program()?, (folder, "lab"), &words)?;
        let base = address(&mut process).await?;
        rules(folder).map_err(|error| cannot("write the rule", folder, &error))?;
        let ca = folder.join("lab-ca.pem");
        let ca = std::fs::read(&ca).map_err(|error| cannot("read", &ca, &error))?;
        let options = ClientOptions { extra_ca_pem: Some(ca), ..ClientOptions::default() };
        let client = client(&options).map_err(|error| CliError::Fault(error.to_string()))?;
        // The daemon's own transport: the bare client is to have no other.
        let http = client.direct().connections().clone();
        let tenant = Self { process, folder: folder.to_owned(), config, tape, base, http };
        if !wanted.latency.is_zero() {
            let delay = json!({"delay": print_duration(wanted.latency), "count": u32::MAX});
            tenant.send(&Method::POST, "/_lab/fault", &[], delay.to_string()).await?;
        }
        Ok(tenant)
    }

    /// What the lab says of itself.
    pub(super) async fn ask<T: DeserializeOwned>(&self, path: &str) -> Result<T, CliError> {
        let (status, body) = self.send(&Method::GET, path, &[], String::new()).await?;
        let strange =
            |why: &dyn std::fmt::Display| CliError::Fault(format!("the tenant's {path} cannot be read: {why}"));
        if status != 200 {
            return Err(strange(&format!("status {status}")));
        }
        serde_json::from_slice(&body).map_err(|error| strange(&error))
    }

    /// Makes a call and reads its answer whole.
    pub(super) async fn send(
        &self,
        method: &Method,
        target: &str,
        headers: &[(&str, &str)],
        body: String,
    ) -> Result<(u16, Vec<u8>), CliError> {
        let lost = |error: reqwest::Error| CliError::Fault(format!("the tenant does not answer: {error}"));
        let mut request = self.http.request(method.clone(), format!("{}{target}", self.base));
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if !body.is_empty() {
            request = request.body(body);
        }
        let mut answer = request.send().await.map_err(lost)?;
        let mut whole = Vec::new();
        while let Some(piece) = answer.chunk().await.map_err(lost)? {
            whole.extend_from_slice(&piece);
        }
        Ok((answer.status().as_u16(), whole))
    }

    /// What it was asked so far, in the order in which it came.
    pub(super) fn heard(&self) -> Result<Vec<Heard>, CliError> {
        read_tape(&self.tape)
    }

    /// How many calls it has answered of the kinds that `counts` names.
    pub(super) async fn answered(&self, counts: impl Fn(&str) -> bool) -> Result<u64, CliError> {
        let seen: Value = self.ask("/_lab/requests").await?;
        let kinds = seen["counts"].as_object().into_iter().flatten();
        Ok(kinds.filter(|(kind, _)| counts(kind)).filter_map(|(_, times)| times.as_u64()).sum())
    }
}

/// A tape, in the order in which requests came.
pub(super) fn read_tape(file: &Path) -> Result<Vec<Heard>, CliError> {
    let text = std::fs::read_to_string(file).map_err(|error| cannot("read", file, &error))?;
    let lines: Result<Vec<Heard>, _> = text.lines().map(serde_json::from_str).collect();
    let mut heard = lines.map_err(|error| cannot("understand", file, &error))?;
    heard.sort_by_key(|heard| heard.came);
    Ok(heard)
}

/// Waits for the line with its address.
async fn address(process: &mut Process) -> Result<String, CliError> {
    let waited = async {
        loop {
            if let Some((line, _)) = process.results().split_once('\n') {
                return Ok(line.to_owned());
            }
            if let Some(status) = process.ended()? {
                return Err(process.ended_early(status, "the tenant", "before it listened"));
            }
            tokio::time::sleep(LOOK_EVERY).await;
        }
    };
    let late = |_| CliError::Fault(format!("the tenant was not there within {}", print_duration(STARTS_WITHIN)));
    tokio::time::timeout(STARTS_WITHIN, waited).await.unwrap_or_else(|elapsed| Err(late(elapsed)))
}

/// In the place of the lab's own rules: one, which is in enforce.
fn rules(folder: &Path) -> std::io::Result<()> {
    let playbooks = folder.join("playbooks");
    std::fs::remove_dir_all(&playbooks)?;
    std::fs::create_dir_all(playbooks.join("rules"))?;
    std::fs::write(playbooks.join("contain.yaml"), PLAYBOOK)?;
    std::fs::write(playbooks.join("rules/load.yaml"), RULE)?;
    std::fs::write(playbooks.join("modes.yaml"), "load: enforce\n")
}

pub(super) fn cannot(what: &str, path: &Path, error: &dyn std::fmt::Display) -> CliError {
    CliError::Fault(format!("cannot {what} {}: {error}", path.display()))
}
