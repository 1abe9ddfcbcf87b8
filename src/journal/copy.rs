//! A journal moves from a file into a database: every row as it stands, all of them or none.

use std::sync::Arc;

use super::Fault;
use super::postgres::PostgresJournal;
use super::sqlite::SqliteJournal;
use super::verify::{Verified, verify};
use crate::model::scope::TenantKey;

/// A table of both journals, beside its column `tenant`.
pub(super) struct Table {
    pub(super) name: &'static str,
    pub(super) columns: &'static [(&'static str, Type)],
    /// The columns by which its rows are in order: the order is kept where a table numbers its rows.
    pub(super) order: &'static str,
}

/// What a column holds; each may hold nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Type {
    Text,
    /// 64 bits.
    Number,
    /// 32 bits.
    Small,
    /// 0 or 1 in a file.
    Flag,
}

/// What a row holds of a column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Cell {
    Nothing,
    Text(String),
    Number(i64),
}

use Type::{Flag, Number, Small, Text};

/// All that a journal is. What replicas say of themselves is not copied.
pub(super) const TABLES: [Table; 8] = [
    Table {
        name: "stream",
        columns: &[
            ("kind", Text),
            ("id", Text),
            ("lane_kind", Text),
            ("lane_key", Text),
            ("n", Number),
            ("head", Text),
            ("state", Text),
            ("label", Text),
            ("open", Flag),
            ("opened_at", Number),
            ("changed_at", Number),
        ],
        order: "rowid",
    },
    Table {
        name: "event",
        columns: &[
            ("position", Number),
            ("kind", Text),
            ("id", Text),
            ("n", Number),
            ("at", Number),
            ("name", Text),
            ("version", Small),
            ("actor", Text),
            ("payload", Text),
            ("payload_sha", Text),
            ("prev", Text),
            ("hash", Text),
        ],
        order: "position",
    },
    Table {
        name: "lane",
        columns: &[
            ("kind", Text),
            ("key", Text),
            ("due", Number),
            ("fence", Number),
            ("nudges", Number),
            ("strikes", Small),
            ("crashes", Small),
            ("quarantined", Flag),
        ],
        order: "kind, key",
    },
    Table { name: "alias", columns: &[("value", Text), ("alert", Text)], order: "value" },
    Table {
        name: "signal",
        columns: &[
            ("source_key", Text),
            ("lane_kind", Text),
            ("lane_key", Text),
            ("body", Text),
            ("at", Number),
            ("taken_at", Number),
        ],
        order: "number",
    },
    Table { name: "charge", columns: &[("key", Text), ("action", Text), ("at", Number)], order: "key, action" },
    Table {
        name: "hold",
        columns: &[("account", Text), ("verb", Text), ("target", Text), ("action", Text), ("at", Number)],
        order: "number",
    },
    Table { name: "cursor", columns: &[("source", Text), ("position", Text), ("at", Number)], order: "source" },
];

/// Rows are carried so many at a time.
pub(super) const PAGE: usize = 500;

/// Why nothing was copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// There is a journal already.
    #[error("{place} holds a journal already, and two cannot be made one: name a database, or a schema, without one")]
    NotEmpty {
        /// The database.
        place: String,
    },
    /// The copy is not what the file is.
    #[error(
        "the copy does not verify: {why}; nothing of it was kept as the journal's own word, so look at both with `riposte journal verify`"
    )]
    Differs {
        /// In what.
        why: String,
    },
    /// One of them failed.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// What was copied.
#[derive(Debug)]
pub struct Copied {
    /// Rows by table.
    pub rows: Vec<(&'static str, u64)>,
    /// The copy, verified.
    pub verified: Verified,
}

/// Copies the journal of a file into a database that has none, and verifies it there. From the first row on no daemon
/// works on the file any more; where nothing was copied after all, one may again.
///
/// # Errors
/// When the database has a journal, or one of them fails. Nothing is copied then.
pub async fn copy(from: Arc<SqliteJournal>, to: &PostgresJournal, tenant: TenantKey) -> Result<Copied, CopyError> {
    let before = verify(from.as_ref(), tenant, &[]).await?;
    from.moved_to(Some(to.place())).await?;
    let rows = match to.take_in(Arc::clone(&from)).await {
        Ok(Some(rows)) => rows,
        Ok(None) => {
            from.moved_to(None).await?;
            return Err(CopyError::NotEmpty { place: to.place().to_owned() });
        }
        Err(fault) => {
            // Where nobody can say whether it was copied, the file stays marked, and the copy can be tried again.
            if to.is_empty().await? {
                from.moved_to(None).await?;
            }
            return Err(fault.into());
        }
    };
    let verified = verify(to, tenant, std::slice::from_ref(&before.end.root)).await?;
    if verified.end != before.end || verified.broken != before.broken {
        let why = format!("its root is {}, and that of the file {}", verified.end.root, before.end.root);
        return Err(CopyError::Differs { why });
    }
    Ok(Copied { rows, verified })
}
