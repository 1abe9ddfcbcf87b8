//! What is well-formed and still not what its author can want.

use super::fields::Placed;
use super::load::LoadContext;
use super::modes::Modes;
use super::names::Names;
use super::rule::{Draft, Limits, Rule};
use super::steps::{Playbook, Step};
use super::trigger::{Origin, Triggers, WrittenTrigger};
use crate::diagnostics::{Finding, Findings, Level, Place};
use crate::model::account::Role;
use crate::model::action::Mode;
use crate::model::intent::Verb;
use crate::model::offer::offers;
use crate::model::trigger::Engine;

/// Words in a condition by which it asks for evidence that somebody got in.
const SUCCESS: &[&str] = &["succe", "guessed", "logged on", "signed in"];

/// What a step says of putting back what its verb does.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reversal {
    /// It wants it put back by a clock.
    pub(super) by_clock: bool,
    /// Its author knows that nothing can undo it; none where that cannot be read.
    pub(super) irreversible: Option<bool>,
}

/// A step that nothing can undo, or no clock.
pub(super) fn reversal(verb: Verb, says: Reversal, place: &Place, findings: &mut Findings) {
    if let Some((message, instead)) = for_good(verb).filter(|_| says.irreversible == Some(false)) {
        let help = format!("use {instead}, or add \"irreversible: true\" if that is meant");
        findings.add(at(Level::Error, "rule/irreversible", message, place).help(help));
    }
    if says.by_clock && !reverts_by_itself(verb) {
        let message = format!("{verb} cannot be put back by a clock");
        findings.add(at(Level::Error, "rule/cannot-revert", message, place).help("leave revert_after out"));
    }
}

/// Rules that would act by themselves while nobody is known to be left alone always. `names` are the rules there are.
pub(super) fn unguarded(modes: &Modes, names: &Names, context: &LoadContext, findings: &mut Findings) {
    let alone = |mode: &&Placed<Mode>| mode.value == Mode::Enforce && context.break_glass_empty;
    for (name, mode) in modes.iter().filter(|(name, mode)| alone(mode) && !names.lack(name)) {
        let message = format!("rule {name} would act by itself, and the break-glass list is empty");
        let help = "list the emergency accounts in the settings first, or use approve";
        findings.add(at(Level::Error, "rule/no-break-glass", message, &mode.place).help(help));
    }
}

/// Playbooks that no rule names.
pub(super) fn unused<'a>(playbooks: impl Iterator<Item = &'a Playbook>, rules: &[Rule], findings: &mut Findings) {
    for playbook in playbooks.filter(|playbook| rules.iter().all(|rule| rule.playbook.name != playbook.name)) {
        let message = format!("no rule runs the playbook {}", playbook.name);
        let help = "name it in a rule's \"do\", or move the file to another folder";
        findings.add(at(Level::Warning, "rule/unused-playbook", message, &playbook.place).help(help));
    }
}

/// Triggers that no rule names.
pub(super) fn idle<'a>(triggers: impl Iterator<Item = &'a WrittenTrigger>, findings: &mut Findings) {
    for written in triggers {
        let message = format!("no rule answers {}, so it is never run", written.entry.id);
        let help = "name it in a rule's \"alert\", or move the file to another folder";
        findings.add(at(Level::Warning, "trigger/unused", message, &written.place).help(help));
    }
}

/// What it means that a rule acts on the rows of a trigger: one note for each trigger of a rule that is not in simulate.
pub(super) fn believed(
    rules: &[Draft],
    triggers: &Triggers,
    modes: &Modes,
    context: &LoadContext,
    findings: &mut Findings,
) {
    let mut told: Vec<&str> = Vec::new();
    for rule in rules {
        for alert in rule.alerts() {
            let written = triggers.get(&alert.value.id);
            findings
                .extend(written.and_then(|written| nobody(written, rule)).map(|found| found.at_place(&alert.place)));
        }
        let mode = rule.name.as_ref().and_then(|name| modes.get(name));
        let Some(mode) = mode.filter(|mode| mode.value != Mode::Simulate) else { continue };
        for written in rule.alerts().iter().filter_map(|alert| triggers.get(&alert.value.id)) {
            if !told.contains(&written.entry.id.as_str()) {
                told.push(&written.entry.id);
                let withheld = if context.unwitnessed_allowed { None } else { unwitnessed(written, rule) };
                let finding = withheld.unwrap_or_else(|| risk(written, rule, mode.value).at_place(&mode.place));
                findings.add(finding);
                findings.extend(instead(written, rule));
            }
            if let Some(why) = nowhere(written, context) {
                let message = format!("{why}, so rule {} never sees {}", rule.called(), written.entry.id);
                let help = "add a workspace to the settings, or change the trigger's \"engine\"";
                findings.add(at(Level::Warning, "trigger/nowhere", message, &mode.place).help(help));
            }
        }
    }
}

/// A trigger whose accounts have roles that the rule does not choose. That one has no role is told of the trigger.
fn nobody(written: &WrittenTrigger, rule: &Draft) -> Option<Finding> {
    let chosen = rule.role()?;
    let given = || written.trigger.accounts.iter().map(|account| account.role);
    let first = given().next()?;
    if given().any(|role| role == Role::Unknown || chosen.includes(role)) {
        return None;
    }
    let message = format!(
        "rule {} acts on nobody that {} finds: it is about another role than {first}",
        rule.called(),
        written.entry.id
    );
    let help = "change \"account\" of the rule, or \"role\" of the trigger";
    Some(Finding::warning("trigger/nobody", message).help(help))
}

fn risk(written: &WrittenTrigger, rule: &Draft, mode: Mode) -> Finding {
    let tables: Vec<&str> = written.tables.keys().map(String::as_str).collect();
    let tables = if tables.is_empty() { "its tables".to_owned() } else { tables.join(", ") };
    let does = if mode == Mode::Enforce { "acts on" } else { "asks about" };
    let message = format!(
        "rule {} {does} what {} finds in {tables}, and nobody beside the service that runs the query confirms it",
        rule.called(),
        written.entry.id
    );
    let help = "whoever can write rows there chooses the account; its alerts have no incident to comment on, so what is \
                done or asked stands in riposte status, actions list and the log";
    Finding::note("trigger/believed", message).help(help)
}

/// A rule that was read beside the shipped query is answered by another one.
fn instead(written: &WrittenTrigger, rule: &Draft) -> Option<Finding> {
    let id = &written.entry.id;
    let message = format!("rule {} answers what this file finds, and not what the shipped {id} finds", rule.called());
    let help = "a file of one's own goes before a shipped trigger of the same name; rename it if that is not meant";
    let finding = Finding::note("trigger/instead", message).at_place(&written.place).help(help);
    (written.origin == Origin::Instead).then_some(finding)
}

/// Whoever can write rows of alerts could have them answered in a trigger's name.
fn unwitnessed(written: &WrittenTrigger, rule: &Draft) -> Option<Finding> {
    let what = written.unwitnessed.as_ref()?;
    let id = &written.entry.id;
    let message =
        format!("{id} reads {what}, so what it finds counts as unwitnessed and rule {} withholds it", rule.called());
    let help = "a row of an alert can be forged, and a trigger makes it no truer; answer the alert itself by its id in the \
                catalogue, or set guardrails.unwitnessed = \"allow\"";
    Some(Finding::warning("trigger/unwitnessed", message).at_place(&written.place).help(help))
}

/// Why a trigger runs nowhere.
fn nowhere(written: &WrittenTrigger, context: &LoadContext) -> Option<&'static str> {
    match written.trigger.engine {
        Engine::Hunting => (!context.hunting).then_some("this cloud has no hunting over Graph"),
        Engine::LogAnalytics => {
            context.workspaces.as_ref().is_some_and(Vec::is_empty).then_some("the settings name no workspace")
        }
    }
}

/// Checks of one rule with its playbook, as far as they can be read.
pub(super) fn rule(rule: &Draft, modes: &Modes, context: &LoadContext, findings: &mut Findings) {
    untested(rule, findings);
    password_alone(rule, findings);
    limits(&rule.limits, context, findings);
    let mode = rule.name.as_ref().and_then(|name| modes.get(name));
    let armed = mode.is_some_and(|mode| mode.value != Mode::Simulate);
    if !context.global_cloud {
        no_route(rule, armed, findings);
    }
    if let Some(mode) = mode.filter(|mode| mode.value == Mode::Enforce) {
        outsider(rule, &mode.place, findings);
    }
}

fn at(level: Level, code: &'static str, message: impl AsRef<str>, place: &Place) -> Finding {
    Finding::new(level, code, message).at(&place.source, place.span)
}

/// What a verb takes away for good, and the gentler one.
const fn for_good(verb: Verb) -> Option<(&'static str, &'static str)> {
    match verb {
        Verb::DeactivateOktaUser => Some((
            "deactivate-okta-user takes the person's apps and groups away, and nothing brings them back",
            "suspend-okta-user",
        )),
        Verb::ScramblePassword => Some((
            "scramble-password replaces the password by one that nobody knows, and nothing brings the old one back",
            "require-password-change",
        )),
        Verb::DisableAdUser
        | Verb::EnableAdUser
        | Verb::RequirePasswordChange
        | Verb::MarkCompromised
        | Verb::DismissRisk
        | Verb::SuspendEntraUser
        | Verb::RestoreEntraUser
        | Verb::RevokeSessions
        | Verb::SuspendOktaUser
        | Verb::UnsuspendOktaUser
        | Verb::RemoveFromGroup
        | Verb::AddToGroup => None,
    }
}

/// Leaves a state that a timed revert may put back. A confirmed risk is dismissed by a person only.
fn reverts_by_itself(verb: Verb) -> bool {
    verb.contains() && verb.inverse().is_some() && verb != Verb::MarkCompromised
}

/// A test whose mistakes are findings of its own counts: its author has thought of one.
fn untested(rule: &Draft, findings: &mut Findings) {
    if !rule.tested {
        let message = format!("rule {} has no test, so nothing shows that it does what it is for", rule.called());
        let help = "add \"test:\" with one account it acts on and one it leaves alone; riposte test runs them";
        findings.add(at(Level::Warning, "rule/untested", message, &rule.place).help(help));
    }
}

/// A thief who holds the password or a ticket can change the password himself.
fn password_alone(rule: &Draft, findings: &mut Findings) {
    let Some(playbook) = &rule.playbook else { return };
    let verbs: Vec<Verb> = playbook.value.steps.iter().map(|step| step.intent.verb).collect();
    let alone = !verbs.is_empty() && verbs.iter().all(|verb| *verb == Verb::RequirePasswordChange);
    if let Some(theft) = rule.alerts().iter().find(|alert| alert.value.is_credential_theft()).filter(|_| alone) {
        let message = format!(
            "a password change alone does not answer {} ({}): whoever holds the credentials can make it",
            theft.value.id, theft.value.name
        );
        let help = "add revoke-sessions to the playbook, or contain the account";
        findings.add(at(Level::Warning, "rule/password-alone", message, &playbook.place).help(help));
    }
}

fn limits(limits: &Limits, context: &LoadContext, findings: &mut Findings) {
    let (hour, day) = (&limits.per_hour, &limits.per_day);
    for (limit, global, key) in [(hour, context.per_hour, "per_hour"), (day, context.per_day, "per_day")] {
        let (Some(limit), Some(global)) = (limit, global) else { continue };
        if limit.value > global {
            let message = format!("{key} is {} here and {global} for all rules together", limit.value);
            let help = "lower it, or raise the limit in the settings";
            findings.add(at(Level::Warning, "rule/limit-above-global", message, &limit.place).help(help));
        }
    }
    if let (Some(hour), Some(day)) = (hour, day)
        && hour.value > day.value
    {
        let message = format!("per_hour ({}) is above per_day ({}) and never reached", hour.value, day.value);
        findings.add(at(Level::Warning, "rule/limit-unreachable", message, &hour.place).help("lower per_hour"));
    }
}

/// Steps that no API of this cloud can carry out.
fn no_route(rule: &Draft, armed: bool, findings: &mut Findings) {
    let impossible = |step: &&Step| offers(step.intent.verb).all(|offer| offer.global_cloud_only);
    for step in rule.playbook.iter().flat_map(|playbook| &playbook.value.steps).filter(impossible) {
        let level = if armed { Level::Error } else { Level::Warning };
        let message = format!("no route can do {} in this cloud; rule {} asks for it", step.intent, rule.called());
        let help = "take the step out of the playbook, or give the rule another playbook";
        findings.add(at(level, "rule/no-route", message, &step.place).help(help));
    }
}

/// Without proof of a logon, anybody on the network could have any name locked out.
fn outsider(rule: &Draft, mode: &Place, findings: &mut Findings) {
    let asks_for_success = rule.when.as_ref().is_some_and(|when| {
        let text = when.text.to_lowercase();
        SUCCESS.iter().any(|word| text.contains(word))
    });
    let Some(alert) = rule.alerts().iter().find(|alert| alert.value.attacker_chooses_name) else { return };
    if !asks_for_success && !rule.when_is_broken {
        let message = format!(
            "an outsider can raise {} ({}) with any name in it, and rule {} would act on that name by itself",
            alert.value.id,
            alert.value.name,
            rule.called()
        );
        let help = "use approve, or let \"when\" ask for a logon that succeeded";
        findings.add(at(Level::Error, "rule/outsider", message, mode).help(help));
    }
}
