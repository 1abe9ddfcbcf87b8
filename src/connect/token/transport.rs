//! Our transport under azure_identity: one pool, limits on size and time.

use std::time::Duration;

use azure_core::error::{Error, ErrorKind};
use azure_core::http::headers::Headers;
use azure_core::http::{AsyncRawResponse, Body, HttpClient, Request};

use crate::connect::http::{Pool, innermost};

/// A token answer is a few kilobytes; groups in claims make it some more.
const LARGEST: usize = 256 * 1024;
const TIMEOUT: Duration = Duration::from_secs(30);

/// Carries azure_identity's requests.
#[derive(Debug)]
pub(super) struct Bounded(pub(super) Pool);

#[async_trait::async_trait]
impl HttpClient for Bounded {
    async fn execute_request(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let late = |_| Error::with_message(ErrorKind::Io, self.0.unreached(request.url(), "no answer in time"));
        tokio::time::timeout(TIMEOUT, self.carry(request)).await.map_err(late)?
    }
}

impl Bounded {
    async fn carry(&self, request: &Request) -> azure_core::Result<AsyncRawResponse> {
        let mut response = self.0.connections().execute(self.translate(request)?).await.map_err(|error| {
            let kind = if error.is_connect() { ErrorKind::Connection } else { ErrorKind::Io };
            Error::new(kind, self.0.unreached(request.url(), &innermost(&error.without_url())))
        })?;
        let mut headers = Headers::new();
        for (name, value) in response.headers() {
            if let Ok(value) = value.to_str() {
                headers.insert(name.as_str().to_owned(), value.to_owned());
            }
        }
        let mut body = Vec::new();
        let broken = |_| Error::with_message(ErrorKind::Io, "the token endpoint's answer broke off");
        while let Some(chunk) = response.chunk().await.map_err(broken)? {
            if body.len() + chunk.len() > LARGEST {
                return Err(Error::with_message(ErrorKind::DataConversion, "the token endpoint's answer is too large"));
            }
            body.extend_from_slice(&chunk);
        }
        Ok(AsyncRawResponse::from_bytes(response.status().as_u16().into(), headers, body))
    }

    fn translate(&self, request: &Request) -> azure_core::Result<reqwest::Request> {
        let wrong = || Error::with_message(ErrorKind::Other, "the token request cannot be put together");
        let method = reqwest::Method::from_bytes(request.method().as_ref().as_bytes()).map_err(|_| wrong())?;
        let mut builder = self.0.connections().request(method, request.url().clone());
        for (name, value) in request.headers().iter() {
            builder = builder.header(name.as_str(), value.as_str());
        }
        let Body::Bytes(body) = request.body() else { return Err(wrong()) };
        builder.body(body.clone()).build().map_err(|_| wrong())
    }
}
