//! Seals, and what a look at the whole journal finds.

use super::*;
use crate::journal::chain::BrokenChain;
use crate::journal::seal::Sealed;
use crate::journal::verify::{Verified, verify};

async fn sealed(journal: &impl Journal) -> Sealed {
    let claim = take(journal, &LaneKey::chore("seal")).await;
    let sealed = journal.seal(&claim).await.unwrap();
    journal.release(claim, 0, None).await.unwrap();
    sealed
}

/// A journal with three events of two alerts, a seal, and one event more.
pub(crate) async fn story<B: Bench>(bench: &B) -> B::Journal {
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

pub(crate) async fn found(journal: &impl Journal, roots: &[String]) -> Verified {
    verify(journal, TENANT, roots).await.unwrap()
}

/// What is found after somebody with the store in hand has changed it.
async fn after<B: Bench>(sql: &str) -> Verified {
    let bench = B::new();
    drop(story(&bench).await);
    bench.meddle(sql);
    found(&bench.open(), &[]).await
}

pub(crate) async fn what_was_written_since_the_last_seal_is_sealed_once<B: Bench>() {
    let bench = B::new();
    let journal = story(&bench).await;
    let second = sealed(&journal).await;
    let seal = second.seal.clone().unwrap();
    assert!(second.new && !second.more);
    assert_eq!(seal.events, 5, "four events and the first seal");
    let third = sealed(&journal).await;
    assert_eq!(third, Sealed { seal: Some(seal), new: false, more: false });
}

pub(crate) async fn a_journal_as_written_holds_and_meets_the_roots_of_its_past<B: Bench>() {
    let bench = B::new();
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
    let other = B::new();
    assert!(found(&other.open(), &kept).await.met.is_empty());
}

pub(crate) async fn whatever_is_changed_by_hand_is_found_and_named<B: Bench>() {
    let a = StreamKey::alert(alert("a"));
    let broken = |n, what| vec![BrokenChain { stream: a.clone(), n, what }];
    let events = format!("event where id = '{}' and", a.id);
    let payload = after::<B>(&format!("update event set payload = '{{}}' where id = '{}' and n = 2", a.id)).await;
    assert_eq!((payload.broken.clone(), payload.holds()), (broken(2, Break::Payload), false));
    let middle = after::<B>(&format!("delete from {events} n = 2")).await;
    assert_eq!(middle.broken, broken(3, Break::Number));
    assert!(!middle.seals[0].holds, "the seal covers what is missing");
    let end = after::<B>(&format!("delete from {events} n = 3")).await;
    assert_eq!(end.broken, broken(2, Break::Head));
    assert!(end.seals[0].holds, "it is older than what is missing");
    let order = format!("update event set position = 100 where id = '{}' and n = 1", a.id);
    assert!(!after::<B>(&order).await.holds());
    // What riposte never writes.
    for (nonsense, what) in [("n = -1", Break::Number), ("version = 100000", Break::Envelope)] {
        let nonsense = after::<B>(&format!("update event set {nonsense} where id = '{}' and n = 2", a.id)).await;
        assert_eq!((nonsense.broken.first().map(|broken| broken.what), nonsense.holds()), (Some(what), false));
    }
    let elsewhere = after::<B>(&format!("update event set kind = 'x' where id = '{}' and n = 2", a.id)).await;
    assert!(!elsewhere.holds() && elsewhere.broken.iter().any(|broken| broken.stream == a), "{elsewhere:?}");
    let row = after::<B>(&format!("update stream set head = 'x' where id = '{}'", a.id)).await;
    assert_eq!(row.broken, broken(3, Break::Head));
    let unread = after::<B>("update event set payload = 'x' where name = 'sealed'").await;
    assert!(!unread.seals[0].holds && !unread.holds(), "{unread:?}");
    let row = after::<B>(&format!("delete from stream where id = '{}'", a.id)).await;
    assert_eq!(row.broken, broken(3, Break::Head));
}

pub(crate) async fn a_stream_that_is_gone_as_a_whole_is_shown_by_the_seal_alone<B: Bench>() {
    let b = alert("b").to_string();
    let gone = after::<B>(&format!("delete from event where id = '{b}'; delete from stream where id = '{b}'")).await;
    assert!(gone.broken.is_empty() && !gone.seals[0].holds && !gone.holds());
}

pub(crate) async fn a_payload_that_somebody_took_out_without_a_word_is_found<B: Bench>() {
    let b = StreamKey::alert(alert("b"));
    let gone = after::<B>(&format!("update event set payload = null where id = '{}'", b.id)).await;
    assert_eq!((gone.broken, gone.removed), (vec![BrokenChain { stream: b, n: 1, what: Break::Gone }], 1));
}

pub(crate) async fn a_chain_holds_over_many_commits_and_a_changed_payload_is_found<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    let claim = take(&journal, &lane("a")).await;
    let key = StreamKey::alert(alert("a"));
    for n in 0..3 {
        journal.commit(&claim, batch(vec![write("a", n)])).await.unwrap();
    }
    assert_eq!(chain_holds(&journal, &key).await, Ok(()));
    let hashes: HashSet<String> = journal.events(&key).await.unwrap().into_iter().map(|event| event.hash).collect();
    assert_eq!(hashes.len(), 3);
    bench.meddle(r#"update event set payload = '{"what":"seen" }' where n = 2"#);
    let broken = chain_holds(&journal, &key).await.unwrap_err();
    assert_eq!((broken.n, broken.what), (2, Break::Payload));
    bench.meddle("update event set payload = null where n = 2");
    assert_eq!(chain_holds(&journal, &key).await.unwrap_err().what, Break::Gone);
    bench.meddle("delete from event where n = 3");
    assert_eq!(chain_holds(&journal, &key).await.unwrap_err().what, Break::Head);
}
