//! Choices and tests for emptiness.

use super::{Arg, Function, Gives, Lazy, common_type};
use crate::kql::dynamic::Dynamic;
use crate::kql::eval::convert::text_of;
use crate::kql::value::{Type, Val};

const BOOL: Gives = Gives::Is(Type::Bool);
const ONE: &[Arg] = &[Arg::Any];
const CHOICE: &[Arg] = &[Arg::Is(Type::Bool), Arg::Any, Arg::Any];

pub(super) const FUNCTIONS: &[Function] = &[
    Function::plain("isempty", ONE, BOOL, |args| Val::Bool(args.iter().all(is_empty))).sees_null().doc(
        "Whether it is null or the empty string.",
        &[
            ("isempty('')", "true"),
            ("isempty(' ')", "false"),
            ("isempty(int(null))", "true"),
            ("isempty(dynamic({'a': ''}).a)", "true"),
        ],
    ),
    Function::plain("isnotempty", ONE, BOOL, |args| Val::Bool(!args.iter().any(is_empty))).sees_null().doc(
        "Whether it is neither null nor the empty string.",
        &[("isnotempty('a')", "true"), ("isnotempty('')", "false")],
    ),
    Function::plain("isnull", ONE, BOOL, |args| Val::Bool(args.iter().any(Val::is_null))).sees_null().doc(
        "Whether it is null; never so for a string.",
        &[("isnull(int(null))", "true"), ("isnull('')", "false"), ("isnull(dynamic({'a': null}).a)", "true")],
    ),
    Function::plain("isnotnull", ONE, BOOL, |args| Val::Bool(!args.iter().any(Val::is_null)))
        .sees_null()
        .doc("Whether it is not null.", &[("isnotnull(1)", "true")]),
    Function::plain("notempty", ONE, BOOL, |args| Val::Bool(!args.iter().any(is_empty)))
        .sees_null()
        .doc("As isnotempty.", &[("notempty('')", "false")]),
    Function::plain("notnull", ONE, BOOL, |args| Val::Bool(!args.iter().any(Val::is_null)))
        .sees_null()
        .doc("As isnotnull.", &[("notnull(1)", "true")]),
    Function::plain("not", &[Arg::Is(Type::Bool)], BOOL, |args| {
        args.first().and_then(Val::as_bool).map_or(Val::Null, |value| Val::Bool(!value))
    })
    .doc("The opposite; null stays null.", &[("not(1 == 2)", "true"), ("isnull(not(bool(null)))", "true")]),
    Function::lazy("iff", CHOICE, Gives::By(choice_type), Lazy::Case).doc(
        "The second when the first is true, else the third.",
        &[("iff(1 < 2, 'a', 'b')", "'a'"), ("iff(bool(null), 1, 2)", "2"), ("iff(true, 1, 2.5)", "1.0")],
    ),
    Function::lazy("iif", CHOICE, Gives::By(choice_type), Lazy::Case).doc("As iff.", &[("iif(false, 1, 2)", "2")]),
    Function::lazy("case", CHOICE, Gives::By(choice_type), Lazy::Case).rest(&[Arg::Any]).doc(
        "The value after the first condition that is true, else the last.",
        &[("case(1 > 2, 'a', 3 > 2, 'b', 'c')", "'b'"), ("case(1 > 2, 'a', 'c')", "'c'")],
    ),
    Function::lazy("coalesce", &[Arg::Any, Arg::Any], Gives::By(first_type), Lazy::Coalesce).rest(&[Arg::Any]).doc(
        "The first that is not null, nor an empty string.",
        &[("coalesce(tolong('x'), tolong('42'))", "42"), ("coalesce('', 'a')", "'a'")],
    ),
];

fn is_empty(value: &Val<'_>) -> bool {
    match value {
        Val::Null => true,
        Val::Str(text) => text.is_empty(),
        Val::Dyn(inner) => matches!(**inner, Dynamic::Str(_)) && text_of(value).is_empty(),
        Val::Bool(_)
        | Val::Int(_)
        | Val::Long(_)
        | Val::Real(_)
        | Val::DateTime(_)
        | Val::Timespan(_)
        | Val::Guid(_) => false,
    }
}

/// Conditions and values in turn, then a value; the values have one type.
fn choice_type(types: &[Type]) -> Option<Type> {
    if types.len().is_multiple_of(2) {
        return None;
    }
    let values: Vec<Type> = types.chunks(2).filter_map(|pair| pair.last().copied()).collect();
    let conditions = types.chunks_exact(2).filter_map(<[Type]>::first);
    conditions.into_iter().all(|ty| *ty == Type::Bool).then(|| meeting_type(&values)).flatten()
}

/// The type all have in common; a dynamic becomes what the others are.
fn meeting_type(types: &[Type]) -> Option<Type> {
    let plain: Vec<Type> = types.iter().copied().filter(|ty| *ty != Type::Dynamic).collect();
    let Some((first, others)) = plain.split_first() else { return types.first().copied() };
    others.iter().try_fold(*first, |so_far, ty| common_type(so_far, *ty))
}

/// As [`meeting_type`], but a dynamic goes with others of its kind only.
fn first_type(types: &[Type]) -> Option<Type> {
    meeting_type(types).filter(|ty| *ty == Type::Dynamic || !types.contains(&Type::Dynamic))
}
