//! What one step writes, all or nothing.

use super::*;
use crate::journal::batch::StreamWrite;
use crate::journal::lane::LaneKind;
use crate::journal::{Among, Ended};
use crate::record::event::Entry;

pub(crate) async fn a_late_workers_commit_is_refused_once_another_has_the_lane<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    let late = take(&journal, &lane("a")).await;
    taken_over(&bench, &lane("a"));
    assert!(matches!(journal.commit(&late, batch(vec![write("a", 0)])).await, Err(CommitError::Fenced)));
    // Nor does its release take the lease away from the other.
    journal.release(late, 0, Some(journal.now())).await.unwrap();
    assert!(journal.claim(&LaneKind::each(1), LEASE).await.unwrap().claims.is_empty());
}

pub(crate) async fn a_batch_on_a_stream_that_moved_on_leaves_nothing_behind<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    let claim = take(&journal, &lane("a")).await;
    journal.commit(&claim, batch(vec![write("a", 0)])).await.unwrap();
    journal.signal(signal("cli:1", &lane("a"))).await.unwrap();
    for stale in [write("a", 0), write("a", 2), write("none", 1)] {
        let key = EffectKey { account: "ad:x".into(), verb: "disable-ad-user".into(), target: String::new() };
        let moved = stale.stream.clone();
        let all = Batch {
            writes: vec![write("b", 0), stale],
            aliases: naming("n", "a").aliases,
            cursor: Some(CursorWrite { source: "graph".into(), position: json!(1) }),
            wakes: waking(&[(&lane("b"), T0)]).wakes,
            signals: vec![signal("withdraw:1", &lane("c"))],
            taken: vec!["cli:1".into()],
            effects: vec![EffectChange::Hold { key, action: ActionId::derive(&["x"]) }],
            uncharge: Vec::new(),
        };
        assert!(matches!(journal.commit(&claim, all).await, Err(CommitError::Moved(key)) if key == moved));
    }
    assert!(journal.stream(&StreamKey::alert(alert("b"))).await.unwrap().is_none());
    assert!(journal.aliases(&["n".into()]).await.unwrap().is_empty());
    assert!(journal.effects(&["ad:x".into()]).await.unwrap().is_empty());
    assert_eq!(journal.cursor("graph").await.unwrap(), None);
    assert_eq!(journal.load(&claim).await.unwrap().signals.len(), 1);
    assert!(journal.claim(&LaneKind::each(9), LEASE).await.unwrap().claims.is_empty());
    assert_eq!(journal.stream(&StreamKey::alert(alert("a"))).await.unwrap().unwrap().n, 1);
}

pub(crate) async fn a_step_writes_everything_it_says<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    let claim = take(&journal, &lane("a")).await;
    journal.signal(signal("cli:1", &lane("a"))).await.unwrap();
    let (one, two) = (ActionId::derive(&["1"]), ActionId::derive(&["2"]));
    let key = EffectKey { account: "ad:x".into(), verb: "disable-ad-user".into(), target: String::new() };
    let all = Batch {
        writes: vec![write("a", 0), write("a", 1)],
        aliases: naming("n", "a").aliases,
        cursor: Some(CursorWrite { source: "graph".into(), position: json!({"at": 1}) }),
        wakes: waking(&[(&lane("b"), T0)]).wakes,
        signals: vec![signal("withdraw:1", &lane("c")), signal("withdraw:1", &lane("c"))],
        taken: vec!["cli:1".into()],
        effects: [two, one].map(|action| EffectChange::Hold { key: key.clone(), action }).to_vec(),
        uncharge: Vec::new(),
    };
    journal.commit(&claim, all).await.unwrap();
    let loaded = journal.load(&claim).await.unwrap();
    assert_eq!((loaded.streams.len(), loaded.signals.len()), (1, 0));
    assert_eq!((loaded.streams[0].n, &loaded.streams[0].state), (2, &json!({"n": 2})));
    assert_eq!(journal.aliases(&["n".into(), "m".into()]).await.unwrap(), [("n".into(), alert("a"))]);
    assert_eq!(journal.cursor("graph").await.unwrap(), Some(json!({"at": 1})));
    let effects = journal.effects(&["ad:x".into(), "ad:y".into()]).await.unwrap();
    assert_eq!((effects.len(), &effects[0].key, &effects[0].holders), (1, &key, &vec![two, one]));
    let first = journal.holds(i64::MIN, 1).await.unwrap();
    let rest = journal.holds(first[0].number, 9).await.unwrap();
    let held: Vec<_> = first.iter().chain(&rest).map(|hold| (&hold.key, hold.action.clone())).collect();
    assert_eq!(held, [(&key, two.to_string()), (&key, one.to_string())]);
    let release = EffectChange::Release { key: key.clone(), action: two };
    journal.commit(&claim, Batch { effects: vec![release], ..Batch::default() }).await.unwrap();
    assert_eq!(journal.effects(&["ad:x".into()]).await.unwrap()[0].holders, [one]);
    let mut others = journal.claim(&LaneKind::each(9), LEASE).await.unwrap().claims;
    others.sort_by_key(|claim| claim.lane() == &lane("c"));
    assert_eq!(others.iter().map(Claim::lane).collect::<Vec<_>>(), [&lane("b"), &lane("c")]);
    assert_eq!(journal.load(&others[1]).await.unwrap().signals.len(), 1);
}

pub(crate) async fn a_name_belongs_to_one_alert<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    let claim = take(&journal, &lane("a")).await;
    journal.commit(&claim, naming("n", "a")).await.unwrap();
    journal.commit(&claim, naming("n", "a")).await.unwrap();
    let mut other = naming("n", "b");
    other.writes = vec![write("b", 0)];
    let error = journal.commit(&claim, other).await.unwrap_err();
    assert!(matches!(error, CommitError::AliasTaken { value, owner } if value == "n" && owner == alert("a")));
    assert!(journal.stream(&StreamKey::alert(alert("b"))).await.unwrap().is_none());
}

pub(crate) async fn a_page_of_a_thousand_alerts_is_one_commit<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    let source = LaneKey { kind: LaneKind::Source, key: "graph".into() };
    let claim = take(&journal, &source).await;
    let mut page = Batch::default();
    for n in 0..1_000 {
        let name = n.to_string();
        page.writes.push(write(&name, 0));
        page.aliases.extend(naming(&format!("{name}/1"), &name).aliases);
        page.aliases.extend(naming(&format!("{name}/2"), &name).aliases);
        page.wakes.extend(waking(&[(&lane(&name), T0)]).wakes);
    }
    journal.commit(&claim, page).await.unwrap();
    let counts = journal.lanes().await.unwrap();
    assert_eq!(counts.due.into_iter().collect::<Vec<_>>(), [(LaneKind::Alert, 1_000)]);
    assert_eq!(counts.waiting.len(), 1);
}

pub(crate) async fn streams_are_found_newest_first_by_kind_lane_and_openness<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    let claim = take(&journal, &lane("a")).await;
    for (n, name) in ["a", "b", "c"].into_iter().enumerate() {
        let mut one = write(name, 0);
        one.open = n != 1;
        journal.commit(&claim, batch(vec![one])).await.unwrap();
        bench.clock().pass(10);
    }
    let mut note = write("d", 0);
    note.stream.kind = StreamKind::Note;
    journal.commit(&claim, batch(vec![note])).await.unwrap();
    let found = async |filter: Filter| -> Vec<String> {
        let names = ["a", "b", "c", "d"];
        let streams = journal.streams(&filter).await.unwrap();
        let name = |key: &StreamKey| names.iter().find(|name| alert(name).to_string() == key.id).unwrap().to_string();
        streams.iter().map(|stream| name(&stream.key)).collect()
    };
    assert_eq!(found(Filter::default()).await, ["d", "c", "b", "a"]);
    assert_eq!(found(Filter { limit: Some(2), ..Filter::default() }).await, ["d", "c"]);
    assert_eq!(found(Filter { kind: Some(StreamKind::Alert), ..Filter::default() }).await, ["c", "b", "a"]);
    assert_eq!(found(Filter { open_only: true, ..Filter::default() }).await, ["d", "c", "a"]);
    let lanes = vec![lane("a"), lane("b"), lane("d"), lane("a")];
    assert_eq!(found(Filter { lanes: lanes.clone(), ..Filter::default() }).await, ["d", "b", "a"]);
    assert_eq!(found(Filter { lanes, open_only: true, ..Filter::default() }).await, ["d", "a"]);
    let since = Some(seconds(T0 + 20));
    assert_eq!(found(Filter { changed_since: since, ..Filter::default() }).await, ["d", "c"]);
}

pub(crate) async fn how_streams_stand_is_counted_and_found_by_their_labels<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    let claim = take(&journal, &lane("a")).await;
    let labelled = |name, label, open| batch(vec![StreamWrite { label, open, ..write(name, 0) }]);
    for (name, label, open) in [("a", "waiting", true), ("b", "planned", false), ("c", "waiting", true)] {
        journal.commit(&claim, labelled(name, label, open)).await.unwrap();
        bench.clock().pass(10);
    }
    let count = async |among| -> Vec<(String, u64)> {
        journal.labels(StreamKind::Alert, among).await.unwrap().into_iter().collect()
    };
    assert_eq!(count(Among::Open).await, [("waiting".into(), 2)]);
    assert_eq!(count(Among::ChangedSince(seconds(T0 + 1))).await, [("planned".into(), 1), ("waiting".into(), 1)]);
    let waiting = Filter { label: Some("waiting"), ..Filter::default() };
    let found = async |filter: Filter| -> Vec<String> {
        journal.streams(&filter).await.unwrap().into_iter().map(|stream| stream.key.id).collect()
    };
    let (a, c) = (alert("a").to_string(), alert("c").to_string());
    assert_eq!(found(waiting.clone()).await, [c.clone(), a.clone()]);
    assert_eq!(found(Filter { lanes: vec![lane("a"), lane("b")], ..waiting.clone() }).await, std::slice::from_ref(&a));
    let mut both = [a, c];
    both.sort();
    let kind = Some(StreamKind::Alert);
    assert_eq!(found(Filter { kind, after_id: Some(String::new()), ..waiting }).await, both);
}

pub(crate) async fn streams_are_found_by_the_beginning_of_their_id_and_by_what_stands_in_them<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    let claim = take(&journal, &lane("a")).await;
    let names: Vec<String> = (0..40).map(|n| n.to_string()).collect();
    let all = names.iter().map(|name| StreamWrite { state: json!({"word": format!("<{name}>")}), ..write(name, 0) });
    journal.commit(&claim, batch(all.collect())).await.unwrap();
    let mut ids: Vec<String> = names.iter().map(|name| alert(name).to_string()).collect();
    ids.sort();
    let kind = Some(StreamKind::Alert);
    let found = async |filter: Filter| -> Vec<String> {
        let streams = journal.streams(&Filter { kind, ..filter }).await.unwrap();
        streams.into_iter().map(|stream| stream.key.id).collect()
    };
    for prefix in ["", &ids[7][..1], &ids[7][..4], &ids[7], "0000", "%", "_"] {
        let fits: Vec<String> = ids.iter().filter(|id| id.starts_with(prefix)).cloned().collect();
        let begins = Filter { id_prefix: Some(prefix.to_owned()), ..Filter::default() };
        assert_eq!(found(begins.clone()).await, fits, "{prefix}");
        let after = fits.first().cloned();
        assert_eq!(found(Filter { limit: Some(1), ..begins.clone() }).await.first(), after.as_ref());
        let behind = fits.get(1..).unwrap_or_default();
        assert_eq!(found(Filter { after_id: after.or(Some(String::new())), ..begins }).await, behind, "{prefix}");
    }
    let with =
        |words: &str| Filter { words: Some(words.to_owned()), after_id: Some(String::new()), ..Filter::default() };
    assert_eq!(found(with(r#":"<17>"#)).await, [alert("17").to_string()]);
    assert!(found(with("<4_>")).await.is_empty());
}

pub(crate) async fn streams_are_counted_by_what_happened_to_them_since_a_moment<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    let claim = take(&journal, &lane("a")).await;
    let now = |name: &str, expected, event: &str| {
        let mut write = write(name, expected);
        write.events = vec![Entry { at: journal.now(), ..entry(event) }];
        batch(vec![write])
    };
    journal.commit(&claim, now("old", 0, "planned")).await.unwrap();
    bench.clock().pass(10);
    journal.commit(&claim, now("new", 0, "planned")).await.unwrap();
    journal.commit(&claim, now("old", 1, "located")).await.unwrap();
    let count = async |event, since| -> Vec<(String, u64)> {
        let among = Among::With(event, seconds(T0 + since));
        journal.labels(StreamKind::Alert, among).await.unwrap().into_iter().collect()
    };
    assert_eq!(count("planned", 10).await, [("seen".into(), 1)]);
    assert_eq!(count("planned", 0).await, [("seen".into(), 2)]);
    assert_eq!(count("located", 10).await, [("seen".into(), 1)]);
    assert_eq!(count("located", 11).await, []);
}

pub(crate) async fn what_has_ended_is_counted_without_what_is_open_or_older<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    let claim = take(&journal, &lane("a")).await;
    let closed = |name| StreamWrite { open: false, ..write(name, 0) };
    journal.commit(&claim, batch(vec![closed("old")])).await.unwrap();
    bench.clock().pass(20);
    journal.commit(&claim, batch(vec![write("open", 0)])).await.unwrap();
    bench.clock().pass(10);
    journal.commit(&claim, batch(vec![closed("new"), closed("newer")])).await.unwrap();
    let since = |at| journal.ended(StreamKind::Alert, seconds(at));
    assert_eq!(since(T0 + 1).await.unwrap(), Ended { count: 2, first: Some(seconds(T0 + 20)) });
    assert_eq!(since(T0).await.unwrap().count, 3);
    assert_eq!(since(T0 + 31).await.unwrap(), Ended::default());
}

pub(crate) async fn work_whose_caller_went_away_is_done_all_the_same<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    let claim = take(&journal, &lane("a")).await;
    {
        let commit = journal.commit(&claim, batch(vec![write("a", 0)]));
        futures::pin_mut!(commit);
        assert!(futures::poll!(commit).is_pending());
    }
    let written = async { while journal.stream(&StreamKey::alert(alert("a"))).await.unwrap().is_none() {} };
    tokio::time::timeout(Duration::from_secs(30), written).await.unwrap();
}

pub(crate) async fn streams_of_one_moment_come_in_the_order_in_which_they_were_asked_for<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    let claim = take(&journal, &lane("a")).await;
    journal.commit(&claim, batch(vec![write("a", 0), write("b", 0)])).await.unwrap();
    let [a, b, none] = ["a", "b", "c"].map(|name| StreamKey::alert(alert(name)));
    let found = journal.together(&[none, b.clone(), a.clone()]).await.unwrap();
    assert_eq!(found.into_iter().map(|stream| stream.key).collect::<Vec<_>>(), [b, a]);
    assert!(journal.together(&[]).await.unwrap().is_empty());
}
