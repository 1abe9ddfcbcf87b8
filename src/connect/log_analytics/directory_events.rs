//! Audit records of changes to accounts: Defender for Identity's `IdentityDirectoryEvents`, and the
//! domain controllers' own `SecurityEvent`.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::join_all;

use crate::connect::kql_runner::{KqlRunner, Row, is_unknown_name};
use crate::connect::kql_text;
use crate::connect::together::Together;
use crate::model::account::{AccountRef, Sid};
use crate::model::action::Subject;
use crate::model::failure::Failure;
use crate::model::time::At;

/// Enough to find one that counts among those that do not.
const ROWS: usize = 50;

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Change {
    /// The account was disabled.
    Disabled,
    /// The account was enabled.
    Enabled,
    /// Its password was reset, or it must change it.
    Password,
}

/// How `IdentityDirectoryEvents.ActionType` spells each change. The stored words are not documented: they are compared
/// without regard to case.
const fn words(change: Change) -> &'static [&'static str] {
    match change {
        Change::Disabled => &["Account disabled"],
        Change::Enabled => &["Account enabled"],
        // A password that must be changed at the next logon is one that has expired.
        Change::Password => {
            &["Account Password expired", "Account Password changed", "Account Password reset", "Password changed"]
        }
    }
}

/// Looks for audit records. Questions about several accounts that come at the same time are one query.
pub struct DirectoryEvents {
    tables: Vec<Table>,
}

/// One of the tables, where it can be asked.
struct Table {
    runner: Arc<dyn KqlRunner>,
    kind: TableKind,
    together: Together<Question, Option<At>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum TableKind {
    Identity,
    Windows,
}

/// Whether a change was made to somebody since a moment; by UPN or by SID, as the table names people.
#[derive(Debug, Clone)]
struct Question {
    change: Change,
    who: String,
    since: At,
}

impl DirectoryEvents {
    /// `identity` are asked for `IdentityDirectoryEvents` (hunting, or a workspace it streams to),
    /// `windows` for `SecurityEvent` (workspaces).
    #[must_use]
    pub fn new(identity: Vec<Arc<dyn KqlRunner>>, windows: Vec<Arc<dyn KqlRunner>>) -> Self {
        let table = |kind| move |runner| Table { runner, kind, together: Together::new() };
        let identity = identity.into_iter().map(table(TableKind::Identity));
        let windows = windows.into_iter().map(table(TableKind::Windows));
        Self { tables: identity.chain(windows).collect() }
    }

    /// The newest record of a change to an Active Directory account since a moment; `None` when there
    /// is none, or none yet.
    ///
    /// # Errors
    /// When none was found and somebody could not be asked.
    pub async fn latest(&self, change: Change, subject: &Subject, since: At) -> Result<Option<At>, Failure> {
        let asked = self.tables.iter().filter_map(|table| {
            let question = Question { change, who: table.kind.name_of(subject)?, since };
            Some(Self::ask(table, question))
        });
        let mut newest = None;
        let mut failed = None;
        for answer in join_all(asked).await {
            match answer {
                Ok(found) => newest = newest.max(found),
                Err(failure) => failed = Some(failure),
            }
        }
        match (newest, failed) {
            (None, Some(failure)) => Err(failure),
            (newest, _) => Ok(newest),
        }
    }

    async fn ask(table: &Table, question: Question) -> Result<Option<At>, Failure> {
        table.together.ask(question, |questions| Self::answers(table, questions)).await
    }

    async fn answers(table: &Table, questions: Vec<Question>) -> Result<Vec<Option<At>>, Failure> {
        let rows = match table.runner.run(&Self::query(table.kind, &questions), None).await {
            // A workspace that collects no such events has no such table.
            Err(failure) if is_unknown_name(&failure) => return Ok(vec![None; questions.len()]),
            answer => answer?,
        };
        let newest = |question: &Question| {
            let found =
                rows.iter().filter(|row| Self::counts(*row, question)).filter_map(|row| row.at(table.kind.time()));
            found.filter(|at| *at >= question.since).max()
        };
        Ok(questions.iter().map(newest).collect())
    }

    /// One row for each account and kind of record, so that one account's many records cannot crowd out another's.
    fn query(kind: TableKind, questions: &[Question]) -> String {
        let since = questions.iter().map(|question| question.since).min().unwrap_or(At::EPOCH);
        let who: BTreeSet<&str> = questions.iter().map(|question| question.who.as_str()).collect();
        let changes: BTreeSet<Change> = questions.iter().map(|question| question.change).collect();
        let (since, who) = (kql_text::datetime(since), kql_text::strings(who));
        match kind {
            TableKind::Identity => {
                let words = kql_text::strings(changes.iter().flat_map(|change| words(*change)).copied());
                format!(
                    "IdentityDirectoryEvents\n| where Timestamp >= {since}\n| where ActionType in~ ({words})\n\
                     | where TargetAccountUpn in~ ({who})\n\
                     | summarize Timestamp = max(Timestamp) by ActionType, TargetAccountUpn"
                )
            }
            TableKind::Windows => {
                let numbers: Vec<String> =
                    changes.iter().flat_map(|change| numbers(*change)).map(ToString::to_string).collect();
                // A 4738 is judged by a further column, which not every workspace has: all columns of the newest ones.
                let rows = if changes.contains(&Change::Password) {
                    format!("| order by TimeGenerated desc\n| take {}", ROWS * questions.len())
                } else {
                    "| summarize TimeGenerated = max(TimeGenerated) by EventID, TargetSid".to_owned()
                };
                format!(
                    "SecurityEvent\n| where TimeGenerated >= {since}\n| where EventID in ({})\n\
                     | where TargetSid in~ ({who})\n{rows}",
                    numbers.join(", ")
                )
            }
        }
    }

    /// What the query asked for, asked of the row again: a server may ignore a filter.
    fn counts(row: Row<'_>, question: &Question) -> bool {
        let is = |column| row.text(column).is_some_and(|found| found.trim().to_lowercase() == question.who);
        if let Some(action) = row.text("ActionType") {
            let known = words(question.change).iter().any(|word| word.eq_ignore_ascii_case(action));
            return known && is("TargetAccountUpn");
        }
        let Some(event) = row.value("EventID").and_then(serde_json::Value::as_i64) else { return false };
        // 4738 tells of any change; one of the password states when it was set.
        let password = || event != 4738 || row.text("PasswordLastSet").is_some_and(|set| set.trim() != "-");
        is("TargetSid") && numbers(question.change).contains(&event) && password()
    }
}

impl TableKind {
    const fn time(self) -> &'static str {
        match self {
            Self::Identity => "Timestamp",
            Self::Windows => "TimeGenerated",
        }
    }

    /// How the table names the account, in small letters; `None` where that is not known.
    fn name_of(self, subject: &Subject) -> Option<String> {
        match self {
            Self::Identity => subject.upn.as_ref().map(|upn| upn.as_str().to_lowercase()),
            Self::Windows => sid(subject).map(|sid| sid.as_str().to_lowercase()),
        }
    }
}

/// Windows auditing: 4722 enabled, 4724 reset attempt, 4725 disabled, 4738 changed.
const fn numbers(change: Change) -> &'static [i64] {
    match change {
        Change::Disabled => &[4725],
        Change::Enabled => &[4722],
        Change::Password => &[4724, 4738],
    }
}

fn sid(subject: &Subject) -> Option<&Sid> {
    let all = std::iter::once(&subject.account).chain(&subject.also);
    all.into_iter().find_map(|account| match account {
        AccountRef::Ad(sid) => Some(sid),
        AccountRef::Entra(_) | AccountRef::Okta { .. } => None,
    })
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use async_trait::async_trait;
    use serde_json::{Value, json};

    use super::*;
    use crate::connect::kql_runner::{Rows, Timespan};
    use crate::model::failure::{FailureKind, Provider, Sent};

    const SID: &str = "S-1-5-21-1-2-3-1105";

    struct Fake(Result<Rows, Failure>, Mutex<String>);

    #[async_trait]
    impl KqlRunner for Fake {
        async fn run(&self, query: &str, _: Option<Timespan>) -> Result<Rows, Failure> {
            query.clone_into(&mut self.1.lock().unwrap());
            self.0.clone()
        }
    }

    fn fake(columns: &[&str], rows: Vec<Vec<Value>>) -> Arc<Fake> {
        let columns = columns.iter().map(|name| (*name).to_owned()).collect();
        Arc::new(Fake(Ok(Rows { columns, rows, partial: false }), Mutex::default()))
    }

    fn down() -> Arc<Fake> {
        let failure = Failure {
            provider: Provider::LogAnalytics,
            operation: "q".into(),
            kind: FailureKind::Unavailable,
            sent: Sent::Answered,
            vendor: None,
            hint: String::new(),
        };
        Arc::new(Fake(Err(failure), Mutex::default()))
    }

    fn subject() -> Subject {
        Subject {
            account: AccountRef::Ad(SID.parse().unwrap()),
            upn: "adele@contoso.com".parse().ok(),
            label: "adele".into(),
            handle: None,
            also: vec![],
        }
    }

    fn since() -> At {
        "2026-01-02T03:00:00Z".parse().unwrap()
    }

    async fn look(identity: Arc<Fake>, windows: Arc<Fake>, change: Change) -> Result<Option<At>, Failure> {
        let events = DirectoryEvents::new(vec![identity], vec![windows]);
        events.latest(change, &subject(), since()).await
    }

    #[tokio::test]
    async fn the_newest_record_of_either_table_counts_in_any_case() {
        let identity = fake(
            &["Timestamp", "ActionType", "TargetAccountUpn"],
            vec![vec![json!("2026-01-02T03:01:00Z"), json!("ACCOUNT Disabled"), json!("Adele@CONTOSO.com")]],
        );
        let windows = fake(
            &["TimeGenerated", "EventID", "TargetSid"],
            vec![vec![json!("2026-01-02T03:02:00Z"), json!(4725), json!(SID)]],
        );
        let found = look(Arc::clone(&identity), Arc::clone(&windows), Change::Disabled).await.unwrap();
        assert_eq!(found, "2026-01-02T03:02:00Z".parse().ok());
        assert!(identity.1.lock().unwrap().contains("TargetAccountUpn in~ (\"adele@contoso.com\")"));
        assert!(windows.1.lock().unwrap().contains("EventID in (4725)"));
    }

    #[tokio::test]
    async fn records_of_others_of_other_changes_and_of_before_prove_nothing() {
        let identity = fake(
            &["Timestamp", "ActionType", "TargetAccountUpn"],
            vec![
                vec![json!("2026-01-02T03:01:00Z"), json!("Account disabled"), json!("bo@contoso.com")],
                vec![json!("2026-01-02T03:01:00Z"), json!("Account enabled"), json!("adele@contoso.com")],
                vec![json!("2026-01-02T02:59:59Z"), json!("Account disabled"), json!("adele@contoso.com")],
                vec![json!("2026-01-02T03:01:00Z"), json!("Account disabled"), json!(null)],
            ],
        );
        let windows = fake(
            &["TimeGenerated", "EventID", "TargetSid"],
            vec![
                vec![json!("2026-01-02T03:02:00Z"), json!(4725), json!("S-1-5-21-1-2-3-9")],
                vec![json!("2026-01-02T03:02:00Z"), json!(4722), json!(SID)],
            ],
        );
        assert_eq!(look(identity, windows, Change::Disabled).await.unwrap(), None);
    }

    #[tokio::test]
    async fn a_change_of_something_else_is_no_password_change() {
        let windows = |set: Value| {
            fake(
                &["TimeGenerated", "EventID", "TargetSid", "PasswordLastSet"],
                vec![vec![json!("2026-01-02T03:02:00Z"), json!(4738), json!(SID), set]],
            )
        };
        assert_eq!(look(fake(&[], vec![]), windows(json!("-")), Change::Password).await.unwrap(), None);
        assert!(look(fake(&[], vec![]), windows(json!("%%1794")), Change::Password).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn who_could_not_be_asked_is_told_unless_another_has_the_proof() {
        assert!(look(down(), fake(&[], vec![]), Change::Enabled).await.is_err());
        let windows = fake(
            &["TimeGenerated", "EventID", "TargetSid"],
            vec![vec![json!("2026-01-02T03:02:00Z"), json!(4722), json!(SID)]],
        );
        assert!(look(down(), windows, Change::Enabled).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn questions_about_several_accounts_and_changes_are_one_query() {
        let rows = ["ann", "bo"].map(|who| {
            vec![json!("2026-01-02T03:01:00Z"), json!("Account disabled"), json!(format!("{who}@contoso.com"))]
        });
        let identity = fake(&["Timestamp", "ActionType", "TargetAccountUpn"], rows.to_vec());
        let events = DirectoryEvents::new(vec![Arc::clone(&identity) as _], vec![]);
        let who = |upn: &str| Subject { upn: upn.parse().ok(), ..subject() };
        let (ann, bo, cy) = (who("ann@contoso.com"), who("bo@contoso.com"), who("cy@contoso.com"));
        let (ann, bo, cy) = tokio::join!(
            events.latest(Change::Disabled, &ann, since()),
            events.latest(Change::Disabled, &bo, "2026-01-02T03:02:00Z".parse().unwrap()),
            events.latest(Change::Enabled, &cy, since()),
        );
        assert_eq!(ann.unwrap(), "2026-01-02T03:01:00Z".parse().ok());
        assert_eq!(bo.unwrap(), None, "a record from before its own moment");
        assert_eq!(cy.unwrap(), None);
        let query = identity.1.lock().unwrap().clone();
        for part in [r#"("ann@contoso.com", "bo@contoso.com", "cy@contoso.com")"#, "\"Account enabled\"", "03:00:00Z"] {
            assert!(query.contains(part), "{part} is not in {query}");
        }
    }

    /// A workspace without the table.
    struct Missing(std::sync::atomic::AtomicUsize);

    #[async_trait]
    impl KqlRunner for Missing {
        async fn run(&self, _: &str, _: Option<Timespan>) -> Result<Rows, Failure> {
            self.0.fetch_add(1, std::sync::atomic::Ordering::SeqCst);
            let words = "'where' operator: Failed to resolve table";
            Err(Failure {
                provider: Provider::LogAnalytics,
                operation: "q".into(),
                kind: FailureKind::Refused,
                sent: Sent::Answered,
                vendor: Some(crate::model::failure::VendorWords::new(400, "SemanticError", words, None)),
                hint: String::new(),
            })
        }
    }

    #[tokio::test]
    async fn a_table_that_is_not_there_is_asked_for_once_for_all_questions() {
        let runner = Arc::new(Missing(std::sync::atomic::AtomicUsize::new(0)));
        let events = DirectoryEvents::new(vec![], vec![runner.clone()]);
        let subject = subject();
        let all = join_all((0..16).map(|_| events.latest(Change::Disabled, &subject, since()))).await;
        assert!(all.iter().all(|answer| matches!(answer, Ok(None))));
        assert!(runner.0.load(std::sync::atomic::Ordering::SeqCst) <= 2);
    }
}
