//! Accounts that change state, in three directories.

use super::{Advance, Directory, Duration, Method, Outcome, Scenario, bench, body, ids, json, morning};

#[tokio::test]
async fn a_disable_is_accepted_then_done_by_the_sensor_then_carried_to_the_cloud_by_sync() {
    let b = morning().await;
    let answer = b.invoke("adele", "disable").await;
    assert_eq!(answer.status(), 200);
    let answer = body(answer).await;
    assert!(answer["correlationId"].is_string() && answer["identityProvider"] == "activeDirectory", "{answer}");
    assert!(b.lab.state().people["adele"].ad.as_ref().unwrap().enabled, "not before the sensor");
    b.wait(1);
    let state = b.lab.state();
    assert!(!state.people["adele"].ad.as_ref().unwrap().enabled);
    assert!(state.people["adele"].entra[0].enabled, "not before synchronisation");
    b.wait(30);
    let state = b.lab.state();
    assert!(!state.people["adele"].entra[0].enabled);
    let done: Vec<(&str, Outcome)> = state.effects.iter().map(|e| (e.api, e.outcome)).collect();
    assert_eq!(done, [("defender", Outcome::Accepted), ("sensor", Outcome::Applied), ("sync", Outcome::Applied)]);
}

#[tokio::test]
async fn an_identitys_is_enabled_lags_and_is_found_by_sid() {
    let b = morning().await;
    b.invoke("adele", "disable").await;
    b.wait(1);
    let sid = b.lab.state().people["adele"].ad.as_ref().unwrap().sid.clone();
    let path = format!("/v1.0/security/identities/identityAccounts?$filter=onPremisesSecurityIdentifier eq '{sid}'");
    let found = b.get(&path).await;
    assert_eq!(found["value"].as_array().unwrap().len(), 1);
    assert_eq!(found["value"][0]["isEnabled"], true, "five minutes behind");
    b.wait(5);
    assert_eq!(b.get(&path).await["value"][0]["isEnabled"], false);
    let dora = b.lab.state().people["dora"].ad.as_ref().unwrap().sid.clone();
    let path =
        format!("/v1.0/users?$filter=onPremisesSecurityIdentifier eq '{dora}'&$select=id,onPremisesSecurityIdentifier");
    assert_eq!(b.get(&path).await["value"].as_array().unwrap().len(), 2, "ambiguous");
}

#[tokio::test]
async fn a_password_that_never_expires_is_not_forced_although_the_call_is_accepted() {
    let b = morning().await;
    assert_eq!(b.invoke("svc-report", "forcePasswordReset").await.status(), 200);
    assert_eq!(b.invoke("diego", "forcePasswordReset").await.status(), 200);
    b.wait(1);
    let state = b.lab.state();
    assert!(!state.people["svc-report"].ad.as_ref().unwrap().must_change_password);
    assert!(state.people["diego"].ad.as_ref().unwrap().must_change_password);
    let wrong = b.invoke("diego", "revokeAllSessions").await;
    assert_eq!(wrong.status(), 400, "not an action for this provider");
}

#[tokio::test]
async fn synchronisation_undoes_a_cloud_only_block_of_a_hybrid_account() {
    let b = morning().await;
    let path = b.user_path("joni");
    let block = json!({"@odata.type": "#microsoft.graph.user", "accountEnabled": false});
    assert_eq!(b.call(Method::PATCH, &path, Some(block)).await.status(), 204, "as one SDK writes it");
    assert!(!b.lab.state().people["joni"].entra[0].enabled);
    b.wait(31);
    assert!(b.lab.state().people["joni"].entra[0].enabled);
    assert_eq!(b.get(&format!("{path}?$select=accountEnabled")).await["accountEnabled"], true);
}

#[tokio::test]
async fn identity_protection_allows_one_request_a_second_without_retry_after() {
    let b = morning().await;
    let id = b.lab.state().people["megan"].entra[0].id.clone();
    let path = "/v1.0/identityProtection/riskyUsers/confirmCompromised";
    let body = json!({"userIds": [id]});
    assert_eq!(b.call(Method::POST, path, Some(body.clone())).await.status(), 204);
    let refused = b.call(Method::POST, path, Some(body)).await;
    assert_eq!(refused.status(), 429);
    assert!(refused.headers().get("retry-after").is_none());
    b.clock.advance(Duration::from_secs(1));
    let risky = b.get(&format!("/v1.0/identityProtection/riskyUsers/{id}")).await;
    assert_eq!((&risky["riskState"], &risky["riskLevel"]), (&json!("confirmedCompromised"), &json!("high")));
}

#[tokio::test]
async fn deleting_a_member_without_ref_deletes_the_user_and_with_it_the_membership() {
    let b = morning().await;
    let state = b.lab.state();
    let group = state.groups["payroll-admins"].entra_id.clone().unwrap();
    let user = state.people["lynne"].entra[0].id.clone();
    let path = format!("/v1.0/groups/{group}/members/{user}");
    assert_eq!(b.call(Method::DELETE, &format!("{path}/$ref"), None).await.status(), 204);
    assert_eq!(b.call(Method::DELETE, &format!("{path}/$ref"), None).await.status(), 404, "not a member any more");
    assert!(b.lab.state().groups["payroll-admins"].entra.is_empty());
    let back = json!({"@odata.id": format!("https://graph.microsoft.com/v1.0/directoryObjects/{user}")});
    let add = format!("/v1.0/groups/{group}/members/$ref");
    assert_eq!(b.call(Method::POST, &add, Some(back)).await.status(), 204);
    assert_eq!(b.lab.state().groups["payroll-admins"].entra, ["lynne"]);
    assert!(!b.lab.state().people["lynne"].entra[0].deleted);
    assert_eq!(b.call(Method::DELETE, &path, None).await.status(), 204);
    assert!(b.lab.state().people["lynne"].entra[0].deleted, "the client's mistake shows");
}

#[tokio::test]
async fn memberships_are_seen_nested_with_sids_and_roles() {
    let b = morning().await;
    let path = format!("{}/transitiveMemberOf", b.user_path("breakglass"));
    let found = b.get(&path).await;
    let items = found["value"].as_array().unwrap();
    let has = |field: &str, value: &str| items.iter().any(|i| i[field] == value);
    assert!(
        !has("onPremisesSecurityIdentifier", &format!("{}-512", ids::DOMAIN_SID)),
        "built-in groups are not synced"
    );
    assert!(has("roleTemplateId", "62e90394-69f5-4237-9190-012177145e10"));
}

#[tokio::test]
async fn a_permission_taken_away_is_a_403_after_the_next_token_and_admins_need_a_role() {
    let mut b = morning().await;
    let remove = json!({"remove": ["User.EnableDisableAccount.All"]});
    b.call(Method::POST, "/_lab/permissions", Some(remove)).await;
    let patch = json!({"accountEnabled": false});
    let diego = b.user_path("diego");
    assert_eq!(b.call(Method::PATCH, &diego, Some(patch.clone())).await.status(), 204, "the old token still has it");
    b.token = b.token_for("https://graph.microsoft.com/.default").await;
    let refused = b.call(Method::PATCH, &diego, Some(patch.clone())).await;
    assert_eq!(refused.status(), 403);
    assert_eq!(body(refused).await["error"]["code"], "Authorization_RequestDenied");

    let weak = "people: [{person: boss, entra: {roles: [Global Administrator]}}, {person: bob, entra: {}}]";
    let b = bench(Scenario::parse(weak).unwrap()).await;
    assert_eq!(b.call(Method::PATCH, &b.user_path("boss"), Some(patch.clone())).await.status(), 403);
    assert_eq!(b.call(Method::PATCH, &b.user_path("bob"), Some(patch)).await.status(), 204);
}

#[tokio::test]
async fn okta_suspends_only_active_users_and_says_where_the_caller_stands() {
    let b = morning().await;
    let id = b.lab.state().people["adele"].okta.as_ref().unwrap().id.clone();
    let path = |op: &str| format!("/api/v1/users/{id}/lifecycle/{op}");
    let done = b.call(Method::POST, &path("suspend"), None).await;
    assert_eq!(done.status(), 200);
    assert!(done.headers().contains_key("x-rate-limit-remaining"));
    let again = b.call(Method::POST, &path("suspend"), None).await;
    assert_eq!(again.status(), 400);
    assert_eq!(body(again).await["errorCode"], "E0000001");
    assert_eq!(b.call(Method::POST, &path("unsuspend"), None).await.status(), 200);
    let clear = format!("/api/v1/users/{id}/sessions?oauthTokens=true");
    assert_eq!(b.call(Method::DELETE, &clear, None).await.status(), 204);
    let log = b.get("/api/v1/logs?filter=eventType eq \"user.lifecycle.suspend\"").await;
    assert_eq!(log[0]["target"][0]["id"], json!(id));
    let found = b.get("/api/v1/users?search=profile.login eq \"adele@contoso.com\"").await;
    assert_eq!(found.as_array().unwrap().len(), 1);
    assert_eq!(b.lab.state().people["adele"].okta.as_ref().unwrap().tokens, 0);
    let stranger = b.http.get(format!("{}/api/v1/users/{id}", b.base)).send().await.unwrap();
    assert_eq!(stranger.status(), 401);
}

#[tokio::test]
async fn people_comment_and_operators_act_apart_from_riposte() {
    let b = morning().await;
    b.wait(10);
    assert!(b.lab.comment_as("soc-eva", "dcsync", "/riposte approve 1"));
    let comments = b.get(&b.incident_path("dcsync", "/comments")).await;
    let eva = b.lab.state().people["soc-eva"].entra[0].id.clone();
    assert_eq!(comments["value"][0]["properties"]["author"]["objectId"], json!(eva));
    assert!(b.lab.set_enabled("miriam", Directory::ActiveDirectory, false));
    assert!(!b.lab.set_enabled("miriam", Directory::ActiveDirectory, false));
    assert!(!b.lab.state().people["miriam"].ad.as_ref().unwrap().enabled);
}

#[tokio::test]
async fn the_reference_pages_spelling_of_identities_can_be_chosen() {
    let text = "{wire: page, people: [{person: ada, ad: {rid: 1200}, entra: {}}]}";
    let b = bench(Scenario::parse(text).unwrap()).await;
    let list = b.get("/v1.0/security/identities/identityAccounts").await;
    assert_eq!(list["value"][0]["accounts"][0]["provider"], "ActiveDirectory");
    let answer = body(b.invoke("ada", "disable").await).await;
    assert_eq!(answer["value"]["provider"], "activeDirectory", "{answer}");
}

#[tokio::test]
async fn an_account_that_is_not_of_the_identity_is_refused() {
    let b = morning().await;
    let state = b.lab.state();
    let identity = &state.people["adele"].identities[0];
    let path = format!("/v1.0/security/identities/identityAccounts/{identity}/invokeAction");
    let other = &state.people["diego"].ad.as_ref().unwrap().guid;
    for (account, provider, status) in [
        (other.as_str(), "activeDirectory", 404),
        (identity.as_str(), "activeDirectory", 404),
        (state.people["adele"].ad.as_ref().unwrap().guid.as_str(), "okta", 404),
        (state.people["adele"].entra[0].id.as_str(), "entraID", 400),
        (other.as_str(), "everything", 400),
    ] {
        let wish = json!({"accountId": account, "action": "disable", "identityProvider": provider});
        assert_eq!(b.call(Method::POST, &path, Some(wish)).await.status(), status, "{provider}");
    }
    b.wait(1);
    let state = b.lab.state();
    assert!(state.effects.iter().all(|e| matches!(e.outcome, Outcome::Refused(_))) && state.effects.len() == 5);
}

#[tokio::test]
async fn groups_of_active_directory_and_dynamic_ones_are_not_edited_in_the_cloud() {
    let b = morning().await;
    let state = b.lab.state();
    let user = &state.people["adele"].entra[0].id;
    for group in ["finance", "all-staff"] {
        let path = format!("/v1.0/groups/{}/members/{user}/$ref", state.groups[group].entra_id.as_ref().unwrap());
        assert_eq!(b.call(Method::DELETE, &path, None).await.status(), 400, "{group}");
    }
    let everyone = state.groups["Everyone"].okta_id.as_ref().unwrap();
    let path = format!("/api/v1/groups/{everyone}/users/{}", state.people["adele"].okta.as_ref().unwrap().id);
    assert_eq!(b.call(Method::DELETE, &path, None).await.status(), 400);
}

#[tokio::test]
async fn a_password_is_set_on_cloud_accounts_only() {
    let b = morning().await;
    let profile = json!({"passwordProfile": {"password": "Long-Enough-1", "forceChangePasswordNextSignIn": true}});
    assert_eq!(b.call(Method::PATCH, &b.user_path("adele"), Some(profile.clone())).await.status(), 400);
    assert_eq!(b.call(Method::PATCH, &b.user_path("megan"), Some(profile)).await.status(), 204);
    let state = b.lab.state();
    assert!(
        state.people["megan"].entra[0].must_change_password && !state.people["adele"].entra[0].must_change_password
    );
}
