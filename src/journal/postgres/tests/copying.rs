//! A journal that moves from a file into the database.

use super::*;

/// A file with a day's story: events of several streams, one action begun, a name, a message and a poisonous lane.
async fn story(bench: &crate::journal::sqlite::testing::Bench) {
    use crate::journal::testing::{account, action, beginning, cleared, limit, naming, signal};
    let journal = bench.open();
    for n in 0..1_200_u32 {
        let name = format!("many-{n}");
        let claim = take(&journal, &lane(&name)).await;
        journal.commit(&claim, batch(vec![write(&name, 0)])).await.unwrap();
        journal.release(claim, 0, None).await.unwrap();
    }
    let claim = take(&journal, &LaneKey::account(&account(1))).await;
    let begun = action(1, vec![limit("all/hour", 10, 3_600)]);
    let _ = journal.begin(&claim, cleared(&begun, journal.now()), 1, beginning(&begun, 0)).await.unwrap();
    let naming_lane = take(&journal, &lane("many-2")).await;
    journal.commit(&naming_lane, naming("sa-1", "many-2")).await.unwrap();
    let failed = FailedPass { why: "x".into(), again: journal.now(), tell: Vec::new() };
    journal.fail(naming_lane, failed).await.unwrap();
    journal.signal(signal("said", &lane("many-1"))).await.unwrap();
}

fn copier(bench: &crate::journal::sqlite::testing::Bench) -> Arc<SqliteJournal> {
    Arc::new(bench.try_open("copier", crate::journal::sqlite::Owner::Copier).unwrap())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_is_copied_from_its_file_whole_and_goes_on_in_the_database_alone() {
    use crate::journal::copy::copy;
    use crate::journal::sqlite::{Owner, testing::Bench as Files};
    use crate::journal::testing::{account, signal};
    let Some(bench) = bench() else { return };
    let file = Files::new();
    story(&file).await;
    let from = copier(&file);
    let before = crate::journal::verify::verify(&*from, TENANT, &[]).await.unwrap();
    let to = bench.try_open("copier", Role::Copier).unwrap();
    let copied = copy(Arc::clone(&from), &to, TENANT).await.unwrap();
    assert!(copied.verified.holds() && copied.verified.end == before.end && before.end.events > 1_200);

    let everything = Filter { limit: None, ..Filter::default() };
    let by_id = |mut streams: Vec<StoredStream>| {
        streams.sort_by_key(|stream| stream.key.to_string());
        streams.into_iter().map(|stream| format!("{stream:?}")).collect::<Vec<_>>()
    };
    assert_eq!(by_id(to.streams(&everything).await.unwrap()), by_id(from.streams(&everything).await.unwrap()));
    let same = async |journal: &dyn Journal| {
        let charged = journal.charged("all/hour", seconds(0), "").await.unwrap();
        let effects = journal.effects(&[account(1).to_string()]).await.unwrap();
        let aliases = journal.aliases(&["sa-1".into()]).await.unwrap();
        let signals = journal.signals(&lane("many-1")).await.unwrap();
        let lanes = (journal.lanes().await.unwrap(), journal.next_due(&LaneKind::ALL).await.unwrap());
        format!("{charged} {effects:?} {aliases:?} {signals:?} {lanes:?}")
    };
    assert_eq!(same(&to).await, same(&*from).await);
    assert!(!to.signal(signal("said", &lane("many-1"))).await.unwrap(), "what was said once is known");

    let goes_on = bench.open_as("next");
    goes_on.wake(&lane("many-1"), to.now()).await.unwrap();
    let claims = goes_on.claim(&LaneKind::each(50), LEASE).await.unwrap().claims;
    let claim = claims.into_iter().find(|claim| *claim.lane() == lane("many-1")).unwrap();
    goes_on.commit(&claim, batch(vec![write("many-1", 1)])).await.unwrap();
    let after = crate::journal::verify::verify(&to, TENANT, &[before.end.root]).await.unwrap();
    assert!(after.holds() && after.met.len() == 1, "{after:?}");
    for elsewhere in [&to, &Bench::new().try_open("copier", Role::Copier).unwrap()] {
        let twice = copy(Arc::clone(&from), elsewhere, TENANT).await.unwrap_err();
        assert!(matches!(twice, crate::journal::copy::CopyError::Already { .. }), "{twice}");
    }
    drop(from);
    for owner in [Owner::Daemon, Owner::Visitor] {
        let refused = file.try_open("boot", owner).err().unwrap().to_string();
        assert!(
            refused.contains("it was copied to the database") && refused.contains("[journal] postgres"),
            "{refused}"
        );
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_journal_is_not_copied_over_another_and_its_file_is_as_before() {
    use crate::journal::copy::{CopyError, copy};
    use crate::journal::sqlite::{Owner, testing::Bench as Files};
    let Some(bench) = bench() else { return };
    let file = Files::new();
    drop(file.open());
    let to = bench.try_open("copier", Role::Copier).unwrap();
    to.ensure_lane(&lane("a"), seconds(T0)).await.unwrap();
    let refused = copy(copier(&file), &to, TENANT).await.unwrap_err();
    assert!(matches!(refused, CopyError::NotEmpty { .. }), "{refused}");
    let daemon = file.try_open("boot", Owner::Daemon);
    assert!(daemon.is_ok(), "a daemon works on the file as before");
    let beside = file.try_open("copier", Owner::Copier).err().unwrap().to_string();
    assert!(beside.contains("another"), "{beside}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_copy_that_was_broken_off_keeps_everybody_off_the_file_until_it_is_finished() {
    use crate::journal::copy::{CopyError, Mark, copy};
    use crate::journal::sqlite::{Owner, testing::Bench as Files};
    let Some(bench) = bench() else { return };
    let file = Files::new();
    story(&file).await;
    let from = copier(&file);
    let to = bench.try_open("copier", Role::Copier).unwrap();
    let begun = Mark::Begun { place: to.place().to_owned() };
    from.set_mark(Some(begun.clone())).await.unwrap();
    let refused = || file.try_open("visitor", Owner::Visitor).err().unwrap().to_string();
    assert!(refused().contains("was begun and has not ended"), "{}", refused());
    assert!(SqliteJournal::usable(&file.path(), None).is_err(), "check says so too");

    // It had not got far: the next try copies. It had got everywhere but to the end: the next one finds that out, also when
    // somebody has gone on there.
    for (rows, goes_on) in [(8, false), (0, true), (0, false)] {
        from.set_mark(Some(begun.clone())).await.unwrap();
        assert_eq!(copy(Arc::clone(&from), &to, TENANT).await.unwrap().rows.len(), rows);
        assert!(refused().contains("it was copied to the database"), "{}", refused());
        if goes_on {
            let next = bench.open_as("next");
            next.set_pause(None, "eva").await.unwrap();
        }
    }
    // To another place nothing is copied, unless a person says that the first is gone.
    let other = Bench::new().try_open("copier", Role::Copier).unwrap();
    from.set_mark(Some(begun.clone())).await.unwrap();
    let elsewhere = Mark::Begun { place: "the database x at y:1".into() };
    from.set_mark(Some(elsewhere)).await.unwrap();
    assert!(matches!(copy(Arc::clone(&from), &other, TENANT).await, Err(CopyError::Elsewhere { .. })));
    assert_eq!(crate::journal::copy::forget(&from).await.unwrap().as_deref(), Some("the database x at y:1"));
    copy(Arc::clone(&from), &other, TENANT).await.unwrap();
    assert!(matches!(crate::journal::copy::forget(&from).await, Err(CopyError::Already { .. })));
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_copied_where_another_riposte_runs_and_a_long_name_is_found_in_the_copy() {
    use crate::journal::copy::{CopyError, copy};
    use crate::journal::sqlite::testing::Bench as Files;
    let Some(bench) = bench() else { return };
    let file = Files::new();
    let long = "\u{5b57}".repeat(500);
    {
        let journal = file.open();
        let claim = take(&journal, &lane("a")).await;
        journal.commit(&claim, crate::journal::testing::naming(&long, "a")).await.unwrap();
    }
    let running = bench.open_as("running");
    let to = bench.try_open("copier", Role::Copier).unwrap();
    let refused = copy(copier(&file), &to, TENANT).await.unwrap_err();
    assert!(matches!(refused, CopyError::InUse { .. }), "{refused}");
    drop(running);
    // One that died without a word is in nobody's way.
    bench.meddle(&format!("insert into replica values ('{TENANT}', 'dead', now())"));
    copy(copier(&file), &to, TENANT).await.unwrap();
    let found = to.aliases(std::slice::from_ref(&long)).await.unwrap();
    assert_eq!(found.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_command_that_had_opened_the_file_before_writes_nothing_into_it_once_it_is_copied() {
    use crate::journal::copy::Mark;
    use crate::journal::sqlite::{Owner, testing::Bench as Files};
    use crate::journal::testing::signal;
    let file = Files::new();
    drop(file.open());
    let visitor = file.try_open("visitor", Owner::Visitor).unwrap();
    visitor.signal(signal("before", &lane("a"))).await.unwrap();
    let from = copier(&file);
    from.set_mark(Some(Mark::Begun { place: "the database x at y:1".into() })).await.unwrap();
    let refused = visitor.signal(signal("after", &lane("a"))).await.unwrap_err().to_string();
    assert!(refused.contains("a copy of it to the database x at y:1 was begun"), "{refused}");
    from.set_mark(None).await.unwrap();
    visitor.signal(signal("again", &lane("a"))).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_copied_into_a_database_whose_clock_is_behind_what_was_written() {
    use crate::journal::copy::{CopyError, copy};
    use crate::journal::sqlite::{Owner, testing::Bench as Files};
    let Some(bench) = bench() else { return };
    let file = Files::new();
    file.clock.pass(3_600);
    {
        let journal = file.open();
        let claim = take(&journal, &lane("a")).await;
        journal.commit(&claim, batch(vec![write("a", 0)])).await.unwrap();
    }
    let to = bench.try_open("copier", Role::Copier).unwrap();
    let Err(CopyError::Fault(fault)) = copy(copier(&file), &to, TENANT).await else { panic!("it was copied") };
    assert!(fault.to_string().contains("the clock of the database shows"), "{fault}");
    drop(file.try_open("boot", Owner::Daemon).unwrap());
    bench.clock.pass(3_600);
    copy(copier(&file), &to, TENANT).await.unwrap();
}
