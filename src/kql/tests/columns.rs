//! What columns without a name are called, and of which types they are.

use super::{query, query_findings};

const T: &str = "let T = datatable(s:string, i:int, l:long, r:real, d:datetime, y:dynamic)\
    ['a,b', 1, 2, 1.5, datetime(2026-03-01), dynamic({'a': [1]})];";

/// `name:type` of each column.
fn columns(text: &str) -> String {
    let table = query(&format!("{T} {text}"));
    let all = table.columns.iter().map(|column| format!("{}:{}", column.name, column.ty));
    all.collect::<Vec<_>>().join(" ")
}

#[test]
fn a_column_without_a_name_is_called_after_its_value() {
    for (value, expected) in [
        ("s", "s:string"),
        ("i + 1", "Column1:long"),
        ("l, tolong(l)", "l:long l1:long"),
        ("tostring(i)", "i:string"),
        ("strlen(s)", "strlen_s:long"),
        ("strlen('x')", "strlen_:long"),
        ("gettype(s)", "type_s:string"),
        ("y.a", "y_a:dynamic"),
        ("y['a']", "y_a:dynamic"),
        ("y['a b']", "y_a b:dynamic"),
        ("y.a[0]", "y_a_0:dynamic"),
        ("y[s]", "y_:dynamic"),
        ("split(s, ',')[1]", "s_1:dynamic"),
        ("parse_json('{}').a", "a:dynamic"),
        ("pack_array(1)[0]", "0:dynamic"),
        ("array_sort_asc(y)", "y_sorted:dynamic"),
        ("bin(i, i), bin(i, 1), bin(l, 2.0), bin(d, 1h)", "i:long i1:long l:real d:datetime"),
        ("make_datetime(s), make_datetime(i, i, i)", "s:datetime Column1:datetime"),
        ("iff(true, s, s), not(true)", "Column1:string Column2:bool"),
    ] {
        assert_eq!(columns(&format!("T | project {value}")), expected, "{value}");
    }
    assert_eq!(columns("print 1, x = 2, 'a'"), "print_0:long x:long print_2:string");
    assert_eq!(
        columns("T | summarize count(), max(i), dcount(s), take_any(l, r), binary_all_or(i), make_set(s)"),
        "count_:long max_i:int dcount_s:long l:long r:real i:int set_s:dynamic"
    );
    assert_eq!(
        columns("T | summarize percentiles(l, 5, 99.5), arg_max(d, s) by bin(d, 1h), strlen(s)"),
        "d:datetime strlen_s:long percentile_l_5:long percentile_l_99_5:long d1:datetime s:string"
    );
}

#[test]
fn a_star_leaves_out_what_rows_are_grouped_by_under_any_name() {
    assert_eq!(columns("T | summarize arg_max(d, *) by k = i"), "k:int d:datetime s:string l:long r:real y:dynamic");
    assert_eq!(
        columns("T | summarize arg_max(d, *) by k = i + 1"),
        "k:long d:datetime s:string i:int l:long r:real y:dynamic"
    );
}

#[test]
fn a_value_of_several_columns_has_them_all() {
    let stats = "series_stats_y_max_idx:long series_stats_y_avg:real";
    assert!(columns("T | project series_stats(y)").contains(stats));
    let named = columns("T | project (low, at) = series_stats(y)");
    assert!(named.starts_with("low:real at:long series_stats_y_max:real"), "{named}");
    assert_eq!(columns("print x = series_stats(dynamic([1])), 2"), "x:real print_1:long");
    assert_eq!(columns("print (x, y) = series_stats(dynamic([1]))"), "x:real y:long");
    assert!(
        columns("print series_stats(dynamic([1]))").starts_with("series_stats__min:real series_stats__min_idx:long")
    );
    let found = query_findings(&format!("{T} T | extend (a, b) = strlen(s)"));
    let [only] = &found[..] else { panic!("{found:?}") };
    assert_eq!(only.code(), "kql/column-names");
}

#[test]
fn some_arguments_are_the_same_for_all_rows() {
    for text in [
        "extract(s, 0, s)",
        "replace_regex(s, 'a', s)",
        "format_datetime(d, s)",
        "round(r, i)",
        "trim(s, s)",
        "bag_set_key(y, s, 1)",
    ] {
        let found = query_findings(&format!("{T} T | project {text}"));
        assert!(found.iter().all(|finding| finding.code() == "kql/constant"), "{text}: {found:?}");
    }
    assert_eq!(columns("let P = strcat('a', '+'); T | project x = extract(P, 0, s)"), "x:string");
    assert_eq!(columns("let P = toscalar(T | project s); T | project x = replace_regex(s, P, P)"), "x:string");
}
