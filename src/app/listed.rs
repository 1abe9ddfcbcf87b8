//! Who is listed under `[guardrails]` and is in no directory: a typing mistake protects nobody.

use std::sync::Arc;

use futures::future::join_all;

use crate::connect::port::People;
use crate::model::person::LookupKey;
use crate::settings::ProtectedEntry;

/// The people on the lists, by ids that only an account has. What may be a group is not asked about.
pub struct ListedPeople {
    people: Vec<Arc<dyn People>>,
    named: Vec<(&'static str, String, LookupKey)>,
}

impl ListedPeople {
    /// Those on the lists of the settings, and who can be asked about them.
    #[must_use]
    pub fn new(break_glass: &[ProtectedEntry], privileged: &[ProtectedEntry], people: Vec<Arc<dyn People>>) -> Self {
        let lists = [("break_glass", break_glass), ("privileged", privileged)];
        let entries = lists.into_iter().flat_map(|(list, entries)| entries.iter().map(move |entry| (list, entry)));
        let named = entries.filter_map(|(list, entry)| match entry {
            ProtectedEntry::Upn(upn) => Some((list, upn.to_string(), LookupKey::Upn(upn.clone()))),
            ProtectedEntry::Okta(id) if id.as_str().starts_with("00u") => {
                Some((list, id.to_string(), LookupKey::OktaId(id.clone())))
            }
            ProtectedEntry::Sid(_) | ProtectedEntry::Entra(_) | ProtectedEntry::Okta(_) => None,
        });
        Self { named: named.collect(), people }
    }

    /// Those whom every directory was asked about and none knows, as sentences. Where one does not answer, nothing is said.
    pub async fn strangers(self) -> Vec<String> {
        let mut strangers = Vec::new();
        for (list, id, key) in &self.named {
            let answers = join_all(self.people.iter().map(|people| people.find(key))).await;
            let found: Result<Vec<_>, _> = answers.into_iter().collect();
            if found.is_ok_and(|found| found.iter().all(Vec::is_empty)) {
                strangers.push(format!(
                    "[guardrails] {list} names {id}, whom neither Entra nor Okta knows: correct it, or list the SID of an \
                     account that is in Active Directory alone"
                ));
            }
        }
        strangers
    }
}

#[cfg(test)]
mod tests {
    use async_trait::async_trait;

    use super::*;
    use crate::model::account::AccountRef;
    use crate::model::failure::{Failure, FailureKind, Provider, Sent};
    use crate::model::person::{Found, Membership};

    /// Knows adele, and cannot be asked about diego.
    struct OnlyAdele;

    #[async_trait]
    impl People for OnlyAdele {
        fn provider(&self) -> Provider {
            Provider::Entra
        }

        async fn find(&self, key: &LookupKey) -> Result<Vec<Found>, Failure> {
            let LookupKey::Upn(upn) = key else { return Ok(Vec::new()) };
            if upn.as_str().starts_with("diego@") {
                return Err(Failure {
                    provider: Provider::Entra,
                    operation: "GET users".into(),
                    kind: FailureKind::NoAnswer,
                    sent: Sent::Answered,
                    vendor: None,
                    hint: String::new(),
                });
            }
            let known = upn.as_str().starts_with("adele@");
            let adele = Found::bare(AccountRef::Entra(uuid::Uuid::from_u128(1)), Provider::Entra);
            Ok(Some(adele).filter(|_| known).into_iter().collect())
        }

        async fn memberships(&self, _: &AccountRef) -> Result<Option<Vec<Membership>>, Failure> {
            Ok(None)
        }
    }

    #[tokio::test]
    async fn whoever_is_listed_and_in_no_directory_is_told_and_nobody_else() {
        let upn = |name: &str| ProtectedEntry::Upn(format!("{name}@contoso.com").parse().unwrap());
        let break_glass =
            vec![upn("adele"), upn("adelle"), upn("diego"), ProtectedEntry::Okta("00gAdmins".parse().unwrap())];
        let privileged = vec![ProtectedEntry::Okta("00uNobody".parse().unwrap())];
        let strangers = ListedPeople::new(&break_glass, &privileged, vec![Arc::new(OnlyAdele)]).strangers().await;
        assert_eq!(strangers.len(), 2, "{strangers:?}");
        assert!(strangers[0].starts_with("[guardrails] break_glass names adelle@contoso.com"), "{strangers:?}");
        assert!(strangers[1].starts_with("[guardrails] privileged names 00uNobody"), "{strangers:?}");
    }
}
