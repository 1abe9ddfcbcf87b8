//! Taking out what streams say.

use super::seals::{found, story};
use super::*;
use crate::journal::batch::{NewAlias, StreamWrite};
use crate::journal::removal::{Removal, Removed, removed};
use crate::journal::{Among, Signal};

fn key(name: &str) -> StreamKey {
    StreamKey::alert(alert(name))
}

fn removal(streams: &[(&str, u64)]) -> Removal {
    let streams = streams.iter().map(|(name, n)| (key(name), *n)).collect();
    Removal {
        streams,
        names: vec![alias("fp:a", "a"), alias("fp:b", "a")],
        actor: "somebody".to_owned(),
        why: "it is old".to_owned(),
    }
}

fn alias(value: &str, owner: &str) -> NewAlias {
    NewAlias { value: value.to_owned(), alert: alert(owner) }
}

/// The last word on an alert.
fn last(name: &str, expected: u64) -> StreamWrite {
    StreamWrite { open: false, ..write(name, expected) }
}

/// Alert a with four events and two names, at its end; alert b with one, open.
async fn ended<B: Bench>(bench: &B) -> B::Journal {
    let journal = story(bench).await;
    let claim = take(&journal, &lane("a")).await;
    let mut batch = batch(vec![last("a", 3)]);
    batch.aliases = [naming("fp:a", "a"), naming("id:a", "a"), naming("fp:b", "b")]
        .into_iter()
        .flat_map(|batch| batch.aliases)
        .collect();
    journal.commit(&claim, batch).await.unwrap();
    journal.release(claim, 0, None).await.unwrap();
    journal
}

pub(crate) async fn what_was_removed_is_gone_from_every_list_and_its_chain_holds<B: Bench>() {
    let bench = B::new();
    let journal = ended(&bench).await;
    let root = found(&journal, &[]).await.end.root;
    journal.remove(removal(&[("a", 4)])).await.unwrap();

    let everything = Filter { kind: Some(StreamKind::Alert), ..Filter::default() };
    let by_id = Filter { after_id: Some(String::new()), ..everything.clone() };
    let by_lane = Filter { lanes: vec![lane("a")], ..everything.clone() };
    for (filter, left) in [(everything, vec![key("b")]), (by_id, vec![key("b")]), (by_lane, vec![])] {
        let keys: Vec<_> = journal.streams(&filter).await.unwrap().into_iter().map(|stream| stream.key).collect();
        assert_eq!(keys, left);
    }
    assert!(journal.stream(&key("a")).await.unwrap().is_none());
    assert!(journal.together(&[key("a")]).await.unwrap().is_empty());
    let labels = journal.labels(StreamKind::Alert, Among::ChangedSince(seconds(0))).await.unwrap();
    assert_eq!(labels.into_iter().collect::<Vec<_>>(), [("seen".to_owned(), 1)]);
    assert_eq!(journal.ended(StreamKind::Alert, seconds(0)).await.unwrap().count, 0);

    let names = journal.aliases(&["fp:a", "id:a", "fp:b"].map(str::to_owned)).await.unwrap();
    let left = [("id:a".to_owned(), alert("a")), ("fp:b".to_owned(), alert("b"))];
    assert_eq!(names, left, "what it was about is gone, its id stays, and so does what is another's");
    let said = removed(&journal, &key("a")).await.unwrap();
    assert_eq!(said, Some(Removed { at: seconds(T0), actor: "somebody".into(), why: "it is old".into() }));
    assert_eq!(removed(&journal, &key("b")).await.unwrap(), None);
    let (links, _) = journal.chain(&key("a")).await.unwrap();
    assert_eq!(links.iter().map(|link| link.payload.is_some()).collect::<Vec<_>>(), [false, false, false, false, true]);
    let after = found(&journal, std::slice::from_ref(&root)).await;
    assert!(after.holds() && after.met.contains_key(&root) && after.removed == 4, "{after:?}");
}

pub(crate) async fn what_is_open_holds_an_effect_or_has_moved_on_keeps_all_of_it<B: Bench>() {
    let bench = B::new();
    let journal = ended(&bench).await;
    let claim = take(&journal, &lane("c")).await;
    let held = ActionId::derive(&["held"]);
    let account = EffectKey { account: "somebody".into(), verb: "disable".into(), target: String::new() };
    let mut holding = batch(vec![StreamWrite { stream: StreamKey::action(held), ..last("c", 0) }]);
    holding.effects = vec![EffectChange::Hold { key: account.clone(), action: held }];
    journal.commit(&claim, holding).await.unwrap();

    let with_held = Removal { streams: vec![(key("a"), 4), (StreamKey::action(held), 1)], ..removal(&[]) };
    for wrong in
        [removal(&[("a", 4), ("b", 1)]), removal(&[("a", 3)]), removal(&[("a", 4), ("x", 0)]), with_held.clone()]
    {
        let refused = journal.remove(wrong.clone()).await;
        assert!(matches!(refused, Err(CommitError::Moved(_))), "{wrong:?}: {refused:?}");
        assert!(journal.stream(&key("a")).await.unwrap().is_some());
        assert_eq!((found(&journal, &[]).await.removed, found(&journal, &[]).await.holds()), (0, true));
        assert_eq!(journal.aliases(&["fp:a".to_owned()]).await.unwrap().len(), 1);
    }
    let released = Batch { effects: vec![EffectChange::Release { key: account, action: held }], ..Batch::default() };
    journal.commit(&claim, released).await.unwrap();
    journal.remove(with_held.clone()).await.unwrap();
    assert!(matches!(journal.remove(with_held).await, Err(CommitError::Moved(_))), "once is enough");
}

pub(crate) async fn a_lane_goes_with_the_last_that_was_said_in_it<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    let account = LaneKey::account(&account(1));
    let claim = take(&journal, &account).await;
    let both = ["a", "b"].map(|name| StreamWrite { lane: account.clone(), ..last(name, 0) });
    journal.commit(&claim, batch(both.to_vec())).await.unwrap();
    let said = |source: &str| Signal { source_key: source.to_owned(), ..signal("", &account) };
    journal.signal(said("one")).await.unwrap();
    journal.commit(&claim, Batch { taken: vec!["one".to_owned()], ..Batch::default() }).await.unwrap();
    journal.release(claim, 1, None).await.unwrap();

    journal.remove(removal(&[("a", 1)])).await.unwrap();
    assert!(!journal.signal(said("one")).await.unwrap(), "what was said counts once as long as somebody may ask");
    journal.remove(removal(&[("b", 1)])).await.unwrap();
    assert!(journal.signal(said("one")).await.unwrap(), "nothing knows the account any more");
}

pub(crate) async fn a_late_worker_writes_nothing_into_what_was_removed<B: Bench>() {
    let bench = B::new();
    let journal = ended(&bench).await;
    let claim = take(&journal, &lane("b")).await;
    journal.remove(removal(&[("a", 4)])).await.unwrap();
    let late = journal.commit(&claim, batch(vec![write("a", 4)])).await;
    assert!(matches!(late, Err(CommitError::Moved(stream)) if stream == key("a")));
}

pub(crate) async fn streams_that_changed_before_a_moment_are_found<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    let claim = take(&journal, &lane("a")).await;
    journal.commit(&claim, batch(vec![last("a", 0)])).await.unwrap();
    bench.clock().pass(10);
    journal.commit(&claim, batch(vec![last("b", 0)])).await.unwrap();
    let before = |at: i64| Filter { changed_before: Some(seconds(at)), ..Filter::default() };
    for (at, expected) in [(T0, vec![]), (T0 + 1, vec![key("a")]), (T0 + 11, vec![key("b"), key("a")])] {
        let keys: Vec<_> = journal.streams(&before(at)).await.unwrap().into_iter().map(|stream| stream.key).collect();
        assert_eq!(keys, expected);
    }
}
