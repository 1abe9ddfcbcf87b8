//! Whole folders: what loads, what is found, and that the shipped table is right.

mod lint;
mod triggers;

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use super::load::{Files, check};
use super::*;
use crate::diagnostics::{Finding, Findings, Level, LineColumn, Source};
use crate::model::action::Mode;
use crate::model::intent::Verb;
use crate::model::time::At;

const CONTEXT: LoadContext = LoadContext {
    global_cloud: true,
    break_glass_empty: false,
    per_hour: Some(20),
    per_day: Some(100),
    hunting: true,
    unwitnessed_allowed: false,
    workspaces: None,
};
const PLAYBOOK: &str = "playbook: contain\nwhy: w\nsteps:\n  - do: disable-ad-user\n  - do: revoke-sessions\n    after: [disable-ad-user]\n";
/// Without a test, which [`shown`] overlooks.
const RULE: &str = "rule: dcsync\nwhy: w\nowner: o\nalert: [mdi/2006]\ndo: contain\n";

fn loaded(playbook: &str, rule: &str, modes: &str, context: &LoadContext) -> Loaded {
    let files = Files {
        playbooks: vec![Source::new("p.yaml", playbook)],
        rules: vec![Source::new("r.yaml", rule)],
        modes: Some(Source::new("modes.yaml", modes)),
        ..Files::default()
    };
    check(&files, context, Findings::default())
}

fn load_rules(rules: &Path, modes: Option<&Path>) -> Loaded {
    load(Folders { rules: Some(rules), modes, ..Folders::default() }, &CONTEXT)
}

fn found(playbook: &str, rule: &str, modes: &str) -> Vec<String> {
    shown(&loaded(playbook, rule, modes, &CONTEXT))
}

/// `code file:line:column`, in order.
fn shown(loaded: &Loaded) -> Vec<String> {
    let line = |finding: &Finding| {
        let place = finding.place().expect("a place");
        let at = place.source.line_column(place.span.start);
        assert!(finding.help_text().is_some(), "{} has no help", finding.code());
        format!("{} {}:{}:{}", finding.code(), place.source.name(), at.line, at.column)
    };
    loaded.findings.iter().filter(|finding| finding.code() != "rule/untested").map(line).collect()
}

fn steps(lines: &str) -> String {
    format!("playbook: contain\nwhy: w\nsteps:\n{lines}")
}

#[test]
fn a_rule_matches_its_alerts_and_simulates_unless_the_overlay_says_otherwise() {
    let Loaded { table: Some(table), findings } = loaded(PLAYBOOK, RULE, "", &CONTEXT) else { panic!("no table") };
    assert_eq!(findings.iter().map(Finding::code).collect::<Vec<_>>(), ["rule/untested"]);
    let entry = |id| Catalogue::get().by_id(id).unwrap();
    let names: Vec<&str> = table.matching(entry("mdi/2006")).map(|rule| rule.name.as_str()).collect();
    assert_eq!((names, table.matching(entry("mdi/2028")).count()), (vec!["dcsync"], 0));
    let rule = table.rule("dcsync").unwrap();
    assert_eq!((table.mode(rule), rule.playbook.steps[1].after.as_slice()), (Mode::Simulate, &[0][..]));

    let approved = loaded(PLAYBOOK, RULE, "dcsync: approve\n", &CONTEXT).table.unwrap();
    assert_eq!(approved.mode(approved.rule("dcsync").unwrap()), Mode::Approve);
    assert_ne!(table.digest(), approved.digest());
}

#[test]
fn the_digest_follows_the_texts_and_not_the_names_or_order_of_files() {
    let digest = |files: &[(&str, String)]| {
        let rules = files.iter().map(|(name, text)| Source::new(*name, text.as_str())).collect();
        let files = Files { playbooks: vec![Source::new("p.yaml", PLAYBOOK)], rules, ..Files::default() };
        check(&files, &CONTEXT, Findings::default()).table.unwrap().digest().to_owned()
    };
    let second = RULE.replace("dcsync", "second");
    let before = digest(&[("a.yaml", RULE.into()), ("b.yaml", second.clone())]);
    assert_eq!(before, digest(&[("x.yaml", second.clone()), ("y.yaml", RULE.into())]));
    assert_ne!(before, digest(&[("a.yaml", RULE.replace("2006", "2028")), ("b.yaml", second)]));
}

#[test]
fn all_mistakes_of_all_files_are_found_at_once_with_their_places() {
    let playbook = steps("  - do: disable-aduser\n    iff: x\n  - do: remove-from-group\n    group: Domain Admins\n");
    let rule = "rule: Bad Name\nwhy: w\nalert: [mdi/2007x, mdi/2006]\ndoo: x\naccount: {role: bait}\nlimits: {per_day: 0}\ndo: contan\n";
    assert_eq!(
        found(&playbook, rule, "dcsink: enforced\n"),
        [
            "rule/unknown-rule modes.yaml:1:1",
            "rule/unknown-word modes.yaml:1:9",
            "rule/unknown-intent p.yaml:4:9",
            "rule/unknown-key p.yaml:5:5",
            "rule/group-by-name p.yaml:7:12",
            "rule/missing-key r.yaml:1:1",
            "rule/bad-name r.yaml:1:7",
            "rule/unknown-alert r.yaml:3:9",
            "rule/unknown-key r.yaml:4:1",
            "rule/unknown-word r.yaml:5:17",
            "rule/wrong-type r.yaml:6:19",
            "rule/unknown-playbook r.yaml:7:5",
        ]
    );
}

#[test]
fn the_nearest_known_word_is_named() {
    let Loaded { findings, table } =
        loaded(PLAYBOOK, &RULE.replace("owner", "ownr").replace("2006", "xdr_PossibleNetsyncAtack"), "", &CONTEXT);
    let help: Vec<&str> = findings.iter().filter_map(Finding::help_text).collect();
    assert!(table.is_none());
    assert!(help.contains(&"did you mean owner?"), "{help:?}");
    assert!(help.contains(&"did you mean mdi/xdr_PossibleNetsyncAttack?"), "{help:?}");
}

#[test]
fn a_playbook_with_mistakes_is_known_to_the_rules_that_name_it() {
    let broken = PLAYBOOK.replace("revoke-sessions", "revoke-session");
    assert_eq!(found(&broken, RULE, "dcsync: approve\n"), ["rule/unknown-intent p.yaml:5:9"]);
    let Loaded { findings, .. } = loaded(&broken, &RULE.replace("contain", "contian"), "", &CONTEXT);
    let named = findings.iter().find(|finding| finding.code() == "rule/unknown-playbook").unwrap();
    assert_eq!(named.help_text(), Some("did you mean contain?"));
}

#[test]
fn a_shared_detector_is_answered_with_the_alerts_that_share_it() {
    let Loaded { findings, .. } = loaded(PLAYBOOK, &RULE.replace("2006", "xdr_AsrepRoastingAttack"), "", &CONTEXT);
    let mut help = findings.iter().filter_map(Finding::help_text);
    assert!(help.any(|help| help.contains("mdi/xdr_AsrepRoastingAttack/as-rep-roasting")), "{findings:?}");
}

#[test]
fn a_step_waits_only_for_steps_above_it() {
    let playbook = steps(
        "  - do: disable-ad-user\n    after: [revoke-sessions]\n  - do: revoke-sessions\n    after: [revoke-sessions, suspend-okta]\n",
    );
    let codes = found(&playbook, RULE, "");
    assert_eq!(
        codes,
        [
            "rule/after-later p.yaml:5:13",
            "rule/after-later p.yaml:7:13",
            "rule/after-unknown p.yaml:7:30",
            "rule/unused"
        ]
        .map(str::to_owned)[..3]
    );
}

#[test]
fn a_playbook_nobody_runs_is_told_unless_a_rule_could_not_be_read() {
    let second = Source::new("q.yaml", PLAYBOOK.replace("contain", "other"));
    let mut files = Files {
        playbooks: vec![Source::new("p.yaml", PLAYBOOK), second],
        rules: vec![Source::new("r.yaml", RULE)],
        modes: None,
        ..Files::default()
    };
    let codes = |files: &Files| shown(&check(files, &CONTEXT, Findings::default()));
    assert_eq!(codes(&files), ["rule/unused-playbook q.yaml:1:11"]);
    files.rules.push(Source::new("s.yaml", "rule: broken\nwhy: w\nowner: o\nalert: [mdi/2006]\ndo: nothing-here\n"));
    assert_eq!(codes(&files), ["rule/unknown-playbook s.yaml:5:5"]);
}

#[test]
fn two_of_one_name_are_refused() {
    let files = Files {
        playbooks: vec![Source::new("p.yaml", PLAYBOOK), Source::new("q.yaml", PLAYBOOK)],
        rules: vec![Source::new("r.yaml", RULE), Source::new("s.yaml", RULE)],
        modes: None,
        ..Files::default()
    };
    let loaded = check(&files, &CONTEXT, Findings::default());
    assert_eq!(shown(&loaded), ["rule/duplicate-name q.yaml:1:11", "rule/duplicate-name s.yaml:1:7"]);
}

#[test]
fn conditions_that_never_hold_are_found() {
    for (when, never) in [
        ("1 == 2", true),
        ("AlertSeverity == \"High\" and Status in (\"New\")", false),
        ("AlertSeverity == \"High\" and AlertSeverity == \"Low\"", true),
        ("Description has \"x\"", false),
        ("now() > datetime(2026-01-01)", false),
        ("hourofday(ago(1h)) > 3", false),
    ] {
        let codes = found(PLAYBOOK, &format!("{RULE}when: '{when}'\n"), "");
        assert_eq!(codes, vec!["rule/never-matches r.yaml:6:7"; usize::from(never)], "{when}");
    }
    let codes = found(PLAYBOOK, &format!("{RULE}when: 'toscalar(range x from 1 to 9 step 1 | count) > 1'\n"), "");
    assert_eq!(codes, ["kql/unsupported r.yaml:6:17"], "a condition has nothing to run a query on");
    for (account, never) in [("HasEntra and not(HasEntra)", true), ("isempty(Role)", true), ("isnull(Enabled)", false)]
    {
        let codes = found(PLAYBOOK, &format!("{RULE}account:\n  where: '{account}'\n"), "");
        assert_eq!(codes, vec!["rule/never-matches r.yaml:7:10"; usize::from(never)], "{account}");
    }
}

#[test]
fn a_word_that_never_stands_in_a_column_is_found_with_the_nearest_one() {
    for (when, expected) in [
        ("AlertSeverity in ('Hgh', 'Medium')", Some((Level::Error, "6:26", "did you mean High?"))),
        ("AlertSeverity == 'high'", Some((Level::Error, "6:25", "did you mean High?"))),
        ("AlertSeverity =~ 'high' and Status != ''", None),
        (
            "Status !in ('Opened')",
            Some((Level::Error, "6:20", "one of: New, InProgress, Resolved, Dismissed, Unknown")),
        ),
        (
            "ProductName == 'Azure Advanced Threat Protecton'",
            Some((Level::Warning, "6:23", "did you mean Azure Advanced Threat Protection?")),
        ),
        (
            "AlertType == 'xdr_PossibleNetsyncAtack'",
            Some((Level::Warning, "6:21", "did you mean xdr_PossibleNetsyncAttack?")),
        ),
        ("'Lw' == AlertSeverity", Some((Level::Error, "6:8", "did you mean Low?"))),
        ("AlertSeverity has 'Hgh'", None),
    ] {
        let found = loaded(PLAYBOOK, &format!("{RULE}when: {when:?}\n"), "", &CONTEXT).findings;
        let found: Vec<_> = found.iter().filter(|finding| finding.code() == "rule/unknown-value").collect();
        let Some((level, at, help)) = expected else {
            assert!(found.is_empty(), "{when}: {found:?}");
            continue;
        };
        let [finding] = found[..] else { panic!("{when}: {found:?}") };
        let place = finding.place().unwrap();
        let LineColumn { line, column } = place.source.line_column(place.span.start);
        assert_eq!((finding.level(), format!("{line}:{column}")), (level, at.to_owned()), "{when}");
        assert_eq!(finding.help_text(), Some(help), "{when}");
    }
    let role = found(PLAYBOOK, &format!("{RULE}account:\n  where: Role == \"bait\"\n"), "");
    assert_eq!(role, ["rule/unknown-value r.yaml:7:18"]);
}

#[test]
fn a_column_that_is_none_is_found_where_it_stands() {
    let rule = format!("{RULE}when: AlertSeverty == \"High\"\naccount:\n  where: Privilegd\n");
    let codes = found(PLAYBOOK, &rule, "");
    assert_eq!(codes.len(), 2, "{codes:?}");
    assert!(codes[0].starts_with("kql/") && codes[0].ends_with(" r.yaml:6:7"), "{codes:?}");
    assert!(codes[1].starts_with("kql/") && codes[1].ends_with(" r.yaml:8:10"), "{codes:?}");
}

#[test]
fn a_word_that_is_none_is_told_beside_what_keeps_the_condition_from_compiling() {
    for when in [
        "Statuss == 'New' and (AlertSeverity in ('High', 'Hgh') or Status != '')",
        "AlertSeverity == 'Hgh' and nofunction(Status)",
        "not('Hgh' =~ AlertSeverity) and Status ==",
    ] {
        let found = loaded(PLAYBOOK, &format!("{RULE}when: {when:?}\n"), "", &CONTEXT).findings;
        let codes: Vec<&str> = found.iter().map(Finding::code).filter(|code| *code != "rule/untested").collect();
        assert_eq!(codes.iter().filter(|code| **code == "rule/unknown-value").count(), 1, "{when}: {codes:?}");
        assert!(codes.len() > 1, "{when}: {codes:?}");
    }
}

#[test]
fn a_rule_without_a_test_is_a_warning_where_its_name_stands() {
    let untested = loaded(PLAYBOOK, RULE, "", &CONTEXT);
    let at = |finding: &Finding| finding.place().map(|place| place.source.line_column(place.span.start).line);
    let found: Vec<_> =
        untested.findings.iter().map(|finding| (finding.code(), finding.level(), at(finding))).collect();
    assert_eq!(found, [("rule/untested", Level::Warning, Some(1))]);
    let tested = format!("{RULE}test:\n  - given: {{suspect: a@b.c}}\n    runs: []\n");
    assert_eq!(loaded(PLAYBOOK, &tested, "", &CONTEXT).findings, []);
}

#[test]
fn mistakes_in_tests_inside_rules_are_found() {
    let found_in = |test: &str| found(PLAYBOOK, &format!("{RULE}test:\n  - {test}\n"), "");
    let both = found_in("{given: {suspect: a@b.c}, runs: [disable-ad-usr], asks: [lock]}");
    let expected =
        ["rule/test-expects r.yaml:7:5", "rule/unknown-intent r.yaml:7:38", "rule/unknown-intent r.yaml:7:62"];
    assert_eq!(both, expected);
    for (test, expected) in [
        ("given: {suspect: a@b.c}", "rule/test-expects r.yaml:7:5"),
        ("{given: {suspect: a@b.c}, runs: [], asks: []}", "rule/test-expects r.yaml:7:5"),
        ("{given: {target: a@b.c, bait: x@y.z}, runs: []}", "rule/test-account r.yaml:7:13"),
        ("{given: {suspect: nobody}, runs: []}", "rule/wrong-type r.yaml:7:23"),
        ("{given: {suspect: a@b.c, alert: mdi/2028}, runs: []}", "rule/test-alert r.yaml:7:37"),
        ("{given: {suspect: a@b.c, hybrd: true}, runs: []}", "rule/unknown-key r.yaml:7:30"),
        ("{given: {suspect: a@b.c, hybrid: true, entra: false}, runs: []}", "rule/test-account r.yaml:7:38"),
        ("{given: {suspect: a@b.c, beside: {bat: x@y.z}}, runs: []}", "rule/unknown-key r.yaml:7:39"),
        ("{given: {suspect: a@b.c, beside: {bait: A@b.c}}, runs: []}", "rule/test-account r.yaml:7:38"),
        ("{given: {suspect: a@b.c, age: soon}, runs: []}", "rule/wrong-type r.yaml:7:35"),
        ("{given: {suspect: a@b.c, severity: Hgh}, runs: []}", "rule/unknown-word r.yaml:7:40"),
        ("{given: {suspect: a@b.c, columns: {Foo: x}}, runs: []}", "rule/unknown-column r.yaml:7:40"),
        ("{given: {suspect: a@b.c, columns: {EndTime: soon}}, runs: []}", "rule/wrong-type r.yaml:7:49"),
        ("{given: {suspect: a@b.c}, asks: [lock]}", "rule/unknown-intent r.yaml:7:38"),
        ("{given: {suspect: a@b.c}, withholds: becuase}", "rule/unknown-word r.yaml:7:42"),
    ] {
        assert_eq!(found_in(test), [expected], "{test}");
    }
}

#[test]
fn a_word_of_a_test_that_is_none_is_answered_with_the_nearest() {
    let rule = format!("{RULE}test:\n  - given: {{suspect: a@b.c, hybrd: true}}\n    withholds: protectd\n");
    let Loaded { findings, .. } = loaded(PLAYBOOK, &rule, "", &CONTEXT);
    let help: Vec<&str> = findings.iter().filter_map(Finding::help_text).collect();
    assert!(help.contains(&"did you mean hybrid?") && help.contains(&"did you mean protected?"), "{help:?}");
}

#[test]
fn what_a_test_gives_and_expects_is_typed() {
    let rule = format!(
        "{RULE}test:\n  - given: {{account: adele@contoso.com, severity: Low, hybrid: false, okta: true, age: 30h, columns: {{ConfidenceScore: 0.5}}}}\n    runs: [revoke-sessions]\n    withholds: no-account-there\n"
    );
    let table = loaded(PLAYBOOK, &rule, "", &CONTEXT).table.unwrap();
    let RuleTest { given, expect, .. } = &table.rules()[0].tests[0];
    assert_eq!((&expect.runs, expect.asks.len()), (&BTreeSet::from([Verb::RevokeSessions]), 0));
    assert_eq!(expect.to_string(), "runs revoke-sessions; withholds no-account-there");
    let place = (given.account.active_directory, given.account.entra, given.account.okta, given.account.hybrid);
    assert_eq!((given.role, place), (None, (false, true, true, false)));
    assert_eq!(given.age, std::time::Duration::from_secs(30 * 3600));
    assert_eq!((&given.columns["AlertSeverity"], &given.columns["ConfidenceScore"]), (&"Low".into(), &0.5.into()));
}

#[test]
fn a_folder_is_read_whole_and_other_files_are_left_alone() {
    let dir = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = dir.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("p.yaml", PLAYBOOK);
    write("rules/r.yml", RULE);
    write("rules/notes.txt", "not a rule");
    write("examples/e.yaml", "nonsense: [");
    write("modes.yaml", "dcsync: approve\n");
    write("prod.yaml", "dcsync: enforce\n");
    let own = load_rules(dir.path(), None);
    assert_eq!(shown(&own).len(), 4, "prod.yaml is taken for a playbook: {:?}", shown(&own));
    let named = load_rules(dir.path(), Some(&dir.path().join("prod.yaml")));
    assert_eq!(shown(&named), [""; 0]);
    let table = named.table.unwrap();
    assert_eq!(table.mode(&table.rules()[0]), Mode::Enforce);
    assert!(table.rules()[0].place.source.name().ends_with("rules/r.yml"));
}

#[test]
fn a_folder_or_file_that_cannot_be_read_is_an_error() {
    let dir = tempfile::tempdir().unwrap();
    let none = load_rules(&dir.path().join("nowhere"), None);
    assert!(none.table.is_none() && none.findings.iter().any(|finding| finding.code() == "rule/unreadable"));
    std::fs::create_dir(dir.path().join("rules")).unwrap();
    std::fs::write(dir.path().join("rules/r.yaml"), b"\xff\xfe").unwrap();
    let codes: Vec<&str> =
        load_rules(dir.path(), Some(Path::new("/no/modes.yaml"))).findings.iter().map(Finding::code).collect();
    assert!(codes.contains(&"rule/unreadable") && codes.contains(&"rule/encoding"), "{codes:?}");
}

fn shipped_table() -> RuleTable {
    let loaded = load(Folders::default(), &CONTEXT);
    let findings: Findings = loaded.findings.into_iter().collect();
    loaded.table.filter(|_| findings.is_empty()).unwrap_or_else(|| panic!("{}", findings.render(false)))
}

#[test]
fn the_shipped_table_loads_without_findings_and_all_in_simulate() {
    let table = shipped_table();
    assert!(table.rules().iter().all(|rule| table.mode(rule) == Mode::Simulate));
    assert!(table.rules().iter().all(|rule| rule.tests.len() >= 2 && rule.limits.per_day.is_some()));
    assert!(table.rules().len() >= 25);
}

#[test]
fn the_shipped_list_holds_every_file_of_the_folder_and_the_folder_loads_alike() {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("playbooks");
    let on_disk = load_rules(&dir, None);
    assert_eq!(on_disk.findings, []);
    let names =
        |table: &RuleTable| -> BTreeSet<String> { table.rules().iter().map(|rule| rule.name.clone()).collect() };
    let (on_disk, shipped) = (on_disk.table.unwrap(), shipped_table());
    assert_eq!(names(&on_disk), names(&shipped));
    let count = std::fs::read_dir(dir.join("rules")).unwrap().count();
    assert_eq!(count, shipped.rules().len());
}

const README: &str = include_str!("../../../playbooks/README.md");

/// The text of the first example that begins like this.
fn example(beginning: &str) -> &'static str {
    let mut blocks =
        README.split("```yaml\n").skip(1).filter_map(|block| block.split_once("```")).map(|(text, _)| text);
    blocks.find(|text| text.starts_with(beginning)).expect("an example")
}

#[test]
fn the_examples_of_the_readme_are_what_they_say() {
    let modes = example("dcsync:").lines().next().unwrap();
    let loaded = loaded(example("playbook:"), example("rule:"), modes, &CONTEXT);
    assert_eq!(loaded.findings, []);
    let table = loaded.table.unwrap();
    let rule = table.rule("dcsync").unwrap();
    assert_eq!((table.mode(rule), rule.playbook.steps.len(), rule.tests.len()), (Mode::Approve, 3, 2));
}

#[test]
fn the_readme_explains_every_key_fact_and_intent() {
    let verbs = Verb::ALL.iter().filter(|verb| verb.is_a_step()).map(|verb| verb.word());
    let facts = account_schema().columns().iter().map(|column| column.name.to_string()).collect::<Vec<_>>();
    let words = super::rule::KEYS.iter().chain(super::steps::STEP_KEYS).copied().chain(verbs);
    let silent: Vec<&str> = words
        .filter(|word| *word != "account")
        .chain(["account.role", "account.where", "per_hour", "per_day", "simulate", "approve", "enforce"])
        .chain(facts.iter().map(String::as_str))
        .filter(|word| !README.contains(&format!("`{word}`")))
        .collect();
    assert_eq!(silent, Vec::<&str>::new());
}

#[test]
fn a_broken_file_is_one_finding_and_what_names_it_elsewhere_is_none() {
    let missing_colon = PLAYBOOK.replace("why: w", "why w");
    assert_eq!(found(&missing_colon, RULE, "").len(), 1, "{:?}", found(&missing_colon, RULE, ""));
    let broken_rule = RULE.replace("owner: o", "owner: [");
    let lines = found(PLAYBOOK, &broken_rule, "dcsync: approve\n");
    assert!(lines.len() == 1 && lines[0].contains(" r.yaml:"), "{lines:?}");
    // Its own line is gone too: then the file's name is what it is most likely called.
    let nameless = found("playbook contain\n- x", &RULE.replace("contain", "p"), "");
    assert!(nameless.len() == 1 && nameless[0].contains(" p.yaml:"), "{nameless:?}");
    let other = found(&missing_colon, &RULE.replace("do: contain", "do: cotain"), "");
    assert!(other.iter().any(|line| line.starts_with("rule/unknown-playbook")), "{other:?}");
}

#[test]
fn everything_wrong_with_the_accounts_of_a_rule_is_found_at_once() {
    let rule = format!("{RULE}account:\n  role: suspct\n  where: Privilegd\n");
    let codes = found(PLAYBOOK, &rule, "");
    assert_eq!(codes, ["rule/unknown-word r.yaml:7:9", "kql/unknown-column r.yaml:8:10"]);
    // What hangs on another part of the rule is looked at all the same.
    let rule = RULE.replace("2006", "2O06").replace("why: w", "wy: w");
    let rule = format!(
        "{rule}when: 1 == 2\ntest:\n  - given: {{suspect: a@b.c, hybrd: true, alert: mdi/2006}}\n    runs: []\n"
    );
    assert_eq!(
        found(PLAYBOOK, &rule, ""),
        [
            "rule/missing-key r.yaml:1:1",
            "rule/unknown-key r.yaml:2:1",
            "rule/unknown-alert r.yaml:4:9",
            "rule/never-matches r.yaml:6:7",
            "rule/unknown-key r.yaml:8:29"
        ]
    );
}

#[test]
fn a_mode_of_a_rule_whose_name_cannot_be_read_is_no_second_mistake() {
    for broken in ["rul: dcsync", "rule: DCSync", "rule:", "rule: [dcsync]"] {
        let lines = found(PLAYBOOK, &RULE.replace("rule: dcsync", broken), "dcsync: approve\n");
        assert!(lines.iter().all(|line| line.contains(" r.yaml:")), "{broken}: {lines:?}");
    }
    let two = Files {
        playbooks: vec![Source::new("p.yaml", PLAYBOOK)],
        rules: vec![Source::new("r.yaml", RULE), Source::new("s.yaml", "rul: other\n")],
        modes: Some(Source::new("modes.yaml", "dcsyn: approve\n")),
        ..Files::default()
    };
    let codes = shown(&check(&two, &CONTEXT, Findings::default()));
    assert!(codes.contains(&"rule/unknown-rule modes.yaml:1:1".to_owned()), "a slip of a known one is sure: {codes:?}");
}

#[test]
fn a_mode_of_no_rule_is_found_beside_a_rule_whose_name_cannot_be_used() {
    let rule = RULE.replace("rule: dcsync", "rule: DC sync");
    let lines = found(PLAYBOOK, &rule, "dc-sync: approve\nnobodys: approve\n");
    assert!(lines.contains(&"rule/unknown-rule modes.yaml:2:1".to_owned()), "{lines:?}");
    assert!(!lines.iter().any(|line| line.contains("modes.yaml:1:")), "the name it would have: {lines:?}");
    let silent = found(PLAYBOOK, &RULE.replace("rule: dcsync", "why: x"), "nobodys: approve\n");
    assert!(!silent.iter().any(|line| line.contains("modes.yaml")), "it may be called so: {silent:?}");
}

#[cfg(unix)]
#[test]
fn what_is_called_like_a_rule_and_is_no_file_is_a_finding_and_nobody_waits_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let rules = dir.path().join("rules");
    std::fs::create_dir(&rules).unwrap();
    std::fs::write(dir.path().join("p.yaml"), PLAYBOOK).unwrap();
    std::fs::write(rules.join("r.yaml"), RULE).unwrap();
    std::fs::create_dir(rules.join("folder.yaml")).unwrap();
    let unreadable = || -> Vec<Finding> {
        let all = load_rules(dir.path(), None).findings;
        all.into_iter().filter(|finding| finding.code() == "rule/unreadable").collect()
    };
    assert_eq!(unreadable(), [], "a folder is none of ours");
    let pipe = |path: &Path| {
        let mode = rustix::fs::Mode::from_raw_mode(0o600);
        rustix::fs::mknodat(rustix::fs::CWD, path, rustix::fs::FileType::Fifo, mode, 0).unwrap();
    };
    pipe(&rules.join("pipe.yaml"));
    std::os::unix::fs::symlink("nowhere.yaml", rules.join("dangling.yaml")).unwrap();
    std::os::unix::fs::symlink("/dev/zero", rules.join("device.yml")).unwrap();
    pipe(&dir.path().join("modes.yaml"));
    let findings = unreadable();
    for name in ["rules/pipe.yaml", "rules/dangling.yaml", "rules/device.yml", "modes.yaml"] {
        let named = |finding: &&Finding| finding.message().contains(&format!("{name} cannot be read"));
        assert_eq!(findings.iter().filter(named).count(), 1, "{name}: {findings:?}");
    }
}

#[test]
fn what_else_is_wrong_is_said_beside_a_file_that_is_not_utf_8() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    let playbook = b"playbook: contain\nwhy: gar\xe7on\nsteps:\n  - do: disable-ad-usr\n";
    std::fs::write(folder.path().join("contain.yaml"), playbook).unwrap();
    std::fs::write(folder.path().join("rules/dcsync.yaml"), RULE).unwrap();
    std::fs::write(folder.path().join("rules/other.yaml"), RULE.replace("contain", "nowhere")).unwrap();
    let findings = load_rules(folder.path(), None).findings;
    let encoding = findings.iter().find(|finding| finding.code() == "rule/encoding").unwrap();
    let place = encoding.place().unwrap();
    let at = place.source.line_column(place.span.start);
    assert_eq!((at.line, at.column), (2, 9));
    let codes: Vec<&str> = findings.iter().map(Finding::code).collect();
    for code in ["rule/unknown-intent", "rule/unknown-playbook"] {
        assert!(codes.contains(&code), "{code}: {codes:?}");
    }
}

#[test]
fn shipped_rules_may_be_enforced_only_where_no_outsider_picks_the_name_or_a_logon_is_proven() {
    let table = shipped_table();
    let modes: String = table.rules().iter().map(|rule| format!("{}: enforce\n", rule.name)).collect();
    let mut files = super::shipped::files();
    files.modes = Some(Source::new("modes.yaml", modes));
    files.triggers = super::shipped::triggers();
    let loaded = check(&files, &CONTEXT, Findings::default());
    let refused: Vec<&str> = loaded
        .findings
        .iter()
        .filter(|finding| finding.level() == Level::Error)
        .map(|finding| finding.place().unwrap().source.slice(finding.place().unwrap().span))
        .collect();
    assert_eq!(refused, ["honeytoken-used: enforce", "roasted-accounts: enforce"]);
}

#[test]
fn no_shipped_rule_touches_bait_or_somebody_of_unknown_role() {
    for rule in shipped_table().rules() {
        for role in [crate::model::account::Role::Bait, crate::model::account::Role::Unknown] {
            assert!(!rule.account.role.includes(role), "{}", rule.name);
        }
    }
}

proptest::proptest! {
    #[test]
    fn damaged_files_are_findings_and_never_a_panic(at in 0_usize..400, cut in 0_usize..20, put in "[ -~\\n\\t\u{e9}]{0,12}") {
        let damage = |text: &str| {
            let chars: Vec<char> = text.chars().collect();
            let at = at % (chars.len() + 1);
            let rest = chars.iter().skip(at + cut);
            chars.iter().take(at).copied().chain(put.chars()).chain(rest.copied()).collect::<String>()
        };
        let rule = format!("{RULE}when: AlertSeverity == \"High\"\naccount: {{role: any, where: HasEntra}}\nlimits: {{per_day: 5}}\ntest:\n  - given: {{suspect: a@b.c}}\n    runs: [disable-ad-user]\n");
        for loaded in [loaded(&damage(PLAYBOOK), &rule, "", &CONTEXT), loaded(PLAYBOOK, &damage(&rule), &damage("dcsync: enforce\n"), &CONTEXT)] {
            let errors = loaded.findings.iter().any(|finding| finding.level() == Level::Error);
            proptest::prop_assert_eq!(loaded.table.is_none(), errors);
        }
    }
}

#[test]
fn a_condition_on_one_alert_has_limits_of_its_own_and_says_which_was_reached() {
    let answer = |when: &str, description: &str| {
        let rule = RULE.replace("do: contain", &format!("when: {when}\ndo: contain"));
        let loaded = loaded(PLAYBOOK, &rule, "", &CONTEXT);
        let table = loaded.table.unwrap_or_else(|| panic!("{:?}", loaded.findings));
        let columns = BTreeMap::from([("Description".to_owned(), serde_json::json!(description))]);
        let rule = table.rule("dcsync").expect("it is there");
        rule.applies(&alert_row(&columns), At::EPOCH).map_err(|error| error.to_string())
    };
    let longest = format!("[{}0]", "1, ".repeat(10_900));
    let reads: Vec<String> = (0..60).map(|at| format!("array_length(parse_json(Description)) > {at}")).collect();
    assert_eq!(answer(&reads.join(" and "), &longest), Ok(true), "a large alert is read as often as a rule may want");
    let copies = "strlen(strrep(strrep(Description, 100), 100)) > 1";
    assert_eq!(answer(copies, "short"), Ok(true));
    let stopped = answer(copies, &longest).unwrap_err();
    assert_eq!(stopped, "it was stopped at a limit, more than 67108864 bytes of values; narrow it");
    let stopped = answer("indexof(Description, '1', 0, -1, 900) > 1", &longest).unwrap_err();
    assert_eq!(stopped, "it was stopped at a limit, more than 1000000 steps; narrow it");
}
