//! Audit records of changes to accounts: Defender for Identity's `IdentityDirectoryEvents`, and the
//! domain controllers' own `SecurityEvent`.

use std::sync::Arc;

use crate::connect::kql_runner::{KqlRunner, Row, is_unknown_name};
use crate::connect::kql_text;
use crate::model::account::{AccountRef, Sid};
use crate::model::action::Subject;
use crate::model::failure::Failure;
use crate::model::time::At;

/// Enough to find one that counts among those that do not.
const ROWS: u32 = 50;

/// What is looked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Change {
    /// The account was disabled.
    Disabled,
    /// The account was enabled.
    Enabled,
    /// Its password was reset, or it must change it.
    Password,
}

/// How `IdentityDirectoryEvents.ActionType` spells each change. The stored words are not documented:
/// they are compared without regard to case, and configurable.
#[derive(Debug, Clone)]
pub struct ActionWords {
    /// For [`Change::Disabled`].
    pub disabled: Vec<String>,
    /// For [`Change::Enabled`].
    pub enabled: Vec<String>,
    /// For [`Change::Password`].
    pub password: Vec<String>,
}

impl Default for ActionWords {
    fn default() -> Self {
        let list = |words: &[&str]| words.iter().map(|word| (*word).to_owned()).collect();
        Self {
            disabled: list(&["Account disabled"]),
            enabled: list(&["Account enabled"]),
            // A password that must be changed at the next logon is one that has expired.
            password: list(&[
                "Account Password expired",
                "Account Password changed",
                "Account Password reset",
                "Password changed",
            ]),
        }
    }
}

/// Looks for audit records.
pub struct DirectoryEvents {
    identity: Vec<Arc<dyn KqlRunner>>,
    windows: Vec<Arc<dyn KqlRunner>>,
    words: ActionWords,
}

impl DirectoryEvents {
    /// `identity` are asked for `IdentityDirectoryEvents` (hunting, or a workspace it streams to),
    /// `windows` for `SecurityEvent` (workspaces).
    #[must_use]
    pub const fn new(identity: Vec<Arc<dyn KqlRunner>>, windows: Vec<Arc<dyn KqlRunner>>, words: ActionWords) -> Self {
        Self { identity, windows, words }
    }

    /// The newest record of a change to an Active Directory account since a moment; `None` when there
    /// is none, or none yet.
    ///
    /// # Errors
    /// When none was found and somebody could not be asked.
    pub async fn latest(&self, change: Change, subject: &Subject, since: At) -> Result<Option<At>, Failure> {
        let mut newest = None;
        let mut failed = None;
        let questions = self
            .identity_question(change, subject, since)
            .into_iter()
            .flat_map(|query| self.identity.iter().map(move |runner| (runner, query.clone(), "Timestamp")))
            .chain(
                windows_question(change, subject, since)
                    .into_iter()
                    .flat_map(|query| self.windows.iter().map(move |runner| (runner, query.clone(), "TimeGenerated"))),
            )
            // Collected: an iterator of closures held over an `await` could not be sent between threads.
            .collect::<Vec<_>>();
        for (runner, query, time) in questions {
            match runner.run(&query, None).await {
                Ok(rows) => {
                    let counts = |row: &Row<'_>| self.counts(*row, change, subject);
                    let found = rows.iter().filter(counts).filter_map(|row| row.at(time)).filter(|at| *at >= since);
                    newest = newest.max(found.max());
                }
                Err(failure) if is_unknown_name(&failure) => {}
                Err(failure) => failed = Some(failure),
            }
        }
        match (newest, failed) {
            (None, Some(failure)) => Err(failure),
            (newest, _) => Ok(newest),
        }
    }

    fn identity_question(&self, change: Change, subject: &Subject, since: At) -> Option<String> {
        let upn = subject.upn.as_ref()?;
        Some(format!(
            "IdentityDirectoryEvents\n| where Timestamp >= {}\n| where ActionType in~ ({})\n\
             | where TargetAccountUpn =~ {}\n| order by Timestamp desc\n| take {ROWS}",
            kql_text::datetime(since),
            kql_text::strings(self.words_for(change)),
            kql_text::string(upn.as_str()),
        ))
    }

    fn words_for(&self, change: Change) -> &[String] {
        match change {
            Change::Disabled => &self.words.disabled,
            Change::Enabled => &self.words.enabled,
            Change::Password => &self.words.password,
        }
    }

    /// What the query asked for, asked of the row again: a server may ignore a filter.
    fn counts(&self, row: Row<'_>, change: Change, subject: &Subject) -> bool {
        if let Some(action) = row.text("ActionType") {
            let known = self.words_for(change).iter().any(|word| word.eq_ignore_ascii_case(action));
            let upn = subject.upn.as_ref().map_or("", |upn| upn.as_str());
            return known && row.text("TargetAccountUpn").is_some_and(|target| target.to_lowercase() == upn);
        }
        let Some(event) = row.value("EventID").and_then(serde_json::Value::as_i64) else { return false };
        let ours = row
            .text("TargetSid")
            .is_some_and(|target| sid(subject).is_some_and(|sid| target.trim().eq_ignore_ascii_case(sid.as_str())));
        // 4738 tells of any change; one of the password states when it was set.
        let password = || event != 4738 || row.text("PasswordLastSet").is_some_and(|set| set.trim() != "-");
        ours && numbers(change).contains(&event) && password()
    }
}

fn windows_question(change: Change, subject: &Subject, since: At) -> Option<String> {
    let sid = sid(subject)?;
    let numbers: Vec<String> = numbers(change).iter().map(ToString::to_string).collect();
    Some(format!(
        "SecurityEvent\n| where TimeGenerated >= {}\n| where EventID in ({})\n| where TargetSid =~ {}\n\
         | order by TimeGenerated desc\n| take {ROWS}",
        kql_text::datetime(since),
        numbers.join(", "),
        kql_text::string(sid.as_str()),
    ))
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
        let events = DirectoryEvents::new(vec![identity], vec![windows], ActionWords::default());
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
        assert!(identity.1.lock().unwrap().contains("TargetAccountUpn =~ \"adele@contoso.com\""));
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
}
