//! Functions and operators.

use super::names::derived_name;
use super::{Binder, Meaning, fit};
use crate::diagnostics::{Finding, Span, quoted, suggest};
use crate::kql::aggregates::is_aggregate;
use crate::kql::ast::{Expr, ExprKind, Name};
use crate::kql::dynamic::Dynamic;
use crate::kql::eval::budget::{self, Budget};
use crate::kql::eval::{Env, eval};
use crate::kql::functions::{
    Arg, Evaluate, Function, Gives, Lazy, common_type, function, functions, operator, windows,
};
use crate::kql::ir::{Call, Node, NodeKind};
use crate::kql::limits::{Cx, Limits};
use crate::kql::plan::{Prepared, WindowCall};
use crate::kql::schema::{INGESTION_TIME, Schema};
use crate::kql::value::{Type, Val};

/// Functions that the binder knows itself.
const SPECIAL: [&str; 5] = ["toscalar", "column_ifexists", "pack_all", "bag_pack_columns", "materialize"];

/// Functions that are absent on purpose, and why. Whatever stood in for them would give other answers than Kusto.
const ABSENT: [(&str, &str); 7] = [
    ("geo_info_from_ip_address", "it needs Kusto's own list of where addresses are; join a table of your own instead"),
    ("series_decompose", SEASONS),
    ("series_decompose_anomalies", SEASONS),
    ("series_decompose_forecast", SEASONS),
    ("series_outliers", SEASONS),
    ("series_periods_detect", SEASONS),
    ("series_periods_validate", SEASONS),
];
const SEASONS: &str =
    "how Kusto finds seasons and outliers is not published; series_stats and series_fit_line are here";

impl Binder<'_, '_> {
    pub(super) fn call(
        &mut self,
        name: &Name,
        is_operator: bool,
        args: &[Expr],
        span: Span,
        schema: &Schema,
    ) -> Option<Node> {
        if is_operator { self.operator(name, args, span, schema) } else { self.named_call(name, args, span, schema) }
    }

    fn operator(&mut self, name: &Name, args: &[Expr], span: Span, schema: &Schema) -> Option<Node> {
        let (positive, negated) = positive_form(&name.text);
        let Some(found) = operator(positive) else {
            let message = format!("the operator {} is not supported", quoted(&name.text));
            self.wrong(name.span, Finding::error("kql/unsupported", message));
            return None;
        };
        let node = match args {
            [star, word] if matches!(star.kind, ExprKind::Star) && found.gives_bool() => {
                self.any_column(name, positive, word, span, schema)?
            }
            [value, list] if self.is_rows_list(positive, list, schema) => {
                self.in_rows(found, value, list, span, schema)?
            }
            _ => {
                let beside = literals_beside(found, args, |arg| Self::column_type(arg, schema));
                self.bound_call(found, beside.as_deref().unwrap_or(args), span, schema)?
            }
        };
        let not = function("not").filter(|_| negated);
        Some(match not {
            Some(not) => fold(Call { function: not, args: vec![node], regex: None }, Type::Bool),
            None => node,
        })
    }

    /// `* has 'x'`: some column has it.
    fn any_column(&mut self, name: &Name, positive: &str, word: &Expr, span: Span, schema: &Schema) -> Option<Node> {
        let shown: Vec<Expr> = schema
            .columns()
            .iter()
            .filter(|column| !column.is_hidden())
            .map(|column| {
                let value = Expr::new(ExprKind::Name(column.name.to_string()), span);
                if column.ty == Type::String {
                    return value;
                }
                let name = Name { text: "tostring".to_owned(), span };
                Expr::new(ExprKind::Call { name, operator: false, args: vec![value] }, span)
            })
            .collect();
        let tests = shown.into_iter().map(|column| {
            let name = Name { text: positive.to_owned(), span: name.span };
            Expr::new(ExprKind::Call { name, operator: true, args: vec![column, word.clone()] }, span)
        });
        let nodes: Vec<Node> = tests.map(|test| self.expr(&test, schema)).collect::<Option<_>>()?;
        if nodes.is_empty() {
            return Some(Node::constant(Val::Bool(schema.is_open()), Type::Bool));
        }
        Some(Node::new(NodeKind::Or(nodes), Type::Bool))
    }

    /// The type of a column that an argument is, and nothing else.
    fn column_type(arg: &Expr, schema: &Schema) -> Option<Type> {
        let at = schema.index(Self::lone_column(arg)?)?;
        schema.columns().get(at).map(|column| column.ty)
    }

    fn is_rows_list(&self, operator: &str, list: &Expr, schema: &Schema) -> bool {
        let column = Self::lone_column(list).is_some_and(|name| schema.index(name).is_some());
        matches!(operator, "in" | "in~" | "has_any" | "has_all") && !column && self.names_rows(list)
    }

    /// `x in (T | project y)`
    fn in_rows(
        &mut self,
        found: &'static Function,
        value: &Expr,
        list: &Expr,
        span: Span,
        schema: &Schema,
    ) -> Option<Node> {
        let value_node = self.expr(value, schema);
        let build = self.rows_of(list)?;
        let column = build.shown().first().and_then(|at| build.schema.columns().get(*at)).map(|column| column.ty);
        let plan = Self::finished(build);
        let value_node = value_node?;
        if found.name.starts_with("has") {
            self.prepared.push(Prepared::List(plan));
            let list = Node::new(NodeKind::Let(self.prepared.len() - 1), Type::Dynamic);
            return Some(call_node(found, vec![value_node, list], Type::Bool, schema));
        }
        let any_case = found.name == "in~";
        if let Some(column) = column
            && common_type(value_node.ty, column).is_none()
            && ![value_node.ty, column].contains(&Type::Dynamic)
        {
            let message = format!("a {} is looked for among {column} values", value_node.ty);
            self.wrong(span, Finding::error("kql/type", message).help("make both sides one type, with tostring()"));
            return None;
        }
        self.prepared.push(Prepared::Set { plan, any_case });
        Some(Node::new(NodeKind::InSet(Box::new(value_node), self.prepared.len() - 1, any_case), Type::Bool))
    }

    fn named_call(&mut self, name: &Name, args: &[Expr], span: Span, schema: &Schema) -> Option<Node> {
        match self.let_named(&name.text) {
            Some(Meaning::Function(_)) => return self.call_value(name, args, schema, span),
            Some(Meaning::Broken) => return None,
            Some(Meaning::Scalar(..) | Meaning::Rows(_)) | None => {}
        }
        if self.folding.is_some() && is_aggregate(&name.text) {
            return self.aggregate_call(name, args, span);
        }
        if let Some(window) = windows::window(&name.text) {
            return self.window_call(window, name, args, span, schema);
        }
        if let Some(special) = self.special(name, args, span, schema) {
            return special;
        }
        if let Some(function) = function(&name.text) {
            let node = self.bound_call(function, args, span, schema)?;
            // Of several values the first.
            return Some(function.parts.first().map_or(node.clone(), |(_, ty)| part_of(node, 0, *ty)));
        }
        // The arguments are looked at all the same: their mistakes are mistakes too.
        for arg in args {
            self.expr(arg, schema);
        }
        if self.folding.is_some() {
            self.unknown_aggregate(name, args);
        } else {
            self.unknown_function(name);
        }
        None
    }

    /// Functions that see names or rows instead of values. `None` when this is none of them.
    #[expect(clippy::option_option, reason = "the outer says whether it is one, the inner whether it is right")]
    fn special(&mut self, name: &Name, args: &[Expr], span: Span, schema: &Schema) -> Option<Option<Node>> {
        Some(match (&*name.text, args) {
            ("toscalar", [rows]) => self.one_value(rows, schema),
            ("column_ifexists" | "columnifexists", [column, otherwise]) => {
                let otherwise = self.expr(otherwise, schema);
                match column.as_text().map(|name| (schema.index(name), name)) {
                    Some((Some(at), _)) => schema.columns().get(at).map(|column| Node::slot(at, column.ty)),
                    Some((None, _)) if schema.is_open() => otherwise.map(|node| Node::unknown(node.ty)),
                    Some((None, _)) => otherwise,
                    None => {
                        self.wrong(column.span, Finding::error("kql/type", "the name of a column is a string literal"));
                        None
                    }
                }
            }
            ("pack_all", []) => Self::bag_of_columns(schema, false),
            ("pack_all", [ignore]) => {
                let ignore = self.constant(ignore, Type::Bool, "whether nulls are left out")?;
                Self::bag_of_columns(schema, ignore.as_const().and_then(Val::as_bool) == Some(true))
            }
            ("bag_pack_columns", columns) => {
                let mut pairs = Vec::new();
                for column in columns {
                    let name = derived_name(column, schema).unwrap_or_default();
                    pairs.push(Node::constant(name.into(), Type::String));
                    pairs.push(self.expr(column, schema)?);
                }
                function("bag_pack").map(|pack| call_node(pack, pairs, Type::Dynamic, schema))
            }
            ("column_names_of", [rows]) => self.rows_of(rows).map(|build| {
                let columns = build.shown().into_iter().filter_map(|at| build.schema.columns().get(at));
                let names: Vec<Dynamic> = columns.map(|column| Dynamic::Str(column.name.clone())).collect();
                Node::constant(Val::dynamic(Dynamic::Array(names.into())), Type::Dynamic)
            }),
            ("extract" | "extractjson" | "extract_json", [start @ .., last]) => {
                let ty = self.type_literal(last)?;
                let function = function(&name.text)?;
                let node = self.bound_call(function, start, span, schema);
                ty.and_then(|ty| node.map(|node| converted(node, ty)))
            }
            _ => return None,
        })
    }

    /// `typeof(long)`; `None` when it is something else, `Some(None)` when it is wrong.
    #[expect(clippy::option_option, reason = "the outer says whether it is one, the inner whether it is right")]
    fn type_literal(&mut self, expr: &Expr) -> Option<Option<Type>> {
        let ExprKind::Call { name, operator: false, args } = &expr.kind else { return None };
        if name.text != "typeof" {
            return None;
        }
        let word = args.first().and_then(Self::lone_column).unwrap_or_default();
        let ty = Type::from_name(word);
        if ty.is_none() {
            let message = format!("there is no type {} here", quoted(word));
            let near = suggest::nearest(word, Type::ALL.map(Type::name));
            self.wrong(expr.span, Finding::error("kql/unknown-type", message).help_nearest(near));
        }
        Some(ty)
    }

    fn one_value(&mut self, rows: &Expr, schema: &Schema) -> Option<Node> {
        if !self.names_rows(rows) {
            return self.expr(rows, schema);
        }
        let build = self.rows_of(rows)?;
        let column = build.shown().first().and_then(|at| build.schema.columns().get(*at)).map(|column| column.ty);
        let ty = column.unwrap_or(Type::Dynamic);
        let plan = Self::finished(build);
        self.prepared.push(Prepared::First(plan, ty));
        Some(Node::new(NodeKind::Let(self.prepared.len() - 1), ty))
    }

    fn bag_of_columns(schema: &Schema, ignore: bool) -> Option<Node> {
        let mut pairs = Vec::new();
        for (at, column) in schema.columns().iter().enumerate().filter(|(_, column)| !column.is_hidden()) {
            pairs.push(Node::constant(column.name.to_string().into(), Type::String));
            pairs.push(Node::slot(at, column.ty));
        }
        let pack = function(if ignore { "__bag_pack_filled" } else { "bag_pack" })?;
        Some(call_node(pack, pairs, Type::Dynamic, schema))
    }

    fn window_call(
        &mut self,
        window: &'static windows::Window,
        name: &Name,
        args: &[Expr],
        span: Span,
        schema: &Schema,
    ) -> Option<Node> {
        let nodes: Vec<Option<Node>> = args.iter().map(|arg| self.expr(arg, schema)).collect();
        let Some(windows) = &mut self.windows else {
            let message = format!("{} depends on other rows; it has no value here", quoted(&name.text));
            let finding = Finding::error("kql/not-serialized", message);
            self.wrong(name.span, finding.help("use it in extend, project or where on rows in order"));
            return None;
        };
        if !windows.serialized {
            let message = format!("{} needs rows in order", quoted(&name.text));
            let finding = Finding::error("kql/not-serialized", message);
            self.wrong(name.span, finding.help("put order by or serialize before it"));
            return None;
        }
        let nodes: Vec<Node> = nodes.into_iter().collect::<Option<_>>()?;
        let types: Vec<Type> = nodes.iter().map(|node| node.ty).collect();
        let (least, most) = window.args;
        if nodes.len() < least || nodes.len() > most {
            let message =
                format!("{} takes {least} to {most} arguments, but {} are given", quoted(window.name), nodes.len());
            self.wrong(span, Finding::error("kql/argument-count", message).help(window.doc));
            return None;
        }
        let Some(ty) = (window.gives)(&types) else {
            let shown: Vec<&str> = types.iter().map(|ty| ty.name()).collect();
            let message = format!("{} does not take {}", quoted(window.name), shown.join(" and "));
            self.wrong(span, Finding::error("kql/type", message).help(window.doc));
            return None;
        };
        let windows = self.windows.as_mut()?;
        windows.calls.push(WindowCall { window, args: nodes, ty });
        windows.width += 1;
        Some(Node::slot(windows.width - 1, ty))
    }

    fn unknown_function(&mut self, name: &Name) {
        let finding = if let Some((_, why)) = ABSENT.iter().find(|(absent, _)| *absent == name.text) {
            let message = format!("the function {} is not in this version", quoted(&name.text));
            Finding::error("kql/unsupported", message).help(*why)
        } else if is_aggregate(&name.text) {
            let message = format!("{} is an aggregate; it has no value for one row", quoted(&name.text));
            Finding::error("kql/aggregate", message).help("use it in summarize")
        } else {
            let near = suggest::nearest(
                &name.text,
                functions().map(|function| function.name).chain(SPECIAL).chain(windows::WINDOWS.iter().map(|w| w.name)),
            );
            let message = format!("the function {} is not known here", quoted(&name.text));
            Finding::error("kql/unknown-function", message).help_nearest(near)
        };
        self.wrong(name.span, finding);
    }

    pub(super) fn bound_call(
        &mut self,
        function: &'static Function,
        args: &[Expr],
        span: Span,
        schema: &Schema,
    ) -> Option<Node> {
        let bound: Vec<Option<Node>> = args.iter().map(|arg| self.expr(arg, schema)).collect();
        self.count(function, args.len(), span)?;
        if function.random && self.catalog.is_none() {
            let message = format!("{} is another value each time; a condition has one answer", quoted(function.name));
            self.wrong(span, Finding::error("kql/random", message));
            return None;
        }
        let mut nodes = Vec::with_capacity(bound.len());
        for (at, (node, arg)) in bound.into_iter().zip(args).enumerate() {
            let wanted = function.arg(at).unwrap_or(Arg::Any);
            // Goes on after a wrong argument, to find the next one.
            let guessed = schema.is_guessed();
            nodes.push(node.and_then(|node| self.argument(function, at, node, wanted, arg.span, guessed)));
        }
        let nodes: Vec<Node> = nodes.into_iter().collect::<Option<_>>()?;
        for (at, (node, arg)) in nodes.iter().zip(args).enumerate() {
            if function.constants.contains(&at) && node.reads_row() {
                let message = format!("argument {} of {} must be the same for all rows", at + 1, quoted(function.name));
                self.wrong(arg.span, Finding::error("kql/constant", message).help("write a literal here, or a let"));
            }
        }
        let ty = self.result_type(function, &nodes, span, schema)?;
        Some(call_node(function, nodes, ty, schema))
    }

    fn count(&mut self, function: &Function, given: usize, span: Span) -> Option<()> {
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
        let message = format!("{} takes {wanted} arguments, but {given} are given", quoted(function.name));
        self.wrong(span, Finding::error("kql/argument-count", message).help(function.doc));
        None
    }

    /// The argument as the function wants it.
    fn argument(
        &mut self,
        function: &Function,
        at: usize,
        node: Node,
        wanted: Arg,
        span: Span,
        guessed: bool,
    ) -> Option<Node> {
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
                        quoted(function.name),
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
                    let message = format!(
                        "argument {} of {} must be a number, but this is a {}",
                        at + 1,
                        quoted(function.name),
                        node.ty
                    );
                    self.wrong(span, Finding::error("kql/type", message).help("use tolong() or toreal()"));
                }
                fine.then_some(node)
            }
            Arg::Is(ty) => {
                let found = node.ty;
                let fitted = fit(node, ty, guessed);
                if fitted.is_none() {
                    let message = format!(
                        "argument {} of {} must be a {ty}, but this is a {found}",
                        at + 1,
                        quoted(function.name)
                    );
                    self.wrong(span, Finding::error("kql/type", message).help(conversion_help(ty)));
                }
                fitted
            }
            Arg::Regex => {
                let node = self.argument(function, at, node, Arg::Is(Type::String), span, guessed)?;
                let bad =
                    node.as_const().and_then(Val::as_str).and_then(|p| budget::regex(p, &Limits::default()).err());
                if let Some(error) = bad {
                    self.wrong(span, Finding::error("kql/regex", error.to_string()));
                    return None;
                }
                Some(node)
            }
            Arg::Word(words) => {
                let given = node.as_const().and_then(Val::as_str);
                let known = given.and_then(|given| words.iter().find(|word| word.eq_ignore_ascii_case(given)));
                if let Some(word) = known {
                    return Some(Node::constant((*word).to_owned().into(), Type::String));
                }
                let near = given.and_then(|word| suggest::nearest(word, words.iter().copied()));
                let message =
                    format!("argument {} of {} is one of {}", at + 1, quoted(function.name), words.join(", "));
                self.wrong(span, Finding::error("kql/unknown-word", message).help_nearest(near));
                None
            }
        }
    }

    fn result_type(&mut self, function: &Function, nodes: &[Node], span: Span, schema: &Schema) -> Option<Type> {
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
        let message = format!("{} does not take {}", quoted(function.name), names.join(" and "));
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

/// One value of a function of several.
pub(super) fn part_of(node: Node, at: usize, ty: Type) -> Node {
    let at = Node::constant(Val::Long(i64::try_from(at).unwrap_or(i64::MAX)), Type::Long);
    converted(Node::new(NodeKind::Element(Box::new(node), Box::new(at)), Type::Dynamic), ty)
}

/// The node of a call whose arguments fit.
fn call_node(function: &'static Function, mut nodes: Vec<Node>, ty: Type, schema: &Schema) -> Node {
    let Evaluate::Lazy(lazy) = function.eval else {
        let regex = regex_of(function, &nodes);
        return fold(Call { function, args: nodes, regex }, ty);
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

fn converted(node: Node, ty: Type) -> Node {
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

/// `Text == 0`, `Number == "0"`, `Text in (0, 1)`: a literal beside a column is taken as what the column is. Two columns of
/// such types are not compared.
fn literals_beside(found: &Function, args: &[Expr], column: impl Fn(&Expr) -> Option<Type>) -> Option<Vec<Expr>> {
    let turned = |literal: &Expr, ty: Option<Type>| {
        let ExprKind::Literal(value, of) = &literal.kind else { return None };
        let meet = match (ty?, of) {
            (Type::String, of) => of.is_number() && !value.is_null(),
            (ty, Type::String) => ty.is_number(),
            _ => false,
        };
        let ty = ty.filter(|_| meet)?;
        let value = crate::kql::eval::convert::convert(value.clone(), ty);
        (!value.is_null()).then(|| Expr::new(ExprKind::Literal(value, ty), literal.span))
    };
    match (found.name, args) {
        ("==", [a, b]) => match turned(b, column(a)) {
            Some(b) => Some(vec![a.clone(), b]),
            None => Some(vec![turned(a, column(b))?, b.clone()]),
        },
        ("in", [value, list @ ..]) => {
            let ty = column(value)?;
            let list = list.iter().map(|item| turned(item, Some(ty)).unwrap_or_else(|| item.clone()));
            Some(std::iter::once(value.clone()).chain(list).collect())
        }
        _ => None,
    }
}

/// The operator a negated one negates, and whether it is negated.
fn positive_form(name: &str) -> (&str, bool) {
    match name {
        "!=" => ("==", true),
        "!~" => ("=~", true),
        name => name.strip_prefix('!').map_or((name, false), |positive| (positive, true)),
    }
}

fn regex_of(function: &Function, nodes: &[Node]) -> Option<regex::Regex> {
    let at = (0..nodes.len()).find(|at| function.arg(*at) == Some(Arg::Regex))?;
    let pattern = nodes.get(at)?.as_const()?.as_str()?;
    budget::regex(pattern, &Limits::default()).ok()
}

/// A call of constants is a constant, unless it depends on the moment or fails.
fn fold(call: Call, ty: Type) -> Node {
    let constant = !call.function.moment && call.args.iter().all(|arg| arg.as_const().is_some());
    let node = Node::new(NodeKind::Call(call), ty);
    if !constant {
        return node;
    }
    let cx = Cx { now: 0, limits: Limits { bytes: 1 << 16, steps: 1 << 16, ..Limits::default() } };
    let budget = Budget::new(cx.limits);
    let value = eval(&node, &[], &Env::bare(&cx, &budget)).map(Val::into_owned);
    value.map_or(node, |value| Node::constant(value, ty))
}
