//! What is removed from the journal once it is old, and what never is.

use std::time::Duration;

use riposte::journal::removal::removed;
use riposte::journal::verify::verify;
use riposte::journal::{Filter, Journal};
use riposte::model::intent::Verb;
use riposte::record::event::{StreamKey, StreamKind};

use super::world::{Setup, World, dcsync};

const DAYS: u64 = 24 * 60;

/// Alert a about Adele, who was contained and let go again, and alert b about Joni, who is still contained. Alert a is
/// shown anew after 40 days, as it stands.
async fn two_alerts() -> World {
    let again = format!("repeats: [{}m]", 40 * DAYS);
    let alerts = dcsync("a", "1m", "{person: adele}", &again) + &dcsync("b", "1m", "{person: joni}", "");
    let mut world = Setup::new(alerts).unlimited().start().await;
    world.run_until(8).await;
    let action = world.action("adele", Verb::DisableAdUser).await;
    world.undo(&action, "eva@contoso.com").await;
    world.run_until(20).await;
    assert_eq!((world.is_enabled("adele"), world.is_enabled("joni")), (true, false));
    world
}

/// A daemon that starts so many days later, and keeps what is over for 31 days.
async fn later(world: &mut World, days: u64) {
    world.stop().await;
    world.change("journal.keep", "31d");
    world.clock.advance_to(world.minute(days * DAYS));
    world.resume().await;
    world.run_until(days * DAYS + 2).await;
}

async fn keys(journal: &dyn Journal, kind: StreamKind) -> Vec<StreamKey> {
    let filter = Filter { kind: Some(kind), ..Filter::default() };
    journal.streams(&filter).await.into_iter().flatten().map(|stream| stream.key).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_over_goes_after_its_time_and_what_stands_stays() {
    let mut world = two_alerts().await;
    let (a, b) = (world.alert("a").await.id, world.alert("b").await.id);
    let all = keys(world.journal(), StreamKind::Action).await.len();
    assert_eq!(all, 3, "two containments and what put one of them back");

    later(&mut world, 20).await;
    assert_eq!(keys(world.journal(), StreamKind::Alert).await.len(), 2, "it is not old enough yet");
    later(&mut world, 39).await;
    assert_eq!(keys(world.journal(), StreamKind::Alert).await, [StreamKey::alert(b)]);
    assert_eq!(keys(world.journal(), StreamKind::Action).await.len(), 1);
    assert!(keys(world.journal(), StreamKind::Note).await.len() == 1, "that of the other alert");
    let gone = removed(world.journal(), &StreamKey::alert(a)).await.unwrap().unwrap();
    assert_eq!((gone.actor.as_str(), gone.why.as_str()), ("riposte", "nothing of it has changed for 31d"));
    assert!(world.said().contains("what is older than journal.keep was removed"));

    let db = rusqlite::Connection::open(world.folder.path().join("riposte.db")).unwrap();
    let left = |who: &str| -> i64 {
        let sid = world.lab.state().people[who].ad.as_ref().unwrap().sid.clone();
        let tables = "select state || lane_key as text from stream union all select ifnull(payload, '') from event
            union all select value from alias union all select key from lane union all select body from signal
            union all select account from hold union all select action from charge";
        let sql = format!("select count(*) from ({tables}) where instr(text, ?1) > 0");
        db.query_row(&sql, [sid], |row| row.get(0)).unwrap()
    };
    assert_eq!(left("adele"), 0, "nothing in the journal tells of her");
    assert!(left("joni") > 0);

    let found = verify(world.journal(), world.alert("b").await.tenant, &[]).await.unwrap();
    assert!(found.holds() && found.removed > 0, "{found:?}");
    world.assert_audited().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_alert_that_is_shown_again_after_it_was_removed_is_no_new_one() {
    let mut world = two_alerts().await;
    later(&mut world, 39).await;
    world.stop().await;
    world.clock.advance_to(world.minute(40 * DAYS));
    world.resume().await;
    world.run_until(40 * DAYS + 30).await;
    assert!(world.said().contains("a row of an alert whose record was removed is left alone"), "{}", world.said());
    assert_eq!(world.alerts().await.len(), 1, "{:#?}", world.alerts().await);
    assert!(world.is_enabled("adele"));
    assert_eq!(world.taken("adele", "disable"), 1);
    assert!(world.troubles().is_empty(), "{:?}", world.troubles());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_containment_that_stands_is_undone_after_its_alerts_time_is_over() {
    let mut world = two_alerts().await;
    later(&mut world, 39).await;
    let action = world.action("joni", Verb::DisableAdUser).await;
    world.undo(&action, "eva@contoso.com").await;
    world.run_until_at(world.minute(39 * DAYS).plus(Duration::from_secs(1_200))).await;
    assert!(world.is_enabled("joni"));
    later(&mut world, 79).await;
    assert!(world.alerts().await.is_empty(), "now it is over, and old");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_may_stand_although_nobody_holds_it_is_kept() {
    let mut world = two_alerts().await;
    world.crash();
    let db = rusqlite::Connection::open(world.folder.path().join("riposte.db")).unwrap();
    assert_eq!(db.execute("delete from hold", []).unwrap(), 1);
    drop(db);
    world.resume().await;
    later(&mut world, 39).await;
    let left: Vec<_> = world.alerts().await.into_iter().map(|alert| alert.id).collect();
    assert_eq!(left, [world.alert("b").await.id], "an undo needs its record");
}
