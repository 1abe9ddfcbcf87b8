//! Holds the journal against the lab: what it says it did, is; and nothing else was done.

use crate::lab::{AdState, CommentState, EntraState, OktaState, Snapshot};
use crate::model::account::AccountRef;
use crate::model::incident::IncidentRef;
use crate::model::intent::Verb;
use crate::model::outcome::OutcomeKind;
use crate::record::action::ActionRecord;
use crate::record::note::NoteState;

use super::summary::Told;

/// Everything on which journal and lab disagree.
pub(super) fn check(told: &Told, state: &Snapshot) -> Vec<String> {
    let mut wrong = Vec::new();
    for record in &told.actions {
        wrong.extend(directory(record, told, state));
    }
    wrong.extend(strangers(told, state));
    wrong.extend(comments(told, state));
    wrong
}

/// The account is as the action's outcome says.
fn directory(record: &ActionRecord, told: &Told, state: &Snapshot) -> Option<String> {
    let outcome = record.outcome()?;
    let verb = record.action.key.intent.verb;
    let account = &record.action.key.account;
    // Containment by another action, or its end, is that action's business.
    let later = |other: &&ActionRecord| {
        other.action.key.account == *account
            && other.action.id != record.action.id
            && other.planned_at >= record.planned_at
            && (other.action.key.intent.verb == verb || other.action.key.reverts == Some(record.action.id))
            && other.attempts > 0
    };
    if told.actions.iter().any(|other| later(&other)) {
        return None;
    }
    let there = in_place(verb, record, state)?;
    let said = match outcome.kind {
        OutcomeKind::Effective | OutcomeKind::AlreadyEffective => true,
        OutcomeKind::Contradicted => false,
        OutcomeKind::Simulated
        | OutcomeKind::Unverified
        | OutcomeKind::Failed
        | OutcomeKind::Withheld
        | OutcomeKind::Denied
        | OutcomeKind::Expired
        | OutcomeKind::Reverted => return None,
    };
    (said != there).then(|| {
        format!("{verb} on {}: the journal says {}, the lab says otherwise", record.action.subject.label, outcome.kind)
    })
}

/// Whether the lab shows the effect; `None` where it keeps no state of it.
fn in_place(verb: Verb, record: &ActionRecord, state: &Snapshot) -> Option<bool> {
    let (ad, entra, okta) = find(&record.action.key.account, state);
    match verb {
        Verb::DisableAdUser => ad.map(|ad| !ad.enabled),
        Verb::EnableAdUser => ad.map(|ad| ad.enabled),
        Verb::RequirePasswordChange => {
            ad.map(|ad| ad.must_change_password).or_else(|| entra.map(|entra| entra.must_change_password))
        }
        Verb::MarkCompromised => entra.map(|entra| entra.risk_state == "confirmedCompromised"),
        Verb::SuspendEntraUser => entra.map(|entra| !entra.enabled),
        Verb::RestoreEntraUser => entra.map(|entra| entra.enabled),
        Verb::RevokeSessions => match (entra, okta) {
            (Some(entra), _) => record.begun_at.map(|at| entra.sessions_valid_from.unix_seconds() >= at.unix_seconds()),
            (None, okta) => okta.map(|okta| okta.sessions == 0 && okta.tokens == 0),
        },
        Verb::SuspendOktaUser => okta.map(|okta| okta.status == "SUSPENDED"),
        Verb::UnsuspendOktaUser => okta.map(|okta| okta.status == "ACTIVE"),
        Verb::DeactivateOktaUser => okta.map(|okta| okta.status == "DEPROVISIONED"),
        Verb::ScramblePassword => entra.map(|entra| entra.must_change_password),
        Verb::DismissRisk | Verb::RemoveFromGroup | Verb::AddToGroup => None,
    }
}

type States<'a> = (Option<&'a AdState>, Option<&'a EntraState>, Option<&'a OktaState>);

fn find<'a>(account: &AccountRef, state: &'a Snapshot) -> States<'a> {
    let mut found: States<'a> = (None, None, None);
    for person in state.people.values() {
        match account {
            AccountRef::Ad(sid) => found.0 = found.0.or(person.ad.as_ref().filter(|ad| ad.sid == sid.as_str())),
            AccountRef::Entra(id) => {
                let id = id.to_string();
                found.1 = found.1.or(person.entra.iter().find(|entra| entra.id.eq_ignore_ascii_case(&id)));
            }
            AccountRef::Okta { id, .. } => {
                found.2 = found.2.or(person.okta.as_ref().filter(|okta| okta.id == id.as_str()));
            }
        }
    }
    found
}

/// Every change that the lab took from us belongs to an action that was begun, and to one only.
fn strangers(told: &Told, state: &Snapshot) -> Vec<String> {
    let begun: usize = told.actions.iter().map(|record| usize::try_from(record.attempts).unwrap_or(0)).sum();
    let ours = ["defender", "entra", "okta"];
    let calls = state.effects.iter().filter(|effect| ours.contains(&effect.api)).count();
    if calls > begun {
        return vec![format!("the lab was asked for {calls} changes, the journal knows of {begun} calls")];
    }
    Vec::new()
}

/// Every note stands on its incident once, and nothing of ours that the journal does not know.
fn comments(told: &Told, state: &Snapshot) -> Vec<String> {
    let mut wrong = Vec::new();
    let standing: Vec<&CommentState> = state.incidents.values().flat_map(|incident| &incident.comments).collect();
    for note in &told.notes {
        let id = note.key.id().to_string();
        // Graph gives comments no id of our choosing: ours end in it.
        let is_it = |comment: &&&CommentState| match note.incident {
            IncidentRef::Sentinel { .. } => comment.id.as_deref() == Some(&id) && comment.text == note.text,
            IncidentRef::Defender { .. } => comment.text.starts_with(&note.text) && comment.text.contains(&id),
        };
        let times = standing.iter().filter(is_it).count();
        let posted = matches!(note.state, NoteState::Posted { .. });
        if times != usize::from(posted) {
            wrong.push(format!("note {id} stands {times} times on its incident"));
        }
    }
    if standing.len() > told.notes.len() {
        wrong.push(format!("{} comments stand on incidents, {} notes were written", standing.len(), told.notes.len()));
    }
    wrong
}
