//! Forms that are easily taken otherwise, as the reference and Microsoft's analyser have them.

use serde_json::{Value as Json, json};

use super::*;

/// A table `T`, and its columns.
const T: &str = "let T = datatable(s: string, l: long, i: int, t: timespan)['a', 1, 1, 1h, 'b', 2, 2, 2h]; T";

fn shape(table: &Table) -> String {
    table.columns.iter().map(|column| format!("{}:{}", column.name, column.ty)).collect::<Vec<_>>().join(" ")
}

#[test]
fn columns_have_the_names_types_and_order_of_the_service() {
    let mut wrong = Vec::new();
    for (steps, columns) in [
        ("summarize Last=arg_max(t, *)", "Last:timespan s:string l:long i:int"),
        ("summarize Last=arg_max(t, *) by s", "s:string Last:timespan l:long i:int"),
        (
            "summarize Last=arg_max(t, *), arg_min(t, *)",
            "Last:timespan s:string l:long i:int t:timespan s1:string l1:long i1:int",
        ),
        ("summarize arg_max(l, *) by bin(t, 1h)", "t:timespan l:long s:string i:int t1:timespan"),
        ("summarize arg_max(t + 1h, *)", "max_:timespan s:string l:long i:int t:timespan"),
        ("summarize (a, b) = arg_max(t, *)", "a:timespan b:string l:long i:int"),
        ("summarize arg_max(t, who=l)", "t:timespan who:long"),
        ("summarize arg_max(t, who=l, *)", "t:timespan who:long s:string i:int"),
        ("summarize arg_min(t, s, l + 1)", "t:timespan s:string min_t_arg2:long"),
        ("summarize n = count(), arg_max(t, *) by s", "s:string n:long t:timespan l:long i:int"),
        ("summarize any(*)", "any_s:string any_l:long any_i:int any_t:timespan"),
        ("summarize any(*) by s", "s:string any_l:long any_i:int any_t:timespan"),
        ("summarize X = any(*) by s, l", "s:string l:long X:int any_t:timespan"),
        ("summarize take_any(*)", "s:string l:long i:int t:timespan"),
        ("summarize take_any(l + 1)", "any_arg0:long"),
        ("summarize take_any(q = s, l)", "q:string l:long"),
        ("summarize any(q = s)", "any_q:string"),
        ("union (print l = 1.5, s = 'a', x = 1)", "s:string l_long:long l_real:real i:int t:timespan x:long"),
        ("project s, s1 = l | join kind=inner (T | project s, l) on s", "s:string s1:long s2:string l:long"),
        ("project s, l | join kind=inner (T | project s, l, l1 = i) on s", "s:string l:long s1:string l2:long l1:int"),
        (
            "serialize | project row_cumsum(i), row_cumsum(l), row_cumsum(t)",
            "Column1:int Column2:long Column3:timespan",
        ),
        ("project -int(1), -toint(1), -i, -l", "Column1:int Column2:int Column3:long Column4:long"),
        ("count as n", "n:long"),
        ("project a10 = 1, b = 1, a2 = 1, A3 = 1 | project-reorder * granny-asc", "a2:long A3:long a10:long b:long"),
        ("project a10 = 1, b = 1, a2 = 1, A3 = 1 | project-reorder a* granny-desc", "a10:long a2:long b:long A3:long"),
        ("project b = 1, a = 1, A3 = 1 | project-reorder * asc", "a:long A3:long b:long"),
    ] {
        let made = shape(&query(&format!("{T} | {steps}")));
        if made != columns {
            wrong.push(format!("{steps}\n    makes {made}\n    and not {columns}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn values_are_those_of_the_service() {
    let none = "let N = datatable(r: real, y: dynamic)[]; N | summarize";
    let mut wrong = Vec::new();
    for (text, expected) in [
        (
            "print url_encode('https://a.b/c d?e=f&g+h'), url_decode('a%2bb')",
            json!([["https%3a%2f%2fa.b%2fc+d%3fe%3df%26g%2bh", "a+b"]]),
        ),
        ("print todatetime('Saturday, 08-Nov-14 15:05:02 GMT')", json!([["2014-11-08T15:05:02Z"]])),
        ("print datetime(2024)", json!([["2024-01-01T00:00:00Z"]])),
        ("print 5 == '5', '5' != 5, 'x' == 'X'", json!([[true, false, false]])),
        // Both cases of a letter are one for ASCII only.
        (
            "print 'Ä' =~ 'ä', 'Ä' contains 'ä', 'Äb' has 'äb', 'Äb' =~ 'ÄB', 'Ä' in~ ('ä')",
            json!([[false, false, false, true, false]]),
        ),
        ("let L = print x = 'ä'; print 'Ä' in~ (L), 'ä' in~ (L)", json!([[false, true]])),
        ("print 'Xa' notcontains 'A', 'Xa' containscs 'A', 'Xa' notcontainscs 'A'", json!([[false, false, true]])),
        // Over no rows, as the table of default values says.
        (
            &format!("{none} stdev(r), stdevif(r, true), variance(r), varianceif(r, true)"),
            json!([[0.0, 0.0, 0.0, 0.0]]),
        ),
        (
            &format!("{none} make_bag(y), make_bag_if(y, true), avg(r), max(r), sum(r)"),
            json!([[[], [], null, null, 0.0]]),
        ),
        ("print y = dynamic({}) | summarize make_bag(y)", json!([[{}]])),
        (&format!("{T} | search s:'a' or 'b' | project s"), json!([["a"], ["b"]])),
        (&format!("{T} | search s:'x*' or s:'B' | project s"), json!([["b"]])),
        (&format!("{T} | where s:'A' | project s"), json!([["a"]])),
        ("search *:'b'", json!([["Alerts", "b", 5, "2026-03-02T00:00:00Z"]])),
        ("search ('b' or 'x')", json!([["Alerts", "b", 5, "2026-03-02T00:00:00Z"]])),
        (&format!("{T} | summarize arg_max(t, who=s)"), json!([["02:00:00", "b"]])),
    ] {
        let made = cells(text);
        if made != expected {
            wrong.push(format!("{text}\n    gives {made}\n    and not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn what_the_service_refuses_is_refused_here() {
    let mut wrong = Vec::new();
    for (text, code, words) in [
        ("let x = 1; let x = 2; print x", "kql/duplicate-let", "there is a \"x\" already"),
        ("let f = (a: long) { let a = 2; a }; print f(1)", "kql/duplicate-let", "there is a \"a\" already"),
        ("Alerts | join kind=outer Alerts on Id", "kql/unknown-word", "\"outer\""),
        ("Alerts | join kind=semi Alerts on Id", "kql/unknown-word", "\"semi\""),
        ("Alerts | join (Alerts) on $right.Id == $left.Id", "kql/join", "equal columns"),
        ("datatable(x: long)[1 + 1]", "kql/datatable", "a literal"),
        ("let y = 1; datatable(x: long)[y]", "kql/datatable", "a literal"),
        ("datatable(x: string)[strcat('a', 'b')]", "kql/datatable", "a literal"),
        ("print -'a'", "kql/type", "\"-\" does not take string"),
        ("print format_datetime(now(), 'yyyy MMM')", "kql/format", "\"MMM\""),
        ("print format_datetime(now(), 'dddd')", "kql/format", "\"dddd\""),
        ("print format_timespan(1h, 'hhh')", "kql/format", "\"hhh\""),
        (
            "Alerts | extend b = parse_json(Id) | evaluate bag_unpack(b, columnsConflict='all')",
            "kql/unknown-word",
            "replace_source",
        ),
        ("externaldata(x: long)['https://a.b/c'] with (format='parquet')", "kql/unsupported", "parquet"),
        ("externaldata(x: long)['https://a.b/c'] with (ingestionMapping='[]')", "kql/unsupported", "ingestionMapping"),
    ] {
        let found = query_findings(text);
        let told = |finding: &Finding| {
            let help = finding.help_text().unwrap_or_default();
            finding.code() == code && (finding.message().contains(words) || help.contains(words))
        };
        if !found.iter().any(told) {
            wrong.push(format!("{text}: {found:?}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (text, right) in [
        ("let x = 1; let f = () { let x = 2; x }; print f()", true),
        ("datatable(x: long, s: string)[-1, 'a' 'b', +2, '']", true),
    ] {
        assert_eq!(compile_query(&Source::new("q", text), &alerts()).is_ok(), right, "{text}");
    }
}

#[test]
fn what_has_no_effect_is_a_warning() {
    for (text, code) in [
        ("set truncationmaxrecords=10; print 1", "kql/no-effect"),
        ("set notruncation; print 1", "kql/no-effect"),
        ("print format_datetime(now(), 'yyyy-MM-ddTHH:mm:ssZ')", "kql/format"),
    ] {
        let compiled =
            compile_query(&Source::new("q", text), &alerts()).unwrap_or_else(|found| panic!("{text}: {found:?}"));
        let codes: Vec<_> = compiled.warnings().iter().map(Finding::code).collect();
        assert_eq!(codes, [code], "{text}");
    }
}

#[test]
fn a_property_with_the_name_of_a_column_is_an_error_unless_one_of_them_is_chosen() {
    let rows = "datatable(a: long, b: dynamic)[1, dynamic({'a': 2, 'c': 3})] | evaluate bag_unpack(b";
    let run = |text: String| compile_query(&Source::new("q", text), &alerts()).unwrap().run(&alerts(), &Cx::at(NOW));
    let error = run(format!("{rows})")).unwrap_err().to_string();
    assert!(error.contains("the column \"a\""), "{error}");
    let rows_of = |text: String| -> Json {
        run(text).unwrap().rows.iter().map(|row| row.iter().map(Val::to_json).collect::<Json>()).collect()
    };
    assert_eq!(rows_of(format!("{rows}, columnsConflict='keep_source')")), json!([[1, 3]]));
    assert_eq!(rows_of(format!("{rows}, columnsConflict='replace_source')")), json!([[2, 3]]));
    assert_eq!(rows_of(format!("{rows}, 'p_')")), json!([[1, 2, 3]]));
}

#[test]
fn long_sums_and_nested_conditions_are_no_hostile_depth() {
    let sum = vec!["1"; 100].join(" + ");
    let nested = format!("{}0{}", "iff(true, 1, ".repeat(100), ")".repeat(100));
    assert_eq!(cells(&format!("print {sum}, {nested}")), json!([[100, 1]]));
}
