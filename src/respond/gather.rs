//! Asks the directories who somebody is: the reads behind every decision.

use std::collections::BTreeSet;

use futures::future::join_all;

use crate::model::account::{AccountHint, AccountRef, Directory};
use crate::model::failure::Failure;
use crate::model::person::{Found, LookupKey, Membership, Memberships, Person};
use crate::model::reason::Reason;

use super::people::{Candidate, further, join, questions};
use super::{Context, administrators};

/// Who an alert's account is, with memberships.
pub(super) async fn person(context: &Context, hint: &AccountHint) -> Result<Person, Unknown> {
    let questions = questions(hint, &context.forests).map_err(Unknown::Refused)?;
    let mut candidates = Vec::new();
    for key in questions {
        candidates = ask(context, &key, "named by the alert").await?;
        if !candidates.is_empty() {
            break;
        }
    }
    let person = complete(context, hint, candidates).await?;
    match with_last_of_roles(context, person.clone()).await {
        // Who else administrates is read again before every call: until then, others in the alert need not wait for it.
        Err(Unknown::Unasked(_)) => Ok(person),
        known => known,
    }
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
    let person = complete(context, &hint, candidates).await?;
    with_last_of_roles(context, person).await
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
    person.memberships = memberships(context, &person).await?;
    Ok(person)
}

pub(super) async fn ask(context: &Context, key: &LookupKey, evidence: &str) -> Result<Vec<Candidate>, Unknown> {
    let now = context.clock.now();
    let found = if let Some(found) = context.found.get(key, now) {
        found
    } else {
        let answers = join_all(context.people.iter().map(|people| people.find(key))).await;
        let answers: Result<Vec<_>, _> = answers.into_iter().collect();
        let found: Vec<Found> = answers.map_err(Unknown::Unasked)?.into_iter().flatten().collect();
        context.found.put(key.clone(), now, found.clone());
        found
    };
    Ok(found.into_iter().map(|found| Candidate { found, evidence: evidence.to_owned() }).collect())
}

/// Groups and roles over all accounts. One account nobody can read makes the whole unreadable.
///
/// # Errors
/// A directory that could not be asked.
async fn memberships(context: &Context, person: &Person) -> Result<Memberships, Unknown> {
    let mut all = BTreeSet::new();
    for linked in &person.accounts {
        let account = &linked.found.account;
        let synced = account.directory() == Directory::ActiveDirectory && person.is_hybrid();
        match memberships_of(context, account).await {
            Ok(Some(groups)) => all.extend(groups),
            // Entra knows the synced groups of a synced account, but never the built-in ones.
            Ok(None) | Err(_) if synced => {
                all.insert(Membership::AdGroupsUnknown);
            }
            Ok(None) => {
                let directory = account.directory();
                let why = format!("nobody knows the groups of the account in {directory}");
                return Ok(Memberships::Unreadable(why));
            }
            Err(failure) => return Err(Unknown::Unasked(failure)),
        }
    }
    Ok(Memberships::Read(all))
}

/// The person, with the roles that nobody else is left in.
///
/// # Errors
/// When nobody knows who would be left.
async fn with_last_of_roles(context: &Context, mut person: Person) -> Result<Person, Unknown> {
    if let Memberships::Read(memberships) = &person.memberships {
        let last = administrators::last_of_roles(context, &person, memberships).await?;
        let all = memberships.iter().cloned().chain(last).collect();
        person.memberships = Memberships::Read(all);
    }
    Ok(person)
}

/// Groups and roles of one account; `None` when no directory knows them.
async fn memberships_of(context: &Context, account: &AccountRef) -> Result<Option<BTreeSet<Membership>>, Failure> {
    let now = context.clock.now();
    if let Some(known) = context.groups.get(account, now) {
        return Ok(known);
    }
    let answers = join_all(context.people.iter().map(|people| people.memberships(account))).await;
    let mut all: Option<BTreeSet<_>> = None;
    for answer in answers {
        if let Some(groups) = answer? {
            all.get_or_insert_default().extend(groups);
        }
    }
    context.groups.put(account.clone(), now, all.clone());
    Ok(all)
}
