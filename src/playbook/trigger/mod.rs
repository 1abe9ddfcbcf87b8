//! Triggers: queries of our own whose rows become alerts.
//!
//! Two forms are read: a `.kql` file whose leading comments say what the daemon needs (`header`), and a Sentinel
//! analytics rule in YAML as it stands (`sentinel`). Rules answer a trigger as `kql/NAME`.

mod folder;
mod header;
mod query;
mod sentinel;
mod text;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use super::catalogue::Entry;
use super::fields::Placed;
use crate::diagnostics::{Finding, Findings, Place, Source, Span, quoted, suggest};
use crate::kql::{KnownTables, Schema, compile_query};
use crate::model::account::Role;
use crate::model::trigger::{AccountMapping, Identifier, Same, Trigger};

pub(super) use folder::{TriggerFile, Triggers};

/// A trigger as somebody wrote it.
#[derive(Debug, Clone)]
pub struct WrittenTrigger {
    /// What is run.
    pub trigger: Arc<Trigger>,
    /// How rules see its alerts.
    pub entry: Arc<Entry>,
    /// The workspaces it runs on, by their names in the settings; all when empty. Log Analytics only.
    pub workspaces: Vec<Placed<String>>,
    /// Where its query stands.
    pub place: Place,
    /// Where each column is named that it wants of its rows.
    named: BTreeMap<String, Place>,
    /// Its header can be used. Where it cannot, the query is checked all the same, and it never runs.
    sound: bool,
    /// The tables it reads, each with the columns that are known of it.
    pub tables: BTreeMap<String, Schema>,
    /// What it reads that leaves its alerts without a witness, where it reads such a thing.
    pub unwitnessed: Option<String>,
    /// Whose it is.
    pub origin: Origin,
    /// The rows it is tried on, with the alerts that must come of them.
    pub test: Option<Source>,
}

/// Whose a trigger is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// Part of the program.
    Shipped,
    /// Somebody's own.
    Own,
    /// Somebody's own, which goes before a shipped one of the same name.
    Instead,
}

/// What a trigger of the poll query's name would be called.
const POLL_QUERY: &str = "security-alerts";
/// Runs more often than this help nobody, and the quotas of both APIs are shared with everything else.
const MOST_OFTEN: Duration = Duration::from_secs(60);
/// Advanced hunting keeps this long (Microsoft Graph, `runHuntingQuery`).
const FARTHEST_BACK: Duration = Duration::from_secs(30 * 86_400);

/// The words for tactics in alerts.
///
/// Source: Microsoft Sentinel REST reference, `AttackTactic`.
const TACTICS: [&str; 17] = [
    "Reconnaissance",
    "ResourceDevelopment",
    "InitialAccess",
    "Execution",
    "Persistence",
    "PrivilegeEscalation",
    "DefenseEvasion",
    "CredentialAccess",
    "Discovery",
    "LateralMovement",
    "Collection",
    "CommandAndControl",
    "Exfiltration",
    "Impact",
    "PreAttack",
    "ImpairProcessControl",
    "InhibitResponseFunction",
];

/// Every word of a header that has a meaning.
#[cfg(test)]
pub(super) fn header_words() -> Vec<&'static str> {
    header::KEYS.iter().copied().chain(Identifier::ALL.map(Identifier::word)).collect()
}

impl WrittenTrigger {
    fn new(trigger: Trigger, workspaces: Vec<Placed<String>>, place: Place) -> Self {
        let trigger = Arc::new(trigger);
        let entry = Arc::new(Entry::of_trigger(&trigger));
        let (tables, named, origin) = (BTreeMap::new(), BTreeMap::new(), Origin::Own);
        Self { trigger, entry, workspaces, place, named, sound: true, tables, unwitnessed: None, origin, test: None }
    }

    /// Notes what was read that leaves its alerts without a witness, or that there is no such thing.
    fn witness(&mut self, unwitnessed: Option<String>) {
        Arc::make_mut(&mut self.trigger).witnessed = unwitnessed.is_none();
        self.entry = Arc::new(Entry::of_trigger(&self.trigger));
        self.unwitnessed = unwitnessed;
    }

    /// Where a column is named that it wants of its rows.
    fn named(&self, column: &str) -> &Place {
        self.named.get(column).unwrap_or(&self.place)
    }

    /// Whether it runs on the workspace of that name in the settings.
    #[must_use]
    pub fn runs_on(&self, workspace: &str) -> bool {
        self.workspaces.is_empty() || self.workspaces.iter().any(|named| named.value.eq_ignore_ascii_case(workspace))
    }

    /// What is wrong with a trigger that stands alone, as where it is one of a folder. `None` for a query without a header,
    /// which is no trigger.
    #[must_use]
    pub fn check(source: &Source, tables: &KnownTables) -> Option<Vec<Finding>> {
        let ruled = is_yaml(stem_and_ending(source).1);
        if !ruled && !header::is_there(source) {
            return None;
        }
        let mut findings = Findings::default();
        match Self::read(source, &mut findings) {
            Some(mut written) => {
                query::check(&mut written, tables, &mut findings);
            }
            // A header that cannot be used hides no mistake of its query.
            None if !ruled => {
                let query = compile_query(source, tables);
                findings.extend(query.map_or_else(|found| found, |query| query.warnings().to_vec()));
            }
            None => {}
        }
        Some(findings.sorted())
    }

    /// Reads a file by its ending, also one whose header has mistakes that leave its query to be checked. `None` when there
    /// is nothing to check; the findings say why.
    pub fn read(source: &Source, findings: &mut Findings) -> Option<Self> {
        let (stem, ending) = stem_and_ending(source);
        let name = name(stem, source, findings)?;
        let before = findings.len();
        let read = if source.text().trim().is_empty() {
            None
        } else if is_yaml(ending) {
            sentinel::read(name, source, findings)
        } else {
            header::read(name, source, findings)
        };
        if read.is_none() && findings.len() == before {
            let finding = Finding::error("trigger/empty", "the file is empty").at(source, source.whole().span);
            findings.add(finding.help("write a trigger in it, or delete it"));
        }
        read
    }
}

/// The mappings without their places, after saying what is odd about them.
fn judged(accounts: Vec<Placed<AccountMapping>>, query: &Place, findings: &mut Findings) -> Vec<AccountMapping> {
    if accounts.is_empty() {
        let finding = Finding::warning("trigger/no-account", "no column of this trigger names an account");
        findings.add(finding.at_place(query).help("its alerts can lead to nothing; map columns to an account"));
    }
    for mapping in &accounts {
        if let Some(twice) = mapped_twice(&mapping.value) {
            let message = format!(
                "{} of one account is mapped twice: of the columns that hold something the last counts",
                twice.word()
            );
            let finding = Finding::warning("trigger/account", message);
            findings.add(finding.at_place(&mapping.place).help("keep one column of them, or make it another account"));
        }
        if mapping.value.role == Role::Unknown {
            let finding = Finding::warning("trigger/no-role", "what this account is to the alert is not said");
            let help = "nobody is acted on; write \"// role: suspect\" or \"// role: target\" above the query";
            findings.add(finding.at_place(&mapping.place).help(help));
        }
        if !mapping.value.is_strong() {
            let finding = Finding::warning("trigger/weak-account", "an account is mapped by weak identifiers only");
            let help = "map Sid, AadUserId, ObjectGuid, Upn, or Name together with UPNSuffix or NTDomain";
            findings.add(finding.at_place(&mapping.place).help(help));
        }
    }
    unplaced(accounts)
}

/// The mappings without their places.
fn unplaced(accounts: Vec<Placed<AccountMapping>>) -> Vec<AccountMapping> {
    accounts.into_iter().map(|mapping| mapping.value).collect()
}

/// Which rows are one alert, unless the author says otherwise: those of the same accounts within three runs, and at least
/// an hour. A long lookback does not make it longer, or what comes after an undo would not be seen for as long.
fn usually_same(every: Duration, lookback: Duration) -> Same {
    let within = lookback.min(every * 3).max(Duration::from_secs(3600));
    Same { within, by: None }
}

/// How far back a query finds something, of what it is given.
fn sees(query: &str, every: Duration, lookback: Duration) -> Duration {
    text::looks_back(query, every).map_or(lookback, |own| own.min(lookback))
}

/// The tactics without their places, after saying which are none.
fn tactics(written: Vec<Placed<String>>, findings: &mut Findings) -> Vec<String> {
    let letters = |word: &str| word.chars().filter(|c| c.is_alphanumeric()).collect::<String>().to_lowercase();
    for tactic in &written {
        if TACTICS.iter().all(|known| letters(known) != letters(&tactic.value)) {
            let message = format!("{} is no tactic of MITRE ATT&CK", quoted(&tactic.value));
            let finding = Finding::warning("trigger/unknown-tactic", message).at_place(&tactic.place);
            let help = format!("one of: {}", TACTICS.join(", "));
            findings.add(finding.help(help).help_nearest(suggest::nearest(&tactic.value, TACTICS)));
        }
    }
    written.into_iter().map(|tactic| tactic.value).collect()
}

/// How often and how far back, each within its bounds.
fn schedule(
    every: Option<Placed<Duration>>,
    lookback: Option<Placed<Duration>>,
    findings: &mut Findings,
) -> Option<(Duration, Duration)> {
    let (every, lookback) = (every?, lookback?);
    let mut bad = |place: &Place, message: &str, help: &str| {
        findings.add(Finding::error("trigger/schedule", message).at_place(place).help(help));
        None
    };
    if every.value < MOST_OFTEN {
        return bad(&every.place, "a trigger runs at most once a minute", "write for example 5m");
    }
    if lookback.value < every.value {
        let help = "look back at least as far as the time between two runs, better a little farther: rows arrive late";
        return bad(&lookback.place, "what arrives between two runs would never be looked at", help);
    }
    if lookback.value > FARTHEST_BACK {
        return bad(&lookback.place, "a trigger looks back 30 days at most", "write for example 14d");
    }
    Some((every.value, lookback.value))
}

/// The identifier of that name.
fn identifier(word: &str, source: &Source, span: Span, findings: &mut Findings) -> Option<Identifier> {
    let known = Identifier::read(word);
    if known.is_none() {
        let words = Identifier::ALL.map(Identifier::word);
        let finding = Finding::error("trigger/unknown-identifier", format!("{} is no identifier", quoted(word)));
        let help = format!("one of: {}", words.join(", "));
        findings.add(finding.at(source, span).help(help).help_nearest(suggest::nearest(word, words)));
    }
    known
}

fn is_yaml(ending: &str) -> bool {
    ["yaml", "yml"].iter().any(|yaml| yaml.eq_ignore_ascii_case(ending))
}

fn stem_and_ending(source: &Source) -> (&str, &str) {
    let file = source.name().rsplit(['/', '\\']).next().unwrap_or_default();
    file.rsplit_once('.').unwrap_or((file, ""))
}

/// An identifier that stands in a mapping more than once.
fn mapped_twice(mapping: &AccountMapping) -> Option<Identifier> {
    let before = |at: usize, one: &Identifier| mapping.identifiers.iter().take(at).any(|(other, _)| other == one);
    let again = mapping.identifiers.iter().enumerate().find(|(at, (identifier, _))| before(*at, identifier));
    again.map(|(_, (identifier, _))| *identifier)
}

/// A name as rules write it: spaces, underscores and capitals of the file's name become hyphens and small letters.
fn written(stem: &str) -> String {
    stem.chars().map(|c| if c == ' ' || c == '_' { '-' } else { c.to_ascii_lowercase() }).collect()
}

fn name(stem: &str, source: &Source, findings: &mut Findings) -> Option<String> {
    let name = written(stem);
    let fits = (1..=64).contains(&name.len())
        && name.bytes().all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'-')
        && !name.starts_with('-');
    if !fits {
        let finding = Finding::error("trigger/bad-name", format!("{} cannot name a trigger", quoted(stem)));
        let help = "name the file in letters, digits and hyphens, at most 64: new-service-on-dc.kql";
        findings.add(finding.at(source, Span::new(0, 0)).help(help));
    }
    if name == POLL_QUERY {
        let finding = Finding::error("trigger/bad-name", format!("{POLL_QUERY} is the poll query, and no trigger"));
        let help = "name the trigger otherwise, or the poll query security-alerts.kql";
        findings.add(finding.at(source, Span::new(0, 0)).help(help));
        return None;
    }
    fits.then_some(name)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::alert::Severity;
    use crate::model::trigger::{Comparison, Engine, Threshold};

    const HEADER: &str = "// A service on a domain controller is how attackers stay.\n\
        // every: 5m\n// lookback: 15m\n// engine: hunting\n\
        // account: Sid=AccountSid, AadUserId=AccountObjectId\n// role: suspect\n// severity: High\n\
        // tactics: Persistence, Execution\n// same: by ReportId\n\
        IdentityDirectoryEvents | where ActionType == \"Service creation\"\n";

    fn read(file: &str, text: &str) -> (Option<WrittenTrigger>, Vec<String>) {
        let mut findings = Findings::default();
        let read = WrittenTrigger::read(&Source::new(file, text), &mut findings);
        let told = findings.sorted().into_iter().map(|finding| {
            let at = finding.place().map(|place| place.source.line_column(place.span.start));
            format!("{} {}", finding.code(), at.map_or_else(String::new, |at| format!("{}:{}", at.line, at.column)))
        });
        (read, told.collect())
    }

    #[test]
    fn a_header_says_when_where_and_who() {
        let (read, findings) = read("kql/New_Service on-DC.kql", HEADER);
        assert_eq!(findings, [""; 0]);
        let trigger = read.unwrap().trigger;
        assert_eq!((trigger.name.as_str(), trigger.title.as_str()), ("new-service-on-dc", "New service on dc"));
        assert_eq!(trigger.id(), "kql/new-service-on-dc");
        assert_eq!((trigger.every.as_secs(), trigger.lookback.as_secs()), (300, 900));
        assert_eq!((trigger.engine, trigger.severity), (Engine::Hunting, Severity::High));
        assert_eq!(trigger.tactics, ["Persistence", "Execution"]);
        assert_eq!(trigger.same, Same { within: Duration::from_secs(86_400), by: Some("ReportId".to_owned()) });
        let wanted =
            [(Identifier::Sid, "AccountSid".to_owned()), (Identifier::AadUserId, "AccountObjectId".to_owned())];
        assert_eq!(trigger.accounts, [AccountMapping { role: Role::Suspect, identifiers: wanted.to_vec() }]);
        assert_eq!(trigger.query, HEADER, "the query is sent as it is written");
    }

    #[test]
    fn each_account_line_is_an_account_and_may_have_a_role_of_its_own() {
        let text = "// every: 10m\n// account: Upn=Actor, role=suspect\n// account: Sid=Victim\n// role: target\nT\n";
        let (read, findings) = read("a.kql", text);
        assert_eq!(findings, [""; 0]);
        let trigger = read.unwrap().trigger;
        assert_eq!(
            trigger.accounts.iter().map(|account| account.role).collect::<Vec<_>>(),
            [Role::Suspect, Role::Target]
        );
        assert_eq!(trigger.lookback.as_secs(), 1800, "three runs see the same row unless said otherwise");
        assert_eq!(trigger.same, Same { within: Duration::from_secs(3600), by: None });
    }

    #[test]
    fn rows_are_one_alert_for_as_long_as_is_said_and_otherwise_not_for_a_whole_lookback() {
        let same = |lines: &str| {
            let text = format!("// every: 15m\n// account: Upn=U\n// role: target\n{lines}T\n");
            let (read, findings) = read("a.kql", &text);
            let sound = read.filter(|read| read.sound);
            sound.map(|read| (read.trigger.same.within.as_secs(), read.trigger.same.by.clone())).ok_or(findings)
        };
        let by = |column: &str| Some(column.to_owned());
        assert_eq!(same("// lookback: 30d\n"), Ok((3600, None)));
        assert_eq!(same("// lookback: 15m\n"), Ok((3600, None)));
        assert_eq!(same("// lookback: 30d\n// same: 14d\n"), Ok((14 * 86_400, None)));
        assert_eq!(same("// same: by Id\n"), Ok((86_400, by("Id"))));
        assert_eq!(same("// same: by Id within 6h\n"), Ok((6 * 3600, by("Id"))));
        assert_eq!(same("// same: by Id within 6x\n"), Err(vec!["trigger/wrong-type 4:23".to_owned()]));
        assert_eq!(same("// same: by Id within 6s\n"), Err(vec!["trigger/wrong-type 4:23".to_owned()]));
        let daily = "// every: 1d\n// lookback: 7d\n// account: Upn=U\n// role: target\nT\n";
        assert_eq!(read("a.kql", daily).0.unwrap().trigger.same.within.as_secs(), 3 * 86_400);
    }

    #[test]
    fn every_mistake_of_a_header_has_its_place() {
        let text = "// every: 10s\n// lookbak: 1h\n// engine: splunk\n// account: Sidd=A, B\n// severity: Hihg\nT\n";
        let (read, findings) = read("a.kql", text);
        assert!(!read.unwrap().sound);
        assert_eq!(
            findings,
            [
                "trigger/schedule 1:11",
                "trigger/unknown-key 2:4",
                "trigger/unknown-word 3:12",
                "trigger/unknown-identifier 4:13",
                "trigger/account 4:21",
                "trigger/unknown-word 5:14",
            ]
        );
        assert_eq!(self::read("a.kql", "T | take 1\n").1, ["trigger/missing-key 1:1"]);
        assert_eq!(self::read("a.kql", "// every: 1h\n// lookback: 5m\nT\n").1[0], "trigger/schedule 2:14");
        assert_eq!(self::read("a!.kql", HEADER).1, ["trigger/bad-name 1:1"]);
    }

    #[test]
    fn odd_headers_are_read_as_they_are_meant_or_told_and_nothing_is_passed_over() {
        let plain = "// every: 5m\n// account: Upn=U\n// role: target\nT\n";
        for (text, wanted) in [
            (plain.replace("5m", ""), vec!["trigger/empty-key 1:4"]),
            (format!("// workspace:\n// lookback:\n{plain}"), vec!["trigger/empty-key 1:4", "trigger/empty-key 2:4"]),
            (format!("// Severity: High\n{plain}"), vec!["trigger/unknown-key 1:4"]),
            (plain.replace("Upn=U", "Upn="), vec!["trigger/account 2:13"]),
            (plain.replace("Upn=U", "Upn=U, Upn=V"), vec!["trigger/account 2:13"]),
            (plain.replace("Upn=U", "Upn=U, role=Suspect"), vec![]),
            (plain.replace("5m", "0"), vec!["trigger/wrong-type 1:11"]),
            (plain.replace("5m", "0s"), vec!["trigger/schedule 1:11"]),
            (plain.replace("5m", "-5m"), vec!["trigger/wrong-type 1:11"]),
            (plain.replace("5m", "99999999999999999999d"), vec!["trigger/wrong-type 1:11"]),
            (plain.replace("5m", "400d"), vec!["trigger/schedule 1:11"]),
            (format!("// every: 10m\n{plain}"), vec!["trigger/duplicate-key 2:4"]),
            (format!("// lookback: -1h\n{plain}"), vec!["trigger/wrong-type 1:14"]),
            (format!("\u{feff}{plain}"), vec![]),
            (plain.replace('\n', "\r\n"), vec![]),
            (plain.replace("// ", "//\t").replace(": ", ":\t"), vec![]),
            (String::new(), vec!["trigger/empty 1:1"]),
            (" \n\n".to_owned(), vec!["trigger/empty 1:1"]),
        ] {
            assert_eq!(read("a.kql", &text).1, wanted, "{text:?}");
        }
        let fortnight = read("a.kql", &plain.replace("5m", "14d")).0.unwrap().trigger;
        assert_eq!(fortnight.lookback, FARTHEST_BACK, "what nobody has said goes no farther than it may");
    }

    #[test]
    fn what_stands_below_the_first_line_of_the_query_is_the_query_s_own() {
        let (read, findings) = read("a.kql", "// every: 5m\nT\n// severity: High\n");
        assert_eq!(read.unwrap().trigger.severity, Severity::Medium);
        assert_eq!(findings, ["trigger/no-account 1:1"]);
    }

    #[test]
    fn comments_in_plain_words_are_not_the_header_s_business() {
        let text = "// see: https://example.org\n// Note: rare\n// every: 5m\n// account: Upn=U\n// role: target\nT\n";
        assert_eq!(read("a.kql", text).1, [""; 0]);
    }

    /// What is told of a trigger that stands alone: codes and lines.
    fn checked(file: &str, text: &str) -> Vec<String> {
        let findings = WrittenTrigger::check(&Source::new(file, text), &KnownTables::default()).unwrap();
        let line = |finding: &Finding| finding.place().map(|place| place.source.line_column(place.span.start).line);
        findings.iter().map(|finding| format!("{} {}", finding.code(), line(finding).unwrap_or_default())).collect()
    }

    #[test]
    fn what_is_wrong_with_one_line_of_a_header_or_one_key_hides_nothing_else() {
        let query = "IdentityLogonEvents | project Timestamp, AccountUpn";
        for (line, wanted) in [
            ("// severity: Hihg", "trigger/unknown-word 4"),
            ("// engine: splunk", "trigger/unknown-word 4"),
            ("// same: by", "trigger/wrong-type 4"),
            ("// role: culprit", "trigger/unknown-word 4"),
            ("// account: Sidd=AccountUpn", "trigger/unknown-identifier 4"),
        ] {
            let role = if line.contains("role") { "// severity: High" } else { "// role: suspect" };
            let text = format!("// every: 5m\n// account: Upn=Nowhere\n{role}\n{line}\n{query}\n");
            assert_eq!(checked("a.kql", &text), ["trigger/unknown-column 2", wanted], "{line}");
        }
        let rule = SENTINEL.replace("columnName: SubjectUserName", "columnName: Nowhere");
        for (from, to, wanted) in [
            ("severity: Low", "severity: Lwo", "rule/unknown-word 8"),
            ("queryPeriod: P1D", "queryPeriod: soon", "rule/wrong-type 10"),
            ("triggerThreshold: 2", "triggerThreshold: two", "trigger/wrong-type 12"),
            ("kind: Scheduled", "kind: Fusion", "rule/unknown-word 32"),
            ("name: Unusual account creation", "nam: x", "rule/missing-key 1"),
            ("identifier: NTDomain", "identifier: NTDomian", "trigger/unknown-identifier 25"),
        ] {
            let found = checked(
                "a.yaml",
                &rule
                    .replace(from, to)
                    .replace("EventID == 4720", "EventID == 4720 | project TimeGenerated, SubjectDomainName"),
            );
            assert!(found.iter().any(|told| told.starts_with("trigger/unknown-column")), "{to}: {found:?}");
            assert!(found.iter().any(|told| told == wanted), "{to}: {found:?}");
        }
    }

    const SENTINEL: &str = r"id: 3533f74c-9207-4047-96e2-0eb9383be587
name: Unusual account creation
description: |
  'Somebody made an account.'
requiredDataConnectors:
  - connectorId: SecurityEvents
    dataTypes: [SecurityEvent]
severity: Low
queryFrequency: 1h
queryPeriod: P1D
triggerOperator: gt
triggerThreshold: 2
tactics:
  - Persistence
relevantTechniques: [T1136]
query: |
  // role: suspect
  SecurityEvent
  | where EventID == 4720
entityMappings:
  - entityType: Account
    fieldMappings:
      - identifier: Name
        columnName: SubjectUserName
      - identifier: NTDomain
        columnName: SubjectDomainName
      - identifier: PUID
        columnName: X
  - entityType: Host
    fieldMappings: [{identifier: FullName, columnName: Computer}]
version: 1.0.0
kind: Scheduled
";

    #[test]
    fn an_analytics_rule_is_a_trigger_as_it_stands() {
        let (read, findings) = read("unusual.yaml", SENTINEL);
        assert_eq!(findings, [""; 0]);
        let trigger = read.unwrap().trigger;
        assert_eq!((trigger.name.as_str(), trigger.title.as_str()), ("unusual", "Unusual account creation"));
        assert_eq!((trigger.every.as_secs(), trigger.lookback.as_secs()), (3600, 86_400));
        assert_eq!(trigger.threshold, Threshold { than: Comparison::More, rows: 2 });
        assert_eq!((trigger.engine, trigger.severity), (Engine::LogAnalytics, Severity::Low));
        assert_eq!(trigger.accounts.len(), 1, "hosts are nobody");
        assert_eq!(trigger.accounts[0].role, Role::Suspect);
        assert_eq!(trigger.accounts[0].identifiers.len(), 2, "a PUID finds nobody");
        assert!(trigger.query.starts_with("// role: suspect\nSecurityEvent\n| where"));
    }

    #[test]
    fn an_analytics_rule_without_a_role_is_read_and_acts_on_nobody() {
        let (read, findings) = read("unusual.yaml", &SENTINEL.replace("  // role: suspect\n", ""));
        assert_eq!(read.unwrap().trigger.accounts[0].role, Role::Unknown);
        assert_eq!(findings, ["trigger/no-role 20:5"]);
    }

    #[test]
    fn a_near_real_time_rule_runs_every_minute_and_other_kinds_are_refused() {
        let nrt =
            SENTINEL.replace("kind: Scheduled", "kind: NRT").replace("queryFrequency: 1h\nqueryPeriod: P1D\n", "");
        assert_eq!(read("a.yaml", &nrt).0.unwrap().trigger.every.as_secs(), 60);
        let (none, findings) = read("a.yaml", &SENTINEL.replace("kind: Scheduled", "kind: Fusion"));
        assert!(!none.unwrap().sound);
        assert_eq!(findings, ["rule/unknown-word 32:7"]);
    }

    #[test]
    fn what_is_nearly_a_word_of_an_analytics_rule_is_told_and_an_empty_one_too() {
        for (from, to, wanted) in [
            ("tactics:", "tactcs:", "trigger/unknown-key 13:1"),
            ("triggerThreshold:", "triggerTreshold:", "trigger/unknown-key 12:1"),
            ("entityType: Host", "entityType: Hots", "trigger/unknown-word 29:5"),
            ("identifier: PUID", "identifier: Name", "trigger/account 21:5"),
            ("queryFrequency: 1h", "queryFrequency: 0m", "rule/wrong-type 9:17"),
            ("queryFrequency: 1h", "queryFrequency: -1h", "rule/wrong-type 9:17"),
            ("severity: Low", "severity: Critical", "rule/unknown-word 8:11"),
            ("triggerThreshold: 2", "triggerThreshold: -1", "trigger/wrong-type 12:19"),
        ] {
            let text = SENTINEL.replace(from, to);
            assert_ne!(text, SENTINEL, "{from}");
            assert_eq!(read("a.yaml", &text).1, [wanted], "{to}");
        }
        assert_eq!(read("a.YAML", &format!("{SENTINEL}sentinelEntitiesMappings: []\ndisplayName: x\n")).1, [""; 0]);
        for empty in ["", "\n", "# nothing\n", "~\n"] {
            assert_eq!(read("a.yaml", empty).1, ["trigger/empty 1:1"], "{empty:?}");
        }
    }

    #[test]
    fn mistakes_of_an_analytics_rule_have_their_places() {
        let broken = SENTINEL
            .replace("queryPeriod: P1D", "queryPeriod: 5m")
            .replace("triggerThreshold: 2", "triggerThreshold: two")
            .replace("identifier: NTDomain", "identifier: NTDomian");
        let (none, findings) = read("a.yaml", &broken);
        assert!(!none.unwrap().sound);
        assert_eq!(
            findings,
            ["trigger/schedule 10:14", "trigger/wrong-type 12:19", "trigger/unknown-identifier 25:21"]
        );
    }
}
