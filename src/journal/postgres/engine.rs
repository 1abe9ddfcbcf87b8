//! The thread on which everything with the database happens. Work whose caller no longer waits is done all the same.

use std::rc::Rc;
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use futures::future::LocalBoxFuture;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::sync::oneshot;
use tokio::task::{JoinSet, LocalSet};

use super::super::OpenError;
use super::fault::Stop;
use super::replicas;
use super::store::Store;
use crate::model::replicas::Replicas;

type Job = Box<dyn FnOnce(Rc<Store>) -> LocalBoxFuture<'static, ()> + Send>;

/// How long the end of the process waits for a database that does not answer.
const FAREWELL: Duration = Duration::from_secs(3);

/// The queue to the thread. Dropping it lets the thread finish what waits and say farewell.
pub(super) struct Engine {
    queue: Option<UnboundedSender<Job>>,
    thread: Option<JoinHandle<Result<(), OpenError>>>,
}

impl Engine {
    /// Starts the thread and waits for `first` to be done on it. A replica shows signs of life from then on, and counts
    /// those that `working` do.
    pub(super) fn start<T: Send + 'static>(
        working: Option<Replicas>,
        make: impl FnOnce() -> Result<Store, OpenError> + Send + 'static,
        first: impl AsyncFnOnce(&Store) -> Result<T, Stop> + Send + 'static,
    ) -> Result<(Self, T), OpenError> {
        let (queue, jobs) = unbounded_channel();
        let (ready, opened) = mpsc::channel();
        let body = move || -> Result<(), OpenError> {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
            let runtime = runtime.map_err(|error| failed(&error.to_string()))?;
            let store = Rc::new(make()?);
            LocalSet::new().block_on(&runtime, async {
                let done = first(&store).await.map_err(|stop| stop.into_open_error(store.place.name()))?;
                let signs = store.apart().map_err(|stop| stop.into_open_error(store.place.name()))?;
                drop(ready.send(done));
                serve(store, signs, jobs, working).await;
                Ok(())
            })
        };
        let thread = std::thread::Builder::new().name("journal-postgres".to_owned()).spawn(body);
        let thread = thread.map_err(|error| failed(&error.to_string()))?;
        if let Ok(done) = opened.recv() {
            return Ok((Self { queue: Some(queue), thread: Some(thread) }, done));
        }
        let ended = thread.join().map_err(|_| failed("it ended with a panic"))?;
        Err(ended.err().unwrap_or_else(|| failed("it has ended")))
    }

    /// Does a piece of work on the thread.
    ///
    /// # Errors
    /// When the thread is gone, or the work panicked.
    pub(super) async fn run<T, J>(&self, job: J) -> Result<T, String>
    where
        T: Send + 'static,
        J: AsyncFnOnce(Rc<Store>) -> T + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let job: Job = Box::new(move |store| {
            Box::pin(async move {
                // A caller that no longer listens has nobody to be told.
                drop(reply.send(job(store).await));
            })
        });
        let gone = || GONE.to_owned();
        self.queue.as_ref().ok_or_else(gone)?.send(job).map_err(|_| gone())?;
        answer.await.map_err(|_| gone())
    }
}

impl Drop for Engine {
    fn drop(&mut self) {
        self.queue = None;
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the journal's thread ended with a panic");
        }
    }
}

const GONE: &str = "the journal's thread has ended, or this write had a bug in riposte; start riposte again";

fn failed(cause: &str) -> OpenError {
    OpenError::Failed(super::Fault { what: "starting the journal's thread".to_owned(), cause: cause.to_owned() })
}

/// Does what is asked for; `signs` is for the signs of life.
async fn serve(store: Rc<Store>, signs: Store, mut jobs: UnboundedReceiver<Job>, working: Option<Replicas>) {
    let mut background = JoinSet::new();
    let replica = working.is_some();
    if let Some(working) = working {
        background.spawn_local(replicas::live(signs, working));
        background.spawn_local(replicas::listen(Rc::clone(&store)));
        let contact = Arc::clone(&store.contact);
        background.spawn_local(async move { contact.watch().await });
    }
    let mut running = JoinSet::new();
    loop {
        tokio::select! {
            job = jobs.recv() => match job {
                Some(job) => drop(running.spawn_local(job(Rc::clone(&store)))),
                None => break,
            },
            Some(done) = running.join_next() => told(done),
        }
    }
    store.contact.hurry();
    while let Some(done) = running.join_next().await {
        told(done);
    }
    background.shutdown().await;
    if replica && tokio::time::timeout(FAREWELL, replicas::leave(&store)).await.is_err() {
        tracing::debug!("the database does not answer; the other replicas find out by themselves");
    }
}

fn told(done: Result<(), tokio::task::JoinError>) {
    if let Err(error) = done {
        tracing::error!(%error, "a bug in riposte: a write to the journal panicked");
    }
}
