//! A query of our own as a source of alerts: each row it gives is one.

mod account;
mod rotten;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

use super::kql_runner::{KqlRunner, Row, Rows, Timespan};
use super::port::{AlertSource, Omitted, SourcePage, Window};
use crate::model::alert::{Entities, NamedAccount, Sighting, SourceKey, UnreadableItem};
use crate::model::failure::Failure;
use crate::model::scope::WorkspaceKey;
use crate::model::text::clip;
use crate::model::time::At;
use crate::model::trigger::{TIMES, Trigger};

use account::account;
use rotten::Rotten;

/// More rows than this are no list of alerts; the answer then counts as partial, and that is said.
const MOST_ROWS: usize = 10_000;
/// So many alerts of one run count. A query that finds more finds what is common, and everybody would be contained.
pub const MOST_ALERTS: usize = 100;
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

/// The alerts of one run.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Found {
    /// The oldest first. Before them one item for all rows that cannot be read.
    pub items: Vec<Result<Sighting, UnreadableItem>>,
    /// What is not among them.
    pub omitted: Omitted,
}

impl TriggerRows {
    /// The rows of a run at that moment as alerts. Rows that are one alert are united; of too many alerts the newest
    /// count; below the threshold there is none.
    #[must_use]
    pub fn alerts(&self, rows: &Rows, ran: At) -> Found {
        if !self.trigger.threshold.is_met(rows.rows.len() as u64, rows.partial) {
            return Found::default();
        }
        let mut alerts: BTreeMap<String, Vec<Sighting>> = BTreeMap::new();
        let mut rotten = Rotten::default();
        for row in rows.iter() {
            match self.sighting(row, ran) {
                Ok(seen) => {
                    let id = seen.aliases.first().cloned().unwrap_or_default();
                    alerts.entry(id).or_default().push(seen);
                }
                Err(why) => rotten.add(why),
            }
        }
        let mut seen: Vec<(Sighting, usize)> = alerts.into_values().filter_map(united).collect();
        seen.sort_by_key(|(seen, _)| seen.visible);
        let left_out = seen.len().saturating_sub(MOST_ALERTS);
        let seen = seen.split_off(left_out);
        let dropped = seen.iter().map(|(_, dropped)| dropped).sum();
        let omitted = Omitted { alerts: left_out, rows: rotten.rows, dropped };
        let seen = seen.into_iter().map(|(seen, _)| Ok(seen));
        Found { items: rotten.item(self.key(), ran).map(Err).into_iter().chain(seen).collect(), omitted }
    }

    fn key(&self) -> SourceKey {
        SourceKey::Trigger { name: self.trigger.name.clone(), workspace: self.workspace }
    }

    fn sighting(&self, row: Row<'_>, ran: At) -> Result<Sighting, String> {
        let trigger = &self.trigger;
        let at = TIMES.iter().find_map(|column| row.at(column)).unwrap_or(ran).min(ran);
        let accounts = trigger.accounts.iter().map(|mapping| account(mapping, row));
        let accounts: Vec<NamedAccount> = accounts.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect();
        let bucket = at.ticks().div_euclid(ticks(trigger.same.within));
        let what = if let Some(column) = &trigger.same.by {
            let empty = || format!("its column {column}, which says which rows are one alert, is empty");
            row.value(column).ok_or_else(empty)?.to_string()
        } else {
            let mut who: Vec<String> = accounts.iter().map(NamedAccount::identity).collect();
            who.sort();
            json!(who).to_string()
        };
        Ok(Sighting {
            source: self.key(),
            // The same wherever it was found: a row that two workspaces hold is one alert.
            aliases: vec![format!("{}:{}", trigger.id(), digest(&json!([bucket, what])))],
            detector: trigger.id(),
            external_id: None,
            title: clip(&trigger.title, 500),
            severity: trigger.severity,
            start: TIMES.iter().rev().find_map(|column| row.at(column)).or(Some(at)),
            end: Some(at),
            visible: at,
            columns: self.columns(row, at),
            rows: Vec::new(),
            entities: Entities::of(accounts),
            incident: None,
            // The workspace that ran our own query is the witness of what it said.
            genuine: trigger.witnessed,
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
        let Found { items, omitted } = self.rows.alerts(&rows, window.to);
        Ok(SourcePage { items, last: None, full: false, partial: rows.partial, omitted })
    }
}

/// The rows of one alert as one, in an order that does not depend on that in which they came; and how many are not kept.
fn united(mut rows: Vec<Sighting>) -> Option<(Sighting, usize)> {
    rows.sort_by(|a, b| (a.visible, a.row()).cmp(&(b.visible, b.row())));
    let mut rows = rows.into_iter();
    rows.next().map(|first| first.united(rows))
}

fn ticks(time: Duration) -> i64 {
    i64::try_from(time.as_nanos() / 100).unwrap_or(i64::MAX).max(1)
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

    use super::*;
    use crate::model::account::Role;
    use crate::model::alert::Severity;
    use crate::model::trigger::{AccountMapping, Comparison, Engine, Identifier, Same, Threshold};

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
            sees: Duration::from_secs(900),
            severity: Severity::High,
            tactics: vec!["Persistence".into()],
            accounts: vec![AccountMapping { role: Role::Suspect, identifiers }],
            same,
            threshold: Threshold::ANY,
            witnessed: true,
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
        Same { within: Duration::from_secs(3600), by: None }
    }

    fn by_report() -> Same {
        Same { within: Duration::from_secs(86_400), by: Some("ReportId".into()) }
    }

    fn named(item: &Result<Sighting, UnreadableItem>) -> Vec<String> {
        let Entities::Read(accounts) = &item.as_ref().unwrap().entities else { panic!("{item:?}") };
        accounts.iter().map(|account| account.hint.label()).collect()
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
    async fn rows_of_the_same_accounts_within_the_time_are_one_alert_that_keeps_each_row() {
        let row =
            |minute: u32, upn: &str| json!({"Timestamp": format!("2027-01-15T08:{minute:02}:00Z"), "AccountUpn": upn});
        let page = page(
            trigger(within_an_hour()),
            rows(&[row(3, "a@c.d"), row(1, "A@c.d"), row(2, "b@c.d"), row(3, "a@c.d")]),
        )
        .await;
        let shown: Vec<_> = page.items.iter().map(|item| item.as_ref().unwrap()).collect();
        let ends: Vec<String> = shown.iter().map(|seen| seen.end.unwrap().to_string()).collect();
        assert_eq!(ends, ["2027-01-15T08:02:00Z", "2027-01-15T08:03:00Z"]);
        assert_eq!(shown[1].start.unwrap().to_string(), "2027-01-15T08:01:00Z");
        assert_eq!(shown[0].rows, [""; 0]);
        assert!(matches!(shown[1].rows.as_slice(), [other] if other.contains("08:01:00Z")), "{:?}", shown[1].rows);
    }

    #[tokio::test]
    async fn an_account_is_known_by_its_strongest_identifier_whatever_else_is_said_of_it() {
        let known = json!({"AccountSid": SID, "AccountUpn": "a@c.d"});
        let renamed = json!({"AccountSid": SID.to_lowercase(), "AccountUpn": "b@c.d"});
        let bare = json!({"AccountSid": SID});
        assert_eq!(page(trigger(within_an_hour()), rows(&[known, renamed, bare])).await.items.len(), 1);
    }

    #[tokio::test]
    async fn rows_in_another_order_give_the_same_alerts() {
        for time in [json!("2027-01-15T08:01:00Z"), json!(null)] {
            let row = |okta: &str| json!({"Timestamp": time, "AccountSid": SID, "ReportId": 1, "Okta": okta});
            let (one, other) = (row("00ub0oNGTSWTBKOLGLNR"), row("00ub0oNGTSWTBKOLGLNS"));
            let there = page(trigger(by_report()), rows(&[one.clone(), other.clone()])).await;
            assert_eq!(there, page(trigger(by_report()), rows(&[other, one])).await);
        }
    }

    #[tokio::test]
    async fn rows_that_are_not_kept_are_counted() {
        let row = |n: i64| {
            let at = At::from_unix_seconds(1_800_000_000 + n);
            json!({"Timestamp": at.to_string(), "AccountUpn": "a@c.d", "ReportId": n})
        };
        let many: Vec<Value> = (0..300).map(row).collect();
        let page = page(trigger(within_an_hour()), rows(&many)).await;
        assert_eq!((page.items.len(), page.omitted.dropped), (1, 199));
    }

    #[tokio::test]
    async fn a_repeated_run_gives_the_same_ids() {
        let row = json!({"Timestamp": "2027-01-15T08:01:00Z", "AccountUpn": "a@c.d"});
        let first = page(trigger(within_an_hour()), rows(std::slice::from_ref(&row))).await;
        let again = page(trigger(within_an_hour()), rows(&[row])).await;
        assert_eq!(first, again);
    }

    #[tokio::test]
    async fn a_named_column_says_which_rows_are_one_alert_for_a_time_and_all_their_accounts_are_in_it() {
        let row = |id: Value, day: u32, upn: &str| json!({"ReportId": id, "AccountUpn": upn, "Timestamp": format!("2027-01-{day}T08:01:00Z")});
        let rows = rows(&[
            row(json!(7), 14, "a@c.d"),
            row(json!(7), 14, "b@c.d"),
            row(json!("x"), 14, "a@c.d"),
            row(json!(null), 14, "a@c.d"),
            row(json!(7), 15, "a@c.d"),
        ]);
        let page = page(trigger(by_report()), rows).await;
        let (good, bad): (Vec<_>, Vec<_>) = page.items.into_iter().partition(Result::is_ok);
        let mut accounts: Vec<Vec<String>> = good.iter().map(named).collect();
        accounts.sort();
        assert_eq!(accounts, [vec!["a@c.d"], vec!["a@c.d"], vec!["a@c.d", "b@c.d"]]);
        assert!(bad.len() == 1 && bad[0].as_ref().unwrap_err().why.contains("ReportId"));
    }

    #[tokio::test]
    async fn rotten_rows_leave_their_neighbours_alone_and_are_one_item_a_day_however_they_differ() {
        let run = async |counter: u32| {
            let rows = rows(&[
                json!({"AccountSid": format!("no sid {counter}")}),
                json!({"AccountUpn": ["a@c.d"]}),
                json!({"Okta": "../x"}),
                json!({"AccountUpn": "a@c.d"}),
            ]);
            let page = page(trigger(within_an_hour()), rows).await;
            let (good, bad): (Vec<_>, Vec<_>) = page.items.into_iter().partition(Result::is_ok);
            assert_eq!((good.len(), bad.len(), page.omitted.rows), (1, 1, 3));
            bad.into_iter().next().unwrap().unwrap_err()
        };
        let (first, next) = (run(1).await, run(2).await);
        assert!(first.why.starts_with("3 rows") && first.why.contains("no sid 1"), "{}", first.why);
        assert_eq!(first.id, next.id, "nothing new is written for what differs in a counter only");
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
            rows.alerts(&found, At::from_unix_seconds(1_800_000_900)).items.remove(0).unwrap().aliases
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
    async fn of_too_many_alerts_the_newest_count_and_how_many_are_left_out_is_said() {
        let row = |n: usize| {
            let at = At::from_unix_seconds(1_800_000_000 + i64::try_from(n % 900).unwrap());
            json!({"AccountUpn": format!("u{n}@c.d"), "Timestamp": at.to_string()})
        };
        let many: Vec<Value> = (0..=MOST_ROWS).map(row).collect();
        let all = page(trigger(within_an_hour()), rows(&many)).await;
        assert!(all.partial);
        assert_eq!((all.items.len(), all.omitted.alerts), (MOST_ALERTS, MOST_ROWS - MOST_ALERTS));
        let few = page(trigger(within_an_hour()), rows(&many[..150])).await;
        assert!(!few.partial);
        let oldest = few.items.first().map(named).unwrap();
        assert_eq!((oldest, few.omitted.alerts), (vec!["u50@c.d".to_owned()], 50));
    }

    #[tokio::test]
    async fn what_is_made_of_rows_of_alerts_is_witnessed_by_nobody() {
        let row = json!({"AccountUpn": "a@c.d"});
        for witnessed in [true, false] {
            let trigger = Trigger { witnessed, ..trigger(within_an_hour()) };
            let page = page(trigger, rows(std::slice::from_ref(&row))).await;
            assert_eq!(page.items[0].as_ref().unwrap().genuine, witnessed);
        }
    }

    #[tokio::test]
    async fn an_answer_that_was_cut_off_meets_no_threshold_that_more_rows_would_break() {
        let cut = Rows { partial: true, ..rows(&[json!({"AccountUpn": "a@c.d"})]) };
        for (than, alerts) in [(Comparison::More, 1), (Comparison::Fewer, 0), (Comparison::NotEqual, 0)] {
            let rows = if than == Comparison::More { 0 } else { 2 };
            let trigger = Trigger { threshold: Threshold { than, rows }, ..trigger(within_an_hour()) };
            assert_eq!(page(trigger, cut.clone()).await.items.len(), alerts, "{than:?}");
        }
    }
}
