//! Replicas: each says that it is alive, and takes over from those that are silent.
//!
//! A lease is long, so that a slow step loses nothing. A replica that has not been seen for a while is taken for dead
//! before its leases end: its lanes are due at once, and its fences are worth nothing. Should it be alive after all,
//! whatever it writes is refused; what it has begun to send is over before anybody looks, as a lost answer is. How long it
//! has been silent is judged by the watcher's own clock, for the database's may jump.

use std::collections::BTreeMap;
use std::future::poll_fn;
use std::rc::Rc;
use std::time::{Duration, Instant};

use tokio_postgres::AsyncMessage;

use super::super::lane::LaneKey;
use super::fault::Stop;
use super::limit::{self, within};
use super::quarantine;
use super::rows::{lane_kind, text};
use super::store::{CHANNEL, Store, Tx};
use crate::model::replicas::Replicas;
use crate::model::time::At;
use crate::record::event::StreamKind;

/// How often a replica says that it is alive.
const BEAT: Duration = Duration::from_secs(2);

/// A replica that has been silent for so long is taken for dead.
pub(super) const SILENCE: Duration = Duration::from_secs(8);
/// Whoever has not looked for so long, or was not answered, cannot say that the others were silent.
const BLIND: Duration = Duration::from_secs(6);

/// As long as this something may be due that was not heard of.
const DEAF: Duration = Duration::from_secs(5);

/// A sign of life.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Sign {
    /// Of which replica.
    boot: String,
    /// When, as the database writes it: two are told apart by it, and no more.
    at: String,
}

/// The first sign of life, before any lane is taken. Gives for how long nothing had been written by anybody, if something
/// ever was.
pub(super) async fn arrive(store: &Store, working: &Replicas) -> Result<Option<Duration>, Stop> {
    let (others, rested) = store.transact(false, &async |tx| Ok((beat(tx).await?, rested(tx).await?))).await?;
    working.beside(others.len());
    Ok(rested)
}

async fn rested(tx: &Tx<'_>) -> Result<Option<Duration>, Stop> {
    let mut last: Option<i64> = None;
    for kind in StreamKind::ALL {
        let latest = "select max(changed_at) from stream where tenant = $1 and kind = $2";
        last = last.max(tx.one(latest, &[&tx.t, &kind.word()]).await?.try_get(0)?);
    }
    Ok(last.map(|last| tx.now.since(At::from_ticks(last))))
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
pub(super) async fn live(store: Store, working: Replicas) {
    let mut watch = Watch::default();
    loop {
        tokio::time::sleep(BEAT).await;
        let asked = Instant::now();
        let found = async {
            let signs = store.write_once(false, &beat).await?;
            let others = signs.len();
            let silent = watch.silent(signs, asked, Instant::now());
            working.beside(others - silent.len());
            if silent.is_empty() {
                return Ok(Vec::new());
            }
            store.write_once(false, &async |tx| take_over(tx, &silent).await).await
        };
        match found.await {
            Ok(gone) => {
                for boot in gone {
                    tracing::warn!(boot, "a replica is silent: its lanes are taken over");
                    store.nudges.add();
                }
            }
            Err(stop) => {
                watch = Watch::default();
                // What is wrong may be so for good; whoever works meets it.
                store.nudges.add();
                tracing::debug!(?stop, "the other replicas do not hear of this one");
                store.contact.failed(stop);
            }
        }
    }
}

/// The signs of life that were seen, and by this machine's monotonic clock when each was new.
#[derive(Debug, Default)]
struct Watch {
    looked: Option<Instant>,
    seen: BTreeMap<String, (Sign, Instant)>,
}

impl Watch {
    /// Looks at what the database showed between two moments: the replicas whose sign has not changed for too long.
    fn silent(&mut self, signs: Vec<Sign>, asked: Instant, answered: Instant) -> Vec<Sign> {
        let waited = answered.saturating_duration_since(asked);
        if waited >= BLIND || self.looked.is_none_or(|looked| asked.saturating_duration_since(looked) >= BLIND) {
            self.seen.clear();
        }
        self.looked = Some(answered);
        let mut silent = Vec::new();
        let mut seen = BTreeMap::new();
        for sign in signs {
            // A sign is new at the latest moment at which it may have been, and old at the earliest.
            let new = self.seen.remove(&sign.boot).filter(|(known, _)| *known == sign).map_or(answered, |(_, new)| new);
            if asked.saturating_duration_since(new) >= SILENCE {
                silent.push(sign.clone());
            }
            seen.insert(sign.boot.clone(), (sign, new));
        }
        self.seen = seen;
        silent
    }
}

/// Hears from other replicas that a lane may be due.
pub(super) async fn listen(store: Rc<Store>) {
    loop {
        if let Err(error) = hear(&store).await {
            tracing::debug!(?error, "the other replicas are not heard; trying again");
        }
        // Something may have been said meanwhile.
        store.nudges.add();
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

async fn hear(store: &Store) -> Result<(), Stop> {
    let (client, mut connection) =
        within(limit::OPENING, store.place.config().connect(store.place.tls.clone())).await?;
    let listening = async {
        within(limit::PROMPT, client.batch_execute(&format!("listen {CHANNEL}"))).await?;
        loop {
            store.nudges.add();
            tokio::time::sleep(DEAF).await;
            // A connection that died without a word is heard as little as one on which nobody says anything.
            within(limit::PROMPT, client.batch_execute("")).await?;
        }
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
    tokio::select! { ended = listening => ended, ended = hearing => ended }
}

/// The last signs of other replicas.
pub(super) async fn signs(tx: &Tx<'_>) -> Result<Vec<Sign>, Stop> {
    let others = "select boot, seen_at::text from replica where tenant = $1 and boot <> $2";
    let others = tx.rows(others, &[&tx.t, &tx.me]).await?;
    others.iter().map(|row| Ok(Sign { boot: text(row, 0)?, at: text(row, 1)? })).collect()
}

/// How many replicas have given a sign of life lately, by the database's clock.
pub(super) async fn alive(tx: &Tx<'_>) -> Result<usize, Stop> {
    let sql = "select count(*) from replica where seen_at > clock_timestamp() - $1::bigint * interval '1 second'";
    let alive: i64 = tx.one(sql, &[&i64::try_from(SILENCE.as_secs()).unwrap_or(i64::MAX)]).await?.try_get(0)?;
    Ok(usize::try_from(alive).unwrap_or_default())
}

async fn seen(tx: &Tx<'_>) -> Result<(), Stop> {
    let sql = "insert into replica (tenant, boot, seen_at) values ($1, $2, clock_timestamp())
        on conflict (tenant, boot) do update set seen_at = excluded.seen_at";
    tx.run(sql, &[&tx.t, &tx.me]).await?;
    Ok(())
}

/// One sign of life; the last ones of the others.
async fn beat(tx: &Tx<'_>) -> Result<Vec<Sign>, Stop> {
    seen(tx).await?;
    signs(tx).await
}

/// The leases of silent replicas are over; which replicas those are. One that has given a sign meanwhile is none.
async fn take_over(tx: &Tx<'_>, silent: &[Sign]) -> Result<Vec<String>, Stop> {
    let boots: Vec<&str> = silent.iter().map(|sign| sign.boot.as_str()).collect();
    let signs: Vec<&str> = silent.iter().map(|sign| sign.at.as_str()).collect();
    let dead = "delete from replica using unnest($2::text[], $3::text[]) as silent (boot, sign)
        where tenant = $1 and replica.boot = silent.boot and seen_at::text = silent.sign returning replica.boot";
    let gone = tx.rows(dead, &[&tx.t, &boots, &signs]).await?;
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

#[cfg(test)]
mod tests {
    use super::*;

    fn sign(boot: &str, at: u32) -> Sign {
        Sign { boot: boot.to_owned(), at: at.to_string() }
    }

    /// Looks every two seconds, at the signs that are given for each; who was silent at the last look.
    fn looks(signs: &[&[Sign]]) -> Vec<Sign> {
        let start = Instant::now();
        let mut watch = Watch::default();
        let mut silent = Vec::new();
        for (signs, seconds) in signs.iter().zip((0..).step_by(2)) {
            let now = start + Duration::from_secs(seconds);
            silent = watch.silent(signs.to_vec(), now, now);
        }
        silent
    }

    #[test]
    fn a_replica_whose_sign_stands_still_is_silent_and_one_whose_clock_jumps_is_not() {
        let (still, jumps) = (sign("still", 1), [5, 900_000, 3, 4, 900_000].map(|at| sign("jumps", at)));
        let looked: Vec<[Sign; 2]> = jumps.map(|jump| [still.clone(), jump]).to_vec();
        let looked: Vec<&[Sign]> = looked.iter().map(<[Sign; 2]>::as_slice).collect();
        assert_eq!(looks(&looked[..4]), []);
        assert_eq!(looks(&looked), [still]);
    }

    #[test]
    fn whoever_could_not_look_for_a_while_says_of_nobody_that_it_was_silent() {
        let (start, mut watch) = (Instant::now(), Watch::default());
        let at = |seconds| start + Duration::from_secs(seconds);
        for (asked, answered) in [(0, 0), (2, 2), (4, 9), (15, 15), (17, 17), (19, 19), (21, 21)] {
            assert_eq!(watch.silent(vec![sign("a", 1)], at(asked), at(answered)), [], "{asked}");
        }
        assert_eq!(watch.silent(vec![sign("a", 1)], at(23), at(23)), [sign("a", 1)]);
    }

    #[test]
    fn a_sign_that_was_waited_for_counts_from_when_it_came() {
        let (start, mut watch) = (Instant::now(), Watch::default());
        let at = |seconds| start + Duration::from_secs(seconds);
        for (asked, answered) in [(0, 5), (7, 7), (9, 9), (12, 20), (22, 22), (24, 26)] {
            assert_eq!(watch.silent(vec![sign("a", 1)], at(asked), at(answered)), [], "{asked}");
        }
    }
}
