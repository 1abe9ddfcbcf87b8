//! Defender's incidents: comments and tags through Graph.
//!
//! A comment has no id of our choosing, and cannot be changed or taken back (`/security/incidents/{id}/comments`). So
//! each of ours ends in its note's id, and nothing is posted before the incident was searched for it. Defender merges
//! incidents: the old one names the new one (`redirectIncidentId`), and both are searched.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::Deserialize;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use url::Url;

use super::MAX_BODY;
use super::common::request_id;
use crate::connect::http::{Allowed, Api, ApiOptions, BadBase, Call, Client, Method, Pace};
use crate::connect::token::Credentials;
use crate::journal::begun::BegunNote;
use crate::model::failure::{Failure, FailureKind, Provider};
use crate::model::id::NoteId;
use crate::model::incident::{GRAPH_COMMENT, length};
use crate::model::time::{At, Clock};

/// One incident.
pub const INCIDENT: &str = "security/incidents/{incident}";
/// Its comments.
pub const COMMENTS: &str = "security/incidents/{incident}/comments";

const ALLOWED: &[Allowed] =
    &[Allowed(Method::Get, INCIDENT), Allowed(Method::Patch, INCIDENT), Allowed(Method::Post, COMMENTS)];

const PERMISSION: &str = "grant the application permission SecurityIncident.ReadWrite.All on Microsoft Graph to the \
     identity that writes comments";
const MISSING: &str = "check that the incident exists in the Defender portal";

/// Defender moves an incident into another, and that into the next; more often than so it is no chain but a mistake.
const LONGEST_CHAIN: usize = 20;
/// So long a missing permission counts as missing.
const KNOWN_FOR: Duration = Duration::from_secs(900);
const DEADLINE: Duration = Duration::from_secs(60);

/// Defender's incidents.
pub struct DefenderIncidents {
    api: Api,
    clock: Arc<dyn Clock>,
    /// When a permission was found to be missing.
    forbidden: Mutex<Option<At>>,
}

/// An incident as it was read. Any field may be null.
#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Item {
    redirect_incident_id: Option<Value>,
    custom_tags: Option<Vec<Value>>,
    comments: Option<Vec<Value>>,
}

/// An incident with those that were merged into it on the way there.
struct Chain {
    /// The id of the last.
    id: String,
    last: Item,
    /// The texts of all comments on the way.
    texts: Vec<String>,
}

impl DefenderIncidents {
    /// Incidents below `root` (`https://graph.microsoft.com/v1.0`), at the pace of Graph's `/security`.
    ///
    /// # Errors
    /// When `root` cannot be the address of an API.
    pub fn new(
        client: &Client,
        root: &Url,
        auth: &Credentials,
        pace: Pace,
        clock: Arc<dyn Clock>,
    ) -> Result<Self, BadBase> {
        let (base, auth) = (root.clone(), auth.clone());
        let options =
            ApiOptions { provider: Provider::Defender, base, auth, allowed: ALLOWED, pace, max_body: MAX_BODY };
        Ok(Self { api: Api::new(client, options)?, clock, forbidden: Mutex::const_new(None) })
    }

    /// Whether this incident can be read there: not where the permission is missing, nor where Graph does not know it.
    ///
    /// # Errors
    /// When nobody can say at the moment.
    pub async fn knows(&self, id: &str) -> Result<bool, Failure> {
        let now = self.clock.now();
        if self.forbidden.lock().await.is_some_and(|at| at <= now && now.since(at) < KNOWN_FOR) {
            return Ok(false);
        }
        match self.item(id, None).await {
            Ok(_) => Ok(true),
            Err(failure) if failure.kind == FailureKind::Forbidden => {
                self.forbid(&failure).await;
                Ok(false)
            }
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(false),
            Err(failure) => Err(failure),
        }
    }

    /// A permission is missing: for a while nobody asks again.
    pub async fn forbid(&self, failure: &Failure) {
        tracing::warn!("comments on Defender's incidents go to Sentinel: {failure}");
        *self.forbidden.lock().await = Some(self.clock.now());
    }

    /// Posts a note once: one that stands there already is left alone. Gives what Graph calls the call.
    ///
    /// # Errors
    /// When it may not stand there.
    pub async fn post(&self, id: &str, note: &BegunNote) -> Result<Option<String>, Failure> {
        let text = signed(note.text(), note.id());
        let call = call(Method::Post, COMMENTS).stop_sending(note.stop_sending());
        if length(&text) > GRAPH_COMMENT {
            return Err(self.api.not_attempted(&call, "the note is longer than Graph's 1,000 characters"));
        }
        let chain = self.chain(id, Some(note.stop_sending())).await?;
        if chain.texts.iter().any(|text| text.contains(&mark(note.id()))) {
            return Ok(None);
        }
        let body = json!({"@odata.type": "microsoft.graph.security.alertComment", "comment": text});
        let answer = self.api.send(&call.param(&chain.id).json(body)).await?;
        Ok(request_id(&answer))
    }

    /// Adds a tag to those that are there. Graph has no etag for it: a tag that somebody sets in the same moment may be
    /// lost.
    ///
    /// # Errors
    /// When it may not stand there.
    pub async fn tag(&self, id: &str, tag: &str) -> Result<Option<String>, Failure> {
        let chain = self.chain(id, None).await?;
        let mut tags = chain.last.custom_tags.unwrap_or_default();
        if tags.iter().filter_map(Value::as_str).any(|known| known.eq_ignore_ascii_case(tag)) {
            return Ok(None);
        }
        tags.retain(Value::is_string);
        tags.push(json!(tag));
        let call = call(Method::Patch, INCIDENT).param(&chain.id).json(json!({"customTags": tags}));
        Ok(request_id(&self.api.send(&call).await?))
    }

    async fn item(&self, id: &str, stop: Option<Instant>) -> Result<Item, Failure> {
        let call = call(Method::Get, INCIDENT).param(id);
        let call = if let Some(stop) = stop { call.stop_sending(stop) } else { call };
        let answer = self.api.send(&call).await?;
        answer.json()
    }

    /// Follows the redirects from an incident to the one that counts.
    async fn chain(&self, id: &str, stop: Option<Instant>) -> Result<Chain, Failure> {
        let (mut id, mut met, mut texts) = (id.to_owned(), BTreeSet::new(), Vec::new());
        while met.insert(id.clone()) && met.len() <= LONGEST_CHAIN {
            let item = self.item(&id, stop).await?;
            let words = |comment: &Value| comment.get("comment").and_then(Value::as_str).map(str::to_owned);
            texts.extend(item.comments.iter().flatten().filter_map(words));
            match next(&item) {
                Some(next) => id = next,
                None => return Ok(Chain { id, last: item, texts }),
            }
        }
        let call = call(Method::Get, INCIDENT);
        Err(super::common::unreadable(&self.api, &call, "incidents that were merged lead to no end"))
    }
}

fn call(method: Method, template: &'static str) -> Call {
    Call::new(method, template).permission(PERMISSION).when_missing(MISSING).deadline(DEADLINE)
}

/// The incident into which this one was merged.
fn next(item: &Item) -> Option<String> {
    match item.redirect_incident_id.as_ref()? {
        Value::String(id) => Some(id.clone()).filter(|id| !id.is_empty()),
        Value::Number(id) => Some(id.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => None,
    }
}

/// What is posted: the text, and by what it is found again.
fn signed(text: &str, note: NoteId) -> String {
    format!("{text}\n{}", mark(note))
}

/// Brackets do not come from a text of ours.
fn mark(note: NoteId) -> String {
    format!("[riposte {note}]")
}

#[cfg(test)]
mod tests;
