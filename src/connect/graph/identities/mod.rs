//! Defender for Identity over Graph: who a SID is, and what its sensors can do in Active Directory.

mod actions;
mod people;
mod readers;
mod wire;

use async_trait::async_trait;

pub use actions::DefenderActions;
pub use people::DefenderPeople;

use crate::model::account::Sid;
use crate::model::action::Subject;
use crate::model::failure::Failure;
use crate::model::intent::Verb;
use crate::model::time::At;

use super::common::all;
use super::odata::Filter;
use crate::connect::http::{Api, Call};

/// The list of identities.
pub(super) const IDENTITIES: &str = "security/identities/identityAccounts";
/// An action on one of an identity's accounts.
pub(super) const INVOKE_ACTION: &str = "security/identities/identityAccounts/{id}/invokeAction";

/// A SID has one identity; more pages than this are no answer.
const MOST_PAGES: usize = 3;

/// Reads audit records of Active Directory: `IdentityDirectoryEvents`, Windows' own events.
#[async_trait]
pub trait AuditRecords: Send + Sync {
    /// The latest record at or after `since` of `verb` having been done to the subject, by whomever.
    ///
    /// # Errors
    /// When the records cannot be read; none found is not an error.
    async fn last(&self, subject: &Subject, verb: Verb, since: At) -> Result<Option<At>, Failure>;
}

/// Knows how an account's password is set up.
#[async_trait]
pub trait PasswordPolicy: Send + Sync {
    /// Whether the password is set never to expire; `None` when nothing says.
    ///
    /// # Errors
    /// When it cannot be read.
    async fn never_expires(&self, subject: &Subject) -> Result<Option<bool>, Failure>;
}

/// All identities that say they have this SID; answers about others are dropped.
async fn by_sid(api: &Api, sid: &Sid) -> Result<Vec<wire::Identity>, Failure> {
    let call = Call::get(IDENTITIES)
        .query("$filter", Filter::text_is("onPremisesSecurityIdentifier", sid.as_str()))
        .permission("grant the application permission SecurityIdentitiesAccount.Read.All on Microsoft Graph");
    let items = all(api, &call, MOST_PAGES).await?;
    Ok(items.iter().filter_map(wire::Identity::read).filter(|identity| identity.sid == *sid).collect())
}

#[cfg(test)]
mod tests;
