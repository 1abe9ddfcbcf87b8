//! Every reason for and against acting on a case, as values.

use serde::Serialize;
use serde_json::Value;

use crate::cli::actions::line::{AccountLine, ActionLine};
use crate::cli::table::{role_word, step_json};
use crate::decide::case::{Case, CaseAccount, facts};
use crate::decide::plan::{Plan, alert_rows, answers, plan, whole};
use crate::decide::rails::Rails;
use crate::decide::ready::{Ready, ready, unwitnessed};
use crate::kql;
use crate::model::account::Role;
use crate::model::action::{Action, Mode};
use crate::model::alert::{NamedAccount, Severity};
use crate::model::id::AlertId;
use crate::model::person::Person;
use crate::model::reason::Reason;
use crate::model::text::clip;
use crate::model::time::{At, print_duration};
use crate::playbook::{Catalogue, Condition, Entry, Rule, RuleTable};
use crate::record::action::First;
use crate::record::alert::AlertRecord;

/// Everything that can be said of one alert.
#[derive(Debug, Default, Serialize)]
pub(super) struct Explanation {
    pub(super) alert: Option<AlertWords>,
    /// Why no rule can match, where the catalogue does not know the alert.
    pub(super) stranger: Option<String>,
    pub(super) accounts: Vec<AccountWords>,
    /// What stands against acting on the alert as a whole.
    pub(super) guardrails: Vec<String>,
    pub(super) rules: Vec<RuleWords>,
    /// What would happen, for the accounts that are known.
    pub(super) plan: Vec<PlannedWords>,
    pub(super) journal: Option<Known>,
    pub(super) notes: Vec<String>,
}

/// The alert itself.
#[derive(Debug, Serialize)]
pub(super) struct AlertWords {
    pub(super) title: String,
    pub(super) source: String,
    /// The source as people call it.
    pub(super) shown_by: String,
    pub(super) names: Vec<String>,
    pub(super) severity: Severity,
    pub(super) last_activity: At,
    pub(super) witnessed: bool,
    pub(super) catalogue: Option<String>,
    pub(super) name: Option<String>,
    pub(super) sole_role: Option<Role>,
    pub(super) attacker_chooses_name: bool,
}

/// An account of the alert.
#[derive(Debug, Serialize)]
pub(super) struct AccountWords {
    pub(super) account: AccountLine,
    pub(super) role: Role,
    /// Why it has that role.
    pub(super) why: String,
    /// Their accounts, where somebody told who it is.
    pub(super) person: Option<Vec<String>>,
    /// Why no directory would be asked who it is.
    pub(super) refused: Option<String>,
}

/// A rule that answers this kind of alert.
#[derive(Debug, Serialize)]
pub(super) struct RuleWords {
    pub(super) rule: String,
    pub(super) mode: Mode,
    pub(super) matches: bool,
    /// Why it matches, or not.
    pub(super) why: String,
    pub(super) role: &'static str,
    pub(super) accounts: Vec<ChosenWords>,
    pub(super) playbook: String,
    pub(super) steps: Vec<Value>,
}

/// Whether a rule chooses an account.
#[derive(Debug, Serialize)]
pub(super) struct ChosenWords {
    pub(super) account: String,
    /// Null where it hangs on facts that nobody told.
    pub(super) chosen: Option<bool>,
    pub(super) why: String,
}

/// Something that would happen.
#[derive(Debug, Serialize)]
pub(super) struct PlannedWords {
    pub(super) intent: Option<String>,
    pub(super) account: String,
    pub(super) rules: Vec<String>,
    /// `run`, `ask`, `withhold` or `simulate`.
    pub(super) first: &'static str,
    pub(super) reason: String,
    /// What would hold it up, were it not only simulated.
    pub(super) would: Option<String>,
    pub(super) routes: Vec<String>,
    pub(super) revert_after: Option<String>,
}

/// What the journal knows.
#[derive(Debug, Serialize)]
pub(super) struct Known {
    pub(super) id: AlertId,
    pub(super) first_seen: At,
    pub(super) witnessed: bool,
    pub(super) phase: String,
    pub(super) actions: Vec<ActionLine>,
}

/// Explains a case whose alert the catalogue knows. Accounts nobody told about have an `Err`.
pub(super) fn explain(case: &Case<'_>, table: &RuleTable, rails: &Rails) -> Explanation {
    let rules: Vec<&Rule> = table.matching(case.entry).collect();
    let rows = alert_rows(case.alert);
    let boldest = rules.iter().map(|rule| table.mode(rule)).max().unwrap_or(Mode::Simulate);
    Explanation {
        alert: Some(AlertWords::of(case.alert, Some(case.entry))),
        stranger: rules.is_empty().then(|| format!("no rule answers {}", case.entry.id)),
        accounts: case.accounts.iter().map(|account| AccountWords::of(account, case)).collect(),
        guardrails: guardrails(case, boldest, rails),
        rules: rules.iter().map(|rule| RuleWords::of(rule, table.mode(rule), case, &rows, rails)).collect(),
        plan: planned(case, table, rails),
        ..Explanation::default()
    }
}

impl Explanation {
    /// An alert that the catalogue does not know.
    pub(super) fn of_stranger(alert: &AlertRecord, named: &[NamedAccount]) -> Self {
        let seen = alert.best();
        let detector = seen.map(|seen| clip(&seen.detector, 120)).unwrap_or_default();
        let nearest = Catalogue::get().nearest_id(&format!("mdi/{detector}"));
        let hint = nearest.map(|id| format!("; the nearest id is {id}")).unwrap_or_default();
        let unknown = |named: &NamedAccount| AccountWords {
            account: AccountLine::of_hint(&named.hint),
            role: named.role.unwrap_or(Role::Unknown),
            why: "the catalogue does not know the alert".to_owned(),
            person: None,
            refused: None,
        };
        Self {
            alert: Some(AlertWords::of(alert, None)),
            stranger: Some(format!(
                "the alert catalogue knows neither its external id, nor the detector {detector:?}, nor its title, so \
                 no rule can answer it{hint}"
            )),
            accounts: named.iter().map(unknown).collect(),
            ..Self::default()
        }
    }
}

impl AlertWords {
    fn of(alert: &AlertRecord, entry: Option<&Entry>) -> Self {
        let seen = alert.best();
        Self {
            title: seen.map(|seen| clip(&seen.title, 200)).unwrap_or_default(),
            source: seen.map(|seen| seen.source.to_string()).unwrap_or_default(),
            shown_by: String::new(),
            names: alert.names(),
            severity: alert.severity(),
            last_activity: alert.last_activity(),
            witnessed: alert.is_witnessed(),
            catalogue: entry.map(|entry| entry.id.clone()),
            name: entry.map(|entry| entry.name.clone()),
            sole_role: entry.and_then(|entry| entry.sole_role),
            attacker_chooses_name: entry.is_some_and(|entry| entry.attacker_chooses_name),
        }
    }
}

impl AccountWords {
    fn of(account: &CaseAccount, case: &Case<'_>) -> Self {
        let accounts = |person: &Person| person.accounts.iter().map(|one| one.found.account.to_string()).collect();
        Self {
            account: AccountLine::of_hint(&account.named.hint),
            role: account.role,
            why: role_why(account, case),
            person: account.who.as_ref().ok().map(accounts),
            refused: account.who.as_ref().err().filter(|why| **why != Reason::AccountUnknown).map(Reason::line),
        }
    }
}

/// In the order in which roles are looked for.
fn role_why(account: &CaseAccount, case: &Case<'_>) -> String {
    if account.named.role.is_some() {
        return "the source states it".to_owned();
    }
    let Some(sole) = case.entry.sole_role else {
        return "in this kind of alert an account alone can be either side, and the source states nothing".to_owned();
    };
    match (account.role, case.accounts.len()) {
        (Role::Unknown, count) => format!(
            "{count} accounts are named; one of them is the {sole}, and CompromisedEntity does not name this one by a \
             strong identifier"
        ),
        (_, 1) => format!("the only account named, and in this kind of alert that is the {sole}"),
        (_, _) => format!("CompromisedEntity names it, and in this kind of alert that is the {sole}"),
    }
}

/// What stands against the whole alert, also what may still pass.
fn guardrails(case: &Case<'_>, boldest: Mode, rails: &Rails) -> Vec<String> {
    let mut lines = Vec::new();
    let mut waits_for = None;
    if let Ready::Wait { reason, again } = ready(case.alert, boldest, rails, case.now) {
        lines.push(format!("waits until {}: {}", again.to_the_second(), reason.waiting()));
        waits_for = Some(reason.code());
    }
    // What is waited for is said once.
    let is_new = |reason: &Reason| Some(reason.code()) != waits_for;
    // Whether Defender confirms it is for the running daemon to see; here only a file is known.
    let witnessed = Rails { unwitnessed_allowed: true, ..rails.clone() };
    let whole = whole(case, &witnessed, Mode::Enforce).filter(is_new);
    lines.extend(whole.map(|reason| format!("withheld whole: {}", reason.line())));
    if unwitnessed(case.alert, rails).as_ref().is_some_and(is_new) {
        lines.push(format!(
            "in approve and enforce it is withheld as unwitnessed, unless Graph shows it too within {}",
            print_duration(rails.witness_wait)
        ));
    }
    lines
}

impl RuleWords {
    fn of(rule: &Rule, mode: Mode, case: &Case<'_>, rows: &[Vec<kql::Value>], rails: &Rails) -> Self {
        let (matches, why) = applies(rule, case, rows);
        Self {
            rule: rule.name.clone(),
            mode,
            matches,
            why,
            role: role_word(rule.account.role),
            accounts: case.accounts.iter().map(|account| chosen(rule, account, case, rails)).collect(),
            playbook: rule.playbook.name.clone(),
            steps: rule.playbook.steps.iter().map(step_json).collect(),
        }
    }
}

/// Whether a rule answers the alert, whose [`alert_rows`] are given, and why.
fn applies(rule: &Rule, case: &Case<'_>, rows: &[Vec<kql::Value>]) -> (bool, String) {
    let Some(when) = &rule.when else { return (true, format!("it answers {}", case.entry.id)) };
    let values = values(when, case.alert);
    match answers(rule, case, rows) {
        Ok(true) => (true, format!("when: {} holds; {values}", when.text)),
        Ok(false) => (false, format!("when: {} does not hold; {values}", when.text)),
        Err(error) => (true, Reason::ConditionFailed { what: error.to_string() }.line()),
    }
}

/// Why a rule wants nothing of the accounts of a case.
pub(in crate::cli) fn nothing_wanted(rule: &Rule, case: &Case<'_>, rails: &Rails) -> String {
    let (matches, why) = applies(rule, case, &alert_rows(case.alert));
    if !matches {
        return why;
    }
    let choices = case.accounts.iter().map(|account| choice(rule, account, case, rails));
    let refusal = choices.filter(|(chosen, _)| *chosen != Some(true)).map(|(_, why)| why).next();
    refusal.unwrap_or_else(|| format!("no step of playbook {} applies to the account", rule.playbook.name))
}

/// The columns a condition reads, with what the alert says there.
fn values(condition: &Condition, alert: &AlertRecord) -> String {
    let columns = alert.best().map(|seen| &seen.columns);
    let value = |name: &str| match columns.and_then(|columns| columns.get(name)) {
        Some(value) => format!("{name} = {}", clip(&value.to_string(), 80)),
        None => format!("{name} is not there"),
    };
    condition.columns().map(value).collect::<Vec<_>>().join(", ")
}

fn chosen(rule: &Rule, account: &CaseAccount, case: &Case<'_>, rails: &Rails) -> ChosenWords {
    let (chosen, why) = choice(rule, account, case, rails);
    ChosenWords { account: account.named.hint.label(), chosen, why }
}

fn choice(rule: &Rule, account: &CaseAccount, case: &Case<'_>, rails: &Rails) -> (Option<bool>, String) {
    let is = account.role;
    match is {
        Role::Unknown => return (Some(false), Reason::RoleUnknown.line()),
        Role::Bait => return (Some(false), "bait is never acted on".to_owned()),
        Role::Suspect | Role::Target => {}
    }
    let wanted = role_word(rule.account.role);
    if !rule.account.role.includes(is) {
        return (Some(false), format!("it is a {is}, and the rule is about: {wanted}"));
    }
    let Some(condition) = &rule.account.condition else {
        return (Some(true), format!("it is a {is}, and the rule is about: {wanted}"));
    };
    let Ok(person) = &account.who else {
        return (None, format!("hangs on who it is: where: {}", condition.text));
    };
    match rule.chooses(is, &facts(person, is, rails).to_row(), case.now) {
        Ok(true) => (Some(true), format!("where: {} holds", condition.text)),
        Ok(false) => (Some(false), format!("where: {} does not hold", condition.text)),
        Err(error) => (Some(false), Reason::ConditionFailed { what: error.to_string() }.line()),
    }
}

/// The plan for the accounts somebody told about, as if Defender had confirmed the alert.
fn planned(case: &Case<'_>, table: &RuleTable, rails: &Rails) -> Vec<PlannedWords> {
    let witnessed = Rails { unwitnessed_allowed: true, ..rails.clone() };
    let Plan { actions, decided, .. } = plan(case, table, &witnessed);
    let told = actions.iter().map(|(action, first)| PlannedWords::of(action, first));
    // Nobody told who these are: that no directory knows them is not said.
    let known = decided.into_iter().filter(|decided| decided.reason != Reason::AccountUnknown);
    let withheld = known.map(|decided| PlannedWords {
        intent: decided.intent.map(|intent| intent.to_string()),
        account: decided.account.map(|hint| hint.label()).unwrap_or_default(),
        rules: vec![decided.rule],
        first: "withhold",
        reason: decided.reason.line(),
        would: None,
        routes: Vec::new(),
        revert_after: None,
    });
    told.chain(withheld).collect()
}

impl PlannedWords {
    fn of(action: &Action, first: &First) -> Self {
        let rules: Vec<String> = action.wanted_by.iter().map(|by| by.rule.clone()).collect();
        let (word, reason, would) = match first {
            First::Run => ("run", Reason::RuleMatched { rule: rules.join(", ") }.line(), None),
            First::Ask { reason, .. } => ("ask", reason.line(), None),
            First::Withhold { reason } => ("withhold", reason.line(), None),
            First::Simulate { reason, would } => {
                ("simulate", reason.simulated(would.as_ref()), would.as_ref().map(Reason::line))
            }
        };
        Self {
            intent: Some(action.key.intent.to_string()),
            account: format!("{} ({})", action.subject.label, action.key.account.directory()),
            rules,
            first: word,
            reason,
            would,
            routes: action.routes.iter().map(ToString::to_string).collect(),
            revert_after: action.revert_after.map(print_duration),
        }
    }
}
