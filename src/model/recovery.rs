//! Who answers again after not having answered.

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex, PoisonError};

use tokio::sync::Notify;

use super::failure::Provider;

/// The providers that answer again and of which nobody has heard it yet. Clones are the same one; one listens.
#[derive(Debug, Clone, Default)]
pub struct Recoveries(Arc<Unheard>);

#[derive(Debug, Default)]
struct Unheard {
    providers: Mutex<BTreeSet<Provider>>,
    said: Notify,
}

impl Recoveries {
    /// Says that a provider has answered after not having answered.
    pub fn answers_again(&self, provider: Provider) {
        self.0.providers.lock().unwrap_or_else(PoisonError::into_inner).insert(provider);
        self.0.said.notify_one();
    }

    /// Waits until at least one does. Nothing is lost when the wait is given up.
    pub async fn next(&self) -> BTreeSet<Provider> {
        loop {
            let providers = std::mem::take(&mut *self.0.providers.lock().unwrap_or_else(PoisonError::into_inner));
            if !providers.is_empty() {
                return providers;
            }
            self.0.said.notified().await;
        }
    }
}
