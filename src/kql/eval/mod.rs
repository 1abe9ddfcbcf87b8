//! Evaluation of a checked expression over one row. This is the semantics; anything faster must agree with it.

pub(super) mod budget;
pub(super) mod compare;
pub(super) mod convert;

use std::borrow::Cow;

use regex::Regex;

use self::budget::Budget;
use self::convert::{convert, text_of};
use super::dynamic::Dynamic;
use super::error::KqlError;
use super::functions::Evaluate;
use super::ir::{Call, Node, NodeKind};
use super::limits::Cx;
use super::value::{Type, Val, Value};

/// What an evaluation may look at beside its row.
pub(super) struct Env<'e> {
    pub(super) cx: &'e Cx,
    pub(super) lets: &'e [Value],
    pub(super) budget: &'e Budget,
}

/// What a function of the table may look at beside its arguments.
pub(super) struct Frame<'e> {
    pub(super) env: &'e Env<'e>,
    pub(super) regex: Option<&'e Regex>,
}

/// The value of `node` for `row`.
pub(super) fn eval<'a>(node: &'a Node, row: &'a [Val<'a>], env: &'a Env<'a>) -> Result<Val<'a>, KqlError> {
    env.budget.step()?;
    match &node.kind {
        NodeKind::Const(value) => Ok(value.borrowed()),
        NodeKind::Slot(index) => slot(row, *index, node.ty),
        NodeKind::Unknown => Err(KqlError::OpenSchema),
        NodeKind::Let(index) => Ok(env.lets.get(*index).map_or(Val::Null, Val::borrowed)),
        NodeKind::And(nodes) => truth(nodes, row, env, false),
        NodeKind::Or(nodes) => truth(nodes, row, env, true),
        NodeKind::Case(nodes) => case(nodes, row, env),
        NodeKind::Coalesce(nodes) => coalesce(nodes, row, env, node.ty),
        NodeKind::Property(base, name) => Ok(property(eval(base, row, env)?, name)),
        NodeKind::Element(base, index) => Ok(element(eval(base, row, env)?, &eval(index, row, env)?)),
        NodeKind::Convert(inner) => Ok(convert(eval(inner, row, env)?, node.ty)),
        NodeKind::Call(call) => called(call, row, env, node.ty),
    }
}

/// Whether a condition holds; null is false.
pub(super) fn holds<'a>(node: &'a Node, row: &'a [Val<'a>], env: &'a Env<'a>) -> Result<bool, KqlError> {
    Ok(eval(node, row, env)?.as_bool() == Some(true))
}

fn slot<'a>(row: &'a [Val<'a>], index: usize, ty: Type) -> Result<Val<'a>, KqlError> {
    let value = row.get(index).unwrap_or(&Val::Null);
    match value.type_of() {
        None => Ok(ty.nothing()),
        Some(found) if found == ty => Ok(match value {
            Val::DateTime(ticks) => Val::datetime(*ticks),
            other => other.borrowed(),
        }),
        Some(found) => Err(KqlError::RowShape { column: index, expected: ty, found: found.name() }),
    }
}

/// Three-valued: `and` ends at false, `or` at true; without either a null makes null.
fn truth<'a>(nodes: &'a [Node], row: &'a [Val<'a>], env: &'a Env<'a>, end: bool) -> Result<Val<'a>, KqlError> {
    let mut unknown = false;
    for node in nodes {
        match eval(node, row, env)?.as_bool() {
            Some(value) if value == end => return Ok(Val::Bool(end)),
            Some(_) => {}
            None => unknown = true,
        }
    }
    Ok(if unknown { Val::Null } else { Val::Bool(!end) })
}

fn case<'a>(nodes: &'a [Node], row: &'a [Val<'a>], env: &'a Env<'a>) -> Result<Val<'a>, KqlError> {
    for branch in nodes.chunks(2) {
        match branch {
            [otherwise] => return eval(otherwise, row, env),
            [condition, value] if holds(condition, row, env)? => return eval(value, row, env),
            _ => {}
        }
    }
    Ok(Val::Null)
}

fn coalesce<'a>(nodes: &'a [Node], row: &'a [Val<'a>], env: &'a Env<'a>, ty: Type) -> Result<Val<'a>, KqlError> {
    for node in nodes {
        let value = eval(node, row, env)?;
        if !value.is_null() && value.as_str() != Some("") {
            return Ok(value);
        }
    }
    Ok(ty.nothing())
}

/// A property of a bag; null for anything else.
fn property<'a>(base: Val<'a>, name: &str) -> Val<'a> {
    match base {
        Val::Dyn(Cow::Borrowed(value)) => value.property(name).map_or(Val::Null, shared),
        Val::Dyn(Cow::Owned(value)) => value.property(name).map_or(Val::Null, |found| Val::dynamic(found.clone())),
        _ => Val::Null,
    }
}

fn element<'a>(base: Val<'a>, index: &Val<'_>) -> Val<'a> {
    let wanted = match index {
        Val::Dyn(inner) => match &**inner {
            Dynamic::Long(at) => Val::Long(*at),
            Dynamic::Str(name) => Val::from(&**name),
            _ => Val::Null,
        },
        other => other.borrowed(),
    };
    if let Some(name) = wanted.as_str() {
        return property(base, name);
    }
    let (Some(at), Val::Dyn(value)) = (wanted.as_long(), base) else { return Val::Null };
    match value {
        Cow::Borrowed(value) => value.element(at).map_or(Val::Null, shared),
        Cow::Owned(value) => value.element(at).map_or(Val::Null, |found| Val::dynamic(found.clone())),
    }
}

const fn shared(value: &Dynamic) -> Val<'_> {
    if matches!(value, Dynamic::Null) { Val::Null } else { Val::Dyn(Cow::Borrowed(value)) }
}

/// Evaluates the arguments, without an allocation for up to three of them, and calls the function.
fn called<'a>(call: &'a Call, row: &'a [Val<'a>], env: &'a Env<'a>, ty: Type) -> Result<Val<'a>, KqlError> {
    let value = |node: &'a Node| eval(node, row, env);
    match call.args.as_slice() {
        [] => apply(call, &[], env, ty),
        [a] => apply(call, &[value(a)?], env, ty),
        [a, b] => apply(call, &[value(a)?, value(b)?], env, ty),
        [a, b, c] => apply(call, &[value(a)?, value(b)?, value(c)?], env, ty),
        args => {
            let values: Vec<Val<'a>> = args.iter().map(value).collect::<Result<_, _>>()?;
            apply(call, &values, env, ty)
        }
    }
}

fn apply<'a>(call: &'a Call, args: &[Val<'a>], env: &'a Env<'a>, ty: Type) -> Result<Val<'a>, KqlError> {
    let function = call.function;
    if function.null_in_null_out && args.iter().any(Val::is_null) {
        return Ok(ty.nothing());
    }
    let value = match function.eval {
        Evaluate::Plain(eval) => eval(args),
        Evaluate::Values(eval) => eval(&Frame { env, regex: call.regex.as_ref() }, args)?,
        // The binder makes nodes of their own of these.
        Evaluate::Lazy(_) => Val::Null,
    };
    env.budget.made(&value)?;
    // A string is never null, whatever its function thinks.
    Ok(if value.is_null() { ty.nothing() } else { value })
}

impl Frame<'_> {
    /// The constant regular expression of the call, or one compiled from `pattern`.
    pub(super) fn regex(&self, pattern: &Val<'_>) -> Result<Cow<'_, Regex>, KqlError> {
        match self.regex {
            Some(regex) => Ok(Cow::Borrowed(regex)),
            None => budget::regex(&text_of(pattern), &self.env.cx.limits).map(Cow::Owned),
        }
    }
}
