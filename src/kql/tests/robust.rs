//! Whatever is written, and whatever the rows hold: findings, an error or rows, and never a panic.
//!
//! `PROPTEST_CASES` says how often each is tried; `fuzz/` goes on for as long as one likes.

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
    "arg_max(",
    "order",
    "asc",
    "nulls",
    "first",
    "distinct",
    "matches",
    "regex",
    "1.5",
    "'x'",
    "\"",
    "@'",
    "```",
    "//",
    "\n",
    "dynamic(",
    "datetime(",
    "datetime(9999-12-31)",
    "bin(",
    "ago(",
    "substring(",
    "indexof(",
    "split(",
    "trim(",
    "extract(",
    "parse_json(",
    "tostring(",
    "long",
    "startofday(",
    "datetime_diff('week',",
    "strcat(",
    "é",
    "\u{0}",
    "😀",
];

pub(super) fn world() -> World {
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

/// Compiles, and runs what compiles, with little to use. What does not has findings that can be shown.
fn tried(text: &str) {
    let world = world();
    match compile_query(&Source::new("q", text), &world) {
        Ok(query) => {
            let limits = Limits { rows: 2_000, steps: 100_000, bytes: 1 << 20, regex: 1_000 };
            drop(query.run(&world, &Cx { now: NOW, limits }));
        }
        Err(found) => {
            assert!(!found.is_empty());
            assert!(found.iter().all(|finding| finding.render(false).starts_with("q:")), "{found:?}");
        }
    }
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
    fn any_words_of_the_language_run_or_say_why_not(
        words in prop::collection::vec(prop::sample::select(WORDS), 0..40), glue in any::<bool>(),
    ) {
        tried(&words.join(if glue { "" } else { " " }));
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
        let compiled = super::super::compile::scalar(shape, &Source::new("q", shape).whole(), &schema, None).unwrap();
        let array = Dynamic::Array([Dynamic::DateTime(ticks), Dynamic::Real(real)].into_iter().collect());
        let row = [Value::Long(number), Value::Real(real), Value::DateTime(ticks), Value::Timespan(ticks), Value::from(text),
            Value::dynamic(array)];
        let _ = compiled.eval(&row, &Cx::at(number)).map(|value| value.to_json());
    }
}
