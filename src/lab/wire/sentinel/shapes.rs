//! How incidents and what hangs on them look in Azure Resource Manager.

use serde_json::{Value, json};

use crate::lab::http::{Answer, Req};
use crate::lab::ids;
use crate::lab::tenant::alerts::AlertCard;
use crate::lab::tenant::incidents::{Comment, Incident, Task, XDR, etag};
use crate::lab::world::World;

pub(super) fn alert_of(alert: &AlertCard) -> Value {
    alert.arm(&base())
}

fn base() -> String {
    format!(
        "/subscriptions/{}/resourceGroups/{}/providers/Microsoft.OperationalInsights/workspaces/{}/providers/Microsoft.SecurityInsights",
        ids::subscription(),
        ids::RESOURCE_GROUP,
        ids::WORKSPACE_NAME
    )
}

fn resource(incident: &Incident, kind: &str, name: &str) -> String {
    format!("{}/incidents/{}/{kind}/{name}", base(), incident.id)
}

pub(super) fn shown(incident: &Incident) -> Value {
    let is_xdr = incident.provider == XDR;
    let id = format!("{}/incidents/{}", base(), incident.id);
    let mut properties = incident.properties.clone();
    let url = is_xdr.then(|| format!("https://security.microsoft.com/incidents/{}", incident.graph_id));
    properties["additionalData"] = json!({"alertsCount": incident.alert_ids.len(), "bookmarksCount": 0,
        "commentsCount": incident.comments.len(), "alertProductNames": ["Azure Advanced Threat Protection"],
        "tactics": [], "providerIncidentUrl": url});
    for (name, value) in [
        ("createdTimeUtc", json!(incident.created)),
        ("lastModifiedTimeUtc", json!(incident.modified)),
        ("firstActivityTimeUtc", json!(incident.happened)),
        ("lastActivityTimeUtc", json!(incident.happened)),
        ("incidentNumber", json!(incident.number)),
        (
            "incidentUrl",
            json!(format!("https://portal.azure.com/#asset/Microsoft_Azure_Security_Insights/Incident{id}")),
        ),
        ("providerName", json!(incident.provider)),
        ("providerIncidentId", json!(if is_xdr { incident.graph_id.clone() } else { incident.number.to_string() })),
        ("relatedAnalyticRuleIds", json!([])),
    ] {
        properties[name] = value;
    }
    json!({"id": id, "name": incident.id, "type": "Microsoft.SecurityInsights/incidents", "etag": incident.etag(),
        "properties": properties})
}

pub(super) fn comment(incident: &Incident, comment: &Comment) -> Value {
    json!({"id": resource(incident, "comments", &comment.id), "name": comment.id,
        "type": "Microsoft.SecurityInsights/incidents/comments", "etag": etag(&comment.id, comment.version),
        "properties": {"message": comment.message, "author": comment.author, "createdTimeUtc": comment.created,
            "lastModifiedTimeUtc": comment.modified}})
}

pub(super) fn task(incident: &Incident, task: &Task) -> Value {
    let mut properties = task.properties.clone();
    properties["createdTimeUtc"] = json!(task.created);
    properties["lastModifiedTimeUtc"] = json!(task.modified);
    json!({"id": resource(incident, "tasks", &task.id), "name": task.id,
        "type": "Microsoft.SecurityInsights/incidents/tasks", "etag": etag(&task.id, task.version), "properties": properties})
}

pub(super) fn relation(incident: &Incident, alert: &str) -> Value {
    json!({"id": resource(incident, "relations", alert), "name": alert, "type": "Microsoft.SecurityInsights/incidents/relations",
        "etag": etag(alert, 0), "properties": {"relatedResourceId": format!("{}/Entities/{alert}", base()),
            "relatedResourceName": alert, "relatedResourceType": "Microsoft.SecurityInsights/entities",
            "relatedResourceKind": "SecurityAlert"}})
}

pub(super) fn entities(world: &World, req: &Req, i: usize) -> Answer {
    let ids_here = &world.tenant.incidents[i].alert_ids;
    let alerts = world.tenant.alerts.iter().filter(|a| a.at <= req.at && ids_here.contains(&a.system_id));
    let mut out = Vec::new();
    for named in alerts.flat_map(|a| a.accounts(req.at)) {
        let person = world.tenant.named(named);
        let name = person.map_or_else(|| named.name.clone().unwrap_or_default(), |p| p.key.clone());
        let entity = ids::guid("entity", &name);
        let ad = person.and_then(|p| p.ad.as_ref());
        let domain = ad.map(|_| ids::NETBIOS.to_owned()).or_else(|| named.domain.clone());
        out.push(json!({"id": format!("{}/Entities/{entity}", base()), "name": entity,
            "type": "Microsoft.SecurityInsights/Entities", "kind": "Account", "properties": {
                "accountName": name, "friendlyName": name, "ntDomain": domain,
                "sid": ad.map(|a| a.sid.clone()).or_else(|| named.sid.clone()),
                "aadUserId": person.and_then(|p| p.entra.first()).map(|u| u.id.clone()),
                "upnSuffix": person.and_then(|p| p.entra.first()).map(|_| ids::DNS),
                "isDomainJoined": ad.is_some()}}));
    }
    let meta = if out.is_empty() { json!([]) } else { json!([{"entityKind": "Account", "count": out.len()}]) };
    Answer::ok(json!({"entities": out, "metaData": meta}))
}
