//! The rule table from settings.

use crate::playbook::{Folders, LoadContext, Loaded, load};
use crate::settings::{RuleBasis, Settings, Unwitnessed};

/// The rules in the settings' folder; the shipped ones when there is no such folder.
#[must_use]
pub fn rules(settings: &Settings) -> Loaded {
    rules_of(&settings.rule_basis())
}

/// As [`rules`], also for settings that are broken elsewhere.
#[must_use]
pub fn rules_of(basis: &RuleBasis) -> Loaded {
    let RuleBasis { rules, cloud, rails, workspaces, .. } = basis;
    let context = LoadContext {
        global_cloud: cloud.features().invoke_action,
        break_glass_empty: rails.break_glass_empty == Some(true),
        per_hour: rails.per_hour,
        per_day: rails.per_day,
        hunting: cloud.features().hunting,
        unwitnessed_allowed: rails.unwitnessed == Some(Unwitnessed::Allow),
        workspaces: workspaces.clone(),
    };
    let folders = Folders {
        rules: rules.dir.exists().then_some(rules.dir.as_path()),
        modes: rules.modes.exists().then_some(rules.modes.as_path()),
        kql: rules.kql.as_deref(),
        tables: rules.tables.as_deref(),
    };
    load(folders, &context)
}
