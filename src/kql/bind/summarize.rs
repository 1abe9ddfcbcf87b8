//! `summarize`.

use super::Binder;
use super::tabular::{Build, Names, derived_name};
use crate::diagnostics::{Finding, quoted, suggest};
use crate::kql::aggregates::{Aggregate, BEST, aggregate, aggregates, is_aggregate};
use crate::kql::ast::{Expr, ExprKind, Name, Named};
use crate::kql::ir::{Node, NodeKind};
use crate::kql::plan::{Fold, Stage};
use crate::kql::schema::Schema;
use crate::kql::value::Type;

impl Binder<'_, '_> {
    pub(super) fn summarize(&mut self, values: &[Named], by: &[Named], build: &mut Build) -> Option<()> {
        let mut names = Names::default();
        let mut keys = Vec::new();
        for (at, key) in by.iter().enumerate() {
            let node = self.expr(&key.value, &build.schema);
            names.add(self, key, &build.schema, node.as_ref().map(|node| node.ty), &format!("Column{}", at + 1));
            keys.push(node.filter(|node| self.sortable(node, &build.schema, key.value.span)));
        }
        let folds: Vec<Option<Fold>> = values.iter().map(|value| self.fold(value, &build.schema, &mut names)).collect();
        let by = keys.into_iter().collect::<Option<_>>()?;
        let folds = folds.into_iter().collect::<Option<_>>()?;
        build.stages.push(Stage::Summarize { by, folds });
        let whole_rows = values.iter().any(|value| keeps_rows(&value.value));
        build.schema = build.schema.reshaped(names.columns, whole_rows);
        Some(())
    }

    fn fold(&mut self, value: &Named, schema: &Schema, names: &mut Names) -> Option<Fold> {
        let ExprKind::Call { name, operator: false, args } = &value.value.kind else {
            if !value.value.is_error() {
                let finding = Finding::error("kql/aggregate", "summarize wants an aggregate here, such as count()");
                self.wrong(value.value.span, finding.help("compute with its result in an extend that follows"));
            }
            return None;
        };
        if BEST.contains(&name.text.as_str()) {
            return self.best(value, name, args, schema, names);
        }
        let Some(found) = aggregate(&name.text) else {
            let known = aggregates().map(|aggregate| aggregate.name).chain(BEST);
            let near = suggest::nearest(&name.text, known);
            let finding = Finding::error(
                "kql/unknown-aggregate",
                format!("the aggregate {} is not known here", quoted(&name.text)),
            );
            let nested = args.iter().any(holds_aggregate);
            let finding = if nested {
                finding.help("compute with the result of an aggregate in an extend that follows")
            } else {
                finding
            };
            self.wrong(name.span, finding.help_nearest(near));
            return None;
        };
        self.one(value, found, name, args, schema, names)
    }

    fn one(
        &mut self,
        value: &Named,
        found: &'static Aggregate,
        name: &Name,
        args: &[Expr],
        schema: &Schema,
        names: &mut Names,
    ) -> Option<Fold> {
        let (least, most) = found.args;
        if args.len() < least || args.len() > most {
            let message =
                format!("{} takes {least} to {most} arguments, but {} are given", quoted(found.name), args.len());
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
            self.wrong(value.value.span, Finding::error("kql/type", message).help(found.doc));
            return None;
        };
        let argument = args.first().and_then(|arg| derived_name(arg, schema)).unwrap_or_default();
        let otherwise = format!("{}{argument}", found.prefix);
        names.add(
            self,
            value,
            &Schema::default(),
            Some(ty),
            if otherwise.is_empty() { found.name } else { &otherwise },
        );
        Some(Fold::One { aggregate: found, args: nodes, ty })
    }

    /// `arg_max(key, *)`, `arg_max(key, a, b)`.
    fn best(&mut self, value: &Named, name: &Name, args: &[Expr], schema: &Schema, names: &mut Names) -> Option<Fold> {
        let Some((key, others)) = args.split_first() else {
            let message = format!("{} takes the value to compare by, and the columns to keep", quoted(&name.text));
            self.wrong(name.span, Finding::error("kql/argument-count", message));
            return None;
        };
        let bound = self.expr(key, schema)?;
        if !self.sortable(&bound, schema, key.span) {
            return None;
        }
        let column = Named { name: value.name.clone(), value: key.clone() };
        names.add(self, &column, schema, Some(bound.ty), &format!("{}_", name.text.replace("arg_", "")));
        let mut values = Vec::new();
        for other in others {
            if matches!(other.kind, ExprKind::Star) {
                for (at, column) in schema.columns().iter().enumerate().filter(|(_, column)| !column.is_hidden()) {
                    let taken = names.columns.iter().any(|known| known.name == column.name);
                    if !taken {
                        names.columns.push(column.clone());
                        values.push(Node::new(NodeKind::Slot(at), column.ty));
                    }
                }
            } else {
                let node = self.expr(other, schema)?;
                let column = Named { name: None, value: other.clone() };
                names.add(self, &column, schema, Some(node.ty), &format!("{}_", name.text));
                values.push(node);
            }
        }
        Some(Fold::Best { largest: name.text == "arg_max", key: bound, values })
    }
}

/// `arg_max(x, *)`: all columns stay.
fn keeps_rows(expr: &Expr) -> bool {
    matches!(&expr.kind, ExprKind::Call { args, .. } if args.iter().any(|arg| matches!(arg.kind, ExprKind::Star)))
}

fn holds_aggregate(expr: &Expr) -> bool {
    match &expr.kind {
        ExprKind::Call { name, args, .. } => is_aggregate(&name.text) || args.iter().any(holds_aggregate),
        ExprKind::Property(base, _) => holds_aggregate(base),
        ExprKind::Element(base, index) => holds_aggregate(base) || holds_aggregate(index),
        ExprKind::Error | ExprKind::Literal(..) | ExprKind::Name(_) | ExprKind::Star => false,
    }
}
