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
        ("geo_distance_2points(1, 2, 3, 4) > 1", "kql/unsupported"),
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
        ("Alerts | mvapply x = Id on (take 1)", "kql/type", false),
        ("Alerts | wher N > 1", "kql/unknown-operator", false),
        ("Alerts | frobnicate N", "kql/unknown-operator", false),
        ("Alerts | where M > 1 | project Q", "kql/unknown-column", false),
        ("Alerts | summarize total(N)", "kql/unknown-aggregate", false),
        ("Alerts | summarize N + 1", "kql/aggregate", false),
        ("Alerts | extend d = parse_json(Id) | summarize count() by d", "kql/type", false),
        ("Alerts | project a = 1, a = 2", "kql/duplicate-column", false),
        ("Alerts | project Id, Id", "kql/duplicate-column", false),
        ("Alerts | extend Id, Id", "kql/duplicate-column", false),
        ("Alerts | summarize count() by N, N", "kql/duplicate-column", false),
        ("datatable(a: long, a: long)[1, 2]", "kql/duplicate-column", false),
        ("Alerts | parse-kv Id as (a: long, a: long)", "kql/duplicate-column", false),
        ("Alerts | parse Id with a 'x' a", "kql/duplicate-column", false),
        ("Alerts | parse Id with a b", "kql/parse-pattern", false),
        ("Alerts | parse Id with * b", "kql/parse-pattern", false),
        ("Alerts | parse Id with a *", "kql/parse-pattern", false),
        ("Alerts | project-away Foo*", "kql/unknown-column", false),
        ("Alerts | render timchart", "kql/unknown-word", false),
        ("Alerts | render", "kql/syntax", true),
        ("range x from 1 to 10 step 0", "kql/range", false),
        ("range x from 1s to 10s step 0s", "kql/range", false),
        ("range x from 1 to 10 step 0.0", "kql/range", false),
        ("Alerts | where N in (1, 2,)", "kql/syntax", true),
        ("Alerts | where Id has_any ('a',)", "kql/syntax", true),
        ("let a = 1;; print a", "kql/syntax", true),
        ("; print a = 1", "kql/syntax", true),
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
fn a_wrong_key_of_arg_max_hides_no_mistake_behind_it() {
    for text in [
        "Alerts | summarize arg_max(Att, *) by Id | where Bogus == 1 and N > 1",
        "Alerts | summarize arg_max(At, Nn, N) by Id | where Bogus == 1 and N > 1",
    ] {
        let found = query_findings(text);
        assert_eq!(found.iter().map(Finding::code).collect::<Vec<_>>(), [COLUMN, COLUMN], "{found:?}");
        assert!(found[1].message().contains("Bogus"), "{found:?}");
    }
    // What the wrong name would have been is not wrong a second time.
    assert_eq!(query_findings("Alerts | summarize arg_max(Att, *) by Id | where Att > ago(1d) and N > 1").len(), 1);
}

#[test]
fn a_parenthesis_that_is_not_closed_is_the_first_and_only_mistake() {
    let found = query_findings("Alerts | where (N == 1\n| where Id == 'x'\n| project Id");
    assert_eq!(found.len(), 1, "{found:?}");
    assert_eq!(found[0].message(), "expected \")\" to close the parenthesis, but found \"|\"");
    let more = query_findings("Alerts | where (N == 1\n| foo Id");
    assert_eq!(more.iter().map(Finding::code).collect::<Vec<_>>(), ["kql/syntax", "kql/unknown-operator"], "{more:?}");
    assert_eq!(cells("Alerts | where N == toscalar((Alerts | summarize max(N))) | count"), json!([[1]]));
}

#[test]
fn an_expression_about_one_row_says_once_that_it_is_no_query() {
    for (text, message) in [
        ("let a = 1; Count == a", "an expression about one row has no \"let\""),
        (
            "Name in (externaldata(n: string)['https://x.example/list.csv'])",
            "\"externaldata\" reads a list, and an expression about one row reads none",
        ),
        (
            "externaldata(n: string)['https://x.example/list.csv'] | where n == Name",
            "\"externaldata\" reads a list, and an expression about one row reads none",
        ),
    ] {
        let found = compile(text).unwrap_err();
        assert_eq!(found.iter().map(Finding::message).collect::<Vec<_>>(), [message], "{text}");
    }
}

#[test]
fn a_finding_says_why_and_not_what_it_could_have_been() {
    for (text, message) in [
        ("print now() + 1000000000000d", "\"1000000000000d\" is too large for a timespan"),
        ("print now() + 1q", "\"1q\" is neither a number nor a timespan"),
        ("print decimal(1.5)", "the function \"decimal\" is not in this version"),
        ("range x from 1 to 10 step 0", "the step is zero: such a range never ends"),
        ("Alerts | project Id, Id", "the column \"Id\" is made twice"),
        ("Alerts | project-away Foo*", "no column is called as \"Foo*\" says"),
    ] {
        let found = query_findings(text);
        assert_eq!(found.iter().map(Finding::message).collect::<Vec<_>>(), [message], "{text}");
    }
    let near = query_findings("Alerts | render timchart");
    assert!(format!("{near:?}").contains("did you mean timechart?"), "{near:?}");
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
        ("Alerts | wher N > 1 | summarize n = count() by Id | where M > 1", vec!["kql/unknown-operator", COLUMN]),
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

/// What is told of a text: the place and the words of each finding.
fn told(found: &[Finding]) -> Vec<String> {
    let line = |one: &Finding| {
        let span = one.place().map_or_else(Span::default, |place| place.span);
        format!("{}..{} {} ({})", span.start, span.end, one.message(), one.help_text().unwrap_or_default())
    };
    found.iter().map(line).collect()
}

#[test]
fn the_commonest_slips_are_one_finding_that_says_what_to_write() {
    for (text, wanted) in [
        ("let x = 1\nAlerts | where N > x", "9..9 a \";\" is missing after the let statement (write"),
        ("let x = ago(1d)\nAlerts | where At > x", "15..15 a \";\" is missing after the let statement (write"),
        ("let x = 1\nlet y = 2;\nAlerts | where N > x + y", "9..9 a \";\" is missing after the let statement"),
        ("let T = Alerts | where N > 1\nT | count", "28..28 a \";\" is missing after the let statement"),
        ("Alerts | where N > 1 && N < 5", "21..23 \"&&\" is no operator (write and)"),
        ("Alerts | where N > 1 || N < 5", "21..23 \"||\" is no operator (write or)"),
        ("Alerts | order by N descending", "20..30 \"descending\" is no order (write desc)"),
        ("Alerts | top 3 by N ascending", "20..29 \"ascending\" is no order (write asc)"),
        ("Alerts | where Id not in ('a', 'b')", "18..21 \"not\" stands before an operator (write !in)"),
        ("Alerts | where Id not contains 'a'", "18..21 \"not\" stands before an operator (write !contains)"),
        ("Alerts | where !isempty(Id)", "15..23 \"!\" negates no value (write not(...))"),
        ("Alerts | where !(N > 1)", "15..16 \"!\" negates no value (write not(...))"),
        ("Alerts | where !true", "15..20 \"!\" negates no value (write not(...))"),
        ("Alerts | where N between (1 and 5)", "28..31 a range is written with \"..\" (write (1 .. 5))"),
        ("Alerts | where At > ago(1 day)", "26..29 a number and its unit are one word (write 1d"),
        ("Alerts | where Id == \u{201c}a\u{201d}", "21..28 curly quotes hold no text (write \"...\")"),
        ("Alerts | where Id = 'a'", "18..19 \"=\" does not compare (write =="),
        (
            "Alerts | summarize count by Id",
            "19..24 \"count\" is an aggregate: its arguments stand in parentheses (write count())",
        ),
        (
            "Alerts | where not Id == 'a' and N > 1",
            "15..18 \"not\" is a function: what it negates stands in parentheses (write not(",
        ),
        (
            "Alerts | where isnotempty Id and N > 1",
            "15..25 \"isnotempty\" is a function: its arguments stand in parentheses (write isnotempty(Id))",
        ),
        ("Alerts | top 5 N", "15..16 expected \"by\", but found \"N\""),
        ("let x = 5 Alerts | where N > x", "9..9 a \";\" is missing after the let statement (write"),
        (
            "Alerts | where tolowercase(Id) == 'a'",
            "15..26 the function \"tolowercase\" is not known here (did you mean tolower?)",
        ),
        (
            "Alerts | where Id == Highest",
            "21..28 there is no column \"Highest\" (if it is a text, write it in quotes: \"Highest\")",
        ),
        ("print dynamic([1, 2,])", "19..20 a \",\" stands before \"]\" (remove it)"),
        ("print dynamic({'a': 1,})", "21..22 a \",\" stands before \"}\" (remove it)"),
    ] {
        let found = told(&query_findings(text));
        assert!(found.len() == 1 && found[0].starts_with(wanted), "{text}: {found:?}");
    }
    for (text, missing) in [
        ("let T = Alerts\n| where N > 1\n  and Id has\n'a';\nT\n| count", 0),
        ("let x = toscalar(\nAlerts\n| summarize max(N));\nAlerts | where N > x", 0),
        ("let x = toscalar(Alerts | summarize max(N))\nAlerts\n| where N > x", 1),
        ("let T = union\nAlerts,\nAlerts\n| where N > 1;\nT | count", 0),
        ("let n = 3;\nlet x = n * 5\nAlerts | where N > x", 1),
    ] {
        let found = compile_query(&Source::new("q", text), &alerts()).err().unwrap_or_default();
        assert_eq!(found.len(), missing, "{text}: {found:?}");
    }
    let clean = "let x = 1; Alerts | where Id !in ('a') and not(N > x) and N between (1 .. 5) | order by N desc";
    assert!(compile_query(&Source::new("q", clean), &alerts()).is_ok());
}

#[test]
fn functions_of_kusto_that_are_not_here_are_told_as_such() {
    for call in [
        "todecimal(1)",
        "parse_user_agent('x', 'browser')",
        "datetime_utc_to_local(now(), 'UTC')",
        "treepath(dynamic({}))",
        "series_fit_line_dynamic(dynamic([1]))",
        "rand()",
    ] {
        let found = told(&query_findings(&format!("Alerts | extend x = {call}")));
        assert!(found.len() == 1 && found[0].contains("is not in this version"), "{call}: {found:?}");
    }
    for call in ["hll(N)", "tdigest(N)"] {
        let found = told(&query_findings(&format!("Alerts | summarize x = {call}")));
        assert!(found.len() == 1 && found[0].contains("is not in this version"), "{call}: {found:?}");
    }
}

#[test]
fn nothing_that_follows_from_a_mistake_stands_before_it() {
    for (text, wanted) in [
        ("Alerts | where Id contain 'x'", "18..25 \"contain\" is no operator (did you mean contains?)"),
        ("Alerts | where Id like 'x'", "18..22 \"like\" is no operator (write has for a whole word"),
        ("Alerts | where Id like tolower('X')", "18..22 \"like\" is no operator (write has for a whole word"),
        ("Alerts | where N > 1 and Id like 'x'", "28..32 \"like\" is no operator (write has for a whole word"),
        ("datatable(a:foo)['x'] | where a == 'x'", "12..15 there is no type \"foo\" here"),
        ("let f = (a: foo) { a }; Alerts | extend b = f(Id)", "12..15 there is no type \"foo\" here"),
        ("Alerts |\n", "8..8 expected an operator after"),
        ("Alerts | where N >\n\n// the end\n", "18..18 expected a value, but the text ends"),
    ] {
        let found = told(&query_findings(text));
        assert!(found.len() == 1 && found[0].starts_with(wanted), "{text}: {found:?}");
    }
    let both = told(&query_findings("Alerts | where tolowr(Id) contain 'x'"));
    assert_eq!(both.len(), 2, "what stands beside it is checked all the same: {both:?}");
}

#[test]
fn a_word_that_is_an_operator_of_kusto_is_lacking_and_any_other_is_none() {
    let told = |text: &str| {
        let found = query_findings(text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        (found[0].code(), found[0].help_text().unwrap_or_default().to_owned())
    };
    for lacking in ["scan x", "facet by N", "reduce by N", "graph-match x", "fork (count)"] {
        assert_eq!(told(&format!("Alerts | {lacking}")).0, "kql/unsupported-operator", "{lacking}");
    }
    for (slip, near) in [("wher N > 1", "where"), ("sumarize count()", "summarize"), ("fct x", "fork"), ("selct N", "")]
    {
        let (code, help) = told(&format!("Alerts | {slip}"));
        assert_eq!(code, "kql/unknown-operator", "{slip}");
        assert!(near == "fork" || near.is_empty() || help.contains(&format!("did you mean {near}?")), "{slip}: {help}");
    }
}

#[test]
fn a_column_is_answered_with_a_column_and_a_long_list_of_them_is_cut() {
    let known = KnownTables::default();
    let help = |text: &str| {
        let found = compile_query(&Source::new("q", text), &known).unwrap_err();
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        found[0].help_text().unwrap_or_default().to_owned()
    };
    let scalar = "let timeframe = 1d; SecurityAlert | where Timestamp > ago(timeframe)";
    assert!(help(scalar).starts_with("did you mean TimeGenerated?"), "{}", help(scalar));
    let hunting = "IdentityLogonEvents | project Timestamp | where TimeGenerated > ago(1d)";
    assert!(help(hunting).starts_with("did you mean Timestamp?"), "{}", help(hunting));
    let long = help("SecurityAlert | where Nowhere == 'x'");
    assert!(long.contains("VendorName and 27 more") && !long.contains("SystemAlertId"), "{long}");
}
