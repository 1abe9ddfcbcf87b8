//! Transactions: tried again while the trouble is of this moment, and never twice.

use std::sync::Arc;
use std::time::{Duration, Instant};

use deadpool_postgres::{Client, Manager, ManagerConfig, Pool, Transaction};
use tokio_postgres::types::ToSql;
use tokio_postgres::{Config, IsolationLevel, Row};

use super::super::nudge::Nudges;
use super::super::{CommitError, Fault};
use super::clock::DatabaseClock;
use super::contact::Contact;
use super::fault::{Stop, surely_undone};
use super::limit::{self, within};
use super::place::Place;
use super::{Identity, Time, open};
use crate::model::scope::TenantKey;
use crate::model::time::{At, Clock as _};

/// How long a command, and a daemon that ends, bear trouble of the moment; one that runs waits longer (`contact`).
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// Connections for transactions.
const CONNECTIONS: usize = 8;

/// The channel on which replicas tell each other that a lane may be due.
pub(super) const CHANNEL: &str = "riposte";

/// What every piece of work in a transaction needs.
pub(super) struct Tx<'a> {
    db: &'a Transaction<'a>,
    /// So long an answer is waited for.
    limit: Duration,
    pub(super) tenant: TenantKey,
    /// The tenant as text.
    pub(super) t: &'a str,
    /// The boot id as text.
    pub(super) me: &'a str,
    pub(super) now: At,
    /// A moment before `now` was told.
    pub(super) asked: Instant,
}

/// Values of a statement, in order.
pub(super) type Values<'v> = &'v [&'v (dyn ToSql + Sync)];

impl Tx<'_> {
    /// Runs one statement and says how many rows it changed.
    pub(super) async fn run(&self, sql: &str, values: Values<'_>) -> Result<u64, Stop> {
        let answer = async { self.db.execute(&self.db.prepare_cached(sql).await?, values).await };
        within(self.limit, answer).await
    }

    /// All rows.
    pub(super) async fn rows(&self, sql: &str, values: Values<'_>) -> Result<Vec<Row>, Stop> {
        let answer = async { self.db.query(&self.db.prepare_cached(sql).await?, values).await };
        within(self.limit, answer).await
    }

    /// The row, if there is one.
    pub(super) async fn maybe(&self, sql: &str, values: Values<'_>) -> Result<Option<Row>, Stop> {
        let answer = async { self.db.query_opt(&self.db.prepare_cached(sql).await?, values).await };
        within(self.limit, answer).await
    }

    /// The one row.
    pub(super) async fn one(&self, sql: &str, values: Values<'_>) -> Result<Row, Stop> {
        let answer = async { self.db.query_one(&self.db.prepare_cached(sql).await?, values).await };
        within(self.limit, answer).await
    }

    /// Several statements without values.
    pub(super) async fn batch(&self, sql: &str) -> Result<(), Stop> {
        within(limit::LONG, self.db.batch_execute(sql)).await
    }
}

/// The database, from the thread that talks to it.
pub(super) struct Store {
    pool: Pool,
    pub(super) place: Place,
    pub(super) identity: Arc<Identity>,
    pub(super) nudges: Arc<Nudges>,
    pub(super) contact: Arc<Contact>,
    time: Time,
    known: Arc<DatabaseClock>,
}

/// By what a database knows a transaction.
struct Number {
    /// `xid8`, unique on one timeline.
    id: String,
    /// The timeline of the server's log: another one once a standby was promoted.
    timeline: String,
}

impl Store {
    pub(super) fn new(
        place: Place,
        identity: Arc<Identity>,
        nudges: Arc<Nudges>,
        contact: Arc<Contact>,
        (time, known): (Time, Arc<DatabaseClock>),
    ) -> Result<Self, Stop> {
        let pool = pool(&place, CONNECTIONS)?;
        Ok(Self { pool, place, identity, nudges, contact, time, known })
    }

    /// The same with a connection of its own, which no crowd of writers can occupy.
    pub(super) fn apart(&self) -> Result<Self, Stop> {
        Ok(Self {
            pool: pool(&self.place, 1)?,
            place: self.place.clone(),
            identity: Arc::clone(&self.identity),
            nudges: Arc::clone(&self.nudges),
            contact: Arc::clone(&self.contact),
            time: self.time.clone(),
            known: Arc::clone(&self.known),
        })
    }

    /// Runs `work` in a transaction and answers when it is on disk. `what` names it in faults; `nudges` says that a
    /// lane may be due afterwards. Work may be run several times, and counts once.
    pub(super) async fn write<T>(
        &self,
        what: &str,
        nudges: bool,
        work: impl AsyncFn(&Tx<'_>) -> Result<T, Stop>,
    ) -> Result<T, CommitError> {
        let done = self.patiently(async || self.write_once(nudges, &work).await).await;
        if nudges {
            self.nudges.add();
        }
        done.map_err(|stop| stop.into_error(what, self.place.name()))
    }

    /// The same without patience.
    pub(super) async fn write_once<T>(
        &self,
        nudges: bool,
        work: &impl AsyncFn(&Tx<'_>) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        let current = async |tx: &Tx<'_>| {
            open::current(tx).await?;
            work(tx).await
        };
        self.transact(nudges, &current).await
    }

    /// Answers a question from one snapshot.
    pub(super) async fn ask<T>(
        &self,
        what: &str,
        question: impl AsyncFn(&Tx<'_>) -> Result<T, Stop>,
    ) -> Result<T, Fault> {
        let done = self.patiently(async || self.look(&question).await).await;
        done.map_err(|stop| stop.into_fault(what, self.place.name()))
    }

    /// Runs it once, without patience: for opening, where people wait.
    pub(super) async fn transact<T>(
        &self,
        nudges: bool,
        work: &impl AsyncFn(&Tx<'_>) -> Result<T, Stop>,
    ) -> Result<T, Stop> {
        let mut client = self.pool.get().await?;
        let (done, number, unanswered) = match self.until_commit(&mut client, nudges, work).await {
            Ok((done, _, None)) => {
                self.contact.answered();
                return Ok(done);
            }
            Ok((done, number, Some(stop))) => (done, number, stop),
            Err(stop) => return Err(self.given_up(client, stop)),
        };
        tracing::warn!(?unanswered, "the answer to a commit was lost; the database is asked what became of it");
        let unanswered = self.given_up(client, unanswered);
        if self.was_committed(&number).await? { Ok(done) } else { Err(unanswered) }
    }

    /// Up to the COMMIT, and why it was not answered, if it was not: it may have been done all the same.
    async fn until_commit<T>(
        &self,
        client: &mut Client,
        nudges: bool,
        work: &impl AsyncFn(&Tx<'_>) -> Result<T, Stop>,
    ) -> Result<(T, Number, Option<Stop>), Stop> {
        // Whatever the database's own default is: what a lock was waited for is to be seen.
        let asked = Instant::now();
        let transaction = client.build_transaction().isolation_level(IsolationLevel::ReadCommitted).read_only(false);
        let transaction = within(limit::PROMPT, transaction.start()).await?;
        let (now, number) = self.begun(&transaction).await?;
        let done = work(&self.tx(&transaction, limit::WRITING, (now, asked))).await?;
        if nudges {
            let notify = "select pg_notify($1, $2)";
            self.tx(&transaction, limit::PROMPT, (now, asked))
                .run(notify, &[&CHANNEL, &self.identity.boot_text])
                .await?;
        }
        match within(limit::COMMIT, transaction.commit()).await {
            Ok(()) => Ok((done, number, None)),
            Err(Stop::Sql(error)) if surely_undone(&error) => Err(error.into()),
            Err(stop) => Ok((done, number, Some(stop))),
        }
    }

    async fn look<T>(&self, question: &impl AsyncFn(&Tx<'_>) -> Result<T, Stop>) -> Result<T, Stop> {
        let mut client = self.pool.get().await?;
        let answer = async {
            let snapshot = client.build_transaction().isolation_level(IsolationLevel::RepeatableRead).read_only(true);
            let transaction = within(limit::PROMPT, snapshot.start()).await?;
            let answer = question(&self.tx(&transaction, limit::LONG, (self.now(), Instant::now()))).await?;
            within(limit::PROMPT, transaction.commit()).await?;
            Ok(answer)
        };
        let answer = answer.await;
        answer.inspect(|_| self.contact.answered()).map_err(|stop| self.given_up(client, stop))
    }

    /// A connection over which no answer came is thrown away, and those that lie idle with it: they have most likely died
    /// of the same, and whoever took one of them would wait as long.
    fn given_up(&self, client: Client, stop: Stop) -> Stop {
        if matches!(stop, Stop::Silent) {
            drop(Client::take(client));
            self.pool.retain(|_, _| false);
        }
        stop
    }

    fn tx<'a>(&'a self, db: &'a Transaction<'a>, limit: Duration, (now, asked): (At, Instant)) -> Tx<'a> {
        let Identity { tenant, tenant_text, boot_text, .. } = self.identity.as_ref();
        Tx { db, limit, tenant: *tenant, t: tenant_text, me: boot_text, now, asked }
    }

    /// What time it is, and by what the database knows the transaction.
    async fn begun(&self, transaction: &Transaction<'_>) -> Result<(At, Number), Stop> {
        let sql = "select (extract(epoch from clock_timestamp()) * 10000000)::bigint, pg_current_xact_id()::text,
            substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8)";
        let row = self.tx(transaction, limit::PROMPT, (At::EPOCH, Instant::now())).one(sql, &[]).await?;
        let told = self.known.hear(At::from_ticks(row.try_get(0)?)).map_err(Stop::Fault)?;
        Ok((self.time.judge(told), Number { id: row.try_get(1)?, timeline: row.try_get(2)? }))
    }

    fn now(&self) -> At {
        self.time.judge(self.known.now())
    }

    /// Whether a transaction whose commit nobody has answered was committed. The database knows, also after a restart; a
    /// standby that took its place does not, for it gives the same numbers to others.
    async fn was_committed(&self, number: &Number) -> Result<bool, Stop> {
        let began = tokio::time::Instant::now();
        loop {
            match self.status(number).await {
                Ok(Some(status)) if status == "committed" => return Ok(true),
                Ok(Some(status)) if status == "aborted" => return Ok(false),
                // It has not noticed yet that we are gone.
                Ok(Some(_)) => {}
                Err(stop) if stop.passes() => {}
                Ok(None) | Err(_) => return Err(Stop::Fault(UNKNOWN.to_owned())),
            }
            if began.elapsed() >= self.contact.patience() {
                return Err(Stop::Fault(UNKNOWN.to_owned()));
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// What the database says of a transaction; nothing, if it is not the one that began it.
    async fn status(&self, number: &Number) -> Result<Option<String>, Stop> {
        let client: Client = self.pool.get().await?;
        let sql = "select case when substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8) = $2
            then pg_xact_status($1::text::xid8) end";
        match within(limit::PROMPT, client.query_one(sql, &[&number.id, &number.timeline])).await {
            Ok(row) => Ok(row.try_get(0)?),
            Err(stop) => Err(self.given_up(client, stop)),
        }
    }

    /// Again and again while the trouble is of this moment.
    async fn patiently<T>(&self, attempt: impl AsyncFn() -> Result<T, Stop>) -> Result<T, Stop> {
        let began = tokio::time::Instant::now();
        let mut pause = Duration::from_millis(20);
        loop {
            match attempt().await {
                Err(stop) if stop.passes() && began.elapsed() < self.contact.patience() => {
                    tracing::debug!(?stop, "tried again");
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(Duration::from_secs(1));
                }
                done => return done,
            }
        }
    }
}

fn pool(place: &Place, connections: usize) -> Result<Pool, Stop> {
    Pool::builder(Manager::from_connect(Config::new(), place.clone(), ManagerConfig::default()))
        .max_size(connections)
        .runtime(deadpool_postgres::Runtime::Tokio1)
        .wait_timeout(Some(PATIENCE))
        .create_timeout(Some(limit::OPENING))
        .build()
        .map_err(|error| Stop::Fault(error.to_string()))
}

pub(super) const UNKNOWN: &str = "the answer to a commit was lost, and the database does not know what became of it: what was being \
                       written may be there or not; start riposte again, and it looks";
