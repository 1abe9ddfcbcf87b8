//! From files to the rule table, with all findings of all files at once.

use std::collections::BTreeSet;
use std::fs::File;
use std::io::Read as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use sha2::{Digest as _, Sha256};

use super::fields::Reader;
use super::lint;
use super::modes::{self, Modes};
use super::names::{Names, stem};
use super::rule::{Draft, Known, Rule};
use super::shipped;
use super::steps::{Playbook, Playbooks};
use super::table::RuleTable;
use super::trigger::{TriggerFile, Triggers};
use super::yaml::{self, MAX_BYTES, Node};
use crate::diagnostics::{Finding, Findings, Place, Source, Span, suggest};
use crate::kql::KnownTables;
use crate::model::text::hex;

/// Most files that are read from one folder.
const MAX_FILES: usize = 2_000;
/// The poll query's name in the folder of triggers.
pub const POLL_QUERY_FILE: &str = "security-alerts.kql";

/// The poll query in a folder of triggers, in whatever capitals its name is written, as with all names there. Of several the
/// one in small letters counts.
pub fn own_poll_query(dir: &Path) -> Option<PathBuf> {
    let exact = dir.join(POLL_QUERY_FILE);
    if exact.exists() {
        return Some(exact);
    }
    let entries = std::fs::read_dir(dir).ok()?;
    entries.filter_map(Result::ok).map(|entry| entry.path()).filter(|path| is_poll_query(path)).min()
}

fn is_poll_query(path: &Path) -> bool {
    path.file_name().is_some_and(|name| name.eq_ignore_ascii_case(POLL_QUERY_FILE))
}

/// What the settings say that rules are checked against.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a fact of its own, and any of them may hold beside the others"
)]
pub struct LoadContext {
    /// The tenant is in the global cloud, where the Defender for Identity API exists.
    pub global_cloud: bool,
    /// No emergency account is listed.
    pub break_glass_empty: bool,
    /// Most actions of all rules in an hour.
    pub per_hour: Option<u32>,
    /// Most actions of all rules in a day.
    pub per_day: Option<u32>,
    /// Advanced hunting can be asked in this cloud.
    pub hunting: bool,
    /// Alerts that nobody confirms are acted on as others are.
    pub unwitnessed_allowed: bool,
    /// The workspaces by name; `None` where the settings could not be read whole.
    pub workspaces: Option<Vec<String>>,
}

/// Where the files of a rule table lie.
#[derive(Debug, Clone, Copy, Default)]
pub struct Folders<'a> {
    /// Playbooks in `DIR/*.yaml`, rules in `DIR/rules/*.yaml`, modes in `DIR/modes.yaml` if there is one; the shipped
    /// ones without it.
    pub rules: Option<&'a Path>,
    /// Modes, if not there.
    pub modes: Option<&'a Path>,
    /// Triggers in `DIR/*.kql` and `DIR/*.yaml`, and the rows that they are tried on in `DIR/tests/NAME.json`, beside the
    /// shipped triggers.
    pub kql: Option<&'a Path>,
    /// A file of tables that triggers read, beside those that are known anyway.
    pub tables: Option<&'a Path>,
}

/// What became of the files.
#[derive(Debug)]
pub struct Loaded {
    /// The table; `None` when a finding is an error.
    pub table: Option<RuleTable>,
    /// By file and place.
    pub findings: Vec<Finding>,
}

/// The texts of a rule table.
#[derive(Debug, Default)]
pub(super) struct Files {
    pub(super) playbooks: Vec<Source>,
    pub(super) rules: Vec<Source>,
    pub(super) modes: Option<Source>,
    pub(super) triggers: Vec<TriggerFile>,
    /// Tables that the triggers read.
    pub(super) tables: Option<Source>,
    /// What rules and playbooks in files that cannot be read are most likely called.
    pub(super) unread: BTreeSet<String>,
}

/// Reads all files and checks them. Other folders and files are left alone.
pub fn load(folders: Folders<'_>, context: &LoadContext) -> Loaded {
    let mut findings = Findings::default();
    let mut files = match folders.rules {
        Some(dir) => written(dir, folders.modes, &mut findings),
        None => Files { modes: folders.modes.and_then(|path| read_file(path, &mut findings)), ..shipped::files() },
    };
    if let Some(dir) = folders.kql {
        files.triggers = triggers(dir, &mut findings);
    }
    files.triggers.extend(shipped::triggers());
    files.tables = folders.tables.and_then(|path| read_file(path, &mut findings));
    check(&files, context, findings)
}

/// The files of a folder of rules.
fn written(dir: &Path, modes: Option<&Path>, findings: &mut Findings) -> Files {
    let own = dir.join("modes.yaml");
    // A link to nothing stands there too.
    let modes = modes.or_else(|| own.symlink_metadata().is_ok().then_some(own.as_path()));
    let mut playbooks = files_in(dir, YAML, findings);
    playbooks.retain(|path| *path != own && !modes.is_some_and(|modes| same_file(modes, path)));
    let rules = files_in(&dir.join("rules"), YAML, findings);
    let mut unread = BTreeSet::new();
    let mut read_all = |paths: &[PathBuf]| {
        let one = |path: &PathBuf| {
            read_file(path, findings).or_else(|| {
                unread.extend(stem(path));
                None
            })
        };
        paths.iter().filter_map(one).collect()
    };
    let (playbooks, rules) = (read_all(&playbooks), read_all(&rules));
    Files { playbooks, rules, modes: modes.and_then(|path| read_file(path, findings)), unread, ..Files::default() }
}

/// The triggers of a folder.
fn triggers(dir: &Path, findings: &mut Findings) -> Vec<TriggerFile> {
    let mut paths = files_in(dir, &["kql", "yaml", "yml"], findings);
    let all = paths.len();
    paths.retain(|path| !is_poll_query(path));
    if all - paths.len() > 1 {
        let message = format!("there are several files {POLL_QUERY_FILE} that only capitals tell apart");
        findings.add(Finding::error("trigger/duplicate-name", message).help("keep one of them"));
    }
    strays(dir, &paths, findings);
    let one = |path: PathBuf| {
        let test = dir.join("tests").join(format!("{}.json", stem(&path)?));
        let source = read_file(&path, findings)?;
        let test = if test.symlink_metadata().is_ok() { read_file(&test, findings) } else { None };
        Some(TriggerFile { source, test, shipped: false })
    };
    paths.into_iter().filter_map(one).collect()
}

/// Files of rows that belong to no trigger, so that nothing is ever tried on them.
fn strays(dir: &Path, triggers: &[PathBuf], findings: &mut Findings) {
    let tests = dir.join("tests");
    if !tests.is_dir() {
        return;
    }
    let names: BTreeSet<String> = triggers.iter().filter_map(|path| stem(path)).collect();
    for path in files_in(&tests, &["json"], findings) {
        let Some(name) = stem(&path).filter(|name| !names.contains(name)) else { continue };
        let message = format!("{} belongs to no trigger: nothing is tried on its rows", path.display());
        let finding = Finding::warning("trigger/stray-test", message).help("call it as the file of its trigger");
        findings.add(finding.help_nearest(suggest::nearest(&name, names.iter().map(String::as_str))));
    }
}

/// Checks the texts and makes the table.
pub(super) fn check(files: &Files, context: &LoadContext, mut findings: Findings) -> Loaded {
    let playbooks = read_playbooks(files, &mut findings);
    let mut tables = KnownTables::default();
    findings.extend(files.tables.iter().flat_map(|source| tables.add(source)));
    let triggers = Triggers::read(&files.triggers, &tables, context, &mut findings);
    let known = Known { playbooks: &playbooks, triggers: &triggers };
    let (drafts, names) = read_rules(files, known, &mut findings);
    let modes = read_modes(files.modes.as_ref(), &names, &mut findings);
    lint::unguarded(&modes, &names, context, &mut findings);
    for draft in &drafts {
        lint::rule(draft, &modes, context, &mut findings);
    }
    lint::believed(&drafts, &triggers, &modes, context, &mut findings);
    let rules: Vec<Rule> = drafts.into_iter().filter_map(Draft::rule).collect();
    let used: BTreeSet<&str> =
        rules.iter().flat_map(|rule| &rule.alerts).map(|alert| alert.value.id.as_str()).collect();
    if rules.len() == files.rules.len() && files.unread.is_empty() {
        lint::unused(playbooks.usable.values().map(AsRef::as_ref), &rules, &mut findings);
        lint::idle(triggers.unused(&used), &mut findings);
    }
    if files.rules.is_empty() && !findings.has_errors() {
        findings.add(Finding::error("rule/none", "there is no rule").help("write rules as \"rules/*.yaml\""));
    }
    let triggers = triggers.used(&used);
    drop(used);
    let table = (!findings.has_errors()).then(|| RuleTable::new(rules, triggers, &modes, digest(files)));
    Loaded { table, findings: findings.sorted() }
}

fn read_playbooks(files: &Files, findings: &mut Findings) -> Playbooks {
    let mut playbooks = Playbooks { names: Names::unread(&files.unread), ..Playbooks::default() };
    for source in &files.playbooks {
        let node = content(source, findings);
        playbooks.names.add(source, node.as_ref(), "playbook");
        let Some(node) = node else { continue };
        let Some(playbook) = Playbook::read(&node, &mut Reader { source, findings }) else { continue };
        if let Some(first) = playbooks.usable.get(&playbook.name) {
            findings.add(twice("playbook", &playbook.name, &playbook.place, &first.place));
            continue;
        }
        playbooks.usable.insert(playbook.name.clone(), Arc::new(playbook));
    }
    playbooks
}

/// What the files say of rules, and the names of all rules, also of those that cannot be used.
fn read_rules(files: &Files, known: Known<'_>, findings: &mut Findings) -> (Vec<Draft>, Names) {
    let mut drafts: Vec<Draft> = Vec::new();
    let mut names = Names::unread(&files.unread);
    for source in &files.rules {
        let node = content(source, findings);
        names.add(source, node.as_ref(), "rule");
        let Some(node) = node else { continue };
        let Some(draft) = Draft::read(&node, known, &mut Reader { source, findings }) else { continue };
        let first = draft.name.as_ref().and_then(|name| drafts.iter().find(|first| first.name.as_ref() == Some(name)));
        if let Some(first) = first {
            findings.add(twice("rule", draft.called(), &draft.place, &first.place));
            continue;
        }
        drafts.push(draft);
    }
    (drafts, names)
}

fn read_modes(source: Option<&Source>, names: &Names, findings: &mut Findings) -> Modes {
    let Some(source) = source else { return Modes::new() };
    let Some(node) = yaml::parse(source, findings) else { return Modes::new() };
    modes::read(&node, names, &mut Reader { source, findings })
}

/// What a file says; a file that says nothing is a finding.
fn content(source: &Source, findings: &mut Findings) -> Option<Node> {
    let before = findings.len();
    let node = yaml::parse(source, findings);
    if node.is_none() && findings.len() == before {
        let finding = Finding::error("rule/empty", "the file is empty").at(source, source.whole().span);
        findings.add(finding.help("write a rule or a playbook in it, or delete it"));
    }
    node
}

fn twice(what: &str, name: &str, place: &Place, first: &Place) -> Finding {
    let at = first.source.line_column(first.span.start);
    let finding = Finding::error("rule/duplicate-name", format!("there are two {what}s {name}"));
    finding.at(&place.source, place.span).help(format!("the other is {}:{}; rename one", first.source.name(), at.line))
}

/// Over the texts, each with its length, so that no two lists of files read the same.
fn digest(files: &Files) -> String {
    let triggers = files.triggers.iter().map(|file| &file.source);
    let others = files.modes.iter().chain(&files.tables).chain(triggers);
    let mut texts: Vec<&str> = files.playbooks.iter().chain(&files.rules).chain(others).map(Source::text).collect();
    texts.sort_unstable();
    let mut hash = Sha256::new();
    for text in texts {
        hash.update(text.len().to_le_bytes());
        hash.update(text);
    }
    hex(&hash.finalize())
}

/// The endings of rules and playbooks.
const YAML: &[&str] = &["yaml", "yml"];

/// What is in a folder with one of these endings, by name, but for folders. What is no file is a finding where it is read.
fn files_in(dir: &Path, endings: &[&str], findings: &mut Findings) -> Vec<PathBuf> {
    let entries = match std::fs::read_dir(dir) {
        Ok(entries) => entries,
        Err(error) => {
            let message = format!("the folder {} cannot be read: {error}", dir.display());
            findings.add(Finding::error("rule/unreadable", message).help("check the path and who may read it"));
            return Vec::new();
        }
    };
    let is_one = |path: &PathBuf| {
        path.extension().is_some_and(|end| endings.iter().any(|ending| end.eq_ignore_ascii_case(ending)))
            && !path.is_dir()
    };
    let mut paths: Vec<PathBuf> = entries.filter_map(Result::ok).map(|entry| entry.path()).filter(is_one).collect();
    paths.sort();
    if paths.len() > MAX_FILES {
        let message = format!("the folder {} holds more than {MAX_FILES} files", dir.display());
        findings.add(
            Finding::error("rule/unreadable", message)
                .help("point the settings at the folder of playbooks or of triggers"),
        );
        paths.clear();
    }
    paths
}

fn same_file(a: &Path, b: &Path) -> bool {
    a == b || matches!((a.canonicalize(), b.canonicalize()), (Ok(a), Ok(b)) if a == b)
}

/// A file that somebody wrote, as all of them are read: of bounded size, and text. `None` when it cannot be used; the
/// findings say why.
pub fn read_file(path: &Path, findings: &mut Findings) -> Option<Source> {
    let mut refused = |code: &'static str, what: &str, help: &str| {
        let finding = Finding::error(code, format!("the file {} {what}", path.display()));
        findings.add(finding.help(help));
        None
    };
    match bytes_of(path) {
        // Half of a query is another query.
        Ok(bytes) if bytes.len() > MAX_BYTES => {
            let what = format!("is larger than {} KiB", MAX_BYTES >> 10);
            refused("rule/too-large", &what, "split it into several")
        }
        Ok(bytes) if bytes.starts_with(b"\xff\xfe") || bytes.starts_with(b"\xfe\xff") => {
            refused("rule/encoding", "is UTF-16 text", "save the file as UTF-8")
        }
        Ok(bytes) => Some(text(path, bytes, findings)),
        Err(why) => refused("rule/unreadable", &format!("cannot be read: {why}"), "check the path and who may read it"),
    }
}

/// What is in a file, up to a byte more than one may hold. Only files are opened: a pipe would keep us waiting for somebody who
/// writes into it, and a device may never end.
fn bytes_of(path: &Path) -> std::io::Result<Vec<u8>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(std::io::Error::other("it is no file"));
    }
    let mut bytes = Vec::new();
    let limit = u64::try_from(MAX_BYTES).unwrap_or(u64::MAX) + 1;
    File::open(path)?.take(limit).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What a file says. Bytes that are no text are a finding, and the rest is read all the same: what else is wrong is said
/// at once.
fn text(path: &Path, bytes: Vec<u8>, findings: &mut Findings) -> Source {
    let name = path.display().to_string();
    // Windows tools write a byte-order mark, which is no part of the text.
    let mut bytes = bytes;
    if bytes.starts_with(b"\xef\xbb\xbf") {
        bytes.drain(..3);
    }
    let broken = match String::from_utf8(bytes) {
        Ok(text) => return Source::new(name, text),
        Err(broken) => broken,
    };
    let at = broken.utf8_error().valid_up_to();
    let source = Source::new(name, String::from_utf8_lossy(broken.as_bytes()));
    let finding = Finding::error("rule/encoding", "this is not UTF-8 text")
        .at(&source, Span::new(at, at + '\u{fffd}'.len_utf8()));
    findings.add(finding.help("save the file as UTF-8"));
    source
}
