//! Names to slots, types on every node, and every mistake at once.

mod call;
mod expr;
mod summarize;
mod tabular;

use super::ast::{Expr, ExprKind, LetValue, Pipeline, Text};
use super::ir::{Node, NodeKind};
use super::plan::Plan;
use super::report::Report;
use super::schema::{Catalog, Schema};
use super::value::Type;
use crate::diagnostics::{Finding, Span};

/// Binds a scalar expression that must have that type; without one, any will do. `None` when something was reported.
pub(super) fn expression(expr: &Expr, schema: &Schema, expect: Option<Type>, report: &mut Report) -> Option<Node> {
    let mut binder = Binder { report, catalog: None, lets: Vec::new(), scalars: Vec::new() };
    match expect {
        Some(ty) => binder.expect(expr, schema, ty, "the expression"),
        None => binder.expr(expr, schema),
    }
}

/// Binds a query. `None` when something was reported.
pub(super) fn query(text: &Text, catalog: &dyn Catalog, report: &mut Report) -> Option<Plan> {
    let mut binder = Binder { report, catalog: Some(catalog), lets: Vec::new(), scalars: Vec::new() };
    for statement in &text.lets {
        let value = match &statement.value {
            LetValue::Scalar(expr) => binder.scalar_let(expr),
            LetValue::Tabular(pipeline) => Bound::Table(pipeline),
            LetValue::Alias(name, pipeline) => {
                if binder.names_table(name) {
                    Bound::Table(pipeline)
                } else {
                    binder.scalar_let(name)
                }
            }
        };
        binder.lets.push((&statement.name.text, value));
    }
    let mut plan = binder.pipeline(text.pipeline.as_ref()?)?;
    plan.lets = binder.scalars;
    Some(plan)
}

struct Binder<'b, 'r> {
    report: &'r mut Report,
    catalog: Option<&'b dyn Catalog>,
    lets: Vec<(&'b str, Bound<'b>)>,
    /// The scalar lets that are no constants, evaluated once per run, in this order.
    scalars: Vec<Node>,
}

/// What a `let` name stands for.
#[derive(Clone)]
enum Bound<'b> {
    Scalar(Node),
    Table(&'b Pipeline),
    /// Its statement was wrong and has been reported.
    Broken,
}

impl<'b> Binder<'b, '_> {
    fn wrong(&mut self, span: Span, finding: Finding) {
        self.report.add(span, finding);
    }

    fn let_named(&self, name: &str) -> Option<Bound<'b>> {
        self.lets.iter().rev().find(|(known, _)| *known == name).map(|(_, bound)| bound.clone())
    }

    fn names_table(&self, name: &Expr) -> bool {
        let ExprKind::Name(name) = &name.kind else { return false };
        match self.let_named(name) {
            Some(bound) => matches!(bound, Bound::Table(_)),
            None => self.catalog.is_some_and(|catalog| catalog.schema(name).is_some()),
        }
    }

    /// A constant is used as it is; anything else is kept aside and evaluated once.
    fn scalar_let(&mut self, expr: &Expr) -> Bound<'b> {
        let Some(node) = self.expr(expr, &Schema::default()) else { return Bound::Broken };
        if node.as_const().is_some() {
            return Bound::Scalar(node);
        }
        let ty = node.ty;
        self.scalars.push(node);
        Bound::Scalar(Node::new(NodeKind::Let(self.scalars.len() - 1), ty))
    }

    /// An expression of that type; a dynamic is converted and numbers are widened.
    fn expect(&mut self, expr: &Expr, schema: &Schema, ty: Type, what: &str) -> Option<Node> {
        let node = self.expr(expr, schema)?;
        let found = node.ty;
        let fitted = fit(node, ty);
        if fitted.is_none() {
            let message = format!("{what} must be a {ty}, but this is a {found}");
            self.wrong(expr.span, Finding::error("kql/type", message).help(call::conversion_help(ty)));
        }
        fitted
    }
}

/// The node as that type, where Kusto converts by itself.
fn fit(node: Node, ty: Type) -> Option<Node> {
    let fits = match (node.ty, ty) {
        (from, to) if from == to => return Some(node),
        (Type::Dynamic, _) | (Type::Int, Type::Long) => true,
        (from, Type::Real) => from.is_number(),
        // Literals are longs; a small one is an int where an int is wanted.
        (Type::Long, Type::Int) => node.as_const().is_some(),
        _ => false,
    };
    fits.then(|| Node::new(NodeKind::Convert(Box::new(node)), ty))
}
