//! One decision as lists and programs see it.

use serde::Serialize;
use uuid::Uuid;

use crate::model::account::{AccountHint, AccountRef, Directory};
use crate::model::action::{Action, Mode};
use crate::model::alert::NamedAccount;
use crate::model::id::{ActionId, AlertId};
use crate::model::observation::{Observation, Strength, Witness};
use crate::model::offer::Route;
use crate::model::outcome::OutcomeKind;
use crate::model::reason::Reason;
use crate::model::time::At;
use crate::record::action::{ActionRecord, ActionState};
use crate::record::alert::{AlertPhase, AlertRecord, Decided};

/// One decision. Every field is always there; null where nothing is known.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActionLine {
    /// The action's id.
    pub id: Uuid,
    /// For which alert.
    pub alert: AlertLine,
    /// Which rule wants it; the first by name where several do. Null while the alert waits to be decided on.
    pub rule: Option<String>,
    /// How far it may go by itself. Null while the alert waits to be decided on.
    pub mode: Option<Mode>,
    /// Whom it is about: the account that is, or would be, acted on.
    pub account: Option<AccountLine>,
    /// Whose account that is; null where nobody knows.
    pub person: Option<PersonLine>,
    /// What is wanted; null where it was withheld before steps were chosen.
    pub intent: Option<String>,
    /// By which API it was called; the preferred one where it was not called yet.
    pub route: Option<Route>,
    /// How it stands or ended, in one word.
    pub outcome: &'static str,
    /// By what the end was seen.
    pub proof: Option<ProofLine>,
    /// Why it stands so: a sentence that begins with its stable code.
    pub reason: String,
    /// Where its story is told.
    pub incident: Option<IncidentLine>,
    /// When its first call began, else when it was decided on.
    pub started: Option<At>,
    /// When it ended.
    pub ended: Option<At>,
    /// Who approved it.
    pub approved_by: Option<String>,
    /// When they did.
    #[serde(skip)]
    pub approved_at: Option<At>,
    /// When it will be put back.
    pub reverts_at: Option<At>,
}

/// An alert by every name it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AlertLine {
    /// riposte's id.
    pub id: AlertId,
    /// Its title.
    pub title: String,
    /// The alert catalogue's id.
    pub catalogue: Option<String>,
    /// The ids its sources give it (`SystemAlertId`, Graph's id ...).
    pub names: Vec<String>,
}

/// An account with every identifier known of it.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct AccountLine {
    /// What people call it.
    pub label: String,
    /// In which directory it lives; null where only the alert's words are known.
    pub directory: Option<Directory>,
    /// objectSid.
    pub sid: Option<String>,
    /// Entra object id.
    pub entra_id: Option<Uuid>,
    /// Active Directory objectGUID.
    pub object_guid: Option<Uuid>,
    /// The Okta org's name in the settings.
    pub okta_org: Option<String>,
    /// Okta user id.
    pub okta_id: Option<String>,
    /// UPN or login.
    pub upn: Option<String>,
    /// sAMAccountName.
    pub name: Option<String>,
    /// NetBIOS domain.
    pub nt_domain: Option<String>,
    /// DNS domain.
    pub dns_domain: Option<String>,
}

/// A person: the account acted on and the others that belong to the same human or service.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct PersonLine {
    /// What people call them.
    pub label: String,
    /// UPN or login.
    pub upn: Option<String>,
    /// objectSid of their Active Directory account.
    pub sid: Option<String>,
    /// Object id of their Entra account.
    pub entra_id: Option<Uuid>,
    /// User id of their Okta account.
    pub okta_id: Option<String>,
    /// All of their accounts, as `ad:SID`, `entra:GUID`, `okta:ORG/ID`.
    pub accounts: Vec<String>,
}

/// What was seen of an end.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ProofLine {
    /// In words.
    pub what: String,
    /// Who said it.
    pub by: Witness,
    /// With what authority.
    pub strength: Strength,
    /// When.
    pub at: At,
}

/// An incident by every name it has.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct IncidentLine {
    /// Its key.
    pub id: String,
    /// The number people use.
    pub number: Option<u64>,
    /// The Defender incident's id.
    pub defender: Option<String>,
    /// Its title.
    pub title: String,
}

impl ActionLine {
    /// The line of an action. `alert` is the alert it belongs to, if it can be read.
    #[must_use]
    pub fn of_action(record: &ActionRecord, alert: Option<&AlertRecord>) -> Self {
        let action = &record.action;
        let hint = alert.and_then(|alert| hint_of(alert, action));
        let outcome = record.outcome();
        Self {
            id: action.id.uuid(),
            alert: AlertLine::of(action.key.alert, alert),
            rule: Some(action.wanted_by.iter().map(|by| by.rule.clone()).min().unwrap_or_default()),
            mode: Some(action.mode),
            account: Some(AccountLine::of_action(action, hint.as_ref())),
            person: Some(PersonLine::of_action(action)),
            intent: Some(action.key.intent.to_string()),
            route: route(record),
            outcome: record.status(),
            proof: outcome.and_then(|outcome| outcome.proof.as_ref()).map(ProofLine::of),
            reason: record.why(),
            incident: alert.and_then(IncidentLine::of),
            started: Some(record.begun_at.unwrap_or(record.planned_at)),
            ended: match &record.state {
                ActionState::Settled { at, .. } => Some(*at),
                ActionState::Ready { .. }
                | ActionState::AwaitingApproval { .. }
                | ActionState::Attempting { .. }
                | ActionState::Unsure { .. }
                | ActionState::Verifying { .. }
                | ActionState::NeedsOperator { .. } => None,
            },
            approved_by: record.approved_by.clone(),
            approved_at: record.approved_at,
            reverts_at: record.reverts_at(),
        }
    }

    /// The line of something that was withheld before there was an account to have an action for.
    #[must_use]
    pub fn of_decided(decided: &Decided, alert: &AlertRecord) -> Self {
        Self {
            id: decided.id.uuid(),
            alert: AlertLine::of(alert.id, Some(alert)),
            rule: Some(decided.rule.clone()),
            mode: Some(decided.mode),
            account: decided.account.as_ref().map(AccountLine::of_hint),
            person: None,
            intent: decided.intent.as_ref().map(ToString::to_string),
            route: None,
            outcome: OutcomeKind::Withheld.word(),
            proof: None,
            reason: decided.reason.line(),
            incident: IncidentLine::of(alert),
            started: Some(decided.at),
            ended: Some(decided.at),
            approved_by: None,
            approved_at: None,
            reverts_at: None,
        }
    }

    /// The line of an alert that is not decided on until `again`, because something may still come. Its id is the alert's.
    #[must_use]
    pub fn of_waiting(reason: &Reason, again: At, alert: &AlertRecord) -> Self {
        let until = if matches!(reason, Reason::Refused { .. }) { "it is asked again at" } else { "it waits until" };
        let why = alert.waits_for().unwrap_or_default();
        Self::of_alert(alert, "waiting", format!("{why}; {until} {}", again.to_the_second()))
    }

    /// The line of an alert that cannot be read. Its id is the alert's.
    #[must_use]
    pub fn of_unreadable(why: &str, alert: &AlertRecord) -> Self {
        let ended = Some(alert.first_seen);
        let reason = Reason::Unreadable { why: why.to_owned() }.line();
        Self { ended, ..Self::of_alert(alert, AlertPhase::UNREADABLE, reason) }
    }

    fn of_alert(alert: &AlertRecord, outcome: &'static str, reason: String) -> Self {
        Self {
            id: alert.id.uuid(),
            alert: AlertLine::of(alert.id, Some(alert)),
            rule: None,
            mode: None,
            account: None,
            person: None,
            intent: None,
            route: None,
            outcome,
            proof: None,
            reason,
            incident: IncidentLine::of(alert),
            started: Some(alert.first_seen),
            ended: None,
            approved_by: None,
            approved_at: None,
            reverts_at: None,
        }
    }

    /// The action's id.
    #[must_use]
    pub const fn action_id(&self) -> ActionId {
        ActionId::from_uuid(self.id)
    }
}

impl AlertLine {
    fn of(id: AlertId, alert: Option<&AlertRecord>) -> Self {
        let title = alert.and_then(AlertRecord::best).map(|seen| seen.title.clone());
        Self {
            id,
            title: title.unwrap_or_default(),
            catalogue: alert.and_then(|alert| alert.catalogue.clone()),
            names: alert.map(AlertRecord::names).unwrap_or_default(),
        }
    }
}

impl AccountLine {
    fn of_action(action: &Action, hint: Option<&AccountHint>) -> Self {
        let mut line = hint.map(Self::of_hint).unwrap_or_default();
        line.label.clone_from(&action.subject.label);
        line.directory = Some(action.key.account.directory());
        line.upn = action.subject.upn.as_ref().map(ToString::to_string).or(line.upn);
        line.identify(&action.key.account);
        line
    }

    /// From the alert's own words.
    #[must_use]
    pub fn of_hint(hint: &AccountHint) -> Self {
        Self {
            label: hint.label(),
            directory: None,
            sid: hint.sid.as_ref().map(ToString::to_string),
            entra_id: hint.entra_id,
            object_guid: hint.object_guid,
            okta_org: None,
            okta_id: hint.okta_id.as_ref().map(ToString::to_string),
            upn: hint.upn.as_ref().map(ToString::to_string),
            name: hint.name.clone(),
            nt_domain: hint.nt_domain.clone(),
            dns_domain: hint.dns_domain.clone(),
        }
    }

    fn identify(&mut self, account: &AccountRef) {
        match account {
            AccountRef::Ad(sid) => self.sid = Some(sid.to_string()),
            AccountRef::Entra(id) => self.entra_id = Some(*id),
            AccountRef::Okta { org, id } => {
                self.okta_org = Some(org.clone());
                self.okta_id = Some(id.to_string());
            }
        }
    }

    /// In one line for people.
    #[must_use]
    pub fn words(&self) -> String {
        let identifiers = [
            self.upn.clone(),
            self.sid.clone(),
            self.entra_id.map(|id| format!("Entra {id}")),
            self.object_guid.map(|id| format!("objectGUID {id}")),
            self.okta_id.as_ref().map(|id| format!("Okta {id}")),
        ];
        let known: Vec<String> = identifiers.into_iter().flatten().filter(|known| *known != self.label).collect();
        let place = self.directory.map(|directory| format!(" in {directory}")).unwrap_or_default();
        if known.is_empty() {
            format!("{}{place}", self.label)
        } else {
            format!("{}{place} ({})", self.label, known.join(", "))
        }
    }
}

impl PersonLine {
    fn of_action(action: &Action) -> Self {
        let subject = &action.subject;
        let accounts: Vec<&AccountRef> = std::iter::once(&subject.account).chain(&subject.also).collect();
        let mut line = Self {
            label: subject.upn.as_ref().map_or_else(|| subject.label.clone(), ToString::to_string),
            upn: subject.upn.as_ref().map(ToString::to_string),
            sid: None,
            entra_id: None,
            okta_id: None,
            accounts: accounts.iter().map(ToString::to_string).collect(),
        };
        for account in accounts {
            match account {
                AccountRef::Ad(sid) => line.sid = Some(sid.to_string()),
                AccountRef::Entra(id) => line.entra_id = Some(*id),
                AccountRef::Okta { id, .. } => line.okta_id = Some(id.to_string()),
            }
        }
        line
    }

    /// In one line for people.
    #[must_use]
    pub fn words(&self) -> String {
        format!("{} ({})", self.label, self.accounts.join(", "))
    }
}

impl ProofLine {
    fn of(seen: &Observation) -> Self {
        Self { what: seen.to_string(), by: seen.by, strength: seen.by.strength(), at: seen.at }
    }
}

impl IncidentLine {
    fn of(alert: &AlertRecord) -> Option<Self> {
        let incident = alert.incident.as_ref()?;
        Some(Self {
            id: incident.incident.to_string(),
            number: incident.number,
            defender: incident.provider_incident.clone(),
            title: incident.title.clone(),
        })
    }

    /// In one line for people.
    #[must_use]
    pub fn words(&self) -> String {
        let number = self.number.map(|number| format!("#{number} ")).unwrap_or_default();
        format!("{number}{} ({})", self.title, self.id)
    }
}

/// How the alert names the account of an action.
fn hint_of(alert: &AlertRecord, action: &Action) -> Option<AccountHint> {
    let named: Vec<NamedAccount> = alert.accounts().ok().flatten()?;
    let accounts = || std::iter::once(&action.subject.account).chain(&action.subject.also);
    let by_id = |hint: &AccountHint| {
        accounts().any(|account| match account {
            AccountRef::Ad(sid) => hint.sid.as_ref() == Some(sid),
            AccountRef::Entra(id) => hint.entra_id == Some(*id),
            AccountRef::Okta { id, .. } => hint.okta_id.as_ref() == Some(id),
        })
    };
    let by_name = |hint: &AccountHint| hint.upn.is_some() && hint.upn == action.subject.upn;
    named.into_iter().map(|account| account.hint).find(|hint| by_id(hint) || by_name(hint))
}

fn route(record: &ActionRecord) -> Option<Route> {
    let preferred = || record.action.routes.first().copied();
    match &record.state {
        ActionState::Attempting { route, .. }
        | ActionState::Unsure { route, .. }
        | ActionState::Verifying { route, .. }
        | ActionState::Settled { route: Some(route), .. } => Some(*route),
        ActionState::Settled { outcome, route: None, .. } => {
            (outcome.kind == OutcomeKind::Simulated).then(preferred).flatten()
        }
        ActionState::Ready { .. } | ActionState::AwaitingApproval { .. } | ActionState::NeedsOperator { .. } => {
            preferred()
        }
    }
}
