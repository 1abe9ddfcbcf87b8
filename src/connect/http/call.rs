//! One request: a path template, the values for its places, and how long it may take.

use std::fmt;
use std::time::{Duration, Instant};

use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;
use url::Url;

use crate::connect::urgency::Urgency;

/// What is left as it is in a path segment: RFC 3986's unreserved characters.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// What is left as it is in a query: OData's `$select` stays readable.
const WORD: &AsciiSet = &SEGMENT.remove(b'$');

/// How long a call may take when nobody says otherwise, waiting for its turn included.
const DEADLINE: Duration = Duration::from_secs(60);

/// The methods in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Method {
    /// Reads.
    Get,
    /// Creates, acts, or asks a question too long for an address.
    Post,
    /// Puts in place.
    Put,
    /// Changes.
    Patch,
    /// Takes away.
    Delete,
}

impl Method {
    pub(super) const fn wire(self) -> reqwest::Method {
        match self {
            Self::Get => reqwest::Method::GET,
            Self::Post => reqwest::Method::POST,
            Self::Put => reqwest::Method::PUT,
            Self::Patch => reqwest::Method::PATCH,
            Self::Delete => reqwest::Method::DELETE,
        }
    }
}

impl fmt::Display for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Get => "GET",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
        })
    }
}

/// One request. Its values never appear in its `Debug` text.
#[derive(Clone)]
pub struct Call {
    pub(super) method: Method,
    pub(super) template: &'static str,
    pub(super) name: &'static str,
    pub(super) params: Vec<String>,
    pub(super) query: Vec<(String, String)>,
    pub(super) body: Option<Body>,
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) safe: bool,
    pub(super) permission: &'static str,
    pub(super) missing: &'static str,
    pub(super) stop_sending: Option<Instant>,
    pub(super) deadline: Duration,
}

/// What is sent.
#[derive(Clone)]
pub(super) enum Body {
    Json(Value),
    Form(Vec<(&'static str, String)>),
}

impl Call {
    /// A request by a template relative to the API's base: `users/{id}/revokeSignInSessions`.
    #[must_use]
    pub const fn new(method: Method, template: &'static str) -> Self {
        Self {
            method,
            template,
            name: template,
            params: Vec::new(),
            query: Vec::new(),
            body: None,
            headers: Vec::new(),
            safe: matches!(method, Method::Get),
            permission: "",
            missing: "",
            stop_sending: None,
            deadline: DEADLINE,
        }
    }

    /// A read.
    #[must_use]
    pub const fn get(template: &'static str) -> Self {
        Self::new(Method::Get, template)
    }

    /// A POST that may change something.
    #[must_use]
    pub const fn post(template: &'static str) -> Self {
        Self::new(Method::Post, template)
    }

    /// A PUT.
    #[must_use]
    pub const fn put(template: &'static str) -> Self {
        Self::new(Method::Put, template)
    }

    /// A PATCH.
    #[must_use]
    pub const fn patch(template: &'static str) -> Self {
        Self::new(Method::Patch, template)
    }

    /// A DELETE.
    #[must_use]
    pub const fn delete(template: &'static str) -> Self {
        Self::new(Method::Delete, template)
    }

    /// The value of the template's next place; it becomes exactly one path segment.
    #[must_use]
    pub fn param(mut self, value: impl fmt::Display) -> Self {
        self.params.push(value.to_string());
        self
    }

    /// A query parameter; its value is encoded.
    #[must_use]
    pub fn query(mut self, name: &str, value: impl fmt::Display) -> Self {
        self.query.push((name.to_owned(), value.to_string()));
        self
    }

    /// A JSON body.
    #[must_use]
    pub fn json(mut self, body: Value) -> Self {
        self.body = Some(Body::Json(body));
        self
    }

    /// A form as body.
    #[must_use]
    pub fn form<const N: usize>(mut self, fields: [(&'static str, String); N]) -> Self {
        self.body = Some(Body::Form(fields.into()));
        self
    }

    /// A further header.
    #[must_use]
    pub fn header(mut self, name: &'static str, value: impl fmt::Display) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    /// A POST that only asks: it may be repeated like a read.
    #[must_use]
    pub const fn only_asks(mut self) -> Self {
        self.safe = true;
        self
    }

    /// What a 403 means, as an order: "grant the application permission User.Read.All on Microsoft Graph".
    #[must_use]
    pub const fn permission(mut self, sentence: &'static str) -> Self {
        self.permission = sentence;
        self
    }

    /// What a 404 means, as an order: "check the workspace id in `[[workspaces]]`".
    #[must_use]
    pub const fn when_missing(mut self, sentence: &'static str) -> Self {
        self.missing = sentence;
        self
    }

    /// Nothing leaves after this moment, and the answer is not waited for beyond it either: a request
    /// that is cut there cannot be sent later.
    #[must_use]
    pub const fn stop_sending(mut self, at: Instant) -> Self {
        self.stop_sending = Some(at);
        self
    }

    /// A shorter name for failures than the whole template.
    #[must_use]
    pub const fn named(mut self, name: &'static str) -> Self {
        self.name = name;
        self
    }

    /// How long the call may take in all, waits for its turn and repeats included.
    #[must_use]
    pub const fn deadline(mut self, deadline: Duration) -> Self {
        self.deadline = deadline;
        self
    }

    /// How urgent it is: what changes something goes first, a read is as urgent as its task says.
    #[must_use]
    pub(super) fn urgency(&self) -> Urgency {
        if self.safe { Urgency::here() } else { Urgency::Effect }
    }

    /// `GET users/{id}`: the name of the call without any value.
    #[must_use]
    pub fn operation(&self) -> String {
        format!("{} {}", self.method, self.name)
    }

    /// The address below `base`.
    ///
    /// # Errors
    /// A sentence, when a value cannot be a path segment or the places and values do not match.
    pub(super) fn url(&self, base: &Url) -> Result<Url, String> {
        let mut path = base.path().trim_end_matches('/').to_owned();
        let mut params = self.params.iter();
        for part in self.template.split('/') {
            path.push('/');
            if is_place(part) {
                let value = params.next().ok_or("a value for a place in the path is missing")?;
                path.push_str(&segment(value)?);
            } else {
                path.push_str(part);
            }
        }
        if params.next().is_some() {
            return Err("there are more values than places in the path".to_owned());
        }
        let mut url = base.clone();
        url.set_path(&path);
        if url.path() != path {
            return Err("the path is not what it was made of".to_owned());
        }
        let query: Vec<String> =
            self.query.iter().map(|(name, value)| format!("{}={}", word(name), word(value))).collect();
        url.set_query((!query.is_empty()).then(|| query.join("&")).as_deref());
        url.set_fragment(None);
        Ok(url)
    }
}

impl fmt::Debug for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Call").field(&self.operation()).finish()
    }
}

/// `{id}` in a template.
pub(super) fn is_place(part: &str) -> bool {
    part.starts_with('{') && part.ends_with('}')
}

fn word(text: &str) -> percent_encoding::PercentEncode<'_> {
    utf8_percent_encode(text, WORD)
}

fn segment(value: &str) -> Result<String, String> {
    if value.is_empty() || value == "." || value == ".." {
        return Err("an empty value, `.` or `..` cannot be part of a path".to_owned());
    }
    if value.len() > 1024 || value.chars().any(char::is_control) {
        return Err("a value with control characters or of more than 1024 bytes cannot be part of a path".to_owned());
    }
    Ok(utf8_percent_encode(value, SEGMENT).to_string())
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn base() -> Url {
        "https://graph.microsoft.com/v1.0".parse().unwrap()
    }

    #[test]
    fn a_value_becomes_exactly_one_segment() {
        let call = Call::get("users/{id}/memberOf").param("a/b?c#d@x.y").query("$select", "id,a&b");
        let url = call.url(&base()).unwrap();
        assert_eq!(
            url.as_str(),
            "https://graph.microsoft.com/v1.0/users/a%2Fb%3Fc%23d%40x.y/memberOf?$select=id%2Ca%26b"
        );
    }

    #[test]
    fn values_that_would_walk_the_path_are_refused() {
        for value in ["", ".", "..", "a\nb", "a\0"] {
            assert!(Call::get("users/{id}").param(value).url(&base()).is_err(), "{value:?}");
        }
        assert!(Call::get("users/{id}").url(&base()).is_err());
        assert!(Call::get("users").param("x").url(&base()).is_err());
    }

    #[test]
    fn the_debug_text_holds_no_values() {
        let call = Call::get("users/{id}").param("adele").query("q", "secret").header("x", "secret");
        assert_eq!(format!("{call:?}"), "Call(\"GET users/{id}\")");
    }

    proptest! {
        #[test]
        fn no_value_changes_the_shape_of_the_path(value in "\\PC{0,40}|[./%\\\\?#]{1,6}") {
            if let Ok(url) = Call::get("groups/{id}/members/{id}/$ref").param(&value).param("m").url(&base()) {
                let parts: Vec<_> = url.path().split('/').collect();
                prop_assert_eq!(parts.len(), 7);
                prop_assert_eq!((parts[2], parts[4], parts[6]), ("groups", "members", "$ref"));
                prop_assert!(url.query().is_none() && url.fragment().is_none());
            }
        }
    }
}
