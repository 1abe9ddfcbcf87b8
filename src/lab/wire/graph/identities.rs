//! Defender for Identity's part of Graph: identities, the actions on them, sensors and their health.

use serde_json::{Value, json};

use super::Case;
use crate::lab::http::Answer;
use crate::lab::ids;
use crate::lab::scenario::Spelling;
use crate::lab::tenant::effects::Outcome;
use crate::lab::tenant::okta::{Lifecycle, OktaUser};
use crate::lab::tenant::{SensorAction, Target};
use crate::lab::wire::{graph_error, select};
use crate::lab::world::World;
use crate::model::time::At;

pub(super) fn answer(world: &mut World, case: &Case<'_>) -> Answer {
    let needs: &[&str] = match case.path.get(2) {
        Some(&"identityAccounts") if case.method == "GET" => {
            &["SecurityIdentitiesAccount.Read.All", "SecurityIdentitiesActions.ReadWrite.All"]
        }
        Some(&"identityAccounts") => &["SecurityIdentitiesActions.ReadWrite.All"],
        Some(&"sensors" | &"sensorCandidates") => &["SecurityIdentitiesSensors.Read.All"],
        _ => &["SecurityIdentitiesHealth.Read.All"],
    };
    if let Some(refused) = case.needs(needs) {
        return refused;
    }
    match (case.method, &case.path[2..]) {
        ("GET", ["identityAccounts"]) => list(world, case),
        ("GET", ["identityAccounts", id]) => match find(world, id) {
            Some((i, k)) => Answer::ok(select(case.req, identity(world, i, k, case.req.at))),
            None => case.not_found(id),
        },
        ("POST", ["identityAccounts", id, "invokeAction"]) => match find(world, id) {
            Some((i, k)) => invoke(world, case, i, k),
            None => case.not_found(id),
        },
        ("GET", ["sensors"]) => case.collection(world, "security/identities/sensors", &[sensor(world)], 100, 100),
        ("GET", ["sensors", _]) => Answer::ok(sensor(world)),
        ("GET", ["sensorCandidates"]) => case.collection(world, "security/identities/sensorCandidates", &[], 100, 100),
        ("GET", ["healthIssues"]) => case.collection(world, "security/identities/healthIssues", &[], 100, 100),
        ("GET", ["healthIssues", id]) => case.not_found(id),
        ("GET", ["settings", "autoAuditingConfiguration"]) => Answer::ok(json!({"isAutomatic": true})),
        _ => case.no_such_path(),
    }
}

fn find(world: &World, id: &str) -> Option<(usize, usize)> {
    let i = world.tenant.who(id)?;
    let person = &world.tenant.people[i];
    (0..person.identities()).find(|k| person.identity_id(*k) == id).map(|k| (i, k))
}

fn list(world: &World, case: &Case<'_>) -> Answer {
    let people = world.tenant.candidates(case.req.param("filter"));
    let all = people.flat_map(|i| (0..world.tenant.people[i].identities()).map(move |k| (i, k)));
    let all = all.map(|(i, k)| identity(world, i, k, case.req.at)).collect();
    match case.filtered(all, &["onPremisesSecurityIdentifier"]) {
        Ok(items) => {
            let items: Vec<Value> = items.into_iter().map(|v| select(case.req, v)).collect();
            case.collection(world, "security/identities/identityAccounts", &items, 100, 999)
        }
        Err(refused) => refused,
    }
}

fn identity(world: &World, i: usize, k: usize, now: At) -> Value {
    let tenant = &world.tenant;
    let person = &tenant.people[i];
    let page = tenant.spelling == Spelling::Page;
    let account = |metadata: &str, printed: &str, id: &str| {
        if page {
            json!({"provider": printed, "identifier": id, "actions": []})
        } else {
            json!({"identityProvider": metadata, "identifier": id, "actions": []})
        }
    };
    let mut accounts = Vec::new();
    if let Some(ad) = &person.ad {
        accounts.push(account("activeDirectory", "ActiveDirectory", &ad.guid));
    }
    if let Some(user) = person.entra.get(k) {
        accounts.push(account("entraID", "EntraID", &user.id));
    }
    if let Some(okta) = &person.okta {
        accounts.push(account("okta", "Okta", &okta.id));
    }
    let lagging = now.minus(tenant.delays.identity);
    let enabled = match &person.ad {
        Some(ad) => ad.enabled_at(lagging),
        None => person.entra.get(k).is_none_or(|u| u.enabled),
    };
    let upn = person.entra.get(k).map_or_else(|| person.upn(), |u| u.upn.clone());
    let mut out = json!({
        "id": person.identity_id(k), "displayName": person.name, "domain": ids::DNS,
        "onPremisesSecurityIdentifier": person.sid(), "cloudSecurityIdentifier": null, "isEnabled": enabled,
        "accounts": accounts, "emailAddress": upn, "userPrincipalName": upn,
    });
    if !page {
        out["@odata.type"] = json!("#microsoft.graph.security.user");
    }
    out
}

fn invoke(world: &mut World, case: &Case<'_>, i: usize, k: usize) -> Answer {
    let body = case.body();
    let field = |name: &str| body.get(name).and_then(Value::as_str);
    let (Some(account), Some(action), Some(provider)) =
        (field("accountId"), field("action"), field("identityProvider"))
    else {
        return case.bad("accountId, action and identityProvider are required.");
    };
    let person = &world.tenant.people[i];
    let known = match provider {
        "activeDirectory" => person.ad.as_ref().map(|a| a.guid.clone()),
        "okta" => person.okta.as_ref().map(|o| o.id.clone()),
        "entraID" => person.entra.get(k).map(|u| u.id.clone()),
        _ => return case.bad("The value of identityProvider is not valid."),
    };
    if known.as_deref() != Some(account) {
        return graph_error(case.req, 404, "Request_ResourceNotFound", "The account does not belong to this identity.");
    }
    let outcome = match (provider, action) {
        ("activeDirectory", "disable" | "enable" | "forcePasswordReset") => {
            let action = match action {
                "disable" => SensorAction::Disable,
                "enable" => SensorAction::Enable,
                _ => SensorAction::ForcePasswordReset,
            };
            world.tenant.ask_sensor(i, action, &case.caller.app_id, case.req.at);
            Outcome::Accepted
        }
        ("okta", "disable" | "enable" | "revokeAllSessions") => {
            let operation = if action == "disable" { Lifecycle::Suspend } else { Lifecycle::Unsuspend };
            let Some(okta) = world.tenant.people[i].okta.as_mut() else { return case.not_found(account) };
            okta_action(okta, action, operation, case.req.at)
        }
        _ => return case.bad("The action is not supported for this identity provider."),
    };
    let account = account.to_owned();
    world.tenant.note(case.req.at, "defender", action, Target::Account(i, &account), outcome);
    let correlation = world.tenant.fresh_guid("correlation");
    let mut result = json!({"accountId": account, "action": action, "correlationId": correlation});
    if world.tenant.spelling == Spelling::Page {
        result["provider"] = json!(provider);
        return Answer::ok(json!({"value": result}));
    }
    result["identityProvider"] = json!(provider);
    result["@odata.context"] =
        json!("https://graph.microsoft.com/v1.0/$metadata#microsoft.graph.security.invokeActionResult");
    Answer::ok(result)
}

fn okta_action(okta: &mut OktaUser, action: &str, operation: Lifecycle, now: At) -> Outcome {
    if action == "revokeAllSessions" {
        let had = okta.sessions + okta.tokens > 0;
        (okta.sessions, okta.tokens) = (0, 0);
        return if had { Outcome::Applied } else { Outcome::Unchanged };
    }
    match okta.status.after(operation) {
        Some(status) => {
            okta.status = status;
            okta.status_changed = now;
            Outcome::Applied
        }
        None => Outcome::Unchanged,
    }
}

fn sensor(world: &World) -> Value {
    json!({
        "id": ids::guid("sensor", "DC01"), "displayName": "DC01", "sensorType": "domainControllerIntegrated",
        "deploymentStatus": "upToDate", "createdDateTime": world.tenant.start, "domainName": ids::DNS,
        "version": "2.254.19112.470", "healthStatus": "healthy", "openHealthIssuesCount": 0, "serviceStatus": "running",
        "settings": {"description": "", "domainControllerDnsNames": [format!("DC01.{}", ids::DNS)], "isDelayedDeploymentEnabled": false},
    })
}
