//! The `SecurityAlert` table as a source of alerts.

use std::sync::Arc;

use async_trait::async_trait;

use super::map;
use crate::connect::kql_runner::{KqlRunner, Rows};
use crate::connect::kql_text;
use crate::connect::port::{AlertSource, Omitted, SourcePage, Window};
use crate::model::alert::{PROVIDERS, SourceKey};
use crate::model::failure::{Failure, FailureKind};
use crate::model::scope::WorkspaceKey;
use crate::model::time::At;

/// Every place that a poll query must have.
const PLACES: [&str; 6] = ["from", "to", "after_time", "after_id", "providers", "cap"];

/// Before the first row of any table.
const BEGINNING: At = At::EPOCH;

/// The poll query lacks something.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
#[error(
    "the poll query has no {{{0}}}: it needs {{from}}, {{to}}, {{after_time}}, {{after_id}}, {{providers}} and {{cap}}"
)]
pub struct BadPollQuery(&'static str);

/// A poll query with sample literals in its places, so that the rest of it can be checked; `None` for a query without any
/// of the places.
///
/// # Errors
/// When it lacks one of them.
pub fn sample(template: &str) -> Result<Option<String>, BadPollQuery> {
    if !PLACES.iter().any(|place| template.contains(&format!("{{{place}}}"))) {
        return Ok(None);
    }
    complete(template)?;
    let window = Window { from: BEGINNING, to: BEGINNING, after: None, cap: 1 };
    Ok(Some(filled(template, &kql_text::strings(PROVIDERS), &window, 1)))
}

/// Whether a poll query has all places that are filled in.
///
/// # Errors
/// When it lacks one of them.
pub fn complete(template: &str) -> Result<(), BadPollQuery> {
    let missing = PLACES.into_iter().find(|place| !template.contains(&format!("{{{place}}}")));
    missing.map_or(Ok(()), |place| Err(BadPollQuery(place)))
}

fn filled(template: &str, providers: &str, window: &Window, cap: u32) -> String {
    let (after_time, after_id) = window.after.clone().unwrap_or((BEGINNING, String::new()));
    kql_text::fill(
        template,
        &[
            ("from", kql_text::datetime(window.from)),
            ("to", kql_text::datetime(window.to)),
            ("after_time", kql_text::datetime(after_time)),
            ("after_id", kql_text::string(&after_id)),
            ("providers", providers.to_owned()),
            ("cap", cap.to_string()),
        ],
    )
}

/// Reads the `SecurityAlert` table of one workspace.
pub struct SecurityAlerts {
    runner: Arc<dyn KqlRunner>,
    workspace: WorkspaceKey,
    template: String,
    providers: String,
}

impl SecurityAlerts {
    /// Polls `workspace` through `runner` by a query template (`kql/security-alerts.kql`), for the
    /// given provider names.
    ///
    /// # Errors
    /// When the template lacks a place without which alerts would be lost or repeated for ever.
    pub fn new<T: AsRef<str>>(
        runner: Arc<dyn KqlRunner>,
        workspace: WorkspaceKey,
        template: &str,
        providers: impl IntoIterator<Item = T>,
    ) -> Result<Self, BadPollQuery> {
        complete(template)?;
        let providers = kql_text::strings(providers);
        Ok(Self { runner, workspace, template: template.to_owned(), providers })
    }

    fn query(&self, window: &Window, cap: u32) -> String {
        filled(&self.template, &self.providers, window, cap)
    }

    fn page_of(&self, rows: &Rows, window: &Window, cap: u32) -> SourcePage {
        let mut items = Vec::with_capacity(rows.rows.len());
        let mut last = window.after.clone();
        for row in rows.iter() {
            // A row that hides its time stands where its neighbour before it stood.
            let before = last.as_ref().map_or(window.from, |(at, _)| *at);
            let (item, place) = map::sighting(&self.key(), row, before);
            if let Some(place) = place {
                last = Some(place);
            }
            items.push(item);
        }
        let last = if items.is_empty() { None } else { last };
        SourcePage {
            full: items.len() >= cap as usize,
            items,
            last,
            partial: rows.partial,
            omitted: Omitted::default(),
        }
    }
}

#[async_trait]
impl AlertSource for SecurityAlerts {
    fn key(&self) -> SourceKey {
        SourceKey::LogAnalytics(self.workspace)
    }

    async fn page(&self, window: &Window) -> Result<SourcePage, Failure> {
        let mut cap = window.cap.max(1);
        loop {
            match self.runner.run(&self.query(window, cap), None).await {
                Ok(rows) => return Ok(self.page_of(&rows, window, cap)),
                // Some rows are huge: fewer of them may fit into one answer.
                Err(failure) if failure.kind == FailureKind::Unreadable && cap > 1 => cap = (cap / 8).max(1),
                Err(failure) => return Err(failure),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::{Value, json};

    use super::*;
    use crate::connect::kql_runner::Timespan;
    use crate::model::failure::{Provider, Sent};

    const TEMPLATE: &str = include_str!("../../../kql/security-alerts.kql");

    struct Fake {
        asked: Mutex<Vec<String>>,
        answers: Mutex<Vec<Result<Rows, Failure>>>,
    }

    #[async_trait]
    impl KqlRunner for Fake {
        async fn run(&self, query: &str, _: Option<Timespan>) -> Result<Rows, Failure> {
            self.asked.lock().unwrap().push(query.to_owned());
            self.answers.lock().unwrap().remove(0)
        }
    }

    fn fake(answers: Vec<Result<Rows, Failure>>) -> (Arc<Fake>, SecurityAlerts) {
        let fake = Arc::new(Fake { asked: Mutex::default(), answers: Mutex::new(answers) });
        let key = WorkspaceKey(uuid::Uuid::nil());
        let source = SecurityAlerts::new(Arc::clone(&fake) as Arc<dyn KqlRunner>, key, TEMPLATE, PROVIDERS).unwrap();
        (fake, source)
    }

    fn window(after: Option<(At, String)>, cap: u32) -> Window {
        Window {
            from: "2026-01-02T03:00:00Z".parse().unwrap(),
            to: "2026-01-02T04:00:00Z".parse().unwrap(),
            after,
            cap,
        }
    }

    fn rows(list: &[(&str, &str)]) -> Rows {
        let row = |(at, id): &(&str, &str)| vec![json!(at), json!(id), json!("[]")];
        Rows {
            columns: ["IngestionTime", "SystemAlertId", "Entities"].map(str::to_owned).to_vec(),
            rows: list.iter().map(row).collect(),
            partial: false,
        }
    }

    #[tokio::test]
    async fn the_query_holds_the_window_the_cursor_and_the_names_as_literals() {
        let (fake, source) = fake(vec![Ok(Rows::default())]);
        let after = ("2026-01-02T03:04:05.1234567Z".parse().unwrap(), "x\" | take 0 //".to_owned());
        source.page(&window(Some(after), 7)).await.unwrap();
        let query = fake.asked.lock().unwrap()[0].clone();
        for part in [
            "ingestion_time() >= datetime(2026-01-02T03:00:00Z) and ingestion_time() < datetime(2026-01-02T04:00:00Z)",
            "IngestionTime == datetime(2026-01-02T03:04:05.1234567Z)",
            r#"strcmp(SystemAlertId, "x\" | take 0 //") > 0"#,
            r#"ProductName in~ ("Azure Advanced Threat Protection", "Microsoft Defender for Identity""#,
            "| take 7",
        ] {
            assert!(query.contains(part), "{part} is not in {query}");
        }
    }

    #[tokio::test]
    async fn a_full_page_says_so_and_its_last_row_is_the_place_to_go_on() {
        let two = rows(&[("2026-01-02T03:10:00Z", "a"), ("2026-01-02T03:10:00Z", "b")]);
        let (_, source) = fake(vec![Ok(two.clone()), Ok(two), Ok(Rows { partial: true, ..Rows::default() })]);
        let page = source.page(&window(None, 2)).await.unwrap();
        assert_eq!((page.full, page.items.len()), (true, 2));
        assert_eq!(page.last, Some(("2026-01-02T03:10:00Z".parse().unwrap(), "b".into())));
        assert!(!source.page(&window(None, 3)).await.unwrap().full);
        let page = source.page(&window(None, 3)).await.unwrap();
        assert_eq!((page.partial, page.last, page.full), (true, None, false));
    }

    #[tokio::test]
    async fn a_rotten_row_does_not_spoil_its_neighbours() {
        let mut three = rows(&[("2026-01-02T03:10:00Z", "a"), ("nonsense", "b"), ("2026-01-02T03:12:00Z", "c")]);
        three.rows.push(vec![json!("2026-01-02T03:13:00Z"), Value::Null, Value::Null]);
        three.rows.push(vec![]);
        let (_, source) = fake(vec![Ok(three)]);
        let page = source.page(&window(None, 100)).await.unwrap();
        let good: Vec<bool> = page.items.iter().map(Result::is_ok).collect();
        assert_eq!(good, [true, false, true, false, false]);
        assert_eq!(page.last.unwrap().0, "2026-01-02T03:13:00Z".parse().unwrap());
        assert_eq!(page.items[1].as_ref().unwrap_err().visible, "2026-01-02T03:10:00Z".parse().unwrap());
    }

    #[tokio::test]
    async fn an_answer_too_large_to_read_is_asked_for_in_smaller_pages() {
        let too_large = Failure {
            provider: Provider::LogAnalytics,
            operation: "q".into(),
            kind: FailureKind::Unreadable,
            sent: Sent::Answered,
            vendor: None,
            hint: String::new(),
        };
        let (fake, source) = fake(vec![Err(too_large), Ok(rows(&[("2026-01-02T03:10:00Z", "a")]))]);
        let page = source.page(&window(None, 8)).await.unwrap();
        assert!(page.full, "a page as small as was asked for is full");
        assert!(fake.asked.lock().unwrap()[1].contains("take 1"));
    }

    #[test]
    fn a_poll_query_that_would_lose_alerts_is_refused() {
        let (fake, _) = fake(vec![]);
        let key = WorkspaceKey(uuid::Uuid::nil());
        let made = SecurityAlerts::new(fake, key, &TEMPLATE.replace("{after_id}", "''"), PROVIDERS);
        assert_eq!(made.err(), Some(BadPollQuery("after_id")));
    }
}
