//! Triggers in folders, and rules that name them.

use super::*;

/// A folder with one rule on these alerts and these triggers, by file name.
fn with_triggers(alert: &str, modes: &str, triggers: &[(&str, &str)]) -> Loaded {
    let context = LoadContext { workspaces: Some(vec!["soc".to_owned()]), ..CONTEXT };
    with_triggers_in(alert, modes, triggers, &context)
}

fn with_triggers_in(alert: &str, modes: &str, triggers: &[(&str, &str)], context: &LoadContext) -> Loaded {
    let file = |(name, text): &(&str, &str)| super::trigger::TriggerFile {
        source: Source::new(*name, *text),
        test: None,
        shipped: false,
    };
    let files = Files {
        playbooks: vec![Source::new("p.yaml", PLAYBOOK)],
        rules: vec![Source::new("r.yaml", RULE.replace("mdi/2006", alert))],
        modes: Some(Source::new("modes.yaml", modes)),
        triggers: triggers.iter().map(file).chain(super::shipped::triggers()).collect(),
        ..Files::default()
    };
    check(&files, context, Findings::default())
}

const TRIGGER: &str =
    "// every: 5m\n// account: Upn=UserPrincipalName\n// role: suspect\nSigninLogs | where ResultType == \"0\"\n";

#[test]
fn a_rule_names_a_trigger_of_the_folder_or_a_shipped_one_and_only_those_are_run() {
    let loaded = with_triggers("kql/own, kql/dormant-account-signs-in", "", &[("kql/own.kql", TRIGGER)]);
    assert_eq!(shown(&loaded), [""; 0]);
    let table = loaded.table.unwrap();
    let ids: Vec<&str> = table.triggers().iter().map(|written| written.entry.id.as_str()).collect();
    assert_eq!(ids, ["kql/dormant-account-signs-in", "kql/own"]);
    assert_eq!(table.matching(&table.triggers()[1].entry).count(), 1);
}

#[test]
fn triggers_read_tables_of_ones_own() {
    let folder = tempfile::tempdir().unwrap();
    let (kql, tables) = (folder.path().join("kql"), folder.path().join("tables.tsv"));
    std::fs::create_dir(&kql).unwrap();
    std::fs::write(kql.join("own.kql"), TRIGGER.replace("ResultType ==", "Brand has 'x' and New ==")).unwrap();
    let load = || load(Folders { kql: Some(&kql), tables: Some(&tables), ..Folders::default() }, &CONTEXT);
    let errors = |loaded: &Loaded| -> Vec<String> {
        loaded.findings.iter().filter(|one| one.level() == Level::Error).map(Finding::one_line).collect()
    };
    std::fs::write(&tables, "SigninLogs +New:string\n").unwrap();
    let lacking = load();
    assert_eq!(errors(&lacking).len(), 1, "{:?}", errors(&lacking));
    assert!(errors(&lacking)[0].contains("there is no column \"Brand\""), "{:?}", errors(&lacking));
    std::fs::write(&tables, "SigninLogs +New:string Brand:string\n").unwrap();
    let loaded = load();
    assert_eq!(errors(&loaded), [""; 0]);
    let digest = loaded.table.unwrap().digest().to_owned();
    std::fs::write(&tables, "SigninLogs +New:string Brand:string Third:int\n").unwrap();
    assert_ne!(load().table.unwrap().digest(), digest);
    std::fs::write(&tables, b"SigninLogs +New:strong Brand:string \xff\n").unwrap();
    let broken = errors(&load()).join("\n");
    for part in ["tables.tsv:1:13: error[tables/unknown-type]", "tables.tsv:1:37: error[rule/encoding]"] {
        assert!(broken.contains(part), "{part}: {broken}");
    }
    assert!(!broken.contains("own.kql"), "{broken}");
    std::fs::remove_file(&tables).unwrap();
    assert!(errors(&load())[0].contains("tables.tsv cannot be read"), "{:?}", errors(&load()));
}

#[test]
fn files_of_triggers_are_read_whole_whatever_their_ending_and_encoding_or_not_at_all() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, bytes: &[u8]| std::fs::write(folder.path().join(name), bytes).unwrap();
    let load = || load(Folders { kql: Some(folder.path()), ..Folders::default() }, &CONTEXT);
    let told = || -> Vec<String> {
        let found = load().findings;
        found
            .iter()
            .filter(|one| one.code() != "rule/untested")
            .map(|one| format!("{} {}", one.code(), one.message()))
            .collect()
    };
    write("OWN.KQL", TRIGGER.as_bytes());
    assert!(told().iter().any(|line| line.starts_with("trigger/unused")), "{:?}", told());
    write("OWN.KQL", format!("\u{feff}{TRIGGER}").as_bytes());
    assert!(told().iter().any(|line| line.starts_with("trigger/unused")), "{:?}", told());
    write("OWN.KQL", format!("{TRIGGER}| where UserId != ''\n//{}\n| count\n", "x".repeat(300 << 10)).as_bytes());
    assert!(told()[0].contains("OWN.KQL is larger than 256 KiB"), "half a query is another one: {:?}", told());
    let wide: Vec<u8> = [0xff, 0xfe].into_iter().chain(TRIGGER.bytes().flat_map(|byte| [byte, 0])).collect();
    write("OWN.KQL", &wide);
    let lines = told();
    assert!(lines.len() == 1 && lines[0].contains("is UTF-16"), "{lines:?}");
}

#[test]
fn rows_that_belong_to_no_trigger_are_warned_of_with_the_nearest() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::create_dir(folder.path().join("tests")).unwrap();
    let write = |name: &str, text: &str| std::fs::write(folder.path().join(name), text).unwrap();
    write("logins.kql", TRIGGER);
    write("tests/logins.json", "{}");
    write("tests/login.json", "{}");
    write("tests/notes.txt", "no rows");
    let found = load(Folders { kql: Some(folder.path()), ..Folders::default() }, &CONTEXT).findings;
    let strays: Vec<_> = found.iter().filter(|one| one.code() == "trigger/stray-test").collect();
    assert_eq!(strays.len(), 1, "{found:?}");
    assert!(strays[0].message().contains("login.json belongs to no trigger"), "{strays:?}");
    assert!(strays[0].help_text().is_some_and(|help| help.contains("did you mean logins?")), "{strays:?}");
}

#[test]
fn a_trigger_that_is_none_is_answered_with_the_nearest_and_a_broken_one_is_one_finding() {
    let loaded = with_triggers("kql/dormant-acount-signs-in", "", &[]);
    assert_eq!(shown(&loaded), ["rule/unknown-alert r.yaml:4:9"]);
    let help: Vec<&str> = loaded.findings.iter().filter_map(Finding::help_text).collect();
    assert!(help.contains(&"did you mean kql/dormant-account-signs-in?"), "{help:?}");
    let broken = TRIGGER.replace("role: suspect", "role: suspekt");
    assert_eq!(shown(&with_triggers("kql/own", "", &[("own.kql", &broken)])), ["trigger/unknown-word own.kql:3:10"]);
}

#[test]
fn every_mistake_of_a_query_and_its_header_is_found_with_its_place() {
    let found = |text: &str| shown(&with_triggers("kql/own", "", &[("own.kql", text)]));
    let closed = TRIGGER.replace("UserPrincipalName", "AccountUpn");
    let closed =
        closed.replace("SigninLogs | where ResultType == \"0\"", "IdentityDirectoryEvents | where Protocol == \"x\"");
    assert_eq!(found(&closed), [""; 0]);
    assert_eq!(found(&closed.replace("Protocol", "Protocoll")), ["kql/unknown-column own.kql:4:33"]);
    assert_eq!(found(&closed.replace("Upn=AccountUpn", "Upn=AccountUpm")), ["trigger/unknown-column own.kql:2:17"]);
    let open = TRIGGER.replace("=UserPrincipalName", "=actor_alternateId").replace("SigninLogs", "Okta_CL");
    let open = open.replace("ResultType == \"0\"", "outcome_result_s == \"SUCCESS\"");
    let open = with_triggers("kql/own", "", &[("own.kql", &open)]);
    assert_eq!((shown(&open), open.table.is_some()), (vec!["trigger/unknown-column own.kql:2:17".to_owned()], true));
    let listed = format!("{TRIGGER}| where UserPrincipalName in ((_GetWatchlist('vip') | project Upn))\n");
    assert_eq!(found(&listed), [""; 0]);
    let listed = with_triggers("kql/own", "", &[("own.kql", &listed.replace("Upn=UserPrincipalName", "Upn=Somebody"))]);
    assert_eq!(
        (shown(&listed), listed.table.is_some()),
        (vec!["trigger/unknown-column own.kql:2:17".to_owned()], false)
    );
    assert_eq!(found(&TRIGGER.replace("| where", "| wher")), ["kql/unknown-operator own.kql:4:14"]);
    assert_eq!(found(&format!("// workspace: sok\n{TRIGGER}")), ["trigger/workspace own.kql:1:15"]);
    let timeless = format!("{closed}| project AccountUpn\n");
    assert_eq!(found(&timeless), ["trigger/no-time own.kql:1:1"]);
    let foreign = TRIGGER.replace("SigninLogs | where ResultType == \"0\"", "Mine_CL | where Any == 1");
    let warned = with_triggers("kql/own", "", &[("own.kql", &foreign)]);
    assert!(warned.table.is_some(), "{:?}", warned.findings);
    let lacking = format!("{TRIGGER}| extend A = series_decompose_anomalies(UserPrincipalName)\n");
    let warned = with_triggers("kql/own", "", &[("own.kql", &lacking)]);
    assert!(warned.table.is_some(), "the service runs it, not we: {:?}", warned.findings);
}

#[test]
fn what_only_we_lack_refuses_no_trigger_nor_does_what_follows_from_it() {
    let loaded = |query: &str| {
        let text = format!("// every: 5m\n// account: Upn=UserPrincipalName\n// role: suspect\nSigninLogs {query}\n");
        with_triggers("kql/own", "", &[("own.kql", &text)])
    };
    for query in [
        "| extend b = our_saved(Location) | summarize count() by b, UserPrincipalName",
        "| extend d = our_saved(Location) | where d > ago(1d) and d == parse_json(Location)",
        "| project UserPrincipalName, a = our_saved(Location) | join kind=inner (AuditLogs | project a = Identity) on a",
        "| summarize h = hll(UserId) by Location, UserPrincipalName | summarize d = dcount_hll(hll_merge(h)) by UserPrincipalName",
        "| extend x = toscalar(OurRows() | summarize max(T)) | where x > ago(1d)",
        "| parse Location with 'a' b:decimal 'c' | where b > 1",
        "| join kind=leftouter (datatable(UserId:string, x:decimal)['a', 1.5]) on UserId | where x > 1",
        "| scan with (step s: true;) | summarize n = count() by UserPrincipalName | where n > 3",
        "| extend d = todecimal(1) | summarize sum(d) by UserPrincipalName",
        "| where bin_auto(TimeGenerated) > ago(1d)",
    ] {
        let loaded = loaded(query);
        assert!(loaded.table.is_some(), "{query}: {:?}", loaded.findings);
        assert!(loaded.findings.iter().any(|one| one.level() == Level::Warning), "{query}");
    }
    // What is wrong whatever the columns are is wrong behind it too.
    for query in [
        "| scan with (step s: true;) | where tolowr(UserId) == 'x'",
        "| scan with (step s: true;) | summarize n = count() by UserPrincipalName | where m > 3",
        "| extend b = our_saved(Location) | where Locatoin == 'x'",
    ] {
        let loaded = loaded(query);
        let errors = loaded.findings.iter().filter(|one| one.level() == Level::Error).count();
        assert!(loaded.table.is_none() && errors == 1, "{query}: {:?}", loaded.findings);
    }
}

#[test]
fn the_poll_query_is_no_trigger_however_its_name_is_written() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("Security-Alerts.KQL"), "SecurityAlert | where x > {from}\n").unwrap();
    let load = || load(Folders { kql: Some(folder.path()), ..Folders::default() }, &CONTEXT);
    let triggers = |loaded: &Loaded| -> Vec<String> {
        let told = loaded.findings.iter().filter(|one| one.code().starts_with("trigger/"));
        told.map(Finding::one_line).collect()
    };
    assert_eq!(triggers(&load()), [""; 0]);
    let second = folder.path().join("security-alerts.kql");
    std::fs::write(&second, "").unwrap();
    assert!(triggers(&load())[0].contains("only capitals tell apart"), "{:?}", triggers(&load()));
    std::fs::remove_file(&second).unwrap();
    for name in ["security_alerts.kql", "Security Alerts.yaml"] {
        let path = folder.path().join(name);
        std::fs::write(&path, TRIGGER).unwrap();
        let told = triggers(&load());
        assert!(told.len() == 1 && told[0].contains("error[trigger/bad-name]"), "{told:?}");
        std::fs::remove_file(&path).unwrap();
    }
}

#[test]
fn a_mistake_in_the_query_of_an_analytics_rule_is_found_where_it_stands() {
    let rule = "name: x\nqueryFrequency: 5m\nqueryPeriod: 1h\nquery: |\n  // role: target\n  IdentityDirectoryEvents\n  | where Protocoll == 1\nentityMappings:\n  \
                - entityType: Account\n    fieldMappings: [{identifier: FullName, columnName: AccountUpn}]\n";
    assert_eq!(shown(&with_triggers("kql/own", "", &[("own.yaml", rule)])), ["kql/unknown-column own.yaml:7:11"]);
}

#[test]
fn a_trigger_nobody_answers_is_told_two_of_one_name_are_refused_and_a_shipped_name_may_be_taken() {
    let found = |triggers: &[(&str, &str)]| shown(&with_triggers("mdi/2006", "", triggers));
    assert_eq!(found(&[("own.kql", TRIGGER)]), ["trigger/unused own.kql:1:1"]);
    let twice = found(&[("own.kql", TRIGGER), ("Own.kql", TRIGGER)]);
    assert_eq!(twice[0], "trigger/duplicate-name Own.kql:1:1");
    let loaded = with_triggers("kql/dormant-account-signs-in", "", &[("dormant-account-signs-in.kql", TRIGGER)]);
    assert_eq!(loaded.table.unwrap().triggers()[0].trigger.query, TRIGGER);
}

#[test]
fn what_is_believed_of_a_trigger_is_noted_once_its_rule_may_act() {
    let triggers = [("own.kql", TRIGGER)];
    assert_eq!(shown(&with_triggers("kql/own", "", &triggers)), [""; 0]);
    let loaded = with_triggers("kql/own", "dcsync: approve\n", &triggers);
    assert_eq!(shown(&loaded), ["trigger/believed modes.yaml:1:1"]);
    let note = loaded.findings.iter().find(|finding| finding.level() == Level::Note).unwrap();
    assert!(note.message().contains("SigninLogs") && loaded.table.is_some(), "{note:?}");
}

#[test]
fn a_rule_about_other_roles_than_its_trigger_gives_is_told_to_act_on_nobody() {
    let found =
        |role: &str| shown(&with_triggers("kql/own", "", &[("own.kql", &TRIGGER.replace("role: suspect", role))]));
    assert!(TRIGGER.contains("role: suspect"));
    assert_eq!(found("role: suspect"), [""; 0]);
    let told = found("role: target");
    assert!(told.len() == 1 && told[0].starts_with("trigger/nobody"), "{told:?}");
}

#[test]
fn a_file_that_goes_before_a_shipped_trigger_is_noted_once_its_rule_may_act() {
    let own = [("dormant-account-signs-in.kql", TRIGGER)];
    let found = |modes: &str| shown(&with_triggers("kql/dormant-account-signs-in", modes, &own));
    assert_eq!(found(""), [""; 0]);
    let noted = "trigger/instead dormant-account-signs-in.kql:1:1".to_owned();
    assert!(found("dcsync: enforce\n").contains(&noted), "{:?}", found("dcsync: enforce\n"));
    let other = with_triggers("kql/dormant-account-signs-in", "dcsync: enforce\n", &[("other.kql", TRIGGER)]);
    assert!(!shown(&other).iter().any(|line| line.starts_with("trigger/instead")));
}

#[test]
fn a_trigger_that_reads_rows_of_alerts_is_no_witness_of_them_and_that_is_warned_of_once_its_rule_may_act() {
    let own = [("own.kql", "// every: 5m\n// account: Upn=CompromisedEntity\n// role: suspect\nSecurityAlert\n")];
    assert_eq!(shown(&with_triggers("kql/own", "", &own)), [""; 0]);
    let loaded = with_triggers("kql/own", "dcsync: approve\n", &own);
    assert!(shown(&loaded).contains(&"trigger/unwitnessed own.kql:1:1".to_owned()), "{:?}", loaded.findings);
    assert!(!loaded.table.unwrap().triggers()[0].trigger.witnessed);
    let other = with_triggers("kql/own", "dcsync: approve\n", &[("own.kql", TRIGGER)]);
    assert!(other.table.unwrap().triggers()[0].trigger.witnessed);
}

#[test]
fn what_a_trigger_reads_of_alerts_and_of_places_unknown_leaves_it_without_a_witness() {
    let witnessed = |query: &str| {
        let text = format!("// every: 5m\n// account: Upn=UserPrincipalName\n// role: suspect\n{query}\n");
        let loaded = with_triggers("kql/own", "dcsync: approve\n", &[("own.kql", &text)]);
        let told = shown(&loaded).iter().any(|line| line.starts_with("trigger/unwitnessed"));
        let Some(table) = loaded.table else { panic!("{query}: {:?}", loaded.findings) };
        assert_eq!(told, !table.triggers()[0].trigger.witnessed, "{query}: {:?}", loaded.findings);
        !told
    };
    for query in [
        "union withsource=Tbl *",
        "union isfuzzy=true *",
        "workspace(\"x\").SecurityAlert | where A == 1",
        "union SigninLogs, workspace(\"x\").SecurityAlert",
        "search (\"a\" or \"b\")",
        "search @\"x\"",
        "SecurityIncident | extend UserPrincipalName = Title",
        "OurSavedParser() | where A == 1",
        "SigninLogs | join kind=inner (OurSavedParser()) on UserPrincipalName",
    ] {
        assert!(!witnessed(query), "{query}");
    }
    for query in [
        "union withsource=Tbl SigninLogs, AuditLogs | extend UserPrincipalName = \"\"",
        "SigninLogs | extend A = geo_info_from_ip_address(IPAddress)",
        "SigninLogs | extend A = series_decompose_anomalies(UserPrincipalName)",
    ] {
        assert!(witnessed(query), "{query}");
    }
}

#[test]
fn of_what_is_withheld_it_is_not_said_that_a_rule_acts_on_it_and_where_it_is_allowed_not_that_it_is_withheld() {
    let said = |unwitnessed_allowed: bool| {
        let own = [("own.kql", "// every: 5m\n// account: Upn=CompromisedEntity\n// role: suspect\nSecurityAlert\n")];
        let context = LoadContext { unwitnessed_allowed, ..CONTEXT };
        let loaded = with_triggers_in("kql/own", "dcsync: enforce\n", &own, &context);
        let codes = loaded.findings.iter().map(Finding::code).filter(|code| code.starts_with("trigger/"));
        codes.collect::<Vec<_>>()
    };
    assert_eq!(said(false), ["trigger/unwitnessed"]);
    assert_eq!(said(true), ["trigger/believed"]);
}

#[test]
fn the_readme_of_triggers_explains_every_word_of_a_header_and_its_example_is_one() {
    const README: &str = include_str!("../../../kql/README.md");
    let known = super::trigger::header_words();
    let silent: Vec<&str> = known.into_iter().filter(|word| !README.contains(&format!("`{word}`"))).collect();
    assert_eq!(silent, [""; 0]);
    let (_, example) = README.split_once("```kql\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let told = shown(&with_triggers("kql/own", "", &[("own.kql", example)]));
    // The rule beside it is about suspects, and the example about a target.
    assert!(told.iter().all(|line| line.starts_with("trigger/nobody")), "{told:?}");
}

#[test]
fn a_condition_may_name_the_alert_type_of_a_loaded_trigger_and_a_slip_is_answered_with_the_nearest() {
    let when = |alert_type: &str| {
        let rule = RULE.replace("mdi/2006", "kql/own");
        let rule = rule.replace("\ndo:", &format!("\nwhen: AlertType == \"{alert_type}\"\ndo:"));
        assert!(rule.contains("when:"), "{rule}");
        let own = super::trigger::TriggerFile { source: Source::new("own.kql", TRIGGER), test: None, shipped: false };
        let files = Files {
            playbooks: vec![Source::new("p.yaml", PLAYBOOK)],
            rules: vec![Source::new("r.yaml", rule)],
            triggers: [own].into_iter().chain(super::shipped::triggers()).collect(),
            ..Files::default()
        };
        let found = check(&files, &CONTEXT, Findings::default()).findings;
        let told = found.iter().filter(|one| one.code() == "rule/unknown-value");
        told.map(|one| one.help_text().unwrap_or_default().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(when("kql/own"), [""; 0]);
    assert_eq!(when("kql/dormant-account-signs-in"), [""; 0]);
    assert_eq!(when("kql/owm"), ["did you mean kql/own?"]);
}

#[test]
fn a_misspelled_operator_is_an_error_of_a_trigger_with_the_nearest_word() {
    let loaded = with_triggers("kql/own", "", &[("own.kql", &TRIGGER.replace("| where", "| wher"))]);
    let error = loaded.findings.iter().find(|one| one.level() == Level::Error).unwrap();
    assert_eq!((error.code(), error.help_text()), ("kql/unknown-operator", Some("did you mean where?")));
}

#[test]
fn files_that_would_name_the_same_trigger_are_all_told() {
    let files = [("Dup.kql", TRIGGER), ("dup.kql", TRIGGER), ("dup.yaml", TRIGGER)];
    let loaded = with_triggers("mdi/2006", "", &files);
    let twice: Vec<&Finding> = loaded.findings.iter().filter(|one| one.code() == "trigger/duplicate-name").collect();
    assert_eq!(twice.len(), 3, "{twice:?}");
    assert!(twice.iter().all(|one| one.message() == "there are 3 triggers kql/dup"), "{twice:?}");
    assert!(twice[0].help_text().unwrap().contains("Dup.kql, dup.kql, dup.yaml"), "{twice:?}");
}

#[test]
fn a_tactic_that_is_none_is_doubted_and_a_column_that_can_name_nobody_is_refused() {
    let told = |text: &str| {
        let loaded = with_triggers("kql/own", "", &[("own.kql", text)]);
        let told = loaded
            .findings
            .iter()
            .filter(|one| one.code() != "rule/untested")
            .map(|one| format!("{} {}", one.one_line(), one.help_text().unwrap_or_default()));
        told.collect::<Vec<_>>().join("\n")
    };
    let tactic = |word: &str| told(&format!("// tactics: Execution, {word}\n{TRIGGER}"));
    assert!(
        tactic("Persistance").contains("own.kql:1:24: warning[trigger/unknown-tactic]"),
        "{}",
        tactic("Persistance")
    );
    assert!(tactic("Persistance").contains("did you mean Persistence?"));
    assert!(tactic("Foo").contains("\"Foo\" is no tactic"), "{}", tactic("Foo"));
    assert_eq!((tactic("InitialAccess"), tactic("initial access")), (String::new(), String::new()));
    let number = TRIGGER.replace("Upn=UserPrincipalName", "AadUserId=N");
    let number = format!("{number}| extend N = strlen(UserId)\n");
    assert!(told(&number).contains("error[trigger/column-type]"), "{}", told(&number));
    assert_eq!(told(&number.replace("strlen(UserId)", "toguid(UserId)")), "");
    let moments = told(&format!("// same: by TimeGenerated within 40d\n{TRIGGER}"));
    assert!(moments.contains("own.kql:1:13: warning[trigger/same]"), "{moments}");
    assert_eq!(told(&format!("// same: by UserId within 40d\n{TRIGGER}")), "");
}

#[test]
fn what_is_wrong_with_the_times_of_a_trigger_hides_nothing_else_of_it() {
    let text =
        "// evry: 10m\n// lookback: 1h\n// account: Sid=Acount\nIdentityDirectoryEvents | where Protocl == \"x\"\n";
    let found = |text: &str| shown(&with_triggers("kql/own", "", &[("own.kql", text)]));
    assert_eq!(
        found(text),
        [
            "trigger/missing-key own.kql:1:1",
            "trigger/unknown-key own.kql:1:4",
            "trigger/no-role own.kql:3:13",
            "kql/unknown-column own.kql:4:33"
        ]
    );
    let right = text.replace("Protocl", "Protocol");
    assert!(found(&right).contains(&"trigger/unknown-column own.kql:3:17".to_owned()), "{:?}", found(&right));
    let rule = "name: A rule\nkind: Scheduled\nqueryFrequency: 5m\nqueryPeriod: 15m\nseverity: High\nquery: |\n  // role: suspect\n  \
        IdentityDirectoryEvents | where Protocol == 'x'\nentityMappings:\n  - entityType: Account\n    fieldMappings:\n      \
        - {identifier: Sid, columnName: AccountSidd}\n";
    assert_eq!(shown(&with_triggers("kql/own", "", &[("own.yaml", rule)])), ["trigger/unknown-column own.yaml:12:9"]);
}
