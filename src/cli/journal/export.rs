//! `riposte journal export`: every event as a line of JSON, in the order in which they were written.

use serde_json::{Value, json};

use crate::cli::args::{Global, JournalExportArgs};
use crate::cli::exit::{CliError, Exit};
use crate::cli::{report, setup};
use crate::journal::Placed;

/// So many events are read at a time.
const PAGE: u32 = 500;

/// Prints them.
pub(in crate::cli) async fn export(args: &JournalExportArgs, global: &Global) -> Result<Exit, CliError> {
    let journal = setup::journal(&setup::settings(global)?)?;
    let mut after = args.after.unwrap_or(0);
    loop {
        let page = journal.placed(after, PAGE).await?;
        let Some(last) = page.last() else { return Ok(Exit::Done) };
        after = last.position;
        let wanted = page.iter().filter(|placed| args.since.is_none_or(|since| placed.link.at >= since));
        report::print(&wanted.map(|placed| report::json_line(&line(placed))).collect::<String>())?;
    }
}

/// What was stored, so that the hashes can be worked out again: see ARCHITECTURE.md.
fn line(placed: &Placed) -> Value {
    let link = &placed.link;
    let payload: Option<Value> =
        link.payload.as_deref().map(|text| serde_json::from_str(text).unwrap_or_else(|_| json!(text)));
    json!({
        "position": placed.position,
        "stream": placed.stream.to_string(),
        "n": link.n,
        "at": link.at,
        "name": link.name,
        "version": link.version,
        "actor": link.actor,
        "payload": payload,
        "payload_sha256": link.payload_sha,
        "prev": link.prev,
        "hash": link.hash,
    })
}
