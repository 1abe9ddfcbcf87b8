//! What rules and playbooks are called, also those that cannot be used, so that what names them elsewhere is no second
//! mistake.

use std::collections::BTreeSet;
use std::path::Path;

use super::fields::is_name;
use super::yaml::Node;
use crate::diagnostics::{Source, suggest};

/// The names of all rules, or of all playbooks.
#[derive(Debug, Default)]
pub(super) struct Names {
    known: BTreeSet<String>,
    /// Those of them that are names.
    sure: BTreeSet<String>,
    /// Some file does not say what it is called.
    nameless: bool,
}

impl Names {
    /// Of files that cannot even be read: they are most likely called as the files are.
    pub(super) fn unread(stems: &BTreeSet<String>) -> Self {
        Self { known: stems.clone(), sure: BTreeSet::new(), nameless: !stems.is_empty() }
    }

    /// The name a file gives itself by `key`. Of a file that is broken, its own line says it; of one that says none, or one
    /// that cannot be used, the file's name does most likely.
    pub(super) fn add(&mut self, source: &Source, node: Option<&Node>, key: &str) {
        let line = || source.text().lines().find_map(|line| line.strip_prefix(key)?.strip_prefix(':'));
        let written = node
            .and_then(|node| node.word(key))
            .or_else(|| line().map(|name| name.trim().trim_matches(['"', '\'']).to_owned()))
            .filter(|name| name.contains(char::is_alphanumeric));
        let sure = written.as_deref().filter(|name| is_name(name));
        self.nameless |= written.is_none();
        if sure.is_none() {
            self.known.extend(stem(Path::new(source.name())));
        }
        self.sure.extend(sure.map(str::to_owned));
        self.known.extend(written.as_deref().map(as_name));
        self.known.extend(written);
    }

    /// All that are known.
    pub(super) fn known(&self) -> impl Iterator<Item = &str> {
        self.known.iter().map(String::as_str)
    }

    /// Whether nothing is called so. Where a file does not say its name, only a slip of one that is known is sure.
    pub(super) fn lack(&self, name: &str) -> bool {
        !self.known.contains(name) && (!self.nameless || suggest::nearest(name, &self.sure).is_some())
    }
}

/// What a text would most likely be called if it were a name.
fn as_name(text: &str) -> String {
    let fit = |c: char| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '-' };
    text.chars().map(fit).collect::<String>().trim_matches('-').to_owned()
}

/// A file's name without its ending.
pub(super) fn stem(path: &Path) -> Option<String> {
    Some(path.file_stem()?.to_str()?.to_owned())
}
