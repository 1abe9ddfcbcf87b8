//! What a person has approved does not wait for an Okta that is silent.

use super::crowds::{Vendor, wanting};
use super::*;
use crate::connect::port::People;
use crate::model::account::AccountRef;
use crate::model::person::{Found, LookupKey, Membership};

/// A directory that answers one question at a time, and the first one late.
struct OneByOne {
    provider: Provider,
    turns: Semaphore,
    begun: AtomicUsize,
}

impl OneByOne {
    fn new(provider: Provider) -> Arc<Self> {
        Arc::new(Self { provider, turns: Semaphore::new(1), begun: AtomicUsize::new(0) })
    }

    fn begun(&self) -> usize {
        self.begun.load(Ordering::SeqCst)
    }
}

#[async_trait]
impl People for OneByOne {
    fn provider(&self) -> Provider {
        self.provider
    }

    async fn find(&self, _: &LookupKey) -> Result<Vec<Found>, Failure> {
        let _turn = self.turns.acquire().await.unwrap();
        if self.begun.fetch_add(1, Ordering::SeqCst) == 0 {
            std::future::pending::<()>().await;
        }
        Ok(Vec::new())
    }

    async fn memberships(&self, _: &AccountRef) -> Result<Option<Vec<Membership>>, Failure> {
        Ok(None)
    }
}

#[tokio::test]
async fn whoever_is_asked_again_without_okta_does_not_wait_behind_the_question_that_was_given_up() {
    let approved = ActionRecord {
        approved_by: Some("eva@contoso.com".into()),
        approved_at: Some(seconds(T0)),
        ..ActionRecord::planned(action(1_105, Vec::new()), First::Run, seconds(T0))
    };
    let entra = OneByOne::new(Provider::Entra);
    let world = World::changed(&[], wanting(&[approved]), Until::Stopped, |context| {
        context.people = vec![OneByOne::new(Provider::Okta), Arc::clone(&entra) as Arc<dyn People>];
        let vendor = Vendor::new(Route::Defender, Semaphore::MAX_PERMITS);
        context.effectors = BTreeMap::from([(Route::Defender, vendor as Arc<dyn Effector>)]);
    })
    .await;
    until("somebody is asked who it is", async || entra.begun() == 1).await;
    world.clock.pass(5);
    until("and once more, without Okta", async || entra.begun() > 1).await;
    world.stop().await.unwrap();
}
