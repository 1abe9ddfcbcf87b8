//! What a scenario names without saying that it exists.

use std::collections::BTreeSet;

use super::{Row, Scenario};
use crate::lab::tenant::{AZURE_ROLES, PERMISSIONS, logs, own};

/// Every such mistake, in words.
pub(super) fn mistakes(scenario: &Scenario) -> Vec<String> {
    let mut found: Vec<String> = nobodies(scenario).chain(strangers(scenario)).collect();
    found.extend(scenario.rows.iter().filter_map(row));
    let app = &scenario.app;
    let unknown = |names: &BTreeSet<String>, known: &[&str], what: &str| -> Vec<String> {
        let unknown = names.iter().filter(|name| !known.contains(&name.as_str()));
        unknown.map(|name| format!("{name:?} is no {what} here; there are {}", known.join(", "))).collect()
    };
    found.extend(unknown(&app.with_permissions, PERMISSIONS, "application permission"));
    found.extend(unknown(&app.without_permissions, PERMISSIONS, "application permission"));
    found.extend(unknown(&app.without_azure_roles, AZURE_ROLES, "Azure role"));
    found
}

/// People who are named, and are not there or are there twice.
fn nobodies(scenario: &Scenario) -> impl Iterator<Item = String> {
    let mut people: BTreeSet<&str> = BTreeSet::new();
    let twice: Vec<String> = scenario
        .people
        .iter()
        .filter(|person| !people.insert(&person.key))
        .map(|person| format!("two people have the name {:?}", person.key))
        .collect();
    let of_alerts = scenario.alerts.iter().flat_map(|alert| {
        alert.accounts.iter().filter_map(|account| Some((alert.key.as_str(), account.person.as_deref()?)))
    });
    let of_faults = scenario.faults.iter().filter_map(|fault| Some(("a fault", fault.person.as_deref()?)));
    let of_app = scenario.app.owners.iter().map(|owner| ("the application's owners", owner.as_str()));
    let named = of_alerts.chain(of_faults).chain(of_app);
    let missing = named.filter(move |(_, name)| !people.contains(name));
    twice.into_iter().chain(missing.map(|(by, name)| format!("{by} names {name:?}, who is not in `people`")))
}

/// Groups that are named and are not there.
fn strangers(scenario: &Scenario) -> impl Iterator<Item = String> {
    let groups: BTreeSet<&str> = scenario.groups.iter().map(|group| group.key.as_str()).collect();
    let of_alerts = scenario.alerts.iter().filter_map(|alert| Some((&alert.key, alert.group.as_ref()?, "is about")));
    let of_people = scenario.people.iter().flat_map(|person| {
        let ad = person.ad.iter().flat_map(|ad| &ad.groups);
        let entra = person.entra.iter().flat_map(|entra| &entra.groups);
        let okta = person.okta.iter().flat_map(|okta| &okta.groups);
        ad.chain(entra).chain(okta).map(|group| (&person.key, group, "is in"))
    });
    let missing = of_alerts.chain(of_people).filter(move |(_, group, _)| !groups.contains(group.as_str()));
    missing.map(|(by, group, how)| format!("{by} {how} group {group:?}, which is not in `groups`"))
}

fn row(row: &Row) -> Option<String> {
    let Some(columns) = logs::columns_of(&row.table) else {
        let why = "which is no table here; one of your own has a name that ends in _CL";
        return (!own::may_be_own(&row.table)).then(|| format!("a row is of {:?}, {why}", row.table));
    };
    let unknown = row.cells.keys().find(|cell| columns.iter().all(|column| *column.name != ***cell))?;
    Some(format!("{} has no column {unknown:?}", row.table))
}
