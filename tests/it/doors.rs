//! The doors between the rooms of `src/`: who may use whom, held against the source itself.
//!
//! The module tree is walked from `lib.rs`. Code that only tests see may use what it likes; everything else may use its
//! own room and what [`DOORS`] names. The same walk shows that the program without the feature `lab` has no lab in it.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// A room, or one file of a room, and what it may use: whole rooms, or parts of them (`room::part`).
const DOORS: &[(&str, &[&str])] = &[
    ("model", &[]),
    ("diagnostics", &[]),
    ("kql", &["diagnostics"]),
    ("record", &["model"]),
    ("runtime", &["model"]),
    ("settings", &["diagnostics", "model"]),
    ("playbook", &["diagnostics", "kql", "model"]),
    ("decide", &["kql", "model", "playbook", "record"]),
    ("journal", &["decide::cleared", "model", "record"]),
    ("connect", &["journal::begun", "model"]),
    ("respond", &["connect::port", "decide", "journal", "model", "playbook", "record"]),
    ("lab", &["diagnostics::Source", "kql", "model::id", "model::time"]),
    (
        "app",
        &[
            "connect",
            "decide",
            "diagnostics",
            "journal",
            "kql",
            "model",
            "playbook",
            "record",
            "respond",
            "runtime",
            "settings",
        ],
    ),
    (
        "cli",
        &[
            "app",
            "connect",
            "decide",
            "diagnostics",
            "journal",
            "kql",
            "lab",
            "model",
            "playbook",
            "record",
            "respond",
            "runtime",
            "settings",
        ],
    ),
];

/// The two slips that other rooms see. They stand alone, so that whoever sees a slip sees nothing else with it.
const LEAVES: &[(&str, &[&str])] = &[("decide::cleared", &["model"]), ("journal::begun", &["model"])];

/// Modules that a program without the feature `lab` does not have.
const ONLY_WITH_LAB: [&str; 5] = ["lab", "runtime::leap", "cli::demo", "cli::lab", "cli::load"];

#[test]
fn every_crossing_between_rooms_goes_through_a_door() {
    let house = House::read();
    let wrong: Vec<String> =
        house.uses.iter().filter(|it| it.built.daemon).filter_map(|it| crossing(it, DOORS, LEAVES)).collect();
    assert!(wrong.is_empty(), "\n\n{}\n", wrong.join("\n\n"));
}

#[test]
fn every_room_has_its_line_in_the_table_of_doors() {
    let house = House::read();
    let rooms: BTreeSet<&str> = house.modules.iter().map(|it| it.path[0].as_str()).collect();
    let table: BTreeSet<&str> = DOORS.iter().map(|(room, _)| *room).collect();
    assert_eq!(rooms, table, "lib.rs and the table of doors in {} name different rooms", file!());
}

#[test]
fn architecture_md_names_every_room_and_shows_these_doors() {
    let text = fs::read_to_string(root().join("ARCHITECTURE.md")).unwrap();
    for (room, uses) in DOORS {
        let named = format!("`src/{room}/`");
        assert!(text.contains(&named), "ARCHITECTURE.md does not say what {named} is; add it to the map of rooms");
        let line = doors_line(room, uses);
        assert!(text.contains(&line), "ARCHITECTURE.md shows other doors for {room}; its table needs the line\n{line}");
    }
}

#[test]
fn without_the_feature_lab_nothing_is_built_of_the_lab_and_nothing_can_shift_the_clock() {
    let house = House::read();
    for only in ONLY_WITH_LAB {
        let module = house.modules.iter().find(|it| it.path.join("::") == only);
        let module = module.unwrap_or_else(|| panic!("there is no module {only} any more; correct {}", file!()));
        assert!(!module.built.image, "{only} must be declared under #[cfg(feature = \"lab\")] ({})", module.declared);
    }
    let leaks = house.uses.iter().filter(|it| it.built.image && ONLY_WITH_LAB.iter().any(|only| it.reaches(only)));
    let leaks: Vec<String> =
        leaks.map(|it| format!("{} uses {}, which only the lab has", it.place(), it.path.join("::"))).collect();
    assert!(leaks.is_empty(), "\n{}\n", leaks.join("\n"));
    let recipe = fs::read_to_string(root().join("deploy/Dockerfile")).unwrap();
    assert!(recipe.contains("--no-default-features"), "deploy/Dockerfile must build without the lab");
}

#[test]
fn a_forbidden_path_is_found_however_it_is_written() {
    let text = r##"
        use crate::{model::time::At, journal::{begun::Begun, batch}};
        // use crate::settings::Settings; and "crate::app" are words, not uses
        fn f<'a>(_: &'a str) -> char { let _ = "crate::app"; let _ = r#"crate::app"#; crate::decide::plan::x::<u8>('"') }
        pub(in crate::cli) mod inner { use super::super::super::respond as r; use super::near; }
        #[cfg(test)]
        mod tests { use crate::cli::main; }
        #[cfg(all(test, feature = "lab"))] use crate::lab::Lab;
        #[cfg(any(test, feature = "lab"))]
        fn both(a: u8, b: u8) { crate::runtime::leap(a, b) }
        #[cfg(unix)] use crate::playbook::Rule;
        #[cfg(not(test))] use crate::record::event;
    "##;
    let mut house = House::default();
    house.scan(Path::new("x.rs"), text, &["connect", "okta"].map(String::from), Built::ALWAYS, None);
    let uses: Vec<(String, bool, bool)> =
        house.uses.iter().map(|it| (it.path.join("::"), it.built.daemon, it.built.image)).collect();
    let wanted = [
        ("model::time::At", true, true),
        ("journal::begun::Begun", true, true),
        ("journal::batch", true, true),
        ("decide::plan::x", true, true),
        ("respond", true, true),
        ("connect::okta::near", true, true),
        ("cli::main", false, false),
        ("lab::Lab", false, false),
        ("runtime::leap", true, false),
        ("playbook::Rule", true, true),
        ("record::event", true, true),
    ];
    assert_eq!(uses, wanted.map(|(path, daemon, image)| (path.to_owned(), daemon, image)));
    let refused = house.uses.iter().filter_map(|it| crossing(it, DOORS, LEAVES)).collect::<Vec<_>>();
    assert_eq!(refused.len(), 8, "{refused:#?}");
    assert!(
        refused[0].starts_with("x.rs:2: connect uses journal::batch, and there is no such door.\n"),
        "{refused:#?}"
    );
}

#[test]
fn a_leaf_uses_less_than_its_room() {
    let mut house = House::default();
    let path = ["decide", "cleared"].map(String::from);
    house.scan(Path::new("x.rs"), "use crate::model::time::At; use crate::record::next;", &path, Built::ALWAYS, None);
    assert!(crossing(&house.uses[0], DOORS, LEAVES).is_none());
    assert!(crossing(&house.uses[1], DOORS, LEAVES).is_some());
}

/// What is wrong with a use, and what to do about it; `None` where there is a door.
fn crossing(it: &Use, doors: &[(&str, &[&str])], leaves: &[(&str, &[&str])]) -> Option<String> {
    let room = it.from[0].as_str();
    let leaf = leaves.iter().find(|(leaf, _)| it.from.join("::") == *leaf);
    let own = leaf.map_or(room, |(leaf, _)| leaf);
    let (_, may) = leaf.or_else(|| doors.iter().find(|(name, _)| *name == room))?;
    if it.reaches(own) || may.iter().any(|door| it.reaches(door)) {
        return None;
    }
    let may = if may.is_empty() { "nothing of ours".to_owned() } else { may.join(", ") };
    Some(format!(
        "{}: {own} uses {}, and there is no such door.\n  \
         {own} may use: {may}.\n  \
         What to do: put what both rooms need into one that both may use (often model), let app hand it in as a plain\n  \
         value, or let the work be done in respond, where the rooms meet. A new door needs its line in {} and in\n  \
         ARCHITECTURE.md, and a reason there.",
        it.place(),
        it.path.join("::"),
        file!(),
    ))
}

fn doors_line(room: &str, uses: &[&str]) -> String {
    let uses: Vec<String> = uses.iter().map(|door| format!("`{door}`")).collect();
    format!("| `{room}` | {} |", if uses.is_empty() { "nothing of ours".to_owned() } else { uses.join(", ") })
}

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// In which programs a piece of source is; in neither, it is for tests.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Built {
    /// The program with every feature.
    daemon: bool,
    /// The program of the container image: without the feature `lab`.
    image: bool,
}

impl Built {
    const ALWAYS: Self = Self { daemon: true, image: true };

    fn and(self, other: Self) -> Self {
        Self { daemon: self.daemon && other.daemon, image: self.image && other.image }
    }
}

/// A path of ours that some code names.
#[derive(Debug)]
struct Use {
    file: PathBuf,
    line: usize,
    /// The module that names it.
    from: Vec<String>,
    /// What it names, from the root of the crate.
    path: Vec<String>,
    built: Built,
}

impl Use {
    /// Names the thing, or something in it.
    fn reaches(&self, thing: &str) -> bool {
        let thing: Vec<&str> = thing.split("::").collect();
        self.path.len() >= thing.len() && self.path.iter().zip(&thing).all(|(mine, its)| mine == its)
    }

    fn place(&self) -> String {
        format!("{}:{}", self.file.display(), self.line)
    }
}

struct Module {
    path: Vec<String>,
    declared: String,
    built: Built,
}

/// Every module of the library, and what each uses of ours.
#[derive(Default)]
struct House {
    modules: Vec<Module>,
    uses: Vec<Use>,
}

impl House {
    fn read() -> Self {
        let mut house = Self::default();
        house.file(&root().join("src/lib.rs"), &[], Built::ALWAYS);
        assert!(house.modules.len() > 100 && house.uses.len() > 500, "the walk through src/ missed most of it");
        house
    }

    fn file(&mut self, file: &Path, path: &[String], built: Built) {
        let text = fs::read_to_string(file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        let is_root = matches!(file.file_stem().and_then(|stem| stem.to_str()), Some("lib" | "mod"));
        let folder = if is_root { file.with_file_name("") } else { file.with_extension("") };
        self.scan(file.strip_prefix(root()).unwrap_or(file), &text, path, built, Some(&folder));
    }

    /// Reads one file. With a folder, the modules it declares are read too.
    fn scan(&mut self, file: &Path, text: &str, path: &[String], built: Built, folder: Option<&Path>) {
        let tokens = lex(text);
        let mut regions: Vec<Region> = Vec::new();
        for at in 0..tokens.len() {
            regions.retain(|region| at <= region.end);
            let mut here = path.to_vec();
            here.extend(regions.iter().filter_map(|region| region.module.clone()));
            let built = regions.iter().fold(built, |built, region| built.and(region.built));
            if let Some((after, cfg)) = attribute(&tokens, at) {
                regions.push(Region { end: item_end(&tokens, after), module: None, built: cfg });
            } else if let Some(name) = module(&tokens, at) {
                let mut path = here.clone();
                path.push(name.clone());
                let line = tokens[at].line;
                let declared = format!("{}:{line}", file.display());
                self.modules.push(Module { path: path.clone(), declared, built });
                if tokens[at + 2].is("{") {
                    regions.push(Region { end: item_end(&tokens, at), module: Some(name), built: Built::ALWAYS });
                } else if let Some(folder) = folder {
                    let flat = folder.join(format!("{name}.rs"));
                    let deep = folder.join(&name).join("mod.rs");
                    self.file(if flat.exists() { &flat } else { &deep }, &path, built);
                }
            } else if begins_path(&tokens, at) {
                let mut found = Vec::new();
                tree(&tokens, at, &here, &mut found);
                // The root file belongs to no room.
                for (line, path) in found.into_iter().filter(|_| !here.is_empty()) {
                    self.uses.push(Use { file: file.to_owned(), line, from: here.clone(), path, built });
                }
            }
        }
    }
}

/// A stretch of tokens that is only there under a condition, or that is a module of its own.
struct Region {
    /// Its last token.
    end: usize,
    module: Option<String>,
    built: Built,
}

/// `mod name` at a token.
fn module(tokens: &[Token], at: usize) -> Option<String> {
    let [word, name, end] = tokens.get(at..at + 3)? else { return None };
    (word.is("mod") && (end.is(";") || end.is("{"))).then(|| name.text.clone())
}

/// `#[cfg(...)]` at a token: where the attribute ends, and what it says.
fn attribute(tokens: &[Token], at: usize) -> Option<(usize, Built)> {
    let opens = tokens.get(at..at + 4)?.iter().zip(["#", "[", "cfg", "("]).all(|(token, text)| token.is(text));
    if !opens {
        return None;
    }
    let mut next = at + 4;
    let daemon = condition(tokens, &mut next, true).can_hold;
    next = at + 4;
    let image = condition(tokens, &mut next, false).can_hold;
    Some((close(tokens, at + 1) + 1, Built { daemon, image }))
}

/// What is known of a condition outside tests.
#[derive(Clone, Copy)]
struct Known {
    can_hold: bool,
    can_fail: bool,
}

fn condition(tokens: &[Token], at: &mut usize, lab: bool) -> Known {
    let word = tokens[*at].text.clone();
    *at += 1;
    if tokens[*at].is("(") {
        *at += 1;
        let mut parts = Vec::new();
        while !tokens[*at].is(")") {
            parts.push(condition(tokens, at, lab));
            *at += usize::from(tokens[*at].is(","));
        }
        *at += 1;
        let all = |part: fn(&Known) -> bool| parts.iter().all(part);
        let any = |part: fn(&Known) -> bool| parts.iter().any(part);
        return match word.as_str() {
            "all" => Known { can_hold: all(|it| it.can_hold), can_fail: any(|it| it.can_fail) },
            "any" => Known { can_hold: any(|it| it.can_hold), can_fail: all(|it| it.can_fail) },
            "not" => Known { can_hold: any(|it| it.can_fail), can_fail: any(|it| it.can_hold) },
            _ => Known { can_hold: true, can_fail: true },
        };
    }
    let value = tokens[*at].is("=").then(|| tokens[*at + 1].text.clone());
    *at += if value.is_some() { 2 } else { 0 };
    match (word.as_str(), value.as_deref()) {
        ("test", None) => Known { can_hold: false, can_fail: true },
        ("feature", Some("\"lab")) => Known { can_hold: lab, can_fail: !lab },
        _ => Known { can_hold: true, can_fail: true },
    }
}

/// The last token of the item, arm, field or statement that begins at a token.
fn item_end(tokens: &[Token], at: usize) -> usize {
    const ITEMS: [&str; 16] = [
        "fn",
        "mod",
        "struct",
        "enum",
        "impl",
        "trait",
        "use",
        "const",
        "static",
        "type",
        "extern",
        "async",
        "unsafe",
        "let",
        "macro_rules",
        "union",
    ];
    let mut at = at;
    while tokens.get(at).is_some_and(|token| token.is("#")) {
        at = close(tokens, at + 1) + 1;
    }
    if tokens.get(at).is_some_and(|token| token.is("pub")) {
        at = if tokens.get(at + 1).is_some_and(|token| token.is("(")) { close(tokens, at + 1) + 1 } else { at + 1 };
    }
    let word = tokens.get(at).map_or("", |token| token.text.as_str());
    let is_item = ITEMS.contains(&word);
    let to_semicolon = matches!(word, "use" | "let" | "static" | "type")
        || word == "const" && !tokens.get(at + 1).is_some_and(|token| token.is("fn"));
    let mut arm = false;
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            ";" => return at,
            "," if !is_item => return at,
            ")" | "]" | "}" => return at.saturating_sub(1),
            "=" => arm |= !is_item && tokens.get(at + 1).is_some_and(|token| token.is(">")),
            "(" | "[" => at = close(tokens, at),
            "{" => {
                at = close(tokens, at);
                if is_item && !to_semicolon || arm {
                    return at;
                }
            }
            _ => {}
        }
        at += 1;
    }
    tokens.len()
}

/// The token that closes the bracket at a token.
fn close(tokens: &[Token], open: usize) -> usize {
    let mut depth = 0_usize;
    for (at, token) in tokens.iter().enumerate().skip(open) {
        match token.text.as_str() {
            "(" | "[" | "{" => depth += 1,
            ")" | "]" | "}" => {
                depth = depth.saturating_sub(1);
                if depth == 0 {
                    return at;
                }
            }
            _ => {}
        }
    }
    tokens.len()
}

/// A path from the root or from a module above begins at a token.
fn begins_path(tokens: &[Token], at: usize) -> bool {
    let is = |place: Option<usize>, text: &str| place.and_then(|at| tokens.get(at)).is_some_and(|token| token.is(text));
    // `pub(in crate::room)` says who may look, and uses nothing.
    let is_scope = is(at.checked_sub(1), "in") && is(at.checked_sub(2), "(");
    match tokens[at].text.as_str() {
        "crate" => !is_scope && (is(Some(at + 1), "::") || is(Some(at + 1), "as")),
        "super" => !is_scope && is(Some(at + 1), "::") && !is(at.checked_sub(1), "::"),
        _ => false,
    }
}

/// Every path of the use tree at a token, from the root of the crate. Gives the token behind the tree.
fn tree(tokens: &[Token], at: usize, base: &[String], found: &mut Vec<(usize, Vec<String>)>) -> usize {
    let mut path = base.to_vec();
    let mut at = at;
    while let Some(token) = tokens.get(at) {
        match token.text.as_str() {
            "{" => {
                let end = close(tokens, at);
                let mut next = at + 1;
                while next < end {
                    next = tree(tokens, next, &path, found);
                    while next < end && !tokens[next].is(",") {
                        next += 1;
                    }
                    next += 1;
                }
                return end + 1;
            }
            "crate" => path.clear(),
            "super" => {
                path.pop();
            }
            "self" => {}
            name => path.push(name.to_owned()),
        }
        let goes_on = tokens.get(at + 1).is_some_and(|token| token.is("::"))
            && tokens.get(at + 2).is_some_and(|token| token.is("{") || token.is("*") || token.is_word());
        if !goes_on {
            found.push((token.line, path));
            return at + 1;
        }
        at += 2;
    }
    at
}

/// A word, a mark, `::`, or a string (which begins with a quotation mark and has no end mark).
#[derive(Debug)]
struct Token {
    text: String,
    line: usize,
}

impl Token {
    fn is(&self, text: &str) -> bool {
        self.text == text
    }

    fn is_word(&self) -> bool {
        self.text.starts_with(|first: char| first.is_alphanumeric() || first == '_')
    }
}

/// The tokens of Rust source, without comments, characters and lifetimes.
fn lex(text: &str) -> Vec<Token> {
    let chars: Vec<char> = text.chars().collect();
    let mut tokens = Vec::new();
    let (mut at, mut line) = (0, 1);
    while at < chars.len() {
        let (end, text) = token(&chars, at);
        if let Some(text) = text {
            tokens.push(Token { text, line });
        }
        line += chars[at..end].iter().filter(|c| **c == '\n').count();
        at = end;
    }
    tokens
}

/// The end of the token at a character, and its text if it counts.
fn token(chars: &[char], at: usize) -> (usize, Option<String>) {
    let look = |ahead: usize| chars.get(at + ahead).copied().unwrap_or('\0');
    let run = |from: usize, wanted: fn(char) -> bool| {
        chars[from..].iter().position(|c| !wanted(*c)).map_or(chars.len(), |length| from + length)
    };
    let word = |c: char| c.is_alphanumeric() || c == '_';
    match (look(0), look(1)) {
        ('/', '/') => (run(at, |c| c != '\n'), None),
        ('/', '*') => (block_comment(chars, at), None),
        (':', ':') => (at + 2, Some("::".to_owned())),
        ('"', _) => string(chars, at),
        ('\'', '\\') => (run(at + 3, |c| c != '\'') + 1, None),
        ('\'', _) if look(2) == '\'' => (at + 3, None),
        ('\'', _) => (run(at + 1, word), None),
        (first, _) if word(first) => {
            let end = run(at, word);
            let name: String = chars[at..end].iter().collect();
            let marks = run(end, |c| c == '#');
            let is_raw = matches!(name.as_str(), "r" | "br" | "cr");
            match chars.get(marks) {
                Some('"') if is_raw => raw_string(chars, marks, marks - end),
                Some(_) if is_raw && marks == end + 1 => token(chars, marks),
                _ => (end, Some(name)),
            }
        }
        (first, _) => (at + 1, (!first.is_whitespace()).then(|| first.to_string())),
    }
}

fn block_comment(chars: &[char], from: usize) -> usize {
    let (mut at, mut depth) = (from, 0_usize);
    while at < chars.len() {
        match (chars[at], chars.get(at + 1)) {
            ('/', Some('*')) => (at, depth) = (at + 2, depth + 1),
            ('*', Some('/')) => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
        if depth == 0 {
            return at;
        }
    }
    chars.len()
}

fn string(chars: &[char], from: usize) -> (usize, Option<String>) {
    let mut at = from + 1;
    while at < chars.len() && chars[at] != '"' {
        at += if chars[at] == '\\' { 2 } else { 1 };
    }
    let end = at.min(chars.len());
    ((end + 1).min(chars.len()), Some(chars[from..end].iter().collect()))
}

/// `quote` is the place of the opening mark, behind so many hashes.
fn raw_string(chars: &[char], quote: usize, hashes: usize) -> (usize, Option<String>) {
    let ends = |at: usize| chars[at] == '"' && chars[at + 1..].iter().take_while(|c| **c == '#').count() >= hashes;
    let end = (quote + 1..chars.len()).find(|at| ends(*at)).unwrap_or(chars.len());
    ((end + 1 + hashes).min(chars.len()), Some(chars[quote..end].iter().collect()))
}
