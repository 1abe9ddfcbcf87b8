//! The tenant itself: accounts that really change, alerts that appear, incidents that are written to.
//!
//! Nothing here runs by itself. What is due later waits in a queue and is carried out, in order, when
//! somebody asks after its time: the clock may leap.

pub(crate) mod alerts;
pub(crate) mod directory;
pub(crate) mod effects;
mod entities;
pub(crate) mod incidents;
pub(crate) mod logs;
pub(crate) mod okta;
pub(crate) mod own;
mod rows;

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use self::alerts::AlertCard;
use self::directory::{EntraUser, Group, Person};
use self::effects::{Effect, Outcome};
use self::incidents::Incident;
use self::logs::Logs;
use super::filter::Filter;
use super::ids;
use super::scenario::{App, Delays, Scenario, Spelling};
use crate::model::time::At;

/// One tenant with its directories, its alerts and its workspace.
pub(crate) struct Tenant {
    pub(crate) start: At,
    pub(crate) delays: Delays,
    pub(crate) app: App,
    pub(crate) spelling: Spelling,
    /// Application permissions; what new tokens carry.
    pub(crate) permissions: BTreeSet<String>,
    pub(crate) people: Vec<Person>,
    pub(crate) groups: BTreeMap<String, Group>,
    pub(crate) alerts: Vec<AlertCard>,
    pub(crate) incidents: Vec<Incident>,
    pub(crate) logs: Logs,
    pub(crate) effects: Vec<Effect>,
    pub(crate) okta_log: Vec<serde_json::Value>,
    /// Entra's audit log as Graph shows it, oldest first.
    pub(crate) audits: Vec<serde_json::Value>,
    /// Who has an identifier, in lower case.
    index: HashMap<String, usize>,
    due: BTreeMap<(At, u64), Due>,
    counter: u64,
}

/// Something that happens by itself at its time.
#[derive(Debug, Clone)]
enum Due {
    /// Directory synchronisation runs.
    Sync,
    /// A sensor carries out an accepted action.
    Sensor { person: usize, action: SensorAction, by: String },
}

/// What a sensor can do to an account in Active Directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SensorAction {
    Disable,
    Enable,
    ForcePasswordReset,
}

impl SensorAction {
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Disable => "disable",
            Self::Enable => "enable",
            Self::ForcePasswordReset => "forcePasswordReset",
        }
    }
}

/// The Azure roles that the app has.
pub(crate) const AZURE_ROLES: &[&str] =
    &["Log Analytics Reader", "Microsoft Sentinel Reader", "Microsoft Sentinel Responder"];

/// The application permissions that riposte's README asks for: what its app has unless a scenario says otherwise.
pub(crate) const GRANTED: &[&str] = &[
    "SecurityAlert.Read.All",
    "SecurityIncident.ReadWrite.All",
    "SecurityIdentitiesAccount.Read.All",
    "SecurityIdentitiesActions.ReadWrite.All",
    "ThreatHunting.Read.All",
    "User.Read.All",
    "GroupMember.Read.All",
    "RoleManagement.Read.Directory",
    "Application.Read.All",
    "User.EnableDisableAccount.All",
    "User.RevokeSessions.All",
    "IdentityRiskyUser.ReadWrite.All",
    "User-PasswordProfile.ReadWrite.All",
    "GroupMember.ReadWrite.All",
];

/// All application permissions that are known here.
pub(crate) const PERMISSIONS: &[&str] = &[
    "SecurityAlert.Read.All",
    "SecurityAlert.ReadWrite.All",
    "SecurityIncident.Read.All",
    "SecurityIncident.ReadWrite.All",
    "ThreatHunting.Read.All",
    "SecurityIdentitiesAccount.Read.All",
    "SecurityIdentitiesActions.ReadWrite.All",
    "SecurityIdentitiesHealth.Read.All",
    "SecurityIdentitiesSensors.Read.All",
    "User.Read.All",
    "User.EnableDisableAccount.All",
    "User.RevokeSessions.All",
    "User-PasswordProfile.ReadWrite.All",
    "IdentityRiskyUser.ReadWrite.All",
    "GroupMember.Read.All",
    "GroupMember.ReadWrite.All",
    "RoleManagement.Read.Directory",
    "RoleManagement.ReadWrite.Directory",
    "AuditLog.Read.All",
    "Directory.Read.All",
    "Application.Read.All",
];

impl Tenant {
    pub(crate) fn new(scenario: &Scenario, start: At) -> Self {
        let permissions = GRANTED.iter().map(|p| (*p).to_owned()).chain(scenario.app.with_permissions.iter().cloned());
        let permissions = permissions.filter(|p| !scenario.app.without_permissions.contains(p)).collect();
        let mut tenant = Self {
            start,
            delays: scenario.delays.clone(),
            app: scenario.app.clone(),
            spelling: scenario.wire,
            permissions,
            people: scenario.people.iter().map(|p| Person::new(p, start)).collect(),
            groups: scenario.groups.iter().map(|g| (g.key.clone(), Group::new(g))).collect(),
            alerts: Vec::new(),
            incidents: Vec::new(),
            logs: Logs::new(own::declared(&scenario.rows)),
            effects: Vec::new(),
            okta_log: Vec::new(),
            audits: Vec::new(),
            index: HashMap::new(),
            due: BTreeMap::new(),
            counter: 0,
        };
        for (i, person) in tenant.people.iter().enumerate() {
            tenant.index.extend(person.identifiers().into_iter().map(|id| (id.to_lowercase(), i)));
            for group in person.ad_groups() {
                tenant.groups.entry(group.clone()).and_modify(|g| _ = g.ad_members.insert(i));
            }
            for user in &person.entra {
                for group in &user.first_groups {
                    tenant.groups.entry(group.clone()).and_modify(|g| _ = g.entra_members.insert(user.id.clone()));
                }
            }
            for group in person.okta.iter().flat_map(|o| &o.first_groups) {
                tenant.groups.entry(group.clone()).and_modify(|g| _ = g.okta_members.insert(i));
            }
        }
        tenant.write_identity_info();
        tenant.plant_alerts(scenario);
        tenant.plant_rows(scenario);
        tenant.at(start.plus(tenant.delays.sync), Due::Sync);
        tenant
    }

    /// Carries out everything that was due until `now`.
    pub(crate) fn settle(&mut self, now: At) {
        while let Some(entry) = self.due.first_entry() {
            let (at, _) = *entry.key();
            if at > now {
                return;
            }
            match entry.remove() {
                Due::Sync => self.synchronise(at),
                Due::Sensor { person, action, by } => self.sensor(person, action, &by, at),
            }
        }
    }

    /// A sensor will do this to the person's account after its delay.
    pub(crate) fn ask_sensor(&mut self, person: usize, action: SensorAction, by: &str, now: At) {
        self.at(now.plus(self.delays.sensor), Due::Sensor { person, action, by: by.to_owned() });
    }

    /// A number nobody had before.
    pub(crate) fn fresh(&mut self) -> u64 {
        self.counter += 1;
        self.counter
    }

    /// A GUID nobody had before, the same in each run.
    pub(crate) fn fresh_guid(&mut self, kind: &str) -> String {
        let n = self.fresh();
        ids::guid(kind, &n.to_string())
    }

    pub(crate) fn note(&mut self, at: At, api: &'static str, operation: &str, target: Target<'_>, outcome: Outcome) {
        let (person, account) = match target {
            Target::Person(i) => (self.people.get(i).map(|p| p.key.clone()), self.people.get(i).and_then(Person::sid)),
            Target::Account(i, id) => (self.people.get(i).map(|p| p.key.clone()), Some(id.to_owned())),
            Target::Thing(id) => (None, Some(id.to_owned())),
        };
        let n = self.effects.len();
        let operation = operation.to_owned();
        self.effects.push(Effect { n, at, api, operation, person, account, detail: None, outcome, answer_lost: false });
    }

    /// Finds an Entra user by object id or user principal name.
    pub(crate) fn entra(&self, id: &str) -> Option<(usize, usize)> {
        let is = |u: &EntraUser| !u.deleted && (u.id.eq_ignore_ascii_case(id) || u.upn.eq_ignore_ascii_case(id));
        let i = self.who(id)?;
        Some((i, self.people[i].entra.iter().position(is)?))
    }

    /// Who has this identifier.
    pub(crate) fn who(&self, id: &str) -> Option<usize> {
        self.index.get(&id.to_lowercase()).copied()
    }

    /// Whom a filter can select at all: one person when it asks for an identifier of theirs, else everybody.
    pub(crate) fn candidates(&self, filter: Option<&str>) -> std::ops::Range<usize> {
        let filter = filter.and_then(Filter::parse);
        let one = filter.iter().flat_map(Filter::demands).find_map(|id| self.who(id));
        one.map_or(0..self.people.len(), |i| i..i + 1)
    }

    /// Every identifier by which a request may name a person.
    pub(crate) fn identifiers(&self, key: &str) -> Vec<String> {
        self.people.iter().find(|p| p.key == key).map(Person::identifiers).unwrap_or_default()
    }

    fn at(&mut self, at: At, due: Due) {
        let n = self.fresh();
        self.due.insert((at, n), due);
    }

    /// Synchronisation: what Active Directory says about a hybrid account overwrites the cloud.
    fn synchronise(&mut self, at: At) {
        for i in 0..self.people.len() {
            let Some(enabled) = self.people[i].ad.as_ref().map(|a| a.enabled) else { continue };
            for k in 0..self.people[i].entra.len() {
                let user = &mut self.people[i].entra[k];
                if !user.synced || user.deleted || user.enabled == enabled {
                    continue;
                }
                user.enabled = enabled;
                user.last_sync = Some(at);
                let id = user.id.clone();
                let operation = if enabled { "Enable account" } else { "Disable account" };
                self.note(at, "sync", operation, Target::Account(i, &id), Outcome::Applied);
                self.audit(at, operation, i, k, "Microsoft Entra Connect", None);
            }
        }
        let cycle = self.delays.sync.max(Duration::from_mins(1));
        self.at(at.plus(cycle), Due::Sync);
    }
}

/// What an effect is about.
#[derive(Clone, Copy)]
pub(crate) enum Target<'a> {
    /// The person's account in Active Directory.
    Person(usize),
    /// One account of a person, by its id.
    Account(usize, &'a str),
    /// Anything that is no account.
    Thing(&'a str),
}
