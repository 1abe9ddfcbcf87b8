//! The workspace's tables, asked as a client asks.

use super::{Bench, Method, Scenario, Value, bench, body, ids, json, morning};

async fn ask(b: &Bench, query: Value) -> (u16, Value) {
    let path = format!("/v1/workspaces/{}/query", ids::workspace());
    let answer = b.call(Method::POST, &path, Some(query)).await;
    (answer.status().as_u16(), body(answer).await)
}

async fn rows(b: &Bench, query: &str) -> Vec<Vec<Value>> {
    let (status, answer) = ask(b, json!({"query": query})).await;
    assert_eq!(status, 200, "{query}: {answer}");
    assert_eq!(answer["tables"][0]["name"], "PrimaryResult");
    serde_json::from_value(answer["tables"][0]["rows"].clone()).unwrap()
}

#[tokio::test]
async fn a_row_is_seen_after_its_ingestion_delay_and_selected_by_ingestion_time() {
    let b = morning().await;
    b.wait(1);
    assert!(rows(&b, "SecurityAlert | project SystemAlertId").await.is_empty(), "not yet ingested");
    b.wait(1);
    let query = "SecurityAlert | where ingestion_time() between (datetime(2026-03-02T08:02:00Z) .. datetime(2026-03-02T08:02:01Z)) | extend IngestionTime = ingestion_time() | project SystemAlertId, IngestionTime";
    let found = rows(&b, query).await;
    assert_eq!(found, [[json!(b.lab.state().alerts["dcsync"].system_id), json!("2026-03-02T08:02:00Z")]]);
}

#[tokio::test]
async fn every_column_of_an_alert_comes_with_its_type() {
    let b = morning().await;
    b.wait(2);
    let (_, answer) = ask(&b, json!({"query": "SecurityAlert", "timespan": null, "workspaces": null})).await;
    let columns = answer["tables"][0]["columns"].as_array().unwrap();
    let has = |name: &str, ty: &str| columns.iter().any(|c| c["name"] == name && c["type"] == ty);
    assert!(has("TimeGenerated", "datetime") && has("Entities", "string") && has("ConfidenceScore", "real"));
    assert_eq!(columns.len(), 35, "and no hidden ones");
    let entities: Value = {
        let at = columns.iter().position(|c| c["name"] == "Entities").unwrap();
        serde_json::from_str(answer["tables"][0]["rows"][0][at].as_str().unwrap()).unwrap()
    };
    assert_eq!(entities[2]["Sid"], json!(format!("{}-1105", ids::DOMAIN_SID)));
}

#[tokio::test]
async fn entities_that_come_late_are_a_second_row_of_the_same_alert() {
    let b = morning().await;
    b.wait(17);
    let id = b.lab.state().alerts["late-entities"].system_id.clone();
    let query = format!("SecurityAlert | where SystemAlertId == \"{id}\" | project Entities");
    assert_eq!(rows(&b, &query).await, [["[]"]]);
    b.wait(6);
    let found = rows(&b, &query).await;
    assert_eq!(found.len(), 2);
    assert!(found[1][0].as_str().unwrap().contains("henrietta"));
}

#[tokio::test]
async fn tables_that_a_query_does_not_name_are_seen_by_it_all_the_same() {
    let b = morning().await;
    b.wait(10);
    let id = b.lab.state().alerts["dcsync"].system_id.clone();
    for query in ["union * | where TimeGenerated > ago(1h) | count", &format!("search \"{id}\" | count")] {
        let found = rows(&b, query).await;
        assert!(found[0][0].as_i64().unwrap() > 0, "{query}: {found:?}");
    }
}

#[tokio::test]
async fn a_forged_row_is_in_the_workspace_only() {
    let b = morning().await;
    b.wait(20);
    let id = b.lab.state().alerts["forged"].system_id.clone();
    let found = rows(&b, &format!("SecurityAlert | where SystemAlertId == \"{id}\" | project AlertType")).await;
    assert_eq!(found, [["DirectoryServicesReplicationSecurityAlert"]]);
    assert!(!b.lab.state().alerts["forged"].in_graph);
}

#[tokio::test]
async fn an_incident_is_found_by_its_alert_and_each_change_is_a_row() {
    let b = morning().await;
    b.wait(10);
    let id = b.lab.state().alerts["dcsync"].system_id.clone();
    let query =
        format!("SecurityIncident | where tostring(AlertIds) has \"{id}\" | project IncidentName, ProviderName");
    let incident = b.lab.state().incidents["dcsync"].id.clone();
    assert_eq!(rows(&b, &query).await, [[json!(incident), json!("Azure Sentinel")]]);
    let path = b.incident_path("dcsync", &format!("/comments/{}", ids::guid("note", "1")));
    b.call(Method::PUT, &path, Some(json!({"properties": {"message": "x"}}))).await;
    b.wait(2);
    assert_eq!(rows(&b, &query).await.len(), 2);
}

#[tokio::test]
async fn a_disable_leaves_events_that_name_the_account_and_the_actor() {
    let b = morning().await;
    b.invoke("adele", "disable").await;
    b.wait(1);
    assert!(rows(&b, "SecurityEvent | project TargetSid").await.is_empty());
    b.wait(1);
    let sid = format!("{}-1105", ids::DOMAIN_SID);
    let found = rows(&b, "SecurityEvent | where EventID == 4725 | project TargetSid, SubjectUserName").await;
    assert_eq!(found, [[json!(sid), json!("DC01$")]]);
    let query = "IdentityDirectoryEvents | where ActionType == \"Account disabled\" | project TargetAccountUpn, AdditionalFields";
    let found = rows(&b, query).await;
    assert_eq!(found[0][0], "adele@contoso.com");
    assert!(found[0][1].to_string().contains(&sid));
}

#[tokio::test]
async fn identity_info_tells_groups_roles_and_flags() {
    let b = morning().await;
    let query =
        "IdentityInfo | where AccountName == \"svc-report\" | project tostring(UserAccountControl), IsServiceAccount";
    assert_eq!(rows(&b, query).await, [[json!("[\"PasswordNeverExpires\"]"), json!(true)]]);
}

#[tokio::test]
async fn hunting_runs_on_the_same_tables_in_both_forms_of_its_path() {
    let b = morning().await;
    b.wait(5);
    for path in ["/v1.0/security/runHuntingQuery", "/v1.0/security/microsoft.graph.security.runHuntingQuery"] {
        let query =
            json!({"Query": "SecurityAlert | where AlertSeverity == \"High\" | project AlertName", "Timespan": "P1D"});
        let answer = body(b.call(Method::POST, path, Some(query)).await).await;
        assert_eq!(answer["schema"], json!([{"name": "AlertName", "type": "String"}]), "{answer}");
        assert_eq!(answer["results"].as_array().unwrap().len(), 2);
    }
    let wrong = b.call(Method::POST, "/v1.0/security/runHuntingQuery", Some(json!({"Query": "Nothing | take"}))).await;
    assert_eq!(wrong.status(), 400);
}

#[tokio::test]
async fn what_is_wrong_with_a_query_is_told_as_documented() {
    let b = morning().await;
    let (status, answer) = ask(&b, json!({"query": "SecurityAlert | where ("})).await;
    assert_eq!((status, &answer["error"]["code"]), (400, &json!("BadArgumentError")));
    assert_eq!(answer["error"]["innererror"]["code"], "SyntaxError");
    let (status, answer) = ask(&b, json!({"query": "SecurityAlert | project Nonsense"})).await;
    assert_eq!((status, &answer["error"]["innererror"]["code"]), (400, &json!("SemanticError")));
    let (status, _) = ask(&b, json!({"query": "SecurityAlert", "timespan": "soon"})).await;
    assert_eq!(status, 400);
    let (status, _) = ask(&b, json!({"kusto": "SecurityAlert"})).await;
    assert_eq!(status, 400);
    let elsewhere = b
        .call(Method::POST, "/v1/workspaces/11111111-2222-4333-8444-555555555555/query", Some(json!({"query": "a"})))
        .await;
    assert_eq!(elsewhere.status(), 404);
}

#[tokio::test]
async fn without_a_json_content_type_the_answer_is_200_and_empty() {
    let b = morning().await;
    let url = format!("{}/v1/workspaces/{}/query", b.base, ids::workspace());
    let answer = b.http.post(&url).bearer_auth(&b.token).body("{\"query\":\"SecurityAlert\"}").send().await.unwrap();
    assert_eq!((answer.status().as_u16(), answer.bytes().await.unwrap().len()), (200, 0));
    let nobody = b.http.post(&url).json(&json!({"query": "SecurityAlert"})).send().await.unwrap();
    assert_eq!(nobody.status(), 401);
}

#[tokio::test]
async fn an_empty_workspace_is_204_and_a_missing_role_403() {
    let b = bench(Scenario::parse("people: []").unwrap()).await;
    assert_eq!(ask(&b, json!({"query": "SecurityAlert"})).await.0, 204);
    let b = bench(Scenario::parse("app: {without_azure_roles: [Log Analytics Reader]}").unwrap()).await;
    let (status, answer) = ask(&b, json!({"query": "SecurityAlert"})).await;
    assert_eq!((status, &answer["error"]["code"]), (403, &json!("InsufficientAccessError")));
}

#[tokio::test]
async fn a_partial_answer_says_so_beside_its_rows() {
    let b = morning().await;
    b.wait(10);
    let all = rows(&b, "SecurityAlert | project AlertName").await.len();
    let fault = json!({"path": "/v1/workspaces/**", "answer": "partial"});
    b.call(Method::POST, "/_lab/fault", Some(fault)).await;
    let (status, answer) = ask(&b, json!({"query": "SecurityAlert | project AlertName"})).await;
    assert_eq!((status, &answer["error"]["code"]), (200, &json!("PartialError")));
    assert!(answer["tables"][0]["rows"].as_array().unwrap().len() < all);
}

#[tokio::test]
async fn two_hundred_queries_in_thirty_seconds_are_the_limit() {
    let b = morning().await;
    for _ in 0..200 {
        assert_eq!(ask(&b, json!({"query": "SecurityAlert | take 1"})).await.0, 200);
    }
    let path = format!("/v1/workspaces/{}/query", ids::workspace());
    let refused = b.call(Method::POST, &path, Some(json!({"query": "SecurityAlert"}))).await;
    assert_eq!((refused.status().as_u16(), refused.headers()["retry-after"].to_str().unwrap()), (429, "30"));
}

#[tokio::test]
async fn a_backlog_is_there_after_25_minutes() {
    let b = bench(Scenario::backlog(300)).await;
    b.clock.0.fetch_add(25 * 60 * 10_000_000, std::sync::atomic::Ordering::SeqCst);
    assert_eq!(rows(&b, "SecurityAlert | count").await, [[json!(300)]]);
    let mut last = b.get("/v1.0/security/alerts_v2?$skip=299").await;
    assert_eq!(last["value"].as_array_mut().unwrap().len(), 1);
    assert!(last["@odata.nextLink"].is_null());
    let sid = b.lab.state().people["load00007"].ad.as_ref().unwrap().sid.clone();
    let path = format!("/v1.0/users?$filter=onPremisesSecurityIdentifier eq '{sid}'&$select=userPrincipalName");
    assert_eq!(b.get(&path).await["value"][0]["userPrincipalName"], "load00007@contoso.com");
}

#[tokio::test]
async fn an_update_adds_an_account_a_repeat_adds_nothing_and_cells_can_be_anything() {
    let text = r#"
people: [{person: ada, ad: {rid: 1200}}, {person: bob, ad: {rid: 1201}}]
alerts:
  - {alert: grows, at: 1m, age: 90d, accounts: [{person: ada}, {person: bob, after: 5m}], repeats: [8m], incident: {}}
  - {alert: hostile, at: 1m, columns: {Entities: "[{\"$ref\":", AlertSeverity: null, ProviderName: "<b>"}, fields: {severity: strange}}
"#;
    let b = bench(Scenario::parse(text).unwrap()).await;
    b.wait(3);
    let hostile = rows(&b, "SecurityAlert | where ProviderName == \"<b>\" | project Entities, AlertSeverity").await;
    assert_eq!(hostile, [["[{\"$ref\":", ""]]);
    let state = b.lab.state();
    let path = |alert: &str| format!("/v1.0/security/alerts_v2/{}", state.alerts[alert].graph_id);
    assert_eq!(b.get(&path("hostile")).await["severity"], "strange");
    assert_eq!(b.get(&path("grows")).await["evidence"].as_array().unwrap().len(), 1);
    b.wait(10);
    let query = format!(
        "SecurityAlert | where SystemAlertId == \"{}\" | project Entities, EndTime",
        state.alerts["grows"].system_id
    );
    let found = rows(&b, &query).await;
    let names: Vec<usize> = found.iter().map(|r| r[0].as_str().unwrap().matches("\"Name\"").count()).collect();
    assert_eq!(names, [1, 2, 2]);
    assert!(found[0][1].as_str().unwrap().starts_with("2025-12-02"), "{}", found[0][1]);
    assert_eq!(b.get(&path("grows")).await["evidence"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn a_table_of_ones_own_has_the_columns_of_its_rows() {
    let text = "{people: [{person: adele, ad: {}}], rows: [
        {table: Badges_CL, at: 1m, cells: {Door: north, Tries: 2, Who: '{adele.upn}'}},
        {table: Badges_CL, at: 2m, cells: {Door: south, Tries: 2.5, Seen: '2026-03-02T08:00:00Z', More: {a: [1]}}}]}";
    let b = bench(Scenario::parse(text).unwrap()).await;
    b.wait(5);
    let query = "Badges_CL | order by Tries asc | project Type, Door, Tries, Who has 'adele', Seen, tostring(More.a), \
                 TimeGenerated > ago(1d)";
    let found = rows(&b, query).await;
    assert_eq!(
        found[0],
        [json!("Badges_CL"), json!("north"), json!(2.0), json!(true), Value::Null, json!(""), json!(true)]
    );
    assert_eq!(found[1][4..6], [json!("2026-03-02T08:00:00Z"), json!("[1]")]);
    assert_eq!(rows(&b, "Badges_CL | where ingestion_time() > ago(1d) | count").await, [[json!(2)]]);
    let (status, _) = ask(&b, json!({"query": "Badges_CL | where Dor == 'north'"})).await;
    assert_eq!(status, 400);
    let wrong = Scenario::parse("rows: [{table: Badges}, {table: 'x y_CL'}]").unwrap_err().to_string();
    assert!(wrong.contains("\"Badges\"") && wrong.contains("\"x y_CL\"") && wrong.contains("ends in _CL"), "{wrong}");
}
