//! `riposte coverage`: which alerts of the catalogue no rule answers.

use serde_json::{Value, json};

use super::args::{CoverageArgs, Global};
use super::exit::{CliError, Exit};
use super::report::{Report, Terminal};
use super::setup::{self, Chosen};
use crate::model::action::Mode;
use crate::model::text::clip;
use crate::playbook::{Catalogue, Entry, Kind, RuleTable};

/// Counts the catalogue's alerts that a rule names, and lists the others.
pub(super) fn coverage(args: &CoverageArgs, global: &Global, terminal: Terminal) -> Result<Report, CliError> {
    let Chosen { settings, note, .. } = setup::settings_or_defaults(global)?;
    let table = setup::table(&settings)?;
    let entries: Vec<&Entry> = Catalogue::get().entries().iter().map(AsRef::as_ref).collect();
    let all = Share::of(entries.iter().copied(), &table);
    let of_kind = |kind: &Kind| Share::of(entries.iter().copied().filter(|entry| entry.kind == *kind), &table);
    let kinds = KINDS.map(|(kind, word)| (word, of_kind(&kind)));
    let open: Vec<&Entry> = entries.iter().copied().filter(|entry| !answered(entry, &table)).collect();
    // They are not of the catalogue: none of them is missing, and they fill no gap in it.
    let triggers = Share::of(table.triggers().iter().map(|written| written.entry.as_ref()), &table);
    let json = json!({
        "total": all.json(),
        "kinds": kinds.iter().map(|(word, share)| ((*word).to_owned(), share.json())).collect::<serde_json::Map<_, _>>(),
        "triggers": {"answered": triggers.answered, "approve_or_enforce": triggers.armed},
        "unanswered": open.iter().copied().map(entry_json).collect::<Vec<_>>(),
    });
    let mut report = Report::new(text(&all, &kinds, &triggers, &open, terminal), json);
    report.notes.extend(note.map(str::to_owned));
    if let Some(least) = args.min.filter(|least| all.percent() < u32::from(*least)) {
        report.notes.push(format!("{} % of the alerts are answered, less than the {least} % wanted", all.percent()));
        report.exit = Exit::No;
    }
    Ok(report)
}

const KINDS: [(Kind, &str); 3] = [(Kind::Classic, "classic"), (Kind::Xdr, "xdr"), (Kind::XdrObserved, "xdr-observed")];

/// How many of some alerts are answered.
struct Share {
    alerts: usize,
    /// Named by a rule.
    answered: usize,
    /// Named by a rule that may do more than simulate.
    armed: usize,
}

impl Share {
    fn of<'a>(entries: impl Iterator<Item = &'a Entry>, table: &RuleTable) -> Self {
        let mut share = Self { alerts: 0, answered: 0, armed: 0 };
        for entry in entries {
            share.alerts += 1;
            share.answered += usize::from(answered(entry, table));
            share.armed += usize::from(table.matching(entry).any(|rule| table.mode(rule) != Mode::Simulate));
        }
        share
    }

    /// Rounded down, so that only all of them are 100.
    fn percent(&self) -> u32 {
        let percent = (self.answered * 100).checked_div(self.alerts).unwrap_or(100);
        u32::try_from(percent).unwrap_or(100)
    }

    fn json(&self) -> Value {
        let Self { alerts, answered, armed } = self;
        json!({"alerts": alerts, "answered": answered, "percent": self.percent(), "approve_or_enforce": armed})
    }

    fn words(&self) -> String {
        let Self { alerts, answered, armed } = self;
        format!("{answered} of {alerts} alerts ({} %), {armed} in approve or enforce", self.percent())
    }
}

fn answered(entry: &Entry, table: &RuleTable) -> bool {
    table.matching(entry).next().is_some()
}

fn entry_json(entry: &Entry) -> Value {
    json!({"alert": entry.id, "name": entry.name, "severity": entry.severity})
}

/// What nobody answers, and the figures last, where they are seen.
fn text(all: &Share, kinds: &[(&str, Share)], triggers: &Share, open: &[&Entry], terminal: Terminal) -> String {
    let widest = open.iter().map(|entry| entry.id.len()).max().unwrap_or(0).min(usize::from(terminal.width) / 2);
    let mut out = String::new();
    for entry in open {
        let line = format!("{:<widest$}  {}", entry.id, entry.name);
        out.push_str(&clip(&line, usize::from(terminal.width)));
        out.push('\n');
    }
    out.push_str(if open.is_empty() { "" } else { "\nNo rule names the alerts above.\n" });
    for (word, share) in kinds {
        out.push_str(&format!("{word:<13}{}\n", share.words()));
    }
    out.push_str(&format!("{:<13}{}\n", "answered", all.words()));
    if triggers.answered > 0 {
        let Share { answered, armed, .. } = triggers;
        out.push_str(&format!("{:<13}{answered} beside the catalogue, {armed} in approve or enforce\n", "triggers"));
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    fn report(min: Option<u8>, rules: Option<&std::path::Path>) -> Report {
        let (_folder, global) = crate::cli::testing::shipped_rules();
        let dir = rules.map(|dir| ("rules.dir".to_owned(), dir.display().to_string()));
        let global = Global { overrides: dir.into_iter().collect(), ..global };
        coverage(&CoverageArgs { min }, &global, Terminal::paper(100)).unwrap()
    }

    /// One rule that answers one alert, in approve.
    fn one_rule() -> tempfile::TempDir {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| std::fs::write(folder.path().join(path), text).unwrap();
        std::fs::create_dir(folder.path().join("rules")).unwrap();
        write("p.yaml", "playbook: p\nwhy: w\nsteps:\n  - do: revoke-sessions\n");
        write("rules/r.yaml", "rule: r\nwhy: w\nowner: o\nalert: [mdi/2006]\ndo: p\n");
        write("modes.yaml", "r: approve\n");
        folder
    }

    #[test]
    fn what_no_rule_names_is_listed_and_counted() {
        let folder = one_rule();
        let Report { json, text, exit, .. } = report(None, Some(folder.path()));
        let entries = Catalogue::get().entries().len();
        let open: Vec<&str> =
            json["unanswered"].as_array().unwrap().iter().filter_map(|e| e["alert"].as_str()).collect();
        assert!(open.len() == entries - 1 && !open.contains(&"mdi/2006") && open.contains(&"mdi/2003"));
        let total = json!({"alerts": entries, "answered": 1, "percent": 100 / entries, "approve_or_enforce": 1});
        assert_eq!((&json["total"], exit), (&total, Exit::Done));
        assert_eq!(json["kinds"]["xdr"]["answered"], 0);
        assert!(text.contains("mdi/2003 ") && text.lines().all(|line| line.chars().count() <= 100), "{text}");
    }

    #[test]
    fn less_than_what_is_wanted_ends_with_1() {
        let folder = one_rule();
        assert_eq!(report(Some(0), Some(folder.path())).exit, Exit::Done);
        let short = report(Some(1), Some(folder.path()));
        assert_eq!(short.exit, Exit::No);
        assert!(short.notes.iter().any(|note| note.contains("less than the 1 % wanted")), "{:?}", short.notes);
    }

    #[test]
    fn the_shipped_rules_answer_most_alerts() {
        assert_eq!(report(Some(60), None).exit, Exit::Done);
        assert_eq!(report(Some(100), None).exit, Exit::No);
    }
}
