//! Defender's advanced hunting: KQL over the tables of the Defender portal.

use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Map, Value, json};

use super::Graph;
use super::json::{field, list, text};
use crate::connect::http::{Api, Call};
use crate::connect::kql_runner::{KqlRunner, Rows, Timespan};
use crate::model::failure::Failure;

/// The call.
pub(super) const HUNT: &str = "security/runHuntingQuery";

/// Hunting gives at most this many rows.
const MOST_ROWS: usize = 100_000;

/// Hunting itself stops a query after three minutes; no question of ours may take as long.
const DEADLINE: Duration = Duration::from_secs(120);

/// Runs queries by `runHuntingQuery`.
#[derive(Debug)]
pub struct Hunting {
    api: Api,
}

impl Hunting {
    /// Asks over Graph.
    #[must_use]
    pub fn new(graph: &Graph) -> Self {
        Self { api: graph.hunting.clone() }
    }
}

#[async_trait]
impl KqlRunner for Hunting {
    async fn run(&self, query: &str, timespan: Option<Timespan>) -> Result<Rows, Failure> {
        let mut body = json!({ "Query": query });
        if let Some(timespan) = timespan {
            body["Timespan"] = Value::from(timespan.to_string());
        }
        let call = Call::post(HUNT)
            .json(body)
            // Without the character set a text beyond ASCII is misread.
            .header("Content-Type", "application/json; charset=utf-8")
            .permission("grant the application permission ThreatHunting.Read.All on Microsoft Graph")
            .deadline(DEADLINE)
            .only_asks();
        let answer = self.api.send(&call).await?;
        rows(answer.json()?).ok_or_else(|| answer.unreadable("the answer has no list `results` of rows"))
    }
}

/// The rows of an answer, with its schema in either spelling.
fn rows(mut answer: Value) -> Option<Rows> {
    let mut columns: Vec<String> =
        list(&answer, "schema").iter().filter_map(|column| text(column, "name")).map(str::to_owned).collect();
    field(&answer, "results")?.as_array()?;
    let spelling = if answer.get("results").is_some() { "results" } else { "Results" };
    let Value::Array(results) = answer.get_mut(spelling)?.take() else { return None };
    let objects: Vec<Map<String, Value>> = results
        .into_iter()
        .map(|row| if let Value::Object(row) = row { Some(row) } else { None })
        .collect::<Option<_>>()?;
    if let (true, Some(first)) = (columns.is_empty(), objects.first()) {
        columns = first.keys().cloned().collect();
    }
    let partial = objects.len() >= MOST_ROWS;
    Some(Rows { partial, ..Rows::from_objects(columns, objects) })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::connect::graph::fake::{Fake, Reply};
    use crate::model::time::At;

    #[tokio::test]
    async fn a_query_leaves_as_documented_and_its_rows_come_back_by_name() {
        let fake = Fake::start(|_| {
            Reply::json(json!({"schema": [{"name": "A", "type": "String"}, {"name": "B", "type": "Int64"}],
                "results": [{"B": 2, "A": "x", "A@odata.type": "#String"}, {"A": "y"}]}))
        })
        .await;
        let span = Timespan { from: At::EPOCH, to: At::from_unix_seconds(60) };
        let rows = Hunting::new(&fake.graph()).run("T | where N == \"Jörg\"", Some(span)).await.unwrap();
        assert_eq!(rows.rows, [[json!("x"), json!(2)], [json!("y"), json!(null)]]);
        let seen = fake.only();
        assert_eq!(seen.path, "/v1.0/security/runHuntingQuery");
        assert_eq!(seen.body["Query"], "T | where N == \"Jörg\"");
        assert_eq!(seen.body["Timespan"], "1970-01-01T00:00:00Z/1970-01-01T00:01:00Z");
        assert_eq!(seen.header("content-type"), "application/json; charset=utf-8");
    }

    #[test]
    fn a_capitalised_schema_is_read_and_a_missing_one_made_of_the_first_row() {
        let capital = json!({"Schema": [{"Name": "A", "Type": "String"}], "Results": [{"A": 1}]});
        assert_eq!(rows(capital).unwrap().columns, ["A"]);
        assert_eq!(rows(json!({"results": [{"B": 1}]})).unwrap().columns, ["B"]);
        assert!(rows(json!({"results": []})).unwrap().rows.is_empty());
    }

    #[test]
    fn what_is_no_list_of_rows_is_no_answer() {
        for answer in [json!({}), json!({"results": 3}), json!({"results": [3]}), json!([])] {
            assert!(rows(answer.clone()).is_none(), "{answer}");
        }
    }
}
