//! Every operator on texts: with upper and lower case alike and not, and negated.

use serde_json::json;

use super::super::*;
use super::cells;
use crate::diagnostics::Source;

/// Whether `'text' operator operand` holds, by the value of a query.
fn is(text: &str, operator: &str, operand: &str) -> bool {
    let query = format!("datatable(t: string) ['{text}'] | project x = t {operator} {operand}");
    let answer = cells(&query);
    assert!(answer == json!([[true]]) || answer == json!([[false]]), "{query}: {answer}");
    answer == json!([[true]])
}

#[test]
fn every_text_operator_holds_fails_and_is_negated() {
    // Operator, its negation, text, what it holds for, what it does not hold for.
    for (operator, negated, text, yes, no) in [
        ("==", "!=", "Aa", "'Aa'", "'aa'"),
        ("=~", "!~", "Aa", "'aA'", "'a'"),
        ("has", "!has", "North America", "'AMERICA'", "'Ameri'"),
        ("has_cs", "!has_cs", "North America", "'America'", "'america'"),
        ("hasprefix", "!hasprefix", "North America", "'ame'", "'eri'"),
        ("hasprefix_cs", "!hasprefix_cs", "North America", "'Ame'", "'ame'"),
        ("hassuffix", "!hassuffix", "North America", "'RTH'", "'ort'"),
        ("hassuffix_cs", "!hassuffix_cs", "North America", "'rth'", "'RTH'"),
        ("contains", "!contains", "FabriKam", "'BRIK'", "'x'"),
        ("contains_cs", "!contains_cs", "FabriKam", "'briK'", "'brik'"),
        ("startswith", "!startswith", "Fabrikam", "'FAB'", "'abr'"),
        ("startswith_cs", "!startswith_cs", "Fabrikam", "'Fab'", "'fab'"),
        ("endswith", "!endswith", "Fabrikam", "'KAM'", "'ka'"),
        ("endswith_cs", "!endswith_cs", "Fabrikam", "'kam'", "'KAM'"),
        ("in", "!in", "Aa", "('x', 'Aa')", "('x', 'aa')"),
        ("in~", "!in~", "Aa", "('x', 'AA')", "('x', 'a')"),
        ("in", "!in", "Aa", "(dynamic(['Aa']))", "(dynamic([]))"),
    ] {
        assert!(is(text, operator, yes) && !is(text, operator, no), "{operator}");
        assert!(!is(text, negated, yes) && is(text, negated, no), "{negated}");
    }
    for (operator, text, yes, no) in [
        ("has_any", "North America", "('south', 'NORTH')", "('Nor', 'eric')"),
        ("has_all", "North America", "('america', 'north')", "('north', 'south')"),
        ("matches regex", "Fabrikam", "'b.*k'", "'B.*k'"),
    ] {
        assert!(is(text, operator, yes) && !is(text, operator, no), "{operator}");
    }
}

#[test]
fn a_term_is_a_run_of_letters_and_digits() {
    for (text, word, yes) in [
        ("a-b.c", "b", true),
        ("a_b", "a", true),
        ("ab1", "ab", false),
        ("\u{e4}b", "b", false),
        ("C:\\\\Windows\\\\x.exe", "windows", true),
        ("user@contoso.com", "contoso.com", true),
        ("user@contoso.com", "ser@contoso", false),
        ("anything", "", true),
    ] {
        assert_eq!(is(text, "has", &format!("'{word}'")), yes, "{text} has {word}");
    }
}

#[test]
fn a_literal_beside_a_column_is_read_as_what_the_column_is() {
    let rows = "datatable(s: string, n: long) ['0', 0, '50126', 4624, 'x', 7]";
    for (condition, count) in [
        ("s == 0", 1),
        ("s != 0", 2),
        ("0 == s", 1),
        ("n == '4624'", 1),
        ("s in (0, 50126)", 2),
        ("s !in (0, 50126)", 1),
        ("n in ('4624', '7')", 2),
    ] {
        assert_eq!(cells(&format!("{rows} | where {condition} | count")), json!([[count]]), "{condition}");
    }
}

#[test]
fn large_xml_is_read_in_proportion_to_its_length_and_paid_for() {
    let text =
        "print x = parse_xml(strcat('<a>', strrep(strrep('<b/>', 200), 100), '</a>')) | project array_length(x.a.b)";
    assert_eq!(cells(text), json!([[20_000]]));
    let world = super::alerts();
    let query = compile_query(&Source::new("q", text), &world).unwrap();
    let limits = Limits { steps: 10_000, ..Limits::default() };
    let stopped = query.run(&world, &Cx { now: 0, limits }).unwrap_err();
    assert_eq!(stopped, KqlError::Limit { what: "steps", limit: 10_000 });
}
