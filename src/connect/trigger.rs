//! A query of our own as a source of alerts: each row it gives is one.

use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value, json};
use sha2::{Digest, Sha256};

use super::kql_runner::{KqlRunner, Row, Rows, Timespan};
use super::log_analytics::entities;
use super::port::{AlertSource, SourcePage, Window};
use crate::model::account::{OktaId, Role};
use crate::model::alert::{Entities, NamedAccount, Sighting, SourceKey, UnreadableItem};
use crate::model::failure::Failure;
use crate::model::scope::WorkspaceKey;
use crate::model::text::clip;
use crate::model::time::At;
use crate::model::trigger::{AccountMapping, Identifier, Same, TIMES, Trigger};

/// More rows than this are no list of alerts; the answer then counts as partial, and that is said.
const MOST_ROWS: usize = 10_000;
/// A cell's text is cut here, in characters; a whole row is JSON with cells that were cut.
const LONGEST_CELL: usize = 2_000;
/// So many columns of a row are kept.
const MOST_COLUMNS: usize = 100;

/// Runs one trigger in one place.
pub struct TriggerSource {
    rows: TriggerRows,
    runner: Arc<dyn KqlRunner>,
}

impl TriggerSource {
    /// Runs `trigger` through `runner`, which is that of `workspace`, or Advanced hunting when there is none.
    #[must_use]
    pub fn new(trigger: Arc<Trigger>, workspace: Option<WorkspaceKey>, runner: Arc<dyn KqlRunner>) -> Self {
        Self { rows: TriggerRows { trigger, workspace }, runner }
    }
}

/// Makes alerts of the rows that a trigger gives in one place.
#[derive(Debug, Clone)]
pub struct TriggerRows {
    /// Which.
    pub trigger: Arc<Trigger>,
    /// The workspace that ran it; `None` for hunting.
    pub workspace: Option<WorkspaceKey>,
}

impl TriggerRows {
    /// The rows of a run at that moment as alerts, the oldest first. Of rows that are one alert the latest counts; below
    /// the threshold there is none.
    #[must_use]
    pub fn alerts(&self, rows: &Rows, ran: At) -> Vec<Result<Sighting, UnreadableItem>> {
        if !self.trigger.threshold.is_met(rows.rows.len() as u64) {
            return Vec::new();
        }
        let mut latest: BTreeMap<String, Sighting> = BTreeMap::new();
        let mut rotten = Vec::new();
        for row in rows.iter() {
            match self.sighting(row, ran) {
                Ok(seen) => {
                    let id = seen.aliases.first().cloned().unwrap_or_default();
                    if latest.get(&id).is_none_or(|known| known.visible <= seen.visible) {
                        latest.insert(id, seen);
                    }
                }
                Err(why) => {
                    let id = format!("{}:{}", self.trigger.id(), digest(&row.object()));
                    rotten.push(UnreadableItem { source: self.key(), id, visible: ran, why });
                }
            }
        }
        let mut seen: Vec<Sighting> = latest.into_values().collect();
        seen.sort_by_key(|seen| seen.visible);
        rotten.into_iter().map(Err).chain(seen.into_iter().map(Ok)).collect()
    }

    fn key(&self) -> SourceKey {
        SourceKey::Trigger { name: self.trigger.name.clone(), workspace: self.workspace }
    }

    fn sighting(&self, row: Row<'_>, ran: At) -> Result<Sighting, String> {
        let trigger = &self.trigger;
        let at = TIMES.iter().find_map(|column| row.at(column)).unwrap_or(ran).min(ran);
        let accounts = trigger.accounts.iter().map(|mapping| account(mapping, row));
        let accounts: Vec<NamedAccount> = accounts.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
        let same = match &trigger.same {
            Same::Column(column) => match row.value(column) {
                Some(value) => value.to_string(),
                None => return Err(format!("its column {column}, which says which rows are one alert, is empty")),
            },
            Same::Within(time) => {
                let bucket = at.ticks().div_euclid(i64::try_from(time.as_nanos() / 100).unwrap_or(i64::MAX).max(1));
                format!("{bucket}|{}", json!(accounts.iter().map(|account| &account.hint).collect::<Vec<_>>()))
            }
        };
        Ok(Sighting {
            source: self.key(),
            // The same wherever it was found: a row that two workspaces hold is one alert.
            aliases: vec![format!("{}:{}", trigger.id(), digest(&json!(same)))],
            detector: trigger.id(),
            external_id: None,
            title: clip(&trigger.title, 500),
            severity: trigger.severity,
            start: TIMES.iter().rev().find_map(|column| row.at(column)).or(Some(at)),
            end: Some(at),
            visible: at,
            columns: self.columns(row, at),
            entities: Entities::Read(accounts),
            incident: None,
            // The workspace that ran our own query is the witness of what it said.
            genuine: true,
        })
    }

    /// The columns of `SecurityAlert` for conditions; the row itself is in `ExtendedProperties`.
    fn columns(&self, row: Row<'_>, at: At) -> BTreeMap<String, Value> {
        let trigger = &self.trigger;
        let properties = printed(row);
        let columns = [
            ("AlertName", trigger.title.clone()),
            ("DisplayName", trigger.title.clone()),
            ("AlertType", trigger.id()),
            ("AlertSeverity", trigger.severity.word().to_owned()),
            ("ProviderName", "riposte".to_owned()),
            ("ProductName", "riposte".to_owned()),
            ("Status", "New".to_owned()),
            ("Tactics", trigger.tactics.join(", ")),
            ("TimeGenerated", at.to_string()),
            ("StartTime", at.to_string()),
            ("EndTime", at.to_string()),
            ("ExtendedProperties", properties),
        ];
        columns.into_iter().map(|(name, text)| (name.to_owned(), Value::String(text))).collect()
    }
}

#[async_trait]
impl AlertSource for TriggerSource {
    fn key(&self) -> SourceKey {
        self.rows.key()
    }

    /// Runs the query once over the whole window. It has no pages: `after` and `cap` mean nothing here.
    async fn page(&self, window: &Window) -> Result<SourcePage, Failure> {
        let timespan = Timespan { from: window.from, to: window.to };
        let mut rows = self.runner.run(&self.rows.trigger.query, Some(timespan)).await?;
        if rows.rows.len() > MOST_ROWS {
            rows.rows.truncate(MOST_ROWS);
            rows.partial = true;
        }
        let items = self.rows.alerts(&rows, window.to);
        Ok(SourcePage { items, last: None, full: false, partial: rows.partial })
    }
}

/// The account that a row names by one mapping; none when all its columns are empty.
fn account(mapping: &AccountMapping, row: Row<'_>) -> Result<Option<NamedAccount>, String> {
    let mut object = Map::new();
    let mut okta = None;
    for (identifier, column) in &mapping.identifiers {
        let text = match row.value(column) {
            None => continue,
            Some(Value::String(text)) if text.trim().is_empty() => continue,
            Some(Value::String(text)) => text.trim(),
            Some(Value::Bool(_) | Value::Number(_) | Value::Array(_) | Value::Object(_) | Value::Null) => {
                return Err(format!("its column {column}, which names an account, is no text"));
            }
        };
        let field = match identifier {
            Identifier::OktaId => {
                okta = Some(text.parse::<OktaId>().map_err(|error| error.to_string())?);
                continue;
            }
            // A name may be a UPN or carry its domain: both are read from it.
            Identifier::Upn | Identifier::FullName => "Name",
            Identifier::Sid
            | Identifier::AadUserId
            | Identifier::ObjectGuid
            | Identifier::Name
            | Identifier::UpnSuffix
            | Identifier::NtDomain
            | Identifier::DnsDomain
            | Identifier::DisplayName => identifier.word(),
        };
        object.insert(field.to_owned(), json!(text));
    }
    if object.is_empty() && okta.is_none() {
        return Ok(None);
    }
    object.insert("Type".to_owned(), json!("account"));
    let role = Some(mapping.role).filter(|role| *role != Role::Unknown);
    match entities::read(Some(&json!([object]))) {
        Entities::Read(named) => Ok(named.into_iter().next().map(|mut named| {
            named.hint.okta_id = okta;
            NamedAccount { role, ..named }
        })),
        Entities::Missing => Ok(None),
        Entities::Unreadable(why) => Err(why),
    }
}

/// A row as JSON, however large what somebody wrote into it.
fn printed(row: Row<'_>) -> String {
    let cell = |value: &Value| match value {
        Value::String(text) => Value::String(clip(text, LONGEST_CELL)),
        Value::Array(_) | Value::Object(_) => {
            let text = value.to_string();
            if text.len() > LONGEST_CELL { Value::String(clip(&text, LONGEST_CELL)) } else { value.clone() }
        }
        Value::Null | Value::Bool(_) | Value::Number(_) => value.clone(),
    };
    let cells = row.cells().take(MOST_COLUMNS).map(|(name, value)| (clip(name, 200), cell(value)));
    Value::Object(cells.collect()).to_string()
}

fn digest(value: &Value) -> String {
    Sha256::digest(value.to_string()).iter().take(16).map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;
    use std::time::Duration;

    use super::*;
    use crate::model::alert::Severity;
    use crate::model::trigger::{Comparison, Engine, Threshold};

    struct Fake(Mutex<Vec<(String, String)>>, Rows);

    #[async_trait]
    impl KqlRunner for Fake {
        async fn run(&self, query: &str, timespan: Option<Timespan>) -> Result<Rows, Failure> {
            self.0.lock().unwrap().push((query.to_owned(), timespan.unwrap().to_string()));
            Ok(self.1.clone())
        }
    }

    const SID: &str = "S-1-5-21-1111111111-2222222222-3333333333-1105";

    fn trigger(same: Same) -> Trigger {
        let identifiers = vec![
            (Identifier::Sid, "AccountSid".to_owned()),
            (Identifier::Upn, "AccountUpn".to_owned()),
            (Identifier::OktaId, "Okta".to_owned()),
        ];
        Trigger {
            name: "t".into(),
            title: "A title".into(),
            query: "T".into(),
            engine: Engine::Hunting,
            every: Duration::from_secs(300),
            lookback: Duration::from_secs(900),
            severity: Severity::High,
            tactics: vec!["Persistence".into()],
            accounts: vec![AccountMapping { role: Role::Suspect, identifiers }],
            same,
            threshold: Threshold::ANY,
        }
    }

    fn rows(rows: &[Value]) -> Rows {
        let columns: Vec<String> =
            ["Timestamp", "AccountSid", "AccountUpn", "Okta", "ReportId"].map(str::to_owned).to_vec();
        Rows::from_objects(columns, rows.iter().map(|row| row.as_object().unwrap().clone()).collect())
    }

    async fn page(trigger: Trigger, rows: Rows) -> SourcePage {
        let at = |seconds: i64| At::from_unix_seconds(1_800_000_000 + seconds);
        let window = Window { from: at(0), to: at(900), after: None, cap: 200 };
        TriggerSource::new(Arc::new(trigger), None, Arc::new(Fake(Mutex::default(), rows))).page(&window).await.unwrap()
    }

    fn within_an_hour() -> Same {
        Same::Within(Duration::from_secs(3600))
    }

    #[tokio::test]
    async fn the_query_is_sent_as_written_over_the_whole_window() {
        let fake = Arc::new(Fake(Mutex::default(), Rows::default()));
        let source = TriggerSource::new(Arc::new(trigger(within_an_hour())), None, Arc::clone(&fake) as Arc<_>);
        let at = At::from_unix_seconds;
        source.page(&Window { from: at(0), to: at(60), after: None, cap: 1 }).await.unwrap();
        let asked = fake.0.lock().unwrap().clone();
        assert_eq!(asked, [("T".to_owned(), "1970-01-01T00:00:00Z/1970-01-01T00:01:00Z".to_owned())]);
        assert_eq!(source.key().to_string(), "kql/t:hunting");
    }

    #[tokio::test]
    async fn a_row_becomes_an_alert_with_its_account_and_role() {
        let row = json!({"Timestamp": "2027-01-15T08:01:00Z", "AccountSid": SID, "AccountUpn": "Adele@contoso.com"});
        let page = page(trigger(within_an_hour()), rows(&[row])).await;
        let seen = page.items[0].as_ref().unwrap();
        let Entities::Read(accounts) = &seen.entities else { panic!("{:?}", seen.entities) };
        assert_eq!(accounts[0].role, Some(Role::Suspect));
        assert_eq!(accounts[0].hint.sid.as_ref().unwrap().as_str(), SID);
        assert_eq!(accounts[0].hint.upn.as_ref().unwrap().as_str(), "adele@contoso.com");
        assert_eq!((seen.detector.as_str(), seen.title.as_str(), seen.genuine), ("kql/t", "A title", true));
        assert_eq!(seen.end.unwrap().to_string(), "2027-01-15T08:01:00Z");
        assert_eq!(seen.columns["Tactics"], "Persistence");
        assert!(seen.columns["ExtendedProperties"].as_str().unwrap().contains("Adele@contoso.com"));
    }

    #[tokio::test]
    async fn rows_of_the_same_accounts_within_the_time_are_one_alert_and_the_latest_counts() {
        let row =
            |minute: u32, upn: &str| json!({"Timestamp": format!("2027-01-15T08:{minute:02}:00Z"), "AccountUpn": upn});
        let page = page(trigger(within_an_hour()), rows(&[row(3, "a@c.d"), row(1, "a@c.d"), row(2, "b@c.d")])).await;
        let ends: Vec<String> = page.items.iter().map(|item| item.as_ref().unwrap().end.unwrap().to_string()).collect();
        assert_eq!(ends, ["2027-01-15T08:02:00Z", "2027-01-15T08:03:00Z"]);
    }

    #[tokio::test]
    async fn a_repeated_run_gives_the_same_ids() {
        let row = json!({"Timestamp": "2027-01-15T08:01:00Z", "AccountUpn": "a@c.d"});
        let first = page(trigger(within_an_hour()), rows(std::slice::from_ref(&row))).await;
        let again = page(trigger(within_an_hour()), rows(&[row])).await;
        assert_eq!(first, again);
    }

    #[tokio::test]
    async fn a_named_column_says_which_rows_are_one_alert() {
        let row = |id: Value, upn: &str| json!({"ReportId": id, "AccountUpn": upn});
        let rows = rows(&[
            row(json!(7), "a@c.d"),
            row(json!(7), "b@c.d"),
            row(json!("x"), "a@c.d"),
            row(json!(null), "a@c.d"),
        ]);
        let page = page(trigger(Same::Column("ReportId".into())), rows).await;
        let (good, bad): (Vec<_>, Vec<_>) = page.items.iter().partition(|item| item.is_ok());
        assert_eq!((good.len(), bad.len()), (2, 1));
        assert!(bad[0].as_ref().unwrap_err().why.contains("ReportId"));
    }

    #[tokio::test]
    async fn a_rotten_row_leaves_its_neighbours_alone() {
        let rows = rows(&[
            json!({"AccountSid": "no sid"}),
            json!({"AccountUpn": ["a@c.d"]}),
            json!({"Okta": "../x"}),
            json!({"AccountUpn": "a@c.d"}),
        ]);
        let page = page(trigger(within_an_hour()), rows).await;
        assert_eq!(page.items.iter().filter(|item| item.is_err()).count(), 3);
        assert_eq!(page.items.iter().filter(|item| item.is_ok()).count(), 1);
    }

    #[tokio::test]
    async fn a_row_from_the_future_is_taken_as_of_this_run() {
        let page = page(
            trigger(within_an_hour()),
            rows(&[json!({"Timestamp": "2099-01-01T00:00:00Z", "AccountUpn": "a@c.d"})]),
        )
        .await;
        assert_eq!(page.items[0].as_ref().unwrap().visible, At::from_unix_seconds(1_800_000_900));
    }

    #[tokio::test]
    async fn a_row_is_readable_json_for_conditions_however_long_its_cells_are() {
        let row = json!({"AccountUpn": "a@c.d", "ReportId": "x".repeat(100_000)});
        let page = page(trigger(within_an_hour()), rows(&[row])).await;
        let printed = page.items[0].as_ref().unwrap().columns["ExtendedProperties"].as_str().unwrap().to_owned();
        let read: Value = serde_json::from_str(&printed).unwrap();
        assert_eq!(read["AccountUpn"], "a@c.d");
        assert!(printed.len() < 10_000);
    }

    #[tokio::test]
    async fn what_two_workspaces_find_of_the_same_accounts_is_one_alert() {
        let found = rows(&[json!({"Timestamp": "2027-01-15T08:01:00Z", "AccountUpn": "a@c.d"})]);
        let ids = [None, Some(WorkspaceKey(uuid::Uuid::nil()))].map(|workspace| {
            let rows = TriggerRows { trigger: Arc::new(trigger(within_an_hour())), workspace };
            rows.alerts(&found, At::from_unix_seconds(1_800_000_900)).remove(0).unwrap().aliases
        });
        assert_eq!(ids[0], ids[1]);
    }

    #[tokio::test]
    async fn below_its_threshold_a_run_gives_no_alert() {
        let two = rows(&[json!({"AccountUpn": "a@c.d"}), json!({"AccountUpn": "b@c.d"})]);
        let threshold = Threshold { than: Comparison::More, rows: 2 };
        assert!(page(Trigger { threshold, ..trigger(within_an_hour()) }, two.clone()).await.items.is_empty());
        assert_eq!(page(trigger(within_an_hour()), two).await.items.len(), 2);
    }

    #[tokio::test]
    async fn too_many_rows_are_a_partial_answer() {
        let many: Vec<Value> = (0..=MOST_ROWS).map(|n| json!({"AccountUpn": format!("u{n}@c.d")})).collect();
        let page = page(trigger(within_an_hour()), rows(&many)).await;
        assert!(page.partial);
        assert_eq!(page.items.len(), MOST_ROWS);
    }
}
