//! Microsoft Sentinel's incidents over Azure Resource Manager.

mod find;
mod wire;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::sync::Mutex;
use url::Url;

use super::http::{Allowed, Answer, Api, ApiOptions, BadBase, Call, Client, Method, Pace};
use super::kql_runner::KqlRunner;
use super::port::{Answered, Incidents};
use super::together::Together;
use super::token::Credentials;
use crate::journal::begun::BegunNote;
use crate::model::failure::{Failure, FailureKind, Provider};
use crate::model::incident::{Incident, IncidentRef};
use crate::model::scope::WorkspaceKey;
use crate::model::time::Clock;
use wire::Item;

const VERSION: &str = "2025-09-01";

/// Sentinel's limit for one comment, in characters.
const LONGEST_COMMENT: usize = 30_000;
const MAX_BODY: usize = 16 * 1024 * 1024;
const DEADLINE: Duration = Duration::from_secs(60);

macro_rules! incidents {
    ($rest:literal) => {
        concat!(
            "subscriptions/{subscription}/resourceGroups/{group}/providers/Microsoft.OperationalInsights/workspaces/",
            "{workspace}/providers/Microsoft.SecurityInsights/incidents",
            $rest
        )
    };
}
const LIST: &str = incidents!("");
const INCIDENT: &str = incidents!("/{incident}");
const ALERTS: &str = incidents!("/{incident}/alerts");
const COMMENT: &str = incidents!("/{incident}/comments/{comment}");

const READS: &[Allowed] = &[Allowed(Method::Get, LIST), Allowed(Method::Get, INCIDENT), Allowed(Method::Post, ALERTS)];
const WRITES: &[Allowed] = &[Allowed(Method::Put, INCIDENT), Allowed(Method::Put, COMMENT)];

const READER: &str = "give the identity the Azure role Microsoft Sentinel Reader on the workspace's resource group";
const RESPONDER: &str =
    "give the identity the Azure role Microsoft Sentinel Responder on the workspace's resource group";
const PLACE: &str =
    "check subscription, resource_group and workspace under [[workspaces]], and that the incident exists";

/// How often Azure Resource Manager may be asked, which counts reads and writes apart.
#[derive(Debug, Clone)]
pub struct Paces {
    /// Calls that only read.
    pub reads: Pace,
    /// Calls that change something.
    pub writes: Pace,
}

/// Azure Resource Manager of one cloud, as riposte calls it. Clones share paces.
#[derive(Debug, Clone)]
pub struct ResourceManager {
    reads: Api,
    writes: Api,
}

impl ResourceManager {
    /// Joins its address, credentials for its audience, and paces.
    ///
    /// # Errors
    /// When `host` cannot be the address of an API.
    pub fn new(client: &Client, host: &Url, auth: &Credentials, paces: Paces) -> Result<Self, BadBase> {
        let api = |allowed, pace| {
            let (base, auth) = (host.clone(), auth.clone());
            Api::new(client, ApiOptions { provider: Provider::Sentinel, base, auth, allowed, pace, max_body: MAX_BODY })
        };
        Ok(Self { reads: api(READS, paces.reads)?, writes: api(WRITES, paces.writes)? })
    }
}

/// Where a workspace lives in Azure.
#[derive(Debug, Clone)]
pub struct Place {
    /// The workspace's GUID.
    pub key: WorkspaceKey,
    /// The subscription's id.
    pub subscription: String,
    /// The resource group's name.
    pub resource_group: String,
    /// The workspace's name.
    pub workspace: String,
}

/// The incidents of one workspace.
pub struct Sentinel {
    api: ResourceManager,
    place: Place,
    table: Option<Arc<dyn KqlRunner>>,
    clock: Arc<dyn Clock>,
    recent: Mutex<Option<find::Recent>>,
    together: Together<Vec<String>, Vec<uuid::Uuid>>,
}

impl Sentinel {
    /// Incidents in `place`; alerts are looked up in `table` first, the workspace's `SecurityIncident`.
    #[must_use]
    pub fn new(api: ResourceManager, place: Place, table: Option<Arc<dyn KqlRunner>>, clock: Arc<dyn Clock>) -> Self {
        Self { api, place, table, clock, recent: Mutex::const_new(None), together: Together::new() }
    }

    fn call(&self, method: Method, template: &'static str) -> Call {
        Call::new(method, template)
            .param(&self.place.subscription)
            .param(&self.place.resource_group)
            .param(&self.place.workspace)
            .query("api-version", VERSION)
            .named(template.rsplit_once("SecurityInsights/").map_or(template, |(_, name)| name))
            .permission(if matches!(method, Method::Put) { RESPONDER } else { READER })
            .when_missing(PLACE)
            .deadline(DEADLINE)
    }

    /// One incident as it came; `None` when there is no such incident.
    async fn item(&self, name: uuid::Uuid) -> Result<Option<(Value, Item)>, Failure> {
        match self.api.reads.send(&self.call(Method::Get, INCIDENT).param(name)).await {
            Ok(answer) => {
                let raw: Value = answer.json()?;
                let item = serde_json::from_value(raw.clone())
                    .map_err(|_| answer.unreadable("the incident has not the documented shape"))?;
                Ok(Some((raw, item)))
            }
            Err(failure) if failure.kind == FailureKind::NotFound && !is_wrong_place(&failure) => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    fn ours(&self, incident: &IncidentRef, call: &Call) -> Result<uuid::Uuid, Failure> {
        if incident.workspace() == self.place.key {
            return Ok(incident.name());
        }
        Err(self.api.writes.not_attempted(call, "the incident belongs to another workspace"))
    }

    async fn put_label(&self, incident: &IncidentRef, label: &str) -> Result<Option<String>, Failure> {
        let name = self.ours(incident, &self.call(Method::Put, INCIDENT))?;
        for last in [false, true] {
            let put = self.call(Method::Put, INCIDENT).param(name);
            let Some((raw, item)) = self.item(name).await? else {
                return Err(self.api.writes.not_attempted(&put, "the incident is not there any more"));
            };
            if item.labels().iter().any(|known| known.eq_ignore_ascii_case(label)) {
                return Ok(None);
            }
            match self.api.writes.send(&put.json(wire::with_label(&raw, label))).await {
                Ok(answer) => return Ok(correlation(&answer)),
                // Somebody else wrote in between: their version is read and labelled, once.
                Err(failure) if failure.kind == FailureKind::Conflict && !last => {}
                Err(failure) => return Err(failure),
            }
        }
        Ok(None)
    }

    async fn put_comment(&self, note: &BegunNote) -> Result<Option<String>, Failure> {
        let call = self.call(Method::Put, COMMENT).stop_sending(note.stop_sending());
        let name = self.ours(note.incident(), &call)?;
        if note.text().chars().count() > LONGEST_COMMENT {
            return Err(self.api.writes.not_attempted(&call, "the note is longer than Sentinel's 30,000 characters"));
        }
        let call = call.param(name).param(note.id()).json(json!({ "properties": { "message": note.text() } }));
        let answer = self.api.writes.send(&call).await.map_err(full)?;
        Ok(correlation(&answer))
    }
}

#[async_trait]
impl Incidents for Sentinel {
    async fn locate(&self, alert_ids: &[String]) -> Result<Option<Incident>, Failure> {
        find::locate(self, alert_ids).await
    }

    async fn read(&self, incident: &IncidentRef) -> Result<Option<Incident>, Failure> {
        let name = self.ours(incident, &self.call(Method::Get, INCIDENT))?;
        Ok(self.item(name).await?.and_then(|(_, item)| item.incident(self.place.key)))
    }

    async fn post(&self, note: BegunNote) -> Answered {
        answered(self.put_comment(&note).await)
    }

    async fn label(&self, incident: &IncidentRef, label: &str) -> Answered {
        answered(self.put_label(incident, label).await)
    }
}

fn answered(result: Result<Option<String>, Failure>) -> Answered {
    match result {
        Ok(correlation) => Answered::Accepted { correlation },
        Err(failure) => Answered::Failed(failure),
    }
}

fn correlation(answer: &Answer) -> Option<String> {
    let id = answer.header("x-ms-correlation-request-id").or_else(|| answer.header("x-ms-request-id"))?;
    Some(crate::model::text::clip(id, 64))
}

/// An incident that is full stays full: repeating cannot help.
fn full(mut failure: Failure) -> Failure {
    let words = failure.vendor.as_ref().map(|words| words.message.to_ascii_lowercase()).unwrap_or_default();
    let refused = matches!(failure.kind, FailureKind::Refused | FailureKind::Conflict);
    if refused && words.contains("comment") && ["limit", "maximum", "exceed"].iter().any(|word| words.contains(word)) {
        failure.kind = FailureKind::Refused;
        "the incident holds Sentinel's 100 comments; delete some, or read the rest with `riposte actions list`"
            .clone_into(&mut failure.hint);
    }
    failure
}

/// A 404 that is about the settings and not about the incident.
fn is_wrong_place(failure: &Failure) -> bool {
    failure.vendor.as_ref().is_some_and(|words| {
        ["ResourceGroupNotFound", "SubscriptionNotFound", "InvalidSubscriptionId"].contains(&words.code.as_str())
            || words.message.contains("Microsoft.OperationalInsights/workspaces")
    })
}

#[cfg(test)]
mod tests;
