//! Replicas: each says that it is alive, and takes over from those that are silent.
//!
//! A lease is long, so that a slow step loses nothing. A replica that has not been seen for a while is taken for dead
//! before its leases end: its lanes are due at once, and its fences are worth nothing. Should it be alive after all,
//! whatever it writes is refused; what it has begun to send is over before anybody looks, as a lost answer is.

use std::future::poll_fn;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio_postgres::{AsyncMessage, Error};

use super::super::lane::LaneKey;
use super::fault::Stop;
use super::rows::{lane_kind, text};
use super::store::{CHANNEL, Store, Tx};
use super::{open, quarantine};

/// How often a replica says that it is alive.
const BEAT: Duration = Duration::from_secs(2);

/// A replica that has been silent for so long, by the database's clock, is taken for dead.
const SILENCE: &str = "8 s";

/// What one sign of life found.
struct Beat {
    /// Replicas that were taken for dead.
    gone: Vec<String>,
    /// Why this one must not go on.
    outdated: Option<String>,
}

/// The first sign of life, before any lane is taken.
pub(super) async fn arrive(store: &Store) -> Result<(), Stop> {
    store.transact(false, &async |tx| seen(tx).await).await
}

/// Gives every lane back and goes: the process ends.
pub(super) async fn leave(store: &Store) {
    let left = store
        .transact(true, &async |tx| {
            tx.run(
                "update lane set owner = null, due = least(due, $3) where tenant = $1 and owner = $2",
                &[&tx.t, &tx.me, &tx.now.ticks()],
            )
            .await?;
            tx.run("delete from replica where tenant = $1 and boot = $2", &[&tx.t, &tx.me]).await
        })
        .await;
    if let Err(stop) = left {
        tracing::debug!(?stop, "the other replicas find out by themselves that this one is gone");
    }
}

/// Signs of life for as long as the process lives.
pub(super) async fn live(store: Store) {
    let mut last: Option<Instant> = None;
    loop {
        tokio::time::sleep(BEAT).await;
        // Whoever could not see the others for a while cannot say that they were silent: also where this very attempt
        // had to wait for the database.
        let watching = || last.is_some_and(|last| last.elapsed() < 3 * BEAT);
        let beat = store.write("saying that this replica is alive", false, async |tx| beat(tx, watching()).await).await;
        match beat {
            Ok(Beat { gone, outdated }) => {
                last = Some(Instant::now());
                for boot in gone {
                    tracing::warn!(boot, "a replica is silent: its lanes are taken over");
                    store.nudges.add();
                }
                if let Some(why) = outdated {
                    store.retire(why);
                }
            }
            Err(error) => {
                last = None;
                tracing::warn!(%error, "the other replicas do not hear of this one");
            }
        }
    }
}

/// Hears from other replicas that a lane may be due.
pub(super) async fn listen(store: Rc<Store>) {
    loop {
        if let Err(error) = hear(&store).await {
            tracing::debug!(%error, "the other replicas are not heard; trying again");
        }
        // Something may have been said meanwhile.
        store.nudges.add();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn hear(store: &Store) -> Result<(), Error> {
    let (client, mut connection) = store.place.config.connect(store.place.tls.clone()).await?;
    let listening = async {
        client.batch_execute(&format!("listen {CHANNEL}")).await?;
        store.nudges.add();
        Ok(())
    };
    let hearing = async {
        while let Some(message) = poll_fn(|context| connection.poll_message(context)).await {
            if let AsyncMessage::Notification(said) = message?
                && said.payload() != store.identity.boot_text
            {
                store.nudges.add();
            }
        }
        Ok(())
    };
    futures::future::try_join(listening, hearing).await.map(drop)
}

async fn seen(tx: &Tx<'_>) -> Result<(), Stop> {
    let sql = "insert into replica (tenant, boot, seen_at) values ($1, $2, clock_timestamp())
        on conflict (tenant, boot) do update set seen_at = excluded.seen_at";
    tx.run(sql, &[&tx.t, &tx.me]).await?;
    Ok(())
}

async fn beat(tx: &Tx<'_>, watching: bool) -> Result<Beat, Stop> {
    seen(tx).await?;
    let gone = if watching { take_over(tx).await? } else { Vec::new() };
    Ok(Beat { gone, outdated: open::outdated(tx).await? })
}

/// The leases of silent replicas are over; which replicas those are.
async fn take_over(tx: &Tx<'_>) -> Result<Vec<String>, Stop> {
    let silent = format!(
        "delete from replica where tenant = $1 and seen_at < clock_timestamp() - interval '{SILENCE}' returning boot"
    );
    let gone = tx.rows(&silent, &[&tx.t]).await?;
    let gone: Vec<String> = gone.iter().map(|row| text(row, 0)).collect::<Result<_, _>>()?;
    if gone.is_empty() {
        return Ok(gone);
    }
    let voided = tx
        .rows(
            "update lane set owner = null, due = least(due, $3), crashes = crashes + 1
             where tenant = $1 and owner = any($2) returning kind, key, crashes",
            &[&tx.t, &gone, &tx.now.ticks()],
        )
        .await?;
    for row in &voided {
        let lane = LaneKey { kind: lane_kind(row, 0)?, key: text(row, 1)? };
        quarantine::after_a_crash(tx, &lane, row.try_get(2)?).await?;
    }
    tx.run("select pg_notify($1, 'taken over')", &[&CHANNEL]).await?;
    Ok(gone)
}
