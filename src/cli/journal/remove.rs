//! `riposte journal remove`: what is known of a person, out of the journal.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;

use serde_json::json;

use crate::cli::args::{Global, JournalRemoveArgs};
use crate::cli::exit::{CliError, Exit};
use crate::cli::report::{Report, counted, listed};
use crate::cli::setup;
use crate::diagnostics::quoted;
use crate::journal::chain::Link;
use crate::journal::{CommitError, Journal};
use crate::model::id::AlertId;
use crate::model::text::clip;
use crate::record::action::ActionRecord;
use crate::record::alert::AlertRecord;
use crate::record::event::{StreamKey, StreamKind};
use crate::record::note::NoteRecord;
use crate::respond::retention::{Ended, Kept, ended};
use crate::respond::write;

/// So many events are read at a time.
const PAGE: u32 = 500;

/// Shorter words stand in everything.
const SHORTEST: usize = 4;

/// What is outside of the journal.
const ELSEWHERE: &str = "Backups, exports, logs and the comments on incidents are not touched";

/// Removes the alerts that name a person, or says which would be removed.
pub(in crate::cli) async fn remove(args: &JournalRemoveArgs, global: &Global) -> Result<Report, CliError> {
    let words = Words::new(&args.about)?;
    let by = setup::operator(args.by.as_deref())?;
    let journal = setup::journal(&setup::settings(global)?)?;
    let mut found = Found::new(journal.as_ref(), &words).await?;
    if args.yes {
        let why = args.reason.clone().unwrap_or_else(|| "asked for".to_owned());
        found.remove(journal.as_ref(), &by, &why).await?;
    }
    Ok(report(&found, &words, args.yes))
}

/// What is looked for, as it stands in stored JSON, in lower case.
struct Words {
    given: Vec<String>,
    stored: Vec<String>,
}

impl Words {
    fn new(given: &[String]) -> Result<Self, CliError> {
        let given: Vec<String> = given.iter().map(|word| word.trim().to_owned()).collect();
        if let Some(short) = given.iter().find(|word| word.chars().count() < SHORTEST) {
            let why = format!(
                "{} is too short to be looked for: give a UPN, a SID, an id or an account name of at least {SHORTEST} \
                 characters",
                quoted(short)
            );
            return Err(CliError::Usage(why));
        }
        // Vendors put JSON into texts, and that into texts again.
        let escaped = |word: &str| {
            let text = json!(word).to_string();
            text.get(1..text.len() - 1).unwrap_or_default().to_lowercase()
        };
        let all = given.iter().flat_map(|word| {
            let once = escaped(word);
            let twice = escaped(&once);
            [escaped(&twice), twice, once]
        });
        Ok(Self { stored: all.collect::<BTreeSet<_>>().into_iter().collect(), given })
    }

    /// Whether one of them stands there as a whole: `ann@corp.example` is not in `joann@corp.example`, and
    /// `S-1-5-21-1-2-3-110` not in `S-1-5-21-1-2-3-1104`.
    fn are_in(&self, text: &str) -> bool {
        let text = text.to_lowercase();
        self.stored.iter().any(|word| {
            text.match_indices(word.as_str()).any(|(at, _)| {
                let (before, after) = (&text[..at], &text[at + word.len()..]);
                !goes_on(before.chars().rev()) && !goes_on(after.chars())
            })
        })
    }
}

/// Whether a name goes on with these characters. A point is part of a name only where more of it follows.
fn goes_on(mut next: impl Iterator<Item = char>) -> bool {
    match next.next() {
        Some('.') => next.next().is_some_and(char::is_alphanumeric),
        Some(c) => c.is_alphanumeric() || matches!(c, '-' | '_' | '@'),
        None => false,
    }
}

/// The alerts that name somebody.
struct Found {
    /// Those that can be removed, each with its title.
    ends: BTreeMap<AlertId, (Ended, String)>,
    /// Those that are kept, and why.
    kept: BTreeMap<AlertId, (Kept, String)>,
    /// How many were removed.
    removed: usize,
    /// How many events name them as the one who caused it.
    caused: u64,
    /// Stories that are no alert's and name them.
    others: BTreeSet<StreamKey>,
}

impl Found {
    async fn new(journal: &dyn Journal, words: &Words) -> Result<Self, CliError> {
        let mut found =
            Self { ends: BTreeMap::new(), kept: BTreeMap::new(), removed: 0, caused: 0, others: BTreeSet::new() };
        let mut streams = BTreeSet::new();
        let mut after = 0;
        loop {
            let page = journal.placed(after, PAGE).await?;
            let Some(last) = page.last() else { break };
            after = last.position;
            for placed in page {
                let Link { payload, actor, .. } = placed.link;
                found.caused += u64::from(words.are_in(&actor));
                if payload.is_some_and(|text| words.are_in(&text)) || words.are_in(&placed.stream.id) {
                    streams.insert(placed.stream);
                }
            }
        }
        let mut alerts = BTreeSet::new();
        for stream in streams {
            match alert_of(journal, &stream).await? {
                Some(alert) => drop(alerts.insert(alert)),
                None => drop(found.others.insert(stream)),
            }
        }
        for alert in alerts {
            found.judge(journal, alert).await?;
        }
        Ok(found)
    }

    async fn judge(&mut self, journal: &dyn Journal, alert: AlertId) -> Result<(), CliError> {
        let Some(stream) = journal.stream(&StreamKey::alert(alert)).await? else { return Ok(()) };
        let title = write::read::<AlertRecord>(&stream).ok().and_then(|stored| {
            let record = stored.record;
            record
                .best()
                .map(|seen| format!("{}, first seen {}", clip(&seen.title, 60), record.first_seen.to_the_second()))
        });
        let title = title.unwrap_or_else(|| "an alert that cannot be read".to_owned());
        match ended(journal, &stream, journal.now()).await? {
            Ok(ended) => drop(self.ends.insert(alert, (ended, title))),
            Err(kept) => drop(self.kept.insert(alert, (kept, title))),
        }
        Ok(())
    }

    /// What was part of an alert goes once that is gone.
    async fn remove(&mut self, journal: &dyn Journal, by: &str, why: &str) -> Result<(), CliError> {
        while !self.ends.is_empty() {
            for (alert, (ended, title)) in std::mem::take(&mut self.ends) {
                match journal.remove(ended.removal(by, why)).await {
                    Ok(()) => self.removed += 1,
                    Err(CommitError::Moved(stream)) => {
                        self.kept.insert(alert, (Kept::Open(stream), title));
                    }
                    Err(CommitError::Fault(fault) | CommitError::Nonsense(fault)) => return Err(fault.into()),
                    Err(refused) => return Err(CliError::No(format!("alert {alert} was not removed: {refused}"))),
                }
            }
            let parts: Vec<AlertId> =
                self.kept.iter().filter(|(_, (kept, _))| matches!(kept, Kept::PartOf(_))).map(|(id, _)| *id).collect();
            for part in parts {
                self.kept.remove(&part);
                self.judge(journal, part).await?;
            }
        }
        Ok(())
    }
}

/// The alert to which a stream belongs.
async fn alert_of(journal: &dyn Journal, stream: &StreamKey) -> Result<Option<AlertId>, CliError> {
    if stream.kind == StreamKind::Alert {
        return Ok(stream.id.parse().ok());
    }
    let Some(stored) = journal.stream(stream).await? else { return Ok(None) };
    Ok(match stream.kind {
        StreamKind::Action => write::read::<ActionRecord>(&stored).ok().map(|action| action.record.action.key.alert),
        StreamKind::Note => write::read::<NoteRecord>(&stored).ok().map(|note| note.record.key.alert),
        StreamKind::Alert | StreamKind::Control => None,
    })
}

fn report(found: &Found, words: &Words, done: bool) -> Report {
    let mut text = String::new();
    for (alert, (ended, title)) in &found.ends {
        let _ = writeln!(text, "would go  {alert}  {title}; {}", counted(ended.actions, "action"));
    }
    for (alert, (kept, title)) in &found.kept {
        let _ = writeln!(text, "stays     {alert}  {title}: {kept}");
    }
    let names = listed(&words.given);
    let all = found.ends.len() + found.kept.len() + found.removed;
    let _ = match (all, done) {
        (0, _) => writeln!(text, "no alert in the journal names {names}"),
        (_, false) if found.ends.is_empty() => {
            writeln!(text, "{names} is named in {}, of which none can be removed now", counted(all, "alert"))
        }
        (_, false) => writeln!(
            text,
            "{names} is named in {}; nothing is removed yet: the same with --yes removes {} for good, with everything that was done \
             and told about them. {ELSEWHERE}",
            counted(all, "alert"),
            counted(found.ends.len(), "alert"),
        ),
        (_, true) => writeln!(
            text,
            "removed: {} with everything that was done and told about them; {} kept. Their chains hold, and say who removed \
             them. {ELSEWHERE}",
            counted(found.removed, "alert"),
            found.kept.len(),
        ),
    };
    if found.caused > 0 {
        let _ = writeln!(
            text,
            "{} of {} that they caused themselves (an approval, an undo): who did it is part of the proof and stays",
            counted(usize::try_from(found.caused).unwrap_or(usize::MAX), "event"),
            names
        );
    }
    if !found.others.is_empty() {
        let others: Vec<String> = found.others.iter().map(ToString::to_string).collect();
        let _ = writeln!(text, "named elsewhere as well, which stays: {}", listed(&others));
    }
    let json = json!({
        "removed": found.removed,
        "would_go": found.ends.keys().map(ToString::to_string).collect::<Vec<_>>(),
        "kept": found.kept.iter().map(|(alert, (kept, _))| json!({"alert": alert, "why": kept.to_string()})).collect::<Vec<_>>(),
        "events_caused": found.caused,
        "other_streams": found.others.iter().map(ToString::to_string).collect::<Vec<_>>(),
    });
    let exit = if done && !found.kept.is_empty() { Exit::No } else { Exit::Done };
    Report { exit, ..Report::new(text, json) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::testing::{Story, bench};
    use crate::journal::verify::verify;

    fn words(given: &[&str]) -> Words {
        Words::new(&given.iter().map(|&word| word.to_owned()).collect::<Vec<_>>()).unwrap()
    }

    #[test]
    fn a_name_is_found_whole_and_in_any_case_and_as_json_holds_it() {
        let held = |word: &str, text: &str| words(&[word]).are_in(text);
        for text in [r#"{"upn":"Ann@Corp.Example"}"#, "told ann@corp.example.", "(ann@corp.example)"] {
            assert!(held("ann@corp.example", text), "{text}");
        }
        for text in ["joann@corp.example", "ann@corp.example.org", "ann@corp.example-2", "x-ann@corp.example"] {
            assert!(!held("ann@corp.example", text), "{text}");
        }
        assert!(
            held("S-1-5-21-1-2-3-110", r#""S-1-5-21-1-2-3-110""#) && !held("S-1-5-21-1-2-3-110", "S-1-5-21-1-2-3-1104")
        );
        assert!(held(r"CORP\annie", r#"{"account":"CORP\\annie"}"#));
        assert!(held(r"CORP\annie", r#"{"Entities":"[{\"account\":\"CORP\\\\annie\"}]"}"#));
        assert!(held("größer", "GRÖẞER größer"));
        assert!(Words::new(&["ann".to_owned()]).err().unwrap().to_string().contains("too short"));
    }

    #[tokio::test]
    async fn what_is_not_over_stays_and_is_said() {
        let bench = bench();
        let journal = bench.open();
        let story = Story::whole(&journal).await;
        bench.clock.pass(40 * 86_400);
        let words = words(&["S-1-5-21-1-2-3-1105"]);
        let mut found = Found::new(&journal, &words).await.unwrap();
        found.remove(&journal, "eva", "asked for").await.unwrap();
        let report = report(&found, &words, true);
        assert_eq!(report.exit, Exit::No);
        assert!(report.text.starts_with(&format!("stays     {}", story.alert)), "{}", report.text);
        assert!(report.text.contains("removed: 0 alerts") && report.text.contains("is not over"), "{}", report.text);
        assert!(journal.stream(&StreamKey::alert(story.alert)).await.unwrap().is_some());
    }

    #[tokio::test]
    async fn who_is_asked_for_is_listed_first_and_gone_with_yes() {
        let bench = bench();
        let journal = bench.open();
        let story = Story::whole(&journal).await;
        let spoilt = story.spoil(&journal, "its row names bob@corp.example").await;
        let words = words(&["BOB@corp.example"]);
        let young = report(&Found::new(&journal, &words).await.unwrap(), &words, false);
        assert!(young.text.contains("it changed less than 31d ago"), "{}", young.text);
        bench.clock.pass(40 * 86_400);
        let mut found = Found::new(&journal, &words).await.unwrap();
        let first = report(&found, &words, false);
        assert_eq!((first.exit, first.json["would_go"][0].as_str()), (Exit::Done, Some(spoilt.to_string().as_str())));
        assert!(
            first.text.contains("nothing is removed yet") && first.text.contains("--yes removes 1 alert for good"),
            "{}",
            first.text
        );
        found.remove(&journal, "eva", "request 4711").await.unwrap();
        let done = report(&found, &words, true);
        assert!(done.text.starts_with("removed: 1 alert with everything"), "{}", done.text);
        assert!(journal.stream(&StreamKey::alert(spoilt)).await.unwrap().is_none());
        let tenant = crate::journal::testing::TENANT;
        assert!(verify(&journal, tenant, &[]).await.unwrap().holds());
        let after = report(&Found::new(&journal, &words).await.unwrap(), &words, false);
        assert!(after.text.starts_with("no alert in the journal names"), "{}", after.text);
    }
}
