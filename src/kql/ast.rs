//! The syntax tree. Every node has its place; what could not be parsed is an error node, already reported.

use super::value::{Type, Value};
use crate::diagnostics::Span;

/// A word and where it is.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Name {
    pub(super) text: String,
    pub(super) span: Span,
}

/// A scalar expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Expr {
    pub(super) kind: ExprKind,
    pub(super) span: Span,
    /// Levels of nodes from here down; bounded by the parser so that a walk may recurse.
    pub(super) height: usize,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum ExprKind {
    /// Something wrong that has been reported.
    Error,
    /// A literal; a null has its type beside it.
    Literal(Value, Type),
    /// A column or a `let` name.
    Name(String),
    /// `base.name` and `base["name"]`.
    Property(Box<Expr>, String),
    /// `base[index]`.
    Element(Box<Expr>, Box<Expr>),
    /// A function, or an operator with its operands (`and` and `or` with all of theirs).
    Call { name: Name, operator: bool, args: Vec<Expr> },
    /// `*`, as in `arg_max(t, *)`.
    Star,
}

impl Expr {
    pub(super) fn new(kind: ExprKind, span: Span) -> Self {
        let below = match &kind {
            ExprKind::Error | ExprKind::Literal(..) | ExprKind::Name(_) | ExprKind::Star => 0,
            ExprKind::Property(base, _) => base.height,
            ExprKind::Element(base, index) => base.height.max(index.height),
            ExprKind::Call { args, .. } => args.iter().map(|arg| arg.height).max().unwrap_or(0),
        };
        Self { kind, span, height: below + 1 }
    }

    pub(super) fn error(span: Span) -> Self {
        Self::new(ExprKind::Error, span)
    }

    pub(super) fn is_error(&self) -> bool {
        matches!(self.kind, ExprKind::Error)
    }
}

/// `name = value`, or a value alone.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Named {
    pub(super) name: Option<Name>,
    pub(super) value: Expr,
}

/// A query: `let` statements and one pipeline.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Text {
    pub(super) lets: Vec<Let>,
    pub(super) pipeline: Option<Pipeline>,
}

/// `let name = value;`
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Let {
    pub(super) name: Name,
    pub(super) value: LetValue,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum LetValue {
    Scalar(Expr),
    Tabular(Box<Pipeline>),
    /// A lone name, which may be either.
    Alias(Expr, Box<Pipeline>),
}

/// A source and what is done with its rows.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Pipeline {
    pub(super) from: From,
    pub(super) steps: Vec<Step>,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum From {
    Table(Name),
    Print(Vec<Named>),
    Datatable {
        columns: Vec<(Name, Type)>,
        cells: Vec<Expr>,
        span: Span,
    },
    /// `range name from low to high step step`
    Range(Name, Box<[Expr; 3]>),
    Nested(Box<Pipeline>),
    Error,
}

/// One tabular operator.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Step {
    pub(super) kind: StepKind,
    pub(super) span: Span,
}

#[derive(Debug, Clone, PartialEq)]
pub(super) enum StepKind {
    Where(Expr),
    Extend(Vec<Named>),
    Project(Vec<Named>),
    /// Names, which may hold `*`.
    ProjectAway(Vec<Name>),
    Order(Vec<OrderBy>),
    Take(Expr),
    Count,
    /// `None` is `distinct *`.
    Distinct(Option<Vec<Named>>),
    Top(Expr, OrderBy),
    Summarize {
        aggregates: Vec<Named>,
        by: Vec<Named>,
    },
    Error,
}

/// One key of an order.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct OrderBy {
    pub(super) key: Expr,
    pub(super) ascending: bool,
    pub(super) nulls_first: bool,
}
