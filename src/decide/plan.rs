//! Case and rules make a plan: what runs, what asks, what is withheld, each with its reason.

use std::cmp::Reverse;
use std::collections::BTreeMap;
use std::time::Duration;

use crate::kql::{self, KqlError};
use crate::model::account::Role;
use crate::model::action::{Action, ActionKey, Mode};
use crate::model::id::ActionId;
use crate::model::intent::Intent;
use crate::model::person::Person;
use crate::model::reason::Reason;
use crate::model::text::clip;
use crate::model::time::print_duration;
use crate::playbook::alert_row;
use crate::playbook::{Rule, RuleTable};
use crate::record::action::{ActionRecord, First};
use crate::record::alert::{AlertRecord, Decided};

use super::case::{Case, CaseAccount, facts};
use super::rails::{Rails, privileged::privileged, protected};
use super::ready::unwitnessed;
use super::steps;

/// What follows from a case.
#[derive(Debug, Clone, Default)]
pub struct Plan {
    /// Which rules matched.
    pub rules: Vec<String>,
    /// What happens to accounts, one entry an action: account by account as rules name them, step by step.
    pub actions: Vec<(Action, First)>,
    /// What was withheld before there was an account.
    pub decided: Vec<Decided>,
}

impl Plan {
    /// What was done for an alert that turned out to be this one was done for this one. Where `known`, the
    /// actions of both, has the same intent on the same account, that action stands: nothing is done or asked
    /// twice, also after an undo or a no.
    #[must_use]
    pub fn adopt(mut self, known: &[ActionRecord]) -> Self {
        let mut instead: BTreeMap<ActionId, ActionKey> = BTreeMap::new();
        for (action, _) in &self.actions {
            let (intent, account) = (&action.key.intent, &action.key.account);
            let same = known.iter().filter(|known| known.action.key.reverts.is_none());
            let same = same.filter(|known| known.action.key.intent == *intent && known.action.key.account == *account);
            let stands = same.filter(|known| weight(known) > 0).min_by_key(|known| Reverse(weight(known)));
            instead.extend(stands.map(|known| (action.id, known.action.key.clone())));
        }
        for (action, _) in &mut self.actions {
            if let Some(key) = instead.get(&action.id) {
                action.key = key.clone();
                action.id = key.id();
            }
            for after in &mut action.after {
                after.action = instead.get(&after.action).map_or(after.action, ActionKey::id);
            }
        }
        self
    }
}

/// Which of two actions that want the same stands: one that was begun or decided by a person, before one that
/// still waits; one that only said why not stands in nobody's way.
const fn weight(known: &ActionRecord) -> u8 {
    match (known.may_be_planned_again(), known.attempts > 0 || known.outcome().is_some()) {
        (true, _) => 0,
        (false, false) => 1,
        (false, true) => 2,
    }
}

/// Decides.
#[must_use]
pub fn plan(case: &Case<'_>, table: &RuleTable, rails: &Rails) -> Plan {
    let mut plan = Plan::default();
    let mut wishes: Vec<(Action, Option<Reason>)> = Vec::new();
    let rows = alert_rows(case.alert);
    for rule in table.matching(case.entry) {
        let mode = table.mode(rule);
        let decided = |account, intent, reason| decided(case, rule, mode, account, intent, reason);
        match answers(rule, case, &rows) {
            Ok(false) => continue,
            Ok(true) => plan.rules.push(rule.name.clone()),
            Err(error) => {
                plan.rules.push(rule.name.clone());
                plan.decided.push(decided(None, None, Reason::ConditionFailed { what: error.to_string() }));
                continue;
            }
        }
        if let Some(reason) = whole(case, rails, mode) {
            plan.decided.push(decided(None, None, reason));
            continue;
        }
        let mut anybody = false;
        for account in &case.accounts {
            let person = match chosen(case, rule, account, rails) {
                Ok(Some(person)) => person,
                Ok(None) => continue,
                Err(reason) => {
                    anybody = true;
                    plan.decided.push(decided(Some(account), None, reason));
                    continue;
                }
            };
            anybody = true;
            match steps::wanted(case, rule, mode, account, person, rails) {
                Ok(wanted) => {
                    for (intent, reason) in wanted.nowhere {
                        plan.decided.push(decided(Some(account), Some(intent), reason));
                    }
                    wanted.actions.into_iter().for_each(|action| merge(&mut wishes, action, held_back(person, rails)));
                }
                Err(reason) => plan.decided.push(decided(Some(account), None, reason)),
            }
        }
        // That nobody is touched where only bait is named must be said, or it looks as if nobody had looked.
        let bait = case.accounts.iter().filter(|account| !anybody && account.role == Role::Bait);
        plan.decided.extend(bait.map(|account| decided(Some(account), None, Reason::Bait)));
    }
    plan.actions = wishes.into_iter().map(|(action, held)| first(action, held, case, rails)).collect();
    plan.decided.dedup_by(|a, b| a.id == b.id);
    plan
}

/// What the conditions of rules are held against.
pub(crate) fn alert_rows(alert: &AlertRecord) -> Vec<Vec<kql::Value>> {
    alert.rows().iter().map(|columns| alert_row(columns)).collect()
}

/// Whether the rule answers the alert, whose [`alert_rows`] are given. Of the rows of a trigger one is enough, and a rule that has answered such an alert
/// goes on: a row that comes later takes nothing back.
///
/// # Errors
/// The condition could not be computed.
pub(crate) fn answers(rule: &Rule, case: &Case<'_>, rows: &[Vec<kql::Value>]) -> Result<bool, KqlError> {
    // A condition on a severity that nobody knows would silently not hold: whoever wants to answer such alerts is told.
    if case.alert.unknown_severity().is_some() {
        return Ok(true);
    }
    let mut error = None;
    for row in rows {
        match rule.applies(row, case.now) {
            Ok(true) => return Ok(true),
            Ok(false) => {}
            Err(why) => error = Some(why),
        }
    }
    if case.alert.is_ours_alone() && case.alert.has_answered(&rule.name) {
        return Ok(true);
    }
    error.map_or(Ok(false), Err)
}

/// What stands against acting on any account of the alert.
pub(crate) fn whole(case: &Case<'_>, rails: &Rails, mode: Mode) -> Option<Reason> {
    match case.alert.accounts() {
        Err(why) => return Some(Reason::EntitiesUnreadable { why }),
        Ok(None) => return Some(Reason::NoEntities { waited: print_duration(rails.entities_wait) }),
        Ok(Some(_)) => {}
    }
    let found = case.alert.crowd().unwrap_or(case.accounts.len());
    if found == 0 {
        return Some(Reason::NoAccounts);
    }
    if found > rails.max_accounts {
        return Some(Reason::TooManyAccounts { found, limit: rails.max_accounts });
    }
    if let Some(word) = case.alert.unknown_severity() {
        return Some(Reason::SeverityUnknown { word: clip(word, 60) });
    }
    // Whoever closes an alert that was answered has seen the answer: half of it must not be taken back by that.
    if case.alert.actions.is_empty() {
        if let Some(status) = case.alert.closed() {
            return Some(Reason::Closed { status: status.to_owned() });
        }
        if let Some(word) = case.alert.unknown_status() {
            return Some(Reason::StatusUnknown { word: clip(word, 60) });
        }
    }
    if let Some(reason) = too_old(case, rails) {
        return Some(reason);
    }
    if mode == Mode::Simulate { None } else { unwitnessed(case.alert, rails) }
}

/// Clocks differ by less than this.
const CLOCKS_DIFFER: Duration = Duration::from_hours(1);

/// An alert that is older than allowed, or may be.
fn too_old(case: &Case<'_>, rails: &Rails) -> Option<Reason> {
    let Some(last) = case.alert.activity() else {
        let why = "its sources give no time of what happened".to_owned();
        return Some(Reason::TimeUnknown { why });
    };
    if last > case.now.plus(CLOCKS_DIFFER) {
        let why = format!("it says that it ends at {}, which is still to come", last.to_the_second());
        return Some(Reason::TimeUnknown { why });
    }
    let age = case.now.since(last);
    let limit = || print_duration(rails.max_age);
    (age > rails.max_age).then(|| Reason::Stale { age: print_duration(age), limit: limit() })
}

/// The person, if the rule chooses this account; `Err` when it would have, had somebody known enough.
fn chosen<'a>(
    case: &Case<'_>,
    rule: &Rule,
    account: &'a CaseAccount,
    rails: &Rails,
) -> Result<Option<&'a Person>, Reason> {
    match account.role {
        Role::Unknown => return Err(Reason::RoleUnknown),
        Role::Bait => return Ok(None),
        Role::Suspect | Role::Target => {}
    }
    if !rule.account.role.includes(account.role) {
        return Ok(None);
    }
    let person = account.who.as_ref().map_err(Clone::clone)?;
    let row = facts(person, account.role, rails).to_row();
    let chooses = rule.chooses(account.role, &row, case.now);
    chooses.map(|yes| yes.then_some(person)).map_err(|error| Reason::ConditionFailed { what: error.to_string() })
}

/// What keeps a person from being acted on: never, or not without a person's word.
fn held_back(person: &Person, rails: &Rails) -> Option<Reason> {
    protected::protected(person, rails).or_else(|| asks(person, rails))
}

/// Why nobody but a person decides on an account.
pub(super) fn asks(person: &Person, rails: &Rails) -> Option<Reason> {
    let privileged = privileged(person, rails).map(|why| Reason::Privileged { why });
    privileged.or_else(|| person.is_unknown_in_okta().then_some(Reason::OktaUnknown))
}

/// Two rules that want the same effect make one action; the more cautious of approve and enforce
/// holds, and simulate neither adds nor blocks.
fn merge(wishes: &mut Vec<(Action, Option<Reason>)>, action: Action, held: Option<Reason>) {
    let Some((known, _)) = wishes.iter_mut().find(|(known, _)| known.id == action.id) else {
        wishes.push((action, held));
        return;
    };
    let bolder = known.mode == Mode::Simulate && action.mode != Mode::Simulate;
    if action.mode == Mode::Simulate && known.mode != Mode::Simulate {
        known.wanted_by.extend(action.wanted_by);
        return;
    }
    let mut merged = if bolder { action.clone() } else { known.clone() };
    let other = if bolder { known.clone() } else { action };
    if !bolder && other.mode != Mode::Simulate {
        merged.mode = merged.mode.min(other.mode);
        merged.revert_after =
            merged.revert_after.min(other.revert_after).or(merged.revert_after).or(other.revert_after);
        for claim in other.limits {
            if !merged.limits.iter().any(|mine| mine.key == claim.key) {
                merged.limits.push(claim);
            }
        }
        for after in other.after {
            if !merged.after.contains(&after) {
                merged.after.push(after);
            }
        }
    }
    merged.wanted_by.extend(other.wanted_by);
    *known = merged;
}

/// How an action begins.
fn first(action: Action, held: Option<Reason>, case: &Case<'_>, rails: &Rails) -> (Action, First) {
    let rule = action.wanted_by.first().map_or_else(String::new, |by| by.rule.clone());
    let group = protected::protected_group(&action.key.intent, rails);
    let never = group.or_else(|| held.clone().filter(|reason| !reason.asks()));
    let until = case.now.plus(rails.approval_ttl);
    let first = if action.mode == Mode::Simulate {
        First::Simulate { reason: Reason::Simulate { rule }, would: never.or(held) }
    } else if let Some(reason) = never {
        First::Withhold { reason }
    } else if action.routes.is_empty() {
        First::Withhold {
            reason: Reason::NoRoute { why: "none of its routes is configured for this cloud".to_owned() },
        }
    } else {
        let asks = held.or_else(|| (action.mode == Mode::Approve).then_some(Reason::ApprovalWanted { rule }));
        match asks {
            would if rails.dry_run => First::Simulate { reason: Reason::DryRun, would },
            Some(reason) => First::Ask { reason, until },
            None => First::Run,
        }
    };
    (action, first)
}

fn decided(
    case: &Case<'_>,
    rule: &Rule,
    mode: Mode,
    account: Option<&CaseAccount>,
    intent: Option<Intent>,
    reason: Reason,
) -> Decided {
    let label = account.map(|account| account.named.hint.label()).unwrap_or_default();
    let wanted = intent.as_ref().map(ToString::to_string).unwrap_or_default();
    let alert = case.alert.id.to_string();
    Decided {
        id: ActionId::derive(&["decided", &alert, &rule.name, &wanted, &label, reason.code()]),
        rule: rule.name.clone(),
        intent,
        mode,
        account: account.map(|account| account.named.hint.clone()),
        role: account.map(|account| account.role),
        reason,
        at: case.now,
    }
}
