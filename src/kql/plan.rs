//! A checked query: a source and stages over rows of slots.

use super::aggregates::Aggregate;
use super::ir::Node;
use super::schema::Column;
use super::value::{Type, Value};

/// What a query does.
#[derive(Debug, Clone)]
pub(super) struct Plan {
    pub(super) lets: Vec<Node>,
    pub(super) from: From,
    pub(super) stages: Vec<Stage>,
    /// The columns after the last stage.
    pub(super) columns: Vec<Column>,
}

#[derive(Debug, Clone)]
pub(super) enum From {
    Table {
        name: String,
        columns: Vec<Column>,
        /// Whether there are columns beside them that nobody knew of: such a plan is for checking only.
        open: bool,
    },
    Rows(Vec<Vec<Value>>),
    /// One row of computed values.
    Print(Vec<Node>),
    Range(Box<[Node; 3]>),
}

/// One operator.
#[derive(Debug, Clone)]
pub(super) enum Stage {
    Where(Node),
    /// Values for slots; a slot past the end is added.
    Extend(Vec<(usize, Node)>),
    Project(Vec<Node>),
    Order(Vec<Key>),
    Take(Node),
    Count,
    Distinct,
    Summarize {
        by: Vec<Node>,
        folds: Vec<Fold>,
    },
}

/// One key of an order.
#[derive(Debug, Clone)]
pub(super) struct Key {
    pub(super) node: Node,
    pub(super) ascending: bool,
    pub(super) nulls_first: bool,
}

/// What summarize computes over a group.
#[derive(Debug, Clone)]
pub(super) enum Fold {
    /// One value.
    One { aggregate: &'static Aggregate, args: Vec<Node>, ty: Type },
    /// The key and further values of the row with the largest or smallest key.
    Best { largest: bool, key: Node, values: Vec<Node> },
}
