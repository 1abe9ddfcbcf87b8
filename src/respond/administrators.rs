//! Who else is in a person's administrator roles, and may sign in.
//!
//! Two administrators are checked at the same time in two lanes, each while the other is still there. So whoever
//! begins to contain one takes a turn: an event of one stream, which the transaction that writes the intention
//! appends only if nobody has taken a turn since before the check.

use std::collections::BTreeSet;
use std::fmt;

use futures::future::join_all;
use uuid::Uuid;

use crate::decide::rails::administrators::administers;
use crate::journal::batch::StreamWrite;
use crate::journal::lane::LaneKey;
use crate::journal::{Fault, Filter};
use crate::model::account::{AccountRef, Directory};
use crate::model::action::Action;
use crate::model::failure::Provider;
use crate::model::intent::{Intent, Verb};
use crate::model::person::{Found, LookupKey, Membership, Memberships, Person};
use crate::model::reason::Reason;
use crate::model::time::At;
use crate::record::action::ActionRecord;
use crate::record::event::{StreamKey, StreamKind};

use super::gather::{Reach, Unknown, ask, asked};
use super::{Context, StepError, write};

/// How many turns had been taken before a check.
#[must_use]
pub(super) struct Turn(u64);

impl Turn {
    /// Reads it, before anything that the check stands on.
    ///
    /// # Errors
    /// When the journal cannot be read.
    pub(super) async fn next(context: &Context) -> Result<Self, Fault> {
        let taken = context.journal.stream(&StreamKey::administrators()).await?;
        Ok(Self(taken.map_or(0, |stream| stream.n)))
    }

    /// What is written with the intention, if the action takes an administrator away.
    ///
    /// # Errors
    /// Never in practice.
    pub(super) fn take(self, action: &Action, person: &Person, now: At) -> Result<Option<StreamWrite>, StepError> {
        let Memberships::Read(memberships) = &person.memberships else { return Ok(None) };
        let takes_away = action.key.reverts.is_none() && takes_away(&action.key.intent);
        if !takes_away || !memberships.iter().any(|membership| administers(membership).is_some()) {
            return Ok(None);
        }
        Ok(Some(write::turn(action.id, self.0, now)?))
    }
}

/// What keeps an account from signing in.
const SHUT_OUT: [Verb; 3] = [Verb::DisableAdUser, Verb::SuspendEntraUser, Verb::ScramblePassword];

/// The roles among a person's memberships that nobody else is left in, as [`Membership::LastOfRole`].
///
/// # Errors
/// When nobody knows who would be left: a directory that could not be asked, or that does not say.
pub(super) async fn last_of_roles(
    context: &Context,
    person: &Person,
    memberships: &BTreeSet<Membership>,
) -> Result<Vec<Membership>, Unknown> {
    let roles: BTreeSet<Uuid> = memberships.iter().filter_map(administers).collect();
    let mut last = Vec::new();
    for role in roles {
        if !has_another(context, person, role).await? {
            last.push(Membership::LastOfRole(role));
        }
    }
    Ok(last)
}

async fn has_another(context: &Context, person: &Person, role: Uuid) -> Result<bool, Unknown> {
    for member in members(context, role).await? {
        let is_theirs = person.accounts.iter().any(|linked| linked.found.account == member);
        if !is_theirs && stays(context, &member).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

async fn members(context: &Context, role: Uuid) -> Result<Vec<AccountRef>, Unknown> {
    let now = context.clock.now();
    if let Some(known) = context.roles.get(&role, now) {
        return Ok(known);
    }
    let people = context.people.iter().map(AsRef::as_ref);
    let answers = join_all(people.map(|people| asked(context, people, people.members_of_role(role)))).await;
    let mut members: Option<Vec<AccountRef>> = None;
    for answer in answers {
        if let Some(some) = answer.map_err(Unknown::Unasked)? {
            members.get_or_insert_default().extend(some);
        }
    }
    let members = members.ok_or_else(|| unreadable(&format!("no directory says who is in the Entra role {role}")))?;
    context.roles.put(role, now, members.clone());
    Ok(members)
}

/// Whether the account may sign in, and will after what we have done: an account that we hold disabled in
/// Active Directory looks enabled in Entra until directory sync has run.
async fn stays(context: &Context, member: &AccountRef) -> Result<bool, Unknown> {
    let AccountRef::Entra(id) = member else { return Ok(false) };
    let candidates = ask(context, &LookupKey::EntraId(*id), "in the same role", Reach::All).await?;
    let found = candidates.into_iter().map(|candidate| candidate.found);
    let Some(entra) = found.into_iter().find(|found| is_own_word(found, member)) else { return Ok(false) };
    if entra.enabled != Some(true) {
        return Ok(false);
    }
    let accounts: Vec<AccountRef> = entra.sid.map(AccountRef::Ad).into_iter().chain([member.clone()]).collect();
    // A call that is on its way may have become an effect that is held by the second look, never the other way round.
    Ok(!is_being_shut_out(context, &accounts).await? && !is_held(context, &accounts).await?)
}

/// Whether an effect of ours keeps one of the accounts from signing in.
async fn is_held(context: &Context, accounts: &[AccountRef]) -> Result<bool, Unknown> {
    let accounts: Vec<String> = accounts.iter().map(ToString::to_string).collect();
    let effects = context.journal.effects(&accounts).await.map_err(|fault| unreadable(&fault))?;
    let shut_out = SHUT_OUT.map(Verb::word);
    Ok(effects.iter().any(|held| !held.holders.is_empty() && shut_out.contains(&held.key.verb.as_str())))
}

/// Whether a call of ours is on its way that will: what it does may not be seen for minutes.
async fn is_being_shut_out(context: &Context, accounts: &[AccountRef]) -> Result<bool, Unknown> {
    let lanes = accounts.iter().map(LaneKey::account).collect();
    let filter = Filter { kind: Some(StreamKind::Action), lanes, open_only: true, ..Filter::default() };
    for stream in context.journal.streams(&filter).await.map_err(|fault| unreadable(&fault))? {
        let action = write::read::<ActionRecord>(&stream).map_err(|error| unreadable(&error))?.record;
        if action.attempts > 0 && takes_away(&action.action.key.intent) {
            return Ok(true);
        }
    }
    Ok(false)
}

/// Whether an account that this is done to may administrate no more: its role can hang on a group of Entra.
fn takes_away(intent: &Intent) -> bool {
    let of_entra = intent.group.as_ref().is_some_and(|group| group.directory() == Directory::Entra);
    SHUT_OUT.contains(&intent.verb) || intent.verb == Verb::RemoveFromGroup && of_entra
}

/// What Entra itself says of the account; copies elsewhere follow it.
fn is_own_word(found: &Found, member: &AccountRef) -> bool {
    found.account == *member && found.said_by == Provider::Entra
}

fn unreadable(why: &dyn fmt::Display) -> Unknown {
    Unknown::Refused(Reason::MembershipUnreadable { why: format!("who else administrates: {why}") })
}
