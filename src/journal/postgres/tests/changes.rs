//! What is changed under a replica that runs: its password, the tables, and what stands between it and the database.

use tokio_postgres::NoTls;

use super::*;
use crate::model::secret::Secret;

/// Cuts every connection but its own.
const CUT: &str = "select pg_terminate_backend(pid) from pg_stat_activity
    where pid <> pg_backend_pid() and datname = current_database()";

#[tokio::test(flavor = "multi_thread")]
async fn a_password_that_changes_is_taken_up_without_a_restart_and_a_wrong_one_is_told() {
    let Some(bench) = bench() else { return };
    bench.meddle("create role keyed login password 'first'");
    let database = bench.address.rsplit_once('/').unwrap().1;
    bench.meddle(&format!("grant create on database {database} to keyed"));
    let (known, changed) = (Arc::new(std::sync::Mutex::new(Ok("first"))), BootId::derive(&["keyed"]));
    let (asks, mut asked) = tokio::sync::mpsc::unbounded_channel();
    let place = || {
        let known = Arc::clone(&known);
        let asks = asks.clone();
        bench.keyed(Arc::new(move || {
            let known = known.lock().unwrap().map(Secret::new).map_err(str::to_owned);
            if known.is_err() {
                asks.send(()).ok();
            }
            known
        }))
    };
    let open = || PostgresJournal::open(place(), TENANT, changed, Role::Replica);
    let journal = open().unwrap();
    let make = async |name: &str| journal.ensure_lane(&lane(name), seconds(T0)).await;
    make("a").await.unwrap();

    // The database has the new one first: what is connected goes on, and what is not waits for the file.
    bench.meddle("alter role keyed password 'second'");
    make("b").await.unwrap();
    let Err(OpenError::Unusable(fault)) = open() else { panic!("the password is wrong") };
    let fault = fault.to_string();
    assert!(fault.contains("whether journal.password is that user's"), "{fault}");
    assert!(!fault.contains("first"), "{fault}");
    bench.meddle(CUT);
    let (waited, ()) = futures::join!(make("c"), async {
        // A file that is just being written does not count as none.
        *known.lock().unwrap() = Err("it is just being written");
        asked.recv().await.unwrap();
        *known.lock().unwrap() = Ok("second");
    });
    waited.unwrap();

    // The file has the new one first.
    *known.lock().unwrap() = Ok("third");
    make("d").await.unwrap();
    bench.meddle("alter role keyed password 'third'");
    bench.meddle(CUT);
    make("e").await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_written_once_a_newer_riposte_has_changed_the_tables_not_even_what_was_under_way() {
    let Some(bench) = bench() else { return };
    let journal = bench.open();
    let claim = take(&journal, &lane("a")).await;
    let (newer, connection) = tokio_postgres::connect(&bench.address, NoTls).await.unwrap();
    tokio::spawn(connection);
    newer
        .batch_execute(
            "begin; lock table riposte.meta in access exclusive mode;
             update riposte.meta set value = '99' where key in ('schema', 'min_reader')",
        )
        .await
        .unwrap();
    let change = async {
        let waits = "select count(*) from pg_locks where not granted and relation = 'riposte.meta'::regclass";
        while newer.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {
            tokio::task::yield_now().await;
        }
        newer.batch_execute("commit").await.unwrap();
    };
    let (written, ()) = futures::join!(journal.commit(&claim, batch(vec![write("a", 0)])), change);
    let said = written.unwrap_err().to_string();
    assert!(said.contains("a newer riposte wrote it (schema 99") && said.contains("use that version"), "{said}");
    let said = journal.claim(&LaneKind::each(1), LEASE).await.unwrap_err().to_string();
    assert!(said.contains("a newer riposte wrote it"), "{said}");
    assert!(journal.placed(0, 10).await.unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn the_tables_are_changed_when_nobody_writes_any_more() {
    let Some(bench) = bench() else { return };
    drop(bench.open());
    bench.meddle("drop index hold_by_action; delete from meta where key = 'migration/0002'; update meta set value = '1' where key = 'schema'");
    let (writer, connection) = tokio_postgres::connect(&bench.address, NoTls).await.unwrap();
    tokio::spawn(connection);
    writer.batch_execute("begin; select value from riposte.meta where key = 'min_reader'").await.unwrap();
    let opened = {
        let bench = bench.clone();
        tokio::task::spawn_blocking(move || bench.try_open("newer", Role::Replica))
    };
    let waits = "select count(*) from pg_locks where not granted and relation = 'riposte.meta'::regclass";
    while writer.query_one(waits, &[]).await.unwrap().get::<_, i64>(0) == 0 {
        assert!(!opened.is_finished(), "it did not wait for who writes");
        tokio::task::yield_now().await;
    }
    writer.batch_execute("commit").await.unwrap();
    opened.await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_pooler_that_keeps_no_sessions_is_told_from_a_database() {
    let Some(bench) = bench() else { return };
    let place = || bench.place().through_a_pooler();
    let opened = PostgresJournal::open(place(), TENANT, BootId::derive(&["x"]), Role::Replica).err();
    for error in [opened, PostgresJournal::usable(place(), None).err()] {
        let Some(OpenError::Unusable(fault)) = error else { panic!("{error:?}") };
        assert!(fault.to_string().contains("name the database itself in [journal] postgres"), "{fault}");
    }
}
