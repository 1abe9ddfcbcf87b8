//! The arguments of a call: how many, of which types, and the node that they make.

use super::{Binder, fit};
use crate::diagnostics::{Finding, Span, quoted, suggest};
use crate::kql::ast::{Expr, ExprKind};
use crate::kql::cells::Cells;
use crate::kql::dynamic::Dynamic;
use crate::kql::eval::budget::{self, Budget};
use crate::kql::eval::convert::{convert, scalar, text_of};
use crate::kql::eval::{Env, eval};
use crate::kql::functions::calendar::undocumented;
use crate::kql::functions::{Arg, Evaluate, Function, Gives, Lazy, operator, steps_of_key};
use crate::kql::ir::{Call, Node, NodeKind};
use crate::kql::limits::{Cx, Limits};
use crate::kql::schema::{INGESTION_TIME, Schema};
use crate::kql::value::{Type, Val};

impl Binder<'_, '_> {
    /// A call; `name` is what findings call it: a negated operator goes by the name it is written with.
    pub(super) fn bound_call(
        &mut self,
        function: &'static Function,
        name: &str,
        args: &[Expr],
        span: Span,
        schema: &Schema,
    ) -> Option<Node> {
        let bound: Vec<Option<Node>> = args
            .iter()
            .enumerate()
            .map(|(at, arg)| {
                // A word beside a text may be one whose quotes were forgotten.
                let beside = at > 0 && operator(function.name).is_some();
                self.beside_text = beside && function.gives_bool() && matches!(arg.kind, ExprKind::Name(_));
                let node = self.expr(arg, schema);
                self.beside_text = false;
                node
            })
            .collect();
        self.count(function, name, args.len(), span)?;
        if function.random && self.catalog.is_none() {
            let message = format!("{} is another value each time; a condition has one answer", quoted(name));
            self.wrong(span, Finding::error("kql/random", message));
            return None;
        }
        self.compiled = None;
        let mut nodes = Vec::with_capacity(bound.len());
        for (at, (node, arg)) in bound.into_iter().zip(args).enumerate() {
            let wanted = function.arg(at).unwrap_or(Arg::Any);
            // Goes on after a wrong argument, to find the next one.
            let guessed = schema.is_guessed();
            let wanted = match (wanted, &arg.kind) {
                (Arg::Term, ExprKind::Literal(_, Type::Dynamic)) => Arg::OneOf(&[Type::String]),
                (Arg::Term, _) => Arg::Is(Type::String),
                (wanted, _) => wanted,
            };
            nodes.push(node.and_then(|node| self.argument(name, at, node, wanted, arg.span, guessed)));
        }
        let nodes: Vec<Node> = nodes.into_iter().collect::<Option<_>>()?;
        let nodes = constants_beside(function, nodes);
        for (at, (node, arg)) in nodes.iter().zip(args).enumerate() {
            if function.constants.contains(&at) && node.reads_row() {
                let message = format!("argument {} of {} must be the same for all rows", at + 1, quoted(name));
                let help = match &arg.kind {
                    ExprKind::Name(word) if schema.index(word).is_none() => {
                        format!("no let above it is called {}, so it is taken for a column: add the let", quoted(word))
                    }
                    _ => "write a literal here, or a let".to_owned(),
                };
                self.wrong(arg.span, Finding::error("kql/constant", message).help(help));
            }
        }
        let ty = self.result_type(function, name, &nodes, span, schema)?;
        Some(match self.compiled.take() {
            Some(regex) => fold(Call { function, args: nodes, regex: Some(regex), lists: None }, ty),
            None => self.with_lists(call_node(function, nodes, ty, schema)),
        })
    }

    fn count(&mut self, function: &Function, name: &str, given: usize, span: Span) -> Option<()> {
        let least = function.args.len();
        let most = least + function.optional.len();
        let again = given.saturating_sub(most);
        if given >= least && (again == 0 || again.checked_rem(function.rest.len()) == Some(0)) {
            return Some(());
        }
        let wanted = match function.rest {
            [] if least == most => least.to_string(),
            [] => format!("{least} to {most}"),
            [_] => format!("at least {least}"),
            rest => format!("{least}, {}, {} ...", least + rest.len(), least + 2 * rest.len()),
        };
        let message = format!("{} takes {wanted} arguments, but {given} are given", quoted(name));
        self.wrong(span, Finding::error("kql/argument-count", message).help(function.doc));
        None
    }

    /// The argument as the function wants it.
    fn argument(&mut self, name: &str, at: usize, node: Node, wanted: Arg, span: Span, guessed: bool) -> Option<Node> {
        match wanted {
            Arg::Any => Some(node),
            Arg::Text => Some(converted(node, Type::String)),
            Arg::OneOf(types) => {
                let fine = types.contains(&node.ty) || (guessed && node.ty == Type::Dynamic);
                if !fine {
                    let names: Vec<&str> = types.iter().map(|ty| ty.name()).collect();
                    let message = format!(
                        "argument {} of {} must be a {}, but this is a {}",
                        at + 1,
                        quoted(name),
                        names.join(" or a "),
                        node.ty
                    );
                    self.wrong(span, Finding::error("kql/type", message));
                }
                fine.then_some(node)
            }
            Arg::Number => {
                let fine = node.ty.is_number() || (guessed && node.ty == Type::Dynamic);
                if !fine {
                    let message =
                        format!("argument {} of {} must be a number, but this is a {}", at + 1, quoted(name), node.ty);
                    self.wrong(span, Finding::error("kql/type", message).help("use tolong() or toreal()"));
                }
                fine.then_some(node)
            }
            Arg::Term => self.argument(name, at, node, Arg::Is(Type::String), span, guessed),
            Arg::Is(ty) => {
                let found = node.ty;
                let fitted = fit(node, ty, guessed);
                if fitted.is_none() {
                    let message =
                        format!("argument {} of {} must be a {ty}, but this is a {found}", at + 1, quoted(name));
                    self.wrong(span, Finding::error("kql/type", message).help(conversion_help(ty)));
                }
                fitted
            }
            Arg::Regex => {
                let node = self.argument(name, at, node, Arg::Is(Type::String), span, guessed)?;
                if let Some(pattern) = node.as_const().and_then(Val::as_str) {
                    self.compiled = Some(self.regex(pattern, span)?);
                }
                Some(node)
            }
            Arg::Key | Arg::Keys => {
                let ty = if wanted == Arg::Key { Type::String } else { Type::Dynamic };
                let node = self.argument(name, at, node, Arg::Is(ty), span, guessed)?;
                let Some(key) = node.as_const().and_then(undocumented_key) else { return Some(node) };
                let message = format!("{} is no documented key of a bag", quoted(&key));
                let help = "write a name, or a path such as $.a.b or $['a b']; one of $['$a'] is a name that begins with $, and \
                    elements of arrays have no key";
                self.wrong(span, Finding::error("kql/unsupported-key", message).help(help));
                None
            }
            Arg::Format { datetime } => {
                let node = self.argument(name, at, node, Arg::Is(Type::String), span, guessed)?;
                let format = node.as_const().and_then(Val::as_str);
                let Some((letters, near)) = format.and_then(|format| undocumented(format, datetime)) else {
                    return Some(node);
                };
                let message = format!("{} of the format of {} is not documented", quoted(&letters), quoted(name));
                let help = if datetime {
                    "there is y, yy, yyyy, M, MM, d, dd, h, hh, H, HH, m, mm, s, ss, f to fffffff, F to FFFFFFF and tt"
                } else {
                    "there is d to dddddddd, h, hh, H, HH, m, mm, s, ss, f to fffffff and F to FFFFFFF"
                };
                // Other letters stand for themselves here.
                let finding = Finding::error("kql/format", message).help(help);
                self.wrong(span, if near { finding } else { finding.as_warning() });
                (!near).then_some(node)
            }
            Arg::Word(words) => {
                let given = node.as_const().and_then(Val::as_str);
                let known = given.and_then(|given| words.iter().find(|word| word.eq_ignore_ascii_case(given)));
                if let Some(word) = known {
                    return Some(Node::constant((*word).to_owned().into(), Type::String));
                }
                let near = given.and_then(|word| suggest::nearest(word, words.iter().copied()));
                let message = format!("argument {} of {} is one of {}", at + 1, quoted(name), words.join(", "));
                self.wrong(span, Finding::error("kql/unknown-word", message).help_nearest(near));
                None
            }
        }
    }

    /// The type that a call of these gives.
    pub(super) fn result_type(
        &mut self,
        function: &Function,
        name: &str,
        nodes: &[Node],
        span: Span,
        schema: &Schema,
    ) -> Option<Type> {
        let rule = match function.gives {
            Gives::Is(ty) => return Some(ty),
            Gives::By(rule) => rule,
        };
        let types: Vec<Type> = nodes.iter().map(|node| node.ty).collect();
        if let Some(ty) = rule(&types) {
            return Some(ty);
        }
        if schema.is_guessed() && types.contains(&Type::Dynamic) {
            // Of an open schema nothing better is known; logic on it is still logic.
            let is_test = rule(&[Type::Long; 3]) == Some(Type::Bool) || rule(&[Type::Long; 2]) == Some(Type::Bool);
            return Some(if is_test { Type::Bool } else { Type::Dynamic });
        }
        let names: Vec<&str> = types.iter().map(|ty| ty.name()).collect();
        let message = format!("{} does not take {}", quoted(name), names.join(" and "));
        let help = if function.name == "+" && types.contains(&Type::String) {
            "join texts with strcat()"
        } else if types.contains(&Type::Dynamic) {
            "say what the dynamic is: tostring(), tolong(), todatetime() ..."
        } else {
            "convert one of them: tostring(), tolong(), todatetime() ..."
        };
        self.wrong(span, Finding::error("kql/type", message).help(help));
        None
    }
}

/// `Text == 0`, `Number == "0"`, `Text in (0, 1)`, `Bool == 1`: a constant beside a column is taken as what the column is.
/// Only beside `true` and `false` a text is taken for what it says: Azure Monitor documents `_IsBillable == true`, and that
/// column is a text. Two columns of such types are not compared.
fn constants_beside(function: &Function, mut nodes: Vec<Node>) -> Vec<Node> {
    let column = |node: &Node| matches!(node.kind, NodeKind::Slot(_)).then_some(node.ty);
    match (function.name, &mut *nodes) {
        ("==", [a, b]) => match (column(a), column(b)) {
            (Some(Type::String), None) if is_bool(b) => read_as_bool(a),
            (None, Some(Type::String)) if is_bool(a) => read_as_bool(b),
            (Some(ty), None) => taken_as(b, ty),
            (None, Some(ty)) => taken_as(a, ty),
            // Of two constants a text is taken as what the other is.
            (None, None) if a.as_const().is_some() && b.as_const().is_some() => {
                if a.ty == Type::String {
                    taken_as(a, b.ty);
                } else {
                    taken_as(b, a.ty);
                }
            }
            (Some(_), Some(_)) | (None, None) => {}
        },
        ("in", [value, list @ ..]) => {
            if let Some(ty) = column(value) {
                for item in list {
                    taken_as(item, ty);
                }
            }
        }
        _ => {}
    }
    nodes
}

fn is_bool(node: &Node) -> bool {
    node.ty == Type::Bool && node.as_const().is_some()
}

fn read_as_bool(node: &mut Node) {
    let column = std::mem::replace(node, Node::unknown(Type::Bool));
    *node = converted(column, Type::Bool);
}

/// A constant as that type, where Kusto takes it so; anything else as it is.
fn taken_as(node: &mut Node, ty: Type) {
    let Some(value) = node.as_const().filter(|value| !value.is_null()) else { return };
    let meet = match (ty, node.ty) {
        (Type::String, of) => of.is_number(),
        (Type::Bool, of) => says_bool(value, of),
        (ty, Type::String) => ty.is_number(),
        _ => false,
    };
    let made = if meet { convert(value.clone(), ty) } else { Val::Null };
    if !made.is_null() {
        *node = Node::constant(made, ty);
    }
}

/// Whether it is 0, 1, or one of the words true and false.
fn says_bool(value: &Val<'_>, ty: Type) -> bool {
    match ty {
        Type::Int | Type::Long => matches!(value.as_long(), Some(0 | 1)),
        Type::String => {
            value.as_str().is_some_and(|text| ["true", "false"].iter().any(|word| word.eq_ignore_ascii_case(text)))
        }
        _ => false,
    }
}

/// The first of these keys of a bag whose meaning is not documented.
fn undocumented_key(keys: &Val<'_>) -> Option<String> {
    let lone = keys.as_str().map(str::to_owned);
    let items = keys.as_dynamic().and_then(Dynamic::items).unwrap_or_default();
    let texts = items.iter().map(|item| text_of(&scalar(item)).into_owned());
    lone.into_iter().chain(texts).find(|key| steps_of_key(key).is_none())
}

/// One value of a function of several.
pub(super) fn part_of(node: Node, at: usize, ty: Type) -> Node {
    let at = Node::constant(Val::Long(i64::try_from(at).unwrap_or(i64::MAX)), Type::Long);
    converted(Node::new(NodeKind::Element(Box::new(node), Box::new(at)), Type::Dynamic), ty)
}

/// The node of a call whose arguments fit.
pub(super) fn call_node(function: &'static Function, mut nodes: Vec<Node>, ty: Type, schema: &Schema) -> Node {
    let Evaluate::Lazy(lazy) = function.eval else {
        let regex = regex_of(function, &nodes);
        return fold(Call { function, args: nodes, regex, lists: None }, ty);
    };
    match lazy {
        Lazy::And => Node::new(NodeKind::And(nodes), ty),
        Lazy::Or => Node::new(NodeKind::Or(nodes), ty),
        Lazy::Coalesce => {
            let nodes = nodes.into_iter().map(|node| converted(node, ty)).collect();
            Node::new(NodeKind::Coalesce(nodes), ty)
        }
        Lazy::Case => {
            let last = nodes.len().saturating_sub(1);
            for (at, node) in nodes.iter_mut().enumerate() {
                // Values become the common type, conditions a bool.
                let wanted = if at % 2 == 1 || at == last { ty } else { Type::Bool };
                let old = std::mem::replace(node, Node::constant(Val::Null, wanted));
                *node = converted(old, wanted);
            }
            Node::new(NodeKind::Case(nodes), ty)
        }
        Lazy::IngestionTime => match schema.index(INGESTION_TIME) {
            Some(index) => Node::slot(index, ty),
            None => Node::constant(Val::Null, ty),
        },
    }
}

pub(super) fn converted(node: Node, ty: Type) -> Node {
    if node.ty == ty { node } else { Node::new(NodeKind::Convert(Box::new(node)), ty) }
}

/// What to do when a type is wrong.
pub(super) const fn conversion_help(ty: Type) -> &'static str {
    match ty {
        Type::Bool => "compare it with something, or use tobool()",
        Type::Int => "use toint()",
        Type::Long => "use tolong()",
        Type::Real => "use toreal()",
        Type::DateTime => "use todatetime(), or a literal such as datetime(2026-03-01)",
        Type::Timespan => "use totimespan(), or a literal such as 1h",
        Type::Guid => "use toguid()",
        Type::String => "use tostring()",
        Type::Dynamic => "use parse_json()",
    }
}

pub(super) fn regex_of(function: &Function, nodes: &[Node]) -> Option<regex::Regex> {
    let at = (0..nodes.len()).find(|at| function.arg(*at) == Some(Arg::Regex))?;
    let pattern = nodes.get(at)?.as_const()?.as_str()?;
    budget::regex(pattern, &Limits::default()).ok()
}

/// A call of constants is a constant, unless it depends on the moment or fails.
pub(super) fn fold(call: Call, ty: Type) -> Node {
    let constant = !call.function.moment && call.args.iter().all(|arg| arg.as_const().is_some());
    let node = Node::new(NodeKind::Call(call), ty);
    if !constant {
        return node;
    }
    let cx = Cx { now: 0, limits: Limits { bytes: 1 << 16, steps: 1 << 16, ..Limits::default() } };
    let budget = Budget::new(cx.limits);
    let value = eval(&node, Cells::NONE, &Env::bare(&cx, &budget)).map(Val::into_owned);
    value.map_or(node, |value| Node::constant(value, ty))
}
