//! What may follow what, and when a note is due.

use uuid::Uuid;

use super::action::{ActionEvent, ActionRecord, ActionState, First, Follow, Step, UndoWanted, Vote};
use super::next::{Next, next};
use super::note::{NoteEvent, NoteKey, NotePhase, NoteRecord, Story, Told, due};
use crate::model::account::AccountRef;
use crate::model::action::{Action, ActionKey, Mode, Subject};
use crate::model::alert::Severity;
use crate::model::failure::{Failure, FailureKind, Provider, Sent};
use crate::model::id::{ActionId, AlertId};
use crate::model::incident::IncidentRef;
use crate::model::intent::{Intent, Verb};
use crate::model::observation::{Fact, Observation, Witness};
use crate::model::offer::Route;
use crate::model::outcome::{Outcome, OutcomeKind};
use crate::model::reason::Reason;
use crate::model::scope::{TenantKey, WorkspaceKey};
use crate::model::time::At;

fn at(seconds: i64) -> At {
    At::from_unix_seconds(seconds)
}

fn action() -> Action {
    let account = AccountRef::Entra(Uuid::from_u128(7));
    let key = ActionKey {
        tenant: TenantKey(Uuid::nil()),
        alert: AlertId::derive(&["a"]),
        intent: Intent::of(Verb::SuspendEntraUser),
        account: account.clone(),
        round: 1,
        reverts: None,
    };
    let subject = Subject { account, upn: None, label: "adele".into(), handle: None, also: Vec::new() };
    Action {
        id: key.id(),
        key,
        mode: Mode::Enforce,
        wanted_by: Vec::new(),
        why: None,
        routes: vec![Route::Entra],
        after: Vec::new(),
        limits: Vec::new(),
        subject,
        severity: Severity::High,
        expires: at(1_000),
        revert_after: None,
        hybrid: false,
    }
}

fn seen(enabled: bool) -> Observation {
    Observation { at: at(5), by: Witness::Entra, fact: Fact::Enabled(enabled) }
}

fn failure() -> Failure {
    Failure {
        provider: Provider::Entra,
        operation: "PATCH users/{id}".into(),
        kind: FailureKind::NoAnswer,
        sent: Sent::Maybe,
        vendor: None,
        hint: String::new(),
    }
}

fn begun() -> ActionEvent {
    ActionEvent::Begun { attempt: 1, route: Route::Entra, prior: seen(true), look_after: at(100) }
}

fn settled(kind: OutcomeKind, follow: Option<Follow>) -> ActionEvent {
    ActionEvent::Settled { outcome: Outcome { kind, proof: Some(seen(false)), reason: Reason::Seen }, follow }
}

fn vote(yes: bool, seconds: i64) -> ActionEvent {
    ActionEvent::Voted(Vote { by: "eva".into(), yes, at: at(seconds) })
}

/// The record after events, each a second after the one before.
fn life(first: First, events: &[ActionEvent]) -> Result<ActionRecord, String> {
    let mut record = ActionRecord::planned(action(), first, at(1));
    for (n, event) in (2..).zip(events) {
        match record.clone().apply(event, at(n)).map_err(|illegal| illegal.to_string())? {
            Step::To(after) => record = *after,
            Step::Moot(why) => return Err(format!("moot: {why}")),
        }
    }
    Ok(record)
}

fn ask() -> First {
    First::Ask { reason: Reason::ApprovalWanted { rule: "r".into() }, until: at(50) }
}

#[test]
fn an_action_that_went_well_remembers_the_state_before_its_first_call() {
    let answered = ActionEvent::Answered { correlation: None, look_at: at(3) };
    let record = life(First::Run, &[begun(), answered, settled(OutcomeKind::Effective, None)]).unwrap();
    assert_eq!(record.status(), "effective");
    assert_eq!(record.prior, Some(seen(true)));
    assert_eq!((record.attempts, record.begun_at), (1, Some(at(2))));
    assert!(!record.is_open());
}

#[test]
fn a_lost_answer_waits_for_a_look_and_a_proof_that_nothing_happened_allows_another_call() {
    let lost = ActionEvent::AnswerLost { failure: Some(failure()), look_at: at(3), conclusive_at: at(40) };
    let record = life(First::Run, &[begun(), lost.clone()]).unwrap();
    assert!(matches!(next(&record, at(10)), Next::LookForLost(look) if !look.conclusive));
    assert!(matches!(next(&record, at(40)), Next::LookForLost(look) if look.conclusive));
    let again = life(First::Run, &[begun(), lost, ActionEvent::NothingHappened { found: seen(true) }]).unwrap();
    assert_eq!(next(&again, at(41)), Next::Attempt);
}

#[test]
fn a_begun_action_nobody_finished_is_taken_for_lost_once_its_lease_is_over() {
    let record = life(First::Run, &[begun()]).unwrap();
    assert_eq!(next(&record, at(99)), Next::Wait(Some(at(100))));
    assert_eq!(next(&record, at(100)), Next::TakeForLost { route: Route::Entra });
}

#[test]
fn a_vote_counts_while_the_question_stands_and_only_once() {
    assert!(matches!(life(ask(), &[vote(true, 2)]).unwrap().state, ActionState::Ready { .. }));
    assert_eq!(life(ask(), &[vote(false, 2)]).unwrap().status(), "denied");
    assert!(life(ask(), &[vote(true, 51)]).unwrap_err().starts_with("moot"));
    assert_eq!(life(ask(), &[vote(true, 2), vote(false, 3)]).unwrap().status(), "denied");
    assert!(life(ask(), &[vote(true, 2), begun(), vote(false, 4)]).unwrap_err().starts_with("moot"));
    assert!(life(ask(), &[ActionEvent::ApprovalExpired, vote(true, 3)]).unwrap_err().starts_with("moot"));
}

#[test]
fn an_approval_counts_from_when_it_was_given_and_not_from_when_it_was_heard() {
    let Ok(Step::To(record)) = life(ask(), &[]).unwrap().apply(&vote(true, 40), at(5 * 3_600)) else { panic!("moot") };
    assert_eq!((record.approved_at, record.action.expires), (Some(at(40)), at(40 + 4 * 3_600)));
    assert_eq!(next(&record, at(5 * 3_600)), Next::TooLate);
    // A clock that goes ahead makes no approval that counts longer.
    let Ok(Step::To(record)) = life(ask(), &[]).unwrap().apply(&vote(true, 50), at(10)) else { panic!("moot") };
    assert_eq!(record.action.expires, at(10 + 4 * 3_600));
}

#[test]
fn whom_okta_keeps_waiting_a_yes_lets_go_once_and_whoever_waits_for_something_else_is_not_asked_about() {
    let parked = |reason| ActionEvent::Parked { reason, until: at(90) };
    let of = |provider| Reason::Refused { failure: Box::new(Failure { provider, ..failure() }) };
    let held = parked(of(Provider::Okta));
    let asked = life(First::Run, std::slice::from_ref(&held)).unwrap();
    assert!(asked.why().contains("approve lets it go without Okta"), "{}", asked.why());
    for held in [held.clone(), parked(Reason::FactsTooOld)] {
        let approved = life(First::Run, &[held.clone(), vote(true, 3)]).unwrap();
        assert_eq!((next(&approved, at(3)), approved.approved_by.as_deref()), (Next::Attempt, Some("eva")));
        let twice = [held.clone(), vote(true, 3), held, vote(true, 5)];
        assert!(life(First::Run, &twice).unwrap_err().starts_with("moot"));
    }
    for other in [of(Provider::Entra), Reason::LimitReached { limit: "l".into() }, Reason::Paused { by: "bo".into() }] {
        let held = parked(other);
        assert!(life(First::Run, &[held, vote(true, 3)]).unwrap_err().starts_with("moot"));
    }
    assert!(life(First::Run, &[vote(true, 2)]).unwrap_err().starts_with("moot"), "nothing holds it up");
    let late = ActionRecord::planned(action(), First::Run, at(1));
    let expires = late.action.expires;
    let Ok(Step::To(late)) = late.apply(&held, at(2)) else { panic!("it can be held") };
    let after = expires.plus(std::time::Duration::from_secs(1));
    let yes = ActionEvent::Voted(Vote { at: after, yes: true, by: "eva".into() });
    assert!(matches!(late.apply(&yes, after), Ok(Step::Moot(_))), "it might no longer begin");
    let account = AccountRef::Okta { org: "contoso".parse().unwrap(), id: "00u1".parse().unwrap() };
    let mut in_okta = ActionRecord::planned(action(), First::Run, at(1));
    in_okta.action.key.account = account;
    let Ok(Step::To(in_okta)) = in_okta.apply(&held, at(2)) else { panic!("it can be held") };
    assert!(matches!(in_okta.apply(&vote(true, 3), at(3)), Ok(Step::Moot(_))));
}

#[test]
fn what_waits_for_okta_is_held_up_for_as_long_as_it_has_waited() {
    let okta = Reason::Refused { failure: Box::new(Failure { provider: Provider::Okta, ..failure() }) };
    let parked = |until| ActionEvent::Parked { reason: okta.clone(), until: at(until) };
    let record = life(First::Run, &[parked(30), parked(60)]).unwrap();
    let long = std::time::Duration::from_secs(300);
    assert_eq!([302, 303].map(|now| record.is_held_longer(long, at(now))), [false, true]);
}

#[test]
fn what_may_no_longer_begin_ends_although_it_was_to_be_looked_at_later() {
    let until = at(1_000_000_000_000);
    let record = life(First::Run, &[ActionEvent::Parked { reason: Reason::FactsTooOld, until }]).unwrap();
    let expires = record.action.expires;
    assert_eq!(next(&record, expires), Next::Wait(Some(until)));
    assert_eq!(next(&record, expires.plus(std::time::Duration::from_secs(1))), Next::TooLate);
}

#[test]
fn what_cannot_leave_is_held_up_for_long_although_each_try_is_a_new_one() {
    let silent = ActionEvent::NotSent {
        failure: Failure { kind: FailureKind::Unreachable, sent: Sent::No, ..failure() },
        again: at(60),
    };
    let tries = |n: usize| -> Vec<ActionEvent> { (0..n).flat_map(|_| [begun(), silent.clone()]).collect() };
    let held = |n| life(First::Run, &tries(n)).unwrap().is_held_longer(std::time::Duration::from_secs(300), at(9));
    assert_eq!([held(1), held(5), held(6)], [false, false, true]);
}

fn refused(kind: FailureKind) -> ActionEvent {
    ActionEvent::Refused { failure: Failure { kind, sent: Sent::Answered, ..failure() }, again: at(9) }
}

#[test]
fn a_no_between_two_calls_is_obeyed_and_says_whether_something_may_have_happened() {
    let none = life(First::Run, &[begun(), refused(FailureKind::Throttled(None)), vote(false, 4)]).unwrap();
    assert_eq!(none.status(), "denied");
    let lost = ActionEvent::AnswerLost { failure: None, look_at: at(3), conclusive_at: at(4) };
    let asked = ActionEvent::OperatorNeeded { reason: Reason::CannotTell, again: Some(at(60)) };
    let perhaps = life(First::Run, &[begun(), lost, asked, vote(true, 5), vote(false, 6)]).unwrap();
    assert_eq!(perhaps.status(), "unverified");
}

#[test]
fn what_somebody_wants_undone_while_its_call_is_on_its_way_is_called_no_more_and_put_back_once_it_is_known() {
    let wanted = ActionEvent::UndoWanted(UndoWanted { by: "eva".into(), at: at(2) });
    let lost = ActionEvent::AnswerLost { failure: None, look_at: at(3), conclusive_at: at(4) };
    let asked = ActionEvent::OperatorNeeded { reason: Reason::CannotTell, again: Some(at(60)) };
    let answered = ActionEvent::Answered { correlation: None, look_at: at(3) };
    let effective = settled(OutcomeKind::Effective, None);
    let yes = [begun(), lost.clone(), asked.clone(), vote(true, 3), begun()];
    let after = |before: &[ActionEvent], then: &[ActionEvent]| {
        let events = [before, std::slice::from_ref(&wanted), then].concat();
        let record = life(First::Run, &events).unwrap();
        (record.status(), next(&record, at(1_000)) == Next::Revert)
    };
    for (before, then, ends) in [
        (&[begun()][..], &[answered.clone(), effective.clone()][..], ("effective", true)),
        (&[begun(), answered.clone()], &[settled(OutcomeKind::Unverified, None)], ("unverified", true)),
        (&[begun(), lost.clone()], &[effective], ("effective", true)),
        (&[begun(), lost.clone()], &[asked], ("unverified", true)),
        (&[begun(), lost], &[ActionEvent::NothingHappened { found: seen(true) }], ("denied", false)),
        (&[begun()], &[refused(FailureKind::Throttled(None))], ("denied", false)),
        (&yes, &[refused(FailureKind::Throttled(None))], ("unverified", true)),
        (&yes, &[settled(OutcomeKind::Failed, None)], ("unverified", true)),
        (&[begun(), answered], &[settled(OutcomeKind::Failed, None)], ("failed", false)),
    ] {
        assert_eq!(after(before, then), ends, "{then:?}");
    }
    assert!(life(First::Run, &[wanted]).unwrap_err().starts_with("moot"));
}

#[test]
fn a_look_that_never_left_is_not_counted_for_an_hour() {
    let answered = ActionEvent::Answered { correlation: None, look_at: at(3) };
    let looks = |sent, seconds| {
        let mut failure = failure();
        (failure.kind, failure.sent) = (FailureKind::Unreachable, sent);
        let failed = ActionEvent::LookFailed { failure, again: at(9_000) };
        let record = life(First::Run, &[begun(), answered.clone()]).unwrap();
        let Ok(Step::To(record)) = record.apply(&failed, at(seconds)) else { panic!() };
        let ActionState::Verifying { looks, .. } = record.state else { panic!("{record:?}") };
        looks
    };
    assert_eq!((looks(Sent::No, 60), looks(Sent::Maybe, 60), looks(Sent::No, 4_000)), (0, 1, 1));
}

#[test]
fn what_was_before_and_when_it_began_is_of_the_first_call_that_counts() {
    let again = ActionEvent::Begun { attempt: 2, route: Route::Entra, prior: seen(true), look_after: at(100) };
    let record = life(First::Run, &[begun(), refused(FailureKind::Throttled(None)), again.clone()]).unwrap();
    assert_eq!((record.begun_at, record.tries()), (Some(at(4)), 1));
    let record = life(First::Run, &[begun(), refused(FailureKind::Conflict), again]).unwrap();
    assert_eq!((record.begun_at, record.tries()), (Some(at(2)), 2));
}

#[test]
fn calls_turned_away_unread_are_not_tries() {
    let throttled = FailureKind::Throttled(None);
    let [first, second, third] = [FailureKind::Unauthorized, throttled, FailureKind::Conflict].map(refused);
    let record = life(First::Run, &[begun(), first, begun(), second, begun(), third]).unwrap();
    assert_eq!((record.idle, record.lost), (2, false));
}

#[test]
fn a_lost_call_is_looked_for_while_a_person_is_asked_and_a_look_can_end_it() {
    let lost = ActionEvent::AnswerLost { failure: None, look_at: at(3), conclusive_at: at(4) };
    let asked = ActionEvent::OperatorNeeded { reason: Reason::CannotTell, again: Some(at(60)) };
    let record = life(First::Run, &[begun(), lost.clone(), asked.clone()]).unwrap();
    assert_eq!((record.status(), next(&record, at(59))), ("waiting", Next::Wait(Some(at(60)))));
    assert!(matches!(next(&record, at(60)), Next::LookForLost(look) if look.conclusive && look.since == at(2)));
    let looked = ActionEvent::Looked { found: seen(true), again: at(90) };
    let later = life(First::Run, &[begun(), lost.clone(), asked.clone(), looked]).unwrap();
    assert_eq!(next(&later, at(61)), Next::Wait(Some(at(90))));
    for (event, status) in [
        (settled(OutcomeKind::Effective, None), "effective"),
        (ActionEvent::NothingHappened { found: seen(true) }, "parked"),
    ] {
        assert_eq!(life(First::Run, &[begun(), lost.clone(), asked.clone(), event]).unwrap().status(), status);
    }
}

#[test]
fn what_holds_an_action_up_is_counted_from_when_it_began_to() {
    let parked = |reason| ActionEvent::Parked { reason, until: at(9) };
    let unknown = |why: &str| Reason::PriorUnknown { why: why.into() };
    let record = life(First::Run, &[parked(unknown("403")), parked(unknown("again"))]).unwrap();
    assert_eq!(record.held_since(&unknown("once more")), Some(at(2)));
    assert_eq!(record.held_since(&Reason::DryRun), None);
}

#[test]
fn whatever_has_not_ended_says_what_it_waits_for_and_only_a_call_on_its_way_is_running() {
    let answered = ActionEvent::Answered { correlation: None, look_at: at(7) };
    let looked = ActionEvent::Looked { found: seen(true), again: at(30) };
    let lost = ActionEvent::AnswerLost { failure: None, look_at: at(3), conclusive_at: at(4) };
    let parked = ActionEvent::Parked { reason: Reason::StepAwaited { verb: "disable-ad-user".into() }, until: at(2) };
    for (events, status, reason, words) in [
        (vec![], "parked", "not-begun", "waits for its turn"),
        (vec![parked], "parked", "step-awaited", "disable-ad-user"),
        (vec![begun()], "running", "called", "the answer is not there yet"),
        (vec![begun(), lost], "verifying", "answer-lost", "1970-01-01T00:00:03Z"),
        (vec![begun(), answered.clone()], "verifying", "not-seen-yet", "first look"),
        (
            vec![begun(), answered, looked],
            "verifying",
            "not-seen-yet",
            "not seen in 1 look; the next is at 1970-01-01T00:00:30Z",
        ),
    ] {
        let record = life(First::Run, &events).unwrap();
        assert_eq!((record.status(), record.reason().code()), (status, reason));
        assert!(record.reason().to_string().contains(words), "{}", record.reason());
    }
}

#[test]
fn states_of_an_older_version_are_read() {
    let mut stored = serde_json::to_value(life(First::Run, &[]).unwrap()).unwrap();
    for field in ["idle", "lost"] {
        stored.as_object_mut().unwrap().remove(field);
    }
    stored["state"] = serde_json::json!({"state": "needs-operator", "reason": {"code": "too-late"}});
    let record: ActionRecord = serde_json::from_value(stored).unwrap();
    assert_eq!(next(&record, at(5)), Next::Wait(None));
    let denied = record.apply(&vote(false, 6), at(6)).unwrap();
    assert!(matches!(denied, Step::To(record) if record.status() == "unverified"));
}

#[test]
fn a_question_expires_at_its_time() {
    let record = life(ask(), &[]).unwrap();
    assert_eq!(next(&record, at(49)), Next::Wait(Some(at(50))));
    assert_eq!(next(&record, at(50)), Next::Expire);
}

#[test]
fn an_action_too_old_to_be_begun_is_not_begun() {
    let record = life(First::Run, &[]).unwrap();
    assert_eq!(next(&record, at(1_000)), Next::Attempt);
    assert_eq!(next(&record, at(1_001)), Next::TooLate);
}

#[test]
fn what_may_not_follow_is_refused_with_both_named() {
    for (first, events) in [
        (First::Run, vec![ActionEvent::Answered { correlation: None, look_at: at(3) }]),
        (ask(), vec![begun()]),
        (First::Run, vec![begun(), begun()]),
        (First::Run, vec![settled(OutcomeKind::Effective, None), begun()]),
        (First::Run, vec![ActionEvent::NothingHappened { found: seen(true) }]),
    ] {
        let why = life(first, &events).unwrap_err();
        assert!(why.starts_with("an action that is "), "{why}");
    }
}

#[test]
fn what_was_withheld_can_be_planned_again_and_what_was_done_cannot() {
    let again = ActionEvent::Planned { action: Box::new(action()), first: First::Run };
    let withheld = First::Withhold { reason: Reason::RoleUnknown };
    assert!(matches!(life(withheld, std::slice::from_ref(&again)).unwrap().state, ActionState::Ready { .. }));
    let done = [begun(), settled(OutcomeKind::Effective, None), again];
    assert!(life(First::Run, &done).unwrap_err().starts_with("moot"));
}

#[test]
fn a_containment_with_an_end_stays_open_until_it() {
    let revert = Some(Follow::Revert { at: at(500) });
    let record = life(First::Run, &[begun(), settled(OutcomeKind::Effective, revert)]).unwrap();
    assert!(record.is_open());
    assert_eq!(next(&record, at(499)), Next::Wait(Some(at(500))));
    assert_eq!(next(&record, at(500)), Next::Revert);
    let planned = record.apply(&ActionEvent::RevertPlanned { by: ActionId::derive(&["undo"]) }, at(501)).unwrap();
    assert!(matches!(planned, Step::To(record) if !record.is_open()));
}

fn told(name: &str, status: &str) -> Told {
    Told { action: ActionId::derive(&[name]), status: status.into() }
}

fn note(phase: NotePhase, round: u16, covers: Vec<Told>) -> NoteRecord {
    let key = NoteKey { tenant: TenantKey(Uuid::nil()), alert: AlertId::derive(&["a"]), phase, round };
    let incident = IncidentRef::Sentinel { workspace: WorkspaceKey(Uuid::nil()), name: Uuid::nil() };
    let begun = NoteEvent::Begun { key, incident, text: "text".into(), covers };
    NoteRecord::apply(None, &begun, at(1)).unwrap()
}

#[test]
fn a_question_is_told_at_once_and_once() {
    let story = Story { asks: vec![told("x", "waiting")], moving: 1, ..Story::default() };
    assert_eq!(due(&story, &[]), Some((NotePhase::Asks, 1)));
    let asked = note(NotePhase::Asks, 1, story.asks.clone());
    assert_eq!(due(&story, std::slice::from_ref(&asked)), None);
    let second = Story { asks: vec![told("x", "waiting"), told("y", "waiting")], ..Story::default() };
    assert_eq!(due(&second, &[asked]), Some((NotePhase::Asks, 2)));
}

#[test]
fn the_result_is_told_when_nothing_moves_and_again_only_when_it_turns() {
    let moving = Story { rests: vec![told("x", "effective")], moving: 1, ..Story::default() };
    assert_eq!(due(&moving, &[]), None);
    let rests = Story { moving: 0, ..moving };
    assert_eq!(due(&rests, &[]), Some((NotePhase::Rests, 1)));
    let said = note(NotePhase::Rests, 1, rests.rests.clone());
    assert_eq!(due(&rests, std::slice::from_ref(&said)), None);
    let turned = Story { rests: vec![told("x", "contradicted")], ..Story::default() };
    assert_eq!(due(&turned, &[said]), Some((NotePhase::Rests, 2)));
}

#[test]
fn a_note_posted_twice_keeps_its_first_text_and_incident() {
    let first = note(NotePhase::Rests, 1, Vec::new());
    let other = IncidentRef::Sentinel { workspace: WorkspaceKey(Uuid::nil()), name: Uuid::from_u128(9) };
    let again = NoteEvent::Begun { key: first.key.clone(), incident: other, text: "other".into(), covers: Vec::new() };
    let after = NoteRecord::apply(Some(first.clone()), &again, at(2)).unwrap();
    assert_eq!((after.text, after.incident, after.attempts), (first.text, first.incident, 2));
    let posted = NoteRecord::apply(Some(note(NotePhase::Rests, 1, Vec::new())), &NoteEvent::Posted, at(3)).unwrap();
    assert!(!posted.is_open());
}

#[test]
fn nobody_writes_to_defender_while_a_comment_may_be_on_its_way() {
    let in_sentinel = note(NotePhase::Rests, 1, Vec::new());
    assert_eq!(in_sentinel.in_doubt_until(), None, "there the second takes the place of the first");
    let incident = IncidentRef::Defender { workspace: WorkspaceKey(Uuid::nil()), name: Uuid::nil(), id: "7".into() };
    let begun = NoteRecord { incident, ..in_sentinel };
    assert_eq!(begun.in_doubt_until(), Some(at(1 + 180)));
    let waits = NoteEvent::Again { reason: Reason::Paused { by: "eva".into() }, at: at(5) };
    let waits = NoteRecord::apply(Some(begun), &waits, at(4)).unwrap();
    assert_eq!(waits.in_doubt_until(), None, "when to look again was settled with the answer");
}
