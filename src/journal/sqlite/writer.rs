//! The one thread that writes, with group commit.
//!
//! Work that waits is drained into one transaction, so that many callers share one flush to disk.
//! A refused piece of work rolls back alone: where there are several each has a savepoint. Nobody is answered
//! before the commit. When the commit fails nobody knows what is on disk, so everybody gets the fault
//! and nothing is written by this process any more: a failed flush must not be repeated.
//!
//! Work whose caller no longer waits is done all the same.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;
use std::time::Duration;

use rusqlite::{Connection, ErrorCode};

use super::super::nudge::Nudges;
use super::super::{CommitError, Fault};
use super::fault::{Stop, sql_fault};
use super::files::Lock;
use super::job::{Job, Lasting, Task};
use super::rows::Tx;
use super::steady::SteadyClock;
use super::written::Written;
use super::{Identity, copy};

/// How often to look for writes of other processes.
const LOOK_EVERY: Duration = Duration::from_millis(200);

/// After so many commits the write-ahead log is moved into the file at the next opportunity.
const WORTH_MOVING: u32 = 32;

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
    pub(super) lock: Option<Lock>,
}

impl Writer {
    /// Starts the thread.
    pub(super) fn start(desk: Desk) -> Result<Self, Fault> {
        let (queue, work) = channel();
        // Looked at before anybody else can, so that no visitor's write is missed.
        let seen = data_version(&desk.db).ok();
        let thread = std::thread::Builder::new()
            .name("journal-writer".to_owned())
            .spawn(move || Loop { desk, poison: None, seen, lasting: None, logged: 0 }.run(&work))
            .map_err(|e| Fault { what: "starting the journal's writer".to_owned(), cause: e.to_string() })?;
        Ok(Self { queue: Some(queue), thread: Some(thread) })
    }

    /// Runs `work` in a transaction and answers when it is on disk. `what` names it in faults.
    pub(super) async fn write<T, W>(&self, what: &'static str, nudges: bool, work: W) -> Result<T, CommitError>
    where
        T: Send + 'static,
        W: FnOnce(&Tx<'_>) -> Result<T, Stop> + Send + 'static,
    {
        self.run(what, (nudges, Lasting::OnDisk), work).await
    }

    /// The same, for who has a lane in hand: whoever works after a power cut begins with nobody holding anything, so
    /// it need not be on disk before it counts. It is when the next event is.
    pub(super) async fn hold<T, W>(&self, what: &'static str, nudges: bool, work: W) -> Result<T, CommitError>
    where
        T: Send + 'static,
        W: FnOnce(&Tx<'_>) -> Result<T, Stop> + Send + 'static,
    {
        self.run(what, (nudges, Lasting::InMemory), work).await
    }

    async fn run<T, W>(&self, what: &'static str, how: (bool, Lasting), work: W) -> Result<T, CommitError>
    where
        T: Send + 'static,
        W: FnOnce(&Tx<'_>) -> Result<T, Stop> + Send + 'static,
    {
        let (job, answer) = Task::new(what, how, work);
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

const LOCK_GONE: &str = "the lock file beside the journal was removed or replaced while riposte runs, so another may work \
    on the journal as well; see that only one is started, and leave that file to riposte";

struct Loop {
    desk: Desk,
    poison: Option<Fault>,
    /// `data_version` at the last look.
    seen: Option<i64>,
    /// Where the last commits had to be.
    lasting: Option<Lasting>,
    /// Commits since the write-ahead log was last moved into the file.
    logged: u32,
}

impl Loop {
    fn run(mut self, work: &Receiver<Box<dyn Job>>) {
        loop {
            match work.recv_timeout(LOOK_EVERY) {
                Ok(first) => {
                    let group = std::iter::once(first).chain(work.try_iter().take(GROUP - 1)).collect();
                    self.group(group);
                }
                Err(RecvTimeoutError::Timeout) => self.empty_log(),
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
        let lasting = jobs.iter().map(|job| job.lasting()).max();
        self.set_lasting(lasting).map_err(|e| sql_fault("setting what a commit waits for", &e))?;
        let db = &self.desk.db;
        run(db, "begin immediate").map_err(|e| sql_fault("beginning to write", &e))?;
        let identity = &self.desk.identity;
        let tx = Tx { db, tenant: identity.tenant, t: &identity.tenant_text, me: &identity.boot_text, now };
        let done = self.not_moved().and_then(|()| all(&tx, jobs));
        match done {
            // One that is alone and refused has rolled everything back.
            Ok(_) if db.is_autocommit() => Ok(false),
            Ok(nudge) => match run(db, "commit") {
                Ok(()) => {
                    self.logged = self.logged.saturating_add(1);
                    // What need not be on disk has no events.
                    if lasting == Some(Lasting::OnDisk) {
                        self.note();
                    }
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

    /// Says where the next commit has to be. What the connection is set to is known only once it has been.
    fn set_lasting(&mut self, lasting: Option<Lasting>) -> rusqlite::Result<()> {
        let Some(wanted) = lasting.filter(|_| self.lasting != lasting) else { return Ok(()) };
        self.lasting = None;
        self.desk.db.execute_batch(wanted.pragma())?;
        self.lasting = lasting;
        Ok(())
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

    /// Moves the write-ahead log into the file while nobody waits. SQLite would do it within a commit, once the log has
    /// grown, and whoever waits for that commit would wait for this too.
    fn empty_log(&mut self) {
        if self.logged < WORTH_MOVING || self.poison.is_some() {
            return;
        }
        self.logged = 0;
        let moved = self.desk.db.query_row("pragma wal_checkpoint(passive)", [], |_| Ok(()));
        match moved {
            Ok(()) => {}
            // The log is flushed first: a flush that failed must not be repeated.
            Err(error) if error.sqlite_error_code() == Some(ErrorCode::SystemIoFailure) => {
                let fault = self.poisoned(&error);
                tracing::error!(%fault, "the write-ahead log cannot be moved into the file");
                self.desk.nudges.add();
            }
            // What has not been moved stays in the log, where it is as safe; a later time moves it.
            Err(error) => tracing::debug!(%error, "the write-ahead log is not moved into the file"),
        }
    }

    fn look_for_others(&mut self) {
        if self.poison.is_none() && self.desk.lock.as_ref().is_some_and(|lock| !lock.is_met()) {
            let fault = Fault { what: "keeping the journal to oneself".to_owned(), cause: LOCK_GONE.to_owned() };
            tracing::error!(%fault, "nothing more is written");
            self.poison = Some(fault);
            self.desk.nudges.add();
        }
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
            && let Err(error) = lock.file.set_len(0)
        {
            tracing::debug!(%error, "the lock file keeps this process's name");
        }
    }
}

/// Every job; whether one that is kept can make a lane due. A fault is the whole transaction's.
fn all(tx: &Tx<'_>, jobs: &mut [Box<dyn Job>]) -> Result<bool, Fault> {
    let run = |sql| run(tx.db, sql).map_err(|e| sql_fault("writing", &e));
    // One that is alone rolls back all there is.
    let (before, undo, after) = match jobs.len() {
        1 => (None, "rollback", None),
        _ => (Some("savepoint job"), "rollback to job", Some("release job")),
    };
    let mut nudge = false;
    for job in jobs {
        before.map_or(Ok(()), run)?;
        let kept = job.run(tx);
        if tx.db.is_autocommit() {
            // On a full disk and the like SQLite rolls everything back by itself.
            let gave_up = || Fault { what: "writing".to_owned(), cause: "SQLite gave the transaction up".to_owned() };
            return Err(job.fault().cloned().unwrap_or_else(gave_up));
        }
        if !kept {
            run(undo)?;
        }
        after.map_or(Ok(()), run)?;
        nudge |= kept && job.nudges();
    }
    Ok(nudge)
}

/// One statement that answers nothing, planned once.
fn run(db: &Connection, sql: &str) -> rusqlite::Result<()> {
    db.prepare_cached(sql)?.execute([]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::super::files;
    use super::super::testing::{Bench, ManualClock, T0, TENANT};
    use super::*;
    use crate::model::id::BootId;

    /// A bare file, in which a broken reference is found at the commit only.
    fn desk(bench: &Bench) -> Desk {
        let db = Connection::open(bench.path()).unwrap();
        db.execute_batch(
            "pragma foreign_keys = on;
             create table item (id integer primary key, other integer references item deferrable initially deferred)",
        )
        .unwrap();
        let boot = BootId::derive(&["boot"]);
        let identity =
            Arc::new(Identity { tenant: TENANT, tenant_text: TENANT.to_string(), boot, boot_text: boot.to_string() });
        Desk {
            db,
            identity,
            clock: Arc::new(SteadyClock::new(ManualClock::at(T0))),
            nudges: Arc::new(Nudges::new()),
            written: None,
            lock: Some(files::lock(&bench.path(), boot).unwrap()),
        }
    }

    fn writer(bench: &Bench) -> (Writer, Arc<Nudges>) {
        let desk = desk(bench);
        let nudges = Arc::clone(&desk.nudges);
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

    #[tokio::test]
    async fn only_a_group_of_nothing_but_holds_is_not_flushed_to_disk() {
        let bench = Bench::new();
        let (writer, _) = writer(&bench);
        // SQLite, "PRAGMA synchronous": 1 flushes a write-ahead log at checkpoints only, 2 at every commit.
        let flushing =
            |tx: &Tx<'_>| -> Result<i64, Stop> { Ok(tx.db.pragma_query_value(None, "synchronous", |row| row.get(0))?) };
        assert_eq!(writer.hold("a", false, flushing).await.unwrap(), 1);
        assert_eq!(writer.write("b", false, flushing).await.unwrap(), 2);
        assert_eq!(writer.hold("c", false, flushing).await.unwrap(), 1);
        let (open, gate) = channel::<()>();
        let first = writer.write("d", false, move |_| {
            gate.recv().unwrap();
            Ok(())
        });
        let opening = async { open.send(()).unwrap() };
        let (_, held, written, ()) =
            futures::join!(first, writer.hold("e", false, flushing), writer.write("f", false, flushing), opening);
        assert_eq!((held.unwrap(), written.unwrap()), (2, 2));
    }

    #[tokio::test]
    async fn what_is_written_after_a_hold_that_could_not_begin_is_flushed_to_disk() {
        let bench = Bench::new();
        let (writer, _) = writer(&bench);
        let flushing =
            |tx: &Tx<'_>| -> Result<i64, Stop> { Ok(tx.db.pragma_query_value(None, "synchronous", |row| row.get(0))?) };
        assert_eq!(writer.write("a", false, flushing).await.unwrap(), 2);
        let other = Connection::open(bench.path()).unwrap();
        other.execute_batch("begin immediate").unwrap();
        assert!(matches!(writer.hold("b", false, flushing).await, Err(CommitError::Fault(_))));
        other.execute_batch("rollback").unwrap();
        assert_eq!(writer.write("c", false, flushing).await.unwrap(), 2);
    }

    #[tokio::test]
    async fn refused_work_that_is_alone_leaves_nothing_behind_and_the_next_goes_on() {
        let bench = Bench::new();
        let (writer, _) = writer(&bench);
        let refused = writer.write("a", false, |tx| {
            insert(1)(tx)?;
            Err::<(), _>(Stop::Refused(CommitError::Fenced))
        });
        assert!(matches!(refused.await, Err(CommitError::Fenced)));
        assert_eq!(count(&bench), 0);
        writer.write("b", false, insert(2)).await.unwrap();
        assert_eq!(count(&bench), 1);
    }

    /// A file whose log SQLite itself never moves, and how large it is without the log.
    fn logged(bench: &Bench) -> (Desk, impl Fn() -> u64) {
        let desk = desk(bench);
        desk.db.execute_batch("pragma journal_mode = wal; pragma wal_autocheckpoint = 0").unwrap();
        let path = bench.path();
        (desk, move || std::fs::metadata(&path).unwrap().len())
    }

    fn fill(tx: &Tx<'_>) -> Result<(), Stop> {
        tx.run("create table if not exists filler (text text)", [])?;
        Ok(tx.run("insert into filler values (printf('%.*c', 8000, 'x'))", []).map(drop)?)
    }

    #[test]
    fn the_log_is_moved_into_the_file_only_where_that_is_worth_it() {
        let bench = Bench::new();
        let (desk, size) = logged(&bench);
        let before = size();
        let mut writing = Loop { desk, poison: None, seen: None, lasting: None, logged: 0 };
        for _ in 0..WORTH_MOVING {
            writing.empty_log();
            assert_eq!(size(), before, "after {} commits", writing.logged);
            let (job, _) = Task::new("a", (false, Lasting::OnDisk), fill);
            writing.group(vec![Box::new(job)]);
        }
        writing.empty_log();
        assert!(size() > before);
        assert_eq!(writing.logged, 0);
    }

    #[tokio::test]
    async fn the_log_is_moved_into_the_file_while_nobody_waits() {
        let bench = Bench::new();
        let (desk, size) = logged(&bench);
        let before = size();
        let writer = Writer::start(desk).unwrap();
        for _ in 0..WORTH_MOVING {
            writer.write("a", false, fill).await.unwrap();
        }
        let moved = async {
            while size() == before {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), moved).await.expect("it is moved");
    }

    struct Deadly;

    impl Job for Deadly {
        fn run(&mut self, _: &Tx<'_>) -> bool {
            true
        }
        fn lasting(&self) -> Lasting {
            Lasting::OnDisk
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
