//! Held to the real thing: queries with the tables they give, from outside this repository.
//!
//! `RIPOSTE_KQL_CONFORMANCE` names a folder of pairs, one JSON file each: `query`, `expected_columns`, `expected_types`,
//! `expected_rows` (cells as printed), `ordered`, `flags`. `RIPOSTE_KQL_CORPUS` names a folder of queries (`*.kql`).
//! Their texts are not ours to pass on, so CI has neither: without them the tests say so and pass.

#![expect(clippy::print_stdout, reason = "counts, to see progress")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::Value as Json;

use super::super::*;
use crate::diagnostics::Source;

/// Pairs that are left out, each with the reason.
const LEFT_OUT: &str = include_str!("left-out.tsv");

/// Queries of the corpus that are wrong in themselves, each with the reason.
const WRONG_QUERIES: &[(&str, &str)] = &[
    ("anomalousldaptraffic-905b7043.kql", "names a column that is not there; Microsoft's analyser says so too"),
    (
        "knownphosphorusdomainsip-october2020-9a4ff5f0.kql",
        "extracts by an expression that is written nowhere; Microsoft's analyser says so too",
    ),
];

/// Queries of the corpus that want something that is absent here: the name of each, and what it lacks, as findings name it.
const LACKS: &str = include_str!("corpus-lacks.tsv");

/// Codes of findings that say that something does not exist here.
pub(super) const MISSING: [&str; 8] = [
    "kql/unsupported",
    "kql/unsupported-operator",
    "kql/unsupported-plugin",
    "kql/unknown-function",
    "kql/unknown-aggregate",
    "kql/unknown-type",
    "kql/unknown-word",
    "kql/syntax-option",
];

enum Verdict {
    Pass,
    /// A finding names what is missing.
    Missing(String),
    Wrong(String),
}

/// Why a pair is left out: what is absent here, or what a person found wrong with it.
enum LeftOut {
    Absent(&'static str),
    Judged,
}

fn left_out(id: &str) -> Option<LeftOut> {
    let cells = LEFT_OUT
        .lines()
        .filter(|line| !line.starts_with('#'))
        .find_map(|line| line.strip_prefix(id)?.strip_prefix('\t'))?;
    match cells.split_once('\t') {
        Some(("absent", what)) => Some(LeftOut::Absent(what)),
        Some(("judged", why)) if !why.is_empty() => Some(LeftOut::Judged),
        _ => panic!("{id}: absent and what, or judged and why: {cells}"),
    }
}

#[test]
fn pairs_of_query_and_table_agree_or_are_listed_with_a_reason() {
    let Some(folder) = folder("RIPOSTE_KQL_CONFORMANCE") else { return };
    let (mut passed, mut out, mut wrong) = (0, 0, Vec::new());
    for path in files(&folder, "json") {
        let pair: Json = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
        let id = pair["id"].as_str().unwrap_or_default().to_owned();
        match (judge(&pair), left_out(&id)) {
            (Verdict::Pass, None) => passed += 1,
            (Verdict::Missing(what), Some(LeftOut::Absent(name))) if what.contains(name) => out += 1,
            (Verdict::Wrong(_), Some(LeftOut::Judged)) => out += 1,
            (Verdict::Pass, Some(_)) => wrong.push(format!("{id}: agrees, and is listed as left out")),
            (Verdict::Missing(why) | Verdict::Wrong(why), _) => wrong.push(format!("{id}: {why}")),
        }
    }
    println!("{passed} pairs agree, {out} are left out");
    assert!(wrong.is_empty(), "{} pairs are wrong:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn the_corpus_is_understood_but_for_what_is_listed_as_absent() {
    let Some(folder) = folder("RIPOSTE_KQL_CORPUS") else { return };
    let lines = LACKS.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    let mut lacks: BTreeMap<&str, &str> = lines.map(|line| line.split_once('\t').unwrap()).collect();
    let (mut passed, mut out, mut wrong) = (0, 0, Vec::new());
    for path in files(&folder, "kql") {
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let listed = lacks.remove(name.as_str()).unwrap_or_default();
        let findings = compile_query(&Source::new(name.as_str(), text), &Anything).err().unwrap_or_default();
        let judged = WRONG_QUERIES.iter().any(|(judged, _)| *judged == name);
        match (lacking(&findings), findings.is_empty()) {
            (found, right) if found == listed && (right || judged || !found.is_empty()) => {
                if right {
                    passed += 1;
                } else {
                    out += 1;
                }
            }
            (found, _) => {
                // One missing thing brings others: a column that was to come of it.
                let all: Vec<String> = findings.iter().map(crate::diagnostics::Finding::one_line).collect();
                wrong.push(format!("{name}\t{found}\n  listed: {listed}\n  {}", all.join("\n  ")));
            }
        }
    }
    println!("{passed} queries are understood, {out} lack what is listed");
    assert!(wrong.is_empty(), "{} queries are not as listed:\n{}", wrong.len(), wrong.join("\n"));
    assert!(lacks.is_empty(), "listed, and not there: {lacks:?}");
}

/// The names that findings say are absent, each once, with blanks between.
fn lacking(findings: &[crate::diagnostics::Finding]) -> String {
    let missing = findings.iter().filter(|finding| MISSING.contains(&finding.code()));
    let names: BTreeSet<&str> =
        missing.map(|finding| finding.message().split('"').nth(1).unwrap_or(finding.message())).collect();
    names.into_iter().collect::<Vec<_>>().join(" ")
}

/// Every table exists, and nothing is known of its columns.
struct Anything;

impl Catalog for Anything {
    fn schema(&self, _: &str) -> Option<Schema> {
        Some(Schema::default().open())
    }

    fn names(&self) -> Vec<String> {
        vec!["SecurityAlert".to_owned()]
    }

    fn external(&self, _: &str) -> Result<String, String> {
        Ok(String::new())
    }

    fn watchlist(&self, _: &str) -> Result<Option<Table>, String> {
        Ok(None)
    }
}

/// No tables at all: the pairs bring their own rows.
struct Nothing;

impl Catalog for Nothing {
    fn schema(&self, _: &str) -> Option<Schema> {
        None
    }

    fn names(&self) -> Vec<String> {
        Vec::new()
    }
}

impl Tables for Nothing {
    fn table(&self, _: &str) -> Option<std::borrow::Cow<'_, Table>> {
        None
    }
}

fn folder(variable: &str) -> Option<PathBuf> {
    let named = std::env::var_os(variable).map(PathBuf::from);
    if named.is_none() {
        println!("skipped: {variable} names no folder");
    }
    named
}

pub(super) fn files(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let all = std::fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    let mut all: Vec<PathBuf> = all.filter(|path| path.extension().is_some_and(|e| e == ending)).collect();
    all.sort();
    all
}

fn judge(pair: &Json) -> Verdict {
    let query = pair["query"].as_str().unwrap_or_default();
    let compiled = match compile_query(&Source::new("q", query), &Nothing) {
        Ok(compiled) => compiled,
        Err(findings) => {
            let lines: Vec<String> = findings.iter().map(|f| format!("{} {}", f.code(), f.message())).collect();
            let named = findings.iter().any(|finding| MISSING.contains(&finding.code()));
            return if named { Verdict::Missing(lines.join("; ")) } else { Verdict::Wrong(lines.join("; ")) };
        }
    };
    let now = parse_datetime("2026-03-01T10:00:00Z").unwrap();
    let table = match compiled.run(&Nothing, &Cx::at(now)) {
        Ok(table) => table,
        Err(error) => return Verdict::Wrong(error.to_string()),
    };
    match difference(pair, &table) {
        None => Verdict::Pass,
        Some(why) => Verdict::Wrong(why),
    }
}

fn texts(json: &Json) -> Vec<String> {
    json.as_array().unwrap().iter().map(|item| item.as_str().unwrap_or_default().to_owned()).collect()
}

fn difference(pair: &Json, table: &Table) -> Option<String> {
    let names: Vec<String> = table.columns.iter().map(|column| column.name.to_string()).collect();
    if names != texts(&pair["expected_columns"]) {
        return Some(format!("columns {names:?}, expected {}", pair["expected_columns"]));
    }
    let types: Vec<String> = table.columns.iter().map(|column| column.ty.name().to_owned()).collect();
    if types != texts(&pair["expected_types"]) {
        return Some(format!("types {types:?}, expected {}", pair["expected_types"]));
    }
    let flags = texts(&pair["flags"]);
    let sets = flags.iter().any(|flag| flag == "set-or-list-order-not-guaranteed");
    let mut expected: Vec<Vec<String>> = pair["expected_rows"].as_array().unwrap().iter().map(texts).collect();
    let mut got: Vec<Cells<'_, '_>> = table.rows.iter().collect();
    if expected.len() != got.len() {
        return Some(format!("{} rows, expected {}: {}", got.len(), expected.len(), shown(table)));
    }
    if pair["ordered"].as_bool() == Some(true) {
        let same = expected.iter().zip(&got).all(|(a, b)| row_is(a, *b, table, sets));
        return (!same).then(|| format!("{}\n    expected {}", shown(table), pair["expected_rows"]));
    }
    while let Some(row) = expected.pop() {
        let Some(at) = got.iter().position(|other| row_is(&row, *other, table, sets)) else {
            return Some(format!("no row {row:?} in {}", shown(table)));
        };
        got.remove(at);
    }
    None
}

fn shown(table: &Table) -> String {
    let rows = table.rows.iter().take(6);
    let text: Vec<String> =
        rows.map(|row| row.iter().map(|cell| cell.to_json().to_string()).collect::<Vec<_>>().join(" | ")).collect();
    text.join(" // ").chars().take(700).collect()
}

fn row_is(expected: &[String], row: Cells<'_, '_>, table: &Table, sets: bool) -> bool {
    expected.len() == row.len()
        && expected
            .iter()
            .zip(row)
            .zip(&table.columns)
            .all(|((text, cell), column)| cell_is(text, cell, column.ty, sets))
}

fn cell_is(text: &str, cell: &Val<'_>, ty: Type, sets: bool) -> bool {
    if text.is_empty() || text == "null" {
        let empty_json = cell.as_dynamic().is_some_and(|inner| matches!(inner, Dynamic::Str(s) if s.is_empty()));
        return cell.is_null() || cell.as_str() == Some("") || cell.as_str() == Some("null") || empty_json;
    }
    match (ty, cell) {
        (Type::Dynamic, cell) => {
            let expected = serde_json::from_str(text).unwrap_or_else(|_| Json::from(text));
            json_is(&expected, &cell.to_json(), sets)
        }
        (Type::Real, Val::Real(value)) => {
            text.replace('∞', "inf").parse::<f64>().is_ok_and(|expected| close(expected, *value))
        }
        (Type::DateTime, Val::DateTime(ticks)) => parse_datetime(text) == Some(*ticks),
        (Type::Timespan, Val::Timespan(ticks)) => parse_timespan(text) == Some(*ticks),
        (Type::Bool, Val::Bool(value)) => {
            text.eq_ignore_ascii_case(&value.to_string()) || text == if *value { "1" } else { "0" }
        }
        (Type::String, Val::Str(value)) => {
            let as_json = |text: &str| serde_json::from_str::<Json>(text).ok().filter(|json| !json.is_number());
            value.trim() == text.trim()
                || as_json(text).zip(as_json(value)).is_some_and(|(expected, got)| json_is(&expected, &got, sets))
        }
        (_, Val::Null) => false,
        (_, cell) => cell.to_json().to_string().trim_matches('"') == text,
    }
}

fn close(expected: f64, got: f64) -> bool {
    if expected.is_nan() || got.is_nan() {
        return expected.is_nan() && got.is_nan();
    }
    got.to_bits() == expected.to_bits() || (expected - got).abs() <= 1e-6 * expected.abs().max(1e-6)
}

fn json_is(expected: &Json, got: &Json, sets: bool) -> bool {
    match (expected, got) {
        (Json::Number(a), Json::Number(b)) => a.as_f64().zip(b.as_f64()).is_some_and(|(a, b)| close(a, b)),
        (Json::Array(a), Json::Array(b)) if sets => {
            a.len() == b.len() && a.iter().all(|a| b.iter().any(|b| json_is(a, b, sets)))
        }
        (Json::Array(a), Json::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| json_is(a, b, sets)),
        (Json::Object(a), Json::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| json_is(a, b, sets)))
        }
        (Json::String(a), Json::String(b)) => {
            a == b
                || parse_datetime(a).zip(parse_datetime(b)).is_some_and(|(a, b)| a == b)
                || parse_timespan(a).zip(parse_timespan(b)).is_some_and(|(a, b)| a == b)
        }
        (Json::String(a), b) => serde_json::from_str::<Json>(a).is_ok_and(|a| json_is(&a, b, sets)),
        (a, b) => a == b,
    }
}
