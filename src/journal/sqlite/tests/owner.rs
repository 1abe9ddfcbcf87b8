//! The file and its owner.

use super::*;

#[tokio::test]
async fn a_second_daemon_is_refused_and_told_who_is_there() {
    let bench = Bench::new();
    let first = bench.open();
    let fault = bench.try_open("second", Owner::Daemon).err().unwrap().to_string();
    assert!(fault.contains("another riposte works on it (process "), "{fault}");
    assert!(fault.contains(&first.boot().to_string()), "{fault}");
    drop(first);
    assert!(bench.try_open("second", Owner::Daemon).is_ok());
}

#[cfg(unix)]
#[tokio::test]
async fn another_name_of_the_same_file_does_not_get_around_the_lock() {
    let bench = Bench::new();
    let _first = bench.open();
    let link = bench.folder.path().join("link.db");
    std::os::unix::fs::symlink(bench.path(), &link).unwrap();
    let second = SqliteJournal::open(&link, TENANT, bench.clock.clone(), BootId::derive(&["2"]), Owner::Daemon);
    assert!(second.err().unwrap().to_string().contains("another riposte"));
}

#[tokio::test]
async fn a_lane_that_was_held_in_a_few_crashes_is_not_blamed_for_them() {
    let bench = Bench::new();
    for round in 0..10 {
        let journal = bench.try_open(&round.to_string(), Owner::Daemon).unwrap();
        take(&journal, &lane("a")).await;
    }
    for round in 10..30 {
        let journal = bench.try_open(&round.to_string(), Owner::Daemon).unwrap();
        journal.claim(&LaneKind::each(1), LEASE).await.unwrap();
    }
    let journal = bench.open();
    assert!(journal.claim(&LaneKind::each(1), LEASE).await.unwrap().claims.is_empty());
    let quarantined = journal.quarantined().await.unwrap();
    assert_eq!(quarantined.len(), 1);
    assert_eq!(quarantined[0].lane, lane("a"));
    assert!(quarantined[0].why.contains("20 crashes of riposte in a row"), "{quarantined:?}");
}

#[tokio::test]
async fn of_lanes_that_were_in_hand_in_several_crashes_the_next_one_blames_one() {
    let bench = Bench::new();
    let journal = bench.open();
    for name in ["a", "b", "c"] {
        journal.ensure_lane(&lane(name), seconds(T0)).await.unwrap();
    }
    drop(journal);
    for round in 0..5 {
        let journal = bench.try_open(&round.to_string(), Owner::Daemon).unwrap();
        assert_eq!(journal.claim(&LaneKind::each(9), LEASE).await.unwrap().claims.len(), 3);
    }
    // They are taken one after the other: the first ends its pass, and is not blamed any more.
    let journal = bench.open();
    let first = alone(&journal).await;
    journal.release(first, 0, None).await.unwrap();
    bench.clock.pass(2);
    let second = alone(&journal).await.lane().clone();
    drop(journal);
    // The process dies with the second.
    drop(bench.try_open("next", Owner::Daemon).unwrap());
    let db = Connection::open(bench.path()).unwrap();
    let mut blamed = db.prepare("select key, crashes from lane where crashes > 0 order by crashes").unwrap();
    let rows = blamed.query_map([], |row| Ok((row.get::<_, String>(0)?, row.get::<_, u32>(1)?))).unwrap();
    let blamed = rows.collect::<rusqlite::Result<Vec<_>>>().unwrap();
    assert_eq!((blamed.len(), blamed[0].1, &blamed[1]), (2, 5, &(second.key.clone(), 6)));
    // Who was in hand in fewer of them goes first.
    bench.clock.pass(2);
    assert_eq!(alone(&bench.open()).await.lane().key, blamed[0].0);
}

/// The one lane that can be taken, while it is in hand.
async fn alone(journal: &SqliteJournal) -> Claim {
    let mut claims = journal.claim(&LaneKind::each(9), LEASE).await.unwrap().claims;
    let meanwhile = journal.claim(&LaneKind::each(9), LEASE).await.unwrap();
    assert_eq!((claims.len(), meanwhile.claims.len()), (1, 0));
    assert!(meanwhile.next_due.is_none_or(|due| due > journal.now()), "nobody asks again at once");
    claims.remove(0)
}

#[cfg(unix)]
#[tokio::test]
async fn a_daemon_whose_lock_was_removed_writes_nothing_more_and_says_why() {
    let bench = Bench::new();
    let journal = bench.open();
    journal.ensure_lane(&lane("a"), seconds(T0)).await.unwrap();
    std::fs::remove_file(bench.path().with_extension("db.lock")).unwrap();
    let mut said = Ok(());
    for _ in 0..100 {
        said = journal.ensure_lane(&lane("b"), seconds(T0)).await;
        if said.is_err() {
            break;
        }
    }
    assert!(said.unwrap_err().to_string().contains("the lock file beside the journal was removed"));
}

#[tokio::test]
async fn files_that_are_no_journal_of_ours_are_refused_with_what_to_do() {
    let refusal = |prepare: &dyn Fn(&Bench)| {
        let bench = Bench::new();
        prepare(&bench);
        let lock = bench.path().with_extension("db.lock");
        let had_a_lock = lock.exists();
        let before = std::fs::read(bench.path()).unwrap();
        let fault = bench.try_open("boot", Owner::Daemon).err().unwrap().to_string();
        assert_eq!(lock.exists(), had_a_lock, "something was left beside the file: {fault}");
        let after = std::fs::read(bench.path()).unwrap();
        assert!(before == after, "the file was touched: {fault}");
        fault
    };
    let text = refusal(&|b| std::fs::write(b.path(), "this is a text about something else, ".repeat(99)).unwrap());
    assert!(text.contains("the file is no journal; name another file"), "{text}");
    let sql = |sql: &'static str| {
        move |bench: &Bench| {
            drop(bench.open());
            Connection::open(bench.path()).unwrap().execute_batch(sql).unwrap();
        }
    };
    let foreign = refusal(&|b| {
        Connection::open(b.path()).unwrap().execute_batch("create table t (x)").unwrap();
    });
    assert!(foreign.contains("of another program"), "{foreign}");
    let newer = refusal(&sql("update meta set value = '99' where key = 'min_reader'"));
    assert!(newer.contains("a newer riposte wrote it (schema 99"), "{newer}");
    let rigged = refusal(&sql("create trigger t after insert on hold begin delete from hold; end"));
    assert!(rigged.contains("a trigger or a view (t), which no riposte makes"), "{rigged}");
    let emptied = refusal(&sql("delete from meta"));
    assert!(emptied.contains("somebody has changed it; put a backup in its place"), "{emptied}");
    let other = refusal(&sql("update meta set value = 'x' where key = 'migration/0001'"));
    assert!(other.contains("use the version that made it"), "{other}");
    let tenant = refusal(&sql("update meta set value = 'somebody' where key = 'tenant'"));
    assert!(tenant.contains("belongs to tenant somebody"), "{tenant}");
}

#[tokio::test]
async fn a_journal_of_an_earlier_schema_is_brought_up_to_date_by_its_daemon_only() {
    let bench = Bench::new();
    let journal = bench.open();
    let claim = take(&journal, &lane("a")).await;
    journal.commit(&claim, batch(vec![write("a", 0)])).await.unwrap();
    drop((journal, claim));
    let back = "drop index hold_by_action; drop index stream_by_label; drop index stream_by_change;
                create index stream_by_change on stream (tenant, kind, changed_at);
                alter table stream drop column label;
                delete from meta where key in ('migration/0002', 'migration/0003', 'migration/0004', 'migration/0005'); pragma user_version = 1";
    Connection::open(bench.path()).unwrap().execute_batch(back).unwrap();
    assert!(SqliteJournal::usable(&bench.path(), Some(TENANT)).is_ok(), "a daemon brings it up to date");
    let visitor = bench.try_open("visitor", Owner::Visitor).err().unwrap().to_string();
    assert!(visitor.contains("an older riposte wrote it"), "{visitor}");
    let journal = bench.open();
    assert_eq!(journal.labels(StreamKind::Alert, Among::Open).await.unwrap(), [(String::new(), 1)].into());
    let claim = journal.claim(&LaneKind::each(1), LEASE).await.unwrap().claims.remove(0);
    journal.commit(&claim, batch(vec![write("a", 1)])).await.unwrap();
    assert_eq!(journal.labels(StreamKind::Alert, Among::Open).await.unwrap(), [("seen".to_owned(), 1)].into());
}

#[tokio::test]
async fn whoever_opens_it_learns_for_how_long_nothing_was_written() {
    let bench = Bench::new();
    let journal = bench.open();
    assert_eq!(journal.rested(), None, "nothing ever was");
    let claim = take(&journal, &lane("a")).await;
    journal.commit(&claim, batch(vec![write("a", 0)])).await.unwrap();
    drop((journal, claim));
    bench.clock.pass(35);
    assert_eq!(bench.open().rested(), Some(Duration::from_secs(35)));
}

#[tokio::test]
async fn a_visitor_makes_no_journal_and_claims_nothing() {
    let bench = Bench::new();
    let missing = bench.try_open("visitor", Owner::Visitor).err().unwrap().to_string();
    assert!(missing.contains("`riposte run` makes the journal"), "{missing}");
    assert!(!bench.path().exists());
    std::fs::write(bench.path(), "").unwrap();
    assert!(bench.try_open("visitor", Owner::Visitor).err().unwrap().to_string().contains("no journal in it yet"));
    let journal = bench.open();
    journal.ensure_lane(&lane("a"), seconds(T0)).await.unwrap();
    let fault = bench.visit().claim(&LaneKind::each(1), LEASE).await.unwrap_err();
    assert!(fault.cause.contains("as a visitor"), "{fault}");
}

#[tokio::test]
async fn a_journal_that_another_process_keeps_locked_is_a_fault_with_what_to_do_and_writes_nothing() {
    let bench = Bench::new();
    let journal = bench.open();
    let claim = take(&journal, &lane("a")).await;
    journal.writer.write("test", false, |tx| Ok(tx.db.busy_timeout(Duration::ZERO)?)).await.unwrap();
    let other = Connection::open(bench.path()).unwrap();
    other.execute_batch("begin immediate").unwrap();
    let error = journal.commit(&claim, batch(vec![write("a", 0)])).await.unwrap_err();
    assert!(
        error.to_string().contains("another process keeps the journal locked, such as a command that hangs"),
        "{error}"
    );
    other.execute_batch("rollback").unwrap();
    journal.commit(&claim, batch(vec![write("a", 0)])).await.unwrap();
}

#[tokio::test]
async fn a_clock_that_was_set_back_stops_every_write_until_it_is_right_again() {
    let bench = Bench::new();
    let journal = bench.open();
    let claim = take(&journal, &lane("a")).await;
    bench.clock.set(T0 - 60);
    let error = journal.commit(&claim, batch(vec![write("a", 0)])).await.unwrap_err();
    assert!(error.to_string().contains("1m before what the journal has seen already"), "{error}");
    assert!(journal.claim(&LaneKind::each(1), LEASE).await.is_err());
    bench.clock.set(T0);
    journal.commit(&claim, batch(vec![write("a", 0)])).await.unwrap();
}

#[tokio::test]
async fn a_clock_that_was_set_back_between_two_runs_is_refused_by_the_daemon_and_not_by_commands() {
    let bench = Bench::new();
    let journal = bench.open();
    let claim = take(&journal, &lane("a")).await;
    journal.commit(&claim, batch(vec![write("a", 0)])).await.unwrap();
    drop(journal);
    bench.clock.set(T0 - 86_400);
    let fault = bench.try_open("next", Owner::Daemon).err().unwrap().to_string();
    assert!(fault.contains("1d before") && fault.contains("set it right, then start riposte again"), "{fault}");
    assert!(bench.visit().stream(&StreamKey::alert(alert("a"))).await.unwrap().is_some());
    bench.clock.set(T0 - 1);
    assert!(bench.try_open("next", Owner::Daemon).is_ok());
}

#[tokio::test]
async fn a_full_disk_is_a_fault_with_what_to_do_and_writes_nothing() {
    let bench = Bench::new();
    let journal = bench.open();
    let claim = take(&journal, &lane("a")).await;
    let narrow = |tx: &Tx<'_>| Ok(tx.db.query_row("pragma max_page_count = 1", [], |row| row.get::<_, i64>(0))?);
    journal.writer.write("test", false, narrow).await.unwrap();
    let mut large = write("a", 0);
    large.state = json!("x".repeat(1_000_000));
    let error = journal.commit(&claim, batch(vec![large])).await.unwrap_err();
    assert!(error.to_string().contains("the disk is full; make room"), "{error}");
    assert!(journal.stream(&StreamKey::alert(alert("a"))).await.unwrap().is_none());
    assert!(journal.events(&StreamKey::alert(alert("a"))).await.unwrap().is_empty());
}
