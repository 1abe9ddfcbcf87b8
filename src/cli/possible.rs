//! Whether what a person says about an action can change anything. Pure.

use super::actions::left::{Left, Said};
use crate::model::outcome::Outcome;
use crate::model::reason::Reason;
use crate::model::text::clip;
use crate::model::time::At;
use crate::record::action::{ActionRecord, ActionState};
use crate::respond::accounts::undoable;

/// What a person decides.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Decision {
    Approve,
    Deny,
    Undo,
}

impl Decision {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Approve => "approved",
            Self::Deny => "denied",
            Self::Undo => "undone",
        }
    }

    /// As it is left for a daemon.
    pub(super) const fn said(self) -> Said {
        match self {
            Self::Approve => Said::Approved,
            Self::Deny => Said::Denied,
            Self::Undo => Said::Undo,
        }
    }

    const fn noun(self) -> &'static str {
        match self {
            Self::Approve => "approval",
            Self::Deny => "denial",
            Self::Undo => "undo",
        }
    }
}

/// What was said and done about an action before.
#[derive(Debug, Default)]
pub(super) struct Before {
    /// What no daemon has heard yet.
    pub(super) left: Vec<Left>,
    /// The undo that was planned before, if one was.
    pub(super) earlier: Option<ActionRecord>,
}

/// What the decision overrules, if anything.
///
/// # Errors
/// Why it would change nothing.
pub(super) fn possible(
    record: &ActionRecord,
    before: &Before,
    decision: Decision,
    now: At,
) -> Result<Option<String>, String> {
    let said = |what: &[Said]| before.left.iter().find(|left| what.contains(&left.what));
    if decision == Decision::Undo {
        if let Some(left) = said(&[Said::Undo]) {
            let at = left.at.to_the_second();
            return Err(format!("is to be undone already: {} asked for it at {at}; yours changes nothing", left.by));
        }
        return to_undo(record, before.earlier.as_ref())
            .map(|()| None)
            .map_err(|why| format!("cannot be undone: {why}"));
    }
    if let Some(left) = against(decision).iter().find_map(|what| said(&[*what])) {
        return Err(stands(left.what, &left.by, left.at, decision));
    }
    open(record, decision, now)?;
    let overruled = said(&[Said::Approved]).map(|left| (left.by.clone(), left.at));
    let overruled = overruled.or_else(|| record.approved_by.clone().zip(record.approved_at));
    Ok(overruled.map(|(by, at)| {
        format!("{} approved it at {}; a no that comes before the call holds", clip(&by, 300), at.to_the_second())
    }))
}

/// The words after which a decision changes nothing: a no wins, whoever says yes before or after it; a second word of the
/// same kind adds nothing.
const fn against(decision: Decision) -> &'static [Said] {
    match decision {
        Decision::Approve => &[Said::Denied, Said::Approved],
        Decision::Deny => &[Said::Denied],
        Decision::Undo => &[Said::Undo],
    }
}

/// Why a word that was left changes nothing after all: another was `before` it, or a daemon has heard another first.
/// `answered` is when an earlier question about the action was approved, which ours does not answer.
pub(super) fn overtaken(
    record: &ActionRecord,
    answered: Option<At>,
    before: &[Left],
    ours: &Left,
    decision: Decision,
) -> Option<String> {
    let denied = if let ActionState::Settled { outcome, at: ended, .. } = &record.state
        && let Reason::Denied { by, at } = &outcome.reason
    {
        Some((Said::Denied, by, at.unwrap_or(*ended)))
    } else {
        None
    };
    let approved = record.approved_by.as_ref().zip(record.approved_at.filter(|at| Some(*at) != answered));
    let approved = approved.map(|(by, at)| (Said::Approved, by, at));
    let heard = denied.into_iter().chain(approved).filter(|(_, by, at)| **by != ours.by && *at <= ours.at);
    let left = before.iter().map(|left| (left.what, &left.by, left.at));
    let first = left.chain(heard).find(|(what, ..)| against(decision).contains(what));
    first.map(|(what, by, at)| stands(what, by, at, decision))
}

/// Whether an action can still be approved or denied.
fn open(record: &ActionRecord, decision: Decision, now: At) -> Result<(), String> {
    let cannot = |why: String| Err(format!("cannot be {}: {why}", decision.word()));
    let approved = record.approved_by.as_deref().zip(record.approved_at);
    match &record.state {
        ActionState::NeedsOperator { .. } => Ok(()),
        ActionState::Ready { .. }
            if decision == Decision::Approve && record.is_held_by_okta() && record.action.expires > now =>
        {
            Ok(())
        }
        // A no before the call begins is obeyed, also after a yes.
        ActionState::Ready { .. } if decision == Decision::Deny => Ok(()),
        ActionState::AwaitingApproval { until, .. } if *until > now => Ok(()),
        ActionState::AwaitingApproval { until, .. } => {
            cannot(format!("the question stood until {}", until.to_the_second()))
        }
        ActionState::Settled { outcome: Outcome { reason: Reason::Denied { by, at }, .. }, at: ended, .. } => {
            Err(stands(Said::Denied, by, at.unwrap_or(*ended), decision))
        }
        ActionState::Settled { outcome, .. } => {
            let said = approved.map(|(by, at)| format!(", approved by {by} at {}", at.to_the_second()));
            let said = said.unwrap_or_default();
            cannot(format!("it has ended{said}: {}, {}", outcome.kind, record.why()))
        }
        ActionState::Ready { .. }
        | ActionState::Attempting { .. }
        | ActionState::Unsure { .. }
        | ActionState::Verifying { .. } => match approved.filter(|_| decision == Decision::Approve) {
            Some((by, at)) => Err(stands(Said::Approved, by, at, decision)),
            None => cannot(format!("it does not wait for a person, it is {}", record.status())),
        },
    }
}

/// Whether an action can be put back. What has not been called has nothing to put back, whatever its kind.
fn to_undo(record: &ActionRecord, earlier: Option<&ActionRecord>) -> Result<(), String> {
    match &record.state {
        ActionState::AwaitingApproval { .. } => {
            Err("it waits for a decision and has done nothing yet; `riposte deny` ends it".to_owned())
        }
        ActionState::Ready { .. } => {
            Err("it has done nothing yet; `riposte deny` stops it before its call begins".to_owned())
        }
        ActionState::Attempting { .. }
        | ActionState::Unsure { .. }
        | ActionState::Verifying { .. }
        | ActionState::NeedsOperator { .. }
        | ActionState::Settled { .. } => undoable(record, earlier).map(|_| ()).map_err(|why| {
            let asked = earlier.and_then(|earlier| earlier.action.why.as_ref());
            asked.map_or_else(|| why.to_owned(), |asked| format!("{why} ({asked})"))
        }),
    }
}

/// What somebody has said already, and that another word changes nothing.
fn stands(what: Said, by: &str, at: At, decision: Decision) -> String {
    let what = match what {
        Said::Approved => "approved",
        Said::Denied => "denied",
        Said::Undo => "undone",
    };
    format!("was {what} by {} at {}; your {} changes nothing", clip(by, 300), at.to_the_second(), decision.noun())
}
