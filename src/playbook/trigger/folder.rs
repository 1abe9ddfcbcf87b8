//! All triggers that rules can name: those of a folder, and the shipped ones beside them.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::{Origin, WrittenTrigger, query, stem_and_ending, written};
use crate::diagnostics::{Finding, Findings, Source, quoted, suggest};
use crate::kql::KnownTables;
use crate::model::trigger::Engine;
use crate::playbook::catalogue::Entry;
use crate::playbook::load::LoadContext;

/// The text of a trigger.
#[derive(Debug, Clone)]
pub(in crate::playbook) struct TriggerFile {
    pub(in crate::playbook) source: Source,
    /// The rows it is tried on.
    pub(in crate::playbook) test: Option<Source>,
    /// Part of the program: one of the same name in the folder goes before it.
    pub(in crate::playbook) shipped: bool,
}

/// The triggers that rules can name.
#[derive(Debug, Default)]
pub(in crate::playbook) struct Triggers {
    usable: BTreeMap<String, WrittenTrigger>,
    /// The ids of all, also of those with mistakes in them.
    ids: BTreeSet<String>,
    /// The ids of those that somebody wrote.
    own: BTreeSet<String>,
}

impl TriggerFile {
    /// How rules name it.
    fn id(&self) -> String {
        format!("kql/{}", written(stem_and_ending(&self.source).0))
    }
}

impl Triggers {
    pub(in crate::playbook) fn read(
        files: &[TriggerFile],
        tables: &KnownTables,
        context: &LoadContext,
        findings: &mut Findings,
    ) -> Self {
        let mut triggers = Self::default();
        let shipped: BTreeSet<String> = files.iter().filter(|file| file.shipped).map(TriggerFile::id).collect();
        // Those of the folder first, so that a shipped one of the same name is passed over.
        for file in files.iter().filter(|file| !file.shipped) {
            let namesakes: Vec<&str> = files
                .iter()
                .filter(|other| !other.shipped && other.id() == file.id())
                .map(|other| other.source.name())
                .collect();
            if namesakes.len() > 1 {
                let message = format!("there are {} triggers {}", namesakes.len(), file.id());
                let finding = Finding::error("trigger/duplicate-name", message).at_place(&file.source.whole());
                let names = namesakes.join(", ");
                findings.add(
                    finding.help(format!(
                        "keep one name for each of {names}; capitals and endings tell no triggers apart"
                    )),
                );
            }
            if !triggers.own.insert(file.id()) {
                continue;
            }
            let origin = if shipped.contains(&file.id()) { Origin::Instead } else { Origin::Own };
            triggers.add(file, origin, (tables, context), findings);
        }
        for file in files.iter().filter(|file| file.shipped && !triggers.own.contains(&file.id())).collect::<Vec<_>>() {
            triggers.add(file, Origin::Shipped, (tables, context), findings);
        }
        triggers
    }

    fn add(
        &mut self,
        file: &TriggerFile,
        origin: Origin,
        (tables, context): (&KnownTables, &LoadContext),
        findings: &mut Findings,
    ) {
        self.ids.insert(file.id());
        let Some(mut written) = WrittenTrigger::read(&file.source, findings) else { return };
        let named = workspaces(&written, context, findings);
        if query::check(&mut written, tables, findings) && named && written.sound {
            written.test.clone_from(&file.test);
            written.origin = origin;
            self.usable.insert(file.id(), written);
        }
    }

    /// How rules see the alerts of a trigger.
    pub(in crate::playbook) fn entry(&self, id: &str) -> Option<&Arc<Entry>> {
        self.usable.get(id).map(|written| &written.entry)
    }

    /// The ids of all triggers, also of those with mistakes in them.
    pub(in crate::playbook) fn ids(&self) -> impl Iterator<Item = &str> {
        self.ids.iter().map(String::as_str)
    }

    /// Those that somebody wrote, and that no rule names.
    pub(in crate::playbook) fn unused<'a>(
        &'a self,
        used: &'a BTreeSet<&str>,
    ) -> impl Iterator<Item = &'a WrittenTrigger> {
        let idle = self.own.iter().filter(|id| !used.contains(id.as_str()));
        idle.filter_map(|id| self.usable.get(id))
    }

    /// Those that are used, by name.
    pub(in crate::playbook) fn used(mut self, used: &BTreeSet<&str>) -> Vec<WrittenTrigger> {
        self.usable.retain(|id, _| used.contains(id.as_str()));
        self.usable.into_values().collect()
    }

    /// A usable trigger.
    pub(in crate::playbook) fn get(&self, id: &str) -> Option<&WrittenTrigger> {
        self.usable.get(id)
    }
}

/// Whether the workspaces that a trigger names are in the settings, as far as these are known.
fn workspaces(written: &WrittenTrigger, context: &LoadContext, findings: &mut Findings) -> bool {
    let mut sound = true;
    for named in &written.workspaces {
        let mut wrong = |message: String, help: &str, nearest: Option<&str>| {
            let finding = Finding::error("trigger/workspace", message).at_place(&named.place).help(help);
            findings.add(finding.help_nearest(nearest));
            sound = false;
        };
        if written.trigger.engine == Engine::Hunting {
            wrong("hunting knows no workspaces".to_owned(), "leave the line out, or the line \"engine\"", None);
            continue;
        }
        let Some(known) = &context.workspaces else { continue };
        if !known.iter().any(|name| name.eq_ignore_ascii_case(&named.value)) {
            let help = match known.as_slice() {
                [] => "the settings name no workspace".to_owned(),
                known => format!("one of: {}", known.join(", ")),
            };
            let message = format!("{} is no workspace of the settings", quoted(&named.value));
            wrong(message, &help, suggest::nearest(&named.value, known));
        }
    }
    sound
}
