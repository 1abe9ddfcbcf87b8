//! Asks the directories who somebody is: the reads behind every decision.

use std::collections::BTreeSet;

use futures::future::join_all;

use crate::model::account::{AccountHint, AccountRef, Directory};
use crate::model::failure::Failure;
use crate::model::person::{Found, LookupKey, Memberships, Person};
use crate::model::reason::Reason;

use super::Context;
use super::people::{Candidate, further, join, questions};

/// Who an alert's account is, with memberships.
///
/// `Err(Ok(reason))` is an answer: nobody acts on it. `Err(Err(failure))` is a directory that could
/// not be asked: ask again later.
pub(super) async fn person(context: &Context, hint: &AccountHint) -> Result<Person, Unknown> {
    let questions = questions(hint, &context.forests).map_err(Unknown::Refused)?;
    let mut candidates = Vec::new();
    for key in questions {
        candidates = ask(context, &key, "named by the alert").await?;
        if !candidates.is_empty() {
            break;
        }
    }
    complete(context, hint, candidates).await
}

/// Who an account that was acted on, or will be, belongs to at this moment.
pub(super) async fn owner(
    context: &Context,
    account: &AccountRef,
    upn: Option<&crate::model::account::Upn>,
) -> Result<Person, Unknown> {
    let (key, hint) = match account {
        AccountRef::Ad(sid) => {
            (LookupKey::Sid(sid.clone()), AccountHint { sid: Some(sid.clone()), ..AccountHint::default() })
        }
        AccountRef::Entra(id) => {
            (LookupKey::EntraId(*id), AccountHint { entra_id: Some(*id), ..AccountHint::default() })
        }
        AccountRef::Okta { id, .. } => {
            (LookupKey::OktaId(id.clone()), AccountHint { okta_id: Some(id.clone()), ..AccountHint::default() })
        }
    };
    let mut candidates = ask(context, &key, "the account acted on").await?;
    // An Okta account alone does not say whose it is in Entra; the login it was joined by does.
    if let (AccountRef::Okta { .. }, Some(upn)) = (account, upn) {
        candidates.extend(ask(context, &LookupKey::Upn(upn.clone()), "same user principal name").await?);
    }
    complete(context, &hint, candidates).await
}

/// Why nobody knows who somebody is.
#[derive(Debug)]
pub(super) enum Unknown {
    /// An answer: nobody acts on it.
    Refused(Reason),
    /// A directory could not be asked.
    Unasked(Failure),
}

async fn complete(context: &Context, hint: &AccountHint, mut candidates: Vec<Candidate>) -> Result<Person, Unknown> {
    let mut asked: Vec<LookupKey> = Vec::new();
    // Each round can bring identifiers that the next one asks for; three directories need two rounds.
    for _ in 0..3 {
        let found: Vec<Found> = candidates.iter().map(|candidate| candidate.found.clone()).collect();
        let new: Vec<_> = further(&found).into_iter().filter(|(key, _)| !asked.contains(key)).collect();
        if new.is_empty() {
            break;
        }
        for (key, evidence) in new {
            let weak = matches!(key, LookupKey::Upn(_));
            for candidate in ask(context, &key, &evidence).await? {
                // A name joins Okta, which knows no SIDs; for the others it proves nothing.
                let is_okta = candidate.found.account.directory() == Directory::Okta;
                if !weak || is_okta || candidates.iter().any(|known| known.found.account == candidate.found.account) {
                    candidates.push(candidate);
                }
            }
            asked.push(key);
        }
    }
    let mut person = join(hint, candidates).map_err(Unknown::Refused)?;
    person.memberships = memberships(context, &person).await;
    Ok(person)
}

async fn ask(context: &Context, key: &LookupKey, evidence: &str) -> Result<Vec<Candidate>, Unknown> {
    let answers = join_all(context.people.iter().map(|people| people.find(key))).await;
    let mut candidates = Vec::new();
    for answer in answers {
        let found = answer.map_err(Unknown::Unasked)?;
        candidates.extend(found.into_iter().map(|found| Candidate { found, evidence: evidence.to_owned() }));
    }
    Ok(candidates)
}

/// Groups and roles over all accounts. One account nobody can read makes the whole unreadable; a
/// synced account's groups are known to Entra too, so its Entra account can speak for it.
async fn memberships(context: &Context, person: &Person) -> Memberships {
    let mut all = BTreeSet::new();
    for linked in &person.accounts {
        let account = &linked.found.account;
        if account.directory() == Directory::ActiveDirectory && person.is_hybrid() {
            continue;
        }
        let mut known = false;
        for people in &context.people {
            match people.memberships(account).await {
                Ok(Some(groups)) => {
                    known = true;
                    all.extend(groups);
                }
                Ok(None) => {}
                Err(failure) => return Memberships::Unreadable(failure.to_string()),
            }
        }
        if !known {
            return Memberships::Unreadable(format!(
                "nobody knows the groups of the account in {}",
                account.directory()
            ));
        }
    }
    Memberships::Read(all)
}
