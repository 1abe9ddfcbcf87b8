//! The rule table: rules by the alert they answer, and their modes.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::catalogue::{Catalogue, Entry};
use super::modes::Modes;
use super::rule::Rule;
use super::trigger::WrittenTrigger;
use crate::model::action::Mode;
use crate::model::alert::{Sighting, SourceKey};

/// All rules that are in force, checked.
#[derive(Debug, Clone)]
pub struct RuleTable {
    rules: Vec<Rule>,
    by_alert: HashMap<String, Vec<usize>>,
    triggers: Vec<WrittenTrigger>,
    modes: BTreeMap<String, Mode>,
    digest: String,
}

impl RuleTable {
    /// All rules, by name.
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// The rule of that name.
    pub fn rule(&self, name: &str) -> Option<&Rule> {
        self.rules.binary_search_by(|rule| rule.name.as_str().cmp(name)).ok().and_then(|index| self.rules.get(index))
    }

    /// The rules that answer a kind of alert, by name. Their `when:` has still to be asked.
    pub fn matching(&self, alert: &Entry) -> impl Iterator<Item = &Rule> {
        self.by_alert.get(&alert.id).into_iter().flatten().filter_map(|index| self.rules.get(*index))
    }

    /// The triggers that a rule names, by name.
    pub fn triggers(&self) -> &[WrittenTrigger] {
        &self.triggers
    }

    /// Which kind of alert a source shows. Only a trigger itself shows its alerts: anybody who can write a row of
    /// `SecurityAlert` can write the name of a trigger into it.
    pub fn entry_of(&self, seen: &Sighting) -> Option<&Arc<Entry>> {
        match &seen.source {
            SourceKey::Trigger { name, .. } => {
                let mut triggers = self.triggers.iter();
                triggers.find(|written| written.trigger.name == *name).map(|written| &written.entry)
            }
            SourceKey::LogAnalytics(_) | SourceKey::Graph => {
                Catalogue::get().identify(&seen.detector, seen.external_id.as_deref(), &seen.title)
            }
        }
    }

    /// How far a rule may go: simulate, unless the overlay says otherwise.
    pub fn mode(&self, rule: &Rule) -> Mode {
        self.modes.get(&rule.name).copied().unwrap_or(Mode::Simulate)
    }

    /// One rule by itself, in a mode of one's choice.
    #[must_use]
    pub fn alone(rule: &Rule, mode: Mode) -> Self {
        let by_alert = rule.alerts.iter().map(|alert| (alert.value.id.clone(), vec![0])).collect();
        let modes = BTreeMap::from([(rule.name.clone(), mode)]);
        Self { rules: vec![rule.clone()], by_alert, triggers: Vec::new(), modes, digest: String::new() }
    }

    /// SHA-256 over the text of all files, in hexadecimal. It changes whenever anything that people wrote changes, and not
    /// with the names or the order of files.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    pub(super) fn new(mut rules: Vec<Rule>, triggers: Vec<WrittenTrigger>, modes: &Modes, digest: String) -> Self {
        rules.sort_by(|a, b| a.name.cmp(&b.name));
        let mut by_alert: HashMap<String, Vec<usize>> = HashMap::new();
        for (index, rule) in rules.iter().enumerate() {
            for alert in &rule.alerts {
                by_alert.entry(alert.value.id.clone()).or_default().push(index);
            }
        }
        let modes = modes.iter().map(|(name, mode)| (name.clone(), mode.value)).collect();
        Self { rules, by_alert, triggers, modes, digest }
    }
}
