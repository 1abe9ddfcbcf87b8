//! The tests inside rules: given an alert and an account, what the rule must do.
//!
//! Only what is claimed is here. It is run by `riposte test`, against the same decision as the daemon's.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use serde::Serialize;
use serde_json::Value as Json;

use super::catalogue::{Entry, Kind};
use super::fields::{Fields, Placed, Reader};
use super::rule::read_alert;
use super::schema::{alert_schema, cell};
use super::steps::read_verb;
use super::trigger::Triggers;
use super::yaml::{Node, Value};
use crate::diagnostics::{Place, quoted};
use crate::kql::{Column, Type, Val};
use crate::model::account::{Role, Upn};
use crate::model::alert::Severity;
use crate::model::intent::Verb;

/// One test of a rule. It is run as if the rule were in enforce and the only one, with nothing else going on in the tenant.
#[derive(Debug, Clone)]
pub struct RuleTest {
    /// The alert and the account.
    pub given: Given,
    /// What must come of it.
    pub expect: Expect,
    /// Where the test stands.
    pub place: Place,
}

/// An alert that names an account, perhaps beside others.
#[derive(Debug, Clone)]
pub struct Given {
    /// Which alert: one of the rule's own.
    pub alert: Arc<Entry>,
    /// Who.
    pub upn: Upn,
    /// What the source says the account is to the alert; `None` where it says nothing.
    pub role: Option<Role>,
    /// Others that the alert names, with what the source says of them. Nobody may touch them.
    pub beside: Vec<(Option<Role>, Upn)>,
    /// What is known of the account, and of those beside it.
    pub account: GivenAccount,
    /// How long ago the alert was last active.
    pub age: Duration,
    /// Defender itself has shown the alert.
    pub witnessed: bool,
    /// The columns of `SecurityAlert`.
    pub columns: BTreeMap<String, Json>,
}

/// What is supposed of an account. In no directory at all: nobody knows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own")]
pub struct GivenAccount {
    /// Has an account in Active Directory.
    pub active_directory: bool,
    /// Has an account in Entra.
    pub entra: bool,
    /// Has an account in Okta.
    pub okta: bool,
    /// The account in Entra follows the one in Active Directory.
    pub hybrid: bool,
    /// A member of Domain Admins.
    pub privileged: bool,
    /// May not sign in.
    pub disabled: bool,
    /// A computer account.
    pub computer: bool,
    /// A service account.
    pub service_account: bool,
    /// A guest of another tenant.
    pub guest: bool,
    /// Department.
    pub department: Option<String>,
    /// Domain.
    pub domain: Option<String>,
    /// What people call it.
    pub display_name: Option<String>,
}

/// What comes of a test, or must: nothing but this.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize)]
pub struct Expect {
    /// What runs.
    pub runs: BTreeSet<Verb>,
    /// What a person is asked about.
    pub asks: BTreeSet<Verb>,
    /// The codes of the reasons for which something is withheld.
    pub withholds: BTreeSet<&'static str>,
}

impl fmt::Display for Expect {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let verbs = |verbs: &BTreeSet<Verb>| verbs.iter().map(|verb| verb.word()).collect::<Vec<_>>().join(", ");
        let withheld = self.withholds.iter().copied().collect::<Vec<_>>().join(", ");
        let all = [("runs", verbs(&self.runs)), ("asks", verbs(&self.asks)), ("withholds", withheld)];
        let said: Vec<String> =
            all.iter().filter(|(_, words)| !words.is_empty()).map(|(what, words)| format!("{what} {words}")).collect();
        f.write_str(if said.is_empty() { "nothing" } else { "" })?;
        f.write_str(&said.join("; "))
    }
}

/// The keys that name the account, with the role that its source states.
const ROLES: &[(&str, Option<Role>)] = &[
    ("suspect", Some(Role::Suspect)),
    ("target", Some(Role::Target)),
    ("bait", Some(Role::Bait)),
    ("unknown", Some(Role::Unknown)),
    ("account", None),
];
const GIVEN_KEYS: &[&str] = &[
    "suspect",
    "target",
    "bait",
    "unknown",
    "account",
    "beside",
    "alert",
    "severity",
    "age",
    "witnessed",
    "hybrid",
    "privileged",
    "enabled",
    "computer",
    "service_account",
    "guest",
    "active_directory",
    "entra",
    "okta",
    "department",
    "domain",
    "display_name",
    "columns",
];
/// How long ago an alert was last active whose test does not say.
const AGE: Duration = Duration::from_secs(5 * 60);
/// The reasons to withhold that what is given can bring about.
const WITHHELD: &[&str] = &[
    "protected",
    "role-unknown",
    "stale",
    "unwitnessed",
    "account-unknown",
    "no-account-there",
    "no-route",
    "condition-failed",
];

impl RuleTest {
    pub(super) fn read(
        node: &Node,
        alerts: &[Placed<Arc<Entry>>],
        triggers: &Triggers,
        reader: &mut Reader<'_>,
    ) -> Option<Self> {
        let fields = reader.fields(node, "a test", &["given", "runs", "asks", "withholds"])?;
        let given = fields.need("given", reader);
        let place = reader.place(given.map_or(node.span, |given| given.span));
        let given = given.and_then(|node| read_given(node, alerts, triggers, reader));
        let expect = read_expect(&fields, node, reader);
        Some(Self { given: given?, expect: expect?, place })
    }
}

fn read_expect(fields: &Fields<'_>, test: &Node, reader: &mut Reader<'_>) -> Option<Expect> {
    let [runs, asks, withholds] = ["runs", "asks", "withholds"].map(|key| fields.get(key));
    let fits = runs.is_some() != asks.is_some() || runs.is_none() && withholds.is_some();
    if !fits {
        let help =
            "write \"runs:\" or \"asks:\" with all intents, \"withholds:\" with the reason; \"runs: []\" for nothing";
        reader.error("rule/test-expects", "an account is acted on, asked about, or left alone", test.span, help);
    }
    // What stands in them may be wrong as well.
    let mut verbs = |node: Option<&Node>| node.map_or_else(|| Some(BTreeSet::new()), |node| read_verbs(node, reader));
    let (runs, asks) = (verbs(runs), verbs(asks));
    let withholds = withholds.map_or_else(|| Some(BTreeSet::new()), |node| read_reasons(node, reader));
    let expect = Expect { runs: runs?, asks: asks?, withholds: withholds? };
    fits.then_some(expect)
}

fn read_verbs(node: &Node, reader: &mut Reader<'_>) -> Option<BTreeSet<Verb>> {
    reader.list(node, "a list of intents").iter().map(|item| read_verb(item, reader)).collect()
}

fn read_reasons(node: &Node, reader: &mut Reader<'_>) -> Option<BTreeSet<&'static str>> {
    let known: Vec<(&str, &'static str)> = WITHHELD.iter().map(|code| (*code, *code)).collect();
    let items = reader.list(node, "a list of reasons").iter();
    items.map(|item| reader.word(item, "reason that a test can bring about", &known)).collect()
}

fn read_given(
    node: &Node,
    alerts: &[Placed<Arc<Entry>>],
    triggers: &Triggers,
    reader: &mut Reader<'_>,
) -> Option<Given> {
    let fields = reader.fields(node, "given", GIVEN_KEYS)?;
    let who = read_who(&fields, node, reader);
    let beside = fields.get("beside").map_or_else(|| Some(Vec::new()), |node| read_beside(node, reader));
    let alert = read_own_alert(&fields, alerts, triggers, reader);
    let account = read_account(&fields, reader);
    let age = fields.get("age").map_or(Some(AGE), |node| reader.duration(node, "age"));
    let alert = alert?;
    let unsaid = !matches!(&alert.kind, Kind::Trigger(trigger) if !trigger.witnessed);
    let witnessed = fields.get("witnessed").map_or(Some(unsaid), |node| reader.flag(node, "witnessed"));
    let columns = read_columns(&fields, &alert, reader);
    let ((role, upn), beside) = (who?, beside?);
    fits_trigger(&fields, &alert, role, witnessed, reader)?;
    if let Some(node) = fields.get("beside").filter(|_| beside.iter().any(|(_, other)| *other == upn)) {
        reader.error("rule/test-account", "the account stands beside itself", node.span, "name somebody else");
        return None;
    }
    Some(Given { alert, upn, role, beside, account: account?, age: age?, witnessed: witnessed?, columns })
}

fn read_who(fields: &Fields<'_>, given: &Node, reader: &mut Reader<'_>) -> Option<(Option<Role>, Upn)> {
    let named: Vec<_> = ROLES.iter().filter_map(|(key, role)| Some((*role, fields.get(key)?))).collect();
    let [(role, node)] = named[..] else {
        let help = "write one of \"suspect:\", \"target:\", \"bait:\", \"unknown:\" and \"account:\" with a user \
                    principal name; others go into \"beside: {...}\"";
        reader.error("rule/test-account", "a test is about one account", given.span, help);
        return None;
    };
    Some((role, read_upn(node, reader)?))
}

fn read_beside(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<(Option<Role>, Upn)>> {
    let keys: Vec<&str> = ROLES.iter().map(|(key, _)| *key).collect();
    let fields = reader.fields(node, "beside", &keys)?;
    let named = ROLES.iter().filter_map(|(key, role)| Some((*role, fields.get(key)?)));
    named.map(|(role, node)| Some((role, read_upn(node, reader)?))).collect()
}

fn read_upn(node: &Node, reader: &mut Reader<'_>) -> Option<Upn> {
    match reader.text(node, "the account")?.parse() {
        Ok(upn) => Some(upn),
        Err(error) => {
            reader.error("rule/wrong-type", error.to_string(), node.span, "write for example adele@contoso.com");
            None
        }
    }
}

fn read_own_alert(
    fields: &Fields<'_>,
    alerts: &[Placed<Arc<Entry>>],
    triggers: &Triggers,
    reader: &mut Reader<'_>,
) -> Option<Arc<Entry>> {
    let Some(node) = fields.get("alert") else { return alerts.first().map(|alert| Arc::clone(&alert.value)) };
    let entry = read_alert(node, triggers, reader)?;
    // Where the rule's own list could not be read, that is the mistake.
    if alerts.is_empty() || alerts.iter().any(|alert| alert.value.id == entry.id) {
        return Some(entry);
    }
    let message = format!("{} is none of this rule's alerts", quoted(&entry.id));
    reader.error("rule/test-alert", message, node.span, "take an id from the rule's \"alert\", or add it there");
    None
}

/// Whether a trigger can show what is given: it states the roles of its accounts, and is its own witness.
fn fits_trigger(
    fields: &Fields<'_>,
    alert: &Entry,
    role: Option<Role>,
    witnessed: Option<bool>,
    reader: &mut Reader<'_>,
) -> Option<()> {
    let Kind::Trigger(trigger) = &alert.kind else { return Some(()) };
    if let Some(node) = fields.get("witnessed").filter(|_| witnessed == Some(!trigger.witnessed)) {
        let help = "leave \"witnessed\" out: the service that runs the query is the witness, and of rows of alerts there is none";
        reader.error("rule/test-alert", "the query of a trigger says whether it is witnessed", node.span, help);
        return None;
    }
    let key = ROLES.iter().find(|(_, known)| *known == role).map_or("account", |(key, _)| key);
    let node = fields.get(key).filter(|_| matches!(role, Some(Role::Suspect | Role::Target)));
    if let Some(node) = node.filter(|_| trigger.accounts.iter().all(|account| Some(account.role) != role)) {
        let message = format!("{} names nobody as {key}", alert.id);
        let help = "write \"account:\" for the role that the trigger states, or change the role in its header";
        reader.error("rule/test-account", message, node.span, help);
        return None;
    }
    Some(())
}

/// In Active Directory and Entra, and the one follows the other, unless the test says otherwise.
fn read_account(fields: &Fields<'_>, reader: &mut Reader<'_>) -> Option<GivenAccount> {
    let mut flag = |key: &str| fields.get(key).and_then(|node| reader.flag(node, key));
    let stated = flag("hybrid");
    let entra = flag("entra").unwrap_or(true);
    let active_directory = flag("active_directory").unwrap_or(stated != Some(false));
    let both = active_directory && entra;
    let account = GivenAccount {
        active_directory,
        entra,
        okta: flag("okta").unwrap_or(false),
        hybrid: stated.unwrap_or(both),
        privileged: flag("privileged").unwrap_or(false),
        disabled: !flag("enabled").unwrap_or(true),
        computer: flag("computer").unwrap_or(false),
        service_account: flag("service_account").unwrap_or(false),
        guest: flag("guest").unwrap_or(false),
        ..GivenAccount::default()
    };
    if let Some(node) = fields.get("hybrid").filter(|_| account.hybrid && !both) {
        let message = "a hybrid account is in Active Directory and in Entra";
        reader.error("rule/test-account", message, node.span, "leave \"hybrid\" out, or the account where it is not");
        return None;
    }
    let mut text = |key: &str| fields.get(key).and_then(|node| reader.text(node, key));
    let (department, domain, display_name) = (text("department"), text("domain"), text("display_name"));
    Some(GivenAccount { department, domain, display_name, ..account })
}

fn read_columns(fields: &Fields<'_>, alert: &Entry, reader: &mut Reader<'_>) -> BTreeMap<String, Json> {
    let words = [
        ("High", Severity::High),
        ("Medium", Severity::Medium),
        ("Low", Severity::Low),
        ("Informational", Severity::Informational),
    ];
    let severity = fields.get("severity").and_then(|node| reader.word(node, "severity", &words));
    let severity = severity.or(alert.severity).unwrap_or(Severity::Medium);
    let mut columns: BTreeMap<String, Json> = BTreeMap::new();
    let mut set = |column: &str, text: &str| columns.insert(column.to_owned(), Json::from(text));
    set("AlertName", &alert.name);
    set("DisplayName", &alert.name);
    set("AlertSeverity", severity.word());
    set("AlertType", alert.detector.as_deref().unwrap_or_default());
    set("Status", "New");
    set("Tactics", &alert.tactics.join(", "));
    let Some(node) = fields.get("columns") else { return columns };
    let schema = alert_schema().columns();
    for (key, value) in reader.entries(node, "columns").unwrap_or_default() {
        let Some(column) = schema.iter().find(|column| *column.name == *key.text) else {
            let known: Vec<&str> = schema.iter().map(|column| &*column.name).collect();
            reader.unknown("rule/unknown-column", "column of SecurityAlert", &key.text, key.span, &known);
            continue;
        };
        if let Some(json) = read_column(column, value, reader) {
            columns.insert(key.text.clone(), json);
        }
    }
    columns
}

fn read_column(column: &Column, node: &Node, reader: &mut Reader<'_>) -> Option<Json> {
    let Value::Scalar { text, .. } = &node.value else {
        reader.error("rule/wrong-type", "a column must be text", node.span, "write JSON in quotes");
        return None;
    };
    let number = (column.ty == Type::Real).then(|| text.parse::<f64>().ok()).flatten();
    let json = number.map_or_else(|| Json::from(text.as_str()), Json::from);
    if matches!(cell(&json, column.ty), Val::Null) {
        let message = format!("{} is no {} for {}", quoted(text), column.ty, column.name);
        reader.error("rule/wrong-type", message, node.span, "conditions would see null");
        return None;
    }
    Some(json)
}
