//! Scalar expressions.

use std::sync::Arc;

use super::{Binder, Bound};
use crate::diagnostics::{Finding, Span, quoted, suggest};
use crate::kql::ast::{Expr, ExprKind};
use crate::kql::ir::{Node, NodeKind};
use crate::kql::schema::Schema;
use crate::kql::value::Type;

impl Binder<'_, '_> {
    /// The typed form of an expression; `None` when something in it was reported.
    pub(super) fn expr(&mut self, expr: &Expr, schema: &Schema) -> Option<Node> {
        match &expr.kind {
            ExprKind::Error => None,
            ExprKind::Literal(value, ty) => Some(Node::constant(value.clone(), *ty)),
            ExprKind::Name(name) => self.name(name, expr.span, schema),
            ExprKind::Property(base, name) => {
                let base = self.dynamic(base, schema)?;
                Some(Node::new(NodeKind::Property(Box::new(base), Arc::from(name.as_str())), Type::Dynamic))
            }
            ExprKind::Element(base, index) => {
                let (base, bound) = (self.dynamic(base, schema), self.expr(index, schema));
                let (base, bound) = (base?, bound?);
                if !matches!(bound.ty, Type::Int | Type::Long | Type::String | Type::Dynamic) {
                    let message = format!("an index is a number or a name, but this is a {}", bound.ty);
                    self.wrong(index.span, Finding::error("kql/type", message));
                    return None;
                }
                Some(Node::new(NodeKind::Element(Box::new(base), Box::new(bound)), Type::Dynamic))
            }
            ExprKind::Call { name, operator, args } => self.call(name, *operator, args, expr.span, schema),
            ExprKind::Star => {
                let finding = Finding::error("kql/unsupported", "\"*\" stands for columns, not for a value");
                self.wrong(expr.span, finding.help("name the columns"));
                None
            }
        }
    }

    fn name(&mut self, name: &str, span: Span, schema: &Schema) -> Option<Node> {
        if let Some(index) = schema.index(name) {
            let ty = schema.columns().get(index)?.ty;
            return Some(Node::new(NodeKind::Slot(index), ty));
        }
        match self.let_named(name) {
            Some(Bound::Scalar(node)) => return Some(node),
            Some(Bound::Broken) => return None,
            Some(Bound::Table(_)) => {
                let message = format!("{} is a table; a table as a value or a list is not supported", quoted(name));
                self.wrong(span, Finding::error("kql/unsupported", message));
                return None;
            }
            None if schema.is_open() => return Some(Node::new(NodeKind::Unknown, Type::Dynamic)),
            None => {}
        }
        let known: Vec<&str> = schema.columns().iter().filter(|c| !c.is_hidden()).map(|c| &*c.name).collect();
        let lets = self.lets.iter().map(|(name, _)| *name);
        let near = suggest::nearest(name, known.iter().copied().chain(lets)).map(ToOwned::to_owned);
        let mut finding = Finding::error("kql/unknown-column", format!("there is no column {}", quoted(name)));
        if near.is_none() && !known.is_empty() && known.len() <= 40 {
            finding = finding.help(format!("the columns are {}", known.join(", ")));
        }
        self.wrong(span, finding.help_nearest(near.as_deref()));
        None
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
