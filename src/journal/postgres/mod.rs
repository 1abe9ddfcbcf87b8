//! The journal on PostgreSQL, for several replicas.
//!
//! Replicas share everything: lanes by leases and fences, limits, the kill switch. The database's clock is the time.
//! Whatever appends events or counts limits has the tenant's turn until it is committed, so writers of one tenant
//! follow each other; that costs one flush of the database's log for each of them, and gives one order of all events
//! and exact limits. A write whose answer was lost is looked up before it is tried again.

mod begin;
mod clock;
mod commit;
mod contact;
mod copy;
mod engine;
mod fault;
mod lanes;
mod limit;
mod open;
mod place;
mod quarantine;
mod read;
mod removal;
mod replicas;
mod rows;
mod seal;
mod store;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use serde_json::Value;

pub use place::{Password, Place};

use super::batch::Batch;
use super::begun::{Begun, BegunNote};
use super::chain::{Head, Link};
use super::condition::Condition;
use super::copy::Taken;
use super::lane::{Claim, Claimed, LaneKey, LaneKind};
use super::nudge::Nudges;
use super::removal::Removal;
use super::seal::Sealed;
use super::sense::{kill_switch, only_fault, read_pause};
use super::sqlite::SqliteJournal;
use super::{
    Among, CommitError, Effect, Ended, FailedPass, Fault, Filter, Heads, Hold, Journal, LaneCounts, Loaded,
    NoteToWrite, OpenError, Pause, Placed, Quarantined, Signal, StoredEvent, StoredStream,
};
use crate::decide::cleared::Cleared;
use crate::model::id::{AlertId, BootId};
use crate::model::replicas::Replicas;
use crate::model::scope::TenantKey;
use crate::model::time::{At, Clock};
use crate::record::event::{StreamKey, StreamKind};
use clock::DatabaseClock;
use contact::Contact;
use engine::Engine;
use fault::Stop;
use lanes::Held;
use store::{Store, Tx};

/// Who opens the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// A daemon, one of any number.
    Replica,
    /// A command: reads, signals, pauses; claims nothing.
    Visitor,
    /// A copy from a file: makes the tables, and claims nothing.
    Copier,
}

/// The journal in a PostgreSQL database. Dropping it finishes what waits and gives every lane back.
pub struct PostgresJournal {
    role: Role,
    name: String,
    identity: Arc<Identity>,
    known: Arc<DatabaseClock>,
    working: Replicas,
    time: Time,
    nudges: Arc<Nudges>,
    contact: Arc<Contact>,
    engine: Engine,
}

/// Whose rows these are, and who we are.
struct Identity {
    tenant: TenantKey,
    tenant_text: String,
    boot: BootId,
    boot_text: String,
}

/// What judges leases and due times.
#[derive(Clone)]
enum Time {
    /// The database's clock.
    Database,
    /// A clock set by hand.
    #[cfg(test)]
    Given(Arc<dyn Clock>),
}

impl Time {
    /// The time to work by when the database has told its own.
    fn judge(&self, told: At) -> At {
        match self {
            Self::Database => told,
            #[cfg(test)]
            Self::Given(clock) => {
                let _ = told;
                clock.now()
            }
        }
    }
}

impl PostgresJournal {
    /// Opens the journal in a database; a replica makes its tables where there are none. `boot` names this run of the
    /// process. It blocks until that is done.
    ///
    /// # Errors
    /// When the database cannot be used: it cannot be reached or signed in to, a newer program wrote the journal, or it
    /// belongs to another tenant. The fault says what to do.
    pub fn open(place: Place, tenant: TenantKey, boot: BootId, role: Role) -> Result<Self, OpenError> {
        Self::open_by(place, tenant, boot, role, Time::Database)
    }

    /// The database's clock, as it is known here: the one to live by with this journal.
    #[must_use]
    pub fn clock(&self) -> Arc<dyn Clock> {
        Arc::clone(&self.known) as Arc<dyn Clock>
    }

    /// The replicas that work on it.
    #[must_use]
    pub fn replicas(&self) -> Replicas {
        self.working.clone()
    }

    /// Whether a journal could be opened in a database, or made there, for that tenant where one is known. Nothing is
    /// made or written.
    ///
    /// # Errors
    /// When it could not.
    pub fn usable(place: Place, tenant: Option<TenantKey>) -> Result<(), OpenError> {
        ask_once(place, async move |tx| open::usable(tx, tenant).await)
    }

    /// Whose journal is there.
    ///
    /// # Errors
    /// When there is none, or it does not say.
    pub fn tenant_of(place: Place) -> Result<TenantKey, OpenError> {
        ask_once(place, async |tx| open::tenant(tx).await)
    }

    /// How the journal there does, seen from outside.
    ///
    /// # Errors
    /// When the database does not answer.
    pub fn condition(place: Place) -> Result<Condition, OpenError> {
        ask_once(place, async |tx| Ok(Condition { daemons: replicas::alive(tx).await?, ..Condition::default() }))
    }

    /// How the database is called.
    #[must_use]
    pub fn place(&self) -> &str {
        &self.name
    }

    /// Takes in every row of a journal in a file, or none of them.
    pub(super) async fn take_in(&self, from: Arc<SqliteJournal>) -> Taken {
        const WHAT: &str = "copying a journal";
        let job = async move |store: std::rc::Rc<Store>| {
            let copied = store.transact(false, &async |tx| copy::take_in(tx, &from).await).await;
            match copied {
                Ok(Some(rows)) => Taken::All(rows),
                Ok(None) => Taken::NotEmpty,
                Err(stop) if stop.leaves_it_open() => Taken::Unknown(stop.into_fault(WHAT, store.place.name())),
                Err(stop) => Taken::Nothing(stop.into_fault(WHAT, store.place.name())),
            }
        };
        let gone = |cause| Taken::Unknown(Fault { what: WHAT.to_owned(), cause });
        self.engine.run(job).await.unwrap_or_else(gone)
    }

    /// Whether a replica works there: one whose sign of life moves. Where there are signs it takes some seconds.
    pub(super) async fn is_in_use(&self) -> Result<bool, Fault> {
        const WHAT: &str = "looking whether a riposte runs there";
        let look = || self.ask(WHAT, async |tx: &Tx<'_>| replicas::signs(tx).await);
        let before = look().await?;
        if before.is_empty() {
            return Ok(false);
        }
        tokio::time::sleep(replicas::SILENCE).await;
        Ok(look().await?.iter().any(|sign| !before.contains(sign)))
    }

    fn open_by(place: Place, tenant: TenantKey, boot: BootId, role: Role, time: Time) -> Result<Self, OpenError> {
        let identity = Identity { tenant, tenant_text: tenant.to_string(), boot, boot_text: boot.to_string() };
        let (identity, known, nudges) = (Arc::new(identity), Arc::new(DatabaseClock::new()), Arc::new(Nudges::new()));
        let name = place.name().to_owned();
        let contact = Arc::new(Contact::new(&name, Arc::clone(&known), role == Role::Replica));
        let make = maker(place, &identity, (&nudges, &contact), (&time, &known));
        let mine = Arc::clone(&identity);
        let working = Replicas::alone();
        let seen = working.clone();
        let first = async move |store: &Store| {
            store.transact(false, &async |tx| open::open(tx, &mine, role != Role::Visitor).await).await?;
            if role == Role::Replica { replicas::arrive(store, &seen).await } else { Ok(None) }
        };
        let watched = (role == Role::Replica).then(|| working.clone());
        let (engine, rested) = Engine::start(watched, make, first)?;
        let working = working.after(rested);
        Ok(Self { role, name, identity, known, working, time, nudges, contact, engine })
    }

    async fn write<T, W>(&self, what: &'static str, nudges: bool, work: W) -> Result<T, CommitError>
    where
        T: Send + 'static,
        W: AsyncFn(&Tx<'_>) -> Result<T, Stop> + Send + 'static,
    {
        self.run(what, async move |store: std::rc::Rc<Store>| store.write(what, nudges, work).await).await
    }

    async fn run<T, J>(&self, what: &'static str, job: J) -> Result<T, CommitError>
    where
        T: Send + 'static,
        J: AsyncFnOnce(std::rc::Rc<Store>) -> Result<T, CommitError> + Send + 'static,
    {
        let gone = |cause| Err(CommitError::Fault(Fault { what: what.to_owned(), cause }));
        self.engine.run(job).await.unwrap_or_else(gone)
    }

    async fn ask<T, Q>(&self, what: &'static str, question: Q) -> Result<T, Fault>
    where
        T: Send + 'static,
        Q: AsyncFn(&Tx<'_>) -> Result<T, Stop> + Send + 'static,
    {
        let job = async move |store: std::rc::Rc<Store>| store.ask(what, question).await;
        let gone = |cause| Err(Fault { what: what.to_owned(), cause });
        self.engine.run(job).await.unwrap_or_else(gone)
    }
}

/// One question to a database that is not opened as a journal.
fn ask_once<T: Send + 'static>(
    place: Place,
    question: impl AsyncFn(&Tx<'_>) -> Result<T, Stop> + Send + 'static,
) -> Result<T, OpenError> {
    let boot = BootId::derive(&["nobody"]);
    let tenant = TenantKey(uuid::Uuid::nil());
    let identity = Identity { tenant, tenant_text: tenant.to_string(), boot, boot_text: boot.to_string() };
    let (nudges, known) = (Arc::new(Nudges::new()), Arc::new(DatabaseClock::new()));
    let contact = Arc::new(Contact::new(place.name(), Arc::clone(&known), false));
    let make = maker(place, &Arc::new(identity), (&nudges, &contact), (&Time::Database, &known));
    let first = async move |store: &Store| store.transact(false, &question).await;
    Engine::start(None, make, first).map(|(_, answer)| answer)
}

fn maker(
    place: Place,
    identity: &Arc<Identity>,
    (nudges, contact): (&Arc<Nudges>, &Arc<Contact>),
    (time, known): (&Time, &Arc<DatabaseClock>),
) -> impl FnOnce() -> Result<Store, OpenError> + Send + 'static {
    let (identity, nudges, contact) = (Arc::clone(identity), Arc::clone(nudges), Arc::clone(contact));
    let time = (time.clone(), Arc::clone(known));
    move || {
        let name = place.name().to_owned();
        Store::new(place, identity, nudges, contact, time).map_err(|stop| stop.into_open_error(&name))
    }
}

#[async_trait]
impl Journal for PostgresJournal {
    fn boot(&self) -> BootId {
        self.identity.boot
    }

    fn now(&self) -> At {
        self.time.judge(self.known.now())
    }

    async fn ensure_lane(&self, lane: &LaneKey, at: At) -> Result<(), Fault> {
        let lane = lane.clone();
        let work = async move |tx: &Tx<'_>| lanes::ensure(tx, &lane, at).await;
        self.write("making a lane", true, work).await.map_err(only_fault)
    }

    async fn wake(&self, lane: &LaneKey, at: At) -> Result<(), Fault> {
        let wake = [super::batch::Wake { lane: lane.clone(), at }];
        let work = async move |tx: &Tx<'_>| lanes::wake(tx, &wake).await;
        self.write("waking a lane", true, work).await.map_err(only_fault)
    }

    async fn claim(&self, room: &[(LaneKind, u32)], lease: Duration) -> Result<Claimed, Fault> {
        const WHAT: &str = "claiming lanes";
        if self.role != Role::Replica {
            let cause = "only the daemon works on lanes, and this process opened the journal as a visitor".to_owned();
            return Err(Fault { what: WHAT.to_owned(), cause });
        }
        let room = room.to_vec();
        let work = async move |tx: &Tx<'_>| lanes::claim(tx, &room, lease).await;
        self.write(WHAT, false, work).await.map_err(only_fault)
    }

    async fn extend(&self, claim: &Claim, lease: Duration) -> Result<(), CommitError> {
        let held = Held::from(claim);
        let work = async move |tx: &Tx<'_>| lanes::extend(tx, &held, lease).await;
        claim.renew(self.write("extending a lease", false, work).await?);
        Ok(())
    }

    async fn load(&self, claim: &Claim) -> Result<Loaded, Fault> {
        let lane = claim.lane.clone();
        self.ask("loading a lane", async move |tx: &Tx<'_>| read::load(tx, &lane).await).await
    }

    async fn commit(&self, claim: &Claim, batch: Batch) -> Result<(), CommitError> {
        let (held, nudges) = (Held::from(claim), !batch.wakes.is_empty());
        let work = async move |tx: &Tx<'_>| commit::step(tx, &held, &batch).await;
        self.write("writing a step", nudges, work).await
    }

    async fn begin(&self, claim: &Claim, go: Cleared, attempt: u32, batch: Batch) -> Result<Begun, CommitError> {
        const WHAT: &str = "beginning an action";
        let (asked, held, nudges) = (Instant::now(), Held::from(claim), !batch.wakes.is_empty());
        let job = async move |store: std::rc::Rc<Store>| {
            store.write(WHAT, nudges, async |tx| begin::begin(tx, &held, &go, attempt, &batch).await).await?;
            let (action, route, prior) = go.into_parts();
            Ok(Begun::new(action, route, prior, attempt, begin::stop_sending(&held, asked)))
        };
        self.run(WHAT, job).await
    }

    async fn begin_note(&self, claim: &Claim, note: NoteToWrite, batch: Batch) -> Result<BegunNote, CommitError> {
        const WHAT: &str = "beginning a note";
        let (asked, held, nudges) = (Instant::now(), Held::from(claim), !batch.wakes.is_empty());
        let job = async move |store: std::rc::Rc<Store>| {
            store.write(WHAT, nudges, async |tx| begin::begin_note(tx, &held, &note, &batch).await).await?;
            Ok(begin::begun_note(note, &held, asked))
        };
        self.run(WHAT, job).await
    }

    async fn seal(&self, claim: &Claim) -> Result<Sealed, CommitError> {
        let held = Held::from(claim);
        self.write("sealing", false, async move |tx: &Tx<'_>| seal::seal(tx, &held).await).await
    }

    async fn release(&self, claim: Claim, nudges: u64, due: Option<At>) -> Result<(), Fault> {
        let held = Held::from(&claim);
        let work = async move |tx: &Tx<'_>| lanes::release(tx, &held, nudges, due).await;
        self.write("releasing a lane", true, work).await.map_err(only_fault)
    }

    async fn fail(&self, claim: Claim, failed: FailedPass) -> Result<bool, Fault> {
        let held = Held::from(&claim);
        let work = async move |tx: &Tx<'_>| quarantine::strike(tx, &held, &failed).await;
        self.write("giving a lane back", true, work).await.map_err(only_fault)
    }

    async fn quarantined(&self) -> Result<Vec<Quarantined>, Fault> {
        self.ask("reading the quarantine", async |tx: &Tx<'_>| quarantine::all(tx).await).await
    }

    async fn free(&self, lane: &LaneKey, actor: &str) -> Result<bool, Fault> {
        let (lane, actor) = (lane.clone(), actor.to_owned());
        let work = async move |tx: &Tx<'_>| quarantine::free(tx, &lane, &actor).await;
        self.write("releasing a lane from quarantine", true, work).await.map_err(only_fault)
    }

    async fn signal(&self, signal: Signal) -> Result<bool, Fault> {
        let work = async move |tx: &Tx<'_>| lanes::signal(tx, &signal).await;
        self.write("leaving a signal", true, work).await.map_err(only_fault)
    }

    async fn signals(&self, lane: &LaneKey) -> Result<Vec<Signal>, Fault> {
        let lane = lane.clone();
        self.ask("reading signals", async move |tx: &Tx<'_>| read::signals(tx, &lane).await).await
    }

    async fn remove(&self, removal: Removal) -> Result<(), CommitError> {
        let work = async move |tx: &Tx<'_>| removal::remove(tx, &removal).await;
        self.write("removing what streams say", false, work).await
    }

    async fn stream(&self, key: &StreamKey) -> Result<Option<StoredStream>, Fault> {
        let key = key.clone();
        self.ask("reading a stream", async move |tx: &Tx<'_>| read::stream(tx, &key).await).await
    }

    async fn together(&self, keys: &[StreamKey]) -> Result<Vec<StoredStream>, Fault> {
        let keys = keys.to_vec();
        let question = async move |tx: &Tx<'_>| read::together(tx, &keys).await;
        self.ask("reading streams of one moment", question).await
    }

    async fn streams(&self, filter: &Filter) -> Result<Vec<StoredStream>, Fault> {
        let filter = filter.clone();
        self.ask("reading streams", async move |tx: &Tx<'_>| read::streams(tx, &filter).await).await
    }

    async fn events(&self, key: &StreamKey) -> Result<Vec<StoredEvent>, Fault> {
        let key = key.clone();
        self.ask("reading events", async move |tx: &Tx<'_>| read::events(tx, &key).await).await
    }

    async fn placed(&self, after: u64, limit: u32) -> Result<Vec<Placed>, Fault> {
        self.ask("reading events in order", async move |tx: &Tx<'_>| seal::placed(tx, after, limit).await).await
    }

    async fn chain(&self, key: &StreamKey) -> Result<(Vec<Link>, Option<Head>), Fault> {
        let key = key.clone();
        self.ask("reading a chain", async move |tx: &Tx<'_>| read::chain(tx, &key).await).await
    }

    async fn heads(&self, kind: StreamKind, after_id: &str, limit: u32) -> Result<Heads, Fault> {
        let after = after_id.to_owned();
        let question = async move |tx: &Tx<'_>| seal::heads(tx, kind, &after, limit).await;
        self.ask("reading the ends of streams", question).await
    }

    async fn aliases(&self, values: &[String]) -> Result<Vec<(String, AlertId)>, Fault> {
        let values = values.to_vec();
        self.ask("reading names", async move |tx: &Tx<'_>| read::aliases(tx, &values).await).await
    }

    async fn effects(&self, accounts: &[String]) -> Result<Vec<Effect>, Fault> {
        let accounts = accounts.to_vec();
        self.ask("reading effects", async move |tx: &Tx<'_>| read::effects(tx, &accounts).await).await
    }

    async fn holds(&self, after: i64, limit: u32) -> Result<Vec<Hold>, Fault> {
        let question = async move |tx: &Tx<'_>| read::holds(tx, after, limit).await;
        self.ask("reading who holds which effect", question).await
    }

    async fn cursor(&self, source: &str) -> Result<Option<Value>, Fault> {
        let source = source.to_owned();
        self.ask("reading a cursor", async move |tx: &Tx<'_>| read::cursor(tx, &source).await).await
    }

    async fn charged(&self, key: &str, since: At, but: &str) -> Result<u32, Fault> {
        let (key, but) = (key.to_owned(), but.to_owned());
        self.ask("reading a limit", async move |tx: &Tx<'_>| read::charged(tx, &key, since, &but).await).await
    }

    async fn next_due(&self, kinds: &[LaneKind]) -> Result<Option<At>, Fault> {
        let kinds = kinds.to_vec();
        self.ask("reading due times", async move |tx: &Tx<'_>| read::next_due(tx, &kinds).await).await
    }

    async fn due(&self, lane: &LaneKey) -> Result<Option<At>, Fault> {
        let lane = lane.clone();
        self.ask("looking when a lane is due", async move |tx: &Tx<'_>| read::due(tx, &lane).await).await
    }

    async fn lanes(&self) -> Result<LaneCounts, Fault> {
        self.ask("counting lanes", async |tx: &Tx<'_>| read::lanes(tx).await).await
    }

    async fn labels(&self, kind: StreamKind, among: Among) -> Result<BTreeMap<String, u64>, Fault> {
        let question = async move |tx: &Tx<'_>| read::labels(tx, kind, among).await;
        self.ask("counting how streams stand", question).await
    }

    async fn ended(&self, kind: StreamKind, since: At) -> Result<Ended, Fault> {
        self.ask("counting what has ended", async move |tx: &Tx<'_>| read::ended(tx, kind, since).await).await
    }

    async fn paused(&self) -> Result<Option<Pause>, Fault> {
        const WHAT: &str = "reading the kill switch";
        let stored = self.ask(WHAT, async |tx: &Tx<'_>| commit::stored(tx, &kill_switch()).await).await?;
        let read = stored.map_or(Ok(None), |(_, state)| read_pause(&state));
        read.map_err(|nonsense| Fault { what: WHAT.to_owned(), cause: nonsense.0 })
    }

    async fn set_pause(&self, pause: Option<Pause>, actor: &str) -> Result<(), Fault> {
        let actor = actor.to_owned();
        let lets_go = pause.is_none();
        let work = async move |tx: &Tx<'_>| begin::set_pause(tx, pause.as_ref(), &actor).await;
        self.write("setting the kill switch", true, work).await.map_err(only_fault)?;
        if lets_go {
            let work = async move |tx: &Tx<'_>| begin::wake_parked(tx).await;
            self.write("waking what the kill switch held", true, work).await.map_err(only_fault)?;
        }
        Ok(())
    }

    /// A write between the last call that ended and this one ends it at once, so nothing is missed by
    /// looking first and waiting then. For one waiting loop per open journal.
    async fn nudged(&self) {
        self.nudges.next().await;
    }

    fn away(&self) -> Option<String> {
        self.contact.away()
    }

    fn hurry(&self) {
        self.contact.hurry();
    }
}
