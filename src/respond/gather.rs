//! Asks the directories who somebody is: the reads behind every decision.

use std::collections::BTreeSet;

use futures::future::join_all;

use crate::connect::port::People;
use crate::model::account::{AccountHint, AccountRef, Directory};
use crate::model::failure::{Failure, Provider};
use crate::model::person::{Found, LookupKey, Membership, Memberships, Person};
use crate::model::reason::Reason;

use super::crowd::Place;
use super::people::{Candidate, further, join, questions};
use super::{Context, administrators};

/// Whom to ask who somebody is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Reach {
    /// Every directory.
    All,
    /// All but Okta, which does not answer; see [`Membership::OktaUnknown`].
    WithoutOkta,
}

impl Reach {
    /// Where to go on after a failure: an Okta that does not answer must not keep the other directories from being
    /// acted on. Who is on a list by an Okta id would not be known, so with such a list nobody goes on.
    pub(super) fn after(self, failure: &Failure, context: &Context) -> Option<Self> {
        let is_okta = self == Self::All && failure.provider == Provider::Okta;
        (is_okta && !context.rails.name_okta()).then_some(Self::WithoutOkta)
    }

    fn people(self, context: &Context) -> impl Iterator<Item = &dyn People> {
        let all = context.people.iter().map(AsRef::as_ref);
        all.filter(move |people| self == Self::All || people.provider() != Provider::Okta)
    }
}

/// Who an alert's account is, with memberships.
pub(super) async fn person(context: &Context, hint: &AccountHint, reach: Reach) -> Result<Person, Unknown> {
    if reach == Reach::WithoutOkta && hint.okta_id.is_some() {
        return Err(Unknown::Refused(Reason::OktaUnknown));
    }
    let questions = questions(hint, &context.forests).map_err(Unknown::Refused)?;
    let mut candidates = Vec::new();
    for key in questions {
        candidates = ask(context, &key, "named by the alert", reach).await?;
        if !candidates.is_empty() {
            break;
        }
    }
    let person = complete(context, hint, candidates, reach).await?;
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
    reach: Reach,
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
    let mut candidates = ask(context, &key, "the account acted on", reach).await?;
    // An Okta account alone does not say whose it is in Entra; the login it was joined by does.
    if let (AccountRef::Okta { .. }, Some(upn)) = (account, upn) {
        candidates.extend(ask(context, &LookupKey::Upn(upn.clone()), "same user principal name", reach).await?);
    }
    let person = complete(context, &hint, candidates, reach).await?;
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

async fn complete(
    context: &Context,
    hint: &AccountHint,
    mut candidates: Vec<Candidate>,
    reach: Reach,
) -> Result<Person, Unknown> {
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
            for candidate in ask(context, &key, &evidence, reach).await? {
                // A name joins Okta, which knows no SIDs; for the others it proves nothing.
                let is_okta = candidate.found.account.directory() == Directory::Okta;
                if !weak || is_okta || candidates.iter().any(|known| known.found.account == candidate.found.account) {
                    candidates.push(candidate);
                }
            }
            asked.push(key);
        }
    }
    let mut person = join(hint, candidates, &context.forests).map_err(|reason| {
        let hidden = reach == Reach::WithoutOkta && reason == Reason::AccountUnknown;
        Unknown::Refused(if hidden { Reason::OktaUnknown } else { reason })
    })?;
    person.memberships = memberships(context, &person, reach).await?;
    Ok(person)
}

/// What a directory answers, as one of those who wait for it.
pub(super) async fn asked<T>(context: &Context, people: &dyn People, answer: impl Future<Output = T>) -> T {
    context.crowds.during(Place::Directory(people.provider()), &*context.clock, answer).await
}

pub(super) async fn ask(
    context: &Context,
    key: &LookupKey,
    evidence: &str,
    reach: Reach,
) -> Result<Vec<Candidate>, Unknown> {
    let now = context.clock.now();
    let found = if let Some(found) = context.found.get(key, now) {
        found
    } else {
        let answers = join_all(reach.people(context).map(|people| asked(context, people, people.find(key)))).await;
        let answers: Result<Vec<_>, _> = answers.into_iter().collect();
        let found: Vec<Found> = answers.map_err(Unknown::Unasked)?.into_iter().flatten().collect();
        if reach == Reach::All {
            context.found.put(key.clone(), now, found.clone());
        }
        found
    };
    Ok(found.into_iter().map(|found| Candidate { found, evidence: evidence.to_owned() }).collect())
}

/// Groups and roles over all accounts. One account nobody can read makes the whole unreadable.
///
/// # Errors
/// A directory that could not be asked.
async fn memberships(context: &Context, person: &Person, reach: Reach) -> Result<Memberships, Unknown> {
    let mut all = BTreeSet::new();
    if reach == Reach::WithoutOkta {
        all.insert(Membership::OktaUnknown);
    }
    for linked in &person.accounts {
        let account = &linked.found.account;
        if reach == Reach::WithoutOkta && account.directory() == Directory::Okta {
            continue;
        }
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
    if person.is_hidden_in_ad() {
        all.extend(hidden_memberships(context, person).await.map_err(Unknown::Unasked)?);
    }
    Ok(Memberships::Read(all))
}

/// Groups in Active Directory of somebody whose account there nobody shows: Entra knows its SID, and `IdentityInfo` may
/// know its groups.
///
/// # Errors
/// What passes: the question whether somebody is privileged is not put to a person because of a hiccup.
async fn hidden_memberships(context: &Context, person: &Person) -> Result<BTreeSet<Membership>, Failure> {
    let unknown = BTreeSet::from([Membership::AdGroupsUnknown]);
    let sid = person.account_in(Directory::Entra).and_then(|entra| entra.sid.clone());
    let Some(sid) = sid else { return Ok(unknown) };
    match memberships_of(context, &AccountRef::Ad(sid)).await {
        Ok(groups) => Ok(groups.unwrap_or(unknown)),
        Err(failure) if failure.is_passing() => Err(failure),
        Err(_) => Ok(unknown),
    }
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
    let people = context.people.iter().map(AsRef::as_ref);
    let answers = join_all(people.map(|people| asked(context, people, people.memberships(account)))).await;
    let mut all: Option<BTreeSet<_>> = None;
    for answer in answers {
        if let Some(groups) = answer? {
            all.get_or_insert_default().extend(groups);
        }
    }
    context.groups.put(account.clone(), now, all.clone());
    Ok(all)
}
