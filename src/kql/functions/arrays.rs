//! Arrays, sets and bags, made and taken apart.

use std::collections::HashSet;
use std::sync::Arc;

use super::args::{array, as_f64, bag, bool_value, items, long, long_or};
use super::{Arg, Function, Gives, Naming};
use crate::kql::dynamic::{Bag, Dynamic};
use crate::kql::error::KqlError;
use crate::kql::eval::Frame;
use crate::kql::eval::compare::sort_order;
use crate::kql::eval::convert::{scalar, text_of};
use crate::kql::exec::key;
use crate::kql::time::as_real;
use crate::kql::value::{Type, Val};

const DYNAMIC: Gives = Gives::Is(Type::Dynamic);
const ARRAY: Arg = Arg::Is(Type::Dynamic);
const LONG: Arg = Arg::Is(Type::Long);
const ONE: &[Arg] = &[ARRAY];
const ARRAYS: &[Arg] = &[ARRAY, ARRAY];
const PAIR: &[Arg] = &[Arg::Is(Type::String), Arg::Any];
/// What has sums.
const STEPS: Arg = Arg::OneOf(&[Type::Int, Type::Long, Type::Real, Type::DateTime, Type::Timespan]);

pub(super) const FUNCTIONS: &[Function] = &[
    Function::plain("pack_array", &[Arg::Any], DYNAMIC, |args| array(args.iter().map(Dynamic::from_val)))
        .rest(&[Arg::Any])
        .sees_null()
        .doc("An array of its arguments.", &[("tostring(pack_array(1, 'a', int(null)))", r#"'[1,"a",null]'"#)]),
    Function::plain("array_concat", ONE, DYNAMIC, |args| {
        array((0..args.len()).flat_map(|at| items(args, at).unwrap_or_default().to_vec()))
    })
    .rest(&[ARRAY])
    .sees_null()
    .doc(
        "The elements of all arrays in one.",
        &[("tostring(array_concat(dynamic([1]), dynamic([2, 3])))", "'[1,2,3]'")],
    ),
    Function::plain("array_reverse", ONE, DYNAMIC, |args| {
        items(args, 0).map_or(Val::Null, |items| array(items.iter().rev().cloned()))
    })
    .doc("The elements from the last to the first.", &[("tostring(array_reverse(dynamic([1, 2])))", "'[2,1]'")]),
    Function::plain("array_slice", &[ARRAY, LONG, LONG], DYNAMIC, slice).doc(
        "The elements from one place to another, both included; negative places count from the end.",
        &[
            ("tostring(array_slice(dynamic([1, 2, 3, 4, 5]), 1, 2))", "'[2,3]'"),
            ("tostring(array_slice(dynamic([1, 2, 3, 4, 5]), -3, -2))", "'[3,4]'"),
        ],
    ),
    Function::plain("array_split", &[ARRAY, Arg::OneOf(&[Type::Int, Type::Long, Type::Dynamic])], DYNAMIC, split).doc(
        "Cut before those places.",
        &[
            ("tostring(array_split(dynamic([1, 2, 3, 4, 5]), 2))", "'[[1,2],[3,4,5]]'"),
            ("tostring(array_split(dynamic([1, 2, 3, 4, 5]), dynamic([1, 3])))", "'[[1],[2,3],[4,5]]'"),
        ],
    ),
    Function::plain("array_sum", ONE, Gives::Is(Type::Real), |args| {
        let numbers = items(args, 0).map(|items| items.iter().map(|item| as_f64(&scalar(item))).sum::<Option<f64>>());
        numbers.flatten().map_or(Val::Null, Val::Real)
    })
    .doc("The sum of the elements; null when one is no number.", &[("array_sum(dynamic([1, 2, 3]))", "6.0")]),
    Function::plain("array_rotate_left", &[ARRAY, LONG], DYNAMIC, |args| rotate(args, 1)).doc(
        "The elements moved around to the left.",
        &[("tostring(array_rotate_left(dynamic([1, 2, 3]), 1))", "'[2,3,1]'")],
    ),
    Function::plain("array_rotate_right", &[ARRAY, LONG], DYNAMIC, |args| rotate(args, -1)).doc(
        "The elements moved around to the right.",
        &[("tostring(array_rotate_right(dynamic([1, 2, 3]), 1))", "'[3,1,2]'")],
    ),
    Function::plain("array_shift_left", &[ARRAY, LONG], DYNAMIC, |args| shift(args, 1))
        .optional(&[Arg::Any])
        .sees_null()
        .doc(
            "The elements moved to the left, filled with null or a value.",
            &[
                ("tostring(array_shift_left(dynamic([1, 2, 3]), 1))", "'[2,3,null]'"),
                ("tostring(array_shift_left(dynamic([1, 2, 3]), -1, 0))", "'[0,1,2]'"),
            ],
        ),
    Function::plain("array_shift_right", &[ARRAY, LONG], DYNAMIC, |args| shift(args, -1))
        .optional(&[Arg::Any])
        .sees_null()
        .doc(
            "The elements moved to the right, filled with null or a value.",
            &[("tostring(array_shift_right(dynamic([1, 2, 3]), 1))", "'[null,1,2]'")],
        ),
    Function::plain("array_sort_asc", ONE, DYNAMIC, |args| sort(args, true))
        .optional(&[Arg::Is(Type::Bool)])
        .constants(&[1])
        .named(Naming::FirstAndWord("sorted"))
        .doc(
            "Sorted upwards, nulls last unless said otherwise.",
            &[("tostring(array_sort_asc(dynamic([3, 1, null, 2])))", "'[1,2,3,null]'")],
        ),
    Function::plain("array_sort_desc", ONE, DYNAMIC, |args| sort(args, false))
        .optional(&[Arg::Is(Type::Bool)])
        .constants(&[1])
        .named(Naming::FirstAndWord("sorted"))
        .doc(
            "Sorted downwards, nulls last unless said otherwise.",
            &[("tostring(array_sort_desc(dynamic([3, 1, 2])))", "'[3,2,1]'")],
        ),
    Function::plain("__array_sort_asc_beside", ARRAYS, DYNAMIC, |args| sort(args, true))
        .optional(&[Arg::Is(Type::Bool)])
        .constants(&[2])
        .doc(
            "In the order that another array of its length takes when it is sorted upwards.",
            &[(
                "tostring(__array_sort_asc_beside(dynamic(['a', 'b', 'c']), dynamic([3, 1, 2])))",
                "'[\"b\",\"c\",\"a\"]'",
            )],
        ),
    Function::plain("__array_sort_desc_beside", ARRAYS, DYNAMIC, |args| sort(args, false))
        .optional(&[Arg::Is(Type::Bool)])
        .constants(&[2])
        .doc(
            "In the order that another array of its length takes when it is sorted downwards.",
            &[("isnull(__array_sort_desc_beside(dynamic(['a', 'b']), dynamic([3, 1, 2])))", "true")],
        ),
    Function::plain("array_iff", &[ARRAY, Arg::Any, Arg::Any], DYNAMIC, choose).sees_null().doc(
        "Element by element, from the second where the first is true, else from the third.",
        &[
            ("tostring(array_iff(dynamic([true, false]), dynamic([1, 2]), dynamic([3, 4])))", "'[1,4]'"),
            ("tostring(array_iff(dynamic([true, false]), 1, 2))", "'[1,2]'"),
        ],
    ),
    Function::plain("array_iif", &[ARRAY, Arg::Any, Arg::Any], DYNAMIC, choose)
        .sees_null()
        .doc("As array_iff.", &[("tostring(array_iif(dynamic([false]), 1, 2))", "'[2]'")]),
    Function::new("range", &[STEPS, STEPS], DYNAMIC, range).optional(&[STEPS]).doc(
        "The values from one to another, both included, step by step.",
        &[
            ("tostring(range(4, 10, 2))", "'[4,6,8,10]'"),
            ("tostring(range(1, 3))", "'[1,2,3]'"),
            ("array_length(range(0h, 3h, 1h))", "4"),
        ],
    ),
    Function::new("repeat", &[Arg::Any, LONG], DYNAMIC, |frame, args| {
        let times = long_or(args, 1, 0).clamp(0, 1 << 32);
        let times = usize::try_from(times).unwrap_or(0);
        frame.env.budget.bytes(times.saturating_mul(size_of::<Dynamic>()))?;
        let item = args.first().map_or(Dynamic::Null, Dynamic::from_val);
        Ok(array(std::iter::repeat_n(item, times)))
    })
    .sees_null()
    .named_with_first()
    .doc("An array of one value so many times.", &[("tostring(repeat(1, 3))", "'[1,1,1]'")]),
    Function::plain("zip", ARRAYS, DYNAMIC, zip).rest(&[ARRAY]).sees_null().doc(
        "Arrays of what stands at the same place.",
        &[("tostring(zip(dynamic([1, 3]), dynamic([2, 4])))", "'[[1,2],[3,4]]'")],
    ),
    Function::plain("set_union", ARRAYS, DYNAMIC, |args| sets(args, |_, _| true)).rest(&[ARRAY]).doc(
        "The different elements of all arrays.",
        &[("tostring(set_union(dynamic([1, 2]), dynamic([2, 3])))", "'[1,2,3]'")],
    ),
    Function::plain("set_intersect", ARRAYS, DYNAMIC, |args| {
        sets_first(args, |others, key| others.iter().all(|set| set.contains(key)))
    })
    .rest(&[ARRAY])
    .doc(
        "The elements that all arrays have.",
        &[("tostring(set_intersect(dynamic([1, 2]), dynamic([2, 3])))", "'[2]'")],
    ),
    Function::plain("set_difference", ARRAYS, DYNAMIC, |args| {
        sets_first(args, |others, key| !others.iter().any(|set| set.contains(key)))
    })
    .rest(&[ARRAY])
    .doc(
        "The elements of the first array that no other has.",
        &[("tostring(set_difference(dynamic([1, 2]), dynamic([2, 3])))", "'[1]'")],
    ),
    Function::plain("set_equals", &[ARRAY, ARRAY], Gives::Is(Type::Bool), |args| {
        bool_value(items(args, 0).zip(items(args, 1)).map(|(a, b)| keys(a) == keys(b)))
    })
    .doc("Whether two arrays have the same elements.", &[("set_equals(dynamic([1, 2]), dynamic([2, 1]))", "true")]),
    Function::plain("jaccard_index", &[ARRAY, ARRAY], Gives::Is(Type::Real), |args| {
        match (items(args, 0), items(args, 1)) {
            (Some(a), Some(b)) => {
                let (a, b) = (keys(a), keys(b));
                let size = |n: usize| as_real(i64::try_from(n).unwrap_or(i64::MAX));
                Val::Real(size(a.intersection(&b).count()) / size(a.union(&b).count()))
            }
            _ => Val::Null,
        }
    })
    .doc(
        "How much two sets have in common, 0 to 1.",
        &[("jaccard_index(dynamic([1, 2]), dynamic([2, 3, 4]))", "0.25")],
    ),
    Function::plain("bag_pack", PAIR, DYNAMIC, |args| pack(args, false))
        .rest(PAIR)
        .sees_null()
        .doc("A bag of names and values in turn.", &[("tostring(bag_pack('a', 1, 'b', 'x'))", r#"'{"a":1,"b":"x"}'"#)]),
    Function::plain("pack", PAIR, DYNAMIC, |args| pack(args, false))
        .rest(PAIR)
        .sees_null()
        .doc("As bag_pack.", &[("tostring(pack('a', 1))", r#"'{"a":1}'"#)]),
    Function::plain("pack_dictionary", PAIR, DYNAMIC, |args| pack(args, false))
        .rest(PAIR)
        .sees_null()
        .doc("As bag_pack.", &[("tostring(pack_dictionary('a', 1))", r#"'{"a":1}'"#)]),
    Function::plain("__bag_pack_filled", &[], DYNAMIC, |args| pack(args, true)).rest(&[Arg::Any]).sees_null().doc(
        "As bag_pack, without what is null or empty; for pack_all(true).",
        &[("tostring(__bag_pack_filled('a', '', 'b', 1))", r#"'{"b":1}'"#)],
    ),
    Function::plain("bag_merge", ARRAYS, DYNAMIC, |args| {
        let mut names = HashSet::new();
        let pairs = (0..args.len()).filter_map(|at| bag(args, at)).flat_map(Bag::iter);
        let first = pairs.filter(|(name, _)| names.insert((*name).to_owned()));
        let pairs: Vec<_> = first.map(|(name, value)| (Arc::from(name), value.clone())).collect();
        Val::dynamic(Dynamic::Bag(Arc::new(Bag::new(pairs))))
    })
    .rest(&[ARRAY])
    .sees_null()
    .doc(
        "The properties of all bags; of one name, the first counts.",
        &[("tostring(bag_merge(dynamic({'a': 1}), dynamic({'a': 2, 'b': 3})))", r#"'{"a":1,"b":3}'"#)],
    ),
    Function::plain("bag_zip", &[ARRAY, ARRAY], DYNAMIC, |args| match (items(args, 0), items(args, 1)) {
        (Some(names), Some(values)) => {
            let texts = names.iter().map(|name| Arc::from(&*text_of(&scalar(name))));
            let values = values.iter().cloned().chain(std::iter::repeat(Dynamic::Null));
            Val::dynamic(Dynamic::Bag(Arc::new(Bag::new(texts.zip(values)))))
        }
        _ => Val::Null,
    })
    .doc(
        "A bag of names and values from two arrays.",
        &[("tostring(bag_zip(dynamic(['a', 'b']), dynamic([1, 2])))", r#"'{"a":1,"b":2}'"#)],
    ),
    Function::plain("dynamic_to_json", &[Arg::Any], Gives::Is(Type::String), |args| {
        args.first().map_or(Val::Null, |value| sorted(&Dynamic::from_val(value)).to_json().to_string().into())
    })
    .sees_null()
    .doc(
        "As JSON, properties in the order of their names.",
        &[("dynamic_to_json(dynamic({'b': 1, 'a': 'x'}))", r#"'{"a":"x","b":1}'"#)],
    ),
];

fn slice<'a>(args: &[Val<'a>]) -> Val<'a> {
    let (Some(items), Some(start), Some(end)) = (items(args, 0), long(args, 1), long(args, 2)) else {
        return Val::Null;
    };
    let length = i64::try_from(items.len()).unwrap_or(i64::MAX);
    let place = |at: i64| if at < 0 { at.saturating_add(length) } else { at };
    let from = usize::try_from(place(start).max(0)).unwrap_or(0);
    let to = usize::try_from(place(end).saturating_add(1).clamp(0, length)).unwrap_or(0);
    array(items.get(from..to).unwrap_or_default().iter().cloned())
}

fn split<'a>(args: &[Val<'a>]) -> Val<'a> {
    let Some(all) = items(args, 0) else { return Val::Null };
    let length = i64::try_from(all.len()).unwrap_or(i64::MAX);
    let listed =
        items(args, 1).map(|items| items.iter().filter_map(|item| scalar(item).as_long()).collect::<Vec<i64>>());
    let Some(cuts) = listed.or_else(|| long(args, 1).map(|at| vec![at])) else { return Val::Null };
    let mut from = 0;
    let mut parts = Vec::new();
    for cut in cuts {
        let cut = if cut < 0 { cut.saturating_add(length).max(0) } else { cut.min(length) };
        let to = usize::try_from(cut).unwrap_or(0).max(from);
        parts.push(Dynamic::Array(all.get(from..to).unwrap_or_default().iter().cloned().collect()));
        from = to;
    }
    parts.push(Dynamic::Array(all.get(from..).unwrap_or_default().iter().cloned().collect()));
    array(parts)
}

fn rotate<'a>(args: &[Val<'a>], direction: i64) -> Val<'a> {
    let (Some(all), Some(by)) = (items(args, 0), long(args, 1)) else { return Val::Null };
    let mut all = all.to_vec();
    if let Ok(length) = i64::try_from(all.len())
        && length > 0
    {
        let by = by.rem_euclid(length) * direction;
        all.rotate_left(usize::try_from(by.rem_euclid(length)).unwrap_or(0));
    }
    array(all)
}

fn shift<'a>(args: &[Val<'a>], direction: i64) -> Val<'a> {
    let (Some(all), Some(by)) = (items(args, 0), long(args, 1)) else { return Val::Null };
    let fill = args.get(2).map_or(Dynamic::Null, Dynamic::from_val);
    let by = by.saturating_mul(direction);
    let places = (0..i64::try_from(all.len()).unwrap_or(0)).map(|at| {
        let from = at.checked_add(by).and_then(|from| usize::try_from(from).ok());
        from.and_then(|from| all.get(from)).cloned().unwrap_or_else(|| fill.clone())
    });
    array(places)
}

/// The first array in the order of the last, which may be the same. Arrays of different lengths have no common order.
fn sort<'a>(args: &[Val<'a>], ascending: bool) -> Val<'a> {
    let (arrays, nulls_last) = match args.split_last() {
        Some((Val::Bool(last), arrays)) => (arrays, *last),
        _ => (args, true),
    };
    let (Some(all), Some(by)) = (items(arrays, 0), items(arrays, arrays.len().saturating_sub(1))) else {
        return Val::Null;
    };
    if all.len() != by.len() {
        return Val::Null;
    }
    let mut pairs: Vec<(&Dynamic, &Dynamic)> = by.iter().zip(all).collect();
    pairs.sort_by(|(a, _), (b, _)| {
        let nulls = matches!(a, Dynamic::Null).cmp(&matches!(b, Dynamic::Null));
        let order = sort_order(&scalar(a), &scalar(b));
        let nulls = if nulls_last { nulls } else { nulls.reverse() };
        nulls.then(if ascending { order } else { order.reverse() })
    });
    array(pairs.into_iter().map(|(_, item)| item.clone()))
}

fn choose<'a>(args: &[Val<'a>]) -> Val<'a> {
    let (Some(conditions), Some(yes), Some(no)) = (items(args, 0), args.get(1), args.get(2)) else { return Val::Null };
    let pick = |value: &Val<'_>, at: usize| match value.as_dynamic().and_then(Dynamic::items) {
        Some(items) => items.get(at).cloned().unwrap_or(Dynamic::Null),
        None => Dynamic::from_val(value),
    };
    let truth = |condition: &Dynamic| match condition {
        Dynamic::Bool(value) => Some(*value),
        Dynamic::Long(value) => Some(*value != 0),
        Dynamic::Real(value) => Some(*value != 0.0),
        _ => None,
    };
    array(conditions.iter().enumerate().map(|(at, condition)| match truth(condition) {
        Some(true) => pick(yes, at),
        Some(false) => pick(no, at),
        None => Dynamic::Null,
    }))
}

/// Most elements of a range, as in Kusto.
const MOST: usize = 1_048_576;

fn range<'a>(frame: &Frame<'_>, args: &[Val<'a>]) -> Result<Val<'a>, KqlError> {
    let one = match args.first() {
        Some(Val::Timespan(_) | Val::DateTime(_)) => Val::Timespan(crate::kql::time::HOUR),
        _ => Val::Long(1),
    };
    let (Some(start), Some(end), step) = (args.first(), args.get(1), args.get(2).unwrap_or(&one)) else {
        return Ok(Val::Null);
    };
    let ticks = |value: &Val<'_>| match value {
        Val::DateTime(v) | Val::Timespan(v) => Some(*v),
        other => other.as_long(),
    };
    let mut made = Vec::new();
    if let (Some(first), Some(last), Some(by)) = (ticks(start), ticks(end), ticks(step)) {
        let mut at = first;
        while by != 0 && made.len() < MOST && if by > 0 { at <= last } else { at >= last } {
            frame.env.budget.bytes(size_of::<Dynamic>())?;
            made.push(match start {
                Val::DateTime(_) => Dynamic::DateTime(at),
                Val::Timespan(_) => Dynamic::Timespan(at),
                _ => Dynamic::Long(at),
            });
            let Some(next) = at.checked_add(by) else { break };
            at = next;
        }
    } else if let (Some(first), Some(last), Some(by)) = (as_f64(start), as_f64(end), as_f64(step)) {
        let mut at = first;
        while by != 0.0 && made.len() < MOST && if by > 0.0 { at <= last } else { at >= last } {
            frame.env.budget.bytes(size_of::<Dynamic>())?;
            made.push(Dynamic::Real(at));
            at += by;
        }
    }
    Ok(array(made))
}

fn zip<'a>(args: &[Val<'a>]) -> Val<'a> {
    let lists: Vec<&[Dynamic]> = (0..args.len()).map(|at| items(args, at).unwrap_or_default()).collect();
    let longest = lists.iter().map(|list| list.len()).max().unwrap_or(0);
    let at = |place: usize| lists.iter().map(|list| list.get(place).cloned().unwrap_or(Dynamic::Null)).collect();
    array((0..longest).map(|place| Dynamic::Array(at(place))))
}

fn key_of(item: &Dynamic) -> Vec<u8> {
    key::of(&[scalar(item)])
}

fn keys(items: &[Dynamic]) -> HashSet<Vec<u8>> {
    items.iter().map(key_of).collect()
}

/// The different elements of all arrays that are wanted, in the order they come.
fn sets<'a>(args: &[Val<'a>], wanted: impl Fn(&[HashSet<Vec<u8>>], &Vec<u8>) -> bool) -> Val<'a> {
    let mut seen = HashSet::new();
    let all = (0..args.len()).flat_map(|at| items(args, at).unwrap_or_default());
    let kept = all.filter(|item| {
        let key = key_of(item);
        wanted(&[], &key) && seen.insert(key)
    });
    array(kept.cloned())
}

/// The different elements of the first array that are wanted, given the others.
fn sets_first<'a>(args: &[Val<'a>], wanted: impl Fn(&[HashSet<Vec<u8>>], &Vec<u8>) -> bool) -> Val<'a> {
    let Some(first) = items(args, 0) else { return Val::Null };
    let others: Vec<HashSet<Vec<u8>>> = (1..args.len()).map(|at| keys(items(args, at).unwrap_or_default())).collect();
    let mut seen = HashSet::new();
    let kept = first.iter().filter(|item| {
        let key = key_of(item);
        wanted(&others, &key) && seen.insert(key)
    });
    array(kept.cloned())
}

fn pack<'a>(args: &[Val<'a>], only_filled: bool) -> Val<'a> {
    let pairs = args.chunks_exact(2).filter_map(|pair| {
        let [name, value] = pair else { return None };
        let empty = value.is_null() || value.as_str() == Some("");
        (!only_filled || !empty).then(|| (Arc::from(&*text_of(name)), Dynamic::from_val(value)))
    });
    Val::dynamic(Dynamic::Bag(Arc::new(Bag::new(pairs))))
}

fn sorted(value: &Dynamic) -> Dynamic {
    match value {
        Dynamic::Array(items) => Dynamic::Array(items.iter().map(sorted).collect()),
        Dynamic::Bag(bag) => {
            let mut pairs: Vec<(Arc<str>, Dynamic)> =
                bag.iter().map(|(name, value)| (Arc::from(name), sorted(value))).collect();
            pairs.sort_by(|(a, _), (b, _)| a.cmp(b));
            Dynamic::Bag(Arc::new(Bag::new(pairs)))
        }
        other => other.clone(),
    }
}
