use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Value, json};
use uuid::Uuid;

use super::*;
use crate::connect::graph::fake::{Fake, NOW, Reply, accepted, begun, failed, of, still, subject, trouble};
use crate::connect::port::{Effector, People};
use crate::model::account::AccountRef;
use crate::model::failure::FailureKind;
use crate::model::observation::{Fact, Witness};
use crate::model::person::LookupKey;

const SID: &str = "S-1-5-21-1-2-3-1104";

fn ad() -> AccountRef {
    AccountRef::Ad(SID.parse().unwrap())
}

fn identity(id: &str, sid: &str, enabled: bool) -> Value {
    json!({"id": id, "onPremisesSecurityIdentifier": sid, "isEnabled": enabled,
        "accounts": [{"provider": "ActiveDirectory", "identifier": "acc", "actions": []}]})
}

async fn vendor(identities: Vec<Value>) -> Fake {
    Fake::start(move |_| Reply::list(identities.clone())).await
}

fn actions(fake: &Fake) -> DefenderActions {
    DefenderActions::new(&fake.graph(), still(), None, None)
}

/// Records as given, or trouble.
struct Records(Result<Vec<(Verb, At)>, ()>);

#[async_trait]
impl AuditRecords for Records {
    async fn last(&self, _subject: &Subject, verb: Verb, since: At) -> Result<Option<At>, Failure> {
        let records = self.0.as_ref().map_err(|()| trouble())?;
        Ok(records.iter().filter(|(of, at)| *of == verb && *at >= since).map(|(_, at)| *at).max())
    }
}

#[async_trait]
impl PasswordPolicy for Records {
    async fn never_expires(&self, _subject: &Subject) -> Result<Option<bool>, Failure> {
        Ok(Some(true))
    }
}

fn with_records(fake: &Fake, records: Result<Vec<(Verb, At)>, ()>) -> DefenderActions {
    let records = Arc::new(Records(records));
    DefenderActions::new(&fake.graph(), still(), Some(records.clone()), Some(records))
}

fn at(seconds: i64) -> At {
    At::from_ticks(NOW.ticks() + seconds * crate::model::time::TICKS_PER_SECOND)
}

#[tokio::test]
async fn an_identity_is_asked_for_by_sid_and_answers_about_others_are_dropped() {
    let fake =
        vendor(vec![identity("other", "S-1-5-21-1-2-3-1105", true), json!(3), identity("mine", SID, true)]).await;
    let people = DefenderPeople::new(&fake.graph(), None);
    let found = people.find(&LookupKey::Sid(SID.parse().unwrap())).await.unwrap();
    assert_eq!(found.len(), 1);
    assert_eq!(found[0].handle.as_ref().unwrap().identity, "mine");
    let seen = fake.only();
    assert_eq!(seen.line(), "GET /v1.0/security/identities/identityAccounts");
    assert_eq!(seen.q("$filter"), format!("onPremisesSecurityIdentifier eq '{SID}'"));
}

#[tokio::test]
async fn keys_that_defender_cannot_look_up_ask_nothing() {
    let fake = vendor(vec![]).await;
    let people = DefenderPeople::new(&fake.graph(), None);
    for key in [LookupKey::EntraId(Uuid::nil()), LookupKey::Upn("a@b.c".parse().unwrap())] {
        assert_eq!(people.find(&key).await.unwrap(), vec![]);
    }
    assert_eq!(people.memberships(&ad()).await.unwrap(), None);
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn each_intent_is_one_documented_request_with_the_two_ids_in_their_places() {
    for (verb, word) in [
        (Verb::DisableAdUser, "disable"),
        (Verb::EnableAdUser, "enable"),
        (Verb::RequirePasswordChange, "forcePasswordReset"),
    ] {
        let fake = Fake::start(|_| Reply::json(json!({"value": {"correlationId": "c-1"}}))).await;
        let correlation = accepted(actions(&fake).apply(begun(ad(), of(verb), false)).await);
        assert_eq!(correlation.as_deref(), Some("c-1"));
        let seen = fake.only();
        assert_eq!(seen.line(), "POST /v1.0/security/identities/identityAccounts/ident-1/invokeAction");
        assert_eq!(seen.body, json!({"accountId": "acc/1", "action": word, "identityProvider": "activeDirectory"}));
    }
}

#[tokio::test]
async fn a_call_that_failed_is_not_repeated() {
    for status in [429, 500, 503, 504] {
        let fake = Fake::start(move |_| Reply::empty(status)).await;
        failed(actions(&fake).apply(begun(ad(), of(Verb::DisableAdUser), false)).await);
        assert_eq!(fake.seen().len(), 1, "{status}");
    }
}

#[tokio::test]
async fn an_accepted_call_with_an_unreadable_body_stays_accepted() {
    let fake = Fake::start(|_| Reply::empty(200).header("request-id", "r-1")).await;
    assert_eq!(
        accepted(actions(&fake).apply(begun(ad(), of(Verb::DisableAdUser), false)).await).as_deref(),
        Some("r-1")
    );
}

#[tokio::test]
async fn what_the_route_cannot_do_is_refused_without_a_request() {
    let fake = vendor(vec![]).await;
    for go in [
        begun(ad(), of(Verb::RevokeSessions), false),
        begun(AccountRef::Entra(Uuid::nil()), of(Verb::DisableAdUser), false),
    ] {
        assert_eq!(failed(actions(&fake).apply(go).await).kind, FailureKind::NotAttempted);
    }
    let looked = actions(&fake).observe(&subject(ad()), &of(Verb::SuspendOktaUser), None).await;
    assert_eq!(looked.unwrap_err().kind, FailureKind::NotAttempted);
    assert!(fake.seen().is_empty());
}

#[tokio::test]
async fn a_missing_permission_is_named() {
    let fake = Fake::start(|_| Reply::error(403, "Authorization_RequestDenied")).await;
    let failure = failed(actions(&fake).apply(begun(ad(), of(Verb::DisableAdUser), false)).await);
    assert!(failure.hint.contains("SecurityIdentitiesActions.ReadWrite.All"), "{failure}");
}

#[tokio::test]
async fn the_mirror_says_whether_the_account_is_enabled() {
    for (identities, fact) in [
        (vec![identity("i", SID, false)], Fact::Enabled(false)),
        (vec![identity("i", SID, true)], Fact::Enabled(true)),
        (vec![identity("i", "S-1-5-21-1-2-3-9", true)], Fact::Absent),
        (vec![identity("i", SID, true), identity("ident-1", SID, false)], Fact::Enabled(false)),
    ] {
        let fake = vendor(identities).await;
        let seen = actions(&fake).observe(&subject(ad()), &of(Verb::DisableAdUser), Some(NOW)).await.unwrap();
        assert_eq!((seen.by, seen.fact, seen.at), (Witness::Defender, fact, NOW));
    }
    let fake = vendor(vec![identity("a", SID, true), identity("b", SID, true)]).await;
    assert!(
        actions(&fake)
            .observe(&subject(ad()), &of(Verb::EnableAdUser), None)
            .await
            .is_ok_and(|o| o.fact == Fact::Absent)
    );
}

#[tokio::test]
async fn a_record_since_our_call_is_stronger_than_the_mirror_and_the_later_one_counts() {
    let fake = vendor(vec![identity("i", SID, true)]).await;
    let look = async |records, since| {
        let actions = with_records(&fake, records);
        let seen = actions.observe(&subject(ad()), &of(Verb::DisableAdUser), since).await.unwrap();
        (seen.by, seen.fact)
    };
    let disabled = (Verb::DisableAdUser, at(5));
    let by_events = |enabled| (Witness::DirectoryEvents, Fact::Enabled(enabled));
    let by_mirror = (Witness::Defender, Fact::Enabled(true));
    assert_eq!(look(Ok(vec![disabled]), Some(NOW)).await, by_events(false));
    assert_eq!(look(Ok(vec![disabled, (Verb::EnableAdUser, at(9))]), Some(NOW)).await, by_events(true));
    assert_eq!(look(Ok(vec![disabled]), Some(at(6))).await, by_mirror, "a record from before the call");
    assert_eq!(look(Ok(vec![disabled]), None).await, by_mirror, "nothing was called yet");
    assert_eq!(look(Err(()), Some(NOW)).await, by_mirror, "records that cannot be read");
}

#[tokio::test]
async fn a_required_password_change_is_seen_in_the_records_only() {
    let fake = vendor(vec![]).await;
    let intent = of(Verb::RequirePasswordChange);
    let actions = with_records(&fake, Ok(vec![(Verb::RequirePasswordChange, at(3))]));
    let before = actions.observe(&subject(ad()), &intent, None).await.unwrap();
    assert_eq!(before.fact, Fact::Password { never_expires: Some(true), changed: None });
    let after = actions.observe(&subject(ad()), &intent, Some(NOW)).await.unwrap();
    assert_eq!(
        (after.by, after.fact),
        (Witness::DirectoryEvents, Fact::Password { never_expires: Some(true), changed: Some(at(3)) })
    );
    let broken = with_records(&fake, Err(())).observe(&subject(ad()), &intent, Some(NOW)).await;
    assert!(broken.is_err(), "unreadable records are not the absence of one");
}
