//! Whatever is written, and whatever the rows hold: findings, an error or rows, and never a panic.

use proptest::prelude::*;
use serde_json::json;

use super::super::*;
use super::{NOW, World};
use crate::diagnostics::Source;

/// Words from which texts are made that get past the lexer, and often past the parser.
const WORDS: &[&str] = &[
    "T",
    "U",
    "s",
    "n",
    "y",
    "d",
    "|",
    "|",
    "|",
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ";",
    ".",
    "..",
    "=",
    "==",
    "!=",
    "=~",
    "<",
    ">=",
    "+",
    "-",
    "*",
    "/",
    "%",
    ":",
    "'a'",
    "\"b\"",
    "@'c'",
    "1",
    "2.5",
    "1d",
    "-1",
    "int(null)",
    "dynamic([1,{'a':2}])",
    "datetime(2026-03-01)",
    "time(1.02:03:04)",
    "guid(12345678-1234-1234-1234-123456789abc)",
    "true",
    "null",
    "where",
    "extend",
    "project",
    "project-away",
    "project-reorder",
    "summarize",
    "by",
    "join",
    "kind=inner",
    "kind=fullouter",
    "on",
    "$left.s",
    "$right.s",
    "union",
    "lookup",
    "mv-expand",
    "mv-apply",
    "parse",
    "with",
    "parse-kv",
    "as",
    "order by",
    "top",
    "take",
    "count",
    "count()",
    "sum(n)",
    "arg_max(d, *)",
    "make_set(s)",
    "percentiles(n, 5, 95)",
    "make-series",
    "default=0",
    "from",
    "to",
    "step",
    "range",
    "print",
    "let",
    "datatable",
    "evaluate",
    "pivot(s, count())",
    "bag_unpack(y)",
    "invoke",
    "partition",
    "top-nested",
    "search",
    "getschema",
    "serialize",
    "row_number()",
    "prev(n)",
    "toscalar",
    "materialize",
    "has",
    "!has",
    "has_any",
    "contains_cs",
    "in",
    "!in~",
    "between",
    "matches regex",
    "and",
    "or",
    "not(",
    "strcat(s, n)",
    "split(s, ',')",
    "parse_json(s)",
    "extract('(a+)+', 1, s)",
    "replace_regex(s, '.', '$0')",
    "bin(d, 1h)",
    "ago(1d)",
    "tostring(y)",
    "range(1, 10)",
    "repeat(s, 3)",
    "strrep(s, 9)",
    "pack_all()",
    "series_fit_line(y)",
    "series_stats(y)",
    "parse_xml(s)",
    "iff(",
    "case(",
    "substring(s, -1, 99)",
    "datetime_add('year', 9999, d)",
    "toint(s)",
    "9223372036854775807",
    "-9223372036854775808",
    "1e308",
    "format_datetime(d, 'yyyy')",
    "ipv4_is_match(s, '1.2.3.4/33')",
];

fn world() -> World {
    let columns = [("s", Type::String), ("n", Type::Long), ("d", Type::DateTime), ("y", Type::Dynamic)];
    let rows = json!([
        ["a,b", 1, "2026-03-01T00:00:00Z", {"a": [1, null, "x"], "": {}}],
        ["", null, null, null],
        ["\u{1F600}\u{0}", i64::MIN, "9999-12-31T23:59:59Z", [9.9e307, -1, [], "z"]],
        ["<a>1</a>", i64::MAX, "0001-01-01T00:00:00Z", "text"],
    ]);
    World::default().with("T", &columns, &rows).with(
        "U",
        &[("s", Type::String), ("n", Type::Int)],
        &json!([["a,b", 7], ["", null]]),
    )
}

/// Compiles, and runs what compiles, with little to use.
fn tried(text: &str) {
    let world = world();
    let Ok(query) = compile_query(&Source::new("q", text), &world) else { return };
    let limits = Limits { rows: 2_000, steps: 100_000, bytes: 1 << 20, regex: 1_000 };
    drop(query.run(&world, &Cx { now: NOW, limits }));
}

proptest! {
    #[test]
    fn any_text_is_a_query_or_has_findings(text in any::<String>()) {
        tried(&text);
    }

    #[test]
    fn any_bytes_read_as_text_are_a_query_or_have_findings(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
        tried(&String::from_utf8_lossy(&bytes));
    }

    #[test]
    fn any_words_of_the_language_run_or_say_why_not(words in prop::collection::vec(prop::sample::select(WORDS), 0..40)) {
        tried(&words.join(" "));
    }

    #[test]
    fn any_words_behind_a_table_run_or_say_why_not(words in prop::collection::vec(prop::sample::select(WORDS), 1..16)) {
        tried(&format!("T | {}", words.join(" ")));
        tried(&format!("T | extend x = {}", words.join(" ")));
        tried(&format!("T | summarize {}", words.join(" ")));
    }

    #[test]
    fn a_query_with_a_piece_torn_out_runs_or_says_why_not(from in 0..400_usize, length in 0..60_usize, at in 0..3_usize) {
        let whole = [
            include_str!("../../../kql/sign-in-after-password-spray.kql"),
            include_str!("../../../kql/approval-after-prompt-bombing.kql"),
            include_str!("../../../tests/kusto/queries.kql"),
        ][at];
        let kept = whole.char_indices().filter(|(at, _)| !(from..from + length).contains(at)).map(|(_, c)| c);
        tried(&kept.take(2_000).collect::<String>());
    }

    #[test]
    fn any_condition_on_any_row_has_an_answer_or_an_error(
        words in prop::collection::vec(prop::sample::select(WORDS), 1..12), s in any::<String>(), n in any::<i64>(), d in any::<i64>(),
    ) {
        let schema = Schema::new([("s", Type::String), ("n", Type::Long), ("d", Type::DateTime), ("y", Type::Dynamic)]);
        let text = words.join(" ");
        if let Ok(rule) = compile_expression(&text, &Source::new("q", text.as_str()).whole(), &schema, Type::Bool) {
            let limits = Limits { rows: 2_000, steps: 100_000, bytes: 1 << 20, regex: 1_000 };
            let y = Value::from_json(&json!({"a": s, "b": [n]}), Type::Dynamic).unwrap();
            drop(rule.is_true(&[Value::from(s.clone()), Value::Long(n), Value::datetime(d), y], &Cx { now: NOW, limits }));
        }
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
