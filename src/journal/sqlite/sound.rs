//! Whether the file itself is whole, as far as SQLite can tell. Chains say nothing of what is kept beside the events, and
//! nobody may have read a damaged page.

use std::path::Path;

use rusqlite::Connection;

use super::super::Fault;
use super::fault::sql_fault;
use super::open::connect;
use crate::model::text::clip;

/// Looks at every page of the file at `path`.
pub(super) fn sound(path: &Path) -> Result<(), Fault> {
    let what = format!("looking whether {} is whole", path.display());
    let db = connect(path).map_err(|e| sql_fault(&what, &e))?;
    all_pages(&db, &what)
}

/// Looks at every page (SQLite, "PRAGMA `quick_check`"). `what` names it in the fault.
pub(super) fn all_pages(db: &Connection, what: &str) -> Result<(), Fault> {
    let said: String = db.query_row("pragma quick_check(1)", [], |row| row.get(0)).map_err(|e| sql_fault(what, &e))?;
    if said == "ok" {
        return Ok(());
    }
    let said = clip(&said.replace('\n', " "), 200);
    let cause = format!(
        "the file is damaged ({said}); set it aside together with its -wal file, and put a backup in its place"
    );
    Err(Fault { what: what.to_owned(), cause })
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
        SqliteJournal::sound(&bench.path()).unwrap();
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
        for refused in [SqliteJournal::sound(&bench.path()), SqliteJournal::back_up(&bench.path(), &to)] {
            let said = refused.unwrap_err().to_string();
            assert!(said.contains("the file is damaged") && said.contains("put a backup in its place"), "{said}");
        }
        assert!(!to.exists());
    }
}
