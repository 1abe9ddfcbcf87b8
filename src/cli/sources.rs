//! How the sources stand: how far each is read, and why one is not.

use std::time::Duration;

use serde::{Deserialize as _, Serialize};

use super::report::{Terminal, cell, rendered, wrapped};
use crate::journal::{Fault, Journal};
use crate::model::alert::SourceKey;
use crate::model::time::{At, print_duration};
use crate::respond::intake::Cursor;
use crate::respond::poll_failure::PollFailure;
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

/// What people call the source of this key.
pub(super) fn name_of(settings: &Settings, source: &str) -> String {
    let known = named(settings).into_iter().find(|(key, _)| key.to_string() == source);
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
}
