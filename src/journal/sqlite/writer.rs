//! The one thread that writes, with group commit.
//!
//! Work that waits is drained into one transaction, so that many callers share one flush to disk.
//! Every piece of work has a savepoint of its own: a refused one rolls back alone. Nobody is answered
//! before the commit. When the commit fails nobody knows what is on disk, so everybody gets the fault
//! and nothing is written by this process any more: a failed flush must not be repeated.
//!
//! Work whose caller no longer waits is done all the same.

use std::fs::File;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::Connection;
use tokio::sync::oneshot;

use super::super::{CommitError, Fault};
use super::Identity;
use super::fault::{Stop, sql_fault};
use super::nudge::Nudges;
use super::rows::Tx;
use super::steady::SteadyClock;

/// How often to look for writes of other processes.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// At most this many pieces of work share a transaction, so that the first need not wait for long.
const GROUP: usize = 256;

/// The queue to the thread. Dropping it lets the thread finish what waits and close the file.
pub(super) struct Writer {
    queue: Option<Sender<Box<dyn Job>>>,
    thread: Option<JoinHandle<()>>,
}

/// What the thread owns. The lock comes last: it goes after the connection.
pub(super) struct Desk {
    pub(super) db: Connection,
    pub(super) identity: Arc<Identity>,
    pub(super) clock: Arc<SteadyClock>,
    pub(super) nudges: Arc<Nudges>,
    pub(super) lock: Option<File>,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(desk: Desk) -> Result<Self, Fault> {
        let (queue, work) = channel();
        let thread = std::thread::Builder::new()
            .name("journal-writer".to_owned())
            .spawn(move || Loop { desk, poison: None, seen: None }.run(&work))
            .map_err(|e| Fault { what: "starting the journal's writer".to_owned(), cause: e.to_string() })?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Runs `work` in a transaction and answers when it is on disk. `what` names it in faults.
    pub(super) async fn write<T, W>(&self, what: &'static str, nudges: bool, work: W) -> Result<T, CommitError>
    where
        T: Send + 'static,
        W: FnOnce(&Tx<'_>) -> Result<T, Stop> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job = Task { what, nudges, work: Some(work), result: None, reply };
        let gone = || CommitError::Fault(Fault { what: what.to_owned(), cause: GONE.to_owned() });
        self.queue.as_ref().ok_or_else(gone)?.send(Box::new(job)).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        self.queue = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the journal's writer ended with a panic");
        }
    }
}

const GONE: &str = "the journal's writer has ended; start riposte again";

/// A piece of work on its way through a transaction.
trait Job: Send {
    /// Does it inside its savepoint; `false` when that has to be rolled back.
    fn run(&mut self, tx: &Tx<'_>) -> bool;
    /// Whether it can make a lane due.
    fn nudges(&self) -> bool;
    /// Nothing of it is certain any more.
    fn spoil(&mut self, fault: &Fault);
    /// Answers the caller.
    fn answer(self: Box<Self>);
}

struct Task<T, W> {
    what: &'static str,
    nudges: bool,
    work: Option<W>,
    result: Option<Result<T, CommitError>>,
    reply: oneshot::Sender<Result<T, CommitError>>,
}

impl<T, W> Job for Task<T, W>
where
    T: Send,
    W: FnOnce(&Tx<'_>) -> Result<T, Stop> + Send,
{
    fn run(&mut self, tx: &Tx<'_>) -> bool {
        let Some(work) = self.work.take() else { return false };
        let done = catch_unwind(AssertUnwindSafe(|| work(tx)))
            .unwrap_or_else(|_| Err(Stop::Nonsense("a bug in riposte: this write panicked".to_owned())));
        self.result = Some(done.map_err(|stop| stop.into_error(self.what)));
        matches!(self.result, Some(Ok(_)))
    }

    fn nudges(&self) -> bool {
        self.nudges
    }

    fn spoil(&mut self, fault: &Fault) {
        self.result = Some(Err(CommitError::Fault(fault.clone())));
    }

    fn answer(self: Box<Self>) {
        // A caller that no longer listens has nobody to be told.
        if let Some(result) = self.result {
            drop(self.reply.send(result));
        }
    }
}

struct Loop {
    desk: Desk,
    poison: Option<Fault>,
    /// `data_version` at the last look.
    seen: Option<i64>,
}

impl Loop {
    fn run(mut self, work: &Receiver<Box<dyn Job>>) {
        loop {
            match work.recv_timeout(LOOK_EVERY) {
                Ok(first) => {
                    let group = std::iter::once(first).chain(work.try_iter().take(GROUP - 1)).collect();
                    self.group(group);
                }
                Err(RecvTimeoutError::Timeout) => {}
                Err(RecvTimeoutError::Disconnected) => return,
            }
            self.look_for_others();
        }
    }

    fn group(&mut self, mut jobs: Vec<Box<dyn Job>>) {
        let outcome = match &self.poison {
            Some(fault) => Err(fault.clone()),
            None => self.transact(&mut jobs),
        };
        match outcome {
            Ok(true) => self.desk.nudges.add(),
            Ok(false) => {}
            Err(fault) => {
                jobs.iter_mut().for_each(|job| job.spoil(&fault));
                // Whoever waits for work has to learn of the fault too.
                self.desk.nudges.add();
            }
        }
        jobs.into_iter().for_each(Job::answer);
    }

    /// One transaction for all; whether a lane can have become due.
    fn transact(&mut self, jobs: &mut [Box<dyn Job>]) -> Result<bool, Fault> {
        let now = self.desk.clock.checked()?;
        let db = &self.desk.db;
        db.execute_batch("begin immediate").map_err(|e| sql_fault("beginning to write", &e))?;
        let identity = &self.desk.identity;
        let tx = Tx { db, tenant: identity.tenant, t: &identity.tenant_text, me: &identity.boot_text, now };
        match savepoints(&tx, jobs) {
            Ok(nudge) => match db.execute_batch("commit") {
                Ok(()) => Ok(nudge),
                Err(error) => Err(self.poisoned(&error)),
            },
            Err(error) => {
                let fault = sql_fault("writing", &error);
                // SQLite may have rolled back by itself already.
                if !db.is_autocommit()
                    && let Err(error) = db.execute_batch("rollback")
                {
                    return Err(self.poisoned(&error));
                }
                Err(fault)
            }
        }
    }

    fn poisoned(&mut self, error: &rusqlite::Error) -> Fault {
        let mut fault = sql_fault("committing", error);
        fault.cause.push_str(
            "; what was being written may be on disk or not, and nothing more is written before riposte starts again",
        );
        self.poison = Some(fault.clone());
        fault
    }

    /// `data_version` changes when another connection has committed, never by our own commits.
    fn look_for_others(&mut self) {
        let version = self
            .desk
            .db
            .prepare_cached("pragma data_version")
            .and_then(|mut query| query.query_row([], |row| row.get::<_, i64>(0)));
        match version {
            Ok(version) if self.seen.replace(version).is_none_or(|seen| seen == version) => {}
            // What cannot be looked at may have changed; whoever looks then gets the fault.
            Ok(_) | Err(_) => self.desk.nudges.add(),
        }
    }
}

impl Drop for Loop {
    fn drop(&mut self) {
        // Whoever waits for work finds out that there is no journal any more.
        self.desk.nudges.add();
        if let Some(lock) = &self.desk.lock
            && let Err(error) = lock.set_len(0)
        {
            tracing::debug!(%error, "the lock file keeps this process's name");
        }
    }
}

/// Every job in its savepoint. An error is the transaction's, not a job's.
fn savepoints(tx: &Tx<'_>, jobs: &mut [Box<dyn Job>]) -> rusqlite::Result<bool> {
    let mut nudge = false;
    for job in jobs {
        tx.run("savepoint job", [])?;
        let kept = job.run(tx);
        if tx.db.is_autocommit() {
            // A full disk or a failed read makes SQLite roll back everything by itself.
            return Err(rusqlite::Error::SqliteFailure(
                rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_IOERR),
                Some("SQLite gave the transaction up".to_owned()),
            ));
        }
        if !kept {
            tx.run("rollback to job", [])?;
        }
        tx.run("release job", [])?;
        nudge |= kept && job.nudges();
    }
    Ok(nudge)
}
