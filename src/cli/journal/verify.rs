//! `riposte journal verify`: whether the record is as it was written.

use std::fmt::Write as _;

use serde_json::json;

use crate::app;
use crate::cli::args::{Global, JournalVerifyArgs};
use crate::cli::exit::{CliError, Exit};
use crate::cli::report::{Report, counted};
use crate::cli::setup;
use crate::journal::verify::{self, Verified};
use crate::model::text::clip;
use crate::respond::audit::{Difference, audit};

/// The longest list of broken places that people are shown.
const SHOWN: usize = 20;

/// Verifies the journal.
pub(in crate::cli) async fn verify(args: &JournalVerifyArgs, global: &Global) -> Result<Report, CliError> {
    let settings = setup::settings(global)?;
    let journal = setup::journal(&settings)?;
    if let Some(damage) = app::damage(&settings.journal)? {
        return Err(damage.into());
    }
    let found = verify::verify(journal.as_ref(), settings.tenant.id, &args.expect_root).await?;
    let differences = audit(journal.as_ref(), settings.tenant.id).await;
    let older = app::put_back(&settings.journal)?;
    Ok(report(&Looked { found, differences, older }, &args.expect_root))
}

/// What was found, by everything that is looked at.
struct Looked {
    found: Verified,
    differences: Vec<Difference>,
    /// Why the file is older than what was last written there, if it is.
    older: Option<String>,
}

/// What nobody can prove.
const UNPROVED: [&str; 2] = [
    "that nothing written since the last seal or kept root is missing, whole streams too, and that this is no older copy. Keep a \
     root elsewhere (this one, or the one in the log line \"journal sealed\") and give it back with --expect-root",
    "where sources stand, how much of a limit is used up, that no names of alerts were added or those by account and time \
     changed, and that nothing is missing that people have said and no daemon has heard yet",
];

fn report(looked: &Looked, wanted: &[String]) -> Report {
    let Looked { found, differences, older } = looked;
    let unmet: Vec<&String> = wanted.iter().filter(|root| !found.met.contains_key(*root)).collect();
    let good = found.holds() && differences.is_empty() && older.is_none() && unmet.is_empty();
    let json = json!({
        "holds": good,
        "events": found.end.events,
        "streams": found.streams,
        "payloads_removed": found.removed,
        "broken": found.broken.iter().map(|broken| json!({
            "stream": broken.stream.to_string(), "n": broken.n, "what": broken.what.to_string(),
        })).collect::<Vec<_>>(),
        "differences": differences.iter().map(|it| json!({
            "stream": it.stream.to_string(), "what": it.what,
        })).collect::<Vec<_>>(),
        "put_back": older,
        "seals": found.seals.iter().map(|checked| json!({
            "at": checked.at, "events": checked.seal.events, "root": checked.seal.root, "holds": checked.holds,
        })).collect::<Vec<_>>(),
        "roots_met": found.met,
        "roots_not_met": unmet,
        "root": found.end.root,
        "not_proved": UNPROVED,
    });
    let mut report = Report::new(text(looked, wanted, &unmet), json);
    report.exit = if good { Exit::Done } else { Exit::No };
    report
}

fn text(looked: &Looked, wanted: &[String], unmet: &[&String]) -> String {
    let Looked { found, differences, older } = looked;
    let mut text = wrong(looked);
    for root in unmet {
        let _ = writeln!(
            text,
            "NOT MET: no events of this journal lead to the root {root}: something before it was \
            changed or is missing, or it is of another journal or a later state of this one"
        );
    }
    if !looked.found.holds() || !differences.is_empty() {
        text.push_str("nobody should go on from what was changed: set the file aside, and put a backup in its place that verifies\n");
    }
    let events = usize::try_from(found.end.events).unwrap_or(usize::MAX);
    let verdict = if found.broken.is_empty() { "every chain holds" } else { "not every chain holds" };
    let _ = writeln!(text, "{} in {}: {verdict}", counted(events, "event"), counted(found.streams, "stream"));
    if found.removed > 0 {
        let _ = writeln!(
            text,
            "the payloads of {} were removed, and their streams say by whom; what they said cannot be proved",
            counted(usize::try_from(found.removed).unwrap_or(usize::MAX), "event")
        );
    }
    match found.seals.last() {
        Some(last) => {
            let (count, at) = (counted(found.seals.len(), "seal"), last.at.to_the_second());
            let _ =
                writeln!(text, "{count}, the last of {at} over {} events, root {}", last.seal.events, last.seal.root);
        }
        None => {
            text.push_str("not sealed yet: a daemon does it every quarter of an hour, and when it starts and ends\n");
        }
    }
    let _ = writeln!(text, "the root of all of it: {}", found.end.root);
    if !wanted.is_empty() && unmet.is_empty() {
        text.push_str("the roots asked for are met: up to them nothing is missing or changed\n");
    }
    if differences.is_empty() && older.is_none() {
        text.push_str(
            "how things stand, when what is open goes on, the ids of alerts that were seen and who holds which effect are \
             what the events made of them\n",
        );
    }
    text.extend(UNPROVED.map(|what| format!("not proved: {what}\n")));
    text
}

/// What speaks against it, a line each.
fn wrong(looked: &Looked) -> String {
    let Looked { found, differences, older } = looked;
    let mut text = String::new();
    let broken = found.broken.iter().map(|broken| format!("BROKEN: {broken}"));
    let changed = differences.iter().map(|it| format!("CHANGED: {}: {}", it.stream, it.what));
    // Whoever has the file in hand chooses the names in it.
    let all: Vec<String> = broken.chain(changed).map(|line| clip(&line, 800)).collect();
    all.iter().take(SHOWN).for_each(|line| text.extend([line.as_str(), "\n"]));
    if all.len() > SHOWN {
        let _ = writeln!(text, "... and {} more; --format json has all", all.len() - SHOWN);
    }
    for checked in found.seals.iter().filter(|checked| !checked.holds) {
        let (at, events) = (checked.at.to_the_second(), checked.seal.events);
        let _ = writeln!(
            text,
            "BROKEN: the seal of {at} over {events} events: they lead to another root, so something of them was changed or is \
             missing, perhaps a whole stream, which nothing else shows"
        );
    }
    if let Some(why) = older {
        let _ = writeln!(text, "OLDER: {}", clip(why, 1_000));
    }
    text
}
