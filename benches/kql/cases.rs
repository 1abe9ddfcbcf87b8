//! Queries, and loops that give the same rows.

use std::collections::{HashMap, HashSet};

use riposte::kql::Value;
use serde_json::Value as Json;

use crate::alerts::{Alert, Ticks};
use crate::cells;
use crate::world::World;

/// A query and its loop.
pub struct Case {
    pub name: &'static str,
    pub query: &'static str,
    pub by_hand: for<'w> fn(&'w World) -> Answer<'w>,
    /// The same over the rows of the table, which is what the query is given. Only filters: the others make their own rows.
    pub over_cells: Option<for<'w> fn(&'w World) -> Answer<'w>>,
    /// How much slower the query may be.
    pub aim: f64,
}

/// What a loop found. Making rows of it is not timed.
pub type Answer<'w> = Box<dyn FnOnce() -> Vec<Vec<Value>> + 'w>;

pub const CASES: &[Case] = &[
    Case {
        name: "filter by texts",
        query: "SecurityAlert | where AlertSeverity == 'High' and ProviderName != 'Microsoft 365 Defender'
            and Status in ('New', 'InProgress') | count",
        by_hand: filter_by_texts,
        over_cells: Some(cells::filter_by_texts),
        aim: 2.0,
    },
    Case {
        name: "filter by numbers and times",
        query: "SecurityAlert | where ConfidenceScore > 0.25 and ConfidenceScore <= 0.75
            and TimeGenerated >= datetime(2026-01-01 00:10) | count",
        by_hand: filter_by_numbers,
        over_cells: Some(cells::filter_by_numbers),
        aim: 2.0,
    },
    Case {
        name: "filter by both and a term; three columns",
        query: "SecurityAlert | where AlertName has 'dcsync' and AlertSeverity == 'High' and ConfidenceScore > 0.5
            | project TimeGenerated, SystemAlertId, CompromisedEntity",
        by_hand: filter_and_project,
        over_cells: Some(cells::filter_and_project),
        aim: 2.0,
    },
    Case {
        name: "parse_json and extend",
        query: "SecurityAlert | extend Name = tostring(parse_json(Entities)[0].Name),
                Sid = tostring(parse_json(Entities)[0].Sid), Host = tostring(parse_json(Entities)[1].HostName)
            | extend Attempts = tolong(parse_json(ExtendedProperties).Attempts)
            | project SystemAlertId, Name, Sid, Host, Attempts",
        by_hand: parse_and_extend,
        over_cells: None,
        aim: 5.0,
    },
    Case {
        name: "summarize arg_max(TimeGenerated, *)",
        query: "SecurityAlert | summarize arg_max(TimeGenerated, *) by SystemAlertId",
        by_hand: latest,
        over_cells: None,
        aim: 5.0,
    },
    Case {
        name: "join (innerunique)",
        query: "SecurityAlert | join IdentityInfo on $left.CompromisedEntity == $right.AccountUPN
            | project SystemAlertId, CompromisedEntity, Department",
        by_hand: join_unique,
        over_cells: None,
        aim: 5.0,
    },
    Case {
        name: "join kind=inner",
        query: "SecurityAlert | join kind=inner IdentityInfo on $left.CompromisedEntity == $right.AccountUPN
            | project SystemAlertId, CompromisedEntity, Department",
        by_hand: join_inner,
        over_cells: None,
        aim: 5.0,
    },
    Case {
        name: "join kind=leftouter",
        query: "SecurityAlert | join kind=leftouter IdentityInfo on $left.CompromisedEntity == $right.AccountUPN
            | project SystemAlertId, CompromisedEntity, Department",
        by_hand: join_outer,
        over_cells: None,
        aim: 5.0,
    },
    Case {
        name: "mv-expand",
        query: "SecurityAlert | mv-expand Entity = parse_json(Entities) | where Entity.Type == 'account'
            | project SystemAlertId, Name = tostring(Entity.Name)",
        by_hand: expand,
        over_cells: None,
        aim: 5.0,
    },
];

pub fn counted<'w>(count: usize) -> Answer<'w> {
    Box::new(move || vec![vec![Value::Long(i64::try_from(count).unwrap_or(i64::MAX))]])
}

fn filter_by_texts(world: &World) -> Answer<'_> {
    let wanted = |alert: &&Alert| {
        alert.alert_severity == "High"
            && alert.provider_name != "Microsoft 365 Defender"
            && (alert.status == "New" || alert.status == "InProgress")
    };
    counted(world.alerts.iter().filter(wanted).count())
}

fn filter_by_numbers(world: &World) -> Answer<'_> {
    let since = Ticks(17_672_256_000_000_000 + 600 * 10_000_000);
    let wanted = |alert: &&Alert| {
        alert.confidence_score > 0.25 && alert.confidence_score <= 0.75 && alert.time_generated >= since
    };
    counted(world.alerts.iter().filter(wanted).count())
}

fn filter_and_project(world: &World) -> Answer<'_> {
    let mut found = Vec::new();
    for alert in &world.alerts {
        let mut words = alert.alert_name.split(|c: char| !c.is_alphanumeric());
        if words.any(|word| word.eq_ignore_ascii_case("dcsync"))
            && alert.alert_severity == "High"
            && alert.confidence_score > 0.5
        {
            found.push((alert.time_generated, alert.system_alert_id.clone(), alert.compromised_entity.clone()));
        }
    }
    Box::new(move || {
        found.into_iter().map(|(at, id, who)| vec![Value::DateTime(at.0), id.into(), who.into()]).collect()
    })
}

fn text(json: &Json) -> String {
    json.as_str().unwrap_or_default().to_owned()
}

fn parse_and_extend(world: &World) -> Answer<'_> {
    let mut found = Vec::new();
    for alert in &world.alerts {
        let entities: Json = serde_json::from_str(&alert.entities).unwrap_or_default();
        let properties: Json = serde_json::from_str(&alert.extended_properties).unwrap_or_default();
        let attempts: Option<i64> = properties["Attempts"].as_str().and_then(|text| text.parse().ok());
        let (name, sid, host) = (&entities[0]["Name"], &entities[0]["Sid"], &entities[1]["HostName"]);
        found.push((alert.system_alert_id.clone(), text(name), text(sid), text(host), attempts));
    }
    Box::new(move || {
        let row = |(id, name, sid, host, attempts): (String, String, String, String, Option<i64>)| {
            vec![id.into(), name.into(), sid.into(), host.into(), attempts.map_or(Value::Null, Value::Long)]
        };
        found.into_iter().map(row).collect()
    })
}

fn latest(world: &World) -> Answer<'_> {
    let mut places: HashMap<&str, usize> = HashMap::new();
    let mut best: Vec<&Alert> = Vec::new();
    for alert in &world.alerts {
        match places.get(&*alert.system_alert_id).and_then(|at| best.get_mut(*at)) {
            Some(best) if alert.time_generated > best.time_generated => *best = alert,
            Some(_) => {}
            None => {
                places.insert(&alert.system_alert_id, best.len());
                best.push(alert);
            }
        }
    }
    let best: Vec<Alert> = best.into_iter().cloned().collect();
    Box::new(move || {
        let row = |alert: Alert| {
            // The key first, then the time, then the others.
            let mut row = alert.row();
            let id = row.remove(9);
            let time = row.remove(1);
            [id, time].into_iter().chain(row).collect()
        };
        best.into_iter().map(row).collect()
    })
}

fn departments(world: &World) -> HashMap<&str, Vec<&str>> {
    let mut by_upn: HashMap<&str, Vec<&str>> = HashMap::new();
    for identity in &world.identities {
        by_upn.entry(&identity.upn).or_default().push(&identity.department);
    }
    by_upn
}

/// An id, who, and the department.
type Joined = Vec<(String, String, String)>;

fn joined<'w>(found: Joined) -> Answer<'w> {
    Box::new(move || found.into_iter().map(|(id, who, what)| vec![id.into(), who.into(), what.into()]).collect())
}

fn meet(alert: &Alert, departments: &[&str], found: &mut Joined) {
    for department in departments {
        found.push((alert.system_alert_id.clone(), alert.compromised_entity.clone(), (*department).to_owned()));
    }
}

fn join_unique(world: &World) -> Answer<'_> {
    let by_upn = departments(world);
    let mut seen: HashSet<&str> = HashSet::new();
    let mut found = Joined::new();
    for alert in &world.alerts {
        if seen.insert(&alert.compromised_entity)
            && let Some(departments) = by_upn.get(&*alert.compromised_entity)
        {
            meet(alert, departments, &mut found);
        }
    }
    joined(found)
}

fn join_inner(world: &World) -> Answer<'_> {
    let by_upn = departments(world);
    let mut found = Joined::new();
    for alert in &world.alerts {
        if let Some(departments) = by_upn.get(&*alert.compromised_entity) {
            meet(alert, departments, &mut found);
        }
    }
    joined(found)
}

fn join_outer(world: &World) -> Answer<'_> {
    let by_upn = departments(world);
    let mut found = Joined::new();
    for alert in &world.alerts {
        let departments = by_upn.get(&*alert.compromised_entity).map_or(&[""][..], Vec::as_slice);
        meet(alert, departments, &mut found);
    }
    joined(found)
}

fn expand(world: &World) -> Answer<'_> {
    let mut found = Vec::new();
    for alert in &world.alerts {
        let entities: Json = serde_json::from_str(&alert.entities).unwrap_or_default();
        for entity in entities.as_array().into_iter().flatten() {
            if entity["Type"] == "account" {
                found.push((alert.system_alert_id.clone(), text(&entity["Name"])));
            }
        }
    }
    Box::new(move || found.into_iter().map(|(id, name)| vec![id.into(), name.into()]).collect())
}
