//! The words of a comment. Pure. Everything that came from outside is escaped.

use std::fmt::Write as _;

use crate::journal::Quarantined;
use crate::model::incident::length;
use crate::model::outcome::OutcomeKind;
use crate::model::reason::Reason;
use crate::model::text::escape_comment;
use crate::record::action::ActionRecord;
use crate::record::alert::{AlertRecord, Decided};
use crate::record::note::NotePhase;

/// What a comment is about.
#[derive(Debug, Clone, Copy)]
pub struct About<'a> {
    /// The alert.
    pub alert: &'a AlertRecord,
    /// Its actions.
    pub actions: &'a [ActionRecord],
    /// The lanes in which some of them stand still.
    pub stuck: &'a [Quarantined],
    /// The comments about it so far, with this one.
    pub number: usize,
}

/// The comment about a case: one line an action, what was not done and why, what a person can do; in `room` characters.
#[must_use]
pub fn compose(about: &About<'_>, phase: NotePhase, round: u16, room: usize) -> String {
    let About { alert, actions, stuck, number } = *about;
    let title = alert.best().map(|seen| seen.title.trim()).filter(|title| !title.is_empty());
    let title = title.unwrap_or("an alert without a title");
    let headline = match phase {
        NotePhase::Waits if alert.revision > 0 => "cannot look at it again yet",
        NotePhase::Waits => "cannot decide yet",
        NotePhase::Asks if !stuck.is_empty() => "cannot go on and needs a person",
        NotePhase::Asks => "waits for a decision",
        NotePhase::Rests if round > 1 => "has news",
        NotePhase::Rests => headline(actions),
    };
    let mut lines = Vec::new();
    if let Some((since, reason)) = alert.unasked().filter(|_| phase == NotePhase::Waits) {
        let (since, why) = (since.to_the_second(), alert.waits_for().unwrap_or_else(|| reason.waiting()));
        lines.push(format!("since {since}: {}", escape_comment(&why, 600)));
    }
    let told = actions.iter().filter(|record| !is_overtaken(record, actions));
    lines.extend(told.map(action_line).chain(alert.decided.iter().map(decided_line)));
    let advice = stuck.iter().map(stuck_line).chain(advice(actions, phase)).collect();
    // Escaping makes a text longer.
    let titles = [160, 80, 40].map(|most| escape_comment(title, most));
    let title = titles.iter().find(|title| length(title) <= room / SHARE).or(titles.last()).map_or("", String::as_str);
    let head = format!("riposte {headline}: {title}");
    fitted(head, lines, advice, &format!("(riposte alert {}, note {number})", alert.id.short()), room)
}

/// A line takes a third of the room at most.
const SHARE: usize = 3;
/// What is kept free for the line that says how much is left out.
const MORE: usize = 50;

/// Puts together what fits. What a person can do goes before what was done, up to half of the room; a command that does
/// not fit whole is left out.
fn fitted(head: String, lines: Vec<String>, advice: Vec<String>, foot: &str, room: usize) -> String {
    let line_of = |text: &str| length(text) + 1;
    let mut free = room.saturating_sub(line_of(&head) + line_of(foot) + MORE);
    let mut left = 0;
    let mut fits = |text: &str, free: &mut usize| {
        let fits = line_of(text) <= *free;
        *free -= if fits { line_of(text) } else { 0 };
        left += usize::from(!fits);
        fits
    };
    let mut half = free / 2;
    let before = half;
    let advice: Vec<String> = advice.into_iter().filter(|line| fits(line, &mut half)).collect();
    free -= before - half;
    let lines = lines.into_iter().map(|line| format!("- {}", cut(&line, room / SHARE)));
    let lines: Vec<String> = lines.filter(|line| fits(line, &mut free)).collect();
    let more = (left > 0).then(|| format!("- and {left} more: riposte actions list"));
    let all: Vec<String> = std::iter::once(head).chain(lines).chain(more).chain(advice).collect();
    format!("{}\n{foot}", all.join("\n"))
}

fn headline(actions: &[ActionRecord]) -> &'static str {
    let any = |kinds: &[OutcomeKind]| {
        actions.iter().any(|action| action.outcome().is_some_and(|outcome| kinds.contains(&outcome.kind)))
    };
    let done = any(&[OutcomeKind::Effective, OutcomeKind::AlreadyEffective, OutcomeKind::Reverted]);
    if actions.iter().any(ActionRecord::is_in_flight) {
        return "does not know yet what its call did";
    }
    if any(&[OutcomeKind::Contradicted, OutcomeKind::Failed, OutcomeKind::Unverified]) {
        if done { "could not do everything" } else { "could not do what was wanted" }
    } else if done {
        "has answered"
    } else if any(&[OutcomeKind::Simulated]) {
        "is in simulate and did nothing"
    } else if actions.iter().any(ActionRecord::is_open) {
        "has done nothing yet"
    } else {
        "did nothing"
    }
}

/// An undo that only let go, for others held the effect, when the effect has ended for all of them since.
fn is_overtaken(undo: &ActionRecord, actions: &[ActionRecord]) -> bool {
    let let_go = undo.outcome().is_some_and(|outcome| matches!(outcome.reason, Reason::HeldByOthers { .. }));
    let original = actions.iter().find(|record| Some(record.action.id) == undo.action.key.reverts);
    let_go && original.and_then(ActionRecord::outcome).is_some_and(|outcome| outcome.kind == OutcomeKind::Reverted)
}

fn action_line(record: &ActionRecord) -> String {
    let action = &record.action;
    let (whom, directory) = (escape_comment(&action.subject.label, 120), action.key.account.directory());
    let mut line = format!("{} on {whom} in {directory}: {}", action.key.intent, record.status());
    if let Some(proof) = record.outcome().and_then(|outcome| outcome.proof.as_ref()) {
        let _ = write!(line, ", seen {}", escape_comment(&proof.to_string(), 160));
    }
    // "Seen" is what the proof has just said.
    if record.reason() != Reason::Seen {
        let _ = write!(line, "; {}", escape_comment(&record.why(), 600));
    }
    if let Some(by) = &record.approved_by {
        let _ = write!(line, " (approved by {})", escape_comment(by, 80));
    }
    if let Some(at) = record.reverts_at() {
        let _ = write!(line, "; to be put back at {}", at.to_the_second());
    }
    let _ = write!(line, " [{}]", action.id.short());
    line
}

fn decided_line(decided: &Decided) -> String {
    let what = decided.intent.as_ref().map_or_else(|| format!("rule {}", decided.rule), ToString::to_string);
    let whom =
        decided.account.as_ref().map(|hint| format!(" on {}", escape_comment(&hint.label(), 120))).unwrap_or_default();
    format!("{}{whom}: withheld; {}", escape_comment(&what, 120), escape_comment(&decided.reason.line(), 400))
}

/// Why the lane failed stands in `riposte status`: it may hold anything, and a comment is read by many.
fn stuck_line(quarantined: &Quarantined) -> String {
    let Quarantined { lane, since, .. } = quarantined;
    let (lane, since) = (escape_comment(&lane.to_string(), 200), since.to_the_second());
    format!(
        "Nothing more is done on {lane} since {since}, neither begun nor put back: riposte failed there again and again. \
         riposte status says why; riposte release {lane} lets it try again"
    )
}

/// Questions about what was never called are answered together, and each about what was called by itself.
fn decide<'a>(waiting: impl Iterator<Item = &'a ActionRecord>) -> Vec<String> {
    let called = |record: &&ActionRecord| record.attempts > 0;
    let (alone, together): (Vec<_>, Vec<_>) = waiting.partition(called);
    let ids = |records: &[&ActionRecord]| records.iter().map(|record| record.action.id.short()).collect::<Vec<_>>();
    let each = if together.len() > 1 { "; each may also be answered alone" } else { "" };
    let line = |ids: String, each: &str| format!("To decide: riposte approve {ids} or riposte deny {ids}{each}");
    let mut lines: Vec<String> = ids(&alone).into_iter().map(|id| line(id, "")).collect();
    if !together.is_empty() {
        lines.push(line(ids(&together).join(" "), each));
    }
    lines
}

fn advice(actions: &[ActionRecord], phase: NotePhase) -> Vec<String> {
    let waiting = actions.iter().filter(|record| record.status() == "waiting");
    if phase == NotePhase::Asks {
        return decide(waiting);
    }
    let undoable = actions.iter().filter(|record| {
        record.action.key.reverts.is_none()
            && record.reverted_by.is_none()
            && record.action.key.intent.inverse().is_some()
            && record.outcome().is_some_and(|outcome| outcome.kind == OutcomeKind::Effective)
    });
    undoable.map(|record| format!("To undo {}: riposte undo {}", record.action.key.intent, record.action.id)).collect()
}

/// Cuts a line that is too long; its end, which says which action it is, stays.
fn cut(line: &str, most: usize) -> String {
    if length(line) <= most {
        return line.to_owned();
    }
    let (text, id) = line.rfind(" [").map_or((line, ""), |at| line.split_at(at));
    let mut kept = String::new();
    for c in text.chars() {
        if length(&kept) + c.len_utf16() + length(id) + 1 > most {
            break;
        }
        kept.push(c);
    }
    // Half of an escaped character is none.
    if let Some(at) = kept.rfind('&').filter(|at| kept.get(*at..).is_some_and(|rest| !rest.contains(';'))) {
        kept.truncate(at);
    }
    format!("{kept}…{id}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(count: usize, length: usize) -> Vec<String> {
        (0..count).map(|n| format!("{n} {}", "ä".repeat(length))).collect()
    }

    #[test]
    fn a_comment_never_takes_more_room_than_there_is_and_says_what_is_left_out() {
        for (count, long) in [(0, 0), (1, 30), (5, 100), (40, 200), (3, 5_000)] {
            for room in [940, 24_000] {
                let text = fitted("head".into(), lines(count, long), lines(count, long), "foot", room);
                assert!(length(&text) <= room, "{count} lines of {long} in {room}");
                assert!(text.starts_with("head") && text.ends_with("\nfoot"));
                let shown = text.lines().filter(|line| line.contains('ä')).count();
                let more = format!("- and {} more: riposte actions list", 2 * count - shown);
                assert_eq!(text.contains(&more), shown < 2 * count, "{text}");
            }
        }
    }

    #[test]
    fn a_line_that_is_cut_keeps_its_id_and_no_half_of_an_escaped_character() {
        let line = format!("{} [ab12cd34]", "&quot;😀".repeat(60));
        for most in 40..60 {
            let cut = cut(&line, most);
            assert!(length(&cut) <= most && cut.ends_with(" [ab12cd34]"), "{cut}");
            assert_eq!(cut.matches('&').count(), cut.matches(';').count(), "{cut}");
        }
        assert_eq!(cut("short [x]", 40), "short [x]");
    }

    #[test]
    fn a_command_is_whole_or_not_there() {
        let text = fitted("head".into(), lines(1, 900), vec!["x".repeat(900), "riposte undo 1".into()], "foot", 940);
        assert!(text.contains("- 0 ä") && text.contains("riposte undo 1") && !text.contains('x'), "{text}");
    }
}
