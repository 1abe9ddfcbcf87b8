//! A list that is hashed says what a search through it says, whatever the types of its values.

use proptest::prelude::*;

use super::*;
use crate::kql::eval::budget::Budget;
use crate::kql::eval::lookup::{Asks, Lookup};
use crate::kql::eval::{Env, Frame};
use crate::kql::functions::{Evaluate, function, operator, special};

/// Texts that are alike but for case, or say numbers and other values.
const TEXTS: [&str; 22] = [
    "",
    "a",
    "A",
    "b c",
    "B",
    "a-b",
    "-",
    " ",
    "1",
    "1.0",
    "0",
    "true",
    "TRUE",
    "[1]",
    "[\"a\"]",
    "Ω",
    "ω",
    "aΩ",
    "a.b c",
    "c",
    "00:00:01",
    "2026-03-01T00:00:00.0000000Z",
];

/// Numbers that reals tell apart, and some that they do not.
const NUMBERS: [i64; 9] = [0, 1, -1, 2, 5, i64::MAX, i64::MAX - 1, (1 << 53) + 1, 1 << 53];

fn scalars() -> impl Strategy<Value = Dynamic> {
    prop_oneof![
        1 => Just(Dynamic::Null),
        1 => any::<bool>().prop_map(Dynamic::Bool),
        3 => prop::sample::select(NUMBERS.to_vec()).prop_map(Dynamic::Long),
        3 => prop::sample::select(vec![0.0, -0.0, 1.0, 1.5, 5.7, f64::NAN, f64::INFINITY, 9_007_199_254_740_992.0, 1e300])
            .prop_map(Dynamic::Real),
        1 => prop::sample::select(vec![0, 10_000_000, 20_513 * DAY]).prop_map(Dynamic::DateTime),
        1 => prop::sample::select(vec![0, 1, 10_000_000]).prop_map(Dynamic::Timespan),
        1 => prop::sample::select(vec![0, 1]).prop_map(|id| Dynamic::Guid(uuid::Uuid::from_u128(id))),
        5 => prop::sample::select(TEXTS.to_vec()).prop_map(|text| Dynamic::Str(text.into())),
    ]
}

fn arrays() -> impl Strategy<Value = Dynamic> {
    prop::collection::vec(scalars(), 0..4).prop_map(|items| Dynamic::Array(items.into()))
}

/// A value as a column, a property or a literal may have it.
fn values() -> impl Strategy<Value = Value> {
    let plain = scalars().prop_map(|value| crate::kql::eval::convert::scalar(&value).into_owned());
    let int = prop::sample::select(vec![0, 1, 5]).prop_map(Val::Int);
    prop_oneof![6 => plain, 1 => int, 3 => scalars().prop_map(Val::dynamic), 1 => arrays().prop_map(Val::dynamic)]
}

fn items() -> impl Strategy<Value = Value> {
    let nested = prop::collection::vec(prop_oneof![4 => scalars(), 1 => arrays()], 0..12);
    prop_oneof![8 => values(), 1 => nested.prop_map(|items| Val::dynamic(Dynamic::Array(items.into())))]
}

fn texts() -> impl Strategy<Value = Value> {
    let any = prop::collection::vec(prop::sample::select(TEXTS.to_vec()), 0..6);
    any.prop_map(|parts| Val::from(parts.join(" ")))
}

/// What the function says of its arguments, without any list that is hashed.
fn searched(name: &str, args: &[Value]) -> Value {
    let cx = Cx::at(NOW);
    let budget = Budget::new(cx.limits);
    let function = operator(name).or_else(|| function(name)).unwrap();
    if let Evaluate::Values(eval) = function.eval {
        return eval(&Frame { env: &Env::bare(&cx, &budget), regex: None }, args).unwrap().into_owned();
    }
    special(function.eval, args).into_owned()
}

fn looked_up(name: &str, value: &Value, list: &[Value]) -> bool {
    let (asks, _) = Asks::of(name).unwrap();
    Lookup::of(asks, list).holds(asks, value, &Budget::new(Limits::default())).unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4_000))]

    #[test]
    fn a_hashed_list_says_what_a_search_says(value in values(), list in prop::collection::vec(items(), 0..12)) {
        let args: Vec<Value> = std::iter::once(value.clone()).chain(list.iter().cloned()).collect();
        for name in ["in", "in~"] {
            prop_assert_eq!(Val::Bool(looked_up(name, &value, &list)), searched(name, &args), "{}", name);
        }
        for array in &list {
            if array.as_dynamic().and_then(Dynamic::items).is_some() && !value.is_null() {
                let found = looked_up("set_has_element", &value, std::slice::from_ref(array));
                prop_assert_eq!(Val::Bool(found), searched("set_has_element", &[array.clone(), value.clone()]));
            }
        }
    }

    #[test]
    fn hashed_words_are_found_where_a_search_finds_them(
        text in prop_oneof![4 => texts(), 1 => values()],
        list in prop::collection::vec(items(), 0..8),
    ) {
        let args: Vec<Value> = std::iter::once(text.clone()).chain(list.iter().cloned()).collect();
        for name in ["has_any", "has_all"] {
            prop_assert_eq!(Val::Bool(looked_up(name, &text, &list)), searched(name, &args), "{}", name);
        }
    }
}

#[test]
fn a_long_list_and_a_short_one_agree_on_columns_of_any_type() {
    // The second list is long enough to be hashed by what no value is equal to.
    let padding = "'p1', 'p2', 'p3', 'p4', 'p5', 'p6', 'p7', 'p8', 'p9'";
    for (value, item) in [
        ("dynamic(1)", "'1'"),
        ("dynamic('A')", "'a'"),
        ("'a'", "'A'"),
        ("''", "''"),
        ("tostring(N)", "'5'"),
        ("dynamic(null)", "''"),
        ("dynamic({'x':'q'}).x", "'Q'"),
    ] {
        for operator in ["in", "!in", "in~", "!in~", "has_any", "has_all"] {
            let all = if operator == "has_all" { item.to_owned() } else { format!("{item}, {padding}") };
            let ask = |list: &str| cells(&format!("Alerts | extend V = {value} | project V {operator} ({list})"));
            assert_eq!(ask(item), ask(&all), "{value} {operator} {item}");
        }
    }
}

#[test]
fn a_list_of_a_run_that_is_none_has_no_elements() {
    let ask = |list: &str, test: &str| cells(&format!("let l = toscalar(print {list}); print {test}"));
    assert_eq!(ask("dynamic(null)", "set_has_element(l, 1)"), json!([[null]]));
    assert_eq!(ask("dynamic([1, 2])", "set_has_element(l, 2)"), json!([[true]]));
    assert_eq!(ask("dynamic([1, 2])", "set_has_element(l, int(null))"), json!([[null]]));
    assert_eq!(ask("7", "7 in (l, 8)"), json!([[true]]));
    assert_eq!(ask("dynamic([])", "'x' has_all (l)"), json!([[true]]));
    assert_eq!(ask("dynamic(['b', 'A'])", "'a b' has_all (l)"), json!([[true]]));
    assert_eq!(ask("dynamic(['b', 'c'])", "'a b' has_all (l)"), json!([[false]]));
}
