//! For tests: a real HTTP server on loopback, and APIs that point at it.

use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use url::Url;

use super::http::{Allowed, Api, ApiOptions, Client, ClientOptions, Pace, client};
use super::token::{Anonymous, Authorize};
use crate::model::failure::Provider;

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
        pace: Pace::unlimited(8),
        max_body: 1 << 20,
    };
    Api::new(&transport(), options).unwrap()
}

/// Long enough for loopback, short enough for a test that waits for it to pass.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);
