//! The journal's promises, through its door.

use std::collections::HashSet;
use std::sync::Arc;

use rusqlite::Connection;
use serde_json::json;

use super::super::batch::{CursorWrite, EffectChange, EffectKey};
use super::super::chain::Break;
use super::testing::*;
use super::*;
use crate::model::action::{Action, Mode};
use crate::model::id::{ActionId, NoteId};
use crate::model::incident::IncidentRef;
use crate::model::scope::WorkspaceKey;
use crate::record::event::StreamKind;

/// What a process that died now would leave behind: the file and its log, copied while it is open.
fn after_a_crash(bench: &Bench) -> Bench {
    let other = Bench::new();
    for suffix in ["", "-wal"] {
        let file = |of: &Bench| of.folder.path().join(format!("riposte.db{suffix}"));
        std::fs::copy(file(bench), file(&other)).unwrap();
    }
    other
}

// --- the file and its owner

#[tokio::test]
async fn a_second_daemon_is_refused_and_told_who_is_there() {
    let bench = Bench::new();
    let first = bench.open();
    let fault = bench.try_open("second", Owner::Daemon).err().unwrap().to_string();
    assert!(fault.contains("another riposte works on it (process "), "{fault}");
    assert!(fault.contains(&first.boot().to_string()), "{fault}");
    drop(first);
    assert!(bench.try_open("second", Owner::Daemon).is_ok());
}

#[cfg(unix)]
#[tokio::test]
async fn another_name_of_the_same_file_does_not_get_around_the_lock() {
    let bench = Bench::new();
    let _first = bench.open();
    let link = bench.folder.path().join("link.db");
    std::os::unix::fs::symlink(bench.path(), &link).unwrap();
    let second = SqliteJournal::open(&link, TENANT, bench.clock.clone(), BootId::derive(&["2"]), Owner::Daemon);
    assert!(second.err().unwrap().cause.contains("another riposte"));
}

#[tokio::test]
async fn a_new_daemon_takes_over_open_leases_at_once_and_the_old_one_is_fenced() {
    let bench = Bench::new();
    let journal = bench.open();
    let late = take(&journal, &lane("a")).await;
    journal.ensure_lane(&lane("b"), seconds(T0 + 5)).await.unwrap();
    drop(journal);
    let next = bench.try_open("next", Owner::Daemon).unwrap();
    let claims = next.claim(9, LEASE).await.unwrap();
    assert_eq!(claims.iter().map(Claim::lane).collect::<Vec<_>>(), [&lane("a")]);
    assert!(matches!(next.commit(&late, batch(vec![write("a", 0)])).await, Err(CommitError::Fenced)));
    next.commit(&claims[0], batch(vec![write("a", 0)])).await.unwrap();
}

#[tokio::test]
async fn a_lane_that_was_held_in_a_few_crashes_is_not_blamed_for_them() {
    let bench = Bench::new();
    for round in 0..10 {
        let journal = bench.try_open(&round.to_string(), Owner::Daemon).unwrap();
        take(&journal, &lane("a")).await;
    }
    for round in 10..30 {
        let journal = bench.try_open(&round.to_string(), Owner::Daemon).unwrap();
        journal.claim(1, LEASE).await.unwrap();
    }
    let journal = bench.open();
    assert!(journal.claim(1, LEASE).await.unwrap().is_empty());
    assert_eq!(journal.lanes().await.unwrap().quarantined, [lane("a")]);
}

#[tokio::test]
async fn files_that_are_no_journal_of_ours_are_refused_with_what_to_do() {
    let refusal = |prepare: &dyn Fn(&Bench)| {
        let bench = Bench::new();
        prepare(&bench);
        let before = std::fs::read(bench.path()).unwrap();
        let fault = bench.try_open("boot", Owner::Daemon).err().unwrap().to_string();
        let after = std::fs::read(bench.path()).unwrap();
        assert!(before == after, "the file was touched: {fault}");
        fault
    };
    let text = refusal(&|b| std::fs::write(b.path(), "this is a text about something else, ".repeat(99)).unwrap());
    assert!(text.contains("the file is no journal; name another file"), "{text}");
    let sql = |sql: &'static str| {
        move |bench: &Bench| {
            drop(bench.open());
            Connection::open(bench.path()).unwrap().execute_batch(sql).unwrap();
        }
    };
    let foreign = refusal(&|b| {
        Connection::open(b.path()).unwrap().execute_batch("create table t (x)").unwrap();
    });
    assert!(foreign.contains("of another program"), "{foreign}");
    let newer = refusal(&sql("update meta set value = '99' where key = 'min_reader'"));
    assert!(newer.contains("a newer riposte wrote it (schema 99"), "{newer}");
    let other = refusal(&sql("update meta set value = 'x' where key = 'migration/0001'"));
    assert!(other.contains("use the version that made it"), "{other}");
    let tenant = refusal(&sql("update meta set value = 'somebody' where key = 'tenant'"));
    assert!(tenant.contains("belongs to tenant somebody"), "{tenant}");
}

#[tokio::test]
async fn a_visitor_makes_no_journal_and_claims_nothing() {
    let bench = Bench::new();
    let missing = bench.try_open("visitor", Owner::Visitor).err().unwrap().to_string();
    assert!(missing.contains("`riposte run` makes the journal"), "{missing}");
    assert!(!bench.path().exists());
    std::fs::write(bench.path(), "").unwrap();
    assert!(bench.try_open("visitor", Owner::Visitor).err().unwrap().cause.contains("no journal in it yet"));
    let journal = bench.open();
    journal.ensure_lane(&lane("a"), seconds(T0)).await.unwrap();
    let fault = bench.visit().claim(1, LEASE).await.unwrap_err();
    assert!(fault.cause.contains("as a visitor"), "{fault}");
}

#[tokio::test]
async fn a_visitors_signal_wakes_the_daemon() {
    let bench = Bench::new();
    let journal = bench.open();
    let claim = take(&journal, &lane("a")).await;
    journal.release(claim, 0, None).await.unwrap();
    journal.nudged().await;
    let visitor = bench.visit();
    let sending = async { visitor.signal(signal("cli:1", &lane("a"))).await.unwrap() };
    let (sent, ()) = futures::join!(sending, journal.nudged());
    assert!(sent);
    assert_eq!(journal.claim(1, LEASE).await.unwrap().len(), 1);
}

#[tokio::test]
async fn a_full_disk_is_a_fault_with_what_to_do_and_writes_nothing() {
    let bench = Bench::new();
    let journal = bench.open();
    let claim = take(&journal, &lane("a")).await;
    let narrow = |tx: &Tx<'_>| Ok(tx.db.query_row("pragma max_page_count = 1", [], |row| row.get::<_, i64>(0))?);
    journal.writer.write("test", false, narrow).await.unwrap();
    let mut large = write("a", 0);
    large.state = json!("x".repeat(1_000_000));
    let error = journal.commit(&claim, batch(vec![large])).await.unwrap_err();
    assert!(error.to_string().contains("the disk is full; make room"), "{error}");
    assert!(journal.stream(&StreamKey::alert(alert("a"))).await.unwrap().is_none());
    assert!(journal.events(&StreamKey::alert(alert("a"))).await.unwrap().is_empty());
}

// --- steps

#[tokio::test]
async fn a_late_workers_commit_is_refused_once_another_has_the_lane() {
    let bench = Bench::new();
    let journal = bench.open();
    let late = take(&journal, &lane("a")).await;
    bench.clock.pass(61);
    let next = take(&journal, &lane("a")).await;
    assert!(matches!(journal.commit(&late, batch(vec![write("a", 0)])).await, Err(CommitError::Fenced)));
    journal.commit(&next, batch(vec![write("a", 0)])).await.unwrap();
    // Nor does its release take the lease away from the other.
    journal.release(late, 0, Some(journal.now())).await.unwrap();
    assert!(journal.claim(1, LEASE).await.unwrap().is_empty());
}

#[tokio::test]
async fn a_batch_on_a_stream_that_moved_on_leaves_nothing_behind() {
    let bench = Bench::new();
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
    assert!(journal.claim(9, LEASE).await.unwrap().is_empty());
    assert_eq!(journal.stream(&StreamKey::alert(alert("a"))).await.unwrap().unwrap().n, 1);
}

#[tokio::test]
async fn a_step_writes_everything_it_says() {
    let bench = Bench::new();
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
    let release = EffectChange::Release { key: key.clone(), action: two };
    journal.commit(&claim, Batch { effects: vec![release], ..Batch::default() }).await.unwrap();
    assert_eq!(journal.effects(&["ad:x".into()]).await.unwrap()[0].holders, [one]);
    assert_eq!(journal.claim(9, LEASE).await.unwrap()[0].lane(), &lane("b"));
}

#[tokio::test]
async fn a_name_belongs_to_one_alert() {
    let bench = Bench::new();
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

#[tokio::test]
async fn a_page_of_a_thousand_alerts_is_one_commit() {
    let bench = Bench::new();
    let journal = bench.open();
    let source = LaneKey { kind: super::super::lane::LaneKind::Source, key: "graph".into() };
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
    assert_eq!(counts.due.into_iter().collect::<Vec<_>>(), [(super::super::lane::LaneKind::Alert, 1_000)]);
    assert_eq!(counts.waiting.len(), 1);
}

#[tokio::test]
async fn streams_are_found_newest_first_by_kind_lane_and_openness() {
    let bench = Bench::new();
    let journal = bench.open();
    let claim = take(&journal, &lane("a")).await;
    for (n, name) in ["a", "b", "c"].into_iter().enumerate() {
        let mut one = write(name, 0);
        one.open = n != 1;
        journal.commit(&claim, batch(vec![one])).await.unwrap();
        bench.clock.pass(10);
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

// --- begin

#[tokio::test]
async fn a_begun_action_is_on_disk_with_its_charge() {
    let bench = Bench::new();
    let journal = bench.open();
    let action = action(1, vec![limit("all/hour", 5, 3_600)]);
    let claim = take(&journal, &LaneKey::account(&account(1))).await;
    let begun = journal.begin(&claim, cleared(&action, seconds(T0)), 1, beginning(&action, 0)).await.unwrap();
    assert_eq!((begun.action().id, begun.attempt()), (action.id, 1));
    assert!(begun.stop_sending() <= Instant::now() + begin::CALL_BUDGET);
    // A second attempt is charged no second time.
    let again = journal.begin(&claim, cleared(&action, seconds(T0)), 2, beginning(&action, 1)).await.unwrap();
    assert_eq!(again.attempt(), 2);
    assert_eq!(journal.charged("all/hour", seconds(T0 - 1)).await.unwrap(), 1);
    let crashed = after_a_crash(&bench);
    let journal = crashed.open();
    assert_eq!(journal.stream(&StreamKey::action(action.id)).await.unwrap().unwrap().n, 2);
    assert_eq!(journal.charged("all/hour", seconds(T0 - 1)).await.unwrap(), 1);
    let claim = journal.claim(1, LEASE).await.unwrap().remove(0);
    journal.commit(&claim, Batch { uncharge: vec![action.id], ..Batch::default() }).await.unwrap();
    assert_eq!(journal.charged("all/hour", seconds(T0 - 1)).await.unwrap(), 0);
}

#[tokio::test]
async fn nothing_begins_with_old_facts_or_at_the_end_of_a_lease() {
    let bench = Bench::new();
    let journal = bench.open();
    let action = action(1, Vec::new());
    let claim = take(&journal, &LaneKey::account(&account(1))).await;
    let try_with =
        async |facts: i64| journal.begin(&claim, cleared(&action, seconds(facts)), 1, beginning(&action, 0)).await;
    assert!(matches!(try_with(T0 - 31).await, Err(CommitError::Stale)));
    bench.clock.pass(40);
    assert!(matches!(try_with(T0 + 40).await, Err(CommitError::Fenced)));
    assert!(journal.stream(&StreamKey::action(action.id)).await.unwrap().is_none());
    bench.clock.set(T0 + 39);
}

#[tokio::test]
async fn a_simulated_action_never_begins_nor_one_in_the_wrong_lane_or_without_its_event() {
    let bench = Bench::new();
    let journal = bench.open();
    let claim = take(&journal, &LaneKey::account(&account(1))).await;
    let good = action(1, Vec::new());
    let simulated = Action { mode: Mode::Simulate, ..good.clone() };
    let elsewhere = action(2, Vec::new());
    for (one, events, word) in [
        (&simulated, beginning(&simulated, 0), "its mode is simulate"),
        (&elsewhere, beginning(&elsewhere, 0), "is not its account's lane"),
        (&good, Batch::default(), "without an event that says so"),
    ] {
        let error = journal.begin(&claim, cleared(one, seconds(T0)), 1, events).await.unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_lets_exactly_its_number_through_however_many_begin_at_once() {
    let bench = Bench::new();
    let journal = Arc::new(bench.open());
    let mut all = Vec::new();
    for rid in 1..=32 {
        let claim = take(&journal, &LaneKey::account(&account(rid))).await;
        let journal = Arc::clone(&journal);
        all.push(tokio::spawn(async move {
            let action = action(rid, vec![limit("rule:x/day", 20, 86_400), limit("all/hour", 10, 3_600)]);
            journal.begin(&claim, cleared(&action, seconds(T0)), 1, beginning(&action, 0)).await.map(drop)
        }));
    }
    let mut granted = 0;
    for one in all {
        match one.await.unwrap() {
            Ok(()) => granted += 1,
            Err(CommitError::LimitReached { key, frees }) => {
                assert_eq!((key.as_str(), frees), ("all/hour", seconds(T0 + 3_600)));
            }
            Err(other) => panic!("{other}"),
        }
    }
    assert_eq!(granted, 10);
    // A refused begin charges no other limit either.
    assert_eq!(journal.charged("rule:x/day", seconds(T0 - 1)).await.unwrap(), 10);
    assert_eq!(
        journal.streams(&Filter { kind: Some(StreamKind::Action), ..Filter::default() }).await.unwrap().len(),
        10
    );
}

#[tokio::test]
async fn a_window_slides_and_says_when_it_has_room() {
    let bench = Bench::new();
    let journal = bench.open();
    let begin = async |rid: u32, most: u32| {
        let action = action(rid, vec![limit("k", most, 100)]);
        let claim = take(&journal, &LaneKey::account(&account(rid))).await;
        let result = journal.begin(&claim, cleared(&action, journal.now()), 1, beginning(&action, 0)).await.map(drop);
        journal.release(claim, 0, None).await.unwrap();
        result
    };
    begin(1, 2).await.unwrap();
    bench.clock.pass(50);
    begin(2, 2).await.unwrap();
    bench.clock.pass(49);
    let frees = |result| match result {
        Err(CommitError::LimitReached { frees, .. }) => frees,
        other => panic!("{other:?}"),
    };
    assert_eq!(frees(begin(3, 2).await), seconds(T0 + 100));
    assert_eq!(frees(begin(4, 1).await), seconds(T0 + 150));
    bench.clock.pass(1);
    begin(5, 2).await.unwrap();
    assert_eq!(frees(begin(6, 2).await), seconds(T0 + 150));
}

#[tokio::test]
async fn a_revert_is_not_held_up_by_limits() {
    let bench = Bench::new();
    let journal = bench.open();
    let mut revert = action(1, vec![limit("k", 0, 100)]);
    let claim = take(&journal, &LaneKey::account(&account(1))).await;
    let refused = journal.begin(&claim, cleared(&revert, seconds(T0)), 1, beginning(&revert, 0)).await;
    assert!(matches!(refused, Err(CommitError::LimitReached { .. })));
    revert.key.reverts = Some(ActionId::derive(&["first"]));
    let _begun = journal.begin(&claim, cleared(&revert, seconds(T0)), 1, beginning(&revert, 0)).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn when_a_pause_has_returned_no_begin_follows_whoever_pulled_it() {
    let bench = Bench::new();
    let journal = Arc::new(bench.open());
    let visitor = bench.visit();
    let paused = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let mut claims = Vec::new();
    for rid in 1..=200 {
        claims.push((rid, take(&journal, &LaneKey::account(&account(rid))).await));
    }
    let (journal2, paused2) = (Arc::clone(&journal), Arc::clone(&paused));
    let beginning = tokio::spawn(async move {
        let mut refused = 0;
        for (rid, claim) in &claims {
            let action = action(*rid, Vec::new());
            let was_paused = paused2.load(std::sync::atomic::Ordering::SeqCst);
            match journal2.begin(claim, cleared(&action, seconds(T0)), 1, beginning(&action, 0)).await {
                Ok(_) => assert!(!was_paused, "an action began after the pause"),
                Err(CommitError::Paused(why)) => {
                    assert_eq!(why, "by ana: enough");
                    refused += 1;
                }
                Err(other) => panic!("{other}"),
            }
        }
        refused
    });
    let pause = Pause { by: "ana".into(), reason: "enough".into(), at: seconds(T0) };
    visitor.set_pause(Some(pause.clone()), "ana").await.unwrap();
    paused.store(true, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(journal.paused().await.unwrap(), Some(pause));
    let refused = beginning.await.unwrap();
    let begun = journal.streams(&Filter { kind: Some(StreamKind::Action), ..Filter::default() }).await.unwrap().len();
    assert_eq!(begun + refused, 200);
}

#[tokio::test]
async fn the_kill_switch_leaves_its_story() {
    let bench = Bench::new();
    let journal = bench.open();
    let pause = Pause { by: "ana".into(), reason: "enough".into(), at: seconds(T0) };
    journal.set_pause(None, "ana").await.unwrap();
    journal.set_pause(Some(pause), "ana").await.unwrap();
    journal.set_pause(None, "bo").await.unwrap();
    assert_eq!(journal.paused().await.unwrap(), None);
    let events = journal.events(&begin::kill_switch()).await.unwrap();
    let story: Vec<_> = events.iter().map(|e| (e.entry.name.as_str(), e.entry.actor.as_str())).collect();
    assert_eq!(story, [("paused", "ana"), ("resumed", "bo")]);
    assert_eq!(events[0].entry.payload["reason"], "enough");
}

#[tokio::test]
async fn a_note_begins_with_its_incident_and_text() {
    let bench = Bench::new();
    let journal = bench.open();
    let lane = LaneKey::notes(alert("a"));
    let claim = take(&journal, &lane).await;
    let id = NoteId::derive(&["n"]);
    let incident = IncidentRef::Sentinel { workspace: WorkspaceKey(uuid::Uuid::nil()), name: uuid::Uuid::nil() };
    let note = || NoteToWrite { id, incident: incident.clone(), text: "done".into() };
    assert!(journal.begin_note(&claim, note(), Batch::default()).await.is_err());
    let mut event = write("a", 0);
    event.stream = StreamKey::note(id);
    let begun = journal.begin_note(&claim, note(), batch(vec![event])).await.unwrap();
    assert_eq!((begun.id(), begun.text()), (id, "done"));
    assert_eq!(journal.stream(&StreamKey::note(id)).await.unwrap().unwrap().n, 1);
}

// --- surviving and proving

const DYING: &str = "RIPOSTE_TEST_DYING_JOURNAL";

/// The other half of the test below, in a process of its own: does nothing unless it is asked to.
#[tokio::test]
#[expect(clippy::disallowed_methods, reason = "how the one half tells the other where the file is")]
async fn a_process_that_dies_at_work() {
    let Ok(path) = std::env::var(DYING) else { return };
    let clock = ManualClock::at(T0);
    let journal =
        SqliteJournal::open(Path::new(&path), TENANT, clock, BootId::derive(&["dying"]), Owner::Daemon).unwrap();
    let claim = take(&journal, &lane("a")).await;
    journal.commit(&claim, batch(vec![write("a", 0)])).await.unwrap();
    std::process::abort();
}

#[tokio::test]
async fn a_process_that_died_leaves_what_was_acknowledged_and_neither_lock_nor_lease() {
    let bench = Bench::new();
    let status = std::process::Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "journal::sqlite::tests::a_process_that_dies_at_work"])
        .env(DYING, bench.path())
        .stdout(std::process::Stdio::null())
        .stderr(std::process::Stdio::null())
        .status()
        .unwrap();
    assert_eq!(status.code(), None, "it was meant to be ended by a signal");
    assert!(std::fs::metadata(bench.folder.path().join("riposte.db-wal")).unwrap().len() > 0);
    let journal = bench.open();
    let key = StreamKey::alert(alert("a"));
    assert_eq!(journal.stream(&key).await.unwrap().unwrap().n, 1);
    assert_eq!(journal.verify(&key).await.unwrap(), Ok(()));
    assert_eq!(journal.claim(1, LEASE).await.unwrap()[0].lane(), &lane("a"));
}

#[tokio::test]
async fn what_was_acknowledged_is_there_after_a_crash() {
    let bench = Bench::new();
    let journal = bench.open();
    let claim = take(&journal, &lane("a")).await;
    for n in 0..5 {
        journal.commit(&claim, batch(vec![write("a", n)])).await.unwrap();
        let crashed = after_a_crash(&bench);
        let survivor = crashed.open();
        let key = StreamKey::alert(alert("a"));
        assert_eq!(survivor.stream(&key).await.unwrap().unwrap().n, n + 1);
        assert_eq!(survivor.verify(&key).await.unwrap(), Ok(()));
        assert_eq!(survivor.claim(1, LEASE).await.unwrap()[0].lane(), &lane("a"));
    }
}

#[tokio::test]
async fn a_chain_holds_over_many_commits_and_a_changed_payload_is_found() {
    let bench = Bench::new();
    let journal = bench.open();
    let claim = take(&journal, &lane("a")).await;
    let key = StreamKey::alert(alert("a"));
    for n in 0..3 {
        journal.commit(&claim, batch(vec![write("a", n)])).await.unwrap();
    }
    assert_eq!(journal.verify(&key).await.unwrap(), Ok(()));
    let hashes: HashSet<String> = journal.events(&key).await.unwrap().into_iter().map(|event| event.hash).collect();
    assert_eq!(hashes.len(), 3);
    let change = |sql: &str| Connection::open(bench.path()).unwrap().execute(sql, []).unwrap();
    assert_eq!(change(r#"update event set payload = '{"what":"seen" }' where n = 2"#), 1);
    let broken = journal.verify(&key).await.unwrap().unwrap_err();
    assert_eq!((broken.n, broken.what), (2, Break::Payload));
    change("update event set payload = null where n = 2");
    assert_eq!(journal.verify(&key).await.unwrap(), Ok(()));
    change("delete from event where n = 3");
    assert_eq!(journal.verify(&key).await.unwrap().unwrap_err().what, Break::Head);
}

#[tokio::test]
async fn work_whose_caller_went_away_is_done_all_the_same() {
    let bench = Bench::new();
    let journal = bench.open();
    let claim = take(&journal, &lane("a")).await;
    {
        let commit = journal.commit(&claim, batch(vec![write("a", 0)]));
        futures::pin_mut!(commit);
        assert!(futures::poll!(commit).is_pending());
    }
    // The queue is in order: when this is written, that is too.
    journal.ensure_lane(&lane("b"), seconds(T0)).await.unwrap();
    assert_eq!(journal.stream(&StreamKey::alert(alert("a"))).await.unwrap().unwrap().n, 1);
}
