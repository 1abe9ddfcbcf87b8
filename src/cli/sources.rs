//! How the sources stand: how far each is read, and why one is not.

use std::time::Duration;

use serde::{Deserialize as _, Serialize};

use super::report::{Terminal, cell, counted, rendered, wrapped};
use crate::app::TriggerPlace;
use crate::connect::trigger::MOST_ALERTS;
use crate::journal::{Fault, Journal};
use crate::model::alert::SourceKey;
use crate::model::time::{At, print_duration};
use crate::respond::intake::Cursor;
use crate::respond::poll_failure::PollFailure;
use crate::respond::polls::Unread;
use crate::respond::runs::{Run, TOLD_FOR};
use crate::settings::Settings;

/// One source.
#[derive(Debug, Serialize)]
pub(super) struct SourceLine {
    source: String,
    /// What people call it: the workspace's name in the settings.
    name: String,
    /// Everything visible before this has been read; null before the first page.
    read_through: Option<At>,
    lag_seconds: Option<u64>,
    /// A window is being read page by page.
    pub(super) in_the_middle: bool,
    /// Nothing has been read since the last failure.
    failing: bool,
    /// When and why it could not be read the last time; null where it never failed.
    last_error: Option<PollFailure>,
}

/// One trigger in one place.
#[derive(Debug, Serialize)]
pub(super) struct TriggerLine {
    source: String,
    name: String,
    /// How it ran the last time; null before the first run.
    last_run: Option<Run>,
    /// When it runs next, as long as a daemon runs.
    next: At,
    /// It has not run since it last failed.
    failing: bool,
    last_error: Option<PollFailure>,
    #[serde(skip)]
    now: At,
}

/// The triggers that rules name.
///
/// # Errors
/// When the journal cannot be read.
pub(super) async fn trigger_lines(
    journal: &dyn Journal,
    places: &[TriggerPlace],
    now: At,
) -> Result<Vec<TriggerLine>, Fault> {
    let mut lines = Vec::new();
    for place in places {
        let source = place.key.to_string();
        let last_run = Run::last(journal, &source).await?;
        let mut last_error = PollFailure::last(journal, &source).await?;
        // Since then a rule that may act may have come to depend on it.
        if let Some(error) = last_error.as_mut().filter(|_| !place.optional) {
            error.absent = false;
        }
        let ran = last_run.as_ref().map(|run| run.at);
        lines.push(TriggerLine {
            failing: last_error.as_ref().is_some_and(|error| ran.is_none_or(|ran| ran < error.at)),
            next: place.trigger.schedule().next(now),
            name: place.name.clone(),
            source,
            last_run,
            last_error,
            now,
        });
    }
    Ok(lines)
}

/// For people.
pub(super) fn triggers_text(triggers: &[TriggerLine], terminal: Terminal) -> String {
    if triggers.is_empty() {
        return String::new();
    }
    let mut table = terminal.table(&["TRIGGER", "LAST RUN", "ALERTS", "NEXT"]);
    for line in triggers {
        let at = |run: &Run| run.at.to_the_second().to_string();
        let ran = line.last_run.as_ref().map_or_else(|| "not yet".to_owned(), at);
        let alerts = line.last_run.as_ref().map(|run| run.alerts.to_string()).unwrap_or_default();
        table.add_row([cell(&line.name), cell(&ran), cell(&alerts), cell(&line.next.to_the_second().to_string())]);
    }
    let mut text = format!("\n{}", rendered(&table));
    for line in triggers {
        for trouble in line.troubles() {
            text.push_str(&wrapped(&format!("{} {trouble}", line.name), "  ", terminal));
        }
    }
    text
}

impl TriggerLine {
    /// What is wrong with its last run.
    fn troubles(&self) -> Vec<String> {
        let mut troubles = Vec::new();
        match self.last_error.as_ref().filter(|_| self.failing) {
            Some(error) if error.absent => troubles.push(format!(
                "came with riposte and cannot run here, which is no failure of a run: {}; connect what fills its table or \
                 grant the permission, or leave its rule out of a rules folder of your own",
                error.why
            )),
            Some(error) => troubles.push(format!("could not run at {}: {}", error.at.to_the_second(), error.why)),
            None => {}
        }
        let Some(run) = &self.last_run else { return troubles };
        if run.partial {
            troubles.push("was answered in part only: what is missing leads to nothing; narrow its query".to_owned());
        }
        if run.left_out > 0 {
            let (most, left_out) = (MOST_ALERTS, counted(run.left_out, "alert"));
            troubles.push(format!(
                "found more than the {most} alerts that count in one run: {left_out}, the oldest, led to nothing; let its \
                 query find what is rare"
            ));
        }
        if run.dropped > 0 {
            let dropped = counted(run.dropped, "row");
            troubles.push(format!(
                "found more of one alert than is kept of it: no rule has looked at {dropped}; let its query summarize"
            ));
        }
        if run.unreadable > 0 {
            troubles.push(format!("gave {} that cannot be read", counted(run.unreadable, "row")));
        }
        if let Some(miss) = run.last_miss.filter(|miss| self.now.since(miss.to) < TOLD_FOR) {
            troubles.push(format!(
                "did not run in time: what happened from {} to {} was not looked at",
                miss.from.to_the_second(),
                miss.to.to_the_second()
            ));
        }
        troubles
    }
}

/// The sources of the settings.
///
/// # Errors
/// When the journal cannot be read.
pub(super) async fn lines(journal: &dyn Journal, settings: &Settings, now: At) -> Result<Vec<SourceLine>, Fault> {
    let mut lines = Vec::new();
    for (key, name) in named(settings) {
        lines.push(line(journal, key.to_string(), name, now).await?);
    }
    Ok(lines)
}

/// What a run has not read, by the names that people know.
pub(super) fn named_unread(settings: &Settings, triggers: &[TriggerPlace], unread: Unread) -> Unread {
    let names = |keys: Vec<String>| keys.iter().map(|source| name_of(settings, triggers, source)).collect();
    let Unread { failed, in_part, absent } = unread;
    Unread { failed: names(failed), in_part: names(in_part), absent: names(absent) }
}

/// What people call the source of this key.
fn name_of(settings: &Settings, triggers: &[TriggerPlace], source: &str) -> String {
    let triggers = triggers.iter().map(|place| (place.key.clone(), place.name.clone()));
    let known = named(settings).into_iter().chain(triggers).find(|(key, _)| key.to_string() == source);
    known.map_or_else(|| source.to_owned(), |(_, name)| name)
}

/// What people call whoever shows an alert; a row in a file may come from a workspace that the settings do not name.
pub(super) fn shown_by(settings: &Settings, source: &SourceKey) -> String {
    let known = named(settings).into_iter().find(|(key, _)| key == source).map(|(_, name)| name);
    known.unwrap_or_else(|| match source {
        SourceKey::LogAnalytics(workspace) if workspace.0.is_nil() => "Log Analytics".to_owned(),
        SourceKey::LogAnalytics(workspace) => format!("Log Analytics (workspace {workspace}, not in the settings)"),
        SourceKey::Graph => "Graph".to_owned(),
        SourceKey::Trigger { name, .. } => format!("the query {name}"),
    })
}

/// For people.
pub(super) fn text(sources: &[SourceLine], terminal: Terminal) -> String {
    let mut table = terminal.table(&["SOURCE", "READ THROUGH", "BEHIND"]);
    for source in sources {
        let through = source.read_through.map_or_else(|| "nothing yet".to_owned(), |at| at.to_the_second().to_string());
        let behind = source.lag_seconds.map(|lag| print_duration(Duration::from_secs(lag))).unwrap_or_default();
        let more = if source.in_the_middle { ", in the middle of a window" } else { "" };
        table.add_row([cell(&source.name), cell(&through), cell(&format!("{behind}{more}"))]);
    }
    let mut text = rendered(&table);
    for source in sources {
        let Some(error) = source.last_error.as_ref().filter(|_| source.failing) else { continue };
        let line = format!("{} could not be read at {}: {}", source.name, error.at.to_the_second(), error.why);
        text.push_str(&wrapped(&line, "  ", terminal));
    }
    text
}

fn named(settings: &Settings) -> Vec<(SourceKey, String)> {
    let tables = settings.workspaces.iter().filter(|_| settings.sources.log_analytics.is_some());
    let tables = tables.map(|space| (SourceKey::LogAnalytics(space.id), format!("workspace {}", space.name)));
    let graph = settings.sources.graph.as_ref().filter(|_| settings.tenant.cloud.features().alerts_v2);
    tables.chain(graph.map(|_| (SourceKey::Graph, "Graph".to_owned()))).collect()
}

async fn line(journal: &dyn Journal, source: String, name: String, now: At) -> Result<SourceLine, Fault> {
    let cursor = journal.cursor(&source).await?.and_then(|position| Cursor::deserialize(&position).ok());
    let last_error = PollFailure::last(journal, &source).await?;
    let read_through = cursor.as_ref().map(|cursor| cursor.through);
    Ok(SourceLine {
        read_through,
        lag_seconds: read_through.map(|through| now.since(through).as_secs()),
        in_the_middle: cursor.is_some_and(|cursor| cursor.to.is_some()),
        failing: last_error.as_ref().is_some_and(|error| read_through.is_none_or(|through| through < error.at)),
        last_error,
        source,
        name,
    })
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::cli::args::Global;
    use crate::cli::setup;
    use crate::cli::testing::{bench, cursors, seconds};

    #[tokio::test]
    async fn a_source_has_its_name_and_says_why_it_could_not_be_read_until_it_is_read_again() {
        let bench = bench();
        let journal = bench.open();
        let settings = setup::settings_or_defaults(&Global::default()).unwrap().settings;
        let shown = async |read: i64, failed: i64| {
            let cursor = json!({"through": seconds(read), "after": null, "to": null, "widest": 3600});
            let failure = json!({"at": seconds(failed), "why": "graph.microsoft.com cannot be reached"});
            cursors(&journal, [("graph", cursor), ("graph#failed", failure)]).await;
            text(&lines(&journal, &settings, seconds(60)).await.unwrap(), Terminal::paper(100))
        };
        insta::assert_snapshot!(shown(10, 20).await, @r"
        SOURCE  READ THROUGH          BEHIND
        Graph   1970-01-12T13:46:50Z  50s
          Graph could not be read at 1970-01-12T13:47:00Z: graph.microsoft.com cannot be reached
        ");
        assert!(!shown(30, 20).await.contains("cannot be reached"));
    }

    #[tokio::test]
    async fn a_trigger_says_when_it_ran_what_came_when_it_runs_next_and_what_is_wrong() {
        let bench = bench();
        let journal = bench.open();
        let settings = setup::settings_or_defaults(&Global::default()).unwrap().settings;
        let table = setup::table(&settings).unwrap();
        let mut places = crate::app::trigger_places(&settings, &table);
        places.retain(|place| place.name.contains("replication"));
        let shown = async |run: serde_json::Value, failed: i64| {
            let failure = json!({"at": seconds(failed), "why": "BadRequest: Fix semantic errors in your query."});
            let key = "kql/replication-by-unusual-account:hunting";
            cursors(&journal, [(key, run), (&format!("{key}#failed"), failure)]).await;
            triggers_text(&trigger_lines(&journal, &places, seconds(60)).await.unwrap(), Terminal::paper(120))
        };
        let run = |partial: bool, missed: Option<At>| {
            let left_out = if partial { 50 } else { 0 };
            let miss = missed.map(|from| json!({"from": from, "to": seconds(5)}));
            json!({"at": seconds(10), "alerts": 3, "left_out": left_out, "dropped": left_out / 10, "unreadable": 1, "partial": partial,
                "missed_from": missed, "last_miss": miss})
        };
        let well = shown(run(false, None), 5).await;
        assert!(well.contains("kql/replication-by-unusual-account in hunting  1970-01-12T13:46:50Z  3"), "{well}");
        assert!(well.contains("gave 1 row that cannot be read") && !well.contains("could not run"), "{well}");
        let badly = shown(run(true, Some(seconds(1))), 20).await;
        let badly = badly.split_whitespace().collect::<Vec<_>>().join(" ");
        for words in [
            "could not run at 1970-01-12T13:47:00Z: BadRequest: Fix semantic errors",
            "answered in part only",
            "more than the 100 alerts that count in one run: 50 alerts, the oldest,",
            "no rule has looked at 5 rows",
            "from 1970-01-12T13:46:41Z to 1970-01-12T13:46:45Z was not",
        ] {
            assert!(badly.contains(words), "{words}: {badly}");
        }
        let later = trigger_lines(&journal, &places, seconds(5 + 8 * 86_400)).await.unwrap();
        assert!(!triggers_text(&later, Terminal::paper(120)).contains("did not run in time"), "a week is enough");
    }

    #[tokio::test]
    async fn a_shipped_trigger_that_cannot_run_here_says_what_to_do_and_not_that_it_failed() {
        let bench = bench();
        let journal = bench.open();
        let settings = setup::settings_or_defaults(&Global::default()).unwrap().settings;
        let table = setup::table(&settings).unwrap();
        let mut places = crate::app::trigger_places(&settings, &table);
        places.retain(|place| place.name.contains("replication"));
        assert!(places.iter().all(|place| place.optional), "shipped, and its rule is in simulate");
        let failure = json!({"at": seconds(9), "why": "grant ThreatHunting.Read.All on Graph", "absent": true});
        cursors(&journal, [("kql/replication-by-unusual-account:hunting#failed", failure)]).await;
        let text = triggers_text(&trigger_lines(&journal, &places, seconds(60)).await.unwrap(), Terminal::paper(120));
        let text = text.split_whitespace().collect::<Vec<_>>().join(" ");
        for words in ["cannot run here, which is no failure", "grant ThreatHunting.Read.All", "leave its rule out"] {
            assert!(text.contains(words), "{words}: {text}");
        }
        assert!(!text.contains("could not run"), "{text}");
        places[0].optional = false;
        let armed = triggers_text(&trigger_lines(&journal, &places, seconds(60)).await.unwrap(), Terminal::paper(120));
        assert!(armed.contains("could not run"), "once a rule may act on it: {armed}");
    }
}
