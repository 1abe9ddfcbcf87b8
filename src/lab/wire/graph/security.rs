//! Alerts, incidents and hunting of Microsoft Graph security.

use serde_json::{Value, json};

use super::{Case, hunting};
use crate::lab::http::Answer;
use crate::lab::ids;
use crate::lab::tenant::Target;
use crate::lab::tenant::alerts::AlertCard;
use crate::lab::tenant::effects::Outcome;
use crate::lab::tenant::incidents::Incident;
use crate::lab::wire::select;
use crate::lab::world::World;
use crate::model::time::At;

const ALERT_FILTERS: &[&str] = &[
    "assignedTo",
    "classification",
    "determination",
    "createdDateTime",
    "lastUpdateDateTime",
    "severity",
    "serviceSource",
    "status",
];
const INCIDENT_FILTERS: &[&str] =
    &["assignedTo", "classification", "determination", "createdDateTime", "lastUpdateDateTime", "severity", "status"];
const READ_ALERTS: &[&str] = &["SecurityAlert.Read.All", "SecurityAlert.ReadWrite.All"];
/// The limit is not documented; this is what the contract assumes.
const LONGEST_COMMENT: usize = 1_000;

const READ_INCIDENTS: &[&str] = &["SecurityIncident.Read.All", "SecurityIncident.ReadWrite.All"];

pub(super) fn answer(world: &mut World, case: &Case<'_>) -> Answer {
    let refused = match (case.method, case.path) {
        ("GET", ["security", "alerts_v2", ..]) => case.needs(READ_ALERTS),
        (_, ["security", "alerts_v2", ..]) => case.needs(&READ_ALERTS[1..]),
        ("GET", ["security", "incidents", ..]) => case.needs(READ_INCIDENTS),
        (_, ["security", "incidents", ..]) => case.needs(&READ_INCIDENTS[1..]),
        _ => case.needs(&["ThreatHunting.Read.All"]),
    };
    if let Some(refused) = refused {
        return refused;
    }
    match (case.method, case.path) {
        ("GET", ["security", "alerts_v2"]) => alerts(world, case),
        (_, ["security", "alerts_v2", id, rest @ ..]) => {
            let found = world.tenant.alerts.iter().position(|a| a.graph_id == *id && seen(a, case.req.at));
            found.map_or_else(|| case.not_found(id), |i| alert(world, case, i, rest))
        }
        ("GET", ["security", "incidents"]) => incidents(world, case),
        (_, ["security", "incidents", id, rest @ ..]) => {
            let found = world.tenant.incidents.iter().position(|i| i.graph_id == *id && i.happened <= case.req.at);
            found.map_or_else(|| case.not_found(id), |i| incident(world, case, i, rest))
        }
        ("POST", ["security", "runHuntingQuery"]) => hunting::answer(world, case),
        _ => case.no_such_path(),
    }
}

fn seen(alert: &AlertCard, now: At) -> bool {
    alert.in_graph && alert.at <= now
}

fn alerts(world: &World, case: &Case<'_>) -> Answer {
    let now = case.req.at;
    let mut all: Vec<&AlertCard> = world.tenant.alerts.iter().filter(|a| seen(a, now)).collect();
    all.sort_by_key(|a| std::cmp::Reverse(a.at));
    match case.filter(ALERT_FILTERS) {
        Ok(filter) => {
            all.retain(|a| filter.as_ref().is_none_or(|f| f.holds(&a.filterable(now))));
            case.collection_of(world, "security/alerts_v2", &all, |a| a.graph(now), 100, 2_000)
        }
        Err(refused) => refused,
    }
}

fn alert(world: &mut World, case: &Case<'_>, i: usize, rest: &[&str]) -> Answer {
    let now = case.req.at;
    match (case.method, rest) {
        ("GET", []) => Answer::ok(select(case.req, world.tenant.alerts[i].graph(now))),
        ("PATCH", []) => {
            let body = case.body();
            let alert = &mut world.tenant.alerts[i];
            if let Some(status) = body.get("status").and_then(Value::as_str) {
                status.clone_into(&mut alert.status);
            }
            for (name, field) in [
                ("assignedTo", &mut alert.assigned_to),
                ("classification", &mut alert.classification),
                ("determination", &mut alert.determination),
            ] {
                if let Some(value) = body.get(name) {
                    *field = value.clone();
                }
            }
            alert.updated = now;
            let (answer, id) = (alert.graph(now), alert.graph_id.clone());
            world.tenant.note(now, "graph", "update alert", Target::Thing(&id), Outcome::Applied);
            Answer::ok(answer)
        }
        ("POST", ["comments"]) => {
            let Some(comment) = comment(case) else { return case.bad("A comment is required.") };
            let alert = &mut world.tenant.alerts[i];
            alert.comments.push(comment);
            alert.updated = now;
            let (comments, id) = (alert.comments.clone(), alert.graph_id.clone());
            world.tenant.note(now, "graph", "comment", Target::Thing(&id), Outcome::Applied);
            comment_list(&format!("security/alerts_v2('{id}')/comments"), &comments)
        }
        _ => case.no_such_path(),
    }
}

fn incidents(world: &World, case: &Case<'_>) -> Answer {
    let now = case.req.at;
    let mut all: Vec<&Incident> =
        world.tenant.incidents.iter().filter(|i| !i.graph_id.is_empty() && i.happened <= now).collect();
    all.sort_by_key(|i| std::cmp::Reverse(i.happened));
    let all = all.into_iter().map(|i| shown(world, case, i)).collect();
    match case.filtered(all, INCIDENT_FILTERS) {
        Ok(items) => case.collection(world, "security/incidents", &items, 50, 50),
        Err(refused) => refused,
    }
}

fn incident(world: &mut World, case: &Case<'_>, i: usize, rest: &[&str]) -> Answer {
    let now = case.req.at;
    match (case.method, rest) {
        ("GET", []) => Answer::ok(select(case.req, shown(world, case, &world.tenant.incidents[i]))),
        ("PATCH", []) => update(world, case, i),
        ("POST", ["comments"]) => {
            let Some(comment) = comment(case) else { return case.bad("A comment is required.") };
            if comment["comment"].as_str().is_some_and(|text| text.chars().count() > LONGEST_COMMENT) {
                return case.bad("The comment is too long.");
            }
            let incident = &mut world.tenant.incidents[i];
            incident.graph.comments.push(comment);
            incident.graph.updated = now;
            let (comments, id) = (incident.graph.comments.clone(), incident.graph_id.clone());
            world.tenant.note(now, "graph", "comment", Target::Thing(&id), Outcome::Applied);
            comment_list(&format!("security/incidents('{id}')/comments"), &comments)
        }
        _ => case.no_such_path(),
    }
}

fn update(world: &mut World, case: &Case<'_>, i: usize) -> Answer {
    let (body, now) = (case.body(), case.req.at);
    let incident = &mut world.tenant.incidents[i];
    let graph = &mut incident.graph;
    for (name, field) in [
        ("assignedTo", &mut graph.assigned_to),
        ("classification", &mut graph.classification),
        ("determination", &mut graph.determination),
    ] {
        if let Some(value) = body.get(name) {
            *field = value.clone();
        }
    }
    if let Some(tags) = body.get("customTags").and_then(Value::as_array) {
        graph.tags.clone_from(tags);
    }
    graph.updated = now;
    let id = incident.graph_id.clone();
    if let Some(status) = body.get("status").and_then(Value::as_str) {
        status.clone_into(&mut graph.status);
        incident.status_to_sentinel(now);
        world.tenant.incident_row(i, now);
    }
    world.tenant.note(now, "graph", "update incident", Target::Thing(&id), Outcome::Applied);
    Answer::ok(shown(world, case, &world.tenant.incidents[i]))
}

fn comment(case: &Case<'_>) -> Option<Value> {
    let body = case.body();
    let text = body.get("comment").and_then(Value::as_str).filter(|t| !t.is_empty())?;
    Some(json!({"@odata.type": "#microsoft.graph.security.alertComment", "comment": text,
        "createdByDisplayName": "riposte", "createdDateTime": case.req.at}))
}

fn comment_list(context: &str, comments: &[Value]) -> Answer {
    Answer::ok(
        json!({"@odata.context": format!("https://graph.microsoft.com/v1.0/$metadata#{context}"), "value": comments}),
    )
}

fn shown(world: &World, case: &Case<'_>, incident: &Incident) -> Value {
    let graph = &incident.graph;
    let merged = incident.redirected_to.is_some();
    let mut out = json!({
        "@odata.type": "#microsoft.graph.security.incident", "id": incident.graph_id, "tenantId": ids::tenant(),
        "displayName": incident.text("title"), "status": if merged { "redirected" } else { graph.status.as_str() },
        "severity": incident.text("severity").to_lowercase(), "classification": graph.classification,
        "determination": graph.determination, "assignedTo": graph.assigned_to, "customTags": graph.tags,
        "systemTags": if merged { json!(["Redirected"]) } else { json!([]) }, "comments": graph.comments,
        "redirectIncidentId": incident.redirected_to,
        "incidentWebUrl": format!("https://security.microsoft.com/incidents/{}?tid={}", incident.graph_id, ids::tenant()),
        "createdDateTime": incident.happened, "lastUpdateDateTime": graph.updated, "description": "", "summary": null,
        "resolvingComment": null, "priorityScore": null, "lastModifiedBy": "Microsoft 365 Defender-AlertCorrelation",
    });
    if case.req.param("expand").is_some_and(|e| e.split(',').any(|e| e == "alerts")) {
        let now = case.req.at;
        let alerts = world
            .tenant
            .alerts
            .iter()
            .filter(|a| seen(a, now) && a.graph_incident.as_deref() == Some(&incident.graph_id));
        out["alerts"] = alerts.map(|a| a.graph(now)).collect();
    }
    out
}
