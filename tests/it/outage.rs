//! A daemon whose database is away: it says so within seconds, waits, and goes on.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;

use riposte::runtime::probe::{Check, probe};

use super::postgres::Server;
use super::replicas::{LIMIT, PATIENCE, Replica, setup, taken, until};

/// What is not said within this was said at the end of somebody's patience.
const SECONDS: Duration = Duration::from_secs(20);

/// What readiness says, once it contains something.
async fn readiness(address: SocketAddr, within: Duration, wanted: &str) -> String {
    let looking = async {
        loop {
            let said = probe(address, Check::Ready).await.unwrap_or_else(|unwell| unwell.to_string());
            if said.contains(wanted) {
                return said;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(within, looking).await.unwrap_or_else(|_| panic!("readiness never says {wanted}"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_daemon_whose_database_is_away_says_so_within_seconds_waits_and_goes_on() {
    let Some(server) = Server::start() else { return };
    let journal = server.address("postgres");
    let mut world = setup(&journal).start().await;
    world.stop().await;
    let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let listen = format!("http.listen={address}");
    let mut daemon = Replica::start(&world, "daemon", &journal, &[&listen, "log.level=info"]);
    until(PATIENCE, "somebody was suspended", || !taken(&world).is_empty(), || daemon.said()).await;
    readiness(address, PATIENCE, "\"journal\":\"ok\"").await;

    server.kill();
    let told = || daemon.said().contains("the journal does not answer: acting has stopped");
    until(SECONDS, "it says so", told, || daemon.said()).await;
    let unready = readiness(address, SECONDS, "does not answer since").await;
    assert!(unready.contains("\"ready\":false") && unready.contains("look whether it runs"), "{unready}");

    server.revive();
    let back = || daemon.said().contains("the journal answers again");
    until(PATIENCE, "it says that it is back", back, || daemon.said()).await;
    readiness(address, PATIENCE, "\"journal\":\"ok\"").await;
    let all = || taken(&world).len() == LIMIT as usize;
    until(PATIENCE, "as many are suspended as may be", all, || daemon.said()).await;
    assert!(taken(&world).values().all(|times| *times == 1), "{:#?}", taken(&world));
    daemon.lives();
    let said = daemon.said();
    assert_eq!(said.matches("the journal does not answer").count(), 1, "{said}");
    assert!(!said.contains("deadpool"), "{said}");

    server.kill();
    let twice = || daemon.said().matches("the journal does not answer").count() == 2;
    until(SECONDS, "it says so again", twice, || daemon.said()).await;
    daemon.signal("-TERM");
    assert_eq!(daemon.ends(SECONDS).await, Some(3), "{}", daemon.said());
}
