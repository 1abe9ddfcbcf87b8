//! Rules that people change while riposte runs.

use std::collections::BTreeSet;

use super::rules::rules_of;
use crate::diagnostics::Finding;
use crate::playbook::{Loaded, RuleTable};
use crate::respond::Rules;
use crate::settings::RuleBasis;

/// Looks whether the files of rules have changed.
pub struct Reload {
    basis: RuleBasis,
    rules: Rules,
    /// The rules came from a folder, and not from the program.
    of_folder: bool,
    /// What was found the last time, while somebody may still have been writing it.
    seen: Option<Found>,
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
        /// Some of them want triggers that run only after the next start.
        triggers: bool,
    },
    /// The files have mistakes, so the rules from before stay in force.
    Mistaken(Vec<Finding>),
}

impl Reload {
    /// Watches over the rules in force, which came from these files.
    #[must_use]
    pub fn new(basis: RuleBasis, rules: Rules) -> Self {
        let of_folder = basis.rules.dir.exists();
        Self { basis, rules, of_folder, seen: None }
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
                let names = |table: &RuleTable| -> BTreeSet<String> {
                    table.triggers().iter().map(|written| written.trigger.name.clone()).collect()
                };
                let triggers = !names(&table).is_subset(&names(&now));
                self.rules.replace(table);
                Some(Reloaded::Replaced { triggers })
            }
            None if !settled => Some(Reloaded::Mistaken(loaded.findings)),
            Some(_) | None => None,
        }
    }

    /// A folder that is gone for a moment must not put the shipped rules in force.
    fn read(&self) -> Loaded {
        let dir = &self.basis.rules.dir;
        if self.of_folder && !dir.exists() {
            let finding = Finding::error("rule/unreadable", format!("the folder {} is gone", dir.display()));
            return Loaded { table: None, findings: vec![finding] };
        }
        rules_of(&self.basis)
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
            },
            cloud: crate::settings::Cloud::Global,
            rails: crate::settings::RuleRails::default(),
            polls: true,
            workspaces: None,
        };
        let rules = Rules::new(rules_of(&basis).table.unwrap());
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
        std::fs::remove_dir_all(folder.path()).unwrap();
        assert!(matches!(reload.look(), Some(Reloaded::Mistaken(_))));
        assert_eq!(mode(), Some(Mode::Simulate), "the shipped rules are not in force");
    }
}
