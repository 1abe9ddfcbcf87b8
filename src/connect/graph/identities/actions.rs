//! What Defender for Identity's sensors do in Active Directory, and how it shows.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};

use super::{AuditRecords, INVOKE_ACTION, PasswordPolicy, by_sid, wire};
use crate::connect::graph::Graph;
use crate::connect::graph::common::answered;
use crate::connect::http::{Api, Call};
use crate::connect::port::{Answered, Effector};
use crate::journal::begun::Begun;
use crate::model::account::{AccountRef, Sid};
use crate::model::action::Subject;
use crate::model::failure::Failure;
use crate::model::intent::{Intent, Verb};
use crate::model::observation::{Fact, Observation, Witness};
use crate::model::offer::Route;
use crate::model::time::{At, Clock};

const PERMISSION: &str = "grant the application permission SecurityIdentitiesActions.ReadWrite.All on Microsoft Graph; \
     if it is granted, give riposte's identity a role with Response (manage) in Defender's unified RBAC";
const MISSING: &str = "Defender for Identity does not know the identity; check that a sensor covers its domain";

/// `invokeAction` on Active Directory accounts.
pub struct DefenderActions {
    api: Api,
    clock: Arc<dyn Clock>,
    records: Option<Arc<dyn AuditRecords>>,
    passwords: Option<Arc<dyn PasswordPolicy>>,
}

impl DefenderActions {
    /// Acts over Graph. Without `records` an effect is seen in Defender's own mirror only, and a forced
    /// password change not at all; without `passwords` it is not known whose password never expires.
    #[must_use]
    pub fn new(
        graph: &Graph,
        clock: Arc<dyn Clock>,
        records: Option<Arc<dyn AuditRecords>>,
        passwords: Option<Arc<dyn PasswordPolicy>>,
    ) -> Self {
        Self { api: graph.security.clone(), clock, records, passwords }
    }

    fn seen(&self, by: Witness, fact: Fact) -> Observation {
        Observation { at: self.clock.now(), by, fact }
    }

    /// The later of the records of having been disabled and enabled since our call. Records are a
    /// stronger proof than the mirror, but not having them is no reason not to look there.
    async fn switched(&self, subject: &Subject, since: Option<At>) -> Option<Observation> {
        let (records, since) = (self.records.as_ref()?, since?);
        let (disabled, enabled) = tokio::join!(
            records.last(subject, Verb::DisableAdUser, since),
            records.last(subject, Verb::EnableAdUser, since)
        );
        match (disabled, enabled) {
            (Ok(None), Ok(None)) => None,
            (Ok(disabled), Ok(enabled)) => Some(self.seen(Witness::DirectoryEvents, Fact::Enabled(enabled > disabled))),
            (Err(failure), _) | (_, Err(failure)) => {
                tracing::warn!("directory events cannot be read, so Defender's mirror has to do: {failure}");
                None
            }
        }
    }

    async fn mirrored(&self, subject: &Subject, sid: &Sid, intent: &Intent) -> Result<Observation, Failure> {
        let mut identities = by_sid(&self.api, sid).await?;
        if let (Some(handle), true) = (&subject.handle, identities.len() > 1) {
            identities.retain(|identity| identity.id == handle.identity);
        }
        match identities.as_slice() {
            [] => Ok(self.seen(Witness::Defender, Fact::Absent)),
            [one] => match one.enabled {
                Some(enabled) => Ok(self.seen(Witness::Defender, Fact::Enabled(enabled))),
                None => Err(self.refuse(intent, "the identity does not say whether it is enabled")),
            },
            [_, _, ..] => Err(self.refuse(intent, "several identities have the account's SID")),
        }
    }

    async fn password(&self, subject: &Subject, since: Option<At>) -> Result<Observation, Failure> {
        let never_expires = match &self.passwords {
            Some(policy) => policy.never_expires(subject).await?,
            None => None,
        };
        let changed = match (&self.records, since) {
            (Some(records), Some(since)) => records.last(subject, Verb::RequirePasswordChange, since).await?,
            (Some(_), None) | (None, _) => None,
        };
        let by = if changed.is_some() { Witness::DirectoryEvents } else { Witness::IdentityInfo };
        Ok(self.seen(by, Fact::Password { never_expires, changed }))
    }

    fn refuse(&self, intent: &Intent, why: &str) -> Failure {
        let mut failure = self.api.not_attempted(&Call::post(INVOKE_ACTION), why);
        failure.hint = format!("{} by Defender for Identity: {why}", intent.verb);
        failure
    }
}

#[async_trait]
impl Effector for DefenderActions {
    fn route(&self) -> Route {
        Route::Defender
    }

    async fn observe(&self, subject: &Subject, intent: &Intent, since: Option<At>) -> Result<Observation, Failure> {
        let AccountRef::Ad(sid) = &subject.account else {
            return Err(self.refuse(intent, "the account is not in Active Directory"));
        };
        match word(intent.verb) {
            Some("forcePasswordReset") => self.password(subject, since).await,
            Some(_) => match self.switched(subject, since).await {
                Some(seen) => Ok(seen),
                None => self.mirrored(subject, sid, intent).await,
            },
            None => Err(self.refuse(intent, "this route does not do that")),
        }
    }

    async fn apply(&self, go: Begun) -> Answered {
        let (subject, intent) = (&go.action().subject, &go.action().key.intent);
        let (AccountRef::Ad(_), Some(handle), Some(word)) = (&subject.account, &subject.handle, word(intent.verb))
        else {
            let why = "it needs an Active Directory account that Defender for Identity knows, and one of its actions";
            return Answered::Failed(self.refuse(intent, why));
        };
        let call = Call::post(INVOKE_ACTION)
            .param(&handle.identity)
            .json(json!({"accountId": handle.account, "action": word, "identityProvider": "activeDirectory"}))
            .permission(PERMISSION)
            .when_missing(MISSING)
            .stop_sending(go.stop_sending());
        // A body that cannot be read does not change that the call was accepted.
        answered(self.api.send(&call).await, |answer| wire::correlation(&answer.json::<Value>().ok()?))
    }
}

impl std::fmt::Debug for DefenderActions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("DefenderActions").field(&self.api).finish()
    }
}

/// The vendor's word for an intent, of those documented for Active Directory.
const fn word(verb: Verb) -> Option<&'static str> {
    match verb {
        Verb::DisableAdUser => Some("disable"),
        Verb::EnableAdUser => Some("enable"),
        Verb::RequirePasswordChange => Some("forcePasswordReset"),
        Verb::ScramblePassword
        | Verb::MarkCompromised
        | Verb::DismissRisk
        | Verb::SuspendEntraUser
        | Verb::RestoreEntraUser
        | Verb::RevokeSessions
        | Verb::SuspendOktaUser
        | Verb::UnsuspendOktaUser
        | Verb::DeactivateOktaUser
        | Verb::RemoveFromGroup
        | Verb::AddToGroup => None,
    }
}
