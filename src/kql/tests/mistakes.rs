//! What is wrong is found at once, by its name and in its place.

use super::*;
use crate::diagnostics::{Place, Span};

#[test]
fn all_mistakes_are_found_at_once_with_their_places() {
    assert_eq!(
        findings("Nam has 'x' and tolowr(Name) == 'x' and Count has 3 and datetime_diff('fortnight', At, At) > 1"),
        [
            ("kql/unknown-column", "Nam".to_owned()),
            ("kql/unknown-function", "tolowr".to_owned()),
            ("kql/type", "Count".to_owned()),
            ("kql/type", "3".to_owned()),
            ("kql/unknown-word", "'fortnight'".to_owned()),
        ]
    );
    let found = compile("Nam has 'x' and tolowr(Name) == 'x'").unwrap_err();
    let help: Vec<_> = found.iter().filter_map(Finding::help_text).collect();
    assert_eq!(help, ["did you mean Name?", "did you mean tolower?"]);
}

#[test]
fn what_is_unknown_is_named_and_never_approximated() {
    for (text, code) in [
        ("Name like 'x'", "kql/syntax-operator"),
        ("geo_distance_2points(1, 2, 3, 4) > 1", "kql/unknown-function"),
        ("count() > 1", "kql/aggregate"),
        ("Name == Count", "kql/type"),
        ("Name", "kql/type"),
        ("Count + Name == 1", "kql/type"),
        ("At == '2026-03-01'", "kql/type"),
        ("Extra == Extra", "kql/type"),
        ("Name.part == 1", "kql/type"),
        ("strlen() == 1", "kql/argument-count"),
        ("Name matches regex '('", "kql/regex"),
        ("Name = 'x'", "kql/syntax"),
        ("Count == 1 == true", "kql/syntax"),
        ("(Count == 1", "kql/syntax"),
        ("Count in (1, , 2)", "kql/syntax"),
        ("At == datetime(yesterday)", "kql/syntax-literal"),
        ("", "kql/syntax"),
        ("* + 1 == 1", "kql/unsupported"),
        ("Name matches regex '(((a{100}){100}){100}){100}'", "kql/regex"),
    ] {
        let codes: Vec<_> = findings(text).into_iter().map(|(code, _)| code).collect();
        assert!(codes.contains(&code), "{text}: {codes:?}");
    }
}

#[test]
fn recovery_reports_each_broken_part_once() {
    let found = findings("toint(Count +) == 1 and Nam == 'x' and isempty(Name");
    let codes: Vec<_> = found.iter().map(|(code, _)| *code).collect();
    assert_eq!(codes, ["kql/syntax", "kql/unknown-column", "kql/syntax"], "{found:?}");
}

#[test]
fn findings_point_into_the_file_around_the_expression() {
    let yaml = "rule: x\nwhen: |\n  Count == 1\n    and Nam == 'x'\n";
    let source = Source::new("rule.yaml", yaml);
    let place = Place { source: source.clone(), span: Span::new(14, yaml.len()) };
    let found = compile_expression("Count == 1\n  and Nam == 'x'\n", &place, &schema(), Type::Bool).unwrap_err();
    assert!(found[0].one_line().starts_with("rule.yaml:4:9: error[kql/unknown-column]"), "{}", found[0].one_line());
}

#[test]
fn query_mistakes_name_the_operator_the_table_and_the_column() {
    for (text, code, syntax) in [
        ("Alert | take 1", "kql/unknown-table", false),
        ("Alerts | scan x", "kql/unsupported-operator", false),
        ("Alerts | wher N > 1", "kql/unsupported-operator", false),
        ("Alerts | where M > 1 | project Q", "kql/unknown-column", false),
        ("Alerts | summarize total(N)", "kql/unknown-aggregate", false),
        ("Alerts | summarize N + 1", "kql/aggregate", false),
        ("Alerts | extend d = parse_json(Id) | summarize count() by d", "kql/type", false),
        ("Alerts | project a = 1, a = 2", "kql/duplicate-column", false),
        ("find in (Alerts) where N > 1", "kql/unsupported-operator", false),
        ("workspace('x').Alerts | count", "kql/unsupported", false),
        ("workspace('x').Alerts", "kql/unsupported", false),
        ("let T = workspace('x').Alerts; T | count", "kql/unsupported", false),
        ("union cluster('a').database('b').Alerts, Alerts", "kql/unsupported", false),
        ("Alerts | where", "kql/syntax", true),
        ("Alerts where N > 1", "kql/syntax", true),
        ("", "kql/syntax", true),
        ("let f = (x: long) { x }; Alerts | where f('x') == 1", "kql/type", false),
    ] {
        let found = query_findings(text);
        let matching = found.iter().find(|finding| finding.code() == code);
        assert!(matching.is_some_and(|finding| is_syntax_error(finding) == syntax), "{text}: {found:?}");
    }
    let found = query_findings("Alerts | where M > 1 and O > 1 | project Q");
    assert_eq!(found.len(), 3, "{found:?}");
}

#[test]
fn what_follows_a_wrong_operator_or_table_is_still_checked() {
    let codes = |text: &str| query_findings(text).iter().map(Finding::code).collect::<Vec<_>>();
    let operator = "kql/unsupported-operator";
    for (text, wanted) in [
        (
            "Alerts | scan x | where tolowr(Id) == 'x' | extend n = strlen()",
            vec![operator, FUNCTION, "kql/argument-count"],
        ),
        ("Alert | where tolowr(Id) == 'x' | project Id | where M > 1", vec!["kql/unknown-table", FUNCTION, COLUMN]),
        (
            "Alerts | join kind=inner (Nope | where x == 1) on Id | where tolowr(Id) == 'x'",
            vec!["kql/unknown-table", FUNCTION],
        ),
        ("let T = Alerts | scan x; T | where tolowr(Id) == 'x'", vec![operator, FUNCTION]),
        ("union (Alerts | scan x), Alerts | summarize total(N)", vec![operator, "kql/unknown-aggregate"]),
        ("Alerts | wher N > 1 | summarize n = count() by Id | where M > 1", vec![operator, COLUMN]),
        ("Alerts | join kind=iner Alerts on Id | where tolowr(Id) == 'x'", vec!["kql/unknown-word", FUNCTION]),
    ] {
        assert_eq!(codes(text), wanted, "{text}");
    }
}

#[test]
fn nothing_is_made_up_behind_a_mistake() {
    for text in [
        "Alerts | scan x | extend r = row_number(), d = parse_json(a).b | summarize arg_max(N, *) by Id | where d == 1",
        "Alerts | scan x | join kind=inner Alerts on Id | mv-expand e = y | evaluate bag_unpack(e) | order by z | top 3 by q",
        "Alerts | scan x | project-away a, b* | project-rename c = d | project-reorder e | distinct f | count",
        "Alerts | scan x | parse v with 'a' b:long 'c' | where b > 1 | extend t = now() - s | union Alerts | getschema",
        "Alerts | scan x | mv-apply i = y on (where i has 'x' | summarize n = count()) | make-series n = sum(n) on t step 1d by Id",
        "let f = (T: (a: string)) { T | where a == 'x' }; Alerts | scan x | invoke f() | where a == 'y'",
        "Alerts | where Id in ((Alerts | scan x | project y))",
    ] {
        let found = query_findings(text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        assert_eq!(found[0].code(), "kql/unsupported-operator", "{text}");
    }
}

#[test]
fn a_value_after_a_mistake_may_be_of_any_type() {
    for text in [
        "Alerts | extend x = nowhere(Id) | summarize count() by x",
        "Alerts | extend x = nowhere(Id) | where x > ago(1d) and x == parse_json(Id)",
        "Alerts | extend x = nowhere(Id).part | distinct x | order by x asc",
        "Alerts | project Id = nowhere(N) | join kind=inner Alerts on Id",
        "Alerts | extend x = nowhere(Id) | extend y = bin(x, 1d), z = datetime_diff('day', x, now())",
        "Alerts | extend (a, b) = nowhere(Id) | summarize sum(a), max(b)",
        "Alerts | union (Alerts | extend x = nowhere(Id)) | summarize by x",
        "Alerts | lookup (Alerts | project Id = nowhere(N), M = N) on Id | summarize by Id",
        "Alerts | extend x = nowhere(Id) | make-series n = count() on x step 1d",
        "Alerts | extend x = nowhere(Id) | evaluate pivot(x)",
        "let v = nowhere(1); Alerts | extend x = v | summarize by x",
        "let f = (a: string) { nowhere(a) }; Alerts | extend x = f(Id) | summarize by x",
        "print x = nowhere(1) | where x > ago(1d) | summarize by x",
        "datatable(x: decimal)[1.5] | where x > 1 | summarize by x",
        "let f = (a: decimal) { a + 1 }; Alerts | where f(N) > 1",
    ] {
        let found = query_findings(text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
    }
    let both = query_findings("Alerts | where M > 1 | extend d = parse_json(Id) | summarize count() by d");
    assert_eq!(both.len(), 2, "a wrong condition makes no column: {both:?}");
}

#[test]
fn one_mistake_is_one_finding() {
    for text in
        ["Name has_any 'x'", "Name in 'x' and Count > 1", "Count between 1 .. 5", "Name has_all", "Nam has_any ('x')"]
    {
        assert_eq!(findings(text).len(), 1, "{text}: {:?}", findings(text));
    }
    assert_eq!(findings("Nam has_any 'x'").len(), 2);
    for text in [
        "Alerts | join kind=inner Alerts on Nope",
        "Alerts | join kind=inner Alerts on $left.Nope == $right.Id",
        "Alerts | join kind=inner Alerts on $left.Id == $right.Nope",
        "Alerts | join kind=inner Alerts",
    ] {
        assert_eq!(query_findings(text).len(), 1, "{text}: {:?}", query_findings(text));
    }
    assert_eq!(query_findings("Alerts | join kind=inner Alerts on $left.Nope == $right.Neither").len(), 2);
}

const FUNCTION: &str = "kql/unknown-function";
const COLUMN: &str = "kql/unknown-column";
