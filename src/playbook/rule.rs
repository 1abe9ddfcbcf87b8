//! Rules: which alerts, which accounts, which playbook.

use std::sync::Arc;

use super::catalogue::{Catalogue, Entry};
use super::condition::{Condition, condition, condition_on};
use super::fields::{Fields, Placed, Reader};
use super::schema::{account_schema, alert_schema};
use super::selftest::RuleTest;
use super::steps::{Playbook, Playbooks};
use super::trigger::Triggers;
use super::yaml::Node;
use crate::diagnostics::{Finding, Place, quoted, suggest};
use crate::kql::{KqlError, Value};
use crate::model::account::Role;
use crate::model::time::At;

/// One entry of the rule table.
#[derive(Debug, Clone)]
pub struct Rule {
    /// Its name; modes refer to it.
    pub name: String,
    /// Why the response fits the alerts.
    pub why: String,
    /// Whom to ask about it.
    pub owner: String,
    /// The alerts it answers.
    pub alerts: Vec<Placed<Arc<Entry>>>,
    /// What must hold of the alert as well.
    pub when: Option<Condition>,
    /// Which of the alert's accounts.
    pub account: AccountChoice,
    /// What is done to them.
    pub playbook: Arc<Playbook>,
    /// How often it may act.
    pub limits: Limits,
    /// A label for the incidents of the alerts it has answered.
    pub tag: Option<String>,
    /// What its author expects of it.
    pub tests: Vec<RuleTest>,
    /// Where its name stands.
    pub place: Place,
    /// Where its playbook is named.
    pub playbook_place: Place,
}

/// Which accounts of an alert.
#[derive(Debug, Clone)]
pub struct AccountChoice {
    /// By what they are to the alert.
    pub role: RoleChoice,
    /// By what is known of them.
    pub condition: Option<Condition>,
}

/// A choice of roles. Bait and accounts of unknown role are never chosen.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleChoice {
    /// Those that did it.
    Suspect,
    /// Those it was done to.
    Target,
    /// Both.
    Any,
}

/// Most actions of one rule, in sliding windows.
#[derive(Debug, Clone, Default)]
pub struct Limits {
    /// In an hour.
    pub per_hour: Option<Placed<u32>>,
    /// In a day.
    pub per_day: Option<Placed<u32>>,
}

/// What a file says of a rule. What it says of one key is checked also where another key is wrong.
#[derive(Debug)]
pub(super) struct Draft {
    pub(super) name: Option<String>,
    why: Option<String>,
    owner: Option<String>,
    alerts: Option<Vec<Placed<Arc<Entry>>>>,
    pub(super) when: Option<Condition>,
    /// There is a `when`, and it cannot be used.
    pub(super) when_is_broken: bool,
    account: Option<AccountChoice>,
    pub(super) playbook: Option<Placed<Arc<Playbook>>>,
    pub(super) limits: Limits,
    tag: Option<String>,
    tests: Vec<RuleTest>,
    /// Somebody has written a test, and be it with mistakes.
    pub(super) tested: bool,
    pub(super) place: Place,
}

/// What rules may name.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known<'a> {
    pub(super) playbooks: &'a Playbooks,
    pub(super) triggers: &'a Triggers,
}

pub(super) const KEYS: &[&str] = &["rule", "why", "owner", "alert", "when", "account", "do", "limits", "tag", "test"];

impl RoleChoice {
    /// Whether it includes a role.
    pub const fn includes(self, role: Role) -> bool {
        match role {
            Role::Suspect => matches!(self, Self::Suspect | Self::Any),
            Role::Target => matches!(self, Self::Target | Self::Any),
            Role::Bait | Role::Unknown => false,
        }
    }
}

impl Rule {
    /// Whether `when:` holds for an alert of one of its kinds. The row is one of [`alert_schema`].
    ///
    /// # Errors
    /// The condition could not be computed.
    pub fn applies(&self, alert: &[Value], now: At) -> Result<bool, KqlError> {
        self.when.as_ref().map_or(Ok(true), |when| when.holds(alert, now))
    }

    /// Whether it chooses an account of that role. The row is one of [`account_schema`].
    ///
    /// # Errors
    /// The condition could not be computed.
    pub fn chooses(&self, role: Role, facts: &[Value], now: At) -> Result<bool, KqlError> {
        if !self.account.role.includes(role) {
            return Ok(false);
        }
        self.account.condition.as_ref().map_or(Ok(true), |condition| condition.holds(facts, now))
    }
}

impl Draft {
    /// Reads a file's content; none where it is no mapping.
    pub(super) fn read(node: &Node, known: Known<'_>, reader: &mut Reader<'_>) -> Option<Self> {
        let fields = reader.fields(node, "a rule", KEYS)?;
        let name = fields.need("rule", reader);
        let place = reader.place(name.map_or(node.span, |name| name.span));
        let name = name.and_then(|node| reader.name(node, "the name of a rule"));
        let why = fields.need("why", reader).and_then(|node| reader.text(node, "why"));
        let owner = fields.need("owner", reader).and_then(|node| reader.text(node, "owner"));
        let alerts = fields.need("alert", reader).map(|node| read_alerts(node, known.triggers, reader));
        let when_node = fields.get("when");
        let triggers: Vec<&str> = known.triggers.ids().collect();
        let when = when_node.and_then(|node| condition_on(node, "when", alert_schema(), &triggers, reader));
        let when_is_broken = when_node.is_some() && when.is_none();
        let account = read_account(&fields, reader);
        let playbook = fields.need("do", reader).and_then(|node| read_playbook(node, known.playbooks, reader));
        let limits = read_limits(&fields, reader);
        let tag = fields.get("tag").and_then(|node| reader.name(node, "a tag"));
        let test_nodes = fields.get("test").map_or(&[][..], |node| reader.list(node, "test"));
        let own = alerts.as_deref().unwrap_or_default();
        let tests = test_nodes.iter().filter_map(|node| RuleTest::read(node, own, known.triggers, reader)).collect();
        // What is no list of tests is a mistake of its own.
        let tested = fields.get("test").is_some_and(|node| !node.is_empty_list());
        Some(Self {
            name,
            why,
            owner,
            alerts,
            when,
            when_is_broken,
            account,
            playbook,
            limits,
            tag,
            tests,
            tested,
            place,
        })
    }

    /// The rule; none where something that it needs is missing or wrong.
    pub(super) fn rule(self) -> Option<Rule> {
        let playbook = self.playbook.filter(|_| !self.when_is_broken)?;
        Some(Rule {
            name: self.name?,
            why: self.why?,
            owner: self.owner?,
            alerts: self.alerts?,
            when: self.when,
            account: self.account?,
            playbook: playbook.value,
            limits: self.limits,
            tag: self.tag,
            tests: self.tests,
            place: self.place,
            playbook_place: playbook.place,
        })
    }

    /// The alerts that could be read.
    pub(super) fn alerts(&self) -> &[Placed<Arc<Entry>>] {
        self.alerts.as_deref().unwrap_or_default()
    }

    /// Of what role the accounts are that it is about, as far as that can be read.
    pub(super) fn role(&self) -> Option<RoleChoice> {
        self.account.as_ref().map(|account| account.role)
    }

    /// What findings call it.
    pub(super) fn called(&self) -> &str {
        self.name.as_deref().unwrap_or("without a usable name")
    }
}

fn read_alerts(node: &Node, triggers: &Triggers, reader: &mut Reader<'_>) -> Vec<Placed<Arc<Entry>>> {
    let mut alerts: Vec<Placed<Arc<Entry>>> = Vec::new();
    let items = reader.list(node, "alert");
    if items.is_empty() {
        let help = "list ids of the alert catalogue, such as mdi/2006, or triggers, such as kql/NAME";
        reader.error("rule/never-matches", "a rule without alerts never matches", node.span, help);
    }
    for item in items {
        let Some(entry) = read_alert(item, triggers, reader) else { continue };
        if alerts.iter().any(|known| known.value.id == entry.id) {
            let finding = Finding::warning("rule/duplicate-alert", format!("{} stands here twice", entry.id));
            reader.findings.add(finding.at(reader.source, item.span).help("keep one of them"));
            continue;
        }
        alerts.push(Placed { value: entry, place: reader.place(item.span) });
    }
    alerts
}

/// An id of the catalogue, or of a trigger.
pub(super) fn read_alert(node: &Node, triggers: &Triggers, reader: &mut Reader<'_>) -> Option<Arc<Entry>> {
    let id = reader.text(node, "an alert id")?;
    let entry = Catalogue::get().by_id(&id).or_else(|| triggers.entry(&id)).cloned();
    // A trigger with mistakes has findings of its own.
    if entry.is_none() && triggers.ids().all(|known| known != id) {
        let what = if id.starts_with("kql/") { "trigger" } else { "id of the alert catalogue" };
        let message = format!("{} is no {what}", quoted(&id));
        let finding = Finding::error("rule/unknown-alert", message).at(reader.source, node.span);
        reader.findings.add(help_unknown(finding, &id, triggers));
    }
    entry
}

fn help_unknown(finding: Finding, id: &str, triggers: &Triggers) -> Finding {
    let catalogue = Catalogue::get();
    let ids = || catalogue.entries().iter().map(|entry| entry.id.as_str());
    let sharing: Vec<&str> = ids().filter(|known| known.starts_with(&format!("{id}/"))).collect();
    if !sharing.is_empty() {
        return finding.help(format!("several alerts share that detector: {}", sharing.join(", ")));
    }
    let help = if id.starts_with("kql/") {
        "triggers are the files of the folder [rules] kql, and those shipped with riposte: kql/NAME"
    } else {
        "ids are mdi/ and an external id or a detector: mdi/2006"
    };
    finding.help(help).help_nearest(suggest::nearest(id, ids().chain(triggers.ids())))
}

fn read_account(fields: &Fields<'_>, reader: &mut Reader<'_>) -> Option<AccountChoice> {
    let Some(node) = fields.get("account") else {
        return Some(AccountChoice { role: RoleChoice::Suspect, condition: None });
    };
    let fields = reader.fields(node, "account", &["role", "where"])?;
    let roles = [("suspect", RoleChoice::Suspect), ("target", RoleChoice::Target), ("any", RoleChoice::Any)];
    let role = match fields.get("role") {
        Some(node) => reader.word(node, "role that can be chosen", &roles),
        None => Some(RoleChoice::Suspect),
    };
    let condition = match fields.get("where") {
        Some(node) => condition(node, "where", account_schema(), reader).map(Some),
        None => Some(None),
    };
    Some(AccountChoice { role: role?, condition: condition? })
}

fn read_playbook(node: &Node, playbooks: &Playbooks, reader: &mut Reader<'_>) -> Option<Placed<Arc<Playbook>>> {
    let name = reader.text(node, "do")?;
    let found = playbooks.usable.get(&name).cloned();
    let nearest = suggest::nearest(&name, playbooks.names.known());
    if found.is_none() && playbooks.names.lack(&name) {
        let finding = Finding::error("rule/unknown-playbook", format!("there is no playbook {}", quoted(&name)));
        let help = "write it as a file beside the folder \"rules\"";
        reader.findings.add(finding.at(reader.source, node.span).help(help).help_nearest(nearest));
    }
    found.map(|value| Placed { value, place: reader.place(node.span) })
}

fn read_limits(fields: &Fields<'_>, reader: &mut Reader<'_>) -> Limits {
    let Some(fields) = fields.get("limits").and_then(|node| reader.fields(node, "limits", &["per_hour", "per_day"]))
    else {
        return Limits::default();
    };
    let mut limit = |key: &str| {
        let node = fields.get(key)?;
        reader.count(node, key).map(|value| Placed { value, place: reader.place(node.span) })
    };
    Limits { per_hour: limit("per_hour"), per_day: limit("per_day") }
}
