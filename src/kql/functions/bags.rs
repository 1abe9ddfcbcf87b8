//! Properties of bags by their keys: names, or paths to what lies deeper.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::args::{bag, items, text};
use super::{Arg, Function, Gives};
use crate::kql::dynamic::{Bag, Dynamic};
use crate::kql::error::KqlError;
use crate::kql::eval::budget::Budget;
use crate::kql::eval::convert::{scalar, text_of};
use crate::kql::limits::Limits;
use crate::kql::value::{Type, Val};

const BAG: Arg = Arg::Is(Type::Dynamic);
const DYNAMIC: Gives = Gives::Is(Type::Dynamic);

pub(super) const FUNCTIONS: &[Function] = &[
    Function::new("bag_has_key", &[BAG, Arg::Key], Gives::Is(Type::Bool), |frame, args| {
        let (Some(bag), Some(steps)) = (bag(args, 0), steps_of_key(text(args, 1))) else { return Ok(Val::Null) };
        has(bag, &steps, frame.env.budget).map(Val::Bool)
    })
    .doc(
        "Whether a bag has that property; the key is a name, or a path such as $.a.b.",
        &[
            ("bag_has_key(dynamic({'a': 1}), 'a')", "true"),
            ("bag_has_key(dynamic({'a': {'b': null}}), '$.a.b')", "true"),
            ("bag_has_key(dynamic({'a': {'b': 1}}), '$.b')", "false"),
            ("bag_has_key(dynamic({'a': {'b c': 1}}), '$.a[\"b c\"]')", "true"),
            ("bag_has_key(dynamic({'$a': 1}), '$[\\'$a\\']')", "true"),
        ],
    ),
    Function::new("bag_remove_keys", &[BAG, Arg::Keys], DYNAMIC, |frame, args| {
        let keys: Vec<String> =
            items(args, 1).unwrap_or_default().iter().map(|item| text_of(&scalar(item)).into_owned()).collect();
        let paths: Option<Vec<Vec<&str>>> = keys.iter().map(|key| steps_of_key(key)).collect();
        let (Some(bag), Some(paths)) = (bag(args, 0), paths) else { return Ok(Val::Null) };
        let paths: Vec<&[&str]> = paths.iter().map(Vec::as_slice).collect();
        without(bag, &paths, frame.env.budget).map(value)
    })
    .doc(
        "The bag without those properties; each key is a name, or a path such as $.a.b.",
        &[
            ("tostring(bag_remove_keys(dynamic({'a': 1, 'b': 2}), dynamic(['a'])))", r#"'{"b":2}'"#),
            (
                "tostring(bag_remove_keys(dynamic({'a': {'b': 1, 'c': 2}, 'd': 3}), dynamic(['$.a.b', 'd', '$.x.y'])))",
                r#"'{"a":{"c":2}}'"#,
            ),
        ],
    ),
    Function::new("bag_set_key", &[BAG, Arg::Key, Arg::Any], DYNAMIC, |frame, args| {
        let (Some(bag), Some(steps)) = (bag(args, 0), steps_of_key(text(args, 1))) else { return Ok(Val::Null) };
        let new = args.get(2).map_or(Dynamic::Null, Dynamic::from_val);
        // Paths in paths would be deeper than whoever goes through a value can go.
        let limit = Limits::DEPTH as u64;
        if new.is_deeper_than(Limits::DEPTH - steps.len()) {
            return Err(KqlError::Limit { what: "levels of a dynamic value", limit });
        }
        Ok(with(bag, &steps, new, frame.env.budget)?.map_or(Val::Null, value))
    })
    .constants(&[1])
    .doc(
        "The bag with that property; the key is a name, or a path such as $.a.b.",
        &[
            ("tostring(bag_set_key(dynamic({'a': 1}), 'b', 2))", r#"'{"a":1,"b":2}'"#),
            ("tostring(bag_set_key(dynamic({'a': {'b': 1}}), '$.a.b', 'x'))", r#"'{"a":{"b":"x"}}'"#),
            ("tostring(bag_set_key(dynamic({'a': 1}), '$.b.c', 2))", r#"'{"a":1,"b":{"c":2}}'"#),
            // What becomes of a property that is no bag is not documented.
            ("isnull(bag_set_key(dynamic({'a': 1}), '$.a.b', 2))", "true"),
        ],
    ),
];

/// Most steps of a path.
const STEPS: usize = 32;

/// The names that a key goes through, from the outermost bag inwards. `None` for what the reference of the JSONPath syntax
/// does not list, and for what these functions do not take: the root, and elements of arrays.
pub(in crate::kql) fn steps_of_key(key: &str) -> Option<Vec<&str>> {
    let Some(mut rest) = key.strip_prefix('$') else { return Some(vec![key]) };
    let mut steps = Vec::new();
    while !rest.is_empty() {
        let (name, after) = match rest.strip_prefix('.') {
            Some(rest) => plain_name(rest)?,
            None => quoted_name(rest)?,
        };
        steps.push(name);
        rest = after;
    }
    (1..=STEPS).contains(&steps.len()).then_some(steps)
}

fn plain_name(text: &str) -> Option<(&str, &str)> {
    let end = text.find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len());
    let (name, after) = text.split_at(end);
    name.starts_with(|c: char| c.is_ascii_alphabetic() || c == '_').then_some((name, after))
}

fn quoted_name(text: &str) -> Option<(&str, &str)> {
    let inside = text.strip_prefix('[')?;
    let quote = inside.chars().next().filter(|c| matches!(c, '\'' | '"'))?;
    let (name, after) = inside.get(1..)?.split_once(quote)?;
    // How a quote would be escaped is not documented.
    let plain = !name.is_empty() && !name.contains('\\');
    Some((name, after.strip_prefix(']')?)).filter(|_| plain)
}

fn has(bag: &Bag, steps: &[&str], budget: &Budget) -> Result<bool, KqlError> {
    let Some((first, deeper)) = steps.split_first() else { return Ok(false) };
    budget.steps(bag.len() as u64)?;
    match (bag.get(first), deeper) {
        (Some(_), []) => Ok(true),
        (Some(Dynamic::Bag(inner)), deeper) => has(inner, deeper, budget),
        _ => Ok(false),
    }
}

fn without(bag: &Bag, paths: &[&[&str]], budget: &Budget) -> Result<Bag, KqlError> {
    let mut by_name: BTreeMap<&str, Vec<&[&str]>> = BTreeMap::new();
    for (first, deeper) in paths.iter().filter_map(|path| path.split_first()) {
        by_name.entry(first).or_default().push(deeper);
    }
    copied(bag, budget)?;
    let mut kept = Vec::with_capacity(bag.len());
    for (name, value) in bag.iter() {
        let value = match (by_name.get(name), value) {
            (Some(deeper), _) if deeper.iter().any(|deeper| deeper.is_empty()) => continue,
            (Some(deeper), Dynamic::Bag(inner)) => Dynamic::Bag(Arc::new(without(inner, deeper, budget)?)),
            _ => value.clone(),
        };
        kept.push((Arc::from(name), value));
    }
    Ok(Bag::new(kept))
}

/// `None` where a step goes through something that is no bag.
fn with(bag: &Bag, steps: &[&str], new: Dynamic, budget: &Budget) -> Result<Option<Bag>, KqlError> {
    let Some((first, deeper)) = steps.split_first() else { return Ok(None) };
    copied(bag, budget)?;
    let value = match (deeper, bag.get(first)) {
        ([], _) => Some(new),
        (deeper, Some(Dynamic::Bag(inner))) => {
            with(inner, deeper, new, budget)?.map(|inner| Dynamic::Bag(Arc::new(inner)))
        }
        (_, Some(_)) => None,
        (deeper, None) => with(&Bag::default(), deeper, new, budget)?.map(|inner| Dynamic::Bag(Arc::new(inner))),
    };
    let old = bag.iter().map(|(name, value)| (Arc::from(name), value.clone()));
    Ok(value.map(|value| Bag::new(old.chain([(Arc::from(*first), value)]))))
}

/// A bag is made anew from another one.
fn copied(bag: &Bag, budget: &Budget) -> Result<(), KqlError> {
    budget.steps(bag.len() as u64)?;
    budget.bytes(bag.len() * size_of::<(Arc<str>, Dynamic)>())
}

fn value<'a>(bag: Bag) -> Val<'a> {
    Val::dynamic(Dynamic::Bag(Arc::new(bag)))
}
