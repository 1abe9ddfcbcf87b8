//! The steps of a playbook on one person: accounts, routes, order, limits.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::model::account::Directory;
use crate::model::action::{Action, ActionKey, After, LimitClaim, Mode, Needs, Subject, WantedBy};
use crate::model::alert::Severity;
use crate::model::id::ActionId;
use crate::model::intent::{Intent, Verb};
use crate::model::offer::{Offer, offers};
use crate::model::person::{Found, Person};
use crate::model::reason::Reason;
use crate::playbook::{OnFailure, Rule, Step};

use super::case::{Case, CaseAccount, facts};
use super::rails::Rails;

const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// What a playbook wants of one person.
#[derive(Debug, Default)]
pub struct Wanted {
    /// Actions, in the order of their steps.
    pub actions: Vec<Action>,
    /// What it wants where the person has no account.
    pub nowhere: Vec<(Intent, Reason)>,
}

/// The actions of a rule's playbook on one person.
///
/// # Errors
/// A condition that could not be computed.
pub fn wanted(
    case: &Case<'_>,
    rule: &Rule,
    mode: Mode,
    account: &CaseAccount,
    person: &Person,
    rails: &Rails,
) -> Result<Wanted, Reason> {
    let row = facts(person, account.role, rails).to_row();
    let chosen = rule.playbook.steps_for(&row, case.now);
    let chosen = chosen.map_err(|error| Reason::ConditionFailed { what: error.to_string() })?;
    let mut wanted = Wanted::default();
    let mut ids: BTreeMap<usize, Vec<ActionId>> = BTreeMap::new();
    let mut stops: Vec<usize> = Vec::new();
    for (index, step) in chosen {
        let places = places(&step.intent, person, rails);
        if places.is_empty() {
            let directory = offers(step.intent.verb).next().map_or(Directory::ActiveDirectory, |offer| offer.directory);
            let directory = step.intent.group.as_ref().map_or(directory, crate::model::intent::GroupRef::directory);
            let unknown = directory == Directory::Okta && person.is_unknown_in_okta();
            let reason = if unknown {
                Reason::OktaUnknown
            } else if directory == Directory::ActiveDirectory && person.is_hidden_in_ad() {
                let why = "the account lives in Active Directory, and Defender for Identity does not show it there";
                Reason::NoRoute { why: why.to_owned() }
            } else {
                Reason::NoAccountThere { directory }
            };
            wanted.nowhere.push((step.intent.clone(), reason));
            continue;
        }
        let after = order(step, &stops, &ids);
        for (found, offers) in places {
            let key = ActionKey {
                tenant: case.alert.tenant,
                alert: case.alert.id,
                intent: step.intent.clone(),
                account: found.account.clone(),
                round: 1,
                reverts: None,
            };
            let id = key.id();
            ids.entry(index).or_default().push(id);
            wanted.actions.push(Action {
                id,
                key,
                mode,
                wanted_by: vec![WantedBy {
                    rule: rule.name.clone(),
                    playbook: rule.playbook.name.clone(),
                    step: index + 1,
                }],
                why: None,
                routes: offers.iter().map(|offer| offer.route).collect(),
                after: after.clone(),
                limits: limits(rule, case, person, rails),
                subject: subject(found, person),
                severity: case.alert.severity(),
                expires: case.now.plus(rails.max_age),
                revert_after: step.revert_after,
                hybrid: person.is_hybrid() && found.account.directory() == Directory::Entra,
            });
        }
        if step.on_failure == OnFailure::Stop {
            stops.push(index);
        }
    }
    Ok(wanted)
}

/// The accounts an intent is about, with the routes to each. Sessions are revoked wherever the person
/// has some; everything else happens in one directory, the authority first.
fn places<'a>(intent: &Intent, person: &'a Person, rails: &Rails) -> Vec<(&'a Found, Vec<&'static Offer>)> {
    let usable = |offer: &&Offer| rails.global_cloud || !offer.global_cloud_only;
    let mut places: Vec<(&Found, Vec<&'static Offer>)> = Vec::new();
    for offer in offers(intent.verb) {
        if intent.group.as_ref().is_some_and(|group| group.directory() != offer.directory) {
            continue;
        }
        // An account there that another directory knows of is nobody's to act on while Okta does not answer.
        if offer.directory == Directory::Okta && person.is_unknown_in_okta() {
            continue;
        }
        let Some(found) = person.account_in(offer.directory) else { continue };
        match places.iter_mut().find(|(place, _)| place.account == found.account) {
            Some((_, routes)) => routes.push(offer),
            None => places.push((found, vec![offer])),
        }
    }
    for (_, routes) in &mut places {
        routes.retain(usable);
    }
    if intent.verb != Verb::RevokeSessions {
        places.truncate(1);
    }
    places
}

fn order(step: &Step, stops: &[usize], ids: &BTreeMap<usize, Vec<ActionId>>) -> Vec<After> {
    let named = step.after.iter().map(|index| (*index, step.needs));
    let stopped = stops.iter().map(|index| (*index, Needs::Effective));
    let mut all: Vec<After> = Vec::new();
    for (index, needs) in named.chain(stopped) {
        for action in ids.get(&index).into_iter().flatten() {
            match all.iter_mut().find(|after| after.action == *action) {
                Some(after) if needs == Needs::Effective => after.needs = needs,
                Some(_) => {}
                None => all.push(After { action: *action, needs }),
            }
        }
    }
    all
}

/// The limits an action is charged to. A reserve stays for High severity, so that decoys cannot use
/// everything up. A burst counts people: whoever is contained in one directory is contained in the others as well.
fn limits(rule: &Rule, case: &Case<'_>, person: &Person, rails: &Rails) -> Vec<LimitClaim> {
    let reserve = if case.alert.severity() == Severity::High { 0 } else { rails.limits.high_reserve };
    let claim = |key: String, limit: u32, window| LimitClaim { key, limit, window, once_for: None };
    let burst = LimitClaim {
        key: burst_key(&case.entry.id),
        limit: u32::MAX,
        window: rails.limits.burst_window,
        once_for: person.accounts.first().map(|first| first.found.account.to_string()),
    };
    let mut all = vec![
        claim("all/hour".to_owned(), rails.limits.per_hour.saturating_sub(reserve), HOUR),
        claim("all/day".to_owned(), rails.limits.per_day.saturating_sub(reserve), DAY),
        burst,
    ];
    let name = &rule.name;
    all.extend(rule.limits.per_hour.as_ref().map(|limit| claim(format!("rule:{name}/hour"), limit.value, HOUR)));
    all.extend(rule.limits.per_day.as_ref().map(|limit| claim(format!("rule:{name}/day"), limit.value, DAY)));
    all
}

/// The key under which a detector's accounts are counted.
#[must_use]
pub fn burst_key(catalogue: &str) -> String {
    format!("detector:{catalogue}")
}

fn subject(found: &Found, person: &Person) -> Subject {
    let others = person.accounts.iter().map(|linked| &linked.found.account);
    Subject {
        account: found.account.clone(),
        upn: found.upn.clone().or_else(|| person.accounts.iter().find_map(|linked| linked.found.upn.clone())),
        label: found.label(),
        handle: found.handle.clone(),
        also: others.filter(|account| **account != found.account).cloned().collect(),
    }
}
