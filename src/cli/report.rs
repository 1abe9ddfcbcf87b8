//! What a command gives back, and the only place that writes to the terminal.

use std::io::{IsTerminal as _, Write as _};

use comfy_table::{Attribute, Cell, Color, ContentArrangement, Row, Table, presets};
use serde_json::{Value, json};

use super::args::Format;
use super::exit::{CliError, Exit};
use crate::diagnostics::{Finding, clipped};
use crate::model::text::clip;
use crate::model::time::At;

/// The width of tables where nobody says how wide the paper is.
const PAPER: u16 = 100;
/// Narrower text cannot be read.
const NARROWEST: u16 = 40;
/// The paper on which every table of ours fits.
const WIDE: u16 = 80;
/// On narrower paper a table has columns only where each gets as much as this; else each row is a block of lines.
const COLUMN: u16 = 18;
/// The longest text of one message.
const LONGEST_MESSAGE: usize = 4_000;

/// What a command found out or did, as text and as JSON.
#[derive(Debug, Clone)]
pub struct Report {
    /// For people, with a line end.
    pub text: String,
    /// The same for programs.
    pub json: Value,
    /// What is no result, one line each: goes to stderr.
    pub notes: Vec<String>,
    /// How the process ends.
    pub exit: Exit,
}

/// What the terminal can do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terminal {
    /// Shows colours, and somebody wants them.
    pub colour: bool,
    /// Somebody looks at it.
    pub watched: bool,
    /// Characters in a line.
    pub width: u16,
}

impl Report {
    /// A report that ends well.
    #[must_use]
    pub const fn new(text: String, json: Value) -> Self {
        Self { text, json, notes: Vec::new(), exit: Exit::Done }
    }

    /// One sentence with what it says.
    #[must_use]
    pub fn sentence(text: impl AsRef<str>, json: Value) -> Self {
        Self::new(format!("{}\n", clipped(text.as_ref(), LONGEST_MESSAGE)), json)
    }

    /// With a note.
    #[must_use]
    pub fn note(mut self, note: impl Into<String>) -> Self {
        self.notes.push(note.into());
        self
    }

    /// Writes it.
    ///
    /// # Errors
    /// When nobody reads any longer.
    pub fn print(&self, format: Format) -> Result<Exit, CliError> {
        self.notes.iter().for_each(|note| say(note));
        match format {
            Format::Text => print(&self.text)?,
            Format::Json => print(&json_text(&self.json))?,
        }
        Ok(self.exit)
    }
}

impl Terminal {
    /// The terminal behind stdout. Colours only there, and not when `NO_COLOR` says no (no-color.org). Where there is
    /// none, `COLUMNS` says the width.
    #[must_use]
    pub fn detect() -> Self {
        let watched = std::io::stdout().is_terminal();
        let refused = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
        let said = || std::env::var_os("COLUMNS")?.to_str()?.trim().parse().ok();
        let width = Table::new().width().filter(|_| watched).or_else(said).unwrap_or(PAPER).max(NARROWEST);
        Self { colour: watched && !refused, watched, width }
    }

    /// No terminal at all: a pipe, a file, a test.
    #[must_use]
    pub const fn paper(width: u16) -> Self {
        Self { colour: false, watched: false, width }
    }

    /// An empty table with these heads, or with none.
    #[must_use]
    pub fn table(self, heads: &[&str]) -> Table {
        let mut table = Table::new();
        table.load_style(presets::NOTHING).set_content_arrangement(ContentArrangement::Dynamic);
        table.force_no_tty().set_width(self.width);
        if self.colour {
            table.enforce_styling();
        }
        if heads.is_empty() {
            return table;
        }
        table.set_header(heads.iter().map(|head| Cell::new(head).add_attribute(Attribute::Bold)));
        for column in table.column_iter_mut() {
            column.set_padding((0, 2));
        }
        table
    }
}

/// A cell with text from outside, which may be hostile.
#[must_use]
pub fn cell(text: &str) -> Cell {
    Cell::new(clip(text, 400))
}

/// A cell with two texts, one under the other.
#[must_use]
pub fn two_lines(first: &str, second: &str) -> Cell {
    Cell::new(format!("{}\n{}", clip(first, 200), clip(second, 200)))
}

/// A cell with the word for how an action stands, and why.
#[must_use]
pub fn outcome_cell(word: &str, why: &str) -> Cell {
    let cell = two_lines(word, why);
    match word {
        "effective" | "already-effective" | "reverted" => cell.fg(Color::Green),
        "contradicted" | "unverified" | "failed" => cell.fg(Color::Red),
        "waiting" | "parked" => cell.fg(Color::Yellow),
        "running" | "verifying" => cell.fg(Color::Cyan),
        _ => cell,
    }
}

/// A table as text, without blanks at the ends of lines. Where there is no room for its columns, each row is a block.
#[must_use]
pub fn rendered(table: &Table) -> String {
    let heads: Vec<String> = table.header().into_iter().flat_map(Row::cell_iter).map(Cell::content).collect();
    let width = table.width().unwrap_or(PAPER);
    if width < WIDE && usize::from(width) < heads.len() * usize::from(COLUMN) {
        return table.row_iter().map(|row| block(&heads, row, width)).collect();
    }
    table.trim_fmt() + "\n"
}

/// A row as lines: the first cell as it is, the others with the heads of their columns.
fn block(heads: &[String], row: &Row, width: u16) -> String {
    let mut text = String::new();
    for (head, cell) in heads.iter().zip(row.cell_iter()) {
        let content = cell.content();
        let lines: Vec<&str> = content.lines().filter(|line| !line.trim().is_empty()).collect();
        if !lines.is_empty() {
            let words = lines.join(", ");
            let (words, indent) = if text.is_empty() { (words, "") } else { (format!("{head}: {words}"), "  ") };
            text.push_str(&wrapped(&words, indent, Terminal::paper(width)));
        }
    }
    text
}

/// A moment where there is little room: `2026-03-01 02:03`, in UTC.
#[must_use]
pub fn to_the_minute(at: At) -> String {
    at.to_the_second().to_string().chars().take(16).map(|c| if c == 'T' { ' ' } else { c }).collect()
}

/// A text on lines no longer than the terminal's, each after `indent`, cut between words; made safe.
#[must_use]
pub fn wrapped(text: &str, indent: &str, terminal: Terminal) -> String {
    let room = usize::from(terminal.width).saturating_sub(indent.len()).max(20);
    let (mut out, mut used) = (String::new(), 0);
    for word in clip(text, 1_000).split_whitespace() {
        let length = word.chars().count();
        if used > 0 && used + 1 + length > room {
            out.push('\n');
            used = 0;
        }
        if used == 0 {
            out.push_str(indent);
        } else {
            out.push(' ');
        }
        out.push_str(word);
        used += length + usize::from(used > 0);
    }
    out.push('\n');
    out
}

/// A number of things: `1 rule`, `2 rules`.
#[must_use]
pub fn counted(count: usize, what: &str) -> String {
    format!("{count} {what}{}", if count == 1 { "" } else { "s" })
}

/// Words in a row: `a`, `a and b`, `a, b and c`.
#[must_use]
pub fn listed(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [one] => one.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

/// All findings in the order given, each with the lines it is about, a blank line between two.
#[must_use]
pub fn findings_text(findings: &[Finding], terminal: Terminal) -> String {
    findings.iter().map(|finding| finding.render(terminal.colour) + "\n").collect()
}

/// JSON on one line, with its end.
#[must_use]
pub fn json_line(value: &Value) -> String {
    obeyed_by_nobody(&value.to_string())
}

/// JSON for a result.
fn json_text(value: &Value) -> String {
    obeyed_by_nobody(&format!("{value:#}"))
}

/// JSON whose strings hold nothing that a terminal would obey: what JSON itself does not escape is
/// escaped here (C1 controls, marks that turn the direction of text).
fn obeyed_by_nobody(json: &str) -> String {
    let mut text = String::with_capacity(json.len() + 1);
    for c in json.chars() {
        let obeyed = matches!(c, '\u{7f}'..='\u{9f}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}');
        if obeyed { text.push_str(&format!("\\u{:04x}", u32::from(c))) } else { text.push(c) }
    }
    text.push('\n');
    text
}

/// Writes results.
///
/// # Errors
/// When nobody reads any longer.
pub fn print(text: &str) -> Result<(), CliError> {
    let mut out = std::io::stdout().lock();
    out.write_all(text.as_bytes())?;
    Ok(out.flush()?)
}

/// Writes a line that is no result. Nobody is told when that fails: there is nowhere left to say it.
pub fn say(line: &str) {
    let _ = writeln!(std::io::stderr().lock(), "{}", line.trim_end());
}

/// Says why a command failed: as text on stderr, and in JSON on stdout as well, where programs look.
pub(super) fn fail(error: &CliError, format: Format, terminal: Terminal) -> Exit {
    let exit = error.exit();
    let findings = match error {
        CliError::NobodyReads => return exit,
        CliError::Findings(findings) => {
            let watched = std::io::stderr().is_terminal();
            let terminal = Terminal { watched, colour: watched && terminal.colour, ..terminal };
            say(&findings_text(findings, terminal));
            findings.as_slice()
        }
        CliError::Usage(_) | CliError::No(_) | CliError::Journal(_) | CliError::Fault(_) => {
            say(&format!("riposte: {}", clipped(&error.to_string(), LONGEST_MESSAGE)));
            &[]
        }
    };
    if format == Format::Json {
        let _ = print(&json_text(&error_json(error, findings)));
    }
    exit
}

/// Says on stdout, for programs, why nothing could be run; people have been told.
pub(super) fn fail_in_json(error: &CliError) {
    let _ = print(&json_text(&error_json(error, &[])));
}

pub(super) fn error_json(error: &CliError, findings: &[Finding]) -> Value {
    let text = error.to_string();
    let line: Vec<&str> = text.split_whitespace().collect();
    let words = clipped(&line.join(" "), LONGEST_MESSAGE);
    json!({"error": words, "exit": error.exit().code(), "findings": findings})
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::diagnostics::{Source, Span};

    #[test]
    fn hostile_text_reaches_no_terminal_raw() {
        let mut table = Terminal::paper(80).table(&["A"]);
        table.add_row([cell("x\u{1b}[2J\u{202e}y\n")]);
        let text = rendered(&table) + &Report::sentence("a\u{1b}[31m", Value::Null).text;
        assert!(!text.contains('\u{1b}') && !text.contains('\u{202e}'), "{text:?}");
    }

    #[test]
    fn long_text_is_cut_between_words() {
        let text = wrapped("a bb ccc\u{1b} dddd eeeee ffffff ggggggg", "  ", Terminal::paper(24));
        assert_eq!(text, "  a bb ccc dddd eeeee\n  ffffff ggggggg\n");
        assert_eq!(wrapped("", "  ", Terminal::paper(24)), "\n");
    }

    #[test]
    fn json_stays_the_same_value_without_characters_that_a_terminal_obeys() {
        let value = json!({"title": "a\u{9b}2J\u{202e}\u{1b}[2Jä"});
        let text = json_text(&value);
        assert!(!text.chars().any(|c| c != '\n' && c.is_control() || c == '\u{202e}'), "{text:?}");
        assert_eq!(serde_json::from_str::<Value>(&text).unwrap(), value);
    }

    #[test]
    fn colour_only_where_it_is_shown() {
        let shown = |terminal: Terminal| {
            let mut table = terminal.table(&["A"]);
            table.add_row([outcome_cell("effective", "")]);
            rendered(&table).contains('\u{1b}')
        };
        assert!(!shown(Terminal::paper(80)));
        assert!(shown(Terminal { colour: true, ..Terminal::paper(80) }));
    }

    #[test]
    fn a_finding_has_its_place_first_a_caret_under_it_and_what_to_do_last() {
        let source = Source::new("a.yaml", "x: 1\n");
        let finding = Finding::error("rule/x", "no x").at(&source, Span::new(0, 1)).help("take y");
        insta::assert_snapshot!(findings_text(&[finding], Terminal::paper(80)), @r"
        a.yaml:1:1: error[rule/x]: no x
          |
        1 | x: 1
          | ^
          = help: take y
        ");
    }
}
