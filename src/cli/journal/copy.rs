//! `riposte journal copy`: from a file into the database that the settings name.

use serde_json::{Value, json};

use crate::app;
use crate::cli::args::{Global, JournalCopyArgs};
use crate::cli::exit::{CliError, Exit};
use crate::cli::report::{Report, counted};
use crate::cli::setup;
use crate::journal::copy::{self as journal, Copied, CopyError};
use crate::settings::Settings;

/// Copies the journal.
pub(in crate::cli) async fn copy(args: &JournalCopyArgs, global: &Global) -> Result<Report, CliError> {
    let settings = setup::settings(global)?;
    if args.forget {
        return forget(args, &settings).await;
    }
    let Some(database) = app::database(&settings)? else {
        let why = "the settings name no database to copy into: give its address as [journal] postgres";
        return Err(CliError::Usage(why.to_owned()));
    };
    let place = database.place().to_owned();
    let from = app::file_to_copy(&args.from, settings.tenant.id)?;
    let copied = journal::copy(from, &database, settings.tenant.id).await.map_err(refused)?;
    Ok(report(&copied, &args.from.display().to_string(), &place))
}

async fn forget(args: &JournalCopyArgs, settings: &Settings) -> Result<Report, CliError> {
    let from = app::file_to_copy(&args.from, settings.tenant.id)?;
    let file = args.from.display();
    let place = journal::forget(&from).await.map_err(refused)?;
    let text = place.as_ref().map_or_else(
        || format!("{file} bears no mark of a copy"),
        |place| format!("the mark is off: a riposte may work on {file} again, and must not on {place}"),
    );
    Ok(Report::sentence(text, json!({"forgotten": place})))
}

fn refused(why: CopyError) -> CliError {
    match why {
        CopyError::Fault(fault) => fault.into(),
        CopyError::Differs { .. } => CliError::Fault(why.to_string()),
        CopyError::NotEmpty { .. }
        | CopyError::InUse { .. }
        | CopyError::Already { .. }
        | CopyError::Elsewhere { .. } => CliError::No(why.to_string()),
    }
}

fn report(copied: &Copied, from: &str, place: &str) -> Report {
    let verified = &copied.verified;
    let events = counted(usize::try_from(verified.end.events).unwrap_or(usize::MAX), "event");
    let streams = counted(verified.streams, "stream");
    let mut text = format!(
        "copied: {events} of {streams} are in {place}\nthe root of all of it is that of the file: {}\n{from} is \
         nobody's journal any more, but an older riposte would not know: move it away. `riposte run` with these settings goes \
         on from the copy\n",
        verified.end.root
    );
    if !verified.broken.is_empty() {
        text.push_str("not every chain holds, here as in the file: `riposte journal verify` says which\n");
    }
    let rows: serde_json::Map<String, Value> =
        copied.rows.iter().map(|(name, count)| ((*name).to_owned(), json!(count))).collect();
    let json = json!({"copied": rows, "root": verified.end.root, "holds": verified.holds(), "database": place});
    Report { exit: Exit::Done, ..Report::new(text, json) }
}
