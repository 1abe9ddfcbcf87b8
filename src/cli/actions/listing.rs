//! Everything that was decided, from the journal: actions, and what was withheld before there was an
//! account to have an action for.

use std::collections::{BTreeMap, HashMap};

use serde::de::DeserializeOwned;
use uuid::Uuid;

use super::left::left;
use super::line::ActionLine;
use crate::cli::pages::{PAGE, each};
use crate::journal::lane::LaneKey;
use crate::journal::{Fault, Filter, Journal, Quarantined, StoredStream};
use crate::model::id::AlertId;
use crate::model::time::At;
use crate::record::action::ActionRecord;
use crate::record::alert::{AlertPhase, AlertRecord};
use crate::record::event::{StreamKey, StreamKind};
use crate::respond::write;

/// So many alerts are kept at hand.
const ALERTS: usize = 100;

/// Which decisions. Empty fields do not restrict.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// Changed at or after.
    pub since: Option<At>,
    /// With this word for how they stand.
    pub outcome: Option<String>,
    /// Wanted by this rule.
    pub rule: Option<String>,
    /// At most so many, the newest.
    pub most: Option<usize>,
}

/// What was decided.
#[derive(Debug)]
pub struct Listed {
    /// Oldest first.
    pub lines: Vec<ActionLine>,
    /// There are older ones than these.
    pub older: bool,
    /// What does not stand among them, because it cannot be read: one sentence each.
    pub unreadable: Vec<String>,
}

/// The decisions.
///
/// # Errors
/// When the journal cannot be read.
pub async fn list(journal: &dyn Journal, wanted: &Wanted) -> Result<Listed, Fault> {
    let mut newest = Newest::new(wanted);
    // Most decisions are actions: they soon say how old a line may be.
    for kind in [StreamKind::Action, StreamKind::Alert] {
        newest.look(journal, kind).await?;
    }
    let put_aside = journal.quarantined().await?;
    let Newest { kept, older, unreadable, .. } = newest;
    let mut alerts = BTreeMap::new();
    let mut lines: Vec<ActionLine> = Vec::with_capacity(kept.len());
    for decision in kept.into_values() {
        lines.push(match decision {
            Decision::Told(line) => *line,
            Decision::Action(record) => {
                let id = record.action.key.alert;
                if !alerts.contains_key(&id) {
                    // The actions of an alert begin at about the same time.
                    if alerts.len() >= ALERTS {
                        alerts.clear();
                    }
                    alerts.insert(id, alert(journal, id).await?);
                }
                let line = line(&record, alerts.get(&id).and_then(Option::as_ref), &put_aside);
                heard(journal, &record, line).await?
            }
        });
    }
    Ok(Listed { lines, older, unreadable: unreadable.into_values().collect() })
}

/// What was decided about alerts whose ids, or those of what was decided, begin like this.
///
/// # Errors
/// When the journal cannot be read.
pub async fn decided(journal: &dyn Journal, begins: &str) -> Result<Vec<ActionLine>, Fault> {
    let mut lines = Vec::new();
    // Texts in a state stand between quotes.
    let filter = Filter { kind: Some(StreamKind::Alert), words: Some(format!("\"{begins}")), ..Filter::default() };
    each(journal, filter, |stream| {
        if let Ok(stored) = write::read::<AlertRecord>(&stream) {
            let of_alert = lines_of_alert(&stored.record, None).into_iter();
            lines.extend(of_alert.filter(|line| line.id.to_string().starts_with(begins)));
        }
    })
    .await?;
    Ok(lines)
}

/// What is listed: a line that needs nothing else, or an action whose line needs its alert.
enum Decision {
    Told(Box<ActionLine>),
    Action(Box<ActionRecord>),
}

/// The newest decisions, of all that are looked at.
struct Newest<'w> {
    wanted: &'w Wanted,
    /// In the order of the list.
    kept: BTreeMap<Place, Decision>,
    /// Where each of them stands: it is looked at twice, and may have begun in between.
    places: HashMap<Uuid, Place>,
    /// What cannot be read, by its id.
    unreadable: BTreeMap<String, String>,
    /// There are older ones.
    older: bool,
}

impl<'w> Newest<'w> {
    fn new(wanted: &'w Wanted) -> Self {
        Self { wanted, kept: BTreeMap::new(), places: HashMap::new(), unreadable: BTreeMap::new(), older: false }
    }

    /// Looks at what changed last, and at everything else only where that was not enough.
    async fn look(&mut self, journal: &dyn Journal, kind: StreamKind) -> Result<(), Fault> {
        let filter = Filter { kind: Some(kind), changed_since: self.wanted.since, ..Filter::default() };
        let first = journal.streams(&Filter { limit: Some(PAGE), ..filter.clone() }).await?;
        let is_all = first.len() < usize::try_from(PAGE).unwrap_or(usize::MAX);
        let oldest = first.last().map(|stream| stream.changed_at);
        for stream in &first {
            self.see(kind, stream);
        }
        if is_all {
            return Ok(());
        }
        // Nothing began after it changed last.
        if self.floor().zip(oldest).is_some_and(|(floor, oldest)| oldest < floor) {
            self.older = true;
            return Ok(());
        }
        each(journal, filter, |stream| self.see(kind, &stream)).await
    }

    /// When the oldest began, where there is no room for an older one.
    fn floor(&self) -> Option<At> {
        let is_full = self.wanted.most.is_some_and(|most| self.kept.len() >= most);
        self.kept.first_key_value().filter(|_| is_full).and_then(|(place, _)| place.began)
    }

    fn see(&mut self, kind: StreamKind, stream: &StoredStream) {
        if kind == StreamKind::Action {
            let Some(record) = self.read::<ActionRecord>(stream) else { return };
            let rule = record.action.wanted_by.iter().map(|by| by.rule.as_str()).min();
            if fits(record.status(), rule, self.wanted) {
                self.put(Place::of_action(&record), Decision::Action(Box::new(record)));
            }
        } else if let Some(record) = self.read::<AlertRecord>(stream) {
            for line in lines_of_alert(&record, self.wanted.since) {
                if fits(line.outcome, line.rule.as_deref(), self.wanted) {
                    self.put(Place::of_line(&line), Decision::Told(Box::new(line)));
                }
            }
        }
    }

    fn read<T: DeserializeOwned>(&mut self, stream: &StoredStream) -> Option<T> {
        match write::read(stream) {
            Ok(stored) => Some(stored.record),
            Err(error) => {
                self.unreadable.insert(stream.key.id.clone(), error.to_string());
                None
            }
        }
    }

    fn put(&mut self, place: Place, decision: Decision) {
        if let Some(before) = self.places.insert(place.id, place.clone()) {
            self.kept.remove(&before);
        }
        self.kept.insert(place, decision);
        if self.wanted.most.is_some_and(|most| self.kept.len() > most) {
            self.older = true;
            if let Some((place, _)) = self.kept.pop_first() {
                self.places.remove(&place.id);
            }
        }
    }
}

/// Where a decision stands in the list: by when it began; of what began together, alert by alert, person by person, step
/// by step.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Place {
    began: Option<At>,
    alert: AlertId,
    person: String,
    step: Option<usize>,
    id: Uuid,
}

impl Place {
    fn of_action(record: &ActionRecord) -> Self {
        let action = &record.action;
        Self {
            began: Some(record.begun_at.unwrap_or(record.planned_at)),
            alert: action.key.alert,
            person: action.subject.label.clone(),
            step: action.wanted_by.iter().map(|by| by.step).min(),
            id: action.id.uuid(),
        }
    }

    fn of_line(line: &ActionLine) -> Self {
        let person = line.account.as_ref().map(|account| account.label.clone()).unwrap_or_default();
        Self { began: line.started, alert: line.alert.id, person, step: None, id: line.id }
    }
}

/// What an alert tells itself.
fn lines_of_alert(alert: &AlertRecord, since: Option<At>) -> Vec<ActionLine> {
    let recent = alert.decided.iter().filter(|decided| since.is_none_or(|since| decided.at >= since));
    let mut lines: Vec<ActionLine> = recent.map(|decided| ActionLine::of_decided(decided, alert)).collect();
    match &alert.phase {
        AlertPhase::Waiting { reason, again, .. } => lines.push(ActionLine::of_waiting(reason, *again, alert)),
        AlertPhase::Unreadable { why } => lines.push(ActionLine::of_unreadable(why, alert)),
        AlertPhase::Seen | AlertPhase::Planned => {}
        // Its decisions are told by another alert.
        AlertPhase::Merged { .. } => lines.clear(),
    }
    lines
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

fn fits(outcome: &str, rule: Option<&str>, wanted: &Wanted) -> bool {
    wanted.outcome.as_ref().is_none_or(|wanted| wanted == outcome)
        && wanted.rule.as_ref().is_none_or(|wanted| rule == Some(wanted))
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

    #[test]
    fn what_began_together_is_listed_person_by_person_and_step_by_step() {
        let place = |rid: u32, step: usize| {
            let alert = AlertId::derive(&["a"]);
            let mut action = crate::cli::testing::action(alert, rid, "r", crate::model::action::Mode::Simulate);
            action.key.round = u16::try_from(step).unwrap();
            action.id = action.key.id();
            action.wanted_by[0].step = step;
            Place::of_action(&ActionRecord::planned(action, crate::record::action::First::Run, seconds(1)))
        };
        let wanted = [place(1_105, 1), place(1_105, 2), place(1_105, 10), place(1_106, 1), place(1_106, 2)];
        let mut places = wanted.to_vec();
        places.sort_by_key(|place| place.id);
        assert_ne!(places, wanted, "ids are in no such order");
        places.sort();
        assert_eq!(places, wanted);
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
        let begin = "what was decided on stands, and it is to be looked at again; unwitnessed: ";
        assert!(line.reason.starts_with(begin) && line.reason.contains("not shown this alert yet"));
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
    async fn only_the_newest_are_kept_where_no_more_are_wanted_and_that_there_are_older_ones_is_known() {
        let bench = bench();
        let journal = bench.open();
        Story::whole(&journal).await;
        let all = list(&journal, &Wanted::default()).await.unwrap();
        assert!(!all.older);
        for most in 1..=all.lines.len() {
            let some = list(&journal, &Wanted { most: Some(most), ..Wanted::default() }).await.unwrap();
            assert_eq!(some.lines, all.lines[all.lines.len() - most..]);
            assert_eq!(some.older, most < all.lines.len());
        }
    }

    #[tokio::test]
    async fn a_crowd_is_read_in_parts_and_the_newest_of_it_are_found_whatever_changed_last() {
        let bench = bench();
        let journal = bench.open();
        let story = Story::whole(&journal).await;
        // A thousand actions; those that began last changed first.
        let db = rusqlite::Connection::open(bench.path()).unwrap();
        let sql = "with recursive part (i) as (select 0 union all select i + 1 from part where i < 999)
            insert into stream select tenant, kind, printf('%08x-0000-4000-8000-000000000000', i), lane_kind, lane_key, 1,
                head, replace(replace(state, id, printf('%08x-0000-4000-8000-000000000000', i)),
                    json_quote(json_extract(state, '$.planned_at')),
                    json_quote(printf('2030-01-01T00:00:00.%07dZ', i))),
                open, opened_at, 20000000000000000 - i, label
            from stream, part where id = ?1";
        db.execute(sql, [story.simulated.to_string()]).unwrap();
        let all = list(&journal, &Wanted::default()).await.unwrap().lines;
        assert_eq!(all.len(), 1_004);
        let some = list(&journal, &Wanted { most: Some(3), ..Wanted::default() }).await.unwrap();
        assert_eq!((&some.lines[..], some.older), (&all[1_001..], true));
        assert_eq!(some.lines[2].id, "000003e7-0000-4000-8000-000000000000".parse::<Uuid>().unwrap());
        let few = Wanted { outcome: Some("waiting".into()), most: Some(3), ..Wanted::default() };
        let few = list(&journal, &few).await.unwrap();
        assert_eq!((few.lines.len(), few.older), (1, false));
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
        for width in [40, 60, 80, 100] {
            let text = table(&lines, Terminal::paper(width));
            assert!(text.lines().all(|line| line.chars().count() <= usize::from(width)), "{text}");
        }
        insta::assert_snapshot!(table(&lines[1..2], Terminal::paper(40)), @r"
        46cbdca7, 1970-01-12 13:46
          ACCOUNT: user1104@contoso.com, in
          Active Directory
          INTENT, RULE: disable-ad-user, dcsync
          OUTCOME: waiting, approval-wanted:
          rule dcsync asks before it acts; the
          question stands until
          1970-01-12T14:46:40Z
        ");
        insta::assert_snapshot!(table(&lines[1..2], Terminal::paper(60)), @r"
        46cbdca7, 1970-01-12 13:46
          ACCOUNT: user1104@contoso.com, in Active Directory
          INTENT, RULE: disable-ad-user, dcsync
          OUTCOME: waiting, approval-wanted: rule dcsync asks before
          it acts; the question stands until 1970-01-12T14:46:40Z
        ");
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
