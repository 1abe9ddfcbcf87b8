//! `riposte journal backup`: the journal as it stands, in a new file.

use serde_json::json;

use crate::app;
use crate::cli::args::{Global, JournalBackupArgs};
use crate::cli::exit::{CliError, Exit};
use crate::cli::report::{Report, counted};
use crate::cli::setup;
use crate::journal::verify::{self, Verified};

/// Backs the journal up, and verifies what it has written.
pub(in crate::cli) async fn backup(args: &JournalBackupArgs, global: &Global) -> Result<Report, CliError> {
    let settings = setup::settings(global)?;
    if settings.journal.postgres.is_some() {
        let why = "the journal is in a PostgreSQL database: back that up with its own tools (pg_dump, snapshots)";
        return Err(CliError::Usage(why.to_owned()));
    }
    setup::there(&settings.journal.sqlite)?;
    let copy = app::back_up(&settings, &args.to)?;
    let found = verify::verify(copy.as_ref(), settings.tenant.id, &[]).await?;
    Ok(report(&found, &args.to.display().to_string()))
}

fn report(found: &Verified, to: &str) -> Report {
    let events = counted(usize::try_from(found.end.events).unwrap_or(usize::MAX), "event");
    let streams = counted(found.streams, "stream");
    let mut text = format!("backed up: {events} in {streams} are in {to}\nthe root of all of it: {}\n", found.end.root);
    if !found.holds() {
        text.push_str("not every chain or seal holds, here as in the journal: `riposte journal verify` says which\n");
    }
    text.push_str(
        "to go back to it: stop riposte, put it in the journal's place without the old file's -wal, and start riposte; where \
         the old file's .written is still there, it refuses to go on from what is older until you say so\n",
    );
    let json = json!({"file": to, "events": found.end.events, "root": found.end.root, "holds": found.holds()});
    let exit = if found.holds() { Exit::Done } else { Exit::No };
    Report { exit, ..Report::new(text, json) }
}
