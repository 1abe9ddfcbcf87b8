//! Connections for questions: each answered from one snapshot, beside the writer.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use rusqlite::Connection;
use tokio::sync::Semaphore;

use super::super::Fault;
use super::Identity;
use super::fault::sql_fault;
use super::open::reader;
use super::read::View;
use super::steady::SteadyClock;

/// At most this many questions at once.
const MOST: usize = 4;

/// A small pool.
pub(super) struct Readers {
    path: PathBuf,
    identity: Arc<Identity>,
    clock: Arc<SteadyClock>,
    idle: Mutex<Vec<Connection>>,
    room: Arc<Semaphore>,
}

impl Readers {
    pub(super) fn new(path: PathBuf, identity: Arc<Identity>, clock: Arc<SteadyClock>) -> Arc<Self> {
        Arc::new(Self { path, identity, clock, idle: Mutex::new(Vec::new()), room: Arc::new(Semaphore::new(MOST)) })
    }

    /// Answers a question on a thread that may block.
    pub(super) async fn ask<T, Q>(self: &Arc<Self>, what: &'static str, question: Q) -> Result<T, Fault>
    where
        T: Send + 'static,
        Q: FnOnce(&View<'_>) -> rusqlite::Result<T> + Send + 'static,
    {
        let fault = |cause: String| Fault { what: what.to_owned(), cause };
        let room = Arc::clone(&self.room).acquire_owned().await.map_err(|e| fault(e.to_string()))?;
        let readers = Arc::clone(self);
        let answer = tokio::task::spawn_blocking(move || {
            let answer = readers.answer(question);
            drop(room);
            answer
        });
        let answer = answer.await;
        answer.map_err(|e| fault(format!("a bug in riposte: {e}")))?.map_err(|e| sql_fault(what, &e))
    }

    fn answer<T>(&self, question: impl FnOnce(&View<'_>) -> rusqlite::Result<T>) -> rusqlite::Result<T> {
        let idle = self.idle.lock().unwrap_or_else(PoisonError::into_inner).pop();
        let mut db = idle.map_or_else(|| reader(&self.path), Ok)?;
        let snapshot = db.transaction()?;
        let Identity { tenant_text, boot_text, .. } = self.identity.as_ref();
        let view = View { db: &snapshot, t: tenant_text, me: boot_text, now: self.clock.now() };
        let answer = question(&view)?;
        snapshot.commit()?;
        self.idle.lock().unwrap_or_else(PoisonError::into_inner).push(db);
        Ok(answer)
    }
}
