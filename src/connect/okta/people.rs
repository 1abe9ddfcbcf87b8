//! Who an account is, as Okta knows it.

use async_trait::async_trait;

use super::wire::{Group, Role, User};
use super::{GROUPS, Orgs, READ_ROLES, READ_USERS, ROLES, USER, all, refuse};
use crate::connect::http::{Api, Call};
use crate::connect::port::People;
use crate::model::account::AccountRef;
use crate::model::failure::{Failure, FailureKind, Provider};
use crate::model::person::{Found, LookupKey, Membership};

/// Looks up users by id and by login, in every org.
#[derive(Debug)]
pub struct OktaPeople {
    orgs: Orgs,
}

impl OktaPeople {
    /// Reads in these orgs.
    #[must_use]
    pub const fn new(orgs: Orgs) -> Self {
        Self { orgs }
    }
}

#[async_trait]
impl People for OktaPeople {
    fn provider(&self) -> Provider {
        Provider::Okta
    }

    /// By login it asks for that very user, not a search: searches lag. Okta takes the part before
    /// `@` for a login too, so the answer's own login is compared.
    async fn find(&self, key: &LookupKey) -> Result<Vec<Found>, Failure> {
        let asked = match key {
            LookupKey::OktaId(id) => id.as_str(),
            LookupKey::Upn(login) => login.as_str(),
            LookupKey::Sid(_) | LookupKey::EntraId(_) | LookupKey::NameInDomain { .. } => return Ok(Vec::new()),
        };
        let mut found = Vec::new();
        for (org, api) in &self.orgs {
            let user = one(api, asked).await?.filter(|user| match key {
                LookupKey::OktaId(id) => user.id == *id,
                LookupKey::Upn(login) => user.has_login(login),
                LookupKey::Sid(_) | LookupKey::EntraId(_) | LookupKey::NameInDomain { .. } => false,
            });
            found.extend(user.map(|user| user.found(org)));
        }
        Ok(found)
    }

    async fn memberships(&self, account: &AccountRef) -> Result<Option<Vec<Membership>>, Failure> {
        let AccountRef::Okta { org, id } = account else { return Ok(None) };
        let api = self.orgs.get(org).ok_or_else(|| refuse("the account's org is not in the settings"))?;
        let groups = Call::get(GROUPS).param(id).permission(READ_USERS);
        let roles = Call::get(ROLES).param(id).permission(READ_ROLES);
        let groups = all::<Group>(api, &groups).await?.into_iter();
        let roles = all::<Role>(api, &roles).await?.into_iter();
        let groups = groups.map(|group| Membership::OktaGroup(group.id.to_string()));
        Ok(Some(groups.chain(roles.filter_map(Role::membership)).collect()))
    }
}

/// The user of this id or login; `None` when there is none.
pub(super) async fn one(api: &Api, id_or_login: &str) -> Result<Option<User>, Failure> {
    let call = Call::get(USER).param(id_or_login).permission(READ_USERS);
    match api.send(&call).await {
        Ok(answer) => Ok(Some(answer.json()?)),
        Err(failure) if failure.kind == FailureKind::NotFound => Ok(None),
        Err(failure) => Err(failure),
    }
}
