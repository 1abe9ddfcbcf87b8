//! A journal in a database of its own, for tests.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use tokio_postgres::NoTls;

use super::{Password, Place, PostgresJournal, Role, Time};
use crate::journal::conformance;
use crate::journal::testing::{ManualClock, T0, TENANT};
use crate::model::id::BootId;

mod server;

/// A database, and the clock by which its journals judge.
#[derive(Clone)]
pub(super) struct Bench {
    pub(super) address: String,
    pub(super) clock: Arc<ManualClock>,
}

impl Bench {
    pub(super) fn place(&self) -> Place {
        Place::new(&self.address, None, None).unwrap()
    }

    /// As a user who needs a password.
    pub(super) fn keyed(&self, password: Password) -> Place {
        Place::new(&self.address.replace("riposte@", "keyed@"), Some(password), None).unwrap()
    }

    pub(super) fn try_open(&self, boot: &str, role: Role) -> Result<PostgresJournal, super::OpenError> {
        let time = Time::Given(self.clock.clone());
        PostgresJournal::open_by(self.place(), TENANT, BootId::derive(&[boot]), role, time)
    }

    /// As the program opens it: by the database's clock.
    pub(super) fn by_its_clock(&self, boot: &str) -> PostgresJournal {
        PostgresJournal::open(self.place(), TENANT, BootId::derive(&[boot]), Role::Replica).unwrap()
    }
}

impl conformance::Bench for Bench {
    type Journal = PostgresJournal;

    fn is_there() -> bool {
        server::shared().is_some()
    }

    fn new() -> Self {
        static NEXT: AtomicU32 = AtomicU32::new(0);
        let server = server::shared().unwrap();
        let name = format!("journal_{}", NEXT.fetch_add(1, Ordering::SeqCst));
        run(&server.address("postgres"), &format!("create database {name}"));
        Self { address: server.address(&name), clock: ManualClock::at(T0) }
    }

    fn clock(&self) -> &ManualClock {
        &self.clock
    }

    fn open_as(&self, boot: &str) -> PostgresJournal {
        self.try_open(boot, Role::Replica).unwrap()
    }

    fn visit(&self) -> PostgresJournal {
        self.try_open("visitor", Role::Visitor).unwrap()
    }

    fn meddle(&self, sql: &str) {
        run(&self.address, &format!("set search_path = riposte; {sql}"));
    }
}

/// Runs statements on a connection of its own.
fn run(address: &str, sql: &str) {
    let work = async {
        let (client, connection) = tokio_postgres::connect(address, NoTls).await.unwrap();
        let talking = tokio::spawn(connection);
        client.batch_execute(sql).await.unwrap();
        drop(client);
        talking.await.unwrap().unwrap();
    };
    std::thread::scope(|scope| {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        scope.spawn(move || runtime.block_on(work)).join().unwrap();
    });
}
