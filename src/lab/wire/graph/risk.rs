//! Identity Protection's risky users, and the audit log.

use serde_json::{Value, json};

use super::Case;
use crate::lab::http::Answer;
use crate::lab::tenant::Target;
use crate::lab::tenant::directory::{EntraUser, Person, Risk};
use crate::lab::tenant::effects::Outcome;
use crate::lab::world::World;

pub(super) fn answer(world: &mut World, case: &Case<'_>) -> Answer {
    if case.path.first() == Some(&"auditLogs") {
        return audits(world, case);
    }
    if let Some(refused) = case.needs(&["IdentityRiskyUser.ReadWrite.All"]) {
        return refused;
    }
    match (case.method, case.path) {
        ("GET", ["identityProtection", "riskyUsers"]) => {
            let users = world.tenant.people.iter().flat_map(|p| p.entra.iter().map(move |u| risky(p, u)));
            let all: Vec<Value> = users.filter(|r| r["riskState"] != "none").collect();
            match case.filtered(all, &["id", "riskState", "riskLevel", "riskLastUpdatedDateTime", "userPrincipalName"])
            {
                Ok(items) => case.collection(world, "identityProtection/riskyUsers", &items, 20, 500),
                Err(refused) => refused,
            }
        }
        ("GET", ["identityProtection", "riskyUsers", id]) => {
            let found =
                world.tenant.entra(id).map(|(i, k)| (&world.tenant.people[i], &world.tenant.people[i].entra[k]));
            found
                .filter(|(_, u)| u.risk.state != "none")
                .map_or_else(|| case.not_found(id), |(p, u)| Answer::ok(risky(p, u)))
        }
        ("POST", ["identityProtection", "riskyUsers", action]) => match *action {
            "confirmCompromised" => {
                change(world, case, action, ("confirmedCompromised", "high", "adminConfirmedUserCompromised"))
            }
            "confirmSafe" => change(world, case, action, ("confirmedSafe", "none", "adminConfirmedAccountSafe")),
            "dismiss" => change(world, case, action, ("dismissed", "none", "adminDismissedAllRiskForUser")),
            _ => case.no_such_path(),
        },
        _ => case.no_such_path(),
    }
}

fn risky(person: &Person, user: &EntraUser) -> Value {
    json!({"id": user.id, "isDeleted": user.deleted, "isProcessing": false, "riskLevel": user.risk.level,
        "riskState": user.risk.state, "riskDetail": user.risk.detail, "riskLastUpdatedDateTime": user.risk.updated,
        "userDisplayName": person.name, "userPrincipalName": user.upn})
}

fn change(world: &mut World, case: &Case<'_>, action: &str, to: (&'static str, &'static str, &'static str)) -> Answer {
    let body = case.body();
    let wanted: Vec<&str> = body
        .get("userIds")
        .and_then(Value::as_array)
        .map(|a| a.iter().filter_map(Value::as_str).collect())
        .unwrap_or_default();
    if wanted.is_empty() || wanted.len() > 60 {
        return case.bad("userIds must name between 1 and 60 users.");
    }
    let found: Option<Vec<(usize, usize)>> = wanted.iter().map(|id| world.tenant.entra(id)).collect();
    let Some(found) = found else { return case.not_found("riskyUser") };
    for (i, k) in found {
        let user = &mut world.tenant.people[i].entra[k];
        let changed = user.risk.state != to.0;
        user.risk = Risk { state: to.0, level: to.1, detail: to.2, updated: case.req.at };
        let id = user.id.clone();
        let outcome = if changed { Outcome::Applied } else { Outcome::Unchanged };
        world.tenant.note(case.req.at, "entra", action, Target::Account(i, &id), outcome);
    }
    Answer::empty(204)
}

fn audits(world: &mut World, case: &Case<'_>) -> Answer {
    if let Some(refused) = case.needs(&["AuditLog.Read.All"]) {
        return refused;
    }
    if case.method != "GET" || case.path != ["auditLogs", "directoryAudits"] {
        return case.no_such_path();
    }
    let all: Vec<Value> = world.tenant.audits.iter().rev().cloned().collect();
    let fields = [
        "activityDateTime",
        "activityDisplayName",
        "category",
        "correlationId",
        "result",
        "targetResources",
        "initiatedBy/app/appId",
        "loggedByService",
    ];
    match case.filtered(all, &fields) {
        Ok(items) => case.collection(world, "auditLogs/directoryAudits", &items, 1_000, 1_000),
        Err(refused) => refused,
    }
}
