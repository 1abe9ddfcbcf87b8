//! Log Analytics: queries on one workspace, and what riposte reads out of its tables.

pub mod alerts;
pub mod directory_events;
pub mod entities;
pub mod identity_info;
pub(crate) mod map;
mod wire;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::json;
use url::Url;

use super::http::{Allowed, Api, ApiOptions, BadBase, Call, Client, Method, Pace};
use super::kql_runner::{KqlRunner, Rows, Timespan};
use super::token::Authorize;
use crate::model::failure::{Failure, Provider};
use crate::model::scope::WorkspaceKey;

const QUERY: &str = "v1/workspaces/{id}/query";
const ALLOWED: &[Allowed] = &[Allowed(Method::Post, QUERY)];

/// The service's own limits are 500,000 rows and about 100 MB; no question of ours needs as much.
const MOST_ROWS: usize = 500_000;
const MAX_BODY: usize = 48 * 1024 * 1024;

/// The service is asked to give up before we do, so that its reason arrives.
const SERVER_WAIT: u64 = 90;
const DEADLINE: Duration = Duration::from_secs(120);

const READER: &str = "give the identity the Azure role Log Analytics Reader or Microsoft Sentinel Reader on the \
                      workspace; a new role takes up to an hour to work";
const PLACE: &str = "no such workspace: check the workspace GUID (id) under [[workspaces]] and the cloud";

/// The query service of one cloud, for one identity. All its workspaces share one pace.
///
/// # Errors
/// When `host` cannot be the address of an API.
pub fn api(client: &Client, host: Url, auth: Arc<dyn Authorize>, pace: Pace) -> Result<Api, BadBase> {
    let provider = Provider::LogAnalytics;
    Api::new(client, ApiOptions { provider, base: host, auth: auth.into(), allowed: ALLOWED, pace, max_body: MAX_BODY })
}

/// Queries on one workspace.
#[derive(Clone)]
pub struct Workspace {
    api: Api,
    key: WorkspaceKey,
}

impl Workspace {
    /// A workspace by its GUID.
    #[must_use]
    pub const fn new(api: Api, key: WorkspaceKey) -> Self {
        Self { api, key }
    }

    /// Which one.
    #[must_use]
    pub const fn key(&self) -> WorkspaceKey {
        self.key
    }
}

#[async_trait]
impl KqlRunner for Workspace {
    async fn run(&self, query: &str, timespan: Option<Timespan>) -> Result<Rows, Failure> {
        let mut body = json!({ "query": query });
        if let Some(timespan) = timespan {
            body["timespan"] = json!(timespan.to_string());
        }
        let call = Call::post(QUERY)
            .param(self.key)
            .json(body)
            .header("prefer", format!("wait={SERVER_WAIT}"))
            .only_asks()
            .deadline(DEADLINE)
            .permission(READER)
            .when_missing(PLACE);
        let answer = self.api.send(&call).await?;
        // The service answers 204 for a workspace without data and an empty 200 for a request it did
        // not understand: neither says that there is nothing to read.
        if answer.status == 204 || answer.body.iter().all(u8::is_ascii_whitespace) {
            return Ok(Rows { partial: true, ..Rows::default() });
        }
        let mut rows = answer
            .json::<wire::QueryAnswer>()?
            .into_rows()
            .ok_or_else(|| answer.unreadable("the answer holds neither a table nor an error"))?;
        if rows.rows.len() >= MOST_ROWS {
            rows.partial = true;
        }
        Ok(rows)
    }
}

impl fmt::Debug for Workspace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Workspace({})", self.key)
    }
}

#[cfg(test)]
mod tests {
    use axum::http::StatusCode;
    use axum::response::IntoResponse;
    use axum::routing::post;
    use axum::{Json, Router};
    use serde_json::Value;

    use super::*;
    use crate::connect::loopback::{clock, serve, transport};
    use crate::connect::token::Anonymous;
    use crate::model::failure::FailureKind;

    async fn asked(answer: impl IntoResponse + Clone + Send + Sync + 'static) -> Result<Rows, Failure> {
        let key = WorkspaceKey(uuid::Uuid::nil());
        let router = Router::new().route(
            &format!("/v1/workspaces/{key}/query"),
            post(move |Json(body): Json<Value>| async move {
                assert_eq!(body["query"], "T");
                assert_eq!(body["timespan"], "1970-01-01T00:00:00Z/1970-01-01T00:00:01Z");
                answer
            }),
        );
        let api = api(&transport(), serve(router).await, Arc::new(Anonymous), Pace::unlimited(&clock(), 1)).unwrap();
        let at = crate::model::time::At::from_unix_seconds;
        Workspace::new(api, key).run("T", Some(Timespan { from: at(0), to: at(1) })).await
    }

    #[tokio::test]
    async fn the_primary_table_is_read_and_an_error_beside_it_makes_it_partial() {
        let table = json!({"name": "PrimaryResult", "columns": [{"name": "A", "type": "long"}], "rows": [[1], [2]]});
        let other = json!({"name": "Stats", "columns": [], "rows": []});
        let rows = asked(Json(json!({"tables": [other, table]}))).await.unwrap();
        assert_eq!((rows.columns.len(), rows.rows.len(), rows.partial), (1, 2, false));
        let error = json!({"code": "PartialError", "message": "m", "details": [{"code": "x"}]});
        let rows = asked(Json(json!({"tables": [table], "error": error}))).await.unwrap();
        assert_eq!((rows.rows.len(), rows.partial), (2, true));
    }

    #[tokio::test]
    async fn no_content_and_an_empty_body_are_partial_not_empty() {
        assert!(asked(StatusCode::NO_CONTENT).await.unwrap().partial);
        assert!(asked("").await.unwrap().partial);
    }

    #[tokio::test]
    async fn a_missing_role_and_a_wrong_workspace_say_what_to_do() {
        let body = |code: &str| Json(json!({"error": {"code": code, "message": "m"}}));
        let failure = asked((StatusCode::FORBIDDEN, body("InsufficientAccessError"))).await.unwrap_err();
        assert!(failure.kind == FailureKind::Forbidden && failure.hint.contains("Log Analytics Reader"), "{failure}");
        let failure = asked((StatusCode::NOT_FOUND, body("PathNotFoundError"))).await.unwrap_err();
        assert!(failure.kind == FailureKind::NotFound && failure.hint.contains("workspace GUID"), "{failure}");
    }

    #[tokio::test]
    async fn an_answer_without_a_table_is_unreadable() {
        for body in ["{}", "[]", "{\"tables\": 5}", "<html>"] {
            assert_eq!(asked(body).await.unwrap_err().kind, FailureKind::Unreadable, "{body}");
        }
    }
}
