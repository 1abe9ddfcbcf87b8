//! Opening: what the file is, whether this program may use it, and bringing it up to date.

use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, OpenFlags, OptionalExtension};
use sha2::{Digest, Sha256};
use uuid::Uuid;

use super::super::chain::ALGORITHM;
use super::super::sense::may_read;
use super::super::{Fault, OpenError};
use super::Identity;
use super::copy;
use super::fault::{open_error, sql_fault};
use super::files::{self, cannot_open};
use super::steady::SteadyClock;
use super::written;
use crate::model::scope::TenantKey;
use crate::model::text::{clip, hex};
use crate::model::time::At;
use crate::record::event::StreamKind;

/// Marks SQLite files that are journals ("ripo").
const APPLICATION: i32 = 0x7269_706f;

/// The steps by which the tables came to be what they are; never changed, only added to.
const MIGRATIONS: &[Migration] = &[
    Migration { number: 1, sql: include_str!("0001.sql") },
    Migration { number: 2, sql: include_str!("0002.sql") },
    Migration { number: 3, sql: include_str!("0003.sql") },
    Migration { number: 4, sql: include_str!("0004.sql") },
    Migration { number: 5, sql: include_str!("0005.sql") },
];

/// The oldest schema whose programs can read what this one writes.
const MIN_READER: u32 = 5;

/// How long to wait for another process's write.
const PATIENCE: Duration = Duration::from_secs(10);

struct Migration {
    number: u32,
    sql: &'static str,
}

impl Migration {
    fn checksum(&self) -> String {
        hex(&Sha256::digest(self.sql.as_bytes()))
    }
}

/// The connection that writes. With `migrate`, an empty file becomes a journal and an older one is
/// brought up to date.
pub(super) fn writer(path: &Path, identity: &Identity, now: At, migrate: bool) -> Result<Connection, OpenError> {
    let fault = |e: &rusqlite::Error| open_error(&format!("opening {}", path.display()), e);
    let mut db = connect(path).map_err(|e| fault(&e))?;
    let schema = look(path, &db)?;
    if !migrate && schema == 0 {
        return Err(cannot_open(path, "there is no journal in it yet; `riposte run` makes it"));
    }
    settle(path, &db)?;
    if migrate {
        bring_up_to_date(&mut db, identity, now).map_err(|e| fault(&e))?;
    } else if schema < latest() {
        return Err(cannot_open(path, "an older riposte wrote it; start `riposte run` of this version once"));
    }
    agree(path, &db, Some(identity.tenant))?;
    Ok(db)
}

/// Whether this program could work on a journal at this path, which `riposte run` makes where there is none. Nothing is
/// made or written.
pub(super) fn usable(path: &Path, tenant: Option<TenantKey>, to_copy: bool) -> Result<(), OpenError> {
    // A link to nothing is no path at which a file can be made.
    if path.symlink_metadata().is_err() {
        return files::could_be_made(path);
    }
    let path = files::existing(path)?;
    let fault = |e: &rusqlite::Error| open_error(&format!("opening {}", path.display()), e);
    let db = connect(&path).map_err(|e| fault(&e))?;
    if db.is_readonly("main").map_err(|e| fault(&e))? {
        return Err(cannot_open(&path, "it cannot be written; give riposte's user the right to"));
    }
    if look(&path, &db)? == 0 {
        return Ok(());
    }
    agree(&path, &db, tenant)?;
    if to_copy { Ok(()) } else { not_moved(&path, &db).and_then(|()| not_put_back(&path, &db)) }
}

/// When something was written last. It must not be later than now: leases and limits would mean nothing, and what is
/// due would stay so until the clock has caught up.
pub(super) fn last_written(db: &Connection, identity: &Identity, clock: &SteadyClock) -> Result<Option<At>, Fault> {
    let mut last: Option<At> = None;
    let latest = |kind: StreamKind| -> rusqlite::Result<Option<i64>> {
        let sql = "select max(changed_at) from stream where tenant = ?1 and kind = ?2";
        db.query_row(sql, [&identity.tenant_text, kind.word()], |row| row.get(0))
    };
    for kind in StreamKind::ALL {
        let latest = latest(kind).map_err(|e| sql_fault("reading when the journal was last written", &e))?;
        last = last.max(latest.map(At::from_ticks));
    }
    clock.reaches(last.unwrap_or(At::EPOCH))?;
    Ok(last)
}

/// A connection that only reads.
pub(super) fn reader(path: &Path) -> rusqlite::Result<Connection> {
    let db = connect(path)?;
    db.pragma_update(None, "query_only", true)?;
    // KiB, below the default of 2 MB: there are several readers, and the system keeps the file's pages anyway.
    db.pragma_update(None, "cache_size", -512)?;
    Ok(db)
}

pub(super) fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let db = Connection::open_with_flags(path, flags)?;
    db.busy_timeout(PATIENCE)?;
    db.set_prepared_statement_cache_capacity(64);
    db.pragma_update(None, "trusted_schema", false)?;
    // Otherwise a statement is planned anew for other values wherever an index of some rows might serve.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(db)
}

/// What the file is, before anything in it is touched: the number of its schema, 0 when it is empty.
fn look(path: &Path, db: &Connection) -> Result<u32, OpenError> {
    let read = || -> rusqlite::Result<(i32, u32, i64)> {
        Ok((
            db.pragma_query_value(None, "application_id", |row| row.get(0))?,
            db.pragma_query_value(None, "user_version", |row| row.get(0))?,
            db.query_row("select count(*) from sqlite_schema", [], |row| row.get(0))?,
        ))
    };
    match read().map_err(|e| open_error(&format!("opening {}", path.display()), &e))? {
        (0, 0, 0) => Ok(0),
        (APPLICATION, schema, _) => Ok(schema),
        _ => Err(cannot_open(
            path,
            "it is a SQLite file of another program; name another file in the settings ([journal] sqlite)",
        )),
    }
}

/// Every commit is on disk before it is acknowledged, and readers do not wait for the writer.
fn settle(path: &Path, db: &Connection) -> Result<(), OpenError> {
    let set = || -> rusqlite::Result<String> {
        let mode = db.pragma_update_and_check(None, "journal_mode", "wal", |row| row.get(0))?;
        db.pragma_update(None, "synchronous", "full")?;
        db.pragma_update(None, "journal_size_limit", 64 << 20)?;
        // Pages. The writer moves them into the file when it has nothing else to do; here only if it never has.
        db.pragma_update(None, "wal_autocheckpoint", 4_000)?;
        Ok(mode)
    };
    let mode = set().map_err(|e| open_error(&format!("opening {}", path.display()), &e))?;
    if mode.eq_ignore_ascii_case("wal") {
        return Ok(());
    }
    Err(cannot_open(path, "a write-ahead log does not work on this file system; put the journal on a local disk"))
}

fn bring_up_to_date(db: &mut Connection, identity: &Identity, now: At) -> rusqlite::Result<()> {
    let tx = db.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let schema: u32 = tx.pragma_query_value(None, "user_version", |row| row.get(0))?;
    if (1..latest()).contains(&schema) {
        tracing::info!(
            from = schema,
            to = latest(),
            "the journal's tables are brought up to date; health is answered after it"
        );
    }
    for migration in MIGRATIONS.iter().filter(|migration| migration.number > schema) {
        tx.execute_batch(migration.sql)?;
        note(&tx, &format!("migration/{:04}", migration.number), &migration.checksum())?;
        tx.pragma_update(None, "user_version", migration.number)?;
    }
    if schema == 0 {
        tx.pragma_update(None, "application_id", APPLICATION)?;
        let id = Uuid::new_v5(&identity.boot.uuid(), format!("journal/{}/{now}", identity.tenant).as_bytes());
        note(&tx, "journal", &id.to_string())?;
        note(&tx, "tenant", &identity.tenant_text)?;
        note(&tx, "chain", ALGORITHM)?;
    }
    if schema < latest() {
        note(&tx, "min_reader", &MIN_READER.to_string())?;
    }
    tx.commit()
}

/// The journal's own word on whether this program may use it, for that tenant where one is known.
fn agree(path: &Path, db: &Connection, tenant: Option<TenantKey>) -> Result<(), OpenError> {
    let meta = |key: &str| {
        db.query_row("select value from meta where key = ?1", [key], |row| row.get::<_, String>(0))
            .optional()
            .map(Option::unwrap_or_default)
            .map_err(|e| open_error(&format!("opening {}", path.display()), &e))
    };
    let min_reader = meta("min_reader")?;
    may_read(&min_reader, latest()).map_err(|cause| cannot_open(path, &cause))?;
    let foreign = "select name from sqlite_schema where type in ('trigger', 'view') limit 1";
    let foreign = db.query_row(foreign, [], |row| row.get::<_, String>(0)).optional();
    if let Some(name) = foreign.map_err(|e| open_error(&format!("opening {}", path.display()), &e))? {
        let name = clip(&name, 80);
        return Err(cannot_open(
            path,
            &format!(
                "it has a trigger or a view ({name}), which no riposte makes: somebody has changed it; put a backup in its place"
            ),
        ));
    }
    let chain = meta("chain")?;
    if chain != ALGORITHM {
        return Err(cannot_open(path, &format!("its hash chain is {chain:?}, not {ALGORITHM:?}; use a newer riposte")));
    }
    let schema: u32 = db
        .pragma_query_value(None, "user_version", |row| row.get(0))
        .map_err(|e| open_error(&format!("opening {}", path.display()), &e))?;
    for migration in MIGRATIONS.iter().filter(|migration| migration.number <= schema) {
        if meta(&format!("migration/{:04}", migration.number))? != migration.checksum() {
            return Err(cannot_open(
                path,
                &format!(
                    "its tables were made by another step {} than this riposte's; use the version that made it",
                    migration.number
                ),
            ));
        }
    }
    let owner = meta("tenant")?;
    if let Some(tenant) = tenant.filter(|tenant| owner != tenant.to_string()) {
        return Err(cannot_open(
            path,
            &format!(
                "it belongs to tenant {owner}, and the settings say {tenant}; every tenant has a journal of its own"
            ),
        ));
    }
    Ok(())
}

/// A file that was copied elsewhere is nobody's journal any more: two would act on the same alerts.
pub(super) fn not_moved(path: &Path, db: &Connection) -> Result<(), OpenError> {
    let marked = copy::marked(db).map_err(|e| open_error(&format!("opening {}", path.display()), &e))?;
    marked.map_or(Ok(()), |mark| Err(cannot_open(path, &mark.why())))
}

/// A backup does not know of what was done since, so nobody goes on from it unasked.
pub(super) fn not_put_back(path: &Path, db: &Connection) -> Result<(), OpenError> {
    written::put_back(path, db)?.map_or(Ok(()), |why| Err(cannot_open(path, &why)))
}

/// Why the file is older than what was last written there, if it is.
pub(super) fn put_back(path: &Path) -> Result<Option<String>, OpenError> {
    let db = reader(path).map_err(|e| open_error(&format!("opening {}", path.display()), &e))?;
    written::put_back(path, &db)
}

/// Whose journal a file is.
pub(super) fn tenant(path: &Path) -> Result<TenantKey, OpenError> {
    let read = || -> rusqlite::Result<Option<String>> {
        let db = reader(path)?;
        let known: bool =
            db.query_row("select count(*) from sqlite_schema where name = 'meta'", [], |row| row.get(0))?;
        if !known {
            return Ok(None);
        }
        db.query_row("select value from meta where key = 'tenant'", [], |row| row.get(0)).optional()
    };
    let written = read().map_err(|e| sql_fault(&format!("opening {}", path.display()), &e))?;
    let tenant = written.and_then(|text| text.parse().ok()).map(TenantKey);
    tenant.ok_or_else(|| cannot_open(path, "it does not say whose journal it is"))
}

fn note(db: &Connection, key: &str, value: &str) -> rusqlite::Result<()> {
    db.execute(
        "insert into meta (key, value) values (?1, ?2) on conflict (key) do update set value = ?2",
        [key, value],
    )?;
    Ok(())
}

fn latest() -> u32 {
    MIGRATIONS.last().map_or(0, |migration| migration.number)
}
