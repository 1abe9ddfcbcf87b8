//! The workspace's tables in the words of this room.

use async_trait::async_trait;

use super::{AuditRecords, PasswordPolicy};
use crate::connect::log_analytics::directory_events::{Change, DirectoryEvents};
use crate::connect::log_analytics::identity_info::IdentityInfo;
use crate::model::account::AccountRef;
use crate::model::action::Subject;
use crate::model::failure::Failure;
use crate::model::intent::Verb;
use crate::model::time::At;

#[async_trait]
impl AuditRecords for DirectoryEvents {
    async fn last(&self, subject: &Subject, verb: Verb, since: At) -> Result<Option<At>, Failure> {
        match change(verb) {
            Some(change) => self.latest(change, subject, since).await,
            None => Ok(None),
        }
    }
}

#[async_trait]
impl PasswordPolicy for IdentityInfo {
    async fn never_expires(&self, subject: &Subject) -> Result<Option<bool>, Failure> {
        match &subject.account {
            AccountRef::Ad(sid) => self.password_never_expires(sid).await,
            AccountRef::Entra(_) | AccountRef::Okta { .. } => Ok(None),
        }
    }
}

const fn change(verb: Verb) -> Option<Change> {
    match verb {
        Verb::DisableAdUser => Some(Change::Disabled),
        Verb::EnableAdUser => Some(Change::Enabled),
        Verb::RequirePasswordChange => Some(Change::Password),
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_looked_for_by_what_the_verb_does_and_only_for_what_this_route_does() {
        assert_eq!(change(Verb::DisableAdUser), Some(Change::Disabled));
        assert_eq!(change(Verb::EnableAdUser), Some(Change::Enabled));
        assert_eq!(change(Verb::RequirePasswordChange), Some(Change::Password));
        assert_eq!(Verb::ALL.into_iter().filter_map(change).count(), 3);
    }
}
