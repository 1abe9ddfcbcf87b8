//! Notes: when one is due, what it covers, and how it came to be posted.

use serde::{Deserialize, Serialize};

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
            }),
            // Incident and text are those of the first time, whatever a later attempt brings.
            (Some(note), NoteEvent::Begun { .. }) => {
                Some(Self { state: NoteState::Begun, attempts: note.attempts + 1, begun_at: Some(at), ..note })
            }
            (Some(note), NoteEvent::Posted) => Some(Self { state: NoteState::Posted { at }, ..note }),
            (Some(note), NoteEvent::Again { reason, at }) => {
                Some(Self { state: NoteState::Waiting { at: *at, reason: reason.clone() }, ..note })
            }
            (Some(note), NoteEvent::GivenUp { reason }) => {
                Some(Self { state: NoteState::GivenUp { reason: reason.clone() }, ..note })
            }
            (None, NoteEvent::Posted | NoteEvent::Again { .. } | NoteEvent::GivenUp { .. }) => None,
        }
    }

    /// Until when nobody knows whether a comment is on its way that somebody sent who died, where a second one would be
    /// one too many.
    #[must_use]
    pub fn in_doubt_until(&self) -> Option<At> {
        let begun = self.begun_at.filter(|_| matches!(self.state, NoteState::Begun))?;
        self.incident.doubt().map(|doubt| begun.plus(doubt))
    }

    /// Still to be posted.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.state, NoteState::Begun | NoteState::Waiting { .. })
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
