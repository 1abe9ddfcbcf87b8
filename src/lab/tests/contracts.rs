//! The lab's answers against the vendors' API documents, when somebody says where those are
//! (`RIPOSTE_CONTRACTS`, a folder with `openapi/graph.json` and its neighbours).

use serde_json::Value;

use super::openapi::{Document, Sent};
use super::{Bench, Method, body, ids, json, morning};

struct Call {
    method: Method,
    template: &'static str,
    path: String,
    body: Option<Value>,
}

fn call(method: Method, template: &'static str, path: impl Into<String>, body: Option<Value>) -> Call {
    Call { method, template, path: path.into(), body }
}

async fn judge(b: &Bench, document: &Document, calls: Vec<Call>) -> Vec<String> {
    let mut wrong = Vec::new();
    for one in calls {
        let method = one.method.as_str().to_lowercase();
        let kind = one.body.is_some().then_some("application/json");
        let query = url::Url::parse(&format!("https://lab{}", one.path)).expect("a path");
        let query: Vec<(String, String)> = query.query_pairs().into_owned().collect();
        let sent = Sent { query: &query, kind, body: one.body.as_ref() };
        wrong.extend(document.judge_request(&method, one.template, &sent));
        let answer = b.call(one.method, &one.path, one.body).await;
        let status = answer.status().as_u16();
        wrong.extend(document.judge(&method, one.template, status, &body(answer).await));
        b.clock.0.fetch_add(20_000_000, std::sync::atomic::Ordering::SeqCst);
    }
    wrong
}

#[tokio::test]
async fn graph_answers_as_its_document_says() {
    let Some(document) = Document::open("graph.json") else { return skipped() };
    let nonsense = json!({"value": [{"severity": "awful"}]});
    assert_ne!(
        document.judge("get", "/security/alerts_v2", 200, &nonsense),
        Vec::<String>::new(),
        "the judge is awake"
    );
    let b = morning().await;
    b.wait(35);
    let state = b.lab.state();
    let adele = &state.people["adele"];
    let identity = &adele.identities[0];
    let accounts = "/v1.0/security/identities/identityAccounts";
    let alert = format!("/v1.0/security/alerts_v2/{}", state.alerts["dcsync"].graph_id);
    let incident = format!("/v1.0/security/incidents/{}", state.incidents["stolen-session"].graph_id);
    let user = b.user_path("adele");
    let disable = json!({"accountId": adele.ad.as_ref().unwrap().guid, "action": "disable", "identityProvider": "activeDirectory"});
    let comment = Some(json!({"comment": "x"}));
    let ids = Some(json!({"userIds": [adele.entra[0].id]}));
    let (get, post, patch) = (Method::GET, Method::POST, Method::PATCH);
    let risky = "/v1.0/identityProtection/riskyUsers";
    let calls = vec![
        call(get.clone(), "/security/alerts_v2", "/v1.0/security/alerts_v2?$top=50", None),
        call(get.clone(), "/security/alerts_v2/{alert-id}", alert.clone(), None),
        call(patch.clone(), "/security/alerts_v2/{alert-id}", alert.clone(), Some(json!({"status": "inProgress"}))),
        call(post.clone(), "/security/alerts_v2/{alert-id}/comments", format!("{alert}/comments"), comment.clone()),
        call(get.clone(), "/security/incidents", "/v1.0/security/incidents?$expand=alerts", None),
        call(get.clone(), "/security/incidents/{incident-id}", incident.clone(), None),
        call(patch.clone(), "/security/incidents/{incident-id}", incident.clone(), Some(json!({"customTags": ["a"]}))),
        call(post.clone(), "/security/incidents/{incident-id}/comments", format!("{incident}/comments"), comment),
        call(get.clone(), "/security/identities/identityAccounts", accounts, None),
        call(
            get.clone(),
            "/security/identities/identityAccounts/{identityAccounts-id}",
            format!("{accounts}/{identity}"),
            None,
        ),
        call(
            post.clone(),
            "/security/identities/identityAccounts/{identityAccounts-id}/invokeAction",
            format!("{accounts}/{identity}/invokeAction"),
            Some(disable),
        ),
        call(get.clone(), "/security/identities/sensors", "/v1.0/security/identities/sensors", None),
        call(get.clone(), "/security/identities/healthIssues", "/v1.0/security/identities/healthIssues", None),
        call(
            get.clone(),
            "/users",
            "/v1.0/users?$select=id,userPrincipalName,accountEnabled,onPremisesSecurityIdentifier",
            None,
        ),
        call(get.clone(), "/users/{user-id}", user.clone(), None),
        call(patch, "/users/{user-id}", user.clone(), Some(json!({"accountEnabled": false}))),
        call(post.clone(), "/users/{user-id}/revokeSignInSessions", format!("{user}/revokeSignInSessions"), None),
        call(get.clone(), "/users/{user-id}/memberOf", format!("{user}/memberOf"), None),
        call(get.clone(), "/users/{user-id}/transitiveMemberOf", format!("{user}/transitiveMemberOf"), None),
        call(
            post.clone(),
            "/identityProtection/riskyUsers/confirmCompromised",
            format!("{risky}/confirmCompromised"),
            ids.clone(),
        ),
        call(
            get.clone(),
            "/identityProtection/riskyUsers/{riskyUser-id}",
            format!("{risky}/{}", adele.entra[0].id),
            None,
        ),
        call(post, "/identityProtection/riskyUsers/dismiss", format!("{risky}/dismiss"), ids),
        call(get.clone(), "/auditLogs/directoryAudits", "/v1.0/auditLogs/directoryAudits", None),
        call(
            get.clone(),
            "/roleManagement/directory/roleAssignments",
            "/v1.0/roleManagement/directory/roleAssignments",
            None,
        ),
        call(get, "/users/{user-id}", "/v1.0/users/nobody", None),
    ];
    assert_eq!(judge(&b, &document, calls).await, Vec::<String>::new());
}

#[tokio::test]
async fn sentinel_answers_as_its_document_says() {
    let Some(document) = Document::open("sentinel.json") else { return skipped() };
    let b = morning().await;
    b.wait(35);
    let base = "/subscriptions/{subscriptionId}/resourceGroups/{resourceGroupName}/providers/Microsoft.OperationalInsights/workspaces/{workspaceName}/providers/Microsoft.SecurityInsights/incidents";
    let note = ids::guid("note", "1");
    let message = Some(json!({"properties": {"message": "x"}}));
    let todo = Some(json!({"properties": {"title": "look", "status": "New"}}));
    let on = |rest: &str| b.incident_path("dcsync", rest);
    let incident = b.get(&on("")).await;
    let of = &incident["properties"];
    let incident = json!({"etag": incident["etag"], "properties": {"title": of["title"], "status": of["status"],
        "severity": of["severity"], "labels": [{"labelName": "seen"}]}});
    let template = |rest: &str| -> &'static str { Box::leak(format!("{base}{rest}").into_boxed_str()) };
    let calls = vec![
        call(Method::GET, template("/{incidentId}"), on(""), None),
        call(Method::PUT, template("/{incidentId}"), on(""), Some(incident)),
        call(Method::POST, template("/{incidentId}/alerts"), on("/alerts"), None),
        call(Method::POST, template("/{incidentId}/entities"), on("/entities"), None),
        call(Method::GET, template("/{incidentId}/relations"), on("/relations"), None),
        call(
            Method::PUT,
            template("/{incidentId}/comments/{incidentCommentId}"),
            on(&format!("/comments/{note}")),
            message,
        ),
        call(Method::GET, template("/{incidentId}/comments"), on("/comments"), None),
        call(Method::PUT, template("/{incidentId}/tasks/{incidentTaskId}"), on(&format!("/tasks/{note}")), todo),
        call(Method::GET, template("/{incidentId}/tasks"), on("/tasks"), None),
        call(
            Method::DELETE,
            template("/{incidentId}/comments/{incidentCommentId}"),
            on(&format!("/comments/{note}")),
            None,
        ),
    ];
    assert_eq!(judge(&b, &document, calls).await, Vec::<String>::new());
}

#[tokio::test]
async fn okta_answers_as_its_document_says() {
    let Some(document) = Document::open("okta.json") else { return skipped() };
    let b = morning().await;
    let state = b.lab.state();
    let user = format!("/api/v1/users/{}", state.people["lynne"].okta.as_ref().unwrap().id);
    let group = format!("/api/v1/groups/{}", state.groups["payroll-admins"].okta_id.as_ref().unwrap());
    let member = format!("{group}/users/{}", state.people["lynne"].okta.as_ref().unwrap().id);
    let calls = vec![
        call(Method::GET, "/api/v1/users", "/api/v1/users", None),
        call(Method::GET, "/api/v1/users/{id}", user.clone(), None),
        call(Method::GET, "/api/v1/users/{id}/groups", format!("{user}/groups"), None),
        call(Method::GET, "/api/v1/users/{userId}/roles", format!("{user}/roles"), None),
        call(Method::POST, "/api/v1/users/{id}/lifecycle/suspend", format!("{user}/lifecycle/suspend"), None),
        call(Method::POST, "/api/v1/users/{id}/lifecycle/suspend", format!("{user}/lifecycle/suspend"), None),
        call(Method::POST, "/api/v1/users/{id}/lifecycle/unsuspend", format!("{user}/lifecycle/unsuspend"), None),
        call(
            Method::POST,
            "/api/v1/users/{id}/lifecycle/expire_password",
            format!("{user}/lifecycle/expire_password"),
            None,
        ),
        call(Method::DELETE, "/api/v1/users/{userId}/sessions", format!("{user}/sessions?oauthTokens=true"), None),
        call(Method::GET, "/api/v1/groups", "/api/v1/groups", None),
        call(Method::GET, "/api/v1/groups/{groupId}", group, None),
        call(Method::DELETE, "/api/v1/groups/{groupId}/users/{userId}", member, None),
        call(Method::GET, "/api/v1/logs", "/api/v1/logs", None),
        call(Method::GET, "/api/v1/users/{id}", "/api/v1/users/00unobody", None),
    ];
    assert_eq!(judge(&b, &document, calls).await, Vec::<String>::new());
}

#[tokio::test]
async fn log_analytics_answers_as_its_document_says() {
    let Some(document) = Document::open("loganalytics.json") else { return skipped() };
    let b = morning().await;
    b.wait(35);
    let template = "/workspaces/{workspaceId}/query";
    let ask = |workspace: &str, query: &str| {
        let body = json!({"query": query, "timespan": "PT1H"});
        call(Method::POST, template, format!("/v1/workspaces/{workspace}/query"), Some(body))
    };
    let workspace = ids::workspace();
    let calls = vec![
        ask(&workspace, "SecurityAlert | take 3"),
        ask(&workspace, "SecurityAlert | summarize n = count() by AlertSeverity, bin(TimeGenerated, 1h)"),
        ask(
            &workspace,
            "print d = dynamic({\"a\": 1}), l = long(null), t = datetime(2026-01-01), s = 1h, b = true, r = 0.5",
        ),
        ask(&workspace, "SecurityAlert | where ("),
        ask(&workspace, "Nonsense | take 1"),
        ask(&ids::guid("workspace", "another"), "SecurityAlert | take 1"),
    ];
    assert_eq!(judge(&b, &document, calls).await, Vec::<String>::new());
}

#[expect(clippy::print_stderr, reason = "a test that did not run says so")]
fn skipped() {
    eprintln!("skipped: set RIPOSTE_CONTRACTS to a folder with openapi/*.json");
}
