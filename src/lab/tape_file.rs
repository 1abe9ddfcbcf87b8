//! What was asked and when, a line of JSON for each request, for those who measure, or ask the same again.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Write as _;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

use axum::http::Uri;
use serde::{Deserialize, Serialize};

use super::http::Req;
use super::world::template;
use crate::model::time::At;

/// One request as it came in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Heard {
    /// When it was there whole, by the lab's clock.
    pub came: At,
    /// When its answer was ready to be sent.
    pub went: At,
    /// HTTP method.
    pub method: String,
    /// Path and query, as sent.
    pub target: String,
    /// Method and path with `{id}` in the place of ids: requests of one kind have the same.
    pub kind: String,
    /// Its headers, but for those that belong to a connection or are new each time.
    pub headers: BTreeMap<String, String>,
    /// Its body, as text.
    pub body: String,
    /// Status that was answered; 0 where the answer was lost on purpose.
    pub status: u16,
}

/// Headers that every client makes for itself.
const OF_THE_CONNECTION: [&str; 6] =
    ["host", "content-length", "connection", "user-agent", "accept-encoding", "transfer-encoding"];

/// Where requests are written down. Clones write into the same file.
#[derive(Debug, Clone)]
pub struct TapeFile(Arc<Mutex<File>>);

impl TapeFile {
    /// Begins a new file.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn create(path: &Path) -> std::io::Result<Self> {
        Ok(Self(Arc::new(Mutex::new(File::create(path)?))))
    }

    /// Writes a request down, whole, so that a lab may die at any time. The lab's own paths are no request of anybody's.
    pub(crate) fn keep(&self, req: &Req, uri: &Uri, status: u16, came: At, went: At) {
        if req.path.starts_with("/_lab/") {
            return;
        }
        let named = req.headers.iter().filter_map(|(name, value)| Some((name.as_str(), value.to_str().ok()?)));
        let headers = named.filter(|(name, _)| !OF_THE_CONNECTION.contains(name));
        let heard = Heard {
            came,
            went,
            method: req.method.to_string(),
            target: uri.path_and_query().map_or_else(|| req.path.clone(), ToString::to_string),
            kind: template(req),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).collect(),
            body: String::from_utf8_lossy(&req.body).into_owned(),
            status,
        };
        let Ok(mut line) = serde_json::to_vec(&heard) else { return };
        line.push(b'\n');
        // A tape with a gap is noticed by whoever counts; a lab that stops answering would spoil more.
        let _ = self.0.lock().unwrap_or_else(PoisonError::into_inner).write_all(&line);
    }
}

#[cfg(test)]
mod tests {
    use axum::http::{HeaderMap, Method};

    use super::*;

    #[test]
    fn a_request_is_written_down_so_that_it_can_be_asked_again() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let tape = TapeFile::create(file.path()).unwrap();
        let mut headers = HeaderMap::new();
        headers.insert("host", "127.0.0.1".parse().unwrap());
        headers.insert("prefer", "wait=60".parse().unwrap());
        let (came, went) = (At::from_unix_seconds(5), At::from_unix_seconds(6));
        let keep = |uri: Uri| {
            let req = Req::new(Method::GET, &uri, headers.clone(), b"{}".to_vec(), came);
            tape.keep(&req, &uri, 200, came, went);
        };
        keep("/v1.0/users/adele%40contoso.com?$select=id".parse().unwrap());
        keep("/_lab/state".parse().unwrap());
        let text = std::fs::read_to_string(file.path()).unwrap();
        let heard: Vec<Heard> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!(heard.len(), 1, "the lab's own paths are left out");
        assert_eq!(heard[0].target, "/v1.0/users/adele%40contoso.com?$select=id");
        assert_eq!(heard[0].kind, "GET /v1.0/users/{id}");
        assert_eq!(heard[0].headers, BTreeMap::from([("prefer".to_owned(), "wait=60".to_owned())]));
        assert_eq!((heard[0].came, heard[0].went, heard[0].body.as_str()), (came, went, "{}"));
    }
}
