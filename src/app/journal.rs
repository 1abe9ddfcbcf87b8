//! The journal from settings.

use std::path::Path;
use std::sync::Arc;

use crate::journal::sqlite::{Owner, SqliteJournal};
use crate::journal::{Fault, Journal, OpenError};
use crate::model::id::BootId;
use crate::model::scope::TenantKey;
use crate::model::time::Clock;
use crate::settings::{JournalFile, Settings};

/// Opens the journal for the daemon, which owns it.
///
/// # Errors
/// When another daemon owns it, or the file cannot be used.
pub fn daemon_journal(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Arc<dyn Journal>, OpenError> {
    open(settings, clock, Owner::Daemon)
}

/// Opens a fresh journal beside the real one, for a run that changes nothing: what it only simulated must
/// not count as answered.
///
/// # Errors
/// When the file cannot be used.
pub(super) fn dry_run_journal(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Arc<dyn Journal>, OpenError> {
    let mut settings = settings.clone();
    settings.journal.sqlite.set_extension("dry-run.db");
    for end in ["", "-wal", "-shm"] {
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
    open(&settings, clock, Owner::Daemon)
}

/// Opens the journal beside a running daemon: to read, to leave a message, to pause.
///
/// # Errors
/// When there is none, or the file cannot be used.
pub fn visitor_journal(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Arc<dyn Journal>, OpenError> {
    open(settings, clock, Owner::Visitor)
}

/// Whether the journal that settings name could be opened, or made, for that tenant where one is known.
///
/// # Errors
/// When its path, or what lies there, cannot be used.
pub fn journal_usable(journal: &JournalFile, tenant: Option<TenantKey>) -> Result<(), OpenError> {
    SqliteJournal::usable(&journal.sqlite, tenant)
}

/// Opens the journal at a path beside a running daemon, for the tenant that it belongs to.
///
/// # Errors
/// When there is none, or the file cannot be used.
pub fn journal_at(path: &Path, clock: Arc<dyn Clock>) -> Result<Arc<dyn Journal>, OpenError> {
    let tenant = SqliteJournal::tenant_of(path)?;
    Ok(Arc::new(SqliteJournal::open(path, tenant, clock, boot(), Owner::Visitor)?))
}

fn open(settings: &Settings, clock: Arc<dyn Clock>, owner: Owner) -> Result<Arc<dyn Journal>, OpenError> {
    let path = settings.journal.sqlite.clone();
    let tenant = settings.tenant.id;
    let journal = SqliteJournal::open(&path, tenant, clock, boot(), owner)?;
    Ok(Arc::new(journal))
}

#[expect(clippy::disallowed_methods, reason = "a run of the process is new by definition")]
fn boot() -> BootId {
    BootId::from_uuid(uuid::Uuid::new_v4())
}
