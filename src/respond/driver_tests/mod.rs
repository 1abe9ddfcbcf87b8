//! The loop over a real journal, with a clock set by hand and vendors that do as they are told.

mod crowds;
mod order;
mod patience;
mod recoveries;
mod runs;
mod unify;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinHandle;
use uuid::Uuid;

use super::driver::{Driver, Rest, Until};
use super::listener::{Listener, News};
use super::polls::Unread;
use super::runs::{Miss, Run, Runs, Turns};
use super::{Context, Reading, Source, Timings, write};
use crate::app;
use crate::connect::port::{AlertSource, Answered, Effector, Incidents, Omitted, SourcePage, Window};
use crate::journal::batch::{Batch, CursorWrite, NewAlias, Wake};
use crate::journal::begun::{Begun, BegunNote};
use crate::journal::lane::{LaneKey, LaneKind};
use crate::journal::sqlite::testing::write as nonsense;
use crate::journal::sqlite::testing::{T0, TENANT, account, action, alert, lane, seconds, take, waking};
use crate::journal::sqlite::{Owner, SqliteJournal};
use crate::journal::{Fault, Filter, Journal};
use crate::model::account::{AccountHint, Role};
use crate::model::action::Subject;
use crate::model::alert::{Entities, NamedAccount, Severity, Sighting, SourceKey};
use crate::model::failure::{Failure, FailureKind, Provider, Sent};
use crate::model::id::{AlertId, BootId};
use crate::model::incident::{Incident, IncidentRef};
use crate::model::intent::Intent;
use crate::model::observation::Observation;
use crate::model::offer::Route;
use crate::model::reason::Reason;
use crate::model::scope::WorkspaceKey;
use crate::model::time::{At, Clock, Pause};
use crate::model::trigger::Schedule;
use crate::record::action::{ActionEvent, ActionRecord, First};
use crate::record::alert::{AlertEvent, AlertPhase, AlertRecord};
use crate::record::event::StreamKind;
use crate::settings;

const PATIENCE: Duration = Duration::from_secs(30);
const GRAPH: SourceKey = SourceKey::Graph;
const TABLE: SourceKey = SourceKey::LogAnalytics(WorkspaceKey(Uuid::nil()));
const WORKSPACE: WorkspaceKey = WorkspaceKey(Uuid::nil());

/// A clock that stands still until it is set, also back; sleepers wake when their moment has come.
#[derive(Clone)]
struct HandClock(watch::Sender<i64>);

impl HandClock {
    fn pass(&self, seconds: i64) {
        self.0.send_modify(|now| *now += seconds);
    }
}

impl Clock for HandClock {
    fn now(&self) -> At {
        seconds(*self.0.borrow())
    }

    fn sleep_until(&self, at: At) -> Pause {
        let mut now = self.0.subscribe();
        Box::pin(async move {
            let _ = now.wait_for(|now| seconds(*now) >= at).await;
        })
    }
}

/// A source with empty pages, a gate in front of them, and now and then a bug, or no answer.
struct Pages {
    key: SourceKey,
    asked: AtomicUsize,
    gate: Semaphore,
    buggy: AtomicBool,
    /// How it fails, where it does.
    deaf: Mutex<Option<FailureKind>>,
}

#[async_trait]
impl AlertSource for Pages {
    fn key(&self) -> SourceKey {
        self.key.clone()
    }

    async fn page(&self, _: &Window) -> Result<SourcePage, Failure> {
        self.asked.fetch_add(1, Ordering::SeqCst);
        assert!(!self.buggy.load(Ordering::SeqCst), "a bug");
        let deaf = *self.deaf.lock().unwrap();
        if let Some(kind) = deaf {
            return Err(Failure { kind, ..unreachable() });
        }
        self.gate.acquire().await.unwrap().forget();
        Ok(SourcePage { items: Vec::new(), last: None, full: false, partial: false, omitted: Omitted::default() })
    }
}

impl Pages {
    fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    fn fails(&self, how: Option<FailureKind>) {
        *self.deaf.lock().unwrap() = how;
    }
}

/// A route with a bug.
struct Buggy;

#[async_trait]
impl Effector for Buggy {
    fn route(&self) -> Route {
        Route::Defender
    }

    async fn observe(&self, _: &Subject, _: &Intent, _: Option<At>) -> Result<Observation, Failure> {
        panic!("a bug")
    }

    async fn apply(&self, _: Begun) -> Answered {
        panic!("nothing may begin without a look")
    }
}

/// Keeps comments.
#[derive(Default)]
struct Comments {
    kept: Mutex<Vec<String>>,
    /// Nothing gets there.
    is_down: AtomicBool,
}

#[async_trait]
impl Incidents for Comments {
    async fn locate(&self, _: &[String]) -> Result<Option<Incident>, Failure> {
        let incident = IncidentRef::Sentinel { workspace: WORKSPACE, name: Uuid::nil() };
        Ok(Some(Incident {
            incident,
            number: None,
            title: String::new(),
            closed: false,
            provider: "Azure Sentinel".into(),
            provider_incident: None,
            labels: Vec::new(),
            comments: None,
        }))
    }

    async fn read(&self, _: &IncidentRef) -> Result<Option<Incident>, Failure> {
        self.locate(&[]).await
    }

    async fn post(&self, note: BegunNote) -> Answered {
        if self.is_down.load(Ordering::SeqCst) {
            return Answered::Failed(unreachable());
        }
        self.kept.lock().unwrap().push(note.text().to_owned());
        Answered::Accepted { correlation: None }
    }

    async fn label(&self, _: &IncidentRef, _: &str) -> Answered {
        Answered::Accepted { correlation: None }
    }
}

/// Keeps what is said about triggers that could not run.
#[derive(Default)]
struct Troubles(Mutex<Vec<String>>);

impl Listener for Troubles {
    fn hear(&self, news: &News<'_>) {
        if let News::RunFailed { source, optional, .. } = news {
            self.0.lock().unwrap().push(format!("{source} {optional}"));
        }
    }
}

/// A daemon's loop at work.
struct World {
    folder: tempfile::TempDir,
    clock: HandClock,
    journal: Arc<SqliteJournal>,
    context: Arc<Context>,
    comments: Arc<Comments>,
    heard: Arc<Troubles>,
    drain: watch::Sender<bool>,
    rest: watch::Receiver<Rest>,
    running: JoinHandle<Result<Unread, Fault>>,
}

fn pages(key: SourceKey, open: bool) -> Arc<Pages> {
    let gate = Semaphore::new(if open { Semaphore::MAX_PERMITS } else { 0 });
    Arc::new(Pages { key, asked: AtomicUsize::new(0), gate, buggy: AtomicBool::new(false), deaf: Mutex::default() })
}

fn unreachable() -> Failure {
    Failure {
        provider: Provider::Defender,
        operation: "GET security/alerts_v2".into(),
        kind: FailureKind::Unavailable,
        sent: Sent::No,
        vendor: None,
        hint: String::new(),
    }
}

fn source(pages: &Arc<Pages>) -> (String, Source) {
    let minute = Duration::from_secs(60);
    let port: Arc<dyn AlertSource> = Arc::clone(pages) as _;
    let reading = match &pages.key {
        SourceKey::Trigger { name, .. } => Reading::Runs(Runs { schedule: schedule(), optional: name == "shipped" }),
        SourceKey::LogAnalytics(_) | SourceKey::Graph => {
            Reading::Pages(crate::respond::Pages { every: minute, overlap: minute, first_lookback: minute, cap: 10 })
        }
    };
    let source = Source { port, key: pages.key.clone(), reading };
    (pages.key.to_string(), source)
}

/// Every five minutes.
fn schedule() -> Schedule {
    let every = Duration::from_secs(300);
    Schedule { every, offset: Duration::ZERO, lookback: every, sees: every }
}

fn context(
    folder: &Path,
    clock: &HandClock,
    sources: &[&Arc<Pages>],
    comments: &Arc<Comments>,
    heard: &Arc<Troubles>,
) -> (Context, Arc<SqliteJournal>) {
    let least = [("tenant.id", TENANT.to_string()), ("identity.kind", "managed-identity".to_owned())];
    let least: Vec<_> = least.map(|(key, value)| (key.to_owned(), value)).into();
    let (settings, _) = settings::load(None, &mut std::iter::empty(), &least).unwrap();
    let clock: Arc<dyn Clock> = Arc::new(clock.clone());
    let file = folder.join("riposte.db");
    let journal = SqliteJournal::open(&file, TENANT, Arc::clone(&clock), BootId::derive(&["driver"]), Owner::Daemon);
    let journal = Arc::new(journal.unwrap());
    let context = Context {
        journal: Arc::clone(&journal) as Arc<dyn Journal>,
        clock,
        tenant: TENANT,
        sources: sources.iter().map(|pages| source(pages)).collect(),
        people: Vec::new(),
        effectors: BTreeMap::from([(Route::Defender, Arc::new(Buggy) as Arc<dyn Effector>)]),
        incidents: BTreeMap::from([(WORKSPACE, Arc::clone(comments) as Arc<dyn Incidents>)]),
        rules: super::Rules::new(app::rules(&settings).table.unwrap()),
        rails: Arc::new(app::rails(&settings, false)),
        forests: BTreeMap::new(),
        timings: Timings::default(),
        turns: Turns::default(),
        listener: Arc::clone(heard) as Arc<dyn Listener>,
        closing: AtomicBool::new(false),
        found: super::recent::Recent::default(),
        groups: super::recent::Recent::default(),
        roles: super::recent::Recent::default(),
        repeats: super::repeats::Repeats::default(),
        crowds: super::crowd::Crowds::default(),
        asleep: super::asleep::Asleep::default(),
    };
    (context, journal)
}

impl World {
    async fn start(sources: &[&Arc<Pages>]) -> Self {
        Self::with(sources, Batch::default()).await
    }

    /// With this in the journal before it begins.
    async fn with(sources: &[&Arc<Pages>], batch: Batch) -> Self {
        Self::run(sources, batch, Until::Stopped).await
    }

    async fn run(sources: &[&Arc<Pages>], batch: Batch, until: Until) -> Self {
        Self::changed(sources, batch, until, |_| {}).await
    }

    /// With other vendors than usual.
    async fn changed(sources: &[&Arc<Pages>], batch: Batch, until: Until, change: impl FnOnce(&mut Context)) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let clock = HandClock(watch::Sender::new(T0));
        let comments = Arc::new(Comments::default());
        let heard = Arc::new(Troubles::default());
        let (mut context, journal) = context(folder.path(), &clock, sources, &comments, &heard);
        change(&mut context);
        let claim = take(&*journal, &LaneKey::chore("test")).await;
        journal.commit(&claim, batch).await.unwrap();
        journal.release(claim, 0, None).await.unwrap();
        let context = Arc::new(context);
        let (drain, order) = watch::channel(false);
        let driver = Driver::new(Arc::clone(&context), order);
        let rest = driver.rest();
        let running = tokio::spawn(driver.run(until));
        Self { folder, clock, journal, context, comments, heard, drain, rest, running }
    }

    /// Puts the clock forward to what is due next, whenever the loop rests, until it is so.
    async fn leap_until(&self, what: &str, mut so: impl AsyncFnMut() -> bool) {
        until(what, async || {
            if let Rest::Until(Some(due)) = *self.rest.borrow() {
                let missing = due.since(self.clock.now()).as_millis().div_ceil(1_000);
                self.clock.pass(i64::try_from(missing).unwrap());
            }
            so().await
        })
        .await;
    }

    async fn stop(self) -> Result<Unread, Fault> {
        self.drain.send_replace(true);
        tokio::time::timeout(PATIENCE, self.running).await.expect("it ends").unwrap()
    }
}

/// Looks until it is so.
async fn until(what: &str, mut so: impl AsyncFnMut() -> bool) {
    let looking = async {
        while !so().await {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, looking).await.unwrap_or_else(|_| panic!("never: {what}"));
}

#[tokio::test]
async fn a_slow_pass_keeps_its_lane_is_never_joined_by_another_and_gets_no_strike() {
    let pages = pages(GRAPH, false);
    let world = World::start(&[&pages]).await;
    until("asked", async || pages.asked() == 1).await;
    let path = world.folder.path().join("riposte.db");
    let (clock, boot) = (Arc::new(world.clock.clone()), BootId::derive(&["visitor"]));
    let visitor = SqliteJournal::open(&path, TENANT, clock, boot, Owner::Visitor).unwrap();
    // Three steps of a third of the lease, a few leases, and a sleep of the whole machine.
    for passed in [100, 100, 100, 250, 290, 300, 301, 86_400] {
        world.clock.pass(passed);
        let renewed = world.clock.now().plus(world.context.timings.lease);
        until("renewed", async || visitor.next_due(&[LaneKind::Source]).await.unwrap() == Some(renewed)).await;
    }
    assert_eq!(pages.asked(), 1);
    pages.gate.add_permits(1);
    until("read", async || world.journal.cursor(&GRAPH.to_string()).await.unwrap().is_some()).await;
    until("asked again", async || pages.asked() == 2).await;
    assert!(world.journal.quarantined().await.unwrap().is_empty());
    pages.gate.add_permits(1);
    world.stop().await.unwrap();
}

#[tokio::test]
async fn a_run_that_ends_asks_a_source_that_does_not_answer_three_times_within_seconds() {
    let (deaf, sound) = (pages(GRAPH, true), pages(TABLE, true));
    deaf.fails(Some(FailureKind::Unavailable));
    let world = World::run(&[&deaf, &sound], Batch::default(), Until::Settled(Duration::from_secs(1))).await;
    world.leap_until("given up", async || world.running.is_finished()).await;
    assert_eq!((deaf.asked(), sound.asked()), (3, 1));
    assert_eq!(world.clock.now(), seconds(T0 + 6), "after 2 s and 4 s more");
    assert_eq!(world.stop().await.unwrap().failed, [GRAPH.to_string()]);
}

#[tokio::test]
async fn a_run_that_ends_does_not_wait_for_what_the_kill_switch_holds_up() {
    let pages = pages(GRAPH, true);
    let lane = LaneKey { kind: LaneKind::Account, key: "x".into() };
    let soon = Wake { lane, at: seconds(T0 + 30) };
    let before = Batch { wakes: vec![soon], ..Batch::default() };
    let world = World::run(&[&pages], before, Until::Settled(Duration::from_secs(60))).await;
    until("rests", async || matches!(*world.rest.borrow(), Rest::Until(Some(_)))).await;
    assert!(!world.running.is_finished(), "what is due soon is waited for");
    let pause = crate::journal::Pause { by: "eva".into(), reason: "drill".into(), at: world.journal.now() };
    world.journal.set_pause(Some(pause), "eva").await.unwrap();
    until("ended", async || world.running.is_finished()).await;
    assert_eq!(world.clock.now(), seconds(T0));
}

#[tokio::test]
async fn a_run_that_ends_gives_up_a_source_whose_lane_is_put_aside_meanwhile() {
    let (buggy, sound) = (pages(GRAPH, true), pages(TABLE, true));
    buggy.buggy.store(true, Ordering::SeqCst);
    let world = World::run(&[&buggy, &sound], Batch::default(), Until::Settled(Duration::from_secs(1))).await;
    world.leap_until("given up", async || world.running.is_finished()).await;
    assert_eq!(buggy.asked(), 5);
    assert_eq!(world.stop().await.unwrap().failed, [GRAPH.to_string()]);
}

#[tokio::test]
async fn a_step_that_panics_five_times_is_put_aside_its_neighbours_go_on_and_a_person_lets_it_out() {
    let (buggy, sound) = (pages(GRAPH, true), pages(TABLE, true));
    buggy.buggy.store(true, Ordering::SeqCst);
    let world = World::start(&[&buggy, &sound]).await;
    for pause in [5_i64, 15, 45, 135] {
        let asked = buggy.asked() + 1;
        until("asked", async || buggy.asked() == asked).await;
        let again = world.clock.now().plus(Duration::from_secs(pause.unsigned_abs()));
        until("given back", async || {
            let due = world.journal.next_due(&[LaneKind::Source]).await.unwrap();
            due.is_some_and(|due| due <= again)
        })
        .await;
        world.clock.pass(pause);
    }
    until("quarantined", async || !world.journal.quarantined().await.unwrap().is_empty()).await;
    let quarantined = world.journal.quarantined().await.unwrap().remove(0);
    assert_eq!((quarantined.lane, buggy.asked()), (LaneKey::source(&GRAPH), 5));
    assert!(quarantined.why.contains("its step panicked"), "{}", quarantined.why);
    let read = sound.asked();
    world.clock.pass(61);
    until("its neighbour is read", async || sound.asked() > read).await;
    buggy.buggy.store(false, Ordering::SeqCst);
    assert!(world.journal.free(&LaneKey::source(&GRAPH), "bo").await.unwrap());
    until("read", async || world.journal.cursor(&GRAPH.to_string()).await.unwrap().is_some()).await;
    world.stop().await.unwrap();
}

#[tokio::test]
async fn what_cannot_be_read_back_stops_its_own_lane_and_not_the_daemon() {
    let sound = pages(TABLE, true);
    let poison = Batch { writes: vec![nonsense("poison", 0)], ..waking(&[(&lane("poison"), T0)]) };
    let world = World::with(&[&sound], poison).await;
    let quarantined = async || !world.journal.quarantined().await.unwrap().is_empty();
    world.leap_until("quarantined", quarantined).await;
    let quarantined = world.journal.quarantined().await.unwrap().remove(0);
    assert_eq!(quarantined.lane, lane("poison"));
    assert!(quarantined.why.contains("does not fit this version"), "{}", quarantined.why);
    world.stop().await.unwrap();
}

/// An account whose lane will be put aside, for the buggy route is called in it; the alert about it, and the lane.
fn put_aside() -> (Batch, AlertId, LaneKey) {
    let action = action(1105, Vec::new());
    let sighting = Sighting {
        source: GRAPH,
        aliases: vec!["sa-1".into()],
        detector: "DirectoryServicesReplicationSecurityAlert".into(),
        external_id: Some("2006".into()),
        title: "Suspected DCSync attack".into(),
        severity: Severity::High,
        start: None,
        end: None,
        visible: seconds(T0),
        columns: BTreeMap::new(),
        entities: Entities::Read(Vec::new()),
        incident: None,
        rows: Vec::new(),
        genuine: true,
    };
    let seen = AlertEvent::Seen { sighting: Box::new(sighting.clone()) };
    let planned = AlertEvent::Planned {
        catalogue: None,
        rules: vec!["dcsync".into()],
        actions: vec![action.id],
        decided: Vec::new(),
        unwitnessed_allowed: false,
    };
    let alert = AlertRecord::seen(alert("a"), TENANT, sighting, seconds(T0)).apply(&planned);
    let begin = ActionEvent::Planned { action: Box::new(action.clone()), first: First::Run };
    let record = ActionRecord::planned(action, First::Run, seconds(T0));
    let account = LaneKey::account(&account(1105));
    let whole = Batch {
        writes: vec![
            write::alert(&alert, 0, &[seen, planned], seconds(T0)).unwrap(),
            write::action(&record, 0, &[begin], write::RIPOSTE, seconds(T0)).unwrap(),
        ],
        wakes: vec![Wake { lane: account.clone(), at: seconds(T0) }],
        ..Batch::default()
    };
    (whole, alert.id, account)
}

#[tokio::test]
async fn when_an_account_is_put_aside_its_incident_says_so_once_with_what_to_do() {
    let (whole, alert, account) = put_aside();
    let world = World::with(&[], whole).await;
    world.leap_until("a comment", async || !world.comments.kept.lock().unwrap().is_empty()).await;
    world.clock.pass(3_600);
    // Woken once more, it has nothing new to say.
    world.journal.ensure_lane(&LaneKey::notes(alert), world.clock.now()).await.unwrap();
    world
        .leap_until("at rest", async || {
            // Chores come back for ever.
            let kinds = [LaneKind::Source, LaneKind::Alert, LaneKind::Account, LaneKind::Incident];
            world.journal.next_due(&kinds).await.unwrap().is_none()
        })
        .await;
    let comments = world.comments.kept.lock().unwrap().clone();
    assert_eq!(comments.len(), 1, "{comments:#?}");
    assert!(comments[0].contains(&format!("riposte release {account} lets it try again")), "{}", comments[0]);
    assert!(!comments[0].contains("panicked"), "{}", comments[0]);
    world.stop().await.unwrap();
}

#[tokio::test]
async fn a_fault_of_the_loop_begins_nothing_new_and_lets_what_is_in_hand_write_its_answer() {
    let (held, other) = (pages(GRAPH, false), pages(TABLE, true));
    let world = World::start(&[&held, &other]).await;
    until("asked", async || held.asked() == 1).await;
    until("read", async || world.journal.cursor(&TABLE.to_string()).await.unwrap().is_some()).await;
    // The clock goes back: no write is possible, and whoever tries wakes the loop, which finds that out.
    world.clock.pass(-60);
    assert!(world.journal.ensure_lane(&LaneKey::chore("any"), seconds(T0)).await.is_err());
    until("closing", async || world.context.closing.load(Ordering::SeqCst)).await;
    assert!(!world.running.is_finished());
    let asked = other.asked();
    // It is set right, and the other source would be due: the answer in hand is recorded, and no more.
    world.clock.pass(600);
    held.gate.add_permits(1);
    let World { journal, running, .. } = world;
    let fault = tokio::time::timeout(PATIENCE, running).await.expect("it ends").unwrap().unwrap_err();
    assert!(fault.cause.contains("went back"), "{fault}");
    assert!(journal.cursor(&GRAPH.to_string()).await.unwrap().is_some());
    assert_eq!(other.asked(), asked);
}

#[tokio::test(start_paused = true)]
async fn what_never_comes_to_its_end_does_not_keep_a_stopped_daemon_alive() {
    let pages = pages(GRAPH, false);
    let world = World::start(&[&pages]).await;
    until("asked", async || pages.asked() == 1).await;
    let stopped = tokio::time::Instant::now();
    world.drain.send_replace(true);
    assert_eq!(world.running.await.unwrap().unwrap(), Unread::default());
    assert!(stopped.elapsed() >= Duration::from_secs(150));
}

/// A source that shows what it is told, one page a poll.
struct Script(SourceKey, Mutex<std::collections::VecDeque<Vec<Sighting>>>);

#[async_trait]
impl AlertSource for Script {
    fn key(&self) -> SourceKey {
        self.0.clone()
    }

    async fn page(&self, _: &Window) -> Result<SourcePage, Failure> {
        let rows = self.1.lock().unwrap().pop_front().unwrap_or_default();
        Ok(SourcePage {
            items: rows.into_iter().map(Ok).collect(),
            last: None,
            full: false,
            partial: false,
            omitted: Omitted::default(),
        })
    }
}

/// A row of a table, with these ids and nobody in it.
fn row(ids: &[&str], second: i64) -> Sighting {
    Sighting {
        source: TABLE,
        aliases: ids.iter().map(|id| (*id).to_owned()).collect(),
        detector: String::new(),
        external_id: None,
        title: "x".into(),
        severity: Severity::High,
        start: Some(seconds(T0)),
        end: Some(seconds(T0)),
        visible: seconds(T0 + second),
        columns: BTreeMap::new(),
        entities: Entities::Missing,
        incident: None,
        rows: Vec::new(),
        genuine: false,
    }
}

/// Reads these pages one after the other, on a journal that holds this before. Nobody decides on the alerts.
async fn read_pages(pages: Vec<Vec<Sighting>>, before: Batch) -> (tempfile::TempDir, Arc<SqliteJournal>, Context) {
    let minute = Duration::from_secs(60);
    let reading =
        Reading::Pages(crate::respond::Pages { every: minute, overlap: minute, first_lookback: minute, cap: 10 });
    read_source(TABLE, reading, pages, before).await
}

/// Of a source of any kind.
async fn read_source(
    key: SourceKey,
    reading: Reading,
    pages: Vec<Vec<Sighting>>,
    before: Batch,
) -> (tempfile::TempDir, Arc<SqliteJournal>, Context) {
    let folder = tempfile::tempdir().unwrap();
    let clock = HandClock(watch::Sender::new(T0));
    let (mut context, journal) = context(folder.path(), &clock, &[], &Arc::default(), &Arc::default());
    let claim = take(&*journal, &LaneKey::chore("test")).await;
    journal.commit(&claim, before).await.unwrap();
    let count = pages.len();
    let port: Arc<dyn AlertSource> = Arc::new(Script(key.clone(), Mutex::new(pages.into())));
    context.sources.insert(key.to_string(), Source { port, key: key.clone(), reading });
    journal.ensure_lane(&LaneKey::source(&key), seconds(T0)).await.unwrap();
    let room = [(LaneKind::Source, 1)];
    let claim = journal.claim(&room, Duration::from_secs(100_000)).await.unwrap().claims.pop().unwrap();
    for page in 0..count {
        clock.pass(60);
        let step = super::intake::step(&context, &claim, &context.sources[&key.to_string()]).await;
        assert!(step.is_ok(), "page {page}: {:?}", step.err().map(|error| error.to_string()));
    }
    (folder, journal, context)
}

/// Every alert that can be read.
async fn alerts(journal: &SqliteJournal) -> Vec<AlertRecord> {
    let filter = Filter { kind: Some(StreamKind::Alert), ..Filter::default() };
    let streams = journal.streams(&filter).await.unwrap();
    streams.iter().filter_map(|stream| write::read(stream).ok()).map(|stored| stored.record).collect()
}
