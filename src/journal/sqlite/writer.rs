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

use super::super::nudge::Nudges;
use super::super::{CommitError, Fault};
use super::fault::{Stop, sql_fault};
use super::rows::Tx;
use super::steady::SteadyClock;
use super::written::Written;
use super::{Identity, copy};

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
    pub(super) written: Option<Written>,
    pub(super) lock: Option<File>,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(desk: Desk) -> Result<Self, Fault> {
        let (queue, work) = channel();
        // Looked at before anybody else can, so that no visitor's write is missed.
        let seen = data_version(&desk.db).ok();
        let thread = std::thread::Builder::new()
            .name("journal-writer".to_owned())
            .spawn(move || Loop { desk, poison: None, seen }.run(&work))
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
    /// The fault it ended with, if it did.
    fn fault(&self) -> Option<&Fault>;
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

    fn fault(&self) -> Option<&Fault> {
        match &self.result {
            Some(Err(CommitError::Fault(fault) | CommitError::Nonsense(fault))) => Some(fault),
            Some(Ok(_) | Err(_)) | None => None,
        }
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
                for job in &mut jobs {
                    job.spoil(&fault);
                }
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
        let done = self.not_moved().and_then(|()| savepoints(&tx, jobs));
        match done {
            Ok(nudge) => match db.execute_batch("commit") {
                Ok(()) => {
                    self.note();
                    Ok(nudge)
                }
                Err(error) => Err(self.poisoned(&error)),
            },
            Err(fault) => {
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

    /// Whoever is the only one here, by the lock, knows; a visitor may have come before the file was copied.
    fn not_moved(&self) -> Result<(), Fault> {
        const WHAT: &str = "writing into the journal's file";
        if self.desk.lock.is_some() {
            return Ok(());
        }
        let marked = copy::marked(&self.desk.db).map_err(|e| sql_fault(WHAT, &e))?;
        marked.map_or(Ok(()), |mark| Err(Fault { what: WHAT.to_owned(), cause: mark.why() }))
    }

    fn poisoned(&mut self, error: &rusqlite::Error) -> Fault {
        let mut fault = sql_fault("committing", error);
        fault.cause.push_str(
            "; what was being written may be on disk or not, and nothing more is written before riposte starts again",
        );
        self.poison = Some(fault.clone());
        // What is left of the transaction must not keep visitors out; the fault is told already.
        if !self.desk.db.is_autocommit()
            && let Err(error) = self.desk.db.execute_batch("rollback")
        {
            tracing::debug!(%error, "nothing to roll back");
        }
        fault
    }

    /// Notes how far the journal is written.
    fn note(&mut self) {
        if let Some(written) = &mut self.desk.written {
            written.keep(&self.desk.db);
        }
    }

    fn look_for_others(&mut self) {
        match data_version(&self.desk.db) {
            Ok(version) if self.seen.replace(version) == Some(version) => {}
            // What cannot be looked at may have changed; whoever looks then gets the fault.
            Ok(_) | Err(_) => {
                self.note();
                self.desk.nudges.add();
            }
        }
    }
}

/// A number that changes when another connection has committed, never by our own commits.
fn data_version(db: &Connection) -> rusqlite::Result<i64> {
    db.prepare_cached("pragma data_version")?.query_row([], |row| row.get(0))
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

/// Every job in its savepoint; whether one that is kept can make a lane due. A fault is the whole
/// transaction's.
fn savepoints(tx: &Tx<'_>, jobs: &mut [Box<dyn Job>]) -> Result<bool, Fault> {
    let run = |sql| tx.run(sql, []).map_err(|e| sql_fault("writing", &e));
    let mut nudge = false;
    for job in jobs {
        run("savepoint job")?;
        let kept = job.run(tx);
        if tx.db.is_autocommit() {
            // On a full disk and the like SQLite rolls everything back by itself.
            let gave_up = || Fault { what: "writing".to_owned(), cause: "SQLite gave the transaction up".to_owned() };
            return Err(job.fault().cloned().unwrap_or_else(gave_up));
        }
        if !kept {
            run("rollback to job")?;
        }
        run("release job")?;
        nudge |= kept && job.nudges();
    }
    Ok(nudge)
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Bench, ManualClock, T0, TENANT};
    use super::*;
    use crate::model::id::BootId;

    /// A writer on a bare file, in which a broken reference is found at the commit only.
    fn writer(bench: &Bench) -> (Writer, Arc<Nudges>) {
        let db = Connection::open(bench.path()).unwrap();
        db.execute_batch(
            "pragma foreign_keys = on;
             create table item (id integer primary key, other integer references item deferrable initially deferred)",
        )
        .unwrap();
        let boot = BootId::derive(&["boot"]);
        let identity =
            Arc::new(Identity { tenant: TENANT, tenant_text: TENANT.to_string(), boot, boot_text: boot.to_string() });
        let nudges = Arc::new(Nudges::new());
        let clock = Arc::new(SteadyClock::new(ManualClock::at(T0)));
        let desk = Desk {
            db,
            identity,
            clock,
            nudges: Arc::clone(&nudges),
            written: None,
            lock: Some(tempfile::tempfile().unwrap()),
        };
        (Writer::start(desk).unwrap(), nudges)
    }

    fn insert(id: i64) -> impl FnOnce(&Tx<'_>) -> Result<(), Stop> + Send {
        move |tx| tx.run("insert into item (id) values (?1)", [id]).map(drop).map_err(Stop::from)
    }

    fn insert_broken(id: i64) -> impl FnOnce(&Tx<'_>) -> Result<(), Stop> + Send {
        move |tx| tx.run("insert into item (id, other) values (?1, 999)", [id]).map(drop).map_err(Stop::from)
    }

    fn count(bench: &Bench) -> i64 {
        Connection::open(bench.path()).unwrap().query_row("select count(*) from item", [], |row| row.get(0)).unwrap()
    }

    #[tokio::test]
    async fn refused_and_panicking_work_leaves_its_neighbours_in_the_same_group_alone() {
        let bench = Bench::new();
        let (writer, _) = writer(&bench);
        // The first job keeps the thread busy until all the others wait in the queue.
        let (open, gate) = channel::<()>();
        let first = writer.write("a", false, move |_| {
            gate.recv().unwrap();
            Ok(())
        });
        let refused = writer.write("b", false, |tx| {
            insert(1)(tx)?;
            Err::<(), _>(Stop::Refused(CommitError::Fenced))
        });
        let panicking = writer.write("c", false, |tx| {
            insert(2)(tx)?;
            assert!(tx.me.is_empty(), "a bug");
            Ok(())
        });
        let opening = async { open.send(()).unwrap() };
        let results = futures::join!(
            first,
            writer.write("d", false, insert(3)),
            refused,
            panicking,
            writer.write("e", false, insert(4)),
            opening
        );
        assert!(results.0.is_ok() && results.1.is_ok() && results.4.is_ok());
        assert!(matches!(results.2, Err(CommitError::Fenced)));
        assert!(matches!(results.3, Err(CommitError::Nonsense(fault)) if fault.cause.contains("panicked")));
        assert_eq!(count(&bench), 2);
    }

    #[tokio::test]
    async fn a_failed_commit_is_a_fault_for_the_whole_group_and_for_everything_after_it() {
        let bench = Bench::new();
        let (writer, nudges) = writer(&bench);
        writer.write("a", false, insert(1)).await.unwrap();
        let (open, gate) = channel::<()>();
        let first = writer.write("b", false, move |_| {
            gate.recv().unwrap();
            Ok(())
        });
        let opening = async { open.send(()).unwrap() };
        // The group begins with whatever follows the first job.
        let results = futures::join!(
            first,
            writer.write("c", false, insert(2)),
            writer.write("d", false, insert_broken(3)),
            opening
        );
        for result in [results.1, results.2, writer.write("e", false, insert(4)).await] {
            let Err(CommitError::Fault(fault)) = result else { panic!("not a fault: {result:?}") };
            assert!(fault.cause.contains("before riposte starts again"), "{fault}");
        }
        assert_eq!(count(&bench), 1);
        nudges.next().await;
    }

    struct Deadly;

    impl Job for Deadly {
        fn run(&mut self, _: &Tx<'_>) -> bool {
            true
        }
        fn nudges(&self) -> bool {
            false
        }
        fn fault(&self) -> Option<&Fault> {
            None
        }
        fn spoil(&mut self, _: &Fault) {}
        fn answer(self: Box<Self>) {
            panic!("the thread dies here");
        }
    }

    #[tokio::test]
    async fn a_dead_thread_is_a_fault_and_not_a_hang() {
        let bench = Bench::new();
        let (writer, nudges) = writer(&bench);
        writer.queue.as_ref().unwrap().send(Box::new(Deadly)).unwrap();
        let result = writer.write("a", false, insert(1)).await;
        assert!(matches!(result, Err(CommitError::Fault(fault)) if fault.cause == GONE));
        nudges.next().await;
    }
}
