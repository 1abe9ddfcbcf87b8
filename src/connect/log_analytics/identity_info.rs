//! The `IdentityInfo` table: what the directories said about an Active Directory account, as Defender
//! for Identity and UEBA copy it into the workspace. It follows the directories by hours.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;

use crate::connect::kql_runner::{KqlRunner, Row, Rows, is_unknown_name};
use crate::connect::kql_text;
use crate::connect::port::People;
use crate::connect::together::Together;
use crate::model::account::{AccountRef, Sid};
use crate::model::failure::{Failure, FailureKind, Provider, Sent};
use crate::model::person::{Found, LookupKey, Membership};

/// How long to wait before each further try, when an answer came that cannot be believed.
const AGAIN: [Duration; 3] = [Duration::from_millis(250), Duration::from_millis(500), Duration::from_secs(1)];

/// The tag of Defender for Identity for accounts with power. It covers members of protected groups through other
/// groups too, of which `GroupMembership` shows the nearest.
const SENSITIVE: &str = "Sensitive";

/// Reads `IdentityInfo` through a query runner.
pub struct IdentityInfo {
    runner: Arc<dyn KqlRunner>,
    together: Together<Sid, Rows>,
}

impl IdentityInfo {
    /// Over a workspace that has the table, or does not.
    #[must_use]
    pub const fn new(runner: Arc<dyn KqlRunner>) -> Self {
        Self { runner, together: Together::new() }
    }

    /// Whether the account's password is set not to expire (`UserAccountControl`); `None` when the
    /// table does not say.
    ///
    /// # Errors
    /// When the workspace cannot be asked.
    pub async fn password_never_expires(&self, sid: &Sid) -> Result<Option<bool>, Failure> {
        let rows = self.newest(sid).await?;
        let flags = rows.iter().next().and_then(|row| row.texts("UserAccountControl"));
        Ok(flags.map(|flags| flags.iter().any(|flag| is_never_expires(flag))))
    }

    /// The newest row of an account within the table's own renewal, which is every 14 days. Questions
    /// about several accounts that come at the same time are one query.
    async fn newest(&self, sid: &Sid) -> Result<Rows, Failure> {
        self.together.ask(sid.clone(), |sids| self.newest_of(sids)).await
    }

    async fn newest_of(&self, sids: Vec<Sid>) -> Result<Vec<Rows>, Failure> {
        let query = format!(
            "IdentityInfo\n| where TimeGenerated > ago(21d)\n| where AccountSID in~ ({})\n\
             | summarize arg_max(TimeGenerated, *) by AccountSID",
            kql_text::strings(sids.iter().map(Sid::as_str))
        );
        let rows = self.whole(&query).await?;
        Ok(sids.iter().map(|sid| rows.newest("TimeGenerated", |row| is_of(row, sid))).collect())
    }

    /// The whole answer, asked for again where it cannot be believed. What is missing from half an answer
    /// would pass for an account of which nothing is known.
    async fn whole(&self, query: &str) -> Result<Rows, Failure> {
        let mut pauses = AGAIN.iter();
        loop {
            let answer = self.once(query).await;
            match pauses.next() {
                Some(pause) if answer.as_ref().is_err_and(is_doubtful) => tokio::time::sleep(*pause).await,
                _ => return answer,
            }
        }
    }

    async fn once(&self, query: &str) -> Result<Rows, Failure> {
        match self.runner.run(query, None).await {
            Ok(rows) if rows.partial => Err(incomplete("the answer was empty or only part of one")),
            Ok(rows) if rows.columns.is_empty() => Err(incomplete("the answer was a table without columns")),
            Err(failure) if is_unknown_name(&failure) => Ok(Rows::default()),
            other => other,
        }
    }
}

/// The service said yes and gave nothing usable. Whatever it says no to, the door has tried again already.
fn is_doubtful(failure: &Failure) -> bool {
    failure.sent == Sent::Answered && failure.vendor.is_none()
}

/// A passing failure of the service, which is asked again later like any other.
fn incomplete(why: &str) -> Failure {
    Failure {
        provider: Provider::LogAnalytics,
        operation: format!("POST {}", super::QUERY),
        kind: FailureKind::Unavailable,
        sent: Sent::Answered,
        vendor: None,
        hint: format!("{why}: what the workspace's IdentityInfo says about the account is not known"),
    }
}

fn is_of(row: Row<'_>, sid: &Sid) -> bool {
    row.text("AccountSID").is_some_and(|found| found.eq_ignore_ascii_case(sid.as_str()))
}

#[async_trait]
impl People for IdentityInfo {
    fn provider(&self) -> Provider {
        Provider::LogAnalytics
    }

    /// The table finds nobody: what it says about ids is not the directory's word.
    async fn find(&self, _key: &LookupKey) -> Result<Vec<Found>, Failure> {
        Ok(Vec::new())
    }

    async fn memberships(&self, account: &AccountRef) -> Result<Option<Vec<Membership>>, Failure> {
        let AccountRef::Ad(sid) = account else { return Ok(None) };
        let rows = self.newest(sid).await?;
        let Some(row) = rows.iter().next() else { return Ok(None) };
        // A table without the column knows nothing about groups; an empty cell says that there are none.
        let (Some(groups), Some(roles)) = (names(&rows, row, "GroupMembership"), names(&rows, row, "AssignedRoles"))
        else {
            return Ok(None);
        };
        let sensitive = is_sensitive(&rows, row);
        let groups = groups.into_iter().map(Membership::AdGroupNamed);
        let roles = roles.into_iter().map(Membership::EntraRoleNamed);
        Ok(Some(groups.chain(roles).chain(sensitive.then_some(Membership::TaggedSensitive)).collect()))
    }
}

/// Whether the account has the tag. Where the cell is no list, the word in it is enough: somebody is asked then.
fn is_sensitive(rows: &Rows, row: Row<'_>) -> bool {
    match names(rows, row, "Tags") {
        Some(tags) => tags.iter().any(|tag| tag.trim().eq_ignore_ascii_case(SENSITIVE)),
        None => {
            row.value("Tags").is_some_and(|cell| cell.to_string().to_lowercase().contains(&SENSITIVE.to_lowercase()))
        }
    }
}

fn names(rows: &Rows, row: Row<'_>, column: &str) -> Option<Vec<String>> {
    match row.value(column) {
        None if rows.has(column) => Some(Vec::new()),
        None => None,
        Some(cell) if cell.as_str().is_some_and(|text| text.trim().is_empty()) => Some(Vec::new()),
        Some(_) => row.texts(column),
    }
}

fn is_never_expires(flag: &str) -> bool {
    ["PasswordNeverExpires", "DONT_EXPIRE_PASSWORD", "DontExpirePassword"]
        .iter()
        .any(|known| known.eq_ignore_ascii_case(flag.trim()))
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use serde_json::{Value, json};

    use super::*;
    use crate::connect::kql_runner::Timespan;
    use crate::model::failure::VendorWords;

    const SID: &str = "S-1-5-21-1-2-3-1105";

    struct Fake(Result<Rows, Failure>);

    #[async_trait]
    impl KqlRunner for Fake {
        async fn run(&self, query: &str, _: Option<Timespan>) -> Result<Rows, Failure> {
            assert!(query.contains(&format!("AccountSID in~ (\"{SID}\")")), "{query}");
            self.0.clone()
        }
    }

    fn table(cells: &[(&str, Value)]) -> IdentityInfo {
        let columns = cells.iter().map(|(name, _)| (*name).to_owned()).collect();
        let rows = vec![cells.iter().map(|(_, cell)| cell.clone()).collect()];
        IdentityInfo::new(Arc::new(Fake(Ok(Rows { columns, rows, partial: false }))))
    }

    /// Gives its answers from the last to the first, and the first for ever.
    struct Answers(Mutex<Vec<Result<Rows, Failure>>>);

    #[async_trait]
    impl KqlRunner for Answers {
        async fn run(&self, _: &str, _: Option<Timespan>) -> Result<Rows, Failure> {
            let mut answers = self.0.lock().unwrap();
            if answers.len() > 1 { answers.pop().unwrap() } else { answers[0].clone() }
        }
    }

    fn answers(list: Vec<Result<Rows, Failure>>) -> IdentityInfo {
        IdentityInfo::new(Arc::new(Answers(Mutex::new(list))))
    }

    /// The account is in a group, when the answer is not cut.
    fn known(partial: bool) -> Rows {
        let columns = ["AccountSID", "GroupMembership", "AssignedRoles"].map(str::to_owned).to_vec();
        let row = vec![json!(SID), json!("[\"Sales\"]"), json!("[]")];
        Rows { columns, rows: if partial { vec![] } else { vec![row] }, partial }
    }

    fn unreadable() -> Failure {
        Failure { kind: FailureKind::Unreadable, ..incomplete("x") }
    }

    async fn groups(info: &IdentityInfo) -> Option<Vec<Membership>> {
        info.memberships(&AccountRef::Ad(SID.parse().unwrap())).await.unwrap()
    }

    #[tokio::test]
    async fn groups_and_roles_come_by_name() {
        let info = table(&[
            ("AccountSID", json!(SID)),
            ("GroupMembership", json!("[\"Domain Admins\"]")),
            ("AssignedRoles", json!(["Global Administrator"])),
            ("UserAccountControl", json!("[\"NormalAccount\",\"PasswordNeverExpires\"]")),
        ]);
        let expected = vec![
            Membership::AdGroupNamed("Domain Admins".into()),
            Membership::EntraRoleNamed("Global Administrator".into()),
        ];
        assert_eq!(groups(&info).await, Some(expected));
        assert_eq!(info.password_never_expires(&SID.parse().unwrap()).await.unwrap(), Some(true));
    }

    #[tokio::test]
    async fn who_is_tagged_sensitive_is_so_also_where_the_cell_is_no_list() {
        for (tags, sensitive) in [
            (json!("[\"sensitive\"]"), true),
            (json!(["Sensitive", "x"]), true),
            (json!("Sensitive"), true),
            (json!("[]"), false),
            (json!(null), false),
            (json!(["NotSensitiveAtAll"]), false),
        ] {
            let cells = [
                ("AccountSID", json!(SID)),
                ("GroupMembership", json!("[]")),
                ("AssignedRoles", json!("[]")),
                ("Tags", tags.clone()),
            ];
            let known = groups(&table(&cells)).await.unwrap();
            assert_eq!(known.contains(&Membership::TaggedSensitive), sensitive, "{tags}");
        }
    }

    #[tokio::test]
    async fn unreadable_groups_are_not_no_groups() {
        assert_eq!(groups(&table(&[("AccountSID", json!(SID))])).await, None, "no column");
        let broken =
            [("AccountSID", json!(SID)), ("GroupMembership", json!("[broken")), ("AssignedRoles", json!("[]"))];
        assert_eq!(groups(&table(&broken)).await, None, "broken cell");
        let empty = [("AccountSID", json!(SID)), ("GroupMembership", json!(null)), ("AssignedRoles", json!("[]"))];
        assert_eq!(groups(&table(&empty)).await, Some(vec![]), "no groups");
    }

    #[tokio::test]
    async fn a_row_of_somebody_else_counts_for_nothing() {
        let other = [
            ("AccountSID", json!("S-1-5-21-1-2-3-9")),
            ("GroupMembership", json!("[]")),
            ("AssignedRoles", json!("[]")),
        ];
        assert_eq!(groups(&table(&other)).await, None);
    }

    #[tokio::test(start_paused = true)]
    async fn half_an_answer_no_content_and_a_table_without_columns_are_asked_again() {
        let no_content = Rows { partial: true, ..Rows::default() };
        for spoiled in [Ok(known(true)), Ok(no_content), Ok(Rows::default()), Err(unreadable())] {
            let info = answers(vec![Ok(known(false)), spoiled.clone()]);
            assert_eq!(groups(&info).await, Some(vec![Membership::AdGroupNamed("Sales".into())]), "{spoiled:?}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn an_answer_that_stays_incomplete_is_a_passing_failure_and_an_empty_one_is_an_answer() {
        for spoiled in [known(true), Rows { partial: true, ..Rows::default() }, Rows::default()] {
            let info = answers(vec![Ok(spoiled.clone())]);
            let asked = info.memberships(&AccountRef::Ad(SID.parse().unwrap())).await;
            assert!(asked.is_err_and(|failure| failure.is_passing()), "{spoiled:?}");
        }
        let nobody = Rows { rows: vec![], ..known(false) };
        assert_eq!(groups(&answers(vec![Ok(nobody)])).await, None);
    }

    #[tokio::test]
    async fn a_workspace_without_the_table_does_not_know_and_a_broken_one_is_an_error() {
        let failure = |kind, code: &str| Failure {
            provider: Provider::LogAnalytics,
            operation: "q".into(),
            kind,
            sent: Sent::Answered,
            vendor: Some(VendorWords::new(400, code, "'where' operator: Failed to resolve table", None)),
            hint: String::new(),
        };
        let missing =
            IdentityInfo::new(Arc::new(Fake(Err(failure(FailureKind::Refused, "BadArgumentError/SemanticError")))));
        assert_eq!(groups(&missing).await, None);
        assert_eq!(missing.password_never_expires(&SID.parse().unwrap()).await.unwrap(), None);
        let broken = IdentityInfo::new(Arc::new(Fake(Err(failure(FailureKind::Unavailable, "x")))));
        assert!(broken.memberships(&AccountRef::Ad(SID.parse().unwrap())).await.is_err());
    }
}
