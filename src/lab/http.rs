//! What a request and an answer are inside the lab, whatever vendor they belong to.

use std::time::Duration;

use axum::body::Body;
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, Response, StatusCode};
use serde_json::Value;

use crate::model::time::At;

/// A request that has been read whole.
pub(crate) struct Req {
    pub(crate) method: Method,
    /// As sent, without the query.
    pub(crate) path: String,
    /// The path's segments, percent-decoded one by one.
    pub(crate) segments: Vec<String>,
    pub(crate) query: Vec<(String, String)>,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Vec<u8>,
    pub(crate) at: At,
}

impl Req {
    pub(crate) fn new(method: Method, uri: &axum::http::Uri, headers: HeaderMap, body: Vec<u8>, at: At) -> Self {
        let path = uri.path().to_owned();
        let segments = path.split('/').filter(|s| !s.is_empty()).map(decoded).collect();
        let query = url::form_urlencoded::parse(uri.query().unwrap_or("").as_bytes()).into_owned().collect();
        Self { method, path, segments, query, headers, body, at }
    }

    /// Method and path segments, for matching against a table of routes.
    pub(crate) fn route(&self) -> (&str, Vec<&str>) {
        (self.method.as_str(), self.segments.iter().map(String::as_str).collect())
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).and_then(|v| v.to_str().ok())
    }

    /// The first query parameter of that name, with or without the `$` that `OData` puts before it.
    pub(crate) fn param(&self, name: &str) -> Option<&str> {
        let bare = |k: &str| k.trim_start_matches('$').eq_ignore_ascii_case(name);
        self.query.iter().find(|(k, _)| bare(k)).map(|(_, v)| v.as_str())
    }

    pub(crate) fn number(&self, name: &str) -> Option<usize> {
        self.param(name).and_then(|v| v.parse().ok())
    }

    pub(crate) fn says_json(&self) -> bool {
        self.header("content-type").is_some_and(|t| t.to_ascii_lowercase().contains("json"))
    }

    /// The body as JSON; `None` when it is none.
    pub(crate) fn json(&self) -> Option<Value> {
        serde_json::from_slice(&self.body).ok()
    }

    /// The body as an HTML form.
    pub(crate) fn form(&self, name: &str) -> Option<String> {
        url::form_urlencoded::parse(&self.body).find(|(k, _)| k == name).map(|(_, v)| v.into_owned())
    }
}

/// What goes back, or how it fails to.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Payload,
}

/// The body of an answer.
pub(crate) enum Payload {
    None,
    Json(Value),
    Text(&'static str, String),
    /// Work that takes long, such as a query, done after the tenant has been let go.
    Later(Box<dyn FnOnce() -> Answer + Send>),
}

impl Answer {
    pub(crate) fn json(status: u16, body: Value) -> Self {
        Self { status, headers: Vec::new(), body: Payload::Json(body) }
    }

    pub(crate) fn ok(body: Value) -> Self {
        Self::json(200, body)
    }

    pub(crate) fn empty(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Payload::None }
    }

    pub(crate) fn later(work: impl FnOnce() -> Answer + Send + 'static) -> Self {
        Self { status: 200, headers: Vec::new(), body: Payload::Later(Box::new(work)) }
    }

    #[must_use]
    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    /// Adds `Retry-After` in whole seconds, rounded up, when there is one to give.
    #[must_use]
    pub(crate) fn retry_after(self, wait: Option<Duration>) -> Self {
        match wait {
            Some(wait) => self.with("retry-after", wait.as_millis().div_ceil(1000).max(1).to_string()),
            None => self,
        }
    }

    pub(crate) fn into_response(self) -> Response<Body> {
        let (kind, body) = match self.body {
            Payload::None | Payload::Later(_) => (None, Body::empty()),
            Payload::Json(v) => (Some("application/json; charset=utf-8"), Body::from(v.to_string())),
            Payload::Text(kind, text) => (Some(kind), Body::from(text)),
        };
        let mut response = Response::new(body);
        *response.status_mut() = StatusCode::from_u16(self.status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        if let Some(kind) = kind {
            headers.insert("content-type", HeaderValue::from_static(kind));
        }
        for (name, value) in self.headers {
            if let Ok(value) = HeaderValue::from_str(&value) {
                headers.append(HeaderName::from_static(name), value);
            }
        }
        response
    }
}

fn decoded(segment: &str) -> String {
    percent_encoding::percent_decode_str(segment).decode_utf8_lossy().into_owned()
}
