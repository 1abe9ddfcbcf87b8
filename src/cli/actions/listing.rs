//! Everything that was decided, from the journal: actions, and what was withheld before there was an
//! account to have an action for.

use std::collections::BTreeMap;

use serde::de::DeserializeOwned;

use super::left::left;
use super::line::ActionLine;
use crate::journal::lane::LaneKey;
use crate::journal::{Fault, Filter, Journal, Quarantined, StoredStream};
use crate::model::id::AlertId;
use crate::model::time::At;
use crate::record::action::ActionRecord;
use crate::record::alert::{AlertPhase, AlertRecord};
use crate::record::event::{StreamKey, StreamKind};
use crate::respond::write;

/// Which decisions. Empty fields do not restrict.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Changed at or after.
    pub since: Option<At>,
    /// With this word for how they stand.
    pub outcome: Option<String>,
    /// Wanted by this rule.
    pub rule: Option<String>,
}

/// What was decided.
#[derive(Debug)]
pub struct Listed {
    /// Oldest first.
    pub lines: Vec<ActionLine>,
    /// What does not stand among them, because it cannot be read: one sentence each.
    pub unreadable: Vec<String>,
}

/// The decisions.
///
/// # Errors
/// When the journal cannot be read.
pub async fn list(journal: &dyn Journal, wanted: &Wanted) -> Result<Listed, Fault> {
    let mut unreadable = Vec::new();
    let mut alerts = alerts(journal, wanted.since, &mut unreadable).await?;
    let mut lines = Vec::new();
    for alert in alerts.values().filter(|alert| !is_aside(alert)) {
        let recent = alert.decided.iter().filter(|decided| wanted.since.is_none_or(|since| decided.at >= since));
        lines.extend(recent.map(|decided| ActionLine::of_decided(decided, alert)));
        match &alert.phase {
            AlertPhase::Waiting { reason, again, .. } => lines.push(ActionLine::of_waiting(reason, *again, alert)),
            AlertPhase::Unreadable { why } => lines.push(ActionLine::of_unreadable(why, alert)),
            AlertPhase::Seen | AlertPhase::Planned | AlertPhase::Merged { .. } => {}
        }
    }
    let filter = Filter { kind: Some(StreamKind::Action), changed_since: wanted.since, ..Filter::default() };
    let put_aside = journal.quarantined().await?;
    for stream in journal.streams(&filter).await? {
        let Some(record) = read::<ActionRecord>(&stream, &mut unreadable) else { continue };
        let id = record.action.key.alert;
        // An old alert can have a young action: an undo, a revert.
        if !alerts.contains_key(&id)
            && let Some(alert) = alert(journal, id).await?
        {
            alerts.insert(id, alert);
        }
        let line = line(&record, alerts.get(&id), &put_aside);
        lines.push(heard(journal, &record, line).await?);
    }
    lines.retain(|line| fits(line, wanted));
    lines.sort_by(|a, b| a.started.cmp(&b.started).then_with(|| a.id.cmp(&b.id)));
    Ok(Listed { lines, unreadable })
}

/// The line of one action.
///
/// # Errors
/// When the journal cannot be read.
pub async fn line_of(journal: &dyn Journal, record: &ActionRecord) -> Result<ActionLine, Fault> {
    let alert = alert(journal, record.action.key.alert).await?;
    let line = line(record, alert.as_ref(), &journal.quarantined().await?);
    heard(journal, record, line).await
}

/// The line of a question that somebody has answered says so, though no daemon has heard it yet.
async fn heard(journal: &dyn Journal, record: &ActionRecord, mut line: ActionLine) -> Result<ActionLine, Fault> {
    if record.status() == "waiting"
        && let Some(last) = left(journal, record).await?.last()
    {
        line.reason = format!("{}. Before that: {}", last.line().what, line.reason);
    }
    Ok(line)
}

/// The line of an action. One that has not ended, in a lane that was put aside, waits for nothing but that.
fn line(record: &ActionRecord, alert: Option<&AlertRecord>, put_aside: &[Quarantined]) -> ActionLine {
    let mut line = ActionLine::of_action(record, alert);
    let account = LaneKey::account(&record.action.key.account);
    if record.outcome().is_none() && put_aside.iter().any(|quarantined| quarantined.lane == account) {
        line.reason = format!(
            "quarantined: nothing is done on this account, for riposte failed there again and again; riposte status says \
             why. Before that: {}",
            line.reason
        );
    }
    line
}

fn fits(line: &ActionLine, wanted: &Wanted) -> bool {
    wanted.outcome.as_ref().is_none_or(|outcome| outcome == line.outcome)
        && wanted.rule.as_ref().is_none_or(|rule| line.rule.as_ref() == Some(rule))
}

/// Its decisions are told by another alert.
const fn is_aside(alert: &AlertRecord) -> bool {
    matches!(alert.phase, AlertPhase::Merged { .. })
}

async fn alerts(
    journal: &dyn Journal,
    since: Option<At>,
    unreadable: &mut Vec<String>,
) -> Result<BTreeMap<AlertId, AlertRecord>, Fault> {
    let filter = Filter { kind: Some(StreamKind::Alert), changed_since: since, ..Filter::default() };
    let mut alerts = BTreeMap::new();
    for stream in journal.streams(&filter).await? {
        let Some(record) = read::<AlertRecord>(&stream, unreadable) else { continue };
        alerts.insert(record.id, record);
    }
    Ok(alerts)
}

fn read<T: DeserializeOwned>(stream: &StoredStream, unreadable: &mut Vec<String>) -> Option<T> {
    match write::read(stream) {
        Ok(stored) => Some(stored.record),
        Err(error) => {
            unreadable.push(error.to_string());
            None
        }
    }
}

async fn alert(journal: &dyn Journal, id: AlertId) -> Result<Option<AlertRecord>, Fault> {
    let stream = journal.stream(&StreamKey::alert(id)).await?;
    // An alert that cannot be read takes nothing from its actions but its title.
    Ok(stream.and_then(|stream| write::read(&stream).ok()).map(|stored| stored.record))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::actions::table;
    use crate::cli::report::Terminal;
    use crate::cli::testing::{Story, bench, seconds};
    use crate::journal::FailedPass;
    use crate::journal::sqlite::testing::take;
    use crate::model::reason::Reason;

    #[tokio::test]
    async fn everything_decided_is_listed_oldest_first_with_exactly_the_promised_keys() {
        let bench = bench();
        let journal = bench.open();
        Story::whole(&journal).await;
        let lines = list(&journal, &Wanted::default()).await.unwrap().lines;
        let outcomes: Vec<&str> = lines.iter().map(|line| line.outcome).collect();
        assert_eq!(outcomes, ["withheld", "waiting", "effective", "simulated"]);
        let json = json!(lines[2]);
        let keys: Vec<&String> = json.as_object().unwrap().keys().collect();
        let promised = "id alert rule mode account person intent route outcome proof reason incident started ended \
                        approved_by reverts_at";
        assert_eq!(keys, promised.split_whitespace().collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn an_alert_that_cannot_be_read_is_listed_with_why_and_found_by_its_id() {
        let bench = bench();
        let journal = bench.open();
        let story = Story::whole(&journal).await;
        let id = story.spoil(&journal, "its severity is a list").await;
        let wanted = Wanted { outcome: Some("unreadable".into()), ..Wanted::default() };
        let lines = list(&journal, &wanted).await.unwrap().lines;
        assert_eq!((lines.len(), lines[0].outcome, lines[0].mode), (1, "unreadable", None));
        assert!(lines[0].reason.ends_with("its severity is a list"), "{}", lines[0].reason);
        let found = crate::cli::actions::find::find(&journal, &id.short()).await.unwrap();
        assert!(matches!(found, crate::cli::actions::find::Found::Decided(line) if line.outcome == "unreadable"));
    }

    #[tokio::test]
    async fn what_waits_in_a_lane_in_quarantine_says_so() {
        let bench = bench();
        let journal = bench.open();
        let story = Story::whole(&journal).await;
        let lane = journal.stream(&StreamKey::action(story.asking)).await.unwrap().unwrap().lane;
        for _ in 0..5 {
            let claim = take(&journal, &lane).await;
            let failed = FailedPass { why: "x".into(), again: journal.now(), tell: Vec::new() };
            journal.fail(claim, failed).await.unwrap();
        }
        let lines = list(&journal, &Wanted::default()).await.unwrap().lines;
        let aside: Vec<_> = lines.iter().filter(|line| line.reason.starts_with("quarantined: ")).collect();
        assert_eq!(aside.len(), 1);
        assert_eq!((aside[0].action_id(), aside[0].reason.contains("approval-wanted")), (story.asking, true));
    }

    #[tokio::test]
    async fn an_effective_action_says_by_what_it_was_seen_and_when_it_is_put_back() {
        let bench = bench();
        let journal = bench.open();
        Story::whole(&journal).await;
        let wanted = Wanted { outcome: Some("effective".into()), ..Wanted::default() };
        let lines = list(&journal, &wanted).await.unwrap().lines;
        assert_eq!(lines.len(), 1);
        insta::assert_json_snapshot!(lines[0], @r#"
        {
          "id": "44ac7c5e-aa99-59fd-be80-b0b22c7d2d2d",
          "alert": {
            "id": "9716fa28-2760-5c09-b0d2-07d70cb2b113",
            "title": "Suspected DCSync attack",
            "catalogue": "mdi/2006",
            "names": [
              "sa-1"
            ]
          },
          "rule": "dcsync",
          "mode": "enforce",
          "account": {
            "label": "user1105@contoso.com",
            "directory": "active-directory",
            "sid": "S-1-5-21-1-2-3-1105",
            "entra_id": null,
            "object_guid": null,
            "okta_org": null,
            "okta_id": null,
            "upn": "user1105@contoso.com",
            "name": "user1105",
            "nt_domain": "CONTOSO",
            "dns_domain": null
          },
          "person": {
            "label": "user1105@contoso.com",
            "upn": "user1105@contoso.com",
            "sid": "S-1-5-21-1-2-3-1105",
            "entra_id": "00000000-0000-0000-0000-000000000451",
            "okta_id": null,
            "accounts": [
              "ad:S-1-5-21-1-2-3-1105",
              "entra:00000000-0000-0000-0000-000000000451"
            ]
          },
          "intent": "disable-ad-user",
          "route": "defender",
          "outcome": "effective",
          "proof": {
            "what": "disabled (by Defender for Identity, mirror)",
            "by": "defender",
            "strength": "mirror",
            "at": "1970-01-12T13:46:44Z"
          },
          "reason": "seen: seen in place after the call",
          "incident": {
            "id": "sentinel:00000000-0000-0000-0000-000000000000/00000000-0000-0000-0000-000000000000",
            "number": 42,
            "defender": null,
            "title": "DCSync"
          },
          "started": "1970-01-12T13:46:43Z",
          "ended": "1970-01-12T13:46:44Z",
          "approved_by": null,
          "reverts_at": "1970-01-12T21:46:44Z"
        }
        "#);
    }

    #[tokio::test]
    async fn an_alert_that_waits_for_its_witness_is_listed_with_what_it_waits_for() {
        let bench = bench();
        let journal = bench.open();
        let story = Story::whole(&journal).await;
        story.wait(&journal, Reason::Unwitnessed { waited: "15m".into() }).await;
        let wanted = Wanted { outcome: Some("waiting".into()), ..Wanted::default() };
        let lines = list(&journal, &wanted).await.unwrap().lines;
        let line = lines.iter().find(|line| line.intent.is_none()).unwrap();
        assert_eq!((line.id, &line.rule, line.ended), (story.alert.uuid(), &None, None));
        assert!(line.reason.starts_with("unwitnessed: ") && line.reason.contains("not shown this alert yet"));
        assert!(line.reason.ends_with(&format!("; it waits until {}", seconds(900))), "{}", line.reason);
        assert!(table(&lines, Terminal::paper(100)).contains("(whole alert)"));
    }

    #[tokio::test]
    async fn a_question_that_somebody_has_answered_says_so() {
        let bench = bench();
        let journal = bench.open();
        let story = Story::whole(&journal).await;
        let record = journal.stream(&StreamKey::action(story.asking)).await.unwrap().unwrap();
        let vote = crate::record::action::Vote { by: "eva".into(), yes: true, at: seconds(5) };
        let wish = crate::record::signal::Wish::Vote { action: story.asking, vote };
        let signal = crate::journal::Signal {
            source_key: "cli:1".into(),
            lane: record.lane.clone(),
            body: json!(wish),
            at: seconds(5),
        };
        journal.signal(signal).await.unwrap();
        let waiting = Wanted { outcome: Some("waiting".into()), ..Wanted::default() };
        let lines = list(&journal, &waiting).await.unwrap().lines;
        assert!(lines[0].reason.starts_with("approved by eva; no daemon has heard it yet"), "{}", lines[0].reason);
    }

    #[tokio::test]
    async fn what_cannot_be_read_is_named_and_hides_nothing_else() {
        let bench = bench();
        let journal = bench.open();
        let story = Story::whole(&journal).await;
        for state in ["json_remove(state, '$.action')", "'no JSON'", "cast(x'ff' as text)"] {
            let spoil = format!("update stream set state = {state} where id = '{}'", story.asking);
            rusqlite::Connection::open(bench.path()).unwrap().execute_batch(&spoil).unwrap();
            let listed = list(&journal, &Wanted::default()).await.unwrap();
            let outcomes: Vec<&str> = listed.lines.iter().map(|line| line.outcome).collect();
            assert_eq!(outcomes, ["withheld", "effective", "simulated"], "{state}");
            assert!(listed.unreadable[0].contains(&story.asking.to_string()), "{listed:?}");
        }
    }

    #[tokio::test]
    async fn filters_keep_what_fits() {
        let bench = bench();
        let journal = bench.open();
        Story::whole(&journal).await;
        let count = async |wanted: Wanted| list(&journal, &wanted).await.unwrap().lines.len();
        assert_eq!(count(Wanted { rule: Some("dcsync".into()), ..Wanted::default() }).await, 3);
        assert_eq!(count(Wanted { rule: Some("nobody".into()), ..Wanted::default() }).await, 0);
        assert_eq!(count(Wanted { since: Some(seconds(10)), ..Wanted::default() }).await, 0);
    }

    #[tokio::test]
    async fn a_merged_alert_tells_nothing_of_its_own() {
        let bench = bench();
        let journal = bench.open();
        let story = Story::whole(&journal).await;
        story.merge(&journal).await;
        let lines = list(&journal, &Wanted::default()).await.unwrap().lines;
        assert!(lines.iter().all(|line| line.outcome != "withheld"));
    }

    #[tokio::test]
    async fn the_table_fits_narrow_paper() {
        let bench = bench();
        let journal = bench.open();
        Story::whole(&journal).await;
        let lines = list(&journal, &Wanted::default()).await.unwrap().lines;
        for width in [80, 100] {
            let text = table(&lines, Terminal::paper(width));
            assert!(text.lines().all(|line| line.chars().count() <= usize::from(width)), "{text}");
        }
        insta::assert_snapshot!(table(&lines, Terminal::paper(80)), @r#"
        ID, SINCE (UTC)   ACCOUNT               INTENT, RULE     OUTCOME
        255ccb2f          ghost [2J             (whole account)  withheld
        1970-01-12 13:46                        dcsync           account-unknown: no
                                                                 directory knows the
                                                                 account
        46cbdca7          user1104@contoso.com  disable-ad-user  waiting
        1970-01-12 13:46  in Active Directory   dcsync           approval-wanted: rule
                                                                 dcsync asks before it
                                                                 acts; the question
                                                                 stands until
                                                                 1970-01-12T14:46:40Z
        44ac7c5e          user1105@contoso.com  disable-ad-user  effective
        1970-01-12 13:46  in Active Directory   dcsync           disabled (by Defender
                                                                 for Identity, mirror)
        50cd97e9          user1106@contoso.com  disable-ad-user  simulated
        1970-01-12 13:46  in Active Directory   golden-ticket    simulate: rule
                                                                 golden-ticket is in
                                                                 simulate: this is
                                                                 what it would have
                                                                 done
        "#);
    }
}
