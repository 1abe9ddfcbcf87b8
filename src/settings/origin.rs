//! Where a value came from, and the findings that point there.

use std::cell::RefCell;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use regex::Regex;

use crate::diagnostics::{Finding, Findings, Level, Source, Span, quoted};

/// Where a value came from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// The file.
    File {
        /// Its key.
        key: Span,
        /// The value itself.
        value: Span,
    },
    /// An environment variable of that name.
    Variable(String),
    /// A flag that sets this path.
    Flag(String),
    /// Nowhere: it is missing, or a default.
    Start,
}

impl Origin {
    /// What to call the setting at `path` so that a person finds it.
    pub(super) fn name(&self, path: &str) -> String {
        match self {
            Self::Variable(name) => format!("environment variable {}", quoted(name).trim_matches('"')),
            Self::Flag(path) => format!("flag {}", quoted(path).trim_matches('"')),
            Self::File { .. } | Self::Start => quoted(path).trim_matches('"').to_owned(),
        }
    }

    /// The value's place in the file.
    pub(super) const fn span(&self) -> Option<Span> {
        match self {
            Self::File { value, .. } => Some(*value),
            Self::Variable(_) | Self::Flag(_) | Self::Start => None,
        }
    }

    /// Which of two origins is the later layer: flags over variables over the file.
    pub(super) const fn rank(&self) -> u8 {
        match self {
            Self::Start => 0,
            Self::File { .. } => 1,
            Self::Variable(_) => 2,
            Self::Flag(_) => 3,
        }
    }

    /// The same origin, pointing at the key.
    pub(super) fn at_key(&self) -> Self {
        match self {
            Self::File { key, .. } => Self::File { key: *key, value: *key },
            Self::Variable(_) | Self::Flag(_) | Self::Start => self.clone(),
        }
    }
}

struct Draft {
    level: Level,
    code: &'static str,
    span: Option<Span>,
    message: String,
    help: Option<String>,
}

/// One reading of the settings: what is read, and everything found while reading.
pub(super) struct Reading {
    file: Option<(String, String)>,
    folder: PathBuf,
    variables: BTreeMap<String, String>,
    origins: RefCell<Vec<Origin>>,
    tables: RefCell<BTreeMap<String, Origin>>,
    drafts: RefCell<Vec<Draft>>,
    hidden: RefCell<Vec<Span>>,
}

impl Reading {
    /// Of a file (name and text) that lies in `folder`, and an environment.
    pub(super) fn new(file: Option<(String, String)>, folder: PathBuf, variables: BTreeMap<String, String>) -> Self {
        Self {
            file,
            folder,
            variables,
            origins: RefCell::default(),
            tables: RefCell::default(),
            drafts: RefCell::default(),
            hidden: RefCell::default(),
        }
    }

    /// The file's text, empty without a file.
    pub(super) fn file_text(&self) -> &str {
        self.file.as_ref().map_or("", |(_, text)| text)
    }

    /// The folder from which paths inside the file are meant.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// All environment variables, by name.
    pub(super) fn variables(&self) -> impl Iterator<Item = (&str, &str)> {
        self.variables.iter().map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// One environment variable; an empty one counts as not set.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Remembers an origin; the answer is the text by which [`Self::origin`] finds it again.
    pub(super) fn keep(&self, origin: Origin) -> String {
        let mut origins = self.origins.borrow_mut();
        origins.push(origin);
        (origins.len() - 1).to_string()
    }

    /// The origin that was kept under this text.
    pub(super) fn origin(&self, kept: Option<&str>) -> Origin {
        let index = kept.and_then(|text| text.parse::<usize>().ok());
        index.and_then(|n| self.origins.borrow().get(n).cloned()).unwrap_or(Origin::Start)
    }

    /// Remembers where a table stands in the file: merging layers loses that.
    pub(super) fn keep_table(&self, path: &str, origin: &Origin) {
        self.tables.borrow_mut().insert(path.to_owned(), origin.at_key());
    }

    /// Remembers who makes the tables on the way to the path `okta[0].token`, where the file does not have them.
    pub(super) fn keep_tables_above(&self, path: &str, origin: &Origin) {
        let mut tables = self.tables.borrow_mut();
        for (at, _) in path.match_indices(['.', '[']) {
            tables.entry(path[..at].to_owned()).or_insert_with(|| origin.clone());
        }
    }

    /// Where the table stands, or who made it.
    pub(super) fn table_origin(&self, path: &str) -> Origin {
        self.tables.borrow().get(path).cloned().unwrap_or(Origin::Start)
    }

    /// Nothing shown to anybody may quote this part of the file.
    pub(super) fn hide(&self, span: Span) {
        self.hidden.borrow_mut().push(span);
    }

    /// Adds an error.
    pub(super) fn error(&self, code: &'static str, at: &Origin, message: impl Into<String>, help: Option<&str>) {
        self.add(Level::Error, code, at, message.into(), help);
    }

    /// Adds a warning.
    pub(super) fn warning(&self, code: &'static str, at: &Origin, message: impl Into<String>, help: Option<&str>) {
        self.add(Level::Warning, code, at, message.into(), help);
    }

    /// How many errors were found by now.
    fn errors(&self) -> usize {
        self.drafts.borrow().iter().filter(|draft| draft.level == Level::Error).count()
    }

    /// What `read` reads, and whether it did so without an error.
    pub(super) fn soundly<T>(&self, read: impl FnOnce() -> T) -> (T, bool) {
        let before = self.errors();
        let value = read();
        (value, self.errors() == before)
    }

    /// Whether something with this code was found.
    pub(super) fn has(&self, code: &str) -> bool {
        self.drafts.borrow().iter().any(|draft| draft.code == code)
    }

    fn add(&self, level: Level, code: &'static str, at: &Origin, message: String, help: Option<&str>) {
        let span = match at {
            Origin::File { value, .. } => Some(*value),
            Origin::Start => Some(Span::default()),
            Origin::Variable(_) | Origin::Flag(_) => None,
        };
        let help = help.map(str::to_owned);
        // What has no place in a file says by its name where it came from.
        let message = match at {
            Origin::Variable(_) | Origin::Flag(_) if !message.contains(&at.name("")) => {
                format!("{}: {message}", at.name(""))
            }
            Origin::Variable(_) | Origin::Flag(_) | Origin::File { .. } | Origin::Start => message,
        };
        self.drafts.borrow_mut().push(Draft { level, code, span, message, help });
    }

    /// Everything that was found. The text shown beside it has stars where secrets stood.
    pub(super) fn findings(self) -> Findings {
        let source = self.file.map(|(name, text)| Source::new(name, masked(text, &self.hidden.into_inner())));
        self.drafts
            .into_inner()
            .into_iter()
            .map(|draft| {
                let mut finding = Finding::new(draft.level, draft.code, draft.message);
                if let (Some(source), Some(span)) = (&source, draft.span) {
                    finding = finding.at(source, span);
                }
                match draft.help {
                    Some(help) => finding.help(help),
                    None => finding,
                }
            })
            .collect()
    }
}

/// Somebody's value in quotes, without the credentials that a URL may carry.
pub(super) fn shown(text: &str) -> String {
    let text = USER_INFO.replace_all(text, "://***@");
    quoted(&OPTION.replace_all(&text, "${1}***"))
}

static OPTION: LazyLock<Regex> = LazyLock::new(|| pattern(r#"(?i)([?&](?:password|pwd|token|secret)=)[^&"'\s]*"#));
static USER_INFO: LazyLock<Regex> = LazyLock::new(|| pattern(r#"://[^\s"']*@"#));
// Also for a file that is no TOML yet, of which no tree can say where its secrets stand.
static ASSIGNMENT: LazyLock<Regex> = LazyLock::new(|| {
    pattern(
        r#"(?i)(?:secret|token|passw(?:or)?d|pwd|api_?key)["']?[ \t]*=[ \t]*("""(?s:.*?)(?:"""|\z)|'''(?s:.*?)(?:'''|\z)|"(?:[^"\\\n]|\\.)*"?|'[^'\n]*'?|[^\s{,][^\n]*)"#,
    )
});

#[expect(clippy::expect_used, reason = "the patterns are constants, and the tests of this file use every one")]
fn pattern(text: &str) -> Regex {
    Regex::new(text).expect("a constant pattern")
}

fn masked(text: String, hidden: &[Span]) -> String {
    let found = USER_INFO.find_iter(&text).map(|found| Span::from(found.start() + 3..found.end() - 1));
    let assigned = ASSIGNMENT.captures_iter(&text).filter_map(|found| found.get(1)).map(|value| value.range().into());
    let hidden: Vec<Span> = hidden.iter().copied().chain(found).chain(assigned).collect();
    if hidden.is_empty() {
        return text;
    }
    let stars = |(at, c): (usize, char)| {
        let inside = hidden.iter().any(|span| (span.start..span.end).contains(&at));
        if inside && c != '\n' { "*".repeat(c.len_utf8()) } else { c.to_string() }
    };
    text.char_indices().map(stars).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn secrets_become_stars_of_the_same_length_even_in_broken_files() {
        let cases = [
            "token = \"hunter2\"",
            "client_secret='hunter2",
            "password = \"\"\"\nhunter2\n\"\"\"",
            "x = { user = \"u\", password = \"a\\\"hunter2\" }",
            "TOKEN = hunter2",
            "url = \"http://u:hunter2@proxy:1\"",
            "url = \"postgres://u:a/hunter2@h/db\"",
            "# api_key = \"hunter2\"",
        ];
        for text in cases {
            let shown = masked(text.to_owned(), &[]);
            assert_eq!(shown.len(), text.len(), "{text}");
            assert!(!shown.contains("hunter2"), "{shown}");
        }
    }

    #[test]
    fn what_is_no_secret_stays_readable() {
        let text = "token_file = \"/run/token\"\ntoken = { env = \"OKTA_TOKEN\" }\nurl = \"https://a.b\"";
        assert_eq!(masked(text.to_owned(), &[]), text);
    }

    #[test]
    fn a_quoted_url_loses_its_credentials() {
        assert_eq!(shown("http://u:p@ss@h:1/x"), "\"http://***@h:1/x\"");
        assert_eq!(shown("postgres://u:p/s?s@h/db"), "\"postgres://***@h/db\"");
    }
}
