//! Functions and operators.

use super::absent::{absent, here};
use super::arguments::{call_node, converted, fold};
use super::names::derived_name;
use super::summarize::holds_aggregate;
use super::{Binder, Meaning};
use crate::diagnostics::{Finding, Level, Span, quoted, suggest};
use crate::kql::aggregates::is_aggregate;
use crate::kql::ast::{Expr, ExprKind, Name};
use crate::kql::dynamic::Dynamic;
use crate::kql::eval::convert::convert;
use crate::kql::functions::{Function, common_type, function, functions, operator, windows};
use crate::kql::ir::{Call, Node, NodeKind};
use crate::kql::plan::{Prepared, WindowCall};
use crate::kql::report::unknown_type;
use crate::kql::schema::Schema;
use crate::kql::value::{Type, Val};

/// Functions that the binder knows itself.
const SPECIAL: [&str; 5] = ["toscalar", "column_ifexists", "pack_all", "bag_pack_columns", "materialize"];

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
            [value] if found.name == "neg" => self.negated(found, value, span, schema)?,
            _ => self.bound_call(found, &name.text, args, span, schema)?,
        };
        let not = function("not").filter(|_| negated);
        Some(match not {
            Some(not) => fold(Call { function: not, args: vec![node], regex: None, lists: None }, Type::Bool),
            None => node,
        })
    }

    /// `-x`, which of an int is a long, unless it is a constant.
    fn negated(&mut self, found: &'static Function, value: &Expr, span: Span, schema: &Schema) -> Option<Node> {
        let nodes = vec![self.expr(value, schema)?];
        let small = nodes.iter().all(|node| node.ty == Type::Int);
        let ty = self.result_type(found, "-", &nodes, span, schema)?;
        let node = call_node(found, nodes, ty, schema);
        Some(match node.as_const() {
            Some(negative) if small => Node::constant(convert(negative.clone(), Type::Int), Type::Int),
            _ => node,
        })
    }

    /// `* has 'x'`: some column has it.
    fn any_column(&mut self, name: &Name, positive: &str, word: &Expr, span: Span, schema: &Schema) -> Option<Node> {
        self.more(schema.columns().len(), span)?;
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
            return Some(self.with_lists(call_node(found, vec![value_node, list], Type::Bool, schema)));
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
            Some(Meaning::Broken) => {
                self.broken += 1;
                return None;
            }
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
            let node = self.bound_call(function, function.name, args, span, schema)?;
            if !function.parts.is_empty() {
                let message = format!("{} gives several values, and is none by itself", quoted(&name.text));
                let finding = Finding::error("kql/several-values", message);
                self.wrong(span, finding.help("make columns of it first: extend (a, b) = ..."));
                return None;
            }
            return Some(node);
        }
        // The arguments are looked at all the same: their mistakes are mistakes too. Those of an aggregate are columns of
        // the rows before.
        if self.folding.is_some() && !args.iter().any(holds_aggregate) {
            self.unknown_aggregate(name, args);
            let folding = self.folding.take()?;
            // What a "*" of it stands for, its right name may know.
            for arg in args.iter().filter(|arg| !matches!(arg.kind, ExprKind::Star)) {
                self.expr(arg, &folding.input);
            }
            self.folding = Some(folding);
            return None;
        }
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
            ("pack_all", []) => self.bag_of_columns(schema, false, span),
            ("pack_all", [ignore]) => {
                let ignore = self.constant(ignore, Type::Bool, "whether nulls are left out")?;
                self.bag_of_columns(schema, ignore.as_const().and_then(Val::as_bool) == Some(true), span)
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
                let node = self.bound_call(function, function.name, start, span, schema);
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
        Some(Type::from_name(word).or_else(|| {
            let (finding, taken) = unknown_type(word);
            self.wrong(expr.span, finding);
            taken
        }))
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

    fn bag_of_columns(&mut self, schema: &Schema, ignore: bool, span: Span) -> Option<Node> {
        self.more(2 * schema.columns().len(), span)?;
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
        let finding = if let Some(absent) = absent(&name.text) {
            absent
        } else if is_aggregate(&name.text) {
            let message = format!("{} is an aggregate; it has no value for one row", quoted(&name.text));
            Finding::error("kql/aggregate", message).help("use it in summarize")
        } else {
            let known = functions().map(|function| function.name).chain(SPECIAL);
            let known = known.chain(windows::WINDOWS.iter().map(|window| window.name));
            let known = known.filter(|_| self.report.shows(Level::Error));
            let near = here(&name.text).or_else(|| suggest::nearest(&name.text, known));
            let message = format!("the function {} is not known here", quoted(&name.text));
            Finding::error("kql/unknown-function", message).help_nearest(near)
        };
        self.wrong(name.span, finding);
    }
}

/// The operator a negated one negates, and whether it is negated.
fn positive_form(name: &str) -> (&str, bool) {
    match name {
        "!=" => ("==", true),
        "!~" => ("=~", true),
        ":" => ("has", false),
        "containscs" => ("contains_cs", false),
        "notcontains" => ("contains", true),
        "notcontainscs" => ("contains_cs", true),
        name => name.strip_prefix('!').map_or((name, false), |positive| (positive, true)),
    }
}
