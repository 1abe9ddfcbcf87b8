//! Rules that people change while riposte runs.

use std::sync::Arc;

use super::rules::rules_of;
use crate::diagnostics::Finding;
use crate::model::trigger::Trigger;
use crate::playbook::{Loaded, WrittenTrigger};
use crate::respond::Rules as InForce;
use crate::settings::{RuleBasis, Rules};

/// Looks whether the files of rules have changed.
pub struct Reload {
    basis: RuleBasis,
    rules: InForce,
    /// The triggers that run: those of the start.
    running: Vec<Arc<Trigger>>,
    /// A folder of rules was there, and the modes in force stand in a file.
    had: Had,
    /// What was found the last time, while somebody may still have been writing it.
    seen: Option<Found>,
}

/// What must be there again, or nothing is put in force.
#[derive(Clone, Copy, Default)]
struct Had {
    folder: bool,
    modes: bool,
}

/// What the files say, if they can be used.
#[derive(Clone, PartialEq, Eq)]
enum Found {
    Table(String),
    Mistakes(String),
}

/// What a look came to.
#[derive(Debug)]
pub enum Reloaded {
    /// Other rules are in force.
    Replaced {
        /// Some of them want triggers that are new or have changed, which run so only after the next start.
        triggers: bool,
    },
    /// The files have mistakes, so the rules from before stay in force.
    Mistaken(Vec<Finding>),
}

impl Reload {
    /// Watches over the rules in force, which came from these files.
    #[must_use]
    pub fn new(basis: RuleBasis, rules: InForce) -> Self {
        let running = rules.now().triggers().iter().map(|written| Arc::clone(&written.trigger)).collect();
        let mut reload = Self { basis, rules, running, had: Had::default(), seen: None };
        reload.note_what_is_there();
        reload
    }

    /// Reads all files; blocks while it does. Another table is put in force when two looks have found the same, so that
    /// half a file is never one. Mistakes are told once.
    pub fn look(&mut self) -> Option<Reloaded> {
        let loaded = self.read();
        let now = self.rules.now();
        let found = match &loaded.table {
            Some(table) => Found::Table(table.digest().to_owned()),
            None => Found::Mistakes(loaded.findings.iter().map(Finding::message).collect::<Vec<_>>().join("\n")),
        };
        let before = self.seen.replace(found.clone());
        let settled = before.as_ref() == Some(&found);
        match loaded.table {
            Some(table) if table.digest() != now.digest() && settled => {
                let runs = |written: &WrittenTrigger| self.running.contains(&written.trigger);
                let triggers = !table.triggers().iter().all(runs);
                self.rules.replace(table);
                self.note_what_is_there();
                Some(Reloaded::Replaced { triggers })
            }
            None if !settled => Some(Reloaded::Mistaken(loaded.findings)),
            Some(_) | None => None,
        }
    }

    /// A folder or file that is gone for a moment must not put the shipped rules in force, or other modes.
    fn read(&self) -> Loaded {
        let Rules { dir, modes, .. } = &self.basis.rules;
        for (had, path) in [(self.had.folder, dir), (self.had.modes, modes)] {
            if had && !path.exists() {
                let finding = Finding::error("rule/unreadable", format!("{} is gone", path.display()));
                return Loaded { table: None, findings: vec![finding] };
            }
        }
        rules_of(&self.basis)
    }

    fn note_what_is_there(&mut self) {
        let Rules { dir, modes, .. } = &self.basis.rules;
        self.had = Had { folder: self.had.folder || dir.exists(), modes: self.had.modes || modes.exists() };
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::action::Mode;

    const RULE: &str = "rule: r\nwhy: w\nowner: o@contoso.com\nalert: [mdi/2006]\ndo: contain\n";
    const PLAYBOOK: &str = "playbook: contain\nwhy: w\nsteps:\n  - do: disable-ad-user\n";

    #[test]
    fn a_change_counts_at_the_second_look_and_mistakes_leave_the_earlier_rules_in_force() {
        let folder = tempfile::tempdir().unwrap();
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        std::fs::create_dir(folder.path().join("rules")).unwrap();
        write("rules/r.yaml", RULE);
        write("contain.yaml", PLAYBOOK);
        write("modes.yaml", "r: enforce\n");
        let basis = RuleBasis {
            rules: crate::settings::Rules {
                dir: folder.path().to_owned(),
                modes: folder.path().join("modes.yaml"),
                kql: None,
                tables: None,
            },
            cloud: crate::settings::Cloud::Global,
            rails: crate::settings::RuleRails::default(),
            polls: true,
            workspaces: None,
        };
        let rules = InForce::new(rules_of(&basis).table.unwrap());
        let mode = || rules.now().rule("r").map(|rule| rules.now().mode(rule));
        let mut reload = Reload::new(basis, rules.clone());
        assert!(reload.look().is_none() && reload.look().is_none(), "nothing has changed");
        write("modes.yaml", "r: simulate\n");
        assert!(reload.look().is_none() && mode() == Some(Mode::Enforce), "somebody may still be writing");
        assert!(matches!(reload.look(), Some(Reloaded::Replaced { triggers: false })));
        assert_eq!(mode(), Some(Mode::Simulate));
        write("modes.yaml", "r: enforce\nnobody: enforce\n");
        assert!(matches!(reload.look(), Some(Reloaded::Mistaken(findings)) if !findings.is_empty()));
        assert!(reload.look().is_none(), "told once");
        assert_eq!(mode(), Some(Mode::Simulate));
        std::fs::remove_file(folder.path().join("modes.yaml")).unwrap();
        assert!(matches!(reload.look(), Some(Reloaded::Mistaken(_))));
        assert!(reload.look().is_none());
        assert_eq!(mode(), Some(Mode::Simulate), "no other modes are in force");
        write("modes.yaml", "r: enforce\n");
        assert!(reload.look().is_none());
        assert!(matches!(reload.look(), Some(Reloaded::Replaced { triggers: false })));
        assert_eq!(mode(), Some(Mode::Enforce));
        std::fs::remove_dir_all(folder.path()).unwrap();
        assert!(matches!(reload.look(), Some(Reloaded::Mistaken(_))));
        assert!(reload.look().is_none());
        assert_eq!(mode(), Some(Mode::Enforce), "the shipped rules are not in force");
    }
}
