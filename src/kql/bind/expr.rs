//! Scalar expressions.

use std::sync::Arc;

use super::{Binder, Meaning};
use crate::diagnostics::{Finding, Span, quoted};
use crate::kql::aggregates::is_aggregate;
use crate::kql::ast::{Expr, ExprKind};
use crate::kql::ir::{Node, NodeKind};
use crate::kql::schema::Schema;
use crate::kql::value::Type;

/// Tallest tree of nodes that is evaluated.
const HEIGHT: u16 = 200;

impl Binder<'_, '_> {
    /// The typed form of an expression; `None` when something in it was reported.
    pub(super) fn expr(&mut self, expr: &Expr, schema: &Schema) -> Option<Node> {
        let node = self.deeper(expr.span, |binder| binder.any_expr(expr, schema))?;
        if node.height > HEIGHT {
            self.too_deep(expr.span);
            return None;
        }
        Some(node)
    }

    fn any_expr(&mut self, expr: &Expr, schema: &Schema) -> Option<Node> {
        match &expr.kind {
            ExprKind::Error => None,
            ExprKind::Literal(value, ty) => Some(Node::constant(value.clone(), *ty)),
            ExprKind::Name(name) => self.name(name, expr.span, schema),
            ExprKind::Property(base, name) => {
                let base = self.dynamic(base, schema)?;
                Some(Node::new(NodeKind::Property(Box::new(base), Arc::from(name.as_str())), Type::Dynamic))
            }
            ExprKind::Element(base, index) => self.element(base, index, schema),
            ExprKind::Call { name, operator, args } => self.call(name, *operator, args, expr.span, schema),
            ExprKind::Star => {
                let finding = Finding::error("kql/unsupported", "\"*\" stands for columns, not for a value");
                self.wrong(expr.span, finding.help("name the columns"));
                None
            }
            ExprKind::Assign(name, _) => {
                let finding =
                    Finding::error("kql/syntax", "\"=\" does not compare").help("write == (or =~ for any case)");
                self.wrong(name.span, finding);
                None
            }
            ExprKind::Rows(_) => {
                let finding = Finding::error("kql/type", "a value is wanted here, but these are rows");
                self.wrong(expr.span, finding.help("take one value of them with toscalar()"));
                None
            }
        }
    }

    fn element(&mut self, base: &Expr, index: &Expr, schema: &Schema) -> Option<Node> {
        let (base, bound) = (self.dynamic(base, schema), self.expr(index, schema));
        let (base, bound) = (base?, bound?);
        if !matches!(bound.ty, Type::Int | Type::Long | Type::String | Type::Dynamic) {
            let message = format!("an index is a number or a name, but this is a {}", bound.ty);
            self.wrong(index.span, Finding::error("kql/type", message));
            return None;
        }
        Some(Node::new(NodeKind::Element(Box::new(base), Box::new(bound)), Type::Dynamic))
    }

    fn name(&mut self, name: &str, span: Span, schema: &Schema) -> Option<Node> {
        if let Some(index) = schema.index(name) {
            let ty = schema.columns().get(index)?.ty;
            return Some(Node::slot(index, ty));
        }
        match self.let_named(name) {
            Some(Meaning::Scalar(node, scope)) => return self.parameter(name, node, scope, span),
            Some(Meaning::Broken) => {
                self.broken += 1;
                return None;
            }
            Some(Meaning::Rows(_)) => {
                let finding = Finding::error("kql/type", format!("{} is rows, not a value", quoted(name)));
                self.wrong(span, finding.help("take one value of them with toscalar(), or look in them with in"));
                return None;
            }
            Some(Meaning::Function(_)) => {
                let finding = Finding::error("kql/type", format!("{} is a function", quoted(name)));
                self.wrong(span, finding.help("call it with its arguments in parentheses"));
                return None;
            }
            None => {
                if let Some(ty) = self.unlisted(name, span, schema) {
                    return Some(Node::unknown(ty));
                }
            }
        }
        if self.folding.is_some() && is_aggregate(name) {
            let message = format!("{} is an aggregate: its arguments stand in parentheses", quoted(name));
            self.wrong(span, Finding::error("kql/aggregate", message).help(format!("write {name}()")));
            return None;
        }
        if let Some(folding) = &self.folding
            && (folding.input.index(name).is_some() || folding.input.unlisted(name).is_some())
        {
            let message = format!("{} is a column of many rows; summarize needs one value of them", quoted(name));
            let finding = Finding::error("kql/aggregate", message);
            self.wrong(span, finding.help("put it into an aggregate such as max() or take_any()"));
            return None;
        }
        self.unknown_column(name, span, schema);
        None
    }

    /// A `let` value or a parameter. One that reads a row is only worth something for that row.
    fn parameter(&mut self, name: &str, node: Node, scope: usize, span: Span) -> Option<Node> {
        if scope != 0 && scope != self.scope {
            let message = format!("{} depends on a row that is not at hand here", quoted(name));
            let finding = Finding::error("kql/unsupported", message);
            self.wrong(span, finding.help("give the function a value that is the same for all rows"));
            return None;
        }
        if scope != 0 {
            let mut nodes = 0;
            node.walk(&mut |_| nodes += 1);
            self.more(nodes, span)?;
        }
        Some(node)
    }

    /// What stands before `.name` or `[index]`.
    fn dynamic(&mut self, base: &Expr, schema: &Schema) -> Option<Node> {
        let node = self.expr(base, schema)?;
        if node.ty == Type::Dynamic {
            return Some(node);
        }
        let message = format!("a {} has no parts", node.ty);
        let finding = Finding::error("kql/type", message);
        let help =
            if node.ty == Type::String { "read it as JSON first: parse_json(...)" } else { "only a dynamic has parts" };
        self.wrong(base.span, finding.help(help));
        None
    }
}
