//! The room from its door: text in, values and findings out.

mod columns;
mod conformance;
mod features;
mod filter;
mod generate;
mod judge;
mod language;
mod moments;
mod nulls;
mod robust;
mod series;
mod texts;

use std::borrow::Cow;
use std::collections::BTreeMap;

use proptest::prelude::*;
use serde_json::{Value as Json, json};

use super::time::{DAY, HOUR};
use super::*;
use crate::diagnostics::{Finding, Place, Source, Span};

const NOW: i64 = 20_513 * DAY;

fn schema() -> Schema {
    Schema::new([
        ("Name", Type::String),
        ("Count", Type::Int),
        ("Score", Type::Real),
        ("At", Type::DateTime),
        ("Extra", Type::Dynamic),
        ("Flag", Type::Bool),
    ])
}

fn row() -> Vec<Value> {
    let cells = json!(["Suspected DCSync attack", 3, 1.5, print_datetime(NOW - HOUR), {"a": {"b": [10, "x"]}, "c d": true}, null]);
    let schema = schema();
    let columns = schema.columns().iter();
    cells
        .as_array()
        .unwrap()
        .iter()
        .zip(columns)
        .map(|(cell, column)| Value::from_json(cell, column.ty).unwrap())
        .collect()
}

fn compile(text: &str) -> Result<Expression, Vec<Finding>> {
    compile_expression(text, &Source::new("rule", text).whole(), &schema(), Type::Bool)
}

fn holds(text: &str) -> bool {
    let rule = compile(text).unwrap_or_else(|findings| panic!("{text}: {findings:?}"));
    rule.is_true(&row(), &Cx::at(NOW)).unwrap()
}

fn findings(text: &str) -> Vec<(&'static str, String)> {
    let found = compile(text).expect_err(text);
    found.iter().map(|f| (f.code(), f.place().map(|p| p.source.slice(p.span).to_owned()).unwrap_or_default())).collect()
}

/// Tables for queries: JSON rows by table.
#[derive(Default)]
struct World(BTreeMap<String, Table>);

impl World {
    fn with(mut self, name: &str, columns: &[(&str, Type)], rows: &Json) -> Self {
        let columns: Vec<Column> = columns.iter().map(|(name, ty)| Column::new(*name, *ty)).collect();
        let read = |row: &Json| {
            let cells = row.as_array().unwrap().iter().zip(&columns);
            cells.map(|(cell, column)| Value::from_json(cell, column.ty).unwrap()).collect()
        };
        let rows = rows.as_array().unwrap().iter().map(read).collect();
        self.0.insert(name.to_owned(), Table { columns, rows });
        self
    }
}

impl Catalog for World {
    fn schema(&self, table: &str) -> Option<Schema> {
        if table == "Open" {
            return Some(Schema::default().open());
        }
        self.0.get(table).map(Table::schema)
    }

    fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
}

impl Tables for World {
    fn table(&self, name: &str) -> Option<Cow<'_, Table>> {
        self.0.get(name).map(Cow::Borrowed)
    }
}

fn alerts() -> World {
    World::default().with(
        "Alerts",
        &[("Id", Type::String), ("N", Type::Long), ("At", Type::DateTime), (INGESTION_TIME, Type::DateTime)],
        &json!([
            ["a", 1, "2026-03-01T00:00:00Z", "2026-03-01T00:05:00Z"],
            ["b", 5, "2026-03-02T00:00:00Z", "2026-03-02T00:05:00Z"],
            ["a", null, "2026-03-03T00:00:00Z", "2026-03-03T00:05:00Z"],
            ["c", 3, null, "2026-03-04T00:05:00Z"],
        ]),
    )
}

fn query(text: &str) -> Table {
    let world = alerts();
    let query = compile_query(&Source::new("q.kql", text), &world).unwrap_or_else(|found| panic!("{text}: {found:?}"));
    query.run(&world, &Cx::at(NOW)).unwrap()
}

fn names(table: &Table) -> Vec<&str> {
    table.columns.iter().map(|column| &*column.name).collect()
}

fn cells(text: &str) -> Json {
    query(text).rows.iter().map(|row| row.iter().map(Val::to_json).collect::<Vec<_>>()).collect::<Vec<_>>().into()
}

fn query_findings(text: &str) -> Vec<Finding> {
    compile_query(&Source::new("q.kql", text), &alerts()).expect_err(text)
}

#[test]
fn conditions_read_columns_paths_and_time() {
    for text in [
        r#"Name has "dcsync" and Count in (1, 3)"#,
        "Extra.a.b[0] == 10 and Extra.a.b[-1] == 'x'",
        r#"Extra["c d"] == true"#,
        "isnull(Extra.a.nothing.more)",
        "At between (ago(2h) .. now())",
        "At > ago(61m) and not(At > ago(59m))",
        "Name matches regex @'DC[A-Z]ync\\s' and Name !contains 'golden'",
        "Count * 2 + 1 == 7 and Score / 2 < 1",
        "['Name'] =~ 'suspected dcsync ATTACK'",
        "case(Count > 5, 'many', Count > 2, 'some', 'few') == 'some'",
        "tolower(substring(Name, 10, 6)) == 'dcsync'",
        "Name has_any ('x', 'attack') or 1 / 0 == 1",
    ] {
        assert!(holds(text), "{text}");
    }
}

#[test]
fn null_is_neither_true_nor_false_and_holds_nothing() {
    for text in ["Flag", "not(Flag)", "Flag and true", "Flag == true", "Count > int(null)"] {
        assert!(!holds(text), "{text}");
    }
    assert!(holds("Flag or true"));
    assert!(holds("isnull(Flag) and Flag != true"));
}

#[test]
fn text_operators_bind_tighter_than_comparison_and_or_loosest() {
    assert!(holds("true or false and false"));
    assert!(holds("Name has 'attack' == true"));
    assert!(holds("1 + 2 * 3 == 7 and -2 + 3 == 1"));
    assert!(holds("10 - 4 - 3 == 3"));
}

#[test]
fn a_long_chain_is_no_deep_tree() {
    let text = vec!["Count == 1"; 5_000].join(" or ") + " or Count == 3";
    assert!(holds(&text));
}

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
fn the_deepest_nesting_that_is_accepted_can_be_evaluated() {
    let nested =
        |open: &str, inner: &str, close: &str, n: usize| format!("{}{inner}{}", open.repeat(n), close.repeat(n));
    assert!(holds(&nested("not(", "Count == 3", ")", 60)));
    assert!(holds(&nested("(Count == 3 and (Count == 1 or ", "true", "))", 15)));
    assert!(holds(&format!("{} == 3", nested("iff(Count == 3, ", "Count", ", 1)", 60))));
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
fn a_row_of_another_shape_is_an_error_and_a_short_one_is_null() {
    let rule = compile("Count > 1").unwrap();
    let wrong = rule.is_true(&[Value::from("x"), Value::from("3")], &Cx::at(NOW)).unwrap_err();
    assert!(matches!(wrong, KqlError::RowShape { column: 1, expected: Type::Int, found: "string" }));
    assert!(!rule.is_true(&[], &Cx::at(NOW)).unwrap());
}

#[test]
fn what_is_compiled_can_be_shared_between_threads() {
    const fn shared<T: Send + Sync + 'static>() {}
    shared::<Expression>();
    shared::<Query>();
}

#[test]
fn an_expression_says_which_columns_it_reads() {
    let rule = compile("Score > 1 and Name has 'x' and Extra.a == 1 and Name != ''").unwrap();
    assert_eq!(rule.columns().collect::<Vec<_>>(), ["Name", "Score", "Extra"]);
}

#[test]
fn a_hostile_literal_stays_inside_its_quotes() {
    let text = "x\" or true or \"\\\r\n\u{2028}😀'";
    let rule = format!("Name == {}", literal::string(text));
    assert!(!holds(&rule));
    let schema = Schema::new([("Name", Type::String)]);
    let compiled = compile_expression(&rule, &Source::new("q", rule.as_str()).whole(), &schema, Type::Bool).unwrap();
    assert!(compiled.is_true(&[Value::from(text)], &Cx::at(NOW)).unwrap());
    assert!(!holds(&format!("Name in {}", literal::string_list(Vec::<&str>::new()))));
    assert!(holds(&format!("Name has_any {}", literal::string_list(["x", "attack"]))));
}

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
    assert_eq!(cells("let T = Alerts; let T = T | take 1; T | count"), json!([[1]]));
    let doubling: Vec<String> = (1..60).map(|n| format!("let a{n} = strcat(a{}, a{});", n - 1, n - 1)).collect();
    let text = format!("let a0 = tostring(now()); {} print strlen(a59)", doubling.concat());
    let compiled = compile_query(&Source::new("q", text), &alerts()).unwrap();
    let stopped = compiled.run(&alerts(), &Cx::at(NOW)).unwrap_err();
    assert!(matches!(stopped, KqlError::Limit { what: "bytes of values", .. }), "{stopped}");
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
fn row_limits_stop_a_query() {
    let limits = Limits { rows: 3, ..Limits::default() };
    let cells = "datatable(x:long)[1, 2, 3, 4]";
    let ordered = format!("{cells} | order by x | take 1");
    for text in ["Alerts | take 1", "range x from 1 to 100 step 1", cells, ordered.as_str()] {
        let compiled = compile_query(&Source::new("q", text), &alerts()).unwrap();
        let stopped = compiled.run(&alerts(), &Cx { now: NOW, limits }).unwrap_err();
        assert_eq!(stopped, KqlError::Limit { what: "rows", limit: 3 }, "{text}");
    }
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
    assert_eq!(compiled.run(&other, &Cx::at(NOW)).unwrap().rows, [[Value::Null]]);
    let wrong = World::default().with("Alerts", &[("N", Type::String)], &json!([["a"]]));
    assert!(matches!(compiled.run(&wrong, &Cx::at(NOW)), Err(KqlError::RowShape { .. })));
}

/// Words from which the fuzzer makes almost-queries.
const WORDS: &[&str] = &[
    "Name",
    "Count",
    "Extra",
    "At",
    "Alerts",
    "|",
    "where",
    "extend",
    "project",
    "project-away",
    "summarize",
    "by",
    "count()",
    "arg_max(",
    "top",
    "order",
    "asc",
    "nulls",
    "first",
    "take",
    "distinct",
    "let",
    "=",
    ";",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ".",
    "..",
    "==",
    "=~",
    "!in~",
    "in",
    "has",
    "has_any",
    "between",
    "matches",
    "regex",
    "and",
    "or",
    "not(",
    "-",
    "+",
    "*",
    "/",
    "%",
    "1",
    "9223372036854775807",
    "-9223372036854775808",
    "1.5",
    "1d",
    "'x'",
    "\"",
    "@'",
    "```",
    "//",
    "\n",
    "dynamic(",
    "datetime(",
    "datetime(2026-03-01)",
    "datetime(9999-12-31)",
    "int(null)",
    "true",
    "null",
    "bin(",
    "ago(",
    "iff(",
    "case(",
    "substring(",
    "indexof(",
    "split(",
    "trim(",
    "extract(",
    "parse_json(",
    "tostring(",
    "print",
    "range",
    "from",
    "to",
    "step",
    "datatable",
    ":",
    "long",
    "startofday(",
    "datetime_diff('week',",
    "strcat(",
    "é",
    "\u{0}",
    "😀",
];

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    #[test]
    fn any_literal_text_comes_back(text in any::<String>()) {
        let quoted = literal::string(&text);
        prop_assert!(quoted.is_ascii());
        let compiled = compile_expression(&quoted, &Source::new("q", quoted.as_str()).whole(), &Schema::default(), Type::String);
        prop_assert_eq!(compiled.unwrap().eval(&[], &Cx::at(0)).unwrap(), Value::from(text));
    }

    #[test]
    fn any_moment_comes_back(ticks in super::time::MIN_DATETIME..=super::time::MAX_DATETIME) {
        let text = literal::datetime(ticks);
        let compiled = compile_expression(&text, &Source::new("q", text.as_str()).whole(), &Schema::default(), Type::DateTime);
        prop_assert_eq!(compiled.unwrap().eval(&[], &Cx::at(0)).unwrap(), Value::DateTime(ticks));
    }

    #[test]
    fn any_bytes_are_compiled_or_refused(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        let _ = compile(&text);
        let _ = compile_query(&Source::new("q", text), &alerts());
    }

    #[test]
    fn words_in_any_order_never_panic(picks in proptest::collection::vec(0..WORDS.len(), 0..30), glue in any::<bool>()) {
        let words: Vec<&str> = picks.into_iter().map(|at| WORDS[at]).collect();
        let text = words.join(if glue { "" } else { " " });
        let limits = Limits { rows: 1_000, steps: 100_000, bytes: 1 << 20, ..Limits::default() };
        let cx = Cx { now: NOW, limits };
        if let Ok(rule) = compile(&text) {
            let _ = rule.is_true(&row(), &cx);
        }
        match compile_query(&Source::new("q", text), &alerts()) {
            Ok(compiled) => drop(compiled.run(&alerts(), &cx)),
            Err(found) => {
                prop_assert!(!found.is_empty());
                for finding in found {
                    prop_assert!(finding.render(false).starts_with("q:"));
                }
            }
        }
    }

    #[test]
    fn functions_take_any_values_without_panic(
        number in any::<i64>(),
        real in any::<f64>(),
        ticks in any::<i64>(),
        text in ".{0,20}",
        pick in 0..40_usize,
    ) {
        let schema = Schema::new([("l", Type::Long), ("r", Type::Real), ("d", Type::DateTime), ("t", Type::Timespan),
            ("s", Type::String), ("y", Type::Dynamic)]);
        let shapes = [
            "d + t", "d - d", "d - t", "t * r", "t / t", "t / r", "t % t", "l / l", "l % l", "l * l", "-l", "-t", "bin(d, t)",
            "bin(t, t)", "bin(l, l)", "bin(r, r)", "startofday(d, l)", "endofday(d)", "dayofweek(d)", "hourofday(d)",
            "datetime_diff('nanosecond', d, d)", "ago(t)", "now(t)", "substring(s, l, l)", "indexof(s, s, l, l, l)",
            "array_index_of(y, s, l, l, l)", "split(s, s, l)", "trim('a|b', s)", "toint(r)", "tolong(r)", "tostring(d)",
            "tostring(t)", "tostring(r)", "y[l]", "y[s]", "todatetime(s)", "totimespan(s)", "parse_json(s)", "tolong(d)",
            "l between (l .. r)",
        ];
        let shape = shapes[pick];
        let compiled = super::compile::scalar(shape, &Source::new("q", shape).whole(), &schema, None).unwrap();
        let array = Dynamic::Array([Dynamic::DateTime(ticks), Dynamic::Real(real)].into_iter().collect());
        let row = [Value::Long(number), Value::Real(real), Value::DateTime(ticks), Value::Timespan(ticks), Value::from(text),
            Value::dynamic(array)];
        let _ = compiled.eval(&row, &Cx::at(number)).map(|value| value.to_json());
    }
}
