use std::collections::BTreeSet;
use std::path::Path;

use super::*;
use crate::diagnostics::Finding;

const PLAYBOOK: &str = "playbook: contain\nwhy: w\nsteps:\n  - do: disable-ad-user\n    if: HasActiveDirectory\n  - do: suspend-okta-user\n  - do: revoke-sessions\n    if: HasEntra\n";
const RULE: &str =
    "rule: dcsync\nwhy: w\nowner: o\nalert: [mdi/2006]\nwhen: AlertSeverity == \"High\"\ndo: contain\ntest:\n";

/// The report of `riposte test` over one rule with these tests, one a line.
fn report_of(tests: &[&str]) -> Report {
    report_with(tests, "").unwrap()
}

fn report_with(tests: &[&str], settings: &str) -> Result<Report, CliError> {
    let lines: String = tests.iter().map(|test| format!("  - {test}\n")).collect();
    let folder = tempfile::tempdir().unwrap();
    let write = |path: &str, text: &str| {
        let path = folder.path().join(path);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    };
    write("playbooks/p.yaml", PLAYBOOK);
    write("playbooks/rules/r.yaml", &format!("{RULE}{lines}"));
    let tenant = "[tenant]\nid = \"11111111-1111-1111-1111-111111111111\"\n[identity]\nkind = \"managed-identity\"\n";
    write("riposte.toml", &format!("{tenant}{settings}"));
    let dir = folder.path().join("playbooks");
    test(&TestArgs::default(), &global(&dir, Some(folder.path().join("riposte.toml"))))
}

fn global(dir: &Path, config: Option<std::path::PathBuf>) -> Global {
    let overrides = vec![("rules.dir".into(), dir.display().to_string())];
    Global { config, overrides, ..Global::default() }
}

fn shipped(rules: &[&str]) -> Result<Report, CliError> {
    let args = TestArgs { rules: rules.iter().map(|rule| (*rule).to_owned()).collect() };
    let (_folder, global) = crate::cli::testing::shipped_rules();
    test(&args, &global)
}

#[test]
fn a_test_holds_when_exactly_what_it_claims_comes() {
    let report = report_of(&[
        "{given: {suspect: a@b.c, okta: true}, runs: [revoke-sessions, disable-ad-user, suspend-okta-user]}",
        "{given: {suspect: a@b.c}, runs: [disable-ad-user, revoke-sessions], withholds: no-account-there}",
        "{given: {suspect: a@b.c, okta: true, privileged: true}, asks: [disable-ad-user, suspend-okta-user, revoke-sessions]}",
        "{given: {account: a@b.c, okta: true, hybrid: false}, runs: [suspend-okta-user, revoke-sessions]}",
        "{given: {target: a@b.c}, runs: []}",
        "{given: {suspect: a@b.c, severity: Low}, runs: []}",
        "{given: {suspect: a@b.c, columns: {AlertSeverity: Low}}, runs: []}",
        "{given: {suspect: a@b.c, computer: true, okta: true}, withholds: protected}",
        "{given: {suspect: sync_01@b.c, okta: true}, withholds: protected}",
        "{given: {unknown: a@b.c}, withholds: role-unknown}",
        "{given: {suspect: a@b.c, age: 25h}, withholds: stale}",
        "{given: {suspect: a@b.c, witnessed: false}, withholds: unwitnessed}",
        "{given: {suspect: a@b.c, entra: false, active_directory: false}, withholds: account-unknown}",
    ]);
    assert_eq!(report.exit, Exit::Done, "{}", report.text);
    assert!(report.text.ends_with("\n1 rule, 13 tests: all hold\n"), "{}", report.text);
}

#[test]
fn a_test_that_does_not_hold_says_where_what_came_and_why_and_ends_with_1() {
    for (test, came, why) in [
        (
            "{given: {suspect: a@b.c, okta: true}, runs: [disable-ad-user]}",
            "expected runs disable-ad-user, came runs disable-ad-user, revoke-sessions, suspend-okta-user; ",
            "rule-matched: rule dcsync wants it",
        ),
        (
            "{given: {suspect: a@b.c, hybrid: false, privileged: true, okta: true}, runs: [suspend-okta-user, revoke-sessions]}",
            "expected runs revoke-sessions, suspend-okta-user, came asks revoke-sessions, suspend-okta-user; ",
            "privileged: a privileged account (protected group",
        ),
        (
            "{given: {suspect: a@b.c, severity: Medium}, asks: [disable-ad-user]}",
            "expected asks disable-ad-user, came nothing; ",
            "when: AlertSeverity == \"High\" does not hold; AlertSeverity = \"Medium\"",
        ),
        (
            "{given: {target: a@b.c}, withholds: protected}",
            "came nothing; ",
            "it is a target, and the rule is about: suspect",
        ),
        ("{given: {bait: a@b.c}, withholds: protected}", "came nothing; ", "bait is never acted on"),
        (
            "{given: {suspect: sync_1@b.c, okta: true}, runs: []}",
            "came withholds protected; ",
            "directory synchronisation",
        ),
    ] {
        let report = report_of(&[test, "{given: {target: a@b.c}, runs: []}"]);
        assert_eq!(report.exit, Exit::No, "{test}");
        let line = report.text.lines().next().unwrap();
        assert!(line.contains("r.yaml:8: FAILED dcsync: ") && line.contains(came) && line.contains(why), "{line}");
        assert!(report.text.ends_with("\n1 rule, 2 tests: 1 does not hold\n"), "{}", report.text);
        assert_eq!((&report.json["failed"], &report.json["tests"][0]["holds"]), (&json!(1), &json!(false)));
    }
}

#[test]
fn whoever_stands_beside_the_account_may_not_be_touched_and_does_not_count() {
    let report = report_of(&[
        "{given: {suspect: a@b.c, okta: true, beside: {target: x@y.z, unknown: u@v.w}}, runs: [disable-ad-user, suspend-okta-user, revoke-sessions]}",
        "{given: {target: a@b.c, beside: {unknown: u@v.w}}, runs: []}",
        "{given: {account: a@b.c, okta: true, beside: {account: u@v.w}}, runs: [disable-ad-user, suspend-okta-user, revoke-sessions]}",
    ]);
    assert_eq!(report.exit, Exit::Done, "{}", report.text);
    let touched = report_of(&["{given: {target: a@b.c, beside: {suspect: x@y.z}}, runs: []}"]);
    assert_eq!(touched.exit, Exit::No);
    assert!(
        touched.text.contains("expected nothing, came nothing, and x@y.z would be touched; it is a target"),
        "{}",
        touched.text
    );
    assert_eq!(touched.json["tests"][0]["touched_beside"], json!(["x@y.z"]));
}

#[test]
fn the_guardrails_of_the_settings_count() {
    let emergency = ["{given: {suspect: bg@contoso.com, okta: true}, withholds: protected}"];
    assert_eq!(report_with(&emergency, "").unwrap().exit, Exit::No);
    let listed = "[guardrails]\nbreak_glass = [\"bg@contoso.com\"]\n";
    let report = report_with(&emergency, listed).unwrap();
    assert_eq!(report.exit, Exit::Done, "{}", report.text);
}

#[test]
fn rules_that_cannot_be_read_end_with_2_and_the_findings() {
    let error = report_with(&["{given: {suspct: a@b.c}, runs: []}"], "").unwrap_err();
    assert_eq!(error.exit(), Exit::Usage);
    let CliError::Findings(findings) = error else { panic!("{error}") };
    assert!(findings.iter().filter_map(Finding::help_text).any(|help| help == "did you mean suspect?"));
}

#[test]
fn a_rule_without_tests_is_named_and_claims_nothing() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    std::fs::write(folder.path().join("p.yaml"), PLAYBOOK).unwrap();
    std::fs::write(folder.path().join("rules/r.yaml"), RULE.replace("test:\n", "")).unwrap();
    let report = test(&TestArgs::default(), &global(folder.path(), None)).unwrap();
    assert_eq!((report.exit, &report.json["untested"]), (Exit::Done, &json!(["dcsync"])));
    assert!(report.text.contains("r.yaml:1: dcsync: no test\n"), "{}", report.text);
    assert!(report.text.ends_with("0 tests: nothing is shown; 1 rule without a test\n"), "{}", report.text);
}

#[test]
fn only_the_rules_that_are_named_are_tested_and_a_name_that_is_none_is_answered_with_the_nearest() {
    let report = shipped(&["golden-ticket", "dcsync"]).unwrap();
    let rules: BTreeSet<&str> =
        report.json["tests"].as_array().unwrap().iter().filter_map(|test| test["rule"].as_str()).collect();
    assert_eq!(rules, BTreeSet::from(["dcsync", "golden-ticket"]));
    let error = shipped(&["dcsink"]).unwrap_err();
    assert!(error.to_string().contains("did you mean dcsync?"), "{error}");
    assert_eq!(error.exit(), Exit::Usage);
}

#[test]
fn the_tests_of_the_shipped_rules_and_triggers_hold() {
    let report = shipped(&[]).unwrap();
    assert_eq!(report.exit, Exit::Done, "{}", report.text);
    assert_eq!(report.json["untested"], json!([]));
    let triggers = report.json["triggers"].as_array().unwrap();
    assert!(triggers.len() >= 9, "every shipped trigger has a rule: {triggers:?}");
    assert!(
        triggers.iter().all(|tried| tried["alerts"].as_u64() > Some(0)),
        "each is seen to find somebody: {triggers:?}"
    );
}

#[test]
fn a_trigger_that_finds_others_than_its_test_wants_fails_with_both() {
    let report = |wanted: &str, rule: &str| {
        let folder = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = folder.path().join(path);
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(path, text).unwrap();
        };
        write("rules/r.yaml", &RULE.replace("[mdi/2006]", "[kql/t]").replace("test:\n", rule));
        write("p.yaml", PLAYBOOK);
        write(
            "kql/t.kql",
            "// every: 5m\n// account: Upn=UserPrincipalName\n// role: suspect\nSigninLogs | where ResultType == \"0\"\n",
        );
        let row = r#"{"TimeGenerated": "2026-03-02T07:40:00Z", "UserPrincipalName": "a@b.c", "ResultType": "0"}"#;
        write(
            "kql/tests/t.json",
            &format!(r#"{{"now": "2026-03-02T08:00:00Z", "tables": {{"SigninLogs": [{row}]}}, "alerts": [{wanted}]}}"#),
        );
        let mut global = global(folder.path(), None);
        global.overrides.push(("rules.kql".into(), folder.path().join("kql").display().to_string()));
        test(&TestArgs::default(), &global)
    };
    let good = report(r#"{"UserPrincipalName": "a@b.c"}"#, "test:\n  - {given: {account: a@b.c, severity: High}, runs: [disable-ad-user, revoke-sessions], withholds: no-account-there}\n").unwrap();
    assert_eq!(good.exit, Exit::Done, "{}", good.text);
    assert!(good.text.ends_with("\n1 rule, 1 trigger, 2 tests: all hold\n"), "{}", good.text);
    for alert in [r#"{"suspect": "a@b.c", "severity": "Medium"}"#, r#"{"suspect": ["a@b.c"], "target": []}"#] {
        assert_eq!(report(alert, "").unwrap().exit, Exit::Done, "{alert}");
    }
    for alert in [r#"{"target": "a@b.c"}"#, r#"{"suspect": "b@b.c"}"#, r#"{"severity": "High"}"#] {
        assert_eq!(report(alert, "").unwrap().exit, Exit::No, "{alert}");
    }
    let twice = report(r#"{"suspect": "a@b.c"}, {"suspect": "a@b.c"}"#, "").unwrap();
    assert_eq!(twice.exit, Exit::No, "rows of one alert are one");
    let bad = report(r#"{"UserPrincipalName": "x@y.z"}"#, "").unwrap();
    assert_eq!((bad.exit, &bad.json["triggers"][0]["holds"]), (Exit::No, &json!(false)));
    assert!(
        bad.text
            .contains("FAILED kql/t: wanted [UserPrincipalName: \"x@y.z\", ], came [UserPrincipalName: \"a@b.c\", ]"),
        "{}",
        bad.text
    );
    for (given, code) in
        [("target: a@b.c", "rule/test-account"), ("suspect: a@b.c, witnessed: false", "rule/test-alert")]
    {
        let Err(CliError::Findings(findings)) = report("", &format!("test:\n  - {{given: {{{given}}}, runs: []}}\n"))
        else {
            panic!("{given}")
        };
        assert!(findings.iter().any(|finding| finding.code() == code), "{given}: {findings:?}");
    }
}

#[test]
fn outside_the_global_cloud_tests_hold_or_are_skipped_with_a_word_and_mistakes_still_fail() {
    let (_folder, mut global) = crate::cli::testing::shipped_rules();
    let guid = "11111111-1111-1111-1111-111111111111";
    for (key, value) in [
        ("tenant.cloud", "china"),
        ("workspaces.0.name", "soc"),
        ("workspaces.0.id", guid),
        ("workspaces.0.subscription", guid),
        ("workspaces.0.resource_group", "g"),
        ("workspaces.0.workspace", "w"),
    ] {
        global.overrides.push((key.into(), value.into()));
    }
    let report = test(&TestArgs::default(), &global).unwrap();
    assert_eq!((report.exit, &report.json["failed"]), (Exit::Done, &json!(0)), "{}", report.text);
    assert!(report.json["skipped"].as_u64().unwrap() > 0, "{}", report.text);
    assert!(report.text.contains("because no route in the cloud china can do what they expect"), "{}", report.text);
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    std::fs::write(folder.path().join("p.yaml"), PLAYBOOK).unwrap();
    let wrong = "  - {given: {suspect: a@b.c, okta: true}, asks: [disable-ad-user]}\n";
    std::fs::write(folder.path().join("rules/r.yaml"), format!("{RULE}{wrong}")).unwrap();
    global.overrides.push(("rules.dir".into(), folder.path().display().to_string()));
    let report = test(&TestArgs::default(), &global).unwrap();
    assert_eq!((&report.json["failed"], &report.json["skipped"]), (&json!(1), &json!(0)), "{}", report.text);
}

/// A rule that acts on everybody, or on nobody, would pass tests of one kind only.
#[test]
fn every_shipped_rule_shows_one_account_it_acts_on_and_one_it_leaves_alone() {
    let report = shipped(&[]).unwrap();
    let tests = report.json["tests"].as_array().unwrap();
    let names: BTreeSet<&str> = tests.iter().filter_map(|test| test["rule"].as_str()).collect();
    let acts = |test: &Value| ["runs", "asks"].iter().any(|key| test["expected"][key] != json!([]));
    for name in names {
        let of_rule: Vec<bool> = tests.iter().filter(|test| test["rule"] == name).map(acts).collect();
        assert!(of_rule.contains(&true) && of_rule.contains(&false), "{name}: {of_rule:?}");
    }
}

#[cfg(feature = "lab")]
#[test]
fn the_tests_of_the_demos_rules_hold() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("rules")).unwrap();
    for (name, text) in crate::cli::demo::tenant::FILES {
        std::fs::write(folder.path().join(name), text).unwrap();
    }
    // Only in enforce is a list of emergency accounts asked for.
    std::fs::remove_file(folder.path().join("modes.yaml")).unwrap();
    let report = test(&TestArgs::default(), &global(folder.path(), None)).unwrap();
    assert_eq!((report.exit, &report.json["untested"]), (Exit::Done, &json!([])), "{}", report.text);
}

#[test]
fn a_trigger_is_tried_on_the_rows_of_a_watchlist_too_and_without_them_its_test_says_what_is_missing() {
    let folder = tempfile::tempdir().unwrap();
    for name in ["rules", "kql", "kql/tests"] {
        std::fs::create_dir(folder.path().join(name)).unwrap();
    }
    std::fs::write(folder.path().join("p.yaml"), PLAYBOOK).unwrap();
    std::fs::write(folder.path().join("rules/r.yaml"), RULE.replace("mdi/2006", "kql/t").replace("test:\n", ""))
        .unwrap();
    let query = "// every: 5m\n// account: Upn=UserPrincipalName\n// role: suspect\nSigninLogs\n\
        | where UserPrincipalName in ((_GetWatchlist('vip') | project SearchKey))\n";
    std::fs::write(folder.path().join("kql/t.kql"), query).unwrap();
    let report = |watchlists: &str| {
        let row =
            |name: &str| format!(r#"{{"TimeGenerated": "2026-03-02T07:40:00Z", "UserPrincipalName": "{name}@b.c"}}"#);
        let test_of = format!(
            r#"{{"now": "2026-03-02T08:00:00Z", "tables": {{"SigninLogs": [{}, {}]}}, {watchlists} "alerts": [{{"suspect": "a@b.c"}}]}}"#,
            row("a"),
            row("b")
        );
        std::fs::write(folder.path().join("kql/tests/t.json"), test_of).unwrap();
        let mut global = global(folder.path(), None);
        global.overrides.push(("rules.kql".into(), folder.path().join("kql").display().to_string()));
        test(&TestArgs::default(), &global).unwrap()
    };
    let good = report(r#""watchlists": {"vip": [{"SearchKey": "a@b.c"}]},"#);
    assert_eq!(good.exit, Exit::Done, "{}", good.text);
    let lacking = report("");
    assert_eq!(lacking.exit, Exit::No, "{}", lacking.text);
    assert!(lacking.text.contains("give its rows under \"watchlists\""), "{}", lacking.text);
}

#[test]
fn rows_with_a_column_that_their_table_does_not_have_fail_with_the_nearest() {
    let report = |column: &str, query: &str| {
        let folder = tempfile::tempdir().unwrap();
        for name in ["rules", "kql", "kql/tests"] {
            std::fs::create_dir(folder.path().join(name)).unwrap();
        }
        let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
        write("p.yaml", PLAYBOOK);
        write("rules/r.yaml", &RULE.replace("mdi/2006", "kql/t").replace("test:\n", ""));
        write("kql/t.kql", &format!("// every: 5m\n// account: Upn=UserPrincipalName\n// role: suspect\n{query}\n"));
        let table = query.split(' ').next().unwrap();
        let row =
            format!(r#"{{"TimeGenerated": "2026-03-02T07:40:00Z", "UserPrincipalName": "a@b.c", "{column}": ""}}"#);
        let test_of = format!(
            r#"{{"now": "2026-03-02T08:00:00Z", "tables": {{"{table}": [{row}]}}, "alerts": [{{"suspect": "a@b.c"}}]}}"#
        );
        write("kql/tests/t.json", &test_of);
        let mut global = global(folder.path(), None);
        global.overrides.push(("rules.kql".into(), folder.path().join("kql").display().to_string()));
        test(&TestArgs::default(), &global).unwrap()
    };
    let known = "SigninLogs | where UserPrincipalName != ''";
    let wrong = report("IPAdress", known);
    assert_eq!(wrong.exit, Exit::No, "{}", wrong.text);
    assert!(
        wrong.text.contains("a column \"IPAdress\", which the table does not have; did you mean IPAddress?"),
        "{}",
        wrong.text
    );
    for column in ["IPAddress", "_ResourceId", "Ours_CF"] {
        let right = report(column, known);
        assert_eq!(right.exit, Exit::Done, "{column}: {}", right.text);
    }
    let open = report("Anything", "Own_CL | where UserPrincipalName != ''");
    assert_eq!(open.exit, Exit::Done, "{}", open.text);
}
