//! The tests inside rules: given an alert and an account, what the rule must do.

use std::collections::BTreeMap;

use serde_json::Value as Json;

use super::catalogue::Entry;
use super::fields::{Fields, Placed, Reader};
use super::rule::read_alert;
use super::schema::{AccountFacts, alert_schema};
use super::steps::read_verb;
use super::yaml::{Node, Value};
use crate::diagnostics::{Place, quoted};
use crate::model::account::{Role, Upn};
use crate::model::alert::Severity;
use crate::model::intent::Verb;

/// One test of a rule. It is run as if the rule were in enforce, with nothing else going on in the tenant.
#[derive(Debug, Clone)]
pub struct RuleTest {
    /// The alert and the account.
    pub given: Given,
    /// What must come of it.
    pub expect: Expect,
    /// Where the test stands.
    pub place: Place,
}

/// An alert that names one account.
#[derive(Debug, Clone)]
pub struct Given {
    /// Which alert: one of the rule's own.
    pub alert: &'static Entry,
    /// Who.
    pub upn: Upn,
    /// What the account is to the alert.
    pub role: Role,
    /// What is known of the account: in Active Directory and Entra, enabled, unless the test says otherwise.
    pub facts: AccountFacts,
    /// The columns of `SecurityAlert`.
    pub columns: BTreeMap<String, Json>,
}

/// What a test expects.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Expect {
    /// These run, and nothing else; none means that the rule wants nothing.
    Runs(Vec<Verb>),
    /// A person is asked about these.
    Asks(Vec<Verb>),
    /// Nothing runs, for the reason with this code.
    Withholds(String),
}

const ROLES: &[(&str, Role)] =
    &[("suspect", Role::Suspect), ("target", Role::Target), ("bait", Role::Bait), ("unknown", Role::Unknown)];
const GIVEN_KEYS: &[&str] = &[
    "suspect",
    "target",
    "bait",
    "unknown",
    "alert",
    "severity",
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
/// The reasons for which one alert on one account can be withheld.
const WITHHELD: &[&str] = &[
    "protected",
    "role-unknown",
    "stale",
    "unwitnessed",
    "account-unknown",
    "account-ambiguous",
    "identifiers-contradict",
    "identifier-weak",
    "local-account",
    "membership-unreadable",
    "no-account-there",
    "no-route",
    "condition-failed",
];

impl RuleTest {
    pub(super) fn read(node: &Node, alerts: &[Placed<&'static Entry>], reader: &mut Reader<'_>) -> Option<Self> {
        let fields = reader.fields(node, "a test", &["given", "runs", "asks", "withholds"])?;
        let given = fields.need("given", reader);
        let place = reader.place(given.map_or(node.span, |given| given.span));
        let given = given.and_then(|node| read_given(node, alerts, reader));
        let expect = read_expect(&fields, node, reader);
        Some(Self { given: given?, expect: expect?, place })
    }
}

fn read_expect(fields: &Fields<'_>, test: &Node, reader: &mut Reader<'_>) -> Option<Expect> {
    let all = [fields.get("runs"), fields.get("asks"), fields.get("withholds")];
    match all {
        [Some(node), None, None] => Some(Expect::Runs(read_verbs(node, reader)?)),
        [None, Some(node), None] => Some(Expect::Asks(read_verbs(node, reader)?)),
        [None, None, Some(node)] => {
            let known: Vec<(&str, &str)> = WITHHELD.iter().map(|code| (*code, *code)).collect();
            reader.word(node, "reason to withhold", &known).map(|code| Expect::Withholds(code.to_owned()))
        }
        [..] => {
            let help = "write exactly one of \"runs:\", \"asks:\" and \"withholds:\"";
            reader.error("rule/test-expects", "a test expects one thing", test.span, help);
            None
        }
    }
}

fn read_verbs(node: &Node, reader: &mut Reader<'_>) -> Option<Vec<Verb>> {
    reader.list(node, "a list of intents").iter().map(|item| read_verb(item, reader)).collect()
}

fn read_given(node: &Node, alerts: &[Placed<&'static Entry>], reader: &mut Reader<'_>) -> Option<Given> {
    let fields = reader.fields(node, "given", GIVEN_KEYS)?;
    let who = read_who(&fields, node, reader);
    let alert = read_own_alert(&fields, alerts, reader);
    let (role, upn) = who?;
    let facts = read_facts(&fields, role, &upn, reader);
    let alert = alert?;
    let columns = read_columns(&fields, alert, reader);
    Some(Given { alert, upn, role, facts, columns })
}

fn read_who(fields: &Fields<'_>, given: &Node, reader: &mut Reader<'_>) -> Option<(Role, Upn)> {
    let named: Vec<_> = ROLES.iter().filter_map(|(key, role)| Some((*role, fields.get(key)?))).collect();
    let [(role, node)] = named[..] else {
        let help = "write one of \"suspect:\", \"target:\", \"bait:\" and \"unknown:\" with a user principal name";
        reader.error("rule/test-account", "a test names one account", given.span, help);
        return None;
    };
    match reader.text(node, "the account")?.parse() {
        Ok(upn) => Some((role, upn)),
        Err(error) => {
            reader.error("rule/wrong-type", error.to_string(), node.span, "write for example adele@contoso.com");
            None
        }
    }
}

fn read_own_alert(
    fields: &Fields<'_>,
    alerts: &[Placed<&'static Entry>],
    reader: &mut Reader<'_>,
) -> Option<&'static Entry> {
    let Some(node) = fields.get("alert") else { return alerts.first().map(|alert| alert.value) };
    let entry = read_alert(node, reader)?;
    if alerts.iter().any(|alert| alert.value.id == entry.id) {
        return Some(entry);
    }
    let message = format!("{} is none of this rule's alerts", quoted(entry.id));
    reader.error("rule/test-alert", message, node.span, "take an id from the rule's \"alert\", or add it there");
    None
}

fn read_facts(fields: &Fields<'_>, role: Role, upn: &Upn, reader: &mut Reader<'_>) -> AccountFacts {
    let mut flag = |key: &str| fields.get(key).and_then(|node| reader.flag(node, key));
    let hybrid = flag("hybrid");
    let okta = flag("okta").unwrap_or(false);
    let has_entra = flag("entra").unwrap_or(true);
    let has_active_directory = flag("active_directory").unwrap_or(hybrid != Some(false));
    let privileged = flag("privileged").unwrap_or(false);
    let enabled = Some(flag("enabled").unwrap_or(true));
    let (is_computer, is_service_account) =
        (flag("computer").unwrap_or(false), flag("service_account").unwrap_or(false));
    let guest = flag("guest").unwrap_or(false);
    let mut text = |key: &str| fields.get(key).and_then(|node| reader.text(node, key));
    let hybrid = hybrid.unwrap_or(has_active_directory && has_entra);
    AccountFacts {
        privileged,
        hybrid,
        enabled,
        has_active_directory,
        has_entra,
        has_okta: okta,
        is_computer,
        is_service_account,
        guest,
        synced: has_entra.then_some(hybrid),
        department: text("department"),
        domain: text("domain"),
        upn: Some(upn.to_string()),
        role: Some(role),
        display_name: text("display_name"),
    }
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
    set("AlertName", alert.name);
    set("DisplayName", alert.name);
    set("AlertSeverity", severity.word());
    set("AlertType", alert.detector.unwrap_or_default());
    set("Status", "New");
    set("Tactics", &alert.tactics.join(", "));
    let Some(node) = fields.get("columns") else { return columns };
    let known: Vec<&str> = alert_schema().columns().iter().map(|column| &*column.name).collect();
    for (key, value) in reader.entries(node, "columns").unwrap_or_default() {
        if !known.contains(&key.text.as_str()) {
            reader.unknown("rule/unknown-column", "column of SecurityAlert", &key.text, key.span, &known);
        } else if let Value::Scalar { text, .. } = &value.value {
            columns.insert(key.text.clone(), Json::from(text.as_str()));
        } else {
            reader.error("rule/wrong-type", "a column must be text", value.span, "write JSON in quotes");
        }
    }
    columns
}
