use std::collections::BTreeMap;
use std::sync::Mutex;

use axum::extract::{Path, Query, State};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post, put};
use axum::{Json, Router};

use super::*;
use crate::connect::kql_runner::{Rows, Timespan};
use crate::connect::loopback::{clock, serve, transport};
use crate::connect::token::{Anonymous, Authorize};
use crate::model::failure::Sent;
use crate::model::id::NoteId;
use crate::model::time::SystemClock;

const A: &str = "73e01a99-5cd7-4139-a149-9f2736ff2ab5";
const B: &str = "afbd324f-6c48-459c-8710-8d1e1cd03812";
const ALERT: &str = "0b0b0b0b-1c1c-2d2d-3e3e-4f4f4f4f4f4f";
const GROUP: &str = "/subscriptions/sub/resourceGroups/my%20rg/providers/Microsoft.OperationalInsights/workspaces/ws/providers/Microsoft.SecurityInsights/incidents";

/// A small Sentinel: incidents, who holds which alert, comments, and how often a PUT conflicts.
#[derive(Default)]
struct World {
    incidents: BTreeMap<String, Value>,
    alerts: BTreeMap<String, Vec<String>>,
    comments: BTreeMap<String, String>,
    conflicts: usize,
    full: bool,
}

type Shared = Arc<Mutex<World>>;

fn incident(name: &str, status: &str) -> Value {
    json!({
        "name": name,
        "etag": "\"e1\"",
        "properties": {
            "title": "t", "severity": "High", "status": status, "description": null, "incidentNumber": 7,
            "owner": {"objectId": "o"}, "providerName": "Azure Sentinel", "providerIncidentId": "7",
            "labels": [{"labelName": "mine", "labelType": "User"}], "additionalData": {"alertsCount": 1, "commentsCount": 3}
        }
    })
}

async fn get_one(
    State(world): State<Shared>,
    Path(name): Path<String>,
    Query(q): Query<BTreeMap<String, String>>,
) -> Response {
    assert_eq!(q["api-version"], VERSION);
    match world.lock().unwrap().incidents.get(&name) {
        Some(incident) => Json(incident.clone()).into_response(),
        None => (StatusCode::NOT_FOUND, Json(json!({"error": {"code": "NotFound", "message": "m"}}))).into_response(),
    }
}

async fn list(State(world): State<Shared>) -> Json<Value> {
    let all: Vec<Value> = world.lock().unwrap().incidents.values().cloned().collect();
    Json(json!({ "value": all }))
}

async fn alerts(State(world): State<Shared>, Path(name): Path<String>) -> Json<Value> {
    let held = world.lock().unwrap().alerts.get(&name).cloned().unwrap_or_default();
    let all: Vec<Value> =
        held.iter().map(|id| json!({"name": id, "kind": "SecurityAlert", "properties": null})).collect();
    Json(json!({ "value": all }))
}

async fn put_one(State(world): State<Shared>, Path(name): Path<String>, Json(body): Json<Value>) -> Response {
    let mut world = world.lock().unwrap();
    if world.conflicts > 0 {
        world.conflicts -= 1;
        let theirs = world.incidents.get_mut(&name).unwrap();
        theirs["etag"] = json!("\"e2\"");
        theirs["properties"]["labels"] = json!([{"labelName": "mine"}, {"labelName": "theirs"}]);
        return StatusCode::PRECONDITION_FAILED.into_response();
    }
    assert_eq!(body["etag"], world.incidents[&name]["etag"]);
    world.incidents.insert(name, body.clone());
    Json(body).into_response()
}

async fn put_comment(
    State(world): State<Shared>,
    Path((_, id)): Path<(String, String)>,
    Json(body): Json<Value>,
) -> Response {
    let mut world = world.lock().unwrap();
    if world.full {
        let words =
            json!({"error": {"code": "BadRequest", "message": "Incident reached the maximum number of comments"}});
        return (StatusCode::BAD_REQUEST, Json(words)).into_response();
    }
    let text = body["properties"]["message"].as_str().unwrap().to_owned();
    let status = if world.comments.insert(id, text).is_some() { StatusCode::OK } else { StatusCode::CREATED };
    (status, [("x-ms-request-id", "r-1")], Json(body)).into_response()
}

struct Table(Result<Rows, Failure>);

#[async_trait]
impl KqlRunner for Table {
    async fn run(&self, query: &str, _: Option<Timespan>) -> Result<Rows, Failure> {
        assert!(query.contains(&format!("has_any (\"{ALERT}\"")), "{query}");
        self.0.clone()
    }
}

fn rows(list: &[(&str, &str, &str, Value)]) -> Rows {
    let row = |(name, at, status, alerts): &(&str, &str, &str, Value)| {
        vec![json!(name), json!(at), json!(status), alerts.clone()]
    };
    Rows {
        columns: ["IncidentName", "TimeGenerated", "Status", "AlertIds"].map(str::to_owned).to_vec(),
        rows: list.iter().map(row).collect(),
        partial: false,
    }
}

async fn sentinel(world: World, table: Option<Rows>) -> (Shared, Sentinel) {
    let world = Arc::new(Mutex::new(world));
    let below = Router::new()
        .route("/", get(list))
        .route("/{name}", get(get_one).put(put_one))
        .route("/{name}/alerts", post(alerts))
        .route("/{name}/comments/{id}", put(put_comment))
        .with_state(Arc::clone(&world));
    let router = Router::new().nest(GROUP, below);
    let auth: Arc<dyn Authorize> = Arc::new(Anonymous);
    let paces = Paces { reads: Pace::unlimited(&clock(), 4), writes: Pace::unlimited(&clock(), 4) };
    let api = ResourceManager::new(&transport(), &serve(router).await, &auth.into(), paces).unwrap();
    let place = Place {
        key: WorkspaceKey(uuid::Uuid::nil()),
        subscription: "sub".into(),
        resource_group: "my rg".into(),
        workspace: "ws".into(),
    };
    (
        world,
        Sentinel::new(
            api,
            place,
            table.map(|rows| Arc::new(Table(Ok(rows))) as Arc<dyn KqlRunner>),
            Arc::new(SystemClock),
        ),
    )
}

fn world() -> World {
    let mut world = World::default();
    world.incidents.insert(A.into(), incident(A, "New"));
    world.incidents.insert(B.into(), incident(B, "Closed"));
    world
}

fn reference(name: &str) -> IncidentRef {
    IncidentRef::Sentinel { workspace: WorkspaceKey(uuid::Uuid::nil()), name: name.parse().unwrap() }
}

fn note(text: &str) -> BegunNote {
    BegunNote::for_test(NoteId::derive(&["n"]), reference(A), text)
}

#[tokio::test]
async fn the_table_names_the_incident_and_an_open_one_goes_before_a_closed_one() {
    let ids = json!([ALERT]);
    let table = rows(&[
        (B, "2026-01-02T05:00:00Z", "Closed", ids.clone()),
        (A, "2026-01-02T03:00:00Z", "New", json!(ids.to_string())),
        ("not-a-guid", "2026-01-02T06:00:00Z", "New", ids.clone()),
        (B, "2026-01-02T04:00:00Z", "New", json!(["something else"])),
    ]);
    let (_, sentinel) = sentinel(world(), Some(table)).await;
    let found = sentinel.locate(&[ALERT.into()]).await.unwrap().unwrap();
    assert_eq!((found.incident, found.number, found.comments), (reference(A), Some(7), Some(3)));
    assert_eq!(found.labels, ["mine"]);
}

#[tokio::test]
async fn where_the_table_has_nothing_the_newest_incidents_are_asked() {
    let mut world = world();
    world.alerts.insert(A.into(), vec![ALERT.to_uppercase()]);
    let (_, sentinel) = sentinel(world, Some(rows(&[]))).await;
    assert_eq!(sentinel.locate(&[ALERT.into()]).await.unwrap().unwrap().incident, reference(A));
}

#[tokio::test]
async fn no_incident_yet_is_none() {
    let (_, sentinel) = sentinel(world(), Some(rows(&[]))).await;
    assert_eq!(sentinel.locate(&[ALERT.into()]).await.unwrap(), None);
    assert_eq!(sentinel.locate(&[]).await.unwrap(), None);
    assert_eq!(sentinel.read(&reference("11111111-2222-3333-4444-555555555555")).await.unwrap(), None);
    assert!(sentinel.read(&reference(B)).await.unwrap().unwrap().closed);
}

#[tokio::test]
async fn a_note_posted_twice_is_one_comment() {
    let (world, sentinel) = sentinel(world(), None).await;
    for _ in 0..2 {
        assert_eq!(sentinel.post(note("hello")).await, Answered::Accepted { correlation: Some("r-1".into()) });
    }
    let comments = world.lock().unwrap().comments.clone();
    assert_eq!(comments, BTreeMap::from([(NoteId::derive(&["n"]).to_string(), "hello".to_owned())]));
}

#[tokio::test]
async fn a_note_too_long_is_not_sent_and_a_full_incident_is_told() {
    let (_, sentinel) = sentinel(World { full: true, ..world() }, None).await;
    let Answered::Failed(failure) = sentinel.post(note(&"x".repeat(30_001))).await else { panic!() };
    assert_eq!((failure.kind, failure.sent), (FailureKind::NotAttempted, Sent::No));
    let Answered::Failed(failure) = sentinel.post(note("hello")).await else { panic!() };
    assert_eq!((failure.kind, failure.hint.contains("100 comments")), (FailureKind::Refused, true));
}

#[tokio::test]
async fn a_label_keeps_everything_else_and_what_others_added_meanwhile() {
    let (world, sentinel) = sentinel(World { conflicts: 1, ..world() }, None).await;
    assert_eq!(sentinel.label(&reference(A), "riposte").await, Answered::Accepted { correlation: None });
    let after = world.lock().unwrap().incidents[A].clone();
    let names: Vec<&str> =
        after["properties"]["labels"].as_array().unwrap().iter().map(|l| l["labelName"].as_str().unwrap()).collect();
    assert_eq!(names, ["mine", "theirs", "riposte"]);
    assert_eq!(
        (&after["properties"]["owner"]["objectId"], &after["properties"]["severity"]),
        (&json!("o"), &json!("High"))
    );
    assert!(after["properties"].get("incidentNumber").is_none() && after["properties"].get("description").is_none());
}

#[tokio::test]
async fn a_label_that_is_there_is_not_written_again_and_a_second_conflict_is_told() {
    let (_, quiet) = sentinel(World { conflicts: 1, ..world() }, None).await;
    assert_eq!(quiet.label(&reference(A), "MINE").await, Answered::Accepted { correlation: None });
    let (_, stubborn) = sentinel(World { conflicts: 9, ..world() }, None).await;
    let Answered::Failed(failure) = stubborn.label(&reference(A), "riposte").await else { panic!() };
    assert_eq!(failure.kind, FailureKind::Conflict);
}

#[tokio::test]
async fn an_incident_of_another_workspace_is_not_touched() {
    let (_, sentinel) = sentinel(world(), None).await;
    let other = IncidentRef::Sentinel { workspace: WorkspaceKey(uuid::Uuid::max()), name: A.parse().unwrap() };
    assert!(sentinel.read(&other).await.is_err());
    assert!(matches!(sentinel.label(&other, "x").await, Answered::Failed(_)));
}
