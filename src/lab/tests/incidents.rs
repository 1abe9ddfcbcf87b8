//! Alerts, incidents, comments.

use super::{Method, Scenario, Value, bench, body, ids, json, morning};

#[tokio::test]
async fn comments_are_put_once_and_at_most_a_hundred() {
    let b = morning().await;
    b.wait(10);
    let put = async |id: String, text: &str| {
        let path = b.incident_path("dcsync", &format!("/comments/{id}"));
        let json = json!({"properties": {"message": text}});
        b.call(Method::PUT, &path, Some(json)).await.status().as_u16()
    };
    assert_eq!(put(ids::guid("note", "0"), "first").await, 201);
    assert_eq!(put(ids::guid("note", "0"), "again").await, 200);
    for n in 1..100 {
        assert_eq!(put(ids::guid("note", &n.to_string()), "more").await, 201);
    }
    assert_eq!(put(ids::guid("note", "100"), "one too many").await, 400);
    let comments = &b.lab.state().incidents["dcsync"].comments;
    assert_eq!((comments.len(), comments[0].text.as_str()), (100, "again"));
}

#[tokio::test]
async fn alerts_come_newest_first_in_pages_with_entities_when_known_and_never_when_forged() {
    let b = morning().await;
    assert_eq!(b.get("/v1.0/security/alerts_v2").await["value"], json!([]));
    b.wait(40);
    let filter = "$filter=serviceSource eq 'microsoftDefenderForIdentity' and createdDateTime ge 2026-03-02T08:00:00Z";
    let mut seen: Vec<Value> = Vec::new();
    let mut next = format!("/v1.0/security/alerts_v2?{filter}&$top=5");
    loop {
        let page = b.get(&next).await;
        seen.extend(page["value"].as_array().unwrap().clone());
        match page["@odata.nextLink"].as_str() {
            Some(link) => next = link.strip_prefix(&b.base).unwrap().to_owned(),
            None => break,
        }
    }
    let times: Vec<&str> = seen.iter().map(|a| a["createdDateTime"].as_str().unwrap()).collect();
    assert!(times.is_sorted_by(|a, b| a >= b) && times.len() > 10, "{times:?}");
    let state = b.lab.state();
    let listed = |alert: &str| seen.iter().any(|a| a["id"] == *state.alerts[alert].graph_id);
    assert!(listed("dcsync") && !listed("forged"));
}

#[tokio::test]
async fn entities_that_come_late_are_an_update_of_the_alert() {
    let b = morning().await;
    b.wait(16);
    let path = format!("/v1.0/security/alerts_v2/{}", b.lab.state().alerts["late-entities"].graph_id);
    assert_eq!(b.get(&path).await["evidence"], json!([]));
    b.wait(6);
    let alert = b.get(&path).await;
    assert_eq!(alert["evidence"][0]["userAccount"]["accountName"], "henrietta");
    assert!(alert["lastUpdateDateTime"].as_str() > alert["createdDateTime"].as_str());
}

#[tokio::test]
async fn an_incident_comes_minutes_after_its_alert_and_tells_its_provider() {
    let b = morning().await;
    b.wait(2);
    assert_eq!(b.call(Method::GET, &b.incident_path("dcsync", ""), None).await.status(), 404);
    b.wait(6);
    assert_eq!(b.get(&b.incident_path("dcsync", "")).await["properties"]["providerName"], "Azure Sentinel");
    let merged = b.get(&b.incident_path("stolen-session", "")).await;
    assert_eq!(merged["properties"]["providerName"], "Microsoft XDR");
    let graph = merged["properties"]["providerIncidentId"].as_str().unwrap();
    let comments = format!("/v1.0/security/incidents/{graph}/comments");
    let comment = json!({"@odata.type": "microsoft.graph.security.alertComment", "comment": "hello"});
    let list = body(b.call(Method::POST, &comments, Some(comment)).await).await;
    assert_eq!(list["value"][0]["comment"], "hello");
    assert_eq!(b.lab.state().incidents["stolen-session"].comments[0].route, "graph");
    let alerts = body(b.call(Method::POST, &b.incident_path("dcsync", "/alerts"), None).await).await;
    assert_eq!(alerts["value"][0]["kind"], "SecurityAlert");
    assert_eq!(alerts["value"][0]["name"], json!(b.lab.state().alerts["dcsync"].system_id));
}

#[tokio::test]
async fn a_stale_etag_is_a_conflict() {
    let b = morning().await;
    b.wait(10);
    let path = b.incident_path("dcsync", "");
    let incident = b.get(&path).await;
    assert_eq!(b.call(Method::PUT, &path, Some(incident.clone())).await.status(), 200);
    assert_eq!(b.call(Method::PUT, &path, Some(incident)).await.status(), 409);
}

#[tokio::test]
async fn status_travels_both_ways_for_incidents_of_defender_only() {
    let b = morning().await;
    b.wait(10);
    let path = b.incident_path("stolen-session", "");
    let mut incident = b.get(&path).await;
    incident["properties"]["status"] = json!("Closed");
    assert_eq!(
        b.call(Method::PUT, &path, Some(incident.clone())).await.status(),
        400,
        "closing wants a classification"
    );
    incident["properties"]["classification"] = json!("TruePositive");
    assert_eq!(b.call(Method::PUT, &path, Some(incident)).await.status(), 200);
    let graph = format!("/v1.0/security/incidents/{}", b.lab.state().incidents["stolen-session"].graph_id);
    assert_eq!(b.get(&graph).await["status"], "resolved");
    let reopen = json!({"status": "inProgress", "customTags": ["riposte"]});
    assert_eq!(b.call(Method::PATCH, &graph, Some(reopen)).await.status(), 200);
    assert_eq!(b.get(&path).await["properties"]["status"], "Active");
    assert_eq!(b.lab.state().incidents["stolen-session"].labels, ["riposte"]);
}

#[tokio::test]
async fn a_merged_incident_points_to_the_one_it_went_into() {
    let text = "alerts: [{alert: a, incident: {redirected_to: b}}, {alert: b, incident: {}}]";
    let b = bench(Scenario::parse(text).unwrap()).await;
    let state = b.lab.state();
    let merged = b.get(&format!("/v1.0/security/incidents/{}", state.incidents["a"].graph_id)).await;
    assert_eq!(merged["status"], "redirected");
    assert_eq!(merged["redirectIncidentId"], json!(state.incidents["b"].graph_id));
}

#[tokio::test]
async fn incidents_are_listed_in_pages_and_filtered_and_made_by_hand() {
    let b = morning().await;
    b.wait(40);
    let base = b.incident_path("dcsync", "");
    let (folder, _) = base.rsplit_once('/').unwrap();
    let mut next = format!("{folder}?api-version=2025-09-01&$top=7&$orderby=properties/createdTimeUtc asc");
    let mut seen = 0;
    loop {
        let page = b.get(&next).await;
        seen += page["value"].as_array().unwrap().len();
        match page["nextLink"].as_str() {
            Some(link) => next = link.strip_prefix(&b.base).unwrap().to_owned(),
            None => break,
        }
    }
    assert_eq!(seen, b.lab.state().incidents.len());
    let filter = format!("{folder}?api-version=2025-09-01&$filter=properties/title eq 'Honeytoken activity'");
    assert_eq!(b.get(&filter).await["value"].as_array().unwrap().len(), 1);
    let made = format!("{folder}/{}?api-version=2025-09-01", ids::guid("incident", "by hand"));
    let body = json!({"properties": {"title": "By hand", "severity": "Low", "status": "New"}});
    assert_eq!(b.call(Method::PUT, &made, Some(body)).await.status(), 201);
    assert_eq!(b.get(&made).await["properties"]["title"], "By hand");
    assert_eq!(b.call(Method::GET, &made.replace("?api-version=2025-09-01", ""), None).await.status(), 400);
}

#[tokio::test]
async fn the_morning_shows_each_alert_where_it_says_and_an_incident_for_each() {
    let b = morning().await;
    b.wait(45);
    let state = b.lab.state();
    let hidden: Vec<&str> = state.alerts.iter().filter(|(_, a)| !a.in_graph).map(|(key, _)| key.as_str()).collect();
    assert_eq!(hidden, ["forged"]);
    assert!(state.alerts.keys().all(|alert| state.incidents.contains_key(alert)), "{:?}", state.incidents.keys());
    let evidence = async |alert: &str| {
        let path = format!("/v1.0/security/alerts_v2/{}", state.alerts[alert].graph_id);
        b.get(&path).await["evidence"].clone()
    };
    let users = |evidence: &Value| evidence.as_array().unwrap().iter().filter(|e| !e["userAccount"].is_null()).count();
    assert_eq!(users(&evidence("spray").await), 40);
    let added = evidence("group-addition").await;
    assert_eq!((&added[0]["roles"][0], &added[1]["roles"][0]), (&json!("attacker"), &json!("added")));
    assert_eq!(evidence("honeytoken").await[0]["roles"], json!(["attacked"]));
    let unknown = evidence("unknown-account").await[0]["userAccount"]["userSid"].as_str().unwrap().to_owned();
    assert!(state.people.values().all(|p| p.ad.as_ref().is_none_or(|a| a.sid != unknown)));
    let twins: Vec<_> = state.people["dora"].entra.iter().map(|u| u.id.as_str()).collect();
    assert!(twins.len() == 2 && twins[0] != twins[1]);
}
