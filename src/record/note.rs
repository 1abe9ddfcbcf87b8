//! Notes: when one is due, what it covers, and how it came to be posted.

use serde::{Deserialize, Serialize};

use crate::model::failure::{Failure, FailureKind, Sent};
use crate::model::id::{ActionId, AlertId, NoteId};
use crate::model::incident::IncidentRef;
use crate::model::reason::Reason;
use crate::model::scope::TenantKey;
use crate::model::time::At;

/// What a note is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum NotePhase {
    /// Nothing can be decided yet, and that has lasted.
    Waits,
    /// Something waits for a person.
    Asks,
    /// The case rests.
    Rests,
}

/// Which note. One exists per alert, phase and round; a round begins when there is something to say
/// that no earlier note of the phase has said.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteKey {
    /// The tenant.
    pub tenant: TenantKey,
    /// About which alert.
    pub alert: AlertId,
    /// About what of it.
    pub phase: NotePhase,
    /// Which time, from 1.
    pub round: u16,
}

impl NoteKey {
    /// The id that every replica derives from the key.
    #[must_use]
    pub fn id(&self) -> NoteId {
        let phase = match self.phase {
            NotePhase::Waits => "waits",
            NotePhase::Asks => "asks",
            NotePhase::Rests => "rests",
        };
        NoteId::derive(&[&self.tenant.to_string(), &self.alert.to_string(), phase, &self.round.to_string()])
    }
}

/// One decision as a note tells it: the action and the word for how it stands.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Told {
    /// Which.
    pub action: ActionId,
    /// How it stood.
    pub status: String,
}

/// Something that happened to a note.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum NoteEvent {
    /// Route, incident and text are fixed, and it is about to be posted.
    Begun {
        /// Which.
        key: NoteKey,
        /// Where.
        incident: IncidentRef,
        /// What it says.
        text: String,
        /// What it covers.
        covers: Vec<Told>,
    },
    /// The vendor has it.
    Posted,
    /// It could not be posted; the same again at.
    Again {
        /// Why.
        reason: Reason,
        /// When.
        at: At,
    },
    /// It may not be written there, and stands nowhere: it goes to the same incident by another route.
    Rerouted {
        /// By which.
        incident: IncidentRef,
        /// Why.
        reason: Reason,
    },
    /// It will not be posted.
    GivenUp {
        /// Why.
        reason: Reason,
    },
}

impl NoteEvent {
    /// The event's name in the journal.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Begun { .. } => "begun",
            Self::Posted => "posted",
            Self::Again { .. } => "again",
            Self::Rerouted { .. } => "rerouted",
            Self::GivenUp { .. } => "given-up",
        }
    }
}

/// Where a note stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "kebab-case")]
pub enum NoteState {
    /// About to be posted, or posted by somebody who died: posting again is harmless.
    Begun,
    /// To be posted again.
    Waiting {
        /// When.
        at: At,
        /// Why not sooner.
        reason: Reason,
    },
    /// The vendor has it.
    Posted {
        /// Since.
        at: At,
    },
    /// It will not be posted.
    GivenUp {
        /// Why.
        reason: Reason,
    },
}

impl NoteState {
    /// The state in one or two words.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Begun => "begun",
            Self::Waiting { .. } => "waiting",
            Self::Posted { .. } => "posted",
            Self::GivenUp { .. } => "given up",
        }
    }
}

/// A note with everything that is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct NoteRecord {
    /// Which.
    pub key: NoteKey,
    /// Where.
    pub incident: IncidentRef,
    /// What it says.
    pub text: String,
    /// What it covers.
    pub covers: Vec<Told>,
    /// Where it stands.
    pub state: NoteState,
    /// How often it was tried.
    pub attempts: u32,
    /// When it was tried last.
    #[serde(default)]
    pub begun_at: Option<At>,
    /// It may stand there although no attempt has said so.
    #[serde(default)]
    pub doubted: bool,
}

impl NoteRecord {
    /// The record after an event; `None` when the first event is not `Begun`.
    #[must_use]
    pub fn apply(before: Option<Self>, event: &NoteEvent, at: At) -> Option<Self> {
        match (before, event) {
            (None, NoteEvent::Begun { key, incident, text, covers }) => Some(Self {
                key: key.clone(),
                incident: incident.clone(),
                text: text.clone(),
                covers: covers.clone(),
                state: NoteState::Begun,
                attempts: 1,
                begun_at: Some(at),
                doubted: false,
            }),
            // Incident and text are those of the first time, whatever a later attempt brings.
            (Some(note), NoteEvent::Begun { .. }) => {
                // Whoever tried it before has died.
                let doubted = note.doubted || matches!(note.state, NoteState::Begun);
                let (attempts, begun_at) = (note.attempts + 1, Some(at));
                Some(Self { state: NoteState::Begun, attempts, begun_at, doubted, ..note })
            }
            (Some(note), NoteEvent::Posted) => Some(Self { state: NoteState::Posted { at }, ..note }),
            (Some(note), NoteEvent::Again { reason, at }) => {
                let refusal = if let Reason::Refused { failure } = reason { Some(failure.as_ref()) } else { None };
                let doubted = note.doubted || refusal.is_some_and(may_have_written);
                Some(Self { state: NoteState::Waiting { at: *at, reason: reason.clone() }, doubted, ..note })
            }
            (Some(note), NoteEvent::Rerouted { incident, reason }) => {
                let state = NoteState::Waiting { at, reason: reason.clone() };
                Some(Self { incident: incident.clone(), state, ..note })
            }
            (Some(note), NoteEvent::GivenUp { reason }) => {
                Some(Self { state: NoteState::GivenUp { reason: reason.clone() }, ..note })
            }
            (
                None,
                NoteEvent::Posted | NoteEvent::Again { .. } | NoteEvent::Rerouted { .. } | NoteEvent::GivenUp { .. },
            ) => None,
        }
    }

    /// Until when nobody knows whether a comment is on its way that somebody sent who died, where a second one would be
    /// one too many.
    #[must_use]
    pub fn in_doubt_until(&self) -> Option<At> {
        let begun = self.begun_at.filter(|_| matches!(self.state, NoteState::Begun))?;
        self.incident.doubt().map(|doubt| begun.plus(doubt))
    }

    /// By which route it goes on after a refusal: an incident of Defender is one of Sentinel as well, where a comment has an
    /// id of its own. Only what stands nowhere may go there, or people read it twice.
    #[must_use]
    pub fn another_route(&self, failure: &Failure) -> Option<IncidentRef> {
        if self.doubted || failure.kind != FailureKind::Forbidden {
            return None;
        }
        match &self.incident {
            IncidentRef::Defender { workspace, name, .. } => {
                Some(IncidentRef::Sentinel { workspace: *workspace, name: *name })
            }
            IncidentRef::Sentinel { .. } => None,
        }
    }

    /// Still to be posted.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.state, NoteState::Begun | NoteState::Waiting { .. })
    }
}

/// Whether a comment may stand there although the call failed.
#[must_use]
pub const fn may_have_written(failure: &Failure) -> bool {
    match failure.kind {
        FailureKind::Unavailable | FailureKind::NoAnswer | FailureKind::Unreadable => true,
        FailureKind::Throttled(_)
        | FailureKind::Unreachable
        | FailureKind::Unauthorized
        | FailureKind::Forbidden
        | FailureKind::NotFound
        | FailureKind::Conflict
        | FailureKind::Refused
        | FailureKind::NotAttempted => matches!(failure.sent, Sent::Maybe),
    }
}

/// What a case has to tell, sorted into what waits for a person and what has ended.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Story {
    /// Why nothing can be decided yet, where that has lasted.
    pub waits: Vec<Told>,
    /// Waiting for a person.
    pub asks: Vec<Told>,
    /// Ended, or held up for long.
    pub rests: Vec<Told>,
    /// Still moving.
    pub moving: usize,
}

/// Which note is due, if any: once that nothing can be decided yet, a question as soon as there is a new one,
/// the result when nothing moves any more and something has changed since the last result.
#[must_use]
pub fn due(story: &Story, notes: &[NoteRecord]) -> Option<(NotePhase, u16)> {
    let of = |phase: NotePhase| notes.iter().filter(move |note| note.key.phase == phase);
    let round = |phase: NotePhase| u16::try_from(of(phase).count()).unwrap_or(u16::MAX).saturating_add(1);
    let told_in = |phase: NotePhase, told: &Told| of(phase).any(|note| note.covers.contains(told));
    if story.waits.iter().any(|told| !told_in(NotePhase::Waits, told)) {
        return Some((NotePhase::Waits, round(NotePhase::Waits)));
    }
    let asked = |told: &Told| told_in(NotePhase::Asks, told);
    if story.asks.iter().any(|told| !asked(told)) {
        return Some((NotePhase::Asks, round(NotePhase::Asks)));
    }
    let last = of(NotePhase::Rests).max_by_key(|note| note.key.round);
    let said = |told: &Told| last.is_some_and(|note| note.covers.contains(told));
    if story.moving == 0 && story.asks.is_empty() && story.rests.iter().any(|told| !said(told)) {
        return Some((NotePhase::Rests, round(NotePhase::Rests)));
    }
    None
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::model::failure::Provider;
    use crate::model::scope::WorkspaceKey;

    const T0: At = At::from_unix_seconds(1_800_000_000);

    fn failure(kind: FailureKind, sent: Sent) -> Failure {
        Failure {
            provider: Provider::Defender,
            operation: String::new(),
            kind,
            sent,
            vendor: None,
            hint: String::new(),
        }
    }

    #[test]
    fn a_comment_may_stand_there_where_the_answer_does_not_say_no() {
        for (kind, sent, may) in [
            (FailureKind::Unavailable, Sent::Answered, true),
            (FailureKind::NoAnswer, Sent::Maybe, true),
            (FailureKind::Unreadable, Sent::Answered, true),
            (FailureKind::Throttled(None), Sent::Answered, false),
            (FailureKind::Forbidden, Sent::Answered, false),
            (FailureKind::Unreachable, Sent::No, false),
            (FailureKind::NotAttempted, Sent::No, false),
        ] {
            assert_eq!(may_have_written(&failure(kind, sent)), may, "{kind:?}");
        }
    }

    #[test]
    fn only_what_stands_nowhere_goes_to_the_same_incident_by_another_route() {
        let (workspace, name) = (WorkspaceKey(Uuid::nil()), Uuid::nil());
        let incident = IncidentRef::Defender { workspace, name, id: "7".into() };
        let alert = AlertId::derive(&["a"]);
        let key = NoteKey { tenant: TenantKey(Uuid::nil()), alert, phase: NotePhase::Rests, round: 1 };
        let begun = NoteEvent::Begun { key, incident, text: "t".into(), covers: Vec::new() };
        let again = |kind, sent| {
            let reason = Reason::Refused { failure: Box::new(failure(kind, sent)) };
            NoteEvent::Again { reason, at: T0 }
        };
        let after = |events: &[NoteEvent]| {
            let fold = |note, event| NoteRecord::apply(note, event, T0);
            events.iter().fold(None, fold).unwrap()
        };
        let no = failure(FailureKind::Forbidden, Sent::Answered);
        let sentinel = Some(IncidentRef::Sentinel { workspace, name });
        let for_now = again(FailureKind::Throttled(None), Sent::Answered);
        assert_eq!(after(std::slice::from_ref(&begun)).another_route(&no), sentinel);
        assert_eq!(after(&[begun.clone(), for_now.clone(), begun.clone()]).another_route(&no), sentinel);
        let lost = again(FailureKind::NoAnswer, Sent::Maybe);
        assert_eq!(after(&[begun.clone(), lost, begun.clone(), for_now, begun.clone()]).another_route(&no), None);
        assert_eq!(after(&[begun.clone(), begun.clone()]).another_route(&no), None, "somebody died beside it");
        let other = failure(FailureKind::NotFound, Sent::Answered);
        assert_eq!(after(std::slice::from_ref(&begun)).another_route(&other), None);
        let reason = Reason::Refused { failure: Box::new(no.clone()) };
        let moved = NoteEvent::Rerouted { incident: sentinel.clone().unwrap(), reason };
        let moved = after(&[begun.clone(), moved, begun]);
        assert_eq!((Some(moved.incident.clone()), moved.another_route(&no)), (sentinel, None));
    }
}
