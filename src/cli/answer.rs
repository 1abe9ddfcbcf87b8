//! `riposte approve`, `riposte deny`, `riposte undo`: what a person says, left for the account's lane.

use std::time::Duration;

use serde_json::json;
use uuid::Uuid;

use super::actions::find::{Found, find};
use super::actions::left::{Left, left, words};
use super::args::{ApproveArgs, DenyArgs, Global};
use super::exit::{CliError, Exit};
use super::possible::{Before, Decision, overtaken, possible};
use super::report::Report;
use super::setup;
use crate::journal::lane::LaneKey;
use crate::journal::{Journal, Pause, Signal};
use crate::model::id::ActionId;
use crate::model::outcome::OutcomeKind;
use crate::model::text::clip;
use crate::model::time::{At, Clock, SystemClock, print_duration};
use crate::record::action::{ActionRecord, ActionState, Vote};
use crate::record::alert::AlertPhase;
use crate::record::event::StreamKey;
use crate::record::signal::Wish;
use crate::respond::write;

/// How often somebody who waits looks.
const LOOK_EVERY: Duration = Duration::from_millis(250);

/// `approve`.
pub(super) async fn approve(args: &ApproveArgs, global: &Global) -> Result<Report, CliError> {
    answer(args, Decision::Approve, setup::operator(args.by.as_deref())?, global).await
}

/// `deny`. The reason is kept with the name.
pub(super) async fn deny(args: &DenyArgs, global: &Global) -> Result<Report, CliError> {
    let mut by = setup::operator(args.answer.by.as_deref())?;
    if let Some(reason) = args.reason.as_deref().map(str::trim).filter(|reason| !reason.is_empty()) {
        by = format!("{by} ({})", clip(reason, 200));
    }
    answer(&args.answer, Decision::Deny, by, global).await
}

/// `undo`.
pub(super) async fn undo(args: &ApproveArgs, global: &Global) -> Result<Report, CliError> {
    answer(args, Decision::Undo, setup::operator(args.by.as_deref())?, global).await
}

async fn answer(args: &ApproveArgs, decision: Decision, by: String, global: &Global) -> Result<Report, CliError> {
    let journal = setup::journal(&setup::settings(global)?)?;
    match args.ids.as_slice() {
        [id] => one(journal.as_ref(), id, decision, by, args.wait, &SystemClock).await,
        ids => several(journal.as_ref(), ids, decision, &by, args.wait, &SystemClock).await,
    }
}

async fn one(
    journal: &dyn Journal,
    id: &str,
    decision: Decision,
    by: String,
    wait: Option<Duration>,
    clock: &dyn Clock,
) -> Result<Report, CliError> {
    let since = journal.now();
    let report = leave(journal, id, decision, by).await?;
    let Some(wait) = wait else { return Ok(report) };
    let Found::Action(stored) = find(journal, id).await? else { return Ok(report) };
    watch(journal, stored.record.action.id, decision, since, wait, clock).await
}

/// Answers each as if it were alone: one that cannot be answered stands in nobody's way. Where one of the ids names
/// nothing, nothing is said at all. All are left before the first is waited for.
async fn several(
    journal: &dyn Journal,
    ids: &[String],
    decision: Decision,
    by: &str,
    wait: Option<Duration>,
    clock: &dyn Clock,
) -> Result<Report, CliError> {
    let mut wanted: Vec<Uuid> = Vec::new();
    for id in ids {
        let id = find(journal, id).await.map_err(|why| nothing_said(why, ids.len()))?.id();
        if !wanted.contains(&id) {
            wanted.push(id);
        }
    }
    let (start, since) = (clock.now(), journal.now());
    let mut answers: Vec<(Uuid, Result<Report, CliError>)> = Vec::new();
    for id in wanted {
        answers.push((id, leave(journal, &id.to_string(), decision, by.to_owned()).await));
    }
    if let Some(wait) = wait {
        for (id, answer) in answers.iter_mut().filter(|(_, answer)| answer.is_ok()) {
            let left = wait.saturating_sub(clock.now().since(start));
            match watch(journal, ActionId::from_uuid(*id), decision, since, left, clock).await {
                Ok(seen) => *answer = Ok(seen),
                // What was said stands, whatever became of it.
                Err(error) => {
                    if let Ok(said) = answer {
                        said.exit = said.exit.max(error.exit());
                        said.notes.push(error.to_string());
                    }
                }
            }
        }
    }
    Ok(together(answers, decision, by))
}

/// The answers as one report: what was refused goes to stderr, and the process ends as the worst of them.
fn together(answers: Vec<(Uuid, Result<Report, CliError>)>, decision: Decision, by: &str) -> Report {
    let mut all = Report::new(String::new(), json!([]));
    let mut lines = Vec::new();
    for (id, answer) in answers {
        let answer = answer.unwrap_or_else(|error| {
            let why = error.to_string();
            let json = json!({"id": id, "decision": decision.word(), "by": by, "left": false, "why": why});
            Report { exit: error.exit(), ..Report::new(String::new(), json).note(why) }
        });
        all.text.push_str(&answer.text);
        all.notes.extend(answer.notes);
        all.exit = all.exit.max(answer.exit);
        lines.push(answer.json);
    }
    all.json = json!(lines);
    all
}

/// Of several ids one names nothing: the others were good, perhaps, and wait as before.
fn nothing_said(why: CliError, ids: usize) -> CliError {
    let said = |why: String| if ids > 1 { format!("{why}. Nothing was said to any of the {ids}") } else { why };
    match why {
        CliError::No(why) => CliError::No(said(why)),
        CliError::Usage(why) => CliError::Usage(said(why)),
        CliError::Findings(_) | CliError::Journal(_) | CliError::Fault(_) | CliError::NobodyReads => why,
    }
}

/// Checks that the decision can matter, and leaves it for the lane.
async fn leave(journal: &dyn Journal, id: &str, decision: Decision, by: String) -> Result<Report, CliError> {
    let record = match find(journal, id).await? {
        Found::Action(stored) => stored.record,
        Found::Decided(line) => {
            let stands = match line.outcome {
                "waiting" => "is an alert that is not decided on yet, and waits for no person",
                AlertPhase::UNREADABLE => "is an alert that nobody can act on",
                _ => "was withheld before anything could be done",
            };
            return Err(CliError::No(format!("{} {stands}: {}", line.id, line.reason)));
        }
    };
    let now = journal.now();
    let before = Before { left: left(journal, &record).await?, earlier: earlier(journal, &record).await? };
    let stands = possible(&record, &before, decision, now).map_err(|why| said_no(&record, &why))?;
    let action = record.action.id;
    let wish = match decision {
        Decision::Approve | Decision::Deny => {
            Wish::Vote { action, vote: Vote { by: by.clone(), yes: decision == Decision::Approve, at: now } }
        }
        Decision::Undo => Wish::Undo { action, by: by.clone() },
    };
    let lane = LaneKey::account(&record.action.key.account);
    let signal = Signal { source_key: source_key(), lane, body: json!(wish), at: now };
    journal.signal(signal.clone()).await?;
    let word = Left { what: decision.said(), by: by.clone(), at: now };
    unless_another_was_first(journal, &signal, &word, &record, decision).await?;
    let pause = journal.paused().await?.filter(|_| decision != Decision::Deny);
    let mut report = told(&record, decision, &by, pause.as_ref());
    report.notes.extend(stands);
    Ok(report)
}

/// Two may decide at the same moment, each before the other has said it. What was left first counts; whoever left the
/// later one is told so. `known` is the action as it stood before ours was left.
///
/// # Errors
/// No, when ours changes nothing.
async fn unless_another_was_first(
    journal: &dyn Journal,
    ours: &Signal,
    word: &Left,
    known: &ActionRecord,
    decision: Decision,
) -> Result<(), CliError> {
    let id = known.action.id;
    let mut signals = journal.signals(&ours.lane).await?;
    // Where a daemon has heard ours, what it heard before stands with the action.
    let before = signals.iter().position(|signal| signal.source_key == ours.source_key).unwrap_or_default();
    signals.truncate(before);
    let Some(record) = read(journal, id).await? else { return Ok(()) };
    overtaken(&record, known.approved_at, &words(&signals, id), word, decision)
        .map_or(Ok(()), |why| Err(said_no(&record, &why)))
}

fn said_no(record: &ActionRecord, why: &str) -> CliError {
    let action = &record.action;
    let what = format!("{} on {}", action.key.intent, clip(&action.subject.label, 120));
    CliError::No(format!("{what} [{}] {why}", action.id.short()))
}

fn paused_words(pause: &Pause) -> String {
    format!("riposte is paused ({}): nothing is called before `riposte resume`", clip(&pause.line(), 400))
}

async fn earlier(journal: &dyn Journal, record: &ActionRecord) -> Result<Option<ActionRecord>, CliError> {
    match record.reverted_by {
        Some(by) => read(journal, by).await,
        None => Ok(None),
    }
}

fn told(record: &ActionRecord, decision: Decision, by: &str, pause: Option<&Pause>) -> Report {
    let action = &record.action;
    let next = match decision {
        Decision::Approve => {
            "a running daemon goes on at once (the guardrails look once more, then it is called)".to_owned()
        }
        Decision::Deny => format!(
            "a running daemon does not call it, unless it is calling already: `riposte actions show {}` says what became of it",
            action.id.short()
        ),
        Decision::Undo if record.is_in_flight() => {
            "its call is made and nobody knows yet what it did: a running daemon puts it back as soon as that is known"
                .to_owned()
        }
        Decision::Undo => {
            "a running daemon goes on at once (it is put back as it was before, if it still stands as riposte \
                           left it)"
                .to_owned()
        }
    };
    let said = match decision {
        Decision::Approve => "approved",
        Decision::Deny => "denied",
        Decision::Undo => "undo asked for",
    };
    let then = pause.map_or_else(
        || if decision == Decision::Deny { next.clone() } else { format!("{next}, else the next `riposte run` does") },
        paused_words,
    );
    let what = format!("{} on {} [{}]", action.key.intent, action.subject.label, action.id.short());
    let text = format!("{said} by {by}: {what}; {then}");
    let paused = pause.map(Pause::line);
    let json = json!({"id": action.id, "decision": decision.word(), "by": by, "left": true, "paused": paused});
    Report::sentence(text, json)
}

/// Looks until the decision, left after `since`, had its effect, or the time is over.
async fn watch(
    journal: &dyn Journal,
    id: ActionId,
    decision: Decision,
    since: At,
    wait: Duration,
    clock: &dyn Clock,
) -> Result<Report, CliError> {
    let deadline = clock.now().plus(wait);
    loop {
        let Some(record) = read(journal, id).await? else {
            return Err(CliError::Fault(format!("action {id} is gone from the journal")));
        };
        let moved = match decision {
            Decision::Approve | Decision::Deny => Some(record.clone()).filter(|record| record.outcome().is_some()),
            Decision::Undo => match record.reverted_by {
                // One that had ended before is not what came of this.
                Some(by) => read(journal, by).await?.filter(|undo| ended_since(undo, since)),
                // Its call turned out to have done nothing.
                None if record.undo_wanted.is_some() => Some(record.clone()).filter(|record| !record.is_open()),
                None => None,
            },
        };
        if let Some(ended) = moved {
            return Ok(ended_as(&ended, decision));
        }
        let now = clock.now();
        if now >= deadline {
            let pause = journal.paused().await?.filter(|_| decision != Decision::Deny);
            let hint = pause.as_ref().map_or_else(|| "is a daemon running?".to_owned(), paused_words);
            let wait = print_duration(wait);
            let what = format!("{} is {}", record.action.key.intent, record.status());
            let text = format!("nothing has come of it within {wait}, and it is kept: {what}; {hint}");
            let paused = pause.as_ref().map(Pause::line);
            let mut json = json!({"id": id, "decision": decision.word(), "left": true, "paused": paused});
            json["outcome"] = json!(record.status());
            return Ok(Report { exit: Exit::No, ..Report::sentence(text, json) });
        }
        clock.sleep_until(now.plus(LOOK_EVERY).min(deadline)).await;
    }
}

fn ended_as(record: &ActionRecord, decision: Decision) -> Report {
    let kind = record.outcome().map(|outcome| outcome.kind);
    let well = match decision {
        Decision::Deny => kind == Some(OutcomeKind::Denied),
        Decision::Undo if record.undo_wanted.is_some() => kind == Some(OutcomeKind::Denied),
        Decision::Approve | Decision::Undo => {
            matches!(kind, Some(OutcomeKind::Effective | OutcomeKind::AlreadyEffective))
        }
    };
    let text = format!(
        "{} on {} [{}] ended as {}: {}",
        record.action.key.intent,
        record.action.subject.label,
        record.action.id.short(),
        record.status(),
        record.reason().line()
    );
    let json = json!({
        "id": record.action.id, "decision": decision.word(), "left": true,
        "outcome": record.status(), "reason": record.reason().line(),
    });
    Report { exit: if well { Exit::Done } else { Exit::No }, ..Report::sentence(text, json) }
}

fn ended_since(record: &ActionRecord, since: At) -> bool {
    matches!(record.state, ActionState::Settled { at, .. } if at >= since)
}

async fn read(journal: &dyn Journal, id: ActionId) -> Result<Option<ActionRecord>, CliError> {
    let Some(stream) = journal.stream(&StreamKey::action(id)).await? else { return Ok(None) };
    Ok(Some(write::read::<ActionRecord>(&stream)?.record))
}

#[expect(clippy::disallowed_methods, reason = "each command line is new by definition")]
fn source_key() -> String {
    format!("cli:{}", uuid::Uuid::new_v4())
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;
    use crate::cli::testing::{Story, bench, signals};
    use crate::model::reason::Reason;
    use crate::record::action::{ActionEvent, Step};

    #[tokio::test]
    async fn an_answer_reaches_the_lane_of_the_account() {
        let bench = bench();
        let journal = bench.open();
        let story = Story::whole(&journal).await;
        let report = leave(&journal, &story.asking.short(), Decision::Approve, "bo".into()).await.unwrap();
        assert!(report.text.starts_with("approved by bo: disable-ad-user on"), "{}", report.text);
        let left = signals(&journal, story.asking).await;
        let [Wish::Vote { action, vote }] = left.as_slice() else { panic!("{left:?}") };
        assert_eq!((*action, vote.yes, vote.by.as_str()), (story.asking, true, "bo"));
    }

    #[tokio::test]
    async fn what_does_not_wait_cannot_be_answered_and_what_did_nothing_cannot_be_undone() {
        let bench = bench();
        let journal = bench.open();
        let story = Story::whole(&journal).await;
        let refused = async |id: ActionId, decision| {
            let error = leave(&journal, &id.short(), decision, "bo".into()).await.unwrap_err();
            assert_eq!(error.exit(), Exit::No, "{error}");
            error.to_string()
        };
        assert!(refused(story.done, Decision::Approve).await.contains("it has ended: effective"));
        assert!(refused(story.simulated, Decision::Undo).await.contains("no effect of ours"));
        assert!(refused(story.withheld, Decision::Deny).await.contains("withheld before"));
        assert!(signals(&journal, story.done).await.is_empty());
    }

    #[test]
    fn a_no_is_taken_before_the_next_call_begins_and_a_yes_is_not() {
        let action = crate::cli::testing::action(
            crate::model::id::AlertId::derive(&["a"]),
            1_104,
            "r",
            crate::model::action::Mode::Enforce,
        );
        let ready = ActionRecord::planned(action, crate::record::action::First::Run, At::from_unix_seconds(1));
        let (before, now) = (Before::default(), At::from_unix_seconds(2));
        assert!(possible(&ready, &before, Decision::Deny, now).is_ok());
        assert!(possible(&ready, &before, Decision::Approve, now).is_err());
        // Whom Okta keeps waiting a person may let go.
        let held = ActionEvent::Parked { reason: Reason::FactsTooOld, until: now };
        let Ok(Step::To(held)) = ready.apply(&held, now) else { panic!("it is parked") };
        assert!(possible(&held, &before, Decision::Approve, now).is_ok());
    }

    #[tokio::test]
    async fn a_word_that_changes_nothing_is_refused_with_what_stands() {
        let bench = bench();
        let journal = bench.open();
        let story = Story::whole(&journal).await;
        let say = async |id: ActionId, decision, by: &str| {
            bench.clock.pass(10);
            leave(&journal, &id.short(), decision, by.into()).await.map_err(|error| (error.exit(), error.to_string()))
        };
        let refused = async |id, decision, by: &str| {
            let (exit, why) = say(id, decision, by).await.unwrap_err();
            assert_eq!(exit, Exit::No, "{why}");
            why
        };
        let at = |seconds| crate::cli::testing::seconds(seconds).to_string();
        let asking = story.asking;
        say(asking, Decision::Approve, "eva").await.unwrap();
        let again = refused(asking, Decision::Approve, "bo").await;
        assert!(
            again.ends_with(&format!("was approved by eva at {}; your approval changes nothing", at(10))),
            "{again}"
        );
        let no = say(asking, Decision::Deny, "bo").await.unwrap();
        assert_eq!(no.notes, [format!("eva approved it at {}; a no that comes before the call holds", at(10))]);
        for (decision, noun) in [(Decision::Approve, "approval"), (Decision::Deny, "denial")] {
            let why = refused(asking, decision, "eva").await;
            assert!(why.ends_with(&format!("was denied by bo at {}; your {noun} changes nothing", at(30))), "{why}");
        }
        assert_eq!(signals(&journal, asking).await.len(), 2, "what changes nothing is not left");

        say(story.done, Decision::Undo, "eva").await.unwrap();
        let twice = refused(story.done, Decision::Undo, "bo").await;
        assert!(twice.contains("is to be undone already: eva asked for it at"), "{twice}");
    }

    #[tokio::test]
    async fn several_are_answered_one_by_one_and_none_where_one_names_nothing() {
        let bench = bench();
        let journal = bench.open();
        let story = Story::whole(&journal).await;
        let say = async |ids: &[String]| several(&journal, ids, Decision::Deny, "bo", None, &SystemClock).await;
        let (asking, done) = (story.asking.short(), story.done.short());
        let unknown = say(&[asking.clone(), "00000000".into()]).await.unwrap_err();
        assert!(unknown.exit() == Exit::No && signals(&journal, story.asking).await.is_empty(), "{unknown}");

        let report = say(&[done, asking.clone(), asking.to_uppercase()]).await.unwrap();
        assert_eq!(report.exit, Exit::No);
        assert_eq!(signals(&journal, story.asking).await.len(), 1, "who is named twice is answered once");
        assert!(report.text.starts_with("denied by bo: ") && report.text.lines().count() == 1, "{}", report.text);
        let [refused] = report.notes.as_slice() else { panic!("{:?}", report.notes) };
        assert!(refused.contains("it has ended: effective"), "{refused}");
        let told: Vec<_> = report.json.as_array().unwrap().iter().map(|one| (&one["left"], &one["id"])).collect();
        assert_eq!(told, [(&json!(false), &json!(story.done)), (&json!(true), &json!(story.asking))]);
    }

    #[tokio::test]
    async fn of_two_who_decide_at_the_same_moment_the_later_one_is_told_of_the_first() {
        for (decision, said) in
            [(Decision::Approve, "approved"), (Decision::Deny, "denied"), (Decision::Undo, "undone")]
        {
            let bench = bench();
            let journal = bench.open();
            let story = Story::whole(&journal).await;
            let id = if decision == Decision::Undo { story.done } else { story.asking }.to_string();
            // Both have looked before either has said anything.
            let all = join_all((0..8).map(|n| leave(&journal, &id, decision, format!("eva{n}")))).await;
            let (won, lost): (Vec<_>, Vec<_>) = all.into_iter().partition(Result::is_ok);
            assert_eq!((won.len(), lost.len()), (1, 7), "{said}: {won:?} {lost:?}");
            for error in lost.into_iter().filter_map(Result::err) {
                let first = won[0].as_ref().unwrap().json["by"].as_str().unwrap();
                assert_eq!(error.exit(), Exit::No);
                assert!(error.to_string().contains(first), "{said}: {error}");
            }
        }
    }

    #[tokio::test]
    async fn who_answers_a_second_question_is_not_told_that_the_first_was_answered() {
        let bench = bench();
        let journal = bench.open();
        let story = Story::whole(&journal).await;
        let asking = read(&journal, story.asking).await.unwrap().unwrap();
        let earlier = At::from_unix_seconds(1);
        let mut record = asking.clone();
        (record.approved_by, record.approved_at) = (Some("eva".into()), Some(earlier));
        let ours = Left { what: Decision::Approve.said(), by: "bo".into(), at: journal.now() };
        let said = |answered| overtaken(&record, answered, &[], &ours, Decision::Approve);
        assert_eq!(said(Some(earlier)), None, "eva answered before bo was asked");
        assert!(said(None).is_some_and(|why| why.contains("eva")), "eva was quicker");
    }

    #[tokio::test]
    async fn who_denies_is_not_told_that_nothing_is_called_while_a_daemon_may_be_calling() {
        let bench = bench();
        let journal = bench.open();
        let story = Story::whole(&journal).await;
        let report = leave(&journal, &story.asking.short(), Decision::Deny, "bo".into()).await.unwrap();
        assert!(
            report.text.contains("does not call it, unless it is calling already: `riposte actions show"),
            "{}",
            report.text
        );
    }

    #[tokio::test]
    async fn what_has_done_nothing_yet_is_not_said_to_be_beyond_undoing() {
        let bench = bench();
        let journal = bench.open();
        let story = Story::whole(&journal).await;
        let error = leave(&journal, &story.asking.short(), Decision::Undo, "bo".into()).await.unwrap_err();
        assert!(error.to_string().contains("has done nothing yet; `riposte deny` ends it"), "{error}");
    }

    #[test]
    fn whoever_comes_after_a_decision_that_was_heard_is_told_of_it() {
        use crate::record::action::{ActionEvent, First, Step};
        let second = At::from_unix_seconds;
        let alert = crate::model::id::AlertId::derive(&["a"]);
        let action = crate::cli::testing::action(alert, 1_104, "r", crate::model::action::Mode::Approve);
        let asks = First::Ask { reason: Reason::ApprovalWanted { rule: "r".into() }, until: second(9_000) };
        let asking = ActionRecord::planned(action, asks, second(1));
        let heard = |yes| {
            let vote = Vote { by: "eva".into(), yes, at: second(2) };
            let Ok(Step::To(record)) = asking.clone().apply(&ActionEvent::Voted(vote), second(600)) else { panic!() };
            possible(&record, &Before::default(), Decision::Approve, second(700)).unwrap_err()
        };
        assert_eq!(heard(false), "was denied by eva at 1970-01-01T00:00:02Z; your approval changes nothing");
        assert_eq!(heard(true), "was approved by eva at 1970-01-01T00:00:02Z; your approval changes nothing");
    }

    #[tokio::test]
    async fn a_question_that_is_over_takes_no_answer() {
        let bench = bench();
        let journal = bench.open();
        let story = Story::whole(&journal).await;
        bench.clock.pass(7 * 86_400);
        let error = leave(&journal, &story.asking.short(), Decision::Approve, "bo".into()).await.unwrap_err();
        assert!(error.to_string().contains("the question stood until"), "{error}");
    }

    #[tokio::test]
    async fn an_effect_can_be_undone_and_a_pause_is_mentioned() {
        let bench = bench();
        let journal = bench.open();
        let story = Story::whole(&journal).await;
        let pause = crate::journal::Pause { by: "adele".into(), reason: "drill".into(), at: journal.now() };
        journal.set_pause(Some(pause), "adele").await.unwrap();
        let report = leave(&journal, &story.done.to_string(), Decision::Undo, "bo".into()).await.unwrap();
        assert!(report.text.contains("paused (by adele") && report.json["paused"].is_string(), "{}", report.text);
        let over =
            watch(&journal, story.done, Decision::Undo, At::EPOCH, Duration::ZERO, bench.clock.as_ref()).await.unwrap();
        assert!(over.text.contains("paused (by adele") && !over.text.contains("daemon"), "{}", over.text);
        let left = signals(&journal, story.done).await;
        assert!(matches!(left.as_slice(), [Wish::Undo { action, .. }] if *action == story.done), "{left:?}");
    }

    #[tokio::test]
    async fn waiting_ends_with_the_outcome_or_with_a_no() {
        let bench = bench();
        let journal = bench.open();
        let story = Story::whole(&journal).await;
        let clock = bench.clock.as_ref();
        let none = Duration::ZERO;
        let over = watch(&journal, story.asking, Decision::Approve, At::EPOCH, none, clock).await.unwrap();
        assert_eq!((over.exit, &over.json["outcome"]), (Exit::No, &json!("waiting")));
        let done = watch(&journal, story.done, Decision::Approve, At::EPOCH, none, clock).await.unwrap();
        assert_eq!((done.exit, &done.json["outcome"]), (Exit::Done, &json!("effective")));
    }
}
