//! For tests: a real HTTP server on loopback, and APIs that point at it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use axum::Router;
use url::Url;

use super::http::{Allowed, Api, ApiOptions, Client, ClientOptions, Pace, client};
use super::token::{Anonymous, Authorize};
use crate::model::failure::Provider;
use crate::model::time::{At, Clock, Pause, SystemClock};

/// Serves a router until the test's runtime ends.
pub(crate) async fn serve(router: Router) -> Url {
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move { axum::serve(listener, router).await });
    format!("http://{address}/").parse().unwrap()
}

/// A transport.
pub(crate) fn transport() -> Client {
    client(&ClientOptions::default()).unwrap()
}

/// The machine's clock.
pub(crate) fn clock() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// A clock that stands still until it is put forward: by seconds since it was made.
#[derive(Debug, Default)]
pub(crate) struct StillClock(AtomicU64);

impl StillClock {
    pub(crate) fn forward(&self, seconds: u64) {
        self.0.fetch_add(seconds, Ordering::Relaxed);
    }
}

impl Clock for StillClock {
    fn now(&self) -> At {
        At::EPOCH.plus(Duration::from_secs(self.0.load(Ordering::Relaxed)))
    }

    fn sleep_until(&self, _: At) -> Pause {
        Box::pin(std::future::pending())
    }
}

/// An API without a credential, limits or patience.
pub(crate) fn api(base: Url, allowed: &'static [Allowed]) -> Api {
    api_with(base, allowed, Arc::new(Anonymous))
}

/// An API with a credential.
pub(crate) fn api_with(base: Url, allowed: &'static [Allowed], auth: Arc<dyn Authorize>) -> Api {
    let options = ApiOptions {
        provider: Provider::Entra,
        base,
        auth: auth.into(),
        allowed,
        pace: Pace::unlimited(&clock(), 8),
        max_body: 1 << 20,
    };
    Api::new(&transport(), options).unwrap()
}

/// Long enough for loopback, short enough for a test that waits for it to pass.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
