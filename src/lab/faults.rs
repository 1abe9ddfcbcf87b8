//! Faults on demand: which request they wait for, and what they do to it.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::http::Req;
use super::scenario::{duration, optional_duration};
use crate::model::time::At;

/// A fault. It waits for a request that fits all its conditions, and happens `count` times.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Fault {
    /// HTTP method; any when left out.
    pub(crate) method: Option<String>,
    /// Path with `*` for one segment's text and `**` for any.
    pub(crate) path: String,
    /// Only requests whose path or body names an account of this person.
    pub(crate) person: Option<String>,
    /// Only requests whose body contains this.
    pub(crate) body: Option<String>,
    /// Not before so long after the start.
    #[serde(deserialize_with = "duration")]
    pub(crate) from: Duration,
    /// Not any more so long after the start, however often it has happened; for ever when left out.
    #[serde(deserialize_with = "optional_duration")]
    pub(crate) until: Option<Duration>,
    /// Requests that fit and are let through first.
    pub(crate) skip: usize,
    /// How often it happens: once when left out, or for as long as it lasts where it has an end.
    pub(crate) count: Option<usize>,
    /// Answer with this status before anything is done.
    pub(crate) status: Option<u16>,
    /// With the status: a `Retry-After` header, and an Okta reset.
    #[serde(deserialize_with = "optional_duration")]
    pub(crate) retry_after: Option<Duration>,
    /// Wait so long (of the machine's time) first.
    #[serde(deserialize_with = "optional_duration")]
    pub(crate) delay: Option<Duration>,
    /// Do the work, then spoil the answer.
    pub(crate) answer: Option<Spoil>,
}

/// What becomes of an answer whose work has been done.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Spoil {
    /// The connection ends without one.
    Lost,
    /// 200 with an empty body.
    Empty,
    /// 204.
    NoContent,
    /// JSON that ends in the middle.
    Malformed,
    /// A Log Analytics result with `PartialError` beside half of its rows.
    Partial,
}

impl Default for Fault {
    fn default() -> Self {
        Self {
            method: None,
            path: "/**".into(),
            person: None,
            body: None,
            from: Duration::ZERO,
            until: None,
            skip: 0,
            count: None,
            status: None,
            retry_after: None,
            delay: None,
            answer: None,
        }
    }
}

/// The faults that are still to happen.
#[derive(Default)]
pub(crate) struct Faults {
    waiting: Vec<(Fault, Vec<String>)>,
}

impl Faults {
    /// Adds a fault; `ids` are the identifiers of its person.
    pub(crate) fn add(&mut self, fault: Fault, ids: Vec<String>) {
        self.waiting.push((fault, ids));
    }

    /// The fault for this request, if one fits, counted down.
    pub(crate) fn take(&mut self, req: &Req, start: At) -> Option<Fault> {
        let hit = self.waiting.iter_mut().find(|(fault, ids)| fits(fault, ids, req, start))?;
        if hit.0.skip > 0 {
            hit.0.skip -= 1;
            return None;
        }
        let often = hit.0.count.unwrap_or(if hit.0.until.is_some() { usize::MAX } else { 1 });
        hit.0.count = Some(often.saturating_sub(1));
        let fault = hit.0.clone();
        self.waiting.retain(|(fault, _)| fault.count != Some(0));
        Some(fault)
    }

    pub(crate) fn left(&self) -> usize {
        self.waiting.len()
    }
}

fn fits(fault: &Fault, ids: &[String], req: &Req, start: At) -> bool {
    let body = || String::from_utf8_lossy(&req.body);
    let path = percent_encoding::percent_decode_str(&req.path).decode_utf8_lossy();
    fault.method.as_deref().is_none_or(|m| m.eq_ignore_ascii_case(req.method.as_str()))
        && req.at >= start.plus(fault.from)
        && fault.until.is_none_or(|until| req.at < start.plus(until))
        && glob(fault.path.as_bytes(), path.as_bytes())
        && fault.body.as_deref().is_none_or(|text| body().contains(text))
        && (fault.person.is_none() || ids.iter().any(|id| path.contains(id.as_str()) || body().contains(id.as_str())))
}

/// `*` stands for text without `/`, `**` for any text.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    match pattern {
        [] => text.is_empty(),
        [b'*', b'*', rest @ ..] => (0..=text.len()).any(|n| glob(rest, &text[n..])),
        [b'*', rest @ ..] => {
            let end = text.iter().position(|c| *c == b'/').unwrap_or(text.len());
            (0..=end).any(|n| glob(rest, &text[n..]))
        }
        [c, rest @ ..] => text.first() == Some(c) && glob(rest, &text[1..]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_lasts_from_its_beginning_up_to_before_its_end() {
        let fault = Fault { from: Duration::from_secs(10), until: Some(Duration::from_secs(20)), ..Fault::default() };
        let start = At::from_unix_seconds(1_000);
        let at = |second: u64| {
            let uri = axum::http::Uri::from_static("/v1.0/users");
            let at = start.plus(Duration::from_secs(second));
            let req = Req::new(axum::http::Method::GET, &uri, axum::http::HeaderMap::new(), Vec::new(), at);
            fits(&fault, &[], &req, start)
        };
        assert_eq!([9, 10, 19, 20].map(at), [false, true, true, false]);
    }

    #[test]
    fn a_fault_with_an_end_happens_each_time_and_another_once_unless_it_is_counted() {
        let start = At::from_unix_seconds(1_000);
        let times = |fault: Fault| {
            let mut faults = Faults::default();
            faults.add(fault, Vec::new());
            let uri = axum::http::Uri::from_static("/v1.0/users");
            let req = Req::new(axum::http::Method::GET, &uri, axum::http::HeaderMap::new(), Vec::new(), start);
            (0..5).filter(|_| faults.take(&req, start).is_some()).count()
        };
        let until = Some(Duration::from_secs(20));
        assert_eq!(times(Fault::default()), 1);
        assert_eq!(times(Fault { until, ..Fault::default() }), 5);
        assert_eq!(times(Fault { until, count: Some(2), ..Fault::default() }), 2);
    }

    #[test]
    fn a_glob_star_stays_in_its_segment_and_two_do_not() {
        for (pattern, text, holds) in [
            ("/v1.0/users/*", "/v1.0/users/a", true),
            ("/v1.0/users/*", "/v1.0/users/a/memberOf", false),
            ("**/invokeAction", "/v1.0/security/x/invokeAction", true),
            ("/**", "/anything/at/all", true),
            ("/v1.0/users", "/v1.0/user", false),
        ] {
            assert_eq!(glob(pattern.as_bytes(), text.as_bytes()), holds, "{pattern} {text}");
        }
    }
}
