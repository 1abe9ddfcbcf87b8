//! What can be done to an Okta account, and how it shows.

use std::sync::Arc;

use async_trait::async_trait;

use super::people::one;
use super::query::Filter;
use super::wire::{Group, LogEvent};
use super::{
    DEACTIVATE, GROUP_MEMBER, GROUPS, LOGS, Orgs, READ_LOGS, READ_USERS, SESSIONS, SUSPEND, UNSUSPEND, all, refuse,
};
use crate::connect::http::{Api, Call};
use crate::connect::port::{Answered, Effector};
use crate::journal::begun::Begun;
use crate::model::account::{AccountRef, OktaId};
use crate::model::action::Subject;
use crate::model::failure::{Failure, FailureKind, Sent};
use crate::model::intent::{GroupRef, Intent, Verb};
use crate::model::observation::{Fact, Observation, Witness};
use crate::model::offer::Route;
use crate::model::text::clip;
use crate::model::time::{At, Clock};

/// The log's name for an administrator's clearing of sessions.
const CLEARED: &str = "user.session.clear";
/// The most log entries in one answer.
const LOG_PAGE: u32 = 1000;

const MANAGE_USERS: &str = "the service app needs the scope okta.users.manage and a role that may manage this user; of an API token, its \
     administrator needs the role; only a super administrator may act on administrators";
const MANAGE_GROUPS: &str = "the service app needs the scope okta.groups.manage and a role that may manage this group; of an API token, its \
     administrator needs the role";

/// Okta's part of a response.
pub struct OktaActions {
    orgs: Orgs,
    clock: Arc<dyn Clock>,
}

impl OktaActions {
    /// Acts in these orgs.
    #[must_use]
    pub fn new(orgs: Orgs, clock: Arc<dyn Clock>) -> Self {
        Self { orgs, clock }
    }

    fn place<'a>(&'a self, subject: &'a Subject) -> Result<(&'a Api, &'a OktaId), &'static str> {
        let AccountRef::Okta { org, id } = &subject.account else { return Err("the account is not in Okta") };
        // Okta reads `me` as the owner of the API token.
        if id.as_str().eq_ignore_ascii_case("me") {
            return Err("the account's id is none");
        }
        let api = self.orgs.get(org).ok_or("the account's org is not in the settings")?;
        Ok((api, id))
    }

    /// The one request that an intent is. Okta suspends from ACTIVE only and says `E0000001`
    /// otherwise; that is the vendor's own word and is handed on as it is.
    fn request<'a>(&'a self, subject: &'a Subject, intent: &Intent) -> Result<(&'a Api, Call), &'static str> {
        let (api, user) = self.place(subject)?;
        let of_user = |call: Call| call.param(user).permission(MANAGE_USERS);
        let call = match intent.verb {
            Verb::SuspendOktaUser => of_user(Call::post(SUSPEND)),
            Verb::UnsuspendOktaUser => of_user(Call::post(UNSUSPEND)),
            Verb::DeactivateOktaUser => of_user(Call::post(DEACTIVATE)).query("sendEmail", false),
            // Without `oauthTokens` the tokens of apps live on; devices stay trusted, they are no session.
            Verb::RevokeSessions => {
                of_user(Call::delete(SESSIONS)).query("oauthTokens", true).query("forgetDevices", false)
            }
            Verb::RemoveFromGroup => of_group(Call::delete(GROUP_MEMBER), group(intent)?, user),
            Verb::AddToGroup => of_group(Call::put(GROUP_MEMBER), group(intent)?, user),
            Verb::DisableAdUser
            | Verb::EnableAdUser
            | Verb::RequirePasswordChange
            | Verb::ScramblePassword
            | Verb::MarkCompromised
            | Verb::DismissRisk
            | Verb::SuspendEntraUser
            | Verb::RestoreEntraUser => return Err("this route does not do that"),
        };
        Ok((api, call))
    }
}

#[async_trait]
impl Effector for OktaActions {
    fn route(&self) -> Route {
        Route::Okta
    }

    async fn observe(&self, subject: &Subject, intent: &Intent, since: Option<At>) -> Result<Observation, Failure> {
        let (api, user) = self.place(subject).map_err(refuse)?;
        let (by, fact) = match intent.verb {
            Verb::SuspendOktaUser | Verb::UnsuspendOktaUser | Verb::DeactivateOktaUser => {
                (Witness::Okta, status(api, user).await?)
            }
            Verb::RevokeSessions => (Witness::OktaLog, cleared(api, user, since).await?),
            Verb::RemoveFromGroup | Verb::AddToGroup => {
                (Witness::Okta, member(api, user, group(intent).map_err(refuse)?).await?)
            }
            Verb::DisableAdUser
            | Verb::EnableAdUser
            | Verb::RequirePasswordChange
            | Verb::ScramblePassword
            | Verb::MarkCompromised
            | Verb::DismissRisk
            | Verb::SuspendEntraUser
            | Verb::RestoreEntraUser => return Err(refuse("this route does not do that")),
        };
        Ok(Observation { at: self.clock.now(), by, fact })
    }

    async fn apply(&self, go: Begun) -> Answered {
        let action = go.action();
        let (api, call) = match self.request(&action.subject, &action.key.intent) {
            Ok((api, call)) => (api, call.stop_sending(go.stop_sending())),
            Err(why) => return Answered::Failed(refuse(why)),
        };
        match api.send(&call).await {
            Ok(answer) => Answered::Accepted { correlation: answer.header("x-okta-request-id").map(|id| clip(id, 64)) },
            Err(failure) => Answered::Failed(failure),
        }
    }
}

impl std::fmt::Debug for OktaActions {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("OktaActions").field(&self.orgs).finish()
    }
}

fn of_group(call: Call, group: &OktaId, user: &OktaId) -> Call {
    call.param(group).param(user).permission(MANAGE_GROUPS)
}

fn group(intent: &Intent) -> Result<&OktaId, &'static str> {
    match &intent.group {
        Some(GroupRef::Okta(group)) => Ok(group),
        Some(GroupRef::Ad(_) | GroupRef::Entra(_)) | None => Err("the group is not in Okta"),
    }
}

async fn status(api: &Api, user: &OktaId) -> Result<Fact, Failure> {
    match one(api, user.as_str()).await? {
        Some(found) if found.id != *user => Err(unreadable("the answer is about another user")),
        Some(found) if found.status.is_empty() => Err(unreadable("the user has no status")),
        Some(found) => Ok(Fact::OktaStatus(clip(&found.status, 60))),
        None => Ok(Fact::Absent),
    }
}

/// The latest clearing of the user's sessions at or after `since`; before any call the last that
/// Okta's log shows of its default seven days.
async fn cleared(api: &Api, user: &OktaId, since: Option<At>) -> Result<Fact, Failure> {
    let filter = Filter::is("eventType", CLEARED).and(&Filter::is("target.id", user.as_str()));
    let mut call = Call::get(LOGS)
        .query("filter", filter)
        .query("sortOrder", "DESCENDING")
        .query("limit", LOG_PAGE)
        .permission(READ_LOGS);
    if let Some(since) = since {
        call = call.query("since", since);
    }
    // Newest first: the first page holds the latest.
    let events: Vec<LogEvent> = api.send(&call).await?.json()?;
    let moments = events.iter().filter_map(|event| event.moment_of(CLEARED, user));
    Ok(Fact::SessionsCleared(moments.filter(|at| since.is_none_or(|since| *at >= since)).max()))
}

async fn member(api: &Api, user: &OktaId, group: &OktaId) -> Result<Fact, Failure> {
    let call = Call::get(GROUPS).param(user).permission(READ_USERS);
    match all::<Group>(api, &call).await {
        Ok(groups) => Ok(Fact::Member(groups.iter().any(|found| found.id == *group))),
        Err(failure) if failure.kind == FailureKind::NotFound => Ok(Fact::Absent),
        Err(failure) => Err(failure),
    }
}

fn unreadable(why: &str) -> Failure {
    Failure { kind: FailureKind::Unreadable, sent: Sent::Answered, ..refuse(why) }
}
