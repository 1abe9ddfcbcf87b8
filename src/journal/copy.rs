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
    /// The columns by which its rows are in order and told apart: the order is kept where a table numbers its rows.
    pub(super) key: &'static [&'static str],
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

/// Some rows of a table, in its order.
pub(super) struct Page {
    /// What they hold, by column.
    pub(super) rows: Vec<Vec<Cell>>,
    /// The key of the last one, if there may be more after it.
    pub(super) more: Option<Vec<Cell>>,
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
        key: &["rowid"],
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
        key: &["position"],
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
        key: &["kind", "key"],
    },
    Table { name: "alias", columns: &[("value", Text), ("alert", Text)], key: &["value"] },
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
        key: &["number"],
    },
    Table { name: "charge", columns: &[("key", Text), ("action", Text), ("at", Number)], key: &["key", "action"] },
    Table {
        name: "hold",
        columns: &[("account", Text), ("verb", Text), ("target", Text), ("action", Text), ("at", Number)],
        key: &["number"],
    },
    Table { name: "cursor", columns: &[("source", Text), ("position", Text), ("at", Number)], key: &["source"] },
];

/// Rows are carried so many at a time.
pub(super) const PAGE: usize = 500;

/// How far a copy of the file has come, as the file says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Mark {
    /// Begun; nobody knows whether it is there.
    Begun {
        /// Where to.
        place: String,
    },
    /// It is there.
    Done {
        /// Where.
        place: String,
    },
}

impl Mark {
    /// As it is written.
    pub(super) fn text(&self) -> String {
        match self {
            Self::Begun { place } => format!("begun {place}"),
            Self::Done { place } => format!("done {place}"),
        }
    }

    /// From what was written. What nobody can read was done, for then nothing happens twice.
    pub(super) fn read(text: &str) -> Self {
        match text.split_once(' ') {
            Some(("begun", place)) => Self::Begun { place: place.to_owned() },
            Some(("done", place)) => Self::Done { place: place.to_owned() },
            _ => Self::Done { place: text.to_owned() },
        }
    }

    /// Why the file is nobody's journal.
    pub(super) fn why(&self) -> String {
        match self {
            Self::Begun { place } => format!(
                "a copy of it to {place} was begun and has not ended; run `riposte journal copy` again, which finishes it"
            ),
            Self::Done { place } => format!(
                "it was copied to {place}, and its story goes on there: name that in the settings ([journal] postgres)"
            ),
        }
    }
}

/// Why nothing was copied.
#[derive(Debug, thiserror::Error)]
pub enum CopyError {
    /// There is a journal already.
    #[error("{place} holds a journal already; name a database without one")]
    NotEmpty {
        /// The database.
        place: String,
    },
    /// Somebody works there.
    #[error("a riposte runs on {place}; stop it first")]
    InUse {
        /// The database.
        place: String,
    },
    /// The file was copied before.
    #[error("the file was copied to {place} already, and its story goes on there")]
    Already {
        /// Where.
        place: String,
    },
    /// A copy to another place has not ended.
    #[error(
        "a copy of the file to {place} was begun and has not ended: finish it with settings that name that database, or, if \
         it is gone for good, take the mark off with --forget"
    )]
    Elsewhere {
        /// Where to.
        place: String,
    },
    /// The copy is not what the file is.
    #[error(
        "the copy in {place} is not what the file is: {why}. The file stays marked; keep both, start no riposte on either, \
         and report this"
    )]
    Differs {
        /// The database.
        place: String,
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
    /// Rows by table; empty where an earlier try had copied them.
    pub rows: Vec<(&'static str, u64)>,
    /// The copy, verified.
    pub verified: Verified,
}

/// How taking in the rows ended.
pub(super) enum Taken {
    /// All of them are there.
    All(Vec<(&'static str, u64)>),
    /// There is something already.
    NotEmpty,
    /// For certain nothing was written.
    Nothing(Fault),
    /// Nobody knows.
    Unknown(Fault),
}

/// Copies the journal of a file into a database that has none, and verifies it there. From the start on nobody opens the
/// file as a journal; where it is certain that nothing was copied, they may again. A copy that was broken off is finished
/// by another try to the same place.
///
/// # Errors
/// When the database has a journal or somebody works there, the file was copied before, or one of them fails.
pub async fn copy(from: Arc<SqliteJournal>, to: &PostgresJournal, tenant: TenantKey) -> Result<Copied, CopyError> {
    let place = to.place().to_owned();
    let fresh = match from.mark().await? {
        None => true,
        Some(Mark::Begun { place: begun }) if begun == place => false,
        Some(Mark::Begun { place }) => return Err(CopyError::Elsewhere { place }),
        Some(Mark::Done { place }) => return Err(CopyError::Already { place }),
    };
    if to.is_in_use().await? {
        return Err(CopyError::InUse { place });
    }
    // From here on nobody writes into the file any more, also not a command that had opened it before.
    if fresh {
        from.set_mark(Some(Mark::Begun { place: place.clone() })).await?;
    }
    let before = match verify(from.as_ref(), tenant, &[]).await {
        Ok(before) => before,
        Err(fault) => {
            if fresh {
                from.set_mark(None).await?;
            }
            return Err(fault.into());
        }
    };
    let rows = match to.take_in(Arc::clone(&from)).await {
        Taken::All(rows) => rows,
        Taken::NotEmpty if fresh => {
            from.set_mark(None).await?;
            return Err(CopyError::NotEmpty { place });
        }
        // An earlier try may have got this far.
        Taken::NotEmpty => Vec::new(),
        Taken::Nothing(fault) => {
            if fresh {
                from.set_mark(None).await?;
            }
            return Err(fault.into());
        }
        Taken::Unknown(fault) => return Err(fault.into()),
    };
    let verified = verify(to, tenant, std::slice::from_ref(&before.end.root)).await?;
    let is_there = before.end.events > 0 && verified.met.contains_key(&before.end.root);
    if rows.is_empty() && !is_there {
        return Err(CopyError::NotEmpty { place });
    }
    if !rows.is_empty() && (verified.end != before.end || verified.broken != before.broken) {
        let why = format!("its root is {}, and that of the file {}", verified.end.root, before.end.root);
        return Err(CopyError::Differs { place, why });
    }
    from.set_mark(Some(Mark::Done { place })).await?;
    Ok(Copied { rows, verified })
}

/// Takes the mark of a copy off that was begun and cannot be ended, because its database is gone: a riposte may work on the
/// file again. Where that was.
///
/// # Errors
/// When the copy was made, or the file fails.
pub async fn forget(from: &SqliteJournal) -> Result<Option<String>, CopyError> {
    match from.mark().await? {
        None => Ok(None),
        Some(Mark::Done { place }) => Err(CopyError::Already { place }),
        Some(Mark::Begun { place }) => {
            from.set_mark(None).await?;
            Ok(Some(place))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_is_read_as_it_was_written_and_what_is_unknown_was_done() {
        for mark in [Mark::Begun { place: "the database a at b:1".into() }, Mark::Done { place: "x".into() }] {
            assert_eq!(Mark::read(&mark.text()), mark);
        }
        assert_eq!(Mark::read("strange"), Mark::Done { place: "strange".into() });
    }
}
