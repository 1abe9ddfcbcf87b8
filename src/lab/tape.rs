//! What was asked and what was answered, word for word, for those who hold both against the vendors'
//! documents. Nothing is kept unless somebody asks for it.

use std::sync::{Arc, Mutex, PoisonError};

use serde_json::Value;

use super::http::{Answer, Payload, Req};

/// One request and its answer.
#[derive(Debug, Clone)]
pub struct Exchange {
    /// HTTP method.
    pub method: String,
    /// Path as sent, without the query.
    pub path: String,
    /// The query's parameters, decoded.
    pub query: Vec<(String, String)>,
    /// Media type of the request.
    pub request_type: Option<String>,
    /// Its body, where it is JSON.
    pub request: Option<Value>,
    /// Status that was answered.
    pub status: u16,
    /// Body of the answer, where it is JSON.
    pub answer: Option<Value>,
}

/// Keeps exchanges. Clones share what they keep.
#[derive(Debug, Clone, Default)]
pub struct Tape(Arc<Mutex<Vec<Exchange>>>);

impl Tape {
    /// Everything so far, oldest first.
    #[must_use]
    pub fn exchanges(&self) -> Vec<Exchange> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(crate) fn keep(&self, req: &Req, answer: &Answer) {
        let answered = match &answer.body {
            Payload::Json(body) => Some(body.clone()),
            Payload::None | Payload::Text(..) | Payload::Later(_) => None,
        };
        let exchange = Exchange {
            method: req.method.to_string(),
            path: req.path.clone(),
            query: req.query.clone(),
            request_type: req.header("content-type").map(str::to_owned),
            request: req.json(),
            status: answer.status,
            answer: answered,
        };
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(exchange);
    }
}
