//! The tabular language, from its documented semantics: what each operator gives, and what its columns are called.

use serde_json::{Value as Json, json};

use super::{alerts, cells, names, query, query_findings};
use crate::diagnostics::Source;
use crate::kql::compile_query;

const X: &str = "let X = datatable(k:string, a:long)['a', 1, 'b', 2, 'b', 3, 'c', 4];\
    let Y = datatable(k:string, b:long)['b', 10, 'c', 20, 'c', 30, 'd', 40];";

fn sorted(text: &str) -> Vec<String> {
    let Json::Array(rows) = cells(text) else { return Vec::new() };
    let mut rows: Vec<String> = rows.iter().map(Json::to_string).collect();
    rows.sort();
    rows
}

fn lines(rows: &[&str]) -> Vec<String> {
    let mut rows: Vec<String> = rows.iter().map(ToString::to_string).collect();
    rows.sort();
    rows
}

#[test]
fn every_kind_of_join_gives_its_rows_and_columns() {
    let inner = r#"["b",2,"b",10] ["b",3,"b",10] ["c",4,"c",20] ["c",4,"c",30]"#;
    let unique = r#"["b",2,"b",10] ["c",4,"c",20] ["c",4,"c",30]"#;
    for (kind, columns, rows) in [
        ("", "k a k1 b", unique.to_owned()),
        ("kind=innerunique", "k a k1 b", unique.to_owned()),
        ("kind=inner", "k a k1 b", inner.to_owned()),
        ("kind=leftouter", "k a k1 b", format!(r#"["a",1,"",null] {inner}"#)),
        ("kind=rightouter", "k a k1 b", format!(r#"["",null,"d",40] {inner}"#)),
        ("kind=fullouter", "k a k1 b", format!(r#"["a",1,"",null] ["",null,"d",40] {inner}"#)),
        ("kind=leftsemi", "k a", r#"["b",2] ["b",3] ["c",4]"#.to_owned()),
        ("kind=rightsemi", "k b", r#"["b",10] ["c",20] ["c",30]"#.to_owned()),
        ("kind=leftanti", "k a", r#"["a",1]"#.to_owned()),
        ("kind=anti", "k a", r#"["a",1]"#.to_owned()),
        ("kind=leftantisemi", "k a", r#"["a",1]"#.to_owned()),
        ("kind=rightanti", "k b", r#"["d",40]"#.to_owned()),
        ("kind=rightantisemi", "k b", r#"["d",40]"#.to_owned()),
    ] {
        let text = format!("{X} X | join {kind} Y on k");
        assert_eq!(names(&query(&text)).join(" "), columns, "{kind}");
        let rows: Vec<&str> = rows.split(' ').collect();
        assert_eq!(sorted(&text), lines(&rows), "{kind}");
    }
}

#[test]
fn joins_are_on_columns_of_either_side_with_one_type() {
    let text = format!(
        "{X} X | project key = k, a | join kind=inner Y on $left.key == $right.k | project key, a, k, b | take 1"
    );
    assert_eq!(cells(&text), json!([["b", 2, "b", 10]]));
    let text = format!("{X} X | join kind=inner (Y | project k, a = b, a1 = 0) on k | take 0");
    assert_eq!(names(&query(&text)), ["k", "a", "k1", "a2", "a1"]);
    assert_eq!(sorted(&format!("{X} X | lookup Y on k")).len(), 5);
    assert_eq!(names(&query(&format!("{X} X | lookup kind=inner Y on k"))), ["k", "a", "b"]);
    for (text, code) in [
        ("X | join Y on a", "kql/unknown-column"),
        ("X | join Y on $left.a == $right.k", "kql/type"),
        ("X | join Y on $left.a > $right.b", "kql/join"),
        ("X | join kind=iner Y on k", "kql/unknown-word"),
        ("X | join (Y | where z == 1) on k", "kql/unknown-column"),
    ] {
        let found = query_findings(&format!("{X} {text}"));
        assert!(found.iter().any(|finding| finding.code() == code), "{text}: {found:?}");
    }
}

#[test]
fn unions_keep_all_columns_or_those_in_common() {
    assert_eq!(names(&query(&format!("{X} union X, Y"))), ["k", "a", "b"]);
    assert_eq!(names(&query(&format!("{X} union kind=inner X, Y"))), ["k"]);
    assert_eq!(
        cells(&format!("{X} X | take 1 | union (Y | take 1) | project k, a, b")),
        json!([["a", 1, null], ["b", null, 10]])
    );
    let text = format!("{X} union withsource=T X, (Y | take 1) | summarize count() by T | order by T asc");
    assert_eq!(cells(&text), json!([["X", 4], ["union_arg1", 1]]));
    assert_eq!(names(&query("print a = 1 | union (print a = 'x')")), ["a_long", "a_string"]);
    assert_eq!(cells("union isfuzzy=true Missing, (print a = 1)"), json!([[1]]));
    assert_eq!(
        cells("union Al*, (print Id = 'z') | where Id in ('b', 'z') | project Id | order by Id asc"),
        json!([["b"], ["z"]])
    );
    assert_eq!(query_findings("union Missing, Alerts")[0].code(), "kql/unknown-table");
}

#[test]
fn arrays_and_bags_become_rows() {
    let t = "let T = print id = 1, d = dynamic([10, 20]);";
    assert_eq!(cells(&format!("{t} T | mv-expand d")), json!([[1, 10], [1, 20]]));
    let text = format!("{t} T | mv-expand with_itemindex=i x = d to typeof(long) | project i, x, id, d");
    assert_eq!(cells(&text), json!([[0, 10, 1, [10, 20]], [1, 20, 1, [10, 20]]]));
    assert_eq!(
        cells("print a = dynamic([1, 2, 3]), b = dynamic(['x']) | mv-expand a, b"),
        json!([[1, "x"], [2, null], [3, null]])
    );
    assert_eq!(cells("print a = dynamic({'x': 1, 'y': 2}) | mv-expand a"), json!([[{"x": 1}], [{"y": 2}]]));
    assert_eq!(cells("print a = dynamic({'x': 1}) | mv-expand kind=array a"), json!([[["x", 1]]]));
    assert_eq!(cells("print a = dynamic([]), b = 1 | mv-expand a"), json!([]));
    assert_eq!(cells("print a = dynamic(null), b = 1 | mv-expand a"), json!([[null, 1]]));
    assert_eq!(cells("print a = dynamic([1, 2, 3]) | mv-expand a limit 2 | count"), json!([[2]]));
    assert_eq!(cells("print a = dynamic([1, 'x']) | mv-expand a to typeof(long)"), json!([[1], [null]]));
    assert_eq!(query_findings("Alerts | mv-expand Id")[0].code(), "kql/type");
}

#[test]
fn mv_apply_works_on_the_elements_of_each_row() {
    let t = "let T = datatable(id:long, d:dynamic)[1, dynamic([3, 1, 2]), 2, dynamic([9]), 3, dynamic([])];";
    let top = query(&format!("{t} T | mv-apply x = d to typeof(long) on (top 1 by x)"));
    assert_eq!(names(&top), ["id", "d", "x"]);
    assert_eq!(
        cells(&format!("{t} T | mv-apply x = d to typeof(long) on (top 1 by x) | project id, x")),
        json!([[1, 3], [2, 9]])
    );
    let sums = format!("{t} T | mv-apply x = d to typeof(long) on (summarize s = sum(x + id)) | project id, s");
    assert_eq!(cells(&sums), json!([[1, 9], [2, 11]]));
    let kept = format!("{t} T | mv-apply with_itemindex=i d on (where i == 1 | project d)");
    assert_eq!(cells(&kept), json!([[1, 1]]));
}

#[test]
fn texts_are_taken_apart() {
    let t = "let T = datatable(s:string)['a=1, b=xy', 'nothing'];";
    let text = format!("{t} T | parse s with 'a=' a:long ', b=' b");
    assert_eq!(cells(&text), json!([["a=1, b=xy", 1, "xy"], ["nothing", null, ""]]));
    assert_eq!(cells(&format!("{t} T | parse-where s with * 'b=' b | project b")), json!([["xy"]]));
    assert_eq!(cells("print s = 'n: x' | parse s with 'n: ' n:long | project n"), json!([[null]]));
    assert_eq!(
        cells("print s = 'n: x; m: 2' | parse kind=relaxed s with 'n: ' n:long '; m: ' m:long | project n, m"),
        json!([[null, 2]])
    );
    assert_eq!(cells(r"print s = 'x12y' | parse kind=regex s with '[a-z]' n:long '(y|z)' | project n"), json!([[12]]));
    let kv = "print s = 'a=1,b=\"x,y\",c=z' | parse-kv s as (a:long, b:string, d:string) with (pair_delimiter=',', kv_delimiter='=', quote='\"')";
    assert_eq!(cells(&format!("{kv} | project a, b, d")), json!([[1, "x,y", ""]]));
}

#[test]
fn columns_are_chosen_renamed_and_ordered() {
    assert_eq!(names(&query("Alerts | project-keep N, I*")), ["Id", "N"]);
    assert_eq!(names(&query("Alerts | project-rename Number = N, When = At")), ["Id", "Number", "When"]);
    assert_eq!(names(&query("Alerts | project-reorder At, N")), ["At", "N", "Id"]);
    assert_eq!(names(&query("print b2 = 1, a = 2, b1 = 3 | project-reorder b* asc")), ["b1", "b2", "a"]);
    assert_eq!(
        cells("print a = 1, b = 'x' | getschema"),
        json!([["a", 0, "System.Int64", "long"], ["b", 1, "System.String", "string"]])
    );
    assert_eq!(query_findings("Alerts | project-rename Id = N")[0].code(), "kql/duplicate-column");
    assert_eq!(cells("Alerts | extend ingestion_time() | take 1 | project isnull($IngestionTime)"), json!([[false]]));
}

#[test]
fn functions_of_the_query_take_values_rows_and_defaults() {
    for (text, expected) in [
        ("let f = (x:long, y:long = 10) { x + y }; print f(1), f(1, 2), f(x = 5)", json!([[11, 3, 15]])),
        (
            "let f = (x:long) { let y = x * 2; y + 1 }; range n from 1 to 2 step 1 | extend f(n)",
            json!([[1, 3], [2, 5]]),
        ),
        ("let f = (T:(N:long), least:long) { T | where N >= least }; f((Alerts), 5)", json!([[5]])),
        (
            "let f = (T:(*), c:string) { T | extend C = c }; Alerts | take 1 | invoke f('x') | project Id, C",
            json!([["a", "x"]]),
        ),
        ("let f = () { Alerts | count }; f()", json!([[4]])),
        ("let f = () { Alerts | count }; f", json!([[4]])),
        ("let a = 1; let f = (x:long) { x + a }; let g = () { let a = 100; f(1) }; print g()", json!([[2]])),
        ("let m = materialize(Alerts | where N > 1); m | union m | count", json!([[4]])),
        ("let n = toscalar(Alerts | summarize max(N)); Alerts | where N == n | project Id", json!([["b"]])),
        ("Alerts | where Id in ((Alerts | where N > 1 | project Id)) | count", json!([[2]])),
        ("Alerts | where Id !in~ ((print 'A')) | count", json!([[2]])),
        ("Alerts | where Id has_any ((print 'b')) | count", json!([[1]])),
        ("let ids = Alerts | distinct Id; Alerts | where Id in (ids) | count", json!([[4]])),
        ("Alerts | as T | where N == toscalar(T | summarize min(N)) | project N", json!([[1]])),
        ("let v = view () { print Id = 'v' }; union v*, (print Id = 'w') | count", json!([[2]])),
    ] {
        assert_eq!(cells(text), expected, "{text}");
    }
    for (text, code) in [
        ("let f = (x:long) { x }; print f('a')", "kql/type"),
        ("let f = (x:long) { x }; print f()", "kql/argument-count"),
        ("let f = (x:long) { x }; print f(y = 1)", "kql/unknown-parameter"),
        ("let f = (T:(Q:long)) { T }; f(Alerts)", "kql/unknown-column"),
        ("let f = (x:long) { toscalar(Alerts | where N == x | count) }; Alerts | extend f(N)", "kql/unsupported"),
        ("let f = (x:long) { f(x) }; print f(1)", "kql/unknown-function"),
    ] {
        let found = query_findings(text);
        assert!(found.iter().any(|finding| finding.code() == code), "{text}: {found:?}");
    }
}

#[test]
fn functions_written_out_have_limits() {
    let twice: String = (1..60).map(|n| format!("let f{n} = (x:long) {{ f{}(x) + f{}(x) }};", n - 1, n - 1)).collect();
    let found =
        query_findings(&format!("let f0 = (x:long) {{ x }}; {twice} range n from 1 to 2 step 1 | extend f59(n)"));
    assert!(found.iter().any(|f| matches!(f.code(), "kql/limit-size" | "kql/limit-depth")), "{:?}", found.first());
    let stages = "| where N > 1 ".repeat(2_000);
    assert_eq!(query_findings(&format!("Alerts {stages}"))[0].code(), "kql/limit-depth");
}

#[test]
fn aggregates_of_all_kinds() {
    let t = "let T = datatable(g:string, n:long, r:real, d:dynamic)['a', 1, 1.0, dynamic({'x': 1}), 'a', 3, 2.0, dynamic({'y': 2}), 'b', long(null), real(null), dynamic(null)];";
    for (what, name, value) in [
        ("countif(n > 1)", "countif_", json!(1)),
        ("sumif(n, n > 1)", "sumif_n", json!(3)),
        ("avgif(n, n > 0)", "avgif_n", json!(2.0)),
        ("minif(n, n > 1)", "minif_n", json!(3)),
        ("maxif(n, n < 3)", "maxif_n", json!(1)),
        ("dcountif(g, n > 0)", "dcountif_g", json!(1)),
        ("dcount(g)", "dcount_g", json!(2)),
        ("count_distinct(g)", "count_distinct_g", json!(2)),
        ("make_set(g)", "set_g", json!(["a", "b"])),
        ("make_set_if(g, n > 0)", "set_g", json!(["a"])),
        ("make_list(n)", "list_n", json!([1, 3])),
        ("make_list_if(n, n > 1)", "list_n", json!([3])),
        ("make_list_with_nulls(n)", "list_n", json!([1, 3, null])),
        ("make_bag(d)", "bag_d", json!({"x": 1, "y": 2})),
        ("take_any(g)", "g", json!("a")),
        ("any(g)", "any_g", json!("a")),
        ("percentile(n, 50)", "percentile_n_50", json!(1)),
        ("stdev(r)", "stdev_r", json!(std::f64::consts::FRAC_1_SQRT_2)),
        ("variance(r)", "variance_r", json!(0.5)),
        ("stdevp(r)", "stdevp_r", json!(0.5)),
        ("count() * 2 + toint(sum(n))", "Column1", json!(10)),
        ("tostring(max(n))", "max_n", json!("3")),
    ] {
        let text = format!("{t} T | summarize {what}");
        assert_eq!((names(&query(&text)), cells(&text)), (vec![name], json!([[value]])), "{what}");
    }
    let several =
        query(&format!("{t} T | summarize percentiles(n, 5, 99.5), (a, b) = arg_max(n, g), take_any(r, d) by k = g"));
    assert_eq!(names(&several), ["k", "percentile_n_5", "percentile_n_99_5", "a", "b", "r", "d"]);
    assert_eq!(
        cells(&format!("{t} T | summarize arg_max(n, *) by g | project g, n, r")),
        json!([["a", 3, 2.0], ["b", null, null]])
    );
}

#[test]
fn a_set_of_arrays_is_that_of_their_elements_and_a_list_of_arrays_is_one_of_arrays() {
    let t = "let T = datatable(Val:int, Arr1:dynamic)[1, dynamic(['A1', 'A2', 'A3']), 5, dynamic(['A2', 'C1']), \
        7, dynamic(['C2']), 5, dynamic(['C2', 'A1', null]), 9, dynamic('A1'), 9, dynamic({'b': 1}), 9, dynamic(null)];";
    for (what, value) in [
        ("make_set(Arr1)", json!(["A1", "A2", "A3", "C1", "C2", {"b": 1}])),
        ("make_set(Arr1, 2)", json!(["A1", "A2"])),
        ("make_set_if(Arr1, Val == 5)", json!(["A2", "C1", "C2", "A1"])),
        ("makeset(Arr1)", json!(["A1", "A2", "A3", "C1", "C2", {"b": 1}])),
        ("make_list_if(Arr1, Val > 5)", json!([["C2"], "A1", {"b": 1}])),
    ] {
        assert_eq!(cells(&format!("{t} T | summarize {what}")), json!([[value]]), "{what}");
    }
}

#[test]
fn keys_of_bags_are_names_or_documented_paths_and_anything_else_is_refused_or_null() {
    let bag = "dynamic({'key1': 123, 'key2': {'prop1': 'abc', 'prop2': 'xyz'}, 'key3': [100, 200]})";
    for (text, value) in [
        ("bag_has_key(BAG, '$.key2.prop1')", json!(true)),
        ("bag_has_key(BAG, \"$['key2']['prop3']\")", json!(false)),
        ("bag_has_key(BAG, '$.key1.prop1')", json!(false)),
        ("bag_remove_keys(BAG, dynamic(['$.key2.prop1', 'key3']))", json!({"key1": 123, "key2": {"prop2": "xyz"}})),
        ("bag_remove_keys(BAG, dynamic(['$.key2', '$.key2.prop1', \"$['key3']\"]))", json!({"key1": 123})),
        ("bag_set_key(BAG, '$.key2.prop1', 'z').key2", json!({"prop1": "z", "prop2": "xyz"})),
        ("bag_set_key(dynamic({'key1': 123}), '$.key2.prop1', 'abc')", json!({"key1": 123, "key2": {"prop1": "abc"}})),
        ("bag_set_key(BAG, '$.key3.prop1', 'z')", json!(null)),
    ] {
        assert_eq!(cells(&format!("print {}", text.replace("BAG", bag))), json!([[value]]), "{text}");
    }
    for key in ["$", "$.", "$.a[0]", "$a", "$..a", "$.a.*", "$.a-b", "$.1", "$['a", "$['']", "$.a ", "$[a]"] {
        let literal = json!(key);
        for text in [
            format!("bag_has_key(BAG, {literal})"),
            format!("bag_remove_keys(BAG, dynamic(['key1', {literal}]))"),
            format!("bag_set_key(BAG, {literal}, 1)"),
        ] {
            let found = query_findings(&format!("print {}", text.replace("BAG", bag)));
            assert_eq!((found.len(), found[0].code()), (1, "kql/unsupported-key"), "{text}");
        }
        for text in ["bag_has_key(BAG, k)", "bag_remove_keys(BAG, pack_array('key1', k))"] {
            let text = format!("print k = {literal} | project {}", text.replace("BAG", bag));
            assert_eq!(cells(&text), json!([[null]]), "{text}");
        }
    }
}

#[test]
fn rows_in_order_know_their_neighbours() {
    let t = "datatable(n:long)[3, 1, 2] | order by n asc";
    assert_eq!(
        cells(&format!("{t} | extend i = row_number(), p = prev(n), q = next(n, 1, 99)")),
        json!([[1, 1, null, 2], [2, 2, 1, 3], [3, 3, 2, 99]])
    );
    assert_eq!(cells(&format!("{t} | project row_cumsum(n)")), json!([[1], [3], [6]]));
    assert_eq!(cells(&format!("{t} | where n - prev(n) == 1")), json!([[2], [3]]));
    assert_eq!(cells(&format!("{t} | serialize r = row_number(10)")), json!([[1, 10], [2, 11], [3, 12]]));
    let sessions = "datatable(t:datetime)[datetime(2026-03-01 00:00), datetime(2026-03-01 00:04), datetime(2026-03-01 01:00)] \
        | order by t asc | extend s = row_window_session(t, 1h, 5m) | summarize count() by s | project count_";
    assert_eq!(cells(sessions), json!([[2], [1]]));
    for text in ["Alerts | extend row_number()", "Alerts | summarize max(prev(N))"] {
        assert_eq!(query_findings(text)[0].code(), "kql/not-serialized", "{text}");
    }
}

#[test]
fn columns_that_only_the_data_knows() {
    let t = "let T = datatable(u:string, a:string)['bo', 'x', 'bo', 'y', 'al', 'x'];";
    assert_eq!(
        cells(&format!("{t} T | evaluate pivot(a, count(), u) | order by u asc")),
        json!([["al", 1, 0], ["bo", 1, 1]])
    );
    assert_eq!(names(&query(&format!("{t} T | evaluate pivot(a)"))), ["u", "x", "y"]);
    let bags =
        "datatable(id:long, d:dynamic)[1, dynamic({'b': 'x', 'a': 2}), 2, dynamic({'a': 3})] | evaluate bag_unpack(d)";
    let table = query(bags);
    assert_eq!(names(&table), ["id", "a", "b"]);
    assert_eq!(cells(&format!("{bags} | where a > 2 | project id, a, b")), json!([[2, 3, ""]]));
    assert_eq!(names(&query(&bags.replace("(d)", "(d, 'p_')"))), ["id", "p_a", "p_b"]);
    let late = compile_query(&Source::new("q", format!("{bags} | where c > 2")), &alerts()).unwrap();
    let error = late.run(&alerts(), &crate::kql::Cx::at(0)).unwrap_err();
    assert!(error.to_string().contains("there is no column \"c\""), "{error}");
}

#[test]
fn series_have_a_value_for_each_step() {
    let t = "let T = datatable(t:datetime, g:string, n:long)[datetime(2026-03-01 01:00), 'a', 1, datetime(2026-03-03), 'a', 5, datetime(2026-03-02), 'b', 2];";
    let text = format!(
        "{t} T | make-series s = sum(n), count() default=-1 on t from datetime(2026-03-01) to datetime(2026-03-04) step 1d by g"
    );
    assert_eq!(names(&query(&text)), ["g", "s", "count_", "t"]);
    assert_eq!(
        cells(&format!("{text} | project g, s, count_")),
        json!([["a", [1, 0, 5], [1, -1, 1]], ["b", [0, 2, 0], [-1, 1, -1]]])
    );
    assert_eq!(
        cells(&format!("{text} | project array_length(t), tostring(t[0]) | take 1")),
        json!([[3, "2026-03-01T00:00:00.0000000Z"]])
    );
}

#[test]
fn the_best_of_groups_and_groups_apart() {
    let t = "let T = datatable(g:string, h:string, n:long)['a', 'x', 5, 'a', 'y', 1, 'b', 'x', 2, 'c', 'x', 1];";
    assert_eq!(
        cells(&format!("{t} T | top-nested 1 of g by sum(n), top-nested 1 of h by sum(n)")),
        json!([["a", 6, "x", 5]])
    );
    assert_eq!(
        cells(&format!("{t} T | top-nested 1 of g with others='rest' by sum(n)")),
        json!([["a", 6], ["rest", 3]])
    );
    assert_eq!(
        cells(&format!("{t} T | partition by g (top 1 by n) | project g, n")),
        json!([["a", 5], ["b", 2], ["c", 1]])
    );
    assert_eq!(cells(&format!("{t} T | sample-distinct 2 of g | count")), json!([[2]]));
    assert_eq!(cells("Alerts | sample 2 | count"), json!([[2]]));
}

#[test]
fn a_search_looks_into_every_column() {
    let found = query("search in (Alerts) 'b'");
    assert_eq!(names(&found), ["$table", "Id", "N", "At"]);
    assert_eq!(cells("search in (Alerts) 'b' | project $table, Id"), json!([["Alerts", "b"]]));
    assert_eq!(cells("search '5' | count"), json!([[1]]));
    assert_eq!(cells("Alerts | search Id == 'a' and '2026*' | count"), json!([[2]]));
    assert_eq!(cells("Alerts | where * has 'c' | project Id"), json!([["c"]]));
}

#[test]
fn dynamic_operands_take_the_type_beside_them() {
    let t = "print d = dynamic({'n': 2, 's': 'x', 't': '2026-03-01'})";
    assert_eq!(
        cells(&format!(
            "{t} | project d.n + 1, d.n * 1.5, -d.n, d.n > 1, d.s == 'x', todatetime(d.t) - datetime(2026-02-28)"
        )),
        json!([[3, 3.0, -2, true, true, "1.00:00:00"]])
    );
    assert_eq!(
        cells(&format!("{t} | project iff(true, d.s, 'y'), strcat(d.n, d.s), toupper(d.s)")),
        json!([["x", "2x", "X"]])
    );
    for text in ["d.n and true == 1", "startofday(d.t) == now()", "bin(d.n, 1) == 1", "round(d.n) == 1"] {
        assert_eq!(query_findings(&format!("{t} | where {text}"))[0].code(), "kql/type", "{text}");
    }
}

#[test]
fn a_constant_beside_a_column_is_taken_as_what_the_column_is() {
    let rows = "datatable(b: bool, s: string, n: int) [true, '4624', 4624, false, '-1', -1]";
    for (condition, kept) in [
        ("b == 1", 1),
        ("b != 0", 1),
        ("0 == b", 1),
        ("b == 'True'", 1),
        ("b == \"false\"", 1),
        ("b in (1)", 1),
        ("b in ('TRUE', 0)", 2),
        ("b !in (1)", 1),
        ("s == x", 1),
        ("n == t", 1),
        ("n in (t, '-1')", 2),
        ("s == -1", 1),
        ("s != -1", 1),
        ("n == strcat('46', '24')", 1),
    ] {
        let text = format!("let x = 4624; let t = '4624'; {rows} | where {condition} | count");
        assert_eq!(cells(&text), json!([[kept]]), "{condition}");
    }
    for condition in ["b == 2", "b == 'yes'", "n == 'x'", "b == s", "n == s", "b == n"] {
        assert!(
            query_findings(&format!("{rows} | where {condition}"))[0].message().starts_with("\"==\""),
            "{condition}"
        );
    }
}

#[test]
fn a_finding_names_the_operator_that_is_written() {
    for (condition, start) in [
        ("b != 2", "\"!=\" does not take bool and long"),
        ("b !in (2)", "\"!in\" does not take bool and long"),
        ("n !has 'x'", "argument 1 of \"!has\""),
    ] {
        let found = query_findings(&format!("datatable(b: bool, n: int) [] | where {condition}"));
        assert!(found[0].message().starts_with(start), "{}", found[0].message());
    }
}
