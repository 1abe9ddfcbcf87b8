//! Comparison, logic and text operators. A negated form (`!has`, `!in`, `!=`) is the negation of the entry.

use std::borrow::Cow;
use std::cmp::Ordering;

use super::{Arg, Function, Gives, Lazy, Test};
use crate::kql::dynamic::Dynamic;
use crate::kql::error::KqlError;
use crate::kql::eval::Frame;
use crate::kql::eval::budget::Budget;
use crate::kql::eval::compare::{equals, order};
use crate::kql::eval::convert::{scalar, text_of};
use crate::kql::value::{Type, Val};

const BOOL: Gives = Gives::Is(Type::Bool);
const TEXTS: &[Arg] = &[Arg::Is(Type::String), Arg::Is(Type::String)];
const TERM: &[Arg] = &[Arg::Is(Type::String), Arg::Term];
const TWO: &[Arg] = &[Arg::Any, Arg::Any];

pub(super) const OPERATORS: &[Function] = &[
    Function::lazy("and", &[Arg::Is(Type::Bool)], BOOL, Lazy::And).rest(&[Arg::Is(Type::Bool)]).doc(
        "True when all are; false when one is, whatever the others.",
        &[("true and false", "false"), ("bool(null) and false", "false"), ("bool(null) and true", "bool(null)")],
    ),
    Function::lazy("or", &[Arg::Is(Type::Bool)], BOOL, Lazy::Or).rest(&[Arg::Is(Type::Bool)]).doc(
        "True when one is, whatever the others.",
        &[("bool(null) or true", "true"), ("bool(null) or false", "bool(null)")],
    ),
    Function::test("==", TWO, Gives::By(comparable), equals).sees_null().doc(
        "Equal. Null equals nothing; two nulls are unknown.",
        &[
            ("'a' == 'A'", "false"),
            ("1 == 1.0", "true"),
            ("int(null) == 5", "false"),
            ("int(null) != 5", "true"),
            ("isnull(int(null) == int(null))", "true"),
            ("dynamic({'a': 'x'}).a == 'x'", "true"),
        ],
    ),
    Function::test("<", TWO, Gives::By(ordered), |a, b| Some(order(a, b)? == Ordering::Less))
        .doc("Less.", &[("1 < 1.5", "true"), ("isnull(int(null) < 1)", "true")]),
    Function::test("<=", TWO, Gives::By(ordered), |a, b| Some(order(a, b)? != Ordering::Greater))
        .doc("Less or equal.", &[("1 <= 1", "true")]),
    Function::test(">", TWO, Gives::By(ordered), |a, b| Some(order(a, b)? == Ordering::Greater))
        .doc("Greater.", &[("datetime(2026-03-02) > datetime(2026-03-01)", "true")]),
    Function::test(">=", TWO, Gives::By(ordered), |a, b| Some(order(a, b)? != Ordering::Less))
        .doc("Greater or equal.", &[("2h >= 120m", "true")]),
    Function::plain("between", &[Arg::Any, Arg::Any, Arg::Any], Gives::By(between_type), between).doc(
        "Inside a range, both ends included. A timespan as the upper end counts from the lower.",
        &[
            ("5 between (1 .. 5)", "true"),
            ("0 !between (1 .. 5)", "true"),
            ("datetime(2026-03-02) between (datetime(2026-03-01) .. 1d)", "true"),
        ],
    ),
    Function::any_of("in", TWO, Gives::By(list_type), equals).rest(&[Arg::Any]).sees_null().doc(
        "Equal to one of a list; a dynamic array stands for its elements.",
        &[
            ("'a' in ('b', 'a')", "true"),
            ("'A' in ('b', 'a')", "false"),
            ("2 in (dynamic([1, 2]))", "true"),
            ("'x' !in ('b', 'a')", "true"),
            ("'x' in (dynamic([]))", "false"),
        ],
    ),
    Function::any_of("in~", TWO, Gives::By(words_type), |a, b| Some(same_any_case(a, b)))
        .rest(&[Arg::Any])
        .sees_null()
        .doc("As in, upper and lower case alike.", &[("'A' in~ ('b', 'a')", "true"), ("'A' !in~ ('b', 'a')", "false")]),
    Function::plain("=~", TEXTS, BOOL, |args| texts(args, |a, b| fold(a) == fold(b)))
        .doc("Equal, upper and lower case alike.", &[("'aBc' =~ 'ABC'", "true"), ("'aBc' !~ 'abd'", "true")]),
    Function::new("has", TERM, BOOL, |frame, args| find(frame, args, Edge::BOTH, Case::Any)).doc(
        "Holds the word as a whole term, upper and lower case alike; a term is a run of letters and digits.",
        &[
            ("'North America' has 'america'", "true"),
            ("'North America' has 'amer'", "false"),
            ("'North America' !has 'amer'", "true"),
            ("'a-b.c' has 'b.c'", "true"),
        ],
    ),
    Function::new("has_cs", TERM, BOOL, |frame, args| find(frame, args, Edge::BOTH, Case::Exact))
        .doc("As has, upper and lower case differ.", &[("'North America' has_cs 'america'", "false")]),
    Function::new("hasprefix", TERM, BOOL, |frame, args| find(frame, args, Edge::FIRST, Case::Any)).doc(
        "Holds a term that begins with the word.",
        &[("'North America' hasprefix 'ame'", "true"), ("'North America' !hasprefix 'mer'", "true")],
    ),
    Function::new("hasprefix_cs", TERM, BOOL, |frame, args| find(frame, args, Edge::FIRST, Case::Exact))
        .doc("As hasprefix, upper and lower case differ.", &[("'North America' hasprefix_cs 'ame'", "false")]),
    Function::new("hassuffix", TERM, BOOL, |frame, args| find(frame, args, Edge::LAST, Case::Any))
        .doc("Holds a term that ends with the word.", &[("'North America' hassuffix 'ICA'", "true")]),
    Function::new("hassuffix_cs", TERM, BOOL, |frame, args| find(frame, args, Edge::LAST, Case::Exact))
        .doc("As hassuffix, upper and lower case differ.", &[("'North America' hassuffix_cs 'ICA'", "false")]),
    Function::plain("contains", TEXTS, BOOL, |args| texts(args, |a, b| fold(a).contains(&*fold(b)))).doc(
        "Holds the text, upper and lower case alike.",
        &[("'FabriKam' contains 'BRik'", "true"), ("'FabriKam' !contains 'xyz'", "true")],
    ),
    Function::plain("contains_cs", TEXTS, BOOL, |args| texts(args, |a, b| a.contains(b)))
        .doc("Holds the text.", &[("'FabriKam' contains_cs 'BRik'", "false")]),
    Function::plain("startswith", TEXTS, BOOL, |args| texts(args, |a, b| fold(a).starts_with(&*fold(b))))
        .doc("Begins with the text, upper and lower case alike.", &[("'Fabrikam' startswith 'fab'", "true")]),
    Function::plain("startswith_cs", TEXTS, BOOL, |args| texts(args, |a, b| a.starts_with(b)))
        .doc("Begins with the text.", &[("'Fabrikam' startswith_cs 'fab'", "false")]),
    Function::plain("endswith", TEXTS, BOOL, |args| texts(args, |a, b| fold(a).ends_with(&*fold(b))))
        .doc("Ends with the text, upper and lower case alike.", &[("'Fabrikam' endswith 'KAM'", "true")]),
    Function::plain("endswith_cs", TEXTS, BOOL, |args| texts(args, |a, b| a.ends_with(b)))
        .doc("Ends with the text.", &[("'Fabrikam' endswith_cs 'KAM'", "false")]),
    Function::new("has_any", TWO, Gives::By(words_type), |frame, args| has_words(frame, args, true))
        .rest(&[Arg::Any])
        .sees_null()
        .doc(
            "Has one of the words.",
            &[
                ("'North America' has_any ('south', 'north')", "true"),
                ("'North America' has_any (dynamic(['south', 'nor']))", "false"),
                ("dynamic({}).a has_any ('x')", "false"),
            ],
        ),
    Function::new("has_all", TWO, Gives::By(words_type), |frame, args| has_words(frame, args, false))
        .rest(&[Arg::Any])
        .sees_null()
        .doc("Has all of the words.", &[("'North America' has_all ('america', 'north')", "true")]),
    Function::new("matches regex", &[Arg::Is(Type::String), Arg::Regex], BOOL, |frame, args| match args {
        [text, pattern] => Ok(Val::Bool(frame.regex(pattern)?.is_match(text.as_str().unwrap_or_default()))),
        _ => Ok(Val::Null),
    })
    .doc("Holds a match of an RE2 regular expression.", &[("'Fabrikam' matches regex 'b.*k'", "true")]),
];

pub(super) fn two<'a>(args: &[Val<'_>], test: Test) -> Val<'a> {
    match args {
        [a, b] => test(a, b).map_or(Val::Null, Val::Bool),
        _ => Val::Null,
    }
}

fn texts<'a>(args: &[Val<'_>], test: impl Fn(&str, &str) -> bool) -> Val<'a> {
    match args {
        [Val::Str(a), Val::Str(b)] => Val::Bool(test(a, b)),
        _ => Val::Null,
    }
}

/// Two types that `==` takes; one side may be dynamic.
fn comparable(types: &[Type]) -> Option<Type> {
    let [a, b] = types else { return None };
    let meet = match (a, b) {
        (Type::Dynamic, Type::Dynamic) => false,
        (Type::Dynamic, _) | (_, Type::Dynamic) => true,
        (a, b) => super::common_type(*a, *b).is_some(),
    };
    meet.then_some(Type::Bool)
}

/// Two types that `<` takes; texts have no order, and a dynamic is compared as a number.
fn ordered(types: &[Type]) -> Option<Type> {
    let fits = |ty: &Type| match ty {
        Type::Int | Type::Long | Type::Real | Type::Dynamic => true,
        Type::DateTime | Type::Timespan => !types.contains(&Type::Dynamic),
        Type::Bool | Type::Guid | Type::String => false,
    };
    comparable(types).filter(|_| types.iter().all(fits))
}

fn between_type(types: &[Type]) -> Option<Type> {
    match types {
        [Type::DateTime, Type::DateTime, Type::Timespan] => Some(Type::Bool),
        [value, low, high] => ordered(&[*value, *low]).and(ordered(&[*value, *high])),
        _ => None,
    }
}

/// The first must be comparable with each of the others; a dynamic among them may be an array.
fn list_type(types: &[Type]) -> Option<Type> {
    let (first, others) = types.split_first()?;
    others.iter().all(|other| *other == Type::Dynamic || comparable(&[*first, *other]).is_some()).then_some(Type::Bool)
}

fn words_type(types: &[Type]) -> Option<Type> {
    let fits = types.iter().all(|ty| matches!(ty, Type::String | Type::Dynamic));
    fits.then_some(Type::Bool)
}

fn between<'a>(args: &[Val<'a>]) -> Val<'a> {
    let [value, low, high] = args else { return Val::Null };
    let high = match (low, high) {
        (Val::DateTime(low), Val::Timespan(length)) => Val::DateTime(low.saturating_add(*length)),
        _ => high.borrowed(),
    };
    let inside = order(value, low).zip(order(value, &high));
    inside.map_or(Val::Null, |(low, high)| Val::Bool(low != Ordering::Less && high != Ordering::Greater))
}

pub(super) fn is_in(args: &[Val<'_>], test: Test) -> bool {
    let same = |a: &Val<'_>, b: &Val<'_>| test(a, b) == Some(true);
    let Some((value, list)) = args.split_first() else { return false };
    list.iter().any(|item| match item.as_dynamic().and_then(Dynamic::items) {
        Some(items) => items.iter().any(|item| same(value, &scalar(item))),
        None => same(value, item),
    })
}

fn same(a: &Val<'_>, b: &Val<'_>) -> bool {
    equals(a, b) == Some(true)
}

pub(in crate::kql) fn same_any_case(a: &Val<'_>, b: &Val<'_>) -> bool {
    match (text_like(a), text_like(b)) {
        (Some(a), Some(b)) => fold(&a) == fold(&b),
        _ => same(a, b),
    }
}

fn text_like<'v>(value: &'v Val<'_>) -> Option<Cow<'v, str>> {
    match value {
        Val::Str(text) => Some(Cow::Borrowed(text)),
        Val::Dyn(inner) if matches!(**inner, Dynamic::Str(_)) => Some(text_of(value)),
        _ => None,
    }
}

/// ASCII letters in lower case. Of other letters the two cases differ: "String operators" says that operators which do not
/// tell them apart are for ASCII.
pub(in crate::kql) fn fold(text: &str) -> Cow<'_, str> {
    let any = text.bytes().any(|b| b.is_ascii_uppercase());
    if any { Cow::Owned(text.to_ascii_lowercase()) } else { Cow::Borrowed(text) }
}

#[derive(Clone, Copy)]
enum Case {
    Any,
    Exact,
}

/// Which ends of a match must be ends of a term.
#[derive(Clone, Copy)]
struct Edge {
    first: bool,
    last: bool,
}

impl Edge {
    const BOTH: Self = Self { first: true, last: true };
    const FIRST: Self = Self { first: true, last: false };
    const LAST: Self = Self { first: false, last: true };
}

fn find<'a>(frame: &Frame<'_>, args: &[Val<'a>], edge: Edge, case: Case) -> Result<Val<'a>, KqlError> {
    let [Val::Str(text), Val::Str(word)] = args else { return Ok(Val::Null) };
    let budget = frame.env.budget;
    Ok(Val::Bool(match case {
        Case::Exact => has_term(budget, text, word, edge)?,
        Case::Any => has_term(budget, &fold(text), &fold(word), edge)?,
    }))
}

/// Whether `word` stands in `text` at the ends of terms. An end of `word` that is neither letter nor digit needs none.
fn has_term(budget: &Budget, text: &str, word: &str, edge: Edge) -> Result<bool, KqlError> {
    let edge = Edge {
        first: edge.first && word.starts_with(char::is_alphanumeric),
        last: edge.last && word.ends_with(char::is_alphanumeric),
    };
    let mut from = 0;
    while let Some(found) = text.get(from..).and_then(|rest| rest.find(word)) {
        let start = from + found;
        let (before, after) =
            (text.get(..start).unwrap_or_default(), text.get(start + word.len()..).unwrap_or_default());
        let first = !edge.first || !before.ends_with(char::is_alphanumeric);
        let last = !edge.last || !after.starts_with(char::is_alphanumeric);
        if first && last {
            return Ok(true);
        }
        // Matches that overlap are paid for: hostile text could make many.
        budget.steps(1 + word.len() as u64 / 16)?;
        from = start + word.chars().next().map_or(1, char::len_utf8);
    }
    Ok(false)
}

/// Whether a word stands in a text as `has` means it, both in lower case.
pub(in crate::kql) fn has_whole(budget: &Budget, text: &str, word: &str) -> Result<bool, KqlError> {
    has_term(budget, text, word, Edge::BOTH)
}

fn has_words<'a>(frame: &Frame<'_>, args: &[Val<'a>], any: bool) -> Result<Val<'a>, KqlError> {
    let Some((text, words)) = args.split_first() else { return Ok(Val::Null) };
    let text = text_of(text);
    let text = fold(&text);
    // Each word is looked for in the whole text, which takes as long as a few nodes.
    let search = 3 + text.len() as u64 / 256;
    for word in words {
        let items = word.as_dynamic().and_then(Dynamic::items);
        let listed = items.map(|items| items.iter().map(scalar).collect::<Vec<_>>());
        for word in listed.as_deref().unwrap_or(std::slice::from_ref(word)) {
            frame.env.budget.steps(search)?;
            if has_whole(frame.env.budget, &text, &fold(&text_of(word)))? == any {
                return Ok(Val::Bool(any));
            }
        }
    }
    Ok(Val::Bool(!any))
}
