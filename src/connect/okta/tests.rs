use serde_json::{Value, json};

use super::*;
use crate::connect::graph::fake::{Fake, NOW, Reply, Seen, accepted, begun, failed, of, still, subject};
use crate::connect::port::{Effector, People};
use crate::model::account::AccountRef;
use crate::model::intent::{Intent, Verb};
use crate::model::observation::{Fact, Witness};
use crate::model::person::{LookupKey, Membership};
use crate::model::time::At;

const ID: &str = "00uadele";

fn okta() -> AccountRef {
    AccountRef::Okta { org: "main".to_owned(), id: ID.parse().unwrap() }
}

fn in_group(verb: Verb) -> Intent {
    Intent { verb, group: "00gadmins".parse().ok() }
}

fn user(id: &str, login: &str) -> Value {
    json!({"id": id, "status": "ACTIVE", "profile": {"login": login}})
}

fn orgs(fake: &Fake) -> Orgs {
    Orgs::from([("main".to_owned(), fake.root_api(ALLOWED))])
}

fn actions(fake: &Fake) -> OktaActions {
    OktaActions::new(orgs(fake), still())
}

fn array(items: Vec<Value>) -> Reply {
    Reply::json(Value::Array(items))
}

fn refusal() -> Reply {
    Reply::status(400, &json!({"errorCode": "E0000001", "errorSummary": "Cannot suspend", "errorId": "oae1"}))
}

async fn fact(fake: &Fake, intent: &Intent, since: Option<At>) -> Fact {
    actions(fake).observe(&subject(okta()), intent, since).await.unwrap().fact
}

#[tokio::test]
async fn users_are_found_by_id_and_login_and_another_answer_is_dropped() {
    let fake = Fake::start(|_| Reply::json(user(ID, "Adele.O'Brien@contoso.com"))).await;
    let people = OktaPeople::new(orgs(&fake));
    let by_login = |login: &str| LookupKey::Upn(login.parse().unwrap());
    let found = people.find(&by_login("adele.o'brien@contoso.com")).await.unwrap();
    assert_eq!(found[0].account, okta());
    assert_eq!(fake.only().path, "/api/v1/users/adele.o%27brien%40contoso.com");
    assert_eq!(people.find(&LookupKey::OktaId(ID.parse().unwrap())).await.unwrap().len(), 1);
    for key in [by_login("adele@other.com"), LookupKey::OktaId("00uother".parse().unwrap())] {
        assert_eq!(people.find(&key).await.unwrap(), vec![], "{key:?}");
    }
}

#[tokio::test]
async fn nobody_is_nobody_and_keys_of_other_directories_ask_nothing() {
    let fake = Fake::start(|_| Reply::status(404, &json!({"errorCode": "E0000007"}))).await;
    let people = OktaPeople::new(orgs(&fake));
    assert_eq!(people.find(&LookupKey::EntraId(uuid::Uuid::nil())).await.unwrap(), vec![]);
    assert!(fake.seen().is_empty());
    assert_eq!(people.find(&LookupKey::OktaId(ID.parse().unwrap())).await.unwrap(), vec![]);
}

#[tokio::test]
async fn every_org_is_asked_and_all_candidates_come_back() {
    let one = Fake::start(|_| Reply::json(user("00uone", "a@b.c"))).await;
    let two = Fake::start(|_| Reply::json(user("00utwo", "a@b.c"))).await;
    let orgs = Orgs::from([("one".to_owned(), one.root_api(ALLOWED)), ("two".to_owned(), two.root_api(ALLOWED))]);
    let found = OktaPeople::new(orgs).find(&LookupKey::Upn("a@b.c".parse().unwrap())).await.unwrap();
    let names: Vec<String> = found.iter().map(|found| found.account.to_string()).collect();
    assert_eq!(names, ["okta:one/00uone", "okta:two/00utwo"]);
}

/// Two pages, linked as Okta does: `self` and `next` in one header.
fn paged(seen: &Seen, first: Vec<Value>, second: Vec<Value>) -> Reply {
    if seen.q("after") == "x" {
        return array(second);
    }
    let own = format!("{}{}", seen.origin(), seen.path);
    array(first).header("link", format!("<{own}?limit=1>; rel=\"self\", <{own}?after=x&limit=1,2>; rel=\"next\""))
}

#[tokio::test]
async fn groups_over_all_pages_and_roles_are_memberships() {
    let fake = Fake::start(|seen| {
        if seen.path.ends_with("/roles") {
            return array(vec![json!({"type": "SUPER_ADMIN", "status": "ACTIVE"})]);
        }
        paged(seen, vec![json!({"id": "00g1"})], vec![json!({"id": "00g2"})])
    })
    .await;
    let found = OktaPeople::new(orgs(&fake)).memberships(&okta()).await.unwrap().unwrap();
    let group = |id: &str| Membership::OktaGroup(id.to_owned());
    assert_eq!(found, [group("00g1"), group("00g2"), Membership::OktaRole("SUPER_ADMIN".to_owned())]);
}

#[tokio::test]
async fn roles_that_may_not_be_read_are_an_error_and_not_none() {
    let fake = Fake::start(|seen| {
        if seen.path.ends_with("/roles") {
            Reply::status(403, &json!({"errorCode": "E0000006"}))
        } else {
            array(vec![])
        }
    })
    .await;
    let failure = OktaPeople::new(orgs(&fake)).memberships(&okta()).await.unwrap_err();
    assert!(failure.hint.contains("okta.roles.read"), "{failure}");
}

#[tokio::test]
async fn a_link_to_another_host_is_not_followed_and_an_endless_one_ends() {
    let evil =
        Fake::start(|_| array(vec![]).header("link", "<https://evil.example/api/v1/users/x/groups>; rel=\"next\""))
            .await;
    let look = |fake| {
        let actions = actions(fake);
        async move { actions.observe(&subject(okta()), &in_group(Verb::RemoveFromGroup), None).await.unwrap_err().kind }
    };
    assert_eq!(look(&evil).await, FailureKind::NotAttempted);
    let endless =
        Fake::start(|seen| array(vec![]).header("link", format!("<{}{}?a=1>; rel=next", seen.origin(), seen.path)))
            .await;
    assert_eq!(look(&endless).await, FailureKind::Unreadable);
    assert!(endless.seen().len() <= MOST_PAGES + 1);
}

#[tokio::test]
async fn each_intent_is_one_documented_request() {
    let users = format!("/api/v1/users/{ID}");
    for (intent, line, query) in [
        (of(Verb::SuspendOktaUser), format!("POST {users}/lifecycle/suspend"), vec![]),
        (of(Verb::UnsuspendOktaUser), format!("POST {users}/lifecycle/unsuspend"), vec![]),
        (of(Verb::DeactivateOktaUser), format!("POST {users}/lifecycle/deactivate"), vec![("sendEmail", "false")]),
        (
            of(Verb::RevokeSessions),
            format!("DELETE {users}/sessions"),
            vec![("forgetDevices", "false"), ("oauthTokens", "true")],
        ),
        (in_group(Verb::RemoveFromGroup), format!("DELETE /api/v1/groups/00gadmins/users/{ID}"), vec![]),
        (in_group(Verb::AddToGroup), format!("PUT /api/v1/groups/00gadmins/users/{ID}"), vec![]),
    ] {
        let fake = Fake::start(|_| Reply::json(json!({})).header("x-okta-request-id", "r-1")).await;
        let correlation = accepted(actions(&fake).apply(begun(okta(), intent.clone(), false)).await);
        assert_eq!(correlation.as_deref(), Some("r-1"));
        let seen = fake.only();
        let sent: Vec<(&str, &str)> = seen.query.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!((seen.line(), sent), (line, query), "{intent}");
    }
}

#[tokio::test]
async fn oktas_refusal_is_handed_on_and_nothing_is_repeated() {
    let fake = Fake::start(|_| refusal()).await;
    let failure = failed(actions(&fake).apply(begun(okta(), of(Verb::SuspendOktaUser), false)).await);
    assert_eq!((failure.kind, failure.vendor.unwrap().code.as_str()), (FailureKind::Refused, "E0000001"));
    assert_eq!(fake.seen().len(), 1);
    for status in [429, 500, 503] {
        let fake = Fake::start(move |_| Reply::empty(status)).await;
        failed(actions(&fake).apply(begun(okta(), of(Verb::RevokeSessions), false)).await);
        assert_eq!(fake.seen().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn what_is_not_oktas_is_refused_without_a_request() {
    let fake = Fake::start(|_| Reply::json(json!({}))).await;
    let elsewhere = AccountRef::Okta { org: "unknown".to_owned(), id: ID.parse().unwrap() };
    let entra_group = Intent { verb: Verb::RemoveFromGroup, group: uuid::Uuid::nil().to_string().parse().ok() };
    let me = AccountRef::Okta { org: "main".to_owned(), id: "me".parse().unwrap() };
    for (account, intent) in [
        (me, of(Verb::SuspendOktaUser)),
        (AccountRef::Entra(uuid::Uuid::nil()), of(Verb::SuspendOktaUser)),
        (elsewhere, of(Verb::SuspendOktaUser)),
        (okta(), of(Verb::MarkCompromised)),
        (okta(), entra_group),
    ] {
        assert_eq!(failed(actions(&fake).apply(begun(account, intent, false)).await).kind, FailureKind::NotAttempted);
    }
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn status_and_membership_are_oktas_own_word() {
    let fake = Fake::start(|seen| {
        if seen.path.ends_with("/groups") {
            return paged(seen, vec![json!({"id": "00gadmins2"})], vec![json!({"id": "00gadmins"})]);
        }
        Reply::json(json!({"id": ID, "status": "LOCKED_OUT"}))
    })
    .await;
    let seen = actions(&fake).observe(&subject(okta()), &of(Verb::SuspendOktaUser), None).await.unwrap();
    assert_eq!((seen.by, seen.fact, seen.at), (Witness::Okta, Fact::OktaStatus("LOCKED_OUT".into()), NOW));
    assert_eq!(fact(&fake, &in_group(Verb::RemoveFromGroup), None).await, Fact::Member(true));
    let gone = Fake::start(|_| Reply::status(404, &json!({"errorCode": "E0000007"}))).await;
    assert_eq!(fact(&gone, &of(Verb::SuspendOktaUser), None).await, Fact::Absent);
    assert_eq!(fact(&gone, &in_group(Verb::AddToGroup), None).await, Fact::Absent);
    let other = Fake::start(|_| Reply::json(json!({"id": "00uother", "status": "SUSPENDED"}))).await;
    assert!(actions(&other).observe(&subject(okta()), &of(Verb::SuspendOktaUser), None).await.is_err());
}

#[tokio::test]
async fn cleared_sessions_are_seen_in_the_log_since_our_call() {
    let event = |target: &str, seconds: i64| {
        json!({"eventType": "user.session.clear", "published": at(seconds).to_string(),
            "outcome": {"result": "SUCCESS"}, "target": [{"id": target, "type": "User"}]})
    };
    let events = vec![event("00uother", 90), event(ID, 7), event(ID, -60)];
    let fake = Fake::start(move |_| array(events.clone())).await;
    let intent = of(Verb::RevokeSessions);
    assert_eq!(fact(&fake, &intent, Some(NOW)).await, Fact::SessionsCleared(Some(at(7))));
    assert_eq!(fact(&fake, &intent, Some(at(8))).await, Fact::SessionsCleared(None));
    let seen = fake.seen().remove(0);
    assert_eq!(seen.q("filter"), "eventType eq \"user.session.clear\" and target.id eq \"00uadele\"");
    assert_eq!((seen.q("since"), seen.q("sortOrder")), (NOW.to_string().as_str(), "DESCENDING"));
}

#[test]
fn links_are_read_from_one_header_or_several_and_only_next_is_next() {
    let all: Vec<_> = links("<https://o/a?x=1,2>; rel=\"self\", <https://o/b>; REL=next; title=\"n\"").collect();
    assert_eq!(all, [("https://o/a?x=1,2", false), ("https://o/b", true)]);
    assert_eq!(links("nonsense; rel=next").count(), 0);
    assert_eq!(links("<unclosed; rel=next").count(), 0);
}

fn at(seconds: i64) -> At {
    At::from_ticks(NOW.ticks() + seconds * crate::model::time::TICKS_PER_SECOND)
}
