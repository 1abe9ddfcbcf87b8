//! How far a journal was written, in a file beside it: a backup that is put back later is older than that, and does not
//! know of what was done since.
//!
//! The file is not flushed, so after a power cut it may say less than the journal has, never more.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Seek as _, SeekFrom, Write as _};
use std::path::Path;

use rusqlite::{Connection, OptionalExtension};

use super::super::OpenError;
use super::fault::open_error;
use super::files::{beside, cannot_open};
use super::rows;

/// What it is called: the journal's name, and this.
const END: &str = ".written";

/// Whether events have places.
const PLACES: &str = "select count(*) from pragma_table_info('event') where name = 'position'";

/// The last event that is known to be in a journal.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Last {
    journal: String,
    position: u64,
    hash: String,
}

impl Last {
    /// One line, as long whatever it says: it is written over itself.
    fn line(&self) -> String {
        format!("{:36} {:020} {:64}\n", self.journal, self.position, self.hash)
    }

    fn parse(line: &str) -> Option<Self> {
        let mut words = line.split_ascii_whitespace();
        let (journal, position, hash) = (words.next()?, words.next()?, words.next()?);
        let position = position.parse().ok()?;
        (hash.len() == 64).then(|| Self { journal: journal.to_owned(), position, hash: hash.to_owned() })
    }
}

/// The note that a daemon keeps of how far its journal is written.
pub(super) struct Written {
    file: File,
    noted: u64,
}

impl Written {
    /// Takes the note over, or begins one, and notes what visitors have written last.
    pub(super) fn open(path: &Path, db: &Connection) -> Result<Self, OpenError> {
        let name = beside(path, END);
        let file = OpenOptions::new().write(true).create(true).truncate(false).open(&name);
        let file = file.map_err(|e| cannot_open(&name, &format!("{e}; give riposte's user the right to write it")))?;
        let mut written = Self { file, noted: 0 };
        written.keep(db);
        Ok(written)
    }

    /// For a visitor, where a daemon has begun the note and the journal is as new as it says: what people say while no daemon
    /// runs is not to be lost unseen either.
    pub(super) fn visit(path: &Path, db: &Connection) -> Option<Self> {
        let name = beside(path, END);
        let noted = Last::parse(&std::fs::read_to_string(&name).ok()?)?.position;
        if put_back(path, db).ok()?.is_some() {
            return None;
        }
        Some(Self { file: OpenOptions::new().write(true).open(&name).ok()?, noted })
    }

    /// Notes the last event, if it is a new one. A note that cannot be written is an older one.
    pub(super) fn keep(&mut self, db: &Connection) {
        let noted = last(db).map_err(|e| e.to_string()).and_then(|last| match last {
            Some(last) if last.position != self.noted => {
                write_over(&mut self.file, &last.line()).map(|()| last.position).map_err(|e| e.to_string())
            }
            Some(_) | None => Ok(self.noted),
        });
        match noted {
            Ok(position) => self.noted = position,
            Err(error) => tracing::debug!(error, "it is not noted how far the journal is written"),
        }
    }
}

/// Why this journal is not the one that was last written here, if it is an older one. Another journal is another matter.
///
/// # Errors
/// When the journal cannot be read. A note that cannot be is none.
pub(super) fn put_back(path: &Path, db: &Connection) -> Result<Option<String>, OpenError> {
    let name = beside(path, END);
    let noted = match std::fs::read_to_string(&name) {
        Ok(text) => {
            let noted = Last::parse(&text);
            if noted.is_none() {
                tracing::warn!("{} says nothing: whether the journal is an older copy is not known", name.display());
            }
            noted
        }
        Err(e) if e.kind() == ErrorKind::NotFound => None,
        Err(error) => {
            tracing::warn!(%error, "{} cannot be read: whether the journal is older than it says is not known", name.display());
            None
        }
    };
    let Some(noted) = noted else { return Ok(None) };
    let fault = |e: &rusqlite::Error| open_error(&format!("opening {}", path.display()), e);
    if journal(db).map_err(|e| fault(&e))?.as_deref() != Some(noted.journal.as_str()) {
        return Ok(None);
    }
    let found = || -> rusqlite::Result<(Option<String>, u64)> {
        // In a file of the first versions events have no places: it is older in any case.
        if !db.query_row(PLACES, [], |row| row.get(0))? {
            return Ok((None, 0));
        }
        let position = i64::try_from(noted.position).unwrap_or(i64::MAX);
        let hash =
            db.query_row("select hash from event where position = ?1", [position], |row| row.get(0)).optional()?;
        Ok((hash, last(db)?.map_or(0, |last| last.position)))
    };
    let (hash, end) = found().map_err(|e| fault(&e))?;
    if hash == Some(noted.hash) {
        return Ok(None);
    }
    Ok(Some(format!(
        "it is not as riposte last wrote it: event {} is not in it, or is another one, and it ends with event {end}. A backup was put \
         back, or somebody has changed it (`riposte journal verify`). What was done and said since then is not in it: a pause, \
         approvals, what an undo needs. Put the newer file back; or, to go on from this one, stop riposte, look whether it should be \
         paused first, remove {} and start again: alerts since then are read and answered again, and what is in place is left alone",
        noted.position,
        name.display()
    )))
}

fn last(db: &Connection) -> rusqlite::Result<Option<Last>> {
    let sql = "select position, hash from event order by position desc limit 1";
    let end = db.prepare_cached(sql)?.query_row([], |row| Ok((rows::unsigned(row, 0)?, row.get(1)?))).optional()?;
    let Some((position, hash)) = end else { return Ok(None) };
    Ok(journal(db)?.map(|journal| Last { journal, position, hash }))
}

/// The id of a journal.
fn journal(db: &Connection) -> rusqlite::Result<Option<String>> {
    db.prepare_cached("select value from meta where key = 'journal'")?.query_row([], |row| row.get(0)).optional()
}

/// Not flushed: see the head of this file.
fn write_over(file: &mut File, line: &str) -> std::io::Result<()> {
    file.seek(SeekFrom::Start(0))?;
    file.write_all(line.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::super::{Owner, SqliteJournal};
    use super::*;
    use crate::journal::{Journal as _, Pause};

    #[test]
    fn a_line_is_read_as_it_was_written_and_anything_else_is_none() {
        let hash = "0".repeat(64);
        let last = Last { journal: "00000000-0000-0000-0000-000000000001".into(), position: 7, hash };
        assert_eq!(Last::parse(&last.line()), Some(last.clone()));
        assert_eq!(last.line().len(), Last { position: u64::MAX, ..last }.line().len());
        for torn in ["", "a", "a 7", "a 7 00", "a x 0"] {
            assert_eq!(Last::parse(torn), None);
        }
    }

    async fn wrote(bench: &Bench, n: u64) {
        let journal = bench.open();
        let claim = take(&journal, &lane("a")).await;
        journal.commit(&claim, batch(vec![write("a", n)])).await.unwrap();
        journal.release(claim, 0, None).await.unwrap();
    }

    #[tokio::test]
    async fn a_backup_that_was_put_back_is_not_worked_on_until_a_person_says_so() {
        let bench = Bench::new();
        wrote(&bench, 0).await;
        let kept = std::fs::read(bench.path()).unwrap();
        wrote(&bench, 1).await;
        std::fs::write(bench.path(), kept).unwrap();
        for suffix in ["-wal", "-shm"] {
            assert!(!beside(&bench.path(), suffix).exists(), "the log went into the file");
        }
        let refused = bench.try_open("boot", Owner::Daemon).err().unwrap().to_string();
        assert!(refused.contains("A backup was put back") && refused.contains("riposte.db.written"), "{refused}");
        assert!(SqliteJournal::put_back(&bench.path()).unwrap().is_some());
        bench.try_open("visitor", Owner::Visitor).unwrap();
        std::fs::remove_file(beside(&bench.path(), END)).unwrap();
        wrote(&bench, 1).await;
        assert_eq!(SqliteJournal::put_back(&bench.path()).unwrap(), None);
    }

    #[tokio::test]
    async fn what_people_said_while_no_daemon_ran_is_missed_in_a_backup_that_is_put_back() {
        let bench = Bench::new();
        wrote(&bench, 0).await;
        let kept = std::fs::read(bench.path()).unwrap();
        let pause = async |reason: &str| {
            let pause = Pause { by: "eva".into(), reason: reason.into(), at: seconds(T0) };
            bench.visit().set_pause(Some(pause), "eva").await.unwrap();
        };
        pause("stop").await;
        std::fs::write(bench.path(), kept).unwrap();
        let refused = || bench.try_open("boot", Owner::Daemon).err().map(|error| error.to_string());
        assert!(refused().is_some_and(|said| said.contains("A backup was put back")));
        // Nor is it forgotten because somebody says it again.
        pause("stop again").await;
        assert!(refused().is_some_and(|said| said.contains("A backup was put back")));
    }

    #[tokio::test]
    async fn what_a_visitor_wrote_and_another_journal_are_no_backup() {
        let bench = Bench::new();
        wrote(&bench, 0).await;
        let pause = Pause { by: "alice".into(), reason: "test".into(), at: seconds(T0) };
        bench.visit().set_pause(Some(pause), "alice").await.unwrap();
        bench.open();
        std::fs::remove_file(bench.path()).unwrap();
        bench.try_open("a later boot", Owner::Daemon).unwrap();
    }
}
