//! Settings of this machine: the journal, the rules' folder, looks, the listener and the log.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;
use tracing_subscriber::EnvFilter;
use url::Url;

use super::endpoints::Tls;
use super::origin::Origin;
use super::print;
use super::read::{Item, Table};
use super::secret::SecretSource;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(86_400);

/// Decisions look back for 30 days at most (`guardrails.max_age`, `guardrails.cooldown`, the lookback of triggers).
const LEAST_KEPT: Duration = Duration::from_secs(31 * 86_400);
/// A hundred years.
const MOST_KEPT: Duration = Duration::from_secs(36_500 * 86_400);

/// `[journal]`.
#[derive(Debug, Clone, Serialize)]
pub struct JournalFile {
    /// The SQLite file, on a local disk. It counts where no database is named.
    pub sqlite: PathBuf,
    /// The PostgreSQL database, for several replicas.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub postgres: Option<Database>,
    /// How long alerts that came to their end are kept, with what was done for them; without it, for ever.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "print::maybe_duration")]
    pub keep: Option<Duration>,
}

/// A PostgreSQL database.
#[derive(Debug, Clone, Serialize)]
pub struct Database {
    /// `postgres://USER@HOST/DATABASE`, without a password.
    pub address: String,
    /// The user's password, where the database wants one.
    pub password: Option<SecretSource>,
    /// Authorities that are trusted besides the system's (`tls.ca_file`).
    #[serde(skip)]
    pub ca_file: Option<PathBuf>,
}

/// `[rules]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Rules {
    /// The folder of rules and playbooks.
    pub dir: PathBuf,
    /// The folder of the poll query and the triggers; the shipped ones count beside it, unless one there has the same name.
    pub kql: Option<PathBuf>,
    /// The tenant's modes.
    pub modes: PathBuf,
    /// A file of tables that queries may read, beside those that are known anyway.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tables: Option<PathBuf>,
}

/// `[verify]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Verify {
    /// How long after an action each look at its effect is made; ascending.
    #[serde(serialize_with = "print::durations")]
    pub looks: Vec<Duration>,
    /// How often the directory is synchronised: when a hybrid account is looked at again.
    #[serde(serialize_with = "print::duration")]
    pub sync_interval: Duration,
}

/// `[calls]`: at which pace the vendors' APIs are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CallPace {
    /// Below the limits that the vendors document.
    Documented,
    /// As fast as they answer: to measure against a lab without limits, never against a tenant.
    None,
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Log {
    /// In which form.
    pub format: LogFormat,
    /// What is logged: a level, or directives such as `riposte=debug,riposte::connect=trace`. `RIPOSTE_LOG` goes before
    /// the settings.
    pub level: String,
}

/// In which form lines are logged.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum LogFormat {
    /// Pretty on a terminal, JSON elsewhere.
    Auto,
    /// For people.
    Pretty,
    /// For machines.
    Json,
}

impl JournalFile {
    /// With whether somebody has named it.
    pub(super) fn read(mut table: Table<'_>, tls: &Tls) -> (Self, bool) {
        let (file, database, password) = (table.take("sqlite"), table.take("postgres"), table.take("password"));
        let is_named = file.is_some() || database.is_some();
        let one_of = |file: &Item<'_>, database: &Item<'_>| {
            let (file, database) = (file.origin().rank(), database.origin().rank());
            if file == FLAG && database < FLAG { None } else { Some(file == database && file != VARIABLE) }
        };
        let (file, database) = match (file, database) {
            (Some(file), Some(database)) => match one_of(&file, &database) {
                None => (Some(file), None),
                Some(false) => (None, Some(database)),
                Some(true) => {
                    let message = "journal.sqlite and journal.postgres: there is one journal".to_owned();
                    let help = Some("leave one of them out");
                    table.reading().error("settings/wrong-value", database.origin(), message, help);
                    (Some(file), Some(database))
                }
            },
            one => one,
        };
        let sqlite = file.map_or_else(|| Some(in_folder(&table, "riposte.db")), Item::path);
        let password = password.and_then(SecretSource::of);
        let keep = table.take("keep").and_then(|item| item.duration(&(LEAST_KEPT..=MOST_KEPT)));
        let address = database.and_then(|item| item.parse(address));
        let postgres = address.map(|address| Database { address, password, ca_file: tls.ca_file.clone() });
        table.end();
        (Self { sqlite: sqlite.unwrap_or_default(), postgres, keep }, is_named)
    }
}

/// What goes before what: a flag before a variable before the file.
const VARIABLE: u8 = 2;
const FLAG: u8 = 3;

/// The address of a database. What is finer is found where it is used.
fn address(text: &str) -> Result<String, &'static str> {
    const FORM: &str = "is no address such as postgres://USER@HOST/DATABASE";
    let url = Url::parse(text).map_err(|_| FORM)?;
    if url.password().is_some() {
        return Err(
            "must not carry a password; give it as journal.password = { env = \"NAME\" } or { file = \"PATH\" }",
        );
    }
    if url.query_pairs().any(|(key, _)| key != "sslmode") {
        return Err("must hold no option but sslmode; a password is given as journal.password");
    }
    let is_one = matches!(url.scheme(), "postgres" | "postgresql") && url.has_host() && url.path().len() > 1;
    if is_one && !url.username().is_empty() { Ok(text.to_owned()) } else { Err(FORM) }
}

impl Rules {
    pub(super) fn read(mut table: Table<'_>) -> Self {
        let dir = table.take("dir").and_then(|item| {
            let default =
                "the folder \"playbooks\" beside the settings, or the rules shipped in riposte where there is none";
            there(item, Kind::Folder, default)
        });
        let dir = dir.unwrap_or_else(|| in_folder(&table, "playbooks"));
        let kql = table
            .take("kql")
            .and_then(|item| there(item, Kind::Folder, "the poll query and the triggers shipped in riposte"));
        let modes = table.take("modes").and_then(|item| {
            there(item, Kind::File, "modes.yaml in the folder of rules, or simulate for every rule where there is none")
        });
        let modes = modes.unwrap_or_else(|| dir.join("modes.yaml"));
        let tables =
            table.take("tables").and_then(|item| there(item, Kind::File, "the tables that riposte knows by itself"));
        table.end();
        Self { dir, kql, modes, tables }
    }
}

#[derive(Clone, Copy)]
enum Kind {
    File,
    Folder,
}

/// A path that is named must be there: a mistyped one would quietly give other rules.
fn there(item: Item<'_>, kind: Kind, default: &str) -> Option<PathBuf> {
    let (reading, origin, name) = (item.reading(), item.origin().clone(), item.name());
    let path = item.path()?;
    let wrong = match (std::fs::metadata(&path), kind) {
        (Ok(found), Kind::Folder) if !found.is_dir() => Some("is not a folder".to_owned()),
        (Ok(found), Kind::File) if !found.is_file() => Some("is not a file".to_owned()),
        (Ok(_), Kind::Folder | Kind::File) => None,
        (Err(error), _) if error.kind() == std::io::ErrorKind::NotFound => Some("is not there".to_owned()),
        (Err(error), _) => Some(format!("cannot be looked at: {error}")),
    };
    if let Some(wrong) = wrong {
        let resolved = std::path::absolute(&path).unwrap_or_else(|_| path.clone());
        let message = format!("{name}: {} {wrong}", super::origin::shown(&resolved.display().to_string()));
        let help = format!("correct the path, or leave {name} out for the default: {default}");
        reading.error("settings/missing-path", &origin, message, Some(&help));
    }
    Some(path)
}

fn in_folder(table: &Table<'_>, name: &str) -> PathBuf {
    table.reading().folder().join(name)
}

impl Verify {
    pub(super) fn read(mut table: Table<'_>) -> Self {
        let usual = [Duration::ZERO, 5 * SECOND, 30 * SECOND, 2 * MINUTE, 10 * MINUTE].to_vec();
        let looks = table.take("looks").map(|item| {
            let (reading, origin, name) = (item.reading(), item.origin().clone(), item.name());
            let fits = Duration::ZERO..=DAY;
            let looks: Vec<Duration> = item.items().into_iter().filter_map(|item| item.duration(&fits)).collect();
            if looks.is_empty() || !looks.is_sorted_by(|a, b| a < b) {
                let help = Some("for example [\"0s\", \"5s\", \"30s\", \"2m\", \"10m\"]");
                let message = format!("{name} must be durations that grow, at least one");
                reading.error("settings/wrong-value", &origin, message, help);
            }
            looks
        });
        let sync_interval = table.duration("sync_interval", 30 * MINUTE, SECOND..=DAY);
        table.end();
        Self { looks: looks.unwrap_or(usual), sync_interval }
    }
}

/// `[http]`: where health and metrics are served; `off` or nothing for nowhere.
pub(super) fn listen(mut table: Table<'_>) -> Option<SocketAddr> {
    let address = table.take("listen").and_then(|item| {
        item.parse(|text| match text {
            "off" => Ok(None),
            address => address.parse().map(Some).map_err(|_| "is neither off nor an address such as 127.0.0.1:8080"),
        })
    });
    table.end();
    address.flatten()
}

/// `[calls]`.
pub(super) fn pace(mut table: Table<'_>) -> CallPace {
    let words = [("documented", CallPace::Documented), ("none", CallPace::None)];
    let pace = table.word("pace", CallPace::Documented, &words);
    table.end();
    pace
}

impl Log {
    pub(super) fn read(mut table: Table<'_>) -> Self {
        let reading = table.reading();
        let formats = [("auto", LogFormat::Auto), ("pretty", LogFormat::Pretty), ("json", LogFormat::Json)];
        let format = table.word("format", LogFormat::Auto, &formats);
        let level = table.take("level").and_then(|item| item.parse(directives));
        table.end();
        let variable = "RIPOSTE_LOG";
        let level = match reading.variable(variable).map(directives) {
            None => level.unwrap_or_else(|| "info".into()),
            Some(Ok(level)) => level,
            Some(Err(complaint)) => {
                let message = format!("environment variable {variable} {complaint}");
                reading.error("settings/wrong-value", &Origin::Variable(variable.into()), message, None);
                String::new()
            }
        };
        Self { format, level }
    }
}

fn directives(text: &str) -> Result<String, &'static str> {
    const LEVELS: [&str; 6] = ["off", "error", "warn", "info", "debug", "trace"];
    // A bare word that is no level would be taken for a target.
    let fits = LEVELS.contains(&text) || (text.contains('=') && EnvFilter::try_new(text).is_ok());
    if fits {
        Ok(text.to_owned())
    } else {
        Err("is no level (error, warn, info, debug, trace) or list of target=level")
    }
}
