//! A backup of a journal in a file, also while a daemon works on it.

use std::fs::{File, OpenOptions};
use std::io::ErrorKind;
use std::path::Path;

use super::super::Fault;
use super::fault::sql_fault;
use super::files::{beside, keep_name};
use super::open::connect;
use super::sound::all_pages;

/// What a backup is called until it is whole.
const UNFINISHED: &str = ".part";

/// Copies the journal as it stands at one moment into a new file, which is there once all of it is on disk.
pub(super) fn back_up(from: &Path, to: &Path) -> Result<(), Fault> {
    let fault = |cause: String| Fault { what: format!("cannot back up into {}", to.display()), cause };
    if to.symlink_metadata().is_ok() {
        return Err(fault("it is there already; name a new file".to_owned()));
    }
    let part = beside(to, UNFINISHED);
    make(&part).map_err(&fault)?;
    let copied = copy(from, &part).and_then(|()| name(&part, to).map_err(|e| fault(e.to_string())));
    match std::fs::remove_file(&part) {
        Err(e) if e.kind() != ErrorKind::NotFound => tracing::warn!("{} cannot be removed: {e}", part.display()),
        Ok(()) | Err(_) => {}
    }
    copied
}

/// Gives the finished file its name, and never takes that from what somebody else has put there meanwhile, as far as the
/// file system can tell.
fn name(part: &Path, to: &Path) -> std::io::Result<()> {
    if std::fs::hard_link(part, to).is_err() {
        if to.symlink_metadata().is_ok() {
            return Err(ErrorKind::AlreadyExists.into());
        }
        std::fs::rename(part, to)?;
    }
    keep_name(to)
}

/// Makes the unfinished file, for its owner only.
fn make(part: &Path) -> Result<(), String> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    options.open(part).map(drop).map_err(|e| {
        let part = part.display();
        if e.kind() == ErrorKind::AlreadyExists {
            format!("{part} is there: another backup is on its way, or one was broken off; remove it if none is")
        } else {
            format!("{e}; look whether its folder exists and you may write there")
        }
    })
}

/// SQLite reads one state of the journal, whatever is written meanwhile.
fn copy(from: &Path, part: &Path) -> Result<(), Fault> {
    let what = format!("backing up {}", from.display());
    let name = part.to_str().ok_or_else(|| Fault { what: what.clone(), cause: "its name is not UTF-8".to_owned() })?;
    let db = connect(from).map_err(|e| sql_fault(&what, &e))?;
    all_pages(&db, &what)?;
    db.execute("vacuum into ?1", [name]).map_err(|e| sql_fault(&what, &e))?;
    let flushed = File::open(part).and_then(|file| file.sync_all());
    flushed.map_err(|e| Fault { what, cause: format!("flushing {}: {e}", part.display()) })
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::super::{Owner, SqliteJournal};
    use crate::journal::Journal as _;
    use crate::journal::verify::verify;

    #[tokio::test]
    async fn a_backup_beside_a_daemon_is_the_journal_of_one_moment() {
        let bench = Bench::new();
        let daemon = bench.open();
        let claim = take(&daemon, &lane("a")).await;
        daemon.commit(&claim, batch(vec![write("a", 0)])).await.unwrap();
        let to = bench.folder.path().join("backup.db");
        SqliteJournal::back_up(&bench.path(), &to).unwrap();
        daemon.commit(&claim, batch(vec![write("a", 1)])).await.unwrap();
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt as _;
            assert_eq!(to.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        }
        let open =
            |path| SqliteJournal::open(path, TENANT, bench.clock.clone(), daemon.boot(), Owner::Visitor).unwrap();
        let (whole, then) = (open(&bench.path()), open(&to));
        let (whole, then) = (verify(&whole, TENANT, &[]).await.unwrap(), verify(&then, TENANT, &[]).await.unwrap());
        assert_eq!((then.end.events, whole.end.events, then.holds()), (1, 2, true));
    }

    #[test]
    fn a_name_without_a_folder_is_one_in_this_folder() {
        let name = format!("backup-{}.db", std::process::id());
        let bench = Bench::new();
        bench.open();
        let made = SqliteJournal::back_up(&bench.path(), std::path::Path::new(&name));
        std::fs::remove_file(&name).unwrap();
        made.unwrap();
    }

    #[test]
    fn nothing_that_is_there_is_written_over_and_a_broken_off_backup_is_told() {
        let bench = Bench::new();
        bench.open();
        let to = bench.folder.path().join("backup.db");
        let refused = |why: &str| {
            let error = SqliteJournal::back_up(&bench.path(), &to).unwrap_err().to_string();
            assert!(error.contains(why), "{error}");
        };
        std::fs::write(&to, "mine").unwrap();
        refused("it is there already");
        assert_eq!(std::fs::read(&to).unwrap(), b"mine");
        std::fs::remove_file(&to).unwrap();
        std::fs::write(bench.folder.path().join("backup.db.part"), "").unwrap();
        refused("one was broken off");
        assert!(!to.exists());
    }
}
