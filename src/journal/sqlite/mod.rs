//! The journal in one SQLite file on a local disk.
//!
//! One process owns it (the daemon); commands stand beside it as visitors, who read and leave
//! messages but never claim a lane. One thread writes, with group commit; readers have connections
//! of their own and do not wait for it.

mod backup;
mod begin;
mod commit;
mod condition;
mod copy;
mod fault;
mod files;
mod job;
mod lanes;
mod open;
mod quarantine;
mod read;
mod readers;
mod removal;
mod rows;
mod seal;
mod sound;
mod steady;
#[cfg(test)]
pub(crate) mod testing;
#[cfg(test)]
mod tests;
mod writer;
mod written;

use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use rusqlite::{Connection, Transaction, TransactionBehavior};
use serde_json::Value;

use super::batch::Batch;
use super::begun::{Begun, BegunNote};
use super::chain::{BrokenChain, Head, Link, verify_stream};
use super::condition::Condition;
use super::copy::{Cell, Mark, Page, Table};
use super::lane::{Claim, Claimed, LaneKey, LaneKind};
use super::nudge::Nudges;
use super::removal::Removal;
use super::seal::Sealed;
use super::sense::{kill_switch, only_fault, read_pause};
use super::{
    Among, CommitError, Effect, Ended, FailedPass, Fault, Filter, Heads, Hold, Journal, LaneCounts, Loaded,
    NoteToWrite, OpenError, Pause, Placed, Quarantined, Signal, StoredEvent, StoredStream,
};
use crate::decide::cleared::Cleared;
use crate::model::id::{AlertId, BootId};
use crate::model::scope::TenantKey;
use crate::model::time::{At, Clock};
use crate::record::event::{StreamKey, StreamKind};
use fault::Stop;
use lanes::Held;
use readers::Readers;
use rows::Tx;
pub use sound::PageCheck;
use steady::SteadyClock;
use writer::{Desk, Writer};
use written::Written;

/// Who opens the journal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Owner {
    /// The daemon: the only one, and the leases of those before it are over.
    Daemon,
    /// A command, beside a daemon or alone: reads, signals, pauses; claims nothing.
    Visitor,
    /// A copy to another place, instead of a daemon: also of a file that was copied before.
    Copier,
}

/// The journal in a SQLite file. Dropping it finishes what waits, closes the file and gives the
/// ownership up; so does the end of the process, however it comes.
pub struct SqliteJournal {
    owner: Owner,
    identity: Arc<Identity>,
    clock: Arc<SteadyClock>,
    nudges: Arc<Nudges>,
    readers: Arc<Readers>,
    writer: Writer,
    rested: Option<Duration>,
}

/// Whose rows these are, and who we are.
struct Identity {
    tenant: TenantKey,
    tenant_text: String,
    boot: BootId,
    boot_text: String,
}

impl SqliteJournal {
    /// Whose journal lies there.
    ///
    /// # Errors
    /// When there is none, or it does not say.
    pub fn tenant_of(path: &Path) -> Result<TenantKey, OpenError> {
        open::tenant(&files::existing(path)?)
    }

    /// Opens the journal at `path`; the daemon makes it if it is not there. Leases and due times are
    /// judged by `clock`. `boot` names this run of the process.
    ///
    /// # Errors
    /// When the file cannot be used: another daemon owns it, it is no journal, a newer program wrote
    /// it, it belongs to another tenant, or the disk says no. The fault says what to do.
    pub fn open(
        path: &Path,
        tenant: TenantKey,
        clock: Arc<dyn Clock>,
        boot: BootId,
        owner: Owner,
    ) -> Result<Self, OpenError> {
        let identity = Identity { tenant, tenant_text: tenant.to_string(), boot, boot_text: boot.to_string() };
        let identity = Arc::new(identity);
        let clock = Arc::new(SteadyClock::new(clock));
        let (path, lock) = match owner {
            Owner::Daemon | Owner::Copier => {
                let path = if owner == Owner::Copier { files::existing(path)? } else { files::create(path)? };
                // Beside a file that is none of ours nothing is left behind.
                open::usable(&path, Some(tenant), owner == Owner::Copier)?;
                let lock = files::lock(&path, boot)?;
                (path, Some(lock))
            }
            Owner::Visitor => (files::existing(path)?, None),
        };
        let db = open::writer(&path, &identity, clock.now(), owner != Owner::Visitor)?;
        if owner != Owner::Copier {
            open::not_moved(&path, &db)?;
        }
        if owner != Owner::Visitor {
            open::not_put_back(&path, &db)?;
        }
        let mut rested = None;
        if owner != Owner::Visitor {
            rested = open::last_written(&db, &identity, &clock)?.map(|last| clock.now().since(last));
            take_over(&db, &identity, clock.now()).map_err(|stop| only_fault(stop.into_error("ending old leases")))?;
        }
        let nudges = Arc::new(Nudges::new());
        let written = match owner {
            Owner::Daemon => Some(Written::open(&path, &db)?),
            Owner::Visitor => Written::visit(&path, &db),
            Owner::Copier => None,
        };
        let desk = Desk {
            db,
            identity: Arc::clone(&identity),
            clock: Arc::clone(&clock),
            nudges: Arc::clone(&nudges),
            written,
            lock,
        };
        let readers = Readers::new(path, Arc::clone(&identity), Arc::clone(&clock));
        Ok(Self { owner, identity, clock, nudges, readers, writer: Writer::start(desk)?, rested })
    }

    /// For how long nothing was written when it was opened to be worked on; `None` where nothing ever was.
    #[must_use]
    pub const fn rested(&self) -> Option<Duration> {
        self.rested
    }

    /// Whether a journal could be opened at `path`, or made there: what [`Self::open`] would say of the path and of what
    /// lies there, whosoever's it is where no tenant is known. Whether a daemon works on it is another matter.
    ///
    /// # Errors
    /// When it could not.
    pub fn usable(path: &Path, tenant: Option<TenantKey>) -> Result<(), OpenError> {
        open::usable(path, tenant, false)
    }

    /// Copies the journal at `path` as it stands at this moment into a new file, also while a daemon works on it.
    ///
    /// # Errors
    /// When the new file is there already, or one of both cannot be used.
    pub fn back_up(path: &Path, to: &Path) -> Result<(), OpenError> {
        backup::back_up(&files::existing(path)?, to).map_err(OpenError::Unusable)
    }

    /// Looks at every page of the file at `path`, and gives back what is wrong with it, if it is damaged. It takes as long as
    /// reading the file.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn damage(path: &Path) -> Result<Option<Fault>, OpenError> {
        sound::damage(&files::existing(path)?).map_err(OpenError::Failed)
    }

    /// The same beside other work: `found` is called with what came of it.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub fn check_pages(
        path: &Path,
        found: impl FnOnce(Result<Option<Fault>, Fault>) + Send + 'static,
    ) -> Result<PageCheck, OpenError> {
        PageCheck::start(&files::existing(path)?, found).map_err(OpenError::Failed)
    }

    /// How the file at `path` does, seen from outside.
    ///
    /// # Errors
    /// When there is none, or it cannot be looked at.
    pub fn condition(path: &Path) -> Result<Condition, OpenError> {
        condition::condition(&files::existing(path)?).map_err(OpenError::Failed)
    }

    /// Why the file at `path` is older than the journal that was last written there, if it is.
    ///
    /// # Errors
    /// When it cannot be read.
    pub fn put_back(path: &Path) -> Result<Option<String>, OpenError> {
        open::put_back(&files::existing(path)?)
    }

    /// The rows of a table as they stand that follow the one with the key `after`, at most so many.
    pub(super) async fn rows_of(&self, table: &'static Table, after: Vec<Cell>, most: usize) -> Result<Page, Fault> {
        self.readers.ask("reading rows to copy", move |view| copy::rows_of(view, table, &after, most)).await
    }

    /// When something changed last.
    pub(super) async fn last_change(&self) -> Result<At, Fault> {
        self.readers.ask("reading when something changed last", copy::last_change).await
    }

    /// What the file says of a copy of it.
    pub(super) async fn mark(&self) -> Result<Option<Mark>, Fault> {
        self.readers.ask("looking whether the file was copied", |view| copy::marked(view.db)).await
    }

    /// Lets the file say how far a copy of it has come: from then on nobody opens it as a journal; or nothing of one.
    pub(super) async fn set_mark(&self, mark: Option<Mark>) -> Result<(), Fault> {
        let work = move |tx: &Tx<'_>| copy::mark(tx, mark.as_ref());
        self.writer.write("marking the file as copied", false, work).await.map_err(only_fault)
    }

    /// Checks the hash chain of one stream, as it is stored: the outer result says whether it could
    /// be read, the inner one whether it holds. A stream that does not exist, and has no events, holds.
    pub async fn verify(&self, key: &StreamKey) -> Result<Result<(), BrokenChain>, Fault> {
        let asked = key.clone();
        let (links, head) = self.readers.ask("reading a chain", move |view| read::chain(view, &asked)).await?;
        Ok(verify_stream(self.identity.tenant, key, &links, &head.unwrap_or_default()))
    }
}

/// The leases of the process before us are over; a lane that was in hand in too many crashes stands still.
fn take_over(db: &Connection, identity: &Identity, now: At) -> Result<(), Stop> {
    let Identity { tenant, tenant_text, boot_text, .. } = identity;
    let transaction = Transaction::new_unchecked(db, TransactionBehavior::Immediate)?;
    let tx = Tx { db: &transaction, tenant: *tenant, t: tenant_text, me: boot_text, now };
    lanes::void_leases(&tx)?;
    for lane in quarantine::after_crashes(&tx)? {
        let lane = lane.for_logs();
        tracing::error!(
            lane,
            "lane quarantined: riposte died again and again while it was worked on; see `riposte status`"
        );
    }
    Ok(transaction.commit()?)
}

#[async_trait]
impl Journal for SqliteJournal {
    fn boot(&self) -> BootId {
        self.identity.boot
    }

    fn now(&self) -> At {
        self.clock.now()
    }

    async fn ensure_lane(&self, lane: &LaneKey, at: At) -> Result<(), Fault> {
        let lane = lane.clone();
        self.writer.write("making a lane", true, move |tx| lanes::ensure(tx, &lane, at)).await.map_err(only_fault)
    }

    async fn wake(&self, lane: &LaneKey, at: At) -> Result<(), Fault> {
        let lane = lane.clone();
        self.writer.write("waking a lane", true, move |tx| lanes::wake(tx, &lane, at)).await.map_err(only_fault)
    }

    async fn claim(&self, room: &[(LaneKind, u32)], lease: Duration) -> Result<Claimed, Fault> {
        const WHAT: &str = "claiming lanes";
        if self.owner != Owner::Daemon {
            let cause = "only the daemon works on lanes, and this process opened the journal as a visitor".to_owned();
            return Err(Fault { what: WHAT.to_owned(), cause });
        }
        let (asked, room) = (Instant::now(), room.to_vec());
        self.writer.hold(WHAT, false, move |tx| lanes::claim(tx, &room, lease, asked)).await.map_err(only_fault)
    }

    async fn extend(&self, claim: &Claim, lease: Duration) -> Result<(), CommitError> {
        let asked = Instant::now();
        let held = Held::from(claim);
        let work = move |tx: &Tx<'_>| lanes::extend(tx, &held, lease, asked);
        claim.renew(self.writer.hold("extending a lease", false, work).await?);
        Ok(())
    }

    async fn load(&self, claim: &Claim) -> Result<Loaded, Fault> {
        let lane = claim.lane.clone();
        self.readers.ask("loading a lane", move |view| read::load(view, &lane)).await
    }

    async fn commit(&self, claim: &Claim, batch: Batch) -> Result<(), CommitError> {
        let nudges = !batch.wakes.is_empty();
        let held = Held::from(claim);
        let work = move |tx: &Tx<'_>| {
            commit::still_ours(tx, &held)?;
            commit::write(tx, &held, batch)
        };
        self.writer.write("writing a step", nudges, work).await
    }

    async fn begin(&self, claim: &Claim, go: Cleared, attempt: u32, batch: Batch) -> Result<Begun, CommitError> {
        let asked = Instant::now();
        let nudges = !batch.wakes.is_empty();
        let held = Held::from(claim);
        let work = move |tx: &Tx<'_>| begin::begin(tx, &held, go, attempt, batch, asked);
        self.writer.write("beginning an action", nudges, work).await
    }

    async fn begin_note(&self, claim: &Claim, note: NoteToWrite, batch: Batch) -> Result<BegunNote, CommitError> {
        let asked = Instant::now();
        let nudges = !batch.wakes.is_empty();
        let held = Held::from(claim);
        let work = move |tx: &Tx<'_>| begin::begin_note(tx, &held, note, batch, asked);
        self.writer.write("beginning a note", nudges, work).await
    }

    async fn seal(&self, claim: &Claim) -> Result<Sealed, CommitError> {
        let held = Held::from(claim);
        self.writer.write("sealing", false, move |tx: &Tx<'_>| seal::seal(tx, &held)).await
    }

    async fn release(&self, claim: Claim, nudges: u64, due: Option<At>) -> Result<(), Fault> {
        let held = Held::from(&claim);
        let work = move |tx: &Tx<'_>| lanes::release(tx, &held, nudges, due);
        self.writer.hold("releasing a lane", true, work).await.map_err(only_fault)
    }

    async fn fail(&self, claim: Claim, failed: FailedPass) -> Result<bool, Fault> {
        let held = Held::from(&claim);
        let work = move |tx: &Tx<'_>| quarantine::strike(tx, &held, &failed);
        self.writer.write("giving a lane back", true, work).await.map_err(only_fault)
    }

    async fn quarantined(&self) -> Result<Vec<Quarantined>, Fault> {
        self.readers.ask("reading the quarantine", quarantine::all).await
    }

    async fn free(&self, lane: &LaneKey, actor: &str) -> Result<bool, Fault> {
        let (lane, actor) = (lane.clone(), actor.to_owned());
        let work = move |tx: &Tx<'_>| quarantine::free(tx, &lane, &actor);
        self.writer.write("releasing a lane from quarantine", true, work).await.map_err(only_fault)
    }

    async fn signal(&self, signal: Signal) -> Result<bool, Fault> {
        let work = move |tx: &Tx<'_>| lanes::signal(tx, &signal);
        self.writer.write("leaving a signal", true, work).await.map_err(only_fault)
    }

    async fn signals(&self, lane: &LaneKey) -> Result<Vec<Signal>, Fault> {
        let lane = lane.clone();
        self.readers.ask("reading signals", move |view| read::signals(view, &lane)).await
    }

    async fn remove(&self, removal: Removal) -> Result<(), CommitError> {
        let work = move |tx: &Tx<'_>| removal::remove(tx, &removal);
        self.writer.write("removing what streams say", false, work).await
    }

    async fn stream(&self, key: &StreamKey) -> Result<Option<StoredStream>, Fault> {
        let key = key.clone();
        self.readers.ask("reading a stream", move |view| read::stream(view, &key)).await
    }

    async fn together(&self, keys: &[StreamKey]) -> Result<Vec<StoredStream>, Fault> {
        let keys = keys.to_vec();
        self.readers.ask("reading streams of one moment", move |view| read::together(view, &keys)).await
    }

    async fn streams(&self, filter: &Filter) -> Result<Vec<StoredStream>, Fault> {
        let filter = filter.clone();
        self.readers.ask("reading streams", move |view| read::streams(view, &filter)).await
    }

    async fn events(&self, key: &StreamKey) -> Result<Vec<StoredEvent>, Fault> {
        let key = key.clone();
        self.readers.ask("reading events", move |view| read::events(view, &key)).await
    }

    async fn placed(&self, after: u64, limit: u32) -> Result<Vec<Placed>, Fault> {
        self.readers.ask("reading events in order", move |view| seal::placed(view, after, limit)).await
    }

    async fn chain(&self, key: &StreamKey) -> Result<(Vec<Link>, Option<Head>), Fault> {
        let key = key.clone();
        self.readers.ask("reading a chain", move |view| read::chain(view, &key)).await
    }

    async fn heads(&self, kind: StreamKind, after_id: &str, limit: u32) -> Result<Heads, Fault> {
        let after = after_id.to_owned();
        self.readers.ask("reading the ends of streams", move |view| seal::heads(view, kind, &after, limit)).await
    }

    async fn aliases(&self, values: &[String]) -> Result<Vec<(String, AlertId)>, Fault> {
        let values = values.to_vec();
        self.readers.ask("reading names", move |view| read::aliases(view, &values)).await
    }

    async fn effects(&self, accounts: &[String]) -> Result<Vec<Effect>, Fault> {
        let accounts = accounts.to_vec();
        self.readers.ask("reading effects", move |view| read::effects(view, &accounts)).await
    }

    async fn holds(&self, after: i64, limit: u32) -> Result<Vec<Hold>, Fault> {
        self.readers.ask("reading who holds which effect", move |view| read::holds(view, after, limit)).await
    }

    async fn cursor(&self, source: &str) -> Result<Option<Value>, Fault> {
        let source = source.to_owned();
        self.readers.ask("reading a cursor", move |view| read::cursor(view, &source)).await
    }

    async fn charged(&self, key: &str, since: At, but: &str) -> Result<u32, Fault> {
        let (key, but) = (key.to_owned(), but.to_owned());
        self.readers.ask("reading a limit", move |view| read::charged(view, &key, since, &but)).await
    }

    async fn next_due(&self, kinds: &[LaneKind]) -> Result<Option<At>, Fault> {
        let kinds = kinds.to_vec();
        self.readers.ask("reading due times", move |view| read::next_due(view.db, (view.t, view.me), &kinds)).await
    }

    async fn due(&self, lane: &LaneKey) -> Result<Option<At>, Fault> {
        let lane = lane.clone();
        self.readers.ask("looking when a lane is due", move |view| read::due(view, &lane)).await
    }

    async fn lanes(&self) -> Result<LaneCounts, Fault> {
        self.readers.ask("counting lanes", read::lanes).await
    }

    async fn labels(&self, kind: StreamKind, among: Among) -> Result<BTreeMap<String, u64>, Fault> {
        self.readers.ask("counting how streams stand", move |view| read::labels(view, kind, among)).await
    }

    async fn ended(&self, kind: StreamKind, since: At) -> Result<Ended, Fault> {
        self.readers.ask("counting what has ended", move |view| read::ended(view, kind, since)).await
    }

    async fn paused(&self) -> Result<Option<Pause>, Fault> {
        const WHAT: &str = "reading the kill switch";
        let state = self.readers.ask(WHAT, |view| read::state(view, &kill_switch())).await?;
        let read = state.map_or(Ok(None), |state| read_pause(&state));
        read.map_err(|nonsense| Fault { what: WHAT.to_owned(), cause: nonsense.0 })
    }

    async fn set_pause(&self, pause: Option<Pause>, actor: &str) -> Result<(), Fault> {
        let actor = actor.to_owned();
        let work = move |tx: &Tx<'_>| begin::set_pause(tx, pause.as_ref(), &actor);
        self.writer.write("setting the kill switch", true, work).await.map_err(only_fault)
    }

    /// A write between the last call that ended and this one ends it at once, so nothing is missed by
    /// looking first and waiting then. For one waiting loop per open journal.
    async fn nudged(&self) {
        self.nudges.next().await;
    }
}
