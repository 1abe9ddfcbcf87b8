//! What null does in tests, sums, groups and joins; a text is never null.

use serde_json::{Value as Json, json};

use super::cells;

/// The value of one expression over one row of nulls.
fn value(expression: &str) -> Json {
    let row = "datatable(s: string, i: int, l: long, r: real, b: bool, d: datetime, t: timespan, g: guid, y: dynamic)\
        ['', int(null), long(null), real(null), bool(null), datetime(null), timespan(null), guid(null), dynamic(null)]";
    cells(&format!("{row} | project x = {expression}"))[0][0].clone()
}

#[test]
fn null_in_tests_and_sums_follows_the_reference() {
    let null = Json::Null;
    let mut wrong = Vec::new();
    for (expression, expected) in [
        // A comparison with a value is answered, of two nulls it is not.
        ("i == 1", json!(false)),
        ("i != 1", json!(true)),
        ("isnull(i == i)", json!(true)),
        ("isnull(l < 1)", json!(true)),
        ("isnull(d > now())", json!(true)),
        ("i in (1, 2)", json!(false)),
        ("i !in (1, 2)", json!(true)),
        // Three values of logic.
        ("b and false", json!(false)),
        ("b and true", null.clone()),
        ("b or true", json!(true)),
        ("b or false", null.clone()),
        ("not(b)", null.clone()),
        ("iff(b, 1, 2)", json!(2)),
        ("case(b, 1, true, 2, 3)", json!(2)),
        ("coalesce(l, 7)", json!(7)),
        ("coalesce(s, 'x')", json!("x")),
        // Sums.
        ("l + 1", null.clone()),
        ("r * 2.0", null.clone()),
        ("d + 1h", null.clone()),
        ("t / 2", null.clone()),
        ("-l", null.clone()),
        ("1 / 0", null.clone()),
        ("bin(l, 10)", null.clone()),
        // A text is empty, and never null.
        ("isnull(s)", json!(false)),
        ("isempty(s)", json!(true)),
        ("isempty(l)", json!(true)),
        ("isnull(g)", json!(true)),
        ("isnull(y)", json!(true)),
        ("strcat('a', l, s)", json!("a")),
        ("tostring(l)", json!("")),
        ("tolower(tostring(y))", json!("")),
        ("s == ''", json!(true)),
        ("tostring(y) has 'null'", json!(false)),
        // What is not there, and what cannot be read.
        ("y.a.b[0]", null.clone()),
        ("isnull(dynamic({'a': null}).a)", json!(true)),
        ("tolong('x')", null.clone()),
        ("todatetime('x')", null.clone()),
        ("toint('2147483648')", null.clone()),
        ("array_length(y)", null.clone()),
        ("max_of(l, 3)", json!(3)),
    ] {
        let found = value(expression);
        if found != expected {
            wrong.push(format!("{expression}: {found} and not {expected}"));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn null_rows_are_neither_kept_nor_dropped_by_a_condition_and_its_opposite() {
    let rows = "datatable(l: long, b: bool) [1, true, long(null), bool(null), 3, false]";
    for (condition, count) in [
        ("b", 1),
        ("not(b)", 1),
        ("l > 1", 1),
        ("l <= 1", 1),
        ("l != 1", 2),
        ("l == 1", 1),
        ("isnull(l)", 1),
        ("l !in (1)", 2),
    ] {
        assert_eq!(cells(&format!("{rows} | where {condition} | count")), json!([[count]]), "{condition}");
    }
}

#[test]
fn aggregates_pass_over_nulls_and_groups_keep_them() {
    let rows = "datatable(k: string, l: long, d: datetime) \
        ['a', 1, datetime(2026-03-01), 'a', long(null), datetime(null), '', long(null), datetime(null), '', 4, datetime(2026-03-02)]";
    for (aggregates, expected) in [
        ("count(), sum(l), avg(l), min(l), max(l)", json!([[4, 5, 2.5, 1, 4]])),
        ("dcount(l), make_list(l), make_set(l), countif(l > 0)", json!([[2, [1, 4], [1, 4], 2]])),
        ("arg_max(d, k, l)", json!([["2026-03-02T00:00:00Z", "", 4]])),
        ("take_any(l)", json!([[1]])),
    ] {
        assert_eq!(cells(&format!("{rows} | summarize {aggregates}")), expected, "{aggregates}");
    }
    assert_eq!(cells(&format!("{rows} | summarize count() by l | order by l asc")), json!([[null, 2], [1, 1], [4, 1]]));
    let none = format!("{rows} | where l > 9");
    assert_eq!(
        cells(&format!("{none} | summarize count(), sum(l), max(l), make_list(l), arg_max(d, l)")),
        json!([[0, 0, null, [], null, null]])
    );
    assert_eq!(cells(&format!("{none} | summarize count() by k")), json!([]));
    assert_eq!(
        cells(&format!("{rows} | where k == '' and isnull(l) | summarize arg_max(d, l), max(d)")),
        json!([[null, null, null]])
    );
}

#[test]
fn null_keys_do_not_join_and_empty_texts_do() {
    let a = "let A = datatable(l: long, s: string) [1, '', long(null), 'x'];";
    assert_eq!(cells(&format!("{a} A | join kind=inner A on s | count")), json!([[2]]));
    assert_eq!(
        cells(&format!("{a} A | join kind=leftouter (A | where s == '') on s | project s, l1")),
        json!([["", 1], ["x", null]])
    );
}
