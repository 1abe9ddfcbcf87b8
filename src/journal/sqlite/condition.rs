//! How the file does, seen without opening it as a journal: that may be what does not work.

use std::fs::{File, TryLockError};
use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use super::super::Fault;
use super::super::condition::Condition;
use super::fault::sql_fault;
use super::files::beside;
use super::open::connect;

/// A write of riposte takes milliseconds.
const LONG: Duration = Duration::from_secs(2);

/// Looks. It takes longer than a moment only where the file is locked.
pub(super) fn condition(path: &Path) -> Result<Condition, Fault> {
    let what = format!("looking how {} does", path.display());
    let locked = is_locked(path).map_err(|error| sql_fault(&what, &error))?;
    Ok(Condition { daemons: usize::from(is_owned(path, &what)?), free: free(path), locked })
}

/// Whether a daemon has it. A lock of ours beside those of other visitors lasts for less than a daemon waits that starts
/// just then.
fn is_owned(path: &Path, what: &str) -> Result<bool, Fault> {
    let fault = |cause: std::io::Error| Fault { what: what.to_owned(), cause: cause.to_string() };
    let file = match File::open(beside(path, ".lock")) {
        Ok(file) => file,
        // No daemon was ever here.
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(fault(error)),
    };
    match file.try_lock_shared() {
        Ok(()) => Ok(false),
        Err(TryLockError::WouldBlock) => Ok(true),
        Err(TryLockError::Error(error)) => Err(fault(error)),
    }
}

/// Whether somebody keeps others from writing. Nothing is written.
fn is_locked(path: &Path) -> rusqlite::Result<bool> {
    let try_it = |db: &Connection| -> rusqlite::Result<()> {
        db.busy_timeout(LONG)?;
        Transaction::new_unchecked(db, TransactionBehavior::Immediate)?.rollback()
    };
    match connect(path).and_then(|db| try_it(&db)) {
        Ok(()) => Ok(false),
        Err(error) => match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Ok(true),
            // Where nobody here may write at all, that is said by who tries to.
            Some(ErrorCode::ReadOnly | ErrorCode::DiskFull) => Ok(false),
            _ => Err(error),
        },
    }
}

#[cfg(unix)]
fn free(path: &Path) -> Option<u64> {
    let found = rustix::fs::statvfs(path).ok()?;
    Some(found.f_bavail.saturating_mul(found.f_frsize))
}

#[cfg(not(unix))]
fn free(_: &Path) -> Option<u64> {
    None
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;

    #[tokio::test]
    async fn a_daemon_is_seen_while_it_has_the_file_and_who_only_looks_is_none() {
        let bench = Bench::new();
        drop(bench.open());
        assert_eq!(condition(&bench.path()).unwrap().daemons, 0);
        let daemon = bench.open();
        let seen = condition(&bench.path()).unwrap();
        assert_eq!((seen.daemons, seen.locked), (1, false));
        assert!(seen.free.is_some_and(|free| free > 0));
        // Who looks at the same time does not see another who looks.
        drop(daemon);
        let looking = File::open(beside(&bench.path(), ".lock")).unwrap();
        looking.try_lock_shared().unwrap();
        assert_eq!(condition(&bench.path()).unwrap().daemons, 0);
    }

    #[test]
    fn a_lock_that_lasts_is_seen() {
        let bench = Bench::new();
        drop(bench.open());
        let other = Connection::open(bench.path()).unwrap();
        other.execute_batch("begin immediate").unwrap();
        assert!(condition(&bench.path()).unwrap().locked);
    }
}
