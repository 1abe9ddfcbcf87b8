use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::connect::graph::DIRECTORY;
use crate::connect::graph::fake::{Fake, NOW, Reply, Seen, accepted, begun, failed, of, still, subject};
use crate::connect::port::{Effector, People};
use crate::model::account::AccountRef;
use crate::model::failure::{FailureKind, Sent};
use crate::model::intent::{GroupRef, Intent, Verb};
use crate::model::observation::{Fact, Witness};
use crate::model::person::{LookupKey, Membership};
use crate::model::time::At;

const ID: &str = "11111111-2222-3333-4444-555555555555";
const GROUP: &str = "99999999-2222-3333-4444-555555555555";
const SID: &str = "S-1-5-21-1-2-3-1104";

fn id() -> Uuid {
    ID.parse().unwrap()
}

fn entra() -> AccountRef {
    AccountRef::Entra(id())
}

fn in_group(verb: Verb) -> Intent {
    Intent { verb, group: Some(GroupRef::Entra(GROUP.parse().unwrap())) }
}

fn user() -> Value {
    json!({"id": ID, "userPrincipalName": "adele.o'brien@contoso.com", "accountEnabled": true, "onPremisesSyncEnabled": true,
        "onPremisesSecurityIdentifier": SID, "onPremisesSamAccountName": "adele", "onPremisesDomainName": "contoso.local"})
}

fn actions(fake: &Fake) -> EntraActions {
    EntraActions::new(&fake.graph(), still())
}

fn people(fake: &Fake) -> EntraPeople {
    EntraPeople::new(&fake.graph())
}

async fn says(answer: impl Fn(&Seen) -> Reply + Send + Sync + 'static) -> Fake {
    Fake::start(answer).await
}

async fn fact(fake: &Fake, intent: &Intent, since: Option<At>) -> Fact {
    actions(fake).observe(&subject(entra()), intent, since).await.unwrap().fact
}

#[tokio::test]
async fn users_are_found_by_id_and_upn_and_another_answer_is_dropped() {
    let fake = says(|_| Reply::json(user())).await;
    let found = people(&fake).find(&LookupKey::Upn("Adele.O'Brien@contoso.com".parse().unwrap())).await.unwrap();
    assert_eq!(found[0].account, entra());
    assert_eq!(fake.only().path, "/v1.0/users/adele.o%27brien%40contoso.com");
    for key in [LookupKey::EntraId(Uuid::nil()), LookupKey::Upn("bo@contoso.com".parse().unwrap())] {
        assert_eq!(people(&fake).find(&key).await.unwrap(), vec![], "{key:?}");
    }
    let nobody = says(|_| Reply::error(404, "Request_ResourceNotFound")).await;
    assert_eq!(people(&nobody).find(&LookupKey::EntraId(id())).await.unwrap(), vec![]);
}

#[tokio::test]
async fn a_tenant_that_refuses_the_plain_sid_query_gets_the_advanced_one() {
    let fake = says(|seen| {
        if seen.header("consistencylevel") == "eventual" && seen.q("$count") == "true" {
            let mut other = user();
            other["onPremisesSecurityIdentifier"] = json!("S-1-5-21-1-2-3-9");
            return Reply::list(vec![other, user()]);
        }
        Reply::error(400, "Request_UnsupportedQuery")
    })
    .await;
    let found = people(&fake).find(&LookupKey::Sid(SID.parse().unwrap())).await.unwrap();
    assert_eq!(found.len(), 1, "the one with another SID is dropped");
    let filters: Vec<String> = fake.seen().iter().map(|seen| seen.q("$filter").to_owned()).collect();
    assert_eq!(filters, vec![format!("onPremisesSecurityIdentifier eq '{SID}'"); 2]);
}

#[tokio::test]
async fn another_refusal_of_a_query_is_handed_on() {
    let fake = says(|_| Reply::error(400, "Request_BadRequest")).await;
    assert!(people(&fake).find(&LookupKey::Sid(SID.parse().unwrap())).await.is_err());
    assert_eq!(fake.seen().len(), 1);
}

#[tokio::test]
async fn a_name_counts_within_its_domain_only_and_all_candidates_come_back() {
    let fake = says(|_| {
        let mut elsewhere = user();
        elsewhere["onPremisesDomainName"] = json!("fabrikam.local");
        let mut twin = user();
        twin["id"] = json!(GROUP);
        Reply::list(vec![elsewhere, user(), twin])
    })
    .await;
    let key = |name: &str| LookupKey::NameInDomain { name: name.to_owned(), domain: "CONTOSO.local".to_owned() };
    assert_eq!(people(&fake).find(&key("Adele")).await.unwrap().len(), 2);
    let seen = fake.only();
    assert_eq!(
        (seen.q("$filter"), seen.header("consistencylevel")),
        ("onPremisesSamAccountName eq 'Adele'", "eventual")
    );
    assert_eq!(people(&fake).find(&key("' or 1 eq 1 or id eq '")).await.unwrap(), vec![]);
    assert_eq!(fake.seen()[1].q("$filter"), "onPremisesSamAccountName eq ''' or 1 eq 1 or id eq '''");
}

#[tokio::test]
async fn memberships_are_read_over_all_pages() {
    let fake = says(|seen| {
        if seen.q("page") == "2" {
            return Reply::list(vec![
                json!({"@odata.type": "#microsoft.graph.directoryRole", "id": ID, "roleTemplateId": GROUP}),
            ]);
        }
        let link = format!("{}{}?page=2", seen.origin(), seen.path);
        Reply::json(json!({"value": [{"@odata.type": "#microsoft.graph.group", "id": GROUP}], "@odata.nextLink": link}))
    })
    .await;
    let found = people(&fake).memberships(&entra()).await.unwrap().unwrap();
    assert_eq!(found, [Membership::EntraGroup(GROUP.parse().unwrap()), Membership::EntraRole(GROUP.parse().unwrap())]);
    assert_eq!(fake.seen()[0].path, format!("/v1.0/users/{ID}/transitiveMemberOf"));
}

#[tokio::test]
async fn memberships_that_are_not_read_whole_are_an_error() {
    let endless = says(|seen| {
        Reply::json(json!({"value": [], "@odata.nextLink": format!("{}{}?again", seen.origin(), seen.path)}))
    })
    .await;
    assert_eq!(people(&endless).memberships(&entra()).await.unwrap_err().kind, FailureKind::Unreadable);
    let rotten = says(|_| Reply::list(vec![json!({"@odata.type": "#microsoft.graph.directoryRole", "id": ID})])).await;
    assert_eq!(people(&rotten).memberships(&entra()).await.unwrap_err().kind, FailureKind::Unreadable);
    let ad = AccountRef::Ad(SID.parse().unwrap());
    assert_eq!(people(&rotten).memberships(&ad).await.unwrap(), None);
}

#[tokio::test]
async fn each_intent_is_one_documented_request() {
    let users = format!("/v1.0/users/{ID}");
    let risk = "/v1.0/identityProtection/riskyUsers";
    let members = format!("/v1.0/groups/{GROUP}/members");
    for (intent, line, body) in [
        (of(Verb::SuspendEntraUser), format!("PATCH {users}"), json!({"accountEnabled": false})),
        (of(Verb::RestoreEntraUser), format!("PATCH {users}"), json!({"accountEnabled": true})),
        (of(Verb::RevokeSessions), format!("POST {users}/revokeSignInSessions"), Value::Null),
        (
            of(Verb::RequirePasswordChange),
            format!("PATCH {users}"),
            json!({"passwordProfile": {"forceChangePasswordNextSignIn": true}}),
        ),
        (of(Verb::MarkCompromised), format!("POST {risk}/confirmCompromised"), json!({"userIds": [ID]})),
        (of(Verb::DismissRisk), format!("POST {risk}/dismiss"), json!({"userIds": [ID]})),
        (in_group(Verb::RemoveFromGroup), format!("DELETE {members}/{ID}/$ref"), Value::Null),
    ] {
        let fake = says(|_| Reply::empty(204).header("request-id", "r-1")).await;
        let correlation = accepted(actions(&fake).apply(begun(entra(), intent.clone(), false)).await);
        assert_eq!(correlation.as_deref(), Some("r-1"));
        let seen = fake.only();
        assert_eq!((seen.line(), seen.body), (line, body), "{intent}");
    }
    let fake = says(|_| Reply::empty(204)).await;
    accepted(actions(&fake).apply(begun(entra(), in_group(Verb::AddToGroup), false)).await);
    let seen = fake.only();
    assert_eq!(seen.line(), format!("POST {members}/$ref"));
    assert_eq!(seen.body, json!({"@odata.id": format!("{}/directoryObjects/{ID}", fake.graph().root)}));
}

#[tokio::test]
async fn a_scrambled_password_is_another_one_each_time_and_stands_in_no_text_of_ours() {
    let mut passwords = Vec::new();
    for status in [204, 400] {
        let fake = says(move |_| Reply::error(status, "Request_BadRequest")).await;
        let answered = actions(&fake).apply(begun(entra(), of(Verb::ScramblePassword), false)).await;
        let profile = fake.only().body["passwordProfile"].clone();
        let password = profile["password"].as_str().unwrap().to_owned();
        assert!(password.len() >= 64 && password.len() <= 256, "{}", password.len());
        assert_eq!(profile["forceChangePasswordNextSignIn"], true);
        assert!(!format!("{answered:?}").contains(&password));
        passwords.push(password);
    }
    assert_ne!(passwords[0], passwords[1]);
}

#[test]
fn a_member_is_removed_by_its_reference_and_by_nothing_else() {
    let deletes: Vec<&str> = DIRECTORY
        .iter()
        .filter(|allowed| allowed.0 == crate::connect::http::Method::Delete)
        .map(|allowed| allowed.1)
        .collect();
    assert_eq!(deletes, [GROUP_MEMBER_REF]);
    assert!(GROUP_MEMBER_REF.ends_with("/$ref"));
}

#[tokio::test]
async fn any_answer_of_success_is_an_acceptance_and_a_failed_call_is_not_repeated() {
    for status in [200, 202, 204] {
        let fake = says(move |_| Reply::empty(status)).await;
        accepted(actions(&fake).apply(begun(entra(), of(Verb::RevokeSessions), false)).await);
    }
    for status in [429, 500, 503] {
        let fake = says(move |_| Reply::empty(status)).await;
        failed(actions(&fake).apply(begun(entra(), of(Verb::MarkCompromised), false)).await);
        assert_eq!(fake.seen().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn a_member_who_is_none_any_more_counts_as_removed_but_nothing_else_missing_counts() {
    let fake = says(|_| Reply::error(404, "Request_ResourceNotFound").header("request-id", "r-9")).await;
    let removed = actions(&fake).apply(begun(entra(), in_group(Verb::RemoveFromGroup), false)).await;
    assert_eq!(accepted(removed).as_deref(), Some("r-9"));
    for intent in [in_group(Verb::AddToGroup), of(Verb::SuspendEntraUser)] {
        assert_eq!(failed(actions(&fake).apply(begun(entra(), intent, false)).await).kind, FailureKind::NotFound);
    }
}

#[tokio::test]
async fn a_synced_users_password_and_what_is_not_entras_are_refused_without_a_request() {
    let fake = says(|_| Reply::empty(204)).await;
    let ad_group = Intent { verb: Verb::RemoveFromGroup, group: "S-1-5-21-1-2-3-512".parse().ok() };
    for (account, intent, hybrid, hint) in [
        (entra(), of(Verb::RequirePasswordChange), true, "synced from Active Directory"),
        (entra(), of(Verb::ScramblePassword), true, "synced from Active Directory"),
        (AccountRef::Ad(SID.parse().unwrap()), of(Verb::SuspendEntraUser), false, "not in Entra"),
        (entra(), of(Verb::DisableAdUser), false, "does not do that"),
        (entra(), ad_group, false, "group is not in Entra"),
        (entra(), of(Verb::RemoveFromGroup), false, "group is not in Entra"),
    ] {
        let failure = failed(actions(&fake).apply(begun(account, intent, hybrid)).await);
        assert_eq!((failure.kind, failure.sent), (FailureKind::Refused, Sent::No));
        assert!(failure.hint.contains(hint), "{failure}");
    }
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn a_403_names_the_permission_and_the_role_for_administrators() {
    let fake = says(|_| Reply::error(403, "Authorization_RequestDenied")).await;
    for (intent, names) in [
        (of(Verb::SuspendEntraUser), ["User.EnableDisableAccount.All", "Privileged Authentication Administrator"]),
        (of(Verb::RequirePasswordChange), ["User-PasswordProfile.ReadWrite.All", "User Administrator"]),
        (in_group(Verb::RemoveFromGroup), ["GroupMember.ReadWrite.All", "RoleManagement.ReadWrite.Directory"]),
        (of(Verb::MarkCompromised), ["IdentityRiskyUser.ReadWrite.All", "P2"]),
    ] {
        let failure = failed(actions(&fake).apply(begun(entra(), intent, false)).await);
        assert!(names.iter().all(|name| failure.hint.contains(name)), "{failure}");
    }
}

#[tokio::test]
async fn the_account_itself_says_how_it_stands() {
    let fake = says(|_| {
        Reply::json(
            json!({"id": ID, "accountEnabled": false, "signInSessionsValidFromDateTime": "2026-01-02T03:04:05Z",
            "lastPasswordChangeDateTime": NOW.to_string()}),
        )
    })
    .await;
    assert_eq!(fact(&fake, &of(Verb::SuspendEntraUser), None).await, Fact::Enabled(false));
    let since = "2026-01-02T03:04:05Z".parse().ok();
    assert_eq!(fact(&fake, &of(Verb::RevokeSessions), None).await, Fact::SessionsValidFrom(since));
    let change = of(Verb::RequirePasswordChange);
    assert_eq!(fact(&fake, &change, Some(NOW)).await, Fact::Password { never_expires: None, changed: Some(NOW) });
    assert_eq!(fact(&fake, &change, None).await, Fact::Password { never_expires: None, changed: None });
    let later = Some(NOW.plus(std::time::Duration::from_secs(1)));
    assert_eq!(fact(&fake, &change, later).await, Fact::Password { never_expires: None, changed: None });
}

#[tokio::test]
async fn an_account_that_is_gone_is_absent_and_another_ones_answer_is_none() {
    let gone = says(|_| Reply::error(404, "Request_ResourceNotFound")).await;
    for intent in [of(Verb::SuspendEntraUser), of(Verb::RevokeSessions), in_group(Verb::RemoveFromGroup)] {
        assert_eq!(fact(&gone, &intent, None).await, Fact::Absent);
    }
    let other = says(|_| Reply::json(json!({"id": GROUP, "accountEnabled": false, "riskState": "atRisk"}))).await;
    for verb in [Verb::SuspendEntraUser, Verb::MarkCompromised] {
        let failure = actions(&other).observe(&subject(entra()), &of(verb), None).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Unreadable);
    }
    let silent = says(|_| Reply::json(json!({"id": ID}))).await;
    assert!(actions(&silent).observe(&subject(entra()), &of(Verb::SuspendEntraUser), None).await.is_err());
}

#[tokio::test]
async fn risk_is_identity_protections_word_and_nobody_listed_has_none() {
    let fake = says(|_| Reply::json(json!({"id": ID, "riskState": "confirmedCompromised", "riskLevel": "high"}))).await;
    let seen = actions(&fake).observe(&subject(entra()), &of(Verb::MarkCompromised), None).await.unwrap();
    assert_eq!((seen.by, seen.at), (Witness::IdentityProtection, NOW));
    assert_eq!(seen.fact, Fact::Risk { state: "confirmedCompromised".into(), level: "high".into() });
    assert_eq!(fake.only().path, format!("/v1.0/identityProtection/riskyUsers/{ID}"));
    let unlisted = says(|_| Reply::error(404, "ResourceNotFound")).await;
    assert_eq!(
        fact(&unlisted, &of(Verb::DismissRisk), None).await,
        Fact::Risk { state: "none".into(), level: "none".into() }
    );
}

#[tokio::test]
async fn membership_is_the_direct_one_over_all_pages() {
    let fake = says(|seen| {
        if seen.q("page") == "2" {
            return Reply::list(vec![json!({"@odata.type": "#microsoft.graph.group", "id": GROUP})]);
        }
        let link = format!("{}{}?page=2", seen.origin(), seen.path);
        Reply::json(json!({"value": [{"id": ID}], "@odata.nextLink": link}))
    })
    .await;
    assert_eq!(fact(&fake, &in_group(Verb::RemoveFromGroup), None).await, Fact::Member(true));
    assert_eq!(fake.seen()[0].path, format!("/v1.0/users/{ID}/memberOf"));
    let none = says(|_| Reply::list(vec![])).await;
    assert_eq!(fact(&none, &in_group(Verb::AddToGroup), None).await, Fact::Member(false));
}

const ROLE: &str = "62e90394-69f5-4237-9190-012177145e10";

fn assignment(kind: &str, id: &str, scope: &str) -> Value {
    let principal = json!({"@odata.type": format!("#microsoft.graph.{kind}"), "id": id});
    json!({"id": "a", "principalId": id, "roleDefinitionId": ROLE, "directoryScopeId": scope, "principal": principal})
}

#[tokio::test]
async fn members_of_a_role_are_users_nested_ones_too_and_only_those_for_the_whole_tenant() {
    let other = "22222222-2222-3333-4444-555555555555";
    let fake = says(move |seen| match seen.path.as_str() {
        "/v1.0/roleManagement/directory/roleAssignments" => Reply::list(vec![
            assignment("user", ID, "/"),
            assignment("group", GROUP, "/"),
            assignment("servicePrincipal", "33333333-2222-3333-4444-555555555555", "/"),
            assignment("user", "44444444-2222-3333-4444-555555555555", "/administrativeUnits/1"),
        ]),
        _ => Reply::list(vec![
            json!({"@odata.type": "#microsoft.graph.user", "id": other}),
            json!({"@odata.type": "#microsoft.graph.group", "id": GROUP}),
        ]),
    })
    .await;
    let found = people(&fake).members_of_role(ROLE.parse().unwrap()).await.unwrap().unwrap();
    assert_eq!(found, [entra(), AccountRef::Entra(other.parse().unwrap())]);
    let seen = fake.seen();
    assert_eq!(seen[0].q("$filter"), format!("roleDefinitionId eq '{ROLE}'"));
    assert_eq!((seen[1].path.as_str(), seen.len()), (format!("/v1.0/groups/{GROUP}/transitiveMembers").as_str(), 2));
}

#[tokio::test]
async fn an_assignment_that_does_not_say_whom_it_is_for_is_an_error_and_not_nobody() {
    for principal in [json!(null), json!({"id": ID}), json!({"@odata.type": "#microsoft.graph.user"})] {
        let mut item = assignment("user", ID, "/");
        item["principal"] = principal;
        let fake = says(move |_| Reply::list(vec![item.clone()])).await;
        let failure = people(&fake).members_of_role(ROLE.parse().unwrap()).await.unwrap_err();
        assert_eq!(failure.kind, FailureKind::Unreadable);
    }
    let refused = says(|_| Reply::error(403, "Authorization_RequestDenied")).await;
    let failure = people(&refused).members_of_role(ROLE.parse().unwrap()).await.unwrap_err();
    assert!(failure.hint.contains("RoleManagement.Read.Directory"), "{failure}");
}
