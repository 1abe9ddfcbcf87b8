//! A trigger's query, held against the tables that are known and against the columns that its header names.

use super::{AccountMapping, Finding, Findings, Same, WrittenTrigger, quoted, suggest, text};
use crate::diagnostics::Level;
use crate::kql::{KnownTables, Query, Type, compile_query_at};
use crate::model::trigger::TIMES;

/// Checks the query, and notes which tables it reads and whether what it finds is witnessed. `false` when it cannot be
/// run.
pub(super) fn check(written: &mut WrittenTrigger, known: &KnownTables, findings: &mut Findings) -> bool {
    let read = text::unwitnessed(&written.trigger.query);
    let query = match compile_query_at(&written.trigger.query, &written.place, known) {
        Ok(query) => query,
        Err(found) => {
            written.witness(read.or_else(|| hidden(&found)));
            return judged(found, findings);
        }
    };
    findings.extend(query.warnings().iter().cloned());
    let columns = |table: &str| known.tables.get(table).cloned().unwrap_or_default();
    written.tables = query.tables().into_iter().map(|table| (table.to_owned(), columns(table))).collect();
    let of_alerts = written.tables.keys().find(|table| text::is_of_alerts(table)).cloned();
    written.witness(read.or(of_alerts));
    mapped(written, &query, findings)
}

/// Rows of a function that is not known here, such as one saved in the workspace, may be rows of alerts.
fn hidden(found: &[Finding]) -> Option<String> {
    // A function that gives a value has the same code, and reads nothing.
    let gives_rows = |finding: &&Finding| {
        finding.code() == "kql/unknown-function" && finding.message().starts_with("there is no function")
    };
    found.iter().any(|finding| gives_rows(&finding)).then(|| "a function that is not known here".to_owned())
}

/// The columns that a trigger wants of its rows, with what each is for.
fn columns(accounts: &[AccountMapping], same: &Same) -> Vec<(String, &'static str)> {
    let accounts = accounts.iter().flat_map(|account| &account.identifiers);
    let mut wanted: Vec<_> = accounts.map(|(_, column)| (column.clone(), "names an account")).collect();
    if let Some(column) = &same.by {
        wanted.push((column.clone(), "says which rows are one alert"));
    }
    wanted
}

/// The vendor runs the query, not we: what only we lack is a warning, unless a word is nearly one that is known. What follows
/// from it is no finding: the binder goes on with rows of which it knows nothing.
fn judged(found: Vec<Finding>, findings: &mut Findings) -> bool {
    let lacking = |finding: &Finding| {
        let unknown = matches!(finding.code(), "kql/unknown-function" | "kql/unknown-aggregate");
        (unknown && finding.help_text().is_none()) || finding.code().starts_with("kql/unsupported")
    };
    let usable = found.iter().all(|finding| finding.level() != Level::Error || lacking(finding));
    for finding in found {
        let finding = if finding.level() == Level::Error && lacking(&finding) {
            let help = "riposte sends the query as it stands and cannot check or test it; the service may know this";
            finding.as_warning().help(help)
        } else {
            finding
        };
        findings.add(finding);
    }
    usable
}

/// Whether the columns that name an account can hold the text of a name; a guid is written as one.
fn texts(written: &WrittenTrigger, query: &Query, findings: &mut Findings) -> bool {
    let mut sound = true;
    for (identifier, column) in written.trigger.accounts.iter().flat_map(|account| &account.identifiers) {
        let Some(found) = query.columns().iter().find(|known| *known.name == **column) else { continue };
        if matches!(found.ty, Type::String | Type::Guid | Type::Dynamic) {
            continue;
        }
        let message = format!(
            "the column {} is a {}, and {} of an account is text: no row could name anybody",
            quoted(column),
            found.ty,
            identifier.word()
        );
        let help = "map the column that holds the text, or make one of it with tostring()";
        findings.add(Finding::error("trigger/column-type", message).at_place(written.named(column)).help(help));
        sound = false;
    }
    sound
}

/// Of a table that has more columns than are known here, only a word that is nearly one of them is told.
fn mapped(written: &WrittenTrigger, query: &Query, findings: &mut Findings) -> bool {
    let whole = !query.is_open();
    let known: Vec<&str> = query.columns().iter().map(|column| &*column.name).collect();
    let mut sound = true;
    for (column, what) in columns(&written.trigger.accounts, &written.trigger.same) {
        let nearest = suggest::nearest(&column, known.iter().copied());
        if known.contains(&column.as_str()) || (!whole && nearest.is_none()) {
            continue;
        }
        sound &= !whole;
        let message = format!("the result has no column {}, which {what}", quoted(&column));
        let finding = Finding::error("trigger/unknown-column", message).at_place(written.named(&column));
        let finding = finding.help(format!("it has: {}", known.join(", "))).help_nearest(nearest);
        findings.add(if whole { finding } else { finding.as_warning() });
    }
    sound &= texts(written, query, findings);
    if !whole {
        return sound;
    }
    if sound && written.sound && written.trigger.same.by.is_none() && !TIMES.iter().any(|time| known.contains(time)) {
        let message = "the result does not say when a row happened, so the same row is a new alert ever again";
        let help =
            "keep TimeGenerated or Timestamp in the result, or write \"// same: by COLUMN within 30d\" above the query";
        findings.add(Finding::warning("trigger/no-time", message).at_place(&written.place).help(help));
    }
    sound
}
