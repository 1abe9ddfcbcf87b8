//! What is well-formed and still not what its author can want.

use super::*;

#[test]
fn what_nothing_can_undo_is_said_before_it_runs() {
    let playbook = steps(
        "  - do: deactivate-okta-user\n  - do: revoke-sessions\n    revert_after: 8h\n  - do: mark-compromised\n    revert_after: 8h\n",
    );
    assert_eq!(
        found(&playbook, RULE, ""),
        ["rule/irreversible p.yaml:4:9", "rule/cannot-revert p.yaml:5:9", "rule/cannot-revert p.yaml:7:9"]
    );
    let meant = steps("  - do: deactivate-okta-user\n    irreversible: true\n");
    assert_eq!(found(&meant, RULE, ""), [""; 0]);
}

#[test]
fn verbs_that_only_undo_and_steps_that_repeat_are_refused() {
    let playbook = steps("  - do: restore-entra-user\n  - do: disable-ad-user\n  - do: disable-ad-user\n");
    assert_eq!(found(&playbook, RULE, "")[..2], ["rule/not-a-step p.yaml:4:9", "rule/duplicate-step p.yaml:6:9"]);
}

#[test]
fn enforce_needs_a_break_glass_list() {
    let context = LoadContext { break_glass_empty: true, ..CONTEXT };
    assert_eq!(shown(&loaded(PLAYBOOK, RULE, "dcsync: enforce\n", &context)), ["rule/no-break-glass modes.yaml:1:1"]);
    assert_eq!(shown(&loaded(PLAYBOOK, RULE, "dcsync: approve\n", &context)), [""; 0]);
}

#[test]
fn enforce_on_names_an_outsider_picks_wants_a_logon_that_succeeded() {
    let brute = RULE.replace("2006", "2023");
    assert_eq!(found(PLAYBOOK, &brute, "dcsync: enforce\n"), ["rule/outsider modes.yaml:1:1"]);
    assert_eq!(found(PLAYBOOK, &brute, "dcsync: approve\n"), [""; 0]);
    let proven = format!("{brute}when: Description has \"succeeded\"\n");
    assert_eq!(found(PLAYBOOK, &proven, "dcsync: enforce\n"), [""; 0]);
}

#[test]
fn a_password_change_alone_does_not_answer_a_theft() {
    let playbook = steps("  - do: require-password-change\n");
    let loaded = loaded(&playbook, RULE, "", &CONTEXT);
    assert_eq!(shown(&loaded), ["rule/password-alone r.yaml:5:5"]);
    assert!(loaded.findings.iter().all(|finding| finding.level() == Level::Warning));
    assert!(loaded.table.is_some(), "a warning does not stop anything");
}

#[test]
fn an_intent_without_a_route_in_this_cloud_is_an_error_once_the_rule_is_armed() {
    let context = LoadContext { global_cloud: false, ..CONTEXT };
    let (simulated, armed) =
        (loaded(PLAYBOOK, RULE, "", &context), loaded(PLAYBOOK, RULE, "dcsync: approve", &context));
    assert_eq!((shown(&simulated), simulated.table.is_some()), (vec!["rule/no-route p.yaml:4:9".to_owned()], true));
    assert_eq!((shown(&armed), armed.table.is_some()), (vec!["rule/no-route p.yaml:4:9".to_owned()], false));
}

#[test]
fn limits_above_the_global_ones_or_never_reached_are_told() {
    let rule = format!("{RULE}limits: {{per_hour: 21, per_day: 5}}\n");
    assert_eq!(
        found(PLAYBOOK, &rule, ""),
        ["rule/limit-above-global r.yaml:6:20", "rule/limit-unreachable r.yaml:6:20"]
    );
}

#[test]
fn a_mistake_elsewhere_in_a_file_hides_none_of_what_its_author_cannot_want() {
    let playbook = "playbook: contain\nsteps:\n  - do: deactivate-okta-user\n    onfailure: stop\n  - do: mark-compromised\n    \
         revert_after: 8h\n    if: Nonsense\n";
    let rule =
        "rule: dcsync\nwhy: w\nalert: [mdi/2023]\ndo: contain\ncolour: red\nlimits: {per_hour: 21, per_day: 5}\n";
    let context = LoadContext { break_glass_empty: true, ..CONTEXT };
    let found = shown(&loaded(playbook, rule, "dcsync: enforce\nother: enforce\n", &context));
    let expected = [
        "rule/no-break-glass modes.yaml:1:1",
        "rule/outsider modes.yaml:1:1",
        "rule/unknown-rule modes.yaml:2:1",
        "rule/missing-key p.yaml:1:1",
        "rule/irreversible p.yaml:3:9",
        "rule/unknown-key p.yaml:4:5",
        "rule/cannot-revert p.yaml:5:9",
        "kql/unknown-column p.yaml:7:9",
        "rule/missing-key r.yaml:1:1",
        "rule/unknown-key r.yaml:5:1",
        "rule/limit-above-global r.yaml:6:20",
        "rule/limit-unreachable r.yaml:6:20",
    ];
    assert_eq!(found, expected);
}

#[test]
fn a_rule_whose_tests_are_no_list_is_not_said_to_have_none() {
    let codes =
        |rule: &str| -> Vec<&str> { loaded(PLAYBOOK, rule, "", &CONTEXT).findings.iter().map(Finding::code).collect() };
    assert_eq!(codes(&format!("{RULE}test: {{given: x}}\n")), ["rule/wrong-type"]);
    assert_eq!(codes(&format!("{RULE}test: []\n")), ["rule/untested"]);
}

#[test]
fn of_a_step_whose_permanence_cannot_be_read_it_is_not_said_that_it_is_not_meant() {
    let playbook = steps("  - do: deactivate-okta-user\n    irreversible: maybe\n");
    assert_eq!(found(&playbook, RULE, ""), ["rule/wrong-type p.yaml:5:19"]);
}
