//! The words of the command line.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, Subcommand, ValueEnum};

use crate::model::outcome::OutcomeKind;
use crate::model::time::parse_duration;
use crate::record::action::ActionRecord;
use crate::record::alert::AlertPhase;

/// Answers Microsoft Defender for Identity alerts: carefully, provably, undoably.
#[derive(Debug, Parser)]
#[command(name = "riposte", version, max_term_width = 100, propagate_version = true, after_help = EXITS)]
pub struct Cli {
    /// What every command understands.
    #[command(flatten)]
    pub global: Global,
    /// What to do.
    #[command(subcommand)]
    pub command: Command,
}

const EXITS: &str = "Results go to stdout, everything else to stderr.\n\
    Exit: 0 done, 1 the answer is no, 2 usage or configuration, 3 a fault of riposte.";

/// What every command understands.
#[derive(Debug, Clone, Default, Args)]
pub struct Global {
    /// The settings [default: riposte.toml]
    #[arg(long, global = true, value_name = "FILE")]
    pub config: Option<PathBuf>,
    /// The form of results
    #[arg(long, global = true, value_enum, default_value_t, value_name = "FORM")]
    pub format: Format,
    /// Somebody has asked for that form.
    #[arg(skip)]
    pub format_is_said: bool,
    /// A setting for this run, above file and environment; lists are a,b; no place for secrets, which others can see here
    #[arg(long = "set", global = true, value_parser = read_override, value_name = "SECTION.KEY=VALUE")]
    pub overrides: Vec<(String, String)>,
}

/// The form of results.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, ValueEnum)]
pub enum Format {
    /// For people
    #[default]
    Text,
    /// For programs
    Json,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub enum Command {
    /// Run the daemon: read alerts, answer them, prove it, write it down
    Run(RunArgs),
    /// Play a morning of alerts against an emulated tenant in this process
    #[cfg(feature = "lab")]
    Demo(DemoArgs),
    /// Serve the emulated tenant on loopback
    #[cfg(feature = "lab")]
    #[command(after_help = "--help says how to write scenarios and faults", after_long_help = scenarios())]
    Lab(LabArgs),
    /// Measure the whole path: many alerts against the emulated tenant, beside a bare client that makes the same calls
    #[cfg(feature = "lab")]
    Load(LoadArgs),
    /// Check settings, rules, modes and playbooks: all findings at once
    Check,
    /// Run the tests that rules carry, as if each rule were in enforce; nothing is called
    Test(TestArgs),
    /// Which alerts of the catalogue no rule answers
    Coverage(CoverageArgs),
    /// Show the rule table: which alert leads to what
    Table,
    /// Take one alert through the rules, with every reason; nothing is called
    Explain(ExplainArgs),
    /// Queries without a workspace
    #[command(subcommand)]
    Kql(KqlCommand),
    /// What was done, waits, and ended
    #[command(subcommand)]
    Actions(ActionsCommand),
    /// Say yes to an action that waits for a person
    Approve(ApproveArgs),
    /// Say no to an action that waits for a person
    Deny(DenyArgs),
    /// Put back what an action did
    Undo(ApproveArgs),
    /// Pull the kill switch: no call that changes anything begins after this returns
    Pause(PauseArgs),
    /// Let go of the kill switch
    Resume(ResumeArgs),
    /// Let a lane out of quarantine: what failed in it is tried again
    Release(ReleaseArgs),
    /// The record as evidence
    #[command(subcommand)]
    Journal(JournalCommand),
    /// How everything stands
    Status,
    /// Ask a running daemon how it is: a probe for images without a shell
    Health(HealthArgs),
}

/// `run`.
#[derive(Debug, Clone, Default, Args)]
pub struct RunArgs {
    /// Make one pass over every source, work until nothing is due, say what is left, end
    #[arg(long)]
    pub once: bool,
    /// With --once: how far ahead due work is waited for [default: 60s]
    #[arg(long, requires = "once", value_parser = parse_duration, value_name = "DURATION")]
    pub settle: Option<Duration>,
    /// Read everything, change nothing: every action is simulated and no comment is written
    #[arg(long)]
    pub dry_run: bool,
}

/// `demo`.
#[cfg(feature = "lab")]
#[derive(Debug, Clone, Default, Args)]
pub struct DemoArgs {}

/// `lab`.
#[cfg(feature = "lab")]
#[derive(Debug, Clone, Default, Args)]
pub struct LabArgs {
    /// The address to listen on [default: a free port of loopback]
    #[arg(long, value_name = "ADDR")]
    pub listen: Option<SocketAddr>,
    /// Who exists, which alerts appear when, which faults happen; backlog:N makes N alerts within 25 minutes, to measure, and
    /// backlog:N@RATE so many each second from the start [default: the scenario of the demo]
    #[arg(long, value_name = "FILE")]
    pub scenario: Option<PathBuf>,
    /// Write the certificate authority here, as PEM
    #[arg(long, value_name = "FILE")]
    pub ca_out: Option<PathBuf>,
    /// Write settings for a riposte that works on this lab here
    #[arg(long, value_name = "FILE")]
    pub config_out: Option<PathBuf>,
    /// How long ago the scenario began [default: 30m for the scenario of the demo and a backlog, so that their alerts are
    /// there; 0s for one of your own]
    #[arg(long, value_parser = parse_duration, value_name = "DURATION")]
    pub began: Option<Duration>,
    /// Lift the vendors' documented limits, to measure
    #[arg(long)]
    pub unlimited: bool,
    /// Write what is asked here, as JSON lines with times
    #[arg(long, value_name = "FILE")]
    pub tape: Option<PathBuf>,
    /// Let the settings sign in with a certificate instead of a secret; it is written beside them, as lab-app.pem
    #[arg(long, requires = "config_out")]
    pub certificate: bool,
    /// Let the settings sign in to Okta as a service app with a private key instead of an API token; it is written beside
    /// them, as lab-okta.pem
    #[arg(long, requires = "config_out")]
    pub okta_key: bool,
}

/// `load`.
#[cfg(feature = "lab")]
#[derive(Debug, Clone, Args)]
pub struct LoadArgs {
    /// How many alerts, each about an account of its own and with an incident of its own
    #[arg(long, default_value_t = 10_000, value_name = "N", value_parser = clap::value_parser!(u32).range(1..=100_000))]
    pub alerts: u32,
    /// How long the tenant takes for each answer, besides its work
    #[arg(long, default_value = "0s", value_parser = parse_duration, value_name = "DURATION")]
    pub latency: Duration,
    /// Let the alerts come one after the other, so many each second [default: all are there at the start]
    #[arg(long, value_parser = read_rate, value_name = "N/s")]
    pub rate: Option<f64>,
    /// Keep the vendors' documented limits, on both sides, and say how far they were used; without the bare client, which
    /// does not know them
    #[arg(long, conflicts_with = "bare")]
    pub limited: bool,
    /// The bare client alone, with the calls that an earlier run with the same --keep and --alerts has written down
    #[arg(long, requires = "keep", conflicts_with = "rate")]
    pub bare: bool,
    /// Only how long the daemon takes until it is ready, and its memory once it rests
    #[arg(long, conflicts_with_all = ["limited", "bare", "rate", "alerts"])]
    pub idle: bool,
    /// The program that is measured, such as that of the image [default: this one]
    #[arg(long, value_name = "FILE", conflicts_with = "bare")]
    pub program: Option<PathBuf>,
    /// Keep everything here: settings, journal, tapes [default: a temporary folder]
    #[arg(long, value_name = "FOLDER")]
    pub keep: Option<PathBuf>,
}

/// `test`.
#[derive(Debug, Clone, Default, Args)]
pub struct TestArgs {
    /// Only these rules [default: all]
    #[arg(value_name = "RULE")]
    pub rules: Vec<String>,
}

/// `coverage`.
#[derive(Debug, Clone, Default, Args)]
pub struct CoverageArgs {
    /// End with 1 when less of the catalogue is answered, in percent
    #[arg(long, value_name = "PERCENT", value_parser = clap::value_parser!(u8).range(0..=100))]
    pub min: Option<u8>,
}

/// `explain`.
#[derive(Debug, Clone, Default, Args)]
pub struct ExplainArgs {
    /// A SecurityAlert row as a JSON object, an answer of Log Analytics, or an alert of Graph alerts_v2; - for stdin
    #[arg(value_name = "ALERT.json")]
    pub file: PathBuf,
    /// Who the accounts are: a JSON list of objects with sid, entra_id, okta_id, upn, name, domain, enabled, synced,
    /// guest, department, groups and roles
    #[arg(long, value_name = "FILE.json")]
    pub people: Option<PathBuf>,
    /// Suppose this of every account the people file does not name
    #[arg(long, value_enum, value_delimiter = ',', value_name = "FACT")]
    pub given: Vec<GivenFact>,
    /// The file holds rows that this trigger has found, such as kql/sign-in-after-password-spray
    #[arg(long, value_name = "TRIGGER")]
    pub trigger: Option<String>,
    /// Take the alert as seen at this moment [default: now]
    #[arg(long, value_name = "TIME")]
    pub at: Option<crate::model::time::At>,
}

/// What can be supposed of an account.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum GivenFact {
    /// An account in Active Directory
    Ad,
    /// An account in Entra
    Entra,
    /// An account in Okta
    Okta,
    /// Accounts in Active Directory and Entra, joined by directory synchronisation
    Hybrid,
    /// A member of Domain Admins
    Privileged,
    /// May not sign in
    Disabled,
    /// A guest of another tenant
    Guest,
}

/// `kql ...`.
#[derive(Debug, Subcommand)]
pub enum KqlCommand {
    /// All findings of some queries
    Check(KqlCheckArgs),
    /// Run a query over local files
    Run(KqlRunArgs),
}

/// `kql check`.
#[derive(Debug, Clone, Default, Args)]
pub struct KqlCheckArgs {
    /// Queries, triggers with their headers, analytics rules of Sentinel (.yaml); - for stdin
    #[arg(required = true, value_name = "FILE.kql")]
    pub files: Vec<PathBuf>,
    /// A table whose columns are not known is an error
    #[arg(long)]
    pub strict: bool,
    /// Tables beside those that are known, and beside rules.tables of the settings: a line for each, its name, then name:type
    /// of each column. With + before the columns they are added to a known table; a * at the end says that there are more
    #[arg(long = "tables", value_name = "FILE.tsv")]
    pub tables: Vec<PathBuf>,
}

/// `kql run`.
#[derive(Debug, Clone, Default, Args)]
pub struct KqlRunArgs {
    /// The query [default: stdin]
    #[arg(value_name = "FILE.kql")]
    pub file: Option<PathBuf>,
    /// A table: its name, and a file of JSON, JSON lines (.jsonl) or CSV (.csv)
    #[arg(long = "table", value_parser = read_named_file, value_name = "NAME=FILE")]
    pub tables: Vec<NamedFile>,
    /// The local copy of what externaldata names
    #[arg(long = "external", value_parser = read_named_file, value_name = "ADDRESS=FILE")]
    pub external: Vec<NamedFile>,
    /// The local copy of a watchlist
    #[arg(long = "watchlist", value_parser = read_named_file, value_name = "ALIAS=FILE")]
    pub watchlists: Vec<NamedFile>,
    /// The moment that now() is [default: now]
    #[arg(long, value_name = "TIME")]
    pub now: Option<crate::model::time::At>,
}

/// A file under a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NamedFile {
    /// The name.
    pub name: String,
    /// The file.
    pub path: PathBuf,
}

/// `journal ...`.
#[derive(Debug, Subcommand)]
pub enum JournalCommand {
    /// Whether it is as it was written: every chain, every seal, and roots that you have kept
    Verify(JournalVerifyArgs),
    /// Every event as a line of JSON, in the order in which they were written
    Export(JournalExportArgs),
    /// As it stands at this moment into a new file, verified; also while a daemon works on it
    Backup(JournalBackupArgs),
    /// Take out the alerts that name a person, with what was done about them; says first which
    #[command(after_help = REMOVE)]
    Remove(JournalRemoveArgs),
    /// From a file into the database that the settings name, all or nothing; no daemon works on the file after that
    Copy(JournalCopyArgs),
}

/// `journal backup`.
#[derive(Debug, Clone, Default, Args)]
pub struct JournalBackupArgs {
    /// The new file
    #[arg(value_name = "FILE.db")]
    pub to: PathBuf,
}

const REMOVE: &str = "Alerts that are over go whole: what was shown, decided, done and commented. Chains and seals stay and hold; the \
    last event of each says who removed it and why. What is not over, changed within the last 31 days, or did what may still stand, is kept and said. \
    Beside it, journal.keep in the settings removes what is older than that.\n\n\
    riposte journal remove --about alice@corp.example --about S-1-5-21-1-2-3-1104 --reason 'request 4711' --yes";

/// `journal remove`.
#[derive(Debug, Clone, Default, Args)]
pub struct JournalRemoveArgs {
    /// Whom: a UPN, SID, id or account name, whole and whatever its case; give each that the person has
    #[arg(long, required = true, value_name = "TEXT")]
    pub about: Vec<String>,
    /// Why; it stays in the journal
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Who decides [default: USER of the environment, or `operator`]
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Do it: there is no way back
    #[arg(long)]
    pub yes: bool,
}

/// `journal copy`.
#[derive(Debug, Clone, Default, Args)]
pub struct JournalCopyArgs {
    /// The journal's file, on which no daemon runs
    #[arg(value_name = "FILE.db")]
    pub from: PathBuf,
    /// Copy nothing: take the mark of a copy off that was begun and cannot be finished, because its database is gone
    #[arg(long)]
    pub forget: bool,
}

/// `journal verify`.
#[derive(Debug, Clone, Default, Args)]
pub struct JournalVerifyArgs {
    /// A root that was published earlier: everything up to it must still be there, unchanged
    #[arg(long = "expect-root", alias = "expect-head", value_parser = read_root, value_name = "ROOT")]
    pub expect_root: Vec<String>,
}

/// `journal export`.
#[derive(Debug, Clone, Default, Args)]
pub struct JournalExportArgs {
    /// Only events of this moment and later
    #[arg(long, value_name = "TIME")]
    pub since: Option<crate::model::time::At>,
    /// Only events behind this position: to go on where an earlier export has ended
    #[arg(long, value_name = "POSITION")]
    pub after: Option<u64>,
}

/// `actions ...`.
#[derive(Debug, Subcommand)]
pub enum ActionsCommand {
    /// Everything that was decided, also what was withheld or only simulated
    List(ListArgs),
    /// One action and what happened to it
    Show(ShowArgs),
}

/// `actions list`.
#[derive(Debug, Clone, Default, Args)]
pub struct ListArgs {
    /// All lines of the table, not only the newest 100 (JSON always has all)
    #[arg(long)]
    pub all: bool,
    /// Only what changed within this time
    #[arg(long, value_parser = parse_duration, value_name = "DURATION")]
    pub since: Option<Duration>,
    /// Only what stands like this
    #[arg(long, value_parser = read_outcome, value_name = "OUTCOME")]
    pub outcome: Option<String>,
    /// Only what this rule wanted
    #[arg(long, value_name = "RULE")]
    pub rule: Option<String>,
}

/// `actions show`.
#[derive(Debug, Clone, Default, Args)]
pub struct ShowArgs {
    /// The action's id, or at least its first 4 digits
    pub id: String,
}

/// `approve` and `undo`.
#[derive(Debug, Clone, Default, Args)]
pub struct ApproveArgs {
    /// The action's id, or at least its first 4 digits; several are answered one by one
    #[arg(required = true, value_name = "ID")]
    pub ids: Vec<String>,
    /// Who decides [default: USER of the environment, or `operator`]
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
    /// Wait at most this long and say what came of it
    #[arg(long, value_parser = parse_duration, value_name = "DURATION")]
    pub wait: Option<Duration>,
}

/// `deny`.
#[derive(Debug, Clone, Default, Args)]
pub struct DenyArgs {
    /// Which, who, and how long to wait.
    #[command(flatten)]
    pub answer: ApproveArgs,
    /// Why; it is kept with the answer
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
}

/// `pause`.
#[derive(Debug, Clone, Default, Args)]
pub struct PauseArgs {
    /// Why; people who wait will read it
    #[arg(long, value_name = "TEXT")]
    pub reason: Option<String>,
    /// Who decides [default: USER of the environment, or `operator`]
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
}

/// `resume`.
#[derive(Debug, Clone, Default, Args)]
pub struct ResumeArgs {
    /// Who decides [default: USER of the environment, or `operator`]
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
}

/// `release`.
#[derive(Debug, Clone, Default, Args)]
pub struct ReleaseArgs {
    /// The lane, as `riposte status` names it
    pub lane: String,
    /// Who decides [default: USER of the environment, or `operator`]
    #[arg(long, value_name = "NAME")]
    pub by: Option<String>,
}

/// `health`.
#[derive(Debug, Clone, Default, Args)]
pub struct HealthArgs {
    /// Where the daemon listens [default: http.listen of the settings]
    #[arg(long, value_name = "ADDR")]
    pub addr: Option<SocketAddr>,
    /// Ask only whether the process answers, not whether it does its work
    #[arg(long)]
    pub live: bool,
}

/// How scenarios are written, for a terminal: clap takes a bare `{n}` for the end of a line, so a mark that nobody sees
/// stands within it.
#[cfg(feature = "lab")]
fn scenarios() -> String {
    crate::lab::SCENARIOS.replace("{n}", "{\u{2060}n}")
}

fn read_outcome(word: &str) -> Result<String, String> {
    let ends = OutcomeKind::ALL.map(OutcomeKind::word);
    let known: Vec<&str> = ActionRecord::MOVING.into_iter().chain(ends).chain([AlertPhase::UNREADABLE]).collect();
    let word = word.trim().to_ascii_lowercase();
    if known.contains(&word.as_str()) { Ok(word) } else { Err(format!("it is one of {}", known.join(", "))) }
}

#[cfg(feature = "lab")]
fn read_rate(text: &str) -> Result<f64, String> {
    let number = text.trim().trim_end_matches("/s").parse().ok();
    number
        .filter(|rate| (0.01..=10_000.0).contains(rate))
        .ok_or_else(|| "it is written 20/s, from 0.01 to 10000".to_owned())
}

fn read_root(text: &str) -> Result<String, String> {
    let root = text.trim().to_ascii_lowercase();
    let fits = root.len() == 64 && root.bytes().all(|byte| byte.is_ascii_hexdigit());
    if fits { Ok(root) } else { Err("a root is 64 hexadecimal digits".to_owned()) }
}

fn read_named_file(text: &str) -> Result<NamedFile, String> {
    match text.rsplit_once('=') {
        Some((name, path)) if !name.is_empty() && !path.is_empty() => {
            Ok(NamedFile { name: name.to_owned(), path: PathBuf::from(path) })
        }
        _ => Err("it is written NAME=FILE".to_owned()),
    }
}

fn read_override(text: &str) -> Result<(String, String), String> {
    let wrong = || "a setting is written section.key=value, such as sources.graph.every=5s".to_owned();
    let (path, value) = text.split_once('=').ok_or_else(wrong)?;
    if path.trim().is_empty() { Err(wrong()) } else { Ok((path.trim().to_owned(), value.to_owned())) }
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory as _;

    use super::*;

    fn parsed(words: &str) -> Result<Cli, clap::Error> {
        Cli::try_parse_from(std::iter::once("riposte").chain(words.split_whitespace()))
    }

    #[test]
    fn the_words_are_consistent() {
        Cli::command().debug_assert();
    }

    #[test]
    fn global_words_may_stand_behind_the_command() {
        let line = parsed("actions list --format json --config x.toml --set a.b=c=d").unwrap();
        assert_eq!(line.global.format, Format::Json);
        assert_eq!(line.global.overrides, [("a.b".to_owned(), "c=d".to_owned())]);
    }

    #[test]
    fn words_without_sense_are_refused() {
        for words in
            ["", "run --settle 5s", "actions list --outcome done", "check --set x", "approve", "undo 1 --wait x"]
        {
            assert!(parsed(words).is_err(), "{words}");
        }
        assert!(parsed("actions list --outcome already-effective --since 2d").is_ok());
    }
}
