//! Whether the file itself is whole, as far as SQLite can tell. Chains say nothing of what is kept beside the events, and
//! nobody may have read a damaged page.

use std::path::Path;
use std::thread::JoinHandle;

use rusqlite::{Connection, ErrorCode, InterruptHandle};

use super::super::Fault;
use super::fault::sql_fault;
use super::open::connect;
use crate::model::text::clip;

/// Looks at every page of the file at `path`, and gives back what is wrong with it, if it is damaged.
///
/// # Errors
/// When nobody knows, because it cannot be looked at.
pub(super) fn damage(path: &Path) -> Result<Option<Fault>, Fault> {
    let what = what(path);
    let db = connect(path).map_err(|e| sql_fault(&what, &e))?;
    damage_in(&db, &what)
}

/// Looks at every page (SQLite, "PRAGMA `quick_check`"). `what` names it in the fault.
pub(super) fn all_pages(db: &Connection, what: &str) -> Result<(), Fault> {
    damage_in(db, what)?.map_or(Ok(()), Err)
}

/// A look at every page beside other work. Dropping it calls it off.
pub struct PageCheck {
    interrupt: InterruptHandle,
    thread: Option<JoinHandle<()>>,
}

impl PageCheck {
    /// Looks, and then calls `found` with what [`damage`] gives.
    pub(super) fn start(
        path: &Path,
        found: impl FnOnce(Result<Option<Fault>, Fault>) + Send + 'static,
    ) -> Result<Self, Fault> {
        let what = what(path);
        let db = connect(path).map_err(|e| sql_fault(&what, &e))?;
        let interrupt = db.get_interrupt_handle();
        let look = move || found(damage_in(&db, &what));
        let thread = std::thread::Builder::new().name("journal-pages".to_owned()).spawn(look);
        let thread =
            thread.map_err(|e| Fault { what: "starting to look at every page".to_owned(), cause: e.to_string() })?;
        Ok(Self { interrupt, thread: Some(thread) })
    }
}

impl Drop for PageCheck {
    fn drop(&mut self) {
        self.interrupt.interrupt();
        // Who closes the file last tidies it up, and that is to be the journal.
        if self.thread.take().is_some_and(|thread| thread.join().is_err()) {
            tracing::error!("the look at every page ended with a panic");
        }
    }
}

fn what(path: &Path) -> String {
    format!("looking whether {} is whole", path.display())
}

fn damage_in(db: &Connection, what: &str) -> Result<Option<Fault>, Fault> {
    let said = match db.query_row("pragma quick_check(1)", [], |row| row.get::<_, String>(0)) {
        Ok(said) if said == "ok" => return Ok(None),
        Ok(said) => said,
        Err(error) => {
            let damaged = [Some(ErrorCode::DatabaseCorrupt), Some(ErrorCode::NotADatabase)];
            let fault = sql_fault(what, &error);
            return if damaged.contains(&error.sqlite_error_code()) { Ok(Some(fault)) } else { Err(fault) };
        }
    };
    let said = clip(&said.replace('\n', " "), 200);
    let cause = format!(
        "the file is damaged ({said}); set it aside together with its -wal file, and put a backup in its place"
    );
    Ok(Some(Fault { what: what.to_owned(), cause }))
}

#[cfg(test)]
mod tests {
    use std::io::{Seek as _, SeekFrom, Write as _};

    use super::super::SqliteJournal;
    use super::super::testing::*;
    use super::*;
    use crate::journal::Journal as _;
    use crate::journal::lane::LaneKey;

    #[tokio::test]
    async fn a_damaged_page_that_no_event_stands_on_is_found_and_not_backed_up() {
        let bench = Bench::new();
        let daemon = bench.open();
        let claim = take(&daemon, &lane("a")).await;
        daemon.commit(&claim, batch(vec![write("a", 0)])).await.unwrap();
        daemon.ensure_lane(&LaneKey::chore("b"), seconds(T0)).await.unwrap();
        drop((claim, daemon));
        assert!(SqliteJournal::damage(&bench.path()).unwrap().is_none());
        let root: u64 = {
            let db = Connection::open(bench.path()).unwrap();
            let sql = "select rootpage from sqlite_schema where name = 'lane_due'";
            db.query_row(sql, [], |row| row.get::<_, i64>(0)).unwrap().try_into().unwrap()
        };
        let mut file = std::fs::OpenOptions::new().write(true).open(bench.path()).unwrap();
        file.seek(SeekFrom::Start((root - 1) * 4096)).unwrap();
        file.write_all(&[0xa5; 4096]).unwrap();
        drop(file);
        let to = bench.folder.path().join("backup.db");
        let damage = SqliteJournal::damage(&bench.path()).unwrap().unwrap().to_string();
        for said in [damage, SqliteJournal::back_up(&bench.path(), &to).unwrap_err().to_string()] {
            assert!(said.contains("the file is damaged") && said.contains("put a backup in its place"), "{said}");
        }
        assert!(!to.exists());
        let (found, told) = std::sync::mpsc::channel();
        let check = SqliteJournal::check_pages(&bench.path(), move |it| found.send(it).unwrap()).unwrap();
        assert!(told.recv().unwrap().unwrap().is_some());
        drop(check);
    }

    #[test]
    fn a_file_that_cannot_be_looked_at_is_not_said_to_be_damaged() {
        let bench = Bench::new();
        drop(bench.open());
        let other = Connection::open(bench.path()).unwrap();
        other.execute_batch("pragma locking_mode = exclusive; begin exclusive; update lane set due = due").unwrap();
        let fault = damage_in(&Connection::open(bench.path()).unwrap(), "looking").unwrap_err();
        assert!(fault.to_string().contains("keeps the journal locked"), "{fault}");
    }
}
