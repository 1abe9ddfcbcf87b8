//! Nesting, texts, rows, steps and bytes have limits, and their errors say which.

use super::robust::world;
use super::*;

#[test]
fn the_deepest_nesting_that_is_accepted_can_be_evaluated() {
    let nested =
        |open: &str, inner: &str, close: &str, n: usize| format!("{}{inner}{}", open.repeat(n), close.repeat(n));
    assert!(holds(&nested("not(", "Count == 3", ")", 124)));
    assert!(holds(&nested("(Count == 3 and (Count == 1 or ", "true", "))", 31)));
    assert!(holds(&format!("{} == 3", nested("iff(Count == 3, ", "Count", ", 1)", 120))));
    assert_eq!(cells(&nested("(", "Alerts | count", ")", 120)), json!([[4]]));
    assert_eq!(cells(&format!("print array_length({})", nested("dynamic([", "1", "])", 50))), json!([[1]]));
    assert_eq!(cells(&format!("print {}", nested("-", "1", "", 120))), json!([[1]]));
}

#[test]
fn nesting_text_and_steps_have_limits_that_are_named() {
    let deep = format!("{}true{}", "(".repeat(10_000), ")".repeat(10_000));
    assert_eq!(findings(&deep).first().map(|f| f.0), Some("kql/limit-depth"));
    let sums = vec!["1"; 10_000].join(" + ") + " == 1";
    assert_eq!(findings(&sums).first().map(|f| f.0), Some("kql/limit-depth"));
    let dots = format!("Extra{}", ".a".repeat(10_000));
    assert_eq!(findings(&dots).first().map(|f| f.0), Some("kql/limit-depth"));
    assert_eq!(findings(&" ".repeat(2 << 20)).first().map(|f| f.0), Some("kql/limit-text"));

    let rule = compile("strcat(Name, Name, Name) has 'x' and Count > 1 and Score > 1").unwrap();
    let cx = |limits| Cx { now: NOW, limits };
    let few_steps = rule.is_true(&row(), &cx(Limits { steps: 2, ..Limits::default() })).unwrap_err();
    assert_eq!(few_steps, KqlError::Limit { what: "steps", limit: 2 });
    let few_bytes = rule.is_true(&row(), &cx(Limits { bytes: 20, ..Limits::default() })).unwrap_err();
    assert_eq!(few_bytes, KqlError::Limit { what: "bytes of values", limit: 20 });
}

#[test]
fn row_limits_stop_a_query() {
    let limits = Limits { rows: 3, ..Limits::default() };
    let cells = "datatable(x:long)[1, 2, 3, 4]";
    let ordered = format!("{cells} | order by x");
    for text in ["Alerts | order by N", "range x from 1 to 100 step 1", cells, ordered.as_str()] {
        let compiled = compile_query(&Source::new("q", text), &alerts()).unwrap();
        let stopped = compiled.run(&alerts(), &Cx { now: NOW, limits }).unwrap_err();
        assert_eq!(stopped, KqlError::Limit { what: "rows", limit: 3 }, "{text}");
    }
}

#[test]
fn every_limit_is_named_by_its_error() {
    let usual = Limits::default();
    for (text, limits, what) in [
        ("range n from 1 to 1000 step 1", Limits { rows: 100, ..usual }, "rows"),
        ("T | join kind=inner T on $left.n == $right.n | union T, T, T", Limits { rows: 9, ..usual }, "rows"),
        ("range n from 1 to 100 step 1 | mv-expand x = range(1, 100)", Limits { rows: 500, ..usual }, "rows"),
        ("range n from 1 to 100 step 1 | where n + n * n > 7", Limits { steps: 50, ..usual }, "steps"),
        (
            "range a from 1 to 900 step 1 | extend k = 1 | join kind=inner (range b from 1 to 900 step 1 | extend k = 1) on k | count",
            Limits { steps: 1_000_000, ..usual },
            "steps",
        ),
        (
            "let t = materialize(range n from 1 to 1000 step 1); union t, t, t | count",
            Limits { steps: 20_000, ..usual },
            "steps",
        ),
        ("print x = range(1, 1000) | mv-expand x | count", Limits { bytes: 40_000, ..usual }, "bytes of values"),
        ("print x = strrep('0123456789', 1000)", Limits { bytes: 5_000, ..usual }, "bytes of values"),
        (
            "range n from 1 to 1000 step 1 | summarize make_list(strcat('0123456789', n))",
            Limits { bytes: 5_000, ..usual },
            "bytes of values",
        ),
        (
            "range n from 1 to 1000 step 1 | summarize make_set(n), dcount(n)",
            Limits { bytes: 5_000, ..usual },
            "bytes of values",
        ),
        (
            "range n from 90 to 90 step 1 | where 'a' matches regex strcat('(', strrep('a', 900), '){', n, '}')",
            Limits { regex: 100, ..usual },
            "bytes of regular expression",
        ),
    ] {
        let world = world();
        let query = compile_query(&Source::new("q", text), &world).unwrap_or_else(|found| panic!("{text}: {found:?}"));
        match query.run(&world, &Cx { now: NOW, limits }) {
            Err(KqlError::Limit { what: named, .. }) => assert_eq!(named, what, "{text}"),
            other => panic!("{text}: {other:?}"),
        }
    }
}

#[test]
fn tables_of_let_that_double_each_other_are_too_many_parts() {
    let doubled = |times: usize| {
        let lets = (1..=times).map(|n| format!("let t{n} = union t{}, t{};\n", n - 1, n - 1));
        format!("let t0 = print x = 1;\n{}t{times} | count", lets.collect::<String>())
    };
    let world = world();
    let compiled = |times| compile_query(&Source::new("q", doubled(times)), &world);
    assert_eq!(compiled(5).unwrap().run(&world, &Cx::at(NOW)).unwrap().rows[(0, 0)], Val::Long(32));
    let found = compiled(40).unwrap_err();
    assert_eq!(found.first().map(Finding::code), Some("kql/limit-size"), "{found:?}");
}

#[test]
fn columns_that_the_data_names_have_a_limit() {
    let world = world();
    for text in [
        "range n from 1 to 10001 step 1 | evaluate pivot(n)",
        "range n from 1 to 5000 step 1 | extend m = n | evaluate pivot(n, count(), m)",
        "range n from 1 to 10001 step 1 | project b = bag_pack(tostring(n), n) | evaluate bag_unpack(b)",
    ] {
        let query = compile_query(&Source::new("q", text), &world).unwrap_or_else(|found| panic!("{text}: {found:?}"));
        let error = query.run(&world, &Cx::at(NOW)).unwrap_err().to_string();
        assert!(error.contains("columns"), "{text}: {error}");
    }
}

#[test]
fn what_binding_makes_has_limits_that_are_named() {
    let numbered = |n: usize, write: &dyn Fn(usize) -> String| (0..n).map(write).collect::<Vec<_>>().join(",");
    let wide = format!("print {}", numbered(9_999, &|n| format!("c{n}=1")));
    for (text, code, what) in [
        (format!("union {}", numbered(10_000, &|n| format!("(print c{n}=1)"))), "kql/limit-columns", "1000000 columns"),
        (format!("let w = {wide}; union {}", vec!["w"; 200].join(",")), "kql/limit-columns", "1000000 columns"),
        (
            format!("{wide} {}", "| where true | project-away c0 | extend c0 = 1".repeat(60)),
            "kql/limit-columns",
            "1000000 columns",
        ),
        (format!("{wide} | extend a = 1, b = 2"), "kql/limit-columns", "10000 columns"),
        (format!("print {}", vec!["1"; 400_000].join(",")), "kql/limit-columns", "10000 columns"),
        (
            format!("print 1 | extend {}", numbered(95_000, &|n| format!("c{n}=1"))),
            "kql/limit-columns",
            "10000 columns",
        ),
        (format!("Alerts | summarize {}", vec!["count()"; 50_000].join(",")), "kql/limit-columns", "10000 columns"),
        (format!("Alerts | project-away {}", vec!["x*"; 300_000].join(",")), "kql/limit-columns", "10000 columns"),
        (
            format!("{wide} | extend {}", numbered(200, &|n| format!("p{n} = pack_all()"))),
            "kql/limit-size",
            "500000 parts",
        ),
    ] {
        let found = query_findings(&text);
        let named = found.iter().any(|finding| finding.code() == code && finding.message().contains(what));
        assert!(named, "{}: {:?}", &text[text.len() - 40..], found.first());
    }
    // What is wide and allowed is quick.
    for text in [
        format!("{wide} | project {} | project-away c*", numbered(9_999, &|n| format!("c{n}"))),
        format!("print c = 1 | project {}", vec!["tostring(c)"; 10_000].join(",")),
        format!("{wide} | project-rename {}", numbered(9_999, &|n| format!("d{n} = c{n}"))),
        format!("{wide} | union (print x = 1)"),
    ] {
        assert!(compile_query(&Source::new("q", text.as_str()), &alerts()).is_ok(), "{}", &text[text.len() - 40..]);
    }
}

#[test]
fn of_thousands_of_mistakes_the_first_are_told_and_the_others_counted() {
    let many = |what: &str| (0..60_000).map(|n| what.replace('#', &n.to_string())).collect::<Vec<_>>().join(",");
    let text = format!("print pack_array({})", many("f#x()"));
    let found = query_findings(&text);
    assert_eq!(found.len(), 51, "{:?}", found.last());
    assert!(
        found.iter().any(|finding| finding.message() == "and 59950 more errors from here on"),
        "{:?}",
        found.last()
    );
}

#[test]
fn everyday_regular_expressions_compile_and_a_large_one_is_told_by_its_compiled_size() {
    let matches = |pattern: &str| compile(&format!("Name matches regex @'{pattern}'"));
    for pattern in [r"^[\w.-]{1,64}@[\w.-]{1,255}$", r"\d{1,1000}", r"[a-z]{1,1000}", r"\bS\w+ed\b"] {
        assert!(matches(pattern).is_ok(), "{pattern}");
    }
    assert!(holds(r"Name matches regex @'^\w{1,9}\s\w{1,9}\s\w+$'"));
    let found = matches("([a-z]{1,1000}){1000}").unwrap_err();
    assert!(found[0].message().contains("bytes of a compiled regular expression"), "{found:?}");
    // Each takes more than 16 MiB, and counts as the 64 that it may take.
    let all: Vec<String> = (0..5).map(|n| format!("Name matches regex '{n}([a-z]{{1,1000}}){{200}}'")).collect();
    let found = compile(&all.join(" or ")).unwrap_err();
    assert_eq!(found[0].code(), "kql/limit-size", "{found:?}");
}

/// How many steps a query takes, to a quarter.
fn steps(text: &str, world: &World) -> u64 {
    let query = compile_query(&Source::new("q", text), world).unwrap_or_else(|found| panic!("{text}: {found:?}"));
    let mut steps = 64;
    loop {
        match query.run(world, &Cx { now: NOW, limits: Limits { steps, ..Limits::default() } }) {
            Ok(_) => return steps,
            Err(KqlError::Limit { what: "steps", .. }) => steps += steps / 4,
            Err(other) => panic!("{text}: {other}"),
        }
    }
}

#[test]
fn the_first_rows_of_an_order_hold_no_more_than_they_are() {
    let texts: Vec<Json> = (0..500).map(|n| json!([n, "x".repeat(100 - n % 7)])).collect();
    let world = World::default().with("T", &[("N", Type::Long), ("S", Type::String)], &json!(texts));
    let run = |text: &str, limits: Limits| {
        let compiled = compile_query(&Source::new("q", text), &world).unwrap();
        compiled.run(&world, &Cx { now: NOW, limits }).map(|table| table.rows.len())
    };
    let (few_rows, few_bytes) = (Limits { rows: 5, ..Limits::default() }, Limits { bytes: 5_000, ..Limits::default() });
    for text in ["T | top 5 by N desc", "T | top 5 by N asc", "T | extend M = N * -1 | order by M, S | take 5"] {
        assert_eq!(run(text, few_rows), Ok(5), "{text}");
        assert_eq!(run(text, few_bytes), Ok(5), "{text}");
    }
    assert_eq!(run("T | top 6 by N", few_rows), Err(KqlError::Limit { what: "rows", limit: 5 }));
    assert_eq!(run("T | top 400 by N", few_bytes), Err(KqlError::Limit { what: "bytes of values", limit: 5_000 }));
    assert_eq!(run("T | top 0 by N", few_rows), Ok(0));
}

#[test]
fn a_list_that_is_gone_through_for_each_row_costs_steps_for_each_of_its_values() {
    let rows: Vec<Json> = (0..256).map(|n| json!([n, format!("word{n} x"), format!("k{n}")])).collect();
    let columns = [("N", Type::Long), ("S", Type::String), ("K", Type::String)];
    let world = World::default().with("T", &columns, &json!(rows));
    let list = |write: &dyn Fn(usize) -> String| (1_000..3_000).map(write).collect::<Vec<_>>().join(", ");
    let numbers = list(&|n| n.to_string());
    let texts = list(&|n| format!("'k{n}'"));
    let names = list(&|n| format!("'n{n}': 1"));
    let eight: Vec<String> = (0..16_000).map(|n| format!("'n{n}': 1")).collect();
    let eight = eight.join(", ");
    for condition in [
        format!("N in (N + 10000, {numbers})"),
        format!("K in~ (S, {texts})"),
        format!("S has_any (K, {texts})"),
        format!("array_index_of(dynamic([{texts}]), K) >= 0"),
        format!("bag_has_key(dynamic({{{names}}}), K)"),
        format!("isnotnull(dynamic({{{eight}}})[K])"),
        format!("array_length(set_union(dynamic([{texts}]), pack_array(K))) > 0"),
    ] {
        let taken = steps(&format!("T | where {condition} | count"), &world);
        assert!(taken >= 256 * 2_000, "{}...: {taken}", &condition[..30]);
    }
}

#[test]
fn a_list_that_is_the_same_for_all_rows_is_hashed_once() {
    let rows: Vec<Json> = (0..256).map(|n| json!([n, format!("word{n} x"), format!("k{n}"), {"n": n}])).collect();
    let columns = [("N", Type::Long), ("S", Type::String), ("K", Type::String), ("D", Type::Dynamic)];
    let world = World::default().with("T", &columns, &json!(rows));
    let list = |write: &dyn Fn(usize) -> String| (0..2_000).map(write).collect::<Vec<_>>().join(", ");
    let numbers = list(&|n| (n * 2).to_string());
    let texts = list(&|n| format!("'k{}'", n * 2));
    let words = list(&|n| format!("'WORD{}'", n * 2));
    for (before, condition, count) in [
        ("", format!("N in ({numbers})"), 128),
        ("", format!("N !in ({numbers})"), 128),
        ("", format!("N in (dynamic([{numbers}]))"), 128),
        ("", format!("N in (7, dynamic([{numbers}]), {numbers})"), 129),
        ("", format!("D.n in ({numbers})"), 128),
        ("", format!("K in ({texts})"), 128),
        ("", format!("toupper(K) in~ ({texts})"), 128),
        ("", format!("toupper(K) !in~ (dynamic([{texts}]))"), 128),
        ("", format!("set_has_element(dynamic([{texts}]), K)"), 128),
        ("", format!("S has_any ({words})"), 128),
        ("", format!("S has_any (dynamic([{words}]))"), 128),
        ("", format!("S has_all ({words})"), 0),
        (&format!("let l = dynamic([{numbers}]);"), "N in (l) and N in (l)".to_owned(), 128),
        ("let l = toscalar(range x from 0 to 4000 step 2 | summarize make_set(x));", "N in (l)".to_owned(), 128),
        (
            "let l = toscalar(range x from 0 to 4000 step 2 | summarize make_set(x));",
            "set_has_element(l, N)".to_owned(),
            128,
        ),
        (
            "let l = toscalar(range x from 0 to 4000 step 2 | project w = strcat('word', x) | summarize make_list(w));",
            "S has_any (l)".to_owned(),
            128,
        ),
        ("let l = range x from 0 to 4000 step 2 | project strcat('word', x);", "S has_any (l)".to_owned(), 128),
    ] {
        let text = format!("{before} T | where {condition} | count");
        let compiled = compile_query(&Source::new("q", &text), &world).unwrap_or_else(|found| panic!("{found:?}"));
        // To make a list takes some tens of steps for each of its 2,000 values, to search it would take 2 for each row.
        let limits = Limits { steps: 256 * 1_000, ..Limits::default() };
        let found = compiled.run(&world, &Cx { now: NOW, limits });
        let shown = condition.get(..30).unwrap_or(&condition);
        let found = found.unwrap_or_else(|error| panic!("{before:.30} {shown}: {error}"));
        assert_eq!(found.rows.get(0).unwrap().get(0), Some(&Val::Long(count)), "{before:.30} {shown}");
    }
}

#[test]
fn dynamic_values_that_are_held_cost_bytes() {
    let cells: Vec<Json> = (0..100).map(|n| json!([n, {"a": "x".repeat(1_000), "b": [n, n, n]}])).collect();
    let world = World::default().with("T", &[("N", Type::Long), ("D", Type::Dynamic)], &json!(cells));
    let limits = Limits { bytes: 90_000, ..Limits::default() };
    let run = |text: &str| {
        compile_query(&Source::new("q", text), &world).unwrap().run(&Streamed(&world), &Cx { now: NOW, limits })
    };
    for text in ["T", "T | order by N asc | count", "T | join kind=inner T on N | count"] {
        assert_eq!(run(text).unwrap_err(), KqlError::Limit { what: "bytes of values", limit: 90_000 }, "{text}");
    }
    assert!(run("T | where tostring(D.a) != '' | count").is_ok(), "what only passes costs nothing");
}

/// The tables of a world, row by row: nobody else holds them.
struct Streamed<'w>(&'w World);

struct Stream(Table);

impl Tables for Streamed<'_> {
    fn table(&self, _: &str) -> Option<Cow<'_, Table>> {
        None
    }

    fn stream(&self, name: &str) -> Option<&dyn RowStream> {
        let table = self.0.0.get(name)?.clone();
        Some(Box::leak(Box::new(Stream(table))))
    }
}

impl RowStream for Stream {
    fn columns(&self) -> &[Column] {
        &self.0.columns
    }

    fn rows(&self) -> StreamedRows<'_> {
        // Each is read anew, as from a file.
        let read = |(cell, column): (&Value, &Column)| Value::from_json(&cell.to_json(), column.ty);
        Box::new(self.0.rows.iter().map(move |row| row.iter().zip(&self.0.columns).map(read).collect()))
    }
}

#[test]
fn all_that_a_query_runs_for_its_columns_counts_together() {
    let world = world();
    let rows = "range n from 1 to 400 step 1 | extend k = n % 20";
    let pivots = format!(
        "{rows} | evaluate pivot(k, count(), n) | project n | extend k = n % 20 | evaluate pivot(k, count(), n) | count"
    );
    let one = steps(&format!("{rows} | summarize count() by k, n | count"), &world);
    let all = steps(&pivots, &world);
    assert!(all > one * 3, "{all} of {one}");
    let limits = Limits { bytes: 700_000, ..Limits::default() };
    let wide = "range n from 1 to 200 step 1 | extend m = n | evaluate pivot(n, count(), m) | count";
    let query = compile_query(&Source::new("q", wide), &world).unwrap();
    let stopped = query.run(&world, &Cx { now: NOW, limits }).unwrap_err();
    assert_eq!(stopped, KqlError::Limit { what: "bytes of values", limit: 700_000 });
}

#[test]
fn paths_in_paths_do_not_make_a_value_that_is_too_deep_to_go_through() {
    let path = format!("$.{}", vec!["y"; 30].join("."));
    let query = |times: usize| {
        let steps = format!("| extend a = bag_set_key(bag_pack('z', 1), '{path}', a) ").repeat(times);
        format!("print a = bag_pack('x', 1) {steps}| project n = strlen(tostring(a))")
    };
    let run = |times: usize| {
        let compiled = compile_query(&Source::new("q", query(times)), &alerts()).unwrap();
        compiled.run(&alerts(), &Cx::at(NOW)).map(|table| table.rows.len())
    };
    assert_eq!(run(4), Ok(1));
    assert_eq!(run(5), Err(KqlError::Limit { what: "levels of a dynamic value", limit: 128 }));
}

#[test]
fn once_there_is_too_much_of_regular_expressions_no_more_are_compiled() {
    let each: Vec<String> =
        (0..40).map(|n| format!("x matches regex @'((a{{1,100}}){{1,100}}){{1,100}}{n}'")).collect();
    let told = query_findings(&format!("print x = 'a' | where {}", each.join(" or ")));
    assert_eq!(told.len(), 5, "four times what one may take is all that there is");
}
