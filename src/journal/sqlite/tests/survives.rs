//! What is there after a crash, and how it is proved.

use super::*;

const DYING: &str = "RIPOSTE_TEST_DYING_JOURNAL";

/// The other half of the test below, in a process of its own: does nothing unless it is asked to.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "how the one half tells the other where the file is")]
async fn a_process_that_dies_at_work() {
    let Ok(path) = std::env::var(DYING) else { return };
    let clock = ManualClock::at(T0);
    let journal =
        SqliteJournal::open(Path::new(&path), TENANT, clock, BootId::derive(&["dying"]), Owner::Daemon).unwrap();
    let claim = take(&journal, &lane("a")).await;
    journal.commit(&claim, batch(vec![write("a", 0)])).await.unwrap();
    // It dies after the last statement of a transaction, just before the commit.
    let dying = |tx: &Tx<'_>| -> Result<(), fault::Stop> {
        commit::append(tx, write("a", 1))?;
        std::process::abort()
    };
    journal.writer.write("test", false, dying).await.unwrap();
}

#[tokio::test]
async fn a_process_that_died_leaves_what_was_acknowledged_and_nothing_else() {
    let bench = Bench::new();
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "journal::sqlite::tests::survives::a_process_that_dies_at_work"])
        .env(DYING, bench.path())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), None, "it was meant to be ended by a signal");
    assert!(std::fs::metadata(bench.folder.path().join("riposte.db-wal")).unwrap().len() > 0);
    let journal = bench.open();
    let key = StreamKey::alert(alert("a"));
    assert_eq!(journal.stream(&key).await.unwrap().unwrap().n, 1);
    assert_eq!(journal.verify(&key).await.unwrap(), Ok(()));
    assert_eq!(journal.claim(&LaneKind::each(1), LEASE).await.unwrap().claims[0].lane(), &lane("a"));
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_crash() {
    let bench = Bench::new();
    let journal = bench.open();
    let claim = take(&journal, &lane("a")).await;
    for n in 0..5 {
        journal.commit(&claim, batch(vec![write("a", n)])).await.unwrap();
        let crashed = after_a_crash(&bench);
        let survivor = crashed.open();
        let key = StreamKey::alert(alert("a"));
        assert_eq!(survivor.stream(&key).await.unwrap().unwrap().n, n + 1);
        assert_eq!(survivor.verify(&key).await.unwrap(), Ok(()));
        assert_eq!(survivor.claim(&LaneKind::each(1), LEASE).await.unwrap().claims[0].lane(), &lane("a"));
    }
}
