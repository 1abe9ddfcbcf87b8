//! The journal from settings: a file for one daemon, or a database for several.

use std::path::Path;
use std::sync::Arc;

use crate::journal::condition::Condition;
use crate::journal::postgres::{Password, Place, PostgresJournal, Role};
use crate::journal::sqlite::{Owner, PageCheck, SqliteJournal};
use crate::journal::{Fault, Journal, OpenError};
use crate::model::id::BootId;
use crate::model::replicas::Replicas;
use crate::model::scope::TenantKey;
use crate::model::time::{Clock, SystemClock};
use crate::settings::{Database, JournalFile, SecretSource, Settings};

/// A journal, the clock to live by with it, and how many work with it: replicas that share a database share its clock.
pub(super) struct Opened {
    pub(super) journal: Arc<dyn Journal>,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) replicas: Replicas,
}

/// Opens the journal for a daemon: the owner of its file, or one replica of those on its database.
///
/// # Errors
/// When another daemon owns the file, or it or the database cannot be used.
pub(super) fn daemon_journal(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Opened, OpenError> {
    let tenant = settings.tenant.id;
    let Some(database) = &settings.journal.postgres else {
        let path = &settings.journal.sqlite;
        let journal = SqliteJournal::open(path, tenant, Arc::clone(&clock), boot(), Owner::Daemon)?;
        let replicas = Replicas::alone().after(journal.rested());
        return Ok(Opened { journal: Arc::new(journal), clock, replicas });
    };
    let journal = PostgresJournal::open(place(database)?, tenant, boot(), Role::Replica)?;
    let (clock, replicas) = (journal.clock(), journal.replicas());
    Ok(Opened { journal: Arc::new(journal), clock, replicas })
}

/// Opens a fresh journal beside the real one, for a run that changes nothing: what it only simulated must
/// not count as answered. It is a file, also where the real one is in a database.
///
/// # Errors
/// When the file cannot be used.
pub(super) fn dry_run_journal(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Opened, OpenError> {
    let mut settings = settings.clone();
    settings.journal.postgres = None;
    settings.journal.sqlite.set_extension("dry-run.db");
    for end in ["", "-wal", "-shm", ".written"] {
        let mut file = settings.journal.sqlite.clone().into_os_string();
        file.push(end);
        match std::fs::remove_file(&file) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                let what = format!("removing the journal of an earlier dry-run, {}", file.display());
                return Err(OpenError::Unusable(Fault { what, cause: error.to_string() }));
            }
            Ok(()) | Err(_) => {}
        }
    }
    daemon_journal(&settings, clock)
}

/// Opens the journal beside a running daemon: to read, to leave a message, to pause.
///
/// # Errors
/// When there is none, or it cannot be used.
pub fn visitor_journal(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Arc<dyn Journal>, OpenError> {
    visit(&settings.journal, settings.tenant.id, clock)
}

/// Whether the journal that settings name could be opened, or made, for that tenant where one is known.
///
/// # Errors
/// When its place, or what lies there, cannot be used; or when its database cannot be reached.
pub fn journal_usable(journal: &JournalFile, tenant: Option<TenantKey>) -> Result<(), OpenError> {
    match &journal.postgres {
        Some(database) => PostgresJournal::usable(place(database)?, tenant),
        None => SqliteJournal::usable(&journal.sqlite, tenant),
    }
}

/// Opens a journal beside a running daemon, for the tenant that it belongs to.
///
/// # Errors
/// When there is none, or it cannot be used.
pub fn journal_at(journal: &JournalFile, clock: Arc<dyn Clock>) -> Result<Arc<dyn Journal>, OpenError> {
    let tenant = match &journal.postgres {
        Some(database) => PostgresJournal::tenant_of(place(database)?)?,
        None => SqliteJournal::tenant_of(&journal.sqlite)?,
    };
    visit(journal, tenant, clock)
}

fn visit(journal: &JournalFile, tenant: TenantKey, clock: Arc<dyn Clock>) -> Result<Arc<dyn Journal>, OpenError> {
    Ok(match &journal.postgres {
        Some(database) => Arc::new(PostgresJournal::open(place(database)?, tenant, boot(), Role::Visitor)?),
        None => Arc::new(SqliteJournal::open(&journal.sqlite, tenant, clock, boot(), Owner::Visitor)?),
    })
}

/// Copies the journal's file as it stands into a new one, and opens that.
///
/// # Errors
/// When the new file is there already, or one of both cannot be used.
pub fn back_up(settings: &Settings, to: &Path) -> Result<Arc<dyn Journal>, OpenError> {
    SqliteJournal::back_up(&settings.journal.sqlite, to)?;
    let copy = JournalFile { sqlite: to.to_owned(), postgres: None, keep: None };
    visit(&copy, settings.tenant.id, Arc::new(SystemClock))
}

/// What is wrong with the journal's file, if it is damaged; of a database its server knows.
///
/// # Errors
/// When it cannot be looked at.
pub fn damage(journal: &JournalFile) -> Result<Option<Fault>, OpenError> {
    if journal.postgres.is_some() { Ok(None) } else { SqliteJournal::damage(&journal.sqlite) }
}

/// The same beside other work: `found` is called with what came of it, where there is a file.
///
/// # Errors
/// When it cannot be looked at.
pub fn check_pages(
    journal: &JournalFile,
    found: impl FnOnce(Result<Option<Fault>, Fault>) + Send + 'static,
) -> Result<Option<PageCheck>, OpenError> {
    if journal.postgres.is_some() {
        return Ok(None);
    }
    SqliteJournal::check_pages(&journal.sqlite, found).map(Some)
}

/// How the journal does, seen from outside: it need not be possible to open it.
///
/// # Errors
/// When there is none, or it cannot be looked at.
pub fn condition(journal: &JournalFile) -> Result<Condition, OpenError> {
    match &journal.postgres {
        Some(database) => PostgresJournal::condition(place(database)?),
        None => SqliteJournal::condition(&journal.sqlite),
    }
}

/// Why the journal's file is older than what was last written there, if it is.
///
/// # Errors
/// When it cannot be read.
pub fn put_back(journal: &JournalFile) -> Result<Option<String>, OpenError> {
    if journal.postgres.is_some() { Ok(None) } else { SqliteJournal::put_back(&journal.sqlite) }
}

/// The journal in the database that settings name, opened, or made, to be copied into; `None` where they name none.
///
/// # Errors
/// When the database cannot be used.
pub fn database(settings: &Settings) -> Result<Option<PostgresJournal>, OpenError> {
    let Some(database) = &settings.journal.postgres else { return Ok(None) };
    PostgresJournal::open(place(database)?, settings.tenant.id, boot(), Role::Copier).map(Some)
}

/// The journal in a file, on which no daemon runs, to be copied.
///
/// # Errors
/// When there is none, a daemon works on it, or it cannot be used.
pub fn file_to_copy(file: &Path, tenant: TenantKey) -> Result<Arc<SqliteJournal>, OpenError> {
    let clock: Arc<dyn Clock> = Arc::new(SystemClock);
    SqliteJournal::open(file, tenant, clock, boot(), Owner::Copier).map(Arc::new)
}

/// How a database is reached.
fn place(database: &Database) -> Result<Place, OpenError> {
    let unusable = |cause: String| {
        OpenError::Unusable(Fault { what: "cannot use the database of [journal] postgres".to_owned(), cause })
    };
    let password = database.password.clone();
    password
        .as_ref()
        .map(SecretSource::read)
        .transpose()
        .map_err(|error| unusable(format!("its password: {error}")))?;
    let password =
        password.map(|source| -> Password { Arc::new(move || source.read().map_err(|error| error.to_string())) });
    let authorities = database.ca_file.as_ref().map(std::fs::read).transpose();
    let authorities = authorities.map_err(|error| unusable(format!("tls.ca_file: {error}")))?;
    Place::new(&database.address, password, authorities.as_deref())
        .map_err(|wrong| unusable(format!("its address {wrong}")))
}

#[expect(clippy::disallowed_methods, reason = "a run of the process is new by definition")]
fn boot() -> BootId {
    BootId::from_uuid(uuid::Uuid::new_v4())
}
