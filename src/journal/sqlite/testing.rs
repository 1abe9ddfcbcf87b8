//! A journal in a file of its own, for tests.

use std::sync::Arc;

use tempfile::TempDir;

use super::super::OpenError;
pub(crate) use super::super::testing::*;
use super::{Owner, SqliteJournal};
use crate::journal::conformance;
use crate::model::id::BootId;

/// A folder with a journal in it, and its clock.
pub(crate) struct Bench {
    pub(crate) folder: TempDir,
    pub(crate) clock: Arc<ManualClock>,
}

impl Bench {
    pub(crate) fn new() -> Self {
        Self { folder: tempfile::tempdir().unwrap(), clock: ManualClock::at(T0) }
    }

    pub(crate) fn path(&self) -> std::path::PathBuf {
        self.folder.path().join("riposte.db")
    }

    pub(crate) fn try_open(&self, boot: &str, owner: Owner) -> Result<SqliteJournal, OpenError> {
        SqliteJournal::open(&self.path(), TENANT, self.clock.clone(), BootId::derive(&[boot]), owner)
    }

    pub(crate) fn open(&self) -> SqliteJournal {
        self.try_open("boot", Owner::Daemon).unwrap()
    }

    pub(crate) fn visit(&self) -> SqliteJournal {
        self.try_open("visitor", Owner::Visitor).unwrap()
    }
}

impl conformance::Bench for Bench {
    type Journal = SqliteJournal;

    fn new() -> Self {
        Self::new()
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    fn open_as(&self, boot: &str) -> SqliteJournal {
        self.try_open(boot, Owner::Daemon).unwrap()
    }

    fn visit(&self) -> SqliteJournal {
        self.visit()
    }

    fn meddle(&self, sql: &str) {
        // Whoever can change the journal can change what lies beside it.
        drop(std::fs::remove_file(self.folder.path().join("riposte.db.written")));
        rusqlite::Connection::open(self.path()).unwrap().execute_batch(sql).unwrap();
    }
}
