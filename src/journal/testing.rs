//! What tests of the journal need: a clock set by hand, and small values.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use super::batch::{Batch, NewAlias, StreamWrite, Wake};
use super::chain::{BrokenChain, verify_stream};
use super::lane::{Claim, LaneKey, LaneKind};
use super::{Journal, Signal};
use crate::decide::cleared::Cleared;
use crate::model::account::AccountRef;
use crate::model::action::{Action, ActionKey, LimitClaim, Mode, Subject};
use crate::model::alert::Severity;
use crate::model::id::AlertId;
use crate::model::intent::{Intent, Verb};
use crate::model::observation::{Fact, Observation, Witness};
use crate::model::offer::Route;
use crate::model::scope::TenantKey;
use crate::model::time::{At, Clock, Pause};
use crate::record::event::{Entry, StreamKey};

pub(crate) const TENANT: TenantKey = TenantKey(Uuid::from_u128(7));
/// Where the clock stands at first, in seconds.
pub(crate) const T0: i64 = 1_000_000;
pub(crate) const LEASE: Duration = Duration::from_secs(60);

/// A clock that stands still until it is set.
#[derive(Debug)]
pub(crate) struct ManualClock(AtomicI64);

impl ManualClock {
    pub(crate) fn at(seconds: i64) -> Arc<Self> {
        Arc::new(Self(AtomicI64::new(At::from_unix_seconds(seconds).ticks())))
    }

    pub(crate) fn set(&self, seconds: i64) {
        self.0.store(At::from_unix_seconds(seconds).ticks(), Ordering::SeqCst);
    }

    pub(crate) fn pass(&self, seconds: i64) {
        self.0.fetch_add(At::from_unix_seconds(seconds).ticks(), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> At {
        At::from_ticks(self.0.load(Ordering::SeqCst))
    }

    fn sleep_until(&self, _: At) -> Pause {
        Box::pin(std::future::pending())
    }
}

pub(crate) fn seconds(seconds: i64) -> At {
    At::from_unix_seconds(seconds)
}

pub(crate) fn alert(name: &str) -> AlertId {
    AlertId::derive(&[name])
}

pub(crate) fn lane(name: &str) -> LaneKey {
    LaneKey::alert(alert(name))
}

pub(crate) fn entry(name: &str) -> Entry {
    Entry { name: name.into(), version: 1, actor: "riposte".into(), at: seconds(T0), payload: json!({"what": name}) }
}

/// One event more for the stream of an alert, in the alert's own lane.
pub(crate) fn write(name: &str, expected: u64) -> StreamWrite {
    StreamWrite {
        stream: StreamKey::alert(alert(name)),
        lane: lane(name),
        expected,
        events: vec![entry("seen")],
        state: json!({"n": expected + 1}),
        label: "seen",
        open: true,
    }
}

pub(crate) fn batch(writes: Vec<StreamWrite>) -> Batch {
    Batch { writes, ..Batch::default() }
}

pub(crate) fn waking(lanes: &[(&LaneKey, i64)]) -> Batch {
    let wakes = lanes.iter().map(|(lane, at)| Wake { lane: (*lane).clone(), at: seconds(*at) }).collect();
    Batch { wakes, ..Batch::default() }
}

pub(crate) fn naming(value: &str, owner: &str) -> Batch {
    Batch { aliases: vec![NewAlias { value: value.into(), alert: alert(owner) }], ..Batch::default() }
}

pub(crate) fn signal(source_key: &str, lane: &LaneKey) -> Signal {
    Signal { source_key: source_key.into(), lane: lane.clone(), body: json!({"do": "it"}), at: seconds(T0) }
}

/// Makes the lane due now and takes it, and no other.
pub(crate) async fn take(journal: &impl Journal, lane: &LaneKey) -> Claim {
    journal.ensure_lane(lane, journal.now()).await.unwrap();
    let claims = journal.claim(&LaneKind::each(1), LEASE).await.unwrap().claims;
    let claim = claims.into_iter().next().unwrap();
    assert_eq!(claim.lane(), lane);
    claim
}

/// Takes the lanes of the accounts 1 to `most`, in that order.
pub(crate) async fn take_accounts(journal: &impl Journal, most: u32) -> Vec<(u32, Claim)> {
    let lanes: Vec<LaneKey> = (1..=most).map(|rid| LaneKey::account(&account(rid))).collect();
    futures::future::try_join_all(lanes.iter().map(|lane| journal.ensure_lane(lane, journal.now()))).await.unwrap();
    let claims = journal.claim(&LaneKind::each(most), LEASE).await.unwrap().claims;
    let rid = |claim: &Claim| (1..=most).zip(&lanes).find(|(_, lane)| *lane == claim.lane()).unwrap().0;
    let mut taken: Vec<(u32, Claim)> = claims.into_iter().map(|claim| (rid(&claim), claim)).collect();
    taken.sort_by_key(|(rid, _)| *rid);
    assert_eq!(taken.len(), lanes.len());
    taken
}

/// Whether the chain of one stream holds, as it is stored. A stream that does not exist, and has no events, holds.
pub(crate) async fn chain_holds(journal: &impl Journal, key: &StreamKey) -> Result<(), BrokenChain> {
    let (links, head) = journal.chain(key).await.unwrap();
    verify_stream(TENANT, key, &links, &head.unwrap_or_default())
}

pub(crate) fn account(rid: u32) -> AccountRef {
    AccountRef::Ad(format!("S-1-5-21-1-2-3-{rid}").parse().unwrap())
}

pub(crate) fn action(rid: u32, limits: Vec<LimitClaim>) -> Action {
    let key = ActionKey {
        tenant: TENANT,
        alert: alert("a"),
        intent: Intent::of(Verb::DisableAdUser),
        account: account(rid),
        round: 1,
        reverts: None,
    };
    Action {
        id: key.id(),
        mode: Mode::Enforce,
        wanted_by: Vec::new(),
        why: None,
        routes: vec![Route::Defender],
        after: Vec::new(),
        limits,
        subject: Subject { account: account(rid), upn: None, label: "x".into(), handle: None, also: Vec::new() },
        severity: Severity::High,
        expires: seconds(T0 + 86_400),
        revert_after: None,
        hybrid: false,
        key,
    }
}

pub(crate) fn limit(key: &str, limit: u32, window: u64) -> LimitClaim {
    LimitClaim { key: key.into(), limit, window: Duration::from_secs(window), once_for: None }
}

pub(crate) fn cleared(action: &Action, checked: At) -> Cleared {
    let prior = Observation { at: checked, by: Witness::Defender, fact: Fact::Enabled(true) };
    Cleared::for_test(action.clone(), Route::Defender, prior, checked)
}

/// The event of an attempt, in the account's lane.
pub(crate) fn beginning(action: &Action, expected: u64) -> Batch {
    batch(vec![StreamWrite {
        stream: StreamKey::action(action.id),
        lane: LaneKey::account(&action.key.account),
        expected,
        events: vec![entry("begun")],
        state: json!("attempting"),
        label: "running",
        open: true,
    }])
}
