//! What runs of triggers become, and when they are.

use super::*;

fn trigger() -> SourceKey {
    named("own")
}

fn runs() -> Reading {
    Reading::Runs(Runs { schedule: schedule(), optional: false })
}

/// A trigger of that name in hunting.
fn named(name: &str) -> SourceKey {
    SourceKey::Trigger { name: name.into(), workspace: None }
}

/// What a run finds: an alert of this id with this row, and an account in it.
fn found(id: &str, row: &str, upn: &str, second: i64) -> Sighting {
    let hint = AccountHint { upn: upn.parse().ok(), ..AccountHint::default() };
    let at = Some(seconds(T0 + second));
    Sighting {
        source: trigger(),
        entities: Entities::Read(vec![NamedAccount { hint, role: Some(Role::Suspect) }]),
        columns: BTreeMap::from([("ExtendedProperties".to_owned(), serde_json::Value::from(row))]),
        genuine: true,
        start: at,
        end: at,
        ..self::row(&[id], second)
    }
}

#[tokio::test]
async fn what_runs_find_of_one_alert_is_united_and_a_row_that_comes_again_is_no_news() {
    let (first, second) = (found("kql/own:a", "{1}", "a@c.d", 10), found("kql/own:a", "{2}", "b@c.d", 20));
    let late = found("kql/own:a", "{0}", "c@c.d", 5);
    let pages = vec![
        vec![first.clone()],
        vec![first.clone(), second.clone()],
        vec![first],
        vec![second.clone()],
        vec![second.clone(), late],
        vec![second],
    ];
    let (_folder, journal, _) = read_source(trigger(), runs(), pages, Batch::default()).await;
    let alert = alerts(&journal).await.remove(0);
    let accounts = alert.accounts().unwrap().unwrap();
    let named: Vec<String> = accounts.iter().map(|account| account.hint.label()).collect();
    assert_eq!(named.len(), 3, "{named:?}");
    let rows = alert.rows();
    let rows: Vec<&str> = rows.iter().map(|columns| columns["ExtendedProperties"].as_str().unwrap()).collect();
    assert!(rows.len() == 3 && rows[0] == "{2}", "the newest speaks, and all three are held against rules: {rows:?}");
    let seen = (alert.sightings[0].start, alert.last_activity());
    assert_eq!(seen, (Some(seconds(T0 + 5)), seconds(T0 + 20)));
    let events = journal.events(&crate::record::event::StreamKey::alert(alert.id)).await.unwrap();
    assert_eq!(events.len(), 3, "each account once, and nothing for what was known");
}

#[tokio::test]
async fn however_many_rows_an_alert_has_it_keeps_the_oldest_and_the_newest_and_no_more_bytes_than_are_good() {
    for (size, kept) in
        [(10, (0..40).rev().collect()), (4_000, vec![39, 38, 37, 36, 35, 3, 2, 1, 0]), (100_000, vec![39])]
    {
        let row = |n: i64| {
            let row = serde_json::json!({"TimeGenerated": seconds(T0 + n), "N": n, "Text": "x".repeat(size)});
            found("kql/own:a", &row.to_string(), "a@c.d", n)
        };
        let pages = (0..40).map(|n| vec![row(n)]).collect();
        let (_folder, journal, _) = read_source(trigger(), runs(), pages, Batch::default()).await;
        let alert = alerts(&journal).await.remove(0);
        let number = |columns: &BTreeMap<String, serde_json::Value>| {
            let row: serde_json::Value = serde_json::from_str(columns["ExtendedProperties"].as_str().unwrap()).unwrap();
            row["N"].as_i64().unwrap()
        };
        let rows: Vec<i64> = alert.rows().iter().map(|columns| number(columns)).collect();
        assert_eq!(rows, kept, "{size}");
    }
}

#[tokio::test]
async fn rows_without_a_time_that_come_again_in_any_order_are_no_news() {
    let at = |second: i64, text: &str| {
        let mut seen = found("kql/own:a", text, "a@c.d", second);
        for column in ["TimeGenerated", "StartTime", "EndTime"] {
            seen.columns.insert(column.to_owned(), seconds(T0 + second).to_string().into());
        }
        seen
    };
    let pages = vec![
        vec![at(10, "{1}"), at(10, "{2}")],
        vec![at(70, "{2}"), at(70, "{1}")],
        vec![at(130, "{1}")],
        vec![at(190, "{1}"), at(190, "{2}")],
    ];
    let (_folder, journal, _) = read_source(trigger(), runs(), pages, Batch::default()).await;
    let alert = alerts(&journal).await.remove(0);
    let events = journal.events(&crate::record::event::StreamKey::alert(alert.id)).await.unwrap();
    assert_eq!(events.len(), 2, "the first run shows both rows, and the others nothing else");
}

#[tokio::test]
async fn the_alerts_of_a_run_are_due_one_after_the_other_so_that_another_source_s_alert_is_not_behind_them() {
    let due = async |key: SourceKey, reading, rows| {
        let (_folder, journal, _) = read_source(key, reading, vec![rows], Batch::default()).await;
        let lanes = journal.lanes().await.unwrap();
        let count = |of: &BTreeMap<_, u64>| of.get(&crate::journal::lane::LaneKind::Alert).copied().unwrap_or(0);
        (count(&lanes.due), count(&lanes.waiting))
    };
    let many = (0..50).map(|n| found(&format!("kql/own:{n}"), "{}", "a@c.d", 1)).collect();
    assert_eq!(due(trigger(), runs(), many).await, (1, 49));
    let minute = Duration::from_secs(60);
    let pages =
        Reading::Pages(crate::respond::Pages { every: minute, overlap: minute, first_lookback: minute, cap: 100 });
    let many = (0..50).map(|n| row(&[&n.to_string()], 1)).collect();
    assert_eq!(due(TABLE, pages, many).await, (50, 0));
}

#[tokio::test]
async fn two_triggers_of_a_service_run_at_once_and_whoever_waits_for_a_turn_holds_up_no_poll() {
    let slow: Vec<Arc<Pages>> = (0..40).map(|n| pages(named(&format!("slow-{n}")), false)).collect();
    let other = pages(SourceKey::Trigger { name: "other".into(), workspace: Some(WORKSPACE) }, true);
    let table = pages(TABLE, true);
    let sources: Vec<&Arc<Pages>> = slow.iter().chain([&other, &table]).collect();
    let world = World::start(&sources).await;
    let asked = || slow.iter().map(|pages| pages.asked()).sum::<usize>();
    until("two are asked", async || asked() == 2 && other.asked() == 1 && table.asked() == 1).await;
    for turn in 2..5 {
        world.clock.pass(61);
        until("the table is read", async || table.asked() == turn).await;
    }
    assert_eq!(asked(), 2);
    for pages in &slow {
        pages.gate.add_permits(1_000);
    }
    let everybody = async || {
        world.clock.pass(1);
        slow.iter().all(|pages| pages.asked() > 0)
    };
    until("everybody has had a turn", everybody).await;
    world.stop().await.unwrap();
}

#[tokio::test]
async fn a_run_that_ends_counts_a_trigger_that_cannot_run_as_unread_and_a_shipped_one_that_has_no_permission_as_absent()
{
    for (name, kind, unread) in [
        ("own", FailureKind::Forbidden, Unread { failed: vec!["kql/own:hunting".into()], ..Unread::default() }),
        ("shipped", FailureKind::Forbidden, Unread { absent: vec!["kql/shipped:hunting".into()], ..Unread::default() }),
        ("shipped", FailureKind::Refused, Unread { failed: vec!["kql/shipped:hunting".into()], ..Unread::default() }),
    ] {
        let pages = pages(named(name), true);
        pages.fails(Some(kind));
        let world = World::run(&[&pages], Batch::default(), Until::Settled(Duration::from_secs(1))).await;
        until("given up", async || world.running.is_finished()).await;
        assert_eq!(pages.asked(), 1, "no second try helps");
        // The next run, a moment later, knows it without asking.
        let (_drain, order) = watch::channel(false);
        let next = Driver::new(Arc::clone(&world.context), order).run(Until::Settled(Duration::from_secs(1)));
        assert_eq!(tokio::time::timeout(PATIENCE, next).await.expect("it ends").unwrap(), unread, "{name} {kind:?}");
        assert_eq!(pages.asked(), 1);
        assert_eq!(world.stop().await.unwrap(), unread, "{name} {kind:?}");
    }
}

#[tokio::test]
async fn that_a_shipped_trigger_cannot_run_is_said_once_and_that_another_one_fails_each_time() {
    for (name, said) in [("shipped", 1), ("own", 4)] {
        let pages = pages(named(name), true);
        pages.fails(Some(FailureKind::Forbidden));
        let world = World::start(&[&pages]).await;
        world
            .leap_until("tried four times", async || world.heard.0.lock().unwrap().len() >= said && pages.asked() >= 4)
            .await;
        let heard = world.heard.0.lock().unwrap().clone();
        assert_eq!(heard[..said], vec![format!("kql/{name}:hunting {}", name == "shipped"); said]);
        assert!(name != "shipped" || heard.len() == 1, "{heard:?}");
        world.stop().await.unwrap();
    }
}

#[tokio::test]
async fn a_run_that_was_answered_in_part_is_not_all_read_also_for_the_next_one_that_ends() {
    let pages = pages(trigger(), true);
    let at = seconds(T0);
    let run = Run {
        at,
        alerts: 0,
        left_out: 3,
        dropped: 0,
        unreadable: 0,
        partial: false,
        missed_from: None,
        last_miss: None,
    };
    let cursor = CursorWrite { source: trigger().to_string(), position: serde_json::json!(run) };
    let wakes = vec![Wake { lane: LaneKey::source(&trigger()), at: schedule().next(at) }];
    let before = Batch { cursor: Some(cursor), wakes, ..Batch::default() };
    let world = World::run(&[&pages], before, Until::Settled(Duration::from_secs(1))).await;
    until("it ends", async || world.running.is_finished()).await;
    assert_eq!(pages.asked(), 0);
    assert_eq!(world.stop().await.unwrap().in_part, [trigger().to_string()]);
}

#[tokio::test]
async fn a_quicker_schedule_counts_from_the_start_of_the_daemon_on() {
    let pages = pages(trigger(), true);
    let at = seconds(T0);
    let run = Run {
        at,
        alerts: 0,
        left_out: 0,
        dropped: 0,
        unreadable: 0,
        partial: false,
        missed_from: None,
        last_miss: None,
    };
    let before = Batch {
        cursor: Some(CursorWrite { source: trigger().to_string(), position: serde_json::json!(run) }),
        // As a daemon left it whose schedule was once a day.
        wakes: vec![Wake { lane: LaneKey::source(&trigger()), at: seconds(T0 + 86_400) }],
        ..Batch::default()
    };
    let world = World::with(&[&pages], before).await;
    let next = schedule().next(at);
    until("it rests", async || *world.rest.borrow() == Rest::Until(Some(next))).await;
    assert_eq!(pages.asked(), 0, "it ran a moment ago");
    world.leap_until("it runs", async || pages.asked() == 1).await;
    assert!(world.clock.now() < next.plus(Duration::from_secs(5)), "{}", world.clock.now());
    world.stop().await.unwrap();
}

#[tokio::test]
async fn a_start_asks_no_service_that_wants_to_be_left_alone() {
    let pages = pages(trigger(), true);
    let wish = seconds(T0 + 800);
    let failure = serde_json::json!({"at": seconds(T0), "why": "too many", "not_before": wish});
    let cursor = CursorWrite { source: format!("{}#failed", trigger()), position: failure };
    let wakes = vec![Wake { lane: LaneKey::source(&trigger()), at: wish }];
    let world = World::with(&[&pages], Batch { cursor: Some(cursor), wakes, ..Batch::default() }).await;
    until("it rests", async || matches!(*world.rest.borrow(), Rest::Until(Some(_)))).await;
    assert_eq!((*world.rest.borrow(), pages.asked()), (Rest::Until(Some(wish)), 0));
    world.stop().await.unwrap();
}

#[tokio::test]
async fn what_no_run_looked_at_is_kept_with_its_time_when_the_runs_after_it_are_well() {
    let pages = pages(trigger(), true);
    let world = World::start(&[&pages]).await;
    let ran = async |before: Option<Run>| {
        let mut run = None;
        world
            .leap_until("it runs", async || {
                run = Run::last(world.journal.as_ref(), &trigger().to_string()).await.unwrap();
                run.is_some() && run != before
            })
            .await;
        run.unwrap()
    };
    let first = ran(None).await;
    world.clock.pass(86_400);
    let late = ran(Some(first.clone())).await;
    let miss = Miss { from: first.at, to: late.at.minus(schedule().sees) };
    assert_eq!((late.missed_from, late.last_miss), (Some(first.at), Some(miss)));
    let well = ran(Some(late)).await;
    assert_eq!((well.missed_from, well.last_miss), (None, Some(miss)));
    world.stop().await.unwrap();
}
