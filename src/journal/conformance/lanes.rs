//! Lanes: who may take them, and when.

use super::*;

async fn claimed(journal: &impl Journal, limit: u32) -> Vec<LaneKey> {
    journal
        .claim(&LaneKind::each(limit), LEASE)
        .await
        .unwrap()
        .claims
        .iter()
        .map(|claim| claim.lane().clone())
        .collect()
}

pub(crate) async fn of_every_kind_the_earliest_due_come_first_as_far_as_there_is_room<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    let of = |kind, key: &str| LaneKey { kind, key: key.into() };
    let (early, late) = (of(LaneKind::Alert, "early"), of(LaneKind::Alert, "late"));
    let (account, poll) = (of(LaneKind::Account, "a"), of(LaneKind::Source, "graph"));
    for (lane, at) in [(&late, -50), (&poll, 0), (&account, 0), (&early, -60)] {
        journal.ensure_lane(lane, seconds(T0 + at)).await.unwrap();
    }
    journal.ensure_lane(&of(LaneKind::Account, "not yet"), seconds(T0 + 1)).await.unwrap();
    let room = [(LaneKind::Account, 9), (LaneKind::Alert, 1), (LaneKind::Incident, 9)];
    let claims = journal.claim(&room, LEASE).await.unwrap().claims;
    assert_eq!(claims.iter().map(Claim::lane).collect::<Vec<_>>(), [&account, &early]);
    assert_eq!(claimed(&journal, 9).await, [poll, late]);
    assert_eq!(claimed(&journal, 9).await, []);
}

pub(crate) async fn a_claim_says_when_the_next_lane_is_due_that_there_was_room_for<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    for (kind, key, at) in [
        (LaneKind::Alert, "due", 0),
        (LaneKind::Alert, "due too", 0),
        (LaneKind::Account, "soon", 40),
        (LaneKind::Account, "later", 50),
        (LaneKind::Source, "not asked for", 10),
    ] {
        journal.ensure_lane(&LaneKey { kind, key: key.into() }, seconds(T0 + at)).await.unwrap();
    }
    let next = async |room: &[(LaneKind, u32)]| {
        let claimed = journal.claim(room, LEASE).await.unwrap();
        (claimed.claims.len(), claimed.next_due)
    };
    // No room is left for the alert that is due.
    assert_eq!(next(&[(LaneKind::Alert, 1), (LaneKind::Account, 1)]).await, (1, Some(seconds(T0 + 40))));
    // What is in hand is not due.
    assert_eq!(next(&[(LaneKind::Alert, 9)]).await, (1, None));
    assert_eq!(next(&[]).await, (0, None));
}

pub(crate) async fn an_existing_lane_stays_as_it_is<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    journal.ensure_lane(&lane("a"), seconds(T0 + 50)).await.unwrap();
    journal.ensure_lane(&lane("a"), seconds(T0)).await.unwrap();
    assert_eq!(journal.lanes().await.unwrap().next_due, Some(seconds(T0 + 50)));
}

pub(crate) async fn a_nudge_during_work_keeps_the_lease_and_makes_the_lane_due_on_release<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    let claim = take(&journal, &lane("a")).await;
    let loaded = journal.load(&claim).await.unwrap();
    assert!(journal.signal(signal("cli:1", &lane("a"))).await.unwrap());
    assert_eq!(journal.lanes().await.unwrap().next_due, Some(claim.ends()));
    assert_eq!(claimed(&journal, 1).await, []);
    journal.release(claim, loaded.nudges, Some(seconds(T0 + 500))).await.unwrap();
    assert_eq!(journal.lanes().await.unwrap().next_due, Some(seconds(T0)));
    let claim = take(&journal, &lane("a")).await;
    let loaded = journal.load(&claim).await.unwrap();
    assert_eq!(loaded.signals.len(), 1);
    journal.release(claim, loaded.nudges, Some(seconds(T0 + 500))).await.unwrap();
    assert_eq!(journal.lanes().await.unwrap().next_due, Some(seconds(T0 + 500)));
}

pub(crate) async fn a_lane_released_for_good_is_never_due_until_it_is_woken<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    let claim = take(&journal, &lane("a")).await;
    assert_eq!(journal.due(&lane("a")).await.unwrap(), Some(claim.ends()), "in hand it is due when its lease ends");
    journal.release(claim, 0, None).await.unwrap();
    assert_eq!(journal.due(&lane("a")).await.unwrap(), None);
    assert_eq!(journal.due(&lane("nobody")).await.unwrap(), None);
    bench.clock().pass(1_000_000_000);
    assert_eq!(claimed(&journal, 1).await, []);
    let other = take(&journal, &lane("b")).await;
    journal.commit(&other, waking(&[(&lane("a"), T0)])).await.unwrap();
    assert_eq!(claimed(&journal, 1).await, [lane("a")]);
}

pub(crate) async fn a_wake_makes_a_resting_lane_due_earlier_but_never_later<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    journal.ensure_lane(&lane("a"), seconds(T0 + 50)).await.unwrap();
    let claim = take(&journal, &lane("b")).await;
    journal.commit(&claim, waking(&[(&lane("a"), T0 + 90)])).await.unwrap();
    assert_eq!(journal.lanes().await.unwrap().next_due, Some(seconds(T0 + 50)));
    journal.commit(&claim, waking(&[(&lane("a"), T0 + 20)])).await.unwrap();
    assert_eq!(journal.lanes().await.unwrap().next_due, Some(seconds(T0 + 20)));
}

pub(crate) async fn a_lane_in_our_own_hands_is_not_taken_again_even_when_its_lease_is_over<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    let claim = take(&journal, &lane("a")).await;
    journal.ensure_lane(&lane("b"), seconds(T0 + 900)).await.unwrap();
    bench.clock().pass(600);
    assert_eq!(claimed(&journal, 9).await, []);
    // Nor does it keep us from sleeping until the next lane is due.
    assert_eq!(journal.next_due(&LaneKind::ALL).await.unwrap(), Some(seconds(T0 + 900)));
    journal.release(claim, 0, Some(journal.now())).await.unwrap();
    assert_eq!(claimed(&journal, 9).await, [lane("a")]);
}

pub(crate) async fn a_lease_is_extended_as_long_as_nobody_has_taken_the_lane<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    let claim = take(&journal, &lane("a")).await;
    let sending = claim.lease().stop_sending;
    for passed in [30, 90, 600] {
        bench.clock().set(T0 + passed);
        journal.extend(&claim, LEASE).await.unwrap();
        assert_eq!(claim.ends(), seconds(T0 + passed).plus(LEASE));
        assert_eq!(journal.lanes().await.unwrap().next_due, Some(claim.ends()));
    }
    assert!(claim.lease().stop_sending > sending);
    taken_over(&bench, &lane("a"));
    assert!(matches!(journal.extend(&claim, LEASE).await, Err(CommitError::Fenced)));
    assert_eq!(claim.ends(), seconds(T0 + 600).plus(LEASE));
}

pub(crate) async fn a_signal_counts_once<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    assert!(journal.signal(signal("comment:1/2", &lane("a"))).await.unwrap());
    assert!(!journal.signal(signal("comment:1/2", &lane("a"))).await.unwrap());
    let claim = take(&journal, &lane("a")).await;
    assert_eq!(journal.load(&claim).await.unwrap().signals.len(), 1);
}

pub(crate) async fn a_new_daemon_takes_over_open_leases_at_once_and_the_old_one_is_fenced<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    let late = take(&journal, &lane("a")).await;
    journal.ensure_lane(&lane("b"), seconds(T0 + 5)).await.unwrap();
    drop(journal);
    let next = bench.open_as("next");
    let claims = next.claim(&LaneKind::each(9), LEASE).await.unwrap().claims;
    assert_eq!(claims.iter().map(Claim::lane).collect::<Vec<_>>(), [&lane("a")]);
    assert!(matches!(next.commit(&late, batch(vec![write("a", 0)])).await, Err(CommitError::Fenced)));
    next.commit(&claims[0], batch(vec![write("a", 0)])).await.unwrap();
}

pub(crate) async fn a_visitors_signal_wakes_the_daemon<B: Bench>() {
    let bench = B::new();
    let journal = bench.open();
    let claim = take(&journal, &lane("a")).await;
    journal.release(claim, 0, None).await.unwrap();
    journal.nudged().await;
    let visitor = bench.visit();
    let sending = async { visitor.signal(signal("cli:1", &lane("a"))).await.unwrap() };
    let waiting = tokio::time::timeout(Duration::from_secs(30), journal.nudged());
    let (sent, woken) = futures::join!(sending, waiting);
    assert!(sent && woken.is_ok());
    assert_eq!(journal.claim(&LaneKind::each(1), LEASE).await.unwrap().claims.len(), 1);
}
