//! Seals, and what a look at the whole journal finds.

use super::*;
use crate::journal::chain::BrokenChain;
use crate::journal::seal::Sealed;
use crate::journal::verify::{Verified, verify};

async fn sealed(journal: &SqliteJournal) -> Sealed {
    let claim = take(journal, &LaneKey::chore("seal")).await;
    let sealed = journal.seal(&claim).await.unwrap();
    journal.release(claim, 0, None).await.unwrap();
    sealed
}

/// A journal with three events of two alerts, a seal, and one event more.
async fn story(bench: &Bench) -> SqliteJournal {
    let journal = bench.open();
    let claim = take(&journal, &lane("a")).await;
    for (name, expected) in [("a", 0), ("a", 1), ("b", 0)] {
        journal.commit(&claim, batch(vec![write(name, expected)])).await.unwrap();
    }
    assert!(sealed(&journal).await.new);
    journal.commit(&claim, batch(vec![write("a", 2)])).await.unwrap();
    journal.release(claim, 0, None).await.unwrap();
    journal
}

async fn found(journal: &SqliteJournal, roots: &[String]) -> Verified {
    verify(journal, TENANT, roots).await.unwrap()
}

/// What is found after somebody with the file in hand has changed it.
async fn after(sql: &str) -> Verified {
    let bench = Bench::new();
    drop(story(&bench).await);
    Connection::open(bench.path()).unwrap().execute_batch(sql).unwrap();
    found(&bench.open(), &[]).await
}

#[tokio::test]
async fn what_was_written_since_the_last_seal_is_sealed_once() {
    let bench = Bench::new();
    let journal = story(&bench).await;
    let second = sealed(&journal).await;
    let seal = second.seal.clone().unwrap();
    assert!(second.new && !second.more);
    assert_eq!(seal.events, 5, "four events and the first seal");
    let third = sealed(&journal).await;
    assert_eq!(third, Sealed { seal: Some(seal), new: false, more: false });
}

#[tokio::test]
async fn a_journal_as_written_holds_and_meets_the_roots_of_its_past() {
    let bench = Bench::new();
    let journal = story(&bench).await;
    let before = found(&journal, &[]).await;
    assert!(before.holds() && before.seals.len() == 1, "{before:?}");
    assert_eq!((before.end.events, before.streams), (5, 3));
    let kept = vec![before.seals[0].seal.root.clone(), before.end.root.clone()];
    sealed(&journal).await;
    let later = found(&journal, &kept).await;
    assert!(later.holds());
    assert_eq!(later.met.keys().collect::<HashSet<_>>(), kept.iter().collect());
    // An older copy, or another journal, does not get there.
    let other = Bench::new();
    assert!(found(&other.open(), &kept).await.met.is_empty());
}

#[tokio::test]
async fn whatever_is_changed_in_the_file_is_found_and_named() {
    let a = StreamKey::alert(alert("a"));
    let broken = |n, what| vec![BrokenChain { stream: a.clone(), n, what }];
    let events = format!("event where id = '{}' and", a.id);
    let payload = after(&format!("update event set payload = '{{}}' where id = '{}' and n = 2", a.id)).await;
    assert_eq!((payload.broken.clone(), payload.holds()), (broken(2, Break::Payload), false));
    let middle = after(&format!("delete from {events} n = 2")).await;
    assert_eq!(middle.broken, broken(3, Break::Number));
    assert!(!middle.seals[0].holds, "the seal covers what is missing");
    let end = after(&format!("delete from {events} n = 3")).await;
    assert_eq!(end.broken, broken(2, Break::Head));
    assert!(end.seals[0].holds, "it is older than what is missing");
    let order = format!("update event set position = 100 where id = '{}' and n = 1", a.id);
    assert!(!after(&order).await.holds());
    // What riposte never writes.
    for (nonsense, what) in [
        ("n = -1", Break::Number),
        ("version = 100000", Break::Envelope),
        ("payload = cast(x'ff' as text)", Break::Payload),
    ] {
        let nonsense = after(&format!("update event set {nonsense} where id = '{}' and n = 2", a.id)).await;
        assert_eq!((nonsense.broken.first().map(|broken| broken.what), nonsense.holds()), (Some(what), false));
    }
    let elsewhere = after(&format!("update event set kind = 'x' where id = '{}' and n = 2", a.id)).await;
    assert!(!elsewhere.holds() && elsewhere.broken.iter().any(|broken| broken.stream == a), "{elsewhere:?}");
    let row = after(&format!("update stream set head = cast(x'ff' as text) where id = '{}'", a.id)).await;
    assert_eq!(row.broken, broken(3, Break::Head));
    let unread = after("update event set payload = 'x' where name = 'sealed'").await;
    assert!(!unread.seals[0].holds && !unread.holds(), "{unread:?}");
    let row = after(&format!("delete from stream where id = '{}'", a.id)).await;
    assert_eq!(row.broken, broken(3, Break::Head));
}

#[tokio::test]
async fn a_stream_that_is_gone_as_a_whole_is_shown_by_the_seal_alone() {
    let b = alert("b").to_string();
    let gone = after(&format!("delete from event where id = '{b}'; delete from stream where id = '{b}'")).await;
    assert!(gone.broken.is_empty() && !gone.seals[0].holds && !gone.holds());
}

#[tokio::test]
async fn a_removed_payload_breaks_nothing_and_is_counted() {
    let removed = after(&format!("update event set payload = null where id = '{}'", alert("b"))).await;
    assert!(removed.holds());
    assert_eq!(removed.removed, 1);
}

#[tokio::test]
async fn events_of_an_earlier_schema_keep_their_order() {
    let bench = Bench::new();
    drop(story(&bench).await);
    let root = {
        let journal = bench.open();
        found(&journal, &[]).await.end.root
    };
    // As the second step left it: without positions, in the order of writing.
    let back = "create table old (tenant text not null, kind text not null, id text not null, n integer not null,
            at integer not null, name text not null, version integer not null, actor text not null, payload text,
            payload_sha text not null, prev text not null, hash text not null, primary key (tenant, kind, id, n)) strict;
        insert into old select tenant, kind, id, n, at, name, version, actor, payload, payload_sha, prev, hash
            from event order by position;
        drop table event; alter table old rename to event;
        drop index stream_by_label; drop index stream_by_change;
        create index stream_label on stream (tenant, kind, label, changed_at) where open = 1;
        create index stream_by_change on stream (tenant, kind, changed_at);
        delete from meta where key in ('migration/0003', 'migration/0004'); pragma user_version = 2";
    Connection::open(bench.path()).unwrap().execute_batch(back).unwrap();
    let again = found(&bench.open(), &[]).await;
    assert!(again.holds());
    assert_eq!(again.end.root, root);
}
