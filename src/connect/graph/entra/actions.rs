//! What can be done to an Entra account: one request each.

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::json;
use url::Url;
use uuid::Uuid;

use super::{CONFIRM_COMPROMISED, DISMISS_RISK, GROUP_MEMBER_REF, GROUP_MEMBERS_REF, REVOKE_SESSIONS, USER};
use crate::connect::graph::Graph;
use crate::connect::graph::common::{answered, request_id};
use crate::connect::http::{Api, Call};
use crate::connect::port::{Answered, Effector};
use crate::journal::begun::Begun;
use crate::model::account::AccountRef;
use crate::model::action::{Action, Subject};
use crate::model::failure::{Failure, FailureKind};
use crate::model::intent::{GroupRef, Intent, Verb};
use crate::model::observation::Observation;
use crate::model::offer::Route;
use crate::model::secret::Secret;
use crate::model::time::{At, Clock};

const SWITCH: &str = "grant the application permission User.EnableDisableAccount.All on Microsoft Graph; if the user holds an \
     administrator role or is in a role-assignable group, riposte's identity also needs the directory role Privileged \
     Authentication Administrator";
const SESSIONS: &str = "grant the application permission User.RevokeSessions.All on Microsoft Graph";
const PASSWORD: &str = "grant the application permission User-PasswordProfile.ReadWrite.All on Microsoft Graph and give riposte's \
     identity the directory role User Administrator, or for users with an administrator role Privileged Authentication \
     Administrator";
const GROUPS: &str = "grant the application permission GroupMember.ReadWrite.All on Microsoft Graph; a role-assignable group also \
     needs RoleManagement.ReadWrite.Directory";
pub(super) const RISK: &str =
    "grant the application permission IdentityRiskyUser.ReadWrite.All on Microsoft Graph; the tenant needs Entra ID P2";

/// Entra's part of a response.
pub struct EntraActions {
    pub(super) directory: Api,
    pub(super) risk: Api,
    pub(super) clock: Arc<dyn Clock>,
    root: Url,
}

impl EntraActions {
    /// Acts over Graph's directory and identity protection.
    #[must_use]
    pub fn new(graph: &Graph, clock: Arc<dyn Clock>) -> Self {
        let Graph { directory, identity_protection, root, .. } = graph.clone();
        Self { directory, risk: identity_protection, clock, root }
    }

    /// What this route never does: nothing was sent, and trying again would change nothing.
    pub(super) fn refuse(&self, why: &str) -> Failure {
        Failure { kind: FailureKind::Refused, ..self.directory.not_attempted(&Call::patch(USER), why) }
    }

    /// The one request that an action is.
    fn request(&self, action: &Action) -> Result<(&Api, Call), &'static str> {
        let AccountRef::Entra(id) = action.subject.account else { return Err("the account is not in Entra") };
        let group = || match &action.key.intent.group {
            Some(GroupRef::Entra(group)) => Ok(*group),
            Some(GroupRef::Ad(_) | GroupRef::Okta(_)) | None => Err("the group is not in Entra"),
        };
        let directory = |call| Ok((&self.directory, call));
        match action.key.intent.verb {
            Verb::SuspendEntraUser => directory(switch(id, false)),
            Verb::RestoreEntraUser => directory(switch(id, true)),
            Verb::RevokeSessions => directory(Call::post(REVOKE_SESSIONS).param(id).permission(SESSIONS)),
            Verb::RequirePasswordChange | Verb::ScramblePassword if action.hybrid => {
                Err("the user is synced from Active Directory, which is the authority over the password; require the \
                     change there")
            }
            Verb::RequirePasswordChange => directory(password(id, None)),
            Verb::ScramblePassword => directory(password(id, Some(&nobodys_password()))),
            Verb::MarkCompromised => Ok((&self.risk, risk(CONFIRM_COMPROMISED, id))),
            Verb::DismissRisk => Ok((&self.risk, risk(DISMISS_RISK, id))),
            Verb::RemoveFromGroup => directory(remove_member(group()?, id)),
            Verb::AddToGroup => directory(self.add_member(group()?, id)),
            Verb::DisableAdUser
            | Verb::EnableAdUser
            | Verb::SuspendOktaUser
            | Verb::UnsuspendOktaUser
            | Verb::DeactivateOktaUser => Err("this route does not do that"),
        }
    }

    fn add_member(&self, group: Uuid, member: Uuid) -> Call {
        let member = format!("{}/directoryObjects/{member}", self.root.as_str().trim_end_matches('/'));
        Call::post(GROUP_MEMBERS_REF).param(group).json(json!({ "@odata.id": member })).permission(GROUPS)
    }
}

#[async_trait]
impl Effector for EntraActions {
    fn route(&self) -> Route {
        Route::Entra
    }

    async fn observe(&self, subject: &Subject, intent: &Intent, since: Option<At>) -> Result<Observation, Failure> {
        self.look(subject, intent, since).await
    }

    async fn apply(&self, go: Begun) -> Answered {
        let action = go.action();
        let (api, call) = match self.request(action) {
            Ok((api, call)) => (api, call.stop_sending(go.stop_sending())),
            Err(why) => return Answered::Failed(self.refuse(why)),
        };
        match api.send(&call).await {
            // Not being a member any more is what was wanted; the look that follows tells it from a
            // group or user that is gone.
            Err(failure)
                if failure.kind == FailureKind::NotFound && action.key.intent.verb == Verb::RemoveFromGroup =>
            {
                Answered::Accepted { correlation: failure.vendor.and_then(|words| words.request_id) }
            }
            other => answered(other, request_id),
        }
    }
}

impl std::fmt::Debug for EntraActions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("EntraActions").field(&self.directory).finish()
    }
}

fn switch(id: Uuid, enabled: bool) -> Call {
    Call::patch(USER).param(id).json(json!({ "accountEnabled": enabled })).permission(SWITCH)
}

fn password(id: Uuid, new: Option<&Secret>) -> Call {
    let mut profile = json!({"forceChangePasswordNextSignIn": true});
    if let Some(new) = new {
        profile["password"] = json!(new.expose());
    }
    Call::patch(USER).param(id).json(json!({ "passwordProfile": profile })).permission(PASSWORD)
}

/// A password of 244 random bits that is sent once and kept nowhere. The letters in front satisfy rules
/// about kinds of characters.
#[expect(clippy::disallowed_methods, reason = "a password is the one thing that must not be derived")]
fn nobodys_password() -> Secret {
    Secret::new(format!("Aa1!{}{}", Uuid::new_v4().simple(), Uuid::new_v4().simple()))
}

fn risk(template: &'static str, id: Uuid) -> Call {
    Call::post(template).json(json!({"userIds": [id]})).permission(RISK)
}

/// The only place where this request is made: with the user's id as the last part of the path it
/// would delete the user.
fn remove_member(group: Uuid, member: Uuid) -> Call {
    Call::delete(GROUP_MEMBER_REF).param(group).param(member).permission(GROUPS)
}
