//! Playbooks: named sequences of steps.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::condition::{Condition, condition};
use super::fields::{Fields, Reader};
use super::lint::{self, Reversal};
use super::names::Names;
use super::schema::account_schema;
use super::yaml::Node;
use crate::diagnostics::{Place, Span, quoted};
use crate::kql::{KqlError, Value};
use crate::model::action::Needs;
use crate::model::intent::{GroupRef, Intent, Verb};
use crate::model::time::At;

/// What is done to an account, step by step.
#[derive(Debug, Clone)]
pub struct Playbook {
    /// Its name; rules refer to it.
    pub name: String,
    /// What it is for.
    pub why: String,
    /// Its steps, in order.
    pub steps: Vec<Step>,
    /// Where its name stands.
    pub place: Place,
}

/// The playbooks of a folder.
#[derive(Debug, Default)]
pub(super) struct Playbooks {
    /// Those that can be used, by name.
    pub(super) usable: BTreeMap<String, Arc<Playbook>>,
    /// The names of all, also of those with mistakes in them.
    pub(super) names: Names,
}

/// One step: an intent and its options.
#[derive(Debug, Clone)]
pub struct Step {
    /// What is wanted.
    pub intent: Intent,
    /// It is left out for accounts for which this does not hold.
    pub condition: Option<Condition>,
    /// The steps that come before it, by their index in the playbook; each is smaller than its own.
    pub after: Vec<usize>,
    /// What it waits for in those.
    pub needs: Needs,
    /// It is put back after this time.
    pub revert_after: Option<Duration>,
    /// What its failure means for the steps that follow.
    pub on_failure: OnFailure,
    /// Where its intent stands.
    pub place: Place,
}

/// What a failed step means for the later ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnFailure {
    /// They run all the same, unless one waits for this one to be effective.
    Continue,
    /// They do not run.
    Stop,
}

pub(super) const STEP_KEYS: &[&str] =
    &["do", "group", "if", "after", "needs", "revert_after", "on_failure", "irreversible"];

impl Playbook {
    /// The steps that apply to an account, with their indices. The row is one of [`account_schema`].
    ///
    /// # Errors
    /// A condition that could not be computed.
    pub fn steps_for(&self, facts: &[Value], now: At) -> Result<Vec<(usize, &Step)>, KqlError> {
        let mut chosen = Vec::new();
        for (index, step) in self.steps.iter().enumerate() {
            if step.condition.as_ref().map_or(Ok(true), |condition| condition.holds(facts, now))? {
                chosen.push((index, step));
            }
        }
        Ok(chosen)
    }

    pub(super) fn read(node: &Node, reader: &mut Reader<'_>) -> Option<Self> {
        let fields = reader.fields(node, "a playbook", &["playbook", "why", "steps"])?;
        let name = fields.need("playbook", reader);
        let place = reader.place(name.map_or(node.span, |name| name.span));
        let name = name.and_then(|node| reader.name(node, "the name of a playbook"));
        let why = fields.need("why", reader).and_then(|node| reader.text(node, "why"));
        let nodes = fields.need("steps", reader).map(|node| reader.list(node, "steps"));
        if let Some([]) = nodes {
            reader.error("rule/no-steps", "a playbook without steps does nothing", place.span, "add \"- do: ...\"");
        }
        let steps = read_steps(nodes?, reader);
        Some(Self { name: name?, why: why?, steps: steps?, place })
    }
}

fn read_steps(nodes: &[Node], reader: &mut Reader<'_>) -> Option<Vec<Step>> {
    let mut steps: Vec<Option<Step>> = Vec::new();
    let words: Vec<Option<String>> = nodes.iter().map(|node| node.word("do")).collect();
    for node in nodes {
        let step = read_step(node, &words, steps.len(), reader);
        if let Some(step) = &step
            && steps.iter().flatten().any(|earlier| earlier.intent == step.intent)
        {
            let message = format!("{} stands here twice", step.intent);
            reader.error("rule/duplicate-step", message, step.place.span, "keep one of the two steps");
        }
        steps.push(step);
    }
    steps.into_iter().collect()
}

fn read_step(node: &Node, words: &[Option<String>], index: usize, reader: &mut Reader<'_>) -> Option<Step> {
    let fields = reader.fields(node, "a step", STEP_KEYS)?;
    let intent = fields.need("do", reader);
    let place = reader.place(intent.map_or(node.span, |intent| intent.span));
    let verb = intent.and_then(|node| read_verb(node, reader));
    let intent = intent.zip(verb).and_then(|(node, verb)| read_intent(verb, node, &fields, reader));
    let condition = match fields.get("if") {
        Some(node) => condition(node, "if", account_schema(), reader).map(Some),
        None => Some(None),
    };
    let after = read_after(&fields, words, index, reader);
    let needs = [("effective", Needs::Effective), ("answered", Needs::Answered)];
    let failure = [("continue", OnFailure::Continue), ("stop", OnFailure::Stop)];
    let needs = fields.get("needs").and_then(|node| reader.word(node, "value of needs", &needs));
    let on_failure = fields.get("on_failure").and_then(|node| reader.word(node, "value of on_failure", &failure));
    let revert_after = fields.get("revert_after").and_then(|node| reader.duration(node, "revert_after"));
    let irreversible = fields.get("irreversible").map_or(Some(false), |node| reader.flag(node, "irreversible"));
    if let Some(verb) = verb {
        let says = Reversal { by_clock: fields.get("revert_after").is_some(), irreversible };
        lint::reversal(verb, says, &place, reader.findings);
    }
    Some(Step {
        intent: intent?,
        condition: condition?,
        after,
        needs: needs.unwrap_or(Needs::Effective),
        revert_after,
        on_failure: on_failure.unwrap_or(OnFailure::Continue),
        place,
    })
}

fn read_intent(verb: Verb, node: &Node, fields: &Fields<'_>, reader: &mut Reader<'_>) -> Option<Intent> {
    let wants_group = matches!(verb, Verb::RemoveFromGroup | Verb::AddToGroup);
    let group = match (wants_group, fields.get("group")) {
        (true, Some(node)) => Some(read_group(node, reader)?),
        (true, None) => {
            let help = "add \"group:\" with a SID, an Entra object id or an Okta group id";
            reader.error("rule/missing-key", format!("{verb} has no \"group\""), node.span, help);
            return None;
        }
        (false, Some(group)) => {
            reader.error("rule/unused-key", format!("{verb} needs no group"), group.span, "leave \"group\" out");
            None
        }
        (false, None) => None,
    };
    Some(Intent { verb, group })
}

/// A verb that a step may name.
pub(super) fn read_verb(node: &Node, reader: &mut Reader<'_>) -> Option<Verb> {
    let word = reader.text(node, "an intent")?;
    match word.parse::<Verb>() {
        Ok(verb) if verb.is_a_step() => Some(verb),
        Ok(verb) => {
            let help = "leave it out: \"riposte undo\" and revert_after put things back";
            reader.error("rule/not-a-step", format!("{verb} only undoes and is no step"), node.span, help);
            None
        }
        Err(_) => {
            let known: Vec<&str> = Verb::ALL.iter().filter(|verb| verb.is_a_step()).map(|verb| verb.word()).collect();
            reader.unknown("rule/unknown-intent", "intent", &word, node.span, &known);
            None
        }
    }
}

fn read_group(node: &Node, reader: &mut Reader<'_>) -> Option<GroupRef> {
    let text = reader.text(node, "group")?;
    let group = text.parse().ok();
    if group.is_none() {
        let message = format!("{} is no id of a group; names change and can be copied", quoted(&text));
        let help = "write its SID, its Entra object id or its Okta id (00g...)";
        reader.error("rule/group-by-name", message, node.span, help);
    }
    group
}

/// The earlier steps that `after:` names by their intent's word; several steps of one word are all meant.
fn read_after(fields: &Fields<'_>, words: &[Option<String>], index: usize, reader: &mut Reader<'_>) -> Vec<usize> {
    let Some(node) = fields.get("after") else { return Vec::new() };
    let mut found = Vec::new();
    for item in reader.list(node, "after") {
        let Some(word) = reader.text(item, "after") else { continue };
        let all = || words.iter().enumerate().filter(|(_, known)| known.as_deref() == Some(word.as_str()));
        let earlier: Vec<usize> = all().map(|(at, _)| at).filter(|at| *at < index).collect();
        if earlier.is_empty() {
            missing_step(&word, all().next().is_some(), words, item.span, reader);
        }
        found.extend(earlier);
    }
    found.sort_unstable();
    found.dedup();
    found
}

fn missing_step(word: &str, later: bool, words: &[Option<String>], span: Span, reader: &mut Reader<'_>) {
    if later {
        let message = format!("{} does not come before this step", quoted(word));
        reader.error("rule/after-later", message, span, "a step waits only for steps above it: move that one up");
    } else {
        let known: Vec<&str> = words.iter().flatten().map(String::as_str).collect();
        reader.unknown("rule/after-unknown", "step of this playbook", word, span, &known);
    }
}
