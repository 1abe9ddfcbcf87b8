//! SQLite's errors in words a person can act on.

use rusqlite::ErrorCode;

use super::super::sense::Nonsense;
use super::super::{CommitError, Fault, OpenError};

/// Why a piece of work inside a transaction ended early.
#[derive(Debug)]
pub(super) enum Stop {
    /// The journal says no.
    Refused(CommitError),
    /// SQLite says no.
    Sql(rusqlite::Error),
    /// What was asked for makes no sense: a fault of the caller.
    Nonsense(String),
}

impl From<rusqlite::Error> for Stop {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sql(error)
    }
}

impl From<Nonsense> for Stop {
    fn from(nonsense: Nonsense) -> Self {
        Self::Nonsense(nonsense.0)
    }
}

impl From<CommitError> for Stop {
    fn from(error: CommitError) -> Self {
        Self::Refused(error)
    }
}

impl Stop {
    /// In the words of the journal's door. `what` was being done.
    pub(super) fn into_error(self, what: &str) -> CommitError {
        match self {
            Self::Refused(error) => error,
            Self::Sql(error) => CommitError::Fault(sql_fault(what, &error)),
            Self::Nonsense(cause) => CommitError::Nonsense(Fault { what: what.to_owned(), cause }),
        }
    }
}

/// What SQLite said, with what to do about it.
pub(super) fn sql_fault(what: &str, error: &rusqlite::Error) -> Fault {
    let code = error.sqlite_error_code();
    let advice = ADVICE.iter().find(|(known, _)| Some(*known) == code).map(|(_, advice)| *advice);
    let cause = match advice {
        Some(advice) => format!("{advice} (SQLite says: {error})"),
        None => format!("SQLite says: {error}"),
    };
    Fault { what: what.to_owned(), cause }
}

/// What SQLite said while a journal was opened: about the path and what lies there, or about the disk.
pub(super) fn open_error(what: &str, error: &rusqlite::Error) -> OpenError {
    let fault = sql_fault(what, error);
    let chosen = [
        ErrorCode::NotADatabase,
        ErrorCode::ReadOnly,
        ErrorCode::PermissionDenied,
        ErrorCode::CannotOpen,
        ErrorCode::FileLockingProtocolFailed,
    ];
    let unusable = error.sqlite_error_code().is_some_and(|code| chosen.contains(&code));
    if unusable { OpenError::Unusable(fault) } else { OpenError::Failed(fault) }
}

const ADVICE: &[(ErrorCode, &str)] = &[
    (
        ErrorCode::DatabaseBusy,
        "another process keeps the journal locked, such as a command that hangs or a backup of files; end it, then try again",
    ),
    (
        ErrorCode::DatabaseLocked,
        "another process keeps the journal locked, such as a command that hangs or a backup of files; end it, then try again",
    ),
    (ErrorCode::DiskFull, "the disk is full; make room, then start riposte again"),
    (
        ErrorCode::DatabaseCorrupt,
        "the file is damaged; set it aside together with its -wal file, and put a backup in its place",
    ),
    (ErrorCode::NotADatabase, "the file is no journal; name another file in the settings ([journal] sqlite)"),
    (ErrorCode::ReadOnly, "the file or its folder cannot be written; give riposte's user the right to write both"),
    (
        ErrorCode::PermissionDenied,
        "the file or its folder cannot be used; give riposte's user the right to read and write both",
    ),
    (
        ErrorCode::CannotOpen,
        "the file cannot be opened; look whether its folder exists and riposte's user may write there",
    ),
    (ErrorCode::SystemIoFailure, "the disk failed; look into the system's log, then start riposte again"),
    (ErrorCode::FileLockingProtocolFailed, "locks do not work on this file system; put the journal on a local disk"),
    (ErrorCode::OutOfMemory, "the process has no memory left; give it more"),
    (ErrorCode::TooBig, "one value is larger than SQLite can store"),
];

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_says_what_to_do() {
        let error = rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_FULL), None);
        let fault = sql_fault("writing", &error);
        assert!(fault.to_string().starts_with("journal: writing: the disk is full; make room"), "{fault}");
    }
}
