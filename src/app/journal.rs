//! The journal from settings.

use std::sync::Arc;

use crate::journal::sqlite::{Owner, SqliteJournal};
use crate::journal::{Fault, Journal};
use crate::model::id::BootId;
use crate::model::time::Clock;
use crate::settings::Settings;

/// Opens the journal for the daemon, which owns it.
///
/// # Errors
/// When another daemon owns it, or the file cannot be used.
pub fn daemon_journal(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Arc<dyn Journal>, Fault> {
    open(settings, clock, Owner::Daemon)
}

/// Opens the journal beside a running daemon: to read, to leave a message, to pause.
///
/// # Errors
/// When there is none, or the file cannot be used.
pub fn visitor_journal(settings: &Settings, clock: Arc<dyn Clock>) -> Result<Arc<dyn Journal>, Fault> {
    open(settings, clock, Owner::Visitor)
}

fn open(settings: &Settings, clock: Arc<dyn Clock>, owner: Owner) -> Result<Arc<dyn Journal>, Fault> {
    let path = settings.journal.sqlite.clone();
    let tenant = settings.tenant.id;
    let journal = SqliteJournal::open(&path, tenant, clock, boot(), owner)?;
    Ok(Arc::new(journal))
}

#[expect(clippy::disallowed_methods, reason = "a run of the process is new by definition")]
fn boot() -> BootId {
    BootId::from_uuid(uuid::Uuid::new_v4())
}
