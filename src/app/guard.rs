//! Guardrails from settings.

use crate::decide::rails::{Limits, Listed, Rails};
use crate::settings::{Guardrails, Identity, ProtectedEntry, Settings, Unwitnessed};

/// The guardrails as the settings want them. In a cloud whose Graph shows no alerts nobody can confirm
/// one, so there the settings must allow unwitnessed alerts, or nothing is ever acted on.
#[must_use]
pub fn rails(settings: &Settings, dry_run: bool) -> Rails {
    let guard: &Guardrails = &settings.guardrails;
    Rails {
        break_glass: guard.break_glass.iter().map(listed).collect(),
        privileged: guard.privileged.iter().map(listed).collect(),
        approvers: guard.approvers.iter().copied().map(Listed::Entra).collect(),
        ourselves: settings.identity.all().filter_map(Identity::client_id).collect(),
        unwitnessed_allowed: guard.unwitnessed == Unwitnessed::Allow,
        witness_wait: settings.sources.witness_wait,
        entities_wait: settings.sources.entities_wait,
        max_age: guard.max_age,
        max_accounts: usize::try_from(guard.max_accounts_per_alert).unwrap_or(usize::MAX),
        cooldown: guard.cooldown,
        approval_ttl: guard.approval_ttl,
        limits: Limits {
            per_hour: guard.limits.per_hour,
            per_day: guard.limits.per_day,
            high_reserve: guard.limits.high_reserve,
            burst: guard.limits.burst.accounts,
            burst_window: guard.limits.burst.window,
        },
        global_cloud: settings.tenant.cloud.features().invoke_action,
        dry_run,
    }
}

fn listed(entry: &ProtectedEntry) -> Listed {
    match entry {
        ProtectedEntry::Upn(upn) => Listed::Upn(upn.clone()),
        ProtectedEntry::Sid(sid) => Listed::Sid(sid.clone()),
        ProtectedEntry::Entra(id) => Listed::Entra(*id),
        ProtectedEntry::Okta(id) => Listed::Okta(id.clone()),
    }
}
