//! `riposte kql check` and `riposte kql run`: queries without a workspace.

use std::borrow::Cow;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use serde_json::json;

use super::args::{Format, Global, KqlCheckArgs, KqlRunArgs, NamedFile};
use super::exit::{CliError, Exit};
use super::given::{self, shown};
use super::json_lines::JsonLines;
use super::report::{Report, Terminal, cell, counted, findings_text, rendered};
use super::setup;
use crate::connect::log_analytics::alerts::sample;
use crate::diagnostics::{Finding, Findings, Level, Source, Span};
use crate::kql::{
    Catalog, Cx, DynamicCells, Known, KnownTables, KqlError, Lacking, RowFormat, RowStream, Schema, Table, Tables, Val,
    compile_query, compile_query_at, log_analytics_tables, read_rows,
};
use crate::model::time::At;
use crate::playbook::{WrittenTrigger, read_file};

/// Larger files are not read.
const LARGEST: u64 = 1 << 30;

/// What is shorter is read as easily in a column of this width.
const NARROWEST_COLUMN: usize = 8;

/// All findings of some queries and triggers.
///
/// # Errors
/// When the settings, or a file of tables, cannot be used.
pub(super) fn check(args: &KqlCheckArgs, global: &Global, terminal: Terminal) -> Result<Report, CliError> {
    let (tables, mut findings) = known(global, &args.tables)?;
    let catalog = KnownTables { strict: args.strict, ..tables };
    let mut exit = Exit::Done;
    for path in &args.files {
        match source_of(path) {
            Ok(source) => findings.extend(findings_of(&source, &catalog)),
            Err((finding, how)) => {
                findings.push(finding);
                exit = exit.max(how);
            }
        }
    }
    let of = |level: Level| findings.iter().filter(|finding| finding.level() == level).count();
    let wrong = of(Level::Error);
    let more = if findings.iter().any(|finding| finding.code() == "kql/more") { " and more" } else { "" };
    let summary = match (wrong, of(Level::Warning)) {
        (0, 0) => "nothing to complain about".to_owned(),
        (wrong, doubts) => format!("{}{more}, {}", counted(wrong, "error"), counted(doubts, "warning")),
    };
    let queries = if args.files.len() == 1 { "1 query".to_owned() } else { format!("{} queries", args.files.len()) };
    let summary = format!("{queries}: {summary}");
    let text = format!("{}{summary}\n", findings_text(&findings, terminal));
    let mut report = Report::new(text, json!(findings));
    report.exit = if wrong > 0 { exit.max(Exit::No) } else { exit };
    Ok(report)
}

/// A query; what keeps it from being read is a finding beside those of the other files, and says how the command ends:
/// what is not there is a mistake of the command line, what is no text one of the file.
fn source_of(path: &Path) -> Result<Source, (Finding, Exit)> {
    let name = if path.as_os_str() == "-" { "stdin".to_owned() } else { shown(path) };
    let bytes = match given::bytes(path, LARGEST) {
        Ok(bytes) => bytes,
        Err(error) => {
            let finding = Finding::error("kql/unreadable", error.to_string());
            return Err((finding.help("check the path and who may read it"), error.exit()));
        }
    };
    if is_compressed(&bytes) {
        let finding = Finding::error("kql/encoding", format!("{name} is compressed"));
        return Err((finding.help("unpack it first"), Exit::No));
    }
    String::from_utf8(bytes).map(|text| Source::new(name.as_str(), text)).map_err(|broken| {
        let at = broken.utf8_error().valid_up_to();
        let source = Source::new(name.as_str(), String::from_utf8_lossy(broken.as_bytes()));
        let span = Span::new(at, at + '\u{fffd}'.len_utf8());
        let finding = Finding::error("kql/encoding", "this is not UTF-8 text").at(&source, span);
        (finding.help("save the file as UTF-8"), Exit::No)
    })
}

/// The tables that are known, with those of the settings and of further files, and what is doubtful about these. What is
/// wrong with them is told at once.
fn known(global: &Global, files: &[PathBuf]) -> Result<(KnownTables, Vec<Finding>), CliError> {
    let (mut known, mut findings) = (KnownTables::default(), Findings::default());
    for path in setup::tables(global)?.iter().chain(files) {
        if let Some(source) = read_file(path, &mut findings) {
            findings.extend(known.add(&source));
        }
    }
    let wrong = findings.has_errors();
    let findings = findings.sorted();
    if wrong { Err(CliError::Findings(findings)) } else { Ok((known, findings)) }
}

/// What is wrong with one query, or with a trigger and its query. The poll query is checked with sample literals where riposte fills in its own.
fn findings_of(source: &Source, catalog: &KnownTables) -> Vec<Finding> {
    if let Some(found) = WrittenTrigger::check(source, catalog) {
        return found;
    }
    let sampled = match sample(source.text()) {
        Ok(sampled) => sampled.map(|text| Source::new(source.name(), text)),
        Err(error) => {
            let finding = Finding::error("kql/poll-query", error.to_string()).at(source, Span::new(0, 0));
            return vec![finding.help("put it where its literal belongs, as kql/security-alerts.kql does")];
        }
    };
    match compile_query(sampled.as_ref().unwrap_or(source), catalog) {
        Ok(query) => query.warnings().to_vec(),
        Err(found) => found,
    }
}

/// The result of a query over tables from files.
///
/// # Errors
/// When a file cannot be read, or the query is wrong.
pub(super) fn run(args: &KqlRunArgs, global: &Global, terminal: Terminal, now: At) -> Result<Report, CliError> {
    let query = match &args.file {
        Some(path) => Source::new(shown(path), text_of(path)?),
        None => Source::new("stdin", text_of(Path::new("-"))?),
    };
    let (known, doubts) = known(global, &[])?;
    let files = Files::read(args, &known)?;
    let compiled = match rule_of(&query)? {
        Some(rule) => compile_query_at(&rule.trigger.query, &rule.place, &files),
        None => compile_query(&query, &files),
    };
    let compiled = compiled.map_err(CliError::Findings)?;
    let cx = Cx::at(args.now.unwrap_or(now).ticks());
    let table = compiled.run(&files, &cx).map_err(|error| {
        // As where a file is read whole.
        let given = matches!(error, KqlError::Unreadable(_));
        if given { CliError::Usage(error.to_string()) } else { CliError::No(error.to_string()) }
    })?;
    let json = log_analytics_tables(&table, DynamicCells::Text);
    let drawn_as_table = global.format == Format::Text && (terminal.watched || global.format_is_said);
    let text = if drawn_as_table { drawn(&table, terminal) } else { format!("{json:#}\n") };
    let mut report = Report::new(text, json);
    report.notes.extend(doubts.iter().chain(compiled.warnings()).map(Finding::one_line));
    Ok(report)
}

/// The analytics rule in a file of YAML, whose query is run as any other.
fn rule_of(source: &Source) -> Result<Option<WrittenTrigger>, CliError> {
    let ending = Path::new(source.name()).extension().and_then(|ending| ending.to_str()).unwrap_or_default();
    if !["yaml", "yml"].iter().any(|yaml| yaml.eq_ignore_ascii_case(ending)) {
        return Ok(None);
    }
    let mut findings = Findings::default();
    let rule = WrittenTrigger::read(source, &mut findings);
    rule.map(Some).ok_or_else(|| CliError::Findings(findings.sorted()))
}

/// Tables from files. Those of JSON lines are read row by row while the query runs.
struct Files {
    tables: BTreeMap<String, Table>,
    streams: BTreeMap<String, JsonLines>,
    external: Vec<NamedFile>,
    watchlists: BTreeMap<String, Table>,
}

impl Files {
    fn read(args: &KqlRunArgs, known: &KnownTables) -> Result<Self, CliError> {
        let (mut tables, mut streams) = (BTreeMap::new(), BTreeMap::new());
        for file in &args.tables {
            if tables.contains_key(&file.name) || streams.contains_key(&file.name) {
                return Err(CliError::Usage(format!("the table {} is named twice", shown(Path::new(&file.name)))));
            }
            let known = known.tables.get(&file.name);
            match format_of(&file.path) {
                // What is no regular file can be read once only.
                RowFormat::JsonLines if file.path.is_file() => {
                    streams.insert(file.name.clone(), JsonLines::open(&file.path, Known::of(known))?);
                }
                RowFormat::JsonLines | RowFormat::Json | RowFormat::Csv => {
                    tables.insert(file.name.clone(), table(&file.path, Known::of(known))?);
                }
            }
        }
        let mut watchlists = BTreeMap::new();
        for file in &args.watchlists {
            watchlists.insert(file.name.clone(), table(&file.path, Known::Texts)?);
        }
        Ok(Self { tables, streams, external: args.external.clone(), watchlists })
    }
}

impl Catalog for Files {
    fn schema(&self, table: &str) -> Option<Schema> {
        let streamed = self.streams.get(table).map(|stream| stream.columns().to_vec().into());
        streamed.or_else(|| self.tables.get(table).map(Table::schema))
    }

    fn names(&self) -> Vec<String> {
        self.tables.keys().chain(self.streams.keys()).cloned().collect()
    }

    fn remedy(&self, lacking: Lacking<'_>) -> Option<String> {
        (lacking == Lacking::Table).then(|| "name its rows with --table NAME=FILE".to_owned())
    }

    fn external(&self, address: &str) -> Result<String, String> {
        let named = self.external.iter().find(|file| file.name == address);
        let Some(file) = named else {
            return Err("name a local copy with --external ADDRESS=FILE; nothing is fetched".to_owned());
        };
        text_of(&file.path).map_err(|error| error.to_string())
    }

    fn watchlist(&self, alias: &str) -> Result<Option<Table>, String> {
        let table = self.watchlists.get(alias).cloned();
        table.map(Some).ok_or_else(|| "name a local copy with --watchlist ALIAS=FILE".to_owned())
    }
}

impl Tables for Files {
    fn table(&self, name: &str) -> Option<Cow<'_, Table>> {
        self.tables.get(name).map(Cow::Borrowed)
    }

    fn stream(&self, name: &str) -> Option<&dyn RowStream> {
        self.streams.get(name).map(|stream| stream as &dyn RowStream)
    }
}

fn table(path: &Path, known: Known<'_>) -> Result<Table, CliError> {
    let text = text_of(path)?;
    read_rows(&text, format_of(path), known).map_err(|why| CliError::Usage(format!("{}: {why}", shown(path))))
}

fn format_of(path: &Path) -> RowFormat {
    match path.extension().and_then(|ending| ending.to_str()).map(str::to_ascii_lowercase).as_deref() {
        Some("csv") => RowFormat::Csv,
        Some("jsonl" | "ndjson") => RowFormat::JsonLines,
        _ => RowFormat::Json,
    }
}

/// A file of bounded size; `-` is stdin.
fn text_of(path: &Path) -> Result<String, CliError> {
    let bytes = given::bytes(path, LARGEST)?;
    if is_compressed(&bytes) {
        return Err(CliError::Usage(format!("{} is compressed; unpack it first", shown(path))));
    }
    String::from_utf8(bytes).map_err(|_| CliError::Usage(format!("{} is no UTF-8 text; convert it", shown(path))))
}

fn is_compressed(bytes: &[u8]) -> bool {
    bytes.starts_with(b"\x1f\x8b")
}

/// Rows beside one another where the heads have room, or each under the other.
fn drawn(table: &Table, terminal: Terminal) -> String {
    let heads: usize = table.columns.iter().map(|column| column.name.chars().count().max(NARROWEST_COLUMN) + 2).sum();
    let fits = heads <= usize::from(terminal.width);
    let text = if fits { beside(table, terminal) } else { under(table, terminal) };
    format!("{text}{}\n", counted(table.rows.len(), "row"))
}

/// Row by row, a line for each column that has a value, and one with the names of those that are empty.
fn under(table: &Table, terminal: Terminal) -> String {
    let mut text = String::new();
    for (at, row) in table.rows.iter().enumerate() {
        let mut drawn = terminal.table(&["row", &(at + 1).to_string()]);
        let mut empty = Vec::new();
        for (column, value) in table.columns.iter().zip(row) {
            let value = printed(value);
            if value.is_empty() {
                empty.push(&*column.name);
            } else {
                drawn.add_row([cell(&column.name), cell(&value)]);
            }
        }
        if !empty.is_empty() {
            drawn.add_row([cell("(empty)"), cell(&empty.join(", "))]);
        }
        text.push_str(&rendered(&drawn));
        text.push('\n');
    }
    text
}

fn beside(table: &Table, terminal: Terminal) -> String {
    let columns: Vec<usize> = (0..table.columns.len()).collect();
    let heads: Vec<&str> = columns.iter().filter_map(|at| table.columns.get(*at)).map(|column| &*column.name).collect();
    let mut drawn = terminal.table(&heads);
    for row in &table.rows {
        drawn.add_row(row.iter().map(|value| cell(&printed(value))));
    }
    rendered(&drawn)
}

fn printed(value: &Val<'_>) -> String {
    let json = value.to_json();
    if json.is_null() { String::new() } else { json.as_str().map_or_else(|| json.to_string(), ToOwned::to_owned) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::kql::{Column, Type};

    fn file(folder: &Path, name: &str, text: &str) -> PathBuf {
        let path = folder.join(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    fn checked(text: &str, strict: bool) -> Report {
        let folder = tempfile::tempdir().unwrap();
        let files = vec![file(folder.path(), "q.kql", text)];
        check(&KqlCheckArgs { files, strict, tables: Vec::new() }, &Global::default(), Terminal::paper(100)).unwrap()
    }

    #[test]
    fn a_wrong_column_of_a_known_table_is_an_error_and_an_unknown_table_a_warning() {
        let wrong = checked("SecurityAlert | where AlertSeverty == 'High'", false);
        assert_eq!(wrong.exit, Exit::No);
        assert!(wrong.text.contains("q.kql:1:23: error[kql/unknown-column]"), "{}", wrong.text);
        assert!(wrong.text.contains("did you mean AlertSeverity?"), "{}", wrong.text);
        let unknown = checked("My_CL | where What == 1 | summarize count() by Who", false);
        assert_eq!(unknown.exit, Exit::Done);
        assert!(unknown.text.contains("warning[kql/unknown-table]"), "{}", unknown.text);
        assert_eq!(checked("My_CL | count", true).exit, Exit::No);
        assert_eq!(
            checked("SigninLogs | where Location == 'DE' | count", false).text,
            "1 query: nothing to complain about\n"
        );
    }

    #[test]
    fn every_shipped_query_is_clean_the_poll_query_too() {
        let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("kql");
        let files = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
        let files: Vec<PathBuf> = files.filter(|path| path.extension().is_some_and(|end| end == "kql")).collect();
        assert!(files.iter().any(|path| path.ends_with("security-alerts.kql")), "{files:?}");
        let report =
            check(&KqlCheckArgs { files, strict: true, tables: Vec::new() }, &Global::default(), Terminal::paper(100))
                .unwrap();
        assert!(report.text.ends_with("queries: nothing to complain about\n"), "{}", report.text);
        let poll = include_str!("../../kql/security-alerts.kql");
        let lacking = checked(&poll.replace("{cap}", "5"), false);
        assert!(lacking.text.contains("error[kql/poll-query]: the poll query has no {cap}"), "{}", lacking.text);
        let wrong = checked(&poll.replace("IngestionTime asc", "IngestionTim asc"), false);
        assert!(wrong.text.contains("did you mean IngestionTime?"), "{}", wrong.text);
    }

    #[test]
    fn tables_of_ones_own_are_known_too() {
        let folder = tempfile::tempdir().unwrap();
        let args = KqlCheckArgs {
            files: vec![file(folder.path(), "q.kql", "My_CL | where N > 1 and M == 2")],
            strict: true,
            tables: vec![file(folder.path(), "t.tsv", "My_CL\tN:long S:string\n")],
        };
        let report = check(&args, &Global::default(), Terminal::paper(100)).unwrap();
        assert!(report.text.contains("there is no column \"M\""), "{}", report.text);
    }

    #[test]
    fn tables_of_the_settings_count_too_and_everything_wrong_with_files_of_tables_is_told_at_once() {
        let folder = tempfile::tempdir().unwrap();
        let query = file(folder.path(), "q.kql", "My_CL | where N > 1 and O == 'x' and M == 2");
        let more = file(folder.path(), "more.tsv", "My_CL +O:string\n");
        file(folder.path(), "mine.tsv", "My_CL\tN:long S:string\n");
        let mut global = Global::default();
        let settings = |rest: &str| {
            let text = format!(
                "[tenant]\nid = \"11111111-1111-1111-1111-111111111111\"\n{rest}[rules]\ntables = \"mine.tsv\"\n"
            );
            Some(file(folder.path(), "riposte.toml", &text))
        };
        let told = |global: &Global, tables: Vec<PathBuf>| {
            let args = KqlCheckArgs { files: vec![query.clone()], strict: true, tables };
            match check(&args, global, Terminal::paper(100)) {
                Ok(report) => report.text,
                Err(CliError::Findings(found)) => found.iter().map(|one| one.one_line() + "\n").collect(),
                Err(other) => other.to_string(),
            }
        };
        global.config = settings("[identity]\nkind = \"managed-identity\"\n");
        let text = told(&global, vec![more.clone()]);
        assert!(text.contains("there is no column \"M\"") && text.contains("1 error, 0 warnings"), "{text}");
        assert!(told(&global, Vec::new()).contains("2 errors"));
        // Mistakes elsewhere in the settings take no tables away.
        global.config = settings("[identity]\nkind = 5\n");
        assert!(told(&global, vec![more.clone()]).contains("1 error"));
        std::fs::write(folder.path().join("latin.tsv"), b"# \xe9\nOther_CL\tN:long\n").unwrap();
        let wrong = ["nowhere.tsv", ".", "latin.tsv"].map(|name| folder.path().join(name));
        let bad = file(folder.path(), "bad.tsv", "My_CL N:lang\n");
        let text = told(&global, wrong.into_iter().chain([bad]).collect());
        assert_eq!(text.lines().count(), 4, "{text}");
        for part in [
            "nowhere.tsv cannot be read",
            "cannot be read: it is no file",
            "latin.tsv:1:3: error[rule/encoding]",
            "bad.tsv:1:7: error[tables/unknown-type]",
        ] {
            assert!(text.contains(part), "{part}: {text}");
        }
        std::fs::remove_file(folder.path().join("mine.tsv")).unwrap();
        let text = told(&global, Vec::new());
        assert!(text.contains("settings/missing-path") && text.contains("mine.tsv"), "{text}");
        // A query runs with the types of these tables.
        file(folder.path(), "mine.tsv", "My_CL\tN:string\n");
        let rows = NamedFile { name: "My_CL".to_owned(), path: file(folder.path(), "r.json", "[{\"N\": 1}]") };
        let query = Some(file(folder.path(), "r.kql", "My_CL | getschema | project ColumnType"));
        let args = KqlRunArgs { file: query, tables: vec![rows], ..KqlRunArgs::default() };
        let report = run(&args, &global, Terminal::paper(100), At::from_ticks(0)).unwrap();
        assert_eq!(report.json["tables"][0]["rows"], json!([["string"]]));
    }

    #[test]
    fn a_file_of_tables_is_read_as_check_reads_it_and_what_is_doubtful_in_it_stops_nothing() {
        let folder = tempfile::tempdir().unwrap();
        let query = file(folder.path(), "q.kql", "SigninLogs | where Mine == 'x'");
        let told = |text: &str| {
            let tables = vec![file(folder.path(), "t.tsv", text)];
            let args = KqlCheckArgs { files: vec![query.clone()], strict: true, tables };
            match check(&args, &Global::default(), Terminal::paper(100)) {
                Ok(report) => (report.exit == Exit::Done, report.text),
                Err(CliError::Findings(found)) => (false, found.iter().map(|one| one.one_line() + "\n").collect()),
                Err(other) => (false, other.to_string()),
            }
        };
        let (fine, text) = told("SigninLogs Mine:string\n");
        assert!(fine && text.contains("warning[tables/replaces]") && text.contains("0 errors, 1 warning"), "{text}");
        let (fine, text) = told(&format!("SigninLogs +Mine:string\n{}", "# x\n".repeat(70_000)));
        assert!(!fine && text.contains("t.tsv is larger than 256 KiB"), "{text}");
    }

    #[test]
    fn a_query_runs_over_files_at_the_moment_that_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let named = |name: &str, path: PathBuf| NamedFile { name: name.to_owned(), path };
        let alerts = "{\"SystemAlertId\": \"a\", \"TimeGenerated\": \"2026-03-01T09:30:00Z\", \"Entities\": \"[{\\\"Name\\\": \\\"bo\\\"}]\"}\n\
            {\"SystemAlertId\": \"b\", \"TimeGenerated\": \"2026-03-01T01:00:00Z\", \"Entities\": \"[]\"}\n";
        let query = "SecurityAlert | where TimeGenerated > ago(1h) | mv-expand e = parse_json(Entities)\n\
            | extend Name = tostring(e.Name) | join kind=leftouter People on Name\n\
            | join kind=leftsemi (externaldata(Id: string, Name: string)['https://example.com/x.csv', 'y'] with (ignoreFirstRecord=true)) on Name\n\
            | where Name in ((_GetWatchlist('vip') | where Code == '007' | project SearchKey)) | project SystemAlertId, Name, Age, e";
        let args = KqlRunArgs {
            file: Some(file(folder.path(), "q.kql", query)),
            tables: vec![
                named("SecurityAlert", file(folder.path(), "a.jsonl", alerts)),
                named("People", file(folder.path(), "p.csv", "Name,Age\nbo,42\n")),
            ],
            external: vec![
                named("https://example.com/x.csv", file(folder.path(), "x.csv", "Key,Who\n1,bo\n")),
                named("y", file(folder.path(), "y", "Key,Who\n2,al\n")),
            ],
            watchlists: vec![named("vip", file(folder.path(), "w.csv", "SearchKey,Code\nbo,007\n"))],
            now: Some("2026-03-01T10:00:00Z".parse().unwrap()),
        };
        let report = run(&args, &Global::default(), Terminal::paper(100), At::from_ticks(0)).unwrap();
        assert_eq!(report.json["tables"][0]["rows"], json!([["a", "bo", 42, "{\"Name\":\"bo\"}"]]), "{}", report.text);
        assert!(serde_json::from_str::<serde_json::Value>(&report.text).is_ok(), "no table without a terminal");
        let table =
            run(&args, &Global::default(), Terminal { watched: true, ..Terminal::paper(100) }, At::from_ticks(0))
                .unwrap();
        assert!(table.text.contains("SystemAlertId") && table.text.ends_with("1 row\n"), "{}", table.text);
    }

    #[test]
    fn more_columns_than_the_terminal_has_room_for_stand_one_under_the_other() {
        let columns = |count: usize| (0..count).map(|at| Column::new(format!("Column{at}"), Type::Long)).collect();
        let table = |count: usize| Table::new(columns(count), [vec![Val::Long(7), Val::Null]]);
        let terminal = Terminal::paper(60);
        assert_eq!(drawn(&table(2), terminal), "Column0  Column1\n7\n1 row\n");
        let empty = "Column1, Column2, Column3, Column4, Column5,\n         Column6, Column7, Column8, Column9, Column10,\n         Column11";
        assert_eq!(drawn(&table(12), terminal), format!("row      1\nColumn0  7\n(empty)  {empty}\n\n1 row\n"));
    }

    #[test]
    fn nothing_is_fetched() {
        let folder = tempfile::tempdir().unwrap();
        let args = KqlRunArgs {
            file: Some(file(folder.path(), "q.kql", "externaldata(a: string)['https://example.com/x.csv']")),
            ..KqlRunArgs::default()
        };
        let Err(CliError::Findings(found)) = run(&args, &Global::default(), Terminal::paper(80), At::from_ticks(0))
        else {
            panic!("a finding is wanted");
        };
        assert!(found[0].message().contains("--external"), "{found:?}");
    }

    #[test]
    fn a_file_that_cannot_be_read_is_one_finding_among_those_of_all_the_others() {
        let folder = tempfile::tempdir().unwrap();
        let good = file(folder.path(), "a2.kql", "SigninLogs | where Nowhere == 'x'");
        let last = file(folder.path(), "a1.kql", "SigninLogs | where Neither == 'x'");
        let latin = folder.path().join("d9.kql");
        std::fs::write(&latin, b"SigninLogs // caf\xe9\n").unwrap();
        let of = |files: &[&PathBuf]| {
            let files = files.iter().map(|path| (*path).clone()).collect();
            let args = KqlCheckArgs { files, strict: false, tables: Vec::new() };
            check(&args, &Global::default(), Terminal::paper(100)).unwrap()
        };
        let report = of(&[&good, &latin, &last]);
        for part in
            ["\"Nowhere\"", "d9.kql:1:18: error[kql/encoding]: this is not UTF-8 text", "\"Neither\"", "3 errors"]
        {
            assert!(report.text.contains(part), "{part}: {}", report.text);
        }
        assert_eq!(report.exit, Exit::No);
        let missing = folder.path().join("nowhere.kql");
        let report = of(&[&missing, &good]);
        assert!(
            report.text.contains("error[kql/unreadable]") && report.text.contains("\"Nowhere\""),
            "{}",
            report.text
        );
        assert_eq!(report.exit, Exit::Usage, "the command line names what is not there");
    }

    #[test]
    fn an_analytics_rule_and_a_query_with_a_header_are_checked_as_triggers() {
        let told = |name: &str, text: &str| {
            let folder = tempfile::tempdir().unwrap();
            let files = vec![file(folder.path(), name, text)];
            check(&KqlCheckArgs { files, strict: false, tables: Vec::new() }, &Global::default(), Terminal::paper(100))
                .unwrap()
                .text
        };
        let rule = "name: x\nqueryFrequency: 5m\nqueryPeriod: 1h\nquery: |\n  // role: target\n  IdentityDirectoryEvents\n  \
            | where Protocoll == 1\nentityMappings:\n  - entityType: Account\n    fieldMappings: [{identifier: FullName, \
            columnName: AccountUpn}]\n";
        let text = told("rule.yaml", rule);
        assert!(text.contains("rule.yaml:7:11: error[kql/unknown-column]") && text.contains("1 error"), "{text}");
        let other = told("other.yaml", "playbook: x\nsteps: []\n");
        assert!(other.contains("other.yaml:1:1: error[trigger/no-rule]"), "{other}");
        let header =
            "// every: 10x\n// account: Upn=UserPrincipalName\n// role: target\nSigninLogs | where Nowhere == 1\n";
        let text = told("own.kql", header);
        assert!(text.contains("own.kql:1:11: error[trigger/wrong-type]"), "{text}");
        assert!(text.contains("\"Nowhere\""), "the query is checked beside it: {text}");
        let plain = told("plain.kql", "// Severity: High\n// title: x\nSigninLogs | count\n");
        assert_eq!(plain, "1 query: nothing to complain about\n", "a comment is no header");
    }

    #[test]
    fn the_query_of_an_analytics_rule_is_run_and_its_mistakes_are_found_in_its_file() {
        let folder = tempfile::tempdir().unwrap();
        let told = |query: &str| {
            let rule = format!(
                "id: x\nname: Rule\nseverity: High\nqueryFrequency: 5m\nqueryPeriod: 5m\ntactics: []\nquery: |\n  {query}\n\
                 entityMappings:\n  - entityType: Account\n    fieldMappings:\n      - identifier: FullName\n        columnName: a\n"
            );
            let args = KqlRunArgs { file: Some(file(folder.path(), "rule.yaml", &rule)), ..KqlRunArgs::default() };
            run(&args, &Global::default(), Terminal::paper(80), At::from_ticks(0))
        };
        let report = told("print a = 'x@y.z'").unwrap();
        assert_eq!(report.json["tables"][0]["rows"], json!([["x@y.z"]]));
        let Err(CliError::Findings(found)) = told("print a = nope(1)") else { panic!("a mistake is none") };
        assert!(found[0].one_line().contains("rule.yaml:8:13: error[kql/unknown-function]"), "{found:?}");
    }

    #[test]
    fn who_asks_for_text_gets_a_table_also_where_nobody_looks() {
        let folder = tempfile::tempdir().unwrap();
        let args = KqlRunArgs { file: Some(file(folder.path(), "q.kql", "print a = 1")), ..KqlRunArgs::default() };
        let text = |words: &[&str]| {
            let words = ["riposte", "kql", "run"].iter().chain(words).map(std::ffi::OsString::from);
            let line = crate::cli::parse(words).unwrap();
            run(&args, &line.global, Terminal::paper(80), At::from_ticks(0)).unwrap().text
        };
        assert!(text(&[]).starts_with('{'), "{}", text(&[]));
        assert_eq!(text(&["--format", "text"]), "a\n1\n1 row\n");
    }
}
