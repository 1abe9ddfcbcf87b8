//! Conditions on one row, and what an expression says of itself.

use proptest::prelude::*;

use super::*;

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

proptest! {
    #[test]
    fn any_literal_text_comes_back(text in any::<String>()) {
        let quoted = literal::string(&text);
        prop_assert!(quoted.is_ascii());
        let compiled = compile_expression(&quoted, &Source::new("q", quoted.as_str()).whole(), &Schema::default(), Type::String);
        prop_assert_eq!(compiled.unwrap().eval(&[], &Cx::at(0)).unwrap(), Value::from(text));
    }

    #[test]
    fn any_moment_comes_back(ticks in crate::kql::time::MIN_DATETIME..=crate::kql::time::MAX_DATETIME) {
        let text = literal::datetime(ticks);
        let compiled = compile_expression(&text, &Source::new("q", text.as_str()).whole(), &Schema::default(), Type::DateTime);
        prop_assert_eq!(compiled.unwrap().eval(&[], &Cx::at(0)).unwrap(), Value::DateTime(ticks));
    }
}

#[test]
fn a_condition_that_reads_a_list_is_refused_by_the_name_of_that_list_where_it_stands() {
    for (list, what) in [
        ("_GetWatchlist('vip') | project SearchKey", "_GetWatchlist"),
        ("_GetWatchlist('vip')", "_GetWatchlist"),
        ("externaldata(a: string)['https://example.com/x.csv']", "externaldata"),
    ] {
        let text = format!("Count > 1 and Name in (({list}))");
        let found = compile(&text).expect_err(&text);
        assert_eq!(found.len(), 1, "{text}: {found:?}");
        let place = found[0].place().unwrap();
        assert!(place.source.slice(place.span).trim_matches(['(', ')']).starts_with(what), "{text}: {found:?}");
        assert!(found[0].message().contains(what), "{text}: {found:?}");
    }
    let found = compile("Count > toscalar(print 1 | count)").unwrap_err();
    assert_eq!(found.len(), 1, "{found:?}");
    let place = found[0].place().unwrap();
    assert!(place.source.slice(place.span).starts_with("print 1"), "{found:?}");
}
