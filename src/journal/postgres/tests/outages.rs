//! Networks that drop everything and close nothing: what is under way is noticed within seconds, and goes on by another
//! connection.

use std::sync::atomic::AtomicU64;

use futures::FutureExt as _;

use super::super::super::sense::MARGIN;
use super::super::super::testing::alert;
use super::*;

/// Nobody waits longer in these tests: well over what the limits add up to, on a busy machine.
const ENOUGH: Duration = Duration::from_secs(120);
/// What is not noticed within this was not noticed by a limit for one answer.
const SECONDS: Duration = Duration::from_secs(25);

/// No connection.
const NONE: u64 = u64::MAX;

const COMMIT_UNHEARD: u8 = 1;
const COMMIT_UNANSWERED: u8 = 2;

/// A way to a database.
struct Way {
    place: Place,
    /// Whatever is said on connections before this one arrives nowhere, from now on.
    dead: AtomicU64,
    /// So many connections there have been.
    made: AtomicU64,
    /// The connection on which is listened.
    ear: AtomicU64,
    silent: AtomicU64,
    /// At which side of the next COMMIT its connection dies.
    at_commit: AtomicU8,
}

impl Way {
    async fn to(address: &str) -> Arc<Self> {
        let (start, rest) = address.split_once('@').unwrap();
        let (target, database) = rest.split_once('/').unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let here = format!("{start}@{}/{database}", listener.local_addr().unwrap());
        let place = Place::new(&here, None, None).unwrap();
        let [dead, made] = [0, 0].map(AtomicU64::new);
        let [ear, silent] = [NONE, NONE].map(AtomicU64::new);
        let way = Arc::new(Self { place, dead, made, ear, silent, at_commit: AtomicU8::new(0) });
        let (target, carrying) = (target.to_owned(), Arc::clone(&way));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let server = TcpStream::connect(&target).await.unwrap();
                let number = carrying.made.fetch_add(1, Ordering::SeqCst);
                let carrying = Arc::clone(&carrying);
                tokio::spawn(async move { carrying.carry(number, client, server).await });
            }
        });
        way
    }

    /// The connections that there are die; new ones live.
    fn kill(&self) {
        self.dead.store(self.made.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    /// Every connection dies, and so do new ones, until they may live.
    fn block(&self, blocked: bool) {
        self.dead.store(if blocked { u64::MAX } else { 0 }, Ordering::SeqCst);
    }

    /// The connection on which is listened dies.
    fn deafen(&self) {
        self.silent.store(self.ear.load(Ordering::SeqCst), Ordering::SeqCst);
    }

    fn is_dead(&self, number: u64) -> bool {
        number < self.dead.load(Ordering::SeqCst) || number == self.silent.load(Ordering::SeqCst)
    }

    async fn carry(&self, number: u64, mut client: TcpStream, mut server: TcpStream) -> std::io::Result<()> {
        let (mut there, mut back) = (vec![0; 1 << 16], vec![0; 1 << 16]);
        loop {
            tokio::select! {
                read = client.read(&mut there) => {
                    let said = &there[..read?];
                    if said.windows(6).any(|word| word == b"listen") {
                        self.ear.store(number, Ordering::SeqCst);
                    }
                    let commits = said.windows(6).any(|word| word == b"COMMIT");
                    let dies = if commits { self.at_commit.swap(0, Ordering::SeqCst) } else { 0 };
                    if dies == COMMIT_UNANSWERED {
                        server.write_all(said).await?;
                    }
                    if dies != 0 || self.is_dead(number) {
                        return std::future::pending().await;
                    }
                    if said.is_empty() {
                        return Ok(());
                    }
                    server.write_all(said).await?;
                }
                read = server.read(&mut back) => {
                    let said = &back[..read?];
                    if self.is_dead(number) {
                        return std::future::pending().await;
                    }
                    if said.is_empty() {
                        return Ok(());
                    }
                    client.write_all(said).await?;
                }
            }
        }
    }
}

/// A replica whose way to the database is `way`.
fn over(way: &Way, bench: &Bench) -> Result<PostgresJournal, OpenError> {
    let time = Time::Given(bench.clock.clone());
    PostgresJournal::open_by(way.place.clone(), TENANT, BootId::derive(&["far"]), Role::Replica, time)
}

async fn soon<T>(within: Duration, what: impl Future<Output = T>) -> T {
    tokio::time::timeout(within, what).await.expect("it is noticed in time")
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_died_without_a_word_are_replaced_within_seconds() {
    let Some(bench) = bench() else { return };
    let way = Way::to(&bench.address).await;
    let journal = over(&way, &bench).unwrap();
    let claim = take(&journal, &lane("a")).await;
    // As many connections as are kept.
    let lanes: Vec<LaneKey> = (0..40).map(|n| lane(&n.to_string())).collect();
    for made in futures::future::join_all(lanes.iter().map(|lane| journal.ensure_lane(lane, seconds(T0)))).await {
        made.unwrap();
    }
    way.kill();
    soon(SECONDS, journal.commit(&claim, batch(vec![write("a", 0)]))).await.unwrap();
    way.kill();
    soon(SECONDS, journal.stream(&StreamKey::alert(alert("a")))).await.unwrap().unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_commit_that_meets_nothing_but_silence_is_done_once() {
    let Some(bench) = bench() else { return };
    let way = Way::to(&bench.address).await;
    let journal = over(&way, &bench).unwrap();
    let claim = take(&journal, &lane("a")).await;
    for (n, dies) in [(0, COMMIT_UNHEARD), (1, COMMIT_UNANSWERED)] {
        way.at_commit.store(dies, Ordering::SeqCst);
        soon(ENOUGH, journal.commit(&claim, batch(vec![write("a", n)]))).await.unwrap();
        assert_eq!(way.at_commit.load(Ordering::SeqCst), 0);
    }
    assert_eq!(journal.stream(&StreamKey::alert(alert("a"))).await.unwrap().unwrap().n, 2);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_cut_off_says_so_and_does_what_waited_when_the_network_is_back() {
    let Some(bench) = bench() else { return };
    let way = Way::to(&bench.address).await;
    let journal = over(&way, &bench).unwrap();
    let claim = take(&journal, &lane("a")).await;
    journal.ensure_lane(&lane("b"), seconds(T0)).await.unwrap();
    assert_eq!(journal.away(), None);
    way.block(true);
    let opened = {
        let (way, bench) = (Arc::clone(&way), bench.clone());
        tokio::task::spawn_blocking(move || over(&way, &bench).err())
    };
    let Some(OpenError::Failed(fault)) = soon(SECONDS, opened).await.unwrap() else { panic!("nothing can be opened") };
    assert!(fault.to_string().contains("does not answer"), "{fault}");
    {
        let waits = journal.commit(&claim, batch(vec![write("a", 0)]));
        futures::pin_mut!(waits);
        let said = tokio::select! {
            done = &mut waits => panic!("it waits: {done:?}"),
            said = soon(SECONDS, away(&journal, true)) => said.unwrap(),
        };
        assert!(said.starts_with("does not answer since ") && said.contains("acting has stopped"), "{said}");
        let claims = journal.claim(&[(LaneKind::Alert, 1)], LEASE);
        futures::pin_mut!(claims);
        assert!(claims.as_mut().now_or_never().is_none());
        let back = Instant::now();
        way.block(false);
        let (done, claimed) = soon(ENOUGH, async { futures::join!(waits, claims) }).await;
        done.unwrap();
        // A lease lasts from when it is had, not from when it was wanted.
        let sends_until = claimed.unwrap().claims[0].lease().stop_sending;
        assert!(sends_until >= back + LEASE.saturating_sub(MARGIN));
    }
    assert_eq!(soon(SECONDS, away(&journal, false)).await, None);
    drop(soon(ENOUGH, tokio::task::spawn_blocking(move || drop(journal))).await);
}

/// What it says, once it is away, or is not.
async fn away(journal: &PostgresJournal, wanted: bool) -> Option<String> {
    loop {
        let said = journal.away();
        if said.is_some() == wanted {
            return said;
        }
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

/// For how long a question is asked again where nobody listens, with a clock that does not wait.
async fn endured(replica: bool, ends: bool) -> Duration {
    let nobody = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let place = Place::new(&format!("postgres://r@{nobody}/r"), None, None).unwrap();
    let known = Arc::new(DatabaseClock::new());
    let contact = Arc::new(Contact::new(place.name(), Arc::clone(&known), replica));
    if ends {
        contact.hurry();
    }
    let boot = BootId::derive(&["nobody"]);
    let identity = Identity { tenant: TENANT, tenant_text: String::new(), boot, boot_text: String::new() };
    let nudges = Arc::new(Nudges::new());
    let store = Store::new(place, Arc::new(identity), nudges, contact, (Time::Database, known)).unwrap();
    let began = tokio::time::Instant::now();
    let fault = store.ask("asking", async |_| Ok(())).await.unwrap_err().to_string();
    assert!(fault.contains("look whether it runs"), "{fault}");
    began.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_daemon_waits_out_what_a_command_and_a_daemon_that_ends_do_not() {
    let minutes = |minutes: u64| Duration::from_secs(60 * minutes);
    assert!(endured(true, false).await >= minutes(10));
    assert!(endured(true, true).await < minutes(2));
    assert!(endured(false, false).await < minutes(2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replica_that_is_deaf_looks_all_the_same() {
    let Some(bench) = bench() else { return };
    let way = Way::to(&bench.address).await;
    let (near, far) = (bench.open_as("near"), over(&way, &bench).unwrap());
    let found = async || {
        while far.claim(&LaneKind::each(1), LEASE).await.unwrap().claims.is_empty() {
            far.nudged().await;
        }
    };
    // It listens, and what it has heard is dealt with.
    soon(ENOUGH, far.nudged()).await;
    near.wake(&lane("heard"), seconds(T0)).await.unwrap();
    soon(ENOUGH, far.nudged()).await;
    soon(ENOUGH, found()).await;
    way.deafen();
    while far.nudged().now_or_never().is_some() {}
    near.wake(&lane("a"), seconds(T0)).await.unwrap();
    soon(ENOUGH, far.nudged()).await;
    soon(ENOUGH, found()).await;
}
