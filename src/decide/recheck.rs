//! The last look of the guardrails, right before a call: facts of this moment, or no slip.

use crate::model::action::{Action, Mode};
use crate::model::id::ActionId;
use crate::model::intent::Verb;
use crate::model::observation::{Fact, Observation};
use crate::model::offer::Route;
use crate::model::person::Person;
use crate::model::reason::Reason;
use crate::model::time::At;
use crate::record::judge::{Seen, judge};

use super::cleared::Cleared;
use super::plan::asks;
use super::rails::{Rails, protected};
use super::steps::burst_key;

/// What was read right before the call. The slip's life counts from the oldest of it.
#[derive(Debug, Clone)]
pub struct Facts {
    /// When the oldest of it was read.
    pub read: At,
    /// The state of the account now.
    pub prior: Observation,
    /// Who approved the action.
    pub approved_by: Option<String>,
    /// The kill switch.
    pub paused: Option<String>,
    /// Until when the same intent on the same account rests.
    pub cooldown_until: Option<At>,
    /// On how many other accounts its detector has led to actions within the burst window.
    pub burst: u32,
    /// The other actions that hold the effect that a revert would end.
    pub other_holders: Vec<ActionId>,
}

/// What stands in the way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Block {
    /// It ends here.
    Withhold(Reason),
    /// It was so before, and whoever did it keeps it.
    InPlace(Reason),
    /// Not now.
    Park(Reason, At),
    /// A person decides.
    Ask(Reason),
}

/// How long a paused action waits before it looks at the switch again; `resume` wakes it. What waits longer is told on
/// its incident, and whoever paused knows.
const PAUSED_FOR: std::time::Duration = std::time::Duration::from_secs(300);

/// When an action that the kill switch holds looks again: at the latest when it has become too old.
#[must_use]
pub fn paused_until(action: &Action, now: At) -> At {
    now.plus(PAUSED_FOR).min(action.expires.max(now).plus(std::time::Duration::from_nanos(100)))
}

/// So many others who hold an effect are named.
const MOST_NAMED: usize = 3;

/// Lets a response to a person, with memberships read again, go, or says what stands in its way.
///
/// # Errors
/// The first thing that stands in the way.
pub fn recheck(
    action: &Action,
    route: Route,
    person: Result<&Person, Reason>,
    facts: Facts,
    rails: &Rails,
    now: At,
) -> Result<Cleared, Block> {
    paused(action, &facts, now)?;
    let person = person.map_err(Block::Withhold)?;
    let not_ours = |reason: Option<Reason>| reason.map_or(Ok(()), |reason| Err(Block::Withhold(reason)));
    not_ours(protected::protected(person, rails))?;
    not_ours(protected::protected_group(&action.key.intent, rails))?;
    if rails.dry_run {
        return Err(Block::Withhold(Reason::DryRun));
    }
    if action.mode == Mode::Simulate {
        return Err(Block::Withhold(Reason::NoLongerWanted));
    }
    suits(action.key.intent.verb, &facts.prior)?;
    if let Some(until) = facts.cooldown_until {
        return Err(Block::Withhold(Reason::Cooldown { until }));
    }
    if facts.approved_by.is_none() {
        if action.mode == Mode::Approve {
            let rule = action.wanted_by.first().map_or_else(String::new, |by| by.rule.clone());
            return Err(Block::Ask(Reason::ApprovalWanted { rule }));
        }
        if let Some(reason) = asks(person, rails) {
            return Err(Block::Ask(reason));
        }
        if facts.burst >= rails.limits.burst {
            let window = crate::model::time::print_duration(rails.limits.burst_window);
            return Err(Block::Ask(Reason::Burst { accounts: facts.burst as usize, window }));
        }
    }
    let action = within_burst(action, &facts, rails);
    Ok(Cleared::new(action, route, facts.prior, facts.read))
}

/// The action as it may begin: many are checked at the same time, so the journal counts the burst
/// once more, unless a person has decided.
fn within_burst(action: &Action, facts: &Facts, rails: &Rails) -> Action {
    let mut action = action.clone();
    if facts.approved_by.is_none() {
        for claim in action.limits.iter_mut().filter(|claim| claim.key.starts_with(&burst_key(""))) {
            claim.limit = rails.limits.burst;
        }
    }
    action
}

/// Lets an undo or the end of a lease go. Lists and limits stop containment, not its end: else
/// somebody put on the break-glass list after a mistake would stay locked out. What we did must still
/// be in place, and nobody else may hold it.
///
/// # Errors
/// The first thing that stands in the way.
pub fn recheck_revert(
    action: &Action,
    route: Route,
    undoes: Verb,
    facts: Facts,
    rails: &Rails,
    now: At,
) -> Result<Cleared, Block> {
    paused(action, &facts, now)?;
    if rails.dry_run {
        return Err(Block::Withhold(Reason::DryRun));
    }
    if !facts.other_holders.is_empty() {
        let by = facts.other_holders.iter().take(MOST_NAMED).map(|id| id.short()).collect();
        return Err(Block::Withhold(Reason::HeldByOthers { holders: facts.other_holders.len(), by }));
    }
    if judge(action.key.intent.verb, &facts.prior, None) == Seen::InPlace {
        return Err(Block::InPlace(Reason::InPlaceAlready));
    }
    if judge(undoes, &facts.prior, None) != Seen::InPlace {
        return Err(Block::Withhold(Reason::ChangedSince { found: facts.prior.to_string() }));
    }
    Ok(Cleared::new(action.clone(), route, facts.prior, facts.read))
}

fn paused(action: &Action, facts: &Facts, now: At) -> Result<(), Block> {
    match &facts.paused {
        Some(by) => Err(Block::Park(Reason::Paused { by: by.clone() }, paused_until(action, now))),
        None => Ok(()),
    }
}

/// Whether the account is in a state in which the intent makes sense.
fn suits(verb: Verb, prior: &Observation) -> Result<(), Block> {
    match judge(verb, prior, None) {
        Seen::InPlace => return Err(Block::InPlace(Reason::InPlaceAlready)),
        Seen::Gone => return Err(Block::Withhold(Reason::AccountUnknown)),
        Seen::NotInPlace | Seen::CannotTell => {}
    }
    match (&prior.fact, verb) {
        (Fact::Password { never_expires: Some(true), .. }, Verb::RequirePasswordChange) => {
            Err(Block::Withhold(Reason::PasswordNeverExpires))
        }
        (Fact::OktaStatus(status), Verb::SuspendOktaUser) if !status.eq_ignore_ascii_case("ACTIVE") => {
            Err(Block::Withhold(Reason::NotSuspendable { status: crate::model::text::clip(status, 40) }))
        }
        _ => Ok(()),
    }
}
