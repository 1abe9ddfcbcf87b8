//! Which call was made for which alert, how many of each kind there were, and what lies between them. Pure.

use std::collections::{BTreeMap, HashMap};
use std::time::Duration;

use super::times::{Span, uncovered};
use crate::lab::Heard;
use crate::model::time::At;

/// The calls for each alert, in the order in which they came, and those that are for none: sign-ins and polls.
#[derive(Debug, Default)]
pub(super) struct Sorted<'a> {
    /// By alert, in the order of their first calls. A call for several belongs to the first that it names.
    pub(super) of_alerts: Vec<(&'a str, Vec<&'a Heard>)>,
    pub(super) others: Vec<&'a Heard>,
}

/// Sorts a tape by what its calls name.
pub(super) fn sorted<'a>(tape: &'a [Heard], index: &HashMap<String, &'a str>) -> Sorted<'a> {
    let mut sorted = Sorted::default();
    let mut places: HashMap<&str, usize> = HashMap::new();
    for heard in tape {
        let Some(alert) = named(heard, index).first().copied() else {
            sorted.others.push(heard);
            continue;
        };
        let place = *places.entry(alert).or_insert_with(|| {
            sorted.of_alerts.push((alert, Vec::new()));
            sorted.of_alerts.len() - 1
        });
        sorted.of_alerts[place].1.push(heard);
    }
    sorted
}

/// The alerts whose ids, or whose person's, a call names, in the order of the text.
fn named<'a>(heard: &Heard, index: &HashMap<String, &'a str>) -> Vec<&'a str> {
    let target = percent_encoding::percent_decode_str(&heard.target).decode_utf8_lossy();
    let mut named: Vec<&str> = Vec::new();
    for text in [target.as_ref(), heard.body.as_str()] {
        let words = text.split(|c: char| !(c.is_alphanumeric() || "-@._".contains(c)));
        for alert in words.filter_map(|word| index.get(&word.to_ascii_lowercase())) {
            if !named.contains(alert) {
                named.push(alert);
            }
        }
    }
    named
}

/// How many calls there were of each kind.
pub(super) fn by_kind(tape: &[Heard]) -> BTreeMap<&str, u64> {
    let mut kinds = BTreeMap::new();
    for heard in tape {
        *kinds.entry(heard.kind.as_str()).or_default() += 1;
    }
    kinds
}

/// How many answers were refusals by a limit.
pub(super) fn throttled(tape: &[Heard]) -> usize {
    tape.iter().filter(|heard| heard.status == 429).count()
}

/// From the arrival of a call until its answer.
pub(super) fn span(heard: &Heard) -> Span {
    (heard.came, heard.went)
}

/// Whether a call asks Graph for alerts.
fn is_poll(heard: &Heard) -> bool {
    heard.target.starts_with("/v1.0/security/alerts_v2")
}

/// Whether it asks for those of the detectors that Defender for Identity has of its own, as a load's are.
fn is_ours(heard: &Heard) -> bool {
    heard.target.contains("microsoftDefenderForIdentity")
}

/// Whether a call contains an account.
fn is_effect(heard: &Heard) -> bool {
    heard.kind.ends_with("/invokeAction")
}

/// Whether a kind of call writes a comment.
pub(super) fn is_comment(kind: &str) -> bool {
    kind.starts_with("PUT ") && kind.contains("/comments/")
}

/// For each alert the time of the daemon's own between the answer that showed it, which is the last before the first call
/// for it, and the call that contained its account: while no call that names it was under way.
pub(super) fn own_times(tape: &[Heard], index: &HashMap<String, &str>) -> Vec<Duration> {
    let polls: Vec<At> = tape.iter().filter(|heard| is_poll(heard) && is_ours(heard)).map(|heard| heard.went).collect();
    let mut calls: HashMap<&str, Vec<&Heard>> = HashMap::new();
    for heard in tape.iter().filter(|heard| !is_poll(heard)) {
        for alert in named(heard, index) {
            calls.entry(alert).or_default().push(heard);
        }
    }
    let own = |calls: &Vec<&Heard>| {
        let first = calls.first()?.came;
        let shown = polls.iter().copied().filter(|went| *went <= first).max()?;
        let effect = calls.iter().find(|heard| is_effect(heard))?.came;
        let spans: Vec<Span> = calls.iter().map(|heard| span(heard)).collect();
        Some(uncovered((shown, effect), &spans))
    };
    calls.values().filter_map(own).collect()
}

#[cfg(test)]
pub(super) mod testing {
    use super::*;

    /// A call from one second to another.
    pub(in crate::cli::load) fn heard(came: i64, went: i64, method: &str, target: &str, body: &str) -> Heard {
        Heard {
            came: At::from_unix_seconds(came),
            went: At::from_unix_seconds(went),
            method: method.to_owned(),
            target: target.to_owned(),
            kind: format!("{method} {}", target.split('?').next().unwrap()),
            headers: BTreeMap::new(),
            body: body.to_owned(),
            status: 200,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::state::testing::answered;
    use super::testing::heard;
    use super::*;

    fn tape() -> Vec<Heard> {
        vec![
            heard(0, 1, "POST", "/tenant/oauth2/v2.0/token", "scope=x"),
            heard(0, 1, "GET", "/v1.0/security/alerts_v2?f=microsoftDefenderForIdentity", ""),
            heard(1, 2, "GET", "/v1.0/security/alerts_v2?f=microsoft365Defender", ""),
            heard(2, 4, "GET", "/v1.0/users/s%2D1-5-21-1", ""),
            heard(
                3,
                4,
                "POST",
                "/v1/workspaces/w/query",
                r#"{"query":"T | where Sid in (\"S-1-5-21-0\",\"S-1-5-21-1\")"}"#,
            ),
            heard(7, 9, "POST", "/v1.0/security/identities/identityAccounts/guid-1/invokeAction", "{}"),
            heard(9, 10, "GET", "/v1.0/security/alerts_v2?f=microsoftDefenderForIdentity", ""),
        ]
    }

    #[test]
    fn a_call_belongs_to_the_alert_that_it_names_first_and_a_poll_to_none() {
        let (state, tape) = (answered(2), tape());
        let sorted = sorted(&tape, &state.index());
        let lists: Vec<(&str, usize)> = sorted.of_alerts.iter().map(|(alert, calls)| (*alert, calls.len())).collect();
        assert_eq!(lists, [("load-00001", 2), ("load-00000", 1)]);
        assert_eq!(sorted.others.len(), 4);
        assert_eq!(by_kind(&tape)["GET /v1.0/security/alerts_v2"], 3);
    }

    #[test]
    fn own_time_begins_with_the_answer_that_showed_the_alert() {
        let (state, tape) = (answered(2), tape());
        // Shown at 1, contained at 7, calls from 2 to 4. For the other alert nothing was done.
        assert_eq!(own_times(&tape, &state.index()), [Duration::from_secs(4)]);
        assert_eq!(own_times(&tape[2..], &state.index()), Vec::<Duration>::new(), "no poll has shown it");
    }
}
