//! What came back.

use std::fmt;

use reqwest::header::HeaderMap;
use serde::Deserialize;

use crate::model::failure::{Failure, FailureKind, Provider, Sent};

/// A successful answer, read whole within the API's size limit.
pub struct Answer {
    /// Who answered.
    pub provider: Provider,
    /// To which call, as `GET users/{id}`.
    pub operation: String,
    /// HTTP status, 200 to 299.
    pub status: u16,
    /// Its headers.
    pub headers: HeaderMap,
    /// Its body after decompression; empty with 204.
    pub body: Vec<u8>,
}

impl Answer {
    /// The body as JSON.
    ///
    /// # Errors
    /// [`FailureKind::Unreadable`] with the place and kind of the mistake; never with the body itself.
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, Failure> {
        serde_json::from_slice(&self.body).map_err(|error| {
            let what = match error.classify() {
                serde_json::error::Category::Io => "could not be read",
                serde_json::error::Category::Syntax => "is not JSON",
                serde_json::error::Category::Data => "has not the documented shape",
                serde_json::error::Category::Eof => "ends in the middle",
            };
            self.unreadable(&format!("the answer {what} (line {}, column {})", error.line(), error.column()))
        })
    }

    /// A header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name)?.to_str().ok()
    }

    /// A failure that says why the answer cannot be used. `why` is ours: no text of the answer.
    #[must_use]
    pub fn unreadable(&self, why: &str) -> Failure {
        Failure {
            provider: self.provider,
            operation: self.operation.clone(),
            kind: FailureKind::Unreadable,
            sent: Sent::Answered,
            vendor: None,
            hint: why.to_owned(),
        }
    }
}

impl fmt::Debug for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Answer({}: {}, {} bytes)", self.operation, self.status, self.body.len())
    }
}
