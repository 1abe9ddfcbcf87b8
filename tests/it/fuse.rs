//! A fuse in everything that leaves a trace: calls of the journal, of those who do things, of those who tell. At a chosen
//! one the daemon stops for good, before it or after it, as if it had died there.

use std::collections::BTreeMap;
use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use riposte::app::Around;
use riposte::connect::port::{Answered, Effector, Incidents};
use riposte::decide::cleared::Cleared;
use riposte::journal::batch::Batch;
use riposte::journal::begun::{Begun, BegunNote};
use riposte::journal::chain::{Head, Link};
use riposte::journal::lane::{Claim, Claimed, LaneKey, LaneKind};
use riposte::journal::removal::Removal;
use riposte::journal::seal::Sealed;
use riposte::journal::{
    Among, CommitError, Effect, Ended, FailedPass, Fault, Filter, Heads, Hold, Journal, LaneCounts, Loaded,
    NoteToWrite, Pause, Placed, Quarantined, Signal, StoredEvent, StoredStream,
};
use riposte::model::action::Subject;
use riposte::model::failure::Failure;
use riposte::model::id::{AlertId, BootId};
use riposte::model::incident::{Incident, IncidentRef};
use riposte::model::intent::Intent;
use riposte::model::observation::Observation;
use riposte::model::offer::Route;
use riposte::model::time::At;
use riposte::record::event::{StreamKey, StreamKind};
use serde_json::Value;
use tokio::sync::watch;

/// A place at which the daemon can die: a call, and a side of it.
pub(crate) type Point = (&'static str, &'static str);

/// One fuse for all that it is put into.
#[derive(Clone)]
pub(crate) struct Fuse(Arc<Inner>);

struct Inner {
    armed: Mutex<Armed>,
    blown: watch::Sender<Option<Point>>,
    died_at: Mutex<BTreeSet<Point>>,
    /// The whole process dies with it.
    aborts: bool,
}

/// When it blows.
#[derive(Clone, Copy)]
enum Armed {
    Never,
    /// After so many points, of whatever kind.
    After(u64),
    /// At the next point of this kind.
    At(Point),
    /// It has: nothing of the same daemon passes any longer.
    Blown,
}

impl Fuse {
    /// One that lets everything pass.
    pub(crate) fn new() -> Self {
        Self::that(false)
    }

    /// One with which the whole process dies.
    #[cfg(unix)]
    pub(crate) fn aborting() -> Self {
        Self::that(true)
    }

    fn that(aborts: bool) -> Self {
        let (blown, _) = watch::channel(None);
        Self(Arc::new(Inner { armed: Mutex::new(Armed::Never), blown, died_at: Mutex::default(), aborts }))
    }

    /// From here on, so many points are passed, and at the next one the daemon dies.
    pub(crate) fn arm(&self, points: u64) {
        self.set(Armed::After(points));
    }

    /// The daemon dies at the next point of this kind.
    pub(crate) fn arm_at(&self, point: Point) {
        self.set(Armed::At(point));
    }

    /// Everything passes.
    pub(crate) fn disarm(&self) {
        self.set(Armed::Never);
    }

    fn set(&self, armed: Armed) {
        self.0.blown.send_replace(None);
        *self.0.armed.lock().unwrap() = armed;
    }

    /// Where it has blown since it was armed.
    pub(crate) fn blown(&self) -> Option<Point> {
        *self.0.blown.borrow()
    }

    /// All points at which a daemon died.
    pub(crate) fn died_at(&self) -> BTreeSet<Point> {
        self.0.died_at.lock().unwrap().clone()
    }

    async fn point(&self, point: Point) {
        if self.blows_at(point) {
            std::future::pending::<()>().await;
        }
    }

    fn blows_at(&self, point: Point) -> bool {
        let mut armed = self.0.armed.lock().unwrap();
        let blows = match *armed {
            Armed::Never => false,
            Armed::After(0) => true,
            Armed::After(points) => {
                *armed = Armed::After(points - 1);
                false
            }
            Armed::At(wanted) => wanted == point,
            Armed::Blown => return true,
        };
        if blows && self.0.aborts {
            std::process::abort();
        }
        if blows {
            *armed = Armed::Blown;
            self.0.died_at.lock().unwrap().insert(point);
            self.0.blown.send_replace(Some(point));
        }
        blows
    }

    async fn around<T>(&self, call: &'static str, doing: impl Future<Output = T> + Send) -> T {
        self.point((call, "before")).await;
        let done = doing.await;
        self.point((call, "after")).await;
        done
    }
}

impl Around for Fuse {
    fn journal(&self, inner: Arc<dyn Journal>) -> Arc<dyn Journal> {
        Arc::new(Fused { fuse: self.clone(), inner })
    }

    fn effector(&self, inner: Arc<dyn Effector>) -> Arc<dyn Effector> {
        Arc::new(Fused { fuse: self.clone(), inner })
    }

    fn incidents(&self, inner: Arc<dyn Incidents>) -> Arc<dyn Incidents> {
        Arc::new(Fused { fuse: self.clone(), inner })
    }
}

/// What a fuse was put into.
struct Fused<T: ?Sized> {
    fuse: Fuse,
    inner: Arc<T>,
}

#[async_trait]
impl Effector for Fused<dyn Effector> {
    fn route(&self) -> Route {
        self.inner.route()
    }

    async fn observe(&self, subject: &Subject, intent: &Intent, since: Option<At>) -> Result<Observation, Failure> {
        self.fuse.around("observe", self.inner.observe(subject, intent, since)).await
    }

    async fn apply(&self, go: Begun) -> Answered {
        self.fuse.around("apply", self.inner.apply(go)).await
    }
}

#[async_trait]
impl Incidents for Fused<dyn Incidents> {
    async fn locate(&self, alert_ids: &[String]) -> Result<Option<Incident>, Failure> {
        self.inner.locate(alert_ids).await
    }

    async fn read(&self, incident: &IncidentRef) -> Result<Option<Incident>, Failure> {
        self.inner.read(incident).await
    }

    async fn post(&self, note: BegunNote) -> Answered {
        self.fuse.around("post", self.inner.post(note)).await
    }

    async fn label(&self, incident: &IncidentRef, label: &str) -> Answered {
        self.fuse.around("label", self.inner.label(incident, label)).await
    }
}

#[async_trait]
impl Journal for Fused<dyn Journal> {
    fn boot(&self) -> BootId {
        self.inner.boot()
    }

    fn now(&self) -> At {
        self.inner.now()
    }

    async fn ensure_lane(&self, lane: &LaneKey, at: At) -> Result<(), Fault> {
        self.fuse.around("ensure_lane", self.inner.ensure_lane(lane, at)).await
    }

    async fn wake(&self, lane: &LaneKey, at: At) -> Result<(), Fault> {
        self.fuse.around("wake", self.inner.wake(lane, at)).await
    }

    async fn claim(&self, room: &[(LaneKind, u32)], lease: Duration) -> Result<Claimed, Fault> {
        let claimed = self.inner.claim(room, lease).await?;
        // A look at lanes of which none is due leaves no trace.
        if !claimed.claims.is_empty() {
            self.fuse.point(("claim", "after")).await;
        }
        Ok(claimed)
    }

    async fn extend(&self, claim: &Claim, lease: Duration) -> Result<(), CommitError> {
        self.inner.extend(claim, lease).await
    }

    async fn load(&self, claim: &Claim) -> Result<Loaded, Fault> {
        self.fuse.around("load", self.inner.load(claim)).await
    }

    async fn commit(&self, claim: &Claim, batch: Batch) -> Result<(), CommitError> {
        self.fuse.around("commit", self.inner.commit(claim, batch)).await
    }

    async fn begin(&self, claim: &Claim, go: Cleared, attempt: u32, batch: Batch) -> Result<Begun, CommitError> {
        self.fuse.around("begin", self.inner.begin(claim, go, attempt, batch)).await
    }

    async fn begin_note(&self, claim: &Claim, note: NoteToWrite, batch: Batch) -> Result<BegunNote, CommitError> {
        self.fuse.around("begin_note", self.inner.begin_note(claim, note, batch)).await
    }

    async fn seal(&self, claim: &Claim) -> Result<Sealed, CommitError> {
        self.fuse.around("seal", self.inner.seal(claim)).await
    }

    async fn release(&self, claim: Claim, nudges: u64, due: Option<At>) -> Result<(), Fault> {
        self.fuse.around("release", self.inner.release(claim, nudges, due)).await
    }

    async fn fail(&self, claim: Claim, failed: FailedPass) -> Result<bool, Fault> {
        self.fuse.around("fail", self.inner.fail(claim, failed)).await
    }

    async fn remove(&self, removal: Removal) -> Result<(), CommitError> {
        self.fuse.around("remove", self.inner.remove(removal)).await
    }

    async fn quarantined(&self) -> Result<Vec<Quarantined>, Fault> {
        self.inner.quarantined().await
    }

    async fn free(&self, lane: &LaneKey, actor: &str) -> Result<bool, Fault> {
        self.inner.free(lane, actor).await
    }

    async fn signal(&self, signal: Signal) -> Result<bool, Fault> {
        self.inner.signal(signal).await
    }

    async fn signals(&self, lane: &LaneKey) -> Result<Vec<Signal>, Fault> {
        self.inner.signals(lane).await
    }

    async fn stream(&self, key: &StreamKey) -> Result<Option<StoredStream>, Fault> {
        self.inner.stream(key).await
    }

    async fn together(&self, keys: &[StreamKey]) -> Result<Vec<StoredStream>, Fault> {
        self.inner.together(keys).await
    }

    async fn streams(&self, filter: &Filter) -> Result<Vec<StoredStream>, Fault> {
        self.inner.streams(filter).await
    }

    async fn events(&self, key: &StreamKey) -> Result<Vec<StoredEvent>, Fault> {
        self.inner.events(key).await
    }

    async fn placed(&self, after: u64, limit: u32) -> Result<Vec<Placed>, Fault> {
        self.inner.placed(after, limit).await
    }

    async fn chain(&self, key: &StreamKey) -> Result<(Vec<Link>, Option<Head>), Fault> {
        self.inner.chain(key).await
    }

    async fn heads(&self, kind: StreamKind, after_id: &str, limit: u32) -> Result<Heads, Fault> {
        self.inner.heads(kind, after_id, limit).await
    }

    async fn aliases(&self, values: &[String]) -> Result<Vec<(String, AlertId)>, Fault> {
        self.inner.aliases(values).await
    }

    async fn effects(&self, accounts: &[String]) -> Result<Vec<Effect>, Fault> {
        self.inner.effects(accounts).await
    }

    async fn cursor(&self, source: &str) -> Result<Option<Value>, Fault> {
        self.inner.cursor(source).await
    }

    async fn charged(&self, key: &str, since: At, but: &str) -> Result<u32, Fault> {
        self.inner.charged(key, since, but).await
    }

    async fn next_due(&self, kinds: &[LaneKind]) -> Result<Option<At>, Fault> {
        self.inner.next_due(kinds).await
    }

    async fn due(&self, lane: &LaneKey) -> Result<Option<At>, Fault> {
        self.inner.due(lane).await
    }

    async fn holds(&self, after: i64, limit: u32) -> Result<Vec<Hold>, Fault> {
        self.inner.holds(after, limit).await
    }

    async fn lanes(&self) -> Result<LaneCounts, Fault> {
        self.inner.lanes().await
    }

    async fn labels(&self, kind: StreamKind, among: Among) -> Result<BTreeMap<String, u64>, Fault> {
        self.inner.labels(kind, among).await
    }

    async fn ended(&self, kind: StreamKind, since: At) -> Result<Ended, Fault> {
        self.inner.ended(kind, since).await
    }

    async fn paused(&self) -> Result<Option<Pause>, Fault> {
        self.inner.paused().await
    }

    async fn set_pause(&self, pause: Option<Pause>, actor: &str) -> Result<(), Fault> {
        self.inner.set_pause(pause, actor).await
    }

    async fn nudged(&self) {
        self.inner.nudged().await;
    }

    fn away(&self) -> Option<String> {
        self.inner.away()
    }

    fn hurry(&self) {
        self.inner.hurry();
    }
}
