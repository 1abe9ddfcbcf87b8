//! The alert catalogue: which alerts Defender for Identity raises, and who is who in them.
//!
//! The table is `catalogue.tsv`; its head says where the facts come from and which columns are our judgement.

use std::collections::HashMap;
use std::sync::{Arc, LazyLock};

use crate::diagnostics::suggest;
use crate::model::account::Role;
use crate::model::alert::Severity;
use crate::model::trigger::Trigger;

/// One kind of alert.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// How rules name it: `mdi/2006` by external id, `mdi/xdr_OktaAnonymousUserAccess` by detector, and
    /// `mdi/xdr_AsrepRoastingAttack/as-rep-roasting` where alerts of different names share a detector; `kql/NAME` for
    /// the alerts of a trigger.
    pub id: String,
    /// Who raises it.
    pub kind: Kind,
    /// Its title.
    pub name: String,
    /// The title it had before.
    pub previous_name: Option<String>,
    /// The stable number of a classic alert.
    pub external_id: Option<String>,
    /// `AlertType` of a classic alert, `detectorId` of an XDR alert.
    pub detector: Option<String>,
    /// The highest severity the documentation gives it.
    pub severity: Option<Severity>,
    /// MITRE ATT&CK tactics, as `SecurityAlert.Tactics` spells them.
    pub tactics: Vec<String>,
    /// MITRE ATT&CK techniques and sub-techniques.
    pub techniques: Vec<String>,
    /// What an account is when the alert names exactly one; `None` where one account can be either side.
    pub sole_role: Option<Role>,
    /// Somebody without rights over an account can raise the alert with that account's name in it.
    pub attacker_chooses_name: bool,
}

/// Who raises an alert: a generation of Defender for Identity, or a query of our own.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Kind {
    /// Documented with an external id.
    Classic,
    /// Documented with a detector `xdr_...`.
    Xdr,
    /// A detector `xdr_...` that is seen in public text only.
    XdrObserved,
    /// This trigger. It is not part of the catalogue.
    Trigger(Arc<Trigger>),
}

/// All alerts, indexed by what identifies them.
#[derive(Debug)]
pub struct Catalogue {
    entries: Vec<Arc<Entry>>,
    by_id: HashMap<String, usize>,
    by_external_id: HashMap<String, usize>,
    by_detector: HashMap<String, Vec<usize>>,
    by_title: HashMap<String, Vec<usize>>,
}

static CATALOGUE: LazyLock<Catalogue> = LazyLock::new(|| Catalogue::read(include_str!("catalogue.tsv")));

impl Entry {
    /// The alerts of a trigger. A row states the roles of its accounts; an account alone is what the trigger says of it.
    pub(super) fn of_trigger(trigger: &Arc<Trigger>) -> Self {
        let sole_role = match trigger.accounts.as_slice() {
            [mapping] => Some(mapping.role).filter(|role| *role != Role::Unknown),
            _ => None,
        };
        Self {
            id: trigger.id(),
            kind: Kind::Trigger(Arc::clone(trigger)),
            name: trigger.title.clone(),
            previous_name: None,
            external_id: None,
            detector: Some(trigger.id()),
            severity: Some(trigger.severity),
            tactics: trigger.tactics.clone(),
            techniques: Vec::new(),
            sole_role,
            attacker_chooses_name: false,
        }
    }

    /// Whether the alert is about stolen or forged credentials: somebody else may hold the password or a ticket.
    pub fn is_credential_theft(&self) -> bool {
        self.tactics.iter().any(|tactic| tactic == "CredentialAccess")
            || self.techniques.iter().any(|technique| technique.starts_with("T1550"))
    }

    /// Whether the alert is about a honeytoken: an account that is there to be attacked.
    pub fn is_about_bait(&self) -> bool {
        self.name.contains("Honeytoken")
    }

    fn is_titled(&self, title: &str) -> bool {
        self.titles().any(|known| known.to_lowercase() == title)
    }

    fn titles(&self) -> impl Iterator<Item = &str> {
        [Some(self.name.as_str()), self.previous_name.as_deref()].into_iter().flatten()
    }
}

impl Catalogue {
    /// The catalogue of this build.
    pub fn get() -> &'static Self {
        &CATALOGUE
    }

    /// All entries, in the order of the file.
    pub fn entries(&self) -> &[Arc<Entry>] {
        &self.entries
    }

    /// The entry of an id as rules write it.
    pub fn by_id(&self, id: &str) -> Option<&Arc<Entry>> {
        self.by_id.get(id).and_then(|index| self.entries.get(*index))
    }

    /// The id that a word which is none most likely means.
    pub fn nearest_id(&self, word: &str) -> Option<&str> {
        suggest::nearest(word, self.entries.iter().map(|entry| entry.id.as_str()))
    }

    /// Which alert a source shows: by external id; else by detector, with the title where several alerts share it; else
    /// by the exact title, present or previous, in any case. `None` where that leaves none or several.
    pub fn identify(&self, detector: &str, external_id: Option<&str>, title: &str) -> Option<&Arc<Entry>> {
        if let Some(index) = external_id.and_then(|id| self.by_external_id.get(id.trim())) {
            return self.entries.get(*index);
        }
        let title = title.trim().to_lowercase();
        if let Some(sharing) = self.by_detector.get(&detector.trim().to_lowercase()) {
            let mut fitting = sharing
                .iter()
                .filter_map(|index| self.entries.get(*index))
                .filter(|e| sharing.len() == 1 || e.is_titled(&title));
            return fitting.next().filter(|_| fitting.next().is_none());
        }
        match self.by_title.get(&title).map(Vec::as_slice) {
            Some([index]) => self.entries.get(*index),
            Some(_) | None => None,
        }
    }

    fn read(table: &str) -> Self {
        let lines = table.lines().filter(|line| !line.starts_with('#')).skip(1);
        let entries: Vec<Entry> = lines.filter_map(entry).collect();
        let mut catalogue = Self {
            by_id: HashMap::new(),
            by_external_id: HashMap::new(),
            by_detector: HashMap::new(),
            by_title: HashMap::new(),
            entries: Vec::new(),
        };
        for (index, entry) in entries.iter().enumerate() {
            catalogue.by_id.insert(entry.id.clone(), index);
            if let Some(id) = &entry.external_id {
                catalogue.by_external_id.insert(id.clone(), index);
            }
            if let Some(detector) = &entry.detector {
                catalogue.by_detector.entry(detector.to_lowercase()).or_default().push(index);
            }
            for title in entry.titles() {
                let same = catalogue.by_title.entry(title.to_lowercase()).or_default();
                if !same.contains(&index) {
                    same.push(index);
                }
            }
        }
        catalogue.entries = entries.into_iter().map(Arc::new).collect();
        catalogue
    }
}

fn entry(line: &str) -> Option<Entry> {
    let fields: Vec<&str> = line.split('\t').collect();
    let [id, kind, name, previous, external, detector, severity, tactics, techniques, role, chooses] = fields[..]
    else {
        return None;
    };
    let kind = match kind {
        "classic" => Kind::Classic,
        "xdr" => Kind::Xdr,
        "xdr-observed" => Kind::XdrObserved,
        _ => return None,
    };
    let sole_role = match role {
        "suspect" => Some(Role::Suspect),
        "target" => Some(Role::Target),
        _ => None,
    };
    Some(Entry {
        id: id.to_owned(),
        kind,
        name: name.to_owned(),
        previous_name: some(previous),
        external_id: some(external),
        detector: some(detector),
        severity: some(severity).map(|word| Severity::read(&word)),
        tactics: tactics.split_whitespace().map(str::to_owned).collect(),
        techniques: techniques.split_whitespace().map(str::to_owned).collect(),
        sole_role,
        attacker_chooses_name: chooses == "yes",
    })
}

fn some(field: &str) -> Option<String> {
    (!field.is_empty()).then(|| field.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn identified(detector: &str, external_id: Option<&str>, title: &str) -> Option<&'static str> {
        Catalogue::get().identify(detector, external_id, title).map(|entry| entry.id.as_str())
    }

    #[test]
    fn every_line_of_the_table_is_read_and_every_id_is_its_own() {
        let lines = include_str!("catalogue.tsv").lines().filter(|line| !line.starts_with('#')).count() - 1;
        let catalogue = Catalogue::get();
        assert_eq!((catalogue.entries().len(), catalogue.by_id.len()), (lines, lines));
        assert_eq!(lines, 133);
    }

    #[test]
    fn the_external_id_wins_over_detector_and_title() {
        assert_eq!(identified("HoneytokenActivitySecurityAlert", Some("2006"), "x"), Some("mdi/2006"));
        assert_eq!(identified("HoneytokenActivitySecurityAlert", None, "x"), Some("mdi/2014"));
        assert_eq!(identified("HoneytokenActivitySecurityAlert", Some("9999"), "x"), Some("mdi/2014"));
    }

    #[test]
    fn a_shared_detector_needs_a_title_that_fits_one_of_its_alerts() {
        let shared = "xdr_CredentialStuffingToolObserved";
        assert_eq!(
            identified(shared, None, "possibly compromised USER account signed in"),
            Some("mdi/xdr_CredentialStuffingToolObserved/possibly-compromised-user-account-signed-in")
        );
        assert_eq!(identified(shared, None, "something new"), None);
        assert_eq!(identified(shared, None, "Suspicious inbox rule"), None, "a title of another detector");
        assert_eq!(
            identified("EncryptionDowngradeSecurityAlert", None, "Encryption downgrade activity"),
            Some("mdi/2010")
        );
    }

    #[test]
    fn two_alerts_that_fit_equally_well_are_none() {
        let table =
            "head\nmdi/1\tclassic\tNew one\tOld\t1\tD\t\t\t\t\t\nmdi/2\tclassic\tNew two\tOld\t2\tD\t\t\t\t\t\n";
        let catalogue = Catalogue::read(table);
        assert_eq!(catalogue.identify("D", None, "old"), None);
        assert_eq!(catalogue.identify("", None, "old"), None);
        assert_eq!(catalogue.identify("d", None, "new two").map(|entry| entry.id.as_str()), Some("mdi/2"));
    }

    #[test]
    fn a_title_is_enough_only_when_one_alert_has_it() {
        assert_eq!(identified("", None, "Malicious replication of directory services"), Some("mdi/2006"));
        assert_eq!(identified("NoSuchDetector", None, "group policy tampering "), Some("mdi/2440"));
        assert_eq!(identified("", None, "Kerberos golden ticket"), None, "two alerts had it");
        assert_eq!(identified("", None, ""), None);
    }

    #[test]
    fn alerts_in_which_an_outsider_picks_the_name_give_nobody_a_suspect() {
        for entry in Catalogue::get().entries().iter().filter(|entry| entry.attacker_chooses_name) {
            assert_ne!(entry.sole_role, Some(Role::Suspect), "{}", entry.id);
        }
    }

    #[test]
    fn a_slip_in_an_id_is_found() {
        assert_eq!(
            Catalogue::get().nearest_id("mdi/xdr_OktaAnonymousUserAcess"),
            Some("mdi/xdr_OktaAnonymousUserAccess")
        );
    }
}
