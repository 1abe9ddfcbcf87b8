//! The life of an action: which event may follow which state, and what state it leads to.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::model::account::Directory;
use crate::model::action::Action;
use crate::model::failure::Provider;
use crate::model::id::ActionId;
use crate::model::observation::Observation;
use crate::model::outcome::{Outcome, OutcomeKind};
use crate::model::reason::Reason;
use crate::model::time::At;
use crate::record::retry::{costs_no_try, looks_later};

pub use super::action_event::{ActionEvent, First, Follow, UndoWanted, Vote};
pub use super::action_state::{ActionState, LostCall};

/// An action with everything that is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ActionRecord {
    /// What was planned.
    pub action: Action,
    /// Where it stands.
    pub state: ActionState,
    /// How often a call was begun.
    pub attempts: u32,
    /// How many of them cost no try: see [`costs_no_try`].
    #[serde(default, alias = "unauthorized")]
    pub idle: u32,
    /// A call was lost, and nobody knows whether it did something.
    #[serde(default)]
    pub lost: bool,
    /// When it was first planned.
    pub planned_at: At,
    /// When its first call began.
    pub begun_at: Option<At>,
    /// The state before the first call: what an undo restores.
    pub prior: Option<Observation>,
    /// Who approved it.
    pub approved_by: Option<String>,
    /// When they did.
    #[serde(default)]
    pub approved_at: Option<At>,
    /// Who wants it put back as soon as its effect is known.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub undo_wanted: Option<UndoWanted>,
    /// The action that puts it back.
    pub reverted_by: Option<ActionId>,
    /// What stood in its way, had it run (simulate).
    pub would: Option<Reason>,
}

/// So many calls that never left, of which there is one a minute at most: as long as anything else that is told.
const OFTEN: u32 = 6;
/// How long after it was given an approval lets an action begin.
const APPROVAL_COUNTS_FOR: Duration = Duration::from_secs(4 * 3600);

/// What an event did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Step {
    /// The state has changed.
    To(Box<ActionRecord>),
    /// It came too late to matter; the person is told.
    Moot(&'static str),
}

/// The event may not follow the state: a fault of ours.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("an action that is {state} cannot be {event}")]
pub struct IllegalTransition {
    state: &'static str,
    event: &'static str,
}

impl ActionRecord {
    /// One of which nothing is called yet, in one word.
    pub const PARKED: &str = "parked";
    /// The words of [`ActionRecord::status`] for what has not ended.
    pub const MOVING: [&str; 4] = ["waiting", Self::PARKED, "running", "verifying"];

    /// The record of a new action.
    #[must_use]
    pub fn planned(action: Action, first: First, at: At) -> Self {
        let would = match &first {
            First::Simulate { would, .. } => would.clone(),
            First::Run | First::Ask { .. } | First::Withhold { .. } => None,
        };
        Self {
            action,
            state: begin(first, at),
            attempts: 0,
            idle: 0,
            lost: false,
            planned_at: at,
            begun_at: None,
            prior: None,
            approved_by: None,
            approved_at: None,
            undo_wanted: None,
            reverted_by: None,
            would,
        }
    }

    /// The record after an event.
    ///
    /// # Errors
    /// When the event may not follow the state.
    pub fn apply(mut self, event: &ActionEvent, at: At) -> Result<Step, IllegalTransition> {
        use ActionEvent as E;
        use ActionState as S;
        let illegal = IllegalTransition { state: self.state.name(), event: event.name() };
        let state = match (self.state.clone(), event) {
            (_, E::Planned { action, first }) if self.begins_anew(first) => {
                let again = Self::planned((**action).clone(), first.clone(), at);
                return Ok(Step::To(Box::new(Self { planned_at: self.planned_at, ..again })));
            }
            (_, E::Planned { .. }) => return Ok(Step::Moot("it was planned before")),
            (S::Ready { .. }, E::Parked { reason, until }) => {
                let since = self.held_since(reason).unwrap_or(at);
                S::Ready { due: *until, held: Some(reason.clone()), since: Some(since) }
            }
            (S::Ready { .. }, E::Asked { reason, until }) => {
                S::AwaitingApproval { reason: reason.clone(), until: *until }
            }
            (_, E::Voted(vote)) => match self.voted(vote, at) {
                Ok(state) => state,
                Err(moot) => return Ok(Step::Moot(moot)),
            },
            // What was asked for want of an answer is planned anew when that comes.
            (S::AwaitingApproval { reason: Reason::OktaUnknown, .. }, E::ApprovalExpired) => {
                settled(OutcomeKind::Withheld, Reason::OktaUnknown, at)
            }
            (S::AwaitingApproval { .. }, E::ApprovalExpired) => {
                settled(OutcomeKind::Expired, Reason::ApprovalExpired, at)
            }
            (S::Ready { .. }, E::Begun { attempt, route, prior, look_after }) => {
                self.begins(*attempt, prior, at);
                S::Attempting { route: *route, prior: prior.clone(), started: at, look_after: *look_after }
            }
            (S::Attempting { .. }, E::NotSent { failure, again } | E::Refused { failure, again }) => {
                self.idle += u32::from(costs_no_try(failure));
                let held = Some(Reason::Refused { failure: Box::new(failure.clone()) });
                S::Ready { due: *again, held, since: Some(at) }
            }
            (S::Attempting { route, prior, started, .. }, E::Answered { correlation, look_at }) => {
                S::Verifying { route, prior, started, correlation: correlation.clone(), looks: 0, due: *look_at }
            }
            (S::Attempting { route, prior, started, .. }, E::AnswerLost { look_at, conclusive_at, .. }) => {
                self.lost = true;
                S::Unsure { route, prior, started, due: *look_at, conclusive_at: *conclusive_at }
            }
            (
                S::Unsure { route, prior, started, conclusive_at, .. },
                E::Looked { again, .. } | E::LookFailed { again, .. },
            ) => S::Unsure { route, prior, started, due: *again, conclusive_at },
            (S::Unsure { .. } | S::NeedsOperator { .. }, E::NothingHappened { .. }) => {
                self.lost = false;
                begin(First::Run, at)
            }
            (
                S::Verifying { route, prior, started, correlation, looks, .. },
                E::Looked { again, .. } | E::LookFailed { again, .. },
            ) => {
                let looks = if put_off(event, started, at) { looks } else { looks + 1 };
                S::Verifying { route, prior, started, correlation, looks, due: *again }
            }
            (S::Unsure { route, prior, started, .. }, E::OperatorNeeded { reason, again }) => {
                let call = again.map(|due| LostCall { route, prior, started, due });
                S::NeedsOperator { reason: reason.clone(), call }
            }
            (S::NeedsOperator { reason, call: Some(call) }, E::Looked { again, .. } | E::LookFailed { again, .. }) => {
                S::NeedsOperator { reason, call: Some(LostCall { due: *again, ..call }) }
            }
            (
                S::Ready { .. }
                | S::AwaitingApproval { .. }
                | S::Attempting { .. }
                | S::Unsure { .. }
                | S::Verifying { .. }
                | S::NeedsOperator { .. },
                E::Settled { outcome, follow },
            ) => S::Settled { outcome: outcome.clone(), at, route: self.state.route(), follow: *follow },
            (S::Attempting { .. } | S::Unsure { .. } | S::Verifying { .. }, E::UndoWanted(wanted)) => {
                self.undo_wanted = Some(wanted.clone());
                self.state
            }
            (_, E::UndoWanted(_)) => return Ok(Step::Moot("its effect is known")),
            (S::Settled { .. }, event) => match self.after_end(event, at) {
                Some(state) => state,
                None => return Err(illegal),
            },
            (
                S::Ready { .. }
                | S::AwaitingApproval { .. }
                | S::Attempting { .. }
                | S::Unsure { .. }
                | S::Verifying { .. }
                | S::NeedsOperator { .. },
                _,
            ) => return Err(illegal),
        };
        self.state = match &self.undo_wanted {
            Some(wanted) => put_back_soon(state, event, wanted, self.lost, at),
            None => state,
        };
        Ok(Step::To(Box::new(self)))
    }

    /// Calls that did nothing are none: what was before, and when it began, is of the first other one.
    fn begins(&mut self, attempt: u32, prior: &Observation, at: At) {
        if self.tries() == 0 || self.begun_at.is_none() {
            (self.begun_at, self.prior) = (Some(at), Some(prior.clone()));
        }
        self.attempts = attempt;
    }

    /// The state of an action that has ended, after what can still happen to it.
    fn after_end(&mut self, event: &ActionEvent, now: At) -> Option<ActionState> {
        use ActionEvent as E;
        let ActionState::Settled { outcome, at, route, follow } = self.state.clone() else { return None };
        match (event, follow) {
            (E::Turned { outcome, follow }, _) => {
                Some(ActionState::Settled { outcome: outcome.clone(), at: now, route, follow: *follow })
            }
            (E::RevertPlanned { by }, _) => {
                self.reverted_by = Some(*by);
                Some(ActionState::Settled { outcome, at, route, follow: None })
            }
            // A look that could not be made again after the end changes only its time.
            (E::LookFailed { again, .. }, Some(Follow::LookAgain { revert_at, .. })) => Some(ActionState::Settled {
                outcome,
                at,
                route,
                follow: Some(Follow::LookAgain { at: *again, revert_at }),
            }),
            _ => None,
        }
    }

    /// Whether a later plan takes its place: nothing was done, or it asks for want of an answer that has come.
    fn begins_anew(&self, first: &First) -> bool {
        // A plan that wants an answer itself begins what is new, and leaves what has been decided on.
        let wants = matches!(first, First::Ask { reason: Reason::OktaUnknown, .. });
        let asked = matches!(self.state, ActionState::AwaitingApproval { reason: Reason::OktaUnknown, .. });
        !wants && (self.may_be_planned_again() || asked)
    }

    /// The state after a person's word, or why it comes too late.
    fn voted(&mut self, vote: &Vote, at: At) -> Result<ActionState, &'static str> {
        match &self.state {
            ActionState::AwaitingApproval { until, .. } if vote.at > *until => Err("the question had expired"),
            ActionState::AwaitingApproval { .. } | ActionState::NeedsOperator { .. } => Ok(self.decided(vote, at)),
            // A no that comes before the next call begins is obeyed, whoever has said yes.
            ActionState::Ready { .. } if !vote.yes => Ok(self.decided(vote, at)),
            ActionState::Ready { .. } if self.is_held_by_okta() && vote.at > self.action.expires => {
                Err("it might no longer begin")
            }
            // Whom Okta keeps waiting a person may let go without it.
            ActionState::Ready { .. } if self.is_held_by_okta() => Ok(self.decided(vote, at)),
            ActionState::Ready { .. }
            | ActionState::Attempting { .. }
            | ActionState::Unsure { .. }
            | ActionState::Verifying { .. }
            | ActionState::Settled { .. } => Err("nobody was asking any more"),
        }
    }

    fn decided(&mut self, vote: &Vote, at: At) -> ActionState {
        if vote.yes {
            self.approved_by = Some(vote.by.clone());
            self.approved_at = Some(vote.at);
            // A decision is about the situation it was made in, not about one days later, when a daemon hears of it.
            self.action.expires = vote.at.min(at).plus(APPROVAL_COUNTS_FOR);
            return begin(First::Run, at);
        }
        // A call was made whose effect nobody knows: it can still be undone.
        let unknown = self.lost || matches!(self.state, ActionState::NeedsOperator { .. });
        let kind = if unknown { OutcomeKind::Unverified } else { OutcomeKind::Denied };
        settled(kind, Reason::Denied { by: vote.by.clone(), at: Some(vote.at) }, at)
    }

    /// The calls that count against the limit of tries.
    #[must_use]
    pub const fn tries(&self) -> u32 {
        self.attempts.saturating_sub(self.idle)
    }

    /// Since when it is held up, if it is held up for the same as this.
    #[must_use]
    pub fn held_since(&self, reason: &Reason) -> Option<At> {
        let ActionState::Ready { held: Some(held), since, .. } = &self.state else { return None };
        if held.code() == reason.code() { *since } else { None }
    }

    /// It ended without anything done or decided by a person, so a later plan may begin it anew.
    #[must_use]
    pub const fn may_be_planned_again(&self) -> bool {
        match self.outcome() {
            Some(outcome) => may_be_planned_again(outcome.kind),
            None => false,
        }
    }

    /// When its time is over, if it has an end.
    #[must_use]
    pub const fn reverts_at(&self) -> Option<At> {
        let ActionState::Settled { follow: Some(follow), .. } = &self.state else { return None };
        match follow {
            Follow::Revert { at } => Some(*at),
            Follow::LookAgain { revert_at, .. } => *revert_at,
        }
    }

    /// Still has something to do.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        match &self.state {
            ActionState::Settled { follow, .. } => follow.is_some(),
            ActionState::Ready { .. }
            | ActionState::AwaitingApproval { .. }
            | ActionState::Attempting { .. }
            | ActionState::Unsure { .. }
            | ActionState::Verifying { .. }
            | ActionState::NeedsOperator { .. } => true,
        }
    }

    /// How it ended, if it has.
    #[must_use]
    pub const fn outcome(&self) -> Option<&Outcome> {
        match &self.state {
            ActionState::Settled { outcome, .. } => Some(outcome),
            ActionState::Ready { .. }
            | ActionState::AwaitingApproval { .. }
            | ActionState::Attempting { .. }
            | ActionState::Unsure { .. }
            | ActionState::Verifying { .. }
            | ActionState::NeedsOperator { .. } => None,
        }
    }

    /// When it ended, if it has.
    #[must_use]
    pub const fn settled_at(&self) -> Option<At> {
        if let ActionState::Settled { at, .. } = &self.state { Some(*at) } else { None }
    }

    /// Whether it waits for Okta, which nobody else has to be asked about it, and a person's yes lets it go without. What
    /// was read before its call became too old where Okta is slow, mostly.
    #[must_use]
    pub fn is_held_by_okta(&self) -> bool {
        let ActionState::Ready { held: Some(held), .. } = &self.state else { return false };
        let key = &self.action.key;
        // The end of a containment asks nobody who it is, and of an account in Okta nothing is known without it.
        if self.approved_by.is_some() || key.reverts.is_some() || key.account.directory() == Directory::Okta {
            return false;
        }
        let lost = matches!(held, Reason::Refused { failure } if failure.provider == Provider::Okta);
        lost || *held == Reason::FactsTooOld
    }

    /// Whether it is held up because somebody outside did not answer. Nothing of it is under way.
    #[must_use]
    pub fn is_held_by_silence(&self) -> bool {
        match &self.state {
            ActionState::Ready { held: Some(Reason::Refused { failure }), .. } => failure.is_down(),
            ActionState::Ready { held, .. } => matches!(held, Some(Reason::PriorUnknown { .. })),
            ActionState::AwaitingApproval { .. }
            | ActionState::Attempting { .. }
            | ActionState::Unsure { .. }
            | ActionState::Verifying { .. }
            | ActionState::NeedsOperator { .. }
            | ActionState::Settled { .. } => false,
        }
    }

    /// Whether it waits for another action, and goes on when that one does.
    #[must_use]
    pub const fn waits_for_another(&self) -> bool {
        matches!(self.state, ActionState::Ready { held: Some(Reason::StepAwaited { .. } | Reason::UnderWay), .. })
    }

    /// Whether something but its turn holds it up for longer than this, or nobody has known for so long what became of
    /// its call.
    #[must_use]
    pub fn is_held_longer(&self, long: Duration, now: At) -> bool {
        match &self.state {
            // Somebody is asked again and again, and meanwhile people must know, who may decide.
            ActionState::Ready { since: Some(since), due, .. }
                if self.is_held_by_okta() || self.is_held_by_silence() =>
            {
                now.since(*since) > long || due.since(now) > long || self.idle >= OFTEN
            }
            ActionState::Ready { due, held: Some(_), .. } => due.since(now) > long,
            ActionState::Unsure { started, .. } => now.since(*started) > long,
            ActionState::Ready { held: None, .. }
            | ActionState::AwaitingApproval { .. }
            | ActionState::Attempting { .. }
            | ActionState::Verifying { .. }
            | ActionState::NeedsOperator { .. }
            | ActionState::Settled { .. } => false,
        }
    }

    /// The word for lists: an outcome, or `waiting` (for a person), `parked` (nothing is called), `running` (a call is
    /// on its way), `verifying` (looks go on).
    #[must_use]
    pub const fn status(&self) -> &'static str {
        match &self.state {
            ActionState::Ready { .. } => Self::PARKED,
            ActionState::Attempting { .. } => "running",
            ActionState::AwaitingApproval { .. } | ActionState::NeedsOperator { .. } => "waiting",
            ActionState::Unsure { .. } | ActionState::Verifying { .. } => "verifying",
            ActionState::Settled { outcome, .. } => outcome.kind.word(),
        }
    }

    /// Why it stands as it stands: how it ended, or what it waits for.
    #[must_use]
    pub fn reason(&self) -> Reason {
        match &self.state {
            ActionState::Ready { held: Some(reason), .. }
            | ActionState::AwaitingApproval { reason, .. }
            | ActionState::NeedsOperator { reason, .. } => reason.clone(),
            ActionState::Settled { outcome, .. } => outcome.reason.clone(),
            ActionState::Ready { held: None, .. } => Reason::NotBegun,
            ActionState::Attempting { .. } => Reason::Called,
            ActionState::Unsure { due, .. } => Reason::AnswerLost { again: *due },
            ActionState::Verifying { looks, due, .. } => Reason::NotSeenYet { looks: *looks, again: *due },
        }
    }

    /// [`Self::reason`] as a line for people: with what would have come of an action that was only simulated, and until
    /// when one waits.
    #[must_use]
    pub fn why(&self) -> String {
        match &self.state {
            ActionState::Settled { outcome, .. } if outcome.kind == OutcomeKind::Simulated => {
                outcome.reason.simulated(self.would.as_ref())
            }
            ActionState::AwaitingApproval { reason, until } => {
                format!("{}; the question stands until {}", reason.line(), until.to_the_second())
            }
            // What waits for another action goes on when that has ended, not at a moment.
            ActionState::Ready { held: Some(reason @ (Reason::StepAwaited { .. } | Reason::UnderWay)), .. } => {
                reason.line()
            }
            ActionState::Ready { held: Some(reason), due, .. } => {
                let may = if !self.is_held_by_okta() {
                    ""
                } else if *reason == Reason::FactsTooOld {
                    "; where Okta is slow, approve lets it go without"
                } else {
                    "; approve lets it go without Okta, unless a list of people who are never touched names an Okta id"
                };
                format!("{}; looked at again at {}{may}", reason.line(), due.to_the_second())
            }
            ActionState::Attempting { .. } | ActionState::Unsure { .. } | ActionState::Verifying { .. } => {
                let wanted = self.undo_wanted.as_ref();
                let wanted = wanted.map(|wanted| format!("; {} wants it undone as soon as that is known", wanted.by));
                self.reason().line() + &wanted.unwrap_or_default()
            }
            ActionState::Ready { held: None, .. } | ActionState::NeedsOperator { .. } | ActionState::Settled { .. } => {
                self.reason().line()
            }
        }
    }

    /// A call was made whose effect nobody has ruled on yet.
    #[must_use]
    pub const fn is_in_flight(&self) -> bool {
        matches!(
            self.state,
            ActionState::Attempting { .. } | ActionState::Unsure { .. } | ActionState::Verifying { .. }
        )
    }
}

/// A look that could not be made and is none.
fn put_off(event: &ActionEvent, since: At, now: At) -> bool {
    matches!(event, ActionEvent::LookFailed { failure, .. } if looks_later(failure, since, now))
}

fn begin(first: First, at: At) -> ActionState {
    match first {
        First::Run => ActionState::Ready { due: at, held: None, since: None },
        First::Ask { reason, until } => ActionState::AwaitingApproval { reason, until },
        First::Withhold { reason } => settled(OutcomeKind::Withheld, reason, at),
        First::Simulate { reason, .. } => settled(OutcomeKind::Simulated, reason, at),
    }
}

/// What becomes of an action that somebody wanted put back while its call was on its way: it is called no more, nobody
/// is asked about it, and what may be in place is put back at once.
fn put_back_soon(state: ActionState, event: &ActionEvent, wanted: &UndoWanted, lost: bool, now: At) -> ActionState {
    use ActionEvent as E;
    let follow = Some(Follow::Revert { at: now });
    let unknown = |route| {
        let reason = Reason::Operator { by: wanted.by.clone(), at: Some(wanted.at) };
        let outcome = Outcome { kind: OutcomeKind::Unverified, proof: None, reason };
        ActionState::Settled { outcome, at: now, route, follow }
    };
    match (event, state) {
        (E::Settled { .. }, ActionState::Settled { outcome, at, route, .. }) if outcome.may_stand() => {
            ActionState::Settled { outcome, at, route, follow }
        }
        // An earlier call may have done it.
        (E::Settled { .. }, ActionState::Settled { outcome, route, .. })
            if lost && outcome.kind == OutcomeKind::Failed =>
        {
            unknown(route)
        }
        (E::OperatorNeeded { .. }, state) => unknown(state.route()),
        // This call did nothing; an earlier one may have.
        (E::NotSent { .. } | E::Refused { .. }, state) if lost => unknown(state.route()),
        (E::NotSent { .. } | E::Refused { .. } | E::NothingHappened { .. }, _) => {
            settled(OutcomeKind::Denied, Reason::Denied { by: wanted.by.clone(), at: Some(wanted.at) }, now)
        }
        (_, state) => state,
    }
}

const fn may_be_planned_again(kind: OutcomeKind) -> bool {
    matches!(kind, OutcomeKind::Withheld | OutcomeKind::Simulated)
}

const fn settled(kind: OutcomeKind, reason: Reason, at: At) -> ActionState {
    ActionState::Settled { outcome: Outcome { kind, proof: None, reason }, at, route: None, follow: None }
}
