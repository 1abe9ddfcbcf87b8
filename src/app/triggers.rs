//! Where triggers run.

use std::sync::Arc;

use crate::model::action::Mode;
use crate::model::alert::SourceKey;
use crate::model::trigger::{Engine, Trigger};
use crate::playbook::{Origin, RuleTable, WrittenTrigger};
use crate::settings::Settings;

/// One trigger in one place.
#[derive(Debug, Clone)]
pub struct TriggerPlace {
    /// What is run.
    pub trigger: Arc<Trigger>,
    /// The key of its source.
    pub key: SourceKey,
    /// What people call it.
    pub name: String,
    /// It came with the program, and every rule that answers it is in simulate.
    pub optional: bool,
}

/// The triggers that a rule names, each on every workspace that it is for, or in hunting.
#[must_use]
pub fn trigger_places(settings: &Settings, table: &RuleTable) -> Vec<TriggerPlace> {
    let optional = |written: &WrittenTrigger| {
        let mut rules = table.matching(&written.entry);
        written.origin == Origin::Shipped && rules.all(|rule| table.mode(rule) == Mode::Simulate)
    };
    table.triggers().iter().flat_map(|written| places(settings, written, optional(written))).collect()
}

fn places(settings: &Settings, written: &WrittenTrigger, optional: bool) -> Vec<TriggerPlace> {
    let trigger = &written.trigger;
    let place = |workspace, name: String| TriggerPlace {
        trigger: Arc::clone(trigger),
        key: SourceKey::Trigger { name: trigger.name.clone(), workspace },
        name,
        optional,
    };
    match trigger.engine {
        Engine::Hunting if settings.tenant.cloud.features().hunting => {
            vec![place(None, format!("{} in hunting", trigger.id()))]
        }
        Engine::Hunting => Vec::new(),
        Engine::LogAnalytics => {
            let spaces = settings.workspaces.iter().filter(|space| written.runs_on(&space.name));
            spaces.map(|space| place(Some(space.id), format!("{} in {}", trigger.id(), space.name))).collect()
        }
    }
}
