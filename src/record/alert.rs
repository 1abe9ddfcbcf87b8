//! The life of an alert: seen, waiting for what is missing, planned, resting.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::model::account::{AccountHint, Role};
use crate::model::action::Mode;
use crate::model::alert::{
    Entities, NamedAccount, ROW, Severity, Sighting, SourceKey, UnreadableItem, unite, unite_rows,
};
use crate::model::id::{ActionId, AlertId};
use crate::model::incident::Incident;
use crate::model::intent::Intent;
use crate::model::reason::Reason;
use crate::model::scope::TenantKey;
use crate::model::time::At;

/// Something that happened to an alert.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
pub enum AlertEvent {
    /// A source showed it, for the first time or changed.
    Seen {
        /// As shown.
        sighting: Box<Sighting>,
    },
    /// A source showed something that cannot be read.
    Unreadable {
        /// What.
        item: UnreadableItem,
    },
    /// Something is missing that may still come.
    Waiting {
        /// What.
        reason: Reason,
        /// Looked at again at.
        again: At,
        /// Since when that is missing.
        #[serde(default)]
        since: Option<At>,
    },
    /// It was decided on.
    Planned {
        /// The alert catalogue's id, where it is known.
        catalogue: Option<String>,
        /// Which rules matched.
        rules: Vec<String>,
        /// The actions it has led to by now.
        actions: Vec<ActionId>,
        /// What was decided without an account to act on.
        decided: Vec<Decided>,
        /// Accepted although no trustworthy source confirms it, because the settings allow that.
        unwitnessed_allowed: bool,
    },
    /// It is the same as another.
    Merged {
        /// Which.
        into: AlertId,
    },
    /// Another is the same as this one, which answers from now on for what was done for the other.
    Absorbed(Absorbed),
    /// Its incident could not be read or found, so nothing is told there.
    Untold(Untold),
    /// Its incident was found, or read again.
    Located {
        /// Which.
        incident: Box<Incident>,
    },
}

impl AlertEvent {
    /// The name of a decision.
    pub const PLANNED: &str = "planned";
    /// The name of something that cannot be read.
    pub const UNREADABLE: &str = "unreadable";

    /// The event's name in the journal.
    #[must_use]
    pub const fn name(&self) -> &'static str {
        match self {
            Self::Seen { .. } => "seen",
            Self::Unreadable { .. } => Self::UNREADABLE,
            Self::Waiting { .. } => "waiting",
            Self::Planned { .. } => Self::PLANNED,
            Self::Merged { .. } => "merged",
            Self::Absorbed(_) => "absorbed",
            Self::Untold(_) => "untold",
            Self::Located { .. } => "located",
        }
    }
}

/// Why an incident has no comment that is due.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Untold {
    /// Since when.
    pub since: At,
    /// Why, for people.
    pub why: String,
}

/// Something that was wanted and withheld before there was an account to have an action for.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Decided {
    /// Derived from alert, intent, the account's words and the reason's code.
    pub id: ActionId,
    /// Which rule.
    pub rule: String,
    /// What it wanted; `None` when it failed before steps were chosen.
    pub intent: Option<Intent>,
    /// How far it might have gone.
    pub mode: Mode,
    /// Whom the alert named, if anybody.
    pub account: Option<AccountHint>,
    /// In which role.
    pub role: Option<Role>,
    /// Why not.
    pub reason: Reason,
    /// When.
    pub at: At,
}

/// An alert that turned out to be part of another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Absorbed {
    /// Which.
    pub alert: AlertId,
    /// The actions it had led to, with those of alerts that it had absorbed itself.
    pub actions: Vec<ActionId>,
}

/// Where an alert stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "phase", rename_all = "kebab-case")]
pub enum AlertPhase {
    /// To be planned.
    Seen,
    /// Something is missing.
    Waiting {
        /// What.
        reason: Reason,
        /// Looked at again at.
        again: At,
        /// Since when that is missing.
        #[serde(default)]
        since: Option<At>,
    },
    /// Decided on; actions and notes have their own lives.
    Planned,
    /// The same as another.
    Merged {
        /// Which.
        into: AlertId,
    },
    /// Cannot be read.
    Unreadable {
        /// Why.
        why: String,
    },
}

impl AlertPhase {
    /// An alert that was decided on, in one word.
    pub const PLANNED: &str = "planned";
    /// One that cannot be read.
    pub const UNREADABLE: &str = "unreadable";

    /// The phase in one word.
    #[must_use]
    pub const fn word(&self) -> &'static str {
        match self {
            Self::Seen => "seen",
            Self::Waiting { .. } => "waiting",
            Self::Planned => Self::PLANNED,
            Self::Merged { .. } => "merged",
            Self::Unreadable { .. } => Self::UNREADABLE,
        }
    }
}

/// An alert with everything that is known of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AlertRecord {
    /// Derived from the first name it was seen under.
    pub id: AlertId,
    /// Its tenant.
    pub tenant: TenantKey,
    /// When it was first seen by us.
    pub first_seen: At,
    /// What each source shows, the latest each.
    pub sightings: Vec<Sighting>,
    /// Where it stands.
    pub phase: AlertPhase,
    /// How often it was planned.
    pub revision: u32,
    /// The alert catalogue's id.
    pub catalogue: Option<String>,
    /// Which rules matched.
    pub rules: Vec<String>,
    /// The actions it has led to.
    pub actions: Vec<ActionId>,
    /// The alerts that turned out to be this one, with what was done for them.
    #[serde(default)]
    pub absorbed: Vec<Absorbed>,
    /// What was withheld without an account.
    pub decided: Vec<Decided>,
    /// Its incident.
    pub incident: Option<Incident>,
    /// Why that has no comment that is due, if so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub untold: Option<Untold>,
}

impl AlertRecord {
    /// An alert that was decided on and withheld whole, in one word.
    pub const WITHHELD: &str = "withheld";

    /// The record of an alert that was just seen.
    #[must_use]
    pub fn seen(id: AlertId, tenant: TenantKey, sighting: Sighting, at: At) -> Self {
        Self { sightings: vec![sighting], ..Self::empty(id, tenant, at) }
    }

    /// The record of something that cannot be read.
    #[must_use]
    pub fn unreadable(id: AlertId, tenant: TenantKey, item: &UnreadableItem, at: At) -> Self {
        Self { phase: AlertPhase::Unreadable { why: item.why.clone() }, ..Self::empty(id, tenant, at) }
    }

    fn empty(id: AlertId, tenant: TenantKey, at: At) -> Self {
        Self {
            id,
            tenant,
            first_seen: at,
            sightings: Vec::new(),
            phase: AlertPhase::Seen,
            revision: 0,
            catalogue: None,
            rules: Vec::new(),
            actions: Vec::new(),
            absorbed: Vec::new(),
            decided: Vec::new(),
            incident: None,
            untold: None,
        }
    }

    /// The record after an event. Every event may follow every phase: what a source shows cannot be
    /// forbidden; a merged alert stays merged.
    #[must_use]
    pub fn apply(mut self, event: &AlertEvent) -> Self {
        match event {
            AlertEvent::Seen { sighting } => {
                self.sightings.retain(|old| old.source != sighting.source);
                self.sightings.push((**sighting).clone());
                if !matches!(self.phase, AlertPhase::Merged { .. }) {
                    self.phase = AlertPhase::Seen;
                }
            }
            AlertEvent::Unreadable { item } => {
                if self.sightings.is_empty() {
                    self.phase = AlertPhase::Unreadable { why: item.why.clone() };
                }
            }
            AlertEvent::Waiting { reason, again, since } => {
                self.phase = AlertPhase::Waiting { reason: reason.clone(), again: *again, since: *since };
            }
            AlertEvent::Planned { catalogue, rules, actions, decided, .. } => {
                self.phase = AlertPhase::Planned;
                self.revision += 1;
                self.catalogue.clone_from(catalogue);
                self.rules.clone_from(rules);
                for action in actions {
                    if !self.actions.contains(action) {
                        self.actions.push(*action);
                    }
                }
                self.decided.clone_from(decided);
            }
            AlertEvent::Merged { into } => self.phase = AlertPhase::Merged { into: *into },
            AlertEvent::Absorbed(absorbed) => {
                self.absorbed.push(absorbed.clone());
                // What it wants is looked at anew: some of it may be done already.
                if !matches!(self.phase, AlertPhase::Merged { .. }) {
                    self.phase = AlertPhase::Seen;
                }
            }
            AlertEvent::Untold(untold) => self.untold = Some(untold.clone()),
            AlertEvent::Located { incident } => {
                self.incident = Some((**incident).clone());
                self.untold = None;
            }
        }
        self
    }

    /// What it waits for, where it does, in a line for people.
    #[must_use]
    pub fn waits_for(&self) -> Option<String> {
        let AlertPhase::Waiting { reason, .. } = &self.phase else { return None };
        let why = reason.waiting();
        Some(if self.revision == 0 {
            why
        } else {
            format!("what was decided on stands, and it is to be looked at again; {why}")
        })
    }

    /// Since when nobody could be asked who its accounts are, and why, if it waits for that.
    #[must_use]
    pub const fn unasked(&self) -> Option<(At, &Reason)> {
        match &self.phase {
            AlertPhase::Waiting { reason: reason @ Reason::Refused { .. }, since: Some(since), .. } => {
                Some((*since, reason))
            }
            AlertPhase::Seen
            | AlertPhase::Waiting { .. }
            | AlertPhase::Planned
            | AlertPhase::Merged { .. }
            | AlertPhase::Unreadable { .. } => None,
        }
    }

    /// Whether a rule has answered it, by the last plan; one whose condition could not be computed has not.
    #[must_use]
    pub fn has_answered(&self, rule: &str) -> bool {
        let failed = |decided: &Decided| {
            decided.rule == rule
                && decided.account.is_none()
                && matches!(decided.reason, Reason::ConditionFailed { .. })
        };
        self.rules.iter().any(|known| known == rule) && !self.decided.iter().any(failed)
    }

    /// How it stands, in one word: its phase, or that it was withheld whole.
    #[must_use]
    pub fn status(&self) -> &'static str {
        let is_withheld = matches!(self.phase, AlertPhase::Planned) && self.is_withheld();
        if is_withheld { Self::WITHHELD } else { self.phase.word() }
    }

    /// Decided on, with a reason that speaks against acting on anybody in it.
    fn is_withheld(&self) -> bool {
        self.actions.is_empty() && self.decided.iter().any(|decided| decided.account.is_none())
    }

    /// Still has something to do in its own lane.
    #[must_use]
    pub const fn is_open(&self) -> bool {
        matches!(self.phase, AlertPhase::Seen | AlertPhase::Waiting { .. })
    }

    /// The sighting that speaks for the alert: a witness's word before a table row.
    #[must_use]
    pub fn best(&self) -> Option<&Sighting> {
        self.believed().next()
    }

    /// What conditions are held against: the columns of the sighting that speaks for it. Of an alert that only queries of
    /// our own show, those of each of its rows.
    #[must_use]
    pub fn rows(&self) -> Vec<Cow<'_, BTreeMap<String, Value>>> {
        if !self.is_ours_alone() {
            return self.best().map(|seen| Cow::Borrowed(&seen.columns)).into_iter().collect();
        }
        let of_row = |seen: &Sighting, row: &String| {
            let mut columns = seen.columns.clone();
            columns.insert(ROW.to_owned(), Value::String(row.clone()));
            Cow::Owned(columns)
        };
        let all = self.believed().flat_map(|seen| {
            let others = seen.rows.iter().rev().map(move |row| of_row(seen, row));
            std::iter::once(Cow::Borrowed(&seen.columns)).chain(others)
        });
        all.collect()
    }

    /// The sightings that count: those of a witness where there are any. Anyone who can write a row can
    /// forge one, so beside a witness's word a row neither adds nor takes away anything.
    pub fn believed(&self) -> impl Iterator<Item = &Sighting> {
        let witnessed = self.is_witnessed();
        self.sightings.iter().filter(move |seen| seen.genuine || !witnessed)
    }

    /// The id by which it is shown by whoever is believed: Defender's own, or that of a trigger's run.
    #[must_use]
    pub fn defenders_id(&self) -> Option<&str> {
        let shown = self.sightings.iter().find(|seen| seen.genuine)?;
        shown.aliases.first().map(String::as_str)
    }

    /// The actions of it and of the alerts that turned out to be it, its own first.
    #[must_use]
    pub fn all_actions(&self) -> Vec<ActionId> {
        let absorbed = self.absorbed.iter().flat_map(|absorbed| &absorbed.actions);
        let mut all: Vec<ActionId> = Vec::new();
        for action in self.actions.iter().chain(absorbed) {
            if !all.contains(action) {
                all.push(*action);
            }
        }
        all
    }

    /// What a source shows.
    #[must_use]
    pub fn by(&self, source: &SourceKey) -> Option<&Sighting> {
        self.sightings.iter().find(|seen| seen.source == *source)
    }

    /// Defender itself has shown it, or the service that ran a query of our own.
    #[must_use]
    pub fn is_witnessed(&self) -> bool {
        self.sightings.iter().any(|seen| seen.genuine)
    }

    /// Only queries of our own show it. Neither Defender nor Sentinel knows such an alert, so it has no incident.
    #[must_use]
    pub fn is_ours_alone(&self) -> bool {
        self.sightings.iter().all(|seen| matches!(seen.source, SourceKey::Trigger { .. }))
    }

    /// The highest severity that a believed source gives it.
    #[must_use]
    pub fn severity(&self) -> Severity {
        self.believed().map(|seen| seen.severity).max().unwrap_or(Severity::Unknown)
    }

    /// The word for its severity that nobody here knows, where no believed source says one that is known; empty where
    /// none says any.
    #[must_use]
    pub fn unknown_severity(&self) -> Option<&str> {
        let words = || self.believed().filter_map(|seen| seen.columns.get("AlertSeverity")?.as_str());
        let word = words().find(|word| !word.trim().is_empty()).unwrap_or_default();
        (self.severity() == Severity::Unknown).then_some(word)
    }

    /// The last activity that a believed source says, or the first sight where none does: by this age is judged. Rows
    /// are stamped anew whenever their incident changes, so ingestion times prove nothing.
    #[must_use]
    pub fn last_activity(&self) -> At {
        self.activity().unwrap_or(self.first_seen)
    }

    /// The last activity that a believed source says.
    #[must_use]
    pub fn activity(&self) -> Option<At> {
        self.believed().filter_map(|seen| seen.end.or(seen.start)).max()
    }

    /// Its status, where that is one of a closed alert (Microsoft: `SecurityAlert` table, `Status`; Graph security
    /// `alert`, `status`), in the words of the source that speaks for it.
    #[must_use]
    pub fn closed(&self) -> Option<&str> {
        let status = self.best()?.columns.get("Status")?.as_str()?.trim();
        ["Resolved", "Dismissed"].into_iter().find(|closed| status.eq_ignore_ascii_case(closed))
    }

    /// Its status, where that is no word for an open or a closed alert; an alert need not state any.
    #[must_use]
    pub fn unknown_status(&self) -> Option<&str> {
        const OPEN: [&str; 4] = ["New", "InProgress", "Active", "Unknown"];
        let status = self.best()?.columns.get("Status")?.as_str()?.trim();
        let known = || OPEN.iter().any(|open| status.eq_ignore_ascii_case(open)) || self.closed().is_some();
        (!status.is_empty() && !known()).then_some(status)
    }

    /// Every name it is known by.
    #[must_use]
    pub fn names(&self) -> Vec<String> {
        let mut names: Vec<String> = self.sightings.iter().flat_map(|seen| seen.aliases.clone()).collect();
        names.sort();
        names.dedup();
        names
    }

    /// The accounts over all believed sources: one entry an account, with the role a source states; of a trigger one for
    /// each role that a row states. None of a crowd. `Err` when a source's entities cannot be read: then nothing about them is
    /// believed.
    ///
    /// # Errors
    /// What could not be read.
    pub fn accounts(&self) -> Result<Option<Vec<NamedAccount>>, String> {
        let mut all: Vec<NamedAccount> = Vec::new();
        let mut any = false;
        for seen in self.believed() {
            match &seen.entities {
                Entities::Missing => {}
                Entities::Unreadable(why) => return Err(why.clone()),
                Entities::Read(accounts) => {
                    any = true;
                    for account in accounts {
                        match &seen.source {
                            SourceKey::Trigger { .. } => unite_rows(&mut all, account.clone()),
                            SourceKey::Graph | SourceKey::LogAnalytics(_) => unite(&mut all, account),
                        }
                    }
                }
                Entities::Crowd { .. } => return Ok(Some(Vec::new())),
            }
        }
        Ok(any.then_some(all))
    }

    /// How many accounts a believed source names, where they are more than any settings act on.
    #[must_use]
    pub fn crowd(&self) -> Option<usize> {
        let crowds = self.believed().filter_map(|seen| match seen.entities {
            Entities::Crowd { found, .. } => Some(found),
            Entities::Missing | Entities::Unreadable(_) | Entities::Read(_) => None,
        });
        crowds.max()
    }
}
