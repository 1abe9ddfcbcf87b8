//! Opening: what the database holds, whether this program may use it, and bringing it up to date.

use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::super::chain::ALGORITHM;
use super::super::sense::may_read;
use super::fault::Stop;
use super::store::Tx;
use super::{Identity, place};
use crate::model::scope::TenantKey;
use crate::model::text::hex;

/// The steps by which the tables came to be what they are; never changed, only added to.
const MIGRATIONS: &[Migration] =
    &[Migration { number: 1, sql: include_str!("0001.sql") }, Migration { number: 2, sql: include_str!("0002.sql") }];

/// The oldest schema whose programs can read what this one writes.
const MIN_READER: u32 = 2;

/// The oldest PostgreSQL on which everything that is asked of it works, by its own number.
const OLDEST_SERVER: i32 = 140_000;

struct Migration {
    number: u32,
    sql: &'static str,
}

impl Migration {
    fn checksum(&self) -> String {
        hex(&Sha256::digest(self.sql.as_bytes()))
    }

    fn key(&self) -> String {
        format!("migration/{:04}", self.number)
    }
}

/// The journal is there and may be used; with `migrate` it is made where there is none, and brought up to date where
/// it is an older one. Several replicas may do so at the same time.
pub(super) async fn open(tx: &Tx<'_>, identity: &Identity, migrate: bool) -> Result<(), Stop> {
    new_enough(tx).await?;
    as_asked(tx).await?;
    if migrate {
        bring_up_to_date(tx, identity).await?;
    }
    match schema(tx).await? {
        0 => Err(Stop::Fault("there is no journal in it yet; `riposte run` makes it".to_owned())),
        schema if schema < latest() => {
            Err(Stop::Fault("an older riposte wrote it; start `riposte run` of this version once".to_owned()))
        }
        _ => agree(tx, Some(identity.tenant)).await,
    }
}

/// Whether this program could work on a journal there, which `riposte run` makes where there is none.
pub(super) async fn usable(tx: &Tx<'_>, tenant: Option<TenantKey>) -> Result<(), Stop> {
    new_enough(tx).await?;
    as_asked(tx).await?;
    if schema(tx).await? > 0 {
        return agree(tx, tenant).await;
    }
    let sql = "select has_database_privilege(current_database(), 'create') or to_regnamespace('riposte') is not null";
    let may: bool = tx.one(sql, &[]).await?.try_get(0)?;
    if may { Ok(()) } else { Err(Stop::Fault(NOT_ALLOWED.to_owned())) }
}

const NOT_ALLOWED: &str = "riposte's user may not make the schema riposte there; make it, owned by that user, or let it \
                           (GRANT CREATE ON DATABASE)";

/// Whose journal it is.
pub(super) async fn tenant(tx: &Tx<'_>) -> Result<TenantKey, Stop> {
    let written = if schema(tx).await? > 0 { meta(tx, "tenant").await? } else { String::new() };
    let tenant = written.parse().map(TenantKey);
    tenant.map_err(|_| Stop::Fault("it does not say whose journal it is".to_owned()))
}

/// This program may still write: no newer one has changed the tables. Nor does one do so before the transaction ends,
/// for whoever changes them waits for those that have looked.
pub(super) async fn current(tx: &Tx<'_>) -> Result<(), Stop> {
    let least = meta(tx, "min_reader").await?;
    may_read(&least, latest()).map_err(Stop::Fault)
}

/// The session is as riposte asks for it. A pooler that hands connections from one transaction to the next drops what was
/// asked for, or keeps it for somebody else.
async fn as_asked(tx: &Tx<'_>) -> Result<(), Stop> {
    for (setting, value) in place::SESSION {
        let row = tx.one("select coalesce(current_setting($1, true), '')", &[setting]).await?;
        if row.try_get::<_, &str>(0)? != *value {
            return Err(Stop::Fault(format!(
                "{setting} is not {value}, as riposte asks of its session: it must be a pooler that does not keep sessions; \
                 name the database itself in [journal] postgres"
            )));
        }
    }
    Ok(())
}

async fn new_enough(tx: &Tx<'_>) -> Result<(), Stop> {
    let row =
        tx.one("select current_setting('server_version_num')::int, current_setting('server_version')", &[]).await?;
    let (number, said): (i32, &str) = (row.try_get(0)?, row.try_get(1)?);
    if number >= OLDEST_SERVER {
        return Ok(());
    }
    Err(Stop::Fault(format!("PostgreSQL {said} is too old; riposte needs 14 or later")))
}

/// The number of the tables' shape, 0 when there are none.
async fn schema(tx: &Tx<'_>) -> Result<u32, Stop> {
    let known = tx.one("select to_regclass('riposte.meta') is not null", &[]).await?;
    if !known.try_get::<_, bool>(0)? {
        return Ok(0);
    }
    let said = meta(tx, "schema").await?;
    said.parse().map_err(|_| Stop::Fault("its schema riposte is of another program; name another database".to_owned()))
}

async fn bring_up_to_date(tx: &Tx<'_>, identity: &Identity) -> Result<(), Stop> {
    // Until the transaction ends, so that it also holds behind a pooler of connections.
    tx.run("select pg_advisory_xact_lock(hashtextextended('riposte schema', 0))", &[]).await?;
    let there = schema(tx).await?;
    if there >= latest() {
        return Ok(());
    }
    let made = tx.one("select to_regnamespace('riposte') is not null", &[]).await?;
    if !made.try_get::<_, bool>(0)? {
        tx.batch("create schema riposte").await?;
    }
    if there > 0 {
        // Whoever writes has looked into it, and goes on looking: see `current`.
        tx.batch("lock table riposte.meta in access exclusive mode").await?;
    }
    for migration in MIGRATIONS.iter().filter(|migration| migration.number > there) {
        tx.batch(migration.sql).await?;
        note(tx, &migration.key(), &migration.checksum()).await?;
    }
    note(tx, "schema", &latest().to_string()).await?;
    note(tx, "min_reader", &MIN_READER.to_string()).await?;
    if there == 0 {
        let id = Uuid::new_v5(&identity.boot.uuid(), format!("journal/{}/{}", identity.tenant, tx.now).as_bytes());
        note(tx, "journal", &id.to_string()).await?;
        note(tx, "tenant", &identity.tenant_text).await?;
        note(tx, "chain", ALGORITHM).await?;
    }
    Ok(())
}

/// The journal's own word on whether this program may use it, for that tenant where one is known.
async fn agree(tx: &Tx<'_>, tenant: Option<TenantKey>) -> Result<(), Stop> {
    current(tx).await?;
    let chain = meta(tx, "chain").await?;
    if chain != ALGORITHM {
        return Err(Stop::Fault(format!("its hash chain is {chain:?}, not {ALGORITHM:?}; use a newer riposte")));
    }
    let schema = schema(tx).await?;
    for migration in MIGRATIONS.iter().filter(|migration| migration.number <= schema) {
        if meta(tx, &migration.key()).await? != migration.checksum() {
            let number = migration.number;
            return Err(Stop::Fault(format!(
                "its tables were made by another step {number} than this riposte's; use the version that made it"
            )));
        }
    }
    let owner = meta(tx, "tenant").await?;
    if let Some(tenant) = tenant.filter(|tenant| owner != tenant.to_string()) {
        return Err(Stop::Fault(format!(
            "it belongs to tenant {owner}, and the settings say {tenant}; every tenant has a journal of its own"
        )));
    }
    Ok(())
}

async fn meta(tx: &Tx<'_>, key: &str) -> Result<String, Stop> {
    let row = tx.maybe("select value from riposte.meta where key = $1", &[&key]).await?;
    Ok(row.map(|row| row.try_get(0)).transpose()?.unwrap_or_default())
}

async fn note(tx: &Tx<'_>, key: &str, value: &str) -> Result<(), Stop> {
    let sql = "insert into riposte.meta (key, value) values ($1, $2)
        on conflict (key) do update set value = excluded.value";
    tx.run(sql, &[&key, &value]).await?;
    Ok(())
}

fn latest() -> u32 {
    MIGRATIONS.last().map_or(0, |migration| migration.number)
}
