//! Who a SID is, as Defender for Identity knows it.

use async_trait::async_trait;

use super::by_sid;
use crate::connect::graph::Graph;
use crate::connect::http::Api;
use crate::connect::port::People;
use crate::model::account::AccountRef;
use crate::model::failure::{Failure, Provider};
use crate::model::person::{Found, LookupKey, Membership};

/// Looks up identities by SID, the only key that is documented.
#[derive(Debug)]
pub struct DefenderPeople {
    api: Api,
    okta_org: Option<String>,
}

impl DefenderPeople {
    /// Reads over Graph. `okta_org` is the name of the only Okta org in the settings: with several, an
    /// Okta account's org cannot be told.
    #[must_use]
    pub fn new(graph: &Graph, okta_org: Option<String>) -> Self {
        Self { api: graph.security.clone(), okta_org }
    }
}

#[async_trait]
impl People for DefenderPeople {
    fn provider(&self) -> Provider {
        Provider::Defender
    }

    async fn find(&self, key: &LookupKey) -> Result<Vec<Found>, Failure> {
        match key {
            LookupKey::Sid(sid) => {
                let identities = by_sid(&self.api, sid).await?;
                Ok(identities.iter().flat_map(|identity| identity.found(self.okta_org.as_deref())).collect())
            }
            LookupKey::EntraId(_) | LookupKey::Upn(_) | LookupKey::NameInDomain { .. } | LookupKey::OktaId(_) => {
                Ok(Vec::new())
            }
        }
    }

    /// Defender for Identity's API knows no groups.
    async fn memberships(&self, _account: &AccountRef) -> Result<Option<Vec<Membership>>, Failure> {
        Ok(None)
    }
}
