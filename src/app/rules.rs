//! The rule table from settings.

use crate::playbook::{LoadContext, Loaded, load, load_embedded};
use crate::settings::Settings;

/// The rules in the settings' folder; the shipped ones when there is no such folder.
#[must_use]
pub fn rules(settings: &Settings) -> Loaded {
    let context = LoadContext {
        global_cloud: settings.tenant.cloud.features().invoke_action,
        break_glass_empty: settings.guardrails.break_glass.is_empty(),
        per_hour: Some(settings.guardrails.limits.per_hour),
        per_day: Some(settings.guardrails.limits.per_day),
    };
    let modes = settings.rules.modes.exists().then_some(settings.rules.modes.as_path());
    if settings.rules.dir.exists() { load(&settings.rules.dir, modes, context) } else { load_embedded(modes, context) }
}
