//! Checked expressions: slots instead of names, a type on every node. Evaluated by [`super::eval`].

use std::sync::Arc;

use regex::Regex;

use super::functions::Function;
use super::value::{Type, Value};

/// A typed expression.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) kind: NodeKind,
    pub(super) ty: Type,
}

#[derive(Debug, Clone)]
pub(super) enum NodeKind {
    /// A literal or a folded expression.
    Const(Value),
    /// A column of the row.
    Slot(usize),
    /// A column of an open schema: of no known type, only for checking.
    Unknown,
    /// A `let` of the query, evaluated once per run.
    Let(usize),
    /// All of them, with short circuit.
    And(Vec<Node>),
    /// One of them, with short circuit.
    Or(Vec<Node>),
    /// Condition and value in turn, then the value for "else".
    Case(Vec<Node>),
    /// The first that is not null, nor empty.
    Coalesce(Vec<Node>),
    /// A property of a bag.
    Property(Box<Node>, Arc<str>),
    /// An element of an array, or a property whose name is computed.
    Element(Box<Node>, Box<Node>),
    /// To the node's type.
    Convert(Box<Node>),
    /// A function or an operator of the table.
    Call(Call),
}

#[derive(Debug, Clone)]
pub(super) struct Call {
    pub(super) function: &'static Function,
    pub(super) args: Vec<Node>,
    /// The regular expression among the arguments, when it is constant.
    pub(super) regex: Option<Regex>,
}

impl Node {
    pub(super) const fn new(kind: NodeKind, ty: Type) -> Self {
        Self { kind, ty }
    }

    pub(super) const fn constant(value: Value, ty: Type) -> Self {
        Self::new(NodeKind::Const(value), ty)
    }

    pub(super) const fn as_const(&self) -> Option<&Value> {
        if let NodeKind::Const(value) = &self.kind { Some(value) } else { None }
    }

    /// Calls `visit` for this node and all below it.
    pub(super) fn walk<'n>(&'n self, visit: &mut dyn FnMut(&'n Self)) {
        visit(self);
        match &self.kind {
            NodeKind::Const(_) | NodeKind::Let(_) | NodeKind::Slot(_) | NodeKind::Unknown => {}
            NodeKind::And(nodes) | NodeKind::Or(nodes) | NodeKind::Case(nodes) | NodeKind::Coalesce(nodes) => {
                for node in nodes {
                    node.walk(visit);
                }
            }
            NodeKind::Property(base, _) | NodeKind::Convert(base) => base.walk(visit),
            NodeKind::Element(base, index) => {
                base.walk(visit);
                index.walk(visit);
            }
            NodeKind::Call(call) => {
                for node in &call.args {
                    node.walk(visit);
                }
            }
        }
    }
}
