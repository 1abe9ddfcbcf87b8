//! Queries over tables: the operators that everybody uses, and tables that are not as they were said to be.

use super::*;

#[test]
fn the_poll_query_of_the_daemon_runs() {
    let text = format!(
        "// alerts by arrival\nlet since = {};\nAlerts\n| extend IngestionTime = ingestion_time()\n\
         | where IngestionTime > since and Id in ({}, {})\n| order by IngestionTime asc, Id asc\n| take 2",
        literal::datetime(parse_datetime("2026-03-01T00:05:00Z").unwrap()),
        literal::string("a"),
        literal::string("b"),
    );
    let table = query(&text);
    assert_eq!(compile_query(&Source::new("q", text.as_str()), &alerts()).unwrap().table(), Some("Alerts"));
    assert_eq!(names(&table), ["Id", "N", "At", "IngestionTime"]);
    assert_eq!(
        cells(&text),
        json!([
            ["b", 5, "2026-03-02T00:00:00Z", "2026-03-02T00:05:00Z"],
            ["a", null, "2026-03-03T00:00:00Z", "2026-03-03T00:05:00Z"],
        ])
    );
}

#[test]
fn order_is_descending_by_default_and_nulls_have_their_place() {
    let order = |text: &str| cells(&format!("Alerts | {text} | project N"));
    assert_eq!(order("order by N"), json!([[5], [3], [1], [null]]));
    assert_eq!(order("sort by N asc"), json!([[null], [1], [3], [5]]));
    assert_eq!(order("order by N asc nulls last"), json!([[1], [3], [5], [null]]));
    assert_eq!(order("order by N desc nulls first"), json!([[null], [5], [3], [1]]));
    assert_eq!(order("top 2 by N"), json!([[5], [3]]));
    assert_eq!(order("order by Id asc, N desc"), json!([[1], [null], [5], [3]]));
}

#[test]
fn summarize_groups_and_keeps_whole_rows() {
    assert_eq!(
        cells("Alerts | summarize count(), max(N), make_set(N), dcount(N) by Id"),
        json!([["a", 2, 1, [1], 1], ["b", 1, 5, [5], 1], ["c", 1, 3, [3], 1]])
    );
    let latest = query("Alerts | summarize arg_max(At, *) by Id");
    assert_eq!(names(&latest), ["Id", "At", "N"]);
    assert_eq!(
        cells("Alerts | summarize arg_max(At, *) by Id"),
        json!([["a", "2026-03-03T00:00:00Z", null], ["b", "2026-03-02T00:00:00Z", 5], ["c", null, 3]])
    );
    assert_eq!(cells("Alerts | summarize arg_min(N, Id)"), json!([[1, "a"]]));
    assert_eq!(cells("Alerts | where N > 99 | summarize count(), sum(N), max(N)"), json!([[0, 0, null]]));
    assert_eq!(cells("Alerts | where N > 99 | summarize count() by Id"), json!([]));
    let named = query("Alerts | summarize Rows = count(), countif(N > 1), take_any(N) by Id, bin(At, 1d)");
    assert_eq!(names(&named), ["Id", "At", "Rows", "countif_", "N"]);
}

#[test]
fn columns_are_made_named_and_dropped_as_kusto_does() {
    assert_eq!(names(&query("Alerts | project Id, tostring(N), N + 1, N")), ["Id", "N", "Column1", "N1"]);
    assert_eq!(names(&query("Alerts | extend N = 2, strlen(Id) | project-away A*")), ["Id", "N", "strlen_Id"]);
    assert_eq!(names(&query("Alerts | extend d = parse_json('{}') | project d.a.b, d[0]")), ["d_a_b", "d_0"]);
    assert_eq!(names(&query("let x = 3; print 1, b = 2, x")), ["print_0", "b", "print_2"]);
    assert_eq!(cells("Alerts | distinct Id"), json!([["a"], ["b"], ["c"]]));
    assert_eq!(cells("Alerts | where isnotnull(N) | count"), json!([[3]]));
    assert_eq!(cells("Alerts | extend N = N * 2, M = N | project N, M | take 1"), json!([[2, 1]]));
}

#[test]
fn lets_are_values_and_tables() {
    assert_eq!(
        cells("let n = 2 + 1; let T = Alerts | where N >= n; T | project Id | order by Id asc"),
        json!([["b"], ["c"]])
    );
    assert_eq!(cells("let T = Alerts; let Alerts = T | take 1; Alerts | count"), json!([[1]]));
    let doubling: Vec<String> = (1..60).map(|n| format!("let a{n} = strcat(a{}, a{});", n - 1, n - 1)).collect();
    let text = format!("let a0 = tostring(now()); {} print strlen(a59)", doubling.concat());
    let compiled = compile_query(&Source::new("q", text), &alerts()).unwrap();
    let stopped = compiled.run(&alerts(), &Cx::at(NOW)).unwrap_err();
    assert!(matches!(stopped, KqlError::Limit { what: "bytes of values", .. }), "{stopped}");
}

#[test]
fn an_open_schema_is_checked_but_not_run() {
    let world = alerts();
    let text = "Open | where What > 3 and Ever + 1 == 2 | summarize arg_max(T, *) by Id | where bin(T, 1h) > ago(1d) \
        | summarize count() by Some = iff(What == 1, A, 'x') | order by count_";
    let compiled = compile_query(&Source::new("q", text), &world).unwrap();
    let tables = World::default().with("Open", &[("What", Type::Long)], &json!([[4]]));
    assert_eq!(compiled.run(&tables, &Cx::at(NOW)).unwrap_err(), KqlError::OpenSchema);
    assert!(compile_query(&Source::new("q", "Open | where tolowr(What) == 'x'"), &world).is_err());
}

#[test]
fn a_missing_table_or_column_is_noticed_when_it_runs() {
    let compiled = compile_query(&Source::new("q", "Alerts | project N"), &alerts()).unwrap();
    assert_eq!(compiled.run(&World::default(), &Cx::at(NOW)).unwrap_err(), KqlError::MissingTable("Alerts".into()));
    let other = World::default().with("Alerts", &[("Id", Type::String)], &json!([["a"]]));
    assert_eq!(compiled.run(&other, &Cx::at(NOW)).unwrap().rows[(0, 0)], Value::Null);
    let wrong = World::default().with("Alerts", &[("N", Type::String)], &json!([["a"]]));
    assert!(matches!(compiled.run(&wrong, &Cx::at(NOW)), Err(KqlError::RowShape { .. })));
}

#[test]
fn a_search_by_name_goes_over_tables_that_lack_the_column_too() {
    let tables = "let A = datatable(k:string, s:string)['x', '1', 'y', '3']; let B = datatable(s:string)['2']; ";
    assert_eq!(
        cells(&format!("{tables} search in (A, B) k == 'x' or s == '2' | project $table, s, k")),
        json!([["A", "1", "x"], ["B", "2", ""]])
    );
    let columns = query(&format!("{tables} search in (B, A) k == 'x'"));
    assert_eq!(names(&columns), ["$table", "s", "k"]);
    let found = query_findings(&format!("{tables} search in (A, B) nowhere == 'x'"));
    assert!(found.iter().all(|finding| finding.code() == "kql/unknown-column"), "{found:?}");
}

#[test]
fn arrays_are_sorted_together_by_the_first() {
    let arrays = "dynamic([2, 1, null]), dynamic(['x', 'y', 'z']), dynamic([1])";
    assert_eq!(cells(&format!("print array_sort_asc({arrays})")), json!([[[1, 2, null], ["y", "x", "z"], null]]));
    assert_eq!(
        cells(&format!("print (a, b) = array_sort_desc({arrays}, false)")),
        json!([[[null, 2, 1], ["z", "x", "y"]]])
    );
    assert_eq!(
        names(&query(&format!("print array_sort_asc({arrays})"))),
        ["array0_sorted", "array1_sorted", "array2_sorted"]
    );
    let lists = query(
        "datatable(n:long, s:string)[2, 'b', 1, 'a'] | summarize x = array_sort_asc(make_list(n), make_list(s)), count()",
    );
    assert_eq!(names(&lists), ["x", "list_s_sorted", "count_"]);
    assert_eq!(lists.rows[(0, 1)].to_json(), json!(["a", "b"]));
    for text in
        ["print (a, b, c) = array_sort_asc(dynamic([1]), dynamic([2]))", "print array_sort_asc(dynamic([1]), 2)"]
    {
        assert!(!query_findings(text).is_empty(), "{text}");
    }
}

#[test]
fn a_text_beside_true_is_what_it_says() {
    let texts = "datatable(s:string)['True', 'true', 'false', 'x', '']";
    assert_eq!(cells(&format!("{texts} | where s == true")), json!([["True"], ["true"]]));
    assert_eq!(cells(&format!("{texts} | where false == s")), json!([["false"]]));
    assert_eq!(cells(&format!("{texts} | where s != true | count")), json!([[3]]));
}

#[test]
fn a_word_is_no_dynamic_literal() {
    for text in ["Id has dynamic('a')", "Id !hasprefix_cs dynamic(1)"] {
        let found = query_findings(&format!("Alerts | where {text}"));
        assert_eq!(found[0].code(), "kql/type", "{text}");
    }
    assert_eq!(cells("Alerts | where Id has parse_json('\"b\"') and Id contains dynamic('b') | count"), json!([[1]]));
}

#[test]
fn the_first_rows_of_an_order_are_those_that_come_first_when_all_are_sorted() {
    let rows: Vec<Json> = (0_u64..300)
        .map(|n| {
            let mixed = n.wrapping_mul(2_654_435_761) >> 7;
            let real = if n % 13 == 0 { json!("NaN") } else { json!((mixed % 5).to_string()) };
            json!([n, if mixed % 4 == 0 { Json::Null } else { json!(mixed % 9) }, format!("{}", mixed % 3), real])
        })
        .collect();
    let columns = [("Id", Type::Long), ("N", Type::Long), ("S", Type::String), ("R", Type::String)];
    let world = World::default().with("T", &columns, &json!(rows));
    let run = |text: &str| {
        let text = format!("T | extend R = toreal(R) | {text}");
        compile_query(&Source::new("q", &text), &world).unwrap().run(&world, &Cx::at(NOW)).unwrap()
    };
    for keys in
        ["N asc", "N desc", "N asc nulls last", "N desc nulls first, S asc", "S, R desc", "R asc", "R desc, N asc"]
    {
        for wanted in [0, 1, 7, 299, 300, 1000] {
            let sorted = run(&format!("order by {keys} | extend Z = 1 | take {wanted} | project-away Z"));
            let told = |table: &Table| table.rows.iter().map(|row| row.get(0).cloned()).collect::<Vec<_>>();
            if !keys.contains(',') {
                assert_eq!(told(&run(&format!("top {wanted} by {keys}"))), told(&sorted), "{wanted} {keys}");
            }
            assert_eq!(told(&run(&format!("order by {keys} | take {wanted}"))), told(&sorted), "{wanted} {keys}");
        }
    }
}
