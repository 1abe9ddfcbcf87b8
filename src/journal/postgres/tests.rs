//! What is so of a journal on PostgreSQL alone, and what is so of every journal.

use std::sync::atomic::{AtomicU8, Ordering};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};

use super::super::conformance::{Bench as _, conformance};
use super::super::testing::{LEASE, T0, TENANT, batch, lane, seconds, take, write};
use super::testing::Bench;
use super::*;

conformance!(crate::journal::postgres::testing::Bench);

mod changes;
mod copying;
mod outages;

/// A bench; nothing where PostgreSQL is not installed.
fn bench() -> Option<Bench> {
    Bench::is_there().then(Bench::new)
}

#[tokio::test(flavor = "multi_thread")]
async fn two_replicas_never_have_the_same_lane_and_a_wake_of_one_is_heard_by_the_other() {
    let Some(bench) = bench() else { return };
    let (one, two) = (Arc::new(bench.open_as("one")), Arc::new(bench.open_as("two")));
    for n in 0..60 {
        one.ensure_lane(&lane(&n.to_string()), seconds(T0)).await.unwrap();
    }
    let claim = async |journal: &PostgresJournal| {
        let mut held = Vec::new();
        for _ in 0..10 {
            held.extend(journal.claim(&LaneKind::each(5), LEASE).await.unwrap().claims);
        }
        held
    };
    let (mine, yours) = futures::join!(claim(&one), claim(&two));
    let lanes: std::collections::BTreeSet<&LaneKey> = mine.iter().chain(&yours).map(Claim::lane).collect();
    assert_eq!((lanes.len(), mine.len() + yours.len()), (60, 60));
    let heard = async {
        loop {
            two.nudged().await;
            if two
                .claim(&LaneKind::each(1), LEASE)
                .await
                .unwrap()
                .claims
                .first()
                .is_some_and(|c| *c.lane() == lane("new"))
            {
                break;
            }
        }
    };
    let woken = async { one.wake(&lane("new"), seconds(T0)).await.unwrap() };
    let both = async { futures::join!(heard, woken) };
    tokio::time::timeout(Duration::from_secs(30), both).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn limits_and_the_order_of_events_are_exact_however_many_replicas_write_at_once() {
    let Some(bench) = bench() else { return };
    let replicas: Vec<_> = ["a", "b", "c"].map(|boot| Arc::new(bench.open_as(boot))).to_vec();
    let all = super::super::testing::take_accounts(&*replicas[0], 30).await;
    drop(all);
    bench.clock.pass(600);
    let mut working = tokio::task::JoinSet::new();
    for replica in &replicas {
        let replica = Arc::clone(replica);
        working.spawn(async move {
            let mut begun = 0;
            loop {
                let claims = replica.claim(&LaneKind::each(2), LEASE).await.unwrap().claims;
                if claims.is_empty() {
                    return begun;
                }
                for claim in claims {
                    begun += u32::from(begin(&replica, &claim).await);
                }
            }
        });
    }
    let begun: u32 = working.join_all().await.into_iter().sum();
    assert_eq!(begun, 10);
    let placed = replicas[0].placed(0, 1_000).await.unwrap();
    assert!(placed.iter().map(|placed| placed.position).eq(1..=10));
    let found = super::super::verify::verify(&*replicas[1], TENANT, &[]).await.unwrap();
    assert!(found.holds(), "{found:?}");
}

/// Begins the action of the account in whose lane it is; whether the limit of ten lets it.
async fn begin(journal: &PostgresJournal, claim: &Claim) -> bool {
    use super::super::testing::{account, action, beginning, cleared, limit};
    let rid = (1..=30).find(|rid| LaneKey::account(&account(*rid)) == *claim.lane());
    let Some(rid) = rid else { return false };
    let action = action(rid, vec![limit("all/hour", 10, 3_600)]);
    match journal.begin(claim, cleared(&action, journal.now()), 1, beginning(&action, 0)).await {
        Ok(_) => true,
        Err(CommitError::LimitReached { .. }) => false,
        Err(other) => panic!("{other}"),
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn replicas_know_how_many_they_are_as_others_come_and_go() {
    let Some(bench) = bench() else { return };
    let first = bench.open_as("first");
    assert_eq!(first.replicas().count().get(), 1);
    let at_work = || PostgresJournal::condition(bench.place()).unwrap().daemons;
    let _visitor = bench.visit();
    assert_eq!(at_work(), 1);
    let until = async |count: u32| {
        let heard = async {
            while first.replicas().count().get() != count {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(Duration::from_secs(30), heard).await.unwrap();
    };
    let others = ["second", "third"].map(|boot| bench.open_as(boot));
    assert_eq!(others[1].replicas().count().get(), 3, "from its first moment");
    until(3).await;
    assert_eq!(at_work(), 3);
    drop(others);
    until(1).await;
    assert_eq!(at_work(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_opens_it_learns_for_how_long_nothing_was_written() {
    let Some(bench) = bench() else { return };
    let first = bench.open_as("first");
    assert_eq!(first.replicas().rested(), None, "nothing ever was");
    let claim = take(&first, &lane("a")).await;
    first.commit(&claim, batch(vec![write("a", 0)])).await.unwrap();
    drop((first, claim));
    bench.clock.pass(35);
    assert_eq!(bench.open_as("second").replicas().rested(), Some(Duration::from_secs(35)));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_lanes_of_a_replica_that_fell_silent_are_taken_over_long_before_their_leases_end() {
    let Some(bench) = bench() else { return };
    let (dead, alive) = (bench.open_as("dead"), bench.open_as("alive"));
    let claim = take(&dead, &lane("a")).await;
    let boot = dead.boot();
    // Its signs do not arrive, and the database's clock says what it likes.
    bench.meddle(&format!(
        "create function hush() returns trigger language plpgsql as 'begin return null; end';
         create trigger hush before update on replica for each row when (old.boot = '{boot}') execute function hush();
         update replica set seen_at = now() + interval '1 day'"
    ));
    let silent = tokio::time::timeout(Duration::from_secs(60), async {
        loop {
            let claims = alive.claim(&LaneKind::each(1), LEASE).await.unwrap().claims;
            if let Some(taken) = claims.into_iter().next() {
                return taken;
            }
        }
    });
    let taken = silent.await.unwrap();
    assert_eq!(taken.lane(), &lane("a"));
    assert!(matches!(dead.commit(&claim, batch(vec![write("a", 0)])).await, Err(CommitError::Fenced)));
    alive.commit(&taken, batch(vec![write("a", 0)])).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_connection_is_cut_is_done_once() {
    let Some(bench) = bench() else { return };
    let journal = bench.open();
    let claim = take(&journal, &lane("a")).await;
    for n in 0..20 {
        let cut = async {
            bench.meddle(
                "select pg_terminate_backend(pid) from pg_stat_activity where pid <> pg_backend_pid()
                and datname = current_database()",
            );
        };
        let (done, ()) = futures::join!(journal.commit(&claim, batch(vec![write("a", n)])), cut);
        done.unwrap();
    }
    let key = StreamKey::alert(super::super::testing::alert("a"));
    assert_eq!(journal.stream(&key).await.unwrap().unwrap().n, 20);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_write_whose_commit_is_not_heard_or_not_answered_is_done_once() {
    let Some(bench) = bench() else { return };
    let (place, lose) = lossy(&bench.address).await;
    let time = Time::Given(bench.clock.clone());
    let boot = BootId::derive(&["boot"]);
    let journal = PostgresJournal::open_by(place, TENANT, boot, Role::Replica, time).unwrap();
    let claim = take(&journal, &lane("a")).await;
    for n in 0..12 {
        // A sign of life may lose its commit instead, once in a while.
        lose.store(if n % 2 == 0 { UNHEARD } else { UNANSWERED }, Ordering::SeqCst);
        journal.commit(&claim, batch(vec![write("a", n)])).await.unwrap();
        assert_eq!(lose.load(Ordering::SeqCst), NOTHING);
    }
    let key = StreamKey::alert(super::super::testing::alert("a"));
    assert_eq!(journal.stream(&key).await.unwrap().unwrap().n, 12);
}

const NOTHING: u8 = 0;
/// The connection is lost before the database hears the next COMMIT.
const UNHEARD: u8 = 1;
/// It is lost when the database has answered the next COMMIT, and the answer with it.
const UNANSWERED: u8 = 2;

/// A way to the database that loses what it is told to.
async fn lossy(address: &str) -> (Place, Arc<AtomicU8>) {
    let (start, rest) = address.split_once('@').unwrap();
    let (target, database) = rest.split_once('/').unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let here = format!("{start}@{}/{database}", listener.local_addr().unwrap());
    let (target, lose) = (target.to_owned(), Arc::new(AtomicU8::new(NOTHING)));
    let losing = Arc::clone(&lose);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            let server = TcpStream::connect(&target).await.unwrap();
            tokio::spawn(carry(client, server, Arc::clone(&losing)));
        }
    });
    (Place::new(&here, None, None).unwrap(), lose)
}

async fn carry(mut client: TcpStream, mut server: TcpStream, losing: Arc<AtomicU8>) -> std::io::Result<()> {
    let (mut there, mut back) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        tokio::select! {
            read = client.read(&mut there) => {
                let said = &there[..read?];
                let commits = said.windows(6).any(|word| word == b"COMMIT");
                let lost = if commits { losing.swap(NOTHING, Ordering::SeqCst) } else { NOTHING };
                if said.is_empty() || lost == UNHEARD {
                    return Ok(());
                }
                server.write_all(said).await?;
                if lost == UNANSWERED {
                    return server.read(&mut back).await.map(drop);
                }
            }
            read = server.read(&mut back) => {
                let said = &back[..read?];
                if said.is_empty() {
                    return Ok(());
                }
                client.write_all(said).await?;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_lease_is_judged_by_the_databases_clock_and_by_it_alone() {
    let Some(bench) = bench() else { return };
    let journal = bench.by_its_clock("boot");
    let before = journal.now();
    journal.ensure_lane(&lane("a"), before).await.unwrap();
    let claims = journal.claim(&LaneKind::each(1), LEASE).await.unwrap().claims;
    assert_eq!(claims.len(), 1);
    assert!(claims[0].ends() >= before.plus(LEASE) && claims[0].ends() <= journal.now().plus(LEASE));
    assert!(journal.clock().now() >= before);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_of_another_tenant_or_a_newer_riposte_is_refused_and_a_visitor_makes_none() {
    let Some(bench) = bench() else { return };
    let said = |opened: Result<PostgresJournal, OpenError>| match opened {
        Err(OpenError::Unusable(fault)) => fault.to_string(),
        Err(OpenError::Failed(fault)) => panic!("{fault}"),
        Ok(_) => panic!("it was opened"),
    };
    assert!(said(bench.try_open("visitor", Role::Visitor)).contains("`riposte run` makes it"));
    assert!(PostgresJournal::usable(bench.place(), Some(TENANT)).is_ok());
    drop(bench.open());
    assert!(PostgresJournal::usable(bench.place(), Some(TENANT)).is_ok());
    assert_eq!(PostgresJournal::tenant_of(bench.place()).unwrap(), TENANT);
    let other = TenantKey(uuid::Uuid::from_u128(8));
    let foreign = PostgresJournal::open(bench.place(), other, BootId::derive(&["x"]), Role::Replica);
    assert!(said(foreign).contains("belongs to tenant"));
    bench.meddle("update meta set value = 'x' where key = 'migration/0001'");
    assert!(said(bench.try_open("next", Role::Replica)).contains("use the version that made it"));
    bench.meddle("update meta set value = '99' where key = 'min_reader'");
    assert!(said(bench.try_open("next", Role::Replica)).contains("a newer riposte wrote it (schema 99"));
    let nowhere = Place::new("postgres://riposte@127.0.0.1:1/nowhere", None, None).unwrap();
    let Err(OpenError::Failed(fault)) = PostgresJournal::usable(nowhere, None) else { panic!("it is not there") };
    assert!(fault.to_string().contains("nowhere at 127.0.0.1:1: it cannot be reached"), "{fault}");
}

#[tokio::test(flavor = "multi_thread")]
async fn names_that_no_index_holds_are_names_all_the_same() {
    let Some(bench) = bench() else { return };
    let journal = bench.open();
    let claim = take(&journal, &lane("a")).await;
    for name in ["with\0nul".to_owned(), "long".repeat(5_000)] {
        journal.commit(&claim, super::super::testing::naming(&name, "a")).await.unwrap();
        let found = journal.aliases(std::slice::from_ref(&name)).await.unwrap();
        assert_eq!(found, [(name, super::super::testing::alert("a"))]);
    }
}
