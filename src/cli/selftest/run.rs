//! One test of a rule: from what is given to a case, through the same decision as the daemon's, to what comes of it.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::cli::explain::reasons::nothing_wanted;
use crate::cli::supposed::{as_seen, case, people};
use crate::decide::plan::{Plan, plan};
use crate::decide::rails::Rails;
use crate::model::account::{AccountHint, Role, Upn};
use crate::model::action::Mode;
use crate::model::alert::{Entities, NamedAccount, Severity, Sighting, SourceKey};
use crate::model::reason::Reason;
use crate::model::scope::{TenantKey, WorkspaceKey};
use crate::model::time::At;
use crate::playbook::{Expect, Given, Kind, Rule, RuleTable, RuleTest};
use crate::record::action::First;

/// The moment of every test, so that one which compares times ends the same every day: Wednesday 2026-01-14 10:00 UTC.
const NOW: At = At::from_unix_seconds(1_768_384_800);

/// What came of a test.
#[derive(Debug, Clone)]
pub(super) struct Came {
    pub(super) what: Expect,
    /// Whom it would have touched beside the account that the test is about.
    pub(super) beside: BTreeSet<Upn>,
    /// Why, each reason once, as `explain` says it.
    pub(super) why: BTreeSet<String>,
}

/// Runs a test with its rule alone and in enforce.
pub(super) fn run(rule: &Rule, test: &RuleTest, rails: &Rails) -> Came {
    let given = &test.given;
    let alert = as_seen(TenantKey(uuid::Uuid::nil()), sighting(given), NOW);
    let who = |hint: &AccountHint| people::supposed(hint, &given.account).ok_or(Reason::AccountUnknown);
    let case = case(&alert, &given.alert, &who, NOW);
    let plan = plan(&case, &RuleTable::alone(rule, Mode::Enforce), rails);
    let mut all = sorted(plan, given);
    if all.why.is_empty() {
        all.why.insert(nothing_wanted(rule, &case, rails));
    }
    all
}

/// What a plan comes to for the account that the test is about, and for those beside it.
fn sorted(plan: Plan, given: &Given) -> Came {
    let mut all = Came { what: Expect::default(), beside: BTreeSet::new(), why: BTreeSet::new() };
    for (action, first) in plan.actions {
        if let Some(other) = action.subject.upn.as_ref().filter(|upn| **upn != given.upn) {
            if matches!(first, First::Run | First::Ask { .. }) {
                all.beside.insert(other.clone());
            }
            continue;
        }
        let verb = action.key.intent.verb;
        match first {
            First::Run => {
                all.what.runs.insert(verb);
                let rule = action.wanted_by.into_iter().map(|by| by.rule).collect::<Vec<_>>().join(", ");
                all.say(&Reason::RuleMatched { rule });
            }
            First::Ask { reason, .. } => {
                all.what.asks.insert(verb);
                all.say(&reason);
            }
            First::Withhold { reason } => all.withhold(&reason),
            // Settings that let nothing run; the test then sees nothing run.
            First::Simulate { reason, .. } => all.say(&reason),
        }
    }
    let is_beside = |hint: &AccountHint| hint.upn.as_ref().is_some_and(|upn| *upn != given.upn);
    let about = plan.decided.iter().filter(|decided| !decided.account.as_ref().is_some_and(is_beside));
    // Bait is never chosen: nothing was wanted that could be withheld.
    about.filter(|decided| decided.reason != Reason::Bait).for_each(|decided| all.withhold(&decided.reason));
    all
}

impl Came {
    fn withhold(&mut self, reason: &Reason) {
        self.what.withholds.insert(reason.code());
        self.say(reason);
    }

    fn say(&mut self, reason: &Reason) {
        self.why.insert(reason.line());
    }
}

/// The alert as its source would show it.
fn sighting(given: &Given) -> Sighting {
    let active = NOW.minus(given.age);
    let named = |role: Option<Role>, upn: &Upn| {
        let hint = AccountHint { upn: Some(upn.clone()), ..AccountHint::default() };
        NamedAccount { hint, role }
    };
    let others = given.beside.iter().map(|(role, upn)| named(*role, upn));
    let accounts = std::iter::once(named(given.role, &given.upn)).chain(others).collect();
    let workspace = WorkspaceKey(uuid::Uuid::nil());
    let source = match &given.alert.kind {
        Kind::Trigger(trigger) => SourceKey::Trigger { name: trigger.name.clone(), workspace: Some(workspace) },
        Kind::Classic | Kind::Xdr | Kind::XdrObserved if given.witnessed => SourceKey::Graph,
        Kind::Classic | Kind::Xdr | Kind::XdrObserved => SourceKey::LogAnalytics(workspace),
    };
    let columns = columns(given, active);
    Sighting {
        source,
        aliases: vec!["test".to_owned()],
        detector: given.alert.detector.clone().unwrap_or_default(),
        external_id: given.alert.external_id.clone(),
        title: given.alert.name.clone(),
        severity: Severity::read(columns.get("AlertSeverity").and_then(Value::as_str).unwrap_or_default()),
        start: Some(active),
        end: Some(active),
        visible: active,
        columns,
        entities: Entities::Read(accounts),
        incident: None,
        rows: Vec::new(),
        genuine: given.witnessed,
    }
}

/// The columns given, with those that every alert has.
fn columns(given: &Given, active: At) -> BTreeMap<String, Value> {
    let mut columns = given.columns.clone();
    let always = [
        ("TimeGenerated", active.to_string()),
        ("StartTime", active.to_string()),
        ("EndTime", active.to_string()),
        ("CompromisedEntity", given.upn.to_string()),
    ];
    for (name, text) in always {
        columns.entry(name.to_owned()).or_insert_with(|| Value::from(text));
    }
    columns
}
