//! Where triggers run.

use std::sync::Arc;

use crate::model::alert::SourceKey;
use crate::model::trigger::{Engine, Trigger};
use crate::playbook::{RuleTable, WrittenTrigger};
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
}

/// The triggers that a rule names, each on every workspace that it is for, or in hunting.
#[must_use]
pub fn trigger_places(settings: &Settings, table: &RuleTable) -> Vec<TriggerPlace> {
    table.triggers().iter().flat_map(|written| places(settings, written)).collect()
}

fn places(settings: &Settings, written: &WrittenTrigger) -> Vec<TriggerPlace> {
    let trigger = &written.trigger;
    let place = |workspace, name: String| TriggerPlace {
        trigger: Arc::clone(trigger),
        key: SourceKey::Trigger { name: trigger.name.clone(), workspace },
        name,
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
