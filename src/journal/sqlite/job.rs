//! A piece of work for the thread that writes: what it does, where it has to be before it counts, and who waits for it.

use std::panic::{AssertUnwindSafe, catch_unwind};

use tokio::sync::oneshot;

use super::super::{CommitError, Fault};
use super::fault::Stop;
use super::rows::Tx;

/// Where a commit is when it counts. The kernel's memory outlives the process, and no power cut.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Lasting {
    InMemory,
    OnDisk,
}

impl Lasting {
    /// The setting of SQLite, with a write-ahead log (SQLite, "PRAGMA synchronous").
    pub(super) const fn pragma(self) -> &'static str {
        match self {
            Self::InMemory => "pragma synchronous = normal",
            Self::OnDisk => "pragma synchronous = full",
        }
    }
}

/// A piece of work on its way through a transaction.
pub(super) trait Job: Send {
    /// Does it; `false` when it has to be rolled back.
    fn run(&mut self, tx: &Tx<'_>) -> bool;
    /// Where it has to be before anybody is answered.
    fn lasting(&self) -> Lasting;
    /// Whether it can make a lane due.
    fn nudges(&self) -> bool;
    /// The fault it ended with, if it did.
    fn fault(&self) -> Option<&Fault>;
    /// Nothing of it is certain any more.
    fn spoil(&mut self, fault: &Fault);
    /// Answers the caller.
    fn answer(self: Box<Self>);
}

pub(super) struct Task<T, W> {
    what: &'static str,
    nudges: bool,
    lasting: Lasting,
    work: Option<W>,
    result: Option<Result<T, CommitError>>,
    reply: oneshot::Sender<Result<T, CommitError>>,
}

impl<T, W> Task<T, W> {
    /// A piece of work, and where its answer comes. `what` names it in faults.
    pub(super) fn new(
        what: &'static str,
        (nudges, lasting): (bool, Lasting),
        work: W,
    ) -> (Self, oneshot::Receiver<Result<T, CommitError>>) {
        let (reply, answer) = oneshot::channel();
        (Self { what, nudges, lasting, work: Some(work), result: None, reply }, answer)
    }
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

    fn lasting(&self) -> Lasting {
        self.lasting
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
