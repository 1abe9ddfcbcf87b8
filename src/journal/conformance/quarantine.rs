//! Lanes that fail again and again.

use super::*;

fn failed(journal: &impl Journal, why: &str) -> FailedPass {
    let tell = vec![Wake { lane: lane("teller"), at: journal.now() }];
    FailedPass { why: why.into(), again: journal.now(), tell }
}

/// So many failed passes in a row; whether the last one put the lane into quarantine.
async fn fail(journal: &impl Journal, name: &str, times: usize) -> bool {
    let mut last = false;
    for _ in 0..times {
        let claim = take(journal, &lane(name)).await;
        last = journal.fail(claim, failed(journal, "poison")).await.unwrap();
    }
    last
}

async fn names(journal: &impl Journal) -> Vec<(String, String)> {
    let key = StreamKey { kind: StreamKind::Control, id: format!("lane/{}", lane("a")) };
    assert_eq!(chain_holds(journal, &key).await, Ok(()));
    let events = journal.events(&key).await.unwrap();
    events.into_iter().map(|event| (event.entry.name, event.entry.actor)).collect()
}

pub(crate) async fn five_failed_passes_in_a_row_put_a_lane_into_quarantine_and_its_neighbours_go_on<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    assert!(!fail(&journal, "a", 4).await);
    assert_eq!(journal.lanes().await.unwrap().due[&LaneKind::Alert], 1, "nobody is told before");
    let claim = take(&journal, &lane("a")).await;
    assert_eq!(claim.strikes(), 4);
    bench.clock().pass(5);
    assert!(journal.fail(claim, failed(&journal, "poison")).await.unwrap());
    let all = journal.quarantined().await.unwrap();
    assert_eq!((all.len(), &all[0].lane, all[0].since), (1, &lane("a"), seconds(T0 + 5)));
    assert_eq!(all[0].why, "5 passes failed in a row; the last: poison");
    // Whoever tells people is woken with it, and a wake does not get it out.
    let teller = take(&journal, &lane("teller")).await;
    journal.commit(&teller, waking(&[(&lane("a"), T0)])).await.unwrap();
    assert_eq!(*take(&journal, &lane("b")).await.lane(), lane("b"));
    assert!(journal.claim(&LaneKind::each(9), LEASE).await.unwrap().claims.is_empty());
    assert_eq!(names(&journal).await, [("quarantined".to_owned(), "riposte".to_owned())]);
}

pub(crate) async fn a_slow_pass_is_no_strike_and_one_that_ends_well_forgives_all<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    for _ in 0..12 {
        assert!(!fail(&journal, "a", 3).await);
        let claim = take(&journal, &lane("a")).await;
        assert_eq!(claim.strikes(), 3);
        // Its lease ends long before it does.
        bench.clock().pass(600);
        journal.commit(&claim, Batch::default()).await.unwrap();
        journal.release(claim, 0, Some(journal.now())).await.unwrap();
    }
    assert!(journal.quarantined().await.unwrap().is_empty());
}

pub(crate) async fn a_pass_that_writes_something_and_then_fails_is_a_strike_all_the_same<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    for n in 0..5 {
        let claim = take(&journal, &lane("a")).await;
        journal.commit(&claim, batch(vec![write("a", n)])).await.unwrap();
        assert_eq!(journal.fail(claim, failed(&journal, "poison")).await.unwrap(), n == 4);
    }
}

pub(crate) async fn a_person_a_message_or_a_source_that_is_configured_again_lets_a_lane_out<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    assert!(!journal.free(&lane("a"), "bo").await.unwrap());
    assert!(fail(&journal, "a", 5).await);
    assert!(bench.visit().free(&lane("a"), "bo").await.unwrap());
    assert!(fail(&journal, "a", 5).await);
    journal.signal(signal("cli:1", &lane("a"))).await.unwrap();
    assert_eq!(take(&journal, &lane("a")).await.strikes(), 0);
    drop(journal);
    let journal = bench.open_as("next");
    assert!(fail(&journal, "a", 5).await, "take() ensures the lane, which is how a source is configured");
    journal.ensure_lane(&lane("a"), journal.now()).await.unwrap();
    assert!(journal.quarantined().await.unwrap().is_empty());
    let released: Vec<String> =
        names(&journal).await.into_iter().filter(|(name, _)| name == "released").map(|(_, actor)| actor).collect();
    assert_eq!(released, ["bo", "cli:1", "riposte"]);
}

pub(crate) async fn a_late_worker_strikes_no_lane_that_another_has_taken<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    assert!(!fail(&journal, "a", 4).await);
    let late = take(&journal, &lane("a")).await;
    taken_over(&bench, &lane("a"));
    assert!(!journal.fail(late, failed(&journal, "late")).await.unwrap());
    assert!(journal.quarantined().await.unwrap().is_empty());
}

pub(crate) async fn lanes_that_were_in_hand_in_several_crashes_are_taken_one_at_a_time_and_hold_up_no_other<
    B: Bench,
>() {
    let bench = B::new();
    let journal = bench.open();
    let lanes = [(lane("a"), 6), (LaneKey::chore("b"), 5), (lane("c"), 4)];
    for (lane, crashes) in &lanes {
        journal.ensure_lane(lane, seconds(T0)).await.unwrap();
        let LaneKey { kind, key } = lane;
        bench.meddle(&format!("update lane set crashes = {crashes} where kind = '{}' and key = '{key}'", kind.word()));
    }
    let claim = async || journal.claim(&LaneKind::each(9), LEASE).await.unwrap();
    let mut first = claim().await.claims;
    first.sort_by(|a, b| a.lane().cmp(b.lane()));
    let mut wanted = [lanes[1].0.clone(), lanes[2].0.clone()];
    wanted.sort();
    assert_eq!(first.iter().map(|claim| claim.lane().clone()).collect::<Vec<_>>(), wanted);
    bench.clock().pass(2);
    let meanwhile = claim().await;
    assert!(meanwhile.claims.is_empty(), "two suspects at once");
    assert!(meanwhile.next_due.is_none_or(|due| due > journal.now()), "nobody asks again at once");
    for claim in first {
        journal.release(claim, 0, None).await.unwrap();
    }
    bench.clock().pass(2);
    assert_eq!(claim().await.claims.remove(0).lane(), &lanes[0].0);
}
