//! Evaluation of a checked expression over one row. This is the semantics; anything faster must agree with it.

pub(super) mod budget;
pub(super) mod compare;
pub(super) mod convert;
pub(super) mod lookup;

use std::borrow::Cow;
use std::collections::{BTreeMap, HashSet};

use regex::Regex;

use self::budget::Budget;
use self::convert::{convert, scalar, text_of};
use self::lookup::{Asks, Held, List, Lists};
use super::cells::Cells;
use super::dynamic::{DynCow, Dynamic};
use super::error::KqlError;
use super::exec::key;
use super::functions::{Evaluate, special};
use super::ir::{Call, Node, NodeKind};
use super::limits::Cx;
use super::table::{RowStream, Table};
use super::value::{Type, Val};

/// What an evaluation may look at beside its row.
pub(super) struct Env<'e> {
    pub(super) cx: &'e Cx,
    /// What was prepared for this run, in the order of the plan.
    pub(super) ready: &'e [Ready],
    /// The tables the query reads.
    pub(super) tables: Option<&'e Fetched<'e>>,
    pub(super) budget: &'e Budget,
}

/// Tables by name.
pub(super) type Fetched<'t> = BTreeMap<String, Source<'t>>;

/// A table that a query reads.
pub(super) enum Source<'t> {
    Held(Cow<'t, Table>),
    Streamed(&'t dyn RowStream),
}

/// Something worked out once a run.
pub(super) enum Ready {
    Value(Held),
    /// Keys of values, see [`lookup_key`].
    Set(HashSet<Vec<u8>>),
    Rows(Table),
}

impl<'e> Env<'e> {
    /// Nothing but a moment and a budget.
    pub(super) const fn bare(cx: &'e Cx, budget: &'e Budget) -> Self {
        Self { cx, ready: &[], tables: None, budget }
    }
}

/// What a function of the table may look at beside its arguments.
pub(super) struct Frame<'e> {
    pub(super) env: &'e Env<'e>,
    pub(super) regex: Option<&'e Regex>,
}

/// The value of `node` for `row`. Most nodes are columns and constants, which are read in place.
#[inline]
pub(super) fn eval<'a>(node: &'a Node, row: Cells<'a, 'a>, env: &'a Env<'a>) -> Result<Val<'a>, KqlError> {
    env.budget.step()?;
    match &node.kind {
        NodeKind::Const(value) => Ok(value.borrowed()),
        NodeKind::Slot(index) => stored(row.get(*index), *index, node.ty),
        _ => computed(node, row, env),
    }
}

fn computed<'a>(node: &'a Node, row: Cells<'a, 'a>, env: &'a Env<'a>) -> Result<Val<'a>, KqlError> {
    match &node.kind {
        NodeKind::Const(_) | NodeKind::Slot(_) => eval(node, row, env),
        NodeKind::Unknown => Err(KqlError::OpenSchema),
        NodeKind::Let(index) => Ok(match env.ready.get(*index) {
            Some(Ready::Value(held)) => held.value.borrowed(),
            Some(Ready::Set(_) | Ready::Rows(_)) | None => Val::Null,
        }),
        NodeKind::InSet(value, index, any_case) => {
            let value = eval(value, row, env)?;
            let Some(Ready::Set(set)) = env.ready.get(*index) else { return Ok(Val::Null) };
            Ok(Val::Bool(!value.is_null() && set.contains(&lookup_key(&value, *any_case))))
        }
        NodeKind::And(nodes) => truth(nodes, row, env, false),
        NodeKind::Or(nodes) => truth(nodes, row, env, true),
        NodeKind::Case(nodes) => case(nodes, row, env),
        NodeKind::Coalesce(nodes) => coalesce(nodes, row, env, node.ty),
        NodeKind::Property(base, name) => {
            let base = eval(base, row, env)?;
            searched(&base, env)?;
            Ok(property(base, name))
        }
        NodeKind::Element(base, index) => {
            let base = eval(base, row, env)?;
            searched(&base, env)?;
            Ok(element(base, &eval(index, row, env)?))
        }
        NodeKind::Convert(inner) => Ok(convert(eval(inner, row, env)?, node.ty)),
        NodeKind::Call(call) => called(call, row, env, node.ty),
    }
}

/// The key under which a value is looked up in a set: a dynamic is the scalar it holds, numbers are equal by value.
pub(super) fn lookup_key(value: &Val<'_>, any_case: bool) -> Vec<u8> {
    let plain = match value {
        Val::Dyn(inner) => scalar(inner),
        other => other.borrowed(),
    };
    key::of(&[match plain {
        Val::Str(text) if any_case => Val::from(text.to_ascii_lowercase()),
        Val::Real(number) if number.fract() == 0.0 => convert(Val::Real(number), Type::Long),
        other => other,
    }])
}

/// Whether a condition holds; null is false. Nothing is looked at behind the first conjunct that does not hold.
pub(super) fn holds<'a>(node: &'a Node, row: Cells<'a, 'a>, env: &'a Env<'a>) -> Result<bool, KqlError> {
    if let NodeKind::And(nodes) = &node.kind {
        env.budget.step()?;
        for node in nodes {
            if !holds(node, row, env)? {
                return Ok(false);
            }
        }
        return Ok(true);
    }
    Ok(eval(node, row, env)?.as_bool() == Some(true))
}

/// A cell of a row as a value of its column; one that is not there is nothing.
#[inline]
pub(super) fn stored<'a>(cell: Option<&'a Val<'a>>, column: usize, ty: Type) -> Result<Val<'a>, KqlError> {
    let value = cell.unwrap_or(&Val::Null);
    match value.type_of() {
        None => Ok(ty.nothing()),
        Some(found) if found == ty => Ok(match value {
            Val::DateTime(ticks) => Val::datetime(*ticks),
            other => other.borrowed(),
        }),
        Some(found) => Err(KqlError::RowShape { column, expected: ty, found: found.name() }),
    }
}

/// Three-valued: `and` ends at false, `or` at true; without either a null makes null.
fn truth<'a>(nodes: &'a [Node], row: Cells<'a, 'a>, env: &'a Env<'a>, end: bool) -> Result<Val<'a>, KqlError> {
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

fn case<'a>(nodes: &'a [Node], row: Cells<'a, 'a>, env: &'a Env<'a>) -> Result<Val<'a>, KqlError> {
    for branch in nodes.chunks(2) {
        match branch {
            [otherwise] => return eval(otherwise, row, env),
            [condition, value] if holds(condition, row, env)? => return eval(value, row, env),
            _ => {}
        }
    }
    Ok(Val::Null)
}

fn coalesce<'a>(nodes: &'a [Node], row: Cells<'a, 'a>, env: &'a Env<'a>, ty: Type) -> Result<Val<'a>, KqlError> {
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
        Val::Dyn(DynCow::Borrowed(value)) => value.property(name).map_or(Val::Null, shared),
        Val::Dyn(DynCow::Shared(value)) => value.property(name).map_or(Val::Null, |found| Val::dynamic(found.clone())),
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
        DynCow::Borrowed(value) => value.element(at).map_or(Val::Null, shared),
        DynCow::Shared(value) => value.element(at).map_or(Val::Null, |found| Val::dynamic(found.clone())),
    }
}

const fn shared(value: &Dynamic) -> Val<'_> {
    if matches!(value, Dynamic::Null) { Val::Null } else { Val::Dyn(DynCow::Borrowed(value)) }
}

/// Evaluates the arguments, without an allocation for up to three of them, and calls the function.
fn called<'a>(call: &'a Call, row: Cells<'a, 'a>, env: &'a Env<'a>, ty: Type) -> Result<Val<'a>, KqlError> {
    if let Some(lists) = &call.lists {
        return looked_up(call, lists, row, env, ty);
    }
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

/// The answer of a call whose lists are hashed.
fn looked_up<'a>(
    call: &'a Call,
    lists: &'a Lists,
    row: Cells<'a, 'a>,
    env: &'a Env<'a>,
    ty: Type,
) -> Result<Val<'a>, KqlError> {
    let Some(node) = call.args.get(lists.value) else { return Ok(ty.nothing()) };
    let value = eval(node, row, env)?;
    if call.function.null_in_null_out && value.is_null() {
        return Ok(ty.nothing());
    }
    let all = lists.asks == Asks::AllWords;
    for list in &lists.all {
        let lookup = match list {
            List::Constant(lookup) => lookup,
            List::Let(index) => {
                let Some(Ready::Value(held)) = env.ready.get(*index) else { return Ok(Val::Null) };
                let is_list = held.value.as_dynamic().and_then(Dynamic::items).is_some();
                if call.function.null_in_null_out && !is_list {
                    return Ok(ty.nothing());
                }
                held.lookup(lists.asks, env.budget)?
            }
        };
        if lookup.holds(lists.asks, &value, env.budget)? != all {
            return Ok(Val::Bool(!all));
        }
    }
    Ok(Val::Bool(all))
}

fn apply<'a>(call: &'a Call, args: &[Val<'a>], env: &'a Env<'a>, ty: Type) -> Result<Val<'a>, KqlError> {
    let function = call.function;
    if function.null_in_null_out && args.iter().any(Val::is_null) {
        return Ok(ty.nothing());
    }
    env.budget.steps(items(args))?;
    let value = match function.eval {
        Evaluate::Plain(eval) => eval(args),
        Evaluate::Values(eval) => eval(&Frame { env, regex: call.regex.as_ref() }, args)?,
        Evaluate::Test(_) | Evaluate::AnyOf(_) | Evaluate::Real(_) | Evaluate::Part(_) | Evaluate::Unix(_) => {
            special(function.eval, args)
        }
        // The binder makes nodes of their own of these.
        Evaluate::Lazy(_) => Val::Null,
    };
    env.budget.made(&value)?;
    // A string is never null, whatever its function thinks.
    Ok(if value.is_null() { ty.nothing() } else { value })
}

/// How many elements the arrays and bags among the arguments have: a function goes through them, as `in` does. The arguments
/// themselves are steps already.
fn items(args: &[Val<'_>]) -> u64 {
    let items = |arg: &Val<'_>| match arg.as_dynamic() {
        Some(Dynamic::Array(items)) => items.len() as u64,
        Some(Dynamic::Bag(bag)) => bag.len() as u64,
        _ => 0,
    };
    args.iter().map(items).sum()
}

/// A property is looked for among the names of its bag, several of which are as quick as a step.
fn searched(base: &Val<'_>, env: &Env<'_>) -> Result<(), KqlError> {
    match base.as_dynamic() {
        Some(Dynamic::Bag(bag)) => env.budget.steps(bag.len() as u64 / 8),
        _ => Ok(()),
    }
}

impl Frame<'_> {
    /// The constant regular expression of the call, or one compiled from `pattern`.
    pub(super) fn regex(&self, pattern: &Val<'_>) -> Result<Cow<'_, Regex>, KqlError> {
        if let Some(regex) = self.regex {
            return Ok(Cow::Borrowed(regex));
        }
        let (regex, bytes) = budget::sized_regex(&text_of(pattern), &self.env.cx.limits)?;
        // It is compiled for this row.
        self.env.budget.steps(bytes as u64 / 16)?;
        Ok(Cow::Owned(regex))
    }
}
