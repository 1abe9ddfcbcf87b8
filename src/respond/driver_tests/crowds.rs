//! Who waits for one vendor does not keep those waiting who want something of another.

use std::collections::BTreeSet;

use super::*;
use crate::model::account::AccountRef;
use crate::model::id::ActionId;
use crate::model::intent::Verb;
use crate::model::observation::{Fact, Witness};
use crate::record::action::ActionState;
use crate::respond::crowd::{LONG, MOST};
use crate::respond::hands::most;

/// Lets accounts go that somebody else has contained, as fast as there are permits to call it.
pub(super) struct Vendor {
    route: Route,
    permits: Semaphore,
    /// Whom somebody has looked at or waits to, and whom it has let go.
    asked: Mutex<BTreeSet<AccountRef>>,
    done: Mutex<Vec<AccountRef>>,
}

impl Vendor {
    pub(super) fn new(route: Route, permits: usize) -> Arc<Self> {
        let permits = Semaphore::new(permits);
        Arc::new(Self { route, permits, asked: Mutex::default(), done: Mutex::default() })
    }

    fn asked(&self) -> usize {
        self.asked.lock().unwrap().len()
    }

    fn done(&self) -> usize {
        self.done.lock().unwrap().len()
    }
}

#[async_trait]
impl Effector for Vendor {
    fn route(&self) -> Route {
        self.route
    }

    async fn observe(&self, subject: &Subject, _: &Intent, _: Option<At>) -> Result<Observation, Failure> {
        self.asked.lock().unwrap().insert(subject.account.clone());
        self.permits.acquire().await.unwrap().forget();
        let is_back = self.done.lock().unwrap().contains(&subject.account);
        Ok(Observation { at: seconds(T0), by: Witness::Entra, fact: Fact::Enabled(is_back) })
    }

    async fn apply(&self, go: Begun) -> Answered {
        self.permits.acquire().await.unwrap().forget();
        let account = go.action().subject.account.clone();
        let mut done = self.done.lock().unwrap();
        assert!(!done.contains(&account), "once only");
        done.push(account);
        Answered::Accepted { correlation: None }
    }
}

/// What ends a containment of this account, by this route.
pub(super) fn ends(rid: u32, route: Route) -> ActionRecord {
    let mut action = action(rid, Vec::new());
    let verb = if route == Route::Defender { Verb::EnableAdUser } else { Verb::RestoreEntraUser };
    (action.key.intent, action.routes) = (Intent::of(verb), vec![route]);
    action.key.reverts = Some(ActionId::derive(&["contained", &rid.to_string(), &route.to_string()]));
    action.id = action.key.id();
    ActionRecord::planned(action, First::Run, seconds(T0))
}

/// Wants these, each in the lane of its account, in this order of being due.
pub(super) fn wanting(records: &[ActionRecord]) -> Batch {
    let mut batch = Batch::default();
    for (at, record) in (T0 - 1_000..).zip(records) {
        let planned = ActionEvent::Planned { action: Box::new(record.action.clone()), first: First::Run };
        batch.writes.push(write::action(record, 0, &[planned], write::RIPOSTE, seconds(T0)).unwrap());
        batch.wakes.push(Wake { lane: LaneKey::account(&record.action.key.account), at: seconds(at) });
    }
    batch
}

/// The loop with these two vendors, of whom the second is quick.
async fn world(records: &[ActionRecord]) -> (World, Arc<Vendor>, Arc<Vendor>) {
    let mut vendors = None;
    let world = World::changed(&[], wanting(records), Until::Stopped, |context| {
        let slow = Vendor::new(Route::Defender, 0);
        let quick = Vendor::new(Route::Entra, Semaphore::MAX_PERMITS);
        let ports: [Arc<dyn Effector>; 2] = [Arc::clone(&slow) as _, Arc::clone(&quick) as _];
        context.effectors = ports.into_iter().map(|port| (port.route(), port)).collect();
        vendors = Some((slow, quick));
    })
    .await;
    let (slow, quick) = vendors.unwrap();
    (world, slow, quick)
}

pub(super) async fn ended(world: &World) -> usize {
    let filter = Filter { kind: Some(StreamKind::Action), ..Filter::default() };
    let streams = world.journal.streams(&filter).await.unwrap();
    let records = streams.iter().map(|stream| write::read::<ActionRecord>(stream).unwrap().record);
    records.filter(|record| matches!(record.state, ActionState::Settled { .. })).count()
}

#[tokio::test]
async fn accounts_that_wait_for_a_slow_vendor_leave_hands_for_those_who_want_something_of_a_quick_one() {
    let crowd = (1_000..1_030).map(|rid| ends(rid, Route::Defender));
    let few = (2_000..2_003).map(|rid| ends(rid, Route::Entra));
    let records: Vec<_> = crowd.chain(few).collect();
    let (world, slow, quick) = world(&records).await;
    until("all hands wait", async || slow.asked() == most(LaneKind::Account)).await;
    assert_eq!(quick.asked(), 0, "they were due later");
    world.clock.pass(3);
    assert_eq!(LONG, Duration::from_secs(3));
    until("the quick are through", async || quick.done() == 3 && ended(&world).await == 3).await;
    assert_eq!((slow.done(), slow.asked()), (0, most(LaneKind::Account)), "and nobody else waits for the slow one");
    // It answers one call after the other, and nobody is forgotten. The clock stands still: no lane comes back by itself.
    let mut furthest = 0;
    for _ in 0..90 {
        slow.permits.add_permits(1);
        until("it is taken", async || slow.permits.available_permits() == 0 || slow.done() == 30).await;
        furthest = furthest.max(slow.asked() - slow.done());
    }
    until("all are through", async || ended(&world).await == 33).await;
    assert_eq!(slow.done(), 30);
    assert!(furthest <= most(LaneKind::Account) + MOST, "{furthest}");
    world.stop().await.unwrap();
}

#[tokio::test]
async fn an_account_that_is_turned_away_at_one_vendor_gets_what_it_wants_of_another() {
    let both = [ends(2_000, Route::Defender), ends(2_000, Route::Entra)];
    let records: Vec<_> = (1_000..1_020).map(|rid| ends(rid, Route::Defender)).chain(both).collect();
    let (world, slow, quick) = world(&records).await;
    until("all hands wait", async || slow.asked() == most(LaneKind::Account)).await;
    world.clock.pass(3);
    until("one of the two is through", async || ended(&world).await == 1).await;
    assert_eq!((quick.done(), slow.asked()), (1, most(LaneKind::Account)));
    slow.permits.add_permits(1_000);
    until("all are through", async || ended(&world).await == 22).await;
    world.stop().await.unwrap();
}

#[tokio::test]
async fn whoever_was_decided_on_comes_before_those_who_only_look_also_where_they_crowd() {
    let looks = (1_000..1_020).map(|rid| {
        let record = ActionRecord::planned(action(rid, Vec::new()), First::Run, seconds(T0));
        let state = ActionState::Verifying {
            route: Route::Defender,
            prior: Observation { at: seconds(T0), by: Witness::Entra, fact: Fact::Enabled(true) },
            started: seconds(T0),
            correlation: None,
            looks: 0,
            due: seconds(T0),
        };
        ActionRecord { state, ..record }
    });
    let decided = ActionRecord::planned(action(2_000, Vec::new()), First::Run, seconds(T0));
    let account = decided.action.subject.account.clone();
    let records: Vec<_> = looks.chain([decided]).collect();
    let (world, slow, _) = world(&records).await;
    until("all hands wait", async || slow.asked() == most(LaneKind::Account)).await;
    world.clock.pass(3);
    until("all others stand in line", async || world.context.crowds.standing() == 5).await;
    // So many come back that there is room for one.
    slow.permits.add_permits(most(LaneKind::Account) - MOST + 1);
    until("he comes before the four who look", async || slow.asked.lock().unwrap().contains(&account)).await;
    slow.permits.add_permits(1_000);
    world.stop().await.unwrap();
}
