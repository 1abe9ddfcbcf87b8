//! Checked expressions: slots instead of names, a type on every node. Evaluated by [`super::eval`].

use std::sync::Arc;

use regex::Regex;

use super::eval::lookup::Lists;
use super::functions::Function;
use super::value::{Type, Value};

/// A typed expression.
#[derive(Debug, Clone)]
pub(super) struct Node {
    pub(super) kind: NodeKind,
    pub(super) ty: Type,
    /// Levels of nodes from here down; bounded by the binder so that a walk may recurse.
    pub(super) height: u16,
}

#[derive(Debug, Clone)]
pub(super) enum NodeKind {
    /// A literal or a folded expression.
    Const(Value),
    /// A column of the row.
    Slot(usize),
    /// A column of an open schema: of no known type, only for checking.
    Unknown,
    /// What is prepared once per run.
    Let(usize),
    /// Whether a value is in a prepared set.
    InSet(Box<Node>, usize, bool),
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
    /// The lists among the arguments, when they are the same for all rows and not short.
    pub(super) lists: Option<Arc<Lists>>,
}

impl Node {
    pub(super) fn new(kind: NodeKind, ty: Type) -> Self {
        let mut height = 0;
        kind.below(&mut |node| height = height.max(node.height));
        Self { kind, ty, height: height.saturating_add(1) }
    }

    pub(super) const fn constant(value: Value, ty: Type) -> Self {
        Self { kind: NodeKind::Const(value), ty, height: 1 }
    }

    pub(super) const fn slot(at: usize, ty: Type) -> Self {
        Self { kind: NodeKind::Slot(at), ty, height: 1 }
    }

    /// A column of no known value, after a mistake or of an open schema.
    pub(super) const fn unknown(ty: Type) -> Self {
        Self { kind: NodeKind::Unknown, ty, height: 1 }
    }

    pub(super) const fn as_const(&self) -> Option<&Value> {
        if let NodeKind::Const(value) = &self.kind { Some(value) } else { None }
    }

    /// Calls `visit` for this node and all below it.
    pub(super) fn walk<'n>(&'n self, visit: &mut dyn FnMut(&'n Self)) {
        visit(self);
        self.kind.below(&mut |node| node.walk(visit));
    }

    /// Whether it needs a query to be run first, once.
    pub(super) fn runs_queries(&self) -> bool {
        let mut runs = false;
        self.walk(&mut |node| runs |= matches!(node.kind, NodeKind::Let(_) | NodeKind::InSet(..)));
        runs
    }

    /// Whether its value depends on the row.
    pub(super) fn reads_row(&self) -> bool {
        let mut reads = false;
        self.walk(&mut |node| reads |= matches!(node.kind, NodeKind::Slot(_) | NodeKind::Unknown));
        reads
    }
}

impl NodeKind {
    /// Calls `visit` for the nodes directly below.
    fn below<'n>(&'n self, visit: &mut dyn FnMut(&'n Node)) {
        match self {
            Self::Const(_) | Self::Let(_) | Self::Slot(_) | Self::Unknown => {}
            Self::And(nodes) | Self::Or(nodes) | Self::Case(nodes) | Self::Coalesce(nodes) => {
                nodes.iter().for_each(visit);
            }
            Self::Property(base, _) | Self::Convert(base) | Self::InSet(base, ..) => visit(base),
            Self::Element(base, index) => {
                visit(base);
                visit(index);
            }
            Self::Call(call) => call.args.iter().for_each(visit),
        }
    }
}
