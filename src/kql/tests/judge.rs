//! Held to Microsoft's own analyser: what is wrong, and the columns of what is right.
//!
//! `RIPOSTE_KUSTO` names the folder with the packages of `tests/kusto/package.json`; Node runs `tests/kusto/judge.js` once,
//! with all queries. Without it the test is left out. `tests/kusto/allowed.tsv` lists where the two may differ, each with
//! the reason.

#![expect(clippy::print_stdout, reason = "counts, to see progress")]

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write as _;
use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

use serde::Deserialize;

use super::super::bind::fits_around;
use super::super::functions::{functions, operators};
use super::super::*;
use super::conformance::{MISSING, files};
use super::generate;
use crate::diagnostics::Source;

/// Where the two differ on purpose.
const ALLOWED: &str = include_str!("../../../tests/kusto/allowed.tsv");
/// Queries of our own, each under a line `// name`.
const QUERIES: &str = include_str!("../../../tests/kusto/queries.kql");

/// A query and the name it goes by in the list of what is allowed.
struct Case {
    name: String,
    text: String,
}

impl Case {
    /// Whether it is a real query, or one of the reference: nobody promised that all of it is here.
    fn is_foreign(&self) -> bool {
        self.name.starts_with("pair:") || self.name.starts_with("corpus:")
    }
}

#[derive(Debug, Deserialize)]
struct Judgement {
    wrong: Vec<(String, String)>,
    columns: Option<Vec<(String, String)>>,
    open: bool,
}

/// What we say of a query.
enum Ours {
    Right { columns: Vec<(String, String)>, open: bool },
    Wrong(Vec<(&'static str, String)>),
}

impl Ours {
    fn names_what_is_missing(&self) -> bool {
        matches!(self, Self::Wrong(found) if found.iter().any(|(code, _)| MISSING.contains(code)))
    }
}

#[test]
fn microsofts_analyser_agrees_on_mistakes_and_columns() {
    let Some(modules) = modules() else { return };
    let (cases, world) = (cases(), Known::default());
    let ours: Vec<Ours> = cases.iter().map(|case| ours(case, &world)).collect();
    let theirs = judge(&modules, &world, &cases);
    assert_eq!(theirs.len(), cases.len());
    let mut rules = rules();
    let (mut agreed, mut absent, mut bad) = (0_u32, 0_u32, String::new());
    for ((case, ours), theirs) in cases.iter().zip(&ours).zip(&theirs) {
        let Some(why) = difference(ours, theirs) else {
            agreed += 1;
            continue;
        };
        if case.is_foreign() && ours.names_what_is_missing() {
            absent += 1;
        } else if let Some(rule) = rules.iter_mut().find(|rule| rule.allows(case, &why)) {
            rule.used += 1;
        } else {
            writeln!(bad, "{}\t{}\t{why}", case.name, case.text.replace('\n', " ")).unwrap();
        }
    }
    let allowed: u32 = rules.iter().map(|rule| rule.used).sum();
    println!("{} queries: {agreed} agreed, {allowed} differ as allowed, {absent} name what is not here", cases.len());
    for rule in &rules {
        println!("{:5}  {}  {}  {}  {}", rule.used, rule.name, rule.text, rule.difference, rule.reason);
    }
    let number = bad.lines().count();
    assert!(bad.is_empty(), "{number} queries differ:\n{bad}");
    let unused: Vec<&str> =
        rules.iter().filter(|rule| rule.used == 0 && !rule.is_foreign()).map(|rule| rule.name).collect();
    assert!(unused.is_empty(), "nothing differs as these names allow: {unused:#?}");
}

/// A line of what is allowed: patterns for the name of a query, its text and the difference, and the reason.
struct Rule {
    name: &'static str,
    text: &'static str,
    difference: &'static str,
    reason: &'static str,
    used: u32,
}

impl Rule {
    fn allows(&self, case: &Case, why: &str) -> bool {
        let fits = |pattern: &str, text: &str| fits_around("...", pattern, text);
        fits(self.name, &case.name) && fits(self.text, &case.text.replace('\n', " ")) && fits(self.difference, why)
    }

    /// Whether it is for queries that may not be there.
    fn is_foreign(&self) -> bool {
        self.name.starts_with("pair:") || self.name.starts_with("corpus:")
    }
}

fn rules() -> Vec<Rule> {
    let lines = ALLOWED.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
    lines
        .flat_map(|line| {
            let [names, text, difference, reason] = line.split('\t').collect::<Vec<_>>()[..] else {
                panic!("four cells with tabs between, not: {line}")
            };
            assert!(!reason.is_empty(), "a line without a reason: {line}");
            names.split(" | ").map(move |name| Rule { name, text, difference, reason, used: 0 })
        })
        .collect()
}

/// The folder of the packages. A test that is left out fails where nothing may be (`RIPOSTE_REQUIRE_ALL=1`).
fn modules() -> Option<std::ffi::OsString> {
    let named = std::env::var_os("RIPOSTE_KUSTO").filter(|value| !value.is_empty());
    if named.is_none() {
        let required = std::env::var_os("RIPOSTE_REQUIRE_ALL").as_deref() == Some("1".as_ref());
        let why = "RIPOSTE_KUSTO names no folder with the packages of tests/kusto/package.json";
        assert!(!required, "{why}; set it, or leave RIPOSTE_REQUIRE_ALL unset to skip this");
        println!("skipped: {why}");
    }
    named
}

fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    let mut add = |name: String, text: &str| cases.push(Case { name, text: text.to_owned() });
    for block in QUERIES.split("\n// ").skip(1) {
        let (name, text) = block.split_once('\n').unwrap();
        add(format!("own:{name}"), text.trim());
    }
    for (kind, all) in [("function", functions().collect::<Vec<_>>()), ("operator", operators().collect())] {
        for function in all.iter().filter(|function| !function.name.starts_with("__")) {
            for (at, (left, right)) in function.examples.iter().enumerate() {
                add(format!("{kind}:{}:{at}", function.name), &format!("print x = {left}, {left}, {right}"));
            }
        }
    }
    for (at, text) in generate::queries().into_iter().enumerate() {
        add(format!("generated:{at}"), &text);
    }
    for (name, text) in generate::calls() {
        add(format!("call:{name}"), &text);
    }
    for path in files(&Path::new(env!("CARGO_MANIFEST_DIR")).join("kql"), "kql") {
        let text = std::fs::read_to_string(&path).unwrap();
        // The poll query has places for literals.
        if !text.contains("{from}") {
            add(format!("shipped:{}", path.file_stem().unwrap().display()), &text);
        }
    }
    if let Some(folder) = std::env::var_os("RIPOSTE_KQL_CORPUS") {
        for path in files(Path::new(&folder), "kql") {
            add(format!("corpus:{}", path.file_stem().unwrap().display()), &std::fs::read_to_string(&path).unwrap());
        }
    }
    if let Some(folder) = std::env::var_os("RIPOSTE_KQL_CONFORMANCE") {
        for path in files(Path::new(&folder), "json") {
            let pair: serde_json::Value = serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap();
            add(format!("pair:{}", pair["id"].as_str().unwrap()), pair["query"].as_str().unwrap());
        }
    }
    cases
}

/// The known tables, two of every type, and any other that a query names, with columns that nobody knows.
struct Known {
    known: BTreeMap<String, Schema>,
    others: RefCell<BTreeSet<String>>,
}

impl Default for Known {
    fn default() -> Self {
        let mut known = KnownTables::default();
        for (name, columns) in generate::TABLES {
            assert_eq!(known.add(&Source::new(name, format!("{name}\t{columns}"))), []);
        }
        Self { known: known.tables, others: RefCell::default() }
    }
}

impl Catalog for Known {
    fn schema(&self, table: &str) -> Option<Schema> {
        let known = self.known.get(table).cloned();
        known.or_else(|| {
            // A table of a real query; a name that a generator made up is a mistake.
            if !table.contains("_CL") && !table.chars().next().is_some_and(char::is_uppercase) || table == "Nothing" {
                return None;
            }
            self.others.borrow_mut().insert(table.to_owned());
            Some(Schema::default().open())
        })
    }

    fn knows(&self, table: &str) -> bool {
        self.known.contains_key(table)
    }

    fn names(&self) -> Vec<String> {
        self.known.keys().cloned().collect()
    }

    fn external(&self, _: &str) -> Result<String, String> {
        Ok(String::new())
    }

    fn watchlist(&self, _: &str) -> Result<Option<Table>, String> {
        Ok(None)
    }
}

fn ours(case: &Case, world: &Known) -> Ours {
    match compile_query(&Source::new("q", case.text.as_str()), world) {
        Ok(query) => Ours::Right {
            columns: query.columns().iter().map(|column| (column.name.to_string(), column.ty.to_string())).collect(),
            open: query.is_open(),
        },
        Err(found) => Ours::Wrong(found.iter().map(|finding| (finding.code(), finding.message().to_owned())).collect()),
    }
}

fn judge(modules: &std::ffi::OsStr, world: &Known, cases: &[Case]) -> Vec<Judgement> {
    let schema = |schema: &Schema| {
        let columns = schema.columns().iter().map(|column| format!("['{}']: {}", column.name, column.ty));
        format!("({})", columns.collect::<Vec<_>>().join(", "))
    };
    let known = world.known.iter().map(|(name, it)| (name.clone(), schema(it), it.is_open()));
    let others = world.others.borrow();
    let others = others.iter().map(|name| (name.clone(), "()".to_owned(), true));
    let tables: Vec<_> = known.chain(others).collect();
    let queries: Vec<&str> = cases.iter().map(|case| case.text.as_str()).collect();
    let asked = serde_json::json!({ "tables": tables, "queries": queries }).to_string();
    let mut child = Command::new("node")
        .arg(concat!(env!("CARGO_MANIFEST_DIR"), "/tests/kusto/judge.js"))
        .env("NODE_PATH", modules)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("node runs");
    child.stdin.take().unwrap().write_all(asked.as_bytes()).unwrap();
    let ended = child.wait_with_output().unwrap();
    assert!(ended.status.success(), "judge.js failed; what it said is above");
    serde_json::from_slice(&ended.stdout).unwrap()
}

/// How the two differ: `we CODE: MESSAGE`, `they CODE: MESSAGE`, or the columns.
fn difference(ours: &Ours, theirs: &Judgement) -> Option<String> {
    let columns = match (ours, theirs.wrong.first()) {
        (Ours::Wrong(_), Some(_)) => return None,
        (Ours::Wrong(found), None) => {
            let named: Vec<String> = found.iter().map(|(code, message)| format!("{code} {message}")).collect();
            return Some(format!("we: {}", named.join("; ")));
        }
        (Ours::Right { .. }, Some((code, message))) => return Some(format!("they: {code} {message}")),
        (Ours::Right { columns, open }, None) => (columns, *open),
    };
    let (columns, open) = columns;
    let theirs_columns = theirs.columns.as_ref()?;
    let pairs: Vec<_> = if open {
        // Columns that only the data knows, or that nobody knows, are for the analyser those that the query names: what
        // we know must be among them.
        let found = |name: &str| theirs_columns.iter().find(|(theirs, _)| theirs == name);
        let nowhere = (String::new(), String::new());
        columns.iter().map(|ours| (ours, found(&ours.0).cloned().unwrap_or(nowhere.clone()))).collect()
    } else {
        columns.iter().zip(theirs_columns.iter().cloned()).collect()
    };
    let guessed = open || theirs.open;
    let same = |name: fn(&str) -> &str| {
        (open || columns.len() == theirs_columns.len())
            && pairs.iter().all(|((a, at), (b, bt))| {
                name(a) == name(b) && (at == bt || bt == "unknown" || (guessed && at == "dynamic"))
            })
    };
    if same(|name| name) {
        return None;
    }
    let shown =
        |all: &[(String, String)]| all.iter().map(|(name, ty)| format!("{name}:{ty}")).collect::<Vec<_>>().join(" ");
    let what = if same(without_number) { "numbers of columns" } else { "columns" };
    Some(format!("{what}: {} THEIRS {}", shown(columns), shown(theirs_columns)))
}

/// `Column` for `Column1`, and other names as they are.
fn without_number(name: &str) -> &str {
    let number = name.strip_prefix("Column").filter(|rest| rest.bytes().all(|byte| byte.is_ascii_digit()));
    if number.is_some() { "Column" } else { name }
}
