//! Who sleeps because somebody outside does not answer is woken when he does.

use super::crowds::{Vendor, ended, ends, wanting};
use super::*;
use crate::respond::asleep::PROBE;

/// Looks are answered; what changes something never leaves while it is down.
struct Down {
    vendor: Arc<Vendor>,
    clock: Arc<dyn Clock>,
    is_up: AtomicBool,
    tried: Mutex<Vec<At>>,
}

#[async_trait]
impl Effector for Down {
    fn route(&self) -> Route {
        self.vendor.route()
    }

    async fn observe(&self, subject: &Subject, intent: &Intent, since: Option<At>) -> Result<Observation, Failure> {
        self.vendor.observe(subject, intent, since).await
    }

    async fn apply(&self, go: Begun) -> Answered {
        self.tried.lock().unwrap().push(self.clock.now());
        if self.is_up.load(Ordering::SeqCst) {
            return self.vendor.apply(go).await;
        }
        Answered::Failed(unreachable())
    }
}

impl Down {
    /// When somebody tried.
    fn tried(&self) -> Vec<At> {
        self.tried.lock().unwrap().clone()
    }
}

/// So many accounts that want something of a vendor that is down.
async fn world(accounts: u32) -> (World, Arc<Down>) {
    let records: Vec<_> = (1_000..1_000 + accounts).map(|rid| ends(rid, Route::Defender)).collect();
    let mut down = None;
    let world = World::changed(&[], wanting(&records), Until::Stopped, |context| {
        let clock = Arc::clone(&context.clock);
        let vendor = Vendor::new(Route::Defender, Semaphore::MAX_PERMITS);
        let port = Arc::new(Down { vendor, clock, is_up: AtomicBool::new(false), tried: Mutex::default() });
        context.effectors = BTreeMap::from([(Route::Defender, Arc::clone(&port) as Arc<dyn Effector>)]);
        down = Some(port);
    })
    .await;
    (world, down.unwrap())
}

async fn an_hour_passes(world: &World) {
    world.leap_until("an hour", async || world.clock.now() >= seconds(T0 + 3_600)).await;
}

#[tokio::test]
async fn what_never_left_leaves_soon_after_the_vendor_answers_somebody_again() {
    let (world, down) = world(12).await;
    an_hour_passes(&world).await;
    let before = down.tried().len();
    assert!(before <= 12 * 14 + 60, "{before}: each at its own pace, and one a minute");
    down.is_up.store(true, Ordering::SeqCst);
    let up = world.clock.now();
    world.context.asleep.recoveries().answers_again(Provider::Defender);
    world.leap_until("all are through", async || ended(&world).await == 12).await;
    let after = down.tried().split_off(before);
    assert_eq!(after.len(), 12, "each once");
    let last = after.into_iter().max().unwrap();
    assert!(last.since(up) <= Duration::from_secs(3), "{last}: {up}");
    world.stop().await.unwrap();
}

#[tokio::test]
async fn where_nobody_else_calls_a_vendor_that_is_down_one_account_tries_each_minute() {
    let (world, down) = world(1).await;
    an_hour_passes(&world).await;
    let tried = down.tried();
    let longest = tried.windows(2).map(|two| two[1].since(two[0])).max().unwrap();
    assert_eq!(longest, PROBE);
    world.stop().await.unwrap();
}

#[tokio::test]
async fn a_comment_that_never_left_is_written_soon_after_the_vendor_answers_somebody_again() {
    let (batch, ..) = put_aside();
    let world = World::with(&[], batch).await;
    world.comments.is_down.store(true, Ordering::SeqCst);
    an_hour_passes(&world).await;
    assert!(world.comments.kept.lock().unwrap().is_empty());
    world.comments.is_down.store(false, Ordering::SeqCst);
    let up = world.clock.now();
    world.context.asleep.recoveries().answers_again(Provider::Defender);
    world.leap_until("a comment", async || !world.comments.kept.lock().unwrap().is_empty()).await;
    let now = world.clock.now();
    assert!(now.since(up) <= Duration::from_secs(3), "{now}: {up}");
    world.stop().await.unwrap();
}
