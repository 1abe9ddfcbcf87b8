use std::collections::BTreeMap;
use std::sync::Mutex as Shared;

use super::*;
use crate::connect::graph::fake::{Fake, Reply, Seen, still};
use crate::connect::loopback::StillClock;
use crate::model::incident::IncidentRef;
use crate::model::scope::WorkspaceKey;

fn note(text: &str) -> BegunNote {
    let incident =
        IncidentRef::Defender { workspace: WorkspaceKey(uuid::Uuid::nil()), name: uuid::Uuid::nil(), id: "7".into() };
    BegunNote::for_test(NoteId::derive(&["a"]), incident, text)
}

/// Incidents by id; comments are appended.
async fn tenant(incidents: &[(&str, Value)]) -> Fake {
    let all: BTreeMap<String, Value> = incidents.iter().map(|(id, body)| ((*id).to_owned(), body.clone())).collect();
    let all = Shared::new(all);
    Fake::start(move |seen: &Seen| {
        let mut all = all.lock().unwrap();
        let rest = seen.path.trim_start_matches("/security/incidents/").to_owned();
        let (id, comments) = rest.strip_suffix("/comments").map_or((rest.as_str(), false), |id| (id, true));
        let Some(incident) = all.get_mut(id) else { return Reply::error(404, "NotFound") };
        if seen.method == "PATCH" {
            incident["customTags"] = seen.body["customTags"].clone();
        }
        if !comments {
            return Reply::json(incident.clone());
        }
        if incident["comments"].is_null() {
            incident["comments"] = json!([]);
        }
        incident["comments"].as_array_mut().unwrap().push(seen.body.clone());
        Reply::json(json!({"value": incident["comments"]})).header("request-id", "r-1")
    })
    .await
}

fn incidents(fake: &Fake, clock: Arc<dyn Clock>) -> DefenderIncidents {
    DefenderIncidents { api: fake.root_api(ALLOWED), clock, forbidden: Mutex::const_new(None) }
}

fn posted(fake: &Fake) -> Vec<(String, String)> {
    let posts = fake.seen().into_iter().filter(|seen| seen.method == "POST");
    posts.map(|seen| (seen.path.clone(), seen.body["comment"].as_str().unwrap_or_default().to_owned())).collect()
}

#[tokio::test]
async fn a_comment_is_posted_once_however_often_it_is_asked_for() {
    let fake =
        tenant(&[("7", json!({"id": "7", "comments": [{"comment": "hello"}, null, {"comment": null}, 5]}))]).await;
    let defender = incidents(&fake, still());
    assert_eq!(defender.post("7", &note("told")).await.unwrap(), Some("r-1".to_owned()));
    assert_eq!(defender.post("7", &note("told")).await.unwrap(), None);
    let text = format!("told\n[riposte {}]", NoteId::derive(&["a"]));
    assert_eq!(posted(&fake), [("/security/incidents/7/comments".to_owned(), text)]);
    let body = &fake.seen()[1].body;
    assert_eq!(body["@odata.type"], "microsoft.graph.security.alertComment");
}

#[tokio::test]
async fn a_comment_goes_where_the_redirects_lead_and_is_looked_for_on_the_way() {
    let ours = format!("told [riposte {}]", NoteId::derive(&["a"]));
    let chain = |comments: Value| {
        [
            ("7", json!({"redirectIncidentId": "8", "comments": comments})),
            ("8", json!({"redirectIncidentId": 9})),
            ("9", json!({"redirectIncidentId": null})),
        ]
    };
    let fake = tenant(&chain(json!([]))).await;
    incidents(&fake, still()).post("7", &note("told")).await.unwrap();
    assert_eq!(posted(&fake)[0].0, "/security/incidents/9/comments");
    let fake = tenant(&chain(json!([{"comment": ours}]))).await;
    incidents(&fake, still()).post("7", &note("told")).await.unwrap();
    assert!(posted(&fake).is_empty(), "it was written before the incidents were merged");
}

#[tokio::test]
async fn incidents_that_lead_to_each_other_are_told_and_nothing_is_posted() {
    let fake = tenant(&[("7", json!({"redirectIncidentId": "8"})), ("8", json!({"redirectIncidentId": "7"}))]).await;
    let failure = incidents(&fake, still()).post("7", &note("told")).await.unwrap_err();
    assert!(failure.to_string().contains("lead to no end"), "{failure}");
    assert!(posted(&fake).is_empty());
}

#[tokio::test]
async fn a_note_that_is_too_long_is_not_sent() {
    let fake = tenant(&[("7", json!({}))]).await;
    let failure = incidents(&fake, still()).post("7", &note(&"ä".repeat(960))).await.unwrap_err();
    assert_eq!((failure.kind, fake.seen().len()), (FailureKind::NotAttempted, 0));
    incidents(&fake, still()).post("7", &note(&"ä".repeat(940))).await.unwrap();
}

#[tokio::test]
async fn a_tag_is_added_to_those_of_others_and_once() {
    let fake = tenant(&[("7", json!({"customTags": ["mine", null]}))]).await;
    let defender = incidents(&fake, still());
    defender.tag("7", "riposte").await.unwrap();
    defender.tag("7", "RIPOSTE").await.unwrap();
    let patches: Vec<Value> =
        fake.seen().into_iter().filter(|seen| seen.method == "PATCH").map(|seen| seen.body).collect();
    assert_eq!(patches, [json!({"customTags": ["mine", "riposte"]})]);
}

#[tokio::test]
async fn without_the_permission_an_incident_is_not_known_here_until_somebody_grants_it() {
    let granted = Arc::new(std::sync::atomic::AtomicBool::new(false));
    let may = Arc::clone(&granted);
    let fake = Fake::start(move |_: &Seen| {
        let may = may.load(std::sync::atomic::Ordering::SeqCst);
        if may { Reply::json(json!({})) } else { Reply::error(403, "Forbidden") }
    })
    .await;
    let clock = Arc::new(StillClock::default());
    let defender = incidents(&fake, Arc::clone(&clock) as Arc<dyn Clock>);
    assert!(!defender.knows("7").await.unwrap() && !defender.knows("8").await.unwrap());
    assert_eq!(fake.seen().len(), 1, "nobody asks again and again");
    granted.store(true, std::sync::atomic::Ordering::SeqCst);
    clock.forward(900);
    assert!(defender.knows("7").await.unwrap());
}

#[tokio::test]
async fn an_incident_that_nobody_can_be_asked_about_is_neither_known_nor_unknown() {
    let fake = Fake::start(|_: &Seen| Reply::error(409, "Trouble")).await;
    assert!(incidents(&fake, still()).knows("7").await.is_err());
}
