//! Nothing begins but what may.

use super::*;
use crate::journal::Signal;
use crate::journal::batch::StreamWrite;
use crate::model::action::LimitClaim;
use crate::record::action::ActionRecord;

pub(crate) async fn a_begun_action_is_on_disk_with_its_charge<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    let action = action(1, vec![limit("all/hour", 5, 3_600)]);
    let claim = take(&journal, &LaneKey::account(&account(1))).await;
    let begun = journal.begin(&claim, cleared(&action, seconds(T0)), 1, beginning(&action, 0)).await.unwrap();
    assert_eq!((begun.action().id, begun.attempt()), (action.id, 1));
    assert!(begun.stop_sending() <= Instant::now() + CALL_BUDGET);
    // A second attempt is charged no second time.
    let again = journal.begin(&claim, cleared(&action, seconds(T0)), 2, beginning(&action, 1)).await.unwrap();
    assert_eq!(again.attempt(), 2);
    assert_eq!(journal.charged("all/hour", seconds(T0 - 1), "").await.unwrap(), 1);
    drop(journal);
    let journal = bench.open_as("next");
    assert_eq!(journal.stream(&StreamKey::action(action.id)).await.unwrap().unwrap().n, 2);
    assert_eq!(journal.charged("all/hour", seconds(T0 - 1), "").await.unwrap(), 1);
    let claim = journal.claim(&LaneKind::each(1), LEASE).await.unwrap().claims.remove(0);
    journal.commit(&claim, Batch { uncharge: vec![action.id], ..Batch::default() }).await.unwrap();
    assert_eq!(journal.charged("all/hour", seconds(T0 - 1), "").await.unwrap(), 0);
}

pub(crate) async fn whoever_begins_again_when_his_charge_is_over_needs_room_again<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    let [early, late] = [1, 2].map(|rid| action(rid, vec![limit("all/hour", 1, 3_600)]));
    let begin = async |action: &Action, attempt: u32| {
        let claim = take(&journal, &LaneKey::account(&action.key.account)).await;
        let go = cleared(action, journal.now());
        let begun = journal.begin(&claim, go, attempt, beginning(action, u64::from(attempt) - 1)).await.map(drop);
        journal.release(claim, 0, None).await.unwrap();
        begun
    };
    begin(&early, 1).await.unwrap();
    bench.clock().pass(3_601);
    begin(&late, 1).await.unwrap();
    assert!(matches!(begin(&early, 2).await, Err(CommitError::LimitReached { .. })));
    bench.clock().pass(3_601);
    begin(&early, 2).await.unwrap();
}

pub(crate) async fn nothing_begins_with_old_facts_or_at_the_end_of_a_lease<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    let action = action(1, Vec::new());
    let claim = take(&journal, &LaneKey::account(&account(1))).await;
    let try_with =
        async |facts: i64| journal.begin(&claim, cleared(&action, seconds(facts)), 1, beginning(&action, 0)).await;
    assert!(matches!(try_with(T0 - 31).await, Err(CommitError::Stale)));
    bench.clock().pass(40);
    assert!(matches!(try_with(T0 + 40).await, Err(CommitError::Fenced)));
    assert!(journal.stream(&StreamKey::action(action.id)).await.unwrap().is_none());
    bench.clock().set(T0 + 39);
}

pub(crate) async fn a_late_worker_begins_nothing_once_another_has_the_lane<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    let action = action(1, Vec::new());
    let mine = LaneKey::account(&account(1));
    let late = take(&journal, &mine).await;
    taken_over(&bench, &mine);
    let begun = journal.begin(&late, cleared(&action, seconds(T0)), 1, beginning(&action, 0)).await;
    assert!(matches!(begun, Err(CommitError::Fenced)));
    let note = NoteToWrite {
        id: NoteId::derive(&["n"]),
        incident: IncidentRef::Sentinel { workspace: WorkspaceKey(uuid::Uuid::nil()), name: uuid::Uuid::nil() },
        text: "done".into(),
    };
    let told = batch(vec![StreamWrite { stream: StreamKey::note(note.id), ..write("a", 0) }]);
    assert!(matches!(journal.begin_note(&late, note, told).await, Err(CommitError::Fenced)));
    assert!(journal.streams(&Filter::default()).await.unwrap().is_empty());
}

pub(crate) async fn when_a_word_has_been_left_nothing_begins_before_it_is_heard<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    let action = action(1, Vec::new());
    let (mine, other) = (LaneKey::account(&account(1)), LaneKey::account(&account(2)));
    let claim = take(&journal, &mine).await;
    let say = |source_key: &str, lane: &LaneKey| Signal {
        source_key: source_key.to_owned(),
        lane: lane.clone(),
        body: serde_json::json!("no"),
        at: seconds(T0),
    };
    let begin = async || journal.begin(&claim, cleared(&action, seconds(T0)), 1, beginning(&action, 0)).await;
    journal.signal(say("about-mine", &mine)).await.unwrap();
    journal.signal(say("about-another", &other)).await.unwrap();
    assert!(matches!(begin().await, Err(CommitError::Unheard)));
    assert!(journal.stream(&StreamKey::action(action.id)).await.unwrap().is_none());
    let heard = Batch { taken: vec!["about-mine".to_owned()], ..Batch::default() };
    journal.commit(&claim, heard).await.unwrap();
    assert!(begin().await.is_ok());
}

pub(crate) async fn a_simulated_action_never_begins_nor_one_in_the_wrong_lane_or_without_its_event<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    let claim = take(&journal, &LaneKey::account(&account(1))).await;
    let good = action(1, Vec::new());
    let simulated = Action { mode: Mode::Simulate, ..good.clone() };
    let elsewhere = action(2, Vec::new());
    for (one, events, word) in [
        (&simulated, beginning(&simulated, 0), "its mode is simulate"),
        (&elsewhere, beginning(&elsewhere, 0), "the lane is not its account's"),
        (&good, Batch::default(), "without an event that says so"),
    ] {
        let error = journal.begin(&claim, cleared(one, seconds(T0)), 1, events).await.unwrap_err();
        assert!(error.to_string().contains(word), "{error}");
    }
}

pub(crate) async fn a_limit_lets_exactly_its_number_through_however_many_begin_at_once<B: Bench>() {
    let bench = B::new();
    let journal = Arc::new(bench.open());
    let mut all = Vec::new();
    for (rid, claim) in take_accounts(&*journal, 32).await {
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
    assert_eq!(journal.charged("rule:x/day", seconds(T0 - 1), "").await.unwrap(), 10);
    assert_eq!(
        journal.streams(&Filter { kind: Some(StreamKind::Action), ..Filter::default() }).await.unwrap().len(),
        10
    );
}

pub(crate) async fn a_window_slides_and_says_when_it_has_room<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    let begin = async |rid: u32, most: u32| {
        let action = action(rid, vec![limit("k", most, 100)]);
        let claim = take(&journal, &LaneKey::account(&account(rid))).await;
        let result = journal.begin(&claim, cleared(&action, journal.now()), 1, beginning(&action, 0)).await.map(drop);
        journal.release(claim, 0, None).await.unwrap();
        result
    };
    begin(1, 2).await.unwrap();
    bench.clock().pass(50);
    begin(2, 2).await.unwrap();
    bench.clock().pass(49);
    let frees = |result| match result {
        Err(CommitError::LimitReached { frees, .. }) => frees,
        other => panic!("{other:?}"),
    };
    assert_eq!(frees(begin(3, 2).await), seconds(T0 + 100));
    assert_eq!(frees(begin(4, 1).await), seconds(T0 + 150));
    bench.clock().pass(1);
    begin(5, 2).await.unwrap();
    assert_eq!(frees(begin(6, 2).await), seconds(T0 + 150));
}

pub(crate) async fn a_revert_is_not_held_up_by_limits<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    let mut revert = action(1, vec![limit("k", 0, 100)]);
    let claim = take(&journal, &LaneKey::account(&account(1))).await;
    let refused = journal.begin(&claim, cleared(&revert, seconds(T0)), 1, beginning(&revert, 0)).await;
    assert!(matches!(refused, Err(CommitError::LimitReached { .. })));
    revert.key.reverts = Some(ActionId::derive(&["first"]));
    let _begun = journal.begin(&claim, cleared(&revert, seconds(T0)), 1, beginning(&revert, 0)).await.unwrap();
}

pub(crate) async fn when_a_pause_has_returned_no_begin_follows_whoever_pulled_it<B: Bench>() {
    let bench = B::new();
    let journal = Arc::new(bench.open());
    let visitor = bench.visit();
    let paused = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let claims = take_accounts(&*journal, 200).await;
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

pub(crate) async fn the_kill_switch_leaves_its_story<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    let pause = Pause { by: "ana".into(), reason: "enough".into(), at: seconds(T0) };
    journal.set_pause(None, "ana").await.unwrap();
    journal.set_pause(Some(pause), "ana").await.unwrap();
    journal.set_pause(None, "bo").await.unwrap();
    assert_eq!(journal.paused().await.unwrap(), None);
    let events = journal.events(&kill_switch()).await.unwrap();
    let story: Vec<_> = events.iter().map(|e| (e.entry.name.as_str(), e.entry.actor.as_str())).collect();
    assert_eq!(story, [("paused", "ana"), ("resumed", "bo")]);
    assert_eq!(events[0].entry.payload["reason"], "enough");
}

pub(crate) async fn letting_go_of_the_kill_switch_wakes_what_is_parked_and_nothing_else<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    let of = |name: &str| LaneKey { kind: LaneKind::Account, key: name.into() };
    let other = take(&journal, &lane("a")).await;
    for (name, label) in [("waits", ActionRecord::PARKED), ("looks", "verifying")] {
        let stream = StreamKey::action(ActionId::derive(&[name]));
        let write = StreamWrite { stream, lane: of(name), label, ..write(name, 0) };
        journal.commit(&other, batch(vec![write])).await.unwrap();
        journal.ensure_lane(&of(name), seconds(T0 + 500)).await.unwrap();
    }
    let due = async || journal.next_due(&[LaneKind::Account]).await.unwrap();
    let pause = Pause { by: "ana".into(), reason: "enough".into(), at: seconds(T0) };
    journal.set_pause(Some(pause), "ana").await.unwrap();
    assert_eq!(due().await, Some(seconds(T0 + 500)));
    bench.visit().set_pause(None, "ana").await.unwrap();
    let claims = journal.claim(&LaneKind::each(9), LEASE).await.unwrap().claims;
    assert_eq!(claims.iter().map(Claim::lane).collect::<Vec<_>>(), [&of("waits")]);
}

pub(crate) async fn a_note_begins_with_its_incident_and_text<B: Bench>() {
    let bench = B::new();
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

pub(crate) async fn where_accounts_are_counted_each_counts_once_from_when_it_was_last_acted_on<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    let began = async |action: &Action, n: u64| {
        let claim = take(&journal, &LaneKey::account(&action.key.account)).await;
        let now = journal.now();
        let begun = journal.begin(&claim, cleared(action, now), 1, beginning(action, n)).await;
        journal.release(claim, 0, None).await.unwrap();
        begun.map(drop)
    };
    let of = |rid: u32, round: u16| {
        let once = LimitClaim { once_for: Some(format!("account {rid}")), ..limit("detector:x", 2, 600) };
        let mut action = action(rid, vec![once]);
        action.key.round = round;
        Action { id: action.key.id(), ..action }
    };
    began(&of(1, 1), 0).await.unwrap();
    began(&of(1, 2), 0).await.unwrap();
    began(&of(2, 1), 0).await.unwrap();
    assert!(matches!(began(&of(3, 1), 0).await, Err(CommitError::LimitReached { .. })));
    bench.clock().pass(540);
    began(&of(1, 3), 0).await.unwrap();
    bench.clock().pass(120);
    // The second account is out of the window; the first was acted on two minutes ago.
    began(&of(3, 1), 0).await.unwrap();
    let counted = journal.charged("detector:x", journal.now().minus(Duration::from_secs(600)), "account 3").await;
    assert_eq!(counted.unwrap(), 1);
}
