//! Who an account is, as Entra knows it.

use async_trait::async_trait;
use tokio::sync::OnceCell;
use uuid::Uuid;

use super::wire::{SELECT, User, memberships};
use super::{MOST_PAGES, PAGE, READ_MEMBERSHIPS, READ_USERS, TRANSITIVE_MEMBER_OF, USER, USERS, roles};
use crate::connect::graph::Graph;
use crate::connect::graph::common::{all, unreadable};
use crate::connect::graph::odata::Filter;
use crate::connect::http::{Api, Call};
use crate::connect::port::People;
use crate::connect::token::Caller;
use crate::model::account::AccountRef;
use crate::model::failure::{Failure, FailureKind, Provider};
use crate::model::person::{Found, LookupKey, Membership};

/// An exact key has few answers; more pages than this are no answer.
const FEW_PAGES: usize = 3;

/// Looks up users by object id, UPN, on-premises SID, and on-premises name with its domain.
#[derive(Debug)]
pub struct EntraPeople {
    api: Api,
    /// riposte's service principal and the owners of its application, asked for once.
    ourselves: OnceCell<Vec<Uuid>>,
}

impl EntraPeople {
    /// Reads over Graph.
    #[must_use]
    pub fn new(graph: &Graph) -> Self {
        Self { api: graph.directory.clone(), ourselves: OnceCell::new() }
    }

    /// By object id or UPN.
    async fn one(&self, key: &str) -> Result<Vec<Found>, Failure> {
        let call = Call::get(USER).param(key).query("$select", SELECT).permission(READ_USERS);
        match self.api.send(&call).await {
            Ok(answer) => Ok(vec![answer.json::<User>()?.found()]),
            Err(failure) if failure.kind == FailureKind::NotFound => Ok(Vec::new()),
            Err(failure) => Err(failure),
        }
    }

    async fn listed(&self, call: &Call) -> Result<Vec<Found>, Failure> {
        let items = all(&self.api, call, FEW_PAGES).await?;
        let users: Result<Vec<User>, _> = items.into_iter().map(serde_json::from_value).collect();
        let users =
            users.map_err(|_| unreadable(&self.api, call, "a user in the answer has not the documented shape"))?;
        Ok(users.into_iter().map(User::found).collect())
    }

    /// The objects that are riposte: its own service principals, and the owners of their applications.
    async fn ourselves(&self) -> Result<&[Uuid], Failure> {
        let read = async || {
            let mut all = Vec::new();
            for Caller { principal, application } in self.api.callers().await? {
                all.extend(roles::owners(&self.api, principal, application).await?);
                all.push(principal);
            }
            Ok(all)
        };
        self.ourselves.get_or_try_init(read).await.map(Vec::as_slice)
    }

    /// `eq` on the SID is not documented for users. A tenant that refuses the plain query gets the
    /// advanced one, which reads an index that lags a little.
    async fn by_sid(&self, sid: &str) -> Result<Vec<Found>, Failure> {
        let filter = Filter::text_is("onPremisesSecurityIdentifier", sid);
        match self.listed(&search(&filter)).await {
            Err(failure) if is_unsupported(&failure) => self.listed(&advanced(search(&filter))).await,
            other => other,
        }
    }
}

#[async_trait]
impl People for EntraPeople {
    fn provider(&self) -> Provider {
        Provider::Entra
    }

    async fn find(&self, key: &LookupKey) -> Result<Vec<Found>, Failure> {
        let mut found = match key {
            LookupKey::EntraId(id) => self.one(&id.to_string()).await?,
            LookupKey::Upn(upn) => self.one(upn.as_str()).await?,
            LookupKey::Sid(sid) => self.by_sid(sid.as_str()).await?,
            LookupKey::NameInDomain { name, .. } => {
                let filter = Filter::text_is("onPremisesSamAccountName", name);
                self.listed(&advanced(search(&filter))).await?
            }
            LookupKey::OktaId(_) => Vec::new(),
        };
        // Graph can ignore a parameter it does not support and answer with somebody else.
        found.retain(|found| fits(found, key));
        Ok(found)
    }

    async fn memberships(&self, account: &AccountRef) -> Result<Option<Vec<Membership>>, Failure> {
        let AccountRef::Entra(id) = account else { return Ok(None) };
        let call = Call::get(TRANSITIVE_MEMBER_OF).param(id).query("$top", PAGE).permission(READ_MEMBERSHIPS);
        let mut found = Vec::new();
        for item in all(&self.api, &call, MOST_PAGES).await? {
            let read = memberships(&item);
            found.extend(read.map_err(|why| unreadable(&self.api, &call, &format!("the answer holds {why}")))?);
        }
        if self.ourselves().await?.contains(id) {
            found.push(Membership::RunsRiposte);
        }
        Ok(Some(found))
    }

    async fn members_of_role(&self, role: Uuid) -> Result<Option<Vec<AccountRef>>, Failure> {
        let users = roles::members(&self.api, role).await?;
        Ok(Some(users.into_iter().map(AccountRef::Entra).collect()))
    }
}

fn search(filter: &Filter) -> Call {
    Call::get(USERS).query("$filter", filter).query("$select", SELECT).permission(READ_USERS)
}

fn advanced(call: Call) -> Call {
    call.query("$count", true).header("ConsistencyLevel", "eventual")
}

fn is_unsupported(failure: &Failure) -> bool {
    failure.kind == FailureKind::Refused
        && failure.vendor.as_ref().is_some_and(|words| words.code.starts_with("Request_UnsupportedQuery"))
}

/// The answer is about the account that was asked for.
fn fits(found: &Found, key: &LookupKey) -> bool {
    let same = |own: Option<&String>, asked: &str| own.is_some_and(|own| own.to_lowercase() == asked.to_lowercase());
    let own_id: Option<Uuid> = found.entra_id;
    match key {
        LookupKey::EntraId(id) => own_id == Some(*id),
        LookupKey::Upn(upn) => found.upn.as_ref() == Some(upn),
        LookupKey::Sid(sid) => found.sid.as_ref() == Some(sid),
        LookupKey::NameInDomain { name, domain } => {
            same(found.name.as_ref(), name) && same(found.domain.as_ref(), domain)
        }
        LookupKey::OktaId(_) => false,
    }
}
