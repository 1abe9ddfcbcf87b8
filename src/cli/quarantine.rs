//! `riposte release`, and what `riposte status` says about lanes in quarantine.

use std::fmt::Write as _;

use serde_json::{Value, json};

use super::args::{Global, ReleaseArgs};
use super::exit::CliError;
use super::report::{Report, Terminal, wrapped};
use super::setup;
use crate::journal::lane::{LaneKey, NotALane};
use crate::journal::{Journal, Quarantined};
use crate::model::text::clip;
use crate::model::time::{At, print_duration};

/// Lets a lane out of quarantine.
pub(super) async fn release(args: &ReleaseArgs, global: &Global) -> Result<Report, CliError> {
    let lane: LaneKey = args.lane.parse().map_err(|error: NotALane| CliError::Usage(error.to_string()))?;
    let by = setup::operator(args.by.as_deref())?;
    let journal = setup::journal(&setup::settings(global)?)?;
    free(journal.as_ref(), &lane, &by).await
}

async fn free(journal: &dyn Journal, lane: &LaneKey, by: &str) -> Result<Report, CliError> {
    let name = named(lane);
    let before = journal.quarantined().await?.into_iter().find(|quarantined| quarantined.lane == *lane);
    let Some(before) = before else {
        return Err(CliError::No(format!("{name} is not in quarantine; `riposte status` lists the lanes that are")));
    };
    if !journal.free(lane, by).await? {
        return Err(CliError::No(format!("{name} has been released by somebody else meanwhile")));
    }
    let text = format!(
        "released by {by}: {name} was in quarantine since {}; a running daemon goes on with it at once, else the next \
         `riposte run` does. When it fails again and again, it comes back here",
        before.since.to_the_second()
    );
    Ok(Report::sentence(text, json!({"lane": lane.to_string(), "released": true, "by": by, "since": before.since})))
}

/// The lanes for people, each with why, since when and what to do; nothing when there are none.
pub(super) fn lines_text(lanes: &[Quarantined], now: At, terminal: Terminal) -> String {
    let mut text = String::new();
    if lanes.is_empty() {
        return text;
    }
    text.push_str("\nin quarantine, where nothing is done until somebody has looked:\n");
    for Quarantined { lane, why, since } in lanes {
        let name = named(lane);
        let _ = writeln!(text, "  {name}");
        text.push_str(&wrapped(
            &format!("for {}, since {}: {why}", print_duration(now.since(*since)), since.to_the_second()),
            "    ",
            terminal,
        ));
        let _ = writeln!(text, "    look into the log of that time; then: riposte release {name}");
    }
    text
}

/// The same for programs.
pub(super) fn lines_json(lanes: &[Quarantined]) -> Vec<Value> {
    let line = |quarantined: &Quarantined| {
        let Quarantined { lane, why, since } = quarantined;
        json!({"lane": lane.to_string(), "why": why, "since": since})
    };
    lanes.iter().map(line).collect()
}

fn named(lane: &LaneKey) -> String {
    clip(&lane.to_string(), 200)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::exit::Exit;
    use crate::cli::testing::{Bench, bench};
    use crate::journal::FailedPass;
    use crate::journal::sqlite::SqliteJournal;
    use crate::journal::sqlite::testing::{account, take};

    async fn quarantined(bench: &Bench) -> (SqliteJournal, LaneKey) {
        let journal = bench.open();
        let lane = LaneKey::account(&account(1105));
        for _ in 0..5 {
            let claim = take(&journal, &lane).await;
            let failed = FailedPass { why: "x\u{1b}[2J".into(), again: journal.now(), tell: Vec::new() };
            journal.fail(claim, failed).await.unwrap();
        }
        (journal, lane)
    }

    #[tokio::test]
    async fn a_lane_in_quarantine_is_shown_with_why_since_when_and_the_command_that_releases_it() {
        let bench = bench();
        let (journal, lane) = quarantined(&bench).await;
        bench.clock.pass(90);
        let lanes = journal.quarantined().await.unwrap();
        let text = lines_text(&lanes, journal.now(), Terminal::paper(80));
        assert!(text.contains("for 1m30s, since 1970-01-12T13:46:40Z: 5 passes failed in a row"), "{text}");
        let command = text.split("riposte release ").nth(1).unwrap().trim();
        assert_eq!(command.parse::<LaneKey>().unwrap(), lane);
        assert!(!text.contains('\u{1b}'), "{text}");
        assert_eq!(lines_json(&lanes)[0]["lane"], lane.to_string());
        assert_eq!(lines_text(&[], journal.now(), Terminal::paper(80)), "");
    }

    #[tokio::test]
    async fn a_released_lane_is_worked_on_again_and_who_released_it_is_recorded() {
        let bench = bench();
        let (journal, lane) = quarantined(&bench).await;
        let report = free(&bench.visit(), &lane, "bo").await.unwrap();
        assert_eq!((report.exit, &report.json["by"]), (Exit::Done, &json!("bo")));
        assert!(report.text.starts_with(&format!("released by bo: {lane} was in quarantine since")), "{}", report.text);
        assert_eq!(*take(&journal, &lane).await.lane(), lane);
        let again = free(&journal, &lane, "bo").await.unwrap_err();
        assert_eq!(again.exit(), Exit::No);
        assert!(again.to_string().contains("is not in quarantine"), "{again}");
    }
}
