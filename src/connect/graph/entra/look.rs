//! Looking at an Entra account: what each intent should have changed.

use uuid::Uuid;

use super::actions::EntraActions;
use super::wire::{RiskyUser, Standing};
use super::{MEMBER_OF, MOST_PAGES, PAGE, READ_MEMBERSHIPS, READ_USERS, RISKY_USER, USER};
use crate::connect::graph::common::{all, unreadable};
use crate::connect::graph::json::guid;
use crate::connect::http::Call;
use crate::model::account::AccountRef;
use crate::model::action::Subject;
use crate::model::failure::{Failure, FailureKind};
use crate::model::intent::{GroupRef, Intent, Verb};
use crate::model::observation::{Fact, Observation, Witness};
use crate::model::text::clip;
use crate::model::time::{At, NotATime};

impl EntraActions {
    pub(super) async fn look(
        &self,
        subject: &Subject,
        intent: &Intent,
        since: Option<At>,
    ) -> Result<Observation, Failure> {
        let AccountRef::Entra(id) = subject.account else {
            return Err(self.refuse("the account is not in Entra"));
        };
        let (by, fact) = match intent.verb {
            Verb::SuspendEntraUser | Verb::RestoreEntraUser => (Witness::Entra, self.enabled(id).await?),
            Verb::RevokeSessions => (Witness::Entra, self.sessions(id).await?),
            Verb::RequirePasswordChange | Verb::ScramblePassword => (Witness::Entra, self.password(id, since).await?),
            Verb::MarkCompromised | Verb::DismissRisk => (Witness::IdentityProtection, self.risk_of(id).await?),
            Verb::RemoveFromGroup | Verb::AddToGroup => match &intent.group {
                Some(GroupRef::Entra(group)) => (Witness::Entra, self.member(id, *group).await?),
                Some(GroupRef::Ad(_) | GroupRef::Okta(_)) | None => {
                    return Err(self.refuse("the group is not in Entra"));
                }
            },
            Verb::DisableAdUser
            | Verb::EnableAdUser
            | Verb::SuspendOktaUser
            | Verb::UnsuspendOktaUser
            | Verb::DeactivateOktaUser => return Err(self.refuse("this route does not do that")),
        };
        Ok(Observation { at: self.clock.now(), by, fact })
    }

    async fn enabled(&self, id: Uuid) -> Result<Fact, Failure> {
        let Some(user) = self.standing(id).await? else { return Ok(Fact::Absent) };
        let enabled = user.account_enabled.ok_or_else(|| self.unreadable("the user has no accountEnabled"))?;
        Ok(Fact::Enabled(enabled))
    }

    async fn sessions(&self, id: Uuid) -> Result<Fact, Failure> {
        let Some(user) = self.standing(id).await? else { return Ok(Fact::Absent) };
        let from = moment(user.sign_in_sessions_valid_from_date_time.as_deref());
        let from = from.map_err(|_| self.unreadable("signInSessionsValidFromDateTime is no time"))?;
        Ok(Fact::SessionsValidFrom(from))
    }

    /// That a change is asked for cannot be read; that one was made since our call can. A password
    /// that never expires does not keep Entra from asking, so nothing is said of that here.
    async fn password(&self, id: Uuid, since: Option<At>) -> Result<Fact, Failure> {
        let Some(user) = self.standing(id).await? else { return Ok(Fact::Absent) };
        let changed = moment(user.last_password_change_date_time.as_deref());
        let changed = changed.map_err(|_| self.unreadable("lastPasswordChangeDateTime is no time"))?;
        let changed = changed.filter(|at| since.is_some_and(|since| *at >= since));
        Ok(Fact::Password { never_expires: None, changed })
    }

    async fn standing(&self, id: Uuid) -> Result<Option<Standing>, Failure> {
        let properties = "id,accountEnabled,signInSessionsValidFromDateTime,lastPasswordChangeDateTime";
        let call = Call::get(USER).param(id).query("$select", properties).permission(READ_USERS);
        match self.directory.send(&call).await {
            Ok(answer) => {
                let user: Standing = answer.json()?;
                if user.id == id { Ok(Some(user)) } else { Err(answer.unreadable("the answer is about another user")) }
            }
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(None),
            Err(failure) => Err(failure),
        }
    }

    fn unreadable(&self, why: &str) -> Failure {
        unreadable(&self.directory, &Call::get(USER), why)
    }

    /// Identity Protection lists only users at risk: not to be found there is to have none.
    async fn risk_of(&self, id: Uuid) -> Result<Fact, Failure> {
        let call = Call::get(RISKY_USER).param(id).permission(super::actions::RISK);
        match self.risk.send(&call).await {
            Ok(answer) => {
                let user: RiskyUser = answer.json()?;
                if user.id != id {
                    return Err(answer.unreadable("the answer is about another user"));
                }
                let word = |word: Option<String>| word.map_or_else(|| "unknown".to_owned(), |word| clip(&word, 60));
                Ok(Fact::Risk { state: word(user.risk_state), level: word(user.risk_level) })
            }
            Err(failure) if failure.kind == FailureKind::NotFound => {
                Ok(Fact::Risk { state: "none".to_owned(), level: "none".to_owned() })
            }
            Err(failure) => Err(failure),
        }
    }

    /// Direct membership, from the user's own list: exact at once, where a filter would read an index
    /// that lags.
    async fn member(&self, id: Uuid, group: Uuid) -> Result<Fact, Failure> {
        let call = Call::get(MEMBER_OF).param(id).query("$top", PAGE).permission(READ_MEMBERSHIPS);
        match all(&self.directory, &call, MOST_PAGES).await {
            Ok(items) => Ok(Fact::Member(items.iter().any(|item| guid(item, "id") == Some(group)))),
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(Fact::Absent),
            Err(failure) => Err(failure),
        }
    }
}

fn moment(text: Option<&str>) -> Result<Option<At>, NotATime> {
    text.map(str::parse).transpose()
}
