//! `summarize`, and aggregates wherever they stand.

use std::collections::HashSet;
use std::sync::Arc;

use super::absent::absent;
use super::names::{Names, derived_name};
use super::source::Build;
use super::{Binder, Folding};
use crate::diagnostics::{Finding, Level, Span, quoted, suggest};
use crate::kql::aggregates::{Aggregate, BEST, Columns, aggregate, aggregates, is_aggregate, is_best};
use crate::kql::ast::{Expr, ExprKind, Name, Named};
use crate::kql::eval::convert::text_of;
use crate::kql::ir::{Node, NodeKind};
use crate::kql::plan::{Fold, Stage};
use crate::kql::schema::{Column, Schema};
use crate::kql::value::{Type, Val};

impl Binder<'_, '_> {
    pub(super) fn summarize(&mut self, values: &[Named], by: &[Named], build: &mut Build) -> Option<()> {
        let mut names = Names::default();
        let mut keys = Vec::new();
        for key in by {
            let node = self.expr(&key.value, &build.schema);
            self.one_name(key);
            names.add(self, key, &build.schema, node.as_ref().map(|node| node.ty));
            names.grouped.extend(Self::lone_column(&key.value).map(Arc::from));
            keys.push(node.filter(|node| self.sortable(node, &build.schema, key.value.span)));
        }
        let by_count = keys.len();
        let folding = Folding { input: build.schema.clone(), folds: Vec::new(), width: by_count };
        let before = self.folding.replace(folding);
        let mut results: Vec<Option<Node>> =
            names.columns.iter().enumerate().map(|(at, column)| Some(Node::slot(at, column.ty))).collect();
        for value in values {
            self.value(value, &build.schema, &mut names, &mut results);
        }
        let folding = std::mem::replace(&mut self.folding, before)?;
        let by = keys.into_iter().collect::<Option<_>>()?;
        let results = results.into_iter().collect::<Option<Vec<Node>>>()?;
        build.stages.push(Stage::Summarize { by, folds: folding.folds });
        let in_order =
            results.iter().enumerate().all(|(at, node)| matches!(node.kind, NodeKind::Slot(slot) if slot == at));
        if !in_order || results.len() != folding.width {
            build.stages.push(Stage::Project(results));
        }
        let whole_rows = values.iter().any(|value| keeps_rows(&value.value));
        build.schema = build.schema.reshaped(names.columns, whole_rows);
        Some(())
    }

    /// One item of a summarize: one column, or several.
    fn value(&mut self, value: &Named, schema: &Schema, names: &mut Names, results: &mut Vec<Option<Node>>) {
        if let ExprKind::Call { name, operator: false, args } = &value.value.kind
            && self.let_named(&name.text).is_none()
        {
            if is_best(&name.text) {
                let bound = self.best(value, name, args, schema, names);
                return extend(results, bound);
            }
            let is_wide = |arg: &Expr| matches!(arg.kind, ExprKind::Star | ExprKind::Assign(..));
            let several = args.len() > 1 || args.iter().any(is_wide);
            if (name.text == "take_any" && !args.is_empty()) || (name.text == "any" && several) {
                let bound = self.several(value, name, args, schema, names);
                return extend(results, bound);
            }
            if let Some(found) = aggregate(&name.text).filter(|found| found.columns == Columns::Percentiles) {
                let bound = self.percentiles(value, found, name, args, schema, names);
                return extend(results, bound);
            }
        }
        if let Some(sorted) = self.sorted_arrays(value, &Schema::default(), schema) {
            for (made, node) in sorted {
                names.named(self, made.name.as_ref(), made.derived, Type::Dynamic);
                results.push(node);
            }
            return;
        }
        self.one_name(value);
        let before = self.folding.as_ref().map_or(0, |folding| folding.folds.len());
        let node = self.expr(&value.value, &Schema::default());
        let made = self.folding.as_ref().is_some_and(|folding| folding.folds.len() > before);
        if node.is_some() && !made {
            let finding = Finding::error("kql/aggregate", "summarize wants an aggregate here, such as count()");
            self.wrong(value.value.span, finding.help("what rows are grouped by stands after \"by\""));
        }
        names.add(self, value, schema, node.as_ref().map(|node| node.ty));
        results.push(node.filter(|_| made));
    }

    /// An aggregate inside of an expression: the slot of its value.
    pub(super) fn aggregate_call(&mut self, name: &Name, args: &[Expr], span: Span) -> Option<Node> {
        let mut folding = self.folding.take()?;
        let bound = self.one(name, args, span, &folding.input.clone());
        let node = bound.map(|fold| {
            let ty = match &fold {
                Fold::One { types, .. } => types.first().copied().unwrap_or(Type::Dynamic),
                Fold::Best { key, .. } => key.ty,
            };
            folding.push(fold, ty)
        });
        self.folding = Some(folding);
        node
    }

    fn one(&mut self, name: &Name, args: &[Expr], span: Span, schema: &Schema) -> Option<Fold> {
        if is_best(&name.text) {
            let key = args.first().and_then(|key| self.expr(key, schema))?;
            return Some(Fold::Best { largest: name.text.ends_with("max"), key, values: Vec::new() });
        }
        let found = aggregate(&name.text)?;
        let (nodes, ty) = self.aggregate_args(found, name, args, span, schema)?;
        Some(Fold::One { aggregate: found, args: nodes, types: vec![ty] })
    }

    fn aggregate_args(
        &mut self,
        found: &'static Aggregate,
        name: &Name,
        args: &[Expr],
        span: Span,
        schema: &Schema,
    ) -> Option<(Vec<Node>, Type)> {
        let (least, most) = found.args;
        if args.len() < least || args.len() > most {
            let wanted = match most {
                most if most == least => least.to_string(),
                usize::MAX => format!("at least {least}"),
                most => format!("{least} to {most}"),
            };
            let message = format!("{} takes {wanted} arguments, but {} are given", quoted(found.name), args.len());
            self.wrong(name.span, Finding::error("kql/argument-count", message).help(found.doc));
            return None;
        }
        let nodes: Vec<Option<Node>> = args.iter().map(|arg| self.expr(arg, schema)).collect();
        let nodes: Vec<Node> = nodes.into_iter().collect::<Option<_>>()?;
        let types: Vec<Type> = nodes.iter().map(|node| node.ty).collect();
        let unknown = schema.is_guessed() && types.contains(&Type::Dynamic);
        let Some(ty) = (found.gives)(&types).or(unknown.then_some(Type::Dynamic)) else {
            let shown: Vec<&str> = types.iter().map(|ty| ty.name()).collect();
            let message = format!("{} does not take {}", quoted(found.name), shown.join(" and "));
            let help = if types.contains(&Type::Dynamic) {
                "say what the dynamic is: tostring(), tolong(), todatetime() ..."
            } else {
                found.doc
            };
            self.wrong(span, Finding::error("kql/type", message).help(help));
            return None;
        };
        Some((nodes, ty))
    }

    /// `take_any(a, b)`, `take_any(*)`.
    fn several(
        &mut self,
        value: &Named,
        name: &Name,
        args: &[Expr],
        schema: &Schema,
        names: &mut Names,
    ) -> Option<Vec<Node>> {
        let found = aggregate("take_any")?;
        let mut folding = self.folding.take()?;
        let mut nodes = Vec::new();
        let mut whole = true;
        let mut given = value.name.iter().chain(&value.more);
        let prefix = if name.text == "any" { "any_" } else { "" };
        let own: Vec<&str> = args.iter().filter_map(|arg| Self::lone_column(assigned(arg).1)).collect();
        for (at, arg) in args.iter().enumerate() {
            if matches!(arg.kind, ExprKind::Star) {
                if self.more(schema.columns().len(), arg.span).is_none() {
                    whole = false;
                    break;
                }
                for (slot, column) in columns_left(schema, names, &own) {
                    names.named(self, given.next(), Some(format!("{prefix}{}", column.name)), column.ty);
                    let args = vec![Node::slot(slot, column.ty)];
                    nodes.push(folding.push(Fold::One { aggregate: found, args, types: vec![column.ty] }, column.ty));
                }
                continue;
            }
            let (name, arg) = assigned(arg);
            if let Some(node) = self.expr(arg, schema) {
                let ty = node.ty;
                let of = name.map(|name| name.text.clone()).or_else(|| derived_name(arg, schema));
                let derived = of.map(|of| format!("{prefix}{of}"));
                names.named(self, given.next(), Some(derived.unwrap_or_else(|| format!("any_arg{at}"))), ty);
                nodes.push(folding.push(Fold::One { aggregate: found, args: vec![node], types: vec![ty] }, ty));
            } else {
                whole = false;
            }
        }
        self.folding = Some(folding);
        whole.then_some(nodes)
    }

    fn percentiles(
        &mut self,
        value: &Named,
        found: &'static Aggregate,
        name: &Name,
        args: &[Expr],
        schema: &Schema,
        names: &mut Names,
    ) -> Option<Vec<Node>> {
        let mut folding = self.folding.take()?;
        let bound = self.aggregate_args(found, name, args, value.value.span, schema);
        let nodes = bound.map(|(nodes, ty)| {
            let weights = usize::from(found.name.ends_with('w'));
            let of = args.first().and_then(|arg| derived_name(arg, schema)).unwrap_or_default();
            let percents: Vec<String> = nodes.iter().skip(1 + weights).map(percent_name).collect();
            let mut given = value.name.iter().chain(&value.more);
            for percent in &percents {
                match given.next() {
                    Some(name) => names.columns.push(Column::new(name.text.as_str(), ty)),
                    None => names.derived(Some(format!("percentile_{of}_{percent}")), ty),
                }
            }
            let types = vec![ty; percents.len()];
            let first = folding.push(Fold::One { aggregate: found, args: nodes, types }, ty);
            let start = if let NodeKind::Slot(at) = first.kind { at } else { 0 };
            (0..percents.len()).map(|at| Node::slot(start + at, ty)).collect()
        });
        self.folding = Some(folding);
        nodes
    }

    /// `arg_max(key, *)`, `arg_max(key, a, b)`.
    fn best(
        &mut self,
        value: &Named,
        name: &Name,
        args: &[Expr],
        schema: &Schema,
        names: &mut Names,
    ) -> Option<Vec<Node>> {
        let mut folding = self.folding.take()?;
        let bound = self.best_fold(value, name, args, schema, names);
        let nodes = bound.map(|(fold, types)| {
            let first = folding.push(fold, Type::Dynamic);
            let start = if let NodeKind::Slot(at) = first.kind { at } else { 0 };
            types.into_iter().enumerate().map(|(at, ty)| Node::slot(start + at, ty)).collect()
        });
        self.folding = Some(folding);
        nodes
    }

    fn best_fold(
        &mut self,
        value: &Named,
        name: &Name,
        args: &[Expr],
        schema: &Schema,
        names: &mut Names,
    ) -> Option<(Fold, Vec<Type>)> {
        let Some((key, others)) = args.split_first() else {
            let message = format!("{} takes the value to compare by, and the columns to keep", quoted(&name.text));
            self.wrong(name.span, Finding::error("kql/argument-count", message));
            return None;
        };
        let largest = name.text.ends_with("max");
        // The other columns are known whatever is wrong with this one.
        let bound = self.expr(key, schema);
        if bound.as_ref().is_some_and(|bound| !self.sortable(bound, schema, key.span)) {
            return None;
        }
        let written = Self::lone_column(key).filter(|_| bound.is_none()).map(ToOwned::to_owned);
        let bound = bound.unwrap_or(Node::unknown(Type::Dynamic));
        if bound.ty == Type::Guid {
            let message = format!("{} compares values, and guids have no order", quoted(&name.text));
            self.wrong(key.span, Finding::error("kql/type", message).help("use tostring()"));
            return None;
        }
        let mut given = value.more.iter();
        let plain = if largest { "max_" } else { "min_" };
        let of = derived_name(key, schema).or(written);
        let derived = of.clone().unwrap_or_else(|| plain.to_owned());
        names.add_as(self, value, Some(derived), Some(bound.ty));
        let mut own: Vec<&str> = of.iter().map(String::as_str).collect();
        own.extend(others.iter().filter_map(|other| Self::lone_column(assigned(other).1)));
        let mut values = Vec::new();
        for (at, other) in others.iter().enumerate() {
            if matches!(other.kind, ExprKind::Star) {
                self.more(schema.columns().len(), other.span)?;
                for (slot, column) in columns_left(schema, names, &own) {
                    names.named(self, given.next(), Some(column.name.to_string()), column.ty);
                    values.push(Node::slot(slot, column.ty));
                }
                continue;
            }
            let (name, other) = assigned(other);
            let node = self.expr(other, schema);
            let written = Self::lone_column(other).filter(|_| node.is_none()).map(ToOwned::to_owned);
            let node = node.unwrap_or(Node::unknown(Type::Dynamic));
            let derived = derived_name(other, schema)
                .or(written)
                .unwrap_or_else(|| format!("{plain}{}_arg{}", of.as_deref().unwrap_or_default(), at + 1));
            names.named(self, given.next().or(name), Some(derived), node.ty);
            values.push(node);
        }
        let types = std::iter::once(bound.ty).chain(values.iter().map(|node| node.ty)).collect();
        Some((Fold::Best { largest, key: bound, values }, types))
    }

    /// A function that is not known where aggregates may stand.
    pub(super) fn unknown_aggregate(&mut self, name: &Name, args: &[Expr]) {
        if let Some(finding) = absent(&name.text) {
            return self.wrong(name.span, finding);
        }
        let known = aggregates().map(|aggregate| aggregate.name).chain(BEST);
        let known = known.filter(|_| self.report.shows(Level::Error));
        let near = suggest::nearest(&name.text, known);
        let message = format!("the aggregate {} is not known here", quoted(&name.text));
        let mut finding = Finding::error("kql/unknown-aggregate", message);
        if args.iter().any(holds_aggregate) {
            finding = finding.help("compute with the result of an aggregate in an extend that follows");
        }
        self.wrong(name.span, finding.help_nearest(near));
    }
}

impl Folding {
    /// Adds a fold, and gives the slot of its first value.
    fn push(&mut self, fold: Fold, ty: Type) -> Node {
        let node = Node::slot(self.width, ty);
        self.width += fold.width();
        self.folds.push(fold);
        node
    }
}

fn extend(results: &mut Vec<Option<Node>>, bound: Option<Vec<Node>>) {
    match bound {
        Some(nodes) => results.extend(nodes.into_iter().map(Some)),
        None => results.push(None),
    }
}

/// `name = value` among the arguments of an aggregate.
fn assigned(expr: &Expr) -> (Option<&Name>, &Expr) {
    match &expr.kind {
        ExprKind::Assign(name, value) => (Some(name), value),
        _ => (None, expr),
    }
}

/// The columns that `*` stands for: neither those that rows are grouped by, nor those that the aggregate names itself.
fn columns_left(schema: &Schema, names: &Names, own: &[&str]) -> Vec<(usize, Column)> {
    let columns = schema.columns().iter().enumerate().filter(|(_, column)| !column.is_hidden());
    let taken: HashSet<&str> = own.iter().copied().chain(names.grouped.iter().map(|name| &**name)).collect();
    let left = |column: &Column| !taken.contains(&*column.name);
    columns.filter(|(_, column)| left(column)).map(|(at, column)| (at, column.clone())).collect()
}

/// `99.5` as part of a name.
fn percent_name(node: &Node) -> String {
    let text = node.as_const().map(|value| text_of(value).into_owned()).unwrap_or_default();
    let text = match node.as_const() {
        Some(Val::Real(_)) => text.strip_suffix(".0").unwrap_or(&text).to_owned(),
        _ => text,
    };
    text.chars().map(|c| if c.is_alphanumeric() { c } else { '_' }).collect()
}

/// `arg_max(x, *)`: all columns stay.
fn keeps_rows(expr: &Expr) -> bool {
    matches!(&expr.kind, ExprKind::Call { args, .. } if args.iter().any(|arg| matches!(arg.kind, ExprKind::Star)))
}

pub(super) fn holds_aggregate(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Call { name, args, .. } => is_aggregate(&name.text) || args.iter().any(holds_aggregate),
        ExprKind::Property(base, _) | ExprKind::Assign(_, base) => holds_aggregate(base),
        ExprKind::Element(base, index) => holds_aggregate(base) || holds_aggregate(index),
        ExprKind::Error | ExprKind::Literal(..) | ExprKind::Name(_) | ExprKind::Star | ExprKind::Rows(_) => false,
    }
}
